//! Another writer who pulls with merges: which of them leave the chain of records whole, and what heals the others.

use crate::support::repos::Repo;
use crate::support::{World, put};

// What another writer pushes who had one commit on top of `base`, and pulled with a merge.
fn pulled(env: &Repo, base: &str) -> String {
    let tip = env.id("main");
    let path = format!("cluster/{}.yaml", fastrand::u64(..));
    let own = env.on("theirs").from(base).edit(&[put(&path, "turn: 1\n")]).says("service").done();
    let tree = env.git(&["merge-tree", "--write-tree", &own, &tip]);
    let id = env.git(&["commit-tree", "-m", "Merge", "-p", &own, "-p", &tip, &tree]);
    env.git(&["update-ref", "refs/heads/main", &id]);
    env.git(&["update-ref", "-d", "refs/heads/theirs"]);
    id
}

#[test]
fn one_record_that_another_writer_merged_continues_the_one_before() {
    let world = World::new();
    let env = world.env("dev");
    let base = env.id("main");
    let artifact = world.ship("main", "dev");
    let landing = pulled(&env, &base);
    world.untouched(|| world.release(&artifact, "dev")).is(0, "unchanged");
    world.mark("passed", &artifact, "dev").is(0, "marked");
    pulled(&env, &landing);
    world.release(&artifact, "qual").is(0, "released");
    // On the branch's own chain, the content came with the merge.
    assert_eq!(world.env("qual").record("main").after[0].release_commit.unwrap().to_string(), landing);
}

#[test]
fn several_records_that_another_writer_merged_break_the_chain_until_adopt() {
    let world = World::new();
    let env = world.env("dev");
    let base = env.id("main");
    let artifact = world.pass("main", "dev");
    let merge = pulled(&env, &base);
    let words = format!("broken at {}: it replaces a record that this branch never had", &merge[..10]);
    world.refuses("previous", &words, &artifact, "qual");
    world.repo("source").commit("main", &[put("apps/shop/route.yaml", "route: /next\n")]);
    let next = world.package("main");
    world.refuses("drift", &words, &next, "dev");
    world.release_with(&next, "dev", &["--adopt"]).is(0, "released");
    world.mark("passed", &next, "dev").is(0, "marked");
    world.release(&next, "qual").is(0, "released");
}
