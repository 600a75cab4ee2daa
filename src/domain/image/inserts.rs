//! What actions of a chart's templates write or change that no line with an image shows: parts of objects, texts of their
//! own, and other values.

use std::collections::HashSet;

use super::actions::{self, Literal};
use super::expression::Scope;
use super::flow::Said;
use super::node::{Node, Trust};
use super::sink::{self, Hit, Sink};
use super::template::{Chart, Source, Templates};
use super::{Confidence, helm, reference, text};

const WRITTEN: &str = "a template writes it, and what that is is not looked at";
const CHANGED: &str = "a template changes the values";

// Keys that decide on an image, or on whether it is deployed.
const PARTS: &[&str] = &["tag", "repository", "registry", "digest", "hub", "enabled", "containers", "initContainers"];

/// An expression that may come to any part of an object: the key that it stands below, and whether that is of data.
pub(super) fn part<'a>(scope: &Scope<'a>, text: &str, (above, is_data): (&str, bool), found: &mut Templates<'a>) {
    if scope.is_unwritten() {
        return;
    }
    let looked = scope.looked(text);
    let is_packed = text.contains("b64dec") && text.contains('"');
    let is_own = (looked.is_of_files || is_packed) && scope.within.helper.is_none() && !text.contains("sum");
    // A text of lines may be parts of an object as well.
    let is_part = |node: &Node| node.as_str().is_some_and(|text| text.contains('\n') && text.contains("image"));
    if !is_data && (is_own || looked.texts().any(is_part)) {
        found.closed.push(Hit { confidence: Confidence::Opaque, note: Some(WRITTEN.to_owned()), ..scope.hit(text) });
    }
    // Texts of one line are parts of objects only where somebody writes them so.
    let mut sink = Sink::default();
    // They say the same in every place.
    let is_new = |node: &Node, key: Option<&str>| {
        scope.of.flowed.borrow_mut().insert((std::ptr::from_ref(node), key.map(str::to_owned)))
    };
    looked.texts().filter(|node| is_new(node, None)).for_each(|node| text::flow(node, &mut sink));
    if !is_data {
        looked.nodes().filter(|node| is_new(node, Some(above))).for_each(|node| bare(node, above, &mut sink));
    }
    found.hits.extend(sink.hits());
}

// Images of containers and volumes that are names alone, which elsewhere may be the names of anything.
fn bare(node: &Node, key: &str, sink: &mut Sink) {
    let is_of_pod = matches!(key, "containers" | "initContainers" | "ephemeralContainers" | "volumes");
    for item in node.items() {
        let is_one = is_of_pod && item.get("name").is_some() && item.get("tag").is_none();
        let image = item.get("image").filter(|_| is_one);
        let image = image.and_then(|image| if key == "volumes" { image.get("reference") } else { Some(image) });
        match image.and_then(|image| Some((image, image.as_str()?))) {
            Some((image, text)) if is_name(text) => sink.image(image, Trust::Inferred),
            _ => bare(item, "", sink),
        }
    }
    for (name, child) in node.entries() {
        let is_one = is_of_pod && child.get("tag").is_none() && child.get("repository").is_none();
        match child.get("image").filter(|_| is_one) {
            Some(image) if image.as_str().is_some_and(is_name) => sink.image(image, Trust::Inferred),
            _ => bare(child, name, sink),
        }
    }
}

// Whether a text is the name of an image, alone.
fn is_name(text: &str) -> bool {
    !sink::is_open(text) && !reference::is_pinned(text) && reference::normalise(text).is_some()
}

/// What the actions of a template say and change by themselves: `lines` have images.
pub(super) fn changes<'a>(of: &'a Chart<'a>, source: &'a Source, lines: &HashSet<u32>, found: &mut Templates<'a>) {
    // Once is enough for a template.
    let mut is_changed = false;
    for said in source.said() {
        let scope = Scope::new(of, source, said.number, &said.within);
        if scope.is_unwritten() {
            continue;
        }
        let action = format!("{{{{ {} }}}}", said.inner);
        let is_said = lines.contains(&said.number) && said.is_output;
        // What is said when nothing is deployed.
        let is_last = said.inner.starts_with("fail ");
        let literals = if is_said || is_last { Vec::new() } else { actions::literals(&said.inner) };
        let mut sink = Sink::default();
        for literal in literals.iter().filter(|literal| may_be_image(literal)) {
            // What is said in place of another value is not, if that is there.
            let is_other = scope.fill(&action).flatten().is_some_and(|part| !part.text.contains(&literal.text));
            if !is_other && !own(&scope, literal, &mut sink) {
                sink.closed(&action, Confidence::Unresolved, vec![scope.at], WRITTEN);
            }
        }
        if !is_changed && changes_values(&scope, said) {
            is_changed = true;
            sink.closed(&action, Confidence::Opaque, vec![scope.at], CHANGED);
        }
        found.closed.extend(sink.hits());
    }
}

