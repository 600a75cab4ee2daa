//! Bare repositories, written by `git fast-import`: a commit is one process, and needs no work tree.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use passgate::domain::record::Record;

use super::clean;

/// A change of one path.
#[derive(Debug, Clone)]
pub enum Edit {
    /// A mode, a path and a content.
    Put(&'static str, String, Vec<u8>),
    /// A path that goes.
    Delete(String),
}

/// A file with a content.
pub fn put(path: &str, content: &str) -> Edit {
    Edit::Put("100644", path.to_owned(), content.as_bytes().to_vec())
}

/// A file with a mode and a content.
pub fn put_as(mode: &'static str, path: &str, content: &[u8]) -> Edit {
    Edit::Put(mode, path.to_owned(), content.to_vec())
}

/// A path that goes.
pub fn del(path: &str) -> Edit {
    Edit::Delete(path.to_owned())
}

/// A bare repository.
#[derive(Debug, Clone)]
pub struct Repo {
    /// Where it is.
    pub path: PathBuf,
    home: PathBuf,
}

/// A commit in the making.
pub struct Commit<'a> {
    repo: &'a Repo,
    branch: &'a str,
    from: Option<String>,
    root: bool,
    merge: Vec<String>,
    edits: Vec<Edit>,
    message: String,
    at: i64,
}

impl Repo {
    /// The repository at a path, made when it is not there.
    pub fn at(path: &Path, home: &Path) -> Self {
        let repo = Self { path: path.to_owned(), home: home.to_owned() };
        if !path.exists() {
            let mut command = Command::new("git");
            command.args(["init", "-q", "--bare", "-b", "main"]).arg(path);
            clean(&mut command, home);
            assert!(command.status().unwrap().success());
            for (key, value) in [
                ("uploadpack.allowFilter", "true"),
                ("uploadpack.allowAnySHA1InWant", "true"),
                ("http.receivepack", "true"),
                ("gc.auto", "0"),
                ("receive.autogc", "false"),
            ] {
                repo.git(&["config", key, value]);
            }
        }
        repo
    }

    /// A git command in the repository.
    pub fn command(&self) -> Command {
        let mut command = Command::new("git");
        clean(&mut command, &self.home);
        command.args(["-c", "user.name=Dana", "-c", "user.email=dana@example.org"]).current_dir(&self.path);
        command
    }

    /// What git prints, without the last line end.
    #[track_caller]
    pub fn git(&self, args: &[&str]) -> String {
        self.try_git(args).unwrap_or_else(|said| panic!("git {args:?}: {said}"))
    }

