//! `passgate mark`.

use super::common::{self, Person, Telling, Wiring};
use crate::app::AppError;
use crate::app::mark::{Checked, Request, mark};
use crate::domain::id::InvalidId;
use crate::domain::record::State;

/// Arguments of `mark`.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("checked").required(true).multiple(true)))]
pub struct Args {
    /// What the checks said.
    #[arg(value_enum, env = "PASSGATE_STATE")]
    state: Said,
    /// The environment.
    #[arg(long, env = "PASSGATE_TO", value_name = "URL[#BRANCH]")]
    to: String,
    /// The unit.
    #[arg(long, env = "PASSGATE_UNIT", value_name = "NAME")]
    unit: String,
    /// The content that was checked.
    #[arg(long, env = "PASSGATE_DIGEST", value_name = "DIGEST", group = "checked")]
    digest: Option<String>,
    /// The commit that was checked: a source commit, a release commit, or (source: self) a commit of this branch.
    #[arg(long, env = "PASSGATE_COMMIT", value_name = "SHA", group = "checked")]
    commit: Option<String>,
    /// What you have to say.
    #[arg(long, env = "PASSGATE_NOTE", value_name = "TEXT")]
    note: Option<String>,
    /// Statuses of the content that must be green before it is marked, by pattern; none may be red.
    #[arg(long, env = "PASSGATE_WAIT_FOR", value_name = "STATUS", value_delimiter = ',')]
    wait_for: Vec<String>,
    /// How long to wait at most.
    #[arg(long, env = "PASSGATE_TIMEOUT", value_name = "DURATION", default_value = "15m")]
    timeout: String,
    #[command(flatten)]
    telling: Telling,
    #[command(flatten)]
    person: Person,
}

/// What the checks said.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Said {
    /// They passed.
    Passed,
    /// They failed.
    Failed,
}

impl Args {
    /// Marks.
    ///
    /// # Errors
    /// As the use case.
    pub fn run(self, wiring: &Wiring) -> Result<u8, AppError> {
        let wrong = |error: InvalidId| AppError::usage(error.to_string(), "see passgate status");
        let to = common::place(&self.to)?;
        let remotes = wiring.remotes(Some(&to));
        let (actor, committer) = self.person.read()?;
        let telling = self.telling.read(None)?;
        let checked = match (self.digest.filter(|d| !d.is_empty()), self.commit.filter(|c| !c.is_empty())) {
            (Some(digest), None) => Checked::Digest(digest.parse().map_err(wrong)?),
            (None, Some(commit)) => Checked::Commit(commit),
            _ => return Err(AppError::usage("say what was checked: --digest or --commit", "see passgate status")),
        };
        let statuses: Vec<&str> = self.wait_for.iter().map(String::as_str).filter(|word| !word.is_empty()).collect();
        let wait = common::wait(&statuses, &self.timeout)?;
        if wait.is_some() && matches!(self.state, Said::Failed) {
            return Err(AppError::usage(
                "green statuses are waited for before `mark passed` only",
                "leave --wait-for out",
            ));
        }
        let request = Request {
            to,
            unit: self.unit.parse().map_err(wrong)?,
            state: match self.state {
                Said::Passed => State::Passed,
                Said::Failed => State::Failed,
            },
            checked,
            note: self.note.filter(|note| !note.is_empty()),
            wait,
            actor,
            committer,
        };
        let context = wiring.context(&remotes);
        let mut report = mark(&context, &request)?;
        wiring.tell(&context, &request.to, telling.as_ref(), &mut report);
        Ok(wiring.report(&report, ""))
    }
}
