//! kustomize and helm, over a private copy of files that nobody vouches for: without network, configuration, plugins or
//! credentials, for a limited time.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::adapter::child::{self, Limits, Stopped};
use crate::domain::image::{Build, How};
use crate::port::{AllRendered, PortError, Rendered, Renderers};

const LIMITS: Limits = Limits { time: Duration::from_secs(60), output: 16 << 20, memory: Some(4 << 30) };
// Time of all builds together.
const PATIENCE: Duration = Duration::from_secs(600);
// Builds at the same time.
const AT_ONCE: usize = 4;
// Characters of what a program says of its failure.
const WORDS: usize = 400;
// Nobody listens there.
const NOBODY: &str = "http://127.0.0.1:9";

/// The programs on a PATH.
pub struct Programs {
    path: Option<String>,
    interrupted: Arc<AtomicBool>,
}

// A program, and the arguments that come before those of a build.
struct Program {
    at: PathBuf,
    first: &'static [&'static str],
}

// A private folder: the files in `tree`, an empty `bin` for the programs' PATH, and `home` for all that they may write.
struct Place {
    folder: TempDir,
    kustomize: Option<Program>,
    helm: Option<Program>,
    // What takes the network away, where the system lets us.
    alone: Option<PathBuf>,
    until: Instant,
}

impl Programs {
    /// Takes `PATH`; `interrupted` ends what runs when it turns true.
    pub fn new(variable: impl Fn(&str) -> Option<String>, interrupted: Arc<AtomicBool>) -> Self {
        Self { path: variable("PATH"), interrupted }
    }

    fn find(&self, name: &str) -> Option<PathBuf> {
        let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
        let folders = self.path.as_ref().map(std::env::split_paths)?;
        let absolute = folders.filter(|folder| folder.is_absolute());
        absolute.map(|folder| folder.join(&name)).find(|program| is_program(program))
    }

    #[allow(clippy::disallowed_methods, reason = "this is an adapter: the programs that it starts read these files")]
    fn place(&self, files: &BTreeMap<String, Vec<u8>>) -> Result<Place, PortError> {
        let failed =
            |source| PortError::Io { doing: "cannot copy the files for kustomize and helm".to_owned(), source };
        let folder = tempfile::Builder::new().prefix("passgate-render-").tempdir().map_err(failed)?;
        for name in ["tree", "bin", "home"] {
            fs::create_dir(folder.path().join(name)).map_err(failed)?;
        }
        let mut last = PathBuf::new();
        for (path, content) in files.iter().filter(|(path, _)| is_plain(path)) {
            let at = folder.path().join("tree").join(path);
            let parent = at.parent().unwrap_or(&at);
            if last != parent {
                fs::create_dir_all(parent).map_err(failed)?;
                parent.clone_into(&mut last);
            }
            fs::write(&at, content).map_err(failed)?;
        }
        let kubectl = || self.find("kubectl").map(|at| Program { at, first: &["kustomize"] });
        let kustomize = self.find("kustomize").map(|at| Program { at, first: &["build"] }).or_else(kubectl);
        let helm = self.find("helm").map(|at| Program { at, first: &["template"] });
        #[allow(clippy::disallowed_methods, reason = "patience with programs is measured by the clock of this machine")]
        let until = Instant::now() + PATIENCE;
        let mut place = Place { folder, kustomize, helm, alone: None, until };
        place.alone = self.find("unshare").filter(|unshare| self.takes_away(&place, unshare));
        Ok(place)
    }

    // Whether the system lets us start programs without network.
    #[allow(clippy::disallowed_methods, reason = "this is an adapter, which starts a program that has an end")]
    fn takes_away(&self, place: &Place, unshare: &Path) -> bool {
        let mut command = Command::new(unshare);
        command.args(ALONE).arg(unshare).arg("--version");
        place.settle(&mut command);
        child::run(&mut command, "", LIMITS, Some(&self.interrupted)).is_ok_and(|ran| ran.success)
    }

