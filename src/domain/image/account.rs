//! What an expression of a template looks at, where nobody can say what it comes to: whether that is all accounted for by
//! the images that its values are known to name.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::actions::{self, Action, Literal};
use super::expression::Scope;
use super::flow::Within;
use super::helm;
use super::node::{At, Node, Value};
use super::reference;
use super::sink::{self, Hit};

// Most helpers and variables that are followed from one line; what each of them costs, and how many of its bytes cost as
// much as a look at a path.
const MAX_TEXTS: usize = 200;
const TEXT: usize = 32;
const BYTES: usize = 8;

/// What a line, its variables and its helpers look at.
#[derive(Default)]
pub(super) struct Looked<'a> {
    // The values.
    nodes: Vec<&'a Node>,
    /// Whether files and objects are among it that no template shows.
    pub(super) is_of_files: bool,
    // Whether a part of the values is that of a chart that is not in the tree, which is told of.
    is_unseen: bool,
    // Whether they put something of their own into it, or change it.
    is_foreign: bool,
    // Whether it depends on where it stands.
    is_relative: bool,
}

/// What helpers and the variables of texts look at, by the address of the text and the name of the variable, which a helper
/// itself has not: lines share most of them.
pub(super) type Variables<'a> = RefCell<HashMap<(*const u8, String), Rc<Looked<'a>>>>;

impl<'a> Looked<'a> {
    // Adds what another one looks at.
    fn add(&mut self, other: &Self) {
        let known: HashSet<*const Node> = self.nodes.iter().map(|node| std::ptr::from_ref(*node)).collect();
        self.nodes.extend(other.nodes.iter().filter(|node| !known.contains(&std::ptr::from_ref(**node))));
        self.is_of_files |= other.is_of_files;
        self.is_unseen |= other.is_unseen;
        self.is_foreign |= other.is_foreign;
        self.is_relative |= other.is_relative;
    }

    /// The values that are texts.
    pub(super) fn texts(&self) -> impl Iterator<Item = &'a Node> + '_ {
        self.nodes().filter(|node| node.as_str().is_some())
    }

    /// The values.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &'a Node> + '_ {
        self.nodes.iter().copied()
    }

    /// Whether an image may be in what it looks at; `other` if that is nowhere.
    pub(super) fn may_be_images(&self, other: bool) -> bool {
        (self.nodes.is_empty() && other) || self.nodes.iter().any(|node| has_image(node))
    }

    /// Whether the images that are known are all that it can be.
    pub(super) fn is_known(&self, known: &Known<'_>) -> bool {
        let is_told = self.nodes.iter().any(|node| known.names(node));
        // One image does not account for a text that reads like another one.
        let is_other = |node: &Node| !known.names(node) && node.as_str().is_some_and(sink::is_plausible);
        !self.is_foreign && !self.texts().any(is_other) && (is_told || self.is_unseen) && self.is_harmless(known)
    }

    /// Whether what its values say of images is known.
    pub(super) fn is_harmless(&self, known: &Known<'_>) -> bool {
        self.nodes.iter().all(|node| known.tells(node, "image"))
    }
}

/// The images that are known, by their places.
pub(super) struct Known<'h>(HashMap<At, Vec<&'h str>>);

impl<'h> Known<'h> {
    /// Those of these.
    pub(super) fn of(hits: &'h [Hit]) -> Self {
        let mut known: HashMap<At, Vec<&str>> = HashMap::new();
        for hit in hits {
            hit.places.iter().for_each(|at| known.entry(*at).or_default().push(&hit.reference));
        }
        Self(known)
    }

    // Whether a value, or a part of it, is of one.
    fn has(&self, node: &Node) -> bool {
        node.places().any(|at| self.0.contains_key(&at))
            || node.items().iter().any(|item| self.has(item))
            || node.entries().iter().any(|(_, child)| self.has(child))
    }

    // The same, where several values stand on one line.
    fn names(&self, node: &Node) -> bool {
        let Some(text) = node.as_str() else { return self.has(node) };
        let mut here = node.places().filter_map(|at| self.0.get(&at)).flatten();
        here.any(|reference| reference.contains(text.trim().trim_matches('/')))
    }

    // Whether what reads like an image in a value is known to be one.
    fn tells(&self, node: &Node, key: &str) -> bool {
        match &node.value {
            Value::Text(text, _) => {
                let is_name = || key == "image" && !sink::is_no_text(node) && reference::normalise(text).is_some();
                let is_image = helm::is_image_key(key) && (sink::is_plausible(text) || is_name());
                let here = || self.0.get(&node.at).into_iter().flatten();
                !is_image || here().any(|reference| reference.contains(text.trim()))
            }
            Value::List(items) => items.iter().all(|item| self.tells(item, key)),
            Value::Map(entries) => entries.iter().all(|(name, child)| self.tells(child, name)),
            Value::Null => true,
        }
    }
}

// Whether a value has keys of images.
fn has_image(node: &Node) -> bool {
    let is_of_image = |key: &str| helm::is_image_key(key) || matches!(key, "repository" | "registry" | "hub" | "tag");
    node.items().iter().any(has_image)
        || node.entries().iter().any(|(name, child)| is_of_image(name) || has_image(child))
}

