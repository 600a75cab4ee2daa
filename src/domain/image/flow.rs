//! A chart's template taken apart: its lines, as they are written if all its conditions hold, and what each of its actions
//! stands within.

use std::collections::HashMap;
use std::rc::Rc;

use super::actions::{self, Action};

// Deepest nesting of blocks that is followed, and longest text of what one is about.
const MAX_BLOCKS: usize = 50;
const LONGEST: usize = 1000;
// What stands for an action in a line: its number between these.
const MARK: (char, char) = ('\u{e000}', '\u{e001}');
// What ends a line for readers of YAML 1.1.
const BREAKS: [char; 5] = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];

/// What a part of a template stands within.
#[derive(Debug, Default)]
pub(super) struct Within {
    /// Values whose `enabled` must be true for it.
    pub(super) guards: Vec<Rc<str>>,
    /// What the loops and blocks around it are about.
    pub(super) around: Vec<Rc<str>>,
    /// The helper that it is of.
    pub(super) helper: Option<Rc<str>>,
    /// Whether `.` is what a loop or a block is about.
    pub(super) is_moved: bool,
}

/// A line, in which marks stand for actions.
pub(super) struct Line {
    /// Its number in the file.
    pub(super) number: u32,
    /// What it stands within.
    pub(super) within: Rc<Within>,
    /// The text, without what only decides or says nothing at its ends.
    pub(super) text: String,
    // The actions as they are written.
    actions: Vec<String>,
}

impl Line {
    /// A part of the line as it is written.
    pub(super) fn restored(&self, part: &str) -> String {
        let (mut out, mut rest) = (String::new(), part);
        while let Some((before, tail)) = rest.split_once(MARK.0) {
            let (number, after) = tail.split_once(MARK.1).unwrap_or((tail, ""));
            out.push_str(before);
            out.push_str(number.parse().ok().and_then(|at: usize| self.actions.get(at)).map_or("", |text| text));
            rest = after;
        }
        out + rest
    }
}

/// Whether a part of a line has actions.
pub(super) fn is_filled_in(part: &str) -> bool {
    part.contains(MARK.0)
}

/// Whether a part of a line is actions alone.
pub(super) fn is_action(part: &str) -> bool {
    let mut rest = part.trim();
    while let Some((_, after)) = rest.strip_prefix(MARK.0).and_then(|rest| rest.split_once(MARK.1)) {
        rest = after.trim_start();
    }
    rest.is_empty() && is_filled_in(part)
}

/// An action that is no condition and no comment.
pub(super) struct Said {
    /// The line on which it begins.
    pub(super) number: u32,
    /// What it stands within.
    pub(super) within: Rc<Within>,
    /// What it consists of.
    pub(super) inner: Rc<str>,
    /// Whether it writes something.
    pub(super) is_output: bool,
}

/// One template.
#[derive(Default)]
pub(super) struct Template {
    /// Its lines that hold something.
    pub(super) lines: Vec<Line>,
    /// Its actions.
    pub(super) said: Vec<Said>,
}

#[derive(Default)]
struct Block {
    about: Option<Rc<str>>,
    guards: Vec<Rc<str>>,
    is_moved: bool,
    helper: Option<Rc<str>>,
}

#[derive(Default)]
struct Reader {
    template: Template,
    number: u32,
    blocks: Vec<Block>,
    within: Rc<Within>,
    // The line at hand, where it begins, and how long it is without what only decides at its end.
    line: String,
    begun: Option<(u32, Rc<Within>)>,
    kept: usize,
    actions: Vec<String>,
    // What variables ask for that are set once; None: they may be set again.
    asked: HashMap<String, Option<Vec<Rc<str>>>>,
}

