//! What the operator of Flux makes of a ResourceSet: its objects, once for each of the inputs that stand in it; and of a
//! FluxInstance: the order to build the folder that this syncs.

use std::collections::BTreeMap;

use super::node::{At, MAX_DEPTH, Node, Trust, Value, note};
use super::sink::Sink;
use super::substitute;
use super::text;
use super::{Confidence, evidence, yaml};

const GROUP: &str = "fluxcd.controlplane.io";
// What says what Flux builds, and from where.
const BUILT: &[&str] = &["Kustomization", "GitRepository", "OCIRepository", "Bucket"];
// Longest text that inputs are put into.
const MAX_TEXT: usize = 64 << 10;

/// Whether an object makes others.
pub(super) fn is_set(object: &Node) -> bool {
    object.group() == GROUP && (object.kind() == "ResourceSet" || is_instance(object))
}

fn is_instance(object: &Node) -> bool {
    object.kind() == "FluxInstance" && object.at_path(&["spec", "sync"]).is_some()
}

/// The objects that a set makes, as far as there is `room` for their nodes; and whether it makes more.
pub(super) fn objects(set: &Node, room: &mut usize) -> (Vec<Node>, bool) {
    if is_instance(set) {
        return (synced(set), false);
    }
    let list = |key: &str| set.at_path(&["spec", key]).map(Node::items).unwrap_or_default();
    let mut inputs: Vec<BTreeMap<String, &Node>> = list("inputs").iter().map(known).collect();
    // Others give more.
    if inputs.is_empty() || !list("inputsFrom").is_empty() {
        inputs.push(BTreeMap::new());
    }
    let mut made = Vec::new();
    for known in &inputs {
        for object in list("resources") {
            let Some(left) = room.checked_sub(object.size()) else { return (made, true) };
            *room = left;
            let mut object = object.clone();
            let before = object.size();
            fill(&mut object, known);
            *room = room.saturating_sub(object.size() - before.min(object.size()));
            // Inputs may be lists and mappings, and sets may make sets.
            if object.is_deeper(MAX_DEPTH) {
                return (made, true);
            }
            made.push(object);
        }
    }
    (made, false)
}

// The order to build what an instance syncs, and the source of that.
fn synced(instance: &Node) -> Vec<Node> {
    let Some(sync) = instance.at_path(&["spec", "sync"]) else { return Vec::new() };
    let text = |text: &str| Node::text(sync.at, text);
    let map = |entries: Vec<(&str, Node)>| {
        let entries = entries.into_iter().map(|(key, node)| (key.into(), node));
        Node::new(sync.at, Value::Map(entries.collect()))
    };
    let named = || map(vec![("name", text("flux-system")), ("namespace", text(instance.namespace()))]);
    let kind = Some(sync.str_at(&["kind"])).filter(|kind| !kind.is_empty()).unwrap_or("GitRepository");
    let reference = sync.str_at(&["ref"]);
    let reference = match reference.strip_prefix("refs/heads/") {
        Some(branch) => map(vec![("branch", text(branch))]),
        None => map(vec![("name", text(reference))]),
    };
    let path = sync.get("path").cloned().unwrap_or_else(|| text(""));
    let from = map(vec![("kind", text(kind)), ("name", text("flux-system"))]);
    let mut source = vec![("ref", reference)];
    source.extend(sync.get("url").cloned().map(|url| ("url", url)));
    let object = |api: &str, kind: &str, spec: Node| {
        map(vec![("apiVersion", text(api)), ("kind", text(kind)), ("metadata", named()), ("spec", spec)])
    };
    let order = map(vec![("path", path), ("sourceRef", from)]);
    let mut objects = vec![object("kustomize.toolkit.fluxcd.io/v1", "Kustomization", order)];
    // What others bring along is seen where the instance names it.
    if kind == "GitRepository" {
        objects.push(object("source.toolkit.fluxcd.io/v1", kind, map(source)));
    }
    objects
}

// Tells of what is put over the objects that the operator makes.
fn patched(instance: &Node, sink: &mut Sink) {
    let patches = instance.at_path(&["spec", "kustomize", "patches"]).into_iter().flat_map(Node::items);
    for entry in patches {
        let kind = entry.str_at(&["target", "kind"]);
        let is_other = !BUILT.contains(&kind) && !kind.is_empty() && kind.chars().all(char::is_alphabetic);
        let docs = entry.get("patch").map(yaml::within).map(|parsed| parsed.docs).unwrap_or_default();
        if !is_other && !docs.iter().all(is_idle) {
            let note = "it changes what the operator has Flux build, which is not followed";
            sink.closed("patch", Confidence::Opaque, entry.places().collect(), note);
        }
        docs.iter().flat_map(evidence::patched).for_each(|hit| sink.push(hit));
    }
}

