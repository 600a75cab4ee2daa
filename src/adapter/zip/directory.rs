//! The folder that a zip was unpacked into: the same manifest, the same proof, the files beside it.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::domain::artifact::{MANIFEST, Manifest};
use crate::domain::listing::File;
use crate::domain::path::{self, MAX_DEPTH};
use crate::port::{Artifact, ArtifactError, Content};

use super::proof::{self, Sums};
use super::{Limits, io_error, refused};

const CHUNK: usize = 64 << 10;

/// Reads and proves an unpacked zip.
pub(super) fn open(root: &Path, limits: Limits) -> Result<Artifact, ArtifactError> {
    let folder = Unpacked { root: root.to_owned() };
    let bytes = folder.manifest(limits)?;
    let manifest = proof::parse(&bytes)?;
    let len = bytes.len() as u64;
    drop(bytes);
    proof::check_names(manifest.files.par_iter().map(|file| file.path.as_str()))?;
    proof::prove(&manifest, len, limits)?;
    Walk { manifest: &manifest, limits, seen: vec![false; manifest.files.len()], extra: 0 }.all(root)?;

    let differs = manifest.files.par_iter().map_init(
        || vec![0; CHUNK],
        |buffer, file| {
            let mut sums = Sums::new(file.size);
            folder.stream(file, buffer, &mut |piece| sums.update(piece))?;
            sums.check(file)
        },
    );
    match differs.find_map_first(Result::err) {
        Some(error) => Err(error),
        None => Ok(Artifact { manifest, content: Box::new(folder) }),
    }
}

struct Walk<'a> {
    manifest: &'a Manifest,
    limits: Limits,
    seen: Vec<bool>,
    // Folders that no file needs.
    extra: u64,
}

impl Walk<'_> {
    fn all(mut self, root: &Path) -> Result<(), ArtifactError> {
        // Each folder with its path from the root, which is empty or ends with `/`.
        let mut todo = vec![(root.to_owned(), String::new())];
        while let Some((folder, below)) = todo.pop() {
            let failed = |source| io_error(&folder.display().to_string(), source);
            for found in fs::read_dir(&folder).map_err(failed)? {
                let found = found.map_err(failed)?;
                let name = found.file_name();
                let Some(name) = name.to_str() else {
                    return Err(refused(format!("below {below:?} stands {name:?}, a name that is not UTF-8")));
                };
                let path = format!("{below}{name}");
                let kind = found.file_type().map_err(failed)?;
                if kind.is_dir() {
                    let path = path + "/";
                    self.folder(&path)?;
                    todo.push((found.path(), path));
                } else if kind.is_file() {
                    self.file(&path)?;
                } else {
                    return Err(special(&path));
                }
            }
        }
        match self.seen.iter().zip(&self.manifest.files).find(|(seen, _)| !**seen) {
            Some((_, file)) => Err(refused(format!("{MANIFEST} lists {:?}, which is not in the folder", file.path))),
            None => Ok(()),
        }
    }

    fn file(&mut self, path: &str) -> Result<(), ArtifactError> {
        if path == MANIFEST {
            return Ok(());
        }
        let at = self.manifest.files.binary_search_by(|file| file.path.as_str().cmp(path)).ok();
        match at.and_then(|at| self.seen.get_mut(at)) {
            Some(seen) => {
                *seen = true;
                Ok(())
            }
            None => Err(refused(format!("the file {path:?} is not listed in {MANIFEST}"))),
        }
    }

    // Empty folders do no harm, but walking them must end.
    fn folder(&mut self, path: &str) -> Result<(), ArtifactError> {
        let files = &self.manifest.files;
        let next = files.get(files.partition_point(|file| file.path.as_str() < path));
        if next.is_some_and(|file| file.path.starts_with(path)) {
            return Ok(());
        }
        self.extra += 1;
        if self.extra > self.limits.entries {
            return Err(proof::too_many(self.limits));
        }
        if path.matches('/').count() > MAX_DEPTH {
            return Err(refused(format!("the folder {path:?} is deeper than {MAX_DEPTH} components")));
        }
        Ok(())
    }
}

