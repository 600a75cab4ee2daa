//! The process's environment, read in one place.

use std::ffi::OsString;
use std::path::PathBuf;

/// Every variable.
#[allow(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub fn variables() -> Vec<(OsString, OsString)> {
    std::env::vars_os().collect()
}

/// One variable, if it is text and not empty.
#[allow(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The folder that a host empties after each job, with what a killed run left there.
pub fn emptied_folder() -> Option<PathBuf> {
    let folder: PathBuf = ["RUNNER_TEMP", "AGENT_TEMPDIRECTORY"].into_iter().find_map(variable)?.into();
    (folder.is_absolute() && folder.is_dir()).then_some(folder)
}

/// The command line.
#[allow(clippy::disallowed_methods, reason = "this is the one place that reads the command line")]
pub fn arguments() -> Vec<OsString> {
    std::env::args_os().collect()
}

/// The path of this very program.
///
/// # Errors
/// The system does not tell.
#[allow(clippy::disallowed_methods, reason = "this is the one place that asks where the program is")]
pub fn program() -> std::io::Result<PathBuf> {
    std::env::current_exe()
}
