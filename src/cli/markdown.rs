//! Reports as Markdown, for the summary page of a run. What came from outside is escaped where it enters a line.

use super::render;
use crate::domain::escape;
use crate::domain::outcome::{GateReport, Report, Verdict};

// Paths of each kind that are listed; the JSON document has all of them.
const LISTED: usize = 100;

/// A report as a section of a summary page; `to` names the environment where there are several.
pub fn report(to: Option<&str>, report: &Report) -> String {
    let mut out = to.map(|to| format!("## {}\n\n", escape::markdown_line(to))).unwrap_or_default();
    let headline = plain(&render::headline(report));
    if headline.is_empty() {
        let result = serde_json::to_value(report.result).unwrap_or_default();
        out.push_str(&format!("### passgate: {}\n\n", result.as_str().unwrap_or_default()));
    } else {
        out.push_str(&format!("### {}\n\n", escape::markdown_line(&headline)));
    }
    if let Some(trouble) = &report.error {
        out.push_str(&format!("**error:** {}\n\n", escape::markdown_line(&trouble.message)));
        if !trouble.causes.is_empty() {
            out.push_str(&fenced(&trouble.causes.join("\n")));
        }
        if let Some(hint) = &trouble.hint {
            out.push_str(&format!("**hint:** {}\n\n", escape::markdown_line(hint)));
        }
    }
    if let Some(glass) = &report.overridden {
        let (reason, gates) = (escape::markdown_line(&glass.reason), glass.gates.join(", "));
        out.push_str(&format!("**override** of {}: {reason}\n\n", escape::markdown_line(&gates)));
    }
    for warning in &report.warnings {
        out.push_str(&format!("**warning:** {}\n\n", escape::markdown_line(warning)));
    }
    if let Some(command) = &report.way_back {
        out.push_str(&format!("To go back:\n\n{}", fenced(command)));
    }
    if !report.gates.is_empty() {
        let opened = report.overridden.as_ref().map(|glass| glass.gates.as_slice()).unwrap_or_default();
        out.push_str(&gates(&report.gates, opened));
    }
    if !report.notes.is_empty() {
        out.push_str(&format!("#### What comes\n\n{}\n\n", report.notes.trim_end()));
    }
    out.push_str(&images(report));
    out.push_str(&changes(report));
    out
}

fn images(report: &Report) -> String {
    let changes = &report.image_changes;
    if changes.is_empty() {
        return String::new();
    }
    let mut out = String::from("#### Images\n\n| workload | old | new |\n|---|---|---|\n");
    for change in changes.iter().take(LISTED) {
        let cell = |text: &Option<String>| text.as_deref().map_or_else(|| "–".to_owned(), escape::markdown_line);
        out.push_str(&format!(
            "| {} | {} | {} |\n",
            escape::markdown_line(&change.whose()),
            cell(&change.old),
            cell(&change.new)
        ));
    }
    if changes.len() > LISTED {
        out.push_str(&format!("\n… and {} more\n", changes.len() - LISTED));
    }
    out.push('\n');
    out
}

/// Text as it is told to a terminal, as a block.
pub fn fenced(text: &str) -> String {
    let text = escape::text(&plain(text));
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}text\n{text}\n{fence}\n\n")
}

fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string().trim().to_owned()
}

fn gates(gates: &[GateReport], opened: &[String]) -> String {
    let mut out = String::from("| gate | verdict | why |\n|---|---|---|\n");
    for gate in gates {
        let is_opened = opened.contains(&gate.gate);
        let verdict = match gate.verdict {
            _ if is_opened => "⚠️ overridden",
            Verdict::Passed => "✅ passed",
            Verdict::Refused => "❌ refused",
            Verdict::Undecided => "❔ undecided",
            Verdict::NotAsked => "· not asked",
        };
        let remedy = gate.remedy.as_deref().filter(|_| gate.is_closed() && !is_opened);
        let remedy = remedy.map(|text| format!("<br>→ {}", escape::markdown_line(text))).unwrap_or_default();
        let (name, why) = (escape::markdown_line(&gate.gate), escape::markdown_line(&gate.detail));
        out.push_str(&format!("| {name} | {verdict} | {why}{remedy} |\n"));
    }
    out.push('\n');
    out
}

fn changes(report: &Report) -> String {
    let kinds = [
        ("added", &report.changes.added),
        ("changed", &report.changes.changed),
        ("removed", &report.changes.removed),
        ("kept", &report.changes.kept),
    ];
    let counts: Vec<String> = kinds
        .iter()
        .filter(|(_, paths)| !paths.is_empty())
        .map(|(kind, paths)| format!("{} {kind}", paths.len()))
        .collect();
    if counts.is_empty() {
        return String::new();
    }
    let mut out = format!("<details><summary>Files: {}</summary>\n\n", counts.join(", "));
    for (kind, paths) in kinds {
        for path in paths.iter().take(LISTED) {
            out.push_str(&format!("- {kind} {}\n", escape::markdown_line(path)));
        }
        if paths.len() > LISTED {
            out.push_str(&format!("- … and {} more {kind}\n", paths.len() - LISTED));
        }
    }
    out.push_str("\n</details>\n\n");
    out
}
