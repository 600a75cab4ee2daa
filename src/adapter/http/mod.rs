//! HTTP for every adapter that asks a server: one client, bounded answers, tries again where that can help, and the words of
//! what went wrong. Who may be asked, and with which credentials, each adapter knows for itself.

pub(in crate::adapter) mod download;

use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use http_body_util::BodyExt;
use reqwest::Certificate;
use reqwest::header::HeaderMap;

use crate::domain::escape;
use crate::port::PortError;

const TRIES: u32 = 3;
const CONNECT: Duration = Duration::from_secs(20);
/// How long an answer may take.
pub(in crate::adapter) const ANSWER: Duration = Duration::from_secs(60);
/// Seconds that a rate limit is waited for, all in all.
pub(in crate::adapter) const PATIENCE: u64 = 60;
/// Redirects that are followed.
pub(in crate::adapter) const HOPS: usize = 5;

/// The client of a run. Making it costs some time and reads certificates: that waits for the first request.
#[derive(Clone)]
pub struct Http(Arc<Lazy>);

struct Lazy {
    interrupted: Arc<AtomicBool>,
    certificates: Vec<PathBuf>,
    made: OnceLock<Client>,
    making: Mutex<()>,
}

/// A client, and the runtime that it needs.
pub(in crate::adapter) struct Client {
    pub(in crate::adapter) runtime: tokio::runtime::Runtime,
    pub(in crate::adapter) http: reqwest::Client,
    pub(in crate::adapter) direct: Arc<Direct>,
    pub(in crate::adapter) interrupted: Arc<AtomicBool>,
}

/// The same without a proxy, for what is on this very machine; made when it is needed.
pub(in crate::adapter) struct Direct {
    certificates: Vec<Certificate>,
    made: OnceLock<reqwest::Client>,
}

/// How a try went wrong.
pub(in crate::adapter) enum Failure {
    /// Another one may go better.
    Again(String),
    /// So many seconds must pass before another one.
    Limited(u64, String),
    /// It would go the same way.
    Final { said: String, hint: Option<String> },
    /// There was something, and it is gone (410).
    Gone,
    /// The user asked to stop.
    Interrupted,
}

/// What came of a try.
pub(in crate::adapter) type Tried<T> = Result<T, Failure>;

impl Http {
    /// Trusts the certificates in `GIT_SSL_CAINFO` and `NODE_EXTRA_CA_CERTS` besides the system's; `interrupted` stops what
    /// may be stopped when it turns true.
    pub fn new(variable: impl Fn(&str) -> Option<String>, interrupted: Arc<AtomicBool>) -> Self {
        let files = ["GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS"].iter().filter_map(|name| variable(name));
        let certificates = files.map(PathBuf::from).collect();
        Self(Arc::new(Lazy { interrupted, certificates, made: OnceLock::new(), making: Mutex::default() }))
    }

    /// The client.
    ///
    /// # Errors
    /// It cannot be made.
    pub(in crate::adapter) fn client(&self) -> Result<&Client, PortError> {
        let _one = self.0.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = self.0.made.get() {
            return Ok(made);
        }
        let made = Client::new(&self.0.certificates, Arc::clone(&self.0.interrupted))?;
        Ok(self.0.made.get_or_init(|| made))
    }
}

impl Direct {
    /// The client.
    ///
    /// # Errors
    /// It cannot be made.
    pub(in crate::adapter) fn client(&self) -> Result<&reqwest::Client, PortError> {
        if let Some(made) = self.made.get() {
            return Ok(made);
        }
        let made = built(&self.certificates, true)?;
        Ok(self.made.get_or_init(|| made))
    }
}

fn failed(error: &dyn std::fmt::Display) -> PortError {
    PortError::Unusable(format!("no HTTPS client: {error}"))
}

// A client that trusts these certificates too.
fn built(certificates: &[Certificate], is_direct: bool) -> Result<reqwest::Client, PortError> {
    let builder = || {
        // Redirects are followed by hand: the client would take credentials along, or leave them out in silence.
        let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        let builder = builder.connect_timeout(CONNECT).read_timeout(ANSWER).hickory_dns(true);
        if is_direct { builder.no_proxy() } else { builder }
    };
    let http = match builder().build() {
        Ok(plain) if certificates.is_empty() => Ok(plain),
        Ok(_) => builder().tls_certs_merge(certificates.to_vec()).build(),
        Err(_) => {
            let known = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
            let known = known.filter_map(|one| Certificate::from_der(one).ok());
            builder().tls_certs_only(certificates.iter().cloned().chain(known)).build()
        }
    };
    http.map_err(|error| failed(&error))
}

