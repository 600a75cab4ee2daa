//! Gate `freeze`: nothing enters while the environment is frozen.

use super::Answer;
use crate::domain::policy::Frozen;

/// The rule; `frozen` is what keeps it out now.
pub fn ask(frozen: Option<&Frozen>) -> Answer {
    match frozen {
        None => Answer::not_asked("not frozen"),
        Some(Frozen { reason, until: Some(until) }) => {
            Answer::refused(format!("frozen until {until}: {reason}"), format!("wait until {until}"))
        }
        Some(Frozen { reason, until: None }) => Answer::refused(
            format!("frozen until further notice: {reason}"),
            "wait until the entry is taken out of `freeze` in .passgate/stage.yaml",
        ),
    }
}
