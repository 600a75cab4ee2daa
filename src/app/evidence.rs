//! What a stage's branch proves about a unit: the history of its record, where content landed, how long it stayed.

use std::collections::HashMap;

use super::site::{NEWEST, Site, WINDOW, file, resolve};
use super::{AppError, Context, Place, pipeline, statuses};
use crate::domain::chain::{Change, Here, History};
use crate::domain::gate::pipeline::Facts as Pipeline;
use crate::domain::gate::previous::Standing;
use crate::domain::gate::statuses::Facts as Statuses;
use crate::domain::gate::{Asked, previous, soak};
use crate::domain::graph::Node;
use crate::domain::id::{BlobId, CommitId, Digest, TreeId, UnitName};
use crate::domain::listing::{Entry, EntryMode, Leaves, is_gits_own};
use crate::domain::plan::same_content;
use crate::domain::policy::{After, PathPatterns, Require};
use crate::domain::record::{self, Anchor, Record};
use crate::domain::time;
use crate::domain::url::RepoUrl;
use crate::port::{PortError, Role};

// Renames that are followed back.
const RENAMES: usize = 10;

/// Reads the history of a unit's record from the tip back until `enough` says so. `names` are the unit's name and those
/// that it had before; where several have a record, the first counts. A name that no policy tells any more is found by the
/// record that was carried over.
///
/// # Errors
/// The repository cannot be asked.
pub fn history(site: &Site, names: &[UnitName], enough: &dyn Fn(&History) -> bool) -> Result<History, PortError> {
    let mut names = names.to_vec();
    loop {
        let history = walk(site, &names, enough)?;
        match former(site, &history)? {
            Some(name) if !names.contains(&name) && names.len() < RENAMES => names.push(name),
            _ => return Ok(history),
        }
    }
}

// The name under which the record stood that the oldest one replaced.
fn former(site: &Site, history: &History) -> Result<Option<UnitName>, PortError> {
    let oldest = history.changes.last().filter(|_| history.complete);
    let Some(Change { commit, record: Some((_, Ok(record))), .. }) = oldest else { return Ok(None) };
    let parent = site.graph.nodes.get(commit).and_then(|node| node.parents.first());
    let (Some(replaced), Some(parent)) = (record.replaces, parent) else { return Ok(None) };
    let root = site.root_of(*parent)?;
    let Some((EntryMode::Tree, id)) = resolve(&*site.repository, &[root], record::FOLDER)?.remove(&root) else {
        return Ok(None);
    };
    let records = site.repository.trees(&[TreeId(id)])?.remove(&TreeId(id)).unwrap_or_default();
    let name = records.iter().find(|(_, entry)| file(entry) == Some(replaced)).map(|(name, _)| name);
    Ok(name.and_then(|name| std::str::from_utf8(name).ok()?.strip_suffix(".json")?.parse().ok()))
}

