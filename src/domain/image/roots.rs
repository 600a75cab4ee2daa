//! What the environment builds: the folders that Flux and Argo CD name, kustomizations that nobody includes, charts, and
//! manifests that stand alone.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::fields::Field;
use super::index::Index;
use super::kustomize::{Built, Extra, Kustomizer, OUTSIDE, Resource};
use super::node::{At, Node, Value};
use super::render::{Builds, There};
use super::sink::{Hit, Sink};
use super::substitute::MAX_FILLED;
use super::tree::{self, Tree};
use super::{Found, Images, Workloads, argo, flux, helm, workload};

/// The name of what stands alone.
const ALONE: &str = "-";
// Most roots.
const MAX_ROOTS: usize = 20_000;

struct Roots<'a> {
    tree: &'a Tree<'a>,
    kustomizer: Kustomizer<'a>,
    index: Index,
    queue: VecDeque<(Resource, usize)>,
    done: HashSet<(String, u64)>,
    visited: HashSet<String>,
    roots: Vec<(String, Built)>,
    hits: Vec<(String, Hit)>,
    claims: BTreeSet<(String, String)>,
    room: usize,
    there: Option<There<'a>>,
    builds: Builds,
}

/// Finds every root and what it deploys; and where it is known which files are `there`, what of it programs can build.
pub(super) fn find<'a>(tree: &'a Tree<'a>, fields: &[Field], there: Option<There<'a>>) -> (Images, Builds) {
    let mut roots = Roots {
        tree,
        kustomizer: Kustomizer::new(tree),
        index: Index::of(tree),
        queue: VecDeque::new(),
        done: HashSet::new(),
        visited: HashSet::new(),
        roots: Vec::new(),
        hits: Vec::new(),
        claims: BTreeSet::new(),
        room: MAX_FILLED,
        there,
        builds: Builds::default(),
    };
    let charts = helm::charts(tree);
    let (claimed, own) = roots.claimed();
    for folder in &claimed {
        if !charts.contains(folder) {
            roots.kustomizer.build(folder);
        }
    }
    let included = included(tree);
    for (folder, file) in tree.kustomizations() {
        let is_component = tree.docs(file).iter().any(|doc| doc.kind() == "Component");
        let is_used = roots.kustomizer.used.contains(&file) || included.contains(folder) || claimed.contains(folder);
        if !is_used && !is_component {
            roots.plain(folder);
        }
    }
    // What only includes itself has no root.
    for (folder, file) in tree.kustomizations() {
        let is_component = tree.docs(file).iter().any(|doc| doc.kind() == "Component");
        if !roots.kustomizer.used.contains(&file) && !is_component && !claimed.contains(folder) {
            roots.plain(folder);
        }
    }
    let alone = roots.alone(&charts);
    roots.add(ALONE, alone);
    roots.follow(&charts);
    // A cluster's own folder is named by what stands in it; what is left is named by what nobody deploys.
    for folder in own.iter().chain(&claimed) {
        if !roots.visited.contains(folder) {
            if charts.contains(folder) {
                roots.chart(folder);
            } else {
                roots.plain(folder);
            }
            roots.follow(&charts);
        }
    }
    for folder in &charts {
        if !roots.visited.contains(folder) {
            roots.chart(folder);
        }
    }
    roots.finish(&fields.into())
}

