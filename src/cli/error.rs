//! Errors as reports: kinds, exit codes and hints, added in one place.

use std::error::Error as _;

use crate::app::AppError;
use crate::domain::outcome::{GateReport, Outcome, Report, Trouble, Verdict};
use crate::port::{ArtifactError, PortError};

/// What an error is for programs, and the way out of it.
fn kind(error: &AppError) -> (Outcome, &'static str, Option<String>) {
    match error {
        AppError::Port(PortError::Interrupted) => {
            (Outcome::Interrupted, "interrupted", Some("nothing was changed; run it again".into()))
        }
        AppError::Port(PortError::Git { hint, .. }) => (Outcome::Failed, "git", hint.clone()),
        AppError::Port(PortError::Forge { hint, .. }) => (Outcome::Failed, "forge", hint.clone()),
        AppError::Port(PortError::Missing { .. }) => {
            (Outcome::Failed, "missing-object", Some("the repository is damaged or cut off: run git fsck there".into()))
        }
        AppError::Port(PortError::Unusable(_)) => (Outcome::Failed, "unusable", None),
        AppError::Port(PortError::Io { .. }) => (Outcome::Failed, "io", None),
        AppError::Artifact(ArtifactError::Refused(_)) => (
            Outcome::ArtifactRefused,
            "artifact-refused",
            Some("use the artifact exactly as `passgate package` wrote it; package the commit again".into()),
        ),
        AppError::Artifact(ArtifactError::Io { .. }) => (
            Outcome::Failed,
            "io",
            Some("give the path of the deployment zip, or of the folder it was unpacked into".into()),
        ),
        AppError::Artifact(ArtifactError::Unwritten { .. }) => {
            (Outcome::Failed, "io", Some("give -o a path in a folder that is there and may be written".into()))
        }
        AppError::Policy { error, .. } => {
            let general = "correct it by a reviewed commit (`passgate schema` prints its JSON Schema)";
            (Outcome::Usage, "stage-yaml", error.hint.clone().or_else(|| Some(general.to_owned())))
        }
        AppError::Usage { hint, .. } => (Outcome::Usage, "usage", Some(hint.clone())),
        AppError::Refused { hint, .. } => (Outcome::Refused, "refused", Some(hint.clone())),
        AppError::Rejected { .. } => (
            Outcome::Rejected,
            "rejected",
            Some("let passgate's identity push to this branch: the server's own rules do not".into()),
        ),
        AppError::Unknown { .. } => (
            Outcome::Unknown,
            "unknown",
            Some("run it again: it finds out what became of the push, and finishes".into()),
        ),
        AppError::PushFailed { .. } => (
            Outcome::Failed,
            "push",
            Some("give PASSGATE_TOKEN write access to the environment's repository, and run it again".into()),
        ),
        AppError::LostRace { .. } => {
            (Outcome::LostRace, "lost-race", Some("run it again when the branch is quieter".into()))
        }
        AppError::Guard(_) => (
            Outcome::Failed,
            "guard",
            Some("nothing was pushed; this is a defect of passgate: report it with this message".into()),
        ),
    }
}

/// An error as the report that is shown and printed as JSON.
pub fn report(error: &AppError) -> Report {
    let (outcome, code, hint) = kind(error);
    let mut causes = Vec::new();
    let said = match error {
        AppError::Port(PortError::Git { said, .. } | PortError::Forge { said, .. })
        | AppError::Rejected { said, .. }
        | AppError::Unknown { said, .. }
        | AppError::PushFailed { said, .. } => Some(said.clone()),
        _ => None,
    };
    causes.extend(said.filter(|said| !said.is_empty()));
    let mut source = error.source();
    while let Some(cause) = source {
        causes.push(cause.to_string());
        source = cause.source();
    }
    let mut report = Report::new(outcome);
    if outcome == Outcome::ArtifactRefused {
        report.gates.push(GateReport {
            gate: "artifact".to_owned(),
            verdict: Verdict::Refused,
            detail: error.to_string(),
            remedy: hint.clone(),
        });
    }
    report.error = Some(Trouble { code: code.to_owned(), message: error.to_string(), causes, hint });
    report
}
