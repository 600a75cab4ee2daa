//! `passgate man`.

use clap::CommandFactory;

use crate::app::AppError;
use crate::host::writer;

/// Arguments of `man`.
#[derive(Debug, clap::Args)]
pub struct Args {}

impl Args {
    /// Prints the manual page.
    ///
    /// # Errors
    /// The page cannot be written.
    pub fn run(self) -> Result<u8, AppError> {
        let mut out = Vec::new();
        clap_mangen::Man::new(super::Cli::command())
            .render(&mut out)
            .map_err(|source| crate::port::PortError::Io { doing: "write the manual page".to_owned(), source })?;
        writer::result(&String::from_utf8_lossy(&out));
        Ok(0)
    }
}
