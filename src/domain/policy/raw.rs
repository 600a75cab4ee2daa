//! The shape of `stage.yaml`: one set of types for the reader and for the published JSON Schema, so that they cannot
//! disagree about keys, words and kinds. What a single value means is settled in `check`.

mod images;

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer};

use super::kinds::{At, List, Word, WordOr, Words, plain, present, text, words};
use super::time;
pub(super) use images::{Field, Images, Rewrite, Skip};

text!(
    /// A unit's or stage's name.
    Name, {
        "description": "A name: it begins with a letter or a digit and has letters, digits, '.', '_' and '-'.",
        "type": "string", "minLength": 1, "maxLength": 100, "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$"
    }
);
text!(
    /// A repository.
    Repository, {
        "description": "A repository: an https, http, ssh or file URL, user@host:path, or an absolute local path. Two spellings of one place are equal.",
        "type": "string", "minLength": 1, "pattern": "^[^\\s?#-][^\\s?#]*$",
        "examples": ["https://github.com/acme/env-qual", "git@ssh.dev.azure.com:v3/acme/platform/env-qual", "/srv/git/env-qual.git"]
    }
);
text!(
    /// A branch.
    Branch, {
        "description": "A full branch name, without refs/heads/.",
        "type": "string", "minLength": 1, "pattern": "^[^-/\\s][^\\s~^:?*\\[\\\\]*$", "examples": ["main", "env/qual"]
    }
);
text!(
    /// Branches.
    BranchGlob, {
        "description": "Which branches: full names, anchored, case told apart. `*` and `?` do not cross `/`; `**` as a component of its own stands for any number of components.",
        "type": "string", "minLength": 1, "pattern": "^(?!refs/)[^-/\\s][^\\s~^:\\[\\]{}\\\\]*$",
        "examples": ["main", "hotfix/*", "release/**"]
    }
);
text!(
    /// Paths.
    PathGlob, {
        "description": "Which paths, from the repository's root: anchored, case told apart. `*` and `?` do not cross `/`; `**` as a component of its own stands for any number of components.",
        "type": "string", "minLength": 1, "maxLength": 1024, "pattern": "^[^/\\[\\]{}\\\\]([^\\[\\]{}\\\\]*[^/\\[\\]{}\\\\])?$",
        "examples": ["apps/*/overlay-local/**"]
    }
);
text!(
    /// Commit statuses.
    StatusGlob, {
        "description": "Which commit statuses, by their context: anchored, case told apart. `*` and `?` do not cross `/`; `**` as a component of its own stands for any number of components.",
        "type": "string", "minLength": 1, "maxLength": 1024, "pattern": "^[^/\\[\\]{}\\\\]([^\\[\\]{}\\\\]*[^/\\[\\]{}\\\\])?$",
        "examples": ["kustomization/apps/*"]
    }
);
text!(
    /// A folder.
    Folder, {
        "description": "A folder from the repository's root: never the root itself, never hidden, without a slash at its ends.",
        "type": "string", "minLength": 1, "maxLength": 1024, "pattern": "^[^./\\\\]([^\\\\]*[^/\\\\])?$", "examples": ["apps", "apps/shop"]
    }
);
text!(
    /// A duration.
    Time, {
        "description": "A duration of whole days, hours, minutes and seconds, in that order.",
        "type": "string", "pattern": (time::PATTERN), "examples": ["0s", "30m", "1h30m", "2d"]
    }
);

text!(
    /// References.
    ImageGlob, {
        "description": "Which references, by host and path, and after a colon by tag: anchored, case told apart. `*` and `?` do not cross `/`; `**` as a component of its own stands for any number of components.",
        "type": "string", "minLength": 1, "maxLength": 1024, "pattern": "^[^/\\[\\]{}\\\\]([^\\[\\]{}\\\\]*[^/\\[\\]{}\\\\])?$",
        "examples": ["registry.k8s.io/**", "docker.io/library/redis", "**:latest"]
    }
);
text!(
    /// What references begin with.
    ImagePrefix, {
        "description": "A repository with its host, or with `/**` everything below a host or path.",
        "type": "string", "minLength": 1, "maxLength": 1024, "pattern": "^[^/*?\\s]+/[^/*?\\s].*$|^[^/*?\\s]+/\\*\\*$",
        "examples": ["dev.example.io/**", "docker.io/library/redis"]
    }
);
text!(
    /// A platform.
    Platform, {
        "description": "Operating system, architecture and, where needed, variant.",
        "type": "string", "pattern": "^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)?$", "examples": ["linux/amd64"]
    }
);
text!(
    /// A local time.
    LocalTime, {
        "description": "A time of day on a day, in local time.",
        "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?$",
        "examples": ["2026-12-20T18:00"]
    }
);
text!(
    /// A time zone.
    Zone, {
        "description": "The IANA name of a time zone.",
        "type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_+/-]*$", "examples": ["Europe/Berlin", "UTC"]
    }
);
text!(
    /// Repeating times.
    Cron, {
        "description": "Repeating times as crontab has them: minute, hour, day of month, month, day of week.",
        "type": "string", "pattern": "^\\S+( +\\S+){4}$", "examples": ["0 15 * * FRI"]
    }
);

