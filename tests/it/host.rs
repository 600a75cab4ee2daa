//! Where a run happens: outputs, summaries, annotations, masks and defaults of both hosts; and that nothing from outside
//! can give a runner a command.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::http::Server;
use crate::support::repos::{Repo, put_as};
use crate::support::runner::{self, Order};
use crate::support::{Policy, Run, World, put, text};

const TOKEN: &str = "ghp_t0ken/with+signs";

/// A world on a host, with the variables and files that the host gives.
struct Hosted {
    world: World,
    kind: &'static str,
}

impl Hosted {
    fn new(kind: &'static str) -> Self {
        Self::of(World::new(), kind)
    }

    fn of(world: World, kind: &'static str) -> Self {
        for folder in ["workspace", "temp"] {
            fs::create_dir(world.path().join(folder)).unwrap();
        }
        Self { world, kind }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.world.path().join(name)
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        let file = |name: &str| self.file(name).display().to_string();
        match self.kind {
            "github" => vec![
                ("GITHUB_ACTIONS", "true".into()),
                ("GITHUB_OUTPUT", file("output")),
                ("GITHUB_STEP_SUMMARY", file("summary.md")),
                ("GITHUB_WORKSPACE", file("workspace")),
                ("GITHUB_SERVER_URL", "https://github.example".into()),
                ("GITHUB_REPOSITORY", "acme/shop".into()),
                ("GITHUB_RUN_ID", "7".into()),
                ("GITHUB_RUN_ATTEMPT", "2".into()),
                ("GITHUB_ACTOR", "erin".into()),
                ("GITHUB_TRIGGERING_ACTOR", "dana".into()),
            ],
            azure => {
                let mut all = vec![
                    ("TF_BUILD", "True".into()),
                    ("AGENT_TEMPDIRECTORY", file("temp")),
                    ("PIPELINE_WORKSPACE", file("workspace")),
                    ("SYSTEM_COLLECTIONURI", "https://dev.azure.com/acme/".into()),
                    ("SYSTEM_TEAMPROJECT", "My Shop".into()),
                    ("BUILD_REPOSITORY_URI", "https://dev.azure.com/acme/My%20Shop/_git/shop".into()),
                    ("BUILD_BUILDID", "7".into()),
                    ("BUILD_REQUESTEDFOR", "Dana".into()),
                ];
                if azure == "azure-release" {
                    all.extend([
                        ("RELEASE_RELEASEID", "9".into()),
                        ("RELEASE_RELEASEWEBURL", "https://dev.azure.com/acme/x/_release?releaseId=9".into()),
                        ("RELEASE_DEPLOYMENT_REQUESTEDFOR", "Robin".into()),
                        ("SYSTEM_DEFAULTWORKINGDIRECTORY", file("workspace")),
                    ]);
                }
                all
            }
        }
    }

    /// Runs on the host; the outputs and summary of the run before are taken away.
    fn run_with(&self, args: &[&str], more: &[(&str, &str)]) -> Run {
        for name in ["output", "summary.md"] {
            fs::remove_file(self.file(name)).ok();
        }
        let mut command = self.world.command();
        command.args(args).envs(self.variables()).envs(more.iter().copied());
        Run::of(command.output().unwrap())
    }

    fn run(&self, args: &[&str]) -> Run {
        self.run_with(args, &[])
    }

    fn orders(&self, run: &Run) -> Vec<Order> {
        let log = format!("{}\n{}", run.stdout, run.stderr);
        if self.kind == "github" { runner::github(&log) } else { runner::azure(&log) }
    }

    /// The outputs of a run.
    fn outputs(&self, run: &Run) -> Vec<(String, String)> {
        if self.kind == "github" {
            return runner::outputs(&fs::read_to_string(self.file("output")).unwrap_or_default());
        }
        let set = self.orders(run).into_iter().filter(|order| order.name == "task.setvariable");
        set.map(|order| {
            assert_eq!(order.property("isOutput"), "true");
            (order.property("variable").to_owned(), order.value)
        })
        .collect()
    }

