//! The images of one object: pod specs, the fields of known custom resources, and what reads like an image in others.

use std::collections::HashMap;

use super::Confidence;
use super::fields;
use super::helm;
use super::node::{Node, Style, Trust, Value};
use super::params;
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
    // What tools of developers read, and no cluster.
    "backstage.io",
    "k3d.io",
    "kind.x-k8s.io",
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
];

// Kinds of the core group that deploy nothing.
const SILENT_CORE: &[&str] =
    &["PersistentVolume", "PersistentVolumeClaim", "Service", "ServiceAccount", "Namespace", "Event"];

// Keys below which no field deploys anything.
const SILENT_KEYS: &[&str] = &[
    "metadata",
    "labels",
    "annotations",
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

const FILLED_IN: &str = "a part of a pod that somebody fills in";

// Longest text that variables are put into.
const MAX_FILLED: usize = 4096;

// What programs say of images deploys none.
const PROGRAMS: &[&str] = &[".py", ".js", ".go", ".lua", ".sql", ".md", ".rego", ".cel"];

// Keys of an image under which all of it stands.
const WHOLE: &[&str] = &["reference", "ref", "fullName"];

// What stands before an image that a runner of jobs takes.
const DOCKER: &str = "docker://";

// Annotations that tell what is put into a pod which image to take, and those that have its tag where it stands apart.
const INJECTED: &[(&str, &str)] = &[
    ("sidecar.istio.io/proxyImage", ""),
    ("config.linkerd.io/proxy-image", "config.linkerd.io/proxy-version"),
    ("config.linkerd.io/init-image", "config.linkerd.io/init-image-version"),
    ("config.linkerd.io/debug-image", "config.linkerd.io/debug-image-version"),
    ("vault.hashicorp.com/agent-image", ""),
    ("vault.security.banzaicloud.io/vault-image", ""),
    ("vault.security.banzaicloud.io/vault-env-image", ""),
    ("dapr.io/sidecar-image", ""),
];

/// Where the pod template of a built-in kind stands.
fn pod_path(kind: &str, group: &str) -> Option<&'static [&'static str]> {
    Some(match (group, kind) {
        ("", "Pod") => &["spec"],
        ("", "PodTemplate") => &["template", "spec"],
        ("", "ReplicationController")
        | ("apps" | "extensions", "Deployment" | "ReplicaSet" | "DaemonSet" | "StatefulSet")
        | ("batch", "Job") => &["spec", "template", "spec"],
        ("batch", "CronJob") => &["spec", "jobTemplate", "spec", "template", "spec"],
        _ => return None,
    })
}

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
    injected(object, sink);
    if group.is_empty() && kind == "Secret" {
        return config_map(object, "stringData", sink);
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
    } else if let Some(path) = pod_path(kind, group) {
        let streamed = streamed(object);
        let mut node = Some(streamed.as_ref().unwrap_or(object));
        for key in path {
            node = node.and_then(|node| node.get(key));
            node.into_iter().for_each(|node| filled_in(node, sink));
        }
        if let Some(spec) = node {
            pod(spec, Trust::Certain, sink);
        }
    } else if (group, kind) == ("upgrade.cattle.io", "Plan") {
        custom(&planned(object), "", &[], sink);
    } else if is_list(object) {
        object.get("items").into_iter().flat_map(Node::items).for_each(|item| find(&typed(item, object), sink));
    } else if !object.str_at(&["apiVersion"]).is_empty() {
        fields::closed(object, sink);
        let certain = fields::find(object, sink);
        custom(object, "", &certain, sink);
    }
}

// A plan of Rancher's upgrades, whose images have its version for a tag.
fn planned(object: &Node) -> Node {
    let mut plan = object.clone();
    let version = object.at_path(&["spec", "version"]).filter(|version| version.as_str().is_some());
    for part in ["upgrade", "prepare"] {
        let image = plan.get_mut("spec").and_then(|spec| spec.get_mut(part)?.get_mut("image"));
        if let (Some(image), Some(version)) = (image, version)
            && let Some(text) = image.as_str().filter(|text| !reference::is_pinned(text))
        {
            let tag = version.as_str().unwrap_or_default().replace('+', "-");
            let whole = reference::join(text, Some(&tag), None);
            image.rewrite(&whole, version.places());
        }
    }
    plan
}

