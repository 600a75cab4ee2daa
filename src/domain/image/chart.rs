//! Charts of the tree: which folders they are, what stands in them, and what they deploy with the values that they are given.

use std::collections::{BTreeSet, HashSet};

use super::Confidence;
use super::actions;
use super::node::{At, Node};
use super::sink::{Hit, Sink};
use super::tree::{self, Tree};
use super::{helm, patch, reference, template, text};

/// The folders of charts, those left out that another one has as its parts.
pub(super) fn folders(tree: &Tree<'_>) -> BTreeSet<String> {
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

/// Whether a path is a part of one of these charts, and nothing that only stands in its folder.
pub(super) fn is_part(charts: &BTreeSet<String>, path: &str) -> bool {
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

// Deepest nesting of charts, and what it costs to look into one, where a look at a path costs 1.
const MAX_DEPTH: usize = 5;
const COST: usize = 1000;

/// A chart of the tree: its values under those that it is given, what its templates say, and the charts that it consists of.
pub(super) fn find(tree: &Tree<'_>, folder: &str, given: Option<&Node>, sink: &mut Sink) {
    within(tree, folder, given, sink, 0);
}

fn within(tree: &Tree<'_>, folder: &str, given: Option<&Node>, sink: &mut Sink, depth: usize) {
    let path = |name: &str| if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
    let docs = |name: &str| tree.number(&path(name)).into_iter().flat_map(|file| tree.docs(file));
    let own = docs("values.yaml").next().map(|doc| (**doc).clone());
    let all = patch::layered(own.iter().chain(given).cloned());
    let all = all.unwrap_or_else(|| Node::nothing(At { file: 0, line: 1 }));
    let mut own_hits = Sink::default();
    helm::values(&all, &mut own_hits);
    let mut own_hits = own_hits.hits();
    let templates = template::images(tree, folder, &all);
    // What a template says of a value is what it is for, if no other template may say something else.
    if templates.open.is_empty() {
        let said: HashSet<At> = templates.hits.iter().flat_map(|hit| &hit.places).copied().collect();
        own_hits.retain(|hit| !hit.places.iter().any(|at| said.contains(at)));
    }
    own_hits.extend(templates.hits);
    if own_hits.is_empty() {
        // Values of no shape that is known: the lines say at least where.
        own_hits.extend(templates.open.into_iter().map(|open| open.hit));
    } else if !templates.open.is_empty() {
        tagged(tree, folder, &all, &mut own_hits);
        let beside: Vec<Hit> =
            templates.open.into_iter().filter(|open| open.is_beside(&own_hits)).map(|open| open.hit).collect();
        own_hits.extend(beside);
    }
    own_hits.into_iter().for_each(|hit| sink.push(hit));
    for (file, name) in tree.below(folder) {
        let rest = name.get(path("").len()..).unwrap_or_default();
        let is_values = !rest.contains('/') && rest.contains("values") && rest != "values.yaml" && given.is_none();
        if is_values && (rest.ends_with(".yaml") || rest.ends_with(".yml")) {
            for doc in tree.docs(file) {
                patch::layered(own.iter().chain([&**doc]).cloned()).iter().for_each(|all| helm::values(all, sink));
            }
        } else if rest.strip_prefix("charts/").is_some_and(|rest| rest.ends_with(".tgz") && !rest.contains('/')) {
            sink.closed(rest, Confidence::Opaque, vec![At { file, line: 1 }], helm::UNSEEN);
        } else if rest.split('/').any(|part| part == "templates") && !rest.ends_with("/NOTES.txt") {
            let said = actions::without_comments(&String::from_utf8_lossy(tree.bytes(file)));
            text::scan(said.as_bytes(), file, 1).into_iter().for_each(|hit| sink.push(hit));
            let base = rest.rsplit('/').next().unwrap_or_default();
            for line in actions::whole(&said).into_iter().filter(|_| !base.starts_with('_')) {
                let note = "a template writes it whole, and what that is is not looked at";
                sink.closed(rest, Confidence::Opaque, vec![At { file, line }], note);
            }
            for (line, kind) in text::deployers(tree.bytes(file)) {
                let note = "a template makes it, and what it deploys is not looked at";
                sink.closed(kind, Confidence::Opaque, vec![At { file, line }], note);
            }
        }
    }
    let mut parts: BTreeSet<(String, String)> = BTreeSet::new();
    let mut named: HashSet<&str> = HashSet::new();
    for doc in docs("Chart.yaml").chain(docs("requirements.yaml")) {
        for entry in doc.get("dependencies").into_iter().flat_map(Node::items) {
            let name = entry.str_at(&["name"]);
            let none = Node::text(entry.at, "");
            let url = entry.get("repository").unwrap_or(&none);
            let repository = url.as_str().unwrap_or_default();
            let beside = repository.strip_prefix("file://").and_then(|there| tree::join(folder, there));
            let packed = Some(path(&format!("charts/{name}"))).filter(|folder| tree.has_folder(folder));
            let key = Some(entry.str_at(&["alias"])).filter(|alias| !alias.is_empty()).unwrap_or(name);
            named.insert(name);
            if let Some(folder) = packed.or(beside.filter(|folder| tree.has_folder(folder))) {
                let is_off = !entry.str_at(&["condition"]).is_empty() && all.get(key).is_some_and(helm::is_off);
                parts.extend((!is_off).then(|| (folder, key.to_owned())));
                continue;
            }
            let at = entry.get("name").unwrap_or(entry);
            if repository.is_empty() || repository.starts_with("file:") {
                sink.closed(name, Confidence::Opaque, at.places().collect(), helm::UNSEEN);
                continue;
            }
            helm::chart(url, name, entry.get("version"), at, sink);
            sink.closed(name, Confidence::Opaque, at.places().collect(), helm::UNSEEN);
        }
    }
    let inner = tree.below(&path("charts")).filter_map(|(_, name)| {
        let name = name.get(path("charts/").len()..)?.strip_suffix("/Chart.yaml")?;
        (!name.contains('/') && !named.contains(name)).then(|| (path(&format!("charts/{name}")), name.to_owned()))
    });
    parts.extend(inner);
    for (folder, key) in parts {
        let at = At { file: tree.number(&path("Chart.yaml")).unwrap_or_default(), line: 1 };
        if depth >= MAX_DEPTH || !tree.spend(COST, at) {
            sink.closed(&folder, Confidence::Unreadable, vec![at], "charts within charts, which are too many");
            continue;
        }
        let mut given = all.get(&key).cloned().unwrap_or_else(|| Node::nothing(at));
        all.get("global").into_iter().for_each(|global| given.set("global", global.clone()));
        within(tree, &folder, Some(&given), sink, depth + 1);
    }
}

// Tags that helpers of a chart put where an image has none: the one for all images, or else, for its one image, the
// version of what it deploys.
fn tagged(tree: &Tree<'_>, folder: &str, values: &Node, hits: &mut [Hit]) {
    let path = |name: &str| if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
    let mut open: Vec<&mut Hit> = hits.iter_mut().filter(|hit| hit.note.as_deref() == Some(helm::NO_TAG)).collect();
    let is_looked_at = |what: &[u8]| {
        let mut templates = tree.below(&path("templates"));
        templates.any(|(file, _)| tree.bytes(file).windows(what.len()).any(|part| part == what))
    };
    let global = values.get("global").and_then(|global| helm::scalar(global, "imageTag"));
    let version = tree.number(&path("Chart.yaml")).and_then(|file| tree.docs(file).first()?.get("appVersion"));
    let (tag, note) = match (global, version) {
        _ if open.is_empty() => return,
        (Some(tag), _) if is_looked_at(b"global.imageTag") => (tag, "the tag is the one for all images"),
        (_, Some(tag)) if open.len() == 1 && is_looked_at(b".Chart.AppVersion") => {
            (tag, "the version in Chart.yaml is its tag")
        }
        _ => return,
    };
    for hit in &mut open {
        let whole = format!("{}:{}", hit.reference.trim_end_matches(":?"), tag.as_str().unwrap_or_default());
        let Some(known) = reference::normalise(&whole) else { continue };
        (hit.reference, hit.confidence) = (known.text, Confidence::Inferred);
        hit.places.extend(tag.places());
        hit.note = Some(note.to_owned());
    }
}
