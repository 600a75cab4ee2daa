//! What an audit asks of the tip: is the history that records name still there, and are the folders what the records say?

use std::collections::HashSet;

use super::Link;
use super::forest::{Forest, Pair};
use super::look::record_at;
use super::walk::read_records;
use crate::app::entry::landed_with;
use crate::app::evidence::{history, reaches, told};
use crate::app::site::{Site, resolve};
use crate::app::{AppError, Context, Place};
use crate::domain::audit::{At, Change, Finding, Level, Paths, Rule};
use crate::domain::chain::History;
use crate::domain::continuity::is_of;
use crate::domain::graph::Graph;
use crate::domain::id::{BlobId, CommitId, TreeId};
use crate::domain::listing::{EntryMode, is_gits_own};
use crate::domain::plan::same_content;
use crate::domain::policy::{Accept, After, Source, Stage};
use crate::domain::record::{self, Record};
use crate::port::{PortError, Role};

// Commits that a finding names.
const TOLD: usize = 5;

/// The tip of an audited branch.
pub(super) struct Tip<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) site: &'a Site,
    pub(super) at: At<'a>,
    /// The first-parent chain, oldest first.
    pub(super) links: &'a [Link],
    /// Its commits.
    pub(super) on_chain: &'a HashSet<CommitId>,
    /// What could not be asked.
    pub(super) warnings: Vec<String>,
}

