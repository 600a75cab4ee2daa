//! The rules of a stage (`.passgate/stage.yaml`): who may release what here, and what must have happened before.
//!
//! [`parse`] is the only way to a [`Stage`], so whoever holds one need not ask again whether folders overlap or a
//! branch pattern is well-formed. [`schema`] describes the same file to editors.

mod check;
mod error;
mod freeze;
pub mod images;
mod kinds;
mod pattern;
mod raw;
mod schema;
#[cfg(test)]
mod tests;
mod time;

use std::time::Duration;

pub use error::{Kind, PolicyError};
pub use freeze::{Deed, Freeze, Frozen, Window, WindowKind};
pub use images::{Hosts, ImagePattern, Images, Rewrite};
pub use pattern::{BranchPattern, InvalidPattern, PathPattern, PathPatterns, StatusPattern};
pub use schema::schema;
pub use time::{InvalidDuration, parse_duration};

use super::id::{BranchName, StageName, UnitName};
use super::path::is_within;
use super::url::RepoUrl;

/// Where the rules stand in an environment repository.
pub const PATH: &str = ".passgate/stage.yaml";
/// Largest `stage.yaml` that a caller may hand to [`parse`], in bytes.
pub const MAX_BYTES: usize = 1024 * 1024;

/// Reads the text of a `stage.yaml`.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub fn parse(text: &str) -> Result<Stage, PolicyError> {
    check::parse(text)
}

/// A stage: an environment's place in the order, and its rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// The stage's name.
    pub stage: StageName,
    /// The environment repository that this policy is for; it is void anywhere else.
    pub repository: RepoUrl,
    /// The protected branch that the environment reads.
    pub branch: BranchName,
    /// Who may release what here; units and folders are disjoint.
    pub accept: Vec<Accept>,
    /// The stages that must hold the content before; empty for a first stage.
    pub after: Vec<After>,
    /// The file's own `order`; [`Stage::order_for`] answers what applies.
    pub order: Option<OrderMode>,
    /// How commits reach the branch.
    pub deliver: Deliver,
    /// What happens to hand-made changes in the units' folders.
    pub drift: Drift,
    /// Which releases keep other branches out until their checks are done.
    pub hold: Option<Hold>,
    /// How image references are found in this environment's registry.
    pub images: Option<Images>,
    /// When nothing may enter.
    pub freeze: Vec<Freeze>,
    /// Gates that a recorded override may open.
    pub override_allow: Vec<OverridableGate>,
}

impl Stage {
    /// The rules for a unit, by its name or one that it had before, if it is accepted here.
    pub fn accepts(&self, unit: &UnitName) -> Option<&Accept> {
        self.accept.iter().find(|accept| accept.names().any(|name| name == unit))
    }

    /// Every name that a unit has or had: the ones given, and those that stand beside any of them here.
    pub fn names(&self, known: &[UnitName]) -> Vec<UnitName> {
        let beside = self.accept.iter().filter(|accept| accept.names().any(|name| known.contains(name)));
        let mut names: Vec<UnitName> = beside.flat_map(Accept::names).cloned().collect();
        for name in known {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }

    /// The unit whose folders hold `path`.
    pub fn owner_of(&self, path: &str) -> Option<&Accept> {
        self.accept.iter().find(|accept| accept.folders.iter().any(|folder| is_within(path, &folder.to)))
    }

    /// The repository that a unit is developed in; for `self`, this one.
    pub fn source_of<'a>(&'a self, accept: &'a Accept) -> &'a RepoUrl {
        match &accept.source {
            Source::Repository(url) => url,
            Source::SelfRepository => &self.repository,
        }
    }

    /// What keeps a deed from being done at a moment (seconds since 1970), if something does.
    pub fn frozen(&self, now: i64, deed: Deed) -> Option<Frozen> {
        freeze::frozen(&self.freeze, now, deed)
    }

    /// How strict the order is for what a branch rule admits: the rule's own word, else the stage's, else
    /// `same-branch` for a first stage and `forward` for any other.
    pub fn order_for(&self, rule: &BranchRule) -> OrderMode {
        let default = if self.after.is_empty() { OrderMode::SameBranch } else { OrderMode::Forward };
        rule.order.or(self.order).unwrap_or(default)
    }
}

/// Who may release a unit here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accept {
    /// The unit.
    pub unit: UnitName,
    /// Names that it had before.
    pub was: Vec<UnitName>,
    /// Whether it goes.
    pub retire: bool,
    /// Where it is developed.
    pub source: Source,
    /// The branches that a commit may come from, in the file's order; never empty. Of a unit that is developed in this
    /// very repository it is the stage's own branch.
    pub branches: Vec<BranchRule>,
    /// The unit's folders; never empty, never nested in each other.
    pub folders: Vec<FolderRule>,
    /// This environment's own files within the folders.
    pub local: PathPatterns,
}

impl Accept {
    /// The unit's name, and those that it had before.
    pub fn names(&self) -> impl Iterator<Item = &UnitName> {
        std::iter::once(&self.unit).chain(&self.was)
    }
}

/// Where a unit is developed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In a repository of its own.
    Repository(RepoUrl),
    /// In this environment's repository and branch (`self`): nothing is released into it.
    SelfRepository,
}

