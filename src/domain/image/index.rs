//! Objects by kind and name, for those that refer to them.

use std::collections::{HashMap, HashSet};

use super::argo;
use super::environment::Environment;
use super::flux::{self, Prefixes};
use super::node::{At, Node};
use super::resource::Resource;
use super::tree::{self, Tree};
use crate::domain::url::RepoUrl;

// What it costs to see how near an object is, where a look at a path costs 1.
const NEAR: usize = 16;
// Kinds that others refer to.
const KINDS: &[&str] =
    &["ConfigMap", "Secret", "Bucket", "GitRepository", "HelmRepository", "OCIRepository", "ArtifactGenerator"];

/// An object, and the build that it is of.
type Known = (Option<usize>, Resource);

// Whether an object says of itself that it is not applied.
fn is_left_out(object: &Node) -> bool {
    const WORDS: &[(&str, &str)] = &[
        ("kustomize.toolkit.fluxcd.io/reconcile", "disabled"),
        ("kustomize.toolkit.fluxcd.io/ssa", "Ignore"),
        ("config.kubernetes.io/local-config", ""),
    ];
    let says = |(key, word): &(&str, &str), part: &str| {
        object
            .at_path(&["metadata", part, key])
            .and_then(Node::as_str)
            .is_some_and(|own| word.is_empty() || own.eq_ignore_ascii_case(word))
    };
    WORDS.iter().any(|word| says(word, "annotations") || says(word, "labels"))
}

/// Every object that may be referred to.
#[derive(Default)]
pub(super) struct Index {
    by_kind: HashMap<String, HashMap<String, Vec<Known>>>,
    folders: Vec<String>,
    // The first of the builds that name each other down to this one, of each.
    families: Vec<usize>,
    prefixes: Prefixes,
    // The repository and the branch of the tree, if they are known.
    here: Option<(RepoUrl, String)>,
    // Whether a policy says which folders are built.
    is_chosen: bool,
    // The addresses under which Applications name folders that the tree has.
    homes: HashSet<String>,
}

