//! Charts of the tree: which folders they are, what stands in them, and what they deploy with the values that they are given.

mod ignored;
mod parts;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use super::Confidence;
use super::account::Known;
use super::actions::{self, Helpers};
use super::flow::{self, Said};
use super::guards::{Calls, Guards};
use super::node::{At, Node};
use super::sink::{Hit, Sink};
use super::template::{self, Chart, Open, Source};
use super::tree::{self, Tree};
use super::{helm, patch, reference, roots, text, weight, workload};

use ignored::ignored;
pub(super) use parts::{beside, dependencies, folders, included, is_one, is_part};
use parts::{declaration, imported, is_unwanted, parts, unseen, within};

/// Deepest nesting of charts, and what it costs to look into one, where a look at a path costs 1.
pub(super) const MAX_DEPTH: usize = 5;
pub(super) const COST: usize = 1000;
// What it costs to put a value over another one.
const VALUES: usize = 8;
// Longest action that is taken apart.
const LONGEST: usize = 16 << 10;
// How many bytes of a template are taken apart at that cost.
const BYTES: usize = 16;

/// A chart of the tree: its values, unless others stand for them, under those that it is given, what its templates say, and
/// the charts that it consists of; unless there is no room for it any more, which is told then.
pub(super) fn find(tree: &Tree<'_>, folder: &str, (given, has_own): (Option<&Node>, bool), sink: &mut Sink) {
    let at = At { file: declaration(tree, folder).unwrap_or_default(), line: 1 };
    if !tree.spend(weight::chart(tree, folder) + given.map_or(0, Node::weight), at) {
        sink.closed(folder, Confidence::Unreadable, vec![at], weight::MUCH);
        return;
    }
    let (mut folders, mut helpers) = (vec![(folder.to_owned(), 0)], Helpers::default());
    let mut known: HashMap<String, Vec<Source>> = HashMap::new();
    while let Some((folder, depth)) = folders.pop() {
        let at = At { file: declaration(tree, &folder).unwrap_or_default(), line: 1 };
        if known.contains_key(&folder) || depth > MAX_DEPTH || !tree.spend(COST, at) {
            continue;
        }
        ignored(tree, &folder, sink);
        let mut sources = Vec::new();
        for (file, name) in tree.below(&within(&folder, "templates")) {
            let name = name.get(within(&folder, "").len()..).unwrap_or_default();
            if !tree.spend(1 + tree.bytes(file).len() / BYTES, At { file, line: 1 }) {
                break;
            }
            let text = actions::without_comments(&String::from_utf8_lossy(tree.bytes(file)));
            if actions::longest(&text) > LONGEST {
                let why = "an action of it is longer than is taken apart";
                sink.closed(name, Confidence::Unreadable, vec![At { file, line: 1 }], why);
                continue;
            }
            helpers.read(&text);
            let base = tree::base_of(name);
            let is_idle = base.starts_with('_') || base.ends_with("NOTES.txt");
            let (name, template) = (name.to_owned(), flow::read(&String::from_utf8_lossy(tree.bytes(file))));
            sources.push(Source { file, name, text, template, is_idle });
        }
        folders.extend(parts(tree, &folder).into_iter().filter_map(|part| Some((part.folder?, depth + 1))));
        known.insert(folder, sources);
    }
    let charts: Vec<(String, Vec<Source>)> = known.into_iter().collect();
    let numbers = charts.iter().zip(0..).map(|((folder, _), number)| (folder.clone(), number)).collect();
    let said =
        charts.iter().zip(0..).flat_map(|((_, sources), number)| sources.iter().map(move |source| (number, source)));
    let calls = Calls::of(said.flat_map(|(number, source)| source.said().map(move |said| (number, said))));
    let shared = Shared { tree, helpers, calls, charts, numbers, has_own, odd: Cell::default() };
    shared.find(folder, given, sink, 0);
    if let Some(at) = shared.odd.get() {
        sink.closed(&roots::shown(folder), Confidence::Opaque, vec![at], UNRENDERED);
    }
}

// Templates are read and not run: what is said of a chart whose templates may come to more.
const UNRENDERED: &str = "its templates do more than is followed without running them";

// Functions that make another text of one.
const CHANGING: &[&str] =
    &["replace", "trim", "trimPrefix", "trimSuffix", "trunc", "lower", "upper", "title", "printf"];

