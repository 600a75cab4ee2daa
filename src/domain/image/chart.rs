//! Charts of the tree: which folders they are, what stands in them, and what they deploy with the values that they are given.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::Confidence;
use super::account::Known;
use super::actions::{self, Helpers};
use super::flow::{self, Said};
use super::guards::{Calls, Guards};
use super::node::{At, Node, Style, Value};
use super::sink::{Hit, Sink};
use super::template::{self, Chart, Open, Source};
use super::tree::{self, Tree};
use super::{helm, patch, reference, roots, sets, text, weight, workload, yaml};

/// The folders of charts, those left out that another one has as its parts.
pub(super) fn folders(tree: &Tree<'_>) -> BTreeSet<String> {
    let folders = tree.all().filter_map(|(_, name)| match name.strip_suffix("Chart.yaml") {
        Some(folder) if folder.is_empty() || folder.ends_with('/') => Some(folder.trim_end_matches('/').to_owned()),
        _ => None,
    });
    let mut charts: BTreeSet<String> = BTreeSet::new();
    for folder in folders {
        if !is_part(&charts, &folder) {
            charts.insert(folder);
        }
    }
    charts
}

/// Whether a folder is a chart, be it a part of another one.
pub(super) fn is_one(tree: &Tree<'_>, folder: &str) -> bool {
    declaration(tree, folder).is_some()
}

/// Whether a path is a part of one of these charts, and nothing that only stands in its folder.
pub(super) fn is_part(charts: &BTreeSet<String>, path: &str) -> bool {
    let mut parent = tree::folder_of(path);
    loop {
        if charts.contains(parent) {
            let rest = path.get(parent.len()..).unwrap_or_default().trim_start_matches('/');
            let is_own = match rest.split_once('/') {
                Some((folder, _)) => matches!(folder, "templates" | "charts" | "crds" | "ci"),
                None => rest.contains("values") || matches!(rest, "Chart.yaml" | "requirements.yaml"),
            };
            if is_own {
                return true;
            }
        }
        if parent.is_empty() {
            return false;
        }
        parent = tree::folder_of(parent);
    }
}

/// Charts that other charts of the tree bring along from beside them. Those that only bring along each other are none.
pub(super) fn included(tree: &Tree<'_>, charts: &BTreeSet<String>) -> BTreeSet<String> {
    let named = |folder: &str| -> Vec<String> {
        let beside = dependencies(tree, folder).filter_map(|entry| beside(entry, folder));
        beside.filter(|path| charts.contains(path)).collect()
    };
    let all: HashMap<&String, Vec<String>> = charts.iter().map(|folder| (folder, named(folder))).collect();
    let named: HashSet<&String> = all.values().flatten().collect();
    let mut todo: Vec<&String> = charts.iter().filter(|folder| !named.contains(folder)).collect();
    let mut included = BTreeSet::new();
    while let Some(folder) = todo.pop() {
        for part in all.get(folder).into_iter().flatten() {
            if included.insert(part.clone()) {
                todo.push(part);
            }
        }
    }
    included
}

/// What a chart says that it consists of.
pub(super) fn dependencies<'a>(tree: &'a Tree<'_>, folder: &str) -> impl Iterator<Item = &'a Node> {
    let files = ["Chart.yaml", "requirements.yaml"].map(|name| tree.number(&within(folder, name)));
    let docs = files.into_iter().flatten().flat_map(|file| tree.docs(file));
    docs.filter_map(|doc| doc.get("dependencies")).flat_map(Node::items)
}

/// Where a chart is that another one brings along from the same tree.
pub(super) fn beside(entry: &Node, folder: &str) -> Option<String> {
    tree::join(folder, entry.str_at(&["repository"]).strip_prefix("file://")?)
}

