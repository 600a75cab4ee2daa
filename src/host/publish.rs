//! What a run leaves with its host besides the log: outputs, a summary, annotations, artifacts. All of it is best effort:
//! it can never change what became of the command, so what fails is only told.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::command::{self, Level};
use super::detect::Host;
use super::environment::variable;
use super::outputs::{self, camel, cut};
use super::{tokens, writer};
use crate::domain::escape;
use crate::domain::outcome::{Outcome, Report, Verdict};

// GitHub drops a step's summaries when they are more than 1 MiB together.
const LONGEST_SUMMARY: usize = 128 << 10;
const ALL_SUMMARIES: u64 = 1000 << 10;
// GitHub shows ten of a kind for a step, Azure ten; more than a handful nobody reads.
const MOST_ANNOTATIONS: usize = 5;
const LONGEST_MESSAGE: usize = 1000;

/// Asks the host to hide every secret, in each form in which it may be sent, before anything is said.
pub fn mask(host: Host) {
    let mut forms: Vec<String> = tokens::secrets(host).iter().flat_map(|token| forms(token)).collect();
    forms.sort();
    forms.dedup();
    for line in forms.iter().filter_map(|form| command::mask(host, form)) {
        writer::tell(&line);
    }
}

// As it is, line by line; as the password in a URL; as git sends it.
fn forms(token: &str) -> Vec<String> {
    let mut forms: Vec<String> = token.lines().map(|line| line.trim().to_owned()).collect();
    let token = token.trim();
    let bare = token.strip_prefix("Bearer ").or_else(|| token.strip_prefix("bearer ")).unwrap_or(token).trim();
    let password = bare.split_once(':').map_or(bare, |(_, password)| password);
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let pair = if bare.contains(':') { bare.to_owned() } else { format!("x-access-token:{bare}") };
    forms.extend([bare.to_owned(), password.to_owned(), encode(bare), encode(&pair), encode(&format!(":{password}"))]);
    forms.extend([bare, password].map(|text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()));
    forms.retain(|form| !form.is_empty());
    forms
}

/// Tells long text: folded where the host can fold and nothing in it is urgent.
pub fn folded(host: Host, title: &str, text: &str) {
    match command::group(host, title) {
        Some((begin, end)) => {
            writer::tell(&begin);
            writer::tell(text);
            writer::tell(end);
        }
        None => writer::tell(text),
    }
}

/// Leaves a report with the host. `parts` are the reports of several environments, or the one; `summary` is Markdown.
pub fn publish(host: Host, report: &Report, parts: &[&Report], summary: &str) {
    if host == Host::Terminal {
        return;
    }
    told("the outputs", write_outputs(host, report));
    told("the summary", write_summary(host, summary));
    for line in
        annotations(parts).iter().filter_map(|(level, title, text)| command::annotation(host, *level, title, text))
    {
        writer::tell(&line);
    }
    if host == Host::Azure && report.result == Outcome::Packaged {
        told("the artifact", upload(report));
    }
}

fn told(what: &str, done: io::Result<()>) {
    if let Err(error) = done {
        writer::tell(&format!("warning: {what} could not be left with the host: {}", escape::line(&error.to_string())));
    }
}

fn write_outputs(host: Host, report: &Report) -> io::Result<()> {
    let values = outputs::of(report);
    if host != Host::GitHub {
        for (name, value) in values {
            writer::tell(&command::output(&camel(name), &value));
        }
        return Ok(());
    }
    let Some(file) = variable("GITHUB_OUTPUT") else { return Ok(()) };
    let mut text = String::new();
    for (name, value) in values {
        // No value can end its own text: it was there before the end was chosen.
        let mut end = delimiter();
        while value.contains(&end) {
            end = delimiter();
        }
        text.push_str(&format!("{name}<<{end}\n{value}\n{end}\n"));
    }
    append(Path::new(&file), &text)
}

fn delimiter() -> String {
    format!("passgate_{:032x}", fastrand::u128(..))
}

