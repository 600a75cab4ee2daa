//! A `git` on PATH that goes wrong at one of the times it is started.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::World;

/// How a step goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// git cannot do it.
    Fails,
    /// git does it, and its answer is lost.
    IsLost,
    /// git does it, and passgate is killed.
    Kills,
}

/// The git that goes wrong.
pub struct Faults {
    dir: PathBuf,
}

impl Faults {
    /// Makes it in a folder of the world.
    pub fn new(world: &World) -> Self {
        let dir = world.path().join("faults");
        fs::create_dir_all(dir.join("bin")).unwrap();
        let path = std::env::var("PATH").unwrap();
        let real = path.split(':').map(|folder| format!("{folder}/git")).find(|file| fs::metadata(file).is_ok());
        let (dir_text, real) = (dir.display(), real.unwrap());
        // A file that is made only by whoever is first counts the starts, also those side by side.
        let script = format!(
            "#!/bin/sh\nset -C\ni=1\nuntil true 2>/dev/null >{dir_text}/started/$i; do i=$((i+1)); done\n\
             [ $i = \"$(cat {dir_text}/step)\" ] || exec {real} \"$@\"\n\
             echo \"$*\" >{dir_text}/what\n\
             case $(cat {dir_text}/how) in\n\
             Fails) echo 'fatal: it went wrong' >&2; exit 128 ;;\n\
             IsLost) {real} \"$@\" >/dev/null 2>&1; echo 'fatal: it went wrong' >&2; exit 128 ;;\n\
             Kills) {real} \"$@\" >/dev/null 2>&1; kill -9 $PPID; exit 128 ;;\n\
             esac\n"
        );
        let file = dir.join("bin/git");
        fs::write(&file, script).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        Self { dir }
    }

    /// Goes wrong the `step`-th time from now on.
    pub fn plan(&self, step: usize, how: Wrong) {
        let started = self.dir.join("started");
        fs::remove_dir_all(&started).ok();
        fs::create_dir(&started).unwrap();
        fs::remove_file(self.dir.join("what")).ok();
        fs::write(self.dir.join("step"), step.to_string()).unwrap();
        fs::write(self.dir.join("how"), format!("{how:?}")).unwrap();
    }

    /// The command that went wrong; None when git was not started that often.
    pub fn happened(&self) -> Option<String> {
        fs::read_to_string(self.dir.join("what")).ok()
    }

    /// A `PATH` with this git before the real one.
    pub fn path(&self) -> String {
        format!("{}/bin:{}", self.dir.display(), std::env::var("PATH").unwrap())
    }
}
