//! What of a tree is judged: the files of the unit, what their kustomizations take in of the environment, and the builds that
//! these make.

use std::collections::{BTreeSet, HashSet};

use super::environment::Environment;
use super::index::Index;
use super::node::Node;
use super::resource::Built;
use super::tree::{self, Tree};
use super::{Images, argo, flux, roots};

// What a kustomization takes in: objects, and what makes or changes them.
const LISTS: &[&str] = &["resources", "bases", "components", "generators", "transformers"];

/// What is judged, of the files.
pub(super) struct Ours<'a> {
    environment: Option<Environment<'a>>,
    files: HashSet<u32>,
}

impl<'a> Ours<'a> {
    /// The unit's files, and those that kustomizations of it take in, down to the last one.
    pub(super) fn of(tree: &Tree<'_>, environment: Option<Environment<'a>>) -> Self {
        let is_own = |name: &str| environment.is_some_and(|environment| (environment.is_own)(name));
        let files: HashSet<u32> = tree.all().filter(|(_, name)| !is_own(name)).map(|(file, _)| file).collect();
        let mut ours = Self { environment, files };
        let mut todo: Vec<(&str, u32)> = tree.kustomizations().filter(|(_, file)| ours.files.contains(file)).collect();
        while let Some((folder, file)) = todo.pop() {
            let doc = tree.docs(file).first();
            let lists = LISTS.iter().filter_map(|key| doc?.get(key));
            for path in lists.flat_map(Node::items).filter_map(|entry| tree::join(folder, entry.as_str()?)) {
                let inner = tree.kustomization(&path);
                let Some(found) = inner.or_else(|| tree.number(&path)) else { continue };
                if ours.files.insert(found) && inner.is_some() {
                    todo.push((tree::folder_of(tree.name(found)), found));
                }
            }
        }
        ours
    }

    /// Whether what an object deploys is judged: where it stands, or the chart that it is about.
    pub(super) fn has(&self, object: &Node, tree: &Tree<'_>) -> bool {
        self.files.contains(&object.at.file)
            || flux::own_chart(object, tree).is_some_and(|folder| self.is_folder(&folder, tree))
    }

    /// Whether a release takes values from the unit.
    pub(super) fn gives(&self, sources: &[flux::Source<'_>]) -> bool {
        let mut seen = sources.iter().filter_map(|(_, seen)| seen.as_ref());
        self.environment.is_some() && seen.any(|seen| self.files.contains(&seen.at.file))
    }

    /// Notes the builds that are judged: those of the unit's folders, those that objects which are judged name, and those that
    /// these name in turn.
    pub(super) fn note(&self, images: &mut Images, built: &[(usize, Built)], tree: &Tree<'_>, index: &Index) {
        let is_ours = |root: &str| self.is_folder(if root == "." { "" } else { root }, tree);
        let all = images.roots.iter().enumerate();
        let mut queue: Vec<usize> = all.filter(|(_, root)| is_ours(root)).map(|(build, _)| build).collect();
        for (build, built) in built.iter().filter(|(build, _)| images.named_by(*build).next().is_some()) {
            let named: BTreeSet<String> = built
                .resources
                .iter()
                .filter(|resource| self.has(&resource.node, tree))
                .flat_map(|resource| folders(&resource.node, tree, index))
                .map(|folder| roots::shown(&folder))
                .collect();
            let others = images
                .named_by(*build)
                .filter(|other| images.roots.get(*other).is_some_and(|root| named.contains(root)));
            queue.extend(others);
        }
        images.ours = images.reached(queue);
    }

    // Whether a folder is one of the unit.
    fn is_folder(&self, folder: &str, tree: &Tree<'_>) -> bool {
        let is_own = self.environment.is_some_and(|environment| (environment.is_own)(folder));
        !is_own || tree.kustomization(folder).is_some_and(|file| self.files.contains(&file))
    }
}

// The folders that an object has built.
fn folders(object: &Node, tree: &Tree<'_>, index: &Index) -> Vec<String> {
    if flux::is_kustomization(object) {
        flux::folder(tree, index, object).into_iter().collect()
    } else {
        argo::claims(tree, index, object).folders
    }
}
