//! The shapes in which charts take images in their values.

mod named;

use std::collections::{HashMap, HashSet};

use super::node::{Node, Style, Trust, Value};
use super::reference;
use super::sink::Hit;
use super::sink::{self, Sink};
use super::{Class, Confidence};
use super::{patch, pod, workload, yaml};

pub(super) use named::{chart, embedded, fleet};

/// What is said of a chart that is not in the tree.
pub(super) const UNSEEN: &str = "a chart, whose own images cannot be seen";
/// What is said of values that are not in the tree.
pub(super) const UNSEEN_VALUES: &str = "values that cannot be seen, which may name other images";
/// What is said of values in several documents.
pub(super) const SEVERAL: &str = "values in several documents, of which some versions of Helm read the first one only";
/// What is said of an image whose tag nobody gives.
pub(super) const NO_TAG: &str = "the chart chooses its tag";
const TAGS: &[&str] = &["tag", "imageTag"];
// Where the image is that is named beside it.
const BESIDE: &[&str] = &["registry", "imageRegistry", "hub"];
const DIGESTS: &[&str] = &["digest", "imageDigest", "sha"];
// From here on keys are looked up by hash.
const MANY: usize = 24;

/// Whether a key is one under which an image is named.
pub(super) fn is_image_key(key: &str) -> bool {
    // `imageEnvoy` is one, and `imageTag` a part of one.
    const PARTS: &[&str] =
        &["Pull", "Tag", "Reg", "Repo", "Version", "Digest", "Policy", "Secret", "Cred", "Host", "Type", "Size"];
    let is_of = |rest: &str| {
        rest.starts_with(|c: char| c.is_ascii_uppercase()) && !PARTS.iter().any(|part| rest.starts_with(part))
    };
    const SUFFIXES: &[&str] = &["Image", "ImageUrl", "ImageURL", "ImageURI", "ImageUri"];
    matches!(key, "image" | "imageName" | "baseImage" | "imageRef" | "dockerImage")
        || key.strip_prefix("image").is_some_and(is_of)
        || SUFFIXES.iter().any(|suffix| key.ends_with(suffix))
        || key.ends_with("ImageName")
        || key.ends_with("_image")
        || (key.starts_with("image_") && !key.contains("pull"))
}

/// Finds the images that values name.
pub(super) fn values(values: &Node, sink: &mut Sink) {
    walk(values, "", Above { top: scalar(values, "registry"), ..Above::default() }, sink);
}

/// What values say above an image of where images are.
#[derive(Clone, Copy, Default)]
pub(super) struct Above<'a> {
    // For every image.
    global: Option<&'a Node>,
    // For those that only have a name.
    top: Option<&'a Node>,
    // For those that are only a name, with the tag of all of them.
    hub: Option<(&'a Node, &'a Node)>,
}

/// Whether a part of values is switched off, and so not deployed. A template takes "false" in quotes for a text, and so for
/// true.
pub(super) fn is_off(node: &Node) -> bool {
    let word = node.get("enabled").map(|node| &node.value);
    matches!(word, Some(Value::Text(text, Style::Plain)) if matches!(&**text, "false" | "False" | "FALSE"))
}

// Whether a key has what objects and nodes are chosen by, which names no image.
fn is_of_choice(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    // Images of disks are none of containers.
    matches!(&*key, "rbd" | "cephfs" | "iscsi")
        || ["nodeselector", "tolerations", "affinity", "labels", "annotations"].iter().any(|word| key.contains(word))
}

