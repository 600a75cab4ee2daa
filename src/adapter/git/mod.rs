//! Plain git, by the git program: fetching little, reading objects, writing packs, pushing fast-forward.
//!
//! git runs in stores of our own, in a temporary folder, with a clean environment and with no configuration of the user
//! beyond what authentication needs.

mod amount;
mod command;
mod environment;
mod local;
mod pack;
mod push;
mod store;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use crate::domain::credentials::Credentials;
use crate::domain::url::RepoUrl;
use crate::port::{PortError, Progress, Repositories, Repository, Role, WorkingCopy};

pub use environment::Environment;
use store::Store;

/// Opens repositories through the git program.
pub struct Git {
    environment: Arc<Environment>,
    credentials: Credentials,
    interrupted: Arc<AtomicBool>,
    progress: Arc<dyn Progress>,
    open: Mutex<HashMap<RepoUrl, Arc<Store>>>,
}

impl Git {
    /// `environment` is what the process was started with; `interrupted` stops what may be stopped when it turns true.
    pub fn new(
        environment: Environment,
        credentials: Credentials,
        interrupted: Arc<AtomicBool>,
        progress: Arc<dyn Progress>,
    ) -> Self {
        Self { environment: Arc::new(environment), credentials, interrupted, progress, open: Mutex::default() }
    }

    /// A local repository to package from.
    pub fn working_copy(&self, path: PathBuf) -> Box<dyn WorkingCopy> {
        let (interrupted, progress) = (Arc::clone(&self.interrupted), Arc::clone(&self.progress));
        let git = command::Git::new(path, self.environment.variables(None), interrupted, progress);
        Box::new(local::Local { git })
    }
}

impl Repositories for Git {
    fn open(&self, url: &RepoUrl, role: Role) -> Result<Arc<dyn Repository>, PortError> {
        let url = self.canonical(url);
        let mut open = self.open.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(store) = open.get(&url) {
            return Ok(Arc::clone(store) as Arc<dyn Repository>);
        }
        let token = self.credentials.token(role, &url);
        let variables = self.environment.variables(Some((&url, token)));
        let store =
            Arc::new(Store::create(url.clone(), variables, Arc::clone(&self.interrupted), Arc::clone(&self.progress))?);
        open.insert(url, Arc::clone(&store));
        Ok(store)
    }

    fn interrupted(&self) -> bool {
        self.interrupted.load(std::sync::atomic::Ordering::Relaxed)
    }

    fn canonical(&self, url: &RepoUrl) -> RepoUrl {
        let canonical = url.local_path().and_then(|path| std::fs::canonicalize(path).ok());
        let canonical = canonical.and_then(|path| RepoUrl::from_path(path.to_str()?).ok());
        canonical.unwrap_or_else(|| url.clone())
    }
}
