//! Variables as Flux puts them into what a Kustomization builds, with the forms of bash that it knows.

use std::collections::{BTreeMap, HashMap};

use super::node::{At, Node, Style, Trust, Value, note};
use super::yaml;

// Deepest nesting of defaults within defaults.
const MAX_DEPTH: usize = 8;
// Longest text that patterns are tried on, and longest pattern: no part of a name is longer.
const MAX_PATTERN: usize = 128;
// How many steps of a pattern cost as much as a byte that is written.
const STEPS: usize = 16;
// Longest variable, with its default.
const MAX_BODY: usize = 8192;
/// Most bytes that variables may write.
pub(super) const MAX_FILLED: usize = 32 << 20;
// What a node costs that is made of what was written.
const NODE: usize = 16;
/// What stands for a part that nobody can know.
pub(super) const UNKNOWN: &str = "?";
/// What ends a line for readers of YAML, besides what Flux takes out of values.
pub(super) const BREAKS: [char; 4] = ['\r', '\u{85}', '\u{2028}', '\u{2029}'];

/// The value of a variable.
#[derive(Debug, Clone)]
struct Variable {
    text: String,
    trust: Trust,
    places: Vec<At>,
}

/// The variables of one Kustomization.
#[derive(Debug, Default)]
pub(super) struct Variables {
    known: BTreeMap<String, Variable>,
    /// Whether a source that cannot be seen may define more.
    has_unknown: bool,
    // Whether they are put into what is written, which is read again; else into what was read.
    is_flux: bool,
}

impl Variables {
    /// Those of Flux; by themselves they are those of compose files.
    pub(super) fn of_flux() -> Self {
        Self { is_flux: true, ..Self::default() }
    }

    /// Adds the data of a source; a later one wins.
    pub(super) fn add(&mut self, data: &Node) {
        for (name, node) in data.entries() {
            self.insert(name, node);
        }
    }

    /// Adds a source that cannot be seen: it may define anything, and change what came before.
    pub(super) fn add_unknown(&mut self) {
        self.has_unknown = true;
        self.known.values_mut().for_each(|variable| variable.trust = variable.trust.max(Trust::Inferred));
    }

    /// Adds a variable whose value is nobody's business.
    pub(super) fn hide(&mut self, name: &str, node: &Node) {
        let mut node = node.clone();
        node.rewrite(UNKNOWN, []);
        node.trust = Trust::Unresolved;
        self.insert(name, &node);
    }

    /// Takes another source into account that may come later.
    pub(super) fn doubt(&mut self, data: &Node) {
        for (name, node) in data.entries() {
            let is_other = |known: &Variable| Some(known.text.as_str()) != node.as_str();
            if self.known.get(&**name).is_none_or(is_other) {
                self.hide(name, node);
            }
        }
    }

    fn insert(&mut self, name: &str, node: &Node) {
        // Flux takes line ends out.
        let text = node.as_str().unwrap_or_default().replace('\n', "");
        let variable = Variable { text, trust: node.trust, places: node.places().collect() };
        self.known.insert(name.to_owned(), variable);
    }

    /// Puts the variables into every text of an object that does not opt out; `room` is how much that may write.
    pub(super) fn apply(&self, object: &mut Node, room: &mut usize) {
        let opts_out = |key: &str| {
            object.at_path(&["metadata", key, "kustomize.toolkit.fluxcd.io/substitute"]).and_then(Node::as_str)
                == Some("disabled")
        };
        if !opts_out("labels") && !opts_out("annotations") {
            // Flux looks for the end of a variable in all that follows.
            let mut is_torn = self.is_flux && is_unclosed(object);
            let is_filled = |key: &&str| object.str_at(&[key]).contains('$');
            let kinds: Vec<&str> = ["apiVersion", "kind"].into_iter().filter(is_filled).collect();
            self.fill(object, room, &mut is_torn);
            if self.is_flux && is_torn {
                believe(object, Trust::Unresolved, &[]);
            }
            // What an object is decides on whether anybody looks at it.
            for key in kinds {
                let said = object.get_mut(key).filter(|said| said.trust != Trust::Certain);
                said.into_iter().for_each(|said| said.trust = Trust::Unresolved);
            }
        }
    }