fn walk(node: &Node, key: &str, above: Above<'_>, sink: &mut Sink) {
    match &node.value {
        Value::Map(entries) => {
            if is_off(node) {
                return;
            }
            // Charts within charts may have one of their own.
            let of_all = |key: &str| node.get("global").and_then(|global| scalar(global, key));
            let hub = of_all("hub").zip(of_all("tag")).or(above.hub);
            let above = Above { global: of_all("imageRegistry").or(above.global), hub, ..above };
            // An object, or values that are called like one.
            if workload::is_object(node) {
                workload::lowered(node, sink);
                if node.kind() == "CustomResourceDefinition" {
                    return;
                }
            }
            let lookup = Lookup::of(node);
            let used = shape(&lookup, key, above, sink);
            for (name, child) in entries {
                if used.contains(&**name) || is_of_choice(name) {
                    continue;
                }
                match &child.value {
                    Value::Text(text, _) if is_image_key(name) || (key == "images" && is_listed(name, text)) => {
                        named(&lookup, name, (child, text), above, sink)
                    }
                    Value::Text(text, _) if sink::is_literal(text) => sink.image(child, Trust::Inferred),
                    Value::Text(text, _) if text.starts_with("oci://") => sink.artifact(child),
                    Value::Text(..) if pod::is_variable_of_image(name) => sink.plausible(child),
                    Value::Text(..) => workload::text(child, sink),
                    _ => walk(child, name, above, sink),
                }
            }
        }
        Value::List(items) => {
            for item in items {
                match &item.value {
                    Value::Text(text, style) => {
                        let value = text.split_once('=').map_or(&**text, |(_, value)| value);
                        if sink::is_literal(value) {
                            let mut bare = item.clone();
                            bare.value = Value::Text(value.into(), *style);
                            sink.image(&bare, Trust::Inferred);
                        } else {
                            workload::text(item, sink);
                        }
                    }
                    _ => walk(item, key, above, sink),
                }
            }
        }
        _ => {}
    }
}

// Whether a text in a list or mapping of images is one, and not a part of all of them.
fn is_listed(name: &str, text: &str) -> bool {
    let is_part = TAGS.contains(&name) || DIGESTS.contains(&name) || BESIDE.contains(&name);
    !is_part && (matches!(name, "name" | "repository" | "image") || text.contains('/') || reference::is_pinned(text))
}

// `image: x:y`, or `image: x` beside a tag.
fn named(parent: &Lookup<'_>, key: &str, (node, text): (&Node, &str), above: Above<'_>, sink: &mut Sink) {
    if text.is_empty() || text.contains("://") {
        return;
    }
    if reference::is_pinned(text) || sink::is_open(text) {
        let digest = DIGESTS
            .iter()
            .filter(|_| !text.contains('@'))
            .find_map(|digest| parent.scalar(digest))
            .map(|(_, node)| node);
        match digest {
            Some(_) => compose(None, node, None, digest, sink),
            None => sink.plausible(node),
        }
        return;
    }
    let own = of_image(key);
    let tag = TAGS
        .iter()
        .copied()
        .chain(own.iter().map(String::as_str))
        .find_map(|tag| parent.scalar(tag))
        .map(|(_, node)| node);
    let digest = DIGESTS.iter().find_map(|digest| parent.scalar(digest)).map(|(_, node)| node);
    if let (None, None, Some((hub, tag)), "image") = (tag, digest, above.hub, key)
        && !text.contains('/')
    {
        compose(Some(hub), node, Some(tag), None, sink);
    } else if tag.is_some() || digest.is_some() || text.contains('/') {
        let registry = BESIDE
            .iter()
            .filter(|_| !reference::has_host(text))
            .find_map(|key| parent.scalar(key))
            .map(|(_, node)| node);
        compose(registry, node, tag, digest, sink);
    }
}

// The keys beside a key with an image that have its tag.
fn of_image(key: &str) -> Vec<String> {
    let without = |text: &str, ends: &[&str]| ends.iter().find_map(|end| text.strip_suffix(end)).map(str::to_owned);
    let stem = without(key, &["Name", "_name", "_repository", "_repo"]).unwrap_or_else(|| key.to_owned());
    let base = without(&stem, &["Image", "_image"]).filter(|base| !base.is_empty());
    let of = |stem: String| ["Tag", "Version", "_tag", "_version"].map(|suffix| format!("{stem}{suffix}"));
    [Some(stem), base].into_iter().flatten().flat_map(of).collect()
}