// What webhooks put into pods as annotations of an object or of its pod template say.
fn injected(object: &Node, sink: &mut Sink) {
    let template = object.at_path(&["spec", "template"]);
    for annotations in
        [Some(object), template].into_iter().flatten().filter_map(|of| of.at_path(&["metadata", "annotations"]))
    {
        for (image, tag) in INJECTED {
            let Some(image) = annotations.get(image) else { continue };
            let tag = annotations.get(tag);
            let mut whole = image.clone();
            if let (Some(name), Some(text)) = (image.as_str(), tag.and_then(Node::as_str)) {
                whole.rewrite(&reference::join(name, Some(text), None), tag.into_iter().flat_map(Node::places));
            }
            sink.plausible(&whole);
        }
    }
}

/// The images of a pod spec, in its four places, and those that arguments and variables name.
pub(super) fn pod(spec: &Node, trust: Trust, sink: &mut Sink) {
    for (key, node) in spec.entries() {
        if matches!(&**key, "containers" | "initContainers" | "ephemeralContainers" | "volumes") {
            std::iter::once(node).chain(node.items()).for_each(|node| filled_in(node, sink));
        } else if sink::is_open(key) {
            sink.closed(key, Confidence::Unresolved, node.places().collect(), FILLED_IN);
        }
    }
    for key in ["containers", "initContainers", "ephemeralContainers"] {
        for container in spec.get(key).into_iter().flat_map(Node::items) {
            if let Some(image) = container.get("image") {
                sink.image(image, trust);
            }
            mentions(container, sink);
        }
    }
    for volume in spec.get("volumes").into_iter().flat_map(Node::items) {
        if let Some(reference) = volume.at_path(&["image", "reference"]) {
            sink.image(reference, trust);
        }
    }
}

// Tells of a part of a pod that is a text, which somebody makes something else of.
fn filled_in(node: &Node, sink: &mut Sink) {
    if let Some(text) = node.as_str() {
        sink.closed(text, Confidence::Unresolved, node.places().collect(), FILLED_IN);
    }
}

// Images in a text, one a line or with commas between, each perhaps behind a name: `3.7=x/y:1`.
fn listed(node: &Node, sink: &mut Sink) {
    let is_block = matches!(node.value, Value::Text(_, Style::Block));
    for (line, text) in (node.at.line..).zip(node.as_str().unwrap_or_default().lines()) {
        for part in text.split([',', ' ']) {
            let image = part.split_once('=').map_or(part, |(_, image)| image).trim();
            let mut one = node.clone();
            one.value = Value::Text(image.into(), Style::Quoted);
            one.at.line = if is_block { line } else { node.at.line };
            sink.plausible(&one);
        }
    }
}

// Images in a text, each behind the scheme for those that are run: `ubuntu:docker://x/y:1,…`.
fn docker(node: &Node, sink: &mut Sink) {
    for image in node.as_str().unwrap_or_default().split(DOCKER).skip(1) {
        let mut one = node.clone();
        one.value = Value::Text(image.split([',', ' ', '\n', '"']).next().unwrap_or_default().into(), Style::Quoted);
        sink.plausible(&one);
    }
}

/// Whether a key of settings is the name of a variable with an image.
pub(super) fn is_variable_of_image(name: &str) -> bool {
    // What is a part of one, or serves them, is none.
    const OTHERS: &[&str] =
        &["REGISTRY", "REGISTRIES", "REPO", "URL", "SERVICE", "DIR", "HOST", "PORT", "TAG", "PULL", "PATH", "PROXY"];
    name.contains("IMAGE")
        && !name.contains(|c: char| c.is_ascii_lowercase())
        && !name.split('_').any(|word| OTHERS.iter().any(|other| word.starts_with(other)))
}

