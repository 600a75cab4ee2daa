//! A smart HTTP server of real repositories: `git http-backend` behind a listener on 127.0.0.1, with credentials, byte
//! counters and faults.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::clean;

/// An interface that is answered beside git.
pub trait Api: Send + Sync {
    /// Whether a request is for it.
    fn answers(&self, target: &str) -> bool;

    /// Its answer to a method, a target and a body.
    fn answer(&self, origin: &str, asked: (&str, &str, &[u8]), authorization: Option<&str>) -> Reply;
}

/// An answer.
pub struct Reply {
    /// `200 OK`.
    pub status: String,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// It breaks off before its end.
    pub cut: bool,
}

/// How much of a push arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// It is cut off in the middle.
    Half,
    /// Everything.
    All,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The next push is processed, and then the connection breaks.
    LostAnswer,
    /// The next push is processed, and then nothing answers any more.
    GoneAfterPush,
    /// Every answer takes its time.
    Slow,
    /// Pushes arrive late, whole or cut off.
    SlowPush(Part),
    /// Everything is answered with 503.
    Unavailable,
    /// Everything is redirected to another server.
    Redirect(String),
}

struct Shared {
    root: PathBuf,
    home: PathBuf,
    /// The value of `Authorization` that is let in; None lets everybody in.
    wanted: Mutex<Option<String>>,
    fault: Mutex<Option<Fault>>,
    seen: Mutex<Vec<String>>,
    authorizations: Mutex<Vec<String>>,
    sent: AtomicU64,
    ends: AtomicBool,
    api: Mutex<Option<Arc<dyn Api>>>,
}

/// A running server.
pub struct Server {
    shared: Arc<Shared>,
    port: u16,
}

impl Server {
    /// Serves the repositories in a folder. `wanted` is the `Authorization` that is let in.
    pub fn start(root: &Path, home: &Path, wanted: Option<&str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            root: root.to_owned(),
            home: home.to_owned(),
            wanted: Mutex::new(wanted.map(str::to_owned)),
            fault: Mutex::new(None),
            seen: Mutex::default(),
            authorizations: Mutex::default(),
            sent: AtomicU64::new(0),
            ends: AtomicBool::new(false),
            api: Mutex::default(),
        });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.ends.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let serving = Arc::clone(&serving);
                // A client that goes away is its own affair.
                std::thread::spawn(move || serving.connection(stream).ok());
            }
        });
        Self { shared, port }
    }

    /// The URL of a repository.
    pub fn url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{name}.git", self.port)
    }

    /// Answers what is asked of an interface as it does.
    pub fn answer_as<A: Api + 'static>(&self, api: &Arc<A>) {
        *self.shared.api.lock().unwrap() = Some(Arc::clone(api) as Arc<dyn Api>);
    }

    /// `http://host:port`.
    pub fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Makes something go wrong from now on.
    pub fn fail(&self, fault: Option<Fault>) {
        *self.shared.fault.lock().unwrap() = fault;
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<String> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// Every `Authorization` that was sent here.
    pub fn authorizations(&self) -> Vec<String> {
        self.shared.authorizations.lock().unwrap().clone()
    }

    /// Bytes that were sent so far.
    pub fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Relaxed);
        // Wakes the listener up.
        TcpStream::connect(("127.0.0.1", self.port)).ok();
    }
}

struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

fn line(reader: &mut impl BufRead) -> std::io::Result<String> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

