//! The use cases: gather facts, judge, plan, apply, report. A use case takes a request and gives a report; "no" is a value,
//! an error means "could not".

pub mod audit;
pub mod check;
pub mod deployed;
pub mod entry;
pub mod evidence;
pub mod fetch;
pub mod images;
pub mod init;
pub mod inspect;
pub mod judge;
pub mod land;
pub mod mark;
pub mod package;
pub mod pipeline;
pub mod promote;
pub mod propose;
pub mod release;
pub mod retire;
pub mod rollback;
pub mod site;
pub mod source;
pub mod status;
pub mod statuses;
pub mod tell;

use crate::domain::id::BranchName;
use crate::domain::policy::PolicyError;
use crate::domain::url::RepoUrl;
use crate::port::{ArtifactError, Artifacts, Clock, Forges, PortError, Progress, Registry, Repositories};

/// What every use case has at hand.
pub struct Context<'a> {
    /// Repositories.
    pub repositories: &'a dyn Repositories,
    /// What is known of them beyond git.
    pub forges: &'a dyn Forges,
    /// Registries of images.
    pub registry: &'a dyn Registry,
    /// Artifacts.
    pub artifacts: &'a dyn Artifacts,
    /// The time.
    pub clock: &'a dyn Clock,
    /// What a person sees of long steps.
    pub progress: &'a dyn Progress,
}

/// A repository and a branch of it; no branch: the remote's default.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// The repository.
    pub url: RepoUrl,
    /// The branch.
    pub branch: Option<BranchName>,
}

/// Who runs this, as the host names them.
#[derive(Debug, Clone, Default)]
pub struct Actor {
    /// The person.
    pub by: Option<String>,
    /// A link to the run.
    pub run: Option<String>,
}

/// Why a use case could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// Something outside failed.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The artifact is refused, or cannot be read.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// The stage.yaml of a place is wrong.
    #[error("the stage.yaml of {place} is not valid")]
    Policy {
        /// The place.
        place: String,
        /// What is wrong with it.
        #[source]
        error: Box<PolicyError>,
    },
    /// What was asked makes no sense.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// The way out.
        hint: String,
    },
    /// What was asked is not allowed as things are.
    #[error("{message}")]
    Refused {
        /// Why.
        message: String,
        /// The way out.
        hint: String,
    },
    /// The server's policy refused the push.
    #[error("the server refused the push to {place}")]
    Rejected {
        /// The place.
        place: String,
        /// The server's words.
        said: String,
    },
    /// The connection broke, and nobody can tell whether the push arrived.
    #[error("the connection to {place} broke during the push, and it cannot be asked what became of it")]
    Unknown {
        /// The place.
        place: String,
        /// What git said.
        said: String,
    },
    /// The push failed.
    #[error("the push to {place} failed")]
    PushFailed {
        /// The place.
        place: String,
        /// What git said.
        said: String,
    },
    /// Other writers were first every time.
    #[error("other writers changed {place} first, {tries} times in a row")]
    LostRace {
        /// The place.
        place: String,
        /// How often.
        tries: u32,
    },
    /// The finished commit is not what was planned. Nothing was pushed.
    #[error("the finished commit is not what was planned, and was not pushed: {0}")]
    Guard(String),
}

impl AppError {
    /// A request that makes no sense.
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hint: hint.into() }
    }
}

impl AppError {
    /// What was asked is not allowed as things are.
    pub fn refused(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Refused { message: message.into(), hint: hint.into() }
    }
}

impl From<crate::domain::object::Collision> for AppError {
    fn from(collision: crate::domain::object::Collision) -> Self {
        Self::Artifact(ArtifactError::Refused(collision.to_string()))
    }
}

impl From<serde_json::Error> for AppError {
    fn from(error: serde_json::Error) -> Self {
        Self::Guard(error.to_string())
    }
}
