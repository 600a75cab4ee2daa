//! The `images` of a kustomization, with what they rewrite and what they leave alone.

use std::sync::Arc;

use regex_lite::{Regex, RegexBuilder};

use super::fieldspec::FieldSpec;
use super::node::{At, Node, Trust, Value};
use super::{reference, sink};

// Largest expression for names, and longest text on which one is tried.
const MAX_SIZE: usize = 8 << 10;
const LONGEST: usize = 1024;

/// One entry.
pub(super) struct Retag {
    /// The name as written.
    pub(super) name: String,
    pattern: Option<Regex>,
    /// Whether the name is an expression, and whether one that cannot be read.
    pub(super) is_expression: bool,
    pub(super) is_unread: bool,
    new_name: Option<String>,
    new_tag: Option<String>,
    digest: Option<String>,
    suffix: Option<String>,
    /// Lines of what it changes.
    pub(super) places: Vec<At>,
    trust: Trust,
    /// Whether anything had its name.
    pub(super) is_used: bool,
    /// Line and text of a tag that kustomize refuses, being a number.
    pub(super) number: Option<(At, String)>,
}

impl Retag {
    /// Reads an entry.
    pub(super) fn read(entry: &Node) -> Option<Self> {
        let name = entry.str_at(&["name"]);
        let part = |key: &str| entry.get(key).filter(|node| node.as_str().is_some_and(|text| !text.is_empty()));
        let parts = [part("newName"), part("newTag"), part("digest"), part("tagSuffix")];
        let [new_name, new_tag, digest, suffix] = parts.map(|part| part.and_then(Node::as_str).map(str::to_owned));
        if name.is_empty() {
            return None;
        }
        // Nobody knows which images one renames whose name is not known.
        let is_known = entry.get("name").is_none_or(|name| name.trust != Trust::Unresolved);
        let is_plain = is_known && name.chars().all(|c| c.is_alphanumeric() || "./_:-@".contains(c));
        let pattern = format!("^{name}(:[a-zA-Z0-9_.{{}}-]*)?(@sha256:[a-zA-Z0-9_.{{}}-]*)?$");
        let build = || RegexBuilder::new(&pattern).size_limit(MAX_SIZE).build().ok();
        let pattern = if is_plain || !is_known { None } else { build() };
        let found = || parts.into_iter().flatten();
        let number = part("newTag").filter(|tag| sink::is_no_text(tag));
        Some(Self {
            name: name.to_owned(),
            is_expression: !is_plain,
            is_unread: !is_plain && pattern.is_none(),
            pattern,
            new_name,
            new_tag,
            digest,
            suffix,
            places: found().flat_map(Node::places).collect(),
            // Flux takes a number, and may write it otherwise.
            trust: match number {
                Some(_) => Trust::Unresolved,
                None => found().map(|node| node.trust).max().unwrap_or(Trust::Certain),
            },
            is_used: false,
            number: number.map(|tag| (tag.at, tag.as_str().unwrap_or_default().to_owned())),
        })
    }

