//! The patches of a kustomization: which objects each is for, and what becomes of these.

use std::sync::Arc;

use super::kustomize::{Inner, Kustomizer, MAX_COPIED, MAX_WORK, OVER_CHART, SCHEMA, UNREAD};
use super::node::{At, Node, Value};
use super::patch::Failed;
use super::resource::{self, Built, Extra, Resource, is_definition};
use super::select::{self, Selector};
use super::tree;
use super::{Confidence, evidence, patch, strict};

// What it costs to see whether a patch is for an object, where a step of a build costs 1.
const MATCH: usize = 4;

/// What a patch may change besides.
#[derive(Clone, Copy, Default)]
pub(super) struct May {
    kind: bool,
    name: bool,
}

impl Kustomizer<'_> {
    /// Those of a kustomization, and what somebody adds to them.
    pub(super) fn patches(&mut self, folder: &str, doc: &Node, extra: &Extra, built: &mut Built) {
        for entry in doc.get("patchesStrategicMerge").into_iter().flat_map(Node::items) {
            let is_inline = entry.as_str().is_some_and(|text| text.contains('\n') || text.starts_with('{'));
            let (inline, path) = if is_inline { (Some(entry), None) } else { (None, Some(entry)) };
            let inner = self.inner(folder, inline, path, built);
            self.unsure(&inner, built);
            let docs: Vec<Arc<Node>> = inner.docs.iter().flat_map(resource::objects).collect();
            self.apply(&docs, None, May::default(), entry.at, built);
        }
        let own = doc.get("patches").into_iter().flat_map(Node::items);
        own.chain(&extra.patches).for_each(|entry| self.patch(folder, entry, built));
    }

    /// Those that come after names and labels are there.
    pub(super) fn late_patches(&mut self, folder: &str, doc: &Node, built: &mut Built) {
        let late = doc.get("patchesJson6902").into_iter().flat_map(Node::items);
        late.for_each(|entry| self.patch(folder, entry, built));
    }

    fn patch(&mut self, folder: &str, entry: &Node, built: &mut Built) {
        let path = if entry.as_str().is_some() { Some(entry) } else { entry.get("path") };
        let inline = entry.get("patch").filter(|patch| patch.as_str().is_some_and(|text| !text.is_empty()));
        let inner = self.inner(folder, inline, path, built);
        let docs: Vec<Arc<Node>> = inner.docs.iter().flat_map(resource::objects).collect();
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
        if !is_list {
            self.unsure(&inner, built);
        }
        let may = |key: &str| entry.str_at(&["options", key]) == "true";
        let may = May { kind: may("allowKindChange"), name: may("allowNameChange") };
        self.apply(docs, entry.get("target"), may, entry.at, built);
    }

    // Tells what of a patch that is merged is not followed.
    fn unsure(&self, patch: &Inner, built: &mut Built) {
        // Of two values of one key kustomize merges the first one, and everybody else takes the last one.
        if let Some(at) = patch.doubled {
            let why = "a key stands twice, and not everybody takes the same";
            self.close("patch", Confidence::Unreadable, at, why, built);
        }
        if let Some(at) = patch.schema {
            self.close("patch", Confidence::Opaque, at, SCHEMA, built);
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
    pub(super) fn apply(&mut self, docs: &[Arc<Node>], target: Option<&Node>, may: May, at: At, built: &mut Built) {
        let selector = target.map(|target| self.selector(target, built));
        for doc in docs {
            self.work += built.resources.iter().map(Resource::names).sum::<usize>() * MATCH;
            if self.work > MAX_WORK {
                return self.close("patch", Confidence::Unreadable, at, "it builds too much", built);
            }
            let is_list = matches!(doc.value, Value::List(_));
            let mut failed = None;
            let mut found = 0;
            let size = doc.size();
            let mut room = MAX_COPIED.saturating_sub(self.copied);
            let mut is_over = false;
            let (mut schema, mut is_sound) = (None, true);
            built.resources.retain_mut(|resource| {
                let is_meant = match &selector {
                    Some(selector) => selector.is_match(resource, self.tree),
                    None => select::is_named(doc, resource),
                };
                if !is_meant {
                    return true;
                }
                found += 1;
                let Some(left) = room.checked_sub(size + resource.cost()) else {
                    (room, is_over) = (0, true);
                    return true;
                };
                room = left;
                let is_known = is_known(&resource.node) || (may.kind && is_known(doc));
                if is_list || may.kind || may.name {
                    resource.remember();
                }
                // What is to be replaced as a whole stays as it is.
                match doc.str_at(&["$patch"]) {
                    "delete" => return false,
                    "replace" => return true,
                    _ => {}
                }
                let object = resource.settled();
                if is_list {
                    annotate(object);
                    match patch::operations(object, doc.items(), &mut room) {
                        Err(Failed::Lost(path)) if !is_definition(object) => failed = Some(path),
                        Err(Failed::Much) => is_over = true,
                        _ => {}
                    }
                } else {
                    schema = schema.or_else(|| self.tree.schema(object.at.file));
                    is_sound &= !is_known || patch::is_sound(doc);
                    room = room.saturating_sub(patch::merge(object, &change(doc, may), is_known));
                }
                true
            });
            self.copied = MAX_COPIED - room;
            if is_over {
                self.close("patch", Confidence::Unreadable, at, "it builds too much", built);
            }
            if !is_sound {
                let why = "an item of a list has no name, so nobody knows what becomes of the list";
                self.close("patch", Confidence::Unreadable, at, why, built);
            }
            if let Some(at) = schema {
                self.close("patch", Confidence::Opaque, at, SCHEMA, built);
            }
            let is_over_chart = built.has_chart && (found == 0 || selector.as_ref().is_some_and(Selector::is_wide));
            if is_over_chart || (found == 0 && built.is_remote) {
                built.closed.extend(evidence::patched(doc));
            }
            if is_over_chart {
                self.close("patch", Confidence::Opaque, at, OVER_CHART, built);
            }
            if let Some(path) = failed {
                self.lost("patch", at, &format!("the patch finds nothing at {path}"), built);
            }
            if selector.is_none() && !is_list && found != 1 {
                let why = if found == 0 { "for an object that is not there" } else { "for several objects" };
                self.unbuildable("patch", doc.at, &format!("the patch is {why}"), built);
            }
        }
    }
}

/// By then kustomize has annotations of its own there.
pub(super) fn annotate(object: &mut Node) {
    let at = object.at;
    let metadata = object.get_mut("metadata").filter(|metadata| matches!(metadata.value, Value::Map(_)));
    if let Some(metadata) = metadata.filter(|metadata| metadata.get("annotations").is_none()) {
        metadata.set("annotations", Node::nothing(at));
    }
}

// What a patch changes of what it names.
fn change(patch: &Node, may: May) -> Node {
    let mut change = patch.clone();
    change.remove("apiVersion");
    if !may.kind {
        change.remove("kind");
    }
    if let Some(metadata) = change.get_mut("metadata") {
        metadata.remove("namespace");
        if !may.name {
            metadata.remove("name");
        }
    }
    change
}

// Whether the lists of an object have keys: those of the pods do that kustomize has definitions of.
fn is_known(object: &Node) -> bool {
    let kinds: &[&str] = match object.str_at(&["apiVersion"]) {
        "v1" => return true,
        "apps/v1" => &["DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"],
        "batch/v1" => &["CronJob", "Job"],
        "batch/v1beta1" => &["CronJob"],
        _ => &[],
    };
    kinds.contains(&object.kind())
}
