//! The proof of a manifest: that it is one that `package` writes, and that it agrees with itself.

use std::collections::HashSet;

use rayon::prelude::*;
use sha2::{Digest as _, Sha256 as Sha256Hasher};

use crate::domain::artifact::{self, FORMAT, Folder, MANIFEST, Manifest};
use crate::domain::id::{BlobId, Sha256};
use crate::domain::listing::{self, File};
use crate::domain::object::{Kind, ObjectHasher};
use crate::domain::path;
use crate::port::ArtifactError;

use super::{Limits, refused};

/// Reads `passgate.json`: it must be, byte for byte, what the manifest in it is written as.
pub(super) fn parse(bytes: &[u8]) -> Result<Manifest, ArtifactError> {
    #[derive(serde::Deserialize)]
    struct Peek {
        format: String,
    }
    let manifest: Manifest = serde_json::from_slice(bytes).map_err(|error| {
        // A manifest of a later format has other fields; its format is the better thing to name.
        match serde_json::from_slice::<Peek>(bytes) {
            Ok(peek) if peek.format != FORMAT => other_format(&peek.format),
            _ => refused(format!("{MANIFEST} is not a manifest: {:?}", short(&error.to_string()))),
        }
    })?;
    if manifest.format != FORMAT {
        return Err(other_format(&manifest.format));
    }
    if !manifest.is_written_as(bytes) {
        return Err(refused(format!("{MANIFEST} is not written in the canonical form")));
    }
    Ok(manifest)
}

fn other_format(format: &str) -> ArtifactError {
    refused(format!("{MANIFEST} has the format {:?}, not {FORMAT:?}", short(format)))
}

fn short(text: &str) -> String {
    text.chars().take(200).collect()
}

/// Checks each path by itself.
pub(super) fn check_names<'a>(names: impl IndexedParallelIterator<Item = &'a str>) -> Result<(), ArtifactError> {
    match names.find_map_first(|name| path::check(name).err()) {
        Some(bad) => Err(refused(bad.to_string())),
        None => Ok(()),
    }
}

/// Proves that a manifest of `len` bytes, whose paths were checked, agrees with itself.
pub(super) fn prove(manifest: &Manifest, len: u64, limits: Limits) -> Result<(), ArtifactError> {
    check_limits(manifest, len, limits)?;
    if let Some(label) = &manifest.version {
        artifact::check_version(label)
            .map_err(|why| refused(format!("{MANIFEST} has the version {:?}: {why}", short(label))))?;
    }
    check_time(&manifest.source.committed)?;
    check_order(&manifest.files)?;
    check_folders(&manifest.folders)?;
    let (trees, collisions) = rayon::join(|| check_trees(manifest), || check_collisions(manifest));
    trees.and(collisions)?;
    if artifact::digest_of(&manifest.files) != manifest.digest {
        return Err(refused(format!("{MANIFEST} has another digest than its files give")));
    }
    Ok(())
}

fn check_limits(manifest: &Manifest, len: u64, limits: Limits) -> Result<(), ArtifactError> {
    check_size(MANIFEST, len, limits)?;
    if manifest.files.len() as u64 >= limits.entries || manifest.folders.len() as u64 > limits.entries {
        return Err(too_many(limits));
    }
    let mut total = len;
    for file in &manifest.files {
        check_size(&file.path, file.size, limits)?;
        total = total.saturating_add(file.size);
    }
    check_total(total, limits)
}

pub(super) fn check_size(name: &str, size: u64, limits: Limits) -> Result<(), ArtifactError> {
    if size > limits.file {
        return Err(refused(format!(
            "the file {name:?} has {size} bytes, more than the {} that one file may have",
            limits.file
        )));
    }
    Ok(())
}

pub(super) fn check_total(total: u64, limits: Limits) -> Result<(), ArtifactError> {
    if total > limits.total {
        return Err(refused(format!(
            "the files have more than the {} bytes that all of them together may have",
            limits.total
        )));
    }
    Ok(())
}

pub(super) fn too_many(limits: Limits) -> ArtifactError {
    refused(format!("there are more than the {} entries that an artifact may have", limits.entries))
}

fn check_time(text: &str) -> Result<(), ArtifactError> {
    let canonical = text.len() == "1980-01-01T00:00:00Z".len()
        && text.parse::<jiff::Timestamp>().is_ok_and(|time| time.to_string() == text);
    if !canonical {
        return Err(refused(format!(
            "{MANIFEST} has the commit time {:?}, which is not RFC 3339 in UTC with whole seconds",
            short(text)
        )));
    }
    Ok(())
}

fn check_order(files: &[File]) -> Result<(), ArtifactError> {
    for pair in files.windows(2) {
        if let [one, two] = pair
            && one.path >= two.path
        {
            return Err(refused(format!("{MANIFEST} lists {:?} out of order or twice", two.path)));
        }
    }
    for file in files {
        if listing::has_git_file(&file.path) {
            return Err(refused(format!("the path {:?} is refused: git files never travel", file.path)));
        }
        if file.path == MANIFEST {
            return Err(refused(format!("{MANIFEST} lists itself")));
        }
    }
    Ok(())
}

