//! The Applications that an ApplicationSet makes, as far as its generators look at what is in the tree: lists, folders and
//! files, clusters that are declared here, and what is merged or multiplied of them. What others say stays open.

use std::collections::BTreeMap;

use super::helm;
use super::node::{At, Node, Style, Value};
use super::patch;
use super::substitute::is_match;
use super::tree::{self, Tree};
use super::yaml;

// Most Applications that one set makes, and most nodes of all of them.
const MAX_MADE: usize = 1000;
const MAX_NODES: usize = 500_000;
// How many nodes that are filled in cost as much as a look at a path.
const NODES: usize = 4;
// Longest value that is filled in, and longest text that it is filled into.
const MAX_VALUE: usize = 1024;
const MAX_TEXT: usize = 64 << 10;
// Deepest nesting of generators.
const MAX_DEPTH: usize = 3;

/// A parameter, and where it stands: what Argo CD says of a path stands nowhere.
#[derive(Debug, Clone)]
struct Param {
    text: String,
    at: Option<At>,
}

impl Param {
    fn of(text: &str, at: Option<At>) -> Self {
        Self { text: text.to_owned(), at }
    }
}

/// The parameters of one Application.
type Values = BTreeMap<String, Param>;

fn text<'a>(values: &'a Values, name: &str) -> Option<&'a str> {
    values.get(name).map(|param| param.text.as_str())
}

/// What a set makes.
#[derive(Default)]
pub(super) struct Specs {
    /// The specifications of Applications.
    pub(super) specs: Vec<Node>,
    /// Whether it makes more.
    pub(super) has_more: bool,
    /// The generators that may give more than what is in this tree, where others give something.
    pub(super) silent: Vec<At>,
}

/// What a set makes.
pub(super) fn specs(tree: &Tree<'_>, set: &Node) -> Specs {
    let Some(template) = set.at_path(&["spec", "template", "spec"]) else { return Specs::default() };
    let generators = set.at_path(&["spec", "generators"]).map(Node::items).unwrap_or_default();
    let (mut made, mut silent) = (Vec::new(), Vec::new());
    for generator in generators {
        let own = generator.entries().iter().find_map(|(_, child)| child.at_path(&["template", "spec"]));
        let mut template = template.clone();
        // What is empty there is filled from the template of all.
        if let Some(own) = own {
            patch::merge(&mut template, &filled_only(own), false);
        }
        let room = (MAX_NODES / template.size().max(1)).min(MAX_MADE).saturating_sub(made.len());
        let values = self::made(tree, generator, 0);
        let is_written = generator.get("list").is_some_and(|list| list.get("elementsYaml").is_none());
        silent.extend(Some(generator.at).filter(|_| (values.is_empty() && !is_written) || is_unseen(generator, 0)));
        let taken = values.len().min(room);
        if !tree.spend(taken * template.size().div_ceil(NODES), set.at) {
            return Specs { specs: made, has_more: true, silent };
        }
        made.extend(values.iter().take(room).map(|values| {
            let mut spec = template.clone();
            fill(&mut spec, values);
            spec
        }));
        // A generator that came to its own limit may have more as well.
        if values.len() > room || values.len() >= MAX_MADE {
            return Specs { specs: made, has_more: true, silent };
        }
    }
    if made.is_empty() {
        made.push(template.clone());
        silent.clear();
    }
    Specs { specs: made, has_more: false, silent }
}

// Whether a generator reads files that may have other names than those which are looked at here.
fn is_unseen(generator: &Node, depth: usize) -> bool {
    let is_open = |file: &Node| !tree::is_manifest(file.str_at(&["path"])) && file.str_at(&["exclude"]) != "true";
    let list = |path: &[&str]| generator.at_path(path).map(Node::items).unwrap_or_default();
    let inner = list(&["matrix", "generators"]).iter().chain(list(&["merge", "generators"]));
    list(&["git", "files"]).iter().any(is_open)
        || (depth <= MAX_DEPTH && inner.into_iter().any(|inner| is_unseen(inner, depth + 1)))
}

fn filled_only(node: &Node) -> Node {
    let mut node = node.clone();
    if let Value::Map(entries) = &mut node.value {
        entries.retain(|(_, child)| child.as_str() != Some(""));
        entries.iter_mut().for_each(|(_, child)| *child = filled_only(child));
    }
    node
}

