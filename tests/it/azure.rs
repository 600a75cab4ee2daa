//! Azure DevOps: the gates `statuses` and `pipeline`, and artifacts of builds, on one of our own that holds every request to
//! Microsoft's description.

use std::fs;
use std::io::Write as _;

use base64::Engine as _;

use crate::support::azure::{Build, ENCODED, Org, PROJECT, Stored, TOKEN, Wrong};
use crate::support::http::Server;
use crate::support::{Run, text};

const APPS: &str = "statuses: [\"fluxcd/kustomization/apps/*\"]\n";
const FLUX: &str = "kustomization/apps/4b2a9d1f";

#[track_caller]
fn undecided(org: &Org, gate: &str, artifact: &str, words: &str) -> Run {
    let run = org.world.untouched(|| org.release(artifact, "qual", &[])).is(1, "undecided");
    assert_eq!(run.verdict(gate), "undecided", "{run:#?}");
    let (detail, remedy) = (&run.gate(gate)["detail"], &run.gate(gate)["remedy"]);
    assert!(detail.as_str().unwrap().contains(words), "{words:?} is not in {detail}");
    assert!(!remedy.as_str().unwrap_or_default().is_empty(), "{run:#?}");
    run
}

#[track_caller]
fn refused(org: &Org, gate: &str, artifact: &str, words: &str) {
    org.world.untouched(|| org.release(artifact, "qual", &[])).is(3, "refused").closed_by(gate, words);
}

fn basic() -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!(":{TOKEN}")))
}

