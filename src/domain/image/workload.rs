//! The images of one object: pod specs, the fields of known custom resources, and what reads like an image in others.

use std::collections::HashSet;

use super::Confidence;
use super::fields;
use super::helm;
use super::node::{Node, Style, Trust, Value};
use super::params;
use super::pod;
use super::reference;
use super::resource::{is_list, typed};
use super::sink::{self, Sink};
use super::text;
use super::yaml;

// What names images without deploying them: definitions, policies, storage, rights.
const SILENT_GROUPS: &[&str] = &[
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "constraints.gatekeeper.sh",
    "config.gatekeeper.sh",
    "mutations.gatekeeper.sh",
    "templates.gatekeeper.sh",
    "kyverno.io",
    "policies.kyverno.io",
    "wgpolicyk8s.io",
    "policy.sigstore.dev",
    "policies.kubewarden.io",
    "policy",
    "rbac.authorization.k8s.io",
    "networking.k8s.io",
    "gateway.networking.k8s.io",
    "storage.k8s.io",
    "snapshot.storage.k8s.io",
    "scheduling.k8s.io",
    "autoscaling",
    "kustomize.config.k8s.io",
    "image.toolkit.fluxcd.io",
    "notification.toolkit.fluxcd.io",
    "dashboard.grafana.com",
    "aquasecurity.github.io",
    "argocd-image-updater.argoproj.io",
    "console.openshift.io",
    // What tools of developers read, and no cluster.
    "backstage.io",
    "k3d.io",
    "kind.x-k8s.io",
    "mirror.openshift.io",
    "kpt.dev",
    "kuttl.dev",
    "skaffold",
];

// Kinds that deploy nothing, of groups that end so.
const SILENT_KINDS: &[(&str, &str)] = &[
    ("GrafanaDashboard", "integreatly.org"),
    ("PrometheusRule", "monitoring.coreos.com"),
    ("ServiceMonitor", "monitoring.coreos.com"),
    ("PodMonitor", "monitoring.coreos.com"),
    ("SealedSecret", "bitnami.com"),
    ("ExternalSecret", "external-secrets.io"),
    // They say what is written into repositories.
    ("Stage", "kargo.akuity.io"),
    ("Warehouse", "kargo.akuity.io"),
    ("Freight", "kargo.akuity.io"),
];

// Kinds of the core group that deploy nothing.
const SILENT_CORE: &[&str] =
    &["PersistentVolume", "PersistentVolumeClaim", "Service", "ServiceAccount", "Namespace", "Event"];

/// Keys below which no field deploys anything.
pub(super) const SILENT_KEYS: &[&str] = &[
    "metadata",
    "labels",
    "annotations",
    "description",
    "matchLabels",
    "matchExpressions",
    "selector",
    "nodeSelector",
    "rbd",
    "cephfs",
    "iscsi",
    "openAPIV3Schema",
    "imagePullSecrets",
    "lastTriggeredImage",
];

// Nodes that are told already.
type Told = HashSet<*const Node>;

// What programs say of images deploys none.
const PROGRAMS: &[&str] =
    &["README", "README.txt", "NOTES.txt", ".py", ".js", ".go", ".lua", ".sql", ".md", ".rego", ".cel"];

/// What is said of what may be one.
pub(super) const LIKELY: &str = "it reads like an image, and nothing says that it is one";

// Keys of what is made and not run, of what a change of starts something, and of parameters, whose names say what they are.
const MADE: &[&str] = &["tag", "tags", "additionalTags", "destination", "target", "to", "manual", "value", "default"];

// Keys of an image under which all of it stands.
const WHOLE: &[&str] = &["reference", "ref", "fullName"];

/// Whether what an object says of images deploys none, by its kind and its group.
pub(super) fn is_silent(kind: &str, group: &str) -> bool {
    SILENT_KINDS.iter().any(|(silent, of)| *silent == kind && group.ends_with(of)) || SILENT_GROUPS.contains(&group)
}

