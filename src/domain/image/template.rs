//! Lines of a chart's templates that put an image together out of values: what they say of images, as far as the
//! expressions in them come to something.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;

use super::account::{Looked, Variables};
use super::actions::{self, Helpers};
use super::expression::Scope;
use super::flow::{self, Line, Said, Template};
use super::guards::{Calls, Guards};
use super::node::{At, Node, Trust};
use super::sink::{self, Hit, Sink};
use super::tree::Tree;
use super::{Class, Confidence, fields, helm, inserts, reference, text, yaml};

/// What the templates of a chart say of images.
#[derive(Default)]
pub(super) struct Templates<'a> {
    /// The images of the lines that could be filled in.
    pub(super) hits: Vec<Hit>,
    /// The lines that could not.
    pub(super) open: Vec<Open<'a>>,
    /// What else they do that nobody follows.
    pub(super) closed: Vec<Hit>,
}

/// A line that could not be filled in.
pub(super) struct Open<'a> {
    /// What is said of it.
    pub(super) hit: Hit,
    /// What it looks at.
    pub(super) looked: Looked<'a>,
    /// Whether it is one with an image: else it only may be.
    pub(super) is_named: bool,
}

/// The templates of one chart, and what they share with the charts that it consists of.
pub(super) struct Chart<'a> {
    /// The tree.
    pub(super) tree: &'a Tree<'a>,
    /// The chart's values.
    pub(super) values: &'a Node,
    /// What Chart.yaml says.
    pub(super) chart: Option<&'a Node>,
    /// Its templates: file, text, and that taken apart.
    pub(super) files: Vec<&'a Source>,
    /// The helpers of all.
    pub(super) helpers: &'a Helpers,
    /// The calls of all.
    pub(super) calls: &'a Calls,
    /// What is switched off.
    pub(super) guards: &'a Guards<'a>,
    /// The keys of its parts that are not in the tree.
    pub(super) unseen: Vec<&'a str>,
    /// Whether a value was looked at that may be there and count as empty.
    pub(super) has_doubt: Cell<bool>,
    /// What variables look at.
    pub(super) variables: Variables<'a>,
    /// The values whose text was looked at, and those of the parts of an object, with the key that these stand below.
    pub(super) flowed: RefCell<HashSet<(*const Node, Option<String>)>>,
}

/// One template.
pub(super) struct Source {
    /// Which file.
    pub(super) file: u32,
    /// Its path in the chart.
    pub(super) name: String,
    /// Its text without comments.
    pub(super) text: String,
    /// That taken apart.
    pub(super) template: Template,
    /// Whether nothing that it writes is deployed: it only has helpers.
    pub(super) is_idle: bool,
}

impl Source {
    /// Its actions of which something may be deployed.
    pub(super) fn said(&self) -> impl Iterator<Item = &Said> {
        self.template.said.iter().filter(|said| !self.is_idle || said.within.helper.is_some())
    }

    // What it writes whole at a line.
    fn written(&self, at: At) -> Hit {
        let note = Some("a template writes it whole, and what that is is not looked at".to_owned());
        let (class, reference, confidence) = (Class::Image, self.name.clone(), Confidence::Opaque);
        Hit { class, reference, confidence, places: vec![at], note }
    }
}

/// Fills in the lines with images of a chart's templates.
pub(super) fn images<'a>(of: &'a Chart<'a>) -> Templates<'a> {
    let mut found = Templates::default();
    for source in of.files.iter().copied() {
        let mut lines = HashSet::new();
        for doc in source.template.lines.split(|line| line.text.starts_with("---")) {
            let written: Vec<String> = doc.iter().map(|line| line.restored(&line.text)).collect();
            if text::is_silent(written.iter().map(String::as_str)) {
                continue;
            }
            let found = &mut found;
            let fields = fields::named(text::identity(written.iter().map(String::as_str)));
            let (below, parents) = (None, Vec::new());
            let mut reader = Reader { of, source, below, parents, fields, found, lines: &mut lines };
            let written = doc.iter().filter(|line| !source.is_idle || line.within.helper.is_some());
            written.for_each(|line| reader.line(line));
        }
        inserts::changes(of, source, &lines, &mut found);
    }
    found
}

// The lines of one document, one after the other.
struct Reader<'a, 'f> {
    of: &'a Chart<'a>,
    source: &'a Source,
    // The key of an image whose value is yet to come.
    below: Option<String>,
    // The keys above, with their columns; and whether what is below is a text.
    parents: Vec<(usize, String, bool)>,
    // Other keys of images that an object of its kind has.
    fields: Vec<&'static str>,
    found: &'f mut Templates<'a>,
    // The lines with images.
    lines: &'f mut HashSet<u32>,
}

