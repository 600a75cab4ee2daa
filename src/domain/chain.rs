//! The chain of records: on the first-parent chain of a branch every change of a unit's record names the one before it.

use super::id::{BlobId, BranchName, CommitId, UnitName};
use super::record::{BadRecord, Record};
use super::url::RepoUrl;

/// A first-parent commit at which a unit's record changed.
#[derive(Debug, Clone)]
pub struct Change {
    /// The commit.
    pub commit: CommitId,
    /// Its committer time, seconds since 1970.
    pub time: i64,
    /// The record from this commit on: its blob id and what it says; None when it was deleted.
    pub record: Option<(BlobId, Result<Record, BadRecord>)>,
}

/// Where and how a chain is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Break {
    /// The commit that broke it.
    pub commit: CommitId,
    /// How.
    pub how: String,
}

/// Whose records these are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Here {
    /// The repository.
    pub repository: RepoUrl,
    /// The branch.
    pub branch: BranchName,
    /// The unit's name, and those that it had before.
    pub names: Vec<UnitName>,
}

/// The history of a unit's record on one branch, newest change first.
#[derive(Debug, Clone)]
pub struct History {
    /// The place that the records must be of.
    pub here: Here,
    /// Merges that left out a newer record which the merged branch had, each with the index of the change that was in
    /// force there.
    pub dropped: Vec<(usize, CommitId)>,
    /// Every change that was looked at.
    pub changes: Vec<Change>,
    /// Whether the oldest change is the first of all.
    pub complete: bool,
}

impl History {
    /// The record at the tip: None when there is none.
    pub fn tip(&self) -> Option<&Change> {
        self.changes.first().filter(|change| change.record.is_some())
    }

    /// The record at the tip, if it is well-formed.
    pub fn record(&self) -> Option<&Record> {
        self.tip().and_then(|change| change.record.as_ref()).and_then(|(_, record)| record.as_ref().ok())
    }

    /// Walks the chain from the tip to its beginning.
    ///
    /// # Errors
    /// The newest break.
    pub fn verify(&self) -> Result<(), Break> {
        let mut at = 0;
        while let Some(change) = self.changes.get(at) {
            match self.step(at, change)? {
                Some(next) => at = next,
                None => return Ok(()),
            }
        }
        Ok(())
    }

    // From one change to the index of the one that it continues; None at the beginning or where the look-back ends.
    fn step(&self, at: usize, change: &Change) -> Result<Option<usize>, Break> {
        let broken = |how: String| Err(Break { commit: change.commit, how });
        if let Some((_, commit)) = self.dropped.iter().find(|(in_force, _)| *in_force == at) {
            return Err(Break {
                commit: *commit,
                how: "this merge left out a newer record that the merged branch had".to_owned(),
            });
        }
        let record = match &change.record {
            None => return broken("the record was deleted".to_owned()),
            Some((_, Err(bad))) => return broken(bad.to_string()),
            Some((_, Ok(record))) => record,
        };
        if record.repository != self.here.repository
            || record.branch != self.here.branch
            || !self.here.names.contains(&record.unit)
        {
            return broken(format!(
                "it is not the record of this place: it is for {} in {}#{}",
                record.unit, record.repository, record.branch
            ));
        }
        let Some(before) = self.changes.get(at + 1) else {
            let first = record.replaces.is_none() || !self.complete;
            return if first { Ok(None) } else { broken("it replaces a record that this branch never had".to_owned()) };
        };
        let replaced = before.record.as_ref().map(|(blob, _)| *blob);
        if record.replaces != replaced {
            return broken(
                "it does not continue the record before it: a record was reverted, deleted, or several were brought in by a merge"
                    .to_owned(),
            );
        }
        if let Some(restart) = record.restarted {
            let Some(kept) = restart.from else { return Ok(None) };
            // A revert of a revert brings the same blob twice; the one that was kept is the one whose own chain is whole.
            let is_kept = |i: &usize| self.changes[*i].record.as_ref().is_some_and(|(blob, _)| *blob == kept);
            let found = (at + 1..self.changes.len()).filter(is_kept).find(|i| self.from(*i).verify().is_ok());
            return match found {
                Some(next) => Ok(Some(next)),
                None if !self.complete => Ok(None),
                None => broken("it restarts from a record that this branch never had".to_owned()),
            };
        }
        if replaced.is_none() {
            return broken("it was written after the record had been deleted".to_owned());
        }
        if let Some((_, Ok(older))) = &before.record
            && record.seq <= older.seq
        {
            return broken(format!("its number {} does not rise over {}", record.seq, older.seq));
        }
        Ok(Some(at + 1))
    }

    // The history as it was when the change at `index` was the newest.
    fn from(&self, index: usize) -> Self {
        Self {
            here: self.here.clone(),
            dropped: self.dropped.iter().filter(|(at, _)| *at >= index).map(|(at, id)| (at - index, *id)).collect(),
            changes: self.changes[index..].to_vec(),
            complete: self.complete,
        }
    }

    /// The newest record whose own chain is whole: what `--adopt` restarts from.
    pub fn newest_unbroken(&self) -> Option<(BlobId, &Record)> {
        (0..self.changes.len()).find_map(|from| {
            self.from(from).verify().ok()?;
            match self.changes[from].record.as_ref()? {
                (blob, Ok(record)) => Some((*blob, record)),
                _ => None,
            }
        })
    }

    /// The change at which the ledger entry `seq` first appeared, with the record as it was then.
    pub fn landing(&self, seq: u64) -> Option<(&Change, &Record)> {
        let has = |change: &&Change| match &change.record {
            Some((_, Ok(record))) => record.ledger.iter().any(|entry| entry.seq == seq),
            _ => false,
        };
        let change = self.changes.iter().take_while(|c| c.record.is_some()).filter(has).last()?;
        match &change.record {
            Some((_, Ok(record))) => Some((change, record)),
            _ => None,
        }
    }

    /// The highest number that any record here carries.
    pub fn highest_seq(&self) -> u64 {
        let seqs = self.changes.iter().filter_map(|c| c.record.as_ref()?.1.as_ref().ok().map(|r| r.seq));
        seqs.max().unwrap_or(0)
    }
}
