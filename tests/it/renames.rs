//! Units that get another name, lose folders, or go.

use passgate::domain::record::{Record, State};

use crate::support::{Policy, Run, World, put, text};

const DEPLOY: &str = "apps/shop/deploy.yaml";

fn record(world: &World, stage: &str, unit: &str) -> Record {
    let path = format!(".passgate/records/{unit}.json");
    Record::parse(world.env(stage).file("main", &path).as_bytes()).unwrap()
}

fn renamed(world: &World, stage: &str, after: Option<&str>) {
    let policy = Policy { unit: "store".into(), accept: "was: [shop]\n".into(), ..world.policy(stage, after) };
    world.environment(stage, &policy);
}

#[test]
fn a_renamed_unit_keeps_its_record_and_its_artifacts() {
    let world = World::new();
    let first = world.pass("main", "dev");
    world.release(&first, "qual").is(0, "released");
    renamed(&world, "dev", None);
    // An artifact that was packaged under the old name still goes in, and the record is carried over in one commit.
    world.repo("source").commit("main", &[put(DEPLOY, "image: 2\n")]);
    let second = world.package("main");
    let run = world.release(&second, "dev").is(0, "released");
    assert_eq!(run.text("unit"), "store");
    let env = world.env("dev");
    assert_eq!(
        env.touched("main"),
        [".passgate/records/shop.json", ".passgate/records/store.json", DEPLOY],
        "the old record goes with the commit that writes the new one"
    );
    assert!(env.tree("main", &[".passgate/records/shop.json"]).is_empty());
    let store = record(&world, "dev", "store");
    assert_eq!(store.unit.to_string(), "store");
    assert_eq!(store.ledger.len(), 2, "the ledger goes on");
    assert_eq!(store.replaces.unwrap().to_string(), env.id("main~1:.passgate/records/shop.json"));
    // A re-run is unchanged, under both names.
    world.untouched(|| world.release(&second, "dev")).is(0, "unchanged");
    let third = world.package_with("main", &["--unit", "store"]);
    world.untouched(|| world.release(&third, "dev")).is(0, "unchanged");
    // The next stage still has the old name, and finds the evidence under the new one.
    let (to, digest) = (world.to("dev"), world.digest(&second));
    world.run(&["mark", "passed", "--to", &to, "--unit", "shop", "--digest", &digest]).is(0, "marked");
    world.release(&second, "qual").is(0, "released");
    assert_eq!(record(&world, "qual", "shop").ledger.len(), 2);
    // Then it is renamed there too; a mark carries the record over just as well.
    renamed(&world, "qual", Some("dev"));
    let to = world.to("qual");
    world.run(&["mark", "passed", "--to", &to, "--unit", "store", "--digest", &digest]).is(0, "marked");
    assert_eq!(record(&world, "qual", "store").ledger.len(), 2);
    assert!(world.env("qual").tree("main", &[".passgate/records/shop.json"]).is_empty());
    world.run(&["status", "--to", &to]).is(0, "reported");
    world.run(&["rollback", "--to", &to, "--unit", "store"]).is(0, "rolled-back");
}

#[test]
fn a_name_that_nobody_declared_is_a_stranger() {
    let world = World::new();
    world.ship("main", "dev");
    world.environment("dev", &Policy { unit: "store".into(), ..world.policy("dev", None) });
    world.repo("source").commit("main", &[put(DEPLOY, "image: 2\n")]);
    let artifact = world.package("main");
    world.refuses("unit", "the unit shop is not accepted here (accepted: store)", &artifact, "dev");
    let policy = Policy { unit: "store".into(), ..world.policy("dev", None) }.text();
    let twice = policy.replace("branches:", "was: [shop, shop]\n    branches:");
    world.env("dev").commit("main", &[put(".passgate/stage.yaml", &twice)]);
    let run = world.untouched(|| world.release(&artifact, "dev")).is(2, "usage");
    assert!(run.json["error"].to_string().contains("accepted twice"), "{run:#?}");
}

