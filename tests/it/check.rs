//! `check`: pull requests in an environment's repository.

use serde_json::Value;

use crate::support::forge::{continued, reseal};
use crate::support::repos::put_as;
use crate::support::{Policy, Run, World, del, put};

const DEPLOY: &str = "apps/shop/deploy.yaml";
const RECORD: &str = ".passgate/records/shop.json";

fn check(world: &World, stage: &str, head: &str) -> Run {
    let to = world.to(stage);
    world.untouched(|| world.run(&["check", "--to", &to, "--head", head]))
}

// Takes the last commit of an environment's branch back and proposes it instead.
fn propose(world: &World, stage: &str) {
    let env = world.env(stage);
    env.point("refs/heads/candidate", "main");
    env.point("refs/heads/main", "main~1");
}

fn live() -> World {
    let world = World::new();
    let artifact = world.pass("main", "dev");
    world.release(&artifact, "qual").is(0, "released");
    world
}

#[test]
fn a_candidate_that_touches_nothing_of_passgates_passes() {
    let world = live();
    let env = world.env("qual");
    env.on("candidate").from("main").edit(&[put("cluster/settings.yaml", "turn: 1\n"), put("README.md", "x\n")]).done();
    check(&world, "qual", "candidate").is(0, "checked");
    // What happened to the branch in the meantime is not the candidate's doing.
    world.repo("source").commit("main", &[put(DEPLOY, "image: 2\n")]);
    let second = world.pass("main", "dev");
    world.release(&second, "qual").is(0, "released");
    env.commit("main", &[put("cluster/settings.yaml", "turn: 2\n")]);
    check(&world, "qual", "candidate").is(0, "checked");
    check(&world, "qual", "refs/heads/candidate").is(0, "checked");
    check(&world, "qual", &env.id("candidate")).is(0, "checked");
    for unknown in ["nowhere", &"1".repeat(40)] {
        let run = check(&world, "qual", unknown).is(2, "usage");
        assert!(run.json["error"]["message"].as_str().unwrap().contains(unknown), "{run:?}");
        assert!(run.json["error"]["hint"].as_str().unwrap().contains("--head"), "{run:?}");
    }
}

#[test]
fn a_server_that_sends_differences_to_what_is_not_here_is_asked_again() {
    let world = live();
    let env = world.env("qual");
    let many: Vec<_> = (0..400).map(|n| put(&format!("cluster/many/file-{n}.yaml"), &format!("n: {n}\n"))).collect();
    env.commit("main", &many);
    let edits = [put("cluster/many/file-7.yaml", "n: 8\n"), put("cluster/other.yaml", "x: 1\n")];
    env.on("candidate").from("main").edit(&edits).done();
    env.git(&["repack", "-adfq"]);
    check(&world, "qual", "candidate").is(0, "checked");
}

#[test]
fn a_valid_release_passes_while_its_gates_are_open() {
    let world = live();
    world.repo("source").commit("main", &[put(DEPLOY, "image: 2\n")]);
    let second = world.pass("main", "dev");
    world.release(&second, "qual").is(0, "released");
    propose(&world, "qual");
    let env = world.env("qual");
    env.commit("main", &[put("cluster/settings.yaml", "turn: 5\n")]);
    let run = check(&world, "qual", "candidate").is(0, "checked");
    assert_eq!(run.verdict("previous"), "passed");
    assert_eq!(run.verdict("source"), "passed");
    assert_eq!(run.text("unit"), "shop");
    // The forge's merge commit says the same.
    let merged = env.on("merge").from("main").merge("candidate");
    let (deploy, record) = (env.file("candidate", DEPLOY), env.file("candidate", RECORD));
    merged.edit(&[put(DEPLOY, &deploy), put(RECORD, &record)]).done();
    check(&world, "qual", "merge").is(0, "checked");
    // A gate that closes in the meantime closes the pull request.
    world.mark("failed", &second, "dev").is(0, "marked");
    check(&world, "qual", "candidate").is(3, "refused").closed_gate("previous", "this content failed in dev");
    world.mark("passed", &second, "dev").is(0, "marked");
    let frozen = Policy { more: "order: forward\nfreeze: [INC-1]\n".into(), ..world.policy("qual", Some("dev")) };
    // A record that was written under other rules is no release under these.
    world.environment("qual", &frozen);
    let run = check(&world, "qual", "candidate").is(3, "refused");
    assert!(run.json["findings"].to_string().contains("not written under the rules in force"), "{run:#?}");
    std::fs::rename(world.env("dev").path, world.path().join("gone")).unwrap();
    world.environment("qual", &world.policy("qual", Some("dev")));
    check(&world, "qual", "candidate").is(1, "undecided");
}