plain!(
    /// The version of the format; none when it is no whole number.
    Version, u64, number, { "type": "integer", "const": 1 }
);
text!(
    /// What a forge calls a label, a person or a team.
    Named, { "type": "string", "minLength": 1, "maxLength": 100, "pattern": "^[^\\s,]([^\\n,]*[^\\s,])?$" }
);
plain!(
    /// Yes or no; none when it is neither.
    Flag, bool, flag, { "type": "boolean" }
);

/// The rules of one environment, in `.passgate/stage.yaml` on the branch that the environment reads.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "passgate stage")]
pub(super) struct Stage {
    /// The version of this format.
    pub(super) version: At<Version>,
    /// The stage's name.
    #[schemars(extend("examples" = ["dev", "qual", "prod"]))]
    pub(super) stage: At<Name>,
    /// This environment's repository. The file is void anywhere else.
    pub(super) repository: At<Repository>,
    /// The protected branch that the environment reads.
    pub(super) branch: At<Branch>,
    /// Who may release what here. Units may not own overlapping folders.
    pub(super) accept: List<Accept>,
    /// The previous stages: all of them must hold the content. Without any this is a first stage.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Vec<After>")]
    pub(super) after: Option<List<After>>,
    /// What may replace what is live. The default is `forward`, and `same-branch` for a first stage.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Order")]
    pub(super) order: Option<At<Word<Order>>>,
    /// How commits reach the branch.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "WordOr<Delivery, Deliver>", extend("default" = "commit"))]
    pub(super) deliver: Option<At<WordOr<Word<Delivery>, Deliver>>>,
    /// What happens to the units' files that were edited or deleted here, and to files that passgate never wrote.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Drift", extend("default" = "refuse"))]
    pub(super) drift: Option<At<Word<Drift>>>,
    /// Which releases keep other branches out until their checks are done, for an environment that branches share.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Hold")]
    pub(super) hold: Option<At<Hold>>,
    /// How image references are found in this environment's registry.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Images")]
    pub(super) images: Option<At<Images>>,
    /// When nothing may enter: windows, or a reason that holds until it is removed. Where windows of `kind: allow` are
    /// given, nothing may enter outside of them; any other entry that holds wins over them.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Vec<WordOr<String, Freeze>>")]
    pub(super) freeze: Option<List<WordOr<String, Freeze>>>,
    /// What a recorded break-glass may do.
    #[serde(default, rename = "override", deserialize_with = "present")]
    #[schemars(with = "Override")]
    pub(super) overrides: Option<At<Override>>,
}

/// A unit that may be released here.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend(
    "if" = { "properties": { "source": { "const": "self" } } },
    "else" = { "required": ["branches"] }
))]
pub(super) struct Accept {
    /// What is released together.
    pub(super) unit: At<Name>,
    /// Names that this unit had before: its records and artifacts of that name are carried over.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Vec<Name>")]
    pub(super) was: Option<List<Name>>,
    /// Whether the unit goes: nothing is released any more, and `passgate retire` removes what was.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "bool", extend("default" = false))]
    pub(super) retire: Option<At<Flag>>,
    /// The repository that the unit is developed in, or `self`: in this repository and branch, so that nothing is
    /// released into it.
    pub(super) source: At<Repository>,
    /// The branches that a commit may come from. Needed unless `source` is `self`.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Vec<WordOr<BranchGlob, BranchRule>>", length(min = 1))]
    pub(super) branches: Option<List<WordOr<BranchGlob, BranchRule>>>,
    /// The unit's folders.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Vec<WordOr<Folder, FolderRule>>", length(min = 1), extend("default" = ["apps", "infra"]))]
    pub(super) folders: Option<List<WordOr<Folder, FolderRule>>>,
    /// This environment's own files within the folders: passgate does not see them, and an artifact that has one is
    /// refused.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Vec<PathGlob>")]
    pub(super) local: Option<List<PathGlob>>,
}