#[test]
fn a_folder_that_nobody_declares_any_more_is_removed_by_the_next_release() {
    let world = World::new();
    world.ship("main", "dev");
    let env = world.env("dev");
    env.commit("main", &[put("infra/others.yaml", "not: ours\n")]);
    let narrow = Policy { accept: "folders: [apps]\n".into(), ..world.policy("dev", None) };
    world.environment("dev", &narrow);
    let artifact = world.package_with("main", &["--folder", "apps"]);
    let to = world.to("dev");
    let plan = world.untouched(|| world.run(&["plan", text(&artifact), "--to", &to])).is(0, "planned");
    assert_eq!(plan.changes("removed"), ["infra/ingress.yaml"], "it is shown first");
    let run = world.release(&artifact, "dev").is(0, "released");
    assert_eq!(run.changes("removed"), ["infra/ingress.yaml"]);
    assert_eq!(env.touched("main"), [".passgate/records/shop.json", "infra/ingress.yaml"]);
    assert_eq!(env.file("main", "infra/others.yaml"), "not: ours\n", "what was never ours stays");
    world.untouched(|| world.release(&artifact, "dev")).is(0, "unchanged");
    assert_eq!(record(&world, "dev", "shop").folders.len(), 1);
}

#[test]
fn a_folder_that_went_to_another_unit_is_left_alone() {
    let world = World::new();
    world.ship("main", "dev");
    let mut policy = Policy { accept: "folders: [apps]\n".into(), ..world.policy("dev", None) };
    let more =
        format!("  - unit: base\n    source: {}\n    branches: [main]\n    folders: [infra]\n", world.url("source"));
    policy.more = String::new();
    let text_of = format!("{}{more}order: forward\n", policy.text());
    world.env("dev").commit("main", &[put(".passgate/stage.yaml", &text_of)]);
    let artifact = world.package_with("main", &["--folder", "apps"]);
    let run = world.release(&artifact, "dev").is(0, "released");
    assert!(run.changes("removed").is_empty());
    let base = world.package_with("main", &["--unit", "base", "--folder", "infra"]);
    world.release(&base, "dev").is(0, "released");
    assert_eq!(world.env("dev").tree("main", &["infra"]).len(), 1);
}

#[test]
fn a_hand_edited_file_in_a_folder_that_goes_stops_the_release() {
    let world = World::new();
    world.ship("main", "dev");
    world.env("dev").commit("main", &[put("infra/ingress.yaml", "by: hand\n")]);
    world.environment("dev", &Policy { accept: "folders: [apps]\n".into(), ..world.policy("dev", None) });
    let artifact = world.package_with("main", &["--folder", "apps"]);
    world.refuses("drift", "infra/ingress.yaml", &artifact, "dev");
}

fn retire(world: &World, stage: &str) -> Run {
    let to = world.to(stage);
    world.run(&["retire", "--to", &to, "--unit", "shop"])
}

#[test]
fn a_unit_is_retired_stage_by_stage() {
    let world = World::new();
    let artifact = world.pass("main", "dev");
    world.release(&artifact, "qual").is(0, "released");
    let env = world.env("qual");
    env.commit("main", &[put("apps/others.yaml", "not: ours\n")]);
    let to = world.to("qual");
    world.denies("does not say that the unit shop goes", &["retire", "--to", &to, "--unit", "shop"]);
    let goes = |stage: &str, after| Policy { accept: "retire: true\n".into(), ..world.policy(stage, after) };
    world.environment("qual", &goes("qual", Some("dev")));
    // The stage before has it still.
    let run = world.untouched(|| retire(&world, "qual")).is(3, "refused");
    run.closed_by("previous", "dev still has the unit shop");
    world.environment("dev", &goes("dev", None));
    world.repo("source").commit("main", &[put(DEPLOY, "image: 2\n")]);
    world.refuses("unit", "goes (retire: true)", &world.package("main"), "dev");
    world
        .untouched(|| world.run(&["retire", "--to", &world.to("dev"), "--unit", "shop", "--dry-run"]))
        .is(0, "planned");
    let run = retire(&world, "dev").is(0, "retired");
    assert_eq!(run.changes("removed").len(), 3);
    let run = retire(&world, "qual").is(0, "retired");
    assert_eq!(run.changes("removed"), ["apps/shop/deploy.yaml", "apps/shop/route.yaml", "infra/ingress.yaml"]);
    assert_eq!(env.tree("main", &["apps", "infra"]).len(), 1, "what was never ours stays");
    assert_eq!(env.file("main", "cluster/settings.yaml"), "turn: 0\n");
    let tombstone = record(&world, "qual", "shop");
    assert_eq!(tombstone.state, State::Retired);
    assert_eq!(tombstone.ledger.len(), 2);
    world.untouched(|| retire(&world, "qual")).is(0, "unchanged");
    world.denies("nothing of it comes back", &["rollback", "--to", &to, "--unit", "shop"]);
    world.run(&["status", "--to", &to]).is(0, "reported");
    // Taken back: the unit begins again, and its ledger goes on.
    world.environment("dev", &world.policy("dev", None));
    world.release(&artifact, "dev").is(0, "released");
    assert_eq!(record(&world, "dev", "shop").ledger.len(), 3);
}

