//! `audit`: every kind of change past passgate is found and named, and what passgate does itself is not.

use std::io::Write as _;
use std::process::Stdio;

use passgate::domain::id::{CommitId, Digest};
use passgate::domain::outcome::Verdict;
use passgate::domain::record::{Override, Record, State};
use serde_json::Value;

use crate::support::forge::{continued, reseal};
use crate::support::repos::put_as;
use crate::support::{Policy, Repo, Run, World, del, history, put};

const ROUTE: &str = "apps/shop/route.yaml";
const RECORD: &str = ".passgate/records/shop.json";
const STAGE: &str = ".passgate/stage.yaml";

// qual with two marked releases, files of its own and cluster commits in between.
fn lived_in() -> World {
    let world = World::new();
    let local = "local: [\"apps/*/own/**\"]\n";
    world.environment("qual", &Policy { accept: local.into(), ..world.policy("qual", Some("dev")) });
    let env = world.env("qual");
    for turn in 1..3 {
        let artifact = world.pass("main", "dev");
        world.release(&artifact, "qual").is(0, "released");
        env.commit("main", &[put("cluster/settings.yaml", &format!("turn: {turn}\n"))]);
        world.mark("passed", &artifact, "qual").is(0, "marked");
        env.commit("main", &[put("apps/shop/own/x.yaml", &format!("own: {turn}\n")), put("apps/.gitkeep", "")]);
        world.repo("source").commit("main", &[put(ROUTE, &format!("route: /{turn}\n"))]);
    }
    world
}

fn audit(world: &World, more: &[&str]) -> Run {
    let to = world.to("qual");
    world.untouched(|| world.run(&[&["audit", "--to", &to], more].concat()))
}

fn findings(run: &Run) -> Vec<Value> {
    run.json["findings"].as_array().unwrap_or_else(|| panic!("no findings in {run:#?}")).clone()
}

fn rules(run: &Run) -> Vec<String> {
    findings(run).iter().map(|finding| finding["rule"].as_str().unwrap().to_owned()).collect()
}

fn replay(env: &Repo, revision: &str, more: &[crate::support::repos::Edit]) -> String {
    let parent = env.id(&format!("{revision}^"));
    let mut edits: Vec<_> = env.touched(revision).iter().map(|path| put(path, &env.file(revision, path))).collect();
    edits.extend_from_slice(more);
    env.on("main").from(&parent).edit(&edits).done()
}

fn forged(env: &Repo, change: impl FnOnce(&mut Record)) -> Vec<crate::support::repos::Edit> {
    vec![put(RECORD, &continued(env, "main", change))]
}

