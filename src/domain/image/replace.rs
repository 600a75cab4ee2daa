//! The `replacements` of a kustomization: a value of one object put into fields of others.

use super::Confidence;
use super::fieldspec;
use super::kustomize::{Kustomizer, OVER_CHART, UNREAD};
use super::node::{At, MAX_DEPTH, Node, Style, Value};
use super::patch;
use super::pattern::Pattern;
use super::resource::{Built, Resource};
use super::select::{self, Selector};
use super::tree::Tree;

/// Runs them, in their order.
pub(super) fn run(kustomizer: &mut Kustomizer<'_>, folder: &str, doc: &Node, built: &mut Built) {
    for entry in doc.get("replacements").into_iter().flat_map(Node::items) {
        if entry.get("path").is_some() {
            for doc in kustomizer.inner(folder, None, entry.get("path"), built).docs {
                let items = doc.items();
                let all = if items.is_empty() { std::slice::from_ref(&*doc) } else { items };
                all.iter().for_each(|entry| replace(kustomizer, entry, built));
            }
        } else {
            replace(kustomizer, entry, built);
        }
    }
}

const MUCH: &str = "it replaces too much, or nests it too deeply";

fn replace(kustomizer: &mut Kustomizer<'_>, entry: &Node, built: &mut Built) {
    if let Some(value) = entry.get("sourceValue").filter(|value| value.as_str().is_some()) {
        return put_everywhere(kustomizer, entry, value, built);
    }
    let Some(source) = entry.get("source") else { return };
    let path = source.get("fieldPath").and_then(Node::as_str).unwrap_or("metadata.name");
    let names = built.resources.iter().map(Resource::names).sum();
    if !kustomizer.tree.spend(names, source.at) {
        return kustomizer.close("replacement", Confidence::Unreadable, source.at, MUCH, built);
    }
    let mut chosen = built.resources.iter().filter(|resource| select::is_source(source, resource));
    let Some(from) = chosen.next() else {
        return kustomizer.lost("replacement", source.at, "its source selects nothing", built);
    };
    let is_only = chosen.next().is_none();
    // The value is copied as a part of the object, and by itself.
    let value = kustomizer.may_copy(2 * from.node.size()).then(|| value(from, path));
    if !is_only {
        return kustomizer.lost("replacement", source.at, "its source selects several objects", built);
    }
    let Some(value) = value else {
        return kustomizer.close("replacement", Confidence::Unreadable, source.at, MUCH, built);
    };
    let Some(mut value) = value else {
        return kustomizer.lost("replacement", source.at, "its source has no such field", built);
    };
    if let Some((delimiter, index)) = cut(source) {
        let index = usize::try_from(index).ok();
        let part = value.as_str().and_then(|text| text.split(delimiter).nth(index?)).map(str::to_owned);
        let Some(part) = part else {
            return kustomizer.lost("replacement", source.at, "its source has no such part", built);
        };
        value.rewrite(&part, []);
    }
    put_everywhere(kustomizer, entry, &value, built);
}

