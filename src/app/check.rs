//! `check`: would a candidate for an environment's branch, once merged, be a valid release? For pull requests in the
//! environment's own repository. The merge result is held against policy and records as an audit does, and every gate is asked
//! again, now.

use super::audit::next;
use super::judge::{self, Leave, Owned, Target};
use super::land::Committer;
use super::mark::{self, Checked};
use super::promote;
use super::release;
use super::retire::{self, retire};
use super::rollback::{self, Choice, rollback};
use super::site::{Site, file, resolve};
use super::{Actor, AppError, Context, Place};
use crate::domain::audit::{Finding, Level, Rule};
use crate::domain::continuity::{is_release, is_rollback};
use crate::domain::gate::freeze;
use crate::domain::id::{CommitId, TreeId};
use crate::domain::listing::{Entry, EntryMode, is_gits_own};
use crate::domain::object::{Built, Kind, Object, Tree};
use crate::domain::outcome::{GateReport, Outcome, Report, Verdict};
use crate::domain::policy::{Accept, Deed, Delivery, Source, Stage};
use crate::domain::record::{self, Entry as Past, Record, State};
use crate::domain::url::RepoUrl;
use crate::port::{PortError, Repository, Role};

/// What a check was asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// The environment.
    pub to: Place,
    /// The candidate: a branch, a full ref name, or a commit id.
    pub head: String,
}

/// Checks a candidate: the report, and what is wrong with it as hand-made changes are.
///
/// # Errors
/// Something that must answer does not.
pub fn check(context: &Context<'_>, request: &Request) -> Result<(Report, Vec<Finding>), AppError> {
    let mut site = Site::target(context, &request.to)?;
    let head = head(&*site.repository, &request.head)?;
    site.graph = match site.repository.history(&[site.tip, head]) {
        Err(PortError::Missing { id, .. }) if id == head.to_string() => {
            return Err(no_candidate(&site.url, &request.head));
        }
        graph => graph?,
    };
    let (_, policy) = site.policy()?;
    let mut report = Report::new(Outcome::Checked);
    report.stage = Some(policy.stage.clone());
    report.commit = Some(head);
    report.previous_commit = Some(site.tip);
    let root = match merged(&site, &policy, head)? {
        Ok(root) => root,
        Err(why) => {
            report.result = Outcome::Refused;
            report.gates.push(refused("unit", why, "bring it up to date with the environment's branch"));
            return Ok((report, Vec::new()));
        }
    };
    let findings = next(context, &site, head, root)?;
    // What is recorded openly is no fault; what it opened is asked below.
    let is_fault = |finding: &&Finding| {
        let is_put_back = finding.rule == Rule::EditedByHand && finding.level == Level::Note;
        !is_put_back && !matches!(finding.rule, Rule::Override | Rule::Adopted)
    };
    let faults: Vec<Finding> = findings.iter().filter(is_fault).cloned().collect();
    let changed = changed(&site, &policy, root)?;
    if !faults.is_empty() {
        report.result = Outcome::Refused;
        report.unit = changed.first().map(|(accept, ..)| accept.unit.clone());
        return Ok((report, faults));
    }
    match changed.as_slice() {
        [] => Ok((report, faults)),
        [(accept, before, after)] => {
            let asked = ask(context, request, &site, accept, before.as_ref(), after, root)?;
            let result = match asked.result {
                Outcome::Planned | Outcome::Unchanged => Outcome::Checked,
                Outcome::Undecided => Outcome::Undecided,
                _ => Outcome::Refused,
            };
            Ok((Report { result, commit: report.commit, previous_commit: report.previous_commit, ..asked }, faults))
        }
        several => {
            let units: Vec<String> = several.iter().map(|(accept, ..)| accept.unit.to_string()).collect();
            report.result = Outcome::Refused;
            let why = format!("it changes the records of several units: {}", units.join(", "));
            report.gates.push(refused("unit", why, "propose one release at a time"));
            Ok((report, faults))
        }
    }
}

fn refused(gate: &str, detail: String, remedy: &str) -> GateReport {
    GateReport { gate: gate.to_owned(), verdict: Verdict::Refused, detail, remedy: Some(remedy.to_owned()) }
}

