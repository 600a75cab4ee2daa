//! Gate `images`: the target's registry has every image, and what it has under a tag is what the registry has that the tag
//! comes from.

mod inventory;
mod verdict;

use std::collections::{BTreeSet, HashMap, HashSet};

pub use inventory::Inventory;
pub use verdict::{State, ask, state, warnings};

use super::Asked;
use crate::domain::image::reference;
use crate::domain::image::{Class, Confidence, Found, RANGE, range};
use crate::domain::policy::images::{Images as Rules, Route, bare};

/// What a registry is asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Question {
    /// Whether it has a manifest.
    Manifest {
        /// The registry.
        host: String,
        /// The repository.
        path: String,
        /// A tag or a digest.
        name: String,
        /// What it must be there for.
        platform: Option<String>,
    },
    /// Which tags a repository has.
    Tags {
        /// The registry.
        host: String,
        /// The repository.
        path: String,
    },
    /// Which versions of a chart an index has.
    Versions {
        /// The URL of the chart repository.
        repository: String,
        /// The chart.
        chart: String,
    },
}

/// What a registry has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// The manifest, by its digest; with a platform asked for, by that of the platform's.
    Manifest(String),
    /// The image, but not for the platform; those that it is there for.
    Elsewhere(Vec<String>),
    /// The image, with a list that names the platform, and without what that names.
    Hollow,
    /// Nothing of that name; the tags that there are, if that is known.
    Missing(Option<Vec<String>>),
    /// Tags or versions.
    Names(Vec<String>),
}

/// What becomes of a reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// A rule denies it.
    Denied(String),
    /// A rule skips it.
    Skipped(String),
    /// Rules are for its name, and none for its tag.
    OtherTag,
    /// No rule is for it; what one could be for.
    Unmapped(String),
    /// It is not known what it names.
    Blind(Confidence),
    /// It was asked for.
    Asked {
        /// Under which name.
        there: String,
        /// What is there.
        seen: Asked<Seen>,
        /// A range that one of the versions must lie in.
        range: Option<String>,
        /// What the registry has that the reference comes from.
        before: Option<Asked<Seen>>,
    },
}

/// One distinct reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The reference as the environment would ask for it without rules.
    pub reference: String,
    /// Every place that makes it.
    pub places: Vec<String>,
    /// What becomes of it.
    pub fate: Fate,
}

/// What the gate looks at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Whether what is not known is refused.
    pub strict: bool,
    /// The list that stands for the registry.
    pub inventory: Option<String>,
    /// Every distinct reference.
    pub checks: Vec<Check>,
    /// Rules that are for none of them.
    pub unused: Vec<String>,
    /// Folders that are looked at as they stand too, because only what is judged says how they are built.
    pub doubted: Vec<String>,
    /// There are images, and what `roots` names deploys nothing: the folders that are built.
    pub rootless: Option<Vec<String>>,
}

// A reference that is to be asked for: as it is shown, and with its host as rules know it.
struct Wanted {
    reference: String,
    known: String,
    is_range: bool,
    // Charts and other artifacts are for every platform.
    is_image: bool,
    places: BTreeSet<String>,
    blind: Option<Confidence>,
}

/// What is to be asked of references, and what comes of the answers.
pub struct Inquiry<'a> {
    rules: &'a Rules,
    wanted: Vec<Wanted>,
}

impl<'a> Inquiry<'a> {
    /// Takes what a tree deploys.
    pub fn of(rules: &'a Rules, found: impl Iterator<Item = &'a Found>) -> Self {
        let mut wanted: Vec<Wanted> = Vec::new();
        let mut known: HashMap<(String, bool, Option<Confidence>), usize> = HashMap::new();
        for found in found.filter(|found| found.class != Class::Watch) {
            let blind =
                (!matches!(found.confidence, Confidence::Certain | Confidence::Inferred)).then_some(found.confidence);
            let version = reference::split(bare(&found.reference)).1.unwrap_or_default();
            let is_range = found.note.as_deref() == Some(RANGE)
                || (found.class == Class::Chart && found.reference.contains("://"))
                || (found.class == Class::Chart && range::parse(version).is_none());
            let key = (found.reference.clone(), is_range, blind);
            let at = *known.entry(key).or_insert_with(|| {
                let places = BTreeSet::new();
                let (reference, known) = (found.reference.clone(), reference::with_one_host(&found.reference));
                wanted.push(Wanted { reference, known, is_range, is_image: false, places, blind });
                wanted.len() - 1
            });
            if let Some(wanted) = wanted.get_mut(at) {
                wanted.is_image |= found.class == Class::Image;
                wanted.places.extend(found.places.iter().cloned());
            }
        }
        Self { rules, wanted }
    }

