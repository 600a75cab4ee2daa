//! Gate `drift`: no hand-made change in our folders would be lost or hidden, and the record here is unbroken.

use super::{Answer, few};
use crate::domain::chain::Break;
use crate::domain::plan::Drift;
use crate::domain::policy::Drift as DriftRule;

/// What the gate looks at.
#[derive(Debug, Clone)]
pub struct Facts {
    /// What the policy does with drift.
    pub rule: DriftRule,
    /// `--adopt`.
    pub adopt: bool,
    /// Whether passgate has released this unit here before.
    pub first: bool,
    /// The chain of records is broken here.
    pub broken: Option<Break>,
    /// What is not as our last release left it.
    pub drift: Drift,
}

/// The rule.
pub fn ask(facts: &Facts) -> Answer {
    if let Some(broken) = facts.broken.as_ref().filter(|_| !facts.adopt) {
        return Answer::refused(
            format!("the chain of records is broken at {}: {}", broken.commit.short(), broken.how),
            "look at that commit; --adopt begins a new chain from the newest unbroken record",
        );
    }
    let Drift { edited, deleted, extra, in_the_way, unnamed } = &facts.drift;
    if !in_the_way.is_empty() {
        return Answer::refused(
            format!("somebody else's files stand where this unit's belong: {}", few(in_the_way)),
            "passgate never removes what is not the unit's: move them by a commit of your own, or give the unit other folders",
        );
    }
    if !unnamed.is_empty() {
        return Answer::refused(
            format!("files in the unit's folders have names that are not UTF-8: {}", few(unnamed)),
            "rename or remove them by a commit of your own: passgate cannot keep what it cannot name",
        );
    }
    let changed: Vec<String> = edited.iter().chain(deleted).cloned().collect();
    if facts.first {
        if !changed.is_empty() && !facts.adopt {
            return Answer::refused(
                format!("these files are here already, with other content: {}", few(&changed)),
                "compare them; --adopt takes them over (the artifact wins, what was here stays a rollback target)",
            );
        }
    } else if !changed.is_empty() && facts.rule != DriftRule::Overwrite && !facts.adopt {
        return Answer::refused(
            format!("files of this unit were edited or deleted here by hand: {}", few(&changed)),
            "bring the change into the source repository and take it back here, or set `drift: overwrite`",
        );
    }
    if !extra.is_empty() && facts.rule == DriftRule::Refuse {
        return Answer::refused(
            format!("files in the unit's folders that passgate never wrote: {}", few(extra)),
            "move them to the source repository, declare them `local`, or set `drift: keep` or `overwrite`",
        );
    }
    match (changed.len(), extra.len(), facts.rule) {
        (0, 0, _) if facts.first => Answer::passed("nothing of anybody else is in the unit's folders"),
        (0, 0, _) => Answer::passed("the folders are as the last release left them"),
        (0, _, DriftRule::Keep) => Answer::passed(format!("kept: {}", few(extra))),
        (0, _, _) => Answer::passed(format!("removed: {}", few(extra))),
        _ => Answer::passed(format!("overwritten: {}", few(&changed))),
    }
}
