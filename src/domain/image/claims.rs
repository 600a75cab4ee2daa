//! The folders that objects of Flux and Argo CD say are to be built, and those that kustomizations include.

use std::collections::{BTreeSet, HashSet};

use super::index::Index;
use super::node::Node;
use super::resource::Extra;
use super::tree::{self, Tree};
use super::{argo, flux};
use crate::domain::path::is_within;

/// How a folder is named of which only what was built says that it is to be built.
#[derive(Default, Clone, Copy)]
pub(super) struct Late {
    /// Whether the environment itself names it.
    pub(super) is_given: bool,
    /// Whether what stands below is meant too.
    pub(super) is_deep: bool,
}

/// Folders that objects say are to be built.
#[derive(Default)]
pub(super) struct Claims {
    /// All of them.
    pub(super) all: BTreeSet<String>,
    /// Those of which what stands below is meant too, if they have no kustomization.
    pub(super) deep: BTreeSet<String>,
    /// Those that what stands in them names.
    pub(super) own: BTreeSet<String>,
    /// Those of charts that releases name.
    pub(super) charts: BTreeSet<String>,
    /// Those, of all these, that the environment itself names.
    pub(super) given: BTreeSet<String>,
    /// Files out of which charts are given values.
    pub(super) data: Vec<u32>,
}

impl Claims {
    /// What the objects of a tree say; `is_own` tells the files that are the environment's own.
    pub(super) fn of(tree: &Tree<'_>, index: &Index, is_own: &dyn Fn(&str) -> bool) -> Self {
        let mut claims = Self::default();
        for (file, name) in tree.all() {
            let is_given = is_own(name);
            for doc in tree.docs(file) {
                let chart = flux::own_chart(doc, tree);
                let mut folders: Vec<String> = Vec::new();
                if flux::is_kustomization(doc) {
                    folders.extend(flux::folder(tree, index, doc));
                    claims.deep.extend(folders.iter().cloned());
                } else {
                    let named = argo::claims(tree, index, doc);
                    claims.deep.extend(named.deep);
                    claims.data.extend(named.data);
                    folders = named.folders;
                }
                if is_given {
                    claims.given.extend(folders.iter().chain(&chart).cloned());
                }
                let is_own = |folder: &&String| folder.is_empty() || is_within(name, folder);
                claims.own.extend(folders.iter().filter(is_own).cloned());
                claims.all.extend(folders);
                claims.charts.extend(chart);
            }
        }
        claims
    }

    /// How a folder is built as it stands, by what names it.
    pub(super) fn extra(&self, folder: &str) -> Extra {
        Extra { is_flat: !self.deep.contains(folder), ..Extra::default() }
    }

    /// Adds folders that only what was built names.
    pub(super) fn add<'a>(&mut self, more: impl Iterator<Item = (&'a String, &'a Late)>) {
        for (folder, late) in more {
            self.all.insert(folder.clone());
            self.deep.extend(late.is_deep.then(|| folder.clone()));
            self.given.extend(late.is_given.then(|| folder.clone()));
        }
    }
}

/// Folders that some kustomization includes.
pub(super) fn included(tree: &Tree<'_>) -> HashSet<String> {
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
