//! Several writers at once, processes that die, answers that get lost, servers that refuse.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::http::{Fault, Part, Server};
use crate::support::{Policy, Run, World, put, text};

#[test]
fn eight_units_land_at_once_while_somebody_else_keeps_writing() {
    let world = World::empty();
    let source = world.repo("source");
    let units: Vec<String> = (0..8).map(|n| format!("unit{n}")).collect();
    let files: Vec<_> =
        units.iter().map(|unit| put(&format!("apps/{unit}/deploy.yaml"), &format!("unit: {unit}\n"))).collect();
    source.commit("main", &files);
    let (url, from) = (world.url("env-dev"), world.url("source"));
    let mut policy = format!("version: 1\nstage: dev\nrepository: {url}\nbranch: main\naccept:\n");
    for unit in &units {
        let entry = format!("  - unit: {unit}\n    source: {from}\n    branches: [main]\n    folders: [apps/{unit}]\n");
        write!(policy, "{entry}").unwrap();
    }
    let env = world.env("dev");
    env.commit("main", &[put(".passgate/stage.yaml", &policy), put("cluster/0.yaml", "turn: 0\n")]);
    let begun = env.id("main");
    let artifacts: Vec<_> = units
        .iter()
        .map(|unit| world.package_with("main", &["--unit", unit, "--folder", &format!("apps/{unit}")]))
        .collect();
    let ends = AtomicBool::new(false);
    let written = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut written = Vec::new();
            while !ends.load(Ordering::Relaxed) {
                let begun = Instant::now();
                let path = format!("cluster/{}.yaml", written.len() + 1);
                let edit = [put(&path, "turn: 1\n")];
                let done = (0..50).find_map(|_| env.on("main").edit(&edit).says("service").try_done().ok());
                written.push((done.expect("the service comes through"), path));
                // Where the machine is busy, nobody is quick, and this writer is no exception.
                std::thread::sleep(Duration::from_millis(200).max(begun.elapsed() * 4));
            }
            written
        });
        let runs: Vec<_> = artifacts.iter().map(|artifact| scope.spawn(|| world.release(artifact, "dev"))).collect();
        // The writer ends whatever became of the releases.
        let runs: Vec<_> = runs.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        ends.store(true, Ordering::Relaxed);
        for run in runs {
            run.unwrap().is(0, "released");
        }
        writer.join().unwrap()
    });
    assert!(!written.is_empty());
    let chain = env.git(&["rev-list", "--first-parent", "main", &format!("^{begun}")]);
    for (commit, path) in &written {
        assert!(chain.contains(commit.as_str()), "the service's commit {commit} is lost");
        assert_eq!(env.file("main", path), "turn: 1\n");
    }
    assert_eq!(chain.lines().count(), written.len() + units.len(), "one commit each and no merge");
    for commit in chain.lines().filter(|id| written.iter().all(|(commit, _)| commit != id)) {
        let touched = env.touched(commit);
        let unit = units.iter().find(|unit| touched.contains(&format!(".passgate/records/{unit}.json"))).unwrap();
        assert_eq!(touched, [format!(".passgate/records/{unit}.json"), format!("apps/{unit}/deploy.yaml")]);
    }
}

// Whether dev's tip is one of two finished states.
#[track_caller]
fn whole(world: &World, artifacts: &[(String, Vec<String>)]) {
    let env = world.env("dev");
    let tip = env.id("main");
    let digest = env.record(&tip).digest.to_string();
    let (_, tree) =
        artifacts.iter().find(|(known, _)| *known == digest).expect("the record names one of the artifacts");
    assert_eq!(&env.tree(&tip, &["apps", "infra"]), tree, "half a release");
}

