//! What Flux deploys: the folders of its Kustomizations, the values of its releases, its artifacts and charts.

mod release;
mod source;

use super::index::Index;
use super::node::{At, Node, Trust};
use super::resource::{Extra, Resource};
use super::retag::Retag;
use super::sink::{self, Hit, Sink};
use super::substitute::Variables;
use super::tree::Tree;
use super::{Class, Confidence, evidence, helm, reference, resource_set, yaml};

pub(super) use release::{Source, own_chart, sources, taken, values, without};
pub(super) use source::{Prefixes, folder, prefixes};
use source::{makes, several};

const FOREIGN: &str = "Flux takes it from a source that may have something else there";
const SEVERAL: &str = "several copies make the artifact, and only the first one that has the folder is followed";
const GROUP: &str = "kustomize.toolkit.fluxcd.io";
// What it costs to take over a variable, where a look at a path costs 1.
const VARIABLE: usize = 32;
// Fields of versions before the first stable one.
const OLD: &[&str] = &["patchesStrategicMerge", "patchesJson6902"];
const OLD_FORM: &str = "a form of old versions of Flux, which is not followed";

/// Whether an object is a Kustomization of Flux.
pub(super) fn is_kustomization(object: &Node) -> bool {
    object.group() == GROUP && object.kind() == "Kustomization"
}

/// What a Kustomization adds to its folder.
pub(super) fn extra(object: &Node) -> Extra {
    let list = |key: &str| object.at_path(&["spec", key]).map(|node| node.items().to_vec()).unwrap_or_default();
    let namespace = object.str_at(&["spec", "targetNamespace"]);
    Extra {
        patches: list("patches"),
        images: list("images"),
        components: list("components"),
        namespace: (!namespace.is_empty()).then(|| namespace.to_owned()),
        affixes: ["namePrefix", "nameSuffix"].map(|key| object.str_at(&["spec", key]).to_owned()),
        is_rewritten: true,
        ..Extra::default()
    }
}

/// The variables that a Kustomization substitutes; None: it does not.
pub(super) fn variables(object: &Node, (tree, index): (&Tree<'_>, &Index), root: usize) -> Option<Variables> {
    let build = object.at_path(&["spec", "postBuild"])?;
    let mut variables = Variables::of_flux();
    for source in build.get("substituteFrom").into_iter().flat_map(Node::items) {
        let found = named(source, object.namespace(), (object, root), (tree, index));
        let parts = |key: &str| found.and_then(|found| found.node.get(key));
        match (found, found.map_or("", |found| found.node.kind())) {
            (Some(found), _) if !tree.spend(taking(&found.node), source.at) => variables.add_unknown(),
            (Some(found), "ConfigMap") => {
                parts("data").into_iter().for_each(|data| variables.add(data));
                // Nobody knows which one comes last.
                let rivals = index.rivals(found, source.str_at(&["name"]), root);
                rivals.filter_map(|rival| rival.get("data")).for_each(|data| variables.doubt(data));
            }
            (Some(_), "Secret") => {
                let names = ["data", "stringData"].into_iter().filter_map(parts).flat_map(Node::entries);
                names.for_each(|(name, node)| variables.hide(name, node));
            }
            _ => variables.add_unknown(),
        }
        // Another one may be meant.
        if ["kind", "name"].iter().any(|key| source.get(key).is_some_and(|said| said.trust != Trust::Certain)) {
            variables.add_unknown();
        }
    }
    if let Some(own) = build.get("substitute") {
        variables.add(own);
    }
    Some(variables)
}

// What it costs to take over the variables of an object.
fn taking(object: &Node) -> usize {
    let parts = ["data", "stringData"].into_iter().filter_map(|key| object.get(key));
    object.weight() + VARIABLE * parts.map(|part| part.entries().len()).sum::<usize>()
}

// The config map or secret that somebody names.
fn named<'i>(
    source: &Node,
    namespace: &str,
    from: (&Node, usize),
    (tree, index): (&Tree<'_>, &'i Index),
) -> Option<&'i Resource> {
    let (kind, name) = (source.str_at(&["kind"]), source.str_at(&["name"]));
    let found = if source.str_at(&["optional"]) == "true" {
        index.find_there((kind, name), namespace, from, tree)
    } else {
        index.find((kind, name), namespace, from, tree)
    };
    found.filter(|_| matches!(kind, "ConfigMap" | "Secret"))
}

