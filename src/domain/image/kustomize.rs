//! A folder as kustomize builds it: resources and bases, components, generators, patches, images, replacements, in its order.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use super::chart;
use super::configuration;
use super::evidence;
use super::generate;
use super::node::{At, Node, Trust};
use super::plugin;
use super::replace;
use super::resource::{self, Built, Extra, Resource, is_list};
use super::retag::{self, Retag};
use super::sink::{Hit, Sink};
use super::strict;
use super::substitute;
use super::tree::{self, Tree};
use super::vars;
use super::{Confidence, yaml};

// Deepest chain of bases.
const MAX_DEPTH: usize = 60;
// Most objects of one build.
const MAX_OBJECTS: usize = 100_000;
/// Most steps of all builds together.
pub(super) const MAX_WORK: usize = 20_000_000;
/// Most nodes that patches and replacements copy, those of the objects that they change included.
pub(super) const MAX_COPIED: usize = 2_000_000;
// What it costs to read a kustomization, and to keep another name of an object.
const LAYER: usize = 400;
const NAME: usize = 40;
// What it costs to see whether something that could not be looked into is told already.
const CLOSED: usize = 10;
// Most copies of objects that bases give to what includes them.
const MAX_HELD: usize = 1_000_000;
/// What is said of what says how lists are merged.
pub(super) const SCHEMA: &str = "lists are merged by a schema that is not followed";
/// What is said of what kustomize refuses.
pub(super) const UNBUILDABLE: &str = "kustomize cannot build it";
/// What is said of a file that kustomize reads only if it is told to, as Flux tells it.
pub(super) const OUTSIDE: &str = "kustomize cannot build it: the file is outside of the folder";
/// What is said of what may change objects of a chart that is rendered.
pub(super) const OVER_CHART: &str = "it may change what a chart makes, whose objects are not looked at one by one";
// What is said of an object of which only the name was kept.
const REDEFINED: &str = "a definition is made something else";
/// What is said of an expression for names.
pub(super) const UNREAD: &str = "nobody knows what it changes: the expression cannot be read, or is too large";
// Most entries of one list of images.
const MAX_IMAGES: usize = 5000;
const MAX_EXPRESSIONS: usize = 20;
// How many entries are tried on an object at the cost of one step.
const RETAGS: usize = 8;

/// What a file or a text within one holds.
#[derive(Debug, Default)]
pub(super) struct Inner {
    /// Its documents.
    pub(super) docs: Vec<Arc<Node>>,
    /// Where a key stands again that kustomize does not take twice.
    pub(super) doubled: Option<At>,
    /// Where a comment says how kustomize merges what it stands at.
    pub(super) schema: Option<At>,
}

/// Builds folders, each once.
pub(super) struct Kustomizer<'a> {
    /// The files.
    pub(super) tree: &'a Tree<'a>,
    /// Files that were used.
    pub(super) used: HashSet<u32>,
    /// Files whose contents config maps and secrets have.
    pub(super) data: HashSet<u32>,
    /// Folders of charts.
    pub(super) charts: Rc<BTreeSet<String>>,
    cache: HashMap<String, Rc<Built>>,
    building: Vec<String>,
    /// Steps that were taken.
    pub(super) work: usize,
    held: usize,
    /// Nodes that patches copied.
    pub(super) copied: usize,
}

impl<'a> Kustomizer<'a> {
    /// Nothing is built yet.
    pub(super) fn new(tree: &'a Tree<'a>) -> Self {
        let (used, data, cache, building) = (HashSet::new(), HashSet::new(), HashMap::new(), Vec::new());
        Self { tree, used, data, charts: Rc::new(chart::folders(tree)), cache, building, work: 0, held: 0, copied: 0 }
    }

    /// What a folder with a kustomization file builds.
    pub(super) fn build(&mut self, folder: &str) -> Rc<Built> {
        if let Some(built) = self.cache.get(folder) {
            return Rc::clone(built);
        }
        let built = Rc::new(self.raw(folder, &Extra::default()));
        self.cache.insert(folder.to_owned(), Rc::clone(&built));
        built
    }

