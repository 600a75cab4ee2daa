//! When nothing may enter: windows of a calendar, and reasons that hold until they are removed.

use cronexpr::{Crontab, MakeTimestamp};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A time in which nothing may enter, or outside of which nothing may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freeze {
    /// Why, in words for whoever is refused.
    pub reason: Option<String>,
    /// When; without it, until the entry is removed.
    pub window: Option<Window>,
    /// Whether nothing may enter in it, or nothing outside.
    pub kind: WindowKind,
    /// Whether rollbacks are refused too.
    pub rollbacks: bool,
    /// Whether marks are refused too.
    pub marks: bool,
}

impl Freeze {
    /// "Stop the line": until the entry is removed.
    pub fn stop(reason: String) -> Self {
        Self { reason: Some(reason), window: None, kind: WindowKind::Deny, rollbacks: false, marks: false }
    }

    fn concerns(&self, deed: Deed) -> bool {
        match deed {
            Deed::Release => true,
            Deed::Rollback => self.rollbacks,
            Deed::Mark => self.marks,
        }
    }
}

/// What a window does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WindowKind {
    /// Nothing may enter in it.
    #[default]
    Deny,
    /// Nothing may enter outside of all windows of this kind.
    Allow,
}

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// A release.
    Release,
    /// A rollback.
    Rollback,
    /// A mark.
    Mark,
}

/// A span of time; moments are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Window {
    /// Once.
    Once {
        /// Its first moment.
        from: i64,
        /// The moment after its last.
        until: i64,
        /// The IANA name of the time zone that it was written in.
        zone: String,
    },
    /// Again and again.
    Repeating {
        /// Its first moments as crontab has them: minute, hour, day of month, month, day of week.
        cron: String,
        /// How long it lasts each time.
        seconds: i64,
        /// The IANA name of the time zone.
        zone: String,
    },
}

/// Why something may not enter now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frozen {
    /// Why, in words of the policy.
    pub reason: String,
    /// When it ends, in local time with its zone; None: when the entry is removed.
    pub until: Option<String>,
}

impl Window {
    /// Proves that a repeating time is one, and comes at all.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn check(&self) -> Result<(), String> {
        let Self::Repeating { cron, zone, .. } = self else { return Ok(()) };
        if cron.split_whitespace().count() != 5 {
            return Err("it has not five fields".to_owned());
        }
        let crontab = crontab(cron, zone).ok_or("a field is not understood")?;
        crontab.find_next(MakeTimestamp(Timestamp::UNIX_EPOCH)).map(|_| ()).map_err(|_| "it never comes".to_owned())
    }

    // The end of the window that holds at a moment; None when none does. What cannot be told counts as holding.
    fn holds_until(&self, now: i64) -> Option<i64> {
        match self {
            Self::Once { from, until, .. } => (*from <= now && now < *until).then_some(*until),
            Self::Repeating { cron, seconds, zone } => {
                // The first one that begins late enough to still hold.
                let begins = next(cron, zone, now - seconds)?;
                (begins <= now).then_some(begins + seconds)
            }
        }
    }

    // The next moment at which the window begins, from `now` on; None when it never comes again.
    fn begins_after(&self, now: i64) -> Option<i64> {
        match self {
            Self::Once { from, .. } => (*from > now).then_some(*from),
            Self::Repeating { cron, zone, .. } => next(cron, zone, now),
        }
    }

    fn zone(&self) -> &str {
        match self {
            Self::Once { zone, .. } | Self::Repeating { zone, .. } => zone,
        }
    }
}

fn crontab(cron: &str, zone: &str) -> Option<Crontab> {
    cronexpr::parse_crontab(&format!("{cron} {zone}")).ok()
}

// The first time after `after` that a crontab names.
fn next(cron: &str, zone: &str, after: i64) -> Option<i64> {
    let after = Timestamp::from_second(after).ok()?;
    Some(crontab(cron, zone)?.find_next(MakeTimestamp(after)).ok()?.timestamp().as_second())
}

// What closes the gate at one moment: why, until when at least, and the zone to tell it in.
fn closed<'a>(entries: &[&'a Freeze], now: i64) -> Option<(&'a str, Option<i64>, &'a str)> {
    let denied = entries.iter().filter(|entry| entry.kind == WindowKind::Deny).find_map(|entry| {
        let reason = entry.reason.as_deref();
        match &entry.window {
            None => Some((reason.unwrap_or("the line is stopped"), None, "UTC")),
            Some(window) => {
                let until = window.holds_until(now)?;
                Some((reason.unwrap_or("a freeze"), Some(until), window.zone()))
            }
        }
    });
    if denied.is_some() {
        return denied;
    }
    let allowed: Vec<(&Freeze, &Window)> = entries
        .iter()
        .filter(|entry| entry.kind == WindowKind::Allow)
        .filter_map(|entry| Some((*entry, entry.window.as_ref()?)))
        .collect();
    let (first, window) = allowed.first()?;
    if allowed.iter().any(|(_, window)| window.holds_until(now).is_some()) {
        return None;
    }
    let opens = allowed.iter().filter_map(|(_, window)| window.begins_after(now)).min();
    Some((first.reason.as_deref().unwrap_or("outside of the windows for releases"), opens, window.zone()))
}

