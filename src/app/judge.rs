//! One look at everything that a release depends on: target, source and previous stages, side by side; then the gates.

use std::time::Duration;

use super::deployed::{self, Deployed};
use super::evidence::{self, Seen, Wanted};
use super::site::Site;
use super::source::{self, Source};
use super::{AppError, Context, Place};
use crate::domain::artifact::Manifest;
use crate::domain::chain::History;
use crate::domain::gate::{Asked, Facts, Judgement, drift, hold, images, order, unit};
use crate::domain::id::{BlobId, BranchName, CommitId, UnitName};
use crate::domain::listing::{self, Leaves, is_gits_own};
use crate::domain::notes::Notes;
use crate::domain::path::is_within;
use crate::domain::plan::{self, Plan};
use crate::domain::policy::{self, Accept, OrderMode, OverridableGate, Pipeline, Stage};
use crate::domain::record::{Record, State};
use crate::domain::time;
use crate::domain::url::RepoUrl;
use crate::port::Artifact;

// Seconds for which the answers of source and previous stages stand while a push is tried again.
const FRESH: i64 = 5;

/// What a release was asked to allow.
#[derive(Debug, Clone, Copy, Default)]
pub struct Leave {
    /// `--adopt`.
    pub adopt: bool,
    /// `--retry`.
    pub retry: bool,
    /// `--override`.
    pub break_glass: bool,
}

/// Which folders of the environment are looked at.
#[derive(Debug, Clone, Copy)]
pub enum Owned<'a> {
    /// Those of an artifact.
    Claimed(&'a [String]),
    /// Those that the policy gives the unit.
    Declared,
    /// Those of the unit's record, or of the policy where there is none.
    Recorded,
}

/// The environment that is released into, as it is now.
pub struct Target {
    /// Its branch.
    pub site: Site,
    /// Blob id of its policy.
    pub policy_id: BlobId,
    /// Its policy.
    pub policy: Stage,
    /// The unit, by the name that the policy gives it.
    pub unit: UnitName,
    /// That name, and those that it had before.
    pub names: Vec<UnitName>,
    /// The unit's folders.
    pub folders: Vec<String>,
    /// Files that our last release wrote into folders that no unit declares any more.
    pub left_behind: Vec<String>,
    /// The history of the unit's record.
    pub history: History,
    /// What is in the unit's folders, and what is left behind.
    pub there: Leaves,
    /// What our last release wrote there; None when there was none.
    pub written: Option<Leaves>,
}

impl Target {
    /// The live record: None when there is none or it is unreadable.
    pub fn record(&self) -> Option<&Record> {
        self.history.record()
    }

    /// The record whose ledger goes on: the live one, or after a break the newest unbroken one.
    pub fn continued(&self) -> Option<&Record> {
        if self.history.verify().is_ok() {
            self.record()
        } else {
            self.history.newest_unbroken().map(|(_, record)| record)
        }
    }

    /// The rules for the unit, if it is accepted here.
    pub fn accept(&self) -> Option<&Accept> {
        self.policy.accepts(&self.unit)
    }

    /// Whether a path belongs to the environment itself.
    pub fn is_local(&self, path: &str) -> bool {
        self.accept().is_some_and(|accept| accept.local.matches(path))
    }

    /// Where the unit's record stands, and where it stood under former names.
    pub fn records(&self) -> Vec<String> {
        self.names.iter().map(crate::domain::record::path).collect()
    }

    /// The commit at which the live release landed.
    pub fn landing(&self) -> Option<CommitId> {
        let live = self.record()?.live()?;
        self.history.landing(live.seq).map(|(change, _)| change.commit)
    }

    /// Blob id of the record at the tip, which the next one replaces.
    pub fn replaces(&self) -> Option<BlobId> {
        self.history.tip().and_then(|change| change.record.as_ref()).map(|(blob, _)| *blob)
    }

