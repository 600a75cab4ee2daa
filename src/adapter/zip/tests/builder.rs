//! Builds zips byte by byte, with a knob for everything that the canonical writer never does.

use std::io::Write as _;
use std::path::PathBuf;

use flate2::write::DeflateEncoder;
use sha2::{Digest as _, Sha256 as Hasher};

use crate::adapter::zip::ZipArtifacts;
use crate::domain::artifact::{self, FORMAT, Manifest, Source};
use crate::domain::id::{BlobId, Sha256};
use crate::domain::listing::{File, FileMode};
use crate::domain::object::{Kind, id_of};
use crate::port::{Artifact, ArtifactError, Artifacts as _};

pub(super) type Content = (String, FileMode, Vec<u8>);

/// A small artifact with every kind of entry: deflated, stored, executable, empty, a name that is not ASCII.
pub(super) fn sample() -> Vec<Content> {
    let text = "replicas: 3\n".repeat(40).into_bytes();
    vec![
        ("apps/a.yaml".into(), FileMode::Regular, text.clone()),
        ("apps/empty".into(), FileMode::Regular, Vec::new()),
        ("apps/run.sh".into(), FileMode::Executable, b"#!/bin/sh\n".to_vec()),
        ("infra/é.yaml".into(), FileMode::Regular, text),
    ]
}

pub(super) fn file_of((path, mode, content): &Content) -> File {
    File {
        path: path.clone(),
        mode: *mode,
        size: content.len() as u64,
        sha256: Sha256(Hasher::digest(content).into()),
        blob: BlobId(id_of(Kind::Blob, content).unwrap()),
    }
}

pub(super) fn manifest_of(folders: &[&str], contents: &[Content]) -> Manifest {
    let files: Vec<File> = contents.iter().map(file_of).collect();
    let folders: Vec<String> = folders.iter().map(|folder| (*folder).to_owned()).collect();
    Manifest {
        format: FORMAT.into(),
        unit: "shop".parse().unwrap(),
        digest: artifact::digest_of(&files),
        folders: artifact::folders_of(&folders, &files).unwrap(),
        source: Source {
            repository: "https://github.com/acme/shop".parse().unwrap(),
            commit: "0123456789012345678901234567890123456789".parse().unwrap(),
            committed: "2024-05-06T07:08:09Z".into(),
        },
        version: Some("1.2.3".into()),
        files,
    }
}

#[derive(Clone)]
pub(super) struct Fields {
    pub(super) name: Vec<u8>,
    pub(super) made: u16,
    pub(super) need: u16,
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) time: u16,
    pub(super) date: u16,
    pub(super) crc: u32,
    pub(super) packed: u32,
    pub(super) size: u32,
    pub(super) extra: Vec<u8>,
    pub(super) comment: Vec<u8>,
    pub(super) disk: u16,
    pub(super) internal: u16,
    pub(super) external: u32,
    pub(super) offset: Option<u32>,
}

#[derive(Clone)]
pub(super) struct Piece {
    pub(super) local: Fields,
    pub(super) central: Fields,
    pub(super) data: Vec<u8>,
    /// Bytes between this entry and what follows.
    pub(super) gap: Vec<u8>,
}

