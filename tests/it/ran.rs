//! Gate `pipeline`: what a forge says of the run that the stage before names, on a GitHub of our own.

use crate::support::github::{Hub, Workflow, Wrong};
use crate::support::http::Server;
use crate::support::{Policy, Run, World, text};

// A world in which main is packaged, released to dev and marked there, in the runs 7 and 8.
fn hub(part: &str, run: &str) -> (Hub, String) {
    let after = |hub: &Hub| format!("pipeline: {{repository: {}/acme/source, {part}}}\n", hub.server.origin());
    let hub = Hub::with(after);
    let artifact = text(&hub.world.package("main")).to_owned();
    let of = |id: &str| if run.is_empty() { page(&hub, id) } else { run.to_owned() };
    hub.release(&artifact, "dev", &["--run", &of("7")]).is(0, "released");
    hub.mark(&artifact, &["--run", &of("8")]).is(0, "marked");
    (hub, artifact)
}

fn page(hub: &Hub, id: &str) -> String {
    format!("{}/Acme/source/actions/runs/{id}/attempts/2", hub.server.origin())
}

fn job(name: &str, status: &str, conclusion: Option<&str>) -> (String, String, Option<String>) {
    (name.to_owned(), status.to_owned(), conclusion.map(str::to_owned))
}

#[track_caller]
fn undecided(hub: &Hub, artifact: &str, words: &str) -> Run {
    let run = hub.world.untouched(|| hub.release(artifact, "qual", &[])).is(1, "undecided");
    assert_eq!(run.verdict("pipeline"), "undecided", "{run:#?}");
    let (detail, remedy) = (&run.gate("pipeline")["detail"], &run.gate("pipeline")["remedy"]);
    assert!(detail.as_str().unwrap().contains(words), "{words:?} is not in {detail}");
    assert!(!remedy.as_str().unwrap_or_default().is_empty(), "{run:#?}");
    run
}

#[track_caller]
fn refused(hub: &Hub, artifact: &str, words: &str) {
    hub.world.untouched(|| hub.release(artifact, "qual", &[])).is(3, "refused").closed_by("pipeline", words);
}

#[test]
fn a_job_of_the_run_that_released_must_have_succeeded() {
    let (hub, artifact) = hub("job: smoke", "");
    let ran = |over: bool, jobs: &[(String, String, Option<String>)]| {
        hub.github.ran(7, Workflow { over, jobs: jobs.to_vec(), ..Workflow::default() });
    };
    // A run that is over as a whole says nothing of its parts, whatever it says of itself.
    ran(false, &[job("build", "completed", Some("success"))]);
    undecided(&hub, &artifact, "the job smoke has not begun yet");
    ran(false, &[job("smoke", "in_progress", None)]);
    undecided(&hub, &artifact, "the job smoke of");
    ran(true, &[job("build", "completed", Some("success"))]);
    refused(&hub, &artifact, "has not the job smoke (there are: build)");
    for conclusion in ["failure", "skipped", "cancelled", "neutral", "timed_out"] {
        ran(true, &[job("smoke", "completed", Some("success")), job("smoke", "completed", Some(conclusion))]);
        refused(&hub, &artifact, &format!("not passed in dev: the job smoke of {}: {conclusion}", page(&hub, "7")));
    }
    let mut many: Vec<_> = (0..130).map(|at| job(&format!("part {at}"), "completed", Some("success"))).collect();
    many.push(job("smoke", "completed", Some("failure")));
    ran(true, &many);
    refused(&hub, &artifact, "smoke of");
    // Nobody's fork says what is good.
    let jobs = vec![job("smoke", "completed", Some("success"))];
    hub.github.ran(7, Workflow { over: true, fork: true, jobs: jobs.clone(), ..Workflow::default() });
    refused(&hub, &artifact, "it ran for a fork");
    ran(true, &jobs);
    let run = hub.release(&artifact, "qual", &[]).is(0, "released");
    assert_eq!(run.verdict("pipeline"), "passed");
    let recorded = hub.world.env("qual").record("main");
    assert!(recorded.gates.iter().any(|gate| gate.gate == "pipeline" && gate.detail.contains("/actions/runs/7")));
}

