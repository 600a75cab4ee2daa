//! What the environment builds: the folders that Flux and Argo CD name, kustomizations that nobody includes, charts, and
//! manifests that stand alone.

mod told;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;
use std::sync::Arc;

use super::claims::{self, Claims, Late};
use super::environment::{Environment, is_gated};
use super::fields::Field;
use super::index::Index;
use super::kustomize::{Kustomizer, OUTSIDE, UNBUILDABLE};
use super::node::{At, MAX_DEPTH, Node, Value};
use super::render::{Builds, There};
use super::resource::{Built, Extra, Resource};
use super::sink::{Hit, Sink};
use super::substitute::{MAX_FILLED, Variables};
use super::tree::{self, Tree};
use super::{Confidence, Images, argo, chart, flux, helm, resource_set};

// The name of what stands alone.
const ALONE: &str = "-";
// The beginning of the names of files that Argo CD takes settings of a folder from.
const OVERRIDES: &str = ".argocd-source";
const OVERRIDDEN: &str = "Argo CD takes more settings of the folder from it";
// Most builds of roots.
const MAX_BUILDS: usize = 20_000;

// Most that all builds together may hold: an object, and the nodes of one that no other build has as well.
const MAX_HELD: usize = 3_000_000;
const HELD: usize = 10;

// Most nodes of the objects that sets of the operator of Flux make.
const MAX_MADE: usize = 1_000_000;

// What Flux or Argo CD are made to build: no two builds have the same folder with the same things added to it.
type Ordered = (String, u64);

struct Roots<'a> {
    tree: &'a Tree<'a>,
    environment: Option<Environment<'a>>,
    // Files whose objects others may refer to; None: all.
    heeded: Option<HashSet<u32>>,
    // Folders that only what was built names.
    late: BTreeMap<String, Late>,
    // Folders that objects name.
    claimed: BTreeSet<String>,
    kustomizer: Kustomizer<'a>,
    index: Index,
    queue: VecDeque<(Resource, usize)>,
    done: HashMap<Ordered, usize>,
    visited: HashSet<String>,
    // Folders that were built as they stand.
    standing: HashSet<String>,
    // Charts that were built.
    charted: HashSet<String>,
    hasher: RandomState,
    built: Vec<(usize, Built)>,
    // What is told of builds, and whether it is of what is judged.
    hits: Vec<(usize, Hit, bool)>,
    images: Images,
    room: usize,
    // How much more builds may hold.
    held: usize,
    // How many more nodes the objects that sets make may have.
    nodes: usize,
    there: Option<There<'a>>,
    builds: Builds,
}

/// Finds every root and what it deploys; and where it is known which files are `there`, what of it programs can build.
pub(super) fn find<'a>(
    tree: &'a Tree<'a>,
    fields: &[Field],
    environment: Option<Environment<'a>>,
    there: Option<There<'a>>,
) -> (Images, Builds) {
    let mut roots = Roots::new(tree, environment, there, None, BTreeMap::new());
    roots.run();
    // What this environment does not apply says nothing of what it does; and folders whose names are made of variables are
    // known only when what names them is built.
    let heeded = roots.heeded();
    if heeded.is_some() || !roots.late.is_empty() {
        roots = Roots::new(tree, environment, there, heeded, std::mem::take(&mut roots.late));
        roots.run();
    }
    roots.finish(&fields.into())
}

