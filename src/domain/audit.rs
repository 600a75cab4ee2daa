//! The rules of `audit`: facts of one first-parent commit, or of the tip, to findings.

use serde::Serialize;
use sha2::{Digest as _, Sha256 as Hasher};

use super::continuity::Continued;
use super::id::{CommitId, UnitName};
use super::listing::Entry;
use super::policy::Stage;
use super::time;

/// Paths that a finding names; more are only said to be there.
pub const NAMED: usize = 50;

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// A unit's folders changed without a release.
    EditedByHand,
    /// A record that passgate would not have written there.
    InvalidRecord,
    /// A record of a unit that no policy accepts.
    UnknownRecord,
    /// A file in passgate's own folder that is neither policy nor record.
    UnexpectedFile,
    /// The rules of the stage changed.
    PolicyChanged,
    /// The rules of the stage cannot be used.
    InvalidPolicy,
    /// A release came along with changes of others' files.
    MoreThanARelease,
    /// A gate was opened by a recorded break-glass.
    Override,
    /// Content or a chain of records was taken over by `--adopt`.
    Adopted,
    /// Commits that a record or an auditor saw are not on the branch any more.
    RewrittenHistory,
    /// What is live is not what the record says.
    DriftLeft,
}

impl Rule {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 11] = [
        Self::EditedByHand,
        Self::InvalidRecord,
        Self::UnknownRecord,
        Self::UnexpectedFile,
        Self::PolicyChanged,
        Self::InvalidPolicy,
        Self::MoreThanARelease,
        Self::Override,
        Self::Adopted,
        Self::RewrittenHistory,
        Self::DriftLeft,
    ];

    /// Its id.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EditedByHand => "edited-by-hand",
            Self::InvalidRecord => "invalid-record",
            Self::UnknownRecord => "unknown-record",
            Self::UnexpectedFile => "unexpected-file",
            Self::PolicyChanged => "policy-changed",
            Self::InvalidPolicy => "invalid-policy",
            Self::MoreThanARelease => "more-than-a-release",
            Self::Override => "override",
            Self::Adopted => "adopted",
            Self::RewrittenHistory => "rewritten-history",
            Self::DriftLeft => "drift-left",
        }
    }

    /// What it means, for a list of rules.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::EditedByHand => "A commit changed a unit's folders without a release.",
            Self::InvalidRecord => "A commit changed a record in a way that passgate does not.",
            Self::UnknownRecord => "A commit changed a record of a unit that the policy in force does not accept.",
            Self::UnexpectedFile => "A commit changed a file in .passgate that is neither the policy nor a record.",
            Self::PolicyChanged => "A commit changed the rules of the stage.",
            Self::InvalidPolicy => "The rules of the stage could not be used: they are malformed or for another place.",
            Self::MoreThanARelease => "A commit with a valid record also changed what does not belong to its unit.",
            Self::Override => "A release opened gates by a recorded override.",
            Self::Adopted => "A release took over other content, or began a new chain of records, by --adopt.",
            Self::RewrittenHistory => "Commits that were on a branch are not on it any more.",
            Self::DriftLeft => "The unit's folders are not what its record says.",
        }
    }

    /// How bad it usually is.
    pub fn level(self) -> Level {
        match self {
            Self::EditedByHand
            | Self::InvalidRecord
            | Self::UnknownRecord
            | Self::InvalidPolicy
            | Self::RewrittenHistory
            | Self::DriftLeft => Level::Error,
            Self::UnexpectedFile | Self::PolicyChanged | Self::MoreThanARelease | Self::Override => Level::Warning,
            Self::Adopted => Level::Note,
        }
    }
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Worth knowing.
    Note,
    /// Worth a look by somebody who was not there.
    Warning,
    /// It went past passgate.
    Error,
}

impl Level {
    /// The word of reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// How a path changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It is new.
    Added,
    /// It has other content.
    Changed,
    /// It is gone.
    Removed,
    /// It has another mode.
    Mode,
    /// It is there, and should not be.
    Kept,
}

impl Change {
    /// How an entry became another.
    pub fn between(old: Option<Entry>, new: Option<Entry>) -> Self {
        match (old, new) {
            (None, _) => Self::Added,
            (_, None) => Self::Removed,
            (Some(old), Some(new)) if old.1 == new.1 => Self::Mode,
            _ => Self::Changed,
        }
    }
}

/// A path and how it changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Touched {
    /// The path, from the root of the repository.
    pub path: String,
    /// How.
    pub change: Change,
}

/// Changed paths: the first [`NAMED`] of them, and whether there are more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Paths {
    /// The first ones.
    pub named: Vec<Touched>,
    /// Whether there are more.
    pub more: bool,
}

impl Paths {
    /// A single path.
    pub fn one(path: impl Into<String>, change: Change) -> Self {
        Self { named: vec![Touched { path: path.into(), change }], more: false }
    }

    /// Adds a path, or remembers that there was one.
    pub fn add(&mut self, path: String, change: Change) {
        if self.named.len() < NAMED {
            self.named.push(Touched { path, change });
        } else {
            self.more = true;
        }
    }

