//! Deployment zips: written in one canonical form, and read by a parser that accepts nothing else.

mod directory;
mod layout;
mod proof;
mod read;
mod write;

#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::Path;

use crate::domain::artifact::Manifest;
use crate::domain::listing::File;
use crate::port::{Artifact, ArtifactError, Artifacts, Draft};

/// How much an artifact may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of one file, unpacked; the manifest is held to it too.
    pub file: u64,
    /// Most bytes of all entries together, unpacked.
    pub total: u64,
    /// How many times larger than its deflated form an entry may be.
    pub ratio: u64,
    /// Most entries, the manifest included; never more than 65,535.
    pub entries: u64,
}

impl Default for Limits {
    /// 64 MiB a file, 1 GiB in all, ratio 200, 65,535 entries.
    fn default() -> Self {
        Self { file: 64 << 20, total: 1 << 30, ratio: 200, entries: layout::MAX_ENTRIES }
    }
}

impl Limits {
    // What goes beyond would need zip64.
    fn clamped(self) -> Self {
        Self { file: self.file.min(u64::from(u32::MAX) - 1), entries: self.entries.min(layout::MAX_ENTRIES), ..self }
    }
}

/// Reads and writes deployment zips, and reads the folders that they were unpacked into.
#[derive(Debug, Clone, Copy, Default)]
pub struct ZipArtifacts {
    /// How much an artifact may hold, for reading and writing alike.
    pub limits: Limits,
}

impl Artifacts for ZipArtifacts {
    fn open(&self, path: &Path) -> Result<Artifact, ArtifactError> {
        let shown = path.display().to_string();
        let failed = |source| io_error(&shown, source);
        // Asked before it is opened: opening a pipe waits for a writer that may never come.
        let kind = fs::metadata(path).map_err(failed)?;
        if kind.is_dir() {
            return directory::open(path, self.limits.clamped());
        }
        if !kind.is_file() {
            return Err(refused(format!("{shown:?} is neither a regular file nor a folder")));
        }
        let file = fs::File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(refused(format!("{shown:?} is neither a regular file nor a folder")));
        }
        read::open(&shown, file, metadata.len(), self.limits.clamped())
    }

    fn write(
        &self,
        path: &Path,
        drafts: Vec<Draft>,
        contents: &mut (dyn Iterator<Item = io::Result<Vec<u8>>> + Send),
        finish: &mut dyn FnMut(Vec<File>) -> Result<Manifest, ArtifactError>,
    ) -> Result<Manifest, ArtifactError> {
        write::write(path, drafts, contents, finish, self.limits.clamped())
    }
}

fn refused(why: impl Into<String>) -> ArtifactError {
    ArtifactError::Refused(why.into())
}

fn io_error(path: &str, source: io::Error) -> ArtifactError {
    ArtifactError::Io { path: path.to_owned(), source }
}
