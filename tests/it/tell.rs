//! `--write-back`: what the source repository is told, on forges of our own; what goes wrong there changes nothing.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::azure::{Build, Org, PROJECT, Stored, TOKEN as AZURE_TOKEN, Wrong as AzureWrong};
use crate::support::github::{Hub, TOKEN, Workflow, Wrong};
use crate::support::http::Server;
use crate::support::{Policy, Run, put, text};

const PAGE: &str = "https://dev.shop.example/?a=b";

/// The same world, whose source is on GitHub too.
pub fn with_source(hub: Hub) -> Hub {
    for stage in ["dev", "qual"] {
        let env = hub.world.env(stage);
        let rules = env.file("main", ".passgate/stage.yaml").replace(&hub.world.url("source"), &source(&hub));
        env.commit("main", &[put(".passgate/stage.yaml", &rules)]);
    }
    hub
}

fn hub(after: &str) -> Hub {
    with_source(Hub::new(after))
}

/// Where the source is.
pub fn source(hub: &Hub) -> String {
    hub.server.url("acme/source")
}

/// Packages main of it.
pub fn package(hub: &Hub) -> String {
    text(&hub.world.package_with("main", &["--source", &source(hub)])).to_owned()
}

/// The page of a run there.
pub fn run_page(hub: &Hub, id: u32) -> String {
    format!("{}/acme/source/actions/runs/{id}", hub.server.origin())
}

fn change(hub: &Hub, image: &str) -> String {
    hub.world.repo("source").commit("main", &[put("apps/shop/deploy.yaml", &format!("image: {image}\n"))])
}

fn mark(hub: &Hub, state: &str, artifact: &str, more: &[&str]) -> Run {
    let (to, digest) = (hub.to("dev"), hub.world.digest(artifact.as_ref()));
    hub.run(&[&["mark", state, "--to", &to, "--unit", "shop", "--digest", &digest], more].concat())
}

fn states(hub: &Hub) -> Vec<Vec<String>> {
    hub.github.deployed().iter().map(|one| one.states().iter().map(|state| (*state).to_owned()).collect()).collect()
}

fn warnings(run: &Run) -> String {
    run.json["warnings"].to_string()
}

#[test]
fn a_deployment_tells_where_a_commit_is() {
    let hub = hub("");
    let first = hub.world.repo("source").id("main");
    let artifact = package(&hub);
    let (run, tell) = (run_page(&hub, 7), ["--write-back", "--environment-url", PAGE]);
    let release = |more: &[&str]| hub.release(&artifact, "dev", &[&["--run", &run], more].concat());
    let landing = release(&tell).is(0, "released").text("commit");
    let told = hub.github.deployed();
    assert_eq!(told.len(), 1);
    let digest = hub.world.digest(artifact.as_ref());
    for (key, value) in [("ref", first.as_str()), ("environment", "dev"), ("task", "passgate:shop")] {
        assert_eq!(told[0].text(key), value);
    }
    let payload =
        json!({"digest": digest, "release_commit": landing, "environment": hub.to("dev").replace(".git", "")});
    assert_eq!(told[0].made["payload"], payload);
    let said = &told[0].said[0];
    for (key, value) in [("state", "success"), ("environment_url", PAGE), ("log_url", &run)] {
        assert_eq!(said[key], value, "{said}");
    }
    assert!(said["description"].as_str().unwrap().starts_with("released to dev: shop "), "{said}");
    // Said once, whoever says it again.
    release(&tell).is(0, "unchanged");
    release(&["--write-back"]).is(0, "unchanged");
    assert_eq!(states(&hub), [["success"]]);
    // The mark speaks of it anew, and does not forget the page.
    let checks = run_page(&hub, 8);
    mark(&hub, "passed", &artifact, &["--write-back", "--run", &checks]).is(0, "marked");
    let said = hub.github.deployed()[0].said.last().unwrap().clone();
    for (key, value) in [("state", "success"), ("environment_url", PAGE), ("log_url", &checks)] {
        assert_eq!(said[key], value, "{said}");
    }
    assert!(said["description"].as_str().unwrap().starts_with("passed dev: shop"), "{said}");
    mark(&hub, "failed", &artifact, &["--write-back"]).is(0, "marked");
    assert_eq!(states(&hub), [["success", "success", "failure"]]);
    assert!(hub.github.sent().iter().all(|sent| *sent == Some(format!("Bearer {TOKEN}"))));
}