    /// Adds all paths of another list.
    pub fn extend(&mut self, other: Self) {
        for touched in other.named {
            self.add(touched.path, touched.change);
        }
        self.more |= other.more;
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty() && !self.more
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was found.
    pub rule: Rule,
    /// How bad it is.
    pub level: Level,
    /// The commit that did it, or the tip.
    pub commit: CommitId,
    /// Its committer time, RFC 3339.
    pub at: String,
    /// The unit that it is about, where it is about one.
    pub unit: Option<UnitName>,
    /// The paths.
    pub paths: Vec<Touched>,
    /// Whether there are more paths.
    pub more_paths: bool,
    /// What it is, in a sentence.
    pub message: String,
    /// The way out.
    pub remedy: Option<String>,
}

impl Finding {
    /// What makes it the same finding in another audit: rule, commit, unit and first path.
    pub fn fingerprint(&self) -> String {
        let unit = self.unit.as_ref().map(UnitName::as_str).unwrap_or_default();
        let path = self.paths.first().map(|touched| touched.path.as_str()).unwrap_or_default();
        let text = format!("{}\0{}\0{unit}\0{path}", self.rule.as_str(), self.commit);
        hex::encode(&Hasher::digest(text)[..16])
    }
}

/// A commit as findings name it.
#[derive(Debug, Clone, Copy)]
pub struct At<'a> {
    /// The commit.
    pub commit: CommitId,
    /// Its committer time, seconds since 1970.
    pub time: i64,
    /// Whether it has several parents.
    pub is_merge: bool,
    /// `ENV`, as commands take it.
    pub env: &'a str,
}

impl At<'_> {
    /// A finding at this commit.
    pub fn finding(&self, rule: Rule, unit: Option<&UnitName>, paths: Paths, message: impl Into<String>) -> Finding {
        Finding {
            rule,
            level: rule.level(),
            commit: self.commit,
            at: time::text(self.time),
            unit: unit.cloned(),
            paths: paths.named,
            more_paths: paths.more,
            message: message.into(),
            remedy: None,
        }
    }

    fn show(&self, path: &str) -> String {
        let first = if self.is_merge { "-m --first-parent " } else { "" };
        format!("git show {first}{} -- {}", self.commit.short(), super::escape::shell(path))
    }

    fn adopt(&self) -> String {
        format!(
            "find out who did it and why; then begin a new chain: passgate release ARTIFACT --to {} --adopt",
            super::escape::shell(self.env)
        )
    }
}

impl Finding {
    /// The same with a way out.
    #[must_use]
    pub fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }
}

/// What became of the policy.
#[derive(Debug, Clone)]
pub struct PolicyFacts<'a> {
    /// Whether there was one at any time before.
    pub is_first: bool,
    /// The one before, if it could be used.
    pub before: Option<&'a Stage>,
    /// The one from here on: None when it is gone, an error when it cannot be used.
    pub after: Option<Result<&'a Stage, &'a str>>,
    /// How the file changed.
    pub change: Change,
}

/// What became of a unit's folders in a commit that left its record alone.
#[derive(Debug, Clone)]
pub struct FolderFacts<'a> {
    /// The unit.
    pub unit: &'a UnitName,
    /// The paths that are not the environment's own.
    pub paths: Paths,
    /// Whether the folders now are what the record says.
    pub restored: bool,
}

/// What became of a file among the records.
#[derive(Debug, Clone)]
pub struct RecordFacts<'a> {
    /// Its path.
    pub path: String,
    /// How it changed.
    pub change: Change,
    /// The unit, where the policy in force accepts one of that name.
    pub unit: Option<&'a UnitName>,
    /// What is to be said of it: an error when it is no record at all.
    pub says: Result<Continued, String>,
}

/// What is known of one commit.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// The commit.
    pub at: At<'a>,
    /// The policy, if it changed.
    pub policy: Option<PolicyFacts<'a>>,
    /// Folders that changed without their record.
    pub folders: Vec<FolderFacts<'a>>,
    /// Records that changed.
    pub records: Vec<RecordFacts<'a>>,
    /// Units of which a merge left out a newer record that the merged branch had.
    pub left_out: Vec<&'a UnitName>,
    /// Other changes in passgate's own folder.
    pub files: Paths,
    /// Changes at the root that belong to no unit.
    pub outside: Paths,
}

