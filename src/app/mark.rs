//! `mark`: what a stage's checks said of the content that is live there, as a commit that touches only the record.

use super::entry::{closed_ledger, follow, sha256};
use super::judge::{Leave, Owned, Target, target};
use super::land::{self, Change, Committer, Decision, Push};
use super::propose::{self, Told};
use super::site::Site;
use super::statuses::{self, Wait};
use super::{Actor, AppError, Context, Place};
use crate::domain::artifact::Folder;
use crate::domain::escape;
use crate::domain::gate::freeze;
use crate::domain::id::{BlobId, CommitId, Digest, UnitName};
use crate::domain::listing::{self, EntryMode, FileMode, Leaves, is_gits_own, is_utf8, shown};
use crate::domain::message;
use crate::domain::outcome::{GateReport, Outcome, Report, Verdict};
use crate::domain::path::is_within;
use crate::domain::plan::same_content;
use crate::domain::policy::{self, Source as Accepted};
use crate::domain::proposal::{Kind, Undo};
use crate::domain::record::{self, Deed, Entry, Mark, Origin, Record, State};
use crate::domain::time;

/// What was checked.
#[derive(Debug, Clone)]
pub enum Checked {
    /// The content with this digest.
    Digest(Digest),
    /// The content of this commit: of the environment's own branch, or the source commit of what is live.
    Commit(String),
}

/// What a mark was asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// The environment.
    pub to: Place,
    /// The unit.
    pub unit: UnitName,
    /// `passed` or `failed`.
    pub state: State,
    /// What was checked.
    pub checked: Checked,
    /// What the marker has to say.
    pub note: Option<String>,
    /// `--wait-for STATUS`: what must be said of the content before the mark.
    pub wait: Option<Wait>,
    /// Who runs this.
    pub actor: Actor,
    /// Author of the commit.
    pub committer: Committer,
}

/// Writes the mark.
///
/// # Errors
/// The checks saw something else than what is live, or something that must answer does not.
pub fn mark(context: &Context<'_>, request: &Request) -> Result<Report, AppError> {
    let look = || target(context, &request.to, &request.unit, Owned::Recorded, Leave::default());
    if let Some(wait) = &request.wait {
        statuses::can_wait(context, &request.to.url, wait)?;
        // What would not be marked is not waited for.
        let look_again = || {
            let target = look()?;
            next(context, &target, request)?;
            let since = match &request.checked {
                Checked::Commit(text) if is_own(context, &target)? => Some(on_chain(&target.site, text)?),
                _ => None,
            };
            Ok((target, since))
        };
        let (target, answer) = statuses::wait(context, wait, &look_again)?;
        if answer.verdict != Verdict::Passed {
            let refused = answer.verdict == Verdict::Refused;
            let mut report = land::report(&target, if refused { Outcome::Refused } else { Outcome::Undecided });
            report.digest = target.record().map(|record| record.digest);
            let (detail, remedy) = (answer.detail, answer.remedy);
            report.gates.push(GateReport { gate: "statuses".to_owned(), verdict: answer.verdict, detail, remedy });
            return Ok(report);
        }
    }
    land::until_landed(context, &look, &|target| {
        let record = next(context, target, request)?;
        let mut report = land::report(target, Outcome::Marked);
        report.live = true;
        let Some(record) = record else {
            report.result = Outcome::Unchanged;
            report.digest = target.record().map(|record| record.digest);
            let how = (target.policy.deliver.mark, Kind::Mark);
            let is_live = propose::is_live(target, Kind::Mark);
            propose::settle(context, target, how, &is_live, propose::LIVE, &mut report)?;
            return Ok(Decision::Say(Box::new(report)));
        };
        report.digest = Some(record.digest);
        report.marked = Some(request.state);
        let mark = record.marked.clone().ok_or_else(|| AppError::Guard("the mark is missing".to_owned()))?;
        let change = Change {
            folders: Vec::new(),
            leaves: None,
            removed: Vec::new(),
            record,
            message: Box::new(move |r| message::mark(r, &mark)),
        };
        let finished = land::build(context, target, change, &request.committer, &mut |_| None)?;
        report.commit = Some(finished.commit);
        let undo = Undo::Command(other_way(target, &finished.record));
        let told = Told { delivery: target.policy.deliver.mark, kind: Kind::Mark, undo };
        Ok(Decision::Push(Box::new(Push { finished, told, report })))
    })
}

/// The record that a mark would write now, however it is delivered; None when it has this mark already.
///
/// # Errors
/// As [`mark`].
pub fn drafted(context: &Context<'_>, request: &Request) -> Result<Option<Record>, AppError> {
    let target = target(context, &request.to, &request.unit, Owned::Recorded, Leave::default())?;
    written(context, &target, request)
}