/// Finds an image in a mapping that names its parts; gives the keys that were used.
pub(super) fn shape<'a>(lookup: &Lookup<'a>, key: &str, above: Above<'_>, sink: &mut Sink) -> HashSet<&'a str> {
    let (map, is_image) = (lookup.map, is_image_key(key));
    let mut used = HashSet::new();
    let has = |name: &str| lookup.get(name).is_some();
    let is_told = is_image
        || TAGS.iter().chain(DIGESTS).any(|tag| has(tag))
        || has("registry")
        || has("pullPolicy")
        || has("imagePullPolicy");
    used.extend(in_parts(lookup, sink));
    if !used.is_empty() {
        return used;
    }
    let names: &[&str] =
        if is_image { &["repository", "repo", "name", "imageName", "image", "url"] } else { &["repository"] };
    let repository = names.iter().filter(|_| is_told).find_map(|name| lookup.scalar(name));
    if let Some((name, repository)) =
        repository.filter(|(name, node)| *name != "image" || !sink::is_open(node.as_str().unwrap_or_default()))
    {
        let mut tags: Vec<&str> = TAGS.to_vec();
        if is_image || has("registry") {
            tags.push("version");
        }
        let tag = tags.iter().find_map(|tag| lookup.scalar(tag));
        let digest = DIGESTS.iter().find_map(|digest| lookup.scalar(digest));
        let text = repository.as_str().unwrap_or_default();
        // A name alone may be the name of anything.
        if name == "repository" || tag.is_some() || digest.is_some() || reference::has_host(text) {
            let registries = ["registry", "containerRegistry", "defaultRegistry"];
            let registry = registries.iter().find_map(|key| lookup.scalar(key));
            let global = above.global.filter(|_| registry.is_some() || !reference::has_host(text));
            let top = above.top.filter(|_| name == "name" && !text.contains('/'));
            let registry_node = global.or(registry.map(|(_, node)| node)).or(top);
            // What is there and empty is filled in by the chart, and stands before the name.
            let is_part = registry_node.is_none() && name == "name" && (has("registry") || has("repository"));
            let mut whole = repository.clone();
            if is_part && !reference::has_host(text) {
                whole.rewrite(&format!("?/{text}"), []);
            }
            compose(registry_node, &whole, tag.map(|(_, node)| node), digest.map(|(_, node)| node), sink);
            used.extend(
                [Some(name), registry.map(|(name, _)| name), tag.map(|(name, _)| name), digest.map(|(name, _)| name)]
                    .into_iter()
                    .flatten(),
            );
        }
    }
    if let (true, None, Some(registry)) = (is_image, repository, lookup.scalar("registry")) {
        let tag = TAGS.iter().find_map(|tag| lookup.scalar(tag));
        let digest = DIGESTS.iter().find_map(|digest| lookup.scalar(digest));
        if tag.is_some() || digest.is_some() {
            let text = registry.1.as_str().unwrap_or_default().trim_end_matches('/');
            let mut name = registry.1.clone();
            // A host alone is where the chart's own image is.
            name.rewrite(&if text.contains('/') { text.to_owned() } else { format!("{text}/?") }, []);
            compose(None, &name, tag.map(|(_, node)| node), digest.map(|(_, node)| node), sink);
            used.extend([Some(registry), tag, digest].into_iter().flatten().map(|(name, _)| name));
        }
    }
    // `fooImage` beside `fooImageTag`.
    for (name, node) in map.entries() {
        if !is_image_key(name) || used.contains(&**name) {
            continue;
        }
        let is_beside = &**name == "baseImage" || (&**name == "image" && has("registry"));
        let is_only = matches!(&**name, "containerImage" | "imageName" | "dockerImage");
        let of_base = [("tag", is_beside || is_only), ("version", is_beside)];
        let of_base = of_base.iter().filter(|(_, is_its)| *is_its).map(|(tag, _)| tag);
        let tag = of_image(name).iter().map(String::as_str).chain(of_base.copied()).find_map(|tag| lookup.scalar(tag));
        if let (Some(text), Some(tag)) = (node.as_str(), tag)
            && text.contains('/')
            && !reference::is_pinned(text)
            && !sink::is_open(text)
        {
            let beside = if matches!(&**name, "image" | "imageName") { BESIDE } else { &[] };
            let registry = beside.iter().filter(|_| !reference::has_host(text)).find_map(|key| lookup.scalar(key));
            compose(registry.map(|(_, node)| node), node, Some(tag.1), None, sink);
            used.extend([&**name, tag.0]);
            used.extend(registry.map(|(key, _)| key));
        }
    }
    // An artifact, and which one of it.
    if let (Some(url), Some(version)) = (lookup.scalar("url"), lookup.scalar("ref").or_else(|| lookup.scalar("tag")))
        && let Some(name) = url.1.as_str().and_then(|text| text.strip_prefix("oci://"))
        && !reference::is_pinned(name)
    {
        let mut node = url.1.clone();
        let whole = reference::join(name.trim_end_matches('/'), version.1.as_str(), None);
        node.rewrite(&whole, version.1.places());
        node.trust = node.trust.max(version.1.trust);
        sink.image_of(Class::Oci, &node, Trust::Inferred, None);
        used.extend([url.0, version.0]);
    }
    // `fooImageRepository` beside `fooImageTag`.
    for (name, node) in map.entries() {
        let stem = name.strip_suffix("Repository").or_else(|| name.strip_suffix("Repo"));
        let is_told = |stem: &&str| stem.ends_with("mage") || (!stem.is_empty() && has(&format!("{stem}Tag")));
        let Some(stem) = stem.filter(is_told) else { continue };
        if node.as_str().is_some_and(|text| !text.is_empty()) {
            let part = |suffix: &str| lookup.scalar(&format!("{stem}{suffix}"));
            let (registry, digest) = (part("Registry"), part("Digest"));
            let tag = part("Tag").or_else(|| part("Version"));
            let of = |found: Option<(&'a str, &'a Node)>| found.map(|(_, node)| node);
            let mut node = node.clone();
            if stem == "defaultImage" {
                // It is for images whose names only the chart knows.
                let whole = format!("{}/?", node.as_str().unwrap_or_default().trim_end_matches('/'));
                node.rewrite(&whole, []);
            }
            compose(of(registry), &node, of(tag), of(digest), sink);
            used.insert(name);
            used.extend([registry, tag, digest].into_iter().flatten().map(|(name, _)| name));
        }
    }
    used
}

