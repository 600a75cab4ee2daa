//! What git says of how far it is: read for the person who watches, and kept out of what it says of failures.

use crate::port::Progress;

// Longer lines are no progress.
const MAX_LINE: usize = 1024;

// Lines of progress that name no amount, or no longer do.
const TOLD: &[&str] = &[
    "Enumerating objects: ",
    "Counting objects: ",
    "Compressing objects: ",
    "Receiving objects: ",
    "Unpacking objects: ",
    "Indexing objects: ",
    "Writing objects: ",
    "Resolving deltas: ",
    "Finding sources: ",
    "Delta compression using ",
    "Total ",
];

/// Takes the error text of a git that was asked for progress, and keeps what is none.
pub(super) struct Sieve<'a> {
    progress: &'a dyn Progress,
    line: Vec<u8>,
}

impl<'a> Sieve<'a> {
    pub(super) fn new(progress: &'a dyn Progress) -> Self {
        Self { progress, line: Vec::new() }
    }

    /// Takes some bytes; what is no progress goes to `kept`.
    pub(super) fn take(&mut self, bytes: &[u8], kept: &mut Vec<u8>) {
        for byte in bytes {
            self.line.push(*byte);
            if matches!(byte, b'\r' | b'\n') || self.line.len() > MAX_LINE {
                self.end(kept);
            }
        }
    }

    /// The text is over.
    pub(super) fn end(&mut self, kept: &mut Vec<u8>) {
        let text = String::from_utf8_lossy(&self.line);
        let text = text.trim_start_matches("remote: ").trim();
        if let Some((done, total)) = amount(text) {
            self.progress.amount(done, total);
        } else if !TOLD.iter().any(|head| text.starts_with(head)) {
            kept.extend_from_slice(&self.line);
        }
        self.line.clear();
    }
}

// Reads `Receiving objects:  42% (420/1000), 1.2 MiB | 3 MiB/s`.
fn amount(text: &str) -> Option<(u64, u64)> {
    let (_, rest) = text.split_once(": ")?;
    let (percent, rest) = rest.trim_start().split_once("% (")?;
    percent.parse::<u8>().ok()?;
    let (amount, _) = rest.split_once(')')?;
    let (done, total) = amount.split_once('/')?;
    Some((done.parse().ok()?, total.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Seen(Mutex<Vec<(u64, u64)>>);

    impl Progress for Seen {
        fn step(&self, _: &str) {}

        fn amount(&self, done: u64, total: u64) {
            self.0.lock().unwrap().push((done, total));
        }

        fn is_watched(&self) -> bool {
            true
        }
    }

    #[test]
    fn amounts_are_read_and_only_words_are_kept() {
        let said = "remote: Enumerating objects: 5, done.\nremote: Counting objects:  50% (1/2)\rremote: Counting objects: \
                    100% (2/2), done.        \nReceiving objects:  42% (420/1000), 1.2 MiB | 3 MiB/s\rfatal: the disk is \
                    full: 99% (of it)\nremote: GH006: no\nTotal 3 (delta 0), reused 0 (delta 0)\nthe end";
        // However it is cut into pieces.
        for size in [1, 7, 4096] {
            let seen = Seen::default();
            let mut sieve = Sieve::new(&seen);
            let mut kept = Vec::new();
            said.as_bytes().chunks(size).for_each(|piece| sieve.take(piece, &mut kept));
            sieve.end(&mut kept);
            let words = "fatal: the disk is full: 99% (of it)\nremote: GH006: no\nthe end";
            assert_eq!(String::from_utf8(kept).unwrap(), words);
            assert_eq!(*seen.0.lock().unwrap(), [(1, 2), (2, 2), (420, 1000)]);
        }
    }

    #[test]
    fn a_line_without_end_is_no_progress() {
        let seen = Seen::default();
        let mut sieve = Sieve::new(&seen);
        let mut kept = Vec::new();
        sieve.take(&[b'x'; 5000], &mut kept);
        sieve.end(&mut kept);
        assert_eq!(kept.len(), 5000);
    }
}
