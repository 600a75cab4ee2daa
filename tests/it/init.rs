//! `init`: what it writes is taken as it is, and nothing is written over.

use std::fs;
use std::path::Path;

use crate::support::{Run, World, put, text};

fn init(world: &World, on: &str, dir: &Path, more: &[&str]) -> Run {
    let stages: Vec<String> =
        ["dev", "qual", "prod"].iter().map(|stage| format!("--stage={stage}={}", world.to(stage))).collect();
    let mut args = vec!["init", "--on", on, "--unit", "shop", "--dir", text(dir)];
    let source = format!("--source={}", world.url("source"));
    args.push(&source);
    args.extend(stages.iter().map(String::as_str));
    world.run(&[&args, more].concat())
}

#[test]
fn the_rules_that_are_written_carry_content_to_the_last_stage() {
    let world = World::new();
    let dir = world.path().join("new");
    let run = init(&world, "azure", &dir, &[]).is(0, "initialized");
    assert!(
        run.json["files"].as_array().unwrap().iter().any(|file| file == "source.git/azure-pipelines.yml"),
        "{run:#?}"
    );
    for stage in ["dev", "qual", "prod"] {
        let mut folders = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path());
        let folder = folders.find(|path| path.ends_with(format!("env-{stage}.git"))).unwrap();
        let rules = fs::read_to_string(folder.join(".passgate/stage.yaml")).unwrap();
        world.env(stage).commit("main", &[put(".passgate/stage.yaml", &rules)]);
    }
    let artifact = world.pass("main", "dev");
    world.refuses("previous", "never released to qual", &artifact, "prod");
    world.pass("main", "qual");
    world.release(&artifact, "prod").is(0, "released");
    // Feature branches end at the first stage.
    world.repo("source").on("feature/x").from("main").edit(&[put("apps/shop/deploy.yaml", "image: x\n")]).done();
    let feature = world.pass("feature/x", "dev");
    world.refuses("branch", "", &feature, "qual");
}

#[test]
fn nothing_is_written_over() {
    let world = World::new();
    let dir = world.path().join("new");
    let workflow = dir.join("source.git/.github/workflows/promote.yml");
    fs::create_dir_all(workflow.parent().unwrap()).unwrap();
    fs::write(&workflow, "mine\n").unwrap();
    let run = init(&world, "github", &dir, &[]).is(2, "usage");
    assert!(run.json["error"]["message"].as_str().unwrap().contains("promote.yml already"), "{run:#?}");
    assert_eq!(fs::read_to_string(&workflow).unwrap(), "mine\n");
    assert!(!dir.join("NEXT.md").exists());
    init(&world, "github", &dir, &["--force"]).is(0, "initialized");
    assert!(fs::read_to_string(&workflow).unwrap().contains("concurrency"));
}

#[test]
fn what_a_pipeline_would_compute_is_refused() {
    let world = World::new();
    let dir = world.path().join("new");
    init(&world, "github", &dir, &["--status", "${{ secrets.KEY }}"]).is(2, "usage");
    init(&world, "azure", &dir, &["--main", "a$(key)"]).is(2, "usage");
    assert!(!dir.exists());
}
