//! What `init` writes: the rules of each environment, and pipelines that use them. Texts in, texts out.

mod azure;
mod github;

use std::collections::{BTreeMap, BTreeSet};

use super::id::{BranchName, StageName, UnitName};
use super::url::RepoUrl;

/// Whose pipelines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pipelines {
    /// GitHub Actions.
    GitHub,
    /// Azure Pipelines.
    Azure,
}

/// A stage, in the order of promotion.
#[derive(Debug, Clone)]
pub struct Stage {
    /// Its name.
    pub name: StageName,
    /// Its environment's repository.
    pub url: RepoUrl,
    /// The branch that the environment reads.
    pub branch: BranchName,
}

/// What is to be set up.
#[derive(Debug, Clone)]
pub struct Scaffold {
    /// Whose pipelines.
    pub pipelines: Pipelines,
    /// The unit.
    pub unit: UnitName,
    /// Where it is developed.
    pub source: RepoUrl,
    /// The branch that goes to every stage.
    pub main: BranchName,
    /// The stages, the first one first.
    pub stages: Vec<Stage>,
    /// Patterns of the commit statuses that each stage's checks leave; none: the checks are steps of the pipeline.
    pub statuses: Vec<String>,
    /// The action, `owner/name@ref`.
    pub action: String,
}

/// Files by their paths, the first component of each being the repository that it belongs into.
pub type Files = BTreeMap<String, String>;

/// Writes all files.
///
/// # Errors
/// A text cannot stand in such a file, two repositories share a name, or GitHub's Apps cannot reach the repositories.
pub fn files(wanted: &Scaffold) -> Result<Files, String> {
    let all = wanted.stages.iter().map(|stage| &stage.url).chain([&wanted.source]);
    let mut seen = BTreeMap::new();
    for url in all {
        if let Some(other) = seen.insert(url.name(), url) {
            return Err(format!("{url} and {other} have one name; their files would lie in one folder"));
        }
    }
    let mut names = BTreeSet::new();
    if let Some(twice) = wanted.stages.iter().find(|stage| !names.insert(&stage.name)) {
        return Err(format!("the stage {} is named twice", twice.name));
    }
    let texts = wanted.stages.iter().map(|stage| stage.branch.to_string()).chain([wanted.main.to_string()]);
    let urls = wanted.stages.iter().map(|stage| stage.url.to_string()).chain([wanted.source.to_string()]);
    for text in texts.chain(urls).chain(wanted.statuses.iter().cloned()).chain([wanted.action.clone()]) {
        if text.contains("${") || text.contains("$(") || text.contains("$[") || text.chars().any(char::is_control) {
            return Err(format!("{text:?} would be computed by the pipeline instead of read"));
        }
    }
    let mut files = Files::new();
    for (at, stage) in wanted.stages.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| wanted.stages.get(at));
        files.insert(format!("{}/.passgate/stage.yaml", stage.url.name()), rules(wanted, stage, before));
    }
    match wanted.pipelines {
        Pipelines::GitHub => github::files(wanted, &mut files)?,
        Pipelines::Azure => azure::files(wanted, &mut files),
    }
    Ok(files)
}

fn rules(wanted: &Scaffold, stage: &Stage, before: Option<&Stage>) -> String {
    let branches = match before {
        None => list(&[wanted.main.as_str(), "feature/**", "hotfix/**"]),
        Some(_) => list(&[wanted.main.as_str(), "hotfix/**"]),
    };
    let mut text = fill(
        include_str!("stage.yaml"),
        &[
            ("STAGE", stage.name.as_str()),
            ("REPOSITORY", &quoted(&stage.url.to_string())),
            ("BRANCH", &quoted(stage.branch.as_str())),
            ("UNIT", wanted.unit.as_str()),
            ("SOURCE", &quoted(&wanted.source.to_string())),
            ("BRANCHES", &branches),
        ],
    );
    if let Some(before) = before {
        text.push_str(&format!(
            "after:\n  - stage: {}\n    repository: {}\n    branch: {}\n    require: passed\n",
            before.name,
            quoted(&before.url.to_string()),
            quoted(before.branch.as_str())
        ));
    }
    text
}

