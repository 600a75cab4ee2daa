//! Which objects a patch or a replacement means.

use regex_lite::Regex;

use super::kustomize::Resource;
use super::node::Node;

/// Which objects are meant.
pub(super) struct Selector {
    group: Option<String>,
    version: Option<String>,
    kind: Option<Regex>,
    name: Option<Regex>,
    namespace: Option<Regex>,
    labels: Vec<(String, Option<String>)>,
    annotations: Vec<(String, Option<String>)>,
    is_none: bool,
}

impl Selector {
    /// Reads the target of a patch, or what a replacement selects.
    pub(super) fn read(target: &Node) -> Self {
        let text = |key: &str| Some(target.str_at(&[key])).filter(|text| !text.is_empty()).map(str::to_owned);
        let pattern = |key: &str| text(key).map(|text| Regex::new(&format!("^(?:{text})$")));
        let patterns = ["kind", "name", "namespace"].map(pattern);
        let is_none = patterns.iter().any(|pattern| matches!(pattern, Some(Err(_))));
        let [kind, name, namespace] = patterns.map(|pattern| pattern.and_then(Result::ok));
        Self {
            group: text("group"),
            version: text("version"),
            kind,
            name,
            namespace,
            labels: pairs(target.str_at(&["labelSelector"])),
            annotations: pairs(target.str_at(&["annotationSelector"])),
            is_none,
        }
    }

    /// The object that a patch names itself.
    pub(super) fn of(patch: &Node) -> Self {
        let exact = |text: &str| {
            let pattern = format!("^{}$", regex_lite::escape(text));
            Some(text).filter(|text| !text.is_empty()).and_then(|_| Regex::new(&pattern).ok())
        };
        Self {
            group: Some(patch.group().to_owned()),
            version: patch.str_at(&["apiVersion"]).rsplit('/').next().map(str::to_owned),
            kind: exact(patch.kind()),
            name: exact(patch.name()),
            namespace: exact(patch.namespace()),
            labels: Vec::new(),
            annotations: Vec::new(),
            is_none: patch.kind().is_empty() || patch.name().is_empty(),
        }
    }

    /// Whether an object is meant.
    pub(super) fn is_match(&self, resource: &Resource) -> bool {
        let node = &resource.node;
        let api = node.str_at(&["apiVersion"]);
        let has = |pairs: &[(String, Option<String>)], key: &str| {
            pairs.iter().all(|(name, value)| {
                let own = node.at_path(&["metadata", key, name]).and_then(Node::as_str);
                own.is_some() && value.as_deref().is_none_or(|value| own == Some(value))
            })
        };
        !self.is_none
            && self.group.as_deref().is_none_or(|group| group == node.group())
            && self.version.as_deref().is_none_or(|version| api.rsplit('/').next() == Some(version))
            && self.kind.as_ref().is_none_or(|kind| kind.is_match(node.kind()))
            && self.name.as_ref().is_none_or(|name| resource.all_names().any(|own| name.is_match(own)))
            && self.namespace.as_ref().is_none_or(|namespace| {
                let mut own = std::iter::once(node.namespace()).chain(resource.namespaces.iter().map(|name| &**name));
                own.any(|own| {
                    namespace.is_match(if own.is_empty() { "default" } else { own }) || namespace.is_match(own)
                })
            })
            && has(&self.labels, "labels")
            && has(&self.annotations, "annotations")
    }
}

// `a=b,c`: equality and presence.
fn pairs(text: &str) -> Vec<(String, Option<String>)> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let pair = |part: &str| match part.split_once('=') {
        Some((name, value)) => (name.trim().to_owned(), Some(value.trim_start_matches('=').trim().to_owned())),
        None => (part.to_owned(), None),
    };
    parts.map(pair).collect()
}
