//! An Azure DevOps of our own: it keeps statuses, builds, artifacts and classic releases, can be told to misbehave, and holds
//! every request and every answer of its own to Microsoft's description of the interface.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::sync::{Arc, Mutex};

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::http::{Api, Reply, Server};
use super::{FIRST, Policy, Run, World, put, text};

/// The token that is given to the program.
pub const TOKEN: &str = "pat0123456789secret";
/// The project: a name that nobody may put into a URL as it is.
pub const PROJECT: &str = "My Proj#1";
/// The same in a URL.
pub const ENCODED: &str = "My%20Proj%231";
const GUID: &str = "0f3a9c1e-1111-2222-3333-444455556666";

/// What goes wrong with every answer of the interface.
#[derive(Debug, Clone)]
pub enum Wrong {
    /// A status, a message and its kind.
    Refusal(u16, &'static str, &'static str),
    /// So many requests are one too many, each with this `Retry-After`.
    Limited(u32, u32),
    /// Right answers, and a wish to be left alone for so many seconds.
    Tired(u32),
    /// A page for people.
    Page(u16),
    /// A body that breaks off.
    Cut,
    /// JSON of something else.
    Nonsense,
    /// Right answers about something else.
    Other,
    /// A list of which this is only a part, the same one whatever is asked for.
    Part,
    /// Lists in parts of so many.
    Parts(usize),
    /// To the same path on another host.
    Elsewhere(String),
}

/// An artifact of a build.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Its name.
    pub name: String,
    /// `PipelineArtifact`, `Container` or `FilePath`.
    pub kind: &'static str,
    /// What is downloaded.
    pub bytes: Vec<u8>,
    /// It is gone, and the list does not know yet.
    pub gone: bool,
}

/// A build.
#[derive(Debug, Clone, Default)]
pub struct Build {
    /// Whether it is over.
    pub over: bool,
    /// It was made for a fork.
    pub fork: bool,
    /// Identifier, attempt, state and result of its stages.
    pub stages: Vec<(&'static str, u32, &'static str, Option<&'static str>)>,
    /// Its artifacts.
    pub artifacts: Vec<Stored>,
}

#[derive(Default)]
struct State {
    // As they were sent.
    statuses: BTreeMap<String, Vec<Value>>,
    tags: Vec<(u64, String)>,
    writes: Option<Wrong>,
    builds: BTreeMap<u64, Build>,
    releases: BTreeMap<u64, Vec<(&'static str, &'static str)>>,
    wrong: Option<Wrong>,
    blobs: Option<String>,
    sent: Vec<Option<String>>,
    pulls: Vec<Value>,
    said: Vec<String>,
    faults: Vec<String>,
}

/// The interface, below the collection `acme`.
pub struct Azure {
    state: Mutex<State>,
    description: Value,
}

impl Default for Azure {
    fn default() -> Self {
        let description = serde_json::from_str(include_str!("azure-devops.json")).unwrap();
        Self { state: Mutex::default(), description }
    }
}

fn json_reply(status: &str, value: &Value) -> Reply {
    let kind = ("Content-Type".to_owned(), "application/json; charset=utf-8; api-version=7.1-preview.1".to_owned());
    Reply { status: status.to_owned(), headers: vec![kind], body: value.to_string().into_bytes(), cut: false }
}

fn message(status: &str, text: &str, kind: &str) -> Reply {
    json_reply(status, &json!({"$id": "1", "innerException": null, "message": text, "typeKey": kind, "errorCode": 0}))
}

fn listed(items: Vec<Value>) -> Value {
    json!({"count": items.len(), "value": items})
}

fn query<'q>(pairs: &'q [(String, String)], name: &str) -> Option<&'q str> {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

impl Azure {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// One more status of a commit.
    pub fn status(&self, commit: &str, genre: &str, name: &str, state: &str) {
        let context = json!({"genre": genre, "name": name});
        let one = json!({"context": context, "state": state, "description": "x", "targetUrl": null});
        self.state().statuses.entry(commit.to_owned()).or_default().push(one);
    }

