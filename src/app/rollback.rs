//! `rollback`: brings back content that entered an environment before. It needs nothing but the environment's repository.

use super::entry::{self, Entering};
use super::judge::{Leave, Owned, Target, drift_facts, target};
use super::land::{self, Change, Committer, Decision, Push};
use super::propose::{self, Told};
use super::site::{Site, file, resolve};
use super::{Actor, AppError, Context, Place, deployed};
use crate::domain::escape;
use crate::domain::gate::{Answer, Asked, GATES, Judgement, drift, freeze, images};
use crate::domain::id::{BlobId, CommitId, Digest, TreeId, UnitName};
use crate::domain::listing::{EntryMode, Leaves, is_gits_own};
use crate::domain::message;
use crate::domain::outcome::{Outcome, Report, Verdict};
use crate::domain::path::is_within;
use crate::domain::plan::{Plan, plan, same_content};
use crate::domain::policy::{Deed, Delivery, Source};
use crate::domain::proposal::Kind;
use crate::domain::record::{self, Entry, Origin, Override, Record, State};

/// What is brought back.
#[derive(Debug, Clone, Copy)]
pub enum Choice {
    /// So many distinct contents back.
    Steps(usize),
    /// The content with this digest.
    Digest(Digest),
}

/// What a rollback was asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// The environment.
    pub to: Place,
    /// The unit.
    pub unit: UnitName,
    /// What is brought back.
    pub choice: Choice,
    /// What is left keeps its mark.
    pub keep_verdict: bool,
    /// `--adopt`.
    pub adopt: bool,
    /// Show only.
    pub dry_run: bool,
    /// Who runs this.
    pub actor: Actor,
    /// Author of the commit.
    pub committer: Committer,
}

// Content of an earlier release, as it landed.
struct Earlier {
    content: Leaves,
    source: Origin,
    version: Option<String>,
    overridden: Option<Override>,
}

/// Rolls back.
///
/// # Errors
/// There is nothing to go back to, or the environment cannot be asked; it is untouched then.
pub fn rollback(context: &Context<'_>, request: &Request) -> Result<Report, AppError> {
    let leave = Leave { adopt: request.adopt, ..Leave::default() };
    let look = || target(context, &request.to, &request.unit, Owned::Declared, leave);
    land::until_landed(context, &look, &|target| decide(context, target, request))
}

fn decide(context: &Context<'_>, target: &Target, request: &Request) -> Result<Decision, AppError> {
    check_unit(context, target)?;
    if !request.dry_run {
        propose::can(context, target, "rollbacks", target.policy.deliver.rollback)?;
    }
    let record = target.recorded()?;
    let mut report = land::report(target, Outcome::Planned);
    let Some(entry) = choose(target, record, request.choice)? else {
        report.result = Outcome::Unchanged;
        report.digest = Some(record.digest);
        report.commit = target.landing();
        report.live = true;
        let (how, is_live) = ((target.policy.deliver.rollback, Kind::Content), propose::is_live(target, Kind::Content));
        if !request.dry_run {
            propose::settle(context, target, how, &is_live, propose::LIVE, &mut report)?;
        }
        return Ok(Decision::Say(Box::new(report)));
    };
    report.digest = Some(entry.digest);
    let earlier = earlier(target, entry)?;
    report.overridden.clone_from(&earlier.overridden);
    let is_local = |path: &str| target.is_local(path);
    let (written, there, rule) = (target.written.as_ref(), &target.there, target.policy.drift);
    let plan = plan(&target.folders, written, there, &earlier.content, rule, &record.kept, &is_local);
    let mut deployed = deployed::look(context, target, &plan.result, None);
    let judgement = judge(context, target, &plan, request.adopt, &deployed.facts);
    report.warnings.extend(deployed.warnings());
    let wants = request.dry_run || target.policy.deliver.rollback == Delivery::PullRequest;
    report.image_changes = deployed.changes(target, &plan.result, None, wants).unwrap_or_default();
    report.gates = judgement.reports.clone();
    report.changes = plan.changes.clone();
    // At three in the morning a registry that does not answer must not keep the way back closed.
    let unsure = report.gates.iter().filter(|gate| gate.verdict == Verdict::Undecided);
    let unsure: Vec<String> = unsure.map(|gate| format!("{}: {}", gate.gate, gate.detail)).collect();
    report.warnings.extend(unsure);
    if judgement.verdict() == Verdict::Refused {
        report.result = Outcome::Refused;
    }
    if request.dry_run || report.result == Outcome::Refused {
        return Ok(Decision::Say(Box::new(report)));
    }
    let next = next(context, target, entry, &earlier, &plan, &judgement, request)?;
    let (left, changes) = (record.digest, plan.changes.clone());
    let wanted = contents(target, &plan)?;
    let change = Change {
        folders: target.folders.clone(),
        leaves: Some(plan.result),
        removed: target.left_behind.clone(),
        record: next,
        message: Box::new(move |record| message::rollback(record, &changes, left)),
    };
    let content = &mut |id| wanted.get(&id).map(|content: &Vec<u8>| Ok(content.clone()));
    let finished = land::build(context, target, change, &request.committer, content)?;
    report.result = Outcome::RolledBack;
    report.commit = Some(finished.commit);
    report.live = true;
    let undo = propose::undo(target, &finished.record);
    let told = Told { delivery: target.policy.deliver.rollback, kind: Kind::Content, undo };
    Ok(Decision::Push(Box::new(Push { finished, told, report })))
}

