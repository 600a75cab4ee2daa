//! A GitHub of our own: it keeps statuses, check runs and artifacts, answers as GitHub's description says, and can be
//! told to misbehave.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::deployed::{Deployed, Deployments};
use super::http::{Api, Reply, Server};
use super::pulls::{Pulled, Pulls};
use super::{FIRST, Policy, Run, World, put, text};

/// The token that is given to the program.
pub const TOKEN: &str = "ghs_0123456789secret";

/// What goes wrong with every answer of the interface.
#[derive(Debug, Clone)]
pub enum Wrong {
    /// A status, a message, and one more header.
    Refusal(u16, &'static str, Option<(&'static str, String)>),
    /// So many requests are one too many, each with this `Retry-After`.
    Limited(u32, u32),
    /// A page for people.
    Page,
    /// A body that breaks off.
    Cut,
    /// JSON of something else.
    Nonsense,
    /// Right answers about another commit.
    Other,
    /// To the same path on another host.
    Elsewhere(String),
    /// Nothing at all, for longer than anybody waits.
    Silence,
}

/// An artifact of a run.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The run.
    pub run: u64,
    /// Its name.
    pub name: String,
    /// What is downloaded.
    pub bytes: Vec<u8>,
    /// It is gone, and the list says so.
    pub expired: bool,
    /// It is gone, and the list does not know yet.
    pub gone: bool,
    /// Another digest than that of the bytes.
    pub digest: Option<String>,
    /// It was made for a fork.
    pub fork: bool,
}

/// A run of a workflow.
#[derive(Debug, Clone, Default)]
pub struct Workflow {
    /// Whether it is over.
    pub over: bool,
    /// It ran for a fork.
    pub fork: bool,
    /// The commit that it ran on; empty for any.
    pub head: String,
    /// Name, status and conclusion of its jobs.
    pub jobs: Vec<(String, String, Option<String>)>,
    /// Environments that it deployed to, each with its states, newest first.
    pub deployments: Vec<(String, Vec<String>)>,
}

#[derive(Default)]
struct State {
    statuses: BTreeMap<String, Vec<(String, String)>>,
    checks: BTreeMap<String, Vec<(String, String, Option<String>)>>,
    artifacts: Vec<Stored>,
    runs: BTreeMap<u64, Workflow>,
    everywhere: Option<(String, String)>,
    wrong: Option<Wrong>,
    blobs: Option<String>,
    sent: Vec<Option<String>>,
    pulls: Pulls,
    writes: Option<Wrong>,
    deployments: Deployments,
}

/// The interface, below `/api/v3`.
#[derive(Default)]
pub struct GitHub {
    state: Mutex<State>,
}

/// An answer of JSON.
pub fn json_reply(status: &str, value: &Value) -> Reply {
    let kind = ("Content-Type".to_owned(), "application/json; charset=utf-8".to_owned());
    Reply { status: status.to_owned(), headers: vec![kind], body: value.to_string().into_bytes(), cut: false }
}

fn number(query: &str, name: &str) -> usize {
    let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    value.and_then(|value| value.parse().ok()).unwrap_or(1)
}

impl GitHub {
    /// A status of a commit; a new one of the same context takes its place.
    pub fn status(&self, commit: &str, context: &str, state: &str) {
        let mut all = self.state.lock().unwrap();
        let of = all.statuses.entry(commit.to_owned()).or_default();
        of.retain(|(known, _)| known != context);
        of.push((context.to_owned(), state.to_owned()));
    }

    /// One more check run of a commit: its status, and when that is `completed` its conclusion.
    pub fn check(&self, commit: &str, name: &str, status: &str, conclusion: Option<&str>) {
        let mut all = self.state.lock().unwrap();
        let one = (name.to_owned(), status.to_owned(), conclusion.map(str::to_owned));
        all.checks.entry(commit.to_owned()).or_default().push(one);
    }

    /// A status that every commit has.
    pub fn everywhere(&self, context: &str, state: &str) {
        self.state.lock().unwrap().everywhere = Some((context.to_owned(), state.to_owned()));
    }

    /// An artifact.
    pub fn store(&self, stored: Stored) {
        self.state.lock().unwrap().artifacts.push(stored);
    }

