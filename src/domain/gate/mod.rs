//! The gates: each one file, pure, from facts to an answer.
//!
//! # Adding a gate
//!
//! 1. Write `src/domain/gate/<name>.rs`: a `Facts` struct with what it must know, and `pub fn ask(&Facts) -> Answer`.
//!    An answer that refuses names the rule and the remedy.
//! 2. Add one line to [`GATES`], and the facts to [`Facts`] (as [`Asked`], if gathering them can fail).
//! 3. Gather the facts in `src/app/judge.rs`.
//! 4. Add its tests to `tests/it/gates.rs`: one that refuses for every clause and proves that nothing was pushed.

pub mod branch;
pub mod drift;
pub mod freeze;
pub mod hold;
pub mod images;
pub mod order;
pub mod pipeline;
pub mod previous;
pub mod soak;
pub mod source;
pub mod statuses;
pub mod unit;

use super::outcome::{GateReport, Verdict};
use super::policy::{Frozen, OverridableGate};

/// Facts, or why they could not be had: then the gate is undecided.
pub type Asked<T> = Result<T, String>;

/// What a gate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Open or not.
    pub verdict: Verdict,
    /// Why.
    pub detail: String,
    /// The way out.
    pub remedy: Option<String>,
    /// Something newer is live: not a mistake, only late.
    pub superseded: bool,
}

impl Answer {
    /// The gate is open.
    pub fn passed(detail: impl Into<String>) -> Self {
        Self { verdict: Verdict::Passed, detail: detail.into(), remedy: None, superseded: false }
    }

    /// The gate is closed.
    pub fn refused(detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { verdict: Verdict::Refused, detail: detail.into(), remedy: Some(remedy.into()), superseded: false }
    }

    /// The gate could not be asked.
    pub fn undecided(detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { verdict: Verdict::Undecided, detail: detail.into(), remedy: Some(remedy.into()), superseded: false }
    }

    /// Nothing is configured.
    pub fn not_asked(detail: impl Into<String>) -> Self {
        Self { verdict: Verdict::NotAsked, detail: detail.into(), remedy: None, superseded: false }
    }
}

/// Everything that the gates of one release look at.
#[derive(Debug, Clone)]
pub struct Facts {
    /// For `unit`.
    pub unit: unit::Facts,
    /// For `source`.
    pub source: Asked<source::Facts>,
    /// For `branch`.
    pub branch: Asked<branch::Facts>,
    /// For `order`.
    pub order: Asked<order::Facts>,
    /// For `previous`, one for each stage in `after`.
    pub previous: Vec<Asked<previous::Facts>>,
    /// For `soak`, one for each stage in `after`.
    pub soak: Vec<Asked<soak::Facts>>,
    /// For `statuses`, one for each stage in `after`.
    pub statuses: Vec<Asked<statuses::Facts>>,
    /// For `pipeline`, one for each stage in `after`.
    pub pipeline: Vec<Asked<pipeline::Facts>>,
    /// For `hold`.
    pub hold: hold::Facts,
    /// For `images`; None: the policy does not ask for any.
    pub images: Option<Asked<images::Facts>>,
    /// For `freeze`: what keeps it out now.
    pub freeze: Option<Frozen>,
    /// For `drift`.
    pub drift: drift::Facts,
}

/// A registered gate.
pub struct Gate {
    /// Its name in policies, reports and records.
    pub name: &'static str,
    /// The rule itself.
    pub ask: fn(&Facts) -> Answer,
}

const RETRY: &str = "run it again when what could not be reached answers";

fn decide<T>(facts: &Asked<T>, ask: fn(&T) -> Answer) -> Answer {
    match facts {
        Ok(facts) => ask(facts),
        Err(why) => Answer::undecided(why.clone(), RETRY),
    }
}

// Several stages: the worst answer counts, all of them are told.
fn decide_all<T>(facts: &[Asked<T>], ask: fn(&T) -> Answer, none: &str) -> Answer {
    let answers: Vec<Answer> = facts.iter().map(|facts| decide(facts, ask)).collect();
    let weight = |answer: &Answer| match answer.verdict {
        Verdict::Refused => 3,
        Verdict::Undecided => 2,
        Verdict::Passed => 1,
        Verdict::NotAsked => 0,
    };
    let Some(worst) = answers.iter().map(weight).max() else { return Answer::not_asked(none) };
    let told: Vec<&Answer> = answers.iter().filter(|answer| weight(answer) == worst).collect();
    let join = |texts: Vec<&str>| texts.join("; ");
    let remedies: Vec<&str> = told.iter().filter_map(|answer| answer.remedy.as_deref()).collect();
    Answer {
        verdict: told[0].verdict,
        detail: join(told.iter().map(|answer| answer.detail.as_str()).collect()),
        remedy: (!remedies.is_empty()).then(|| join(remedies)),
        superseded: false,
    }
}