fn check_unit(context: &Context<'_>, target: &Target) -> Result<(), AppError> {
    let (accept, unit) = (target.accepted(context)?, &target.unit);
    if accept.source == Source::SelfRepository {
        return Err(AppError::refused(
            format!("the unit {unit} is developed in this repository (source: self): nothing is released into it"),
            "revert the commit here: git revert",
        ));
    }
    if accept.retire {
        return Err(AppError::refused(
            format!("the unit {unit} goes (retire: true): nothing of it comes back"),
            "take `retire` out of stage.yaml first, by a reviewed commit",
        ));
    }
    Ok(())
}

// The release that is brought back; None when it is what is live.
fn choose<'a>(target: &Target, record: &'a Record, choice: Choice) -> Result<Option<&'a Entry>, AppError> {
    let candidates = record.rollback_targets();
    let (stage, unit) = (&target.policy.stage, &target.unit);
    let known = || {
        let known: Vec<String> = candidates
            .iter()
            .map(|entry| {
                let commit = entry.commit.map_or_else(|| "adopted".to_owned(), |commit| commit.short());
                format!("{} ({commit}, {})", entry.digest, entry.released)
            })
            .collect();
        if known.is_empty() {
            "release a fixed commit: nothing that was here before may come back".to_owned()
        } else {
            format!("what may come back, newest first: {}", known.join("; "))
        }
    };
    match choice {
        Choice::Digest(digest) if digest == record.digest => Ok(record.live().filter(|_| !is_whole(target))),
        Choice::Digest(digest) => match candidates.iter().find(|entry| entry.digest == digest) {
            Some(entry) => Ok(Some(entry)),
            None if record.ledger.iter().any(|entry| entry.digest == digest) => {
                Err(AppError::refused(format!("{digest} of {unit} failed in {stage}"), known()))
            }
            None => Err(AppError::refused(format!("{digest} of {unit} was never live in {stage}"), known())),
        },
        Choice::Steps(steps) => match steps.checked_sub(1).and_then(|at| candidates.get(at)) {
            Some(entry) => Ok(Some(entry)),
            None => Err(AppError::refused(
                format!("{} of {unit} cannot go {steps} back in {stage}", record.digest.short()),
                known(),
            )),
        },
    }
}

// Whether the environment is what its record says.
fn is_whole(target: &Target) -> bool {
    let aside = |path: &str| target.is_local(path) || is_gits_own(path);
    let written = target.written.as_ref();
    target.history.verify().is_ok() && written.is_some_and(|written| same_content(&target.there, written, &aside))
}

// The content of an entry of the ledger, proven by the commit at which it landed.
fn earlier(target: &Target, entry: &Entry) -> Result<Earlier, AppError> {
    let site = &target.site;
    let gone = |why: &str| {
        AppError::refused(
            format!("{} cannot be brought back: {why}", entry.digest),
            "choose another content with --digest, or release a fixed commit",
        )
    };
    let landing = entry.release_commit.or_else(|| target.history.landing(entry.seq).map(|(change, _)| change.commit));
    let landing = landing.filter(|commit| site.graph.is_on_chain(*commit, site.tip));
    let landing = landing.ok_or_else(|| gone("its commit is not on the first-parent chain of this branch"))?;
    let local = |path: &str| target.is_local(path);
    if entry.state == State::Adopted && entry.seq == 0 {
        let mut content = site.folders_at(landing, &target.folders)?;
        content.retain(|path, _| !is_gits_own(path) && !local(path));
        // Nobody proved this content but its digest.
        let kept = target.continued().map(|record| record.kept.as_slice()).unwrap_or_default();
        if let Some(path) = kept.iter().find(|path| content.contains_key(*path)) {
            return Err(gone(&format!("{} is part of it, and is kept as somebody else's now", escape::line(path))));
        }
        if entry::digest(site, &content)? != Some(entry.digest) {
            return Err(gone(
                "what was found here cannot be told from what is others': folders or `local` changed since",
            ));
        }
        let source = Origin { repository: site.url.clone(), commit: landing, branch: site.branch.clone() };
        return Ok(Earlier { content, source, version: None, overridden: None });
    }
    let then = record_at(site, target, landing)?
        .filter(|then| then.digest == entry.digest && then.ledger.first().is_some_and(|live| live.seq == entry.seq));
    let then = then.ok_or_else(|| gone("the record at its commit does not name it"))?;
    let folders: Vec<String> = then.folders.iter().map(|folder| folder.path.clone()).collect();
    if let Some(foreign) = folders.iter().find(|path| !target.folders.iter().any(|own| is_within(path, own))) {
        return Err(gone(&format!("its folder {foreign} is not the unit's any more")));
    }
    let root = site.root_of(landing)?;
    let aside = |path: &str| is_gits_own(path) || local(path) || then.kept.iter().any(|kept| kept == path);
    let changed = entry::landed_with(site, landing, &then, &aside)?;
    for folder in then.folders.iter().filter(|_| changed.is_none()) {
        let at = resolve(&*site.repository, &[root], &folder.path)?.remove(&root);
        let tree = at.filter(|(mode, _)| *mode == EntryMode::Tree).map(|(_, id)| TreeId(id));
        if tree != folder.tree {
            return Err(gone("the folders at its commit are not what its record says"));
        }
    }
    let mut content = site.folders_at(landing, &folders)?;
    content.retain(|path, _| !is_gits_own(path) && !then.kept.contains(path));
    // Then it is the digest that tells the content from what is others'.
    content.retain(|path, _| changed.is_none() || !local(path));
    if let Some(path) = content.keys().find(|path| local(path)) {
        return Err(gone(&format!("{} is part of it, and is `local` now", escape::line(path))));
    }
    let source = match (entry.commit, &entry.branch) {
        (Some(commit), Some(branch)) => Origin { commit, branch: branch.clone(), ..then.source },
        _ => then.source,
    };
    // A break-glass does not wear off by going away and coming back.
    let overridden = entry.overridden.clone().or(then.overridden);
    Ok(Earlier { content, source, version: then.version, overridden })
}

