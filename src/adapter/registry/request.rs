//! One request: where it goes, what it carries, and whom it may be redirected to.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, LOCATION};
use reqwest::{Method, Response, Url};

use super::access::{self, Challenge};
use super::credentials::{Credential, Settings};
use super::index::Index;
use crate::adapter::http::{Client, Direct, Failure, HOPS, Tried, again, read, retry_after};
use crate::domain::escape;
use crate::domain::policy::Hosts;

/// The hub of docker, whose interface is on another host than its name.
const HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");
const WORDS: u64 = 16 << 10;
// A pause that nobody named.
const PAUSE: u64 = 5;
// What all lists of tags may take that ranges of versions are looked for in.
const ROOM: usize = 64 << 20;
// Shorter secrets may stand anywhere.
const SHORTEST: usize = 4;
// What registries have in common of what they say.
const CODES: &[&str] = &[
    "BLOB_UNKNOWN",
    "DENIED",
    "DIGEST_INVALID",
    "MANIFEST_BLOB_UNKNOWN",
    "MANIFEST_INVALID",
    "MANIFEST_UNKNOWN",
    "NAME_INVALID",
    "NAME_UNKNOWN",
    "SIZE_INVALID",
    "TOOMANYREQUESTS",
    "UNAUTHORIZED",
    "UNSUPPORTED",
];

/// What the questions of one round share.
pub(super) struct Session {
    client: reqwest::Client,
    direct: Arc<Direct>,
    settings: Arc<Settings>,
    hosts: Hosts,
    pub(super) interrupted: Arc<AtomicBool>,
    state: Mutex<State>,
    room: AtomicUsize,
    /// The charts of each repository that are asked for.
    pub(super) charts: HashMap<String, HashSet<String>>,
    /// Indexes of chart repositories, each read once, or why that cannot be.
    pub(super) indexes: tokio::sync::Mutex<HashMap<String, Result<Arc<Index>, &'static str>>>,
}

/// What was found out.
#[derive(Default)]
pub(super) struct State {
    /// How a host wants to be asked.
    pub(super) challenges: HashMap<String, Challenge>,
    /// What is sent to a host for a scope.
    pub(super) tokens: HashMap<(String, String), String>,
    credentials: HashMap<String, Result<Option<Credential>, String>>,
    down: HashMap<String, String>,
    mute: HashSet<String>,
}

/// Where a request goes, and what it is for.
#[derive(Clone, Copy)]
pub(super) struct To<'a> {
    /// The host, as references name it.
    pub(super) host: &'a str,
    /// The repository; empty for none.
    pub(super) repository: &'a str,
    /// The media types that are read.
    pub(super) accept: &'a str,
}

/// What must not be said.
pub(super) struct Secrets(HashSet<String>);

impl Secrets {
    /// Whether a text has one of them.
    pub(super) fn are_in(&self, text: &str) -> bool {
        let text = text.to_ascii_lowercase();
        self.0.iter().any(|secret| text.contains(secret))
    }
}

impl Session {
    pub(super) fn new(
        client: &Client,
        settings: Arc<Settings>,
        hosts: &Hosts,
        charts: HashMap<String, HashSet<String>>,
    ) -> Self {
        Self {
            client: client.http.clone(),
            direct: Arc::clone(&client.direct),
            settings,
            hosts: hosts.clone(),
            interrupted: Arc::clone(&client.interrupted),
            state: Mutex::default(),
            room: AtomicUsize::new(ROOM),
            charts,
            indexes: tokio::sync::Mutex::default(),
        }
    }

    /// What sends a request there: no proxy is between this machine and itself.
    pub(super) fn client(&self, url: &Url) -> Tried<&reqwest::Client> {
        if is_loopback(&authority(url)) {
            self.direct.client().map_err(|error| last(&error.to_string()))
        } else {
            Ok(&self.client)
        }
    }

