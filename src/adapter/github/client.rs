//! Requests: bounded, tried again where that can help, never with credentials to another host, and each refusal explained.

use std::time::Duration;

use http_body_util::BodyExt;
use octocrab::Octocrab;
use reqwest::Url;
use reqwest::header::{ACCEPT, HeaderMap, HeaderName};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::place::Place;
use crate::adapter::http::{self, ANSWER, Client, Failure, HOPS, PATIENCE, Restart, Tried, again, header, read};
use crate::domain::credentials::{Form, Role, Secret};
use crate::domain::escape;
use crate::port::PortError;

// A page of a hundred check runs with their outputs is well below it.
const LARGEST_ANSWER: u64 = 16 << 20;
const DOWNLOAD: Duration = Duration::from_secs(30 * 60);
const MOVED: &str = "name the repository by the URL that it has now";
const NOT_BY_ACTIONS: &str = "let Actions create pull requests in the repository's settings (Actions, General), or give \
                              the token of a GitHub App: what a workflow's own token opens starts no checks";
const LOST: &str = "it may have been done all the same: run it again, which looks first";

/// How something is sent.
#[derive(Debug, Clone, Copy)]
pub(super) enum Method {
    Post,
    Patch,
}

/// The interface for one repository.
pub(super) struct Api<'a> {
    client: &'a Client,
    place: &'a Place,
    base: Url,
    octocrab: Octocrab,
    role: Role,
    has_token: bool,
    // Permissions, as GitHub calls them: `actions: read`.
    needs: &'static [&'static str],
}

/// Why something could not be had.
pub(super) enum Trouble {
    /// There was something, and it is gone.
    Gone,
    /// Anything else.
    Other(PortError),
}

