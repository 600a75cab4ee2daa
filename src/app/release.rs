//! `plan` and `release`: ask every gate, and if all are open put the artifact's folders and the record into the environment
//! with one commit and one push.

use std::collections::HashMap;

use super::judge::{self, Case, Leave, Target};
use super::land::{self, Change, Committer, Finished, Landed, Tries};
use super::source::Source;
use super::{Actor, AppError, Context, Place};
use crate::domain::artifact::{Folder, Manifest};
use crate::domain::gate::Asked;
use crate::domain::id::{BlobId, Sha256};
use crate::domain::listing::{self, EntryMode, FileMode};
use crate::domain::message;
use crate::domain::outcome::{Outcome, Report, Verdict};
use crate::domain::record::{self, Deed, Entry, Mark, Origin, Record, Restart, State};
use crate::domain::{listing::File, time};
use crate::port::Artifact;

/// What a release was asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// The environment.
    pub to: Place,
    /// Ask and plan only.
    pub dry_run: bool,
    /// `--adopt` and `--retry`.
    pub leave: Leave,
    /// `--if-older skip`.
    pub skip_older: bool,
    /// Who runs this.
    pub actor: Actor,
    /// Author of the commit.
    pub committer: Committer,
}

// What a release would do to the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    // The same content from the same commit is there.
    Nothing,
    // The same content is there, from another commit: only the record moves.
    Anchor,
    Write,
}

/// Releases an artifact, or plans to.
///
/// # Errors
/// Something that must answer does not; the target is untouched then.
pub fn release(context: &Context<'_>, artifact: &Artifact, request: &Request) -> Result<Report, AppError> {
    let manifest = &artifact.manifest;
    let mut tries = Tries::begin();
    let mut case = judge::case(context, &request.to, manifest, request.leave)?;
    loop {
        let mut report = report(&case, manifest);
        let step = step(&case, manifest);
        if let Some(result) = decided(&case, step, request) {
            report.result = result;
            report.live = step == Step::Nothing;
            if step == Step::Nothing {
                report.commit = landing(&case.target);
                report.notes = String::new();
            }
            return Ok(report);
        }
        let finished = build(context, &case, step, artifact, request)?;
        match tries.push(context, &case.target.site, &finished)? {
            Landed::Yes => {
                report.result = Outcome::Released;
                report.commit = Some(finished.commit);
                report.live = true;
                return Ok(report);
            }
            Landed::Moved => {
                context.progress.step("somebody else was first: looking again");
                case = judge::again(context, case, &request.to, manifest, request.leave)?;
                // The answer to a push may get lost, and git's own second try then meets the first.
                if case.target.site.graph.nodes.contains_key(&finished.commit) {
                    report.result = Outcome::Released;
                    report.commit = Some(finished.commit);
                    report.live = true;
                    return Ok(report);
                }
            }
        }
    }
}

// The result, when nothing is to be written.
fn decided(case: &Case, step: Step, request: &Request) -> Option<Outcome> {
    if step == Step::Nothing {
        // What is live is live, whatever the gates say of it today; they are listed.
        return Some(Outcome::Unchanged);
    }
    match case.judgement.verdict() {
        Verdict::Refused if case.judgement.only_superseded() => Some(Outcome::Superseded),
        Verdict::Refused => Some(Outcome::Refused),
        Verdict::Undecided => Some(Outcome::Undecided),
        Verdict::Passed | Verdict::NotAsked => request.dry_run.then_some(Outcome::Planned),
    }
}

fn step(case: &Case, manifest: &Manifest) -> Step {
    let Some(record) = case.target.record() else { return Step::Write };
    let (plan, drift) = (&case.plan, &case.plan.drift);
    let as_left = drift.edited.is_empty() && drift.deleted.is_empty();
    let is_there = record.digest == manifest.digest && plan.changes.is_empty() && as_left;
    if !is_there || case.target.history.verify().is_err() {
        Step::Write
    } else if record.source.commit == manifest.source.commit {
        Step::Nothing
    } else {
        Step::Anchor
    }
}

