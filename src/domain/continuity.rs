//! Whether a record validly continues the one before it, with the folders as they are in the commit that brings it: what
//! passgate itself would have written, and nothing else.

use super::artifact::Folder;
use super::id::{BlobId, BranchName, CommitId, Digest};
use super::listing::{Entry, EntryMode, is_gits_own};
use super::outcome::Verdict;
use super::policy::{Accept, Drift, OverridableGate, Source, Stage};
use super::record::{Entry as Release, LEDGER, Record, State};
use super::url::RepoUrl;

/// The record that was in force before.
#[derive(Debug, Clone, Copy)]
pub enum Before<'a> {
    /// There never was one.
    Nothing,
    /// There was one, and it was deleted.
    Deleted,
    /// A file that is no record.
    Unreadable(BlobId),
    /// A record.
    Record(BlobId, &'a Record),
}

impl Before<'_> {
    fn blob(&self) -> Option<BlobId> {
        match self {
            Self::Nothing | Self::Deleted => None,
            Self::Unreadable(blob) | Self::Record(blob, _) => Some(*blob),
        }
    }
}

/// A folder that the policy or the record names, before and after.
#[derive(Debug, Clone)]
pub struct FolderStep {
    /// Its path.
    pub path: String,
    /// What the first parent had there.
    pub before: Option<Entry>,
    /// What the commit has there.
    pub after: Option<Entry>,
}

/// Where a record stands: everything that it must fit.
pub struct Step<'a> {
    /// The record before it.
    pub before: Before<'a>,
    /// The record that `restarted` names, when the branch had it.
    pub from: Option<&'a Record>,
    /// The commit at which the live entry of the record before landed, where that is known.
    pub landed: Option<CommitId>,
    /// The policy in force: at the first parent. Its id is None when what stands there cannot be used.
    pub policy: (Option<BlobId>, &'a Stage),
    /// What it says of the unit.
    pub accept: &'a Accept,
    /// The folders of policy and record.
    pub folders: &'a [FolderStep],
    /// Whether a file in the folders changed that is not the environment's own.
    pub touches: bool,
    /// Whether a file that stood in the folders changed or went.
    pub replaces_files: bool,
    /// Kept files that this very commit changes.
    pub kept_changed: Vec<String>,
    /// Whether a commit is the first parent, or one before it with the same files in the folders.
    pub found_at: &'a dyn Fn(CommitId) -> bool,
    /// Whether the chain of records up to the record before is whole; None: not known.
    pub is_whole: Option<bool>,
    /// The digest of what is in the folders, files of others aside; None where the record brings no new content.
    pub digest: Option<Digest>,
    /// Whether two URLs name one place.
    pub same_place: &'a dyn Fn(&RepoUrl, &RepoUrl) -> bool,
}

/// What is to be said of a record's step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Continued {
    /// Why passgate would not have written it; empty for a valid step.
    pub faults: Vec<String>,
    /// Gates that an override opened.
    pub overridden: Option<String>,
    /// A new beginning of the chain.
    pub restarted: Option<String>,
    /// Whether a first release took over files with other content.
    pub took_over: bool,
}

/// Whether a record brings a release of its own, other than a mark or the same content from another commit.
pub fn is_release(record: &Record) -> bool {
    record.live().is_some_and(|live| live.seq == record.seq)
}

/// Judges one step of the chain of records.
pub fn continues(record: &Record, step: &Step<'_>) -> Continued {
    let mut faults = Faults(Vec::new());
    place(record, step, &mut faults);
    chain(record, step, &mut faults);
    // Whose ledger goes on.
    let base = match (record.restarted, step.before) {
        (Some(_), _) => step.from,
        (None, Before::Record(_, before)) => Some(before),
        (None, _) => None,
    };
    if is_release(record) {
        release(record, step, base, &mut faults);
    } else {
        match base.filter(|_| record.restarted.is_none()) {
            Some(before) => note(record, before, step, &mut faults),
            None => faults.add("it has no release of its own and continues none"),
        }
    }
    let is_new =
        base.is_none_or(|base| base.overridden != record.overridden) || (is_release(record) && opens_now(record));
    let newly_overridden = record.overridden.is_some() && !is_rollback(record) && is_new;
    let opened = record.overridden.as_ref().filter(|_| newly_overridden);
    let first = matches!(step.before, Before::Nothing) && record.ledger.iter().any(|e| e.state == State::Adopted);
    Continued {
        overridden: opened.map(|o| format!("gates were opened by an override: {} ({})", o.gates.join(", "), o.reason)),
        restarted: record.restarted.map(|restart| match restart.from {
            Some(_) => "--adopt began a new chain of records after a break".to_owned(),
            None => "--adopt began a new chain of records, without any record before".to_owned(),
        }),
        took_over: first && step.replaces_files,
        faults: faults.0,
    }
}