fn stages(over: bool, stages: &[(&'static str, u32, &'static str, Option<&'static str>)]) -> Build {
    Build { over, stages: stages.to_vec(), ..Build::default() }
}

// A world in which main passed dev, with a policy that asks for a stage.
fn staged() -> (Org, String) {
    let org = Org::new(|org| format!("pipeline: {{repository: {}, stage: smoke}}\n", org.url("source")));
    let artifact = org.passed([&org.page("7"), &org.page("8")]).0;
    (org, artifact)
}

#[test]
fn every_pattern_needs_a_green_status_of_the_content() {
    let org = Org::new(|_| "statuses: [\"fluxcd/kustomization/apps/*\", e2e]\n".to_owned());
    let (artifact, landing) = org.passed(["", ""]);
    undecided(&org, "statuses", &artifact, "no status matches fluxcd/kustomization/apps/*, e2e yet");
    org.azure.status(&landing, "fluxcd", FLUX, "failed");
    org.azure.status(&landing, "fluxcd", FLUX, "succeeded");
    org.azure.status(&landing, "", "e2e", "pending");
    undecided(&org, "statuses", &artifact, "e2e pending");
    for state in ["failed", "error", "notApplicable"] {
        org.azure.status(&landing, "", "e2e", state);
        refused(&org, "statuses", &artifact, &format!("not green in dev: e2e {state}"));
    }
    for at in 0..120 {
        org.azure.status(&landing, "many", &at.to_string(), "succeeded");
    }
    org.azure.status(&landing, "", "e2e", "succeeded");
    org.azure.status(&landing, "fluxcd", "kustomization/apps/other", "failed");
    refused(&org, "statuses", &artifact, "fluxcd/kustomization/apps/other failed");
    org.azure.status(&landing, "fluxcd", "kustomization/apps/other", "succeeded");
    org.release(&artifact, "qual", &[]).is(0, "released");
    assert!(org.azure.sent().iter().all(|sent| *sent == Some(basic())));
}

#[test]
fn an_answer_that_is_no_plain_yes_opens_nothing() {
    let org = Org::new(|_| APPS.to_owned());
    let (artifact, landing) = org.passed(["", ""]);
    org.azure.status(&landing, "fluxcd", FLUX, "succeeded");
    let other = Server::start(org.world.path(), &org.world.path().join("home"), None);
    other.answer_as(&org.azure);
    let no = |status, text| Wrong::Refusal(status, text, "");
    for (wrong, words, remedy) in [
        (no(401, "TF400813: not authorized"), "TF400813: not authorized (401)", "the scope Code (read)"),
        (no(403, "TF401027: You need the Git 'GenericRead' permission"), "(403)", "Read of the repository"),
        (no(404, "TF401019: The Git repository does not exist"), "(404)", "PASSGATE_PREVIOUS_TOKEN"),
        (no(409, "TF26071: changed by someone else"), "(409)", "run it again"),
        (Wrong::Refusal(400, "out of range", "VssVersionOutOfRangeException"), "(400)", "Server 2022.1"),
        (no(500, "\r##vso[task.complete]"), "(500)", "run it again"),
        (Wrong::Limited(9, 7200), "wants 7200 s without requests", "run it again"),
        (Wrong::Page(200), "a page for people", "the scope Code (read)"),
        (Wrong::Page(203), "a page for people", "the scope Code (read)"),
        (Wrong::Cut, "broke off", "run it again"),
        (Wrong::Nonsense, "not what Azure DevOps answers", "run it again"),
        (Wrong::Part, "only a part of a list", "run it again"),
        (Wrong::Elsewhere(other.origin()), "redirects to another place", "the URL that it has now"),
    ] {
        org.azure.fail(Some(wrong.clone()));
        let run = undecided(&org, "statuses", &artifact, words);
        let told = run.gate("statuses")["remedy"].as_str().unwrap();
        assert!(told.contains(remedy), "{wrong:?}: {told}");
        assert!(!run.stderr.contains("##vso"), "{run:#?}");
    }
    assert!(other.requests().is_empty(), "another host was asked: {:?}", other.requests());
    // A short pause is kept, and so is one that a good answer asks for.
    org.azure.fail(Some(Wrong::Limited(1, 1)));
    let begun = std::time::Instant::now();
    org.run(&["plan", &artifact, "--to", &org.to("qual")]).is(0, "planned");
    assert!(begun.elapsed().as_secs() >= 1);
}

#[test]
fn a_list_that_comes_in_parts_is_read_to_its_end() {
    let org = Org::new(|_| "statuses: [\"**\"]\n".to_owned());
    let (artifact, landing) = org.passed(["", ""]);
    for at in 0..130 {
        org.azure.status(&landing, "many", &at.to_string(), "succeeded");
    }
    org.azure.status(&landing, "many", "130", "failed");
    org.azure.fail(Some(Wrong::Parts(40)));
    refused(&org, "statuses", &artifact, "many/130 failed");
    // More parts than anybody has.
    org.azure.fail(Some(Wrong::Parts(1)));
    undecided(&org, "statuses", &artifact, "in more than 50 parts");
    org.azure.status(&landing, "many", "130", "succeeded");
    org.azure.fail(Some(Wrong::Parts(40)));
    org.release(&artifact, "qual", &[]).is(0, "released");
}

#[test]
fn a_good_answer_may_ask_for_a_pause() {
    let (org, artifact) = staged();
    org.azure.built(7, stages(true, &[("smoke", 1, "completed", Some("succeeded"))]));
    // The build and its timeline are two requests.
    org.azure.fail(Some(Wrong::Tired(2)));
    let begun = std::time::Instant::now();
    org.run(&["plan", &artifact, "--to", &org.to("qual")]).is(0, "planned");
    assert!(begun.elapsed().as_secs() >= 2);
    org.azure.fail(Some(Wrong::Tired(7200)));
    undecided(&org, "pipeline", &artifact, "s without requests");
}

#[test]
fn the_way_in_depends_on_the_token() {
    let org = Org::new(|_| APPS.to_owned());
    let (artifact, _) = org.passed(["", ""]);
    org.azure.fail(Some(Wrong::Refusal(404, "TF401019", "")));
    let to = org.to("qual");
    let job = [("PASSGATE_PREVIOUS_TOKEN", "eyJhbGciOi.anothersecret.sig")];
    let before = org.azure.sent().len();
    let run = org.world.untouched(|| org.run_with(&["release", &artifact, "--to", &to], &job)).is(1, "undecided");
    let told = run.gate("statuses")["remedy"].as_str().unwrap();
    for words in
        ["Limit job authorization scope", "My Proj#1 Build Service", "Read of the repository", "Protect access"]
    {
        assert!(told.to_lowercase().contains(&words.to_lowercase()), "{words}: {told}");
    }
    assert!(
        org.azure.sent()[before..].iter().all(|sent| sent.as_deref() == Some("Bearer eyJhbGciOi.anothersecret.sig"))
    );
    let run = org.run_with(&["plan", &artifact, "--to", &to], &[("PASSGATE_TOKEN", "")]).is(1, "undecided");
    assert!(run.gate("statuses")["remedy"].as_str().unwrap().contains("$(System.AccessToken)"), "{run:#?}");
}

#[test]
fn a_stage_of_the_build_that_released_must_have_succeeded() {
    let (org, artifact) = staged();
    refused(&org, "pipeline", &artifact, "has no build 7 (any more)");
    // A build whose timeline is not there yet.
    org.azure.built(7, stages(false, &[]));
    undecided(&org, "pipeline", &artifact, "the stage smoke has not begun yet");
    org.azure.built(7, stages(true, &[("build", 1, "completed", Some("succeeded"))]));
    refused(&org, "pipeline", &artifact, "has not the stage smoke (there are: build)");
    for state in ["pending", "inProgress"] {
        org.azure.built(7, stages(false, &[("Smoke", 1, state, None)]));
        undecided(&org, "pipeline", &artifact, state);
    }
    for result in ["failed", "skipped", "canceled", "succeededWithIssues", "abandoned"] {
        // Of the latest attempt.
        let both = [("smoke", 2, "completed", Some(result)), ("smoke", 1, "completed", Some("succeeded"))];
        org.azure.built(7, stages(true, &both));
        refused(
            &org,
            "pipeline",
            &artifact,
            &format!("not passed in dev: the stage smoke of {}: {result}", org.page("7")),
        );
    }
    let good = [("smoke", 1, "completed", Some("failed")), ("smoke", 2, "completed", Some("succeeded"))];
    org.azure.built(7, Build { fork: true, ..stages(true, &good) });
    refused(&org, "pipeline", &artifact, "it ran for a fork");
    org.azure.built(7, stages(true, &good));
    org.azure.fail(Some(Wrong::Other));
    undecided(&org, "pipeline", &artifact, "about another build");
    org.azure.fail(None);
    let run = org.release(&artifact, "qual", &[]).is(0, "released");
    assert_eq!(run.verdict("pipeline"), "passed");
}

#[test]
fn a_stage_of_a_classic_release_must_have_succeeded() {
    let org = Org::new(|org| {
        format!("pipeline: {{repository: {}, run: marked, release-environment: Dev}}\n", org.url("source"))
    });
    let page =
        |project: &str, id: &str| format!("{}/acme/{project}/_releaseProgress?releaseId={id}", org.server.origin());
    let (artifact, _) = org.passed(["x", &page("0f3a9c1e-1111-2222-3333-444455556666", "3")]);
    undecided(&org, "pipeline", &artifact, "Release does not exist (404)");
    for status in ["notStarted", "inProgress", "queued", "scheduled"] {
        org.azure.released(3, &[("Dev", status), ("Qual", "succeeded")]);
        undecided(&org, "pipeline", &artifact, status);
    }
    for status in ["rejected", "canceled", "partiallySucceeded"] {
        org.azure.released(3, &[("Dev", status), ("Qual", "succeeded")]);
        refused(&org, "pipeline", &artifact, status);
    }
    org.azure.released(3, &[("Qual", "succeeded")]);
    refused(&org, "pipeline", &artifact, "has not the release stage Dev (there are: Qual)");
    org.azure.released(3, &[("Dev", "succeeded")]);
    org.azure.fail(Some(Wrong::Other));
    undecided(&org, "pipeline", &artifact, "about another release");
    org.azure.fail(None);
    org.release(&artifact, "qual", &[]).is(0, "released");
}

#[test]
fn a_run_that_is_none_of_that_project_is_refused() {
    let good = [("smoke", 1, "completed", Some("succeeded"))];
    for (page, words) in [
        ("https://dev.azure.com/acme/Other/_build/results?buildId=7", "it is no page of a build or a release of acme/"),
        ("https://ci.example/7", "it is no page of a build or a release of acme/"),
        ("SERVER/acme/Other/_build/results?buildId=7", "it is no page of a build or a release of acme/"),
        ("SERVER/acme/00000000-1111-2222-3333-444455556666/_build/results?buildId=7", "is another one"),
        ("SERVER/acme/My%20Proj%231/_releaseProgress?releaseId=7", "it is a classic release, and no build"),
    ] {
        let org = Org::new(|org| format!("pipeline: {{repository: {}, stage: smoke}}\n", org.url("source")));
        let page = page.replace("SERVER", &org.server.origin());
        let artifact = org.passed([&page, &org.page("7")]).0;
        org.azure.built(7, stages(true, &good));
        refused(&org, "pipeline", &artifact, words);
    }
    let org = Org::new(|org| format!("pipeline: {{repository: {}, job: smoke}}\n", org.url("source")));
    let artifact = org.passed([&org.page("7"), ""]).0;
    let run = undecided(&org, "pipeline", &artifact, "runs on Azure DevOps are not asked about a job");
    assert!(run.gate("pipeline")["remedy"].as_str().unwrap().contains("`stage` or a `release-environment`"));
}

// As Azure Pipelines stores what a build publishes.
fn wrapped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn stored(name: &str, kind: &'static str, bytes: &[u8]) -> Stored {
    Stored { name: name.to_owned(), kind, bytes: bytes.to_vec(), gone: false }
}

fn kept(artifacts: &[Stored]) -> Build {
    Build { over: true, artifacts: artifacts.to_vec(), ..Build::default() }
}

fn packaged() -> (Org, String, Vec<u8>) {
    let org = Org::new(|_| String::new());
    let artifact = org.world.package("main");
    let digest = org.world.digest(&artifact);
    let bytes = fs::read(&artifact).unwrap();
    fs::remove_file(artifact).unwrap();
    (org, digest, bytes)
}

#[test]
fn an_artifact_of_a_build_is_released() {
    let (org, digest, zip) = packaged();
    let blobs = Server::start(org.world.path(), &org.world.path().join("home"), None);
    blobs.answer_as(&org.azure);
    org.azure.blobs_at(&blobs.origin());
    let wrapping = wrapped(&[("drop/shop.zip", &zip), ("drop/notes.txt", b"x")]);
    let both = [stored("drop", "PipelineArtifact", &wrapping), stored("my drop#1", "Container", &wrapping)];
    org.azure.built(7, kept(&both));
    let collection = format!("{}/acme/", org.server.origin());
    let here = [("SYSTEM_COLLECTIONURI", collection.as_str()), ("SYSTEM_TEAMPROJECT", PROJECT)];
    for named in ["build:7/drop", "build:7/my drop#1", &format!("build:acme/{PROJECT}/7/drop")] {
        let run = org.run_with(&["inspect", named], &here).is(0, "inspected");
        assert_eq!(run.text("digest"), digest, "{named}");
    }
    let run = org.run_with(&["release", "build:7/drop", "--to", &org.to("dev")], &here).is(0, "released");
    assert_eq!(run.text("digest"), digest);
    // What is signed needs no token, and gets none.
    assert!(blobs.requests().iter().all(|request| request == "GET /blob/7/0?sig=signed"), "{:?}", blobs.requests());
    assert!(!blobs.requests().is_empty() && blobs.authorizations().is_empty());
    assert!(org.azure.sent().contains(&Some(basic())));
    let left: Vec<_> = fs::read_dir(org.world.path().join("tmp")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_cannot_be_had_is_said_with_the_way_out() {
    let (org, _, zip) = packaged();
    let good = wrapped(&[("shop.zip", &zip)]);
    let one = |kind, bytes: &[u8]| kept(&[stored("shop", kind, bytes)]);
    let gone = |kind| kept(&[Stored { gone: true, ..stored("shop", kind, &good) }]);
    org.azure.built(1, gone("PipelineArtifact"));
    org.azure.built(2, gone("Container"));
    org.azure.built(3, one("FilePath", &good));
    org.azure.built(4, one("PipelineArtifact", &wrapped(&[("a.zip", &zip), ("b.zip", &zip)])));
    org.azure.built(5, one("Container", &good[..good.len() / 2]));
    org.azure.built(6, kept(&[stored("shop", "Container", &good), stored("other", "Container", &good)]));
    org.azure.built(9, Build { fork: true, ..one("PipelineArtifact", &good) });
    org.azure.built(10, one("PipelineArtifact", &wrapped(&[("shop.zip", b"PK\x03\x04 no deployment")])));
    let collection = format!("{}/acme", org.server.origin());
    let release = |artifact: &str| {
        let to = org.to("dev");
        let here = [("SYSTEM_COLLECTIONURI", collection.as_str()), ("SYSTEM_TEAMPROJECT", PROJECT)];
        org.world.untouched(|| org.run_with(&["release", artifact, "--to", &to], &here))
    };
    for (artifact, words, hint) in [
        ("build:1/shop", "go when their time is over", "passgate release --from"),
        ("build:2/shop", "go when their time is over", "passgate release --from"),
        ("build:3/shop", "is a filepath", "`passgate package`"),
        ("build:4/shop", "are 2 zips among 2 files", "`passgate package`"),
        ("build:5/shop", "is no zip", "`passgate package`"),
        ("build:6", "it has several: shop, other", "build:acme/my"),
        ("build:6/none", "it has no artifact none, but shop", "passgate release --from"),
        ("build:8/shop", "it is not there (any more)", "passgate release --from"),
        ("build:99999999999/shop", "no build has such a number", "passgate release --from"),
    ] {
        let run = release(artifact).is(1, "failed");
        let error = run.json["error"].to_string();
        assert!(error.to_lowercase().contains(words), "{words:?} is not in {error}");
        assert!(
            run.json["error"]["hint"].as_str().unwrap_or_default().to_lowercase().contains(hint),
            "{hint:?} is not in {error}"
        );
        assert_eq!(run.json["error"]["code"], "forge");
    }
    release("build:9/shop").is(4, "artifact-refused").closed_by("artifact", "was made for a fork");
    release("build:10/shop").is(4, "artifact-refused");
    for bad in ["build:", "build:x", "build:a/b/c/d/e"] {
        release(bad).is(2, "usage");
    }
    org.world.untouched(|| org.run(&["release", "build:7", "--to", &org.to("dev")])).is(2, "usage");
}

#[test]
fn a_forge_that_misbehaves_gives_no_artifact() {
    let (org, _, zip) = packaged();
    org.azure.built(7, kept(&[stored("shop", "PipelineArtifact", &wrapped(&[("shop.zip", &zip)]))]));
    let other = Server::start(org.world.path(), &org.world.path().join("home"), None);
    other.answer_as(&org.azure);
    for (wrong, words, hint) in [
        (Wrong::Refusal(401, "", ""), "it answered 401", "Build (read)"),
        (Wrong::Refusal(403, "Access denied", ""), "Access denied (403)", "View builds"),
        (Wrong::Refusal(404, "no project", ""), "no project (404)", "PASSGATE_SOURCE_TOKEN"),
        (Wrong::Refusal(503, "busy", ""), "busy (503)", ""),
        (Wrong::Limited(9, 7200), "7200 s", ""),
        (Wrong::Page(200), "a page for people", "Build (read)"),
        (Wrong::Cut, "broke off", ""),
        (Wrong::Nonsense, "not what Azure DevOps answers", ""),
        (Wrong::Elsewhere(other.origin()), "redirects to another place", "the URL that it has now"),
    ] {
        org.azure.fail(Some(wrong.clone()));
        let to = org.to("dev");
        let collection = format!("{}/acme", org.server.origin());
        let here = [("SYSTEM_COLLECTIONURI", collection.as_str()), ("SYSTEM_TEAMPROJECT", PROJECT)];
        let run = org.world.untouched(|| org.run_with(&["release", "build:7", "--to", &to], &here)).is(1, "failed");
        let error = run.json["error"].to_string();
        assert!(error.contains(words), "{wrong:?}: {words:?} is not in {error}");
        assert!(run.json["error"]["hint"].as_str().unwrap_or_default().contains(hint), "{wrong:?}: {error}");
    }
    assert!(other.requests().is_empty(), "another host was asked: {:?}", other.requests());
}

#[test]
fn names_with_spaces_and_hashes_are_one_place_however_written() {
    let org = Org::new(|_| String::new());
    let artifact = text(&org.world.package("main")).to_owned();
    let run = org.release(&artifact, "dev", &[]).is(0, "released");
    assert_eq!(run.text("commit"), org.world.env("dev").id("main"));
    let record = org.world.env("dev").record("main");
    assert!(record.repository.identity().contains(ENCODED), "{}", record.repository);
    org.run(&["status", "--to", &org.to("dev")]).is(0, "reported");
    org.release(&artifact, "dev", &[]).is(0, "unchanged");
}

const GUID: &str = "0f3a9c1e-9999-2222-3333-444455556666";

#[test]
fn a_release_is_proposed_as_a_pull_request() {
    let org = Org::new(|_| String::new());
    org.rule(
        "qual",
        &format!("deliver: {{release: pull-request, labels: [release], reviewers: [{GUID}], auto-merge: squash}}\n"),
    );
    let artifact = org.passed(["", ""]).0;
    let before = org.world.env("qual").id("main");
    let run = org.release(&artifact, "qual", &[]).is(0, "pull-request");
    assert_eq!(run.json["live"], false);
    assert_eq!(org.world.env("qual").id("main"), before);
    assert_eq!(run.text("commit"), org.world.env("qual").id("passgate/shop"));
    let [pull] = &org.azure.pulls()[..] else { panic!("{:#?}", org.azure.pulls()) };
    assert_eq!(
        (&pull["sourceRefName"], &pull["targetRefName"]),
        (&"refs/heads/passgate/shop".into(), &"refs/heads/main".into())
    );
    assert_eq!((&pull["labels"][0]["name"], &pull["reviewers"][0]["id"]), (&"release".into(), &GUID.into()));
    assert_eq!(pull["completionOptions"]["mergeStrategy"], "squash");
    assert_eq!(pull["autoCompleteSetBy"]["id"], pull["createdBy"]["id"]);
    assert!(pull["description"].as_str().unwrap().encode_utf16().count() <= 4000);
    assert!(run.json["pull_request"]["url"].as_str().unwrap().ends_with("/_git/env-qual/pullrequest/1"), "{run:#?}");
    // Again: nothing is opened twice.
    org.world.untouched(|| org.release(&artifact, "qual", &[])).is(0, "pull-request");
    assert_eq!(org.azure.pulls().len(), 1);
    assert_eq!(org.azure.pulls()[0], *pull);
    // Somebody abandons it: the next one is opened anew.
    org.azure.change(1, "status", "abandoned".into());
    org.release(&artifact, "qual", &[]).is(0, "pull-request");
    assert_eq!(org.azure.pulls().len(), 2);
    // It lands, and is live.
    let landed = org.world.env("qual").id("passgate/shop");
    org.world.env("qual").point("refs/heads/main", &landed);
    org.azure.change(2, "status", "completed".into());
    org.release(&artifact, "qual", &[]).is(0, "unchanged");
}

#[test]
fn a_proposal_that_is_live_by_other_means_is_abandoned() {
    let org = Org::new(|_| String::new());
    org.rule("qual", "deliver: {release: pull-request}\n");
    let artifact = org.passed(["", ""]).0;
    org.release(&artifact, "qual", &[]).is(0, "pull-request");
    let landed = org.world.env("qual").id("passgate/shop");
    org.world.env("qual").point("refs/heads/main", &landed);
    org.release(&artifact, "qual", &[]).is(0, "unchanged");
    assert_eq!(org.azure.pulls()[0]["status"], "abandoned");
    assert_eq!(org.azure.said().len(), 1);
}

#[test]
fn what_the_forge_does_not_want_is_told() {
    let org = Org::new(|_| String::new());
    org.rule("qual", "deliver: {release: pull-request, reviewers: [dana@acme.io], labels: [x]}\n");
    let artifact = org.passed(["", ""]).0;
    // Whoever cannot be asked keeps nothing out.
    let run = org.release(&artifact, "qual", &[]).is(0, "pull-request");
    assert!(run.json["warnings"].to_string().contains("dana@acme.io is not the id of a person"), "{run:#?}");
    assert_eq!(org.azure.pulls()[0]["labels"][0]["name"], "x");
    org.azure.change(1, "status", "abandoned".into());
    let before = org.world.env("qual").id("main");
    for (wrong, words) in [
        (Wrong::Refusal(403, "TF401027: You need the Git 'PullRequestContribute' permission", ""), "(403)"),
        (Wrong::Refusal(500, "no", ""), "(500)"),
        (Wrong::Page(203), "a page for people"),
        (Wrong::Nonsense, "not what Azure DevOps answers"),
    ] {
        org.azure.fail(Some(wrong));
        let run = org.release(&artifact, "qual", &[]);
        assert_eq!(run.code, Some(1), "{run:#?}");
        assert!(run.json["error"].to_string().contains(words), "{words}: {run:#?}");
        assert_eq!(org.world.env("qual").id("main"), before);
    }
}
