//! Where readers of manifests take a text apart: at lines of `---`, before any of it is read as YAML.

// How often it is tried on a line whether a schema begins there.
const MAX_TRIES: usize = 8;

/// A part of a text: of more documents than one in it, only the first is read.
pub(super) struct Part<'t> {
    /// What is read.
    pub(super) text: &'t str,
    /// How many lines stand before it.
    pub(super) above: usize,
    /// Whether more than a comment stands behind the `---` above it, which nobody reads alike.
    pub(super) is_odd: bool,
}

/// The parts of a text, as kustomize and kubectl find them.
pub(super) fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let (mut from, mut at, mut above, mut line, mut is_odd) = (0, 0, 0, 0, false);
    for one in text.split_inclusive('\n') {
        // The line after a separator is none itself, and neither is one that does not end.
        if at > from && one.starts_with("---") && one.ends_with('\n') {
            parts.push(Part { text: text.get(from..at).unwrap_or_default(), above, is_odd });
            (from, above) = (at + one.len(), line + 1);
            let rest = one.get(3..).unwrap_or_default().trim();
            is_odd = !rest.is_empty() && !rest.starts_with('#');
        }
        (at, line) = (at + one.len(), line + 1);
    }
    parts.push(Part { text: text.get(from..).unwrap_or_default(), above, is_odd });
    parts
}

/// The first line with a comment that says how kustomize merges what it stands at: a schema as JSON.
pub(super) fn schema(text: &str) -> Option<usize> {
    text.lines().position(|line| {
        let is_candidate = |rest: &&str| rest.trim_start_matches(['#', ' ', '\t']).starts_with('{');
        let from = |(at, _)| line.get(at..).unwrap_or_default();
        let candidates = line.match_indices('#').map(from).filter(is_candidate).take(MAX_TRIES + 1);
        line.trim_end().ends_with('}')
            && candidates.enumerate().any(|(tries, rest)| tries == MAX_TRIES || is_schema(rest))
    })
}

fn is_schema(comment: &str) -> bool {
    // What automations mark images with says nothing of types.
    const WORDS: &[&str] = &["$ref", "$openapi", "type", "items", "properties", "additionalProperties"];
    match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(
        comment.trim_matches(['#', ' ', '\t', '\r']),
    ) {
        Ok(entries) => entries.keys().any(|key| WORDS.contains(&&**key) || key.starts_with("x-")),
        Err(error) => error.to_string().contains("recursion"),
    }
}
