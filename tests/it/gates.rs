//! Gates `artifact`, `unit`, `source` and `soak`, clause by clause. Every refusal shows that nothing was pushed.

use std::fs;

use passgate::domain::time;

use crate::support::forge::{rebuilt, reseal};
use crate::support::repos::{now, put_as};
use crate::support::{Policy, World, del, put, text};

#[test]
fn an_artifact_that_is_not_as_it_was_written_is_refused() {
    let world = World::new();
    let artifact = world.package("main");
    let whole = fs::read(&artifact).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    let mut longer = whole.clone();
    longer.push(0);
    let cases = [flipped, whole[..whole.len() - 1].to_vec(), longer, Vec::new(), b"PK\x05\x06 nothing".to_vec()];
    for (at, bytes) in cases.iter().enumerate() {
        let file = world.path().join(format!("bad-{at}.zip"));
        fs::write(&file, bytes).unwrap();
        let run = world.untouched(|| world.release(&file, "dev")).is(4, "artifact-refused");
        let run = run.closed_by("artifact", "");
        assert_eq!(run.json["error"]["code"], "artifact-refused");
        world.untouched(|| world.run(&["inspect", text(&file)])).is(4, "artifact-refused");
    }
}

#[test]
fn a_unit_that_is_not_accepted_is_refused() {
    let world = World::new();
    let artifact = world.package_with("main", &["--unit", "stranger"]);
    let run = world.refuses("unit", "the unit stranger is not accepted here (accepted: shop)", &artifact, "dev");
    assert!(run.gate("unit")["remedy"].as_str().unwrap().contains("stage.yaml"));
}

#[test]
fn a_source_that_is_not_accepted_is_refused_and_never_contacted() {
    let world = World::new();
    let artifact = world.package_with("main", &["--source", "https://elsewhere.invalid/shop"]);
    let run = world.refuses("unit", "is accepted from file://", &artifact, "dev");
    assert!(run.gate("unit")["detail"].as_str().unwrap().contains("https://elsewhere.invalid/shop"));
    assert_eq!(run.verdict("source"), "passed", "the accepted source was asked, not the claimed one");
}

#[test]
fn folders_other_than_the_declared_ones_are_refused() {
    let world = World::new();
    for folders in [&["--folder", "apps"][..], &["--folder", "apps,infra=other"], &["--folder", "apps/shop,infra"]] {
        let artifact = world.package_with("main", folders);
        world.refuses("unit", "is declared to have apps, infra", &artifact, "dev");
    }
}

#[test]
fn an_artifact_with_a_file_on_a_local_path_is_refused() {
    let world = World::new();
    let policy = Policy { accept: "local: [\"apps/*/overlay-local/**\"]\n".into(), ..world.policy("dev", None) };
    world.environment("dev", &policy);
    world.repo("source").commit("main", &[put("apps/shop/overlay-local/patch.yaml", "a: 1\n")]);
    let artifact = world.package("main");
    world.refuses("unit", "apps/shop/overlay-local/patch.yaml", &artifact, "dev");
}

#[test]
fn a_copied_policy_opens_nothing() {
    let world = World::new();
    let artifact = world.package("main");
    let text_of = world.env("dev").file("main", ".passgate/stage.yaml");
    let copy = world.repo("env-copy");
    copy.commit("main", &[put(".passgate/stage.yaml", &text_of)]);
    world.refuses("unit", "a copied policy opens nothing", &artifact, "copy");
    // The same repository, another branch.
    let env = world.env("dev");
    env.point("refs/heads/other", "main");
    let to = format!("{}#other", world.url("env-dev"));
    let run = world.untouched(|| world.run(&["release", text(&artifact), "--to", &to])).is(3, "refused");
    run.closed_by("unit", "a copied policy opens nothing");
    let digest = world.digest(&artifact);
    world.denies("stage.yaml here is for", &["mark", "passed", "--to", &to, "--unit", "shop", "--digest", &digest]);
}

#[test]
fn a_unit_that_is_developed_here_is_not_released_here() {
    let world = World::new();
    let policy = Policy { source: "self".into(), branches: String::new(), ..world.policy("dev", None) };
    world.environment("dev", &policy);
    let artifact = world.package("main");
    world.refuses("unit", "developed in this repository (source: self)", &artifact, "dev");
}

