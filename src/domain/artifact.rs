//! The manifest of a deployment zip (`passgate.json`), in the one form that `package` writes.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use super::id::{CommitId, Digest, TreeId, UnitName};
use super::listing::{self, File};
use super::object::{Collision, tree_of};
use super::url::RepoUrl;

/// Name of the manifest, the first entry of the zip.
pub const MANIFEST: &str = "passgate.json";
/// Value of the manifest's `format`.
pub const FORMAT: &str = "passgate/artifact/v1";

/// What an artifact says of itself. Nothing in it is evidence for a gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Always [`FORMAT`].
    pub format: String,
    /// What is released together.
    pub unit: UnitName,
    /// The identity of the content.
    pub digest: Digest,
    /// The folders, as they will stand in an environment repository, sorted.
    pub folders: Vec<Folder>,
    /// Where the content came from.
    pub source: Source,
    /// A label for people.
    pub version: Option<String>,
    /// Every file, sorted by path bytes.
    pub files: Vec<File>,
}

/// A folder of the artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Folder {
    /// Path in the artifact and in environment repositories.
    pub path: String,
    /// Git tree id of the content, without git files; null when the folder is declared empty.
    pub tree: Option<TreeId>,
}

/// The commit that an artifact was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The source repository.
    pub repository: RepoUrl,
    /// The commit.
    pub commit: CommitId,
    /// Its committer time, RFC 3339 in UTC.
    pub committed: String,
}

impl Manifest {
    /// The bytes of `passgate.json`: two-space JSON in field order, with a final newline.
    ///
    /// # Errors
    /// JSON cannot hold it (it always can).
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = Vec::new();
        self.write_to(&mut bytes)?;
        Ok(bytes)
    }

    /// Whether `bytes` are what [`Manifest::to_bytes`] gives, found out without making them.
    pub fn is_written_as(&self, bytes: &[u8]) -> bool {
        let mut rest = Expected(bytes);
        self.write_to(&mut rest).is_ok() && rest.0.is_empty()
    }

    fn write_to(&self, out: &mut impl Write) -> Result<(), serde_json::Error> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        out.write_all(b"\n").map_err(serde_json::Error::io)
    }
}

/// Takes only the bytes that it expects.
struct Expected<'a>(&'a [u8]);

impl Write for Expected<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.strip_prefix(bytes).ok_or(io::ErrorKind::InvalidData)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The digest of files.
pub fn digest_of(files: &[File]) -> Digest {
    listing::digest(files.iter().map(|f| (f.path.as_str(), f.mode, f.sha256)))
}

/// The folders with the tree ids that `files`, sorted by path bytes, give them.
///
/// # Errors
/// A SHA-1 collision attack.
pub fn folders_of<'a>(paths: &[String], files: &'a [File]) -> Result<Vec<Folder>, Collision> {
    let below = |folder: &str, path: &'a str| path.strip_prefix(folder)?.strip_prefix('/');
    paths
        .iter()
        .map(|path| {
            let inside =
                files.iter().filter_map(|file| Some((below(path, &file.path)?, (file.mode.into(), file.blob.0))));
            Ok(Folder { path: path.clone(), tree: tree_of(inside)? })
        })
        .collect()
}

/// Whether a folder's path may be owned by a unit: never the root, never hidden.
///
/// # Errors
/// The rule it breaks.
pub fn check_folder(path: &str) -> Result<(), super::path::BadPath> {
    super::path::check(path)?;
    if path.split('/').any(|part| part.starts_with('.')) {
        return Err(super::path::BadPath { path: path.to_owned(), why: "a folder never begins with a dot" });
    }
    if path.eq_ignore_ascii_case(MANIFEST) {
        return Err(super::path::BadPath { path: path.to_owned(), why: "it is the name of the manifest" });
    }
    Ok(())
}

/// A version label: one line of printable characters.
///
/// # Errors
/// The rule it breaks.
pub fn check_version(label: &str) -> Result<(), &'static str> {
    if label.is_empty() || label.chars().count() > 100 {
        return Err("a version label has 1 to 100 characters");
    }
    if label.chars().any(|c| c.is_control() || super::path::is_invisible(c)) {
        return Err("a version label has no control or invisible characters");
    }
    Ok(())
}