struct Faults(Vec<String>);

impl Faults {
    fn add(&mut self, why: impl Into<String>) {
        self.0.push(why.into());
    }

    fn unless(&mut self, holds: bool, why: &str) {
        if !holds {
            self.add(why);
        }
    }
}

fn place(record: &Record, step: &Step<'_>, faults: &mut Faults) {
    let (_, policy) = step.policy;
    let here = (step.same_place)(&record.repository, &policy.repository)
        && record.branch == policy.branch
        && record.unit == step.accept.unit;
    if !here {
        faults.add(format!(
            "it is not the record of this place: it is for {} in {}#{}",
            record.unit, record.repository, record.branch
        ));
    }
}

fn chain(record: &Record, step: &Step<'_>, faults: &mut Faults) {
    faults.unless(
        record.replaces == step.before.blob(),
        "it does not continue the record before it: a record was reverted, deleted, or several were brought in by a merge",
    );
    if let Before::Record(_, before) = step.before
        && record.seq <= before.seq
    {
        faults.add(format!("its number {} does not rise over {}", record.seq, before.seq));
    }
    if let Some(restart) = record.restarted {
        faults.unless(
            restart.from.is_none() || step.from.is_some(),
            "it restarts from a record that this branch never had",
        );
        faults.unless(step.is_whole != Some(true), "it begins a new chain where the old one was whole");
        return;
    }
    match step.before {
        Before::Deleted => faults.add("it was written after the record had been deleted"),
        Before::Unreadable(_) => faults.add("it continues a file that is no record"),
        Before::Nothing | Before::Record(..) => {}
    }
}

// A record that brings content: a release, a rollback, or the first word on content that was developed here.
fn release(record: &Record, step: &Step<'_>, base: Option<&Record>, faults: &mut Faults) {
    let (policy_id, policy) = step.policy;
    let own = step.accept.source == Source::SelfRepository;
    faults.unless(record.stage == policy.stage, "it is for another stage");
    faults.unless(policy_id == Some(record.policy), "it was not written under the rules in force");
    let mut named: Vec<&str> = record.folders.iter().map(|folder| folder.path.as_str()).collect();
    let mut owned: Vec<&str> = step.accept.folders.iter().map(|folder| folder.to.as_str()).collect();
    named.sort_unstable();
    owned.sort_unstable();
    faults.unless(named == owned, "it does not name the folders that the rules give to the unit");
    // Files of the environment itself may have changed since it was proposed.
    let trees = record.folders.iter().all(|folder| is_there(folder, step.folders));
    match step.digest {
        Some(digest) if digest == record.digest => {}
        Some(_) if trees => faults.add("the folders do not hold the content whose digest it names"),
        _ => faults.unless(trees, "the folders are not the trees that it names"),
    }
    if own {
        faults.unless(!step.touches, "the content that it speaks of changed in the same commit");
    }
    if is_rollback(record) {
        returns(record, base, step, faults);
    } else if let Source::Repository(source) = &step.accept.source
        && !(step.same_place)(&record.source.repository, source)
    {
        faults.add(format!("its content is from {}, which is not the accepted source", record.source.repository));
    }
    let mine = |path: &String| is_gits_own(path) || step.accept.local.matches(path);
    let allowed = policy.drift == Drift::Keep || opens(record, OverridableGate::Drift);
    let was_kept = |path: &String| base.is_some_and(|base| base.kept.contains(path));
    let allowed = allowed || record.state == State::Retired;
    if let Some(path) = record.kept.iter().find(|path| !mine(path) && !allowed && !was_kept(path)) {
        faults.add(format!("it keeps {path}, which the rules do not let it keep"));
    }
    if let Some(path) = step.kept_changed.first() {
        faults.add(format!("{path}, which it says was kept, changed in the same commit"));
    }
    gates(record, policy, is_rollback(record), faults);
    ledger(record, step, base, own, faults);
}

