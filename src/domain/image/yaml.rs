//! YAML as the cluster reads it: every document of a file, aliases and merge keys resolved, the last of doubled keys. What is
//! made to exhaust a reader ends in an error.

use std::borrow::Cow;
use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use granit_parser::{Event, Options, Parser, ScalarStyle};

use super::documents;
use super::node::{At, MAX_DEPTH, Node, Style, Trust, Value};

// Most bytes of a file; the largest bundles of definitions have a third of it.
const MAX_BYTES: usize = 16 << 20;
// What the tags that YAML has itself begin with.
const CORE: &str = "tag:yaml.org,2002:";
const LEFT_OUT: &str = "no line of --- stands before this document, so what reads manifests leaves it out";
const ODD: &str = "what stands behind --- is not read by everybody";
/// What is said of a merge key that comes after a key which it has too: the cluster and Helm take what is merged, kustomize
/// takes what stands there.
pub(super) const MERGED: &str = "not everybody lets a key win that stands above << and is merged in as well";
// What else ends a line for readers of YAML 1.1.
const BREAKS: [char; 3] = ['\u{85}', '\u{2028}', '\u{2029}'];
// Most nodes of a file, those that aliases repeat included.
const MAX_NODES: usize = 1_000_000;
// Most nodes that aliases repeat.
const MAX_REPEATED: usize = 200_000;
// Most entries of two mappings that are made one.
const MAX_BOTH: usize = 200;
// From here on keys are looked up by hash.
const MANY: usize = 24;

/// What a file holds.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    /// Its documents, but for those that are empty.
    pub(super) docs: Vec<Node>,
    /// Whether the first one is empty.
    pub(super) is_headless: bool,
    /// Why the rest could not be read, with the line of that and the line on which the rest begins.
    pub(super) fault: Option<Fault>,
    /// How many nodes that are.
    pub(super) nodes: usize,
    /// Lines that mean something else than they seem to.
    pub(super) warnings: Vec<(u32, String)>,
    /// The first line on which a key stands again where kustomize does not take it.
    pub(super) doubled: Option<u32>,
    /// The first line with a comment that says how kustomize merges what it stands at.
    pub(super) schema: Option<u32>,
}

/// Why a file could not be read to its end.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    /// The line.
    pub(super) line: u32,
    /// The first line that was not read.
    pub(super) from: u32,
    /// Why.
    pub(super) why: String,
}

enum Frame {
    List(Node, usize),
    Map { node: Node, anchor: usize, key: Option<Key>, index: HashMap<Box<str>, usize>, merged: Vec<Merged> },
}

// What a merge key puts in, and how many entries stand above it.
struct Merged {
    above: usize,
    line: u32,
    node: Node,
}

struct Key {
    text: Box<str>,
    line: u32,
    is_merge: bool,
}

struct Reader {
    file: u32,
    first: u32,
    stack: Vec<Frame>,
    anchors: HashMap<usize, (Node, usize, usize)>,
    nodes: usize,
    repeated: usize,
    parsed: Parsed,
    doc: Option<Node>,
    // The line on which the document at hand begins, and whether one that counts came before it.
    began: u32,
    is_further: bool,
    // Whether the scalar at hand is said to merge or not to.
    is_merge: Option<bool>,
    // Lines that end where an editor sees no end.
    breaks: Vec<u32>,
}

/// Reads the text of a file, or one that begins on line `first` of it.
pub(super) fn parse(bytes: &[u8], file: u32, first: u32) -> Parsed {
    let mut reader = Reader {
        file,
        first,
        stack: Vec::new(),
        anchors: HashMap::new(),
        nodes: 0,
        repeated: 0,
        parsed: Parsed::default(),
        doc: None,
        began: first,
        is_further: false,
        is_merge: None,
        breaks: Vec::new(),
    };
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let outcome = if bytes.len() > MAX_BYTES {
        Err((first, format!("larger than {} MiB", MAX_BYTES >> 20)))
    } else {
        text(bytes).ok_or_else(|| (first, "not UTF-8".to_owned())).and_then(|text| reader.all(&text))
    };
    if let Err((line, why)) = outcome {
        let from = reader.parsed.fault.as_ref().map_or(reader.began, |fault| fault.from.min(reader.began));
        reader.parsed.fault = Some(Fault { line, from, why });
    }
    reader.parsed.nodes = reader.nodes;
    reader.parsed
}