impl<'a> Roots<'a> {
    fn new(
        tree: &'a Tree<'a>,
        environment: Option<Environment<'a>>,
        there: Option<There<'a>>,
        heeded: Option<HashSet<u32>>,
        late: BTreeMap<String, Late>,
    ) -> Self {
        let is_own = |name: &str| environment.is_some_and(|environment| (environment.is_own)(name));
        let is_heeded = |file| heeded.as_ref().is_none_or(|heeded| heeded.contains(&file));
        Self {
            tree,
            environment,
            kustomizer: Kustomizer::new(tree),
            index: Index::of(tree, environment, &is_own, &is_heeded),
            heeded,
            late,
            claimed: BTreeSet::new(),
            queue: VecDeque::new(),
            done: HashMap::new(),
            visited: HashSet::new(),
            standing: HashSet::new(),
            charted: HashSet::new(),
            hasher: RandomState::new(),
            built: Vec::new(),
            hits: Vec::new(),
            images: Images::default(),
            room: MAX_FILLED,
            held: MAX_HELD,
            nodes: MAX_MADE,
            there,
            builds: Builds::default(),
        }
    }

    // Builds everything.
    fn run(&mut self) {
        let tree = self.tree;
        let charts = Rc::clone(&self.kustomizer.charts);
        let mut claims = Claims::of(tree, &self.index, &|name| self.is_own(name));
        // What gives values is applied by nobody.
        self.kustomizer.data.extend(&claims.data);
        claims.add(self.late.iter());
        self.claimed.clone_from(&claims.all);
        self.named(&charts, &claims);
        for folder in claims.all.iter().filter(|folder| !charts.contains(*folder)) {
            self.kustomizer.build_with(folder, &claims.extra(folder));
        }
        let included = claims::included(tree);
        for (folder, file) in tree.kustomizations() {
            let is_used = self.kustomizer.used.contains(&file) || included.contains(folder);
            if !is_used && !claims.all.contains(folder) && !self.standing.contains(folder) {
                self.plain(folder);
            }
        }
        // What only includes itself has no root.
        for (folder, file) in tree.kustomizations() {
            let is_built = self.kustomizer.used.contains(&file) || self.standing.contains(folder);
            if !is_built && !claims.all.contains(folder) {
                self.plain(folder);
            }
        }
        self.doubted(&charts, &claims);
        let alone = self.alone(&charts);
        self.add(ALONE, alone, None);
        self.follow();
        // A cluster's own folder is named by what stands in it; what is left is named by what nobody deploys.
        for folder in claims.own.iter().chain(&claims.all) {
            if charts.contains(folder) {
                if !self.charted.contains(folder) {
                    self.chart(folder, None);
                }
            } else if !self.visited.contains(folder) {
                self.stand(folder, &claims.extra(folder));
                self.follow();
            }
        }
        // One that another chart brings along is deployed with the values of that, unless the policy may mean it.
        let included = chart::included(tree, &charts);
        for folder in charts.iter() {
            let may_be_meant = self.environment.is_some_and(|environment| environment.may_build(tree, folder));
            if included.contains(folder) && !may_be_meant {
                continue;
            }
            // A kustomization that renders it uses nothing else of it; one that takes all files of a folder is no chart's.
            let mut used = tree.below(folder).filter(|(file, _)| self.kustomizer.used.contains(file));
            let is_used = used.next().is_some_and(|(_, name)| name.ends_with("Chart.yaml")) && used.next().is_none();
            if !is_used && !self.charted.contains(folder) {
                self.chart(folder, None);
            }
        }
        // What templates of these name.
        self.follow();
    }

    // Builds the folders that the policy names as they stand, whoever includes them: first of all, so that nothing else uses
    // up what may be spent.
    fn named(&mut self, charts: &BTreeSet<String>, claims: &Claims) {
        let Some(environment) = self.environment else { return };
        for folder in self.tree.all_folders().filter(|folder| environment.roots.names(folder)) {
            if !claims.given.contains(folder) {
                self.plain(folder);
                if charts.contains(folder) {
                    self.chart(folder, None);
                }
            }
        }
    }

