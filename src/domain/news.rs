//! What a source repository is told of its commits: where they are live, and what the checks there said. It is for people:
//! nothing of it is evidence, not even where passgate reads it again.

use super::id::{CommitId, Digest, StageName, UnitName};
use super::outcome::Outcome;
use super::record::{Record, State};
use super::url::RepoUrl;

/// What everything begins with that passgate says on a forge; no gate believes what begins so.
pub const OWN: &str = "passgate";
// GitHub takes no longer descriptions.
const LONGEST: usize = 140;
const LONGEST_LINK: usize = 1000;

/// What becomes of a commit in an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is live, and the checks have not said anything yet.
    Released,
    /// It is live, and the checks passed.
    Passed,
    /// The checks failed, or it was rolled back.
    Failed,
    /// It was live, and the unit was taken out.
    Gone,
}

/// What is said of one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The source commit.
    pub commit: CommitId,
    /// The content that was made of it.
    pub digest: Digest,
    /// Where it landed in the environment.
    pub landing: Option<CommitId>,
    /// What became of it.
    pub standing: Standing,
    /// The page of the run that did this.
    pub run: Option<String>,
}

/// What there is to tell of a unit in an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// The stage.
    pub stage: StageName,
    /// The unit.
    pub unit: UnitName,
    /// The environment, as `URL#branch`.
    pub environment: String,
    /// Where people open it.
    pub page: Option<String>,
    /// The commit that is live; None when none of the source repository is.
    pub live: Option<Said>,
    /// The commit that was live before, where more is to be said of it than that.
    pub left: Option<Said>,
    state: State,
}

impl News {
    /// What the record of an environment makes known to a source repository. `landing` is that of what is live.
    pub fn of(record: &Record, environment: String, source: &RepoUrl, landing: Option<CommitId>) -> Self {
        let is_there = record.source.repository == *source;
        let standing = match record.state {
            State::Released => Some(Standing::Released),
            State::Passed => Some(Standing::Passed),
            State::Failed => Some(Standing::Failed),
            State::Adopted | State::Retired => None,
        };
        let marked = record.marked.as_ref().and_then(|mark| mark.run.clone());
        let released = record.released.run.as_deref().and_then(link);
        let live = standing.filter(|_| is_there).map(|standing| Said {
            commit: record.source.commit,
            digest: record.digest,
            landing,
            standing,
            run: marked.as_deref().and_then(link).or_else(|| released.clone()),
        });
        let left = record.ledger.get(1).filter(|left| left.is_release() && left.digest != record.digest);
        let left = left.and_then(|left| {
            let standing = match (record.state, left.state) {
                (_, State::Failed) => Standing::Failed,
                (State::Retired, _) => Standing::Gone,
                _ => return None,
            };
            let commit = left.commit.filter(|commit| *commit != record.source.commit || live.is_none())?;
            Some(Said { commit, digest: left.digest, landing: left.release_commit, standing, run: released })
        });
        let (stage, unit) = (record.stage.clone(), record.unit.clone());
        Self { stage, unit, environment, page: None, live, left, state: record.state }
    }

    /// What is done, in a word: `passgate:<unit>`.
    pub fn task(&self) -> String {
        format!("{OWN}:{}", self.unit)
    }

    /// What is said of a commit, in one line.
    pub fn line(&self, said: &Said) -> String {
        let (stage, unit, digest) = (&self.stage, &self.unit, said.digest.short());
        let mut line = match said.standing {
            Standing::Released => format!("released to {stage}: {unit} {digest}"),
            Standing::Passed => format!("passed {stage}: {unit} {digest}"),
            Standing::Failed => format!("failed in {stage}: {unit} {digest}"),
            Standing::Gone => format!("taken out of {stage}: {unit} {digest}"),
        };
        // Names and digests are ASCII.
        line.truncate(LONGEST);
        line
    }

    /// The tag of a run that brought this about.
    pub fn tag(&self, result: Outcome) -> String {
        let state = if result == Outcome::RolledBack { "rolled-back" } else { self.state.as_str() };
        format!("{OWN}-{}-{}-{state}", self.stage, self.unit)
    }
}

/// The address of a page, and nothing else that a text may be.
pub fn link(text: &str) -> Option<String> {
    let is_web = text.starts_with("https://") || text.starts_with("http://");
    let is_plain = text.len() <= LONGEST_LINK && text.bytes().all(|b| b.is_ascii_graphic());
    (is_web && is_plain).then(|| text.to_owned())
}
