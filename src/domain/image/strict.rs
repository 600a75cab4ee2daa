//! What kustomize refuses to read, although it is YAML.

use std::collections::HashSet;

use super::node::{At, Node, Value};
use super::tree::Tree;

// Every field of a kustomization.
const FIELDS: &[&str] = &[
    "apiVersion",
    "kind",
    "metadata",
    "openapi",
    "namePrefix",
    "nameSuffix",
    "namespace",
    "commonLabels",
    "labels",
    "commonAnnotations",
    "patchesStrategicMerge",
    "patchesJson6902",
    "patches",
    "images",
    "imageTags",
    "replacements",
    "replicas",
    "vars",
    "sortOptions",
    "resources",
    "components",
    "crds",
    "bases",
    "configMapGenerator",
    "secretGenerator",
    "helmGlobals",
    "helmCharts",
    "helmChartInflationGenerator",
    "generatorOptions",
    "configurations",
    "generators",
    "transformers",
    "validators",
    "buildMetadata",
];
// Fields of what stands within one.
const WITHIN: &[&str] = &[
    "files",
    "literals",
    "envs",
    "env",
    "behavior",
    "source",
    "sourceValue",
    "targets",
    "select",
    "reject",
    "fieldPath",
    "fieldpath",
    "fieldPaths",
    "delimiter",
    "index",
    "create",
    "group",
    "version",
    "labelSelector",
    "annotationSelector",
    "objref",
    "fieldref",
    "count",
    "repo",
    "chartHome",
    "valuesFile",
    "valuesInline",
    "additionalValuesFiles",
    "annotations",
    "fieldSpecs",
    "imageTag",
    "jsonOp",
    "paths",
    "replica",
    "unsetOnly",
];
// What has keys of its own.
const OPEN: &[&str] = &["annotations", "commonAnnotations", "commonLabels", "labels", "metadata", "valuesInline"];
const IMAGE: &[&str] = &["name", "newName", "newTag", "digest", "tagSuffix"];
const PATCH: &[&str] = &["path", "patch", "target", "options"];

/// Writes the fields of a kustomization as they are known: kustomize does not mind their case.
pub(super) fn canonical(node: &mut Node) {
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(canonical),
        Value::Map(entries) => {
            // Of two spellings the one counts that comes last in the order of bytes.
            entries.sort_by(|(one, _), (other, _)| one.cmp(other));
            for (name, child) in entries.iter_mut() {
                let known = || FIELDS.iter().chain(IMAGE).chain(PATCH).chain(WITHIN);
                let other = known().find(|known| known.eq_ignore_ascii_case(name));
                if let Some(known) = other.filter(|_| !known().any(|known| **known == **name)) {
                    *name = (*known).into();
                }
                if !OPEN.contains(&&**name) {
                    canonical(child);
                }
            }
            let mut seen = HashSet::new();
            entries.reverse();
            entries.retain(|(name, _)| seen.insert(name.clone()));
            entries.sort_by_key(|(_, child)| child.at);
        }
        _ => {}
    }
}

/// Why kustomize does not take a kustomization, and where.
pub(super) fn kustomization(doc: &Node) -> Option<(At, String)> {
    let is_said = |(name, child): &(Box<str>, Node)| {
        !matches!(&**name, "apiVersion" | "kind") && !matches!(child.value, Value::Null)
    };
    if !doc.entries().iter().any(is_said) {
        return Some((doc.at, "it is empty".to_owned()));
    }
    if !matches!(doc.kind(), "" | "Kustomization" | "Component") {
        let at = doc.get("kind").map_or(doc.at, |kind| kind.at);
        return Some((at, format!("it has no kind {}", doc.kind())));
    }
    let list = |key: &str| doc.get(key).into_iter().flat_map(Node::items);
    let images = list("images").chain(list("imageTags"));
    let patches = list("patches").filter(|entry| !entry.entries().is_empty());
    unknown(doc, FIELDS)
        .or_else(|| images.into_iter().find_map(|entry| unknown(entry, IMAGE)))
        .or_else(|| patches.clone().find_map(|entry| unknown(entry, PATCH)))
        .or_else(|| {
            let (at, both) = patches
                .map(|entry| (entry.at, !entry.str_at(&["path"]).is_empty() && !entry.str_at(&["patch"]).is_empty()))
                .find(|(_, both)| *both)?;
            both.then(|| (at, "the patch is in two places".to_owned()))
        })
        .or_else(|| {
            let bare = list("patches").find(|entry| entry.as_str().is_some())?;
            Some((bare.at, "an item of patches is only a text".to_owned()))
        })
        .or_else(|| {
            let is_text = |key: &&str| doc.get(key).is_some_and(|node| matches!(node.value, Value::Text(..)));
            let key = ["resources", "bases", "components", "images", "patches"].into_iter().find(is_text)?;
            Some((doc.get(key)?.at, format!("{key} is no list")))
        })
}

// A field that nobody knows. Case does not matter to kustomize.
fn unknown(node: &Node, known: &[&str]) -> Option<(At, String)> {
    let is_known = |name: &str| known.iter().any(|known| known.eq_ignore_ascii_case(name));
    let (name, child) = node.entries().iter().find(|(name, _)| !is_known(name))?;
    Some((child.at, format!("it has no field {name}")))
}

/// Why kustomize does not take a file of objects, and where.
pub(super) fn objects(tree: &Tree<'_>, file: u32) -> Option<(At, &'static str)> {
    let fault = tree.docs(file).iter().find_map(|doc| {
        if doc.kind().is_empty() {
            return Some((doc.at, "an object without a kind"));
        }
        let is_named = !doc.name().is_empty() || !doc.str_at(&["metadata", "generateName"]).is_empty();
        (!is_named && !doc.kind().ends_with("List")).then_some((doc.at, "an object without a name"))
    });
    fault.or_else(|| tree.doubled(file).map(|at| (at, "a key stands twice")))
}

/// Why kustomize does not take the text of a patch.
pub(super) fn patch(text: &str, docs: &[std::sync::Arc<Node>], has_target: bool) -> Option<&'static str> {
    if text.starts_with('[') && serde_json::from_str::<serde::de::IgnoredAny>(text).is_err() {
        return Some("a patch that begins with a bracket has to be JSON");
    }
    let is_map = |doc: &&std::sync::Arc<Node>| matches!(doc.value, Value::Map(_));
    if has_target && docs.first().filter(is_map).is_some() && docs.len() > 1 {
        return Some("several patches have one target");
    }
    docs.iter().find_map(|doc| match &doc.value {
        Value::List(_) => (!has_target).then_some("the patch has no target"),
        _ => (doc.kind().is_empty() || doc.name().is_empty()).then_some("the patch has no kind or no name"),
    })
}