/// Branches with rules of their own.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct BranchRule {
    /// Which branches.
    #[serde(rename = "match")]
    pub(super) pattern: At<BranchGlob>,
    /// What may replace what is live, instead of the stage's `order`.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Order")]
    pub(super) order: Option<At<Word<Order>>>,
    /// The soak, instead of that of every `after`.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Time")]
    pub(super) soak: Option<At<Time>>,
}

/// A folder that stands elsewhere in the source repository.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct FolderRule {
    /// The folder in the source repository.
    #[schemars(extend("examples" = ["deploy/apps"]))]
    pub(super) from: At<String>,
    /// The folder here.
    pub(super) to: At<Folder>,
}

/// A previous stage, and what it must say of the content.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct After {
    /// The previous stage's name.
    pub(super) stage: At<Name>,
    /// Its repository.
    pub(super) repository: At<Repository>,
    /// Its protected branch.
    pub(super) branch: At<Branch>,
    /// The state that the content must be in there.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Require", extend("default" = "passed"))]
    pub(super) require: Option<At<Word<Require>>>,
    /// How long the content must have been live there without a break.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Time", extend("default" = "0s"))]
    pub(super) soak: Option<At<Time>>,
    /// Commit statuses (Flux, Argo CD, tests) that must be green there.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Vec<StatusGlob>")]
    pub(super) statuses: Option<List<StatusGlob>>,
    /// What the run of a pipeline that released or marked the content there must have come to.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Pipeline")]
    pub(super) pipeline: Option<At<Pipeline>>,
    /// Whether a release that an override let in there counts.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "bool", extend("default" = false))]
    pub(super) accept_overrides: Option<At<Flag>>,
}

/// A part of a pipeline's run that must have succeeded, as the forge says that the pipeline runs on: `job` or `deployment` on
/// GitHub, `stage` or `release-environment` on Azure DevOps.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("oneOf" = [
    { "required": ["job"], "properties": { "deployment": false, "stage": false, "release-environment": false } },
    { "required": ["deployment"], "properties": { "job": false, "stage": false, "release-environment": false } },
    { "required": ["stage"], "properties": { "job": false, "deployment": false, "release-environment": false } },
    { "required": ["release-environment"], "properties": { "job": false, "deployment": false, "stage": false } }
]))]
pub(super) struct Pipeline {
    /// The repository whose runs count; on Azure DevOps those of its project do.
    pub(super) repository: At<Repository>,
    /// Which run, by what the record there names.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "RunOf", extend("default" = "released"))]
    pub(super) run: Option<At<Word<RunOf>>>,
    /// The name of a job of a GitHub workflow, as the run's page shows it.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "String", length(min = 1), extend("examples" = ["smoke"]))]
    pub(super) job: Option<At<String>>,
    /// The name of a GitHub environment that the run deployed to.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "String", length(min = 1), extend("examples" = ["dev"]))]
    pub(super) deployment: Option<At<String>>,
    /// The identifier of a stage of an Azure pipeline, which is not the name that is shown.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "String", length(min = 1), extend("examples" = ["smoke"]))]
    pub(super) stage: Option<At<String>>,
    /// The name of a stage of a classic release of Azure Pipelines.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "String", length(min = 1), extend("examples" = ["Dev"]))]
    pub(super) release_environment: Option<At<String>>,
}

/// While a release of one of these branches is live and unmarked, other branches are refused.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Hold {
    /// Whose releases hold the stage.
    #[serde(rename = "for")]
    #[schemars(length(min = 1))]
    pub(super) branches: List<BranchGlob>,
    /// For how long at most.
    pub(super) max: At<Time>,
}