// Whether a patch changes only what has no part in what is built.
fn is_idle(patch: &Node) -> bool {
    const IDLE: &[&str] = &[
        "certSecretRef",
        "decryption",
        "dependsOn",
        "force",
        "healthChecks",
        "interval",
        "proxySecretRef",
        "prune",
        "retryInterval",
        "secretRef",
        "serviceAccountName",
        "timeout",
        "wait",
    ];
    match &patch.value {
        Value::List(operations) => operations.iter().all(|operation| {
            let (from, path) = (operation.str_at(&["from"]), operation.str_at(&["path"]));
            let field = path.strip_prefix("/spec/").and_then(|rest| rest.split('/').next());
            from.is_empty() && (path.starts_with("/metadata/") || field.is_some_and(|field| IDLE.contains(&field)))
        }),
        _ => patch.get("spec").map(Node::entries).unwrap_or_default().iter().all(|(key, _)| IDLE.contains(&&**key)),
    }
}

/// What is to be said of an object of the operator; false: it is to be looked at like others.
pub(super) fn find(object: &Node, sink: &mut Sink) -> bool {
    match (object.group(), object.kind()) {
        (GROUP, "ResourceSet") => {
            object.at_path(&["spec", "resources"]).into_iter().for_each(|resources| made(resources, sink));
            // A text of several lines may begin something else where it is put.
            let inputs = object.at_path(&["spec", "inputs"]).into_iter().flat_map(Node::items);
            for (name, input) in inputs.flat_map(known) {
                if input.as_str().is_some_and(|text| text.contains('\n') || text.contains(substitute::BREAKS)) {
                    let note = "it is put into objects as it is written";
                    sink.closed(&name, Confidence::Opaque, input.places().collect(), note);
                }
            }
            if let Some(template) = object.at_path(&["spec", "resourcesTemplate"]) {
                let note = "a template makes the objects";
                sink.closed(object.name(), Confidence::Opaque, template.places().collect(), note);
                text::inner(template, sink);
            }
            true
        }
        (GROUP, "FluxInstance") => {
            patched(object, sink);
            if let Some(registry) = object.at_path(&["spec", "distribution", "registry"]) {
                let note = "the operator installs Flux from it, whose own images cannot be seen";
                sink.closed(
                    registry.as_str().unwrap_or_default(),
                    Confidence::Opaque,
                    registry.places().collect(),
                    note,
                );
            }
            false
        }
        _ => false,
    }
}

// Tells of parts of objects that expressions make.
fn made(node: &Node, sink: &mut Sink) {
    let note = "an expression makes this part";
    match &node.value {
        Value::Text(text, _) if !text.split("<<").skip(1).all(is_plain) => {
            sink.closed(text, Confidence::Opaque, node.places().collect(), note);
        }
        Value::List(items) => items.iter().for_each(|item| made(item, sink)),
        Value::Map(entries) => {
            for (name, child) in entries {
                if name.contains("<<") {
                    sink.closed(name, Confidence::Opaque, child.places().collect(), note);
                }
                made(child, sink);
            }
        }
        _ => {}
    }
}

// Whether an expression, with what comes after it, only shows an input.
fn is_plain(text: &str) -> bool {
    const WAYS: &[&str] = &["lower", "quote", "squote", "trim", "upper"];
    let inner = text.split_once(">>").map_or(text, |(inner, _)| inner).trim_matches(['-', ' ']);
    let mut parts = inner.split('|').map(str::trim);
    let is_input = parts.next().is_some_and(|name| name.starts_with("inputs.") && !name.contains(char::is_whitespace));
    is_input && parts.all(|way| WAYS.contains(&way))
}

// Every scalar of an input, by its path.
fn known(input: &Node) -> BTreeMap<String, &Node> {
    let mut known = BTreeMap::new();
    let mut todo = vec![("inputs".to_owned(), input)];
    while let Some((path, node)) = todo.pop() {
        todo.extend(node.entries().iter().map(|(name, child)| (format!("{path}.{name}"), child)));
        if node.as_str().is_some() {
            known.insert(path, node);
        }
    }
    known
}

// Puts inputs where `<< inputs.name >>` stands.
fn fill(node: &mut Node, known: &BTreeMap<String, &Node>) {
    match &mut node.value {
        Value::Text(text, _) if text.len() <= MAX_TEXT && text.contains("<<") => {
            let is_read = substitute::is_bare(text);
            let (filled, trust, places) = filled(text, known);
            node.rewrite(&filled, []);
            if is_read && !filled.contains("<<") {
                substitute::read_again(node);
            }
            substitute::believe(node, node.trust.max(trust), &places);
        }
        Value::List(items) => items.iter_mut().for_each(|item| fill(item, known)),
        Value::Map(entries) => entries.iter_mut().for_each(|(_, child)| fill(child, known)),
        _ => {}
    }
}

fn filled(text: &str, known: &BTreeMap<String, &Node>) -> (String, Trust, Vec<At>) {
    let (mut out, mut trust, mut places, mut rest) = (String::new(), Trust::Certain, Vec::new(), text);
    while let Some((before, tail)) = rest.split_once("<<") {
        out.push_str(before);
        let Some((inner, after)) = tail.split_once(">>") else {
            rest = rest.get(before.len()..).unwrap_or_default();
            break;
        };
        match known.get(inner.trim_matches([' ', '-'])).and_then(|input| Some((*input, input.as_str()?))) {
            Some((input, value)) => {
                out.push_str(value);
                trust = trust.max(input.trust);
                note(&mut places, input.places());
            }
            None => out.push_str(&format!("<<{inner}>>")),
        }
        rest = after;
    }
    out.push_str(rest);
    (out, trust, places)
}
