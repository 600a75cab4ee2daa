//! The launcher of the action and the task: which binary it runs, what it hands over, how it ends.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::support::World;
use crate::support::node::{Action, PLATFORM};

const SHOW: &str = "echo \"$0 $*\"; env -0 | grep -zE '^(PASSGATE_|INPUT_)' | sort -z | tr '\\0' '\\n'; echo told >&2";

fn shipped() -> String {
    format!("dist/passgate-{PLATFORM}")
}

#[test]
fn inputs_of_both_hosts_reach_the_program_in_its_environment_only() {
    let world = World::empty();
    let Some(action) = Action::new(&world) else { return };
    action.checksum(&action.script(&shipped(), SHOW), "http://127.0.0.1:1/never");
    let wanted = "PASSGATE_DRY_RUN=True\nPASSGATE_OVERRIDE=INC-1: $(touch x) `id`; \"q\" 'r'\n\
                  PASSGATE_PREVIOUS_TOKEN=s3cret two\nPASSGATE_RUN=from the job\nPASSGATE_TO=a\nb\nPASSGATE_TOKEN=s3cret\n";
    let reason = "  INC-1: $(touch x) `id`; \"q\" 'r' ";
    let job = ("PASSGATE_RUN", "from the job");
    let github = [
        ("INPUT_COMMAND", "release"),
        ("INPUT_DRY-RUN", "True"),
        ("INPUT_OVERRIDE", reason),
        ("INPUT_TO", "a\r\nb\r\n"),
        ("INPUT_TOKEN", "s3cret"),
        ("INPUT_PREVIOUS-TOKEN", "s3cret two"),
        ("INPUT_UNIT", ""),
        ("INPUT_RUN", " "),
        job,
    ];
    let azure = github
        .map(|(name, value)| (name.replace("DRY-RUN", "DRYRUN").replace("PREVIOUS-TOKEN", "PREVIOUSTOKEN"), value));
    let azure: Vec<(&str, &str)> = azure.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    for variables in [&github[..], &azure] {
        let (code, out, told) = action.run(variables);
        assert_eq!(code, Some(0), "{out}{told}");
        let (first, rest) = out.split_once('\n').unwrap();
        assert!(first.ends_with(&format!("{} release", shipped())), "nothing but the command is an argument: {first}");
        assert_eq!(rest, wanted);
        assert_eq!(told, "told\n");
    }
    assert!(!world.path().join("x").exists());
}

#[test]
fn a_command_that_is_none_runs_nothing() {
    let world = World::empty();
    let Some(action) = Action::new(&world) else { return };
    action.checksum(&action.script(&shipped(), SHOW), "http://127.0.0.1:1/never");
    for command in ["", "--help", "release --adopt", "../x", "release\nmark"] {
        let (code, out, told) = action.run(&[("INPUT_COMMAND", command), ("INPUT_TOKEN", "s3cret")]);
        assert!(code == Some(1) && out.is_empty() && told.contains("`command`"), "{command}: {out}{told}");
        assert!(!told.contains("s3cret"));
    }
}

#[test]
fn the_exit_code_is_the_programs_and_a_signal_gives_128_and_more() {
    let world = World::empty();
    let Some(action) = Action::new(&world) else { return };
    for (body, wanted) in [("exit 0", 0), ("exit 3", 3), ("exit 130", 130), ("kill -9 $$", 137), ("kill -15 $$", 143)] {
        action.checksum(&action.script(&shipped(), body), "http://127.0.0.1:1/never");
        assert_eq!(action.run(&[("INPUT_COMMAND", "plan")]).0, Some(wanted), "{body}");
    }
}

#[test]
fn signals_are_passed_on() {
    let world = World::empty();
    let Some(action) = Action::new(&world) else { return };
    for (signal, trap) in [("-TERM", "TERM"), ("-INT", "INT")] {
        let body = format!("trap 'echo got {trap}; exit 130' {trap}; echo ready; while :; do sleep 0.05; done");
        action.checksum(&action.script(&shipped(), &body), "http://127.0.0.1:1/never");
        let mut child = action.command(&[("INPUT_COMMAND", "release")]).stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        std::process::Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        assert_eq!((rest.as_str(), child.wait().unwrap().code()), (format!("got {trap}\n").as_str(), Some(130)));
    }
}