    /// What was told of a commit, oldest first.
    pub fn told(&self, commit: &str) -> Vec<Value> {
        let all = self.state().statuses.get(commit).cloned().unwrap_or_default();
        all.into_iter().filter(|one| one["context"]["genre"] == "passgate").collect()
    }

    /// The tags of builds.
    pub fn tags(&self) -> Vec<(u64, String)> {
        self.state().tags.clone()
    }

    /// A build, in place of what was known of it.
    pub fn built(&self, id: u64, build: Build) {
        self.state().builds.insert(id, build);
    }

    /// A classic release: names and states of its stages.
    pub fn released(&self, id: u64, stages: &[(&'static str, &'static str)]) {
        self.state().releases.insert(id, stages.to_vec());
    }

    /// Where signed downloads lead to: the origin of another server.
    pub fn blobs_at(&self, origin: &str) {
        self.state().blobs = Some(origin.to_owned());
    }

    /// Makes every answer go wrong from now on.
    pub fn fail(&self, wrong: Option<Wrong>) {
        self.state().wrong = wrong;
    }

    /// Makes what is written go wrong from now on.
    pub fn fail_writes(&self, wrong: Option<Wrong>) {
        self.state().writes = wrong;
    }

    /// The credentials that came with each request so far.
    pub fn sent(&self) -> Vec<Option<String>> {
        self.state().sent.clone()
    }

    /// Every pull request.
    pub fn pulls(&self) -> Vec<Value> {
        self.state().pulls.clone()
    }

    /// What was said on them.
    pub fn said(&self) -> Vec<String> {
        self.state().said.clone()
    }

    /// Makes something else of a pull request.
    pub fn change(&self, number: usize, key: &str, value: Value) {
        self.state().pulls[number - 1][key] = value;
    }

    /// What did not fit the description.
    pub fn faults(&self) -> Vec<String> {
        self.state().faults.clone()
    }

    // The operation that a request is, with the values in its path; else what is wrong with it.
    fn operation(&self, method: &str, path: &str, pairs: &[(String, String)], body: &[u8]) -> Result<Value, String> {
        let have: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let fits = |template: &str| {
            let wanted: Vec<&str> = template.trim_start_matches('/').split('/').collect();
            // The last part of a timeline may be left out.
            let is_short = wanted.len() == have.len() + 1 && template.ends_with("/{timelineId}");
            (is_short || wanted.len() == have.len())
                && have.iter().zip(&wanted).all(|(have, want)| want.starts_with('{') || want.eq_ignore_ascii_case(have))
        };
        let all = self.description["operations"].as_array().unwrap();
        let found = all.iter().find(|one| one["method"] == method && fits(one["path"].as_str().unwrap()));
        let one = found.ok_or_else(|| format!("{method} {path} is no operation"))?;
        let parameters = one["parameters"].as_array().unwrap();
        let of = |place: &'static str| parameters.iter().filter(move |one| one["in"] == place);
        // `$format` is how a container is downloaded, which the description does not know.
        let is_download = query(pairs, "$format").is_some();
        for (key, value) in pairs.iter().filter(|_| !is_download) {
            let known =
                of("query").find(|one| one["name"] == *key).ok_or_else(|| format!("{path}: there is no {key}"))?;
            let is_right = match known["type"].as_str().unwrap() {
                "integer" => value.parse::<i64>().is_ok(),
                "boolean" => value == "true" || value == "false",
                _ => known["enum"].as_array().is_none_or(|words| words.iter().any(|word| word == value)),
            };
            if !is_right {
                return Err(format!("{path}: {key} is no {known}"));
            }
        }
        for needed in of("query").filter(|one| one["required"] == true) {
            query(pairs, needed["name"].as_str().unwrap()).ok_or_else(|| format!("{path} lacks {needed}"))?;
        }
        for (part, name) in have.iter().zip(one["path"].as_str().unwrap().trim_start_matches('/').split('/')) {
            let is_number = of("path")
                .any(|one| format!("{{{}}}", one["name"].as_str().unwrap()) == name && one["type"] == "integer");
            if part.is_empty() || is_number && part.parse::<i32>().is_err() {
                return Err(format!("{path}: {part} is no {name}"));
            }
        }
        for wanted in of("body") {
            let value = serde_json::from_slice(body).map_err(|error| format!("{path}: the body: {error}"))?;
            self.fits(&value, &wanted["schema"], "the body").map_err(|fault| format!("{path}: {fault}"))?;
        }
        Ok(one["answer"].clone())
    }

