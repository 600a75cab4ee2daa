//! What changed in one commit that an audit looks at, out of trees that were brought.

use std::collections::HashSet;
use std::sync::Arc;

use super::Link;
use super::forest::{Difference, Forest, changed_names, tree};
use crate::domain::audit::{Change, Paths};
use crate::domain::continuity::FolderStep;
use crate::domain::id::{BlobId, TreeId, UnitName};
use crate::domain::listing::{Entry, EntryMode, is_gits_own};
use crate::domain::object::Tree;
use crate::domain::policy::{Accept, Stage};
use crate::domain::record;

pub(super) use crate::domain::record::FOLDER as RECORDS;

/// The blob of a regular file.
pub(super) fn regular(entry: Option<Entry>) -> Option<BlobId> {
    entry.filter(|(mode, _)| matches!(mode, EntryMode::Regular | EntryMode::Executable)).map(|(_, id)| BlobId(id))
}

/// A commit of a window in which something changed that is looked at.
pub(super) struct Pending<'a> {
    pub(super) link: &'a Link,
    pub(super) in_force: Option<Arc<Stage>>,
    /// Its blob, when what stands there can be used.
    pub(super) policy_id: Option<BlobId>,
    pub(super) policy: Option<PolicyStep>,
    pub(super) records: Vec<RecordStep>,
    pub(super) folders: Vec<UnitStep>,
    pub(super) files: Paths,
    pub(super) outside: Paths,
    /// Units with the records that merged branches had.
    pub(super) beside: Vec<(UnitName, BlobId)>,
}

/// What became of the policy.
pub(super) struct PolicyStep {
    pub(super) is_first: bool,
    pub(super) before: Option<Arc<Stage>>,
    pub(super) after: Option<Result<Arc<Stage>, String>>,
    pub(super) change: Change,
}

/// A file among the records that changed.
pub(super) struct RecordStep {
    pub(super) name: String,
    pub(super) old: Option<Entry>,
    pub(super) new: Option<Entry>,
    /// The place of the unit in the policy in force.
    pub(super) accept: Option<usize>,
}

/// A unit of the policy in force, one of whose folders or whose record changed.
pub(super) struct UnitStep {
    pub(super) accept: usize,
    pub(super) folders: Vec<FolderStep>,
    pub(super) difference: Difference,
}

impl Pending<'_> {
    /// Whether there is nothing to be said of it.
    pub(super) fn is_quiet(&self) -> bool {
        self.policy.is_none()
            && self.records.is_empty()
            && self.folders.is_empty()
            && self.files.is_empty()
            && self.beside.is_empty()
    }

    /// The records that judging it reads: nobody reads those of units that are not accepted.
    pub(super) fn blobs(&self) -> Vec<BlobId> {
        let changed =
            self.records.iter().filter(|record| record.accept.is_some()).filter_map(|record| regular(record.new));
        changed.chain(self.beside.iter().map(|(_, blob)| *blob)).collect()
    }
}

/// The record of a unit below a root tree, under its name or one that it had before.
pub(super) fn record_at(forest: &Forest<'_>, root: TreeId, accept: &Accept) -> Option<BlobId> {
    accept.names().find_map(|name| regular(forest.at(root, &record::path(name))))
}

/// The unit whose record has this file name.
pub(super) fn unit_of(name: &str) -> Option<UnitName> {
    name.strip_suffix(".json")?.parse().ok()
}

/// Which paths are the environment's own.
pub(super) fn own(stage: Option<&Stage>, accept: usize) -> impl Fn(&str) -> bool {
    let local = stage.and_then(|stage| stage.accept.get(accept)).map(|accept| accept.local.clone());
    move |path| is_gits_own(path) || local.as_ref().is_some_and(|local| local.matches(path))
}

