//! How fast the real binary is beside what people use today, in one run: figures are medians, and ratios of them.
//!
//! `cargo bench` measures everything; `cargo bench -- package`, `-- release`, `-- history` and `-- audit` measure
//! one part.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods
)]

#[allow(dead_code, unused_imports, unreachable_pub, reason = "the benchmarks use a part of what the tests use")]
#[path = "../tests/it/support/mod.rs"]
mod support;

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::http::Server;
use support::{PASSGATE, clean};

const RUNS: usize = 5;

type Measure = fn(&Path);

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let measures: [(&str, Measure); 4] =
        [("package", package), ("release", release), ("history", history), ("audit", audit)];
    for (name, measure) in measures {
        if wanted.is_empty() || wanted.iter().any(|word| word == name) {
            let dir = tempfile::tempdir().unwrap();
            measure(dir.path());
        }
    }
}

// A file of about 2 KB that no other file equals.
fn yaml(seed: usize) -> String {
    let mut text = format!("kind: ConfigMap\nmetadata:\n  name: c{seed}\ndata:\n");
    let mut state = seed as u64 + 1;
    for key in 0..75 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        writeln!(text, "  k{key}: v{:016x}", state).unwrap();
    }
    text
}

fn git(home: &Path, dir: &Path) -> Command {
    let mut command = Command::new("git");
    clean(&mut command, home);
    command.current_dir(dir);
    command
}

