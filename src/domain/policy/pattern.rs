//! Patterns over full names: `*` stands for any characters but `/`, `?` for one of them, and `**` as a component of its
//! own for any number of components.
//!
//! They are anchored at both ends and tell case apart. `**` at the end wants at least one component, so `hotfix/**` is
//! what lies below `hotfix`, not `hotfix` itself; elsewhere it may stand for none. There are no other special
//! characters, and what other tools would take for one (`[`, `]`, `{`, `}`, `!`, `\`) is refused instead of being
//! read differently from what its author meant.

use std::fmt;

use crate::domain::id::BranchName;
use crate::domain::path;

/// Why a text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct InvalidPattern {
    /// The rule it breaks.
    pub why: &'static str,
    /// The way out.
    pub hint: Option<String>,
}

pub(super) fn invalid(why: &'static str, hint: Option<String>) -> InvalidPattern {
    InvalidPattern { why, hint }
}

#[derive(Clone, PartialEq, Eq)]
enum Part {
    // `**`
    Any,
    One(String),
}

/// A pattern over components.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Glob {
    text: String,
    parts: Vec<Part>,
}

impl Glob {
    pub(super) fn parse(text: &str) -> Result<Self, InvalidPattern> {
        if text.is_empty() {
            return Err(invalid("it is empty", None));
        }
        if text.len() > path::MAX_PATH {
            return Err(invalid("it is longer than 1024 bytes", None));
        }
        if text.chars().any(|c| c.is_control() || path::is_invisible(c)) {
            return Err(invalid("it has a control or invisible character", None));
        }
        if text.contains(['[', ']', '{', '}', '\\']) || text.starts_with('!') {
            let hint = "write one pattern for each alternative".to_owned();
            return Err(invalid("its only special characters are *, ** and ?", Some(hint)));
        }
        let parts = text.split('/').map(|part| match part {
            "" => Err(invalid("a component is empty: no / at its ends, no // in it", None)),
            "**" => Ok(Part::Any),
            _ if part.contains("**") => {
                Err(invalid("** stands alone between slashes", Some("write `/**` or a single `*`".to_owned())))
            }
            _ => Ok(Part::One(part.to_owned())),
        });
        Ok(Self { text: text.to_owned(), parts: parts.collect::<Result<_, _>>()? })
    }

    // The positions in the pattern that can be reached by the components of `text`. Sets instead of backtracking: the
    // work is bounded by the product of the lengths however many `**` there are.
    fn reach(&self, text: &str) -> Vec<bool> {
        let mut now = vec![false; self.parts.len() + 1];
        if let Some(first) = now.first_mut() {
            *first = true;
        }
        for component in text.split('/') {
            self.skip(&mut now);
            let mut next = vec![false; now.len()];
            for (at, part) in self.parts.iter().enumerate().filter(|(at, _)| now[*at]) {
                match part {
                    // Staying lets it take more; moving on ends it here.
                    Part::Any => (next[at], next[at + 1]) = (true, true),
                    Part::One(one) => next[at + 1] |= matches_one(one, component),
                }
            }
            now = next;
        }
        now
    }

    // `**` before the end may stand for nothing.
    fn skip(&self, now: &mut [bool]) {
        for at in 0..self.parts.len().saturating_sub(1) {
            if now[at] && self.parts[at] == Part::Any {
                now[at + 1] = true;
            }
        }
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        self.reach(text).last().copied().unwrap_or(false)
    }

    // Whether some name below the folder `text` can match.
    fn may_match_below(&self, text: &str) -> bool {
        self.reach(text).split_last().is_some_and(|(_, open)| open.contains(&true))
    }
}

// One component against `*` and `?`: the classic scan that returns to the last star only.
fn matches_one(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                p = at + 1;
                t = from + 1;
            }
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

macro_rules! pattern {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name(Glob);

        impl $name {
            /// The pattern as written.
            pub fn as_str(&self) -> &str {
                &self.0.text
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0.text)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0.text, f)
            }
        }
    };
}

pattern!(
    /// Which branches: full names below `refs/heads/`, anchored, case told apart; `*` does not cross `/`, `**` does.
    BranchPattern
);
pattern!(
    /// Which commit statuses, by their context; the same rules as for branches.
    StatusPattern
);
pattern!(
    /// Which paths; the same rules as for branches.
    PathPattern
);

