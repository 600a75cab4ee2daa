//! The one place that makes text from outside harmless: text of artifacts, commits, file names and servers passes here
//! before it reaches a log, a summary, a commit message or a pull request.
//!
//! Each function takes the text as it came and is idempotent, so escaping what was escaped already does no harm. What
//! is changed stays readable: a reader sees what stood there, a machine no longer obeys it.

use super::path::is_invisible;

/// One line for terminals and logs. Line ends, tabs, control, bidirectional and invisible characters become `\u{…}`;
/// what a pipeline's runner would obey (`::` at the start, `##[` and `##vso[` anywhere) loses one character to such an
/// escape.
pub fn line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at_start = true;
    for (at, c) in text.char_indices() {
        let rest = &text[at..];
        let command = (at_start && rest.starts_with("::")) || (c == '#' && begins_command(rest));
        if command || c.is_control() || is_invisible(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
        // Runners trim a line before they look at its start.
        at_start &= c.is_whitespace() && !c.is_control();
    }
    out
}

// `##[`, `##vso[` and whatever else stands between the signs and the bracket, in any case.
fn begins_command(rest: &str) -> bool {
    rest.strip_prefix("##").is_some_and(|rest| {
        rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || ".-_".contains(c)).starts_with('[')
    })
}

/// A word of a command that somebody copies into a shell: quoted wherever a shell would read anything into it.
pub fn shell(text: &str) -> String {
    // Within a word, `#` begins no comment.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_./:@%+=,-#".contains(c);
    if !text.is_empty() && !text.starts_with('#') && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", line(text).replace('\'', r"'\''"))
    }
}

/// Several lines for terminals and logs: [`line()`] for each, with `\n` and `\r\n` kept as line ends.
pub fn text(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(|one| line(one.strip_suffix('\r').unwrap_or(one))).collect();
    lines.join("\n")
}

/// One line within a commit message. Besides what [`line()`] does:
///
/// | what | becomes |
/// |---|---|
/// | `[skip ci]`, `[no ci]`, `[azp skip]` and whatever else in brackets says skip or no | `(skip ci)` … |
/// | `***NO_CI***`, `skip-checks:` | `(NO_CI)`, `skip checks:` |
/// | `@name` | `(at)name`, but not in e-mail addresses |
/// | `fixes #12`, `Closes: AB#1`, `resolved owner/repo#3`, a verb before a URL | `fixes - #12` …: the link stays |
/// | `PROJ-1 #close` | `PROJ-1 # close` |
/// | `Signed-off-by: x` at the start | `Signed-off-by - x` |
/// | `#` at the start | `- #` |
///
/// A subject such as `fix: a typo` is no trailer and stays as it is.
pub fn commit_line(text: &str) -> String {
    let mut now = line(text);
    // One step can lay bare what another one looks for; each round leaves less to find.
    for _ in 0..8 {
        let next = start_of_line(&closing_verbs(&smart_commands(&mentions(&skip_marks(&now)))));
        if next == now {
            break;
        }
        now = next;
    }
    now
}

/// One line of Markdown, for summaries, notes and bodies of pull requests: [`commit_line`], and nothing in it is markup,
/// a list, a heading, a table cell's end, a link, an image or HTML. Not meant for the inside of code spans.
pub fn markdown_line(text: &str) -> String {
    let plain = commit_line(text);
    let chars: Vec<char> = plain.trim().chars().collect();
    let mut out = String::with_capacity(plain.len() + 16);
    let mut backslashes = 0_usize;
    for (at, &c) in chars.iter().enumerate() {
        let is_escaped = backslashes % 2 == 1;
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' if !begins_entity(&chars[at..]) => out.push_str("&amp;"),
            _ => {
                if !is_escaped && (is_markup(&chars, at) || is_block_mark(&chars, at)) {
                    out.push('\\');
                }
                out.push(c);
            }
        }
        backslashes = if c == '\\' { backslashes + 1 } else { 0 };
    }
    // It would take the character after it, such as the end of a table's cell.
    if backslashes % 2 == 1 {
        out.push('\\');
    }
    out
}

