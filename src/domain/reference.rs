//! `run:<id>[/name]` and `build:<id>[/name]`: an artifact that is named by the run that made it.

use super::id::InvalidId;

/// An artifact of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunArtifact {
    /// What it ran on.
    pub system: System,
    /// `owner/name` of the repository, or `organization/project`; None: where this pipeline runs.
    pub place: Option<(String, String)>,
    /// The run.
    pub run: u64,
    /// The artifact's name; None: the run's only one.
    pub name: Option<String>,
}

/// What runs are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// GitHub Actions, in each repository: `run:`.
    GitHub,
    /// Azure Pipelines, in each organization: `build:`.
    Azure,
}

impl System {
    /// How an artifact is written.
    pub fn form(self) -> &'static str {
        match self {
            Self::GitHub => "write run:<id>, run:<id>/<name> or run:owner/repository/<id>/<name>",
            Self::Azure => "write build:<id>, build:<id>/<name> or build:organization/project/<id>/<name>",
        }
    }
}

impl RunArtifact {
    /// Reads `run:<id>[/name]`, `run:owner/repository/<id>[/name]`, and the same with `build:`; None when the text does not
    /// begin so.
    ///
    /// # Errors
    /// It begins so, and goes on otherwise.
    pub fn parse(text: &str) -> Option<Result<Self, InvalidId>> {
        let github = text.strip_prefix("run:").map(|rest| (System::GitHub, rest));
        let (system, rest) = github.or_else(|| text.strip_prefix("build:").map(|rest| (System::Azure, rest)))?;
        let parts: Vec<&str> = rest.split('/').collect();
        let (place, run, name) = match parts.as_slice() {
            [run] => (None, *run, None),
            [run, name] => (None, *run, Some(*name)),
            [owner, repository, run] => (Some((*owner, *repository)), *run, None),
            [owner, repository, run, name] => (Some((*owner, *repository)), *run, Some(*name)),
            _ => (None, "", None),
        };
        let is_clean = |name: &str| !name.is_empty() && !name.chars().any(char::is_control);
        let is_word = |word: &str| match system {
            System::GitHub => {
                let is_plain = word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
                is_plain && !word.bytes().all(|b| b == b'.')
            }
            // A project is named as people like.
            System::Azure => is_clean(word) && !word.chars().all(|c| c == '.'),
        };
        let is_named = place.is_none_or(|(owner, repository)| is_word(owner) && is_word(repository));
        Some(match run.parse::<u64>() {
            Ok(run) if run > 0 && is_named && name.is_none_or(is_clean) => Ok(Self {
                system,
                place: place.map(|(owner, repository)| (owner.to_owned(), repository.to_owned())),
                run,
                name: name.map(str::to_owned),
            }),
            _ => Err(InvalidId { what: "an artifact of a run", text: text.to_owned(), why: system.form() }),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    #[test]
    fn a_run_and_a_name_are_told_apart() {
        let read = |text: &str| {
            let found = RunArtifact::parse(text)?.ok()?;
            Some((found.place.map(|(a, b)| format!("{a}/{b}")), found.run, found.name))
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(read("run:12"), Some((None, 12, None)));
        assert_eq!(read("run:12/shop"), Some((None, 12, some("shop"))));
        assert_eq!(read("run:acme/shop/12"), Some((some("acme/shop"), 12, None)));
        assert_eq!(read("run:acme/shop/12/the zip"), Some((some("acme/shop"), 12, some("the zip"))));
        for bad in [
            "run:",
            "run:x",
            "run:0",
            "run:12/",
            "run:../x/12",
            "run:a b/c/12",
            "run:a/b/c/d/e",
            "run:-1",
            "run:12/a\nb",
        ] {
            assert!(RunArtifact::parse(bad).unwrap().is_err(), "{bad}");
        }
        assert_eq!(read("build:12/drop"), Some((None, 12, some("drop"))));
        assert_eq!(read("build:acme/My Proj#1/12/drop"), Some((some("acme/My Proj#1"), 12, some("drop"))));
        assert_eq!(read("build:acme/../12"), None);
        assert!(RunArtifact::parse("./run:12").is_none());
        assert!(RunArtifact::parse("shop.zip").is_none());
    }
}