/// Finds the images of one object.
pub(super) fn find(object: &Node, sink: &mut Sink) {
    let (kind, group) = (object.kind(), object.group());
    if kind.is_empty() || is_silent(kind, group) {
        return;
    }
    pod::injected(object, sink);
    if group.is_empty() && kind == "Secret" {
        config_map(object, "stringData", sink);
        return packed(object, "data", sink);
    }
    if group.is_empty() && SILENT_CORE.contains(&kind) {
        return;
    }
    if group == "helm.cattle.io" {
        return helm::embedded(object, sink);
    }
    let filled = params::filled(object);
    let object = filled.as_ref().unwrap_or(object);
    if group == "template.openshift.io" {
        return object.get("objects").into_iter().flat_map(Node::items).for_each(|object| lowered(object, sink));
    }
    if kind == "ConfigMap" && group.is_empty() {
        config_map(object, "data", sink);
        packed(object, "binaryData", sink);
    } else if let Some(path) = pod::path(kind, group) {
        pod::of(object, path, sink);
    } else if is_list(object) {
        object.get("items").into_iter().flat_map(Node::items).for_each(|item| find(&typed(item, object), sink));
    } else if !object.str_at(&["apiVersion"]).is_empty() {
        let whole = completed(object);
        let object = whole.as_ref().unwrap_or(object);
        if (group, kind) == ("grafana.integreatly.org", "Grafana") {
            // A whole name in the place of a version.
            object.at_path(&["spec", "version"]).into_iter().for_each(|version| sink.plausible(version));
        }
        fields::closed(object, sink);
        let certain = fields::find(object, sink).into_iter().collect();
        custom(object, "", &certain, sink);
    }
}

// A custom resource that says in several fields which images it takes, with them in whole.
fn completed(object: &Node) -> Option<Node> {
    const KINDS: &[(&str, &str)] =
        &[("upgrade.cattle.io", "Plan"), ("argoproj.io", "ArgoCD"), ("datadoghq.com", "DatadogAgent")];
    let id = (object.group(), object.kind());
    let mut whole = Some(object).filter(|_| KINDS.contains(&id))?.clone();
    let spec = whole.get_mut("spec")?;
    match id {
        ("upgrade.cattle.io", _) => {
            let version = object.at_path(&["spec", "version"])?;
            let tag = version.as_str()?.replace('+', "-");
            for part in ["upgrade", "prepare"] {
                let image = spec.get_mut(part).and_then(|part| part.get_mut("image"));
                image.into_iter().for_each(|image| tagged(image, &tag, version));
            }
        }
        ("argoproj.io", _) => versioned(spec),
        _ => {
            let registry = object.at_path(&["spec", "global", "registry"]).filter(|node| node.as_str().is_some());
            let Some(Value::Map(parts)) = spec.get_mut("override").map(|parts| &mut parts.value) else { return None };
            for name in parts.iter_mut().filter_map(|(_, part)| part.get_mut("image")?.get_mut("name")) {
                let Some(text) = name.as_str().filter(|text| !text.contains('/')) else { continue };
                // Where nobody says so, the operator knows which one it is.
                let host = registry.and_then(Node::as_str).unwrap_or("?").trim_end_matches('/');
                let text = format!("{host}/{text}");
                name.rewrite(&text, registry.into_iter().flat_map(Node::places));
            }
        }
    }
    Some(whole)
}

// Gives an image the tag that another field says, if it has none.
fn tagged(image: &mut Node, tag: &str, by: &Node) {
    if let Some(text) = image.as_str().filter(|text| !reference::is_pinned(text)) {
        let (tag, digest) = if tag.contains(':') { (None, Some(tag)) } else { (Some(tag), None) };
        let whole = reference::join(text, tag, digest);
        image.rewrite(&whole, by.places());
    }
}

// The same of every image of a part of an object that has a version beside it.
fn versioned(node: &mut Node) {
    let Value::Map(entries) = &mut node.value else { return };
    entries.iter_mut().for_each(|(_, child)| versioned(child));
    let version = node.get("version").cloned();
    if let (Some(version), Some(image)) = (version, node.get_mut("image")) {
        version.as_str().into_iter().for_each(|tag| tagged(image, tag, &version));
    }
}

/// The images of a part of an object.
pub(super) fn part(node: &Node, key: &str, sink: &mut Sink) {
    custom(node, key, &Told::new(), sink);
}

