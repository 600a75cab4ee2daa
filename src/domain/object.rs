//! Git objects as bytes: hashing blobs, building and reading trees, grafting folders into a root tree.

use std::collections::{BTreeMap, HashMap};

use sha1_checked::{Digest as _, Sha1};

use super::id::{ObjectId, TreeId};
use super::listing::{Entry, EntryMode, Leaves};

/// The kind of a git object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A commit.
    Commit,
    /// A tree.
    Tree,
    /// A blob.
    Blob,
}

impl Kind {
    /// The kind as git names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Tree => "tree",
            Self::Blob => "blob",
        }
    }
}

/// An object to be written: kind and content.
#[derive(Debug, Clone)]
pub struct Object {
    /// What it is.
    pub kind: Kind,
    /// Its content, without git's header.
    pub content: Vec<u8>,
}

/// The content would get an id that a SHA-1 collision attack made: such content comes from an attacker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the content carries a SHA-1 collision attack")]
pub struct Collision;

/// Hashes an object as git does, noticing collision attacks; for content of unknown length use it piece by piece.
pub struct ObjectHasher(Sha1);

impl ObjectHasher {
    /// Begins an object of `size` bytes.
    pub fn new(kind: Kind, size: u64) -> Self {
        let mut sha1 = Sha1::new();
        sha1.update(format!("{} {size}\0", kind.as_str()));
        Self(sha1)
    }

    /// Adds content.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The id of the object.
    ///
    /// # Errors
    /// The content carries a collision attack.
    pub fn finish(self) -> Result<ObjectId, Collision> {
        let result = self.0.try_finalize();
        if result.has_collision() {
            return Err(Collision);
        }
        Ok(ObjectId((*result.hash()).into()))
    }
}

/// The id of an object.
///
/// # Errors
/// The content carries a collision attack.
pub fn id_of(kind: Kind, content: &[u8]) -> Result<ObjectId, Collision> {
    let mut hasher = ObjectHasher::new(kind, content.len() as u64);
    hasher.update(content);
    hasher.finish()
}

/// The entries of one tree object: name → entry. Names are bytes, because other people's need not be text.
pub type Tree = BTreeMap<Vec<u8>, Entry>;

/// Reads a tree object.
pub fn parse_tree(content: &[u8]) -> Option<Tree> {
    let mut tree = Tree::new();
    let mut rest = content;
    while !rest.is_empty() {
        let space = rest.iter().position(|b| *b == b' ')?;
        let nul = rest.iter().position(|b| *b == 0)?;
        let mode = EntryMode::parse(std::str::from_utf8(rest.get(..space)?).ok()?)?;
        let name = rest.get(space + 1..nul)?.to_vec();
        let id: [u8; 20] = rest.get(nul + 1..nul + 21)?.try_into().ok()?;
        tree.insert(name, (mode, ObjectId(id)));
        rest = rest.get(nul + 21..)?;
    }
    Some(tree)
}

/// Writes a tree object: entries in git's order, where a folder sorts as if its name ended with `/`.
pub fn encode_tree(tree: &Tree) -> Vec<u8> {
    let mut entries: Vec<(Vec<u8>, &Vec<u8>, &Entry)> = tree
        .iter()
        .map(|(name, entry)| {
            let mut key = name.clone();
            if entry.0 == EntryMode::Tree {
                key.push(b'/');
            }
            (key, name, entry)
        })
        .collect();
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    let mut out = Vec::new();
    for (_, name, (mode, id)) in entries {
        out.extend_from_slice(mode.as_str().as_bytes());
        out.push(b' ');
        out.extend_from_slice(name);
        out.push(0);
        out.extend_from_slice(&id.0);
    }
    out
}

/// The id of the tree that holds `leaves`, whose paths are relative to it and sorted by their bytes. None when there are none.
/// Only the trees on the way to the current leaf are kept.
///
/// # Errors
/// A collision attack.
pub fn tree_of<'a>(leaves: impl Iterator<Item = (&'a str, Entry)>) -> Result<Option<TreeId>, Collision> {
    fn put(content: &mut Vec<u8>, name: &str, (mode, id): Entry) {
        for part in [mode.as_str().as_bytes(), b" ", name.as_bytes(), b"\0", &id.0] {
            content.extend_from_slice(part);
        }
    }
    // Sorted paths come in the order of git's trees, because a folder's name is followed by `/` in both.
    let mut root = Vec::new();
    let mut open: Vec<(&str, Vec<u8>)> = Vec::new();
    let close = |open: &mut Vec<(&str, Vec<u8>)>, root: &mut Vec<u8>| -> Result<(), Collision> {
        let Some((name, content)) = open.pop() else { return Ok(()) };
        let id = id_of(Kind::Tree, &content)?;
        put(open.last_mut().map_or(root, |(_, content)| content), name, (EntryMode::Tree, id));
        Ok(())
    };
    for (path, entry) in leaves {
        let (folder, name) = path.rsplit_once('/').map_or(("", path), |(folder, name)| (folder, name));
        let parts = || folder.split('/').filter(|part| !part.is_empty());
        let common = open.iter().zip(parts()).take_while(|((name, _), part)| name == part).count();
        while open.len() > common {
            close(&mut open, &mut root)?;
        }
        open.extend(parts().skip(common).map(|part| (part, Vec::new())));
        put(open.last_mut().map_or(&mut root, |(_, content)| content), name, entry);
    }
    while !open.is_empty() {
        close(&mut open, &mut root)?;
    }
    if root.is_empty() { Ok(None) } else { id_of(Kind::Tree, &root).map(|id| Some(TreeId(id))) }
}