fn landing(target: &Target) -> Option<crate::domain::id::CommitId> {
    let live = target.record()?.live()?;
    target.history.landing(live.seq).map(|(change, _)| change.commit)
}

fn report(case: &Case, manifest: &Manifest) -> Report {
    let mut report = Report::new(Outcome::Planned);
    report.digest = Some(manifest.digest);
    report.stage = Some(case.target.policy.stage.clone());
    report.unit = Some(manifest.unit.clone());
    report.previous_commit = Some(case.target.site.tip);
    report.gates = case.judgement.reports.clone();
    report.changes = case.plan.changes.clone();
    if let Ok(source) = &case.source {
        report.notes = case.notes.markdown(&source.url);
    }
    if let Some(record) =
        case.target.record().filter(|record| record.state == State::Released && record.digest != manifest.digest)
    {
        report.warnings.push(format!(
            "this replaces {} ({}), whose checks have not said anything yet",
            record.version.as_deref().map_or_else(|| record.source.commit.short(), crate::domain::escape::line),
            record.digest.short()
        ));
    }
    report
}

fn build(
    context: &Context<'_>,
    case: &Case,
    step: Step,
    artifact: &Artifact,
    request: &Request,
) -> Result<Finished, AppError> {
    let manifest = &artifact.manifest;
    let source = known(&case.source)?;
    let record = match step {
        Step::Anchor => anchored(case, source, manifest)?,
        _ => written(context, case, source, manifest, request)?,
    };
    let (notes, changes) = (case.notes.clone(), case.plan.changes.clone());
    let reference = source.reference()?;
    let files: HashMap<BlobId, &File> = manifest.files.iter().map(|file| (file.blob, file)).collect();
    let change = Change {
        folders: manifest.folders.iter().map(|folder| folder.path.clone()).collect(),
        leaves: (step == Step::Write).then(|| case.plan.result.clone()),
        record,
        message: Box::new(move |record| message::release(record, &changes, &notes, reference.as_ref())),
    };
    land::build(context, &case.target.site, change, &request.committer, &mut |id| {
        files.get(&id).map(|file| artifact.content.read(file).map_err(AppError::from))
    })
}

fn known(source: &Asked<Source>) -> Result<&Source, AppError> {
    source.as_ref().map_err(|why| AppError::Guard(why.clone()))
}

fn origin(source: &Source, manifest: &Manifest) -> Result<Origin, AppError> {
    let branch = source.branch().ok_or_else(|| AppError::Guard("no branch proves the commit".to_owned()))?;
    Ok(Origin { repository: source.url.clone(), commit: manifest.source.commit, branch: branch.clone() })
}

// The record of the same content from another commit: state, soak and place in the ledger stay.
fn anchored(case: &Case, source: &Source, manifest: &Manifest) -> Result<Record, AppError> {
    let target = &case.target;
    let mut record = target.record().cloned().ok_or_else(|| AppError::Guard("there is no record".to_owned()))?;
    record.seq = target.history.highest_seq() + 1;
    record.replaces = target.history.tip().and_then(|change| change.record.as_ref()).map(|(blob, _)| *blob);
    record.restarted = None;
    record.source = origin(source, manifest)?;
    record.version = manifest.version.clone();
    record.policy = target.policy_id;
    record.gates = case.judgement.reports.clone();
    record.after = case.previous.iter().filter_map(|seen| seen.anchor.clone()).collect();
    if let Some(live) = record.ledger.first_mut() {
        live.commit = Some(record.source.commit);
        live.branch = Some(record.source.branch.clone());
    }
    Ok(record)
}

