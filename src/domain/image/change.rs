//! What changes in images from one tree to another.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Images, reference, tree};
use crate::domain::policy::PathPatterns;

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
    let (old, new) = (workloads(old, roots), workloads(new, roots));
    let keys: BTreeSet<&(&str, &str)> = old.keys().chain(new.keys()).collect();
    let nothing = BTreeSet::new();
    let mut found = Vec::new();
    for key in keys {
        let (was, is) = (old.get(key).unwrap_or(&nothing), new.get(key).unwrap_or(&nothing));
        let mut gone: Vec<&str> = was.difference(is).copied().collect();
        let mut rest = Vec::new();
        let mut push = |old: Option<&str>, new: Option<&str>| {
            let (root, workload) = (key.0.to_owned(), key.1.to_owned());
            found.push(Change { root, workload, old: old.map(str::to_owned), new: new.map(str::to_owned) });
        };
        let name = |text: &str| reference::split(text).0.to_owned();
        // The same repository first, then the same name in another one.
        for new in is.difference(was) {
            match gone.iter().position(|old| name(old) == name(new)) {
                Some(at) => push(Some(gone.remove(at)), Some(new)),
                None => rest.push(new),
            }
        }
        let last = |text: &str| tree::base_of(&name(text)).to_owned();
        let mut alone = Vec::new();
        for new in rest {
            match gone.iter().position(|old| last(old) == last(new)) {
                Some(at) => push(Some(gone.remove(at)), Some(new)),
                None => alone.push(new),
            }
        }
        // Where one goes and one comes, it gives way to the other, whatever they are called.
        if let ([old], [new]) = (gone.as_slice(), alone.as_slice()) {
            push(Some(old), Some(new));
            continue;
        }
        alone.into_iter().for_each(|new| push(None, Some(new)));
        gone.into_iter().for_each(|old| push(Some(old), None));
    }
    found.sort();
    found
}

// The references of each root and object.
fn workloads<'a>(images: &'a Images, roots: &PathPatterns) -> BTreeMap<(&'a str, &'a str), BTreeSet<&'a str>> {
    let builds = images.built(roots);
    let mut all: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    let is_it = |build: &usize| builds.contains(build) && !images.doubted.contains(build);
    for ((build, workload), references) in images.workloads.iter().filter(|((build, _), _)| is_it(build)) {
        let root = images.roots.get(*build).map(String::as_str).unwrap_or_default();
        all.entry((root, workload)).or_default().extend(references.iter().map(String::as_str));
    }
    all
}
