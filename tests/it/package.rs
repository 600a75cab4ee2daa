//! `package`: the same bytes everywhere, clear refusals, and what `release` takes of it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::support::repos::put_as;
use crate::support::{Policy, Run, World, clean, del, put, text};

// Packages some repository of the world with variables and gives the bytes.
fn bytes_of(world: &World, repo: &str, variables: &[(&str, &str)]) -> Vec<u8> {
    let file = world.path().join(format!("{}.zip", fastrand::u64(..)));
    let source = world.url("source");
    let args = ["package", "--repo", repo, "--unit", "shop", "--source", &source, "--version", "1", "-o", text(&file)];
    world.run_with(&args, variables).is(0, "packaged");
    fs::read(file).unwrap()
}

fn clone(world: &World, name: &str, more: &[&str]) -> PathBuf {
    let path = world.path().join(name);
    let mut command = Command::new("git");
    clean(&mut command, &world.path().join("home"));
    let done = command.args(["clone", "-q"]).args(more).arg(world.url("source")).arg(&path).status().unwrap();
    assert!(done.success());
    path
}

fn git(world: &World, repo: &std::path::Path, args: &[&str]) {
    let mut command = Command::new("git");
    clean(&mut command, &world.path().join("home"));
    assert!(command.arg("-C").arg(repo).args(args).status().unwrap().success());
}

#[test]
fn the_same_commit_gives_the_same_bytes_everywhere() {
    let world = World::new();
    world.repo("source").commit(
        "main",
        &[
            put("apps/crlf.yaml", "a: 1\r\nb: 2\r\n"),
            put("apps/.gitattributes", "* text=auto eol=crlf\n"),
            put_as("100755", "infra/run ü.sh", b"#!/bin/sh\n"),
        ],
    );
    let genuine = bytes_of(&world, "source.git", &[]);
    let full = clone(&world, "full", &[]);
    let shallow = clone(&world, "shallow", &["--depth", "1"]);
    assert!(shallow.join(".git/shallow").exists());
    git(&world, &full, &["config", "core.autocrlf", "true"]);
    for (repo, variables) in [
        (&full, &[("TZ", "Pacific/Kiritimati"), ("LC_ALL", "tr_TR.UTF-8")][..]),
        (&shallow, &[("TZ", "America/Adak"), ("SOURCE_DATE_EPOCH", "1")]),
        (&full, &[("GIT_DIR", "/nowhere"), ("GIT_INDEX_FILE", "/nowhere"), ("GITHUB_SHA", "0")]),
    ] {
        assert_eq!(bytes_of(&world, text(repo), variables), genuine, "{variables:?}");
    }
    let file = world.path().join("umask.zip");
    let url = world.url("source");
    let command = format!(
        "umask 077; exec '{}' package --repo full --unit shop --source '{url}' --version 1 -o umask.zip",
        crate::support::PASSGATE
    );
    let mut shell = Command::new("sh");
    clean(&mut shell, &world.path().join("home"));
    assert!(shell.args(["-c", &command]).current_dir(world.path()).output().unwrap().status.success());
    assert_eq!(fs::read(file).unwrap(), genuine);
}

#[test]
fn what_is_not_committed_is_named_and_left_out() {
    let world = World::new();
    let work = clone(&world, "work", &[]);
    let clean_bytes = bytes_of(&world, text(&work), &[]);
    fs::write(work.join("apps/shop/route.yaml"), "route: /edited\n").unwrap();
    fs::write(work.join("infra/new.yaml"), "new: 1\n").unwrap();
    assert_eq!(bytes_of(&world, text(&work), &[]), clean_bytes);
    let run = world.run(&["package", "--repo", "work", "--unit", "shop", "-o", "w.zip"]).is(0, "packaged");
    let warnings = run.json["warnings"].to_string();
    for path in ["apps/shop/route.yaml", "infra/new.yaml"] {
        assert!(warnings.contains(path) && run.stderr.contains(path), "{run:#?}");
    }
}

#[track_caller]
fn refused(world: &World, words: &[&str], more: &[&str]) -> Run {
    let mut args =
        vec!["package", "--repo", "source.git", "--unit", "shop", "--source", "https://x.example/s", "-o", "no.zip"];
    args.extend(more);
    let run = world.run(&args).is(2, "usage");
    let message = run.json["error"]["message"].as_str().unwrap();
    for word in words {
        assert!(message.contains(word), "{word:?} is not in {message}");
    }
    assert!(!run.json["error"]["hint"].as_str().unwrap_or_default().is_empty(), "{run:#?}");
    assert!(!world.path().join("no.zip").exists());
    run
}

#[test]
fn what_no_artifact_carries_is_named() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:\
                   4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";
    let commit = b"1111111111111111111111111111111111111111";
    for (edit, words) in [
        (put_as("120000", "apps/link.yaml", b"../x"), &["apps/link.yaml", "symbolic link"][..]),
        (put_as("160000", "apps/sub", commit), &["apps/sub", "submodule"]),
        (put("apps/big.bin", pointer), &["apps/big.bin", "LFS"]),
        (put("apps/con.yaml", "x"), &["apps/con.yaml"]),
        (put("apps/a\u{202e}b.yaml", "x"), &["apps/"]),
        (put("apps/Shop/DEPLOY.yaml", "x"), &["apps/"]),
    ] {
        let world = World::new();
        world.repo("source").commit("main", &[edit]);
        refused(&world, words, &[]);
    }
}

