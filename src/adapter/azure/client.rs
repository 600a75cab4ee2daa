//! Requests: made by the SDK, sent over the client that all adapters share, and read as JSON of our own shapes.
//!
//! The SDK's types fail a whole list for one unknown value, and its own client would resolve names and verify certificates
//! in ways of its own. So it builds requests, and a transport of ours sends them, with credentials to the interface itself
//! and nowhere else, and keeps what came back.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use azure_core::http::{AsyncRawResponse, Body, HttpClient, Method, Request, RetryOptions, StatusCode, Transport};
use azure_devops_rust_api::{Credential, build, git, pipelines, release};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::place::{Place, escaped};
use crate::adapter::http::{self, ANSWER, Client, Failure, HOPS, PATIENCE, Restart, Tried, again, header, read};
use crate::domain::credentials::{Form, Role, Secret};
use crate::domain::escape;
use crate::port::PortError;

// A timeline of a large pipeline is well below it.
const LARGEST_ANSWER: u64 = 16 << 20;
const DOWNLOAD: Duration = Duration::from_secs(30 * 60);
/// How many items of a list are asked for at once.
pub(super) const PAGE: i32 = 100;
const MOST_PAGES: i32 = 50;
const LONGEST_TOKEN: usize = 2000;

/// What is needed for something, as Azure DevOps calls it.
pub(super) struct Needs {
    /// The scope of a personal access token.
    pub(super) scope: &'static str,
    /// The permission of whoever a token is of.
    pub(super) permission: &'static str,
}

/// Until when the service wants to be left alone: it says so with answers that are good, too.
pub(super) type Rest = Arc<Mutex<Option<Instant>>>;

/// The interface for one repository.
pub(super) struct Api<'a> {
    client: &'a Client,
    place: &'a Place,
    wire: Arc<Wire>,
    role: Role,
    needs: &'static Needs,
    is_job: bool,
    rest: &'a Rest,
}

/// Why something could not be had.
pub(super) enum Trouble {
    /// It is not there, or not any more.
    Gone(PortError),
    /// Anything else.
    Other(PortError),
}

impl From<Trouble> for PortError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Gone(error) | Trouble::Other(error) => error,
        }
    }
}

// What came back.
struct Answer {
    status: u16,
    headers: HeaderMap,
    bytes: Vec<u8>,
}

// Sends what the SDK has made, and keeps the answer.
struct Wire {
    http: reqwest::Client,
    authorization: Option<HeaderValue>,
    // Where a list goes on; the SDK knows that of few lists.
    token: Mutex<Option<String>>,
    kept: Mutex<Option<Tried<Answer>>>,
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    message: String,
    #[serde(default, rename = "typeKey")]
    kind: String,
}

// A list, as the service gives it.
#[derive(Deserialize)]
struct List<T> {
    count: usize,
    value: Vec<T>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

#[async_trait]
impl HttpClient for Wire {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let sent = self.send(request).await;
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(sent);
        // The SDK need not see it.
        Ok(AsyncRawResponse::from_bytes(StatusCode::Ok, azure_core::http::headers::Headers::new(), Vec::new()))
    }
}

impl Wire {
    async fn send(&self, request: &Request) -> Tried<Answer> {
        let mut url = request.url().clone();
        // The SDK joins with one slash too many in front, and leaves one behind where a last part is optional.
        let path = format!("/{}", url.path().trim_matches('/'));
        url.set_path(&path);
        if let Some(token) = self.token.lock().unwrap_or_else(PoisonError::into_inner).as_deref() {
            url.query_pairs_mut().append_pair("continuationToken", token);
        }
        let method = match request.method() {
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Patch => reqwest::Method::PATCH,
            _ => reqwest::Method::GET,
        };
        let has_body = method != reqwest::Method::GET;
        let mut sending = self.http.request(method, url).header(ACCEPT, "application/json");
        if let (true, Body::Bytes(bytes)) = (has_body, request.body()) {
            sending = sending.header("content-type", "application/json").body(bytes.clone());
        }
        if let Some(authorization) = &self.authorization {
            sending = sending.header(AUTHORIZATION, authorization.clone());
        }
        let response = sending.send().await.map_err(|error| again(&error.without_url()))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut bytes = Vec::new();
        read(reqwest::Body::from(response), LARGEST_ANSWER, &mut bytes).await?;
        Ok(Answer { status, headers, bytes })
    }

