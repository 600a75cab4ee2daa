//! The record of a unit (`.passgate/records/<unit>.json`): what is live, how it got here, and the ledger of what was before.
//!
//! Its bytes have one form: fixed key order, one field a line, one ledger entry a line, and last the seal over all of it.
//! Whatever is not byte for byte in that form was not written by passgate.

use std::collections::HashSet;
use std::io;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::ser::{Formatter, Serializer};
use sha2::{Digest as _, Sha256 as Hasher};

use super::artifact::Folder;
use super::id::{BlobId, BranchName, CommitId, Digest, Sha256, StageName, UnitName};
use super::outcome::{GateReport, Verdict};
use super::url::RepoUrl;

/// Value of the record's `format`.
pub const FORMAT: &str = "passgate/record/v1";
/// How many releases the ledger remembers.
pub const LEDGER: usize = 100;
// How an object ends.
const END: &str = "\n}";
/// Largest record that is read, in bytes.
pub const MAX_BYTES: usize = 4 << 20;

/// The folder of the records.
pub const FOLDER: &str = ".passgate/records";

/// The path of a unit's record in its environment repository.
pub fn path(unit: &UnitName) -> String {
    format!("{FOLDER}/{unit}.json")
}

/// The state of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is there, and the stage's checks have not said anything yet.
    Released,
    /// The stage's checks passed.
    Passed,
    /// The stage's checks failed.
    Failed,
    /// It was found there when passgate came: a rollback target, never evidence.
    Adopted,
    /// The unit is gone: nothing of it is there any more.
    Retired,
}

impl State {
    /// The word of the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Released => "released",
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Adopted => "adopted",
            Self::Retired => "retired",
        }
    }
}

/// Who did something, when, in which run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deed {
    /// RFC 3339 in UTC, to the second.
    pub at: String,
    /// The person, as the host names them.
    pub by: Option<String>,
    /// A link to the run.
    pub run: Option<String>,
}

/// The outcome of a stage's checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// `passed` or `failed`.
    pub state: State,
    /// RFC 3339 in UTC, to the second.
    pub at: String,
    /// The person, as the host names them.
    pub by: Option<String>,
    /// A link to the run.
    pub run: Option<String>,
    /// What the marker had to say.
    pub note: Option<String>,
}

/// The commit that content was proven from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The accepted source repository.
    pub repository: RepoUrl,
    /// The commit.
    pub commit: CommitId,
    /// The branch it was proven on.
    pub branch: BranchName,
}

/// What was seen of a previous stage when this release was let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchor {
    /// Its name.
    pub stage: StageName,
    /// Its repository.
    pub repository: RepoUrl,
    /// Its branch.
    pub branch: BranchName,
    /// The commit at which the content landed there.
    pub release_commit: Option<CommitId>,
    /// The tip of its branch.
    pub tip: CommitId,
}

/// A recorded break-glass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// The person.
    pub by: Option<String>,
    /// Why.
    pub reason: String,
    /// The gates that it opened.
    pub gates: Vec<String>,
}

/// A new beginning of the chain of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restart {
    /// Blob id of the newest unbroken record, whose ledger was kept; null when there was none.
    pub from: Option<BlobId>,
}

/// One release in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The record's `seq` when this release was written.
    pub seq: u64,
    /// Its content.
    pub digest: Digest,
    /// The source commit; null for adopted content.
    pub commit: Option<CommitId>,
    /// The branch it was proven on; null for adopted content.
    pub branch: Option<BranchName>,
    /// The landing commit here; null while it is the live one.
    pub release_commit: Option<CommitId>,
    /// Its state.
    pub state: State,
    /// When it was released, RFC 3339.
    pub released: String,
    /// When it was marked.
    pub marked: Option<String>,
    /// Who released it.
    pub by: Option<String>,
    /// In which run.
    pub run: Option<String>,
    /// The break-glass that let it in, if one was used.
    #[serde(rename = "override")]
    pub overridden: Option<Override>,
}

impl Entry {
    /// Whether it was a release: adopted content and the end of a unit are none.
    pub fn is_release(&self) -> bool {
        !matches!(self.state, State::Adopted | State::Retired)
    }

    /// The landing commit, for comparison: what was found at the first release was found at whichever tip there was.
    pub fn landing(&self) -> Option<CommitId> {
        self.release_commit.filter(|_| self.seq > 0)
    }
}

