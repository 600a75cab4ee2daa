//! Patches as kustomize applies them: by strategic merge, and by JSON pointers.

use std::collections::{HashMap, HashSet};

use super::node::{MAX_DEPTH, Node, Value};

// Longest path, and most nodes that one patch copies.
pub(super) const MAX_STEPS: usize = 100;
const MAX_COPIED: usize = 200_000;
// What an operation costs where a node that is copied costs 1, and how many nodes are passed at the same cost.
const OPERATION: usize = 4;
const LOOKS: usize = 8;

/// Merges a patch into an object, and says how many entries of that it looked at. `is_known` says whether the object's
/// lists have keys: custom resources have none.
pub(super) fn merge(base: &mut Node, patch: &Node, is_known: bool) -> usize {
    let mut looks = 0;
    merge_at(base, patch, "", is_known, &mut looks);
    looks
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

fn merge_at(base: &mut Node, patch: &Node, key: &str, is_known: bool, looks: &mut usize) {
    *looks += base.items().len() + base.entries().len();
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
                    merge_at(old, change, name, is_known, looks);
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
                        merge_at(&mut item, change, "", is_known, looks);
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

/// Why operations end before their end.
pub(super) enum Failed {
    /// Nothing is at this path.
    Lost(String),
    /// They make more than there is room for, or nest it too deeply.
    Much,
}

/// Applies a list of operations, as far as there is `room` for the nodes that they copy and look at.
pub(super) fn operations(object: &mut Node, operations: &[Node], room: &mut usize) -> Result<(), Failed> {
    let mut own = MAX_COPIED.min(*room);
    let before = own;
    let done = operations.iter().try_for_each(|operation| operate(object, operation, &mut own));
    *room -= before - own;
    done
}

fn operate(object: &mut Node, operation: &Node, room: &mut usize) -> Result<(), Failed> {
    let (path, from) = (operation.str_at(&["path"]), operation.str_at(&["from"]));
    let lost = || Failed::Lost(path.to_owned());
    let null = Node::new(operation.at, Value::Null);
    let value = operation.get("value").unwrap_or(&null);
    spend(room, OPERATION)?;
    let is_add = match operation.str_at(&["op"]) {
        "add" => true,
        "replace" => false,
        "remove" => return take(object, path, room)?.map(drop).ok_or_else(lost),
        "copy" => {
            let found = look(object, from, room)?.ok_or_else(lost)?;
            spend(room, found.size())?;
            let found = found.clone();
            return put(object, path, found, (true, room))?.ok_or_else(lost);
        }
        "move" => {
            let found = take(object, from, room)?.ok_or_else(lost)?;
            return put(object, path, found, (true, room))?.ok_or_else(lost);
        }
        "test" => {
            spend(room, value.size())?;
            return look(object, path, room)?.filter(|found| is_same(found, value)).map(drop).ok_or_else(lost);
        }
        _ => return Err(lost()),
    };
    spend(room, value.size())?;
    put(object, path, value.clone(), (is_add, room))?.ok_or_else(lost)
}

fn spend(room: &mut usize, nodes: usize) -> Result<(), Failed> {
    let left = room.checked_sub(nodes);
    *room = left.unwrap_or_default();
    left.map(drop).ok_or(Failed::Much)
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

// The number of an item of a list; below zero they are counted from the end.
fn place(step: &str, end: usize) -> Option<usize> {
    let at = step.parse::<i64>().ok()?;
    usize::try_from(if at < 0 { at + i64::try_from(end).ok()? } else { at }).ok()
}

// What it costs to find something in a node.
fn pass(node: &Node, room: &mut usize) -> Result<(), Failed> {
    spend(room, node.items().len().max(node.entries().len()) / LOOKS)
}

fn look<'a>(object: &'a Node, path: &str, room: &mut usize) -> Result<Option<&'a Node>, Failed> {
    let mut node = object;
    let Some(steps) = steps(path) else { return Ok(None) };
    for step in steps {
        pass(node, room)?;
        let inner = match &node.value {
            Value::List(items) => place(&step, items.len()).and_then(|at| items.get(at)),
            _ => node.get(&step),
        };
        let Some(inner) = inner else { return Ok(None) };
        node = inner;
    }
    Ok(Some(node))
}

// What holds what is at a path, and its key there.
fn parent<'a>(object: &'a mut Node, path: &str, room: &mut usize) -> Result<Option<(&'a mut Node, String)>, Failed> {
    let Some(mut steps) = steps(path) else { return Ok(None) };
    let Some(last) = steps.pop() else { return Ok(None) };
    let mut node = object;
    for step in steps {
        pass(node, room)?;
        let inner = match &mut node.value {
            Value::List(items) => place(&step, items.len()).and_then(|at| items.get_mut(at)),
            Value::Map(entries) => entries.iter_mut().find(|(name, _)| **name == *step).map(|(_, inner)| inner),
            _ => None,
        };
        let Some(inner) = inner else { return Ok(None) };
        node = inner;
    }
    pass(node, room)?;
    Ok(Some((node, last)))
}

fn put(object: &mut Node, path: &str, value: Node, (is_add, room): (bool, &mut usize)) -> Result<Option<()>, Failed> {
    // One that is moved is looked at as well.
    spend(room, value.size())?;
    if value.is_deeper(MAX_DEPTH.saturating_sub(path.matches('/').count())) {
        return Err(Failed::Much);
    }
    if path.is_empty() {
        *object = value;
        return Ok(Some(()));
    }
    let Some((node, last)) = parent(object, path, room)? else { return Ok(None) };
    match &mut node.value {
        Value::List(items) if last == "-" => items.push(value),
        Value::List(items) => {
            let end = if is_add { items.len() + 1 } else { items.len() };
            let Some(at) = place(&last, end).filter(|at| *at < end) else { return Ok(None) };
            if is_add {
                items.insert(at, value);
            } else if let Some(old) = items.get_mut(at) {
                *old = value;
            }
        }
        // kustomize adds what it is to replace and does not find.
        Value::Map(_) => node.set(&last, value),
        _ => return Ok(None),
    }
    Ok(Some(()))
}

fn take(object: &mut Node, path: &str, room: &mut usize) -> Result<Option<Node>, Failed> {
    let Some((node, last)) = parent(object, path, room)? else { return Ok(None) };
    Ok(match &mut node.value {
        Value::List(items) => place(&last, items.len()).filter(|at| *at < items.len()).map(|at| items.remove(at)),
        Value::Map(entries) => entries.iter().position(|(name, _)| **name == *last).map(|at| entries.remove(at).1),
        _ => None,
    })
}
