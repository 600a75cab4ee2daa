//! Gate `hold`: on a shared stage, a release that waits for its checks is not replaced by another branch.

use super::Answer;
use super::soak::span;
use crate::domain::id::BranchName;

/// A release that holds the stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The branch that it was proven on.
    pub branch: BranchName,
    /// Who released it.
    pub by: Option<String>,
    /// When, seconds since 1970.
    pub since: i64,
}

/// What the gate looks at.
#[derive(Debug, Clone)]
pub struct Facts {
    /// How long a release may hold the stage, in seconds; None: nothing ever holds it.
    pub max: Option<i64>,
    /// The live release, if it is of a branch that holds and waits for its checks.
    pub holder: Option<Holder>,
    /// The branch that the new commit is proven on.
    pub branch: Option<BranchName>,
    /// Now, seconds since 1970.
    pub now: i64,
}

impl Facts {
    /// Seconds until the holder lets go; None when nothing is held.
    pub fn left(&self) -> Option<i64> {
        let (max, holder) = (self.max?, self.holder.as_ref()?);
        // A release from the future holds for as long as any other.
        let left = max - (self.now - holder.since).max(0);
        (left > 0 && self.branch.as_ref() != Some(&holder.branch)).then_some(left)
    }
}

/// The rule.
pub fn ask(facts: &Facts) -> Answer {
    if facts.max.is_none() {
        return Answer::not_asked("nothing is ever held here");
    }
    let (Some(left), Some(holder)) = (facts.left(), &facts.holder) else {
        return Answer::passed("no release of another branch waits for its checks");
    };
    let by = holder.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
    Answer::refused(
        format!("held for {} more: the release of {}{by} waits for its checks", span(left), holder.branch),
        "mark that release, or wait for it: --wait-for hold",
    )
}