fn read(reader: &mut impl BufRead, out: &mut TcpStream) -> std::io::Result<Option<Request>> {
    let first = line(reader)?;
    let mut words = first.split(' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(None) };
    let (method, target) = (method.to_owned(), target.to_owned());
    let mut headers = Vec::new();
    loop {
        let line = line(reader)?;
        let Some((key, value)) = line.split_once(':') else { break };
        headers.push((key.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut request = Request { method, target, headers, body: Vec::new() };
    if request.header("expect").is_some() {
        out.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    if request.header("transfer-encoding") == Some("chunked") {
        loop {
            let size = usize::from_str_radix(&line(reader)?, 16).unwrap_or(0);
            let mut chunk = vec![0; size];
            reader.read_exact(&mut chunk)?;
            line(reader)?;
            request.body.extend(chunk);
            if size == 0 {
                break;
            }
        }
    } else if let Some(length) = request.header("content-length").and_then(|length| length.parse().ok()) {
        request.body.resize(length, 0);
        reader.read_exact(&mut request.body)?;
    }
    Ok(Some(request))
}

impl Shared {
    fn connection(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        while let Some(mut request) = read(&mut reader, &mut stream)? {
            self.seen.lock().unwrap().push(format!("{} {}", request.method, request.target));
            if let Some(sent) = request.header("authorization") {
                self.authorizations.lock().unwrap().push(sent.to_owned());
            }
            let api = self.api.lock().unwrap().clone();
            if let Some(api) = api.filter(|api| api.answers(&request.target)) {
                let origin = format!("http://{}", request.header("host").unwrap_or_default());
                let asked = (request.method.as_str(), request.target.as_str(), request.body.as_slice());
                let reply = api.answer(&origin, asked, request.header("authorization"));
                let headers: Vec<(&str, &str)> = reply.headers.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
                if reply.cut {
                    let promised = reply.body.len() + 1000;
                    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {promised}\r\n")?;
                    write!(stream, "Content-Type: application/json\r\n\r\n")?;
                    stream.write_all(&reply.body)?;
                    return stream.shutdown(std::net::Shutdown::Both);
                }
                self.answer(&mut stream, &reply.status, &headers, &reply.body)?;
                continue;
            }
            let is_push = request.method == "POST" && request.target.ends_with("git-receive-pack");
            let fault = self.fault.lock().unwrap().clone();
            match &fault {
                Some(Fault::Unavailable) => {
                    self.answer(&mut stream, "503 Service Unavailable", &[], b"come back later\n")?;
                    continue;
                }
                Some(Fault::Redirect(to)) => {
                    let location = format!("{to}{}", request.target);
                    self.answer(&mut stream, "302 Found", &[("Location", &location)], b"")?;
                    continue;
                }
                Some(Fault::SlowPush(part)) if is_push => {
                    std::thread::sleep(std::time::Duration::from_secs(1));
                    if *part == Part::Half {
                        request.body.truncate(request.body.len() / 2);
                    }
                }
                Some(Fault::Slow) => std::thread::sleep(std::time::Duration::from_secs(4)),
                _ => {}
            }
            let wanted = self.wanted.lock().unwrap().clone();
            if wanted.is_some() && wanted.as_deref() != request.header("authorization") {
                let asks = [("WWW-Authenticate", "Basic realm=\"git\"")];
                self.answer(&mut stream, "401 Unauthorized", &asks, b"who are you?\n")?;
                continue;
            }
            let (status, headers, body) = self.backend(&request)?;
            if is_push && matches!(fault, Some(Fault::LostAnswer | Fault::GoneAfterPush)) {
                let next = (fault == Some(Fault::GoneAfterPush)).then_some(Fault::Unavailable);
                *self.fault.lock().unwrap() = next;
                return stream.shutdown(std::net::Shutdown::Both);
            }
            let headers: Vec<(&str, &str)> =
                headers.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
            self.answer(&mut stream, &status, &headers, &body)?;
        }
        Ok(())
    }

    fn answer(&self, out: &mut TcpStream, status: &str, headers: &[(&str, &str)], body: &[u8]) -> std::io::Result<()> {
        let mut bytes = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n", body.len()).into_bytes();
        for (key, value) in headers {
            write!(bytes, "{key}: {value}\r\n")?;
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(body);
        self.sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        out.write_all(&bytes)
    }

    #[allow(clippy::type_complexity, reason = "status, headers and body of an answer")]
    fn backend(&self, request: &Request) -> std::io::Result<(String, Vec<(String, String)>, Vec<u8>)> {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let mut command = Command::new("git");
        clean(&mut command, &self.home);
        command.arg("http-backend").env("GIT_PROJECT_ROOT", &self.root).env("GIT_HTTP_EXPORT_ALL", "1");
        let path = percent_encoding::percent_decode_str(path).decode_utf8_lossy().into_owned();
        command.env("REQUEST_METHOD", &request.method).env("PATH_INFO", path).env("QUERY_STRING", query);
        command.env("REMOTE_USER", "tester").env("REMOTE_ADDR", "127.0.0.1");
        command.env("CONTENT_LENGTH", request.body.len().to_string());
        for (header, variable) in [
            ("content-type", "CONTENT_TYPE"),
            ("content-encoding", "HTTP_CONTENT_ENCODING"),
            ("git-protocol", "GIT_PROTOCOL"),
        ] {
            if let Some(value) = request.header(header) {
                command.env(variable, value);
            }
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut input = child.stdin.take().unwrap();
        let output = std::thread::scope(|scope| {
            // The backend may answer before it has read everything, and then stops reading.
            scope.spawn(move || input.write_all(&request.body).ok());
            child.wait_with_output()
        })?;
        let mut reader = BufReader::new(output.stdout.as_slice());
        let (mut status, mut headers) = ("200 OK".to_owned(), Vec::new());
        loop {
            let line = line(&mut reader)?;
            let Some((key, value)) = line.split_once(':') else { break };
            if key.eq_ignore_ascii_case("status") {
                status = value.trim().to_owned();
            } else {
                headers.push((key.to_owned(), value.trim().to_owned()));
            }
        }
        let mut body = Vec::new();
        reader.read_to_end(&mut body)?;
        Ok((status, headers, body))
    }
}