    /// Whether there is room for so many more bytes of tags.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |room| room.checked_sub(bytes)).is_ok()
    }

    pub(super) fn patience(&self) -> Duration {
        self.settings.patience()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why a host is not asked any more.
    pub(super) fn is_down(&self, host: &str) -> Option<String> {
        self.state().down.get(host).cloned()
    }

    pub(super) fn down(&self, host: &str, why: &str) {
        self.state().down.insert(host.to_owned(), why.to_owned());
    }

    /// Whether a host does not say which tags it has.
    pub(super) fn is_mute(&self, host: &str) -> bool {
        self.state().mute.contains(host)
    }

    pub(super) fn mute(&self, host: &str) {
        self.state().mute.insert(host.to_owned());
    }

    /// What gives away who we are: a server may say whatever it was told.
    pub(super) fn secrets(&self) -> Secrets {
        let state = self.state();
        let known = state.credentials.values().filter_map(|known| known.as_ref().ok()?.as_ref());
        let sent = state.tokens.values().filter_map(|sent| sent.split_once(' ')).map(|(_, token)| token.to_owned());
        let all = known.flat_map(Credential::forms).chain(sent).map(|secret| secret.to_ascii_lowercase());
        Secrets(all.filter(|secret| secret.len() >= SHORTEST).collect())
    }

    // Whether somebody was told who we are, or may have been.
    fn has_credentials(&self) -> bool {
        self.state().credentials.values().any(|known| !matches!(known, Ok(None)))
    }

    /// Who we are for a host; a helper is asked once, and has an end of its own.
    pub(super) fn credential(&self, host: &str) -> Tried<Option<Credential>> {
        let mut state = self.state();
        let known =
            state.credentials.entry(host.to_owned()).or_insert_with(|| self.settings.of(host, &self.interrupted));
        known.clone().map_err(|why| last(&why))
    }

    /// Whether the rules name a host.
    pub(super) fn is_named(&self, host: &str) -> bool {
        let is_it = |named: &String| named == host || (named == HUB.0 && host == HUB.1);
        self.hosts.named.iter().any(is_it) || self.is_issuer(host)
    }

    /// Whether the rules let a host issue tokens for others.
    pub(super) fn is_issuer(&self, host: &str) -> bool {
        self.hosts.realms.iter().any(|realm| realm == host)
    }

    /// A URL of a registry's interface.
    pub(super) fn url(&self, host: &str, path: &str) -> Tried<Url> {
        let server = if host == HUB.0 { HUB.1 } else { host };
        let scheme = if is_loopback(server) { "http" } else { "https" };
        Url::parse(&format!("{scheme}://{server}/v2/{path}")).map_err(|error| again(&error))
    }

    /// Asks, as whom the host wants to see; follows redirects by hand.
    pub(super) async fn send(&self, method: &Method, url: &Url, to: To<'_>) -> Tried<Response> {
        if !self.is_named(to.host) {
            return Err(last("no rule names it, so it is not asked"));
        }
        let mut pass = access::known(self, to).await?;
        // What was known may have run out, so it is asked for anew, once.
        let mut tries = if pass.is_some() { 2 } else { 1 };
        loop {
            let response = self.follow(method, url, to, pass.as_deref()).await?;
            if response.status() != 401 {
                return Ok(response);
            }
            // Nobody else than the host itself is told who asks.
            let is_its_own = response.url().origin() == url.origin();
            let challenge = access::wanted(response.headers()).filter(|_| tries > 0 && is_its_own);
            let Some(challenge) = challenge else {
                let hint = access::way_in(to.host);
                return Err(Failure::Final { said: self.words(response).await, hint: Some(hint) });
            };
            tries -= 1;
            pass = Some(access::answer(self, challenge, to).await?);
        }
    }

    async fn follow(&self, method: &Method, url: &Url, to: To<'_>, pass: Option<&str>) -> Tried<Response> {
        let mut at = url.clone();
        for _ in 0..=HOPS {
            let mut request = self.client(&at)?.request(method.clone(), at.clone()).header(ACCEPT, to.accept);
            // Credentials are for the host that they were asked for.
            if let Some(pass) = pass.filter(|_| at.origin() == url.origin()) {
                request = request.header(AUTHORIZATION, pass);
            }
            let response = request.send().await.map_err(|error| again(&error.without_url()))?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(response);
            }
            let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
            let Some(next) = location.and_then(|location| at.join(location).ok()) else {
                return Err(last("it redirects to nowhere"));
            };
            if next.origin() != url.origin() && !(self.is_named(&authority(&next)) && is_safe(&next)) {
                let host = escape::line(&authority(&next));
                return Err(Failure::Final {
                    said: format!("it redirects to {host}, which no rule names"),
                    hint: Some("name it in `images.realms` of stage.yaml if it is yours".to_owned()),
                });
            }
            at = next;
        }
        Err(last("it redirects in a circle"))
    }

    /// What an answer that is no yes says. Whoever was told who we are may say that too, so only what all registries have in
    /// common is shown then.
    pub(super) async fn words(&self, response: Response) -> String {
        let status = response.status().as_u16();
        let mut bytes = Vec::new();
        read(reqwest::Body::from(response), WORDS, &mut bytes).await.ok();
        let json = serde_json::from_slice::<serde_json::Value>(&bytes).ok();
        let first = json.as_ref().and_then(|json| json.get("errors")?.get(0));
        let part = |name: &str| first.and_then(|first| first.get(name)?.as_str()).unwrap_or_default();
        let code = CODES.iter().find(|code| **code == part("code")).copied().unwrap_or_default();
        let said = if self.has_credentials() { code } else { part("message") };
        let message: String = escape::line(said).chars().take(200).collect();
        if message.is_empty() { format!("it answered {status}") } else { format!("{message} ({status})") }
    }

    /// What an answer means that is neither yes nor "not there".
    pub(super) async fn refusal<T>(&self, response: Response, host: &str) -> Tried<T> {
        let status = response.status().as_u16();
        let after = retry_after(response.headers());
        let said = self.words(response).await;
        Err(match status {
            429 => Failure::Limited(after.unwrap_or(PAUSE).max(1), said),
            503 if after.is_some() => Failure::Limited(after.unwrap_or(PAUSE).max(1), said),
            500..=599 => Failure::Again(said),
            401 | 403 => Failure::Final { said, hint: Some(access::way_in(host)) },
            _ => Failure::Final { said, hint: None },
        })
    }
}

/// What another try would not change.
pub(super) fn last(said: &str) -> Failure {
    Failure::Final { said: said.to_owned(), hint: None }
}

/// Host and port of a URL, as rules name them.
pub(super) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default().to_ascii_lowercase();
    url.port().map_or(host.clone(), |port| format!("{host}:{port}"))
}

/// Whether what is sent there is safe from readers.
pub(super) fn is_safe(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&authority(url)))
}

/// Whether a host is this very machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    let name = name.map_or(host, |(name, _)| name).trim_matches(['[', ']']);
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
