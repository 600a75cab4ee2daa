//! What Flux deploys: the folders of its Kustomizations, the values of its releases, its artifacts and charts.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::index::Index;
use super::node::{At, Node, Style, Trust, Value};
use super::resource::{Built, Extra, Resource};
use super::retag::Retag;
use super::sink::{self, Hit, Sink};
use super::substitute::{self, Variables};
use super::tree::{self, Tree};
use super::{Class, Confidence, chart, evidence, helm, holes, patch, reference, resource_set, text, yaml};

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

/// The folder that a Kustomization builds, if it is in the tree.
pub(super) fn folder(tree: &Tree<'_>, index: &Index, object: &Node) -> Option<String> {
    // What is not filled in where it is seen is what it is by default.
    let path = tree::join("", &substitute::by_default(object.str_at(&["spec", "path"])))?;
    if object.str_at(&["spec", "sourceRef", "kind"]) == "ExternalArtifact" {
        let name = object.str_at(&["spec", "sourceRef", "name"]);
        return index.all("ArtifactGenerator").find_map(|generator| copied(generator, name, &path, (tree, index)));
    }
    here(path, &source(object), tree, index)
}

// Where a path of a source is in the tree.
fn here(path: String, source: &str, tree: &Tree<'_>, index: &Index) -> Option<String> {
    // Every tree has a root, and so it says nothing of the source.
    if tree.has_folder(&path) && !path.is_empty() {
        return Some(path);
    }
    let below = tree::join(index.prefix(source)?, &path)?;
    tree.has_folder(&below).then_some(below)
}

fn source(object: &Node) -> String {
    object.at_path(&["spec", "sourceRef"]).map(source_of).unwrap_or_default()
}

fn source_of(named: &Node) -> String {
    format!("{}/{}", named.str_at(&["kind"]), named.str_at(&["name"]))
}

/// Where in the tree sources begin.
#[derive(Default)]
pub(super) struct Prefixes {
    /// The folder of each.
    pub(super) found: HashMap<String, String>,
    /// The folders of which nobody can tell which one it is.
    pub(super) tied: HashMap<String, Vec<String>>,
}

/// The folders of the tree at which sources begin. It is the root for one of whose other paths some are there, for Flux's
/// own and for none; else the one folder below which most of its paths are, if these are two at least: an artifact may have
/// been made of a folder.
pub(super) fn prefixes(tree: &Tree<'_>, is_own: &dyn Fn(&str) -> bool) -> Prefixes {
    let mut tied: HashMap<String, Vec<String>> = HashMap::new();
    let mut found: HashMap<String, String> =
        ["", "GitRepository/flux-system", "OCIRepository/flux-system", "Bucket/flux-system"]
            .map(|own| (own.to_owned(), String::new()))
            .into();
    let mut lost: HashMap<String, BTreeMap<String, At>> = HashMap::new();
    let docs = || {
        let files = tree.all().map(|(file, name)| (tree.docs(file), is_own(name)));
        // What an artifact that is put together here has is known.
        let is_asked = |doc: &&Arc<Node>| {
            is_kustomization(doc) && doc.str_at(&["spec", "sourceRef", "kind"]) != "ExternalArtifact"
        };
        files.flat_map(move |(docs, is_own)| docs.iter().filter(is_asked).map(move |doc| (doc, is_own)))
    };
    // Where the environment itself speaks of a source, nobody else is asked.
    let told: HashSet<String> = docs().filter(|(_, is_own)| *is_own).map(|(doc, _)| source(doc)).collect();
    for (doc, _) in docs().filter(|(doc, is_own)| *is_own || !told.contains(&source(doc))) {
        match tree::join("", doc.str_at(&["spec", "path"])) {
            Some(path) if path.is_empty() => {}
            Some(path) if tree.has_folder(&path) => drop(found.insert(source(doc), String::new())),
            Some(path) => drop(lost.entry(source(doc)).or_default().insert(path, doc.at)),
            None => {}
        }
    }
    let mut folders: HashMap<&str, Vec<&str>> = HashMap::new();
    for folder in tree.all_folders() {
        folders.entry(tree::base_of(folder)).or_default().push(folder);
    }
    for (source, paths) in lost {
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for (path, at) in &paths {
            let alike = folders.get(tree::base_of(path)).map(Vec::as_slice).unwrap_or_default();
            if !tree.spend(alike.len(), *at) {
                break;
            }
            let above = alike.iter().filter_map(|folder| folder.strip_suffix(path.as_str())?.strip_suffix('/'));
            above.for_each(|prefix| *votes.entry(prefix).or_default() += 1);
        }
        let most = votes.values().copied().max().unwrap_or_default();
        let best: Vec<&str> = votes.into_iter().filter(|(_, votes)| *votes == most).map(|(prefix, _)| prefix).collect();
        match best.as_slice() {
            [prefix] if most > 1 => drop(found.insert(source, (*prefix).to_owned())),
            [_, ..] if most > 1 => drop(tied.insert(source, best.into_iter().map(str::to_owned).collect())),
            _ => {}
        }
    }
    Prefixes { found, tied }
}