// A bare repository with one commit a stream of fast-import commands.
fn repository(home: &Path, path: &Path, stream: &[u8]) {
    fs::create_dir_all(path).unwrap();
    assert!(git(home, path).args(["init", "-q", "--bare", "-b", "main", "."]).status().unwrap().success());
    for (key, value) in [("uploadpack.allowFilter", "true"), ("http.receivepack", "true")] {
        assert!(git(home, path).args(["config", key, value]).status().unwrap().success());
    }
    let mut child = git(home, path).args(["fast-import", "--quiet"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(stream).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(git(home, path).args(["repack", "-adq"]).status().unwrap().success());
}

fn commit(time: usize, files: &[(String, String)]) -> Vec<u8> {
    let time = 1_700_000_000 + time;
    let mut text = format!("commit refs/heads/main\ncommitter a <a@example.org> {time} +0000\ndata 4\nmore\n");
    for (path, content) in files {
        write!(text, "M 100644 inline {path}\ndata {}\n{content}\n", content.len()).unwrap();
    }
    text.push('\n');
    text.into_bytes()
}

fn policy(url: &str, source: &str, stage: &str, after: &str) -> (String, String) {
    let text = format!(
        "version: 1\nstage: {stage}\nrepository: {url}\nbranch: main\naccept:\n  - unit: shop\n    source: {source}\n    branches: [main]\n{after}"
    );
    (".passgate/stage.yaml".to_owned(), text)
}

// Wall time, and what was printed.
fn timed(mut command: Command) -> (Duration, String) {
    let begun = Instant::now();
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (begun.elapsed(), String::from_utf8_lossy(&output.stdout).into_owned())
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64()
}

fn passgate(home: &Path, dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(PASSGATE);
    clean(&mut command, home);
    command.current_dir(dir).args(args);
    command
}

fn package(dir: &Path) {
    println!("package: 20,000 files of 2 KB, three levels deep");
    let files: Vec<_> = (0..20_000).map(|i| (format!("apps/a{}/b{}/f{i}.yaml", i % 20, i % 200), yaml(i))).collect();
    let source = dir.join("source");
    repository(dir, &source, &commit(0, &files));
    let (mut ours, mut archive) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let args = [
            "package",
            "--repo",
            "source",
            "--unit",
            "shop",
            "--folder",
            "apps",
            "--source",
            "file:///source",
            "-o",
            "ours.zip",
        ];
        ours.push(timed(passgate(dir, dir, &args)).0);
        let mut other = git(dir, &source);
        other.args(["archive", "--format=zip", "-o", "../archive.zip", "HEAD"]);
        archive.push(timed(other).0);
    }
    let (ours, archive) = (median(ours), median(archive));
    println!("  passgate package   {ours:.3} s");
    println!("  git archive        {archive:.3} s   {:.1} times as long (wanted: at least 1.5)\n", archive / ours);
}

fn release(dir: &Path) {
    println!("release: 10 changed files of 310, over HTTP");
    let server = Server::start(dir, dir, None);
    let source = dir.join("source.git");
    let app = |round: usize| -> Vec<(String, String)> {
        (0..10).map(|i| (format!("apps/a{i}/b/f{i}.yaml"), yaml(900_000 + round * 10 + i))).collect()
    };
    let mut all: Vec<_> = (0..300).map(|i| (format!("apps/a{}/b/f{i}.yaml", i % 10), yaml(i))).collect();
    all.extend((0..10).map(|i| (format!("infra/x/y/f{i}.yaml"), yaml(500_000 + i))));
    let rounds = 2 * RUNS + 1;
    let mut stream = commit(0, &all);
    for round in 1..rounds {
        stream.extend(commit(round, &app(round)));
    }
    repository(dir, &source, &stream);
    let source_url = server.url("source");
    for round in 0..rounds {
        let (revision, out) = (format!("main~{}", rounds - 1 - round), format!("r{round}.zip"));
        let args = [
            "package",
            "--repo",
            "source.git",
            "--commit",
            &revision,
            "--unit",
            "shop",
            "--source",
            &source_url,
            "-o",
            &out,
        ];
        timed(passgate(dir, dir, &args));
    }
    let environments = [("env-1k", 1_000), ("env-100k", 100_000)].map(|(name, count)| {
        let url = server.url(name);
        let mut files: Vec<_> =
            (0..count).map(|i| (format!("cluster/a{}/b{}/f{i}.yaml", i % 50, i % 500), yaml(i + 1_000_000))).collect();
        files.push(policy(&url, &source_url, "dev", ""));
        repository(dir, &dir.join(format!("{name}.git")), &commit(0, &files));
        timed(passgate(dir, dir, &["release", "r0.zip", "--to", &url]));
        url
    });
    let mut ours = [Vec::new(), Vec::new()];
    let mut bytes = (0, 0);
    for run in 0..RUNS {
        for (at, url) in environments.iter().enumerate() {
            let before = server.sent();
            ours[at].push(timed(passgate(dir, dir, &["release", &format!("r{}.zip", run + 1), "--to", url])).0);
            bytes.0 = server.sent() - before;
        }
    }
    let mut clone = Vec::new();
    for run in 0..RUNS.min(3) {
        let before = server.sent();
        let mut script = Command::new("sh");
        clean(&mut script, dir);
        let zip = format!("r{}.zip", run + RUNS + 1);
        script.current_dir(dir).args(["-ec", CLONE, "sh", &environments[1], &zip, &format!("clone-{run}")]);
        clone.push(timed(script).0);
        bytes.1 = server.sent() - before;
    }
    let [small, large] = ours.map(median);
    let clone = median(clone);
    println!("  passgate, into 1,000 files     {small:.3} s");
    println!(
        "  passgate, into 100,000 files   {large:.3} s, {} bytes received   {:.2} times the small one (wanted: at most 1.5)",
        bytes.0,
        large / small
    );
    println!(
        "  clone, copy, commit, push      {clone:.3} s, {} bytes received   {:.1} times as long (wanted: 15), {:.0} times the bytes (wanted: 100)\n",
        bytes.1,
        clone / large,
        bytes.1 as f64 / bytes.0 as f64
    );
}

// What people do today, into a branch of its own so that no round meets another.
const CLONE: &str = "rm -rf clone unpacked
git clone -q --depth 1 \"$1\" clone
mkdir unpacked && (cd unpacked && unzip -qo \"../$2\" && rm passgate.json)
rm -rf clone/apps clone/infra && cp -r unpacked/. clone/
cd clone && git add -A && git -c user.name=a -c user.email=a@example.org commit -q -m release && git push -q origin HEAD:refs/heads/$3";

fn history(dir: &Path) {
    println!("history: 10,000 commits in the source and 10,000 in the previous stage, over HTTP, cold");
    let server = Server::start(dir, dir, None);
    let (source_url, dev, qual) = (server.url("source"), server.url("dev"), server.url("qual"));
    let long = |first: Vec<(String, String)>| {
        let mut stream = commit(0, &first);
        for turn in 1..10_000 {
            stream.extend(commit(turn, &[(format!("other/s{}.yaml", turn % 50), format!("turn: {turn}\n"))]));
        }
        stream
    };
    let app = vec![("apps/x/y/f.yaml".to_owned(), yaml(1)), ("infra/x/y/f.yaml".to_owned(), yaml(2))];
    repository(dir, &dir.join("source.git"), &long(app));
    repository(dir, &dir.join("dev.git"), &long(vec![policy(&dev, &source_url, "dev", "")]));
    let after = format!("after:\n  - stage: dev\n    repository: {dev}\n    branch: main\n");
    repository(dir, &dir.join("qual.git"), &commit(0, &[policy(&qual, &source_url, "qual", &after)]));
    let digest = timed(passgate(
        dir,
        dir,
        &["package", "--repo", "source.git", "--unit", "shop", "--source", &source_url, "-o", "a.zip"],
    ))
    .1;
    timed(passgate(dir, dir, &["release", "a.zip", "--to", &dev]));
    timed(passgate(dir, dir, &["mark", "passed", "--to", &dev, "--unit", "shop", "--digest", digest.trim()]));
    let times = (0..RUNS).map(|_| timed(passgate(dir, dir, &["plan", "a.zip", "--to", &qual])).0).collect();
    println!("  passgate plan      {:.3} s (wanted: at most 2)\n", median(times));
}

fn audit(dir: &Path) {
    println!("audit: 20,000 commits, 2,000 of them releases and 3,000 marks and anchors, over HTTP, cold");
    let server = Server::start(dir, dir, None);
    let (url, source) = (server.url("years"), server.url("source"));
    let (path, text) = policy(&url, &source, "dev", "");
    let text = text.replace("    branches: [main]\n", "    branches: [main]\n    local: [\"apps/*/own/**\"]\n");
    assert_eq!(path, ".passgate/stage.yaml");
    let (stream, _) = support::history::clean(&url, &source, &text, 20_000);
    repository(dir, &dir.join("years.git"), &stream);
    drop(stream);
    let before = server.sent();
    let times: Vec<_> = (0..RUNS).map(|_| timed(passgate(dir, dir, &["audit", "--to", &url])).0).collect();
    let bytes = (server.sent() - before) / RUNS as u64;
    println!("  passgate audit     {:.3} s (wanted: less than 10), {bytes} bytes received\n", median(times));
}
