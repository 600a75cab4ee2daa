//! What the accepted source repository proves about a commit: its content, its branch, and how it stands to what is live.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::site::{WINDOW, folders_of, resolve, root_of};
use super::{AppError, Context};
use crate::domain::artifact::Folder;
use crate::domain::gate::order::{Base, Relation};
use crate::domain::gate::{branch, source};
use crate::domain::graph::Graph;
use crate::domain::id::{BranchName, CommitId, TreeId};
use crate::domain::listing::{Entry, EntryMode, Leaves, has_git_file};
use crate::domain::message::Reference;
use crate::domain::notes::{Change, Notes, qualify, work_items};
use crate::domain::object::{Built, Collision, Kind, Object, Tree};
use crate::domain::policy::{Accept, BranchRule, FolderRule};
use crate::domain::url::RepoUrl;
use crate::port::{Advertised, PortError, Repository, Role};

// Commits of a range that are looked into for notes, and that are told.
const LOOKED_AT: usize = 2000;
const TOLD: usize = 50;

/// A source repository that was looked at for one commit.
pub struct Source {
    /// The repository.
    pub repository: Arc<dyn Repository>,
    /// Where it is.
    pub url: RepoUrl,
    /// The commit.
    pub commit: CommitId,
    /// History of every allowed branch, of the commit and of what is live, as far as it exists.
    pub graph: Graph,
    /// The rules that prove the commit, with the branch of each, in list order.
    pub proven: Vec<(BranchRule, BranchName)>,
    folders: Vec<FolderRule>,
    matching: Vec<(BranchRule, BranchName, CommitId)>,
    advertised: Advertised,
}

impl Source {
    /// Looks at the accepted source of a unit.
    ///
    /// # Errors
    /// It cannot be asked.
    pub fn look(
        context: &Context<'_>,
        accept: &Accept,
        url: &RepoUrl,
        commit: CommitId,
        live: Option<CommitId>,
    ) -> Result<Self, PortError> {
        let repository = context.repositories.open(url, Role::Source)?;
        let advertised = repository.advertise()?;
        let mut matching = Vec::new();
        for rule in &accept.branches {
            for (name, tip) in &advertised.branches {
                if rule.pattern.matches(name) {
                    matching.push((rule.clone(), name.clone(), *tip));
                }
            }
        }
        let mut tips: Vec<CommitId> = matching.iter().map(|(_, _, tip)| *tip).collect();
        tips.sort();
        tips.dedup();
        let mut graph = if tips.is_empty() { Graph::default() } else { repository.history(&tips)? };
        for id in [Some(commit), live].into_iter().flatten() {
            if graph.nodes.contains_key(&id) {
                continue;
            }
            tips.push(id);
            match repository.history(&tips) {
                Ok(larger) => graph = larger,
                // Not to be had: the gates say what follows from it.
                Err(PortError::Missing { .. }) => {
                    tips.pop();
                }
                Err(PortError::Git { said, .. })
                    if said.contains("unadvertised object") || said.contains("not our ref") =>
                {
                    tips.pop();
                }
                Err(error) => return Err(error),
            }
        }
        // The commit's own root tree, and those that the notes will look at, in one request.
        let range = graph.missing(live.filter(|id| graph.nodes.contains_key(id)), commit).into_iter().take(WINDOW);
        let nodes: Vec<_> = range.chain([commit]).filter_map(|id| graph.nodes.get(&id)).collect();
        let parents = nodes.iter().flat_map(|node| &node.parents).filter_map(|id| graph.nodes.get(id));
        let roots: Vec<TreeId> = nodes.iter().copied().chain(parents).map(|node| node.tree).collect();
        if !roots.is_empty() {
            repository.trees(&roots)?;
        }
        let proven = matching
            .iter()
            .filter(|(_, _, tip)| graph.is_on_chain(commit, *tip))
            .map(|(rule, name, _)| (rule.clone(), name.clone()))
            .collect();
        Ok(Self {
            repository,
            url: context.repositories.canonical(url),
            commit,
            graph,
            proven,
            folders: accept.folders.clone(),
            matching,
            advertised,
        })
    }