    /// The rules for the unit, once it is sure that the policy is for this place and accepts the unit.
    ///
    /// # Errors
    /// It does not.
    pub fn accepted(&self, context: &Context<'_>) -> Result<&Accept, AppError> {
        let (policy, here) = (&self.policy, (&self.site.url, &self.site.branch));
        if (&context.repositories.canonical(&policy.repository), &policy.branch) != here {
            return Err(AppError::refused(
                format!(
                    "stage.yaml here is for {}#{}, and this is {}",
                    policy.repository,
                    policy.branch,
                    self.site.name()
                ),
                "write this repository and branch into its .passgate/stage.yaml, by a reviewed commit",
            ));
        }
        self.accept().ok_or_else(|| {
            AppError::refused(
                format!("the unit {} is not accepted in {}", self.unit, policy.stage),
                "add the unit to `accept` in .passgate/stage.yaml of the environment",
            )
        })
    }

    /// The record whose ledger goes on, which there must be.
    ///
    /// # Errors
    /// There is none.
    pub fn recorded(&self) -> Result<&Record, AppError> {
        self.continued().ok_or_else(|| {
            let (unit, stage) = (&self.unit, &self.policy.stage);
            match self.history.verify() {
                Err(broken) => AppError::refused(
                    format!(
                        "the chain of records of {unit} in {stage} is broken at {}: {}",
                        broken.commit.short(),
                        broken.how
                    ),
                    format!(
                        "look at that commit; then: passgate release ARTIFACT --to {} --adopt",
                        crate::domain::escape::shell(&self.site.name())
                    ),
                ),
                Ok(()) => AppError::refused(
                    format!("the unit {unit} was never released to {stage}"),
                    "there is nothing of it here",
                ),
            }
        })
    }

    /// The command that brings back what was live before, if there is something to bring back.
    pub fn way_back(&self) -> Option<String> {
        let record = self.record().filter(|_| self.history.verify().is_ok())?;
        record.way_back(&self.site.name())
    }
}

/// Everything about one release, at one moment.
pub struct Case {
    /// The environment.
    pub target: Target,
    /// The source; an error text when it could not be asked.
    pub source: Asked<Source>,
    /// The previous stages.
    pub previous: Vec<Seen>,
    /// What the gates say.
    pub judgement: Judgement,
    /// What would be written.
    pub plan: Plan,
    /// What it would deploy.
    pub images: Deployed,
    /// Seconds for which another branch's release still holds the stage.
    pub held: Option<i64>,
    /// The commits that the environment gets.
    pub notes: Notes,
    /// When source and previous stages were asked last, seconds since 1970.
    pub asked: i64,
}

/// Looks at the environment.
///
/// # Errors
/// It cannot be asked, or its policy is not valid.
pub fn target(
    context: &Context<'_>,
    place: &Place,
    unit: &UnitName,
    owned: Owned<'_>,
    leave: Leave,
) -> Result<Target, AppError> {
    let site = Site::target(context, place)?;
    let claimed = if let Owned::Claimed(folders) = owned { folders } else { &[] };
    site.warm(claimed, &[crate::domain::record::path(unit)])?;
    let (policy_id, policy) = site.policy()?;
    let accept = policy.accepts(unit);
    let names = policy.names(std::slice::from_ref(unit));
    let unit = accept.map_or(unit, |accept| &accept.unit).clone();
    let adopt = leave.adopt || (leave.break_glass && policy.override_allow.contains(&OverridableGate::Drift));
    let enough = |history: &History| match history.tip() {
        None => false,
        Some(_) if history.verify().is_err() => !adopt || history.newest_unbroken().is_some(),
        Some(_) => history.record().and_then(Record::live).is_none_or(|live| evidence::reaches(history, live.seq)),
    };
    let history = evidence::history(&site, &names, &enough)?;
    // What was written last is what the folders were when the live release landed.
    let continued = if history.verify().is_ok() { history.record() } else { history.newest_unbroken().map(|(_, r)| r) };
    let recorded: Vec<String> =
        continued.iter().flat_map(|record| &record.folders).map(|folder| folder.path.clone()).collect();
    let declared = || accept.iter().flat_map(|accept| &accept.folders).map(|folder| folder.to.clone()).collect();
    let folders: Vec<String> = match owned {
        Owned::Claimed(folders) => folders.to_vec(),
        Owned::Recorded if !recorded.is_empty() => recorded.clone(),
        Owned::Recorded | Owned::Declared => declared(),
    };
    let mut there = site.folders_at(site.tip, &folders)?;
    for name in &names {
        there.extend(site.beside_record(&crate::domain::record::path(name))?);
    }
    let (mut written, mut left_behind) = (None, Vec::new());
    if let Some(record) = continued {
        let mut all = written_by(&site, &history, record, accept)?;
        let is_ours = |path: &str| folders.iter().any(|folder| is_within(path, folder));
        let is_orphan = |path: &String| {
            let is_foreign = is_gits_own(path) || record.kept.contains(path);
            accept.is_some() && !is_foreign && policy.owner_of(path).is_none()
        };
        left_behind = all.keys().filter(|path| !is_ours(path) && is_orphan(path)).cloned().collect();
        all.retain(|path, _| is_ours(path) || left_behind.binary_search(path).is_ok());
        written = Some(all);
        if !left_behind.is_empty() {
            let mut at = site.folders_at(site.tip, &recorded)?;
            at.retain(|path, _| left_behind.binary_search(path).is_ok());
            there.extend(at);
        }
    }
    Ok(Target { site, policy_id, policy, unit, names, folders, left_behind, history, there, written })
}

