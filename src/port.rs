//! What the use cases need from outside, on one page. Everything here is synchronous: an adapter that talks HTTP keeps its
//! runtime to itself, and use cases ask side by side with scoped threads.

use std::path::Path;

use crate::domain::artifact::Manifest;
use crate::domain::listing::File;

/// An artifact that was proven intact: a manifest, and the content of its files on demand.
pub struct Artifact {
    /// What it says of itself, proven canonical and equal to its files.
    pub manifest: Manifest,
    /// Where the bytes are read from.
    pub content: Box<dyn Content>,
}

/// The bytes of an artifact's files.
pub trait Content: Send + Sync {
    /// The content of one file; it is checked against the file's SHA-256 again, so that what is written is what was
    /// proven even if somebody changes the artifact in between.
    ///
    /// # Errors
    /// The artifact cannot be read any more, or its bytes changed.
    fn read(&self, file: &File) -> Result<Vec<u8>, ArtifactError>;
}

/// Why an artifact cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// It is not what `package` writes: gate `artifact` refuses it.
    #[error("{0}")]
    Refused(String),
    /// It cannot be read.
    #[error("cannot read {path}")]
    Io {
        /// The file or folder.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// Reads and writes artifacts.
pub trait Artifacts: Send + Sync {
    /// Reads a deployment zip, or the folder it was unpacked into, and proves it intact.
    ///
    /// # Errors
    /// It is refused, or cannot be read.
    fn open(&self, path: &Path) -> Result<Artifact, ArtifactError>;

    /// Writes a deployment zip, atomically: the file appears whole or not at all. `contents` yields the bytes of
    /// `manifest.files` in that order.
    ///
    /// # Errors
    /// `contents` failed, or the file cannot be written.
    fn write(
        &self,
        path: &Path,
        manifest: &Manifest,
        contents: &mut (dyn Iterator<Item = std::io::Result<Vec<u8>>> + Send),
    ) -> Result<(), ArtifactError>;
}