    // `is_torn`: what is filled in may not end where it stands, so that all of the object may be something else.
    fn fill(&self, node: &mut Node, room: &mut usize, is_torn: &mut bool) {
        match &mut node.value {
            Value::Text(text, style) if text.contains('$') => {
                let is_read = self.is_flux && is_bare(text);
                // In quotes it is written with other signs, and nobody knows where these end when it is filled in.
                let is_quoted = self.is_flux && !is_read && (*style != Style::Block || !text.contains('\n'));
                let is_odd = is_quoted && text.contains(['\'', '"', '\\', '\t']);
                let style = *style;
                // Signs that YAML has no other way for than two quotes; what else needs quotes gets one.
                let is_double = text.contains(|c: char| c.is_control() && c != '\n');
                let mut filled = Filled::new(node.trust, *room);
                self.expand(text, 0, &mut filled);
                *room = filled.room;
                *is_torn |=
                    filled.is_torn || if is_double { filled.has_double } else { is_quoted && filled.has_single };
                node.value = Value::Text(filled.text.into(), if style == Style::Plain { Style::Quoted } else { style });
                if is_read && filled.trust != Trust::Unresolved {
                    *is_torn |= !read_again(node);
                    if node.as_str().is_none() {
                        *room = room.saturating_sub(NODE * node.size());
                    }
                } else if is_odd || (is_quoted && has_quotes(node)) {
                    filled.trust = Trust::Unresolved;
                }
                believe(node, filled.trust, &filled.places);
            }
            Value::List(items) => items.iter_mut().for_each(|item| self.fill(item, room, is_torn)),
            Value::Map(entries) => {
                entries.iter_mut().for_each(|(_, child)| self.fill(child, room, is_torn));
                if entries.iter().any(|(name, _)| name.contains('$')) {
                    *entries = self.keys(std::mem::take(entries), room, is_torn);
                }
            }
            _ => {}
        }
    }

    // Fills in the keys of a mapping. What is written out stands behind what is filled in when Flux reads it again, and so wins.
    fn keys(&self, entries: Vec<(Box<str>, Node)>, room: &mut usize, is_torn: &mut bool) -> Vec<(Box<str>, Node)> {
        let mut kept: Vec<(Box<str>, Node)> = Vec::new();
        let mut known: HashMap<Box<str>, (usize, bool)> = HashMap::new();
        for (mut name, mut child) in entries {
            let is_filled = name.contains('$');
            if is_filled {
                let mut filled = Filled { is_key: self.is_flux, ..Filled::new(Trust::Certain, *room) };
                self.expand(&name, 0, &mut filled);
                (*room, name) = (filled.room, filled.text.into());
                *is_torn |= filled.is_torn || !is_bare(&name);
                believe(&mut child, filled.trust, &filled.places);
                if filled.trust == Trust::Inferred {
                    // It may be another one.
                    let other = Node { trust: Trust::Unresolved, ..Node::new(child.at, Value::Null) };
                    kept.push((UNKNOWN.into(), other));
                }
            }
            match known.get(&name).and_then(|(at, was_filled)| Some((kept.get_mut(*at)?, *was_filled))) {
                None => {
                    known.insert(name.clone(), (kept.len(), is_filled));
                    kept.push((name, child));
                }
                Some(((_, old), true)) => {
                    *old = child;
                    if is_filled {
                        believe(old, Trust::Unresolved, &[]);
                    }
                }
                Some((_, false)) => {}
            }
        }
        kept
    }

