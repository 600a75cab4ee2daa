//! Gate `previous`: what counts as having passed the stage before, and every way to make it look so.

use std::process::Command;

use crate::support::forge::{continued, reseal};
use crate::support::{Policy, World, del, put, text};

const RECORD: &str = ".passgate/records/shop.json";

// dev has passed main's first commit; the artifact of it, and of a second commit of main.
fn two(world: &World) -> (std::path::PathBuf, std::path::PathBuf) {
    let first = world.pass("main", "dev");
    world.repo("source").commit("main", &[put("apps/shop/deploy.yaml", "image: registry.example/shop:2.0\n")]);
    (first, world.package("main"))
}

#[test]
fn content_that_never_was_in_the_stage_before_is_refused() {
    let world = World::new();
    let artifact = world.package("main");
    let run = world.refuses("previous", "the unit shop was never released to dev", &artifact, "qual");
    assert!(run.gate("previous")["remedy"].as_str().unwrap().contains("passgate release"));
    let (_, second) = two(&world);
    world.refuses("previous", "this content was never released to dev", &second, "qual");
}

#[test]
fn content_without_a_mark_is_refused_unless_a_release_is_enough() {
    let world = World::new();
    let artifact = world.ship("main", "dev");
    let run = world.refuses("previous", "its checks have not passed there yet", &artifact, "qual");
    assert!(run.gate("previous")["remedy"].as_str().unwrap().contains("passgate mark passed --to"));
    let policy = Policy { after_more: "require: released\n".into(), ..world.policy("qual", Some("dev")) };
    world.environment("qual", &policy);
    world.release(&artifact, "qual").is(0, "released");
}

#[test]
fn content_that_failed_is_refused_even_when_a_release_is_enough() {
    for require in ["passed", "released"] {
        let world = World::new();
        let more = format!("require: {require}\n");
        world.environment("qual", &Policy { after_more: more, ..world.policy("qual", Some("dev")) });
        let artifact = world.ship("main", "dev");
        world.mark("failed", &artifact, "dev").is(0, "marked");
        world.refuses("previous", "this content failed in dev", &artifact, "qual");
    }
}

#[test]
fn failed_after_passed_is_failed() {
    let world = World::new();
    let artifact = world.pass("main", "dev");
    world.mark("failed", &artifact, "dev").is(0, "marked");
    world.refuses("previous", "this content failed in dev", &artifact, "qual");
    world.mark("passed", &artifact, "dev").is(0, "marked");
    world.release(&artifact, "qual").is(0, "released");
}

#[test]
fn a_stage_whose_branch_is_not_there_is_refused() {
    let world = World::new();
    let artifact = world.pass("main", "dev");
    let text = world
        .policy("qual", Some("dev"))
        .text()
        .replace("env-dev.git\n    branch: main", "env-dev.git\n    branch: gone");
    world.env("qual").commit("main", &[put(".passgate/stage.yaml", &text)]);
    world.refuses("previous", "dev has no branch gone", &artifact, "qual");
}

#[test]
fn a_record_of_another_place_is_no_evidence() {
    let world = World::new();
    let artifact = world.pass("main", "dev");
    let copy = world.path().join("env-copy.git");
    assert!(Command::new("cp").arg("-r").arg(world.env("dev").path).arg(&copy).status().unwrap().success());
    let after = Some(("dev".to_owned(), world.url("env-copy")));
    world.environment("qual", &Policy { after, ..world.policy("qual", None) });
    world.refuses("previous", "it is not the record of this place: it is for shop in file://", &artifact, "qual");
    // The right repository under another stage's name.
    let after = Some(("test".to_owned(), world.url("env-dev")));
    world.environment("qual", &Policy { after, ..world.policy("qual", None) });
    world.refuses("previous", "it is not the record of this place: it is for shop in dev", &artifact, "qual");
}

#[test]
fn a_genuine_record_on_other_content_is_no_evidence() {
    let world = World::new();
    let (_, second) = two(&world);
    // A sound record of the second content, over the folders of the first.
    let digest = world.digest(&second);
    let env = world.env("dev");
    let record = continued(&env, "main", |record| {
        record.digest = digest.parse().unwrap();
        let mut entry = record.ledger[0].clone();
        entry.seq = record.seq;
        entry.digest = record.digest;
        record.ledger.insert(0, entry);
    });
    env.commit("main", &[put(RECORD, &record)]);
    world.refuses("previous", "names this content, but the folders at", &second, "qual");
}

