//! Programs that come to an end: each has a time, may say only so much, and goes with everything that it started.

use std::io::{self, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

// How often it is looked whether the user wants an end.
const LOOK: Duration = Duration::from_millis(20);

/// How much a program may take.
#[derive(Debug, Clone, Copy)]
pub(in crate::adapter) struct Limits {
    /// Its time.
    pub(in crate::adapter) time: Duration,
    /// Bytes of each of its two outputs.
    pub(in crate::adapter) output: usize,
    /// Bytes of its memory, where the system lets us say so.
    pub(in crate::adapter) memory: Option<u64>,
}

/// What a program left behind.
pub(in crate::adapter) struct Ran {
    pub(in crate::adapter) success: bool,
    pub(in crate::adapter) stdout: Vec<u8>,
    pub(in crate::adapter) stderr: Vec<u8>,
}

/// Why a program has nothing to say.
#[derive(Debug, thiserror::Error)]
pub(in crate::adapter) enum Stopped {
    #[error("it cannot be started: {0}")]
    Unstarted(#[source] io::Error),
    #[error("it did not end within {} s", .0.as_secs())]
    Late(Duration),
    #[error("it says more than {0} bytes")]
    Long(usize),
    #[error("interrupted")]
    Interrupted,
    #[error("it broke: {0}")]
    Broken(#[source] io::Error),
}

/// Runs a program to its end, or ends it: when its time is over, when it says too much, and when the user wants that.
#[allow(clippy::disallowed_methods, reason = "patience with a program is measured by the clock of this machine")]
pub(in crate::adapter) fn run(
    command: &mut Command,
    input: &str,
    limits: Limits,
    interrupted: Option<&AtomicBool>,
) -> Result<Ran, Stopped> {
    // Its own process group, which can be ended as a whole.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(Stopped::Unstarted)?;
    #[cfg(target_os = "linux")]
    if let Some((pid, memory)) = pid(&child).zip(limits.memory) {
        let limit = rustix::process::Rlimit { current: Some(memory), maximum: Some(memory) };
        // It may have ended already.
        rustix::process::prlimit(Some(pid), rustix::process::Resource::As, limit).ok();
    }
    let until = Instant::now() + limits.time;
    let done = converse(&mut child, input, limits, until, interrupted);
    if done.is_err() {
        end(&mut child);
    }
    done
}

#[allow(clippy::disallowed_methods, reason = "patience with a program is measured by the clock of this machine")]
fn converse(
    child: &mut Child,
    input: &str,
    limits: Limits,
    until: Instant,
    interrupted: Option<&AtomicBool>,
) -> Result<Ran, Stopped> {
    let missing = || Stopped::Broken(io::Error::other("a pipe is missing"));
    // The threads are left to themselves: what the program started may hold its pipes for longer than anybody waits.
    let stdin = child.stdin.take().ok_or_else(missing)?;
    let input = input.to_owned();
    std::thread::spawn(move || feed(stdin, &input));
    let outputs = [
        listen(child.stdout.take().ok_or_else(missing)?, limits.output),
        listen(child.stderr.take().ok_or_else(missing)?, limits.output),
    ];
    let may_go_on = || match interrupted {
        Some(flag) if flag.load(Ordering::Relaxed) => Err(Stopped::Interrupted),
        _ if Instant::now() >= until => Err(Stopped::Late(limits.time)),
        _ => Ok(()),
    };
    let [stdout, stderr] = outputs.map(|output| {
        loop {
            match output.recv_timeout(LOOK) {
                Ok(Ok(bytes)) if bytes.len() > limits.output => return Err(Stopped::Long(limits.output)),
                Ok(said) => return said.map_err(Stopped::Broken),
                Err(RecvTimeoutError::Timeout) => may_go_on()?,
                Err(RecvTimeoutError::Disconnected) => return Err(missing()),
            }
        }
    });
    let (stdout, stderr) = (stdout?, stderr?);
    let status = loop {
        match child.try_wait().map_err(Stopped::Broken)? {
            Some(status) => break status,
            None => may_go_on()?,
        }
        std::thread::sleep(LOOK);
    };
    Ok(Ran { success: ExitStatus::success(&status), stdout, stderr })
}

// Whoever does not read it says so by how it ends.
fn feed(mut stdin: impl Write, input: &str) {
    stdin.write_all(input.as_bytes()).ok();
}

// All that it says, or one byte more than it may.
fn listen(output: impl Read + Send + 'static, limit: usize) -> Receiver<io::Result<Vec<u8>>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = output.take(limit as u64 + 1).read_to_end(&mut bytes);
        // Nobody listens any more when the program was ended.
        sender.send(read.map(|_| bytes)).ok();
    });
    receiver
}

#[cfg(unix)]
fn pid(child: &Child) -> Option<rustix::process::Pid> {
    rustix::process::Pid::from_raw(i32::try_from(child.id()).ok()?)
}

// It was not waited for yet, so its number is still its own.
fn end(child: &mut Child) {
    #[cfg(unix)]
    if let Some(group) = pid(child) {
        // The group may be gone already.
        rustix::process::kill_process_group(group, rustix::process::Signal::KILL).ok();
    }
    child.kill().ok();
    child.wait().ok();
}
