//! A folder as kustomize builds it: resources and bases, components, generators, patches, images, replacements, in its order.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use regex_lite::Regex;

use super::generate;
use super::node::{At, Node, Value};
use super::patch;
use super::replace;
use super::retag::{self, Retag};
use super::sink::{Hit, Sink};
use super::tree::{self, Tree};
use super::{Class, Confidence, yaml};

// Deepest chain of bases.
const MAX_DEPTH: usize = 60;
// Most objects of one build, and of all together.
const MAX_OBJECTS: usize = 100_000;
const MAX_WORK: usize = 20_000_000;
// Most entries of one list of images.
const MAX_IMAGES: usize = 5000;

/// An object with the names that it had on the way.
#[derive(Debug, Clone)]
pub(super) struct Resource {
    /// The object, shared with the builds that do not change it.
    pub(super) node: Arc<Node>,
    /// Names that prefixes and suffixes gave it, the last one last.
    pub(super) names: Vec<String>,
    /// Namespaces that it was put into.
    pub(super) namespaces: Vec<String>,
}

impl Resource {
    /// An object as it is written.
    pub(super) fn new(node: Arc<Node>) -> Self {
        Self { node, names: Vec::new(), namespaces: Vec::new() }
    }

    /// Every name.
    pub(super) fn all_names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.node.name()).chain(self.names.iter().map(String::as_str))
    }

    /// Whether it has a kind and, at some time, a name.
    pub(super) fn is(&self, kind: &str, name: &str) -> bool {
        self.node.kind() == kind && self.all_names().any(|own| own == name)
    }

    /// The namespace that it ends in; empty if nobody says.
    pub(super) fn namespace(&self) -> &str {
        self.namespaces.last().map_or_else(|| self.node.namespace(), String::as_str)
    }
}

/// What a folder builds.
#[derive(Debug, Clone, Default)]
pub(super) struct Built {
    /// Its objects.
    pub(super) resources: Vec<Resource>,
    /// What could not be looked into, and what is known all the same.
    pub(super) closed: Vec<Hit>,
    /// Whether a part of it comes from elsewhere.
    pub(super) is_remote: bool,
}

/// What somebody adds to the kustomization of a folder.
#[derive(Debug, Clone, Default)]
pub(super) struct Extra {
    /// Further patches.
    pub(super) patches: Vec<Node>,
    /// Further images; one of the same name displaces the folder's own.
    pub(super) images: Vec<Node>,
    /// Further components.
    pub(super) components: Vec<Node>,
    /// The namespace.
    pub(super) namespace: Option<String>,
    /// Whether a folder without a kustomization file is only what stands in it, and not what stands below.
    pub(super) is_flat: bool,
}

/// Builds folders, each once.
pub(super) struct Kustomizer<'a> {
    /// The files.
    pub(super) tree: &'a Tree<'a>,
    /// Files that were used.
    pub(super) used: HashSet<u32>,
    cache: HashMap<String, Rc<Built>>,
    building: Vec<String>,
    work: usize,
}

impl<'a> Kustomizer<'a> {
    /// Nothing is built yet.
    pub(super) fn new(tree: &'a Tree<'a>) -> Self {
        let (used, cache, building) = (HashSet::new(), HashMap::new(), Vec::new());
        Self { tree, used, cache, building, work: 0 }
    }

    /// What a folder with a kustomization file builds.
    pub(super) fn build(&mut self, folder: &str) -> Rc<Built> {
        if let Some(built) = self.cache.get(folder) {
            return Rc::clone(built);
        }
        let built = Rc::new(self.build_with(folder, &Extra::default()));
        self.cache.insert(folder.to_owned(), Rc::clone(&built));
        built
    }

    /// The same with what somebody adds; a folder without a kustomization file is all its files.
    pub(super) fn build_with(&mut self, folder: &str, extra: &Extra) -> Built {
        let mut built = Built::default();
        match self.tree.kustomization(folder) {
            Some(file) => self.layer(folder, file, extra, &mut built),
            None => {
                self.everything(folder, extra.is_flat, &mut built);
                let none = Node::new(At { file: 0, line: 1 }, Value::Map(Vec::new()));
                self.finish(folder, &none, extra, &mut built);
            }
        }
        built
    }

