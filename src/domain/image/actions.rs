//! The actions of Go templates, as far as they can be told apart without running them.

use std::collections::HashMap;

/// What an action does.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action<'a> {
    /// It writes what an expression comes to.
    Output(&'a str),
    /// It sets a variable, or says nothing.
    Silent,
    /// It decides what else is written.
    Control,
}

/// The text before the next action, the action, and the text after it; None: there is none.
pub(super) fn next(text: &str) -> Option<(&str, Action<'_>, &str)> {
    let (before, tail) = text.split_once("{{")?;
    let (inner, after) = close(tail)?;
    let before = if inner.starts_with('-') { before.trim_end() } else { before };
    let after = if inner.ends_with('-') { after.trim_start() } else { after };
    let inner = inner.trim_matches('-').trim();
    Some((before, action(inner), after))
}

/// An action and what comes after it: its end is none within quotes or a comment.
pub(super) fn close(tail: &str) -> Option<(&str, &str)> {
    if let Some(comment) = comment(tail) {
        let end = comment.find("*/").map(|end| tail.len() - comment.len() + end)?;
        let (inner, after) = tail.get(end..)?.split_once("}}")?;
        return Some((tail.get(..end + inner.len())?, after));
    }
    let (mut quote, mut before, mut is_escaped) = (None, ' ', false);
    for (at, c) in tail.char_indices() {
        match (quote, c) {
            _ if std::mem::take(&mut is_escaped) => {}
            (Some('"' | '\''), '\\') => is_escaped = true,
            (Some(open), c) if open == c => quote = None,
            (None, '"' | '`' | '\'') => quote = Some(c),
            (None, '}') if before == '}' => return Some((tail.get(..at - 1)?, tail.get(at + 1..)?)),
            _ => {}
        }
        before = c;
    }
    None
}

// What a comment says, and all that is behind it.
fn comment(tail: &str) -> Option<&str> {
    tail.trim_start_matches('-').trim_start().strip_prefix("/*")
}

/// A template without its comments, line by line what it was.
pub(super) fn without_comments(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, tail)) = rest.split_once("{{") {
        out.push_str(before);
        let Some((inner, after)) = close(tail) else {
            // What has no end is rendered by nobody.
            out.push_str("{{");
            return out + tail;
        };
        if comment(tail).is_some() {
            out.extend(inner.chars().filter(|c| *c == '\n'));
        } else {
            out.extend(["{{", inner, "}}"]);
        }
        rest = after;
    }
    out + rest
}

/// What an action does.
pub(super) fn action(inner: &str) -> Action<'_> {
    const CONTROL: &[&str] = &["if", "else", "end", "range", "with", "define", "block", "break", "continue"];
    let first = inner.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    if inner.starts_with("/*") || (inner.starts_with('$') && inner.contains(":=")) {
        Action::Silent
    } else if CONTROL.contains(&first) || (inner.starts_with('$') && inner.contains(" = ")) {
        Action::Control
    } else {
        Action::Output(inner)
    }
}

/// A text in parts, where no quotes or parentheses hold it together.
pub(super) fn split(text: &str, by: char) -> Vec<&str> {
    let (mut parts, mut from, mut depth, mut quote) = (Vec::new(), 0, 0_usize, None);
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            _ if std::mem::take(&mut is_escaped) => {}
            (Some('"'), '\\') => is_escaped = true,
            (Some(open), c) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '`') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            (None, c) if c == by && depth == 0 => {
                parts.push(text.get(from..at).unwrap_or_default().trim());
                from = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(text.get(from..).unwrap_or_default().trim());
    parts.retain(|part| !part.is_empty());
    parts
}