    fn take(&self) -> Option<Tried<Answer>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<'a> Api<'a> {
    pub(super) fn new(
        client: &'a Client,
        place: &'a Place,
        role: Role,
        token: Option<&Secret>,
        needs: &'static Needs,
        rest: &'a Rest,
    ) -> Result<Self, PortError> {
        let basic = |pair: String| format!("Basic {}", STANDARD.encode(pair));
        let form = token.map(Secret::form);
        let is_job = matches!(form, Some(Form::Bearer(_)));
        let authorization = form.map(|form| match form {
            Form::Bearer(token) => format!("Bearer {token}"),
            Form::Pair(user, password) => basic(format!("{user}:{password}")),
            Form::Plain(token) => basic(format!(":{token}")),
        });
        let authorization = authorization.map(|text| HeaderValue::from_str(&text)).transpose().map_err(|_| {
            PortError::Unusable(format!("the token in {} has characters that no token has", role.variable()))
        })?;
        let authorization = authorization.map(|mut value| {
            value.set_sensitive(true);
            value
        });
        let wire = Arc::new(Wire {
            http: client.http.clone(),
            authorization,
            token: Mutex::default(),
            kept: Mutex::default(),
        });
        Ok(Self { client, place, wire, role, needs, is_job, rest })
    }

    /// Where the repository is.
    pub(super) fn place(&self) -> &Place {
        self.place
    }

    /// The organization, the project and the repository, as parts of a path.
    pub(super) fn names(&self) -> [String; 3] {
        [&self.place.organization, &self.place.project, &self.place.repository].map(|name| escaped(name))
    }

    /// `organization/project`, for messages.
    pub(super) fn shown(&self) -> String {
        escape::line(&format!("{}/{}", self.place.organization, self.place.project))
    }

    fn endpoint(&self, base: &str) -> Result<Url, PortError> {
        Url::parse(base).map_err(|error| PortError::Unusable(format!("{}: {error}", escape::line(base))))
    }

    fn transport(&self) -> Transport {
        Transport::new(Arc::clone(&self.wire) as Arc<dyn HttpClient>)
    }

    /// The SDK's client for repositories.
    pub(super) fn git(&self) -> Result<git::Client, PortError> {
        let builder = git::Client::builder(Credential::unauthenticated()).endpoint(self.endpoint(&self.place.api)?);
        Ok(builder.transport(self.transport()).retry(RetryOptions::none()).build())
    }

    /// The SDK's client for builds.
    pub(super) fn build(&self) -> Result<build::Client, PortError> {
        let builder = build::Client::builder(Credential::unauthenticated()).endpoint(self.endpoint(&self.place.api)?);
        Ok(builder.transport(self.transport()).retry(RetryOptions::none()).build())
    }

    /// The SDK's client for pipelines.
    pub(super) fn pipelines(&self) -> Result<pipelines::Client, PortError> {
        let endpoint = self.endpoint(&self.place.api)?;
        let builder = pipelines::Client::builder(Credential::unauthenticated()).endpoint(endpoint);
        Ok(builder.transport(self.transport()).retry(RetryOptions::none()).build())
    }

    /// The SDK's client for classic releases.
    pub(super) fn release(&self) -> Result<release::Client, PortError> {
        let endpoint = self.endpoint(&self.place.releases)?;
        let builder = release::Client::builder(Credential::unauthenticated()).endpoint(endpoint);
        Ok(builder.transport(self.transport()).retry(RetryOptions::none()).build())
    }

    /// An error of this repository.
    pub(super) fn error(&self, doing: &str, said: impl Into<String>, hint: Option<String>) -> PortError {
        let doing = format!("cannot {doing} {} on Azure DevOps", self.shown());
        PortError::Forge { doing, said: said.into(), hint }
    }

    /// Sends a request that the SDK makes, and reads its answer; no content is null. All of it may be asked twice.
    pub(super) fn ask<T: DeserializeOwned, R, F>(&self, doing: &str, send: impl Fn() -> F) -> Result<T, Trouble>
    where
        F: Future<Output = azure_core::Result<R>>,
    {
        match self.part(doing, &send, None)? {
            (answer, None) => Ok(answer),
            // What is only a part must not pass for the whole.
            (_, Some(_)) => {
                Err(Trouble::Other(self.error(doing, "it shows only a part of what comes in one piece", None)))
            }
        }
    }

    // One answer, and where it goes on.
    fn part<T: DeserializeOwned, R, F>(
        &self,
        doing: &str,
        send: &impl Fn() -> F,
        token: Option<&String>,
    ) -> Result<(T, Option<String>), Trouble>
    where
        F: Future<Output = azure_core::Result<R>>,
    {
        *self.wire.token.lock().unwrap_or_else(PoisonError::into_inner) = token.cloned();
        let one = async || {
            let made = send().await.map(|_| ());
            let answer = self.wire.take().unwrap_or_else(|| {
                let said = made.err().map_or_else(|| "nothing was sent".to_owned(), |error| error.to_string());
                Err(Failure::Final { said: escape::line(&said), hint: None })
            })?;
            self.read(answer)
        };
        self.run(doing, async { http::patiently(ANSWER, one).await })
    }

    /// The same for what is there, or is an error.
    pub(super) fn get<T: DeserializeOwned, R, F>(&self, doing: &str, send: impl Fn() -> F) -> Result<T, PortError>
    where
        F: Future<Output = azure_core::Result<R>>,
    {
        Ok(self.ask(doing, send)?)
    }

    /// The items of a list, which may come in parts: each answer then says where the next one begins.
    pub(super) fn list<T: DeserializeOwned, R, F>(&self, doing: &str, send: impl Fn() -> F) -> Result<Vec<T>, Trouble>
    where
        F: Future<Output = azure_core::Result<R>>,
    {
        let wrong = |said: String| Err(Trouble::Other(self.error(doing, said, None)));
        let (mut all, mut tokens) = (Vec::new(), Vec::new());
        for _ in 0..MOST_PAGES {
            let (List { count, value }, next) = self.part(doing, &send, tokens.last())?;
            if count != value.len() {
                return wrong(format!("it tells of {count} and shows {}", value.len()));
            }
            all.extend(value);
            let Some(next) = next else { return Ok(all) };
            if tokens.contains(&next) || next.len() > LONGEST_TOKEN {
                return wrong("it shows only a part of a list, and not where that goes on".to_owned());
            }
            tokens.push(next);
        }
        wrong(format!("it shows a list in more than {MOST_PAGES} parts"))
    }

    /// The items of a list that is asked for by pages: `send` leaves out so many, and takes [`PAGE`] at most.
    pub(super) fn pages<T: DeserializeOwned, R, F>(
        &self,
        doing: &str,
        send: impl Fn(i32) -> F,
    ) -> Result<Vec<T>, Trouble>
    where
        F: Future<Output = azure_core::Result<R>>,
    {
        let mut all = Vec::new();
        for page in 0..MOST_PAGES {
            let part = self.list(doing, || send(page * PAGE))?;
            let is_last = part.len() < usize::try_from(PAGE).unwrap_or_default();
            all.extend(part);
            if is_last {
                return Ok(all);
            }
        }
        Err(Trouble::Other(self.error(doing, format!("there are more than {}", MOST_PAGES * PAGE), None)))
    }

    /// Downloads what is at an address; credentials go along within the interface only.
    pub(super) fn download(
        &self,
        doing: &str,
        url: &str,
        limit: u64,
        sink: &mut (dyn Restart + Send),
    ) -> Result<(), Trouble> {
        let base = self.endpoint(&self.place.api).map_err(Trouble::Other)?;
        let work = async {
            http::patiently(DOWNLOAD, async || {
                sink.restart().map_err(|error| Failure::Final { said: error.to_string(), hint: None })?;
                self.fetch(&base, url, limit, sink).await
            })
            .await
        };
        self.run(doing, work)
    }

    async fn fetch(&self, base: &Url, url: &str, limit: u64, sink: &mut (dyn Restart + Send)) -> Tried<()> {
        let mut url = Url::parse(url).map_err(|error| again(&error))?;
        for _ in 0..=HOPS {
            let below = url.path().strip_prefix(base.path().trim_end_matches('/'));
            let is_ours = url.origin() == base.origin() && below.is_some_and(|path| path.starts_with('/'));
            if !is_ours && (base.scheme() == "https" && url.scheme() != "https" || !url.scheme().starts_with("http")) {
                let said = format!("its storage is at {}, which is less than https", escape::line(url.scheme()));
                return Err(Failure::Final { said, hint: None });
            }
            let mut sending = self.wire.http.get(url.clone());
            if let Some(authorization) = self.wire.authorization.as_ref().filter(|_| is_ours) {
                sending = sending.header(AUTHORIZATION, authorization.clone());
            }
            let response = sending.send().await.map_err(|error| again(&error.without_url()))?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let location = headers.get("location").filter(|_| is_redirect(status)).and_then(|to| to.to_str().ok());
            if let Some(location) = location {
                url = url.join(location).map_err(|error| again(&error))?;
                continue;
            }
            let is_page = header(&headers, "content-type").is_some_and(|kind| kind.contains("html"));
            if status == 200 && !is_page {
                return read(reqwest::Body::from(response), limit, sink).await;
            }
            let mut bytes = Vec::new();
            read(reqwest::Body::from(response), 64 << 10, &mut bytes).await.ok();
            let failure = self.failure(&Answer { status, headers, bytes });
            // No permission of ours would change what storage says.
            return Err(match failure {
                Failure::Final { said, .. } if !is_ours => {
                    Failure::Final { said: format!("its storage: {said}"), hint: None }
                }
                other => other,
            });
        }
        Err(Failure::Final { said: "it redirects in a circle".to_owned(), hint: None })
    }

    fn run<T>(&self, doing: &str, work: impl Future<Output = Tried<T>>) -> Result<T, Trouble> {
        let rested = async {
            let until = *self.rest.lock().unwrap_or_else(PoisonError::into_inner);
            let left = until.map(|until| until.saturating_duration_since(now())).unwrap_or_default();
            if left > Duration::from_secs(PATIENCE) {
                let said = format!("it asked for {} s without requests", left.as_secs() + 1);
                return Err(Failure::Limited(left.as_secs(), said));
            }
            tokio::time::sleep(left).await;
            work.await
        };
        self.client.run(rested).map_err(|failure| match failure {
            Failure::Gone => Trouble::Gone(self.error(doing, "it answers that this is not there", None)),
            Failure::Interrupted => Trouble::Other(PortError::Interrupted),
            Failure::Again(said) | Failure::Limited(_, said) => Trouble::Other(self.error(doing, said, None)),
            Failure::Final { said, hint } => Trouble::Other(self.error(doing, said, hint)),
        })
    }

    // An answer, and where the list goes on of which it is a part.
    fn read<T: DeserializeOwned>(&self, answer: Answer) -> Tried<(T, Option<String>)> {
        if let Some(seconds) = http::rest(&answer.headers) {
            let until = now() + Duration::from_secs(seconds.min(24 * 3600));
            *self.rest.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
        }
        let bytes: &[u8] = match answer.status {
            204 => b"null",
            200 | 201 if is_json(&answer.headers) => &answer.bytes,
            _ => return Err(self.failure(&answer)),
        };
        let next = header(&answer.headers, "x-ms-continuationtoken").filter(|token| !token.is_empty());
        let read = serde_json::from_slice(bytes).map_err(|error| Failure::Final {
            said: format!("its answer is not what Azure DevOps answers: {error}"),
            hint: None,
        })?;
        Ok((read, next.map(str::to_owned)))
    }

    // What an answer is that is not the one that was asked for.
    fn failure(&self, answer: &Answer) -> Failure {
        let Answer { status, headers, bytes } = answer;
        let said =
            serde_json::from_slice::<Said>(bytes).unwrap_or(Said { message: String::new(), kind: String::new() });
        let shown: String = escape::line(&said.message).chars().take(300).collect();
        let told = if shown.is_empty() { format!("it answered {status}") } else { format!("{shown} ({status})") };
        let hint = |hint: String| Failure::Final { said: told.clone(), hint: Some(hint) };
        match status {
            // An interface that is asked without a valid token shows its sign-in page, in several ways.
            200 | 203 => Failure::Final {
                said: format!(
                    "it answered with a page for people instead of JSON ({status}), as it does without a valid token"
                ),
                hint: Some(self.way_in(401)),
            },
            _ if is_redirect(*status) => {
                let to = header(headers, "location").unwrap_or_default();
                let to = Url::parse(to).ok().and_then(|url| url.host_str().map(escape::line)).unwrap_or_default();
                let moved = "name the repository by the URL that it has now";
                Failure::Final {
                    said: format!(
                        "it redirects to another place ({to}), which is not asked, as it does without a valid token"
                    ),
                    hint: Some(format!("{}; or {moved}", self.way_in(401))),
                }
            }
            404 if said.kind.contains("BuildNotFound") || said.kind.contains("ArtifactNotFound") => Failure::Gone,
            410 => Failure::Gone,
            401 | 403 | 404 => hint(self.way_in(*status)),
            429 => {
                let pause = http::rest(headers).unwrap_or(PATIENCE).max(1);
                Failure::Limited(pause, format!("{told}; its rate limit wants {pause} s without requests"))
            }
            400 if said.kind.contains("VssVersionOutOfRange") => {
                hint("Azure DevOps Server 2022.1 is the oldest whose interface is known here".to_owned())
            }
            500..=599 => Failure::Again(told),
            _ => Failure::Final { said: told, hint: None },
        }
    }

    // The way in, for an answer that keeps us out.
    fn way_in(&self, status: u16) -> String {
        let (variable, shown) = (self.role.variable(), self.shown());
        let Needs { scope, permission } = self.needs;
        if self.wire.authorization.is_none() {
            return format!(
                "no token is meant for this host: give one as {variable}: $(System.AccessToken), or a personal access \
                 token with the scope {scope}"
            );
        }
        if !self.is_job {
            let wrong = if status == 401 { "is wrong, has expired, or " } else { "" };
            return format!(
                "the token for {shown} {wrong}lacks something: as a personal access token it needs the scope {scope}, and \
                 whoever it is of the permission {permission}; give a new one as {variable}"
            );
        }
        let project = escape::line(&self.place.project);
        format!(
            "a job's token reaches another project only while `Limit job authorization scope to current project` is off, for \
             release pipelines too (Settings, Pipelines, Settings, of the organization and of the project that the job runs \
             in), and a repository that its YAML does not name only while `Protect access to repositories in YAML pipelines` \
             is off; `{project} Build Service`, or `Project Collection Build Service` where the scope is not limited, needs \
             the permission {permission} on {shown}; or give a personal access token with the scope {scope} as {variable}"
        )
    }
}

#[allow(clippy::disallowed_methods, reason = "the service wants to be left alone for a while, by whatever clock")]
fn now() -> Instant {
    Instant::now()
}

fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

fn is_json(headers: &HeaderMap) -> bool {
    header(headers, "content-type").is_some_and(|kind| kind.contains("json"))
}

/// What the SDK takes as a body.
pub(super) fn body<T: DeserializeOwned>(value: serde_json::Value) -> Result<T, PortError> {
    serde_json::from_value(value).map_err(|error| PortError::Unusable(format!("what is sent: {error}")))
}
