//! Parameters of an object within it: those of Tekton, of Argo Workflows and of OpenShift's templates, as far as it gives
//! them values itself. Whoever runs it may give others.

use super::node::{Node, Trust, Value};

// Longest text that is filled in, and most parameters of one object.
const MAX_TEXT: usize = 8 << 10;
const MAX_PARAMS: usize = 1000;

/// A parameter, as it stands in texts; whether it was given and not only a default; its value.
type Param = (String, bool, Node);

/// Where parameters stand, and what stands around the name of one in texts.
type Kind = (&'static [&'static str], &'static [(&'static str, &'static str)]);

/// An object with the values of its parameters; None: it has none.
pub(super) fn filled(object: &Node) -> Option<Node> {
    let is_known = match (object.group(), object.kind()) {
        ("template.openshift.io" | "tekton.dev", _) => true,
        ("argoproj.io", kind) => kind.contains("Workflow"),
        _ => false,
    };
    if !is_known {
        return None;
    }
    let mut copy = object.clone();
    let mut scope = Vec::new();
    fill(&mut copy, &mut scope);
    Some(copy)
}

fn fill(node: &mut Node, scope: &mut Vec<Param>) {
    let outer = scope.len();
    gather(node, scope);
    match &mut node.value {
        Value::Text(text, _) if text.len() <= MAX_TEXT && text.contains(['$', '{']) => {
            let mut filled = text.to_string();
            let mut places = Vec::new();
            // The innermost is asked first.
            for (form, _, value) in scope.iter().rev() {
                if filled.contains(form.as_str()) && filled.len() <= MAX_TEXT {
                    filled = filled.replace(form.as_str(), value.as_str().unwrap_or_default());
                    places.extend(value.places());
                }
            }
            if !places.is_empty() {
                node.rewrite(&filled, places);
                node.trust = node.trust.max(Trust::Inferred);
            }
        }
        Value::List(items) => items.iter_mut().for_each(|item| fill(item, scope)),
        Value::Map(entries) => entries.iter_mut().for_each(|(_, child)| fill(child, scope)),
        _ => {}
    }
    scope.truncate(outer);
}

// The parameters that a mapping declares for what is within it.
fn gather(node: &Node, scope: &mut Vec<Param>) {
    let kinds: [Kind; 4] = [
        (&["params"], &[("$(params.", ")"), ("$(inputs.params.", ")")]),
        (&["arguments", "parameters"], &[("{{workflow.parameters.", "}}"), ("{{ workflow.parameters.", " }}")]),
        (&["inputs", "parameters"], &[("{{inputs.parameters.", "}}"), ("{{ inputs.parameters.", " }}")]),
        (&["parameters"], &[("${", "}"), ("${{", "}}")]),
    ];
    for (path, forms) in kinds {
        for param in node.at_path(path).into_iter().flat_map(Node::items) {
            let given = param.get("value").filter(|value| value.as_str().is_some());
            let Some(value) = given.or_else(|| param.get("default")) else { continue };
            if value.as_str().is_none_or(str::is_empty) || scope.len() > MAX_PARAMS {
                continue;
            }
            for (before, after) in forms {
                let form = format!("{before}{}{after}", param.str_at(&["name"]));
                // What is given from outside wins over what is only the default within.
                let is_given = scope.iter().any(|(known, is_given, _)| *known == form && *is_given);
                if given.is_some() || !is_given {
                    scope.push((form, given.is_some(), value.clone()));
                }
            }
        }
    }
}
