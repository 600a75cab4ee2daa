//! Lines of a chart's templates that put an image together out of values, as far as that takes no more than values, what
//! Chart.yaml says, defaults, variables and helpers that consist of these.

use std::collections::HashSet;

use super::actions::{self, Action, Helpers};
use super::helm;
use super::node::{At, Node, Style, Trust, Value};
use super::sink::{self, Hit};
use super::text;
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
    // Where the values stand that it and its helpers name, if these are all that it looks at.
    about: Option<HashSet<At>>,
}

impl Open {
    /// Whether none of these can be the image of the line.
    pub(super) fn is_beside(&self, hits: &[Hit]) -> bool {
        let is_it = |about: &HashSet<At>| hits.iter().flat_map(|hit| &hit.places).any(|at| about.contains(at));
        self.about.as_ref().is_some_and(|about| !is_it(about))
    }
}

// Whether a word is about what a helper is given, what a loop goes over, or what a block is for.
fn is_relative(word: &str) -> bool {
    const OWN: &[&str] = &[".Values", ".Chart", ".Release", ".Template"];
    let bare = word.strip_prefix('$').map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric()));
    let rest = bare.unwrap_or(word);
    let is_field = rest.strip_prefix('.').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()));
    is_field && !OWN.iter().any(|own| rest.starts_with(own))
}

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

// Deepest chain of helpers and variables.
const MAX_DEPTH: usize = 8;
// Most bytes and places of what an expression comes to.
const LONGEST: usize = 4096;
// How many bytes are searched at the cost of one look at a path.
const BYTES: usize = 64;

// What the expressions of a line may look at.
#[derive(Clone, Copy)]
struct Scope<'a> {
    tree: &'a Tree<'a>,
    at: At,
    values: &'a Node,
    chart: Option<&'a Node>,
    helpers: &'a Helpers,
    // The template, or the helper, in which its variables are set.
    text: &'a str,
    // What the loops and blocks around it are about.
    around: &'a str,
    depth: usize,
}

/// Fills in the lines with images of a chart's templates.
pub(super) fn images(tree: &Tree<'_>, folder: &str, values: &Node) -> Templates {
    let path = |name: &str| if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
    let chart = tree.number(&path("Chart.yaml")).and_then(|file| tree.docs(file).first()).map(|doc| &**doc);
    let mut found = Templates::default();
    let mut helpers = Helpers::default();
    let said = |(file, _)| (file, actions::without_comments(&String::from_utf8_lossy(tree.bytes(file))));
    let files: Vec<(u32, String)> = tree.below(&path("templates")).map(said).collect();
    files.iter().for_each(|(_, text)| helpers.read(text));
    for (file, text) in &files {
        let mut blocks: Vec<&str> = Vec::new();
        let mut above = "";
        for (line, said) in (1..).zip(text.lines()) {
            let at = At { file: *file, line };
            actions::blocks(said, &mut blocks);
            let around = if said.contains("{{") { blocks.join(" ") } else { String::new() };
            let scope = Scope { tree, at, values, chart, helpers: &helpers, text, around: &around, depth: 0 };
            // A value may stand on the line below its key.
            let key = std::mem::replace(
                &mut above,
                said.trim_start_matches([' ', '-'])
                    .trim_end_matches(['>', '|', '-', ' '])
                    .strip_suffix(':')
                    .unwrap_or_default(),
            );
            let said = said.trim();
            if helm::is_image_key(key) && said.trim_start_matches(['"', '\'']).starts_with("{{") {
                scope.image(key, said, &mut found);
                continue;
            }
            for (_, part) in text::parts(said).into_iter().filter(|_| !said.starts_with('#')) {
                let bare = part.trim_start_matches("- ").trim_start();
                if let Some((key, value)) = bare.split_once(": ").or_else(|| bare.split_once("\":")) {
                    scope.image(key.trim_matches(['"', '\'', ' ']), value, &mut found);
                }
            }
        }
    }
    found
}