#[test]
fn the_run_that_marked_can_be_meant() {
    let (hub, artifact) = hub("job: smoke, run: marked", "");
    let good = Workflow { over: true, jobs: vec![job("smoke", "completed", Some("success"))], ..Workflow::default() };
    let bad = Workflow { over: true, jobs: vec![job("smoke", "completed", Some("failure"))], ..Workflow::default() };
    hub.github.ran(7, good.clone());
    hub.github.ran(8, bad);
    refused(&hub, &artifact, "/actions/runs/8");
    hub.github.ran(8, good);
    hub.release(&artifact, "qual", &[]).is(0, "released");
}

#[test]
fn a_deployment_of_the_run_must_have_succeeded() {
    let (hub, artifact) = hub("deployment: dev", "");
    let ran = |run: u64, over: bool, states: &[&str]| {
        let states = states.iter().map(|state| (*state).to_owned()).collect();
        let deployments = vec![("other".to_owned(), vec!["success".to_owned()]), ("dev".to_owned(), states)];
        hub.github.ran(run, Workflow { over, deployments, ..Workflow::default() });
    };
    hub.github.ran(7, Workflow::default());
    // Of the same commit, by another run.
    ran(9, true, &["success"]);
    undecided(&hub, &artifact, "the deployment to dev has not begun yet");
    ran(7, false, &["in_progress", "queued"]);
    undecided(&hub, &artifact, "the deployment to dev of");
    for state in ["failure", "error"] {
        ran(7, true, &[state, "in_progress"]);
        refused(&hub, &artifact, &format!("/actions/runs/7/attempts/2: {state}"));
    }
    hub.github.ran(7, Workflow { over: true, ..Workflow::default() });
    refused(&hub, &artifact, "has not the deployment to dev");
    ran(7, true, &["inactive", "success", "in_progress"]);
    hub.release(&artifact, "qual", &[]).is(0, "released");
}

#[test]
fn a_run_that_is_none_of_that_place_is_refused() {
    for run in ["https://ci.example/7", "7", "https://github.com/acme/source/actions/runs/7", "\u{1b}[31m##[error]x"] {
        let (hub, artifact) = hub("job: smoke", run);
        hub.github.ran(
            7,
            Workflow { over: true, jobs: vec![job("smoke", "completed", Some("success"))], ..Workflow::default() },
        );
        refused(&hub, &artifact, "what released this content in dev is no run of");
    }
    // Who says nothing has no run either.
    let hub = Hub::with(|hub| format!("pipeline: {{repository: {}/acme/source, job: x}}\n", hub.server.origin()));
    let (artifact, _) = hub.passed();
    refused(&hub, &artifact, "the record in dev does not say which run released this content");
    let other = hub.world.package_with("main", &["--version", "2"]);
    hub.world.repo("source").commit("main", &[crate::support::put("apps/shop/route.yaml", "route: /new\n")]);
    let new = hub.world.package("main");
    assert_ne!(other, new);
    refused(&hub, text(&new), "no release of this content is known in dev");
}