    // All manifests below a folder, and what has a kustomization file as that says.
    fn everything(&mut self, folder: &str, is_flat: bool, built: &mut Built) {
        let mut done: Option<&str> = None;
        for (file, name) in self.tree.below(folder) {
            if done.is_some_and(|done| crate::domain::path::is_within(name, done)) {
                continue;
            }
            let mut parent = tree::folder_of(name);
            if is_flat && parent != folder {
                continue;
            }
            let mut nearest = None;
            while parent.len() > folder.len() {
                if self.tree.kustomization(parent).is_some() {
                    nearest = Some(parent);
                }
                parent = tree::folder_of(parent);
            }
            if let Some(inner) = nearest {
                done = Some(inner);
                self.include(inner, At { file, line: 1 }, built);
            } else if name.ends_with(".yaml") || name.ends_with(".yml") {
                self.take(file, built);
            }
        }
    }

    fn layer(&mut self, folder: &str, file: u32, extra: &Extra, built: &mut Built) {
        self.used.insert(file);
        let at = At { file, line: 1 };
        if self.building.iter().any(|name| name == folder) || self.building.len() >= MAX_DEPTH {
            let why = "kustomize cannot build it: it contains itself, or is too deep";
            return self.close(folder, Confidence::Unreadable, at, why, built);
        }
        if let Some(fault) = self.tree.fault(file) {
            let line = fault.line;
            return self.close(
                self.tree.name(file),
                Confidence::Unreadable,
                At { file, line },
                &fault.why.clone(),
                built,
            );
        }
        let Some(doc) = self.tree.docs(file).first().map(Arc::clone) else { return };
        self.building.push(folder.to_owned());
        for entry in ["resources", "bases"].iter().filter_map(|key| doc.get(key)).flat_map(Node::items) {
            self.resource(folder, entry, built);
        }
        for entry in doc.get("components").into_iter().flat_map(Node::items) {
            self.component(folder, entry, built);
        }
        self.finish(folder, &doc, extra, built);
        self.building.pop();
    }

    fn component(&mut self, folder: &str, entry: &Node, built: &mut Built) {
        let Some(path) = entry.as_str() else { return };
        let component = tree::join(folder, path).and_then(|path| Some((self.tree.kustomization(&path)?, path)));
        match component {
            Some((file, path)) => self.layer(&path, file, &Extra::default(), built),
            None => self.elsewhere(path, entry.at, built),
        }
    }

    // What comes after the resources and the folder's own components are there.
    fn finish(&mut self, folder: &str, doc: &Node, extra: &Extra, built: &mut Built) {
        for entry in &extra.components {
            self.component(folder, entry, built);
        }
        generate::run(self, folder, doc, built);
        self.patches(folder, doc, extra, built);
        self.rename(doc, extra, built);
        self.images(folder, doc, extra, built);
        replace::run(self, folder, doc, built);
    }

    fn resource(&mut self, folder: &str, entry: &Node, built: &mut Built) {
        let Some(path) = entry.as_str() else { return };
        match tree::join(folder, path) {
            Some(path) if self.tree.kustomization(&path).is_some() => self.include(&path, entry.at, built),
            Some(path) if self.tree.number(&path).is_some() => {
                if let Some(file) = self.tree.number(&path) {
                    self.take(file, built);
                }
            }
            _ => self.elsewhere(path, entry.at, built),
        }
    }

    fn include(&mut self, folder: &str, at: At, built: &mut Built) {
        let inner = self.build(folder);
        self.work += inner.resources.len();
        if built.resources.len() + inner.resources.len() > MAX_OBJECTS || self.work > MAX_WORK {
            return self.close(folder, Confidence::Unreadable, at, "it builds too much", built);
        }
        built.resources.extend(inner.resources.iter().cloned());
        built.closed.extend(inner.closed.iter().cloned());
        built.is_remote |= inner.is_remote;
    }