// The commit that the candidate's name stands for.
fn head(repository: &dyn Repository, name: &str) -> Result<CommitId, AppError> {
    if let Ok(commit) = name.parse() {
        return Ok(commit);
    }
    let full = if name.starts_with("refs/") { name.to_owned() } else { format!("refs/heads/{name}") };
    repository.reference(&full)?.ok_or_else(|| no_candidate(repository.url(), &full))
}

fn no_candidate(url: &RepoUrl, name: &str) -> AppError {
    AppError::usage(
        format!("{url} has no {}", crate::domain::escape::line(name)),
        "give --head a branch, a full ref such as refs/pull/12/merge, or a whole commit id",
    )
}

// The root tree of the merge, as far as units and passgate's own folder go; an error text where it conflicts there.
fn merged(site: &Site, policy: &Stage, head: CommitId) -> Result<Result<TreeId, String>, AppError> {
    let owned = policy.accept.iter().flat_map(|accept| &accept.folders);
    let heads: Vec<&str> = owned.filter_map(|folder| folder.to.split('/').next()).chain([".passgate"]).collect();
    let repository = &*site.repository;
    let mut merge = Merge { repository, built: Built::default(), conflicts: Vec::new() };
    let is_ours = |name: &[u8]| heads.iter().any(|head| head.as_bytes() == name);
    let entry = |commit: CommitId| site.root_of(commit).map(|id| Some((EntryMode::Tree, id.0)));
    let mut roots = Vec::new();
    // Where histories criss-cross, every common ancestor must say the same.
    for base in site.graph.merge_bases(site.tip, head) {
        roots.push(merge.tree("", [entry(base)?, entry(site.tip)?, entry(head)?], &is_ours)?);
    }
    roots.dedup();
    if !merge.conflicts.is_empty() {
        return Ok(Err(format!("it conflicts with {} in {}", site.name(), merge.conflicts.join(", "))));
    }
    let objects: Vec<Object> =
        merge.built.0.into_values().map(|content| Object { kind: Kind::Tree, content }).collect();
    repository.write(objects.len(), &mut objects.into_iter().map(Ok))?;
    match roots.as_slice() {
        [Some((EntryMode::Tree, id))] => Ok(Ok(TreeId(*id))),
        [] if site.graph.shallow => Err(PortError::Unusable(format!(
            "the history of {} is cut off, so nobody can tell what a merge of it would be",
            site.url
        ))
        .into()),
        [] => Ok(Err(format!("it has no common history with {}", site.name()))),
        _ => Ok(Err(format!("its merge with {} is not one tree", site.name()))),
    }
}

struct Merge<'a> {
    repository: &'a dyn Repository,
    built: Built,
    conflicts: Vec<String>,
}

