//! Large listings: what the binary needs for them is bounded, whether it accepts or refuses them.

use std::fs;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use passgate::domain::artifact::{FORMAT, Manifest, Source, digest_of, folders_of};
use passgate::domain::id::{BlobId, Sha256};
use passgate::domain::listing::{File, FileMode};
use passgate::domain::object::{Kind, id_of};
use sha2::Digest as _;

use crate::support::{Run, World, text};

// Of what a zip may list, and of the 200 MB that it may take for that, a sixteenth; and what any run needs.
const FILES: usize = 4_000;
const ENOUGH_KIB: u64 = (12 << 10) + (32 << 10);

// Paths of about 950 bytes, 64 deep, which have nothing but their first folder in common.
fn deep(count: usize) -> Vec<String> {
    let part = |file: usize, level: usize| format!("{file:05}-{level:02}-abcde");
    (0..count).map(|file| (1..64).fold("apps".to_owned(), |path, level| path + "/" + &part(file, level))).collect()
}

fn manifest_of(paths: &[String]) -> Manifest {
    let file = |path: &String| File {
        path: path.clone(),
        mode: FileMode::Regular,
        size: 0,
        sha256: Sha256(sha2::Sha256::digest(b"").into()),
        blob: BlobId(id_of(Kind::Blob, b"").unwrap()),
    };
    let files: Vec<File> = paths.iter().map(file).collect();
    Manifest {
        format: FORMAT.to_owned(),
        unit: "shop".parse().unwrap(),
        digest: digest_of(&files),
        folders: folders_of(&["apps".to_owned()], &files).unwrap(),
        source: Source {
            repository: "https://github.com/acme/shop".parse().unwrap(),
            commit: "0123456789012345678901234567890123456789".parse().unwrap(),
            committed: "2024-05-06T07:08:09Z".to_owned(),
        },
        version: None,
        files,
    }
}

// A zip of a manifest and empty files, everything stored.
fn zip(world: &World, name: &str, manifest: &[u8], paths: &[String]) -> PathBuf {
    let (mut out, mut central) = (Vec::new(), Vec::new());
    let files = paths.iter().map(|path| (path.as_str(), &b""[..]));
    for (name, content) in [("passgate.json", manifest)].into_iter().chain(files) {
        let mut common = [10_u16, 0, 0, 0, 0x21].map(u16::to_le_bytes).concat();
        let size = u32::try_from(content.len()).unwrap();
        common.extend([crc32fast::hash(content), size, size].map(u32::to_le_bytes).concat());
        common.extend([u16::try_from(name.len()).unwrap(), 0].map(u16::to_le_bytes).concat());
        central.extend([&b"PK\x01\x02"[..], &0x30a_u16.to_le_bytes(), &common, &[0; 6]].concat());
        central.extend([0o100_644 << 16, u32::try_from(out.len()).unwrap()].map(u32::to_le_bytes).concat());
        central.extend(name.as_bytes());
        out.extend([&b"PK\x03\x04"[..], &common, name.as_bytes(), content].concat());
    }
    let count = u16::try_from(paths.len() + 1).unwrap();
    let end = [central.len(), out.len()].map(|n| u32::try_from(n).unwrap().to_le_bytes()).concat();
    let counts = [0, 0, count, count].map(u16::to_le_bytes).concat();
    let file = world.path().join(name);
    fs::write(&file, [out, central, b"PK\x05\x06".to_vec(), counts, end, vec![0, 0]].concat()).unwrap();
    file
}

// Runs a command, and gives the most memory that it had at once, in KiB.
fn peak(mut command: Command) -> (Run, u64) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let status = format!("/proc/{}/status", child.id());
    let reader = std::thread::spawn(move || {
        let (mut out, mut errors) = (Vec::new(), Vec::new());
        stdout.read_to_end(&mut out).unwrap();
        stderr.read_to_end(&mut errors).unwrap();
        (out, errors)
    });
    let mut most = 0;
    let status = loop {
        // The system keeps the most; it only has to be read before the end.
        let seen = fs::read_to_string(&status).unwrap_or_default();
        let line = seen.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
        most = most.max(line.unwrap_or(0));
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    };
    let (stdout, stderr) = reader.join().unwrap();
    (Run::of(std::process::Output { status, stdout, stderr }), most)
}

#[test]
fn a_large_listing_is_refused_or_accepted_within_bounds() {
    let world = World::new();
    let paths = deep(FILES);
    let good = manifest_of(&paths);
    let bytes = good.to_bytes().unwrap();
    let mut other = good.clone();
    other.digest = manifest_of(&paths[1..]).digest;
    // The last path in capital letters.
    let mut double = paths.clone();
    double.insert(0, paths[FILES - 1].to_uppercase().replace("APPS/", "apps/"));
    let cases = [
        (
            "unlisted.zip",
            zip(&world, "unlisted.zip", &manifest_of(&paths[..1]).to_bytes().unwrap(), &paths),
            "not listed",
        ),
        ("digest.zip", zip(&world, "digest.zip", &other.to_bytes().unwrap(), &paths), "digest"),
        (
            "double.zip",
            zip(&world, "double.zip", &manifest_of(&sorted(double.clone())).to_bytes().unwrap(), &sorted(double)),
            "collides",
        ),
    ];
    for (name, file, words) in cases {
        let mut command = world.command();
        command.args(["release", text(&file), "--to", &world.to("dev"), "--json"]);
        let before = world.snapshot();
        let (run, most) = peak(command);
        run.is(4, "artifact-refused").closed_by("artifact", words);
        assert_eq!(before, world.snapshot());
        assert!((1..ENOUGH_KIB).contains(&most), "{name}: {most} KiB");
    }
    let file = zip(&world, "good.zip", &bytes, &paths);
    let mut command = world.command();
    command.args(["inspect", text(&file), "--json"]);
    let (run, most) = peak(command);
    let run = run.is(0, "inspected");
    assert_eq!(run.json["manifest"]["files"].as_array().unwrap().len(), FILES);
    assert!((1..ENOUGH_KIB).contains(&most), "good.zip: {most} KiB");
}

fn sorted(mut paths: Vec<String>) -> Vec<String> {
    paths.sort();
    paths
}
