//! What of a chart's values is switched off: only what its templates reach through questions for its `enabled` alone.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::actions;
use super::flow::{Said, Within};
use super::helm;
use super::node::{Node, Value};

// Deepest chain of helpers, and most values that are looked at for being switched off.
const MAX_DEPTH: usize = 8;
const MAX_OFF: usize = 10_000;
// The name of any helper.
const ANY: &str = "*";
// Most calls that are looked through for what they give.
const MAX_GIVEN: usize = 500_000;
// Longest path of a value; a longer one is taken for all of them.
const LONGEST: usize = 1000;

/// A call of a helper.
pub(super) struct Call {
    /// What it stands within.
    pub(super) within: Rc<Within>,
    /// The action that makes it.
    pub(super) action: Rc<str>,
    // The chart that makes it.
    by: usize,
    // What the helper is given.
    given: Rc<str>,
}

// What is given to a helper: all of it, or what is at a key of that.
type Given = (Rc<str>, Rc<str>);

impl Call {
    // Where what is at a key of what is given comes from: out of what is given to the caller, or from the chart (Some(None));
    // None: from elsewhere.
    fn source(&self, key: &str) -> Option<Option<Given>> {
        let word = if key.is_empty() {
            &*self.given
        } else {
            let quoted = format!("\"{key}\"");
            let rest = self.action.get(self.action.find(&quoted)? + quoted.len()..)?;
            rest.split(|c: char| c.is_whitespace() || matches!(c, ')' | '|')).find(|word| !word.is_empty())?
        };
        let is_here = word.starts_with('$') || !self.within.is_moved;
        let inner = word.strip_prefix("$.").or_else(|| word.strip_prefix('.')).unwrap_or_default();
        let is_key = inner.chars().all(|c| c.is_ascii_alphanumeric());
        let is_told = matches!(word, "$" | ".") || (!inner.is_empty() && is_key && self.within.helper.is_some());
        (is_here && is_told).then(|| self.within.helper.clone().map(|helper| (helper, inner.into())))
    }
}

/// The calls of helpers that templates make.
#[derive(Default)]
pub(super) struct Calls {
    by_name: HashMap<String, Vec<Call>>,
    // Helpers that may be given something else than the chart's own values.
    moved: HashSet<String>,
}

impl Calls {
    /// Those that the actions of charts make.
    pub(super) fn of<'t>(said: impl Iterator<Item = (usize, &'t Said)>) -> Self {
        let mut calls = Self::default();
        for (by, said) in said {
            for rest in actions::calls(&said.inner) {
                let named = rest.strip_prefix(['"', '`']).and_then(|rest| rest.split_once(['"', '`']));
                if named.is_none() && is_sum(&said.inner) {
                    continue;
                }
                // What is called by a name that is not written there may be any of them.
                let other = || actions::split(rest, ' ').get(1).copied().unwrap_or_default();
                let (name, given) = named.unwrap_or_else(|| (ANY, other()));
                let mut given = given.split(|c: char| c.is_whitespace() || matches!(c, ')' | '|'));
                let word = given.find(|word| !word.is_empty()).unwrap_or_default();
                let given = word.into();
                let (within, action) = (Rc::clone(&said.within), Rc::clone(&said.inner));
                calls.by_name.entry(name.to_owned()).or_default().push(Call { within, action, by, given });
            }
        }
        calls.move_on();
        calls
    }

    // Finds the helpers that may be given something else than all that the chart has: by a call that does so, or by what
    // somebody gave to the one that calls.
    fn move_on(&mut self) {
        let (mut takers, mut moved): (HashMap<Given, Vec<Given>>, Vec<Given>) = Default::default();
        let mut todo: Vec<Given> = self.by_name.keys().map(|name| (name.as_str().into(), "".into())).collect();
        let (mut seen, mut left): (HashSet<Given>, usize) = (todo.iter().cloned().collect(), MAX_GIVEN);
        while let Some(taker) = todo.pop() {
            for call in self.named(&taker.0) {
                left = left.saturating_sub(1);
                match call.source(&taker.1).filter(|_| left > 0) {
                    Some(None) => {}
                    Some(Some(source)) => {
                        todo.extend(seen.insert(source.clone()).then(|| source.clone()));
                        takers.entry(source).or_default().push(taker.clone());
                    }
                    None => moved.push(taker.clone()),
                }
            }
        }
        let mut known = HashSet::new();
        while let Some(given) = moved.pop() {
            if known.insert(given.clone()) {
                moved.extend(takers.remove(&given).unwrap_or_default());
            }
        }
        self.moved = known.into_iter().filter(|(_, key)| key.is_empty()).map(|(name, _)| name.to_string()).collect();
    }

    /// The calls of a helper.
    pub(super) fn named(&self, name: &str) -> &[Call] {
        self.by_name.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether nobody calls a helper.
    pub(super) fn is_idle(&self, name: &str) -> bool {
        !self.has_any() && self.named(name).is_empty()
    }

    // Whether helpers are called by names that are not written there.
    fn has_any(&self) -> bool {
        self.by_name.contains_key(ANY)
    }

    /// Whether a helper may be given something else than the chart's own values.
    pub(super) fn is_moved(&self, name: &str) -> bool {
        self.moved.contains(ANY) || self.moved.contains(name)
    }
}

