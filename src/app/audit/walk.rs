//! The walk along the first-parent chain, oldest to newest, a window of commits at a time.

use std::collections::{HashMap, HashSet};
use std::io::Read as _;
use std::sync::Arc;

use rayon::prelude::*;
use sha2::{Digest as _, Sha256 as Hasher};

use super::Link;
use super::forest::{Forest, Pair, tree};
use super::look::{Pending, PolicyStep, RECORDS, RecordStep, UnitStep, look, own, record_at, regular, unit_of};
use crate::app::site::{POLICY, Site, resolve};
use crate::app::{AppError, Context};
use crate::domain::audit::{self, Change, Facts, Finding, FolderFacts, PolicyFacts, RecordFacts};
use crate::domain::continuity::{Before, FolderStep, Step, continues, is_release};
use crate::domain::id::{BlobId, CommitId, Digest, Sha256, TreeId, UnitName};
use crate::domain::listing::{self, Entry, EntryMode, FileMode, is_gits_own};
use crate::domain::policy::{self, Accept, Source, Stage};
use crate::domain::record::{self, Record};
use crate::domain::url::RepoUrl;
use crate::port::{PortError, Repository};

// Commits with records that are parsed together: so many records are in memory at once.
const PARSED: usize = 128;

/// A record, or why it is none.
pub(super) type Parsed = Result<Arc<Record>, String>;

/// Reads and parses records. One that is too large is none.
pub(super) fn read_records(repository: &dyn Repository, ids: &[BlobId]) -> Result<HashMap<BlobId, Parsed>, PortError> {
    let mut contents: Vec<(BlobId, Option<Vec<u8>>)> = Vec::new();
    repository.each_blob(ids, &mut |id, size, content| {
        let mut bytes = None;
        if size <= record::MAX_BYTES as u64 {
            content.read_to_end(bytes.insert(Vec::new()))?;
        }
        contents.push((id, bytes));
        Ok(())
    })?;
    let parse = |bytes: Option<Vec<u8>>| match bytes {
        Some(bytes) => Record::parse(&bytes).map(Arc::new).map_err(|error| error.to_string()),
        None => Err("it is larger than any record".to_owned()),
    };
    Ok(contents.into_par_iter().map(|(id, bytes)| (id, parse(bytes))).collect())
}

// What is known of a unit's record so far.
#[derive(Default)]
struct Unit {
    before: Option<(BlobId, Option<Parsed>)>,
    // Every record that stood there.
    seen: HashSet<BlobId>,
    // Whether commits before the audited ones were looked at too.
    complete: bool,
    // The live entry's number and the commit at which it landed.
    landed: Option<(u64, CommitId)>,
    // Whether its chain of records is whole, as far as it was looked at.
    whole: Option<bool>,
}

/// The state of the walk.
pub(super) struct Walk<'a> {
    context: &'a Context<'a>,
    repository: &'a dyn Repository,
    env: &'a str,
    older: &'a [Link],
    // The root trees of the chain's commits.
    roots: HashMap<CommitId, TreeId>,
    // What stands at the policy's path now, and the last one that could be used.
    policy_entry: Option<Entry>,
    in_force: Option<Arc<Stage>>,
    had_policy: bool,
    policies: HashMap<BlobId, Result<Arc<Stage>, String>>,
    units: HashMap<UnitName, Unit>,
    hashes: HashMap<BlobId, Sha256>,
}

impl<'a> Walk<'a> {
    /// Begins after `older` commits.
    pub(super) fn new(
        context: &'a Context<'a>,
        site: &'a Site,
        env: &'a str,
        older: &'a [Link],
    ) -> Result<Self, PortError> {
        let mut walk = Self {
            context,
            repository: &*site.repository,
            env,
            older,
            roots: site.graph.first_parents(site.tip).map(|(id, node)| (id, node.tree)).collect(),
            policy_entry: None,
            in_force: None,
            had_policy: false,
            policies: HashMap::new(),
            units: HashMap::new(),
            hashes: HashMap::new(),
        };
        let Some(last) = older.last() else { return Ok(walk) };
        let found = resolve(walk.repository, &[last.root], POLICY)?;
        walk.policy_entry = found.get(&last.root).copied();
        walk.read_policies(regular(walk.policy_entry).into_iter().collect())?;
        walk.had_policy = walk.policy_entry.is_some();
        walk.in_force = walk.usable(walk.policy_entry);
        if walk.in_force.is_none() {
            // Only the whole history tells what was in force last.
            let roots: Vec<TreeId> = older.iter().map(|link| link.root).collect();
            let found = resolve(walk.repository, &roots, POLICY)?;
            walk.had_policy = !found.is_empty();
            walk.read_policies(found.values().filter_map(|entry| regular(Some(*entry))).collect())?;
            walk.in_force = roots.iter().rev().find_map(|root| walk.usable(found.get(root).copied()));
        }
        Ok(walk)
    }

