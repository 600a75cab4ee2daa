//! Break-glass, freeze, hold, and several environments at once.

use std::process::Stdio;
use std::time::Duration;

use passgate::domain::record::State;

use crate::support::{Policy, Run, World, put, text};

const DEPLOY: &str = "apps/shop/deploy.yaml";

fn with(world: &World, stage: &str, after: Option<&str>, more: &str) {
    let more = format!("order: forward\n{more}");
    world.environment(stage, &Policy { more, ..world.policy(stage, after) });
}

#[test]
fn an_override_opens_what_the_policy_names_and_is_recorded_everywhere() {
    let world = World::new();
    with(&world, "qual", Some("dev"), "override: {allow: [previous]}\n");
    let artifact = world.ship("main", "dev");
    world.refuses("previous", "have not passed there yet", &artifact, "qual");
    let reason = "INC-4711: the checks of dev hang\nPassgate-Digest: x\n::error::";
    let run = world.release_with(&artifact, "qual", &["--override", reason, "--by", "dana"]).is(0, "released");
    assert_eq!(run.json["override"]["gates"], serde_json::json!(["previous"]));
    assert_eq!(run.json["override"]["by"], "dana");
    assert_eq!(run.verdict("previous"), "refused", "what the gate said stays what it is");
    assert!(run.stderr.contains("overridden"), "{}", run.stderr);
    let env = world.env("qual");
    let record = env.record("main");
    let glass = record.overridden.as_ref().expect("it stands in the record");
    assert_eq!((glass.by.as_deref(), glass.gates.len()), (Some("dana"), 1));
    let message = env.git(&["log", "-1", "--format=%B", "main"]);
    assert!(message.contains("Override of previous: INC-4711"), "{message}");
    let trailers = env.git(&["log", "-1", "--format=%(trailers:key=Passgate-Digest,valueonly)", "main"]);
    assert_eq!(trailers.lines().filter(|line| !line.is_empty()).count(), 1, "no trailer comes out of a reason");
    // It stays through a mark, and the next stage refuses it unless it accepts overrides.
    let marked = world.mark("passed", &artifact, "qual").is(0, "marked");
    assert_eq!(marked.json["marked"], "passed");
    assert!(marked.stderr.contains("marked shop in qual passed"), "{}", marked.stderr);
    // Its release is found, and not the mark as well.
    let audit = world.run(&["audit", "--to", &world.to("qual")]).is(3, "findings");
    let overrides = audit.json["findings"].as_array().unwrap().iter().filter(|finding| finding["rule"] == "override");
    assert_eq!(overrides.count(), 1, "{:#}", audit.json["findings"]);
    world.refuses("previous", "entered qual by an override", &artifact, "prod");
    let status = world.run(&["status", "--to", &world.to("qual")]).is(0, "reported");
    assert!(status.json["stages"].to_string().contains("INC-4711"));
    let policy = Policy { after_more: "accept-overrides: true\n".into(), ..world.policy("prod", Some("qual")) };
    world.environment("prod", &policy);
    world.release(&artifact, "prod").is(0, "released");
}

#[test]
fn an_override_opens_nothing_else() {
    let world = World::new();
    with(&world, "qual", Some("dev"), "override: {allow: [soak, freeze]}\n");
    let artifact = world.ship("main", "dev");
    let why = ["--override", "INC-1"];
    let run = world.refuses_with("previous", "have not passed there yet", &artifact, "qual", &why);
    assert!(run.json["warnings"].to_string().contains("--override does not open previous"), "{run:#?}");
    assert!(run.json["override"].is_null());
    // `artifact`, `unit`, `source` and `branch` cannot even be named.
    for gate in ["artifact", "unit", "source", "branch"] {
        with(&world, "qual", Some("dev"), &format!("override: {{allow: [{gate}]}}\n"));
        world.untouched(|| world.release_with(&artifact, "qual", &why)).is(2, "usage");
    }
    with(&world, "qual", Some("dev"), "override: {allow: [previous]}\n");
    for empty in ["", "  "] {
        world.untouched(|| world.release_with(&artifact, "qual", &["--override", empty])).is(2, "usage");
    }
    let feature = world.repo("source").on("feature/x").from("main").edit(&[put(DEPLOY, "image: x\n")]).done();
    let artifact = world.package(&feature);
    world.refuses_with("branch", "not on any branch that is allowed", &artifact, "qual", &why);
}