    /// The branch that is recorded: the first that proves the commit.
    pub fn branch(&self) -> Option<&BranchName> {
        self.proven.first().map(|(_, branch)| branch)
    }

    /// Facts for gate `branch`.
    pub fn branch_facts(&self, accept: &Accept) -> branch::Facts {
        let merged = self.matching.iter().find(|(_, _, tip)| self.graph.is_ancestor(self.commit, *tip));
        let allowed = |name: &BranchName| self.matching.iter().any(|(_, matching, _)| matching == name);
        branch::Facts {
            commit: self.commit,
            allowed: accept.branches.iter().map(|rule| rule.pattern.as_str().to_owned()).collect(),
            matching: self.matching.iter().map(|(_, name, _)| name.clone()).collect(),
            proven: self.proven.iter().map(|(_, name)| name.clone()).collect(),
            merged: merged.map(|(_, name, _)| name.clone()),
            elsewhere: self
                .advertised
                .branches
                .iter()
                .filter(|(name, tip)| **tip == self.commit && !allowed(name))
                .map(|(name, _)| name.clone())
                .collect(),
            shallow: self.graph.shallow,
        }
    }

    /// Facts for gate `source`: the commit's folders beside the artifact's files.
    ///
    /// # Errors
    /// The folders cannot be had.
    pub fn content_facts(&self, artifact: &Leaves) -> Result<source::Facts, PortError> {
        let mut facts = source::Facts {
            repository: self.url.clone(),
            commit: self.commit,
            exists: self.graph.nodes.contains_key(&self.commit),
            missing: Vec::new(),
            foreign: Vec::new(),
            different: Vec::new(),
        };
        if !facts.exists {
            return Ok(facts);
        }
        let there = self.content()?;
        for path in there.keys().chain(artifact.keys()).collect::<BTreeSet<_>>() {
            match (there.get(path), artifact.get(path)) {
                (Some(_), None) => facts.missing.push(path.clone()),
                (None, Some(_)) => facts.foreign.push(path.clone()),
                (Some(a), Some(b)) if a != b => facts.different.push(path.clone()),
                _ => {}
            }
        }
        Ok(facts)
    }

    /// The commit's folders, mapped, without git files.
    ///
    /// # Errors
    /// They cannot be had.
    pub fn content(&self) -> Result<Leaves, PortError> {
        let root = root_of(&self.graph, self.commit)?;
        let from: Vec<String> = self.folders.iter().map(|rule| rule.from.clone()).collect();
        let leaves = folders_of(&*self.repository, root, &from)?;
        let mapped = leaves.into_iter().filter_map(|(path, entry)| {
            let rule = self.folders.iter().find(|rule| crate::domain::path::is_within(&path, &rule.from))?;
            Some((format!("{}{}", rule.to, &path[rule.from.len()..]), entry))
        });
        Ok(mapped.filter(|(path, _)| !has_git_file(path)).collect())
    }

    /// How the commit stands to what is live.
    ///
    /// # Errors
    /// Trees or contents that the comparison needs cannot be had.
    pub fn relation(&self, live: CommitId) -> Result<Relation, PortError> {
        let new = self.commit;
        if !self.graph.nodes.contains_key(&live) {
            return Ok(Relation::LiveGone);
        }
        if self.graph.is_ancestor(live, new) {
            return Ok(Relation::Newer);
        }
        if self.graph.is_ancestor(new, live) {
            return Ok(Relation::Older);
        }
        let mut bases = Vec::new();
        for base in self.graph.merge_bases(live, new) {
            let (onto_new, onto_live) = (self.graph.chain_after(base, new), self.graph.chain_after(base, live));
            let mut commits = vec![base, live, new];
            commits.extend(onto_new.iter().chain(&onto_live));
            let trees = self.unit_trees(&commits)?;
            let tree = |id: &CommitId| trees.get(id).copied().ok_or_else(|| lacking(*id));
            let (base, live, new) = (tree(&base)?, tree(&live)?, tree(&new)?);
            let candidates = |chain: &[CommitId]| -> Result<Vec<TreeId>, PortError> {
                let mut seen = BTreeSet::new();
                let all = chain.iter().rev().map(tree).collect::<Result<Vec<_>, _>>()?;
                Ok(all.into_iter().filter(|tree| seen.insert(*tree)).collect())
            };
            let absorbed = self.absorbs(base, live, candidates(&onto_new)?)?;
            let changed = live != base;
            // Only a live commit that changed nothing net can have overtaken the new one.
            let overtaken = !changed && new != base && self.absorbs(base, new, candidates(&onto_live)?)?;
            bases.push(Base { absorbed: absorbed && changed, changed, overtaken });
        }
        Ok(Relation::Apart(bases))
    }