fn begins_entity(rest: &[char]) -> bool {
    ["&lt;", "&gt;", "&amp;"].iter().any(|entity| rest.iter().take(entity.len()).copied().eq(entity.chars()))
}

fn is_markup(chars: &[char], at: usize) -> bool {
    let word = |at: Option<usize>| at.and_then(|at| chars.get(at)).is_some_and(|c| c.is_alphanumeric());
    match chars[at] {
        '`' | '[' | ']' | '|' | '*' | '~' => true,
        // Within a word it is no emphasis.
        '_' => !(word(at.checked_sub(1)) && word(Some(at + 1))),
        _ => false,
    }
}

// What makes a list, a rule or a heading of a line that it begins.
fn is_block_mark(chars: &[char], at: usize) -> bool {
    match chars[at] {
        '-' | '+' | '=' | '#' => at == 0,
        '.' | ')' => (1..10).contains(&at) && chars[..at].iter().all(char::is_ascii_digit),
        _ => false,
    }
}

fn starts_with_ignore_case(chars: &[char], word: &str) -> bool {
    chars.len() >= word.len() && chars.iter().zip(word.chars()).all(|(c, w)| c.eq_ignore_ascii_case(&w))
}

// Longest text in brackets that is looked at: marks are short, and this bounds the work on hostile lines.
const LONGEST_MARK: usize = 200;

fn skip_marks(text: &str) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    let mut open = Vec::new();
    for at in 0..chars.len() {
        match chars[at] {
            '[' => open.push(at),
            ']' => {
                if let Some(start) = open.pop()
                    && at - start <= LONGEST_MARK
                    && says_skip(&chars[start..at])
                {
                    (chars[start], chars[at]) = ('(', ')');
                }
            }
            _ => {}
        }
    }
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let rest = &chars[at..];
        if starts_with_ignore_case(rest, "***no_ci***") {
            out.push('(');
            out.extend(&rest[3..8]);
            out.push(')');
            at += 11;
        } else if starts_with_ignore_case(rest, "skip-checks") {
            out.extend(&rest[..4]);
            out.push(' ');
            out.extend(&rest[5..11]);
            at += 11;
        } else {
            out.push(chars[at]);
            at += 1;
        }
    }
    out
}

fn says_skip(inside: &[char]) -> bool {
    inside.split(|c| !c.is_alphanumeric()).any(|word| {
        let word: String = word.iter().collect::<String>().to_lowercase();
        word == "no" || word == "noci" || word.starts_with("skip") || word.ends_with("skip")
    })
}

fn mentions(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let named = chars.peek().is_some_and(|next| next.is_alphanumeric() || "_<-".contains(*next));
        // An address has a letter or a digit before the sign; forges take anything else for the start of a name.
        let address = before.is_some_and(|c: char| c.is_ascii_alphanumeric() || c == '_');
        if c == '@' && named && !address {
            out.push_str("(at)");
        } else {
            out.push(c);
        }
        before = Some(c);
    }
    out
}

// Commands after an issue's key (`PROJ-1 #close #time 2h`), which a tracker would carry out.
fn smart_commands(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut keyed = false;
    for (at, &c) in chars.iter().enumerate() {
        let at_word = at == 0 || !chars[at - 1].is_ascii_alphanumeric();
        out.push(c);
        keyed = keyed || (at_word && c.is_ascii_uppercase() && is_key(&chars[at..]));
        if c == '#' && keyed && at_word && chars.get(at + 1).is_some_and(char::is_ascii_alphabetic) {
            out.push(' ');
        }
    }
    out
}

// Longest name of a project or repository in a reference; it bounds the work as above.
const LONGEST_NAME: usize = 300;

// `PROJ-12`
fn is_key(rest: &[char]) -> bool {
    let name = rest
        .iter()
        .take(LONGEST_NAME)
        .take_while(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || **c == '_')
        .count();
    name >= 2
        && rest[0].is_ascii_uppercase()
        && rest.get(name) == Some(&'-')
        && rest.get(name + 1).is_some_and(char::is_ascii_digit)
}

