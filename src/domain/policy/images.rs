//! How image references are found in the environment's registry: which are gated, where they are asked for, and which never.

use std::fmt;

use super::pattern::{Glob, InvalidPattern, PathPatterns, invalid};
use crate::domain::image::{Field, reference};

/// How image references are found in the environment's registry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Images {
    /// The folders that this environment builds; empty: all.
    pub roots: PathPatterns,
    /// Folders of the environment that are read along with the unit's, because they say how those are built.
    pub context: Vec<String>,
    /// Whether what cannot be resolved, looked into or asked is refused.
    pub strict: bool,
    /// A list in the environment repository that stands for the registry.
    pub inventory: Option<String>,
    /// `os/architecture[/variant]` that every image must have.
    pub platform: Option<String>,
    /// Whether a tag is compared with the registry that it was rewritten from.
    pub compare: bool,
    /// Rules in order; the first that fits a reference applies.
    pub rewrite: Vec<Rewrite>,
    /// References that are asked for where they are.
    pub allow: Vec<ImagePattern>,
    /// References that may not enter.
    pub deny: Vec<ImagePattern>,
    /// References that are not asked for, and why.
    pub skip: Vec<Skip>,
    /// Hosts that issue tokens for the registries.
    pub realms: Vec<String>,
    /// Fields of custom resources that name images.
    pub fields: Vec<Field>,
}

/// Maps image references to the environment's registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewrite {
    /// What a reference begins with.
    pub from: Prefix,
    /// What stands there instead.
    pub to: Prefix,
    /// Which tags it is for, and what becomes of them.
    pub tag: Option<TagRule>,
}

/// References that are not asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skip {
    /// Which, as it is written.
    pub text: String,
    /// Which images; None: it is an address, which no image is named by.
    pub pattern: Option<ImagePattern>,
    /// Why, in words for whoever reads the verdict.
    pub reason: String,
}

/// A repository, or everything below a host or folder: `host/**`, `host/path/**`, `host/path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix {
    /// Host and path, without a slash at the end.
    base: String,
    /// Whether it stands for everything below.
    open: bool,
}

/// One name or a family of names with a single `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagRule {
    /// The tags that the rule is for.
    pub from: String,
    /// What becomes of them; the `*` is what it stood for.
    pub to: String,
}

/// Which references: host and path, and after a colon which tags.
#[derive(Clone, PartialEq, Eq)]
pub struct ImagePattern {
    text: String,
    name: Glob,
    tag: Option<Glob>,
}

impl fmt::Debug for ImagePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl fmt::Display for ImagePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.base, if self.open { "/**" } else { "" })
    }
}

impl ImagePattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// It is malformed.
    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let text = reference::with_one_host(text);
        let (name, tag) = split(&text);
        let tag = tag.map(Glob::parse).transpose()?;
        let name = Glob::parse(name)?;
        Ok(Self { text, name, tag })
    }

    /// The same, of references that are asked for: the host is said.
    ///
    /// # Errors
    /// It is malformed, or its host is not said in full.
    pub fn of_host(text: &str) -> Result<Self, InvalidPattern> {
        let pattern = Self::parse(text)?;
        host(text)?;
        Ok(pattern)
    }

    /// The same, of references that may not enter: one that no reference could be is refused.
    ///
    /// # Errors
    /// It is malformed, or matches nothing.
    pub fn of_any_host(text: &str) -> Result<Self, InvalidPattern> {
        let pattern = Self::parse(text)?;
        let (name, tag) = split(&pattern.text);
        let parts: Vec<&str> = name.split('/').collect();
        let hinted = |base: &str| {
            let tag = tag.map(|tag| format!(":{tag}")).unwrap_or_default();
            Some(format!("write `docker.io/{base}{name}{tag}`, or `**/{name}{tag}` for every host"))
        };
        match parts.as_slice() {
            ["**", ..] => Ok(pattern),
            ["docker.io", rest] if *rest != "**" => {
                let hint = format!("write `docker.io/library/{rest}`: that is its whole name");
                Err(invalid("no image has this name", Some(hint)))
            }
            [_] if reference::is_host_name(name) => {
                Err(invalid("it is a host alone", Some(format!("write `{name}/**` for everything of a host"))))
            }
            [_] => Err(invalid("it names no host", hinted("library/"))),
            [first, ..] if first.contains(['*', '?']) || reference::is_host_name(first) => Ok(pattern),
            _ => Err(invalid("it names no host", hinted(""))),
        }
    }

    /// Whether the reference is one of them.
    pub fn matches(&self, reference: &str) -> bool {
        let bare = bare(reference);
        let (name, tag, _) = reference::split(bare);
        self.name.matches(name) && self.tag.as_ref().is_none_or(|glob| tag.is_some_and(|tag| glob.matches(tag)))
    }

    /// Whether the reference has such a name, whatever its tag is.
    fn covers(&self, reference: &str) -> bool {
        self.name.matches(reference::split(bare(reference)).0)
    }
}

