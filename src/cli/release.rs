//! `passgate release`.

use std::path::PathBuf;

use super::common::{self, Person, Wiring};
use crate::app::AppError;
use crate::app::judge::Leave;
use crate::app::promote::promote;
use crate::app::release::{Request, release};
use crate::domain::id::InvalidId;

/// Arguments of `release`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The deployment zip, or the folder it was unpacked into.
    #[arg(env = "PASSGATE_ARTIFACT", required_unless_present = "from")]
    artifact: Option<PathBuf>,
    /// The environment.
    #[arg(long, env = "PASSGATE_TO", value_name = "URL[#BRANCH]")]
    to: String,
    /// Promote from this previous stage's repository instead of an artifact.
    #[arg(long, env = "PASSGATE_FROM", value_name = "URL[#BRANCH]")]
    from: Option<String>,
    /// The unit to promote.
    #[arg(long, env = "PASSGATE_UNIT", value_name = "NAME")]
    unit: Option<String>,
    /// The content to promote; by default the newest that passes.
    #[arg(long, env = "PASSGATE_DIGEST", value_name = "DIGEST")]
    digest: Option<String>,
    /// Ask every gate and show what would change; write nothing.
    #[arg(long, env = "PASSGATE_DRY_RUN", value_parser = common::boolish(), num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", hide_possible_values = true)]
    dry_run: bool,
    /// Take over files that differ at the first release, or begin a new chain after a broken record.
    #[arg(long, env = "PASSGATE_ADOPT", value_parser = common::boolish(), num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", hide_possible_values = true)]
    adopt: bool,
    /// Try content again that was marked failed here.
    #[arg(long, env = "PASSGATE_RETRY", value_parser = common::boolish(), num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", hide_possible_values = true)]
    retry: bool,
    /// What to do when something newer is live.
    #[arg(long, env = "PASSGATE_IF_OLDER", value_enum, default_value = "refuse")]
    if_older: IfOlder,
    #[command(flatten)]
    person: Person,
}

/// What to do when something newer is live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum IfOlder {
    /// Exit 3.
    Refuse,
    /// Exit 0.
    Skip,
}

impl Args {
    /// Releases.
    ///
    /// # Errors
    /// As the use case.
    pub fn run(self, wiring: &Wiring) -> Result<u8, AppError> {
        let dry_run = self.dry_run;
        self.go(wiring, dry_run)
    }

    /// Plays the release without writing.
    ///
    /// # Errors
    /// As the use case.
    pub fn plan(self, wiring: &Wiring) -> Result<u8, AppError> {
        self.go(wiring, true)
    }

    fn go(self, wiring: &Wiring, dry_run: bool) -> Result<u8, AppError> {
        let to = common::place(&self.to)?;
        let repositories = wiring.repositories(Some(&to));
        let context = wiring.context(&*repositories);
        let (actor, committer) = self.person.read()?;
        let request = Request {
            to,
            dry_run,
            leave: Leave { adopt: self.adopt, retry: self.retry },
            skip_older: self.if_older == IfOlder::Skip,
            actor,
            committer,
        };
        let wrong = |error: InvalidId| AppError::usage(error.to_string(), "see passgate status");
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let report = match (given(self.from), given(self.unit), self.artifact) {
            (Some(from), Some(unit), None) => {
                let digest = given(self.digest).map(|digest| digest.parse()).transpose().map_err(wrong)?;
                let unit = unit.parse().map_err(wrong)?;
                promote(&context, &common::place(&from)?, &unit, digest, &request)?
            }
            (None, _, Some(path)) => {
                let artifact = context.artifacts.open(&path)?;
                release(&context, &artifact, &request)?
            }
            _ => {
                return Err(AppError::usage("give either an ARTIFACT, or --from with --unit", "passgate help release"));
            }
        };
        let code = wiring.report(&report, "");
        Ok(if request.forgives(report.result) { 0 } else { code })
    }
}
