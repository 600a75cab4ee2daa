//! What transformers write into fields that they name themselves: names, namespaces, labels, annotations, numbers of replicas.

use super::Confidence;
use super::fieldspec::FieldSpec;
use super::kustomize::{Kustomizer, OVER_CHART};
use super::node::{At, MAX_DEPTH, Node, Style, Value};
use super::patches;
use super::resource::{Built, Resource};

const NAME: &[&str] = &["metadata", "name"];
const ANNOTATIONS: &[&str] = &["metadata", "annotations"];
const NAMESPACE: &[&str] = &["metadata", "namespace"];

// What is written into a field.
enum Writing<'c> {
    Prefix(&'c str),
    Suffix(&'c str),
    /// This text; or only where there is none.
    Text(&'c str, bool),
    /// These entries, into a mapping.
    Entries(&'c Node),
}

/// Runs a transformer of these kinds; false: it is of another kind.
pub(super) fn run(kustomizer: &Kustomizer<'_>, config: &Node, built: &mut Built) -> bool {
    let text = |path: &[&str]| config.at_path(path).and_then(Node::as_str).unwrap_or_default();
    let none = Node::nothing(config.at);
    let entries = |key: &str| Writing::Entries(config.get(key).unwrap_or(&none));
    let is_blank_only = text(&["unsetOnly"]) == "true";
    let writing = match config.kind() {
        "PrefixTransformer" => Writing::Prefix(text(&["prefix"])),
        "SuffixTransformer" => Writing::Suffix(text(&["suffix"])),
        "NamespaceTransformer" => Writing::Text(text(&["metadata", "namespace"]), is_blank_only),
        "ReplicaCountTransformer" => {
            Writing::Text(Some(text(&["replica", "count"])).filter(|count| !count.is_empty()).unwrap_or("0"), false)
        }
        "LabelTransformer" => entries("labels"),
        "AnnotationsTransformer" => entries("annotations"),
        _ => return false,
    };
    let specs = config.get("fieldSpecs").map(Node::items).unwrap_or_default();
    let fields: Vec<FieldSpec> = specs.iter().map(FieldSpec::read).collect();
    let is_for_names = matches!(writing, Writing::Prefix(_) | Writing::Suffix(_));
    if is_for_names && config.get("fieldSpecs").is_none() {
        kustomizer.refuse(config.kind(), config.at, "the transformer names no fields", built);
    }
    let is_moving = config.kind() == "NamespaceTransformer";
    if is_moving && matches!(writing, Writing::Text("", _)) {
        return true;
    }
    let replica = Some(text(&["replica", "name"])).filter(|_| config.kind() == "ReplicaCountTransformer");
    let is_meant = |resource: &Resource| replica.is_none_or(|name| resource.all_names().any(|own| own == name));
    let has_field = |resource: &Resource| fields.iter().any(|field| field.is_for(&resource.node));
    if replica.is_some() && !built.resources.iter().any(|resource| is_meant(resource) && has_field(resource)) {
        kustomizer.unbuildable(config.kind(), config.at, "replicas of nothing that is there", built);
    }
    let is_of_image = |spec: &Node| spec.str_at(&["path"]).contains("image");
    if built.has_chart && specs.iter().any(is_of_image) {
        kustomizer.close(config.kind(), Confidence::Opaque, config.at, OVER_CHART, built);
    }
    let mut is_spent = false;
    for resource in &mut built.resources {
        if is_moving {
            move_to(resource, text(&["metadata", "namespace"]), is_blank_only);
        }
        if is_for_names && resource.is_fixed() || !is_meant(resource) {
            continue;
        }
        for field in fields.iter().filter(|field| field.is_for(&resource.node)).collect::<Vec<_>>() {
            match writing {
                Writing::Prefix(prefix) if field.is(NAME) => resource.affix(prefix, ""),
                Writing::Suffix(suffix) if field.is(NAME) => resource.affix("", suffix),
                // The namespace of an object is a matter of its own, and so is the name of one that is named after it.
                _ if is_moving
                    && (field.is(NAMESPACE) || (field.is(NAME) && resource.node.str_at(&["apiVersion"]) != "v1")) => {}
                _ if config.is_deeper(MAX_DEPTH.saturating_sub(field.depth())) => is_spent = true,
                _ if !kustomizer.tree.spend(resource.node.size() + resource.cost(), config.at) => is_spent = true,
                _ => write(resource, field, &writing, config.at),
            }
        }
    }
    if is_spent {
        kustomizer.close(config.kind(), Confidence::Unreadable, config.at, "it writes too much, or too deeply", built);
    }
    true
}

fn move_to(resource: &mut Resource, namespace: &str, is_blank_only: bool) {
    if !is_blank_only || resource.namespace().is_empty() {
        resource.move_to(namespace);
    }
}

fn write(resource: &mut Resource, field: &FieldSpec, writing: &Writing<'_>, at: At) {
    let new = match writing {
        Writing::Entries(_) => Value::Map(Vec::new()),
        _ => Value::Text("".into(), Style::Quoted),
    };
    let is_there = field.is(ANNOTATIONS) && resource.is_marked();
    let object = resource.settled();
    if is_there {
        patches::annotate(object);
    }
    field.follow(object, Some(&new), &mut |node| {
        if !matches!(writing, Writing::Entries(_)) && matches!(node.value, Value::List(_) | Value::Map(_)) {
            return;
        }
        let old = node.as_str().unwrap_or_default();
        let text = match writing {
            Writing::Prefix(prefix) => format!("{prefix}{old}"),
            Writing::Suffix(suffix) => format!("{old}{suffix}"),
            Writing::Text(_, true) if !old.is_empty() => return,
            Writing::Text(text, _) => (*text).to_owned(),
            // kustomize refuses what is of another shape.
            Writing::Entries(_) if !matches!(node.value, Value::Map(_)) => return,
            Writing::Entries(more) => {
                return more.entries().iter().for_each(|(name, value)| node.set(name, value.clone()));
            }
        };
        node.rewrite(&text, [at]);
    });
}