fn walk(site: &Site, names: &[UnitName], enough: &dyn Fn(&History) -> bool) -> Result<History, PortError> {
    let paths: Vec<String> = names.iter().map(record::path).collect();
    let chain: Vec<(CommitId, &Node)> = site.graph.first_parents(site.tip).collect();
    let here = Here { repository: site.url.clone(), branch: site.branch.clone(), names: names.to_vec() };
    let mut history = History { here, dropped: Vec::new(), changes: Vec::new(), complete: false };
    let mut newer: Option<(CommitId, i64, Option<BlobId>)> = None;
    let mut from = 0;
    let mut window = WINDOW;
    let brought = site.graph.brought(site.tip);
    let merged = |commit: &CommitId| -> Vec<TreeId> {
        let came = brought.get(commit).into_iter().flatten();
        came.filter_map(|id| site.graph.nodes.get(id)).map(|node| node.tree).collect()
    };
    while from < chain.len() {
        let part = &chain[from..chain.len().min(from + window)];
        let roots: Vec<TreeId> = part.iter().flat_map(|(id, node)| [vec![node.tree], merged(id)].concat()).collect();
        let found: Vec<_> =
            paths.iter().map(|path| resolve(&*site.repository, &roots, path)).collect::<Result<_, _>>()?;
        let blob_at = |tree: &TreeId| found.iter().find_map(|found| found.get(tree)).and_then(file);
        let mut changes = Vec::new();
        let mut beside = Vec::new();
        for (commit, node) in part {
            let (tree, when) = (&node.tree, &node.time);
            let blob = blob_at(tree);
            if let Some((commit, when, seen)) = newer.filter(|(_, _, seen)| *seen != blob) {
                changes.push((commit, when, seen));
            }
            newer = Some((*commit, *when, blob));
            let in_force = history.changes.len() + changes.len();
            let others =
                merged(commit).into_iter().filter_map(|tree| blob_at(&tree)).filter(|other| Some(*other) != blob);
            beside.extend(others.map(|other| (in_force, *commit, blob, other)));
        }
        from += part.len();
        window *= 4;
        if from == chain.len() {
            changes.extend(newer.filter(|(_, _, blob)| blob.is_some()));
        }
        left_out(site, &mut history, &beside)?;
        // The newest few nearly always are enough; the others are brought only when they are not.
        let mut few = NEWEST - 1;
        while !changes.is_empty() {
            let rest = changes.split_off(few.min(changes.len()));
            read(site, &mut history, std::mem::replace(&mut changes, rest))?;
            few *= 8;
            history.complete = from == chain.len() && changes.is_empty() && !site.graph.shallow;
            if enough(&history) && !history.is_unsettled() {
                return Ok(history);
            }
        }
        history.complete = from == chain.len() && !site.graph.shallow;
    }
    Ok(history)
}

fn read(site: &Site, history: &mut History, changes: Vec<(CommitId, i64, Option<BlobId>)>) -> Result<(), PortError> {
    let wanted: Vec<BlobId> = changes.iter().filter_map(|(_, _, blob)| *blob).collect();
    let contents =
        if wanted.is_empty() { HashMap::new() } else { site.repository.blobs(&wanted, record::MAX_BYTES as u64)? };
    for (commit, time, blob) in changes {
        let record = blob.map(|blob| (blob, Record::parse(contents.get(&blob).map_or(&[], Vec::as_slice))));
        history.changes.push(Change { commit, time, record });
    }
    Ok(())
}

// A merge may bring a branch without its records only when the chain already had newer ones.
fn left_out(
    site: &Site,
    history: &mut History,
    beside: &[(usize, CommitId, Option<BlobId>, BlobId)],
) -> Result<(), PortError> {
    let wanted: Vec<BlobId> = beside.iter().flat_map(|(_, _, own, other)| own.iter().chain([other]).copied()).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let contents = site.repository.blobs(&wanted, record::MAX_BYTES as u64)?;
    let seq =
        |blob: &BlobId| contents.get(blob).and_then(|bytes| Record::parse(bytes).ok()).map_or(0, |record| record.seq);
    for (in_force, commit, own, other) in beside {
        if seq(other) > own.as_ref().map_or(0, seq) {
            history.dropped.push((*in_force, *commit));
        }
    }
    Ok(())
}

/// Whether a history reaches back beyond the release `seq`.
pub fn reaches(history: &History, seq: u64) -> bool {
    history.changes.last().is_some_and(|oldest| match &oldest.record {
        Some((_, Ok(record))) => record.ledger.iter().all(|entry| entry.seq != seq),
        _ => true,
    })
}

/// A previous stage, looked at for one content.
pub struct Seen {
    /// For gate `previous`.
    pub previous: Asked<previous::Facts>,
    /// For gate `soak`.
    pub soak: Asked<soak::Facts>,
    /// For gate `statuses`.
    pub statuses: Asked<Statuses>,
    /// For gate `pipeline`.
    pub pipeline: Asked<Pipeline>,
    /// For the record.
    pub anchor: Option<Anchor>,
}

/// The content that is looked for.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// The unit's name, and those that it had before.
    pub names: &'a [UnitName],
    /// The digest.
    pub digest: Digest,
    /// The files.
    pub content: &'a Leaves,
    /// How long it must have been live.
    pub soak: std::time::Duration,
    /// Whose credentials are for the stage.
    pub role: Role,
    /// Where it was developed, as the target accepts it.
    pub source: Option<&'a RepoUrl>,
}