    // Whether some candidate holds the change from `base` to `change`. A candidate that still has what `base` has at a
    // changed path cannot, and needs no merge to tell.
    fn absorbs(&self, base: TreeId, change: TreeId, mut candidates: Vec<TreeId>) -> Result<bool, PortError> {
        const PATHS: usize = 8;
        let leaves = self.repository.leaves(&[base, change])?;
        let nothing = Leaves::new();
        let (before, after) = (leaves.get(&base).unwrap_or(&nothing), leaves.get(&change).unwrap_or(&nothing));
        let paths: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for path in paths.into_iter().filter(|path| before.get(*path) != after.get(*path)).take(PATHS) {
            let at = resolve(&*self.repository, &candidates, path)?;
            candidates.retain(|tree| at.get(tree) == after.get(path) || at.get(tree) != before.get(path));
        }
        Ok(!candidates.is_empty() && self.repository.first_absorbing(base, change, &candidates)?.is_some())
    }

    // For each commit a tree that holds only the unit's folders, mapped, written into our own store.
    fn unit_trees(&self, commits: &[CommitId]) -> Result<HashMap<CommitId, TreeId>, PortError> {
        let roots: Vec<TreeId> = commits.iter().map(|id| root_of(&self.graph, *id)).collect::<Result<_, _>>()?;
        let mut found: Vec<HashMap<TreeId, Entry>> = Vec::new();
        let mut folders: BTreeSet<TreeId> = BTreeSet::new();
        for rule in &self.folders {
            let at = resolve(&*self.repository, &roots, &rule.from)?;
            folders.extend(at.values().filter(|(mode, _)| *mode == EntryMode::Tree).map(|(_, id)| TreeId(*id)));
            found.push(at);
        }
        // The merge reads these trees; brought together they cost one request.
        let folders: Vec<TreeId> = folders.into_iter().collect();
        self.repository.prefetch(&folders)?;
        let mut built = Built::default();
        let mut result = HashMap::new();
        for (commit, root) in commits.iter().zip(&roots) {
            let mut tree = Tree::new();
            for (rule, at) in self.folders.iter().zip(&found) {
                let nothing = |_| Ok(Tree::new());
                tree = built
                    .graft(&tree, &rule.to, at.get(root).copied(), &nothing)
                    .map_err(|collision: Collision| PortError::Unusable(collision.to_string()))?;
            }
            let id = built.add(&tree).map_err(|collision| PortError::Unusable(collision.to_string()))?;
            result.insert(*commit, id);
        }
        let objects: Vec<Object> = built.0.into_values().map(|content| Object { kind: Kind::Tree, content }).collect();
        self.repository.write(objects.len(), &mut objects.into_iter().map(Ok))?;
        Ok(result)
    }