/// Whether what follows a part of an action is within quotes.
pub(super) fn is_quoted(before: &str) -> bool {
    let (mut quote, mut is_escaped) = (None, false);
    for c in before.chars() {
        match (quote, c) {
            _ if std::mem::take(&mut is_escaped) => {}
            (Some('"'), '\\') => is_escaped = true,
            (Some(open), c) if open == c => quote = None,
            (None, '"' | '`') => quote = Some(c),
            _ => {}
        }
    }
    quote.is_some()
}

/// The words of a text that are no texts in quotes.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '|' | '{' | '}'))
        .filter(|word| !word.starts_with('"'))
}

/// An action without what is in quotes.
pub(super) fn without_texts(action: &str) -> String {
    let (mut bare, mut quote, mut is_escaped) = (String::new(), None, false);
    for c in action.chars() {
        match (quote, c) {
            _ if std::mem::take(&mut is_escaped) => {}
            (Some('"' | '\''), '\\') => is_escaped = true,
            (Some(open), c) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '`' | '\'') => quote = Some(c),
            (None, c) => bare.push(c),
        }
    }
    bare
}

/// What comes after each call of a helper in a text.
pub(super) fn calls(text: &str) -> impl Iterator<Item = &str> {
    let all = text.split("include").skip(1).chain(text.split("template").skip(1));
    all.filter(|rest| rest.starts_with(char::is_whitespace)).map(str::trim_start)
}

/// What stands beside the actions of a text.
pub(super) fn beside(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, _, after)) = next(rest) {
        out.push_str(before);
        rest = after;
    }
    out + rest
}

/// The longest action of a template.
pub(super) fn longest(text: &str) -> usize {
    let (mut longest, mut rest) = (0, text);
    while let Some((inner, after)) = rest.split_once("{{").and_then(|(_, tail)| close(tail)) {
        longest = longest.max(inner.len());
        rest = after;
    }
    longest
}

/// The names of the helpers that a text calls.
pub(super) fn helpers(text: &str) -> impl Iterator<Item = &str> {
    calls(text).filter_map(|rest| rest.strip_prefix(['"', '`'])?.split(['"', '`']).next())
}

/// A text in quotes of an action.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Literal<'a> {
    /// What it says.
    pub(super) text: String,
    /// The text in quotes right before it.
    pub(super) beside: Option<String>,
    /// The word right before it; empty: it is another text in quotes.
    pub(super) word: &'a str,
}

/// The texts in quotes of an action.
pub(super) fn literals(action: &str) -> Vec<Literal<'_>> {
    let mut found: Vec<Literal<'_>> = Vec::new();
    let mut rest = action;
    while let Some(at) = rest.find(['"', '`']) {
        let (before, tail) = rest.split_at(at);
        let (quote, tail) = (if tail.starts_with('`') { '`' } else { '"' }, tail.get(1..).unwrap_or_default());
        let (mut text, mut is_escaped, mut end) = (String::new(), false, tail.len());
        for (at, c) in tail.char_indices() {
            if std::mem::take(&mut is_escaped) {
                text.push(if c == 'n' { '\n' } else { c });
            } else if c == quote {
                end = at;
                break;
            } else if c == '\\' && quote == '"' {
                is_escaped = true;
            } else {
                text.push(c);
            }
        }
        let word = words(before).filter(|word| !word.is_empty()).last().unwrap_or_default();
        let beside = found.last().filter(|_| before.trim().is_empty()).map(|last| last.text.clone());
        found.push(Literal { text, beside, word });
        rest = tail.get(end + 1..).unwrap_or_default();
    }
    found
}

/// All that a text may set a variable to.
pub(super) fn assigned<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    text.match_indices('$').filter_map(move |(at, _)| {
        let rest = text.get(at + 1..)?.strip_prefix(name)?.trim_start();
        let value = rest.strip_prefix(":=").or_else(|| rest.strip_prefix("= "))?;
        let inner = close(value).map_or(value, |(inner, _)| inner);
        // Scripts that templates write have variables of their own.
        let head = text.get(..at).unwrap_or_default();
        let is_action = || head.rfind("{{") > head.rfind("}}");
        (!inner.contains("{{") || is_action()).then_some(inner)
    })
}

