//! The `vars` of kustomizations: values of objects that stand as `$(NAME)` in fields of others, put in when all is there.

use std::sync::Arc;

use super::fieldspec::FieldSpec;
use super::kustomize::Kustomizer;
use super::node::{Node, Value};
use super::replace;
use super::resource::Built;

/// One of them, and where it may stand.
#[derive(Debug, Clone, Default)]
pub(super) struct Vars {
    vars: Vec<Node>,
    fields: Vec<FieldSpec>,
}

// Where kustomize looks for them anyway, of each container.
const CONTAINERS: &[&str] = &["containers", "initContainers"];
const PLACES: &[&str] = &["args", "command", "env"];
// Longest text that is filled in.
const MAX_TEXT: usize = 64 << 10;

impl Vars {
    /// Takes over those of another kustomization.
    pub(super) fn extend(&mut self, other: &Self) {
        self.vars.extend(other.vars.iter().cloned());
        self.fields.extend(other.fields.iter().cloned());
    }
}

/// Notes those of a kustomization, and the fields that its configurations name.
pub(super) fn gather(kustomizer: &mut Kustomizer<'_>, folder: &str, doc: &Node, built: &mut Built) {
    let own = doc.get("vars").map(Node::items).unwrap_or_default();
    for (at, var) in own.iter().enumerate() {
        let name = var.str_at(&["name"]);
        if own.iter().take(at).any(|other| other.str_at(&["name"]) == name) {
            kustomizer.unbuildable(name, var.at, "the variable is there already", built);
        }
    }
    built.vars.vars.extend(own.iter().cloned());
    for entry in doc.get("configurations").into_iter().flat_map(Node::items) {
        for config in kustomizer.inner(folder, None, Some(entry), built).docs {
            let named = config.get("varReference").into_iter().flat_map(Node::items);
            built.vars.fields.extend(named.map(FieldSpec::read));
        }
    }
}

/// Puts them in.
pub(super) fn resolve(kustomizer: &Kustomizer<'_>, built: &mut Built) {
    let Vars { vars, fields } = std::mem::take(&mut built.vars);
    let mut known: Vec<(String, Node)> = Vec::new();
    for var in &vars {
        let (kind, object) = (var.str_at(&["objref", "kind"]), var.str_at(&["objref", "name"]));
        let path = Some(var.str_at(&["fieldref", "fieldpath"])).filter(|path| !path.is_empty());
        let path = path.unwrap_or("metadata.name").replace('[', ".[").replace("..[", ".[");
        let from = built.resources.iter().find(|resource| resource.is(kind, object));
        let value = from.and_then(|from| replace::value(from, &path)).filter(|value| value.as_str().is_some());
        match value {
            Some(value) => known.push((format!("$({})", var.str_at(&["name"])), value)),
            None => {
                let name = var.str_at(&["name"]);
                kustomizer.unbuildable(name, var.at, "the variable is of nothing that is there", built);
            }
        }
    }
    if known.is_empty() {
        return;
    }
    for resource in &mut built.resources {
        if !has_variable(&resource.node) {
            continue;
        }
        let object = Arc::make_mut(&mut resource.node);
        containers(object, &known);
        for field in &fields {
            if field.is_for(object) {
                field.follow(object, None, &mut |node| fill(node, &known));
            }
        }
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

fn containers(node: &mut Node, known: &[(String, Node)]) {
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|item| containers(item, known)),
        Value::Map(entries) => {
            for (name, child) in entries {
                if let (true, Value::List(items)) = (CONTAINERS.contains(&&**name), &mut child.value) {
                    for item in items {
                        PLACES.iter().filter_map(|key| item.get_mut(key).map(|node| fill(node, known))).for_each(drop);
                    }
                } else {
                    containers(child, known);
                }
            }
        }
        _ => {}
    }
}

fn fill(node: &mut Node, known: &[(String, Node)]) {
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|item| fill(item, known)),
        Value::Map(entries) => entries.iter_mut().for_each(|(_, child)| fill(child, known)),
        Value::Text(text, _) if text.contains("$(") => {
            let mut filled = text.to_string();
            let mut places = Vec::new();
            for (name, value) in known {
                if filled.len() <= MAX_TEXT && filled.contains(name.as_str()) {
                    filled = filled.replace(name.as_str(), value.as_str().unwrap_or_default());
                    places.extend(value.places());
                }
            }
            node.rewrite(&filled, places);
        }
        _ => {}
    }
}