    /// Whether there was a policy at any time.
    pub(super) fn had_policy(&self) -> bool {
        self.had_policy
    }

    /// Whether the policy that stands there now can be used.
    pub(super) fn is_ruled(&self) -> bool {
        self.usable(self.policy_entry).is_some()
    }

    /// The last policy that could be used.
    pub(super) fn policy(&self) -> Option<Arc<Stage>> {
        self.in_force.clone()
    }

    fn usable(&self, entry: Option<Entry>) -> Option<Arc<Stage>> {
        self.policies.get(&regular(entry)?)?.as_ref().ok().cloned()
    }

    fn read_policies(&mut self, mut ids: Vec<BlobId>) -> Result<(), PortError> {
        ids.retain(|id| !self.policies.contains_key(id));
        let policies = &mut self.policies;
        self.repository.each_blob(&ids, &mut |id, size, content| {
            let mut bytes = Vec::new();
            content.take(policy::MAX_BYTES as u64).read_to_end(&mut bytes)?;
            let parsed = if size > policy::MAX_BYTES as u64 {
                Err("the file is too large".to_owned())
            } else {
                policy::parse(&String::from_utf8_lossy(&bytes)).map(Arc::new).map_err(|error| error.message)
            };
            policies.insert(id, parsed);
            Ok(())
        })
    }

    /// What is to be said of a window of commits.
    pub(super) fn window(&mut self, part: &[Link]) -> Result<Vec<Finding>, AppError> {
        let mut forest = Forest::new(self.repository);
        let roots: Vec<TreeId> = part
            .iter()
            .flat_map(|link| [link.root].into_iter().chain(link.parent).chain(link.others.iter().copied()))
            .collect();
        forest.load_path(&roots, &format!("{RECORDS}/x"))?;
        self.read_policies(part.iter().filter_map(|link| regular(forest.at(link.root, POLICY))).collect())?;
        let mut pending = Vec::new();
        let mut nested: HashSet<String> = HashSet::new();
        let mut states = Vec::new();
        for link in part {
            let (entry, in_force) = (self.policy_entry, self.in_force.clone());
            let owned = in_force.iter().flat_map(|stage| &stage.accept).flat_map(|accept| &accept.folders);
            nested.extend(owned.filter(|folder| folder.to.contains('/')).map(|folder| folder.to.clone()));
            states.push((link, in_force, entry, self.policy_step(link, &forest)));
        }
        for folder in nested {
            forest.load_path(&roots, &folder)?;
        }
        for (link, in_force, entry, policy) in states {
            let step = look(link, in_force, &forest);
            let policy_id = regular(entry).filter(|id| matches!(self.policies.get(id), Some(Ok(_))));
            let step = Pending { policy_id, policy, ..step };
            if !step.is_quiet() {
                pending.push(step);
            }
        }
        self.bring(&mut forest, &mut pending)?;
        let mut found = Vec::new();
        for part in pending.chunks(PARSED) {
            let wanted: Vec<BlobId> = part.iter().flat_map(Pending::blobs).collect();
            let parsed = read_records(self.repository, &wanted)?;
            let digests = self.digests(part, &parsed, &forest);
            for (step, digests) in part.iter().zip(digests) {
                found.extend(self.judge(step, &parsed, &digests, &mut forest)?);
            }
        }
        Ok(found)
    }