// A record with a release of its own, of the content that is there.
fn released(record: &mut Record) {
    let was = record.ledger[0].clone();
    record.ledger.insert(0, was);
    record.ledger[0].seq = record.seq;
    record.state = State::Passed;
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table of what people do by hand")]
fn each_kind_of_change_past_passgate_is_found() {
    let world = lived_in();
    let env = world.env("qual");
    let base = env.id("main");
    // What is there before is known: the policy of the world was replaced once.
    let run = audit(&world, &[]).is(3, "findings");
    assert_eq!(rules(&run), ["policy-changed"], "{run:#?}");
    let since = base.as_str();
    assert_eq!(rules(&audit(&world, &["--since", since]).is(0, "reported")), [""; 0]);

    let landing = |text: &Option<CommitId>| text.unwrap().to_string();
    let tip = env.record("main");
    let first = env.record(&landing(&tip.ledger[1].release_commit));
    let policy = env.file("main", STAGE);
    let dev = world.env("dev");
    let genuine = env.file("main", RECORD);
    let edit = ["edited-by-hand", "drift-left"];
    let invalid = ["invalid-record"];
    let route = put(ROUTE, "by: hand\n");
    let tree = |revision: &str, folder: &str| env.id(&format!("{revision}:{folder}")).parse().unwrap();
    let hand = |edits: &[crate::support::repos::Edit]| vec![env.commit("main", edits)];

    type Act<'a> = Box<dyn Fn() -> Vec<String> + 'a>;
    let kinds: Vec<(&str, &[&str], Act<'_>)> = vec![
        ("a file edited", &edit, Box::new(|| hand(std::slice::from_ref(&route)))),
        ("a file added", &edit, Box::new(|| hand(&[put("infra/new.yaml", "a: 1\n")]))),
        ("a file removed", &edit, Box::new(|| hand(&[del(ROUTE)]))),
        ("a mode changed", &edit, Box::new(|| hand(&[put_as("100755", ROUTE, env.file("main", ROUTE).as_bytes())]))),
        ("a file made a link", &edit, Box::new(|| hand(&[put_as("120000", ROUTE, b"deploy.yaml")]))),
        ("a file made a submodule", &edit, Box::new(|| hand(&[del(ROUTE), put_as("160000", ROUTE, since.as_bytes())]))),
        ("a folder made a file", &edit, Box::new(|| hand(&[del("infra"), put("infra", "x\n")]))),
        ("a folder made a link", &edit, Box::new(|| hand(&[del("infra"), put_as("120000", "infra", b"cluster")]))),
        ("a folder removed", &edit, Box::new(|| hand(&[del("apps")]))),
        ("a file renamed", &edit, Box::new(|| hand(&[del(ROUTE), put("apps/shop/r.yaml", &env.file("main", ROUTE))]))),
        ("a file moved", &edit, Box::new(|| hand(&[del(ROUTE), put("infra/route.yaml", &env.file("main", ROUTE))]))),
        ("a file deep below", &edit, Box::new(|| hand(&[put("apps/a/b/c/d/e/f.yaml", "a: 1\n")]))),
        ("an edit among others' files", &edit, Box::new(|| hand(&[route.clone(), put("cluster/x.yaml", "a: 1\n")]))),
        (
            "an edit among the environment's files",
            &edit,
            Box::new(|| hand(&[route.clone(), put("apps/shop/own/x.yaml", "a: 1\n")])),
        ),
        (
            "an edit in a merge",
            &edit,
            Box::new(|| {
                env.on("side").from("main").edit(std::slice::from_ref(&route)).done();
                env.commit("main", &[put("cluster/x.yaml", "a: 1\n")]);
                vec![env.on("main").merge("side").edit(std::slice::from_ref(&route)).done()]
            }),
        ),
        (
            "an edit that was taken back",
            &["edited-by-hand", "edited-by-hand"],
            Box::new(|| {
                let old = env.file("main", ROUTE);
                [hand(std::slice::from_ref(&route)), hand(&[put(ROUTE, &old)])].concat()
            }),
        ),
        ("a record edited", &invalid, Box::new(|| hand(&[put(RECORD, &genuine.replace("\"passed\"", "\"failed\""))]))),
        ("a record deleted", &invalid, Box::new(|| hand(&[del(RECORD)]))),
        (
            "a record deleted and restored",
            &["invalid-record", "invalid-record"],
            Box::new(|| [hand(&[del(RECORD)]), hand(&[put(RECORD, &genuine)])].concat()),
        ),
        ("a record with other line ends", &invalid, Box::new(|| hand(&[put(RECORD, &genuine.replace('\n', "\r\n"))]))),
        ("a record that is no record", &invalid, Box::new(|| hand(&[put(RECORD, "{}\n")]))),
        ("a record as a link", &invalid, Box::new(|| hand(&[put_as("120000", RECORD, b"../stage.yaml")]))),
        ("a record as a program", &invalid, Box::new(|| hand(&[put_as("100755", RECORD, genuine.as_bytes())]))),
        ("a record as a folder", &invalid, Box::new(|| hand(&[del(RECORD), put(&format!("{RECORD}/x"), "x\n")]))),
        ("a huge record", &invalid, Box::new(|| hand(&[put(RECORD, &" ".repeat(5 << 20))]))),
        (
            "a record brought back from before",
            &["invalid-record", "drift-left"],
            Box::new(|| hand(&[put(RECORD, &String::from_utf8(first.to_bytes().unwrap()).unwrap())])),
        ),
        ("a record of another stage", &invalid, Box::new(|| hand(&[put(RECORD, &dev.file("main", RECORD))]))),
        (
            "a record sealed again",
            &invalid,
            Box::new(|| hand(&[put(RECORD, &reseal(&env, "main", |r| r.version = Some("2".into())))])),
        ),
        (
            "a mark with an edit",
            &["invalid-record", "drift-left"],
            Box::new(|| hand(&[forged(&env, |_| ()), vec![route.clone()]].concat())),
        ),
        (
            "a mark taken back",
            &invalid,
            Box::new(|| hand(&forged(&env, |r| (r.state, r.ledger[0].state) = (State::Released, State::Released)))),
        ),
        (
            "a mark that names other content",
            &invalid,
            Box::new(|| hand(&forged(&env, |r| (r.digest, r.ledger[0].digest) = (Digest([7; 32]), Digest([7; 32]))))),
        ),
        (
            "an earlier release made failed",
            &invalid,
            Box::new(|| hand(&forged(&env, |r| r.ledger[1].state = State::Failed))),
        ),
        ("an earlier release forgotten", &invalid, Box::new(|| hand(&forged(&env, |r| r.ledger.truncate(1))))),
        (
            "a release that says passed at once",
            &invalid,
            Box::new(|| {
                hand(&forged(&env, |r| {
                    let landed = r.ledger[0].seq;
                    released(r);
                    r.ledger[1].release_commit = Some(landing_of(&env, landed));
                    r.policy = env.id(&format!("main:{STAGE}")).parse().unwrap();
                    for folder in &mut r.folders {
                        folder.tree = Some(tree("main", &folder.path));
                    }
                    r.digest = Digest([7; 32]);
                    r.ledger[0].digest = r.digest;
                }))
            }),
        ),
        (
            "other content under an old digest",
            &invalid,
            Box::new(|| {
                let landed = landing_of(&env, tip.ledger[0].seq);
                // First the folders alone, on a branch of their own, to learn the ids of the trees.
                env.on("trees").from("main").edit(std::slice::from_ref(&route)).done();
                let forged = forged(&env, |r| {
                    released(r);
                    r.ledger[1].release_commit = Some(landed);
                    for folder in &mut r.folders {
                        folder.tree = Some(tree("trees", &folder.path));
                    }
                });
                hand(&[forged, vec![route.clone()]].concat())
            }),
        ),
        (
            "a file hidden as kept",
            &["invalid-record", "drift-left"],
            Box::new(|| {
                let landed = landing_of(&env, tip.ledger[0].seq);
                let evil = put("apps/evil.yaml", "a: 1\n");
                env.on("trees").from("main").edit(std::slice::from_ref(&evil)).done();
                let forged = forged(&env, |r| {
                    released(r);
                    r.ledger[1].release_commit = Some(landed);
                    r.kept.push("apps/evil.yaml".into());
                    for folder in &mut r.folders {
                        folder.tree = Some(tree("trees", &folder.path));
                    }
                });
                hand(&[forged, vec![evil]].concat())
            }),
        ),
        (
            "a release past a closed gate",
            &invalid,
            Box::new(|| hand(&forged(&env, |r| r.gates[0].verdict = Verdict::Refused))),
        ),
        (
            "an override that nobody allowed",
            &["invalid-record", "override"],
            Box::new(|| {
                hand(&forged(&env, |r| {
                    let gates = vec!["order".to_owned()];
                    r.gates[0].detail = "as it is".into();
                    r.overridden = Some(Override { by: None, reason: "in a hurry".into(), gates });
                }))
            }),
        ),
        (
            "a new chain without a break",
            &["invalid-record", "adopted"],
            Box::new(|| {
                let from = Some(env.id(&format!("main:{RECORD}")).parse().unwrap());
                hand(&forged(&env, |r| r.restarted = Some(passgate::domain::record::Restart { from })))
            }),
        ),
        (
            "a record of an unknown unit",
            &["unknown-record"],
            Box::new(|| hand(&[put(".passgate/records/other.json", &genuine)])),
        ),
        (
            "a file among the records",
            &["unknown-record"],
            Box::new(|| hand(&[put(".passgate/records/notes.txt", "x\n")])),
        ),
        ("a file in passgate's folder", &["unexpected-file"], Box::new(|| hand(&[put(".passgate/hook.sh", "x\n")]))),
        (
            "passgate's folder made a file",
            &["policy-changed", "invalid-record", "unexpected-file"],
            Box::new(|| hand(&[del(".passgate"), put(".passgate", "x\n")])),
        ),
        (
            "the records made a file",
            &["invalid-record", "unexpected-file"],
            Box::new(|| hand(&[del(".passgate/records"), put(".passgate/records", "x\n")])),
        ),
        (
            "a policy weakened",
            &["policy-changed"],
            Box::new(|| hand(&[put(STAGE, &policy.replace("order: forward", "order: any\ndrift: overwrite"))])),
        ),
        ("a policy deleted", &["policy-changed"], Box::new(|| hand(&[del(STAGE)]))),
        (
            "a policy as a link",
            &["policy-changed", "invalid-policy"],
            Box::new(|| hand(&[put_as("120000", STAGE, b"x")])),
        ),
        ("a policy broken", &["policy-changed", "invalid-policy"], Box::new(|| hand(&[put(STAGE, "version: 9\n")]))),
        (
            "an edit while the policy was away",
            &["policy-changed", "edited-by-hand", "policy-changed", "drift-left"],
            Box::new(|| {
                [hand(&[del(STAGE)]), hand(std::slice::from_ref(&route)), hand(&[put(STAGE, &policy)])].concat()
            }),
        ),
        (
            "an edit while the policy was broken",
            &["policy-changed", "invalid-policy", "edited-by-hand", "policy-changed", "drift-left"],
            Box::new(|| {
                let broken = hand(&[put(STAGE, "x\n")]);
                [broken.clone(), broken, hand(std::slice::from_ref(&route)), hand(&[put(STAGE, &policy)])].concat()
            }),
        ),
        (
            "a policy of another place",
            &["policy-changed", "invalid-policy"],
            Box::new(|| hand(&[put(STAGE, &dev.file("main", STAGE))])),
        ),
        (
            "a merge that left out a mark",
            &["invalid-record"],
            Box::new(|| {
                let marked = env.id("main");
                let before = env.git(&["log", "-1", "--format=%H", "--skip=1", "main", "--", RECORD]);
                env.on("main").from(&before).edit(&[put("cluster/y.yaml", "a: 1\n")]).done();
                vec![env.on("main").merge(&marked).done()]
            }),
        ),
        (
            "a release with others' files",
            &["more-than-a-release"],
            Box::new(|| {
                let release = landing_of(&env, tip.ledger[0].seq).to_string();
                vec![replay(&env, &release, &[put("cluster/more.yaml", "a: 1\n")])]
            }),
        ),
    ];
    assert!(kinds.len() >= 30);
    let mut wrong = Vec::new();
    for (kind, wanted, act) in &kinds {
        env.point("refs/heads/main", since);
        let commits = act();
        let from = if *kind == "a release with others' files" || kind.contains("left out") {
            env.id(&format!("{}^", commits[0]))
        } else {
            since.to_owned()
        };
        let run = audit(&world, &["--since", &from]);
        let found = rules(&run);
        if run.code != Some(3) || found != *wanted {
            wrong.push(format!("{kind}: wanted {wanted:?}, found {found:?} {:#}", run.json["findings"]));
            continue;
        }
        for (finding, at) in findings(&run).iter().zip(commits.iter().chain(std::iter::repeat(&env.id("main")))) {
            let same = commits.len() == 1 || finding["commit"] == **at;
            assert!(same && commits.contains(&finding["commit"].as_str().unwrap().to_owned()), "{kind}: {finding:#}");
            assert!(!finding["message"].as_str().unwrap().is_empty(), "{kind}");
        }
        // Proposed as a pull request, it gets nowhere either, if anything is left of it.
        env.point("refs/heads/candidate", "main");
        env.point("refs/heads/main", &from);
        // What one commit takes back of another one is nothing; a merge that hides a record is something.
        let is_nothing = commits.len() > 1 && env.id("candidate^{tree}") == env.id("main^{tree}");
        let to = world.to("qual");
        let run = world.untouched(|| world.run(&["check", "--to", &to, "--head", "candidate"]));
        let has_remedy = |finding: &Value| !finding["remedy"].as_str().unwrap_or("").is_empty();
        let is_right =
            if is_nothing { run.code == Some(0) } else { run.code == Some(3) && findings(&run).iter().any(has_remedy) };
        if !is_right {
            wrong.push(format!("{kind}: proposed: {:?} {:#} {}", run.code, run.json["findings"], run.stderr));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    env.point("refs/heads/main", since);
}

// The commit at which a release landed.
fn landing_of(env: &Repo, seq: u64) -> CommitId {
    let listed = env.git(&["log", "--first-parent", "--reverse", "--format=%H", "main", "--", RECORD]);
    let has = |commit: &&str| env.record(commit).ledger.iter().any(|entry| entry.seq == seq);
    listed.lines().find(has).unwrap().parse().unwrap()
}

// A whole history of dev, as a repository of a world.
fn years(world: &World, commits: usize) -> Repo {
    let policy = Policy {
        repository: world.url("years"),
        accept: "local: [\"apps/*/own/**\"]\n".into(),
        ..world.policy("dev", None)
    };
    let (stream, tip) = history::clean(&policy.repository, &policy.source, &policy.text(), commits);
    let repo = world.repo("years");
    let mut child = repo.command().args(["fast-import", "--quiet"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&stream).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(repo.id("main"), tip.to_string(), "the history is not what was computed");
    repo
}

#[test]
fn a_clean_history_has_no_findings() {
    let world = World::empty();
    let repo = years(&world, 600);
    let url = world.url("years");
    let run = world.untouched(|| world.run(&["audit", "--to", &url])).is(0, "reported");
    assert_eq!(run.json["findings"], Value::Array(Vec::new()));
    assert_eq!(run.text("stage"), "dev");
    assert_eq!(run.text("commit"), repo.id("main"));
    // From anywhere on, too: what was in force before is looked up.
    for back in [1, 7, 8, 9, 300, 598, 599] {
        let since = repo.id(&format!("main~{back}"));
        let run = world.run(&["audit", "--to", &url, "--since", &since]).is(0, "reported");
        assert_eq!(run.json["findings"], Value::Array(Vec::new()), "{back}");
    }
    // One edit somewhere in it is found, and nothing else.
    let hand = repo.commit("main", &[put("infra/a/b.yaml", "by: hand\n")]);
    let run = world.run(&["audit", "--to", &url]).is(3, "findings");
    assert_eq!(rules(&run), ["edited-by-hand", "drift-left"]);
    assert_eq!(findings(&run)[0]["commit"], hand);
    assert_eq!(findings(&run)[0]["paths"], serde_json::json!([{ "path": "infra/a/b.yaml", "change": "changed" }]));
}

#[test]
fn a_long_clean_history_has_no_findings() {
    let world = World::empty();
    years(&world, 5000);
    let run = world.run(&["audit", "--to", &world.url("years")]).is(0, "reported");
    assert_eq!(run.json["findings"], Value::Array(Vec::new()));
}

#[test]
fn a_rewritten_history_is_found_from_what_was_seen_of_it() {
    let world = lived_in();
    let (dev, qual) = (world.env("dev"), world.env("qual"));
    let since = qual.id("main");
    // The previous stage's branch was forced.
    let tip = dev.id("main");
    dev.on("main").from("main~2").edit(&[put("cluster/x.yaml", "a: 1\n")]).done();
    let run = audit(&world, &["--since", &since]).is(3, "findings");
    assert_eq!(rules(&run), ["rewritten-history"]);
    assert!(findings(&run)[0]["message"].as_str().unwrap().contains("the history of dev was rewritten"), "{run:#?}");
    dev.point("refs/heads/main", &tip);
    // It cannot be asked: that is no finding, and nobody can say that all is well.
    let away = world.path().join("away.git");
    std::fs::rename(&dev.path, &away).unwrap();
    let run = audit(&world, &["--since", &since]).is(1, "undecided");
    assert!(run.json["warnings"][0].as_str().unwrap().contains("dev could not be asked"), "{run:#?}");
    std::fs::rename(&away, &dev.path).unwrap();
    // Its branch is gone.
    dev.git(&["update-ref", "-d", "refs/heads/main"]);
    assert_eq!(rules(&audit(&world, &["--since", &since])), ["rewritten-history"]);
    dev.point("refs/heads/main", &tip);
    // This stage's own branch was forced, to one commit that holds all there was.
    let files: Vec<_> = qual
        .tree("main", &[])
        .iter()
        .map(|line| line.splitn(3, ' ').nth(2).unwrap().to_owned())
        .map(|path| put(&path, &qual.file("main", &path)))
        .collect();
    qual.on("main").root().edit(&files).done();
    // The folders hold the very content that the record names, though not the trees.
    let run = audit(&world, &[]).is(3, "findings");
    assert_eq!(rules(&run), ["unknown-record", "rewritten-history"]);
    let run = audit(&world, &["--since", &since]).is(3, "findings");
    assert_eq!(rules(&run), ["rewritten-history", "unknown-record", "rewritten-history"]);
    assert!(findings(&run)[0]["message"].as_str().unwrap().contains(&since));
}

#[test]
fn a_history_that_is_cut_off_is_never_clean() {
    let world = World::empty();
    let repo = years(&world, 60);
    let shallow = world.path().join("shallow.git");
    repo.git(&["clone", "-q", "--bare", "--depth", "5", &world.url("years"), shallow.to_str().unwrap()]);
    let run = world.run(&["audit", "--to", &world.url("shallow")]);
    // The policy there names another place, which is a finding whatever is cut off.
    assert_eq!(run.code, Some(3), "{run:#?}");
    std::fs::rename(&repo.path, world.path().join("whole.git")).unwrap();
    std::fs::rename(&shallow, &repo.path).unwrap();
    let url = world.url("years");
    let (near, far) = (repo.id("main~2"), "0123456789");
    for more in [&[][..], &["--since", &near], &["--since", far]] {
        let run = world.run(&[&["audit", "--to", &url], more].concat()).is(1, "undecided");
        assert_eq!(run.json["findings"], Value::Array(Vec::new()));
        assert!(run.json["error"]["causes"].to_string().contains("cut off"), "{run:#?}");
        assert!(!run.json["error"]["hint"].as_str().unwrap().is_empty());
    }
    repo.commit("main", &[put("infra/a/b.yaml", "by: hand\n")]);
    let run = world.run(&["audit", "--to", &url]).is(3, "findings");
    assert!(rules(&run).contains(&"edited-by-hand".to_owned()), "{run:#?}");
    assert!(run.json["warnings"][0].as_str().unwrap().contains("cut off"));
}

#[test]
fn adoptions_and_kept_files_are_found() {
    let world = World::new();
    let (env, to) = (world.env("dev"), world.to("dev"));
    let audit = |since: &str| world.run(&["audit", "--to", &to, "--since", since]);
    // A first release over equal files is none, over other ones it is.
    let before = env.commit("main", &[put("infra/ingress.yaml", "host: shop.example\n")]);
    let first = world.ship("main", "dev");
    assert_eq!(rules(&audit(&before).is(0, "reported")), [""; 0]);
    let before = env.on("main").from(&before).edit(&[put(ROUTE, "older: 1\n")]).done();
    world.release_with(&first, "dev", &["--adopt"]).is(0, "released");
    let run = audit(&before).is(3, "findings");
    assert_eq!(rules(&run), ["adopted"]);
    assert_eq!(findings(&run)[0]["level"], "note");
    // A new chain after a break.
    let before = env.id("main");
    env.commit("main", &[del(RECORD)]);
    world.release_with(&first, "dev", &["--adopt"]).is(0, "released");
    world.mark("passed", &first, "dev").is(0, "marked");
    let run = audit(&before).is(3, "findings");
    assert_eq!(rules(&run), ["invalid-record", "adopted"], "{run:#?}");
    assert_eq!(findings(&run)[1]["level"], "warning");
    // Files that `drift: keep` kept are still there.
    world.environment("dev", &Policy { more: "drift: keep\n".into(), ..world.policy("dev", None) });
    env.commit("main", &[put("apps/hand.yaml", "by: hand\n")]);
    let before = env.id("main");
    world.repo("source").commit("main", &[put(ROUTE, "route: /next\n")]);
    world.ship("main", "dev");
    let run = audit(&before).is(3, "findings");
    assert_eq!(rules(&run), ["drift-left"], "{run:#?}");
    assert_eq!(findings(&run)[0]["paths"], serde_json::json!([{ "path": "apps/hand.yaml", "change": "kept" }]));
}

#[test]
fn what_is_developed_in_the_environment_is_silent() {
    let world = World::new();
    let (env, to) = (world.env("dev"), world.to("dev"));
    world.environment("dev", &Policy { source: "self".into(), branches: String::new(), ..world.policy("dev", None) });
    let before = env.id("main");
    for turn in 0..3 {
        let commit = env.commit("main", &[put(ROUTE, &format!("turn: {turn}\n"))]);
        let args =
            ["mark", if turn == 1 { "failed" } else { "passed" }, "--to", &to, "--unit", "shop", "--commit", &commit];
        world.run(&args).is(0, "marked");
    }
    let again = env.commit("main", &[put("cluster/x.yaml", "a: 1\n")]);
    world.run(&["mark", "passed", "--to", &to, "--unit", "shop", "--commit", &again]).is(0, "marked");
    let run = world.run(&["audit", "--to", &to, "--since", &before]);
    assert_eq!(rules(&run), [""; 0], "{run:#?}");
    env.commit("main", &[put(RECORD, &continued(&env, "main", |record| record.digest = Digest([7; 32])))]);
    let run = world.run(&["audit", "--to", &to, "--since", &before]).is(3, "findings");
    assert_eq!(rules(&run), ["invalid-record"], "{run:#?}");
}

#[test]
fn a_large_change_is_named_in_part() {
    let world = lived_in();
    let env = world.env("qual");
    let since = env.id("main");
    let many: Vec<_> = (0..3000).map(|i| put(&format!("apps/a{}/f{i}.yaml", i % 50), "a: 1\n")).collect();
    env.commit("main", &many);
    let junk: Vec<_> = (0..2000).map(|i| put(&format!(".passgate/records/u{i}.json"), "{}\n")).collect();
    env.commit("main", &junk);
    let run = audit(&world, &["--since", &since]).is(3, "findings");
    let found = findings(&run);
    assert_eq!(found.len(), 2002);
    assert_eq!((found[0]["paths"].as_array().unwrap().len(), &found[0]["more_paths"]), (50, &Value::Bool(true)));
}

#[test]
fn an_audit_wants_an_environment_and_a_commit_of_it() {
    let world = World::new();
    let run = world.run(&["audit", "--to", &world.url("source")]).is(2, "usage");
    assert!(run.json["error"]["message"].as_str().unwrap().contains("not an environment"));
    for bad in ["main", "abc", "../x", "zzzzzzzz"] {
        let run = world.run(&["audit", "--to", &world.to("dev"), "--since", bad]).is(2, "usage");
        assert!(run.json["error"]["message"].as_str().unwrap().contains("not the id of a commit"), "{run:#?}");
    }
    world.run(&["audit", "--to", &world.to("dev"), "--sarif"]).is(2, "usage");
}

fn shown(world: &World, more: &[&str]) -> (Option<i32>, String) {
    let to = world.to("qual");
    let output = world.command().args(["audit", "--to", &to]).args(more).output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn the_table_is_escaped_and_ends_with_a_summary() {
    let world = lived_in();
    let env = world.env("qual");
    let since = env.id("main");
    let (code, text) = shown(&world, &["--since", &since]);
    assert_eq!((code, text.as_str()), (Some(0), "✓ nothing found in 0 commits of qual\n"));
    env.commit("main", &[put("apps/x\u{1b}[31m##[error]y.yaml", "a: 1\n")]);
    let (code, text) = shown(&world, &["--since", &since]);
    assert_eq!(code, Some(3));
    assert!(!text.contains('\u{1b}') && !text.contains("##["), "{text}");
    assert!(text.contains("edited-by-hand"), "{text}");
    assert!(text.ends_with("✗ 2 findings in 1 commit of qual: 2 errors, 0 warnings, 0 notes\n"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
}

#[test]
fn sarif_has_what_code_scanning_asks_for() {
    let world = lived_in();
    let env = world.env("qual");
    let since = env.id("main");
    env.commit("main", &[put("apps/a b#c%.yaml", "a: 1\n")]);
    env.commit("main", &[put(RECORD, "{}\n")]);
    let read = || {
        let (code, text) = shown(&world, &["--since", &since, "--sarif"]);
        assert_eq!(code, Some(3));
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let sarif = read();
    assert_eq!(sarif["version"], "2.1.0");
    assert!(sarif["$schema"].as_str().unwrap().contains("sarif-2.1.0"));
    let runs = sarif["runs"].as_array().unwrap();
    let driver = &runs[0]["tool"]["driver"];
    assert_eq!((runs.len(), &driver["name"]), (1, &Value::from("passgate")));
    let rules = driver["rules"].as_array().unwrap();
    for rule in rules {
        assert!(
            !rule["id"].as_str().unwrap().is_empty() && !rule["shortDescription"]["text"].as_str().unwrap().is_empty()
        );
        assert!(["error", "warning", "note"].contains(&rule["defaultConfiguration"]["level"].as_str().unwrap()));
    }
    let results = runs[0]["results"].as_array().unwrap();
    assert_eq!(results.len(), 2, "{sarif:#}");
    let mut prints = Vec::new();
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
        assert!(["error", "warning", "note"].contains(&result["level"].as_str().unwrap()));
        let location = &result["locations"][0];
        assert!(location["physicalLocation"]["region"]["startLine"].as_u64().unwrap() >= 1);
        assert_eq!(location["logicalLocations"][0]["name"], "shop");
        prints.push(result["partialFingerprints"]["passgate/v1"].as_str().unwrap().to_owned());
    }
    let uri = |at: usize| &results[at]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert_eq!(uri(0), "apps/a%20b%23c%25.yaml");
    assert_eq!(uri(1), RECORD);
    assert_ne!(prints[0], prints[1]);
    assert_eq!(sarif, read(), "another run says the same");
}