/// Looks for content in a previous stage. `anchor` is what our last release saw of it.
pub fn look(context: &Context<'_>, after: &After, wanted: Wanted<'_>, anchor: Option<&Anchor>) -> Seen {
    match try_look(context, after, wanted, anchor) {
        Ok(seen) => seen,
        Err(error) => {
            let why = format!("{} could not be asked: {}", after.stage, told(&error));
            let unasked =
                soak::Facts { stage: after.stage.clone(), wanted: wanted.soak, now: 0, intervals: Vec::new() };
            let soak = if wanted.soak.is_zero() { Ok(unasked) } else { Err(why.clone()) };
            let unasked = after.statuses.is_empty().then(|| statuses::none(after));
            let statuses = unasked.ok_or_else(|| why.clone());
            let unasked = after.pipeline.is_none().then(|| pipeline::none(after));
            let pipeline = unasked.ok_or_else(|| why.clone());
            Seen { previous: Err(why), soak, statuses, pipeline, anchor: None }
        }
    }
}

/// An error with its causes in one line.
pub fn told(error: &AppError) -> String {
    match error {
        AppError::Port(PortError::Git { doing, said, .. }) => {
            let reason = said.lines().find(|line| line.starts_with("fatal:") || line.starts_with("error:"));
            format!("{doing}: {}", reason.or(said.lines().last()).unwrap_or_default())
        }
        AppError::Port(PortError::Forge { doing, said, .. }) => format!("{doing}: {said}"),
        other => other.to_string(),
    }
}

fn try_look(
    context: &Context<'_>,
    after: &After,
    wanted: Wanted<'_>,
    anchor: Option<&Anchor>,
) -> Result<Seen, AppError> {
    let now = context.clock.now();
    let place = Place { url: after.repository.clone(), branch: Some(after.branch.clone()) };
    let url = context.repositories.canonical(&after.repository);
    let facts = previous::Facts {
        stage: after.stage.clone(),
        repository: url.clone(),
        branch: after.branch.clone(),
        branch_exists: false,
        unit: wanted.names[0].clone(),
        digest: wanted.digest.to_string(),
        require_passed: after.require == Require::Passed,
        accept_overrides: after.accept_overrides,
        standing: Standing::Absent,
        broken: None,
        cut_off: false,
        rewritten: None,
        mark: None,
        released: false,
        landing: None,
        other_content: false,
        overridden: false,
    };
    let soak = soak::Facts { stage: after.stage.clone(), wanted: wanted.soak, now, intervals: Vec::new() };
    let watched = !after.statuses.is_empty();
    let mut gathered = Gathered { previous: facts, soak, watched, carriers: Vec::new() };
    let Some(site) = Site::find(context, &place, wanted.role)? else {
        let Gathered { previous, soak, .. } = gathered;
        let (statuses, pipeline) = (Ok(statuses::none(after)), Ok(pipeline::none(after)));
        return Ok(Seen { previous: Ok(previous), soak: Ok(soak), statuses, pipeline, anchor: None });
    };
    let facts = &mut gathered.previous;
    facts.branch_exists = true;
    let mut folders: Vec<String> =
        wanted.content.keys().filter_map(|path| Some(path.split_once('/')?.0.to_owned())).collect();
    folders.dedup();
    let records: Vec<String> = wanted.names.iter().map(record::path).collect();
    site.warm(&folders, &records)?;
    // A repository's own names and files are only known from its own policy; without one it has none.
    let policy = site.policy().ok().map(|(_, stage)| stage);
    let names = policy.as_ref().map_or_else(|| wanted.names.to_vec(), |policy| policy.names(wanted.names));
    let same_place = |a: &Anchor| a.stage == after.stage && context.repositories.canonical(&a.repository) == url;
    if let Some(seen) = anchor.filter(|a| same_place(a) && a.branch == after.branch) {
        facts.rewritten = (!site.graph.is_ancestor(seen.tip, site.tip)).then_some(seen.tip);
    }
    let enough = |history: &History| {
        if history.tip().is_none() {
            // Nothing at the tip: only the whole history tells "never" from "deleted".
            return false;
        }
        history.verify().is_err()
            || history.record().is_none_or(|record| {
                // Every release of this content, so that all its live intervals are seen.
                let oldest = record.ledger.iter().filter(|entry| entry.digest == wanted.digest).map(|e| e.seq).min();
                oldest.is_none_or(|seq| reaches(history, seq))
            })
    };
    let history = history(&site, &names, &enough)?;
    facts.broken = history.verify().err();
    facts.cut_off = site.graph.shallow;
    let release_commit = match history.record() {
        None => None,
        Some(record) => {
            let there = (context.repositories.canonical(&record.repository), &record.branch, &record.stage);
            if there != (url.clone(), &after.branch, &after.stage) || !names.contains(&record.unit) {
                let ((url, branch, stage), unit) = (there, &record.unit);
                facts.standing = Standing::Foreign(format!("{unit} in {stage}, {url}#{branch}"));
                None
            } else {
                facts.standing = Standing::Sound;
                facts.mark = record.last_mark(wanted.digest);
                facts.released = record.release_of(wanted.digest).is_some();
                let accept = policy.as_ref().and_then(|policy| policy.accepts(&names[0]));
                let local = accept.map(|accept| accept.local.clone());
                evidence(&site, &history, record, wanted, local.as_ref(), &mut gathered)?
            }
        }
    };
    let anchor = Anchor {
        stage: after.stage.clone(),
        repository: url,
        branch: after.branch.clone(),
        release_commit,
        tip: site.tip,
    };
    let Gathered { previous, soak, carriers, .. } = gathered;
    let statuses = statuses::look(context, &after.stage, (&site.url, wanted.role), &after.statuses, &carriers);
    // What never landed there has no run that could say anything of it.
    let landed = release_commit.is_some().then_some(&history);
    let pipeline = Ok(pipeline::look(context, after, wanted, landed));
    Ok(Seen { previous: Ok(previous), soak: Ok(soak), statuses: Ok(statuses), pipeline, anchor: Some(anchor) })
}

