//! Policies that are read, and every fault with its place.

mod hostile;
mod images;
mod schema;

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::domain::path::is_invisible;

const HEAD: &str = "version: 1\nstage: qual\nrepository: https://github.com/acme/env-qual\nbranch: main\n";
const ACCEPT: &str = "accept:\n  - unit: shop\n    source: https://github.com/acme/shop\n    branches: [main]\n";

const FULL: &str = r#"# yaml-language-server: $schema=stage.v1.json
version: 1
stage: qual
repository: https://github.com/acme/env-qual
branch: main
accept:
  - unit: shop
    source: git@github.com:acme/shop-config.git
    branches: [main, {match: "hotfix/*", order: any, soak: 0s}]
    folders: [apps/shop, {from: deploy/infra, to: infra/shop}]
    local: ["apps/shop/*/overlay-local/**"]
  - unit: platform
    source: /srv/git/platform.git
    branches: ["release/**"]
    folders: [infra/base]
after:
  - stage: dev
    repository: https://github.com/acme/env-dev
    branch: main
    require: released
    soak: 1h30m
    statuses: []
    pipeline: {repository: https://github.com/acme/shop-config, job: smoke, run: marked}
    accept-overrides: true
  - stage: test
    repository: file:///srv/git/env-test.git
    branch: env/test
order: same-branch
deliver: {release: commit, mark: commit}
drift: keep
images: {}
freeze: []
override: {allow: []}
"#;

fn with(rest: &str) -> String {
    format!("{HEAD}{ACCEPT}{rest}")
}

fn fault(text: &str) -> PolicyError {
    parse(text).expect_err(text)
}

fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

#[test]
fn every_key_is_read() {
    let stage = parse(FULL).unwrap();
    assert_eq!(stage.stage, name("qual"));
    assert_eq!(stage.repository, name("https://github.com/acme/env-qual"));
    assert_eq!(stage.branch, name("main"));
    let shop = stage.accepts(&name("shop")).unwrap();
    assert_eq!(stage.source_of(shop), &name("https://github.com/acme/shop-config"));
    assert_eq!(shop.branches[1].order, Some(OrderMode::Any));
    assert_eq!(shop.branches[1].soak, Some(Duration::ZERO));
    assert_eq!(shop.folders[1], FolderRule { from: "deploy/infra".into(), to: "infra/shop".into() });
    assert!(shop.local.matches("apps/shop/x/overlay-local/y.yaml"));
    assert!(!shop.local.matches("apps/shop/x/y.yaml"));
    let platform = stage.accepts(&name("platform")).unwrap();
    assert_eq!(platform.source, Source::Repository(RepoUrl::from_path("/srv/git/platform.git").unwrap()));
    assert!(stage.accepts(&name("Shop")).is_none());
    let [dev, test] = stage.after.as_slice() else { panic!("two stages") };
    assert_eq!((dev.require, dev.soak, dev.accept_overrides), (Require::Released, Duration::from_secs(5400), true));
    assert_eq!((test.require, test.soak, test.accept_overrides), (Require::Passed, Duration::ZERO, false));
    assert_eq!(test.branch, name("env/test"));
    assert_eq!((stage.order, stage.drift), (Some(OrderMode::SameBranch), Drift::Keep));
    assert_eq!(stage.deliver, Deliver::default());
    assert_eq!(stage.images, Some(Images { compare: true, ..Images::default() }));
    assert_eq!(stage.owner_of("infra/shop/x.yaml").map(|a| &a.unit), Some(&shop.unit));
    assert_eq!(stage.owner_of("infra/shopping/x.yaml"), None);
}

#[test]
fn pull_requests_are_described_beside_what_they_deliver() {
    let text = "deliver: {mark: pull-request, labels: [release], reviewers: [dana, acme/ops], auto-merge: squash}\n";
    let deliver = parse(&with(text)).unwrap().deliver;
    assert_eq!((deliver.release, deliver.mark), (Delivery::Commit, Delivery::PullRequest));
    assert_eq!(
        (deliver.labels, deliver.reviewers),
        (vec!["release".to_owned()], vec!["dana".into(), "acme/ops".into()])
    );
    assert_eq!(deliver.auto_merge, Some(MergeMethod::Squash));
}

#[test]
fn what_is_not_said_has_its_default() {
    let stage = parse(&with("")).unwrap();
    let shop = &stage.accept[0];
    assert_eq!(shop.folders.iter().map(|f| f.to.as_str()).collect::<Vec<_>>(), ["apps", "infra"]);
    assert!(shop.local.is_empty());
    assert_eq!(
        (stage.drift, &stage.deliver, &stage.hold, stage.order),
        (Drift::Refuse, &Deliver::default(), &None, None)
    );
    assert_eq!(stage.order_for(&shop.branches[0]), OrderMode::SameBranch);
    let later = parse(&with("after: [{stage: dev, repository: /srv/dev.git, branch: main, soak: 2h}]\n")).unwrap();
    let rule = &later.accept[0].branches[0];
    assert_eq!(later.order_for(rule), OrderMode::Forward);
    assert_eq!(later.after[0].soak_for(rule), Duration::from_secs(7200));
    let rule = BranchRule { order: Some(OrderMode::Any), soak: Some(Duration::ZERO), ..rule.clone() };
    assert_eq!(later.order_for(&rule), OrderMode::Any);
    assert_eq!(later.after[0].soak_for(&rule), Duration::ZERO);
    assert!(OrderMode::Forward > OrderMode::SameBranch && OrderMode::SameBranch > OrderMode::Any);
    assert_eq!(parse(&with("order: any\n")).unwrap().order_for(&shop.branches[0]), OrderMode::Any);
}

#[test]
fn a_unit_may_be_developed_here() {
    let stage = parse(&format!("{HEAD}accept: [{{unit: shop, source: self}}]\n")).unwrap();
    let shop = &stage.accept[0];
    assert_eq!(shop.source, Source::SelfRepository);
    assert_eq!(stage.source_of(shop), &stage.repository);
    assert!(parse(&format!("{HEAD}accept: [{{unit: shop, source: self, branches: [main]}}]\n")).is_ok());
}

#[test]
fn small_liberties_are_taken() {
    assert!(parse(&format!("\u{feff}{FULL}")).is_ok());
    assert!(parse(&FULL.replace('\n', "\r\n")).is_ok());
    assert!(parse(&format!("{HEAD}accept: []\n")).is_ok());
    assert!(parse(&with("after: []\n")).is_ok_and(|stage| stage.after.is_empty()));
    assert!(parse(&with("after:\n- &a {stage: dev, repository: /srv/dev.git, branch: main}\n")).is_ok());
}

#[test]
fn faults_render_like_a_compiler() {
    for (text, shown) in [
        (
            with("orde: any\n"),
            "unknown key `orde`
 --> .passgate/stage.yaml:9:1
  |
9 | orde: any
  | ^^^^
  = hint: did you mean `order`?",
        ),
        (
            with("order: forwrd # strict\n"),
            "unknown value `forwrd`
 --> .passgate/stage.yaml:9:8
  |
9 | order: forwrd # strict
  |        ^^^^^^
  = hint: did you mean `forward`?",
        ),
        (
            with("after:\n  - {stage: dev, repository: /srv/dev.git, branch: main, soak: 5}\n"),
            "`5` is a number, a boolean or null where a text is expected
  --> .passgate/stage.yaml:10:64
   |
10 |   - {stage: dev, repository: /srv/dev.git, branch: main, soak: 5}
   |                                                                ^
   = hint: write it in quotes: \"5\"; a duration has a unit: 5m",
        ),
        (
            with("drift: \"keep\u{202e}##[error]\"\n"),
            "unknown value `keep\\u{202e}\\u{23}#[error]`
 --> .passgate/stage.yaml:9:8
  |
9 | drift: \"keep\\u{202e}\\u{23}#[error]\"
  |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  = hint: it is one of `refuse`, `overwrite`, `keep`",
        ),
        (
            with("").replace("[main]", "[日本, refs/heads/x]"),
            "`refs/heads/x` is not a pattern: it begins with refs/
 --> .passgate/stage.yaml:8:20
  |
8 |     branches: [日本, refs/heads/x]
  |                      ^^^^^^^^^^^^
  = hint: write the branch's name alone: `x`",
        ),
        (
            with("").replace("https://github.com/acme/env", "https://me:secret@github.com/acme/env"),
            "\"https://***@github.com/acme/env-qual\" is not a repository URL: it holds a password: give it as \
             PASSGATE_TOKEN (user:password) or to git's credential helper
 --> .passgate/stage.yaml:3:13
  |
3 | repository: https://me:******@github.com/acme/env-qual
  |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        ),
        (
            with("images: {rewrite: [{from: dev.example.io, to: prod.example.io/**}]}\n"),
            "`dev.example.io` is not a pattern: it is a host or a name alone
 --> .passgate/stage.yaml:9:27
  |
9 | images: {rewrite: [{from: dev.example.io, to: prod.example.io/**}]}
  |                           ^^^^^^^^^^^^^^
  = hint: write `dev.example.io/**` for everything of a host",
        ),
    ] {
        assert_eq!(fault(&text).to_string(), shown);
    }
}

#[test]
fn faults_of_shape_are_located() {
    let mut wrong = Vec::new();
    for (text, line, column, message) in [
        (String::new(), 1, 1, "the file ends too early, or is empty"),
        ("[]".into(), 1, 1, "a mapping is expected"),
        (with("drfit: keep\n"), 9, 1, "unknown key `drfit`"),
        (with("order: any\norder: any\n"), 10, 1, "the key `order` stands here twice"),
        (with("after:\n"), 9, 6, "a list is expected"),
        (with("order:\n"), 9, 6, "a value is missing"),
        (with("order: {any: }\n"), 9, 8, "a text is expected"),
        (with("deliver: pull-reqest\n"), 9, 10, "unknown value `pull-reqest`"),
        (with("deliver: {relase: commit}\n"), 9, 11, "unknown key `relase`"),
        (with("deliver: {mark: comit}\n"), 9, 17, "unknown value `comit`"),
        (with("deliver: {release: pull-request, auto-merge: quash}\n"), 9, 46, "unknown value `quash`"),
        (with("after: [dev]\n"), 9, 9, "a mapping is expected"),
        (with("after: [{stage: dev, branch: main}]\n"), 9, 22, "the key `repository` is missing here"),
        (with("hold: {for: [main], max: 5m, min: 1m}\n"), 9, 30, "unknown key `min`"),
        (with("override: {allow: [source]}\n"), 9, 20, "unknown value `source`"),
        (with("<<: {order: any}\n"), 9, 1, "merge keys (<<) are not allowed here"),
        (with("order: !x any\n"), 9, 11, "YAML tags are not used here"),
        (with("order: *x\n"), 9, 8, "an alias names no anchor"),
        (with("\torder: any\n"), 9, 2, "tabs disallowed within this context (block indentation)"),
        (with("---\nversion: 1\n"), 10, 1, "the file holds more than one YAML document"),
        (
            with("").replace("[main]", "[1.5]"),
            8,
            16,
            "floating point `1.5` stands where a text or a mapping is expected",
        ),
        (with("").replace("[main]", "[{mtch: x}]"), 8, 17, "unknown key `mtch`"),
        (with("").replace("[main]", "[{match: x, order: anny}]"), 8, 34, "unknown value `anny`"),
        (
            with("").replace("branch: main", "branch: true"),
            4,
            9,
            "`true` is a number, a boolean or null where a text is expected",
        ),
    ] {
        let error = fault(&text);
        if (error.kind, error.line, error.column, error.message.as_str()) != (Kind::Syntax, line, column, message) {
            wrong.push(format!("{line}:{column} {message}\n{error}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

fn accept(rest: &str) -> String {
    format!("{HEAD}accept:\n  - {{unit: a, source: /srv/a.git, branches: [main]{rest}\n")
}

fn after(rest: &str) -> String {
    with(&format!("after:\n  - {{stage: dev, repository: /srv/dev.git, branch: main}}\n  - {rest}\n"))
}

#[test]
fn faults_of_meaning_are_located() {
    let mut wrong = Vec::new();
    let second = |rest: &str| accept(&format!("}}\n  - {{{rest}}}"));
    for (text, line, column, message) in [
        (with("").replace("version: 1", "version: 2"), 1, 10, "this version of the format is not known"),
        (with("").replace("version: 1", "version: \"1\""), 1, 10, "this version of the format is not known"),
        (with("").replace("version: 1", "version: 1.0"), 1, 10, "this version of the format is not known"),
        (
            with("").replace("stage: qual", "stage: a/b"),
            2,
            8,
            "\"a/b\" is not a stage name: it has only letters, digits, '.', '_' and '-'",
        ),
        (
            with("").replace("branch: main", "branch: a..b"),
            4,
            9,
            "\"a..b\" is not a branch name: git does not allow it",
        ),
        (
            with("").replace("https://github.com/acme/shop", "ftp://x/y"),
            7,
            13,
            "\"ftp://x/y\" is not a repository URL: its scheme is not https, http, ssh or file",
        ),
        (with("").replace("    branches: [main]\n", ""), 6, 11, "the key `branches` is missing for unit `shop`"),
        (with("").replace("[main]", "[]"), 8, 15, "`branches` is empty: no commit could ever be released"),
        (with("").replace("[main]", "[\"hot**\"]"), 8, 16, "`hot**` is not a pattern: ** stands alone between slashes"),
        (
            with("").replace("[main]", "[{match: \"{a,b}\"}]"),
            8,
            24,
            "`{a,b}` is not a pattern: its only special characters are *, ** and ?",
        ),
        (
            with("").replace("[main]", "[{match: x, soak: 2w}]"),
            8,
            33,
            "`2w` is not a duration: its units are d, h, m and s",
        ),
        (
            with("").replace("https://github.com/acme/shop", "self").replace("[main]", "[dev]"),
            8,
            15,
            "`source: self` means the branch `main`, which is not among these",
        ),
        (accept(", folders: []}"), 6, 62, "`folders` is empty: the unit would own nothing"),
        (accept(", folders: [.]}"), 6, 63, "the folder `.` is refused: it is the root of the repository"),
        (accept(", folders: [\"\"]}"), 6, 63, "the folder `` is refused: it is the root of the repository"),
        (accept(", folders: [/apps]}"), 6, 63, "the folder `/apps` is refused: it is absolute"),
        (accept(", folders: [apps/]}"), 6, 63, "the folder `apps/` is refused: it ends with a slash"),
        (
            accept(", folders: [.passgate]}"),
            6,
            63,
            "the folder `.passgate` is refused: a folder never begins with a dot",
        ),
        (
            accept(", folders: [passgate.json]}"),
            6,
            63,
            "the folder `passgate.json` is refused: it is the name of the manifest",
        ),
        (
            accept(", folders: [{from: ../x, to: apps}]}"),
            6,
            70,
            "the folder `../x` is refused: a component ends with a dot or a space, which Windows drops",
        ),
        (accept(", folders: [apps, apps/x]}"), 6, 69, "the folder `apps/x` overlaps `apps` of this unit (line 6)"),
        (accept(", folders: [apps/x, APPS]}"), 6, 71, "the folder `APPS` overlaps `apps/x` of this unit (line 6)"),
        (accept(", local: [cluster/x]}"), 6, 61, "`cluster/x` does not lie in a folder of unit `a`"),
        (accept(", local: [\"*/x\"]}"), 6, 61, "`*/x` does not lie in a folder of unit `a`"),
        (accept(", local: [apps/x/]}"), 6, 61, "`apps/x/` is not a pattern: it ends with a slash"),
        (
            second("unit: a, source: /srv/b.git, branches: [main], folders: [b]"),
            7,
            12,
            "the unit `a` is accepted twice, first in line 6",
        ),
        (
            second("unit: A, source: /srv/b.git, branches: [main], folders: [b]"),
            7,
            12,
            "the units `A` and `a` (line 6) differ in case only",
        ),
        (
            second("unit: b, source: /srv/b.git, branches: [main], folders: [infra/b]"),
            7,
            63,
            "the folder `infra/b` overlaps `infra` of unit `a` (line 6)",
        ),
        (
            second("unit: b, source: /srv/b.git, branches: [main]"),
            7,
            12,
            "the folder `apps` overlaps `apps` of unit `a` (line 6)",
        ),
        (second("unit: b, source: self, folders: [{from: x, to: y}]"), 7, 46, "`source: self` cannot map folders"),
        (after("{stage: Qual, repository: /srv/x.git, branch: main}"), 11, 13, "the stage `Qual` comes after itself"),
        (
            after("{stage: dev, repository: /srv/x.git, branch: main}"),
            11,
            13,
            "the stage `dev` stands here twice, first in line 10",
        ),
        (
            after("{stage: x, repository: git@github.com:acme/env-qual, branch: main}"),
            11,
            28,
            "the stage `x` has this stage's own repository and branch",
        ),
        (
            after("{stage: x, repository: /srv/dev.git, branch: main}"),
            11,
            28,
            "the stages `x` and `dev` have the same repository and branch",
        ),
        (
            after("{stage: x, repository: env-dev, branch: main}"),
            11,
            28,
            "\"env-dev\" is not a repository URL: it is neither https://, http://, ssh://, file:// nor user@host:path",
        ),
        (
            after("{stage: x, repository: /srv/x.git, branch: main, soak: -1h}"),
            11,
            60,
            "`-1h` is not a duration: a duration is never negative",
        ),
        (
            after("{stage: x, repository: /srv/x.git, branch: main, statuses: [a/]}"),
            11,
            65,
            "`a/` is not a pattern: a component is empty: no / at its ends, no // in it",
        ),
        (
            after("{stage: x, repository: /srv/x.git, branch: main, pipeline: {repository: /srv/x.git}}"),
            11,
            64,
            "it names no part of a run",
        ),
        (
            after(
                "{stage: x, repository: /srv/x.git, branch: main, pipeline: {repository: /srv/x.git, job: a, stage: b}}",
            ),
            11,
            104,
            "only one part of a run can be asked about",
        ),
        (
            after("{stage: x, repository: /srv/x.git, branch: main, pipeline: {repository: /srv/x.git, job: \"\"}}"),
            11,
            94,
            "it is empty, or has a control character",
        ),
        (
            after("{stage: x, repository: /srv/x.git, branch: main, accept-overrides: yes}"),
            11,
            72,
            "true or false is expected",
        ),
        (with("hold: {for: [], max: 5m}\n"), 9, 13, "`for` is empty: no release would hold the stage"),
        (
            with("images: {rewrite: [{from: a.io/**, to: b.io/x}]}\n"),
            9,
            40,
            "only one of `from` and `to` ends with /**",
        ),
        (
            with("images: {rewrite: [{from: a.io/*/x, to: b.io/x}]}\n"),
            9,
            27,
            "`a.io/*/x` is not a pattern: only the end of it may be **",
        ),
        (
            with("images: {rewrite: [{from: a.io/**, to: b.io/**, tag: {from: \"a\", to: \"*\"}}]}\n"),
            9,
            61,
            "`a` is no rule for tags: the `*` in `to` stands for nothing in `from`",
        ),
        (with("images: {allow: [nginx]}\n"), 9, 18, "`nginx` is not a pattern: it is a host or a name alone"),
        (with("images: {allow: [\"*.io/**\"]}\n"), 9, 18, "`*.io/**` is not a pattern: it does not begin with a host"),
        (
            with("images: {deny: [a//b]}\n"),
            9,
            17,
            "`a//b` is not a pattern: a component is empty: no / at its ends, no // in it",
        ),
        (with("images: {skip: [{match: \"**\", reason: \" \"}]}\n"), 9, 39, "an empty text gives no reason"),
        (with("images: {roots: []}\n"), 9, 17, "`roots` is empty: no image would be looked at"),
        (
            with("images: {roots: [/apps]}\n"),
            9,
            18,
            "`/apps` is not a pattern: it is not a path from the repository's root, without . and ..",
        ),
        (
            with("images: {context: [.passgate]}\n"),
            9,
            20,
            "the folder `.passgate` is refused: a folder never begins with a dot",
        ),
        (
            with("images: {inventory: ../x}\n"),
            9,
            21,
            "`../x` is no path: a component ends with a dot or a space, which Windows drops",
        ),
        (with("images: {platform: amd64}\n"), 9, 20, "`amd64` is not a platform"),
        (
            with("images: {platform: linux/amd64, inventory: x}\n"),
            9,
            20,
            "`platform` beside `inventory`: a list does not say what an image is for",
        ),
        (with("images: {realms: [\"https://x.io\"]}\n"), 9, 19, "`https://x.io` is not a host"),
        (
            with("images: {fields: [{group: a.io, kind: A, path: spec..image}]}\n"),
            9,
            48,
            "`spec..image` is no path to a field",
        ),
        (with("images: {strict: \"yes\"}\n"), 9, 18, "true or false is expected"),
        (
            with("freeze: [{from: 2026-12-20, until: 2026-12-21T00:00, zone: UTC}]\n"),
            9,
            17,
            "`2026-12-20` is not a local time",
        ),
        (
            with("freeze: [{from: 2026-12-20T18:00, until: 2026-12-20T18:00, zone: UTC}]\n"),
            9,
            42,
            "`until` is not later than `from`",
        ),
        (
            with("freeze: [{from: 2026-12-20T18:00, until: 2026-12-21T18:00, zone: C E T}]\n"),
            9,
            66,
            "`C E T` is not a time zone",
        ),
        (with("freeze: [{from: 2026-12-20T18:00, zone: UTC}]\n"), 9, 10, "it is no freeze"),
        (with("freeze: [{reason: x, kind: allow}]\n"), 9, 10, "it is no freeze"),
        (
            with("freeze: [{cron: 0 15 * * FRIDAY, for: 2h, zone: UTC}]\n"),
            9,
            17,
            "`0 15 * * FRIDAY` is not a repeating time: a field is not understood",
        ),
        (
            with("freeze: [{cron: 0 0 30 2 *, for: 2h, zone: UTC}]\n"),
            9,
            17,
            "`0 0 30 2 *` is not a repeating time: it never comes",
        ),
        (with("freeze: [{cron: 0 15 * * 5, for: 0s, zone: UTC}]\n"), 9, 34, "a window of no length never holds"),
        (
            with("deliver: {release: pull-request, labels: [a, \"b,c\"]}\n"),
            9,
            46,
            "a name has 1 to 100 characters, no comma and no white space around it",
        ),
        (
            with("deliver: {release: pull-request, reviewers: [\"\"]}\n"),
            9,
            46,
            "a name has 1 to 100 characters, no comma and no white space around it",
        ),
        (
            with("deliver: {mark: commit, labels: [a]}\n"),
            9,
            33,
            "nothing is delivered by pull request, so this would say nothing",
        ),
        (with("freeze: [{cron: 0 15 * * 5, for: 1h, zone: Mars/Base}]\n"), 9, 44, "`Mars/Base` is not a time zone"),
    ] {
        let error = fault(&text);
        if (error.kind, error.line, error.column, error.message.as_str()) != (Kind::Invalid, line, column, message) {
            wrong.push(format!("{line}:{column} {message}\n{error}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
