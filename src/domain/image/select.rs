//! Which objects a patch or a replacement means.

use std::sync::Arc;

use super::node::{At, Node};
use super::pattern::Pattern;
use super::resource::Resource;
use super::tree::Tree;

/// Which objects are meant.
pub(super) struct Selector {
    group: Option<String>,
    version: Option<String>,
    kind: Option<Pattern>,
    name: Option<Pattern>,
    namespace: Option<Pattern>,
    labels: Vec<Requirement>,
    annotations: Vec<Requirement>,
    is_none: bool,
    /// Whether what says nothing of its namespace is in the default one.
    pub(super) has_default: bool,
    at: At,
    /// The expression that cannot be read, if there is one: then nobody knows what is meant.
    pub(super) unread: Option<String>,
}

impl Selector {
    /// Reads the target of a patch, or what a replacement selects.
    pub(super) fn read(target: &Node) -> Self {
        let text = |key: &str| Some(target.str_at(&[key])).filter(|text| !text.is_empty()).map(str::to_owned);
        let mut unread = None;
        let [kind, name, namespace] = ["kind", "name", "namespace"].map(|key| {
            let text = text(key)?;
            let pattern = Pattern::read(&text);
            unread = if pattern.is_none() { Some(text) } else { unread.take() };
            pattern
        });
        Self {
            group: text("group"),
            version: text("version"),
            kind,
            name,
            namespace,
            labels: requirements(target.str_at(&["labelSelector"])),
            annotations: requirements(target.str_at(&["annotationSelector"])),
            is_none: unread.is_some(),
            has_default: true,
            at: target.at,
            unread,
        }
    }

    /// The object that a patch names itself.
    pub(super) fn of(patch: &Node) -> Self {
        let exact = |text: &str| (!text.is_empty()).then(|| Pattern::Text(text.to_owned()));
        Self {
            group: Some(patch.group().to_owned()),
            version: patch.str_at(&["apiVersion"]).rsplit('/').next().map(str::to_owned),
            kind: exact(patch.kind()),
            name: exact(patch.name()),
            namespace: exact(patch.namespace()),
            labels: Vec::new(),
            annotations: Vec::new(),
            is_none: patch.kind().is_empty() || patch.name().is_empty(),
            has_default: true,
            at: patch.at,
            unread: None,
        }
    }

    /// Whether an object is meant.
    pub(super) fn is_match(&self, resource: &Resource, tree: &Tree<'_>) -> bool {
        let node = &resource.node;
        let is_like = |pattern: &Pattern, text: &str| pattern.is_match(text, tree, self.at);
        let api = node.str_at(&["apiVersion"]);
        let has = |all: &[Requirement], key: &str, given: &[Arc<Node>]| {
            let own = node.at_path(&["metadata", key]);
            let all_of = || given.iter().rev().map(|given| &**given).chain(own);
            all.is_empty()
                || (tree.spend(all.len() * (1 + given.len()), self.at)
                    && all
                        .iter()
                        .all(|requirement| requirement.holds(&|name| all_of().find_map(|of| of.get(name)?.as_str()))))
        };
        !self.is_none
            && self.group.as_deref().is_none_or(|group| group == node.group())
            && self.version.as_deref().is_none_or(|version| api.rsplit('/').next() == Some(version))
            && self.kind.as_ref().is_none_or(|kind| is_like(kind, node.kind()))
            && self.name.as_ref().is_none_or(|name| resource.all_names().any(|own| is_like(name, own)))
            && self.namespace.as_ref().is_none_or(|namespace| {
                let mut own = std::iter::once(node.namespace()).chain(resource.namespaces.iter().map(|name| &**name));
                own.any(|own| {
                    (self.has_default && own.is_empty() && is_like(namespace, "default")) || is_like(namespace, own)
                })
            })
            && has(&self.labels, "labels", &resource.labels)
            && has(&self.annotations, "annotations", &resource.annotations)
    }
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
}

impl Requirement {
    fn holds<'a>(&self, value: &dyn Fn(&str) -> Option<&'a str>) -> bool {
        let is_one = |all: &[String], own: &str| all.iter().any(|one| one == own);
        match self {
            Self::In(name, all) => value(name).is_some_and(|own| is_one(all, own)),
            Self::NotIn(name, all) => value(name).is_none_or(|own| !is_one(all, own)),
            Self::Has(name) => value(name).is_some(),
            Self::Lacks(name) => value(name).is_none(),
        }
    }
}

// `a=b,c!=d,e in (f, g),h notin (i),j,!k`.
fn requirements(text: &str) -> Vec<Requirement> {
    let mut parts: Vec<String> = vec![String::new()];
    let mut depth = 0;
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        match parts.last_mut() {
            Some(part) if c != ',' || depth > 0 => part.push(c),
            _ => parts.push(String::new()),
        }
    }
    let list = |text: &str| {
        let bare = text.trim().trim_start_matches('(').trim_end_matches(')');
        bare.split(',').map(|one| one.trim().to_owned()).collect::<Vec<_>>()
    };
    let name = |text: &str| text.trim().to_owned();
    let of = |part: &str| {
        if let Some((own, all)) = part.split_once(" notin ") {
            Requirement::NotIn(name(own), list(all))
        } else if let Some((own, all)) = part.split_once(" in ") {
            Requirement::In(name(own), list(all))
        } else if let Some((own, value)) = part.split_once("!=") {
            Requirement::NotIn(name(own), vec![name(value)])
        } else if let Some((own, value)) = part.split_once('=') {
            Requirement::In(name(own), vec![name(value.trim_start_matches('='))])
        } else if let Some(own) = part.trim().strip_prefix('!') {
            Requirement::Lacks(name(own))
        } else {
            Requirement::Has(name(part))
        }
    };
    parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()).map(of).collect()
}