// What arguments and variables name is started by the program that reads them.
fn mentions(container: &Node, sink: &mut Sink) {
    let mut before: HashMap<&str, Node> = HashMap::new();
    for variable in container.get("env").into_iter().flat_map(Node::items) {
        let Some(value) = variable.get("value") else { continue };
        let value = &filled_by(value, &before);
        before.extend(Some(variable.str_at(&["name"])).filter(|name| !name.is_empty()).zip(Some(value.clone())));
        let is_named = is_variable_of_image(&variable.str_at(&["name"]).to_ascii_uppercase());
        let text = value.as_str().unwrap_or_default();
        if is_named && text.contains(['\n', ',']) && !text.contains(DOCKER) && !manifests(value, sink) {
            listed(value, sink);
        } else if text.contains('\n') || text.starts_with('{') {
            self::text(value, sink);
        } else if text.contains(DOCKER) {
            docker(value, sink);
        } else if is_named {
            sink.plausible(value);
        } else if value.as_str().is_some_and(sink::is_literal) {
            sink.image(value, Trust::Inferred);
        }
    }
    for key in ["args", "command"] {
        let arguments = container.get(key).map(Node::items).unwrap_or_default();
        let arguments: Vec<Node> = arguments.iter().map(|argument| filled_by(argument, &before)).collect();
        let mut before = "";
        for argument in &arguments {
            let Some(text) = argument.as_str() else { continue };
            let (option, value) = text.split_once('=').unwrap_or((before, text));
            before = text;
            if manifests(argument, sink) {
                continue;
            }
            let mut say = |value: &str, is_named: bool| {
                let mut node = argument.clone();
                node.value = Value::Text(value.into(), Style::Quoted);
                match is_named {
                    true => sink.plausible(&node),
                    false if sink::is_literal(value) => sink.image(&node, Trust::Inferred),
                    false => {}
                }
            };
            if text.contains(char::is_whitespace) {
                options(text).for_each(|value| say(value, true));
            } else if value.len() < text.len() || !text.starts_with('-') {
                value.split(',').for_each(|value| say(value, is_option_of_image(option)));
            }
        }
    }
}

// A text with the variables of its container that stand before it, as the kubelet fills them in.
fn filled_by(node: &Node, before: &HashMap<&str, Node>) -> Node {
    let mut filled = node.clone();
    let Some(text) = node.as_str().filter(|text| text.len() <= MAX_FILLED && text.contains("$(")) else {
        return filled;
    };
    let (mut out, mut places, mut rest) = (String::new(), Vec::new(), text);
    while let Some((start, tail)) = rest.split_once("$(") {
        let known = tail.split_once(')').and_then(|(name, after)| Some((before.get(name)?, after)));
        // Two signs stand for one.
        let known = known
            .filter(|(value, _)| !start.ends_with('$') && value.as_str().is_some_and(|text| text.len() <= MAX_FILLED));
        out.push_str(start);
        rest = tail;
        if let Some((value, after)) = known {
            out.push_str(value.as_str().unwrap_or_default());
            places.extend(value.places());
            rest = after;
        } else {
            out.push_str("$(");
        }
    }
    out.push_str(rest);
    // What grows without end is no image.
    if out != text && out.len() <= MAX_FILLED {
        filled.rewrite(&out, places);
    }
    filled
}

fn is_option_of_image(option: &str) -> bool {
    option.starts_with('-') && option.to_ascii_lowercase().contains("image") && !option.contains("pull")
}

// The values of options for images on the command lines in a text.
fn options(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split_whitespace().map(|word| word.trim_matches(['"', '\'']));
    let pairs = std::iter::once("").chain(words.clone()).zip(words);
    let values = pairs.filter_map(|(before, word)| match word.split_once('=') {
        Some((option, value)) if is_option_of_image(option) => Some(value),
        None if is_option_of_image(before) && !before.contains('=') => Some(word),
        _ => None,
    });
    values.flat_map(|value| value.split(',')).map(|value| value.trim_matches(['"', '\'']))
}

/// The images of a part of an object.
pub(super) fn part(node: &Node, key: &str, sink: &mut Sink) {
    custom(node, key, &[], sink);
}

