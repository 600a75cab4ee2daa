//! `plan` and `release`: ask every gate, and if all are open put the artifact's folders and the record into the environment
//! with one commit and one push.

use std::collections::HashMap;
use std::time::Duration;

use super::entry::{self, Entering};
use super::judge::{self, Case, Leave, Target};
use super::land::{self, Change, Committer, Finished, Landed, Tries};
use super::propose::{self, Standing, Told};
use super::source::Source;
use super::statuses::{self, Wait};
use super::{Actor, AppError, Context, Place, evidence};
use crate::domain::artifact::Manifest;
use crate::domain::continuity::is_rollback;
use crate::domain::gate::Asked;
use crate::domain::id::BlobId;
use crate::domain::listing::File;
use crate::domain::message::{self, Reference};
use crate::domain::outcome::{Outcome, Report, Trouble, Verdict};
use crate::domain::policy::{Delivery, OrderMode};
use crate::domain::proposal::Kind;
use crate::domain::record::{Origin, Override, Record, State};
use crate::port::{Artifact, PortError, PullState, Role};

/// What a release was asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// The environment.
    pub to: Place,
    /// Ask and plan only.
    pub dry_run: bool,
    /// `--adopt`, `--retry` and `--override`.
    pub leave: Leave,
    /// The reason of `--override`.
    pub break_glass: Option<String>,
    /// `--if-older skip`.
    pub skip_older: bool,
    /// `--wait-for hold`: how long a release that holds the stage is waited for.
    pub patience: Option<Duration>,
    /// `--wait-for landed`: how long a pull request is waited for.
    pub landing: Option<Duration>,
    /// `--wait-for STATUS`: what must be said of the content once it is there.
    pub wait: Option<Wait>,
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
    let wait = request.wait.as_ref().filter(|_| !request.dry_run);
    if let Some(wait) = wait {
        statuses::can_wait(context, &request.to.url, wait)?;
    }
    let (mut report, proposed) = land(context, artifact, request)?;
    // What is not there has no statuses.
    let patience = request.landing.or(wait.map(|wait| wait.patience));
    if let (Some(proposed), Some(patience)) = (proposed, patience) {
        report = arrived(context, artifact, request, (proposed, patience), report)?;
    }
    let is_there = matches!(report.result, Outcome::Released | Outcome::Unchanged);
    Ok(match wait.filter(|_| is_there) {
        Some(wait) => settled(context, artifact, request, wait, report),
        None => report,
    })
}

// Waits until what watches the environment has spoken. The content is there whatever it says, so nothing here is an error:
// a release that is not known to be good is `unknown`.
fn settled(context: &Context<'_>, artifact: &Artifact, request: &Request, wait: &Wait, mut report: Report) -> Report {
    let manifest = &artifact.manifest;
    let look = || {
        let target = judge::target(context, &request.to, &manifest.unit, judge::Owned::Recorded, Leave::default())?;
        if target.record().is_none_or(|record| record.digest != manifest.digest) {
            return Err(AppError::refused("something else is live by now", "see passgate status"));
        }
        Ok((target, None))
    };
    let (way_back, detail, remedy) = match statuses::wait(context, wait, &look) {
        Ok((_, answer)) if answer.verdict == Verdict::Passed => {
            report.warnings.push(answer.detail);
            return report;
        }
        Ok((target, answer)) => (target.way_back(), answer.detail, answer.remedy),
        Err(error) => (None, evidence::told(&error), None),
    };
    report.result = Outcome::Unknown;
    report.way_back = way_back;
    report.error = Some(Trouble {
        code: "statuses".to_owned(),
        message: "the content is live, but what was waited for is not green".to_owned(),
        causes: vec![detail],
        hint: remedy.or_else(|| Some("run it again: it finds the content live, and waits on".to_owned())),
    });
    report
}

