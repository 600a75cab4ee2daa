//! What it costs to look into a chart: what it consists of is read anew for everybody who uses it.

use std::collections::HashMap;

use super::node::Node;
use super::tree::{self, Tree};

// Deepest nesting of charts that are looked into.
const MAX_DEPTH: usize = 5;
// What a chart costs that has nothing in it, and each byte of its templates and of its values.
const CHART: usize = 1000;
const BYTE: usize = 4;

/// What is said of a chart for which there was no room.
pub(super) const MUCH: &str = "the charts of the tree take more looks than are taken";

/// What a chart costs, with those that it has beside it, each as often as it is read.
pub(super) fn chart(tree: &Tree<'_>, folder: &str) -> usize {
    within(tree, folder, 0, &mut HashMap::new())
}

fn within(tree: &Tree<'_>, folder: &str, depth: usize, known: &mut HashMap<(String, usize), usize>) -> usize {
    let key = (folder.to_owned(), depth);
    if let Some(weight) = known.get(&key) {
        return *weight;
    }
    let mut weight = CHART;
    for (file, name) in tree.below(folder) {
        let rest = name.get(folder.len()..).unwrap_or_default();
        let base = rest.rsplit('/').next().unwrap_or_default();
        if base.contains("values") {
            weight += BYTE * tree.docs(file).iter().map(|doc| doc.weight()).sum::<usize>();
        } else if rest.split('/').any(|part| part == "templates") {
            weight += BYTE * tree.bytes(file).len();
        }
    }
    let path = |name: &str| tree::join(folder, name).and_then(|path| tree.number(&path));
    let docs = ["Chart.yaml", "requirements.yaml"].into_iter().filter_map(path).flat_map(|file| tree.docs(file));
    for entry in docs.filter_map(|doc| doc.get("dependencies")).flat_map(Node::items).filter(|_| depth < MAX_DEPTH) {
        let beside = entry.str_at(&["repository"]).strip_prefix("file://").and_then(|there| tree::join(folder, there));
        if let Some(beside) = beside.filter(|beside| tree.has_folder(beside)) {
            weight = weight.saturating_add(within(tree, &beside, depth + 1, known));
        }
    }
    known.insert(key, weight);
    weight
}
