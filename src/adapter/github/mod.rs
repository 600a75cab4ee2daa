//! GitHub, on github.com, with data residency and on servers of one's own: statuses of commits, runs and their
//! artifacts, deployments.
//!
//! Requests go through octocrab over one client; the runtime that they need stays in here. Answers are read as JSON of our
//! own shapes, because octocrab's leave out what is asked for here. Whatever is not a plain yes is "could not ask".

mod artifact;
mod client;
mod deployments;
mod place;
mod pulls;
mod run;
mod statuses;

use std::sync::Arc;

use crate::adapter::http::Http;
use crate::domain::credentials::{Credentials, Role};
use crate::domain::gate::pipeline::Ran;
use crate::domain::gate::statuses::Status;
use crate::domain::id::CommitId;
use crate::domain::news::News;
use crate::domain::policy::Part;
use crate::domain::url::RepoUrl;
use crate::port::{Fetched, Forge, Forges, PortError, PullRequests};

use client::Api;
pub use place::Settings;

/// Finds repositories on GitHub.
pub struct GitHub {
    settings: Settings,
    credentials: Credentials,
    http: Http,
}

impl GitHub {
    /// Makes one; nothing is asked before a repository is.
    pub fn new(settings: Settings, credentials: Credentials, http: Http) -> Self {
        Self { settings, credentials, http }
    }
}

impl Forges for GitHub {
    fn of(&self, url: &RepoUrl, role: Role) -> Option<Arc<dyn Forge>> {
        let place = self.settings.place(url)?;
        let token = self.credentials.token(role, url).cloned();
        Some(Arc::new(Repository { place, role, token, http: self.http.clone() }))
    }
}

// One repository.
struct Repository {
    place: place::Place,
    role: Role,
    token: Option<crate::domain::credentials::Secret>,
    http: Http,
}

impl Repository {
    fn api(&self, needs: &'static [&'static str]) -> Result<Api<'_>, PortError> {
        Api::new(self.http.client()?, &self.place, self.role, self.token.as_ref(), needs)
    }
}

impl Forge for Repository {
    fn statuses(&self, commit: CommitId) -> Result<Vec<Status>, PortError> {
        statuses::of(&self.api(&["statuses: read", "checks: read"])?, commit)
    }

    fn artifact(&self, run: u64, name: Option<&str>) -> Result<Fetched, PortError> {
        artifact::fetch(&self.api(&["actions: read"])?, run, name)
    }

    fn pull_requests(&self) -> &dyn PullRequests {
        self
    }

    fn tell(&self, news: &News) -> Result<(), PortError> {
        deployments::tell(&self.api(&["deployments: write"])?, news)
    }

    fn tag(&self, _: u64, _: &str) -> Result<(), PortError> {
        Ok(())
    }

    fn part(&self, run: &str, part: &Part) -> Result<Ran, PortError> {
        let needs: &[&str] = if matches!(part, Part::Deployment(_)) {
            &["actions: read", "deployments: read"]
        } else {
            &["actions: read"]
        };
        run::part(&self.api(needs)?, run, part)
    }
}
