//! What Argo CD deploys: the folders and charts of Applications, and of the ApplicationSets that make them.

use super::index::Index;
use super::node::{Node, Trust, Value};
use super::resource::Extra;
use super::retag::Retag;
use super::sink::Sink;
use super::tree::{self, Tree};
use super::{Class, Confidence, evidence, helm, patch, reference, sets, text};

/// Whether an object makes Argo CD deploy something.
pub(super) fn is_application(object: &Node) -> bool {
    object.group() == "argoproj.io" && matches!(object.kind(), "Application" | "ApplicationSet")
}

/// The folders of the tree that an object names, and the files out of which it gives them values.
pub(super) fn claims(tree: &Tree<'_>, object: &Node) -> (Vec<String>, Vec<u32>) {
    let (mut folders, mut files) = (Vec::new(), Vec::new());
    for source in sources(tree, object) {
        let folder = folder(tree, &source);
        let named = source.at_path(&["helm", "valueFiles"]).map(Node::items).unwrap_or_default();
        let from = folder.as_deref().unwrap_or_default();
        files.extend(named.iter().filter_map(Node::as_str).filter_map(|entry| value_file(tree, from, entry)));
        folders.extend(folder.filter(|_| source.get("chart").is_none()));
    }
    (folders, files)
}

/// The folders of the tree that an object names, with what it adds to them and the values it gives.
pub(super) fn builds(tree: &Tree<'_>, object: &Node) -> Vec<(String, Extra, Option<Node>)> {
    let mut builds = Vec::new();
    for source in sources(tree, object) {
        if source.get("chart").is_none()
            && let Some(folder) = folder(tree, &source)
        {
            let values = values(tree, &source, &folder);
            let is_flat = source.str_at(&["directory", "recurse"]) != "true";
            builds.push((folder, Extra { is_flat, ..extra(&source) }, values));
        }
    }
    builds
}

/// Whether all values that an object gives to charts are in the tree.
pub(super) fn has_values(tree: &Tree<'_>, object: &Node) -> bool {
    sources(tree, object).iter().all(|source| {
        let folder = folder(tree, source).unwrap_or_default();
        let files = source.at_path(&["helm", "valueFiles"]).map(Node::items).unwrap_or_default();
        files.iter().filter_map(Node::as_str).all(|entry| value_file(tree, &folder, entry).is_some())
            && source.at_path(&["helm", "fileParameters"]).is_none()
    })
}

/// The references of an Application whose content is not in the tree; false: it is none.
pub(super) fn find(object: &Node, tree: &Tree<'_>, index: &Index, sink: &mut Sink) -> bool {
    if !is_application(object) {
        return object.group() == "argoproj.io" && object.kind() == "AppProject";
    }
    if let Some(patch) = object.at_path(&["spec", "templatePatch"]) {
        sink.closed(object.name(), Confidence::Opaque, patch.places().collect(), "a template changes the Applications");
    }
    if let Some(hydrator) = object.at_path(&["spec", "sourceHydrator"]) {
        sink.closed(
            object.name(),
            Confidence::Opaque,
            hydrator.places().collect(),
            "Argo CD hydrates it from elsewhere",
        );
    }
    let (sources, has_more) = made(tree, object);
    if has_more {
        let note = "it makes more Applications than are looked at";
        sink.closed(object.name(), Confidence::Opaque, object.places().collect(), note);
    }
    for source in sources {
        source.at_path(&["helm", "values"]).into_iter().for_each(|values| text::told(values, sink));
        let none = Node::new(source.at, Value::Null);
        let url = source.get("repoURL").unwrap_or(&none);
        if let Some(plugin) = source.get("plugin") {
            sink.closed(object.name(), Confidence::Opaque, plugin.places().collect(), "a plugin of Argo CD builds it");
        }
        if url.as_str().is_some_and(|url| url.starts_with("oci://")) && source.get("chart").is_none() {
            artifact(url, source.get("targetRevision"), sink);
        } else if let Some(chart) = source.get("chart") {
            let name = chart.as_str().unwrap_or_default();
            helm::chart(url, name, source.get("targetRevision"), chart, sink);
            let note = helm::UNSEEN;
            sink.closed(name, Confidence::Opaque, chart.places().collect(), note);
            if let Some(values) = values(tree, &source, "") {
                helm::values(&values, sink);
            }
        } else if let Some(folder) = folder(tree, &source) {
            if index.is_elsewhere(url.as_str().unwrap_or_default()) {
                let note = "Argo CD builds it from another repository, which may have something else there";
                sink.closed(&folder, Confidence::Opaque, url.places().collect(), note);
            }
            let files = source.at_path(&["helm", "valueFiles"]).map(Node::items).unwrap_or_default();
            let is_lax = source.str_at(&["helm", "ignoreMissingValueFiles"]) == "true";
            let is_unseen =
                |entry: &&Node| !is_lax && entry.as_str().is_some_and(|text| value_file(tree, &folder, text).is_none());
            for entry in files.iter().filter(is_unseen) {
                let what = entry.as_str().unwrap_or_default();
                sink.closed(what, Confidence::Opaque, entry.places().collect(), helm::UNSEEN_VALUES);
            }
        } else if let Some(path) = source.get("path") {
            let shown = path.as_str().unwrap_or_default();
            sink.closed(
                shown,
                Confidence::Opaque,
                path.places().collect(),
                "Argo CD builds it from what is not in the tree",
            );
            if let Some(values) = values(tree, &source, "") {
                helm::values(&values, sink);
            }
            let retags = extra(&source).images;
            let hits = retags.iter().filter_map(Retag::read).filter_map(|retag| evidence::renamed(&retag));
            hits.for_each(|hit| sink.push(hit));
        }
    }
    true
}

