//! `images`: what a folder or an artifact deploys.

use std::path::Path;

use super::{AppError, Context};
use crate::domain::image::{self, Images};
use crate::domain::outcome::{Outcome, Report};
use crate::port::{Folder, Folders};

/// Finds the images of a deployment zip, of the folder that it was unpacked into, or of any other folder.
///
/// # Errors
/// It cannot be read, or is an artifact that is not intact.
pub fn images(context: &Context<'_>, folders: &dyn Folders, path: &Path) -> Result<(Report, Images), AppError> {
    let mut report = Report::new(Outcome::Reported);
    report.path = Some(path.display().to_string());
    let folder = if folders.is_artifact(path) {
        let artifact = context.artifacts.open(path)?;
        report.digest = Some(artifact.manifest.digest);
        report.unit = Some(artifact.manifest.unit.clone());
        let mut folder = Folder::default();
        for file in artifact.manifest.files.iter().filter(|file| image::is_read(&file.path)) {
            folder.files.insert(file.path.clone(), artifact.content.read(file)?);
        }
        folder
    } else {
        folders.read(path, &image::is_read)?
    };
    let images = image::find(&folder.files);
    let links = folder.links.iter().map(|link| format!("{link}: a symbolic link, which is not followed"));
    report.warnings = links.chain(images.warnings.iter().cloned()).collect();
    Ok((report, images))
}
