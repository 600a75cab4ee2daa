//! Gate `images`: the target's registry has every image, and what it has under a tag is what the registry has that the tag
//! comes from.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{Answer, Asked, few};
use crate::domain::escape;
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
    /// Nothing of that name; the tags that there are.
    Missing(Vec<String>),
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
    /// No rule names its host.
    Unmapped,
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
                wanted.push(Wanted { reference, known, is_range, places, blind });
                wanted.len() - 1
            });
            if let Some(wanted) = wanted.get_mut(at) {
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
        let question = |text: &str| question(text, wanted.is_range, self.rules.platform.as_deref());
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
                (None, Route::Unmapped) => Fate::Unmapped,
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
        Facts {
            strict: self.rules.strict,
            inventory: self.rules.inventory.clone(),
            checks: self.wanted.iter().map(check).collect(),
            unused: self.rules.unused(&references),
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
    reference::split(bare(text)).1.unwrap_or("*").to_owned()
}

// A tag and a digest.
type Listed = (Option<String>, Option<String>);

/// A list of references that stands for a registry.
#[derive(Debug, Default)]
pub struct Inventory(BTreeMap<String, Vec<Listed>>);

impl Inventory {
    /// Reads it: one reference a line, `#` for comments.
    ///
    /// # Errors
    /// A line is no reference.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut names = BTreeMap::<String, Vec<_>>::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let text = if line.contains("://") { line.to_owned() } else { normal(line) };
            let text = reference::with_one_host(&text);
            let (name, tag, digest) = reference::split(bare(&text));
            if text.is_empty() || name.contains(char::is_whitespace) {
                return Err(format!("line {number} is no reference: {}", escape::line(line)));
            }
            names.entry(name.to_owned()).or_default().push((tag.map(str::to_owned), digest.map(str::to_owned)));
        }
        Ok(Self(names))
    }

    /// What it has.
    pub fn look(&self, question: &Question) -> Seen {
        let of = |name: &str| self.0.get(name).map(Vec::as_slice).unwrap_or_default();
        let tags = |name: &str| of(name).iter().filter_map(|(tag, _)| tag.clone()).collect::<Vec<_>>();
        match question {
            Question::Manifest { host, path, name, .. } => {
                let all = format!("{host}/{path}");
                let is_it = |given: &Option<String>| given.as_deref() == Some(name);
                match of(&all).iter().find(|(tag, digest)| is_it(tag) || is_it(digest)) {
                    Some((_, digest)) => Seen::Manifest(digest.clone().unwrap_or_default()),
                    None => Seen::Missing(tags(&all)),
                }
            }
            Question::Tags { host, path } => Seen::Names(tags(&format!("{host}/{path}"))),
            Question::Versions { repository, chart } => Seen::Names(tags(&format!("{}/{chart}", bare(repository)))),
        }
    }
}

fn normal(line: &str) -> String {
    let known = reference::normalise(line).map(|known| known.text);
    // A chart's version may have a sign that tags have not.
    known.or_else(|| reference::normalise(&line.replace('+', "_")).map(|known| known.text)).unwrap_or_default()
}

/// The rule.
pub fn ask(facts: &Option<Asked<Facts>>) -> Answer {
    match facts {
        None => Answer::not_asked("no registry is configured"),
        Some(Err(why)) => Answer::undecided(why.clone(), super::RETRY),
        Some(Ok(facts)) => judge(facts),
    }
}

#[derive(Default)]
struct Tally {
    there: usize,
    denied: Vec<String>,
    missing: Vec<String>,
    stale: Vec<String>,
    unsure: Vec<String>,
    unmapped: Vec<String>,
    blind: Vec<String>,
    skipped: usize,
}