/// Reads the documents in a text within a file: only the lines of a block are lines of the file too.
pub(super) fn within(node: &Node) -> Parsed {
    let mut parsed = parse(node.as_str().unwrap_or_default().as_bytes(), node.at.file, node.at.line);
    if !matches!(node.value, Value::Text(_, Style::Block)) {
        parsed.docs.iter_mut().for_each(|doc| put_on(doc, node.at.line));
        [&mut parsed.doubled, &mut parsed.schema].into_iter().flatten().for_each(|line| *line = node.at.line);
        if let Some(fault) = &mut parsed.fault {
            (fault.line, fault.from) = (node.at.line, node.at.line);
        }
    }
    parsed
}

fn put_on(node: &mut Node, line: u32) {
    node.at.line = line;
    node.more.iter_mut().for_each(|at| at.line = line);
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|item| put_on(item, line)),
        Value::Map(entries) => entries.iter_mut().for_each(|(_, child)| put_on(child, line)),
        _ => {}
    }
}

// The text of a file: in UTF-8, or in UTF-16 with the mark that YAML knows it by.
fn text(bytes: &[u8]) -> Option<Cow<'_, str>> {
    let units = |rest: &[u8], of: fn([u8; 2]) -> u16| {
        let (pairs, left) = rest.as_chunks::<2>();
        let units: Vec<u16> = pairs.iter().copied().map(of).collect();
        String::from_utf16(&units).ok().filter(|_| left.is_empty()).map(Cow::Owned)
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => units(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => units(rest, u16::from_be_bytes),
        _ => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
    }
}

/// The text that one in Base64 stands for: what is said to be `!!binary` is handed on so.
pub(super) fn decoded(text: &str) -> Result<String, String> {
    let packed: String = text.split_whitespace().collect();
    let bytes = STANDARD.decode(packed).map_err(|_| "binary that is not Base64".to_owned())?;
    String::from_utf8(bytes).map_err(|_| "binary that is not UTF-8".to_owned())
}

type Outcome = Result<(), (u32, String)>;

impl Reader {
    fn all(&mut self, text: &str) -> Outcome {
        let (first, mut more) = (self.first, 0);
        self.parsed.schema = documents::schema(text).map(|line| self.line(line + 1));
        for part in documents::parts(text) {
            self.first = first + u32::try_from(part.above + more).unwrap_or(u32::MAX - first);
            (self.began, self.is_further) = (self.first, false);
            if part.is_odd {
                self.leave(self.line(1), ODD);
            }
            // What YAML 1.1 takes for the end of a line is one for what reads manifests.
            if part.text.contains(BREAKS) {
                for (line, one) in (self.first..).zip(part.text.replace(BREAKS, "\u{85}\n").lines()) {
                    self.breaks.extend(one.ends_with('\u{85}').then_some(line));
                }
                self.part(&part.text.replace(BREAKS, "\n"))?;
                more += part.text.matches(BREAKS).count();
            } else {
                self.part(part.text)?;
            }
        }
        Ok(())
    }

    fn part(&mut self, text: &str) -> Outcome {
        let mut options = Options::default();
        options.set_emit_comments(false);
        for next in Parser::new_from_str_with_options(text, options) {
            let (event, span) = next.map_err(|error| (self.line(error.marker().line()), error.info().to_string()))?;
            let line = self.line(span.start.line());
            self.event(event, line).map_err(|why| (line, why))?;
        }
        Ok(())
    }

    // Notes what is not read, from its line on.
    fn leave(&mut self, line: u32, why: &str) {
        if self.parsed.fault.as_ref().is_none_or(|fault| fault.why == MERGED) {
            self.parsed.fault = Some(Fault { line, from: line, why: why.to_owned() });
        }
    }

    fn line(&self, line: usize) -> u32 {
        let line = self.first + u32::try_from(line.saturating_sub(1)).unwrap_or(u32::MAX - self.first);
        // Editors count only some of the breaks.
        let more = self.breaks.partition_point(|before| *before < line);
        line.saturating_sub(u32::try_from(more).unwrap_or_default())
    }

