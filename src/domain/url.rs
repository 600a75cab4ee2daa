//! Repository URLs: what git is given, and the identity by which two spellings of one place are equal.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

use super::id::InvalidId;

/// Where a repository is. Equal when the normalised identities are: https and ssh, `user@`, a trailing `.git`, the case
/// of the host and Azure's several hosts make no difference; http is not https.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepoUrl {
    transport: String,
    identity: String,
}

impl RepoUrl {
    /// What git is asked to contact: `https://…`, `http://…`, `ssh://…`, `user@host:path` or `file:///…`.
    pub fn transport(&self) -> &str {
        &self.transport
    }

    /// The normalised form that is written into manifests and records, and compared.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// The local path of a `file://` URL.
    pub fn local_path(&self) -> Option<String> {
        let path = self.transport.strip_prefix("file://")?;
        Some(percent_decode_str(path).decode_utf8_lossy().into_owned())
    }

    /// The `file://` URL of an absolute local path.
    ///
    /// # Errors
    /// The path is not absolute or holds a character that no URL can carry.
    pub fn from_path(path: &str) -> Result<Self, InvalidId> {
        const KEPT: &percent_encoding::AsciiSet =
            &percent_encoding::CONTROLS.add(b' ').add(b'#').add(b'?').add(b'%').add(b'"').add(b'<').add(b'>');
        format!("file://{}", percent_encoding::utf8_percent_encode(path, KEPT)).parse()
    }

    /// The last component of the path, without `.git`: the repository's name.
    pub fn name(&self) -> &str {
        self.identity.rsplit('/').next().unwrap_or_default()
    }

    /// `scheme://host[:port]` of an http(s) URL, where credentials belong to.
    pub fn http_origin(&self) -> Option<&str> {
        let rest = self.transport.strip_prefix("https://").or_else(|| self.transport.strip_prefix("http://"))?;
        let end = rest.find('/').unwrap_or(rest.len());
        let start = self.transport.len() - rest.len();
        Some(&self.transport[..start + end])
    }

    /// `scheme://host[:port]` of the web host that the repository is at, also where git goes there by ssh.
    pub fn web_origin(&self) -> Option<&str> {
        self.http_origin().or_else(|| {
            let rest = self.identity.strip_prefix("https://")?;
            let end = rest.find('/').unwrap_or(rest.len());
            Some(&self.identity[.."https://".len() + end])
        })
    }

    /// The forge whose commit pages can be linked to, by host name only.
    pub fn web_commit(&self, commit: &str) -> Option<String> {
        let web = self.identity.starts_with("https://");
        web.then(|| format!("{}/commit/{commit}", self.identity))
    }

    /// `owner/name` of a GitHub repository, for references such as `owner/name#12`.
    pub fn github_slug(&self) -> Option<&str> {
        self.identity.strip_prefix("https://github.com/")
    }

    /// Whether the repository lives in Azure DevOps Services.
    pub fn is_azure(&self) -> bool {
        self.identity.starts_with("https://dev.azure.com/")
    }
}