// Functions that give what they are given, or a part of it.
const PLAIN: &[&str] = &[
    "include",
    "template",
    "tpl",
    "printf",
    "print",
    "default",
    "coalesce",
    "required",
    "quote",
    "squote",
    "toString",
    "trim",
    "dict",
    "list",
    "index",
    "get",
    "ternary",
    "first",
    "last",
    "nindent",
    "indent",
    "toYaml",
    "not",
    "and",
    "or",
    "eq",
    "ne",
    "empty",
    "kindIs",
    "hasKey",
    "concat",
    "compact",
    "join",
    "with",
    "range",
    "pluck",
    "dig",
    "merge",
    "deepCopy",
    "fromYaml",
    "mergeOverwrite",
    "mustMergeOverwrite",
    "mustMerge",
    "mustDeepCopy",
    "omit",
    "pick",
    "true",
    "false",
    "nil",
];

// Whether a text in quotes may be of an image's tag, or joins its parts.
fn is_joint(text: &str) -> bool {
    let bare = text.replace("%s", "").replace("%v", "").replace("%d", "");
    let is_version = bare.trim_start_matches(['v', ':', '-']).starts_with(|c: char| c.is_ascii_digit());
    !bare.contains(|c: char| c.is_ascii_alphanumeric())
        || matches!(bare.trim_start_matches([':', '-']), "latest" | "v" | "sha256" | "sha256:")
        || (is_version && !bare.contains('/'))
}

impl<'a> Scope<'a> {
    /// What a text, its variables and its helpers look at.
    pub(super) fn looked(&self, text: &str) -> Looked<'a> {
        let mut looked = Looked::default();
        self.look(text, &mut looked);
        if std::mem::take(&mut looked.is_relative) {
            self.look_around(self.within, &mut looked, &mut HashSet::new());
        }
        looked.is_foreign |= looked.is_relative && looked.nodes.is_empty();
        looked.is_foreign |= self.is_moved && names_values(text, self.within.helper.is_some());
        looked
    }

    // What the blocks around a part of a template are about, and what its helper is given.
    fn look_around(&self, within: &Within, looked: &mut Looked<'a>, seen: &mut HashSet<String>) {
        self.look(&format!("{{{{{}}}}}", within.around.join(" ")), looked);
        let helper =
            within.helper.as_deref().filter(|helper| seen.len() < MAX_TEXTS && seen.insert((*helper).to_owned()));
        for call in helper.into_iter().flat_map(|helper| self.of.calls.named(helper)).take(MAX_TEXTS) {
            if !self.spends(&call.action) {
                looked.is_relative = true;
                return;
            }
            self.given(&call.action, looked);
            self.look_around(&call.within, looked, seen);
        }
    }

    // What the call of a helper gives it.
    fn given(&self, action: &str, looked: &mut Looked<'a>) {
        let mut given = Looked::default();
        self.look_at(action, &mut given);
        looked.nodes.extend(given.nodes);
        // What it does besides is done to what the helper writes.
        looked.is_relative |= actions::literals(action).iter().any(|literal| sink::is_literal(&literal.text));
    }

    // The same for a text.
    fn look(&self, text: &str, looked: &mut Looked<'a>) {
        let mut others = Vec::new();
        self.follow(vec![(text.to_owned(), self.text)], looked, &mut |owner, name| others.push((owner, name)));
        for (owner, name) in others {
            looked.add(&self.known(owner, name));
        }
    }

    // What the values look at that a text sets a variable to; without a name, what the text itself does.
    fn known(&self, owner: &'a str, name: String) -> Rc<Looked<'a>> {
        let key = (owner.as_ptr(), name);
        if let Some(known) = self.of.variables.borrow().get(&key) {
            return Rc::clone(known);
        }
        let mut looked = Looked::default();
        let (mut todo, mut seen) = (vec![(owner, key.1.clone())], HashSet::new());
        while let Some((owner, name)) = todo.pop() {
            if seen.len() >= MAX_TEXTS || !self.of.tree.spend(TEXT + owner.len() / BYTES, self.at) {
                looked.is_foreign = true;
                break;
            }
            if !seen.insert((owner.as_ptr(), name.clone())) {
                continue;
            }
            let texts = if name.is_empty() {
                vec![(owner.to_owned(), owner)]
            } else {
                let mut set: Vec<(String, &str)> = actions::assigned(owner, &name)
                    .take(MAX_TEXTS)
                    .map(|value| (format!("{{{{{value}}}}}"), owner))
                    .collect();
                looked.is_foreign |= set.len() >= MAX_TEXTS;
                set.reverse();
                set
            };
            self.follow(texts, &mut looked, &mut |owner, name| todo.push((owner, name)));
        }
        let looked = Rc::new(looked);
        self.of.variables.borrow_mut().insert(key, Rc::clone(&looked));
        looked
    }

    // What texts look at, each with the text that sets its variables; these and helpers are handed on.
    fn follow(
        &self,
        mut texts: Vec<(String, &'a str)>,
        looked: &mut Looked<'a>,
        other: &mut dyn FnMut(&'a str, String),
    ) {
        let (mut helpers, mut variables) = (HashSet::new(), HashSet::new());
        while let Some((text, owner)) = texts.pop() {
            looked.is_foreign |= is_foreign(&text);
            looked.is_of_files |= text.contains(".Files.") || text.contains("lookup ");
            self.look_at(&text, looked);
            for name in actions::helpers(&text) {
                if !helpers.insert(name.to_owned()) {
                    continue;
                }
                match self.of.helpers.body(name) {
                    Some(body) if helpers.len() < MAX_TEXTS => {
                        looked.is_foreign |= self.of.calls.is_moved(name) && names_values(body, true);
                        other(body, String::new());
                    }
                    // One that is nowhere in the tree is of a chart that is told of, or nothing is rendered at all.
                    _ => looked.is_foreign |= self.of.helpers.has(name),
                }
            }
            for word in actions::words(&text) {
                let name = word.strip_prefix('$').and_then(|word| word.split('.').next()).unwrap_or_default();
                if !name.is_empty() && variables.insert((owner.as_ptr(), name.to_owned())) {
                    looked.is_foreign |= variables.len() >= MAX_TEXTS;
                    other(owner, name.to_owned());
                    // Blocks around a call may set it by themselves.
                    let own = actions::assigned(&text, name).filter(|_| text != owner).take(MAX_TEXTS);
                    texts.extend(own.map(|value| (format!("{{{{{value}}}}}"), owner)));
                }
            }
        }
    }

    // The values that a text names.
    fn look_at(&self, text: &str, looked: &mut Looked<'a>) {
        for (before, path, behind) in super::guards::reached(text) {
            let node = path.split('.').try_fold(self.of.values, |node, step| node.get(step));
            let node =
                node.filter(|_| path != "global" && !path.is_empty()).and_then(|node| keyed(node, before, behind));
            let part = path.split('.').next().unwrap_or_default();
            looked.is_unseen |= node.is_none() && self.of.unseen.contains(&part);
            if let Some(node) = node.filter(|node| self.of.tree.spend(node.size(), self.at)) {
                looked.nodes.push(node);
            }
        }
        looked.is_relative |= actions::words(text).any(is_relative);
    }
}

// What a text takes out of a value by keys in quotes: `index .Values.m "x"`.
fn keyed<'n>(node: &'n Node, before: &str, behind: &str) -> Option<&'n Node> {
    let word = before.trim_end_matches('$').trim_end();
    if !["index", "get"].iter().any(|name| word.ends_with(name)) {
        return Some(node);
    }
    let (mut node, mut rest) = (node, behind);
    while let Some((key, after)) = rest.trim_start().strip_prefix('"').and_then(|rest| rest.split_once('"')) {
        node = node.get(key)?;
        rest = after;
    }
    Some(node)
}