// Waits until a pull request has landed. Nothing is live before, whatever comes of it.
fn arrived(
    context: &Context<'_>,
    artifact: &Artifact,
    request: &Request,
    (proposed, patience): (u64, Duration),
    mut report: Report,
) -> Result<Report, AppError> {
    let manifest = &artifact.manifest;
    let until = context.clock.now().saturating_add_unsigned(patience.as_secs());
    let number = report.pull_request.as_ref().map(|pull| pull.number).unwrap_or_default();
    let ended = |mut report: Report, result: Outcome, message: &str, cause: Option<String>, hint: &str| {
        let (code, causes) = ("landed".to_owned(), cause.into_iter().collect());
        report.result = result;
        report.error = Some(Trouble { code, message: message.to_owned(), causes, hint: Some(hint.to_owned()) });
        Ok(report)
    };
    let mut pause = statuses::SOON;
    loop {
        let look = || {
            // Asked before the branch: what is merged by then is seen there.
            let forge = context.forges.of(&context.repositories.canonical(&request.to.url), Role::Target);
            let state = forge.map(|forge| forge.pull_requests().get(number)).transpose()?.map(|pull| pull.state);
            let target = judge::target(context, &request.to, &manifest.unit, judge::Owned::Recorded, Leave::default())?;
            Ok((state, target))
        };
        let mut cause = None;
        match look() {
            Ok((state, target)) => {
                let live = target.record().filter(|_| target.history.verify().is_ok());
                let is_ours = |record: &&Record| {
                    record.digest == manifest.digest && record.source.commit == manifest.source.commit
                };
                if live.filter(is_ours).is_some() {
                    report.result = Outcome::Released;
                    report.commit = target.landing();
                    report.live = true;
                    return Ok(report);
                }
                if live.is_some_and(|record| record.seq >= proposed) {
                    let message = "something else landed first, and the pull request does not continue it";
                    return ended(report, Outcome::Undecided, message, None, "run it again: it proposes it anew");
                }
                if state == Some(PullState::Closed) {
                    let message = "the pull request was closed without being merged";
                    return ended(report, Outcome::Refused, message, None, "a new run proposes it anew");
                }
            }
            Err(AppError::Port(PortError::Interrupted)) => return Err(PortError::Interrupted.into()),
            Err(error) => cause = Some(evidence::told(&error)),
        }
        let left = until - context.clock.now();
        if left <= 0 {
            let hint = "merge it, and run this again: it finds the content live, or waits on";
            return ended(report, Outcome::Undecided, "the pull request has not landed in time", cause, hint);
        }
        context.progress.step(&format!("waiting for the pull request #{number}"));
        statuses::rest(context, pause.min(u64::try_from(left).unwrap_or(1)))?;
        pause = statuses::longer(pause);
    }
}

// The report, and of what was proposed the number of its record.
fn land(context: &Context<'_>, artifact: &Artifact, request: &Request) -> Result<(Report, Option<u64>), AppError> {
    let manifest = &artifact.manifest;
    let mut tries = Tries::begin();
    let until = request.patience.map(|patience| context.clock.now().saturating_add_unsigned(patience.as_secs()));
    let mut case = judge::case(context, &request.to, artifact, request.leave)?;
    let mut reference = None;
    if !request.dry_run {
        propose::can(context, &case.target, "releases", case.target.policy.deliver.release)?;
    }
    loop {
        let mut report = report(&mut case, artifact, request);
        let step = step(&case, manifest);
        if let Some(result) = decided(&case, step, request) {
            if result == Outcome::Refused && case.judgement.is_only("hold") && wait(context, &case, until)? {
                case = judge::case(context, &request.to, artifact, request.leave)?;
                continue;
            }
            report.result = result;
            report.live = step == Step::Nothing;
            if step == Step::Nothing {
                report.commit = case.target.landing();
                report.notes = String::new();
            }
            if matches!(result, Outcome::Refused | Outcome::Undecided) && !case.target.policy.after.is_empty() {
                report.way_back = case.target.way_back();
            }
            if !request.dry_run {
                settle(context, &case.target, manifest, &mut report)?;
            }
            return Ok((report, None));
        }
        if reference.is_none() {
            // The commit stays what it is, however often its release is tried.
            reference = known(&case.source)?.reference()?;
        }
        let standing = match case.target.policy.deliver.release {
            Delivery::Commit => None,
            Delivery::PullRequest => Some(propose::look(context, &case.target, Kind::Content)?),
        };
        if let Some(standing) = &standing
            && let Some((result, why)) = outrun(&case, manifest, standing)?
        {
            report.result = result;
            report.pull_request = standing.pull_request();
            report.warnings.push(why);
            return Ok((report, None));
        }
        let finished = build(context, &case, step, artifact, reference.clone(), request)?;
        report.result = Outcome::Released;
        report.commit = Some(finished.commit);
        report.live = true;
        let landed = match standing {
            None => tries.push(context, &case.target.site, finished.commit)?,
            Some(standing) => {
                let undo = propose::undo(&case.target, &finished.record);
                let told = Told { delivery: Delivery::PullRequest, kind: Kind::Content, undo };
                propose::propose(context, &mut tries, &case.target, standing, &finished, &told, &mut report)?
            }
        };
        match landed {
            Landed::Yes => {
                let proposed = report.pull_request.is_some().then_some(finished.record.seq);
                return Ok((report, proposed));
            }
            Landed::Moved => {
                context.progress.step("somebody else was first: looking again");
                case = judge::again(context, case, &request.to, artifact, request.leave)?;
                // The answer to a push may get lost, and git's own second try then meets the first.
                if case.target.site.graph.nodes.contains_key(&finished.commit) {
                    return Ok((report, None));
                }
            }
        }
    }
}