/// The record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Always [`FORMAT`].
    pub format: String,
    /// The stage that it is true for.
    pub stage: StageName,
    /// The repository that it is true for.
    pub repository: RepoUrl,
    /// The branch that it is true for.
    pub branch: BranchName,
    /// The unit.
    pub unit: UnitName,
    /// Rises with every write of this record.
    pub seq: u64,
    /// Blob id of the record that this one replaced; null for the first.
    pub replaces: Option<BlobId>,
    /// Set by `--adopt` over a broken chain.
    pub restarted: Option<Restart>,
    /// The live content.
    pub digest: Digest,
    /// The folders with the ids of the trees that were written.
    pub folders: Vec<Folder>,
    /// Where the content was proven.
    pub source: Origin,
    /// The artifact's label.
    pub version: Option<String>,
    /// The state of the live release.
    pub state: State,
    /// Who released it.
    pub released: Deed,
    /// What its checks said.
    pub marked: Option<Mark>,
    /// Files in our folders that are not ours: the environment's own (`local`), git files, and what `drift: keep` kept.
    pub kept: Vec<String>,
    /// The previous stages as they were seen.
    pub after: Vec<Anchor>,
    /// Blob id of the stage.yaml that was applied.
    pub policy: BlobId,
    /// A break-glass, if one was used.
    #[serde(rename = "override")]
    pub overridden: Option<Override>,
    /// Every gate's verdict.
    pub gates: Vec<GateReport>,
    /// The last releases, newest first; the first is the live one.
    pub ledger: Vec<Entry>,
}

/// Why bytes are not a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRecord {
    /// Not JSON of this shape.
    #[error("it is not a record: {0}")]
    Shape(String),
    /// The seal does not match: it was edited by hand, or two records were mixed.
    #[error("its seal is broken: it was edited by hand, or two records were merged into one")]
    Seal,
    /// The seal matches, the form does not.
    #[error("it is not in the form that passgate writes")]
    Form,
    /// The ledger contradicts the record.
    #[error("its ledger contradicts it: {0}")]
    Ledger(&'static str),
}

impl Record {
    /// The kept files that are not the environment's `own`: those come and go while a proposal waits.
    pub fn kept_besides(&self, own: &dyn Fn(&str) -> bool) -> impl Iterator<Item = &String> {
        self.kept.iter().filter(|path| !own(path))
    }

    /// What was seen of the previous stages, but for where their branches stood.
    pub fn seen(&self) -> impl Iterator<Item = (&StageName, &RepoUrl, &BranchName, Option<CommitId>)> {
        self.after.iter().map(|anchor| (&anchor.stage, &anchor.repository, &anchor.branch, anchor.release_commit))
    }

    /// What each gate said, but for those that a break-glass `opened`.
    pub fn verdicts(&self, opened: &[String]) -> impl Iterator<Item = (&str, Verdict)> {
        let gates = self.gates.iter().filter(|gate| !opened.contains(&gate.gate));
        gates.map(|gate| (gate.gate.as_str(), gate.verdict))
    }

