//! What a command has to report: one shape for every renderer.

use serde::{Deserialize, Serialize};

use super::id::{CommitId, Digest, StageName, UnitName};
use super::image::Change;
use super::record::{Override, State};

/// What a gate says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It is open.
    Passed,
    /// It is closed.
    Refused,
    /// It could not be decided, so it does not open.
    Undecided,
    /// Nothing is configured for it.
    NotAsked,
}

/// A gate's verdict as it stands in reports and records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateReport {
    /// The gate's name.
    pub gate: String,
    /// What it says.
    pub verdict: Verdict,
    /// Why.
    pub detail: String,
    /// The way out, where there is one.
    pub remedy: Option<String>,
}

impl GateReport {
    /// Whether it keeps something out: refused, or not decided.
    pub fn is_closed(&self) -> bool {
        matches!(self.verdict, Verdict::Refused | Verdict::Undecided)
    }
}

/// What became of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// A deployment zip was written.
    Packaged,
    /// An artifact was looked at and is intact.
    Inspected,
    /// The gates are open and nothing was written.
    Planned,
    /// The target's branch now holds the content.
    Released,
    /// The target's branch already held it.
    Unchanged,
    /// A pull request waits to be merged.
    PullRequest,
    /// A mark was written.
    Marked,
    /// The target's branch holds what it held before.
    RolledBack,
    /// The unit was taken out of the target.
    Retired,
    /// A candidate may be merged.
    Checked,
    /// The state of stages was shown.
    Reported,
    /// Rules and pipelines were written.
    Initialized,
    /// An audit found something.
    Findings,
    /// Something newer is live.
    Superseded,
    /// A gate is closed.
    Refused,
    /// A gate could not be asked.
    Undecided,
    /// The artifact is not what `package` writes.
    ArtifactRefused,
    /// The server's policy refused the push.
    Rejected,
    /// The server took the push and went away.
    Unknown,
    /// Other writers won every time.
    LostRace,
    /// The command line or stage.yaml is wrong.
    Usage,
    /// Something could not be done.
    Failed,
    /// Somebody stopped it.
    Interrupted,
}

impl Outcome {
    /// The process's exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Packaged
            | Self::Inspected
            | Self::Planned
            | Self::Released
            | Self::Unchanged
            | Self::PullRequest
            | Self::Marked
            | Self::RolledBack
            | Self::Retired
            | Self::Checked
            | Self::Reported
            | Self::Initialized => 0,
            Self::Failed | Self::Undecided | Self::Rejected | Self::Unknown => 1,
            Self::Usage => 2,
            Self::Refused | Self::Superseded | Self::Findings => 3,
            Self::ArtifactRefused => 4,
            Self::LostRace => 5,
            Self::Interrupted => 130,
        }
    }
}

impl Outcome {
    /// How bad it is beside others: the worst of several is the result of all.
    pub fn severity(self) -> u8 {
        match self.exit_code() {
            0 => 0,
            5 => 1,
            1 => 2,
            3 => 3,
            2 => 4,
            4 => 5,
            _ => 6,
        }
    }
}

/// Paths that a release changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// New files.
    pub added: Vec<String>,
    /// Files with other content or mode.
    pub changed: Vec<String>,
    /// Files that go.
    pub removed: Vec<String>,
    /// Files of others in our folders that stay.
    pub kept: Vec<String>,
}

impl Changes {
    /// Whether no file is added, changed or removed.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }
}

/// A pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PullRequest {
    /// Its number.
    pub number: u64,
    /// Its page.
    pub url: String,
}

/// Why a command did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// A word for programs.
    pub code: String,
    /// What failed.
    pub message: String,
    /// What led to it, nearest first.
    pub causes: Vec<String>,
    /// The way out.
    pub hint: Option<String>,
}

/// The one document of `--json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What became of it.
    pub result: Outcome,
    /// The content.
    pub digest: Option<Digest>,
    /// The file that was written.
    pub path: Option<String>,
    /// The target's stage.
    pub stage: Option<StageName>,
    /// The unit.
    pub unit: Option<UnitName>,
    /// The commit that holds the result.
    pub commit: Option<CommitId>,
    /// The tip before.
    pub previous_commit: Option<CommitId>,
    /// Whether the target's branch now holds this content.
    pub live: bool,
    /// What the stage's checks said of it, where that is what was written.
    pub marked: Option<State>,
    /// Every gate.
    pub gates: Vec<GateReport>,
    /// The files.
    pub changes: Changes,
    /// The images that come, go or give way to others.
    pub image_changes: Vec<Change>,
    /// Release notes, Markdown.
    pub notes: String,
    /// The pull request, where that is how it is delivered.
    pub pull_request: Option<PullRequest>,
    /// The break-glass that opened gates, if one was needed.
    #[serde(rename = "override")]
    pub overridden: Option<Override>,
    /// The command that brings back what was live before, where something is refused.
    pub way_back: Option<String>,
    /// What went wrong.
    pub error: Option<Trouble>,
    /// Things worth saying that stopped nothing.
    pub warnings: Vec<String>,
}

impl Report {
    /// An empty report with a result.
    pub fn new(result: Outcome) -> Self {
        Self {
            result,
            digest: None,
            path: None,
            stage: None,
            unit: None,
            commit: None,
            previous_commit: None,
            live: false,
            marked: None,
            gates: Vec::new(),
            changes: Changes::default(),
            image_changes: Vec::new(),
            notes: String::new(),
            pull_request: None,
            overridden: None,
            way_back: None,
            error: None,
            warnings: Vec::new(),
        }
    }
}
