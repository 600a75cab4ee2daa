//! Deployments that say what is live where. Several units may share an environment, so what a newer one takes the place of
//! is told by passgate itself, unit by unit.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{Api, Method};
use crate::domain::news::{News, Said, Standing};
use crate::port::PortError;

const READ: &str = "read the deployments of";
const WRITE: &str = "tell of a deployment to";
// Earlier ones that are looked at: each costs a request, and all before one that is over were told so with it.
const MOST: usize = 10;

#[derive(Deserialize)]
struct One {
    id: u64,
    sha: String,
    environment: String,
    task: String,
    #[serde(default)]
    payload: Value,
}

#[derive(Deserialize)]
struct Status {
    id: u64,
    state: String,
    description: Option<String>,
    log_url: Option<String>,
    environment_url: Option<String>,
}

/// Tells it.
pub(super) fn tell(api: &Api<'_>, news: &News) -> Result<(), PortError> {
    let all = ours(api, news)?;
    let current =
        news.live.as_ref().map(|live| Ok::<_, PortError>((live, stands(api, news, &all, live)?))).transpose()?;
    if let Some((live, id)) = current {
        let state = match live.standing {
            Standing::Released | Standing::Passed => "success",
            Standing::Failed | Standing::Gone => "failure",
        };
        say(api, news, id, newest(api, id)?.as_ref(), state, Some(live))?;
    }
    let mut over = Vec::new();
    for one in all.iter().filter(|one| current.is_none_or(|(_, id)| one.id != id)).take(MOST) {
        let newest = newest(api, one.id)?;
        match newest.as_ref().map(|newest| newest.state.as_str()) {
            Some("inactive") => break,
            Some("failure" | "error") => {}
            _ => over.push((one.id, newest)),
        }
    }
    // The oldest first, so that one which is over never hides one before it that is not.
    over.iter().rev().try_for_each(|(id, newest)| say(api, news, *id, newest.as_ref(), "inactive", None))
}

fn payload(news: &News, said: &Said) -> Value {
    let release_commit = said.landing.map(|commit| commit.to_string());
    json!({"digest": said.digest.to_string(), "release_commit": release_commit, "environment": news.environment})
}

// Those that passgate made for the unit in this very environment, newest first.
fn ours(api: &Api<'_>, news: &News) -> Result<Vec<One>, PortError> {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let (stage, task) = (news.stage.as_str(), news.task());
    let path = format!("deployments?environment={}&task={}&per_page=100", encoded(stage), encoded(&task));
    let mut all: Vec<One> = api.get(READ, &path)?;
    all.retain(|one| one.environment == stage && one.task == task && one.payload["environment"] == news.environment);
    all.sort_by_key(|one| std::cmp::Reverse(one.id));
    Ok(all)
}

// The deployment of what is live, made when there is none.
fn stands(api: &Api<'_>, news: &News, all: &[One], live: &Said) -> Result<u64, PortError> {
    let (sha, payload) = (live.commit.to_string(), payload(news, live));
    let find = |all: &[One]| all.iter().find(|one| one.sha == sha && one.payload == payload).map(|one| one.id);
    if let Some(id) = find(all) {
        return Ok(id);
    }
    let wanted = json!({
        "ref": sha, "task": news.task(), "environment": news.stage, "payload": payload, "description": news.line(live),
        "auto_merge": false, "required_contexts": [],
    });
    match api.send::<One>(WRITE, Method::Post, "deployments", &wanted) {
        Ok(one) => Ok(one.id),
        Err(PortError::Interrupted) => Err(PortError::Interrupted),
        // It was done, and the answer got lost.
        Err(error) => ours(api, news).ok().and_then(|all| find(&all)).ok_or(error),
    }
}

fn newest(api: &Api<'_>, id: u64) -> Result<Option<Status>, PortError> {
    let all: Vec<Status> = api.get(READ, &format!("deployments/{id}/statuses?per_page=100"))?;
    Ok(all.into_iter().max_by_key(|one| one.id))
}

fn say(
    api: &Api<'_>,
    news: &News,
    id: u64,
    newest: Option<&Status>,
    state: &str,
    said: Option<&Said>,
) -> Result<(), PortError> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let last = |of: fn(&Status) -> &Option<String>| newest.and_then(|newest| given(of(newest)));
    let description = said.map_or_else(|| format!("not live in {} any more", news.stage), |said| news.line(said));
    let log = said.and_then(|said| said.run.clone()).or_else(|| last(|one| &one.log_url));
    // A run that does not name the page does not take it away.
    let page = news.page.clone().filter(|_| said.is_some()).or_else(|| last(|one| &one.environment_url));
    let is_said = newest.is_some_and(|newest| newest.state == state)
        && last(|one| &one.description) == Some(description.clone())
        && (last(|one| &one.log_url), last(|one| &one.environment_url)) == (log.clone(), page.clone());
    if is_said {
        return Ok(());
    }
    let mut wanted = json!({"state": state, "description": description, "auto_inactive": false});
    for (key, value) in [("log_url", log), ("environment_url", page)] {
        if let Some(value) = value {
            wanted[key] = value.into();
        }
    }
    api.send::<Value>(WRITE, Method::Post, &format!("deployments/{id}/statuses"), &wanted).map(|_| ())
}