    /// A run, in place of what was known of it.
    pub fn ran(&self, id: u64, run: Workflow) {
        self.state.lock().unwrap().runs.insert(id, run);
    }

    /// Where downloads lead to: the origin of another server.
    pub fn blobs_at(&self, origin: &str) {
        self.state.lock().unwrap().blobs = Some(origin.to_owned());
    }

    /// Makes every answer go wrong from now on.
    pub fn fail(&self, wrong: Option<Wrong>) {
        self.state.lock().unwrap().wrong = wrong;
    }

    /// Makes what is written go wrong from now on; `Cut` does it, and breaks off.
    pub fn fail_writes(&self, wrong: Option<Wrong>) {
        self.state.lock().unwrap().writes = wrong;
    }

    /// Every pull request.
    pub fn pulls(&self) -> Vec<Pulled> {
        self.state.lock().unwrap().pulls.all.clone()
    }

    /// What was written so far.
    pub fn written(&self) -> usize {
        self.state.lock().unwrap().pulls.written
    }

    /// What was told of deployments, oldest first.
    pub fn deployed(&self) -> Vec<Deployed> {
        self.state.lock().unwrap().deployments.all.clone()
    }

    /// Changes a pull request behind the program's back.
    pub fn change(&self, number: u64, change: impl FnOnce(&mut Pulled)) {
        let mut state = self.state.lock().unwrap();
        change(state.pulls.all.iter_mut().find(|pull| pull.number == number).unwrap());
    }

    /// The credentials that came with each request so far.
    pub fn sent(&self) -> Vec<Option<String>> {
        self.state.lock().unwrap().sent.clone()
    }
}

impl Api for GitHub {
    fn answers(&self, target: &str) -> bool {
        target.starts_with("/api/") || target.starts_with("/blob/")
    }