// Whether all functions of an action, and all that it takes values from, are followed.
fn is_simple(action: &str) -> bool {
    const FUNCTIONS: &[&str] = &[
        "add",
        "add1",
        "and",
        "b64enc",
        "contains",
        "default",
        "define",
        "dict",
        "else",
        "empty",
        "end",
        "eq",
        "fail",
        "ge",
        "gt",
        "hasKey",
        "hasPrefix",
        "hasSuffix",
        "if",
        "include",
        "indent",
        "int",
        "int64",
        "kindIs",
        "le",
        "len",
        "list",
        "lower",
        "lt",
        "ne",
        "nindent",
        "not",
        "or",
        "printf",
        "quote",
        "range",
        "replace",
        "required",
        "semverCompare",
        "sha256sum",
        "squote",
        "template",
        "title",
        "toJson",
        "toString",
        "toYaml",
        "trim",
        "trimPrefix",
        "trimSuffix",
        "trunc",
        "until",
        "upper",
        "with",
        "true",
        "false",
        "nil",
    ];
    const VALUES: &[&str] = &[".Files", ".Subcharts", ".Template"];
    let is_known = |word: &str| match word.trim_start_matches('$') {
        name if VALUES.iter().any(|value| name.contains(value)) => false,
        name => {
            name.starts_with('.')
                || matches!(word, "" | ":=")
                || word.starts_with('$')
                || FUNCTIONS.contains(&name)
                || name.parse::<f64>().is_ok()
        }
    };
    // Parts of objects in quotes, and helpers that are files.
    let is_odd = |text: &str| {
        matches!(text, "image" | "containers")
            || ["mage:", ": %", "\n", "/templates/"].iter().any(|part| text.contains(part))
    };
    // Values that are written whole and then changed, and keys that are values.
    let is_whole = ["toYaml", "toJson"].iter().any(|name| action.contains(name));
    let bare = actions::without_texts(action);
    let is_changed = is_whole && actions::words(&bare).any(|word| CHANGING.contains(&word));
    let has_keys = ["dict .", "dict $", "dict ("].iter().any(|call| action.contains(call));
    !is_changed
        && !has_keys
        && actions::words(&bare).all(|word| is_known(word.trim_end_matches(',')))
        && !actions::literals(action).iter().any(|literal| is_odd(&literal.text))
}

/// What the templates of a chart make that deploys more, as far as it can be read as it stands.
pub(super) fn deployers(tree: &Tree<'_>, folder: &str) -> Vec<Arc<Node>> {
    let files = tree.below(&within(folder, "templates")).filter(|(file, _)| tree.fault(*file).is_none());
    let kinds = ["argoproj.io", "fluxcd.io", "fluxcd.controlplane.io"];
    let docs = files.flat_map(|(file, _)| tree.docs(file));
    docs.filter(|doc| kinds.iter().any(|kind| doc.group().ends_with(kind))).map(Arc::clone).collect()
}

// What a chart shares with those that it consists of.
struct Shared<'a> {
    tree: &'a Tree<'a>,
    helpers: Helpers,
    calls: Calls,
    // The templates of each, by folder.
    charts: Vec<(String, Vec<Source>)>,
    numbers: HashMap<String, usize>,
    // Whether the values of the first one count.
    has_own: bool,
    // The first place at which more may be done than is followed.
    odd: Cell<Option<At>>,
}

