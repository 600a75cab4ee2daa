//! The record that continues the one of an environment: the ledger so far, and a new release in front of it.

use super::AppError;
use super::judge::Target;
use super::site::{Site, resolve};
use super::{Actor, Context};
use crate::domain::artifact::Folder;
use crate::domain::id::{BlobId, CommitId, Digest, Sha256};
use crate::domain::listing::{self, EntryMode, FileMode, Leaves, is_gits_own};
use crate::domain::outcome::GateReport;
use crate::domain::record::{self, Anchor, Deed, Entry, Mark, Origin, Override, Record, Restart, State};
use crate::domain::time;

/// What enters an environment.
pub struct Entering<'a> {
    /// The content.
    pub digest: Digest,
    /// Its folders.
    pub folders: Vec<String>,
    /// Where it was proven.
    pub source: Origin,
    /// Its label.
    pub version: Option<String>,
    /// The state that it begins with.
    pub state: State,
    /// The mark that it earned here before.
    pub marked: Option<Mark>,
    /// Files in the folders that are not ours.
    pub kept: Vec<String>,
    /// The previous stages as they were seen.
    pub after: Vec<Anchor>,
    /// A break-glass, if one was used.
    pub overridden: Option<Override>,
    /// Every gate's verdict.
    pub gates: Vec<GateReport>,
    /// Who wants it.
    pub actor: &'a Actor,
}

/// The record with a new release; the tree ids of its folders are filled in when they are built.
///
/// # Errors
/// What was there before cannot be had.
pub fn enter(context: &Context<'_>, target: &Target, entering: Entering<'_>) -> Result<Record, AppError> {
    let now = time::text(context.clock.now());
    let seq = target.history.highest_seq() + 1;
    let (by, run) = (&entering.actor.by, &entering.actor.run);
    let is_adopted = entering.state == State::Adopted;
    let mut ledger = vec![Entry {
        seq,
        digest: entering.digest,
        commit: (!is_adopted).then_some(entering.source.commit),
        branch: (!is_adopted).then(|| entering.source.branch.clone()),
        release_commit: None,
        state: entering.state,
        released: now.clone(),
        marked: entering.marked.as_ref().map(|mark| mark.at.clone()),
        by: by.clone(),
        run: run.clone(),
        overridden: entering.overridden.clone(),
    }];
    ledger.extend(closed_ledger(target));
    if target.history.changes.is_empty() {
        ledger.extend(found(target, &now)?);
    }
    ledger.truncate(record::LEDGER);
    let restart = || Restart { from: target.history.newest_unbroken().map(|(blob, _)| blob) };
    Ok(Record {
        format: record::FORMAT.to_owned(),
        stage: target.policy.stage.clone(),
        repository: target.site.url.clone(),
        branch: target.site.branch.clone(),
        unit: target.unit.clone(),
        seq,
        replaces: target.replaces(),
        restarted: target.history.verify().is_err().then(restart),
        digest: entering.digest,
        folders: entering.folders.into_iter().map(|path| Folder { path, tree: None }).collect(),
        source: entering.source,
        version: entering.version,
        state: entering.state,
        released: Deed { at: now, by: by.clone(), run: run.clone() },
        marked: entering.marked,
        kept: entering.kept,
        after: entering.after,
        policy: target.policy_id,
        overridden: entering.overridden,
        gates: entering.gates,
        ledger,
    })
}

/// Makes a record continue the one at the tip, without a new release.
pub fn follow(record: &mut Record, target: &Target) {
    record.unit = target.unit.clone();
    record.seq = target.history.highest_seq() + 1;
    record.replaces = target.replaces();
    record.restarted = None;
}

/// The mark that content earned here before, for when it comes back; what failed has to earn it again.
pub fn earned(target: &Target, digest: Digest) -> Option<Mark> {
    let record = target.continued().filter(|record| record.last_mark(digest) == Some(State::Passed))?;
    let entry = record.ledger.iter().find(|entry| entry.digest == digest && entry.state == State::Passed)?;
    Some(Mark {
        state: State::Passed,
        at: entry.marked.clone().unwrap_or_else(|| entry.released.clone()),
        by: None,
        run: None,
        note: Some("this content passed here before".to_owned()),
    })
}

/// The ledger so far, with the landing commit of the release that ends now filled in.
pub fn closed_ledger(target: &Target) -> Vec<Entry> {
    let Some(record) = target.continued() else { return Vec::new() };
    let mut ledger = record.ledger.clone();
    if let Some(live) = ledger.first_mut() {
        live.release_commit = target.history.landing(live.seq).map(|(change, _)| change.commit);
    }
    ledger
}

// What was in the folders before passgate came, as ledger entry 0: a rollback target, never evidence.
fn found(target: &Target, now: &str) -> Result<Option<Entry>, AppError> {
    let mut files = target.there.clone();
    files.retain(|path, (mode, _)| {
        let is_file = matches!(mode, EntryMode::Regular | EntryMode::Executable);
        is_file && !is_gits_own(path) && !target.is_local(path)
    });
    let digest = digest(&target.site, &files)?.filter(|_| !files.is_empty());
    Ok(digest.map(|digest| Entry {
        seq: 0,
        digest,
        commit: None,
        branch: None,
        release_commit: Some(target.site.tip),
        state: State::Adopted,
        released: now.to_owned(),
        marked: None,
        by: None,
        run: None,
        overridden: None,
    }))
}

/// The digest of files of an environment; None where something among them is no file that an artifact can carry.
///
/// # Errors
/// Their contents cannot be had.
pub fn digest(site: &Site, files: &Leaves) -> Result<Option<Digest>, AppError> {
    let ids: Vec<BlobId> = files.values().map(|(_, id)| BlobId(*id)).collect();
    if files.values().any(|(mode, _)| !matches!(mode, EntryMode::Regular | EntryMode::Executable)) {
        return Ok(None);
    }
    let contents = site.repository.blobs(&ids, u64::MAX)?;
    let mode = |mode: &EntryMode| match mode {
        EntryMode::Executable => FileMode::Executable,
        _ => FileMode::Regular,
    };
    let hashed = files.iter().map(|(path, (of, id))| (path.as_str(), mode(of), sha256(contents.get(&BlobId(*id)))));
    Ok(Some(listing::digest(hashed)))
}

/// The folders at the landing commit of a record whose trees are not there as it names them, if they hold its content all
/// the same: files of others changed between its proposal and its landing. None where the trees are there, or are wrong.
///
/// # Errors
/// They cannot be had.
pub fn landed_with(
    site: &Site,
    landing: CommitId,
    record: &Record,
    aside: &dyn Fn(&str) -> bool,
) -> Result<Option<Leaves>, AppError> {
    let root = site.root_of(landing)?;
    let mut as_named = true;
    for folder in &record.folders {
        let at = resolve(&*site.repository, &[root], &folder.path)?.remove(&root);
        as_named &= at == folder.tree.map(|tree| (EntryMode::Tree, tree.0));
    }
    if as_named {
        return Ok(None);
    }
    let folders: Vec<String> = record.folders.iter().map(|folder| folder.path.clone()).collect();
    let all = site.folders_at(landing, &folders)?;
    let content = all.iter().filter(|(path, _)| !aside(path)).map(|(path, entry)| (path.clone(), *entry)).collect();
    Ok((digest(site, &content)? == Some(record.digest)).then_some(all))
}

/// SHA-256 of a content that was brought.
pub fn sha256(content: Option<&Vec<u8>>) -> Sha256 {
    use sha2::Digest as _;
    Sha256(sha2::Sha256::digest(content.map_or(&[][..], Vec::as_slice)).into())
}