    // Builds the folders as they stand of which only what is judged says how they are built: else an object that nobody
    // applies could say what a folder deploys.
    fn doubted(&mut self, charts: &BTreeSet<String>, claims: &Claims) {
        let Some(environment) = self.environment else { return };
        let tree = self.tree;
        for folder in claims.all.iter().chain(&claims.charts).collect::<BTreeSet<_>>() {
            if claims.given.contains(folder) || !environment.may_build(tree, folder) {
                continue;
            }
            let is_chart = charts.contains(folder);
            if !self.standing.contains(folder) && (!is_chart || tree.kustomization(folder).is_some()) {
                let build = self.plain(folder);
                self.images.doubted.insert(build);
            }
            if is_chart && !environment.roots.names(folder) {
                let build = self.chart(folder, None);
                self.images.doubted.insert(build);
            }
        }
    }

    // The files of what this environment applies, if there are others whose objects could be taken for these.
    fn heeded(&self) -> Option<HashSet<u32>> {
        let environment = self.environment.filter(|environment| !environment.roots.is_empty())?;
        let builds = self.images.built(environment.roots);
        let applied = self.built.iter().filter(|(build, _)| builds.contains(build));
        let mut heeded: HashSet<u32> =
            applied.flat_map(|(_, built)| &built.resources).map(|resource| resource.node.at.file).collect();
        heeded.extend(self.tree.all().filter(|(_, name)| self.is_own(name)).map(|(file, _)| file));
        self.index.has_beside(&heeded).then_some(heeded)
    }

    // Whether others may refer to an object of a build.
    fn is_heeded(&self, object: &Node, build: usize) -> bool {
        let (Some(environment), Some(heeded)) = (self.environment, &self.heeded) else { return true };
        let first = self.images.roots.get(self.index.first(build)).map(String::as_str).unwrap_or_default();
        let is_own = || self.is_own(self.tree.name(object.at.file));
        heeded.contains(&object.at.file) && (is_gated(environment.roots, first) || is_own())
    }

    // A folder as it stands.
    fn plain(&mut self, folder: &str) -> usize {
        self.stand(folder, &Extra::default())
    }

    fn stand(&mut self, folder: &str, extra: &Extra) -> usize {
        let mut built = self.kustomizer.build_with(folder, extra);
        let is_named = self.environment.is_some_and(|environment| environment.roots.names(folder));
        if self.tree.is_component(folder) && !is_named {
            // Most components change what only those have that include them.
            let is_alone = |hit: &Hit| hit.note.as_deref().is_some_and(|note| note.starts_with(UNBUILDABLE));
            built.closed.retain(|hit| hit.confidence != Confidence::Unreadable || !is_alone(hit));
        }
        let build = self.add(folder, built, None);
        self.standing.insert(folder.to_owned());
        self.offer(folder, extra, None, build);
        build
    }

    // Takes in what a root builds; `by` is the build that names it.
    fn add(&mut self, folder: &str, mut built: Built, by: Option<usize>) -> usize {
        if let Some(at) = self.overrides(folder) {
            self.kustomizer.close(OVERRIDES, Confidence::Opaque, at, OVERRIDDEN, &mut built);
        }
        self.unfold(&mut built);
        self.hold(folder, &mut built);
        let build = self.images.build(&shown(folder));
        self.index.begin(build, by);
        self.visited.insert(folder.to_owned());
        self.take(build, built);
        build
    }

    // Takes in the objects of a build.
    fn take(&mut self, build: usize, built: Built) {
        for resource in &built.resources {
            if self.is_heeded(&resource.node, build) {
                self.index.add(resource, build);
            }
            self.charted.extend(flux::own_chart(&resource.node, self.tree));
            if flux::is_kustomization(&resource.node) || argo::is_application(&resource.node) {
                self.queue.push_back((resource.clone(), build));
            }
        }
        self.built.push((build, built));
    }

    // The file with which a folder changes what an Application says of it.
    fn overrides(&self, folder: &str) -> Option<At> {
        let prefix = if folder.is_empty() { OVERRIDES.to_owned() } else { format!("{folder}/{OVERRIDES}") };
        self.tree.beginning(&prefix).map(|file| At { file, line: 1 })
    }

