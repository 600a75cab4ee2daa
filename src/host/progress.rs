//! What a person at a terminal sees of long steps; nobody else sees anything.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::domain::escape;
use crate::port::Progress;

const PLAIN: &str = "{spinner:.cyan} {wide_msg} {elapsed:.dim}";
const COUNTED: &str =
    "{spinner:.cyan} {wide_msg} {bar:20.cyan/dim} {percent:>3}% {human_pos}/{human_len} {elapsed:.dim}";

/// A spinner on a terminal, and a bar while amounts are known.
pub struct Spinner {
    bar: ProgressBar,
    counted: AtomicBool,
}

impl Spinner {
    /// Shown only when stderr is a terminal and `wanted`.
    pub fn new(wanted: bool) -> Self {
        let counted = AtomicBool::new(false);
        if !wanted || !std::io::stderr().is_terminal() {
            return Self { bar: ProgressBar::hidden(), counted };
        }
        let bar = ProgressBar::new_spinner();
        bar.set_style(style(PLAIN));
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { bar, counted }
    }

    /// Takes it off the screen.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

impl Progress for Spinner {
    fn step(&self, what: &str) {
        if self.counted.swap(false, Ordering::Relaxed) {
            self.bar.set_style(style(PLAIN));
        }
        self.bar.set_message(escape::line(what));
    }

    fn amount(&self, done: u64, total: u64) {
        self.bar.set_length(total);
        self.bar.set_position(done.min(total));
        if !self.counted.swap(true, Ordering::Relaxed) {
            self.bar.set_style(style(COUNTED));
            // What is over before the next tick was there all the same.
            self.bar.force_draw();
        }
    }

    fn is_watched(&self) -> bool {
        !self.bar.is_hidden()
    }
}
