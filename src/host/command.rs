//! Commands to the host's runner, as lines of the log. Every value is made harmless here: first as text, by
//! `domain::escape`, then in the runner's own way, so that none can end its place or begin a command of its own.

use super::detect::Host;
use crate::domain::escape;

/// How bad an annotation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Something failed or was refused.
    Error,
    /// Something is worth knowing.
    Warning,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

// `%` first, or the signs of the others would be escaped again.
fn github(name: &str, property: Option<(&str, &str)>, value: &str) -> String {
    let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let properties =
        property.map(|(key, value)| format!(" {key}={}", data(value).replace(':', "%3A").replace(',', "%2C")));
    format!("::{name}{}::{}", properties.unwrap_or_default(), data(value))
}

// `]` ends the properties, so it and `;` may stand in the value as they are.
fn azure(name: &str, properties: &[(&str, &str)], value: &str) -> String {
    let data = |text: &str| text.replace('%', "%AZP25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| data(text).replace(']', "%5D").replace(';', "%3B");
    let properties: Vec<String> = properties.iter().map(|(key, value)| format!("{key}={}", property(value))).collect();
    let gap = if properties.is_empty() { "" } else { " " };
    format!("##vso[{name}{gap}{}]{}", properties.join(";"), data(value))
}

/// An error or a warning beside the log.
pub fn annotation(host: Host, level: Level, title: &str, message: &str) -> Option<String> {
    let (title, message) = (escape::line(title), escape::line(message));
    match host {
        Host::GitHub => Some(github(level.word(), Some(("title", &title)), &message)),
        Host::Azure | Host::AzureRelease => {
            Some(azure("task.logissue", &[("type", level.word())], &format!("{title}: {message}")))
        }
        Host::Terminal => None,
    }
}

/// Lines that are folded in the log: what begins them, and what ends them.
pub fn group(host: Host, title: &str) -> Option<(String, &'static str)> {
    let title = escape::line(title);
    match host {
        Host::GitHub => Some((github("group", None, &title), "::endgroup::")),
        Host::Azure | Host::AzureRelease => Some((format!("##[group]{title}"), "##[endgroup]")),
        Host::Terminal => None,
    }
}

/// Asks the runner to show stars for a text from now on. The text is as it is, or it would not be found.
pub fn mask(host: Host, secret: &str) -> Option<String> {
    match host {
        Host::GitHub => Some(github("add-mask", None, secret)),
        Host::Azure | Host::AzureRelease => Some(azure("task.setsecret", &[], secret)),
        Host::Terminal => None,
    }
}

/// An output variable of Azure Pipelines. The value is as it is: a later step gets it, not the log.
pub fn output(name: &str, value: &str) -> String {
    azure("task.setvariable", &[("variable", name), ("isOutput", "true")], value)
}

/// A summary page of Azure Pipelines.
pub fn summary(path: &str) -> String {
    azure("task.uploadsummary", &[], path)
}

/// An artifact of an Azure build.
pub fn upload(path: &str) -> String {
    azure("artifact.upload", &[("artifactname", "drop")], path)
}

/// A tag of an Azure build.
pub fn tag(text: &str) -> String {
    azure("build.addbuildtag", &[], text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "100%0A;]\r\n::error::x,:##vso[task.complete]##[set-output name=a]b";

    #[test]
    fn values_stay_in_their_place() {
        let lines = [
            annotation(Host::GitHub, Level::Error, HOSTILE, HOSTILE),
            annotation(Host::Azure, Level::Warning, HOSTILE, HOSTILE),
            group(Host::GitHub, HOSTILE).map(|(begin, _)| begin),
            group(Host::Azure, HOSTILE).map(|(begin, _)| begin),
            mask(Host::GitHub, HOSTILE),
            mask(Host::Azure, HOSTILE),
            Some(output("notes", HOSTILE)),
            Some(upload(HOSTILE)),
        ];
        for line in lines.into_iter().flatten() {
            assert!(!line.contains(['\r', '\n']), "{line}");
        }
        assert_eq!(github("error", Some(("title", "a:b,c%")), "50%\r\n"), "::error title=a%3Ab%2Cc%25::50%25%0D%0A");
        assert_eq!(
            azure("task.setvariable", &[("variable", "a;b]")], "50%;]\r\n"),
            "##vso[task.setvariable variable=a%3Bb%5D]50%AZP25;]%0D%0A"
        );
    }

    #[test]
    fn a_terminal_gets_no_commands() {
        assert_eq!(annotation(Host::Terminal, Level::Error, "a", "b"), None);
        assert_eq!(group(Host::Terminal, "a"), None);
        assert_eq!(mask(Host::Terminal, "a"), None);
    }
}