#[test]
fn an_older_genuine_record_that_is_put_back_breaks_the_chain() {
    let world = World::new();
    let (first, second) = two(&world);
    let env = world.env("dev");
    let old = env.file("main", RECORD);
    world.release(&second, "dev").is(0, "released");
    world.mark("failed", &second, "dev").is(0, "marked");
    env.commit("main", &[put(RECORD, &old)]);
    for artifact in [&first, &second] {
        world.refuses("previous", "it does not continue the record before it", artifact, "qual");
    }
}

#[test]
fn a_record_that_was_edited_by_hand_is_no_evidence() {
    let world = World::new();
    let artifact = world.ship("main", "dev");
    let env = world.env("dev");
    let text = env.file("main", RECORD).replace("\"released\"", "\"passed\"");
    env.commit("main", &[put(RECORD, &text)]);
    world.refuses("previous", "its seal is broken: it was edited by hand", &artifact, "qual");
    world.refuses("drift", "its seal is broken: it was edited by hand", &artifact, "dev");
    let (digest, to) = (world.digest(&artifact), world.to("dev"));
    world.denies("is broken at", &["mark", "passed", "--to", &to, "--unit", "shop", "--digest", &digest]);
}

#[test]
fn a_record_of_another_form_is_no_evidence() {
    let world = World::new();
    let artifact = world.pass("main", "dev");
    let env = world.env("dev");
    let genuine = env.file("main", RECORD);
    for (other, words) in [
        ("{}\n".to_owned(), "its seal is broken"),
        ("not JSON\n".to_owned(), "it is not a record"),
        (genuine.replace("\n", "\r\n"), "its seal is broken"),
        (format!("{genuine}\n"), "it is not in the form that passgate writes"),
    ] {
        env.on("main").edit(&[put(RECORD, &other)]).done();
        world.refuses("previous", words, &artifact, "qual");
        env.git(&["update-ref", "refs/heads/main", "main~1"]);
    }
}

#[test]
fn a_record_whose_ledger_contradicts_it_is_no_evidence() {
    let world = World::new();
    let artifact = world.ship("main", "dev");
    let env = world.env("dev");
    let record = continued(&env, "main", |record| record.ledger[0].state = passgate::domain::record::State::Passed);
    env.commit("main", &[put(RECORD, &record)]);
    world.refuses("previous", "its ledger contradicts it", &artifact, "qual");
}

#[test]
fn a_record_whose_number_does_not_rise_breaks_the_chain() {
    let world = World::new();
    let artifact = world.pass("main", "dev");
    let env = world.env("dev");
    let record = continued(&env, "main", |record| record.seq -= 1);
    env.commit("main", &[put(RECORD, &record)]);
    world.refuses("previous", "does not rise over", &artifact, "qual");
}

#[test]
fn a_first_record_that_replaces_another_breaks_the_chain() {
    let world = World::new();
    let artifact = world.pass("main", "dev");
    let env = world.env("dev");
    // All of dev in one commit: the record continues one that this branch never had.
    let tree = env.id("main^{tree}");
    let id = env.git(&["commit-tree", "-m", "squashed", &tree]);
    env.git(&["update-ref", "refs/heads/main", &id]);
    world.refuses("previous", "it replaces a record that this branch never had", &artifact, "qual");
}

// Two histories of dev from the first release on: in one it failed, in the other something else was released.
fn forked(world: &World) -> (std::path::PathBuf, String, String) {
    let first = world.ship("main", "dev");
    let env = world.env("dev");
    let fork = env.id("main");
    world.mark("passed", &first, "dev").is(0, "marked");
    let passed = env.id("main");
    env.git(&["update-ref", "refs/heads/main", &fork]);
    world.mark("failed", &first, "dev").is(0, "marked");
    let failed = env.id("main");
    (first, passed, failed)
}

