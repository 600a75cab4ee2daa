//! One branch of one repository, as it was at the moment it was asked: tip, history, policy, folders.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::{AppError, Context, Place};
use crate::domain::graph::Graph;
use crate::domain::id::{BlobId, BranchName, CommitId, TreeId};
use crate::domain::listing::{Entry, EntryMode, Leaves};
use crate::domain::object::Tree;
use crate::domain::policy::{self, Stage};
use crate::domain::url::RepoUrl;
use crate::port::{Advertised, PortError, Repository, Role};

/// Path of the policy.
pub const POLICY: &str = ".passgate/stage.yaml";
const MAX_POLICY: u64 = 1 << 20;

/// First-parent commits whose root trees are brought at once.
pub const WINDOW: usize = 512;
/// Records that are brought at once: enough to see the live release land, marked and anchored anew.
pub const NEWEST: usize = 6;

/// A branch that was looked at.
#[derive(Clone)]
pub struct Site {
    /// Its repository.
    pub repository: Arc<dyn Repository>,
    /// Where it is, local paths made canonical.
    pub url: RepoUrl,
    /// The branch.
    pub branch: BranchName,
    /// Its tip.
    pub tip: CommitId,
    /// The history of the tip.
    pub graph: Graph,
    /// Everything that the server advertised with it.
    pub advertised: Arc<Advertised>,
}

impl Site {
    /// Looks at a branch; None when the repository has no such branch.
    ///
    /// # Errors
    /// The repository cannot be asked.
    pub fn find(context: &Context<'_>, place: &Place, role: Role) -> Result<Option<Self>, PortError> {
        let repository = context.repositories.open(&place.url, role)?;
        let advertised = repository.advertise()?;
        let Some(branch) = place.branch.clone().or(advertised.default.clone()) else { return Ok(None) };
        let Some(tip) = advertised.branches.get(&branch).copied() else { return Ok(None) };
        let graph = repository.history(&[tip])?;
        let url = context.repositories.canonical(&place.url);
        Ok(Some(Self { repository, url, branch, tip, graph, advertised: Arc::new(advertised) }))
    }

    /// Looks at the branch that is released into.
    ///
    /// # Errors
    /// The repository cannot be asked, or has no such branch.
    pub fn target(context: &Context<'_>, place: &Place) -> Result<Self, AppError> {
        Self::find(context, place, Role::Target)?.ok_or_else(|| {
            let branch = place.branch.as_ref().map_or("default branch".to_owned(), |branch| format!("branch {branch}"));
            AppError::usage(
                format!("{} has no {branch}", place.url),
                "name the environment's branch as URL#branch; a new repository wants a first commit with .passgate/stage.yaml",
            )
        })
    }

    /// Brings at once what looking at a unit will ask for one by one: root trees, the trees of passgate's own folder and
    /// of the unit's folders, the policy and the newest records. Each request costs a round trip, whatever its size.
    ///
    /// # Errors
    /// The repository cannot be asked.
    pub fn warm(&self, folders: &[String], records: &[String]) -> Result<(), PortError> {
        let nodes: Vec<_> = self.graph.first_parents(self.tip).take(WINDOW).collect();
        let brought = self.graph.brought(self.tip);
        let merged = nodes.iter().filter_map(|(id, _)| brought.get(id)).flatten();
        let merged = merged.filter_map(|id| self.graph.nodes.get(id)).map(|node| node.tree);
        let mut roots: Vec<TreeId> = nodes.iter().map(|(_, node)| node.tree).chain(merged).collect();
        let trees = self.repository.trees(&roots)?;
        let tip = self.root_of(self.tip)?;
        let at = |root: &TreeId, name: &str| match trees.get(root)?.get(name.as_bytes()) {
            Some((EntryMode::Tree, id)) => Some(TreeId(*id)),
            _ => None,
        };
        let mut deep: Vec<TreeId> = roots.iter().filter_map(|root| at(root, ".passgate")).collect();
        // A nested folder shares its parent with others, who are not asked for.
        deep.extend(folders.iter().filter(|folder| !folder.contains('/')).filter_map(|folder| at(&tip, folder)));
        deep.sort();
        deep.dedup();
        self.repository.prefetch(&deep)?;
        let policy = resolve(&*self.repository, &[tip], POLICY)?;
        roots.dedup();
        let mut blobs: Vec<BlobId> = policy.values().filter_map(file).collect();
        for record in records {
            let found = resolve(&*self.repository, &roots, record)?;
            for root in &roots {
                if let Some(blob) = found.get(root).and_then(file).filter(|_| blobs.len() < NEWEST) {
                    blobs.push(blob);
                    blobs.dedup();
                }
            }
        }
        self.repository.blobs(&blobs, MAX_POLICY.max(crate::domain::record::MAX_BYTES as u64)).map(|_| ())
    }