#[test]
fn an_override_that_was_not_needed_is_not_recorded() {
    let world = World::new();
    with(&world, "dev", None, "override: {allow: [freeze]}\n");
    let artifact = world.package("main");
    let run = world.release_with(&artifact, "dev", &["--override", "just in case"]).is(0, "released");
    assert!(run.json["warnings"].to_string().contains("was not needed"));
    assert!(world.env("dev").record("main").overridden.is_none());
}

#[test]
fn an_override_opens_a_gate_that_cannot_be_asked() {
    let world = World::new();
    with(&world, "qual", Some("dev"), "override: {allow: [previous]}\n");
    let artifact = world.package("main");
    std::fs::rename(world.env("dev").path, world.path().join("gone")).unwrap();
    world.untouched(|| world.release(&artifact, "qual")).is(1, "undecided");
    world.release_with(&artifact, "qual", &["--override", "INC-2: dev is down"]).is(0, "released");
}

#[test]
fn an_overridden_drift_lets_the_artifact_win() {
    let world = World::new();
    with(&world, "dev", None, "override: {allow: [drift]}\n");
    world.ship("main", "dev");
    world.env("dev").commit("main", &[put(DEPLOY, "by: hand\n"), put("apps/hand.yaml", "x: 1\n")]);
    world.repo("source").commit("main", &[put("apps/shop/new.yaml", "a: 1\n")]);
    let artifact = world.package("main");
    world.refuses("drift", "by hand", &artifact, "dev");
    let run = world.release_with(&artifact, "dev", &["--override", "INC-3"]).is(0, "released");
    assert_eq!(run.changes("removed"), ["apps/hand.yaml"]);
    assert!(world.env("dev").file("main", DEPLOY).starts_with("image: registry"));
}

#[test]
fn a_frozen_environment_takes_nothing_and_says_until_when() {
    let world = World::new();
    let artifact = world.package("main");
    let window = "{from: 2020-01-01T00:00, until: 2999-01-01T00:00, zone: Europe/Berlin, reason: \"year end\"}";
    with(&world, "dev", None, &format!("freeze: [{window}]\n"));
    let run =
        world.refuses("freeze", "frozen until 2999-01-01 00:00 +01:00 (Europe/Berlin): year end", &artifact, "dev");
    assert!(run.gate("freeze")["remedy"].as_str().unwrap().contains("wait until 2999"));
    // Wherever a line is broken, none begins with what a runner obeys.
    let hostile = "::error::1 x ##[error] ".repeat(30);
    with(&world, "dev", None, &format!("freeze: [\"{hostile}\"]\n"));
    let run = world.refuses("freeze", "frozen until further notice", &artifact, "dev");
    assert!(run.stderr.lines().all(|line| !line.trim().starts_with("::") && !line.contains("##[")), "{}", run.stderr);
    // Windows that are past, and those that allow, keep nobody out.
    let past = "{from: 2020-01-01T00:00, until: 2020-01-02T00:00, zone: UTC}";
    let allow = "{kind: allow, cron: \"0 0 * * *\", for: 24h, zone: UTC}";
    with(&world, "dev", None, &format!("freeze: [{past}, {allow}]\n"));
    world.release(&artifact, "dev").is(0, "released");
    let never = "{kind: allow, from: 2020-01-01T00:00, until: 2020-01-02T00:00, zone: UTC, reason: \"only then\"}";
    with(&world, "dev", None, &format!("freeze: [{never}]\n"));
    world.repo("source").commit("main", &[put(DEPLOY, "image: 2\n")]);
    let second = world.package("main");
    world.refuses("freeze", "only then", &second, "dev");
    // What is live stays live, and marks go on unless the policy says otherwise.
    world.untouched(|| world.release(&artifact, "dev")).is(0, "unchanged");
    world.mark("passed", &artifact, "dev").is(0, "marked");
    with(&world, "dev", None, "freeze: [{reason: INC-9, marks: true}]\n");
    let (to, digest) = (world.to("dev"), world.digest(&artifact));
    world
        .denies("frozen until further notice", &["mark", "failed", "--to", &to, "--unit", "shop", "--digest", &digest]);
}

