//! What kustomize and helm themselves can build of a tree, and what their answer adds to what was found without them: it
//! confirms references and adds some, and takes none away.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use super::fields::Field;
use super::flux;
use super::index::Index;
use super::node::{At, Node, Style, Value};
use super::resource::{Extra, Resource};
use super::sink::{Hit, Sink};
use super::substitute::{MAX_FILLED, Variables};
use super::tree::{self, Tree};
use super::{Class, Confidence, Found, Images, argo, roots, workload, yaml};

// What a kustomization may say, if kustomize is to build it: nothing that runs something, or whose paths are not known here.
const KEYS: &[&str] = &[
    "apiVersion",
    "kind",
    "metadata",
    "resources",
    "bases",
    "components",
    "namespace",
    "namePrefix",
    "nameSuffix",
    "labels",
    "commonLabels",
    "commonAnnotations",
    "patches",
    "patchesStrategicMerge",
    "patchesJson6902",
    "images",
    "replicas",
    "replacements",
    "configMapGenerator",
    "secretGenerator",
    "generatorOptions",
    "vars",
    "sortOptions",
    "buildMetadata",
];

/// Whether a path is a file of the tree, read or not.
pub(super) type There<'a> = &'a dyn Fn(&str) -> bool;

/// Which program builds something, and with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// kustomize; with the file at a path being another one for this build, because Flux or Argo CD adds to it.
    Kustomize(Option<(String, String)>),
    /// helm, with values as YAML under those of the chart.
    Helm {
        /// The name of the release.
        name: String,
        /// Its namespace.
        namespace: String,
        /// The values that it is given.
        values: Option<String>,
    },
}

/// Something that a program can build.
#[derive(Debug)]
pub struct Build {
    /// The folder that it builds; empty for the whole tree.
    pub folder: String,
    /// How.
    pub how: How,
    // The build whose references these are, and the line that stands for all of it.
    of: usize,
    place: String,
    variables: Option<Variables>,
}

impl Build {
    /// The program that builds it.
    pub fn program(&self) -> &'static str {
        match self.how {
            How::Kustomize(_) => "kustomize",
            How::Helm { .. } => "helm",
        }
    }

    /// The folder as it is shown.
    pub fn shown(&self) -> String {
        roots::shown(&self.folder)
    }
}

/// What is built by programs, and what is not handed to them.
#[derive(Debug, Default)]
pub struct Builds {
    /// What is.
    pub builds: Vec<Build>,
    /// What is not: the folder, and why.
    pub kept: Vec<(String, String)>,
}

impl Builds {
    /// A folder with a kustomization file, as somebody adds to it.
    pub(super) fn kustomize(
        &mut self,
        tree: &Tree<'_>,
        there: There<'_>,
        folder: &str,
        (extra, variables): (&Extra, Option<Variables>),
        of: usize,
    ) {
        let Some(file) = tree.kustomization(folder) else { return };
        let checked = Closure { tree, there, seen: HashSet::new() }.with(folder, extra);
        match checked {
            Err(why) => self.kept.push((roots::shown(folder), why)),
            Ok(()) => {
                let instead = whole(tree, file, extra).map(|text| (tree.name(file).to_owned(), text));
                let how = How::Kustomize(instead);
                let place = tree.place(At { file, line: 1 });
                self.builds.push(Build { folder: folder.to_owned(), how, of, place, variables });
            }
        }
    }

    /// A chart of the tree with the values of an Application, or with its own alone.
    pub(super) fn chart(
        &mut self,
        (tree, index): (&Tree<'_>, &Index),
        folder: &str,
        by: Option<(&Node, Option<&Node>)>,
        of: usize,
    ) {
        if by.is_some_and(|(object, _)| !argo::has_values(tree, index, object)) {
            let why = "its Application takes values from what is not in the tree";
            return self.kept.push((roots::shown(folder), why.to_owned()));
        }
        self.helm(tree, folder, of, ("release", "default"), by.and_then(|(_, values)| values));
    }

    /// The chart of a release of Flux, if it is in the tree.
    pub(super) fn release(
        &mut self,
        (resource, root): (&Resource, usize),
        sources: &[flux::Source<'_>],
        tree: &Tree<'_>,
    ) {
        let object = &resource.node;
        let Some(folder) = flux::own_chart(object, tree) else { return };
        let Some(spec) = object.get("spec") else { return };
        let has = |path: &[&str]| spec.at_path(path).is_some();
        let why = if sources.iter().any(|(_, seen)| seen.is_none()) {
            "its release takes values from what is not in the tree"
        } else if has(&["chart", "spec", "valuesFiles"]) || has(&["postRenderers"]) {
            "its release changes more than values"
        } else {
            let values = flux::values(spec, sources);
            let space = Some(spec.str_at(&["targetNamespace"])).filter(|space| !space.is_empty());
            let names = (object.name(), space.unwrap_or_else(|| resource.namespace()));
            return self.helm(tree, &folder, root, names, values.as_ref());
        };
        self.kept.push((roots::shown(&folder), why.to_owned()));
    }

    fn helm(&mut self, tree: &Tree<'_>, folder: &str, of: usize, names: (&str, &str), values: Option<&Node>) {
        let path = |name: &str| if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
        let Some(file) = tree.number(&path("Chart.yaml")) else { return };
        let place = tree.place(At { file, line: 1 });
        let (name, namespace) = (label(names.0, "release"), label(names.1, "default"));
        let how = How::Helm { name, namespace, values: values.map(json) };
        self.builds.push(Build { folder: folder.to_owned(), how, of, place, variables: None });
    }
}

// What kustomize would read for a folder: all of it must be in the tree, and nothing may be taken for an address.
struct Closure<'a> {
    tree: &'a Tree<'a>,
    there: There<'a>,
    seen: HashSet<String>,
}

impl Closure<'_> {
    fn with(mut self, folder: &str, extra: &Extra) -> Result<(), String> {
        if extra.patches.iter().any(|patch| patch.get("path").is_some()) {
            return Err("what is added to it names further files".to_owned());
        }
        extra.components.iter().try_for_each(|path| self.part(folder, path))?;
        self.folder(folder)
    }

