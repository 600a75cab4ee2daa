//! Which folders of a tree are charts, and what a chart consists of besides its own files.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::super::{Confidence, helm, node::Node, node::Style, node::Value, patch, sink::Sink, tree, tree::Tree, yaml};

/// The folders of charts, those left out that another one has as its parts.
pub(in super::super) fn folders(tree: &Tree<'_>) -> BTreeSet<String> {
    let folders = tree.all().filter_map(|(_, name)| match name.strip_suffix("Chart.yaml") {
        Some(folder) if folder.is_empty() || folder.ends_with('/') => Some(folder.trim_end_matches('/').to_owned()),
        _ => None,
    });
    let mut charts: BTreeSet<String> = BTreeSet::new();
    for folder in folders {
        if !is_part(&charts, &folder) {
            charts.insert(folder);
        }
    }
    charts
}

/// Whether a folder is a chart, be it a part of another one.
pub(in super::super) fn is_one(tree: &Tree<'_>, folder: &str) -> bool {
    declaration(tree, folder).is_some()
}

/// Whether a path is a part of one of these charts, and nothing that only stands in its folder.
pub(in super::super) fn is_part(charts: &BTreeSet<String>, path: &str) -> bool {
    let mut parent = tree::folder_of(path);
    loop {
        if charts.contains(parent) {
            let rest = path.get(parent.len()..).unwrap_or_default().trim_start_matches('/');
            let is_own = match rest.split_once('/') {
                Some((folder, _)) => matches!(folder, "templates" | "charts" | "crds" | "ci"),
                None => rest.contains("values") || matches!(rest, "Chart.yaml" | "requirements.yaml"),
            };
            if is_own {
                return true;
            }
        }
        if parent.is_empty() {
            return false;
        }
        parent = tree::folder_of(parent);
    }
}

/// Charts that other charts of the tree bring along from beside them. Those that only bring along each other are none.
pub(in super::super) fn included(tree: &Tree<'_>, charts: &BTreeSet<String>) -> BTreeSet<String> {
    let named = |folder: &str| -> Vec<String> {
        let beside = dependencies(tree, folder).filter_map(|entry| beside(entry, folder));
        beside.filter(|path| charts.contains(path)).collect()
    };
    let all: HashMap<&String, Vec<String>> = charts.iter().map(|folder| (folder, named(folder))).collect();
    let named: HashSet<&String> = all.values().flatten().collect();
    let mut todo: Vec<&String> = charts.iter().filter(|folder| !named.contains(folder)).collect();
    let mut included = BTreeSet::new();
    while let Some(folder) = todo.pop() {
        for part in all.get(folder).into_iter().flatten() {
            if included.insert(part.clone()) {
                todo.push(part);
            }
        }
    }
    included
}

/// What a chart says that it consists of.
pub(in super::super) fn dependencies<'a>(tree: &'a Tree<'_>, folder: &str) -> impl Iterator<Item = &'a Node> {
    let files = ["Chart.yaml", "requirements.yaml"].map(|name| tree.number(&within(folder, name)));
    let docs = files.into_iter().flatten().flat_map(|file| tree.docs(file));
    docs.filter_map(|doc| doc.get("dependencies")).flat_map(Node::items)
}

/// Where a chart is that another one brings along from the same tree.
pub(in super::super) fn beside(entry: &Node, folder: &str) -> Option<String> {
    tree::join(folder, entry.str_at(&["repository"]).strip_prefix("file://")?)
}

/// The file that says what a chart is.
pub(super) fn declaration(tree: &Tree<'_>, folder: &str) -> Option<u32> {
    tree.number(&within(folder, "Chart.yaml"))
}

/// A path in a folder.
pub(super) fn within(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// A chart that another one consists of.
pub(super) struct Dependency<'a> {
    /// Where it is, if that is in the tree.
    pub(super) folder: Option<String>,
    /// Where its values are in those of the other.
    pub(super) key: String,
    /// What the other says of it; None: it only stands there.
    pub(super) entry: Option<&'a Node>,
}

