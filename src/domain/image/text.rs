//! Files that are no YAML until somebody fills them in: their lines are looked at for images that stand there literally.

use super::actions::Action;
use super::node::{At, Node, Style, Trust, Value};
use super::pod;
use super::sink::{self, Hit, Sink};
use super::tree::Tree;
use super::{Class, Confidence, actions, fields, helm, workload, yaml};

/// A file that could not be read to its end: that, and what its lines say.
pub(super) fn broken(tree: &Tree<'_>, file: u32) -> Vec<Hit> {
    let fault = tree.fault(file).filter(|_| !is_silent_template(tree.name(file), tree.bytes(file)));
    let Some(fault) = fault else { return Vec::new() };
    let places = vec![At { file, line: fault.line }];
    let (reference, note) = (tree.name(file).to_owned(), Some(fault.why.clone()));
    let hit = Hit { class: Class::Image, reference, confidence: Confidence::Unreadable, places, note };
    std::iter::once(hit).chain(scan(tree.bytes(file), file, fault.from)).collect()
}

// Whether a file is a template of a chart that is not here, which nothing but that chart could apply, and which says
// nothing of images.
fn is_silent_template(name: &str, bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let is_named = name.starts_with("templates/") || name.contains("/templates/");
    let writes = |word: &str| text.contains(word);
    is_named
        && text.trim_start().starts_with("{{")
        && !text.to_ascii_lowercase().contains("image")
        && !["toYaml", "include ", "template ", "tpl ", "ontainers", "\\"].into_iter().any(writes)
        && deployers(bytes).is_empty()
}

/// A text of values that cannot be read to its end: that, and what its lines say.
pub(super) fn told(node: &Node, sink: &mut Sink) {
    if let Some(fault) = yaml::within(node).fault {
        let places = vec![At { line: fault.line, ..node.at }];
        sink.closed("values", Confidence::Unreadable, places, &fault.why);
        inner(node, sink);
    }
}

/// The values in a text, of which those who read them look at the first document only; where it cannot be read before a
/// template fills it in, with something in each place of that.
pub(super) fn values(node: &Node) -> Option<Node> {
    let first = |parsed: yaml::Parsed| parsed.docs.into_iter().next().filter(|_| !parsed.is_headless);
    let parsed = yaml::within(node);
    if parsed.fault.is_none() {
        return first(parsed);
    }
    let (mut filled, mut rest) = (String::new(), node.as_str().unwrap_or_default());
    while let Some((before, (inner, after))) =
        rest.split_once("{{").and_then(|(before, tail)| Some((before, actions::close(tail)?)))
    {
        filled.push_str(before);
        filled.push_str("<>");
        filled.extend(inner.chars().filter(|c| *c == '\n'));
        rest = after;
    }
    let mut whole = node.clone();
    if let Value::Text(text, _) = &mut whole.value {
        *text = (filled + rest).into();
    }
    let filled = yaml::within(&whole);
    first(if filled.fault.is_none() { filled } else { parsed })
}

/// Images that stand literally in the lines of a file, from one line on.
pub(super) fn scan(bytes: &[u8], file: u32, from: u32) -> Vec<Hit> {
    let text = String::from_utf8_lossy(bytes);
    let mut sink = Sink::default();
    let mut line = 1;
    for doc in text.split("\n---") {
        // What such an object says of images deploys none.
        if !is_silent(doc.lines()) {
            lines(doc, At { file, line }, from, &mut sink);
        }
        line += u32::try_from(doc.matches('\n').count()).unwrap_or_default() + 1;
    }
    sink.hits()
}