/// Takes a template apart.
pub(super) fn read(text: &str) -> Template {
    let text = text.replace("\r\n", "\n").replace([MARK.0, MARK.1], "?");
    let asked = text.split('$').skip(1).filter_map(|rest| Some((name_of(rest)?, None)));
    let mut reader = Reader { number: 1, asked: asked.collect(), ..Reader::default() };
    let mut rest = text.as_str();
    while let Some((before, tail)) = rest.split_once("{{") {
        // What has no end is rendered by nobody.
        let Some((inner, after)) = actions::close(tail) else { break };
        let is_blank = |c: char| c.is_ascii_whitespace();
        let (is_trimmed, trims) = (inner.starts_with('-'), inner.ends_with('-'));
        reader.text(if is_trimmed { before.trim_end_matches(is_blank) } else { before });
        if is_trimmed {
            reader.count(before.get(before.trim_end_matches(is_blank).len()..).unwrap_or_default());
        }
        reader.action(inner);
        reader.count(inner);
        rest = if trims { after.trim_start_matches(is_blank) } else { after };
        reader.count(after.get(..after.len() - rest.len()).unwrap_or_default());
    }
    reader.text(rest);
    reader.end();
    reader.template
}

// The variable that is set anew at the beginning of a text.
fn name_of(text: &str) -> Option<String> {
    let (name, rest) = text.split_at(text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?);
    rest.trim_start().strip_prefix('=').filter(|rest| !rest.starts_with('=')).map(|_| name.to_owned())
}

impl Reader {
    // What a variable asks for when it is set.
    fn set(&mut self, action: &str) {
        let Some((name, value)) = action.strip_prefix('$').and_then(|rest| rest.split_once(":=")) else { return };
        let guards = if self.within.is_moved { None } else { Some(self.guards(value.trim())) };
        self.asked.entry(name.trim().to_owned()).and_modify(|known| *known = None).or_insert(guards);
    }

    // The values whose `enabled` must be true for a condition.
    fn guards(&self, condition: &str) -> Vec<Rc<str>> {
        let name = condition.strip_prefix('$').filter(|name| !name.contains(|c: char| !c.is_ascii_alphanumeric()));
        match name {
            Some(name) => self.asked.get(name).cloned().flatten().unwrap_or_default(),
            None => guards(condition),
        }
    }

    fn count(&mut self, text: &str) {
        self.number += u32::try_from(text.matches('\n').count()).unwrap_or_default();
    }

    fn text(&mut self, text: &str) {
        for c in text.chars() {
            if BREAKS.contains(&c) {
                self.end();
                self.number += u32::from(c == '\n');
                continue;
            }
            self.line.push(c);
            if !c.is_whitespace() {
                self.keep();
            }
        }
    }

    // What is in the line so far is written.
    fn keep(&mut self) {
        self.begun.get_or_insert_with(|| (self.number, Rc::clone(&self.within)));
        self.kept = self.line.len();
    }

    fn end(&mut self) {
        let (line, actions) = (std::mem::take(&mut self.line), std::mem::take(&mut self.actions));
        let text = line.get(..std::mem::take(&mut self.kept)).unwrap_or_default().to_owned();
        if let Some((number, within)) = self.begun.take() {
            self.template.lines.push(Line { number, within, text, actions });
        }
    }

    // Puts an action into the line.
    fn mark(&mut self, inner: &str) {
        self.line.push_str(&format!("{}{}{}", MARK.0, self.actions.len(), MARK.1));
        self.actions.push(format!("{{{{{inner}}}}}"));
    }

    fn action(&mut self, inner: &str) {
        let bare = inner.trim_matches('-').trim();
        let said =
            |is_output| Said { number: self.number, within: Rc::clone(&self.within), inner: bare.into(), is_output };
        match actions::action(bare) {
            Action::Silent => {
                let silent = said(false);
                self.set(bare);
                self.template.said.extend((!bare.starts_with("/*")).then_some(silent));
            }
            Action::Output(_) => {
                let output = said(true);
                self.template.said.push(output);
                // What begins on a line of its own.
                if bare.rsplit('|').next().is_some_and(|last| last.trim_start().starts_with("nindent ")) {
                    self.end();
                }
                self.mark(inner);
                self.keep();
            }
            Action::Control => {
                let end = bare.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(bare.len());
                let (word, rest) = bare.split_at(end);
                let is_only_asked = matches!(word, "end" | "break" | "continue" | "define")
                    || ((word == "if" || word == "else") && !rest.contains(":=") && !rest.trim().starts_with("with"));
                let control = said(false);
                self.template.said.extend((!is_only_asked).then_some(control));
                if self.begun.is_some() {
                    self.mark(inner);
                }
                self.decide(word, rest.trim(), bare);
            }
        }
    }