// Why an open proposal stays as it is: it is newer, or brings back what somebody needs.
fn outrun(case: &Case, manifest: &Manifest, standing: &Standing) -> Result<Option<(Outcome, String)>, AppError> {
    let Some(proposed) = standing.record() else { return Ok(None) };
    if is_rollback(proposed) {
        return Err(AppError::refused(
            "a rollback or a retirement of this unit is proposed, and a release would take its place",
            standing.pull_request().map(|pull| format!("merge or close {} first", pull.url)).unwrap_or_default(),
        ));
    }
    let source = known(&case.source)?;
    let order = source.proven.iter().map(|(rule, _)| case.target.policy.order_for(rule)).max();
    let is_ordered = match order.unwrap_or(OrderMode::Forward) {
        OrderMode::Any => false,
        OrderMode::SameBranch => source.branch() == Some(&proposed.source.branch),
        OrderMode::Forward => true,
    };
    let (old, new) = (manifest.source.commit, proposed.source.commit);
    let is_newer = old != new && source.graph.is_ancestor(old, new);
    let why = || format!("the open pull request proposes {}, which is newer than {}", new.short(), old.short());
    Ok((is_ordered && is_newer).then(|| (Outcome::Superseded, why())))
}

// Closes a proposal of this very content, when it is live or something newer is.
fn settle(context: &Context<'_>, target: &Target, manifest: &Manifest, report: &mut Report) -> Result<(), AppError> {
    let how = (target.policy.deliver.release, Kind::Content);
    let is_this = |record: &Record| record.digest == manifest.digest && record.source.commit == manifest.source.commit;
    match report.result {
        Outcome::Unchanged => propose::settle(context, target, how, &is_this, propose::LIVE, report),
        Outcome::Superseded => propose::settle(context, target, how, &is_this, "something newer is live", report),
        _ => Ok(()),
    }
}

/// Asks what a release would do now, and drafts the record that it would write; None where it would write none.
///
/// # Errors
/// As [`release`].
pub fn drafted(
    context: &Context<'_>,
    artifact: &Artifact,
    request: &Request,
) -> Result<(Report, Option<Record>), AppError> {
    let manifest = &artifact.manifest;
    let mut case = judge::case(context, &request.to, artifact, request.leave)?;
    let mut report = report(&mut case, artifact, request);
    let step = step(&case, manifest);
    report.result = decided(&case, step, request).unwrap_or(Outcome::Planned);
    let draft = (report.result == Outcome::Planned).then(|| record(context, &case, step, manifest, request));
    Ok((report, draft.transpose()?))
}

fn record(
    context: &Context<'_>,
    case: &Case,
    step: Step,
    manifest: &Manifest,
    request: &Request,
) -> Result<Record, AppError> {
    let source = known(&case.source)?;
    match step {
        Step::Anchor => anchored(case, source, manifest, request),
        Step::Nothing | Step::Write => written(context, case, source, manifest, request),
    }
}