// A custom resource: `certain` are nodes that the table of fields has told of already.
fn custom(node: &Node, key: &str, certain: &Told, sink: &mut Sink) {
    if certain.contains(&std::ptr::from_ref(node)) {
        return;
    }
    match &node.value {
        Value::Text(..) if helm::is_image_key(key) || pod::is_variable_of_image(key) => sink.plausible(node),
        // Images by the names of what they are for.
        Value::Map(entries) if key == "images" && entries.iter().all(|(_, child)| is_pinned(child)) => {
            entries.iter().for_each(|(_, child)| sink.plausible(child));
        }
        Value::Text(text, _) if text.starts_with("oci://") => sink.artifact(node),
        Value::Text(..) if key == "podSpecPatch" => {
            yaml::within(node).docs.iter().for_each(|spec| pod::find(spec, Trust::Inferred, sink));
        }
        Value::Text(text, _) if !MADE.contains(&key) && sink::is_literal(&reference::filled(text)) => {
            sink.image(node, Trust::Inferred);
        }
        Value::Text(text, _) if text.contains('\n') => {
            let is_told = manifests(node, sink) || key != "values";
            text::values(node).into_iter().filter(|_| !is_told).for_each(|values| helm::values(&values, sink));
        }
        Value::Map(_) if !key.is_empty() && is_object(node) => lowered(node, sink),
        Value::List(items) => {
            let is_containers = matches!(key, "containers" | "initContainers" | "ephemeralContainers" | "sidecars");
            for item in items {
                if is_containers && let Some(image) = item.get("image") {
                    if !certain.contains(&std::ptr::from_ref(image)) {
                        sink.image(image, Trust::Inferred);
                    }
                    pod::mentions(item, sink);
                } else if key == "images" && item.as_str().is_some_and(reference::has_host) {
                    sink.plausible(item);
                } else {
                    custom(item, key, certain, sink);
                }
            }
        }
        Value::Map(entries) => {
            for (whole, reference) in entries.iter().filter(|(name, _)| key == "image" && WHOLE.contains(&&**name)) {
                match &**whole {
                    "reference" => sink.image(reference, Trust::Inferred),
                    _ => sink.plausible(reference),
                }
            }
            if ["env", "args", "command"].iter().any(|key| node.get(key).is_some_and(|list| !list.items().is_empty())) {
                pod::mentions(node, sink);
            }
            // One container alone, whose image may be a mere name.
            let is_one = matches!(key, "container" | "script");
            if is_one
                && let Some(image) = node.get("image").filter(|image| !certain.contains(&std::ptr::from_ref(*image)))
            {
                sink.image(image, Trust::Inferred);
            }
            if key == "params" && is_tool(node.str_at(&["name"])) {
                let value = node.get("value").filter(|value| value.as_str().is_some_and(|text| !sink::is_open(text)));
                value.into_iter().for_each(|value| sink.plausible(value));
            }
            if node.str_at(&["name"]) == "bundle"
                && let Some(bundle) = node.get("value")
            {
                sink.plausible(bundle);
            }
            // What a build makes is not deployed by it.
            if node.str_at(&["kind"]) == "DockerImage"
                && key != "to"
                && let Some(name) = node.get("name")
            {
                sink.plausible(name);
            }
            if key == "chart"
                && let (Some(name), Some(repository)) = (node.get("name"), node.get("repository"))
            {
                let text = name.as_str().unwrap_or_default();
                helm::chart(repository, text, node.get("version"), name, sink);
                sink.closed(text, Confidence::Opaque, name.places().collect(), helm::UNSEEN);
                return;
            }
            deployed_by(node, sink);
            let used = helm::shape(&helm::Lookup::of(node), key, helm::Above::default(), sink);
            // What a policy says must not be there is not.
            let version = helm::scalar(node, "version");
            let is_absent = node.str_at(&["complianceType"]).eq_ignore_ascii_case("mustnothave");
            for (name, child) in entries.iter().filter(|(name, _)| !is_absent || &**name != "objectDefinition") {
                // What an object has become is told at its top; deeper it may be the name of anything.
                let is_silent = SILENT_KEYS.contains(&&**name) || (key.is_empty() && &**name == "status");
                let is_made = &**name == "output" && ["image", "to"].iter().any(|key| child.get(key).is_some());
                let is_told = (is_one && &**name == "image") || certain.contains(&std::ptr::from_ref(child));
                if is_silent || is_made || is_told || used.contains(&**name) {
                    continue;
                }
                if let Some(open) = version.and_then(|version| whole_of(name, child, version)) {
                    sink.plausible(&open);
                } else if &**name == "image" && used.is_empty() && child.as_str().is_some_and(is_bare) {
                    let text = child.as_str().unwrap_or_default();
                    sink.closed(text, Confidence::Unresolved, child.places().collect(), LIKELY);
                } else {
                    custom(child, name, certain, sink);
                }
            }
        }
        _ => {}
    }
}