// `image` without a path, in the `repository` beside it; gives the keys that were used.
fn in_parts<'a>(lookup: &Lookup<'a>, sink: &mut Sink) -> Vec<&'a str> {
    let Some(above) = lookup.scalar("repository") else { return Vec::new() };
    let registry = lookup.scalar("registry");
    let folder = above.1.as_str().unwrap_or_default();
    let is_folder = registry.is_some() && !folder.contains('/');
    // A host alone is the registry, whatever it is called.
    let is_host = !folder.contains('/') && folder.contains(['.', ':']) && reference::is_host_name(folder);
    let inner = lookup.scalar("image").or_else(|| lookup.scalar("name").filter(|_| is_folder));
    let Some(name) = inner else { return Vec::new() };
    let text = name.1.as_str().unwrap_or_default();
    let is_whole = above.1.as_str().and_then(|above| above.strip_suffix(text)).is_some_and(|rest| rest.ends_with('/'));
    let tag = TAGS.iter().chain(&["version"]).find_map(|tag| lookup.scalar(tag));
    let digest = DIGESTS.iter().find_map(|digest| lookup.scalar(digest));
    let is_bare = tag.is_none() && digest.is_none() && !is_folder;
    let is_path = text.contains('/') && !is_host;
    if is_path || text.contains([':', '@']) || sink::is_open(text) || is_whole || is_bare {
        return Vec::new();
    }
    let of = |found: Option<(&'a str, &'a Node)>| found.map(|(_, node)| node);
    let mut folder = above.1.clone();
    if let Some((host, node)) = registry.and_then(|(_, node)| Some((node.as_str()?, node))).filter(|_| is_folder) {
        let whole = format!("{host}/{}", folder.as_str().unwrap_or_default());
        folder.rewrite(&whole, node.places());
    }
    compose(Some(&folder), name.1, of(tag), of(digest), sink);
    [registry, Some(above), Some(name), tag, digest].into_iter().flatten().map(|(name, _)| name).collect()
}

