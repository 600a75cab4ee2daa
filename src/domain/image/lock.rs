//! `images.lock`: what a team declares that an opaque chart deploys. It can only add references.

use std::collections::{BTreeMap, BTreeSet};

use super::tree::{base_of, folder_of};
use super::{Class, Confidence, Found, Images, reference, roots};

/// The name of the file, in any folder.
pub(super) const NAME: &str = "images.lock";
/// What is said of what stands in it.
pub(super) const DECLARED: &str = "declared in images.lock";
// Most lines of all files together.
const MOST: usize = 100_000;

/// The references that are declared: one a line, `#` for comments.
pub(super) fn find(files: &BTreeMap<String, Vec<u8>>) -> Images {
    let mut images = Images::default();
    for (path, bytes) in files.iter().filter(|(path, _)| base_of(path) == NAME) {
        let text = String::from_utf8_lossy(bytes);
        let root = roots::shown(folder_of(path));
        let build = images.build(&root);
        for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let is_over = images.found.len() >= MOST;
            let known = reference::listed(line.strip_prefix("oci://").unwrap_or(line));
            let (confidence, note) = match &known {
                _ if is_over => (Confidence::Unreadable, "there are too many declarations"),
                Some(_) => (Confidence::Certain, DECLARED),
                None => (Confidence::Unresolved, "it is not the name of an image"),
            };
            images.found.push(Found {
                root: root.clone(),
                class: Class::Image,
                reference: known.unwrap_or_else(|| line.to_owned()),
                confidence,
                places: vec![format!("{path}:{number}")],
                note: Some(note.to_owned()),
                builds: BTreeSet::from([build]),
                is_ours: false,
            });
            if is_over {
                return images;
            }
        }
    }
    images
}