/// What a text sets a variable to; None: it does not, or more than once.
pub(super) fn variable<'a>(text: &'a str, name: &'a str) -> Option<&'a str> {
    let mut set = assigned(text, name);
    let value = set.next()?.trim().trim_end_matches('-').trim();
    set.next().is_none().then_some(value)
}

/// The helpers of a chart, by name; None: there are several of one name.
#[derive(Debug, Default)]
pub(super) struct Helpers(HashMap<String, Option<String>>);

impl Helpers {
    /// Reads those of a file.
    pub(super) fn read(&mut self, text: &str) {
        let mut rest = text;
        let mut open: Option<(String, String, usize)> = None;
        while let Some((before, tail)) = rest.split_once("{{") {
            let Some((inner, after)) = close(tail) else { return };
            rest = after;
            let bare = inner.trim_matches('-').trim();
            let first = bare.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
            let Some((name, mut body, depth)) = open.take() else {
                let quotes = ['"', '`'];
                let name = bare
                    .strip_prefix("define ")
                    .and_then(|rest| rest.trim().strip_prefix(quotes)?.strip_suffix(quotes));
                open = name.map(|name| (name.to_owned(), String::new(), 0));
                continue;
            };
            body.push_str(before);
            if (first, depth) == ("end", 0) {
                // One that stands twice in the same words is one.
                let is_other = |known: &Option<String>| known.as_ref() != Some(&body);
                if self.0.get(&name).is_some_and(is_other) {
                    self.0.insert(name, None);
                } else {
                    self.0.insert(name, Some(body));
                }
                continue;
            }
            body.push_str(&format!("{{{{{inner}}}}}"));
            let depth = match first {
                "if" | "range" | "with" | "block" => depth + 1,
                "end" => depth - 1,
                _ => depth,
            };
            open = Some((name, body, depth));
        }
    }

    /// Whether there is one of a name, or several.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// What a helper consists of.
    pub(super) fn body(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn helpers_are_read_to_their_own_end() {
        let mut helpers = Helpers::default();
        helpers.read(
            "{{- define \"a\" -}}x{{ if .b }}y{{ end }}z{{- end -}} {{ define \"c\" }}{{ include \"a\" . }}{{ end }}",
        );
        assert_eq!(helpers.body("a"), Some("x{{ if .b }}y{{ end }}z"));
        assert_eq!(helpers.body("c"), Some("{{ include \"a\" . }}"));
        helpers.read("{{ define \"d\" }}1{{ end }}{{ define \"d\" }}2{{ end }}");
        assert_eq!(helpers.body("d"), None);
        assert_eq!(super::helpers(helpers.body("c").unwrap()).collect::<Vec<_>>(), ["a"]);
    }

    #[test]
    fn actions_are_told_apart() {
        assert_eq!(next("a {{- .b }} c"), Some(("a", Action::Output(".b"), " c")));
        assert_eq!(next("{{ $x := 1 -}} c"), Some(("", Action::Silent, "c")));
        assert_eq!(next("{{ tpl \"{{ .a }}\" . }}b"), Some(("", Action::Output("tpl \"{{ .a }}\" ."), "b")));
        assert_eq!(without_comments("a{{/* b\n{{ c */}}\nd{{- /* e */ -}}f"), "a\n\ndf");
        assert_eq!(next("{{ if .x }}"), Some(("", Action::Control, "")));
        assert_eq!(split("printf \"%s | %s\" (a | b) | quote", '|'), ["printf \"%s | %s\" (a | b)", "quote"]);
        assert_eq!(variable("{{- $tag := .Values.tag | quote -}}", "tag"), Some(".Values.tag | quote"));
        assert_eq!(variable("{{ $a := 1 }}{{ $a = 2 }}", "a"), None);
    }
}
