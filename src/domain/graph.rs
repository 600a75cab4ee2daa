//! Commits and their parents, without trees: first-parent chains, ancestry, merge bases.

use std::collections::{HashMap, HashSet};

use super::id::{CommitId, TreeId};

/// A commit without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its root tree.
    pub tree: TreeId,
    /// Committer time, seconds since 1970.
    pub time: i64,
    /// Its parents, the first one first.
    pub parents: Vec<CommitId>,
}

/// A set of commits that is closed under ancestry, unless the repository is shallow.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    /// Every commit.
    pub nodes: HashMap<CommitId, Node>,
    /// Whether the server's own history is cut off: then it may say yes, never no.
    pub shallow: bool,
}

impl Graph {
    /// The first-parent chain from `tip`, newest first.
    pub fn first_parents(&self, tip: CommitId) -> impl Iterator<Item = (CommitId, &Node)> {
        let mut next = Some(tip);
        std::iter::from_fn(move || {
            let id = next?;
            let node = self.nodes.get(&id)?;
            next = node.parents.first().copied();
            Some((id, node))
        })
    }

    /// For each merge on the first-parent chain of `tip`, the commits that came with it by its other parents.
    pub fn brought(&self, tip: CommitId) -> HashMap<CommitId, Vec<CommitId>> {
        let mut chain: Vec<(CommitId, &Node)> = self.first_parents(tip).collect();
        chain.reverse();
        let mut seen: HashSet<CommitId> = HashSet::new();
        let mut found = HashMap::new();
        for (id, node) in chain {
            seen.insert(id);
            let mut todo: Vec<CommitId> = node.parents.iter().skip(1).copied().collect();
            let mut came = Vec::new();
            while let Some(other) = todo.pop() {
                let Some(node) = self.nodes.get(&other) else { continue };
                if seen.insert(other) {
                    came.push(other);
                    todo.extend(&node.parents);
                }
            }
            if !came.is_empty() {
                found.insert(id, came);
            }
        }
        found
    }

    /// Whether `id` is on the first-parent chain of `tip`.
    pub fn is_on_chain(&self, id: CommitId, tip: CommitId) -> bool {
        self.first_parents(tip).any(|(commit, _)| commit == id)
    }

    /// All ancestors of `tip`, itself included.
    pub fn ancestors(&self, tip: CommitId) -> HashSet<CommitId> {
        let mut seen = HashSet::new();
        let mut todo = vec![tip];
        while let Some(id) = todo.pop() {
            let Some(node) = self.nodes.get(&id) else { continue };
            if seen.insert(id) {
                todo.extend(&node.parents);
            }
        }
        seen
    }

    /// Whether `old` is `new` or an ancestor of it.
    pub fn is_ancestor(&self, old: CommitId, new: CommitId) -> bool {
        self.ancestors(new).contains(&old)
    }

    /// The best common ancestors of two commits: several where histories criss-cross.
    pub fn merge_bases(&self, a: CommitId, b: CommitId) -> Vec<CommitId> {
        let of_b = self.ancestors(b);
        let common: HashSet<CommitId> = self.ancestors(a).into_iter().filter(|id| of_b.contains(id)).collect();
        // The common ancestors are closed under ancestry, so one of them is best exactly when no other has it as parent.
        let covered: HashSet<CommitId> =
            common.iter().filter_map(|id| self.nodes.get(id)).flat_map(|node| node.parents.iter().copied()).collect();
        let mut best: Vec<CommitId> = common.difference(&covered).copied().collect();
        best.sort();
        best
    }

    /// The commits that `new` has and `old` lacks, newest first.
    pub fn missing(&self, old: Option<CommitId>, new: CommitId) -> Vec<CommitId> {
        let had = old.map(|old| self.ancestors(old)).unwrap_or_default();
        let mut list: Vec<CommitId> = self.ancestors(new).into_iter().filter(|id| !had.contains(id)).collect();
        let key = |id: &CommitId| self.nodes.get(id).map_or(0, |node| node.time);
        list.sort_by(|a, b| key(b).cmp(&key(a)).then(a.cmp(b)));
        list
    }

    /// The first-parent commits of `tip` that come after `base` (exclusive), newest first.
    pub fn chain_after(&self, base: CommitId, tip: CommitId) -> Vec<CommitId> {
        let had = self.ancestors(base);
        self.first_parents(tip).map(|(id, _)| id).take_while(|id| !had.contains(id)).collect()
    }
}
