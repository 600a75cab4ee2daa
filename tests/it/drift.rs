//! Gate `drift`, local and kept files, adoption, broken chains, re-anchoring, and another try of what failed.

use passgate::domain::record::State;

use crate::support::{Policy, World, del, put};

const DEPLOY: &str = "apps/shop/deploy.yaml";
const ROUTE: &str = "apps/shop/route.yaml";
const RECORD: &str = ".passgate/records/shop.json";

// dev with this rule; what main has first is live there, and a second commit of main is packaged.
fn live(rule: &str) -> (World, std::path::PathBuf) {
    let world = World::new();
    let policy = Policy { more: format!("order: forward\ndrift: {rule}\n"), ..world.policy("dev", None) };
    world.environment("dev", &policy);
    world.ship("main", "dev");
    world.repo("source").commit("main", &[put("apps/shop/new.yaml", "new: 1\n")]);
    let artifact = world.package("main");
    (world, artifact)
}

#[test]
fn an_edited_file_is_refused_or_overwritten() {
    for rule in ["refuse", "keep"] {
        let (world, artifact) = live(rule);
        world.env("dev").commit("main", &[put(ROUTE, "by: hand\n")]);
        world.refuses("drift", "edited or deleted here by hand: apps/shop/route.yaml", &artifact, "dev");
    }
    let (world, artifact) = live("overwrite");
    world.env("dev").commit("main", &[put(ROUTE, "by: hand\n")]);
    let run = world.release(&artifact, "dev").is(0, "released");
    assert_eq!(run.changes("changed"), [ROUTE]);
    assert_eq!(world.env("dev").file("main", ROUTE), "route: /shop\n");
}

#[test]
fn a_deleted_file_is_refused_or_brought_back() {
    for rule in ["refuse", "keep"] {
        let (world, artifact) = live(rule);
        world.env("dev").commit("main", &[del(ROUTE)]);
        world.refuses("drift", "edited or deleted here by hand: apps/shop/route.yaml", &artifact, "dev");
    }
    let (world, artifact) = live("overwrite");
    world.env("dev").commit("main", &[del(ROUTE)]);
    let run = world.release(&artifact, "dev").is(0, "released");
    assert_eq!(run.changes("added"), ["apps/shop/new.yaml", ROUTE]);
}

#[test]
fn an_extra_file_is_refused_removed_or_kept() {
    let (world, artifact) = live("refuse");
    world.env("dev").commit("main", &[put("apps/hand.yaml", "by: hand\n")]);
    world.refuses("drift", "that passgate never wrote: apps/hand.yaml", &artifact, "dev");

    let (world, artifact) = live("overwrite");
    world.env("dev").commit("main", &[put("apps/hand.yaml", "by: hand\n")]);
    let run = world.release(&artifact, "dev").is(0, "released");
    assert_eq!(run.changes("removed"), ["apps/hand.yaml"]);

    let (world, artifact) = live("keep");
    world.env("dev").commit("main", &[put("apps/hand.yaml", "by: hand\n")]);
    let run = world.release(&artifact, "dev").is(0, "released");
    assert_eq!(run.changes("kept"), ["apps/hand.yaml"]);
    assert_eq!(world.env("dev").file("main", "apps/hand.yaml"), "by: hand\n");
    assert_eq!(world.env("dev").record("main").kept, ["apps/hand.yaml"]);
    // A re-run is unchanged, and kept files stay out of the evidence for the next stage.
    world.untouched(|| world.release(&artifact, "dev")).is(0, "unchanged");
    world.mark("passed", &artifact, "dev").is(0, "marked");
    world.release(&artifact, "qual").is(0, "released");
    assert!(world.env("qual").tree("main", &["apps/hand.yaml"]).is_empty());
}

#[test]
fn a_hand_made_change_that_the_artifact_brings_too_is_no_drift() {
    let (world, artifact) = live("refuse");
    world.env("dev").commit("main", &[put("apps/shop/new.yaml", "new: 1\n")]);
    let run = world.release(&artifact, "dev").is(0, "released");
    assert_eq!(run.verdict("drift"), "passed");
}

#[test]
fn a_mode_is_content() {
    let (world, artifact) = live("refuse");
    world.env("dev").commit("main", &[crate::support::repos::put_as("100755", ROUTE, b"route: /shop\n")]);
    world.refuses("drift", ROUTE, &artifact, "dev");
}

#[test]
fn local_files_are_the_environments_own() {
    let world = World::new();
    let policy = Policy { accept: "local: [\"apps/*/overlay-local/**\"]\n".into(), ..world.policy("dev", None) };
    world.environment("dev", &policy);
    let env = world.env("dev");
    let local = "apps/shop/overlay-local/patch.yaml";
    env.commit("main", &[put(local, "mine: 1\n")]);
    let artifact = world.ship("main", "dev");
    assert_eq!(env.file("main", local), "mine: 1\n");
    env.commit("main", &[put(local, "mine: 2\n")]);
    world.untouched(|| world.release(&artifact, "dev")).is(0, "unchanged");
    world.mark("passed", &artifact, "dev").is(0, "marked");
    world.release(&artifact, "qual").is(0, "released");
    world.repo("source").commit("main", &[del("apps/shop/route.yaml")]);
    world.ship("main", "dev");
    assert_eq!(env.file("main", local), "mine: 2\n");
}

#[test]
fn a_first_release_over_equal_files_takes_them_over_silently() {
    let world = World::new();
    let source = world.repo("source");
    let files: Vec<_> = [DEPLOY, ROUTE].iter().map(|path| put(path, &source.file("main", path))).collect();
    world.env("dev").commit("main", &files);
    let artifact = world.package("main");
    let run = world.release(&artifact, "dev").is(0, "released");
    assert_eq!(run.changes("added"), ["infra/ingress.yaml"]);
}

