//! What is wrong with a policy, shown the way a compiler shows it: message, place, line, caret, way out.

use std::fmt;

use serde_saphyr::Error as YamlError;
use unicode_width::UnicodeWidthStr;

use super::kinds::{Place, Words};
use super::raw::Gate;
use crate::domain::escape;

/// What kind of fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It is not YAML, or not the shape of a policy.
    Syntax,
    /// It has the shape, but a rule is broken.
    Invalid,
}

/// A fault of a policy and its place. All text in it is escaped already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyError {
    /// What kind of fault it is.
    pub kind: Kind,
    /// One sentence without a full stop.
    pub message: String,
    /// Line in the file, from 1.
    pub line: usize,
    /// Column in the line, in characters from 1.
    pub column: usize,
    /// The way out.
    pub hint: Option<String>,
    snippet: String,
    carets: String,
}

impl std::error::Error for PolicyError {}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { message, line, column, hint, snippet, carets, .. } = self;
        let number = line.to_string();
        let gap = " ".repeat(number.len());
        writeln!(f, "{message}")?;
        writeln!(f, "{gap}--> {}:{line}:{column}", super::PATH)?;
        writeln!(f, "{gap} |")?;
        writeln!(f, "{number} | {snippet}")?;
        write!(f, "{gap} | {carets}")?;
        if let Some(hint) = hint {
            write!(f, "\n{gap} = hint: {hint}")?;
        }
        Ok(())
    }
}

// How much of a long line is shown before and after the place.
const BEFORE: usize = 60;
const AFTER: usize = 100;

impl PolicyError {
    pub(super) fn new(text: &str, kind: Kind, place: Place, message: &str) -> Self {
        let (line, column) = (place.line.max(1), place.column.max(1));
        let whole = without_secret(text.lines().nth(line - 1).unwrap_or_default());
        let length = whole.chars().count();
        let start = if length > BEFORE + AFTER { (column - 1).saturating_sub(BEFORE) } else { 0 };
        let before: String = whole.chars().skip(start).take(column - 1 - start).collect();
        let rest: String = whole.chars().skip(column - 1).take(AFTER).collect();
        let cut = if start > 0 { "…" } else { "" };
        let more = if length > column - 1 + AFTER { "…" } else { "" };
        // Several values on one line end before the comment or the next one: the span is the parser's.
        let marked: String = rest.chars().take(place.width.max(1)).collect();
        let marked = marked.trim_end();
        let snippet = format!("{cut}{}{}{more}", escape::line(&before), escape::line(&rest));
        let carets = format!(
            "{}{}",
            " ".repeat(cut.width() + escape::line(&before).width()),
            "^".repeat(escape::line(marked).width().max(1))
        );
        Self { kind, message: escape::line(message), line, column, hint: None, snippet, carets }
    }

    pub(super) fn with_hint(mut self, hint: &str) -> Self {
        self.hint = Some(escape::line(hint));
        self
    }

    pub(super) fn unknown_value(text: &str, place: Place, value: &str, known: &[&str]) -> Self {
        let width = if place.width > 0 { place.width } else { value.chars().count() };
        let error = Self::new(text, Kind::Syntax, Place { width, ..place }, &format!("unknown value `{value}`"));
        if known == Gate::WORDS && ["artifact", "unit", "source", "branch"].contains(&value) {
            return error.with_hint("no override ever opens the gates `artifact`, `unit`, `source` and `branch`");
        }
        error.with_hint(&suggest(value, known, "it is one of"))
    }

