//! Forges: what is known of a repository beyond git, its pull requests among it.

use std::path::Path;
use std::sync::Arc;

use super::{PortError, Role};
use crate::domain::gate::pipeline::Ran;
use crate::domain::gate::statuses::Status;
use crate::domain::id::{BranchName, CommitId};
use crate::domain::news::News;
use crate::domain::policy::{MergeMethod, Part};
use crate::domain::proposal::ProposalBranch;
use crate::domain::url::RepoUrl;

/// What a forge has of a run's artifact.
pub enum Fetched {
    /// A deployment zip, which goes when this goes.
    Zip(Box<dyn AsRef<Path> + Send + Sync>),
    /// It must not be used.
    Refused(String),
}

/// One repository on a forge: what is known of it beyond git.
pub trait Forge: Send + Sync {
    /// Every status of a commit (check runs are statuses too), of each context the latest.
    ///
    /// # Errors
    /// The forge cannot be asked, or its answer is not to be believed.
    fn statuses(&self, commit: CommitId) -> Result<Vec<Status>, PortError>;

    /// The deployment zip in an artifact of a run; without a name, the run's only one.
    ///
    /// # Errors
    /// The forge cannot be asked, or the artifact is missing, expired, damaged or holds no deployment zip.
    fn artifact(&self, run: u64, name: Option<&str>) -> Result<Fetched, PortError>;

    /// What became of a part of a run, in its latest attempt. The run is named by the URL of its page.
    ///
    /// # Errors
    /// The forge cannot be asked, its answer is not to be believed, or its runs have no parts of that kind.
    fn part(&self, run: &str, part: &Part) -> Result<Ran, PortError>;

    /// Its pull requests.
    fn pull_requests(&self) -> &dyn PullRequests;

    /// Makes known what became of its commits in an environment. What was said already is left alone.
    ///
    /// # Errors
    /// The forge does not want it, or cannot be asked.
    fn tell(&self, news: &News) -> Result<(), PortError>;

    /// Gives a run a tag, where runs have tags.
    ///
    /// # Errors
    /// The forge does not want it, or cannot be asked.
    fn tag(&self, run: u64, tag: &str) -> Result<(), PortError>;
}

/// What becomes of a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullState {
    /// It waits.
    Open,
    /// It was merged.
    Merged,
    /// It was closed without that.
    Closed,
}

/// A pull request as the forge has it.
#[derive(Debug, Clone)]
pub struct Pull {
    /// Its number.
    pub number: u64,
    /// Its page.
    pub url: String,
    /// What became of it.
    pub state: PullState,
    /// Its title.
    pub title: String,
    /// Its text.
    pub body: String,
    /// Its labels.
    pub labels: Vec<String>,
    /// Who was asked for a review, or gave one; written as in a [`Proposal`] as far as the forge tells them so.
    pub reviewers: Vec<String>,
    /// Whether it is merged as soon as the forge lets it.
    pub auto_merge: bool,
}

/// What a pull request is to be.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// The branch that holds it, in the same repository.
    pub head: ProposalBranch,
    /// The branch that it is for.
    pub base: BranchName,
    /// Its title, one line.
    pub title: String,
    /// Its text, Markdown, no longer than [`PullRequests::longest_body`] allows.
    pub body: String,
    /// Labels that it has at least.
    pub labels: Vec<String>,
    /// Who is asked for a review: user names, teams as `organisation/team`, or whatever else the forge calls them.
    pub reviewers: Vec<String>,
    /// How it is merged as soon as the forge lets it; None leaves that to people.
    pub auto_merge: Option<MergeMethod>,
}

/// The pull requests of one repository. Everything may be done twice: what is so already is left alone.
pub trait PullRequests: Send + Sync {
    /// The most UTF-16 units that a text may have.
    fn longest_body(&self) -> usize;

    /// The open pull request from one branch of this repository (never of a fork) into another, if there is one; the
    /// newest, if there are several.
    ///
    /// # Errors
    /// The forge cannot be asked, or its answer is not to be believed.
    fn find(&self, head: &ProposalBranch, base: &BranchName) -> Result<Option<Pull>, PortError>;

    /// A pull request by its number.
    ///
    /// # Errors
    /// The forge cannot be asked, or has none.
    fn get(&self, number: u64) -> Result<Pull, PortError>;

    /// Opens one, with its title and text alone; the one that is open, where somebody was first or an answer was lost.
    ///
    /// # Errors
    /// The forge does not want it, or cannot be asked.
    fn open(&self, proposal: &Proposal) -> Result<Pull, PortError>;

    /// Makes an open one say what it is to say: its title and its text.
    ///
    /// # Errors
    /// The forge does not want it, or cannot be asked.
    fn retell(&self, pull: &Pull, proposal: &Proposal) -> Result<(), PortError>;

    /// Adds the labels that it lacks, and leaves the others.
    ///
    /// # Errors
    /// The forge does not want them, or cannot be asked.
    fn label(&self, pull: &Pull, labels: &[String]) -> Result<(), PortError>;

    /// Asks those for a review who were not asked yet.
    ///
    /// # Errors
    /// The forge does not want them, or cannot be asked.
    fn ask_reviewers(&self, pull: &Pull, reviewers: &[String]) -> Result<(), PortError>;

    /// Lets the forge merge it as soon as its rules allow.
    ///
    /// # Errors
    /// The forge does not want that, or cannot be asked.
    fn auto_merge(&self, pull: &Pull, method: MergeMethod) -> Result<(), PortError>;

    /// Closes it without merging, with a comment that says why.
    ///
    /// # Errors
    /// The forge does not want that, or cannot be asked.
    fn close(&self, pull: &Pull, comment: &str) -> Result<(), PortError>;
}

/// Finds out which forge a repository is on.
pub trait Forges: Send + Sync {
    /// The forge of a repository, with the credentials of a role; None: plain git, which knows commits and nothing else.
    fn of(&self, url: &RepoUrl, role: Role) -> Option<Arc<dyn Forge>>;
}

/// The first that knows a repository.
impl Forges for Vec<Box<dyn Forges>> {
    fn of(&self, url: &RepoUrl, role: Role) -> Option<Arc<dyn Forge>> {
        self.iter().find_map(|forges| forges.of(url, role))
    }
}
