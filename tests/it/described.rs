//! GitHub's own description of its interface between the program and our stand-in: a request that does not fit it, or an
//! answer of ours that does not, is an error. The description is no part of this repository.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::github::{Hub, Stored, Workflow};
use crate::support::node::program;
use crate::support::pulls::{Method, merged};
use crate::support::repos::now;
use crate::support::{clean, put, text};
use crate::tell::{package, run_page, source, with_source};

const PATHS: &[&str] = &[
    "/repos/{owner}/{repo}/commits/{ref}/status",
    "/repos/{owner}/{repo}/commits/{ref}/check-runs",
    "/repos/{owner}/{repo}/actions/runs/{run_id}",
    "/repos/{owner}/{repo}/actions/runs/{run_id}/artifacts",
    "/repos/{owner}/{repo}/actions/runs/{run_id}/jobs",
    "/repos/{owner}/{repo}/deployments",
    "/repos/{owner}/{repo}/deployments/{deployment_id}/statuses",
    "/repos/{owner}/{repo}/pulls",
    "/repos/{owner}/{repo}/pulls/{pull_number}",
    "/repos/{owner}/{repo}/pulls/{pull_number}/reviews",
    "/repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers",
    "/repos/{owner}/{repo}/issues/{issue_number}/labels",
    "/repos/{owner}/{repo}/issues/{issue_number}/comments",
];
const VARIABLE: &str = "PASSGATE_TEST_GITHUB_API";

// What of a description our paths need; the whole takes its reader a minute.
fn cut(mut whole: Value) -> Value {
    whole["paths"].as_object_mut().unwrap().retain(|path, _| PATHS.contains(&path.as_str()));
    assert_eq!(whole["paths"].as_object().unwrap().len(), PATHS.len());
    whole.as_object_mut().unwrap().retain(|key, _| !key.contains("webhooks"));
    let (mut needed, mut open) = (BTreeSet::new(), vec![whole["paths"].clone()]);
    while let Some(value) = open.pop() {
        match value {
            Value::Object(object) => {
                let name = object.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix('#'));
                if let Some(name) = name.filter(|name| needed.insert((*name).to_owned())) {
                    open.push(whole.pointer(name).unwrap().clone());
                }
                open.extend(object.into_iter().map(|(_, value)| value));
            }
            Value::Array(values) => open.extend(values),
            _ => {}
        }
    }
    for (kind, all) in whole["components"].as_object_mut().unwrap() {
        if let Some(all) = all.as_object_mut() {
            all.retain(|name, _| needed.contains(&format!("/components/{kind}/{name}")));
        }
    }
    whole
}

struct Prism(Child, u16);

impl Prism {
    fn start(hub: &Hub) -> Option<Self> {
        let prism = program("prism", "npm install -g @stoplight/prism-cli")?;
        let Some(description) = std::env::var_os(VARIABLE) else {
            assert!(std::env::var_os("PASSGATE_TEST_ALL").is_none(), "{VARIABLE} names no file");
            let note = format!("\nSKIPPED: {VARIABLE} is the api.github.com.json of npm's @octokit/openapi\n");
            std::io::stderr().write_all(note.as_bytes()).unwrap();
            return None;
        };
        let whole = serde_json::from_slice(&fs::read(description).unwrap()).unwrap();
        let file = hub.world.path().join("description.json");
        fs::write(&file, cut(whole).to_string()).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let upstream = format!("{}/api/v3", hub.server.origin());
        let mut command = Command::new(prism);
        clean(&mut command, &hub.world.path().join("home"));
        command.args(["proxy", "--errors", "--host", "127.0.0.1", "--port", &port.to_string(), text(&file), &upstream]);
        let log = fs::File::create(hub.world.path().join("prism.log")).unwrap();
        let child = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(120), "prism does not listen");
            std::thread::sleep(Duration::from_millis(200));
        }
        Some(Self(child, port))
    }
}

