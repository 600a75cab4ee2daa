//! What is known of images of what is not in the tree: those that somebody renames or puts in by a patch.

use super::node::{Node, Value};
use super::retag::Retag;
use super::sink::{Hit, Sink};
use super::{Class, Confidence, helm, workload};

const RENAMED: &str = "it renames an image of what is not in the tree";
const PATCHED: &str = "a patch puts it into what is not in the tree";

/// The image that an entry of `images` makes of one that cannot be seen.
pub(super) fn renamed(retag: &Retag) -> Option<Hit> {
    let (reference, is_known) = retag.evidence()?;
    let confidence = if is_known { Confidence::Inferred } else { Confidence::Unresolved };
    Some(Hit {
        class: Class::Image,
        reference,
        confidence,
        places: retag.places.clone(),
        note: Some(RENAMED.to_owned()),
    })
}

/// Renames an image that a chart is given as it will after the chart is rendered.
pub(super) fn rename(retag: &mut Retag, hit: &mut Hit) {
    if let Some((reference, is_known)) = retag.renamed(&hit.reference).filter(|_| hit.class == Class::Image) {
        hit.reference = reference;
        hit.places.extend(&retag.places);
        if is_known && hit.confidence == Confidence::Unresolved {
            (hit.confidence, hit.note) = (Confidence::Inferred, None);
        }
    }
}

/// The images that a patch puts into an object that cannot be seen.
pub(super) fn patched(doc: &Node) -> Vec<Hit> {
    let mut sink = Sink::default();
    match &doc.value {
        Value::List(operations) => {
            for operation in operations {
                let step =
                    operation.str_at(&["path"]).rsplit('/').find(|step| *step != "-" && step.parse::<u8>().is_err());
                match (operation.get("value"), step) {
                    (Some(value), Some(step)) if helm::is_image_key(step) => sink.plausible(value),
                    // One more container.
                    (Some(value), Some(step)) if step.ends_with("ontainers") && value.get("image").is_some() => {
                        let list = Node::new(value.at, Value::List(vec![value.clone()]));
                        workload::part(&list, step, &mut sink);
                    }
                    (Some(value), Some(step)) => workload::part(value, step, &mut sink),
                    _ => {}
                }
            }
        }
        _ => workload::find(doc, &mut sink),
    }
    let mut hits = sink.hits();
    for hit in &mut hits {
        hit.confidence = hit.confidence.max(Confidence::Inferred);
        hit.note.get_or_insert_with(|| PATCHED.to_owned());
    }
    hits
}
