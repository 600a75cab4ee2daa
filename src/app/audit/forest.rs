//! Trees of many commits, brought level by level: what an audit looks at costs a few requests, however many commits it is.

use std::collections::{HashMap, HashSet};

use crate::domain::audit::{Change, Paths};
use crate::domain::id::TreeId;
use crate::domain::listing::{Entry, EntryMode};
use crate::domain::object::Tree;
use crate::domain::path::MAX_DEPTH;
use crate::port::{PortError, Repository};

/// Trees that were brought.
pub(super) struct Forest<'a> {
    repository: &'a dyn Repository,
    trees: HashMap<TreeId, Tree>,
}

/// Two states of one folder.
pub(super) struct Pair<'a> {
    /// Its path.
    pub(super) path: String,
    /// Before.
    pub(super) old: Option<Entry>,
    /// After.
    pub(super) new: Option<Entry>,
    /// Which paths do not count.
    pub(super) aside: &'a dyn Fn(&str) -> bool,
    /// Whether every path must be looked at, although only the first ones are named.
    pub(super) whole: bool,
}

/// What differs.
#[derive(Debug, Clone, Default)]
pub(super) struct Difference {
    /// The paths.
    pub(super) paths: Paths,
    /// Whether something that stood there changed or went.
    pub(super) replaces: bool,
}

/// The tree that an entry is.
pub(super) fn tree(entry: Option<Entry>) -> Option<TreeId> {
    entry.filter(|(mode, _)| *mode == EntryMode::Tree).map(|(_, id)| TreeId(id))
}

impl<'a> Forest<'a> {
    /// None yet.
    pub(super) fn new(repository: &'a dyn Repository) -> Self {
        Self { repository, trees: HashMap::new() }
    }

    /// Brings trees, one level each.
    pub(super) fn load(&mut self, ids: impl Iterator<Item = TreeId>) -> Result<(), PortError> {
        let mut wanted: Vec<TreeId> = ids.filter(|id| !self.trees.contains_key(id)).collect();
        wanted.sort();
        wanted.dedup();
        if !wanted.is_empty() {
            self.trees.extend(self.repository.trees(&wanted)?);
        }
        Ok(())
    }

    /// Brings the trees on the way to `path` below each root.
    pub(super) fn load_path(&mut self, roots: &[TreeId], path: &str) -> Result<(), PortError> {
        let mut at = roots.to_vec();
        for part in path.split('/') {
            self.load(at.iter().copied())?;
            at = at.iter().filter_map(|id| tree(self.trees.get(id)?.get(part.as_bytes()).copied())).collect();
            at.sort();
            at.dedup();
        }
        Ok(())
    }

    /// Brings trees with all trees below them, down to where no artifact reaches.
    pub(super) fn load_below(&mut self, ids: impl Iterator<Item = TreeId>) -> Result<(), PortError> {
        let mut seen: HashSet<TreeId> = HashSet::new();
        let mut level: Vec<TreeId> = ids.filter(|id| seen.insert(*id)).collect();
        for _ in 0..=MAX_DEPTH {
            self.load(level.iter().copied())?;
            let below = level.iter().filter_map(|id| self.trees.get(id)).flat_map(|tree| tree.values().copied());
            level = below.filter_map(|entry| tree(Some(entry))).filter(|id| seen.insert(*id)).collect();
            if level.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// A tree that was brought.
    pub(super) fn get(&self, id: TreeId) -> Option<&Tree> {
        self.trees.get(&id)
    }

    /// What stands at a path, out of the trees that were brought.
    pub(super) fn at(&self, root: TreeId, path: &str) -> Option<Entry> {
        let mut entry = (EntryMode::Tree, root.0);
        for part in path.split('/') {
            entry = *self.trees.get(&tree(Some(entry))?)?.get(part.as_bytes())?;
        }
        Some(entry)
    }

    /// Everything at and below an entry that is no tree, out of the trees that were brought. A tree that was not stands
    /// for itself.
    pub(super) fn leaves(&self, path: String, entry: Entry, found: &mut Vec<(String, Entry)>) {
        let mut todo = vec![(path, entry)];
        while let Some((path, entry)) = todo.pop() {
            match tree(Some(entry)).and_then(|id| self.get(id)) {
                Some(tree) => {
                    let below =
                        tree.iter().map(|(name, entry)| (format!("{path}/{}", String::from_utf8_lossy(name)), *entry));
                    todo.extend(below);
                }
                None => found.push((path, entry)),
            }
        }
    }

    /// What differs in each pair.
    pub(super) fn differences(&mut self, pairs: &[Pair<'_>]) -> Result<Vec<Difference>, PortError> {
        let mut found = vec![Difference::default(); pairs.len()];
        let changed = pairs.iter().enumerate().filter(|(_, pair)| pair.old != pair.new);
        let mut level: Vec<_> = changed.map(|(at, pair)| (at, pair.path.clone(), pair.old, pair.new)).collect();
        for depth in 0.. {
            if level.is_empty() {
                break;
            }
            if depth <= MAX_DEPTH {
                self.load(level.iter().flat_map(|(_, _, old, new)| [tree(*old), tree(*new)]).flatten())?;
            }
            let mut next = Vec::new();
            for (at, path, old, new) in level {
                if found[at].paths.more && !pairs[at].whole {
                    continue;
                }
                // A tree that is too deep for any artifact differs as a whole.
                let below = |entry: Option<Entry>| tree(entry).and_then(|id| self.get(id));
                let (old_tree, new_tree) = (below(old), below(new));
                let leaf = |entry: Option<Entry>, tree: Option<&Tree>| entry.filter(|_| tree.is_none());
                let (old_leaf, new_leaf) = (leaf(old, old_tree), leaf(new, new_tree));
                if (old_leaf.is_some() || new_leaf.is_some()) && !(pairs[at].aside)(&path) {
                    found[at].replaces |= old_leaf.is_some();
                    found[at].paths.add(path.clone(), Change::between(old_leaf, new_leaf));
                }
                let nothing = Tree::new();
                let (old_tree, new_tree) = (old_tree.unwrap_or(&nothing), new_tree.unwrap_or(&nothing));
                next.extend(
                    changed_names(old_tree, new_tree)
                        .map(|(name, old, new)| (at, format!("{path}/{}", String::from_utf8_lossy(name)), old, new)),
                );
            }
            level = next;
        }
        Ok(found)
    }
}

/// The names at which two trees differ, with what each has there.
pub(super) fn changed_names<'t>(
    old: &'t Tree,
    new: &'t Tree,
) -> impl Iterator<Item = (&'t [u8], Option<Entry>, Option<Entry>)> {
    let gone = old.iter().filter(|(name, _)| !new.contains_key(*name)).map(|(name, was)| (name, Some(*was), None));
    let here = new.iter().map(|(name, is)| (name, old.get(name).copied(), Some(*is)));
    gone.chain(here).filter(|(_, was, is)| was != is).map(|(name, was, is)| (name.as_slice(), was, is))
}
