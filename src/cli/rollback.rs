//! `passgate rollback`.

use super::common::{self, Person, Telling, Wiring};
use crate::app::AppError;
use crate::app::rollback::{Choice, Request, rollback};
use crate::domain::id::InvalidId;

/// Arguments of `rollback`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The environment.
    #[arg(long, env = "PASSGATE_TO", value_name = "URL[#BRANCH]")]
    to: String,
    /// The unit.
    #[arg(long, env = "PASSGATE_UNIT", value_name = "NAME")]
    unit: String,
    /// How many distinct contents back; 1 unless a digest is given. What failed here is not counted.
    #[arg(long, env = "PASSGATE_STEPS", value_name = "N", conflicts_with = "digest")]
    steps: Option<usize>,
    /// The content to bring back. Unlike with --steps, a re-run changes nothing.
    #[arg(long, env = "PASSGATE_DIGEST", value_name = "DIGEST")]
    digest: Option<String>,
    /// Do not mark as failed what is left.
    #[arg(long, env = "PASSGATE_KEEP_VERDICT", value_parser = common::boolish(), num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", hide_possible_values = true)]
    keep_verdict: bool,
    /// Begin a new chain after a broken record, and overwrite hand-made changes.
    #[arg(long, env = "PASSGATE_ADOPT", value_parser = common::boolish(), num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", hide_possible_values = true)]
    adopt: bool,
    /// Show what would change; write nothing.
    #[arg(long, env = "PASSGATE_DRY_RUN", value_parser = common::boolish(), num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", hide_possible_values = true)]
    dry_run: bool,
    #[command(flatten)]
    telling: Telling,
    #[command(flatten)]
    person: Person,
}

impl Args {
    /// Rolls back.
    ///
    /// # Errors
    /// As the use case.
    pub fn run(self, wiring: &Wiring) -> Result<u8, AppError> {
        let wrong = |error: InvalidId| AppError::usage(error.to_string(), "see passgate status");
        let to = common::place(&self.to)?;
        let remotes = wiring.remotes(Some(&to));
        let (actor, committer) = self.person.read()?;
        let telling = self.telling.read(None)?.filter(|_| !self.dry_run);
        let choice = match (self.digest.filter(|digest| !digest.is_empty()), self.steps) {
            (Some(digest), _) => Choice::Digest(digest.parse().map_err(wrong)?),
            (None, Some(0)) => return Err(AppError::usage("--steps 0 goes nowhere", "--steps 1")),
            (None, steps) => Choice::Steps(steps.unwrap_or(1)),
        };
        let request = Request {
            to,
            unit: self.unit.parse().map_err(wrong)?,
            choice,
            keep_verdict: self.keep_verdict,
            adopt: self.adopt,
            dry_run: self.dry_run,
            actor,
            committer,
        };
        let context = wiring.context(&remotes);
        let mut report = rollback(&context, &request)?;
        wiring.tell(&context, &request.to, telling.as_ref(), &mut report);
        Ok(wiring.report(&report, ""))
    }
}
