//! Gate `drift`, local and kept files, adoption, broken chains, re-anchoring, and another try of what failed.

use passgate::domain::record::State;

use crate::support::repos::put_as;
use crate::support::{Policy, World, del, put, text};

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
    world.env("dev").commit("main", &[put_as("100755", ROUTE, b"route: /shop\n")]);
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

// dev with another policy, and an artifact of main with these folders.
fn with(rule: &str, accept: &str, folders: &[&str]) -> (World, std::path::PathBuf) {
    let world = World::new();
    let more = format!("order: forward\ndrift: {rule}\n");
    world.environment("dev", &Policy { more, accept: accept.into(), ..world.policy("dev", None) });
    let folders: Vec<&str> = folders.iter().flat_map(|folder| ["--folder", folder]).collect();
    let artifact = world.package_with("main", &folders);
    (world, artifact)
}

#[test]
fn what_is_in_the_way_of_a_nested_folder_is_somebody_elses_and_never_removed() {
    let submodule = put_as("160000", "apps", b"1234567890123456789012345678901234567890");
    for other in [put("apps", "theirs\n"), put_as("120000", "apps", b"cluster"), submodule] {
        for rule in ["refuse", "overwrite", "keep"] {
            let (world, artifact) = with(rule, "folders: [apps/shop]\n", &["apps/shop"]);
            let env = world.env("dev");
            env.commit("main", std::slice::from_ref(&other));
            for more in [&[][..], &["--adopt"]] {
                let words = "somebody else's files stand where this unit's belong: apps";
                world.refuses_with("drift", words, &artifact, "dev", more);
            }
            env.commit("main", &[del("apps")]);
            world.release(&artifact, "dev").is(0, "released");
            // The same over what was released.
            env.commit("main", &[del("apps/shop"), other.clone()]);
            world.refuses("drift", "stand where this unit's belong: apps", &artifact, "dev");
            let (to, digest) = (world.to("dev"), world.digest(&artifact));
            world.denies("changed by hand", &["mark", "passed", "--to", &to, "--unit", "shop", "--digest", &digest]);
        }
    }
}

#[test]
fn what_is_in_the_way_of_the_record_is_never_removed() {
    for (theirs, words) in [
        (".passgate/records", "stand where this unit's belong: .passgate/records"),
        (".passgate/records/shop.json/x", "stand where this unit's belong: .passgate/records/shop.json"),
    ] {
        let (world, artifact) = with("overwrite", "", &["apps", "infra"]);
        world.env("dev").commit("main", &[put(theirs, "theirs\n")]);
        world.refuses_with("drift", words, &artifact, "dev", &["--adopt"]);
    }
}

#[test]
fn what_stands_for_the_units_own_folder_is_refused_or_overwritten() {
    let submodule = put_as("160000", "apps", b"1234567890123456789012345678901234567890");
    for other in [put("apps", "theirs\n"), put_as("120000", "apps", b"cluster"), submodule] {
        let (world, artifact) = with("refuse", "", &["apps", "infra"]);
        world.env("dev").commit("main", std::slice::from_ref(&other));
        world.refuses("drift", "that passgate never wrote: apps", &artifact, "dev");
        let (world, artifact) = with("keep", "", &["apps", "infra"]);
        world.env("dev").commit("main", std::slice::from_ref(&other));
        world.refuses("drift", "are here already, with other content: apps", &artifact, "dev");
        let (world, artifact) = with("overwrite", "", &["apps", "infra"]);
        world.env("dev").commit("main", std::slice::from_ref(&other));
        let run = world.release(&artifact, "dev").is(0, "released");
        assert_eq!(run.changes("removed"), ["apps"]);
        assert_eq!(world.env("dev").tree("main", &["apps"]), world.repo("source").tree("main", &["apps"]));
    }
}

#[test]
fn a_file_for_a_folder_that_the_artifact_has_empty_is_refused() {
    let world = World::new();
    let policy = world.policy("dev", None);
    let policy = Policy { more: "drift: keep\n".into(), accept: "folders: [apps, more]\n".into(), ..policy };
    world.environment("dev", &policy);
    world.env("dev").commit("main", &[put("more", "theirs\n")]);
    let artifact = world.package_with("main", &["--folder", "apps", "--folder", "more", "--allow-empty", "more"]);
    world.refuses("drift", "are here already, with other content: more", &artifact, "dev");
}

// git's own quoted form of a name with a byte that is no UTF-8.
const LATIN: &str = "\"apps/shop/caf\\351.yaml\"";

#[test]
fn a_name_that_is_not_utf8_is_refused_or_its_file_removed() {
    let words = r"have names that are not UTF-8: apps/shop/caf\xe9.yaml";
    for rule in ["refuse", "keep"] {
        let (world, artifact) = live(rule);
        world.env("dev").commit("main", &[put(LATIN, "by: hand\n")]);
        let run = world.refuses("drift", words, &artifact, "dev");
        assert!(run.gate("drift")["remedy"].as_str().unwrap().contains("rename"));
        world.refuses_with("drift", words, &artifact, "dev", &["--adopt"]);
    }
    let (world, artifact) = live("overwrite");
    world.env("dev").commit("main", &[put(LATIN, "by: hand\n")]);
    let run = world.release(&artifact, "dev").is(0, "released");
    assert_eq!(run.changes("removed"), [r"apps/shop/caf\xe9.yaml"]);
    assert_eq!(
        world.env("dev").tree("main", &["apps", "infra"]),
        world.repo("source").tree("main", &["apps", "infra"])
    );
    // The environment's own file would have to stay, and cannot.
    let (world, artifact) = with("overwrite", "local: [\"apps/*/caf*\"]\n", &["apps", "infra"]);
    world.env("dev").commit("main", &[put(LATIN, "by: hand\n")]);
    world.refuses("drift", words, &artifact, "dev");
}

#[test]
fn a_local_file_in_the_way_is_never_removed() {
    let (world, artifact) = with("overwrite", "local: [apps/shop]\n", &["apps", "infra"]);
    world.env("dev").commit("main", &[put("apps/shop", "mine: 1\n")]);
    let words = "stand where this unit's belong: apps/shop";
    world.refuses_with("drift", words, &artifact, "dev", &["--adopt"]);
}

#[test]
fn what_comes_in_the_way_during_the_push_is_seen_at_the_next_try() {
    let (world, artifact) = with("overwrite", "folders: [apps/shop]\n", &["apps/shop"]);
    let env = world.env("dev");
    let theirs = env.on("theirs").from("main").edit(&[put("apps", "theirs\n")]).done();
    // A git that lets the other writer be first.
    let path = std::env::var("PATH").unwrap();
    let real =
        path.split(':').map(|folder| format!("{folder}/git")).find(|file| std::fs::exists(file).unwrap()).unwrap();
    let bin = world.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    let update = format!("{real} --git-dir {} update-ref refs/heads/main {theirs}", env.path.display());
    let script = format!("#!/bin/sh\ncase \" $* \" in *' push '*) {update} ;; esac\nexec {real} \"$@\"\n");
    std::fs::write(bin.join("git"), script).unwrap();
    std::fs::set_permissions(bin.join("git"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let (to, path) = (world.to("dev"), format!("{}:{path}", bin.display()));
    let run = world.run_with(&["release", text(&artifact), "--to", &to], &[("PATH", &path)]);
    run.is(3, "refused").closed_by("drift", "stand where this unit's belong: apps");
    assert_eq!(env.id("main"), theirs, "nothing was pushed");
}