    /// What git prints, or what it complains of.
    pub fn try_git(&self, args: &[&str]) -> Result<String, String> {
        let output = self.command().args(args).stdin(Stdio::null()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// The commit of a revision.
    #[track_caller]
    pub fn id(&self, revision: &str) -> String {
        self.git(&["rev-parse", "--verify", revision])
    }

    /// A commit on top of a branch.
    #[track_caller]
    pub fn commit(&self, branch: &str, edits: &[Edit]) -> String {
        self.on(branch).edit(edits).done()
    }

    /// A commit in the making, on top of a branch if there is one.
    pub fn on<'a>(&'a self, branch: &'a str) -> Commit<'a> {
        Commit {
            repo: self,
            branch,
            from: None,
            root: false,
            merge: Vec::new(),
            edits: Vec::new(),
            message: "A change".to_owned(),
            at: now(),
        }
    }

    /// Creates or moves a ref.
    #[track_caller]
    pub fn point(&self, reference: &str, revision: &str) {
        let id = self.id(revision);
        self.git(&["update-ref", reference, &id]);
    }

    /// A file of a revision.
    #[track_caller]
    pub fn file(&self, revision: &str, path: &str) -> String {
        let output = self.command().args(["cat-file", "blob", &format!("{revision}:{path}")]).output().unwrap();
        assert!(output.status.success(), "{path} is not in {revision}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Every file below some paths of a revision, as `mode blob path`.
    #[track_caller]
    pub fn tree(&self, revision: &str, paths: &[&str]) -> Vec<String> {
        let mut args = vec!["ls-tree", "-r", "-z", revision, "--"];
        args.extend(paths);
        let listed = self.git(&args);
        let entries = listed.split('\0').filter(|entry| !entry.is_empty());
        entries.map(|entry| entry.replacen(" blob ", " ", 1).replacen('\t', " ", 1)).collect()
    }

    /// A unit's record at a revision.
    #[track_caller]
    pub fn record(&self, revision: &str) -> Record {
        Record::parse(self.file(revision, ".passgate/records/shop.json").as_bytes()).unwrap()
    }

    /// The paths that a commit changed against its first parent.
    #[track_caller]
    pub fn touched(&self, revision: &str) -> Vec<String> {
        let listed =
            self.git(&["diff-tree", "-r", "--name-only", "--no-commit-id", &format!("{revision}^1"), revision]);
        listed.lines().map(str::to_owned).collect()
    }
}

impl Commit<'_> {
    /// Begins at another revision than the branch's tip.
    pub fn from(mut self, revision: &str) -> Self {
        self.from = Some(self.repo.id(revision));
        self
    }

    /// Begins a new history.
    pub fn root(mut self) -> Self {
        self.root = true;
        self
    }

    /// A further parent; its files are not taken.
    pub fn merge(mut self, revision: &str) -> Self {
        self.merge.push(self.repo.id(revision));
        self
    }

    /// Changes files.
    pub fn edit(mut self, edits: &[Edit]) -> Self {
        self.edits.extend_from_slice(edits);
        self
    }

    /// Says why.
    pub fn says(mut self, message: &str) -> Self {
        self.message = message.to_owned();
        self
    }

    /// Says when, in seconds since 1970.
    pub fn at(mut self, time: i64) -> Self {
        self.at = time;
        self
    }

    /// Writes it and gives its id.
    #[track_caller]
    pub fn done(self) -> String {
        self.try_done().unwrap_or_else(|said| panic!("fast-import: {said}"))
    }

    /// Writes it, unless somebody else was first.
    pub fn try_done(self) -> Result<String, String> {
        let reference = format!("refs/heads/{}", self.branch);
        let tip = self.repo.try_git(&["rev-parse", "--verify", "-q", &reference]).ok();
        // Only who rewrites history on purpose may drop what others wrote.
        let force = if self.root || self.from.is_some() { "--force" } else { "--quiet" };
        let from = if self.root { None } else { self.from.or(tip) };
        let mut head = format!("commit {reference}\nmark :1\ncommitter Dana <dana@example.org> {} +0000\n", self.at);
        writeln!(head, "data {}\n{}", self.message.len(), self.message).unwrap();
        if let Some(from) = from {
            writeln!(head, "from {from}").unwrap();
        } else {
            // A branch that exists would be the parent of a commit without one.
            head = format!("reset {reference}\n{head}");
        }
        for parent in &self.merge {
            writeln!(head, "merge {parent}").unwrap();
        }
        let mut stream = head.into_bytes();
        for edit in &self.edits {
            match edit {
                Edit::Delete(path) => writeln!(stream, "D {path}").unwrap(),
                Edit::Put("160000", path, id) => {
                    writeln!(stream, "M 160000 {} {path}", String::from_utf8_lossy(id)).unwrap();
                }
                Edit::Put(mode, path, content) => {
                    writeln!(stream, "M {mode} inline {path}\ndata {}", content.len()).unwrap();
                    stream.extend_from_slice(content);
                    stream.push(b'\n');
                }
            }
        }
        stream.extend_from_slice(b"\nget-mark :1\ndone\n");
        let mut child = self
            .repo
            .command()
            .args(["fast-import", "--quiet", force, "--done", "--cat-blob-fd=1"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(&stream).unwrap();
        let output = child.wait_with_output().unwrap();
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        Ok(String::from_utf8(output.stdout).unwrap().trim().to_owned())
    }
}

/// A stage.yaml in the making: texts that are put where they belong.
#[derive(Debug, Clone)]
pub struct Policy {
    /// `stage`.
    pub stage: String,
    /// `repository`.
    pub repository: String,
    /// `branch`.
    pub branch: String,
    /// The unit.
    pub unit: String,
    /// The unit's source.
    pub source: String,
    /// The unit's branches, as YAML; empty for none.
    pub branches: String,
    /// More lines of the unit, without indentation.
    pub accept: String,
    /// The stage before, and its repository.
    pub after: Option<(String, String)>,
    /// More lines of `after`, without indentation.
    pub after_more: String,
    /// More lines of the whole.
    pub more: String,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            stage: String::new(),
            repository: String::new(),
            branch: "main".to_owned(),
            unit: "shop".to_owned(),
            source: String::new(),
            branches: "[main, \"hotfix/*\"]".to_owned(),
            accept: String::new(),
            after: None,
            after_more: String::new(),
            more: "order: forward\n".to_owned(),
        }
    }
}

impl Policy {
    /// The text of the file.
    pub fn text(&self) -> String {
        let mut text = format!("version: 1\nstage: {}\nrepository: {}\n", self.stage, self.repository);
        writeln!(text, "branch: {}\naccept:\n  - unit: {}\n    source: {}", self.branch, self.unit, self.source)
            .unwrap();
        if !self.branches.is_empty() {
            writeln!(text, "    branches: {}", self.branches).unwrap();
        }
        for line in self.accept.lines() {
            writeln!(text, "    {line}").unwrap();
        }
        if let Some((stage, repository)) = &self.after {
            writeln!(text, "after:\n  - stage: {stage}\n    repository: {repository}\n    branch: main").unwrap();
            for line in self.after_more.lines() {
                writeln!(text, "    {line}").unwrap();
            }
        }
        text.push_str(&self.more);
        text
    }
}

/// Seconds since 1970.
pub fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}
