//! What compose files run, for those who ask for it: no environment of clusters deploys them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::node::{At, Node, Trust, Value};
use super::sink::Sink;
use super::substitute::{MAX_FILLED, Variables};
use super::tree::{self, Tree};
use super::{Confidence, Images, roots, text, yaml};

// Longest chain of services that extend each other.
const MAX_CHAIN: usize = 16;

/// Whether a file is a compose file, by its name.
fn is_compose(path: &str) -> bool {
    let name = tree::base_of(path);
    let stem = name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".yml"));
    stem.is_some_and(|stem| {
        ["compose", "docker-compose"].iter().any(|known| {
            stem.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-', '_']))
        })
    })
}

/// What the compose files of a tree run, and what these include.
pub fn compose(files: &BTreeMap<String, Vec<u8>>) -> Images {
    let tree = Tree::read(files);
    let mut queue: VecDeque<u32> = tree.all().filter(|(_, name)| is_compose(name)).map(|(file, _)| file).collect();
    let mut done = BTreeSet::new();
    let (mut images, mut hits) = (Images::default(), Vec::new());
    let mut room = MAX_FILLED;
    while let Some(file) = queue.pop_front() {
        if !done.insert(file) {
            continue;
        }
        let folder = tree::folder_of(tree.name(file));
        let variables = variables(&tree, folder);
        let mut sink = Sink::default();
        let there = |path: &Node| path.as_str().and_then(|path| find(&tree, folder, path));
        for doc in tree.docs(file) {
            for path in doc.get("include").into_iter().flat_map(Node::items).flat_map(paths) {
                match there(path) {
                    Some(file) => queue.push_back(file),
                    None => absent(path, &mut sink),
                }
            }
            for (name, service) in doc.get("services").map(Node::entries).unwrap_or_default() {
                sink.named(&format!("service {name}"));
                let mut run = |node: &Node, at_least| {
                    let mut node = node.clone();
                    if let Some(text) = node.as_str() {
                        let braced = braced(text);
                        if braced != text {
                            node.rewrite(&braced, []);
                        }
                    }
                    variables.apply(&mut node, &mut room);
                    sink.image(&node, at_least);
                };
                let (image, is_built) = image(&tree, file, service);
                if let Some(image) = &image {
                    // What is built here gets the name, and comes from a registry only if that has it.
                    run(image, if is_built { Trust::Inferred } else { Trust::Certain });
                }
                for volume in service.get("volumes").into_iter().flat_map(Node::items) {
                    if let Some(source) = volume.get("source").filter(|_| volume.str_at(&["type"]) == "image") {
                        run(source, Trust::Certain);
                    }
                }
                if let Some(path) = service.at_path(&["extends", "file"]).filter(|path| there(path).is_none()) {
                    absent(path, &mut sink);
                }
            }
        }
        let build = images.build(&roots::shown(folder));
        for (workload, reference) in sink.deployed() {
            images.works(build, workload, reference);
        }
        let mut all = sink.hits();
        // Compose takes what stands there, wherever something else is merged in.
        if tree.fault(file).is_some_and(|fault| fault.why != yaml::MERGED) {
            all.extend(text::broken(&tree, file));
        }
        hits.extend(all.into_iter().map(|hit| (build, hit, false)));
    }
    images.take(&tree, hits);
    images
}

// The image of a service, or of the one that it extends; and whether it is built.
fn image(tree: &Tree<'_>, file: u32, service: &Node) -> (Option<Node>, bool) {
    let (mut file, mut service, mut is_built) = (file, service.clone(), false);
    for _ in 0..MAX_CHAIN {
        is_built |= service.get("build").is_some();
        if let Some(image) = service.get("image") {
            return (Some(image.clone()), is_built);
        }
        let Some(extends) = service.get("extends") else { break };
        let (other, name) = match extends.as_str() {
            Some(name) => (None, name),
            None => (extends.get("file").and_then(Node::as_str), extends.str_at(&["service"])),
        };
        if let Some(path) = other {
            let Some(found) = find(tree, tree::folder_of(tree.name(file)), path) else { break };
            file = found;
        }
        let doc: Option<&Arc<Node>> = tree.docs(file).iter().find(|doc| doc.get("services").is_some());
        let Some(next) = doc.and_then(|doc| doc.at_path(&["services", name])) else { break };
        service = next.clone();
    }
    (None, is_built)
}

// The paths of an entry of `include`.
fn paths(entry: &Node) -> Vec<&Node> {
    match (&entry.value, entry.get("path")) {
        (Value::Text(..), _) => vec![entry],
        (_, Some(path)) if path.as_str().is_some() => vec![path],
        (_, path) => path.map(Node::items).unwrap_or_default().iter().collect(),
    }
}

fn find(tree: &Tree<'_>, folder: &str, path: &str) -> Option<u32> {
    tree.number(&tree::join(folder, path)?)
}

fn absent(path: &Node, sink: &mut Sink) {
    let what = path.as_str().unwrap_or_default();
    sink.closed(what, Confidence::Opaque, path.places().collect(), "a compose file that is not in the tree");
}

// What the file `.env` beside it says, which the environment of whoever starts it may change.
fn variables(tree: &Tree<'_>, folder: &str) -> Variables {
    let mut variables = Variables::default();
    if let Some(file) = find(tree, folder, ".env") {
        let mut data = Node::nothing(At { file, line: 1 });
        for (line, text) in (1..).zip(String::from_utf8_lossy(tree.bytes(file)).lines()) {
            let text = text.trim().strip_prefix("export ").unwrap_or(text.trim());
            let Some((name, value)) = text.split_once('=').filter(|_| !text.starts_with('#')) else { continue };
            let value = value.split(" #").next().unwrap_or_default().trim();
            data.set(name.trim(), Node::text(At { file, line }, value.trim_matches(['"', '\''])));
        }
        variables.add(&data);
    }
    variables.add_unknown();
    variables
}

// `$NAME` as `${NAME}`; `$$` stays.
fn braced(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        out.push('$');
        rest = after;
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = rest.find(|c: char| !is_name(c)).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        if !name.is_empty() {
            out.push_str(&format!("{{{name}}}"));
            rest = after;
        }
    }
    out.push_str(rest);
    out
}