    fn expand(&self, text: &str, depth: usize, out: &mut Filled) {
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            let (before, tail) = rest.split_at(at);
            out.text.push_str(before);
            if let Some(after) = tail.strip_prefix("$$") {
                out.text.push('$');
                rest = after;
                // What was escaped is no variable.
                if let Some(after) = rest.strip_prefix('{') {
                    out.text.push('{');
                    rest = after;
                }
                continue;
            }
            match tail.strip_prefix("${").and_then(body) {
                Some((inner, after)) => {
                    self.variable(inner, depth, out);
                    rest = after;
                }
                // Where it ends nobody can tell.
                None if tail.starts_with("${") => {
                    (out.trust, rest) = (Trust::Unresolved, tail);
                    break;
                }
                None => {
                    out.text.push('$');
                    rest = tail.get(1..).unwrap_or_default();
                }
            }
        }
        out.text.push_str(rest);
    }

    fn variable(&self, inner: &str, depth: usize, out: &mut Filled) {
        let (wants_length, body) = match inner.strip_prefix('#') {
            Some(body) => (true, body),
            None => (false, inner),
        };
        let end = body.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(body.len());
        let (name, operation) = body.split_at(end);
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || depth > MAX_DEPTH {
            out.text.push_str(&format!("${{{inner}}}"));
            out.trust = Trust::Unresolved;
            return;
        }
        // Flux takes every one of them for a default.
        let signs: &[&str] = match self.is_flux {
            true => &[":-", ":=", ":?", ":+", "-", "=", "?", "+"],
            false => &[":-", ":=", "-", "="],
        };
        let default = signs.iter().find_map(|sign| operation.strip_prefix(sign));
        // Flux looks for the second slash in all that follows.
        if self.is_flux && default.is_none() && operation.starts_with('/') && !has_end(operation) {
            (out.is_torn, out.trust) = (true, Trust::Unresolved);
        }
        let known = self.known.get(name);
        match (known.filter(|known| default.is_none() || !known.text.is_empty()), default) {
            (Some(known), _) => {
                out.trust = out.trust.max(known.trust);
                note(&mut out.places, known.places.iter().copied());
                if wants_length {
                    out.push(&known.text.len().to_string());
                } else if default.is_some() {
                    out.push(&known.text);
                } else {
                    // What is done to it may be said by other variables.
                    let mut of = Filled::new(Trust::Certain, out.room);
                    self.expand(operation, depth + 1, &mut of);
                    out.room = of.room;
                    out.is_torn |= of.is_torn;
                    out.trust = out.trust.max(of.trust);
                    note(&mut out.places, of.places);
                    let steps = known.text.len().min(MAX_PATTERN).pow(2) * of.text.len().min(MAX_PATTERN);
                    match out.room.checked_sub(steps / STEPS) {
                        Some(room) => {
                            out.room = room;
                            let changed = change(&known.text, &of.text);
                            if changed == UNKNOWN {
                                out.trust = Trust::Unresolved;
                            }
                            out.push(&changed);
                        }
                        None => (out.trust, out.room) = (Trust::Unresolved, 0),
                    }
                }
            }
            (None, Some(default)) => {
                if self.has_unknown {
                    out.trust = out.trust.max(Trust::Inferred);
                }
                self.expand(default, depth + 1, out);
            }
            // Flux puts nothing where nothing is defined.
            (None, None) if out.is_key && !self.has_unknown => {}
            (None, None) => {
                out.trust = Trust::Unresolved;
                out.text.push_str(UNKNOWN);
            }
        }
    }
}

/// A text whose variables all have defaults with these; else as it is.
pub(super) fn by_default(text: &str) -> String {
    let mut filled = Filled::new(Trust::Certain, MAX_BODY);
    Variables::of_flux().expand(text, 0, &mut filled);
    if filled.trust == Trust::Certain { filled.text } else { text.to_owned() }
}

/// Whether a text is written without quotes.
pub(super) fn is_bare(text: &str) -> bool {
    !text.starts_with(|c: char| c.is_whitespace() || "#,[]{}&*!|>'\"%@`".contains(c))
        && !["- ", "? ", "---", "..."].iter().any(|start| text.starts_with(start))
        && !text.ends_with([' ', ':'])
        && ![": ", " #", "\n", "\t"].iter().any(|part| text.contains(part))
}