    // Whether a value is as the description says.
    fn fits(&self, value: &Value, schema: &Value, at: &str) -> Result<(), String> {
        if let Some(name) = schema["$ref"].as_str() {
            return self.fits(value, &self.description["definitions"][name], at);
        }
        if let Some(words) = schema["enum"].as_array() {
            return if words.contains(value) { Ok(()) } else { Err(format!("{at}: {value} is none of {words:?}")) };
        }
        let is_right = match schema["type"].as_str() {
            Some("string") => value.is_string(),
            Some("integer") => value.is_i64() || value.is_u64(),
            Some("boolean") => value.is_boolean(),
            Some("array") => value.is_array(),
            Some("object") => value.is_object(),
            _ => true,
        };
        if !is_right {
            return Err(format!("{at}: {value} is no {}", schema["type"]));
        }
        for item in value.as_array().into_iter().flatten() {
            self.fits(item, &schema["items"], &format!("{at}[]"))?;
        }
        if let (Some(object), Some(known)) = (value.as_object(), schema["properties"].as_object()) {
            for (key, value) in object.iter().filter(|(_, value)| !value.is_null()) {
                match known.get(key) {
                    Some(schema) => self.fits(value, schema, &format!("{at}.{key}"))?,
                    // Of a type that it extends, which the excerpt leaves out.
                    None if schema["allOf"].is_array() => {}
                    None => return Err(format!("{at}: there is no {key}")),
                }
            }
        }
        Ok(())
    }