fn opens(record: &Record, gate: OverridableGate) -> bool {
    record.overridden.as_ref().is_some_and(|used| used.gates.iter().any(|name| name == gate.as_str()))
}

fn is_there(folder: &Folder, steps: &[FolderStep]) -> bool {
    let there = steps.iter().find(|step| step.path == folder.path).and_then(|step| step.after);
    there == folder.tree.map(|tree| (EntryMode::Tree, tree.0))
}

// Whether an override opened a gate for this very record.
fn opens_now(record: &Record) -> bool {
    let used = record.overridden.as_ref().map(|used| used.gates.as_slice()).unwrap_or_default();
    record.gates.iter().any(|gate| gate.is_closed() && used.contains(&gate.gate))
}

/// Whether a record says that its content came back: a rollback or a retirement asks no source, and a release always does.
pub fn is_rollback(record: &Record) -> bool {
    let mut source = record.gates.iter().filter(|gate| gate.gate == "source");
    is_release(record) && source.next().is_some_and(|gate| gate.verdict == Verdict::NotAsked)
}

// Content that comes back is what it was: from the same commit, and with the override that let it in.
fn returns(record: &Record, base: Option<&Record>, step: &Step<'_>, faults: &mut Faults) {
    if record.state == State::Retired {
        let same = base.is_some_and(|base| base.source == record.source);
        return faults.unless(same, "it names another source than what it retires");
    }
    let known = base.and_then(|base| base.ledger.iter().find(|entry| entry.digest == record.digest));
    let Some(known) = known else { return faults.add("it brings back content that never was here") };
    faults.unless(known.overridden == record.overridden, "it hides the override of what it brings back");
    faults.unless(base.is_none_or(|base| base.after == record.after), "it changes what was seen of previous stages");
    if known.state != State::Adopted {
        let same = known.commit == Some(record.source.commit) && known.branch.as_ref() == Some(&record.source.branch);
        let (_, policy) = step.policy;
        let here = |source: &RepoUrl| (step.same_place)(&record.source.repository, source);
        let accepted = match &step.accept.source {
            Source::Repository(source) => here(source),
            Source::SelfRepository => here(&policy.repository),
        };
        faults.unless(same && accepted, "it names another source than the release that it brings back");
    }
}

fn gates(record: &Record, policy: &Stage, is_carried: bool, faults: &mut Faults) {
    let used = record.overridden.as_ref().map(|used| used.gates.as_slice()).unwrap_or_default();
    for gate in &record.gates {
        if gate.is_closed() && !used.contains(&gate.gate) {
            faults.add(format!("gate {} was not open", gate.gate));
        }
    }
    for name in used.iter().filter(|_| !is_carried) {
        if !policy.override_allow.iter().any(|allowed| allowed.as_str() == name) {
            faults.add(format!("an override of gate {name} is not allowed by the rules in force"));
        }
    }
}

fn ledger(record: &Record, step: &Step<'_>, base: Option<&Record>, own: bool, faults: &mut Faults) {
    let Some((live, older)) = record.ledger.split_first() else { return };
    if live.release_commit.is_some() {
        faults.add("its live release names a commit, which no record can know");
    }
    let earned = match live.state {
        State::Released => true,
        State::Passed => own || base.is_some_and(|base| base.last_mark(record.digest) == Some(State::Passed)),
        State::Failed => own,
        State::Retired => step.accept.retire,
        State::Adopted => base.is_some_and(|base| {
            base.ledger.iter().any(|entry| entry.digest == record.digest && entry.state == State::Adopted)
        }),
    };
    if !earned {
        faults.add(format!("it is born {}, and nothing here earned that", live.state.as_str()));
    }
    faults.unless(live.overridden == record.overridden, "its ledger and it name different overrides");
    let Some(base) = base else {
        // What was found here was found at the first parent, or at an earlier commit with the same folders.
        let found = |entry: &Release| {
            let here = entry.release_commit.is_some_and(|commit| (step.found_at)(commit));
            entry.seq == 0 && entry.state == State::Adopted && record.restarted.is_none() && here
        };
        let fits = older.len() <= 1 && older.iter().all(found);
        return faults.unless(fits, "its ledger names releases that never were here");
    };
    let expected = base.ledger.get(..base.ledger.len().min(LEDGER - 1)).unwrap_or_default();
    let same = older.len() == expected.len()
        && older
            .iter()
            .zip(expected)
            .enumerate()
            .all(|(at, (now, was))| if at == 0 { is_closed(now, was) } else { now == was });
    faults.unless(same, "its ledger rewrites earlier releases");
    if let (Some(landed), Some(closed), None) = (step.landed, older.first(), record.restarted) {
        faults.unless(
            closed.release_commit == Some(landed),
            "its ledger names another commit for the release before it than the one at which that landed",
        );
    }
}

