//! What of objects nobody can see: parts that variables, inputs and keys make that are not in the tree, and what they decide.

use super::node::{Node, Trust, Value};
use super::sink::{self, Sink};
use super::substitute::UNKNOWN;
use super::{Confidence, flux, helm, pod, reference, workload};

const PART: &str = "a part of an object that somebody fills in";
const KIND: &str = "variables that cannot be seen say what it is";
const OTHER: &str = "variables that cannot be seen may say something else here";

// What is no text but where somebody makes it of one.
const PARTS: &[&str] = &[
    "chart",
    "components",
    "containers",
    "ephemeralContainers",
    "images",
    "initContainers",
    "items",
    "jobTemplate",
    "patches",
    "podSpec",
    "podTemplate",
    "postBuild",
    "postRenderers",
    "sidecars",
    "spec",
    "steps",
    "substitute",
    "substituteFrom",
    "targetPath",
    "tasks",
    "template",
    "values",
    "valuesFrom",
    "volumes",
];
// What stands beside a chart that is a text anyway.
const BESIDE_CHART: &[&str] = &["repoURL", "repository", "sourceRef", "targetRevision", "version"];

/// Tells of the parts of an object that are wholly unknown, and of an object of which nobody knows what it is.
pub(super) fn tell(object: &Node, sink: &mut Sink) {
    let (kind, group) = (object.kind(), object.group());
    let said = ["kind", "apiVersion"].into_iter().filter_map(|key| object.get(key));
    if let Some(said) = said.into_iter().find(|said| said.trust == Trust::Unresolved) {
        sink.closed(said.as_str().unwrap_or_default(), Confidence::Opaque, said.places().collect(), KIND);
    }
    let is_data = group.is_empty() && matches!(kind, "ConfigMap" | "Secret");
    if kind.is_empty() || is_data || workload::is_silent(kind, group) {
        return;
    }
    let note = if pod::path(kind, group).is_some() { pod::FILLED_IN } else { PART };
    Holes { note, is_set: kind == "ResourceSet" }.look(object, "", sink);
    decided(object).into_iter().for_each(|node| {
        let text = node.as_str().filter(|text| !text.contains(char::is_whitespace)).unwrap_or("patch");
        sink.closed(text, Confidence::Opaque, node.places().collect(), OTHER);
    });
}

struct Holes {
    note: &'static str,
    is_set: bool,
}

impl Holes {
    fn look(&self, node: &Node, key: &str, sink: &mut Sink) {
        match &node.value {
            Value::Text(text, _)
                if is_hole(node, text) && (PARTS.contains(&key) || (self.is_set && key == "resources")) =>
            {
                sink.closed(text, Confidence::Unresolved, node.places().collect(), self.note);
            }
            Value::Text(text, _) if helm::is_image_key(key) => {
                let is_open = node.trust == Trust::Unresolved && text.contains(UNKNOWN);
                if is_hole(node, text) || (is_open && !sink::is_plausible(&reference::filled(text))) {
                    sink.image(node, Trust::Inferred);
                }
            }
            // What a set makes of these is looked at by itself.
            Value::List(_) if self.is_set && key == "resources" => {}
            Value::List(items) => items.iter().for_each(|item| self.look(item, key, sink)),
            Value::Map(entries) if !is_surely_off(node) => {
                let is_of_chart = || BESIDE_CHART.iter().any(|beside| node.get(beside).is_some());
                for (name, child) in entries {
                    let is_silent = workload::SILENT_KEYS.contains(&&**name) || (key.is_empty() && &**name == "status");
                    if is_silent || (&**name == "chart" && is_of_chart()) {
                        continue;
                    }
                    if child.trust == Trust::Unresolved && name.contains(UNKNOWN) {
                        sink.closed(name, Confidence::Unresolved, child.places().collect(), self.note);
                    }
                    self.look(child, name, sink);
                }
            }
            _ => {}
        }
    }
}

// Whether nothing is known of a text.
fn is_hole(node: &Node, text: &str) -> bool {
    let text = text.trim();
    let is_unknown =
        || node.trust == Trust::Unresolved && !text.is_empty() && text.chars().all(|c| UNKNOWN.contains(c));
    text.starts_with("ENC[") || (text.starts_with("<<") && text.ends_with(">>")) || is_unknown()
}

fn is_surely_off(node: &Node) -> bool {
    helm::is_off(node) && node.get("enabled").is_some_and(|word| word.trust == Trust::Certain)
}

// The first text of an order to Flux that decides on what is built, and that something unknown may change.
fn decided(object: &Node) -> Option<&Node> {
    let spec = object.get("spec")?;
    if flux::is_kustomization(object) {
        let path = spec.get("path").filter(|path| path.trust == Trust::Inferred);
        let build = spec.get("postBuild").map(|build| list(build, "substituteFrom")).unwrap_or_default();
        return path.or_else(|| changed(spec)).or_else(|| build.iter().find_map(doubted));
    }
    if object.kind() != "HelmRelease" {
        return None;
    }
    let chart = spec.at_path(&["chart", "spec", "chart"]).filter(|chart| chart.trust == Trust::Inferred);
    let layers = list(spec, "postRenderers").iter().filter_map(|one| one.get("kustomize"));
    chart
        .or_else(|| list(spec, "valuesFrom").iter().find_map(doubted))
        .or_else(|| layers.into_iter().find_map(changed))
        .or_else(|| spec.get("values").and_then(switched))
}

fn list<'n>(of: &'n Node, key: &str) -> &'n [Node] {
    of.get(key).map(Node::items).unwrap_or_default()
}

// What of patches, images and components is in doubt.
fn changed(layer: &Node) -> Option<&Node> {
    // What a patch says is seen by what it makes; not so where that stands.
    let is_lost = |text: &str| text.lines().any(|line| line.contains("path") && line.contains(UNKNOWN));
    let lost = |patch: &Node| patch.as_str().is_some_and(is_lost);
    let patches = list(layer, "patches")
        .iter()
        .flat_map(|entry| [entry.get("target"), entry.get("patch").filter(|patch| lost(patch))]);
    let names = list(layer, "images").iter().map(|entry| entry.get("name"));
    patches.chain(names).flatten().chain(list(layer, "components")).find_map(doubted)
}

// The first text within a node that may be another one.
fn doubted(node: &Node) -> Option<&Node> {
    match &node.value {
        Value::Text(..) => Some(node).filter(|node| node.trust != Trust::Certain),
        Value::List(items) => items.iter().find_map(doubted),
        Value::Map(entries) => entries.iter().find_map(|(_, child)| doubted(child)),
        Value::Null => None,
    }
}

// What switches a part of values off, but perhaps not.
fn switched(node: &Node) -> Option<&Node> {
    if helm::is_off(node) && !is_surely_off(node) {
        return node.get("enabled");
    }
    node.items().iter().chain(node.entries().iter().map(|(_, child)| child)).find_map(switched)
}
