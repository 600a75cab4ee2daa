//! The images that a tree of configuration deploys, resolved as the environment would resolve it: every reference with its
//! places and how sure it is, and everything that could not be looked into.

mod argo;
mod change;
mod compose;
mod evidence;
mod fields;
mod flux;
mod generate;
mod helm;
mod index;
mod kustomize;
mod lock;
mod node;
mod params;
mod patch;
mod plugin;
pub mod range;
pub mod reference;
mod render;
mod replace;
mod retag;
mod roots;
mod select;
mod sets;
mod sink;
mod strict;
mod substitute;
mod text;
mod tree;
mod vars;
mod workload;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

pub use change::{Change, Workloads, changes};
pub use compose::compose;
pub use fields::Field;
use node::Trust;
pub use render::{Build, Builds, How};

use super::path::is_within;
use super::policy::PathPatterns;

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
}

/// What a tree deploys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Images {
    /// Every reference, by root.
    pub found: Vec<Found>,
    /// Lines that mean something else than they seem to.
    pub warnings: Vec<String>,
    /// Which root names which other one.
    pub claims: BTreeSet<(String, String)>,
    /// What each object of each root deploys.
    pub workloads: Workloads,
}

impl Images {
    /// The roots that an environment builds: those that a pattern names, or a folder above them, and what these name in
    /// turn.
    pub fn roots(&self, patterns: &PathPatterns) -> BTreeSet<&str> {
        let all = self.found.iter().map(|found| found.root.as_str());
        let all: BTreeSet<&str> = all.chain(self.claims.iter().flat_map(|(one, other)| [&**one, &**other])).collect();
        if patterns.is_empty() {
            return all;
        }
        let above =
            |root: &str| root.match_indices('/').any(|(at, _)| patterns.matches(root.get(..at).unwrap_or(root)));
        let is_named = |root: &&str| patterns.matches(root) || above(root);
        let mut queue: Vec<&str> = all.into_iter().filter(is_named).collect();
        let mut roots = BTreeSet::new();
        while let Some(root) = queue.pop() {
            if roots.insert(root) {
                queue.extend(self.claims.iter().filter(|(by, _)| by == root).map(|(_, root)| root.as_str()));
            }
        }
        roots
    }
}

impl Found {
    /// Whether an environment that builds these roots deploys it. What is declared counts for the roots above and below.
    pub fn is_of(&self, roots: &BTreeSet<&str>) -> bool {
        let near = |root: &&str| is_within(root, &self.root) || is_within(&self.root, root);
        roots.contains(self.root.as_str()) || (lock::is_declared(self) && roots.iter().any(near))
    }
}

/// Whether a file can say anything of images, by its name.
pub fn is_read(path: &str) -> bool {
    const KINDS: &[&str] = &["yaml", "yml", "json", "tpl", "env", "properties"];
    let name = path.rsplit('/').next().unwrap_or(path);
    name == "Kustomization"
        || name == lock::NAME
        || name.rsplit_once('.').is_some_and(|(_, kind)| KINDS.contains(&kind))
}

/// Finds the images of a tree of files; `fields` are those of custom resources that are not known anyway.
pub fn find(files: &BTreeMap<String, Vec<u8>>, fields: &[Field]) -> Images {
    with_lock(roots::find(&tree::Tree::read(files), fields, None).0, files)
}

/// The same, and what of it kustomize and helm can build; `there` says which files there are besides.
pub fn find_builds(
    files: &BTreeMap<String, Vec<u8>>,
    fields: &[Field],
    there: &dyn Fn(&str) -> bool,
) -> (Images, Builds) {
    let (images, builds) = roots::find(&tree::Tree::read(files), fields, Some(there));
    (with_lock(images, files), builds)
}

fn with_lock(mut images: Images, files: &BTreeMap<String, Vec<u8>>) -> Images {
    images.found.extend(lock::find(files));
    images.found.sort_by(|one, other| one.root.cmp(&other.root));
    images
}

impl Images {
    /// Adds what else was found.
    pub fn add(&mut self, more: Images) {
        self.found.extend(more.found);
        self.found.sort_by(|one, other| one.root.cmp(&other.root));
        self.workloads.extend(more.workloads);
    }
}