impl Roots<'_> {
    // Folders that Flux and Argo CD name; and of them those that name themselves.
    fn claimed(&mut self) -> (BTreeSet<String>, BTreeSet<String>) {
        let (mut claimed, mut own) = (BTreeSet::new(), BTreeSet::new());
        for (file, name) in self.tree.all() {
            for doc in self.tree.docs(file) {
                let folders = if flux::is_kustomization(doc) {
                    flux::folder(self.tree, &self.index, doc).into_iter().collect()
                } else {
                    argo::folders(self.tree, doc)
                };
                self.visited.extend(flux::own_chart(doc, self.tree));
                for folder in folders {
                    if folder.is_empty() || crate::domain::path::is_within(name, &folder) {
                        own.insert(folder.clone());
                    }
                    claimed.insert(folder);
                }
            }
        }
        (claimed, own)
    }

    fn plain(&mut self, folder: &str) {
        let built = self.kustomizer.build_with(folder, &Extra::default());
        if let Some(there) = self.there {
            self.builds.kustomize(self.tree, there, folder, &Extra::default(), None);
        }
        self.add(folder, built);
    }

    fn add(&mut self, folder: &str, built: Built) {
        let root = self.roots.len();
        for resource in &built.resources {
            self.index.add(resource, root);
            if flux::is_kustomization(&resource.node) || argo::is_application(&resource.node) {
                self.queue.push_back((resource.clone(), root));
            }
        }
        self.visited.insert(folder.to_owned());
        self.roots.push((folder.to_owned(), built));
    }

    // Builds what is named by what was built.
    fn follow(&mut self, charts: &BTreeSet<String>) {
        while let Some((resource, root)) = self.queue.pop_front() {
            let object = &resource.node;
            let print = {
                let mut hasher = DefaultHasher::new();
                format!("{object:?}").hash(&mut hasher);
                hasher.finish()
            };
            if self.roots.len() > MAX_ROOTS {
                return;
            }
            if flux::is_kustomization(object) {
                let Some(folder) = flux::folder(self.tree, &self.index, object) else { continue };
                self.claim(root, &folder);
                if !self.done.insert((folder.clone(), print)) {
                    continue;
                }
                let extra = flux::extra(object);
                let mut built = self.kustomizer.build_with(&folder, &extra);
                built.closed.retain(|hit| hit.note.as_deref() != Some(OUTSIDE));
                let variables = flux::variables(object, &self.index, root);
                if let Some(variables) = &variables {
                    for resource in built.resources.iter_mut().filter(|resource| has_variable(&resource.node)) {
                        variables.apply(Arc::make_mut(&mut resource.node), &mut self.room);
                    }
                }
                if let Some(there) = self.there {
                    self.builds.kustomize(self.tree, there, &folder, &extra, variables);
                }
                self.add(&folder, built);
            } else {
                for (folder, extra, values) in argo::builds(self.tree, object) {
                    self.claim(root, &folder);
                    if !self.done.insert((folder.clone(), print)) {
                        continue;
                    }
                    if charts.contains(&folder) {
                        let mut sink = Sink::default();
                        helm::local(self.tree, &folder, values.as_ref(), &mut sink);
                        if self.there.is_some() {
                            self.builds.chart(self.tree, &folder, Some(object), values.as_ref());
                        }
                        self.visited.insert(folder.clone());
                        self.hits.extend(sink.hits().into_iter().map(|hit| (folder.clone(), hit)));
                    } else {
                        let built = self.kustomizer.build_with(&folder, &extra);
                        if let Some(there) = self.there {
                            self.builds.kustomize(self.tree, there, &folder, &extra, None);
                        }
                        self.add(&folder, built);
                    }
                }
            }
        }
    }

    // One root names another.
    fn claim(&mut self, root: usize, folder: &str) {
        if let Some((by, _)) = self.roots.get(root) {
            self.claims.insert((shown(by), shown(folder)));
        }
    }

    fn chart(&mut self, folder: &str) {
        let mut sink = Sink::default();
        helm::local(self.tree, folder, None, &mut sink);
        if self.there.is_some() {
            self.builds.chart(self.tree, folder, None, None);
        }
        self.visited.insert(folder.to_owned());
        self.hits.extend(sink.hits().into_iter().map(|hit| (folder.to_owned(), hit)));
    }

    // Manifests that no kustomization uses, in folders without one; and values that no chart here is beside.
    fn alone(&mut self, charts: &BTreeSet<String>) -> Built {
        let tree = self.tree;
        let mut built = Built::default();
        for (file, name) in tree.all() {
            let is_yaml = name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json");
            if !is_yaml || self.kustomizer.used.contains(&file) || tree.kustomization(tree::folder_of(name)).is_some() {
                continue;
            }
            if helm::is_in(charts, name) {
                continue;
            }
            self.kustomizer.take(file, &mut built);
            let base = name.rsplit('/').next().unwrap_or(name);
            if base.contains("values") && !name.ends_with(".json") {
                let mut sink = Sink::default();
                tree.docs(file).iter().filter(|doc| doc.kind().is_empty()).for_each(|doc| helm::values(doc, &mut sink));
                built.closed.extend(sink.hits());
            }
        }
        built
    }

    fn finish(mut self, fields: &Arc<[Field]>) -> (Images, Builds) {
        let mut workloads = Workloads::new();
        let mut roots = std::mem::take(&mut self.roots);
        // Flux lets files stand outside of the folder, and may build folders by paths that are not those of this tree.
        if roots.iter().flat_map(|(_, built)| &built.resources).any(|made| flux::is_kustomization(&made.node)) {
            roots.iter_mut().for_each(|(_, built)| built.closed.retain(|hit| hit.note.as_deref() != Some(OUTSIDE)));
        }
        for (root, (folder, built)) in roots.into_iter().enumerate() {
            let mut sink = Sink::knowing(fields);
            for resource in &built.resources {
                sink.about(&resource.node);
                if self.there.is_some() {
                    self.builds.release((resource, root, &folder), self.tree, &self.index);
                }
                if !flux::find(resource, root, self.tree, &self.index, &mut sink)
                    && !argo::find(&resource.node, self.tree, &mut sink)
                {
                    workload::find(&resource.node, &mut sink);
                }
            }
            for (workload, reference) in sink.deployed() {
                let key = (shown(&folder), workload.to_owned());
                workloads.entry(key).or_default().insert(reference.to_owned());
            }
            self.hits.extend(built.closed.into_iter().chain(sink.hits()).map(|hit| (folder.clone(), hit)));
        }
        let tree = self.tree;
        let mut images = Images { claims: self.claims, workloads, ..Images::default() };
        images.found = found(tree, self.hits);
        let warnings: BTreeSet<(At, String)> = tree.warnings().iter().cloned().collect();
        images.warnings = warnings.into_iter().map(|(at, why)| format!("{}: {why}", tree.place(at))).collect();
        (images, self.builds)
    }
}