    #[allow(clippy::disallowed_methods, reason = "this is an adapter, and builds what it is asked to")]
    fn build(&self, place: &Place, number: usize, build: &Build) -> Result<Rendered, PortError> {
        let tree = place.folder.path().join("tree");
        let failed =
            |source| PortError::Io { doing: "cannot copy the files for kustomize and helm".to_owned(), source };
        let (program, missing) = match build.how {
            How::Kustomize(_) => (&place.kustomize, "neither kustomize nor kubectl is on PATH"),
            How::Helm { .. } => (&place.helm, "helm is not on PATH"),
        };
        let Some(program) = program else { return Ok(Err(missing.to_owned())) };
        if Instant::now() >= place.until {
            return Ok(Err("there was no time left for it".to_owned()));
        }
        let mut command = match &place.alone {
            Some(unshare) => {
                let mut command = Command::new(unshare);
                command.args(ALONE).arg(&program.at);
                command
            }
            None => Command::new(&program.at),
        };
        command.args(program.first);
        // It begins like no option and no address.
        let folder = format!("./{}", build.folder);
        match &build.how {
            How::Kustomize(_) => {
                command.args(["--load-restrictor", "LoadRestrictionsRootOnly"]).arg(folder);
            }
            How::Helm { name, namespace, values } => {
                command.args([name, &folder, "--namespace", namespace, "--skip-tests", "--skip-schema-validation"]);
                if let Some(values) = values {
                    let file = place.folder.path().join(format!("values-{number}.yaml"));
                    fs::write(&file, values).map_err(failed)?;
                    command.arg("--values").arg(file);
                }
            }
        }
        place.settle(&mut command);
        let instead = match &build.how {
            How::Kustomize(Some((path, text))) => Some((tree.join(path), text)),
            _ => None,
        };
        let was = instead.as_ref().map(|(path, text)| {
            let was = fs::read(path)?;
            fs::write(path, text)?;
            std::io::Result::Ok(was)
        });
        let was = match was.transpose() {
            Ok(was) => was,
            Err(error) => return Ok(Err(format!("its kustomization file was not copied: {error}"))),
        };
        let ran = child::run(&mut command, "", LIMITS, Some(&self.interrupted));
        if let (Some((path, _)), Some(was)) = (instead, was) {
            fs::write(path, was).map_err(failed)?;
        }
        match ran {
            Err(Stopped::Interrupted) => Err(PortError::Interrupted),
            Err(stopped) => Ok(Err(stopped.to_string())),
            Ok(ran) if ran.success => Ok(Ok(String::from_utf8_lossy(&ran.stdout).into_owned())),
            Ok(ran) => Ok(Err(said(&ran.stderr, place.folder.path()))),
        }
    }
}

impl Renderers for Programs {
    fn render(&self, files: &BTreeMap<String, Vec<u8>>, builds: &[Build]) -> Result<AllRendered, PortError> {
        if builds.is_empty() {
            return Ok(AllRendered::default());
        }
        let place = self.place(files)?;
        // What changes a file for itself must be alone with it.
        let changes = |build: &Build| matches!(build.how, How::Kustomize(Some(_)));
        let next = AtomicUsize::new(0);
        let mut all: Vec<(usize, Result<Rendered, PortError>)> = std::thread::scope(|scope| {
            let work = || {
                let mut done = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    match builds.get(number) {
                        None => return done,
                        Some(build) if changes(build) => {}
                        Some(build) => done.push((number, self.build(&place, number, build))),
                    }
                }
            };
            let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
            workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect()
        });
        let alone = builds.iter().enumerate().filter(|(_, build)| changes(build));
        all.extend(alone.map(|(number, build)| (number, self.build(&place, number, build))));
        let mut rendered: Vec<Rendered> = builds.iter().map(|_| Err("the build died".to_owned())).collect();
        for (number, done) in all {
            if let (Some(slot), done) = (rendered.get_mut(number), done?) {
                *slot = done;
            }
        }
        Ok(AllRendered { each: rendered, has_network: place.alone.is_none() })
    }
}

// A network namespace of its own, which a user who is nobody special may have with a user namespace.
const ALONE: &[&str] = &["--map-root-user", "--net", "--"];

impl Place {
    // Nothing of ours: no configuration, no credentials, no programs to start, and no way out.
    fn settle(&self, command: &mut Command) {
        let home = self.folder.path().join("home");
        command.env_clear().current_dir(self.folder.path().join("tree"));
        command.env("PATH", self.folder.path().join("bin"));
        for name in
            ["HOME", "TMPDIR", "TEMP", "TMP", "USERPROFILE", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"]
        {
            command.env(name, &home);
        }
        for name in ["CACHE_HOME", "CONFIG_HOME", "DATA_HOME", "PLUGINS", "REPOSITORY_CACHE"] {
            command.env(format!("HELM_{name}"), &home);
        }
        for name in ["HELM_REPOSITORY_CONFIG", "HELM_REGISTRY_CONFIG", "KUBECONFIG"] {
            command.env(name, home.join("none"));
        }
        command.env("HELM_NO_PLUGINS", "1").env("LC_ALL", "C");
        for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            command.env(name, NOBODY);
        }
    }
}

fn is_program(path: &Path) -> bool {
    let Ok(about) = fs::metadata(path) else { return false };
    #[cfg(unix)]
    return about.is_file() && std::os::unix::fs::PermissionsExt::mode(&about.permissions()) & 0o111 != 0;
    #[cfg(not(unix))]
    return about.is_file();
}

// What leads nowhere but down.
fn is_plain(path: &str) -> bool {
    let is_part = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\\', '\0']);
    path.split('/').all(is_part) && (cfg!(unix) || !path.contains(':'))
}

// The last that a program said, without the folder that it was in.
fn said(stderr: &[u8], folder: &Path) -> String {
    let text = String::from_utf8_lossy(stderr);
    let text = text.replace(&folder.as_os_str().to_string_lossy().into_owned(), "");
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let is_error = |line: &&&str| line.to_ascii_lowercase().starts_with("error");
    let line = lines.iter().find(is_error).or(lines.last()).copied().unwrap_or("it said nothing");
    line.chars().take(WORDS).collect()
}
