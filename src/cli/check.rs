//! `passgate check`.

use super::common::{self, Wiring};
use super::render;
use crate::app::AppError;
use crate::app::check::{Request, check};
use crate::host::writer;

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The environment.
    #[arg(long, env = "PASSGATE_TO", value_name = "URL[#BRANCH]")]
    to: String,
    /// The candidate in its repository: a branch, a full ref such as refs/pull/12/merge, or a commit id.
    #[arg(long, env = "PASSGATE_HEAD", value_name = "REF")]
    head: String,
}

impl Args {
    /// Checks.
    ///
    /// # Errors
    /// As the use case.
    pub fn run(self, wiring: &Wiring) -> Result<u8, AppError> {
        let to = common::place(&self.to)?;
        let remotes = wiring.remotes(Some(&to));
        let (report, findings) = check(&wiring.context(&remotes), &Request { to, head: self.head })?;
        let code = wiring.document(&report, ("findings", &findings), String::new);
        if !wiring.wants_json() {
            writer::tell(&render::check(&report, &findings, writer::width()));
        }
        Ok(code)
    }
}
