//! What a person at a terminal sees of long steps, and nobody else.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use crate::support::repos::Edit;
use crate::support::{PASSGATE, World, clean, put, text};

fn many() -> Vec<Edit> {
    (0..300).map(|n| put(&format!("apps/many/f{n}.yaml"), &format!("n: {n}\n").repeat(50))).collect()
}

// Everything that a terminal gets while the binary runs in one.
fn at_a_terminal(world: &World, args: &[&str]) -> String {
    let quoted: Vec<String> = [PASSGATE].iter().chain(args).map(|word| format!("'{word}'")).collect();
    let mut command = Command::new("script");
    clean(&mut command, &world.path().join("home"));
    command.env("TERM", "xterm").env("TMPDIR", world.path().join("tmp")).current_dir(world.path());
    command.args(["-qec", &quoted.join(" "), "/dev/null"]).stdin(Stdio::null());
    let output = command.output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn shows_amounts(seen: &str) -> bool {
    let chars: Vec<char> = seen.chars().collect();
    chars.windows(2).any(|pair| pair[0].is_ascii_digit() && pair[1] == '%')
}

#[test]
fn amounts_are_shown_at_a_terminal_only() {
    let world = World::new();
    world.repo("source").commit("main", &many());
    let source = world.url("source");
    let package = ["package", "--repo", "source.git", "--unit", "shop", "--source", &source, "-o", "a.zip"];
    assert!(shows_amounts(&at_a_terminal(&world, &package)));
    let to = world.to("dev");
    let silent = world.command().args(["plan", "a.zip", "--to", &to]).output().unwrap();
    assert!(silent.status.success());
    let silent = String::from_utf8(silent.stderr).unwrap();
    assert!(!silent.contains(['%', '\r', '\u{1b}']), "{silent:?}");
    let seen = at_a_terminal(&world, &["release", "a.zip", "--to", &to]);
    assert!(shows_amounts(&seen) && seen.contains("released shop to dev"), "{seen:?}");
}

#[test]
fn progress_is_no_part_of_an_error() {
    let world = World::new();
    world.repo("source").commit("main", &many());
    let artifact = world.package("main");
    let hook = world.env("dev").path.join("hooks/pre-receive");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, "#!/bin/sh\nprintf 'ask the \\033[31mguardians\\n' >&2\nexit 1\n").unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let before = world.snapshot();
    let seen = at_a_terminal(&world, &["release", text(&artifact), "--to", &world.to("dev")]);
    assert_eq!(before, world.snapshot());
    let error = seen.split("error:").nth(1).unwrap_or_else(|| panic!("{seen:?}"));
    assert!(error.contains("guardians") && !error.contains("\u{1b}[31mguardians"), "{seen:?}");
    assert!(!error.contains("objects") && !shows_amounts(error), "{seen:?}");
}
