//! The generators, transformers and validators that a kustomization names: those that kustomize has built in are run, what
//! others do cannot be seen.

use std::sync::Arc;

use super::Confidence;
use super::generate;
use super::kustomize::Kustomizer;
use super::node::{Node, Trust, Value};
use super::patches::May;
use super::resource::{Built, Extra};
use super::strict;
use super::tree;
use super::written;

// Built-in ones that touch no image.
const IDLE: &[&str] = &["HashTransformer", "IAMPolicyGenerator", "LegacyOrderTransformer", "SortOrderTransformer"];

/// Runs the generators.
pub(super) fn generate(kustomizer: &mut Kustomizer<'_>, folder: &str, doc: &Node, built: &mut Built) {
    for mut config in configs(kustomizer, folder, doc, "generators", built) {
        let name = config.at_path(&["metadata", "name"]).cloned();
        match builtin(&config).to_owned().as_str() {
            kind @ ("ConfigMapGenerator" | "SecretGenerator") => {
                name.into_iter().for_each(|name| config.set("name", name));
                let kind = kind.trim_end_matches("Generator");
                generate::map(kustomizer, folder, &config, (kind, None), built);
            }
            "HelmChartInflationGenerator" => generate::chart(kustomizer, folder, "", &config, built),
            idle if IDLE.contains(&idle) => {}
            _ => {
                if !policies(kustomizer, folder, &config, built) {
                    opaque(kustomizer, &config, "a generator, and what it makes cannot be seen", built);
                }
            }
        }
    }
}

// What a generator of policies wraps into them: files and folders beside it, with patches; false: it is none, or more of it
// cannot be seen.
fn policies(kustomizer: &mut Kustomizer<'_>, folder: &str, config: &Node, built: &mut Built) -> bool {
    if config.group() != "policy.open-cluster-management.io" {
        return false;
    }
    let mut is_whole = true;
    let all = config.get("policies").into_iter().flat_map(Node::items);
    for manifest in all.filter_map(|policy| policy.get("manifests")).flat_map(Node::items) {
        let Some(path) = manifest.get("path") else { continue };
        let mut inner = Built::default();
        let joined = tree::join(folder, path.as_str().unwrap_or_default()).unwrap_or_default();
        if let Some(file) = kustomizer.tree.number(&joined) {
            kustomizer.take(file, &mut inner);
        } else if kustomizer.tree.kustomization(&joined).is_some() {
            kustomizer.include(&joined, path.at, &mut inner);
        } else {
            let tree = kustomizer.tree;
            let is_direct = |name: &str| tree::folder_of(name) == joined && tree::is_manifest(name);
            is_whole &= tree.has_folder(&joined);
            let files: Vec<u32> =
                tree.below(&joined).filter(|(_, name)| is_direct(name)).map(|(file, _)| file).collect();
            files.into_iter().for_each(|file| kustomizer.take(file, &mut inner));
        }
        let patches: Vec<Arc<Node>> =
            manifest.get("patches").into_iter().flat_map(Node::items).cloned().map(Arc::new).collect();
        kustomizer.apply(&patches, None, May::default(), manifest.at, &mut inner);
        inner.resources.iter_mut().for_each(|resource| doubt(Arc::make_mut(&mut resource.node)));
        built.resources.extend(inner.resources);
        built.closed.extend(inner.closed);
    }
    is_whole
}

/// Runs the transformers, and tells of the validators.
pub(super) fn transform(kustomizer: &mut Kustomizer<'_>, folder: &str, doc: &Node, built: &mut Built) {
    for config in configs(kustomizer, folder, doc, "transformers", built) {
        let part = |key: &str| config.get(key).cloned();
        let list = |items: Vec<Node>| Node::new(config.at, Value::List(items));
        let mut layer = Node::nothing(config.at);
        let mut set = |key: &str, node: Option<Node>| node.into_iter().for_each(|node| layer.set(key, node));
        match builtin(&config) {
            "PatchTransformer" => set("patches", Some(list(vec![config.clone()]))),
            "PatchJson6902Transformer" => {
                let mut entry = config.clone();
                part("jsonOp").into_iter().for_each(|text| entry.set("patch", text));
                set("patchesJson6902", Some(list(vec![entry])));
            }
            "PatchStrategicMergeTransformer" => {
                let mut entries = config.get("paths").map(|paths| paths.items().to_vec()).unwrap_or_default();
                entries.extend(part("patches"));
                set("patchesStrategicMerge", Some(list(entries)));
            }
            "ImageTagTransformer" => {
                set("images", Some(list(part("imageTag").into_iter().collect())));
                set("fieldSpecs", part("fieldSpecs").or_else(|| Some(list(Vec::new()))));
            }
            "ReplacementTransformer" => set("replacements", part("replacements")),
            idle if IDLE.contains(&idle) => {}
            "" => unseen(kustomizer, &config, built),
            _ if written::run(kustomizer, &config, built) => {}
            _ => unseen(kustomizer, &config, built),
        }
        if !layer.entries().is_empty() {
            kustomizer.change(folder, &layer, &Extra::default(), built);
        }
    }
    for config in configs(kustomizer, folder, doc, "validators", built) {
        opaque(kustomizer, &config, "a validator, and what it says cannot be seen", built);
    }
}

// A transformer that others run.
fn unseen(kustomizer: &Kustomizer<'_>, config: &Node, built: &mut Built) {
    opaque(kustomizer, config, "a transformer, and what it changes cannot be seen", built);
    built.resources.iter_mut().for_each(|resource| doubt(Arc::make_mut(&mut resource.node)));
}

// What kustomize has built in, by its kind; empty: it has not.
fn builtin(config: &Node) -> &str {
    if config.str_at(&["apiVersion"]) == "builtin" { config.kind() } else { "" }
}

fn opaque(kustomizer: &Kustomizer<'_>, config: &Node, why: &str, built: &mut Built) {
    let name = if config.kind().is_empty() { config.as_str().unwrap_or("?") } else { config.kind() };
    kustomizer.close(name, Confidence::Opaque, config.at, why, built);
}

// What a list of files, folders and texts holds.
fn configs(kustomizer: &mut Kustomizer<'_>, folder: &str, doc: &Node, key: &str, built: &mut Built) -> Vec<Node> {
    let mut configs = Vec::new();
    for entry in doc.get(key).into_iter().flat_map(Node::items) {
        let text = entry.as_str().unwrap_or_default();
        let is_inline = text.contains('\n') || text.starts_with('{');
        let inner = tree::join(folder, text).filter(|path| kustomizer.tree.kustomization(path).is_some());
        match inner.filter(|_| !is_inline) {
            Some(inner) => {
                let found = kustomizer.build(&inner);
                built.closed.extend(found.closed.iter().cloned());
                configs.extend(found.resources.iter().map(|resource| (*resource.node).clone()));
            }
            None => {
                let (inline, path) = if is_inline { (Some(entry), None) } else { (None, Some(entry)) };
                configs.extend(kustomizer.inner(folder, inline, path, built).docs.iter().map(|doc| (**doc).clone()));
            }
        }
    }
    for config in &mut configs {
        // These two mind the case of their fields.
        if !matches!(builtin(config), "" | "PrefixTransformer" | "SuffixTransformer") {
            strict::canonical(config);
        }
    }
    configs
}

// Nothing that somebody may have changed is certain.
fn doubt(node: &mut Node) {
    node.trust = node.trust.max(Trust::Inferred);
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(doubt),
        Value::Map(entries) => entries.iter_mut().for_each(|(_, child)| doubt(child)),
        _ => {}
    }
}
