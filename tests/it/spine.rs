//! The whole promotion from dev over qual to prod, over paths and over HTTP.

use std::path::Path;

use base64::Engine as _;

use crate::support::http::Server;
use crate::support::{Policy, World, del, put, text};

// What the artifact lists, as `mode blob path`, like a tree.
fn listing(world: &World, artifact: &Path) -> Vec<String> {
    let run = world.run(&["inspect", text(artifact)]).is(0, "inspected");
    let files = run.json["manifest"]["files"].as_array().unwrap().clone();
    let mut lines: Vec<(String, String)> = files
        .iter()
        .map(|file| {
            let path = file["path"].as_str().unwrap();
            (path.to_owned(), format!("{} {} {path}", file["mode"].as_str().unwrap(), file["blob"].as_str().unwrap()))
        })
        .collect();
    lines.sort();
    lines.into_iter().map(|(_, line)| line).collect()
}

fn flux(world: &World) {
    world.repo("source").commit(
        "main",
        &[
            put("apps/base/podinfo/kustomization.yaml", "resources: [release.yaml]\n"),
            put("apps/base/podinfo/release.yaml", "kind: HelmRelease\n"),
            put("apps/production/podinfo-values.yaml", "replicas: 2\n"),
            put("infra/controllers/ingress-nginx.yaml", "kind: HelmRepository\n"),
            put("infra/configs/cluster-issuers.yaml", "kind: ClusterIssuer\n"),
            put("apps/base/.gitkeep", ""),
            crate::support::repos::put_as("100755", "infra/scripts/check é.sh", b"#!/bin/sh\n"),
            put("clusters/production/apps.yaml", "kind: Kustomization\n"),
        ],
    );
}

#[test]
fn content_goes_from_dev_over_qual_to_prod() {
    let world = World::new();
    flux(&world);
    let artifact = world.package("main");
    let files = listing(&world, &artifact);
    assert_eq!(files.len(), 9, "{files:#?}");

    let run = world.release(&artifact, "dev").is(0, "released");
    assert_eq!(run.json["live"], true);
    assert_eq!(run.text("commit"), world.env("dev").id("main"));
    let run = world.refuses("previous", "was never released to qual", &artifact, "prod");
    assert!(run.gate("previous")["remedy"].as_str().unwrap().contains("passgate release ARTIFACT --to file://"));
    world.refuses("previous", "have not passed there yet", &artifact, "qual");
    for (stage, next) in [("dev", "qual"), ("qual", "prod")] {
        let marked = world.mark("passed", &artifact, stage).is(0, "marked");
        assert_eq!(world.env(stage).touched(&marked.text("commit")), [".passgate/records/shop.json"]);
        let run = world.release(&artifact, next).is(0, "released");
        assert_eq!(run.verdict("previous"), "passed");
        assert_eq!(run.verdict("statuses"), "not-asked");
    }
    for stage in ["dev", "qual", "prod"] {
        let env = world.env(stage);
        assert_eq!(env.tree("main", &["apps", "infra"]), files, "{stage}");
        assert_eq!(env.tree("main", &["cluster"]), env.tree("main~1", &["cluster"]));
        assert_eq!(env.file("main", "cluster/settings.yaml"), "turn: 0\n");
        let root = env.git(&["ls-tree", "--name-only", "main"]);
        assert_eq!(root.lines().collect::<Vec<_>>(), [".passgate", "apps", "cluster", "infra"]);
    }
}

#[test]
fn a_release_changes_and_removes_what_the_artifact_does_and_nothing_else() {
    let world = World::new();
    let source = world.repo("source");
    world.ship("main", "dev");
    source.commit(
        "main",
        &[
            del("apps/shop/route.yaml"),
            put("apps/shop/deploy.yaml", "image: registry.example/shop:1.1\n"),
            put("infra/extra.yaml", "x: 1\n"),
        ],
    );
    let artifact = world.package("main");
    let to = world.to("dev");
    let plan = world.untouched(|| world.run(&["plan", text(&artifact), "--to", &to])).is(0, "planned");
    let dry = world.untouched(|| world.release_with(&artifact, "dev", &["--dry-run"])).is(0, "planned");
    let run = world.release(&artifact, "dev").is(0, "released");
    for shown in [&plan, &dry, &run] {
        assert_eq!(shown.changes("added"), ["infra/extra.yaml"]);
        assert_eq!(shown.changes("changed"), ["apps/shop/deploy.yaml"]);
        assert_eq!(shown.changes("removed"), ["apps/shop/route.yaml"]);
        assert_eq!(shown.json["digest"], run.json["digest"]);
    }
    let env = world.env("dev");
    assert_eq!(env.tree("main", &["apps", "infra"]), listing(&world, &artifact));
    assert_eq!(
        env.touched("main"),
        [".passgate/records/shop.json", "apps/shop/deploy.yaml", "apps/shop/route.yaml", "infra/extra.yaml"]
    );
    let again = world.untouched(|| world.release(&artifact, "dev")).is(0, "unchanged");
    assert_eq!(again.json["live"], true);
    assert_eq!(again.text("commit"), env.id("main"));
}

