//! Reports as text for people and JSON for programs. What came from outside is escaped where it enters a line.

use std::io;

use owo_colors::OwoColorize;
use serde::ser::{Serialize, SerializeMap, Serializer};
use unicode_width::UnicodeWidthStr;

use crate::app::audit::Audit;
use crate::app::status::{StageStatus, UnitStatus};
use crate::domain::audit::{Change, Finding, Level};
use crate::domain::escape;
use crate::domain::image::{Change as ImageChange, Confidence, Found};
use crate::domain::outcome::{Changes, GateReport, Outcome, Report, Verdict};
use crate::domain::record::State;

// Paths of each kind that are listed; the JSON document has all of them.
const LISTED: usize = 20;
// Paths of one finding in a table.
const IN_CELL: usize = 5;

/// The one document of `--json`.
pub fn json(report: &Report) -> String {
    quiet_json(report)
}

/// The one document of `--json`, with `more` in it.
pub fn json_with(report: &Report, more: (&str, &impl Serialize)) -> String {
    quiet_json(&With { report, more })
}

struct With<'a, T> {
    report: &'a Report,
    more: (&'a str, &'a T),
}

impl<T: Serialize> Serialize for With<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let report = serde_json::to_value(self.report).map_err(serde::ser::Error::custom)?;
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in report.as_object().into_iter().flatten() {
            map.serialize_entry(key, value)?;
        }
        map.serialize_entry(self.more.0, self.more.1)?;
        map.end()
    }
}

/// A JSON document whose bytes hold nothing that a runner obeys or a terminal hides; its values stay what they are.
pub fn quiet_json(value: &impl Serialize) -> String {
    let mut quiet = Quiet::default();
    // What is shown is made of texts and numbers, which JSON can always hold.
    serde_json::to_writer_pretty(&mut quiet, value).ok();
    quiet.release();
    quiet.out
}

/// Escapes as it is written to, because a document may name tens of thousands of files.
#[derive(Default)]
struct Quiet {
    out: String,
    // One of two that only together are a command.
    held: Option<char>,
}

impl Quiet {
    fn release(&mut self) {
        self.out.extend(self.held.take());
    }

    fn escape(&mut self, c: char) {
        let mut units = [0; 2];
        c.encode_utf16(&mut units).iter().for_each(|unit| self.out.push_str(&format!("\\u{unit:04x}")));
    }
}

