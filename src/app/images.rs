//! `images`: what a folder or an artifact deploys.

use super::fetch::{self, Named};
use super::{AppError, Context};
use crate::domain::image::{self, Images};
use crate::domain::outcome::{Outcome, Report};
use crate::port::{Folder, Folders};

/// Finds the images of a deployment zip, of the folder that it was unpacked into, of a run's artifact, or of any other folder.
///
/// # Errors
/// It cannot be read, or is an artifact that is not intact.
pub fn images(context: &Context<'_>, folders: &dyn Folders, named: &Named) -> Result<(Report, Images), AppError> {
    let mut report = Report::new(Outcome::Reported);
    let plain = match named {
        Named::Path(path) if !folders.is_artifact(path) => Some(path),
        _ => None,
    };
    let folder = if let Some(path) = plain {
        folders.read(path, &image::is_read)?
    } else {
        let opened = fetch::open(context, named)?;
        let artifact = &opened.artifact;
        report.digest = Some(artifact.manifest.digest);
        report.unit = Some(artifact.manifest.unit.clone());
        let mut folder = Folder::default();
        for file in artifact.manifest.files.iter().filter(|file| image::is_read(&file.path)) {
            folder.files.insert(file.path.clone(), artifact.content.read(file)?);
        }
        folder
    };
    let images = image::find(&folder.files);
    let links = folder.links.iter().map(|link| format!("{link}: a symbolic link, which is not followed"));
    report.warnings = links.chain(images.warnings.iter().cloned()).collect();
    Ok((report, images))
}