/// The charts that a chart consists of: those that it names, and those that stand in its folder for them.
pub(super) fn parts<'a>(tree: &'a Tree<'_>, folder: &str) -> Vec<Dependency<'a>> {
    let prefix = within(folder, "charts/");
    let mut inner: Vec<(String, String)> = Vec::new();
    for (file, name) in tree.below(prefix.trim_end_matches('/')) {
        let there = name.get(prefix.len()..).and_then(|name| name.strip_suffix("/Chart.yaml"));
        if let Some(there) = there.filter(|there| !there.contains('/')) {
            // It is called as it says, whatever its folder is called.
            let own = tree.docs(file).first().map(|doc| doc.str_at(&["name"])).filter(|name| !name.is_empty());
            inner.push((own.unwrap_or(there).to_owned(), format!("{prefix}{there}")));
        }
    }
    let mut parts = Vec::new();
    let mut named: HashSet<&str> = HashSet::new();
    for entry in dependencies(tree, folder) {
        let name = entry.str_at(&["name"]);
        let packed: Vec<&String> = inner.iter().filter(|(own, _)| own == name).map(|(_, folder)| folder).collect();
        let key = Some(entry.str_at(&["alias"])).filter(|alias| !alias.is_empty()).unwrap_or(name).to_owned();
        named.insert(name);
        let there = beside(entry, folder).filter(|folder| tree.has_folder(folder));
        let folders = if packed.is_empty() { vec![there] } else { packed.into_iter().cloned().map(Some).collect() };
        parts.extend(folders.into_iter().map(|folder| Dependency { folder, key: key.clone(), entry: Some(entry) }));
    }
    let others = inner.into_iter().filter(|(name, _)| !named.contains(name.as_str()));
    parts.extend(others.map(|(key, folder)| Dependency { folder: Some(folder), key, entry: None }));
    parts
}

/// Whether the condition of a dependency says that it is not deployed: the first path that has a value decides.
pub(super) fn is_unwanted(entry: &Node, values: &Node) -> bool {
    // A blank after a comma is a part of the path for Helm, which then finds nothing.
    let paths = entry.str_at(&["condition"]).trim().split(',').filter(|path| !path.is_empty());
    // A key that is a word of YAML 1.1 is none that Helm finds.
    let step = |node: &'_ Node, step: &str| node.get(step).filter(|_| yaml::as_truth(step).is_none()).cloned();
    let told = paths.filter_map(|path| path.split('.').try_fold(values.clone(), |node, part| step(&node, part)));
    let mut words = told.filter_map(|node| match &node.value {
        Value::Text(text, Style::Plain) => yaml::as_truth(text),
        _ => None,
    });
    words.next() == Some(false)
}

// Most entries by which a chart takes values out of a part.
const MAX_IMPORTS: usize = 200;

/// The values that a chart takes out of those of a part of it, under its own.
pub(super) fn imported(tree: &Tree<'_>, part: &Dependency<'_>, values: &Node) -> Option<Node> {
    let entries = part.entry?.get("import-values")?.items();
    // Each may be as large as all values.
    if entries.len() > MAX_IMPORTS || !tree.spend(values.size() * (1 + entries.len()), values.at) {
        return None;
    }
    let own = tree.number(&within(part.folder.as_deref()?, "values.yaml")).and_then(|file| tree.docs(file).first());
    let inner = patch::layered(own.map(|doc| (**doc).clone()).into_iter().chain(values.get(&part.key).cloned()))?;
    let at = |path: &str| path.split('.').try_fold(&inner, |node, step| node.get(step)).cloned();
    let layers = entries.iter().filter_map(|entry| match entry.as_str() {
        Some(name) => at(&format!("exports.{name}")),
        None => {
            let (child, parent) = (at(entry.str_at(&["child"]))?, entry.str_at(&["parent"]));
            Some(if matches!(parent, "" | ".") { child } else { helm::nested(parent, child) })
        }
    });
    patch::layered(layers)
}

/// A chart that another one consists of, and that is not in the tree.
pub(super) fn unseen(entry: &Node, sink: &mut Sink) {
    let (name, none) = (entry.str_at(&["name"]), Node::text(entry.at, ""));
    let url = entry.get("repository").unwrap_or(&none);
    let repository = url.as_str().unwrap_or_default();
    let at = entry.get("name").unwrap_or(entry);
    if !repository.is_empty() && !repository.starts_with("file:") {
        helm::chart(url, name, entry.get("version"), at, sink);
    }
    sink.closed(name, Confidence::Opaque, at.places().collect(), helm::UNSEEN);
}