// Puts a value into the targets of a replacement.
fn put_everywhere(kustomizer: &mut Kustomizer<'_>, entry: &Node, value: &Node, built: &mut Built) {
    let tree = kustomizer.tree;
    for target in entry.get("targets").into_iter().flat_map(Node::items) {
        let Some(select) = target.get("select") else { continue };
        let rejected = target.get("reject").into_iter().flat_map(Node::items);
        let selectors: Vec<Selector> =
            std::iter::once(select).chain(rejected).map(|one| kustomizer.selector(one, built)).collect();
        let Some((select, reject)) = selectors.split_first() else { continue };
        let names = built.resources.iter().map(Resource::names).sum();
        if !tree.spend(names, target.at) {
            return kustomizer.close("replacement", Confidence::Unreadable, target.at, MUCH, built);
        }
        let is_new = target.str_at(&["options", "create"]) == "true";
        let mut walk = Walk { tree, at: target.at, new: value, is_new, is_text: false };
        let fields: Vec<Option<Vec<Step>>> = paths(target).map(steps).collect();
        if fields.iter().any(Option::is_none) {
            kustomizer.close("replacement", Confidence::Unreadable, target.at, UNREAD, built);
        }
        let cut = cut(target);
        let (mut is_missing, mut is_over, mut is_met) = (false, false, false);
        let size = value.size();
        for resource in &mut built.resources {
            if !select.is_target(resource, tree) || reject.iter().any(|reject| reject.is_reject(resource, tree)) {
                continue;
            }
            is_met = true;
            for steps in fields.iter().flatten() {
                if !kustomizer.may_copy(1 + resource.cost()) || value.is_deeper(MAX_DEPTH.saturating_sub(steps.len())) {
                    is_over = true;
                    continue;
                }
                let mut is_found = false;
                walk.follow(resource.settled(), steps, &mut |found| {
                    is_found = true;
                    if kustomizer.may_copy(size + found.as_str().map_or(0, |_| found.size())) {
                        put(found, value, cut);
                    } else {
                        is_over = true;
                    }
                });
                is_missing |= !is_found && !steps.iter().any(|step| matches!(step, Step::Every));
            }
        }
        if built.has_chart && (!is_met || select.is_wide()) {
            kustomizer.close("replacement", Confidence::Opaque, target.at, OVER_CHART, built);
        }
        if is_over {
            kustomizer.close("replacement", Confidence::Unreadable, target.at, MUCH, built);
        }
        if walk.is_text {
            let why = "what is replaced within a text is not followed";
            kustomizer.close("replacement", Confidence::Opaque, target.at, why, built);
        } else if is_missing {
            kustomizer.lost("replacement", target.at, "a target has no such field", built);
        }
    }
}

fn paths(target: &Node) -> impl Iterator<Item = &str> {
    let paths = target.get("fieldPaths").map(Node::items).unwrap_or_default();
    let default = Some("metadata.name").filter(|_| paths.is_empty());
    paths.iter().filter_map(Node::as_str).chain(default)
}

/// What an object has in a field.
pub(super) fn value(from: &Resource, path: &str) -> Option<Node> {
    let mut from = from.clone();
    let mut node: &Node = from.settled();
    for step in parts(path).iter().map(|step| step.trim()).filter(|step| !step.is_empty()) {
        let bare = step.strip_prefix('[').and_then(|step| step.strip_suffix(']'));
        node = match (bare.and_then(|bare| bare.split_once('=')), &node.value) {
            (Some((key, value)), Value::List(items)) => items.iter().find(|item| has(item, key) == Some(value))?,
            (None, Value::List(items)) if step == "-" => items.last()?,
            (None, Value::List(items)) => items.get(bare.unwrap_or(step).parse::<usize>().ok()?)?,
            _ => node.get(step)?,
        };
    }
    Some(node.clone())
}

// What an item of a list has at a key; without a key, what it is.
fn has<'n>(item: &'n Node, key: &str) -> Option<&'n str> {
    if key.is_empty() { item.as_str() } else { item.get(key)?.as_str() }
}

fn cut(node: &Node) -> Option<(&str, i64)> {
    let delimiter = node.str_at(&["options", "delimiter"]);
    let index = node.str_at(&["options", "index"]).parse().unwrap_or(0);
    (!delimiter.is_empty()).then_some((delimiter, index))
}

fn put(found: &mut Node, value: &Node, cut: Option<(&str, i64)>) {
    let (Some((delimiter, index)), Some(old), Some(new)) = (cut, found.as_str(), value.as_str()) else {
        match (&found.value, &value.value) {
            // A text takes over what a text is, which others are not.
            (Value::Text(..), Value::List(_) | Value::Map(_)) => found.rewrite("", value.places()),
            _ => *found = value.clone(),
        }
        return;
    };
    let mut parts: Vec<&str> = old.split(delimiter).collect();
    match usize::try_from(index) {
        Err(_) => parts.insert(0, new),
        Ok(index) => match parts.get_mut(index) {
            Some(part) => *part = new,
            None => parts.push(new),
        },
    }
    let text = parts.join(delimiter);
    found.value = Value::Text(text.into(), Style::Quoted);
    found.owe(value.places());
}

// One step of the path to what is replaced.
enum Step {
    /// A key of a mapping.
    Key(String),
    /// An item of a list by its number.
    Item(usize),
    /// Every item of a list.
    Every,
    /// The items of a list that have this at a key; an expression, of which a part of that is enough.
    Like(String, String, Pattern),
}