#[test]
fn the_commit_tells_who_what_and_why() {
    let world = World::new();
    world.ship("main", "dev");
    world.repo("source").on("main").edit(&[put("apps/shop/new.yaml", "a: 1\n")]).says("Add the cart AB#12\n").done();
    let artifact = world.package_with("main", &["--version", "1.1"]);
    let run =
        world.release_with(&artifact, "dev", &["--by", "dana", "--run", "https://ci.example/7"]).is(0, "released");
    assert!(run.text("notes").contains("Add the cart"), "{run:#?}");
    let env = world.env("dev");
    let message = env.git(&["log", "-1", "--format=%an <%ae>%n%B", "main"]);
    for words in ["passgate <passgate@localhost>", "shop", "1.1", "AB#12", "dana", &run.text("digest")] {
        assert!(message.contains(words), "{words} is not in {message}");
    }
    let record = env.record("main");
    assert_eq!(record.released.by.as_deref(), Some("dana"));
    assert_eq!(record.released.run.as_deref(), Some("https://ci.example/7"));
    assert_eq!(record.version.as_deref(), Some("1.1"));
    assert_eq!(record.ledger.len(), 2);
    let landing = record.ledger[1].release_commit.expect("the release before knows its commit now");
    assert_eq!(landing.to_string(), env.id("main~1"));
}

#[test]
fn the_default_branch_is_taken_when_none_is_named() {
    let world = World::new();
    let artifact = world.package("main");
    let url = world.url("env-dev");
    world.run(&["release", text(&artifact), "--to", &url]).is(0, "released");
    let path = world.env("dev").path;
    world.untouched(|| world.run(&["release", text(&artifact), "--to", text(&path)])).is(0, "unchanged");
}

// A world whose repositories are served over HTTP and named by their URLs there.
fn served(world: &World, wanted: Option<&str>) -> Server {
    let server = Server::start(world.path(), &world.path().join("home"), wanted);
    world.repo("source").commit("main", &[put("apps/a.yaml", "a: 1\n"), put("infra/b.yaml", "b: 1\n")]);
    for (stage, after) in [("dev", None), ("qual", Some("dev"))] {
        let policy = Policy {
            repository: server.url(&format!("env-{stage}")),
            source: server.url("source"),
            after: after.map(|before| (before.to_owned(), server.url(&format!("env-{before}")))),
            ..world.policy(stage, after)
        };
        world.environment(stage, &policy);
    }
    server
}

fn promotes_over_http(token: &str, wanted: &str) {
    let world = World::empty();
    let server = served(&world, Some(wanted));
    let source = server.url("source");
    let artifact = world.package_with("main", &["--source", &source]);
    let digest = world.digest(&artifact);
    let to = |stage: &str| format!("{}#main", server.url(&format!("env-{stage}")));
    let with = [("PASSGATE_TOKEN", token)];
    let shown = |run: &crate::support::Run| assert!(!format!("{run:?}").contains("s3cr3t"), "{run:#?}");
    let release = |stage: &str| world.run_with(&["release", text(&artifact), "--to", &to(stage)], &with);
    let run = release("dev").is(0, "released");
    shown(&run);
    shown(&world.untouched(|| release("qual")).is(3, "refused").closed_by("previous", "have not passed"));
    let mark = ["mark", "passed", "--to", &to("dev"), "--unit", "shop", "--digest", &digest];
    shown(&world.run_with(&mark, &with).is(0, "marked"));
    shown(&release("qual").is(0, "released"));
    assert_eq!(world.env("qual").tree("main", &["apps", "infra"]), listing(&world, &artifact));
    assert!(server.sent() > 0);

    for wrong in ["s3cr3t-but-wrong", ""] {
        let run = world.untouched(|| {
            world.run_with(&["release", text(&artifact), "--to", &to("dev")], &[("PASSGATE_TOKEN", wrong)])
        });
        let run = run.is(1, "failed");
        shown(&run);
        assert!(!run.json["error"]["hint"].as_str().unwrap_or_default().is_empty(), "{run:#?}");
    }
}

#[test]
fn content_is_promoted_over_http_with_basic_authentication() {
    let pair = base64::engine::general_purpose::STANDARD.encode("x-access-token:s3cr3t");
    promotes_over_http("s3cr3t", &format!("Basic {pair}"));
}

#[test]
fn content_is_promoted_over_http_with_bearer_authentication() {
    promotes_over_http("Bearer s3cr3t", "Bearer s3cr3t");
}

#[test]
fn a_token_is_in_no_command_line() {
    let world = World::empty();
    let wanted = "Bearer s3cr3t-in-argv";
    let server = served(&world, Some(wanted));
    let source = server.url("source");
    let artifact = world.package_with("main", &["--source", &source]);
    let to = format!("{}#main", server.url("env-dev"));
    let mut command = world.command();
    command.args(["release", text(&artifact), "--to", &to, "--json"]).env("PASSGATE_TOKEN", wanted);
    let mut child = command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    let mut looked = 0;
    while child.try_wait().unwrap().is_none() {
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            if let Ok(line) = std::fs::read(entry.path().join("cmdline")) {
                assert!(!String::from_utf8_lossy(&line).contains("s3cr3t-in-argv"), "{line:?}");
                looked += 1;
            }
        }
    }
    assert!(looked > 0 && child.wait().unwrap().success());
}

#[test]
fn a_redirect_takes_no_credentials_elsewhere() {
    let world = World::empty();
    let server = served(&world, Some("Bearer s3cr3t"));
    let other = Server::start(world.path(), &world.path().join("home"), None);
    let source = server.url("source");
    let artifact = world.package_with("main", &["--source", &source]);
    let to = format!("{}#main", server.url("env-dev"));
    let base = other.url("x").replace("/x.git", "");
    server.fail(Some(crate::support::http::Fault::Redirect(base)));
    let with = [("PASSGATE_TOKEN", "Bearer s3cr3t")];
    world.untouched(|| world.run_with(&["release", text(&artifact), "--to", &to], &with)).is(1, "failed");
    assert_eq!(other.authorizations(), Vec::<String>::new());
    assert_eq!(other.requests(), Vec::<String>::new());
}