    fn known(&self, origin: &str, method: &str, path: &str, pairs: &[(String, String)], body: &[u8]) -> Reply {
        let mut state = self.state();
        let other = matches!(state.wrong, Some(Wrong::Other));
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        if parts.get(..2) != Some(&["acme", PROJECT]) {
            return message(
                "404 Not Found",
                "TF200016: The following project does not exist",
                "ProjectDoesNotExistWithNameException",
            );
        }
        let ok = |value: Value| json_reply("200 OK", &value);
        let project = json!({"id": GUID, "name": PROJECT});
        let gone = |id: &str| {
            message("404 Not Found", &format!("The requested build {id} could not be found."), "BuildNotFoundException")
        };
        match (method, &parts[3..]) {
            ("GET", ["git", "repositories", _, "commits", commit, "statuses"]) => {
                let all = state.statuses.get(*commit).cloned().unwrap_or_default();
                let mut latest: Vec<(usize, Value)> = Vec::new();
                for (at, one) in all.into_iter().enumerate() {
                    latest.retain(|(_, known)| known["context"] != one["context"]);
                    latest.push((at + 1, one));
                }
                let number = |name, otherwise| query(pairs, name).map_or(otherwise, |text| text.parse().unwrap());
                let items = latest.into_iter().skip(number("skip", 0)).take(number("top", 1000));
                let items = items.map(|(id, mut one)| {
                    (one["id"], one["creationDate"]) = (id.into(), "2026-01-01T00:00:00Z".into());
                    one
                });
                ok(listed(items.collect()))
            }
            ("POST", ["git", "repositories", _, "commits", commit, "statuses"]) => {
                let mut one: Value = serde_json::from_slice(body).unwrap();
                let all = state.statuses.entry((*commit).to_owned()).or_default();
                all.push(one.clone());
                one["id"] = all.len().into();
                json_reply("201 Created", &one)
            }
            ("PUT", ["build", "builds", id, "tags", tag]) => {
                let one = (id.parse().unwrap(), (*tag).to_owned());
                if !state.tags.contains(&one) {
                    state.tags.push(one);
                }
                ok(listed(state.tags.iter().map(|(_, tag)| tag.clone().into()).collect()))
            }
            (_, ["git", "repositories", _, kind, rest @ ..]) if kind.eq_ignore_ascii_case("pullrequests") => {
                let body = serde_json::from_slice(body).unwrap_or_default();
                pull_requests(&mut state, (method, rest), pairs, body)
            }
            ("GET", ["build", "builds", id, rest @ ..]) => {
                let Some(build) = state.builds.get(&id.parse().unwrap()).cloned() else { return gone(id) };
                let number: u64 = if other { 1 } else { id.parse().unwrap() };
                match rest {
                    [] => ok(json!({
                        "id": number, "buildNumber": "x", "status": if build.over { "completed" } else { "inProgress" },
                        "result": if build.over { "failed" } else { "none" }, "project": project,
                        "definition": {"id": 5, "name": "ci"}, "reason": if build.fork { "pullRequest" } else { "manual" },
                        "triggerInfo": if build.fork { json!({"pr.number": "3", "pr.isFork": "True"}) } else { json!({}) },
                    })),
                    ["timeline"] if build.stages.is_empty() && !build.over => {
                        Reply { status: "204 No Content".to_owned(), headers: Vec::new(), body: Vec::new(), cut: false }
                    }
                    ["timeline"] => {
                        let records = build.stages.iter().map(|(identifier, attempt, state, result)| {
                            json!({"id": GUID, "type": "Stage", "name": format!("The {identifier}"), "identifier": identifier,
                                "attempt": attempt, "state": state, "result": result})
                        });
                        let job = json!({"id": GUID, "type": "Job", "name": "smoke", "identifier": "smoke", "attempt": 9,
                            "state": "completed", "result": "succeeded"});
                        ok(json!({"id": GUID, "records": records.chain([job]).collect::<Vec<_>>()}))
                    }
                    ["artifacts"] if query(pairs, "$format").is_some() => {
                        let name = query(pairs, "artifactName").unwrap();
                        match build.artifacts.iter().find(|one| one.name == name) {
                            Some(one) if !one.gone => zip(one),
                            _ => message(
                                "404 Not Found",
                                &format!("Artifact {name} was not found"),
                                "ArtifactNotFoundException",
                            ),
                        }
                    }
                    ["artifacts"] => {
                        let items = build.artifacts.iter().map(|one| {
                            json!({"id": 1, "name": one.name, "source": GUID, "resource": {"type": one.kind, "data": "x",
                                "properties": {}, "url": format!("{origin}/x"), "downloadUrl": format!("{origin}/x")}})
                        });
                        ok(listed(items.collect()))
                    }
                    _ => message("404 Not Found", "no such thing", ""),
                }
            }
            ("GET", ["pipelines", "5", "runs", id, "artifacts"]) => {
                let name = query(pairs, "artifactName").unwrap();
                let Some(build) = state.builds.get(&id.parse().unwrap()) else { return gone(id) };
                let at = build.artifacts.iter().position(|one| one.name == name).unwrap();
                let blobs = state.blobs.clone().unwrap_or_else(|| origin.to_owned());
                let signed = json!({"url": format!("{blobs}/blob/{id}/{at}?sig=signed"), "signatureExpires": "2026-01-01T00:00:00Z"});
                let signed = if build.artifacts[at].gone { Value::Null } else { signed };
                ok(json!({"name": name, "url": format!("{origin}/x"), "signedContent": signed}))
            }
            ("GET", ["release", "releases", id]) => {
                let Some(stages) = state.releases.get(&id.parse().unwrap()) else {
                    return message("404 Not Found", "VS402881: Release does not exist", "ReleaseNotFoundException");
                };
                let number: u64 = if other { 1 } else { id.parse().unwrap() };
                let environments: Vec<Value> =
                    stages.iter().map(|(name, status)| json!({"id": 1, "name": name, "status": status})).collect();
                ok(
                    json!({"id": number, "name": "Release-1", "projectReference": project, "environments": environments}),
                )
            }
            _ => message("404 Not Found", "no such thing", ""),
        }
    }
}