    /// The same with what somebody adds; a folder without a kustomization file is all its files.
    pub(super) fn build_with(&mut self, folder: &str, extra: &Extra) -> Built {
        let mut built = self.raw(folder, extra);
        let [prefix, suffix] = &extra.affixes;
        built.resources.iter_mut().for_each(|resource| resource.affix(prefix, suffix));
        vars::resolve(self, &mut built);
        // At the very end: what is for tools alone may have values for others, and patches may make it something else.
        built.resources.retain(|resource| !resource.is_local());
        let mut sink = Sink::default();
        for Resource { node, .. } in built.resources.iter().filter(|resource| resource.is_redefined()) {
            let places = node.get("kind").unwrap_or(node).places().collect();
            sink.closed(node.name(), Confidence::Unreadable, places, REDEFINED);
        }
        built.closed.extend(sink.hits());
        built
    }

    fn raw(&mut self, folder: &str, extra: &Extra) -> Built {
        let mut built = Built::default();
        match self.tree.kustomization(folder).filter(|_| !extra.is_plain) {
            Some(file) => self.layer(folder, file, extra, &mut built),
            None => {
                self.everything(folder, extra, &mut built);
                let none = Node::nothing(At { file: 0, line: 1 });
                self.finish(folder, &none, extra, &mut built);
            }
        }
        built
    }

    // All manifests below a folder, and what has a kustomization file as that says.
    fn everything(&mut self, folder: &str, extra: &Extra, built: &mut Built) {
        let mut done: Option<&str> = None;
        for (file, name) in self.tree.below(folder) {
            if done.is_some_and(|done| crate::domain::path::is_within(name, done)) {
                continue;
            }
            let mut parent = tree::folder_of(name);
            if extra.is_flat && parent != folder {
                continue;
            }
            let mut nearest = None;
            while parent.len() > folder.len() && !extra.is_plain {
                if self.tree.kustomization(parent).is_some() {
                    nearest = Some(parent);
                }
                parent = tree::folder_of(parent);
            }
            if let Some(inner) = nearest {
                done = Some(inner);
                self.include(inner, At { file, line: 1 }, built);
            } else if tree::is_manifest(name) && !self.is_template(file, name) {
                if self.tree.is_settings(file) {
                    self.used.insert(file);
                } else {
                    self.take(file, built);
                }
            } else if name.ends_with(".jsonnet") {
                self.close(name, Confidence::Opaque, At { file, line: 1 }, "Argo CD evaluates it", built);
            }
        }
    }

    // Whether a file is no YAML before a chart fills it in.
    fn is_template(&self, file: u32, name: &str) -> bool {
        self.tree.fault(file).is_some() && chart::is_part(&self.charts, name)
    }

    fn layer(&mut self, folder: &str, file: u32, extra: &Extra, built: &mut Built) {
        self.used.insert(file);
        let at = At { file, line: 1 };
        // Components may include each other twice, and twice again.
        self.work += LAYER + built.resources.len();
        if self.work > MAX_WORK {
            return self.close(folder, Confidence::Unreadable, at, "it builds too much", built);
        }
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
        let Some(doc) = self.tree.docs(file).first().map(Arc::clone) else {
            return self.refuse(self.tree.name(file), at, "it is empty", built);
        };
        if let Some((at, why)) = strict::kustomization(&doc) {
            self.refuse(self.tree.name(file), at, &why, built);
        }
        if self.tree.has_several(folder) {
            self.refuse(folder, at, "the folder has several kustomization files", built);
        }
        let schema = doc.at_path(&["openapi", "path"]);
        if let Some(schema) = schema {
            let what = schema.as_str().unwrap_or_default();
            self.close(what, Confidence::Opaque, schema.at, SCHEMA, built);
        }
        configuration::unfollowed(self, folder, &doc, built);
        for entry in doc.get("crds").into_iter().flat_map(Node::items).chain(schema) {
            let path = entry.as_str().unwrap_or_default();
            if tree::join(folder, path).is_none_or(|path| self.tree.number(&path).is_none()) {
                self.elsewhere(path, entry.at, built);
            }
        }
        self.building.push(folder.to_owned());
        for entry in ["resources", "bases"].iter().filter_map(|key| doc.get(key)).flat_map(Node::items) {
            self.resource(folder, entry, built);
        }
        self.once(at, built);
        self.finish(folder, &doc, extra, built);
        built.resources.iter_mut().for_each(|resource| resource.is_built = true);
        self.building.pop();
    }

