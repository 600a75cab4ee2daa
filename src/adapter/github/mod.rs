//! GitHub, on github.com, with data residency and on servers of one's own: statuses of commits, artifacts of runs.
//!
//! Requests go through octocrab over one client; the runtime that they need stays in here. Answers are read as JSON of our
//! own shapes, because octocrab's leave out what is asked for here. Whatever is not a plain yes is "could not ask".

mod artifact;
mod client;
mod place;
mod pulls;
mod statuses;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::domain::credentials::{Credentials, Role};
use crate::domain::gate::statuses::Status;
use crate::domain::id::CommitId;
use crate::domain::url::RepoUrl;
use crate::port::{Fetched, Forge, Forges, PortError, PullRequests};

use client::{Api, Client};
pub use place::Settings;

/// Finds repositories on GitHub.
pub struct GitHub {
    settings: Settings,
    credentials: Credentials,
    client: Arc<Lazy>,
}

// The client costs some time and reads certificates: it is made for the first request.
struct Lazy {
    interrupted: Arc<AtomicBool>,
    certificates: Vec<std::path::PathBuf>,
    made: OnceLock<Client>,
    making: Mutex<()>,
}

impl GitHub {
    /// `interrupted` stops what may be stopped when it turns true.
    pub fn new(settings: Settings, credentials: Credentials, interrupted: Arc<AtomicBool>) -> Self {
        let certificates = settings.certificates.clone();
        let client = Lazy { interrupted, certificates, made: OnceLock::new(), making: Mutex::default() };
        Self { settings, credentials, client: Arc::new(client) }
    }
}

impl Lazy {
    fn get(&self) -> Result<&Client, PortError> {
        let _one = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = self.made.get() {
            return Ok(made);
        }
        let made = Client::new(&self.certificates, Arc::clone(&self.interrupted))?;
        Ok(self.made.get_or_init(|| made))
    }
}

impl Forges for GitHub {
    fn of(&self, url: &RepoUrl, role: Role) -> Option<Arc<dyn Forge>> {
        let place = self.settings.place(url)?;
        let token = self.credentials.token(role, url).cloned();
        Some(Arc::new(Repository { place, role, token, client: Arc::clone(&self.client) }))
    }
}

// One repository.
struct Repository {
    place: place::Place,
    role: Role,
    token: Option<crate::domain::credentials::Secret>,
    client: Arc<Lazy>,
}

impl Repository {
    fn api(&self, needs: &'static [&'static str]) -> Result<Api<'_>, PortError> {
        Api::new(self.client.get()?, &self.place, self.role, self.token.as_ref(), needs)
    }
}

impl Forge for Repository {
    fn statuses(&self, commit: CommitId) -> Result<Vec<Status>, PortError> {
        statuses::of(&self.api(&["statuses", "checks"])?, commit)
    }

    fn artifact(&self, run: u64, name: Option<&str>) -> Result<Fetched, PortError> {
        artifact::fetch(&self.api(&["actions"])?, run, name)
    }

    fn pull_requests(&self) -> &dyn PullRequests {
        self
    }
}
