//! A registry of our own, for what a real one will not do on command; and real ones, with real manifests pushed into them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

/// A part of an address; status, headers and content of what is answered.
pub type Made = (&'static str, u16, Vec<(&'static str, String)>, Vec<u8>);

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// Every answer has this status, and one more header.
    Status(u16, Option<(&'static str, String)>),
    /// The same, so many times.
    Times(u32, u16, Option<(&'static str, String)>),
    /// The header with the digest is missing.
    NoDigest,
    /// Another digest than that of the manifest.
    Digest(String),
    /// `HEAD` finds nothing.
    NoHead,
    /// Nothing is found for whoever does not take lists of images.
    OnlyLists,
    /// It is said that a token is needed, whatever token comes.
    NeverContent,
    /// To the same path on another host.
    Elsewhere(String),
    /// The tokens come from another host.
    Realm(String),
    /// Its list of tags goes on at another host.
    EndlessTags,
    /// Every answer is a page that asks who is there.
    Page,
    /// It takes the request and says nothing.
    Hang,
    /// Whatever somebody asks who is let in, and has one of these in its address, is answered so; by nothing at all if the status
    /// is 0.
    Answers(Vec<Made>),
}

/// Who is let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doors {
    /// Everybody.
    Open,
    /// By `user:password`.
    Basic(&'static str),
    /// By a token, which is given for `user:password`.
    Token(&'static str),
}

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The method.
    pub method: String,
    /// The path and query.
    pub target: String,
    /// `Authorization`.
    pub authorization: Option<String>,
}

struct State {
    manifests: BTreeMap<(String, String), Vec<u8>>,
    files: BTreeMap<String, Vec<u8>>,
    doors: Doors,
    wrong: Option<Wrong>,
    sent: Vec<Sent>,
}

/// A running registry.
#[derive(Clone)]
pub struct Fake {
    state: Arc<Mutex<State>>,
    /// `127.0.0.1:port`.
    pub host: String,
}

/// `sha256:` of some bytes.
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

impl Fake {
    /// Starts one.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = format!("127.0.0.1:{}", listener.local_addr().unwrap().port());
        let (manifests, files) = (BTreeMap::new(), BTreeMap::new());
        let state = State { manifests, files, doors: Doors::Open, wrong: None, sent: Vec::new() };
        let fake = Self { state: Arc::new(Mutex::new(state)), host };
        let serving = fake.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serving = serving.clone();
                // A client that goes away is its own affair.
                std::thread::spawn(move || serving.connection(stream).ok());
            }
        });
        fake
    }

    /// Has a manifest under a tag; the text makes its digest, which is given.
    pub fn has(&self, path: &str, tag: &str, text: &str) -> String {
        let bytes = format!("{{\"schemaVersion\": 2, \"text\": \"{text}\"}}").into_bytes();
        self.has_bytes(path, tag, bytes)
    }

    /// Has a manifest of these bytes under a tag and its digest, which is given.
    pub fn has_bytes(&self, path: &str, tag: &str, bytes: Vec<u8>) -> String {
        let digest = digest(&bytes);
        let mut state = self.state.lock().unwrap();
        state.manifests.insert((path.to_owned(), digest.clone()), bytes.clone());
        state.manifests.insert((path.to_owned(), tag.to_owned()), bytes);
        digest
    }

    /// Has a manifest no longer.
    pub fn lacks(&self, path: &str, tag: &str) {
        self.state.lock().unwrap().manifests.remove(&(path.to_owned(), tag.to_owned()));
    }

    /// Has a file at a path.
    pub fn has_file(&self, path: &str, bytes: &[u8]) {
        self.state.lock().unwrap().files.insert(path.to_owned(), bytes.to_vec());
    }

    /// Lets only some in.
    pub fn lets_in(&self, doors: Doors) {
        self.state.lock().unwrap().doors = doors;
    }

    /// Makes something go wrong from now on.
    pub fn fail(&self, wrong: Option<Wrong>) {
        self.state.lock().unwrap().wrong = wrong;
    }

    /// The requests since the last call.
    pub fn sent(&self) -> Vec<Sent> {
        std::mem::take(&mut self.state.lock().unwrap().sent)
    }

    fn connection(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
                break;
            }
            lines.push(line.trim().to_owned());
        }
        let Some(first) = lines.first() else { return Ok(()) };
        let mut words = first.split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let header = |name: &str| {
            let found = lines.iter().filter_map(|line| line.split_once(": "));
            found.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).next()
        };
        let sent = Sent { method: method.into(), target: target.into(), authorization: header("authorization") };
        let (status, headers, body) = self.answer(&sent, &header("accept").unwrap_or_default());
        if status == 0 {
            std::thread::sleep(Duration::from_secs(60));
        }
        let mut out = format!("HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        for (key, value) in headers {
            out.push_str(&format!("{key}: {value}\r\n"));
        }
        out.push_str("\r\n");
        let mut stream = stream;
        stream.write_all(out.as_bytes())?;
        if method != "HEAD" {
            stream.write_all(&body)?;
        }
        Ok(())
    }

    fn answer(&self, sent: &Sent, accept: &str) -> (u16, Vec<(&'static str, String)>, Vec<u8>) {
        let mut state = self.state.lock().unwrap();
        state.sent.push(sent.clone());
        let wrong = state.wrong.clone();
        match &wrong {
            Some(Wrong::Status(status, header)) => return (*status, header.clone().into_iter().collect(), Vec::new()),
            Some(Wrong::Times(left, status, header)) if *left > 0 => {
                state.wrong = Some(Wrong::Times(left - 1, *status, header.clone()));
                return (*status, header.clone().into_iter().collect(), Vec::new());
            }
            Some(Wrong::Elsewhere(origin)) => {
                return (307, vec![("Location", format!("{origin}{}", sent.target))], Vec::new());
            }
            Some(Wrong::Page) => {
                return (200, vec![("Content-Type", "text/html".to_owned())], b"<html>Log in</html>".to_vec());
            }
            Some(Wrong::Hang) => return (0, Vec::new(), Vec::new()),
            _ => {}
        }
        let (path, query) = sent.target.split_once('?').unwrap_or((&sent.target, ""));
        if let Some(file) = state.files.get(path) {
            return (200, Vec::new(), file.clone());
        }
        let basic = |pair: &str| {
            use base64::Engine as _;
            Some(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair)))
        };
        let refused = |challenge: String| (401, vec![("WWW-Authenticate", challenge)], Vec::new());
        if let (Doors::Token(pair), "/token") = (&state.doors, path) {
            if sent.authorization != basic(pair) {
                return (401, Vec::new(), b"{\"errors\": [{\"message\": \"who are you?\"}]}".to_vec());
            }
            let scope = query.split('&').find_map(|pair| pair.strip_prefix("scope=")).unwrap_or_default();
            return (200, Vec::new(), format!("{{\"token\": \"for-{}\"}}", scope.replace('%', "-")).into_bytes());
        }
        let is_let_in = match &state.doors {
            Doors::Open => true,
            Doors::Basic(pair) => sent.authorization == basic(pair),
            Doors::Token(_) => sent.authorization.as_ref().is_some_and(|sent| sent.starts_with("Bearer for-")),
        };
        if !is_let_in || wrong == Some(Wrong::NeverContent) {
            let realm = match &wrong {
                Some(Wrong::Realm(origin)) => format!("{origin}/token"),
                _ => format!("http://{}/token", self.host),
            };
            return match &state.doors {
                // It wants more than anybody needs.
                Doors::Token(_) => {
                    refused(format!("Bearer realm=\"{realm}\",service=\"fake\",scope=\"repository:other:pull,push\""))
                }
                _ => refused("Basic realm=\"fake\"".to_owned()),
            };
        }
        if let Some(Wrong::Answers(answers)) = &wrong
            && let Some((_, status, headers, body)) = answers.iter().find(|(part, ..)| sent.target.contains(part))
        {
            return (*status, headers.clone(), body.clone());
        }
        let rest = path.strip_prefix("/v2/").unwrap_or_default();
        if let Some(path) = rest.strip_suffix("/tags/list") {
            let tags = state.manifests.keys().filter(|(of, tag)| of == path && !tag.starts_with("sha256:"));
            let tags: Vec<&String> = tags.map(|(_, tag)| tag).collect();
            if tags.is_empty() {
                return (404, Vec::new(), Vec::new());
            }
            let more =
                (wrong == Some(Wrong::EndlessTags)).then(|| ("Link", "<http://e.io/v2/>; rel=\"next\"".to_owned()));
            let list = serde_json::json!({"name": path, "tags": tags}).to_string().into_bytes();
            return (200, more.into_iter().collect(), list);
        }
        let Some((path, name)) = rest.split_once("/manifests/") else { return (404, Vec::new(), Vec::new()) };
        let has_no = (wrong == Some(Wrong::NoHead) && sent.method == "HEAD")
            || (wrong == Some(Wrong::OnlyLists) && !accept.contains("manifest.list.v2"));
        let found = state.manifests.get(&(path.to_owned(), name.to_owned())).filter(|_| !has_no);
        let Some(bytes) = found else {
            return (404, Vec::new(), b"{\"errors\": [{\"message\": \"manifest unknown\"}]}".to_vec());
        };
        let digest = match &wrong {
            Some(Wrong::NoDigest) => None,
            Some(Wrong::Digest(digest)) => Some(digest.clone()),
            _ => Some(digest(bytes)),
        };
        let digest = digest.map(|digest| ("Docker-Content-Digest", digest));
        (200, digest.into_iter().collect(), bytes.clone())
    }
}