impl Client {
    // With the system's certificates, those of some files, and those of browsers where the system has none.
    fn new(certificates: &[PathBuf], interrupted: Arc<AtomicBool>) -> Result<Self, PortError> {
        let mut more = Vec::new();
        for file in certificates {
            let pem = std::fs::read(file)
                .map_err(|source| PortError::Io { doing: format!("cannot read {}", file.display()), source })?;
            more.extend(Certificate::from_pem_bundle(&pem).map_err(|error| failed(&error))?);
        }
        let http = built(&more, false)?;
        let direct = Arc::new(Direct { certificates: more, made: OnceLock::new() });
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(2).enable_all().build().map_err(|error| failed(&error))?;
        Ok(Self { runtime, http, direct, interrupted })
    }

    /// Runs some work to its end, or until the user asks to stop.
    pub(in crate::adapter) fn run<T>(&self, work: impl Future<Output = Tried<T>>) -> Tried<T> {
        self.runtime.block_on(async {
            tokio::select! {
                done = work => done,
                () = self.until_interrupted() => Err(Failure::Interrupted),
            }
        })
    }

    async fn until_interrupted(&self) {
        while !self.interrupted.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Takes bytes; what it has is dropped when they come anew.
pub(in crate::adapter) trait Restart: Write {
    /// Drops it.
    ///
    /// # Errors
    /// It cannot be dropped.
    fn restart(&mut self) -> std::io::Result<()>;
}

impl Restart for Vec<u8> {
    fn restart(&mut self) -> std::io::Result<()> {
        self.clear();
        Ok(())
    }
}

/// A header, if it is text.
pub(in crate::adapter) fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// What may go better the next time, with the whole chain of causes: the first says only that there was an error.
pub(in crate::adapter) fn again(error: &dyn std::error::Error) -> Failure {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let next_said = next.to_string();
        if !said.contains(&next_said) {
            said = format!("{said}: {next_said}");
        }
        cause = next.source();
    }
    Failure::Again(escape::line(&said))
}

/// Seconds for which a server wants to be left alone: it says so itself, or when a limit of which nothing remains is set back.
pub(in crate::adapter) fn rest(headers: &HeaderMap) -> Option<u64> {
    let number = |name| header(headers, name).and_then(|text| text.trim().parse::<u64>().ok());
    let is_used_up = number("x-ratelimit-remaining") == Some(0);
    let reset = number("x-ratelimit-reset").filter(|_| is_used_up).map(until);
    retry_after(headers).or(reset)
}

/// Seconds for which a server says that it wants to be left alone, as a number of them or as a time of day.
pub(in crate::adapter) fn retry_after(headers: &HeaderMap) -> Option<u64> {
    let text = header(headers, "retry-after")?.trim();
    let at = || jiff::fmt::rfc2822::parse(text).ok().map(|at| at.timestamp().as_second());
    text.parse().ok().or_else(|| at().map(|at| until(u64::try_from(at).unwrap_or_default())))
}

// Seconds until a time of day, and the one in which it is.
fn until(second: u64) -> u64 {
    #[allow(clippy::disallowed_methods, reason = "the server names a time of day until which it must be left alone")]
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |now| now.as_secs());
    second.saturating_sub(now).saturating_add(1)
}

/// Reads an answer of at most `limit` bytes.
pub(in crate::adapter) async fn read<B>(mut body: B, limit: u64, sink: &mut (dyn Restart + Send)) -> Tried<()>
where
    B: BodyExt + Unpin,
    B::Data: AsRef<[u8]>,
    B::Error: std::fmt::Display,
{
    let mut had = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame
            .map_err(|error| Failure::Again(format!("its answer broke off: {}", escape::line(&error.to_string()))))?;
        let Ok(data) = frame.into_data() else { continue };
        had += data.as_ref().len() as u64;
        if had > limit {
            return Err(Failure::Final { said: format!("its answer has more than {limit} bytes"), hint: None });
        }
        sink.write_all(data.as_ref()).map_err(|error| Failure::Final { said: error.to_string(), hint: None })?;
    }
    Ok(())
}

/// Tries a few times, each for some time at most, with pauses between; longer ones where the server asks for them.
pub(in crate::adapter) async fn patiently<T>(time: Duration, mut once: impl AsyncFnMut() -> Tried<T>) -> Tried<T> {
    let (mut tries, mut waited) = (0, 0);
    loop {
        tries += 1;
        let tried = tokio::time::timeout(time, once()).await;
        let pause = match tried.unwrap_or_else(|_| Err(Failure::Again("it did not answer in time".to_owned()))) {
            Err(Failure::Again(_)) if tries < TRIES => {
                Duration::from_millis(u64::from(tries) * 500 + fastrand::u64(0..500))
            }
            Err(Failure::Limited(seconds, _)) if seconds <= PATIENCE - waited && tries < 2 * TRIES => {
                waited += seconds;
                Duration::from_secs(seconds)
            }
            done => return done,
        };
        tokio::time::sleep(pause).await;
    }
}