/// A time in which nothing may enter, or outside of which nothing may: once (`from`, `until`), repeating (`cron`, `for`),
/// or with a `reason` alone until the entry is removed.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("oneOf" = [
    { "required": ["from", "until", "zone"], "properties": { "cron": false, "for": false } },
    { "required": ["cron", "for", "zone"], "properties": { "from": false, "until": false } },
    { "required": ["reason"],
      "properties": { "from": false, "until": false, "cron": false, "for": false, "zone": false, "kind": false } }
]))]
pub(super) struct Freeze {
    /// The first moment of a window that comes once, in local time.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "LocalTime")]
    pub(super) from: Option<At<LocalTime>>,
    /// The moment after its last, in local time.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "LocalTime")]
    pub(super) until: Option<At<LocalTime>>,
    /// The first moments of a window that repeats, in local time: minute, hour, day of month, month, day of week.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Cron")]
    pub(super) cron: Option<At<Cron>>,
    /// How long it lasts.
    #[serde(default, rename = "for", deserialize_with = "present")]
    #[schemars(with = "Time")]
    pub(super) length: Option<At<Time>>,
    /// The IANA name of the time zone.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Zone")]
    pub(super) zone: Option<At<Zone>>,
    /// Whether nothing may enter in the window, or nothing outside of all such windows.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "WindowKind", extend("default" = "deny"))]
    pub(super) kind: Option<At<Word<WindowKind>>>,
    /// Why, in words for whoever is refused.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "String")]
    pub(super) reason: Option<At<String>>,
    /// Whether rollbacks are refused too.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "bool", extend("default" = false))]
    pub(super) rollbacks: Option<At<Flag>>,
    /// Whether marks are refused too.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "bool", extend("default" = false))]
    pub(super) marks: Option<At<Flag>>,
}

/// What a recorded break-glass may do.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Override {
    /// The gates that it may open.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Vec<Gate>")]
    pub(super) allow: Option<List<Word<Gate>>>,
}

/// How each kind of commit reaches the branch.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Deliver {
    /// Releases.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Delivery", extend("default" = "commit"))]
    pub(super) release: Option<At<Word<Delivery>>>,
    /// Marks.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Delivery", extend("default" = "commit"))]
    pub(super) mark: Option<At<Word<Delivery>>>,
    /// Rollbacks.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Delivery", extend("default" = "commit"))]
    pub(super) rollback: Option<At<Word<Delivery>>>,
    /// Labels of the pull requests.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Vec<Named>")]
    pub(super) labels: Option<List<Named>>,
    /// Who is asked to review them: user names, and teams as `organisation/team`.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Vec<Named>")]
    pub(super) reviewers: Option<List<Named>>,
    /// How the forge merges them as soon as its own rules are met. Without it, people merge them.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "MergeMethod")]
    pub(super) auto_merge: Option<At<Word<MergeMethod>>>,
}

words!(
    /// What may replace what is live.
    Order => super::OrderMode {
        /// Nothing that is live is lost and nothing older comes back.
        Forward = "forward",
        /// Older content never replaces newer content of its own branch.
        SameBranch = "same-branch",
        /// Anything.
        Any = "any",
    }
);
words!(
    /// How a commit reaches the branch.
    Delivery => super::Delivery {
        /// Pushed.
        Commit = "commit",
        /// As a pull request.
        PullRequest = "pull-request",
    }
);
words!(
    /// How a pull request is merged.
    MergeMethod => super::MergeMethod {
        /// By a merge commit.
        Merge = "merge",
        /// As one new commit.
        Squash = "squash",
        /// As the same commits on top of the branch.
        Rebase = "rebase",
    }
);
words!(
    /// What happens to hand-made changes.
    Drift => super::Drift {
        /// They stop the release.
        Refuse = "refuse",
        /// The artifact wins.
        Overwrite = "overwrite",
        /// Files that the artifact lacks stay; edited or deleted ones stop the release.
        Keep = "keep",
    }
);
words!(
    /// What a window does.
    WindowKind => super::WindowKind {
        /// Nothing may enter in it.
        Deny = "deny",
        /// Nothing may enter outside of it, and outside of all other windows of this kind.
        Allow = "allow",
    }
);
words!(
    /// What the previous stage must say of the content.
    Require => super::Require {
        /// Its checks passed.
        Passed = "passed",
        /// It was released there.
        Released = "released",
    }
);
words!(
    /// Which run of a pipeline is asked about.
    RunOf => super::RunOf {
        /// The one that released the content.
        Released = "released",
        /// The one that marked it last.
        Marked = "marked",
    }
);
words!(
    /// A gate that an override may open.
    Gate => super::OverridableGate {
        /// Nothing live is lost and nothing older comes back.
        Order = "order",
        /// The previous stages have the content.
        Previous = "previous",
        /// It was live there long enough.
        Soak = "soak",
        /// Commit statuses there are green.
        Statuses = "statuses",
        /// The pipeline there did what is asked.
        Pipeline = "pipeline",
        /// No held release waits for its checks.
        Hold = "hold",
        /// Every image is in the registry.
        Images = "images",
        /// No freeze.
        Freeze = "freeze",
        /// No hand-made change would be lost.
        Drift = "drift",
    }
);