#[test]
fn two_records_that_git_merged_line_by_line_are_no_evidence() {
    let world = World::new();
    let (artifact, passed, failed) = forked(&world);
    let env = world.env("dev");
    let file = |name: &str, revision: &str| {
        let path = world.path().join(name);
        std::fs::write(&path, env.file(revision, RECORD)).unwrap();
        path
    };
    let base = format!("{failed}~1");
    let (ours, base, theirs) = (file("ours", &failed), file("base", &base), file("theirs", &passed));
    let merged = env.git(&["merge-file", "-p", "--union", text(&ours), text(&base), text(&theirs)]);
    env.on("main").from(&failed).merge(&passed).edit(&[put(RECORD, &format!("{merged}\n"))]).done();
    let run = world.untouched(|| world.release(&artifact, "qual")).is(3, "refused");
    run.closed_by("previous", "the chain of records of dev is broken");
}

#[test]
fn a_parallel_record_that_a_merge_brought_in_breaks_the_chain() {
    let world = World::new();
    let (artifact, passed, failed) = forked(&world);
    let env = world.env("dev");
    let theirs = env.file(&passed, RECORD);
    env.on("main").from(&failed).merge(&passed).edit(&[put(RECORD, &theirs)]).done();
    world.refuses("previous", "it does not continue the record before it", &artifact, "qual");
}

#[test]
fn a_merge_that_keeps_our_record_changes_nothing() {
    let world = World::new();
    let (artifact, passed, failed) = forked(&world);
    let env = world.env("dev");
    env.on("main").from(&failed).merge(&passed).done();
    world.refuses("previous", "this content failed in dev", &artifact, "qual");
}

#[test]
fn a_merge_with_our_tree_on_the_other_chain_is_no_evidence() {
    let world = World::new();
    let (first, second) = two(&world);
    world.release(&second, "dev").is(0, "released");
    world.mark("passed", &second, "dev").is(0, "marked");
    let env = world.env("dev");
    let tip = env.id("main");
    // `git merge -s ours` on the branch as it was before the second release: the release is off the first-parent chain.
    env.on("main").from("main~2").merge(&tip).done();
    for artifact in [&first, &second] {
        world.refuses("previous", "this merge left out a newer record", artifact, "qual");
    }
    // The tree of the tip on the old chain: the record jumps.
    let tree = env.id(&format!("{tip}^{{tree}}"));
    let old = env.id("main~1");
    let id = env.git(&["commit-tree", "-p", &old, "-p", &tip, "-m", "Merge", &tree]);
    env.git(&["update-ref", "refs/heads/main", &id]);
    world.refuses("previous", "it does not continue the record before it", &second, "qual");
}

#[test]
fn a_failed_mark_is_not_hidden_by_a_merge_within_a_merge() {
    let world = World::new();
    let artifact = world.pass("main", "dev");
    let env = world.env("dev");
    let passed = env.id("main");
    world.mark("failed", &artifact, "dev").is(0, "marked");
    let failed = env.id("main");
    // A merge that leaves the failed mark out, brought in by another merge whose parents both say "passed".
    let hidden = env.on("side").from(&passed).merge(&failed).done();
    env.on("main").from(&passed).merge(&hidden).done();
    world.refuses("previous", "this merge left out a newer record", &artifact, "qual");
}

#[test]
fn a_mark_that_was_reverted_is_no_evidence() {
    let world = World::new();
    let artifact = world.pass("main", "dev");
    world.mark("failed", &artifact, "dev").is(0, "marked");
    let env = world.env("dev");
    // `git revert HEAD`: the record that said passed is back.
    let before = env.file("main~1", RECORD);
    env.on("main").edit(&[put(RECORD, &before)]).says("Revert \"mark\"").done();
    world.refuses("previous", "it does not continue the record before it: a record was reverted", &artifact, "qual");
    let (digest, to) = (world.digest(&artifact), world.to("dev"));
    world.denies("is broken at", &["mark", "passed", "--to", &to, "--unit", "shop", "--digest", &digest]);
}

#[test]
fn a_record_that_was_deleted_is_no_evidence_even_when_it_comes_back() {
    let world = World::new();
    let artifact = world.pass("main", "dev");
    let env = world.env("dev");
    let record = env.file("main", RECORD);
    env.commit("main", &[del(RECORD)]);
    world.refuses("previous", "the record was deleted", &artifact, "qual");
    env.commit("main", &[put(RECORD, &record)]);
    world.refuses("previous", "it does not continue the record before it", &artifact, "qual");
    let fresh = reseal(&env, "main", |record| {
        record.seq = 1;
        record.replaces = None;
        record.ledger[0].seq = 1;
    });
    env.commit("main", &[del(RECORD)]);
    env.commit("main", &[put(RECORD, &fresh)]);
    world.refuses("previous", "it was written after the record had been deleted", &artifact, "qual");
}