    // Leaves out what is too much for all builds together, and says so.
    fn hold(&mut self, folder: &str, built: &mut Built) {
        let nodes = |resource: &Resource| if Arc::strong_count(&resource.node) > 1 { 0 } else { resource.node.size() };
        let held =
            built.resources.iter().map(|resource| HELD + nodes(resource)).sum::<usize>() + HELD * built.closed.len();
        match self.held.checked_sub(held) {
            Some(left) => self.held = left,
            None => {
                self.held = 0;
                let at = built.resources.first().map_or(At { file: 0, line: 1 }, |resource| resource.node.at);
                *built = Built::default();
                self.kustomizer.close(folder, Confidence::Unreadable, at, "more is built than is looked at", built);
            }
        }
    }

    // Adds the objects that sets make, which may be sets.
    fn unfold(&mut self, built: &mut Built) {
        let mut at = 0;
        while let Some(resource) = built.resources.get(at) {
            at += 1;
            if resource_set::is_set(&resource.node) {
                let set = Arc::clone(&resource.node);
                let (made, has_more) = resource_set::objects(&set, &mut self.nodes);
                built.resources.extend(made.into_iter().map(|object| Resource::new(Arc::new(object))));
                if has_more {
                    let why = "it makes more than is looked at";
                    self.kustomizer.close(set.name(), Confidence::Unreadable, set.at, why, built);
                }
            }
        }
    }

    // Offers it to kustomize.
    fn offer(&mut self, folder: &str, extra: &Extra, variables: Option<Variables>, build: usize) {
        if let Some(there) = self.there {
            self.builds.kustomize(self.tree, there, folder, (extra, variables), build);
        }
    }

    // Builds what is named by what was built.
    fn follow(&mut self) {
        while let Some((resource, by)) = self.queue.pop_front() {
            let object = &resource.node;
            if flux::is_kustomization(object) {
                let Some(folder) = flux::folder(self.tree, &self.index, object) else { continue };
                self.note(&folder, object, true);
                if !self.tree.spend(object.weight(), object.at) {
                    continue;
                }
                let variables = flux::variables(object, (self.tree, &self.index), by);
                let Some(ordered) = self.order(by, &folder, object, &format!("{object:?} {variables:?}")) else {
                    continue;
                };
                let extra = flux::extra(object);
                let mut built = self.kustomizer.build_with(&folder, &extra);
                built.closed.retain(|hit| hit.note.as_deref() != Some(OUTSIDE));
                if let Some(variables) = &variables {
                    let mut is_deep = false;
                    built.resources.retain_mut(|resource| {
                        if has_variable(&resource.node) {
                            variables.apply(Arc::make_mut(&mut resource.node), &mut self.room);
                        }
                        let is_lost = resource.node.is_deeper(MAX_DEPTH);
                        is_deep |= is_lost;
                        !is_lost
                    });
                    if is_deep || self.room == 0 {
                        let why = "variables make more of it than is looked at, or nest it too deeply";
                        self.kustomizer.close(&folder, Confidence::Unreadable, object.at, why, &mut built);
                    }
                }
                let build = self.add(&folder, built, Some(by));
                self.offer(&folder, &extra, variables, build);
                self.made(by, ordered, build);
            } else {
                for (folder, extra, values) in argo::builds(self.tree, &self.index, object) {
                    let print = format!("{extra:?} {values:?}");
                    self.note(&folder, object, !extra.is_flat);
                    let Some(ordered) = self.order(by, &folder, object, &print) else { continue };
                    let is_chart = chart::is_one(self.tree, &folder) && !extra.is_plain;
                    if is_chart {
                        let build = self.chart(&folder, Some((object, values.as_ref())));
                        self.made(by, ordered.clone(), build);
                    }
                    // Of what is both, Argo CD takes what it comes upon last.
                    if !is_chart || self.tree.kustomization(&folder).is_some() {
                        let built = self.kustomizer.build_with(&folder, &extra);
                        let build = self.add(&folder, built, Some(by));
                        self.offer(&folder, &extra, None, build);
                        self.made(by, ordered, build);
                    }
                }
            }
        }
    }

