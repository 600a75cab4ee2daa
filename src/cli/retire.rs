//! `passgate retire`.

use super::common::{self, Person, Telling, Wiring};
use crate::app::AppError;
use crate::app::retire::{Request, retire};
use crate::domain::id::InvalidId;

/// Arguments of `retire`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The environment.
    #[arg(long, env = "PASSGATE_TO", value_name = "URL[#BRANCH]")]
    to: String,
    /// The unit, for which its stage.yaml says `retire: true`.
    #[arg(long, env = "PASSGATE_UNIT", value_name = "NAME")]
    unit: String,
    /// Show what would go; write nothing.
    #[arg(long, env = "PASSGATE_DRY_RUN", value_parser = common::boolish(), num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", hide_possible_values = true)]
    dry_run: bool,
    #[command(flatten)]
    telling: Telling,
    #[command(flatten)]
    person: Person,
}

impl Args {
    /// Retires.
    ///
    /// # Errors
    /// As the use case.
    pub fn run(self, wiring: &Wiring) -> Result<u8, AppError> {
        let wrong = |error: InvalidId| AppError::usage(error.to_string(), "see passgate status");
        let to = common::place(&self.to)?;
        let remotes = wiring.remotes(Some(&to));
        let (actor, committer) = self.person.read()?;
        let telling = self.telling.read(None)?.filter(|_| !self.dry_run);
        let unit = self.unit.parse().map_err(wrong)?;
        let request = Request { to, unit, dry_run: self.dry_run, actor, committer };
        let context = wiring.context(&remotes);
        let mut report = retire(&context, &request)?;
        wiring.tell(&context, &request.to, telling.as_ref(), &mut report);
        Ok(wiring.report(&report, ""))
    }
}