    fn folder(&mut self, folder: &str) -> Result<(), String> {
        if !self.seen.insert(folder.to_owned()) {
            return Ok(());
        }
        let file = self.tree.kustomization(folder).ok_or("it names a folder without a kustomization file")?;
        let [doc] = self.tree.docs(file) else { return Err("its kustomization file is no single document".to_owned()) };
        // What could be read in two ways is not handed on.
        if self.tree.fault(file).is_some() || self.tree.warnings().iter().any(|(at, _)| at.file == file) {
            return Err("its kustomization file is not sound".to_owned());
        }
        if let Some((key, _)) = doc.entries().iter().find(|(key, _)| !KEYS.contains(&&**key)) {
            return Err(format!("it says `{key}`"));
        }
        let items = |key: &str| doc.get(key).map(Node::items).unwrap_or_default();
        for path in ["resources", "bases", "components"].iter().flat_map(|key| items(key)) {
            self.part(folder, path)?;
        }
        for patch in items("patchesStrategicMerge") {
            if !patch.as_str().is_some_and(|text| text.contains('\n') || text.starts_with('{')) {
                self.file(folder, patch)?;
            }
        }
        for entry in ["patches", "patchesJson6902", "replacements"].iter().flat_map(|key| items(key)) {
            let path = if entry.as_str().is_some() { Some(entry) } else { entry.get("path") };
            path.map_or(Ok(()), |path| self.file(folder, path))?;
        }
        for entry in ["configMapGenerator", "secretGenerator"].iter().flat_map(|key| items(key)) {
            let lists = ["files", "envs"].iter().filter_map(|key| entry.get(key)).flat_map(Node::items);
            for path in lists.chain(entry.get("env")) {
                self.file(folder, path)?;
            }
        }
        Ok(())
    }

    // A resource, base or component.
    fn part(&mut self, folder: &str, path: &Node) -> Result<(), String> {
        let joined = local(folder, path)?;
        if self.tree.has_folder(&joined) { self.folder(&joined) } else { self.is_there(&joined) }
    }

    // `path` or `key=path`.
    fn file(&self, folder: &str, path: &Node) -> Result<(), String> {
        let text = path.as_str().unwrap_or_default();
        let path = Node::text(path.at, text.split_once('=').map_or(text, |(_, path)| path));
        self.is_there(&local(folder, &path)?)
    }

    fn is_there(&self, path: &str) -> Result<(), String> {
        if (self.there)(path) { Ok(()) } else { Err("it names what is not in the tree".to_owned()) }
    }
}

// A path that nobody could take for an address.
fn local(folder: &str, path: &Node) -> Result<String, String> {
    let text = path.as_str().unwrap_or_default();
    let is_address = text.contains([':', '@', '?', '\\', '\n'])
        || text.contains("//")
        || text.starts_with('/')
        || text.to_ascii_lowercase().contains("github.com");
    if is_address || text.is_empty() {
        return Err("it names what is elsewhere".to_owned());
    }
    tree::join(folder, text).ok_or_else(|| "it names what is outside of the tree".to_owned())
}