impl Scope<'_> {
    // What a key and its value say of an image.
    fn image(&self, key: &str, value: &str, found: &mut Templates) {
        let is_named = helm::is_image_key(key);
        let may_be = key == "value" && value.contains("{{");
        if !is_named && !may_be {
            return;
        }
        if !value.contains("{{") {
            // A name alone is one of an image there.
            let name = value.split(" #").next().unwrap_or_default().trim().trim_matches(['"', '\'']);
            if key == "image" && !sink::is_plausible(name) && !sink::is_open(name) {
                let hit = |known: reference::Reference| Hit {
                    class: Class::Image,
                    reference: known.text,
                    confidence: Confidence::Inferred,
                    places: vec![self.at],
                    note: None,
                };
                found.hits.extend(reference::normalise(name).map(hit));
            }
            return;
        }
        match self.fill(value.trim().trim_matches(['"', '\''])) {
            None if is_named => found.open.push(self.open(value)),
            Some(Some(part)) if is_named || sink::is_literal(&part.text) => {
                let Some(known) = reference::normalise(&part.text) else { return };
                let confidence = Confidence::from(part.trust.max(Trust::Inferred));
                let (class, reference, places) = (Class::Image, known.text, part.places);
                found.hits.push(Hit { class, reference, confidence, places, note: None });
            }
            _ => {}
        }
    }

    // A line that cannot be filled in.
    fn open(&self, text: &str) -> Open {
        let hit = Hit {
            class: Class::Image,
            reference: text.trim().to_owned(),
            confidence: Confidence::Unresolved,
            places: vec![self.at],
            note: Some("a template puts it together".to_owned()),
        };
        let (mut about, mut is_all) = (HashSet::new(), true);
        self.looks_at(text, &mut about, &mut is_all);
        if !is_all {
            self.looks_at(self.around, &mut about, &mut is_all);
        }
        // What it is given is what it looks at, even if nobody knows how.
        let is_told = is_all || !about.is_empty();
        Open { hit, about: is_told.then_some(about) }
    }

    // Where the values stand that a text and its helpers name; it is not all if these may look at others.
    fn looks_at(&self, text: &str, about: &mut HashSet<At>, is_all: &mut bool) {
        let (mut texts, mut seen) = (vec![text], HashSet::new());
        while let Some(text) = texts.pop() {
            for path in text.split(".Values.").skip(1) {
                let is_step = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
                let path = path.split(|c| !is_step(c)).next().unwrap_or_default();
                let node = path.split('.').try_fold(self.values, |node, step| node.get(step));
                let node = node.filter(|_| path != "global");
                if let Some(node) = node.filter(|node| self.tree.spend(node.size(), self.at)) {
                    places(node, about);
                }
            }
            *is_all &= !actions::words(text).any(is_relative);
            for name in actions::helpers(text).filter(|name| seen.insert(*name)) {
                match self.helpers.body(name).filter(|body| self.tree.spend(1 + body.len() / BYTES, self.at)) {
                    Some(body) => texts.push(body),
                    None => *is_all = false,
                }
            }
        }
    }

    // A line with its expressions filled in. None: it takes more than that; Some(None): it is switched off, or says nothing.
    fn fill(&self, line: &str) -> Option<Option<Part>> {
        let mut whole = Part { text: String::new(), places: Vec::new(), trust: Trust::Certain };
        let (mut rest, mut is_said) = (line, false);
        while let Some((before, action, after)) = actions::next(rest) {
            is_said |= before.contains(|c: char| c.is_ascii_alphanumeric());
            whole.text.push_str(before);
            rest = after;
            let Action::Output(inner) = action else {
                if matches!(action, Action::Control) {
                    return None;
                }
                continue;
            };
            let Some(part) = self.pipeline(inner)? else { return Some(None) };
            whole.text.push_str(&part.text);
            whole.places.extend(part.places);
            whole.trust = whole.trust.max(part.trust);
            // No image is longer, and helpers may write each other many times.
            if whole.text.len() > LONGEST || whole.places.len() > LONGEST {
                return None;
            }
        }
        is_said |= rest.contains(|c: char| c.is_ascii_alphanumeric());
        whole.text.push_str(rest);
        whole.text = whole.text.trim().to_owned();
        if is_said || whole.places.is_empty() {
            whole.places.push(self.at);
        }
        let is_whole =
            !whole.text.is_empty() && !whole.text.starts_with([':', '/']) && !whole.text.ends_with([':', '/']);
        let is_empty = !whole.text.contains(|c: char| c.is_ascii_alphanumeric());
        // A part of it is given by nobody here.
        if is_whole || is_empty { Some(is_whole.then_some(whole)) } else { None }
    }

    // `operand | default operand | quote`.
    fn pipeline(&self, text: &str) -> Option<Option<Part>> {
        let mut stages = actions::split(text, '|').into_iter();
        let first = stages.next()?;
        let words = actions::split(first, ' ');
        let mut part = match words.as_slice() {
            ["default", other, own] => self.or(own, other)?,
            ["coalesce", own, other] => self.or(own, other)?,
            ["printf", format, rest @ ..] => self.print(format, rest)?,
            ["include" | "template", name, ..] => self.help(name)?,
            ["tpl", inner, "." | "$"] => match self.operand(inner)? {
                Some(part) if part.text.contains("{{") => {
                    let places = part.places;
                    self.deeper(self.text)?
                        .fill(&part.text)?
                        .map(|own| Part { places: [places, own.places].concat(), ..own })
                }
                own => own,
            },
            ["toString" | "quote" | "required", .., own] => self.operand(own)?,
            [own] => self.operand(own)?,
            _ => return None,
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

    // `printf "%s:%s" operand operand`.
    fn print(&self, format: &str, operands: &[&str]) -> Option<Option<Part>> {
        let format = format.strip_prefix('"')?.strip_suffix('"')?;
        let mut operands = operands.iter();
        let mut whole = Part { text: String::new(), places: Vec::new(), trust: Trust::Certain };
        let mut rest = format;
        while let Some((before, after)) = rest.split_once('%') {
            whole.text.push_str(before);
            rest = after.strip_prefix(['s', 'v'])?;
            let Some(part) = self.operand(operands.next()?)? else { return Some(None) };
            whole.text.push_str(&part.text);
            whole.places.extend(part.places);
            whole.trust = whole.trust.max(part.trust);
        }
        whole.text.push_str(rest);
        Some(Some(whole))
    }

    // A helper of the chart, if it consists of nothing else.
    fn help(&self, name: &str) -> Option<Option<Part>> {
        let body = self.helpers.body(name.trim_matches('"'))?;
        self.deeper(body)?.fill(body.trim())
    }

    fn deeper<'s>(&'s self, text: &'s str) -> Option<Scope<'s>> {
        let has_room = self.depth < MAX_DEPTH && self.tree.spend(1 + text.len() / BYTES, self.at);
        has_room.then_some(Scope { text, depth: self.depth + 1, ..*self })
    }

    fn or(&self, own: &str, other: &str) -> Option<Option<Part>> {
        let own = self.operand(own)?;
        if own.as_ref().is_some_and(|part| !part.text.is_empty()) { Some(own) } else { self.operand(other) }
    }

    // None: it is no value; Some(None): it is a value of something that is switched off.
    fn operand(&self, text: &str) -> Option<Option<Part>> {
        if let Some(inner) = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')) {
            return self.deeper(self.text)?.pipeline(inner.trim());
        }
        if let Some(name) = text.strip_prefix('$').filter(|name| !name.contains('.') && !name.is_empty()) {
            // One that is set twice may be either.
            return self.deeper(self.text)?.pipeline(actions::variable(self.text, name)?);
        }
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
        let of_chart = [(".Chart.AppVersion", "appVersion"), (".Chart.Version", "version"), (".Chart.Name", "name")];
        if let Some((_, key)) = of_chart.iter().find(|(name, _)| *name == path) {
            return of(self.chart.and_then(|chart| chart.get(key))).map(Some);
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
