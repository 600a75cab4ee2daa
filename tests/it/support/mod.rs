//! What every test has at hand: a world of repositories in a folder of its own, and the real binary run in it.

pub mod azure;
pub mod deployed;
pub mod faults;
pub mod forge;
pub mod github;
pub mod history;
pub mod http;
pub mod node;
pub mod pulls;
pub mod registry;
pub mod repos;
pub mod runner;
pub mod ssh;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

pub use repos::{Policy, Repo, del, put};

/// The binary under test.
pub const PASSGATE: &str = env!("CARGO_BIN_EXE_passgate");

/// The files that a new source repository begins with.
pub const FIRST: &[(&str, &str)] = &[
    ("apps/shop/deploy.yaml", "image: registry.example/shop:1.0\nreplicas: 1\nmemory: 64Mi\ncpu: 1\ntier: web\n"),
    ("apps/shop/route.yaml", "route: /shop\n"),
    ("infra/ingress.yaml", "host: shop.example\n"),
    ("README.md", "not in any folder\n"),
];

/// A folder with a source repository and the environment repositories dev, qual and prod.
pub struct World {
    /// The folder.
    pub dir: TempDir,
}

/// What a run of the binary left.
#[derive(Debug)]
pub struct Run {
    /// Exit code; None when a signal ended it.
    pub code: Option<i32>,
    /// The document on stdout; null when it is none.
    pub json: Value,
    /// stdout.
    pub stdout: String,
    /// stderr.
    pub stderr: String,
}

impl Run {
    /// Reads what a process left.
    pub fn of(output: std::process::Output) -> Self {
        let stdout = String::from_utf8(output.stdout).expect("stdout is UTF-8");
        Self {
            code: output.status.code(),
            json: serde_json::from_str(&stdout).unwrap_or(Value::Null),
            stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
            stdout,
        }
    }

    /// Asserts an exit code and a result.
    #[track_caller]
    pub fn is(self, code: i32, result: &str) -> Self {
        assert!(self.code == Some(code) && self.json["result"] == result, "wanted {result} ({code}), got {self:#?}");
        self
    }

    /// A text of the document.
    #[track_caller]
    pub fn text(&self, key: &str) -> String {
        self.json[key].as_str().unwrap_or_else(|| panic!("no text {key} in {self:#?}")).to_owned()
    }

    /// A gate's report.
    #[track_caller]
    pub fn gate(&self, name: &str) -> &Value {
        let gates = self.json["gates"].as_array().unwrap_or_else(|| panic!("no gates in {self:#?}"));
        gates.iter().find(|gate| gate["gate"] == name).unwrap_or_else(|| panic!("no gate {name} in {self:#?}"))
    }

    /// A gate's verdict.
    #[track_caller]
    pub fn verdict(&self, name: &str) -> &str {
        self.gate(name)["verdict"].as_str().unwrap()
    }

    /// The paths of one kind of change.
    #[track_caller]
    pub fn changes(&self, kind: &str) -> Vec<String> {
        let paths = self.json["changes"][kind].as_array().unwrap_or_else(|| panic!("no changes in {self:#?}"));
        paths.iter().map(|path| path.as_str().unwrap().to_owned()).collect()
    }

    /// Asserts that a gate refused, with words and a way out.
    #[track_caller]
    pub fn closed_by(self, gate: &str, words: &str) -> Self {
        let report = self.gate(gate);
        assert_eq!(report["verdict"], "refused", "{self:#?}");
        let detail = report["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(words), "{words:?} is not in the detail of {gate}: {detail}");
        assert!(!report["remedy"].as_str().unwrap_or_default().is_empty(), "no remedy: {self:#?}");
        assert_eq!(self.json["live"], false, "{self:#?}");
        assert!(self.json["commit"].is_null(), "{self:#?}");
        self
    }
}

impl World {
    /// Empty: a folder with a home and nothing else.
    pub fn empty() -> Self {
        let dir = tempfile::Builder::new().prefix("passgate-it-").tempdir().unwrap();
        fs::create_dir(dir.path().join("home")).unwrap();
        fs::create_dir(dir.path().join("tmp")).unwrap();
        Self { dir }
    }

