//! Other arrangements of repositories, `release --from`, and `status`.

use crate::support::{Policy, World, put, text};

const ROUTE: &str = "apps/shop/route.yaml";

#[test]
fn environments_only_with_development_in_dev() {
    let world = World::empty();
    let dev = world.env("dev");
    let own = Policy { source: "self".into(), branches: String::new(), ..world.policy("dev", None) };
    dev.commit("main", &[put("apps/a.yaml", "a: 1\n"), put("infra/b.yaml", "b: 1\n")]);
    world.environment("dev", &own);
    let source = world.url("env-dev");
    world.environment("qual", &Policy { source: source.clone(), ..world.policy("qual", Some("dev")) });
    let package = |name: &str| {
        let file = world.path().join(name);
        let args = ["package", "--repo", "env-dev.git", "--unit", "shop", "--source", &source, "-o", text(&file)];
        world.run(&args).is(0, "packaged");
        file
    };
    let artifact = package("one.zip");
    world.refuses("previous", "never released to dev", &artifact, "qual");
    let head = dev.id("main");
    let to = world.to("dev");
    let mark =
        |state: &str, commit: &str| world.run(&["mark", state, "--to", &to, "--unit", "shop", "--commit", commit]);
    mark("passed", &head).is(0, "marked");
    assert_eq!(dev.touched("main"), [".passgate/records/shop.json"]);
    world.untouched(|| mark("passed", &head)).is(0, "unchanged");
    world.release(&artifact, "qual").is(0, "released");
    // What changed since is another content.
    dev.commit("main", &[put("apps/a.yaml", "a: 2\n")]);
    let second = package("two.zip");
    world.refuses("previous", "never released to dev", &second, "qual");
    world.denies("have changed since", &["mark", "passed", "--to", &to, "--unit", "shop", "--commit", &head]);
    world.denies(
        "is not on the first-parent chain",
        &["mark", "passed", "--to", &to, "--unit", "shop", "--commit", &"1".repeat(40)],
    );
    let next = dev.id("main");
    mark("failed", &next).is(0, "marked");
    world.refuses("previous", "failed in dev", &second, "qual");
    mark("passed", &next).is(0, "marked");
    world.release(&second, "qual").is(0, "released");
}

#[test]
fn several_stages_before_must_all_hold() {
    let world = World::new();
    world.environment("perf", &world.policy("perf", None));
    let mut policy = world.policy("qual", Some("dev")).text();
    let second = format!("  - stage: perf\n    repository: {}\n    branch: main\n", world.url("env-perf"));
    policy = policy.replace("order: forward\n", &format!("{second}order: forward\n"));
    world.env("qual").commit("main", &[put(".passgate/stage.yaml", &policy)]);
    let artifact = world.pass("main", "dev");
    let run = world.refuses("previous", "the unit shop was never released to perf", &artifact, "qual");
    assert!(!run.gate("previous")["detail"].as_str().unwrap().contains("to dev"));
    world.release(&artifact, "perf").is(0, "released");
    world.refuses("previous", "but its checks have not passed there yet", &artifact, "qual");
    world.mark("passed", &artifact, "perf").is(0, "marked");
    world.release(&artifact, "qual").is(0, "released");
    assert_eq!(world.env("qual").record("main").after.len(), 2);
}

#[test]
fn several_environments_after_one_stage() {
    let world = World::new();
    world.environment("east", &world.policy("east", Some("dev")));
    let artifact = world.pass("main", "dev");
    for stage in ["qual", "east"] {
        world.release(&artifact, stage).is(0, "released");
    }
}

