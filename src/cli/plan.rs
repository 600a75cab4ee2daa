//! `passgate plan`.

use super::common::Wiring;
use super::release;
use crate::app::AppError;

/// Arguments of `plan`: those of `release`, which it plays without writing.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub struct Args {
    #[command(flatten)]
    release: release::Args,
}

impl Args {
    /// Asks and shows.
    ///
    /// # Errors
    /// As `release`.
    pub fn run(self, wiring: &Wiring) -> Result<u8, AppError> {
        self.release.plan(wiring)
    }
}
