//! Running git: input and output at once, bounded error text, and an end when the user wants one.

use std::ffi::OsString;
use std::io::{self, BufRead, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use super::amount::Sieve;
use crate::port::{PortError, Progress};

// A server may send as much as it likes to stderr; nobody reads more than the end of it.
const MAX_STDERR: usize = 64 << 10;

/// A way to start git in one folder.
pub(super) struct Git {
    pub(super) dir: PathBuf,
    variables: Vec<(OsString, OsString)>,
    interrupted: Arc<AtomicBool>,
    progress: Arc<dyn Progress>,
}

/// What a git process left behind.
pub(super) struct Ran {
    pub(super) success: bool,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: String,
}

/// What a git process reads.
pub(super) enum Input<'a> {
    Nothing,
    Text(String),
    Stream(&'a mut (dyn FnMut(&mut dyn Write) -> io::Result<()> + Send)),
}

impl Git {
    pub(super) fn new(
        dir: PathBuf,
        variables: Vec<(OsString, OsString)>,
        interrupted: Arc<AtomicBool>,
        progress: Arc<dyn Progress>,
    ) -> Self {
        Self { dir, variables, interrupted, progress }
    }

    /// Whether git is to be asked how far it is.
    pub(super) fn is_watched(&self) -> bool {
        self.progress.is_watched()
    }

    #[allow(clippy::disallowed_methods, reason = "this is where git is started")]
    pub(super) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.arg("-C").arg(&self.dir).args(args).env_clear().envs(self.variables.iter().map(|(k, v)| (k, v)));
        // Its own process group: a Ctrl-C at the terminal is ours to pass on, because a push must not die half-way.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        // CREATE_NEW_PROCESS_GROUP
        #[cfg(windows)]
        std::os::windows::process::CommandExt::creation_flags(&mut command, 0x200);
        command
    }

    /// Runs git to its end; its failure is an error that carries its words.
    pub(super) fn text(&self, doing: &str, args: &[&str]) -> Result<String, PortError> {
        let ran = self.must(doing, args, Input::Nothing)?;
        Ok(String::from_utf8_lossy(&ran.stdout).into_owned())
    }

    pub(super) fn must(&self, doing: &str, args: &[&str], input: Input<'_>) -> Result<Ran, PortError> {
        let ran = self.run(doing, args, input, true)?;
        if ran.success { Ok(ran) } else { Err(failure(doing, &ran.stderr)) }
    }

    /// Runs git to its end. What may be stopped is killed when the user interrupts.
    pub(super) fn run(&self, doing: &str, args: &[&str], input: Input<'_>, stoppable: bool) -> Result<Ran, PortError> {
        if stoppable && self.interrupted.load(Ordering::Relaxed) {
            return Err(PortError::Interrupted);
        }
        let mut command = self.command(args);
        let stdin = if matches!(input, Input::Nothing) { Stdio::null() } else { Stdio::piped() };
        let io_error = |source| PortError::Io { doing: doing.to_owned(), source };
        let mut child =
            command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(|source| {
                if source.kind() == io::ErrorKind::NotFound {
                    PortError::Unusable("the program `git` is not on PATH: install git 2.38 or newer".to_owned())
                } else {
                    io_error(source)
                }
            })?;
        let result = self.converse(&mut child, input, stoppable);
        if result.is_err() {
            // The process may be gone already; either way it must not be left behind.
            child.kill().ok();
        }
        let status = child.wait().map_err(io_error)?;
        if stoppable && self.interrupted.load(Ordering::Relaxed) {
            return Err(PortError::Interrupted);
        }
        let (stdout, stderr, fed) = result.map_err(io_error)?;
        // A reader that leaves early says why on stderr; the broken pipe is only its echo.
        if let Err(error) = fed
            && (status.success() || error.kind() != io::ErrorKind::BrokenPipe)
        {
            return Err(io_error(error));
        }
        Ok(Ran { success: status.success(), stdout, stderr })
    }

    /// Runs git and lets `read` have its output as it comes, so that nobody has to hold all of it.
    pub(super) fn stream(
        &self,
        doing: &str,
        args: &[&str],
        input: String,
        read: &mut (dyn FnMut(&mut dyn BufRead) -> io::Result<()> + Send),
    ) -> Result<(), PortError> {
        if self.interrupted.load(Ordering::Relaxed) {
            return Err(PortError::Interrupted);
        }
        let io_error = |source| PortError::Io { doing: doing.to_owned(), source };
        let mut command = self.command(args);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().map_err(io_error)?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let result = std::thread::scope(|scope| {
            // When the reader stops early, this pipe breaks, and that is all that has to happen.
            scope.spawn(move || feed(stdin, Input::Text(input)).ok());
            let stdout = stdout.ok_or_else(|| io::Error::other("a pipe is missing"))?;
            let mut reader = io::BufReader::with_capacity(1 << 20, stdout);
            let result = read(&mut reader);
            if result.is_err() {
                // The process may be gone already; either way it must not be left behind.
                child.kill().ok();
            }
            result
        });
        let waited = child.wait();
        if self.interrupted.load(Ordering::Relaxed) {
            return Err(PortError::Interrupted);
        }
        result.map_err(io_error)?;
        if waited.map_err(io_error)?.success() { Ok(()) } else { Err(failure(doing, "")) }
    }

    #[allow(clippy::type_complexity, reason = "stdout, stderr and how feeding went are read together, once")]
    fn converse(
        &self,
        child: &mut Child,
        input: Input<'_>,
        stoppable: bool,
    ) -> io::Result<(Vec<u8>, String, io::Result<()>)> {
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let missing = || io::Error::other("a pipe is missing");
        let (mut stdout, mut stderr) = (stdout.ok_or_else(missing)?, stderr.ok_or_else(missing)?);
        std::thread::scope(|scope| {
            let (done, ended) = mpsc::channel();
            let feeder = scope.spawn(move || feed(stdin, input));
            let errors = scope.spawn(move || read_end(&mut stderr, &*self.progress));
            let output = scope.spawn(move || {
                let mut bytes = Vec::new();
                let result = stdout.read_to_end(&mut bytes).map(|_| bytes);
                // Nobody listens any more when the process was killed.
                done.send(()).ok();
                result
            });
            while ended.recv_timeout(Duration::from_millis(50)).is_err() {
                if output.is_finished() {
                    break;
                }
                if stoppable && self.interrupted.load(Ordering::Relaxed) {
                    child.kill().ok();
                }
            }
            let panicked = |_| io::Error::other("a thread died");
            let bytes = output.join().map_err(panicked)??;
            let text = errors.join().map_err(panicked)??;
            Ok((bytes, text, feeder.join().map_err(panicked)?))
        })
    }
}