/// Every gate, in the order in which they are shown.
pub const GATES: &[Gate] = &[
    // An artifact that is not proven intact never gets as far as facts.
    Gate { name: "artifact", ask: |_| Answer::passed("canonical, and its digest is right") },
    Gate { name: "unit", ask: |facts| unit::ask(&facts.unit) },
    Gate { name: "source", ask: |facts| decide(&facts.source, source::ask) },
    Gate { name: "branch", ask: |facts| decide(&facts.branch, branch::ask) },
    Gate { name: "order", ask: |facts| decide(&facts.order, order::ask) },
    Gate {
        name: "previous",
        ask: |facts| decide_all(&facts.previous, previous::ask, "a first stage: nothing comes before it"),
    },
    Gate { name: "soak", ask: |facts| decide_all(&facts.soak, soak::ask, "no soak time is asked for") },
    Gate { name: "statuses", ask: |facts| decide_all(&facts.statuses, statuses::ask, "no statuses are asked for") },
    Gate { name: "pipeline", ask: |facts| decide_all(&facts.pipeline, pipeline::ask, "no pipeline is asked about") },
    Gate { name: "hold", ask: |facts| hold::ask(&facts.hold) },
    Gate { name: "images", ask: |facts| images::ask(&facts.images) },
    Gate { name: "freeze", ask: |facts| freeze::ask(facts.freeze.as_ref()) },
    Gate { name: "drift", ask: |facts| drift::ask(&facts.drift) },
];

/// The answers of all gates.
#[derive(Debug, Clone)]
pub struct Judgement {
    /// For reports and records.
    pub reports: Vec<GateReport>,
    /// `order` says that something newer is live.
    pub superseded: bool,
    /// Closed gates that a break-glass opens; their reports stay what they are.
    pub opened: Vec<String>,
}

impl Judgement {
    /// Asks every gate, so that one answer names everything that is wrong. `override_allow` names the gates that a
    /// break-glass opens; it is empty where none was asked for.
    pub fn of(facts: &Facts, override_allow: &[OverridableGate]) -> Self {
        Self::from_answers(GATES.iter().map(|gate| (gate.name, (gate.ask)(facts))), override_allow)
    }

    /// Takes answers that were asked one by one.
    pub fn from_answers(
        answers: impl Iterator<Item = (&'static str, Answer)>,
        override_allow: &[OverridableGate],
    ) -> Self {
        let mut superseded = false;
        let reports: Vec<GateReport> = answers
            .map(|(gate, answer)| {
                superseded |= answer.superseded;
                let Answer { verdict, detail, remedy, .. } = answer;
                GateReport { gate: gate.to_owned(), verdict, detail, remedy }
            })
            .collect();
        let may_open = |name: &str| override_allow.iter().any(|gate| gate.as_str() == name);
        let opened = reports.iter().filter(|report| report.is_closed() && may_open(&report.gate));
        let opened = opened.map(|report| report.gate.clone()).collect();
        Self { reports, superseded, opened }
    }

    /// The gates that keep it out.
    pub fn closed(&self) -> impl Iterator<Item = &GateReport> {
        self.reports.iter().filter(|report| report.is_closed() && !self.opened.contains(&report.gate))
    }

    /// The verdict of all gates together: refused beats undecided.
    pub fn verdict(&self) -> Verdict {
        let any = |verdict| self.closed().any(|report| report.verdict == verdict);
        if any(Verdict::Refused) {
            Verdict::Refused
        } else if any(Verdict::Undecided) {
            Verdict::Undecided
        } else {
            Verdict::Passed
        }
    }

    /// Whether `order`'s "superseded" is the only thing that is wrong.
    pub fn only_superseded(&self) -> bool {
        self.superseded && self.is_only("order")
    }

    /// Whether one gate alone keeps it out.
    pub fn is_only(&self, gate: &str) -> bool {
        self.closed().map(|report| report.gate.as_str()).eq([gate])
    }
}

/// The first few of a list, and how many more there are.
pub fn few(items: &[String]) -> String {
    const SHOWN: usize = 5;
    let more = items.len().saturating_sub(SHOWN);
    let shown: Vec<String> = items.iter().take(SHOWN).map(|item| super::listing::shown(item)).collect();
    let shown = shown.join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}