    // What became of the policy in a commit; from here on that is in force.
    fn policy_step(&mut self, link: &Link, forest: &Forest<'_>) -> Option<PolicyStep> {
        let now = forest.at(link.root, POLICY);
        let was = std::mem::replace(&mut self.policy_entry, now);
        if now == was {
            return None;
        }
        let is_first = !std::mem::replace(&mut self.had_policy, true);
        let before = self.usable(was);
        let after = now.map(|entry| match regular(Some(entry)).and_then(|id| self.policies.get(&id)) {
            Some(parsed) => parsed.clone(),
            None => Err("it is not a file".to_owned()),
        });
        if let Some(Ok(stage)) = &after {
            self.in_force = Some(Arc::clone(stage));
        }
        Some(PolicyStep { is_first, before, after, change: Change::between(was, now) })
    }

    // Brings at once what judging the window will look at: folders, what differs in them, records and file contents.
    fn bring(&mut self, forest: &mut Forest<'_>, pending: &mut [Pending<'_>]) -> Result<(), PortError> {
        let steps = || pending.iter().flat_map(|step| &step.folders).flat_map(|unit| &unit.folders);
        let mut trees: Vec<TreeId> = steps().flat_map(|step| [tree(step.before), tree(step.after)]).flatten().collect();
        trees.sort();
        trees.dedup();
        self.repository.prefetch(&trees)?;
        let records: Vec<BlobId> = pending.iter().flat_map(Pending::blobs).collect();
        self.repository.bring_blobs(&records)?;

        // Every release names its content, so all of it is hashed; the digest of a commit that is none is not asked.
        let recorded = |step: &Pending<'_>, unit: &UnitStep| step.records.iter().any(|r| r.accept == Some(unit.accept));
        let written = pending.iter().flat_map(|step| step.folders.iter().filter(|unit| recorded(step, unit)));
        let written: Vec<Entry> = written.flat_map(|unit| &unit.folders).filter_map(|step| step.after).collect();
        forest.load_below(written.iter().filter_map(|entry| tree(Some(*entry))))?;
        let ids = self.unhashed(forest, &written);
        let hashes = &mut self.hashes;
        self.repository.each_blob(&ids, &mut |id, _, content| {
            let mut hasher = Hasher::new();
            std::io::copy(content, &mut HashInto(&mut hasher))?;
            hashes.insert(id, Sha256(hasher.finalize().into()));
            Ok(())
        })?;

        let mine: Vec<_> = pending
            .iter()
            .flat_map(|step| step.folders.iter().map(|unit| own(step.in_force.as_deref(), unit.accept)))
            .collect();
        let units = pending.iter().flat_map(|step| step.folders.iter().map(move |unit| (step, unit)));
        let mut pairs = Vec::new();
        for ((step, unit), mine) in units.zip(&mine) {
            // Of a first release it must be known whether it replaced anything.
            let whole = step.records.iter().any(|r| r.accept == Some(unit.accept) && r.old.is_none());
            pairs.extend(unit.folders.iter().map(|folder| Pair {
                path: folder.path.clone(),
                old: folder.before,
                new: folder.after,
                aside: mine,
                whole,
            }));
        }
        let mut differences = forest.differences(&pairs)?.into_iter();
        drop(pairs);
        drop(mine);
        for unit in pending.iter_mut().flat_map(|step| &mut step.folders) {
            for difference in differences.by_ref().take(unit.folders.len()) {
                unit.difference.paths.extend(difference.paths);
                unit.difference.replaces |= difference.replaces;
            }
        }
        Ok(())
    }

    // The files at and below some entries whose content was not hashed yet; each tree is looked into once.
    fn unhashed(&self, forest: &Forest<'_>, entries: &[Entry]) -> Vec<BlobId> {
        let mut seen: HashSet<TreeId> = HashSet::new();
        let mut ids: HashSet<BlobId> = HashSet::new();
        let mut todo = entries.to_vec();
        while let Some(entry) = todo.pop() {
            match tree(Some(entry)) {
                Some(id) if seen.insert(id) => todo.extend(forest.get(id).into_iter().flat_map(|tree| tree.values())),
                Some(_) => {}
                None => ids.extend(regular(Some(entry)).filter(|id| !self.hashes.contains_key(id))),
            }
        }
        ids.into_iter().collect()
    }

    // The digests of what the records of some commits say they brought, by the name of the record.
    fn digests<'p>(
        &self,
        part: &'p [Pending<'_>],
        parsed: &HashMap<BlobId, Parsed>,
        forest: &Forest<'_>,
    ) -> Vec<HashMap<&'p str, Digest>> {
        let hashes = &self.hashes;
        part.par_iter()
            .map(|step| {
                let of = |changed: &'p RecordStep| {
                    let record =
                        parsed.get(&regular(changed.new)?)?.as_ref().ok().filter(|record| is_release(record))?;
                    let accept = step.in_force.as_ref()?.accept.get(changed.accept?)?;
                    Some((changed.name.as_str(), digest(record, accept, step.link.root, forest, hashes)))
                };
                step.records.iter().filter_map(of).collect()
            })
            .collect()
    }

    fn judge(
        &mut self,
        step: &Pending<'_>,
        parsed: &HashMap<BlobId, Parsed>,
        digests: &HashMap<&str, Digest>,
        forest: &mut Forest<'_>,
    ) -> Result<Vec<Finding>, AppError> {
        let mut left_out = Vec::new();
        let stage = step.in_force.as_deref();
        let accept = |at: usize| stage.and_then(|stage| stage.accept.get(at));
        let mut records = Vec::new();
        let mut outside = step.outside.clone();
        for changed in &step.records {
            let accepted = changed.accept.and_then(accept);
            // A release takes away what an earlier one wrote into a folder that no unit declares any more.
            if let Some(accept) = accepted
                && let Some((_, Ok(before))) = self.before(&accept.unit, regular(changed.old))?
            {
                let heads: HashSet<&str> =
                    before.folders.iter().filter_map(|folder| folder.path.split('/').next()).collect();
                outside.named.retain(|touched| !heads.contains(touched.path.as_str()));
            }
            let says = match (stage, accepted) {
                (Some(stage), Some(accept)) => {
                    let digest = digests.get(changed.name.as_str()).copied();
                    self.record(step, changed, stage, accept, digest, parsed, forest)?
                }
                _ => Err(String::new()),
            };
            if let Some(accept) = accepted {
                let whole = says.as_ref().is_ok_and(|says| says.faults.is_empty());
                self.units.entry(accept.unit.clone()).or_default().whole = Some(whole);
            }
            self.remember(step.link.commit, changed, parsed);
            records.push(RecordFacts {
                path: format!("{RECORDS}/{}", changed.name),
                change: Change::between(changed.old, changed.new),
                unit: accepted.map(|accept| &accept.unit),
                says,
            });
        }
        for (unit, blob) in &step.beside {
            let seq = |parsed: Option<&Parsed>| parsed.and_then(|p| p.as_ref().ok()).map_or(0, |record| record.seq);
            let own = stage.and_then(|stage| record_at(forest, step.link.root, stage.accepts(unit)?));
            let own = self.before(unit, own)?;
            if seq(parsed.get(blob)) > seq(own.map(|(_, parsed)| parsed).as_ref()) && !left_out.contains(&unit) {
                left_out.push(unit);
                self.units.entry(unit.clone()).or_default().whole = Some(false);
            }
        }
        let mut folders = Vec::new();
        for unit in &step.folders {
            let Some(accept) = accept(unit.accept) else { continue };
            let recorded = step.records.iter().any(|changed| changed.accept == Some(unit.accept));
            let quiet = recorded || accept.source == Source::SelfRepository || unit.difference.paths.is_empty();
            if !quiet {
                let live = self.before(&accept.unit, record_at(forest, step.link.root, accept))?;
                let restored =
                    live.and_then(|(_, parsed)| parsed.ok()).is_some_and(|record| is_restored(&record, &unit.folders));
                folders.push(FolderFacts { unit: &accept.unit, paths: unit.difference.paths.clone(), restored });
            }
        }
        let policy = step.policy.as_ref().map(|policy| PolicyFacts {
            is_first: policy.is_first,
            before: policy.before.as_deref(),
            after: policy.after.as_ref().map(|after| after.as_deref().map_err(String::as_str)),
            change: policy.change,
        });
        let files = step.files.clone();
        let at = step.link.at(self.env);
        Ok(audit::judge(&Facts { at, policy, folders, records, left_out, files, outside }))
    }

    #[allow(clippy::too_many_arguments, reason = "each is one of the places that facts come from")]
    fn record(
        &mut self,
        step: &Pending<'_>,
        changed: &RecordStep,
        stage: &Stage,
        accept: &Accept,
        digest: Option<Digest>,
        parsed: &HashMap<BlobId, Parsed>,
        forest: &mut Forest<'_>,
    ) -> Result<Result<crate::domain::continuity::Continued, String>, AppError> {
        let blob = match changed.new {
            None => return Ok(Err("the record was deleted".to_owned())),
            Some((EntryMode::Regular, id)) => BlobId(id),
            Some(_) => return Ok(Err("the record is not a regular file any more".to_owned())),
        };
        let record = match parsed.get(&blob) {
            Some(Ok(record)) => record,
            Some(Err(why)) => return Ok(Err(why.clone())),
            None => return Ok(Err("it cannot be read".to_owned())),
        };
        let before = self.before(&accept.unit, regular(changed.old))?;
        let ever = changed.old.is_some() || self.ever(accept, None)?;
        let from = match record.restarted.and_then(|restart| restart.from) {
            Some(id) if self.ever(accept, Some(id))? => {
                read_records(self.repository, &[id])?.remove(&id).and_then(Result::ok)
            }
            _ => None,
        };
        let unit = step.folders.iter().find(|unit| Some(unit.accept) == changed.accept);
        let mine = own(Some(stage), changed.accept.unwrap_or_default());
        let mut kept_changed = Vec::new();
        if is_release(record) {
            for path in record.kept.iter().filter(|path| !mine(path)) {
                let roots: Vec<TreeId> = step.link.parent.into_iter().chain([step.link.root]).collect();
                forest.load_path(&roots, path)?;
                if step.link.parent.and_then(|root| forest.at(root, path)) != forest.at(step.link.root, path) {
                    kept_changed.push(path.clone());
                }
            }
        }
        let found_at = self.found_at(step, accept, record, forest)?;
        let live = before.as_ref().and_then(|(_, parsed)| parsed.as_ref().ok()?.live().map(|live| live.seq));
        let landed = self.units.get(&accept.unit).and_then(|unit| unit.landed);
        let canonical = |url: &RepoUrl| self.context.repositories.canonical(url);
        Ok(Ok(continues(
            record,
            &Step {
                before: match &before {
                    Some((blob, Ok(record))) => Before::Record(*blob, record),
                    Some((blob, Err(_))) => Before::Unreadable(*blob),
                    // Something else than a file stood there.
                    None if changed.old.is_some() || ever => Before::Deleted,
                    None => Before::Nothing,
                },
                from: from.as_deref(),
                landed: landed.filter(|(seq, _)| live == Some(*seq)).map(|(_, commit)| commit),
                policy: (step.policy_id, stage),
                accept,
                folders: unit.map(|unit| unit.folders.as_slice()).unwrap_or_default(),
                touches: unit.is_some_and(|unit| !unit.difference.paths.is_empty()),
                replaces_files: unit.is_some_and(|unit| unit.difference.replaces),
                kept_changed,
                found_at: &|commit| found_at == Some(commit),
                is_whole: self.units.get(&accept.unit).and_then(|unit| unit.whole),
                digest,
                same_place: &|a, b| a == b || canonical(a) == canonical(b),
            },
        )))
    }

    // The commit at which a first release says to have found what it took over, if the folders were the same at the parent.
    fn found_at(
        &self,
        step: &Pending<'_>,
        accept: &Accept,
        record: &Record,
        forest: &mut Forest<'_>,
    ) -> Result<Option<CommitId>, PortError> {
        let found = record.ledger.iter().find(|entry| entry.seq == 0).and_then(|entry| entry.release_commit);
        let Some(found) = found.filter(|_| step.link.before.is_some()) else { return Ok(None) };
        if Some(found) == step.link.before {
            return Ok(Some(found));
        }
        let (Some(root), Some(parent)) = (self.roots.get(&found).copied(), step.link.parent) else { return Ok(None) };
        let mine = |path: &str| is_gits_own(path) || accept.local.matches(path);
        let mut pairs = Vec::new();
        for folder in &accept.folders {
            forest.load_path(&[root, parent], &folder.to)?;
            let (old, new) = (forest.at(root, &folder.to), forest.at(parent, &folder.to));
            pairs.push(Pair { path: folder.to.clone(), old, new, aside: &mine, whole: false });
        }
        let is_same = forest.differences(&pairs)?.iter().all(|difference| difference.paths.is_empty());
        Ok(is_same.then_some(found))
    }

    // The record of a unit that stood there until now.
    fn before(&mut self, unit: &UnitName, blob: Option<BlobId>) -> Result<Option<(BlobId, Parsed)>, PortError> {
        let Some(blob) = blob else { return Ok(None) };
        let known = self.units.entry(unit.clone()).or_default();
        if let Some((id, Some(parsed))) = &known.before
            && *id == blob
        {
            return Ok(Some((blob, parsed.clone())));
        }
        // It stood there before the audited commits, or before the unit was accepted.
        let parsed = read_records(self.repository, &[blob])?.remove(&blob);
        let parsed = parsed.unwrap_or_else(|| Err("it cannot be read".to_owned()));
        known.before = Some((blob, Some(parsed.clone())));
        known.seen.insert(blob);
        Ok(Some((blob, parsed)))
    }

    // Whether a unit ever had this record, or any.
    fn ever(&mut self, accept: &Accept, blob: Option<BlobId>) -> Result<bool, PortError> {
        let known = self.units.entry(accept.unit.clone()).or_default();
        let has = |known: &Unit| blob.map_or(!known.seen.is_empty(), |blob| known.seen.contains(&blob));
        if !has(known) && !known.complete {
            let roots: Vec<TreeId> = self.older.iter().map(|link| link.root).collect();
            for name in accept.names() {
                let found = resolve(self.repository, &roots, &record::path(name))?;
                known.seen.extend(found.values().filter_map(|entry| regular(Some(*entry))));
            }
            known.complete = true;
        }
        Ok(has(known))
    }

    fn remember(&mut self, commit: CommitId, changed: &RecordStep, parsed: &HashMap<BlobId, Parsed>) {
        let Some(unit) = unit_of(&changed.name) else { return };
        let known = self.units.entry(unit).or_default();
        known.seen.extend(regular(changed.old));
        known.before = regular(changed.new).map(|blob| (blob, parsed.get(&blob).cloned()));
        known.seen.extend(known.before.as_ref().map(|(blob, _)| *blob));
        let live =
            known.before.as_ref().and_then(|(_, parsed)| parsed.as_ref()?.as_ref().ok()?.live().map(|live| live.seq));
        if known.landed.map(|(seq, _)| seq) != live {
            // A mark of a release from before the audited commits does not tell when that landed.
            let is_new = known
                .before
                .as_ref()
                .and_then(|(_, parsed)| parsed.as_ref()?.as_ref().ok())
                .is_some_and(|r| is_release(r));
            known.landed = live.filter(|_| is_new).map(|seq| (seq, commit));
        }
    }
}

