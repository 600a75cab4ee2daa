//! The one writer of what people and programs read: results on stdout, everything else on stderr.
//!
//! A reader that goes away (a closed pipe) ends the output, not the program.

use std::io::{self, Write};

/// Writes a result to stdout.
pub fn result(text: &str) {
    put(&mut anstream::stdout(), text);
}

/// Writes for people to stderr.
pub fn tell(text: &str) {
    put(&mut anstream::stderr(), text);
}

fn put(out: &mut dyn Write, text: &str) {
    let end = if text.ends_with('\n') { "" } else { "\n" };
    let written: io::Result<()> =
        out.write_all(text.as_bytes()).and_then(|()| out.write_all(end.as_bytes())).and_then(|()| out.flush());
    // Nobody is left to be told that nobody reads.
    written.ok();
}

/// Columns of the terminal that a text goes to; 100 where it is none.
pub fn width() -> usize {
    let known = terminal_size::terminal_size_of(io::stderr()).or_else(terminal_size::terminal_size);
    known.map_or(100, |(width, _)| usize::from(width.0).clamp(40, 200))
}