/// Branches of the source repository that may enter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BranchRule {
    /// Which branches.
    pub pattern: BranchPattern,
    /// An order of their own instead of the stage's.
    pub order: Option<OrderMode>,
    /// A soak of their own instead of that of every `after`.
    pub soak: Option<Duration>,
}

/// A folder of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderRule {
    /// Path in the source repository.
    pub from: String,
    /// Path in the artifact and in environment repositories.
    pub to: String,
}

/// A previous stage, and what it must say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct After {
    /// The previous stage's name.
    pub stage: StageName,
    /// Its repository.
    pub repository: RepoUrl,
    /// Its protected branch.
    pub branch: BranchName,
    /// The state that the content must be in there.
    pub require: Require,
    /// How long it must have been live there without a break.
    pub soak: Duration,
    /// Commit statuses that must be green there.
    pub statuses: Vec<StatusPattern>,
    /// What the run of a pipeline there must have come to.
    pub pipeline: Option<Pipeline>,
    /// Whether a release that was let in there by an override counts.
    pub accept_overrides: bool,
}

impl After {
    /// The soak for what a branch rule admits: the rule's own word, else this one.
    pub fn soak_for(&self, rule: &BranchRule) -> Duration {
        rule.soak.unwrap_or(self.soak)
    }
}

/// What the previous stage must say of the content.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Require {
    /// Its checks passed.
    #[default]
    Passed,
    /// It was released there.
    Released,
}

impl Require {
    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Released => "released",
        }
    }
}

/// A part of a pipeline's run that must have succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pipeline {
    /// The repository whose runs count; on Azure DevOps those of its project do.
    pub repository: RepoUrl,
    /// Which run.
    pub run: RunOf,
    /// Which part of it.
    pub part: Part,
}

/// Which run of a pipeline is asked about, of those that a record names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RunOf {
    /// The one that released the content.
    #[default]
    Released,
    /// The one that marked it last.
    Marked,
}

impl RunOf {
    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Released => "released",
            Self::Marked => "marked",
        }
    }
}

/// A part of a run. None of them is the run as a whole, whose result says nothing of any part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// A job of a GitHub workflow.
    Job(String),
    /// A deployment to a GitHub environment.
    Deployment(String),
    /// A stage of an Azure pipeline, by its identifier.
    Stage(String),
    /// A stage of a classic release of Azure Pipelines.
    ReleaseEnvironment(String),
}

impl Part {
    /// What it is called, for a message.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Job(_) => "job",
            Self::Deployment(_) => "deployment to",
            Self::Stage(_) => "stage",
            Self::ReleaseEnvironment(_) => "release stage",
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Job(name) | Self::Deployment(name) | Self::Stage(name) | Self::ReleaseEnvironment(name) => name,
        }
    }
}

/// What may replace what is live; a stricter mode is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OrderMode {
    /// Anything.
    Any,
    /// Older content never replaces newer content of its own branch.
    SameBranch,
    /// Nothing that is live is lost and nothing older comes back.
    Forward,
}

impl OrderMode {
    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::SameBranch => "same-branch",
            Self::Forward => "forward",
        }
    }
}

/// What happens to our files that were edited or deleted here, and to files that we never wrote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Drift {
    /// They stop the release.
    #[default]
    Refuse,
    /// The artifact wins.
    Overwrite,
    /// Files that the artifact lacks stay; edited or deleted ones stop the release.
    Keep,
}

impl Drift {
    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Overwrite => "overwrite",
            Self::Keep => "keep",
        }
    }
}

/// How each kind of commit reaches the branch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deliver {
    /// Releases.
    pub release: Delivery,
    /// Marks.
    pub mark: Delivery,
    /// Rollbacks.
    pub rollback: Delivery,
    /// Labels of pull requests.
    pub labels: Vec<String>,
    /// Who is asked to review them: user names, and teams as `organisation/team`.
    pub reviewers: Vec<String>,
    /// How they are merged as soon as the forge's own rules are met; None leaves that to people.
    pub auto_merge: Option<MergeMethod>,
}

/// How a pull request is merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeMethod {
    /// By a merge commit.
    Merge,
    /// As one new commit.
    Squash,
    /// As the same commits on top of the branch.
    Rebase,
}

/// How a commit reaches the branch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Delivery {
    /// Pushed.
    #[default]
    Commit,
    /// As a pull request.
    PullRequest,
}

impl Delivery {
    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::PullRequest => "pull-request",
        }
    }
}

/// While a release of one of these branches is live and unmarked, other branches are refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Whose releases hold the stage.
    pub branches: Vec<BranchPattern>,
    /// For how long at most.
    pub max: Duration,
}

/// A gate that a policy may let an override open; `artifact`, `unit`, `source` and `branch` never are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverridableGate {
    /// `order`
    Order,
    /// `previous`
    Previous,
    /// `soak`
    Soak,
    /// `statuses`
    Statuses,
    /// `pipeline`
    Pipeline,
    /// `hold`
    Hold,
    /// `images`
    Images,
    /// `freeze`
    Freeze,
    /// `drift`
    Drift,
}

impl OverridableGate {
    /// The gate's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Previous => "previous",
            Self::Soak => "soak",
            Self::Statuses => "statuses",
            Self::Pipeline => "pipeline",
            Self::Hold => "hold",
            Self::Images => "images",
            Self::Freeze => "freeze",
            Self::Drift => "drift",
        }
    }
}