// The kustomization file with what somebody adds to it; None: that is nothing.
fn whole(tree: &Tree<'_>, file: u32, extra: &Extra) -> Option<String> {
    let Extra { patches, images, components, namespace, .. } = extra;
    if patches.is_empty() && images.is_empty() && components.is_empty() && namespace.is_none() {
        return None;
    }
    let mut doc = Node::clone(tree.docs(file).first()?);
    let mut extend = |key: &str, more: &[Node]| {
        if !more.is_empty() {
            let mut all: Vec<Node> = doc.get(key).map(Node::items).unwrap_or_default().to_vec();
            all.retain(|own| {
                key != "images" || !more.iter().any(|more| more.str_at(&["name"]) == own.str_at(&["name"]))
            });
            all.extend(more.iter().cloned());
            doc.set(key, Node::new(doc.at, Value::List(all)));
        }
    };
    extend("patches", patches);
    extend("images", images);
    extend("components", components);
    if let Some(namespace) = namespace {
        doc.set("namespace", Node::text(doc.at, namespace));
    }
    Some(json(&doc))
}

// A node as JSON, but for numbers, which stay as they are written: YAML takes both.
fn json(node: &Node) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    match &node.value {
        Value::Null => "null".to_owned(),
        Value::Text(text, Style::Plain) if is_typed(text) => text.to_string(),
        Value::Text(text, _) => quoted(text),
        Value::List(items) => format!("[{}]", items.iter().map(json).collect::<Vec<_>>().join(",")),
        Value::Map(entries) => {
            let entries = entries.iter().map(|(key, child)| format!("{}: {}", quoted(key), json(child)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
        }
    }
}

fn is_typed(text: &str) -> bool {
    let is_number =
        text.parse::<f64>().is_ok() && !text.contains(|c: char| c.is_alphabetic() && !matches!(c, 'e' | 'E'));
    is_number || matches!(text, "true" | "false")
}

// A name that a release may have.
fn label(text: &str, other: &str) -> String {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_label = !text.is_empty() && text.len() <= 50 && text.chars().all(is_plain);
    if is_label && !text.starts_with('-') && !text.ends_with('-') { text.to_owned() } else { other.to_owned() }
}

impl Images {
    /// Takes what a program built: what it says too is certain, and what only it says is added.
    ///
    /// # Errors
    /// It is not YAML.
    pub fn confirm(&mut self, build: &Build, answer: &str, fields: &[Field]) -> Result<(), String> {
        let parsed = yaml::parse(answer.as_bytes(), 0, 1);
        if let Some(fault) = parsed.fault {
            return Err(format!("its answer cannot be read: {}", fault.why));
        }
        let fields: Arc<[Field]> = fields.into();
        let mut sink = Sink::knowing(&fields);
        let mut room = MAX_FILLED;
        let is_list = |doc: &Node| doc.kind().ends_with("List") && doc.get("items").is_some();
        let objects = parsed.docs.into_iter().flat_map(|doc| match doc.get("items").filter(|_| is_list(&doc)) {
            Some(items) => items.items().to_vec(),
            None => vec![doc],
        });
        for mut object in objects.filter(|object| !object.kind().is_empty()) {
            // What these deploy was looked at where they stand, with what they refer to.
            if object.group().ends_with("toolkit.fluxcd.io") || argo::is_application(&object) {
                continue;
            }
            if let Some(variables) = &build.variables {
                variables.apply(&mut object, &mut room);
            }
            sink.about(&object);
            workload::find(&object, &mut sink);
        }
        let deployed: Vec<(String, String)> =
            sink.deployed().map(|(workload, reference)| (workload.to_owned(), reference.to_owned())).collect();
        let is_sure = |confidence| matches!(confidence, Confidence::Certain | Confidence::Inferred);
        // What is no image's name is told too: the cluster would be given just that.
        let is_told = |hit: &Hit| is_sure(hit.confidence) || hit.confidence == Confidence::Unresolved;
        for hit in sink.hits().into_iter().filter(|hit| hit.class == Class::Image && is_told(hit)) {
            let is_it = |found: &&mut Found| {
                found.builds.contains(&build.of) && found.class == hit.class && found.reference == hit.reference
            };
            let mut is_known = false;
            for found in self.found.iter_mut().filter(is_it) {
                is_known |= is_sure(found.confidence) || !is_sure(hit.confidence);
                if found.confidence == Confidence::Inferred {
                    found.confidence = hit.confidence;
                }
            }
            if is_known {
                continue;
            }
            for (workload, _) in deployed.iter().filter(|(_, reference)| *reference == hit.reference) {
                self.works(build.of, workload, &hit.reference);
            }
            self.found.push(Found {
                root: self.roots.get(build.of).cloned().unwrap_or_default(),
                class: hit.class,
                reference: hit.reference,
                confidence: hit.confidence,
                places: vec![build.place.clone()],
                note: Some(match hit.note {
                    Some(note) => format!("as {} builds it: {note}", build.program()),
                    None => format!("as {} builds it", build.program()),
                }),
                builds: BTreeSet::from([build.of]),
                is_ours: false,
            });
        }
        self.found.sort_by(|one, other| one.root.cmp(&other.root));
        Ok(())
    }
}
