//! The images that a tree of configuration deploys, resolved as the environment would resolve it: every reference with its
//! places and how sure it is, and everything that could not be looked into.

mod account;
mod actions;
mod argo;
mod change;
mod chart;
mod claims;
mod compose;
mod configuration;
mod documents;
mod environment;
mod evidence;
mod expression;
mod fields;
mod fieldspec;
mod flow;
mod flux;
mod generate;
mod given;
mod guards;
mod helm;
mod holes;
mod index;
mod inserts;
mod kustomize;
mod lock;
mod node;
mod ours;
mod params;
mod patch;
mod patches;
mod pattern;
mod plugin;
mod pod;
pub mod range;
pub mod reference;
mod render;
mod replace;
mod resource;
mod resource_set;
mod retag;
mod roots;
mod select;
mod sets;
mod sink;
mod strict;
mod substitute;
mod template;
mod text;
mod tree;
mod vars;
mod weight;
mod workload;
mod written;
mod yaml;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::Serialize;

pub use change::{Change, changes};
pub use compose::compose;
pub use environment::Environment;
pub use fields::Field;
use node::{At, Trust};
pub use render::{Build, Builds, How};
use sink::Hit;
use tree::Tree;

use super::path::is_within;
use super::policy::PathPatterns;

/// Contents by path.
pub type Files = BTreeMap<String, Vec<u8>>;

/// What is said of a reference whose version is a range.
pub const RANGE: &str = "a range of versions, of which the environment takes the newest";

/// What a reference names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// A container image.
    Image,
    /// Another artifact in an image registry.
    Oci,
    /// A Helm chart.
    Chart,
    /// An image whose tags are watched; nothing deploys it.
    Watch,
}

/// How sure a reference is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// The environment will ask for it.
    Certain,
    /// It will, unless something that cannot be seen says otherwise.
    Inferred,
    /// A part of it cannot be known.
    Unresolved,
    /// What stands there deploys images that cannot be seen.
    Opaque,
    /// What stands there cannot be read.
    Unreadable,
}

impl Confidence {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Certain => "certain",
            Self::Inferred => "inferred",
            Self::Unresolved => "unresolved",
            Self::Opaque => "opaque",
            Self::Unreadable => "unreadable",
        }
    }
}

impl From<Trust> for Confidence {
    fn from(trust: Trust) -> Self {
        match trust {
            Trust::Certain => Self::Certain,
            Trust::Inferred => Self::Inferred,
            Trust::Unresolved => Self::Unresolved,
        }
    }
}

impl Class {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Oci => "oci",
            Self::Chart => "chart",
            Self::Watch => "watch",
        }
    }
}

/// One reference at one place of one root.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Found {
    /// The folder that the environment builds; `-` for manifests that stand alone.
    pub root: String,
    /// What it names.
    pub class: Class,
    /// Its normal form, or what is known of it.
    pub reference: String,
    /// How sure it is.
    pub confidence: Confidence,
    /// Every `file:line` that made it.
    pub places: Vec<String>,
    /// What is to be said of it.
    pub note: Option<String>,
    // Which builds of the root deploy it.
    #[serde(skip)]
    builds: BTreeSet<usize>,
    // Whether an object deploys it that is judged.
    #[serde(skip)]
    is_ours: bool,
}

impl Found {
    /// Whether somebody declared it, and nothing in the tree says so.
    pub fn is_declared(&self) -> bool {
        self.note.as_deref() == Some(lock::DECLARED)
    }
}

// The builds that have a reference, and whether an object deploys it that is judged.
type Whose = (BTreeSet<usize>, bool);

/// What a tree deploys.
///
/// A root may be built more than once, with other variables for each of those that name it: builds have numbers, and roots
/// have the names of folders.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Images {
    /// Every reference, by root.
    pub found: Vec<Found>,
    /// Lines that mean something else than they seem to.
    pub warnings: Vec<String>,
    // The root of each build.
    roots: Vec<String>,
    // Which build names which other one.
    claims: BTreeSet<(usize, usize)>,
    // Builds of folders as they stand, of which only what is judged says how they are built.
    doubted: BTreeSet<usize>,
    // Builds that are judged as a whole.
    ours: BTreeSet<usize>,
    // What each object of each build deploys.
    workloads: BTreeMap<(usize, String), BTreeSet<String>>,
}

impl Images {
    /// The name of every root.
    pub fn roots(&self) -> BTreeSet<&str> {
        self.roots.iter().map(String::as_str).collect()
    }