#[test]
fn a_stale_release_conflicts_or_is_superseded() {
    let world = live();
    world.repo("source").commit("main", &[put(DEPLOY, "image: 2\n")]);
    let second = world.pass("main", "dev");
    world.release(&second, "qual").is(0, "released");
    propose(&world, "qual");
    world.repo("source").commit("main", &[put(DEPLOY, "image: 3\n")]);
    let third = world.pass("main", "dev");
    world.release(&third, "qual").is(0, "released");
    check(&world, "qual", "candidate").is(3, "refused").closed_gate("unit", "it conflicts with");
}

#[test]
fn marks_rollbacks_and_adoptions_are_let_through() {
    let world = live();
    let artifact = world.package("main");
    let env = world.env("qual");
    // Where marks are commits, nobody proposes what checks said.
    world.mark("passed", &artifact, "qual").is(0, "marked");
    propose(&world, "qual");
    check(&world, "qual", "candidate").is(3, "refused").closed_gate("unit", "marks are delivered as commits");
    // Where they are pull requests, the mark must be the one that passgate would write.
    let proposed = "order: forward\ndeliver: {mark: pull-request}\n";
    let genuine = env.file("candidate", RECORD);
    world.environment("qual", &Policy { more: proposed.into(), ..world.policy("qual", Some("dev")) });
    let with = |record: &str| env.on("candidate").from("main").edit(&[put(RECORD, record)]).done();
    with(&genuine);
    check(&world, "qual", "candidate").is(0, "checked");
    for (number, forged) in [
        reseal(&env, "candidate", |r| r.version = Some("9".into())),
        reseal(&env, "candidate", |r| r.folders[0].tree = r.folders[1].tree),
        reseal(&env, "candidate", |r| r.released.by = Some("ceo".into())),
        reseal(&env, "candidate", |r| r.gates.truncate(1)),
        reseal(&env, "candidate", |r| r.marked = None),
    ]
    .iter()
    .enumerate()
    {
        with(forged);
        let run = check(&world, "qual", "candidate");
        assert_eq!(run.code, Some(3), "{number}: {run:#?}");
    }
    // What was edited by hand is marked by nobody.
    env.commit("main", &[put(DEPLOY, "image: hand\n")]);
    with(&genuine);
    check(&world, "qual", "candidate").is(3, "refused").closed_gate("unit", "changed by hand");
    env.point("refs/heads/main", "main~1");
    with(&genuine);
    let frozen = "order: forward\ndeliver: {mark: pull-request}\nfreeze: [{reason: INC-1, marks: true}]\n";
    world.environment("qual", &Policy { more: frozen.into(), ..world.policy("qual", Some("dev")) });
    check(&world, "qual", "candidate").is(3, "refused").closed_gate("freeze", "INC-1");
    world.environment("qual", &world.policy("qual", Some("dev")));

    world.repo("source").commit("main", &[put(DEPLOY, "image: 2\n")]);
    let second = world.pass("main", "dev");
    world.release(&second, "qual").is(0, "released");
    let to = world.to("qual");
    world.run(&["rollback", "--to", &to, "--unit", "shop"]).is(0, "rolled-back");
    propose(&world, "qual");
    check(&world, "qual", "candidate").is(0, "checked");

    // A hand edit on the branch, taken over by --adopt: the break and the way out of it.
    let env = world.env("dev");
    env.commit("main", &[put(RECORD, "{}\n")]);
    world.release_with(&second, "dev", &["--adopt"]).is(0, "released");
    propose(&world, "dev");
    check(&world, "dev", "candidate").is(0, "checked");
}

