//! Ctrl-C and termination: the first one asks everything that may stop to stop, the second one ends the process, and so does
//! time.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

// As programs end that were interrupted.
const INTERRUPTED: i32 = 130;
// How long what was asked to stop may take: a push may be under way.
const GRACE: Duration = Duration::from_secs(60);

/// Turns `flag` true at the first interrupt or termination signal, and ends the process at the second, or when what was asked
/// to stop does not: hosts send one some seconds before they kill, and what is at work may take longer.
///
/// # Errors
/// The signals cannot be watched.
pub fn watch(flag: Arc<AtomicBool>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        runtime.block_on(async {
            let Ok((mut interrupt, mut terminate)) = signals() else { return };
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    () = tokio::time::sleep(GRACE), if flag.load(Ordering::Relaxed) => {}
                }
                if flag.swap(true, Ordering::Relaxed) {
                    end();
                }
            }
        });
    })?;
    Ok(())
}

#[expect(
    clippy::exit,
    clippy::disallowed_methods,
    reason = "who sends a second signal kills with the third, and work that does not look up would never end"
)]
fn end() -> ! {
    std::process::exit(INTERRUPTED)
}

#[cfg(unix)]
fn signals() -> io::Result<(tokio::signal::unix::Signal, tokio::signal::unix::Signal)> {
    use tokio::signal::unix::{SignalKind, signal};
    Ok((signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?))
}

// Agents on Windows send the one, and some time later the other.
#[cfg(windows)]
fn signals() -> io::Result<(tokio::signal::windows::CtrlC, tokio::signal::windows::CtrlBreak)> {
    use tokio::signal::windows::{ctrl_break, ctrl_c};
    Ok((ctrl_c()?, ctrl_break()?))
}
