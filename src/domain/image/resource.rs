//! What kustomize works on: objects with their names, what a folder builds of them, and what somebody adds to that.

use std::sync::Arc;

use super::node::{Node, Value};
use super::sink::Hit;
use super::vars::Vars;

// Where kustomize takes an object to be that is in no namespace, and one that says nothing of it.
const NOWHERE: &str = "_non_namespaceable_";
const DEFAULT: &str = "default";
// Kinds that are in no namespace, as kustomize knows them.
const CLUSTER: &[&str] = &[
    "APIService",
    "CSIDriver",
    "CSINode",
    "CertificateSigningRequest",
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "FlowSchema",
    "IngressClass",
    "MutatingWebhookConfiguration",
    "Namespace",
    "Node",
    "PersistentVolume",
    "PriorityClass",
    "PriorityLevelConfiguration",
    "RuntimeClass",
    "StorageClass",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
    "VolumeAttachment",
];
// Kinds whose names get no prefix and no suffix.
const FIXED: &[&str] = &["APIService", "CustomResourceDefinition", "Namespace"];

/// What an object is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Id<'a> {
    /// Its kind.
    pub(super) kind: &'a str,
    /// Its name.
    pub(super) name: &'a str,
    /// Its namespace; empty if nobody says.
    pub(super) namespace: &'a str,
}

impl<'a> Id<'a> {
    /// What a document says of itself.
    pub(super) fn of(node: &'a Node) -> Self {
        Self { kind: node.kind(), name: node.name(), namespace: node.namespace() }
    }

    /// The namespace that kustomize takes it to be in.
    pub(super) fn space(&self) -> &'a str {
        match self.namespace {
            _ if CLUSTER.contains(&self.kind) => NOWHERE,
            "" => DEFAULT,
            namespace => namespace,
        }
    }
}

// What an object was known by.
#[derive(Debug)]
struct Was {
    kind: Box<str>,
    name: Box<str>,
    namespace: Box<str>,
}

/// An object with the names that it had on the way.
#[derive(Debug, Clone)]
pub(super) struct Resource {
    /// The object, shared with the builds that do not change it.
    pub(super) node: Arc<Node>,
    // What kustomizations gave it, and is not yet written into it, because most builds change nothing else.
    name: Option<Arc<str>>,
    namespace: Option<Arc<str>>,
    /// Labels and annotations of that kind, the last ones last.
    pub(super) labels: Vec<Arc<Node>>,
    pub(super) annotations: Vec<Arc<Node>>,
    // What it was known by, the first one first.
    was: Vec<Arc<Was>>,
    /// Whether its name ends in a sum of its content.
    pub(super) is_hashed: bool,
    /// Whether a kustomization has it.
    pub(super) is_built: bool,
    // Whether it was read as one that defines others.
    was_definition: bool,
}

impl Resource {
    /// An object as it is written.
    pub(super) fn new(node: Arc<Node>) -> Self {
        Self {
            was_definition: is_definition(&node),
            node,
            name: None,
            namespace: None,
            labels: Vec::new(),
            annotations: Vec::new(),
            was: Vec::new(),
            is_hashed: false,
            is_built: false,
        }
    }

