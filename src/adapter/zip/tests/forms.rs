//! What is written: its exact bytes, that it is read back, that every damage is noticed; and the unpacked form.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use proptest::prelude::*;
use sha2::{Digest as _, Sha256 as Hasher};

use super::builder::*;
use crate::adapter::zip::ZipArtifacts;
use crate::domain::artifact::{MANIFEST, Manifest};
use crate::domain::listing::{File, FileMode};
use crate::port::{ArtifactError, Artifacts as _, Draft};

fn write_with(
    artifacts: ZipArtifacts,
    path: &Path,
    manifest: &Manifest,
    contents: &mut (dyn Iterator<Item = io::Result<Vec<u8>>> + Send),
) -> Result<(), ArtifactError> {
    let draft = |file: &File| Draft { path: file.path.clone(), mode: file.mode, blob: file.blob };
    let drafts = manifest.files.iter().map(draft).collect();
    artifacts.write(path, drafts, contents, &mut |_| Ok(manifest.clone())).map(|_| ())
}

fn write_at(path: &Path, manifest: &Manifest, contents: &[Content]) -> Result<(), ArtifactError> {
    let mut contents = contents.iter().map(|(.., content)| Ok(content.clone()));
    write_with(ZipArtifacts::default(), path, manifest, &mut contents)
}

fn written(folders: &[&str], contents: &[Content]) -> Vec<u8> {
    let place = Place::new();
    write_at(&place.zip(), &manifest_of(folders, contents), contents).unwrap();
    assert_eq!(fs::read_dir(place.0.path()).unwrap().count(), 1, "nothing else is left");
    fs::read(place.zip()).unwrap()
}

#[test]
fn written_bytes_never_change() {
    let bytes = written(&["apps", "infra"], &sample());
    assert_eq!(bytes, written(&["apps", "infra"], &sample()));
    assert_eq!(
        hex::encode(Hasher::digest(&bytes)),
        "9e6b7ce333dbc15bc145ed917ce3e94fbc19b3f980b278fe9ca75a10235a6fcd",
        "the same commit must give the same zip with every version of every dependency"
    );
    open(&bytes).unwrap();
}

#[test]
fn written_headers_are_those_of_the_builder() {
    // Too small to be deflated, so that every byte is known; the manifest alone depends on the compressor.
    let contents =
        [("apps/é".to_owned(), FileMode::Executable, b"x".to_vec()), ("apps/ü".to_owned(), FileMode::Regular, vec![])];
    let bytes = written(&["apps"], &contents);
    let mut zip = Zip::of(&manifest_of(&["apps"], &contents).to_bytes().unwrap(), &contents);
    let name = 30 + MANIFEST.len();
    let packed = u32::from_le_bytes(bytes[18..22].try_into().unwrap()) as usize;
    zip.pieces[0].repack(bytes[name..name + packed].to_vec());
    assert_eq!(bytes, zip.bytes());
}

#[test]
fn what_deflate_would_make_a_bomb_is_stored() {
    let contents = [("apps/zeros".to_owned(), FileMode::Regular, vec![0; 1 << 20])];
    let bytes = written(&["apps"], &contents);
    assert!(bytes.len() > 1 << 20);
    open(&bytes).unwrap();
}

#[test]
fn other_tools_open_it() {
    let place = Place::new();
    write_at(&place.zip(), &manifest_of(&["apps", "infra"], &sample()), &sample()).unwrap();
    let python = "import sys,zipfile; z=zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; \
                  assert len(z.namelist())==5; assert z.infolist()[3].external_attr>>16==0o100755";
    for (tool, args) in [("unzip", vec!["-t"]), ("python3", vec!["-c", python])] {
        match Command::new(tool).args(args).arg(place.zip()).output() {
            Ok(output) => assert!(output.status.success(), "{tool}: {output:?}"),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::NotFound, "{tool}"),
        }
    }
}