// Everything that a release left in its folders: what they were when it landed, by the trees that its record names. Files of
// the environment itself may have changed between its proposal and its landing; then those trees may be nowhere.
fn written_by(site: &Site, history: &History, record: &Record, accept: Option<&Accept>) -> Result<Leaves, AppError> {
    let landing = record.live().and_then(|live| history.landing(live.seq)).map(|(change, _)| change.commit);
    if let Some(landing) = landing {
        let aside = |path: &str| {
            let is_local = accept.is_some_and(|accept| accept.local.matches(path));
            is_local || is_gits_own(path) || record.kept.iter().any(|kept| kept == path)
        };
        if let Some(found) = super::entry::landed_with(site, landing, record, &aside)? {
            return Ok(found);
        }
    }
    let mut all = Leaves::new();
    for folder in &record.folders {
        if let Some(tree) = folder.tree {
            let leaves = site.repository.leaves(&[tree])?;
            let below = leaves.get(&tree).into_iter().flatten();
            all.extend(below.map(|(path, entry)| (format!("{}/{path}", folder.path), *entry)));
        }
    }
    Ok(all)
}

/// Looks at everything and asks every gate.
///
/// # Errors
/// The target cannot be asked, or its policy is not valid. What else cannot be asked leaves gates undecided.
pub fn case(context: &Context<'_>, place: &Place, artifact: &Artifact, leave: Leave) -> Result<Case, AppError> {
    let manifest = &artifact.manifest;
    let asked = context.clock.now();
    let folders: Vec<String> = manifest.folders.iter().map(|folder| folder.path.clone()).collect();
    let target = target(context, place, &manifest.unit, Owned::Claimed(&folders), leave)?;
    let content = listing::leaves(&manifest.files);
    // Opened first, so that which token goes where does not depend on who is quicker.
    for after in &target.policy.after {
        context.repositories.open(&after.repository, crate::port::Role::Previous)?;
    }
    let accept = target.accept().cloned();
    let accepted = accept.as_ref().and_then(source::accepted_url);
    for pipeline in target.policy.after.iter().filter_map(|after| after.pipeline.as_ref()) {
        context.forges.of(&pipeline.repository, runs_as(pipeline, accepted, crate::port::Role::Previous));
    }
    let live = target.continued().filter(|record| record.state != State::Adopted).map(|record| record.source.commit);
    let is_local = |path: &str| target.is_local(path);
    let kept = target.continued().map(|record| record.kept.clone()).unwrap_or_default();
    let rule = target.policy.drift;
    let plan = plan::plan(&target.folders, target.written.as_ref(), &target.there, &content, rule, &kept, &is_local);
    let (source, previous, images) = std::thread::scope(|scope| {
        let accept = accept.as_ref();
        let source = scope.spawn(move || look_at_source(context, accept, manifest.source.commit, live));
        let images = scope.spawn(|| deployed::look(context, &target, &plan.result, Some(artifact)));
        let anchors = target.continued().map(|record| record.after.as_slice()).unwrap_or_default();
        let seen: Vec<_> = target
            .policy
            .after
            .iter()
            .map(|after| {
                let anchor = anchors.iter().find(|anchor| anchor.stage == after.stage);
                let content = &content;
                // How long it must soak depends on the branches that prove it, which are known later: all intervals
                // are brought when any rule asks for one.
                let longest = accept.map_or(after.soak, |accept| {
                    accept.branches.iter().map(|rule| after.soak_for(rule)).max().unwrap_or(after.soak)
                });
                let (names, digest, role) = (target.names.as_slice(), manifest.digest, crate::port::Role::Previous);
                let wanted = Wanted { names, digest, content, soak: longest, role, source: accepted };
                scope.spawn(move || evidence::look(context, after, wanted, anchor))
            })
            .collect();
        let died = || Seen {
            previous: Err("the check died".into()),
            soak: Err("the check died".into()),
            statuses: Err("the check died".into()),
            pipeline: Err("the check died".into()),
            anchor: None,
        };
        let seen: Vec<Seen> = seen.into_iter().map(|thread| thread.join().unwrap_or_else(|_| died())).collect();
        let images = images.join().unwrap_or_else(|_| Deployed::died());
        (source.join().unwrap_or_else(|_| Err("the check died".to_owned())), seen, images)
    });
    // What was stopped would else read as "could not be asked".
    if context.repositories.interrupted() {
        return Err(crate::port::PortError::Interrupted.into());
    }
    let facts = facts(context, &target, &source, &previous, images.facts.clone(), manifest, &content, &plan, leave);
    let allow: &[OverridableGate] = if leave.break_glass { &target.policy.override_allow } else { &[] };
    let judgement = Judgement::of(&facts, allow);
    let notes = source.as_ref().map(|source| notes(&target, source)).unwrap_or_default();
    Ok(Case { target, source, previous, judgement, images, held: facts.hold.left(), plan, notes, asked })
}

