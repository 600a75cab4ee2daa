//! Gate `soak`: this content was live in the stage before for long enough, without a break.

use std::time::Duration;

use super::Answer;
use crate::domain::id::StageName;

/// What the gate looks at, for one stage in `after`.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The stage.
    pub stage: StageName,
    /// How long is asked for.
    pub wanted: Duration,
    /// Now, seconds since 1970.
    pub now: i64,
    /// The intervals in which exactly this content was live there: from, until (None: still).
    pub intervals: Vec<(i64, Option<i64>)>,
}

/// The rule.
pub fn ask(facts: &Facts) -> Answer {
    let wanted = i64::try_from(facts.wanted.as_secs()).unwrap_or(i64::MAX);
    if wanted == 0 {
        return Answer::not_asked("no soak time is asked for");
    }
    let stage = &facts.stage;
    if facts.intervals.iter().any(|(from, until)| *from > facts.now || until.is_some_and(|until| until > facts.now)) {
        return Answer::undecided(
            format!("a release in {stage} has a time that lies in the future"),
            "set the clocks of the machines that release right, and wait until that time has passed",
        );
    }
    let lengths = facts.intervals.iter().map(|(from, until)| until.unwrap_or(facts.now) - from);
    let longest = lengths.max().unwrap_or(0);
    if longest >= wanted {
        return Answer::passed(format!("live in {stage} for {} (asked: {})", span(longest), span(wanted)));
    }
    match facts.intervals.iter().find(|(_, until)| until.is_none()) {
        Some((from, _)) => Answer::refused(
            format!("live in {stage} for {} of {}", span(facts.now - from), span(wanted)),
            format!("wait {} more", span(wanted - (facts.now - from))),
        ),
        None => Answer::refused(
            format!("it is not live in {stage}, and never was for {} without a break", span(wanted)),
            format!("release it to {stage} again and let it soak there"),
        ),
    }
}

/// Seconds as people say them.
pub fn span(seconds: i64) -> String {
    let (d, h, m, s) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    match (d, h, m) {
        (0, 0, 0) => format!("{s}s"),
        (0, 0, _) => format!("{m}m{s:02}s"),
        (0, ..) => format!("{h}h{m:02}m"),
        _ => format!("{d}d{h:02}h"),
    }
}
