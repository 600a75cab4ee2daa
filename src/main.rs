//! The passgate binary: parse, wire, run, exit.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use passgate::adapter::clock::SystemClock;
use passgate::adapter::folder::Disk;
use passgate::adapter::git::{Credentials, Environment, Git};
use passgate::adapter::zip::ZipArtifacts;
use passgate::cli::common::{Adapters, Setting};
use passgate::port::{Artifacts, Clock, Folders, Repositories, WorkingCopy};
use passgate::{cli, host};

#[derive(Default)]
struct Real {
    artifacts: ZipArtifacts,
    folders: Disk,
    clock: SystemClock,
}

fn git(setting: Setting) -> Git {
    let [target, previous, source] = setting.tokens;
    let credentials = Credentials::new(target, previous, source, setting.place.as_ref());
    let environment = Environment::new(host::environment::variables());
    Git::new(environment, credentials, setting.interrupted, setting.progress)
}

impl Adapters for Real {
    fn repositories(&self, setting: Setting) -> Box<dyn Repositories> {
        Box::new(git(setting))
    }

    fn working_copy(&self, path: PathBuf, setting: Setting) -> Box<dyn WorkingCopy> {
        git(setting).working_copy(path)
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
    cli::run(host::environment::arguments(), interrupted, &Real::default())
}