#[test]
fn hand_made_changes_stop_a_retirement_and_an_unreachable_stage_leaves_it_undecided() {
    let world = World::new();
    let artifact = world.pass("main", "dev");
    world.release(&artifact, "qual").is(0, "released");
    let goes = |stage: &str, after| Policy { accept: "retire: true\n".into(), ..world.policy(stage, after) };
    world.environment("qual", &goes("qual", Some("dev")));
    world.environment("dev", &goes("dev", None));
    world.env("dev").commit("main", &[put(DEPLOY, "by: hand\n")]);
    let run = world.untouched(|| retire(&world, "dev")).is(3, "refused");
    run.closed_by("drift", "edited or deleted here by hand");
    std::fs::rename(world.env("dev").path, world.path().join("gone")).unwrap();
    world.untouched(|| retire(&world, "qual")).is(1, "undecided");
}

#[test]
fn a_tombstone_is_not_marked() {
    let world = World::new();
    world.pass("main", "dev");
    world.environment("dev", &Policy { accept: "retire: true\n".into(), ..world.policy("dev", None) });
    let digest = retire(&world, "dev").is(0, "retired");
    assert!(digest.json["digest"].is_null());
    let (to, digest) = (world.to("dev"), record(&world, "dev", "shop").digest.to_string());
    let mark = ["mark", "passed", "--to", &to, "--unit", "shop", "--digest", &digest];
    world.denies("is no release: it is retired", &mark);
}

#[test]
fn a_retirement_beside_foreign_files_is_no_finding() {
    let world = World::new();
    world.ship("main", "dev");
    world.environment("dev", &Policy { accept: "retire: true\n".into(), ..world.policy("dev", None) });
    world.env("dev").commit("main", &[put("apps/mine.yaml", "x: 1\n")]);
    retire(&world, "dev").is(0, "retired");
    let audit = world.run(&["audit", "--to", &world.to("dev")]).is(3, "findings");
    assert!(!audit.json["findings"].to_string().contains("invalid-record"), "{audit:#?}");
}

#[test]
fn the_former_name_may_be_taken_out_again() {
    let world = World::new();
    let first = world.pass("main", "dev");
    renamed(&world, "dev", None);
    world.repo("source").commit("main", &[put(DEPLOY, "image: 2\n")]);
    world.ship("main", "dev");
    let policy = Policy { unit: "store".into(), ..world.policy("dev", None) };
    world.environment("dev", &policy);
    world.repo("source").commit("main", &[put(DEPLOY, "image: 3\n")]);
    let third = world.package_with("main", &["--unit", "store"]);
    world.release(&third, "dev").is(0, "released");
    assert_eq!(record(&world, "dev", "store").ledger.len(), 3);
    // Content from before the rename comes back, and is evidence for the next stage.
    let (to, digest) = (world.to("dev"), world.digest(&first));
    world.run(&["rollback", "--to", &to, "--unit", "store", "--digest", &digest]).is(0, "rolled-back");
    renamed(&world, "qual", Some("dev"));
    let old = world.package_with("main~2", &["--unit", "store"]);
    world.release(&old, "qual").is(0, "released");
    let run = world.run(&["audit", "--to", &to]);
    assert!(!run.json["findings"].to_string().contains("invalid-record"), "{run:#?}");
}

#[test]
fn promotion_without_an_artifact_knows_the_names_of_both_stages() {
    let world = World::new();
    world.pass("main", "dev");
    renamed(&world, "qual", Some("dev"));
    let (from, to) = (world.to("dev"), world.to("qual"));
    world.run(&["release", "--from", &from, "--to", &to, "--unit", "store"]).is(0, "released");
}