    #[track_caller]
    fn output(&self, run: &Run, name: &str) -> String {
        let name =
            if self.kind == "github" { name.to_owned() } else { name.replace("previous-commit", "previousCommit") };
        let all = self.outputs(run);
        all.iter().find(|(key, _)| *key == name).unwrap_or_else(|| panic!("no {name} in {all:?}: {run:#?}")).1.clone()
    }

    /// The summary page of a run.
    fn summary(&self, run: &Run) -> String {
        if self.kind == "github" {
            return fs::read_to_string(self.file("summary.md")).unwrap_or_default();
        }
        let page = self.orders(run).into_iter().find(|order| order.name == "task.uploadsummary");
        page.map(|order| fs::read_to_string(order.value).unwrap()).unwrap_or_default()
    }

    /// Errors and warnings beside the log, each with its title.
    fn annotations(&self, run: &Run) -> Vec<(String, String)> {
        let orders = self.orders(run).into_iter();
        let told = orders.filter_map(|order| match order.name.as_str() {
            "error" | "warning" => Some((order.name.clone(), format!("{}: {}", order.property("title"), order.value))),
            "task.logissue" => Some((order.property("type").to_owned(), order.value)),
            _ => None,
        });
        told.collect()
    }
}

const HOSTS: [&str; 3] = ["github", "azure", "azure-release"];

#[test]
fn a_release_leaves_outputs_a_summary_and_who_did_it() {
    for (kind, by, page) in [
        ("github", "dana", "https://github.example/acme/shop/actions/runs/7/attempts/2"),
        ("azure", "Dana", "https://dev.azure.com/acme/My%20Shop/_build/results?buildId=7"),
        ("azure-release", "Robin", "https://dev.azure.com/acme/x/_release?releaseId=9"),
    ] {
        let host = Hosted::new(kind);
        let artifact = host.world.package("main");
        let to = host.world.to("dev");
        let run = host.run(&["release", text(&artifact), "--to", &to]);
        assert_eq!(run.code, Some(0), "{run:#?}");
        let env = host.world.env("dev");
        let digest = host.world.digest(&artifact);
        for (name, wanted) in [
            ("result", "released"),
            ("stage", "dev"),
            ("unit", "shop"),
            ("live", "true"),
            ("path", ""),
            ("digest", &digest),
            ("commit", &env.id("main")),
            ("previous-commit", &env.id("main^")),
        ] {
            assert_eq!(host.output(&run, name), wanted, "{name}");
        }
        let summary = host.summary(&run);
        assert!(summary.contains("released shop to dev") && summary.contains("| source | ✅ passed |"), "{summary}");
        assert!(host.annotations(&run).is_empty());
        let record = env.record("main");
        assert_eq!((record.released.by.as_deref(), record.released.run.as_deref()), (Some(by), Some(page)));
        // A group that is opened is closed, and the result stands outside it.
        let names: Vec<String> = host.orders(&run).into_iter().map(|order| order.name).collect();
        assert_eq!(names.iter().filter(|name| *name == "group").count(), 1, "{names:?}");
        assert_eq!(names.iter().filter(|name| *name == "endgroup").count(), 1, "{names:?}");
        let (_, after) = run.stderr.split_once("endgroup").unwrap();
        assert!(after.contains("released shop to dev"), "{run:#?}");

        // What the command line says comes first, and a mark needs no unit: it is the source repository's name.
        let run = host.run(&["mark", "passed", "--to", &to, "--digest", &digest, "--by", "robin"]);
        assert_eq!((run.code, host.output(&run, "result").as_str()), (Some(0), "marked"), "{run:#?}");
        assert_eq!(env.record("main").marked.unwrap().by.as_deref(), Some("robin"));
    }
}

#[test]
fn what_is_temporary_stands_where_the_host_empties_it() {
    for (kind, name) in [("github", "RUNNER_TEMP"), ("azure", "AGENT_TEMPDIRECTORY")] {
        let host = Hosted::new(kind);
        let artifact = host.world.package("main");
        let release = ["release", text(&artifact), "--to", &host.world.to("dev")];
        let nowhere = host.file("nowhere");
        let with = |folder: &Path| {
            let variables = [("TMPDIR", text(&nowhere)), (name, text(folder))];
            host.run_with(&release, &variables)
        };
        assert_eq!(host.world.untouched(|| with(&nowhere)).code, Some(1), "a folder that is not there is none");
        let temp = host.file("temp");
        assert_eq!(with(&temp).code, Some(0));
        let left = fs::read_dir(&temp).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert!(left.into_iter().all(|left| left.starts_with("passgate_")), "only a summary stays");
    }
}

