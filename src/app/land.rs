//! Landing a commit: build the objects, check the finished commit, push fast-forward, and try again when somebody else was
//! first. Nothing but the unit's folders and its record changes.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use super::judge::Target;
use super::propose::{self, Told};
use super::site::{POLICY, Site, loader, resolve};
use super::{AppError, Context};
use crate::domain::id::{BlobId, BranchName, CommitId, TreeId};
use crate::domain::listing::{Entry, EntryMode, Leaves};
use crate::domain::object::{Built, Kind, Object, below, id_of};
use crate::domain::outcome::{Outcome, Report};
use crate::domain::path::is_within;
use crate::domain::record::{self, Record};
use crate::port::PushAnswer;

/// The retry budget: this many tries or this long, whichever is later.
const TRIES: u32 = 20;
const PATIENCE: Duration = Duration::from_secs(180);
// What a try is taken to last at most, when the pause after it is measured.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// What one commit is to write on top of a tip.
pub struct Change {
    /// The unit's folders.
    pub folders: Vec<String>,
    /// What they hold afterwards; None leaves them as they are.
    pub leaves: Option<Leaves>,
    /// Files outside of them that go, because an earlier release wrote them and nobody declares their folder any more.
    pub removed: Vec<String>,
    /// The record; its folders' tree ids are filled in here.
    pub record: Record,
    /// Makes the message from the finished record.
    pub message: Box<dyn Fn(&Record) -> String + Send + Sync>,
}

/// A commit that was built and checked.
pub struct Finished {
    /// Its id.
    pub commit: CommitId,
    /// Its root tree.
    pub root: TreeId,
    /// The record in it.
    pub record: Record,
    /// The first line of its message.
    pub subject: String,
}

/// The author and committer of what passgate writes, `Name <mail>`.
#[derive(Debug, Clone)]
pub struct Committer(pub String);

/// Builds the commit in our own store and checks it. `content` gives the bytes of blobs that the store lacks.
///
/// # Errors
/// An object cannot be written, or the finished commit is not what was planned.
pub fn build(
    context: &Context<'_>,
    target: &Target,
    change: Change,
    committer: &Committer,
    content: &mut dyn FnMut(BlobId) -> Option<Result<Vec<u8>, AppError>>,
) -> Result<Finished, AppError> {
    let site = &target.site;
    let repository = &*site.repository;
    let root = site.root_of(site.tip)?;
    let mut built = Built::default();
    let load = loader(repository);
    let mut tree = load(root)?;
    let mut record = change.record;
    if let Some(leaves) = &change.leaves {
        for folder in &change.folders {
            let id = built.add_leaves(&below(leaves, folder))?;
            tree = built.graft(&tree, folder, id.map(|id| (EntryMode::Tree, id.0)), &load)?;
            if let Some(of) = record.folders.iter_mut().find(|of| of.path == *folder) {
                of.tree = id;
            }
        }
    }
    let bytes = record.to_bytes()?;
    if bytes.len() > record::MAX_BYTES {
        return Err(AppError::refused(
            format!("the record of {} would be too large to be read again ({} bytes)", record.unit, bytes.len()),
            "give shorter --by, --run and --note, or keep fewer files of others in the unit's folders",
        ));
    }
    let record_path = record::path(&record.unit);
    let record_id = id_of(Kind::Blob, &bytes)?;
    // A record of a former name goes with the commit that carries it over.
    let former = target.records().into_iter().filter(|path| *path != record_path);
    let removed: Vec<String> = change.removed.iter().cloned().chain(former).collect();
    for path in &removed {
        tree = built.graft(&tree, path, None, &load)?;
    }
    tree = built.graft(&tree, &record_path, Some((EntryMode::Regular, record_id)), &load)?;
    let tree_id = built.add(&tree)?;
    let now = context.clock.now();
    let message = (change.message)(&record);
    let subject = message.lines().next().unwrap_or_default().to_owned();
    let text = format!(
        "tree {tree_id}\nparent {}\nauthor {who} {now} +0000\ncommitter {who} {now} +0000\n\n{message}",
        site.tip,
        who = committer.0,
    );
    let commit = CommitId(id_of(Kind::Commit, text.as_bytes())?);

    // Every file that is new at its path: git sends a moved file's content too, and then it must be here.
    let mut wanted: Vec<BlobId> = Vec::new();
    if let Some(leaves) = &change.leaves {
        let there = site.folders_at(site.tip, &change.folders)?;
        let mut seen = HashSet::new();
        let new = leaves.iter().filter(|(path, entry)| there.get(*path) != Some(*entry));
        wanted.extend(new.map(|(_, (_, id))| BlobId(*id)).filter(|id| seen.insert(*id)));
    }
    let mut failed = None;
    let mut blobs: Vec<Object> = Vec::new();
    let trees = built.0.values().map(|content| Ok(Object { kind: Kind::Tree, content: content.clone() }));
    let last = [
        Ok(Object { kind: Kind::Blob, content: bytes }),
        Ok(Object { kind: Kind::Commit, content: text.into_bytes() }),
    ];
    // One pack for what is small, so that most releases cost one process.
    let mut size = 0usize;
    for id in wanted {
        match content(id) {
            Some(Ok(bytes)) => {
                size += bytes.len();
                blobs.push(Object { kind: Kind::Blob, content: bytes });
            }
            Some(Err(error)) => failed = Some(error),
            None => failed = Some(AppError::Guard(format!("nobody has the content of {id}"))),
        }
        if failed.is_some() {
            break;
        }
        if size > 64 << 20 {
            let part = std::mem::take(&mut blobs);
            repository.write(part.len(), &mut part.into_iter().map(Ok))?;
            size = 0;
        }
    }
    if let Some(error) = failed {
        return Err(error);
    }
    let count = blobs.len() + built.0.len() + last.len();
    repository.write(count, &mut blobs.into_iter().map(Ok).chain(trees).chain(last))?;
    let written = Written {
        folders: &change.folders,
        leaves: change.leaves.as_ref(),
        removed: &removed,
        record: &record_path,
        root: tree_id,
    };
    guard(site, commit, &written)?;
    Ok(Finished { commit, root: tree_id, record, subject })
}