fn check_folders(folders: &[Folder]) -> Result<(), ArtifactError> {
    if folders.is_empty() {
        return Err(refused(format!("{MANIFEST} names no folder")));
    }
    for folder in folders {
        artifact::check_folder(&folder.path).map_err(|bad| refused(format!("a folder of {MANIFEST}: {bad}")))?;
    }
    for pair in folders.windows(2) {
        if let [one, two] = pair
            && one.path >= two.path
        {
            return Err(refused(format!("{MANIFEST} names the folder {:?} out of order or twice", two.path)));
        }
    }
    let all: HashSet<&str> = folders.iter().map(|folder| folder.path.as_str()).collect();
    for folder in folders {
        if let Some((at, _)) = folder.path.match_indices('/').find(|(at, _)| all.contains(&folder.path[..*at])) {
            return Err(refused(format!(
                "{MANIFEST} names the folder {:?}, which lies in its folder {:?}",
                folder.path,
                &folder.path[..at]
            )));
        }
    }
    Ok(())
}

// An empty folder stands among the files as if it were one, so that its name cannot collide either.
fn check_collisions(manifest: &Manifest) -> Result<(), ArtifactError> {
    let empty = manifest.folders.iter().filter(|folder| folder.tree.is_none()).map(|folder| folder.path.as_str());
    let files = manifest.files.iter().map(|file| file.path.as_str());
    path::check_collisions([MANIFEST].into_iter().chain(files).chain(empty)).map_err(|bad| refused(bad.to_string()))
}

// Files and folders are sorted and no folder lies in another, so each folder's files are one run of the listing.
fn check_trees(manifest: &Manifest) -> Result<(), ArtifactError> {
    let runs: Vec<(&Folder, &[File])> =
        manifest.folders.iter().map(|folder| (folder, run_of(&manifest.files, &folder.path))).collect();
    if runs.iter().map(|(_, files)| files.len()).sum::<usize>() != manifest.files.len() {
        let all: HashSet<&str> = manifest.folders.iter().map(|folder| folder.path.as_str()).collect();
        let outside = manifest
            .files
            .iter()
            .find(|file| !file.path.match_indices('/').any(|(at, _)| all.contains(&file.path[..at])));
        let name = outside.map(|file| file.path.as_str()).unwrap_or_default();
        return Err(refused(format!("the file {name:?} lies in none of the unit's folders")));
    }
    runs.par_iter().map(|(folder, files)| check_tree(folder, files)).collect()
}

fn check_tree(folder: &Folder, files: &[File]) -> Result<(), ArtifactError> {
    let name = &folder.path;
    match (folder.tree.is_some(), files.is_empty()) {
        (true, true) => return Err(refused(format!("the folder {name:?} has a tree but no files"))),
        (false, false) => return Err(refused(format!("the folder {name:?} is declared empty but has files"))),
        _ => {}
    }
    let built = artifact::folders_of(std::slice::from_ref(name), files)
        .map_err(|collision| refused(format!("the folder {name:?}: {collision}")))?;
    if built.first() != Some(folder) {
        return Err(refused(format!("the folder {name:?} has another tree than its files give")));
    }
    Ok(())
}

fn run_of<'a>(files: &'a [File], folder: &str) -> &'a [File] {
    let below = format!("{folder}/");
    let from = files.partition_point(|file| file.path < below);
    let rest = files.get(from..).unwrap_or_default();
    rest.get(..rest.partition_point(|file| file.path.starts_with(&below))).unwrap_or_default()
}

/// The sums over one file's content, taken piece by piece.
pub(super) struct Sums {
    sha256: Sha256Hasher,
    blob: ObjectHasher,
    size: u64,
}

impl Sums {
    /// Begins a file that is said to have `size` bytes.
    pub(super) fn new(size: u64) -> Self {
        Self { sha256: Sha256Hasher::new(), blob: ObjectHasher::new(Kind::Blob, size), size: 0 }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.blob.update(bytes);
        self.size += bytes.len() as u64;
    }

    /// Compares the sums with those of the manifest.
    pub(super) fn check(self, file: &File) -> Result<(), ArtifactError> {
        let differs = |what: &str| {
            Err(refused(format!("the content of {:?} has another {what} than {MANIFEST} says", file.path)))
        };
        if self.size != file.size {
            return differs("size");
        }
        if Sha256(self.sha256.finalize().into()) != file.sha256 {
            return differs("SHA-256");
        }
        match self.blob.finish() {
            Err(collision) => Err(refused(format!("the file {:?} is refused: {collision}", file.path))),
            Ok(id) if BlobId(id) != file.blob => differs("git blob id"),
            Ok(_) => Ok(()),
        }
    }
}

/// Checks content that was read again after it was proven.
pub(super) fn check_again(content: &[u8], file: &File) -> Result<(), ArtifactError> {
    if content.len() as u64 != file.size || Sha256(Sha256Hasher::digest(content).into()) != file.sha256 {
        return Err(refused(format!("the content of {:?} changed after it was proven", file.path)));
    }
    Ok(())
}
