//! The passgate binary: parse, wire, run, exit.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use passgate::adapter::azure::{self, Azure};
use passgate::adapter::clock::SystemClock;
use passgate::adapter::folder::Disk;
use passgate::adapter::git::{Environment, Git};
use passgate::adapter::github::{self, GitHub};
use passgate::adapter::http::Http;
use passgate::adapter::registry::{self, Registries};
use passgate::adapter::render::Programs;
use passgate::adapter::zip::ZipArtifacts;
use passgate::cli::common::{Adapters, Remotes, Setting};
use passgate::domain::credentials::Credentials;
use passgate::port::{Artifacts, Clock, Folders, Forges, Renderers, WorkingCopy};
use passgate::{cli, host};

#[derive(Default)]
struct Real {
    artifacts: ZipArtifacts,
    folders: Disk,
    clock: SystemClock,
}

fn credentials(setting: &Setting) -> Credentials {
    let [target, previous, source] = setting.tokens.clone();
    Credentials::new(target, previous, source, setting.place.as_ref())
}

fn git(setting: Setting, credentials: Credentials) -> Git {
    let environment = Environment::new(host::environment::variables());
    Git::new(environment, credentials, setting.interrupted, setting.progress)
}

impl Adapters for Real {
    fn remotes(&self, setting: Setting) -> Remotes {
        let credentials = credentials(&setting);
        let variable = host::environment::variable;
        let http = Http::new(variable, Arc::clone(&setting.interrupted));
        let registry = Registries::new(registry::Settings::new(variable), http.clone());
        let github = GitHub::new(github::Settings::new(variable), credentials.clone(), http.clone());
        let azure = Azure::new(azure::Settings::new(variable), credentials.clone(), http);
        let forges: Vec<Box<dyn Forges>> = vec![Box::new(github), Box::new(azure)];
        let repositories = Box::new(git(setting, credentials));
        Remotes { repositories, forges: Box::new(forges), registry: Box::new(registry) }
    }

    fn working_copy(&self, path: PathBuf, setting: Setting) -> Box<dyn WorkingCopy> {
        let credentials = credentials(&setting);
        git(setting, credentials).working_copy(path)
    }

    fn renderers(&self, interrupted: Arc<AtomicBool>) -> Box<dyn Renderers> {
        Box::new(Programs::new(host::environment::variable, interrupted))
    }

    fn artifacts(&self) -> &dyn Artifacts {
        &self.artifacts
    }

    fn folders(&self) -> &dyn Folders {
        &self.folders
    }

    fn clock(&self) -> &dyn Clock {
        &self.clock
    }
}

fn main() -> ExitCode {
    let interrupted = Arc::new(AtomicBool::new(false));
    // Without the watch an interrupt simply ends the program, which leaves every repository whole too.
    host::interrupt::watch(Arc::clone(&interrupted)).ok();
    if let Some(folder) = host::environment::emptied_folder() {
        // It is the first to ask for a temporary folder, so there is none yet that would stay.
        tempfile::env::override_temp_dir(&folder).ok();
    }
    cli::run(host::environment::arguments(), interrupted, &Real::default())
}
