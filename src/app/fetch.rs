//! Artifacts by what they are named: a path, or the run that made them.

use std::path::{Path, PathBuf};

use super::{AppError, Context};
use crate::domain::reference::RunArtifact;
use crate::domain::url::RepoUrl;
use crate::port::{Artifact, ArtifactError, Fetched, Role};

/// How an artifact is named.
#[derive(Debug, Clone)]
pub enum Named {
    /// A deployment zip, or the folder it was unpacked into.
    Path(PathBuf),
    /// An artifact of a run of a repository.
    Run(RepoUrl, RunArtifact),
}

/// An artifact that was proven intact.
pub struct Opened {
    /// It.
    pub artifact: Artifact,
    // What was fetched goes when nobody reads it any more.
    _fetched: Option<Box<dyn AsRef<Path> + Send + Sync>>,
}

/// Opens an artifact, wherever it is.
///
/// # Errors
/// It cannot be had, or is refused.
pub fn open(context: &Context<'_>, named: &Named) -> Result<Opened, AppError> {
    match named {
        Named::Path(path) => Ok(Opened { artifact: context.artifacts.open(path)?, _fetched: None }),
        Named::Run(url, wanted) => {
            let forge = context.forges.of(url, Role::Source).ok_or_else(|| {
                AppError::usage(
                    format!("{url} is not known to be on GitHub or Azure DevOps, so it has no runs"),
                    "name its host in PASSGATE_GITHUB_HOSTS or PASSGATE_AZURE_HOSTS, or give the artifact as a path",
                )
            })?;
            context.progress.step("fetching the artifact");
            match forge.artifact(wanted.run, wanted.name.as_deref())? {
                Fetched::Zip(zip) => {
                    let artifact = context.artifacts.open((*zip).as_ref())?;
                    Ok(Opened { artifact, _fetched: Some(zip) })
                }
                Fetched::Refused(why) => Err(ArtifactError::Refused(why).into()),
            }
        }
    }
}