impl<'a> Api<'a> {
    pub(super) fn new(
        client: &'a Client,
        place: &'a Place,
        role: Role,
        token: Option<&Secret>,
        needs: &'static [&'static str],
    ) -> Result<Self, PortError> {
        let unusable = |error: &dyn std::fmt::Display| PortError::Unusable(format!("{}: {error}", place.api));
        let base = Url::parse(&place.api).map_err(|error| unusable(&error))?;
        let token = token.map(|token| match token.form() {
            Form::Bearer(token) | Form::Plain(token) | Form::Pair(_, token) => token.to_owned(),
        });
        // octocrab would panic on it.
        if token.as_ref().is_some_and(|token| !token.bytes().all(|b| b.is_ascii_graphic())) {
            let variable = role.variable();
            return Err(PortError::Unusable(format!("the token in {variable} has characters that no token has")));
        }
        // octocrab starts a task of its own as soon as it is made.
        let _inside = client.runtime.enter();
        let builder = Octocrab::builder()
            .base_uri(place.api.as_str())
            .map_err(|error| unusable(&error))?
            .add_header(ACCEPT, "application/vnd.github+json".to_owned())
            .add_header(HeaderName::from_static("x-github-api-version"), "2022-11-28".to_owned());
        let has_token = token.is_some();
        let builder = match token {
            Some(token) => builder.personal_token(token),
            None => builder,
        };
        let octocrab = builder.build_with_reqwest(client.http.clone()).map_err(|error| unusable(&error))?;
        Ok(Self { client, place, base, octocrab, role, has_token, needs })
    }

    /// `owner/name`.
    pub(super) fn slug(&self) -> &str {
        &self.place.slug
    }

    /// The repository's own page.
    pub(super) fn web(&self) -> &str {
        &self.place.web
    }

    /// An error of this repository.
    pub(super) fn error(&self, doing: &str, said: impl Into<String>, hint: Option<String>) -> PortError {
        let doing = format!("cannot {doing} {} on {}", self.slug(), self.base.host_str().unwrap_or_default());
        PortError::Forge { doing, said: said.into(), hint }
    }

    /// Gets what a path below the repository has, as JSON.
    pub(super) fn get<T: DeserializeOwned>(&self, doing: &str, path: &str) -> Result<T, PortError> {
        let one = async {
            let mut bytes = Vec::new();
            let is_json = self.fetch(path, false, LARGEST_ANSWER, ANSWER, &mut bytes).await?;
            parsed(is_json, &bytes)
        };
        self.answered(doing, one)
    }

    /// Sends something to a path below the repository, or below the interface, where it begins with a slash; once, unless it was turned away unread: whoever asks must find out whether a lost one took effect.
    pub(super) fn send<T: DeserializeOwned>(
        &self,
        doing: &str,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<T, PortError> {
        let below = if path.starts_with('/') { String::new() } else { format!("/repos/{}/", self.slug()) };
        let url = format!("{}{below}{path}", self.place.api);
        let one = http::patiently(ANSWER, async || {
            let sent = match method {
                Method::Post => self.octocrab._post(url.as_str(), Some(body)).await,
                Method::Patch => self.octocrab._patch(url.as_str(), Some(body)).await,
            };
            let lost = |failure| match failure {
                Failure::Again(said) => Failure::Final { said, hint: Some(LOST.to_owned()) },
                other => other,
            };
            let (parts, answer) = sent.map_err(|error| lost(again(&error)))?.into_parts();
            if self.follow(parts.status.as_u16(), &parts.headers).is_some() {
                let said = "it redirects to another place, where nothing is written".to_owned();
                return Err(Failure::Final { said, hint: Some(MOVED.to_owned()) });
            }
            let mut bytes = Vec::new();
            let taken = self.take(parts.status.as_u16(), &parts.headers, answer, LARGEST_ANSWER, &mut bytes).await;
            parsed(taken.map_err(lost)?, &bytes)
        });
        self.answered(doing, one)
    }

    fn answered<T>(&self, doing: &str, work: impl Future<Output = Tried<T>>) -> Result<T, PortError> {
        match self.run(work) {
            Ok(answer) => Ok(answer),
            Err(Trouble::Gone) => Err(self.error(doing, "it answers that this is gone (410)", None)),
            Err(Trouble::Other(error)) => Err(self.named(error, doing)),
        }
    }

    /// Downloads what a path below the repository leads to.
    pub(super) fn download(
        &self,
        doing: &str,
        path: &str,
        limit: u64,
        sink: &mut (dyn Restart + Send),
    ) -> Result<(), Trouble> {
        match self.run(async { self.fetch(path, true, limit, DOWNLOAD, sink).await.map(|_| ()) }) {
            Err(Trouble::Other(error)) => Err(Trouble::Other(self.named(error, doing))),
            other => other,
        }
    }

    // Errors are born without knowing what was tried.
    fn named(&self, error: PortError, doing: &str) -> PortError {
        match error {
            PortError::Forge { said, hint, .. } => self.error(doing, said, hint),
            other => other,
        }
    }

    fn run<T>(&self, work: impl Future<Output = Tried<T>>) -> Result<T, Trouble> {
        self.client.run(work).map_err(|failure| match failure {
            Failure::Gone => Trouble::Gone,
            Failure::Interrupted => Trouble::Other(PortError::Interrupted),
            Failure::Again(said) | Failure::Limited(_, said) => {
                Trouble::Other(PortError::Forge { doing: String::new(), said, hint: None })
            }
            Failure::Final { said, hint } => Trouble::Other(PortError::Forge { doing: String::new(), said, hint }),
        })
    }

    // All of it may be asked twice. Gives whether the answer says that it is JSON.
    async fn fetch(
        &self,
        path: &str,
        elsewhere: bool,
        limit: u64,
        time: Duration,
        sink: &mut (dyn Restart + Send),
    ) -> Tried<bool> {
        http::patiently(time, async || {
            sink.restart().map_err(|error| Failure::Final { said: error.to_string(), hint: None })?;
            self.once(path, elsewhere, limit, sink).await
        })
        .await
    }

    async fn once(&self, path: &str, elsewhere: bool, limit: u64, sink: &mut (dyn Restart + Send)) -> Tried<bool> {
        let mut url = format!("{}/repos/{}/{path}", self.place.api, self.slug());
        for _ in 0..=HOPS {
            let parsed = Url::parse(&url).map_err(|error| again(&error))?;
            // Storage may be on the very host of the interface.
            let below = parsed.path().strip_prefix(self.base.path().trim_end_matches('/'));
            let is_ours = parsed.origin() == self.base.origin() && below.is_some_and(|path| path.starts_with('/'));
            if !is_ours && (!elsewhere || (self.base.scheme() == "https" && parsed.scheme() != "https")) {
                let host = escape::line(parsed.host_str().unwrap_or_default());
                return Err(Failure::Final {
                    said: format!("it redirects to another place ({host}), which is not asked"),
                    hint: Some(MOVED.to_owned()),
                });
            }
            let location = if is_ours {
                let response = self.octocrab._get(url.as_str()).await.map_err(|error| again(&error))?;
                let (parts, body) = response.into_parts();
                match self.follow(parts.status.as_u16(), &parts.headers) {
                    Some(location) => location,
                    None => return self.take(parts.status.as_u16(), &parts.headers, body, limit, sink).await,
                }
            } else {
                // Without credentials: the address itself is the permission.
                let sent = self.client.http.get(parsed.clone()).send().await;
                let response = sent.map_err(|error| again(&error.without_url()))?;
                let (status, headers) = (response.status().as_u16(), response.headers().clone());
                match self.follow(status, &headers) {
                    Some(location) => location,
                    None => {
                        let taken = self.take(status, &headers, reqwest::Body::from(response), limit, sink).await;
                        // No permission of ours would change what storage says.
                        return taken.map_err(|failure| match failure {
                            Failure::Final { said, .. } => {
                                Failure::Final { said: format!("its storage: {said}"), hint: None }
                            }
                            other => other,
                        });
                    }
                }
            };
            url = parsed.join(&location).map_err(|error| again(&error))?.to_string();
        }
        Err(Failure::Final { said: "it redirects in a circle".to_owned(), hint: None })
    }

    fn follow(&self, status: u16, headers: &HeaderMap) -> Option<String> {
        let is_redirect = matches!(status, 301 | 302 | 303 | 307 | 308);
        headers.get("location").filter(|_| is_redirect)?.to_str().ok().map(str::to_owned)
    }

    // What an answer says, into the sink when it is one.
    async fn take<B>(
        &self,
        status: u16,
        headers: &HeaderMap,
        body: B,
        limit: u64,
        sink: &mut (dyn Restart + Send),
    ) -> Tried<bool>
    where
        B: BodyExt + Unpin,
        B::Data: AsRef<[u8]>,
        B::Error: std::fmt::Display,
    {
        let is_json = header(headers, "content-type").is_some_and(|kind| kind.contains("json"));
        if matches!(status, 200 | 201) {
            read(body, limit, sink).await?;
            return Ok(is_json);
        }
        let mut words = Vec::new();
        read(body, 64 << 10, &mut words).await.ok();
        let message = serde_json::from_slice::<Value>(&words).map(|json| told(&json)).unwrap_or_default();
        let shown: String = escape::line(&message).chars().take(300).collect();
        let said = if shown.is_empty() { format!("it answered {status}") } else { format!("{shown} ({status})") };
        Err(match status {
            410 => Failure::Gone,
            429 => Failure::Limited(pause(headers), rate(&said, headers)),
            403 if is_limit(headers, &message) => Failure::Limited(pause(headers), rate(&said, headers)),
            403 if message.contains("not permitted to create") => {
                Failure::Final { said, hint: Some(NOT_BY_ACTIONS.to_owned()) }
            }
            401 | 403 | 404 => Failure::Final { said, hint: Some(self.way_in(status, headers)) },
            500..=599 => Failure::Again(said),
            _ => Failure::Final { said, hint: None },
        })
    }

    // The way in, for an answer that keeps us out.
    fn way_in(&self, status: u16, headers: &HeaderMap) -> String {
        let (variable, slug) = (self.role.variable(), self.slug());
        let all = self.needs.join(", ");
        if !self.has_token {
            return format!("no token is meant for this host: give one as {variable} that has {all} on {slug}");
        }
        if header(headers, "x-github-sso").is_some() {
            return format!("authorize the token in {variable} for the organisation's single sign-on");
        }
        if status == 401 {
            return format!("the token for {slug} is wrong or has expired: give a new one as {variable}");
        }
        let (owner, name) = slug.split_once('/').unwrap_or((slug, ""));
        let asked: Vec<String> = self.needs.iter().map(|need| format!("permission-{need}")).collect();
        format!(
            "the token for {slug} needs {all}. In its own repository a workflow says `permissions: {{{all}}}`; a \
             workflow's token sees no other repository: there, make one with the step actions/create-github-app-token \
             (with: owner: {owner}, repositories: {name}, {}) and give it as {variable}",
            asked.join(", ")
        )
    }
}

