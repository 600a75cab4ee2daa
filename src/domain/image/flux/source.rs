//! Where in the tree the sources of Flux and the artifacts that are made of them are.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::super::{index::Index, node::At, node::Node, substitute, tree, tree::Tree};
use super::is_kustomization;
use crate::domain::path::is_within;

/// The folder that a Kustomization builds, if it is in the tree.
pub(in super::super) fn folder(tree: &Tree<'_>, index: &Index, object: &Node) -> Option<String> {
    let path = path(object)?;
    if object.str_at(&["spec", "sourceRef", "kind"]) == "ExternalArtifact" {
        let name = object.str_at(&["spec", "sourceRef", "name"]);
        return index.all("ArtifactGenerator").find_map(|generator| copied(generator, name, &path, (tree, index)));
    }
    here(path, &source(object), tree, index)
}

/// The path that a Kustomization builds, in its source: what is not filled in where it is seen is what it is by default.
pub(super) fn path(object: &Node) -> Option<String> {
    tree::join("", &substitute::by_default(object.str_at(&["spec", "path"])))
}

// Where a path of a source is in the tree.
fn here(path: String, source: &str, tree: &Tree<'_>, index: &Index) -> Option<String> {
    // Every tree has a root, and so it says nothing of the source.
    if tree.has_folder(&path) && !path.is_empty() {
        return Some(path);
    }
    let below = tree::join(index.prefix(source)?, &path)?;
    tree.has_folder(&below).then_some(below)
}

/// What a Kustomization names as its source.
pub(super) fn source(object: &Node) -> String {
    object.at_path(&["spec", "sourceRef"]).map(source_of).unwrap_or_default()
}

fn source_of(named: &Node) -> String {
    format!("{}/{}", named.str_at(&["kind"]), named.str_at(&["name"]))
}

/// Where in the tree sources begin.
#[derive(Default)]
pub(in super::super) struct Prefixes {
    /// The folder of each.
    pub(in super::super) found: HashMap<String, String>,
    /// The folders of which nobody can tell which one it is.
    pub(in super::super) tied: HashMap<String, Vec<String>>,
}

/// The folders of the tree at which sources begin. It is the root for one of whose other paths some are there, for Flux's
/// own and for none; else the one folder below which most of its paths are, if these are two at least: an artifact may have
/// been made of a folder.
pub(in super::super) fn prefixes(tree: &Tree<'_>, is_own: &dyn Fn(&str) -> bool) -> Prefixes {
    let mut tied: HashMap<String, Vec<String>> = HashMap::new();
    let mut found: HashMap<String, String> =
        ["", "GitRepository/flux-system", "OCIRepository/flux-system", "Bucket/flux-system"]
            .map(|own| (own.to_owned(), String::new()))
            .into();
    let mut lost: HashMap<String, BTreeMap<String, At>> = HashMap::new();
    let docs = || {
        let files = tree.all().map(|(file, name)| (tree.docs(file), is_own(name)));
        // What an artifact that is put together here has is known.
        let is_asked = |doc: &&Arc<Node>| {
            is_kustomization(doc) && doc.str_at(&["spec", "sourceRef", "kind"]) != "ExternalArtifact"
        };
        files.flat_map(move |(docs, is_own)| docs.iter().filter(is_asked).map(move |doc| (doc, is_own)))
    };
    // Where the environment itself speaks of a source, nobody else is asked.
    let told: HashSet<String> = docs().filter(|(_, is_own)| *is_own).map(|(doc, _)| source(doc)).collect();
    for (doc, _) in docs().filter(|(doc, is_own)| *is_own || !told.contains(&source(doc))) {
        match path(doc) {
            Some(path) if path.is_empty() => {}
            Some(path) if tree.has_folder(&path) => drop(found.insert(source(doc), String::new())),
            Some(path) => drop(lost.entry(source(doc)).or_default().insert(path, doc.at)),
            None => {}
        }
    }
    let mut folders: HashMap<&str, Vec<&str>> = HashMap::new();
    for folder in tree.all_folders() {
        folders.entry(tree::base_of(folder)).or_default().push(folder);
    }
    for (source, paths) in lost {
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for (path, at) in &paths {
            let alike = folders.get(tree::base_of(path)).map(Vec::as_slice).unwrap_or_default();
            if !tree.spend(alike.len(), *at) {
                break;
            }
            let above = alike.iter().filter_map(|folder| folder.strip_suffix(path.as_str())?.strip_suffix('/'));
            above.for_each(|prefix| *votes.entry(prefix).or_default() += 1);
        }
        let most = votes.values().copied().max().unwrap_or_default();
        let best: Vec<&str> = votes.into_iter().filter(|(_, votes)| *votes == most).map(|(prefix, _)| prefix).collect();
        match best.as_slice() {
            [prefix] if most > 1 => drop(found.insert(source, (*prefix).to_owned())),
            [_, ..] if most > 1 => drop(tied.insert(source, best.into_iter().map(str::to_owned).collect())),
            _ => {}
        }
    }
    Prefixes { found, tied }
}

// The artifacts of a name that a generator makes.
fn artifacts<'g>(generator: &'g Node, name: &str) -> impl Iterator<Item = &'g Node> {
    let all = generator.at_path(&["spec", "artifacts"]).into_iter().flat_map(Node::items);
    all.filter(move |artifact| artifact.str_at(&["name"]) == name)
}

/// Whether a generator makes the artifact that somebody names.
pub(super) fn makes(generator: &Node, source: &Node) -> bool {
    source.str_at(&["kind"]) == "ExternalArtifact" && artifacts(generator, source.str_at(&["name"])).next().is_some()
}

/// The copies of an artifact of which more than one may be what a Kustomization builds.
pub(super) fn several<'g>(generator: &'g Node, object: &Node) -> Option<&'g Node> {
    let path = path(object)?;
    let copies = artifacts(generator, object.str_at(&["spec", "sourceRef", "name"])).next()?.get("copy")?;
    let is_below = |inner: &str, outer: &str| outer.is_empty() || is_within(inner, outer);
    let is_near = |rule: &&Node| {
        let to = rule.str_at(&["to"]).strip_prefix("@artifact").unwrap_or_default();
        tree::join("", to).is_none_or(|to| is_below(&to, &path) || is_below(&path, &to))
    };
    (copies.items().iter().filter(is_near).count() > 1).then_some(copies)
}

// Where a path of an artifact that is put together from the tree comes from.
fn copied(generator: &Node, name: &str, path: &str, (tree, index): (&Tree<'_>, &Index)) -> Option<String> {
    let sources = generator.at_path(&["spec", "sources"]).map(Node::items).unwrap_or_default();
    for copy in artifacts(generator, name).filter_map(|artifact| artifact.get("copy")) {
        for rule in copy.items() {
            let (alias, from) = rule.str_at(&["from"]).strip_prefix('@')?.split_once('/')?;
            let to = rule.str_at(&["to"]).strip_prefix("@artifact")?.trim_matches('/');
            let from = from.trim_end_matches("**").trim_end_matches('/');
            let rest = if to.is_empty() { Some(path) } else { path.strip_prefix(to) };
            let Some(found) = rest.and_then(|rest| tree::join(from, rest.trim_start_matches('/'))) else { continue };
            let source = sources.iter().find(|source| source.str_at(&["alias"]) == alias);
            if let Some(found) = source.map(source_of).and_then(|source| here(found, &source, tree, index)) {
                return Some(found);
            }
        }
    }
    None
}