impl<'a> Reader<'a, '_> {
    fn line(&mut self, line: &'a Line) {
        let bare = line.text.trim_start();
        if bare.starts_with('#') {
            return;
        }
        let scope = Scope::new(self.of, self.source, line.number, &line.within);
        let mut column = line.text.len() - bare.len();
        if flow::is_action(bare) && self.below.is_none() {
            let text = line.restored(bare);
            if text.trim_matches(['{', '}', '-', ' ']).starts_with("fail ") {
                return;
            }
            if column == 0 && !text::is_indented(&text) && !self.source.is_idle && line.within.helper.is_none() {
                self.found.closed.push(self.source.written(scope.at));
                return;
            }
            let said = text.rsplit_once("indent ").and_then(|(_, rest)| rest.split([' ', '}']).next()?.parse().ok());
            let column = said.unwrap_or(column);
            // A list may stand as far to the left as its key.
            self.parents.retain(|(at, ..)| *at <= column);
            let above = self.parents.last().map(|(_, above, _)| above.clone()).unwrap_or_default();
            self.parents.retain(|(at, ..)| *at < column);
            return inserts::part(&scope, &text, (&above, self.is_data()), self.found);
        }
        let mut is_in_image = false;
        for (at, (_, part)) in text::parts(bare).into_iter().enumerate() {
            let inner = part.trim_start_matches("- ").trim_start();
            column += part.len() - inner.len();
            let explicit = inner.strip_prefix("? ").map(|key| (key, ""));
            let Some((key, value)) = explicit.or_else(|| text::pair(inner)).or_else(|| joined(inner)) else {
                if let Some(key) = self.below.clone().filter(|_| !part.starts_with("- ")) {
                    self.lines.insert(line.number);
                    scope.image(&key, &line.restored(inner.strip_prefix(": ").unwrap_or(inner)), self.found);
                } else if let Some(value) = option(inner) {
                    scope.image("image", &line.restored(value), self.found);
                }
                continue;
            };
            self.below = None;
            if at == 0 {
                self.parents.retain(|(at, ..)| *at < column);
            }
            let key = scope.key(&line.restored(key));
            let is_part = self.parents.last().is_some_and(|(_, above, _)| helm::is_image_key(above));
            let is_in_volume = is_part || is_in_image || self.parents.iter().any(|(_, above, _)| above == "volumes");
            let (value, written) = (value.trim(), line.restored(value));
            match &key {
                Some(key) if helm::is_image_key(key) && below(value).is_some() => {
                    is_in_image = true;
                    self.below = Some(key.clone());
                }
                Some(key) if (is_in_volume && key == "reference") || self.fields.contains(&key.as_str()) => {
                    self.lines.insert(line.number);
                    if below(value).is_some() {
                        self.below = Some("image".to_owned());
                    } else {
                        scope.image("image", &written.replacen("oci://", "", 1), self.found);
                    }
                }
                Some(key) if key.ends_with("mageRepository") || (is_part && key == "repository") => {
                    scope.repository(&written, self.found);
                }
                Some(key) => {
                    self.lines.extend(helm::is_image_key(key).then_some(line.number));
                    scope.image(key, &written, self.found);
                }
                None => scope.unnamed(&written, self.found),
            }
            let is_image = key.as_deref().is_some_and(helm::is_image_key);
            if flow::is_action(value) && !is_image {
                let above = key.as_deref().unwrap_or_default();
                inserts::part(&scope, &written, (above, self.is_data()), self.found);
            }
            if let Some(is_text) = below(value).filter(|_| at == 0) {
                self.parents.push((column, key.unwrap_or_default(), is_text));
            }
        }
    }

    // Whether what stands here is data, and nothing of an object that is deployed.
    fn is_data(&self) -> bool {
        const DATA: &[&str] = &["data", "stringData", "binaryData"];
        let is_top = |at: usize, key: &str| at == 0 && DATA.contains(&key);
        self.parents.iter().any(|(at, key, is_text)| *is_text || is_top(*at, key))
    }
}

// The value of an option that is named for an image.
fn option(text: &str) -> Option<&str> {
    let (name, value) = text.trim_matches(['"', '\'']).strip_prefix("--")?.split_once('=')?;
    (helm::is_image_key(name.rsplit('-').next()?) && flow::is_filled_in(value)).then_some(value)
}

// A key of an image and its value, where an action takes the blank between them away, which nobody means.
fn joined(text: &str) -> Option<(&str, &str)> {
    let (key, value) = text.split_once(':')?;
    (helm::is_image_key(key.trim_matches(['"', '\''])) && flow::is_filled_in(value)).then_some((key, value))
}

// Whether the value of a key is on the lines below it, and is a text then: a comment, a tag or an anchor is none.
fn below(value: &str) -> Option<bool> {
    let value = if value.starts_with('#') { "" } else { value.split(" #").next().unwrap_or_default() };
    let mut words = value.split_whitespace().skip_while(|word| word.starts_with(['!', '&']));
    match (words.next(), words.next()) {
        (None, _) => Some(false),
        (Some(word), None) if word.starts_with(['|', '>']) && word.len() < 4 => Some(true),
        _ => None,
    }
}

impl<'a> Scope<'a> {
    // A key, if it is told what it is.
    fn key(&self, text: &str) -> Option<String> {
        let marked = text.split_once(' ').filter(|(mark, _)| mark.starts_with(['&', '!']));
        let text = marked.map_or(text, |(_, text)| text).trim();
        if text.starts_with('*') {
            return None;
        }
        let text = if text.contains("{{") { self.fill(text)??.text } else { text.to_owned() };
        let text = if text.starts_with('"') { scalar(&text)? } else { text };
        Some(text.trim_matches(['"', '\'', ' ']).to_owned())
    }

