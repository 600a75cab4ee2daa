//! Delivery by pull request, on a GitHub of our own with real repositories behind it.

use crate::support::github::{Hub, Wrong};
use crate::support::http::Server;
use crate::support::pulls::{Method, Pulled, merged};
use crate::support::repos::now;
use crate::support::{Policy, Run, World, del, put};

const DEPLOY: &str = "apps/shop/deploy.yaml";
const LOCAL: &str = "apps/shop/overlay-local/size.yaml";
const BRANCH: &str = "passgate/shop";

// qual wants pull requests; what passed dev is at hand.
fn hub(lines: &str) -> (Hub, String) {
    let hub = Hub::new("");
    let local = hub.world.env("qual").file("main", ".passgate/stage.yaml");
    let local = local.replace("    source:", "    local: [\"apps/*/overlay-local/**\"]\n    source:");
    hub.world.env("qual").commit("main", &[put(".passgate/stage.yaml", &local)]);
    hub.rule("qual", lines);
    let (artifact, _) = hub.passed();
    (hub, artifact)
}

fn next(hub: &Hub, content: &str) -> String {
    hub.world.repo("source").commit("main", &[put(DEPLOY, content)]);
    hub.passed().0
}

#[track_caller]
fn proposed(hub: &Hub, artifact: &str) -> Run {
    let before = hub.world.env("qual").id("main");
    let run = hub.release(artifact, "qual", &[]).is(0, "pull-request");
    assert_eq!(run.json["live"], false, "{run:#?}");
    assert_eq!(hub.world.env("qual").id("main"), before);
    assert_eq!(run.text("commit"), hub.world.env("qual").id(BRANCH));
    run
}

fn open(hub: &Hub) -> Vec<Pulled> {
    hub.github.pulls().into_iter().filter(|pull| pull.state == "open").collect()
}

fn check(hub: &Hub, head: &str) -> Run {
    let to = hub.to("qual");
    hub.world.untouched(|| hub.run(&["check", "--to", &to, "--head", head]))
}

#[track_caller]
fn land(hub: &Hub, method: Method, at: i64) -> String {
    let commit = merged(&hub.world.env("qual"), BRANCH, method, at).expect("it does not merge");
    let number = open(hub)[0].number;
    hub.github.change(number, |pull| (pull.state, pull.merged) = ("closed".to_owned(), true));
    commit
}

#[test]
fn a_release_is_proposed_once_and_becomes_true_when_it_lands() {
    let lines =
        "deliver: {release: pull-request, labels: [release], reviewers: [dana, acme/ops], auto-merge: squash}\n";
    let (hub, artifact) = hub(lines);
    let run = proposed(&hub, &artifact);
    let [pull] = &open(&hub)[..] else { panic!("{:#?}", hub.github.pulls()) };
    assert_eq!((pull.head.as_str(), pull.base.as_str(), pull.slug.as_str()), (BRANCH, "main", "acme/env-qual"));
    assert!(pull.title.starts_with("Release shop") && pull.title.ends_with("to qual"), "{}", pull.title);
    assert_eq!((&pull.labels[..], &pull.reviewers[..]), (&["release".to_owned()][..], &["dana".to_owned()][..]));
    assert_eq!((&pull.teams[..], pull.auto_merge.as_deref()), (&["ops".to_owned()][..], Some("squash")));
    assert!(pull.body.contains("| previous | passed |") && pull.body.contains("How to undo it"), "{}", pull.body);
    assert_eq!(run.json["pull_request"]["number"], 1);
    assert!(run.json["pull_request"]["url"].as_str().unwrap().ends_with("/acme/env-qual/pull/1"));
    // Nothing new: nothing pushed, opened or said.
    let written = hub.github.written();
    let again = hub.world.untouched(|| hub.release(&artifact, "qual", &[])).is(0, "pull-request");
    assert_eq!((again.text("commit"), hub.github.written()), (run.text("commit"), written));
    // Other people's commits, and files of the environment itself, change nothing of it.
    let env = hub.world.env("qual");
    env.commit("main", &[put("cluster/settings.yaml", "turn: 1\n"), put(LOCAL, "size: 2\n")]);
    hub.world.untouched(|| hub.release(&artifact, "qual", &[])).is(0, "pull-request");
    check(&hub, BRANCH).is(0, "checked");
    land(&hub, Method::Merge, now());
    let run = hub.world.untouched(|| hub.release(&artifact, "qual", &[])).is(0, "unchanged");
    assert_eq!((run.text("commit"), hub.github.written()), (env.id("main"), written));
}