    fn component(&mut self, folder: &str, entry: &Node, built: &mut Built) {
        let Some(path) = entry.as_str() else { return };
        let component = tree::join(folder, path).and_then(|path| Some((self.tree.kustomization(&path)?, path)));
        match component {
            Some((file, path)) => {
                if self.tree.docs(file).first().is_some_and(|doc| doc.kind() != "Component") {
                    self.refuse(&path, entry.at, "it is no component", built);
                }
                self.layer(&path, file, &Extra::default(), built);
            }
            None => self.absent(folder, path, entry.at, built),
        }
    }

    // What comes after the resources are there.
    fn finish(&mut self, folder: &str, doc: &Node, extra: &Extra, built: &mut Built) {
        generate::run(self, folder, doc, built);
        plugin::generate(self, folder, doc, built);
        let own = doc.get("components").map(Node::items).unwrap_or_default();
        for entry in own.iter().chain(&extra.components) {
            self.component(folder, entry, built);
        }
        vars::gather(self, folder, doc, built);
        self.change(folder, doc, extra, built);
        plugin::transform(self, folder, doc, built);
    }

    /// Changes what is there.
    pub(super) fn change(&mut self, folder: &str, doc: &Node, extra: &Extra, built: &mut Built) {
        self.patches(folder, doc, extra, built);
        self.rename(doc, extra, built);
        self.late_patches(folder, doc, built);
        self.replicas(doc, built);
        self.images(folder, doc, extra, built);
        replace::run(self, folder, doc, built);
    }

    // No two objects may have one name.
    fn once(&self, at: At, built: &mut Built) {
        let mut seen = HashSet::new();
        let mut first = Vec::new();
        for resource in &built.resources {
            first.push(resource.node.name().is_empty() || seen.insert(resource.identity()));
        }
        let Some(twice) = first.iter().position(|is_first| !is_first).and_then(|at| built.resources.get(at)) else {
            return;
        };
        let what = format!("{} {}", twice.node.kind(), twice.node.name());
        self.refuse(&what, at, "it is there twice", built);
        // It stops here: folders that include each other twice and twice again would have no end.
        let mut first = first.into_iter();
        built.resources.retain(|_| first.next().unwrap_or(true));
    }

    fn replicas(&self, doc: &Node, built: &mut Built) {
        const KINDS: &[&str] = &["Deployment", "ReplicaSet", "ReplicationController", "StatefulSet"];
        for entry in doc.get("replicas").into_iter().flat_map(Node::items) {
            let name = entry.str_at(&["name"]);
            if !built.resources.iter().any(|resource| KINDS.iter().any(|kind| resource.is(kind, name))) {
                self.unbuildable(name, entry.at, "replicas of nothing that is there", built);
            }
        }
    }

    fn resource(&mut self, folder: &str, entry: &Node, built: &mut Built) {
        let Some(path) = entry.as_str() else { return };
        match tree::join(folder, path) {
            Some(path) if self.tree.kustomization(&path).is_some() => self.include(&path, entry.at, built),
            Some(path) if self.tree.number(&path).is_some() => {
                if let Some(file) = self.tree.number(&path) {
                    self.inside(folder, &path, entry.at, built);
                    self.take(file, built);
                    if let Some((at, why)) = strict::objects(self.tree, file) {
                        self.refuse(&path, at, why, built);
                    }
                }
            }
            _ => self.absent(folder, path, entry.at, built),
        }
    }

    // What is no file, and no folder that kustomize can build.
    fn absent(&mut self, folder: &str, path: &str, at: At, built: &mut Built) {
        if tree::join(folder, path).is_some_and(|joined| self.tree.has_folder(&joined)) {
            built.is_remote = true;
            return self.refuse(path, at, "the folder has no kustomization file", built);
        }
        self.elsewhere(path, at, built);
    }

    /// Whether so many more nodes may be copied.
    pub(super) fn may_copy(&mut self, nodes: usize) -> bool {
        self.copied = (self.copied + nodes).min(MAX_COPIED);
        self.copied < MAX_COPIED
    }