    /// What an environment deploys that builds the roots of these patterns, or of a folder above them, and what these name
    /// in turn; without a pattern all. What is declared counts for the roots above and below it.
    pub fn deployed<'a>(&'a self, patterns: &PathPatterns) -> impl Iterator<Item = &'a Found> + use<'a> {
        let builds = self.built(patterns);
        let roots: BTreeSet<&str> =
            builds.iter().filter_map(|build| self.roots.get(*build)).map(String::as_str).collect();
        self.found.iter().filter(move |found| {
            let near = |root: &&str| is_within(root, &found.root) || is_within(&found.root, root);
            found.builds.iter().any(|build| builds.contains(build)) || (found.is_declared() && roots.iter().any(near))
        })
    }

    /// Whether a reference is of what is judged: `is_ours` tells its files. What the environment's own files say counts where
    /// an object or a folder of the unit's deploys it.
    pub fn is_about(&self, found: &Found, is_ours: &dyn Fn(&str) -> bool) -> bool {
        found.is_ours
            || found.builds.iter().any(|build| self.ours.contains(build))
            || found.places.iter().any(|place| is_ours(place.rsplit_once(':').map_or(place, |(path, _)| path)))
    }

    /// Folders with references that nothing else has but their build as they stand, of which only what is judged says how
    /// they are built.
    pub fn doubted(&self) -> BTreeSet<&str> {
        let is_alone = |found: &&Found| !found.builds.is_empty() && found.builds.is_subset(&self.doubted);
        self.found.iter().filter(is_alone).map(|found| found.root.as_str()).collect()
    }

    // The builds of these roots, and those that they name in turn.
    fn built(&self, patterns: &PathPatterns) -> BTreeSet<usize> {
        let named = self.roots.iter().enumerate().filter(|(_, root)| environment::is_gated(patterns, root));
        self.reached(named.map(|(build, _)| build).collect())
    }

    // These builds, and those that they name in turn.
    fn reached(&self, mut queue: Vec<usize>) -> BTreeSet<usize> {
        let mut builds = BTreeSet::new();
        while let Some(build) = queue.pop() {
            if builds.insert(build) {
                queue.extend(self.named_by(build));
            }
        }
        builds
    }

    // The builds that another one names.
    fn named_by(&self, build: usize) -> impl Iterator<Item = usize> + '_ {
        self.claims.range((build, 0)..=(build, usize::MAX)).map(|(_, other)| *other)
    }

    // A further build.
    fn build(&mut self, root: &str) -> usize {
        self.roots.push(root.to_owned());
        self.roots.len() - 1
    }

    // What a build deploys through an object.
    fn works(&mut self, build: usize, workload: &str, reference: &str) {
        self.workloads.entry((build, workload.to_owned())).or_default().insert(reference.to_owned());
    }

    // Takes what was found in builds, by root and place, each once.
    fn take(&mut self, tree: &Tree<'_>, hits: Vec<(usize, Hit, bool)>) {
        let mut all: BTreeMap<(&str, Vec<At>, Found), Whose> = BTreeMap::new();
        for (build, hit, is_judged) in hits {
            let root = self.roots.get(build).map(String::as_str).unwrap_or_default();
            let Hit { class, reference, confidence, note, places: mut at } = hit;
            let mut seen = HashSet::new();
            at.retain(|at| seen.insert(*at));
            let places = at.iter().map(|at| tree.place(*at)).collect();
            let (root_name, builds, is_ours) = (root.to_owned(), BTreeSet::new(), false);
            let found = Found { root: root_name, class, reference, confidence, places, note, builds, is_ours };
            let (builds, is_ours) = all.entry((root, at, found)).or_default();
            builds.insert(build);
            *is_ours |= is_judged;
        }
        let whole = |((_, _, found), (builds, is_ours))| Found { builds, is_ours, ..found };
        self.found = all.into_iter().map(whole).collect();
    }

    /// Adds what else was found.
    pub fn add(&mut self, more: Images) {
        let first = self.roots.len();
        self.roots.extend(more.roots);
        self.doubted.extend(more.doubted.iter().map(|build| build + first));
        self.found.extend(more.found.into_iter().map(|mut found| {
            found.builds = found.builds.iter().map(|build| build + first).collect();
            found
        }));
        self.found.sort_by(|one, other| one.root.cmp(&other.root));
        self.workloads.extend(more.workloads.into_iter().map(|((build, work), all)| ((build + first, work), all)));
    }
}

// Whether a file can say anything of images, by its name.
fn is_read(path: &str) -> bool {
    const KINDS: &[&str] = &["yaml", "yml", "json", "tpl", "env", "properties", "jsonnet"];
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    name == "Kustomization"
        || folder.split('/').any(|part| part == "templates")
        || (name.ends_with(".tgz") && tree::base_of(folder) == "charts")
        || name == lock::NAME
        || name == ".helmignore"
        || name.rsplit_once('.').is_some_and(|(_, kind)| KINDS.contains(&kind))
}

/// The files that can say anything of images: those that have such a name, and those that a kustomization names. `read`
/// gives the files whose paths are wanted.
///
/// # Errors
/// Those of `read`.
pub fn gather<E>(mut read: impl FnMut(&dyn Fn(&str) -> bool) -> Result<Files, E>) -> Result<Files, E> {
    let mut files = read(&is_read)?;
    let mut named = tree::named(&files);
    named.retain(|path| !is_read(path));
    if !named.is_empty() {
        files.extend(read(&|path| named.contains(path))?);
    }
    Ok(files)
}

/// Finds the images of a tree of files, as an environment would deploy them, or anybody; `fields` are those of custom
/// resources that are not known anyway.
pub fn find(files: &Files, fields: &[Field], environment: Option<Environment<'_>>) -> Images {
    with_lock(roots::find(&Tree::read(files), fields, environment, None).0, files)
}

/// The same, and what of it kustomize and helm can build; `there` says which files there are besides.
pub fn find_builds(
    files: &Files,
    fields: &[Field],
    environment: Option<Environment<'_>>,
    there: &dyn Fn(&str) -> bool,
) -> (Images, Builds) {
    let (images, builds) = roots::find(&Tree::read(files), fields, environment, Some(there));
    (with_lock(images, files), builds)
}

fn with_lock(mut images: Images, files: &Files) -> Images {
    images.add(lock::find(files));
    images
}