#[test]
fn what_is_live_no_more_becomes_inactive_for_its_own_unit_alone() {
    let hub = hub("");
    let (run, tell) = (run_page(&hub, 7), "--write-back");
    let artifact = package(&hub);
    hub.release(&artifact, "dev", &["--run", &run]).is(0, "released");
    hub.release(&artifact, "dev", &[tell]).is(0, "unchanged");
    change(&hub, "2");
    let second = package(&hub);
    hub.release(&second, "dev", &[tell]).is(0, "released");
    assert_eq!(states(&hub), [vec!["success", "inactive"], vec!["success"]]);
    let to = hub.to("dev");
    hub.run(&["rollback", "--to", &to, "--unit", "shop", tell]).is(0, "rolled-back");
    let after = [vec!["success", "inactive"], vec!["success", "inactive"], vec!["success"]];
    assert_eq!(states(&hub), after);
    let first = hub.github.deployed()[0].clone();
    let back = hub.github.deployed()[2].clone();
    assert_eq!(
        (back.text("ref"), &back.made["payload"]["digest"]),
        (first.text("ref"), &first.made["payload"]["digest"])
    );
    assert_ne!(back.made["payload"]["release_commit"], first.made["payload"]["release_commit"]);
    let env = hub.world.env("dev");
    let rules = env.file("main", ".passgate/stage.yaml").replace("- unit: shop\n", "- unit: shop\n    retire: true\n");
    env.commit("main", &[put(".passgate/stage.yaml", &rules)]);
    let retire = ["retire", "--to", &to, "--unit", "shop", tell];
    hub.run(&[&retire[..], &["--dry-run"]].concat()).is(0, "planned");
    assert_eq!(states(&hub), after);
    hub.run(&retire).is(0, "retired");
    hub.run(&retire).is(0, "unchanged");
    assert_eq!(states(&hub)[2], ["success", "inactive"]);
}

#[test]
fn another_environment_of_that_name_is_left_alone() {
    let hub = hub("");
    let artifact = package(&hub);
    hub.release(&artifact, "dev", &["--write-back"]).is(0, "released");
    let twin = hub.server.url("acme/env-other");
    let policy = Policy { repository: twin.clone(), source: source(&hub), ..hub.world.policy("dev", None) };
    hub.world.repo("env-other").commit("main", &[put(".passgate/stage.yaml", &policy.text())]);
    change(&hub, "2");
    let second = package(&hub);
    hub.run(&["release", &second, "--to", &format!("{twin}#main"), "--write-back"]).is(0, "released");
    assert_eq!(states(&hub), [["success"], ["success"]]);
}

#[test]
fn nothing_is_told_unless_it_is_asked_for() {
    let hub = hub("");
    let artifact = package(&hub);
    hub.release(&artifact, "dev", &[]).is(0, "released");
    hub.release(&artifact, "dev", &["--dry-run", "--write-back"]).is(0, "unchanged");
    change(&hub, "2");
    let second = package(&hub);
    hub.run(&["plan", &second, "--to", &hub.to("dev"), "--write-back"]).is(0, "planned");
    // What is refused changed nothing that could be told.
    hub.release(&second, "qual", &["--write-back"]).is(3, "refused");
    mark(&hub, "failed", &artifact, &["--write-back=false"]).is(0, "marked");
    let to = hub.to("dev");
    assert!(hub.github.sent().is_empty() && hub.github.deployed().is_empty());
    for (more, words) in [
        (&["--environment-url", PAGE][..], "is told to nobody"),
        (&["--write-back", "--environment-url", "javascript:alert(1)"], "is not the address of a page"),
        (&["--write-back", "--environment-url", "https://a b"], "is not the address of a page"),
    ] {
        let args = [&["release", &second, "--to", &to], more].concat();
        let run = hub.world.untouched(|| hub.run(&args)).is(2, "usage");
        assert!(run.json["error"]["message"].as_str().unwrap().contains(words), "{run:#?}");
    }
}

