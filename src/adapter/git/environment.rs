//! The environment that git is given: nothing inherited but what finding programs and authentication need.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use base64::Engine as _;

use crate::domain::credentials::{Form, Secret};
use crate::domain::url::RepoUrl;

// What git and the programs it starts (ssh, credential helpers) need of the environment.
const INHERITED: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
    "SSH_AUTH_SOCK",
    "SSH_AGENT_PID",
    "SSH_ASKPASS",
    "GIT_ASKPASS",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_SSH_VARIANT",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "http_proxy",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
    "GCM_CREDENTIAL_STORE",
    "DBUS_SESSION_BUS_ADDRESS",
    // Without these, programs on Windows do not start, or do not find whose they are.
    "SYSTEMROOT",
    "COMSPEC",
    "PATHEXT",
    "TEMP",
    "TMP",
    "USERNAME",
    "USERPROFILE",
    "HOMEDRIVE",
    "HOMEPATH",
    "APPDATA",
    "LOCALAPPDATA",
    "PROGRAMDATA",
];

// Settings that must not be anybody's but ours.
const SETTINGS: &[(&str, &str)] = &[
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("credential.interactive", "false"),
    ("protocol.version", "2"),
    ("protocol.allow", "never"),
    ("protocol.file.allow", "always"),
    ("protocol.http.allow", "always"),
    ("protocol.https.allow", "always"),
    ("protocol.ssh.allow", "always"),
    // A redirect would carry the credentials to a host that nobody named.
    ("http.followRedirects", "false"),
    ("http.lowSpeedLimit", "1"),
    ("http.lowSpeedTime", "60"),
    ("http.postBuffer", "16777216"),
    ("transfer.bundleURI", "false"),
    ("fetch.recurseSubmodules", "false"),
    ("fetch.writeCommitGraph", "false"),
    ("push.gpgSign", "false"),
    ("push.recurseSubmodules", "no"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    // Without it, git fetches the old versions of files to push the new ones as differences.
    ("pack.window", "0"),
    ("merge.renames", "false"),
];

// Never a question, and an end for a server that does not answer any more.
const SSH: &str = "ssh -o BatchMode=yes -o ConnectTimeout=30 -o ServerAliveInterval=15 -o ServerAliveCountMax=4";

/// What the process was started with.
#[derive(Default)]
pub struct Environment {
    variables: HashMap<OsString, OsString>,
    authentication: OnceLock<Vec<(String, String)>>,
    // Unlike settings in the environment, a file also reaches the git that serves a local repository.
    global: OnceLock<Option<tempfile::NamedTempFile>>,
}

impl Environment {
    /// Takes the process's environment, read once by the host.
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (key(&name), value)).collect();
        Self { variables, ..Self::default() }
    }

    fn get(&self, name: &str) -> Option<&OsString> {
        self.variables.get(&key(OsStr::new(name)))
    }

    /// The environment of a git process that talks to `remote` with a token, if there is one.
    pub(super) fn variables(&self, remote: Option<(&RepoUrl, Option<&Secret>)>) -> Vec<(OsString, OsString)> {
        let mut settings: Vec<(String, String)> =
            SETTINGS.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let lacks = |name: &str| self.get(name).is_none();
        if lacks("GIT_SSH_COMMAND") && lacks("GIT_SSH") {
            settings.push(("core.sshCommand".to_owned(), SSH.to_owned()));
        }
        if let Some((url, token)) = remote {
            // The user's own come last, and win.
            settings.extend(self.authentication().iter().cloned());
            if let (Some(token), Some(origin)) = (token, url.http_origin()) {
                // An empty value drops what was configured before, so that exactly one header is sent.
                settings.push((format!("http.{origin}/.extraHeader"), String::new()));
                settings.push((format!("http.{origin}/.extraHeader"), header(token)));
                settings.push(("credential.helper".to_owned(), String::new()));
            }
        }
        let mut variables: Vec<(OsString, OsString)> =
            INHERITED.iter().filter_map(|name| Some((OsString::from(name), self.get(name)?.clone()))).collect();
        let mut set = |name: &str, value: &str| variables.push((name.into(), value.into()));
        set("GIT_CONFIG_NOSYSTEM", "1");
        set("GIT_CONFIG_SYSTEM", "/dev/null");
        let global = self.global().map_or_else(|| "/dev/null".into(), |file| file.path().as_os_str().to_owned());
        variables.push(("GIT_CONFIG_GLOBAL".into(), global));
        let mut set = |name: &str, value: &str| variables.push((name.into(), value.into()));
        set("GIT_ATTR_NOSYSTEM", "1");
        set("GIT_TERMINAL_PROMPT", "0");
        set("GIT_OPTIONAL_LOCKS", "0");
        set("GIT_NO_REPLACE_OBJECTS", "1");
        set("GIT_LITERAL_PATHSPECS", "1");
        set("GIT_ADVICE", "0");
        set("LC_ALL", "C");
        set("GIT_CONFIG_COUNT", &settings.len().to_string());
        for (at, (key, value)) in settings.iter().enumerate() {
            set(&format!("GIT_CONFIG_KEY_{at}"), key);
            set(&format!("GIT_CONFIG_VALUE_{at}"), value);
        }
        // A user's own ssh command may lack BatchMode: whatever it would ask for, nobody answers.
        set("SSH_ASKPASS_REQUIRE", "force");
        if lacks("SSH_ASKPASS") {
            set("SSH_ASKPASS", "false");
        }
        variables
    }

    #[allow(clippy::disallowed_methods, reason = "this is an adapter: the file is read by the git that it starts")]
    // Which repositories of other users the user trusts; None when there is no such setting.
    fn global(&self) -> Option<&tempfile::NamedTempFile> {
        let make = || {
            let safe = self.authentication().iter().filter(|(key, _)| key.eq_ignore_ascii_case("safe.directory"));
            let quote = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let lines: String = safe.map(|(_, value)| format!("\tdirectory = \"{}\"\n", quote(value))).collect();
            if lines.is_empty() {
                return None;
            }
            let mut file = tempfile::NamedTempFile::new().ok()?;
            std::io::Write::write_all(&mut file, format!("[safe]\n{lines}").as_bytes()).ok()?;
            Some(file)
        };
        self.global.get_or_init(make).as_ref()
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "git itself reads its configuration, before there is a clean environment"
    )]
    // What of the user's own configuration says how to authenticate; nothing else of it is used.
    fn authentication(&self) -> &[(String, String)] {
        self.authentication.get_or_init(|| {
            let mut command = Command::new("git");
            command.args(["config", "--null", "--includes", "--list"]).env_clear().envs(&self.variables);
            command.env_remove("GIT_DIR").env_remove("GIT_WORK_TREE").current_dir("/").stdin(Stdio::null());
            let Ok(output) = command.stderr(Stdio::null()).output() else { return Vec::new() };
            let text = String::from_utf8_lossy(&output.stdout);
            text.split('\0')
                .filter_map(|item| item.split_once('\n'))
                .filter(|(key, _)| is_authentication(key))
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect()
        })
    }
}

// Windows knows `Path` by any case.
fn key(name: &OsStr) -> OsString {
    if cfg!(windows) { name.to_ascii_uppercase() } else { name.to_owned() }
}

fn is_authentication(key: &str) -> bool {
    let lower = key.to_ascii_lowercase();
    let last = lower.rsplit('.').next().unwrap_or_default();
    if lower.starts_with("credential.") {
        return last != "interactive";
    }
    if lower.starts_with("http.") {
        return ["extraheader", "sslcainfo", "sslcapath", "sslcert", "sslkey", "proxy", "emptyauth", "proactiveauth"]
            .contains(&last);
    }
    ["core.sshcommand", "core.askpass", "ssh.variant", "safe.directory"].contains(&lower.as_str())
}

// What git sends for a token. A plain one goes as the password of a user name that GitHub, Azure DevOps, GitLab and
// Bitbucket all take.
fn header(token: &Secret) -> String {
    let basic = |user: &str, password: &str| {
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        format!("Authorization: Basic {pair}")
    };
    match token.form() {
        Form::Bearer(token) => format!("Authorization: Bearer {token}"),
        Form::Pair(user, password) => basic(user, password),
        Form::Plain(token) => basic("x-access-token", token),
    }
}