impl Index {
    /// What stands in these files, whoever uses them.
    pub(super) fn of(
        tree: &Tree<'_>,
        environment: Option<Environment<'_>>,
        is_own: &dyn Fn(&str) -> bool,
        is_heeded: &dyn Fn(u32) -> bool,
    ) -> Self {
        let folders = tree.all().map(|(_, name)| name.to_owned()).collect();
        let here = environment.map(|here| (here.repository.clone(), here.branch.to_string()));
        let (prefixes, homes) = (flux::prefixes(tree, is_own), argo::homes(tree));
        let is_chosen = environment.is_some_and(|environment| !environment.roots.is_empty());
        let mut index = Self { folders, prefixes, here, homes, is_chosen, ..Self::default() };
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
    pub(super) fn find(
        &self,
        id: (&str, &str),
        namespace: &str,
        from: (&Node, usize),
        tree: &Tree<'_>,
    ) -> Option<&Resource> {
        let all = self.candidates(id, from.0.at, tree)?;
        self.nearest(all, namespace, from, &|_| true)
    }

    /// The same, for one that may as well be missing: what is in another namespace or has another name in the end is not it.
    pub(super) fn find_there(
        &self,
        id: (&str, &str),
        namespace: &str,
        from: (&Node, usize),
        tree: &Tree<'_>,
    ) -> Option<&Resource> {
        let is_there = |(_, found): &&Known| {
            let own = found.namespace();
            let is_other = !own.is_empty() && !namespace.is_empty() && own != namespace;
            !is_other && !found.is_hashed && found.id().name == id.1 && !is_left_out(&found.node)
        };
        // What a build makes of an object tells what becomes of it.
        let all = self.candidates(id, from.0.at, tree)?;
        let gone: HashSet<At> =
            all.iter().filter(|known| known.0.is_some() && !is_there(known)).map(|(_, found)| found.node.at).collect();
        self.nearest(all, namespace, from, &|known| is_there(&known) && !gone.contains(&known.1.node.at))
    }

    /// Others of that kind, name and namespace that the builds of one family have, which may come after the one that was
    /// found. Where nobody says which folders are the environment's, other folders are other clusters'.
    pub(super) fn rivals<'i>(
        &'i self,
        found: &'i Resource,
        name: &str,
        build: usize,
    ) -> impl Iterator<Item = &'i Node> {
        let all = self.by_kind.get(found.node.kind()).and_then(|names| names.get(name)).map(Vec::as_slice);
        let is_kin = move |other: &usize| self.first(*other) == self.first(build);
        let folder = |of: &Resource| self.folders.get(of.node.at.file as usize).map(|name| tree::folder_of(name));
        let is_near = move |rival: &Resource| self.is_chosen || folder(rival) == folder(found);
        let rivals = all.unwrap_or_default().iter().filter(move |(other, rival)| {
            let is_other = rival.namespace() == found.namespace() && rival.node.at != found.node.at;
            is_other && other.as_ref().is_some_and(is_kin) && is_near(rival)
        });
        rivals.map(|(_, rival)| &*rival.node)
    }

    // The objects of a kind and a name, if there is room to look at all of them.
    fn candidates(&self, (kind, name): (&str, &str), at: At, tree: &Tree<'_>) -> Option<&[Known]> {
        let all = self.by_kind.get(kind)?.get(name)?;
        tree.spend(NEAR * all.len(), at).then_some(all)
    }

    fn nearest<'i>(
        &self,
        candidates: &'i [Known],
        namespace: &str,
        from: (&Node, usize),
        is_meant: &dyn Fn(&Known) -> bool,
    ) -> Option<&'i Resource> {
        let file = |node: &Node| self.folders.get(node.at.file as usize).map(String::as_str).unwrap_or_default();
        let home = file(from.0);
        let parts: HashSet<&str> = home.split('/').collect();
        let common = |other: &str| {
            let shared = home.split('/').zip(other.split('/')).take_while(|(a, b)| a == b).count();
            (shared, other.split('/').filter(|part| parts.contains(part)).count())
        };
        let family = |build: usize| self.families.get(build);
        let nearest = candidates.iter().filter(|known| is_meant(known)).max_by_key(|(build, found)| {
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
        self.here.as_ref().is_some_and(|(here, _)| is_other(here))
    }

    /// Whether what is at the top of a repository may be what is at the top of this tree.
    pub(super) fn is_home(&self, url: &str) -> bool {
        self.homes.is_empty() || self.homes.contains(url)
    }

    /// Whether a revision is another one than what this tree is released to.
    pub(super) fn is_otherwise(&self, revision: &str) -> bool {
        let name = revision.strip_prefix("refs/heads/").unwrap_or(revision);
        self.here.as_ref().is_some_and(|(_, branch)| !matches!(name, "" | "HEAD") && name != branch)
    }

    /// Whether this tree is not what a repository has at a revision.
    pub(super) fn is_other(&self, url: &str, revision: &str) -> bool {
        self.is_elsewhere(url) || self.is_otherwise(revision)
    }

    /// Whether a source of Flux, as an object of a build refers to it, may hold something else than this tree.
    pub(super) fn is_foreign(&self, source: &Node, (resource, build): (&Resource, usize), tree: &Tree<'_>) -> bool {
        let (kind, name) = (source.str_at(&["kind"]), source.str_at(&["name"]));
        let namespace = Some(source.str_at(&["namespace"])).filter(|own| !own.is_empty());
        let namespace = namespace.unwrap_or_else(|| resource.namespace());
        match self.find((kind, name), namespace, (&resource.node, build), tree) {
            _ if self.here.is_none() || !matches!(kind, "GitRepository" | "OCIRepository" | "Bucket") => false,
            // The one that Flux makes for its own repository.
            None => name != "flux-system",
            Some(found) => {
                let spec = found.node.get("spec").unwrap_or(&found.node);
                let reference = spec.get("ref").map(Node::entries).unwrap_or_default();
                let is_branch = |(key, revision): &(Box<str>, Node)| {
                    &**key == "branch" && !self.is_otherwise(revision.as_str().unwrap_or_default())
                };
                kind != "GitRepository"
                    || self.is_elsewhere(spec.str_at(&["url"]))
                    || !reference.iter().all(is_branch)
                    || spec.get("include").is_some_and(|include| !include.items().is_empty())
            }
        }
    }

    /// Every object of a kind.
    pub(super) fn all(&self, kind: &str) -> impl Iterator<Item = &Node> {
        let names = self.by_kind.get(kind).into_iter().flat_map(HashMap::values);
        names.flatten().map(|(_, resource)| &*resource.node)
    }
}
