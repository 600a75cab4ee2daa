//! The patches of a kustomization: which objects each is for, and what becomes of these.

use std::sync::Arc;

use super::kustomize::{Kustomizer, MAX_WORK, UNREAD};
use super::node::{At, Node, Value};
use super::resource::{Built, Extra};
use super::select::Selector;
use super::tree;
use super::{Confidence, evidence, patch, strict};

// Most nodes that patches copy, those of the objects that they change included.
const MAX_COPIED: usize = 10_000_000;

impl Kustomizer<'_> {
    /// Those of a kustomization, and what somebody adds to them.
    pub(super) fn patches(&mut self, folder: &str, doc: &Node, extra: &Extra, built: &mut Built) {
        for entry in doc.get("patchesStrategicMerge").into_iter().flat_map(Node::items) {
            let is_inline = entry.as_str().is_some_and(|text| text.contains('\n') || text.starts_with('{'));
            let (inline, path) = if is_inline { (Some(entry), None) } else { (None, Some(entry)) };
            let docs = self.inner(folder, inline, path, built);
            self.apply(&docs, None, false, entry.at, built);
        }
        let own = doc.get("patches").into_iter().flat_map(Node::items);
        let late = doc.get("patchesJson6902").into_iter().flat_map(Node::items);
        for entry in own.chain(&extra.patches).chain(late) {
            let path = if entry.as_str().is_some() { Some(entry) } else { entry.get("path") };
            let inline = entry.get("patch").filter(|patch| patch.as_str().is_some_and(|text| !text.is_empty()));
            let docs = self.inner(folder, inline, path, built);
            let file = path.and_then(Node::as_str).and_then(|path| self.tree.number(&tree::join(folder, path)?));
            let text = match (inline.and_then(Node::as_str), file) {
                (Some(text), _) => text.into(),
                (None, file) => String::from_utf8_lossy(file.map(|file| self.tree.bytes(file)).unwrap_or_default()),
            };
            if let Some(why) = strict::patch(&text, &docs, entry.get("target").is_some()) {
                self.refuse("patch", entry.at, why, built);
            }
            // Of operations only the first document counts.
            let is_list = docs.first().is_some_and(|doc| matches!(doc.value, Value::List(_)));
            let docs = docs.get(..1).filter(|_| is_list).unwrap_or(&docs);
            let may_change = entry.str_at(&["options", "allowKindChange"]) == "true";
            self.apply(docs, entry.get("target"), may_change, entry.at, built);
        }
    }

    /// Which objects something means.
    pub(super) fn selector(&self, target: &Node, built: &mut Built) -> Selector {
        let selector = Selector::read(target);
        if let Some(text) = &selector.unread {
            self.close(text, Confidence::Unreadable, target.at, UNREAD, built);
        }
        selector
    }

    /// Applies the documents of one patch.
    pub(super) fn apply(
        &mut self,
        docs: &[Arc<Node>],
        target: Option<&Node>,
        may_change: bool,
        at: At,
        built: &mut Built,
    ) {
        let selector = target.map(|target| self.selector(target, built));
        for doc in docs {
            self.work += built.resources.len();
            if self.work > MAX_WORK {
                return self.close("patch", Confidence::Unreadable, at, "it builds too much", built);
            }
            let is_list = matches!(doc.value, Value::List(_));
            let own = Selector::of(doc);
            let selector = selector.as_ref().unwrap_or(&own);
            let mut failed = None;
            let (mut is_found, mut is_used) = (target.is_some() || is_list, false);
            let size = doc.size();
            let mut room = MAX_COPIED.saturating_sub(self.copied);
            let mut lost = None;
            let is_definition = |object: &Node| object.kind() == "CustomResourceDefinition";
            built.resources.retain_mut(|resource| {
                if !selector.is_match(resource, self.tree) {
                    return true;
                }
                (is_found, is_used) = (true, true);
                let shared = if Arc::strong_count(&resource.node) > 1 { resource.node.size() } else { 0 };
                let Some(left) = room.checked_sub(size + shared) else {
                    room = 0;
                    return true;
                };
                room = left;
                let before = resource.node.name().to_owned();
                let is_known = is_known(&resource.node);
                let was_definition = is_definition(&resource.node);
                if is_list {
                    let object = Arc::make_mut(&mut resource.node);
                    if let Err(path) = patch::operations(object, doc.items())
                        && object.kind() != "CustomResourceDefinition"
                    {
                        failed = Some(path);
                    }
                    if was_definition && !is_definition(object) {
                        lost = Some(object.name().to_owned());
                    }
                    resource.renamed(before);
                    return true;
                }
                if doc.str_at(&["$patch"]) == "delete" {
                    return false;
                }
                // The name and kind of a patch with a target say nothing.
                let mut change = (**doc).clone();
                if !may_change {
                    change.remove("apiVersion");
                    change.remove("kind");
                }
                if let Some(metadata) = change.get_mut("metadata") {
                    metadata.remove("name");
                    metadata.remove("namespace");
                }
                let object = Arc::make_mut(&mut resource.node);
                patch::merge(object, &change, is_known);
                if was_definition && !is_definition(object) {
                    lost = Some(object.name().to_owned());
                }
                true
            });
            self.copied = MAX_COPIED - room;
            if room == 0 {
                self.close("patch", Confidence::Unreadable, at, "it builds too much", built);
            }
            if let Some(name) = lost {
                self.close(&name, Confidence::Unreadable, at, "a definition is made something else", built);
            }
            if !is_used && built.is_remote {
                built.closed.extend(evidence::patched(doc));
            }
            if let Some(path) = failed {
                self.unbuildable("patch", at, &format!("the patch finds nothing at {path}"), built);
            }
            if !is_found {
                self.unbuildable("patch", doc.at, "the patch is for an object that is not there", built);
            }
        }
    }
}

// Whether the lists of an object have keys: those of the API's own kinds do.
fn is_known(object: &Node) -> bool {
    let group = object.group();
    group.is_empty() || !group.contains('.') || group.ends_with(".k8s.io") && !group.contains("x-k8s.io")
}