#[test]
fn a_large_artifact_comes_in_batches() {
    let mut noise = fastrand::Rng::with_seed(7);
    let mut contents: Vec<Content> = (0..9000)
        .map(|n| (format!("apps/{n:05}"), FileMode::Regular, format!("n: {n}\n").repeat(n % 9).into_bytes()))
        .collect();
    for size in [9 << 20, 30 << 20, 5 << 20, 5 << 20] {
        let content = std::iter::repeat_with(|| noise.u8(..)).take(size).collect();
        contents.push((format!("apps/{:05}", contents.len()), FileMode::Regular, content));
    }
    let artifact = open(&written(&["apps"], &contents)).unwrap();
    for (file, (.., content)) in artifact.manifest.files.iter().zip(&contents).rev().take(50) {
        assert!(&artifact.content.read(file).unwrap() == content);
    }
}

#[test]
fn as_many_entries_as_a_zip_can_count_are_written_and_one_more_is_refused() {
    let mut contents: Vec<Content> =
        (0..65_534).map(|n| (format!("apps/{n:05}"), FileMode::Regular, Vec::new())).collect();
    let artifact = open(&written(&["apps"], &contents)).unwrap();
    assert_eq!(artifact.manifest.files.len(), 65_534);
    contents.push(("apps/x".into(), FileMode::Regular, Vec::new()));
    let mut unlimited = ZipArtifacts::default();
    unlimited.limits.entries = u64::MAX;
    let place = Place::new();
    let mut iter = contents.iter().map(|_| Ok(Vec::new()));
    let result = write_with(unlimited, &place.zip(), &manifest_of(&["apps"], &contents), &mut iter);
    assert!(matches!(result, Err(ArtifactError::Refused(_))));
}

#[test]
fn a_written_zip_can_be_read_by_whom_the_umask_allows() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    write_at(&place.zip(), &manifest_of(&["apps", "infra"], &sample()), &sample()).unwrap();
    let plain = place.0.path().join("plain");
    fs::write(&plain, b"").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&place.zip()), mode(&plain));
}

#[test]
fn writing_is_all_or_nothing() {
    let place = Place::new();
    let manifest = manifest_of(&["apps", "infra"], &sample());
    let mut contents = sample();
    contents[2].2 = b"another one".to_vec();
    let mut fails = [Err(io::Error::other("gone"))].into_iter();
    let cases: Vec<(&str, Result<(), ArtifactError>)> = vec![
        ("too few", write_at(&place.zip(), &manifest, &sample()[..2])),
        ("too many", write_at(&place.zip(), &manifest, &[sample(), sample()].concat())),
        ("other size", write_at(&place.zip(), &manifest, &contents)),
        ("other content", {
            contents[2].2 = b"#!/bin/zz\n".to_vec();
            write_at(&place.zip(), &manifest, &contents)
        }),
        ("a content fails", write_with(ZipArtifacts::default(), &place.zip(), &manifest, &mut fails)),
        ("no such folder", write_at(&place.0.path().join("x/y.zip"), &manifest, &sample())),
        ("what the reader refuses", {
            let contents = [("apps/.git".to_owned(), FileMode::Regular, vec![])];
            write_at(&place.zip(), &manifest_of(&["apps"], &contents), &contents)
        }),
    ];
    for (case, result) in cases {
        assert!(result.is_err(), "{case}");
    }
    assert_eq!(fs::read_dir(place.0.path()).unwrap().count(), 0);
}

#[test]
fn every_cut_is_refused() {
    let bytes = written(&["apps", "infra"], &sample());
    for len in 0..bytes.len() {
        refusal("cut", open(&bytes[..len]));
        refusal("beheaded", open(&bytes[bytes.len() - len..]));
    }
}

#[test]
fn every_flipped_byte_is_refused_or_harmless() {
    let bytes = written(&["apps", "infra"], &sample());
    let manifest = manifest_of(&["apps", "infra"], &sample());
    let mut accepted = 0;
    for at in 0..bytes.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[at] ^= flip;
            match open(&changed) {
                Err(ArtifactError::Refused(_)) => {}
                Err(error) => panic!("byte {at}: {error:?}"),
                Ok(artifact) => {
                    // Bits after the end of a deflate stream, or another way to compress the same.
                    accepted += 1;
                    assert_eq!(artifact.manifest, manifest, "byte {at}");
                    for (file, (.., content)) in manifest.files.iter().zip(sample()) {
                        assert_eq!(artifact.content.read(file).unwrap(), content, "byte {at}");
                    }
                }
            }
        }
    }
    assert!(accepted < 12, "{accepted}");
}