fn pull_requests(state: &mut State, asked: (&str, &[&str]), pairs: &[(String, String)], body: Value) -> Reply {
    let ok = |value: &Value| json_reply("200 OK", value);
    match asked {
        ("GET", []) => {
            let is =
                |pull: &&Value, key: &str, name: &str| query(pairs, key).is_none_or(|wanted| pull[name] == *wanted);
            let found = state.pulls.iter().filter(|pull| {
                is(pull, "searchCriteria.status", "status")
                    && is(pull, "searchCriteria.sourceRefName", "sourceRefName")
                    && is(pull, "searchCriteria.targetRefName", "targetRefName")
            });
            ok(&listed(found.cloned().collect()))
        }
        ("POST", []) => {
            let is_same = |pull: &Value| pull["status"] == "active" && pull["sourceRefName"] == body["sourceRefName"];
            if state.pulls.iter().any(is_same) {
                return message(
                    "409 Conflict",
                    "TF401179: An active pull request already exists",
                    "GitPullRequestExistsException",
                );
            }
            let mut pull = body;
            pull["pullRequestId"] = (state.pulls.len() + 1).into();
            pull["status"] = "active".into();
            pull["createdBy"] = json!({"id": GUID});
            state.pulls.push(pull.clone());
            json_reply("201 Created", &pull)
        }
        (method, [id, rest @ ..]) => {
            let Some(pull) = id.parse::<usize>().ok().and_then(|id| state.pulls.get_mut(id - 1)) else {
                return message("404 Not Found", "TF401180: The requested pull request was not found.", "");
            };
            match (method, rest) {
                ("GET", []) => {}
                ("PATCH", []) => {
                    for (key, value) in body.as_object().unwrap() {
                        pull[key] = value.clone();
                    }
                }
                ("POST", ["labels"]) => {
                    let all = pull["labels"].as_array().cloned().unwrap_or_default();
                    pull["labels"] = all.into_iter().chain([body.clone()]).collect();
                    return ok(&body);
                }
                ("PUT", ["reviewers", _]) => {
                    let all = pull["reviewers"].as_array().cloned().unwrap_or_default();
                    pull["reviewers"] = all.into_iter().chain([body.clone()]).collect();
                    return ok(&body);
                }
                ("POST", ["threads"]) => {
                    state.said.push(body["comments"][0]["content"].as_str().unwrap().to_owned());
                    return ok(&body);
                }
                _ => return message("404 Not Found", "no such thing", ""),
            }
            ok(pull)
        }
        _ => message("404 Not Found", "no such thing", ""),
    }
}

fn zip(one: &Stored) -> Reply {
    let kind = ("Content-Type".to_owned(), "application/zip".to_owned());
    Reply { status: "200 OK".to_owned(), headers: vec![kind], body: one.bytes.clone(), cut: false }
}

impl Api for Azure {
    fn answers(&self, target: &str) -> bool {
        target.contains("/_apis/") || target.starts_with("/blob/")
    }

