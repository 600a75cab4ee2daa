//! Gate `branch`: traps around names of refs and around what a branch's own chain is.

use crate::support::{Policy, World, put};

const FORGED: &[(&str, &str)] = &[
    ("GITHUB_ACTIONS", "true"),
    ("GITHUB_REF", "refs/heads/main"),
    ("GITHUB_REF_NAME", "main"),
    ("GITHUB_HEAD_REF", "main"),
    ("GITHUB_BASE_REF", "main"),
    ("TF_BUILD", "True"),
    ("BUILD_SOURCEBRANCH", "refs/heads/main"),
    ("BUILD_SOURCEBRANCHNAME", "main"),
    ("SYSTEM_PULLREQUEST_TARGETBRANCH", "refs/heads/main"),
    ("INPUT_BRANCH", "main"),
    ("PASSGATE_BRANCH", "main"),
    ("PASSGATE_SOURCE_BRANCH", "main"),
];

// A commit that is on a ref of this full name only.
fn stray(world: &World, reference: &str) -> String {
    let source = world.repo("source");
    let id = source.on("stray").from("main").edit(&[put("apps/stray.yaml", reference)]).done();
    source.git(&["update-ref", "-d", "refs/heads/stray"]);
    source.git(&["update-ref", reference, &id]);
    id
}

#[test]
fn a_commit_of_a_branch_that_is_not_allowed_is_refused_whatever_the_job_says() {
    let world = World::new();
    world.repo("source").on("feature/x").from("main").edit(&[put("apps/x.yaml", "x: 1\n")]).done();
    let artifact = world.package("feature/x");
    let to = world.to("dev");
    let args = ["release", artifact.to_str().unwrap(), "--to", &to];
    let run = world.untouched(|| world.run_with(&args, FORGED)).is(3, "refused");
    run.closed_by("branch", "is not on any branch that is allowed here (main, hotfix/*) (it is the tip of feature/x)");
}

#[test]
fn a_feature_branch_may_enter_dev_and_not_qual() {
    let world = World::new();
    let policy = Policy { branches: "[main, \"feature/*\"]".into(), ..world.policy("dev", None) };
    world.environment("dev", &policy);
    world.repo("source").on("feature/x").from("main").edit(&[put("apps/x.yaml", "x: 1\n")]).done();
    let artifact = world.pass("feature/x", "dev");
    assert_eq!(world.env("dev").record("main").source.branch.as_str(), "feature/x");
    let to = world.to("qual");
    let args = ["release", artifact.to_str().unwrap(), "--to", &to];
    let run = world.untouched(|| world.run_with(&args, FORGED)).is(3, "refused");
    assert_eq!(run.verdict("previous"), "passed");
    run.closed_by("branch", "is not on any branch that is allowed here");
}

#[test]
fn names_that_look_like_an_allowed_branch_are_refused() {
    for reference in [
        "refs/heads/x/main",
        "refs/heads/refs/heads/main",
        "refs/heads/heads/main",
        "refs/heads/Main",
        "refs/heads/main2",
        "refs/heads/HOTFIX/1",
        "refs/heads/hotfix/a/b",
        "refs/heads/x/hotfix/1",
        "refs/tags/main",
        "refs/tags/hotfix/1",
        "refs/pull/1/head",
        "refs/pull/1/merge",
        "refs/merge-requests/1/head",
        "refs/remotes/origin/main",
        "refs/main",
    ] {
        let world = World::new();
        let commit = stray(&world, reference);
        let artifact = world.package(&commit);
        world.refuses("branch", "is not on any branch that is allowed here", &artifact, "dev");
    }
}

#[test]
fn such_names_stand_for_no_branch_that_is_missing() {
    for reference in ["refs/heads/refs/heads/main", "refs/tags/main", "refs/heads/x/main", "refs/heads/HOTFIX/1"] {
        let world = World::new();
        let commit = stray(&world, reference);
        let artifact = world.package(&commit);
        let source = world.repo("source");
        source.git(&["symbolic-ref", "HEAD", "refs/heads/elsewhere"]);
        source.git(&["update-ref", "-d", "refs/heads/main"]);
        world.refuses("branch", "has no branch that is allowed here (main, hotfix/*)", &artifact, "dev");
    }
}