#[test]
fn what_is_no_file_is_refused_and_what_is_missing_cannot_be_read() {
    let place = Place::new();
    let artifacts = ZipArtifacts::default();
    assert!(matches!(artifacts.open(&place.zip()), Err(ArtifactError::Io { .. })));
    assert_refused("device", "neither a regular file", artifacts.open(Path::new("/dev/zero")));
    if Command::new("mkfifo").arg(place.zip()).status().is_ok_and(|status| status.success()) {
        assert_refused("fifo", "neither a regular file", artifacts.open(&place.zip()));
    }
}

#[test]
fn content_that_changes_after_the_proof_is_noticed() {
    let place = Place::new();
    let manifest = manifest_of(&["apps", "infra"], &sample());
    write_at(&place.zip(), &manifest, &sample()).unwrap();
    let artifact = ZipArtifacts::default().open(&place.zip()).unwrap();
    let mut bytes = fs::read(place.zip()).unwrap();
    let at = bytes.windows(9).position(|window| window == b"#!/bin/sh").unwrap();
    bytes[at + 7] = b'z';
    fs::write(place.zip(), &bytes).unwrap();
    assert!(artifact.content.read(&manifest.files[0]).is_ok());
    assert!(matches!(artifact.content.read(&manifest.files[2]), Err(ArtifactError::Refused(_))));
    fs::write(place.zip(), b"").unwrap();
    assert!(matches!(artifact.content.read(&manifest.files[0]), Err(ArtifactError::Io { .. })));
}