#[test]
fn an_override_is_held_to_the_policy_and_to_what_it_says() {
    let world = live();
    world.repo("source").commit("main", &[put(DEPLOY, "image: 2\n")]);
    let second = world.ship("main", "dev");
    let glass = "order: forward\noverride: {allow: [previous, freeze]}\n";
    world.environment("qual", &Policy { more: glass.into(), ..world.policy("qual", Some("dev")) });
    world.release_with(&second, "qual", &["--override", "INC-1"]).is(0, "released");
    propose(&world, "qual");
    check(&world, "qual", "candidate").is(0, "checked");
    // It does not open what closed since, not even if the policy would let it.
    let frozen = format!("{glass}freeze: [INC-2]\n");
    let frozen = Policy { more: frozen, ..world.policy("qual", Some("dev")) };
    let env = world.env("qual");
    let tip = env.id("main");
    world.environment("qual", &frozen);
    let run = check(&world, "qual", "candidate");
    assert_eq!(run.code, Some(3), "{run:#?}");
    // A policy that allows none lets none through.
    env.point("refs/heads/main", &tip);
    world.environment("qual", &world.policy("qual", Some("dev")));
    let run = check(&world, "qual", "candidate");
    assert_eq!(run.code, Some(3), "{run:#?}");
}

#[test]
fn hand_made_changes_fail_with_the_way_to_do_it_right() {
    let world = live();
    let env = world.env("qual");
    let record = env.file("main", RECORD);
    let digest = env.record("main").digest.to_string();
    let other = digest.replace(&digest[10..20], "0123456789");
    let policy = env.file("main", ".passgate/stage.yaml");
    let weaker = policy.split("after:").next().unwrap().to_owned() + "order: forward\n";
    let restarted = continued(&env, "main", |record| {
        record.restarted = Some(passgate::domain::record::Restart { from: None });
    });
    let claimed = continued(&env, "main", |record| {
        record.state = passgate::domain::record::State::Adopted;
        record.ledger[0].state = record.state;
    });
    let kinds: Vec<(&str, &str, Vec<crate::support::repos::Edit>)> = vec![
        ("edited-by-hand", "a file edited", vec![put(DEPLOY, "image: evil\n")]),
        ("edited-by-hand", "a file added", vec![put("apps/new.yaml", "a: 1\n")]),
        ("edited-by-hand", "a file removed", vec![del("apps/shop/route.yaml")]),
        ("edited-by-hand", "a mode changed", vec![put_as("100755", DEPLOY, env.file("main", DEPLOY).as_bytes())]),
        ("edited-by-hand", "a link", vec![put_as("120000", DEPLOY, b"/etc/passwd")]),
        ("edited-by-hand", "a folder replaced", vec![del("infra"), put("infra", "a file\n")]),
        ("edited-by-hand", "a folder removed", vec![del("infra")]),
        ("invalid-record", "a record edited", vec![put(RECORD, &record.replace(&digest, &other))]),
        ("invalid-record", "a record deleted", vec![del(RECORD)]),
        (
            "invalid-record",
            "a record resealed",
            vec![put(RECORD, &reseal(&env, "main", |r| r.version = Some("9".into())))],
        ),
        ("invalid-record", "a forged new beginning", vec![put(RECORD, &restarted)]),
        ("invalid-record", "a forged state", vec![put(RECORD, &claimed)]),
        ("unknown-record", "a record of a stranger", vec![put(".passgate/records/other.json", &record)]),
        ("unexpected-file", "a file in .passgate", vec![put(".passgate/extra", "x\n")]),
        ("policy-changed", "a policy weakened", vec![put(".passgate/stage.yaml", &weaker)]),
        ("policy-changed", "a policy deleted", vec![del(".passgate/stage.yaml")]),
        ("invalid-policy", "a policy broken", vec![put(".passgate/stage.yaml", "version: 2\n")]),
        ("edited-by-hand", "with a change of others", vec![put("cluster/x", "x\n"), put("infra/y.yaml", "y: 1\n")]),
    ];
    for (rule, what, edits) in kinds {
        env.on("candidate").from("main").edit(&edits).done();
        let run = check(&world, "qual", "candidate").is(3, "refused");
        let findings = run.json["findings"].as_array().unwrap();
        let finding = findings.iter().find(|finding| finding["rule"] == rule);
        let finding = finding.unwrap_or_else(|| panic!("{what}: no {rule} in {run:#?}"));
        assert!(finding["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{what}: {finding:#?}");
        let path = finding["paths"][0]["path"].as_str().unwrap_or_default();
        assert!(run.stderr.is_empty() || run.stderr.contains(path), "{what}: {}", run.stderr);
    }
}

#[test]
fn a_forged_release_of_other_content_fails() {
    let world = live();
    let env = world.env("qual");
    // Content that nobody released anywhere, under a record with a right seal and right trees.
    env.on("other").from("main").edit(&[put(DEPLOY, "image: evil\n")]).done();
    let apps = env.id("other:apps");
    let forged = continued(&env, "main", |record| {
        record.folders[0].tree = Some(apps.parse().unwrap());
        let mut entry = record.ledger[0].clone();
        entry.seq = record.seq;
        record.ledger.insert(0, entry);
    });
    env.on("candidate").from("main").edit(&[put(DEPLOY, "image: evil\n"), put(RECORD, &forged)]).done();
    let run = check(&world, "qual", "candidate").is(3, "refused");
    assert_ne!(run.json["findings"], Value::Array(Vec::new()), "{run:#?}");
}

#[test]
fn a_forged_new_beginning_does_not_forget_a_failed_mark() {
    let world = World::new();
    let first = world.pass("main", "dev");
    let env = world.env("dev");
    let passed = env.id("main:.passgate/records/shop.json");
    let ledger = env.record("main").ledger;
    world.mark("failed", &first, "dev").is(0, "marked");
    world.repo("source").commit("main", &[put(DEPLOY, "image: 2\n")]);
    world.ship("main", "dev");
    // A genuine release, whose record begins anew from the one before the failed mark.
    let replaced = env.id("main~1:.passgate/records/shop.json");
    let forged = reseal(&env, "main", |record| {
        let live = record.ledger[0].clone();
        record.restarted = Some(passgate::domain::record::Restart { from: Some(passed.parse().unwrap()) });
        record.replaces = Some(replaced.parse().unwrap());
        record.ledger = std::iter::once(live).chain(ledger.clone()).collect();
        record.ledger[1].release_commit = None;
    });
    propose(&world, "dev");
    env.on("candidate").edit(&[put(RECORD, &forged)]).done();
    let run = check(&world, "dev", "candidate");
    assert_eq!(run.code, Some(3), "{run:#?}");
    // Merged past the check all the same, it is no evidence.
    env.point("refs/heads/main", "candidate");
    let run = world.untouched(|| world.release(&first, "qual"));
    assert_eq!(run.code, Some(3), "{run:#?}");
    let audit = world.run(&["audit", "--to", &world.to("dev")]);
    assert!(audit.json["findings"].to_string().contains("invalid-record"), "{audit:#?}");
}

#[test]
fn what_an_override_let_in_cannot_be_said_anew() {
    let world = live();
    let glass = "order: forward\noverride: {allow: [previous]}\n";
    world.environment("qual", &Policy { more: glass.into(), ..world.policy("qual", Some("dev")) });
    world.repo("source").commit("main", &[put(DEPLOY, "image: 2\n")]);
    let second = world.ship("main", "dev");
    world.release_with(&second, "qual", &["--override", "INC-1"]).is(0, "released");
    let env = world.env("qual");
    // The live content once more, with every gate open and without its override.
    let forged = continued(&env, "main", |record| {
        record.overridden = None;
        for gate in &mut record.gates {
            if gate.is_closed() {
                gate.verdict = passgate::domain::outcome::Verdict::Passed;
                gate.remedy = None;
            }
        }
        let mut entry = record.ledger[0].clone();
        record.ledger[0].release_commit = Some(env.id("main").parse().unwrap());
        entry.seq = record.seq;
        entry.overridden = None;
        record.ledger.insert(0, entry);
    });
    env.on("candidate").from("main").edit(&[put(RECORD, &forged)]).done();
    let run = check(&world, "qual", "candidate");
    assert_eq!(run.code, Some(3), "{run:#?}");
    // A mark that says more than a mark.
    let forged = continued(&env, "main", |record| record.source.branch = "hotfix/x".parse().unwrap());
    env.on("candidate").from("main").edit(&[put(RECORD, &forged)]).done();
    let run = check(&world, "qual", "candidate");
    assert_eq!(run.code, Some(3), "{run:#?}");
    // A rollback that forgets the override of what it brings back.
    world.repo("source").commit("main", &[put(DEPLOY, "image: 3\n")]);
    let third = world.pass("main", "dev");
    world.release(&third, "qual").is(0, "released");
    let to = world.to("qual");
    world.run(&["rollback", "--to", &to, "--unit", "shop"]).is(0, "rolled-back");
    assert!(env.record("main").overridden.is_some());
    let forged = reseal(&env, "main", |record| {
        record.overridden = None;
        record.ledger[0].overridden = None;
    });
    propose(&world, "qual");
    env.on("candidate").edit(&[put(RECORD, &forged)]).done();
    let run = check(&world, "qual", "candidate");
    assert_eq!(run.code, Some(3), "{run:#?}");
}

#[test]
fn a_release_that_says_more_than_passgate_would_fails() {
    let world = live();
    let (env, dev) = (world.env("qual"), world.env("dev"));
    let (root, tip) = (dev.id("main~1"), env.record("main").after[0].tip);
    propose(&world, "qual");
    let genuine = env.id("candidate");
    check(&world, "qual", "candidate").is(0, "checked");
    for (number, forged) in [
        reseal(&env, "candidate", |r| r.after[0].tip = "0000000000000000000000000000000000000001".parse().unwrap()),
        reseal(&env, "candidate", |r| r.after[0].tip = dev.id("main~2").parse().unwrap()),
        reseal(&env, "candidate", |r| r.released.by = Some("ceo".into())),
        reseal(&env, "candidate", |r| r.released.at = "2020-01-01T00:00:00Z".into()),
        reseal(&env, "candidate", |r| r.gates.retain(|gate| gate.gate != "previous")),
    ]
    .iter()
    .enumerate()
    {
        env.on("candidate").from(&genuine).edit(&[put(RECORD, forged)]).done();
        let run = check(&world, "qual", "candidate");
        assert_eq!(run.code, Some(3), "{number}: {run:#?}");
    }
    // The stage before goes on while the proposal waits.
    assert_ne!(root, tip.to_string());
    dev.commit("main", &[put("cluster/settings.yaml", "turn: 9\n")]);
    env.point("refs/heads/candidate", &genuine);
    check(&world, "qual", "candidate").is(0, "checked");
}

#[test]
fn an_edit_that_a_rename_would_carry_into_a_folder_is_a_conflict() {
    let world = live();
    let env = world.env("qual");
    let lines: String = (0..60).map(|n| format!("line: {n}\n")).collect();
    env.commit("main", &[put("cluster/web/app.yaml", &lines), put("cluster/other.yaml", "x: 1\n")]);
    let edited = lines.replace("line: 30\n", "line: EVIL\n");
    env.on("candidate").from("main").edit(&[put("cluster/web/app.yaml", &edited)]).done();
    check(&world, "qual", "candidate").is(0, "checked");
    // Somebody else's file goes, and the unit brings one like it.
    env.commit("main", &[del("cluster/web/app.yaml"), put("cluster/other.yaml", "x: 2\n")]);
    world.repo("source").commit("main", &[put("apps/web/app.yaml", &lines)]);
    let second = world.pass("main", "dev");
    world.release(&second, "qual").is(0, "released");
    check(&world, "qual", "candidate").is(3, "refused").closed_gate("unit", "conflicts with");
}

#[test]
fn a_rollback_that_says_it_came_from_elsewhere_fails() {
    let world = live();
    world.repo("source").commit("main", &[put(DEPLOY, "image: 2\n")]);
    let second = world.pass("main", "dev");
    world.release(&second, "qual").is(0, "released");
    let to = world.to("qual");
    world.run(&["rollback", "--to", &to, "--unit", "shop"]).is(0, "rolled-back");
    let env = world.env("qual");
    let forged = [
        reseal(&env, "main", |record| record.source.branch = "hotfix/x".parse().unwrap()),
        reseal(&env, "main", |record| {
            record.source.commit = record.ledger[1].commit.unwrap();
            record.ledger[0].commit = record.ledger[1].commit;
        }),
        reseal(&env, "main", |record| record.source.repository = world.url("env-dev").parse().unwrap()),
    ];
    propose(&world, "qual");
    check(&world, "qual", "candidate").is(0, "checked");
    let genuine = env.id("candidate");
    for record in forged {
        env.on("candidate").from(&genuine).edit(&[put(RECORD, &record)]).done();
        let run = check(&world, "qual", "candidate");
        assert_eq!(run.code, Some(3), "{run:#?}");
    }
}

#[test]
fn a_first_release_that_says_what_was_never_here_fails() {
    let world = World::new();
    let artifact = world.pass("main", "dev");
    let env = world.env("qual");
    env.commit("main", &[put(DEPLOY, "image: old\n")]);
    world.release_with(&artifact, "qual", &["--adopt"]).is(0, "released");
    let adopted = env.record("main").ledger.len() - 1;
    assert_eq!(env.record("main").ledger[adopted].state, passgate::domain::record::State::Adopted);
    let forged = [
        reseal(&env, "main", |r| r.ledger[adopted].state = passgate::domain::record::State::Passed),
        reseal(&env, "main", |r| r.ledger[adopted].digest = passgate::domain::id::Digest([7; 32])),
        reseal(&env, "main", |r| r.ledger[adopted].commit = Some(r.source.commit)),
        reseal(&env, "main", |r| {
            let more = r.ledger[adopted].clone();
            r.ledger.push(more);
        }),
        reseal(&env, "main", |r| r.ledger.truncate(adopted)),
    ];
    propose(&world, "qual");
    check(&world, "qual", "candidate").is(0, "checked");
    let genuine = env.id("candidate");
    for (number, record) in forged.iter().enumerate() {
        env.on("candidate").from(&genuine).edit(&[put(RECORD, record)]).done();
        let run = check(&world, "qual", "candidate");
        assert_eq!(run.code, Some(3), "{number}: {run:#?}");
    }
}

#[test]
fn a_candidate_whose_commits_would_break_the_chain_fails() {
    let world = live();
    let env = world.env("qual");
    let forged = continued(&env, "main", |record| record.seq = 99);
    let record = env.file("main", RECORD);
    env.on("candidate").from("main").edit(&[put(RECORD, &forged)]).done();
    env.on("candidate").edit(&[put(RECORD, &record), put("cluster/a.yaml", "a: 1\n")]).done();
    let run = check(&world, "qual", "candidate").is(3, "refused");
    assert!(run.json["findings"].to_string().contains("left out a newer record"), "{run:#?}");
}

#[test]
fn a_hidden_looking_folder_hides_nothing() {
    let world = live();
    let env = world.env("qual");
    env.on("candidate").from("main").edit(&[put("apps/shop/.gitops/evil.yaml", "kind: Pod\n")]).done();
    check(&world, "qual", "candidate").is(3, "refused");
    env.point("refs/heads/main", "candidate");
    world.repo("source").commit("main", &[put(DEPLOY, "image: 2\n")]);
    let second = world.pass("main", "dev");
    world.refuses("drift", "apps/shop/.gitops/evil.yaml", &second, "qual");
}

#[test]
fn criss_cross_histories_are_no_reason_to_refuse_what_is_nobodys_business() {
    let world = live();
    let env = world.env("qual");
    let base = env.id("main");
    let left = env.on("left").from(&base).edit(&[put("cluster/l", "l\n")]).done();
    let right = env.on("right").from(&base).edit(&[put("cluster/r", "r\n")]).done();
    env.on("main").from(&left).merge(&right).edit(&[put("cluster/r", "r\n")]).done();
    env.on("candidate").from(&right).merge(&left).edit(&[put("cluster/l", "l\n"), put("cluster/c", "c\n")]).done();
    check(&world, "qual", "candidate").is(0, "checked");
}

#[test]
fn a_candidate_without_common_history_fails() {
    let world = live();
    let env = world.env("qual");
    env.on("candidate").root().edit(&[put("cluster/x", "y\n")]).done();
    check(&world, "qual", "candidate").is(3, "refused").closed_gate("unit", "no common history");
}

impl Run {
    #[track_caller]
    fn closed_gate(self, gate: &str, words: &str) -> Self {
        let report = self.gate(gate);
        assert_eq!(report["verdict"], "refused", "{self:#?}");
        let detail = report["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(words), "{words:?} is not in {detail}");
        assert!(!report["remedy"].as_str().unwrap_or_default().is_empty(), "no remedy: {self:#?}");
        self
    }
}