// A custom resource: `certain` are nodes that the table of fields has told of already.
fn custom(node: &Node, key: &str, certain: &[*const Node], sink: &mut Sink) {
    if certain.contains(&std::ptr::from_ref(node)) {
        return;
    }
    match &node.value {
        Value::Text(..) if helm::is_image_key(key) => sink.plausible(node),
        // Images by the names of what they are for.
        Value::Map(entries) if key == "images" && entries.iter().all(|(_, child)| is_pinned(child)) => {
            entries.iter().for_each(|(_, child)| sink.plausible(child));
        }
        Value::Text(text, _) if text.starts_with("oci://") => sink.artifact(node),
        Value::Text(..) if key == "podSpecPatch" => {
            yaml::within(node).docs.iter().for_each(|spec| pod(spec, Trust::Inferred, sink));
        }
        Value::Text(text, _) if text.contains('\n') => {
            let is_told = manifests(node, sink) || key != "values";
            text::values(node).into_iter().filter(|_| !is_told).for_each(|values| helm::values(&values, sink));
        }
        Value::Map(_) if !key.is_empty() && is_object(node) => lowered(node, sink),
        Value::List(items) => {
            let is_containers = matches!(key, "containers" | "initContainers" | "ephemeralContainers");
            for item in items {
                if is_containers && let Some(image) = item.get("image") {
                    if !certain.contains(&std::ptr::from_ref(image)) {
                        sink.image(image, Trust::Inferred);
                    }
                    mentions(item, sink);
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
            let used = helm::shape(node, key, helm::Above::default(), sink);
            // What a policy says must not be there is not.
            let is_absent = node.str_at(&["complianceType"]).eq_ignore_ascii_case("mustnothave");
            for (name, child) in entries.iter().filter(|(name, _)| !is_absent || &**name != "objectDefinition") {
                // What an object has become is told at its top; deeper it may be the name of anything.
                let is_silent = SILENT_KEYS.contains(&&**name) || (key.is_empty() && &**name == "status");
                if !is_silent && !used.contains(&&**name) {
                    custom(child, name, certain, sink);
                }
            }
        }
        _ => {}
    }
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

// An object whose images are those that an image stream has by then, wherever a trigger says so.
fn streamed(object: &Node) -> Option<Node> {
    let triggers = object.at_path(&["metadata", "annotations", "image.openshift.io/triggers"])?;
    let names: Vec<String> = yaml::within(triggers)
        .docs
        .iter()
        .flat_map(Node::items)
        .filter(|trigger| trigger.str_at(&["from", "kind"]) == "ImageStreamTag")
        .map(|trigger| trigger.str_at(&["from", "name"]).to_owned())
        .collect();
    let mut object = object.clone();
    let spec = object.get_mut("spec")?.get_mut("template")?.get_mut("spec")?;
    for containers in ["containers", "initContainers"] {
        let Some(Value::List(items)) = spec.get_mut(containers).map(|node| &mut node.value) else { continue };
        for image in items.iter_mut().filter_map(|item| item.get_mut("image")) {
            if image.as_str().is_some_and(|text| names.iter().any(|name| name == text)) {
                image.trust = Trust::Unresolved;
            }
        }
    }
    Some(object)
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
        let is_named = helm::is_image_key(name) || is_variable_of_image(name);
        if name.ends_with("values.yaml") {
            text::told(value, sink);
        }
        if sink::is_literal(text) || (is_named && sink::is_plausible(text)) {
            sink.image(value, Trust::Inferred);
        } else if is_named && text.contains('\n') {
            listed(value, sink);
        } else {
            self::text(value, sink);
        }
    }
}

/// The objects in a text, or else the images that stand in its lines.
pub(super) fn text(node: &Node, sink: &mut Sink) {
    if !manifests(node, sink) {
        text::inner(node, sink);
    }
}

// Objects in a text, which somebody else applies; false: there are none.
fn manifests(node: &Node, sink: &mut Sink) -> bool {
    let text = node.as_str().unwrap_or_default();
    if text.starts_with('{') && text.ends_with('}') && !text.contains("apiVersion") {
        let parsed = yaml::within(node);
        let is_whole = parsed.fault.is_none() && parsed.docs.iter().all(|doc| matches!(doc.value, Value::Map(_)));
        parsed.docs.iter().filter(|_| is_whole).for_each(|doc| custom(doc, "", &[], sink));
        return is_whole;
    }
    if !text.contains("apiVersion") || !text.contains("kind") {
        return false;
    }
    let parsed = yaml::within(node);
    if parsed.fault.is_some() || parsed.docs.iter().all(|doc| doc.kind().is_empty()) {
        text::inner(node, sink);
    } else {
        parsed.docs.iter().for_each(|doc| lowered(doc, sink));
    }
    true
}

/// An object that somebody else applies.
pub(super) fn lowered(object: &Node, sink: &mut Sink) {
    let Some(mut inner) = sink.within() else { return custom(object, "", &[], sink) };
    find(object, &mut inner);
    for mut hit in inner.hits() {
        hit.confidence = hit.confidence.max(Confidence::Inferred);
        sink.push(hit);
    }
}