// Whether a variable begins in a text or key and does not end there.
fn is_unclosed(node: &Node) -> bool {
    let is_open = |mut text: &str| {
        while let Some((before, rest)) = text.split_once("${") {
            // What is within one that ends does so too.
            match body(rest) {
                Some((_, after)) => text = after,
                None if before.ends_with('$') => text = rest,
                None => return true,
            }
        }
        false
    };
    match &node.value {
        Value::Text(text, _) => is_open(text),
        Value::List(items) => items.iter().any(is_unclosed),
        Value::Map(entries) => entries.iter().any(|(name, child)| is_open(name) || is_unclosed(child)),
        Value::Null => false,
    }
}

// Whether what is to be replaced ends, so that something stands for it.
fn has_end(operation: &str) -> bool {
    let pattern = operation.get(1..).unwrap_or_default();
    let pattern = pattern.strip_prefix(['/', '#', '%']).unwrap_or(pattern);
    pattern.match_indices('/').any(|(at, _)| pattern.get(..at).is_some_and(|before| !before.ends_with('\\')))
}

fn has_quotes(node: &Node) -> bool {
    node.as_str().is_some_and(|text| text.contains(['\'', '"']))
}

/// Reads again what was filled in, as it was done in what had been written: quotes are gone or come with a variable, and texts
/// become numbers, nothing, lists or mappings. False: it cannot be read by itself.
pub(super) fn read_again(node: &mut Node) -> bool {
    let mut parsed = yaml::within(node);
    let is_whole = parsed.fault.is_none() && parsed.docs.len() < 2;
    if is_whole {
        node.value = parsed.docs.pop().map_or(Value::Null, |doc| doc.value);
    }
    is_whole
}

/// Says of all parts of a node how far they can be believed, and what made them.
pub(super) fn believe(node: &mut Node, trust: Trust, places: &[At]) {
    node.trust = node.trust.max(trust);
    node.owe(places.iter().copied());
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|item| believe(item, trust, places)),
        Value::Map(entries) => entries.iter_mut().for_each(|(_, child)| believe(child, trust, places)),
        _ => {}
    }
}

/// Says of all parts of a text in which variables stood, and which was read, how far they can be believed.
pub(super) fn doubt(node: &mut Node) {
    let is_unknown = node.as_str().is_some_and(|text| text.contains(UNKNOWN));
    node.trust = node.trust.max(if is_unknown { Trust::Unresolved } else { Trust::Inferred });
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(doubt),
        Value::Map(entries) => {
            for (name, child) in entries {
                doubt(child);
                if name.contains(UNKNOWN) {
                    believe(child, Trust::Unresolved, &[]);
                }
            }
        }
        _ => {}
    }
}

struct Filled {
    text: String,
    trust: Trust,
    places: Vec<At>,
    room: usize,
    // Whether it is a key.
    is_key: bool,
    // Whether a variable has signs that end or escape what is in one or two quotes.
    has_single: bool,
    has_double: bool,
    // Whether something does not end where it stands.
    is_torn: bool,
}

impl Filled {
    fn new(trust: Trust, room: usize) -> Self {
        let (text, places) = (String::new(), Vec::new());
        Self { text, trust, places, room, is_key: false, has_single: false, has_double: false, is_torn: false }
    }

    // Variables may repeat texts without end.
    fn push(&mut self, text: &str) {
        if let Some(room) = self.room.checked_sub(text.len()) {
            self.room = room;
            self.text.push_str(text);
            self.has_single |= text.contains('\'');
            self.has_double |= text.contains(['"', '\\']);
            self.is_torn |= text.contains(BREAKS);
        } else {
            (self.trust, self.room) = (Trust::Unresolved, 0);
        }
    }
}

// What stands before the closing brace, and what comes after it.
fn body(text: &str) -> Option<(&str, &str)> {
    let mut depth = 0;
    let mut before = ' ';
    for (at, c) in text.char_indices().take(MAX_BODY) {
        match c {
            '{' if before == '$' => depth += 1,
            '}' if depth == 0 => return Some((text.get(..at)?, text.get(at + 1..)?)),
            '}' => depth -= 1,
            _ => {}
        }
        before = c;
    }
    None
}

