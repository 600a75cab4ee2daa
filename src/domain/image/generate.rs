//! What a kustomization generates: config maps, which Flux and charts read values from, and charts of its own.

use std::sync::Arc;

use super::Confidence;
use super::helm;
use super::kustomize::{Built, Kustomizer, Resource};
use super::node::{At, Node, Style, Value};
use super::sink::Sink;
use super::tree;

/// Runs the generators.
pub(super) fn run(kustomizer: &mut Kustomizer<'_>, folder: &str, doc: &Node, built: &mut Built) {
    for entry in doc.get("configMapGenerator").into_iter().flat_map(Node::items) {
        let data = data(kustomizer, folder, entry);
        let name = entry.str_at(&["name"]);
        let is_more = matches!(entry.str_at(&["behavior"]), "merge" | "replace");
        let old = built.resources.iter_mut().find(|resource| is_more && resource.is("ConfigMap", name));
        if let Some(old) = old {
            let map = Arc::make_mut(&mut old.node);
            let mut all = map.get("data").cloned().unwrap_or_else(|| Node::new(entry.at, Value::Map(Vec::new())));
            data.into_iter().for_each(|(key, value)| all.set(&key, value));
            map.set("data", all);
            continue;
        }
        let text = |text: &str| Node::text(entry.at, text);
        let mut metadata = Node::new(entry.at, Value::Map(vec![("name".into(), text(name))]));
        if let Some(namespace) = entry.get("namespace") {
            metadata.set("namespace", namespace.clone());
        }
        let entries = vec![
            ("apiVersion".into(), text("v1")),
            ("kind".into(), text("ConfigMap")),
            ("metadata".into(), metadata),
            ("data".into(), Node::new(entry.at, Value::Map(data))),
        ];
        built.resources.push(Resource::new(Arc::new(Node::new(entry.at, Value::Map(entries)))));
    }
    for entry in doc.get("secretGenerator").into_iter().flat_map(Node::items) {
        let files = entry.get("files").into_iter().flat_map(Node::items).filter_map(Node::as_str);
        for path in files.map(|path| path.rsplit_once('=').map_or(path, |(_, path)| path)) {
            kustomizer.used.extend(tree::join(folder, path).and_then(|path| kustomizer.tree.number(&path)));
        }
    }
    for entry in doc.get("helmCharts").into_iter().flat_map(Node::items) {
        chart(kustomizer, folder, entry, built);
    }
}

fn data(kustomizer: &mut Kustomizer<'_>, folder: &str, entry: &Node) -> Vec<(Box<str>, Node)> {
    let mut data: Vec<(Box<str>, Node)> = Vec::new();
    let list = |key: &str| entry.get(key).into_iter().flat_map(Node::items);
    for literal in list("literals") {
        if let Some((key, value)) = literal.as_str().and_then(|text| text.split_once('=')) {
            data.push((key.into(), Node::text(literal.at, value.trim_matches(['"', '\'']))));
        }
    }
    for item in list("files") {
        let Some(text) = item.as_str() else { continue };
        let (key, path) = text.split_once('=').unwrap_or((text.rsplit('/').next().unwrap_or(text), text));
        let Some(file) = tree::join(folder, path).and_then(|path| kustomizer.tree.number(&path)) else { continue };
        kustomizer.used.insert(file);
        if let Ok(content) = std::str::from_utf8(kustomizer.tree.bytes(file)) {
            data.push((key.into(), Node::new(At { file, line: 1 }, Value::Text(content.into(), Style::Block))));
        }
    }
    for path in list("envs").chain(entry.get("env")).filter_map(Node::as_str) {
        let Some(file) = tree::join(folder, path).and_then(|path| kustomizer.tree.number(&path)) else { continue };
        kustomizer.used.insert(file);
        let content = String::from_utf8_lossy(kustomizer.tree.bytes(file));
        for (line, text) in (1..).zip(content.lines()).filter(|(_, text)| !text.trim_start().starts_with('#')) {
            if let Some((key, value)) = text.split_once('=') {
                data.push((key.trim().into(), Node::text(At { file, line }, value)));
            }
        }
    }
    data
}

fn chart(kustomizer: &mut Kustomizer<'_>, folder: &str, entry: &Node, built: &mut Built) {
    let mut sink = Sink::default();
    let (repo, name) = (entry.str_at(&["repo"]), entry.str_at(&["name"]));
    helm::chart(repo, name, entry.get("version"), entry.get("name").unwrap_or(entry), &mut sink);
    sink.closed(name, Confidence::Opaque, vec![entry.at], "a chart, whose own images cannot be seen");
    if let Some(inline) = entry.get("valuesInline") {
        helm::values(inline, &mut sink);
    }
    let more = entry.get("additionalValuesFiles").into_iter().flat_map(Node::items);
    for path in entry.get("valuesFile").into_iter().chain(more) {
        for doc in kustomizer.inner(folder, None, Some(path), built) {
            helm::values(&doc, &mut sink);
        }
    }
    built.closed.extend(sink.hits());
}