impl BranchPattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// It is malformed, begins with `refs/`, or no branch can have such a name.
    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        if let Some(rest) = text.strip_prefix("refs/") {
            let short = rest.strip_prefix("heads/").unwrap_or(rest);
            return Err(invalid("it begins with refs/", Some(format!("write the branch's name alone: `{short}`"))));
        }
        let glob = Glob::parse(text)?;
        // A wildcard may stand for a letter, so a pattern that some branch matches makes a valid name with letters.
        if text.replace(['*', '?'], "x").parse::<BranchName>().is_err() {
            return Err(invalid("git allows no branch of such a name", None));
        }
        Ok(Self(glob))
    }

    /// The pattern that matches exactly this branch.
    pub fn exactly(branch: &BranchName) -> Self {
        let text = branch.as_str();
        Self(Glob { text: text.to_owned(), parts: text.split('/').map(|part| Part::One(part.to_owned())).collect() })
    }

    /// Whether the branch is one of them.
    pub fn matches(&self, branch: &BranchName) -> bool {
        self.0.matches(branch.as_str())
    }
}

impl StatusPattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// It is malformed.
    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        Glob::parse(text).map(Self)
    }

    /// Whether the status is one of them.
    pub fn matches(&self, context: &str) -> bool {
        self.0.matches(context)
    }
}

impl PathPattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// It is malformed, or no path of an artifact or environment can match it.
    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        if let Some(folder) = text.strip_suffix('/') {
            let hint = format!("write `{folder}/**` for all that is in a folder");
            return Err(invalid("it ends with a slash", Some(hint)));
        }
        if text.starts_with('/') || text.split('/').any(|part| part == "." || part == "..") {
            return Err(invalid("it is not a path from the repository's root, without . and ..", None));
        }
        Glob::parse(text).map(Self)
    }

    /// Whether the path is one of them.
    pub fn matches(&self, path: &str) -> bool {
        self.0.matches(path)
    }

    // Every path that it matches lies in the folder.
    pub(super) fn is_within(&self, folder: &str) -> bool {
        let folder: Vec<&str> = folder.split('/').collect();
        self.0.parts.len() > folder.len()
            && folder.iter().zip(&self.0.parts).all(|(name, part)| matches!(part, Part::One(one) if one == name))
    }
}

/// Several path patterns; a path matches when one of them does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PathPatterns(pub(super) Vec<PathPattern>);

impl PathPatterns {
    /// Whether one of the patterns matches the path.
    pub fn matches(&self, path: &str) -> bool {
        self.0.iter().any(|pattern| pattern.matches(path))
    }

    /// Whether one of the patterns is for this path, and not for all that is below some folder.
    pub fn names(&self, path: &str) -> bool {
        self.0.iter().any(|pattern| pattern.0.parts.last() != Some(&Part::Any) && pattern.matches(path))
    }

    /// Whether some path below the folder can match: if not, its tree need not be read to look for such files.
    pub fn may_match_below(&self, folder: &str) -> bool {
        self.0.iter().any(|pattern| pattern.0.may_match_below(folder))
    }

    /// Whether there are no patterns.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The patterns, in the file's order.
    pub fn iter(&self) -> impl Iterator<Item = &PathPattern> {
        self.0.iter()
    }
}

