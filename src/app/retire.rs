//! `retire`: takes a unit out of an environment. What passgate wrote goes; a record of the end stays.

use super::entry::{self, Entering};
use super::evidence;
use super::judge::{Leave, Owned, Target, drift_facts, target};
use super::land::{self, Change, Committer, Decision, Push};
use super::propose::{self, Told};
use super::site::Site;
use super::{Actor, AppError, Context, Place};
use crate::domain::escape::shell;
use crate::domain::gate::{Answer, GATES, Judgement, drift, freeze};
use crate::domain::id::UnitName;
use crate::domain::listing::{self, Leaves};
use crate::domain::message;
use crate::domain::outcome::{Outcome, Report, Verdict};
use crate::domain::plan::{Plan, plan};
use crate::domain::policy::{After, Deed, Drift, Source};
use crate::domain::proposal::Kind;
use crate::domain::record::State;
use crate::port::Role;

/// What a retirement was asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// The environment.
    pub to: Place,
    /// The unit.
    pub unit: UnitName,
    /// Show only.
    pub dry_run: bool,
    /// Who runs this.
    pub actor: Actor,
    /// Author of the commit.
    pub committer: Committer,
}

/// Retires a unit.
///
/// # Errors
/// The policy does not want it, or something that must answer does not; the environment is untouched then.
pub fn retire(context: &Context<'_>, request: &Request) -> Result<Report, AppError> {
    let look = || target(context, &request.to, &request.unit, Owned::Declared, Leave::default());
    land::until_landed(context, &look, &|target| decide(context, target, request))
}

fn decide(context: &Context<'_>, target: &Target, request: &Request) -> Result<Decision, AppError> {
    check_unit(context, target)?;
    if !request.dry_run {
        propose::can(context, target, "releases", target.policy.deliver.release)?;
    }
    let record = target.recorded()?;
    let mut report = land::report(target, Outcome::Planned);
    if target.history.verify().is_ok() && record.state == State::Retired {
        report.result = Outcome::Unchanged;
        report.commit = target.landing();
        let (how, is_live) = ((target.policy.deliver.release, Kind::Content), propose::is_live(target, Kind::Content));
        if !request.dry_run {
            propose::settle(context, target, how, &is_live, propose::LIVE, &mut report)?;
        }
        return Ok(Decision::Say(report));
    }
    let is_local = |path: &str| target.is_local(path);
    // Files that were never ours stay whatever the policy says of drift.
    let (written, there) = (target.written.as_ref(), &target.there);
    let plan = plan(&target.folders, written, there, &Leaves::new(), Drift::Keep, &record.kept, &is_local);
    let judgement = judge(context, target, &plan);
    report.gates = judgement.reports.clone();
    report.changes = plan.changes.clone();
    report.result = match judgement.verdict() {
        Verdict::Refused => Outcome::Refused,
        Verdict::Undecided => Outcome::Undecided,
        Verdict::Passed | Verdict::NotAsked => Outcome::Planned,
    };
    if request.dry_run || report.result != Outcome::Planned {
        return Ok(Decision::Say(report));
    }
    let entering = Entering {
        digest: listing::digest(std::iter::empty()),
        folders: target.folders.clone(),
        source: record.source.clone(),
        version: None,
        state: State::Retired,
        marked: None,
        kept: plan.others.clone(),
        after: record.after.clone(),
        overridden: None,
        gates: judgement.reports,
        actor: &request.actor,
    };
    let changes = plan.changes.clone();
    let change = Change {
        folders: target.folders.clone(),
        leaves: Some(plan.result),
        removed: target.left_behind.clone(),
        record: entry::enter(context, target, entering)?,
        message: Box::new(move |record| message::retire(record, &changes)),
    };
    let finished = land::build(context, target, change, &request.committer, &mut |_| None)?;
    report.result = Outcome::Retired;
    report.commit = Some(finished.commit);
    let undo = propose::undo(target, &finished.record);
    let told = Told { delivery: target.policy.deliver.release, kind: Kind::Content, undo };
    Ok(Decision::Push(Box::new(Push { finished, told, report })))
}

fn check_unit(context: &Context<'_>, target: &Target) -> Result<(), AppError> {
    let (accept, unit) = (target.accepted(context)?, &target.unit);
    if accept.source == Source::SelfRepository {
        return Err(AppError::refused(
            format!("the unit {unit} is developed in this repository (source: self): passgate wrote nothing of it"),
            "remove its folders here by a reviewed commit",
        ));
    }
    if !accept.retire {
        return Err(AppError::refused(
            format!("stage.yaml of {} does not say that the unit {unit} goes", target.site.name()),
            "add `retire: true` to the unit there, by a reviewed commit",
        ));
    }
    Ok(())
}

fn judge(context: &Context<'_>, target: &Target, plan: &Plan) -> Judgement {
    let mut facts = drift_facts(target, false, plan);
    facts.rule = if facts.rule == Drift::Overwrite { Drift::Overwrite } else { Drift::Keep };
    facts.drift.extra.clear();
    let answer = |name: &str| match name {
        "unit" => Answer::passed(target.unit.to_string()),
        "previous" => before(context, target),
        "drift" => drift::ask(&facts),
        "freeze" => freeze::ask(target.policy.frozen(context.clock.now(), Deed::Release).as_ref()),
        _ => Answer::not_asked("a retirement does not ask it"),
    };
    Judgement::from_answers(GATES.iter().map(|gate| (gate.name, answer(gate.name))), &[])
}

// Whether every stage before has retired the unit, or never had it.
fn before(context: &Context<'_>, target: &Target) -> Answer {
    let stages = &target.policy.after;
    if stages.is_empty() {
        return Answer::not_asked("a first stage: nothing comes before it");
    }
    for after in stages {
        match is_gone(context, after, &target.names) {
            Ok(true) => {}
            Ok(false) => {
                return Answer::refused(
                    format!("{} still has the unit {}", after.stage, target.unit),
                    format!(
                        "retire it there first: passgate retire --to {} --unit {}",
                        shell(&format!("{}#{}", after.repository, after.branch)),
                        target.unit
                    ),
                );
            }
            Err(error) => {
                return Answer::undecided(
                    format!("{} could not be asked: {}", after.stage, evidence::told(&error)),
                    "run it again when it answers",
                );
            }
        }
    }
    Answer::passed("the stages before have retired it")
}

fn is_gone(context: &Context<'_>, after: &After, names: &[UnitName]) -> Result<bool, AppError> {
    let place = Place { url: after.repository.clone(), branch: Some(after.branch.clone()) };
    let Some(site) = Site::find(context, &place, Role::Previous)? else { return Ok(false) };
    let names = site.policy().map_or_else(|_| names.to_vec(), |(_, policy)| policy.names(names));
    let history = evidence::history(&site, &names, &|history| history.tip().is_some())?;
    let is_retired = history.record().is_some_and(|record| record.state == State::Retired);
    let never_was = history.complete && history.changes.is_empty();
    Ok((is_retired && history.verify().is_ok()) || never_was)
}