#[test]
fn a_refusal_is_seen_without_a_click_and_told_in_a_handful_of_lines() {
    for kind in HOSTS {
        let host = Hosted::new(kind);
        let artifact = host.world.package("main");
        let to = host.world.to("qual");
        let run = host.world.untouched(|| host.run(&["release", text(&artifact), "--to", &to]));
        assert_eq!((run.code, host.output(&run, "result").as_str()), (Some(3), "refused"), "{run:#?}");
        assert_eq!(host.output(&run, "live"), "false");
        let told = host.annotations(&run);
        assert!((1..=5).contains(&told.len()), "{told:?}");
        assert!(
            told.iter().any(|(level, text)| level == "error" && text.contains("gate previous of qual: refused")),
            "{told:?}"
        );
        assert!(host.orders(&run).iter().all(|order| order.name != "group"), "{run:#?}");
        assert!(host.summary(&run).contains("| previous | ❌ refused |"), "{run:#?}");

        // A wrong command line too.
        let run = host.run(&["release", "--nonsense"]);
        assert_eq!((run.code, host.output(&run, "result").as_str()), (Some(2), "usage"), "{run:#?}");
        assert!(host.annotations(&run).iter().any(|(_, text)| text.contains("--nonsense")), "{run:#?}");
    }
}

#[test]
fn several_environments_leave_one_set_of_outputs_and_at_most_five_annotations() {
    let host = Hosted::new("github");
    let artifact = host.world.package("main");
    let (dev, qual, prod) = (host.world.to("dev"), host.world.to("qual"), host.world.to("prod"));
    let nowhere = host.world.url("nowhere");
    let run = host.run(&["release", text(&artifact), "--to", &dev, "--to", &qual, "--to", &prod, "--to", &nowhere]);
    assert_eq!((run.code, host.output(&run, "result").as_str()), (Some(3), "refused"), "{run:#?}");
    assert_eq!(host.outputs(&run).len(), 11);
    assert!(host.annotations(&run).len() <= 5, "{run:#?}");
    assert_eq!(host.summary(&run).matches("\n## ").count() + 1, 4, "{}", host.summary(&run));
}

#[test]
fn stdout_stays_one_document_on_every_host() {
    for kind in HOSTS {
        let host = Hosted::new(kind);
        let artifact = host.world.package("main");
        for args in [
            &["inspect", text(&artifact), "--json"][..],
            &["release", "--json"],
            &["status", "--to", &host.world.to("qual"), "--json"],
        ] {
            let run = host.run_with(args, &[("PASSGATE_TOKEN", TOKEN)]);
            assert!(run.json.is_object(), "{run:#?}");
        }
    }
}

#[test]
fn a_build_on_azure_keeps_the_artifact_and_tags_itself() {
    let host = Hosted::new("azure");
    let source = host.world.url("source");
    let args = [
        "package",
        "--repo",
        "source.git",
        "--commit",
        "main",
        "--unit",
        "shop",
        "--source",
        &source,
        "-o",
        "a;b].zip",
    ];
    let run = host.run(&args);
    assert_eq!(run.code, Some(0), "{run:#?}");
    let orders = host.orders(&run);
    let one =
        |name: &str| orders.iter().find(|order| order.name == name).unwrap_or_else(|| panic!("no {name}: {orders:?}"));
    assert_eq!(one("artifact.upload").property("artifactname"), "drop");
    assert_eq!(
        one("artifact.upload").value,
        host.world.path().canonicalize().unwrap().join("a;b].zip").display().to_string()
    );
    let digest = host.output(&run, "digest");
    let tag = &one("build.addbuildtag").value;
    let short = tag.strip_prefix("passgate-shop-").unwrap();
    assert!(short.len() >= 8 && digest.starts_with(&format!("sha256:{short}")), "{tag}");
    // Not in a release, nor elsewhere.
    for kind in ["azure-release", "github"] {
        let host = Hosted::new(kind);
        let source = host.world.url("source");
        let args = ["package", "--repo", "source.git", "--commit", "main", "--unit", "shop", "--source", &source];
        let run = host.run(&args);
        assert!(
            run.code == Some(0) && host.orders(&run).iter().all(|order| !order.name.starts_with("artifact")),
            "{run:#?}"
        );
        assert_eq!(host.output(&run, "path"), "shop.zip");
    }
}

