//! Builds, and what became of their stages; classic releases, and what became of theirs.

use std::collections::HashMap;

use percent_encoding::percent_decode_str;
use reqwest::Url;
use serde::Deserialize;

use super::client::{Api, Trouble};
use super::place::{CLOUD, Place};
use crate::domain::gate::pipeline::Ran;
use crate::domain::gate::statuses::State;
use crate::domain::policy::Part;
use crate::port::PortError;

const DOING: &str = "look at a run in";

/// A build, as much of it as matters.
#[derive(Deserialize)]
pub(super) struct Build {
    id: u64,
    status: Option<String>,
    project: Project,
    #[serde(default, rename = "triggerInfo")]
    trigger: HashMap<String, String>,
    /// The pipeline that it is of.
    pub(super) definition: Definition,
}

/// A pipeline.
#[derive(Deserialize)]
pub(super) struct Definition {
    /// Its number.
    pub(super) id: i32,
}

#[derive(Deserialize)]
struct Project {
    id: String,
    name: String,
}

#[derive(Deserialize)]
struct Timeline {
    records: Vec<Record>,
}

#[derive(Deserialize)]
struct Record {
    #[serde(rename = "type")]
    kind: Option<String>,
    identifier: Option<String>,
    state: Option<String>,
    result: Option<String>,
    attempt: Option<u64>,
}

#[derive(Deserialize)]
struct Release {
    id: u64,
    #[serde(rename = "projectReference")]
    project: Project,
    environments: Vec<Environment>,
}

#[derive(Deserialize)]
struct Environment {
    name: String,
    status: String,
}

#[derive(Debug, PartialEq, Eq)]
enum Page {
    Build { project: String, id: i32 },
    Release { project: String, id: i32 },
}

impl Build {
    /// Whether somebody outside made it: its pipeline is theirs.
    pub(super) fn is_of_fork(&self) -> bool {
        self.trigger.get("pr.isFork").is_some_and(|is| !is.eq_ignore_ascii_case("false"))
    }
}

impl Project {
    // A page may name it by its number.
    fn is(&self, named: &str) -> bool {
        self.name.eq_ignore_ascii_case(named) || self.id.eq_ignore_ascii_case(named)
    }
}

/// A build of the project.
pub(super) fn build(api: &Api<'_>, doing: &str, id: i32) -> Result<Build, Trouble> {
    let builds = api.build().map_err(Trouble::Other)?.builds_client();
    let send = || {
        let [organization, project, _] = api.names();
        builds.get(organization, project, id).send()
    };
    let build: Build = api.ask(doing, send)?;
    if build.id != u64::try_from(id).unwrap_or_default() {
        return Err(Trouble::Other(api.error(doing, "its answer is about another build", None)));
    }
    Ok(build)
}

/// What became of a part of the run that a page is of.
pub(super) fn part(api: &Api<'_>, page: &str, part: &Part) -> Result<Ran, PortError> {
    let shown = api.shown();
    let foreign = |why: String| Ok(Ran::Foreign(why));
    match (read(page, api.place()), part) {
        (_, Part::Job(_) | Part::Deployment(_)) => Err(api.error(
            DOING,
            format!(
                "runs on Azure DevOps are not asked about a {}",
                if matches!(part, Part::Job(_)) { "job" } else { "deployment" }
            ),
            Some("name a `stage` or a `release-environment` in `pipeline` of stage.yaml".to_owned()),
        )),
        (None, _) => foreign(format!("it is no page of a build or a release of {shown}")),
        (Some(Page::Build { project, id }), Part::Stage(name)) => stage(api, &project, id, name),
        (Some(Page::Release { project, id }), Part::ReleaseEnvironment(name)) => environment(api, &project, id, name),
        (Some(Page::Build { .. }), Part::ReleaseEnvironment(_)) => {
            foreign("it is a build, and no classic release".to_owned())
        }
        (Some(Page::Release { .. }), Part::Stage(_)) => foreign("it is a classic release, and no build".to_owned()),
    }
}

