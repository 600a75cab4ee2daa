//! One newtype per identifier, parsed once at the edge: whoever holds one need not check it again.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text is not the identifier it was taken for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {what}: {why}")]
pub struct InvalidId {
    /// What was expected, with its article.
    pub what: &'static str,
    /// The text as given.
    pub text: String,
    /// The rule it breaks.
    pub why: &'static str,
}

fn invalid(what: &'static str, text: &str, why: &'static str) -> InvalidId {
    InvalidId { what, text: text.chars().take(120).collect(), why }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text of the identifier.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    };
}

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $len:literal, $prefix:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(pub [u8; $len]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $prefix, hex::encode(self.0))
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let digits = text
                    .strip_prefix($prefix)
                    .ok_or_else(|| invalid($what, text, concat!("it does not begin with ", $prefix)))?;
                if digits.bytes().any(|b| b.is_ascii_uppercase()) {
                    return Err(invalid($what, text, "its hexadecimal digits are lower-case"));
                }
                let mut bytes = [0; $len];
                hex::decode_to_slice(digits, &mut bytes)
                    .map_err(|_| invalid($what, text, concat!("it wants ", stringify!($len), " bytes in hexadecimal")))?;
                Ok(Self(bytes))
            }
        }
        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }
    };
}

hex_id!(
    /// The identity of a deployment zip's content: SHA-256 over its file listing (`sha256:<64 hex digits>`).
    Digest, 32, "sha256:", "a digest (sha256:…)"
);
hex_id!(
    /// SHA-256 of one file's content.
    Sha256, 32, "", "a SHA-256"
);
hex_id!(
    /// A git object id (SHA-1, 40 hex digits) of any kind of object.
    ObjectId, 20, "", "a git object id"
);

impl Digest {
    /// Enough of the digest to tell it apart in a sentence: the first 12 hex digits.
    pub fn short(&self) -> String {
        hex::encode(&self.0[..6])
    }
}

macro_rules! object_kind {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub ObjectId);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.parse().map(Self)
            }
        }
    };
}

object_kind!(
    /// The id of a git commit.
    CommitId
);
object_kind!(
    /// The id of a git tree.
    TreeId
);
object_kind!(
    /// The id of a git blob.
    BlobId
);

impl CommitId {
    /// The first 10 hex digits, as people quote a commit.
    pub fn short(&self) -> String {
        hex::encode(&self.0.0[..5])
    }
}

text_id!(
    /// The name of what one source repository releases together; also the name of its record file.
    UnitName
);
text_id!(
    /// The name of a stage, such as `dev`.
    StageName
);
text_id!(
    /// A full branch name below `refs/heads/`, such as `hotfix/42`.
    BranchName
);

fn simple_name(what: &'static str, text: &str) -> Result<(), InvalidId> {
    let bytes = text.as_bytes();
    match bytes.first() {
        None => return Err(invalid(what, text, "it is empty")),
        Some(b) if !b.is_ascii_alphanumeric() => {
            return Err(invalid(what, text, "it begins with a letter or a digit"));
        }
        Some(_) => {}
    }
    if bytes.len() > 100 {
        return Err(invalid(what, text, "it has at most 100 characters"));
    }
    if !bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(b)) {
        return Err(invalid(what, text, "it has only letters, digits, '.', '_' and '-'"));
    }
    if text.ends_with('.') || super::path::component(text).is_err() {
        return Err(invalid(what, text, "it cannot be a file name everywhere"));
    }
    Ok(())
}

impl FromStr for UnitName {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        simple_name("a unit name", text).map(|()| Self(text.to_owned()))
    }
}

impl FromStr for StageName {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        simple_name("a stage name", text).map(|()| Self(text.to_owned()))
    }
}

impl FromStr for BranchName {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let full = format!("refs/heads/{text}");
        match gix_validate::reference::name(full.as_str().into()) {
            Ok(_) if !text.starts_with('-') => Ok(Self(text.to_owned())),
            _ => Err(invalid("a branch name", text, "git does not allow it")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_parsed_once_and_strictly() {
        assert!("shop".parse::<UnitName>().is_ok());
        for bad in ["", "-x", "a/b", "..", "nul", "a b", "x.", ".hidden"] {
            assert!(bad.parse::<UnitName>().is_err(), "{bad}");
        }
        assert!("hotfix/42".parse::<BranchName>().is_ok());
        for bad in ["", "a..b", "a b", "-f", "x.lock", "a/", "@{", "a\u{7f}"] {
            assert!(bad.parse::<BranchName>().is_err(), "{bad}");
        }
        assert!("sha256:AA".parse::<Digest>().is_err());
        let id = "0123456789012345678901234567890123456789";
        assert_eq!(id.parse::<CommitId>().map(|c| c.to_string()), Ok(id.to_owned()));
        assert!(id.to_uppercase().parse::<CommitId>().is_ok());
    }
}
