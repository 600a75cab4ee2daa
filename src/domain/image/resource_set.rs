//! What the operator of Flux makes of a ResourceSet: its objects, once for each of the inputs that stand in it.

use std::collections::BTreeMap;

use super::Confidence;
use super::node::{At, MAX_DEPTH, Node, Trust, Value, note};
use super::sink::Sink;
use super::substitute;
use super::text;

const GROUP: &str = "fluxcd.controlplane.io";
// Longest text that inputs are put into.
const MAX_TEXT: usize = 64 << 10;

/// Whether an object is one.
pub(super) fn is_set(object: &Node) -> bool {
    object.group() == GROUP && object.kind() == "ResourceSet"
}

/// The objects that a set makes, as far as there is `room` for their nodes; and whether it makes more.
pub(super) fn objects(set: &Node, room: &mut usize) -> (Vec<Node>, bool) {
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
