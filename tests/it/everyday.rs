//! What teams do every day beside promoting: edits that are undone, files of the environment, empty inputs, odd commits.

use crate::gates::aged;
use crate::support::repos::now;
use crate::support::{Policy, World, del, put, text};

const DEPLOY: &str = "apps/shop/deploy.yaml";
const RECORD: &str = ".passgate/records/shop.json";

fn soaking(world: &World, soak: &str) {
    let policy = world.policy("qual", Some("dev"));
    world.environment("qual", &Policy { after_more: format!("soak: {soak}\n"), ..policy });
}

#[test]
fn a_hand_edit_that_was_undone_begins_the_soak_anew() {
    let world = World::new();
    soaking(&world, "50m");
    let artifact = world.ship("main", "dev");
    // An hour ago, and half an hour ago the edit: only without it would that be 50 minutes.
    aged(&world, now() - 3600, now() - 3600);
    world.mark("passed", &artifact, "dev").is(0, "marked");
    let env = world.env("dev");
    let content = env.file("main", DEPLOY);
    env.on("main").edit(&[put(DEPLOY, "by: hand\n")]).at(now() - 1800).done();
    env.on("main").edit(&[put(DEPLOY, &content)]).at(now() - 1790).done();
    world.refuses("soak", "of 50m00s", &artifact, "qual");
    soaking(&world, "20m");
    world.release(&artifact, "qual").is(0, "released");
}

#[test]
fn a_file_of_the_environment_does_not_end_the_soak() {
    let world = World::new();
    let policy = Policy { accept: "local: [\"apps/here/**\"]\n".into(), ..world.policy("dev", None) };
    world.environment("dev", &policy);
    soaking(&world, "2s");
    let artifact = world.pass("main", "dev");
    std::thread::sleep(std::time::Duration::from_secs(3));
    world.env("dev").commit("main", &[put("apps/here/x.yaml", "own: 1\n")]);
    world.release(&artifact, "qual").is(0, "released");
}

#[test]
fn a_run_again_with_a_kept_file_is_unchanged() {
    let world = World::new();
    world.environment("dev", &Policy { more: "drift: keep\n".into(), ..world.policy("dev", None) });
    let artifact = world.ship("main", "dev");
    world.env("dev").commit("main", &[put("apps/hand.yaml", "by: hand\n")]);
    world.untouched(|| world.release(&artifact, "dev")).is(0, "unchanged");
}

#[test]
fn a_file_that_is_no_longer_local_is_not_deleted_in_silence() {
    let world = World::new();
    let policy = world.policy("dev", None);
    world.environment("dev", &Policy { accept: "local: [\"apps/here/**\"]\n".into(), ..policy });
    world.env("dev").commit("main", &[put("apps/here/x.yaml", "own: 1\n")]);
    world.ship("main", "dev");
    world.environment("dev", &world.policy("dev", None));
    world.repo("source").commit("main", &[put("apps/new.yaml", "a: 1\n")]);
    let artifact = world.package("main");
    world.refuses("drift", "apps/here/x.yaml", &artifact, "dev");
}

#[test]
fn the_skeleton_of_an_empty_environment_stays() {
    let world = World::new();
    let env = world.env("dev");
    env.commit("main", &[put("apps/.gitkeep", ""), put("infra/.gitignore", "x\n")]);
    let artifact = world.pass("main", "dev");
    assert_eq!(env.file("main", "infra/.gitignore"), "x\n");
    world.release(&artifact, "qual").is(0, "released");
}

#[test]
fn a_kept_file_in_the_place_of_a_folder_is_drift() {
    let world = World::new();
    world.environment("dev", &Policy { more: "drift: keep\n".into(), ..world.policy("dev", None) });
    world.ship("main", "dev");
    world.env("dev").commit("main", &[put("apps/new", "a file\n")]);
    world.repo("source").commit("main", &[put("apps/new/x.yaml", "a: 1\n")]);
    let artifact = world.package("main");
    world.refuses("drift", "apps/new", &artifact, "dev");
}

