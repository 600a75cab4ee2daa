//! Statuses of a commit.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::client::{Api, PAGE};
use crate::domain::gate::statuses::{State, Status};
use crate::domain::id::CommitId;
use crate::domain::news::OWN;
use crate::port::PortError;

const DOING: &str = "read the statuses of a commit in";

/// One of them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct One {
    id: u64,
    state: String,
    context: Context,
    description: Option<String>,
    target_url: Option<String>,
}

impl One {
    /// Whether it says just this.
    pub(super) fn says(&self, state: &str, description: &str, link: Option<&str>) -> bool {
        let said = self.description.as_deref() == Some(description) && self.target_url.as_deref() == link;
        self.state == state && said
    }
}

#[derive(Deserialize)]
struct Context {
    genre: Option<String>,
    name: String,
}

/// Every status of a commit that others gave it, of each genre and name the latest. Their context is `genre/name`.
pub(super) fn of(api: &Api<'_>, commit: CommitId) -> Result<Vec<Status>, PortError> {
    let state = |word: &str| match word {
        "succeeded" => State::Green,
        "pending" | "notSet" => State::Pending,
        // Not applicable and partially succeeded too: what was not looked at did not pass.
        _ => State::Red,
    };
    // What passgate told is what it knew already.
    let theirs = latest(api, commit)?.into_iter().filter(|(_, one)| one.context.genre.as_deref() != Some(OWN));
    Ok(theirs.map(|(context, one)| Status { context, state: state(&one.state), word: one.state }).collect())
}

/// Every status of a commit by its context, the latest of each.
pub(super) fn latest(api: &Api<'_>, commit: CommitId) -> Result<BTreeMap<String, One>, PortError> {
    let statuses = api.git()?.statuses_client();
    let all: Vec<One> = api.pages(DOING, |skip| {
        let [organization, project, repository] = api.names();
        let request = statuses.list(organization, commit.to_string(), repository, project);
        request.top(PAGE).skip(skip).latest_only(true).send()
    })?;
    let mut latest: BTreeMap<String, One> = BTreeMap::new();
    for one in all {
        let genre = one.context.genre.as_deref().filter(|genre| !genre.is_empty());
        let context = genre.map_or_else(|| one.context.name.clone(), |genre| format!("{genre}/{}", one.context.name));
        if latest.get(&context).is_none_or(|known| known.id < one.id) {
            latest.insert(context, one);
        }
    }
    Ok(latest)
}
