//! The launcher, run by a real node in a folder laid out as a checkout of the action.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest as _, Sha256};

use super::{World, clean, text};

/// The name that the launcher has for this machine.
pub const PLATFORM: &str = if cfg!(target_arch = "aarch64") { "linux-arm64" } else { "linux-x64" };

/// The path of a program, or None and a word on the terminal. `PASSGATE_TEST_ALL` asks for all tests.
pub fn program(name: &str, install: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    if found.is_none() {
        assert!(std::env::var_os("PASSGATE_TEST_ALL").is_none(), "{name} is missing: {install}");
        // Not by a macro: the test harness hides what those print.
        let note = format!("\nSKIPPED: what needs {name} is not tested here: {install}\n");
        std::io::stderr().write_all(note.as_bytes()).unwrap();
    }
    found
}

/// A checkout of the action.
pub struct Action {
    node: PathBuf,
    /// The folder.
    pub dir: PathBuf,
    home: PathBuf,
}

impl Action {
    /// Lays it out, without any binary.
    pub fn new(world: &World) -> Option<Self> {
        let node = program("node", "apt install nodejs (20 or newer)")?;
        let dir = world.path().join("action");
        fs::create_dir_all(dir.join("dist")).unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for file in ["task.json", "action.yml", "dist/index.js", "dist/checksums.json"] {
            fs::copy(root.join(file), dir.join(file)).unwrap();
        }
        Some(Self { node, dir, home: world.path().join("home") })
    }

    /// Writes a shell script as a binary; gives its SHA-256.
    pub fn script(&self, at: &str, body: &str) -> String {
        let file = self.dir.join(at);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let script = format!("#!/bin/sh\n{body}\n");
        fs::write(&file, &script).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        hex::encode(Sha256::digest(script.as_bytes()))
    }

    /// Says which SHA-256 this platform's binary has, and where to get it.
    pub fn checksum(&self, sha256: &str, url: &str) {
        let text = serde_json::json!({"version": "0.1.0", "platforms": {PLATFORM: {"url": url, "sha256": sha256}}});
        fs::write(self.dir.join("dist/checksums.json"), text.to_string()).unwrap();
    }

    /// The launcher with the variables of a host.
    pub fn command(&self, variables: &[(&str, &str)]) -> Command {
        let mut command = Command::new(&self.node);
        clean(&mut command, &self.home);
        command.arg(self.dir.join("dist/index.js")).current_dir(self.dir.parent().unwrap()).stdin(Stdio::null());
        command.envs(variables.iter().copied()).env("RUNNER_TOOL_CACHE", text(&self.dir.join("cache")));
        command
    }

    /// Runs it: exit code, stdout, stderr.
    pub fn run(&self, variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
        let output = self.command(variables).output().unwrap();
        let told = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), told(output.stdout), told(output.stderr))
    }
}
