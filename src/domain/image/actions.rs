//! The actions of Go templates, as far as they can be told apart without running them.

use std::collections::HashMap;

// Deepest nesting of blocks that is followed, and longest text of what one is about.
const MAX_BLOCKS: usize = 20;
const LONGEST: usize = 1000;

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

// An action and what comes after it: its end is none within quotes.
fn close(tail: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    let mut before = ' ';
    for (at, c) in tail.char_indices() {
        match (quote, c) {
            (Some(open), c) if open == c => quote = None,
            (None, '"' | '`') => quote = Some(c),
            (None, '}') if before == '}' => return Some((tail.get(..at - 1)?, tail.get(at + 1..)?)),
            _ => {}
        }
        before = c;
    }
    None
}

/// A template without its comments, line by line what it was.
pub(super) fn without_comments(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, inner)) = rest.split_once("{{") {
        out.push_str(before);
        let Some(comment) = inner.trim_start_matches(['-', ' ']).strip_prefix("/*") else {
            out.push_str("{{");
            rest = inner;
            continue;
        };
        let (comment, after) = comment.split_once("*/").unwrap_or((comment, ""));
        out.extend(comment.chars().filter(|c| *c == '\n'));
        rest = after.split_once("}}").map_or("", |(_, after)| after);
    }
    out + rest
}

fn action(inner: &str) -> Action<'_> {
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

/// What the loops and blocks that a line begins or ends leave open.
pub(super) fn blocks<'a>(line: &'a str, open: &mut Vec<&'a str>) {
    let mut rest = line;
    while let Some((_, tail)) = rest.split_once("{{") {
        let Some((inner, after)) = close(tail) else { return };
        rest = after;
        let bare = inner.trim_matches('-').trim();
        match bare.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default() {
            "with" | "range" if open.len() < MAX_BLOCKS && bare.len() < LONGEST => open.push(bare),
            "with" | "range" | "if" | "define" | "block" if open.len() < MAX_BLOCKS => open.push(""),
            "end" => drop(open.pop()),
            _ => {}
        }
    }
}

/// Lines that consist of what an expression comes to, and may be whole objects.
pub(super) fn whole(text: &str) -> Vec<u32> {
    let is_whole = |line: &str| {
        line.starts_with("{{")
            && matches!(next(line), Some(("", Action::Output(inner), after)) if after.trim().is_empty() && !inner.contains("indent"))
    };
    (1..).zip(text.lines()).filter(|(_, line)| is_whole(line)).map(|(number, _)| number).collect()
}

/// A text in parts, where no quotes or parentheses hold it together.
pub(super) fn split(text: &str, by: char) -> Vec<&str> {
    let (mut parts, mut from, mut depth, mut quote) = (Vec::new(), 0, 0_usize, None);
    for (at, c) in text.char_indices() {
        match (quote, c) {
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

/// The words of a text that are no texts in quotes.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '|' | '{' | '}'))
        .filter(|word| !word.starts_with('"'))
}

/// The names of the helpers that a text calls.
pub(super) fn helpers(text: &str) -> impl Iterator<Item = &str> {
    let calls = text.split("include ").skip(1).chain(text.split("template ").skip(1));
    calls.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next())
}

/// What a text sets a variable to; None: it does not, or more than once.
pub(super) fn variable<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut set = None;
    for (at, _) in text.match_indices('$') {
        let Some(rest) = text.get(at + 1..).and_then(|rest| rest.strip_prefix(name)) else { continue };
        let rest = rest.trim_start();
        if let Some(value) = rest.strip_prefix(":=").or_else(|| rest.strip_prefix("= ")) {
            if set.is_some() {
                return None;
            }
            set = Some(value.split("}}").next()?.trim().trim_end_matches('-').trim());
        }
    }
    set
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
                let name =
                    bare.strip_prefix("define ").and_then(|rest| rest.trim().strip_prefix('"')?.strip_suffix('"'));
                open = name.map(|name| (name.to_owned(), String::new(), 0));
                continue;
            };
            body.push_str(before);
            if (first, depth) == ("end", 0) {
                self.0.entry(name).and_modify(|known| *known = None).or_insert(Some(body));
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
        let mut open = Vec::new();
        blocks("{{ if .a }}{{- range .Values.x }}{{ with .b }}", &mut open);
        blocks("{{ end }}{{ else }}", &mut open);
        assert_eq!(open, ["", "range .Values.x"]);
        assert_eq!(variable("{{- $tag := .Values.tag | quote -}}", "tag"), Some(".Values.tag | quote"));
        assert_eq!(variable("{{ $a := 1 }}{{ $a = 2 }}", "a"), None);
    }
}