fn parsed<T: DeserializeOwned>(is_json: bool, bytes: &[u8]) -> Tried<T> {
    serde_json::from_slice(bytes).map_err(|error| {
        let (said, hint) = if is_json {
            (format!("its answer is not what GitHub answers: {error}"), None)
        } else {
            let hint = "look at that address: it may be a proxy's or a login page, and no interface of GitHub";
            ("it answered with a page for people instead of JSON".to_owned(), Some(hint.to_owned()))
        };
        Failure::Final { said, hint }
    })
}

// The message of a refusal, and what it says of single fields.
fn told(json: &Value) -> String {
    let text = |value: &Value| value.get("message").unwrap_or(value).as_str().map(str::to_owned);
    let errors = json.get("errors").and_then(Value::as_array).into_iter().flatten();
    text(json).into_iter().chain(errors.filter_map(text)).collect::<Vec<_>>().join(": ")
}

// The primary limit says that nothing remains, the secondary one when to come again, or only its name.
fn is_limit(headers: &HeaderMap, message: &str) -> bool {
    header(headers, "x-ratelimit-remaining") == Some("0")
        || header(headers, "retry-after").is_some()
        || message.to_ascii_lowercase().contains("rate limit")
}

fn pause(headers: &HeaderMap) -> u64 {
    http::rest(headers).unwrap_or(PATIENCE).max(1)
}

fn rate(said: &str, headers: &HeaderMap) -> String {
    format!("{said}; its rate limit wants {} s without requests", pause(headers))
}