// What is found out of one content in one stage.
struct Gathered {
    previous: previous::Facts,
    soak: soak::Facts,
    // Whether its statuses are asked for, so that it matters which commits carry it.
    watched: bool,
    // Those since its newest release, newest first.
    carriers: Vec<CommitId>,
}

// Finds the newest release of the content whose folders are the content, and every interval in which it was live.
fn evidence(
    site: &Site,
    history: &History,
    record: &Record,
    wanted: Wanted<'_>,
    local: Option<&PathPatterns>,
    gathered: &mut Gathered,
) -> Result<Option<CommitId>, AppError> {
    let facts = &mut gathered.previous;
    let is_local = |path: &str| local.is_some_and(|patterns| patterns.matches(path));
    let mut evidence = None;
    for entry in record.ledger.iter().filter(|e| e.digest == wanted.digest && e.is_release()) {
        let Some((change, then)) = history.landing(entry.seq) else { continue };
        let folders: Vec<String> = then.folders.iter().map(|folder| folder.path.clone()).collect();
        let there = site.folders_at(change.commit, &folders)?;
        let aside = |path: &str| is_gits_own(path) || is_local(path) || then.kept.iter().any(|kept| kept == path);
        if !same_content(&there, wanted.content, &aside) {
            facts.landing = facts.landing.or(Some(change.commit));
            facts.other_content |= evidence.is_none();
            continue;
        }
        let is_newest = evidence.is_none();
        if is_newest {
            facts.landing = Some(change.commit);
            facts.other_content = false;
            // The ledger says it of a later re-anchoring too.
            facts.overridden = entry.overridden.is_some() || then.overridden.is_some();
            evidence = Some(change.commit);
        }
        let is_watched = is_newest && gathered.watched;
        if wanted.soak.is_zero() && !is_watched {
            continue;
        }
        let since = since(site, change.commit, ended(history, change, wanted), wanted.content, &folders, &aside)?;
        if is_watched {
            gathered.carriers = since.carriers();
        }
        if !wanted.soak.is_zero() {
            // A record cannot make content older than the commit that brought it, nor a commit older than its record.
            let written = time::seconds(&entry.released).unwrap_or(i64::MAX);
            let lived = since.intervals(change.time);
            gathered.soak.intervals.extend(lived.into_iter().map(|(from, until)| (from.max(written), until)));
        }
    }
    Ok(evidence)
}