    /// Adds the objects of a file.
    pub(super) fn take(&mut self, file: u32, built: &mut Built) {
        self.used.insert(file);
        self.work += self.tree.docs(file).len();
        if self.work > MAX_WORK {
            let name = self.tree.name(file);
            return self.close(name, Confidence::Unreadable, At { file, line: 1 }, "it builds too much", built);
        }
        for doc in self.tree.docs(file) {
            let is_list =
                doc.kind().ends_with("List") && doc.get("items").is_some_and(|items| !items.items().is_empty());
            if is_list {
                let items = doc.get("items").map(Node::items).unwrap_or_default();
                built.resources.extend(items.iter().map(|item| Resource::new(Arc::new(item.clone()))));
            } else if !doc.kind().is_empty() {
                built.resources.push(Resource::new(Arc::clone(doc)));
            }
        }
        if self.tree.fault(file).is_some() {
            super::text::broken(self.tree, file, &mut built.closed);
        }
    }

    // A resource that is not in the tree.
    fn elsewhere(&mut self, path: &str, at: At, built: &mut Built) {
        built.is_remote = true;
        let is_remote = path.contains("://") || path.contains("?ref=") || path.starts_with("git@") || {
            let host = path.split('/').next().unwrap_or_default();
            host.contains('.') && !host.starts_with('.') && path.matches('/').count() > 1
        };
        let (confidence, why) = if is_remote {
            (Confidence::Opaque, "a base in another repository")
        } else {
            (Confidence::Unreadable, "kustomize cannot build it: this is not in the tree")
        };
        self.close(path, confidence, at, why, built);
    }

    /// Notes what could not be looked into.
    pub(super) fn close(&self, what: &str, confidence: Confidence, at: At, why: &str, built: &mut Built) {
        let mut sink = Sink::default();
        sink.closed(what, confidence, vec![at], why);
        built.closed.extend(sink.hits());
    }

    /// Notes what kustomize refuses, unless that may be in what cannot be seen.
    pub(super) fn unbuildable(&self, what: &str, at: At, why: &str, built: &mut Built) {
        if !built.is_remote {
            self.close(what, Confidence::Unreadable, at, &format!("kustomize cannot build it: {why}"), built);
        }
    }

    /// The documents of a text within a file, or of the file that an entry names.
    pub(super) fn inner(
        &mut self,
        folder: &str,
        inline: Option<&Node>,
        path: Option<&Node>,
        built: &mut Built,
    ) -> Vec<Arc<Node>> {
        if let Some(text) = inline
            && let Some(yaml) = text.as_str()
        {
            let parsed = yaml::parse(yaml.as_bytes(), text.at.file, text.at.line);
            if let Some(fault) = parsed.fault {
                let at = At { file: text.at.file, line: fault.line };
                self.close("patch", Confidence::Unreadable, at, &fault.why, built);
            }
            return parsed.docs.into_iter().map(Arc::new).collect();
        }
        let Some((entry, path)) = path.and_then(|node| Some((node, node.as_str()?))) else { return Vec::new() };
        let Some(file) = tree::join(folder, path).and_then(|path| self.tree.number(&path)) else {
            self.elsewhere(path, entry.at, built);
            return Vec::new();
        };
        self.used.insert(file);
        if let Some(fault) = self.tree.fault(file) {
            let (at, why) = (At { file, line: fault.line }, fault.why.clone());
            self.close(path, Confidence::Unreadable, at, &why, built);
        }
        self.tree.docs(file).to_vec()
    }

    fn patches(&mut self, folder: &str, doc: &Node, extra: &Extra, built: &mut Built) {
        for entry in doc.get("patchesStrategicMerge").into_iter().flat_map(Node::items) {
            let is_inline = entry.as_str().is_some_and(|text| text.contains('\n') || text.starts_with('{'));
            let (inline, path) = if is_inline { (Some(entry), None) } else { (None, Some(entry)) };
            let docs = self.inner(folder, inline, path, built);
            self.apply(&docs, None, entry.at, built);
        }
        let own = doc.get("patches").into_iter().flat_map(Node::items);
        let late = doc.get("patchesJson6902").into_iter().flat_map(Node::items);
        for entry in own.chain(&extra.patches).chain(late) {
            let docs = match (&entry.value, entry.get("patch")) {
                (Value::Text(..), _) => self.inner(folder, None, Some(entry), built),
                (_, Some(inline)) => self.inner(folder, Some(inline), None, built),
                _ => self.inner(folder, None, entry.get("path"), built),
            };
            self.apply(&docs, entry.get("target"), entry.at, built);
        }
    }