/// What was found in roots, by root and place, each once.
pub(super) fn found(tree: &Tree<'_>, hits: Vec<(String, Hit)>) -> Vec<Found> {
    let found: BTreeSet<(String, Vec<At>, Found)> = hits
        .into_iter()
        .map(|(root, hit)| {
            let root = shown(&root);
            let places = hit.places.iter().map(|at| tree.place(*at)).collect();
            let Hit { class, reference, confidence, note, places: at } = hit;
            (root.clone(), at, Found { root, class, reference, confidence, places, note })
        })
        .collect();
    found.into_iter().map(|(_, _, found)| found).collect()
}

/// The name of a folder, as it is shown.
pub(super) fn shown(folder: &str) -> String {
    if folder.is_empty() { ".".to_owned() } else { folder.to_owned() }
}

// Objects are shared, and most have no variables.
fn has_variable(node: &Node) -> bool {
    match &node.value {
        Value::Text(text, _) => text.contains('$'),
        Value::List(items) => items.iter().any(has_variable),
        Value::Map(entries) => entries.iter().any(|(_, child)| has_variable(child)),
        Value::Null => false,
    }
}

// Folders that some kustomization includes.
fn included(tree: &Tree<'_>) -> HashSet<String> {
    let mut included = HashSet::new();
    for (folder, file) in tree.kustomizations() {
        let Some(doc) = tree.docs(file).first() else { continue };
        let lists = ["resources", "bases", "components"].into_iter().filter_map(|key| doc.get(key));
        for path in lists.flat_map(Node::items).filter_map(Node::as_str) {
            included
                .extend(tree::join(folder, path).filter(|path| tree.kustomization(path).is_some() && path != folder));
        }
    }
    included
}