fn stage(api: &Api<'_>, project: &str, id: i32, name: &str) -> Result<Ran, PortError> {
    let build = match build(api, DOING, id) {
        Ok(build) => build,
        Err(Trouble::Gone(_)) => return Ok(Ran::Foreign(format!("{} has no build {id} (any more)", api.shown()))),
        Err(Trouble::Other(error)) => return Err(error),
    };
    if !build.project.is(project) {
        return Ok(Ran::Foreign(format!("the build {id} of {} is another one", api.shown())));
    }
    if build.is_of_fork() {
        return Ok(Ran::Foreign("it ran for a fork (a pull request from outside)".to_owned()));
    }
    let timelines = api.build()?.timeline_client();
    // Without a number of its own it is that of the latest attempt.
    let send = || {
        let [organization, project, _] = api.names();
        timelines.get(organization, project, id, "").send()
    };
    let timeline: Option<Timeline> = api.get(DOING, send)?;
    let records = timeline.map(|timeline| timeline.records).unwrap_or_default();
    let stages: Vec<&Record> = records.iter().filter(|record| record.kind.as_deref() == Some("Stage")).collect();
    let is_named = |record: &&&Record| record.identifier.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(name));
    let Some(stage) = stages.iter().filter(is_named).max_by_key(|record| record.attempt.unwrap_or(1)) else {
        let others = stages.iter().filter_map(|record| record.identifier.clone()).collect();
        return Ok(Ran::Absent { others, over: build.status.as_deref() == Some("completed") });
    };
    Ok(match (stage.state.as_deref(), stage.result.as_deref()) {
        (Some("completed"), Some("succeeded")) => Ran::Came { state: State::Green, word: "succeeded".to_owned() },
        // With issues, skipped, cancelled: a part of it did not do what it should.
        (Some("completed"), result) => Ran::Came { state: State::Red, word: result.unwrap_or("no result").to_owned() },
        (state, _) => Ran::Came { state: State::Pending, word: state.unwrap_or("no state").to_owned() },
    })
}

fn environment(api: &Api<'_>, project: &str, id: i32, name: &str) -> Result<Ran, PortError> {
    let releases = api.release()?.releases_client();
    let send = || {
        let [organization, project, _] = api.names();
        releases.get_release(organization, project, id).send()
    };
    let release: Release = api.get(DOING, send)?;
    if release.id != u64::try_from(id).unwrap_or_default() {
        return Err(api.error(DOING, "its answer is about another release", None));
    }
    // Releases are counted in each project anew.
    if !release.project.is(project) {
        return Ok(Ran::Foreign(format!("the release {id} of {} is another one", api.shown())));
    }
    let named = release.environments.iter().find(|environment| environment.name == name);
    Ok(match named.map(|environment| environment.status.as_str()) {
        Some("succeeded") => Ran::Came { state: State::Green, word: "succeeded".to_owned() },
        Some(word @ ("inProgress" | "notStarted" | "queued" | "scheduled" | "undefined")) => {
            Ran::Came { state: State::Pending, word: word.to_owned() }
        }
        Some(word) => Ran::Came { state: State::Red, word: word.to_owned() },
        // Which stages a release has is settled when it is made.
        None => Ran::Absent { others: release.environments.into_iter().map(|one| one.name).collect(), over: true },
    })
}