impl io::Write for Quiet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for c in String::from_utf8_lossy(bytes).chars() {
            if self.held == Some(c) {
                self.held = None;
                self.escape(c);
                self.escape(c);
                continue;
            }
            self.release();
            if matches!(c, '#' | ':') {
                self.held = Some(c);
            } else if crate::domain::path::is_invisible(c) || (c.is_control() && c != '\n') {
                self.escape(c);
            } else {
                self.out.push(c);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The report of one of several environments.
pub fn titled(to: &str, report: &Report, width: usize) -> String {
    format!("{}\n{}", format!("── {}", escape::line(to)).bold(), text(report, width))
}

/// A report for a terminal of `width` columns.
pub fn text(report: &Report, width: usize) -> String {
    let details = details(report, width);
    let gap = if details.is_empty() { "" } else { "\n" };
    format!("{details}{gap}{}", result(report, width))
}

/// The long part of a report: gates, files and notes.
pub fn details(report: &Report, width: usize) -> String {
    let mut out = String::new();
    if !report.gates.is_empty() {
        let opened = report.overridden.as_ref().map(|glass| glass.gates.as_slice()).unwrap_or_default();
        out.push_str(&gates(&report.gates, opened, width));
    }
    if matches!(
        report.result,
        Outcome::Planned
            | Outcome::Released
            | Outcome::PullRequest
            | Outcome::RolledBack
            | Outcome::Retired
            | Outcome::Refused
            | Outcome::Undecided
    ) && report.error.is_none()
    {
        out.push_str(&changes(&report.changes));
        out.push_str(&image_changes(&report.image_changes));
    }
    if matches!(report.result, Outcome::Planned | Outcome::Released | Outcome::PullRequest) && !report.notes.is_empty()
    {
        out.push_str(&format!("\n{}\n", "What comes".bold()));
        for line in report.notes.lines() {
            out.push_str(&format!("  {}\n", escape::line(line)));
        }
    }
    out
}

/// The short part: warnings, what became of it, and what went wrong.
pub fn result(report: &Report, width: usize) -> String {
    let mut out = String::new();
    for warning in &report.warnings {
        out.push_str(&wrapped(&format!("{} ", "warning:".yellow().bold()), 9, &escape::line(warning), width));
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out.push_str(&headline(report));
    if let Some(command) = &report.way_back {
        // One line, however long: it is there to be copied.
        out.push_str(&format!("{} {}\n", "to go back:".cyan().bold(), escape::line(command)));
    }
    if let Some(trouble) = &report.error {
        out.push_str(&format!("{} {}\n", "error:".red().bold(), escape::text(&trouble.message)));
        for cause in &trouble.causes {
            for line in escape::text(cause).lines() {
                out.push_str(&format!("  {line}\n"));
            }
        }
        // A fault of stage.yaml shows its hint in the picture of the file already.
        let told = |hint: &&String| trouble.causes.iter().any(|cause| cause.contains(hint.as_str()));
        if let Some(hint) = trouble.hint.as_ref().filter(|hint| !told(hint)) {
            out.push_str(&wrapped(&format!("{} ", "hint:".cyan().bold()), 6, &escape::line(hint), width));
        }
    }
    out
}

/// What became of it, in one line; empty where the error says it.
pub fn headline(report: &Report) -> String {
    let unit = report.unit.as_ref().map_or_else(|| "this".to_owned(), ToString::to_string);
    let stage = report.stage.as_ref().map(ToString::to_string).unwrap_or_default();
    let commit = report.commit.map(|commit| format!(" ({})", commit.short())).unwrap_or_default();
    let (sign, text) = match report.result {
        Outcome::Packaged => {
            let (count, path) = (report.changes.added.len(), escape::line(report.path.as_deref().unwrap_or_default()));
            ("✓".green().to_string(), format!("packaged {unit}: {count} files in {path}"))
        }
        Outcome::Planned => {
            ("✓".green().to_string(), format!("nothing keeps {unit} out of {stage}; nothing was written"))
        }
        Outcome::Released => ("✓".green().to_string(), format!("released {unit} to {stage}{commit}")),
        Outcome::RolledBack => {
            let digest = report.digest.map(|digest| digest.short()).unwrap_or_default();
            ("✓".green().to_string(), format!("rolled {unit} in {stage} back to {digest}{commit}"))
        }
        Outcome::Retired => ("✓".green().to_string(), format!("retired {unit} from {stage}{commit}")),
        Outcome::Unchanged => {
            ("✓".green().to_string(), format!("{unit} in {stage} is this already{commit}; nothing was written"))
        }
        Outcome::PullRequest => {
            let pull = report.pull_request.as_ref();
            let at = pull.map(|pull| format!(": {}", escape::line(&pull.url))).unwrap_or_default();
            ("✓".green().to_string(), format!("proposed {unit} for {stage}{at}"))
        }
        Outcome::Marked => {
            let said = report.marked.map(State::as_str).unwrap_or_default();
            ("✓".green().to_string(), format!("marked {unit} in {stage} {said}{commit}"))
        }
        Outcome::Superseded => {
            ("✗".yellow().to_string(), format!("{unit} in {stage} is newer than this; nothing was written"))
        }
        Outcome::Refused if report.error.is_none() => {
            ("✗".red().to_string(), format!("{unit} may not go to {stage}; nothing was written"))
        }
        Outcome::Undecided if report.error.is_none() => (
            "?".yellow().to_string(),
            format!("not every gate could be asked, so {unit} is not released to {stage}; nothing was written"),
        ),
        _ => return String::new(),
    };
    format!("{sign} {}\n", text.bold())
}

fn gates(gates: &[GateReport], opened: &[String], width: usize) -> String {
    let name = gates.iter().map(|gate| gate.gate.width()).max().unwrap_or(0);
    let column = if opened.is_empty() { 9 } else { 10 };
    let mut out = format!("{}\n", "Gates".bold());
    for gate in gates {
        let is_opened = opened.contains(&gate.gate);
        let (sign, word) = match gate.verdict {
            _ if is_opened => ("!".yellow().bold().to_string(), "overridden".yellow().bold().to_string()),
            Verdict::Passed => ("✓".green().to_string(), "passed".green().to_string()),
            Verdict::Refused => ("✗".red().to_string(), "refused".red().bold().to_string()),
            Verdict::Undecided => ("?".yellow().to_string(), "undecided".yellow().bold().to_string()),
            Verdict::NotAsked => ("·".dimmed().to_string(), "not asked".dimmed().to_string()),
        };
        let plain = match gate.verdict {
            _ if is_opened => 10,
            Verdict::Passed => 6,
            Verdict::Refused => 7,
            Verdict::Undecided | Verdict::NotAsked => 9,
        };
        let head = format!("  {sign} {:<name$}  {word}{}  ", gate.gate, " ".repeat(column - plain));
        let indent = 4 + name + 2 + column + 2;
        out.push_str(&wrapped(&head, indent, &escape::line(&gate.detail), width));
        if let Some(remedy) = gate.remedy.as_ref().filter(|_| gate.verdict != Verdict::Passed && !is_opened) {
            let head = format!("{}{} ", " ".repeat(indent), "→".cyan());
            out.push_str(&wrapped(&head, indent + 2, &escape::line(remedy), width));
        }
    }
    out
}

// A text after a head, its further lines indented below the first.
fn wrapped(head: &str, indent: usize, text: &str, width: usize) -> String {
    let room = width.saturating_sub(indent).max(24);
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut();
        match line {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.width() + 1 + word.width() <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    // What was harmless within a line may be obeyed at the start of one.
    let lines: Vec<String> = lines.iter().map(|line| escape::line(line)).collect();
    format!("{head}{}\n", lines.join(&format!("\n{}", " ".repeat(indent))))
}

fn changes(changes: &Changes) -> String {
    let kinds = [
        ("+".green().to_string(), &changes.added),
        ("~".yellow().to_string(), &changes.changed),
        ("-".red().to_string(), &changes.removed),
        ("=".dimmed().to_string(), &changes.kept),
    ];
    if kinds.iter().all(|(_, paths)| paths.is_empty()) {
        return format!("\n{} none\n", "Files".bold());
    }
    let mut out = format!(
        "\n{} {} added, {} changed, {} removed{}\n",
        "Files".bold(),
        changes.added.len(),
        changes.changed.len(),
        changes.removed.len(),
        if changes.kept.is_empty() { String::new() } else { format!(", {} kept", changes.kept.len()) }
    );
    for (sign, paths) in kinds {
        for path in paths.iter().take(LISTED) {
            out.push_str(&format!("  {sign} {}\n", escape::line(path)));
        }
        if paths.len() > LISTED {
            out.push_str(&format!("  {sign} … and {} more\n", paths.len() - LISTED));
        }
    }
    out
}

fn image_changes(changes: &[ImageChange]) -> String {
    if changes.is_empty() {
        return String::new();
    }
    let mut out = format!("\n{} {}\n", "Images".bold(), plural(changes.len(), "change"));
    for change in changes.iter().take(LISTED) {
        let sign = match (&change.old, &change.new) {
            (None, _) => "+".green().to_string(),
            (Some(_), None) => "-".red().to_string(),
            (Some(_), Some(_)) => "~".yellow().to_string(),
        };
        let (whose, what) = (escape::line(&change.whose()), escape::line(&image_change(change)));
        out.push_str(&format!("  {sign} {whose}\n      {what}\n"));
    }
    if changes.len() > LISTED {
        out.push_str(&format!("  … and {} more\n", changes.len() - LISTED));
    }
    out
}

// From what to what; not escaped yet.
fn image_change(change: &ImageChange) -> String {
    match (&change.old, &change.new) {
        (Some(old), Some(new)) => format!("{old} → {new}"),
        (old, new) => old.iter().chain(new).cloned().collect(),
    }
}

fn table(width: usize) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::UTF8_HORIZONTAL_ONLY);
    table.set_width(u16::try_from(width).unwrap_or(100));
    table.set_content_arrangement(comfy_table::ContentArrangement::Dynamic);
    table
}

/// What a check found of a candidate.
pub fn check(report: &Report, faults: &[Finding], width: usize) -> String {
    let mut out = String::new();
    for fault in faults {
        let unit = fault.unit.as_ref().map(|unit| format!(" ({unit})")).unwrap_or_default();
        let head = format!("{} {}{unit}: ", "✗".red(), fault.rule.as_str().bold());
        let indent = 4 + fault.rule.as_str().len() + unit.len();
        out.push_str(&wrapped(&head, indent, &escape::line(&fault.message), width));
        for touched in fault.paths.iter().take(LISTED) {
            out.push_str(&format!("    {}\n", escape::line(&touched.path)));
        }
        if let Some(remedy) = &fault.remedy {
            out.push_str(&wrapped(&format!("  {} ", "→".cyan()), 4, &escape::line(remedy), width));
        }
    }
    out.push_str(&text(report, width));
    if report.result == Outcome::Checked && report.gates.is_empty() {
        out.push_str(&format!("{} {}\n", "✓".green(), "it touches nothing that is passgate's".bold()));
    } else if report.result == Outcome::Checked {
        let said = match report.overridden {
            None => "every gate is open for it now",
            Some(_) => "every gate but those of its override is open for it now",
        };
        out.push_str(&format!("{} {}\n", "✓".green(), said.bold()));
    }
    out
}

/// What an audit found as a table, and how much that is.
pub fn audit(audit: &Audit, width: usize) -> String {
    let mut table = table(width);
    table.set_header(["when", "commit", "what", "unit", "which"]);
    for finding in &audit.findings {
        let mark = match finding.level {
            Level::Note => "·",
            Level::Warning => "!",
            Level::Error => "✗",
        };
        table.add_row([
            finding.at.replace('T', " ").trim_end_matches('Z').to_owned(),
            finding.commit.short(),
            format!("{mark} {}", finding.rule.as_str()),
            finding.unit.as_ref().map_or_else(|| "–".to_owned(), ToString::to_string),
            which(finding),
        ]);
    }
    let place = audit.stage.as_ref().map_or_else(|| escape::line(&audit.env), ToString::to_string);
    let commits = plural(audit.commits, "commit");
    if audit.findings.is_empty() && audit.cut_off {
        return format!("{} {}\n", "?".yellow(), format!("nothing found in {commits} of {place}").bold());
    }
    if audit.findings.is_empty() {
        return format!("{} {}\n", "✓".green(), format!("nothing found in {commits} of {place}").bold());
    }
    let parts = [Level::Error, Level::Warning, Level::Note].map(|level| plural(audit.count(level), level.as_str()));
    let summary = format!("{} in {commits} of {place}: {}", plural(audit.findings.len(), "finding"), parts.join(", "));
    format!("{table}\n{} {}\n", "✗".red(), summary.bold())
}

fn which(finding: &Finding) -> String {
    let mut lines = vec![escape::line(&finding.message)];
    for touched in finding.paths.iter().take(IN_CELL) {
        let sign = match touched.change {
            Change::Added => "+",
            Change::Changed => "~",
            Change::Removed => "-",
            Change::Mode => "x",
            Change::Kept => "=",
        };
        lines.push(format!("{sign} {}", escape::line(&touched.path)));
    }
    match finding.paths.len().saturating_sub(IN_CELL) {
        0 if !finding.more_paths => {}
        more => lines.push(format!("… and {}{more} more", if finding.more_paths { "at least " } else { "" })),
    }
    lines.extend(finding.remedy.as_ref().map(|remedy| format!("→ {}", escape::line(remedy))));
    lines.join("\n")
}

/// What a tree deploys as a table, one part for each root.
pub fn images(images: &[Found], check: &dyn Fn(&Found) -> Option<&'static str>, width: usize) -> String {
    let is_checked = images.iter().any(|found| check(found).is_some());
    let mut out = String::new();
    for of_root in images.chunk_by(|one, next| one.root == next.root) {
        let mut table = table(width);
        let mut head = vec!["reference", "class", "confidence", "where"];
        head.extend(is_checked.then_some("registry"));
        table.set_header(head);
        for found in of_root {
            let note = found.note.as_ref().map(|note| format!("\n→ {}", escape::line(note))).unwrap_or_default();
            let mut row = vec![
                format!("{}{note}", escape::line(&found.reference)),
                found.class.as_str().to_owned(),
                found.confidence.as_str().to_owned(),
                found.places.iter().map(|place| escape::line(place)).collect::<Vec<_>>().join("\n"),
            ];
            row.extend(is_checked.then(|| check(found).unwrap_or("–").to_owned()));
            table.add_row(row);
        }
        let root = of_root.first().map(|found| escape::line(&found.root)).unwrap_or_default();
        // What was harmless within a cell may be obeyed at the start of a line that the cell was wrapped into.
        out.push_str(&format!("{}\n{}\n", root.bold(), escape::text(&table.to_string())));
    }
    let kinds =
        [Confidence::Certain, Confidence::Inferred, Confidence::Unresolved, Confidence::Opaque, Confidence::Unreadable];
    let count = |kind| images.iter().filter(|found| found.confidence == kind).count();
    let counts = kinds.map(|kind| (count(kind), kind.as_str()));
    let counts = counts.iter().filter(|(count, _)| *count > 0).map(|(count, kind)| format!("{count} {kind}"));
    let counts = counts.collect::<Vec<_>>().join(", ");
    let summary = if counts.is_empty() { "no images".to_owned() } else { counts };
    format!("{out}{}\n", summary.bold())
}

/// The state of stages as a table, with what each lacks below it.
pub fn status(stages: &[StageStatus], width: usize) -> String {
    let mut table = table(width);
    table.set_header(["stage", "unit", "state", "what", "since", "by", "lacks"]);
    for stage in stages {
        if stage.unreachable.is_some() {
            let dash = || "–".to_owned();
            table.add_row([stage.stage.to_string(), dash(), "not asked".into(), dash(), dash(), dash(), dash()]);
        }
        for unit in &stage.units {
            table.add_row(row(stage, unit));
        }
    }
    // What was harmless within a cell may be obeyed at the start of a line that the cell was wrapped into.
    let mut out = format!("{}\n", escape::text(&table.to_string()));
    for stage in stages {
        if let Some(why) = &stage.unreachable {
            let why = format!("{} could not be asked: {}", stage.stage, escape::line(why));
            out.push_str(&wrapped("  ? ", 4, &why, width));
        }
        for unit in &stage.units {
            out.push_str(&below(stage, unit, width));
        }
    }
    out
}

fn row(stage: &StageStatus, unit: &UnitStatus) -> Vec<String> {
    let lacks: Vec<String> =
        unit.lacks.iter().map(|lack| format!("{} of {}", plural(lack.commits.len(), "commit"), lack.from)).collect();
    let lacks = if lacks.is_empty() { "–".to_owned() } else { lacks.join(", ") };
    let name = stage.stage.to_string();
    let Some(live) = &unit.live else {
        return vec![name, unit.unit.to_string(), "–".into(), "nothing yet".into(), "–".into(), "–".into(), lacks];
    };
    let glass = if live.overridden.is_some() { ", overridden" } else { "" };
    let state = match (live.state, &unit.broken) {
        (_, Some(_)) => "broken".to_owned(),
        (State::Released, None) => format!("released, unmarked{glass}"),
        (state, None) => format!("{}{glass}", state.as_str()),
    };
    let label = live.version.as_ref().map(|version| format!("{} ", escape::line(version))).unwrap_or_default();
    vec![
        name,
        unit.unit.to_string(),
        state,
        format!("{label}{} {}", escape::line(live.source_branch.as_str()), live.source_commit.short()),
        live.since.replace('T', " ").trim_end_matches('Z').to_owned(),
        live.by.as_deref().map_or_else(|| "–".to_owned(), escape::line),
        lacks,
    ]
}

fn below(stage: &StageStatus, unit: &UnitStatus, width: usize) -> String {
    let mut out = String::new();
    if let Some(broken) = &unit.broken {
        out.push_str(&wrapped("  ✗ ", 4, &format!("{} {}: {}", stage.stage, unit.unit, escape::line(broken)), width));
    }
    if let Some(command) = &unit.way_back {
        let whose = format!("{} {}", stage.stage, unit.unit);
        out.push_str(&format!("\n{} back: {}\n", whose.bold(), escape::line(command).cyan()));
    }
    for lack in &unit.lacks {
        out.push_str(&format!(
            "\n{} lacks of {} what {} has:\n",
            stage.stage.bold(),
            unit.unit.bold(),
            lack.from.bold()
        ));
        for (commit, subject) in lack.commits.iter().take(LISTED) {
            out.push_str(&format!("  - {} ({})\n", escape::line(subject), commit.short()));
        }
        if !lack.work_items.is_empty() {
            let items: Vec<String> = lack.work_items.iter().map(|item| escape::line(item)).collect();
            out.push_str(&wrapped("  work items: ", 14, &items.join(", "), width));
        }
        if lack.blocked.is_empty() {
            let promote = escape::line(&lack.promote);
            out.push_str(&format!("  {} nothing is seen that keeps it out: {}\n", "✓".green(), promote.cyan()));
        }
        for why in &lack.blocked {
            out.push_str(&wrapped(&format!("  {} ", "✗".red()), 4, &escape::line(why), width));
        }
    }
    out
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}
