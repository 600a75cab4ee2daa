//! Which repositories are on GitHub, and where its interface for them is.

use crate::domain::url::RepoUrl;

/// What the environment says of GitHub.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    // Hosts, with their ports.
    hosts: Vec<String>,
    // The server whose runner this is: its origin, and its interface.
    server: Option<(String, Option<String>)>,
}

/// A repository on GitHub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The base URL of the interface, without a slash at the end.
    pub(super) api: String,
    /// Its own page, without a slash at the end.
    pub(super) web: String,
    /// `owner/name`.
    pub(super) slug: String,
}

impl Place {
    /// The same with the base of the GraphQL interface, which has no versions.
    pub(super) fn graphql(&self) -> Self {
        Self { api: self.api.strip_suffix("/v3").unwrap_or(&self.api).to_owned(), ..self.clone() }
    }
}

impl Settings {
    /// Reads `PASSGATE_GITHUB_HOSTS`, `GITHUB_SERVER_URL` and `GITHUB_API_URL`.
    pub fn new(variable: impl Fn(&str) -> Option<String>) -> Self {
        let hosts = variable("PASSGATE_GITHUB_HOSTS").unwrap_or_default();
        let hosts = hosts.split([',', ' ', '\n']).map(|host| host.trim().to_ascii_lowercase());
        let plain = |url: String| url.trim_end_matches('/').to_owned();
        let api = variable("GITHUB_API_URL").map(plain);
        Self {
            hosts: hosts.filter(|host| !host.is_empty()).collect(),
            server: variable("GITHUB_SERVER_URL").map(|url| (plain(url).to_ascii_lowercase(), api)),
        }
    }

    /// Where a repository is on GitHub; None when its host is not known to be GitHub.
    pub(super) fn place(&self, url: &RepoUrl) -> Option<Place> {
        let (scheme, rest) = url.identity().split_once("://").filter(|(scheme, _)| scheme.starts_with("http"))?;
        let (host, slug) = rest.split_once('/')?;
        let is_name = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        if slug.split('/').count() != 2 || !slug.split('/').all(is_name) {
            return None;
        }
        let origin = format!("{scheme}://{host}");
        let own = self.server.as_ref().filter(|(server, _)| *server == origin);
        let is_cloud = host == "github.com";
        let is_resident = host.ends_with(".ghe.com");
        if !(is_cloud || is_resident || own.is_some() || self.hosts.iter().any(|known| known == host)) {
            return None;
        }
        // A token that is for https never goes over less.
        let named = own.and_then(|(_, api)| api.clone()).filter(|api| api.starts_with(&format!("{scheme}://")));
        let api = named.unwrap_or_else(|| match (is_cloud, is_resident) {
            (true, _) | (_, true) => format!("{scheme}://api.{host}"),
            _ => format!("{origin}/api/v3"),
        });
        Some(Place { api, web: format!("{origin}/{slug}"), slug: slug.to_owned() })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    fn api(url: &str, variables: &[(&str, &str)]) -> Option<(String, String)> {
        let value = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let place = Settings::new(value).place(&url.parse().unwrap())?;
        Some((place.api, place.slug))
    }

    #[test]
    fn the_host_says_where_the_interface_is() {
        let shop = |api: &str| Some((api.to_owned(), "acme/shop".to_owned()));
        let hosts = [("PASSGATE_GITHUB_HOSTS", "git.acme.io, other.acme.io:8443")];
        assert_eq!(api("https://github.com/Acme/shop.git", &[]), shop("https://api.github.com"));
        assert_eq!(api("git@github.com:acme/shop.git", &[]), shop("https://api.github.com"));
        assert_eq!(api("https://acme.ghe.com/acme/shop", &[]), shop("https://api.acme.ghe.com"));
        assert_eq!(api("https://git.acme.io/acme/shop", &hosts), shop("https://git.acme.io/api/v3"));
        assert_eq!(api("git@git.acme.io:acme/shop", &hosts), shop("https://git.acme.io/api/v3"));
        assert_eq!(api("https://other.acme.io:8443/acme/shop", &hosts), shop("https://other.acme.io:8443/api/v3"));
        for plain in
            ["https://git.acme.io/acme/shop", "https://evilgithub.com/acme/shop", "https://github.com.evil/acme/shop"]
        {
            assert_eq!(api(plain, &[]), None, "{plain}");
        }
        assert_eq!(api("file:///github.com/acme", &[]), None);
        assert_eq!(api("https://git.acme.io/a/b/c", &hosts), None);
        assert_eq!(api("https://dev.azure.com/acme/shop/_git/shop", &hosts), None);
    }

    #[test]
    fn the_runner_names_its_own_server_only() {
        let runner = [("GITHUB_SERVER_URL", "https://git.acme.io/"), ("GITHUB_API_URL", "https://api.acme.io/x/")];
        let shop = |api: &str| Some((api.to_owned(), "acme/shop".to_owned()));
        assert_eq!(api("https://git.acme.io/acme/shop", &runner), shop("https://api.acme.io/x"));
        assert_eq!(api("https://github.com/acme/shop", &runner), shop("https://api.github.com"));
        let less = [("GITHUB_SERVER_URL", "https://git.acme.io"), ("GITHUB_API_URL", "http://api.acme.io")];
        assert_eq!(api("https://git.acme.io/acme/shop", &less), shop("https://git.acme.io/api/v3"));
        assert_eq!(api("http://git.acme.io/acme/shop", &less), None);
    }
}
