//! What is known of images of what is not in the tree: those that somebody renames or puts in by a patch.

use std::collections::HashSet;

use super::node::{Node, Trust, Value, note};
use super::retag::Retag;
use super::sink::{Hit, Sink};
use super::tree::{self, Tree};
use super::{Class, Confidence, helm, pod, reference, workload};

const RENAMED: &str = "it renames an image of what is not in the tree";
// What it costs to see whether an image is renamed, where a look at a path costs 1.
const HIT: usize = 64;
const COPIED: &str = "a patch copies within what is not in the tree";
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

// How surely an entry of `images` names an image as it is written in what is rendered.
enum Named {
    Yes,
    No,
    Maybe,
}

/// Renames the images that a chart is given as they will be after the chart is rendered; what may as well keep its name is told
/// by both.
pub(super) fn rename(retag: &mut Retag, hits: &mut Vec<Hit>, tree: &Tree<'_>) {
    let mut kept: Vec<Hit> = Vec::new();
    let is_open = |hit: &Hit| hit.class == Class::Image && hit.confidence <= Confidence::Unresolved;
    let looks = HIT * hits.iter().filter(|hit| is_open(hit)).count();
    if !retag.places.first().is_some_and(|at| tree.spend(looks, *at)) {
        return;
    }
    for hit in hits.iter_mut().filter(|hit| is_open(hit)) {
        let Some((reference, is_known)) = retag.renamed(&hit.reference) else { continue };
        match named(&retag.name, hit, tree) {
            Named::No => continue,
            Named::Maybe => kept.push(hit.clone()),
            Named::Yes => {}
        }
        retag.is_used = true;
        hit.reference = reference;
        note(&mut hit.places, retag.places.iter().copied());
        if is_known && hit.confidence == Confidence::Unresolved {
            (hit.confidence, hit.note) = (Confidence::Inferred, None);
        }
    }
    // One that is told anyway is not told again, or there would be twice as many each time.
    if !kept.is_empty() {
        let known: HashSet<String> = hits.iter().map(|hit| hit.reference.clone()).collect();
        hits.extend(kept.into_iter().filter(|hit| !known.contains(&hit.reference)));
    }
}

// kustomize compares what is written, and looks for it in the fields of pods alone.
fn named(name: &str, hit: &Hit, tree: &Tree<'_>) -> Named {
    let own = reference::split(&hit.reference).0;
    let last = tree::base_of(own);
    let lines: Vec<&str> = hit.places.iter().map(|at| tree.line(*at)).collect();
    // Where a new name was given, the old one is gone.
    let whole = lines.iter().rposition(|line| line.contains(last));
    let is_there = |(at, line): &(usize, &&str)| whole.is_none_or(|whole| *at == whole || !line.contains(last));
    let any = |is_it: &dyn Fn(&str) -> bool| lines.iter().enumerate().filter(is_there).any(|(_, line)| is_it(line));
    let has = |text: &str| any(&|line| line.contains(text));
    for (host, part) in [("docker.io/", "docker.io"), ("docker.io/library/", "library/")] {
        match (own.starts_with(host), name.contains(part), has(part)) {
            (true, false, true) => return Named::No,
            (true, true, false) => return Named::Maybe,
            _ => {}
        }
    }
    // Escapes hide how it is written, and so does what stands in other lines.
    let stands = |text: &str| any(&|line| stands(line, text));
    let is_seen = || stands(name) || name.split_once('/').is_some_and(|(host, path)| stands(host) && stands(path));
    let is_entry = || whole.is_none() && hit.note.as_deref() == Some(RENAMED);
    if own.starts_with("docker.io/") && !is_seen() && !is_entry() {
        return Named::Maybe;
    }
    if has("--") || has("ephemeralContainers") { Named::Maybe } else { Named::Yes }
}

// Whether a line has a name that is no part of a longer one.
fn stands(line: &str, name: &str) -> bool {
    let is_more = |c: char| c.is_alphanumeric() || "._/-".contains(c);
    line.match_indices(name).any(|(at, _)| {
        let (before, after) = (line.get(..at), line.get(at + name.len()..));
        !before.is_some_and(|before| before.ends_with(is_more))
            && !after.is_some_and(|after| after.starts_with(is_more))
    })
}

/// The images that a patch puts into an object that cannot be seen.
pub(super) fn patched(doc: &Node) -> Vec<Hit> {
    let mut sink = Sink::default();
    match &doc.value {
        Value::List(operations) => operations.iter().for_each(|operation| operated(operation, &mut sink)),
        // An object without a version is known by its kind.
        _ if doc.str_at(&["apiVersion"]).is_empty() => workload::part(doc, "", &mut sink),
        _ => workload::find(doc, &mut sink),
    }
    let mut hits = sink.hits();
    for hit in &mut hits {
        hit.confidence = hit.confidence.max(Confidence::Inferred);
        hit.note.get_or_insert_with(|| PATCHED.to_owned());
    }
    hits
}

// What one operation puts in.
fn operated(operation: &Node, sink: &mut Sink) {
    let path = operation.str_at(&["path"]);
    if matches!(operation.str_at(&["op"]), "copy" | "move") {
        return sink.closed(path, Confidence::Opaque, operation.places().collect(), COPIED);
    }
    let step = path.rsplit('/').find(|step| *step != "-" && step.parse::<i64>().is_err());
    let (Some(value), Some(step)) = (operation.get("value"), step) else { return };
    let is_of_pod = path.contains("ontainers/") || path.contains("/volumes/");
    let within = |key: &str, value: &Node, sink: &mut Sink| {
        let items = if value.items().is_empty() { vec![value.clone()] } else { value.items().to_vec() };
        let list = Node::new(value.at, Value::List(items));
        let container = Node::new(value.at, Value::Map(vec![(key.into(), list)]));
        pod::mentions(&container, sink);
    };
    match step {
        "image" | "reference" if is_of_pod && value.as_str().is_some() => sink.image(value, Trust::Inferred),
        "args" | "command" | "env" => within(step, value, sink),
        "value" if path.contains("/env/") => {
            let named = Node::new(value.at, Value::Map(vec![("value".into(), value.clone())]));
            within("env", &named, sink);
        }
        step if helm::is_image_key(step) && value.as_str().is_some() => sink.plausible(value),
        // One more container.
        step if step.ends_with("ontainers") && value.get("image").is_some() => {
            let list = Node::new(value.at, Value::List(vec![value.clone()]));
            workload::part(&list, step, sink);
        }
        step => workload::part(value, step, sink),
    }
}