/// Whether the lines of a document are of a kind that deploys nothing, whatever it says of images; nothing else may say at
/// its top which kind that is.
pub(super) fn is_silent<'l>(lines: impl Iterator<Item = &'l str>) -> bool {
    let (mut kinds, mut versions) = (Vec::new(), Vec::new());
    for line in lines.filter(|line| line.starts_with(|c: char| !c.is_whitespace() && c != '#')) {
        let Some((key, value)) = pair(line.trim_end()) else {
            // Lists that are not indented, and actions that write nothing there.
            let is_idle = line.starts_with("{{") && (is_indented(line) || !writes(line));
            if line.starts_with("- ") || line.starts_with("---") || is_idle {
                continue;
            }
            return false;
        };
        let value = unquoted(value);
        match key {
            "kind" => kinds.push(value),
            "apiVersion" => versions.push(value),
            key if key.starts_with("- ") || key.chars().all(|c| c.is_ascii_alphanumeric()) => {}
            _ => return false,
        }
    }
    let group = versions.first().and_then(|version| version.rsplit_once('/')).map_or("", |(group, _)| group);
    match (kinds.as_slice(), versions.len()) {
        (["CustomResourceDefinition"], 0) => true,
        ([kind], 1) => workload::is_silent(kind, group),
        _ => false,
    }
}

/// Whether what an action writes is moved to the right, and so is no object of its own.
pub(super) fn is_indented(action: &str) -> bool {
    let number = |rest: &str| rest.trim_start().split([' ', '}', '\n']).next()?.parse::<u32>().ok();
    // Values that are written as YAML are one part of an object wherever they stand.
    let is_yaml = action.trim_start_matches(['{', '-', ' ']).starts_with("toYaml ") && !action.contains("tpl");
    action.rsplit_once("indent").is_some_and(|(_, rest)| is_yaml || number(rest) != Some(0))
}

// Whether a line of actions writes something.
fn writes(line: &str) -> bool {
    let mut rest = line;
    while let Some((_, action, after)) = actions::next(rest) {
        if matches!(action, Action::Output(inner) if !inner.starts_with("fail ")) {
            return true;
        }
        rest = after;
    }
    line.contains("include")
}

/// The group and the kind of a document of a template, as they are written there.
pub(super) fn identity<'l>(lines: impl Iterator<Item = &'l str>) -> (&'l str, &'l str) {
    let (mut group, mut kind) = ("", "");
    for (key, value) in lines.filter_map(pair) {
        let value = unquoted(value);
        match key.trim_matches(['"', '\'']) {
            "apiVersion" if value.contains("{{") => group = value,
            "apiVersion" => group = value.rsplit_once('/').map_or("", |(group, _)| group),
            "kind" => kind = value,
            _ => {}
        }
    }
    (group, kind)
}

/// Lines of a template that make something that deploys more, and what it is.
pub(super) fn deployers(bytes: &[u8]) -> Vec<(u32, &'static str)> {
    const KINDS: &[&str] =
        &["Application", "ApplicationSet", "HelmRelease", "HelmChart", "Kustomization", "OCIRepository", "ResourceSet"];
    // Groups of them, and what is said of one that an expression names.
    const GROUPS: &[&str] = &["argoproj.io", "fluxcd", "helm.cattle.io"];
    const ANY: &str = "an object that may deploy more";
    let text = String::from_utf8_lossy(bytes);
    let value = |line: &'_ str, wanted: &str| {
        let (key, value) = pair(line.trim_end())?;
        let is_wanted = key.trim_start_matches("? ").trim_matches(['"', '\'']) == wanted;
        is_wanted.then(|| value.split(" #").next().unwrap_or_default().trim().to_owned())
    };
    let versions: Vec<String> = text.lines().filter_map(|line| value(line, "apiVersion")).collect();
    let is_of_group = versions.iter().any(|version| {
        // What decides between versions that stand there makes none of another group.
        let is_chosen = ["apabilities", "ternary \"", "{{ if", "{{- if"].iter().any(|word| version.contains(word));
        let is_built = version.contains("{{") && version.contains(".Values") && !is_chosen;
        is_built || GROUPS.iter().any(|group| version.contains(group))
    });
    let kind = |line: &str| {
        let kind = value(line, "kind")?;
        let marked = kind.split_once(' ').filter(|(mark, _)| mark.starts_with(['&', '!']));
        let bare = marked.map_or(&*kind, |(_, bare)| bare).trim().trim_matches(['"', '\'']);
        let literals = if kind.contains("{{") { actions::literals(bare) } else { Vec::new() };
        let is_known = |known: &&&str| **known == bare || literals.iter().any(|literal| literal.text == ***known);
        let other = || (kind.contains("{{") && is_of_group).then_some(ANY);
        KINDS.iter().find(is_known).copied().or_else(other)
    };
    (1..).zip(text.lines()).filter_map(|(number, line)| Some((number, kind(line)?))).collect()
}

