//! The files of a tree, each read once.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::node::{At, Node};
use super::strict;
use super::yaml::{self, Fault};

// Nodes of all files together, so many anyway and one for so many bytes: what comes after them is not read. Only aliases
// make more of them.
const MAX_NODES: usize = 1_500_000;
const BYTES: usize = 2;
// Most looks at what can be repeated without end, like paths, keys and texts: so many anyway, and so many for each byte of
// the tree.
const MAX_LOOKS: usize = 12_000_000;
const LOOKS: usize = 16;
// Longest part of a line that is looked at as it is written.
const LINE: usize = 1 << 10;
// Most warnings of one file.
const MAX_WARNINGS: usize = 20;
const KUSTOMIZATIONS: &[&str] = &["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// One file.
#[derive(Debug, Default)]
pub(super) struct File {
    /// Its documents.
    pub(super) docs: Vec<Arc<Node>>,
    // Whether an empty one is before them.
    is_headless: bool,
    /// Why the rest could not be read.
    pub(super) fault: Option<Fault>,
    // The first line on which a key stands again where kustomize does not take it.
    doubled: Option<u32>,
    // The first line with a comment that says how kustomize merges what it stands at.
    schema: Option<u32>,
}

/// All of them.
pub(super) struct Tree<'a> {
    names: Vec<&'a str>,
    bytes: Vec<&'a [u8]>,
    files: Vec<File>,
    by_name: HashMap<&'a str, u32>,
    kustomizations: BTreeMap<&'a str, u32>,
    folders: BTreeSet<&'a str>,
    warnings: Vec<(At, String)>,
    room: Cell<usize>,
    spent: Cell<Option<At>>,
    // Where the lines of files begin that were asked for.
    lines: RefCell<HashMap<u32, Vec<u32>>>,
}

impl<'a> Tree<'a> {
    /// Reads every file that may hold manifests.
    pub(super) fn read(files: &'a BTreeMap<String, Vec<u8>>) -> Self {
        let mut tree = Self {
            names: Vec::new(),
            bytes: Vec::new(),
            files: Vec::new(),
            by_name: HashMap::new(),
            kustomizations: BTreeMap::new(),
            folders: BTreeSet::new(),
            warnings: Vec::new(),
            room: Cell::new(0),
            spent: Cell::new(None),
            lines: RefCell::default(),
        };
        for (number, (name, bytes)) in (0..).zip(files) {
            tree.names.push(name);
            tree.bytes.push(bytes);
            tree.files.push(File::default());
            tree.by_name.insert(name, number);
            let mut parent = folder_of(name);
            while tree.folders.insert(parent) && !parent.is_empty() {
                parent = folder_of(parent);
            }
            if is_kustomization(name) {
                tree.kustomizations.insert(folder_of(name), number);
            }
        }
        let bytes = files.values().map(Vec::len).sum::<usize>();
        tree.room.set(MAX_LOOKS + LOOKS * bytes);
        let mut left = MAX_NODES + bytes / BYTES;
        for (number, (name, _)) in (0..).zip(files) {
            if is_kustomization(name) || is_manifest(name) {
                tree.parse(number, &mut left);
            }
        }
        let docs = tree.kustomizations().filter_map(|(folder, file)| Some((folder, tree.docs(file).first()?)));
        let named = docs.flat_map(|(folder, doc)| manifests(folder, doc)).filter(|path| !is_manifest(path));
        let named: BTreeSet<u32> = named.filter_map(|path| tree.number(&path)).collect();
        for number in named {
            tree.parse(number, &mut left);
        }
        tree.warnings.sort();
        tree
    }

    // Reads the manifests of a file, if there is room for their nodes.
    fn parse(&mut self, number: u32, left: &mut usize) {
        let Some(file) = self.files.get_mut(number as usize) else { return };
        if *left == 0 {
            file.fault = Some(Fault { line: 1, from: 1, why: "the tree holds too much".to_owned() });
            return;
        }
        let parsed = yaml::parse(self.bytes.get(number as usize).copied().unwrap_or_default(), number, 1);
        *left = left.saturating_sub(parsed.nodes);
        (file.fault, file.doubled, file.schema) = (parsed.fault, parsed.doubled, parsed.schema);
        file.is_headless = parsed.is_headless;
        let mut docs = parsed.docs;
        if self.names.get(number as usize).is_some_and(|name| is_kustomization(name)) {
            docs.iter_mut().for_each(strict::canonical);
        }
        file.docs = docs.into_iter().map(slim).map(Arc::new).collect();
        let more = parsed.warnings.len().saturating_sub(MAX_WARNINGS);
        let told = parsed.warnings.into_iter().take(MAX_WARNINGS);
        self.warnings.extend(told.map(|(line, why)| (At { file: number, line }, why)));
        if let Some((_, last)) = self.warnings.last_mut().filter(|_| more > 0) {
            last.push_str(&format!("; and {more} more of this file"));
        }
    }