#[test]
fn a_place_without_a_policy_or_a_branch_takes_nothing() {
    let world = World::new();
    let artifact = world.package("main");
    world.repo("env-bare").commit("main", &[put("x", "y")]);
    for to in [world.to("bare"), format!("{}#nowhere", world.url("env-dev")), world.url("env-void")] {
        if to.contains("void") {
            world.repo("env-void");
        }
        let run = world.untouched(|| world.run(&["release", text(&artifact), "--to", &to]));
        assert!(matches!(run.code, Some(1..=3)), "{run:#?}");
        assert!(!run.json["error"]["message"].as_str().unwrap_or_default().is_empty(), "{run:#?}");
    }
}

#[test]
fn a_rebuilt_artifact_with_other_content_is_refused() {
    let world = World::new();
    let genuine = world.package("main");
    let edited = rebuilt(&world, &genuine, |files, _| files[0].2 = b"image: evil\n".to_vec());
    world.refuses("source", "it differs in apps/shop/deploy.yaml", &edited, "dev");
    let fewer = rebuilt(&world, &genuine, |files, _| drop(files.remove(1)));
    world.refuses("source", "it lacks apps/shop/route.yaml", &fewer, "dev");
    let more = rebuilt(&world, &genuine, |files, _| files.push(("apps/x.yaml".into(), "100644", b"x: 1\n".to_vec())));
    world.refuses("source", "it has in addition apps/x.yaml", &more, "dev");
    let mode = rebuilt(&world, &genuine, |files, _| files[0].1 = "100755");
    world.refuses("source", "it differs in apps/shop/deploy.yaml", &mode, "dev");
    let moved = rebuilt(&world, &genuine, |_, manifest| manifest.source.commit = "1".repeat(40).parse().unwrap());
    let run = world.refuses("source", "cannot be had", &moved, "dev");
    assert_eq!(run.verdict("branch"), "refused");
}

#[test]
fn content_of_a_commit_that_was_packaged_as_another_is_refused() {
    let world = World::new();
    let old = world.repo("source").id("main");
    world.repo("source").commit("main", &[put("apps/shop/deploy.yaml", "image: new\n")]);
    let genuine = world.package("main");
    let claimed = rebuilt(&world, &genuine, |_, manifest| manifest.source.commit = old.parse().unwrap());
    world.refuses("source", "it differs in apps/shop/deploy.yaml", &claimed, "dev");
}

#[test]
fn a_source_that_does_not_answer_leaves_its_gates_undecided() {
    let world = World::new();
    let artifact = world.package("main");
    fs::rename(world.repo("source").path, world.path().join("gone")).unwrap();
    let run = world.untouched(|| world.release(&artifact, "dev")).is(1, "undecided");
    for gate in ["source", "branch"] {
        assert_eq!(run.verdict(gate), "undecided", "{run:#?}");
        assert!(!run.gate(gate)["remedy"].as_str().unwrap().is_empty());
    }
    // Refused beats undecided.
    let stranger = rebuilt(&world, &artifact, |_, manifest| manifest.unit = "stranger".parse().unwrap());
    world.refuses("unit", "not accepted", &stranger, "dev");
}

fn soaking(world: &World, soak: &str) {
    let policy = Policy {
        branches: "[main, {match: \"hotfix/*\", soak: 0s}]".into(),
        after_more: format!("soak: {soak}\n"),
        ..world.policy("qual", Some("dev"))
    };
    world.environment("qual", &policy);
}

#[test]
fn content_that_was_not_live_long_enough_is_refused() {
    let world = World::new();
    soaking(&world, "2h");
    let artifact = world.pass("main", "dev");
    let run = world.refuses("soak", "of 2h00m", &artifact, "qual");
    assert!(run.gate("soak")["remedy"].as_str().unwrap().starts_with("wait "));
    assert_eq!(run.verdict("previous"), "passed");
}

#[test]
fn content_that_was_live_long_enough_is_let_in() {
    let world = World::new();
    soaking(&world, "1s");
    let artifact = world.pass("main", "dev");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let run = world.release(&artifact, "qual").is(0, "released");
    assert_eq!(run.verdict("soak"), "passed");
}

// Moves the one release of dev into the past, as if it had been made then.
pub fn aged(world: &World, record_at: i64, landed_at: i64) {
    let env = world.env("dev");
    let record = reseal(&env, "main", |record| {
        record.released.at = time::text(record_at);
        record.ledger[0].released = time::text(record_at);
    });
    let files: Vec<_> = ["apps/shop/deploy.yaml", "apps/shop/route.yaml", "infra/ingress.yaml"]
        .iter()
        .map(|path| put(path, &env.file("main", path)))
        .collect();
    env.on("main")
        .from("main~1")
        .edit(&files)
        .edit(&[put(".passgate/records/shop.json", &record)])
        .at(landed_at)
        .done();
}