struct HashInto<'a>(&'a mut Hasher);

impl std::io::Write for HashInto<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn is_restored(record: &Record, folders: &[FolderStep]) -> bool {
    record.folders.iter().all(|folder| {
        let there = folders.iter().find(|step| step.path == folder.path).and_then(|step| step.after);
        there == folder.tree.map(|tree| (EntryMode::Tree, tree.0))
    })
}

// The digest of what a record says it brought: everything in its folders but files of others.
fn digest(
    record: &Record,
    accept: &Accept,
    root: TreeId,
    forest: &Forest<'_>,
    hashes: &HashMap<BlobId, Sha256>,
) -> Digest {
    let kept: HashSet<&str> = record.kept.iter().map(String::as_str).collect();
    let mut leaves = Vec::new();
    for folder in &record.folders {
        if let Some(entry) = forest.at(root, &folder.path) {
            forest.leaves(folder.path.clone(), entry, &mut leaves);
        }
    }
    leaves.retain(|(path, _)| !is_gits_own(path) && !accept.local.matches(path) && !kept.contains(path.as_str()));
    let files: Option<Vec<_>> = leaves
        .iter()
        .map(|(path, (mode, id))| {
            let mode = match mode {
                EntryMode::Regular => FileMode::Regular,
                EntryMode::Executable => FileMode::Executable,
                _ => return None,
            };
            Some((path.as_str(), mode, *hashes.get(&BlobId(*id))?))
        })
        .collect();
    // What no artifact can carry has no digest, and equals none.
    files.map_or(Digest([0; 32]), |files| listing::digest(files.into_iter()))
}