    /// The number of a file.
    pub(super) fn number(&self, path: &str) -> Option<u32> {
        self.by_name.get(path).copied()
    }

    /// The path of a file.
    pub(super) fn name(&self, file: u32) -> &'a str {
        self.names.get(file as usize).copied().unwrap_or_default()
    }

    /// The bytes of a file.
    pub(super) fn bytes(&self, file: u32) -> &'a [u8] {
        self.bytes.get(file as usize).copied().unwrap_or_default()
    }

    /// The values in a file: those who read them look at the first document only.
    pub(super) fn values(&self, file: u32) -> Option<&Arc<Node>> {
        let file = self.files.get(file as usize).filter(|file| !file.is_headless)?;
        file.docs.first()
    }

    /// Whether some versions of Helm read more in a file of values than the first document.
    pub(super) fn has_more_values(&self, file: u32) -> bool {
        let file = self.files.get(file as usize);
        file.is_some_and(|file| file.docs.len() > usize::from(!file.is_headless))
    }

    /// The text of a line; empty if it is not read.
    pub(super) fn line(&self, at: At) -> &'a str {
        let bytes = self.bytes(at.file);
        let mut files = self.lines.borrow_mut();
        let starts = files.entry(at.file).or_insert_with(|| {
            let ends = (1..).zip(bytes).filter(|(_, byte)| **byte == b'\n').map(|(end, _)| end);
            std::iter::once(0).chain(ends).collect()
        });
        let start = |line: usize| starts.get(line).map(|start| *start as usize);
        let line = at.line.saturating_sub(1) as usize;
        let whole =
            start(line).and_then(|from| bytes.get(from..start(line + 1).unwrap_or(bytes.len()).min(from + LINE)));
        // The end may be within a character.
        whole.and_then(|whole| whole.utf8_chunks().next()).map_or("", |chunk| chunk.valid())
    }

    /// What a file holds.
    pub(super) fn docs(&self, file: u32) -> &[Arc<Node>] {
        self.files.get(file as usize).map(|file| file.docs.as_slice()).unwrap_or_default()
    }

    /// Why a file could not be read to its end.
    pub(super) fn fault(&self, file: u32) -> Option<&Fault> {
        self.files.get(file as usize).and_then(|file| file.fault.as_ref())
    }

    /// Whether a file of JSON is of somebody's own kind, with comments or the like: no manifest that was lost.
    pub(super) fn is_settings(&self, file: u32) -> bool {
        let has = |word: &[u8]| self.bytes(file).windows(word.len()).any(|part| part == word);
        // Escapes and tags may spell whatever key.
        let may_say =
            || ["apiVersion", "\\u", "\\x", "\\U", "\\\n", "\\\r", "!"].iter().any(|word| has(word.as_bytes()));
        self.name(file).ends_with(".json") && self.fault(file).is_some() && !may_say()
    }

    /// Every file by number.
    pub(super) fn all(&self) -> impl Iterator<Item = (u32, &'a str)> + '_ {
        (0..).zip(self.names.iter().copied())
    }

    /// The kustomization file of a folder.
    pub(super) fn kustomization(&self, folder: &str) -> Option<u32> {
        self.kustomizations.get(folder).copied()
    }

    /// Whether a folder is a component of others.
    pub(super) fn is_component(&self, folder: &str) -> bool {
        let doc = self.kustomization(folder).and_then(|file| self.docs(file).first());
        doc.is_some_and(|doc| doc.kind() == "Component")
    }

    /// Whether a folder has more than one.
    pub(super) fn has_several(&self, folder: &str) -> bool {
        let has = |name: &&&str| join(folder, name).is_some_and(|path| self.number(&path).is_some());
        KUSTOMIZATIONS.iter().filter(has).count() > 1
    }

    /// Where a key of a file stands again that kustomize does not take twice.
    pub(super) fn doubled(&self, file: u32) -> Option<At> {
        let line = self.files.get(file as usize)?.doubled?;
        Some(At { file, line })
    }

    /// Where a comment of a file says how kustomize merges what it stands at.
    pub(super) fn schema(&self, file: u32) -> Option<At> {
        let line = self.files.get(file as usize)?.schema?;
        Some(At { file, line })
    }

    /// Whether so many more paths or keys may be looked at for what stands at a place.
    pub(super) fn spend(&self, looks: usize, at: At) -> bool {
        let room = self.room.get().checked_sub(looks);
        self.room.set(room.unwrap_or_default());
        if room.is_none() && self.spent.get().is_none() {
            self.spent.set(Some(at));
        }
        room.is_some()
    }

    /// The first place for which there was no room.
    pub(super) fn spent(&self) -> Option<At> {
        self.spent.get()
    }

    /// Every folder with a kustomization file.
    pub(super) fn kustomizations(&self) -> impl Iterator<Item = (&'a str, u32)> + '_ {
        self.kustomizations.iter().map(|(folder, file)| (*folder, *file))
    }

    /// Whether a folder is there.
    pub(super) fn has_folder(&self, folder: &str) -> bool {
        self.folders.contains(folder)
    }

    /// Every folder.
    pub(super) fn all_folders(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.folders.iter().copied()
    }

    /// Files below a folder.
    pub(super) fn below(&self, folder: &str) -> impl Iterator<Item = (u32, &'a str)> + '_ {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let from = self.names.partition_point(|name| **name < *prefix);
        let files = (from..).zip(self.names.get(from..).unwrap_or_default());
        let mine = files.take_while(move |(_, name)| name.starts_with(&prefix));
        mine.map(|(number, name)| (u32::try_from(number).unwrap_or(u32::MAX), *name))
    }

    /// The first file whose path begins so.
    pub(super) fn beginning(&self, prefix: &str) -> Option<u32> {
        let at = self.names.partition_point(|name| **name < *prefix);
        self.names.get(at).filter(|name| name.starts_with(prefix)).and_then(|_| u32::try_from(at).ok())
    }

    /// `file:line`.
    pub(super) fn place(&self, at: At) -> String {
        format!("{}:{}", self.name(at.file), at.line.max(1))
    }

    /// Lines that mean something else than they seem to.
    pub(super) fn warnings(&self) -> &[(At, String)] {
        &self.warnings
    }
}

fn is_kustomization(path: &str) -> bool {
    KUSTOMIZATIONS.contains(&base_of(path))
}

/// Whether a file holds manifests, by its name.
pub(super) fn is_manifest(path: &str) -> bool {
    [".yaml", ".yml", ".json"].iter().any(|kind| path.ends_with(kind))
}

/// The files that kustomizations name and whose own names do not say that they hold manifests.
pub(super) fn named(files: &BTreeMap<String, Vec<u8>>) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for (path, bytes) in files.iter().filter(|(path, _)| is_kustomization(path)) {
        let Some(mut doc) = yaml::parse(bytes, 0, 1).docs.into_iter().next() else { continue };
        strict::canonical(&mut doc);
        let folder = folder_of(path);
        named.extend(manifests(folder, &doc).chain(contents(folder, &doc)).filter(|path| !is_manifest(path)));
    }
    named
}

// The files that a kustomization reads as manifests.
fn manifests<'n>(folder: &'n str, doc: &'n Node) -> impl Iterator<Item = String> + 'n {
    const KEYS: &[&str] = &[
        "resources",
        "bases",
        "crds",
        "configurations",
        "generators",
        "transformers",
        "validators",
        "patchesStrategicMerge",
        "patchesJson6902",
        "patches",
        "replacements",
        "helmCharts",
    ];
    let items = KEYS.iter().filter_map(|key| doc.get(key)).flat_map(Node::items);
    let texts = items.flat_map(|item| {
        item.as_str().into_iter().chain(texts(item, &["path", "valuesFile", "additionalValuesFiles"]))
    });
    texts.filter_map(|text| join(folder, text))
}

// The files whose contents a kustomization puts into config maps and secrets.
fn contents<'n>(folder: &'n str, doc: &'n Node) -> impl Iterator<Item = String> + 'n {
    let items = ["configMapGenerator", "secretGenerator"].into_iter().filter_map(|key| doc.get(key));
    let texts = items.flat_map(Node::items).flat_map(|item| texts(item, &["files", "envs", "env"]));
    texts.filter_map(|text| join(folder, text.split_once('=').map_or(text, |(_, path)| path)))
}

// The texts at these keys, alone or in lists.
fn texts<'n>(item: &'n Node, keys: &'static [&'static str]) -> impl Iterator<Item = &'n str> {
    let found = keys.iter().filter_map(|key| item.get(key));
    found.flat_map(|found| found.items().iter().chain([found])).filter_map(Node::as_str)
}

// Definitions are large, and of no interest but as the targets of patches.
fn slim(mut doc: Node) -> Node {
    if doc.kind() == "CustomResourceDefinition" && doc.group() == "apiextensions.k8s.io" {
        doc.remove("spec");
    }
    doc
}

/// The folder of a file; empty for the root.
pub(super) fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The last part of a path.
pub(super) fn base_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// A path seen from a folder; None: it leads out of the tree.
pub(super) fn join(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}
