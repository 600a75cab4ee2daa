//! Patches as kustomize applies them: by strategic merge, and by JSON pointers.

use std::collections::{HashMap, HashSet};

use super::node::{Node, Value};

// Longest path, and most nodes that one patch copies.
pub(super) const MAX_STEPS: usize = 100;
const MAX_COPIED: usize = 200_000;

/// Merges a patch into an object. `is_known` says whether the object's lists have keys: custom resources have none.
pub(super) fn merge(base: &mut Node, patch: &Node, is_known: bool) {
    merge_at(base, patch, "", is_known);
}

/// Whether every item of a patch's lists has the key that it needs: nobody knows what becomes of a list otherwise.
pub(super) fn is_sound(patch: &Node) -> bool {
    patch.entries().iter().all(|(name, child)| {
        let is_nameless = |item: &Node| {
            merge_key(name) == Some("name")
                && item.get("name").is_none()
                && (said(child).is_none() || item.entries().len() != 1)
        };
        is_sound(child) && child.items().iter().all(|item| is_sound(item) && !is_nameless(item))
    })
}

// How a list is patched: the first of its items that says so says it of the list, if it says nothing else.
fn said(list: &Node) -> Option<&str> {
    let first = list.items().iter().find(|item| item.get("$patch").is_some())?;
    Some(first.str_at(&["$patch"])).filter(|_| first.entries().len() == 1)
}

/// Values over values, the last ones on top; None: there are none.
pub(super) fn layered(layers: impl IntoIterator<Item = Node>) -> Option<Node> {
    layers.into_iter().reduce(|mut below, above| {
        merge(&mut below, &above, false);
        below
    })
}

fn merge_at(base: &mut Node, patch: &Node, key: &str, is_known: bool) {
    match (&mut base.value, &patch.value) {
        (Value::Map(_), Value::Map(changes)) => {
            if patch.str_at(&["$patch"]) == "replace" {
                *base = bare(patch);
                return;
            }
            let Value::Map(entries) = &mut base.value else { return };
            let names: HashMap<Box<str>, usize> =
                entries.iter().enumerate().map(|(at, (name, _))| (name.clone(), at)).collect();
            let mut slots: Vec<Option<(Box<str>, Node)>> = std::mem::take(entries).into_iter().map(Some).collect();
            for (name, change) in changes.iter().filter(|(name, _)| !name.starts_with('$')) {
                let slot = names.get(name).and_then(|at| slots.get_mut(*at));
                if matches!(change.value, Value::Null) || change.str_at(&["$patch"]) == "delete" {
                    slot.into_iter().for_each(|slot| *slot = None);
                } else if let Some((_, old)) = slot.and_then(Option::as_mut) {
                    merge_at(old, change, name, is_known);
                } else {
                    slots.push(Some((name.clone(), bare(change))));
                }
            }
            *entries = slots.into_iter().flatten().collect();
        }
        (Value::List(items), Value::List(changes)) => {
            let Some(merge_key) = merge_key(key).filter(|_| is_known && said(patch) != Some("replace")) else {
                *base = bare(patch);
                return;
            };
            if said(patch) == Some("delete") {
                items.clear();
                return;
            }
            // The first one of a name is the one that is meant.
            let mut names: HashMap<Box<str>, usize> = HashMap::new();
            for (at, item) in items.iter().enumerate() {
                names.entry(item.str_at(&[merge_key]).into()).or_insert(at);
            }
            let mut slots: Vec<Option<Node>> = std::mem::take(items).into_iter().map(Some).collect();
            // What the patch names goes before what it does not, as kustomize does it: later patches count from the front.
            let mut front = Vec::new();
            let mut seen = HashSet::new();
            for change in changes {
                let id = change.str_at(&[merge_key]);
                // Of several of one name the first one counts.
                if !id.is_empty() && !seen.insert(id) {
                    continue;
                }
                let at = names.get(id).filter(|_| !id.is_empty());
                let old = at.and_then(|at| slots.get_mut(*at)).and_then(Option::take);
                match (old, change.str_at(&["$patch"])) {
                    (_, "delete") => {}
                    // An item that is to be replaced stays as it is.
                    (Some(item), "replace") => front.push(item),
                    (Some(mut item), _) => {
                        merge_at(&mut item, change, "", is_known);
                        front.push(item);
                    }
                    (None, _) => front.push(bare(change)),
                }
            }
            *items = front.into_iter().chain(slots.into_iter().flatten()).collect();
        }
        _ => *base = bare(patch),
    }
}