#[test]
fn a_source_that_cannot_be_told_is_a_warning() {
    let hub = hub("");
    let other = Server::start(hub.world.path(), &hub.world.path().join("home"), None);
    other.answer_as(&hub.github);
    let no = |status, text| Wrong::Refusal(status, text, None);
    let mut artifact = String::new();
    for (at, (wrong, words)) in [
        (no(401, "Bad credentials"), "Bad credentials (401)"),
        (no(403, "Resource not accessible by integration"), "permissions: {deployments: write}"),
        (no(404, "Not Found"), "actions/create-github-app-token"),
        (no(409, "Conflict merging main"), "Conflict merging main (409)"),
        (no(422, "No ref found for: x \r::error::owned ##vso[task.complete]"), "No ref found for"),
        (no(500, "\r::error::owned"), "(500)"),
        (Wrong::Page, "a page for people"),
        (Wrong::Nonsense, "not what GitHub answers"),
        (Wrong::Limited(9, 7200), "wants 7200 s without requests"),
        (Wrong::Elsewhere(other.origin()), "redirects to another place"),
    ]
    .into_iter()
    .enumerate()
    {
        change(&hub, &format!("{at}"));
        artifact = package(&hub);
        let only_writes = at % 2 == 0;
        if only_writes && !matches!(wrong, Wrong::Nonsense) {
            hub.github.fail_writes(Some(wrong.clone()));
        } else {
            hub.github.fail(Some(wrong.clone()));
        }
        let run = hub.release(&artifact, "dev", &["--write-back"]).is(0, "released");
        assert_eq!(run.text("commit"), hub.world.env("dev").id("main"));
        let told = warnings(&run);
        assert!(told.contains("the source repository was not told") && told.contains(words), "{wrong:?}: {run:#?}");
        assert!(!run.stderr.contains("\r::error") && !run.stderr.contains("##vso"), "{run:#?}");
        hub.github.fail(None);
        hub.github.fail_writes(None);
    }
    assert!(other.requests().is_empty(), "another host was asked: {:?}", other.requests());
    assert!(hub.github.deployed().is_empty());
    // A later run tells it after all.
    let run = hub.release(&artifact, "dev", &["--write-back"]).is(0, "unchanged");
    assert_eq!((warnings(&run).as_str(), states(&hub)), ("[]", vec![vec!["success".to_owned()]]));
}

#[test]
fn a_forge_that_is_silent_is_not_waited_for_long() {
    let hub = hub("");
    let artifact = package(&hub);
    hub.github.fail_writes(Some(Wrong::Silence));
    let begun = Instant::now();
    let run = hub.release(&artifact, "dev", &["--write-back"]).is(0, "released");
    assert!(warnings(&run).contains("did not answer in time"), "{run:#?}");
    assert!(begun.elapsed() < Duration::from_secs(45), "{:?}", begun.elapsed());
}

#[test]
fn an_answer_that_is_lost_makes_no_second_deployment() {
    let hub = hub("");
    let artifact = package(&hub);
    hub.github.fail_writes(Some(Wrong::Cut));
    let run = hub.release(&artifact, "dev", &["--write-back"]).is(0, "released");
    assert!(warnings(&run).contains("the source repository was not told"), "{run:#?}");
    hub.github.fail_writes(None);
    hub.release(&artifact, "dev", &["--write-back"]).is(0, "unchanged");
    assert_eq!(states(&hub), [["success"]]);
}

#[test]
fn plain_git_is_told_nothing_and_says_so() {
    let hub = Hub::new("");
    let artifact = text(&hub.world.package("main")).to_owned();
    let run = hub.release(&artifact, "dev", &["--write-back"]).is(0, "released");
    assert!(warnings(&run).contains("is on plain git"), "{run:#?}");
    assert!(hub.github.sent().is_empty());
}

#[test]
fn what_was_told_is_no_evidence() {
    let hub = hub("");
    let artifact = package(&hub);
    let page = run_page(&hub, 7);
    hub.release(&artifact, "dev", &["--run", &page, "--write-back"]).is(0, "released");
    mark(&hub, "passed", &artifact, &[]).is(0, "marked");
    let env = hub.world.env("qual");
    let wanted = format!("    pipeline: {{repository: {}, deployment: dev}}\norder: forward\n", source(&hub));
    let rules = env.file("main", ".passgate/stage.yaml").replace("order: forward\n", &wanted);
    env.commit("main", &[put(".passgate/stage.yaml", &rules)]);
    let head = hub.world.repo("source").id("main");
    let ran = |deployments: &[(&str, &str)]| {
        let deployments = deployments.iter().map(|(name, state)| ((*name).to_owned(), vec![(*state).to_owned()]));
        let head = head.clone();
        hub.github.ran(7, Workflow { over: true, head, deployments: deployments.collect(), ..Workflow::default() });
    };
    ran(&[]);
    let run = hub.world.untouched(|| hub.release(&artifact, "qual", &[])).is(3, "refused");
    run.closed_by("pipeline", "dev");
    ran(&[("dev", "success")]);
    hub.release(&artifact, "qual", &[]).is(0, "released");
}