    // What a key that nobody knows and its value may say of an image.
    fn unnamed(&self, value: &str, found: &mut Templates<'a>) {
        let is_sentence = || actions::beside(value).trim().contains(char::is_whitespace);
        if value.contains("{{") && (self.is_unwritten() || is_sentence()) {
            return;
        }
        if value.contains("{{") {
            let looked = self.looked(value);
            let is_named = false;
            found.open.push(Open { hit: self.hit(value), looked, is_named });
        } else if let Some(text) = scalar(value).filter(|text| sink::is_plausible(text) && reference::is_pinned(text)) {
            self.found(&text, found);
        }
    }

    /// Whether it is not written with these values, or stands in a helper that nobody calls.
    pub(super) fn is_unwritten(&self) -> bool {
        let is_idle = self.within.helper.as_deref().is_some_and(|helper| self.of.calls.is_idle(helper));
        is_idle || self.of.guards.is_dead(self.within)
    }

    // The image of a line that says where it is, and not which one of it.
    fn repository(&self, value: &str, found: &mut Templates<'a>) {
        let text = if value.contains("{{") { self.fill(value).flatten().map(|part| part.text) } else { scalar(value) };
        if let Some(known) = text.filter(|text| sink::is_plausible(text)).and_then(|text| reference::normalise(&text)) {
            let reference = format!("{}:?", known.text.trim_end_matches(":latest"));
            let note = Some(helm::NO_TAG.to_owned());
            found.closed.push(Hit { reference, note, ..self.hit(value) });
        }
    }

    /// An image that stands there.
    pub(super) fn say(&self, text: &str, sink: &mut Sink) {
        sink.image(&Node::text(self.at, text), Trust::Inferred);
    }

    fn found(&self, text: &str, found: &mut Templates<'a>) {
        let mut sink = Sink::default();
        self.say(text, &mut sink);
        found.hits.extend(sink.hits());
    }

    // What a key and its value say of an image.
    fn image(&self, key: &str, value: &str, found: &mut Templates<'a>) {
        let is_named = helm::is_image_key(key);
        let may_be = key == "value" && value.contains("{{");
        if !is_named && !may_be {
            return;
        }
        if !value.contains("{{") {
            let Some(name) = scalar(value) else {
                // An alias, or what goes on below.
                found.closed.push(self.hit(value));
                return;
            };
            // A name alone is one of an image there.
            let is_name = key == "image" && !sink::is_open(&name) && reference::normalise(&name).is_some();
            if is_name || sink::is_plausible(&name) {
                self.found(&name, found);
            }
            return;
        }
        if self.is_unwritten() {
            return;
        }
        self.of.has_doubt.set(false);
        self.filled(value, is_named, found);
        if self.of.has_doubt.take() {
            self.doubting().filled(value, is_named, found);
        }
    }

    // The image of a line, as it is filled in.
    fn filled(&self, value: &str, is_named: bool, found: &mut Templates<'a>) {
        match self.fill(text::unquoted(value)) {
            None if is_named => {
                found.open.push(Open { hit: self.hit(value), looked: self.looked(value), is_named });
            }
            Some(Some(part)) if is_named || sink::is_literal(&part.text) => {
                let Some(known) = reference::normalise(&part.text) else {
                    // An anchor or a tag may stand before it; messages of checks have more words.
                    let is_one = is_named && part.text.split_whitespace().count() <= 2;
                    found.closed.extend(is_one.then(|| Hit { places: part.places, ..self.hit(&part.text) }));
                    return;
                };
                let confidence = Confidence::from(part.trust.max(Trust::Inferred));
                let (class, reference, places) = (Class::Image, known.text, part.places);
                found.hits.push(Hit { class, reference, confidence, places, note: None });
            }
            _ => {}
        }
    }

    /// What is said of a line that cannot be filled in.
    pub(super) fn hit(&self, text: &str) -> Hit {
        Hit {
            class: Class::Image,
            reference: text.trim().to_owned(),
            confidence: Confidence::Unresolved,
            places: vec![self.at],
            note: Some("a template puts it together".to_owned()),
        }
    }
}

// The text of a value that is written on one line; None: it is none, or goes on.
fn scalar(value: &str) -> Option<String> {
    let value = value.trim();
    let marked = value.split_once(' ').filter(|(mark, _)| mark.starts_with(['&', '!']));
    let value = marked.map_or(value, |(_, value)| value).trim();
    if value.starts_with('*') {
        return None;
    }
    if value.starts_with(['"', '\'']) {
        let parsed = yaml::within(&Node::text(At { file: 0, line: 1 }, value));
        return parsed.docs.first().filter(|_| parsed.fault.is_none())?.as_str().map(str::to_owned);
    }
    Some(value.split(" #").next().unwrap_or_default().trim().trim_end_matches(['"', '\'']).to_owned())
}
