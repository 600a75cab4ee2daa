//! `inspect`: proves an artifact intact.

use std::path::Path;

use super::{AppError, Context};
use crate::domain::artifact::Manifest;

/// The manifest of an artifact that was proven intact.
///
/// # Errors
/// It is refused, or cannot be read.
pub fn inspect(context: &Context<'_>, artifact: &Path) -> Result<Manifest, AppError> {
    Ok(context.artifacts.open(artifact)?.manifest)
}
