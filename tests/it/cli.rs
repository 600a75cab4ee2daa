//! The command line: one document, exit codes, faults of stage.yaml, the demo, the schema, and the binary itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::repos::Edit;
use crate::support::{PASSGATE, Policy, World, del, put, text};

#[test]
fn json_is_one_document_whatever_happens() {
    let world = World::new();
    let nowhere = world.url("nowhere");
    for (args, code) in [
        (&["release", "no.zip", "--to", &nowhere][..], 1),
        (&["inspect", "no.zip"], 1),
        (&["release"], 2),
        (&["release", "x", "--nonsense"], 2),
        (&["nonsense"], 2),
        (&["mark", "maybe", "--to", &nowhere, "--unit", "shop"], 2),
        (&["mark", "passed", "--to", &nowhere, "--unit", "../x", "--digest", "sha256:1"], 2),
        (&["release", "x.zip", "--to", "not a place"], 1),
        (&["status", "--to", &nowhere], 1),
        (&["package", "--repo", "source.git", "--source", &nowhere, "--commit", "nothing"], 1),
    ] {
        let run = world.run(args);
        assert!(run.code == Some(code) || (code == 1 && run.code == Some(2)), "{args:?}: {run:#?}");
        let error = &run.json["error"];
        for key in ["code", "message"] {
            assert!(!error[key].as_str().unwrap_or_default().is_empty(), "{args:?}: no {key} in {run:#?}");
        }
        let parsed: Vec<_> = serde_json::Deserializer::from_str(&run.stdout).into_iter::<serde_json::Value>().collect();
        assert_eq!(parsed.len(), 1, "{args:?}: {run:#?}");
    }
}

#[test]
fn every_report_has_the_same_keys() {
    let world = World::new();
    let artifact = world.package("main");
    let good = world.release(&artifact, "dev").is(0, "released");
    let bad = world.release(&artifact, "prod").is(3, "refused");
    let usage = world.run(&["release"]).is(2, "usage");
    let keys = |run: &crate::support::Run| run.json.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&good), keys(&bad));
    assert_eq!(keys(&good), keys(&usage));
    for key in [
        "result",
        "digest",
        "path",
        "stage",
        "unit",
        "commit",
        "previous_commit",
        "live",
        "gates",
        "changes",
        "notes",
        "pull_request",
        "override",
        "way_back",
        "error",
    ] {
        assert!(good.json.get(key).is_some(), "{key}");
    }
    let gates: Vec<_> =
        good.json["gates"].as_array().unwrap().iter().map(|gate| gate["gate"].as_str().unwrap()).collect();
    assert_eq!(
        gates,
        [
            "artifact", "unit", "source", "branch", "order", "previous", "soak", "statuses", "pipeline", "hold",
            "images", "freeze", "drift"
        ]
    );
}

#[test]
fn what_is_there_and_empty_asks_for_nothing() {
    let world = World::new();
    let more = "order: forward\ndeliver: commit\noverride: {allow: []}\nfreeze: []\n";
    world.environment("dev", &Policy { more: more.into(), ..world.policy("dev", None) });
    world.ship("main", "dev");
}

#[test]
fn a_fault_of_the_policy_is_shown_with_its_place_and_a_suggestion() {
    let world = World::new();
    let good = world.policy("dev", None).text();
    let artifact = world.package("main");
    for (bad, words) in [
        (good.replace("order:", "ordre:"), &["ordre", "did you mean `order`", "stage.yaml:9:1"][..]),
        (good.replace("order: forward", "order: foward"), &["foward", "forward"]),
        (good.replace("stage: dev", "stage: [dev"), &["stage.yaml"]),
        (good.replace("version: 1", "version: 2"), &["version"]),
        (String::new(), &["stage.yaml"]),
    ] {
        world.env("dev").commit("main", &[put(".passgate/stage.yaml", &bad)]);
        let run = world.untouched(|| world.release(&artifact, "dev")).is(2, "usage");
        let shown = format!("{} {}", run.json["error"], run.stderr);
        for word in words {
            assert!(shown.contains(word), "{word} is not in {shown}");
        }
    }
}

#[test]
fn the_published_schema_is_what_the_binary_prints() {
    let world = World::empty();
    let output = world.command().arg("schema").output().unwrap();
    let published = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/stage.v1.json")).unwrap();
    assert!(output.stdout == published, "run: passgate schema > schema/stage.v1.json");
}

#[test]
fn the_demo_plays_through_in_time() {
    let world = World::empty();
    let dir = world.path().join("demo");
    let begun = Instant::now();
    let output = world.command().args(["demo", "--dir", text(&dir)]).output().unwrap();
    let took = begun.elapsed();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{out}\n{err}");
    let shown = format!("{out}{err}");
    for words in [
        "passgate package",
        "passgate release",
        "passgate mark passed",
        "passgate status",
        "was never released to qual",
    ] {
        assert!(shown.contains(words), "{words} is not in {shown}");
    }
    // A debug build on a busy machine is slower than what ships.
    let limit = if cfg!(debug_assertions) { 60 } else { 10 };
    assert!(took < Duration::from_secs(limit), "{took:?}");
    let again = world.run(&["demo", "--dir", text(&dir)]).is(2, "usage");
    assert!(again.text("result") == "usage");
}

