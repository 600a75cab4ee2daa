//! The environment that a tree is looked at for: which folders it builds, and whose word is taken for how it builds them.

use super::tree::{self, Tree};
use crate::domain::id::BranchName;
use crate::domain::policy::PathPatterns;
use crate::domain::url::RepoUrl;

/// An environment, as its policy and its own files tell of it.
#[derive(Clone, Copy)]
pub struct Environment<'a> {
    /// Its repository: what others hold under the paths of this one is not the same.
    pub repository: &'a RepoUrl,
    /// Its branch: what others hold of it is not the same.
    pub branch: &'a BranchName,
    /// The folders that it builds; empty: all.
    pub roots: &'a PathPatterns,
    /// Whether a file is the environment's own, and no part of what is judged.
    pub is_own: &'a dyn Fn(&str) -> bool,
}

impl Environment<'_> {
    /// Whether it builds a folder of which only what is judged says how: all of them if no policy says which; else those
    /// that stand in a folder of the policy's, if that has nothing of its own that says what of it is built.
    pub(super) fn may_build(&self, tree: &Tree<'_>, folder: &str) -> bool {
        let mut above = folder;
        loop {
            if self.roots.is_empty() || self.roots.matches(above) {
                return above == folder || tree.kustomization(above).is_none();
            }
            if above.is_empty() {
                return false;
            }
            above = tree::folder_of(above);
        }
    }
}

/// Whether patterns are for a folder, or for one above it; without a pattern for every one.
pub(super) fn is_gated(roots: &PathPatterns, folder: &str) -> bool {
    let above = |(at, _)| roots.matches(folder.get(..at).unwrap_or(folder));
    roots.is_empty() || roots.matches(folder) || folder.match_indices('/').any(above)
}
