//! What a kustomization generates: config maps, which Flux and charts read values from, and charts of its own.

use std::sync::Arc;

use super::Confidence;
use super::chart;
use super::helm;
use super::kustomize::Kustomizer;
use super::node::{At, Node, Style, Value};
use super::patch;
use super::resource::{Built, Id, Resource};
use super::sink::Sink;
use super::tree;
use super::weight;
use crate::domain::path::is_within;

// How many bytes are copied at the cost of one look at a path.
const BYTES: usize = 2;

/// Runs the generators.
pub(super) fn run(kustomizer: &mut Kustomizer<'_>, folder: &str, doc: &Node, built: &mut Built) {
    let list = |key: &str| doc.get(key).into_iter().flat_map(Node::items);
    let all = doc.get("generatorOptions");
    list("configMapGenerator").for_each(|entry| map(kustomizer, folder, entry, ("ConfigMap", all), built));
    list("secretGenerator").for_each(|entry| map(kustomizer, folder, entry, ("Secret", all), built));
    let home = doc.str_at(&["helmGlobals", "chartHome"]);
    list("helmCharts").for_each(|entry| chart(kustomizer, folder, home, entry, built));
    if let Some(old) = doc.get("helmChartInflationGenerator") {
        let why = "charts in a form of old versions of kustomize, which is not followed";
        kustomizer.close("helmChartInflationGenerator", Confidence::Opaque, old.at, why, built);
    }
}

/// Makes a config map or a secret, or adds to one; `all` are options of all of them.
pub(super) fn map(
    kustomizer: &mut Kustomizer<'_>,
    folder: &str,
    entry: &Node,
    (kind, all): (&str, Option<&Node>),
    built: &mut Built,
) {
    let is_fixed = |options: &Node| options.str_at(&["disableNameSuffixHash"]) == "true";
    let is_hashed = !entry.get("options").into_iter().chain(all).any(is_fixed);
    let data = data(kustomizer, folder, entry, built);
    let part = if kind == "Secret" { "stringData" } else { "data" };
    let name = entry.str_at(&["name"]);
    let behavior = entry.str_at(&["behavior"]);
    let is_more = matches!(behavior, "merge" | "replace");
    let own = Id { kind, name, namespace: entry.str_at(&["namespace"]) };
    let is_own =
        |resource: &Resource| resource.ids().any(|id| (id.kind, id.name, id.space()) == (kind, name, own.space()));
    let find = || {
        let place = built.resources.iter().position(is_own);
        place.or_else(|| built.resources.iter().position(|resource| resource.is(kind, name)))
    };
    let place = is_more.then(find).flatten();
    if let Some(old) = place.and_then(|place| built.resources.get_mut(place)) {
        let map = old.settled();
        let before = map.get(part).filter(|_| behavior == "merge").cloned();
        let mut all = before.unwrap_or_else(|| Node::nothing(entry.at));
        data.into_iter().for_each(|(key, value)| all.set(&key, value));
        map.set(part, all);
        return;
    }
    if is_more {
        let why = format!("it adds to a {kind} that is not there");
        kustomizer.unbuildable(name, entry.at, &why, built);
    }
    let text = |text: &str| Node::text(entry.at, text);
    let mut metadata = Node::new(entry.at, Value::Map(vec![("name".into(), text(name))]));
    if let Some(namespace) = entry.get("namespace") {
        metadata.set("namespace", namespace.clone());
    }
    let entries = vec![
        ("apiVersion".into(), text("v1")),
        ("kind".into(), text(kind)),
        ("metadata".into(), metadata),
        (part.into(), Node::new(entry.at, Value::Map(data))),
    ];
    let mut made = Resource::new(Arc::new(Node::new(entry.at, Value::Map(entries))));
    made.is_hashed = is_hashed;
    built.resources.push(made);
}

// The number of a file that a generator names.
fn file(kustomizer: &mut Kustomizer<'_>, folder: &str, path: &str, at: At, built: &mut Built) -> Option<u32> {
    let file = tree::join(folder, path).and_then(|path| kustomizer.tree.number(&path));
    if file.is_none() {
        kustomizer.elsewhere(path, at, built);
    }
    kustomizer.data.extend(file);
    file
}

