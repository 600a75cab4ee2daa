//! `audit`: what happened on an environment's branch past passgate. Every first-parent commit is held against the policy and
//! the records that were in force before it; nothing is fetched for a single commit.

mod forest;
mod look;
mod tip;
mod walk;

use std::collections::HashSet;

use super::site::Site;
use super::{AppError, Context, Place};
use crate::domain::audit::{At, Finding, Level, Paths, Rule};
use crate::domain::id::{CommitId, StageName, TreeId};
use walk::Walk;

/// First-parent commits that are looked at together.
const WINDOW: usize = 16_384;

/// What an audit was asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// The environment.
    pub to: Place,
    /// Look at commits after this one only: 7 or more digits of its id.
    pub since: Option<String>,
}

/// What an audit found.
#[derive(Debug, Clone)]
pub struct Audit {
    /// The stage, where its policy can be read.
    pub stage: Option<StageName>,
    /// Repository and branch.
    pub env: String,
    /// The tip.
    pub tip: CommitId,
    /// How many commits were looked at.
    pub commits: usize,
    /// What was found, oldest first.
    pub findings: Vec<Finding>,
    /// What could not be asked.
    pub warnings: Vec<String>,
    /// Whether the history is cut off: what lies before is not known.
    pub cut_off: bool,
}

/// A first-parent commit.
#[derive(Debug, Clone)]
struct Link {
    commit: CommitId,
    time: i64,
    root: TreeId,
    // The first parent and its root tree.
    before: Option<CommitId>,
    parent: Option<TreeId>,
    is_merge: bool,
    // Root trees of the commits that came by its other parents.
    others: Vec<TreeId>,
}

impl Link {
    fn at<'a>(&self, env: &'a str) -> At<'a> {
        At { commit: self.commit, time: self.time, is_merge: self.is_merge, env }
    }
}

/// What would be found of a commit that comes next on an environment's branch, with this root tree.
///
/// # Errors
/// The environment cannot be asked.
pub fn next(context: &Context<'_>, site: &Site, commit: CommitId, root: TreeId) -> Result<Vec<Finding>, AppError> {
    let env = site.name();
    let older = chain(site);
    // What the candidate's own commits have comes along, if they are merged as they are.
    let known = site.graph.ancestors(site.tip);
    let brought = site.graph.ancestors(commit);
    let roots = brought.iter().filter(|id| !known.contains(id) && **id != commit);
    let others = roots.filter_map(|id| site.graph.nodes.get(id)).map(|node| node.tree).collect();
    let (time, before, parent) = (context.clock.now(), Some(site.tip), Some(site.root_of(site.tip)?));
    let link = Link { commit, time, root, before, parent, is_merge: false, others };
    Walk::new(context, site, &env, &older)?.window(&[link])
}

/// Audits an environment.
///
/// # Errors
/// It cannot be asked, never was an environment, or `since` is no commit id.
pub fn audit(context: &Context<'_>, request: &Request) -> Result<Audit, AppError> {
    let site = Site::target(context, &request.to)?;
    let env = site.name();
    let links = chain(&site);
    let (from, lost) = match &request.since {
        None => (0, false),
        Some(text) => match since(&links, text)? {
            Some(at) => (at + 1, false),
            None => (0, !site.graph.shallow),
        },
    };
    // Of a history that is cut off the oldest commit shows a state, and not what changed.
    let from = from.max(usize::from(site.graph.shallow && !links.is_empty()));
    let (older, wanted) = links.split_at(from);
    context.progress.step(&format!("auditing {} commits of {}", wanted.len(), site.url));
    let mut walk = Walk::new(context, &site, &env, older)?;
    let mut findings = Vec::new();
    for part in wanted.chunks(WINDOW) {
        findings.extend(walk.window(part)?);
        if context.repositories.interrupted() {
            return Err(crate::port::PortError::Interrupted.into());
        }
    }
    if !walk.had_policy() {
        return Err(AppError::usage(
            format!("{env} has no {}: it is not an environment", super::site::POLICY),
            "write the stage's rules there, by a reviewed commit (see `passgate schema`)",
        ));
    }
    let mut warnings = Vec::new();
    let policy = walk.policy();
    if let Some(last) = links.last() {
        if let (Some(text), true) = (&request.since, lost) {
            let message = format!(
                "{text} is not on the first-parent chain: the history was rewritten, or this commit never was its tip"
            );
            findings.insert(0, last.at(&env).finding(Rule::RewrittenHistory, None, Paths::default(), message));
        }
        let told = |rule: Rule| findings.iter().any(|finding: &Finding| finding.rule == rule);
        if !walk.is_ruled() && !told(Rule::InvalidPolicy) && !told(Rule::PolicyChanged) {
            let message = "the rules of the stage cannot be used: nothing can be released";
            let paths = Paths::one(super::site::POLICY, crate::domain::audit::Change::Changed);
            let finding = last.at(&env).finding(Rule::InvalidPolicy, None, paths, message);
            findings
                .push(finding.remedy("correct them by a reviewed commit (`passgate schema` prints their JSON Schema)"));
        }
        let on_chain: HashSet<CommitId> = links.iter().map(|link| link.commit).collect();
        let mut tip = tip::Tip {
            context,
            site: &site,
            at: last.at(&env),
            links: &links,
            on_chain: &on_chain,
            warnings: Vec::new(),
        };
        if let Some(policy) = &policy {
            findings.extend(tip.look(policy)?);
        }
        warnings.append(&mut tip.warnings);
    }
    if site.graph.shallow {
        warnings.push(format!("the history of {} is cut off: what lies before is not known", site.url));
    }
    Ok(Audit {
        stage: policy.map(|policy| policy.stage.clone()),
        env,
        tip: site.tip,
        commits: wanted.len(),
        findings,
        warnings,
        cut_off: site.graph.shallow,
    })
}

impl Audit {
    /// How many findings have this level.
    pub fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.level == level).count()
    }
}

// The first-parent chain, oldest first.
fn chain(site: &Site) -> Vec<Link> {
    let root = |id: &CommitId| site.graph.nodes.get(id).map(|node| node.tree);
    let brought = site.graph.brought(site.tip);
    let mut links: Vec<Link> = site
        .graph
        .first_parents(site.tip)
        .map(|(commit, node)| Link {
            commit,
            time: node.time,
            root: node.tree,
            before: node.parents.first().copied(),
            parent: node.parents.first().and_then(root),
            is_merge: node.parents.len() > 1,
            others: brought.get(&commit).into_iter().flatten().filter_map(root).collect(),
        })
        .collect();
    links.reverse();
    links
}

// The place of a commit on the chain.
fn since(links: &[Link], text: &str) -> Result<Option<usize>, AppError> {
    let is_id = (7..=40).contains(&text.len()) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !is_id {
        return Err(AppError::usage(
            format!("{} is not the id of a commit", crate::domain::escape::line(text)),
            "--since wants 7 to 40 hexadecimal digits of a commit of this branch",
        ));
    }
    let mut named = links.iter().enumerate().filter(|(_, link)| link.commit.to_string().starts_with(text));
    match (named.next(), named.next()) {
        (Some(_), Some(_)) => {
            Err(AppError::usage(format!("{text} names several commits"), "--since wants more digits of the commit"))
        }
        (found, _) => Ok(found.map(|(at, _)| at)),
    }
}