#[test]
fn whatever_way_it_is_merged_the_records_hold() {
    for method in [Method::Merge, Method::Squash, Method::Rebase] {
        let (hub, first) = hub("deliver: {release: pull-request}\n");
        let env = hub.world.env("qual");
        env.commit("main", &[put(LOCAL, "size: 1\n")]);
        proposed(&hub, &first);
        env.commit("main", &[put(LOCAL, "size: 2\n"), put("cluster/settings.yaml", "turn: 1\n")]);
        check(&hub, BRANCH).is(0, "checked");
        let landed = land(&hub, method, now());
        // What is proposed next continues it, whatever its branch held before.
        let second = next(&hub, "image: 2\n");
        proposed(&hub, &second);
        env.commit("main", &[put(LOCAL, "size: 3\n"), put("apps/shop/overlay-local/new.yaml", "x: 1\n")]);
        check(&hub, BRANCH).is(0, "checked");
        land(&hub, method, now());
        // As a server that cleans up: what did not land is gone.
        env.git(&["update-ref", "-d", "refs/heads/passgate/shop"]);
        env.git(&["reflog", "expire", "--expire=now", "--all"]);
        env.git(&["gc", "-q", "--prune=now"]);
        let record = env.record("main");
        assert_eq!(record.ledger[1].release_commit.unwrap().to_string(), landed, "{method:?}");
        assert_eq!(env.file("main", LOCAL), "size: 3\n");
        let audit = hub.run(&["audit", "--to", &hub.to("qual")]);
        assert_eq!(audit.json["findings"].as_array().map(Vec::len), Some(2), "{method:?}: {audit:#?}");
        let rules: Vec<_> = audit.json["findings"].as_array().unwrap().iter().map(|found| &found["rule"]).collect();
        assert!(rules.iter().all(|rule| **rule == "policy-changed"), "{audit:#?}");
        let status = hub.run(&["status", "--to", &hub.to("qual")]).is(0, "reported");
        assert!(status.stdout.contains("released"), "{status:#?}");
        // The next stage takes it, with the soak from the later of record and landing.
        let prod = Policy { after_more: "require: released\n".into(), ..prod_policy(&hub) };
        hub.world.environment("prod", &prod);
        hub.release(&second, "prod", &[]).is(0, "released");
        let (to, digest) = (hub.to("qual"), hub.world.digest(first.as_ref()));
        hub.run(&["rollback", "--to", &to, "--unit", "shop", "--digest", &digest]).is(0, "rolled-back");
        assert_eq!(env.file("main", LOCAL), "size: 3\n");
        assert_eq!(env.file("main", DEPLOY), hub.world.env("qual").file(&landed, DEPLOY));
    }
}

fn prod_policy(hub: &Hub) -> Policy {
    Policy {
        repository: hub.url("prod"),
        after: Some(("qual".to_owned(), hub.url("qual"))),
        ..hub.world.policy("prod", None)
    }
}

