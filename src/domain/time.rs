//! Times as they are written: RFC 3339 in UTC, to the second.

use jiff::Timestamp;

/// Seconds since 1970 as text.
pub fn text(seconds: i64) -> String {
    Timestamp::from_second(seconds).unwrap_or_default().to_string()
}

/// Text as seconds since 1970; None when it is no time.
pub fn seconds(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(|time| time.as_second())
}
