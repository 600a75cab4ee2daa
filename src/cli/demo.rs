//! `passgate demo`: a whole promotion in a folder, with repositories of its own. It only runs commands that a reader can
//! repeat, and prints each of them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use owo_colors::OwoColorize;

use super::common::Wiring;
use crate::app::AppError;
use crate::domain::outcome::{Outcome, Report};
use crate::host::{environment, writer};
use crate::port::PortError;

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder; it must not exist yet, or be empty. By default a new folder in the temporary folder.
    #[arg(long, env = "PASSGATE_DIR", value_name = "DIR")]
    dir: Option<PathBuf>,
}

struct Demo<'a> {
    dir: PathBuf,
    program: PathBuf,
    quiet: bool,
    wiring: &'a Wiring<'a>,
}

fn io(doing: &str) -> impl Fn(std::io::Error) -> AppError + '_ {
    move |source| AppError::Port(PortError::Io { doing: doing.to_owned(), source })
}

impl Args {
    /// Plays it.
    ///
    /// # Errors
    /// A command does not do what the story says.
    #[allow(clippy::disallowed_methods, reason = "the demo makes the folder that it plays in")]
    pub fn run(self, wiring: &Wiring) -> Result<u8, AppError> {
        let dir = match self.dir {
            Some(dir) => {
                std::fs::create_dir_all(&dir).map_err(io("make the demo's folder"))?;
                if std::fs::read_dir(&dir).map_err(io("look into the demo's folder"))?.next().is_some() {
                    return Err(AppError::usage("the demo's folder is not empty", "choose another --dir"));
                }
                dir.canonicalize().map_err(io("find the demo's folder"))?
            }
            None => tempfile::Builder::new()
                .prefix("passgate-demo-")
                .tempdir()
                .map_err(io("make the demo's folder"))?
                .keep(),
        };
        let program = environment::program().map_err(io("find this program"))?;
        let demo = Demo { dir, program, quiet: wiring.wants_json(), wiring };
        demo.play()
    }
}

