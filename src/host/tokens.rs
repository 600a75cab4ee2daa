//! The tokens of this run: those that were given, and those that an agent has of service connections and for the job.

use serde_json::Value;

use super::defaults;
use super::detect::Host;
use super::environment::{variable, variables};
use crate::domain::image::reference;
use crate::domain::url::RepoUrl;

// How the variables of target, previous stages and source begin.
const ROLES: [&str; 3] = ["", "PREVIOUS_", "SOURCE_"];

// Where an agent keeps the job's token: for tasks, and for scripts that asked for it.
const OF_THE_JOB: &[&str] = &["ENDPOINT_AUTH_PARAMETER_SYSTEMVSSCONNECTION_ACCESSTOKEN", "SYSTEM_ACCESSTOKEN"];

/// The tokens for the target (in `place`), for previous stages and for the source: each as it was given, or that of the
/// service connection that was named. The target's may be the job's own.
pub fn tokens(host: Host, place: Option<&RepoUrl>) -> [Option<String>; 3] {
    let mut tokens = ROLES
        .map(|role| variable(&format!("PASSGATE_{role}TOKEN")).or_else(|| of_connection(&connection(host, role)?)));
    if tokens[0].is_none() {
        tokens[0] = place.and_then(|place| of_the_job(host, place));
    }
    tokens
}

/// Every secret that this run may use, to be masked.
pub fn secrets(host: Host) -> Vec<String> {
    let job = if is_azure(host) { OF_THE_JOB } else { &[] };
    let registries = variable("PASSGATE_REGISTRY_TOKENS").unwrap_or_default();
    let registries = registries.lines().filter_map(|line| line.split_once('=')).map(|(_, secret)| secret.to_owned());
    let job = job.iter().filter_map(|name| variable(name));
    tokens(host, None).into_iter().flatten().chain(job).chain(registries).collect()
}

/// The number of a line of the credentials of registries that is none: without a host, as rules name it, or what is for it.
pub fn odd_registry_line() -> Option<usize> {
    let text = variable("PASSGATE_REGISTRY_TOKENS").unwrap_or_default();
    let is_odd = |line: &str| match line.split_once('=') {
        Some((host, secret)) => !reference::is_host_name(host.trim()) || secret.trim().is_empty(),
        None => !line.is_empty(),
    };
    text.lines().map(str::trim).position(is_odd).map(|at| at + 1)
}

/// A service connection that was named, and of which the agent has no token.
pub fn silent_connection(host: Host) -> Option<String> {
    ROLES.iter().filter_map(|role| connection(host, role)).find(|id| of_connection(id).is_none())
}

fn is_azure(host: Host) -> bool {
    matches!(host, Host::Azure | Host::AzureRelease)
}

fn connection(host: Host, role: &str) -> Option<String> {
    variable(&format!("PASSGATE_{role}CONNECTION")).filter(|_| is_azure(host))
}

// An agent tells it parameter by parameter and as one document; either may be in other letters than it was defined with.
fn of_connection(id: &str) -> Option<String> {
    let variables = variables();
    let told = |name: &str| {
        let variable = format!("ENDPOINT_AUTH_{name}");
        let of = variables.iter().find(|(key, _)| key.eq_ignore_ascii_case(&variable));
        of.and_then(|(_, value)| value.to_str())
    };
    let document: Value = told(id).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let entries = || document.get("parameters").and_then(Value::as_object).into_iter().flatten();
    let parameter = |name: &str| {
        let entry = || entries().find(|(key, _)| key.eq_ignore_ascii_case(name)).and_then(|(_, value)| value.as_str());
        let text = told(&format!("PARAMETER_{id}_{name}")).or_else(entry);
        text.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    parameter("accessToken").or_else(|| parameter("apiToken")).or_else(|| {
        let password = parameter("password")?;
        Some(parameter("username").map_or(password.clone(), |user| format!("{user}:{password}")))
    })
}

// For a repository in the very collection that runs the job.
fn of_the_job(host: Host, repository: &RepoUrl) -> Option<String> {
    if !is_azure(host) {
        return None;
    }
    let collection: RepoUrl = defaults::collection()?.trim_end_matches('/').parse().ok()?;
    let below = repository.identity().strip_prefix(collection.identity())?;
    below.starts_with('/').then(|| OF_THE_JOB.iter().find_map(|name| variable(name)))?
}
