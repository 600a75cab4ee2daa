//! The `vars` of kustomizations: values of objects that stand as `$(NAME)` in fields of others, put in when all is there.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::Confidence;
use super::fieldspec::FieldSpec;
use super::kustomize::Kustomizer;
use super::node::{At, Node, Value, note};
use super::replace;
use super::resource::{Built, Resource};
use super::tree::Tree;

/// One of them, and where it may stand.
#[derive(Debug, Clone, Default)]
pub(super) struct Vars {
    vars: Vec<Arc<Node>>,
    fields: Vec<Arc<FieldSpec>>,
}

// Where kustomize looks for them anyway, of each container.
const CONTAINERS: &[&str] = &["containers", "initContainers"];
const PLACES: &[&str] = &["args", "command", "env"];
const MUCH: &str = "variables take more than is looked at";
// Longest text that is filled in.
const MAX_TEXT: usize = 64 << 10;

impl Vars {
    /// Takes over those of another kustomization, unless they are here.
    pub(super) fn extend(&mut self, other: &Self) {
        let known: HashSet<At> = self.vars.iter().map(|var| var.at).collect();
        self.vars.extend(other.vars.iter().filter(|var| !known.contains(&var.at)).cloned());
        let known: HashSet<*const FieldSpec> = self.fields.iter().map(Arc::as_ptr).collect();
        self.fields.extend(other.fields.iter().filter(|field| !known.contains(&Arc::as_ptr(field))).cloned());
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.vars.len() + self.fields.len()
    }
}

/// Notes those of a kustomization, and the fields that its configurations name.
pub(super) fn gather(kustomizer: &mut Kustomizer<'_>, folder: &str, doc: &Node, built: &mut Built) {
    let own = doc.get("vars").map(Node::items).unwrap_or_default();
    let mut seen = HashSet::new();
    for var in own {
        let name = var.str_at(&["name"]);
        if !seen.insert(name) {
            kustomizer.unbuildable(name, var.at, "the variable is there already", built);
        }
    }
    built.vars.vars.extend(own.iter().cloned().map(Arc::new));
    for entry in doc.get("configurations").into_iter().flat_map(Node::items) {
        for config in kustomizer.inner(folder, None, Some(entry), built).docs {
            let named = config.get("varReference").into_iter().flat_map(Node::items);
            built.vars.fields.extend(named.map(FieldSpec::read).map(Arc::new));
        }
    }
}

/// Puts them in.
pub(super) fn resolve(kustomizer: &mut Kustomizer<'_>, built: &mut Built) {
    let Vars { vars, fields } = std::mem::take(&mut built.vars);
    let mut known = Known { tree: kustomizer.tree, values: HashMap::new() };
    let names = built.resources.iter().map(Resource::names).sum();
    for var in &vars {
        let (kind, object) = (var.str_at(&["objref", "kind"]), var.str_at(&["objref", "name"]));
        let path = Some(var.str_at(&["fieldref", "fieldpath"])).filter(|path| !path.is_empty());
        let path = path.unwrap_or("metadata.name").replace('[', ".[").replace("..[", ".[");
        let name = var.str_at(&["name"]);
        if !kustomizer.tree.spend(names, var.at) {
            return kustomizer.close(name, Confidence::Unreadable, var.at, MUCH, built);
        }
        let from = built.resources.iter().find(|resource| resource.is(kind, object));
        if from.is_some_and(|from| !kustomizer.may_copy(2 * from.node.size())) {
            return kustomizer.close(name, Confidence::Unreadable, var.at, MUCH, built);
        }
        let value = from.and_then(|from| replace::value(from, &path)).filter(|value| value.as_str().is_some());
        match value {
            Some(value) => drop(known.values.entry(name.to_owned()).or_insert(value)),
            None => {
                kustomizer.unbuildable(name, var.at, "the variable is of nothing that is there", built);
            }
        }
    }
    if known.values.is_empty() {
        return;
    }
    let mut lost = None;
    for resource in &mut built.resources {
        if !has_variable(&resource.node) {
            continue;
        }
        if !kustomizer.may_copy(1 + resource.cost()) {
            lost = lost.or(Some(resource.node.at));
            continue;
        }
        let object = Arc::make_mut(&mut resource.node);
        known.containers(object);
        for field in &fields {
            if field.is_for(object) {
                field.follow(object, None, &mut |node| known.fill(node));
            }
        }
    }
    if let Some(at) = lost {
        kustomizer.close("vars", Confidence::Unreadable, at, MUCH, built);
    }
}

fn has_variable(node: &Node) -> bool {
    match &node.value {
        Value::Text(text, _) => text.contains("$("),
        Value::List(items) => items.iter().any(has_variable),
        Value::Map(entries) => entries.iter().any(|(_, child)| has_variable(child)),
        Value::Null => false,
    }
}

// The values of variables.
struct Known<'k, 't> {
    tree: &'k Tree<'t>,
    values: HashMap<String, Node>,
}

impl Known<'_, '_> {
    fn containers(&self, node: &mut Node) {
        match &mut node.value {
            Value::List(items) => items.iter_mut().for_each(|item| self.containers(item)),
            Value::Map(entries) => {
                for (name, child) in entries {
                    if let (true, Value::List(items)) = (CONTAINERS.contains(&&**name), &mut child.value) {
                        for item in items {
                            PLACES
                                .iter()
                                .filter_map(|key| item.get_mut(key).map(|node| self.fill(node)))
                                .for_each(drop);
                        }
                    } else {
                        self.containers(child);
                    }
                }
            }
            _ => {}
        }
    }

    fn fill(&self, node: &mut Node) {
        match &mut node.value {
            Value::List(items) => items.iter_mut().for_each(|item| self.fill(item)),
            Value::Map(entries) => entries.iter_mut().for_each(|(_, child)| self.fill(child)),
            Value::Text(text, _) if text.contains("$(") => {
                let (filled, places) = self.filled(text);
                if self.tree.spend(text.len() + filled.len(), node.at) {
                    node.rewrite(&filled, places);
                }
            }
            _ => {}
        }
    }

    fn filled(&self, text: &str) -> (String, Vec<At>) {
        let (mut out, mut places, mut rest) = (String::new(), Vec::new(), text);
        while let Some((before, tail)) = rest.split_once("$(").filter(|_| out.len() <= MAX_TEXT) {
            out.push_str(before);
            let value = tail.split_once(')').and_then(|(name, after)| Some((self.values.get(name)?, after)));
            match value {
                Some((value, after)) => {
                    out.push_str(value.as_str().unwrap_or_default());
                    note(&mut places, value.places());
                    rest = after;
                }
                None => {
                    out.push_str("$(");
                    rest = tail;
                }
            }
        }
        out.push_str(rest);
        (out, places)
    }
}