/// Deepest nesting of charts, and what it costs to look into one, where a look at a path costs 1.
pub(super) const MAX_DEPTH: usize = 5;
pub(super) const COST: usize = 1000;
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
        name if name.starts_with('.') => !VALUES.iter().any(|value| name.starts_with(value)),
        name => word == ":=" || word.starts_with('$') || FUNCTIONS.contains(&name) || name.parse::<f64>().is_ok(),
    };
    // Parts of objects in quotes, and helpers that are files.
    let is_odd = |text: &str| {
        matches!(text, "image" | "containers") || ["mage:", "\n", "/templates/"].iter().any(|part| text.contains(part))
    };
    actions::functions(action).all(|word| is_known(&word))
        && !actions::literals(action).iter().any(|literal| is_odd(&literal.text))
}

// Tells of the first pattern by which Helm does not see values, templates or parts that are in a chart's folder.
fn ignored(tree: &Tree<'_>, folder: &str, sink: &mut Sink) {
    let Some(file) = tree.number(&within(folder, ".helmignore")) else { return };
    let text = String::from_utf8_lossy(tree.bytes(file)).into_owned();
    let prefix = within(folder, "").len();
    let names: Vec<&str> = tree
        .below(folder)
        .filter_map(|(_, name)| name.get(prefix..))
        .filter(|name| is_needed(name))
        .take(MAX_NAMES)
        .collect();
    for (line, pattern) in (1..).zip(text.lines()) {
        let (at, pattern) = (At { file, line }, pattern.trim());
        if pattern.is_empty() || pattern.starts_with('#') || !tree.spend(names.len() * (1 + pattern.len() / BYTES), at)
        {
            continue;
        }
        // What is not like one of these is taken out.
        let is_out = pattern.starts_with('!') || names.iter().any(|name| is_like(name, pattern));
        if is_out {
            sink.closed(pattern, Confidence::Opaque, vec![at], "Helm does not see what of the chart is like it");
            return;
        }
    }
}

// Most files of a chart that are compared with what it leaves out.
const MAX_NAMES: usize = 2000;

// Whether other things are deployed without a file: values, helpers, and what says that something is a chart.
fn is_needed(name: &str) -> bool {
    let base = tree::base_of(name);
    let is_of_part = name.starts_with("charts/") || !name.contains('/');
    (is_of_part && matches!(base, "values.yaml" | "Chart.yaml" | "requirements.yaml"))
        || (format!("/{name}").contains("/templates/") && (base.ends_with(".tpl") || base.starts_with('_')))
        || name.strip_prefix("templates/").is_some_and(|rest| !rest.contains('/') && base != "NOTES.txt")
}

// Whether a file, or a folder above it, is like a pattern of names.
fn is_like(name: &str, pattern: &str) -> bool {
    let bare = pattern.trim_end_matches('/');
    let is_path = bare.contains('/');
    let ends = name.match_indices('/').map(|(at, _)| at);
    let folders = ends.filter_map(|at| name.get(..at));
    let all = folders.chain((bare.len() == pattern.len()).then_some(name));
    // Sets of characters may have any of them.
    let pattern =
        bare.find(['[', '\\']).and_then(|at| bare.get(..at)).map_or(bare.to_owned(), |head| format!("{head}*"));
    all.into_iter().any(|path| sets::is_glob(&pattern, if is_path { path } else { tree::base_of(path) }))
}

/// What the templates of a chart make that deploys more, as far as it can be read as it stands.
pub(super) fn deployers(tree: &Tree<'_>, folder: &str) -> Vec<Arc<Node>> {
    let files = tree.below(&within(folder, "templates")).filter(|(file, _)| tree.fault(*file).is_none());
    let kinds = ["argoproj.io", "fluxcd.io", "fluxcd.controlplane.io"];
    let docs = files.flat_map(|(file, _)| tree.docs(file));
    docs.filter(|doc| kinds.iter().any(|kind| doc.group().ends_with(kind))).map(Arc::clone).collect()
}

// The file that says what a chart is.
fn declaration(tree: &Tree<'_>, folder: &str) -> Option<u32> {
    tree.number(&within(folder, "Chart.yaml"))
}

// A path in a folder.
fn within(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

// A chart that another one consists of.
struct Dependency<'a> {
    // Where it is, if that is in the tree.
    folder: Option<String>,
    // Where its values are in those of the other.
    key: String,
    // What the other says of it; None: it only stands there.
    entry: Option<&'a Node>,
}