fn data(kustomizer: &mut Kustomizer<'_>, folder: &str, entry: &Node, built: &mut Built) -> Vec<(Box<str>, Node)> {
    let mut data: Vec<(Box<str>, Node)> = Vec::new();
    let list = |key: &str| entry.get(key).into_iter().flat_map(Node::items);
    for literal in list("literals") {
        if let Some((key, value)) = literal.as_str().and_then(|text| text.split_once('=')) {
            data.push((key.into(), Node::text(literal.at, value.trim_matches(['"', '\'']))));
        } else {
            kustomizer.refuse(entry.str_at(&["name"]), literal.at, "a literal has a key and a value", built);
        }
    }
    for item in list("files") {
        let Some(text) = item.as_str() else { continue };
        let (key, path) = text.split_once('=').unwrap_or((tree::base_of(text), text));
        let Some(file) = file(kustomizer, folder, path, item.at, built) else { continue };
        let bytes = kustomizer.tree.bytes(file);
        if !kustomizer.tree.spend(1 + bytes.len() / BYTES, item.at) {
            return data;
        }
        if let Ok(content) = std::str::from_utf8(bytes) {
            data.push((key.into(), Node::new(At { file, line: 1 }, Value::Text(content.into(), Style::Block))));
        }
    }
    for item in list("envs").chain(entry.get("env")) {
        let Some(path) = item.as_str() else { continue };
        let Some(file) = file(kustomizer, folder, path, item.at, built) else { continue };
        let bytes = kustomizer.tree.bytes(file);
        // Each line is a node.
        if !kustomizer.tree.spend(1 + bytes.len(), item.at) {
            return data;
        }
        let content = String::from_utf8_lossy(bytes);
        for (line, text) in (1..).zip(content.lines()).filter(|(_, text)| !text.trim_start().starts_with('#')) {
            if let Some((key, value)) = text.split_once('=') {
                data.push((key.trim().into(), Node::text(At { file, line }, value)));
            }
        }
    }
    data
}

/// Takes a chart that kustomize would have rendered: of the tree, if it is in the folder for charts, `home`.
pub(super) fn chart(kustomizer: &mut Kustomizer<'_>, folder: &str, home: &str, entry: &Node, built: &mut Built) {
    let mut sink = Sink::default();
    let (none, name) = (Node::new(entry.at, Value::Null), entry.str_at(&["name"]));
    let own = entry.str_at(&["chartHome"]);
    let home = [home, own].into_iter().find(|home| !home.is_empty()).unwrap_or("charts");
    // A folder for the version comes first.
    let version = entry.str_at(&["version"]);
    let folders = [format!("{home}/{name}-{version}/{name}"), format!("{home}/{name}")];
    let found = folders.iter().find_map(|path| {
        let local = tree::join(folder, path)?;
        Some((kustomizer.tree.number(&format!("{local}/Chart.yaml"))?, local))
    });
    kustomizer.used.extend(found.as_ref().map(|(chart, _)| *chart));
    let local = found.map(|(_, local)| local);
    if local.is_none() {
        let at = entry.get("name").unwrap_or(entry);
        // A path is no repository that anybody could be asked for it.
        if !entry.str_at(&["repo"]).starts_with(['.', '/']) {
            helm::chart(entry.get("repo").unwrap_or(&none), name, entry.get("version"), at, &mut sink);
        }
        sink.closed(name, Confidence::Opaque, at.places().collect(), helm::UNSEEN);
        built.is_remote = true;
    }
    built.has_chart |= local.is_some();
    let mut read = |path: &Node| -> Vec<Node> {
        // The values of a chart that stand in its folder do not make that a folder that somebody uses otherwise.
        let file = tree::join(folder, path.as_str().unwrap_or_default()).and_then(|path| kustomizer.tree.number(&path));
        let is_its = |file: u32| local.as_ref().is_some_and(|local| is_within(kustomizer.tree.name(file), local));
        let its = file.filter(|file| !kustomizer.used.contains(file) && is_its(*file));
        let docs = kustomizer.inner(folder, None, Some(path), built).docs;
        if let Some(file) = its {
            kustomizer.used.remove(&file);
            kustomizer.data.insert(file);
        }
        docs.iter().take(1).map(|doc| (**doc).clone()).collect()
    };
    let file = entry.get("valuesFile").map(&mut read).unwrap_or_default();
    let more: Vec<Node> = entry.get("additionalValuesFiles").into_iter().flat_map(Node::items).flat_map(read).collect();
    let inline = entry.get("valuesInline").cloned();
    let mut values: Vec<Node> = match (entry.str_at(&["valuesMerge"]), inline) {
        ("merge", Some(inline)) => std::iter::once(inline).chain(file).collect(),
        ("replace", Some(inline)) => vec![inline],
        (_, inline) => file.into_iter().chain(inline).collect(),
    };
    values.extend(more);
    let values = patch::layered(values).unwrap_or_else(|| Node::nothing(entry.at));
    match local {
        Some(local) => chart::find(kustomizer.tree, &local, (Some(&values), true), &mut sink),
        None if kustomizer.tree.spend(values.weight(), entry.at) => helm::values(&values, &mut sink),
        None => sink.closed(name, Confidence::Unreadable, vec![entry.at], weight::MUCH),
    }
    built.closed.extend(sink.hits());
}