    /// `url#branch`, as the command line takes it.
    pub fn name(&self) -> String {
        format!("{}#{}", self.url, self.branch)
    }

    /// The root tree of a commit of the history.
    ///
    /// # Errors
    /// The commit is not in the history.
    pub fn root_of(&self, commit: CommitId) -> Result<TreeId, PortError> {
        root_of(&self.graph, commit)
    }

    /// The policy at the tip.
    ///
    /// # Errors
    /// It is missing, not valid, or cannot be had.
    pub fn policy(&self) -> Result<(BlobId, Stage), AppError> {
        let root = self.root_of(self.tip)?;
        let entry = resolve(&*self.repository, &[root], POLICY)?.remove(&root);
        let Some(blob) = entry.as_ref().and_then(file) else {
            return Err(AppError::usage(
                format!("{} has no {POLICY}: it is not an environment", self.name()),
                "write the stage's rules there, by a reviewed commit (see `passgate schema`)",
            ));
        };
        let content = self.repository.blobs(&[blob], MAX_POLICY)?.remove(&blob).ok_or_else(|| {
            let what = format!("{POLICY} of {} has more than {MAX_POLICY} bytes", self.name());
            AppError::usage(what, "the rules of a stage take a few hundred: see `passgate schema`")
        })?;
        let text = String::from_utf8_lossy(&content);
        let stage =
            policy::parse(&text).map_err(|error| AppError::Policy { place: self.name(), error: Box::new(error) })?;
        Ok((blob, stage))
    }

    /// Everything in some folders of a commit, or in their way, with paths from the root.
    ///
    /// # Errors
    /// They cannot be had.
    pub fn folders_at(&self, commit: CommitId, folders: &[String]) -> Result<Leaves, PortError> {
        folders_of(&*self.repository, self.root_of(commit)?, folders)
    }

    /// What is not a file of its own at the tip where a record belongs, or in its way.
    ///
    /// # Errors
    /// It cannot be had.
    pub fn beside_record(&self, record: &str) -> Result<Leaves, PortError> {
        let root = self.root_of(self.tip)?;
        let mut found = in_the_way(&*self.repository, root, [record])?;
        let at = resolve(&*self.repository, &[root], record)?.remove(&root);
        found.extend(at.filter(|entry| file(entry).is_none()).map(|entry| (record.to_owned(), entry)));
        Ok(found)
    }
}

/// The blob of a file that is no link.
pub fn file(entry: &Entry) -> Option<BlobId> {
    matches!(entry.0, EntryMode::Regular | EntryMode::Executable).then_some(BlobId(entry.1))
}

/// The root tree of a commit of a history.
///
/// # Errors
/// The commit is not in it.
pub fn root_of(graph: &Graph, commit: CommitId) -> Result<TreeId, PortError> {
    let node = graph.nodes.get(&commit);
    node.map(|node| node.tree).ok_or_else(|| PortError::Unusable(format!("the commit {commit} is not in the history")))
}

/// What stands at `path` below each of some root trees; one request for each level of the path.
///
/// # Errors
/// A tree cannot be had.
pub fn resolve(repository: &dyn Repository, roots: &[TreeId], path: &str) -> Result<HashMap<TreeId, Entry>, PortError> {
    let mut at: HashMap<TreeId, Entry> = roots.iter().map(|root| (*root, (EntryMode::Tree, root.0))).collect();
    for part in path.split('/') {
        let ids: Vec<TreeId> =
            at.values().filter(|(mode, _)| *mode == EntryMode::Tree).map(|(_, id)| TreeId(*id)).collect();
        let trees = repository.trees(&ids)?;
        at = at
            .into_iter()
            .filter(|(_, (mode, _))| *mode == EntryMode::Tree)
            .filter_map(|(root, (_, id))| Some((root, *trees.get(&TreeId(id))?.get(part.as_bytes())?)))
            .collect();
    }
    Ok(at)
}