/// The text at a key, if there is one.
pub(super) fn scalar<'a>(map: &'a Node, key: &str) -> Option<&'a Node> {
    map.get(key).filter(|node| is_text(node))
}

fn is_text(node: &Node) -> bool {
    node.as_str().is_some_and(|text| !text.is_empty())
}

/// A mapping in which many keys are looked up, by hash where it is large.
pub(super) struct Lookup<'a> {
    map: &'a Node,
    index: HashMap<&'a str, usize>,
}

impl<'a> Lookup<'a> {
    /// Of this mapping.
    pub(super) fn of(map: &'a Node) -> Self {
        let is_large = map.entries().len() > MANY;
        let entries = map.entries().iter().enumerate().filter(|_| is_large);
        Self { map, index: entries.map(|(at, (name, _))| (&**name, at)).collect() }
    }

    fn get(&self, key: &str) -> Option<(&'a str, &'a Node)> {
        let entries = self.map.entries();
        let entry = if self.index.is_empty() {
            entries.iter().find(|(name, _)| &**name == key)
        } else {
            self.index.get(key).and_then(|at| entries.get(*at))
        };
        entry.map(|(name, node)| (&**name, node))
    }

    fn scalar(&self, key: &str) -> Option<(&'a str, &'a Node)> {
        self.get(key).filter(|(_, node)| is_text(node))
    }
}