// What a finished commit must be.
struct Written<'a> {
    folders: &'a [String],
    leaves: Option<&'a Leaves>,
    removed: &'a [String],
    record: &'a str,
    root: TreeId,
}

// Reads the finished commit back: its difference to its parent lies in owned paths only, and its folders are the plan.
fn guard(site: &Site, finished: CommitId, written: &Written<'_>) -> Result<(), AppError> {
    let Written { folders, leaves, removed, record: record_path, root } = *written;
    let repository = &*site.repository;
    let mut recorded = false;
    for (path, entry) in repository.diff(site.tip, finished)? {
        recorded |= path == record_path;
        if path != record_path && entry.is_none() && removed.contains(&path) {
            continue;
        }
        let owned = folders.iter().any(|folder| is_within(&path, folder)) && leaves.is_some();
        if path == POLICY || (path != record_path && !owned) {
            return Err(AppError::Guard(format!("{path:?} is not the unit's")));
        }
        let planned = leaves.and_then(|leaves| leaves.get(&path));
        if path != record_path && entry.as_ref() != planned {
            return Err(AppError::Guard(format!("{path:?} is not what the artifact has")));
        }
    }
    if !recorded {
        return Err(AppError::Guard("the record is missing".to_owned()));
    }
    let Some(leaves) = leaves else { return Ok(()) };
    let mut back = Leaves::new();
    for folder in folders {
        if let Some((EntryMode::Tree, id)) = resolve(repository, &[root], folder)?.remove(&root) {
            let id = TreeId(id);
            let found = repository.leaves(&[id])?.remove(&id).unwrap_or_default();
            back.extend(found.into_iter().map(|(path, entry): (String, Entry)| (format!("{folder}/{path}"), entry)));
        }
    }
    let planned: BTreeMap<_, _> =
        leaves.iter().filter(|(path, _)| folders.iter().any(|folder| is_within(path, folder))).collect();
    if back.iter().ne(planned) || back.len() != leaves.len() {
        return Err(AppError::Guard("the written folders are not the artifact's listing".to_owned()));
    }
    Ok(())
}

/// What became of a push.
pub enum Landed {
    /// The branch holds the commit.
    Yes,
    /// Somebody else was first: look again.
    Moved,
}

/// What came of one look at an environment.
#[allow(clippy::large_enum_variant, reason = "there is one of it at a time")]
pub enum Decision {
    /// Nothing is written.
    Say(Report),
    /// This is to be delivered, and then reported.
    Push(Box<Push>),
}

/// A commit on its way, and what is said when it has landed.
pub struct Push {
    /// The commit.
    pub finished: Finished,
    /// How it is delivered.
    pub told: Told,
    /// What is said then.
    pub report: Report,
}