#[test]
fn a_merge_commit_of_a_pull_request_is_packaged_with_a_warning() {
    for (kind, variable) in [("github", "GITHUB_REF"), ("azure", "BUILD_SOURCEBRANCH")] {
        let host = Hosted::new(kind);
        let source = host.world.url("source");
        let args = ["package", "--repo", "source.git", "--unit", "shop", "--source", &source];
        for (value, warned) in [("refs/pull/12/merge", true), ("refs/heads/main", false), ("refs/pull/x/merge", false)]
        {
            let run = host.run_with(&args, &[(variable, value)]);
            assert_eq!(run.code, Some(0), "{run:#?}");
            let told = host.annotations(&run);
            assert_eq!(
                told.iter().any(|(level, text)| level == "warning" && text.contains("on no branch")),
                warned,
                "{told:?}"
            );
            assert_eq!(run.stderr.contains("refs/pull/12/merge"), warned);
        }
    }
    // The gate says so where it matters.
    let world = World::new();
    let source = world.repo("source");
    source.on("feature/x").from("main").edit(&[put("apps/shop/route.yaml", "route: /y\n")]).done();
    source.on("work").from("main").merge("feature/x").edit(&[put("apps/shop/route.yaml", "route: /y\n")]).done();
    source.point("refs/pull/12/merge", "work");
    source.git(&["update-ref", "-d", "refs/heads/work"]);
    let artifact = world.package("refs/pull/12/merge");
    let run = world.refuses("branch", "is not on any branch", &artifact, "dev");
    assert!(run.gate("branch")["remedy"].as_str().unwrap().contains("merge commit"), "{run:#?}");
}

#[test]
fn what_the_host_says_is_evidence_for_no_gate() {
    for (kind, variables) in [
        ("github", &["GITHUB_REF", "GITHUB_REF_NAME", "GITHUB_HEAD_REF", "GITHUB_BASE_REF", "GITHUB_SHA"][..]),
        ("azure", &["BUILD_SOURCEBRANCH", "BUILD_SOURCEBRANCHNAME", "BUILD_SOURCEVERSION", "BUILD_REPOSITORY_NAME"]),
    ] {
        let host = Hosted::new(kind);
        let source = host.world.repo("source");
        source.on("feature/x").from("main").edit(&[put("apps/shop/route.yaml", "route: /y\n")]).done();
        let artifact = host.world.package("feature/x");
        let lies: Vec<(&str, &str)> = variables.iter().map(|name| (*name, "refs/heads/main")).collect();
        let to = host.world.to("dev");
        let run = host.world.untouched(|| host.run_with(&["release", text(&artifact), "--to", &to], &lies));
        assert_eq!((run.code, host.output(&run, "result").as_str()), (Some(3), "refused"), "{run:#?}");
        assert!(
            host.annotations(&run).iter().any(|(_, text)| text.contains("gate branch of dev: refused")),
            "{run:#?}"
        );
    }
}

