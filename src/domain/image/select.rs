//! Which objects a patch or a replacement means.

use std::sync::Arc;

use super::node::{At, Node};
use super::pattern::Pattern;
use super::resource::{Id, Resource};
use super::tree::Tree;

/// Which objects are meant.
pub(super) struct Selector {
    group: Option<Pattern>,
    version: Option<Pattern>,
    kind: Option<Pattern>,
    name: Option<Pattern>,
    namespace: Option<Pattern>,
    labels: Vec<Requirement>,
    annotations: Vec<Requirement>,
    at: At,
    /// The expression that cannot be read, if there is one: then nobody knows what is meant.
    pub(super) unread: Option<String>,
}

impl Selector {
    /// Reads the target of a patch, or what a replacement selects or rejects.
    pub(super) fn read(target: &Node) -> Self {
        let text = |key: &str| Some(target.str_at(&[key])).filter(|text| !text.is_empty());
        let mut unread = None;
        let [group, version, kind, name, namespace] = ["group", "version", "kind", "name", "namespace"].map(|key| {
            let text = text(key)?;
            let pattern = Pattern::read(text);
            unread = if pattern.is_none() { Some(text.to_owned()) } else { unread.take() };
            pattern
        });
        let [labels, annotations] = ["labelSelector", "annotationSelector"].map(|key| {
            let text = target.str_at(&[key]);
            let all = requirements(text);
            unread = if all.is_none() { Some(text.to_owned()) } else { unread.take() };
            all.unwrap_or_default()
        });
        Self { group, version, kind, name, namespace, labels, annotations, at: target.at, unread }
    }

    /// Whether it may mean more than one object: not both kind and name are given as they are.
    pub(super) fn is_wide(&self) -> bool {
        let is_exact = |part: &Option<Pattern>| matches!(part, Some(Pattern::Text(_)));
        !is_exact(&self.kind) || !is_exact(&self.name)
    }

    fn is_like(&self, pattern: Option<&Pattern>, text: &str, tree: &Tree<'_>) -> bool {
        pattern.is_none_or(|pattern| pattern.is_match(text, tree, self.at))
    }

    fn is_of(&self, node: &Node, kind: &str, tree: &Tree<'_>) -> bool {
        let (group, version) = api(node);
        self.is_like(self.group.as_ref(), group, tree)
            && self.is_like(self.version.as_ref(), version, tree)
            && self.is_like(self.kind.as_ref(), kind, tree)
    }

    /// Whether a patch is for an object: what it is known by now counts, and what it was known by first.
    pub(super) fn is_match(&self, resource: &Resource, tree: &Tree<'_>) -> bool {
        let (first, now) = (resource.first(), resource.id());
        let ids = if first == now { &[now][..] } else { &[first, now][..] };
        self.unread.is_none()
            && self.is_of(&resource.node, resource.node.kind(), tree)
            && ids.iter().any(|id| self.is_like(self.name.as_ref(), id.name, tree))
            && ids.iter().any(|id| self.is_like(self.namespace.as_ref(), id.space(), tree))
            && self.is_marked(resource, tree)
    }

    /// Whether a replacement selects an object: whatever it was known by counts, each time as a whole.
    pub(super) fn is_target(&self, resource: &Resource, tree: &Tree<'_>) -> bool {
        self.unread.is_none() && self.is_marked(resource, tree) && self.is_known(resource, tree)
    }

    /// Whether a replacement rejects an object: by its names or by what marks it, and what says neither rejects nothing.
    pub(super) fn is_reject(&self, resource: &Resource, tree: &Tree<'_>) -> bool {
        let parts = [&self.group, &self.version, &self.kind, &self.name, &self.namespace];
        let (is_by_name, is_by_mark) =
            (parts.iter().any(|part| part.is_some()), !self.labels.is_empty() || !self.annotations.is_empty());
        self.unread.is_none()
            && (is_by_name && self.is_known(resource, tree) || is_by_mark && self.is_marked(resource, tree))
    }

    fn is_known(&self, resource: &Resource, tree: &Tree<'_>) -> bool {
        resource.ids().any(|id| {
            self.is_of(&resource.node, id.kind, tree)
                && self.is_like(self.name.as_ref(), id.name, tree)
                && self.is_like(self.namespace.as_ref(), id.namespace, tree)
        })
    }

    fn is_marked(&self, resource: &Resource, tree: &Tree<'_>) -> bool {
        let has = |all: &[Requirement], key: &str, given: &[Arc<Node>]| {
            let own = resource.node.at_path(&["metadata", key]);
            let all_of = || given.iter().rev().map(|given| &**given).chain(own);
            all.is_empty()
                || (tree.spend(all.len() * (1 + given.len()), self.at)
                    && all
                        .iter()
                        .all(|requirement| requirement.holds(&|name| all_of().find_map(|of| of.get(name)?.as_str()))))
        };
        has(&self.labels, "labels", &resource.labels) && has(&self.annotations, "annotations", &resource.annotations)
    }
}

fn api(node: &Node) -> (&str, &str) {
    let api = node.str_at(&["apiVersion"]);
    api.rsplit_once('/').unwrap_or(("", api))
}

/// Whether an object is the one that a patch names itself.
pub(super) fn is_named(patch: &Node, resource: &Resource) -> bool {
    let own = Id::of(patch);
    let is_it = |id: Id<'_>| id.kind == own.kind && id.name == own.name && id.space() == own.space();
    !own.kind.is_empty() && !own.name.is_empty() && api(patch) == api(&resource.node) && resource.ids().any(is_it)
}

