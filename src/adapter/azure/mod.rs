//! Azure DevOps, as a service and on servers of one's own: statuses of commits, builds and their artifacts, classic releases.
//!
//! Requests are made by azure_devops_rust_api and sent over the client that all adapters share. Whatever is not a plain yes is
//! "could not ask".

mod artifact;
mod client;
mod place;
mod pulls;
mod run;
mod statuses;
mod tell;

use std::sync::Arc;

use crate::adapter::http::Http;
use crate::domain::credentials::{Credentials, Role, Secret};
use crate::domain::gate::pipeline::Ran;
use crate::domain::gate::statuses::Status;
use crate::domain::id::CommitId;
use crate::domain::news::News;
use crate::domain::policy::Part;
use crate::domain::url::RepoUrl;
use crate::port::{Fetched, Forge, Forges, PortError, PullRequests};

use client::{Api, Needs, Rest};
pub use place::Settings;

const CODE: Needs = Needs { scope: "Code (read)", permission: "Read of the repository" };
const SAY: Needs = Needs { scope: "Code (status)", permission: "Contribute" };
const TAG: Needs = Needs { scope: "Build (read & execute)", permission: "Update build information" };
const BUILD: Needs = Needs { scope: "Build (read)", permission: "View builds" };
const RELEASE: Needs = Needs { scope: "Release (read)", permission: "View releases" };

/// Finds repositories on Azure DevOps.
pub struct Azure {
    settings: Settings,
    credentials: Credentials,
    http: Http,
    rest: Rest,
}

impl Azure {
    /// Makes one; nothing is asked before a repository is.
    pub fn new(settings: Settings, credentials: Credentials, http: Http) -> Self {
        Self { settings, credentials, http, rest: Rest::default() }
    }
}

impl Forges for Azure {
    fn of(&self, url: &RepoUrl, role: Role) -> Option<Arc<dyn Forge>> {
        let place = self.settings.place(url)?;
        let token = self.credentials.token(role, url).cloned();
        let (http, rest) = (self.http.clone(), Arc::clone(&self.rest));
        Some(Arc::new(Repository { place, role, token, http, rest }))
    }
}

// One repository, and its project.
struct Repository {
    place: place::Place,
    role: Role,
    token: Option<Secret>,
    http: Http,
    rest: Rest,
}

impl Repository {
    fn api(&self, needs: &'static Needs) -> Result<Api<'_>, PortError> {
        Api::new(self.http.client()?, &self.place, self.role, self.token.as_ref(), needs, &self.rest)
    }
}

impl Forge for Repository {
    fn statuses(&self, commit: CommitId) -> Result<Vec<Status>, PortError> {
        statuses::of(&self.api(&CODE)?, commit)
    }

    fn artifact(&self, run: u64, name: Option<&str>) -> Result<Fetched, PortError> {
        artifact::fetch(&self.api(&BUILD)?, run, name)
    }

    fn pull_requests(&self) -> &dyn PullRequests {
        self
    }

    fn tell(&self, news: &News) -> Result<(), PortError> {
        tell::tell(&self.api(&SAY)?, news)
    }

    fn tag(&self, run: u64, tag: &str) -> Result<(), PortError> {
        tell::tag(&self.api(&TAG)?, run, tag)
    }

    fn part(&self, run: &str, part: &Part) -> Result<Ran, PortError> {
        run::part(&self.api(if matches!(part, Part::ReleaseEnvironment(_)) { &RELEASE } else { &BUILD })?, run, part)
    }
}
