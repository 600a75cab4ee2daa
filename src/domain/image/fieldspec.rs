//! Fields as kustomize's transformers name them: a path through objects of some kinds, and through every item of lists.

use super::node::{Node, Value};

/// A field of some kinds of objects.
#[derive(Debug, Clone)]
pub(super) struct FieldSpec {
    group: String,
    version: String,
    kind: String,
    steps: Vec<String>,
    /// Whether it is made where it is not there.
    is_new: bool,
}

impl FieldSpec {
    /// A path in whatever object.
    pub(super) fn everywhere(path: &str) -> Self {
        let none = String::new;
        Self { group: none(), version: none(), kind: none(), steps: steps(path), is_new: false }
    }

    /// What a configuration or a transformer says.
    pub(super) fn read(spec: &Node) -> Self {
        let text = |key: &str| spec.str_at(&[key]).to_owned();
        Self {
            group: text("group"),
            version: text("version"),
            kind: text("kind"),
            steps: steps(spec.str_at(&["path"])),
            is_new: spec.str_at(&["create"]) == "true",
        }
    }

    /// Whether it is that path.
    pub(super) fn is(&self, path: &[&str]) -> bool {
        self.steps == path
    }

    /// Whether it is one of an object.
    pub(super) fn is_for(&self, object: &Node) -> bool {
        let is_it = |wanted: &str, own: &str| wanted.is_empty() || wanted == own;
        let version = object.str_at(&["apiVersion"]).rsplit('/').next().unwrap_or_default();
        is_it(&self.group, object.group()) && is_it(&self.version, version) && is_it(&self.kind, object.kind())
    }

    /// Whether something that stands there is so.
    pub(super) fn reaches(&self, object: &Node, is_it: &dyn Fn(&Node) -> bool) -> bool {
        reaches(object, &self.steps, is_it)
    }

    /// Shows what stands there; where nothing does and it is to be made, it is made of `new`.
    pub(super) fn follow(&self, object: &mut Node, new: Option<&Value>, show: &mut dyn FnMut(&mut Node)) {
        follow(object, &self.steps, new.filter(|_| self.is_new), show);
    }
}

fn steps(path: &str) -> Vec<String> {
    split(path, '/').into_iter().filter(|step| !step.is_empty()).collect()
}

/// The steps of a path: a backslash before the sign between two of them makes it a part of one.
pub(super) fn split(path: &str, sign: char) -> Vec<String> {
    let mut steps: Vec<String> = Vec::new();
    for part in path.split(sign) {
        match steps.last_mut() {
            Some(last) if last.ends_with('\\') => {
                last.pop();
                last.push(sign);
                last.push_str(part);
            }
            _ => steps.push(part.to_owned()),
        }
    }
    steps
}

fn reaches(node: &Node, steps: &[String], is_it: &dyn Fn(&Node) -> bool) -> bool {
    match (steps.split_first(), &node.value) {
        (None, _) => is_it(node),
        (_, Value::List(items)) => items.iter().any(|item| reaches(item, steps, is_it)),
        (Some((step, rest)), _) => node.get(bare(step)).is_some_and(|child| reaches(child, rest, is_it)),
    }
}

fn follow(node: &mut Node, steps: &[String], new: Option<&Value>, show: &mut dyn FnMut(&mut Node)) {
    let Some((step, rest)) = steps.split_first() else { return show(node) };
    if let Value::List(items) = &mut node.value {
        return items.iter_mut().for_each(|item| follow(item, steps, new, show));
    }
    let name = bare(step);
    if let (Some(new), Value::Map(_)) = (new.filter(|_| name == step), &node.value) {
        let is_there = node.get(name).is_some_and(|child| !matches!(child.value, Value::Null));
        if !is_there {
            let value = if rest.is_empty() { new.clone() } else { Value::Map(Vec::new()) };
            node.set(name, Node::new(node.at, value));
        }
    }
    node.get_mut(name).into_iter().for_each(|child| follow(child, rest, new, show));
}

// What says that a list is there is no part of a name.
fn bare(step: &str) -> &str {
    step.strip_suffix("[]").unwrap_or(step)
}
