//! Gate `pipeline`: the run that released or marked this content in the stage before did what is asked of it, as the forge
//! says that it ran on. The record only says which run is meant; what became of it, nobody here may claim.

use super::Answer;
use super::statuses::{State, Unasked};
use crate::domain::escape;
use crate::domain::id::StageName;
use crate::domain::policy::{Pipeline, RunOf};

/// What a forge says of a part of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ran {
    /// The text names no run there.
    Foreign(String),
    /// The run has no such part; of one that is not over it may come.
    Absent {
        /// The parts that it has.
        others: Vec<String>,
        /// Whether the run is over.
        over: bool,
    },
    /// What became of it.
    Came {
        /// What it says.
        state: State,
        /// The forge's own word for that.
        word: String,
    },
}

/// What was found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// The content is not in the stage.
    NoContent,
    /// The record names no run.
    NoRun,
    /// The run that it names, and what its forge says.
    Run(String, Result<Ran, Unasked>),
}

/// What the gate looks at, for one stage in `after`.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The stage.
    pub stage: StageName,
    /// What is asked; None: nothing.
    pub wanted: Option<Pipeline>,
    /// What was found out.
    pub seen: Seen,
}

/// The rule.
pub fn ask(facts: &Facts) -> Answer {
    let Some(wanted) = &facts.wanted else { return Answer::not_asked("no pipeline is asked about") };
    let stage = &facts.stage;
    let (did, verb) = match wanted.run {
        RunOf::Released => ("released", "release"),
        RunOf::Marked => ("marked", "mark"),
    };
    let part = format!("the {} {}", wanted.part.kind(), escape::line(wanted.part.name()));
    let (run, ran) = match &facts.seen {
        Seen::NoContent => {
            return Answer::refused(
                format!("no release of this content is known in {stage}, so no run {did} it there"),
                format!("release it to {stage} first"),
            );
        }
        Seen::NoRun => {
            return Answer::refused(
                format!("the record in {stage} does not say which run {did} this content"),
                format!("{verb} it there in a pipeline, which names its run, or give the run's URL as --run"),
            );
        }
        Seen::Run(run, ran) => (escape::line(run), ran),
    };
    match ran {
        Err(unasked) => Answer::undecided(unasked.why.clone(), unasked.remedy.clone()),
        Ok(Ran::Foreign(why)) => Answer::refused(
            format!("what {did} this content in {stage} is no run of {}: {why} ({run})", wanted.repository),
            format!("{verb} it there in a pipeline of that place, or correct `pipeline` in stage.yaml"),
        ),
        Ok(Ran::Absent { over: false, .. }) => {
            Answer::undecided(format!("{part} has not begun yet in {run}"), "wait, and run it again")
        }
        Ok(Ran::Absent { others, over: true }) => {
            let others: Vec<String> = others.iter().map(|name| escape::line(name)).collect();
            let others =
                if others.is_empty() { String::new() } else { format!(" (there are: {})", super::few(&others)) };
            Answer::refused(
                format!("{run} has not {part}{others}"),
                "correct the name in `pipeline` of stage.yaml, or let the pipeline have that part",
            )
        }
        Ok(Ran::Came { state, word }) => {
            let told = format!("{part} of {run}: {}", escape::line(word));
            match state {
                State::Green => Answer::passed(told),
                State::Pending => Answer::undecided(format!("not decided yet: {told}"), "wait, and run it again"),
                State::Red => Answer::refused(
                    format!("not passed in {stage}: {told}"),
                    "see there what is wrong; run that part again, or begin with the first stage if it is the content",
                ),
            }
        }
    }
}