#[test]
fn the_target_branch_is_no_other_ref_of_that_name_either() {
    let world = World::new();
    let artifact = world.package("main");
    let env = world.env("dev");
    env.git(&["update-ref", "refs/tags/release", "refs/heads/main"]);
    env.git(&["update-ref", "refs/heads/refs/heads/release", "refs/heads/main"]);
    let to = format!("{}#release", world.url("env-dev"));
    let run = world.untouched(|| world.run(&["release", artifact.to_str().unwrap(), "--to", &to]));
    assert!(matches!(run.code, Some(1..=3)), "{run:#?}");
}

#[test]
fn a_commit_inside_a_merge_never_was_the_state_of_the_branch() {
    let world = World::new();
    let source = world.repo("source");
    let inner = source.on("feature/x").from("main").edit(&[put("apps/x.yaml", "half: done\n")]).done();
    source.on("feature/x").edit(&[put("apps/x.yaml", "all: done\n")]).done();
    let merged = source.on("main").merge("feature/x").edit(&[put("apps/x.yaml", "all: done\n")]).done();
    let artifact = world.package(&inner);
    let run = world.refuses("branch", "inside a merge: it never was the state of main itself", &artifact, "dev");
    assert_eq!(run.verdict("source"), "passed");
    world.ship(&merged, "dev");
}

#[test]
fn a_commit_of_main_is_not_let_in_by_the_laxer_rule_of_a_hotfix_branch() {
    let world = World::new();
    let lax = "[{match: \"hotfix/*\", order: any}, main]";
    world.environment("dev", &Policy { branches: lax.into(), ..world.policy("dev", None) });
    let source = world.repo("source");
    let old = source.id("main");
    source.on("hotfix/1").from(&old).edit(&[put("apps/fix.yaml", "fix: 1\n")]).done();
    let artifact = world.package(&old);
    source.commit("main", &[put("apps/shop/deploy.yaml", "image: newer\n")]);
    world.ship("main", "dev");
    let run = world.untouched(|| world.release(&artifact, "dev")).is(3, "superseded");
    run.closed_by("order", "is older than what is live");
    let run = world.untouched(|| world.release_with(&artifact, "dev", &["--if-older", "skip"]));
    run.is(0, "superseded").closed_by("order", "is older");
    // What is on the hotfix branch alone has the laxer rule.
    let hotfix = world.package("hotfix/1");
    let run = world.release(&hotfix, "dev").is(0, "released");
    assert_eq!(run.verdict("order"), "not-asked");
}

#[test]
fn the_first_rule_in_list_order_names_the_recorded_branch() {
    for (branches, recorded) in [("[main, \"hotfix/*\"]", "main"), ("[\"hotfix/*\", main]", "hotfix/1")] {
        let world = World::new();
        world.environment("dev", &Policy { branches: branches.into(), ..world.policy("dev", None) });
        world.repo("source").point("refs/heads/hotfix/1", "main");
        world.ship("main", "dev");
        assert_eq!(world.env("dev").record("main").source.branch.as_str(), recorded);
    }
}

#[test]
fn a_commit_that_was_force_pushed_away_is_refused() {
    let world = World::new();
    let source = world.repo("source");
    source.commit("main", &[put("apps/bad.yaml", "bad: 1\n")]);
    let artifact = world.package("main");
    source.git(&["update-ref", "refs/heads/main", "main~1"]);
    world.refuses("branch", "is not on any branch that is allowed here", &artifact, "dev");
}

#[test]
fn a_double_star_crosses_slashes_and_a_star_does_not() {
    let world = World::new();
    world.environment("dev", &Policy { branches: "[\"release/**\"]".into(), ..world.policy("dev", None) });
    world.repo("source").on("release/a/b").from("main").edit(&[put("apps/x.yaml", "x: 1\n")]).done();
    let artifact = world.package("release/a/b");
    world.release(&artifact, "dev").is(0, "released");
}

#[test]
fn a_source_with_cut_off_history_may_say_yes_and_never_no() {
    let world = World::new();
    let source = world.repo("source");
    let old = source.id("main");
    for n in 0..3 {
        source.commit("main", &[put("apps/shop/deploy.yaml", &format!("image: {n}\n"))]);
    }
    let older = world.package(&old);
    let newest = world.package("main");
    let tip = source.id("main");
    std::fs::write(source.path.join("shallow"), format!("{tip}\n")).unwrap();
    let run = world.untouched(|| world.release(&older, "dev"));
    assert_eq!(run.verdict("branch"), "undecided", "{run:#?}");
    run.is(1, "undecided");
    world.release(&newest, "dev").is(0, "released");
}
