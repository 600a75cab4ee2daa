//! What the gate says of what was asked.

use std::collections::BTreeSet;

use super::{Check, Facts, Fate, Seen, version};
use crate::domain::escape;
use crate::domain::gate::{Answer, Asked, RETRY, few};
use crate::domain::image::{range, reference};

/// The rule.
pub fn ask(facts: &Option<Asked<Facts>>) -> Answer {
    match facts {
        None => Answer::not_asked("no registry is configured"),
        Some(Err(why)) => Answer::undecided(why.clone(), RETRY),
        Some(Ok(facts)) => judge(facts),
    }
}

#[derive(Default)]
struct Tally {
    there: usize,
    denied: Vec<String>,
    missing: Vec<String>,
    stale: Vec<String>,
    lost: Vec<String>,
    other_tag: Vec<String>,
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
    close(
        &tally.lost,
        format!("{} gone in the registry that the tag comes from, and not compared", count(tally.lost.len())),
        "copy them from where they still are, or leave it out for all by `compare: false` in stage.yaml",
    );
    close(
        &tally.other_tag,
        format!("{} under tags that no rule is for", count(tally.other_tag.len())),
        "say in `images.rewrite` or `images.allow` of stage.yaml where these tags are asked for, or give them others",
    );
    close(&tally.denied, format!("{} denied here", count(tally.denied.len())), "deploy them from somewhere else");
    if facts.strict {
        let remedy = "pin them, or say in `images.skip` of stage.yaml why they need not be known";
        close(&tally.blind, format!("{} that nobody can tell", tally.blind.len()), remedy);
        let remedy = "say in `images.rewrite` or `images.allow` of stage.yaml where they are asked for";
        close(&tally.unmapped, format!("{} that no rule is for", tally.unmapped.len()), remedy);
    }
    let unsure = (!tally.unsure.is_empty())
        .then(|| format!("{} could not be asked for: {}", tally.unsure.len(), few(&tally.unsure)));
    if !closed.is_empty() {
        let (details, remedies): (Vec<String>, Vec<String>) = closed.into_iter().unzip();
        let details: Vec<String> = details.into_iter().chain(unsure).collect();
        return Answer::refused(details.join("; "), remedies.join("; "));
    }
    if let Some(unsure) = unsure {
        return Answer::undecided(unsure, RETRY);
    }
    let beside = [
        (tally.skipped, "skipped"),
        (tally.unmapped.len(), "that no rule is for"),
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
            State::Lost if facts.strict => tally.lost.push(told()),
            State::Lost => tally.there += 1,
            State::OtherTag => tally.other_tag.push(told()),
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
    /// It is there, and gone where it comes from.
    Lost,
    /// Rules are for its name, and none for its tag.
    OtherTag,
    /// A rule denies it.
    Denied,
    /// A rule skips it.
    Skipped,
    /// It could not be asked for.
    Unsure,
    /// No rule is for it.
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
            Self::Lost => "not compared",
            Self::OtherTag => "no rule for its tag",
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
    let (there, seen, range, before) = match &check.fate {
        Fate::Denied(rule) => return (State::Denied, format!("by {}", escape::line(rule))),
        Fate::Skipped(reason) => return (State::Skipped, escape::line(reason)),
        Fate::OtherTag => return (State::OtherTag, String::new()),
        Fate::Unmapped(_) => return (State::Unmapped, String::new()),
        Fate::Blind(confidence) => return (State::Blind, confidence.as_str().to_owned()),
        Fate::Asked { seen: Err(why), .. } => return (State::Unsure, why.clone()),
        Fate::Asked { there, seen: Ok(seen), range, before } => (there, seen, range, before),
    };
    let wanted = range.clone().unwrap_or_else(|| version(there));
    let range = range::Range::parse(&wanted);
    let is_in = |name: &str| range.as_ref().is_some_and(|range| range.contains(name));
    let has = |name: &String| is_in(&name.replace('_', "+")) || *name == wanted;
    match seen {
        Seen::Names(known) if known.iter().any(has) => (State::There, String::new()),
        Seen::Missing(Some(known)) | Seen::Names(known) => (State::Missing, nearest(&wanted, known)),
        Seen::Missing(None) => (State::Missing, String::new()),
        Seen::Hollow => (State::Missing, "its list names the platform, whose own manifest is not there".to_owned()),
        Seen::Elsewhere(known) => (State::Missing, format!("there for {}", platforms(known))),
        Seen::Manifest(here) => match before {
            None => (State::There, String::new()),
            Some(Err(why)) => (State::Unsure, why.clone()),
            Some(Ok(Seen::Manifest(before))) if here == before => (State::There, String::new()),
            Some(Ok(Seen::Manifest(before))) => {
                (State::Stale, format!("{} there, {} where it comes from", short(here), short(before)))
            }
            Some(Ok(Seen::Elsewhere(known))) => {
                (State::Stale, format!("where it comes from it is there for {} only", platforms(known)))
            }
            Some(Ok(Seen::Missing(_) | Seen::Hollow | Seen::Names(_))) => (State::Lost, String::new()),
        },
    }
}

// What a registry says, in a verdict.
fn cut(text: &str) -> String {
    const LONGEST: usize = 128;
    let is_long = text.chars().nth(LONGEST).is_some();
    escape::line(text).chars().take(LONGEST).chain(is_long.then_some('…')).collect()
}

fn platforms(known: &[String]) -> String {
    let known: Vec<String> = known.iter().map(|platform| cut(platform)).collect();
    if known.is_empty() { "nothing".to_owned() } else { few(&known) }
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
    // Whoever has more of them may have any.
    const MOST: usize = 3000;
    if known.is_empty() {
        return "no tags there".to_owned();
    }
    let wanted: String = wanted.chars().take(reference::LONGEST_TAG).collect();
    let names = known.iter().filter(|name| name.len() <= reference::LONGEST_TAG).take(MOST);
    let names: BTreeSet<&String> = names.collect();
    let mut ranked: Vec<&String> = names.into_iter().collect();
    let early = |name: &str| range::parse(name).map(|version| std::cmp::Reverse(version.to_string()));
    ranked.sort_by_cached_key(|name| (strsim::damerau_levenshtein(&wanted, name), early(name)));
    let shown: Vec<String> = ranked.iter().take(SHOWN).map(|name| cut(name)).collect();
    if shown.is_empty() { "no tags there".to_owned() } else { format!("there are {}", shown.join(", ")) }
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
        .filter_map(|check| match &check.fate {
            Fate::Unmapped(what) => Some(what.clone()),
            _ => None,
        })
        .collect();
    say(&unmapped.into_iter().collect::<Vec<_>>(), "not asked, because no rule is for them");
    say(&told_of(|fate| matches!(fate, Fate::Blind(_))), "nobody can tell what these deploy");
    let skipped = facts.checks.iter().filter_map(|check| match &check.fate {
        Fate::Skipped(reason) => Some(told(check, &escape::line(reason))),
        _ => None,
    });
    say(&skipped.collect::<Vec<_>>(), "skipped");
    let lost = facts.checks.iter().filter(|check| !facts.strict && state(check).0 == State::Lost);
    let lost: Vec<String> = lost.map(|check| told(check, "")).collect();
    say(&lost, "not compared, because they are gone where they come from");
    say(&facts.unused, "rules that are for nothing here");
    out
}