fn write_summary(host: Host, summary: &str) -> io::Result<()> {
    let text = cut(summary.to_owned(), LONGEST_SUMMARY);
    if host == Host::GitHub {
        let Some(file) = variable("GITHUB_STEP_SUMMARY") else { return Ok(()) };
        let have = std::fs::metadata(&file).map_or(0, |found| found.len());
        let fits = have + text.len() as u64 <= ALL_SUMMARIES;
        return if fits { append(Path::new(&file), &format!("{text}\n")) } else { Ok(()) };
    }
    let Some(folder) = variable("AGENT_TEMPDIRECTORY") else { return Ok(()) };
    let file = in_new_folder(Path::new(&folder))?;
    append(&file, &text)?;
    writer::tell(&command::summary(&file.to_string_lossy()));
    Ok(())
}

// The agent reads the file later, and calls the page by its name.
#[allow(clippy::disallowed_methods, reason = "the host takes a summary as a file")]
fn in_new_folder(folder: &Path) -> io::Result<PathBuf> {
    let folder = folder.join(delimiter());
    std::fs::create_dir(&folder)?;
    Ok(folder.join("passgate.md"))
}

#[allow(clippy::disallowed_methods, reason = "the host takes outputs and summaries as files")]
fn append(file: &Path, text: &str) -> io::Result<()> {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file)?;
    file.write_all(text.as_bytes())
}

fn upload(report: &Report) -> io::Result<()> {
    let path = std::fs::canonicalize(report.path.as_deref().unwrap_or_default())?;
    writer::tell(&command::upload(&path.to_string_lossy()));
    if let (Some(unit), Some(digest)) = (&report.unit, report.digest) {
        writer::tell(&command::tag(&format!("passgate-{unit}-{}", digest.short().trim_start_matches("sha256:"))));
    }
    Ok(())
}

/// Tags the build that this run is.
pub fn tag(host: Host, text: &str) {
    if host == Host::Azure {
        writer::tell(&command::tag(text));
    }
}

/// What is worth a line beside the log, worst first.
fn annotations(parts: &[&Report]) -> Vec<(Level, String, String)> {
    let (mut errors, mut warnings) = (Vec::new(), Vec::new());
    for report in parts {
        let stage = report.stage.as_ref().map(|stage| format!(" of {stage}")).unwrap_or_default();
        let opened = report.overridden.as_ref().map(|glass| glass.gates.as_slice()).unwrap_or_default();
        let late = report.result == Outcome::Superseded;
        if report.result.exit_code() != 0 {
            for gate in report.gates.iter().filter(|gate| gate.is_closed() && !opened.contains(&gate.gate)) {
                let word = if gate.verdict == Verdict::Refused { "refused" } else { "undecided" };
                let remedy = gate.remedy.as_deref().map(|remedy| format!(" → {remedy}")).unwrap_or_default();
                let one = (format!("gate {}{stage}: {word}", gate.gate), format!("{}{remedy}", gate.detail));
                if late { warnings.push(one) } else { errors.push(one) }
            }
        }
        if let Some(trouble) = &report.error {
            let causes = trouble.causes.iter().take(2).filter_map(|cause| cause.lines().next());
            // The log has the rest: pictures of files, and what servers said.
            let causes = causes.map(|cause| format!(": {cause}")).collect::<String>();
            let hint = trouble.hint.as_deref().map(|hint| format!(" → {hint}")).unwrap_or_default();
            errors.push((format!("passgate: {}", trouble.code), format!("{}{causes}{hint}", trouble.message)));
        }
        if let Some(glass) = &report.overridden {
            warnings.push((format!("override{stage}"), format!("{}: {}", glass.gates.join(", "), glass.reason)));
        }
        warnings.extend(report.warnings.iter().map(|text| ("passgate".to_owned(), text.clone())));
    }
    let all =
        errors.into_iter().map(|one| (Level::Error, one)).chain(warnings.into_iter().map(|one| (Level::Warning, one)));
    let mut all: Vec<_> = all.map(|(level, (title, text))| (level, title, shorter(&text))).collect();
    if all.len() > MOST_ANNOTATIONS {
        let more = all.len() - (MOST_ANNOTATIONS - 1);
        all.truncate(MOST_ANNOTATIONS - 1);
        all.push((Level::Warning, "passgate".to_owned(), format!("and {more} more: see the log and the summary")));
    }
    all
}

fn shorter(text: &str) -> String {
    match text.char_indices().nth(LONGEST_MESSAGE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
