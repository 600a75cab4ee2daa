//! What passgate proposes by a pull request: the branch that holds it, and what is told of it.

use std::fmt;

use super::escape;
use super::id::{BranchName, InvalidId, UnitName};
use super::image::Change;
use super::outcome::{Report, Verdict};
use super::record::Record;

/// What is proposed. A unit has at most one open proposal of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What the unit's folders are to hold: a release, a rollback or a retirement.
    Content,
    /// What the stage's checks said.
    Mark,
}

/// A branch of passgate's own, which holds a proposal. It is the only kind of branch that is ever moved by force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProposalBranch(BranchName);

impl ProposalBranch {
    /// The branch for a unit's proposals to a branch. The repository's default branch needs no name in it; environments
    /// that share a repository have different ones, and none of these names lies below another.
    ///
    /// # Errors
    /// git does not allow the name.
    pub fn of(kind: Kind, unit: &UnitName, base: &BranchName, is_default: bool) -> Result<Self, InvalidId> {
        let prefix = match kind {
            Kind::Content => "passgate",
            Kind::Mark => "passgate-mark",
        };
        let name = if is_default { format!("{prefix}/{unit}") } else { format!("{prefix}-for/{base}/{unit}") };
        name.parse().map(Self)
    }

    /// Its name.
    pub fn name(&self) -> &BranchName {
        &self.0
    }

    /// A branch that cannot exist beside it, because git keeps branches as files in folders.
    pub fn clashes_with(&self, other: &BranchName) -> bool {
        let (own, other) = (self.0.as_str(), other.as_str());
        let is_below = |one: &str, two: &str| one.strip_prefix(two).is_some_and(|rest| rest.starts_with('/'));
        is_below(own, other) || is_below(other, own)
    }
}

impl fmt::Display for ProposalBranch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

// Characters of a line that somebody else wrote: one of them must not take the place of all others.
const LONGEST_LINE: usize = 600;
const LONGEST_TITLE: usize = 200;
// Rows of images: what a reader must see comes after them.
const MOST_IMAGES: usize = 100;
const CUT: &str = "\n… cut here: the commit has the rest\n";

/// What the text of a pull request tells.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// What is proposed.
    pub kind: Kind,
    /// The record that would become true.
    pub record: &'a Record,
    /// The files and the notes.
    pub report: &'a Report,
    /// How to undo it once it is merged: a command, or a sentence.
    pub undo: &'a Undo,
}

/// How to undo what was merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undo {
    /// A command to copy.
    Command(String),
    /// Words, where no command does it.
    Words(&'static str),
}

/// The title: the first line of the commit's message.
pub fn title(subject: &str) -> String {
    escape::commit_line(subject).chars().take(LONGEST_TITLE).collect()
}

/// The text, Markdown, of at most so many UTF-16 units. What matters most stands first.
pub fn body(about: &About<'_>, limit: usize) -> String {
    let About { kind, record, report, undo } = *about;
    let mut out = Capped { text: String::new(), left: limit.saturating_sub(CUT.len()), is_full: false };
    let what = match kind {
        Kind::Content => "The record in this pull request becomes true when it is merged, by whatever method.",
        Kind::Mark => "This mark counts when it is merged, by whatever method.",
    };
    out.line(what);
    out.line("Its branch is written by passgate alone: commit nothing to it.");
    out.line("");
    facts(&mut out, kind, record);
    out.line("");
    out.line("### How to undo it");
    out.line("");
    match undo {
        Undo::Command(command) => {
            let command = escape::line(command);
            let longest = command.split(|c| c != '`').map(str::len).max().unwrap_or(0);
            let fence = "`".repeat(longest.max(2) + 1);
            out.line(&format!("{fence}console\n{command}\n{fence}"));
        }
        Undo::Words(words) => out.line(words),
    }
    if kind == Kind::Content {
        gates(&mut out, record);
        images(&mut out, &report.image_changes);
        listed(&mut out, "Files that go", &report.changes.removed);
        if !report.notes.is_empty() {
            out.line("\n### What comes\n");
            // Escaped where it was made.
            report.notes.lines().for_each(|line| out.line(line));
        }
        listed(&mut out, "Files that are new", &report.changes.added);
        listed(&mut out, "Files that change", &report.changes.changed);
    }
    out.finish()
}