#[test]
fn a_rewritten_history_of_the_stage_before_is_refused() {
    let world = World::new();
    let (first, second) = two(&world);
    world.release(&first, "qual").is(0, "released");
    let env = world.env("dev");
    world.release(&second, "dev").is(0, "released");
    // The same again on another history.
    let anchor = world.env("qual").record("main").after[0].tip.to_string();
    let root = env.id("main~3");
    assert_ne!(root, anchor);
    env.on("main").from(&root).edit(&[put("cluster/settings.yaml", "turn: 1\n")]).done();
    world.pass("main~1", "dev");
    world.release(&second, "dev").is(0, "released");
    world.mark("passed", &second, "dev").is(0, "marked");
    let run = world.refuses("previous", "the history of dev was rewritten", &second, "qual");
    assert!(run.gate("previous")["detail"].as_str().unwrap().contains(&anchor[..7]));
}

#[test]
fn content_that_entered_by_an_override_is_refused_unless_that_is_accepted() {
    let world = World::new();
    let artifact = world.ship("main", "dev");
    let env = world.env("dev");
    let record = reseal(&env, "main", |record| {
        record.overridden = Some(passgate::domain::record::Override {
            by: Some("dana".into()),
            reason: "at three in the morning".into(),
            gates: vec!["soak".into()],
        });
    });
    let files = ["apps/shop/deploy.yaml", "apps/shop/route.yaml", "infra/ingress.yaml"];
    let files: Vec<_> = files.iter().map(|path| put(path, &env.file("main", path))).collect();
    env.on("main").from("main~1").edit(&files).edit(&[put(RECORD, &record)]).done();
    world.mark("passed", &artifact, "dev").is(0, "marked");
    world.refuses("previous", "this content entered dev by an override", &artifact, "qual");
}

#[test]
fn a_mark_says_what_was_checked() {
    let world = World::new();
    let artifact = world.package("main");
    world.release(&artifact, "dev").is(0, "released");
    let run =
        world.untouched(|| world.run(&["mark", "passed", "--to", &world.to("dev"), "--unit", "shop"])).is(2, "usage");
    let said = run.json["error"].to_string();
    assert!(said.contains("--digest") && said.contains("--commit"), "{said}");
}

#[test]
fn a_mark_is_for_what_is_live_and_untouched() {
    let world = World::new();
    let (first, second) = two(&world);
    let (to, old, new) = (world.to("dev"), world.digest(&first), world.digest(&second));
    let mark = |digest: &str| {
        world.denies(
            "is not what is live in dev now",
            &["mark", "passed", "--to", &to, "--unit", "shop", "--digest", digest],
        );
    };
    mark(&new);
    world.release(&second, "dev").is(0, "released");
    mark(&old);
    let head = world.repo("source").id("main~1");
    world.denies("is not what is live", &["mark", "passed", "--to", &to, "--unit", "shop", "--commit", &head]);
    world.env("dev").commit("main", &[put("apps/shop/deploy.yaml", "by: hand\n")]);
    world.denies("changed by hand", &["mark", "passed", "--to", &to, "--unit", "shop", "--digest", &new]);
    world.denies("never released", &["mark", "passed", "--to", &world.to("prod"), "--unit", "shop", "--digest", &new]);
    world.denies("is not accepted", &["mark", "passed", "--to", &to, "--unit", "other", "--digest", &new]);
}

#[test]
fn a_mark_that_says_nothing_new_pushes_nothing() {
    let world = World::new();
    let artifact = world.pass("main", "dev");
    world.untouched(|| world.mark("passed", &artifact, "dev")).is(0, "unchanged");
    let head = world.repo("source").id("main");
    let to = world.to("dev");
    let args =
        ["mark", "failed", "--to", &to, "--unit", "shop", "--commit", &head[..10], "--note", "the probe timed out"];
    world.run(&args).is(0, "marked");
    let mark = world.env("dev").record("main").marked.unwrap();
    assert_eq!(mark.note.as_deref(), Some("the probe timed out"));
}
