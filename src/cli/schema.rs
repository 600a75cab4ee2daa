//! `passgate schema`.

use crate::app::AppError;
use crate::domain::policy;
use crate::host::writer;

/// Arguments of `schema`.
#[derive(Debug, clap::Args)]
pub struct Args {}

impl Args {
    /// Prints the schema.
    ///
    /// # Errors
    /// Never.
    pub fn run(self) -> Result<u8, AppError> {
        writer::result(&format!("{:#}\n", policy::schema()));
        Ok(0)
    }
}