/// Whether an object is the one that a replacement takes its value from.
pub(super) fn is_source(source: &Node, resource: &Resource) -> bool {
    let is_like = |key: &str, own: &str| {
        let text = source.str_at(&[key]);
        text.is_empty() || text == own
    };
    let (group, version) = api(&resource.node);
    is_like("group", group)
        && is_like("version", version)
        && resource.ids().any(|id| {
            is_like("kind", id.kind) && is_like("name", id.name) && {
                let space = Id { kind: source.str_at(&["kind"]), name: "", namespace: source.str_at(&["namespace"]) };
                space.namespace.is_empty() || space.space() == id.space()
            }
        })
}

// One requirement on labels or annotations.
#[derive(Debug, Clone)]
enum Requirement {
    /// The value is one of these.
    In(String, Vec<String>),
    /// There is none, or another one.
    NotIn(String, Vec<String>),
    /// There is one.
    Has(String),
    /// There is none.
    Lacks(String),
    /// The value is a number above or below this one.
    Above(String, i64),
    Below(String, i64),
}

impl Requirement {
    fn holds<'a>(&self, value: &dyn Fn(&str) -> Option<&'a str>) -> bool {
        let is_one = |all: &[String], own: &str| all.iter().any(|one| one == own);
        let number = |name: &str| value(name)?.parse::<i64>().ok();
        match self {
            Self::In(name, all) => value(name).is_some_and(|own| is_one(all, own)),
            Self::NotIn(name, all) => value(name).is_none_or(|own| !is_one(all, own)),
            Self::Has(name) => value(name).is_some(),
            Self::Lacks(name) => value(name).is_none(),
            Self::Above(name, bound) => number(name).is_some_and(|own| own > *bound),
            Self::Below(name, bound) => number(name).is_some_and(|own| own < *bound),
        }
    }
}

// `a=b,c!=d,e in (f, g),h notin(i),j,!k,l>1`; None: kustomize cannot read it either.
fn requirements(text: &str) -> Option<Vec<Requirement>> {
    let mut all = Vec::new();
    let words = words(text);
    let mut rest = words.as_slice();
    while !rest.is_empty() {
        let (one, more) = requirement(rest)?;
        all.push(one);
        rest = match more {
            [] => more,
            [",", more @ ..] if !more.is_empty() => more,
            _ => return None,
        };
    }
    Some(all)
}

// The first requirement, and what follows it.
fn requirement<'w, 't>(words: &'w [&'t str]) -> Option<(Requirement, &'w [&'t str])> {
    let key = |key: &str| Some(key).filter(|key| is_key(key)).map(str::to_owned);
    let value = |value: &str| Some(value).filter(|value| is_value(value)).map(str::to_owned);
    Some(match words {
        ["!", own, more @ ..] => (Requirement::Lacks(key(own)?), more),
        [own, "in" | "notin", "(", more @ ..] => {
            let end = more.iter().position(|word| *word == ")")?;
            let (inner, more) = more.split_at(end);
            if inner.is_empty() {
                return None;
            }
            // Between two commas stands an empty value.
            let mut all = vec![String::new()];
            for word in inner {
                match (*word, all.last_mut()) {
                    (",", _) => all.push(String::new()),
                    (word, Some(last)) if last.is_empty() => *last = value(word)?,
                    _ => return None,
                }
            }
            let more = more.get(1..)?;
            let is_in = words.get(1) == Some(&"in");
            (if is_in { Requirement::In(key(own)?, all) } else { Requirement::NotIn(key(own)?, all) }, more)
        }
        [own, sign @ ("=" | "==" | "!="), more @ ..] => {
            let (text, more) = match more {
                [] | [",", ..] => ("", more),
                [text, more @ ..] => (*text, more),
            };
            let all = vec![value(text)?];
            (if *sign == "!=" { Requirement::NotIn(key(own)?, all) } else { Requirement::In(key(own)?, all) }, more)
        }
        [own, ">", bound, more @ ..] => (Requirement::Above(key(own)?, bound.parse().ok()?), more),
        [own, "<", bound, more @ ..] => (Requirement::Below(key(own)?, bound.parse().ok()?), more),
        [own, more @ ..] => (Requirement::Has(key(own)?), more),
        [] => return None,
    })
}

// Signs, and what stands between them and blanks.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let is_sign = |c: char| "=!(),<>".contains(c);
        let end = if rest.starts_with("==") || rest.starts_with("!=") {
            2
        } else if rest.starts_with(is_sign) {
            1
        } else {
            rest.find(|c: char| is_sign(c) || c.is_ascii_whitespace()).unwrap_or(rest.len())
        };
        let (word, more) = rest.split_at(end.max(1).min(rest.len()));
        words.push(word);
        rest = more.trim_start();
    }
    words
}

fn is_value(text: &str) -> bool {
    let is_end = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    text.len() <= 63
        && is_end(text.chars().next())
        && is_end(text.chars().last())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

fn is_key(text: &str) -> bool {
    let (prefix, name) = text.split_once('/').unwrap_or(("a", text));
    let is_part = |part: &str| {
        let is_edge = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
        let bytes = part.as_bytes();
        bytes.first().copied().is_some_and(is_edge)
            && bytes.last().copied().is_some_and(is_edge)
            && bytes.iter().all(|c| is_edge(*c) || *c == b'-')
    };
    !name.is_empty() && is_value(name) && prefix.len() <= 253 && prefix.split('.').all(is_part)
}
