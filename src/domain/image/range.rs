//! Ranges of versions, as Helm and Flux read them: `1.2.x`, `~1.2`, `^1`, `>=1.0 <2.0`, `1.2 - 1.4`, and several with `||`.
//! A version before a release counts only where the range names one.

use semver::{BuildMetadata, Prerelease, Version};

/// Several of them, of which one must hold, each of conditions that all must hold.
pub struct Range(Vec<Part>);

struct Part {
    conditions: Vec<Condition>,
    // Whether it names a version before a release: only then such versions count.
    is_early: bool,
}

struct Condition {
    operator: Operator,
    // The first version of what it stands for, and the first one after it.
    low: Option<Version>,
    high: Option<Version>,
    // Whether all parts of the version are said.
    is_exact: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operator {
    Is,
    IsNot,
    Tilde,
    Caret,
    Above,
    AtLeast,
    Below,
    AtMost,
}

/// A version, with or without a `v`.
pub fn parse(text: &str) -> Option<Version> {
    Version::parse(text.strip_prefix(['v', 'V']).unwrap_or(text)).ok()
}

impl Range {
    /// Reads a range; None: a part of it is none, and nobody takes the rest alone.
    pub fn parse(text: &str) -> Option<Self> {
        text.split("||").map(|part| Part::parse(part.trim())).collect::<Option<_>>().map(Self)
    }

    /// Whether a version lies in it. What a build says of itself does not count.
    pub fn contains(&self, version: &str) -> bool {
        let Some(mut version) = parse(version) else { return false };
        version.build = BuildMetadata::EMPTY;
        self.0.iter().any(|part| part.has(&version))
    }
}

impl Part {
    fn parse(text: &str) -> Option<Self> {
        if let Some((low, high)) = text.split_once(" - ") {
            return Self::parse(&format!(">={} <={}", low.trim(), high.trim()));
        }
        // An operator may stand apart from its version.
        let mut words: Vec<String> = Vec::new();
        let is_blank = |c: char| c.is_whitespace() || c == ',';
        for word in text.split(is_blank).filter(|word| !word.is_empty()) {
            match words.last_mut() {
                Some(last) if last.chars().all(is_sign) => last.push_str(word),
                _ => words.push(word.to_owned()),
            }
        }
        let conditions: Vec<Condition> = words.iter().map(|word| Condition::parse(word)).collect::<Option<_>>()?;
        let is_early = conditions.iter().any(|one| one.low.as_ref().is_some_and(|low| !low.pre.is_empty()));
        (!conditions.is_empty()).then_some(Self { conditions, is_early })
    }

    fn has(&self, version: &Version) -> bool {
        (version.pre.is_empty() || self.is_early) && self.conditions.iter().all(|condition| condition.has(version))
    }
}

fn is_sign(c: char) -> bool {
    "<>=!~^".contains(c)
}

impl Condition {
    fn parse(word: &str) -> Option<Self> {
        let (operator, text) = word.split_at(word.find(|c| !is_sign(c)).unwrap_or(word.len()));
        let operator = match operator {
            "" | "=" => Operator::Is,
            "!=" => Operator::IsNot,
            "~" | "~>" => Operator::Tilde,
            "^" => Operator::Caret,
            ">" => Operator::Above,
            ">=" | "=>" => Operator::AtLeast,
            "<" => Operator::Below,
            "<=" | "=<" => Operator::AtMost,
            _ => return None,
        };
        let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let text = text.split_once('+').map_or(text, |(text, _)| text);
        let (numbers, early) = text.split_once('-').map_or((text, None), |(numbers, early)| (numbers, Some(early)));
        let written: Vec<&str> = numbers.split('.').collect();
        if written.len() > 3 {
            return None;
        }
        // What comes after a part that may be anything may be anything too.
        let is_any = |part: &&str| matches!(*part, "x" | "X" | "*");
        let known = written.iter().take_while(|part| !is_any(part));
        let parts: Vec<u64> = known.map(|part| part.parse().ok()).collect::<Option<_>>()?;
        if !written.iter().all(|part| is_any(part) || part.parse::<u64>().is_ok()) {
            return None;
        }
        let [major, minor, patch] = [0, 1, 2].map(|at| parts.get(at).copied().unwrap_or(0));
        let mut low = Version::new(major, minor, patch);
        if let Some(early) = early {
            low.pre = Prerelease::new(early).ok()?;
        }
        let is_exact = parts.len() == 3;
        if parts.is_empty() {
            return Some(Self { operator, low: None, high: None, is_exact });
        }
        // A number that has no next one is of no version.
        let next = |at: usize| {
            Some(match at {
                1 => Version::new(major.checked_add(1)?, 0, 0),
                2 => Version::new(major, minor.checked_add(1)?, 0),
                _ => Version::new(major, minor, patch.checked_add(1)?),
            })
        };
        let high = match (operator, parts.len()) {
            (Operator::Caret, 1) => next(1),
            (Operator::Caret, _) if major > 0 => next(1),
            (Operator::Caret, 2) => next(2),
            (Operator::Caret, _) if minor > 0 => next(2),
            (Operator::Tilde, 1) => next(1),
            (Operator::Tilde, _) => next(2),
            // A version before its release is not the release.
            (Operator::Is | Operator::IsNot, 3) if early.is_some() => {
                Some(Version { pre: Prerelease::new(&format!("{}.0", low.pre)).ok()?, ..low.clone() })
            }
            (_, given) => next(given),
        };
        Some(Self { operator, low: Some(low), high: Some(high?), is_exact })
    }

