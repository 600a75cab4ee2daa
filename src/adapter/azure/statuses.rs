//! Statuses of a commit.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::client::{Api, List};
use crate::domain::gate::statuses::{State, Status};
use crate::domain::id::CommitId;
use crate::domain::news::OWN;
use crate::port::PortError;

const PAGE: i32 = 100;
const MOST_PAGES: i32 = 20;
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
    let mut latest: BTreeMap<String, One> = BTreeMap::new();
    for page in 0.. {
        let send = || {
            let [organization, project, repository] = api.names();
            let request = statuses.list(organization, commit.to_string(), repository, project);
            request.top(PAGE).skip(page * PAGE).latest_only(true).send()
        };
        let list: List<One> = api.get(DOING, send)?;
        let items = api.items(DOING, list)?;
        let is_last = items.len() < usize::try_from(PAGE).unwrap_or_default();
        for one in items {
            let genre = one.context.genre.as_deref().filter(|genre| !genre.is_empty());
            let context =
                genre.map_or_else(|| one.context.name.clone(), |genre| format!("{genre}/{}", one.context.name));
            if latest.get(&context).is_none_or(|known| known.id < one.id) {
                latest.insert(context, one);
            }
        }
        if is_last {
            break;
        }
        if page == MOST_PAGES {
            return Err(api.error(DOING, format!("there are more than {}", page * PAGE), None));
        }
    }
    Ok(latest)
}
