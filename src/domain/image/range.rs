//! Ranges of versions, as Helm and Flux read them: `1.2.x`, `~1.2`, `^1`, `>=1.0 <2.0`, `1.2 - 1.4`, and several with `||`.

use semver::Version;

type Bound = (Option<Version>, Option<Version>, bool);

/// Whether a version lies in a range. A version before a release counts only where the range names one.
pub fn contains(range: &str, version: &str) -> bool {
    let Some(version) = parse(version) else { return false };
    range.split("||").any(|part| all(part.trim(), &version))
}

/// A version, with or without a `v`.
pub fn parse(text: &str) -> Option<Version> {
    Version::parse(text.strip_prefix(['v', 'V']).unwrap_or(text)).ok()
}

fn all(part: &str, version: &Version) -> bool {
    if let Some((low, high)) = part.split_once(" - ") {
        return all(&format!(">={} <={}", low.trim(), high.trim()), version);
    }
    // An operator may stand apart from its version.
    let mut words: Vec<String> = Vec::new();
    for word in part.split([' ', ',']).filter(|word| !word.is_empty()) {
        match words.last_mut() {
            Some(last) if last.chars().all(|c| "<>=!~^".contains(c)) => last.push_str(word),
            _ => words.push(word.to_owned()),
        }
    }
    let early = version.pre.is_empty() || part.contains('-');
    early && words.iter().all(|word| one(word, version).unwrap_or(false))
}

fn one(word: &str, version: &Version) -> Option<bool> {
    let at = word.find(|c| !"<>=!~^".contains(c)).unwrap_or(word.len());
    let (operator, text) = word.split_at(at);
    let (low, high, exact) = bounds(operator, text)?;
    let is_above = |low: &Version| version >= low;
    let is_below = |high: &Version| version < high;
    let is_in = low.as_ref().is_none_or(is_above) && high.as_ref().is_none_or(is_below);
    Some(match operator {
        "" | "=" | "~" | "^" | "~>" => is_in,
        "!=" => !is_in,
        ">=" | "=>" => low.as_ref().is_none_or(is_above),
        "<" => low.as_ref().is_some_and(|low| version < low),
        // A part of a version is all that begins with it.
        ">" if exact => low.as_ref().is_some_and(|low| version > low),
        ">" => high.as_ref().is_some_and(is_above),
        "<=" | "=<" if exact => low.as_ref().is_some_and(|low| version <= low),
        "<=" | "=<" => high.as_ref().is_none_or(is_below),
        _ => return None,
    })
}

// The first version of what an operator and a text stand for, the first one after it, and whether all parts are said.
fn bounds(operator: &str, text: &str) -> Option<Bound> {
    let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
    let (numbers, early) = text.split_once('-').map_or((text, None), |(numbers, early)| (numbers, Some(early)));
    let numbers = numbers.split_once('+').map_or(numbers, |(numbers, _)| numbers);
    let mut parts: Vec<u64> = Vec::new();
    for part in numbers.split('.') {
        if matches!(part, "x" | "X" | "*") {
            break;
        }
        parts.push(part.parse().ok()?);
    }
    let [major, minor, patch] = [0, 1, 2].map(|at| parts.get(at).copied().unwrap_or(0));
    let mut low = Version::new(major, minor, patch);
    if let Some(early) = early {
        low.pre = semver::Prerelease::new(early.split_once('+').map_or(early, |(early, _)| early)).ok()?;
    }
    let next = |at: usize| match at {
        1 => Version::new(major + 1, 0, 0),
        2 => Version::new(major, minor + 1, 0),
        _ => Version::new(major, minor, patch + 1),
    };
    let high = match (operator, parts.len()) {
        (_, 0) => return Some((None, None, false)),
        ("^", 1) => next(1),
        ("^", _) if major > 0 => next(1),
        ("^", 2) => next(2),
        ("^", _) if minor > 0 => next(2),
        ("~" | "~>", 1) => next(1),
        ("~" | "~>", _) => next(2),
        // A version before its release is not the release.
        (_, 3) if early.is_some() => {
            Version { pre: semver::Prerelease::new(&format!("{}.0", low.pre)).ok()?, ..low.clone() }
        }
        (_, given) => next(given),
    };
    Some((Some(low), Some(high), parts.len() == 3))
}

#[cfg(test)]
mod tests {
    use super::contains;

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