    fn event(&mut self, event: Event<'_>, line: u32) -> Result<(), String> {
        let at = At { file: self.file, line };
        match event {
            Event::DocumentStart(..) => {
                self.anchors.clear();
                self.stack.clear();
                self.doc = None;
                self.began = line;
            }
            Event::DocumentEnd => {
                let doc = self.doc.take().filter(|doc| !matches!(doc.value, Value::Null));
                self.parsed.is_headless |= self.parsed.docs.is_empty() && doc.is_none();
                if doc.is_some() && self.is_further {
                    self.leave(self.began, LEFT_OUT);
                } else {
                    self.parsed.docs.extend(doc);
                }
                self.is_further = true;
            }
            Event::Scalar(text, style, anchor, tag) => {
                // A tag that only is there says nothing.
                let tag = tag.map(|tag| format!("{}{}", tag.handle(), tag.suffix())).filter(|tag| tag != "!");
                let said = |name: &str| tag.as_deref().and_then(|tag| tag.strip_prefix(CORE)) == Some(name);
                let (is_merge, is_binary) = (tag.is_some().then(|| said("merge")), said("binary"));
                let text = if is_binary { Cow::Owned(decoded(&text)?) } else { text };
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
                    _ => Style::Quoted,
                };
                let style = if style == Style::Plain && (is_binary || said("str")) { Style::Quoted } else { style };
                let is_null = style == Style::Plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let value = if is_null { Value::Null } else { Value::Text(text.into(), style) };
                self.count(1)?;
                let mut node = Node::new(at, value);
                // A block is said to begin with its first line that is not empty.
                if let Value::Text(text, Style::Block) = &node.value {
                    let empty = text.chars().take_while(|c| *c == '\n').count();
                    node.at.line -= u32::try_from(empty).unwrap_or(0).min(node.at.line);
                }
                self.is_merge = is_merge;
                let size = node.size();
                self.place(node, anchor, size, 1)?;
            }
            Event::SequenceStart(_, anchor, _) => {
                self.open()?;
                self.stack.push(Frame::List(Node::new(at, Value::List(Vec::new())), anchor));
            }
            Event::MappingStart(_, anchor, _) => {
                self.open()?;
                let node = Node::nothing(at);
                let (index, merged) = (HashMap::new(), Vec::new());
                self.stack.push(Frame::Map { node, anchor, key: None, index, merged });
            }
            Event::SequenceEnd | Event::MappingEnd => self.close()?,
            Event::Alias(id) => {
                let Some((node, size, height)) = self.anchors.get(&id) else {
                    return Err("an alias of something that contains it".to_owned());
                };
                let (size, height) = (*size, *height);
                self.repeated += size;
                if self.repeated > MAX_REPEATED {
                    return Err("aliases repeat too much".to_owned());
                }
                let node = node.clone();
                // As a key it is only a text.
                self.is_merge = Some(false);
                self.count(size)?;
                self.place(node, 0, size, height)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn count(&mut self, nodes: usize) -> Result<(), String> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES { Err("too many nodes".to_owned()) } else { Ok(()) }
    }

    fn open(&mut self) -> Result<(), String> {
        if self.stack.len() >= MAX_DEPTH {
            return Err("nested too deeply".to_owned());
        }
        self.count(1)
    }

    fn close(&mut self) -> Result<(), String> {
        let (node, anchor) = match self.stack.pop() {
            Some(Frame::List(node, anchor)) => (node, anchor),
            Some(Frame::Map { mut node, anchor, merged, .. }) => {
                if let Some(line) = merge(&mut node, merged) {
                    // All of it is read all the same.
                    let fault = || Fault { line, from: u32::MAX, why: MERGED.to_owned() };
                    self.parsed.fault.get_or_insert_with(fault);
                }
                (node, anchor)
            }
            None => return Ok(()),
        };
        // Only what an alias may repeat is measured.
        let (size, height) = if anchor > 0 { measure(&node) } else { (0, 0) };
        self.place(node, anchor, size, height)
    }

    // Whether what comes is of the annotations of a document, or is them.
    fn is_rewritten(&self) -> bool {
        let is_at =
            |frame: &Frame, name: &str| matches!(frame, Frame::Map { key: Some(key), .. } if &*key.text == name);
        match self.stack.as_slice() {
            [top, metadata, rest @ ..] => {
                is_at(top, "metadata") && is_at(metadata, "annotations") && matches!(rest, [] | [Frame::Map { .. }])
            }
            _ => false,
        }
    }

    fn place(&mut self, node: Node, anchor: usize, size: usize, height: usize) -> Result<(), String> {
        if self.stack.len() + height > MAX_DEPTH {
            return Err("nested too deeply".to_owned());
        }
        if anchor > 0 {
            // The copy is paid for as an alias is.
            self.repeated += size;
            if self.repeated > MAX_REPEATED {
                return Err("aliases repeat too much".to_owned());
            }
            self.anchors.insert(anchor, (node.clone(), size, height));
        }
        let is_rewritten = self.is_rewritten();
        match self.stack.last_mut() {
            None => self.doc = Some(node),
            Some(Frame::List(list, _)) => {
                if let Value::List(items) = &mut list.value {
                    items.push(node);
                }
            }
            Some(Frame::Map { node: map, key, index, merged, .. }) => match key.take() {
                None => {
                    let line = node.at.line;
                    let (text, is_merge) = match node.value {
                        Value::Text(text, style) => {
                            let is_merge = self.is_merge.take();
                            let is_merge = is_merge.unwrap_or(style == Style::Plain && &*text == "<<");
                            (text, is_merge)
                        }
                        Value::Null => ("null".into(), false),
                        _ => return Err("a key that is not a text".to_owned()),
                    };
                    *key = Some(Key { text, line, is_merge });
                }
                Some(Key { is_merge: true, line, .. }) => {
                    if !merged.is_empty() {
                        self.parsed.doubled.get_or_insert(line);
                    }
                    merged.push(Merged { above: map.entries().len(), line, node });
                }
                Some(Key { text, line, .. }) => {
                    let Value::Map(entries) = &mut map.value else { return Ok(()) };
                    let before = if index.is_empty() {
                        entries.iter().position(|(name, _)| *name == text)
                    } else {
                        index.get(&text).copied()
                    };
                    if let Some((_, old)) = before.and_then(|before| entries.get_mut(before)) {
                        let first = old.at.line;
                        let is_both = is_rewritten && add(old, &node);
                        let outcome = if is_both { "both count" } else { "the last one wins" };
                        // Of annotations kustomize makes a map of its own before it looks for keys that stand twice.
                        let is_taken = is_both || is_rewritten && node.as_str().is_some();
                        if !is_taken {
                            self.parsed.doubled.get_or_insert(line);
                        }
                        if !is_both {
                            *old = node;
                        }
                        self.parsed
                            .warnings
                            .push((line, format!("the key {text:?} stands twice (line {first}), {outcome}")));
                    } else {
                        entries.push((text.clone(), node));
                        if !index.is_empty() {
                            index.insert(text, entries.len() - 1);
                        } else if entries.len() == MANY {
                            index.extend(entries.iter().enumerate().map(|(at, (name, _))| (name.clone(), at)));
                        }
                    }
                }
            },
        }
        Ok(())
    }
}

// Adds the entries of a mapping to another one, if these have no key in common.
fn add(map: &mut Node, more: &Node) -> bool {
    if let (Value::Map(entries), Value::Map(others)) = (&mut map.value, &more.value)
        && entries.len() + others.len() <= MAX_BOTH
        && others.iter().all(|(name, _)| entries.iter().all(|(own, _)| own != name))
    {
        entries.extend(others.iter().cloned());
        return true;
    }
    false
}

// What stands in the mapping itself wins, then the earlier of what is merged in; gives the line of a merge key that has
// something else for a key before it.
fn merge(node: &mut Node, merged: Vec<Merged>) -> Option<u32> {
    let Value::Map(entries) = &mut node.value else { return None };
    if merged.is_empty() {
        return None;
    }
    let numbered = entries.iter().enumerate();
    let mut known: HashMap<Box<str>, usize> = numbered.map(|(at, (name, _))| (name.clone(), at)).collect();
    let (own, mut disputed) = (entries.len(), None);
    for Merged { above, line, node: source } in merged {
        let begun = entries.len();
        let maps = match source.value {
            Value::List(items) => items,
            _ => vec![source],
        };
        for map in maps {
            let Value::Map(more) = map.value else { continue };
            for (name, child) in more {
                let Some(at) = known.get(&name).copied() else {
                    known.insert(name.clone(), entries.len());
                    entries.push((name, child));
                    continue;
                };
                let is_before = at < above || (own..begun).contains(&at);
                let is_other = |before: &&mut Node| before.as_str().is_none_or(|text| child.as_str() != Some(text));
                let before = entries.get_mut(at).map(|(_, node)| node).filter(|_| is_before).filter(is_other);
                if let Some(before) = before {
                    before.trust = Trust::Unresolved;
                    disputed.get_or_insert(line);
                }
            }
        }
    }
    disputed
}

// Nodes and levels of a tree.
fn measure(node: &Node) -> (usize, usize) {
    let mut sum = (node.as_str().map_or(1, |_| node.size()), 0);
    let mut add = |child: &Node| {
        let (size, height) = measure(child);
        sum = (sum.0 + size, sum.1.max(height));
    };
    node.items().iter().for_each(&mut add);
    node.entries().iter().for_each(|(_, child)| add(child));
    (sum.0, sum.1 + 1)
}

/// What a word means as YAML 1.1 has it, which Helm reads: true, false, or no such thing.
pub(super) fn as_truth(word: &str) -> Option<bool> {
    match word {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "true" | "True" | "TRUE" => Some(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}
