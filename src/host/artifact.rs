//! The artifact of this run, where none was named: the only one that lies where the host's download step puts it.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::detect::Host;
use super::environment::variable;
use crate::domain::artifact::{FORMAT, MANIFEST};

// `alias/drop/shop.zip`, and the folder of a pipeline above it.
const DEEPEST: usize = 3;
// A workspace may hold whole repositories; who has more must name the artifact.
const MOST: usize = 20_000;

/// The folder that artifacts are looked for in.
pub fn folder(host: Host) -> Option<PathBuf> {
    let name = match host {
        Host::GitHub => "GITHUB_WORKSPACE",
        Host::Azure => "PIPELINE_WORKSPACE",
        Host::AzureRelease => "SYSTEM_DEFAULTWORKINGDIRECTORY",
        Host::Terminal => return None,
    };
    variable(name).map(PathBuf::from)
}

/// Every artifact in a folder and a few levels below it: zips that begin with a manifest, and folders that hold one.
/// Nothing is followed or believed here; what is released is proven first.
pub fn find(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut left) = (Vec::new(), MOST);
    look(folder, 0, &mut left, &mut found);
    found.sort();
    found
}

fn look(folder: &Path, depth: usize, left: &mut usize, found: &mut Vec<PathBuf>) {
    if is_manifest(&folder.join(MANIFEST)) {
        found.push(folder.to_owned());
    }
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if *left == 0 {
            return;
        }
        *left -= 1;
        let name = entry.file_name();
        // Not of links either: `file_type` does not follow them.
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() && depth < DEEPEST && !name.to_string_lossy().starts_with('.') {
            look(&entry.path(), depth + 1, left, found);
        } else if kind.is_file()
            && name.to_string_lossy().to_ascii_lowercase().ends_with(".zip")
            && is_zip(&entry.path())
        {
            found.push(entry.path());
        }
    }
}

fn begin(file: &Path, bytes: u64) -> Vec<u8> {
    let mut head = Vec::new();
    let read = File::open(file).and_then(|file| file.take(bytes).read_to_end(&mut head));
    if read.is_ok() { head } else { Vec::new() }
}

// A local header is 30 bytes, then the name; the manifest comes first.
fn is_zip(file: &Path) -> bool {
    let head = begin(file, 64);
    head.starts_with(b"PK\x03\x04") && head.get(30..).is_some_and(|name| name.starts_with(MANIFEST.as_bytes()))
}

fn is_manifest(file: &Path) -> bool {
    fs::symlink_metadata(file).is_ok_and(|found| found.is_file())
        && String::from_utf8_lossy(&begin(file, 256)).contains(FORMAT)
}
