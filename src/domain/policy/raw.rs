//! The shape of `stage.yaml`: one set of types for the reader and for the published JSON Schema, so that they cannot
//! disagree about keys, words and kinds. What a single value means is settled in `check`.

use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::{Location, Spanned};

use super::time;

/// Where a value stands in the file; columns and width count characters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) width: usize,
}

impl From<Location> for Place {
    fn from(at: Location) -> Self {
        let size = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        Self { line: size(at.line()), column: size(at.column()), width: size(at.span().len()) }
    }
}

/// A value and its place.
#[derive(Debug, Clone)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Spanned::<T>::deserialize(deserializer)
            .map(|spanned| Self { value: spanned.value, place: spanned.referenced.into() })
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }
    fn schema_id() -> std::borrow::Cow<'static, str> {
        T::schema_id()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

// A key with nothing behind it is an error, never the same as no key: somebody who comments out what stands below
// `after:` would otherwise turn a stage into a first one.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<At<T>>, D::Error> {
    At::deserialize(deserializer).map(Some)
}

/// A set of words, each with its meaning.
pub(super) trait Words {
    /// What the words mean.
    type Target;
    /// All of them.
    const WORDS: &'static [&'static str];
    /// The meaning of one.
    fn of(word: &str) -> Option<Self::Target>;
}

/// One of a set of words. The text is kept as it is: an error while reading it would have the place of its key.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent, bound = "")]
pub(super) struct Word<T>(pub(super) String, #[serde(skip)] PhantomData<T>);

/// A single word, or a mapping that says more.
#[derive(Debug, Clone)]
pub(super) enum WordOr<W, M> {
    Word(W),
    Map(M),
}

impl<'de, W: Deserialize<'de>, M: Deserialize<'de>> Deserialize<'de> for WordOr<W, M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<W, M>(PhantomData<(W, M)>);
        impl<'de, W: Deserialize<'de>, M: Deserialize<'de>> Visitor<'de> for Either<W, M> {
            type Value = WordOr<W, M>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a mapping")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                // A text that cannot fail: an error from here would have the place of the key before it.
                W::deserialize(StrDeserializer::new(text)).map(WordOr::Word)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                M::deserialize(MapAccessDeserializer::new(map)).map(WordOr::Map)
            }
        }
        // Not an untagged enum: that one buffers the value and loses its places.
        deserializer.deserialize_any(Either(PhantomData))
    }
}

impl<W: JsonSchema, M: JsonSchema> JsonSchema for WordOr<W, M> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("{}Or{}", W::schema_name(), M::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (word, map) = (generator.subschema_for::<W>(), generator.subschema_for::<M>());
        json_schema!({ "anyOf": [word, map] })
    }
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $schema:tt) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Deserialize)]
        #[serde(transparent)]
        pub(super) struct $name(pub(super) String);
        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

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
        "type": "string", "minLength": 1, "maxLength": 1024, "pattern": "^[^./\\\\][^\\\\]*$", "examples": ["apps", "apps/shop"]
    }
);
text!(
    /// A duration.
    Time, {
        "description": "A duration of whole days, hours, minutes and seconds, in that order.",
        "type": "string", "pattern": (time::PATTERN), "examples": ["0s", "30m", "1h30m", "2d"]
    }
);

macro_rules! plain {
    ($(#[$doc:meta])* $name:ident, $type:ty, $visit:ident, $schema:tt) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub(super) struct $name(pub(super) Option<$type>);

        // By way of `deserialize_any`, which does not take a quoted text for it. Nothing fails here: an error from a
        // visitor has the place of the key, not of the value.
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Plain;
                impl Visitor<'_> for Plain {
                    type Value = Option<$type>;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a single value")
                    }
                    plain!(@visit $visit, $type);
                }
                deserializer.deserialize_any(Plain).map(Self)
            }
        }
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
    (@visit number, $type:ty) => {
        fn visit_u64<E: de::Error>(self, value: u64) -> Result<Option<$type>, E> {
            Ok(Some(value))
        }
        fn visit_i64<E: de::Error>(self, value: i64) -> Result<Option<$type>, E> {
            Ok(u64::try_from(value).ok())
        }
        fn visit_bool<E: de::Error>(self, _: bool) -> Result<Option<$type>, E> {
            Ok(None)
        }
        plain!(@others $type);
    };
    (@visit flag, $type:ty) => {
        fn visit_bool<E: de::Error>(self, value: bool) -> Result<Option<$type>, E> {
            Ok(Some(value))
        }
        fn visit_u64<E: de::Error>(self, _: u64) -> Result<Option<$type>, E> {
            Ok(None)
        }
        fn visit_i64<E: de::Error>(self, _: i64) -> Result<Option<$type>, E> {
            Ok(None)
        }
        plain!(@others $type);
    };
    (@others $type:ty) => {
        fn visit_f64<E: de::Error>(self, _: f64) -> Result<Option<$type>, E> {
            Ok(None)
        }
        fn visit_str<E: de::Error>(self, _: &str) -> Result<Option<$type>, E> {
            Ok(None)
        }
        fn visit_unit<E: de::Error>(self) -> Result<Option<$type>, E> {
            Ok(None)
        }
    };
}