// Whether a helper of the library that most charts use takes something else out of images than which they are.
fn is_no_image(helper: &str) -> bool {
    const OTHERS: &[&str] = &[
        "common.images.pullSecrets",
        "common.images.renderPullSecrets",
        "common.images.version",
        "common.warnings.rollingTag",
        "common.errors.insecureImages",
    ];
    OTHERS.contains(&helper)
}

// Whether an action is only a sum of what it reads.
fn is_sum(action: &str) -> bool {
    action.contains("sha256sum") || action.contains("sha1sum")
}

/// What is switched off in the values of one chart.
pub(super) struct Guards<'a> {
    calls: &'a Calls,
    // Which chart it is.
    chart: usize,
    off: HashSet<String>,
    dead: RefCell<HashMap<String, bool>>,
    // What templates look at wherever `enabled` is not asked for, and every path above that.
    seen: HashSet<String>,
    above: HashSet<String>,
}

impl<'a> Guards<'a> {
    /// Of these values, as the actions of the chart's own templates look at them.
    pub(super) fn of(
        values: &Node,
        said: &[&Said],
        calls: &'a Calls,
        chart: usize,
        is_unseen: &dyn Fn(&str) -> bool,
    ) -> Self {
        let mut guards = Self {
            calls,
            chart,
            off: HashSet::new(),
            dead: RefCell::default(),
            seen: HashSet::new(),
            above: HashSet::new(),
        };
        guards.candidates(values, "");
        for said in said {
            let mut helpers = actions::helpers(&said.inner).peekable();
            let is_apart = helpers.peek().is_some() && helpers.all(|name| is_no_image(name) && is_unseen(name));
            if !is_sum(&said.inner) && !is_apart && !guards.is_dead(&said.within) {
                mentioned(&said.inner).for_each(|path| guards.see(path));
            }
        }
        guards.filled_in(values);
        guards
    }

    /// Whether what stands here is not written with these values.
    pub(super) fn is_dead(&self, within: &Within) -> bool {
        self.is_dead_at(within, 0)
    }