#[test]
fn a_folder_without_files_is_an_error_unless_it_is_declared_empty() {
    let world = World::new();
    world.repo("source").commit("main", &[del("infra/ingress.yaml"), put("infra/.gitkeep", "")]);
    refused(&world, &["infra", "has no files"], &[]);
    refused(&world, &["nowhere", "has no files"], &["--folder", "apps,nowhere"]);
    let artifact = world.package_with("main", &["--allow-empty", "infra"]);
    world.release(&artifact, "dev").is(0, "released");
    world.mark("passed", &artifact, "dev").is(0, "marked");
    world.release(&artifact, "qual").is(0, "released");
    assert!(world.env("qual").tree("main", &["infra"]).is_empty());
}

#[test]
fn folders_may_be_mapped_and_nested() {
    let world = World::new();
    world
        .repo("source")
        .commit("main", &[put("deploy/k8s/apps/a.yaml", "a: 1\n"), put("deploy/base/b.yaml", "b: 1\n")]);
    let accept = "folders: [{from: deploy/k8s/apps, to: apps}, {from: deploy/base, to: infra/base}]\n";
    for (stage, after) in [("dev", None), ("qual", Some("dev"))] {
        world.environment(stage, &Policy { accept: accept.into(), ..world.policy(stage, after) });
    }
    let artifact =
        world.package_with("main", &["--folder", "deploy/k8s/apps=apps", "--folder", "deploy/base=infra/base"]);
    world.release(&artifact, "dev").is(0, "released");
    world.mark("passed", &artifact, "dev").is(0, "marked");
    world.release(&artifact, "qual").is(0, "released");
    let tree = world.env("qual").tree("main", &["apps", "infra"]);
    let paths: Vec<_> = tree.iter().map(|line| line.rsplit(' ').next().unwrap()).collect();
    assert_eq!(paths, ["apps/a.yaml", "infra/base/b.yaml"]);
}

#[test]
fn the_folder_that_a_download_step_unpacked_is_an_artifact_too() {
    let world = World::new();
    let artifact = world.package("main");
    let folder = world.path().join("unpacked");
    let archive = fs::File::open(&artifact).unwrap();
    zip::ZipArchive::new(archive).unwrap().extract(&folder).unwrap();
    assert_eq!(world.digest(&folder), world.digest(&artifact));
    fs::write(folder.join("apps/extra.yaml"), "x: 1\n").unwrap();
    let run = world.untouched(|| world.release(&folder, "dev")).is(4, "artifact-refused");
    run.closed_by("artifact", "apps/extra.yaml");
    fs::remove_file(folder.join("apps/extra.yaml")).unwrap();
    world.release(&folder, "dev").is(0, "released");
    world.untouched(|| world.release(&artifact, "dev")).is(0, "unchanged");
}

#[test]
fn hostile_zips_are_refused_and_nothing_is_pushed() {
    let world = World::new();
    let good = fs::read(world.package("main")).unwrap();
    let swap = |from: &[u8], to: &[u8]| -> Vec<u8> {
        let mut bytes = good.clone();
        let found: Vec<usize> = (0..bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from)).collect();
        assert!(!found.is_empty());
        for at in found {
            bytes[at..at + to.len()].copy_from_slice(to);
        }
        bytes
    };
    let path = b"apps/shop/route.yaml";
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("a name that climbs", swap(path, b"apps/../../oute.yaml")),
        ("a name into .git", swap(path, b"apps/.git/route.yaml")),
        ("an absolute name", swap(path, b"/pps/shop/route.yaml")),
        ("a backslash", swap(path, b"apps\\shop\\route.yaml")),
        ("a name twice", swap(path, b"apps/shop/deploy.yam")),
        ("somebody else's folder", swap(path, b"clus/shop/route.yaml")),
        ("a NUL", swap(path, b"apps/shop/rout\0.yaml")),
        ("bytes before", [b"MZ".to_vec(), good.clone()].concat()),
        ("a comment", {
            let mut bytes = good.clone();
            let at = bytes.len() - 2;
            bytes[at] = 2;
            bytes.extend_from_slice(b"hi");
            bytes
        }),
        ("two archives", [good.clone(), good.clone()].concat()),
        ("encrypted", {
            let mut bytes = good.clone();
            bytes[6] |= 1;
            bytes
        }),
        ("no archive", vec![0; 4096]),
    ];
    for (what, bytes) in cases {
        let file = world.path().join("hostile.zip");
        fs::write(&file, bytes).unwrap();
        let run = world.untouched(|| world.release(&file, "dev"));
        assert_eq!(run.code, Some(4), "{what}: {run:#?}");
        run.is(4, "artifact-refused").closed_by("artifact", "");
    }
}

#[test]
fn a_place_that_cannot_be_is_named_with_the_way_out() {
    let world = World::new();
    let source = world.repo("source").path.clone();
    let output = world.path().join("missing/shop.zip");
    let run = world.run(&[
        "package",
        "--repo",
        text(&source),
        "--unit",
        "shop",
        "--source",
        &world.url("source"),
        "-o",
        text(&output),
    ]);
    let run = run.is(1, "failed");
    assert!(run.json["error"]["message"].as_str().unwrap().starts_with("cannot write"), "{run:#?}");
    assert!(run.json["error"]["hint"].as_str().unwrap().contains("-o"), "{run:#?}");
    let nowhere = world.path().join("nowhere");
    let run = world.run(&["package", "--repo", text(&nowhere), "--unit", "shop"]).is(1, "failed");
    assert!(run.json["error"]["hint"].as_str().unwrap().contains("--repo"), "{run:#?}");
}