/// What keeps a deed from being done now, if something does.
pub(super) fn frozen(entries: &[Freeze], now: i64, deed: Deed) -> Option<Frozen> {
    // Windows that meet are told as one; a policy that never opens again has no end to tell.
    const LOOKED_AT: usize = 500;
    let entries: Vec<&Freeze> = entries.iter().filter(|entry| entry.concerns(deed)).collect();
    let (reason, mut ends, zone) = closed(&entries, now)?;
    for _ in 0..LOOKED_AT {
        let Some(at) = ends else { break };
        match closed(&entries, at) {
            None => {
                let local = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
                let moment = Timestamp::from_second(at).ok()?.to_zoned(local);
                let until = moment.strftime(&format!("%Y-%m-%d %H:%M %:z ({zone})")).to_string();
                return Some(Frozen { reason: reason.to_owned(), until: Some(until) });
            }
            Some((_, later, _)) => ends = later,
        }
    }
    Some(Frozen { reason: reason.to_owned(), until: None })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_second()
    }

    fn weekend(kind: WindowKind) -> Freeze {
        let (cron, zone) = ("0 15 * * FRI".to_owned(), "Europe/Berlin".to_owned());
        Freeze { window: Some(Window::Repeating { cron, seconds: 63 * 3600, zone }), kind, ..Freeze::stop("w".into()) }
    }

    fn once(from: &str, until: &str) -> Freeze {
        let window = Window::Once { from: at(from), until: at(until), zone: "UTC".into() };
        Freeze { window: Some(window), ..Freeze::stop("once".into()) }
    }

    fn until(entries: &[Freeze], now: &str) -> Option<Option<String>> {
        frozen(entries, at(now), Deed::Release).map(|frozen| frozen.until)
    }

    #[test]
    fn a_repeating_window_holds_in_local_time_over_a_change_of_clocks() {
        let entries = [weekend(WindowKind::Deny)];
        // Friday 15:00 in Berlin is 13:00 UTC in summer and 14:00 UTC in winter.
        assert_eq!(until(&entries, "2026-07-03T12:59:59Z"), None);
        assert_eq!(
            until(&entries, "2026-07-03T13:00:00Z"),
            Some(Some("2026-07-06 06:00 +02:00 (Europe/Berlin)".into()))
        );
        assert_eq!(until(&entries, "2026-12-04T13:59:59Z"), None);
        assert!(until(&entries, "2026-12-04T14:00:00Z").is_some());
        // 63 hours after Friday 15:00 of the weekend in which the clocks go back.
        assert!(until(&entries, "2026-10-26T03:59:59Z").is_some());
        assert_eq!(until(&entries, "2026-10-26T04:00:00Z"), None);
    }

    #[test]
    fn windows_that_meet_end_together() {
        let entries = [
            once("2026-12-20T00:00:00Z", "2026-12-24T00:00:00Z"),
            once("2026-12-23T00:00:00Z", "2027-01-02T08:00:00Z"),
        ];
        assert_eq!(until(&entries, "2026-12-21T00:00:00Z"), Some(Some("2027-01-02 08:00 +00:00 (UTC)".into())));
        assert_eq!(until(&entries, "2027-01-02T08:00:00Z"), None);
    }

    #[test]
    fn outside_of_windows_that_allow_nothing_enters_and_a_stop_wins() {
        let mut allow = weekend(WindowKind::Allow);
        assert_eq!(until(&[allow.clone()], "2026-07-04T00:00:00Z"), None);
        let opens = "2026-07-10 15:00 +02:00 (Europe/Berlin)";
        assert_eq!(until(&[allow.clone()], "2026-07-07T00:00:00Z"), Some(Some(opens.into())));
        let both = [allow.clone(), Freeze::stop("incident".into())];
        assert_eq!(until(&both, "2026-07-04T00:00:00Z"), Some(None));
        // An allowed window that is past never opens again.
        allow.window = once("2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z").window;
        assert_eq!(until(&[allow], "2026-07-04T00:00:00Z"), Some(None));
    }

    #[test]
    fn marks_and_rollbacks_stay_possible_unless_it_says_otherwise() {
        let mut entries = [Freeze::stop("incident".into())];
        let now = at("2026-07-04T00:00:00Z");
        assert!(frozen(&entries, now, Deed::Release).is_some());
        assert!(frozen(&entries, now, Deed::Mark).is_none() && frozen(&entries, now, Deed::Rollback).is_none());
        entries[0].marks = true;
        entries[0].rollbacks = true;
        assert!(frozen(&entries, now, Deed::Mark).is_some() && frozen(&entries, now, Deed::Rollback).is_some());
    }
}
