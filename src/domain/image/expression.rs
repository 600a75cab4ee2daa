//! What the expressions of a chart's templates come to, as far as that takes no more than values, what Chart.yaml says,
//! defaults, variables and helpers that consist of these.

use std::rc::Rc;

use super::actions::{self, Action};
use super::flow::Within;
use super::helm;
use super::node::{At, Node, Style, Trust, Value};
use super::template::{Chart, Source};
use super::yaml;

/// What an expression comes to.
pub(super) struct Part {
    /// The text.
    pub(super) text: String,
    /// Every place that made it.
    pub(super) places: Vec<At>,
    /// How sure it is.
    pub(super) trust: Trust,
    // Whether it is a number or a word that counts as empty.
    is_doubtful: bool,
}

impl Part {
    fn new(text: &str) -> Self {
        Self { text: text.to_owned(), places: Vec::new(), trust: Trust::Certain, is_doubtful: false }
    }
}

// Deepest chain of helpers and variables.
const MAX_DEPTH: usize = 8;
// Most bytes and places of what an expression comes to.
const LONGEST: usize = 4096;
// How many bytes are searched at the cost of one look at a path.
const BYTES: usize = 64;

/// What the expressions of a line may look at.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    /// The chart.
    pub(super) of: &'a Chart<'a>,
    /// The line.
    pub(super) at: At,
    /// The template, or the helper, in which its variables are set.
    pub(super) text: &'a str,
    /// What it stands within.
    pub(super) within: &'a Within,
    /// Whether `.` and what is in it are not the chart's own.
    pub(super) is_moved: bool,
    // Whether values that may be there and count as empty are taken for that.
    doubts: bool,
    depth: usize,
}

impl<'a> Scope<'a> {
    /// What an action of a template may look at.
    pub(super) fn new(of: &'a Chart<'a>, source: &'a Source, line: u32, within: &'a Rc<Within>) -> Self {
        let helper = within.helper.as_deref();
        let text = helper.and_then(|helper| of.helpers.body(helper)).unwrap_or(&source.text);
        let is_moved = within.is_moved || helper.is_some_and(|helper| of.calls.is_moved(helper));
        Self { of, at: At { file: source.file, line }, text, within, is_moved, doubts: false, depth: 0 }
    }

    /// The same, where values that may be there and count as empty are taken for that.
    pub(super) fn doubting(&self) -> Self {
        Self { doubts: true, ..*self }
    }

    /// A line with its expressions filled in. None: it takes more than that; Some(None): it is switched off, or says nothing.
    pub(super) fn fill(&self, line: &str) -> Option<Option<Part>> {
        let mut whole = Part::new("");
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
            ["include" | "template", name, given] if self.is_whole(given) => self.help(name)?,
            ["tpl", inner, given] if self.is_whole(given) => match self.operand(inner)? {
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
                Some(other) if part.as_ref().is_none_or(|part| self.is_empty(part)) => {
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
        let mut whole = Part::new("");
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
        let body = self.of.helpers.body(name.trim_matches('"'))?;
        self.deeper(body)?.fill(body.trim())
    }

    // Whether what is given is all that the chart has.
    fn is_whole(&self, given: &str) -> bool {
        given == "$" || (given == "." && !self.is_moved)
    }

    fn deeper(&self, text: &'a str) -> Option<Self> {
        let has_room = self.depth < MAX_DEPTH && self.spends(text);
        has_room.then_some(Self { text, depth: self.depth + 1, ..*self })
    }

    /// Whether there is room for a look through a text.
    pub(super) fn spends(&self, text: &str) -> bool {
        self.of.tree.spend(1 + text.len() / BYTES, self.at)
    }

    fn or(&self, own: &str, other: &str) -> Option<Option<Part>> {
        let own = self.operand(own)?;
        if own.as_ref().is_some_and(|part| !self.is_empty(part)) { Some(own) } else { self.operand(other) }
    }

    // Whether `default` takes something for empty, as it does 0 and false.
    fn is_empty(&self, part: &Part) -> bool {
        self.of.has_doubt.set(self.of.has_doubt.get() || part.is_doubtful);
        part.text.is_empty() || (self.doubts && part.is_doubtful)
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
        if self.is_moved && (text.starts_with(".Values") || self.within.helper.is_some()) {
            return None;
        }
        let path = text.strip_prefix('$').unwrap_or(text);
        let of = |node: Option<&Node>| {
            let (text, style) = match node.map(|node| &node.value) {
                Some(Value::Text(text, style)) => (text.to_string(), *style),
                None | Some(Value::Null) => (String::new(), Style::Quoted),
                Some(_) => return None,
            };
            // What is a number or a truth is one on its way, and may come out as another text.
            let truth = || yaml::as_truth(&text).map(|truth| truth.to_string());
            let number = if style == Style::Plain { helm::as_number(&text).or_else(truth) } else { None };
            let places = node.into_iter().flat_map(Node::places).collect();
            let trust = node.map_or(Trust::Certain, |node| node.trust);
            let is_doubtful = style == Style::Plain
                && (yaml::as_truth(&text) == Some(false) || text.parse::<f64>().is_ok_and(|number| number == 0.0));
            Some(Part { text: number.unwrap_or(text), places, trust, is_doubtful })
        };
        let of_chart = [(".Chart.AppVersion", "appVersion"), (".Chart.Version", "version"), (".Chart.Name", "name")];
        if let Some((_, key)) = of_chart.iter().find(|(name, _)| *name == path) {
            return of(self.of.chart.and_then(|chart| chart.get(key))).map(Some);
        }
        if let Some(text) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
            return Some(Some(Part::new(text)));
        }
        let mut node = Some(self.of.values);
        for step in path.strip_prefix(".Values.")?.split('.') {
            if step.is_empty() || step.contains([' ', '(', ')']) {
                return None;
            }
            let steps = node.map_or(0, |node| node.entries().len());
            // Helm reads such keys as true and false, unless they are in quotes, which nobody knows any more.
            let is_word = |name: &str| yaml::as_truth(name).is_some() && !matches!(name, "true" | "false");
            if is_word(step) && node.is_some_and(|node| node.get(step).is_some()) {
                self.of.has_doubt.set(true);
                node = node.filter(|_| !self.doubts);
            } else if matches!(step, "true" | "false")
                && node.is_some_and(|node| node.entries().iter().any(|(name, _)| is_word(name)))
            {
                return None;
            }
            node = node.filter(|_| self.of.tree.spend(steps, self.at)).and_then(|node| node.get(step));
        }
        of(node).map(Some)
    }
}