#[test]
fn a_binary_without_its_checksum_is_not_run() {
    let world = World::empty();
    let Some(action) = Action::new(&world) else { return };
    let input = [("INPUT_COMMAND", "plan")];
    let refused = |words: &str| {
        let (code, out, told) = action.run(&input);
        assert!(code == Some(1) && out.is_empty() && told.contains(words), "{out}{told}");
    };
    refused("cargo build");
    // Shipped, and not named.
    let sha256 = action.script(&shipped(), SHOW);
    refused("has no SHA-256");
    // Named, and another.
    for wrong in ["0".repeat(64).as_str(), "", "x"] {
        action.checksum(wrong, "http://127.0.0.1:1/never");
        refused("SHA-256");
    }
    // One that was built here does not stand in for it.
    action.script("target/x/release/passgate", SHOW);
    refused("SHA-256");
    // The right one is run, even when the packer lost its mode.
    action.checksum(&sha256, "http://127.0.0.1:1/never");
    fs::set_permissions(action.dir.join(shipped()), fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(action.run(&input).0, Some(0));
}

#[test]
fn a_checkout_without_checksums_runs_the_newest_that_was_built() {
    let world = World::empty();
    let Some(action) = Action::new(&world) else { return };
    for at in ["target/release/passgate", "target/a-b-c/debug/passgate"] {
        action.script(at, "echo \"$0\"");
        std::thread::sleep(std::time::Duration::from_millis(20));
        let (code, out, told) = action.run(&[("INPUT_COMMAND", "plan")]);
        assert!(code == Some(0) && out.trim_end().ends_with(at), "{out}{told}");
        assert!(told.contains("no SHA-256 is known"), "{told}");
    }
}

// A server that answers each request with the next of these, and tells how many it got.
fn serve(answers: Vec<(u16, Vec<u8>)>) -> (String, std::thread::JoinHandle<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/passgate", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let mut served = 0;
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let read = stream.read(&mut request).unwrap();
            if request[..read].starts_with(b"STOP") {
                break;
            }
            served += 1;
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).unwrap();
        }
        served
    });
    (url, thread)
}

#[test]
fn the_release_asset_is_downloaded_once_proven_and_kept() {
    let world = World::empty();
    let Some(action) = Action::new(&world) else { return };
    let sha256 = action.script("elsewhere", "echo ran $*");
    let body = fs::read(action.dir.join("elsewhere")).unwrap();
    let (url, server) = serve(vec![(503, b"later".to_vec()), (200, body.clone())]);
    action.checksum(&sha256, &url);
    let input = [("INPUT_COMMAND", "status"), ("INPUT_TOKEN", "s3cret")];
    for _ in 0..2 {
        let (code, out, told) = action.run(&input);
        assert!(code == Some(0) && out == "ran status\n" && !told.contains("s3cret"), "{out}{told}");
    }
    assert_eq!(server.join().unwrap(), 2, "the second run needs no server");

    // What was kept and is not it any more is fetched again; another is not run, and nothing is kept of it.
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    let kept = action.dir.join(format!("cache/passgate/0.1.0/{arch}/passgate"));
    fs::write(&kept, "#!/bin/sh\necho poisoned\n").unwrap();
    let (url, server) = serve(vec![(200, b"#!/bin/sh\necho other\n".to_vec()), (404, Vec::new())]);
    action.checksum(&sha256, &url);
    for words in ["checksums.json wants", "answers 404"] {
        let (code, out, told) = action.run(&input);
        assert!(code == Some(1) && out.is_empty() && told.contains(words), "{out}{told}");
    }
    server.join().unwrap();
    assert!(fs::read_to_string(&kept).unwrap().contains("poisoned"));
}