fn feed(stdin: Option<impl Write>, input: Input<'_>) -> io::Result<()> {
    let Some(stdin) = stdin else { return Ok(()) };
    let mut stdin = io::BufWriter::with_capacity(64 << 10, stdin);
    match input {
        Input::Nothing => Ok(()),
        Input::Text(text) => stdin.write_all(text.as_bytes()),
        Input::Stream(write) => write(&mut stdin),
    }?;
    stdin.flush()
}

fn read_end(stderr: &mut impl Read, progress: &dyn Progress) -> io::Result<String> {
    let mut sieve = progress.is_watched().then(|| Sieve::new(progress));
    let mut kept = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stderr.read(&mut buffer)?;
        if read == 0 {
            sieve.iter_mut().for_each(|sieve| sieve.end(&mut kept));
            return Ok(String::from_utf8_lossy(&kept).into_owned());
        }
        match &mut sieve {
            Some(sieve) => sieve.take(&buffer[..read], &mut kept),
            None => kept.extend_from_slice(&buffer[..read]),
        }
        if kept.len() > 2 * MAX_STDERR {
            kept.drain(..kept.len() - MAX_STDERR);
        }
    }
}

/// The error that git's words tell.
pub(super) fn failure(doing: &str, stderr: &str) -> PortError {
    if let Some(id) = stderr.split("not our ref ").nth(1).map(|rest| rest.chars().take(40).collect::<String>()) {
        return PortError::Missing { repository: doing.to_owned(), id };
    }
    let said: Vec<&str> = stderr.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let said = said[said.len().saturating_sub(12)..].join("\n");
    let hint = hint_for(stderr);
    PortError::Git { doing: doing.to_owned(), said, hint: hint.map(str::to_owned) }
}

fn hint_for(stderr: &str) -> Option<&'static str> {
    let has = |text: &str| stderr.contains(text);
    if has("Host key verification failed") {
        Some(
            "ssh does not know this host's key: compare it with what the host publishes (ssh-keyscan HOST), and add it to known_hosts",
        )
    } else if has("Permission denied (publickey") {
        Some(
            "ssh has no key that this host takes: load one into the agent (ssh-add), or name it in GIT_SSH_COMMAND; nobody is asked for a password",
        )
    } else if has("could not read Username")
        || has("unable to get password")
        || has("could not read Password")
        || has("Authentication failed")
        || has("error: 401")
        || has("terminal prompts disabled")
    {
        Some(
            "give credentials: PASSGATE_TOKEN (target), PASSGATE_PREVIOUS_TOKEN, PASSGATE_SOURCE_TOKEN, or a git credential helper",
        )
    } else if has("error: 403") {
        Some(
            "the credentials are known but may not do this: give the token read access here, and write access to the target",
        )
    } else if has("redirect") {
        Some("the server redirects, and credentials are not carried along: name the repository by its final URL")
    } else if has("Repository not found")
        || has("does not appear to be a git repository")
        || has("error: 404")
        || has("not found")
    {
        Some("check the URL; a server also says so when the token may not see the repository")
    } else if has("dubious ownership") {
        Some("git does not read another user's repository: git config --global --add safe.directory <path>")
    } else {
        None
    }
}
