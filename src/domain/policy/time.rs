//! Durations as people write them in a policy: `0s`, `30m`, `1h30m`, `2d`.

use std::time::Duration;

/// Why a text is not a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidDuration(
    /// The rule it breaks.
    pub &'static str,
);

/// The pattern that the schema gives for durations.
pub(super) const PATTERN: &str = r"^(?=.)([0-9]{1,9}d)?([0-9]{1,9}h)?([0-9]{1,9}m)?([0-9]{1,9}s)?$";

// Whole units only: adding it to any time of record stays within what a calendar holds.
const MAX: u64 = 3650 * 86_400;

/// Parses whole days, hours, minutes and seconds, in that order, each at most once: `1d`, `1h30m`, `0s`.
///
/// # Errors
/// The rule that the text breaks.
pub fn parse_duration(text: &str) -> Result<Duration, InvalidDuration> {
    let no = |why| Err(InvalidDuration(why));
    if text.is_empty() {
        return no("it is empty");
    }
    if text.starts_with('-') {
        return no("a duration is never negative");
    }
    let (mut rest, mut seconds) = (text, 0_u64);
    let mut units = [('d', 86_400), ('h', 3600), ('m', 60), ('s', 1)].into_iter();
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let Some(unit) = rest[digits..].chars().next() else {
            return no("a number has no unit: d, h, m or s");
        };
        if digits == 0 {
            return no("it is not made of numbers with a unit each, such as 1h30m");
        }
        if !"dhms".contains(unit) {
            return no("its units are d, h, m and s");
        }
        let Some((_, size)) = units.find(|(name, _)| *name == unit) else {
            return no("its units stand from large to small, each once");
        };
        let count = rest[..digits].parse::<u64>().ok().filter(|_| digits <= 9);
        let total = count.and_then(|n| n.checked_mul(size)).and_then(|n| n.checked_add(seconds));
        match total.filter(|n| *n <= MAX) {
            Some(total) => seconds = total,
            None => return no("it is longer than ten years"),
        }
        rest = &rest[digits + 1..];
    }
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_written() {
        for (text, seconds) in [
            ("0s", 0),
            ("30m", 1800),
            ("2h", 7200),
            ("1d", 86_400),
            ("1h30m", 5400),
            ("1d2h3m4s", 93_784),
            ("90m", 5400),
        ] {
            assert_eq!(parse_duration(text).unwrap(), Duration::from_secs(seconds), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for (text, why) in [
            ("", "it is empty"),
            ("-1h", "a duration is never negative"),
            ("5", "a number has no unit: d, h, m or s"),
            ("h", "it is not made of numbers with a unit each, such as 1h30m"),
            ("1w", "its units are d, h, m and s"),
            ("1µ", "its units are d, h, m and s"),
            ("30m1h", "its units stand from large to small, each once"),
            ("1h1h", "its units stand from large to small, each once"),
            ("1 h", "its units are d, h, m and s"),
            ("1h ", "it is not made of numbers with a unit each, such as 1h30m"),
            ("1.5h", "its units are d, h, m and s"),
            ("3651d", "it is longer than ten years"),
            ("99999999999999999999999s", "it is longer than ten years"),
            ("0000000000001s", "it is longer than ten years"),
        ] {
            assert_eq!(parse_duration(text), Err(InvalidDuration(why)), "{text}");
        }
    }
}