// The run that a page is of, when it is of this organization or collection, and perhaps of this project.
fn read(page: &str, place: &Place) -> Option<Page> {
    let page = Url::parse(page).ok()?;
    let mut parts: Vec<String> = page
        .path()
        .split('/')
        .filter(|part| !part.is_empty())
        .map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned())
        .collect();
    let former = page.host_str()?.strip_suffix(".visualstudio.com").filter(|_| place.api == CLOUD);
    if let Some(organization) = former.filter(|_| page.scheme() == "https" && page.port().is_none()) {
        parts.retain(|part| part != "DefaultCollection");
        parts.insert(0, organization.to_owned());
    } else {
        let api = Url::parse(&place.api).ok()?;
        let folder: Vec<&str> = api.path().split('/').filter(|part| !part.is_empty()).collect();
        let is_below = parts.iter().zip(&folder).all(|(part, own)| part.eq_ignore_ascii_case(own));
        if api.origin() != page.origin() || !is_below || parts.len() < folder.len() {
            return None;
        }
        parts.drain(..folder.len());
    }
    let [organization, project, kind, ..] = parts.as_slice() else { return None };
    let is_guid = project.len() == 36 && project.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    if !organization.eq_ignore_ascii_case(&place.organization)
        || !(is_guid || project.eq_ignore_ascii_case(&place.project))
    {
        return None;
    }
    let number = |key: &str| {
        let value = page.query_pairs().find(|(name, _)| name.eq_ignore_ascii_case(key))?.1.parse::<i32>().ok();
        value.filter(|id| *id > 0)
    };
    let project = project.clone();
    match kind.as_str() {
        "_build" => Some(Page::Build { project, id: number("buildId")? }),
        "_release" | "_releaseProgress" => Some(Page::Release { project, id: number("releaseId")? }),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::super::Settings;
    use super::*;

    #[test]
    fn a_page_is_of_a_run_of_its_own_project() {
        let at = |url: &str| {
            Settings::new(|name| (name == "PASSGATE_AZURE_HOSTS").then(|| "tfs.acme.io".to_owned()))
                .place(&url.parse().unwrap())
                .unwrap()
        };
        let cloud = at("https://dev.azure.com/acme/My%20Proj/_git/env");
        let server = at("https://tfs.acme.io/tfs/Main/Platform/_git/env");
        let build = |project: &str, id| Some(Page::Build { project: project.to_owned(), id });
        let release = |project: &str, id| Some(Page::Release { project: project.to_owned(), id });
        let guid = "0f3a9c1e-1111-2222-3333-444455556666";
        for (page, found) in [
            ("https://dev.azure.com/acme/My%20Proj/_build/results?buildId=12&view=results", build("My Proj", 12)),
            ("https://dev.azure.com/Acme/my%20proj/_build/results?buildId=12", build("my proj", 12)),
            ("https://acme.visualstudio.com/My%20Proj/_build/results?buildId=12", build("My Proj", 12)),
            ("https://acme.visualstudio.com/DefaultCollection/My%20Proj/_build?buildId=12", build("My Proj", 12)),
            ("https://dev.azure.com/acme/My%20Proj/_releaseProgress?releaseId=3&_a=x", release("My Proj", 3)),
            (&format!("https://dev.azure.com/acme/{guid}/_release?releaseId=3"), release(guid, 3)),
            ("https://dev.azure.com/acme/Other/_build/results?buildId=12", None),
            ("https://dev.azure.com/other/My%20Proj/_build/results?buildId=12", None),
            ("https://dev.azure.com.evil/acme/My%20Proj/_build/results?buildId=12", None),
            ("http://dev.azure.com/acme/My%20Proj/_build/results?buildId=12", None),
            ("http://acme.visualstudio.com/My%20Proj/_build/results?buildId=12", None),
            ("https://dev.azure.com/acme/My%20Proj/_build/results?buildId=x", None),
            ("https://dev.azure.com/acme/My%20Proj/_build/results?buildId=99999999999", None),
            ("https://dev.azure.com/acme/My%20Proj/_git/env?buildId=12", None),
            ("https://tfs.acme.io/tfs/acme/My%20Proj/_build/results?buildId=12", None),
            ("12", None),
        ] {
            assert_eq!(read(page, &cloud), found, "{page}");
        }
        for (page, found) in [
            ("https://tfs.acme.io/tfs/main/Platform/_build/results?buildId=12", build("Platform", 12)),
            ("https://tfs.acme.io/Main/Platform/_build/results?buildId=12", None),
            ("https://main.visualstudio.com/Platform/_build/results?buildId=12", None),
            ("https://tfs.acme.io:8443/tfs/main/Platform/_build/results?buildId=12", None),
        ] {
            assert_eq!(read(page, &server), found, "{page}");
        }
    }
}