// The release that ends gets its commit, and a rollback marks what it leaves as failed.
fn is_closed(now: &Release, was: &Release) -> bool {
    let mut expected = Release { release_commit: now.release_commit, ..was.clone() };
    if now.state == State::Failed {
        expected.state = State::Failed;
        expected.marked.clone_from(&now.marked);
    }
    *now == expected
}

// A mark, or the same content from another commit: the record alone.
fn note(record: &Record, before: &Record, step: &Step<'_>, faults: &mut Faults) {
    let (policy_id, policy) = step.policy;
    faults.unless(!step.touches, "the unit's folders changed together with a record that brings no release");
    faults.unless(
        record.digest == before.digest && record.released == before.released,
        "it changes what is live without a release",
    );
    faults.unless(record.kept == before.kept, "it changes what was kept without a release");
    faults.unless(record.stage == before.stage || record.stage == policy.stage, "it is for another stage");
    faults.unless(
        record.policy == before.policy || policy_id == Some(record.policy),
        "it was not written under the rules in force",
    );
    let same_trees = record.folders == before.folders || record.folders.iter().all(|f| is_there(f, step.folders));
    faults.unless(same_trees, "it names other folders than the release that it speaks of");
    let may_be_marked = matches!(before.state, State::Released | State::Passed | State::Failed);
    if record.state != before.state && !(may_be_marked && matches!(record.state, State::Passed | State::Failed)) {
        faults.add(format!("its state went from {} to {}", before.state.as_str(), record.state.as_str()));
    }
    let accepted = match &step.accept.source {
        Source::Repository(source) => (step.same_place)(&record.source.repository, source),
        Source::SelfRepository => true,
    };
    faults.unless(record.source == before.source || accepted, "it names a source that is not accepted");
    let own = step.accept.source == Source::SelfRepository;
    if record.source.commit == before.source.commit && !own {
        // A mark says nothing of where the content came from.
        let same = record.source == before.source && record.version == before.version && record.after == before.after;
        faults.unless(same && record.gates == before.gates, "a mark changes more than the mark");
        faults.unless(record.overridden == before.overridden, "a mark changes the override");
    } else if !own {
        let same = record.marked == before.marked && record.state == before.state;
        faults.unless(same, "it takes another source commit and a mark at once");
        gates(record, policy, false, faults);
    }
    faults.unless(record.overridden.is_some() || before.overridden.is_none(), "it hides the override of its release");
    let live = match (record.ledger.split_first(), before.ledger.split_first()) {
        (Some((live, older)), Some((was, was_older))) if older == was_older => {
            // A mark sets state and time; another source commit sets commit and branch, which are the record's own.
            let moved = record.source.commit != before.source.commit;
            let expected = Release {
                state: live.state,
                marked: live.marked.clone(),
                commit: if moved { Some(record.source.commit) } else { was.commit },
                branch: if moved { Some(record.source.branch.clone()) } else { was.branch.clone() },
                overridden: record.overridden.clone(),
                ..was.clone()
            };
            *live == expected
        }
        _ => false,
    };
    faults.unless(live, "its ledger rewrites earlier releases");
}

/// Whether a policy is for a place.
pub fn is_of(policy: &Stage, place: (&RepoUrl, &BranchName), same_place: &dyn Fn(&RepoUrl, &RepoUrl) -> bool) -> bool {
    same_place(&policy.repository, place.0) && policy.branch == *place.1
}