impl PartialEq for RepoUrl {
    fn eq(&self, other: &Self) -> bool {
        self.identity == other.identity
    }
}
impl Eq for RepoUrl {}
impl Hash for RepoUrl {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity.hash(state);
    }
}
impl fmt::Display for RepoUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.identity)
    }
}
impl fmt::Debug for RepoUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.identity)
    }
}
impl From<RepoUrl> for String {
    fn from(url: RepoUrl) -> String {
        url.identity
    }
}
impl TryFrom<String> for RepoUrl {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl FromStr for RepoUrl {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        // The text itself is not repeated where it may hold a password.
        let no = |why| Err(InvalidId { what: "a repository URL", text: without_secret(text), why });
        if text.is_empty() || text.chars().any(|c| c.is_control() || c.is_whitespace() || super::path::is_invisible(c))
        {
            return no("it is empty, or has white space or a control character (write a space as %20)");
        }
        if text.starts_with('-') {
            return no("it begins with a dash");
        }
        if text.contains(['?', '#']) {
            return no("it has a query or a fragment");
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return scp_like(text).map_or_else(
                || no("it is neither https://, http://, ssh://, file:// nor user@host:path"),
                |(user, host, path)| {
                    identify(host, None, path).map_or_else(
                        || no("it names no repository"),
                        |identity| Ok(Self { transport: format!("{user}{host}:{path}"), identity }),
                    )
                },
            );
        };
        let scheme = scheme.to_ascii_lowercase();
        if scheme == "file" {
            let path = rest.trim_end_matches('/');
            if !path.starts_with('/') || path.split('/').any(|part| part == "..") {
                return no("a file:// URL wants an absolute path without ..");
            }
            let transport = format!("file://{path}");
            let identity = transport.strip_suffix("/.git").unwrap_or(&transport);
            return Ok(Self { identity: identity.to_owned(), transport: transport.clone() });
        }
        let default_port = match scheme.as_str() {
            "https" => "443",
            "http" => "80",
            "ssh" => "22",
            _ => return no("its scheme is not https, http, ssh or file"),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, host) = authority.rsplit_once('@').map_or(("", authority), |(user, host)| (user, host));
        if user.contains(':') {
            return no("it holds a password: give it as PASSGATE_TOKEN (user:password) or to git's credential helper");
        }
        if host.is_empty() || host.starts_with('-') || user.starts_with('-') {
            return no("it has no host");
        }
        let host = host.to_ascii_lowercase();
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !port.contains(']') => (name, Some(port)),
            _ => (host.as_str(), None),
        };
        let port = port.filter(|p| *p != default_port);
        let Some(secure) = identify(name, port, path) else { return no("it names no repository") };
        let identity = match (scheme.as_str(), port) {
            ("http", _) => secure.replacen("https://", "http://", 1),
            ("ssh", Some(_)) if !secure.starts_with("https://github.com/") => secure.replacen("https://", "ssh://", 1),
            _ => secure,
        };
        let at = if scheme == "ssh" && !user.is_empty() { format!("{user}@") } else { String::new() };
        Ok(Self { transport: format!("{scheme}://{at}{host}/{}", path.trim_end_matches('/')), identity })
    }
}

fn without_secret(text: &str) -> String {
    let text = text.split(['?', '#']).next().unwrap_or_default();
    let start = text.find("://").map_or(0, |at| at + 3);
    let shown = match text.rfind('@') {
        Some(at) if at >= start => format!("{}***{}", &text[..start], &text[at..]),
        _ => text.to_owned(),
    };
    shown.chars().take(200).collect()
}

fn scp_like(text: &str) -> Option<(String, &str, &str)> {
    let (authority, path) = text.split_once(':')?;
    // `user:secret@host:path` is not a user name, and must not be taken for a host.
    if authority.contains('/') || path.is_empty() || path.starts_with('-') || path.contains('@') {
        return None;
    }
    let (user, host) = authority.split_once('@').map_or((String::new(), authority), |(u, h)| (format!("{u}@"), h));
    // A single letter is a Windows drive.
    (host.len() > 1 && !host.starts_with('-') && !user.starts_with('-')).then_some((user, host, path))
}

