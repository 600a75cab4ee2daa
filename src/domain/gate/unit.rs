//! Gate `unit`: unit and source are accepted here, the folders are as declared, and the policy belongs to this place.

use super::{Answer, few};
use crate::domain::id::{BranchName, UnitName};
use crate::domain::url::RepoUrl;

/// What the gate looks at.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The place that is released into.
    pub here: (RepoUrl, BranchName),
    /// The place that its stage.yaml says it is for.
    pub policy: (RepoUrl, BranchName),
    /// The unit of the artifact.
    pub unit: UnitName,
    /// The repository that the artifact says it came from.
    pub claimed: RepoUrl,
    /// What stage.yaml says of the unit: None when it is not accepted.
    pub accepted: Option<Accepted>,
    /// The folders of the artifact, sorted.
    pub folders: Vec<String>,
    /// Units that this stage accepts.
    pub units: Vec<String>,
}

/// What stage.yaml says of the unit.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// The accepted source; None for `self`.
    pub source: Option<RepoUrl>,
    /// The declared folders, sorted.
    pub folders: Vec<String>,
    /// Files of the artifact that lie on `local` paths of this environment.
    pub local: Vec<String>,
    /// The unit goes.
    pub retire: bool,
}

/// The rule.
pub fn ask(facts: &Facts) -> Answer {
    if facts.policy != facts.here {
        return Answer::refused(
            format!(
                "stage.yaml here is for {}#{}, and this is {}#{}: a copied policy opens nothing",
                facts.policy.0, facts.policy.1, facts.here.0, facts.here.1
            ),
            "write this repository and branch into its .passgate/stage.yaml, by a reviewed commit",
        );
    }
    let Some(accepted) = &facts.accepted else {
        return Answer::refused(
            format!("the unit {} is not accepted here (accepted: {})", facts.unit, few(&facts.units)),
            "add the unit to `accept` in .passgate/stage.yaml of the environment",
        );
    };
    let Some(source) = &accepted.source else {
        return Answer::refused(
            format!(
                "the unit {} is developed in this repository (source: self): nothing is released into it",
                facts.unit
            ),
            "merge into this branch, then `passgate mark passed --commit` what its checks passed",
        );
    };
    if accepted.retire {
        return Answer::refused(
            format!("the unit {} goes (retire: true): nothing of it is released here any more", facts.unit),
            "passgate retire removes what is there; take `retire` out of stage.yaml to release again",
        );
    }
    if *source != facts.claimed {
        return Answer::refused(
            format!("the unit {} is accepted from {source} only, and the artifact says {}", facts.unit, facts.claimed),
            "build the artifact in the accepted source repository",
        );
    }
    if accepted.folders != facts.folders {
        return Answer::refused(
            format!(
                "the artifact has the folders {}, and {} is declared to have {}",
                facts.folders.join(", "),
                facts.unit,
                accepted.folders.join(", ")
            ),
            "package with the declared --folder list, or change `folders` in stage.yaml (--allow-empty packs an empty folder)",
        );
    }
    if !accepted.local.is_empty() {
        return Answer::refused(
            format!(
                "the artifact has files on paths that belong to this environment (`local`): {}",
                few(&accepted.local)
            ),
            "remove them from the source, or from `local` in stage.yaml",
        );
    }
    Answer::passed(format!("{} from {source}", facts.unit))
}