#[test]
fn the_only_artifact_is_found_where_the_host_puts_it() {
    for kind in HOSTS {
        let host = Hosted::new(kind);
        let to = host.world.to("dev");
        let workspace = host.file("workspace");
        let plan = ["plan", "--to", &to];
        let refused = |words: &[&str]| {
            let run = host.world.untouched(|| host.run(&plan));
            assert_eq!(run.code, Some(2), "{run:#?}");
            words.iter().for_each(|word| assert!(run.stderr.contains(word), "{word}: {run:#?}"));
        };
        // What is no artifact, though it looks like one.
        fs::write(workspace.join("other.zip"), "PK\u{3}\u{4} something else").unwrap();
        fs::write(workspace.join("passgate.json"), "{}").unwrap();
        fs::create_dir_all(workspace.join(".git")).unwrap();
        let artifact = host.world.package("main");
        fs::copy(&artifact, workspace.join(".git/hidden.zip")).unwrap();
        std::os::unix::fs::symlink(&artifact, workspace.join("link.zip")).unwrap();
        refused(&["there is none in", "workspace"]);

        fs::create_dir_all(workspace.join("_alias/drop")).unwrap();
        fs::copy(&artifact, workspace.join("_alias/drop/shop.zip")).unwrap();
        let run = host.run(&plan);
        assert_eq!((run.code, host.output(&run, "digest")), (Some(0), host.world.digest(&artifact)), "{run:#?}");
        let run = host.run(&["inspect"]);
        assert_eq!(run.code, Some(0), "{run:#?}");

        // Beside it one that a download step unpacked.
        let folder = workspace.join("drop/unpacked");
        fs::create_dir_all(&folder).unwrap();
        let done =
            std::process::Command::new("unzip").arg("-q").arg(&artifact).arg("-d").arg(&folder).status().unwrap();
        assert!(done.success());
        refused(&["several", "_alias/drop/shop.zip", "drop/unpacked"]);
        fs::remove_dir_all(workspace.join("_alias")).unwrap();
        let run = host.run(&["release", "--to", &to]);
        assert_eq!((run.code, host.output(&run, "result").as_str()), (Some(0), "released"), "{run:#?}");
    }
    // At a terminal nothing is looked for.
    let world = World::new();
    let run = world.untouched(|| world.run(&["release", "--to", &world.to("dev")])).is(2, "usage");
    assert!(run.stderr.contains("no ARTIFACT was named"), "{run:#?}");
}

#[test]
fn one_input_names_several_environments_one_a_line() {
    let host = Hosted::new("github");
    let to = format!("{}\n{}", host.world.to("dev"), host.world.to("qual"));
    let run = host.run_with(&["status", "--json"], &[("PASSGATE_TO", &to)]);
    assert_eq!((run.code, run.json["stages"].as_array().map(Vec::len)), (Some(0), Some(2)), "{run:#?}");
    let artifact = host.world.package("main");
    let run = host.run_with(&["plan", text(&artifact), "--json"], &[("PASSGATE_TO", &to)]);
    assert_eq!((run.code, run.json["targets"].as_array().map(Vec::len)), (Some(3), Some(2)), "{run:#?}");
}

#[test]
fn a_host_can_be_named_and_a_wrong_name_is_an_error() {
    let host = Hosted::new("github");
    let artifact = host.world.package("main");
    let run = host.run_with(&["inspect", text(&artifact)], &[("PASSGATE_HOST", "terminal"), ("PASSGATE_TOKEN", TOKEN)]);
    assert!(run.code == Some(0) && host.orders(&run).is_empty() && !host.file("output").exists(), "{run:#?}");
    let run = host.run_with(&["inspect", text(&artifact)], &[("PASSGATE_HOST", "azure")]);
    assert!(runner::azure(&run.stderr).iter().any(|order| order.name == "task.setvariable"), "{run:#?}");
    let run = host.run_with(&["inspect", text(&artifact)], &[("PASSGATE_HOST", "jenkins")]);
    assert!(run.code == Some(2) && run.stderr.contains("azure-release"), "{run:#?}");
}