fn change(text: &str, operation: &str) -> String {
    let strip = |rest: &str| rest.to_owned();
    match operation {
        "" => return text.to_owned(),
        "^^" => return text.to_uppercase(),
        ",," => return text.to_lowercase(),
        "^" | "," => {
            let mut chars = text.chars();
            let first: String = chars.next().into_iter().collect();
            let first = if operation == "^" { first.to_uppercase() } else { first.to_lowercase() };
            return format!("{first}{}", chars.as_str());
        }
        _ => {}
    }
    if text.len() > MAX_PATTERN || operation.len() > MAX_PATTERN {
        return UNKNOWN.to_owned();
    }
    // Patterns may have classes, which nobody has in a tag.
    let is_classed = operation.starts_with(['#', '%']) && operation.contains(['[', '\\']);
    let is_escaped = operation.starts_with('/') && operation.contains('\\');
    if is_classed || is_escaped {
        return UNKNOWN.to_owned();
    }
    // What is empty is never taken off.
    let heads = || text.char_indices().map(|(at, _)| at).chain([text.len()]);
    let head = |at: usize| text.get(..at).unwrap_or_default();
    let tail = |at: usize| text.get(at..).unwrap_or_default();
    if let Some(pattern) = operation.strip_prefix("##") {
        let at = heads().rev().find(|at| *at > 0 && is_match(pattern, head(*at)));
        strip(at.map_or(text, tail))
    } else if let Some(pattern) = operation.strip_prefix('#') {
        let at = heads().find(|at| *at > 0 && is_match(pattern, head(*at)));
        strip(at.map_or(text, tail))
    } else if let Some(pattern) = operation.strip_prefix("%%") {
        let at = heads().find(|at| *at < text.len() && is_match(pattern, tail(*at)));
        strip(at.map_or(text, head))
    } else if let Some(pattern) = operation.strip_prefix('%') {
        let at = heads().rev().find(|at| *at < text.len() && is_match(pattern, tail(*at)));
        strip(at.map_or(text, head))
    } else if let Some(rest) = operation.strip_prefix('/') {
        let (is_all, rest) = rest.strip_prefix('/').map_or((false, rest), |rest| (true, rest));
        // With one operand the ends stay as they are.
        if rest.starts_with(['#', '%']) && rest.split_once('/').is_none_or(|(_, new)| new.is_empty()) {
            return text.to_owned();
        }
        let (old, new) = rest.split_once('/').unwrap_or((rest, ""));
        match (old.strip_prefix('#'), old.strip_prefix('%')) {
            (Some(old), _) => text.strip_prefix(old).map_or_else(|| text.to_owned(), |rest| format!("{new}{rest}")),
            (_, Some(old)) => text.strip_suffix(old).map_or_else(|| text.to_owned(), |rest| format!("{rest}{new}")),
            _ if is_all => text.replace(old, new),
            _ => text.replacen(old, new, 1),
        }
    } else if let Some(range) = operation.strip_prefix(':') {
        let (from, length) = range.split_once(':').map_or((range, None), |(from, length)| (from, Some(length)));
        let count = text.chars().count();
        // Flux counts bytes.
        if !text.is_ascii() {
            return UNKNOWN.to_owned();
        }
        match (from.parse::<usize>(), length.map(str::parse::<usize>)) {
            (Ok(from), None) => text.chars().skip(from.min(count)).collect(),
            (Ok(from), Some(Ok(length))) => text.chars().skip(from.min(count)).take(length).collect(),
            _ => UNKNOWN.to_owned(),
        }
    } else {
        UNKNOWN.to_owned()
    }
}

/// A pattern of `*` and `?` against all of a text.
pub(super) fn is_match(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut seen, mut star) = (0, 0, None);
    while seen < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(c) if *c == '?' || Some(c) == text.get(seen) => (at, seen) = (at + 1, seen + 1),
            _ => match star {
                Some((before, from)) => {
                    (at, seen) = (before + 1, from + 1);
                    star = Some((before, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|c| *c == '*')
}
