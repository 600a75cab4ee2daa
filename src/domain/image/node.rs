//! A document as a tree whose every node knows its file and line, and how far it can be believed.

/// Deepest nesting: everything that walks a tree does so by recursion.
pub(super) const MAX_DEPTH: usize = 200;
// How many bytes of a text take the room of a node.
const TEXT: usize = 64;
// Most places that are told of one node besides its own.
const MAX_PLACES: usize = 32;

/// A line of a file: the file's number in the listing, and the line from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct At {
    /// Which file.
    pub(super) file: u32,
    /// Which line.
    pub(super) line: u32,
}

/// How far a text is what the environment will see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trust {
    /// It is.
    Certain,
    /// Something that cannot be seen may change it.
    Inferred,
    /// A part of it cannot be known.
    Unresolved,
}

/// How a text was written, which tells where its lines are and whether it is a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// Without quotes.
    Plain,
    /// In quotes.
    Quoted,
    /// As a block below its line.
    Block,
}

/// What a node holds.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// Nothing.
    Null,
    /// A scalar.
    Text(Box<str>, Style),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in written order, each key once.
    Map(Vec<(Box<str>, Node)>),
}

/// One node.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// Where it stands.
    pub(super) at: At,
    /// What else made it what it is.
    pub(super) more: Vec<At>,
    /// How far it can be believed.
    pub(super) trust: Trust,
    /// What it holds.
    pub(super) value: Value,
}

impl Node {
    /// A node of one place.
    pub(super) fn new(at: At, value: Value) -> Self {
        Self { at, more: Vec::new(), trust: Trust::Certain, value }
    }

    /// A mapping without entries.
    pub(super) fn nothing(at: At) -> Self {
        Self::new(at, Value::Map(Vec::new()))
    }

    /// A text of one place.
    pub(super) fn text(at: At, text: &str) -> Self {
        Self::new(at, Value::Text(text.into(), Style::Quoted))
    }

    /// The text, if it is one.
    pub(super) fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text, _) => Some(text),
            _ => None,
        }
    }

    /// The items; none if it is no list.
    pub(super) fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The entries; none if it is no mapping.
    pub(super) fn entries(&self) -> &[(Box<str>, Node)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|(name, _)| &**name == key).map(|(_, node)| node)
    }

    /// The value of a key, to be changed.
    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        match &mut self.value {
            Value::Map(entries) => entries.iter_mut().find(|(name, _)| &**name == key).map(|(_, node)| node),
            _ => None,
        }
    }

    /// What stands below a row of keys.
    pub(super) fn at_path(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The text below a row of keys; empty if there is none.
    pub(super) fn str_at(&self, path: &[&str]) -> &str {
        self.at_path(path).and_then(Node::as_str).unwrap_or_default()
    }

    /// Puts a value at a key, in the place of the one before.
    pub(super) fn set(&mut self, key: &str, node: Node) {
        if let Some(old) = self.get_mut(key) {
            *old = node;
        } else {
            if !matches!(self.value, Value::Map(_)) {
                self.value = Value::Map(Vec::new());
            }
            if let Value::Map(entries) = &mut self.value {
                entries.push((key.into(), node));
            }
        }
    }

    /// Takes a key away.
    pub(super) fn remove(&mut self, key: &str) {
        if let Value::Map(entries) = &mut self.value {
            entries.retain(|(name, _)| &**name != key);
        }
    }

    /// Every place that made it, its own first.
    pub(super) fn places(&self) -> impl Iterator<Item = At> + '_ {
        std::iter::once(self.at).chain(self.more.iter().copied())
    }

    /// The lines of a text, and where each stands: only those of a block are lines of the file too.
    pub(super) fn lines(&self) -> impl Iterator<Item = (At, &str)> {
        let is_block = matches!(self.value, Value::Text(_, Style::Block));
        let numbers = (self.at.line..).map(move |line| if is_block { line } else { self.at.line });
        numbers.map(|line| At { line, ..self.at }).zip(self.as_str().unwrap_or_default().lines())
    }

    /// Writes another text into it, made by what stands elsewhere too.
    pub(super) fn rewrite(&mut self, text: &str, by: impl IntoIterator<Item = At>) {
        let is_block = matches!(self.value, Value::Text(_, Style::Block));
        self.value = Value::Text(text.into(), if is_block { Style::Block } else { Style::Quoted });
        self.owe(by);
    }

    /// Notes what else made it.
    pub(super) fn owe(&mut self, by: impl IntoIterator<Item = At>) {
        note(&mut self.more, by);
    }

    /// How many nodes it is, with those within; a long text is as many as it takes the room of.
    pub(super) fn size(&self) -> usize {
        1 + self.as_str().map_or(0, str::len) / TEXT
            + self.items().iter().map(Node::size).sum::<usize>()
            + self.entries().iter().map(|(_, child)| child.size()).sum::<usize>()
    }

    /// Whether it has more levels than these.
    pub(super) fn is_deeper(&self, levels: usize) -> bool {
        let Some(left) = levels.checked_sub(1) else { return true };
        self.items().iter().chain(self.entries().iter().map(|(_, child)| child)).any(|child| child.is_deeper(left))
    }

    /// How much there is to look at: its nodes, and the bytes of its texts.
    pub(super) fn weight(&self) -> usize {
        1 + self.as_str().map_or(0, str::len)
            + self.items().iter().map(Node::weight).sum::<usize>()
            + self.entries().iter().map(|(_, child)| child.weight()).sum::<usize>()
    }

    /// The API group of an object, without the version.
    pub(super) fn group(&self) -> &str {
        self.str_at(&["apiVersion"]).rsplit_once('/').map_or("", |(group, _)| group)
    }

    /// The kind of an object.
    pub(super) fn kind(&self) -> &str {
        self.str_at(&["kind"])
    }

    /// The name of an object.
    pub(super) fn name(&self) -> &str {
        self.str_at(&["metadata", "name"])
    }

    /// The namespace of an object.
    pub(super) fn namespace(&self) -> &str {
        self.str_at(&["metadata", "namespace"])
    }
}

/// Adds places, each once: what is put together of itself again and again has no end of them else.
pub(super) fn note(places: &mut Vec<At>, more: impl IntoIterator<Item = At>) {
    for at in more {
        if places.len() < MAX_PLACES && !places.contains(&at) {
            places.push(at);
        }
    }
}
