//! What Argo CD deploys: the folders and charts of Applications, and of the ApplicationSets that make them.

use std::collections::HashSet;

use super::index::Index;
use super::node::{At, Node, Trust, Value};
use super::resource::Extra;
use super::retag::Retag;
use super::sink::Sink;
use super::tree::{self, Tree};
use super::{Class, Confidence, evidence, given, helm, patch, reference, sets, text, yaml};

// What a byte of values costs, where a look at a path costs 1.
const VALUES: usize = 4;
// Deepest nesting of generators.
const MAX_DEPTH: usize = 4;

/// Whether an object makes Argo CD deploy something.
pub(super) fn is_application(object: &Node) -> bool {
    object.group() == "argoproj.io" && matches!(object.kind(), "Application" | "ApplicationSet")
}

/// What an object names of the tree.
#[derive(Default)]
pub(super) struct Named {
    /// The folders.
    pub(super) folders: Vec<String>,
    /// Those of which it takes what stands below as well.
    pub(super) deep: Vec<String>,
    /// The files out of which it gives them values.
    pub(super) data: Vec<u32>,
}

/// What an object names of the tree.
pub(super) fn claims(tree: &Tree<'_>, index: &Index, object: &Node) -> Named {
    let mut named = Named::default();
    for source in made(tree, index, object).sources {
        let folder = folder(tree, index, &source);
        let files = source.at_path(&["helm", "valueFiles"]).map(Node::items).unwrap_or_default();
        let from = folder.as_deref().unwrap_or_default();
        named.data.extend(files.iter().filter_map(Node::as_str).filter_map(|entry| value_file(tree, from, entry)));
        if let Some(folder) = folder.filter(|_| source.get("chart").is_none()) {
            if !extra(&source).is_flat {
                named.deep.push(folder.clone());
            }
            named.folders.push(folder);
        }
    }
    named
}

/// The addresses of which the tree has folders that Applications build.
pub(super) fn homes(tree: &Tree<'_>) -> HashSet<String> {
    let mut homes = HashSet::new();
    for (file, _) in tree.all() {
        for doc in tree.docs(file).iter().filter(|doc| is_application(doc)) {
            let plain = doc.get("spec");
            let spec = if doc.kind() == "Application" { plain } else { doc.at_path(&["spec", "template", "spec"]) };
            let is_here = |source: &&Node| {
                let path = source.get("path").and_then(|path| tree::join("", path.as_str()?));
                path.is_some_and(|path| !path.is_empty() && tree.has_folder(&path))
            };
            homes.extend(
                spec.into_iter().flat_map(listed).filter(is_here).map(|source| source.str_at(&["repoURL"]).to_owned()),
            );
        }
    }
    homes
}

/// The folders of the tree that an object names, with what it adds to them and the values it gives.
pub(super) fn builds(tree: &Tree<'_>, index: &Index, object: &Node) -> Vec<(String, Extra, Option<Node>)> {
    let mut builds = Vec::new();
    for source in made(tree, index, object).sources {
        if source.get("chart").is_none()
            && let Some(folder) = folder(tree, index, &source)
        {
            let values = values(tree, &source, &folder);
            builds.push((folder, extra(&source), values));
        }
    }
    builds
}

