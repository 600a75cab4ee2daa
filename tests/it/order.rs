//! Gate `order`, row by row: nothing that is live is lost, and nothing older comes back.

use std::path::PathBuf;

use crate::support::{Policy, Repo, Run, World, del, put};

const DEPLOY: &str = "apps/shop/deploy.yaml";
const ROUTE: &str = "apps/shop/route.yaml";

// A source whose first commit is live nowhere yet, and a hotfix branch cut from it with one change.
struct Story {
    world: World,
    source: Repo,
}

impl Story {
    fn begin() -> Self {
        let world = World::new();
        let source = world.repo("source");
        Self { world, source }
    }

    // The hotfix branch with edits, released to dev.
    fn hotfix(edits: &[crate::support::repos::Edit]) -> Self {
        let story = Self::begin();
        story.source.on("hotfix/1").from("main").edit(edits).says("Fix the empty cart (#7)").done();
        story.world.ship("hotfix/1", "dev");
        story
    }

    fn artifact(&self, revision: &str) -> PathBuf {
        self.world.package(revision)
    }

    #[track_caller]
    fn accepts(&self, revision: &str) -> Run {
        let run = self.world.release(&self.artifact(revision), "dev").is(0, "released");
        assert_eq!(run.verdict("order"), "passed", "{run:#?}");
        run
    }

    #[track_caller]
    fn loses(&self, revision: &str, words: &str) -> Run {
        self.world.refuses("order", words, &self.artifact(revision), "dev")
    }

    #[track_caller]
    fn superseded(&self, revision: &str) {
        let artifact = self.artifact(revision);
        let run = self.world.untouched(|| self.world.release(&artifact, "dev")).is(3, "superseded");
        run.closed_by("order", "");
        let skip = ["--if-older", "skip"];
        self.world.untouched(|| self.world.release_with(&artifact, "dev", &skip)).is(0, "superseded");
    }
}

fn fixed() -> Vec<crate::support::repos::Edit> {
    vec![put(DEPLOY, "image: registry.example/shop:1.0.1\nreplicas: 1\nmemory: 64Mi\ncpu: 1\ntier: web\n")]
}

#[test]
fn a_descendant_of_what_is_live_is_newer() {
    let story = Story::hotfix(&fixed());
    story.source.on("hotfix/1").edit(&[put(ROUTE, "route: /new\n")]).done();
    story.accepts("hotfix/1");
}

#[test]
fn a_merge_of_what_is_live_is_newer() {
    let story = Story::hotfix(&fixed());
    story.source.on("main").merge("hotfix/1").edit(&fixed()).done();
    story.accepts("main");
}

#[test]
fn a_squash_merged_hotfix_is_not_lost() {
    let story = Story::hotfix(&fixed());
    story.source.commit("main", &[put(ROUTE, "route: /other\n")]);
    story.loses("main", "lacks a change that is live");
    story.source.on("main").edit(&fixed()).says("Fix the empty cart (#7)").done();
    let run = story.accepts("main");
    assert_eq!(run.changes("changed"), [ROUTE]);
}

#[test]
fn a_cherry_picked_hotfix_is_not_lost_when_main_goes_on() {
    let story = Story::hotfix(&fixed());
    story.source.commit("main", &[put("apps/shop/other.yaml", "a: 1\n")]);
    story.source.commit("main", &fixed());
    story.source.commit("main", &[put("infra/ingress.yaml", "host: new.example\n")]);
    story.accepts("main");
}

#[test]
fn a_squashed_hotfix_whose_line_main_changed_later_is_not_lost() {
    let story = Story::hotfix(&fixed());
    story.source.commit("main", &fixed());
    story.source.commit(
        "main",
        &[put(DEPLOY, "image: registry.example/shop:1.2\nreplicas: 1\nmemory: 64Mi\ncpu: 1\ntier: web\n")],
    );
    story.accepts("main");
}

#[test]
fn a_squashed_deletion_is_not_lost() {
    let story = Story::hotfix(&[del(ROUTE)]);
    story.source.commit("main", &[put("apps/x.yaml", "x: 1\n")]);
    story.loses("main", "lacks a change that is live");
    story.source.commit("main", &[del(ROUTE)]);
    story.accepts("main");
}

#[test]
fn a_hotfix_that_was_not_merged_would_be_lost_and_is_named() {
    let story = Story::hotfix(&fixed());
    story.source.commit("main", &[put("apps/x.yaml", "x: 1\n")]);
    let run = story.loses("main", "lost would be: ");
    let detail = run.gate("order")["detail"].as_str().unwrap();
    let id = story.source.id("hotfix/1");
    assert!(detail.contains("Fix the empty cart (#7)") && detail.contains(&id[..7]), "{detail}");
}

#[test]
fn a_conflict_is_refused() {
    let story = Story::hotfix(&fixed());
    let other = "image: registry.example/shop:9\nreplicas: 1\nmemory: 64Mi\ncpu: 1\ntier: web\n";
    story.source.commit("main", &[put(DEPLOY, other)]);
    story.loses("main", "lacks a change that is live");
}

#[test]
fn an_edit_of_a_file_that_the_hotfix_deleted_is_refused() {
    let story = Story::hotfix(&[del(ROUTE)]);
    story.source.commit("main", &[put(ROUTE, "route: /edited\n")]);
    story.loses("main", "lacks a change that is live");
}

#[test]
fn histories_without_a_common_commit_are_refused() {
    let story = Story::hotfix(&fixed());
    let files = [put(DEPLOY, "image: x\n"), put("infra/ingress.yaml", "host: x\n")];
    story.source.on("main").root().edit(&files).done();
    story.loses("main", "have no common history");
}