#[test]
fn a_unit_that_is_developed_here_is_told_of_here() {
    let hub = Hub::new("");
    let env = hub.world.env("dev");
    let rules = env.file("main", ".passgate/stage.yaml").replace(&hub.world.url("source"), "self");
    let commit = env.commit("main", &[put(".passgate/stage.yaml", &rules), put("apps/shop/deploy.yaml", "image: 1\n")]);
    let to = hub.to("dev");
    let mark = ["mark", "passed", "--to", &to, "--unit", "shop", "--commit", &commit, "--write-back"];
    let run = hub.run(&mark).is(0, "marked");
    assert_eq!(warnings(&run), "[]");
    let told = hub.github.deployed();
    assert_eq!((told.len(), told[0].text("ref"), told[0].states()), (1, commit.as_str(), vec!["success"]));
}

// A world whose source is on Azure DevOps too.
fn org(after: &str) -> Org {
    let org = Org::new(|_| after.to_owned());
    for stage in ["dev", "qual"] {
        let env = org.world.env(stage);
        let rules = env.file("main", ".passgate/stage.yaml").replace(&org.world.url("source"), &org.url("source"));
        env.commit("main", &[put(".passgate/stage.yaml", &rules)]);
    }
    org
}

fn packed(org: &Org) -> String {
    text(&org.world.package_with("main", &["--source", &org.url("source")])).to_owned()
}

