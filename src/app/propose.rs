//! Delivery: a finished commit is pushed to the environment's branch, or proposed to it by a pull request from a branch of
//! passgate's own. Proposing may be done twice: what is proposed already is left alone.

use super::judge::Target;
use super::land::{Finished, Landed, Tries};
use super::site::{changed, file, resolve, root_of};
use super::{AppError, Context, evidence};
use crate::domain::continuity::is_rollback;
use crate::domain::graph::Graph;
use crate::domain::id::CommitId;
use crate::domain::listing::is_gits_own;
use crate::domain::outcome::{Outcome, PullRequest, Report};
use crate::domain::policy::Delivery;
use crate::domain::proposal::{About, Kind, ProposalBranch, Undo, body, title};
use crate::domain::record::{self, Record, State};
use crate::port::{Forge, PortError, Proposal, Pull, Role};

use std::sync::Arc;

/// What is said when what is proposed is true already.
pub const LIVE: &str = "what it proposes is live already";

/// How a commit is delivered, and what a pull request tells of it.
pub struct Told {
    /// How.
    pub delivery: Delivery,
    /// What it is.
    pub kind: Kind,
    /// How to undo it.
    pub undo: Undo,
}

/// What is proposed to an environment at the moment.
pub struct Standing {
    forge: Arc<dyn Forge>,
    head: ProposalBranch,
    // What the branch holds: the commit, and the record in it.
    held: Option<(CommitId, Option<Record>)>,
    graph: Graph,
    pull: Option<Pull>,
}

impl Standing {
    /// The record that an open pull request would make true.
    pub fn record(&self) -> Option<&Record> {
        self.pull.as_ref().and(self.held.as_ref()).and_then(|(_, record)| record.as_ref())
    }

    /// The open pull request.
    pub fn pull_request(&self) -> Option<PullRequest> {
        self.pull.as_ref().map(told)
    }
}

fn told(pull: &Pull) -> PullRequest {
    PullRequest { number: pull.number, url: pull.url.clone() }
}

/// Whether something can be delivered as the policy says.
///
/// # Errors
/// It wants a pull request, and there is no forge, or no branch for one.
pub fn can(context: &Context<'_>, target: &Target, what: &str, delivery: Delivery) -> Result<(), AppError> {
    if delivery == Delivery::Commit || context.forges.of(&target.site.url, Role::Target).is_some() {
        return Ok(());
    }
    Err(AppError::usage(
        format!(
            "stage.yaml of {} delivers {what} by pull request, and plain git has none ({})",
            target.site.name(),
            target.site.url
        ),
        "set `deliver: commit` for them; or name the host in PASSGATE_GITHUB_HOSTS or PASSGATE_AZURE_HOSTS if it is one of theirs",
    ))
}

/// Looks at what is proposed.
///
/// # Errors
/// The repository or the forge cannot be asked, or no branch for a proposal can be had.
pub fn look(context: &Context<'_>, target: &Target, kind: Kind) -> Result<Standing, AppError> {
    let site = &target.site;
    let forge = context.forges.of(&site.url, Role::Target);
    let forge = forge.ok_or_else(|| AppError::Guard(format!("{} is on plain git", site.url)))?;
    let is_default = site.advertised.default.as_ref() == Some(&site.branch);
    let head = ProposalBranch::of(kind, &target.unit, &site.branch, is_default)
        .map_err(|error| AppError::usage(error.to_string(), "give the unit or the branch a shorter name"))?;
    let in_the_way = site.advertised.branches.keys().find(|name| head.clashes_with(name));
    if let Some(name) = in_the_way.or(Some(&site.branch).filter(|branch| *branch == head.name())) {
        return Err(AppError::refused(
            format!("the branch {name} of {} stands where {head} belongs, which holds proposals", site.url),
            "rename or delete that branch",
        ));
    }
    let (mut held, mut graph) = (None, Graph::default());
    if let Some(old) = site.advertised.branches.get(head.name()).copied() {
        graph = site.repository.history(&[site.tip, old])?;
        held = Some((old, record_at(target, &graph, old)?));
    }
    let pull = forge.pull_requests().find(&head, &site.branch)?;
    Ok(Standing { forge, head, held, graph, pull })
}