/// One image out of its parts.
pub(super) fn compose(
    registry: Option<&Node>,
    repository: &Node,
    tag: Option<&Node>,
    digest: Option<&Node>,
    sink: &mut Sink,
) {
    let text = |node: Option<&Node>| {
        node.and_then(Node::as_str).map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let Some(mut name) = text(Some(repository)) else { return };
    // A host alone is where images are, and none.
    if registry.is_none() && name.contains('.') && !name.contains(['/', '$', '{']) {
        return;
    }
    if let Some(registry) = text(registry) {
        name = format!("{}/{}", registry.trim_end_matches('/'), name);
    }
    let (mut note, mut is_garbled) = (None, false);
    let mut tag_text = text(tag);
    if let Some(Node { value: Value::Text(text, Style::Plain), .. }) = tag
        && let Some(number) = as_number(text)
    {
        note = Some(format!("the tag {text} is a number without quotes, which charts may see as {number}: quote it"));
        // What no tag can be is told by what stands there, and is not taken for it.
        is_garbled = number.contains('+');
        if !is_garbled {
            tag_text = Some(number);
        }
    }
    // What YAML 1.1 takes for true or false is printed so.
    if let Some(Node { value: Value::Text(text, Style::Plain), .. }) = tag
        && let Some(truth) = yaml::as_truth(text).map(|truth| truth.to_string()).filter(|truth| **truth != **text)
    {
        note = Some(format!("the tag {text} is no text without quotes, and charts see it as {truth}: quote it"));
        tag_text = Some(truth);
    }
    let mut digest_text = text(digest);
    if let Some(digest) = digest_text.as_mut().filter(|digest| !digest.contains(':') && digest.len() == 64) {
        *digest = format!("sha256:{digest}");
    }
    if let Some(pinned) = tag_text.as_ref().filter(|tag| tag.starts_with("sha256:")) {
        digest_text = Some(pinned.clone());
        tag_text = None;
    }
    // A tag may have a digest of its own, which a chart might write twice.
    if let (Some((plain, pinned)), Some(digest)) =
        (tag_text.clone().as_deref().and_then(|tag| tag.split_once('@')), &mut digest_text)
    {
        is_garbled |= *digest != pinned;
        (tag_text, *digest) = (Some(plain.to_owned()), pinned.to_owned());
    }
    let nodes = || [registry, Some(repository), tag, digest].into_iter().flatten();
    let places = nodes().flat_map(Node::places).collect();
    let trust = nodes().map(|node| node.trust).max().unwrap_or(Trust::Certain).max(Trust::Inferred);
    let is_bare = tag_text.is_none() && digest_text.is_none() && !reference::is_pinned(&name);
    let whole = reference::join(&name, tag_text.as_deref(), digest_text.as_deref());
    if name.contains("://") || (!sink::is_open(&whole) && reference::normalise(&whole).is_none()) {
        return;
    }
    let (reference, confidence) = match reference::normalise(&whole) {
        _ if sink::is_open(&whole) => (whole, Confidence::Unresolved),
        Some(known) if is_bare => (format!("{}:?", known.text.trim_end_matches(":latest")), Confidence::Unresolved),
        Some(known) if is_garbled => (known.text, Confidence::Unresolved),
        Some(known) => (known.text, Confidence::from(trust)),
        None => return,
    };
    if is_bare {
        note = Some(NO_TAG.to_owned());
    }
    sink.push(Hit { class: Class::Image, reference, confidence, places, note });
}

/// What a YAML number without quotes turns into on the way through JSON into a template of Go, where that is another text.
pub(super) fn as_number(text: &str) -> Option<String> {
    let plain = text.replace('_', "");
    let digits = plain.strip_prefix(['-', '+']).unwrap_or(&plain);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') || !digits.contains(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let lower = digits.to_ascii_lowercase();
    let based = [("0x", 16), ("0b", 2), ("0o", 8), ("0", 8)]
        .into_iter()
        .find_map(|(prefix, base)| i64::from_str_radix(lower.strip_prefix(prefix)?, base).ok());
    let number = match based {
        Some(number) if plain.starts_with('-') => -(number as f64),
        Some(number) => number as f64,
        None => plain.parse::<f64>().ok().filter(|number| number.is_finite())?,
    };
    let shown = shown(number);
    (shown != text).then_some(shown)
}

// As Go's `%v` writes a float64.
fn shown(number: f64) -> String {
    let short = format!("{number:e}");
    let exponent = short.split_once('e').and_then(|(_, exponent)| exponent.parse::<i32>().ok()).unwrap_or_default();
    if (-4..6).contains(&exponent) {
        return number.to_string();
    }
    let (mantissa, _) = short.split_once('e').unwrap_or((&short, ""));
    format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

/// A mapping with one value at a dotted path.
pub(super) fn nested(path: &str, value: Node) -> Node {
    // What is deeper than that is no value of any chart.
    let path = if path.matches('.').count() > patch::MAX_STEPS { "" } else { path };
    path.split('.').rev().fold(value, |value, key| Node::new(value.at, Value::Map(vec![(key.into(), value)])))
}

#[cfg(test)]
mod tests {
    use super::as_number;

    #[test]
    fn numbers_are_what_a_template_prints() {
        // As helm 4.1.4 prints them.
        for (text, shown) in [
            ("20240101", Some("2.0240101e+07")),
            ("012", Some("10")),
            ("1e3", Some("1000")),
            ("0x1F", Some("31")),
            ("1_000", Some("1000")),
            ("1.10", Some("1.1")),
            ("089", Some("89")),
            ("1000000", Some("1e+06")),
            ("123456", None),
            ("16", None),
            ("0", None),
            ("1.2.3", None),
            ("1-alpine", None),
            ("nan", None),
            ("v1", None),
        ] {
            assert_eq!(as_number(text).as_deref(), shown, "{text}");
        }
    }
}
