//! Gate `source`: the commit's folders in the accepted source repository are the artifact's files, one to one.

use super::{Answer, few};
use crate::domain::id::CommitId;
use crate::domain::url::RepoUrl;

/// What the gate looks at.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The accepted source repository.
    pub repository: RepoUrl,
    /// The commit.
    pub commit: CommitId,
    /// Whether the repository has it.
    pub exists: bool,
    /// Files of the commit that the artifact lacks.
    pub missing: Vec<String>,
    /// Files of the artifact that the commit lacks.
    pub foreign: Vec<String>,
    /// Files with other content or mode.
    pub different: Vec<String>,
}

/// The rule.
pub fn ask(facts: &Facts) -> Answer {
    let commit = facts.commit.short();
    if !facts.exists {
        return Answer::refused(
            format!("the commit {commit} is on no allowed branch of {} and cannot be had there", facts.repository),
            "push the commit to an allowed branch, then package it again",
        );
    }
    let parts = [("differs in", &facts.different), ("has in addition", &facts.foreign), ("lacks", &facts.missing)];
    let wrong: Vec<String> = parts
        .iter()
        .filter(|(_, paths)| !paths.is_empty())
        .map(|(what, paths)| format!("{what} {}", few(paths)))
        .collect();
    if !wrong.is_empty() {
        return Answer::refused(
            format!("the artifact is not what {commit} has in {}: it {}", facts.repository, wrong.join("; it ")),
            "package the commit again: `passgate package` always yields what the commit holds",
        );
    }
    Answer::passed(format!("the content is that of {commit}"))
}