    fn has(&self, version: &Version) -> bool {
        let is_from = |low: &Version| version >= low;
        let is_before = |high: &Version| version < high;
        let (low, high) = (self.low.as_ref(), self.high.as_ref());
        let is_in = low.is_none_or(is_from) && high.is_none_or(is_before);
        match self.operator {
            Operator::Is | Operator::Tilde | Operator::Caret => is_in,
            Operator::IsNot => !is_in,
            Operator::AtLeast => low.is_none_or(is_from),
            Operator::Below => low.is_some_and(is_before),
            // A part of a version is all that begins with it.
            Operator::Above if self.is_exact => low.is_some_and(|low| version > low),
            Operator::Above => high.is_some_and(is_from),
            Operator::AtMost if self.is_exact => low.is_some_and(|low| version <= low),
            Operator::AtMost => high.is_none_or(is_before),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Range;

    fn contains(range: &str, version: &str) -> bool {
        Range::parse(range).is_some_and(|range| range.contains(version))
    }

    #[test]
    fn ranges_are_those_of_helm_and_flux() {
        for (range, yes, no) in [
            ("*", &["1.0.0", "0.0.1"][..], &["1.0.0-rc.1", "nightly"][..]),
            ("1.x", &["1.0.0", "1.9.3", "v1.2.0"], &["2.0.0", "0.9.0"]),
            ("1.2", &["1.2.0", "1.2.9"], &["1.3.0"]),
            ("1.2.3", &["1.2.3"], &["1.2.4", "1.2.3-rc.1"]),
            ("^1.2", &["1.2.0", "1.9.0"], &["2.0.0", "1.1.9"]),
            ("^0.2.3", &["0.2.3", "0.2.9"], &["0.3.0", "0.2.2"]),
            ("^0.0.3", &["0.0.3"], &["0.0.4"]),
            ("~1.2.3", &["1.2.3", "1.2.9"], &["1.3.0", "1.2.2"]),
            (">=1.0.0 <2.0.0", &["1.0.0", "1.5.0"], &["2.0.0"]),
            (">= 1.0, < 2.0", &["1.0.0", "1.5.0"], &["2.0.0", "0.9.0"]),
            ("1.2 - 1.4", &["1.2.0", "1.4.9"], &["1.5.0", "1.1.0"]),
            ("<1 || >=3", &["0.9.0", "3.1.0"], &["1.0.0", "2.0.0"]),
            ("!=1.2.x", &["1.3.0"], &["1.2.5"]),
            (">1.2", &["1.3.0"], &["1.2.9"]),
            (">=1.0.0-0", &["1.0.0-rc.1", "1.0.0"], &["0.9.0"]),
            ("what", &[], &["1.0.0"]),
            ("^0.0.3-rc", &["0.0.3-rc", "0.0.3"], &["0.0.4"]),
            // A part that is none makes a range of none.
            ("9.x ||", &[], &["1.0.0", "9.0.0"]),
            ("|| 1.x", &[], &["1.0.0"]),
            ("", &[], &["1.0.0"]),
            ("1.x >=", &[], &["1.0.0"]),
            ("1.2.3.4", &[], &["1.2.3", "1.2.4"]),
            (">1.x.y", &[], &["2.0.0"]),
            // What a build says of itself does not count.
            (">1.2.3", &["1.2.4"], &["1.2.3+build.1"]),
            ("<=1.2.3", &["1.2.3+build.1"], &["1.2.4"]),
            ("=1.2.3+a", &["1.2.3", "1.2.3+b"], &["1.2.4"]),
            (">1.0.0+a-b", &["1.0.1"], &["1.1.0-rc.1", "1.0.0"]),
            ("1.2.3-a - 1.2.4", &["1.2.3-b", "1.2.4"], &["1.2.5"]),
            // Numbers that have no next one.
            (">18446744073709551615", &[], &["1.0.0", "18446744073709551615.0.0"]),
            ("^18446744073709551615.1", &[], &["1.0.0", "18446744073709551615.1.0"]),
            ("1.x", &["1.18446744073709551615.18446744073709551615"], &["2.0.0"]),
        ] {
            for version in yes {
                assert!(contains(range, version), "{range} {version}");
            }
            for version in no {
                assert!(!contains(range, version), "{range} {version}");
            }
        }
    }
}
