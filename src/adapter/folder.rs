//! Folders on disk that are no artifacts.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use crate::domain::artifact::MANIFEST;
use crate::domain::path::MAX_DEPTH;
use crate::port::{ArtifactError, Folder, Folders, PortError};

// Most bytes of all files together, as of an artifact.
const MAX_BYTES: u64 = 1 << 30;

/// The disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Folders for Disk {
    fn is_artifact(&self, path: &Path) -> bool {
        !path.is_dir() || path.join(MANIFEST).exists()
    }

    fn read(&self, path: &Path, wanted: &dyn Fn(&str) -> bool) -> Result<Folder, ArtifactError> {
        let mut folder = Folder::default();
        let mut room = MAX_BYTES;
        // Each folder with its path from the root, which is empty or ends with `/`.
        let mut todo = vec![(path.to_owned(), String::new())];
        while let Some((at, below)) = todo.pop() {
            let failed = |source| ArtifactError::Io { path: at.display().to_string(), source };
            for entry in fs::read_dir(&at).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let name = entry.file_name();
                let Some(name) = name.to_str() else { continue };
                let kind = entry.file_type().map_err(failed)?;
                let shown = format!("{below}{name}");
                if kind.is_dir() && name != ".git" && below.matches('/').count() < MAX_DEPTH {
                    todo.push((entry.path(), shown + "/"));
                } else if kind.is_symlink() {
                    folder.links.push(shown);
                } else if kind.is_file() && wanted(&shown) {
                    let failed = |source| ArtifactError::Io { path: entry.path().display().to_string(), source };
                    let mut content = Vec::new();
                    let file = fs::File::open(entry.path()).map_err(failed)?;
                    file.take(room + 1).read_to_end(&mut content).map_err(failed)?;
                    room = room.checked_sub(content.len() as u64).ok_or_else(|| {
                        let most = MAX_BYTES >> 20;
                        ArtifactError::Refused(format!(
                            "the folder {:?} holds more than {most} MiB",
                            path.display().to_string()
                        ))
                    })?;
                    folder.files.insert(shown, content);
                }
            }
        }
        folder.links.sort();
        Ok(folder)
    }

    fn taken(&self, path: &Path, files: &mut dyn Iterator<Item = &str>) -> Vec<String> {
        files.filter(|file| path.join(file).symlink_metadata().is_ok()).map(str::to_owned).collect()
    }

    #[allow(clippy::disallowed_methods, reason = "this is an adapter, and writes what it is asked to")]
    fn write(&self, path: &Path, files: &BTreeMap<String, String>) -> Result<(), PortError> {
        for (file, text) in files {
            let at = path.join(file);
            let failed = |source| PortError::Io { doing: format!("cannot write {}", at.display()), source };
            fs::create_dir_all(at.parent().unwrap_or(path)).map_err(failed)?;
            fs::write(&at, text).map_err(failed)?;
        }
        Ok(())
    }
}
