//! The one place that makes text from outside harmless.

/// One line.
pub fn line(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() || crate::domain::path::is_invisible(c) {
                c.escape_unicode().to_string()
            } else {
                c.to_string()
            }
        })
        .collect()
}
