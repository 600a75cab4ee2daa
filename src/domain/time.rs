//! Times as they are written: RFC 3339 in UTC, to the second.

use jiff::Timestamp;

/// Seconds since 1970 as text.
pub fn text(seconds: i64) -> String {
    Timestamp::from_second(seconds).unwrap_or_default().to_string()
}

/// Whether a text is an RFC 3339 time and nothing else.
pub fn is_rfc3339(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-:.".contains(&b)) && seconds(text).is_some()
}

/// Text as seconds since 1970; None when it is no time.
pub fn seconds(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(|time| time.as_second())
}
