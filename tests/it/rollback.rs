//! `rollback`: back to what was live before, with nothing but the environment's own repository.

use std::time::{Duration, Instant};

use passgate::domain::record::State;

use crate::support::{Policy, Run, World, del, put, text};

const DEPLOY: &str = "apps/shop/deploy.yaml";

fn back(world: &World, stage: &str, more: &[&str]) -> Run {
    let to = world.to(stage);
    let mut args = vec!["rollback", "--to", &to, "--unit", "shop"];
    args.extend(more);
    world.run(&args)
}

fn refused(world: &World, stage: &str, words: &str, more: &[&str]) -> Run {
    let to = world.to(stage);
    let mut args = vec!["rollback", "--to", &to, "--unit", "shop"];
    args.extend(more);
    world.denies(words, &args)
}

// Three contents one after the other, passed and released up to prod.
fn promoted(world: &World) -> Vec<std::path::PathBuf> {
    (1..=3)
        .map(|turn| {
            let extra = format!("apps/shop/extra{turn}.yaml");
            world
                .repo("source")
                .commit("main", &[put(DEPLOY, &format!("image: shop:{turn}\n")), put(&extra, "x: 1\n")]);
            let artifact = world.pass("main", "dev");
            world.release(&artifact, "qual").is(0, "released");
            world.mark("passed", &artifact, "qual").is(0, "marked");
            world.release(&artifact, "prod").is(0, "released");
            artifact
        })
        .collect()
}

