//! What kustomize works on: objects with their names, what a folder builds of them, and what somebody adds to that.

use std::sync::Arc;

use super::node::{Node, Value};
use super::sink::Hit;
use super::vars::Vars;

/// An object with the names that it had on the way.
#[derive(Debug, Clone)]
pub(super) struct Resource {
    /// The object, shared with the builds that do not change it.
    pub(super) node: Arc<Node>,
    /// Names that prefixes and suffixes gave it, the last one last.
    pub(super) names: Vec<Arc<str>>,
    /// Namespaces that it was put into.
    pub(super) namespaces: Vec<Arc<str>>,
    /// Labels and annotations that it was given, the last ones last.
    pub(super) labels: Vec<Arc<Node>>,
    pub(super) annotations: Vec<Arc<Node>>,
    /// Whether its name ends in a sum of its content.
    pub(super) is_hashed: bool,
}

impl Resource {
    /// An object as it is written.
    pub(super) fn new(node: Arc<Node>) -> Self {
        Self {
            node,
            names: Vec::new(),
            namespaces: Vec::new(),
            labels: Vec::new(),
            annotations: Vec::new(),
            is_hashed: false,
        }
    }

    /// Every name.
    pub(super) fn all_names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.node.name()).chain(self.names.iter().map(|name| &**name))
    }

    /// Whether it has a kind and, at some time, a name.
    pub(super) fn is(&self, kind: &str, name: &str) -> bool {
        self.node.kind() == kind && self.all_names().any(|own| own == name)
    }

    /// The name that it ends with.
    pub(super) fn last_name(&self) -> &str {
        self.names.last().map_or_else(|| self.node.name(), |name| &**name)
    }

    /// Notes that a patch gave it another name than the one before: others may still know it by that.
    pub(super) fn renamed(&mut self, before: String) {
        if self.node.name() != before {
            if self.names.is_empty() {
                self.names.push(self.node.name().into());
            }
            self.names.insert(0, before.into());
        }
    }

    /// What no two objects may have in common.
    pub(super) fn identity(&self) -> (&str, &str, &str, &str) {
        let name = self.last_name();
        let namespace = Some(self.namespace()).filter(|namespace| *namespace != "default").unwrap_or_default();
        (self.node.str_at(&["apiVersion"]), self.node.kind(), name, namespace)
    }

    /// The namespace that it ends in; empty if nobody says.
    pub(super) fn namespace(&self) -> &str {
        self.namespaces.last().map_or_else(|| self.node.namespace(), |name| &**name)
    }
}

/// What a folder builds.
#[derive(Debug, Clone, Default)]
pub(super) struct Built {
    /// Its objects.
    pub(super) resources: Vec<Resource>,
    /// What could not be looked into, and what is known all the same.
    pub(super) closed: Vec<Hit>,
    /// Whether a part of it comes from elsewhere.
    pub(super) is_remote: bool,
    /// Variables that are put in when all is there.
    pub(super) vars: Vars,
}

/// What somebody adds to the kustomization of a folder.
#[derive(Debug, Clone, Default)]
pub(super) struct Extra {
    /// Further patches.
    pub(super) patches: Vec<Node>,
    /// Further images; one of the same name displaces the folder's own.
    pub(super) images: Vec<Node>,
    /// Further components.
    pub(super) components: Vec<Node>,
    /// The namespace.
    pub(super) namespace: Option<String>,
    /// Whether a folder without a kustomization file is only what stands in it, and not what stands below.
    pub(super) is_flat: bool,
    /// Whether kustomizations are not looked at.
    pub(super) is_plain: bool,
}

/// Whether an object stands for those that it holds.
pub(super) fn is_list(object: &Node) -> bool {
    let items = object.get("items").map(Node::items).unwrap_or_default();
    object.kind().ends_with("List") && !items.is_empty() && items.iter().all(|item| matches!(item.value, Value::Map(_)))
}

/// An item of a list as an object: lists of one kind need not say it again.
pub(super) fn typed(item: &Node, list: &Node) -> Node {
    let mut item = item.clone();
    let kind = list.kind().strip_suffix("List").filter(|kind| !kind.is_empty());
    if let (Some(kind), Some(version), true) = (kind, list.get("apiVersion"), item.kind().is_empty()) {
        item.set("kind", Node::text(item.at, kind));
        item.set("apiVersion", version.clone());
    }
    item
}