fn judge(facts: &Facts) -> Answer {
    if let Some(roots) = &facts.rootless {
        return Answer::refused(
            format!("`images.roots` names no folder here that deploys anything, of: {}", few(roots)),
            "correct `roots` in .passgate/stage.yaml, or bring what it names",
        );
    }
    let tally = tally(facts);
    let registry = facts.inventory.as_ref().map_or("the target's registry".to_owned(), |path| escape::line(path));
    let mut closed: Vec<(String, String)> = Vec::new();
    let mut close = |items: &[String], what: String, remedy: &str| {
        if !items.is_empty() {
            closed.push((format!("{what}: {}", few(items)), remedy.to_owned()));
        }
    };
    let mut copy = "copy them there first".to_owned();
    if !facts.doubted.is_empty() {
        copy.push_str(&format!(
            ", or say in `images.roots` of stage.yaml what this environment builds: as they stand count {}",
            few(&facts.doubted)
        ));
    }
    close(&tally.missing, format!("{} not in {registry}", count(tally.missing.len())), &copy);
    close(
        &tally.stale,
        format!("{} stale there", count(tally.stale.len())),
        "copy them again: the tag has moved on where it comes from",
    );
    close(&tally.denied, format!("{} denied here", count(tally.denied.len())), "deploy them from somewhere else");
    if facts.strict {
        let remedy = "pin them, or say in `images.skip` of stage.yaml why they need not be known";
        close(&tally.blind, format!("{} that nobody can tell", tally.blind.len()), remedy);
        let remedy = "name their hosts in `images.rewrite` or `images.allow` of stage.yaml";
        close(&tally.unmapped, format!("{} on hosts that no rule names", count(tally.unmapped.len())), remedy);
    }
    let unsure = (!tally.unsure.is_empty())
        .then(|| format!("{} could not be asked for: {}", tally.unsure.len(), few(&tally.unsure)));
    if !closed.is_empty() {
        let (details, remedies): (Vec<String>, Vec<String>) = closed.into_iter().unzip();
        let details: Vec<String> = details.into_iter().chain(unsure).collect();
        return Answer::refused(details.join("; "), remedies.join("; "));
    }
    if let Some(unsure) = unsure {
        return Answer::undecided(unsure, super::RETRY);
    }
    let beside = [
        (tally.skipped, "skipped"),
        (tally.unmapped.len(), "on hosts that no rule names"),
        (tally.blind.len(), "that nobody can tell"),
    ];
    let beside: String =
        beside.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("; {count} {what}")).collect();
    match (tally.there, facts.checks.len()) {
        (_, 0) => Answer::passed("it deploys no images"),
        (0, _) => Answer::not_asked(format!("nothing to ask for{beside}")),
        (there, _) => Answer::passed(format!("{} in {registry}{beside}", count(there))),
    }
}

fn count(count: usize) -> String {
    if count == 1 { "1 is".to_owned() } else { format!("{count} are") }
}

fn tally(facts: &Facts) -> Tally {
    let mut tally = Tally::default();
    for check in &facts.checks {
        let (state, more) = state(check);
        let told = || told(check, &more);
        match state {
            State::There => tally.there += 1,
            State::Skipped => tally.skipped += 1,
            State::Missing => tally.missing.push(told()),
            State::Stale => tally.stale.push(told()),
            State::Denied => tally.denied.push(told()),
            State::Unsure => tally.unsure.push(told()),
            State::Unmapped => tally.unmapped.push(told()),
            State::Blind => tally.blind.push(told()),
        }
    }
    tally
}

/// How it is with a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is there.
    There,
    /// It is not there.
    Missing,
    /// Something else is there under its name.
    Stale,
    /// A rule denies it.
    Denied,
    /// A rule skips it.
    Skipped,
    /// It could not be asked for.
    Unsure,
    /// No rule names its host.
    Unmapped,
    /// Nobody can tell what it names.
    Blind,
}

impl State {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::There => "there",
            Self::Missing => "missing",
            Self::Stale => "stale",
            Self::Denied => "denied",
            Self::Skipped => "skipped",
            Self::Unsure => "could not ask",
            Self::Unmapped => "not asked",
            Self::Blind => "nobody can tell",
        }
    }
}

