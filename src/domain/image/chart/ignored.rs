//! What of a chart's files Helm does not see.

use super::super::{Confidence, node::At, sets, sink::Sink, tree, tree::Tree};
use super::{BYTES, within};

/// Tells of the first pattern by which Helm does not see values, templates or parts that are in a chart's folder.
pub(super) fn ignored(tree: &Tree<'_>, folder: &str, sink: &mut Sink) {
    let Some(file) = tree.number(&within(folder, ".helmignore")) else { return };
    let text = String::from_utf8_lossy(tree.bytes(file)).into_owned();
    let prefix = within(folder, "").len();
    let names: Vec<&str> = tree
        .below(folder)
        .filter_map(|(_, name)| name.get(prefix..))
        .filter(|name| is_needed(name))
        .take(MAX_NAMES)
        .collect();
    for (line, pattern) in (1..).zip(text.lines()) {
        let (at, pattern) = (At { file, line }, pattern.trim());
        if pattern.is_empty() || pattern.starts_with('#') {
            continue;
        }
        if !tree.spend(names.len() * (COMPARED + pattern.len() / BYTES), at) {
            return;
        }
        // What is not like one of these is taken out.
        let is_out = pattern.starts_with('!') || names.iter().any(|name| is_like(name, pattern));
        if is_out {
            sink.closed(pattern, Confidence::Opaque, vec![at], "Helm does not see what of the chart is like it");
            return;
        }
    }
}

// What it costs to compare a name, where a look at a path costs 1.
const COMPARED: usize = 8;
// Most files of a chart that are compared with what it leaves out.
const MAX_NAMES: usize = 2000;

// Whether other things are deployed without a file: values, helpers, and what says that something is a chart.
fn is_needed(name: &str) -> bool {
    let base = tree::base_of(name);
    let is_of_part = name.starts_with("charts/") || !name.contains('/');
    (is_of_part && matches!(base, "values.yaml" | "Chart.yaml" | "requirements.yaml"))
        || (format!("/{name}").contains("/templates/") && (base.ends_with(".tpl") || base.starts_with('_')))
        || name.strip_prefix("templates/").is_some_and(|rest| !rest.contains('/') && base != "NOTES.txt")
}

// Whether a file, or a folder above it, is like a pattern of names.
fn is_like(name: &str, pattern: &str) -> bool {
    let bare = pattern.trim_end_matches('/');
    let is_path = bare.contains('/');
    let ends = name.match_indices('/').map(|(at, _)| at);
    let folders = ends.filter_map(|at| name.get(..at));
    let all = folders.chain((bare.len() == pattern.len()).then_some(name));
    // Sets of characters may have any of them.
    let pattern =
        bare.find(['[', '\\']).and_then(|at| bare.get(..at)).map_or(bare.to_owned(), |head| format!("{head}*"));
    all.into_iter().any(|path| sets::is_glob(&pattern, if is_path { path } else { tree::base_of(path) }))
}