const VERBS: [&str; 24] = [
    "close",
    "closes",
    "closed",
    "closing",
    "fix",
    "fixes",
    "fixed",
    "fixing",
    "resolve",
    "resolves",
    "resolved",
    "resolving",
    "implement",
    "implements",
    "implemented",
    "implementing",
    "complete",
    "completes",
    "completed",
    "completing",
    "finish",
    "finishes",
    "finished",
    "done",
];
const NOUNS: [&str; 13] = [
    "issue", "issues", "bug", "bugs", "ticket", "tickets", "task", "tasks", "story", "work", "item", "items",
    "workitem",
];

fn closing_verbs(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len() + 8);
    let mut at = 0;
    while at < chars.len() {
        let word = word_len(&chars[at..]);
        if word == 0 {
            out.push(chars[at]);
            at += 1;
            continue;
        }
        out.extend(&chars[at..at + word]);
        let is_verb = among(&VERBS, &chars[at..at + word]);
        at += word;
        if is_verb && leads_to_reference(&chars[at..], 2) {
            out.push_str(" - ");
            // White space and colons are what the dash replaces; brackets and emphasis stay.
            let gap = gap_len(&chars[at..]);
            out.extend(chars[at..at + gap].iter().filter(|c| !c.is_whitespace() && **c != ':'));
            at += gap;
        }
    }
    out
}

fn word_len(rest: &[char]) -> usize {
    rest.iter().take_while(|c| c.is_ascii_alphanumeric()).count()
}

fn among(words: &[&str], word: &[char]) -> bool {
    words.iter().any(|known| known.len() == word.len() && starts_with_ignore_case(word, known))
}

// What may stand between a verb and its reference without parting them.
fn gap_len(rest: &[char]) -> usize {
    rest.iter().take_while(|c| c.is_whitespace() || ":*_~([<{`\"'\\,;".contains(**c)).count()
}

fn leads_to_reference(rest: &[char], nouns: usize) -> bool {
    let gap = gap_len(rest);
    let after = &rest[gap..];
    if is_reference(after) && (gap > 0 || after.first() == Some(&'#')) {
        return true;
    }
    let word = word_len(after);
    nouns > 0 && gap > 0 && among(&NOUNS, &after[..word]) && leads_to_reference(&after[word..], nouns - 1)
}

fn is_reference(rest: &[char]) -> bool {
    // `#12`, `AB#12`, `owner/repo#12`
    let slug = rest.iter().take(LONGEST_NAME).take_while(|c| c.is_ascii_alphanumeric() || "._/-".contains(**c)).count();
    let number = |at: usize| rest.get(at).is_some_and(char::is_ascii_digit);
    (rest.get(slug) == Some(&'#') && number(slug + 1))
        || (starts_with_ignore_case(rest, "gh-") && number(3))
        || is_key(rest)
        || starts_with_ignore_case(rest, "http://")
        || starts_with_ignore_case(rest, "https://")
}

fn start_of_line(text: &str) -> String {
    let trimmed = text.trim_start();
    let indent = &text[..text.len() - trimmed.len()];
    if trimmed.starts_with('#') || trimmed.starts_with("(cherry picked from commit") {
        return format!("{indent}- {trimmed}");
    }
    let token = trimmed.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'-').count();
    let (name, rest) = trimmed.split_at(token);
    match rest.trim_start().strip_prefix(':') {
        Some(value) if is_trailer(name) && !value.starts_with("//") => {
            format!("{indent}{name} -{}{value}", if value.starts_with(char::is_whitespace) { "" } else { " " })
        }
        _ => text.to_owned(),
    }
}

// git takes any `token:` for a trailer. Lower-case words without a hyphen are how people begin subjects, and no tool
// that reads trailers looks for them.
fn is_trailer(name: &str) -> bool {
    !name.is_empty()
        && (name.contains('-')
            || name.starts_with(|c: char| c.is_ascii_uppercase())
            || ["cc", "link", "bug", "issue", "closes", "fixes"].contains(&name))
}

#[cfg(test)]
mod tests;