    /// What it is known by now.
    pub(super) fn id(&self) -> Id<'_> {
        let name = self.name.as_deref().unwrap_or_else(|| self.node.name());
        Id { kind: self.node.kind(), name, namespace: self.namespace() }
    }

    /// What it was known by first.
    pub(super) fn first(&self) -> Id<'_> {
        self.ids().next().unwrap_or_else(|| self.id())
    }

    /// What it was ever known by, from the first to what it is now.
    pub(super) fn ids(&self) -> impl Iterator<Item = Id<'_>> {
        let was = self.was.iter().map(|was| Id { kind: &was.kind, name: &was.name, namespace: &was.namespace });
        was.chain(std::iter::once(self.id()))
    }

    /// Every name.
    pub(super) fn all_names(&self) -> impl Iterator<Item = &str> {
        self.ids().map(|id| id.name)
    }

    /// How many names it had and has.
    pub(super) fn names(&self) -> usize {
        self.was.len() + 1
    }

    /// Whether it had, at some time, this kind and name.
    pub(super) fn is(&self, kind: &str, name: &str) -> bool {
        self.ids().any(|id| id.kind == kind && id.name == name)
    }

    /// Whether kustomize keeps annotations of its own at it.
    pub(super) fn is_marked(&self) -> bool {
        !self.was.is_empty()
    }

    /// Whether it says that it is for tools alone: kustomize leaves it out of what it builds.
    pub(super) fn is_local(&self) -> bool {
        const LOCAL: &str = "config.kubernetes.io/local-config";
        let own = self.node.at_path(&["metadata", "annotations"]);
        let mut all = self.annotations.iter().rev().map(|given| &**given).chain(own);
        let said = all.find_map(|annotations| annotations.get(LOCAL));
        self.is_built && said.is_some_and(|said| said.as_str() != Some("false"))
    }

    /// Whether it defined others when only its name was kept, and is something else now.
    pub(super) fn is_redefined(&self) -> bool {
        self.was_definition && !is_definition(&self.node)
    }

    /// Keeps what it is known by, which is about to change.
    pub(super) fn remember(&mut self) {
        let id = self.id();
        let (kind, name, namespace) = (id.kind.into(), id.name.into(), id.space().into());
        self.was.push(Arc::new(Was { kind, name, namespace }));
    }

    /// Whether it gets no prefix and no suffix.
    pub(super) fn is_fixed(&self) -> bool {
        FIXED.contains(&self.node.kind())
    }

    /// Gives it a prefix and a suffix.
    pub(super) fn affix(&mut self, prefix: &str, suffix: &str) {
        if self.is_fixed() {
            return;
        }
        for (prefix, suffix) in [(prefix, ""), ("", suffix)] {
            if !prefix.is_empty() || !suffix.is_empty() {
                self.remember();
                self.name = Some(format!("{prefix}{}{suffix}", self.id().name).into());
            }
        }
    }

    /// Puts it into a namespace.
    pub(super) fn move_to(&mut self, namespace: &str) {
        self.remember();
        if !CLUSTER.contains(&self.node.kind()) {
            self.namespace = Some(namespace.into());
        }
    }

    /// Gives it the name of a namespace, if it is one.
    pub(super) fn name_after(&mut self, namespace: &str) {
        if (self.node.str_at(&["apiVersion"]), self.node.kind()) == ("v1", "Namespace") {
            self.name = Some(namespace.into());
        }
    }

    /// The object, to be changed, with what it was given written into it: what changes it now comes later.
    pub(super) fn settled(&mut self) -> &mut Node {
        let node = Arc::make_mut(&mut self.node);
        let given = [("name", self.name.take()), ("namespace", self.namespace.take())];
        let texts = given.into_iter().filter_map(|(key, text)| Some((key, text?)));
        let maps =
            [("labels", std::mem::take(&mut self.labels)), ("annotations", std::mem::take(&mut self.annotations))];
        let at = node.at;
        let metadata = |node: &mut Node| {
            if !node.get("metadata").is_some_and(|metadata| matches!(metadata.value, Value::Map(_))) {
                node.set("metadata", Node::nothing(at));
            }
        };
        for (key, text) in texts {
            metadata(node);
            node.get_mut("metadata").into_iter().for_each(|metadata| metadata.set(key, Node::text(at, &text)));
        }
        for (key, given) in maps {
            for (name, value) in given.iter().flat_map(|given| given.entries()) {
                metadata(node);
                let Some(metadata) = node.get_mut("metadata") else { continue };
                if metadata.get(key).is_none() {
                    metadata.set(key, Node::nothing(at));
                }
                metadata.get_mut(key).into_iter().for_each(|map| map.set(name, value.clone()));
            }
        }
        node
    }

    /// How many nodes are copied to change it.
    pub(super) fn cost(&self) -> usize {
        let given = self.labels.iter().chain(&self.annotations).map(|given| given.entries().len()).sum::<usize>();
        given + if Arc::strong_count(&self.node) > 1 { self.node.size() } else { 0 }
    }

    /// What no two objects may have in common.
    pub(super) fn identity(&self) -> (&str, &str, &str, &str) {
        let id = self.id();
        (self.node.str_at(&["apiVersion"]), id.kind, id.name, id.space())
    }

    /// The namespace that it ends in; empty if nobody says.
    pub(super) fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or_else(|| self.node.namespace())
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
    /// Whether a chart of the tree is rendered into it, whose objects are not among these.
    pub(super) has_chart: bool,
    /// Variables that are put in when all is there.
    pub(super) vars: Vars,
}

impl Built {
    /// Whether some of its objects cannot be seen here.
    pub(super) fn is_partial(&self) -> bool {
        self.is_remote || self.has_chart
    }
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
    /// What is put before and after the names.
    pub(super) affixes: [String; 2],
    /// Whether further images put all of them in order, as the command of kustomize does that adds them.
    pub(super) is_sorted: bool,
    /// Whether a folder without a kustomization file is only what stands in it, and not what stands below.
    pub(super) is_flat: bool,
    /// Whether the kustomization file is written anew before it is built.
    pub(super) is_rewritten: bool,
    /// Whether kustomizations are not looked at.
    pub(super) is_plain: bool,
}

/// Whether an object stands for those that it holds.
pub(super) fn is_list(object: &Node) -> bool {
    let items = object.get("items").map(Node::items).unwrap_or_default();
    object.kind().ends_with("List") && !items.is_empty() && items.iter().all(|item| matches!(item.value, Value::Map(_)))
}

/// The objects of a document: itself, or those of a list, which may hold lists.
pub(super) fn objects(doc: &Arc<Node>) -> Vec<Arc<Node>> {
    if !is_list(doc) {
        return vec![Arc::clone(doc)];
    }
    let (mut objects, mut todo) = (Vec::new(), vec![&**doc]);
    while let Some(item) = todo.pop() {
        if is_list(item) {
            todo.extend(item.get("items").map(Node::items).unwrap_or_default().iter().rev());
        } else {
            objects.push(Arc::new(typed(item, doc)));
        }
    }
    objects
}

/// Whether an object defines others: its own fields are not kept.
pub(super) fn is_definition(object: &Node) -> bool {
    object.kind() == "CustomResourceDefinition"
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