#[test]
fn soak_begins_with_the_later_of_record_and_landing_commit() {
    for (record_at, landed_at) in [(-7200, -60), (-60, -7200)] {
        let world = World::new();
        soaking(&world, "1h");
        let artifact = world.ship("main", "dev");
        aged(&world, now() + record_at, now() + landed_at);
        world.mark("passed", &artifact, "dev").is(0, "marked");
        world.refuses("soak", "live in dev for 1m", &artifact, "qual");
    }
    let world = World::new();
    soaking(&world, "1h");
    let artifact = world.ship("main", "dev");
    aged(&world, now() - 7200, now() - 7200);
    world.mark("passed", &artifact, "dev").is(0, "marked");
    world.release(&artifact, "qual").is(0, "released");
}

#[test]
fn a_break_of_the_live_interval_ends_the_soak() {
    let world = World::new();
    soaking(&world, "1h");
    let artifact = world.ship("main", "dev");
    aged(&world, now() - 7200, now() - 7200);
    let env = world.env("dev");
    let good = env.file("main", "apps/shop/route.yaml");
    env.on("main").edit(&[put("apps/shop/route.yaml", "by: hand\n")]).at(now() - 5400).done();
    env.on("main").edit(&[put("apps/shop/route.yaml", &good)]).at(now() - 600).done();
    world.mark("passed", &artifact, "dev").is(0, "marked");
    world.refuses("soak", "dev", &artifact, "qual");
}

#[test]
fn content_that_left_and_came_back_soaks_anew() {
    let world = World::new();
    let policy = Policy { more: "order: any\n".into(), ..world.policy("dev", None) };
    world.environment("dev", &policy);
    soaking(&world, "1h");
    let first = world.pass("main", "dev");
    world.repo("source").commit("main", &[put("apps/new.yaml", "a: 1\n")]);
    let second = world.ship("main", "dev");
    world.refuses("soak", "it is not live in dev", &first, "qual");
    world.release(&first, "dev").is(0, "released");
    let run = world.refuses("soak", "of 1h00m", &first, "qual");
    assert_eq!(run.verdict("previous"), "passed", "it keeps the mark that it earned");
    world.refuses("previous", "have not passed", &second, "qual");
}

#[test]
fn a_release_in_the_future_leaves_soak_undecided() {
    let world = World::new();
    soaking(&world, "1h");
    let artifact = world.ship("main", "dev");
    aged(&world, now() - 7200, now() + 86_400);
    world.mark("passed", &artifact, "dev").is(0, "marked");
    let run = world.untouched(|| world.release(&artifact, "qual")).is(1, "undecided");
    assert_eq!(run.verdict("soak"), "undecided");
    assert!(run.gate("soak")["detail"].as_str().unwrap().contains("future"), "{run:#?}");
}

#[test]
fn the_longest_soak_of_the_branches_that_prove_a_commit_counts() {
    let world = World::new();
    soaking(&world, "2h");
    let source = world.repo("source");
    let cut = source.id("main");
    source.on("hotfix/1").from(&cut).edit(&[put("apps/shop/deploy.yaml", "image: fixed\n")]).done();
    // The commit of main is on the chain of the hotfix branch too.
    let claimed = world.pass(&cut, "dev");
    world.refuses("soak", "of 2h00m", &claimed, "qual");
    let hotfix = world.pass("hotfix/1", "dev");
    let run = world.release(&hotfix, "qual").is(0, "released");
    assert_eq!(run.verdict("soak"), "not-asked");
}

#[test]
fn files_that_git_uses_are_no_part_of_the_comparison() {
    let world = World::new();
    world.repo("source").commit(
        "main",
        &[
            put("apps/.gitattributes", "* text\n"),
            put("apps/shop/.gitignore", "x\n"),
            put_as("100755", "apps/run.sh", b"#!/bin/sh\n"),
            del("apps/shop/route.yaml"),
        ],
    );
    let artifact = world.package("main");
    let run = world.release(&artifact, "dev").is(0, "released");
    assert_eq!(run.verdict("source"), "passed");
    let tree = world.env("dev").tree("main", &["apps"]);
    assert_eq!(tree.len(), 2, "{tree:#?}");
}

#[test]
fn a_source_commit_with_a_name_that_is_not_utf8_is_no_artifacts() {
    let world = World::new();
    let genuine = world.package("main");
    let commit = world.repo("source").commit("main", &[put("\"apps/shop/caf\\351.yaml\"", "x: 1\n")]);
    let artifact = rebuilt(&world, &genuine, |_, manifest| manifest.source.commit = commit.parse().unwrap());
    world.refuses("source", r"it lacks apps/shop/caf\xe9.yaml", &artifact, "dev");
}