#[test]
fn help_completions_and_manual_are_there() {
    let world = World::empty();
    for args in [&["--help"][..], &["release", "--help"], &["--version"], &["completions", "bash"], &["man"]] {
        let output = world.command().args(args).output().unwrap();
        assert!(output.status.success() && output.stdout.len() > 10, "{args:?}");
    }
}

#[test]
fn no_colour_where_nobody_sees_it_and_text_fits_the_width() {
    let world = World::new();
    let artifact = world.package("main");
    let to = world.to("prod");
    let output = world.command().args(["release", text(&artifact), "--to", &to]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(output.stdout.is_empty(), "without --json a refusal is told on stderr");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!told.contains('\u{1b}') && told.contains("previous") && told.contains("refused"), "{told}");
}

// The program headers of an ELF file: whether one of them names an interpreter.
fn has_interpreter(bytes: &[u8]) -> bool {
    let number =
        |at: usize, size: usize| bytes[at..at + size].iter().rev().fold(0usize, |all, b| all << 8 | usize::from(*b));
    assert_eq!(&bytes[..6], b"\x7fELF\x02\x01", "a 64-bit little-endian ELF file");
    let (table, size, count) = (number(32, 8), number(54, 2), number(56, 2));
    (0..count).any(|n| number(table + n * size, 4) == 3)
}

#[test]
fn the_binary_is_static_and_starts_in_an_empty_root() {
    assert!(!has_interpreter(&fs::read(PASSGATE).unwrap()), "PT_INTERP: it is not statically linked");
    let root = tempfile::tempdir().unwrap();
    fs::copy(PASSGATE, root.path().join("passgate")).unwrap();
    let (folder, version) = (text(root.path()), concat!("passgate ", env!("CARGO_PKG_VERSION"), "\n"));
    let ways: [&[&str]; 2] =
        [&["chroot", folder, "/passgate", "--version"], &["unshare", "-r", "chroot", folder, "/passgate", "--version"]];
    let started = ways.iter().find_map(|way| {
        let output = Command::new(way[0]).args(&way[1..]).stdin(Stdio::null()).output().ok()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let forbidden = !output.status.success() && said.contains("not permitted");
        (!forbidden).then_some(output)
    });
    match started {
        Some(output) => assert_eq!(String::from_utf8_lossy(&output.stdout), version, "{output:?}"),
        None => eprintln!("chroot is not permitted here: only the ELF headers were looked at"),
    }
}

fn trees() -> impl Strategy<Value = BTreeMap<String, String>> {
    let name = prop::sample::select(vec!["a", "b", "c", "d"]);
    let path = (prop::sample::select(vec!["apps", "infra"]), prop::collection::vec(name, 1..3))
        .prop_map(|(folder, parts)| format!("{folder}/{}.yaml", parts.join("/x/")));
    prop::collection::btree_map(path, "[a-z]{0,8}", 1..10).prop_map(|mut files| {
        files.insert("apps/always.yaml".into(), "a".into());
        files.insert("infra/always.yaml".into(), "b".into());
        files
    })
}

#[test]
fn a_plan_shows_exactly_what_the_release_then_does() {
    let mut runner = TestRunner::new(Config { cases: 12, failure_persistence: None, ..Config::default() });
    runner
        .run(&(trees(), trees(), trees()), |(first, second, hand)| {
            let world = World::empty();
            let policy = Policy { more: "order: forward\ndrift: overwrite\n".into(), ..world.policy("dev", None) };
            world.environment("dev", &policy);
            let source = world.repo("source");
            let edits = |files: &BTreeMap<String, String>| files.iter().map(|(p, t)| put(p, t)).collect::<Vec<Edit>>();
            let paths = |revision: &str| -> BTreeMap<String, String> {
                let lines = world.env("dev").tree(revision, &["apps", "infra"]);
                lines
                    .iter()
                    .map(|line| line.rsplit_once(' ').map(|(entry, path)| (path.into(), entry.into())).unwrap())
                    .collect()
            };
            source.commit("main", &edits(&first));
            world.ship("main", "dev");
            let gone: Vec<Edit> =
                first.keys().filter(|path| !second.contains_key(*path)).map(|path| del(path)).collect();
            source.commit("main", &[gone, edits(&second)].concat());
            world.env("dev").commit("main", &edits(&hand));
            let artifact = world.package("main");
            let before = paths("main");
            let to = world.to("dev");
            let plan = world.untouched(|| world.run(&["plan", text(&artifact), "--to", &to])).is(0, "planned");
            let run = world.release(&artifact, "dev").is(0, "released");
            prop_assert_eq!(&plan.json["changes"], &run.json["changes"]);
            prop_assert_eq!(&plan.json["gates"], &run.json["gates"]);
            prop_assert_eq!(&plan.json["notes"], &run.json["notes"]);
            let after = paths("main");
            let only = |a: &BTreeMap<String, String>, b: &BTreeMap<String, String>| -> Vec<String> {
                a.keys().filter(|path| !b.contains_key(*path)).cloned().collect()
            };
            let differ = after.iter().filter(|(path, entry)| before.get(*path).is_some_and(|was| was != *entry));
            prop_assert_eq!(plan.changes("added"), only(&after, &before));
            prop_assert_eq!(plan.changes("removed"), only(&before, &after));
            prop_assert_eq!(plan.changes("changed"), differ.map(|(path, _)| path.clone()).collect::<Vec<_>>());
            prop_assert_eq!(after.keys().collect::<Vec<_>>(), second.keys().collect::<Vec<_>>());
            Ok(())
        })
        .unwrap();
}
