//! `run:<id>[/name]`: an artifact that is named by the run that made it.

use super::id::InvalidId;

/// An artifact of a workflow run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunArtifact {
    /// `owner/name` of the repository; None: the one that this pipeline runs in.
    pub repository: Option<String>,
    /// The run.
    pub run: u64,
    /// The artifact's name; None: the run's only one.
    pub name: Option<String>,
}

impl RunArtifact {
    /// Reads `run:<id>[/name]` and `run:owner/repository/<id>[/name]`; None when the text does not begin so.
    ///
    /// # Errors
    /// It begins so, and goes on otherwise.
    pub fn parse(text: &str) -> Option<Result<Self, InvalidId>> {
        let rest = text.strip_prefix("run:")?;
        let parts: Vec<&str> = rest.split('/').collect();
        let is_word = |word: &str| {
            !word.is_empty()
                && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
                && !word.bytes().all(|b| b == b'.')
        };
        let (repository, run, name) = match parts.as_slice() {
            [run] => (None, *run, None),
            [run, name] => (None, *run, Some(*name)),
            [owner, repository, run] => (Some((*owner, *repository)), *run, None),
            [owner, repository, run, name] => (Some((*owner, *repository)), *run, Some(*name)),
            _ => (None, "", None),
        };
        let is_named = repository.is_none_or(|(owner, repository)| is_word(owner) && is_word(repository));
        let is_clean = |name: &str| !name.is_empty() && !name.chars().any(char::is_control);
        Some(match run.parse::<u64>() {
            Ok(run) if run > 0 && is_named && name.is_none_or(is_clean) => Ok(Self {
                repository: repository.map(|(owner, repository)| format!("{owner}/{repository}")),
                run,
                name: name.map(str::to_owned),
            }),
            _ => Err(InvalidId {
                what: "an artifact of a run",
                text: text.to_owned(),
                why: "write run:<id>, run:<id>/<name> or run:owner/repository/<id>/<name>",
            }),
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
            Some((found.repository, found.run, found.name))
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
        assert!(RunArtifact::parse("./run:12").is_none());
        assert!(RunArtifact::parse("shop.zip").is_none());
    }
}
