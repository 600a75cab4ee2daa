//! `release --from`: promotes content out of the previous stage's repository, no zip needed.

use std::collections::{HashMap, HashSet};

use super::entry::sha256;
use super::evidence;
use super::release::{Request, release};
use super::site::{self, Site};
use super::{AppError, Context, Place};
use crate::domain::artifact::{FORMAT, Manifest, Source, digest_of, folders_of};
use crate::domain::chain::History;
use crate::domain::id::{BlobId, Digest, TreeId, UnitName};
use crate::domain::listing::{EntryMode, File, FileMode, is_gits_own};
use crate::domain::outcome::{Outcome, Report};
use crate::domain::record::{Entry, Record};
use crate::port::{Artifact, ArtifactError, Content, Role};

// Content that was read out of a repository, by SHA-256-checked blob id.
struct FromRepository(HashMap<BlobId, Vec<u8>>);

impl Content for FromRepository {
    fn read(&self, file: &File) -> Result<Vec<u8>, ArtifactError> {
        let content = self.0.get(&file.blob).cloned();
        content.ok_or_else(|| ArtifactError::Refused(format!("the content of {:?} is gone", file.path)))
    }
}

/// Releases the newest content of `from` that passes the gates of the target, or the one that is named.
///
/// # Errors
/// Something that must answer does not, or there is nothing to promote.
pub fn promote(
    context: &Context<'_>,
    from: &Place,
    unit: &UnitName,
    digest: Option<Digest>,
    request: &Request,
) -> Result<Report, AppError> {
    // Looked at first: both may be branches of one repository, and then it is opened with the credentials that may push.
    // The stages may be renamed in any order: what the target knows of the unit's names counts too.
    let known = match Site::target(context, &request.to)?.policy() {
        Ok((_, policy)) => policy.names(std::slice::from_ref(unit)),
        Err(_) => vec![unit.clone()],
    };
    let site = Site::find(context, from, Role::Previous)?
        .ok_or_else(|| AppError::usage(format!("{} has no such branch", from.url), "name it as URL#branch"))?;
    let names = site.policy().map_or_else(|_| known.clone(), |(_, policy)| policy.names(&known));
    let history = evidence::history(&site, &names, &|history: &History| match history.record() {
        Some(record) => {
            let oldest = record.ledger.iter().filter(|e| digest.is_none_or(|d| d == e.digest)).map(|e| e.seq).min();
            history.verify().is_err() || oldest.is_none_or(|seq| evidence::reaches(history, seq))
        }
        None => history.tip().is_some(),
    })?;
    let Some(record) = history.record() else {
        return Err(AppError::refused(
            format!("{} has no sound record of the unit {unit}", site.name()),
            "release something to that stage first",
        ));
    };
    let mut seen = HashSet::new();
    let candidates: Vec<&Entry> = record
        .ledger
        .iter()
        .filter(|entry| entry.is_release() && digest.is_none_or(|digest| digest == entry.digest))
        .filter(|entry| seen.insert(entry.digest))
        .collect();
    let mut newest: Option<Report> = None;
    let mut skipped = Vec::new();
    for entry in candidates {
        let Some((change, then)) = history.landing(entry.seq) else { continue };
        let artifact = match read(&site, then, entry, site.root_of(change.commit)?, unit) {
            Ok(artifact) => artifact,
            Err(AppError::Refused { message, .. }) => {
                skipped.push(format!("skipped {}: {message}", entry.digest.short()));
                continue;
            }
            Err(error) => return Err(error),
        };
        let mut report = release(context, &artifact, request)?;
        if !matches!(report.result, Outcome::Refused | Outcome::Undecided | Outcome::Superseded) {
            report.warnings.extend(skipped);
            return Ok(report);
        }
        let closed = report.gates.iter().filter(|g| g.remedy.is_some()).map(|g| g.gate.as_str()).collect::<Vec<_>>();
        skipped.push(format!("skipped {}: {}", entry.digest.short(), closed.join(", ")));
        newest.get_or_insert(report);
    }
    match newest {
        Some(mut report) => {
            report.warnings.extend(skipped.into_iter().skip(1));
            Ok(report)
        }
        None => Err(AppError::refused(
            match digest {
                Some(digest) => format!("{digest} was never released to {}", site.name()),
                None => format!("nothing of the unit {unit} can be promoted from {}", site.name()),
            },
            if skipped.is_empty() { "see `passgate status`".to_owned() } else { skipped.join("; ") },
        )),
    }
}

/// The content of a release as an artifact, read from a root tree that holds it, proven by its digest.
///
/// # Errors
/// It cannot be had, or is not what the ledger names.
pub fn read(site: &Site, then: &Record, entry: &Entry, root: TreeId, unit: &UnitName) -> Result<Artifact, AppError> {
    let folders: Vec<String> = then.folders.iter().map(|folder| folder.path.clone()).collect();
    let local = site.policy().ok().and_then(|(_, stage)| Some(stage.accepts(unit)?.local.clone()));
    let aside = |path: &str| {
        is_gits_own(path)
            || local.as_ref().is_some_and(|patterns| patterns.matches(path))
            || then.kept.iter().any(|kept| kept == path)
    };
    let mut leaves = site::folders_of(&*site.repository, root, &folders)?;
    leaves.retain(|path, _| !aside(path));
    let ids: Vec<BlobId> = leaves.values().map(|(_, id)| BlobId(*id)).collect();
    // A larger file was in no artifact, so it is not this content.
    let contents = site.repository.blobs(&ids, 64 << 20)?;
    let files: Vec<File> = leaves
        .iter()
        .filter_map(|(path, (mode, id))| {
            let mode = match mode {
                EntryMode::Regular => FileMode::Regular,
                EntryMode::Executable => FileMode::Executable,
                _ => return None,
            };
            let content = contents.get(&BlobId(*id));
            let size = content.map_or(0, Vec::len) as u64;
            Some(File { path: path.clone(), mode, size, sha256: sha256(content), blob: BlobId(*id) })
        })
        .collect();
    if files.len() != leaves.len() || digest_of(&files) != entry.digest {
        return Err(AppError::refused(
            "the folders at its landing commit are not this content",
            "release it there again",
        ));
    }
    let commit = entry.commit.unwrap_or(then.source.commit);
    let manifest = Manifest {
        format: FORMAT.to_owned(),
        unit: unit.clone(),
        digest: entry.digest,
        folders: folders_of(&folders, &files)?,
        source: Source { repository: then.source.repository.clone(), commit, committed: then.released.at.clone() },
        version: then.version.clone(),
        files,
    };
    Ok(Artifact { manifest, content: Box::new(FromRepository(contents)) })
}