    // Applies the documents of one patch.
    fn apply(&mut self, docs: &[Arc<Node>], target: Option<&Node>, at: At, built: &mut Built) {
        let selector = target.map(Selector::read);
        for doc in docs {
            self.work += built.resources.len();
            if self.work > MAX_WORK {
                return self.close("patch", Confidence::Unreadable, at, "it builds too much", built);
            }
            let is_list = matches!(doc.value, Value::List(_));
            let own = Selector::of(doc);
            let selector = selector.as_ref().unwrap_or(&own);
            let mut failed = None;
            let mut is_found = target.is_some() || is_list;
            built.resources.retain_mut(|resource| {
                if !selector.is_match(resource) {
                    return true;
                }
                is_found = true;
                let is_known = is_known(&resource.node);
                if is_list {
                    let object = Arc::make_mut(&mut resource.node);
                    if let Err(path) = patch::operations(object, doc.items())
                        && object.kind() != "CustomResourceDefinition"
                    {
                        failed = Some(path);
                    }
                    return true;
                }
                if doc.str_at(&["$patch"]) == "delete" {
                    return false;
                }
                // The name and kind of a patch with a target say nothing.
                let mut change = (**doc).clone();
                change.remove("apiVersion");
                change.remove("kind");
                if let Some(metadata) = change.get_mut("metadata") {
                    metadata.remove("name");
                    metadata.remove("namespace");
                }
                patch::merge(Arc::make_mut(&mut resource.node), &change, is_known);
                true
            });
            if let Some(path) = failed {
                self.unbuildable("patch", at, &format!("the patch finds nothing at {path}"), built);
            }
            if !is_found {
                self.unbuildable("patch", doc.at, "the patch is for an object that is not there", built);
            }
        }
    }

    fn rename(&self, doc: &Node, extra: &Extra, built: &mut Built) {
        let (prefix, suffix) = (doc.str_at(&["namePrefix"]), doc.str_at(&["nameSuffix"]));
        let namespace = extra.namespace.as_deref().unwrap_or_else(|| doc.str_at(&["namespace"]));
        for resource in &mut built.resources {
            if !prefix.is_empty() || !suffix.is_empty() {
                let name = resource.names.last().map_or_else(|| resource.node.name(), String::as_str);
                let name = format!("{prefix}{name}{suffix}");
                resource.names.push(name);
            }
            if !namespace.is_empty() {
                resource.namespaces.push(namespace.to_owned());
            }
        }
    }

    fn images(&mut self, folder: &str, doc: &Node, extra: &Extra, built: &mut Built) {
        let mut entries: Vec<&Node> = doc.get("images").into_iter().flat_map(Node::items).collect();
        for entry in &extra.images {
            match entries.iter_mut().find(|own| own.str_at(&["name"]) == entry.str_at(&["name"])) {
                Some(own) => *own = entry,
                None => entries.push(entry),
            }
        }
        let mut retags: Vec<Retag> = entries.into_iter().filter_map(Retag::read).collect();
        if retags.is_empty() {
            return;
        }
        if retags.len() > MAX_IMAGES {
            return self.close(folder, Confidence::Unreadable, doc.at, "it renames too many images", built);
        }
        for (at, text) in retags.iter().filter_map(|retag| retag.number.clone()) {
            let why = format!("kustomize cannot build it: newTag {text} is a number without quotes");
            self.close(&text, Confidence::Unreadable, at, &why, built);
        }
        let fields = self.fields(folder, doc, built);
        for resource in &mut built.resources {
            retag::apply(&mut resource.node, &mut retags, &fields);
        }
        if built.is_remote {
            for retag in retags.iter().filter(|retag| !retag.is_used) {
                let Some((reference, is_known)) = retag.evidence() else { continue };
                let confidence = if is_known { Confidence::Inferred } else { Confidence::Unresolved };
                let note = Some("it renames an image of what is not in the tree".to_owned());
                let places = retag.places.clone();
                built.closed.push(Hit { class: Class::Image, reference, confidence, places, note });
            }
        }
    }