impl Shared<'_> {
    fn find(&self, folder: &str, given: Option<&Node>, sink: &mut Sink, depth: usize) {
        let tree = self.tree;
        self.look_for_oddities(folder);
        let own = tree.number(&within(folder, "values.yaml")).filter(|_| self.has_own || depth > 0);
        let own = own.and_then(|file| tree.values(file)).map(|doc| (**doc).clone());
        let all = patch::layered(own.iter().chain(given).cloned());
        let mut all = all.unwrap_or_else(|| Node::nothing(At { file: 0, line: 1 }));
        let parts = parts(tree, folder);
        for part in &parts {
            if let Some(values) = part.entry.and_then(|entry| entry.get("import-values")) {
                self.doubt(values.at);
            }
            if let Some(imported) = imported(tree, part, &all) {
                all = patch::layered([imported, all.clone()]).unwrap_or(all);
            }
        }
        let packed = self.packed(folder).map(|(_, name)| name);
        let absent = parts.iter().filter(|part| part.folder.is_none()).map(|part| part.key.as_str()).chain(packed);
        self.own(folder, &all, absent.collect()).into_iter().for_each(|hit| sink.push(hit));
        self.files(folder, own.as_ref(), given.is_none(), sink);
        for (file, name) in self.packed(folder) {
            sink.closed(name, Confidence::Opaque, vec![At { file, line: 1 }], helm::UNSEEN);
        }
        for part in parts {
            if part.entry.is_some_and(|entry| part.folder.is_some() && is_unwanted(entry, &all)) {
                continue;
            }
            let at = At { file: declaration(tree, folder).unwrap_or_default(), line: 1 };
            let Some(there) = part.folder else {
                part.entry.into_iter().for_each(|entry| unseen(entry, sink));
                continue;
            };
            if depth >= MAX_DEPTH || !tree.spend(COST, at) {
                sink.closed(&there, Confidence::Unreadable, vec![at], "charts within charts, which are too many");
                continue;
            }
            let mut given = all.get(&part.key).cloned().unwrap_or_else(|| Node::nothing(at));
            let global = patch::layered(given.get("global").into_iter().chain(all.get("global")).cloned());
            global.into_iter().for_each(|global| given.set("global", global));
            self.find(&there, Some(&given), sink, depth + 1);
        }
    }

    // Notes that more may be done here than is followed.
    fn doubt(&self, at: At) {
        self.odd.set(self.odd.get().or(Some(at)));
    }

    // Looks for what the templates of a chart do that is not followed.
    fn look_for_oddities(&self, folder: &str) {
        let number = self.numbers.get(folder).copied().unwrap_or(usize::MAX);
        for source in self.charts.get(number).into_iter().flat_map(|(_, sources)| sources) {
            // The sum of something says nothing of it.
            let mut said = source.said().filter(|said| !said.inner.ends_with("sha256sum"));
            if let Some(said) = said.find(|said| !is_simple(&said.inner)) {
                return self.doubt(At { file: source.file, line: said.number });
            }
        }
        let file = declaration(self.tree, folder);
        let doc = file.and_then(|file| self.tree.docs(file).first());
        // Its helpers are filled in with the values of whoever calls them.
        if doc.is_some_and(|doc| doc.str_at(&["type"]) == "library") {
            self.doubt(At { file: file.unwrap_or_default(), line: 1 });
        }
    }

    // Charts in a chart that are packed.
    fn packed(&self, folder: &str) -> impl Iterator<Item = (u32, &str)> {
        let prefix = within(folder, "").len();
        let files = self.tree.below(folder).map(move |(file, name)| (file, name.get(prefix..).unwrap_or_default()));
        files.filter(|(_, name)| {
            name.strip_prefix("charts/").is_some_and(|rest| rest.ends_with(".tgz") && !rest.contains('/'))
        })
    }

    // What a chart's own values and templates say of images.
    fn own(&self, folder: &str, all: &Node, unseen: Vec<&str>) -> Vec<Hit> {
        let tree = self.tree;
        let number = self.numbers.get(folder).copied().unwrap_or(usize::MAX);
        let files: Vec<&Source> = self.charts.get(number).into_iter().flat_map(|(_, sources)| sources).collect();
        let said: Vec<&Said> = files.iter().flat_map(|source| source.said()).collect();
        let is_unseen = |name: &str| !self.helpers.has(name);
        let guards = Guards::of(all, &said, &self.calls, number, &is_unseen);
        let chart = declaration(tree, folder).and_then(|file| tree.docs(file).first()).map(|doc| &**doc);
        let (helpers, calls) = (&self.helpers, &self.calls);
        let of = Chart {
            tree,
            values: all,
            chart,
            files,
            helpers,
            calls,
            guards: &guards,
            unseen,
            has_doubt: Cell::default(),
            variables: RefCell::default(),
            flowed: RefCell::default(),
        };
        let templates = template::images(&of);
        let mut sink = Sink::default();
        helm::values(&guards.left(all), &mut sink);
        let mut hits = sink.hits();
        // What a template says of a value is what it is for, if no other template may say something else: the image of that
        // name, or below it, for there may be others on the line.
        if templates.open.iter().all(|open| !open.is_named) {
            let mut said: HashMap<At, Vec<&str>> = HashMap::new();
            for hit in &templates.hits {
                hit.places.iter().for_each(|at| said.entry(*at).or_default().push(&hit.reference));
            }
            let is_it = |hit: &Hit, other: &str| {
                let (own, other) = (reference::split(&hit.reference).0, reference::split(other).0);
                let is_below = other.strip_prefix(own).is_some_and(|rest| rest.starts_with('/'));
                is_below || tree::base_of(own) == tree::base_of(other)
            };
            hits.retain(|hit| {
                let mut others = hit.places.iter().filter_map(|at| said.get(at)).flatten();
                !others.any(|other| is_it(hit, other))
            });
        }
        hits.extend(templates.hits);
        if templates.open.iter().any(|open| open.is_named) {
            tagged(tree, folder, all, &mut hits);
        }
        let known = Known::of(&hits);
        let is_told = |open: &Open<'_>| match open.is_named {
            true => !open.looked.is_known(&known),
            false => !open.looked.is_harmless(&known),
        };
        let (beside, known): (Vec<_>, Vec<_>) = templates.open.into_iter().partition(is_told);
        // What its values are known to name may not be all that it comes to.
        let at = known.iter().find(|open| open.is_named).and_then(|open| open.hit.places.first());
        at.into_iter().for_each(|at| self.doubt(*at));
        let beside: Vec<Hit> = beside.into_iter().map(|open| open.hit).collect();
        hits.extend(beside);
        hits.extend(templates.closed);
        hits
    }

    // What else stands in a chart's folder: other values, definitions, and what templates say by themselves.
    fn files(&self, folder: &str, own: Option<&Node>, has_others: bool, sink: &mut Sink) {
        let tree = self.tree;
        for (file, name) in tree.below(folder) {
            let rest = name.get(within(folder, "").len()..).unwrap_or_default();
            let is_yaml = tree::is_manifest(rest);
            if is_yaml && !rest.contains('/') {
                text::broken(tree, file).into_iter().for_each(|hit| sink.push(hit));
            }
            if rest == "values.yaml" && tree.has_more_values(file) {
                sink.closed(name, Confidence::Opaque, vec![At { file, line: 1 }], helm::SEVERAL);
            }
            if is_yaml && has_others && !rest.contains('/') && rest.contains("values") && rest != "values.yaml" {
                let copied = own.map_or(0, Node::size);
                let has_room =
                    |doc: &&Arc<Node>| !rest.ends_with(".json") && tree.spend(VALUES * (copied + doc.size()), doc.at);
                for doc in tree.docs(file).iter().filter(has_room) {
                    patch::layered(own.into_iter().chain([&**doc]).cloned())
                        .iter()
                        .for_each(|all| helm::values(all, sink));
                }
            } else if rest.starts_with("crds/") {
                tree.docs(file).iter().for_each(|doc| workload::lowered(doc, sink));
                text::broken(tree, file).into_iter().for_each(|hit| sink.push(hit));
            } else if rest.starts_with("templates/") && !rest.ends_with("NOTES.txt") {
                let said = actions::without_comments(&String::from_utf8_lossy(tree.bytes(file)));
                text::scan(said.as_bytes(), file, 1).into_iter().for_each(|hit| sink.push(hit));
                for (line, what) in text::closed(tree.bytes(file)) {
                    let note = format!("{what}, whose own images cannot be seen");
                    sink.closed(rest, Confidence::Opaque, vec![At { file, line }], &note);
                }
                let is_filled = tree.fault(file).is_some() || tree.bytes(file).windows(2).any(|part| part == b"{{");
                for (line, kind) in text::deployers(tree.bytes(file)).into_iter().filter(|_| is_filled) {
                    let note = "a template makes it, and what it deploys is not looked at";
                    sink.closed(kind, Confidence::Opaque, vec![At { file, line }], note);
                }
            }
        }
    }
}