/// A real registry; it ends when this goes.
pub struct Real {
    child: Child,
    /// `127.0.0.1:port`.
    pub host: String,
    folder: PathBuf,
}

impl Drop for Real {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Runs a program that a test cannot do without, and gives what it says.
#[track_caller]
pub fn needed(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    let output = output.unwrap_or_else(|error| panic!("{program} is needed here (.ci/run installs it): {error}"));
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

impl Real {
    /// Starts Debian's `docker-registry` with these lines of `auth`.
    pub fn start(folder: &Path, auth: &str) -> Self {
        let port = free_port();
        std::fs::create_dir_all(folder).unwrap();
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {0}/data}}}}\n\
             http: {{addr: \"127.0.0.1:{port}\"}}\n{auth}",
            folder.display()
        );
        let file = folder.join("config.yml");
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("docker-registry is needed here (.ci/run installs it)");
        let real = Self { child, host: format!("127.0.0.1:{port}"), folder: folder.to_owned() };
        for _ in 0..100 {
            if TcpStream::connect(&real.host).is_ok() {
                return real;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("docker-registry did not start");
    }

    /// Pushes an image, whose content is a text, with skopeo.
    pub fn push(&self, path: &str, tag: &str, text: &str, pair: Option<&str>) {
        let layout = self.folder.join(format!("layout-{}", fastrand::u64(..)));
        layout_of(&layout, text);
        let from = format!("oci:{}:it", layout.display());
        let to = format!("docker://{}/{path}:{tag}", self.host);
        let mut args = vec!["copy", "--quiet", "--dest-tls-verify=false"];
        if let Some(pair) = pair {
            args.extend(["--dest-creds", pair]);
        }
        args.extend([from.as_str(), to.as_str()]);
        needed("skopeo", &args);
    }
}

/// An issuer of tokens that a real registry believes.
pub struct Issuer {
    /// `127.0.0.1:port`.
    pub host: String,
    /// What the registry believes it by.
    pub certificate: PathBuf,
}

impl Issuer {
    /// Gives tokens to `user:password`.
    pub fn start(folder: &Path, pair: &'static str) -> Self {
        let (key, certificate) = (folder.join("key.pem"), folder.join("certificate.pem"));
        let (out, keyout) = (certificate.display().to_string(), key.display().to_string());
        needed(
            "openssl",
            &[
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=it", "-keyout", &keyout,
                "-out", &out,
            ],
        );
        let pem = std::fs::read_to_string(&certificate).unwrap();
        let der: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = format!("127.0.0.1:{}", listener.local_addr().unwrap().port());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                issue(stream, &key, &der, pair).ok();
            }
        });
        Self { host, certificate }
    }
}