#[test]
fn a_first_release_over_different_files_asks_for_adopt() {
    let world = World::new();
    world.env("dev").commit("main", &[put(ROUTE, "older: 1\n")]);
    let before = world.env("dev").id("main");
    let artifact = world.package("main");
    let run = world.refuses("drift", "are here already, with other content: apps/shop/route.yaml", &artifact, "dev");
    assert!(run.gate("drift")["remedy"].as_str().unwrap().contains("--adopt"));
    world.release_with(&artifact, "dev", &["--adopt"]).is(0, "released");
    let record = world.env("dev").record("main");
    assert_eq!(record.state, State::Released);
    let found = record.ledger.last().unwrap();
    assert_eq!((found.seq, found.state), (0, State::Adopted));
    assert_eq!(found.release_commit.unwrap().to_string(), before);
}

#[test]
fn adopt_does_not_open_drift_for_extra_files() {
    let world = World::new();
    world.env("dev").commit("main", &[put("apps/theirs.yaml", "x: 1\n"), put(ROUTE, "older: 1\n")]);
    let artifact = world.package("main");
    world.refuses_with("drift", "apps/theirs.yaml", &artifact, "dev", &["--adopt"]);
}

#[test]
fn adopted_content_is_no_evidence() {
    let world = World::new();
    let source = world.repo("source");
    let files: Vec<_> =
        [DEPLOY, ROUTE, "infra/ingress.yaml"].iter().map(|path| put(path, &source.file("main", path))).collect();
    world.env("dev").commit("main", &files);
    let same = world.package("main");
    source.commit("main", &[put(ROUTE, "route: /next\n")]);
    let next = world.package("main");
    world.release_with(&next, "dev", &["--adopt"]).is(0, "released");
    assert_eq!(world.env("dev").record("main").ledger[1].state, State::Adopted);
    world.refuses("previous", "this content was never released to dev", &same, "qual");
}

#[test]
fn a_broken_chain_is_refused_until_adopt_begins_a_new_one() {
    let world = World::new();
    let first = world.pass("main", "dev");
    let env = world.env("dev");
    let good = env.file("main", RECORD);
    env.commit("main", &[put(RECORD, &good.replace("\"passed\"", "\"failed\""))]);
    world.repo("source").commit("main", &[put(ROUTE, "route: /next\n")]);
    let second = world.package("main");
    world.refuses("drift", "the chain of records is broken at", &second, "dev");
    world.refuses("previous", "the chain of records of dev is broken at", &first, "qual");
    world.release_with(&second, "dev", &["--adopt"]).is(0, "released");
    let record = env.record("main");
    assert!(record.restarted.is_some());
    assert_eq!(record.ledger.len(), 2, "the ledger of the newest unbroken record is kept");
    assert_eq!(record.ledger[1].state, State::Passed);
    world.mark("passed", &second, "dev").is(0, "marked");
    world.release(&second, "qual").is(0, "released");
}

#[test]
fn a_chain_without_any_sound_record_can_begin_anew() {
    let world = World::new();
    world.env("dev").commit("main", &[put(RECORD, "{}\n")]);
    let artifact = world.package("main");
    world.refuses("drift", "its seal is broken", &artifact, "dev");
    world.release_with(&artifact, "dev", &["--adopt"]).is(0, "released");
    world.mark("passed", &artifact, "dev").is(0, "marked");
    world.release(&artifact, "qual").is(0, "released");
}

#[test]
fn the_same_content_from_another_commit_moves_the_record_alone() {
    let world = World::new();
    let first = world.pass("main", "dev");
    let before = world.env("dev").record("main");
    let commit = world.repo("source").commit("main", &[put("README.md", "another text\n")]);
    let again = world.package("main");
    assert_eq!(world.digest(&first), world.digest(&again));
    let run = world.release(&again, "dev").is(0, "released");
    assert_eq!(run.verdict("order"), "passed");
    let env = world.env("dev");
    assert_eq!(env.touched("main"), [RECORD]);
    let after = env.record("main");
    assert_eq!(after.state, State::Passed, "its state stays");
    assert_eq!(after.released.at, before.released.at);
    assert_eq!(after.ledger.len(), 1);
    assert_eq!(after.source.commit.to_string(), commit);
    assert_eq!(after.seq, before.seq + 1);
    world.untouched(|| world.release(&again, "dev")).is(0, "unchanged");
    world.release(&again, "qual").is(0, "released");
}

#[test]
fn content_that_failed_here_needs_retry() {
    let world = World::new();
    let first = world.ship("main", "dev");
    world.mark("failed", &first, "dev").is(0, "marked");
    // It is live: a re-run changes nothing.
    world.untouched(|| world.release(&first, "dev")).is(0, "unchanged");
    let source = world.repo("source");
    let old = source.file("main", ROUTE);
    source.commit("main", &[put(ROUTE, "route: /next\n")]);
    world.ship("main", "dev");
    source.commit("main", &[put(ROUTE, &old)]);
    let again = world.package("main");
    let run = world.refuses("order", "was marked failed in this environment", &again, "dev");
    assert!(run.gate("order")["remedy"].as_str().unwrap().contains("--retry"));
    world.release_with(&again, "dev", &["--retry"]).is(0, "released");
    assert_eq!(world.env("dev").record("main").state, State::Released);
    world.refuses("previous", "failed in dev", &again, "qual");
    world.mark("passed", &again, "dev").is(0, "marked");
    world.release(&again, "qual").is(0, "released");
}