#[test]
fn a_killed_release_is_complete_or_absent_and_a_re_run_heals() {
    let world = World::new();
    world.environment("dev", &Policy { more: "order: any\n".into(), ..world.policy("dev", None) });
    let mut artifacts = Vec::new();
    let mut known = Vec::new();
    for n in 0..2 {
        let many: Vec<_> = (0..20).map(|k| put(&format!("apps/many/{k}.yaml"), &format!("n: {n}\n"))).collect();
        world.repo("source").commit("main", &many);
        let begun = Instant::now();
        let artifact = world.ship("main", "dev");
        known.push((world.digest(&artifact), world.env("dev").tree("main", &["apps", "infra"])));
        artifacts.push((artifact, begun.elapsed()));
    }
    let usual = artifacts[1].1;
    let to = world.to("dev");
    let mut tip = String::new();
    for turn in 0..100 {
        let (artifact, _) = &artifacts[turn % 2];
        let mut command = world.command();
        command.args(["release", text(artifact), "--to", &to]).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        std::thread::sleep(usual.mul_f64(fastrand::f64()));
        child.kill().unwrap();
        child.wait().unwrap();
        // A push that was under way goes on without its parent; what it leaves is looked at by the next turn.
        let now = world.env("dev").id("main");
        if now != tip {
            whole(&world, &known);
            tip = now;
        }
        if turn % 10 == 9 {
            let run = world.release(artifact, "dev");
            assert_eq!(run.code, Some(0), "{run:#?}");
            whole(&world, &known);
            assert_eq!(world.env("dev").record("main").digest.to_string(), known[turn % 2].0);
        }
    }
    world.env("dev").git(&["fsck", "--strict", "--connectivity-only"]);
}

fn served(world: &World) -> (Server, std::path::PathBuf, String) {
    let server = Server::start(world.path(), &world.path().join("home"), None);
    world.repo("source").commit("main", &[put("apps/a.yaml", "a: 1\n"), put("infra/b.yaml", "b: 1\n")]);
    let policy =
        Policy { repository: server.url("env-dev"), source: server.url("source"), ..world.policy("dev", None) };
    world.environment("dev", &policy);
    let source = server.url("source");
    let artifact = world.package_with("main", &["--source", &source]);
    let to = format!("{}#main", server.url("env-dev"));
    (server, artifact, to)
}

fn release(world: &World, artifact: &Path, to: &str) -> Run {
    world.run(&["release", text(artifact), "--to", to])
}