    // What an action opens or ends.
    fn decide(&mut self, word: &str, rest: &str, whole: &str) {
        let about = (whole.len() < LONGEST).then(|| whole.into());
        let is_moved = self.within.is_moved;
        let condition = if word == "if" { Some(rest) } else { rest.strip_prefix("if ") };
        let guards = condition.filter(|_| !is_moved).map(|condition| self.guards(condition.trim())).unwrap_or_default();
        match word {
            "if" => self.blocks.push(Block { guards, ..Block::default() }),
            "else" => {
                // What stood before it does not hold in it.
                if let Some(block) = self.blocks.last_mut() {
                    block.guards = guards;
                    block.is_moved |= rest.starts_with("with");
                }
            }
            "with" | "range" | "block" => {
                self.blocks.push(Block { about, is_moved: true, ..Block::default() });
            }
            "define" => {
                self.end();
                let helper = Some(rest.trim_matches(['"', '`']).into());
                self.blocks.push(Block { helper, ..Block::default() });
            }
            "end" => {
                if self.blocks.pop().is_some_and(|block| block.helper.is_some()) {
                    self.end();
                }
            }
            _ => return,
        }
        let blocks = || self.blocks.iter().take(MAX_BLOCKS);
        let is_deep = self.blocks.len() > MAX_BLOCKS;
        self.within = Rc::new(Within {
            guards: blocks().flat_map(|block| &block.guards).filter(|_| !is_deep).cloned().collect(),
            around: blocks().filter_map(|block| block.about.clone()).collect(),
            helper: blocks().find_map(|block| block.helper.clone()),
            is_moved: is_deep || blocks().any(|block| block.is_moved),
        });
    }
}

// The values whose `enabled` must be true for a condition: it asks for it, or for it and more.
fn guards(condition: &str) -> Vec<Rc<str>> {
    let words = actions::split(condition, ' ');
    let asked = match words.as_slice() {
        ["and", all @ ..] => all,
        [one] if one.starts_with('(') => {
            let inner = one.strip_prefix('(').and_then(|inner| inner.strip_suffix(')'));
            return inner.filter(|inner| !inner.starts_with('(')).map(guards).unwrap_or_default();
        }
        [_] => &words,
        _ => return Vec::new(),
    };
    let is_step = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_');
    let path = |word: &&str| {
        let path = word.trim_start_matches('(').trim_end_matches(')').trim_start_matches('$');
        let path = path.strip_prefix(".Values.")?;
        let path = path.strip_suffix(".enabled").or_else(|| Some("").filter(|_| path == "enabled"))?;
        path.chars().all(is_step).then(|| path.into())
    };
    asked.iter().take(MAX_BLOCKS).filter_map(path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_that_are_written() {
        let text = "a: {{ .x\n  | quote }}\n{{- if .Values.b.enabled }}\nc: {{- 1 }}\n{{- end }}\n\nd:\n  {{- include \"e\" . | nindent 2 }}\n";
        let template = read(text);
        let lines: Vec<(u32, String)> =
            template.lines.iter().map(|line| (line.number, line.restored(&line.text))).collect();
        let expected =
            [(1, "a: {{ .x\n  | quote }}"), (4, "c:{{- 1 }}"), (7, "d:"), (8, "{{- include \"e\" . | nindent 2 }}")];
        assert_eq!(lines, expected.map(|(number, text)| (number, text.to_owned())));
        assert_eq!(template.lines.get(1).map(|line| line.within.guards.clone()), Some(vec!["b".into()]));
        assert_eq!(template.said.len(), 3);
    }

    #[test]
    fn a_condition_asks_for_what_must_be_true() {
        assert_eq!(guards(".Values.a.b.enabled"), ["a.b".into()]);
        assert_eq!(
            guards("and .Values.a.enabled (not .Values.b.enabled) $.Values.c.enabled"),
            ["a".into(), "c".into()]
        );
        assert_eq!(guards("(.Values.a.enabled)"), ["a".into()]);
        assert!(guards("or .Values.a.enabled .Values.b.enabled").is_empty());
        assert!(guards("not .Values.a.enabled").is_empty());
        assert!(guards(".Values.a.enabled | not").is_empty());
    }
}
