//! Lines of a chart's templates that put an image together out of values, as far as that takes no more than values, the
//! version in Chart.yaml and defaults.

use std::collections::HashSet;

use super::helm;
use super::node::{At, Node, Style, Trust, Value};
use super::sink::{self, Hit};
use super::tree::Tree;
use super::{Class, Confidence, reference};

/// What the templates of a chart say of images.
#[derive(Default)]
pub(super) struct Templates {
    /// The images of the lines that could be filled in.
    pub(super) hits: Vec<Hit>,
    /// The lines that could not.
    pub(super) open: Vec<Open>,
}

/// A line that could not be filled in.
pub(super) struct Open {
    /// What is said of it.
    pub(super) hit: Hit,
    // Where the values stand that it names, if it names no helper that may look at others.
    about: Option<HashSet<At>>,
}

impl Open {
    /// Whether none of these can be the image of the line.
    pub(super) fn is_beside(&self, hits: &[Hit]) -> bool {
        let is_it = |about: &HashSet<At>| hits.iter().flat_map(|hit| &hit.places).any(|at| about.contains(at));
        self.about.as_ref().is_some_and(|about| !is_it(about))
    }
}

// How an image stands within a line.
const IMAGE: &str = " image: ";

// Every place of a node, and of what is within it.
fn places(node: &Node, all: &mut HashSet<At>) {
    all.extend(node.places());
    node.items().iter().for_each(|item| places(item, all));
    node.entries().iter().for_each(|(_, child)| places(child, all));
}

// What an expression comes to.
struct Part {
    text: String,
    places: Vec<At>,
    trust: Trust,
}

// What the expressions of a line may look at.
struct Scope<'a> {
    tree: &'a Tree<'a>,
    at: At,
    values: &'a Node,
    version: Option<&'a Node>,
    text: &'a str,
}

/// Fills in the lines with images of a chart's templates.
pub(super) fn images(tree: &Tree<'_>, folder: &str, values: &Node) -> Templates {
    let path = |name: &str| if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
    let chart = tree.number(&path("Chart.yaml")).and_then(|file| tree.docs(file).first());
    let version = chart.and_then(|doc| doc.get("appVersion"));
    let mut found = Templates::default();
    for (file, _) in tree.below(&path("templates")) {
        let whole = String::from_utf8_lossy(tree.bytes(file));
        let scope = |at: At| Scope { tree, at, values, version, text: &whole };
        let mut above = "";
        for (line, text) in (1..).zip(whole.lines()) {
            let at = At { file, line };
            let bare = text.trim_start().trim_start_matches("- ");
            // A value may stand on the line below its key.
            let key = std::mem::replace(
                &mut above,
                bare.trim_end_matches(['>', '|', '-', ' ']).strip_suffix(':').unwrap_or_default(),
            );
            let (key, value) = match bare.split_once(": ") {
                _ if helm::is_image_key(key) && bare.trim_start_matches(['"', '\'']).starts_with("{{") => (key, bare),
                Some(pair) => pair,
                None => continue,
            };
            if !helm::is_image_key(key) || bare.starts_with('#') {
                if bare.contains(IMAGE) && bare.contains("{{") && !bare.starts_with('#') {
                    found.open.push(scope(at).open(bare));
                }
                continue;
            }
            if !value.contains("{{") {
                // A name alone is one of an image there.
                let name = value.split(" #").next().unwrap_or_default().trim().trim_matches(['"', '\'']);
                if key == "image" && !sink::is_plausible(name) && !sink::is_open(name) {
                    let hit = |known: reference::Reference| Hit {
                        class: Class::Image,
                        reference: known.text,
                        confidence: Confidence::Inferred,
                        places: vec![at],
                        note: None,
                    };
                    found.hits.extend(reference::normalise(name).map(hit));
                }
                continue;
            }
            match scope(at).fill(value.trim().trim_matches(['"', '\''])) {
                None => found.open.push(scope(at).open(value)),
                Some(None) => {}
                Some(Some(part)) => {
                    let Some(known) = reference::normalise(&part.text) else { continue };
                    let confidence = Confidence::from(part.trust.max(Trust::Inferred));
                    let (class, reference, places) = (Class::Image, known.text, part.places);
                    found.hits.push(Hit { class, reference, confidence, places, note: None });
                }
            }
        }
    }
    found
}