/// The lines at which documents of a template begin that make something else deploy what cannot be seen, and what that is.
pub(super) fn closed(bytes: &[u8]) -> Vec<(u32, &'static str)> {
    let text = String::from_utf8_lossy(bytes);
    let (mut line, mut found) = (1, Vec::new());
    for doc in text.split("\n---") {
        let at = (line..).zip(doc.lines()).find(|(_, text)| text.starts_with("kind:")).map_or(line, |(at, _)| at);
        found.extend(fields::closes(identity(doc.lines()), doc).map(|what| (at, what)));
        line += u32::try_from(doc.matches('\n').count()).unwrap_or_default() + 1;
    }
    found
}

/// Images that stand literally in the lines of a text within a file. Only those of a block are lines of the file too.
pub(super) fn inner(node: &Node, sink: &mut Sink) {
    match &node.value {
        Value::Text(text, Style::Block) => lines(text, node.at, node.at.line, sink),
        Value::Text(text, _) if text.contains('\n') => {
            text.lines().for_each(|text| lines(text, node.at, node.at.line, sink));
        }
        _ => {}
    }
}

fn lines(text: &str, at: At, from: u32, sink: &mut Sink) {
    let (mut is_below, mut variable) = (false, false);
    for (line, text) in (at.line..).zip(text.lines()).filter(|(line, _)| *line >= from) {
        let text = text.trim();
        if text.starts_with('#') || text.starts_with("{{/*") {
            continue;
        }
        // Jenkins keeps its pods as XML.
        let element = text.strip_prefix("<image>").and_then(|rest| rest.strip_suffix("</image>"));
        let mut say = |value: &str, is_named: bool| {
            let value = value.trim().trim_matches(['"', '\'']);
            let is_image = if is_named { sink::is_plausible(value) } else { sink::is_literal(value) };
            let node = Node::text(At { line, ..at }, value);
            if is_image && !value.contains("{{") {
                sink.image(&node, Trust::Inferred);
            } else if is_named && value.contains("${") {
                sink.plausible(&node);
            }
        };
        // A value may stand on the line below its key.
        if std::mem::take(&mut is_below) {
            say(text, true);
            continue;
        }
        if let Some(value) = element {
            say(value, true);
            continue;
        }
        for (is_item, part) in parts(text) {
            let bare = part.trim_start_matches("- ").trim_start();
            let is_item = is_item || bare.len() < part.len();
            let Some((key, value)) = pair(bare).or_else(|| assigned(bare, is_item)).or_else(|| property(bare)) else {
                if is_item {
                    say(bare, false);
                }
                continue;
            };
            let key = key.trim_matches(['"', '\'', ' ']);
            let value = value.split(" #").next().unwrap_or_default().trim();
            // An anchor or a tag before it says nothing of it.
            let marked = value.split_once(' ').filter(|(mark, _)| mark.starts_with(['&', '!']));
            let value = marked.map_or(value, |(_, value)| value);
            // The value of a variable stands below its name.
            let is_value = key == "value" && std::mem::take(&mut variable);
            if key == "name" {
                variable = pod::is_variable_of_image(unquoted(value));
            }
            let is_named = helm::is_image_key(key) || pod::is_variable_of_image(key) || is_value;
            is_below = is_named && matches!(value, ">" | ">-" | "|" | "|-");
            say(value, is_named);
        }
    }
}