// Tags that helpers of a chart put where an image has none: the one for all images, or else, for its one image, the
// version of what it deploys.
fn tagged(tree: &Tree<'_>, folder: &str, values: &Node, hits: &mut [Hit]) {
    let path = |name: &str| within(folder, name);
    let mut open: Vec<&mut Hit> = hits.iter_mut().filter(|hit| hit.note.as_deref() == Some(helm::NO_TAG)).collect();
    // Labels say the version too.
    let is_looked_at = |what: &str| {
        let mut templates = tree.below(&path("templates"));
        templates.any(|(file, _)| {
            let text = String::from_utf8_lossy(tree.bytes(file));
            text.lines().any(|line| line.contains(what) && (line.contains("tag") || line.contains("mage")))
        })
    };
    let global = values.get("global").and_then(|global| helm::scalar(global, "imageTag"));
    let version = declaration(tree, folder).and_then(|file| tree.docs(file).first()?.get("appVersion"));
    let (tag, note) = match (global, version) {
        _ if open.is_empty() => return,
        (Some(tag), _) if is_looked_at("global.imageTag") => (tag, "the tag is the one for all images"),
        (_, Some(tag)) if open.len() == 1 && is_looked_at(".Chart.AppVersion") => {
            (tag, "the version in Chart.yaml is its tag")
        }
        _ => return,
    };
    for hit in &mut open {
        let whole = format!("{}:{}", hit.reference.trim_end_matches(":?"), tag.as_str().unwrap_or_default());
        let Some(known) = reference::normalise(&whole) else { continue };
        (hit.reference, hit.confidence) = (known.text, Confidence::Inferred);
        hit.places.extend(tag.places());
        hit.note = Some(note.to_owned());
    }
}