impl Merge<'_> {
    // Base, ours and theirs of one path. What is nobody's concern here is not looked into: where both changed it, theirs
    // stands for "changed".
    fn merge(
        &mut self,
        path: &str,
        [base, ours, theirs]: [Option<Entry>; 3],
        deep: bool,
    ) -> Result<Option<Entry>, AppError> {
        let is_tree = |entry: Option<Entry>| entry.is_some_and(|(mode, _)| mode == EntryMode::Tree);
        if ours == theirs || base == theirs {
            return Ok(ours);
        }
        if base == ours {
            return Ok(theirs);
        }
        if !deep {
            self.vanished(path, [base, ours, theirs])?;
            return Ok(theirs);
        }
        if is_tree(ours) && is_tree(theirs) {
            return self.tree(path, [base, ours, theirs], &|_| true);
        }
        self.conflicts.push(crate::domain::escape::line(path));
        Ok(ours)
    }

    // What they edited and we took away: git calls that a conflict, or carries the edit to where it finds the file again, which
    // may be in a unit's folders.
    fn vanished(&mut self, path: &str, [base, ours, theirs]: [Option<Entry>; 3]) -> Result<(), AppError> {
        if base == ours || base == theirs || ours == theirs {
            return Ok(());
        }
        if let (Some(_), None, Some(_)) = (base, ours, theirs) {
            self.conflicts.push(crate::domain::escape::line(path));
        }
        let sides = [base, ours, theirs].map(|side| side.filter(|(mode, _)| *mode == EntryMode::Tree));
        let ids: Vec<TreeId> = sides.into_iter().flatten().map(|(_, id)| TreeId(id)).collect();
        if ids.len() < sides.len() {
            return Ok(());
        }
        let trees = self.repository.trees(&ids)?;
        let at = |side: Option<Entry>, name: &Vec<u8>| trees.get(&TreeId(side?.1))?.get(name).copied();
        let names =
            sides[0].and_then(|(_, id)| trees.get(&TreeId(id))).map(|tree| tree.keys().cloned().collect::<Vec<_>>());
        for name in names.unwrap_or_default() {
            let below = format!("{path}/{}", String::from_utf8_lossy(&name));
            self.vanished(&below, sides.map(|side| at(side, &name)))?;
        }
        Ok(())
    }

    fn tree(
        &mut self,
        path: &str,
        sides: [Option<Entry>; 3],
        deep: &dyn Fn(&[u8]) -> bool,
    ) -> Result<Option<Entry>, AppError> {
        let [base, ours, theirs] = sides.map(|side| side.filter(|(mode, _)| *mode == EntryMode::Tree));
        let ids: Vec<TreeId> = [base, ours, theirs].into_iter().flatten().map(|(_, id)| TreeId(id)).collect();
        let trees = self.repository.trees(&ids)?;
        let nothing = Tree::new();
        let of = |side: Option<Entry>| side.and_then(|(_, id)| trees.get(&TreeId(id))).unwrap_or(&nothing);
        let mut result = of(ours).clone();
        let names: std::collections::BTreeSet<&Vec<u8>> = of(ours).keys().chain(of(theirs).keys()).collect();
        for name in names {
            let below = format!("{path}{}{}", if path.is_empty() { "" } else { "/" }, String::from_utf8_lossy(name));
            let sides = [base, ours, theirs].map(|side| of(side).get(name).copied());
            match self.merge(&below, sides, deep(name))? {
                Some(entry) => result.insert(name.clone(), entry),
                None => result.remove(name),
            };
        }
        if result.is_empty() {
            return Ok(None);
        }
        Ok(Some((EntryMode::Tree, self.built.add(&result)?.0)))
    }
}

type Changed<'a> = (&'a Accept, Option<Record>, Record);

// The units whose record differs between the tip and the merge result, with both records. What is no record was found
// before, or is one that goes.
fn changed<'a>(site: &Site, policy: &'a Stage, root: TreeId) -> Result<Vec<Changed<'a>>, AppError> {
    let roots = [site.root_of(site.tip)?, root];
    let mut found = Vec::new();
    for accept in &policy.accept {
        let mut blobs = [None, None];
        for name in accept.names() {
            let at = resolve(&*site.repository, &roots, &record::path(name))?;
            for (blob, root) in blobs.iter_mut().zip(&roots) {
                *blob = blob.or(at.get(root).and_then(file));
            }
        }
        let [old, Some(new)] = blobs else { continue };
        if old == Some(new) {
            continue;
        }
        let ids: Vec<_> = old.into_iter().chain([new]).collect();
        let read = site.repository.blobs(&ids, record::MAX_BYTES as u64)?;
        let parse = |id| read.get(&id).and_then(|bytes| Record::parse(bytes).ok());
        if let Some(after) = parse(new) {
            found.push((accept, old.and_then(parse), after));
        }
    }
    Ok(found)
}

// Asks every gate again, as the use case that writes such a record would.
fn ask(
    context: &Context<'_>,
    request: &Request,
    site: &Site,
    accept: &Accept,
    before: Option<&Record>,
    after: &Record,
    root: TreeId,
) -> Result<Report, AppError> {
    let (to, unit) = (request.to.clone(), accept.unit.clone());
    let (actor, committer) = (Actor::default(), Committer("passgate <passgate@localhost>".to_owned()));
    let is_mark = !is_release(after) && before.is_some_and(|before| before.source == after.source);
    if is_mark || accept.source == Source::SelfRepository {
        return ask_mark(context, to, site, accept, after);
    }
    if let Some(restart) = after.restarted {
        let leave = Leave { adopt: true, ..Leave::default() };
        let now = judge::target(context, &to, &unit, Owned::Declared, leave)?;
        let kept = now.history.newest_unbroken().map(|(blob, _)| blob);
        if now.history.verify().is_ok() || restart.from != kept {
            return Ok(refusal(
                &now,
                after,
                "the chain of records is whole, or does not begin anew where it broke".into(),
            ));
        }
    }
    let asked = if after.state == State::Retired {
        retire(context, &retire::Request { to, unit, dry_run: true, actor, committer })?
    } else if is_rollback(after) {
        let (choice, adopt) = (Choice::Digest(after.digest), after.restarted.is_some());
        let wanted =
            rollback::Request { to, unit, choice, keep_verdict: false, adopt, dry_run: true, actor, committer };
        rollback(context, &wanted)?
    } else {
        return ask_release(context, to, site, accept, before, after, root);
    };
    Ok(with_work(asked))
}

