//! Commit statuses and check runs, as one list.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::client::Api;
use crate::domain::gate::statuses::{State, Status};
use crate::domain::id::CommitId;
use crate::port::PortError;

const PAGE: usize = 100;
const MOST_PAGES: usize = 20;
const DOING: &str = "read the statuses of";

// One page of an answer that has several.
trait Page {
    type Item;
    fn total(&self) -> usize;
    fn items(self) -> Vec<Self::Item>;
}

#[derive(Deserialize)]
struct Combined {
    sha: String,
    total_count: usize,
    statuses: Vec<One>,
}

#[derive(Deserialize)]
struct One {
    context: String,
    state: String,
}

#[derive(Deserialize)]
struct Runs {
    total_count: usize,
    check_runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    id: u64,
    head_sha: String,
    name: String,
    status: String,
    conclusion: Option<String>,
    app: Option<App>,
}

#[derive(Deserialize)]
struct App {
    id: u64,
}

impl Page for Combined {
    type Item = (String, One);
    fn total(&self) -> usize {
        self.total_count
    }
    fn items(self) -> Vec<Self::Item> {
        let sha = self.sha;
        self.statuses.into_iter().map(|one| (sha.clone(), one)).collect()
    }
}

impl Page for Runs {
    type Item = Run;
    fn total(&self) -> usize {
        self.total_count
    }
    fn items(self) -> Vec<Run> {
        self.check_runs
    }
}

/// Every status of a commit. GitHub gives of each context the latest; of check runs, of each name and app.
pub(super) fn of(api: &Api<'_>, commit: CommitId) -> Result<Vec<Status>, PortError> {
    let id = commit.to_string();
    let mut found = Vec::new();
    for (sha, one) in all::<Combined>(api, &format!("commits/{id}/status?"))? {
        about(api, &id, &sha)?;
        let state = match one.state.as_str() {
            "success" => State::Green,
            "pending" => State::Pending,
            _ => State::Red,
        };
        found.push(Status { context: one.context, state, word: one.state });
    }
    let mut latest: BTreeMap<(String, u64), Run> = BTreeMap::new();
    for run in all::<Runs>(api, &format!("commits/{id}/check-runs?filter=latest&"))? {
        about(api, &id, &run.head_sha)?;
        let key = (run.name.clone(), run.app.as_ref().map_or(0, |app| app.id));
        if latest.get(&key).is_none_or(|known| known.id < run.id) {
            latest.insert(key, run);
        }
    }
    found.extend(latest.into_values().map(|run| {
        let (state, word) = match (run.status.as_str(), run.conclusion) {
            ("completed", Some(conclusion)) if conclusion == "success" => (State::Green, conclusion),
            // Neutral and skipped too: what was not looked at did not pass.
            ("completed", conclusion) => (State::Red, conclusion.unwrap_or_else(|| "no conclusion".to_owned())),
            _ => (State::Pending, run.status),
        };
        Status { context: run.name, state, word }
    }));
    Ok(found)
}

// An answer about another commit says nothing of this one.
fn about(api: &Api<'_>, id: &str, sha: &str) -> Result<(), PortError> {
    if sha == id { Ok(()) } else { Err(api.error(DOING, "its answer is about another commit", None)) }
}

fn all<T: Page + DeserializeOwned>(api: &Api<'_>, path: &str) -> Result<Vec<T::Item>, PortError> {
    let mut items = Vec::new();
    for page in 1..=MOST_PAGES {
        let answer: T = api.get(DOING, &format!("{path}per_page={PAGE}&page={page}"))?;
        let total = answer.total();
        let had = items.len();
        items.extend(answer.items());
        if items.len() >= total {
            return Ok(items);
        }
        if items.len() == had {
            return Err(api.error(DOING, format!("it tells of {total} and shows {had}"), None));
        }
    }
    Err(api.error(DOING, format!("there are more than {}", MOST_PAGES * PAGE), None))
}
