//! What the host knows of this run. All of it is for people and records, or saves typing: no gate asks for it.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::detect::Host;
use super::environment::variable;
use crate::domain::id::UnitName;
use crate::domain::url::RepoUrl;

fn first(names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| variable(name))
}

/// Who pressed the button.
pub fn by(host: Host) -> Option<String> {
    match host {
        Host::GitHub => first(&["GITHUB_TRIGGERING_ACTOR", "GITHUB_ACTOR"]),
        Host::Azure => first(&["BUILD_REQUESTEDFOR", "BUILD_QUEUEDBY"]),
        Host::AzureRelease => first(&["RELEASE_DEPLOYMENT_REQUESTEDFOR", "RELEASE_REQUESTEDFOR"]),
        Host::Terminal => None,
    }
}

/// The page of this run.
pub fn run(host: Host) -> Option<String> {
    match host {
        Host::GitHub => {
            let (server, repository) = (variable("GITHUB_SERVER_URL")?, variable("GITHUB_REPOSITORY")?);
            let attempt = variable("GITHUB_RUN_ATTEMPT").filter(|attempt| attempt != "1");
            let attempt = attempt.map(|attempt| format!("/attempts/{attempt}")).unwrap_or_default();
            Some(format!("{server}/{repository}/actions/runs/{}{attempt}", variable("GITHUB_RUN_ID")?))
        }
        Host::Azure => Some(format!("{}/_build/results?buildId={}", project()?, variable("BUILD_BUILDID")?)),
        Host::AzureRelease => variable("RELEASE_RELEASEWEBURL").or_else(|| {
            let release = variable("RELEASE_RELEASEID")?;
            Some(format!("{}/_releaseProgress?releaseId={release}", project()?))
        }),
        Host::Terminal => None,
    }
}

/// The organization or collection that the pipeline runs in.
pub fn collection() -> Option<String> {
    first(&["SYSTEM_COLLECTIONURI", "SYSTEM_TEAMFOUNDATIONCOLLECTIONURI"])
}

fn project() -> Option<String> {
    let project = variable("SYSTEM_TEAMPROJECT")?;
    Some(format!("{}/{}", collection()?.trim_end_matches('/'), utf8_percent_encode(&project, NON_ALPHANUMERIC)))
}

/// The URL of a repository on the server whose runner this is, or else on github.com; without a name, the one that the
/// workflow runs in.
pub fn repository(name: Option<(&str, &str)>) -> Option<String> {
    let server = variable("GITHUB_SERVER_URL").unwrap_or_else(|| "https://github.com".to_owned());
    let name = name.map(|(owner, name)| format!("{owner}/{name}")).or_else(|| variable("GITHUB_REPOSITORY"))?;
    Some(format!("{}/{name}", server.trim_end_matches('/')))
}

/// The URL of an organization's project, by way of a repository of that name; without names, the project that the pipeline
/// runs in.
pub fn builds(names: Option<(&str, &str)>) -> Option<String> {
    let encoded = |name: &str| utf8_percent_encode(name, NON_ALPHANUMERIC).to_string();
    let (organization, project) = match names {
        Some((organization, project)) => (in_same_service(organization), project.to_owned()),
        None => (collection()?, variable("SYSTEM_TEAMPROJECT")?),
    };
    let project = encoded(&project);
    Some(format!("{}/{project}/_git/{project}", organization.trim_end_matches('/')))
}

// An organization of the service; where the pipeline runs on a server of one's own, a collection there.
fn in_same_service(name: &str) -> String {
    let name = utf8_percent_encode(name, NON_ALPHANUMERIC);
    let own = collection().map(|url| url.trim_end_matches('/').to_owned());
    let is_service = |url: &String| url.contains("://dev.azure.com/") || url.ends_with(".visualstudio.com");
    match own.filter(|url| !is_service(url)).as_deref().and_then(|url| url.rsplit_once('/')) {
        Some((server, _)) => format!("{server}/{name}"),
        None => format!("https://dev.azure.com/{name}"),
    }
}

/// The unit that a pipeline of the source repository releases: the repository's name, as for `package`.
pub fn unit(host: Host) -> Option<String> {
    let url = match host {
        Host::GitHub => format!("{}/{}", variable("GITHUB_SERVER_URL")?, variable("GITHUB_REPOSITORY")?),
        Host::Azure | Host::AzureRelease => variable("BUILD_REPOSITORY_URI")?,
        Host::Terminal => return None,
    };
    let url: RepoUrl = url.parse().ok()?;
    url.name().parse::<UnitName>().ok().map(|unit| unit.to_string())
}

/// The merge commit of a pull request that this run checked out: it is on no branch.
pub fn merge_ref(host: Host) -> Option<String> {
    let name = match host {
        Host::GitHub => variable("GITHUB_REF")?,
        Host::Azure => variable("BUILD_SOURCEBRANCH")?,
        Host::AzureRelease | Host::Terminal => return None,
    };
    let number = name.strip_prefix("refs/pull/")?.strip_suffix("/merge")?;
    (!number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())).then_some(name)
}
