//! A real sshd on 127.0.0.1, with a host key, a user key and settings of its own.

use std::fs;
use std::io::{Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{World, text};

/// A running sshd.
pub struct Sshd {
    child: Child,
    port: u16,
    user: String,
    dir: PathBuf,
    ssh: PathBuf,
}

fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    // Where it is on Debian, and not on a user's PATH.
    folders.extend(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    folders.into_iter().map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn key(file: &Path) {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", text(file)]);
    assert!(command.status().unwrap().success());
}

impl Sshd {
    /// Starts it. None, and a word on the terminal, where the machine has none; `PASSGATE_TEST_ALL` asks for all tests.
    pub fn start(world: &World) -> Option<Self> {
        let (Some(sshd), Some(ssh), Some(_)) = (program("sshd"), program("ssh"), program("ssh-keygen")) else {
            let all = std::env::var_os("PASSGATE_TEST_ALL").is_some();
            assert!(!all, "sshd, ssh or ssh-keygen is missing: apt install openssh-server openssh-client");
            // Not by a macro: the test harness hides what those print.
            let note =
                "\nSKIPPED: ssh is not tested here, for there is no sshd: apt install openssh-server openssh-client\n";
            std::io::stderr().write_all(note.as_bytes()).unwrap();
            return None;
        };
        let dir = world.path().join("ssh");
        fs::create_dir_all(dir.join("bin")).unwrap();
        key(&dir.join("host"));
        key(&dir.join("user"));
        let who = |flag: &str| {
            let output = Command::new("id").arg(flag).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        let is_root = who("-u") == "0";
        if is_root {
            // A service would make it.
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {dir}/host\nAuthorizedKeysFile {dir}/user.pub\nPidFile none\n\
             StrictModes no\nUsePAM {pam}\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             PermitRootLogin prohibit-password\nUseDNS no\nKexAlgorithms curve25519-sha256\n",
            dir = dir.display(),
            pam = if is_root { "yes" } else { "no" },
        );
        fs::write(dir.join("sshd_config"), config).unwrap();
        let log = fs::File::create(dir.join("log")).unwrap();
        let mut command = Command::new(sshd);
        command.args(["-D", "-e", "-f", text(&dir.join("sshd_config"))]).stdin(Stdio::null()).stderr(log);
        let child = command.spawn().unwrap();
        let sshd = Self { child, port, user: who("-un"), dir, ssh };
        sshd.knows(true, true);
        let begun = Instant::now();
        while !sshd.answers() {
            let log = fs::read_to_string(sshd.dir.join("log")).unwrap();
            assert!(begun.elapsed() < Duration::from_secs(20), "sshd does not answer: {log}");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(sshd)
    }

    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else { return false };
        let mut banner = [0; 4];
        stream.read_exact(&mut banner).is_ok() && &banner == b"SSH-"
    }

    /// Whether the client knows the host's key, and has a key of its own.
    pub fn knows(&self, host: bool, own: bool) {
        let dir = self.dir.display();
        let key = fs::read_to_string(self.dir.join("host.pub")).unwrap();
        let line = if host { format!("[127.0.0.1]:{} {key}", self.port) } else { String::new() };
        fs::write(self.dir.join("known"), line).unwrap();
        let config = format!(
            "UserKnownHostsFile {dir}/known\nGlobalKnownHostsFile /dev/null\nIdentityAgent none\nIdentitiesOnly yes\n\
             IdentityFile {dir}/{}\n",
            if own { "user" } else { "none" },
        );
        fs::write(self.dir.join("config"), config).unwrap();
        // ssh looks into the home of the user database, whatever HOME says.
        let wrapper = format!("#!/bin/sh\nexec {} -F {dir}/config \"$@\"\n", self.ssh.display());
        let file = self.dir.join("bin/ssh");
        fs::write(&file, wrapper).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A `PATH` whose ssh is the client with these keys.
    pub fn path(&self) -> String {
        format!("{}/bin:{}", self.dir.display(), std::env::var("PATH").unwrap())
    }

    /// The URL of a repository of the world.
    pub fn url(&self, world: &World, name: &str) -> String {
        let path = world.path().canonicalize().unwrap();
        format!("ssh://{}@127.0.0.1:{}{}/{name}.git", self.user, self.port, path.display())
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
