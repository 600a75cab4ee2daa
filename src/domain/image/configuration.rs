//! What a kustomization's configurations say of fields: where images are, and what else is written where an image may be.

use super::Confidence;
use super::fieldspec::FieldSpec;
use super::kustomize::Kustomizer;
use super::node::Node;
use super::resource::Built;
use super::retag;

/// The fields with images that kustomize knows, and those that a kustomization's configurations name.
pub(super) fn images(kustomizer: &mut Kustomizer<'_>, folder: &str, doc: &Node, built: &mut Built) -> Vec<FieldSpec> {
    // A transformer knows none but those that it names.
    if let Some(named) = doc.get("fieldSpecs") {
        return named.items().iter().map(FieldSpec::read).collect();
    }
    let mut fields: Vec<FieldSpec> = retag::PODS.iter().map(|path| FieldSpec::everywhere(path)).collect();
    for entry in doc.get("configurations").into_iter().flat_map(Node::items) {
        for doc in kustomizer.inner(folder, None, Some(entry), built).docs {
            let named = doc.get("images").into_iter().flat_map(Node::items);
            fields.extend(named.map(FieldSpec::read));
        }
    }
    fields
}

/// Tells of rules by which names, labels and the like are written into fields of images.
pub(super) fn unfollowed(kustomizer: &mut Kustomizer<'_>, folder: &str, doc: &Node, built: &mut Built) {
    const KEYS: &[&str] = &[
        "namePrefix",
        "nameSuffix",
        "namespace",
        "nameReference",
        "commonLabels",
        "commonAnnotations",
        "labels",
        "replicas",
    ];
    let mut fields: Vec<Node> = Vec::new();
    let labels = doc.get("labels").into_iter().flat_map(Node::items);
    fields.extend(labels.flat_map(|one| one.get("fields").into_iter().flat_map(Node::items)).cloned());
    for entry in doc.get("configurations").into_iter().flat_map(Node::items) {
        for doc in kustomizer.inner(folder, None, Some(entry), built).docs {
            let specs = KEYS.iter().filter_map(|key| doc.get(key));
            for spec in specs.flat_map(Node::items) {
                fields.push(spec.clone());
                fields.extend(spec.get("fieldSpecs").into_iter().flat_map(Node::items).cloned());
            }
        }
    }
    let is_of_image = |path: &str| {
        let path = path.to_ascii_lowercase();
        ["image", "containers", "volumes", "package"].iter().any(|word| path.contains(word)) || path == "spec"
    };
    for field in fields.iter().filter(|field| is_of_image(field.str_at(&["path"]))) {
        let why = "what it writes into a field that may name an image is not followed";
        kustomizer.close(field.str_at(&["path"]), Confidence::Opaque, field.at, why, built);
    }
}
