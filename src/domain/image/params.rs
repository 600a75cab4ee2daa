//! Parameters of an object within it: those of Tekton, of Argo Workflows and of OpenShift's templates, as far as it gives
//! them values itself. Whoever runs it may give others.

use std::collections::HashMap;

use super::node::{At, Node, Style, Trust, Value};

// Longest text that is filled in, longest name of a parameter, and most values in force at once.
const MAX_TEXT: usize = 8 << 10;
const MAX_NAME: usize = 256;
const MAX_PARAMS: usize = 2000;

/// A value: whether it was given and is not only a default, its text and its places.
struct Param {
    is_given: bool,
    text: String,
    places: Vec<At>,
}

/// The values in force, by how they stand in texts; the innermost is the last.
#[derive(Default)]
struct Scope {
    known: HashMap<String, Vec<Param>>,
    count: usize,
}

/// Where parameters stand, and what stands around the name of one in texts.
type Kind = (&'static [&'static str], &'static [(&'static str, &'static str)]);

const KINDS: [Kind; 4] = [
    (&["params"], &[("$(params.", ")"), ("$(inputs.params.", ")")]),
    (&["arguments", "parameters"], &[("{{workflow.parameters.", "}}"), ("{{ workflow.parameters.", " }}")]),
    (&["inputs", "parameters"], &[("{{inputs.parameters.", "}}"), ("{{ inputs.parameters.", " }}")]),
    (&["parameters"], &[("${", "}"), ("${{", "}}")]),
];

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
    Scope::default().fill(&mut copy);
    Some(copy)
}

impl Scope {
    fn fill(&mut self, node: &mut Node) {
        let own = self.enter(node);
        match &mut node.value {
            Value::Text(text, style) if text.len() <= MAX_TEXT && text.contains(['$', '{']) => {
                let (filled, places) = self.expand(text);
                if !places.is_empty() {
                    // Its lines are lines of the file still, if none has come in.
                    let is_same = *style == Style::Block && filled.lines().count() == text.lines().count();
                    node.rewrite(&filled, places);
                    node.trust = node.trust.max(Trust::Inferred);
                    if let Value::Text(_, style) = &mut node.value
                        && is_same
                    {
                        *style = Style::Block;
                    }
                }
            }
            Value::List(items) => items.iter_mut().for_each(|item| self.fill(item)),
            Value::Map(entries) => entries.iter_mut().for_each(|(_, child)| self.fill(child)),
            _ => {}
        }
        for form in own {
            self.count -= 1;
            self.known.get_mut(&form).and_then(Vec::pop);
        }
    }

    // Takes in the parameters that a mapping declares for what is within it.
    fn enter(&mut self, node: &Node) -> Vec<String> {
        let mut own = Vec::new();
        for (path, forms) in KINDS {
            for param in node.at_path(path).into_iter().flat_map(Node::items) {
                let given = param.get("value").filter(|value| value.as_str().is_some());
                let Some(value) = given.or_else(|| param.get("default")) else { continue };
                let Some(text) = value.as_str().filter(|text| !text.is_empty() && text.len() <= MAX_TEXT) else {
                    continue;
                };
                // A value may hand on one from outside.
                let (text, more) = self.expand(text);
                let places: Vec<At> = value.places().chain(more).collect();
                for (before, after) in forms {
                    let form = format!("{before}{}{after}", param.str_at(&["name"]));
                    // What is given from outside wins over what is only the default within.
                    let is_settled = self.known.get(&form).is_some_and(|all| all.iter().any(|known| known.is_given));
                    if self.count < MAX_PARAMS && (given.is_some() || !is_settled) {
                        let param = Param { is_given: given.is_some(), text: text.clone(), places: places.clone() };
                        self.known.entry(form.clone()).or_default().push(param);
                        self.count += 1;
                        own.push(form);
                    }
                }
            }
        }
        own
    }

    // A text with the values that are known, and the places of these.
    fn expand(&self, text: &str) -> (String, Vec<At>) {
        let (mut out, mut places, mut rest) = (String::new(), Vec::new(), text);
        while let Some(at) = rest.find(['$', '{']).filter(|_| self.count > 0 && out.len() <= MAX_TEXT) {
            let (before, tail) = rest.split_at(at);
            out.push_str(before);
            match self.param(tail) {
                Some((form, param)) => {
                    out.push_str(&param.text);
                    places.extend(&param.places);
                    rest = tail.get(form..).unwrap_or_default();
                }
                // Both are one byte.
                None => {
                    let (sign, after) = tail.split_at(1);
                    out.push_str(sign);
                    rest = after;
                }
            }
        }
        out.push_str(rest);
        (out, places)
    }

    // What a text begins with, and how long that is.
    fn param(&self, text: &str) -> Option<(usize, &Param)> {
        KINDS.iter().flat_map(|(_, forms)| *forms).find_map(|(before, after)| {
            let name = text.strip_prefix(before)?;
            let end = before.len() + name.find(after).filter(|end| *end <= MAX_NAME)? + after.len();
            Some((end, self.known.get(text.get(..end)?)?.last()?))
        })
    }
}
