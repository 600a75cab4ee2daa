//! The messages of the commits that passgate writes: readable notes first, then trailers for programs.

use super::escape;
use super::id::Digest;
use super::notes::Notes;
use super::outcome::Changes;
use super::record::{Mark, Override, Record};

/// What of the source commit is told to Argo CD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// `Name <mail>`.
    pub author: String,
    /// RFC 3339.
    pub date: String,
    /// First line.
    pub subject: String,
    /// The rest.
    pub body: String,
}

fn what(record: &Record) -> String {
    match &record.version {
        Some(version) => format!("{} {}", record.unit, escape::commit_line(version)),
        None => format!("{} {}", record.unit, record.source.commit.short()),
    }
}

fn trailers(record: &Record, by: Option<&str>, run: Option<&str>) -> Vec<String> {
    let mut lines = vec![
        format!("Passgate-Unit: {}", record.unit),
        format!("Passgate-Stage: {}", record.stage),
        format!("Passgate-Seq: {}", record.seq),
        format!("Passgate-Digest: {}", record.digest),
        format!("Passgate-Source: {}@{}", record.source.repository, record.source.commit),
        format!("Passgate-Branch: {}", escape::commit_line(record.source.branch.as_str())),
    ];
    let outside =
        |name: &str, value: Option<&str>| value.map(|value| format!("{name}: {}", escape::commit_line(value)));
    lines.extend(outside("Passgate-By", by));
    lines.extend(outside("Passgate-Run", run));
    lines
}

fn counts(changes: &Changes) -> String {
    let count = |number: usize, word: &str| (number > 0).then(|| format!("{number} {word}"));
    let counts: Vec<String> = [
        count(changes.added.len(), "added"),
        count(changes.changed.len(), "changed"),
        count(changes.removed.len(), "removed"),
    ]
    .into_iter()
    .flatten()
    .collect();
    if counts.is_empty() { "no file changes".to_owned() } else { counts.join(", ") }
}

/// The message of a release commit.
pub fn release(record: &Record, changes: &Changes, notes: &Notes, reference: Option<&Reference>) -> String {
    let mut out = format!("Release {} to {}\n\n", what(record), record.stage);
    if let Some(Override { reason, gates, .. }) = &record.overridden {
        out.push_str(&format!("Override of {}: {}\n\n", gates.join(", "), escape::commit_line(reason)));
    }
    let counts = counts(changes);
    out.push_str(&format!("{counts}; from {} of\n", escape::commit_line(record.source.branch.as_str())));
    let commit = record.source.commit.to_string();
    out.push_str(
        &record
            .source
            .repository
            .web_commit(&commit)
            .unwrap_or_else(|| format!("{}@{commit}", record.source.repository)),
    );
    out.push('\n');
    let lines = notes.lines();
    if !lines.is_empty() {
        out.push_str(&format!("\n{}\n", lines.join("\n")));
    }
    let items: Vec<String> = notes.items().iter().map(|item| escape::line(item)).collect();
    if !items.is_empty() {
        out.push_str(&format!("\nWork items: {}\n", items.join(", ")));
    }
    let mut trailers = trailers(record, record.released.by.as_deref(), record.released.run.as_deref());
    if let Some(Override { gates, .. }) = &record.overridden {
        trailers.push(format!("Passgate-Override: {}", gates.join(", ")));
    }
    if let Some(reference) = reference {
        let line = |name: &str, value: &str| format!("Argocd-reference-commit-{name}: {}", escape::commit_line(value));
        trailers.push(line("author", &reference.author));
        trailers.push(format!("Argocd-reference-commit-sha: {commit}"));
        trailers.push(line("subject", &reference.subject));
        if !reference.body.is_empty() {
            // Argo CD reads the body as one JSON string.
            let body: Vec<String> = reference.body.lines().take(50).map(escape::commit_line).collect();
            trailers.push(format!("Argocd-reference-commit-body: {}", serde_json::Value::from(body.join("\n"))));
        }
        // It is a time that git wrote; as prose it would be taken for a trailer and changed.
        if super::time::is_rfc3339(&reference.date) {
            trailers.push(format!("Argocd-reference-commit-date: {}", reference.date));
        }
        trailers.push(format!("Argocd-reference-commit-repourl: {}", record.source.repository));
    }
    out.push_str(&format!("\n{}\n", trailers.join("\n")));
    out
}

/// The message of a rollback; `left` is what was live.
pub fn rollback(record: &Record, changes: &Changes, left: Digest) -> String {
    let mut out = format!("Roll back {} in {}\n\n", what(record), record.stage);
    out.push_str(&format!("{}; what was live is left: {left}\n", counts(changes)));
    let mut trailers = trailers(record, record.released.by.as_deref(), record.released.run.as_deref());
    trailers.push(format!("Passgate-Rolled-Back: {left}"));
    out.push_str(&format!("\n{}\n", trailers.join("\n")));
    out
}

/// The message of a retirement.
pub fn retire(record: &Record, changes: &Changes) -> String {
    let trailers = trailers(record, record.released.by.as_deref(), record.released.run.as_deref());
    let (unit, stage) = (&record.unit, &record.stage);
    format!("Retire {unit} from {stage}\n\n{}\n\n{}\n", counts(changes), trailers.join("\n"))
}

/// The message of a mark.
pub fn mark(record: &Record, mark: &Mark) -> String {
    let mut out = format!("Mark {} {} in {}\n", what(record), mark.state.as_str(), record.stage);
    if let Some(note) = &mark.note {
        out.push_str(&format!("\n> {}\n", escape::commit_line(note)));
    }
    let mut trailers = trailers(record, mark.by.as_deref(), mark.run.as_deref());
    trailers.push(format!("Passgate-Mark: {}", mark.state.as_str()));
    out.push_str(&format!("\n{}\n", trailers.join("\n")));
    out
}