    /// Every distinct question.
    pub fn questions(&self) -> Vec<Question> {
        let mut seen = HashSet::new();
        let all = self.wanted.iter().flat_map(|wanted| self.asks(wanted)).flatten();
        all.filter(|question| seen.insert(question.clone())).collect()
    }

    // What is asked there, and what in the registry that it comes from.
    fn asks(&self, wanted: &Wanted) -> [Option<Question>; 2] {
        let Route::At(there) = self.route(wanted) else { return [None, None] };
        let platform = self.rules.platform.as_deref().filter(|_| wanted.is_image);
        let question = |text: &str| question(text, wanted.is_range, platform);
        let is_pinned = wanted.is_range || wanted.reference.contains('@');
        let is_moved = self.rules.compare && self.rules.inventory.is_none() && there != wanted.known;
        let before = (is_moved && !is_pinned).then(|| question(&wanted.known)).flatten();
        [question(&there), before]
    }

    fn route(&self, wanted: &Wanted) -> Route {
        match wanted.blind {
            Some(_) => Route::Unmapped,
            None => self.rules.route(&wanted.known),
        }
    }

    /// The facts, once the questions were answered.
    pub fn facts(&self, answers: &HashMap<Question, Asked<Seen>>) -> Facts {
        let answer = |question: Option<&Question>| match question {
            None => Err("it is no name that a registry could be asked for".to_owned()),
            Some(question) => answers.get(question).cloned().unwrap_or_else(|| Err("it was not asked".to_owned())),
        };
        let check = |wanted: &Wanted| {
            let [there_is, before] = self.asks(wanted);
            let fate = match (wanted.blind, self.route(wanted)) {
                (Some(confidence), _) => {
                    let is_named = confidence == Confidence::Unresolved;
                    let denied = is_named.then(|| self.rules.denies(&wanted.known));
                    let skipped = match is_named {
                        true => self.rules.skips(&wanted.known),
                        false => self.rules.skips_unseen(&wanted.reference),
                    };
                    match (denied.flatten(), skipped) {
                        (Some(rule), _) => Fate::Denied(rule),
                        (None, Some(reason)) => Fate::Skipped(reason.to_owned()),
                        (None, None) => Fate::Blind(confidence),
                    }
                }
                (None, Route::Denied(rule)) => Fate::Denied(rule),
                (None, Route::Skipped(reason)) => Fate::Skipped(reason),
                (None, Route::OtherTag) => Fate::OtherTag,
                (None, Route::Unmapped) => Fate::Unmapped(self.rules.unruled(&wanted.known)),
                (None, Route::At(there)) => Fate::Asked {
                    seen: answer(there_is.as_ref()),
                    range: wanted.is_range.then(|| version(&there)),
                    before: before.map(|question| answer(Some(&question))),
                    there,
                },
            };
            Check { reference: wanted.reference.clone(), places: wanted.places.iter().cloned().collect(), fate }
        };
        let references: Vec<&str> = self.wanted.iter().map(|wanted| wanted.known.as_str()).collect();
        let unseen = self.wanted.iter().filter(|wanted| wanted.blind.is_some());
        let unseen: Vec<&str> = unseen.map(|wanted| wanted.reference.as_str()).collect();
        Facts {
            strict: self.rules.strict,
            inventory: self.rules.inventory.clone(),
            checks: self.wanted.iter().map(check).collect(),
            unused: self.rules.unused(&references, &unseen),
            doubted: Vec::new(),
            rootless: None,
        }
    }
}

// What a registry is asked for a name.
fn question(text: &str, is_range: bool, platform: Option<&str>) -> Option<Question> {
    // Charts are named as they are written: what could lead elsewhere on the host is no name.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~/:+@".contains(c);
    let name = reference::split(bare(text)).0;
    if !name.chars().all(is_plain) || name.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return None;
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        let (base, chart) = reference::split(rest).0.rsplit_once('/')?;
        return Some(Question::Versions { repository: format!("{scheme}://{base}"), chart: chart.to_owned() });
    }
    let (name, tag, digest) = reference::split(text);
    let (host, path) = name.split_once('/')?;
    let (host, path) = (host.to_owned(), path.to_owned());
    if is_range {
        return Some(Question::Tags { host, path });
    }
    // Versions of charts have a sign that tags may not have.
    let name = digest.map_or_else(|| tag.unwrap_or("latest").replace('+', "_"), str::to_owned);
    Some(Question::Manifest { host, path, name, platform: platform.map(str::to_owned) })
}

fn version(text: &str) -> String {
    reference::split(bare(text)).1.filter(|version| !version.trim().is_empty()).unwrap_or("*").to_owned()
}
