//! Building blocks of the shape of `stage.yaml`: values with their places, words, and what stands for either of two kinds.

use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::{Location, Spanned};

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

/// A list, whose place and items' places are known.
pub(super) type List<T> = At<Vec<At<T>>>;

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
pub(super) fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<At<T>>, D::Error> {
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
pub(super) use text;

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
pub(super) use plain;

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
pub(super) use words;