fn issue(mut stream: TcpStream, key: &Path, der: &str, pair: &str) -> std::io::Result<()> {
    use base64::Engine as _;
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut first, mut is_known) = (String::new(), false);
    reader.read_line(&mut first)?;
    let wanted = format!("basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        let value = line.trim().split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case("authorization"));
        is_known |= value.is_some_and(|(_, value)| value.replacen("Basic", "basic", 1) == wanted);
    }
    let query = first.split(' ').nth(1).and_then(|target| target.split_once('?')).map_or("", |(_, query)| query);
    let scopes = query.split('&').filter_map(|pair| pair.strip_prefix("scope="));
    let access: Vec<_> = scopes
        .filter_map(|scope| {
            let scope = scope.replace("%3A", ":").replace("%2F", "/").replace("%2C", ",");
            let mut parts = scope.splitn(3, ':').map(str::to_owned);
            let (kind, name, actions) = (parts.next()?, parts.next()?, parts.next()?);
            let actions: Vec<&str> = actions.split(',').collect();
            Some(serde_json::json!({"type": kind, "name": name, "actions": actions}))
        })
        .collect();
    let encode = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    let now = super::repos::now();
    let head = serde_json::json!({"typ": "JWT", "alg": "RS256", "x5c": [der]});
    let claims = serde_json::json!({
        "iss": "it", "sub": "me", "aud": "it", "exp": now + 600, "nbf": now - 60, "iat": now, "jti": fastrand::u64(..).to_string(),
        "access": access
    });
    let signed = format!("{}.{}", encode(head.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
    let mut child = Command::new("openssl");
    child.args(["dgst", "-sha256", "-sign"]).arg(key).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = child.spawn()?;
    child.stdin.take().unwrap().write_all(signed.as_bytes())?;
    let signature = child.wait_with_output()?.stdout;
    let token = serde_json::json!({"token": format!("{signed}.{}", encode(&signature))}).to_string();
    let (status, body) = if is_known { ("200 OK", token) } else { ("401 No", "{}".to_owned()) };
    let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: application/json\r\n");
    write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// An image layout with one image of one empty layer, made of a text.
fn layout_of(folder: &Path, text: &str) {
    let blobs = folder.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let put = |bytes: &[u8]| {
        let digest = digest(bytes);
        std::fs::write(blobs.join(digest.trim_start_matches("sha256:")), bytes).unwrap();
        (digest, bytes.len())
    };
    let mut layer = text.as_bytes().to_vec();
    layer.resize(1024, 0);
    let (layer, size) = put(&layer);
    let config = serde_json::json!({
        "architecture": "amd64", "os": "linux", "config": {"Labels": {"text": text}},
        "rootfs": {"type": "layers", "diff_ids": [layer]}
    });
    let (config, config_size) = put(config.to_string().as_bytes());
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": config_size},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer, "size": size}]
    });
    let (manifest, manifest_size) = put(manifest.to_string().as_bytes());
    let index = serde_json::json!({
        "schemaVersion": 2, "manifests": [{
            "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": manifest, "size": manifest_size,
            "annotations": {"org.opencontainers.image.ref.name": "it"}
        }]
    });
    std::fs::write(folder.join("index.json"), index.to_string()).unwrap();
    std::fs::write(folder.join("oci-layout"), "{\"imageLayoutVersion\": \"1.0.0\"}").unwrap();
}