#[test]
fn a_live_commit_that_is_gone_is_refused() {
    let story = Story::hotfix(&fixed());
    story.source.commit("main", &[put("apps/x.yaml", "x: 1\n")]);
    story.source.git(&["update-ref", "-d", "refs/heads/hotfix/1"]);
    story.source.git(&["reflog", "expire", "--expire=now", "--all"]);
    story.source.git(&["repack", "-adq"]);
    story.source.git(&["prune", "--expire=now"]);
    story.loses("main", "is not in the source repository any more");
}

#[test]
fn a_stale_run_of_a_hotfix_that_main_took_in_and_reverted_is_refused() {
    let story = Story::begin();
    story.source.on("hotfix/1").from("main").edit(&fixed()).done();
    let old = story.source.file("main", DEPLOY);
    story.source.commit("main", &fixed());
    story.source.commit("main", &[put(DEPLOY, &old)]);
    story.world.ship("main", "dev");
    story.superseded("hotfix/1");
}

#[test]
fn a_live_change_that_was_reverted_on_main_is_not_lost() {
    let story = Story::hotfix(&fixed());
    let old = story.source.file("main", DEPLOY);
    story.source.commit("main", &fixed());
    story.source.commit("main", &[put(DEPLOY, &old)]);
    story.accepts("main");
}

#[test]
fn an_older_commit_is_superseded_even_with_equal_content() {
    let story = Story::begin();
    let old = story.source.id("main");
    story.source.on("main").edit(&[put("README.md", "nothing in any folder\n")]).done();
    story.world.ship("main", "dev");
    story.superseded(&old);
}

#[test]
fn an_older_commit_is_superseded() {
    let story = Story::begin();
    let old = story.source.id("main");
    story.source.commit("main", &[put(ROUTE, "route: /new\n")]);
    story.world.ship("main", "dev");
    story.superseded(&old);
}

#[test]
fn after_a_rollback_the_way_forward_is_open() {
    let story = Story::begin();
    let any = Policy { more: "order: any\n".into(), ..story.world.policy("dev", None) };
    story.world.environment("dev", &any);
    let old = story.artifact("main");
    story.source.commit("main", &[put(ROUTE, "route: /bad\n")]);
    let bad = story.world.ship("main", "dev");
    story.world.mark("failed", &bad, "dev").is(0, "marked");
    story.world.release(&old, "dev").is(0, "released");
    story.world.environment("dev", &story.world.policy("dev", None));
    story.world.refuses("order", "was marked failed", &bad, "dev");
    story.source.commit("main", &[put(ROUTE, "route: /good\n")]);
    story.accepts("main");
}

#[test]
fn criss_cross_histories_must_hold_the_live_change_from_every_base() {
    let story = Story::begin();
    let source = &story.source;
    // hotfix/1 and main merge each other, so that both first commits are best common ancestors.
    source.on("hotfix/1").from("main").edit(&fixed()).done();
    source.commit("main", &[put(ROUTE, "route: /main\n")]);
    let (a, b) = (source.id("hotfix/1"), source.id("main"));
    let both: Vec<_> = fixed().into_iter().chain([put(ROUTE, "route: /main\n")]).collect();
    source.on("hotfix/1").merge(&b).edit(&both).done();
    source.on("main").merge(&a).edit(&both).done();
    assert_eq!(source.git(&["merge-base", "--all", "main", "hotfix/1"]).lines().count(), 2);
    source.commit("hotfix/1", &[put("apps/shop/fix.yaml", "fix: 2\n")]);
    story.world.ship("hotfix/1", "dev");
    source.commit("main", &[put("apps/shop/more.yaml", "more: 1\n")]);
    story.loses("main", "lacks a change that is live");
    source.commit("main", &[put("apps/shop/fix.yaml", "fix: 2\n")]);
    story.accepts("main");
}

#[test]
fn a_live_commit_that_changed_nothing_is_not_lost() {
    let story = Story::hotfix(&[put("README.md", "another text\n")]);
    story.source.commit("main", &[put(ROUTE, "route: /new\n")]);
    story.accepts("main");
}

#[test]
fn on_the_same_branch_only_what_is_older_there_is_refused() {
    let world = World::new();
    let source = world.repo("source");
    // The default of a first stage.
    let policy = Policy { more: String::new(), branches: "[main, \"feature/*\"]".into(), ..world.policy("dev", None) };
    world.environment("dev", &policy);
    let old = source.id("main");
    source.commit("main", &[put(ROUTE, "route: /new\n")]);
    world.ship("main", "dev");
    let stale = world.package(&old);
    world.untouched(|| world.release(&stale, "dev")).is(3, "superseded");
    source.on("feature/x").from(&old).edit(&[put("apps/x.yaml", "x: 1\n")]).done();
    let feature = world.package("feature/x");
    let run = world.release(&feature, "dev").is(0, "released");
    assert_eq!(run.verdict("order"), "not-asked");
    let run = world.release(&world.package("main"), "dev").is(0, "released");
    assert_eq!(run.verdict("order"), "not-asked", "what is live came from another branch");
}

#[test]
fn folders_of_others_in_the_source_do_not_matter() {
    let story = Story::hotfix(&fixed());
    story.source.commit("main", &fixed());
    story.source.commit("main", &[put("clusters/x.yaml", "other: 1\n"), put("README.md", "other\n")]);
    let run = story.world.release(&story.artifact("main"), "dev").is(0, "released");
    assert!(run.changes("changed").is_empty(), "the record alone: {run:#?}");
    assert_eq!(story.world.env("dev").touched("main"), [".passgate/records/shop.json"]);
}