// The parameters of every Application that one generator makes; of one that cannot be asked a single empty set.
fn made(tree: &Tree<'_>, generator: &Node, depth: usize) -> Vec<Values> {
    let mut made = Vec::new();
    let list = |path: &[&str]| generator.at_path(path).map(Node::items).unwrap_or_default();
    if depth > MAX_DEPTH {
        return made;
    }
    let (mut own, mut is_known) = (None, true);
    if let Some(elements) = generator.get("list") {
        own = Some(elements);
        let text = elements.get("elementsYaml").filter(|text| text.as_str().is_some_and(|text| !text.contains("{{")));
        let docs = text.map(|text| yaml::within(text).docs);
        let more = docs.iter().flatten().flat_map(Node::items);
        made.extend(list(&["list", "elements"]).iter().chain(more).map(|element| flat(element, "")));
    } else if let Some(git) = generator.get("git") {
        own = Some(git);
        made.extend(folders(tree, list(&["git", "directories"])));
        made.extend(files(tree, list(&["git", "files"])));
        let prefix = git.str_at(&["pathParamPrefix"]);
        if !prefix.is_empty() {
            let named = |(name, value): (String, Param)| {
                let name = if name.starts_with("path") { format!("{prefix}.{name}") } else { name };
                (name, value)
            };
            made = made.into_iter().map(|values| values.into_iter().map(named).collect()).collect();
        }
    } else if let Some(clusters) = generator.get("clusters") {
        own = Some(clusters);
        // Most clusters are declared where nobody can see them.
        made.extend(self::clusters(tree, clusters));
        is_known = false;
    } else if generator.get("matrix").is_some() {
        let mut all = vec![Values::new()];
        for inner in list(&["matrix", "generators"]) {
            let mut next: Vec<Values> = Vec::new();
            for before in all.iter().take(MAX_MADE) {
                // What a generator says may stand in the one after it.
                let mut inner = inner.clone();
                fill(&mut inner, before);
                let room = MAX_MADE.saturating_sub(next.len());
                let after = self::made(tree, &inner, depth + 1).into_iter().take(room);
                next.extend(after.map(|values| before.clone().into_iter().chain(values).collect()));
            }
            all = next;
        }
        made = all;
    } else if let Some(merge) = generator.get("merge") {
        let keys: Vec<&str> =
            merge.get("mergeKeys").into_iter().flat_map(Node::items).filter_map(Node::as_str).collect();
        let inner = list(&["merge", "generators"]);
        for (at, inner) in inner.iter().enumerate() {
            for values in self::made(tree, inner, depth + 1) {
                let is_same = |base: &&mut Values| keys.iter().all(|key| text(base, key) == text(&values, key));
                let is_known = keys.iter().all(|key| text(&values, key).is_some());
                if at == 0 {
                    made.push(values);
                } else if let Some(base) = made.iter_mut().find(is_same) {
                    // Where nobody knows which one is meant, there may be others beside it.
                    let old = (!is_known).then(|| base.clone());
                    base.extend(values);
                    made.extend(old);
                } else if let Some(base) = made.iter().find(|base| !is_known || base.is_empty()).cloned() {
                    made.push(base.into_iter().chain(values).collect());
                }
            }
        }
    } else {
        own = generator.entries().first().map(|(_, child)| child);
        is_known = false;
    }
    made.truncate(MAX_MADE);
    if !is_known {
        made.push(Values::new());
    }
    for values in &mut made {
        let is_meant = is_known || !values.is_empty();
        for (name, value) in own.and_then(|own| own.get("values")).map(Node::entries).unwrap_or_default() {
            let mut value = value.clone();
            fill(&mut value, values);
            if let Some(text) = value.as_str().filter(|text| is_meant || !text.contains("{{")) {
                values.insert(format!("values.{name}"), Param::of(text, Some(value.at)));
            }
        }
    }
    let wanted = generator.at_path(&["selector", "matchLabels"]).map(Node::entries).unwrap_or_default();
    made.retain(|values| {
        wanted.iter().all(|(name, value)| text(values, name).is_none_or(|own| Some(own) == value.as_str()))
    });
    made
}