#[test]
fn what_the_forge_answers_wrongly_is_told_and_heals() {
    let (hub, artifact) = hub("deliver: {release: pull-request}\n");
    let env = hub.world.env("qual");
    let main = env.id("main");
    let other = Server::start(hub.world.path(), &hub.world.path().join("home"), None);
    other.answer_as(&hub.github);
    let no = |status, text| Wrong::Refusal(status, text, None);
    for (wrong, words, hint) in [
        (no(401, "Bad credentials"), "Bad credentials (401)", "give a new one as PASSGATE_TOKEN"),
        (no(403, "Resource not accessible by integration"), "(403)", "contents: write, pull-requests: write"),
        (no(403, "GitHub Actions is not permitted to create or approve pull requests."), "(403)", "Actions, General"),
        (no(404, "Not Found"), "Not Found (404)", "permission-pull-requests: write"),
        (no(409, "Conflict"), "Conflict (409)", ""),
        (no(422, "Validation Failed"), "Validation Failed (422)", ""),
        (no(500, "\r::error::owned"), "(500)", "looks first"),
        (Wrong::Limited(9, 7200), "wants 7200 s without requests", ""),
        (Wrong::Page, "a page for people", "login page"),
        (Wrong::Elsewhere(other.origin()), "redirects to another place", "the URL that it has now"),
    ] {
        hub.github.fail_writes(Some(wrong.clone()));
        let run = hub.release(&artifact, "qual", &[]).is(1, "failed");
        assert!(run.json["error"].to_string().contains(words), "{wrong:?}: {run:#?}");
        assert!(run.json["error"]["hint"].as_str().unwrap_or_default().contains(hint), "{wrong:?}: {run:#?}");
        assert!(!run.stderr.contains("\r::error"), "{run:#?}");
        assert_eq!((env.id("main"), hub.github.pulls().len()), (main.clone(), 0));
    }
    assert!(other.requests().is_empty(), "another host was asked: {:?}", other.requests());
    // What reads goes wrong before anything is pushed.
    let held = env.id(BRANCH);
    env.git(&["update-ref", "-d", "refs/heads/passgate/shop"]);
    hub.github.fail(Some(no(403, "Resource not accessible by integration")));
    let run = hub.world.untouched(|| hub.release(&artifact, "qual", &[])).is(1, "failed");
    assert!(run.json["error"]["hint"].as_str().unwrap().contains("pull-requests: write"), "{run:#?}");
    hub.github.fail(None);
    env.git(&["update-ref", "refs/heads/passgate/shop", &held]);
    // The branch is there, and its pull request was never opened: only that is done. The answer to it is lost.
    hub.github.fail_writes(Some(Wrong::Cut));
    let run = hub.world.untouched(|| hub.release(&artifact, "qual", &[])).is(0, "pull-request");
    assert_eq!((run.text("commit"), hub.github.pulls().len()), (held, 1));
    hub.github.fail_writes(Some(Wrong::Limited(1, 1)));
    hub.github.change(1, |pull| pull.title = "mine".to_owned());
    hub.world.untouched(|| hub.release(&artifact, "qual", &[])).is(0, "pull-request");
    assert!(hub.github.pulls()[0].title.starts_with("Release shop"));
}

#[test]
fn what_stage_yaml_says_wrongly_of_people_keeps_nothing_out() {
    let (hub, artifact) = hub("deliver: {release: pull-request, reviewers: [nobody], labels: [x]}\n");
    let run = proposed(&hub, &artifact);
    assert!(run.json["warnings"].to_string().contains("Reviews may only be requested from collaborators"), "{run:#?}");
    assert_eq!(open(&hub)[0].labels, ["x"]);
}

