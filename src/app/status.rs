//! `status`: what is where along the `after` chain, and why it may not go on.

use std::collections::HashMap;

use serde::Serialize;

use super::evidence::{self, Wanted};
use super::site::Site;
use super::source::{Source, accepted_url};
use super::{AppError, Context, Place};
use crate::domain::escape;
use crate::domain::gate::{freeze, pipeline, previous, soak, statuses};
use crate::domain::id::{BranchName, CommitId, Digest, StageName, UnitName};
use crate::domain::listing::{Leaves, is_gits_own};
use crate::domain::outcome::Verdict;
use crate::domain::policy::{Deed, Stage};
use crate::domain::record::{Override, Record, State};
use crate::domain::url::RepoUrl;
use crate::port::Role;

/// One stage.
#[derive(Debug, Clone, Serialize)]
pub struct StageStatus {
    /// Its name.
    pub stage: StageName,
    /// Its repository.
    pub repository: RepoUrl,
    /// Its branch.
    pub branch: BranchName,
    /// Its units, in the order of its policy.
    pub units: Vec<UnitStatus>,
    /// Why it could not be asked, if it could not.
    pub unreachable: Option<String>,
}

/// One unit in one stage.
#[derive(Debug, Clone, Serialize)]
pub struct UnitStatus {
    /// The unit.
    pub unit: UnitName,
    /// What is live; null when nothing was released.
    pub live: Option<Live>,
    /// What is wrong with its record, if something is.
    pub broken: Option<String>,
    /// What each stage before has and this one lacks.
    pub lacks: Vec<Lacking>,
    /// The command that brings back what was live before, if something may come back.
    pub way_back: Option<String>,
}

/// What is live.
#[derive(Debug, Clone, Serialize)]
pub struct Live {
    /// The content.
    pub digest: Digest,
    /// Its label.
    pub version: Option<String>,
    /// Its source commit.
    pub source_commit: CommitId,
    /// The branch it was proven on.
    pub source_branch: BranchName,
    /// The commit at which it landed.
    pub commit: Option<CommitId>,
    /// Its state.
    pub state: State,
    /// Since when, RFC 3339.
    pub since: String,
    /// Who released it.
    pub by: Option<String>,
    /// The break-glass that let it in, if one was used.
    #[serde(rename = "override")]
    pub overridden: Option<Override>,
}

/// What a stage before has and this one lacks.
#[derive(Debug, Clone, Serialize)]
pub struct Lacking {
    /// The stage before.
    pub from: StageName,
    /// What is live there.
    pub digest: Digest,
    /// Commits that touched the folders, newest first: id and first line.
    pub commits: Vec<(CommitId, String)>,
    /// Work items that they name.
    pub work_items: Vec<String>,
    /// Why it may not go on, as far as the stages themselves tell; empty when nothing is seen that keeps it out.
    pub blocked: Vec<String>,
    /// The command that promotes it.
    pub promote: String,
}

// The record at the tip, how its chain is broken, and the commit at which it landed.
type Known = (Option<Record>, Option<String>, Option<CommitId>);

// A stage that was looked at, or one that could not be.
enum Seen {
    Look(Box<Look>),
    Gap(StageStatus),
}

struct Look {
    site: Site,
    // It was asked for by name, so its policy may say where credentials go.
    is_named: bool,
    policy: Stage,
    records: HashMap<UnitName, Known>,
}

/// Looks at environments and everything before them, first stages first.
///
/// # Errors
/// A place cannot be asked, or its policy is not valid.
pub fn status(context: &Context<'_>, places: &[Place]) -> Result<Vec<StageStatus>, AppError> {
    let mut looks: Vec<Seen> = Vec::new();
    for place in places {
        walk(context, place, Role::Target, &mut looks)?;
    }
    let status = |at: &Seen| match at {
        Seen::Look(look) => stage_status(context, look, &looks),
        Seen::Gap(gap) => Ok(gap.clone()),
    };
    looks.iter().map(status).collect()
}