/// Whose credentials are for the runs of a pipeline: those of the source, where they are the source's own. What only another
/// stage's policy names keeps its own role.
pub fn runs_as(pipeline: &Pipeline, source: Option<&RepoUrl>, role: crate::port::Role) -> crate::port::Role {
    let is_source = role == crate::port::Role::Previous && source == Some(&pipeline.repository);
    if is_source { crate::port::Role::Source } else { role }
}

// Notes are for people: when they cannot be had, the release goes on without.
fn notes(target: &Target, source: &Source) -> Notes {
    if !source.graph.nodes.contains_key(&source.commit) {
        return Notes::default();
    }
    source.notes(target.continued().map(|record| record.source.commit), source.commit).unwrap_or_default()
}

fn look_at_source(
    context: &Context<'_>,
    accept: Option<&Accept>,
    commit: CommitId,
    live: Option<CommitId>,
) -> Asked<Source> {
    let accept = accept.ok_or_else(|| "the unit is not accepted here, so no source is known".to_owned())?;
    let url = source::accepted_url(accept).ok_or_else(|| "the unit is developed in this repository".to_owned())?;
    Source::look(context, accept, url, commit, live)
        .map_err(|error| format!("the source repository could not be asked: {}", evidence::told(&error.into())))
}

#[allow(clippy::too_many_arguments, reason = "each is one of the places that facts come from")]
fn facts(
    context: &Context<'_>,
    target: &Target,
    source: &Asked<Source>,
    previous: &[Seen],
    images: Option<Asked<images::Facts>>,
    manifest: &Manifest,
    content: &Leaves,
    plan: &Plan,
    leave: Leave,
) -> Facts {
    let accept = target.accept();
    let canonical = |url| context.repositories.canonical(url);
    let asked = |error: crate::port::PortError| evidence::told(&error.into());
    let sorted = |mut folders: Vec<String>| {
        folders.sort();
        folders
    };
    let unit = unit::Facts {
        here: (target.site.url.clone(), target.site.branch.clone()),
        policy: (canonical(&target.policy.repository), target.policy.branch.clone()),
        unit: target.unit.clone(),
        claimed: canonical(&manifest.source.repository),
        accepted: accept.map(|accept| unit::Accepted {
            source: source::accepted_url(accept).map(canonical),
            folders: sorted(accept.folders.iter().map(|folder| folder.to.clone()).collect()),
            local: content.keys().filter(|path| accept.local.matches(path)).cloned().collect(),
            retire: accept.retire,
        }),
        folders: sorted(manifest.folders.iter().map(|folder| folder.path.clone()).collect()),
        units: target.policy.accept.iter().map(|accept| accept.unit.to_string()).collect(),
    };
    let soaked = |seen: &Seen, at: usize| -> Asked<crate::domain::gate::soak::Facts> {
        let mut facts = seen.soak.clone()?;
        // The longest soak of the rules that prove the commit; of all rules where nothing proves it.
        let after = target.policy.after.get(at);
        let proven = source.as_ref().map(|source| source.proven.as_slice()).unwrap_or_default();
        let asked: Option<Duration> = proven.iter().filter_map(|(rule, _)| Some(after?.soak_for(rule))).max();
        facts.wanted = asked.unwrap_or(facts.wanted);
        Ok(facts)
    };
    Facts {
        unit,
        source: source.as_ref().map_err(Clone::clone).and_then(|source| source.content_facts(content).map_err(asked)),
        branch: match (source, accept) {
            (Ok(source), Some(accept)) => Ok(source.branch_facts(accept)),
            (Err(why), _) => Err(why.clone()),
            (_, None) => Err("the unit is not accepted here".to_owned()),
        },
        order: order_facts(target, source, manifest, leave),
        previous: previous.iter().map(|seen| seen.previous.clone()).collect(),
        soak: previous.iter().enumerate().map(|(at, seen)| soaked(seen, at)).collect(),
        statuses: previous.iter().map(|seen| seen.statuses.clone()).collect(),
        pipeline: previous.iter().map(|seen| seen.pipeline.clone()).collect(),
        hold: hold_facts(target, source, context.clock.now()),
        images,
        freeze: target.policy.frozen(context.clock.now(), policy::Deed::Release),
        drift: drift_facts(target, leave.adopt, plan),
    }
}