/// Whether all values that an object gives to charts are in the tree.
pub(super) fn has_values(tree: &Tree<'_>, index: &Index, object: &Node) -> bool {
    made(tree, index, object).sources.iter().all(|source| {
        let folder = folder(tree, index, source).unwrap_or_default();
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
    let Made { sources, has_more, silent } = made(tree, index, object);
    for at in silent {
        let note = "a generator that may give more than what is here";
        sink.closed(object.name(), Confidence::Opaque, vec![at], note);
    }
    asked(object.at_path(&["spec", "generators"]), 0, index, sink);
    if has_more {
        let note = "it makes more Applications than are looked at";
        sink.closed(object.name(), Confidence::Opaque, object.places().collect(), note);
    }
    for source in sources {
        source.at_path(&["helm", "values"]).into_iter().for_each(|values| text::told(values, sink));
        let none = Node::new(source.at, Value::Null);
        let url = source.get("repoURL").unwrap_or(&none);
        filled(&source, object.kind() == "ApplicationSet", sink);
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
            value_files(tree, &source, "", sink);
            if let Some(values) = values(tree, &source, "") {
                helm::values(&values, sink);
            }
        } else if let Some(folder) = folder(tree, index, &source) {
            let revision = source.get("targetRevision").unwrap_or(&none);
            let elsewhere = Some(url).filter(|url| index.is_elsewhere(url.as_str().unwrap_or_default()));
            let otherwise = Some(revision).filter(|known| index.is_otherwise(known.as_str().unwrap_or_default()));
            if let Some(at) = elsewhere.or(otherwise) {
                let note = "Argo CD builds it from another repository or branch, which may have something else there";
                sink.closed(&folder, Confidence::Opaque, at.places().collect(), note);
            }
            let of_helm = |key: &str| source.at_path(&["helm", key]).map(Node::items).unwrap_or_default();
            let is_lax = source.str_at(&["helm", "ignoreMissingValueFiles"]) == "true";
            let unseen = of_helm("valueFiles").iter().filter(|entry| {
                let text = entry.as_str().unwrap_or_default();
                // One of another kind is read by nobody here, though it may be there.
                let is_plain =
                    super::is_read(text) && !text.contains("://") && !text.contains(['$', '*', '?', '[', '{']);
                value_file(tree, &folder, text).is_none() && !(is_lax && is_plain)
            });
            value_files(tree, &source, &folder, sink);
            let given = of_helm("fileParameters").iter().map(|given| given.get("path").unwrap_or(given));
            for entry in unseen.chain(given) {
                let what = entry.as_str().unwrap_or_default();
                sink.closed(what, Confidence::Opaque, entry.places().collect(), helm::UNSEEN_VALUES);
            }
            // Values for a chart that another repository has there.
            let is_chart = tree.number(&tree::join(&folder, "Chart.yaml").unwrap_or_default()).is_some();
            if let Some(values) = values(tree, &source, &folder).filter(|_| !is_chart) {
                helm::values(&values, sink);
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

// Tells of what Argo CD fills in by the environment of a build, and of parameters that say more than one thing.
fn filled(source: &Node, is_set: bool, sink: &mut Sink) {
    let list = |path: &[&str]| source.at_path(path).map(Node::items).unwrap_or_default();
    const OF_IMAGES: &[&str] = &["image", "repository", "registry", "tag", "digest", "enabled"];
    let images = list(&["kustomize", "images"]).iter().map(|image| ("", image));
    let parameters = list(&["helm", "parameters"]);
    let given = parameters.iter().filter_map(|given| Some((given.str_at(&["name"]), given.get("value")?)));
    let is_several = |text: &str| text.starts_with('{') && text.ends_with('}') && text.contains(',');
    for (name, node) in images.chain(given) {
        let (text, name) = (node.as_str().unwrap_or_default(), name.to_ascii_lowercase());
        let is_gone = text == "null" && OF_IMAGES.iter().any(|word| name.contains(word));
        if text.contains('$') || is_gone || (is_several(text) && !text.contains("{{")) {
            sink.closed(text, Confidence::Opaque, node.places().collect(), "Argo CD makes something else of it");
        }
    }
    let names = parameters.iter().filter_map(|given| given.get("name"));
    for name in names.filter(|name| !given::is_plain(name.as_str().unwrap_or_default())) {
        let note = "a parameter that sets something else than it says";
        sink.closed(name.as_str().unwrap_or_default(), Confidence::Opaque, name.places().collect(), note);
    }
    if let Some(values) = source.at_path(&["helm", "values"]).filter(|text| yaml::within(text).docs.len() > 1) {
        sink.closed("values", Confidence::Opaque, values.places().collect(), helm::SEVERAL);
    }
    // What fills in a set writes lines where YAML has a comment.
    let values = source.at_path(&["helm", "values"]).filter(|values| {
        let lines = values.as_str().unwrap_or_default().lines();
        let actions = lines.filter_map(|line| line.split_once('#')).flat_map(|(_, rest)| rest.split("{{").skip(1));
        actions.into_iter().any(|action| action.split("}}").next().unwrap_or_default().contains(['"', '`']))
    });
    if let Some(values) = values.filter(|_| is_set) {
        sink.closed("values", Confidence::Opaque, values.places().collect(), "a comment that is filled in");
    }
}

// Tells of the repositories that generators ask, which may say something else than this tree.
fn asked(generators: Option<&Node>, depth: usize, index: &Index, sink: &mut Sink) {
    for generator in generators.into_iter().flat_map(Node::items).filter(|_| depth < MAX_DEPTH) {
        for (kind, inner) in generator.entries() {
            let url = inner.get("repoURL").filter(|_| &**kind == "git");
            let is_other = |url: &&Node| index.is_other(url.as_str().unwrap_or_default(), inner.str_at(&["revision"]));
            if let Some(url) = url.filter(is_other) {
                let note = "a generator asks another repository or branch, which may say something else";
                sink.closed(url.as_str().unwrap_or_default(), Confidence::Opaque, url.places().collect(), note);
            }
            asked(inner.get("generators"), depth + 1, index, sink);
        }
    }
}

fn folder(tree: &Tree<'_>, index: &Index, source: &Node) -> Option<String> {
    let path = tree::join("", source.get("path")?.as_str()?).filter(|path| tree.has_folder(path))?;
    // Every repository has a root.
    (!path.is_empty() || index.is_home(source.str_at(&["repoURL"]))).then_some(path)
}

// The sources that a specification lists.
fn listed(spec: &Node) -> impl Iterator<Item = &Node> {
    spec.get("source").into_iter().chain(spec.get("sources").into_iter().flat_map(Node::items))
}

// Every source, of an Application or of those that a set makes; whether a set makes more; and generators that may give more.
#[derive(Default)]
struct Made {
    sources: Vec<Node>,
    has_more: bool,
    silent: Vec<At>,
}

fn made(tree: &Tree<'_>, index: &Index, object: &Node) -> Made {
    if !is_application(object) {
        return Made::default();
    }
    let of = |spec: &Node| -> Vec<Node> {
        let mut sources: Vec<Node> = listed(spec).cloned().collect();
        named_apart(&mut sources, index);
        sources
    };
    if object.kind() == "Application" {
        return Made { sources: object.get("spec").map(of).unwrap_or_default(), ..Made::default() };
    }
    let sets::Specs { specs, has_more, silent } = sets::specs(tree, object);
    Made { sources: specs.iter().flat_map(of).collect(), has_more, silent }
}

// What an Application adds to a kustomization: images in the short form of the command line.
fn extra(source: &Node) -> Extra {
    let recurses = source.str_at(&["directory", "recurse"]) == "true";
    let has_jsonnet = source.at_path(&["directory", "jsonnet"]).is_some_and(|own| !own.entries().is_empty());
    // What is said to be a directory is one, whatever stands there.
    let typed = Extra { is_flat: !recurses, is_plain: recurses || has_jsonnet, ..Extra::default() };
    let Some(kustomize) = source.get("kustomize") else { return typed };
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
    let affix = |key: &str| kustomize.str_at(&[key]).to_owned();
    let namespace = kustomize.get("namespace").and_then(Node::as_str).map(str::to_owned);
    Extra {
        patches: list("patches"),
        images: images.collect(),
        components: list("components"),
        affixes: [affix("namePrefix"), affix("nameSuffix")],
        is_sorted: true,
        namespace,
        ..typed
    }
}

// Values files of sources by name that are not this tree get the addresses that they have.
fn named_apart(sources: &mut [Node], index: &Index) {
    let is_other = |source: &&Node| index.is_other(source.str_at(&["repoURL"]), source.str_at(&["targetRevision"]));
    let others: Vec<(String, String)> = sources
        .iter()
        .filter(|source| source.get("ref").is_some())
        .filter(is_other)
        .map(|source| (format!("${}/", source.str_at(&["ref"])), source.str_at(&["repoURL"]).to_owned()))
        .collect();
    let Some(helm) = (!others.is_empty()).then_some(sources) else { return };
    for files in helm.iter_mut().filter_map(|source| source.get_mut("helm")?.get_mut("valueFiles")) {
        let Value::List(items) = &mut files.value else { continue };
        for item in items {
            let text = item.as_str().unwrap_or_default();
            let of = others.iter().find_map(|(name, url)| Some((url, text.strip_prefix(name.as_str())?)));
            if let Some((url, path)) = of {
                let whole = format!("{url}://{path}");
                item.rewrite(&whole, []);
            }
        }
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

// Tells of files of values that are not read as a whole.
fn value_files(tree: &Tree<'_>, source: &Node, folder: &str, sink: &mut Sink) {
    for entry in source.at_path(&["helm", "valueFiles"]).map(Node::items).unwrap_or_default() {
        let what = entry.as_str().unwrap_or_default();
        let Some(file) = value_file(tree, folder, what) else { continue };
        if tree.has_more_values(file) {
            sink.closed(what, Confidence::Opaque, entry.places().collect(), helm::SEVERAL);
        }
        text::broken(tree, file).into_iter().for_each(|hit| sink.push(hit));
    }
}

// What an Application gives its chart: files, then texts, then parameters.
fn values(tree: &Tree<'_>, source: &Node, folder: &str) -> Option<Node> {
    let helm = source.get("helm")?;
    let mut layers = Vec::new();
    for entry in helm.get("valueFiles").into_iter().flat_map(Node::items).filter_map(Node::as_str) {
        let file = value_file(tree, folder, entry);
        // They are read anew for everybody who names them.
        let doc = file.and_then(|file| tree.values(file)).filter(|doc| tree.spend(VALUES * doc.weight(), source.at));
        layers.extend(doc.map(|doc| (**doc).clone()));
    }
    // The one displaces the other.
    let object = helm.get("valuesObject").filter(|object| matches!(object.value, Value::Map(_)));
    layers.extend(object.cloned().or_else(|| helm.get("values").and_then(text::values)));
    let mut whole = patch::layered(layers);
    for parameter in helm.get("parameters").into_iter().flat_map(Node::items) {
        if let Some(value) = parameter.get("value") {
            let is_text = parameter.str_at(&["forceString"]) == "true";
            let mut value = if is_text { value.clone() } else { given::typed(value) };
            value.trust = value.trust.max(Trust::Inferred);
            let all = whole.get_or_insert_with(|| Node::nothing(parameter.at));
            given::set(all, parameter.str_at(&["name"]), value);
        }
    }
    whole
}