    /// The commits that `new` has and `old` lacks and that changed the unit's folders, newest first.
    ///
    /// # Errors
    /// Trees or messages cannot be had.
    pub fn notes(&self, old: Option<CommitId>, new: CommitId) -> Result<Notes, PortError> {
        let old = old.filter(|id| self.graph.nodes.contains_key(id));
        let range: Vec<CommitId> = self.graph.missing(old, new).into_iter().take(LOOKED_AT).collect();
        let mut wanted = BTreeSet::new();
        for id in &range {
            let node = self.graph.nodes.get(id).ok_or_else(|| lacking(*id))?;
            wanted.insert(node.tree);
            wanted.extend(
                node.parents.iter().filter_map(|parent| self.graph.nodes.get(parent)).map(|parent| parent.tree),
            );
        }
        let roots: Vec<TreeId> = wanted.into_iter().collect();
        let mut at = Vec::new();
        for rule in &self.folders {
            at.push(resolve(&*self.repository, &roots, &rule.from)?);
        }
        let mut touched: Vec<CommitId> = Vec::new();
        for id in range {
            let Some(node) = self.graph.nodes.get(&id) else { continue };
            let differs = |parent: &CommitId| {
                let other = self.graph.nodes.get(parent).map(|parent| parent.tree);
                at.iter().any(|found| found.get(&node.tree) != other.and_then(|tree| found.get(&tree)))
            };
            // A merge tells nothing that its parents do not tell, unless it differs from all of them.
            let tells = if node.parents.is_empty() {
                at.iter().any(|found| found.contains_key(&node.tree))
            } else {
                node.parents.iter().all(differs)
            };
            if tells {
                touched.push(id);
            }
        }
        let more = touched.len().saturating_sub(TOLD);
        touched.truncate(TOLD);
        let texts = self.repository.texts(&touched)?;
        let changes = texts.into_iter().map(|text| Change {
            commit: text.id,
            items: work_items(&format!("{}\n{}", text.subject, text.body), &self.url),
            subject: qualify(&text.subject, &self.url),
        });
        Ok(Notes { changes: changes.collect(), more })
    }

    /// What Argo CD is told of the commit.
    ///
    /// # Errors
    /// Its message cannot be read.
    pub fn reference(&self) -> Result<Option<Reference>, PortError> {
        let text = self.repository.texts(&[self.commit])?.pop();
        Ok(text.map(|text| Reference { author: text.author, date: text.date, subject: text.subject, body: text.body }))
    }
}

fn lacking(id: CommitId) -> PortError {
    PortError::Unusable(format!("the commit {id} is not in the history that was fetched"))
}

/// The repository that a unit is accepted from; None for `self`.
pub fn accepted_url(accept: &Accept) -> Option<&RepoUrl> {
    match &accept.source {
        crate::domain::policy::Source::Repository(url) => Some(url),
        crate::domain::policy::Source::SelfRepository => None,
    }
}

/// A source's subjects of commits that would be lost, for gate `order`.
///
/// # Errors
/// Trees or messages cannot be had.
pub fn lost(source: &Source, live: CommitId) -> Result<Vec<String>, AppError> {
    if !source.graph.nodes.contains_key(&live) {
        return Ok(Vec::new());
    }
    let notes = source.notes(Some(source.commit), live)?;
    Ok(notes
        .changes
        .iter()
        .map(|change| format!("{} {}", change.commit.short(), crate::domain::escape::line(&change.subject)))
        .collect())
}

impl Source {
    /// Whether a commit is on the first-parent chain of an allowed branch now.
    pub fn still_proves(&self, commit: CommitId, branch: &BranchName) -> bool {
        self.matching.iter().any(|(_, name, tip)| name == branch && self.graph.is_on_chain(commit, *tip))
    }

    /// Whether the server still advertises the tips that were looked at.
    pub fn is_unmoved(&self) -> bool {
        let allowed = |found: &Advertised| -> Vec<(BranchName, CommitId)> {
            self.matching.iter().filter_map(|(_, name, _)| Some((name.clone(), *found.branches.get(name)?))).collect()
        };
        self.repository.advertise().is_ok_and(|now| allowed(&now) == allowed(&self.advertised))
    }

    /// Whether a first-parent commit up to this one had exactly these folders.
    ///
    /// # Errors
    /// Trees cannot be had.
    pub fn once_held(&self, folders: &[Folder]) -> Result<bool, PortError> {
        let chain = self.graph.first_parents(self.commit).take(LOOKED_AT);
        let roots: Vec<TreeId> = chain.map(|(_, node)| node.tree).collect();
        let mut at = Vec::new();
        for rule in &self.folders {
            let wanted = folders.iter().find(|folder| folder.path == rule.to).and_then(|folder| folder.tree);
            at.push((resolve(&*self.repository, &roots, &rule.from)?, wanted.map(|tree| (EntryMode::Tree, tree.0))));
        }
        Ok(roots.iter().any(|root| at.iter().all(|(found, wanted)| found.get(root) == wanted.as_ref())))
    }
}