impl Prefix {
    /// Parses a prefix.
    ///
    /// # Errors
    /// It is not of that form.
    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let (base, open) = match text.strip_suffix("/**") {
            Some(base) => (base, true),
            None => (text, false),
        };
        if base.contains('*') || base.contains('?') {
            return Err(invalid(
                "only the end of it may be **",
                Some("write `host/path/**` or `host/path`".to_owned()),
            ));
        }
        host(text)?;
        if !open && split(base).1.is_some() {
            let hint = "write the tag as `tag: {from: …, to: …}`".to_owned();
            return Err(invalid("a tag stands there", Some(hint)));
        }
        Glob::parse(base)?;
        Ok(Self { base: reference::with_one_host(base), open })
    }

    /// Its host.
    pub fn host(&self) -> &str {
        self.base.split('/').next().unwrap_or_default()
    }

    /// Whether it stands for everything below.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// What of a name comes after it; None: the name does not begin with it.
    fn rest<'n>(&self, name: &'n str) -> Option<&'n str> {
        let rest = name.strip_prefix(&self.base)?;
        if self.open { rest.starts_with('/').then_some(rest) } else { rest.is_empty().then_some(rest) }
    }

    /// Whether a reference begins with it.
    pub fn covers(&self, reference: &str) -> bool {
        self.rest(reference::split(bare(reference)).0).is_some()
    }
}

impl TagRule {
    /// Parses a rule.
    ///
    /// # Errors
    /// One of the texts has more than one `*`, or the second one that stands for nothing.
    pub fn parse(from: &str, to: Option<&str>) -> Result<Self, &'static str> {
        let to = to.unwrap_or(from);
        let stars = |text: &str| text.matches('*').count();
        match (stars(from), stars(to)) {
            _ if from.is_empty() || to.is_empty() => Err("it is empty"),
            (0, 0) | (1, 0 | 1) => Ok(Self { from: from.to_owned(), to: to.to_owned() }),
            (0, 1) => Err("the `*` in `to` stands for nothing in `from`"),
            _ => Err("it has more than one `*`"),
        }
    }

    /// What becomes of a tag; None: the rule is not for it.
    pub fn apply(&self, tag: &str) -> Option<String> {
        let Some((before, after)) = self.from.split_once('*') else {
            return (self.from == tag).then(|| self.to.clone());
        };
        let middle = tag.strip_prefix(before)?.strip_suffix(after)?;
        Some(self.to.replace('*', middle))
    }
}

impl Skip {
    /// Parses what is not to be asked for.
    ///
    /// # Errors
    /// It is a malformed pattern.
    pub fn parse(text: &str, reason: &str) -> Result<Self, InvalidPattern> {
        let pattern = if is_address(text) { None } else { Some(ImagePattern::parse(text)?) };
        Ok(Self { text: text.to_owned(), pattern, reason: reason.to_owned() })
    }