impl FromIterator<PathPattern> for PathPatterns {
    fn from_iter<I: IntoIterator<Item = PathPattern>>(patterns: I) -> Self {
        Self(patterns.into_iter().collect())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hits(pattern: &str, branch: &str) -> bool {
        BranchPattern::parse(pattern).unwrap().matches(&branch.parse().unwrap())
    }

    #[test]
    fn patterns_are_anchored_and_stars_know_slashes() {
        for (pattern, yes, no) in [
            ("main", &["main"][..], &["x/main", "main/x", "mainx", "Main", "MAIN"][..]),
            ("hotfix/*", &["hotfix/1", "hotfix/a.b"], &["hotfix", "hotfix/a/b", "x/hotfix/1"]),
            ("hotfix/**", &["hotfix/1", "hotfix/a/b"], &["hotfix", "hotfixes/1"]),
            ("**", &["main", "a/b/c"], &[]),
            ("*", &["main"], &["a/b"]),
            ("**/fix", &["fix", "a/fix", "a/b/fix"], &["fix/a", "xfix"]),
            ("a/**/b", &["a/b", "a/x/b", "a/x/y/b"], &["a", "a/bc", "ab", "a/x"]),
            ("r-?.*", &["r-1.2", "r-1.a"], &["r-10.2", "r-.2", "r-1.2/x"]),
            ("*-*-x", &["a-b-x", "a-b-c-x"], &["a-x", "a-b-x1"]),
            ("v*/**/x*", &["v1/x", "v1/a/b/x2"], &["v1", "x"]),
        ] {
            for branch in yes {
                assert!(hits(pattern, branch), "{pattern} {branch}");
            }
            for branch in no {
                assert!(!hits(pattern, branch), "{pattern} {branch}");
            }
        }
    }

    #[test]
    fn patterns_that_mean_something_elsewhere_are_refused() {
        for bad in
            ["", "refs/heads/main", "refs/tags/x", "a//b", "/a", "a/", "a**", "**a/b", "{a,b}", "[ab]", "!a", "a\\b"]
        {
            assert!(BranchPattern::parse(bad).is_err(), "{bad}");
        }
        for bad in ["a..*", "-*", "a b", "*.lock", "a~1", "\u{202e}"] {
            assert!(BranchPattern::parse(bad).is_err(), "{bad}");
        }
        let error = BranchPattern::parse("refs/heads/hotfix/*").unwrap_err();
        assert_eq!(error.hint.as_deref(), Some("write the branch's name alone: `hotfix/*`"));
        for bad in ["apps/x/", "/apps", "apps/../x", "./apps"] {
            assert!(PathPattern::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn many_stars_stay_cheap() {
        let pattern = BranchPattern::parse(&vec!["**"; 200].join("/")).unwrap();
        assert!(pattern.matches(&vec!["a"; 400].join("/").parse().unwrap()));
        let pattern = format!("{}b", "*a".repeat(200));
        assert!(!matches_one(&pattern, &"a".repeat(1000)));
    }

    #[test]
    fn local_patterns_stay_in_their_folder() {
        let pattern = |text| PathPattern::parse(text).unwrap();
        assert!(pattern("apps/*/local/**").is_within("apps"));
        assert!(pattern("apps/**").is_within("apps"));
        assert!(!pattern("apps").is_within("apps"));
        assert!(!pattern("*/x").is_within("apps"));
        assert!(!pattern("appsx/y").is_within("apps"));
        let all: PathPatterns = [pattern("apps/*/local/**"), pattern("infra/x.yaml")].into_iter().collect();
        assert!(all.matches("apps/shop/local/a/b"));
        assert!(!all.matches("apps/shop/local"));
        assert!(!all.matches("apps/local/a"));
        for (folder, may) in [
            ("apps", true),
            ("apps/shop", true),
            ("apps/shop/local", true),
            ("apps/shop/x", false),
            ("infra", true),
            ("infra/x.yaml", false),
            ("cluster", false),
        ] {
            assert_eq!(all.may_match_below(folder), may, "{folder}");
        }
    }

    proptest! {
        #[test]
        fn a_literal_matches_itself_only(a in "[a-z]{1,3}(/[a-z]{1,3}){0,3}", b in "[a-z]{1,3}(/[a-z]{1,3}){0,3}") {
            let pattern = Glob::parse(&a).unwrap();
            prop_assert!(pattern.matches(&a));
            prop_assert_eq!(pattern.matches(&b), a == b);
        }

        #[test]
        fn below_agrees_with_matches(pattern in "[ab*](/([ab*?]|\\*\\*)){0,4}", path in "[ab](/[ab]){0,4}") {
            let glob = Glob::parse(&pattern).unwrap();
            if glob.matches(&path) {
                for (at, _) in path.match_indices('/') {
                    prop_assert!(glob.may_match_below(&path[..at]), "{} {}", pattern, path);
                }
            }
        }
    }
}