// `a.b.[name=c].d`, `a.*.b`, `a.0.b`, `a.[b.c/d].e`, `a.b\.c`; None: nobody can read it.
fn steps(path: &str) -> Option<Vec<Step>> {
    let parts = parts(path);
    if parts.len() > patch::MAX_STEPS {
        return None;
    }
    let step = |part: String| {
        let bare = part.strip_prefix('[').and_then(|part| part.strip_suffix(']'));
        Some(match (bare.and_then(|bare| bare.split_once('=')), part.parse()) {
            (Some((key, value)), _) => Step::Like(key.to_owned(), value.to_owned(), Pattern::within(value)?),
            (None, Ok(number)) => Step::Item(number),
            (None, _) if part == "*" => Step::Every,
            (None, _) => Step::Key(part),
        })
    };
    parts.into_iter().map(step).collect()
}

// A key in brackets may have dots.
fn parts(path: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut is_open = false;
    for part in fieldspec::split(path, '.') {
        match parts.last_mut().filter(|_| is_open) {
            Some(last) => {
                is_open = !part.ends_with(']');
                last.push('.');
                last.push_str(&part);
                if !is_open && !last.contains('=') {
                    *last = last.trim_matches(['[', ']']).to_owned();
                }
            }
            None => {
                is_open = part.starts_with('[') && !part.ends_with(']');
                parts.push(part);
            }
        }
    }
    parts
}

// A walk to what is replaced.
struct Walk<'w, 't> {
    tree: &'w Tree<'t>,
    at: At,
    new: &'w Node,
    // Whether what is not there is made.
    is_new: bool,
    // Whether it led into a text, which kustomize reads as YAML.
    is_text: bool,
}

impl Walk<'_, '_> {
    fn follow(&mut self, node: &mut Node, steps: &[Step], change: &mut dyn FnMut(&mut Node)) {
        let Some((step, rest)) = steps.split_first() else { return change(node) };
        if !self.tree.spend(1 + node.items().len().max(node.entries().len()), self.at) {
            return;
        }
        match (step, &mut node.value) {
            (_, Value::Text(..)) => self.is_text = true,
            (Step::Every, Value::List(items)) => {
                items.iter_mut().for_each(|item| self.follow(item, rest, change));
            }
            (Step::Item(number), Value::List(items)) => {
                if self.is_new && *number == items.len() {
                    items.push(self.made(rest));
                }
                items.get_mut(*number).into_iter().for_each(|item| self.follow(item, rest, change));
            }
            (Step::Like(key, value, pattern), Value::List(items)) => {
                let is_like = |item: &Node| {
                    let found = if key.is_empty() { Some(item) } else { item.get(key) };
                    found.is_some_and(|found| match &found.value {
                        // The quotes are a part of what is looked at.
                        Value::Text(text, Style::Quoted) => {
                            pattern.is_match(&format!("\"{text}\""), self.tree, self.at)
                        }
                        Value::Text(text, _) => pattern.is_match(text, self.tree, self.at),
                        _ => false,
                    })
                };
                if self.is_new && !items.iter().any(is_like) {
                    let value = Node::text(self.at, value);
                    let map = |value| Node::new(self.at, Value::Map(vec![(key.as_str().into(), value)]));
                    items.push(if key.is_empty() { value } else { map(value) });
                }
                let meant: Vec<bool> = items.iter().map(is_like).collect();
                let meant = items.iter_mut().zip(meant).filter(|(_, is_meant)| *is_meant);
                meant.for_each(|(item, _)| self.follow(item, rest, change));
            }
            (Step::Key(key), Value::Map(_)) => {
                if self.is_new && node.get(key).is_none() {
                    node.set(key, self.made(rest));
                }
                node.get_mut(key).into_iter().for_each(|child| self.follow(child, rest, change));
            }
            _ => {}
        }
    }

    // What is made where nothing is, for these steps to lead on.
    fn made(&self, rest: &[Step]) -> Node {
        let value = match (rest.first(), &self.new.value) {
            (Some(Step::Like(..) | Step::Item(_)), _) | (None, Value::List(_)) => Value::List(Vec::new()),
            (Some(_), _) | (None, Value::Map(_)) => Value::Map(Vec::new()),
            (None, _) => Value::Text("".into(), Style::Quoted),
        };
        Node::new(self.at, value)
    }
}