// The command that takes a mark back.
fn other_way(target: &Target, record: &Record) -> String {
    let state = if record.state == State::Passed { State::Failed } else { State::Passed };
    let (to, unit) = (escape::shell(&target.site.name()), &record.unit);
    format!("passgate mark {} --to {to} --unit {unit} --digest {}", state.as_str(), record.digest)
}

fn is_own(context: &Context<'_>, target: &Target) -> Result<bool, AppError> {
    Ok(target.accepted(context)?.source == Accepted::SelfRepository)
}

// The record with the mark; None when it has this mark already.
fn next(context: &Context<'_>, target: &Target, request: &Request) -> Result<Option<Record>, AppError> {
    propose::can(context, target, "marks", target.policy.deliver.mark)?;
    written(context, target, request)
}

fn written(context: &Context<'_>, target: &Target, request: &Request) -> Result<Option<Record>, AppError> {
    match (&request.checked, is_own(context, target)?) {
        (Checked::Commit(commit), true) => attest(context, target, request, commit),
        _ => marked(context, target, request),
    }
}

fn not_frozen(context: &Context<'_>, target: &Target) -> Result<(), AppError> {
    match target.policy.frozen(context.clock.now(), policy::Deed::Mark) {
        None => Ok(()),
        Some(frozen) => {
            let answer = freeze::ask(Some(&frozen));
            Err(AppError::refused(answer.detail, answer.remedy.unwrap_or_default()))
        }
    }
}

fn mark_of(context: &Context<'_>, request: &Request) -> Mark {
    Mark {
        state: request.state,
        at: time::text(context.clock.now()),
        by: request.actor.by.clone(),
        run: request.actor.run.clone(),
        note: request.note.clone(),
    }
}

// The live record with a mark.
fn marked(context: &Context<'_>, target: &Target, request: &Request) -> Result<Option<Record>, AppError> {
    let (stage, unit) = (&target.policy.stage, &target.unit);
    if let Err(broken) = target.history.verify() {
        return Err(AppError::refused(
            format!("the chain of records of {unit} in {stage} is broken at {}: {}", broken.commit.short(), broken.how),
            format!(
                "look at that commit; then: passgate release ARTIFACT --to {} --adopt",
                escape::shell(&target.site.name())
            ),
        ));
    }
    let Some(record) = target.record() else {
        return Err(AppError::refused(format!("the unit {unit} was never released to {stage}"), "release it first"));
    };
    let landing = target.landing();
    let (is_live, asked) = match &request.checked {
        Checked::Digest(digest) => (*digest == record.digest, digest.to_string()),
        Checked::Commit(text) => {
            let names = |id: CommitId| text.len() >= 7 && id.to_string().starts_with(text.as_str());
            (names(record.source.commit) || landing.is_some_and(names), format!("the commit {text}"))
        }
    };
    if !is_live {
        return Err(AppError::refused(
            format!(
                "{asked} is not what is live in {stage} now ({}, from {})",
                record.digest,
                record.source.commit.short()
            ),
            "the checks saw something else: run them again on what is live, and mark that",
        ));
    }
    let aside = |path: &str| target.is_local(path);
    if !target.written.as_ref().is_some_and(|written| same_content(&target.there, written, &aside)) {
        return Err(AppError::refused(
            format!("the folders of {unit} in {stage} are not what its record says: they were changed by hand"),
            format!(
                "see what changed with: passgate plan ARTIFACT --to {}; then release again and check again",
                escape::shell(&target.site.name())
            ),
        ));
    }
    if !matches!(record.state, State::Released | State::Passed | State::Failed) {
        // Checks of what no gate let in are evidence for nothing.
        return Err(AppError::refused(
            format!("what is live of {unit} in {stage} is no release: it is {}", record.state.as_str()),
            "release content through the gates, and mark that",
        ));
    }
    if record.state == request.state && request.note.is_none() {
        return Ok(None);
    }
    not_frozen(context, target)?;
    let mark = mark_of(context, request);
    let mut record = record.clone();
    follow(&mut record, target);
    record.state = request.state;
    if let Some(live) = record.ledger.first_mut() {
        live.state = request.state;
        live.marked = Some(mark.at.clone());
    }
    record.marked = Some(mark);
    Ok(Some(record))
}

// The commit of a branch that the beginning of its id names.
fn on_chain(site: &Site, text: &str) -> Result<CommitId, AppError> {
    let mut chain = site.graph.first_parents(site.tip).map(|(id, _)| id);
    chain.find(|id| text.len() >= 7 && id.to_string().starts_with(text)).ok_or_else(|| {
        AppError::refused(
            format!("{text} is not on the first-parent chain of {}", site.name()),
            "mark a commit that was the state of this branch (7 or more digits of its id)",
        )
    })
}