fn record_at(site: &Site, target: &Target, commit: CommitId) -> Result<Option<Record>, AppError> {
    let root = site.root_of(commit)?;
    for path in target.history.here.names.iter().map(record::path) {
        if let Some(blob) = resolve(&*site.repository, &[root], &path)?.remove(&root).as_ref().and_then(file) {
            let content = site.repository.blobs(&[blob], record::MAX_BYTES as u64)?.remove(&blob).unwrap_or_default();
            return Ok(Record::parse(&content).ok());
        }
    }
    Ok(None)
}

fn judge(
    context: &Context<'_>,
    target: &Target,
    plan: &Plan,
    adopt: bool,
    images: &Option<Asked<images::Facts>>,
) -> Judgement {
    let answer = |name: &str| match name {
        "unit" => Answer::passed(target.unit.to_string()),
        "drift" => {
            let mut answer = drift::ask(&drift_facts(target, adopt, plan));
            // At three in the morning nobody brings a change back into the source first.
            let by_hand = !plan.drift.edited.is_empty() || !plan.drift.deleted.is_empty();
            if let Some(remedy) = answer.remedy.as_mut().filter(|_| by_hand && !adopt) {
                remedy.push_str("; or --adopt, which overwrites it");
            }
            answer
        }
        "images" => images::ask(images),
        "freeze" => freeze::ask(target.policy.frozen(context.clock.now(), Deed::Rollback).as_ref()),
        _ => Answer::not_asked("a rollback does not ask it"),
    };
    Judgement::from_answers(GATES.iter().map(|gate| (gate.name, answer(gate.name))), &[])
}

// The files that are not here now; they are in the history of the environment itself.
fn contents(target: &Target, plan: &Plan) -> Result<std::collections::HashMap<BlobId, Vec<u8>>, AppError> {
    let new = plan.result.iter().filter(|(path, entry)| target.there.get(*path) != Some(*entry));
    let ids: Vec<BlobId> = new.map(|(_, (_, id))| BlobId(*id)).collect();
    Ok(target.site.repository.blobs(&ids, u64::MAX)?)
}

fn next(
    context: &Context<'_>,
    target: &Target,
    entry: &Entry,
    earlier: &Earlier,
    plan: &Plan,
    judgement: &Judgement,
    request: &Request,
) -> Result<Record, AppError> {
    let marked = entry::earned(target, entry.digest);
    let state = match (entry.state, &marked) {
        (State::Adopted, _) => State::Adopted,
        (_, Some(_)) => State::Passed,
        (_, None) => State::Released,
    };
    let entering = Entering {
        digest: entry.digest,
        folders: target.folders.clone(),
        source: earlier.source.clone(),
        version: earlier.version.clone(),
        state,
        marked,
        kept: plan.others.clone(),
        after: target.continued().map(|record| record.after.clone()).unwrap_or_default(),
        overridden: earlier.overridden.clone(),
        gates: judgement.reports.clone(),
        actor: &request.actor,
    };
    let mut record = entry::enter(context, target, entering)?;
    let at = record.released.at.clone();
    // What was only repaired did not fail.
    let fails = |left: &&mut Entry| left.digest != entry.digest && left.state != State::Retired;
    if let Some(left) = record.ledger.get_mut(1).filter(|left| !request.keep_verdict && fails(left)) {
        left.state = State::Failed;
        left.marked = Some(at);
    }
    Ok(record)
}