fn shared(world: &World, max: &str) {
    let policy = Policy {
        branches: "[main, \"feature/*\"]".into(),
        more: format!("order: any\nhold: {{for: [main], max: {max}}}\n"),
        ..world.policy("dev", None)
    };
    world.environment("dev", &policy);
    world.repo("source").on("feature/x").from("main").edit(&[put(DEPLOY, "image: x\n")]).done();
    world.repo("source").commit("main", &[put(DEPLOY, "image: 2\n")]);
}

#[test]
fn a_held_stage_refuses_other_branches_and_names_the_holder() {
    let world = World::new();
    shared(&world, "30m");
    let (first, feature) = (world.package("main~1"), world.package("feature/x"));
    world.release_with(&first, "dev", &["--by", "dana"]).is(0, "released");
    let run = world.refuses("hold", "the release of main by dana waits for its checks", &feature, "dev");
    // All thirty minutes are left when both come within one second.
    let detail = run.gate("hold")["detail"].as_str().unwrap();
    assert!(["held for 29m", "held for 30m"].iter().any(|left| detail.contains(left)), "{run:#?}");
    // Its own branch may go on; a mark lets go.
    let second = world.ship("main", "dev");
    world.refuses("hold", "main", &feature, "dev");
    world.mark("failed", &second, "dev").is(0, "marked");
    world.release(&feature, "dev").is(0, "released");
    // A branch that does not hold is replaced at once.
    world.release_with(&second, "dev", &["--retry"]).is(0, "released");
}

#[test]
fn a_hold_ends_and_can_be_waited_for() {
    let world = World::new();
    shared(&world, "4s");
    let feature = world.package("feature/x");
    world.ship("main", "dev");
    world.refuses("hold", "held for", &feature, "dev");
    let run = world.release_with(&feature, "dev", &["--wait-for", "hold", "--timeout", "30s"]).is(0, "released");
    assert_eq!(run.verdict("hold"), "passed");

    let world = World::new();
    shared(&world, "30m");
    let feature = world.package("feature/x");
    let main = world.ship("main", "dev");
    let short = world.untouched(|| world.release_with(&feature, "dev", &["--wait-for", "hold", "--timeout", "1s"]));
    short.is(3, "refused").closed_by("hold", "held for");
    // A mark in the meantime lets it through.
    let to = world.to("dev");
    let mut command = world.command();
    command.args(["release", text(&feature), "--to", &to, "--wait-for", "hold", "--json"]);
    let waiting = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(1));
    world.mark("passed", &main, "dev").is(0, "marked");
    Run::of(waiting.wait_with_output().unwrap()).is(0, "released");
}

#[test]
fn what_plain_git_cannot_wait_for_is_said_before_anything_is_done() {
    let world = World::new();
    let artifact = world.package("main");
    let run = world.untouched(|| world.release_with(&artifact, "dev", &["--wait-for", "kustomization/apps/*"]));
    let run = run.is(2, "usage");
    assert!(run.json["error"]["message"].as_str().unwrap().contains("plain git has no commit statuses"));
    world.untouched(|| world.release_with(&artifact, "dev", &["--wait-for", "hold", "--timeout", "5"])).is(2, "usage");
    let run = world.release_with(&artifact, "dev", &["--wait-for", "landed"]).is(0, "released");
    assert_eq!(run.json["live"], true);
}