// A candidate that changes a record has something to do; where nothing is left to do, it is not what it says.
fn with_work(asked: Report) -> Report {
    if asked.result != Outcome::Unchanged {
        return asked;
    }
    let why = "what it says to bring is live already".to_owned();
    let gates = vec![refused("unit", why, "close it")];
    Report { result: Outcome::Refused, live: false, gates, ..asked }
}

fn refusal(target: &Target, after: &Record, why: String) -> Report {
    let mut report = super::land::report(target, Outcome::Refused);
    report.digest = Some(after.digest);
    report.gates.push(refused("unit", why, "let passgate make the proposal again"));
    report
}

// Asks the gates of a release, and whether the record is the one that it would write.
fn ask_release(
    context: &Context<'_>,
    to: Place,
    site: &Site,
    accept: &Accept,
    before: Option<&Record>,
    after: &Record,
    root: TreeId,
) -> Result<Report, AppError> {
    let entry = after.live().ok_or_else(|| AppError::Guard("a record without a ledger".to_owned()))?;
    let artifact = promote::read(site, after, entry, root, &accept.unit)?;
    let glass = after.overridden.as_ref();
    let adopted = before.is_none() && after.ledger.iter().any(|entry| entry.state == State::Adopted);
    // A gate that --retry or --adopt opened says so in the record. What was changed by hand since then is not lost: the merge
    // result would hold it, and not the content.
    let open = |name: &str| after.gates.iter().any(|gate| gate.gate == name && !gate.is_closed());
    let adopt = after.restarted.is_some() || adopted || open("drift");
    let leave = Leave { adopt, retry: open("order"), break_glass: glass.is_some() };
    let request = release::Request {
        to,
        dry_run: true,
        leave,
        break_glass: glass.map(|glass| glass.reason.clone()),
        skip_older: false,
        patience: None,
        landing: None,
        wait: None,
        actor: Actor { by: glass.and_then(|glass| glass.by.clone()), run: None },
        committer: Committer(String::new()),
    };
    let (asked, draft) = release::drafted(context, &artifact, &request)?;
    if asked.result != Outcome::Planned {
        return Ok(with_work(asked));
    }
    let Some(draft) = draft else { return Ok(asked) };
    let opened = draft.overridden.as_ref().map(|glass| glass.gates.as_slice()).unwrap_or_default();
    let recorded = glass.map(|glass| glass.gates.as_slice()).unwrap_or_default();
    // When it was written, by whom and at which tips is its own; everything else is as it would be written now.
    let own = |path: &str| is_gits_own(path) || accept.local.matches(path);
    // Of what was here before, too, the record may say no more than there was.
    let told = |record: &Record| -> Vec<Past> {
        let unsigned = |entry: &Past| Past {
            released: String::new(),
            by: None,
            run: None,
            overridden: None,
            marked: entry.marked.as_ref().map(|_| String::new()),
            release_commit: entry.landing(),
            ..entry.clone()
        };
        record.ledger.iter().map(unsigned).collect()
    };
    let differs = [
        ("source", draft.source != after.source),
        ("ledger", told(&draft) != told(after)),
        ("state", draft.state != after.state),
        ("kept", !draft.kept_besides(&own).eq(after.kept_besides(&own))),
        ("after", !draft.seen().eq(after.seen())),
        ("override", !opened.iter().all(|gate| recorded.contains(gate))),
        ("gates", !draft.verdicts(recorded).eq(after.verdicts(recorded))),
        (
            "released",
            (&after.released.at, &after.released.by, &after.released.run) != (&entry.released, &entry.by, &entry.run),
        ),
        ("marked", draft.marked.as_ref().map(|mark| mark.state) != after.marked.as_ref().map(|mark| mark.state)),
        ("tips", !are_tips(context, &draft, after)?),
    ];
    let wrong: Vec<&str> = differs.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect();
    if wrong.is_empty() {
        return Ok(asked);
    }
    let why = format!("its record is not the one that would be written now: {}", wrong.join(", "));
    let gates = [asked.gates.clone(), vec![refused("unit", why, "let passgate make the proposal again")]].concat();
    Ok(Report { result: Outcome::Refused, gates, ..asked })
}

