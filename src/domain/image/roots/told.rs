//! What is told of what was built: the references of every object, and everything that could not be looked into.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::{Class, Confidence, Found, Images, argo, fields::Field, flux, holes, workload};
use super::super::{ours::Ours, sink::Sink};
use super::{ALONE, At, Builds, Hit, OUTSIDE, Roots};

// What it costs to look at a byte of what is built, where a look at a path costs 1.
const SCAN: usize = 2;
// Most that is told of all builds.
const MAX_HITS: usize = 200_000;
const MANY: &str = "there is more in the tree than is told";

impl Roots<'_> {
    /// Takes over what is to be told of a build, unless that is too much for all of them.
    pub(super) fn tell(&mut self, build: usize, hits: Vec<(Hit, bool)>) {
        let room = MAX_HITS.saturating_sub(self.hits.len());
        let lost = hits.get(room).map(|(hit, _)| hit.places.first().copied());
        self.hits.extend(hits.into_iter().take(room).map(|(hit, is_judged)| (build, hit, is_judged)));
        if let Some(at) = lost {
            let mut sink = Sink::default();
            let root = self.images.roots.get(build).map(String::as_str).unwrap_or_default();
            sink.closed(root, Confidence::Unreadable, at.into_iter().collect(), MANY);
            // Of whom the lost ones are nobody knows.
            self.hits.extend(sink.hits().into_iter().map(|hit| (build, hit, true)));
        }
    }

    /// Looks at everything that was built.
    pub(super) fn finish(mut self, fields: &Arc<[Field]>) -> (Images, Builds) {
        let tree = self.tree;
        let mut all = std::mem::take(&mut self.built);
        // Flux lets files stand outside of the folder, and may build folders by paths that are not those of this tree.
        if all.iter().flat_map(|(_, built)| &built.resources).any(|made| flux::is_kustomization(&made.node)) {
            all.iter_mut().for_each(|(_, built)| built.closed.retain(|hit| hit.note.as_deref() != Some(OUTSIDE)));
        }
        let ours = Ours::of(tree, self.environment);
        ours.note(&mut self.images, &all, tree, &self.index);
        for (build, built) in all {
            let mut sink = Sink::knowing(fields);
            let streams = built.resources.iter().map(|resource| &resource.node).filter(|node| {
                node.kind() == "ImageStream" && node.str_at(&["spec", "lookupPolicy", "local"]) == "true"
            });
            sink.streams.extend(streams.map(|stream| stream.name().to_owned()));
            let sources = |resource| flux::sources((resource, build), (tree, &self.index));
            let sources: Vec<Vec<flux::Source<'_>>> = built.resources.iter().map(sources).collect();
            let taken = flux::taken(sources.iter().flatten());
            for (resource, sources) in built.resources.iter().zip(&sources) {
                // What bases have is looked at with everybody who includes them.
                if !tree.spend(SCAN * resource.node.weight(), resource.node.at) {
                    break;
                }
                // What a release takes for its values is told with these.
                let left = taken.get(&resource.node.at).map(|keys| flux::without(resource, keys));
                let resource = left.as_ref().unwrap_or(resource);
                sink.about(&resource.node);
                sink.judged(ours.has(&resource.node, tree) || ours.gives(sources));
                if self.there.is_some() {
                    self.builds.release((resource, build), sources, tree);
                }
                holes::tell(&resource.node, &mut sink);
                if !flux::find((resource, build), sources, (tree, &self.index), &mut sink)
                    && !argo::find(&resource.node, tree, &self.index, &mut sink)
                {
                    workload::find(&resource.node, &mut sink);
                }
            }
            for (workload, reference) in sink.deployed() {
                self.images.works(build, workload, reference);
            }
            let closed = built.closed.into_iter().map(|hit| (hit, false));
            self.tell(build, closed.chain(sink.told()).collect());
        }
        let mut images = self.images;
        images.take(tree, self.hits);
        if let Some(at) = tree.spent() {
            let why = "what stands here, with what is before it, takes more looks than are taken";
            images.found.push(Found {
                root: ALONE.to_owned(),
                class: Class::Image,
                reference: tree.name(at.file).to_owned(),
                confidence: Confidence::Unreadable,
                places: vec![tree.place(at)],
                note: Some(why.to_owned()),
                // Whatever is built may lack something.
                builds: (0..images.roots.len()).collect(),
                is_ours: true,
            });
        }
        let warnings: BTreeSet<(At, String)> = tree.warnings().iter().cloned().collect();
        images.warnings = warnings.into_iter().map(|(at, why)| format!("{}: {why}", tree.place(at))).collect();
        (images, self.builds)
    }
}
