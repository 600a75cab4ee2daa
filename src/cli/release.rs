//! `passgate release`.

use std::path::PathBuf;
use std::time::Duration;

use super::common::{self, Person, Telling, Wiring};
use super::error;
use crate::app::fetch::{self, Opened};
use crate::app::judge::Leave;
use crate::app::promote::promote;
use crate::app::release::{Request, release};
use crate::app::statuses::Wait;
use crate::app::{AppError, Place};
use crate::domain::id::{Digest, InvalidId, UnitName};
use crate::domain::outcome::Report;

/// Arguments of `release`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The deployment zip, the folder it was unpacked into, or `run:<id>[/name]` for an artifact of a GitHub run
    /// (`run:owner/repository/<id>[/name]` of another repository), `build:<id>[/name]` of an Azure build
    /// (`build:organization/project/<id>[/name]`); on a pipeline by default the only one there.
    #[arg(env = "PASSGATE_ARTIFACT")]
    artifact: Option<PathBuf>,
    /// The environment; given several times, they are released into side by side, each on its own.
    #[arg(long, env = "PASSGATE_TO", value_name = "URL[#BRANCH]", required = true, value_delimiter = '\n')]
    to: Vec<String>,
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
    /// Break the glass: open the gates that the environment's `override.allow` names. Recorded, and refused by the next
    /// stage unless it accepts overrides.
    #[arg(long = "override", env = "PASSGATE_OVERRIDE", value_name = "REASON")]
    break_glass: Option<String>,
    /// What to wait for: `hold` (a release that holds a shared stage), `landed` (the branch holds the content), or statuses
    /// of the released content, by pattern.
    #[arg(long, env = "PASSGATE_WAIT_FOR", value_name = "hold|landed|STATUS", value_delimiter = ',')]
    wait_for: Vec<String>,
    /// How long to wait at most.
    #[arg(long, env = "PASSGATE_TIMEOUT", value_name = "DURATION", default_value = "15m")]
    timeout: String,
    #[command(flatten)]
    telling: Telling,
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
        let given_to: Vec<&str> = self.to.iter().map(|text| text.trim()).filter(|text| !text.is_empty()).collect();
        if given_to.iter().enumerate().any(|(at, to)| given_to[..at].contains(to)) {
            return Err(AppError::usage("an environment is named twice", "name each --to once"));
        }
        let waits = self.waits()?;
        let break_glass = self.break_glass.as_deref().map(reason).transpose()?;
        let (actor, committer) = self.person.read()?;
        let request = |to: &Place| Request {
            to: to.clone(),
            dry_run,
            leave: Leave { adopt: self.adopt, retry: self.retry, break_glass: break_glass.is_some() },
            break_glass: break_glass.clone(),
            skip_older: self.if_older == IfOlder::Skip,
            patience: waits.hold,
            landing: waits.landing,
            wait: waits.statuses.clone(),
            actor: actor.clone(),
            committer: committer.clone(),
        };
        let wrong = |error: InvalidId| AppError::usage(error.to_string(), "see passgate status");
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let from = given(&self.from);
        let artifact = if from.is_none() || self.artifact.is_some() {
            Some(wiring.artifact(self.artifact.clone())?)
        } else {
            None
        };
        let telling = self.telling.read(artifact.as_ref())?.filter(|_| !dry_run);
        let what = match (from, given(&self.unit), artifact) {
            (Some(from), Some(unit), None) => What::Earlier {
                from: common::place(&from)?,
                unit: unit.parse().map_err(wrong)?,
                digest: given(&self.digest).map(|digest| digest.parse()).transpose().map_err(wrong)?,
            },
            (None, _, Some(named)) => {
                let place = given_to.first().map(|to| common::place(to)).transpose()?;
                let remotes = wiring.remotes(place.as_ref());
                What::Artifact(fetch::open(&wiring.context(&remotes), &named)?)
            }
            _ => {
                return Err(AppError::usage("give either an ARTIFACT, or --from with --unit", "passgate help release"));
            }
        };
        let one = |to: &Place| -> Result<(Report, bool), AppError> {
            let remotes = wiring.remotes(Some(to));
            let (context, request) = (wiring.context(&remotes), request(to));
            let mut report = match &what {
                What::Earlier { from, unit, digest } => promote(&context, from, unit, *digest, &request)?,
                What::Artifact(opened) => release(&context, &opened.artifact, &request)?,
            };
            wiring.tell(&context, to, telling.as_ref(), &mut report);
            let is_forgiven = request.forgives(report.result);
            Ok((report, is_forgiven))
        };
        if let [to] = given_to.as_slice() {
            let (report, is_forgiven) = one(&common::place(to)?)?;
            let code = wiring.report(&report, "");
            return Ok(if is_forgiven { 0 } else { code });
        }
        // Each on its own: what one of them says changes nothing for the others.
        let done: Vec<(Report, bool)> = std::thread::scope(|scope| {
            let runs: Vec<_> =
                given_to.iter().map(|to| scope.spawn(|| common::place(to).and_then(|to| one(&to)))).collect();
            let died = || Err(AppError::Guard("the release died".to_owned()));
            let runs = runs.into_iter().map(|run| run.join().unwrap_or_else(|_| died()));
            runs.map(|run| run.unwrap_or_else(|error| (error::report(&error), false))).collect()
        });
        Ok(wiring.reports(given_to.into_iter().zip(done).collect()))
    }

    fn waits(&self) -> Result<Waits, AppError> {
        let words: Vec<&str> = self.wait_for.iter().map(String::as_str).filter(|word| !word.is_empty()).collect();
        let patience = common::patience(&self.timeout)?;
        let statuses: Vec<&str> = words.iter().filter(|word| !matches!(**word, "hold" | "landed")).copied().collect();
        let waits = |word: &str| words.contains(&word).then_some(patience);
        let statuses = common::wait(&statuses, &self.timeout)?;
        Ok(Waits { hold: waits("hold"), landing: waits("landed"), statuses })
    }
}

// For how long a held stage is waited for, for how long a pull request, and which statuses are.
struct Waits {
    hold: Option<Duration>,
    landing: Option<Duration>,
    statuses: Option<Wait>,
}

// What is released.
enum What {
    Artifact(Opened),
    Earlier { from: Place, unit: UnitName, digest: Option<Digest> },
}

fn reason(text: &str) -> Result<String, AppError> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > 500 {
        let hint = "--override 'INC-4711: the registry of qual is down'";
        return Err(AppError::usage("a reason for --override has 1 to 500 characters", hint));
    }
    Ok(text.to_owned())
}
