//! The plan of a release: a three-way comparison of what we wrote last, what is there, and what comes.

use std::collections::BTreeSet;

use super::listing::Leaves;
use super::outcome::Changes;
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

/// Compares. `written` is what our last release left (None: there was none), `there` what stands in the folders now,
/// `incoming` the artifact; files for which `is_local` holds belong to the environment and stay as they are.
pub fn plan(
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
        if is_local(path) || super::listing::has_git_file(path) {
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
                (_, Some(_), None) if !ours => drift.extra.push(path.clone()),
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
            (Some(_), None) => changes.removed.push(path.clone()),
            _ => {}
        }
    }
    // What stays cannot stand where the artifact has a folder, nor below one of its files.
    let clash = |path: &String| {
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
        drift.edited.push(path);
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
