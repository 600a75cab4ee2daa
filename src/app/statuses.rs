//! What a forge has to say of commits that carry some content, asked once or waited for.

use std::time::Duration;

use super::judge::Target;
use super::{AppError, Context, evidence};
use crate::domain::gate::Answer;
use crate::domain::gate::statuses::{Facts, Seen, Unasked, ask};
use crate::domain::id::{CommitId, StageName};
use crate::domain::listing::has_git_file;
use crate::domain::outcome::Verdict;
use crate::domain::policy::{After, StatusPattern};
use crate::domain::url::RepoUrl;
use crate::port::{Forge, PortError, Role};

// Commits that are asked for, newest first and the landing at the end: a busy branch must not use up a rate limit.
const MOST: usize = 20;
const PAUSE: Duration = Duration::from_millis(100);
/// Seconds between two looks, at first.
pub const SOON: u64 = 2;
const LATER: u64 = 15;

/// Statuses that are waited for, and for how long.
#[derive(Debug, Clone)]
pub struct Wait {
    /// Each must match a status, and all that match must be green.
    pub wanted: Vec<StatusPattern>,
    /// For how long at most.
    pub patience: Duration,
}

/// The facts of a stage in which nothing carries the content.
pub fn none(after: &After) -> Facts {
    Facts { stage: after.stage.clone(), wanted: after.statuses.clone(), seen: Ok(Seen::default()) }
}

/// Asks for the statuses of commits, newest first. What cannot be asked is a fact too.
pub fn look(
    context: &Context<'_>,
    stage: &StageName,
    at: (&RepoUrl, Role),
    wanted: &[StatusPattern],
    carriers: &[CommitId],
) -> Facts {
    let seen = if wanted.is_empty() || carriers.is_empty() {
        Ok(Seen::default())
    } else {
        match context.forges.of(at.0, at.1) {
            Some(forge) => gather(&*forge, wanted, carriers).map_err(|error| unasked(stage, error)),
            None => Err(Unasked {
                why: format!("{stage} is on plain git ({}), which has no commit statuses", at.0),
                remedy:
                    "name its host in PASSGATE_GITHUB_HOSTS or PASSGATE_AZURE_HOSTS if it is a forge; else leave `statuses` out, and let the \
                         job that runs the checks say: passgate mark"
                        .to_owned(),
                lasting: true,
            }),
        }
    };
    Facts { stage: stage.clone(), wanted: wanted.to_vec(), seen }
}

fn unasked(stage: &StageName, error: PortError) -> Unasked {
    let hint = if let PortError::Forge { hint, .. } = &error { hint.clone() } else { None };
    Unasked {
        why: format!("the statuses of {stage} could not be asked for: {}", evidence::told(&error.into())),
        lasting: hint.is_some(),
        remedy: hint.unwrap_or_else(|| "run it again when the forge answers".to_owned()),
    }
}

fn gather(forge: &dyn Forge, wanted: &[StatusPattern], carriers: &[CommitId]) -> Result<Seen, PortError> {
    let mut seen = Seen { carriers: carriers.len(), ..Seen::default() };
    let Some((landing, later)) = carriers.split_last() else { return Ok(seen) };
    for commit in later.iter().take(MOST - 1) {
        seen.take(*commit, forge.statuses(*commit)?);
        if seen.is_enough(wanted) {
            break;
        }
    }
    // What was said at the landing counts where nothing newer was said, whatever else was found.
    seen.take(*landing, forge.statuses(*landing)?);
    Ok(seen)
}

/// Whether statuses can be waited for in a place at all.
///
/// # Errors
/// It is on plain git.
pub fn can_wait(context: &Context<'_>, url: &RepoUrl, wait: &Wait) -> Result<(), AppError> {
    let named: Vec<String> = wait.wanted.iter().map(ToString::to_string).collect();
    match context.forges.of(&context.repositories.canonical(url), Role::Target) {
        Some(_) => Ok(()),
        None => Err(AppError::usage(
            format!("plain git has no commit statuses, so {} cannot be waited for", named.join(", ")),
            "wait for `hold` or `landed`; let the job that runs the checks say: passgate mark; name the host in \
             PASSGATE_GITHUB_HOSTS or PASSGATE_AZURE_HOSTS if it is a forge",
        )),
    }
}

/// Waits until what watches an environment has spoken of what is live there. `look` looks at it anew, and refuses what is
/// not worth waiting for; with a commit, what the tip holds is followed back to it, else to the landing of what is live.
///
/// # Errors
/// The environment cannot be asked, or the user asked to stop.
pub fn wait(
    context: &Context<'_>,
    wait: &Wait,
    look_again: &dyn Fn() -> Result<(Target, Option<CommitId>), AppError>,
) -> Result<(Target, Answer), AppError> {
    let until = context.clock.now().saturating_add_unsigned(wait.patience.as_secs());
    let mut pause = SOON;
    loop {
        let (target, since) = look_again()?;
        let carriers = carriers(&target, since)?;
        let at = (&target.site.url, Role::Target);
        let facts = look(context, &target.policy.stage, at, &wait.wanted, &carriers);
        let answer = ask(&facts);
        let is_lasting = facts.seen.as_ref().is_err_and(|unasked| unasked.lasting);
        let left = until - context.clock.now();
        if answer.verdict != Verdict::Undecided || is_lasting || left <= 0 {
            return Ok((target, answer));
        }
        context.progress.step(&format!("waiting: {}", answer.detail));
        rest(context, pause.min(u64::try_from(left).unwrap_or(1)))?;
        pause = longer(pause);
    }
}

/// Does nothing for so many seconds.
///
/// # Errors
/// The user asked to stop.
pub fn rest(context: &Context<'_>, seconds: u64) -> Result<(), PortError> {
    for _ in 0..seconds * 10 {
        if context.repositories.interrupted() {
            return Err(PortError::Interrupted);
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// The seconds between two looks after those before.
pub fn longer(pause: u64) -> u64 {
    (pause * 2).min(LATER)
}

// The commits of an environment that carry what is live there, newest first.
fn carriers(target: &Target, since: Option<CommitId>) -> Result<Vec<CommitId>, AppError> {
    let kept = target.record().map(|record| record.kept.as_slice()).unwrap_or_default();
    let aside = |path: &str| has_git_file(path) || target.is_local(path) || kept.iter().any(|kept| kept == path);
    let Some(landing) = since.or_else(|| target.landing()) else { return Ok(Vec::new()) };
    let content = if since.is_some() { Some(&target.there) } else { target.written.as_ref() };
    let Some(content) = content else { return Ok(Vec::new()) };
    Ok(evidence::since(&target.site, landing, None, content, &target.folders, &aside)?.carriers())
}
