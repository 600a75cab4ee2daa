//! Files that are no YAML until somebody fills them in: their lines are looked at for images that stand there literally.

use super::node::{At, Node, Style, Trust, Value};
use super::sink::{self, Hit, Sink};
use super::tree::Tree;
use super::{Class, Confidence, helm};

/// A file that could not be read to its end: that, and what its lines say.
pub(super) fn broken(tree: &Tree<'_>, file: u32, hits: &mut Vec<Hit>) {
    let Some(fault) = tree.fault(file) else { return };
    let places = vec![At { file, line: fault.line }];
    let (reference, note) = (tree.name(file).to_owned(), Some(fault.why.clone()));
    hits.push(Hit { class: Class::Image, reference, confidence: Confidence::Unreadable, places, note });
    hits.extend(scan(tree.bytes(file), file, fault.from));
}

/// Images that stand literally in the lines of a file, from one line on.
pub(super) fn scan(bytes: &[u8], file: u32, from: u32) -> Vec<Hit> {
    let text = String::from_utf8_lossy(bytes);
    let mut sink = Sink::default();
    let mut line = 1;
    for doc in text.split("\n---") {
        // What such an object says of images deploys none.
        if !["kind: CustomResourceDefinition", "kyverno.io/"].iter().any(|silent| doc.contains(silent)) {
            lines(doc, At { file, line }, from, &mut sink);
        }
        line += u32::try_from(doc.matches('\n').count()).unwrap_or_default() + 1;
    }
    sink.hits()
}

/// Lines of a template that make something that deploys more, and what it is.
pub(super) fn deployers(bytes: &[u8]) -> Vec<(u32, &'static str)> {
    const KINDS: &[&str] =
        &["Application", "ApplicationSet", "HelmRelease", "HelmChart", "Kustomization", "OCIRepository", "ResourceSet"];
    let text = String::from_utf8_lossy(bytes);
    let kind = |line: &str| {
        let kind = line.strip_prefix("kind:")?.trim().trim_matches(['"', '\'']);
        KINDS.iter().find(|known| **known == kind).copied()
    };
    (1..).zip(text.lines()).filter_map(|(number, line)| Some((number, kind(line)?))).collect()
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
    for (line, text) in (at.line..).zip(text.lines()).filter(|(line, _)| *line >= from) {
        let text = text.trim_start();
        let bare = text.trim_start_matches("- ").trim_start();
        // Jenkins keeps its pods as XML.
        let element = bare.trim_end().strip_prefix("<image>").and_then(|rest| rest.strip_suffix("</image>"));
        if let Some(value) = element.filter(|value| sink::is_plausible(value)) {
            sink.image(&Node::text(At { line, ..at }, value), Trust::Inferred);
            continue;
        }
        let (key, value) = match bare.split_once(": ").or_else(|| bare.split_once("\":")) {
            Some((key, value)) => (key.trim_matches(['"', '\'', ' ', '{']), value),
            // An item of a list, or an argument.
            None if text.len() > bare.len() => ("", bare.split_once('=').map_or(bare, |(_, value)| value)),
            None => continue,
        };
        let value = value.split(" #").next().unwrap_or_default().trim().trim_end_matches(',');
        let value = value.trim_matches(['"', '\'']);
        let is_image = if helm::is_image_key(key) { sink::is_plausible(value) } else { sink::is_literal(value) };
        if !text.starts_with(['#']) && !text.starts_with("{{/*") && !value.contains("{{") && is_image {
            sink.image(&Node::text(At { line, ..at }, value), Trust::Inferred);
        }
    }
}