    fn answer(&self, origin: &str, (method, target, body): (&str, &str, &[u8]), authorization: Option<&str>) -> Reply {
        let mut state = self.state.lock().unwrap();
        state.sent.push(authorization.map(str::to_owned));
        let message =
            |status: &str, text: &str| json_reply(status, &json!({"message": text, "documentation_url": "x"}));
        if method != "GET" {
            let wrong = state.writes.clone();
            if let Some(Wrong::Silence) = wrong {
                drop(state);
                std::thread::sleep(std::time::Duration::from_secs(60));
                return message("500 No", "");
            }
            if let Some(Wrong::Refusal(status, text, header)) = wrong {
                let mut reply = message(&format!("{status} No"), text);
                reply.headers.extend(header.map(|(key, value)| (key.to_owned(), value)));
                return reply;
            }
            if let Some(Wrong::Page) = wrong {
                let headers = vec![("Content-Type".to_owned(), "text/html".to_owned())];
                return Reply { status: "200 OK".to_owned(), headers, body: b"<html>Sign in".to_vec(), cut: false };
            }
            if let Some(Wrong::Elsewhere(to)) = &wrong {
                let mut reply = message("307 Temporary Redirect", "Moved");
                reply.headers.push(("Location".to_owned(), format!("{to}{target}")));
                return reply;
            }
            if let Some(Wrong::Limited(left, seconds)) = wrong.clone().filter(|w| matches!(w, Wrong::Limited(1.., _))) {
                state.writes = Some(Wrong::Limited(left - 1, seconds));
                let mut reply = message("429 Too Many Requests", "You have exceeded a secondary rate limit");
                reply.headers.push(("Retry-After".to_owned(), seconds.to_string()));
                return reply;
            }
            let mut reply = if target.contains("/deployments") {
                state.deployments.write(origin, target, body)
            } else {
                state.pulls.write(origin, method, target, body)
            };
            reply.cut = matches!(wrong, Some(Wrong::Cut));
            return reply;
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if let Some(run) = path.strip_prefix("/blob/") {
            let at: usize = run.parse().unwrap();
            let kind = ("Content-Type".to_owned(), "application/zip".to_owned());
            let body = state.artifacts[at].bytes.clone();
            return Reply { status: "200 OK".to_owned(), headers: vec![kind], body, cut: false };
        }
        match state.wrong.clone() {
            Some(Wrong::Refusal(status, text, header)) => {
                let mut reply = message(&format!("{status} No"), text);
                reply.headers.extend(header.map(|(key, value)| (key.to_owned(), value)));
                return reply;
            }
            Some(Wrong::Limited(left, seconds)) if left > 0 => {
                state.wrong = Some(Wrong::Limited(left - 1, seconds));
                let mut reply = message("429 Too Many Requests", "You have exceeded a secondary rate limit");
                reply.headers.push(("Retry-After".to_owned(), seconds.to_string()));
                return reply;
            }
            Some(Wrong::Page) => {
                let headers = vec![("Content-Type".to_owned(), "text/html".to_owned())];
                let body = b"<html><body>Sign in: success</body></html>".to_vec();
                return Reply { status: "200 OK".to_owned(), headers, body, cut: false };
            }
            Some(Wrong::Cut) => {
                let body = b"{\"total_count\": 1, \"statuses\": [{\"context\": \"e2e\", \"state\": \"succ".to_vec();
                return Reply { status: String::new(), headers: Vec::new(), body, cut: true };
            }
            Some(Wrong::Nonsense) => return json_reply("200 OK", &json!({"state": "success", "total": "many"})),
            Some(Wrong::Elsewhere(to)) => {
                let mut reply = message("302 Found", "Moved");
                reply.headers.push(("Location".to_owned(), format!("{to}{target}")));
                return reply;
            }
            _ => {}
        }
        let other = matches!(state.wrong, Some(Wrong::Other));
        let parts: Vec<&str> = path.trim_start_matches("/api/v3/repos/").split('/').skip(2).collect();
        match (method, parts.as_slice()) {
            ("GET", ["commits", sha, "status"]) => {
                let mut all = state.statuses.get(*sha).cloned().unwrap_or_default();
                all.extend(state.everywhere.clone());
                let named = if other { "0".repeat(40) } else { (*sha).to_owned() };
                combined(origin, &named, &all, query)
            }
            ("GET", ["commits", sha, "check-runs"]) => {
                let all = state.checks.get(*sha).cloned().unwrap_or_default();
                check_runs(origin, sha, &all, query)
            }
            ("GET", ["actions", "runs", run, "artifacts"]) => artifacts(origin, &state.artifacts, run, query),
            ("GET", ["actions", "runs", id]) => match state.runs.get(&id.parse().unwrap()) {
                Some(run) => workflow(origin, if other { "1" } else { id }, run),
                None => message("404 Not Found", "Not Found"),
            },
            ("GET", ["actions", "runs", id, "jobs"]) => {
                let run = state.runs.get(&id.parse().unwrap()).cloned().unwrap_or_default();
                jobs(origin, id, &run.jobs, query)
            }
            ("GET", ["deployments"]) => {
                let parameter = |name: &str| {
                    let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
                    Some(percent_encoding::percent_decode_str(value).decode_utf8().unwrap().into_owned())
                };
                let (wanted, task) = (parameter("environment").unwrap(), parameter("task"));
                let mut all = state.deployments.listed(origin, &wanted, task.as_deref());
                let of_runs = deployments(&state.runs).into_iter().filter(|one| one.2 == wanted && task.is_none());
                all.extend(of_runs.map(|(id, run, environment, _)| {
                    let mut one = deployment(origin, id, &environment);
                    let head = &state.runs[&run].head;
                    one["sha"] = if head.is_empty() { HEAD } else { head }.into();
                    one
                }));
                json_reply("200 OK", &page(&all, query).into())
            }
            ("GET", ["deployments", id, "statuses"]) => {
                if let Some(said) = state.deployments.said(origin, id) {
                    return json_reply("200 OK", &said.into());
                }
                let all = deployments(&state.runs);
                let (id, run, environment, states) = all.into_iter().find(|one| one.0.to_string() == *id).unwrap();
                let log = format!("{origin}/acme/source/actions/runs/{run}/job/1");
                let listed = page(&states, query).into_iter().map(|said| {
                    json!({
                        "url": format!("{origin}/s"), "id": 1, "node_id": "x", "state": said, "creator": null, "description": "",
                        "environment": environment, "created_at": "2026-01-01T00:00:00Z",
                        "updated_at": "2026-01-01T00:00:00Z", "deployment_url": format!("{origin}/d/{id}"),
                        "repository_url": format!("{origin}/r"), "target_url": log, "log_url": log,
                    })
                });
                json_reply("200 OK", &listed.collect::<Vec<Value>>().into())
            }
            ("GET", ["actions", "artifacts", id, "zip"]) => {
                let at = id.parse::<usize>().unwrap() - 100;
                if state.artifacts[at].gone {
                    return message("410 Gone", "Artifact has expired");
                }
                let blobs = state.blobs.clone().unwrap_or_else(|| origin.to_owned());
                let headers = vec![("Location".to_owned(), format!("{blobs}/blob/{at}?sig=signed"))];
                Reply { status: "302 Found".to_owned(), headers, body: Vec::new(), cut: false }
            }
            ("GET", ["pulls", ..]) => state.pulls.read(origin, path, query),
            _ => message("404 Not Found", "Not Found"),
        }
    }
}

fn page<T: Clone>(all: &[T], query: &str) -> Vec<T> {
    let (size, page) = (number(query, "per_page"), number(query, "page"));
    all.iter().skip(size * (page - 1)).take(size).cloned().collect()
}

fn combined(origin: &str, sha: &str, all: &[(String, String)], query: &str) -> Reply {
    let is = |wanted: &str| all.iter().any(|(_, state)| state == wanted);
    let state = if is("failure") || is("error") { "failure" } else { "success" };
    let statuses: Vec<Value> = page(all, query)
        .into_iter()
        .map(|(context, state)| {
            json!({
                "url": format!("{origin}/api/v3/statuses/{sha}"), "avatar_url": null, "id": 1, "node_id": "x",
                "state": state, "description": null, "target_url": null, "context": context,
                "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
            })
        })
        .collect();
    json_reply(
        "200 OK",
        &json!({
            "state": state, "statuses": statuses, "sha": sha, "total_count": all.len(), "repository": repository(origin),
            "commit_url": format!("{origin}/c"), "url": format!("{origin}/u"),
        }),
    )
}

/// As much of a repository as GitHub always tells.
pub fn repository(origin: &str) -> Value {
    let urls = |names: &str, mut object: Value| {
        for name in names.split(' ') {
            object[format!("{name}url")] = format!("{origin}/x").into();
        }
        object
    };
    let owner = urls(
        "avatar_ events_ followers_ following_ gists_ html_ organizations_ received_events_ repos_ starred_ subscriptions_ ",
        json!({"id": 1, "node_id": "x", "login": "acme", "gravatar_id": "", "site_admin": false, "type": "Organization"}),
    );
    urls(
        "archive_ assignees_ blobs_ branches_ collaborators_ comments_ commits_ compare_ contents_ contributors_ deployments_ \
         downloads_ events_ forks_ git_commits_ git_refs_ git_tags_ hooks_ html_ issue_comment_ issue_events_ issues_ keys_ \
         labels_ languages_ merges_ milestones_ notifications_ pulls_ releases_ stargazers_ statuses_ subscribers_ \
         subscription_ tags_ teams_ trees_ ",
        json!({"id": 1, "node_id": "x", "name": "env", "full_name": "acme/env", "description": null, "fork": false,
            "private": true, "owner": owner}),
    )
}

fn check_runs(origin: &str, sha: &str, all: &[(String, String, Option<String>)], query: &str) -> Reply {
    let numbered: Vec<_> = all.iter().cloned().enumerate().collect();
    let runs: Vec<Value> = page(&numbered, query)
        .into_iter()
        .map(|(at, (name, status, conclusion))| {
            json!({
                "id": at + 1, "name": name, "node_id": "x", "head_sha": sha, "external_id": "",
                "url": format!("{origin}/r"), "html_url": null, "details_url": null, "status": status,
                "conclusion": conclusion, "started_at": null, "completed_at": null,
                "output": {"title": null, "summary": null, "text": null, "annotations_count": 0,
                    "annotations_url": format!("{origin}/a")},
                "check_suite": {"id": 1}, "app": null, "pull_requests": [],
            })
        })
        .collect();
    json_reply("200 OK", &json!({"total_count": all.len(), "check_runs": runs}))
}

// What a run that ran on this commit is told of.
const HEAD: &str = "1111111111111111111111111111111111111111";

fn workflow(origin: &str, id: &str, run: &Workflow) -> Reply {
    let status = if run.over { "completed" } else { "in_progress" };
    let mut head = repository(origin);
    head["id"] = if run.fork { 2 } else { 1 }.into();
    let id: u64 = id.parse().unwrap();
    let x = format!("{origin}/x");
    json_reply(
        "200 OK",
        &json!({
            "id": id, "node_id": "x", "head_branch": "main", "head_sha": if run.head.is_empty() { HEAD } else { &run.head }, "path": ".github/workflows/a.yml",
            "run_number": 1, "event": "push", "status": status, "conclusion": run.over.then_some("failure"),
            "workflow_id": 1, "display_title": "x", "url": x, "html_url": x, "pull_requests": [],
            "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z", "jobs_url": x, "logs_url": x,
            "check_suite_url": x, "artifacts_url": x, "cancel_url": x, "rerun_url": x, "workflow_url": x,
            "head_commit": null, "repository": repository(origin), "head_repository": head,
        }),
    )
}

fn jobs(origin: &str, run: &str, all: &[(String, String, Option<String>)], query: &str) -> Reply {
    let run: u64 = run.parse().unwrap();
    let listed: Vec<Value> = page(all, query)
        .into_iter()
        .map(|(name, status, conclusion)| {
            json!({
                "id": 1, "run_id": run, "run_url": format!("{origin}/x"), "node_id": "x", "head_sha": HEAD,
                "url": format!("{origin}/x"), "html_url": null, "status": status, "conclusion": conclusion,
                "created_at": "2026-01-01T00:00:00Z", "started_at": "2026-01-01T00:00:00Z", "completed_at": null,
                "name": name, "steps": [], "check_run_url": format!("{origin}/x"), "labels": [], "runner_id": null,
                "runner_name": null, "runner_group_id": null, "runner_group_name": null, "workflow_name": null,
                "head_branch": "main",
            })
        })
        .collect();
    json_reply("200 OK", &json!({"total_count": all.len(), "jobs": listed}))
}

// Every deployment, newest first: its number, its run, its environment and its states.
fn deployments(runs: &BTreeMap<u64, Workflow>) -> Vec<(usize, u64, String, Vec<String>)> {
    let all =
        runs.iter().flat_map(|(id, run)| run.deployments.iter().map(move |one| (*id, one.0.clone(), one.1.clone())));
    let mut all: Vec<_> =
        all.enumerate().map(|(at, (run, environment, states))| (at + 1, run, environment, states)).collect();
    all.reverse();
    all
}

fn deployment(origin: &str, id: usize, environment: &str) -> Value {
    json!({
        "url": format!("{origin}/d"), "id": id, "node_id": "x", "sha": HEAD, "ref": "main", "task": "deploy", "payload": {},
        "environment": environment, "description": null, "creator": null, "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z", "statuses_url": format!("{origin}/s"), "repository_url": format!("{origin}/r"),
    })
}

fn artifacts(origin: &str, all: &[Stored], run: &str, query: &str) -> Reply {
    let wanted = query.split('&').find_map(|pair| pair.strip_prefix("name="));
    let of = |stored: &Stored| stored.run.to_string() == run && wanted.is_none_or(|name| name == stored.name);
    let found: Vec<(usize, Stored)> = all.iter().cloned().enumerate().filter(|(_, stored)| of(stored)).collect();
    let listed: Vec<Value> = page(&found, query)
        .into_iter()
        .map(|(at, stored)| {
            let digest = format!("sha256:{}", hex::encode(Sha256::digest(&stored.bytes)));
            json!({
                "id": 100 + at, "node_id": "x", "name": stored.name, "size_in_bytes": stored.bytes.len(),
                "url": format!("{origin}/a"), "archive_download_url": format!("{origin}/z"), "expired": stored.expired,
                "created_at": null, "expires_at": null, "updated_at": null,
                "digest": stored.digest.unwrap_or(digest),
                "workflow_run": {"id": stored.run, "repository_id": 1, "head_repository_id": if stored.fork { 2 } else { 1 },
                    "head_branch": "main", "head_sha": "0".repeat(40)},
            })
        })
        .collect();
    json_reply("200 OK", &json!({"total_count": found.len(), "artifacts": listed}))
}

/// A world whose environments are on such a GitHub: `acme/env-dev`, and `acme/env-qual` after it.
pub struct Hub {
    /// The repositories.
    pub world: World,
    /// Serves them, and the interface.
    pub server: Server,
    /// The interface.
    pub github: Arc<GitHub>,
}

impl Hub {
    /// With what `after` of qual says besides the place.
    pub fn new(after: &str) -> Self {
        Self::with(|_| after.to_owned())
    }