    fn matches(&self, reference: &str) -> bool {
        // What a digest names is not what somebody meant by a tag.
        let is_pinned = reference::split(bare(reference)).2.is_some();
        let pattern = self.pattern.as_ref().filter(|pattern| !(is_pinned && pattern.tag.is_some()));
        pattern.is_some_and(|pattern| pattern.matches(reference))
    }

    // Whether it is exactly what cannot be looked into, and could not be meant for an image.
    fn names(&self, unseen: &str) -> bool {
        self.text == unseen && (self.pattern.is_none() || host(unseen).is_err())
    }
}

impl Rewrite {
    /// What becomes of a reference; None: the rule is not for it.
    pub fn apply(&self, reference: &str) -> Option<String> {
        let inner = bare(reference);
        let scheme = reference.strip_suffix(inner).unwrap_or_default();
        let (name, tag, digest) = reference::split(inner);
        let rest = self.from.rest(name)?;
        let tag = match (&self.tag, tag) {
            (Some(rule), Some(tag)) => Some(rule.apply(tag)?),
            (Some(_), None) => return None,
            (None, tag) => tag.map(str::to_owned),
        };
        Some(format!("{scheme}{}", reference::join(&format!("{}{rest}", self.to.base), tag.as_deref(), digest)))
    }
}

/// Hosts that may be contacted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosts {
    /// Registries, which get their own credentials.
    pub named: Vec<String>,
    /// Issuers of tokens, which get those of the registries that send us there.
    pub realms: Vec<String>,
}

/// What is to be done with a reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// It may not enter.
    Denied(String),
    /// It is not asked for.
    Skipped(String),
    /// It is asked for under this name.
    At(String),
    /// Rules are for its name, and none for its tag.
    OtherTag,
    /// No rule is for it.
    Unmapped,
}

impl Images {
    /// What is to be done with a reference.
    pub fn route(&self, reference: &str) -> Route {
        let rewritten = self.rewrite.iter().find_map(|rule| rule.apply(reference));
        let is_hit = |pattern: &&ImagePattern| {
            pattern.matches(reference) || rewritten.as_deref().is_some_and(|there| pattern.matches(there))
        };
        if let Some(rule) = self.deny.iter().find(is_hit) {
            return Route::Denied(rule.to_string());
        }
        if let Some(skip) = self.skip.iter().find(|skip| skip.matches(reference)) {
            return Route::Skipped(skip.reason.clone());
        }
        let is_there = || {
            self.allow.iter().any(|pattern| pattern.matches(reference))
                || self.rewrite.iter().any(|rule| rule.to.covers(reference))
        };
        match rewritten {
            Some(there) => Route::At(there),
            None if self.inventory.is_some() || is_there() => Route::At(reference.to_owned()),
            None if self.covers(reference) => Route::OtherTag,
            None => Route::Unmapped,
        }
    }

    // Whether rules are for a reference but for its tag.
    fn covers(&self, reference: &str) -> bool {
        self.rewrite.iter().any(|rule| rule.from.covers(reference))
            || self.allow.iter().any(|pattern| pattern.covers(reference))
    }

    /// What a rule could be for that is for a reference: its host; its name, where others of the host have one.
    pub fn unruled(&self, reference: &str) -> String {
        let name = reference::split(bare(reference)).0;
        let host = name.split('/').next().unwrap_or_default();
        if self.hosts().named.iter().any(|named| named == host) { name.to_owned() } else { host.to_owned() }
    }

    /// The rule by which something may not enter of which not all is known; None: there is none.
    pub fn denies(&self, text: &str) -> Option<String> {
        let known = reference::with_one_host(&reference::filled(text));
        self.deny.iter().find(|pattern| pattern.matches(&known)).map(ImagePattern::to_string)
    }