// Stages before come first; each place once, so a circle ends.
fn walk(context: &Context<'_>, place: &Place, role: Role, looks: &mut Vec<Seen>) -> Result<(), AppError> {
    let url = context.repositories.canonical(&place.url);
    let is_there = |other: &RepoUrl, branch: &BranchName| {
        *other == url && place.branch.as_ref().is_none_or(|wanted| wanted == branch)
    };
    let known = |seen: &Seen| match seen {
        Seen::Look(look) => is_there(&look.site.url, &look.site.branch),
        Seen::Gap(gap) => is_there(&gap.repository, &gap.branch),
    };
    if looks.iter().any(known) || looks.len() > 50 {
        return Ok(());
    }
    let site = Site::find(context, place, role)?
        .ok_or_else(|| AppError::usage(format!("{} has no such branch", place.url), "name it as URL#branch"))?;
    let (_, policy) = site.policy()?;
    let mut records = HashMap::new();
    for accept in &policy.accept {
        let names: Vec<UnitName> = accept.names().cloned().collect();
        let history = evidence::history(&site, &names, &|history| {
            history.verify().is_err()
                || history.record().and_then(Record::live).is_some_and(|live| evidence::reaches(history, live.seq))
        })?;
        let broken = history.verify().err().map(|broken| format!("{} at {}", broken.how, broken.commit.short()));
        let landing = history.record().and_then(Record::live).and_then(|live| history.landing(live.seq));
        let commit = landing.map(|(change, _)| change.commit);
        records.insert(accept.unit.clone(), (history.record().cloned(), broken, commit));
    }
    let after = policy.after.clone();
    let at = looks.len();
    looks.push(Seen::Look(Box::new(Look { site, is_named: role == Role::Target, policy, records })));
    for stage in &after {
        let before = Place { url: stage.repository.clone(), branch: Some(stage.branch.clone()) };
        let role = if role == Role::Target { Role::Previous } else { Role::Distant };
        if let Err(error) = walk(context, &before, role, looks) {
            if context.repositories.interrupted() {
                return Err(error);
            }
            // What one stage does not say is no reason to hide what the others do.
            looks.push(Seen::Gap(StageStatus {
                stage: stage.stage.clone(),
                repository: context.repositories.canonical(&stage.repository),
                branch: stage.branch.clone(),
                units: Vec::new(),
                unreachable: Some(evidence::told(&error)),
            }));
        }
    }
    // What was found on the way back belongs before this stage.
    let this = looks.remove(at);
    looks.push(this);
    Ok(())
}