/// Facts for gate `drift`.
pub fn drift_facts(target: &Target, adopt: bool, plan: &Plan) -> drift::Facts {
    drift::Facts {
        rule: target.policy.drift,
        adopt,
        first: target.history.tip().is_none(),
        broken: target.history.verify().err(),
        drift: plan.drift.clone(),
    }
}

fn hold_facts(target: &Target, source: &Asked<Source>, now: i64) -> hold::Facts {
    let rule = target.policy.hold.as_ref();
    let held = |branch: &BranchName| rule.is_some_and(|rule| rule.branches.iter().any(|p| p.matches(branch)));
    let waiting = target.continued().filter(|record| record.state == State::Released && held(&record.source.branch));
    hold::Facts {
        max: rule.map(|rule| i64::try_from(rule.max.as_secs()).unwrap_or(i64::MAX)),
        holder: waiting.map(|record| hold::Holder {
            branch: record.source.branch.clone(),
            by: record.released.by.clone(),
            since: time::seconds(&record.released.at).unwrap_or(now),
        }),
        branch: source.as_ref().ok().and_then(|source| source.branch().cloned()),
        now,
    }
}

fn order_facts(target: &Target, source: &Asked<Source>, manifest: &Manifest, leave: Leave) -> Asked<order::Facts> {
    let new = manifest.source.commit;
    let record = target.continued();
    let failed = record.and_then(|record| record.last_mark(manifest.digest)) == Some(State::Failed);
    let mut facts = order::Facts {
        exempt: None,
        failed,
        retry: leave.retry,
        live: record.map(|record| record.source.commit),
        new,
        relation: order::Relation::Newer,
        lost: Vec::new(),
    };
    let Some(record) = record else { return Ok(facts) };
    let source = source.as_ref().map_err(Clone::clone)?;
    // The strictest of the rules that prove the commit; of all rules where nothing proves it.
    let strictest = source.proven.iter().map(|(rule, _)| target.policy.order_for(rule)).max();
    facts.exempt = match strictest.unwrap_or(OrderMode::Forward) {
        _ if record.state == State::Adopted => Some("what is live was adopted"),
        OrderMode::Any => Some("the order is `any` for this branch"),
        OrderMode::SameBranch if !same_branch(source, record) => Some("what is live came from another branch"),
        _ => None,
    };
    if facts.exempt.is_none() {
        let told = |error: crate::port::PortError| evidence::told(&error.into());
        facts.relation = source.relation(record.source.commit).map_err(told)?;
        if facts.relation == order::Relation::LiveGone && source.once_held(&record.folders).map_err(told)? {
            // The commit is gone, its content is not: the branch had exactly these folders once.
            facts.relation =
                order::Relation::Apart(vec![order::Base { absorbed: true, changed: true, overtaken: false }]);
        }
        if let order::Relation::Apart(_) = facts.relation {
            facts.lost = source::lost(source, record.source.commit).map_err(|error| evidence::told(&error))?;
        }
    }
    Ok(facts)
}