// Whether a generator makes the artifact that somebody names.
fn makes(generator: &Node, source: &Node) -> bool {
    let artifacts = generator.at_path(&["spec", "artifacts"]).into_iter().flat_map(Node::items);
    let is_named = |artifact: &Node| artifact.str_at(&["name"]) == source.str_at(&["name"]);
    source.str_at(&["kind"]) == "ExternalArtifact" && artifacts.into_iter().any(is_named)
}

// The copies of an artifact of which more than one may be what a Kustomization builds.
fn several<'g>(generator: &'g Node, object: &Node) -> Option<&'g Node> {
    let name = object.str_at(&["spec", "sourceRef", "name"]);
    let path = tree::join("", object.str_at(&["spec", "path"]))?;
    let artifacts = generator.at_path(&["spec", "artifacts"]).map(Node::items).unwrap_or_default();
    let copies = artifacts.iter().find(|artifact| artifact.str_at(&["name"]) == name)?.get("copy")?;
    let is_near = |rule: &&Node| {
        let to = rule.str_at(&["to"]).strip_prefix("@artifact").unwrap_or_default();
        tree::join("", to).is_none_or(|to| to.starts_with(&path) || path.starts_with(&to))
    };
    (copies.items().iter().filter(is_near).count() > 1).then_some(copies)
}

