//! Which repositories are on Azure DevOps, and where its interface for them is.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::domain::url::RepoUrl;

/// The interface of the service.
pub(super) const CLOUD: &str = "https://dev.azure.com";
const CLOUD_RELEASES: &str = "https://vsrm.dev.azure.com";
// What stands in a path as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What the environment says of Azure DevOps.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    // `host[:port][/virtual/folder]` of servers of one's own, in small letters.
    servers: Vec<String>,
}

/// A repository on Azure DevOps. Names are as people write them; [`escaped`] makes them parts of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The base URL of the interface, without a slash at the end.
    pub(super) api: String,
    /// The same of the interface for classic releases.
    pub(super) releases: String,
    /// The organization, or the collection of a server.
    pub(super) organization: String,
    /// The project.
    pub(super) project: String,
    /// The repository.
    pub(super) repository: String,
}

/// A name as a part of a path: whoever puts it into a URL would else cut it at a `#`.
pub(super) fn escaped(name: &str) -> String {
    utf8_percent_encode(name, PLAIN).to_string()
}

impl Settings {
    /// Reads `PASSGATE_AZURE_HOSTS` and the agent's `SYSTEM_COLLECTIONURI`.
    pub fn new(variable: impl Fn(&str) -> Option<String>) -> Self {
        let named = variable("PASSGATE_AZURE_HOSTS").unwrap_or_default();
        let collection = variable("SYSTEM_COLLECTIONURI").unwrap_or_default();
        let collection = plain(&collection).rsplit_once('/').map(|(server, _)| server.to_owned());
        let servers = named.split([',', ' ', '\n']).map(plain).chain(collection);
        Self { servers: servers.filter(|server| !server.is_empty()).collect() }
    }

    /// Where a repository is on Azure DevOps; None when its host is not known to be that.
    pub(super) fn place(&self, url: &RepoUrl) -> Option<Place> {
        let (scheme, rest) = url.identity().split_once("://").filter(|(scheme, _)| scheme.starts_with("http"))?;
        if let Some(path) = url.identity().strip_prefix(CLOUD) {
            return named(&parts(path.strip_prefix('/')?)).map(|names| names.at(CLOUD, CLOUD_RELEASES));
        }
        // The longest that fits knows best where the collection's name begins.
        let within = |server: &&String| {
            rest.to_ascii_lowercase().strip_prefix(server.as_str()).is_some_and(|below| below.starts_with('/'))
        };
        let server = self.servers.iter().filter(within).max_by_key(|server| server.len())?;
        let mut path = parts(rest.get(server.len() + 1..)?);
        let mut api = format!("{scheme}://{}", rest.get(..server.len())?);
        // A virtual folder stands before the collection, and need not have been named.
        if path.len() == 5 {
            api = format!("{api}/{}", escaped(&path.remove(0)));
        }
        named(&path).map(|names| names.at(&api, &api))
    }
}

struct Names<'a>(&'a str, &'a str, &'a str);

impl Names<'_> {
    fn at(&self, api: &str, releases: &str) -> Place {
        let Self(organization, project, repository) = self;
        Place {
            api: api.to_owned(),
            releases: releases.to_owned(),
            organization: (*organization).to_owned(),
            project: (*project).to_owned(),
            repository: (*repository).to_owned(),
        }
    }
}

fn plain(url: &str) -> String {
    let url = url.trim().trim_end_matches('/').to_ascii_lowercase();
    url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).unwrap_or(&url).to_owned()
}

fn parts(path: &str) -> Vec<String> {
    path.split('/').map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned()).collect()
}

// A repository that is named like its project may leave the project out.
fn named(path: &[String]) -> Option<Names<'_>> {
    match path {
        [organization, project, git, repository] if git == "_git" => Some(Names(organization, project, repository)),
        [organization, git, repository] if git == "_git" => Some(Names(organization, repository, repository)),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    fn place(url: &str, variables: &[(&str, &str)]) -> Option<[String; 5]> {
        let value = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let place = Settings::new(value).place(&url.parse().unwrap())?;
        Some([place.api, place.releases, place.organization, place.project, place.repository])
    }

    fn some(place: [&str; 5]) -> Option<[String; 5]> {
        Some(place.map(str::to_owned))
    }

    #[test]
    fn every_spelling_of_the_service_is_one_place() {
        let cloud = some([CLOUD, CLOUD_RELEASES, "acme", "my proj#1", "env"]);
        for url in [
            "https://dev.azure.com/acme/My%20Proj%231/_git/env",
            "https://acme@dev.azure.com/acme/My%20Proj%231/_git/env",
            "https://acme.visualstudio.com/My%20Proj%231/_git/env",
            "https://acme.visualstudio.com/DefaultCollection/My%20Proj%231/_git/env",
            "git@ssh.dev.azure.com:v3/acme/My%20Proj%231/env",
            "acme@vs-ssh.visualstudio.com:v3/acme/My%20Proj%231/env",
        ] {
            assert_eq!(place(url, &[]), cloud, "{url}");
        }
        let short = some([CLOUD, CLOUD_RELEASES, "acme", "env", "env"]);
        assert_eq!(place("https://dev.azure.com/acme/_git/env", &[]), short);
        for other in ["https://github.com/acme/env", "https://dev.azure.com.evil/acme/p/_git/env", "file:///acme"] {
            assert_eq!(place(other, &[]), None, "{other}");
        }
        assert_eq!(escaped("My Proj#1/ä"), "My%20Proj%231%2F%C3%A4");
    }

    #[test]
    fn a_server_is_known_by_name_or_by_its_own_agent() {
        let hosts = [("PASSGATE_AZURE_HOSTS", "tfs.acme.io, https://azure.acme.io:8443/tfs/")];
        let url = "https://tfs.acme.io/DefaultCollection/Platform/_git/env";
        assert_eq!(place(url, &[]), None);
        let server = "https://tfs.acme.io";
        assert_eq!(place(url, &hosts), some([server, server, "DefaultCollection", "Platform", "env"]));
        let short = place("https://tfs.acme.io/DefaultCollection/_git/env", &hosts);
        assert_eq!(short, some([server, server, "DefaultCollection", "env", "env"]));
        let below = "https://tfs.acme.io/tfs";
        let folder = place("https://tfs.acme.io/tfs/DefaultCollection/Platform/_git/env", &hosts);
        assert_eq!(folder, some([below, below, "DefaultCollection", "Platform", "env"]));
        let below = "https://azure.acme.io:8443/tfs";
        let short = place("https://azure.acme.io:8443/tfs/Main/_git/env", &hosts);
        assert_eq!(short, some([below, below, "Main", "env", "env"]));
        let agent = [("SYSTEM_COLLECTIONURI", "https://TFS.acme.io/tfs/DefaultCollection/")];
        let below = "https://tfs.acme.io/tfs";
        let own = place("https://tfs.acme.io/tfs/DefaultCollection/_git/env", &agent);
        assert_eq!(own, some([below, below, "DefaultCollection", "env", "env"]));
        for other in
            ["https://tfs.acme.io.evil/a/b/_git/c", "https://tfs.acme.io/a/b/c", "https://tfs.acme.io:1/a/_git/c"]
        {
            assert_eq!(place(other, &hosts), None, "{other}");
        }
    }
}