// Both commits are proven on the branch that the live one was recorded with.
fn same_branch(source: &Source, record: &Record) -> bool {
    let recorded = source.branch() == Some(&record.source.branch);
    recorded && source.still_proves(record.source.commit, &record.source.branch)
}

/// Looks again after somebody else pushed. When the unit's folders, its record, the policy and the other repositories are as
/// they were, everything that was found out stands, on the new tip.
///
/// # Errors
/// As [`case`].
pub fn again(
    context: &Context<'_>,
    old: Case,
    place: &Place,
    artifact: &Artifact,
    leave: Leave,
) -> Result<Case, AppError> {
    // Against a busy writer the shortest look wins. What the others said a moment ago is as fresh as a first try has it.
    let now = context.clock.now();
    let is_fresh = (0..FRESH).contains(&(now - old.asked));
    let (site, unmoved) = std::thread::scope(|scope| {
        let others = scope.spawn(|| is_fresh || others_unmoved(context, &old));
        let site = Site::target(context, place);
        (site, others.join().unwrap_or(false))
    });
    let site = site?;
    let asked = if is_fresh { old.asked } else { now };
    if unmoved && ours_unmoved(&old.target, &site)? {
        let target = Target { site, ..old.target };
        return Ok(Case { target, asked, ..old });
    }
    case(context, place, artifact, leave)
}

// Whether source and previous stages still advertise the tips that were judged. Statuses and runs change without that.
fn others_unmoved(context: &Context<'_>, case: &Case) -> bool {
    if case.target.policy.after.iter().any(|after| !after.statuses.is_empty() || after.pipeline.is_some()) {
        return false;
    }
    let tip = |url, branch: &crate::domain::id::BranchName, role| {
        let advertised = context.repositories.open(url, role).ok()?.advertise().ok()?;
        advertised.branches.get(branch).copied()
    };
    let previous = case.previous.iter().all(|seen| {
        seen.anchor.as_ref().is_some_and(|a| tip(&a.repository, &a.branch, crate::port::Role::Previous) == Some(a.tip))
    });
    previous && case.source.as_ref().is_ok_and(Source::is_unmoved)
}

// Whether what the gates and the plan looked at in the target is the same at both tips.
fn ours_unmoved(target: &Target, new: &Site) -> Result<bool, AppError> {
    let old = &target.site;
    if !new.graph.is_on_chain(old.tip, new.tip) {
        return Ok(false);
    }
    let roots = [old.root_of(old.tip)?, new.root_of(new.tip)?];
    let records = target.records();
    let beside = target.policy.images.iter().flat_map(|images| images.context.iter().chain(&images.inventory));
    let paths = target.folders.iter().chain(&records).chain(beside).map(String::as_str).chain([super::site::POLICY]);
    let blocked = |root| super::site::in_the_way(&*new.repository, root, paths.clone());
    if blocked(roots[0])? != blocked(roots[1])? {
        return Ok(false);
    }
    for path in paths.clone().chain(target.left_behind.iter().map(String::as_str)) {
        let at = super::site::resolve(&*new.repository, &roots, path)?;
        if at.get(&roots[0]) != at.get(&roots[1]) {
            return Ok(false);
        }
    }
    Ok(true)
}
