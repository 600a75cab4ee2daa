//! The passgate binary: parse, wire, run, exit.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use passgate::{cli, host};

fn main() -> ExitCode {
    let interrupted = Arc::new(AtomicBool::new(false));
    // Without the watch an interrupt simply ends the program, which leaves every repository whole too.
    host::interrupt::watch(Arc::clone(&interrupted)).ok();
    cli::run(host::environment::arguments(), interrupted)
}