/// Trees that were built, by id, so that each is written once.
#[derive(Debug, Default)]
pub struct Built(pub HashMap<TreeId, Vec<u8>>);

impl Built {
    /// Adds one tree and returns its id.
    ///
    /// # Errors
    /// A collision attack.
    pub fn add(&mut self, tree: &Tree) -> Result<TreeId, Collision> {
        let content = encode_tree(tree);
        let id = TreeId(id_of(Kind::Tree, &content)?);
        self.0.insert(id, content);
        Ok(id)
    }

    /// Builds the tree that holds `leaves`, whose paths are relative to it. None when there are none.
    ///
    /// # Errors
    /// A collision attack.
    pub fn add_leaves(&mut self, leaves: &Leaves) -> Result<Option<TreeId>, Collision> {
        if leaves.is_empty() {
            return Ok(None);
        }
        let mut tree = Tree::new();
        let mut folders: BTreeMap<&str, Leaves> = BTreeMap::new();
        for (path, entry) in leaves {
            match path.split_once('/') {
                None => {
                    tree.insert(path.clone().into_bytes(), *entry);
                }
                Some((head, rest)) => {
                    folders.entry(head).or_default().insert(rest.to_owned(), *entry);
                }
            }
        }
        for (name, below) in folders {
            if let Some(id) = self.add_leaves(&below)? {
                tree.insert(name.as_bytes().to_vec(), (EntryMode::Tree, id.0));
            }
        }
        self.add(&tree).map(Some)
    }

    /// Puts `entry` (None: nothing) at `path` below the tree `root`, loading the trees on the way with `load`, and
    /// returns the new tree. A folder that becomes empty disappears.
    ///
    /// # Errors
    /// A collision attack, or a tree that `load` cannot give.
    pub fn graft<E: From<Collision>>(
        &mut self,
        root: &Tree,
        path: &str,
        entry: Option<Entry>,
        load: &dyn Fn(TreeId) -> Result<Tree, E>,
    ) -> Result<Tree, E> {
        let mut tree = root.clone();
        let (head, rest) = path.split_once('/').map_or((path, None), |(head, rest)| (head, Some(rest)));
        let new = match rest {
            None => entry,
            Some(rest) => {
                let below = match tree.get(head.as_bytes()) {
                    Some((EntryMode::Tree, id)) => self.load(TreeId(*id), load)?,
                    _ => Tree::new(),
                };
                let below = self.graft(&below, rest, entry, load)?;
                if below.is_empty() { None } else { Some((EntryMode::Tree, self.add(&below)?.0)) }
            }
        };
        match new {
            Some(entry) => tree.insert(head.as_bytes().to_vec(), entry),
            None => tree.remove(head.as_bytes()),
        };
        Ok(tree)
    }

    fn load<E>(&self, id: TreeId, load: &dyn Fn(TreeId) -> Result<Tree, E>) -> Result<Tree, E> {
        self.0.get(&id).and_then(|content| parse_tree(content)).map_or_else(|| load(id), Ok)
    }
}

/// The leaves below `folder`, with paths relative to it.
pub fn below(leaves: &Leaves, folder: &str) -> Leaves {
    leaves
        .iter()
        .filter_map(|(path, entry)| Some((path.strip_prefix(folder)?.strip_prefix('/')?.to_owned(), *entry)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    enum Trouble {
        Collided,
        Gone(TreeId),
    }

    impl From<Collision> for Trouble {
        fn from(_: Collision) -> Self {
            Self::Collided
        }
    }

    #[test]
    fn a_tree_that_cannot_be_had_is_not_read_as_empty() {
        let gone = TreeId(ObjectId([7; 20]));
        let root = Tree::from([(b"apps".to_vec(), (EntryMode::Tree, gone.0))]);
        let file = Some((EntryMode::Regular, ObjectId([1; 20])));
        let grafted = Built::default().graft(&root, "apps/shop/a.yaml", file, &|id| Err(Trouble::Gone(id)));
        assert_eq!(grafted, Err(Trouble::Gone(gone)));
        let grafted = Built::default().graft(&root, "infra/a.yaml", file, &|id| Err(Trouble::Gone(id)));
        assert_eq!(grafted.unwrap().len(), 2, "what is not on the way is not asked for");
    }
}
