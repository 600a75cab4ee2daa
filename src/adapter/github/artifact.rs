//! The deployment zip in an artifact of a workflow run.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::client::{Api, Trouble};
use crate::adapter::http::download::{Hashed, LARGEST, temporary};
use crate::domain::escape;
use crate::port::{Fetched, PortError};

const MOST_PAGES: usize = 20;
const PAGE: usize = 100;

#[derive(Deserialize)]
struct Listed {
    total_count: usize,
    artifacts: Vec<One>,
}

#[derive(Deserialize)]
struct One {
    id: u64,
    name: String,
    expired: bool,
    digest: Option<String>,
    workflow_run: Option<Run>,
}

#[derive(Deserialize)]
struct Run {
    repository_id: Option<u64>,
    head_repository_id: Option<u64>,
}

/// Brings it.
pub(super) fn fetch(api: &Api<'_>, run: u64, name: Option<&str>) -> Result<Fetched, PortError> {
    let doing = format!("get an artifact of the run {run} of");
    let error = |said: String, hint: Option<String>| api.error(&doing, said, hint);
    let mut all = list(api, &doing, run, name)?;
    // A run that was tried again may have several of a name.
    all.sort_by(|a, b| a.name.cmp(&b.name).then(b.id.cmp(&a.id)));
    all.dedup_by(|later, first| later.name == first.name);
    let names: Vec<String> = all.iter().take(10).map(|one| escape::line(&one.name)).collect();
    let mut all = all.into_iter().filter(|one| name.is_none_or(|name| one.name == name));
    let (one, more) = (all.next(), all.next());
    let one = match (one, more, name) {
        (Some(one), None, _) => one,
        (None, _, Some(name)) => {
            let others = if names.is_empty() { String::new() } else { format!(", but {}", names.join(", ")) };
            return Err(error(format!("it has no artifact {}{others}", escape::line(name)), Some(LOOK.to_owned())));
        }
        (None, ..) => return Err(error("it has no artifact".to_owned(), Some(LOOK.to_owned()))),
        (Some(_), Some(_), _) => {
            let hint = format!("name one: run:{}/{run}/NAME", api.slug());
            return Err(error(format!("it has several: {}", names.join(", ")), Some(hint)));
        }
    };
    let shown = escape::line(&one.name);
    let from = one.workflow_run.as_ref().map(|run| (run.repository_id, run.head_repository_id));
    if let Some((Some(own), Some(head))) = from
        && own != head
    {
        return Ok(Fetched::Refused(format!(
            "the artifact {shown} of the run {run} of {} was made for a fork (a pull request from outside)",
            api.slug()
        )));
    }
    let gone = || error(format!("the artifact {shown} has expired"), Some(GONE.to_owned()));
    if one.expired {
        return Err(gone());
    }
    let mut outer = Hashed::new().map_err(|source| temporary(&format!("{doing} a repository"), source))?;
    match api.download(&doing, &format!("actions/artifacts/{}/zip", one.id), LARGEST, &mut outer) {
        Ok(()) => {}
        Err(Trouble::Gone) => return Err(gone()),
        Err(Trouble::Other(error)) => return Err(error),
    }
    if let Some(digest) = &one.digest {
        let have = outer.digest();
        if *digest != have {
            let said =
                format!("the artifact {shown} is not what GitHub says it is: {have}, not {}", escape::line(digest));
            return Err(error(said, None));
        }
    }
    match outer.unwrapped() {
        Ok(Ok(zip)) => Ok(zip),
        Ok(Err(why)) => Err(error(format!("in the artifact {shown} {why}"), Some(UPLOAD.to_owned()))),
        Err(source) => Err(temporary(&format!("{doing} a repository"), source)),
    }
}

const LOOK: &str =
    "look at the run's page; what is live in the stage before needs no artifact: passgate release --from";
const GONE: &str = "promote what is live in the stage before, which needs no artifact: passgate release --from ENV --unit NAME; \
                    or run the workflow that packages again";
const UPLOAD: &str = "upload the zip that `passgate package` wrote, alone, as its artifact";

fn list(api: &Api<'_>, doing: &str, run: u64, name: Option<&str>) -> Result<Vec<One>, PortError> {
    let name = name.map(|name| format!("&name={}", utf8_percent_encode(name, NON_ALPHANUMERIC))).unwrap_or_default();
    let mut all = Vec::new();
    for page in 1..=MOST_PAGES {
        let path = format!("actions/runs/{run}/artifacts?per_page={PAGE}&page={page}{name}");
        let answer: Listed = api.get(doing, &path)?;
        let had = all.len();
        all.extend(answer.artifacts);
        if all.len() >= answer.total_count {
            return Ok(all);
        }
        if all.len() == had {
            return Err(api.error(doing, format!("it tells of {} and shows {had}", answer.total_count), None));
        }
    }
    Err(api.error(doing, format!("there are more than {}", MOST_PAGES * PAGE), None))
}