#[test]
fn an_answer_that_is_no_plain_yes_opens_nothing() {
    let (hub, artifact) = hub("job: smoke", "");
    hub.github
        .ran(7, Workflow { over: true, jobs: vec![job("smoke", "completed", Some("success"))], ..Workflow::default() });
    let other = Server::start(hub.world.path(), &hub.world.path().join("home"), None);
    let no = |status, text| Wrong::Refusal(status, text, None);
    for (wrong, words, remedy) in [
        (no(401, "Bad credentials"), "Bad credentials (401)", "give a new one as PASSGATE_PREVIOUS_TOKEN"),
        (no(403, "Resource not accessible by integration"), "(403)", "permissions: {actions: read}"),
        (no(404, "Not Found"), "Not Found (404)", "actions/create-github-app-token"),
        (no(500, "\r::error::owned"), "(500)", "run it again"),
        (Wrong::Limited(9, 7200), "wants 7200 s without requests", "run it again"),
        (Wrong::Page, "a page for people", "login page"),
        (Wrong::Cut, "broke off", "run it again"),
        (Wrong::Nonsense, "not what GitHub answers", "run it again"),
        (Wrong::Other, "about another run", "run it again"),
        (Wrong::Elsewhere(other.origin()), "redirects to another place", "the URL that it has now"),
    ] {
        hub.github.fail(Some(wrong.clone()));
        let run = undecided(&hub, &artifact, words);
        let told = run.gate("pipeline")["remedy"].as_str().unwrap();
        assert!(told.contains(remedy), "{wrong:?}: {told}");
        assert!(!run.stderr.contains("\r::error"), "{run:#?}");
    }
    assert!(other.requests().is_empty(), "another host was asked: {:?}", other.requests());
}

#[test]
fn a_part_that_the_forge_does_not_have_is_said() {
    let (hub, artifact) = hub("stage: smoke", "");
    hub.github.ran(7, Workflow { over: true, ..Workflow::default() });
    let run = undecided(&hub, &artifact, "runs on GitHub have no stage");
    assert!(run.gate("pipeline")["remedy"].as_str().unwrap().contains("`job` or a `deployment`"), "{run:#?}");
    let world = World::new();
    let pipeline = format!("pipeline: {{repository: {}, job: x}}\n", world.url("source"));
    world.environment("qual", &Policy { after_more: pipeline, ..world.policy("qual", Some("dev")) });
    let artifact = world.package("main");
    let to = world.to("dev");
    world.run(&["release", text(&artifact), "--to", &to, "--run", "x"]).is(0, "released");
    world.mark("passed", &artifact, "dev").is(0, "marked");
    let run = world.untouched(|| world.release(&artifact, "qual")).is(1, "undecided");
    assert!(run.gate("pipeline")["detail"].as_str().unwrap().contains("is on plain git"), "{run:#?}");
    assert!(run.gate("pipeline")["remedy"].as_str().unwrap().contains("PASSGATE_AZURE_HOSTS"), "{run:#?}");
}

#[test]
fn the_source_token_is_for_runs_of_the_source() {
    let hub = Hub::with(|hub| format!("pipeline: {{repository: {}/acme/source, job: smoke}}\n", hub.server.origin()));
    let policy = Policy {
        source: hub.server.url("acme/source"),
        repository: hub.url("qual"),
        after: Some(("dev".to_owned(), hub.url("dev"))),
        after_more: format!("pipeline: {{repository: {}/acme/source, job: smoke}}\n", hub.server.origin()),
        ..hub.world.policy("qual", None)
    };
    hub.world.environment("qual", &policy);
    let dev =
        Policy { source: hub.server.url("acme/source"), repository: hub.url("dev"), ..hub.world.policy("dev", None) };
    hub.world.environment("dev", &dev);
    hub.github
        .ran(7, Workflow { over: true, jobs: vec![job("smoke", "completed", Some("success"))], ..Workflow::default() });
    let artifact = text(&hub.world.package_with("main", &["--source", &hub.server.url("acme/source")])).to_owned();
    hub.release(&artifact, "dev", &["--run", &page(&hub, "7")]).is(0, "released");
    hub.mark(&artifact, &[]).is(0, "marked");
    let before = hub.github.sent().len();
    let to = hub.to("qual");
    let token = [("PASSGATE_SOURCE_TOKEN", "ghs_anothersecret")];
    hub.run_with(&["release", &artifact, "--to", &to], &token).is(0, "released");
    assert!(hub.github.sent()[before..].iter().all(|sent| sent.as_deref() == Some("Bearer ghs_anothersecret")));
}
