//! Regular expressions out of a tree, with what it may cost to try them.

use regex_lite::{Regex, RegexBuilder};

use super::node::At;
use super::tree::Tree;

// Sizes that expressions may have, in bytes; what is larger is not read. One of few repetitions has the first.
const SIZES: &[usize] = &[2 << 10, 8 << 10, 32 << 10];
// What one try of the smallest costs, where a look at a path costs 1.
const COST: usize = 8;
// Longest text on which one is tried: no name and no image is longer.
const LONGEST: usize = 1024;

/// What texts must be like.
#[derive(Debug)]
pub(super) enum Pattern {
    /// This very text.
    Text(String),
    /// This text in whatever place.
    Part(String),
    /// What the expression matches, at a cost.
    Regex(Regex, usize),
}

impl Pattern {
    /// Reads an expression; None: it cannot be read, or is too large.
    pub(super) fn read(text: &str) -> Option<Self> {
        if is_plain(text) {
            return Some(Self::Text(text.to_owned()));
        }
        Self::build(&format!("^(?:{text})$"))
    }

    /// The same of one that a part of a text may match.
    pub(super) fn within(text: &str) -> Option<Self> {
        if is_plain(text) { Some(Self::Part(text.to_owned())) } else { Self::build(text) }
    }

    fn build(text: &str) -> Option<Self> {
        SIZES.iter().find_map(|size| {
            let regex = RegexBuilder::new(text).size_limit(*size).build().ok()?;
            Some(Self::Regex(regex, size / SIZES.first()? * COST))
        })
    }

    /// Whether a text is like that, if there is room to look.
    pub(super) fn is_match(&self, text: &str, tree: &Tree<'_>, at: At) -> bool {
        match self {
            Self::Text(own) => own == text,
            Self::Part(own) => text.len() <= LONGEST && tree.spend(COST, at) && text.contains(own.as_str()),
            Self::Regex(regex, cost) => text.len() <= LONGEST && tree.spend(*cost, at) && regex.is_match(text),
        }
    }
}

fn is_plain(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || "-_/:@ ".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_is_not_read() {
        assert!(matches!(Pattern::read("web-1"), Some(Pattern::Text(_))));
        assert!(matches!(Pattern::read("web.*"), Some(Pattern::Regex(_, COST))));
        assert!(matches!(Pattern::read("Deployment|StatefulSet|DaemonSet"), Some(Pattern::Regex(_, COST))));
        for text in ["(a{1,50}){1,50}", "\\pL", "("] {
            assert!(Pattern::read(text).is_none(), "{text}");
        }
    }
}