impl Drop for Prism {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn requests_and_answers_fit_githubs_own_description() {
    let hub = Hub::new("statuses: [\"kustomization/apps/*\", e2e]\n");
    let Some(prism) = Prism::start(&hub) else { return };
    let (artifact, landing) = hub.passed();
    hub.github.status(&landing, "kustomization/apps/4b2a", "success");
    hub.github.check(&landing, "e2e", "completed", Some("success"));
    // Prism follows the redirect of a download by itself, so a download is not asked for.
    let (expired, gone, digest, fork) = (true, false, None, false);
    hub.github.store(Stored { run: 7, name: "shop".to_owned(), bytes: Vec::new(), expired, gone, digest, fork });
    let (server, api) = (hub.server.origin(), format!("http://127.0.0.1:{}", prism.1));
    let variables = [("GITHUB_SERVER_URL", server.as_str()), ("GITHUB_API_URL", api.as_str())];
    let run = hub.run_with(&["inspect", "run:acme/source/7/shop"], &variables).is(1, "failed");
    assert!(run.json["error"].to_string().contains("has expired"), "{run:#?}");
    let run = hub.run_with(&["release", &artifact, "--to", &hub.to("qual")], &variables);
    // A pull request with everything, retold, and closed because its content is live.
    hub.rule("qual", "deliver: {release: pull-request, labels: [release], reviewers: [dana, acme/ops]}\n");
    hub.world.repo("source").commit("main", &[put("apps/shop/deploy.yaml", "image: 2\n")]);
    let (second, landing) = hub.passed();
    hub.github.status(&landing, "kustomization/apps/4b2a", "success");
    hub.github.check(&landing, "e2e", "completed", Some("success"));
    let release = ["release", &second, "--to", &hub.to("qual")];
    let proposed = hub.run_with(&release, &variables);
    let log = fs::read_to_string(hub.world.path().join("prism.log")).unwrap();
    assert_eq!(proposed.json["result"], "pull-request", "{proposed:#?}\n{log}");
    assert!(!proposed.json["warnings"].to_string().contains("the pull request is open, but"), "{proposed:#?}");
    hub.github.change(1, |pull| (pull.title, pull.reviewed) = ("mine".to_owned(), vec!["dana".to_owned()]));
    hub.run_with(&release, &variables).is(0, "pull-request");
    merged(&hub.world.env("qual"), "passgate/shop", Method::Squash, now()).unwrap();
    hub.run_with(&release, &variables).is(0, "unchanged");
    assert_eq!(hub.github.pulls()[0].state, "closed");
    let log = fs::read_to_string(hub.world.path().join("prism.log")).unwrap();
    assert_eq!(run.json["result"], "released", "{run:#?}\n{log}");
    assert_eq!(run.verdict("statuses"), "passed");
    assert!(log.contains("/status") && log.contains("/check-runs") && log.contains("/artifacts"), "{log}");
    assert!(!log.contains("VIOLATION"), "{log}");
}

#[test]
fn what_is_asked_of_runs_and_told_of_deployments_fits_it_too() {
    let hub = with_source(Hub::with(|hub| format!("pipeline: {{repository: {}, job: smoke}}\n", source(hub))));
    let Some(prism) = Prism::start(&hub) else { return };
    let (server, api) = (hub.server.origin(), format!("http://127.0.0.1:{}", prism.1));
    let variables = [("GITHUB_SERVER_URL", server.as_str()), ("GITHUB_API_URL", api.as_str())];
    let run = |args: &[&str], result: &str| {
        let run = hub.run_with(args, &variables).is(0, result);
        let log = fs::read_to_string(hub.world.path().join("prism.log")).unwrap();
        let warnings = run.json["warnings"].to_string();
        assert!(!warnings.contains("not told") && !log.contains("VIOLATION"), "{run:#?}\n{log}");
        (run, log)
    };
    let (dev, qual) = (hub.to("dev"), hub.to("qual"));
    let page = run_page(&hub, 7);
    let tell = ["--run", &page, "--write-back", "--environment-url", "https://dev.shop.example"];
    let ship = |result: &str| {
        let artifact = package(&hub);
        run(&[&["release", &artifact, "--to", &dev], &tell[..]].concat(), result);
        let digest = hub.world.digest(artifact.as_ref());
        let mark = ["mark", "passed", "--to", &dev, "--unit", "shop", "--digest", &digest];
        run(&[&mark[..], &tell].concat(), "marked");
        artifact
    };
    let good = Workflow {
        over: true,
        jobs: vec![("smoke".to_owned(), "completed".to_owned(), Some("success".to_owned()))],
        deployments: vec![("stage".to_owned(), vec!["success".to_owned()])],
        ..Workflow::default()
    };
    hub.github.ran(7, good);
    let (released, _) = run(&["release", &ship("released"), "--to", &qual], "released");
    assert_eq!(released.verdict("pipeline"), "passed");
    // The one before is told that it is over, and another part of the run is asked about.
    let env = hub.world.env("qual");
    let rules = env.file("main", ".passgate/stage.yaml").replace("job: smoke", "deployment: stage");
    env.commit("main", &[put(".passgate/stage.yaml", &rules)]);
    hub.world.repo("source").commit("main", &[put("apps/shop/deploy.yaml", "image: 2\n")]);
    let (released, log) = run(&["release", &ship("released"), "--to", &qual], "released");
    assert_eq!(released.verdict("pipeline"), "passed");
    assert_eq!(hub.github.deployed().iter().map(|one| one.states().len()).sum::<usize>(), 5);
    for asked in ["/actions/runs/7", "/actions/runs/7/jobs", "/deployments?", "/statuses"] {
        assert!(log.contains(asked), "{asked} is not in {log}");
    }
}