// An image without a tag that has a version beside it, which may be its tag.
fn whole_of(key: &str, node: &Node, version: &Node) -> Option<Node> {
    let text = node.as_str().filter(|text| helm::is_image_key(key) && text.contains('/'))?;
    let is_whole = reference::is_pinned(text) || sink::is_open(text);
    let mut open = Some(node).filter(|_| !is_whole)?.clone();
    open.rewrite(&format!("{text}:?"), version.places());
    Some(open)
}

/// Whether a text may be the mere name of an image.
pub(super) fn is_bare(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
}

// Whether a parameter that a run hands to its task is an image that the task runs, and none that it makes.
fn is_tool(name: &str) -> bool {
    const MADE: &[&str] =
        &["APP", "CACHE", "DEST", "MANIFEST", "NEW", "ORIGINAL", "OUTPUT", "PUSH", "RESULT", "TARGET"];
    let name = if name.ends_with("Image") { name.replace("Image", "_IMAGE") } else { name.to_owned() };
    let name = name.to_ascii_uppercase().replace('-', "_");
    name.strip_suffix("_IMAGE").is_some_and(|what| !MADE.iter().any(|made| what.starts_with(made)))
}

// Applications and releases within other objects: the charts that they name, and what nobody can see of them.
fn deployed_by(node: &Node, sink: &mut Sink) {
    let (chart, url) = (node.get("chart").filter(|chart| chart.as_str().is_some()), node.get("repoURL"));
    match (chart, url) {
        (Some(chart), Some(url)) => {
            let name = chart.as_str().unwrap_or_default();
            helm::chart(url, name, node.get("targetRevision"), chart, sink);
            sink.closed(name, Confidence::Opaque, chart.places().collect(), helm::UNSEEN);
        }
        (Some(chart), None) if node.get("sourceRef").is_some() => {
            let name = chart.as_str().unwrap_or_default();
            sink.closed(name, Confidence::Opaque, chart.places().collect(), helm::UNSEEN);
        }
        (None, Some(_)) => {
            if let Some(path) = node.get("path") {
                let note = "Argo CD builds it from what is not in the tree";
                sink.closed(path.as_str().unwrap_or_default(), Confidence::Opaque, path.places().collect(), note);
            }
        }
        _ => {}
    }
}

fn is_pinned(node: &Node) -> bool {
    node.as_str().is_some_and(sink::is_literal)
}

/// Whether a part of an object is an object that somebody makes of it.
pub(super) fn is_object(node: &Node) -> bool {
    let has_content = ["spec", "metadata", "data"].iter().any(|key| node.get(key).is_some());
    !node.kind().is_empty() && !node.str_at(&["apiVersion"]).is_empty() && has_content
}

// Manifests that somebody applies out of a ConfigMap, and parts of them.
fn config_map(object: &Node, key: &str, sink: &mut Sink) {
    for (name, value) in object.get(key).map(Node::entries).unwrap_or_default() {
        // By Knative's custom what stands there is an explanation.
        let Some(text) = value.as_str().filter(|_| &**name != "_example") else { continue };
        if PROGRAMS.iter().any(|kind| name.ends_with(kind)) {
            continue;
        }
        let is_named = helm::is_image_key(name) || pod::is_variable_of_image(name);
        if name.ends_with("values.yaml") {
            text::told(value, sink);
        }
        if let Some(global) = injected(name, value) {
            helm::values(&global, sink);
            continue;
        }
        if name.ends_with(".sh") || text.starts_with("#!") {
            commands(value, sink);
        }
        if sink::is_literal(text) || (is_named && sink::is_plausible(text)) {
            sink.image(value, Trust::Inferred);
        } else if text.contains('/') && reference::is_pinned(text) && sink::is_plausible(text) {
            // Whoever reads it by this key may run it.
            sink.closed(text, Confidence::Unresolved, value.places().collect(), LIKELY);
        } else if is_named && text.contains('\n') {
            pod::listed(value, sink);
        } else {
            self::text(value, sink);
        }
    }
}