    fn answer(&self, origin: &str, (method, target, body): (&str, &str, &[u8]), authorization: Option<&str>) -> Reply {
        let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        let (path, rest) = target.split_once('?').unwrap_or((target, ""));
        let mut state = self.state();
        state.sent.push(authorization.map(str::to_owned));
        if let Some(blob) = path.strip_prefix("/blob/") {
            let (id, at) = blob.split_once('/').unwrap();
            return zip(&state.builds[&id.parse().unwrap()].artifacts[at.parse::<usize>().unwrap()]);
        }
        let is_write = method != "GET" && state.writes.is_some();
        match if is_write { state.writes.clone() } else { state.wrong.clone() } {
            Some(Wrong::Refusal(status, text, kind)) => return message(&format!("{status} No"), text, kind),
            Some(Wrong::Limited(left, seconds)) if left > 0 => {
                state.wrong = Some(Wrong::Limited(left - 1, seconds));
                let mut reply = message("429 Too Many Requests", "TF400733: The request has been canceled", "");
                reply.headers.push(("Retry-After".to_owned(), seconds.to_string()));
                return reply;
            }
            Some(Wrong::Page(status)) => {
                let headers = vec![("Content-Type".to_owned(), "text/html; charset=utf-8".to_owned())];
                let body = b"<html><body>Azure DevOps Services | Sign In</body></html>".to_vec();
                return Reply { status: format!("{status} OK"), headers, body, cut: false };
            }
            Some(Wrong::Cut) => {
                let body = b"{\"count\": 1, \"value\": [{\"id\": 1, \"state\": \"succ".to_vec();
                return Reply { status: String::new(), headers: Vec::new(), body, cut: true };
            }
            Some(Wrong::Nonsense) => return json_reply("200 OK", &json!({"count": "many"})),
            Some(Wrong::Elsewhere(to)) => {
                let mut reply = message("302 Found", "Moved", "");
                reply.headers.push(("Location".to_owned(), format!("{to}{target}")));
                return reply;
            }
            _ => {}
        }
        let wrong = state.wrong.clone();
        drop(state);
        let pairs: Vec<(String, String)> = rest
            .split('&')
            .filter_map(|pair| pair.split_once('=').map(|(key, value)| (decode(key), decode(value))))
            .collect();
        let parts: Vec<String> =
            path.split('/').map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned()).collect();
        let path = parts.join("/");
        let fault = |what: String| {
            self.state().faults.push(what.clone());
            message("500 Internal Server Error", &what, "")
        };
        // What says where a list goes on is described nowhere but in words.
        let token = query(&pairs, "continuationToken").map(str::to_owned);
        let pairs: Vec<(String, String)> = pairs.into_iter().filter(|(key, _)| key != "continuationToken").collect();
        if token.is_some() && !matches!(wrong, Some(Wrong::Part | Wrong::Parts(_))) {
            return fault(format!("{path}: nobody gave a token"));
        }
        let answer = match self.operation(method, &path, &pairs, body) {
            Ok(answer) => answer,
            Err(what) => return fault(what),
        };
        let mut reply = self.known(origin, method, &path, &pairs, body);
        if reply.status.starts_with("20") && !reply.body.is_empty() && !reply.body.starts_with(b"PK") {
            let Ok(value) = serde_json::from_slice::<Value>(&reply.body) else { return reply };
            // Lists are described as what their `value` is.
            let value = if answer["type"] == "array" { value["value"].clone() } else { value };
            if let Err(what) = self.fits(&value, &answer, &path) {
                return fault(what);
            }
        }
        match wrong {
            Some(Wrong::Tired(seconds)) => reply.headers.push(("Retry-After".to_owned(), seconds.to_string())),
            Some(Wrong::Parts(size)) => {
                let value: Value = serde_json::from_slice(&reply.body).unwrap();
                let Some(all) = value["value"].as_array() else { return reply };
                let from: usize = token.map_or(0, |token| token.strip_prefix("+&#").unwrap().parse().unwrap());
                let part: Vec<Value> = all.iter().skip(from).take(size).cloned().collect();
                let next = from + part.len();
                reply = json_reply("200 OK", &listed(part));
                if next < all.len() {
                    reply.headers.push(("x-ms-continuationtoken".to_owned(), format!("+&#{next}")));
                }
            }
            Some(Wrong::Part) => reply.headers.push(("x-ms-continuationtoken".to_owned(), "abc".to_owned())),
            _ => {}
        }
        reply
    }
}