/// What is no folder below a root tree, but stands where the folders above some paths belong.
///
/// # Errors
/// A tree cannot be had.
pub fn in_the_way<'a>(
    repository: &dyn Repository,
    root: TreeId,
    paths: impl IntoIterator<Item = &'a str>,
) -> Result<Leaves, PortError> {
    let mut found = Leaves::new();
    for path in paths {
        for above in path.match_indices('/').map(|(at, _)| &path[..at]) {
            match resolve(repository, &[root], above)?.remove(&root) {
                Some((EntryMode::Tree, _)) => {}
                other => {
                    found.extend(other.map(|entry| (above.to_owned(), entry)));
                    break;
                }
            }
        }
    }
    Ok(found)
}

/// Everything in some folders below a root tree, or in their way, with paths from the root.
///
/// # Errors
/// They cannot be had.
pub fn folders_of(repository: &dyn Repository, root: TreeId, folders: &[String]) -> Result<Leaves, PortError> {
    let mut trees = Vec::new();
    let mut all = in_the_way(repository, root, folders.iter().map(String::as_str))?;
    for folder in folders {
        match resolve(repository, &[root], folder)?.remove(&root) {
            Some((EntryMode::Tree, id)) => trees.push((folder, TreeId(id))),
            Some(entry) => {
                all.insert(folder.clone(), entry);
            }
            None => {}
        }
    }
    let ids: Vec<TreeId> = trees.iter().map(|(_, id)| *id).collect();
    let leaves = if ids.is_empty() { HashMap::new() } else { repository.leaves(&ids)? };
    for (folder, id) in trees {
        let below = leaves.get(&id).into_iter().flatten();
        all.extend(below.map(|(path, entry)| (format!("{folder}/{path}"), *entry)));
    }
    Ok(all)
}

/// The paths at which two root trees differ, with what the second has there (None: nothing).
///
/// # Errors
/// A tree cannot be had.
pub fn changed(
    repository: &dyn Repository,
    old: TreeId,
    new: TreeId,
) -> Result<BTreeMap<String, Option<Entry>>, PortError> {
    let tree = |entry: Option<Entry>| entry.filter(|(mode, _)| *mode == EntryMode::Tree).map(|(_, id)| TreeId(id));
    let leaf = |entry: Option<Entry>| entry.filter(|(mode, _)| *mode != EntryMode::Tree);
    let mut found = BTreeMap::new();
    let mut level = vec![(String::new(), Some((EntryMode::Tree, old.0)), Some((EntryMode::Tree, new.0)))];
    while !level.is_empty() {
        let ids: Vec<TreeId> = level.iter().flat_map(|(_, old, new)| [tree(*old), tree(*new)]).flatten().collect();
        let trees = repository.trees(&ids)?;
        let nothing = Tree::new();
        let mut next = Vec::new();
        for (path, old, new) in level {
            if leaf(old) != leaf(new) {
                found.insert(path.clone(), leaf(new));
            }
            let of = |entry| tree(entry).and_then(|id| trees.get(&id)).unwrap_or(&nothing);
            let names: BTreeSet<&Vec<u8>> = of(old).keys().chain(of(new).keys()).collect();
            for name in names {
                let (old, new) = (of(old).get(name).copied(), of(new).get(name).copied());
                if old != new {
                    let gap = if path.is_empty() { "" } else { "/" };
                    next.push((format!("{path}{gap}{}", crate::domain::listing::path_of(name)), old, new));
                }
            }
        }
        level = next;
    }
    Ok(found)
}

/// Gives a tree by its id, mostly out of trees that were brought before; what cannot be had is an error, never an empty
/// tree.
pub fn loader<'a>(repository: &'a dyn Repository) -> impl Fn(TreeId) -> Result<Tree, AppError> + 'a {
    move |id| {
        let lacking = || PortError::Missing { repository: repository.url().to_string(), id: id.to_string() };
        Ok(repository.trees(&[id])?.remove(&id).ok_or_else(lacking)?)
    }
}