// Whether a text names values where `.`, and in a helper `$` too, may have others than the chart's.
fn names_values(text: &str, is_helper: bool) -> bool {
    actions::words(text).any(|word| word.starts_with(".Values") || (is_helper && word.starts_with("$.Values")))
}

// Whether a word is about what a helper is given, what a loop goes over, or what a block is for.
fn is_relative(word: &str) -> bool {
    const OWN: &[&str] = &[".Values", ".Chart", ".Release", ".Template", ".Capabilities"];
    let bare = word.strip_prefix('$').map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric()));
    let rest = bare.unwrap_or(word);
    let is_field = rest.strip_prefix('.').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()));
    (is_field && !OWN.iter().any(|own| rest.starts_with(own))) || word == "."
}

// Whether a text puts something of its own into an image, or changes what it is given.
fn is_foreign(text: &str) -> bool {
    let (mut rest, mut is_own) = (text, false);
    while let Some((before, action, after)) = actions::next(rest) {
        is_own |= !is_joint(before.trim().trim_matches(['"', '\'']));
        rest = after;
        // What sets a variable is looked at where the variable is.
        if let Action::Output(inner) = action {
            is_own |= changes(inner);
        }
    }
    is_own || !is_joint(rest.trim().trim_matches(['"', '\'']))
}

// Whether an expression does more than to put together what it is given.
fn changes(inner: &str) -> bool {
    let is_function = |word: &str| word.starts_with(|c: char| c.is_ascii_lowercase());
    let is_odd = |word: &str| {
        word.contains(".Files") || (is_function(word) && !PLAIN.contains(&word) && word.parse::<f64>().is_err())
    };
    actions::words(inner).any(is_odd) || actions::literals(inner).iter().any(is_own)
}

// Whether a text in quotes may come to be a part of an image.
fn is_own(literal: &Literal<'_>) -> bool {
    const CHOSEN: &[&str] =
        &["default", "coalesce", "ternary", "list", "print", "quote", "tpl", "printf", "concat", ""];
    !is_joint(&literal.text) && CHOSEN.contains(&literal.word)
}