// The commit at which something else took the place of what landed with a change.
fn ended(history: &History, landing: &Change, wanted: Wanted<'_>) -> Option<CommitId> {
    let later = history.changes.iter().rev().skip_while(|change| change.commit != landing.commit);
    let mut others = later.filter(|change| match &change.record {
        Some((_, Ok(record))) => record.digest != wanted.digest,
        _ => true,
    });
    others.next().map(|change| change.commit)
}

/// What became of content on a branch since it landed.
pub struct Since {
    landing: CommitId,
    // Every commit after the landing, its time, and whether its folders are the content.
    commits: Vec<(CommitId, i64, bool)>,
    // When something else was released.
    ended: Option<i64>,
}

impl Since {
    /// The commits that carry the content, newest first, down to the landing.
    pub fn carriers(&self) -> Vec<CommitId> {
        let later = self.commits.iter().rev().filter(|(.., holds)| *holds).map(|(commit, ..)| *commit);
        later.chain([self.landing]).collect()
    }

    // The intervals in which the branch held exactly the content, with a break wherever somebody changed it by hand.
    fn intervals(&self, landed: i64) -> Vec<(i64, Option<i64>)> {
        let mut found = Vec::new();
        let mut from = Some(landed);
        for (_, time, holds) in &self.commits {
            match (from, holds) {
                (Some(begun), false) => {
                    found.push((begun, Some(*time)));
                    from = None;
                }
                (None, true) => from = Some(*time),
                _ => {}
            }
        }
        found.extend(from.map(|from| (from, self.ended)));
        found
    }
}

/// Follows content from the commit at which it landed to the tip, or to the commit at which something else was released.
///
/// # Errors
/// The repository cannot be asked.
pub fn since(
    site: &Site,
    landing: CommitId,
    other: Option<CommitId>,
    content: &Leaves,
    folders: &[String],
    aside: &dyn Fn(&str) -> bool,
) -> Result<Since, AppError> {
    let mut since: Vec<(CommitId, TreeId, i64)> = site
        .graph
        .first_parents(site.tip)
        .map(|(id, node)| (id, node.tree, node.time))
        .take_while(|(id, ..)| *id != landing)
        .collect();
    // A clock that was ahead cannot make an interval longer: it ended before every later commit was made.
    let mut earliest = i64::MAX;
    for (_, _, time) in &mut since {
        earliest = earliest.min(*time);
        *time = earliest;
    }
    since.reverse();
    let end = other.and_then(|other| since.iter().position(|(id, ..)| *id == other));
    let ended = end.map(|end| since[end].2);
    since.truncate(end.unwrap_or(since.len()));
    let root = site.root_of(landing)?;
    let roots: Vec<TreeId> = since.iter().map(|(_, tree, _)| *tree).chain([root]).collect();
    let mut at: Vec<HashMap<TreeId, Entry>> = Vec::new();
    for folder in folders {
        at.push(resolve(&*site.repository, &roots, folder)?);
    }
    let state = |tree: &TreeId| -> Vec<Option<Entry>> { at.iter().map(|found| found.get(tree).copied()).collect() };
    // Folders are compared as a whole first; files of the environment itself make them differ without a break.
    let mut known: HashMap<Vec<Option<Entry>>, bool> = HashMap::from([(state(&root), true)]);
    let mut commits = Vec::new();
    for (commit, tree, time) in since {
        let key = state(&tree);
        let holds = match known.get(&key) {
            Some(holds) => *holds,
            None => {
                let holds = same_content(&site.folders_at(commit, folders)?, content, aside);
                known.insert(key, holds);
                holds
            }
        };
        commits.push((commit, time, holds));
    }
    Ok(Since { landing, commits, ended })
}
