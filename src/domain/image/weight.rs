//! What it costs to look into a chart: what it consists of is read anew for everybody who uses it.

use std::collections::HashMap;

use super::chart::{self, COST, MAX_DEPTH};
use super::tree::{self, Tree};

// What each byte of a chart's templates and of its values costs.
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
    let mut weight = COST;
    for (file, name) in tree.below(folder) {
        let rest = name.get(folder.len()..).unwrap_or_default();
        let base = tree::base_of(rest);
        if base.contains("values") {
            weight += BYTE * tree.docs(file).iter().map(|doc| doc.weight()).sum::<usize>();
        } else if rest.split('/').any(|part| part == "templates") {
            weight += BYTE * tree.bytes(file).len();
        }
    }
    let beside = chart::dependencies(tree, folder).filter_map(|entry| chart::beside(entry, folder));
    for beside in beside.filter(|beside| depth < MAX_DEPTH && tree.has_folder(beside)) {
        weight = weight.saturating_add(within(tree, &beside, depth + 1, known));
    }
    known.insert(key, weight);
    weight
}