    /// The bytes of the record, sealed.
    ///
    /// # Errors
    /// JSON cannot hold it (it always can).
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut out = Vec::new();
        self.serialize(&mut Serializer::with_formatter(&mut out, Lines::default()))?;
        // The seal is the last field, and is over everything before it.
        out.truncate(out.len().saturating_sub(END.len()));
        out.extend_from_slice(b",\n");
        let seal = Sha256(Hasher::digest(&out).into());
        out.extend_from_slice(format!("  \"seal\": \"{seal}\"{END}\n").as_bytes());
        Ok(out)
    }

    /// Reads a record and proves that passgate wrote these very bytes.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadRecord> {
        let shape = |error: serde_json::Error| BadRecord::Shape(error.to_string());
        let at = bytes.windows(10).rposition(|window| window == b"  \"seal\": ");
        let body = at.and_then(|at| bytes[..at].strip_suffix(b",\n"));
        let record: Self = match body.map(|body| serde_json::from_slice(&[body, END.as_bytes()].concat())) {
            Some(Ok(record)) => record,
            // Only what is wrong with it is looked for here, by its seal first.
            _ => {
                let mut value: Value = serde_json::from_slice(bytes).map_err(shape)?;
                let seal = value.as_object_mut().and_then(|fields| fields.shift_remove("seal"));
                let sealed = at.map(|at| Sha256(Hasher::digest(&bytes[..at]).into()).to_string());
                if seal.as_ref().and_then(Value::as_str) != sealed.as_deref() || sealed.is_none() {
                    return Err(BadRecord::Seal);
                }
                serde_json::from_value(value).map_err(shape)?
            }
        };
        let own = record.to_bytes().map_err(shape)?;
        if own != bytes || record.format != FORMAT {
            let is_sealed = at.is_some_and(|at| {
                let seal = Sha256(Hasher::digest(&bytes[..at]).into());
                bytes[at..].starts_with(format!("  \"seal\": \"{seal}\"").as_bytes())
            });
            return Err(if is_sealed { BadRecord::Form } else { BadRecord::Seal });
        }
        record.check_ledger()?;
        Ok(record)
    }

    fn check_ledger(&self) -> Result<(), BadRecord> {
        let Some(live) = self.ledger.first() else { return Err(BadRecord::Ledger("it is empty")) };
        if live.digest != self.digest || live.state != self.state {
            return Err(BadRecord::Ledger("its first entry is not the live release"));
        }
        if live.seq > self.seq || self.ledger.windows(2).any(|pair| pair[0].seq <= pair[1].seq) {
            return Err(BadRecord::Ledger("its numbers do not fall"));
        }
        Ok(())
    }

    /// The live entry of the ledger.
    pub fn live(&self) -> Option<&Entry> {
        self.ledger.first()
    }

    /// The last mark on a content: of its newest entry that has one.
    pub fn last_mark(&self, digest: Digest) -> Option<State> {
        self.ledger
            .iter()
            .filter(|entry| entry.digest == digest)
            .find(|entry| matches!(entry.state, State::Passed | State::Failed))
            .map(|entry| entry.state)
    }

    /// The newest release of a content here.
    pub fn release_of(&self, digest: Digest) -> Option<&Entry> {
        self.ledger.iter().find(|entry| entry.digest == digest && entry.is_release())
    }

    /// The command that brings back what was live before in an environment, if there is something to bring back.
    pub fn way_back(&self, environment: &str) -> Option<String> {
        let entry = self.rollback_targets().into_iter().next().filter(|_| self.state != State::Retired)?;
        let to = super::escape::shell(environment);
        Some(format!("passgate rollback --to {to} --unit {} --digest {}", self.unit, entry.digest))
    }

    /// The contents that a rollback may bring back, newest first, each by its newest entry: not what is live, and
    /// nothing that failed here.
    pub fn rollback_targets(&self) -> Vec<&Entry> {
        let mut seen = HashSet::from([self.digest]);
        let entries = self.ledger.iter().filter(|entry| entry.state != State::Retired);
        entries.filter(|e| seen.insert(e.digest) && self.last_mark(e.digest) != Some(State::Failed)).collect()
    }
}

// One field a line, one item of a field's list a line, everything below that without spaces.
#[derive(Default)]
struct Lines {
    depth: usize,
    // Whether the list has items: an empty one stays on its line.
    filled: bool,
}

impl Formatter for Lines {
    fn begin_object<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.depth += 1;
        out.write_all(b"{")
    }

    fn end_object<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.depth -= 1;
        out.write_all(if self.depth == 0 { END.as_bytes() } else { b"}" })
    }

    fn begin_object_key<W: io::Write + ?Sized>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        out.write_all(match (self.depth, first) {
            (1, true) => b"\n  ",
            (1, false) => b",\n  ",
            (_, true) => b"",
            (_, false) => b",",
        })
    }

    fn begin_object_value<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(if self.depth == 1 { b": " } else { b":" })
    }

    fn begin_array<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.depth += 1;
        out.write_all(b"[")
    }

    fn begin_array_value<W: io::Write + ?Sized>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.filled |= self.depth == 2;
        out.write_all(match (self.depth, first) {
            (2, true) => b"\n    ",
            (2, false) => b",\n    ",
            (_, true) => b"",
            (_, false) => b",",
        })
    }

    fn end_array<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.depth -= 1;
        let ends_list = self.depth == 1 && std::mem::take(&mut self.filled);
        out.write_all(if ends_list { b"\n  ]" } else { b"]" })
    }
}