#[test]
fn secrets_are_masked_first_and_told_nowhere_else() {
    let pair = "bearer-user:pa ss%w0rd";
    for kind in HOSTS {
        let host = Hosted::new(kind);
        let tokens = [("PASSGATE_TOKEN", TOKEN), ("PASSGATE_SOURCE_TOKEN", pair), ("SYSTEM_ACCESSTOKEN", "j0b.t0ken")];
        let to = host.world.to("qual");
        let artifact = host.world.package("main");
        let run = host.run_with(&["release", text(&artifact), "--to", &to], &tokens);
        assert_eq!(run.code, Some(3), "{run:#?}");
        let orders = host.orders(&run);
        let is_mask = |order: &Order| ["add-mask", "task.setsecret"].contains(&order.name.as_str());
        let count = orders.iter().filter(|order| is_mask(order)).count();
        assert!(orders.iter().take(count).all(is_mask), "masks come first: {orders:?}");
        let lines: Vec<&str> = run.stderr.lines().collect();
        let masked: Vec<String> = orders.into_iter().filter(is_mask).map(|order| order.value).collect();
        let base64 = |text: &str| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text);
        for form in [
            TOKEN.to_owned(),
            base64(&format!("x-access-token:{TOKEN}")),
            "ghp%5Ft0ken%2Fwith%2Bsigns".to_owned(),
            pair.to_owned(),
            "pa ss%w0rd".to_owned(),
            base64(pair),
        ] {
            assert!(masked.contains(&form), "{form} is not in {masked:?}");
        }
        assert_eq!(masked.contains(&"j0b.t0ken".to_owned()), kind != "github");
        let rest = format!("{}{}{}", lines[count..].join("\n"), run.stdout, host.summary(&run));
        for form in &masked {
            assert!(!rest.contains(form.as_str()), "{form} in {rest}");
        }
    }
}

#[test]
fn the_jobs_own_token_goes_to_its_own_collection_only() {
    let world = World::empty();
    let home = world.path().join("home");
    for folder in ["tfs", "other"] {
        fs::create_dir(world.path().join(folder)).unwrap();
        Repo::at(&world.path().join(format!("{folder}/env.git")), &home).commit("main", &[put("x", "x")]);
    }
    let asked = |kind: &'static str, repository: &str, more: &[(&str, &str)]| {
        let server = Server::start(world.path(), &home, Some("never"));
        let url = server.url(repository);
        let collection = url.replace(&format!("/{repository}.git"), "/tfs/");
        let mut command = world.command();
        command.args(["status", "--to", &format!("{url}#main")]).env("PASSGATE_HOST", kind);
        command.env("SYSTEM_COLLECTIONURI", collection).envs(more.iter().copied());
        assert_eq!(command.output().unwrap().status.code(), Some(1));
        server.authorizations()
    };
    let job = [("ENDPOINT_AUTH_PARAMETER_SYSTEMVSSCONNECTION_ACCESSTOKEN", "eyJ.j0b.x")];
    for kind in ["azure", "azure-release"] {
        assert!(asked(kind, "tfs/env", &job).contains(&"Bearer eyJ.j0b.x".to_owned()));
        assert!(asked(kind, "other/env", &job).iter().all(|sent| !sent.contains("j0b")));
        // What was given comes first.
        let given = [job[0], ("PASSGATE_TOKEN", "eyJ.mine.x")];
        assert!(asked(kind, "tfs/env", &given).iter().all(|sent| sent == "Bearer eyJ.mine.x"));
    }
    for kind in ["github", "terminal"] {
        assert!(asked(kind, "tfs/env", &job).is_empty());
    }
}