fn written(
    context: &Context<'_>,
    case: &Case,
    source: &Source,
    manifest: &Manifest,
    request: &Request,
) -> Result<Record, AppError> {
    let target = &case.target;
    let before = target.continued();
    let now = time::text(context.clock.now());
    let seq = target.history.highest_seq() + 1;
    let origin = origin(source, manifest)?;
    // Content that comes back keeps the mark that it earned here; what failed has to earn it again.
    let earned = before.and_then(|record| {
        let entry = record
            .ledger
            .iter()
            .find(|e| e.digest == manifest.digest && matches!(e.state, State::Passed | State::Failed))?;
        (entry.state == State::Passed).then(|| entry.marked.clone().unwrap_or_else(|| entry.released.clone()))
    });
    let mut ledger = vec![Entry {
        seq,
        digest: manifest.digest,
        commit: Some(origin.commit),
        branch: Some(origin.branch.clone()),
        release_commit: None,
        state: if earned.is_some() { State::Passed } else { State::Released },
        released: now.clone(),
        marked: earned.clone(),
        by: request.actor.by.clone(),
        run: request.actor.run.clone(),
    }];
    ledger.extend(closed_ledger(target));
    if target.history.changes.is_empty() {
        ledger.extend(found(target, &now)?);
    }
    ledger.truncate(record::LEDGER);
    let broken = target.history.verify().is_err();
    let restart = || Restart { from: target.history.newest_unbroken().map(|(blob, _)| blob) };
    Ok(Record {
        format: record::FORMAT.to_owned(),
        stage: target.policy.stage.clone(),
        repository: target.site.url.clone(),
        branch: target.site.branch.clone(),
        unit: manifest.unit.clone(),
        seq,
        replaces: target.history.tip().and_then(|change| change.record.as_ref()).map(|(blob, _)| *blob),
        restarted: broken.then(restart),
        digest: manifest.digest,
        folders: manifest.folders.iter().map(|folder| Folder { path: folder.path.clone(), tree: None }).collect(),
        source: origin,
        version: manifest.version.clone(),
        state: ledger[0].state,
        released: Deed { at: now, by: request.actor.by.clone(), run: request.actor.run.clone() },
        marked: earned.map(|at| Mark {
            state: State::Passed,
            at,
            by: None,
            run: None,
            note: Some("this content passed here before".to_owned()),
        }),
        kept: case.plan.others.clone(),
        after: case.previous.iter().filter_map(|seen| seen.anchor.clone()).collect(),
        policy: target.policy_id,
        overridden: None,
        gates: case.judgement.reports.clone(),
        ledger,
    })
}

/// The ledger so far, with the landing commit of the release that ends now filled in.
pub(super) fn closed_ledger(target: &Target) -> Vec<Entry> {
    let Some(record) = target.continued() else { return Vec::new() };
    let mut ledger = record.ledger.clone();
    if let Some(live) = ledger.first_mut() {
        live.release_commit = target.history.landing(live.seq).map(|(change, _)| change.commit);
    }
    ledger
}

// What was in the folders before passgate came, as ledger entry 0: a rollback target, never evidence.
fn found(target: &Target, now: &str) -> Result<Option<Entry>, AppError> {
    let files: Vec<(&String, FileMode, BlobId)> = target
        .there
        .iter()
        .filter_map(|(path, (mode, id))| match mode {
            EntryMode::Regular => Some((path, FileMode::Regular, BlobId(*id))),
            EntryMode::Executable => Some((path, FileMode::Executable, BlobId(*id))),
            _ => None,
        })
        .collect();
    if files.is_empty() {
        return Ok(None);
    }
    let ids: Vec<BlobId> = files.iter().map(|(_, _, id)| *id).collect();
    let contents = target.site.repository.blobs(&ids, u64::MAX)?;
    let hashed = files.iter().map(|(path, mode, id)| (path.as_str(), *mode, sha256(contents.get(id))));
    Ok(Some(Entry {
        seq: 0,
        digest: listing::digest(hashed),
        commit: None,
        branch: None,
        release_commit: Some(target.site.tip),
        state: State::Adopted,
        released: now.to_owned(),
        marked: None,
        by: None,
        run: None,
    }))
}

/// SHA-256 of a content that was brought.
pub(super) fn sha256(content: Option<&Vec<u8>>) -> Sha256 {
    use sha2::Digest as _;
    Sha256(sha2::Sha256::digest(content.map_or(&[][..], Vec::as_slice)).into())
}

impl Request {
    /// Exit code 0 for `superseded`.
    pub fn forgives(&self, outcome: Outcome) -> bool {
        self.skip_older && outcome == Outcome::Superseded
    }
}