// What a patch adds, without what only tells how.
fn bare(patch: &Node) -> Node {
    let mut node = patch.clone();
    match &mut node.value {
        Value::Map(entries) => {
            entries.retain(|(name, child)| !name.starts_with("$patch") && !matches!(child.value, Value::Null));
            entries.iter_mut().for_each(|(_, child)| *child = bare(child));
        }
        Value::List(items) => {
            items.retain(|item| {
                !item.entries().iter().any(|(name, _)| &**name == "$patch" && item.entries().len() == 1)
            });
            items.iter_mut().for_each(|item| *item = bare(item));
        }
        _ => {}
    }
    node
}

fn merge_key(list: &str) -> Option<&'static str> {
    Some(match list {
        "containers" | "initContainers" | "ephemeralContainers" | "volumes" | "env" | "imagePullSecrets" => "name",
        "ports" => "containerPort",
        "volumeMounts" => "mountPath",
        "volumeDevices" => "devicePath",
        "hostAliases" => "ip",
        "topologySpreadConstraints" => "topologyKey",
        _ => return None,
    })
}

/// Applies a list of operations; the error names the path that is not there.
pub(super) fn operations(object: &mut Node, operations: &[Node]) -> Result<(), String> {
    let mut room = MAX_COPIED;
    for operation in operations {
        let path = operation.str_at(&["path"]);
        let value = || operation.get("value").cloned().unwrap_or_else(|| Node::new(operation.at, Value::Null));
        let done = match operation.str_at(&["op"]) {
            "add" => put(object, path, value(), true),
            "replace" => put(object, path, value(), false),
            "remove" => take(object, path).map(drop),
            "copy" => {
                let found = look(object, operation.str_at(&["from"])).cloned();
                let left = found.as_ref().and_then(|found| room.checked_sub(found.size()));
                room = left.unwrap_or_default();
                found.filter(|_| left.is_some()).and_then(|found| put(object, path, found, true))
            }
            "move" => take(object, operation.str_at(&["from"])).and_then(|found| put(object, path, found, true)),
            "test" => look(object, path).filter(|found| is_same(found, &value())).map(drop),
            _ => None,
        };
        if done.is_none() {
            return Err(path.to_owned());
        }
    }
    Ok(())
}

// Whether two nodes say the same.
fn is_same(one: &Node, other: &Node) -> bool {
    match (&one.value, &other.value) {
        (Value::Null, Value::Null) => true,
        (Value::Text(one, _), Value::Text(other, _)) => one == other,
        (Value::List(one), Value::List(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other))
        }
        (Value::Map(entries), Value::Map(others)) => {
            entries.len() == others.len()
                && entries.iter().all(|(name, node)| other.get(name).is_some_and(|other| is_same(node, other)))
        }
        _ => false,
    }
}

fn steps(path: &str) -> Option<Vec<String>> {
    if path.is_empty() {
        return Some(Vec::new());
    }
    let steps = path.strip_prefix('/')?.split('/');
    if steps.clone().count() > MAX_STEPS {
        return None;
    }
    Some(steps.map(|step| step.replace("~1", "/").replace("~0", "~")).collect())
}

fn look<'a>(object: &'a Node, path: &str) -> Option<&'a Node> {
    steps(path)?.iter().try_fold(object, |node, step| match &node.value {
        Value::List(items) => items.get(step.parse::<usize>().ok()?),
        _ => node.get(step),
    })
}

fn parent<'a>(object: &'a mut Node, path: &str) -> Option<(&'a mut Node, String)> {
    let mut steps = steps(path)?;
    let last = steps.pop()?;
    let mut node = object;
    for step in steps {
        node = if matches!(node.value, Value::List(_)) {
            let Value::List(items) = &mut node.value else { return None };
            items.get_mut(step.parse::<usize>().ok()?)?
        } else {
            node.get_mut(&step)?
        };
    }
    Some((node, last))
}

fn put(object: &mut Node, path: &str, value: Node, is_add: bool) -> Option<()> {
    if path.is_empty() {
        *object = value;
        return Some(());
    }
    let (node, last) = parent(object, path)?;
    match &mut node.value {
        Value::List(items) if last == "-" => items.push(value),
        Value::List(items) => {
            let at: usize = last.parse().ok()?;
            if is_add {
                (at <= items.len()).then(|| items.insert(at, value))?;
            } else {
                *items.get_mut(at)? = value;
            }
        }
        // kustomize adds what it is to replace and does not find.
        Value::Map(_) => node.set(&last, value),
        _ => return None,
    }
    Some(())
}

fn take(object: &mut Node, path: &str) -> Option<Node> {
    let (node, last) = parent(object, path)?;
    match &mut node.value {
        Value::List(items) => {
            let at: usize = last.parse().ok()?;
            (at < items.len()).then(|| items.remove(at))
        }
        _ => {
            let found = node.get(&last)?.clone();
            node.remove(&last);
            Some(found)
        }
    }
}