impl Demo<'_> {
    fn play(&self) -> Result<u8, AppError> {
        self.say("A source repository, and one environment repository each for dev, qual and prod");
        self.say_plain(&format!("everything is in {}", self.dir.display()));
        self.repositories()?;
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            // The configuration service: somebody else, who writes cluster/ in the same repositories all the time.
            let service = scope.spawn(|| {
                let mut turn = 0;
                while !stop.load(Ordering::Relaxed) {
                    turn += 1;
                    for stage in ["dev", "qual", "prod"] {
                        self.configure(stage, turn);
                    }
                    std::thread::sleep(Duration::from_millis(200));
                }
                turn
            });
            let result = self.story();
            stop.store(true, Ordering::Relaxed);
            let turns = service.join().unwrap_or(0);
            result?;
            self.say("Where everything is now");
            self.passgate(&["status", "--to", "env-prod.git#main"], 0)?;
            self.say_plain(&format!(
                "meanwhile the configuration service wrote cluster/ {turns} times in each environment, untouched"
            ));
            self.say_plain(&format!("look around: git -C {}/env-prod.git log --stat", self.dir.display()));
            let mut report = Report::new(Outcome::Reported);
            report.path = Some(self.dir.display().to_string());
            if self.quiet { Ok(self.wiring.report(&report, "")) } else { Ok(0) }
        })
    }

    fn story(&self) -> Result<(), AppError> {
        self.say("Package main and release it to dev");
        self.passgate(&["package", "--repo", "source", "--unit", "shop", "--version", "1.0", "-o", "shop-1.0.zip"], 0)?;
        self.passgate(&["release", "shop-1.0.zip", "--to", "env-dev.git#main", "--by", "dana"], 0)?;

        self.say("Straight to prod? Refused: qual and dev come first");
        self.passgate(&["release", "shop-1.0.zip", "--to", "env-prod.git#main"], 3)?;

        self.say("The checks of dev pass: mark, and promote to qual, then prod");
        for (stage, next) in [("dev", "qual"), ("qual", "prod")] {
            let (here, there) = (format!("env-{stage}.git#main"), format!("env-{next}.git#main"));
            self.passgate(&["mark", "passed", "--to", &here, "--unit", "shop", "--commit", &self.head("main")?], 0)?;
            self.passgate(&["release", "shop-1.0.zip", "--to", &there, "--by", "dana"], 0)?;
        }

        self.say("A hotfix: cut from main, released to dev, then squash-merged into main with a file removed");
        self.git(&["switch", "-q", "-c", "hotfix/cart"])?;
        self.write("source/apps/shop/deploy.yaml", "image: registry.example/shop:1.0.1\n")?;
        self.commit("Fix the empty cart (#7)")?;
        self.passgate(&["package", "--repo", "source", "--unit", "shop", "--version", "1.0.1", "-o", "hotfix.zip"], 0)?;
        self.passgate(&["release", "hotfix.zip", "--to", "env-dev.git#main", "--by", "dana"], 0)?;
        self.git(&["switch", "-q", "main"])?;
        self.git(&["merge", "-q", "--squash", "hotfix/cart"])?;
        self.git(&["rm", "-q", "apps/shop/old.yaml"])?;
        self.commit("Fix the empty cart (#7), remove the old route (AB#12)")?;
        self.passgate(&["package", "--repo", "source", "--unit", "shop", "--version", "1.1", "-o", "shop-1.1.zip"], 0)?;
        self.passgate(&["plan", "shop-1.1.zip", "--to", "env-dev.git#main"], 0)?;
        self.passgate(&["release", "shop-1.1.zip", "--to", "env-dev.git#main", "--by", "dana"], 0)?;

        self.say("A stale run of the old release: refused, what is live is newer");
        self.passgate(&["release", "shop-1.0.zip", "--to", "env-dev.git#main"], 3)?;

        self.say("A re-run of the live release by hand: safe, nothing changes");
        self.passgate(&["release", "shop-1.1.zip", "--to", "env-dev.git#main"], 0)
    }

    fn repositories(&self) -> Result<(), AppError> {
        self.quietly(&self.dir, "git", &["init", "-q", "-b", "main", "source"])?;
        for (path, text) in [
            ("source/apps/shop/deploy.yaml", "image: registry.example/shop:1.0\n"),
            ("source/apps/shop/old.yaml", "route: old\n"),
            ("source/infra/ingress.yaml", "host: shop.example\n"),
        ] {
            self.write(path, text)?;
        }
        let source = self.dir.join("source");
        let origin = format!("file://{}/source", self.dir.display());
        for args in [
            &["config", "user.name", "Dana"][..],
            &["config", "user.email", "dana@example.org"],
            // A demo's commits are not signed, whatever the user's own configuration says.
            &["config", "commit.gpgSign", "false"],
            &["remote", "add", "origin", &origin],
            &["add", "-A"],
            &["commit", "-q", "-m", "The shop"],
        ] {
            self.quietly(&source, "git", args)?;
        }
        let mut before = String::new();
        for stage in ["dev", "qual", "prod"] {
            let bare = format!("env-{stage}.git");
            self.quietly(&self.dir, "git", &["init", "-q", "--bare", "-b", "main", &bare])?;
            let clone = format!("service-{stage}");
            self.quietly(&self.dir, "git", &["clone", "-q", &bare, &clone])?;
            for (key, value) in
                [("user.name", "config-service"), ("user.email", "service@example.org"), ("commit.gpgSign", "false")]
            {
                self.quietly(&self.dir.join(&clone), "git", &["config", key, value])?;
            }
            let url = format!("file://{}/{bare}", self.dir.display());
            let branches = if stage == "dev" { "[main, \"hotfix/*\", \"feature/*\"]" } else { "[main, \"hotfix/*\"]" };
            let policy = format!(
                "version: 1\nstage: {stage}\nrepository: {url}\nbranch: main\naccept:\n  - unit: shop\n    source: file://{}/source\n    branches: {branches}\n{before}",
                self.dir.display()
            );
            let order = if stage == "dev" { "order: forward\n" } else { "" };
            self.write(&format!("{clone}/.passgate/stage.yaml"), &format!("{policy}{order}"))?;
            self.write(&format!("{clone}/cluster/settings.yaml"), "turn: 0\n")?;
            self.quietly(&self.dir.join(&clone), "git", &["switch", "-q", "-C", "main"])?;
            self.quietly(&self.dir.join(&clone), "git", &["add", "-A"])?;
            self.quietly(&self.dir.join(&clone), "git", &["commit", "-q", "-m", "The rules of this stage"])?;
            self.quietly(&self.dir.join(&clone), "git", &["push", "-q", "origin", "HEAD:main"])?;
            before = format!("after:\n  - stage: {stage}\n    repository: {url}\n    branch: main\n");
        }
        Ok(())
    }

    // One turn of the configuration service; when somebody else was first, its next turn brings it.
    fn configure(&self, stage: &str, turn: u32) {
        let clone = self.dir.join(format!("service-{stage}"));
        let turned = || -> Result<(), AppError> {
            self.quietly(&clone, "git", &["fetch", "-q", "origin"])?;
            self.quietly(&clone, "git", &["reset", "-q", "--hard", "origin/main"])?;
            self.write(&format!("service-{stage}/cluster/settings.yaml"), &format!("turn: {turn}\n"))?;
            self.quietly(&clone, "git", &["commit", "-q", "-a", "-m", &format!("cluster settings {turn}")])?;
            self.quietly(&clone, "git", &["push", "-q", "origin", "HEAD:main"])
        };
        turned().ok();
    }

    fn commit(&self, message: &str) -> Result<(), AppError> {
        self.git(&["add", "-A"])?;
        self.git(&["commit", "-q", "-m", message])
    }

    fn head(&self, branch: &str) -> Result<String, AppError> {
        let output =
            self.command("git", &self.dir.join("source"), &["rev-parse", branch]).output().map_err(io("run git"))?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    fn git(&self, args: &[&str]) -> Result<(), AppError> {
        self.show("git -C source", args);
        self.quietly(&self.dir.join("source"), "git", args)
    }

    fn passgate(&self, args: &[&str], expected: i32) -> Result<(), AppError> {
        self.show("passgate", args);
        let program = self.program.display().to_string();
        let mut command = self.command(&program, &self.dir, args);
        if self.quiet {
            command.stdout(Stdio::null()).stderr(Stdio::null());
        }
        let status = command.status().map_err(io("run passgate"))?;
        if status.code() != Some(expected) {
            return Err(AppError::Guard(format!("the demo expected exit code {expected}, and got {status}")));
        }
        self.say_plain(&format!("{}", format!("(exit code {expected})").dimmed()));
        Ok(())
    }

    fn quietly(&self, dir: &Path, program: &str, args: &[&str]) -> Result<(), AppError> {
        let output = self.command(program, dir, args).output().map_err(io("run git"))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(AppError::Port(PortError::Git { doing: format!("git {}", args.join(" ")), said, hint: None }))
    }

    // Nothing that a pipeline or a user set for another run may reach the demo.
    #[allow(clippy::disallowed_methods, reason = "the demo runs the commands that it shows")]
    fn command(&self, program: &str, dir: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.current_dir(dir).args(args).stdin(Stdio::null());
        for (name, _) in environment::variables() {
            let text = name.to_string_lossy();
            if text.starts_with("PASSGATE_") || text.starts_with("GIT_") {
                command.env_remove(&name);
            }
        }
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1").env("PASSGATE_HOST", "terminal");
        command
    }

    #[allow(clippy::disallowed_methods, reason = "the demo writes what its people would write")]
    fn write(&self, path: &str, text: &str) -> Result<(), AppError> {
        let path = self.dir.join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(io("make a folder"))?;
        }
        std::fs::write(path, text).map_err(io("write a file"))
    }

    fn show(&self, program: &str, args: &[&str]) {
        let quoted: Vec<String> = args
            .iter()
            .map(
                |arg| if arg.contains([' ', '#', '*', '(', ')', '"']) { format!("'{arg}'") } else { (*arg).to_owned() },
            )
            .collect();
        self.say_plain(&format!("\n{} {}", "$".dimmed(), format!("{program} {}", quoted.join(" ")).cyan()));
    }

    fn say(&self, text: &str) {
        self.say_plain(&format!("\n{}", format!("── {text}").bold()));
    }

    fn say_plain(&self, text: &str) {
        if !self.quiet {
            writer::tell(text);
        }
    }
}
