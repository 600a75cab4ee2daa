//! What `stage.yaml` says of images.

use schemars::JsonSchema;
use serde::Deserialize;

use super::super::kinds::{At, List, present};
use super::{Flag, Folder, ImageGlob, ImagePrefix, PathGlob, Platform};

/// How image references are found in this environment's registry.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::domain::policy) struct Images {
    /// The folders that this environment builds, and with them what they name in turn. Without any, every root of the
    /// unit's folders counts.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Vec<PathGlob>", length(min = 1))]
    pub(in crate::domain::policy) roots: Option<List<PathGlob>>,
    /// Folders of this environment that are read along with the unit's, because they say how those are built.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Vec<Folder>")]
    pub(in crate::domain::policy) context: Option<List<Folder>>,
    /// Whether references that cannot be resolved, and what cannot be looked into or asked, are refused.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "bool", extend("default" = false))]
    pub(in crate::domain::policy) strict: Option<At<Flag>>,
    /// A list of references in this repository that stands for the registry: one a line, `#` for comments.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "String", extend("examples" = ["cluster/images.txt"]))]
    pub(in crate::domain::policy) inventory: Option<At<String>>,
    /// What every image must be there for.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Platform")]
    pub(in crate::domain::policy) platform: Option<At<Platform>>,
    /// Whether a tag must have the digest that it has in the registry it is rewritten from.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "bool", extend("default" = true))]
    pub(in crate::domain::policy) compare: Option<At<Flag>>,
    /// Where references are asked for: rules in order, of which the first that fits applies.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Vec<Rewrite>")]
    pub(in crate::domain::policy) rewrite: Option<List<Rewrite>>,
    /// References that are asked for where they are. No host but those of these and of `rewrite` is ever contacted.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Vec<ImageGlob>")]
    pub(in crate::domain::policy) allow: Option<List<ImageGlob>>,
    /// References that may not enter, as they are written or as they are asked for.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Vec<ImageGlob>")]
    pub(in crate::domain::policy) deny: Option<List<ImageGlob>>,
    /// References that are not asked for, and why.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Vec<Skip>")]
    pub(in crate::domain::policy) skip: Option<List<Skip>>,
    /// Hosts that issue the tokens of the registries, where those are others: they are given credentials.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Vec<String>", extend("examples" = [["gitlab.com"]]))]
    pub(in crate::domain::policy) realms: Option<List<String>>,
    /// Fields of custom resources that name images, beside those that are known anyway.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Vec<Field>")]
    pub(in crate::domain::policy) fields: Option<List<Field>>,
}

/// A field of a custom resource that names an image.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::domain::policy) struct Field {
    /// The group of its kind.
    #[schemars(length(min = 1), extend("examples" = ["example.io"]))]
    pub(in crate::domain::policy) group: At<String>,
    /// Its kind.
    #[schemars(length(min = 1), extend("examples" = ["Widget"]))]
    pub(in crate::domain::policy) kind: At<String>,
    /// Keys with dots between: `[]` is every item of a list, `*` every entry of a mapping, and `!` at the end says that a
    /// pod spec stands there.
    #[schemars(length(min = 1), extend("examples" = ["spec.image", "spec.steps.[].image", "spec.template.spec!"]))]
    pub(in crate::domain::policy) path: At<String>,
}

/// Maps image references to this environment's registry.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::domain::policy) struct Rewrite {
    /// What a reference begins with.
    pub(in crate::domain::policy) from: At<ImagePrefix>,
    /// What stands there instead.
    pub(in crate::domain::policy) to: At<ImagePrefix>,
    /// The tags that the rule is for, and what becomes of them.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "TagRule")]
    pub(in crate::domain::policy) tag: Option<At<TagRule>>,
}

/// Tags, and what becomes of them: each has at most one `*`, and the second one is what the first one stood for.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::domain::policy) struct TagRule {
    /// The tags that the rule is for.
    #[schemars(length(min = 1), extend("examples" = ["*-rc"]))]
    pub(in crate::domain::policy) from: At<String>,
    /// What becomes of them.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "String", length(min = 1), extend("examples" = ["*"]))]
    pub(in crate::domain::policy) to: Option<At<String>>,
}

/// References that are not asked for.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::domain::policy) struct Skip {
    /// Which.
    #[serde(rename = "match")]
    pub(in crate::domain::policy) pattern: At<ImageGlob>,
    /// Why, in words for whoever reads the verdict.
    #[schemars(length(min = 1))]
    pub(in crate::domain::policy) reason: At<String>,
}