#[test]
fn a_proposal_is_updated_in_place_and_never_by_something_older() {
    let (hub, first) = hub("deliver: {release: pull-request}\n");
    // A fork's branch of the same name is somebody else's.
    proposed(&hub, &first);
    hub.github.change(1, |pull| pull.fork = true);
    proposed(&hub, &first);
    assert_eq!(hub.github.pulls().len(), 2);
    let second = next(&hub, "image: 2\n");
    let run = proposed(&hub, &second);
    assert_eq!((run.json["pull_request"]["number"].as_u64(), open(&hub).len()), (Some(2), 2));
    assert_eq!(hub.world.env("qual").file(BRANCH, DEPLOY), "image: 2\n");
    // A run that comes late leaves the newer proposal alone.
    let late = hub.world.untouched(|| hub.release(&first, "qual", &[])).is(3, "superseded");
    assert_eq!(late.json["pull_request"]["number"], 2);
    hub.world.untouched(|| hub.release(&first, "qual", &["--if-older", "skip"]));
    // Somebody closed it: a new run is a new wish.
    hub.github.change(2, |pull| pull.state = "closed".to_owned());
    let run = hub.world.untouched(|| hub.release(&second, "qual", &[])).is(0, "pull-request");
    assert_eq!(run.json["pull_request"]["number"], 3);
    // An edit of the branch is no release, and is written over.
    let env = hub.world.env("qual");
    env.commit(BRANCH, &[put(DEPLOY, "image: evil\n")]);
    check(&hub, BRANCH).is(3, "refused");
    proposed(&hub, &second);
    check(&hub, BRANCH).is(0, "checked");
    env.commit(BRANCH, &[put("cluster/settings.yaml", "turn: 9\n")]);
    check(&hub, BRANCH).is(3, "refused");
    proposed(&hub, &second);
    assert_eq!(env.touched(BRANCH).len(), 4, "{:?}", env.touched(BRANCH));
    // A gate that closes meanwhile closes it too.
    let (to, digest) = (hub.to("dev"), hub.world.digest(second.as_ref()));
    hub.run(&["mark", "failed", "--to", &to, "--unit", "shop", "--digest", &digest]).is(0, "marked");
    check(&hub, BRANCH).is(3, "refused");
    hub.world.untouched(|| hub.release(&second, "qual", &[])).is(3, "refused");
    hub.run(&["mark", "passed", "--to", &to, "--unit", "shop", "--digest", &digest]).is(0, "marked");
    // Rules that changed make another record of it.
    hub.rule("qual", "freeze: []\n");
    check(&hub, BRANCH).is(3, "refused");
    proposed(&hub, &second);
    check(&hub, BRANCH).is(0, "checked");
}

#[test]
fn what_is_live_or_older_than_that_is_closed() {
    let (hub, first) = hub("deliver: {release: pull-request}\n");
    let env = hub.world.env("qual");
    proposed(&hub, &first);
    // Landed by hand, so that the forge does not know.
    merged(&env, BRANCH, Method::Squash, now()).unwrap();
    let run = hub.release(&first, "qual", &[]).is(0, "unchanged");
    let pull = &hub.github.pulls()[0];
    assert_eq!((pull.state.as_str(), pull.comments.len()), ("closed", 1), "{run:#?}");
    assert!(env.try_git(&["rev-parse", "--verify", "-q", "refs/heads/passgate/shop"]).is_err());
    let second = next(&hub, "image: 2\n");
    proposed(&hub, &second);
    // A run for what is live already leaves the proposal of something else alone.
    hub.world.untouched(|| hub.release(&first, "qual", &[])).is(0, "unchanged");
    assert_eq!(open(&hub).len(), 1);
    let third = next(&hub, "image: 3\n");
    hub.rule("qual", "# by commit for once\n");
    let text = env.file("main", ".passgate/stage.yaml");
    env.commit("main", &[put(".passgate/stage.yaml", &text.replace("release: pull-request", "release: commit"))]);
    hub.release(&third, "qual", &[]).is(0, "released");
    env.commit("main", &[put(".passgate/stage.yaml", &text)]);
    check(&hub, BRANCH).is(3, "refused");
    hub.release(&second, "qual", &[]).is(3, "superseded");
    assert!(open(&hub).is_empty());
}