// Content that was developed in this very repository: the commit is on this branch, and the tip still holds it.
fn attest(context: &Context<'_>, target: &Target, request: &Request, text: &str) -> Result<Option<Record>, AppError> {
    let (site, unit) = (&target.site, &target.unit);
    let commit = on_chain(site, text)?;
    let accept = target.accept();
    let folders: Vec<String> =
        accept.map(|a| a.folders.iter().map(|folder| folder.to.clone()).collect()).unwrap_or_default();
    let ours = |leaves: Leaves| -> Leaves {
        leaves.into_iter().filter(|(path, _)| !is_gits_own(path) && !target.is_local(path)).collect()
    };
    let (then, now) = (ours(site.folders_at(commit, &folders)?), ours(site.folders_at(site.tip, &folders)?));
    if then != now {
        return Err(AppError::refused(
            format!("the folders of {unit} have changed since {}", commit.short()),
            "the checks saw something else: run them again on the tip, and mark that",
        ));
    }
    if let Err(broken) = target.history.verify() {
        return Err(AppError::refused(
            format!("the chain of records of {unit} is broken at {}: {}", broken.commit.short(), broken.how),
            "restore the record file as it was before that commit, and mark again",
        ));
    }
    let ids: Vec<BlobId> = now.values().map(|(_, id)| BlobId(*id)).collect();
    let contents = site.repository.blobs(&ids, u64::MAX)?;
    let mut hashed = Vec::new();
    let is_below = |path: &str| folders.iter().any(|folder| path != folder && is_within(path, folder));
    if let Some(path) = now.keys().find(|path| !is_utf8(path) || !is_below(path)) {
        return Err(AppError::refused(
            format!(
                "no artifact can carry {}: it stands where a folder belongs, or its name is not UTF-8",
                escape::line(&shown(path))
            ),
            "move or rename it by a reviewed commit, and mark that",
        ));
    }
    for (path, (mode, id)) in &now {
        let mode = match mode {
            EntryMode::Regular => FileMode::Regular,
            EntryMode::Executable => FileMode::Executable,
            other => {
                return Err(AppError::refused(
                    format!("{} has the mode {other}, which no artifact carries", escape::line(path)),
                    "replace symbolic links and submodules by their content",
                ));
            }
        };
        hashed.push((path.as_str(), mode, sha256(contents.get(&BlobId(*id)))));
    }
    let digest = listing::digest(hashed.into_iter());
    let mark = mark_of(context, request);
    let origin = Origin { repository: site.url.clone(), commit, branch: site.branch.clone() };
    let live = target.record().filter(|record| record.digest == digest);
    if live.is_some_and(|r| r.state == request.state && r.source.commit == commit && request.note.is_none()) {
        return Ok(None);
    }
    not_frozen(context, target)?;
    let mut trees = Vec::new();
    for folder in &folders {
        let root = site.root_of(site.tip)?;
        let at = super::site::resolve(&*site.repository, &[root], folder)?.remove(&root);
        let tree = at.filter(|(mode, _)| *mode == EntryMode::Tree).map(|(_, id)| crate::domain::id::TreeId(id));
        trees.push(Folder { path: folder.clone(), tree });
    }
    let mut ledger = closed_ledger(target);
    if live.is_some() {
        if let Some(entry) = ledger.first_mut() {
            entry.release_commit = None;
        }
    } else {
        ledger.insert(
            0,
            Entry {
                seq: target.history.highest_seq() + 1,
                digest,
                commit: None,
                branch: None,
                release_commit: None,
                state: request.state,
                released: mark.at.clone(),
                marked: None,
                by: request.actor.by.clone(),
                run: request.actor.run.clone(),
                overridden: None,
            },
        );
        ledger.truncate(record::LEDGER);
    }
    if let Some(entry) = ledger.first_mut() {
        entry.commit = Some(commit);
        entry.branch = Some(site.branch.clone());
        entry.state = request.state;
        entry.marked = Some(mark.at.clone());
    }
    let released = live.map_or_else(
        || Deed { at: mark.at.clone(), by: request.actor.by.clone(), run: request.actor.run.clone() },
        |record| record.released.clone(),
    );
    let mut record = Record {
        format: record::FORMAT.to_owned(),
        stage: target.policy.stage.clone(),
        repository: site.url.clone(),
        branch: site.branch.clone(),
        unit: unit.clone(),
        seq: 0,
        replaces: None,
        restarted: None,
        digest,
        folders: trees,
        source: origin,
        version: None,
        state: request.state,
        released,
        marked: Some(mark),
        kept: Vec::new(),
        after: Vec::new(),
        policy: target.policy_id,
        overridden: None,
        gates: Vec::new(),
        ledger,
    };
    follow(&mut record, target);
    Ok(Some(record))
}