/// How it is with a reference, and what is to be said of that.
pub fn state(check: &Check) -> (State, String) {
    let (there, seen, range) = match &check.fate {
        Fate::Denied(rule) => return (State::Denied, format!("by {}", escape::line(rule))),
        Fate::Skipped(reason) => return (State::Skipped, escape::line(reason)),
        Fate::Unmapped => return (State::Unmapped, String::new()),
        Fate::Blind(confidence) => return (State::Blind, confidence.as_str().to_owned()),
        Fate::Asked { seen: Err(why), .. } | Fate::Asked { before: Some(Err(why)), .. } => {
            return (State::Unsure, why.clone());
        }
        Fate::Asked { seen: Ok(Seen::Manifest(here)), before: Some(Ok(Seen::Manifest(before))), .. }
            if here != before =>
        {
            return (State::Stale, format!("{} there, {} where it comes from", short(here), short(before)));
        }
        Fate::Asked { there, seen: Ok(seen), range, .. } => (there, seen, range),
    };
    let wanted = range.clone().unwrap_or_else(|| version(there));
    let has = |name: &String| range::contains(&wanted, &name.replace('_', "+")) || *name == wanted;
    match seen {
        Seen::Manifest(_) => (State::There, String::new()),
        Seen::Names(known) if known.iter().any(has) => (State::There, String::new()),
        Seen::Missing(known) | Seen::Names(known) => (State::Missing, nearest(&wanted, known)),
        Seen::Elsewhere(known) => (State::Missing, format!("there for {}", escape::line(&known.join(", ")))),
    }
}

// A reference, the name that it is asked for by, where it stands, and more.
fn told(check: &Check, more: &str) -> String {
    const PLACES: usize = 3;
    let mut text = check.reference.clone();
    if let Fate::Asked { there, .. } = &check.fate
        && *there != check.reference
    {
        text = format!("{there} for {text}");
    }
    let mut places = check.places.iter().take(PLACES).cloned().collect::<Vec<_>>().join(", ");
    if check.places.len() > PLACES {
        places.push_str(&format!(" and {} more", check.places.len() - PLACES));
    }
    if more.is_empty() { format!("{text} ({places})") } else { format!("{text} ({places}; {more})") }
}

// The tags that are most like one.
fn nearest(wanted: &str, known: &[String]) -> String {
    const SHOWN: usize = 3;
    if known.is_empty() {
        return "no tags there".to_owned();
    }
    let mut ranked: Vec<&String> = known.iter().collect();
    let early = |name: &str| range::parse(name).map(|version| std::cmp::Reverse(version.to_string()));
    ranked.sort_by_key(|name| (strsim::damerau_levenshtein(wanted, name), early(name), (*name).clone()));
    ranked.dedup();
    let shown: Vec<String> = ranked.iter().take(SHOWN).map(|name| escape::line(name)).collect();
    format!("there are {}", shown.join(", "))
}

fn short(digest: &str) -> String {
    escape::line(digest).chars().take("sha256:".len() + 12).collect()
}

/// What is worth saying of what stopped nothing.
pub fn warnings(facts: &Facts) -> Vec<String> {
    let mut out = Vec::new();
    let mut say = |items: &[String], what: &str| {
        if !items.is_empty() {
            out.push(format!("images: {what}: {}", few(items)));
        }
    };
    let is = |check: &&Check, wanted: fn(&Fate) -> bool| wanted(&check.fate);
    let told_of = |wanted: fn(&Fate) -> bool| -> Vec<String> {
        facts.checks.iter().filter(|check| is(check, wanted)).map(|check| told(check, "")).collect()
    };
    let unmapped: BTreeSet<String> = facts
        .checks
        .iter()
        .filter(|check| check.fate == Fate::Unmapped)
        .filter_map(|check| bare(&check.reference).split_once('/').map(|(host, _)| host.to_owned()))
        .collect();
    say(&unmapped.into_iter().collect::<Vec<_>>(), "not asked, because no rule names their hosts");
    say(&told_of(|fate| matches!(fate, Fate::Blind(_))), "nobody can tell what these deploy");
    let skipped = facts.checks.iter().filter_map(|check| match &check.fate {
        Fate::Skipped(reason) => Some(told(check, &escape::line(reason))),
        _ => None,
    });
    say(&skipped.collect::<Vec<_>>(), "skipped");
    let lost = |fate: &Fate| matches!(fate, Fate::Asked { before: Some(Ok(Seen::Missing(_))), .. });
    say(&told_of(lost), "not compared, because they are gone where they come from");
    say(&facts.unused, "rules that are for nothing here");
    out
}