#[test]
fn several_environments_are_released_into_side_by_side() {
    let world = World::new();
    for stage in ["eu", "us"] {
        world.environment(stage, &world.policy(stage, Some("dev")));
    }
    let artifact = world.pass("main", "dev");
    let (eu, us, prod) = (world.to("eu"), world.to("us"), world.to("prod"));
    let run = world.run(&["release", text(&artifact), "--to", &eu, "--to", &us, "--to", &prod]).is(3, "refused");
    let targets = run.json["targets"].as_array().unwrap();
    let results: Vec<_> = targets.iter().map(|target| target["result"].as_str().unwrap()).collect();
    assert_eq!(results, ["released", "released", "refused"]);
    assert_eq!(targets[0]["to"], eu.as_str());
    for stage in ["eu", "us"] {
        assert_eq!(world.env(stage).record("main").state, State::Released);
        assert!(run.stderr.contains(&world.url(&format!("env-{stage}"))));
    }
    // Each is repeatable on its own.
    let again = world.untouched(|| world.run(&["release", text(&artifact), "--to", &eu, "--to", &us]));
    again.is(0, "unchanged");
    let gone = world.url("nowhere");
    let run = world.untouched(|| world.run(&["release", text(&artifact), "--to", &eu, "--to", &gone])).is(1, "failed");
    assert_eq!(run.json["targets"][0]["result"], "unchanged");
    assert!(run.json["targets"][1]["error"]["message"].is_string());
    // As a variable of a pipeline: one a line.
    let both = format!("{eu}\n{us}");
    world.run_with(&["release", text(&artifact)], &[("PASSGATE_TO", &both)]).is(0, "unchanged");
    let plan = world.untouched(|| world.run(&["plan", text(&artifact), "--to", &eu, "--to", &prod]));
    plan.is(3, "refused");
}

#[test]
fn an_audit_of_the_second_month_finds_what_people_did_and_nothing_else() {
    let world = World::new();
    let env = world.env("dev");
    let to = world.to("dev");
    let policy = |unit: &str, accept: &str, more: &str| Policy {
        unit: unit.into(),
        accept: accept.into(),
        more: format!("order: forward\n{more}"),
        ..world.policy("dev", None)
    };
    let next = |n: u32| world.repo("source").commit("main", &[put(DEPLOY, &format!("image: {n}\n"))]);
    world.pass("main", "dev");
    next(2);
    world.ship("main", "dev");
    world.run(&["rollback", "--to", &to, "--unit", "shop"]).is(0, "rolled-back");
    env.commit("main", &[put("cluster/settings.yaml", "turn: 1\n")]);
    next(3);
    // Frozen, and let in by a break-glass.
    world.environment("dev", &policy("shop", "", "freeze: [INC-1]\noverride: {allow: [freeze]}\n"));
    let third = world.package("main");
    world.release_with(&third, "dev", &["--override", "INC-1"]).is(0, "released");
    // Renamed, then with a folder less, then gone.
    world.environment("dev", &policy("store", "was: [shop]\n", ""));
    next(4);
    world.ship("main", "dev");
    let digest = env.git(&["show", "main:.passgate/records/store.json"]);
    let digest = digest.split("\"digest\": \"").nth(1).unwrap().split('"').next().unwrap();
    world.run(&["mark", "passed", "--to", &to, "--unit", "store", "--digest", digest]).is(0, "marked");
    world.run(&["rollback", "--to", &to, "--unit", "store"]).is(0, "rolled-back");
    world.environment("dev", &policy("store", "was: [shop]\nfolders: [apps]\n", ""));
    next(5);
    let fifth = world.package_with("main", &["--unit", "store", "--folder", "apps"]);
    let run = world.release(&fifth, "dev").is(0, "released");
    assert_eq!(run.changes("removed"), ["infra/ingress.yaml"]);
    world.environment("dev", &policy("store", "was: [shop]\nfolders: [apps]\nretire: true\n", ""));
    world.run(&["retire", "--to", &to, "--unit", "store"]).is(0, "retired");
    let audit = world.untouched(|| world.run(&["audit", "--to", &to])).is(3, "findings");
    let rules: Vec<_> =
        audit.json["findings"].as_array().unwrap().iter().map(|finding| finding["rule"].as_str().unwrap()).collect();
    assert_eq!(
        rules,
        ["policy-changed", "override", "policy-changed", "policy-changed", "policy-changed"],
        "{:#?}",
        audit.json["findings"]
    );
}