// Whether the previous stages stood where the record saw them, with the content there already.
fn are_tips(context: &Context<'_>, draft: &Record, after: &Record) -> Result<bool, AppError> {
    for (now, seen) in draft.after.iter().zip(&after.after) {
        let graph = context.repositories.open(&now.repository, Role::Previous)?.history(&[now.tip])?;
        let mut chain = graph.first_parents(now.tip).map(|(id, _)| id).skip_while(|id| *id != seen.tip);
        let is_there = match seen.release_commit {
            None => chain.next().is_some(),
            Some(landing) => chain.any(|id| id == landing),
        };
        if !is_there {
            return Ok(false);
        }
    }
    Ok(true)
}

// Asks whether the mark may be proposed, and whether the record is the one that it would write.
fn ask_mark(
    context: &Context<'_>,
    to: Place,
    site: &Site,
    accept: &Accept,
    after: &Record,
) -> Result<Report, AppError> {
    let (_, policy) = site.policy()?;
    let mut report = Report::new(Outcome::Planned);
    report.stage = Some(policy.stage.clone());
    report.unit = Some(accept.unit.clone());
    report.digest = Some(after.digest);
    let answer = freeze::ask(policy.frozen(context.clock.now(), Deed::Mark).as_ref());
    report.gates.push(GateReport {
        gate: "freeze".to_owned(),
        verdict: answer.verdict,
        detail: answer.detail,
        remedy: answer.remedy,
    });
    let own = accept.source == Source::SelfRepository;
    let fault = if policy.deliver.mark == Delivery::Commit {
        Some((
            "what checks said is not proposed here: marks are delivered as commits".to_owned(),
            "passgate mark".into(),
        ))
    } else {
        mark_fault(context, to, accept, after, own)?
    };
    if let Some((why, remedy)) = &fault {
        report.gates.push(refused("unit", why.clone(), remedy));
    }
    if fault.is_some() || answer.verdict == Verdict::Refused {
        report.result = Outcome::Refused;
    }
    Ok(report)
}

// Why a mark is not what passgate would write now, and the way out.
fn mark_fault(
    context: &Context<'_>,
    to: Place,
    accept: &Accept,
    after: &Record,
    own: bool,
) -> Result<Option<(String, String)>, AppError> {
    let again = "let passgate make the proposal again".to_owned();
    let Some(said) = &after.marked else { return Ok(Some(("its record changes without a mark".to_owned(), again))) };
    let request = mark::Request {
        to,
        unit: accept.unit.clone(),
        state: after.state,
        checked: if own { Checked::Commit(after.source.commit.to_string()) } else { Checked::Digest(after.digest) },
        note: said.note.clone(),
        wait: None,
        actor: Actor { by: said.by.clone(), run: said.run.clone() },
        committer: Committer(String::new()),
    };
    let draft = match mark::drafted(context, &request) {
        Ok(draft) => draft,
        Err(AppError::Refused { message, hint }) => return Ok(Some((message, hint))),
        Err(error) => return Err(error),
    };
    let Some(draft) = draft else {
        return Ok(Some(("what it says to bring is live already".to_owned(), "close it".to_owned())));
    };
    // The time of the mark is its own.
    let timeless = |record: &Record| {
        let mut record = record.clone();
        if let Some(mark) = &mut record.marked {
            mark.at = String::new();
        }
        if let Some(live) = record.ledger.first_mut() {
            live.marked = None;
            if own {
                live.released = String::new();
            }
        }
        if own {
            record.released.at = String::new();
        }
        record
    };
    let same = timeless(&draft) == timeless(after);
    Ok((!same).then(|| ("its record is not the one that the mark would write now".to_owned(), again)))
}