fn record_at(target: &Target, graph: &Graph, commit: CommitId) -> Result<Option<Record>, PortError> {
    let (repository, root) = (&*target.site.repository, root_of(graph, commit)?);
    let at = resolve(repository, &[root], &record::path(&target.unit))?.remove(&root);
    let Some(blob) = at.as_ref().and_then(file) else { return Ok(None) };
    let bytes = repository.blobs(&[blob], record::MAX_BYTES as u64)?.remove(&blob).unwrap_or_default();
    Ok(Record::parse(&bytes).ok())
}

/// Delivers a finished commit as the policy says.
///
/// # Errors
/// As pushing and proposing.
pub fn deliver(
    context: &Context<'_>,
    tries: &mut Tries,
    target: &Target,
    finished: &Finished,
    how: &Told,
    report: &mut Report,
) -> Result<Landed, AppError> {
    match how.delivery {
        Delivery::Commit => tries.push(context, &target.site, finished.commit),
        Delivery::PullRequest => {
            let standing = look(context, target, how.kind)?;
            propose(context, tries, target, standing, finished, how, report)
        }
    }
}

/// Puts a finished commit on its branch, unless what is there proposes the same, and sees to its pull request.
///
/// # Errors
/// The branch cannot be written, or the forge does not want the pull request.
pub fn propose(
    context: &Context<'_>,
    tries: &mut Tries,
    target: &Target,
    standing: Standing,
    finished: &Finished,
    how: &Told,
    report: &mut Report,
) -> Result<Landed, AppError> {
    let site = &target.site;
    let Standing { forge, head, held, graph, pull } = standing;
    let kept = match &held {
        Some((old, Some(record))) if says_the_same(target, &graph, *old, record, finished)? => Some((*old, record)),
        _ => None,
    };
    let (commit, record) = kept.unwrap_or((finished.commit, &finished.record));
    if kept.is_none() {
        let old = held.as_ref().map(|(old, _)| *old);
        let answer = site.repository.replace(&head, old, Some(commit))?;
        if let Landed::Moved = tries.after(context, site, head.name(), commit, answer)? {
            return Ok(Landed::Moved);
        }
    }
    let pulls = forge.pull_requests();
    let deliver = &target.policy.deliver;
    let about = About { kind: how.kind, record, report, undo: &how.undo };
    let proposal = Proposal {
        title: title(&finished.subject),
        body: body(&about, pulls.longest_body()),
        head,
        base: site.branch.clone(),
        labels: deliver.labels.clone(),
        reviewers: deliver.reviewers.clone(),
        auto_merge: deliver.auto_merge,
    };
    context.progress.step("seeing to the pull request");
    let pull = match pull {
        Some(pull) => pull,
        None => pulls.open(&proposal)?,
    };
    let lines = |text: &str| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n").trim().to_owned();
    if pull.title != proposal.title || lines(&pull.body) != lines(&proposal.body) {
        pulls.retell(&pull, &proposal)?;
    }
    let lacks = |has: &[String], wanted: &[String]| -> Vec<String> {
        wanted.iter().filter(|name| !has.iter().any(|has| has.eq_ignore_ascii_case(name))).cloned().collect()
    };
    // The proposal stands without these: a word in the wrong place of stage.yaml must not keep it out.
    let mut tried = |what: &str, done: Result<(), PortError>| match done {
        Ok(()) => Ok(()),
        Err(PortError::Interrupted) => Err(PortError::Interrupted),
        Err(error) => {
            report.warnings.push(format!("the pull request is open, but {what}: {}", evidence::told(&error.into())));
            Ok(())
        }
    };
    let labels = lacks(&pull.labels, &proposal.labels);
    if !labels.is_empty() {
        tried("not labelled", pulls.label(&pull, &labels))?;
    }
    let reviewers = lacks(&pull.reviewers, &proposal.reviewers);
    if !reviewers.is_empty() {
        tried("nobody was asked to review it", pulls.ask_reviewers(&pull, &reviewers))?;
    }
    if let Some(method) = proposal.auto_merge.filter(|_| !pull.auto_merge) {
        tried("it does not merge by itself", pulls.auto_merge(&pull, method))?;
    }
    report.result = Outcome::PullRequest;
    report.live = false;
    report.commit = Some(commit);
    report.pull_request = Some(told(&pull));
    Ok(Landed::Yes)
}