    // Notes a folder that no object names as it is written.
    fn note(&mut self, folder: &str, object: &Node, is_deep: bool) {
        if !self.claimed.contains(folder) {
            let is_given = self.is_own(self.tree.name(object.at.file));
            let late = self.late.entry(folder.to_owned()).or_default();
            late.is_given |= is_given;
            late.is_deep |= is_deep;
        }
    }

    // Whether a file is the environment's own.
    fn is_own(&self, name: &str) -> bool {
        self.environment.is_some_and(|environment| (environment.is_own)(name))
    }

    // What an object has built, unless that is built already, or too much is.
    fn order(&mut self, by: usize, folder: &str, object: &Node, print: &str) -> Option<Ordered> {
        let ordered = (folder.to_owned(), self.hasher.hash_one(print));
        if let Some(build) = self.done.get(&ordered) {
            self.images.claims.insert((by, *build));
            return None;
        }
        if self.images.roots.len() > MAX_BUILDS || self.held == 0 {
            let mut sink = Sink::default();
            let why = "more is built than is looked at";
            sink.closed(folder, Confidence::Unreadable, object.places().collect(), why);
            self.tell(by, sink.told());
            return None;
        }
        Some(ordered)
    }

    fn made(&mut self, by: usize, ordered: Ordered, build: usize) {
        self.images.claims.insert((by, build));
        self.done.insert(ordered, build);
    }

    // A chart with its own values, or with those that an object gives it.
    fn chart(&mut self, folder: &str, by: Option<(&Node, Option<&Node>)>) -> usize {
        let build = self.images.build(&shown(folder));
        let mut sink = Sink::default();
        if let Some(at) = self.overrides(folder) {
            sink.closed(OVERRIDES, Confidence::Opaque, vec![at], OVERRIDDEN);
        }
        let none = Node::nothing(At { file: 0, line: 1 });
        let values = by.map(|(_, values)| values.unwrap_or(&none));
        chart::find(self.tree, folder, (values, true), &mut sink);
        if self.there.is_some() {
            self.builds.chart((self.tree, &self.index), folder, by, build);
        }
        self.charted.insert(folder.to_owned());
        self.index.begin(build, None);
        let resources = chart::deployers(self.tree, folder).into_iter().map(Resource::new).collect();
        self.take(build, Built { resources, ..Built::default() });
        self.tell(build, sink.told());
        build
    }

    // Manifests that no kustomization uses, in folders without one; and values that no chart here is beside.
    fn alone(&mut self, charts: &BTreeSet<String>) -> Built {
        let tree = self.tree;
        let mut built = Built::default();
        for (file, name) in tree.all() {
            if !tree::is_manifest(name)
                || self.kustomizer.used.contains(&file)
                || tree.kustomization(tree::folder_of(name)).is_some()
            {
                continue;
            }
            // What is only data somewhere may all the same be applied, if it can be read.
            let is_data = self.kustomizer.data.contains(&file);
            if chart::is_part(charts, name) || tree.is_settings(file) || (is_data && tree.fault(file).is_some()) {
                continue;
            }
            self.kustomizer.take(file, &mut built);
            let base = tree::base_of(name);
            if base == "fleet.yaml" {
                let mut sink = Sink::default();
                tree.docs(file).iter().for_each(|doc| helm::fleet(doc, &mut sink));
                built.closed.extend(sink.hits());
            }
            if base.contains("values") && !name.ends_with(".json") && !is_data {
                let mut sink = Sink::default();
                tree.docs(file).iter().filter(|doc| doc.kind().is_empty()).for_each(|doc| helm::values(doc, &mut sink));
                built.closed.extend(sink.hits());
            }
        }
        built
    }
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
        Value::Map(entries) => entries.iter().any(|(name, child)| name.contains('$') || has_variable(child)),
        Value::Null => false,
    }
}
