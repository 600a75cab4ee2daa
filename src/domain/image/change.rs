//! What changes in images from one tree to another.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Images, reference};
use crate::domain::policy::PathPatterns;

/// The references of each root and object.
pub type Workloads = BTreeMap<(String, String), BTreeSet<String>>;

/// One image of one object that comes, goes or gives way to another one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Change {
    /// The folder that the environment builds.
    pub root: String,
    /// Kind, namespace and name of the object.
    pub workload: String,
    /// What goes.
    pub old: Option<String>,
    /// What comes.
    pub new: Option<String>,
}

impl Change {
    /// Whose image it is; not escaped yet.
    pub fn whose(&self) -> String {
        let root = if self.root == "-" { String::new() } else { format!(" in {}", self.root) };
        format!("{}{root}", self.workload)
    }
}

/// What changes, of these roots.
pub fn changes(old: &Images, new: &Images, roots: &PathPatterns) -> Vec<Change> {
    let known: BTreeSet<&str> = old.roots(roots).into_iter().chain(new.roots(roots)).collect();
    let keys: BTreeSet<&(String, String)> = old.workloads.keys().chain(new.workloads.keys()).collect();
    let nothing = BTreeSet::new();
    let mut found = Vec::new();
    for key in keys.into_iter().filter(|(root, _)| known.contains(root.as_str())) {
        let (was, is) = (old.workloads.get(key).unwrap_or(&nothing), new.workloads.get(key).unwrap_or(&nothing));
        let mut gone: Vec<&String> = was.difference(is).collect();
        let mut rest = Vec::new();
        let mut push = |old: Option<&String>, new: Option<&String>| {
            let (root, workload) = key.clone();
            found.push(Change { root, workload, old: old.cloned(), new: new.cloned() });
        };
        let name = |text: &str| reference::split(text).0.to_owned();
        // The same repository first, then the same name in another one.
        for new in is.difference(was) {
            match gone.iter().position(|old| name(old) == name(new)) {
                Some(at) => push(Some(gone.remove(at)), Some(new)),
                None => rest.push(new),
            }
        }
        let last = |text: &str| name(text).rsplit('/').next().unwrap_or_default().to_owned();
        for new in rest {
            let old = gone.iter().position(|old| last(old) == last(new)).map(|at| gone.remove(at));
            push(old, Some(new));
        }
        for old in gone {
            push(Some(old), None);
        }
    }
    found.sort();
    found
}