// Manifests or a chart in an image registry.
fn artifact(url: &Node, revision: Option<&Node>, sink: &mut Sink) {
    let name = url.as_str().unwrap_or_default().trim_start_matches("oci://").trim_end_matches('/');
    let text = revision.and_then(Node::as_str).unwrap_or("latest");
    let whole = if text.contains(':') { format!("{name}@{text}") } else { format!("{name}:{text}") };
    let mut node = url.clone();
    node.rewrite(&whole, revision.into_iter().flat_map(Node::places));
    node.trust = node.trust.max(revision.map_or(Trust::Certain, |node| node.trust));
    sink.image_of(Class::Oci, &node, Trust::Certain, None);
    sink.closed(name, Confidence::Opaque, url.places().collect(), "Argo CD builds it from what is not in the tree");
}

fn folder(tree: &Tree<'_>, source: &Node) -> Option<String> {
    let path = source.get("path")?.as_str()?;
    tree::join("", path).filter(|path| tree.has_folder(path))
}

fn sources(tree: &Tree<'_>, object: &Node) -> Vec<Node> {
    made(tree, object).0
}

// Every source, of an Application or of those that a set makes; and whether a set makes more.
fn made(tree: &Tree<'_>, object: &Node) -> (Vec<Node>, bool) {
    if !is_application(object) {
        return (Vec::new(), false);
    }
    let of = |spec: &Node| -> Vec<Node> {
        let several = spec.get("sources").into_iter().flat_map(Node::items);
        spec.get("source").into_iter().chain(several).cloned().collect()
    };
    if object.kind() == "Application" {
        return (object.get("spec").map(of).unwrap_or_default(), false);
    }
    let (specs, has_more) = sets::specs(tree, object);
    (specs.iter().flat_map(of).collect(), has_more)
}

// What an Application adds to a kustomization: images in the short form of the command line.
fn extra(source: &Node) -> Extra {
    let Some(kustomize) = source.get("kustomize") else { return Extra::default() };
    let images = kustomize.get("images").into_iter().flat_map(Node::items).filter_map(|node| {
        let text = node.as_str()?;
        let (name, new) = text.split_once('=').unwrap_or((reference::split(text).0, text));
        let (new_name, tag, digest) = reference::split(new);
        let part = |text: &str| {
            let mut part = node.clone();
            part.rewrite(text, []);
            part
        };
        let mut entry = Node::nothing(node.at);
        entry.set("name", part(name));
        if new_name != name {
            entry.set("newName", part(new_name));
        }
        tag.into_iter().for_each(|tag| entry.set("newTag", part(tag)));
        digest.into_iter().for_each(|digest| entry.set("digest", part(digest)));
        Some(entry)
    });
    let list = |key: &str| kustomize.get(key).map(|node| node.items().to_vec()).unwrap_or_default();
    let namespace = kustomize.get("namespace").and_then(Node::as_str).map(str::to_owned);
    Extra {
        patches: list("patches"),
        images: images.collect(),
        components: list("components"),
        namespace,
        is_flat: false,
    }
}

fn value_file(tree: &Tree<'_>, folder: &str, entry: &str) -> Option<u32> {
    // `$name/…` is a file of another source, which is this tree if it has it.
    let (from, path) = match entry.strip_prefix('$').and_then(|rest| rest.split_once('/')) {
        Some((_, path)) => ("", path),
        None if entry.starts_with('/') => ("", entry),
        None => (folder, entry),
    };
    tree.number(&tree::join(from, path)?)
}

// What an Application gives its chart: files, then texts, then parameters.
fn values(tree: &Tree<'_>, source: &Node, folder: &str) -> Option<Node> {
    let helm = source.get("helm")?;
    let mut layers = Vec::new();
    for entry in helm.get("valueFiles").into_iter().flat_map(Node::items).filter_map(Node::as_str) {
        let file = value_file(tree, folder, entry);
        layers.extend(file.into_iter().flat_map(|file| tree.docs(file)).map(|doc| (**doc).clone()));
    }
    layers.extend(helm.get("values").into_iter().flat_map(text::values));
    layers.extend(helm.get("valuesObject").cloned());
    for parameter in helm.get("parameters").into_iter().flat_map(Node::items) {
        if let Some(value) = parameter.get("value") {
            let mut value = value.clone();
            value.trust = value.trust.max(Trust::Inferred);
            layers.push(helm::nested(parameter.str_at(&["name"]), value));
        }
    }
    patch::layered(layers)
}