    // The fields with images that kustomize knows, and those that a kustomization's configurations name.
    fn fields(&mut self, folder: &str, doc: &Node, built: &mut Built) -> Vec<Vec<String>> {
        let steps = |path: &str| path.split('/').filter(|step| !step.is_empty()).map(str::to_owned).collect();
        let mut fields: Vec<Vec<String>> = retag::PODS.iter().map(|path| steps(path)).collect();
        for entry in doc.get("configurations").into_iter().flat_map(Node::items) {
            for doc in self.inner(folder, None, Some(entry), built) {
                let named = doc.get("images").into_iter().flat_map(Node::items);
                fields.extend(named.map(|field| steps(&field.str_at(&["path"]).replace("[]", ""))));
            }
        }
        fields
    }
}

// Whether the lists of an object have keys: those of the API's own kinds do.
fn is_known(object: &Node) -> bool {
    let group = object.group();
    group.is_empty() || !group.contains('.') || group.ends_with(".k8s.io") && !group.contains("x-k8s.io")
}

/// Which objects are meant.
pub(super) struct Selector {
    group: Option<String>,
    version: Option<String>,
    kind: Option<Regex>,
    name: Option<Regex>,
    namespace: Option<Regex>,
    labels: Vec<(String, Option<String>)>,
    annotations: Vec<(String, Option<String>)>,
    is_none: bool,
}

impl Selector {
    /// Reads the target of a patch, or what a replacement selects.
    pub(super) fn read(target: &Node) -> Self {
        let text = |key: &str| Some(target.str_at(&[key])).filter(|text| !text.is_empty()).map(str::to_owned);
        let pattern = |key: &str| text(key).map(|text| Regex::new(&format!("^(?:{text})$")));
        let patterns = ["kind", "name", "namespace"].map(pattern);
        let is_none = patterns.iter().any(|pattern| matches!(pattern, Some(Err(_))));
        let [kind, name, namespace] = patterns.map(|pattern| pattern.and_then(Result::ok));
        Self {
            group: text("group"),
            version: text("version"),
            kind,
            name,
            namespace,
            labels: pairs(target.str_at(&["labelSelector"])),
            annotations: pairs(target.str_at(&["annotationSelector"])),
            is_none,
        }
    }

    // The object that a patch names itself.
    fn of(patch: &Node) -> Self {
        let exact = |text: &str| {
            let pattern = format!("^{}$", regex_lite::escape(text));
            Some(text).filter(|text| !text.is_empty()).and_then(|_| Regex::new(&pattern).ok())
        };
        Self {
            group: Some(patch.group().to_owned()),
            version: None,
            kind: exact(patch.kind()),
            name: exact(patch.name()),
            namespace: exact(patch.namespace()),
            labels: Vec::new(),
            annotations: Vec::new(),
            is_none: patch.kind().is_empty() || patch.name().is_empty(),
        }
    }

    /// Whether an object is meant.
    pub(super) fn is_match(&self, resource: &Resource) -> bool {
        let node = &resource.node;
        let api = node.str_at(&["apiVersion"]);
        let has = |pairs: &[(String, Option<String>)], key: &str| {
            pairs.iter().all(|(name, value)| {
                let own = node.at_path(&["metadata", key, name]).and_then(Node::as_str);
                own.is_some() && value.as_deref().is_none_or(|value| own == Some(value))
            })
        };
        !self.is_none
            && self.group.as_deref().is_none_or(|group| group == node.group())
            && self.version.as_deref().is_none_or(|version| api.rsplit('/').next() == Some(version))
            && self.kind.as_ref().is_none_or(|kind| kind.is_match(node.kind()))
            && self.name.as_ref().is_none_or(|name| resource.all_names().any(|own| name.is_match(own)))
            && self.namespace.as_ref().is_none_or(|namespace| {
                let mut own = std::iter::once(node.namespace()).chain(resource.namespaces.iter().map(String::as_str));
                own.any(|own| {
                    namespace.is_match(if own.is_empty() { "default" } else { own }) || namespace.is_match(own)
                })
            })
            && has(&self.labels, "labels")
            && has(&self.annotations, "annotations")
    }
}

// `a=b,c`: equality and presence.
fn pairs(text: &str) -> Vec<(String, Option<String>)> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let pair = |part: &str| match part.split_once('=') {
        Some((name, value)) => (name.trim().to_owned(), Some(value.trim_start_matches('=').trim().to_owned())),
        None => (part.to_owned(), None),
    };
    parts.map(pair).collect()
}
