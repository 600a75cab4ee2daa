//! Objects by kind and name, for those that refer to them.

use std::collections::{HashMap, HashSet};

use super::flux::{self, Prefixes};
use super::node::Node;
use super::resource::Resource;
use super::tree::Tree;
use crate::domain::url::RepoUrl;

// Kinds that others refer to.
const KINDS: &[&str] =
    &["ConfigMap", "Bucket", "GitRepository", "HelmRepository", "OCIRepository", "ArtifactGenerator"];

/// An object, and the build that it is of.
type Known = (Option<usize>, Resource);

/// Every object that may be referred to.
#[derive(Default)]
pub(super) struct Index {
    by_kind: HashMap<String, HashMap<String, Vec<Known>>>,
    folders: Vec<String>,
    // The first of the builds that name each other down to this one, of each.
    families: Vec<usize>,
    prefixes: Prefixes,
    // The repository of the tree, if it is known.
    here: Option<RepoUrl>,
}

impl Index {
    /// What stands in these files, whoever uses them.
    pub(super) fn of(
        tree: &Tree<'_>,
        here: Option<&RepoUrl>,
        is_own: &dyn Fn(&str) -> bool,
        is_heeded: &dyn Fn(u32) -> bool,
    ) -> Self {
        let folders = tree.all().map(|(_, name)| name.to_owned()).collect();
        let mut index =
            Self { folders, prefixes: flux::prefixes(tree, is_own), here: here.cloned(), ..Self::default() };
        for (file, _) in tree.all().filter(|(file, _)| is_heeded(*file)) {
            for doc in tree.docs(file) {
                index.insert(&Resource::new(std::sync::Arc::clone(doc)), None);
            }
        }
        index
    }

    /// A further build, which another one names.
    pub(super) fn begin(&mut self, build: usize, by: Option<usize>) {
        let family = by.and_then(|by| self.families.get(by)).copied().unwrap_or(build);
        self.families.resize(build + 1, family);
    }

    /// The first of the builds that name each other down to this one.
    pub(super) fn first(&self, build: usize) -> usize {
        self.families.get(build).copied().unwrap_or(build)
    }

    /// Whether it has objects out of other files than these.
    pub(super) fn has_beside(&self, files: &HashSet<u32>) -> bool {
        let all = self.by_kind.values().flat_map(HashMap::values).flatten();
        all.into_iter().any(|(_, resource)| !files.contains(&resource.node.at.file))
    }

    /// One more object of a build.
    pub(super) fn add(&mut self, resource: &Resource, build: usize) {
        self.insert(resource, Some(build));
    }

    fn insert(&mut self, resource: &Resource, build: Option<usize>) {
        let kind = resource.node.kind();
        if !KINDS.contains(&kind) {
            return;
        }
        let names: Vec<String> = resource.all_names().map(str::to_owned).collect();
        let by_name = self.by_kind.entry(kind.to_owned()).or_default();
        for name in names {
            by_name.entry(name).or_default().push((build, resource.clone()));
        }
    }

    /// The object of a kind and name that stands nearest to the one of a build that refers to it: the namespace first, then
    /// the build, then those of its family, then the folders that they have in common, from the top and then anywhere, then
    /// the one that was built last.
    pub(super) fn find(&self, kind: &str, name: &str, namespace: &str, from: (&Node, usize)) -> Option<&Resource> {
        let file = |node: &Node| self.folders.get(node.at.file as usize).map(String::as_str).unwrap_or_default();
        let home = file(from.0);
        let parts: HashSet<&str> = home.split('/').collect();
        let common = |other: &str| {
            let shared = home.split('/').zip(other.split('/')).take_while(|(a, b)| a == b).count();
            (shared, other.split('/').filter(|part| parts.contains(part)).count())
        };
        let candidates = self.by_kind.get(kind)?.get(name)?;
        let family = |build: usize| self.families.get(build);
        let nearest = candidates.iter().max_by_key(|(build, found)| {
            let own = found.namespace();
            let is_open = own.is_empty() || namespace.is_empty();
            let is_kin = build.is_some_and(|build| family(build) == family(from.1));
            (own == namespace, is_open, *build == Some(from.1), is_kin, common(file(&found.node)))
        });
        nearest.map(|(_, found)| found)
    }

    /// Where in the tree a source of Flux begins, if that is not where the tree does.
    pub(super) fn prefix(&self, source: &str) -> Option<&str> {
        self.prefixes.found.get(source).map(String::as_str)
    }

    /// The folders where a source may begin, if that cannot be told.
    pub(super) fn tied(&self, source: &str) -> &[String] {
        self.prefixes.tied.get(source).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether an address is that of another repository than this one, or none.
    pub(super) fn is_elsewhere(&self, url: &str) -> bool {
        let is_other = |here: &RepoUrl| !url.parse::<RepoUrl>().is_ok_and(|url| url == *here);
        self.here.as_ref().is_some_and(is_other)
    }

    /// Whether a source of Flux, as an object of a build refers to it, may hold something else than this tree.
    pub(super) fn is_foreign(&self, source: &Node, (resource, build): (&Resource, usize)) -> bool {
        let (kind, name) = (source.str_at(&["kind"]), source.str_at(&["name"]));
        let namespace = Some(source.str_at(&["namespace"])).filter(|own| !own.is_empty());
        let namespace = namespace.unwrap_or_else(|| resource.namespace());
        match self.find(kind, name, namespace, (&resource.node, build)) {
            _ if self.here.is_none() || !matches!(kind, "GitRepository" | "OCIRepository" | "Bucket") => false,
            // The one that Flux makes for its own repository.
            None => name != "flux-system",
            Some(found) => kind != "GitRepository" || self.is_elsewhere(found.node.str_at(&["spec", "url"])),
        }
    }

    /// Every object of a kind.
    pub(super) fn all(&self, kind: &str) -> impl Iterator<Item = &Node> {
        let names = self.by_kind.get(kind).into_iter().flat_map(HashMap::values);
        names.flatten().map(|(_, resource)| &*resource.node)
    }
}
