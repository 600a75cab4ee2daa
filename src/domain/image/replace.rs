//! The `replacements` of a kustomization: a value of one object put into fields of others.

use std::sync::Arc;

use super::Confidence;
use super::kustomize::Kustomizer;
use super::node::{At, Node, Style, Value};
use super::patch;
use super::resource::{Built, Resource};
use super::select::Selector;

// What it costs to copy a node, where a look at a path costs 1.
const COPY: usize = 4;

/// Runs them, in their order.
pub(super) fn run(kustomizer: &mut Kustomizer<'_>, folder: &str, doc: &Node, built: &mut Built) {
    for entry in doc.get("replacements").into_iter().flat_map(Node::items) {
        if entry.get("path").is_some() {
            for doc in kustomizer.inner(folder, None, entry.get("path"), built) {
                let items = doc.items();
                let all = if items.is_empty() { std::slice::from_ref(&*doc) } else { items };
                all.iter().for_each(|entry| replace(kustomizer, entry, built));
            }
        } else {
            replace(kustomizer, entry, built);
        }
    }
}

fn replace(kustomizer: &Kustomizer<'_>, entry: &Node, built: &mut Built) {
    if let Some(value) = entry.get("sourceValue").filter(|value| value.as_str().is_some()) {
        return put_everywhere(kustomizer, entry, value, built);
    }
    let Some(source) = entry.get("source") else { return };
    let mut selector = kustomizer.selector(source, built);
    selector.has_default = false;
    let path = source.get("fieldPath").and_then(Node::as_str).unwrap_or("metadata.name");
    let mut chosen = built.resources.iter().filter(|resource| selector.is_match(resource, kustomizer.tree));
    let Some(from) = chosen.next() else {
        return kustomizer.unbuildable("replacement", source.at, "its source selects nothing", built);
    };
    let is_only = chosen.next().is_none();
    let value = value(from, path, source.at);
    if !is_only {
        return kustomizer.unbuildable("replacement", source.at, "its source selects several objects", built);
    }
    let Some(mut value) = value else {
        return kustomizer.unbuildable("replacement", source.at, "its source has no such field", built);
    };
    if let (Some(text), Some((delimiter, index))) = (value.as_str(), cut(source)) {
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        let part = text.split(delimiter).nth(index).unwrap_or_default().to_owned();
        value.rewrite(&part, []);
    }
    put_everywhere(kustomizer, entry, &value, built);
}

// Puts a value into the targets of a replacement.
fn put_everywhere(kustomizer: &Kustomizer<'_>, entry: &Node, value: &Node, built: &mut Built) {
    let mut missing = None;
    for target in entry.get("targets").into_iter().flat_map(Node::items) {
        let Some(select) = target.get("select") else { continue };
        let rejected = target.get("reject").into_iter().flat_map(Node::items);
        let mut selectors: Vec<Selector> =
            std::iter::once(select).chain(rejected).map(|one| kustomizer.selector(one, built)).collect();
        selectors.iter_mut().for_each(|selector| selector.has_default = false);
        let Some((select, reject)) = selectors.split_first() else { continue };
        if !kustomizer.tree.spend(built.resources.len(), target.at) {
            return kustomizer.close("replacement", Confidence::Unreadable, target.at, "it replaces too much", built);
        }
        let tree = kustomizer.tree;
        for resource in &mut built.resources {
            if !select.is_match(resource, tree) || reject.iter().any(|reject| reject.is_match(resource, tree)) {
                continue;
            }
            for field in target.get("fieldPaths").into_iter().flat_map(Node::items).filter_map(Node::as_str) {
                if field.matches('.').count() > patch::MAX_STEPS {
                    missing = Some(target.at);
                    continue;
                }
                let create = (target.str_at(&["options", "create"]) == "true").then_some(value);
                let cut = cut(target);
                let mut is_found = false;
                if !tree.spend(COPY * value.size(), target.at) {
                    continue;
                }
                follow(Arc::make_mut(&mut resource.node), &self::steps(field), create, &mut |found| {
                    is_found = true;
                    put(found, value, cut);
                });
                if !is_found && !field.contains('*') {
                    missing = Some(target.at);
                }
            }
        }
    }
    if let Some(at) = missing {
        kustomizer.unbuildable("replacement", at, "a target has no such field", built);
    }
}

/// What an object has in a field.
pub(super) fn value(from: &Resource, path: &str, at: At) -> Option<Node> {
    let mut value = match path {
        // Names and namespaces that a kustomization gives are not written into objects.
        "metadata.name" => from.names.last().map(|name| Node::text(at, name)),
        "metadata.namespace" => from.namespaces.last().map(|name| Node::text(at, name)),
        _ => None,
    };
    if value.is_none() {
        let mut node = Arc::clone(&from.node);
        follow(Arc::make_mut(&mut node), &steps(path), None, &mut |found| {
            value = value.take().or_else(|| Some(found.clone()))
        });
    }
    value
}

fn cut(node: &Node) -> Option<(&str, i64)> {
    let delimiter = node.str_at(&["options", "delimiter"]);
    let index = node.str_at(&["options", "index"]).parse().unwrap_or(0);
    (!delimiter.is_empty()).then_some((delimiter, index))
}

fn put(found: &mut Node, value: &Node, cut: Option<(&str, i64)>) {
    let (Some((delimiter, index)), Some(old), Some(new)) = (cut, found.as_str(), value.as_str()) else {
        *found = value.clone();
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
    found.more.extend(value.places());
}

// `a.b.[name=c].d`, `a.*.b`, `a."x.y"`, `a.x\.y`.
fn steps(path: &str) -> Vec<String> {
    let mut steps = vec![String::new()];
    let (mut is_escaped, mut depth) = (false, 0);
    for c in path.chars() {
        match c {
            '\\' if !is_escaped => {
                is_escaped = true;
                continue;
            }
            '.' if !is_escaped && depth == 0 => {
                steps.push(String::new());
                continue;
            }
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
        is_escaped = false;
        if let Some(step) = steps.last_mut() {
            step.push(c);
        }
    }
    // A key in brackets may have dots.
    let key = |step: &str| step.strip_prefix('[').and_then(|step| step.strip_suffix(']')).map(str::to_owned);
    steps.into_iter().map(|step| key(&step).filter(|key| !key.contains('=')).unwrap_or(step)).collect()
}

fn follow(node: &mut Node, steps: &[String], create: Option<&Node>, change: &mut dyn FnMut(&mut Node)) {
    let Some((step, rest)) = steps.split_first() else { return change(node) };
    let condition =
        step.strip_prefix('[').and_then(|step| step.strip_suffix(']')).and_then(|step| step.split_once('='));
    let is_new = create.is_some() && condition.is_none() && step != "*" && node.get(step).is_none();
    if is_new && matches!(node.value, Value::Map(_)) {
        let value = if rest.is_empty() { Value::Null } else { Value::Map(Vec::new()) };
        node.set(step, Node::new(node.at, value));
    }
    match &mut node.value {
        Value::List(items) => {
            for (at, item) in items.iter_mut().enumerate() {
                let is_meant = match condition {
                    Some((key, value)) => item.str_at(&[key]) == value,
                    None => step == "*" || step.parse() == Ok(at),
                };
                if is_meant {
                    follow(item, rest, create, change);
                }
            }
        }
        Value::Map(entries) => {
            for (_, child) in entries.iter_mut().filter(|(name, _)| step == "*" || **name == *step) {
                follow(child, rest, create, change);
            }
        }
        _ => {}
    }
}
