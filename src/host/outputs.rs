//! The output values of a run: the keys of the JSON document that a later step of a pipeline may want.

use crate::domain::outcome::Report;

/// An output's name, as GitHub has it, and what it holds.
pub const OUTPUTS: &[(&str, &str)] = &[
    ("result", "What became of it: released, unchanged, refused and so on."),
    ("digest", "The digest of the content."),
    ("path", "The file that was written."),
    ("stage", "The target's stage."),
    ("unit", "The unit."),
    ("commit", "The commit that holds the result."),
    ("previous-commit", "The tip of the target's branch before."),
    ("live", "`true` when the target's branch now holds this content."),
    ("pull-request-number", "The number of the pull request, where that is how it is delivered."),
    ("pull-request-url", "The page of the pull request."),
    ("notes", "Release notes, Markdown, cut to 16 KiB."),
];

// Outputs become variables of the environment of later steps; Windows lets one have 32,767 characters.
const LONGEST: usize = 16 << 10;

/// Names and values of a report's outputs; what a report does not have is an empty text.
pub fn of(report: &Report) -> Vec<(&'static str, String)> {
    let document = serde_json::to_value(report).unwrap_or_default();
    let value = |name: &str| match name.strip_prefix("pull-request-") {
        Some(of) => &document["pull_request"][of],
        None => &document[name.replace('-', "_")],
    };
    let text = |name: &str| match value(name) {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Null => String::new(),
        other => other.to_string(),
    };
    OUTPUTS.iter().map(|(name, _)| (*name, cut(text(name), LONGEST))).collect()
}

/// A text of at most so many bytes, cut at the end of a line where there is one.
pub fn cut(mut text: String, most: usize) -> String {
    const MORE: &str = "\n…\n";
    if text.len() <= most {
        return text;
    }
    let mut end = most.saturating_sub(MORE.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(text[..end].rfind('\n').unwrap_or(end));
    text + MORE
}

/// `previous-commit` as Azure Pipelines has it: `previousCommit`.
pub fn camel(kebab: &str) -> String {
    let mut parts = kebab.split('-');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |name, part| {
        let mut chars = part.chars();
        let head = chars.next().map(|c| c.to_ascii_uppercase()).into_iter();
        name + &head.chain(chars).collect::<String>()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_lengths() {
        assert_eq!(camel("previous-commit"), "previousCommit");
        assert_eq!(camel("live"), "live");
        assert_eq!(cut("a\nb\nc\nd\ne".into(), 9), "a\nb\nc\nd\ne");
        assert_eq!(cut("a\nb\nc\nd\ne\n".into(), 9), "a\nb\n…\n");
        assert_eq!(cut("ééééé".into(), 8), "é\n…\n");
    }
}