    fn is_match(&self, image: &str) -> bool {
        if self.is_expression {
            return image.len() <= LONGEST && self.pattern.as_ref().is_some_and(|pattern| pattern.is_match(image));
        }
        let is_word = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "_.{}-".contains(c));
        // kustomize takes the name for an expression: a dot stands for whatever character.
        let mut rest = image.chars();
        if !self.name.chars().all(|own| rest.next().is_some_and(|c| own == c || (own == '.' && c != '\n'))) {
            return false;
        }
        let rest = rest.as_str();
        let (tag, digest) = rest.split_once('@').map_or((rest, None), |(tag, digest)| (tag, Some(digest)));
        (tag.is_empty() || tag.strip_prefix(':').is_some_and(is_word))
            && digest.is_none_or(|digest| digest.strip_prefix("sha256:").is_some_and(is_word))
    }

    /// Rewrites a node that has the entry's name.
    pub(super) fn apply(&mut self, node: &mut Node) {
        let Some(text) = node.as_str().filter(|text| self.is_match(text)) else { return };
        self.is_used = true;
        // Suffixes upon suffixes have no end.
        if text.len() > LONGEST {
            node.trust = Trust::Unresolved;
            return;
        }
        let new = self.change(text);
        // What says what is so anyway has its part in it too.
        let is_told = self.places.iter().all(|place| node.more.contains(place));
        if new != text || !is_told {
            node.rewrite(&new, self.places.iter().copied());
            node.trust = node.trust.max(self.trust);
        }
    }

    fn change(&self, text: &str) -> String {
        let (name, tag, digest) = reference::split(text);
        let name = self.new_name.as_deref().unwrap_or(name);
        match (&self.new_tag, &self.digest, &self.suffix) {
            (Some(tag), Some(digest), _) => reference::join(name, Some(tag), Some(digest)),
            (Some(tag), None, _) => reference::join(name, Some(tag), None),
            (None, Some(digest), _) => reference::join(name, None, Some(digest)),
            (None, None, Some(suffix)) => {
                reference::join(name, Some(&format!("{}{suffix}", tag.unwrap_or_default())), None)
            }
            (None, None, None) => reference::join(name, tag, digest),
        }
    }

    /// What it makes of a reference in its normal form, or of one whose tag is not known; None: it is for another image.
    pub(super) fn renamed(&self, reference: &str) -> Option<(String, bool)> {
        let own = reference::normalise(&self.name).filter(|_| !self.is_expression)?.text;
        let (name, tag, digest) = reference::split(reference);
        if own.trim_end_matches(":latest") != name || self.places.is_empty() {
            return None;
        }
        let is_open = tag == Some("?") && self.new_tag.is_none() && self.digest.is_none();
        let tag = tag.filter(|tag| *tag != "?");
        let known = reference::normalise(&self.change(&reference::join(name, tag, digest)))?.text;
        let text = if is_open { format!("{}:?", known.trim_end_matches(":latest")) } else { known };
        Some((text, !is_open))
    }

    /// What it says of an image that cannot be seen: a reference, and whether all of it is known.
    pub(super) fn evidence(&self) -> Option<(String, bool)> {
        let is_known = self.new_tag.is_some() || self.digest.is_some();
        if self.places.is_empty() || self.is_expression {
            return None;
        }
        let known = reference::normalise(&self.change(&self.name))?.text;
        let text = if is_known { known } else { format!("{}:?", known.trim_end_matches(":latest")) };
        Some((text, is_known))
    }
}

/// Rewrites every image that kustomize rewrites in an object; `fields` are the paths that it knows.
pub(super) fn apply(object: &mut Arc<Node>, retags: &mut [Retag], fields: &[FieldSpec]) {
    if object.kind() == "CustomResourceDefinition" {
        return;
    }
    let fields: Vec<&FieldSpec> = fields.iter().filter(|field| field.is_for(object)).collect();
    // Objects are shared between overlays, and most have nothing to rewrite.
    let mut is_touched = false;
    look(object, &mut |node| {
        is_touched |= node.as_str().is_some_and(|text| retags.iter().any(|retag| retag.is_match(text)))
    });
    let is_any = |node: &Node| node.as_str().is_some_and(|text| retags.iter().any(|retag| retag.is_match(text)));
    if !is_touched && !fields.iter().any(|field| field.reaches(object, &is_any)) {
        return;
    }
    let object = Arc::make_mut(object);
    // kustomize goes over pods twice, once by their paths and once looking for containers everywhere. A name that has
    // changed is found no more, but a suffix is added twice.
    for retag in retags {
        rewrite(object, &mut |node| retag.apply(node));
        for field in &fields {
            field.follow(object, None, &mut |node| retag.apply(node));
        }
    }
}

/// Where kustomize knows images to be, whatever the kind.
pub(super) const PODS: &[&str] = &[
    "spec/containers/image",
    "spec/initContainers/image",
    "spec/volumes/image/reference",
    "spec/template/spec/containers/image",
    "spec/template/spec/initContainers/image",
    "spec/template/spec/volumes/image/reference",
];

// Shows the images of every list of containers.
fn look(node: &Node, show: &mut dyn FnMut(&Node)) {
    node.items().iter().for_each(|item| look(item, show));
    for (name, child) in node.entries() {
        if matches!(&**name, "containers" | "initContainers") {
            child.items().iter().filter_map(|item| item.get("image")).for_each(&mut *show);
        }
        look(child, show);
    }
}

fn rewrite(node: &mut Node, change: &mut dyn FnMut(&mut Node)) {
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|item| rewrite(item, change)),
        Value::Map(entries) => {
            for (name, child) in entries {
                if let ("containers" | "initContainers", Value::List(items)) = (&**name, &mut child.value) {
                    items.iter_mut().filter_map(|item| item.get_mut("image")).for_each(&mut *change);
                }
                rewrite(child, change);
            }
        }
        _ => {}
    }
}
