//! `passgate status`.

use super::common::{self, Wiring};
use super::render;
use crate::app::AppError;
use crate::app::status::status;
use crate::domain::outcome::{Outcome, Report};
use crate::host::writer;

/// Arguments of `status`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Environments; every stage before them is shown too.
    #[arg(long, env = "PASSGATE_TO", value_name = "URL[#BRANCH]", required = true, num_args = 1.., value_delimiter = '\n')]
    to: Vec<String>,
}

impl Args {
    /// Shows.
    ///
    /// # Errors
    /// As the use case.
    pub fn run(self, wiring: &Wiring) -> Result<u8, AppError> {
        let places = self.to.iter().map(|text| common::place(text)).collect::<Result<Vec<_>, _>>()?;
        let remotes = wiring.remotes(places.first());
        let stages = status(&wiring.context(&remotes), &places)?;
        let report = Report::new(Outcome::Reported);
        Ok(wiring.document(&report, ("stages", &stages), || render::status(&stages, writer::width())))
    }
}
