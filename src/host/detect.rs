//! Where this run happens, seen from the environment. It decides what is written where, and which defaults there are; it
//! is evidence for nothing.

use super::environment::variable;

/// A host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// GitHub Actions, and what speaks its language.
    GitHub,
    /// Azure Pipelines: a build, or a stage of a YAML pipeline.
    Azure,
    /// A stage of a classic release of Azure Pipelines.
    AzureRelease,
    /// A terminal, or anything else.
    Terminal,
}

/// What `PASSGATE_HOST` may say.
pub const NAMES: &[(&str, Host)] = &[
    ("github", Host::GitHub),
    ("azure", Host::Azure),
    ("azure-release", Host::AzureRelease),
    ("terminal", Host::Terminal),
];

/// The host; None when `PASSGATE_HOST` names one that there is not.
pub fn detect() -> Option<Host> {
    let is_true = |name: &str| variable(name).is_some_and(|text| text.eq_ignore_ascii_case("true"));
    match variable("PASSGATE_HOST") {
        Some(named) => NAMES.iter().find(|(name, _)| *name == named).map(|(_, host)| *host),
        None if is_true("GITHUB_ACTIONS") => Some(Host::GitHub),
        None if is_true("TF_BUILD") && variable("RELEASE_RELEASEID").is_some() => Some(Host::AzureRelease),
        None if is_true("TF_BUILD") => Some(Host::Azure),
        None => Some(Host::Terminal),
    }
}