    /// Adds what another folder builds.
    pub(super) fn include(&mut self, folder: &str, at: At, built: &mut Built) {
        if self.tree.is_component(folder) {
            self.refuse(folder, at, "it is a component among the resources", built);
        }
        let inner = self.build(folder);
        let (vars, closed) = (inner.vars.count() + built.vars.count(), inner.closed.len());
        self.work += inner.resources.len() + vars + closed;
        self.held += inner.resources.len() + closed;
        let is_large = built.resources.len() + inner.resources.len() > MAX_OBJECTS;
        if is_large || self.work > MAX_WORK || self.held > MAX_HELD {
            return self.close(folder, Confidence::Unreadable, at, "it builds too much", built);
        }
        built.resources.extend(inner.resources.iter().cloned());
        if !inner.closed.is_empty() {
            self.work += CLOSED * built.closed.len();
            let known: HashSet<&Hit> = built.closed.iter().collect();
            let new: Vec<Hit> = inner.closed.iter().filter(|hit| !known.contains(hit)).cloned().collect();
            built.closed.extend(new);
        }
        built.is_remote |= inner.is_remote;
        built.has_chart |= inner.has_chart;
        built.vars.extend(&inner.vars);
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
            let objects = resource::objects(doc).into_iter().filter(|object| is_list(doc) || !object.kind().is_empty());
            built.resources.extend(objects.map(Resource::new));
        }
        if self.tree.fault(file).is_some() {
            built.closed.extend(super::text::broken(self.tree, file));
        }
    }

    /// A resource or file that is not in the tree.
    pub(super) fn elsewhere(&mut self, path: &str, at: At, built: &mut Built) {
        built.is_remote = true;
        let is_remote = path.contains("://") || path.contains("?ref=") || path.starts_with("git@") || {
            let host = path.split('/').next().unwrap_or_default();
            host.contains('.') && !host.starts_with('.') && path.matches('/').count() > 1
        };
        let (confidence, why) = if is_remote {
            (Confidence::Opaque, "it is in another repository")
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
        if !built.is_partial() {
            self.refuse(what, at, why, built);
        }
    }

    /// Notes what does not work out with what is here: kustomize refuses it, unless what cannot be seen makes it work.
    pub(super) fn lost(&self, what: &str, at: At, why: &str, built: &mut Built) {
        if built.is_partial() {
            self.close(what, Confidence::Opaque, at, &format!("{why} in what is in the tree"), built);
        } else {
            self.refuse(what, at, why, built);
        }
    }

    // kustomize reads no file that is not below the kustomization, unless it is told to.
    fn inside(&self, folder: &str, path: &str, at: At, built: &mut Built) {
        if !folder.is_empty() && !crate::domain::path::is_within(path, folder) {
            self.close(path, Confidence::Unreadable, at, OUTSIDE, built);
        }
    }

    /// Notes what kustomize refuses in any case.
    pub(super) fn refuse(&self, what: &str, at: At, why: &str, built: &mut Built) {
        self.close(what, Confidence::Unreadable, at, &format!("{UNBUILDABLE}: {why}"), built);
    }

    /// What a text within a file holds, or the file that an entry names.
    pub(super) fn inner(
        &mut self,
        folder: &str,
        inline: Option<&Node>,
        path: Option<&Node>,
        built: &mut Built,
    ) -> Inner {
        if let Some(text) = inline.filter(|text| text.as_str().is_some()) {
            let mut parsed = yaml::within(text);
            if text.trust != Trust::Certain {
                parsed.docs.iter_mut().for_each(substitute::doubt);
            }
            if let Some(fault) = parsed.fault {
                let at = At { file: text.at.file, line: fault.line };
                self.close("patch", Confidence::Unreadable, at, &fault.why, built);
            }
            let at = |line: Option<u32>| line.map(|line| At { file: text.at.file, line });
            let (doubled, schema) = (at(parsed.doubled), at(parsed.schema));
            return Inner { docs: parsed.docs.into_iter().map(Arc::new).collect(), doubled, schema };
        }
        let Some((entry, path)) = path.and_then(|node| Some((node, node.as_str()?))) else { return Inner::default() };
        let found = tree::join(folder, path).and_then(|full| Some((self.tree.number(&full)?, full)));
        let Some((file, full)) = found else {
            self.elsewhere(path, entry.at, built);
            return Inner::default();
        };
        self.inside(folder, &full, entry.at, built);
        self.used.insert(file);
        if let Some(fault) = self.tree.fault(file) {
            let (at, why) = (At { file, line: fault.line }, fault.why.clone());
            self.close(path, Confidence::Unreadable, at, &why, built);
        }
        let (doubled, schema) = (self.tree.doubled(file), self.tree.schema(file));
        Inner { docs: self.tree.docs(file).to_vec(), doubled, schema }
    }

    fn rename(&mut self, doc: &Node, extra: &Extra, built: &mut Built) {
        let (prefix, suffix) = (doc.str_at(&["namePrefix"]), doc.str_at(&["nameSuffix"]));
        let namespace = extra.namespace.as_deref().unwrap_or_else(|| doc.str_at(&["namespace"]));
        let pairs = doc.get("labels").into_iter().flat_map(Node::items).filter_map(|one| one.get("pairs"));
        let labels: Vec<Arc<Node>> = pairs.chain(doc.get("commonLabels")).cloned().map(Arc::new).collect();
        let annotations: Vec<Arc<Node>> = doc.get("commonAnnotations").cloned().map(Arc::new).into_iter().collect();
        let given =
            usize::from(!namespace.is_empty()) + usize::from(!prefix.is_empty()) + usize::from(!suffix.is_empty());
        let names = built.resources.iter().map(|resource| NAME + resource.id().name.len()).sum::<usize>();
        self.work += given * names + built.resources.len() * (labels.len() + annotations.len());
        if self.work > MAX_WORK {
            return self.close("names", Confidence::Unreadable, doc.at, "it builds too much", built);
        }
        for resource in &mut built.resources {
            if !namespace.is_empty() {
                resource.move_to(namespace);
                resource.name_after(namespace);
            }
            resource.affix(prefix, suffix);
            resource.labels.extend(labels.iter().cloned());
            resource.annotations.extend(annotations.iter().cloned());
        }
    }

    fn images(&mut self, folder: &str, doc: &Node, extra: &Extra, built: &mut Built) {
        // Flux writes the file anew, and with it only what is known by now.
        let keys: &[&str] = if extra.is_rewritten { &["images"] } else { &["images", "imageTags"] };
        let own = keys.iter().filter_map(|key| doc.get(key));
        let mut entries: Vec<&Node> = own.flat_map(Node::items).collect();
        for entry in &extra.images {
            match entries.iter_mut().find(|own| own.str_at(&["name"]) == entry.str_at(&["name"])) {
                Some(own) => *own = entry,
                None => entries.push(entry),
            }
        }
        if extra.is_sorted && !extra.images.is_empty() {
            entries.sort_by_key(|entry| entry.str_at(&["name"]));
        }
        let mut retags: Vec<Retag> = entries.into_iter().filter_map(Retag::read).collect();
        if retags.is_empty() {
            return;
        }
        self.work += built.resources.len() * retags.len() / RETAGS;
        let expressions = retags.iter().filter(|retag| retag.is_expression).count();
        if retags.len() > MAX_IMAGES || expressions > MAX_EXPRESSIONS || self.work > MAX_WORK {
            return self.close(folder, Confidence::Unreadable, doc.at, "it renames too many images", built);
        }
        for retag in retags.iter().filter(|retag| retag.is_unread) {
            let at = retag.places.first().copied().unwrap_or(doc.at);
            self.close(&retag.name, Confidence::Unreadable, at, UNREAD, built);
        }
        for (at, text) in retags.iter().filter_map(|retag| retag.number.clone()) {
            let why = format!("kustomize cannot build it: newTag {text} is a number without quotes");
            self.close(&text, Confidence::Unreadable, at, &why, built);
        }
        let fields = configuration::images(self, folder, doc, built);
        for resource in &mut built.resources {
            retag::apply(&mut resource.node, &mut retags, &fields);
        }
        // What charts render here is renamed too.
        retags.iter_mut().for_each(|retag| evidence::rename(retag, &mut built.closed, self.tree));
        if built.is_remote {
            for retag in retags.iter().filter(|retag| !retag.is_used) {
                built.closed.extend(evidence::renamed(retag));
            }
        }
    }
}