/// The references of one object of Flux, of whose values these are the sources; false: it is none.
pub(super) fn find(
    (resource, root): (&Resource, usize),
    sources: &[Source<'_>],
    (tree, index): (&Tree<'_>, &Index),
    sink: &mut Sink,
) -> bool {
    let object = &resource.node;
    match (object.group(), object.kind()) {
        ("helm.toolkit.fluxcd.io", "HelmRelease") => {
            release::release((resource, root), sources, (tree, index), sink);
        }
        ("source.toolkit.fluxcd.io", "OCIRepository") => artifact(object, sink),
        ("source.toolkit.fluxcd.io", "HelmChart") => {
            if let Some(spec) = object.get("spec") {
                chart(spec, (resource, root), (tree, index), sink);
            }
        }
        ("image.toolkit.fluxcd.io", "ImageRepository") => {
            if let Some(image) = object.at_path(&["spec", "image"]) {
                let mut watched = Sink::default();
                watched.image_of(Class::Watch, image, Trust::Certain, None);
                for mut hit in watched.hits() {
                    hit.reference = hit.reference.trim_end_matches(":latest").to_owned();
                    sink.push(hit);
                }
            }
        }
        (GROUP, "Kustomization") => kustomization((resource, root), (tree, index), sink),
        ("source.toolkit.fluxcd.io" | "source.extensions.fluxcd.io", _) => {}
        _ => return resource_set::find(object, sink),
    }
    true
}

// What cannot be seen of what a Kustomization builds.
fn kustomization((resource, root): (&Resource, usize), (tree, index): (&Tree<'_>, &Index), sink: &mut Sink) {
    let object = &resource.node;
    let source = object.at_path(&["spec", "sourceRef"]).unwrap_or(object);
    for old in OLD.iter().filter_map(|key| object.at_path(&["spec", key])) {
        sink.closed(object.name(), Confidence::Opaque, old.places().collect(), OLD_FORM);
    }
    // What an artifact is put together of may come from elsewhere.
    let made: Vec<&Node> = index.all("ArtifactGenerator").filter(|generator| makes(generator, source)).collect();
    for copies in made.iter().flat_map(|made| several(made, object)) {
        sink.closed(object.name(), Confidence::Opaque, copies.places().collect(), SEVERAL);
    }
    for from in made.into_iter().flat_map(|made| made.at_path(&["spec", "sources"])).flat_map(Node::items) {
        if index.is_foreign(from, (resource, root), tree) {
            let name = from.get("name").unwrap_or(from);
            sink.closed(from.str_at(&["name"]), Confidence::Opaque, name.places().collect(), FOREIGN);
        }
    }
    let tied = index.tied(&source::source(object));
    if !tied.is_empty() {
        let path = source::path(object).unwrap_or_default();
        for prefix in tied {
            let folder = format!("{prefix}/{path}");
            let places = tree.beginning(&format!("{folder}/")).map(|file| At { file, line: 1 });
            let note = "Flux may build it, or another folder of that name";
            sink.closed(&folder, Confidence::Opaque, places.into_iter().chain(object.places()).collect(), note);
        }
    }
    if folder(tree, index, object).is_none() {
        let path = object.at_path(&["spec", "path"]).unwrap_or(object);
        let places = path.places().collect();
        let note = "Flux builds it from a source that is not in the tree";
        sink.closed(path.as_str().unwrap_or("."), Confidence::Opaque, places, note);
        let mut given = Vec::new();
        object.get("spec").into_iter().for_each(|spec| evidence(spec, &mut given, tree, sink));
        given.into_iter().for_each(|hit| sink.push(hit));
    } else if index.is_foreign(source, (resource, root), tree) {
        let path = object.at_path(&["spec", "path"]).unwrap_or(object);
        let note = FOREIGN;
        sink.closed(path.as_str().unwrap_or("."), Confidence::Opaque, path.places().collect(), note);
    }
}

// What the fields of a kustomization make of what is `given`, and say of what cannot be seen.
fn evidence(layer: &Node, given: &mut Vec<Hit>, tree: &Tree<'_>, sink: &mut Sink) {
    let list = |key: &str| layer.get(key).into_iter().flat_map(Node::items);
    for patch in list("patches").filter_map(|entry| entry.get("patch")) {
        given.extend(yaml::within(patch).docs.into_iter().flat_map(|doc| evidence::patched(&doc)));
    }
    for key in OLD {
        if let Some(old) = layer.get(key) {
            sink.closed(key, Confidence::Opaque, old.places().collect(), OLD_FORM);
        }
    }
    for mut retag in list("images").filter_map(Retag::read) {
        if retag.is_expression {
            let note = "an expression renames images, and which ones cannot be told";
            sink.closed(&retag.name, Confidence::Opaque, retag.places.clone(), note);
        }
        evidence::rename(&mut retag, given, tree);
        evidence::renamed(&retag).filter(|_| !retag.is_used).into_iter().for_each(|hit| sink.push(hit));
    }
}

fn artifact(object: &Node, sink: &mut Sink) {
    let Some(url) = object.at_path(&["spec", "url"]) else { return };
    let name = url.as_str().unwrap_or_default().trim_start_matches("oci://").trim_end_matches('/');
    let part = |key: &str| object.at_path(&["spec", "ref", key]).filter(|node| node.as_str().is_some());
    let (digest, semver, tag) = (part("digest"), part("semver"), part("tag"));
    let chosen = digest.or(semver).or(tag);
    let text = chosen.and_then(Node::as_str);
    let whole = match (digest.is_some(), text) {
        (true, digest) => reference::join(name, None, digest),
        (false, tag) => reference::join(name, tag, None),
    };
    let places: Vec<At> = url.places().chain(chosen.into_iter().flat_map(Node::places)).collect();
    let mut trust = url.trust.max(chosen.map_or(Trust::Certain, |node| node.trust));
    // A text or keys that somebody fills in may say another one.
    let given = object.at_path(&["spec", "ref"]);
    if given.is_some_and(|given| given.as_str().is_some() || given.entries().iter().any(|(key, _)| sink::is_open(key)))
    {
        trust = Trust::Unresolved;
    }
    let is_range = digest.is_none() && semver.is_some();
    let known = if is_range {
        let bare = reference::normalise(name).map(|known| known.text.trim_end_matches(":latest").to_owned());
        bare.map(|bare| format!("{bare}:{}", text.unwrap_or_default()))
    } else {
        reference::normalise(&whole).map(|known| known.text)
    };
    let is_number = chosen.is_some_and(sink::is_no_text);
    let confidence = match &known {
        None => Confidence::Unresolved,
        Some(_) if is_number => Confidence::Unresolved,
        Some(_) if is_range => Confidence::from(trust.max(Trust::Inferred)),
        Some(_) => Confidence::from(trust),
    };
    let note = if is_number { Some(sink::NUMBER) } else { is_range.then_some(super::RANGE) };
    let note = note.map(str::to_owned);
    sink.push(Hit { class: Class::Oci, reference: known.unwrap_or(whole), confidence, places, note });
}

// The chart that a release or a HelmChart names.
fn chart(spec: &Node, (resource, root): (&Resource, usize), (tree, index): (&Tree<'_>, &Index), sink: &mut Sink) {
    let Some(name) = spec.get("chart").filter(|node| node.as_str().is_some()) else { return };
    let (kind, source) = (spec.str_at(&["sourceRef", "kind"]), spec.str_at(&["sourceRef", "name"]));
    let text = name.as_str().unwrap_or_default();
    match kind {
        "HelmRepository" => {
            let namespace = match spec.str_at(&["sourceRef", "namespace"]) {
                "" => resource.namespace(),
                namespace => namespace,
            };
            let repository = index.find((kind, source), namespace, (&resource.node, root), tree);
            let url = repository.and_then(|found| found.node.at_path(&["spec", "url"])).cloned();
            let url = url.unwrap_or_else(|| Node::text(name.at, "?"));
            helm::chart(&url, text, spec.get("version"), name, sink);
        }
        _ => {
            let kind = if kind.is_empty() { "source" } else { kind };
            let note = format!("a chart out of the {kind} {source}");
            let places = name.places().collect();
            sink.closed(text, Confidence::Opaque, places, &note);
        }
    }
}