// Every scalar of a mapping, by its path.
fn flat(node: &Node, path: &str) -> Values {
    let mut values = Values::new();
    let mut add = |name: String, child: &Node| match child.as_str() {
        Some(text) => {
            // A number without quotes is one on its way, and may come out as another text.
            let is_bare = matches!(child.value, Value::Text(_, Style::Plain));
            let number = if is_bare { helm::as_number(text) } else { None };
            values.insert(name, Param::of(number.as_deref().unwrap_or(text), Some(child.at)));
        }
        None => values.extend(flat(child, &name)),
    };
    let dot = if path.is_empty() { "" } else { "." };
    node.entries().iter().for_each(|(name, child)| add(format!("{path}{dot}{name}"), child));
    node.items().iter().enumerate().for_each(|(at, child)| add(format!("{path}[{at}]"), child));
    values
}

// What Argo CD says of a path.
fn of_path(folder: &str) -> Values {
    let base = tree::base_of(folder);
    let normal = base.to_lowercase().replace(['_', '.'], "-");
    let pairs =
        [("path", folder), ("path.path", folder), ("path.basename", base), ("path.basenameNormalized", &normal)];
    let mut values: Values = pairs.iter().map(|(name, value)| ((*name).to_owned(), Param::of(value, None))).collect();
    values.extend(folder.split('/').enumerate().map(|(at, part)| (format!("path[{at}]"), Param::of(part, None))));
    values
}

// The patterns of a list, and those that take out.
fn patterns(list: &[Node]) -> (Vec<&str>, Vec<&str>) {
    let of = |is_out: bool| {
        let named = list.iter().filter(move |entry| (entry.str_at(&["exclude"]) == "true") == is_out);
        named.map(|entry| entry.str_at(&["path"])).filter(|path| !path.is_empty()).collect::<Vec<_>>()
    };
    (of(false), of(true))
}

fn folders(tree: &Tree<'_>, list: &[Node]) -> Vec<Values> {
    let Some(at) = list.first().map(|entry| entry.at) else { return Vec::new() };
    let (wanted, unwanted) = patterns(list);
    let is_in = |patterns: &[&str], path: &str| patterns.iter().any(|pattern| is_glob(pattern, path));
    let found = tree
        .all_folders()
        .filter(|folder| tree.spend(list.len(), at) && is_in(&wanted, folder) && !is_in(&unwanted, folder));
    found.take(MAX_MADE).map(of_path).collect()
}

fn files(tree: &Tree<'_>, list: &[Node]) -> Vec<Values> {
    let Some(at) = list.first().map(|entry| entry.at) else { return Vec::new() };
    let (wanted, unwanted) = patterns(list);
    let is_in = |patterns: &[&str], path: &str| patterns.iter().any(|pattern| is_glob(pattern, path));
    let mut made = Vec::new();
    for (file, name) in tree.all() {
        if made.len() >= MAX_MADE || !tree.spend(list.len(), at) || !is_in(&wanted, name) || is_in(&unwanted, name) {
            continue;
        }
        let mut path = of_path(tree::folder_of(name));
        path.insert("path.filename".to_owned(), Param::of(tree::base_of(name), None));
        for doc in tree.docs(file) {
            let items = doc.items();
            let docs = if items.is_empty() { std::slice::from_ref(&**doc) } else { items };
            made.extend(docs.iter().map(|doc| flat(doc, "").into_iter().chain(path.clone()).collect::<Values>()));
        }
    }
    made
}

// The clusters that secrets in the tree declare.
fn clusters(tree: &Tree<'_>, generator: &Node) -> Vec<Values> {
    const TYPE: &str = "argocd.argoproj.io/secret-type";
    let wanted = generator.at_path(&["selector", "matchLabels"]).map(Node::entries).unwrap_or_default();
    let mut made = Vec::new();
    for (file, _) in tree.all() {
        for doc in tree.docs(file).iter().filter(|doc| tree.spend(1, generator.at) && doc.kind() == "Secret") {
            let label = |name: &str| doc.str_at(&["metadata", "labels", name]);
            let is_meant = wanted.iter().all(|(name, value)| Some(label(name)) == value.as_str());
            if label(TYPE) != "cluster" || !is_meant || made.len() >= MAX_MADE {
                continue;
            }
            let mut values = Values::new();
            for key in ["labels", "annotations"] {
                let pairs = doc.at_path(&["metadata", key]);
                values.extend(pairs.into_iter().flat_map(|pairs| flat(pairs, &format!("metadata.{key}"))));
            }
            for key in ["name", "server"] {
                let node = doc.at_path(&["stringData", key]);
                if let Some((text, node)) = node.and_then(|node| Some((node.as_str()?, node))) {
                    values.insert(key.to_owned(), Param::of(text, Some(node.at)));
                }
            }
            made.push(values);
        }
    }
    made
}