// Whether a text in quotes reads like an image, or says that something is one.
fn may_be_image(literal: &Literal<'_>) -> bool {
    let is_named = literal.beside.as_deref().is_some_and(helm::is_image_key);
    (is_named && reference::normalise(&literal.text).is_some())
        || sink::is_literal(&literal.text)
        || pairs(&literal.text).next().is_some()
}

// What a text says by keys of images.
fn pairs(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.lines().flat_map(text::parts).filter_map(|(_, part)| text::pair(part.trim_start_matches("- ")));
    parts
        .filter(|(key, value)| helm::is_image_key(key.trim_matches(['"', '\'', ' '])) && !value.trim().is_empty())
        .map(|(_, value)| value.trim().trim_matches(['"', '\'']))
}

// Says what images a text in quotes names; false: nobody can say.
fn own(scope: &Scope<'_>, literal: &Literal<'_>, sink: &mut Sink) -> bool {
    let named: Vec<&str> = pairs(&literal.text).collect();
    let all = if named.is_empty() { vec![literal.text.as_str()] } else { named };
    let is_known = all.iter().all(|text| sink::is_plausible(text));
    if is_known {
        all.iter().for_each(|text| scope.say(text, sink));
    }
    is_known
}

// Whether an action changes what the values say of images.
fn changes_values(scope: &Scope<'_>, said: &Said) -> bool {
    let is_word = |at: usize| {
        let before = said.inner.get(..at).unwrap_or_default();
        !actions::is_quoted(before) && !before.ends_with(|c: char| c.is_ascii_alphanumeric())
    };
    let calls = ["set ", "unset ", "merge ", "mergeOverwrite ", "mustMerge ", "mustMergeOverwrite "].into_iter();
    let mut calls = calls.flat_map(|name| said.inner.match_indices(name)).filter(|(at, _)| is_word(*at));
    calls.any(|(at, name)| {
        let words = actions::split(said.inner.get(at + name.len()..).unwrap_or_default(), ' ');
        let (target, key) = (words.first().copied().unwrap_or_default(), words.get(1).copied().unwrap_or_default());
        let literal = key.strip_prefix('"').and_then(|key| key.split('"').next());
        if matches!(target, "." | "$") && literal == Some("Values") {
            return true;
        }
        let is_key = literal.is_none_or(|key| helm::is_image_key(key) || PARTS.contains(&key));
        let is_merged = !name.ends_with("set ");
        // What texts in quotes say of images is looked at by itself.
        let is_read = [".Files", "fromYaml", "fromJson", "include"].iter().any(|word| key.contains(word));
        let may_be_images = || is_read || scope.looked(target).may_be_images(!key.starts_with("(dict"));
        is_of_values(scope, target) && (if is_merged { may_be_images() } else { is_key })
    })
}

// Whether what is changed is a part of the values, and no copy.
fn is_of_values(scope: &Scope<'_>, target: &str) -> bool {
    let is_copy = |text: &str| {
        ["deepCopy", "DeepCopy", "dict", "fromYaml", "omit", "pick"].iter().any(|word| text.contains(word))
    };
    let is_own = |text: &str| text.contains(".Values") && !is_copy(text);
    let name = target.strip_prefix('$').and_then(|name| name.split('.').next()).unwrap_or_default();
    is_own(target)
        || (scope.is_moved
            && target.starts_with('.')
            && scope.within.around.iter().any(|about| about.contains(".Values")))
        || (!name.is_empty() && scope.spends(scope.text) && actions::assigned(scope.text, name).any(is_own))
}
