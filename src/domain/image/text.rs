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
    lines(&text, At { file, line: 1 }, from, &mut sink);
    sink.hits()
}

/// Images that stand literally in the lines of a text within a file.
pub(super) fn inner(node: &Node, sink: &mut Sink) {
    if let Value::Text(text, Style::Block) = &node.value {
        lines(text, node.at, node.at.line, sink);
    }
}

fn lines(text: &str, at: At, from: u32, sink: &mut Sink) {
    for (line, text) in (at.line..).zip(text.lines()).filter(|(line, _)| *line >= from) {
        let text = text.trim_start().trim_start_matches("- ").trim_start();
        let Some((key, value)) = text.split_once(':') else { continue };
        if !helm::is_image_key(key.trim_matches(['"', '\'', ' ', '{'])) {
            continue;
        }
        let value = value.split(" #").next().unwrap_or_default().trim().trim_end_matches(',');
        let value = value.trim_matches(['"', '\'']);
        if !value.contains("{{") && sink::is_plausible(value) {
            sink.image(&Node::text(At { line, ..at }, value), Trust::Inferred);
        }
    }
}