    /// Why what cannot be looked into need not be; None: no rule says so.
    pub fn skips(&self, text: &str) -> Option<&str> {
        self.skip.iter().find(|skip| skip.matches(text)).map(|skip| skip.reason.as_str())
    }

    /// The same for what is not the name of an image, but of a chart or folder: it comes from the tree, and might be made to
    /// look like an image that is skipped.
    pub fn skips_unseen(&self, text: &str) -> Option<&str> {
        self.skip.iter().find(|skip| skip.names(text)).map(|skip| skip.reason.as_str())
    }

    /// Every host that the rules name.
    pub fn hosts(&self) -> Hosts {
        let rewritten = self.rewrite.iter().flat_map(|rule| [rule.from.host(), rule.to.host()]);
        let allowed = self.allow.iter().filter_map(|pattern| pattern.text.split('/').next());
        let named = rewritten.chain(allowed).map(str::to_owned).collect();
        Hosts { named, realms: self.realms.clone() }
    }

    /// Rules that are for none of these references, of which some cannot be looked into.
    pub fn unused(&self, references: &[&str], unseen: &[&str]) -> Vec<String> {
        let first = |reference: &&str| self.rewrite.iter().position(|rule| rule.apply(reference).is_some());
        let used: Vec<Option<usize>> = references.iter().map(first).collect();
        let rewrites = self.rewrite.iter().enumerate().filter(|(at, _)| !used.contains(&Some(*at)));
        let rewrites = rewrites.map(|(_, rule)| format!("rewrite {}", rule.from));
        let idle = |pattern: &&ImagePattern| !references.iter().any(|reference| pattern.matches(reference));
        let allows = self.allow.iter().filter(idle).map(|pattern| format!("allow {pattern}"));
        let is_used = |skip: &Skip| {
            references.iter().any(|reference| skip.matches(reference)) || unseen.iter().any(|text| skip.names(text))
        };
        let skips = self.skip.iter().filter(|skip| !is_used(skip)).map(|skip| format!("skip {}", skip.text));
        rewrites.chain(allows).chain(skips).collect()
    }
}

/// A reference without the scheme of a chart's repository.
pub fn bare(reference: &str) -> &str {
    reference.split_once("://").map_or(reference, |(_, rest)| rest)
}

// Whether a text is an address of something, which no image's name can be.
fn is_address(text: &str) -> bool {
    text.contains("://") || text.starts_with("git@") || text.contains("?ref=")
}

// Name and tag of a pattern.
fn split(text: &str) -> (&str, Option<&str>) {
    let from = text.rfind('/').map_or(0, |slash| slash + 1);
    match text.get(from..).and_then(|last| last.find(':')) {
        Some(colon) if from > 0 || !text.contains('.') => {
            let (name, tag) = text.split_at(from + colon);
            (name, Some(tag.trim_start_matches(':')))
        }
        _ => (text, None),
    }
}

// The host that a pattern begins with.
fn host(text: &str) -> Result<&str, InvalidPattern> {
    let Some((host, rest)) = text.split_once('/').filter(|(_, rest)| !rest.is_empty()) else {
        let hint = format!("write `{}/**` for everything of a host", text.trim_end_matches('/'));
        return Err(invalid("it is a host or a name alone", Some(hint)));
    };
    if host.contains(['*', '?']) || !reference::is_host_name(host) || rest.starts_with('/') {
        let hint = "write the host in full, such as docker.io/library/nginx; nobody else's host is ever asked";
        return Err(invalid("it does not begin with a host", Some(hint.to_owned())));
    }
    Ok(host)
}

/// Whether a text is a platform.
pub(super) fn is_platform(text: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
    };
    (2..=3).contains(&text.split('/').count()) && text.split('/').all(is_part)
}

/// Whether a text is a host, with or without a port.
pub(super) fn is_host(text: &str) -> bool {
    reference::is_host_name(text)
}