// A setting: `image = "x"`, `spark.image=x`, `X_IMAGE=x`; and what an item of a list says behind `=`.
fn assigned(text: &str, is_item: bool) -> Option<(&str, &str)> {
    let (key, value) = text.trim_matches(['"', '\'']).split_once('=')?;
    let key = key.trim();
    let key = key.strip_prefix("export ").unwrap_or(key);
    let last = key.rsplit('.').next().unwrap_or(key);
    (is_item || (!key.contains(char::is_whitespace) && !key.starts_with('-'))).then_some((last, value))
}

// A setting with nothing but blanks between: `spark.image x`.
fn property(text: &str) -> Option<(&str, &str)> {
    let (key, value) = text.split_once([' ', '\t'])?;
    key.ends_with(".image").then_some(("image", value))
}

/// A value without a comment behind it and the quotes around it.
pub(super) fn unquoted(value: &str) -> &str {
    value.split(" #").next().unwrap_or_default().trim().trim_matches(['"', '\''])
}

/// The key and the value of a line; None: it has none.
pub(super) fn pair(text: &str) -> Option<(&str, &str)> {
    let is_end = |at: usize| {
        let is_quoted = text.get(..at).is_some_and(|key| key.ends_with(['"', '\'']) && key.len() > 1);
        text.get(at + 1..).is_some_and(|rest| rest.is_empty() || is_quoted || rest.starts_with([' ', '\t']))
    };
    let at = text.match_indices(':').map(|(at, _)| at).find(|at| is_end(*at))?;
    Some((text.get(..at)?.trim_end(), text.get(at + 1..)?))
}

/// The images of a text of one line that is a part of an object.
pub(super) fn flow(node: &Node, sink: &mut Sink) {
    if let Some(text) = node.as_str().filter(|text| !text.contains('\n')) {
        lines(text, node.at, node.at.line, sink);
    }
}

/// The parts of a line, taken apart where its mappings and lists in braces are; and whether it is one of a list so.
pub(super) fn parts(text: &str) -> Vec<(bool, &str)> {
    let (mut parts, mut from, mut open, mut quote, mut before) = (Vec::new(), 0, Vec::new(), None, ' ');
    let mut skip = 0;
    for (at, c) in text.char_indices() {
        let rest = text.get(at..).unwrap_or_default();
        if at < skip {
            continue;
        }
        let end = [("{{", "}}"), ("${", "}")].iter().find(|(open, _)| rest.starts_with(open)).map(|(_, end)| end);
        if let Some(end) = end {
            skip = at + rest.find(end).map_or(rest.len(), |at| at + end.len());
            before = '}';
            continue;
        }
        // Right behind a name they hold what queries choose by.
        let is_choice =
            c == '{' && text.get(..at).is_some_and(|head| head.ends_with(|c: char| c.is_alphanumeric() || c == '_'));
        if is_choice && quote.is_none() {
            skip = at + rest.find('}').map_or(rest.len(), |at| at + 1);
            before = '}';
            continue;
        }
        let is_opened = |before: char| matches!(before, ':' | ',' | '[' | '{' | '-' | '=' | ' ');
        match (quote, c) {
            (Some(open), c) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') if is_opened(before) => quote = Some(c),
            (None, '{' | '[' | '}' | ']') | (None, ',') if c != ',' || !open.is_empty() => {
                let part = text.get(from..at).unwrap_or_default().trim();
                parts.push((open.last() == Some(&'['), part));
                from = at + 1;
                match c {
                    '{' | '[' => open.push(c),
                    '}' | ']' => drop(open.pop()),
                    _ => {}
                }
            }
            _ => {}
        }
        if !c.is_whitespace() {
            before = c;
        }
    }
    parts.push((open.last() == Some(&'['), text.get(from..).unwrap_or_default().trim()));
    parts.retain(|(_, part)| !part.is_empty());
    parts
}