pub(super) fn deflate(content: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

impl Piece {
    pub(super) fn new(name: &[u8], mode: FileMode, content: &[u8]) -> Self {
        let packed = deflate(content);
        let deflated = packed.len() < content.len();
        let data = if deflated { packed } else { content.to_vec() };
        let need = if deflated { 20 } else { 10 };
        let fields = Fields {
            name: name.to_vec(),
            made: 0x300 | need,
            need,
            flags: if name.is_ascii() { 0 } else { 0x800 },
            method: if deflated { 8 } else { 0 },
            time: 0,
            date: 0x21,
            crc: crc32fast::hash(content),
            packed: data.len() as u32,
            size: content.len() as u32,
            extra: vec![],
            comment: vec![],
            disk: 0,
            internal: 0,
            external: u32::from_str_radix(mode.as_str(), 8).unwrap() << 16,
            offset: None,
        };
        Self { local: fields.clone(), central: fields, data, gap: vec![] }
    }

    /// Changes both headers in the same way.
    pub(super) fn both(&mut self, change: impl Fn(&mut Fields)) {
        change(&mut self.local);
        change(&mut self.central);
    }

    /// Puts other compressed bytes in, with honest sizes.
    pub(super) fn repack(&mut self, data: Vec<u8>) {
        self.both(|f| f.packed = data.len() as u32);
        self.data = data;
    }
}

#[derive(Clone)]
pub(super) struct Zip {
    pub(super) prefix: Vec<u8>,
    pub(super) pieces: Vec<Piece>,
    /// Which pieces the central directory lists.
    pub(super) listed: Vec<usize>,
    pub(super) before_end: Vec<u8>,
    pub(super) end: fn(&mut Vec<u8>),
}

impl Zip {
    pub(super) fn of(manifest: &[u8], contents: &[Content]) -> Self {
        let mut pieces = vec![Piece::new(b"passgate.json", FileMode::Regular, manifest)];
        pieces.extend(contents.iter().map(|(path, mode, content)| Piece::new(path.as_bytes(), *mode, content)));
        Self { prefix: vec![], listed: (0..pieces.len()).collect(), pieces, before_end: vec![], end: |_| {} }
    }

    pub(super) fn sample() -> Self {
        let manifest = manifest_of(&["apps", "infra"], &sample());
        Self::of(&manifest.to_bytes().unwrap(), &sample())
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut out = self.prefix.clone();
        let mut offsets = Vec::new();
        for Piece { local: f, data, gap, .. } in &self.pieces {
            offsets.push(out.len() as u32);
            out.extend(0x0403_4b50_u32.to_le_bytes());
            put16(&mut out, &[f.need, f.flags, f.method, f.time, f.date]);
            put32(&mut out, &[f.crc, f.packed, f.size]);
            put16(&mut out, &[f.name.len() as u16, f.extra.len() as u16]);
            out.extend([&f.name[..], &f.extra, data, gap].concat());
        }
        let start = out.len();
        for at in &self.listed {
            let f = &self.pieces[*at].central;
            out.extend(0x0201_4b50_u32.to_le_bytes());
            put16(&mut out, &[f.made, f.need, f.flags, f.method, f.time, f.date]);
            put32(&mut out, &[f.crc, f.packed, f.size]);
            put16(&mut out, &[f.name.len(), f.extra.len(), f.comment.len()].map(|n| n as u16));
            put16(&mut out, &[f.disk, f.internal]);
            put32(&mut out, &[f.external, f.offset.unwrap_or(offsets[*at])]);
            out.extend([&f.name[..], &f.extra, &f.comment].concat());
        }
        let size = out.len() - start;
        out.extend(&self.before_end);
        let mut end = 0x0605_4b50_u32.to_le_bytes().to_vec();
        put16(&mut end, &[0, 0, self.listed.len() as u16, self.listed.len() as u16]);
        put32(&mut end, &[size as u32, start as u32]);
        put16(&mut end, &[0]);
        (self.end)(&mut end);
        out.extend(end);
        out
    }
}

fn put16(out: &mut Vec<u8>, fields: &[u16]) {
    fields.iter().for_each(|field| out.extend(field.to_le_bytes()));
}

fn put32(out: &mut Vec<u8>, fields: &[u32]) {
    fields.iter().for_each(|field| out.extend(field.to_le_bytes()));
}

/// A folder of the test's own, and the path of a zip in it.
pub(super) struct Place(pub(super) tempfile::TempDir);

impl Place {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(super) fn zip(&self) -> PathBuf {
        self.0.path().join("x.zip")
    }
}

pub(super) fn open_with(artifacts: ZipArtifacts, bytes: &[u8]) -> Result<Artifact, ArtifactError> {
    let place = Place::new();
    std::fs::write(place.zip(), bytes).unwrap();
    artifacts.open(&place.zip())
}

pub(super) fn open(bytes: &[u8]) -> Result<Artifact, ArtifactError> {
    open_with(ZipArtifacts::default(), bytes)
}

/// The sentence of a refusal; anything else fails the test.
#[track_caller]
pub(super) fn refusal(case: &str, result: Result<Artifact, ArtifactError>) -> String {
    match result {
        Err(ArtifactError::Refused(why)) => why,
        Err(error) => panic!("{case}: not a refusal but {error:?}"),
        Ok(_) => panic!("{case}: was accepted"),
    }
}

#[track_caller]
pub(super) fn assert_refused(case: &str, rule: &str, result: Result<Artifact, ArtifactError>) {
    let why = refusal(case, result);
    assert!(why.contains(rule), "{case}: {why:?} does not name {rule:?}");
    assert!(!why.chars().any(char::is_control), "{case}: {why:?} is not escaped");
}