/// Looks, decides and pushes, until the commit is in or nothing is to be written.
///
/// # Errors
/// As looking, deciding and pushing.
pub fn until_landed(
    context: &Context<'_>,
    look: &dyn Fn() -> Result<Target, AppError>,
    decide: &dyn Fn(&Target) -> Result<Decision, AppError>,
) -> Result<Report, AppError> {
    let mut tries = Tries::begin();
    let mut pushed: Option<Report> = None;
    loop {
        let target = look()?;
        // The answer to a push may get lost, and git's own second try then meets the first.
        let arrived = |report: &Report| report.commit.is_some_and(|id| target.site.graph.nodes.contains_key(&id));
        if let Some(report) = pushed.take().filter(arrived) {
            return Ok(report);
        }
        match decide(&target)? {
            Decision::Say(report) => return Ok(report),
            Decision::Push(push) => {
                let Push { finished, told, mut report } = *push;
                match propose::deliver(context, &mut tries, &target, &finished, &told, &mut report)? {
                    Landed::Yes => return Ok(report),
                    Landed::Moved => pushed = Some(report),
                }
            }
        }
    }
}

/// A report on a unit of an environment.
pub fn report(target: &Target, result: Outcome) -> Report {
    let mut report = Report::new(result);
    report.stage = Some(target.policy.stage.clone());
    report.unit = Some(target.unit.clone());
    report.previous_commit = Some(target.site.tip);
    report
}

/// Counts the tries of one landing.
pub struct Tries {
    begun: Instant,
    // When this try began.
    latest: Instant,
    done: u32,
    lost: u32,
}

impl Tries {
    /// Begins.
    #[allow(clippy::disallowed_methods, reason = "patience is measured, not recorded")]
    pub fn begin() -> Self {
        let now = Instant::now();
        Self { begun: now, latest: now, done: 0, lost: 0 }
    }

    /// Pushes once, and waits a little when somebody else was first.
    ///
    /// # Errors
    /// The server refuses, cannot be reached, or other writers won for too long.
    pub fn push(&mut self, context: &Context<'_>, site: &Site, finished: CommitId) -> Result<Landed, AppError> {
        let answer = site.repository.push(&site.branch, finished)?;
        self.after(context, site, &site.branch, finished, answer)
    }

    /// What an answer to the push of a commit to a branch means; waits a little when somebody else was first.
    ///
    /// # Errors
    /// As [`Tries::push`].
    pub fn after(
        &mut self,
        context: &Context<'_>,
        site: &Site,
        branch: &BranchName,
        finished: CommitId,
        answer: PushAnswer,
    ) -> Result<Landed, AppError> {
        let place = format!("{}#{branch}", site.url);
        self.done += 1;
        match answer {
            PushAnswer::Done => Ok(Landed::Yes),
            PushAnswer::Rejected(said) => Err(AppError::Rejected { place, said }),
            PushAnswer::Moved => {
                if self.done >= TRIES && self.begun.elapsed() >= PATIENCE {
                    return Err(AppError::LostRace { place, tries: self.done });
                }
                self.pause();
                Ok(Landed::Moved)
            }
            PushAnswer::Lost(said) => self.after_silence(context, (site, branch), finished, said),
        }
    }

    // Writers who met once must not meet again: each waits by chance, for longer the more often it lost, and in proportion to
    // what a try takes here. Where the machine is busy, fewer at a time then get through sooner than all at once.
    #[allow(clippy::disallowed_methods, reason = "patience is measured, not recorded")]
    fn pause(&mut self) {
        let took = self.latest.elapsed().min(LONGEST_PAUSE);
        std::thread::sleep(took.mul_f64(f64::from(self.done.min(4)) * fastrand::f64()));
        self.latest = Instant::now();
    }

    // The answer was lost. The server knows what became of it.
    fn after_silence(
        &mut self,
        context: &Context<'_>,
        (site, branch): (&Site, &BranchName),
        finished: CommitId,
        said: String,
    ) -> Result<Landed, AppError> {
        context.progress.step("the answer was lost: asking again");
        let place = format!("{}#{branch}", site.url);
        let asked = site.repository.advertise().and_then(|advertised| {
            let Some(tip) = advertised.branches.get(branch) else { return Ok(false) };
            Ok(*tip == finished || site.repository.history(&[*tip])?.is_ancestor(finished, *tip))
        });
        match asked {
            Ok(true) => Ok(Landed::Yes),
            Ok(false) if self.lost < 3 && !is_final(&said) => {
                self.lost += 1;
                Ok(Landed::Moved)
            }
            Ok(false) => Err(AppError::PushFailed { place, said }),
            Err(_) if is_final(&said) => Err(AppError::PushFailed { place, said }),
            Err(_) => Err(AppError::Unknown { place, said }),
        }
    }
}

// Words by which a server says that it did not take the push, whatever becomes of the connection.
fn is_final(said: &str) -> bool {
    [
        "error: 401",
        "error: 403",
        "Authentication failed",
        "Permission denied",
        "could not read Username",
        "error: 413",
        "insufficient permission",
        "not found",
        "Could not resolve host",
        "Connection refused",
        "Failed to connect",
    ]
    .iter()
    .any(|word| said.contains(word))
}