#[test]
fn marks_rollbacks_and_retirements_are_proposed_too() {
    let (hub, first) = hub("deliver: pull-request\n");
    let env = hub.world.env("qual");
    let to = hub.to("qual");
    proposed(&hub, &first);
    land(&hub, Method::Squash, now());
    let digest = hub.world.digest(first.as_ref());
    let mark = ["mark", "passed", "--to", &to, "--unit", "shop", "--digest", &digest];
    let run = hub.run(&mark).is(0, "pull-request");
    assert_eq!(run.text("commit"), env.id("passgate-mark/shop"));
    assert_eq!(run.json["live"], false);
    assert!(open(&hub)[0].body.contains("passgate mark failed --to"), "{}", open(&hub)[0].body);
    hub.world.untouched(|| hub.run(&mark)).is(0, "pull-request");
    check(&hub, "passgate-mark/shop").is(0, "checked");
    // A release of something else may wait beside it.
    let second = next(&hub, "image: 2\n");
    proposed(&hub, &second);
    assert_eq!(open(&hub).len(), 2);
    merged(&env, "passgate-mark/shop", Method::Merge, now()).unwrap();
    let number = open(&hub).iter().find(|pull| pull.head.contains("mark")).unwrap().number;
    hub.github.change(number, |pull| (pull.state, pull.merged) = ("closed".to_owned(), true));
    hub.world.untouched(|| hub.run(&mark)).is(0, "unchanged");
    // The release does not continue that record any more, and is proposed anew.
    assert!(merged(&env, BRANCH, Method::Merge, now()).is_none());
    check(&hub, BRANCH).is(3, "refused");
    proposed(&hub, &second);
    check(&hub, BRANCH).is(0, "checked");
    let undo = format!("/acme/env-qual#main --unit shop --digest {digest}\n```");
    assert!(open(&hub)[0].body.contains(&undo), "{}", open(&hub)[0].body);
    land(&hub, Method::Rebase, now());
    let run = hub.run(&["rollback", "--to", &to, "--unit", "shop"]).is(0, "pull-request");
    assert_eq!((run.json["live"].as_bool(), run.text("commit")), (Some(false), env.id(BRANCH)));
    hub.world.untouched(|| hub.run(&["rollback", "--to", &to, "--unit", "shop"])).is(0, "pull-request");
    check(&hub, BRANCH).is(0, "checked");
    // A pipeline must not take the place of somebody's way back.
    let third = next(&hub, "image: 3\n");
    let run = hub.world.untouched(|| hub.release(&third, "qual", &[])).is(3, "refused");
    assert!(run.json["error"]["hint"].as_str().unwrap().contains("merge or close http"), "{run:#?}");
    land(&hub, Method::Merge, now());
    let record = env.record("main");
    assert_eq!((record.digest.to_string(), record.state.as_str()), (digest, "passed"));
    proposed(&hub, &third);
    land(&hub, Method::Merge, now());
    let text = env.file("main", ".passgate/stage.yaml");
    env.commit("main", &[put(".passgate/stage.yaml", &text.replace("    source:", "    retire: true\n    source:"))]);
    let dev = hub.world.env("dev");
    let text = dev.file("main", ".passgate/stage.yaml");
    dev.commit("main", &[put(".passgate/stage.yaml", &text.replace("    source:", "    retire: true\n    source:"))]);
    hub.run(&["retire", "--to", &hub.to("dev"), "--unit", "shop"]).is(0, "retired");
    hub.run(&["retire", "--to", &to, "--unit", "shop"]).is(0, "pull-request");
    check(&hub, BRANCH).is(0, "checked");
    land(&hub, Method::Squash, now());
    hub.world.untouched(|| hub.run(&["retire", "--to", &to, "--unit", "shop"])).is(0, "unchanged");
    let audit = hub.run(&["audit", "--to", &to]);
    let rules: Vec<_> = audit.json["findings"].as_array().unwrap().iter().map(|found| &found["rule"]).collect();
    assert!(rules.iter().all(|rule| **rule == "policy-changed"), "{audit:#?}");
}

