//! Who we are for each registry: what the run was given, else what docker knows.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::time::Duration;

use docker_credential::{CredentialRetrievalError, DockerCredential};

use crate::domain::escape;

const PATIENCE: Duration = Duration::from_secs(20);

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
    pub(super) fn of(&self, host: &str) -> Result<Option<Credential>, String> {
        if let Some((_, secret)) = self.given.iter().find(|(of, _)| *of == host.to_ascii_lowercase()) {
            let pair = secret.split_once(':');
            return Ok(Some(match pair {
                Some((user, password)) => Credential::Pair(user.to_owned(), password.to_owned()),
                None => Credential::Identity(secret.clone()),
            }));
        }
        let Some(file) = self.config.as_ref().and_then(|path| File::open(path).ok()) else { return Ok(None) };
        // docker keeps its own hub under an old name.
        let server = if host == "docker.io" { "https://index.docker.io/v1/" } else { host };
        match docker_credential::get_credential_from_reader(BufReader::new(file), server) {
            Ok(DockerCredential::UsernamePassword(user, password)) => Ok(Some(Credential::Pair(user, password))),
            Ok(DockerCredential::IdentityToken(token)) => Ok(Some(Credential::Identity(token))),
            Err(CredentialRetrievalError::NoCredentialConfigured | CredentialRetrievalError::ConfigNotFound) => {
                Ok(None)
            }
            Err(CredentialRetrievalError::HelperFailure { stdout, .. }) if stdout.contains("not found") => Ok(None),
            // What a helper printed may be a secret.
            Err(CredentialRetrievalError::HelperFailure { helper, .. }) => {
                Err(format!("{} does not give its credentials", escape::line(&helper)))
            }
            Err(error) => Err(format!("docker's config.json: {}", escape::line(&error.to_string()))),
        }
    }
}
