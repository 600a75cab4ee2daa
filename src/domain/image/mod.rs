//! The images that a tree of configuration deploys, resolved as the environment would resolve it: every reference with its
//! places and how sure it is, and everything that could not be looked into.

mod argo;
mod fields;
mod flux;
mod generate;
mod helm;
mod index;
mod kustomize;
mod node;
mod patch;
pub mod reference;
mod replace;
mod retag;
mod roots;
mod sink;
mod substitute;
mod text;
mod tree;
mod workload;
mod yaml;

use std::collections::BTreeMap;

use serde::Serialize;

use node::Trust;

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
}

/// Whether a file can say anything of images, by its name.
pub fn is_read(path: &str) -> bool {
    const KINDS: &[&str] = &["yaml", "yml", "json", "tpl", "env", "properties"];
    let name = path.rsplit('/').next().unwrap_or(path);
    name == "Kustomization" || name.rsplit_once('.').is_some_and(|(_, kind)| KINDS.contains(&kind))
}

/// Finds the images of a tree of files.
pub fn find(files: &BTreeMap<String, Vec<u8>>) -> Images {
    roots::find(&tree::Tree::read(files))
}
