//! Gate `statuses` and `--wait-for`, on a GitHub of our own; what it answers wrongly opens nothing.

use std::sync::Arc;
use std::time::Duration;

use crate::support::github::{Hub, TOKEN, Wrong};
use crate::support::http::Server;
use crate::support::{Policy, Run, World, put};

const APPS: &str = "statuses: [\"kustomization/apps/*\"]\n";
const FLUX: &str = "kustomization/apps/4b2a9d1f";

// A release to qual that waits for something: exit 1, and nothing pushed.
#[track_caller]
fn undecided(hub: &Hub, artifact: &str, words: &str) -> Run {
    let run = hub.world.untouched(|| hub.release(artifact, "qual", &[])).is(1, "undecided");
    assert_eq!(run.verdict("statuses"), "undecided", "{run:#?}");
    let (detail, remedy) = (&run.gate("statuses")["detail"], &run.gate("statuses")["remedy"]);
    assert!(detail.as_str().unwrap().contains(words), "{words:?} is not in {detail}");
    assert!(!remedy.as_str().unwrap_or_default().is_empty(), "{run:#?}");
    run
}

#[track_caller]
fn refused(hub: &Hub, artifact: &str, words: &str) {
    let run = hub.world.untouched(|| hub.release(artifact, "qual", &[])).is(3, "refused");
    run.closed_by("statuses", words);
}

#[test]
fn every_pattern_needs_a_green_status_of_the_content() {
    let hub = Hub::new("statuses: [\"kustomization/apps/*\", e2e]\n");
    let (artifact, landing) = hub.passed();
    undecided(&hub, &artifact, "no status matches kustomization/apps/*, e2e yet");
    hub.github.status(&landing, FLUX, "success");
    hub.github.status(&landing, "lint", "failure");
    undecided(&hub, &artifact, "no status matches e2e yet");
    hub.github.check(&landing, "e2e", "in_progress", None);
    undecided(&hub, &artifact, "e2e in_progress");
    for conclusion in ["failure", "skipped", "neutral", "cancelled"] {
        hub.github.check(&landing, "e2e", "completed", Some(conclusion));
        refused(&hub, &artifact, &format!("not green in dev: e2e {conclusion}"));
    }
    hub.github.check(&landing, "e2e", "completed", Some("success"));
    hub.github.status(&landing, "kustomization/apps/other", "error");
    refused(&hub, &artifact, "kustomization/apps/other error");
    hub.github.status(&landing, "kustomization/apps/other", "pending");
    undecided(&hub, &artifact, "kustomization/apps/other pending");
    hub.github.status(&landing, "kustomization/apps/other", "success");
    let run = hub.release(&artifact, "qual", &[]).is(0, "released");
    assert_eq!(run.verdict("statuses"), "passed");
    let recorded = hub.world.env("qual").record("main");
    assert!(recorded.gates.iter().any(|gate| gate.gate == "statuses" && gate.detail.contains(FLUX)));
    assert!(hub.github.sent().iter().all(|sent| *sent == Some(format!("Bearer {TOKEN}"))));
}

#[test]
fn a_later_commit_counts_while_it_carries_the_content() {
    let hub = Hub::new(APPS);
    let (artifact, landing) = hub.passed();
    let dev = hub.world.env("dev");
    // A commit that other people made beside our folders, and one that changed them by hand.
    let beside = dev.commit("main", &[put("cluster/settings.yaml", "turn: 1\n")]);
    let by_hand = dev.commit("main", &[put("apps/shop/deploy.yaml", "image: other\n")]);
    hub.github.status(&by_hand, FLUX, "success");
    undecided(&hub, &artifact, "no status matches kustomization/apps/* yet");
    hub.github.status(&landing, FLUX, "success");
    let plan = hub.run(&["plan", &artifact, "--to", &hub.to("qual")]).is(0, "planned");
    assert_eq!(plan.verdict("statuses"), "passed");
    // Of a context the newest counts.
    hub.github.status(&beside, FLUX, "failure");
    refused(&hub, &artifact, "not green in dev");
    hub.github.status(&beside, FLUX, "success");
    hub.github.status(&landing, FLUX, "failure");
    hub.release(&artifact, "qual", &[]).is(0, "released");
}

#[test]
fn what_was_red_at_the_landing_is_not_hidden_by_another_context() {
    let hub = Hub::new(APPS);
    let (artifact, landing) = hub.passed();
    let beside = hub.world.env("dev").commit("main", &[put("cluster/settings.yaml", "turn: 1\n")]);
    hub.github.status(&landing, "kustomization/apps/other", "failure");
    hub.github.status(&beside, FLUX, "success");
    refused(&hub, &artifact, "kustomization/apps/other failure");
}

