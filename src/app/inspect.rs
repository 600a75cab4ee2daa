//! `inspect`: proves an artifact intact.

use super::fetch::{self, Named};
use super::{AppError, Context};
use crate::domain::artifact::Manifest;

/// The manifest of an artifact that was proven intact.
///
/// # Errors
/// It is refused, or cannot be read.
pub fn inspect(context: &Context<'_>, artifact: &Named) -> Result<Manifest, AppError> {
    Ok(fetch::open(context, artifact)?.artifact.manifest)
}