fn told(org: &Org, commit: &str) -> Vec<String> {
    let all = org.azure.told(commit);
    all.iter().map(|one| one["state"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_status_of_the_commit_tells_where_it_is_on_azure() {
    let org = org("");
    let source = org.world.repo("source");
    let first = source.id("main");
    let artifact = packed(&org);
    let (page, checks) = (org.page("7"), org.page("8"));
    org.release(&artifact, "dev", &["--run", &page, "--write-back"]).is(0, "released");
    let said = org.azure.told(&first)[0].clone();
    assert_eq!(said["context"], json!({"genre": "passgate", "name": "dev/shop"}));
    assert_eq!((said["state"].as_str(), said["targetUrl"].as_str()), (Some("succeeded"), Some(page.as_str())));
    assert!(said["description"].as_str().unwrap().starts_with("released to dev: shop "), "{said}");
    org.release(&artifact, "dev", &["--write-back"]).is(0, "unchanged");
    assert_eq!(told(&org, &first), ["succeeded"]);
    let (to, digest) = (org.to("dev"), org.world.digest(artifact.as_ref()));
    let mark = |state: &str| {
        org.run(&["mark", state, "--to", &to, "--unit", "shop", "--digest", &digest, "--run", &checks, "--write-back"])
            .is(0, "marked");
    };
    mark("failed");
    mark("passed");
    assert_eq!(told(&org, &first), ["succeeded", "failed", "succeeded"]);
    let second = source.commit("main", &[put("apps/shop/deploy.yaml", "image: 2\n")]);
    org.release(&packed(&org), "dev", &["--write-back"]).is(0, "released");
    // That it had passed stays true.
    assert_eq!(told(&org, &first).len(), 3);
    org.run(&["rollback", "--to", &to, "--unit", "shop", "--write-back"]).is(0, "rolled-back");
    assert_eq!(told(&org, &second), ["succeeded", "failed"]);
    assert_eq!(told(&org, &first).last().map(String::as_str), Some("succeeded"));
    let env = org.world.env("dev");
    let rules = env.file("main", ".passgate/stage.yaml").replace("- unit: shop\n", "- unit: shop\n    retire: true\n");
    env.commit("main", &[put(".passgate/stage.yaml", &rules)]);
    org.run(&["retire", "--to", &to, "--unit", "shop", "--write-back"]).is(0, "retired");
    assert_eq!(told(&org, &first).last().map(String::as_str), Some("notApplicable"));
}

#[test]
fn the_build_that_made_an_artifact_is_tagged() {
    let org = org("");
    let artifact = packed(&org);
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("shop.zip", zip::write::SimpleFileOptions::default()).unwrap();
    std::io::Write::write_all(&mut zip, &std::fs::read(&artifact).unwrap()).unwrap();
    let bytes = zip.finish().unwrap().into_inner();
    let stored = Stored { name: "drop".to_owned(), kind: "Container", bytes, gone: false };
    org.azure.built(7, Build { over: true, artifacts: vec![stored], ..Build::default() });
    let collection = format!("{}/acme/", org.server.origin());
    let here = [("SYSTEM_COLLECTIONURI", collection.as_str()), ("SYSTEM_TEAMPROJECT", PROJECT)];
    let to = org.to("dev");
    let release = ["release", "build:7", "--to", &to, "--write-back"];
    org.azure.fail_writes(Some(AzureWrong::Refusal(403, "Access denied", "")));
    let run = org.run_with(&release, &here).is(0, "released");
    assert!(warnings(&run).contains("the build 7 was not tagged"), "{run:#?}");
    org.azure.fail_writes(None);
    for _ in 0..2 {
        let run = org.run_with(&release, &here).is(0, "unchanged");
        assert_eq!(warnings(&run), "[]");
    }
    assert_eq!(org.azure.tags(), [(7, "passgate-dev-shop-released".to_owned())]);
    // The build that this is gets its tag by its agent.
    let (temp, digest) = (org.world.path().join("tmp"), org.world.digest(artifact.as_ref()));
    let host = org.server.origin().replace("http://", "");
    let agent = [
        ("TF_BUILD", "True"),
        ("AGENT_TEMPDIRECTORY", text(&temp)),
        ("PASSGATE_AZURE_HOSTS", &host),
        ("PASSGATE_TOKEN", AZURE_TOKEN),
    ];
    let mark = ["mark", "passed", "--to", &to, "--unit", "shop", "--digest", &digest, "--write-back"];
    let run = org.world.run_with(&mark, &agent).is(0, "marked");
    assert!(run.stderr.contains("##vso[build.addbuildtag]passgate-dev-shop-passed\n"), "{run:#?}");
    let run = org.world.run_with(&mark[..8], &agent).is(0, "unchanged");
    assert!(!run.stderr.contains("addbuildtag"), "{run:#?}");
}

#[test]
fn azure_that_cannot_be_told_is_a_warning() {
    let org = org("");
    let other = Server::start(org.world.path(), &org.world.path().join("home"), None);
    other.answer_as(&org.azure);
    let no = |status, text| AzureWrong::Refusal(status, text, "");
    for (at, (wrong, words)) in [
        (no(401, "TF400813: not authorized"), "the scope Code (status)"),
        (no(403, "TF401027: You need the Git 'GenericContribute' permission"), "the permission Contribute"),
        (no(404, "TF401019: The Git repository does not exist"), "PASSGATE_SOURCE_TOKEN"),
        (no(422, "x \r##vso[task.complete]"), "(422)"),
        (no(500, "\r##vso[task.complete]"), "(500)"),
        (AzureWrong::Page(203), "a page for people"),
        (AzureWrong::Limited(9, 7200), "wants 7200 s without requests"),
        (AzureWrong::Elsewhere(other.origin()), "redirects to another place"),
    ]
    .into_iter()
    .enumerate()
    {
        org.world.repo("source").commit("main", &[put("apps/shop/deploy.yaml", &format!("image: {at}\n"))]);
        let artifact = packed(&org);
        let (all, writes) = if at % 2 == 0 { (None, Some(wrong)) } else { (Some(wrong), None) };
        org.azure.fail(all);
        org.azure.fail_writes(writes);
        let run = org.release(&artifact, "dev", &["--write-back"]).is(0, "released");
        let told = warnings(&run);
        assert!(told.contains("the source repository was not told") && told.contains(words), "{words}: {run:#?}");
        assert!(!run.stderr.contains("##vso"), "{run:#?}");
    }
    assert!(other.requests().is_empty(), "another host was asked: {:?}", other.requests());
}

#[test]
fn what_was_told_on_azure_is_no_status() {
    let org = org("statuses: [\"**\"]\n");
    let artifact = packed(&org);
    let landing = org.release(&artifact, "dev", &[]).is(0, "released").text("commit");
    let (to, digest) = (org.to("dev"), org.world.digest(artifact.as_ref()));
    org.run(&["mark", "passed", "--to", &to, "--unit", "shop", "--digest", &digest]).is(0, "marked");
    org.azure.status(&landing, "passgate", "dev/shop", "succeeded");
    let run = org.world.untouched(|| org.release(&artifact, "qual", &[])).is(1, "undecided");
    assert!(run.gate("statuses")["detail"].as_str().unwrap().contains("no status matches"), "{run:#?}");
    org.azure.status(&landing, "", "e2e", "succeeded");
    org.release(&artifact, "qual", &[]).is(0, "released");
}