#[test]
fn a_red_status_on_a_later_page_is_seen() {
    let hub = Hub::new("statuses: [\"**\"]\n");
    let (artifact, landing) = hub.passed();
    for at in 0..150 {
        hub.github.status(&landing, &format!("many/{at}"), "success");
    }
    hub.github.status(&landing, "many/150", "failure");
    refused(&hub, &artifact, "many/150 failure");
}

#[test]
fn an_answer_that_is_no_plain_yes_opens_nothing() {
    let hub = Hub::new(APPS);
    let (artifact, landing) = hub.passed();
    hub.github.status(&landing, FLUX, "success");
    let other = Server::start(hub.world.path(), &hub.world.path().join("home"), None);
    other.answer_as(&hub.github);
    let no = |status, text| Wrong::Refusal(status, text, None);
    let reset = ("Retry-After", "3600".to_owned());
    for (wrong, words, remedy) in [
        (no(401, "Bad credentials"), "Bad credentials (401)", "give a new one as PASSGATE_PREVIOUS_TOKEN"),
        (no(403, "Resource not accessible by integration"), "(403)", "permissions: {statuses: read, checks: read}"),
        (no(404, "Not Found"), "Not Found (404)", "actions/create-github-app-token"),
        (no(422, "No commit found for SHA"), "No commit found for SHA (422)", "run it again"),
        (no(500, "\r::error::owned"), "(500)", "run it again"),
        (Wrong::Refusal(403, "API rate limit exceeded", Some(reset)), "rate limit", "run it again"),
        (Wrong::Limited(9, 7200), "wants 7200 s without requests", "run it again"),
        (Wrong::Page, "a page for people", "login page"),
        (Wrong::Cut, "broke off", "run it again"),
        (Wrong::Nonsense, "not what GitHub answers", "run it again"),
        (Wrong::Other, "about another commit", "run it again"),
        (Wrong::Elsewhere(other.origin()), "redirects to another place", "the URL that it has now"),
    ] {
        hub.github.fail(Some(wrong.clone()));
        let run = undecided(&hub, &artifact, words);
        let told = run.gate("statuses")["remedy"].as_str().unwrap();
        assert!(told.contains(remedy), "{wrong:?}: {told}");
        assert!(!run.stderr.contains("\r::error"), "{run:#?}");
    }
    assert!(other.requests().is_empty(), "another host was asked: {:?}", other.requests());
    // A short pause is kept.
    hub.github.fail(Some(Wrong::Limited(1, 1)));
    hub.release(&artifact, "qual", &[]).is(0, "released");
}

#[test]
fn a_token_for_another_host_stays_here() {
    let hub = Hub::new(APPS);
    let (artifact, landing) = hub.passed();
    hub.github.status(&landing, FLUX, "success");
    // The target is somewhere else, and so is its token.
    let policy = Policy {
        after: Some(("dev".to_owned(), hub.url("dev"))),
        after_more: APPS.to_owned(),
        ..hub.world.policy("far", None)
    };
    hub.world.environment("far", &policy);
    let before = hub.github.sent().len();
    let to = hub.world.to("far");
    hub.run(&["plan", &artifact, "--to", &to]).is(0, "planned");
    assert!(hub.github.sent()[before..].iter().all(Option::is_none));
    let before = hub.github.sent().len();
    hub.run_with(&["plan", &artifact, "--to", &to], &[("PASSGATE_PREVIOUS_TOKEN", "ghp_anothersecret")])
        .is(0, "planned");
    assert!(hub.github.sent()[before..].iter().all(|sent| sent.as_deref() == Some("Bearer ghp_anothersecret")));
}

#[test]
fn a_stage_that_only_another_stage_names_gets_no_token() {
    let hub = Hub::new("");
    let far = |stage: &str, before: (&str, String), more: &str| {
        let after = Some((before.0.to_owned(), before.1));
        let policy = Policy { after, after_more: more.to_owned(), ..hub.world.policy(stage, None) };
        hub.world.environment(stage, &policy);
    };
    far("test", ("dev", hub.url("dev")), APPS);
    far("prod", ("test", hub.world.url("env-test")), "");
    hub.passed();
    let before = hub.github.sent().len();
    let token = [("PASSGATE_PREVIOUS_TOKEN", "ghp_anothersecret")];
    let run = hub.run_with(&["status", "--to", &hub.world.to("prod")], &token).is(0, "reported");
    assert!(run.stdout.contains("no status matches kustomization/apps/* yet"), "{run:#?}");
    assert!(hub.github.sent().len() > before);
    assert!(hub.github.sent()[before..].iter().all(Option::is_none));
    hub.run_with(&["status", "--to", &hub.world.to("test")], &token).is(0, "reported");
    assert!(hub.github.sent().iter().any(|sent| sent.as_deref() == Some("Bearer ghp_anothersecret")));
}