#[test]
fn a_first_release_that_takes_over_files_may_wait_too() {
    let (hub, first) = hub("deliver: pull-request\n");
    let env = hub.world.env("qual");
    env.commit("main", &[put(DEPLOY, "image: by hand\n"), put(LOCAL, "size: 1\n")]);
    hub.world.untouched(|| hub.release(&first, "qual", &[])).is(3, "refused").closed_by("drift", "are here already");
    hub.release(&first, "qual", &["--adopt"]).is(0, "pull-request");
    env.commit("main", &[put("cluster/settings.yaml", "turn: 1\n"), put(LOCAL, "size: 2\n")]);
    hub.world.untouched(|| hub.release(&first, "qual", &["--adopt"])).is(0, "pull-request");
    check(&hub, BRANCH).is(0, "checked");
    land(&hub, Method::Squash, now());
    let audit = hub.run(&["audit", "--to", &hub.to("qual")]);
    assert!(!audit.stdout.contains("invalid-record") && audit.stdout.contains("\"adopted\""), "{audit:#?}");
    // What was here comes back.
    hub.run(&["rollback", "--to", &hub.to("qual"), "--unit", "shop"]).is(0, "pull-request");
    land(&hub, Method::Merge, now());
    assert_eq!((env.file("main", DEPLOY), env.file("main", LOCAL)), ("image: by hand\n".into(), "size: 2\n".into()));
}

#[test]
fn what_was_allowed_once_is_allowed_to_its_proposal() {
    let (hub, first) = hub("deliver: {release: pull-request}\n");
    let env = hub.world.env("qual");
    let (to, digest) = (hub.to("qual"), hub.world.digest(first.as_ref()));
    proposed(&hub, &first);
    land(&hub, Method::Squash, now());
    let second = next(&hub, "image: 2\n");
    proposed(&hub, &second);
    land(&hub, Method::Squash, now());
    let failed = hub.world.digest(second.as_ref());
    hub.run(&["rollback", "--to", &to, "--unit", "shop", "--digest", &digest]).is(0, "rolled-back");
    assert_eq!(env.record("main").last_mark(failed.parse().unwrap()).map(|state| state.as_str()), Some("failed"));
    hub.world.untouched(|| hub.release(&second, "qual", &[])).is(3, "refused").closed_by("order", "failed");
    env.commit("main", &[put("apps/shop/route.yaml", "route: /by-hand\n")]);
    hub.world.untouched(|| hub.release(&second, "qual", &["--retry"])).is(3, "refused").closed_by("drift", "by hand");
    hub.release(&second, "qual", &["--retry", "--adopt"]).is(0, "pull-request");
    check(&hub, BRANCH).is(0, "checked");
    // What somebody changes after that is neither lost nor let through.
    env.commit("main", &[put("infra/ingress.yaml", "host: by-hand.example\n")]);
    check(&hub, BRANCH).is(3, "refused");
}

#[test]
fn what_others_wrote_is_harmless_and_never_too_long() {
    let (hub, _) = hub("deliver: {release: pull-request}\n");
    let many: Vec<_> = (0..900).map(|n| put(&format!("apps/many/{n:0>90}.yaml"), &format!("n: {n}\n"))).collect();
    hub.world.repo("source").commit("main", &many);
    let (full, _) = hub.passed();
    proposed(&hub, &full);
    land(&hub, Method::Squash, now());
    let source = hub.world.repo("source");
    let hostile = "fixes #12 @dana [skip ci] <img src=x> | `x` ##vso[task.complete] \u{202e}";
    let gone: Vec<_> = (0..900).map(|n| del(&format!("apps/many/{n:0>90}.yaml"))).collect();
    source.on("main").edit(&gone).edit(&[put(DEPLOY, "image: 2\n")]).says(hostile).done();
    let (second, _) = hub.passed();
    proposed(&hub, &second);
    let body = &open(&hub)[0].body;
    assert!((60_000..=65_536).contains(&body.encode_utf16().count()), "{}", body.len());
    assert!(body.contains("### Files that go (900)") && body.contains("cut here"), "{body}");
    land(&hub, Method::Squash, now());
    source.on("main").edit(&[put(DEPLOY, "image: 3\n")]).says(hostile).done();
    let (third, _) = hub.passed();
    proposed(&hub, &third);
    let body = &open(&hub)[0].body;
    assert!(body.contains("### What comes"), "{body}");
    for harm in ["fixes #12", "@dana", "[skip ci]", "<img", "##vso[", "\u{202e}"] {
        assert!(!body.contains(harm), "{harm}: {body}");
    }
}