#[test]
fn a_release_that_is_killed_in_the_middle_of_its_push_is_complete_or_absent_and_a_re_run_heals() {
    let world = World::empty();
    let (server, first, to) = served(&world);
    let env = world.env("dev");
    world.repo("source").commit("main", &[put("apps/a.yaml", "a: 2\n")]);
    let source = server.url("source");
    let mut artifacts = vec![first, world.package_with("main", &["--source", &source])];
    let mut known = Vec::new();
    for artifact in &artifacts {
        known.push((world.digest(artifact), Vec::new()));
    }
    let policy = Policy { repository: server.url("env-dev"), source, ..world.policy("dev", None) };
    world.environment("dev", &Policy { more: "order: any\n".into(), ..policy });
    for (artifact, known) in artifacts.iter().zip(&mut known) {
        release(&world, artifact, &to).is(0, "released");
        known.1 = env.tree("main", &["apps", "infra"]);
    }
    for part in [Part::Half, Part::All, Part::Half, Part::All] {
        let before = env.id("main");
        server.fail(Some(Fault::SlowPush(part)));
        let pushes = || server.requests().iter().filter(|line| line.ends_with("git-receive-pack")).count();
        let begun = pushes();
        let mut command = world.command();
        command.args(["release", text(&artifacts[0]), "--to", &to]).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        // The server has the branch's name and the pack, and takes its time.
        while pushes() < begun + 2 {
            assert!(child.try_wait().unwrap().is_none(), "it ended without a push");
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(env.id("main"), before, "the server has not taken it yet");
        if part == Part::Half {
            server.fail(None);
        } else {
            let patience = Instant::now();
            while env.id("main") == before {
                assert!(patience.elapsed() < Duration::from_secs(20), "the push that was under way is lost");
                std::thread::sleep(Duration::from_millis(20));
            }
            server.fail(None);
            whole(&world, &known);
        }
        let run = release(&world, &artifacts[0], &to);
        run.is(0, if part == Part::Half { "released" } else { "unchanged" });
        whole(&world, &known);
        assert_eq!(env.record("main").digest.to_string(), known[0].0);
        artifacts.reverse();
        known.reverse();
    }
    env.git(&["fsck", "--strict", "--connectivity-only"]);
}

#[test]
fn a_lost_answer_is_asked_for() {
    let world = World::empty();
    let (server, artifact, to) = served(&world);
    let before = world.env("dev").id("main");
    server.fail(Some(Fault::LostAnswer));
    let run = release(&world, &artifact, &to).is(0, "released");
    let env = world.env("dev");
    assert_eq!(run.text("commit"), env.id("main"));
    assert_eq!(env.id("main~1"), before, "it landed once");
    world.untouched(|| release(&world, &artifact, &to)).is(0, "unchanged");
}

#[test]
fn a_server_that_took_the_push_and_went_away_leaves_unknown_and_a_re_run_heals() {
    let world = World::empty();
    let (server, artifact, to) = served(&world);
    server.fail(Some(Fault::GoneAfterPush));
    let run = release(&world, &artifact, &to).is(1, "unknown");
    assert!(run.json["error"]["hint"].as_str().unwrap().contains("run it again"), "{run:#?}");
    server.fail(None);
    world.untouched(|| release(&world, &artifact, &to)).is(0, "unchanged");
}

#[test]
fn a_server_that_is_not_there_is_a_failure() {
    let world = World::empty();
    let (server, artifact, to) = served(&world);
    server.fail(Some(Fault::Unavailable));
    let run = world.untouched(|| release(&world, &artifact, &to)).is(1, "failed");
    assert!(run.json["error"]["causes"].to_string().contains("503"), "{run:#?}");
}

#[test]
fn a_push_that_the_server_refuses_is_rejected_with_its_words_made_harmless() {
    let world = World::new();
    let hook = world.env("dev").path.join("hooks/pre-receive");
    let words =
        "#!/bin/sh\necho '::error::no ##vso[task.complete]x ##[error]y' >&2\necho 'GH006: protected' >&2\nexit 1\n";
    std::fs::write(&hook, words).unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    let artifact = world.package("main");
    let run = world.untouched(|| world.release(&artifact, "dev")).is(1, "rejected");
    assert!(run.json["error"]["causes"].to_string().contains("GH006: protected"), "{run:#?}");
    for shown in [&run.stderr, &run.stdout] {
        assert!(!shown.contains("##vso[") && !shown.contains("##["), "{shown}");
    }
    for line in run.stderr.lines() {
        assert!(!line.trim_start().starts_with("::"), "{line}");
    }
}

#[test]
fn a_stage_before_that_does_not_answer_leaves_its_gates_undecided() {
    let world = World::new();
    let artifact = world.pass("main", "dev");
    std::fs::rename(world.env("dev").path, world.path().join("gone")).unwrap();
    let run = world.untouched(|| world.release(&artifact, "qual")).is(1, "undecided");
    assert_eq!(run.verdict("previous"), "undecided");
    assert!(run.gate("previous")["detail"].as_str().unwrap().starts_with("dev could not be asked"));
}

#[test]
fn an_interrupt_ends_it_with_nothing_pushed() {
    let world = World::empty();
    let (server, artifact, to) = served(&world);
    server.fail(Some(Fault::Slow));
    let asked = server.requests().len();
    let run = world.untouched(|| {
        let mut command = world.command();
        command.args(["release", text(&artifact), "--to", &to, "--json"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        while server.requests().len() == asked {
            std::thread::sleep(Duration::from_millis(10));
        }
        let signal = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        assert!(signal.success());
        Run::of(child.wait_with_output().unwrap())
    });
    run.is(130, "interrupted");
}

#[test]
fn a_second_signal_ends_what_does_not_look_for_the_first() {
    let world = World::empty();
    let tree = world.path().join("tree");
    std::fs::create_dir_all(&tree).unwrap();
    // Resolving a tree is one piece of work: this takes seconds.
    let pods = crate::images::POD.to_owned() + "---\n";
    for file in 0..8 {
        std::fs::write(tree.join(format!("p{file}.yaml")), pods.repeat(15_000)).unwrap();
    }
    let mut command = world.command();
    let mut child = command.args(["images", text(&tree)]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    for _ in 0..2 {
        std::thread::sleep(Duration::from_millis(300));
        Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    }
    assert_eq!(child.wait().unwrap().code(), Some(130));
}