impl Tip<'_> {
    /// Everything that is wrong with the tip under the policy in force.
    pub(super) fn look(&mut self, policy: &Stage) -> Result<Vec<Finding>, AppError> {
        let mut found = Vec::new();
        let same = |a: &_, b: &_| self.context.repositories.canonical(a) == self.context.repositories.canonical(b);
        if !is_of(policy, (&self.site.url, &self.site.branch), &same) {
            let message = format!(
                "the rules here are for {}#{}, and this is {}: nothing can be released",
                policy.repository,
                policy.branch,
                self.site.name()
            );
            let finding = self.at.finding(Rule::InvalidPolicy, None, Paths::default(), message);
            found.push(
                finding.remedy("write this repository and branch into .passgate/stage.yaml, by a reviewed commit"),
            );
        }
        let repository = &*self.site.repository;
        let root = self.site.root_of(self.site.tip)?;
        let mut forest = Forest::new(repository);
        forest.load_path(&[root], ".passgate/records/x")?;
        let of = |accept: &Accept| record_at(&forest, root, accept);
        let ids: Vec<BlobId> = policy.accept.iter().filter_map(of).collect();
        let read = read_records(repository, &ids)?;
        // A record of another place says nothing of this one; it was found where it came.
        let here = |record: &Record| {
            same(&record.repository, &policy.repository)
                && record.branch == policy.branch
                && record.stage == policy.stage
        };
        let records: Vec<(&Accept, &Record)> = policy
            .accept
            .iter()
            .filter_map(|accept| Some((accept, &**read.get(&of(accept)?)?.as_ref().ok()?)))
            .filter(|(accept, record)| accept.names().any(|name| *name == record.unit) && here(record))
            .collect();
        for (accept, record) in &records {
            found.extend(self.off_the_chain(accept, record));
        }
        for after in &policy.after {
            found.extend(self.anchors(after, &records));
        }
        for (accept, record) in &records {
            if matches!(accept.source, Source::Repository(_)) {
                found.extend(self.drift(accept, record, &mut forest)?);
            }
        }
        Ok(found)
    }

    fn off_the_chain(&self, accept: &Accept, record: &Record) -> Option<Finding> {
        let named = record.ledger.iter().filter_map(|entry| entry.release_commit);
        let gone: Vec<CommitId> = named.filter(|commit| !self.on_chain.contains(commit)).collect();
        // A history that is cut off may say yes, never no.
        if gone.is_empty() || self.site.graph.shallow {
            return None;
        }
        let message = format!(
            "the history was rewritten: {} of the releases that the ledger of {} names are not on the branch: {}",
            gone.len(),
            accept.unit,
            list(&gone)
        );
        Some(self.rewritten(accept, message))
    }

    fn rewritten(&self, accept: &Accept, message: String) -> Finding {
        let paths = Paths::one(record::path(&accept.unit), Change::Changed);
        self.at.finding(Rule::RewrittenHistory, Some(&accept.unit), paths, message).remedy(
            "find out who forced the branch, and forbid forced pushes to it; the forge's audit log has the old tip",
        )
    }

    // Whether what our releases saw of a previous stage is still its history.
    fn anchors(&mut self, after: &After, records: &[(&Accept, &Record)]) -> Vec<Finding> {
        let canonical = |url| self.context.repositories.canonical(url);
        let mut seen: Vec<(&Accept, CommitId)> = Vec::new();
        for (accept, record) in records {
            let anchors = record.after.iter().filter(|anchor| {
                anchor.stage == after.stage
                    && anchor.branch == after.branch
                    && canonical(&anchor.repository) == canonical(&after.repository)
            });
            seen.extend(anchors.map(|anchor| (*accept, anchor.tip)));
        }
        if seen.is_empty() {
            return Vec::new();
        }
        let (ancestors, graph) = match self.previous(after) {
            Ok(found) => found,
            Err(error) => {
                let why = told(&error.into());
                self.warnings
                    .push(format!("{} could not be asked whether its history was rewritten: {why}", after.stage));
                return Vec::new();
            }
        };
        let gone: Vec<_> = seen.into_iter().filter(|(_, tip)| !ancestors.contains(tip)).collect();
        if graph.shallow && !gone.is_empty() {
            self.warnings
                .push(format!("the history of {} is cut off: it cannot say whether it was rewritten", after.stage));
            return Vec::new();
        }
        let of = |(accept, tip): (&Accept, CommitId)| {
            let message = format!(
                "the history of {} was rewritten: {} was the tip of {}#{} when {} was released here, and is not on it any more",
                after.stage,
                tip.short(),
                after.repository,
                after.branch,
                accept.unit
            );
            self.rewritten(accept, message)
        };
        gone.into_iter().map(of).collect()
    }

    fn previous(&self, after: &After) -> Result<(HashSet<CommitId>, Graph), PortError> {
        let place = Place { url: after.repository.clone(), branch: Some(after.branch.clone()) };
        Ok(match Site::find(self.context, &place, Role::Previous)? {
            Some(site) => (site.graph.ancestors(site.tip), site.graph),
            None => (HashSet::new(), Graph::default()),
        })
    }

    // Whether the folders are what they were when the live release landed. Files of the environment may have changed between
    // its proposal and that, so that no commit has the trees that the record names.
    fn is_as_landed(&self, accept: &Accept, record: &Record, mine: &dyn Fn(&str) -> bool) -> Result<bool, AppError> {
        let names: Vec<_> = accept.names().cloned().collect();
        let enough = |history: &History| record.live().is_none_or(|live| reaches(history, live.seq));
        let history = history(self.site, &names, &enough)?;
        let Some((change, _)) = record.live().and_then(|live| history.landing(live.seq)) else { return Ok(false) };
        let aside = |path: &str| mine(path) || record.kept.iter().any(|kept| kept == path);
        let Some(mut landed) = landed_with(self.site, change.commit, record, &aside)? else { return Ok(false) };
        let folders: Vec<String> = record.folders.iter().map(|folder| folder.path.clone()).collect();
        landed.retain(|path, _| !mine(path));
        Ok(same_content(&self.site.folders_at(self.site.tip, &folders)?, &landed, mine))
    }

    fn drift(&self, accept: &Accept, record: &Record, forest: &mut Forest<'_>) -> Result<Vec<Finding>, AppError> {
        let root = self.site.root_of(self.site.tip)?;
        let mine = |path: &str| is_gits_own(path) || accept.local.matches(path);
        let roots: Vec<TreeId> = self.links.iter().map(|link| link.root).collect();
        let mut pairs = Vec::new();
        let mut paths = Paths::default();
        let mut lost = Vec::new();
        for folder in &record.folders {
            forest.load_path(&[root], &folder.path)?;
            let old = folder.tree.map(|tree| (EntryMode::Tree, tree.0));
            let new = forest.at(root, &folder.path);
            // What a forged record names need not exist, and is not asked for.
            let is_known = |old| -> Result<bool, PortError> {
                Ok(resolve(&*self.site.repository, &roots, &folder.path)?.values().any(|at| *at == old))
            };
            match old.filter(|_| old != new) {
                // A history that is cut off may say yes, never no.
                Some(old) if !is_known(old)? => {
                    if !self.site.graph.shallow {
                        lost.push(folder.path.clone());
                    }
                }
                _ => pairs.push(Pair { path: folder.path.clone(), old, new, aside: &mine, whole: false }),
            }
        }
        for difference in forest.differences(&pairs)? {
            paths.extend(difference.paths);
        }
        if !lost.is_empty() && !self.is_as_landed(accept, record, &mine)? {
            lost.into_iter().for_each(|path| paths.add(path, Change::Changed));
        }
        let mut found = Vec::new();
        let unit = Some(&accept.unit);
        if !paths.is_empty() {
            let message = format!("the folders of {} are not what its record says", accept.unit);
            found.push(self.at.finding(Rule::DriftLeft, unit, paths, message).remedy(format!(
                "see what differs: passgate plan ARTIFACT --to {}; then take the changes back, or release again",
                crate::domain::escape::shell(self.at.env)
            )));
        }
        let mut kept = Paths::default();
        for path in record.kept.iter().filter(|path| !mine(path)) {
            forest.load_path(&[root], path)?;
            if forest.at(root, path).is_some() {
                kept.add(path.clone(), Change::Kept);
            }
        }
        if !kept.is_empty() {
            let message =
                format!("files that are neither of {} nor the environment's own stay in its folders", accept.unit);
            let mut finding = self.at.finding(Rule::DriftLeft, unit, kept, message);
            finding.level = Level::Warning;
            found.push(finding.remedy("name them in `local` of stage.yaml if they belong here, or delete them"));
        }
        Ok(found)
    }
}

fn list(commits: &[CommitId]) -> String {
    let more = if commits.len() > TOLD { ", …" } else { "" };
    format!("{}{more}", commits.iter().take(TOLD).map(CommitId::short).collect::<Vec<_>>().join(", "))
}