// Whether a commit that was proposed before brings the same as a finished one: the same record but for when, by whom and in
// which words it was written, and the same changes.
fn says_the_same(
    target: &Target,
    graph: &Graph,
    old: CommitId,
    record: &Record,
    finished: &Finished,
) -> Result<bool, AppError> {
    let site = &target.site;
    let [base] = graph.merge_bases(site.tip, old)[..] else { return Ok(false) };
    if !is_same(target, record, &finished.record) {
        return Ok(false);
    }
    let repository = &*site.repository;
    let path = record::path(&finished.record.unit);
    let mut theirs = changed(repository, root_of(graph, base)?, root_of(graph, old)?)?;
    let mut ours = changed(repository, site.root_of(site.tip)?, finished.root)?;
    theirs.remove(&path);
    ours.remove(&path);
    Ok(theirs == ours)
}

fn is_same(target: &Target, one: &Record, two: &Record) -> bool {
    let own = |path: &str| is_gits_own(path) || target.is_local(path);
    let mark = |record: &Record| record.marked.as_ref().map(|mark| (mark.state, mark.note.clone()));
    let glass = |record: &Record| record.overridden.as_ref().map(|glass| (glass.reason.clone(), glass.gates.clone()));
    let ledger = |record: &Record| -> Vec<_> {
        let entries = record.ledger.iter();
        entries.map(|entry| (entry.seq, entry.digest, entry.commit, entry.landing(), entry.state)).collect()
    };
    let place = |record: &Record| (record.seq, record.replaces, record.restarted, record.policy);
    let content = |record: &Record| (record.digest, record.source.clone(), record.version.clone(), record.state);
    place(one) == place(two)
        && content(one) == content(two)
        && one.kept_besides(&own).eq(two.kept_besides(&own))
        && one.verdicts(&[]).eq(two.verdicts(&[]))
        && mark(one) == mark(two)
        && glass(one) == glass(two)
        && one.seen().eq(two.seen())
        && ledger(one) == ledger(two)
}

/// Closes the open pull request for a content that is live already, or that something newer took the place of. What is
/// proposed otherwise stays.
///
/// # Errors
/// Somebody asked to stop. What else cannot be done becomes a warning.
pub fn settle(
    context: &Context<'_>,
    target: &Target,
    told: (Delivery, Kind),
    is_obsolete: &dyn Fn(&Record) -> bool,
    why: &str,
    report: &mut Report,
) -> Result<(), AppError> {
    let (delivery, kind) = told;
    if delivery == Delivery::Commit {
        return Ok(());
    }
    let done = (|| {
        let standing = look(context, target, kind)?;
        let Some(pull) = standing.pull.as_ref().filter(|_| standing.record().is_some_and(is_obsolete)) else {
            return Ok(());
        };
        standing.forge.pull_requests().close(pull, why)?;
        if let Some((old, _)) = standing.held {
            target.site.repository.replace(&standing.head, Some(old), None)?;
        }
        report.warnings.push(format!("closed the pull request #{}: {why}", pull.number));
        Ok(())
    })();
    match done {
        Err(AppError::Port(PortError::Interrupted)) => Err(PortError::Interrupted.into()),
        Err(error) => {
            report.warnings.push(format!("no pull request was looked for: {}", evidence::told(&error)));
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// Whether a record would make true what is true already.
pub fn is_live(target: &Target, kind: Kind) -> impl Fn(&Record) -> bool {
    // A mark that came meanwhile makes the content no less live.
    let of = move |record: &Record| (record.digest, record.source.commit, (kind == Kind::Mark).then_some(record.state));
    let live = target.record().map(of);
    move |record| live == Some(of(record))
}

/// How to undo a change of what the folders hold, once its record is true.
pub fn undo(target: &Target, record: &Record) -> Undo {
    let left = record.ledger.get(1).filter(|left| left.digest != record.digest && left.state == State::Failed);
    if is_rollback(record) && left.is_some() {
        return Undo::Words("Release what it takes away again, with `--retry`: the rollback marks that as failed.");
    }
    match record.way_back(&target.site.name()) {
        Some(command) => Undo::Command(command),
        None if record.state == State::Retired => {
            Undo::Words("Take `retire` out of stage.yaml by a reviewed commit, and release the unit again.")
        }
        None => Undo::Words("Nothing was here before that could come back: release a fixed commit."),
    }
}