/// What is to be said of one commit.
pub fn judge(facts: &Facts<'_>) -> Vec<Finding> {
    let at = &facts.at;
    let mut found = Vec::new();
    found.extend(facts.policy.iter().flat_map(|policy| of_policy(at, policy)));
    for folder in &facts.folders {
        found.push(of_folder(at, folder));
    }
    for record in &facts.records {
        found.extend(of_record(at, record));
    }
    for unit in &facts.left_out {
        let path = super::record::path(unit);
        let message = "this merge left out a newer record that the merged branch had";
        let finding = at.finding(Rule::InvalidRecord, Some(unit), Paths::one(path, Change::Changed), message);
        found.push(finding.remedy(at.adopt()));
    }
    if !facts.files.is_empty() {
        let message = "a file in .passgate that is neither the policy nor a record was changed";
        let path = facts.files.named.first().map(|touched| touched.path.clone()).unwrap_or_default();
        let finding = at.finding(Rule::UnexpectedFile, None, facts.files.clone(), message);
        found.push(finding.remedy(format!("look at it: {}", at.show(&path))));
    }
    let valid = facts.records.iter().find(|record| matches!(&record.says, Ok(says) if says.faults.is_empty()));
    if let Some(record) = valid.filter(|_| !facts.outside.is_empty()) {
        let message = "a commit with a valid record also changed what does not belong to its unit; passgate never does";
        let finding = at.finding(Rule::MoreThanARelease, record.unit, facts.outside.clone(), message);
        found.push(finding.remedy(format!("look at it: {}", at.show("."))));
    }
    found
}

fn of_policy(at: &At<'_>, facts: &PolicyFacts<'_>) -> Vec<Finding> {
    let paths = || Paths::one(super::policy::PATH, facts.change);
    let mut found = Vec::new();
    if !facts.is_first {
        let what = match (&facts.after, facts.before) {
            (None, _) => "the rules of the stage were deleted".to_owned(),
            (Some(Ok(after)), Some(before)) => {
                let keys = differences(before, after);
                let keys = if keys.is_empty() { "only their text".to_owned() } else { keys.join(", ") };
                format!("the rules of the stage were changed: {keys}")
            }
            (Some(_), None) => "the rules of the stage were written anew".to_owned(),
            (Some(Err(_)), Some(_)) => "the rules of the stage were changed".to_owned(),
        };
        let finding = at.finding(Rule::PolicyChanged, None, paths(), what);
        let remedy = format!(
            "the rules are changed by people: let an owner of the environment review it, and merge it past this check; {}",
            at.show(super::policy::PATH)
        );
        found.push(finding.remedy(remedy));
    }
    if let Some(Err(why)) = facts.after {
        let message = format!("the rules of the stage cannot be used from here on: {why}");
        let finding = at.finding(Rule::InvalidPolicy, None, paths(), message);
        found.push(finding.remedy("correct them by a reviewed commit (`passgate schema` prints their JSON Schema)"));
    }
    found
}

// The keys of stage.yaml whose meaning differs.
fn differences(before: &Stage, after: &Stage) -> Vec<&'static str> {
    let keys = [
        ("stage", before.stage == after.stage),
        ("repository", before.repository == after.repository),
        ("branch", before.branch == after.branch),
        ("accept", before.accept == after.accept),
        ("after", before.after == after.after),
        ("order", before.order == after.order),
        ("deliver", before.deliver == after.deliver),
        ("drift", before.drift == after.drift),
        ("hold", before.hold == after.hold),
        ("images", before.images == after.images),
        ("freeze", before.freeze == after.freeze),
        ("override", before.override_allow == after.override_allow),
    ];
    keys.into_iter().filter(|(_, same)| !same).map(|(key, _)| key).collect()
}

fn of_folder(at: &At<'_>, facts: &FolderFacts<'_>) -> Finding {
    if facts.restored {
        let message = format!("the folders of {} were put back by hand to what its record says", facts.unit);
        let mut finding = at.finding(Rule::EditedByHand, Some(facts.unit), facts.paths.clone(), message);
        finding.level = Level::Note;
        return finding;
    }
    let message = format!("the folders of {} were changed without a release", facts.unit);
    let first = if at.is_merge { "-m 1 " } else { "" };
    at.finding(Rule::EditedByHand, Some(facts.unit), facts.paths.clone(), message).remedy(format!(
        "bring the change through the source repository, or take it back: git revert {first}{}",
        at.commit.short()
    ))
}

fn of_record(at: &At<'_>, facts: &RecordFacts<'_>) -> Vec<Finding> {
    let paths = || Paths::one(facts.path.clone(), facts.change);
    let Some(unit) = facts.unit else {
        let message = "a record was changed of a unit that the policy in force does not accept";
        let finding = at.finding(Rule::UnknownRecord, None, paths(), message);
        return vec![finding.remedy(format!("look at it: {}", at.show(&facts.path)))];
    };
    let says = match &facts.says {
        Ok(says) => says,
        Err(why) => {
            let finding = at.finding(Rule::InvalidRecord, Some(unit), paths(), why);
            return vec![finding.remedy(at.adopt())];
        }
    };
    let mut found = Vec::new();
    if !says.faults.is_empty() {
        let finding = at.finding(Rule::InvalidRecord, Some(unit), paths(), says.faults.join("; "));
        found.push(finding.remedy(at.adopt()));
    }
    if let Some(opened) = &says.overridden {
        found.push(at.finding(Rule::Override, Some(unit), paths(), opened));
    }
    if let Some(restarted) = &says.restarted {
        let mut finding = at.finding(Rule::Adopted, Some(unit), paths(), restarted);
        finding.level = Level::Warning;
        found.push(finding);
    }
    if says.took_over {
        let message = format!("the first release of {unit} took over files with other content");
        found.push(at.finding(Rule::Adopted, Some(unit), paths(), message));
    }
    found
}
