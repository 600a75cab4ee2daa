//! A fault at every step: whatever git does or fails to do, a target is complete or untouched, and no gate opens.

use std::path::Path;

use crate::support::faults::{Faults, Wrong};
use crate::support::{Run, World, put, text};

// Runs a release for each step that can go wrong, from the same state every time, until git is not started that often. Each
// step goes wrong in one of these ways; in every way where `PASSGATE_TEST_ALL` asks for all tests.
fn each(world: &World, artifact: &Path, ways: &[Wrong], mut check: impl FnMut(Wrong, &str, Run)) {
    let faults = Faults::new(world);
    let (path, to) = (faults.path(), world.to("qual"));
    let rounds = if std::env::var_os("PASSGATE_TEST_ALL").is_some() { ways.len() } else { 1 };
    for round in 0..rounds {
        for step in 1.. {
            let how = ways[(step + round) % ways.len()];
            faults.plan(step, how);
            let mut command = world.command();
            command.args(["release", text(artifact), "--to", &to, "--json"]).env("PATH", &path);
            let run = Run::of(command.output().unwrap());
            let Some(what) = faults.happened() else {
                assert!(step > 20, "git was started {step} times only");
                break;
            };
            check(how, &format!("step {step}, {how:?}, {}: {run:#?}", what.trim()), run);
        }
    }
}

// A release into qual for which every gate is asked.
fn ready() -> (World, std::path::PathBuf) {
    let world = World::new();
    let first = world.pass("main", "dev");
    world.release(&first, "qual").is(0, "released");
    world.repo("source").commit("main", &[put("apps/shop/new.yaml", "new: 1\n")]);
    let artifact = world.pass("main", "dev");
    (world, artifact)
}

#[test]
fn a_release_in_which_anything_goes_wrong_is_complete_or_absent_and_a_re_run_heals() {
    let (world, artifact) = ready();
    let env = world.env("qual");
    let before = env.id("main");
    let wanted = world.repo("source").tree("main", &["apps", "infra"]);
    let mut complete = 0;
    each(&world, &artifact, &[Wrong::Fails, Wrong::IsLost, Wrong::Kills], |how, place, run| {
        let tip = env.id("main");
        if tip == before {
            // Nothing is left that the next run, from this same state, could stumble over.
            assert_ne!(run.code, Some(0), "{place}");
            return;
        }
        complete += 1;
        assert_eq!(env.id("main~1"), before, "{place}");
        assert_eq!(env.tree("main", &["apps", "infra"]), wanted, "{place}");
        assert_eq!(env.record("main").digest.to_string(), world.digest(&artifact), "{place}");
        if how == Wrong::Kills {
            assert_eq!(run.code, None, "{place}");
        } else {
            assert_eq!((run.code, run.text("commit")), (Some(0), tip), "{place}");
        }
        world.untouched(|| world.release(&artifact, "qual")).is(0, "unchanged");
        env.git(&["update-ref", "refs/heads/main", &before]);
    });
    assert!(complete > 0, "no fault came after the push");
    env.git(&["update-ref", "refs/heads/main", &before]);
    world.release(&artifact, "qual").is(0, "released");
    env.git(&["fsck", "--strict", "--connectivity-only"]);
}

#[test]
fn no_gate_opens_because_something_went_wrong() {
    let (world, artifact) = ready();
    world.mark("failed", &artifact, "dev").is(0, "marked");
    let before = world.snapshot();
    each(&world, &artifact, &[Wrong::Fails, Wrong::IsLost], |_, place, run| {
        assert_eq!(before, world.snapshot(), "something was pushed: {place}");
        assert!(matches!(run.code, Some(1 | 3)), "{place}");
    });
    world.refuses("previous", "this content failed in dev", &artifact, "qual");
}