fn facts(out: &mut Capped, kind: Kind, record: &Record) {
    let mut fact = |name: &str, value: &str| out.line(&format!("- {name}: {}", outside(value)));
    fact("unit", record.unit.as_str());
    fact("stage", record.stage.as_str());
    if let Some(version) = &record.version {
        fact("version", version);
    }
    fact("content", &record.digest.to_string());
    let commit = record.source.commit.to_string();
    let source = record.source.repository.web_commit(&commit);
    fact("source", &source.unwrap_or_else(|| format!("{} of {}", commit, record.source.repository)));
    fact("branch", record.source.branch.as_str());
    fact("state", record.state.as_str());
    let (by, run) = match (&record.marked, kind) {
        (Some(mark), Kind::Mark) => {
            if let Some(note) = &mark.note {
                fact("note", note);
            }
            (&mark.by, &mark.run)
        }
        _ => (&record.released.by, &record.released.run),
    };
    if let Some(by) = by {
        fact("by", by);
    }
    if let Some(run) = run {
        fact("run", run);
    }
    if let Some(glass) = &record.overridden {
        fact("override", &format!("{}: {}", glass.gates.join(", "), glass.reason));
    }
}

fn gates(out: &mut Capped, record: &Record) {
    let opened = record.overridden.as_ref().map(|glass| glass.gates.as_slice()).unwrap_or_default();
    out.line("\n### Gates\n");
    out.line("| gate | verdict | why |");
    out.line("|---|---|---|");
    for gate in &record.gates {
        let verdict = match gate.verdict {
            _ if opened.contains(&gate.gate) => "overridden",
            Verdict::Passed => "passed",
            Verdict::Refused => "refused",
            Verdict::Undecided => "undecided",
            Verdict::NotAsked => "not asked",
        };
        out.line(&format!("| {} | {verdict} | {} |", outside(&gate.gate), outside(&gate.detail)));
    }
}

fn images(out: &mut Capped, changes: &[Change]) {
    if changes.is_empty() {
        return;
    }
    out.line(&format!("\n### Images ({})\n", changes.len()));
    out.line("| workload | old | new |");
    out.line("|---|---|---|");
    let cell = |text: &Option<String>| text.as_deref().map_or_else(|| "–".to_owned(), outside);
    for change in changes.iter().take(MOST_IMAGES) {
        out.line(&format!("| {} | {} | {} |", outside(&change.whose()), cell(&change.old), cell(&change.new)));
    }
    if changes.len() > MOST_IMAGES {
        out.line(&format!("\n… and {} more", changes.len() - MOST_IMAGES));
    }
}

fn listed(out: &mut Capped, name: &str, paths: &[String]) {
    if !paths.is_empty() {
        out.line(&format!("\n### {name} ({})\n", paths.len()));
        paths.iter().for_each(|path| out.line(&format!("- {}", outside(path))));
    }
}

// A text of others in a line of ours.
fn outside(text: &str) -> String {
    let mut short: String = text.chars().take(LONGEST_LINE).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    escape::markdown_line(&short)
}

// A text that ends before it is too long, between two lines.
struct Capped {
    text: String,
    left: usize,
    is_full: bool,
}

impl Capped {
    // A line, or lines that belong together.
    fn line(&mut self, lines: &str) {
        let size = lines.encode_utf16().count() + 1;
        self.is_full |= size > self.left;
        if !self.is_full {
            self.left -= size;
            self.text.push_str(lines);
            self.text.push('\n');
        }
    }

    fn finish(mut self) -> String {
        if self.is_full {
            self.text.push_str(CUT);
        }
        self.text
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    fn of(kind: Kind, unit: &str, base: &str, is_default: bool) -> ProposalBranch {
        ProposalBranch::of(kind, &unit.parse().unwrap(), &base.parse().unwrap(), is_default).unwrap()
    }

    #[test]
    fn branches_of_all_kinds_stand_beside_each_other() {
        assert_eq!(of(Kind::Content, "shop", "main", true).to_string(), "passgate/shop");
        assert_eq!(of(Kind::Mark, "shop", "main", true).to_string(), "passgate-mark/shop");
        assert_eq!(of(Kind::Content, "shop", "env/qual", false).to_string(), "passgate-for/env/qual/shop");
        let all = [
            of(Kind::Content, "shop", "main", true),
            of(Kind::Mark, "shop", "main", true),
            of(Kind::Content, "main", "shop", false),
            of(Kind::Mark, "main", "shop", false),
        ];
        for one in &all {
            assert!(all.iter().all(|other| !one.clashes_with(other.name())), "{one}");
        }
        assert!(all[0].clashes_with(&"passgate".parse().unwrap()));
        assert!(all[0].clashes_with(&"passgate/shop/x".parse().unwrap()));
        assert!(!all[0].clashes_with(&"passgate/shopping".parse().unwrap()));
    }
}