fn special(path: &str) -> ArtifactError {
    refused(format!("{path:?} is a symbolic link or a special file, not a regular file or a folder"))
}

#[cfg(unix)]
fn open_file(path: &Path) -> io::Result<fs::File> {
    fs::File::open(path)
}

// FILE_FLAG_OPEN_REPARSE_POINT: a link is opened itself, and is no regular file then.
#[cfg(windows)]
fn open_file(path: &Path) -> io::Result<fs::File> {
    std::os::windows::fs::OpenOptionsExt::custom_flags(fs::OpenOptions::new().read(true), 0x0020_0000).open(path)
}

#[cfg(unix)]
fn is_same(before: &fs::Metadata, after: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (before.dev(), before.ino()) == (after.dev(), after.ino())
}

// The numbers of files are not to be had here.
#[cfg(windows)]
fn is_same(before: &fs::Metadata, after: &fs::Metadata) -> bool {
    use std::os::windows::fs::MetadataExt as _;
    after.is_file() && before.creation_time() == after.creation_time()
}

struct Unpacked {
    root: PathBuf,
}

impl Unpacked {
    // The root itself may be reached through a link: the caller named it.
    fn open(&self, path: &str) -> Result<(fs::File, fs::Metadata), ArtifactError> {
        let failed = |source| io_error(&self.root.join(path).display().to_string(), source);
        for (at, _) in path.match_indices('/') {
            if !fs::symlink_metadata(self.root.join(&path[..at])).map_err(failed)?.is_dir() {
                return Err(special(&path[..at]));
            }
        }
        let full = self.root.join(path);
        let before = fs::symlink_metadata(&full).map_err(failed)?;
        if !before.is_file() {
            return Err(special(path));
        }
        let file = open_file(&full).map_err(failed)?;
        let after = file.metadata().map_err(failed)?;
        if !is_same(&before, &after) {
            return Err(refused(format!("{path:?} was replaced while it was being read")));
        }
        Ok((file, after))
    }

    fn manifest(&self, limits: Limits) -> Result<Vec<u8>, ArtifactError> {
        let (file, metadata) = match self.open(MANIFEST) {
            Err(ArtifactError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Err(refused(format!(
                    "the folder {:?} holds no {MANIFEST}: it is not an unpacked deployment zip",
                    self.root.display().to_string()
                )));
            }
            opened => opened?,
        };
        proof::check_size(MANIFEST, metadata.len(), limits)?;
        let mut bytes = Vec::new();
        file.take(limits.file.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|source| io_error(&self.root.join(MANIFEST).display().to_string(), source))?;
        Ok(bytes)
    }

    /// Hands the content to `sink`, piece by piece, and stops soon after the size that is expected.
    fn stream(&self, expected: &File, buffer: &mut [u8], sink: &mut dyn FnMut(&[u8])) -> Result<(), ArtifactError> {
        let (file, metadata) = self.open(&expected.path)?;
        if metadata.len() != expected.size {
            return Err(refused(format!("the content of {:?} has another size than {MANIFEST} says", expected.path)));
        }
        let mut file = file.take(expected.size.saturating_add(1));
        loop {
            match file.read(buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => sink(buffer.get(..read).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(io_error(&self.root.join(&expected.path).display().to_string(), source)),
            }
        }
    }
}

impl Content for Unpacked {
    fn read(&self, file: &File) -> Result<Vec<u8>, ArtifactError> {
        // A path from elsewhere must not lead out of the folder.
        path::check(&file.path).map_err(|bad| refused(bad.to_string()))?;
        let mut content = Vec::new();
        self.stream(file, &mut [0; CHUNK], &mut |piece| content.extend_from_slice(piece))?;
        proof::check_again(&content, file)?;
        Ok(content)
    }
}