    /// The usual one: a source with one commit on main; dev, qual after dev, prod after qual.
    pub fn new() -> Self {
        let world = Self::empty();
        world.repo("source").commit("main", &FIRST.iter().map(|(path, text)| put(path, text)).collect::<Vec<_>>());
        for (stage, after) in [("dev", None), ("qual", Some("dev")), ("prod", Some("qual"))] {
            world.environment(stage, &world.policy(stage, after));
        }
        world
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A bare repository of the world, made when it is not there.
    pub fn repo(&self, name: &str) -> Repo {
        Repo::at(&self.path().join(format!("{name}.git")), &self.path().join("home"))
    }

    /// The repository of a stage.
    pub fn env(&self, stage: &str) -> Repo {
        self.repo(&format!("env-{stage}"))
    }

    /// The usual policy of a stage.
    pub fn policy(&self, stage: &str, after: Option<&str>) -> Policy {
        Policy {
            stage: stage.to_owned(),
            repository: self.url(&format!("env-{stage}")),
            source: self.url("source"),
            after: after.map(|before| (before.to_owned(), self.url(&format!("env-{before}")))),
            ..Policy::default()
        }
    }

    /// Writes a stage's policy, and what others have in an environment.
    pub fn environment(&self, stage: &str, policy: &Policy) -> String {
        let text = policy.text();
        self.env(stage).commit("main", &[put(".passgate/stage.yaml", &text), put("cluster/settings.yaml", "turn: 0\n")])
    }

    /// The `file://` URL of a repository of the world.
    pub fn url(&self, name: &str) -> String {
        format!("file://{}/{name}.git", self.path().canonicalize().unwrap().display())
    }

    /// `ENV` of a stage.
    pub fn to(&self, stage: &str) -> String {
        format!("{}#main", self.url(&format!("env-{stage}")))
    }

    /// The binary in a clean environment, in the world's folder.
    pub fn command(&self) -> Command {
        let mut command = Command::new(PASSGATE);
        command.current_dir(self.path()).stdin(Stdio::null());
        clean(&mut command, &self.path().join("home"));
        command.env("TMPDIR", self.path().join("tmp"));
        command
    }

    /// Runs the binary with `--json`.
    pub fn run(&self, args: &[&str]) -> Run {
        self.run_with(args, &[])
    }

    /// Runs the binary with `--json` and variables.
    pub fn run_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Run {
        let run = Run::of(self.command().args(args).arg("--json").envs(variables.iter().copied()).output().unwrap());
        assert!(run.json.is_object(), "stdout is not one document: {run:#?}");
        run
    }

    /// Packages a revision of the source; the path of the zip.
    #[track_caller]
    pub fn package(&self, revision: &str) -> PathBuf {
        self.package_with(revision, &[])
    }

    /// Packages with more arguments.
    #[track_caller]
    pub fn package_with(&self, revision: &str, more: &[&str]) -> PathBuf {
        let file = self.path().join(format!("{}-{}.zip", revision.replace('/', "-"), fastrand::u64(..)));
        let source = self.url("source");
        let mut args = vec!["package", "--repo", "source.git", "--commit", revision, "-o", text(&file)];
        if !more.contains(&"--unit") {
            args.extend(["--unit", "shop"]);
        }
        if !more.contains(&"--source") {
            args.extend(["--source", &source]);
        }
        args.extend(more);
        self.run(&args).is(0, "packaged");
        file
    }

    /// Releases an artifact to a stage.
    pub fn release(&self, artifact: &Path, stage: &str) -> Run {
        self.release_with(artifact, stage, &[])
    }

    /// Releases with more arguments.
    pub fn release_with(&self, artifact: &Path, stage: &str, more: &[&str]) -> Run {
        let to = self.to(stage);
        let mut args = vec!["release", text(artifact), "--to", &to];
        args.extend(more);
        self.run(&args)
    }

    /// Packages a revision and releases it to a stage.
    #[track_caller]
    pub fn ship(&self, revision: &str, stage: &str) -> PathBuf {
        let artifact = self.package(revision);
        self.release(&artifact, stage).is(0, "released");
        artifact
    }

    /// Packages a revision, releases it to a stage and marks it passed there.
    #[track_caller]
    pub fn pass(&self, revision: &str, stage: &str) -> PathBuf {
        let artifact = self.ship(revision, stage);
        self.mark("passed", &artifact, stage).is(0, "marked");
        artifact
    }

    /// Marks the content of an artifact.
    pub fn mark(&self, state: &str, artifact: &Path, stage: &str) -> Run {
        let (to, digest) = (self.to(stage), self.digest(artifact));
        self.run(&["mark", state, "--to", &to, "--unit", "shop", "--digest", &digest])
    }

    /// The digest of an artifact.
    #[track_caller]
    pub fn digest(&self, artifact: &Path) -> String {
        self.run(&["inspect", text(artifact)]).is(0, "inspected").text("digest")
    }

    /// Every ref of every repository of the world.
    pub fn snapshot(&self) -> Vec<String> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ext| ext == "git") {
                let repo = Repo::at(&path, &self.path().join("home"));
                found.push(format!("{}\n{}", path.display(), repo.git(&["ls-remote", "."])));
            }
        }
        found.sort();
        found
    }

    /// Runs something that must leave every repository as it is.
    #[track_caller]
    pub fn untouched(&self, run: impl FnOnce() -> Run) -> Run {
        let before = self.snapshot();
        let run = run();
        assert_eq!(before, self.snapshot(), "something was pushed: {run:#?}");
        run
    }

    /// A release that a gate refuses: exit 3, words, a remedy, and nothing pushed.
    #[track_caller]
    pub fn refuses(&self, gate: &str, words: &str, artifact: &Path, stage: &str) -> Run {
        self.refuses_with(gate, words, artifact, stage, &[])
    }

    /// The same with more arguments.
    #[track_caller]
    pub fn refuses_with(&self, gate: &str, words: &str, artifact: &Path, stage: &str, more: &[&str]) -> Run {
        let run = self.untouched(|| self.release_with(artifact, stage, more));
        run.is(3, "refused").closed_by(gate, words)
    }

    /// A command that is refused as a whole: exit 3, words, a hint, and nothing pushed.
    #[track_caller]
    pub fn denies(&self, words: &str, args: &[&str]) -> Run {
        let run = self.untouched(|| self.run(args)).is(3, "refused");
        let (message, hint) = (&run.json["error"]["message"], &run.json["error"]["hint"]);
        assert!(message.as_str().unwrap_or_default().contains(words), "{words:?} is not in {message}");
        assert!(!hint.as_str().unwrap_or_default().is_empty(), "no hint: {run:#?}");
        run
    }
}

/// Takes away everything that a process would inherit and that could change what it does.
pub fn clean(command: &mut Command, home: &Path) {
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", home).env("LC_ALL", "C");
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_TERMINAL_PROMPT", "0");
}

/// A path as text.
pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