// Where a path of an artifact that is put together from the tree comes from.
fn copied(generator: &Node, name: &str, path: &str, (tree, index): (&Tree<'_>, &Index)) -> Option<String> {
    let sources = generator.at_path(&["spec", "sources"]).map(Node::items).unwrap_or_default();
    let artifacts = generator.at_path(&["spec", "artifacts"]).into_iter().flat_map(Node::items);
    for copy in
        artifacts.filter(|artifact| artifact.str_at(&["name"]) == name).filter_map(|artifact| artifact.get("copy"))
    {
        for rule in copy.items() {
            let (alias, from) = rule.str_at(&["from"]).strip_prefix('@')?.split_once('/')?;
            let to = rule.str_at(&["to"]).strip_prefix("@artifact")?.trim_matches('/');
            let from = from.trim_end_matches("**").trim_end_matches('/');
            let rest = if to.is_empty() { Some(path) } else { path.strip_prefix(to) };
            let Some(found) = rest.and_then(|rest| tree::join(from, rest.trim_start_matches('/'))) else { continue };
            let source = sources.iter().find(|source| source.str_at(&["alias"]) == alias);
            if let Some(found) = source.map(source_of).and_then(|source| here(found, &source, tree, index)) {
                return Some(found);
            }
        }
    }
    None
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

/// The references of one object of Flux; false: it is none.
pub(super) fn find(resource: &Resource, root: usize, tree: &Tree<'_>, index: &Index, sink: &mut Sink) -> bool {
    let object = &resource.node;
    holes::tell(object, sink);
    match (object.group(), object.kind()) {
        ("helm.toolkit.fluxcd.io", "HelmRelease") => release(resource, root, tree, index, sink),
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
        (GROUP, "Kustomization") => {
            let source = object.at_path(&["spec", "sourceRef"]).unwrap_or(object);
            for old in OLD.iter().filter_map(|key| object.at_path(&["spec", key])) {
                sink.closed(object.name(), Confidence::Opaque, old.places().collect(), OLD_FORM);
            }
            // What an artifact is put together of may come from elsewhere.
            let made = index.all("ArtifactGenerator").filter(|generator| makes(generator, source));
            let made: Vec<&Node> = made.collect();
            for copies in made.iter().flat_map(|made| several(made, object)) {
                sink.closed(object.name(), Confidence::Opaque, copies.places().collect(), SEVERAL);
            }
            for from in made.into_iter().flat_map(|made| made.at_path(&["spec", "sources"])).flat_map(Node::items) {
                if index.is_foreign(from, (resource, root), tree) {
                    let name = from.get("name").unwrap_or(from);
                    sink.closed(from.str_at(&["name"]), Confidence::Opaque, name.places().collect(), FOREIGN);
                }
            }
            let tied = index.tied(&self::source(object));
            if !tied.is_empty() {
                let path = tree::join("", object.str_at(&["spec", "path"])).unwrap_or_default();
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
        ("source.toolkit.fluxcd.io" | "source.extensions.fluxcd.io", _) => {}
        _ => return resource_set::find(object, sink),
    }
    true
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

/// The folder of a release's chart, if the chart is in the tree.
pub(super) fn own_chart(object: &Node, tree: &Tree<'_>) -> Option<String> {
    let chart = object.at_path(&["spec", "chart", "spec"]).filter(|_| object.kind() == "HelmRelease")?;
    let folder = tree::join("", chart.str_at(&["chart"])).filter(|folder| !folder.is_empty())?;
    let is_here = chart.str_at(&["sourceRef", "kind"]) == "GitRepository";
    (is_here && tree.number(&format!("{folder}/Chart.yaml")).is_some()).then_some(folder)
}

fn release(resource: &Resource, root: usize, tree: &Tree<'_>, index: &Index, sink: &mut Sink) {
    let Some(spec) = resource.node.get("spec") else { return };
    let (inline, referred) = (spec.at_path(&["chart", "spec"]), spec.get("chartRef"));
    let local = own_chart(&resource.node, tree);
    let sources = sources((resource, root), (tree, index));
    let values = values(spec, &sources);
    let mut given = Sink::default();
    if let Some(old) = inline.and_then(|inline| inline.get("valuesFile")) {
        sink.closed(old.as_str().unwrap_or_default(), Confidence::Opaque, old.places().collect(), OLD_FORM);
    }
    if let Some(folder) = local {
        // Files of the chart's source, under what the release itself says.
        let of_chart = |key: &str| inline.and_then(|inline| inline.get(key));
        let named = of_chart("valuesFiles").map(Node::items).unwrap_or_default();
        let is_lax = of_chart("ignoreMissingValuesFiles").and_then(Node::as_str) == Some("true");
        let file = |path: &Node| tree.number(&tree::join("", path.as_str()?)?);
        for path in named.iter().filter(|path| file(path).is_none()) {
            let what = path.as_str().unwrap_or_default();
            // One of another kind is read by nobody here, though it may be there.
            if !is_lax || !super::is_read(what) {
                sink.closed(what, Confidence::Opaque, path.places().collect(), helm::UNSEEN_VALUES);
            }
        }
        let files = named.iter().filter_map(file);
        files.clone().flat_map(|file| text::broken(tree, file)).for_each(|hit| sink.push(hit));
        let all = patch::layered(files.filter_map(|file| tree.values(file)).map(|doc| (**doc).clone()).chain(values));
        let all = all.unwrap_or_else(|| Node::nothing(resource.node.at));
        // Files that are named stand for the chart's own.
        chart::find(tree, &folder, (Some(&all), named.is_empty()), &mut given);
        let source = inline.and_then(|inline| inline.get("sourceRef")).unwrap_or(spec);
        if index.is_foreign(source, (resource, root), tree) {
            sink.closed(&folder, Confidence::Opaque, source.places().collect(), FOREIGN);
        }
        for (source, _) in sources.iter().filter(|(_, seen)| seen.is_none()) {
            let name = source.get("name").unwrap_or(source);
            sink.closed(source.str_at(&["name"]), Confidence::Opaque, name.places().collect(), helm::UNSEEN_VALUES);
        }
    } else {
        if let Some(inline) = inline {
            chart(inline, (resource, root), (tree, index), sink);
        }
        let name =
            inline.and_then(|inline| inline.get("chart")).or_else(|| referred.and_then(|chart| chart.get("name")));
        if let Some(name) =
            name.filter(|_| inline.is_none_or(|inline| inline.str_at(&["sourceRef", "kind"]) == "HelmRepository"))
        {
            let note = helm::UNSEEN;
            sink.closed(name.as_str().unwrap_or_default(), Confidence::Opaque, name.places().collect(), note);
        }
        if let Some(values) = values {
            helm::values(&values, &mut given);
        }
    }
    // Of several documents only the first is looked at; the others may be what somebody means.
    for (source, seen) in &sources {
        let Some(Seen { text, .. }) = seen else { continue };
        let is_several = text.as_str().is_some_and(|text| text.contains([',', '{', '[', '\\', '=']));
        if is_several && !is_whole(source) {
            let name = source.get("name").unwrap_or(source);
            let note = "helm may take it for more than one value";
            sink.closed(source.str_at(&["name"]), Confidence::Opaque, name.places().collect(), note);
        }
        yaml::within(text).docs.iter().skip(1).for_each(|doc| helm::values(doc, &mut given));
    }
    let mut given = given.hits();
    for layer in spec.get("postRenderers").into_iter().flat_map(Node::items).filter_map(|one| one.get("kustomize")) {
        evidence(layer, &mut given, tree, sink);
    }
    given.into_iter().for_each(|hit| sink.push(hit));
}

/// What can be seen of a source of a release's values.
pub(super) struct Seen<'i> {
    /// Where the object stands that has it.
    pub(super) at: At,
    // Its key.
    key: &'i str,
    text: Node,
}

/// The sources of a release's values in order, and what can be seen of each.
pub(super) fn sources<'i>(
    (resource, root): (&'i Resource, usize),
    (tree, index): (&Tree<'_>, &Index),
) -> Vec<(&'i Node, Option<Seen<'i>>)> {
    let seen = |source: &'i Node| {
        let found = named(source, resource.namespace(), (&resource.node, root), (tree, index))?;
        let key = Some(source.str_at(&["valuesKey"])).filter(|key| !key.is_empty()).unwrap_or("values.yaml");
        let text = content(&found.node, key)?;
        let has_room = tree.spend(text.as_str().unwrap_or_default().len(), source.at);
        has_room.then_some(Seen { at: found.node.at, key, text })
    };
    let sources = resource.node.at_path(&["spec", "valuesFrom"]).into_iter().flat_map(Node::items);
    sources.map(|source| (source, seen(source))).collect()
}

// A text of a config map or secret, unless it is encrypted.
fn content(object: &Node, key: &str) -> Option<Node> {
    let is_secret = object.kind() == "Secret";
    let plain = object.at_path(&[if is_secret { "stringData" } else { "data" }, key]).cloned();
    let packed = || {
        let mut node = object.at_path(&["data", key]).filter(|_| is_secret)?.clone();
        node.value = Value::Text(yaml::decoded(node.as_str()?).ok()?.into(), Style::Quoted);
        Some(node)
    };
    plain.or_else(packed).filter(|node| !node.as_str().is_some_and(|text| text.starts_with("ENC[")))
}

/// The keys of config maps and secrets that the releases of a build take whole for their values, by where these stand.
pub(super) fn taken(built: &Built, build: usize, tree: &Tree<'_>, index: &Index) -> HashMap<At, HashSet<String>> {
    let mut taken: HashMap<At, HashSet<String>> = HashMap::new();
    for release in built.resources.iter().filter(|resource| resource.node.kind() == "HelmRelease") {
        for (source, seen) in sources((release, build), (tree, index)) {
            if let Some(seen) = seen.filter(|seen| is_whole(source) && yaml::within(&seen.text).fault.is_none()) {
                taken.entry(seen.at).or_default().insert(seen.key.to_owned());
            }
        }
    }
    taken
}

// Whether a source of values is all values, and not one of them.
fn is_whole(source: &Node) -> bool {
    source.str_at(&["targetPath"]).is_empty()
}

/// A config map or secret without some of its keys.
pub(super) fn without(resource: &Resource, keys: &HashSet<String>) -> Resource {
    let mut left = resource.clone();
    let node = Arc::make_mut(&mut left.node);
    for part in ["data", "stringData"] {
        if let Some(data) = node.get_mut(part) {
            keys.iter().for_each(|key| data.remove(key));
        }
    }
    left
}

/// What a release gives its chart: what it refers to in order, then its own.
pub(super) fn values(spec: &Node, sources: &[(&Node, Option<Seen<'_>>)]) -> Option<Node> {
    let mut layers = Vec::new();
    for (source, seen) in sources {
        let Some(seen) = seen else { continue };
        if is_whole(source) {
            layers.extend(text::values(&seen.text));
        } else {
            layers.push(helm::nested(source.str_at(&["targetPath"]), seen.text.clone()));
        }
    }
    layers.extend(spec.get("values").filter(|own| matches!(own.value, Value::Map(_))).cloned());
    patch::layered(layers)
}