// The charts that a chart consists of: those that it names, and those that stand in its folder for them.
fn parts<'a>(tree: &'a Tree<'_>, folder: &str) -> Vec<Dependency<'a>> {
    let prefix = within(folder, "charts/");
    let mut inner: Vec<(String, String)> = Vec::new();
    for (file, name) in tree.below(prefix.trim_end_matches('/')) {
        let there = name.get(prefix.len()..).and_then(|name| name.strip_suffix("/Chart.yaml"));
        if let Some(there) = there.filter(|there| !there.contains('/')) {
            // It is called as it says, whatever its folder is called.
            let own = tree.docs(file).first().map(|doc| doc.str_at(&["name"])).filter(|name| !name.is_empty());
            inner.push((own.unwrap_or(there).to_owned(), format!("{prefix}{there}")));
        }
    }
    let mut parts = Vec::new();
    let mut named: HashSet<&str> = HashSet::new();
    for entry in dependencies(tree, folder) {
        let name = entry.str_at(&["name"]);
        let packed: Vec<&String> = inner.iter().filter(|(own, _)| own == name).map(|(_, folder)| folder).collect();
        let key = Some(entry.str_at(&["alias"])).filter(|alias| !alias.is_empty()).unwrap_or(name).to_owned();
        named.insert(name);
        let there = beside(entry, folder).filter(|folder| tree.has_folder(folder));
        let folders = if packed.is_empty() { vec![there] } else { packed.into_iter().cloned().map(Some).collect() };
        parts.extend(folders.into_iter().map(|folder| Dependency { folder, key: key.clone(), entry: Some(entry) }));
    }
    let others = inner.into_iter().filter(|(name, _)| !named.contains(name.as_str()));
    parts.extend(others.map(|(key, folder)| Dependency { folder: Some(folder), key, entry: None }));
    parts
}

// Whether the condition of a dependency says that it is not deployed: the first path that has a value decides.
fn is_unwanted(entry: &Node, values: &Node) -> bool {
    // A blank after a comma is a part of the path for Helm, which then finds nothing.
    let paths = entry.str_at(&["condition"]).trim().split(',').filter(|path| !path.is_empty());
    // A key that is a word of YAML 1.1 is none that Helm finds.
    let step = |node: &'_ Node, step: &str| node.get(step).filter(|_| yaml::as_truth(step).is_none()).cloned();
    let told = paths.filter_map(|path| path.split('.').try_fold(values.clone(), |node, part| step(&node, part)));
    let mut words = told.filter_map(|node| match &node.value {
        Value::Text(text, Style::Plain) => yaml::as_truth(text),
        _ => None,
    });
    words.next() == Some(false)
}

// Most entries by which a chart takes values out of a part.
const MAX_IMPORTS: usize = 200;

