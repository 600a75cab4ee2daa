//! What a person at a terminal sees of long steps; nobody else sees anything.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::domain::escape;
use crate::port::Progress;

/// A spinner on a terminal.
pub struct Spinner(ProgressBar);

impl Spinner {
    /// Shown only when stderr is a terminal and `wanted`.
    pub fn new(wanted: bool) -> Self {
        if !wanted || !std::io::stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let style = ProgressStyle::with_template("{spinner:.cyan} {wide_msg} {elapsed:.dim}");
        let bar = ProgressBar::new_spinner();
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.enable_steady_tick(Duration::from_millis(120));
        Self(bar)
    }

    /// Takes it off the screen.
    pub fn clear(&self) {
        self.0.finish_and_clear();
    }
}

impl Progress for Spinner {
    fn step(&self, what: &str) {
        self.0.set_message(escape::line(what));
    }
}