#[test]
fn units_share_an_environment_without_touching_each_other() {
    let world = World::new();
    let more =
        format!("  - unit: other\n    source: {}\n    branches: [main]\n    folders: [other]\n", world.url("second"));
    let policy = world.policy("dev", None).text().replace("order: forward\n", &format!("{more}order: forward\n"));
    world.env("dev").commit("main", &[put(".passgate/stage.yaml", &policy)]);
    world.repo("second").commit("main", &[put("other/x.yaml", "x: 1\n")]);
    world.ship("main", "dev");
    let (file, source, to) = (world.path().join("other.zip"), world.url("second"), world.to("dev"));
    let args = [
        "package",
        "--repo",
        "second.git",
        "--unit",
        "other",
        "--source",
        &source,
        "--folder",
        "other",
        "-o",
        text(&file),
    ];
    world.run(&args).is(0, "packaged");
    let before = world.env("dev").tree("main", &["apps", "infra", ".passgate/records/shop.json"]);
    world.run(&["release", text(&file), "--to", &to]).is(0, "released");
    let env = world.env("dev");
    assert_eq!(env.touched("main"), [".passgate/records/other.json", "other/x.yaml"]);
    assert_eq!(env.tree("main", &["apps", "infra", ".passgate/records/shop.json"]), before);
}

#[test]
fn the_newest_content_that_passes_is_promoted_and_what_was_skipped_is_named() {
    let world = World::new();
    let first = world.pass("main", "dev");
    world.repo("source").commit("main", &[put(ROUTE, "route: /2\n")]);
    let second = world.ship("main", "dev");
    let (from, to) = (world.to("dev"), world.to("qual"));
    let args = ["release", "--from", &from, "--to", &to, "--unit", "shop"];
    let named = world.digest(&second);
    let only = [&args[..], &["--digest", &named]].concat();
    world.untouched(|| world.run(&only)).is(3, "refused").closed_by("previous", "have not passed");
    let run = world.run(&args).is(0, "released");
    assert_eq!(run.text("digest"), world.digest(&first));
    assert!(run.json["warnings"].to_string().contains("skipped"), "{run:#?}");
    world.mark("passed", &second, "dev").is(0, "marked");
    let run = world.run(&args).is(0, "released");
    assert_eq!(run.text("digest"), named);
    world.untouched(|| world.run(&args)).is(0, "unchanged");
    let nothing = ["release", "--from", &world.to("qual"), "--to", &world.to("prod"), "--unit", "shop"];
    world.untouched(|| world.run(&nothing)).is(3, "refused").closed_by("previous", "have not passed");
}

#[test]
fn status_tells_what_is_where_and_why_it_may_not_go_on() {
    let world = World::new();
    world.pass("main", "dev");
    let artifact = world.package("main");
    world.release_with(&artifact, "qual", &["--by", "dana"]).is(0, "released");
    world.repo("source").on("main").edit(&[put(ROUTE, "route: /2\n")]).says("Second route AB#7").done();
    world.ship("main", "dev");
    let to = world.to("prod");
    let run = world.untouched(|| world.run(&["status", "--to", &to])).is(0, "reported");
    let stages = run.json["stages"].as_array().unwrap();
    let names: Vec<_> = stages.iter().map(|stage| stage["stage"].as_str().unwrap()).collect();
    assert_eq!(names, ["dev", "qual", "prod"]);
    let unit = |at: usize| &stages[at]["units"][0];
    assert_eq!(unit(0)["live"]["state"], "released");
    assert_eq!((&unit(1)["live"]["state"], &unit(1)["live"]["by"]), (&"released".into(), &"dana".into()));
    assert!(unit(2)["live"].is_null());
    let lacks = &unit(1)["lacks"][0];
    assert_eq!(lacks["from"], "dev");
    assert!(lacks["commits"].to_string().contains("Second route"), "{lacks:#}");
    assert!(lacks["work_items"].to_string().contains("AB#7"), "{lacks:#}");
    assert!(lacks["blocked"].to_string().contains("have not passed"), "{lacks:#}");
    let output = world.command().args(["status", "--to", &to]).output().unwrap();
    let table = String::from_utf8(output.stdout).unwrap();
    for word in ["dev", "qual", "prod", "shop", "dana", "Second route", "nothing yet", "have not passed"] {
        assert!(table.contains(word), "{word} is not in {table}");
    }
    assert!(!table.contains('\u{1b}'), "colour goes to terminals only");
}