// The values that a chart takes out of those of a part of it, under its own.
fn imported(tree: &Tree<'_>, part: &Dependency<'_>, values: &Node) -> Option<Node> {
    let entries = part.entry?.get("import-values")?.items();
    // Each may be as large as all values.
    if entries.len() > MAX_IMPORTS || !tree.spend(values.size() * (1 + entries.len()), values.at) {
        return None;
    }
    let own = tree.number(&within(part.folder.as_deref()?, "values.yaml")).and_then(|file| tree.docs(file).first());
    let inner = patch::layered(own.map(|doc| (**doc).clone()).into_iter().chain(values.get(&part.key).cloned()))?;
    let at = |path: &str| path.split('.').try_fold(&inner, |node, step| node.get(step)).cloned();
    let layers = entries.iter().filter_map(|entry| match entry.as_str() {
        Some(name) => at(&format!("exports.{name}")),
        None => {
            let (child, parent) = (at(entry.str_at(&["child"]))?, entry.str_at(&["parent"]));
            Some(if matches!(parent, "" | ".") { child } else { helm::nested(parent, child) })
        }
    });
    patch::layered(layers)
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
                self.is_odd(values.at);
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

    fn is_odd(&self, at: At) {
        self.odd.set(self.odd.get().or(Some(at)));
    }

    // Looks for what the templates of a chart do that is not followed.
    fn look_for_oddities(&self, folder: &str) {
        let number = self.numbers.get(folder).copied().unwrap_or(usize::MAX);
        for source in self.charts.get(number).into_iter().flat_map(|(_, sources)| sources) {
            // The sum of something says nothing of it.
            let mut said = source.said().filter(|said| !said.inner.ends_with("sha256sum"));
            if let Some(said) = said.find(|said| !is_simple(&said.inner)) {
                return self.is_odd(At { file: source.file, line: said.number });
            }
        }
        let file = declaration(self.tree, folder);
        let doc = file.and_then(|file| self.tree.docs(file).first());
        // Its helpers are filled in with the values of whoever calls them.
        if doc.is_some_and(|doc| doc.str_at(&["type"]) == "library") {
            self.is_odd(At { file: file.unwrap_or_default(), line: 1 });
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
        // name, for there may be others on the line.
        if templates.open.iter().all(|open| !open.is_named) {
            let name = |hit: &'_ Hit| tree::base_of(reference::split(&hit.reference).0).to_owned();
            let places = |hit: &'_ Hit| hit.places.clone();
            let said = templates.hits.iter().flat_map(|hit| places(hit).into_iter().map(|at| (at, name(hit))));
            let said: HashSet<(At, String)> = said.collect();
            hits.retain(|hit| !hit.places.iter().any(|at| said.contains(&(*at, name(hit)))));
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
        at.into_iter().for_each(|at| self.is_odd(*at));
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
                let mut hits = Vec::new();
                text::broken(tree, file, &mut hits);
                hits.into_iter().for_each(|hit| sink.push(hit));
            }
            if rest == "values.yaml" && tree.has_more_values(file) {
                sink.closed(name, Confidence::Opaque, vec![At { file, line: 1 }], helm::SEVERAL);
            }
            if is_yaml && has_others && !rest.contains('/') && rest.contains("values") && rest != "values.yaml" {
                for doc in tree.docs(file).iter().filter(|_| !rest.ends_with(".json")) {
                    patch::layered(own.into_iter().chain([&**doc]).cloned())
                        .iter()
                        .for_each(|all| helm::values(all, sink));
                }
            } else if rest.starts_with("crds/") {
                tree.docs(file).iter().for_each(|doc| workload::lowered(doc, sink));
                let mut hits = Vec::new();
                text::broken(tree, file, &mut hits);
                hits.into_iter().for_each(|hit| sink.push(hit));
            } else if rest.starts_with("templates/") && !rest.ends_with("NOTES.txt") {
                let said = actions::without_comments(&String::from_utf8_lossy(tree.bytes(file)));
                text::scan(said.as_bytes(), file, 1).into_iter().for_each(|hit| sink.push(hit));
                let is_filled = tree.fault(file).is_some() || tree.bytes(file).windows(2).any(|part| part == b"{{");
                for (line, kind) in text::deployers(tree.bytes(file)).into_iter().filter(|_| is_filled) {
                    let note = "a template makes it, and what it deploys is not looked at";
                    sink.closed(kind, Confidence::Opaque, vec![At { file, line }], note);
                }
            }
        }
    }
}

// A chart that another one consists of, and that is not in the tree.
fn unseen(entry: &Node, sink: &mut Sink) {
    let (name, none) = (entry.str_at(&["name"]), Node::text(entry.at, ""));
    let url = entry.get("repository").unwrap_or(&none);
    let repository = url.as_str().unwrap_or_default();
    let at = entry.get("name").unwrap_or(entry);
    if !repository.is_empty() && !repository.starts_with("file:") {
        helm::chart(url, name, entry.get("version"), at, sink);
    }
    sink.closed(name, Confidence::Opaque, at.places().collect(), helm::UNSEEN);
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
    let version = tree.number(&path("Chart.yaml")).and_then(|file| tree.docs(file).first()?.get("appVersion"));
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