    pub(super) fn from_yaml(text: &str, error: &YamlError) -> Self {
        let error = error.without_snippet();
        if let YamlError::AliasError { error: inner, locations, .. } = error {
            let mut translated = Self::from_yaml(text, inner);
            if let Some(at) = locations.primary_location() {
                translated =
                    Self { hint: translated.hint, ..Self::new(text, Kind::Syntax, at.into(), &translated.message) };
            }
            return translated;
        }
        let place = error.location().map(Place::from).filter(|place| place.line > 0).unwrap_or_default();
        let make = |message: &str| Self::new(text, Kind::Syntax, place, message);
        let word = |word: &str, message: &str| {
            let width = if place.width > 0 { place.width } else { word.chars().count() };
            Self::new(text, Kind::Syntax, Place { width, ..place }, message)
        };
        match error {
            YamlError::SerdeUnknownField { field, expected, .. } => {
                word(field, &format!("unknown key `{field}`")).with_hint(&suggest(field, expected, "the keys here are"))
            }
            YamlError::SerdeUnknownVariant { variant, expected, .. } => {
                Self::unknown_value(text, place, variant, expected)
            }
            YamlError::SerdeMissingField { field, .. } => word(field, &format!("the key `{field}` is missing here")),
            YamlError::DuplicateMappingKey { key, .. } => match key {
                Some(key) => word(key, &format!("the key `{key}` stands here twice")),
                None => make("a key stands here twice"),
            },
            YamlError::SerdeInvalidType { unexpected, expected, .. }
            | YamlError::SerdeInvalidValue { unexpected, expected, .. } => {
                make(&format!("{} stands where {expected} is expected", noun(unexpected)))
            }
            YamlError::QuotingRequired { value, .. } if value == "~" => make("a value is missing"),
            YamlError::QuotingRequired { value, .. } => {
                let number = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
                let unit = if number { format!("; a duration has a unit: {value}m") } else { String::new() };
                word(value, &format!("`{value}` is a number, a boolean or null where a text is expected"))
                    .with_hint(&format!("write it in quotes: \"{value}\"{unit}"))
            }
            YamlError::NullIntoString { .. } => make("a value is missing"),
            YamlError::InvalidScalar { ty, .. } => make(&format!("not a valid {ty}")),
            YamlError::Unexpected { expected, .. } => make(&format!("{} is expected", noun(expected))),
            YamlError::MergeKeyNotAllowed { .. } => make("merge keys (<<) are not allowed here"),
            YamlError::MultipleDocuments { .. } => make("the file holds more than one YAML document"),
            YamlError::Eof { .. } => make("the file ends too early, or is empty"),
            YamlError::UnknownAnchor { .. } => make("an alias names no anchor"),
            YamlError::UnsupportedTag { .. } | YamlError::TaggedStructFieldName { .. } => {
                make("YAML tags are not used here")
            }
            YamlError::Budget { .. }
            | YamlError::AliasReplayCounterOverflow { .. }
            | YamlError::AliasReplayLimitExceeded { .. }
            | YamlError::AliasExpansionLimitExceeded { .. }
            | YamlError::AliasReplayStackDepthExceeded { .. } => {
                make("the file is too large, too deep or repeats itself too often")
            }
            other => make(without_place(other.render().lines().next().unwrap_or_default())),
        }
    }
}

// The parser's words for kinds of values, in the words of people.
fn noun(kind: &str) -> &str {
    match kind {
        "unit value" | "null" => "nothing",
        "map" | "mapping start" => "a mapping",
        "sequence" | "sequence start" => "a list",
        "string scalar" => "a text",
        other => other,
    }
}

// The parser repeats the place at the end of its sentences.
fn without_place(message: &str) -> &str {
    message.rsplit_once(" at line ").map_or(message, |(sentence, _)| sentence)
}

// The nearest of the words, else all of them.
fn suggest(word: &str, known: &[&str], otherwise: &str) -> String {
    let lower = word.to_lowercase();
    let near = known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(&lower, candidate), *candidate))
        .filter(|(distance, candidate)| {
            *distance * 3 <= candidate.len().max(3) || singular(&lower) == singular(candidate)
        })
        .min_by_key(|(distance, _)| *distance);
    match near {
        Some((_, candidate)) => format!("did you mean `{candidate}`?"),
        None => format!("{otherwise} {}", known.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ")),
    }
}

fn singular(word: &str) -> &str {
    word.strip_suffix("es").or_else(|| word.strip_suffix('s')).unwrap_or(word)
}

// A password in a URL is refused, and must not reach the log by way of the line that is shown.
fn without_secret(line: &str) -> String {
    let mut shown: Vec<char> = line.chars().collect();
    let mut from = 0;
    while let Some(start) = (from..shown.len().saturating_sub(2)).find(|at| shown[*at..].starts_with(&[':', '/', '/']))
    {
        let end = (start + 3..shown.len())
            .find(|at| shown[*at].is_whitespace() || "/\"',]}".contains(shown[*at]))
            .unwrap_or(shown.len());
        if let Some(at) = (start + 3..end).rfind(|at| shown[*at] == '@')
            && let Some(colon) = (start + 3..at).find(|at| shown[*at] == ':')
        {
            shown[colon + 1..at].fill('*');
        }
        from = end.max(start + 3);
    }
    shown.into_iter().collect()
}
