//! The chain of records: on the first-parent chain of a branch every change of a unit's record names the one before it.

use std::collections::VecDeque;

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
        self.soundness().into_iter().next().unwrap_or(Ok(()))
    }

    // For each change whether the chain from it to its beginning is whole.
    fn soundness(&self) -> Vec<Result<(), Break>> {
        // Oldest first: each looks at what came before it.
        let mut older: VecDeque<Result<(), Break>> = VecDeque::with_capacity(self.changes.len());
        for at in (0..self.changes.len()).rev() {
            let sound = match self.step(at, &self.changes[at], older.make_contiguous()) {
                Err(broken) => Err(broken),
                Ok(None) => Ok(()),
                Ok(Some(next)) => older.get(next - at - 1).cloned().unwrap_or(Ok(())),
            };
            older.push_front(sound);
        }
        older.into()
    }

    /// Whether a new beginning cannot be judged, because what it broke with lies beyond the look-back.
    pub fn is_unsettled(&self) -> bool {
        let sound = self.soundness();
        let restarted = |change: &Change| matches!(&change.record, Some((_, Ok(record))) if record.restarted.is_some());
        let open = |at: usize| restarted(&self.changes[at]) && sound[at + 1..].first().is_none_or(Result::is_ok);
        !self.complete && (0..self.changes.len()).any(open)
    }

    // From one change to the index of the one that it continues; None at the beginning or where the look-back ends.
    // `older` says of each change before it whether its chain is whole.
    fn step(&self, at: usize, change: &Change, older: &[Result<(), Break>]) -> Result<Option<usize>, Break> {
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
            // Only a broken chain begins anew, and only from the newest record whose own chain is whole: anything else
            // would leave out what was recorded since.
            if older.first().is_some_and(Result::is_ok) {
                return if self.complete {
                    broken("it begins a new chain where the old one was whole".to_owned())
                } else {
                    Ok(None)
                };
            }
            let newest = (at + 1..self.changes.len()).find(|i| older[i - at - 1].is_ok());
            let kept = newest.and_then(|i| self.changes[i].record.as_ref()).map(|(blob, _)| *blob);
            return match (restart.from, newest) {
                (from, Some(next)) if from == kept => Ok(Some(next)),
                (None, None) => Ok(None),
                _ if !self.complete => Ok(None),
                _ => broken("it does not restart from the newest record whose chain was whole".to_owned()),
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

    /// The newest record whose own chain is whole: what `--adopt` restarts from.
    pub fn newest_unbroken(&self) -> Option<(BlobId, &Record)> {
        let sound = self.soundness();
        self.changes.iter().zip(&sound).filter(|(_, sound)| sound.is_ok()).find_map(|(change, _)| {
            match change.record.as_ref()? {
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
