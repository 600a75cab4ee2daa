//! The plan of a release: a three-way comparison of what we wrote last, what is there, and what comes.

use std::collections::BTreeSet;

use super::listing::{Leaves, is_gits_own, is_utf8, shown};
use super::outcome::Changes;
use super::path::is_within;
use super::policy::Drift as DriftRule;

/// Differences between what our last release wrote and what is there, as far as the artifact does not bring the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drift {
    /// Our files with other content or mode.
    pub edited: Vec<String>,
    /// Our files that are gone.
    pub deleted: Vec<String>,
    /// Files that we never wrote and the artifact lacks.
    pub extra: Vec<String>,
    /// What is somebody else's and stands where the unit's folders, files or record belong: never ours to remove.
    pub in_the_way: Vec<String>,
    /// Files that would have to stay, under names that are not UTF-8 and cannot be written again.
    pub unnamed: Vec<String>,
}

/// What a release writes into its folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Everything in the folders afterwards, files of others included.
    pub result: Leaves,
    /// Files in the result that are not the artifact's: the environment's own, and kept ones.
    pub others: Vec<String>,
    /// What differs from now.
    pub changes: Changes,
    /// What was changed by hand.
    pub drift: Drift,
}

/// Compares. `written` is what our last release left (None: there was none), `there` what stands in `folders` and in their
/// way now, `incoming` the artifact; files for which `is_local` holds belong to the environment and stay as they are.
pub fn plan(
    folders: &[String],
    written: Option<&Leaves>,
    there: &Leaves,
    incoming: &Leaves,
    rule: DriftRule,
    already_kept: &[String],
    is_local: &dyn Fn(&str) -> bool,
) -> Plan {
    let mut drift = Drift::default();
    let mut changes = Changes::default();
    let mut result = incoming.clone();
    let nothing = Leaves::new();
    let base = written.unwrap_or(&nothing);
    let paths: BTreeSet<&String> = base.keys().chain(there.keys()).chain(incoming.keys()).collect();
    for path in paths {
        let (was, is, comes) = (base.get(path), there.get(path), incoming.get(path));
        // What an earlier release wrote into a folder that the unit has no more is ours all the same.
        if is.is_some() && was.is_none() && !folders.iter().any(|folder| is_within(path, folder)) {
            drift.in_the_way.push(shown(path));
            continue;
        }
        let stays = is_local(path) || is_gits_own(path);
        if is.is_some() && !is_utf8(path) && (stays || rule != DriftRule::Overwrite) {
            drift.unnamed.push(shown(path));
            if !stays {
                changes.removed.push(shown(path));
            }
            continue;
        }
        if stays {
            if let Some(entry) = is {
                result.insert(path.clone(), *entry);
            }
            continue;
        }
        let ours = was.is_some() && !already_kept.contains(path);
        let by_hand = if ours { is != was } else { is.is_some() };
        if by_hand && is != comes {
            match (ours, is, comes) {
                (true, None, _) => drift.deleted.push(path.clone()),
                (_, Some(_), None) if !ours => drift.extra.push(shown(path)),
                _ => drift.edited.push(path.clone()),
            }
        }
        match (is, comes) {
            (None, Some(_)) => changes.added.push(path.clone()),
            (Some(now), Some(next)) if now != next => changes.changed.push(path.clone()),
            (Some(now), None) if !ours && rule == DriftRule::Keep => {
                result.insert(path.clone(), *now);
                changes.kept.push(path.clone());
            }
            (Some(_), None) => changes.removed.push(shown(path)),
            _ => {}
        }
    }
    // What stays cannot stand where the artifact has a folder, nor below one of its files.
    let clash = |path: &String| {
        if folders.contains(path) {
            return true;
        }
        let below = format!("{path}/");
        let under_file = path.match_indices('/').any(|(at, _)| incoming.contains_key(&path[..at]));
        under_file || incoming.range(below.clone()..).next().is_some_and(|(other, _)| other.starts_with(&below))
    };
    let clashing: Vec<String> =
        result.keys().filter(|path| !incoming.contains_key(*path) && clash(path)).cloned().collect();
    for path in clashing {
        result.remove(&path);
        changes.kept.retain(|kept| *kept != path);
        drift.extra.retain(|extra| *extra != path);
        if is_local(&path) {
            drift.in_the_way.push(path);
        } else {
            drift.edited.push(path);
        }
    }
    let others = result.keys().filter(|path| !incoming.contains_key(*path)).cloned().collect();
    Plan { result, others, changes, drift }
}

/// Whether two sets of files are the same, files of the environment and kept files aside.
pub fn same_content(folders: &Leaves, content: &Leaves, aside: &dyn Fn(&str) -> bool) -> bool {
    let strip = |leaves: &Leaves| -> Leaves {
        leaves.iter().filter(|(path, _)| !aside(path)).map(|(path, entry)| (path.clone(), *entry)).collect()
    };
    strip(folders) == strip(content)
}
