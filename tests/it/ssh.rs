//! Repositories over ssh, with a real sshd.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::support::ssh::Sshd;
use crate::support::{FIRST, Policy, World, put, text};

// A source, dev, and qual after dev, each named by its ssh URL; the artifact of the source's main.
fn served(world: &World, sshd: &Sshd) -> PathBuf {
    let url = |name: &str| sshd.url(world, name);
    world.repo("source").commit("main", &FIRST.iter().map(|(path, text)| put(path, text)).collect::<Vec<_>>());
    for (stage, after) in [("dev", None), ("qual", Some(("dev".to_owned(), url("env-dev"))))] {
        let (repository, source) = (url(&format!("env-{stage}")), url("source"));
        // Without marks: each request over ssh takes its time.
        let after_more = "require: released\n".to_owned();
        world.environment(stage, &Policy { repository, source, after, after_more, ..world.policy(stage, None) });
    }
    world.package_with("main", &["--source", &url("source")])
}

#[test]
fn an_artifact_goes_from_dev_to_qual_over_ssh() {
    let world = World::empty();
    let Some(sshd) = Sshd::start(&world) else { return };
    let artifact = served(&world, &sshd);
    let (dev, qual) =
        (format!("{}#main", sshd.url(&world, "env-dev")), format!("{}#main", sshd.url(&world, "env-qual")));
    world.run_with(&["release", text(&artifact), "--to", &dev], &[("PATH", &sshd.path())]).is(0, "released");
    let promote = ["release", "--from", &dev, "--to", &qual, "--unit", "shop"];
    // This time the user's own configuration says which ssh.
    let config = world.path().join("gitconfig");
    std::fs::write(&config, format!("[core]\n\tsshCommand = {}/ssh/bin/ssh\n", world.path().display())).unwrap();
    let released = world.run_with(&promote, &[("GIT_CONFIG_GLOBAL", text(&config))]).is(0, "released");
    let env = world.env("qual");
    assert_eq!(released.text("commit"), env.id("main"));
    assert_eq!(env.tree("main", &["apps", "infra"]), world.repo("source").tree("main", &["apps", "infra"]));
}

#[test]
fn a_host_that_is_not_known_and_a_key_that_is_missing_are_failures_and_ask_nobody() {
    let world = World::empty();
    let Some(sshd) = Sshd::start(&world) else { return };
    let artifact = served(&world, &sshd);
    let dev = format!("{}#main", sshd.url(&world, "env-dev"));
    for (host, own, words, hint) in [
        (false, true, "Host key verification failed", "ssh-keyscan"),
        (true, false, "Permission denied (publickey)", "ssh-add"),
    ] {
        sshd.knows(host, own);
        // The usual ssh, and one that the user named and that would ask.
        let own_command = [("PATH", sshd.path()), ("GIT_SSH_COMMAND", "ssh -o BatchMode=no".to_owned())];
        for variables in [&own_command[..1], &own_command] {
            let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let begun = Instant::now();
            let args = ["release", text(&artifact), "--to", &dev];
            let run = world.untouched(|| world.run_with(&args, &variables)).is(1, "failed");
            assert!(begun.elapsed() < Duration::from_secs(20), "it took {:?}", begun.elapsed());
            let error = &run.json["error"];
            assert!(error["message"].as_str().unwrap().contains("env-dev"), "{run:#?}");
            assert!(error["causes"].to_string().contains(words), "{run:#?}");
            assert!(error["hint"].as_str().unwrap().contains(hint), "{run:#?}");
        }
    }
}