// Puts texts into the places `<<NAME>>`. An empty one takes its line along.
fn fill(template: &str, places: &[(&str, &str)]) -> String {
    places.iter().fold(template.to_owned(), |text, (name, value)| {
        let place = format!("<<{name}>>");
        let text = if value.is_empty() { text.replace(&format!("{place}\n"), "") } else { text };
        text.replace(&place, value.trim_end_matches('\n'))
    })
}

// A text as YAML: JSON's strings are YAML's.
fn quoted(text: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./".contains(&b);
    let begins = text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
    let is_word = matches!(text.to_ascii_lowercase().as_str(), "true" | "false" | "null" | "yes" | "no" | "on" | "off");
    if begins && !is_word && text.bytes().all(is_plain) {
        text.to_owned()
    } else {
        serde_json::Value::from(text).to_string()
    }
}

fn list(items: &[&str]) -> String {
    let items: Vec<String> = items.iter().map(|item| quoted(item)).collect();
    format!("[{}]", items.join(", "))
}

// The address as `--to` takes it.
fn address(stage: &Stage) -> String {
    quoted(&format!("{}#{}", stage.url, stage.branch))
}

// The names of stages as names of jobs.
fn job(stage: &Stage) -> String {
    stage.name.as_str().replace(['-', '.'], "_")
}

// Which folder goes where, as Markdown.
fn folders(wanted: &Scaffold) -> String {
    let all = wanted.stages.iter().map(|stage| &stage.url).chain([&wanted.source]);
    all.map(|url| format!("- `{}` into `{url}`", url.name())).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    fn wanted(pipelines: Pipelines) -> Scaffold {
        let stage = |name: &str| Stage {
            name: name.parse().unwrap(),
            url: format!("https://github.com/acme/env-{name}").parse().unwrap(),
            branch: "main".parse().unwrap(),
        };
        Scaffold {
            pipelines,
            unit: "shop".parse().unwrap(),
            source: "https://github.com/acme/shop".parse().unwrap(),
            main: "main".parse().unwrap(),
            stages: ["dev", "qual", "prod"].map(stage).into(),
            statuses: Vec::new(),
            action: "passgate/passgate@v1".to_owned(),
        }
    }

    #[test]
    fn no_place_is_left_open_and_all_rules_can_be_read() {
        for pipelines in [Pipelines::GitHub, Pipelines::Azure] {
            for statuses in [Vec::new(), vec!["kustomization/apps/*".to_owned()]] {
                let files = files(&Scaffold { statuses, ..wanted(pipelines) }).unwrap();
                for (path, text) in &files {
                    assert!(!text.contains("<<") && !text.contains(">>"), "{path}: {text}");
                    assert!(text.ends_with('\n') && !text.contains("\n\n\n"), "{path}: {text}");
                }
                for stage in ["dev", "qual", "prod"] {
                    let text = &files[&format!("env-{stage}/.passgate/stage.yaml")];
                    let read = crate::domain::policy::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
                    assert_eq!(read.stage.as_str(), stage);
                    assert_eq!(read.after.len(), usize::from(stage != "dev"));
                }
            }
        }
    }

    #[test]
    fn nothing_is_computed_by_the_pipeline() {
        for evil in ["${{secrets.X}}", "a$(whoami)", "$[1]"] {
            let mut one = wanted(Pipelines::GitHub);
            one.statuses = vec![evil.to_owned()];
            files(&one).unwrap_err();
            one.statuses = Vec::new();
            one.action = evil.to_owned();
            files(&one).unwrap_err();
        }
        let mut one = wanted(Pipelines::Azure);
        one.main = "on".parse().unwrap();
        assert!(files(&one).unwrap()["env-qual/.passgate/stage.yaml"].contains("[\"on\", \"hotfix/**\"]"));
        one.stages[1].name = "dev".parse().unwrap();
        files(&one).unwrap_err();
        one.stages[1].name = "qual".parse().unwrap();
        one.source = one.stages[0].url.clone();
        files(&one).unwrap_err();
    }
}