#[test]
fn what_changes_in_images_is_told_to_reviewers() {
    let deployment = |name: &str, tag: &str| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\n\
             spec: {{template: {{spec: {{containers: [{{image: \"e.io/{name}:{tag}\"}}]}}}}}}\n"
        )
    };
    let (hub, _) = hub("deliver: pull-request\n");
    let bodies = || open(&hub)[0].body.replace('\\', "");
    proposed(&hub, &next(&hub, &deployment("web", "1")));
    assert!(
        bodies().contains("### Images (1)") && bodies().contains("| Deployment web | – | e.io/web:1 |"),
        "{}",
        bodies()
    );
    land(&hub, Method::Squash, now());
    proposed(&hub, &next(&hub, &deployment("web", "2")));
    assert!(bodies().contains("| Deployment web | e.io/web:1 | e.io/web:2 |"), "{}", bodies());
    land(&hub, Method::Squash, now());
    hub.run(&["rollback", "--to", &hub.to("qual"), "--unit", "shop"]).is(0, "pull-request");
    assert!(bodies().contains("| Deployment web | e.io/web:2 | e.io/web:1 |"), "{}", bodies());
    land(&hub, Method::Squash, now());
    // However many there are, what goes and what comes is told too.
    let many: Vec<String> = (0..150).map(|n| deployment(&format!("many{n:03}"), "1")).collect();
    hub.world.repo("source").commit("main", &[del("apps/shop/route.yaml")]);
    proposed(&hub, &next(&hub, &many.join("---\n")));
    assert!(bodies().contains("### Images (151)") && bodies().contains("… and 51 more"), "{}", bodies());
    assert!(bodies().contains("### Files that go (1)") && bodies().contains("### What comes"), "{}", bodies());
    assert!(!bodies().contains("cut here"), "{}", bodies());
}

#[test]
fn units_wait_beside_each_other() {
    let (hub, shop) = hub("deliver: {release: pull-request}\n");
    hub.world.repo("source").commit("main", &[put("tools/x.yaml", "x: 1\n")]);
    let other = format!("accept:\n  - unit: tools\n    source: {}\n", hub.world.url("source"));
    let other = format!("{other}    branches: [main]\n    folders: [tools]\n");
    for stage in ["dev", "qual"] {
        let text = hub.world.env(stage).file("main", ".passgate/stage.yaml").replace("accept:\n", &other);
        hub.world.env(stage).commit("main", &[put(".passgate/stage.yaml", &text)]);
    }
    let tools = hub.world.package_with("main", &["--unit", "tools", "--folder", "tools"]);
    let tools = tools.to_str().unwrap();
    let digest = hub.release(tools, "dev", &[]).is(0, "released").text("digest");
    hub.run(&["mark", "passed", "--to", &hub.to("dev"), "--unit", "tools", "--digest", &digest]).is(0, "marked");
    proposed(&hub, &shop);
    hub.release(tools, "qual", &[]).is(0, "pull-request");
    let env = hub.world.env("qual");
    merged(&env, "passgate/tools", Method::Merge, now()).unwrap();
    hub.world.untouched(|| hub.release(&shop, "qual", &[])).is(0, "pull-request");
    check(&hub, BRANCH).is(0, "checked");
    merged(&env, BRANCH, Method::Merge, now()).unwrap();
    let audit = hub.run(&["audit", "--to", &hub.to("qual")]);
    let rules: Vec<_> = audit.json["findings"].as_array().unwrap().iter().map(|found| &found["rule"]).collect();
    assert!(rules.iter().all(|rule| **rule == "policy-changed"), "{audit:#?}");
}

#[test]
fn soak_counts_from_the_landing() {
    let (hub, first) = hub("deliver: {release: pull-request}\n");
    proposed(&hub, &first);
    let prod = Policy { after_more: "require: released\nsoak: 1h\n".into(), ..prod_policy(&hub) };
    hub.world.environment("prod", &prod);
    // Written now, and landed at a time that says more.
    land(&hub, Method::Merge, now() - 7200);
    let run = hub.world.untouched(|| hub.release(&first, "prod", &[])).is(3, "refused");
    assert_eq!(run.verdict("soak"), "refused", "{run:#?}");
    let run = hub.run_with(&["status", "--to", &hub.to("prod")], &[]).is(0, "reported");
    assert!(run.stdout.contains("soak") || run.stdout.contains("1h"), "{run:#?}");
}

// Until a run that waits has asked for a pull request once more.
fn waits(hub: &Hub, number: u64) {
    let asked = || hub.server.requests().iter().filter(|asked| asked.ends_with(&format!("/pulls/{number}"))).count();
    let before = asked();
    while asked() == before {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

#[test]
fn a_release_waits_until_it_has_landed() {
    let (hub, first) = hub("deliver: {release: pull-request}\n");
    let wait = |seconds: &str| hub.release(&first, "qual", &["--wait-for", "landed", "--timeout", seconds]);
    let run = wait("1s").is(1, "undecided");
    assert_eq!((run.json["error"]["code"].as_str(), &run.json["live"]), (Some("landed"), &false.into()), "{run:#?}");
    assert_eq!(run.json["pull_request"]["number"], 1);
    let landed = std::thread::scope(|scope| {
        let lands = scope.spawn(|| {
            waits(&hub, 1);
            land(&hub, Method::Squash, now())
        });
        let run = wait("120s").is(0, "released");
        assert_eq!(run.json["live"], true);
        (run.text("commit"), lands.join().unwrap())
    });
    assert_eq!(landed.0, landed.1);
    wait("1s").is(0, "unchanged");
    let second = next(&hub, "image: 2\n");
    proposed(&hub, &second);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            waits(&hub, 2);
            hub.github.change(2, |pull| pull.state = "closed".to_owned());
        });
        // Statuses of what is not there are not asked for.
        let more = ["--wait-for", "kustomization/*", "--timeout", "120s"];
        let run = hub.release(&second, "qual", &more).is(3, "refused");
        assert!(run.json["error"].to_string().contains("closed without being merged"), "{run:#?}");
    });
}

#[test]
fn plain_git_and_branches_in_the_way_are_told_before_anything_is_done() {
    let world = World::new();
    let more = "order: forward\ndeliver: pull-request\n";
    world.environment("qual", &Policy { more: more.into(), ..world.policy("qual", Some("dev")) });
    let artifact = world.pass("main", "dev");
    let run = world.untouched(|| world.release(&artifact, "qual")).is(2, "usage");
    assert!(run.json["error"]["hint"].as_str().unwrap().contains("PASSGATE_GITHUB_HOSTS"), "{run:#?}");
    world.untouched(|| world.run(&["plan", artifact.to_str().unwrap(), "--to", &world.to("qual")])).is(0, "planned");
    let (hub, artifact) = hub("deliver: pull-request\n");
    hub.world.env("qual").point("refs/heads/passgate", "main");
    let run = hub.world.untouched(|| hub.release(&artifact, "qual", &[])).is(3, "refused");
    assert!(run.json["error"]["message"].as_str().unwrap().contains("stands where passgate/shop belongs"), "{run:#?}");
    // Environments that share a repository have branches of their own.
    hub.world.env("qual").git(&["update-ref", "-d", "refs/heads/passgate"]);
    hub.world.env("qual").git(&["symbolic-ref", "HEAD", "refs/heads/other"]);
    hub.world.env("qual").point("refs/heads/other", "main");
    hub.release(&artifact, "qual", &[]).is(0, "pull-request");
    assert_eq!(open(&hub)[0].head, "passgate-for/main/shop");
}
