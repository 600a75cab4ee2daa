//! Who we are for each registry: what the run was given, else what docker knows.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use docker_credential::{CredentialRetrievalError, DockerCredential};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::Value;

use crate::adapter::child::{self, Limits};
use crate::domain::escape;

const PATIENCE: Duration = Duration::from_secs(20);
const LARGEST: usize = 1 << 20;
// What every helper says of a host that it does not know.
const UNKNOWN: &str = "not found";

// What a helper says.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Told {
    username: String,
    secret: String,
}

/// What the environment says of registries.
#[derive(Default)]
pub struct Settings {
    // Of each host what it is given.
    given: Vec<(String, String)>,
    // docker's config.json.
    config: Option<PathBuf>,
    patience: Option<Duration>,
}

/// A credential, which no `Debug` shows.
#[derive(Clone)]
pub(super) enum Credential {
    Pair(String, String),
    Identity(String),
}

impl Credential {
    /// What gives it away, in each form in which it may be sent or said.
    pub(super) fn forms(&self) -> Vec<String> {
        let encode = |text: &str| STANDARD.encode(text).trim_end_matches('=').to_owned();
        let (Self::Pair(_, secret) | Self::Identity(secret)) = self;
        let mut forms = vec![secret.clone(), encode(secret), utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string()];
        if let Self::Pair(user, password) = self {
            forms.push(encode(&format!("{user}:{password}")));
        }
        forms
    }
}

impl Settings {
    /// Reads `PASSGATE_REGISTRY_TOKENS` (`host=user:password`, one a line), `PASSGATE_REGISTRY_TIMEOUT` (seconds),
    /// `DOCKER_CONFIG` and `HOME`.
    pub fn new(variable: impl Fn(&str) -> Option<String>) -> Self {
        let given = variable("PASSGATE_REGISTRY_TOKENS").unwrap_or_default();
        let given = given.lines().filter_map(|line| line.trim().split_once('='));
        let folder = variable("DOCKER_CONFIG").map(PathBuf::from);
        let folder = folder.or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".docker")));
        let seconds = variable("PASSGATE_REGISTRY_TIMEOUT").and_then(|text| text.parse().ok());
        Self {
            given: given.map(|(host, secret)| (host.trim().to_ascii_lowercase(), secret.trim().to_owned())).collect(),
            config: folder.map(|folder| folder.join("config.json")),
            patience: seconds.map(Duration::from_secs),
        }
    }

    /// How long an answer may take.
    pub(super) fn patience(&self) -> Duration {
        self.patience.unwrap_or(PATIENCE)
    }

    /// What a host is told of us; None: nothing.
    ///
    /// # Errors
    /// docker's file or its helper does not say.
    pub(super) fn of(&self, host: &str, interrupted: &AtomicBool) -> Result<Option<Credential>, String> {
        if let Some((_, secret)) = self.given.iter().find(|(of, _)| *of == host.to_ascii_lowercase()) {
            let pair = secret.split_once(':');
            return Ok(Some(match pair {
                Some((user, password)) => Credential::Pair(user.to_owned(), password.to_owned()),
                None => Credential::Identity(secret.clone()),
            }));
        }
        let Some(text) = self.config.as_ref().and_then(|path| std::fs::read(path).ok()) else { return Ok(None) };
        let mut config: Value = serde_json::from_slice(&text)
            .map_err(|error| format!("docker's config.json: {}", escape::line(&error.to_string())))?;
        // docker keeps its own hub under an old name.
        let server = if host == "docker.io" { "https://index.docker.io/v1/" } else { host };
        // The crate would wait for a helper as long as that likes: it reads the rest of the file, and nothing else.
        let mut take = |key: &str| config.as_object_mut().and_then(|config| config.remove(key)).unwrap_or_default();
        let (helpers, store) = (take("credHelpers"), take("credsStore"));
        let named = |name: Option<&str>| name.filter(|name| !name.is_empty()).map(str::to_owned);
        if let Some(name) = named(helpers.get(server).and_then(Value::as_str)) {
            return self.ask(&name, server, interrupted);
        }
        match docker_credential::get_credential_from_reader(config.to_string().as_bytes(), server) {
            Ok(DockerCredential::UsernamePassword(user, password)) => Ok(Some(Credential::Pair(user, password))),
            Ok(DockerCredential::IdentityToken(token)) => Ok(Some(Credential::Identity(token))),
            Err(CredentialRetrievalError::NoCredentialConfigured | CredentialRetrievalError::ConfigNotFound) => {
                named(store.as_str()).map_or(Ok(None), |name| self.ask(&name, server, interrupted))
            }
            Err(error) => Err(format!("docker's config.json: {}", escape::line(&error.to_string()))),
        }
    }

    // What a helper knows of a server. What else it prints may be a secret.
    #[allow(clippy::disallowed_methods, reason = "docker's helpers are programs; this one has an end")]
    fn ask(&self, name: &str, server: &str, interrupted: &AtomicBool) -> Result<Option<Credential>, String> {
        let helper = format!("docker-credential-{name}");
        let shown = escape::line(&helper);
        let mut command = Command::new(&helper);
        command.arg("get");
        let limits = Limits { time: self.patience(), output: LARGEST, memory: None };
        let ran = child::run(&mut command, server, limits, Some(interrupted))
            .map_err(|stopped| format!("{shown} does not give its credentials: {stopped}"))?;
        if !ran.success {
            let is_unknown = String::from_utf8_lossy(&ran.stdout).contains(UNKNOWN);
            return if is_unknown { Ok(None) } else { Err(format!("{shown} does not give its credentials")) };
        }
        let told: Told = serde_json::from_slice(&ran.stdout)
            .map_err(|_| format!("{shown} does not give its credentials: it says something else"))?;
        Ok(Some(match told.username.as_str() {
            "<token>" => Credential::Identity(told.secret),
            _ => Credential::Pair(told.username, told.secret),
        }))
    }
}