fn stage_status(context: &Context<'_>, at: &Look, seen: &[Seen]) -> Result<StageStatus, AppError> {
    let looks: Vec<&Look> =
        seen.iter().filter_map(|seen| if let Seen::Look(look) = seen { Some(&**look) } else { None }).collect();
    let mut units = Vec::new();
    for accept in &at.policy.accept {
        let (record, broken, commit) = at.records.get(&accept.unit).cloned().unwrap_or_default();
        let mut lacks = Vec::new();
        for after in &at.policy.after {
            let url = context.repositories.canonical(&after.repository);
            let before = looks.iter().find(|look| look.site.url == url && look.site.branch == after.branch);
            let there = before.and_then(|look| {
                let names: Vec<UnitName> = accept.names().cloned().collect();
                let known = look.policy.names(&names);
                Some((look, known.iter().find_map(|name| look.records.get(name))?))
            });
            let Some((before, (Some(ahead), _, landing))) = there else { continue };
            if record.as_ref().is_some_and(|record| record.digest == ahead.digest) {
                continue;
            }
            let content = content(before, ahead, *landing, &accept.unit)?;
            let soak = accept.branches.iter().map(|rule| after.soak_for(rule)).max().unwrap_or(after.soak);
            let names: Vec<UnitName> = accept.names().cloned().collect();
            // As the stage was opened: what only another stage names gets no token.
            let role = if at.is_named { Role::Previous } else { Role::Distant };
            let wanted = Wanted {
                names: &names,
                digest: ahead.digest,
                content: &content,
                soak,
                role,
                source: accepted_url(accept),
            };
            let anchor = record.as_ref().and_then(|r| r.after.iter().find(|anchor| anchor.stage == after.stage));
            let seen = evidence::look(context, after, wanted, anchor);
            let answers = [
                seen.previous.map(|facts| previous::ask(&facts)),
                seen.soak.map(|facts| soak::ask(&facts)),
                seen.statuses.map(|facts| statuses::ask(&facts)),
                seen.pipeline.map(|facts| pipeline::ask(&facts)),
            ];
            let own = [
                failed(&record, ahead),
                at.policy.frozen(context.clock.now(), Deed::Release).map(|frozen| {
                    let answer = freeze::ask(Some(&frozen));
                    answer.remedy.map_or(answer.detail.clone(), |remedy| format!("{}; {remedy}", answer.detail))
                }),
            ];
            let blocked = answers.into_iter().filter_map(|answer| match answer {
                Ok(answer) if matches!(answer.verdict, Verdict::Passed | Verdict::NotAsked) => None,
                Ok(answer) => {
                    Some(answer.remedy.map_or(answer.detail.clone(), |remedy| format!("{}; {remedy}", answer.detail)))
                }
                Err(why) => Some(why),
            });
            let live = record.as_ref().map(|record| record.source.commit);
            let named = looks.iter().filter(|look| look.is_named).filter_map(|look| look.policy.accepts(&accept.unit));
            let sources: Vec<_> = named.filter_map(accepted_url).collect();
            let notes = accepted_url(accept)
                .filter(|url| sources.contains(url))
                .and_then(|url| Source::look(context, accept, url, ahead.source.commit, live).ok())
                .filter(|source| source.graph.nodes.contains_key(&source.commit))
                .and_then(|source| source.notes(live, source.commit).ok())
                .unwrap_or_default();
            lacks.push(Lacking {
                from: after.stage.clone(),
                digest: ahead.digest,
                work_items: notes.items().into_iter().collect(),
                commits: notes.changes.into_iter().map(|change| (change.commit, change.subject)).collect(),
                blocked: blocked.chain(own.into_iter().flatten()).collect(),
                promote: format!(
                    "passgate release --from {} --to {} --unit {} --digest {}",
                    escape::shell(&before.site.name()),
                    escape::shell(&at.site.name()),
                    accept.unit,
                    ahead.digest
                ),
            });
        }
        units.push(UnitStatus {
            unit: accept.unit.clone(),
            way_back: record.as_ref().filter(|_| broken.is_none()).and_then(|record| {
                accepted_url(accept).filter(|_| !accept.retire)?;
                record.way_back(&at.site.name())
            }),
            live: record.map(|record| Live {
                digest: record.digest,
                version: record.version,
                source_commit: record.source.commit,
                source_branch: record.source.branch,
                commit,
                state: record.state,
                since: record.released.at,
                by: record.released.by,
                overridden: record.overridden,
            }),
            broken,
            lacks,
        });
    }
    Ok(StageStatus {
        stage: at.policy.stage.clone(),
        repository: at.site.url.clone(),
        branch: at.site.branch.clone(),
        units,
        unreachable: None,
    })
}

// Content that failed here does not come again by itself.
fn failed(record: &Option<Record>, ahead: &Record) -> Option<String> {
    let failed = record.as_ref()?.last_mark(ahead.digest) == Some(State::Failed);
    failed.then(|| "this content was marked failed here; release a fixed commit, or say --retry".to_owned())
}

// What the record of a stage stands for: the folders at its landing commit.
fn content(look: &Look, record: &Record, landing: Option<CommitId>, unit: &UnitName) -> Result<Leaves, AppError> {
    let Some(landing) = landing else { return Ok(Leaves::new()) };
    let folders: Vec<String> = record.folders.iter().map(|folder| folder.path.clone()).collect();
    let local = look.policy.accepts(unit).map(|accept| accept.local.clone());
    let aside = |path: &String| {
        is_gits_own(path) || local.as_ref().is_some_and(|patterns| patterns.matches(path)) || record.kept.contains(path)
    };
    let mut leaves = look.site.folders_at(landing, &folders)?;
    leaves.retain(|path, _| !aside(path));
    Ok(leaves)
}
