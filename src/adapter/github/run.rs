//! What became of a job of a workflow run, and of a deployment that a run made.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::client::Api;
use crate::domain::gate::pipeline::Ran;
use crate::domain::gate::statuses::State;
use crate::domain::news::OWN;
use crate::domain::policy::Part;
use crate::port::PortError;

const PAGE: usize = 100;
const MOST_PAGES: usize = 20;
const DOING: &str = "look at a run of";

#[derive(Deserialize)]
struct Run {
    id: u64,
    head_sha: String,
    status: Option<String>,
    repository: Owner,
    head_repository: Option<Owner>,
}

#[derive(Deserialize)]
struct Owner {
    id: u64,
}

#[derive(Deserialize)]
struct Jobs {
    total_count: usize,
    jobs: Vec<Job>,
}

#[derive(Deserialize)]
struct Job {
    run_id: u64,
    name: String,
    status: String,
    conclusion: Option<String>,
}

#[derive(Deserialize)]
struct Deployment {
    id: u64,
    sha: String,
    environment: String,
    task: String,
}

#[derive(Deserialize)]
struct Said {
    state: String,
    #[serde(default)]
    log_url: String,
    #[serde(default)]
    target_url: String,
}

/// What became of a part of the run that a page is of.
pub(super) fn part(api: &Api<'_>, page: &str, part: &Part) -> Result<Ran, PortError> {
    let Some(id) = number(page, api.web()) else {
        return Ok(Ran::Foreign(format!("its runs are {}/actions/runs/<id>", api.web())));
    };
    let run: Run = api.get(DOING, &format!("actions/runs/{id}"))?;
    if run.id != id {
        return Err(api.error(DOING, "its answer is about another run", None));
    }
    if run.head_repository.as_ref().is_none_or(|head| head.id != run.repository.id) {
        return Ok(Ran::Foreign("it ran for a fork (a pull request from outside)".to_owned()));
    }
    let over = run.status.as_deref() == Some("completed");
    match part {
        Part::Job(name) => job(api, id, name, over),
        Part::Deployment(environment) => deployment(api, &run, environment, over),
        Part::Stage(_) | Part::ReleaseEnvironment(_) => Err(api.error(
            DOING,
            format!("runs on GitHub have no {}", part.kind()),
            Some("name a `job` or a `deployment` in `pipeline` of stage.yaml".to_owned()),
        )),
    }
}

// The run that a page is of: of this very repository, with or without the number of an attempt or a job.
fn number(page: &str, web: &str) -> Option<u64> {
    let own = page.get(..web.len()).filter(|own| own.eq_ignore_ascii_case(web))?;
    let below = page[own.len()..].strip_prefix("/actions/runs/")?;
    below.split(['/', '?', '#']).next()?.parse().ok().filter(|id| *id > 0)
}

fn job(api: &Api<'_>, run: u64, name: &str, over: bool) -> Result<Ran, PortError> {
    let mut all: Vec<Job> = Vec::new();
    for page in 1.. {
        let answer: Jobs =
            api.get(DOING, &format!("actions/runs/{run}/jobs?filter=latest&per_page={PAGE}&page={page}"))?;
        let had = all.len();
        all.extend(answer.jobs);
        if all.len() >= answer.total_count {
            break;
        }
        if all.len() == had || page == MOST_PAGES {
            return Err(api.error(DOING, format!("it tells of {} jobs and shows {had}", answer.total_count), None));
        }
    }
    if all.iter().any(|job| job.run_id != run) {
        return Err(api.error(DOING, "its answer is about another run", None));
    }
    // A matrix may have several of a name: the worst counts.
    let named = all.iter().filter(|job| job.name == name);
    let came = named.map(|job| match (job.status.as_str(), job.conclusion.clone()) {
        ("completed", Some(conclusion)) if conclusion == "success" => (State::Green, conclusion),
        ("completed", conclusion) => (State::Red, conclusion.unwrap_or_else(|| "no conclusion".to_owned())),
        _ => (State::Pending, job.status.clone()),
    });
    let weight = |state: State| match state {
        State::Green => 0,
        State::Pending => 1,
        State::Red => 2,
    };
    Ok(match came.max_by_key(|(state, _)| weight(*state)) {
        Some((state, word)) => Ran::Came { state, word },
        None => Ran::Absent { others: all.into_iter().map(|job| job.name).collect(), over },
    })
}

fn deployment(api: &Api<'_>, run: &Run, environment: &str, over: bool) -> Result<Ran, PortError> {
    let query = format!("environment={}&sha={}", utf8_percent_encode(environment, NON_ALPHANUMERIC), run.head_sha);
    let all: Vec<Deployment> = list(api, &format!("deployments?{query}&"))?;
    // What passgate told of this environment is what it knew already.
    let theirs = all.iter().filter(|one| one.task.split(':').next() != Some(OWN));
    // Newest first.
    for one in theirs.filter(|one| one.environment == environment && one.sha == run.head_sha) {
        let said: Vec<Said> = list(api, &format!("deployments/{}/statuses?", one.id))?;
        let is_own = |url: &str| number(url, api.web()) == Some(run.id);
        if !said.iter().any(|said| is_own(&said.log_url) || is_own(&said.target_url)) {
            continue;
        }
        // GitHub lays a deployment to rest when the next one succeeds, which takes nothing back.
        let last = said.into_iter().map(|said| said.state).find(|state| state != "inactive");
        let word = last.unwrap_or_else(|| "no status".to_owned());
        let state = match word.as_str() {
            "success" => State::Green,
            "in_progress" | "pending" | "queued" | "waiting" | "no status" => State::Pending,
            _ => State::Red,
        };
        return Ok(Ran::Came { state, word });
    }
    Ok(Ran::Absent { others: Vec::new(), over })
}

// A list without a total ends with a page that is not full.
fn list<T: serde::de::DeserializeOwned>(api: &Api<'_>, path: &str) -> Result<Vec<T>, PortError> {
    let mut all = Vec::new();
    for page in 1..=MOST_PAGES {
        let answer: Vec<T> = api.get(DOING, &format!("{path}per_page={PAGE}&page={page}"))?;
        let is_last = answer.len() < PAGE;
        all.extend(answer);
        if is_last {
            return Ok(all);
        }
    }
    Err(api.error(DOING, format!("there are more than {}", MOST_PAGES * PAGE), None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_of_a_run_of_its_own_repository() {
        let web = "https://github.com/acme/shop";
        for (page, run) in [
            ("https://github.com/acme/shop/actions/runs/12", Some(12)),
            ("https://GitHub.com/Acme/Shop/actions/runs/12/attempts/3", Some(12)),
            ("https://github.com/acme/shop/actions/runs/12/job/7?pr=1", Some(12)),
            ("https://github.com/acme/shop/actions/runs/0", None),
            ("https://github.com/acme/shop/actions/runs/12x", None),
            ("https://github.com/acme/shop-other/actions/runs/12", None),
            ("https://github.com/acme/other/actions/runs/12", None),
            ("https://github.com.evil/acme/shop/actions/runs/12", None),
            ("http://github.com/acme/shop/actions/runs/12", None),
            ("https://ägithub.com/acme/shop", None),
            ("12", None),
        ] {
            assert_eq!(number(page, web), run, "{page}");
        }
    }
}
