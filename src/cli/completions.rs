//! `passgate completions`.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::app::AppError;
use crate::host::writer;

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell.
    shell: Shell,
}

impl Args {
    /// Prints the completions.
    ///
    /// # Errors
    /// Never.
    pub fn run(self) -> Result<u8, AppError> {
        let mut out = Vec::new();
        clap_complete::generate(self.shell, &mut super::Cli::command(), "passgate", &mut out);
        writer::result(&String::from_utf8_lossy(&out));
        Ok(0)
    }
}