fn unpacked() -> (Place, Manifest) {
    let place = Place::new();
    let manifest = manifest_of(&["apps", "infra"], &sample());
    fs::write(place.0.path().join(MANIFEST), manifest.to_bytes().unwrap()).unwrap();
    for (path, _, content) in sample() {
        let path = place.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    (place, manifest)
}

#[test]
fn the_unpacked_form_is_accepted() {
    let (place, manifest) = unpacked();
    fs::create_dir_all(place.0.path().join("apps/nothing/here")).unwrap();
    let artifact = ZipArtifacts::default().open(place.0.path()).unwrap();
    assert_eq!(artifact.manifest, manifest);
    for (file, (.., content)) in manifest.files.iter().zip(sample()) {
        assert_eq!(artifact.content.read(file).unwrap(), content);
    }
    // Changes after the proof are noticed, and no link is followed.
    fs::write(place.0.path().join("apps/run.sh"), b"#!/bin/zz\n").unwrap();
    assert!(artifact.content.read(&manifest.files[2]).is_err());
    fs::rename(place.0.path().join("apps"), place.0.path().join("moved")).unwrap();
    symlink("moved", place.0.path().join("apps")).unwrap();
    assert!(matches!(artifact.content.read(&manifest.files[0]), Err(ArtifactError::Refused(_))));
    let mut outside = manifest.files[0].clone();
    outside.path = "../x".into();
    assert!(matches!(artifact.content.read(&outside), Err(ArtifactError::Refused(_))));
}

#[test]
fn an_unpacked_form_that_differs_is_refused() {
    type Case = (&'static str, &'static str, fn(&Path));
    let cases: Vec<Case> = vec![
        ("no manifest", "holds no passgate.json", |p| fs::remove_file(p.join(MANIFEST)).unwrap()),
        ("manifest is a link", "symbolic link", |p| {
            fs::rename(p.join(MANIFEST), p.join("m")).unwrap();
            symlink("m", p.join(MANIFEST)).unwrap();
        }),
        ("manifest is a folder", "symbolic link or a special", |p| {
            fs::remove_file(p.join(MANIFEST)).unwrap();
            fs::create_dir(p.join(MANIFEST)).unwrap();
        }),
        ("manifest changed", "canonical", |p| {
            let text = fs::read_to_string(p.join(MANIFEST)).unwrap();
            fs::write(p.join(MANIFEST), text + "\n").unwrap();
        }),
        ("file missing", "which is not in the folder", |p| fs::remove_file(p.join("apps/empty")).unwrap()),
        ("extra file", "is not listed", |p| fs::write(p.join("apps/new"), b"").unwrap()),
        ("extra file beside", "is not listed", |p| fs::write(p.join("x.zip"), b"").unwrap()),
        ("extra folder with a file", "is not listed", |p| {
            fs::create_dir_all(p.join("apps/.git")).unwrap();
            fs::write(p.join("apps/.git/config"), b"").unwrap();
        }),
        ("other content", "SHA-256", |p| fs::write(p.join("apps/run.sh"), b"#!/bin/zz\n").unwrap()),
        ("other size", "another size", |p| fs::write(p.join("apps/run.sh"), b"").unwrap()),
        ("link to a file", "symbolic link", |p| {
            fs::rename(p.join("apps/run.sh"), p.join("apps/b")).unwrap();
            symlink("b", p.join("apps/run.sh")).unwrap();
            fs::remove_file(p.join("apps/b")).unwrap();
        }),
        ("link to a folder", "symbolic link", |p| {
            fs::rename(p.join("infra"), p.join("../moved-infra")).ok();
            fs::remove_dir_all(p.join("infra")).ok();
            symlink("apps", p.join("infra")).unwrap();
        }),
        ("extra link", "symbolic link", |p| symlink("/etc/passwd", p.join("apps/new")).unwrap()),
        ("link to itself", "symbolic link", |p| symlink(".", p.join("apps/loop")).unwrap()),
        ("file where a folder is", "is not listed", |p| {
            fs::remove_dir_all(p.join("infra")).unwrap();
            fs::write(p.join("infra"), b"").unwrap();
        }),
        ("deep", "deeper than 64", |p| fs::create_dir_all(p.join("apps/".to_owned() + &"x/".repeat(70))).unwrap()),
        ("socket", "special file", |p| drop(std::os::unix::net::UnixListener::bind(p.join("s")).unwrap())),
    ];
    for (case, rule, knob) in cases {
        let (place, _) = unpacked();
        // A folder inside, so that what a case moves away stays in the test's own folder.
        let inner = place.0.path().join("inner");
        fs::create_dir(&inner).unwrap();
        for name in [MANIFEST, "apps", "infra"] {
            fs::rename(place.0.path().join(name), inner.join(name)).unwrap();
        }
        knob(&inner);
        assert_refused(case, rule, ZipArtifacts::default().open(&inner));
    }
}

#[test]
fn extra_folders_are_bounded() {
    let (place, _) = unpacked();
    for n in 0..6 {
        fs::create_dir(place.0.path().join(format!("extra{n}"))).unwrap();
    }
    let mut artifacts = ZipArtifacts::default();
    assert!(artifacts.open(place.0.path()).is_ok());
    artifacts.limits.entries = 5;
    assert_refused("folders", "more than the 5 entries", artifacts.open(place.0.path()));
}

fn listing() -> impl Strategy<Value = Vec<Content>> {
    let name = prop_oneof!["[a-m]{1,3}", Just("é".to_owned()), Just("日本".to_owned()), Just("a b".to_owned())];
    let path = (prop::sample::select(vec!["apps", "infra"]), prop::collection::vec(name, 1..4))
        .prop_map(|(folder, names)| format!("{folder}/{}", names.join("/")));
    let content = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        ("[a-z: \n]{0,40}", 0..200_usize).prop_map(|(text, times)| text.repeat(times).into_bytes()),
    ];
    let mode = prop_oneof![Just(FileMode::Regular), Just(FileMode::Executable)];
    prop::collection::btree_map(path, (mode, content), 0..12).prop_map(|files| {
        let mut kept: Vec<Content> = Vec::new();
        for (path, (mode, content)) in files {
            let paths = kept.iter().map(|(path, ..)| path.as_str()).chain([path.as_str()]);
            if crate::domain::path::check(&path).is_ok() && crate::domain::path::check_collisions(paths).is_ok() {
                kept.push((path, mode, content));
            }
        }
        kept
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(contents in listing()) {
        let bytes = written(&["apps", "infra"], &contents);
        let artifact = open(&bytes).unwrap();
        prop_assert_eq!(&artifact.manifest, &manifest_of(&["apps", "infra"], &contents));
        for (file, (.., content)) in artifact.manifest.files.iter().zip(&contents) {
            prop_assert_eq!(&artifact.content.read(file).unwrap(), content);
        }
    }

    #[test]
    fn nonsense_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        refusal("nonsense", open(&bytes));
    }
}