#[test]
fn a_service_connection_has_the_token_of_its_role() {
    const ID: &str = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
    let world = World::empty();
    let home = world.path().join("home");
    Repo::at(&world.path().join("env.git"), &home).commit("main", &[put("x", "x")]);
    let asked = |kind: &str, more: &[(&str, &str)]| {
        let server = Server::start(world.path(), &home, Some("never"));
        let mut command = world.command();
        command.args(["status", "--json", "--to", &format!("{}#main", server.url("env"))]);
        command.env("PASSGATE_HOST", kind).env("PASSGATE_CONNECTION", ID).envs(more.iter().copied());
        (Run::of(command.output().unwrap()), server.authorizations())
    };
    let variable = |name: &str| format!("ENDPOINT_AUTH_PARAMETER_{ID}_{name}");
    let told = variable("ACCESSTOKEN");
    let upper = told.to_uppercase();
    let document = format!("ENDPOINT_AUTH_{ID}");
    let (user, password) = (variable("USERNAME"), variable("PASSWORD"));
    let base64 = |text: &str| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text);
    let basic = |text: &str| format!("Basic {}", base64(text));
    for kind in ["azure", "azure-release"] {
        for (variables, wanted) in [
            (vec![(told.as_str(), "eyJ.c0nn.x")], "Bearer eyJ.c0nn.x".to_owned()),
            (vec![(upper.as_str(), "eyJ.c0nn.x")], "Bearer eyJ.c0nn.x".to_owned()),
            (
                vec![(document.as_str(), r#"{"scheme":"Token","parameters":{"apitoken":"eyJ.c0nn.x"}}"#)],
                "Bearer eyJ.c0nn.x".to_owned(),
            ),
            (vec![(user.as_str(), "dana"), (password.as_str(), "c0nn")], basic("dana:c0nn")),
            (vec![(told.as_str(), "eyJ.c0nn.x"), ("PASSGATE_TOKEN", "eyJ.mine.x")], "Bearer eyJ.mine.x".to_owned()),
        ] {
            let (run, sent) = asked(kind, &variables);
            assert!(!sent.is_empty() && sent.iter().all(|sent| *sent == wanted), "{variables:?}: {sent:?}");
            let first = runner::azure(&run.stderr).into_iter().next().unwrap();
            assert_eq!(first.name, "task.setsecret", "it is masked before anything is said: {}", run.stderr);
        }
        // A connection without a token is not taken for none at all.
        let (run, sent) = asked(kind, &[(document.as_str(), "no document")]);
        let run = run.is(2, "usage");
        assert!(run.json["error"]["message"].as_str().unwrap().contains(ID) && sent.is_empty(), "{run:#?}");
    }
    let (run, sent) = asked("github", &[(told.as_str(), "eyJ.c0nn.x")]);
    assert!(run.code == Some(1) && sent.is_empty(), "only an agent has service connections: {sent:?}");
}

// Texts that would be commands, in each way that they may come in.
const HOSTILE: &[&str] = &[
    "\r::error::own1",
    "::set-output name=result::own2",
    "##[set-output name=result]own3",
    "##vso[task.complete result=Succeeded;]own4",
    "%0A::error::own5%0D%0A##vso[task.setvariable variable=x]own5",
    "x ##vSo[task.setsecret]own6 ##[error]own6",
    "a%0a%250A\u{2028}::warning::own7\u{85}##[group]own7",
    "] ; ##vso[artifact.upload artifactname=drop]/etc/passwd own8 | ` <script>own9</script> ```",
    "long enough to be wrapped in the cell of a table ::error::own10 ::error::own10 ::error::own10 ::error::own10",
];

#[test]
fn nothing_from_outside_can_give_a_runner_a_command() {
    for kind in HOSTS {
        let host = Hosted::new(kind);
        let world = &host.world;
        let (source, dev) = (world.repo("source"), world.env("dev"));
        for (at, hostile) in HOSTILE.iter().enumerate() {
            let subject = format!("{hostile}\n\n{}\n", HOSTILE.join("\n"));
            source.on("main").edit(&[put("apps/shop/route.yaml", &format!("route: /{at}\n"))]).says(&subject).done();
        }
        let to = world.to("dev");
        let everything = HOSTILE.join("\n");
        let mut runs = Vec::new();
        let artifact = world.package("main~9");
        runs.push(host.run(&["release", text(&artifact), "--to", &to, "--by", HOSTILE[0], "--run", HOSTILE[3]]));
        let artifact = world.package("main");
        runs.push(host.run(&["release", text(&artifact), "--to", &to, "--by", &everything]));
        assert!(runs.iter().all(|run| run.code == Some(0)), "{runs:#?}");
        assert!(host.output(&runs[1], "notes").contains("own4"), "the commits' texts are in the notes");
        let digest = world.digest(&artifact);
        runs.push(host.run(&[
            "mark",
            "failed",
            "--to",
            &to,
            "--unit",
            "shop",
            "--digest",
            &digest,
            "--note",
            &everything,
        ]));
        runs.push(host.run(&["status", "--to", &to]));
        // Files that somebody put into the unit's folders.
        let drift: Vec<_> = HOSTILE.iter().map(|name| format!("apps/{}", name.replace(['/', '\n'], "_"))).collect();
        let quoted: Vec<_> = drift.iter().map(|path| put_as("100644", &quote(path), b"x")).collect();
        dev.commit("main", &quoted);
        source.commit("main", &[put("apps/shop/route.yaml", "route: /z\n")]);
        let artifact = world.package("main");
        let run = world.untouched(|| host.run(&["release", text(&artifact), "--to", &to]));
        assert!(run.code == Some(3) && run.stderr.contains("own2"), "{run:#?}");
        runs.push(run);
        // A server that says such things, and refuses.
        let qual = world.env("qual");
        let policy = Policy { more: "order: any\n".into(), ..world.policy("qual", None) };
        qual.commit("main", &[put(".passgate/stage.yaml", &policy.text())]);
        hook(&qual, &everything);
        let run = world.untouched(|| host.run(&["release", text(&artifact), "--to", &world.to("qual")]));
        assert!(run.code == Some(1) && run.stderr.contains("own1"), "{run:#?}");
        runs.push(run);
        // A stage.yaml of such words, a source with such names, arguments of such words.
        qual.commit("main", &[put(".passgate/stage.yaml", &format!("stage: \"{}\"\n", HOSTILE[3]))]);
        runs.push(host.run(&["plan", text(&artifact), "--to", &world.to("qual")]));
        source.on("names").from("main").edit(&quoted).done();
        let url = world.url("source");
        runs.push(host.run(&[
            "package",
            "--repo",
            "source.git",
            "--commit",
            "names",
            "--unit",
            "shop",
            "--source",
            &url,
        ]));
        for hostile in HOSTILE {
            runs.push(host.run(&["release", hostile, "--to", hostile]));
            runs.push(host.run(&["mark", hostile, "--to", &to, "--unit", hostile]));
            runs.push(host.run(&["inspect", hostile]));
        }
        for run in &runs {
            harmless(&host, run);
        }
    }
}

// Paths with signs in them, as fast-import reads them.
fn quote(path: &str) -> String {
    let octal = |byte: u8| {
        if byte.is_ascii_graphic() && !b"\"\\".contains(&byte) {
            char::from(byte).to_string()
        } else {
            format!("\\{byte:03o}")
        }
    };
    format!("\"{}\"", path.bytes().map(octal).collect::<String>())
}

fn hook(repo: &Repo, says: &str) {
    use std::os::unix::fs::PermissionsExt;
    let file = repo.path.join("hooks/pre-receive");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(repo.path.join("says"), says).unwrap();
    fs::write(&file, "#!/bin/sh\ncat says >&2\nexit 1\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
}

// Only our own commands, each with nothing in it that would be one in turn.
#[track_caller]
fn harmless(host: &Hosted, run: &Run) {
    const OURS: [&str; 10] = [
        "group",
        "endgroup",
        "error",
        "warning",
        "task.setvariable",
        "task.uploadsummary",
        "task.logissue",
        "artifact.upload",
        "build.addbuildtag",
        "task.setsecret",
    ];
    let parse = if host.kind == "github" { runner::github } else { runner::azure };
    for order in host.orders(run) {
        assert!(OURS.contains(&order.name.as_str()), "{order:?} in {run:#?}");
        assert!(!order.value.trim_start().starts_with("own"), "{order:?} in {run:#?}");
        assert!(parse(&order.value).is_empty(), "{order:?} in {run:#?}");
        for (key, value) in &order.properties {
            assert!(["title", "type", "variable", "isOutput", "artifactname"].contains(&key.as_str()), "{order:?}");
            assert!(parse(value).is_empty(), "{order:?}");
        }
    }
    for (name, value) in host.outputs(run) {
        assert!(
            passgate::host::outputs::OUTPUTS
                .iter()
                .any(|(known, _)| passgate::host::outputs::camel(known) == passgate::host::outputs::camel(&name)),
            "{name}"
        );
        assert!(parse(&value).is_empty(), "{name}: {value}");
    }
    let summary = host.summary(run);
    // Blocks of plain text begin and end with more backticks than there are in them.
    let mut fence = None;
    let shown = summary.lines().filter(|line| {
        let ticks = line.len() - line.trim_start_matches('`').len();
        match fence {
            None if ticks > 2 => fence = Some(ticks),
            Some(open) if ticks >= open => fence = None,
            None => return true,
            Some(_) => {}
        }
        false
    });
    assert!(shown.collect::<Vec<_>>().iter().all(|line| !line.contains("<script")), "{summary}");
    assert!(fence.is_none() && parse(&summary).is_empty(), "{summary}");
}