    /// The same, where that depends on the place.
    pub fn with(after: impl Fn(&Self) -> String) -> Self {
        let world = World::empty();
        // `acme/x.git` is `x.git`.
        std::os::unix::fs::symlink(".", world.path().join("acme")).unwrap();
        world.repo("source").commit("main", &FIRST.iter().map(|(path, text)| put(path, text)).collect::<Vec<_>>());
        let server = Server::start(world.path(), &world.path().join("home"), None);
        let github = Arc::new(GitHub::default());
        server.answer_as(&github);
        let hub = Self { world, server, github };
        for (stage, before) in [("dev", None), ("qual", Some("dev"))] {
            let policy = Policy {
                repository: hub.url(stage),
                after: before.map(|before: &str| (before.to_owned(), hub.url(before))),
                after_more: after(&hub),
                ..hub.world.policy(stage, None)
            };
            hub.world.environment(stage, &policy);
        }
        hub
    }

    /// The URL of a stage.
    pub fn url(&self, stage: &str) -> String {
        self.server.url(&format!("acme/env-{stage}"))
    }

    /// Adds lines to the policy of a stage.
    pub fn rule(&self, stage: &str, lines: &str) {
        let env = self.world.env(stage);
        let text = env.file("main", ".passgate/stage.yaml");
        env.commit("main", &[put(".passgate/stage.yaml", &format!("{text}{lines}"))]);
    }