    fn is_dead_at(&self, within: &Within, depth: usize) -> bool {
        let is_moved = within.helper.as_ref().is_some_and(|helper| self.calls.is_moved(helper));
        if !is_moved && within.guards.iter().any(|guard| self.off.contains(&**guard)) {
            return true;
        }
        let Some(helper) = within.helper.as_deref().filter(|_| depth < MAX_DEPTH && !self.calls.has_any()) else {
            return false;
        };
        if let Some(known) = self.dead.borrow().get(helper) {
            return *known;
        }
        self.dead.borrow_mut().insert(helper.to_owned(), false);
        let calls = self.calls.named(helper);
        // What another chart calls is written whatever the values of this one say.
        let is_dead = |call: &Call| call.by == self.chart && self.is_dead_at(&call.within, depth + 1);
        let is_dead = !calls.is_empty() && calls.iter().all(is_dead);
        self.dead.borrow_mut().insert(helper.to_owned(), is_dead);
        is_dead
    }

    fn candidates(&mut self, node: &Node, path: &str) {
        if helm::is_off(node) && self.off.len() < MAX_OFF {
            self.off.insert(path.to_owned());
        }
        for (name, child) in node.entries() {
            if !child.entries().is_empty() {
                self.candidates(child, &below(path, name));
            }
        }
    }

    fn see(&mut self, path: &str) {
        let path = if path.len() > LONGEST { "" } else { path };
        self.above.extend(path.match_indices('.').filter_map(|(at, _)| Some(path.get(..at)?.to_owned())));
        self.seen.insert(path.to_owned());
    }

    // What texts of values look at when templates fill them in.
    fn filled_in(&mut self, node: &Node) {
        if let Some(text) = node.as_str().filter(|text| text.contains("{{")) {
            mentioned(text).for_each(|path| self.see(path));
        }
        node.items().iter().for_each(|item| self.filled_in(item));
        node.entries().iter().for_each(|(_, child)| self.filled_in(child));
    }

    // Whether templates look at a value, at what it is a part of, or at a part of it.
    fn is_seen(&self, path: &str) -> bool {
        let is_in = |(at, _)| path.get(..at).is_some_and(|above| self.seen.contains(above));
        self.seen.contains("")
            || self.seen.contains(path)
            || self.above.contains(path)
            || (path.is_empty() && !self.seen.is_empty())
            || path.match_indices('.').any(is_in)
    }

    /// The values without what is switched off; what only says so, and is not heeded, says so no more.
    pub(super) fn left(&self, values: &Node) -> Node {
        let mut left = values.clone();
        self.prune(&mut left, "", false);
        left
    }

    fn prune(&self, node: &mut Node, path: &str, is_within: bool) {
        let is_off = is_within || self.off.contains(path);
        match &mut node.value {
            Value::Map(entries) => {
                if is_off {
                    entries.retain(|(name, _)| &**name != "enabled" && self.is_seen(&below(path, name)));
                }
                entries.iter_mut().for_each(|(name, child)| self.prune(child, &below(path, name), is_off));
            }
            Value::List(items) => items.iter_mut().for_each(asked_by_nobody),
            _ => {}
        }
    }
}

// An item of a list has no path by which templates could ask for it.
fn asked_by_nobody(node: &mut Node) {
    if helm::is_off(node) {
        node.remove("enabled");
    }
    match &mut node.value {
        Value::Map(entries) => entries.iter_mut().for_each(|(_, child)| asked_by_nobody(child)),
        Value::List(items) => items.iter_mut().for_each(asked_by_nobody),
        _ => {}
    }
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The paths of values that an action looks at; empty: all of them.
pub(super) fn mentioned(action: &str) -> impl Iterator<Item = &str> {
    reached(action).map(|(_, path, _)| path)
}

/// The same, with what stands before and behind each.
pub(super) fn reached(action: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    let is_step = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_');
    let is_whole_name = |rest: &&str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    action.match_indices(".Values").filter_map(move |(at, word)| {
        let rest = action.get(at + word.len()..).filter(is_whole_name)?;
        let end = rest.find(move |c| !is_step(c)).unwrap_or(rest.len());
        let path = rest.get(..end)?.strip_prefix('.').unwrap_or_default().trim_end_matches('.');
        Some((action.get(..at)?, path, rest.get(end..)?))
    })
}
