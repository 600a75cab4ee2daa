//! Gate `branch`: the commit is on the first-parent chain of an allowed branch of the source repository.

use super::{Answer, few};
use crate::domain::id::{BranchName, CommitId};

/// What the gate looks at.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The commit.
    pub commit: CommitId,
    /// The patterns of allowed branches, as stage.yaml has them.
    pub allowed: Vec<String>,
    /// Branches there that match.
    pub matching: Vec<BranchName>,
    /// The branches on whose first-parent chain the commit is; the first is the one that is recorded.
    pub proven: Vec<BranchName>,
    /// The commit is an ancestor of such a branch, but only by way of a merge.
    pub merged: Option<BranchName>,
    /// Branches that are not allowed and have the commit as their tip.
    pub elsewhere: Vec<BranchName>,
    /// The repository's history is cut off.
    pub shallow: bool,
}

/// The rule.
pub fn ask(facts: &Facts) -> Answer {
    let commit = facts.commit.short();
    let allowed = facts.allowed.join(", ");
    if let Some(branch) = facts.proven.first() {
        return Answer::passed(format!("{commit} is on {branch}"));
    }
    if facts.shallow {
        return Answer::undecided(
            format!("the source repository's history is cut off before {commit} shows up on {allowed}"),
            "give the source repository its whole history (git fetch --unshallow)",
        );
    }
    if facts.matching.is_empty() {
        return Answer::refused(
            format!("the source repository has no branch that is allowed here ({allowed})"),
            "push the branch, or change `branches` in stage.yaml",
        );
    }
    if let Some(branch) = &facts.merged {
        return Answer::refused(
            format!("{commit} came to {branch} inside a merge: it never was the state of {branch} itself"),
            format!("package the merge commit on {branch}"),
        );
    }
    let seen: Vec<String> = facts.elsewhere.iter().map(ToString::to_string).collect();
    let seen = if seen.is_empty() { String::new() } else { format!(" (it is the tip of {})", few(&seen)) };
    Answer::refused(
        format!("{commit} is not on any branch that is allowed here ({allowed}){seen}"),
        "merge it into an allowed branch and package the commit there (the merge commit that a pull-request build makes is on no branch)",
    )
}