    /// `ENV` of a stage.
    pub fn to(&self, stage: &str) -> String {
        format!("{}#main", self.url(stage))
    }

    /// Runs the binary, which knows that this is GitHub and has a token for it.
    pub fn run(&self, args: &[&str]) -> Run {
        self.run_with(args, &[])
    }

    /// The same with variables.
    pub fn run_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Run {
        let host = self.server.origin().replace("http://", "");
        let mut all = vec![("PASSGATE_GITHUB_HOSTS", host.as_str()), ("PASSGATE_TOKEN", TOKEN)];
        all.extend(variables);
        let run = self.world.run_with(args, &all);
        assert!(!format!("{run:?}").contains("secret"), "a token is shown: {run:#?}");
        run
    }

    /// Releases an artifact.
    pub fn release(&self, artifact: &str, stage: &str, more: &[&str]) -> Run {
        let to = self.to(stage);
        let mut args = vec!["release", artifact, "--to", &to];
        args.extend(more);
        self.run(&args)
    }

    /// Packages main, releases it to dev and marks it passed there; the artifact, and the commit at which it landed.
    #[track_caller]
    pub fn passed(&self) -> (String, String) {
        let artifact = text(&self.world.package("main")).to_owned();
        let landing = self.release(&artifact, "dev", &[]).is(0, "released").text("commit");
        self.mark(&artifact, &[]).is(0, "marked");
        (artifact, landing)
    }

    /// Marks an artifact passed in dev.
    pub fn mark(&self, artifact: &str, more: &[&str]) -> Run {
        let (to, digest) = (self.to("dev"), self.world.digest(artifact.as_ref()));
        let mut args = vec!["mark", "passed", "--to", &to, "--unit", "shop", "--digest", &digest];
        args.extend(more);
        self.run(&args)
    }
}