/// A world whose environments are on such an Azure DevOps: `env-dev`, and `env-qual` after it.
pub struct Org {
    /// The repositories.
    pub world: World,
    /// Serves them, and the interface.
    pub server: Server,
    /// The interface.
    pub azure: Arc<Azure>,
}

impl Org {
    /// With what `after` of qual says besides the place.
    pub fn new(after: impl Fn(&Self) -> String) -> Self {
        let world = World::empty();
        let folder = world.path().join("acme").join(PROJECT).join("_git");
        std::fs::create_dir_all(&folder).unwrap();
        for name in ["env-dev", "env-qual", "source"] {
            symlink(world.path().join(format!("{name}.git")), folder.join(name)).unwrap();
        }
        world.repo("source").commit("main", &FIRST.iter().map(|(path, text)| put(path, text)).collect::<Vec<_>>());
        let server = Server::start(world.path(), &world.path().join("home"), None);
        let azure = Arc::new(Azure::default());
        server.answer_as(&azure);
        let org = Self { world, server, azure };
        for (stage, before) in [("dev", None), ("qual", Some("dev"))] {
            let policy = Policy {
                repository: org.url(&format!("env-{stage}")),
                after: before.map(|before: &str| (before.to_owned(), org.url(&format!("env-{before}")))),
                after_more: after(&org),
                ..org.world.policy(stage, None)
            };
            org.world.environment(stage, &policy);
        }
        org
    }

    /// Adds lines to the policy of a stage.
    pub fn rule(&self, stage: &str, lines: &str) {
        let repo = self.world.env(stage);
        let text = format!("{}{lines}", repo.file("main", ".passgate/stage.yaml"));
        repo.commit("main", &[put(".passgate/stage.yaml", &text)]);
    }

    /// The URL of a repository.
    pub fn url(&self, name: &str) -> String {
        format!("{}/acme/{ENCODED}/_git/{name}", self.server.origin())
    }

    /// `ENV` of a stage.
    pub fn to(&self, stage: &str) -> String {
        format!("{}#main", self.url(&format!("env-{stage}")))
    }

    /// The page of a build.
    pub fn page(&self, id: &str) -> String {
        format!("{}/acme/{ENCODED}/_build/results?buildId={id}", self.server.origin())
    }

    /// Runs the binary, which knows that this is Azure DevOps and has a token for it.
    pub fn run(&self, args: &[&str]) -> Run {
        self.run_with(args, &[])
    }

    /// The same with variables.
    pub fn run_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Run {
        let host = self.server.origin().replace("http://", "");
        let mut all = vec![("PASSGATE_AZURE_HOSTS", host.as_str()), ("PASSGATE_TOKEN", TOKEN)];
        all.extend(variables);
        let run = self.world.run_with(args, &all);
        let shown = format!("{run:?}");
        assert!(!shown.contains("secret") && !shown.contains("OnBhdDAx"), "a token is shown: {run:#?}");
        assert!(self.azure.faults().is_empty(), "{:?}", self.azure.faults());
        run
    }

    /// Releases an artifact.
    pub fn release(&self, artifact: &str, stage: &str, more: &[&str]) -> Run {
        let to = self.to(stage);
        let mut args = vec!["release", artifact, "--to", &to];
        args.extend(more);
        self.run(&args)
    }

    /// Packages main, releases it to dev and marks it passed there, in the runs of these pages; the artifact, and the commit
    /// at which it landed.
    #[track_caller]
    pub fn passed(&self, runs: [&str; 2]) -> (String, String) {
        let artifact = text(&self.world.package("main")).to_owned();
        let landing = self.release(&artifact, "dev", &["--run", runs[0]]).is(0, "released").text("commit");
        let (to, digest) = (self.to("dev"), self.world.digest(artifact.as_ref()));
        let mark = ["mark", "passed", "--to", &to, "--unit", "shop", "--digest", &digest, "--run", runs[1]];
        self.run(&mark).is(0, "marked");
        (artifact, landing)
    }
}
