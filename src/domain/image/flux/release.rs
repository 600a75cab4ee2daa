//! Releases of Flux: their charts, the sources of their values, and what is done after they are rendered.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::super::node::{At, Node, Style, Value};
use super::super::{Confidence, chart, helm, index::Index, is_read, patch, resource::Resource, sink::Sink, text};
use super::super::{tree, tree::Tree, yaml};
use super::{FOREIGN, OLD_FORM, evidence, named};

/// The folder of a release's chart, if the chart is in the tree.
pub(in super::super) fn own_chart(object: &Node, tree: &Tree<'_>) -> Option<String> {
    let chart = object.at_path(&["spec", "chart", "spec"]).filter(|_| object.kind() == "HelmRelease")?;
    let folder = tree::join("", chart.str_at(&["chart"])).filter(|folder| !folder.is_empty())?;
    let is_here = chart.str_at(&["sourceRef", "kind"]) == "GitRepository";
    (is_here && tree.number(&format!("{folder}/Chart.yaml")).is_some()).then_some(folder)
}

/// The references of a release, of whose values these are the sources.
pub(super) fn release(
    (resource, root): (&Resource, usize),
    sources: &[Source<'_>],
    (tree, index): (&Tree<'_>, &Index),
    sink: &mut Sink,
) {
    let Some(spec) = resource.node.get("spec") else { return };
    let (inline, referred) = (spec.at_path(&["chart", "spec"]), spec.get("chartRef"));
    let local = own_chart(&resource.node, tree);
    let values = values(spec, sources);
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
            if !is_lax || !is_read(what) {
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
            super::chart(inline, (resource, root), (tree, index), sink);
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
    for (source, seen) in sources {
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
pub(in super::super) struct Seen<'i> {
    /// Where the object stands that has it.
    pub(in super::super) at: At,
    // Its key.
    key: &'i str,
    text: Node,
}

/// A source of a release's values, and what can be seen of it.
pub(in super::super) type Source<'i> = (&'i Node, Option<Seen<'i>>);

/// The sources of a release's values in order; of what is none there are none.
pub(in super::super) fn sources<'i>(
    (resource, root): (&'i Resource, usize),
    (tree, index): (&Tree<'_>, &Index),
) -> Vec<Source<'i>> {
    let seen = |source: &'i Node| {
        let found = named(source, resource.namespace(), (&resource.node, root), (tree, index))?;
        let key = Some(source.str_at(&["valuesKey"])).filter(|key| !key.is_empty()).unwrap_or("values.yaml");
        let text = content(&found.node, key)?;
        let has_room = tree.spend(text.as_str().unwrap_or_default().len(), source.at);
        has_room.then_some(Seen { at: found.node.at, key, text })
    };
    let release = Some(&resource.node).filter(|object| object.kind() == "HelmRelease");
    let sources =
        release.and_then(|release| release.at_path(&["spec", "valuesFrom"])).into_iter().flat_map(Node::items);
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

/// The keys of config maps and secrets that releases take whole for their values, by where these stand.
pub(in super::super) fn taken<'s>(sources: impl Iterator<Item = &'s Source<'s>>) -> HashMap<At, HashSet<String>> {
    let mut taken: HashMap<At, HashSet<String>> = HashMap::new();
    for (source, seen) in sources {
        if let Some(seen) = seen.as_ref().filter(|seen| is_whole(source) && yaml::within(&seen.text).fault.is_none()) {
            taken.entry(seen.at).or_default().insert(seen.key.to_owned());
        }
    }
    taken
}

// Whether a source of values is all values, and not one of them.
fn is_whole(source: &Node) -> bool {
    source.str_at(&["targetPath"]).is_empty()
}

/// A config map or secret without some of its keys.
pub(in super::super) fn without(resource: &Resource, keys: &HashSet<String>) -> Resource {
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
pub(in super::super) fn values(spec: &Node, sources: &[Source<'_>]) -> Option<Node> {
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
