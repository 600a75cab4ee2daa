//! Pods: where their specs stand in objects, the images in them, and those that their arguments, variables and annotations
//! name.

use std::collections::HashMap;

use super::helm;
use super::node::{Node, Style, Trust, Value};
use super::reference;
use super::sink::{self, Sink};
use super::workload;
use super::{Confidence, yaml};

/// What is said of a part of a pod that is a text.
pub(super) const FILLED_IN: &str = "a part of a pod that somebody fills in";

// Longest text that variables are put into.
const MAX_FILLED: usize = 4096;

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
pub(super) fn path(kind: &str, group: &str) -> Option<&'static [&'static str]> {
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

/// What webhooks put into pods as annotations of an object or of its pod template say.
pub(super) fn injected(object: &Node, sink: &mut Sink) {
    let templates: [&[&str]; 3] = [&[], &["spec", "template"], &["spec", "jobTemplate", "spec", "template"]];
    let of = templates.iter().filter_map(|path| object.at_path(path));
    for annotations in of.filter_map(|of| of.at_path(&["metadata", "annotations"])) {
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

/// The images of an object whose pod stands at a path.
pub(super) fn of(object: &Node, path: &[&str], sink: &mut Sink) {
    let streamed = streamed(object, sink);
    let mut node = Some(streamed.as_ref().unwrap_or(object));
    for key in path {
        node = node.and_then(|node| node.get(key));
        node.into_iter().for_each(|node| filled_in(node, sink));
    }
    if let Some(spec) = node {
        find(spec, Trust::Certain, sink);
    }
}

/// The images of a pod spec, in its four places, and those that arguments and variables name.
pub(super) fn find(spec: &Node, trust: Trust, sink: &mut Sink) {
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

/// Images in a text, one a line or with commas between, each perhaps behind a name: `3.7=x/y:1`.
pub(super) fn listed(node: &Node, sink: &mut Sink) {
    for (at, text) in node.lines() {
        for part in text.split([',', ' ']) {
            let image = part.split_once('=').map_or(part, |(_, image)| image).trim();
            let image = image.trim_matches(['[', ']', '"', '\'']);
            let mut one = node.clone();
            one.value = Value::Text(image.into(), Style::Quoted);
            one.at = at;
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
    // What comes behind it where it is a part of one, or serves them, and images of other kinds.
    const OTHERS: &[&str] = &[
        "REGISTRY",
        "REGISTRIES",
        "REPO",
        "SERVICE",
        "DIR",
        "HOST",
        "PORT",
        "TAG",
        "PULL",
        "PATH",
        "PROXY",
        "BASE64",
        "BUCKET",
        "CDN",
        "ENDPOINT",
        "FORMAT",
        "KIT",
        "NAMESPACE",
        "PREFIX",
        "QUALITY",
        "SIZE",
        "UPLOAD",
    ];
    // Operators have those that they make pods of under names of this kind, whatever comes behind it.
    let is_related = name.starts_with("RELATED_IMAGE_");
    let behind = name.rsplit_once("IMAGE").map(|(_, behind)| behind);
    behind.is_some_and(|behind| {
        !name.contains(|c: char| c.is_ascii_lowercase())
            && (is_related || !behind.split('_').any(|word| OTHERS.iter().any(|other| word.starts_with(other))))
    })
}

/// What arguments and variables name is started by the program that reads them.
pub(super) fn mentions(container: &Node, sink: &mut Sink) {
    let mut before: HashMap<&str, Node> = HashMap::new();
    let variables = container.get("env").map(Node::items).unwrap_or_default();
    for variable in variables {
        let name = variable.str_at(&["name"]);
        let is_named = is_variable_of_image(&name.to_ascii_uppercase());
        let Some(value) = variable.get("value") else { continue };
        let value = &filled_by(value, &before);
        before.extend(Some(name).filter(|name| !name.is_empty()).zip(Some(value.clone())));
        let text = value.as_str().unwrap_or_default();
        let is_list = text.starts_with('[') && text.ends_with(']');
        if is_named && (is_list || text.contains(['\n', ','])) && !text.contains(DOCKER) {
            if !workload::manifests(value, sink) || is_list {
                listed(value, sink);
            }
        } else if text.contains('\n') || text.starts_with('{') || is_list {
            workload::text(value, sink);
        } else if text.contains(DOCKER) {
            docker(value, sink);
        } else if is_named && name.to_ascii_uppercase().ends_with("IMAGE") && workload::is_bare(text) {
            sink.closed(text, Confidence::Unresolved, value.places().collect(), workload::LIKELY);
        } else if is_named {
            sink.plausible(value);
        } else if value.as_str().is_some_and(sink::is_literal) {
            sink.image(value, Trust::Inferred);
        }
    }
    for name in variables.iter().map(|variable| variable.str_at(&["name"])) {
        in_parts(name, &before, sink);
    }
    for key in ["args", "command"] {
        let arguments = container.get(key).map(Node::items).unwrap_or_default();
        let arguments: Vec<Node> = arguments.iter().map(|argument| filled_by(argument, &before)).collect();
        let mut before = "";
        for argument in &arguments {
            let Some(text) = argument.as_str() else { continue };
            let (option, value) = text.split_once('=').unwrap_or((before, text));
            before = text;
            if is_made(option) || workload::manifests(argument, sink) {
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
                literals(text).for_each(|value| say(value, false));
            } else if value.len() < text.len() || !text.starts_with('-') {
                value.split(',').for_each(|value| say(value, is_option_of_image(option)));
            }
        }
    }
}

// An image whose name and tag are variables of their own.
fn in_parts(name: &str, variables: &HashMap<&str, Node>, sink: &mut Sink) {
    let Some(stem) =
        name.strip_suffix("_REPOSITORY").filter(|stem| ["IMAGE", "CONTAINER"].iter().any(|word| stem.contains(word)))
    else {
        return;
    };
    if let (Some(name), Some(tag)) = (variables.get(name), variables.get(format!("{stem}_TAG").as_str())) {
        helm::compose(None, name, Some(tag), None, sink);
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
    // What an option says behind it where it is of something else.
    const OTHERS: &[&str] = &[
        "bucket", "dir", "format", "gc", "path", "policy", "prefix", "proxy", "pull", "quality", "registry", "repo",
        "secret", "size", "stream",
    ];
    let option = option.to_ascii_lowercase();
    let behind = option.rsplit_once("image").filter(|_| option.starts_with('-')).map(|(_, behind)| behind);
    behind.is_some_and(|behind| !OTHERS.iter().any(|other| behind.contains(other)))
}

// Whether what an option names is made, and not run.
fn is_made(option: &str) -> bool {
    matches!(option.trim_start_matches('-'), "destination" | "cache-repo" | "cache-to" | "tag" | "push")
}

/// Images that stand literally in commands, but for those that they make.
pub(super) fn literals(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split_whitespace().map(|word| word.trim_matches(['"', '\'', ';', '(', ')', '`', ',']));
    let pairs = std::iter::once("").chain(words.clone()).zip(words);
    pairs.filter_map(|(before, word)| {
        let (option, value) = word.split_once('=').unwrap_or((before, word));
        (!is_made(option) && sink::is_literal(value)).then_some(value)
    })
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

// An object whose images are those that an image stream has by then: by a trigger, or because the stream's name is looked up.
fn streamed(object: &Node, sink: &Sink) -> Option<Node> {
    let triggers = object.at_path(&["metadata", "annotations", "image.openshift.io/triggers"]).map(yaml::within);
    let triggers = triggers.iter().flat_map(|parsed| &parsed.docs).flat_map(Node::items);
    let named: Vec<&str> = triggers
        .filter(|trigger| trigger.str_at(&["from", "kind"]) == "ImageStreamTag")
        .map(|trigger| trigger.str_at(&["from", "name"]))
        .collect();
    if named.is_empty() && sink.streams.is_empty() {
        return None;
    }
    let is_streamed = |text: &str| named.contains(&text) || sink.streams.contains(reference::split(text).0);
    let mut object = object.clone();
    let spec = object.get_mut("spec")?.get_mut("template")?.get_mut("spec")?;
    for containers in ["containers", "initContainers"] {
        let Some(Value::List(items)) = spec.get_mut(containers).map(|node| &mut node.value) else { continue };
        for image in items.iter_mut().filter_map(|item| item.get_mut("image")) {
            if image.as_str().is_some_and(is_streamed) {
                image.trust = Trust::Unresolved;
            }
        }
    }
    Some(object)
}
