//! Statuses of commits that say what is live where, and tags of builds.

use azure_devops_rust_api::git::models;
use serde_json::{Value, json};

use super::client::{Api, body};
use super::place::escaped;
use super::statuses;
use crate::domain::news::{News, OWN, Said, Standing};
use crate::port::PortError;

/// Tells it.
pub(super) fn tell(api: &Api<'_>, news: &News) -> Result<(), PortError> {
    news.left.iter().chain(&news.live).try_for_each(|said| say(api, news, said))
}

fn say(api: &Api<'_>, news: &News, said: &Said) -> Result<(), PortError> {
    let doing = "tell of a commit in";
    let name = format!("{}/{}", news.stage, news.unit);
    let state = match said.standing {
        Standing::Released | Standing::Passed => "succeeded",
        Standing::Failed => "failed",
        Standing::Gone => "notApplicable",
    };
    let (line, link) = (news.line(said), said.run.clone().or_else(|| news.page.clone()));
    let latest = statuses::latest(api, said.commit)?.remove(&format!("{OWN}/{name}"));
    if latest.is_some_and(|latest| latest.says(state, &line, link.as_deref())) {
        return Ok(());
    }
    let wanted: models::GitStatus = body(json!({
        "context": {"genre": OWN, "name": name}, "state": state, "description": line, "targetUrl": link,
    }))?;
    let statuses = api.git()?.statuses_client();
    let _: Value = api.get(doing, || {
        let [organization, project, repository] = api.names();
        statuses.create(organization, wanted.clone(), said.commit.to_string(), repository, project).send()
    })?;
    Ok(())
}

/// Gives a build a tag; one that it has already stays as it is.
pub(super) fn tag(api: &Api<'_>, build: u64, tag: &str) -> Result<(), PortError> {
    let doing = "tag a build of";
    let number = i32::try_from(build).map_err(|_| api.error(doing, "no build has such a number", None))?;
    let tags = api.build()?.tags_client();
    let _: Value = api.get(doing, || {
        let [organization, project, _] = api.names();
        tags.add_build_tag(organization, project, number, escaped(tag)).send()
    })?;
    Ok(())
}