/// Whether a path is like a pattern: each part of it against the part at its place; `**` is any row of parts.
pub(super) fn is_glob(pattern: &str, path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    let mut reached: Vec<bool> = (0..=parts.len()).map(|at| at == 0).collect();
    for step in pattern.trim_matches('/').split('/') {
        let mut next = vec![false; parts.len() + 1];
        let mut before = false;
        for (at, is_reached) in reached.iter().enumerate() {
            if step == "**" {
                before |= is_reached;
                if let Some(slot) = next.get_mut(at) {
                    *slot = before;
                }
            } else if let (true, Some(part), Some(slot)) = (*is_reached, parts.get(at), next.get_mut(at + 1)) {
                *slot = is_match(step, part);
            }
        }
        reached = next;
    }
    reached.last().copied().unwrap_or_default()
}

// Puts values where `{{name}}` or `{{ .name }}` stands.
fn fill(node: &mut Node, values: &Values) {
    match &mut node.value {
        Value::Text(text, _) if text.len() <= MAX_TEXT && text.contains("{{") => {
            let (filled, places) = filled(text, values);
            if filled != **text {
                node.rewrite(&filled, places);
            }
        }
        Value::List(items) => items.iter_mut().for_each(|item| fill(item, values)),
        Value::Map(entries) => {
            for (name, child) in entries.iter_mut() {
                if name.contains("{{") && name.len() <= MAX_TEXT {
                    *name = filled(name, values).0.into();
                }
                fill(child, values);
            }
        }
        _ => {}
    }
}

fn filled(text: &str, values: &Values) -> (String, Vec<At>) {
    let (mut out, mut places, mut rest) = (String::new(), Vec::new(), text);
    while let Some((before, tail)) = rest.split_once("{{") {
        out.push_str(before);
        let Some((inner, after)) = tail.split_once("}}") else {
            rest = rest.get(before.len()..).unwrap_or_default();
            break;
        };
        let name = inner.trim_matches([' ', '-']).trim_start_matches('.');
        // `index .path.segments 1` is a part of a path.
        let segment = name.strip_prefix("index .path.segments ").map(|at| format!("path[{}]", at.trim()));
        match values.get(segment.as_deref().unwrap_or(name)).filter(|value| value.text.len() <= MAX_VALUE) {
            Some(value) => {
                out.push_str(&value.text);
                places.extend(value.at);
            }
            None => out.push_str(&format!("{{{{{inner}}}}}")),
        }
        rest = after;
    }
    out.push_str(rest);
    (out, places)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_matched_part_by_part() {
        for (pattern, path, expected) in [
            ("apps/*", "apps/a", true),
            ("apps/*", "apps/a/b", false),
            ("apps/*/b?", "apps/a/b1", true),
            ("**/c.json", "c.json", true),
            ("**/c.json", "a/b/c.json", true),
            ("a/**/c/*", "a/c/d", true),
            ("a/**", "a/b/c", true),
            ("a/*-prod", "a/x-prod", true),
            ("a/*-prod", "a/x-dev", false),
            ("", "a", false),
        ] {
            assert_eq!(is_glob(pattern, path), expected, "{pattern} {path}");
        }
        // Many rows of parts cost no more than few.
        assert!(!is_glob(&format!("{}x", "**/".repeat(60)), &"a/".repeat(60)));
    }

    #[test]
    fn what_is_not_known_stays() {
        let at = Some(At { file: 0, line: 7 });
        let values = Values::from([("a".to_owned(), Param::of("1", at)), ("path[1]".to_owned(), Param::of("p", None))]);
        let text = "{{a}} {{ .a }} {{- .a -}} {{b}} {{ index .path.segments 1 }} {{path[1]}} {{ a";
        let (filled, places) = filled(text, &values);
        assert_eq!((filled.as_str(), places.len()), ("1 1 1 {{b}} p p {{ a", 3));
    }
}