#[test]
fn three_in_the_morning() {
    let world = World::new();
    let artifacts = promoted(&world);
    let env = world.env("prod");
    let good = env.tree("main~1", &["apps", "infra"]);
    let cluster = env.tree("main", &["cluster"]);
    let status = world.run(&["status", "--to", &world.to("prod")]).is(0, "reported");
    let stages = status.json["stages"].as_array().unwrap();
    let prod = stages.iter().find(|stage| stage["stage"] == "prod").unwrap();
    let command = prod["units"][0]["way_back"].as_str().expect("status prints the command").to_owned();
    // Everything else is gone: the source, the stages before, the artifacts.
    for name in ["source", "env-dev", "env-qual"] {
        std::fs::rename(world.repo(name).path, world.path().join(format!("gone-{name}"))).unwrap();
    }
    let kept = std::fs::read(&artifacts[2]).unwrap();
    artifacts.iter().for_each(|artifact| std::fs::remove_file(artifact).unwrap());

    let begun = Instant::now();
    let words: Vec<String> = command.split(' ').skip(1).map(|word| word.trim_matches('\'').to_owned()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let run = world.run(&words).is(0, "rolled-back");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(run.text("commit"), env.id("main"));
    assert_eq!(run.verdict("drift"), "passed");
    assert_eq!(run.verdict("previous"), "not-asked");
    assert_eq!(run.changes("changed"), [DEPLOY]);
    assert_eq!(run.changes("removed"), ["apps/shop/extra3.yaml"]);
    assert_eq!(env.tree("main", &["apps", "infra"]), good);
    assert_eq!(env.tree("main", &["cluster"]), cluster);
    let record = env.record("main");
    assert_eq!(record.ledger[1].state, State::Failed, "what was left is marked");
    assert_eq!(record.ledger[0].digest.to_string(), run.text("digest"));
    assert_eq!(record.after, env.record("main~1").after, "the anchors are carried over");
    assert!(env.git(&["log", "-1", "--format=%B", "main"]).contains("Roll back shop "));
    // The printed command names the content, so that a second press changes nothing.
    world.untouched(|| world.run(&words)).is(0, "unchanged");

    // Morning: the others are back. A re-run of the bad release is refused, the fixed one goes through all stages.
    for name in ["source", "env-dev", "env-qual"] {
        std::fs::rename(world.path().join(format!("gone-{name}")), world.path().join(format!("{name}.git"))).unwrap();
    }
    std::fs::write(&artifacts[2], kept).unwrap();
    world.refuses("order", "marked failed in this environment", &artifacts[2], "prod");
    world.repo("source").commit("main", &[put(DEPLOY, "image: shop:4\n")]);
    let fixed = world.pass("main", "dev");
    world.release(&fixed, "qual").is(0, "released");
    world.mark("passed", &fixed, "qual").is(0, "marked");
    world.release(&fixed, "prod").is(0, "released");
    assert_eq!(env.file("main", DEPLOY), "image: shop:4\n");
}

#[test]
fn what_was_rolled_back_in_a_stage_does_not_reach_the_next() {
    let world = World::new();
    world.pass("main", "dev");
    world.repo("source").commit("main", &[put(DEPLOY, "image: bad\n")]);
    let bad = world.pass("main", "dev");
    back(&world, "dev", &[]).is(0, "rolled-back");
    world.refuses("previous", "this content failed in dev", &bad, "qual");
    // What came back had passed, and still has.
    let to = world.to("qual");
    let from = world.to("dev");
    world.run(&["release", "--from", &from, "--to", &to, "--unit", "shop"]).is(0, "released");
}

#[test]
fn steps_count_distinct_contents_that_did_not_fail() {
    let world = World::new();
    let artifacts = promoted(&world);
    let first = world.digest(&artifacts[0]);
    let run = back(&world, "prod", &["--steps", "2", "--dry-run"]).is(0, "planned");
    assert_eq!(run.text("digest"), first);
    // One step, and again one: the failed one in between is not counted.
    back(&world, "prod", &["--steps", "1"]).is(0, "rolled-back");
    let run = back(&world, "prod", &["--steps", "1"]).is(0, "rolled-back");
    assert_eq!(run.text("digest"), first);
    refused(&world, "prod", "cannot go 1 back", &[]);
    refused(&world, "prod", "failed in prod", &["--digest", &world.digest(&artifacts[2])]);
    refused(&world, "prod", "was never live in prod", &["--digest", &format!("sha256:{}", "0".repeat(64))]);
    world.untouched(|| back(&world, "prod", &["--digest", &first])).is(0, "unchanged");
    world.untouched(|| back(&world, "prod", &["--steps", "0"])).is(2, "usage");
}

#[test]
fn a_kept_verdict_lets_the_content_come_back() {
    let world = World::new();
    let artifacts = promoted(&world);
    back(&world, "prod", &["--keep-verdict"]).is(0, "rolled-back");
    assert_ne!(world.env("prod").record("main").ledger[1].state, State::Failed);
    world.release(&artifacts[2], "prod").is(0, "released");
}

#[test]
fn a_failed_content_comes_back_with_retry_only() {
    let world = World::new();
    let artifacts = promoted(&world);
    back(&world, "prod", &[]).is(0, "rolled-back");
    world.refuses("order", "marked failed", &artifacts[2], "prod");
    world.release_with(&artifacts[2], "prod", &["--retry"]).is(0, "released");
}

#[test]
fn adopted_content_is_a_way_back() {
    let world = World::new();
    let env = world.env("dev");
    env.commit("main", &[put(DEPLOY, "image: by-hand\n"), put("infra/ingress.yaml", "host: old\n")]);
    let before = env.tree("main", &["apps", "infra"]);
    let artifact = world.package("main");
    world.release_with(&artifact, "dev", &["--adopt"]).is(0, "released");
    back(&world, "dev", &[]).is(0, "rolled-back");
    assert_eq!(env.tree("main", &["apps", "infra"]), before);
    let record = env.record("main");
    assert_eq!(record.state, State::Adopted);
    // Adopted content is evidence for nothing.
    let (from, to) = (world.to("dev"), world.to("qual"));
    let digest = record.digest.to_string();
    world.denies(
        "was never released",
        &["release", "--from", &from, "--to", &to, "--unit", "shop", "--digest", &digest],
    );
}

#[test]
fn hand_made_changes_stop_a_rollback_until_they_are_adopted() {
    let world = World::new();
    promoted(&world);
    let env = world.env("prod");
    let last = env.record("main").ledger[1].digest.to_string();
    env.commit("main", &[put(DEPLOY, "image: by-hand\n")]);
    let run = world.untouched(|| back(&world, "prod", &["--digest", &last])).is(3, "refused");
    run.closed_by("drift", "edited or deleted here by hand");
    back(&world, "prod", &["--digest", &last, "--adopt"]).is(0, "rolled-back");
    assert_eq!(env.file("main", DEPLOY), "image: shop:2\n");
}

#[test]
fn files_of_the_environment_and_of_others_stay() {
    let world = World::new();
    let local = "local: [\"apps/shop/local/**\"]\n";
    world.environment("dev", &Policy { accept: local.into(), ..world.policy("dev", None) });
    let env = world.env("dev");
    world.ship("main", "dev");
    world.repo("source").commit("main", &[put(DEPLOY, "image: new\n"), del("apps/shop/route.yaml")]);
    world.ship("main", "dev");
    env.commit("main", &[put("apps/shop/local/x.yaml", "mine: 1\n"), put("cluster/settings.yaml", "turn: 7\n")]);
    back(&world, "dev", &[]).is(0, "rolled-back");
    assert_eq!(env.file("main", "apps/shop/local/x.yaml"), "mine: 1\n");
    assert_eq!(env.file("main", "cluster/settings.yaml"), "turn: 7\n");
    assert_eq!(env.file("main", "apps/shop/route.yaml"), "route: /shop\n");
}

#[test]
fn there_must_be_something_to_go_back_to() {
    let world = World::new();
    refused(&world, "dev", "was never released to dev", &[]);
    world.ship("main", "dev");
    refused(&world, "dev", "cannot go 1 back", &[]);
    let to = world.to("dev");
    world.denies("is not accepted in dev", &["rollback", "--to", &to, "--unit", "other"]);
    let policy = Policy { source: "self".into(), branches: String::new(), ..world.policy("dev", None) };
    world.environment("dev", &policy);
    refused(&world, "dev", "developed in this repository", &[]);
}

#[test]
fn a_freeze_stops_rollbacks_only_when_it_says_so() {
    let world = World::new();
    promoted(&world);
    let policy = |freeze: &str| Policy {
        more: format!("order: forward\nfreeze: {freeze}\n"),
        ..world.policy("prod", Some("qual"))
    };
    world.environment("prod", &policy("[{reason: \"INC-1\", rollbacks: true}]"));
    let run = world.untouched(|| back(&world, "prod", &[])).is(3, "refused");
    run.closed_by("freeze", "frozen until further notice: INC-1");
    world.environment("prod", &policy("[\"INC-1\"]"));
    back(&world, "prod", &[]).is(0, "rolled-back");
}

#[test]
fn an_override_does_not_wear_off_by_going_and_coming_back() {
    let world = World::new();
    let glass = "order: forward\noverride: {allow: [freeze]}\nfreeze: [stop]\n";
    world.environment("dev", &Policy { more: glass.into(), ..world.policy("dev", None) });
    let first = world.package("main");
    let reason = ["--override", "INC-1", "--by", "dana"];
    world.release_with(&first, "dev", &reason).is(0, "released");
    world.mark("passed", &first, "dev").is(0, "marked");
    world.environment("dev", &world.policy("dev", None));
    world.repo("source").commit("main", &[put(DEPLOY, "image: new\n")]);
    world.ship("main", "dev");
    back(&world, "dev", &[]).is(0, "rolled-back");
    world.refuses("previous", "entered dev by an override", &first, "qual");
}

#[test]
fn a_refusal_prints_the_way_back() {
    let world = World::new();
    promoted(&world);
    world.repo("source").commit("main", &[put(DEPLOY, "image: next\n")]);
    let next = world.package("main");
    let run = world.refuses("previous", "never released to qual", &next, "prod");
    assert!(run.text("way_back").starts_with("passgate rollback --to "), "{run:#?}");
    let (to, artifact) = (world.to("prod"), text(&next).to_owned());
    let shown = world.command().args(["release", &artifact, "--to", &to]).output().unwrap();
    assert!(String::from_utf8_lossy(&shown.stderr).contains("to go back: passgate rollback"));
}

#[test]
fn pull_request_environments_may_roll_back_by_commit() {
    let world = World::new();
    let artifacts = promoted(&world);
    let deliver = |what: &str| Policy {
        more: format!("order: forward\ndeliver: {what}\n"),
        ..world.policy("prod", Some("qual"))
    };
    world.environment("prod", &deliver("pull-request"));
    let run = world.untouched(|| back(&world, "prod", &[])).is(2, "usage");
    assert!(run.json["error"].to_string().contains("plain git has none"), "{run:#?}");
    world.environment("prod", &deliver("{release: pull-request, rollback: commit}"));
    world.untouched(|| world.release(&artifacts[0], "prod")).is(2, "usage");
    back(&world, "prod", &[]).is(0, "rolled-back");
}

#[test]
fn adopted_content_is_no_evidence_whatever_is_said_of_it() {
    let world = World::new();
    // What qual held before passgate came is an old commit of main, which never was in dev.
    let source = world.repo("source");
    let files: Vec<_> = ["apps/shop/deploy.yaml", "apps/shop/route.yaml", "infra/ingress.yaml"]
        .iter()
        .map(|path| put(path, &source.file("main", path)))
        .collect();
    world.env("qual").commit("main", &files);
    let old = world.package("main");
    source.commit("main", &[put(DEPLOY, "image: 2\n")]);
    let new = world.pass("main", "dev");
    world.release_with(&new, "qual", &["--adopt"]).is(0, "released");
    back(&world, "qual", &[]).is(0, "rolled-back");
    let (to, digest) = (world.to("qual"), world.digest(&old));
    let mark = ["mark", "passed", "--to", &to, "--unit", "shop", "--digest", &digest];
    world.denies("is no release: it is adopted", &mark);
    world.refuses("previous", "this content was never released to qual", &old, "prod");
}

#[test]
fn an_override_of_a_re_anchoring_binds_the_content() {
    let world = World::new();
    let glass = "order: forward\noverride: {allow: [previous]}\n";
    world.environment("qual", &Policy { more: glass.into(), ..world.policy("qual", Some("dev")) });
    let first = world.pass("main", "dev");
    world.release(&first, "qual").is(0, "released");
    world.mark("passed", &first, "qual").is(0, "marked");
    world.mark("failed", &first, "dev").is(0, "marked");
    // The same content from another commit.
    world.repo("source").commit("main", &[put("README.md", "other\n")]);
    let again = world.package("main");
    world.release_with(&again, "qual", &["--override", "INC-1"]).is(0, "released");
    world.refuses("previous", "entered qual by an override", &again, "prod");
    world.mark("passed", &first, "dev").is(0, "marked");
    world.repo("source").commit("main", &[put(DEPLOY, "image: 2\n")]);
    let next = world.pass("main", "dev");
    world.release(&next, "qual").is(0, "released");
    back(&world, "qual", &[]).is(0, "rolled-back");
    world.refuses("previous", "entered qual by an override", &again, "prod");
}

#[test]
fn what_is_live_is_repaired_by_its_own_digest() {
    let world = World::new();
    promoted(&world);
    let env = world.env("prod");
    let live = env.record("main").digest.to_string();
    world.untouched(|| back(&world, "prod", &["--digest", &live])).is(0, "unchanged");
    env.commit("main", &[put(DEPLOY, "by: hand\n")]);
    let run = world.untouched(|| back(&world, "prod", &["--digest", &live])).is(3, "refused");
    assert!(run.gate("drift")["remedy"].as_str().unwrap().contains("--adopt"));
    back(&world, "prod", &["--digest", &live, "--adopt"]).is(0, "rolled-back");
    assert_eq!(env.file("main", DEPLOY), "image: shop:3\n");
    assert_ne!(env.record("main").state, State::Failed, "what was repaired did not fail");
    env.commit("main", &[put(".passgate/records/shop.json", "{}\n")]);
    world.untouched(|| back(&world, "prod", &["--digest", &live])).is(3, "refused");
    back(&world, "prod", &["--digest", &live, "--adopt"]).is(0, "rolled-back");
    world.untouched(|| back(&world, "prod", &["--digest", &live])).is(0, "unchanged");
}

#[test]
fn adopted_content_that_is_not_only_ours_stays_where_it_is() {
    let world = World::new();
    let keep = Policy { more: "order: forward\ndrift: keep\n".into(), ..world.policy("dev", None) };
    world.environment("dev", &keep);
    let env = world.env("dev");
    env.commit("main", &[put(DEPLOY, "image: old\n"), put("apps/extra.yaml", "x: 1\n")]);
    world.release_with(&world.package("main"), "dev", &["--adopt"]).is(0, "released");
    refused(&world, "dev", "apps/extra.yaml is part of it, and is kept as somebody else's now", &[]);
    assert_eq!(env.file("main", "apps/extra.yaml"), "x: 1\n");
}

#[test]
fn status_shows_the_way_back_while_a_stage_before_is_down() {
    let world = World::new();
    promoted(&world);
    std::fs::rename(world.env("qual").path, world.path().join("gone")).unwrap();
    let run = world.run(&["status", "--to", &world.to("prod")]).is(0, "reported");
    let stages = run.json["stages"].as_array().unwrap();
    assert!(stages[0]["unreachable"].is_string(), "{run:#?}");
    let command = stages[1]["units"][0]["way_back"].as_str().unwrap();
    assert!(command.starts_with("passgate rollback"));
    let to = world.to("prod");
    let shown = world.command().args(["status", "--to", &to]).output().unwrap();
    assert!(String::from_utf8_lossy(&shown.stdout).contains("qual could not be asked"));
}

#[test]
fn status_says_what_keeps_content_out_here() {
    let world = World::new();
    promoted(&world);
    back(&world, "prod", &[]).is(0, "rolled-back");
    let run = world.run(&["status", "--to", &world.to("prod")]).is(0, "reported");
    let prod = run.json["stages"].as_array().unwrap().last().unwrap();
    assert!(prod["units"][0]["lacks"][0]["blocked"].to_string().contains("was marked failed here"), "{prod:#?}");
}