// The https form of a place. None when there is no repository in it.
fn identify(host: &str, port: Option<&str>, path: &str) -> Option<String> {
    let host = host.to_ascii_lowercase();
    let decoded = percent_decode_str(path.trim_matches('/')).decode_utf8().ok()?;
    // What a text of a URL may not hold is not let in by way of its escaped form either.
    if decoded.chars().any(|c| c.is_control() || (c.is_whitespace() && c != ' ') || super::path::is_invisible(c)) {
        return None;
    }
    let path = decoded.strip_suffix(".git").unwrap_or(&decoded);
    let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).collect();
    if parts.is_empty() || parts.iter().any(|p| *p == ".." || *p == ".") {
        return None;
    }
    let azure = |org: &str, project: &str, repo: &str| {
        Some(escaped(&format!("https://dev.azure.com/{org}/{project}/_git/{repo}").to_lowercase()))
    };
    match (host.as_str(), parts.as_slice()) {
        ("dev.azure.com", [org, project, "_git", repo]) => azure(org, project, repo),
        ("dev.azure.com", [org, "_git", repo]) => azure(org, repo, repo),
        ("ssh.dev.azure.com" | "vs-ssh.visualstudio.com", ["v3", org, project, repo]) => azure(org, project, repo),
        (name, rest) if name.ends_with(".visualstudio.com") => {
            let org = name.trim_end_matches(".visualstudio.com");
            match rest.strip_prefix(&["DefaultCollection"]).unwrap_or(rest) {
                [project, "_git", repo] => azure(org, project, repo),
                ["_git", repo] => azure(org, repo, repo),
                _ => None,
            }
        }
        ("github.com" | "ssh.github.com" | "www.github.com", [owner, repo]) => {
            Some(format!("https://github.com/{owner}/{repo}").to_lowercase())
        }
        _ => {
            let port = port.map(|p| format!(":{p}")).unwrap_or_default();
            Some(format!("https://{host}{port}/{}", escaped(&parts.join("/"))))
        }
    }
}

// Only what would make something else of the text when it is read again; other characters stay as people write them.
fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace(' ', "%20").replace('#', "%23").replace('?', "%3F")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    fn same(a: &str, b: &str) -> bool {
        a.parse::<RepoUrl>().unwrap() == b.parse::<RepoUrl>().unwrap()
    }

    #[test]
    fn spellings_of_one_place_are_equal() {
        let azure = "https://dev.azure.com/acme/My%20Proj/_git/Repo";
        assert!(same("https://github.com/acme/shop.git", "git@github.com:acme/shop"));
        assert!(same("https://GitHub.com/acme/shop/", "ssh://git@github.com/acme/shop.git"));
        assert!(same("https://git.acme.io:443/x/y", "ssh://git@git.acme.io:22/x/y.git"));
        assert!(same(azure, "https://acme@dev.azure.com/acme/My%20Proj/_git/repo"));
        assert!(same(azure, "git@ssh.dev.azure.com:v3/acme/My%20Proj/repo"));
        assert!(same(azure, "https://acme.visualstudio.com/DefaultCollection/My%20Proj/_git/repo"));
        assert!(same(
            "https://dev.azure.com/acme/My%20Proj%231/_git/a%3Fb",
            "git@ssh.dev.azure.com:v3/acme/my%20proj%231/a%3fb"
        ));
        for text in [azure, "https://dev.azure.com/acme/My%20Proj%231/_git/50%25", "https://git.acme.io/a%23b/50%25"] {
            let identity = text.parse::<RepoUrl>().unwrap().identity().to_owned();
            assert_eq!(identity.parse::<RepoUrl>().unwrap().identity(), identity, "{text}");
        }
        assert!(!same("http://git.acme.io/x", "https://git.acme.io/x"));
        assert!(!same("https://git.acme.io:8443/x", "https://git.acme.io/x"));
        assert!(!same("https://git.acme.io/X", "https://git.acme.io/x"));
        assert!(same("file:///a/b", "file:///a/b/"));
    }

    #[test]
    fn what_git_could_misread_is_refused() {
        for bad in [
            "",
            "-x",
            "ext::sh -c x",
            "--upload-pack=x",
            "git://h/x",
            "https://u:p@h/x",
            "ftp://h/x",
            "file://rel",
            "https://h/",
            "https://h/a/../b",
            "x",
            "ssh://-oProxyCommand=x/y",
            "-u@host:x",
            "https://h/x?y=1",
            "https://h/a%0Ab",
            "https://h/a%E2%80%AEb",
            "a\nb",
        ] {
            assert!(bad.parse::<RepoUrl>().is_err(), "{bad}");
        }
        let error = "https://u:secret@h/x".parse::<RepoUrl>().unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
}