impl Scope<'_> {
    // A line that cannot be filled in.
    fn open(&self, text: &str) -> Open {
        let hit = Hit {
            class: Class::Image,
            reference: text.trim().to_owned(),
            confidence: Confidence::Unresolved,
            places: vec![self.at],
            note: Some("a template puts it together".to_owned()),
        };
        let mut about = HashSet::new();
        for path in text.split(".Values.").skip(1) {
            let is_step = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
            let path = path.split(|c| !is_step(c)).next().unwrap_or_default();
            let node = path.split('.').try_fold(self.values, |node, step| node.get(step));
            if let Some(node) = node.filter(|node| self.tree.spend(node.size(), self.at)) {
                places(node, &mut about);
            }
        }
        let is_helped = ["include ", "template ", "tpl ", "$"].iter().any(|word| text.contains(word));
        Open { hit, about: (!is_helped && text.contains(".Values.")).then_some(about) }
    }

    // A line with its expressions filled in. None: it takes more than that; Some(None): it is switched off, or says nothing.
    fn fill(&self, line: &str) -> Option<Option<Part>> {
        let mut whole = Part { text: String::new(), places: Vec::new(), trust: Trust::Certain };
        let (mut rest, mut is_said) = (line, false);
        while let Some((before, tail)) = rest.split_once("{{") {
            let (inner, after) = tail.split_once("}}")?;
            is_said |= before.contains(|c: char| c.is_ascii_alphanumeric());
            whole.text.push_str(before);
            let Some(part) = self.pipeline(inner.trim_matches(['-', ' ']))? else { return Some(None) };
            whole.text.push_str(&part.text);
            whole.places.extend(part.places);
            whole.trust = whole.trust.max(part.trust);
            rest = after;
        }
        is_said |= rest.contains(|c: char| c.is_ascii_alphanumeric());
        whole.text.push_str(rest);
        if is_said || whole.places.is_empty() {
            whole.places.push(self.at);
        }
        let is_whole =
            !whole.text.is_empty() && !whole.text.starts_with([':', '/']) && !whole.text.ends_with([':', '/']);
        Some(is_whole.then_some(whole))
    }

    // `operand | default operand | quote`.
    fn pipeline(&self, text: &str) -> Option<Option<Part>> {
        let mut stages = text.split('|').map(str::trim);
        let first = stages.next()?;
        let mut part = match first.strip_prefix("default ") {
            Some(rest) => {
                let (other, own) = rest.trim().split_once(' ')?;
                self.or(own.trim(), other)?
            }
            None => self.operand(first)?,
        };
        for stage in stages {
            match stage.strip_prefix("default ") {
                Some(other) if part.as_ref().is_none_or(|part| part.text.is_empty()) => {
                    part = self.operand(other.trim())?
                }
                Some(_) => {}
                None if matches!(stage, "quote" | "squote" | "toString" | "trim") => {}
                None => return None,
            }
        }
        Some(part)
    }

    fn or(&self, own: &str, other: &str) -> Option<Option<Part>> {
        let own = self.operand(own)?;
        if own.as_ref().is_some_and(|part| !part.text.is_empty()) { Some(own) } else { self.operand(other) }
    }

    // None: it is no value; Some(None): it is a value of something that is switched off.
    fn operand(&self, text: &str) -> Option<Option<Part>> {
        let path = text.strip_prefix('$').unwrap_or(text);
        let of = |node: Option<&Node>| {
            let (text, style) = match node.map(|node| &node.value) {
                Some(Value::Text(text, style)) => (text.to_string(), *style),
                None | Some(Value::Null) => (String::new(), Style::Quoted),
                Some(_) => return None,
            };
            let number = if style == Style::Plain { helm::as_number(&text) } else { None };
            let places = node.into_iter().flat_map(Node::places).collect();
            let trust = node.map_or(Trust::Certain, |node| node.trust);
            Some(Part { text: number.unwrap_or(text), places, trust })
        };
        if path == ".Chart.AppVersion" {
            return of(self.version).map(Some);
        }
        if let Some(text) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
            return Some(Some(Part { text: text.to_owned(), places: Vec::new(), trust: Trust::Certain }));
        }
        let (mut node, mut walked) = (Some(self.values), ".Values".to_owned());
        for step in path.strip_prefix(".Values.")?.split('.') {
            if step.is_empty() || step.contains([' ', '(', ')']) {
                return None;
            }
            let steps = node.map_or(0, |node| node.entries().len());
            node = node.filter(|_| self.tree.spend(steps, self.at)).and_then(|node| node.get(step));
            walked.push('.');
            walked.push_str(step);
            // Switched off is what the template asks about.
            if node.is_some_and(helm::is_off) && self.text.contains(&format!("{walked}.enabled")) {
                return Some(None);
            }
        }
        of(node).map(Some)
    }
}
