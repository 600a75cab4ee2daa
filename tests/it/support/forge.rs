//! What somebody with bad intentions makes with passgate's own library.

use std::path::{Path, PathBuf};

use passgate::adapter::zip::ZipArtifacts;
use passgate::domain::artifact::{Manifest, digest_of, folders_of};
use passgate::domain::id::{BlobId, Sha256};
use passgate::domain::listing::{File, FileMode};
use passgate::domain::object::{Kind, id_of};
use passgate::domain::record::Record;
use passgate::port::{Artifacts, Draft as Listed};
use sha2::Digest as _;

use super::{Repo, World};

/// A file in the making: path, mode, content.
pub type Draft = (String, &'static str, Vec<u8>);

/// A canonical zip with other files, every checksum and id of which is right.
pub fn rebuilt(world: &World, genuine: &Path, change: impl FnOnce(&mut Vec<Draft>, &mut Manifest)) -> PathBuf {
    let artifacts = ZipArtifacts::default();
    let artifact = artifacts.open(genuine).unwrap();
    let mut manifest = artifact.manifest.clone();
    let mut drafts: Vec<Draft> = manifest
        .files
        .iter()
        .map(|file| (file.path.clone(), file.mode.as_str(), artifact.content.read(file).unwrap()))
        .collect();
    change(&mut drafts, &mut manifest);
    drafts.sort();
    manifest.files = drafts
        .iter()
        .map(|(path, mode, content)| File {
            path: path.clone(),
            mode: if *mode == "100755" { FileMode::Executable } else { FileMode::Regular },
            size: content.len() as u64,
            sha256: Sha256(sha2::Sha256::digest(content).into()),
            blob: BlobId(id_of(Kind::Blob, content).unwrap()),
        })
        .collect();
    let folders: Vec<String> = manifest.folders.iter().map(|folder| folder.path.clone()).collect();
    manifest.folders = folders_of(&folders, &manifest.files).unwrap();
    manifest.digest = digest_of(&manifest.files);
    let file = world.path().join(format!("rebuilt-{}.zip", fastrand::u64(..)));
    let listed = manifest.files.iter().map(|f| Listed { path: f.path.clone(), mode: f.mode, blob: f.blob }).collect();
    artifacts.write(&file, listed, &mut drafts.into_iter().map(|d| Ok(d.2)), &mut |_| Ok(manifest.clone())).unwrap();
    file
}

/// A record with something changed and a right seal.
pub fn reseal(repo: &Repo, revision: &str, change: impl FnOnce(&mut Record)) -> String {
    let mut record = repo.record(revision);
    change(&mut record);
    String::from_utf8(record.to_bytes().unwrap()).unwrap()
}

/// The record that continues the one of a revision, with something changed and a right seal.
pub fn continued(repo: &Repo, revision: &str, change: impl FnOnce(&mut Record)) -> String {
    let replaced = repo.id(&format!("{revision}:.passgate/records/shop.json"));
    reseal(repo, revision, |record| {
        record.seq += 1;
        record.replaces = Some(replaced.parse().unwrap());
        change(record);
    })
}