// Waits a little for a release that holds the stage; false when that has no sense any more.
fn wait(context: &Context<'_>, case: &Case, until: Option<i64>) -> Result<bool, AppError> {
    let now = context.clock.now();
    let Some(until) = until.filter(|until| now < *until) else { return Ok(false) };
    context.progress.step("waiting for the release that holds the stage");
    statuses::rest(context, u64::try_from(case.held.unwrap_or(0).min(until - now).clamp(1, 10)).unwrap_or(1))?;
    Ok(true)
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

fn report(case: &mut Case, artifact: &Artifact, request: &Request) -> Report {
    let manifest = &artifact.manifest;
    // Whoever reviews a pull request wants to know.
    let wants = request.dry_run || case.target.policy.deliver.release == Delivery::PullRequest;
    let changes = case.images.changes(&case.target, &case.plan.result, Some(artifact), wants);
    let case = &*case;
    let mut report = Report::new(Outcome::Planned);
    report.digest = Some(manifest.digest);
    report.stage = Some(case.target.policy.stage.clone());
    report.unit = Some(case.target.unit.clone());
    report.overridden = break_glass(case, request);
    report.previous_commit = Some(case.target.site.tip);
    report.gates = case.judgement.reports.clone();
    report.changes = case.plan.changes.clone();
    report.warnings = case.images.warnings();
    match changes {
        Ok(changes) => report.image_changes = changes,
        Err(error) => report.warnings.push(format!("nobody knows what images change: {}", evidence::told(&error))),
    }
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
    if request.break_glass.is_some() {
        let closed: Vec<&str> = case.judgement.closed().map(|report| report.gate.as_str()).collect();
        if !closed.is_empty() {
            report.warnings.push(format!("--override does not open {}: see `override.allow`", closed.join(", ")));
        } else if case.judgement.opened.is_empty() {
            report.warnings.push("--override was not needed, and is not recorded".to_owned());
        }
    }
    report
}

fn build(
    context: &Context<'_>,
    case: &Case,
    step: Step,
    artifact: &Artifact,
    reference: Option<Reference>,
    request: &Request,
) -> Result<Finished, AppError> {
    let manifest = &artifact.manifest;
    let record = record(context, case, step, manifest, request)?;
    let (notes, changes) = (case.notes.clone(), case.plan.changes.clone());
    let files: HashMap<BlobId, &File> = manifest.files.iter().map(|file| (file.blob, file)).collect();
    let change = Change {
        folders: case.target.folders.clone(),
        leaves: (step == Step::Write).then(|| case.plan.result.clone()),
        removed: case.target.left_behind.clone(),
        record,
        message: Box::new(move |record| message::release(record, &changes, &notes, reference.as_ref())),
    };
    land::build(context, &case.target, change, &request.committer, &mut |id| {
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
fn anchored(case: &Case, source: &Source, manifest: &Manifest, request: &Request) -> Result<Record, AppError> {
    let target = &case.target;
    let mut record = target.record().cloned().ok_or_else(|| AppError::Guard("there is no record".to_owned()))?;
    entry::follow(&mut record, target);
    record.overridden = break_glass(case, request).or(record.overridden);
    record.source = origin(source, manifest)?;
    record.version = manifest.version.clone();
    record.policy = target.policy_id;
    record.gates = case.judgement.reports.clone();
    record.after = case.previous.iter().filter_map(|seen| seen.anchor.clone()).collect();
    if let Some(live) = record.ledger.first_mut() {
        live.commit = Some(record.source.commit);
        live.branch = Some(record.source.branch.clone());
        live.overridden.clone_from(&record.overridden);
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
    // Content that comes back keeps the mark that it earned here.
    let marked = entry::earned(&case.target, manifest.digest);
    let entering = Entering {
        digest: manifest.digest,
        folders: case.target.folders.clone(),
        source: origin(source, manifest)?,
        version: manifest.version.clone(),
        state: if marked.is_some() { State::Passed } else { State::Released },
        marked,
        kept: case.plan.others.clone(),
        after: case.previous.iter().filter_map(|seen| seen.anchor.clone()).collect(),
        overridden: break_glass(case, request),
        gates: case.judgement.reports.clone(),
        actor: &request.actor,
    };
    entry::enter(context, &case.target, entering)
}

// The break-glass that opened gates, if one was needed.
fn break_glass(case: &Case, request: &Request) -> Option<Override> {
    let gates = case.judgement.opened.clone();
    let reason = request.break_glass.clone().filter(|_| !gates.is_empty())?;
    Some(Override { by: request.actor.by.clone(), reason, gates })
}

impl Request {
    /// Exit code 0 for `superseded`.
    pub fn forgives(&self, outcome: Outcome) -> bool {
        self.skip_older && outcome == Outcome::Superseded
    }
}
