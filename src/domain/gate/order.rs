//! Gate `order`: nothing that is live is lost, and nothing older comes back.

use super::{Answer, few};
use crate::domain::id::CommitId;

/// How the two commits stand to each other, asked on the unit's folders only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Relation {
    /// The live commit is the new one or an ancestor of it.
    Newer,
    /// The new commit is an ancestor of the live one.
    Older,
    /// They went apart: one for each best common ancestor, none when there is none.
    Apart(Vec<Base>),
    /// The source repository does not have the live commit any more.
    LiveGone,
}

/// What was found from one common ancestor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Base {
    /// Some first-parent commit between it and the new one holds the live change already.
    pub absorbed: bool,
    /// The live commit differs from it in the unit's folders.
    pub changed: bool,
    /// Some first-parent commit between it and the live one holds the new change already.
    pub overtaken: bool,
}

/// What the gate looks at.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Why the comparison is not asked: nothing is live, what is live was adopted, or the order is `any`.
    pub exempt: Option<&'static str>,
    /// The content was marked failed in this environment.
    pub failed: bool,
    /// `--retry`.
    pub retry: bool,
    /// The live source commit.
    pub live: Option<CommitId>,
    /// The new one.
    pub new: CommitId,
    /// How they stand to each other.
    pub relation: Relation,
    /// The commits that would be lost.
    pub lost: Vec<String>,
}

/// The rule.
pub fn ask(facts: &Facts) -> Answer {
    if facts.failed && !facts.retry {
        return Answer::refused(
            "this content was marked failed in this environment",
            "release a fixed commit, or say --retry to try the same content again",
        );
    }
    let (Some(live), None) = (facts.live, facts.exempt) else {
        return Answer::not_asked(facts.exempt.unwrap_or("nothing is live yet"));
    };
    let (live, new) = (live.short(), facts.new.short());
    let superseded = |why: String| Answer {
        superseded: true,
        ..Answer::refused(why, "nothing to do: what is live is newer (--if-older skip makes this a success)")
    };
    let lost = |why: String| {
        let list = if facts.lost.is_empty() { String::new() } else { format!("; lost would be: {}", few(&facts.lost)) };
        Answer::refused(
            format!("{why}{list}"),
            "merge or cherry-pick the live change into the branch that you release, and package again",
        )
    };
    match &facts.relation {
        Relation::Newer => Answer::passed(format!("{new} contains what is live ({live})")),
        Relation::Older => superseded(format!("{new} is older than what is live ({live})")),
        Relation::LiveGone => Answer::refused(
            format!(
                "the live commit {live} is not in the source repository any more, so nothing shows that {new} contains it"
            ),
            "push that commit back to the source repository, under any branch, or set `order: any` for this branch",
        ),
        Relation::Apart(bases) if bases.is_empty() => {
            lost(format!("{new} and what is live ({live}) have no common history"))
        }
        Relation::Apart(bases) => {
            if bases.iter().any(|base| !base.absorbed && !base.changed && base.overtaken) {
                return superseded(format!("what is live ({live}) took in the change of {new} already, and went on"));
            }
            if bases.iter().all(|base| base.absorbed || !base.changed) {
                return Answer::passed(format!("{new} holds the change that is live ({live})"));
            }
            lost(format!("{new} lacks a change that is live ({live})"))
        }
    }
}
