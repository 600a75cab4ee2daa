//! The file listing of an artifact: what the digest is over, and what is compared with the trees of repositories.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256 as Hasher};

use super::id::{BlobId, Digest, ObjectId, Sha256};

/// The mode of a file that an artifact may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FileMode {
    /// 100644
    #[serde(rename = "100644")]
    Regular,
    /// 100755
    #[serde(rename = "100755")]
    Executable,
}

impl FileMode {
    /// The mode as git writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Regular => "100644",
            Self::Executable => "100755",
        }
    }
}

/// The mode of an entry of a git tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryMode {
    /// A file (100644).
    Regular,
    /// An executable file (100755).
    Executable,
    /// A symbolic link (120000).
    Symlink,
    /// A submodule (160000).
    Submodule,
    /// A folder (40000).
    Tree,
}

impl EntryMode {
    /// The mode as git writes it into a tree object.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Regular => "100644",
            Self::Executable => "100755",
            Self::Symlink => "120000",
            Self::Submodule => "160000",
            Self::Tree => "40000",
        }
    }

    /// Reads a mode as git writes or lists it; old forms of a regular file (100664) count as one.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "100644" | "100664" => Some(Self::Regular),
            "100755" => Some(Self::Executable),
            "120000" => Some(Self::Symlink),
            "160000" => Some(Self::Submodule),
            "40000" | "040000" => Some(Self::Tree),
            _ => None,
        }
    }
}

impl From<FileMode> for EntryMode {
    fn from(mode: FileMode) -> Self {
        match mode {
            FileMode::Regular => Self::Regular,
            FileMode::Executable => Self::Executable,
        }
    }
}

impl fmt::Display for EntryMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One file of an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Path from the root of the environment repository, `/` between components.
    pub path: String,
    /// Regular or executable.
    pub mode: FileMode,
    /// Size of the content in bytes.
    pub size: u64,
    /// SHA-256 of the content.
    pub sha256: Sha256,
    /// The id that git gives the content.
    pub blob: BlobId,
}

/// What stands at a path of a git tree: mode and object id.
pub type Entry = (EntryMode, ObjectId);

/// The leaves below some folders of a repository: path → entry, sorted by path bytes.
pub type Leaves = BTreeMap<String, Entry>;

/// The digest of a listing: SHA-256 over `<mode> <sha256 of content> <path>\0` for each file in path-byte order.
pub fn digest<'a>(files: impl Iterator<Item = (&'a str, FileMode, Sha256)>) -> Digest {
    let mut sorted: Vec<_> = files.collect();
    sorted.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
    let mut hasher = Hasher::new();
    for (path, mode, sha256) in sorted {
        hasher.update(format!("{} {} {path}\0", mode.as_str(), sha256));
    }
    Digest(hasher.finalize().into())
}

/// A path of a repository as text. Each byte that is not UTF-8 becomes NUL and its number: no name in git has a NUL, so
/// such a path is never taken for another one, and no artifact has it.
pub fn path_of(name: &[u8]) -> String {
    let mut path = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        path.push_str(chunk.valid());
        path.extend(chunk.invalid().iter().map(|byte| format!("\0x{byte:02x}")));
    }
    path
}

/// Whether the name in the repository is UTF-8: only such a path can be written as it was read.
pub fn is_utf8(path: &str) -> bool {
    !path.contains('\0')
}

/// A path for people: `apps/caf\xe9.yaml`.
pub fn shown(path: &str) -> String {
    path.replace('\0', "\\")
}

/// The files of an artifact as entries of a tree.
pub fn leaves(files: &[File]) -> Leaves {
    files.iter().map(|f| (f.path.clone(), (f.mode.into(), f.blob.0))).collect()
}

/// Whether a path is a file that git itself reads and people put anywhere: an environment's own, which no release touches.
/// Whatever else begins with `.git` never travels, and is somebody's file like any other.
pub fn is_gits_own(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    [".gitignore", ".gitattributes", ".gitkeep", ".gitmodules"].contains(&name)
        && !path[..path.len() - name.len()].contains("/.git")
}

/// Whether any component of the path is a git file, which never travels.
pub fn has_git_file(path: &str) -> bool {
    path.split('/').any(super::path::is_git_file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_utf8_is_like_no_other() {
        let path = path_of(b"apps/caf\xe9\xff.yaml");
        assert!(!is_utf8(&path));
        assert_eq!(shown(&path), r"apps/caf\xe9\xff.yaml");
        assert!(super::super::path::check(&path).is_err(), "no artifact has it");
        for other in [r"apps/caf\xe9\xff.yaml", "apps/caf\u{fffd}.yaml", "apps/café.yaml"] {
            assert!(is_utf8(other));
            assert_eq!(path_of(other.as_bytes()), other);
            assert_ne!(path, other);
        }
    }
}