plain!(
    /// The version of the format; none when it is no whole number.
    Version, u64, number, { "type": "integer", "const": 1 }
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
    pub(super) accept: At<Vec<At<Accept>>>,
    /// The previous stages: all of them must hold the content. Without it this is a first stage.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Vec<After>", length(min = 1))]
    pub(super) after: Option<At<Vec<At<After>>>>,
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
    /// When nothing may enter: windows, or a reason that holds until it is removed.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Vec<WordOr<String, Freeze>>")]
    pub(super) freeze: Option<At<Vec<At<WordOr<String, Freeze>>>>>,
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
    /// The repository that the unit is developed in, or `self`: in this repository and branch, so that nothing is
    /// released into it.
    pub(super) source: At<Repository>,
    /// The branches that a commit may come from. Needed unless `source` is `self`.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Vec<WordOr<BranchGlob, BranchRule>>", length(min = 1))]
    pub(super) branches: Option<At<Vec<At<WordOr<BranchGlob, BranchRule>>>>>,
    /// The unit's folders.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Vec<WordOr<Folder, FolderRule>>", length(min = 1), extend("default" = ["apps", "infra"]))]
    pub(super) folders: Option<At<Vec<At<WordOr<Folder, FolderRule>>>>>,
    /// This environment's own files within the folders: passgate does not see them, and an artifact that has one is
    /// refused.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Vec<PathGlob>")]
    pub(super) local: Option<At<Vec<At<PathGlob>>>>,
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
    pub(super) statuses: Option<At<Vec<At<StatusGlob>>>>,
    /// Whether a release that an override let in there counts.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "bool", extend("default" = false))]
    pub(super) accept_overrides: Option<At<Flag>>,
}

/// While a release of one of these branches is live and unmarked, other branches are refused.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Hold {
    /// Whose releases hold the stage.
    #[serde(rename = "for")]
    #[schemars(length(min = 1))]
    pub(super) branches: At<Vec<At<BranchGlob>>>,
    /// For how long at most.
    pub(super) max: At<Time>,
}

/// How image references are found in this environment's registry.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Images {
    /// Rules in order; the first that fits a reference applies.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Vec<Rewrite>")]
    pub(super) rewrite: Option<At<Vec<At<Rewrite>>>>,
    /// References that are not asked for.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Vec<String>")]
    pub(super) ignore: Option<At<Vec<At<String>>>>,
}

/// Maps image references to this environment's registry.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Rewrite {
    /// What a reference begins with.
    #[schemars(length(min = 1), extend("examples" = ["registry.dev.acme.io/"]))]
    pub(super) from: At<String>,
    /// What stands there instead.
    #[schemars(length(min = 1), extend("examples" = ["registry.prod.acme.io/"]))]
    pub(super) to: At<String>,
}

/// A window in which nothing may enter.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Freeze {
    /// Its first moment, in local time.
    #[schemars(regex(pattern = LOCAL_TIME), extend("examples" = ["2026-12-20T18:00"]))]
    pub(super) from: At<String>,
    /// The moment after its last, in local time.
    #[schemars(regex(pattern = LOCAL_TIME), extend("examples" = ["2027-01-04T06:00"]))]
    pub(super) until: At<String>,
    /// The IANA name of the time zone.
    #[schemars(regex(pattern = ZONE), extend("examples" = ["Europe/Berlin", "UTC"]))]
    pub(super) zone: At<String>,
    /// Why, in words for whoever is refused.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "String")]
    pub(super) reason: Option<At<String>>,
    /// Whether rollbacks are refused too.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "bool", extend("default" = false))]
    pub(super) rollbacks: Option<At<Flag>>,
}

const LOCAL_TIME: &str = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?$";
const ZONE: &str = r"^[A-Za-z][A-Za-z0-9_+/-]*$";

/// What a recorded break-glass may do.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Override {
    /// The gates that it may open.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Vec<Gate>")]
    pub(super) allow: Option<At<Vec<At<Word<Gate>>>>>,
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
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident => $target:path { $($(#[$what:meta])* $word:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, JsonSchema)]
        pub(super) enum $name { $($(#[$what])* #[schemars(rename = $text)] $word),+ }

        impl Words for $name {
            type Target = $target;
            const WORDS: &'static [&'static str] = &[$($text),+];

            fn of(word: &str) -> Option<$target> {
                let known = match word {
                    $($text => Self::$word,)+
                    _ => return None,
                };
                Some(match known { $(Self::$word => <$target>::$word),+ })
            }
        }
    };
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
    /// What the previous stage must say of the content.
    Require => super::Require {
        /// Its checks passed.
        Passed = "passed",
        /// It was released there.
        Released = "released",
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

/// The JSON Schema (draft 2020-12) of `stage.yaml`, as published in `schema/stage.v1.json`. It knows every key, word and
/// kind of value; what one value must be beside another, only [`parse`](super::parse) knows.
pub fn schema() -> serde_json::Value {
    let root = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Stage>().to_value();
    let serde_json::Value::Object(mut root) = root else { return root };
    if let Some(serde_json::Value::Object(definitions)) = root.get_mut("$defs") {
        for (name, definition) in definitions.iter_mut() {
            if let Some(fields) = definition.as_object_mut() {
                fields.shift_insert(0, "title".to_owned(), name.as_str().into());
            }
        }
    }
    for (at, key) in ["$schema", "title", "description"].into_iter().enumerate() {
        if let Some(value) = root.shift_remove(key) {
            root.shift_insert(at, key.to_owned(), value);
        }
    }
    let mut root = serde_json::Value::Object(root);
    one_line(&mut root);
    root
}

// Doc comments are wrapped for the eyes of programmers; an editor wraps what it shows by itself.
fn one_line(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(fields) => {
            for (key, value) in fields.iter_mut() {
                match value {
                    serde_json::Value::String(text) if key == "description" => *text = text.replace('\n', " "),
                    other => one_line(other),
                }
            }
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(one_line),
        _ => {}
    }
}