#[test]
fn a_machine_without_certificates_can_ask_too() {
    let hub = Hub::new(APPS);
    let (artifact, landing) = hub.passed();
    hub.github.status(&landing, FLUX, "success");
    let to = hub.to("qual");
    let none = [("SSL_CERT_FILE", "/nonexistent"), ("SSL_CERT_DIR", "/nonexistent")];
    hub.run_with(&["plan", &artifact, "--to", &to], &none).is(0, "planned");
    // A file that was named is meant.
    let missing = [("NODE_EXTRA_CA_CERTS", "/nonexistent")];
    let args = ["release", &artifact, "--to", &to];
    let run = hub.world.untouched(|| hub.run_with(&args, &missing)).is(1, "undecided");
    assert!(run.gate("statuses")["detail"].as_str().unwrap().contains("cannot read /nonexistent"), "{run:#?}");
}

#[test]
fn plain_git_has_no_statuses_and_says_so() {
    let world = World::new();
    world.environment("qual", &Policy { after_more: APPS.to_owned(), ..world.policy("qual", Some("dev")) });
    let artifact = world.pass("main", "dev");
    let run = world.untouched(|| world.release(&artifact, "qual")).is(1, "undecided");
    assert!(run.gate("statuses")["detail"].as_str().unwrap().contains("is on plain git"), "{run:#?}");
    assert!(run.gate("statuses")["remedy"].as_str().unwrap().contains("PASSGATE_GITHUB_HOSTS"), "{run:#?}");
    // What was never there has no statuses to wait for.
    world.repo("source").commit("main", &[put("apps/shop/route.yaml", "route: /new\n")]);
    let artifact = world.package("main");
    world.refuses("statuses", "no commit of dev carries this content", &artifact, "qual");
}

#[test]
fn a_mark_waits_for_its_statuses() {
    let hub = Hub::new("");
    let artifact = hub.world.package("main");
    let artifact = artifact.to_str().unwrap();
    let landing = hub.release(artifact, "dev", &[]).is(0, "released").text("commit");
    let wait = ["--wait-for", "kustomization/apps/*", "--timeout", "1s"];
    let run = hub.world.untouched(|| hub.mark(artifact, &wait)).is(1, "undecided");
    assert_eq!(run.verdict("statuses"), "undecided");
    hub.github.status(&landing, FLUX, "failure");
    hub.world.untouched(|| hub.mark(artifact, &wait)).is(3, "refused").closed_by("statuses", "not green in dev");
    hub.github.status(&landing, FLUX, "pending");
    let (github, commit) = (Arc::clone(&hub.github), landing.clone());
    let flux = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(1));
        github.status(&commit, FLUX, "success");
    });
    hub.mark(artifact, &["--wait-for", "kustomization/apps/*", "--timeout", "60s"]).is(0, "marked");
    flux.join().unwrap();
    // What is not live is not waited for.
    hub.world.repo("source").commit("main", &[put("apps/shop/route.yaml", "route: /new\n")]);
    let other = hub.world.package("main");
    let run = hub.world.untouched(|| hub.mark(other.to_str().unwrap(), &["--wait-for", "x"])).is(3, "refused");
    assert!(run.json["error"]["message"].as_str().unwrap().contains("is not what is live"));
    let (to, digest) = (hub.to("dev"), hub.world.digest(artifact.as_ref()));
    let failed = ["mark", "failed", "--to", &to, "--unit", "shop", "--digest", &digest, "--wait-for", "x"];
    hub.world.untouched(|| hub.run(&failed)).is(2, "usage");
}

#[test]
fn a_release_waits_for_statuses_of_what_it_released() {
    let hub = Hub::new("");
    let artifact = hub.world.package("main");
    let artifact = artifact.to_str().unwrap();
    hub.github.everywhere(FLUX, "failure");
    let wait = ["--wait-for", "kustomization/apps/*", "--timeout", "1s"];
    let run = hub.release(artifact, "dev", &wait).is(1, "unknown");
    assert_eq!(run.json["live"], true);
    assert_eq!(run.json["error"]["code"], "statuses");
    assert_eq!(run.text("commit"), hub.world.env("dev").id("main"));
    hub.github.everywhere(FLUX, "pending");
    hub.world.untouched(|| hub.release(artifact, "dev", &wait)).is(1, "unknown");
    hub.github.everywhere(FLUX, "success");
    hub.world.untouched(|| hub.release(artifact, "dev", &wait)).is(0, "unchanged");
    hub.github.fail(Some(Wrong::Refusal(401, "Bad credentials", None)));
    let run = hub.world.untouched(|| hub.release(artifact, "dev", &["--wait-for", "x"])).is(1, "unknown");
    assert!(run.json["error"]["hint"].as_str().unwrap().contains("PASSGATE_TOKEN"), "{run:#?}");
}