/// What changed in a commit under the policy that was in force.
pub(super) fn look<'a>(link: &'a Link, in_force: Option<Arc<Stage>>, forest: &Forest<'_>) -> Pending<'a> {
    let mut step = Pending {
        link,
        in_force,
        policy_id: None,
        policy: None,
        records: Vec::new(),
        folders: Vec::new(),
        files: Paths::default(),
        outside: Paths::default(),
        beside: Vec::new(),
    };
    let stage = step.in_force.as_deref();
    if link.parent != Some(link.root) {
        look_at_own(link, stage, forest, &mut step.records, &mut step.files);
        for (at, accept) in stage.iter().flat_map(|stage| stage.accept.iter().enumerate()) {
            let folders: Vec<FolderStep> = accept
                .folders
                .iter()
                .map(|folder| FolderStep {
                    path: folder.to.clone(),
                    before: link.parent.and_then(|root| forest.at(root, &folder.to)),
                    after: forest.at(link.root, &folder.to),
                })
                .collect();
            let recorded = step.records.iter().any(|record| record.accept == Some(at));
            if recorded || folders.iter().any(|folder| folder.before != folder.after) {
                step.folders.push(UnitStep { accept: at, folders, difference: Difference::default() });
            }
        }
        if let Some(stage) = stage.filter(|_| step.records.iter().any(|record| record.accept.is_some())) {
            step.outside = outside(link, stage, forest);
        }
    }
    for (other, accept) in
        link.others.iter().flat_map(|other| stage.iter().flat_map(|s| &s.accept).map(move |a| (other, a)))
    {
        let (beside, here) = (record_at(forest, *other, accept), record_at(forest, link.root, accept));
        step.beside.extend(beside.filter(|_| beside != here).map(|blob| (accept.unit.clone(), blob)));
    }
    step
}

// What changed in passgate's own folder, the policy aside.
fn look_at_own(
    link: &Link,
    stage: Option<&Stage>,
    forest: &Forest<'_>,
    records: &mut Vec<RecordStep>,
    files: &mut Paths,
) {
    let nothing = Tree::new();
    let at = |root: Option<TreeId>, path: &str| root.and_then(|root| forest.at(root, path));
    let below = |entry: Option<Entry>| tree(entry).and_then(|id| forest.get(id)).unwrap_or(&nothing);
    let (parent, root) = (link.parent, Some(link.root));
    let (old, new) = (at(parent, ".passgate"), at(root, ".passgate"));
    if old == new {
        return;
    }
    // Without rules nothing is passgate's.
    let mut other = |path: String, old: Option<Entry>, new: Option<Entry>| {
        if stage.is_some() {
            files.add(path, Change::between(old, new));
        }
    };
    let leaf = |entry: Option<Entry>| entry.filter(|(mode, _)| *mode != EntryMode::Tree);
    if leaf(old) != leaf(new) {
        other(".passgate".to_owned(), leaf(old), leaf(new));
    }
    for (name, old, new) in changed_names(below(old), below(new)) {
        match name {
            b"stage.yaml" => {}
            b"records" => {
                if leaf(old) != leaf(new) {
                    other(RECORDS.to_owned(), leaf(old), leaf(new));
                }
                for (name, old, new) in changed_names(below(old), below(new)) {
                    let name = String::from_utf8_lossy(name).into_owned();
                    let unit = unit_of(&name);
                    let is_of = |accept: &Accept| unit.as_ref().is_some_and(|unit| accept.names().any(|n| n == unit));
                    let accept = stage.and_then(|stage| stage.accept.iter().position(is_of));
                    records.push(RecordStep { name, old, new, accept });
                }
                carry_over(stage, records);
            }
            name => other(format!(".passgate/{}", String::from_utf8_lossy(name)), old, new),
        }
    }
}

// A record that goes under a former name and comes under the new one is one step, not two.
fn carry_over(stage: Option<&Stage>, records: &mut Vec<RecordStep>) {
    for (at, accept) in stage.iter().flat_map(|stage| stage.accept.iter().enumerate()) {
        let is_new = |step: &RecordStep| unit_of(&step.name).as_ref() == Some(&accept.unit);
        let goes = |step: &RecordStep| step.accept == Some(at) && !is_new(step) && step.new.is_none();
        let (Some(comes), Some(gone)) = (
            records.iter().position(|step| is_new(step) && step.old.is_none() && step.new.is_some()),
            records.iter().position(goes),
        ) else {
            continue;
        };
        records[comes].old = records[gone].old;
        records.remove(gone);
    }
}

// What changed at the root that is no unit's and not passgate's own.
fn outside(link: &Link, stage: &Stage, forest: &Forest<'_>) -> Paths {
    let nothing = Tree::new();
    let owned = stage.accept.iter().flat_map(|accept| &accept.folders);
    let heads: HashSet<&[u8]> = owned
        .map(|folder| folder.to.split('/').next().unwrap_or_default().as_bytes())
        .chain([&b".passgate"[..]])
        .collect();
    let old = link.parent.and_then(|root| forest.get(root)).unwrap_or(&nothing);
    let new = forest.get(link.root).unwrap_or(&nothing);
    let mut paths = Paths::default();
    for (name, old, new) in changed_names(old, new).filter(|(name, ..)| !heads.contains(name)) {
        paths.add(String::from_utf8_lossy(name).into_owned(), Change::between(old, new));
    }
    paths
}
