//! Charts that objects name: in repositories, by Fleet and by k3s.

use super::super::{Class, Confidence, RANGE, given, node::Node, node::Trust, node::Value, sink, text};
use super::{UNSEEN, scalar, values};
use sink::{Hit, Sink};

/// A chart of a repository, with the lines of its name, its version and the repository.
pub(in super::super) fn chart(repository: &Node, name: &str, version: Option<&Node>, at: &Node, sink: &mut Sink) {
    let more = version.into_iter().chain([repository].into_iter().filter(|url| url.as_str().is_some()));
    let places = at.places().chain(more.flat_map(Node::places)).collect();
    let repository = repository.as_str().unwrap_or_default();
    let version_text = version.and_then(Node::as_str).unwrap_or("*");
    let base = repository.strip_prefix("oci://").unwrap_or(repository).trim_end_matches('/');
    let name = if base.is_empty() { name.to_owned() } else { format!("{base}/{name}") };
    // A name that only the user's own configuration of helm knows.
    let is_alias = repository.starts_with('@') || repository.starts_with("alias:");
    // Ranges have signs of their own.
    let is_open = is_alias || sink::is_open(&name) || version_text.contains(['$', '{', '?']);
    let is_exact = version_text.trim_start_matches('v').split('.').count() >= 3
        && !version_text.contains(['*', 'x', 'X', '^', '~', '>', '<', '=', '|', ',', ' ']);
    let confidence = match (is_open, is_exact) {
        (true, _) => Confidence::Unresolved,
        (false, true) => Confidence::Certain,
        (false, false) => Confidence::Inferred,
    };
    let note = (!is_exact && !is_open).then(|| RANGE.to_owned());
    sink.push(Hit { class: Class::Chart, reference: format!("{name}:{version_text}"), confidence, places, note });
}

/// The charts that Fleet deploys for a folder, by the file that it reads there, with their values.
pub(in super::super) fn fleet(doc: &Node, sink: &mut Sink) {
    let targets = doc.get("targetCustomizations").map(Node::items).unwrap_or_default();
    for helm in std::iter::once(doc).chain(targets).filter_map(|part| part.get("helm")) {
        let repository = scalar(helm, "repo");
        let is_here = |name: &str| repository.is_none() && !name.contains("://");
        if let Some(name) = scalar(helm, "chart").filter(|name| name.as_str().is_some_and(|name| !is_here(name))) {
            let text = name.as_str().unwrap_or_default();
            repository.into_iter().for_each(|url| chart(url, text, helm.get("version"), name, sink));
            sink.closed(text, Confidence::Opaque, name.places().collect(), UNSEEN);
        }
        helm.get("values").into_iter().for_each(|given| values(given, sink));
    }
}

/// A chart that k3s deploys, with its values as a text.
pub(in super::super) fn embedded(object: &Node, sink: &mut Sink) {
    let Some(spec) = object.get("spec") else { return };
    if let Some(name) = spec.get("chart") {
        let text = name.as_str().unwrap_or_default();
        let none = Node::new(spec.at, Value::Null);
        chart(spec.get("repo").unwrap_or(&none), text, spec.get("version"), name, sink);
        sink.closed(text, Confidence::Opaque, name.places().collect(), UNSEEN);
    }
    if let Some(whole) = spec.get("chartContent") {
        let note = "a whole chart, packed";
        sink.closed(object.name(), Confidence::Opaque, whole.places().collect(), note);
    }
    spec.get("jobImage").into_iter().for_each(|image| sink.image(image, Trust::Certain));
    let content = spec.get("valuesContent");
    content.into_iter().for_each(|text| text::told(text, sink));
    let mut all = content.and_then(text::values).unwrap_or_else(|| Node::nothing(spec.at));
    for (name, value) in spec.get("set").map(Node::entries).unwrap_or_default() {
        given::set(&mut all, name, given::typed(value));
    }
    values(&all, sink);
}