#[test]
fn a_commit_without_a_message_is_released() {
    let world = World::new();
    world.repo("source").on("main").edit(&[put("apps/new.yaml", "a: 1\n")]).says("").done();
    world.ship("main", "dev");
}

#[test]
fn main_goes_back_to_dev_after_a_feature_was_tried() {
    let world = World::new();
    let policy = world.policy("dev", None);
    world.environment("dev", &Policy { more: String::new(), branches: "[main, \"feature/*\"]".into(), ..policy });
    let source = world.repo("source");
    let main = world.ship("main", "dev");
    source.on("feature/a").from("main").edit(&[put("apps/a.yaml", "a: 1\n")]).done();
    world.ship("feature/a", "dev");
    world.release(&main, "dev").is(0, "released");
}

#[test]
fn a_live_commit_that_is_gone_does_not_block_a_branch_that_held_its_content() {
    let world = World::new();
    let source = world.repo("source");
    let fix = source.on("hotfix/1").from("main").edit(&[put(DEPLOY, "fixed: 1\n")]).done();
    world.environment("dev", &Policy { more: "order: forward\n".into(), ..world.policy("dev", None) });
    world.ship(&fix, "dev");
    source.commit("main", &[put(DEPLOY, "fixed: 1\n")]);
    source.commit("main", &[put("apps/next.yaml", "a: 1\n")]);
    source.git(&["update-ref", "-d", "refs/heads/hotfix/1"]);
    source.git(&["reflog", "expire", "--expire=now", "--all"]);
    source.git(&["gc", "-q", "--prune=now"]);
    world.ship("main", "dev");
}

#[test]
fn a_chain_that_was_reverted_twice_heals_by_adopt() {
    let world = World::new();
    let artifact = world.pass("main", "dev");
    world.mark("failed", &artifact, "dev").is(0, "marked");
    let env = world.env("dev");
    let (passed, failed) = (env.file("main~1", RECORD), env.file("main", RECORD));
    env.commit("main", &[put(RECORD, &passed)]);
    env.commit("main", &[put(RECORD, &failed)]);
    world.refuses("drift", "the chain of records is broken", &artifact, "dev");
    world.release_with(&artifact, "dev", &["--adopt", "--retry"]).is(0, "released");
    world.mark("passed", &artifact, "dev").is(0, "marked");
    world.release(&artifact, "qual").is(0, "released");
}

#[test]
fn adopt_after_a_deleted_record_knows_our_files() {
    let world = World::new();
    world.ship("main", "dev");
    world.env("dev").commit("main", &[del(RECORD)]);
    world.repo("source").commit("main", &[del("apps/shop/route.yaml")]);
    let artifact = world.package("main");
    world.refuses("drift", "the record was deleted", &artifact, "dev");
    let run = world.release_with(&artifact, "dev", &["--adopt"]).is(0, "released");
    assert_eq!(run.changes("removed"), ["apps/shop/route.yaml"]);
}

#[test]
fn an_empty_input_was_not_given() {
    let world = World::new();
    let artifact = world.package("main");
    let names =
        ["DRY_RUN", "ADOPT", "RETRY", "JSON", "IF_OLDER", "FROM", "UNIT", "DIGEST", "COMMIT", "BY", "RUN", "NOTE"];
    let names: Vec<String> = names.iter().map(|name| format!("PASSGATE_{name}")).collect();
    let empty: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
    let to = world.to("dev");
    world.run_with(&["release", text(&artifact), "--to", &to], &empty).is(0, "released");
    let digest = world.digest(&artifact);
    let all = [empty, vec![("PASSGATE_UNIT", "shop"), ("PASSGATE_COMMIT", "0123456789")]].concat();
    world.run_with(&["mark", "passed", "--to", &to, "--digest", &digest], &all).is(0, "marked");
    world.run_with(&["plan", text(&artifact), "--to", &to], &[("PASSGATE_UNIT", "shop")]).is(0, "unchanged");
}