// What Istio puts into pods by values that it keeps: those for all of its parts.
fn injected(name: &str, value: &Node) -> Option<Node> {
    let text = value.as_str().filter(|text| name.ends_with("values") && text.starts_with('{'));
    let values = text.and_then(|_| text::values(value))?;
    let global = values.get("global").filter(|global| global.get("hub").is_some())?;
    Some(Node::new(value.at, Value::Map(vec![("global".into(), global.clone())])))
}

// Images that stand literally in the commands of a script.
fn commands(script: &Node, sink: &mut Sink) {
    for (at, text) in script.lines() {
        let images = pod::literals(text.split('#').next().unwrap_or_default());
        images.for_each(|image| sink.image(&Node::text(at, image), Trust::Inferred));
    }
}

// The same of what is packed in Base64, as far as it is text.
fn packed(object: &Node, key: &str, sink: &mut Sink) {
    let unpacked = object.get(key).map(Node::entries).unwrap_or_default().iter().filter_map(|(name, value)| {
        let text = yaml::decoded(value.as_str()?).ok()?;
        let mut value = value.clone();
        value.value = Value::Text(text.into(), Style::Quoted);
        Some((name.clone(), value))
    });
    let unpacked = Node::new(object.at, Value::Map(unpacked.collect()));
    let mut whole = Node::nothing(object.at);
    whole.set(key, unpacked);
    config_map(&whole, key, sink);
}

/// The objects in a text, or else the images that stand in its lines.
pub(super) fn text(node: &Node, sink: &mut Sink) {
    if !manifests(node, sink) {
        text::inner(node, sink);
    }
}

/// Objects in a text, which somebody else applies; false: there are none.
pub(super) fn manifests(node: &Node, sink: &mut Sink) -> bool {
    let text = node.as_str().unwrap_or_default();
    let is_list = text.starts_with('[') && text.trim_end().ends_with(']');
    if is_list || (text.starts_with('{') && text.trim_end().ends_with('}') && !text.contains("apiVersion")) {
        let parsed = yaml::within(node);
        let is_whole =
            parsed.fault.is_none() && parsed.docs.iter().all(|doc| matches!(doc.value, Value::Map(_) | Value::List(_)));
        for doc in parsed.docs.iter().filter(|_| is_whole) {
            for part in if is_list { doc.items() } else { std::slice::from_ref(doc) } {
                if is_object(part) { lowered(part, sink) } else { custom(part, "", &Told::new(), sink) }
            }
        }
        return is_whole;
    }
    if !text.contains("apiVersion") || !text.contains("kind") {
        return false;
    }
    let parsed = yaml::within(node);
    if parsed.fault.is_some() || parsed.docs.iter().all(|doc| doc.kind().is_empty()) {
        text::inner(node, sink);
        bare_lines(node, sink);
    } else {
        parsed.docs.iter().for_each(|doc| lowered(doc, sink));
    }
    true
}

// Tells of mere names of images in the lines of what cannot be read.
fn bare_lines(node: &Node, sink: &mut Sink) {
    for (at, text) in node.lines() {
        let pair = text::pair(text.trim().trim_start_matches("- ")).filter(|(key, _)| *key == "image");
        let value = pair.map(|(_, value)| text::unquoted(value)).filter(|value| is_bare(value));
        value.into_iter().for_each(|value| sink.closed(value, Confidence::Unresolved, vec![at], LIKELY));
    }
}

/// An object that somebody else applies.
pub(super) fn lowered(object: &Node, sink: &mut Sink) {
    let Some(mut inner) = sink.within() else { return custom(object, "", &Told::new(), sink) };
    find(object, &mut inner);
    for mut hit in inner.hits() {
        hit.confidence = hit.confidence.max(Confidence::Inferred);
        sink.push(hit);
    }
}
