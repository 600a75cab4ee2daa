//! Gate `previous`: this content was in the stage before, and its checks there said what is required.

use super::Answer;
use crate::domain::chain::Break;
use crate::domain::escape::shell;
use crate::domain::id::{BranchName, CommitId, StageName, UnitName};
use crate::domain::record::State;
use crate::domain::url::RepoUrl;

/// What the record at the tip of the previous stage's branch is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// There is none.
    Absent,
    /// It is for another place.
    Foreign(String),
    /// It is sound.
    Sound,
}

/// What the gate looks at, for one stage in `after`.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The stage.
    pub stage: StageName,
    /// Its repository.
    pub repository: RepoUrl,
    /// Its branch.
    pub branch: BranchName,
    /// Whether the branch exists.
    pub branch_exists: bool,
    /// The unit.
    pub unit: UnitName,
    /// The digest, for commands to copy.
    pub digest: String,
    /// `require: passed`; else a release is enough.
    pub require_passed: bool,
    /// `accept-overrides`.
    pub accept_overrides: bool,
    /// The record.
    pub standing: Standing,
    /// A break of the chain of records between the tip and the evidence.
    pub broken: Option<Break>,
    /// The history there is cut off before the evidence.
    pub cut_off: bool,
    /// The tip that our last release saw is not an ancestor of the tip now.
    pub rewritten: Option<CommitId>,
    /// The last mark on the content there.
    pub mark: Option<State>,
    /// Whether the content was released there at all.
    pub released: bool,
    /// The commit at which it landed; None: it is not on the first-parent chain.
    pub landing: Option<CommitId>,
    /// The folders at that commit are not this content.
    pub other_content: bool,
    /// It came in by a break-glass.
    pub overridden: bool,
}

/// The rule.
pub fn ask(facts: &Facts) -> Answer {
    let stage = &facts.stage;
    let env = shell(&format!("{}#{}", facts.repository, facts.branch));
    let release = format!("release it to {stage} first: passgate release ARTIFACT --to {env}");
    let adopt = format!("look at that commit; then, in {stage}: passgate release ARTIFACT --to {env} --adopt");
    if !facts.branch_exists {
        return Answer::refused(
            format!("{stage} has no branch {} in {}", facts.branch, facts.repository),
            "correct `after` in stage.yaml",
        );
    }
    if let Some(tip) = facts.rewritten {
        return Answer::refused(
            format!(
                "the history of {stage} was rewritten: the commit {} that our last release saw is gone",
                tip.short()
            ),
            format!(
                "bring that commit back into {} of {}, by a reset or by a merge that contains it",
                facts.branch, facts.repository
            ),
        );
    }
    if let Some(broken) = &facts.broken {
        return Answer::refused(
            format!("the chain of records of {stage} is broken at {}: {}", broken.commit.short(), broken.how),
            adopt,
        );
    }
    match &facts.standing {
        Standing::Foreign(what) => {
            return Answer::refused(
                format!("the record in {stage} is no evidence: it is not the record of this place: it is for {what}"),
                adopt,
            );
        }
        Standing::Absent => {
            return Answer::refused(format!("the unit {} was never released to {stage}", facts.unit), release);
        }
        Standing::Sound => {}
    }
    if !facts.released {
        return Answer::refused(format!("this content was never released to {stage}"), release);
    }
    if facts.mark == Some(State::Failed) {
        return Answer::refused(
            format!("this content failed in {stage}"),
            format!(
                "fix it and begin with the first stage again; if the mark is wrong: passgate mark passed --to {env} --unit {} --digest {}",
                facts.unit, facts.digest
            ),
        );
    }
    let Some(landing) = facts.landing else {
        let why =
            format!("the release of this content is not on the first-parent chain of {} of {stage}", facts.branch);
        return if facts.cut_off {
            Answer::undecided(
                format!("{why} as far as its cut-off history goes"),
                "give the repository its whole history",
            )
        } else {
            Answer::refused(why, release)
        };
    };
    if facts.other_content {
        return Answer::refused(
            format!("the record in {stage} names this content, but the folders at {} are not it", landing.short()),
            release,
        );
    }
    if facts.overridden && !facts.accept_overrides {
        return Answer::refused(
            format!("this content entered {stage} by an override, and that is not accepted here"),
            format!("release a change of it to {stage} through its gates, or set `accept-overrides` in stage.yaml"),
        );
    }
    if facts.require_passed && facts.mark != Some(State::Passed) {
        return Answer::refused(
            format!("this content is in {stage}, but its checks have not passed there yet"),
            format!("when they have: passgate mark passed --to {env} --unit {} --digest {}", facts.unit, facts.digest),
        );
    }
    let what = if facts.require_passed { "passed" } else { "was released to" };
    Answer::passed(format!("{what} {stage} ({})", landing.short()))
}
