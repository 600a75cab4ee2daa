//! The deployment zip in an artifact of a build.

use azure_devops_rust_api::pipelines::models::GetArtifactExpandOptions;
use serde::Deserialize;

use super::client::{Api, Trouble};
use super::place::escaped;
use super::run;
use crate::adapter::http::download::{Hashed, LARGEST, temporary};
use crate::domain::escape;
use crate::port::{Fetched, PortError};

#[derive(Deserialize)]
struct One {
    name: String,
    resource: Resource,
}

#[derive(Deserialize)]
struct Resource {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Signed {
    #[serde(rename = "signedContent")]
    content: Option<Address>,
}

#[derive(Deserialize)]
struct Address {
    url: String,
}

/// Brings it.
pub(super) fn fetch(api: &Api<'_>, id: u64, name: Option<&str>) -> Result<Fetched, PortError> {
    let doing = format!("get an artifact of the build {id} of");
    let error = |said: String, hint: &str| api.error(&doing, said, Some(hint.to_owned()));
    let gone = |what: String| error(format!("{what}: builds and what they made go when their time is over"), GONE);
    let Ok(number) = i32::try_from(id) else { return Err(error("no build has such a number".to_owned(), LOOK)) };
    let there = |trouble: Trouble, what: String| match trouble {
        Trouble::Gone(_) => gone(what),
        Trouble::Other(error) => error,
    };
    let build =
        run::build(api, &doing, number).map_err(|trouble| there(trouble, "it is not there (any more)".to_owned()))?;
    let artifacts = api.build()?.artifacts_client();
    let send = || {
        let [organization, project, _] = api.names();
        artifacts.list(organization, project, number).send()
    };
    let all: Vec<One> = api.list(&doing, send).map_err(|trouble| there(trouble, "it has no artifacts".to_owned()))?;
    let names: Vec<String> = all.iter().take(10).map(|one| escape::line(&one.name)).collect();
    let mut wanted = all.into_iter().filter(|one| name.is_none_or(|name| one.name == name));
    let one = match (wanted.next(), wanted.next(), name) {
        (Some(one), None, _) => one,
        (None, _, Some(name)) => {
            let others = if names.is_empty() { String::new() } else { format!(", but {}", names.join(", ")) };
            return Err(error(format!("it has no artifact {}{others}", escape::line(name)), LOOK));
        }
        (None, ..) => return Err(error("it has no artifact".to_owned(), LOOK)),
        (Some(_), Some(_), _) => {
            let hint = format!("name one: build:{}/{id}/NAME", api.shown());
            return Err(error(format!("it has several: {}", names.join(", ")), &hint));
        }
    };
    let shown = escape::line(&one.name);
    if build.is_of_fork() {
        return Ok(Fetched::Refused(format!(
            "the artifact {shown} of the build {id} of {} was made for a fork (a pull request from outside)",
            api.shown()
        )));
    }
    let address = match one.resource.kind.as_str() {
        "PipelineArtifact" => signed(api, &doing, build.definition.id, number, &one.name)
            .map_err(|trouble| there(trouble, format!("the artifact {shown} is not there (any more)")))?
            .content
            .map(|content| content.url)
            .ok_or_else(|| gone(format!("the artifact {shown} has no content (any more)")))?,
        "Container" => {
            let [organization, project, _] = api.names();
            let base = format!("{}/{organization}/{project}/_apis/build/builds/{number}", api.place().api);
            format!("{base}/artifacts?artifactName={}&api-version=7.1-preview&$format=zip", escaped(&one.name))
        }
        other => {
            let said = format!("the artifact {shown} is a {}, which is not kept by Azure DevOps", escape::line(other));
            return Err(error(said, UPLOAD));
        }
    };
    let mut outer = Hashed::new().map_err(|source| temporary(&format!("{doing} a project"), source))?;
    api.download(&doing, &address, LARGEST, &mut outer)
        .map_err(|trouble| there(trouble, format!("the artifact {shown} is not there (any more)")))?;
    match outer.unwrapped() {
        Ok(Ok(zip)) => Ok(zip),
        Ok(Err(why)) => Err(error(format!("in the artifact {shown} {why}"), UPLOAD)),
        Err(source) => Err(temporary(&format!("{doing} a project"), source)),
    }
}

const LOOK: &str =
    "look at the build's page; what is live in the stage before needs no artifact: passgate release --from";
const GONE: &str = "promote what is live in the stage before, which needs no artifact: passgate release --from ENV --unit NAME; \
                    or run the pipeline that packages again";
const UPLOAD: &str = "publish the zip that `passgate package` wrote, alone, as an artifact of the pipeline";

// An address that needs no credentials: the storage is on other hosts.
fn signed(api: &Api<'_>, doing: &str, pipeline: i32, run: i32, name: &str) -> Result<Signed, Trouble> {
    let artifacts = api.pipelines().map_err(Trouble::Other)?.artifacts_client();
    api.ask(doing, || {
        let [organization, project, _] = api.names();
        artifacts.get(organization, project, pipeline, run, name).expand(GetArtifactExpandOptions::SignedContent).send()
    })
}
