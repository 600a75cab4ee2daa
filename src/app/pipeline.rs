//! What became of the run that a previous stage's record names.

use super::evidence::{self, Wanted};
use super::{Context, judge};
use crate::domain::chain::History;
use crate::domain::gate::pipeline::{Facts, Seen};
use crate::domain::gate::statuses::Unasked;
use crate::domain::id::Digest;
use crate::domain::policy::{After, Pipeline, RunOf};
use crate::port::{PortError, Role};

/// The facts of a stage in which nothing is known of the content.
pub fn none(after: &After) -> Facts {
    Facts { stage: after.stage.clone(), wanted: after.pipeline.clone(), seen: Seen::NoContent }
}

/// Asks about the run. `history` is that of the unit's record there; None: the content never landed.
pub fn look(context: &Context<'_>, after: &After, wanted: Wanted<'_>, history: Option<&History>) -> Facts {
    let mut facts = none(after);
    if let (Some(pipeline), Some(history)) = (&after.pipeline, history) {
        facts.seen = match run(history, wanted.digest, pipeline.run) {
            None => Seen::NoRun,
            Some(run) => {
                let ran = ask(context, after, pipeline, judge::runs_as(pipeline, wanted.source, wanted.role), &run);
                Seen::Run(run, ran)
            }
        };
    }
    facts
}

fn ask(
    context: &Context<'_>,
    after: &After,
    pipeline: &Pipeline,
    role: Role,
    run: &str,
) -> Result<crate::domain::gate::pipeline::Ran, Unasked> {
    let Some(forge) = context.forges.of(&pipeline.repository, role) else {
        return Err(Unasked {
            why: format!("{} is on plain git, which has no runs", pipeline.repository),
            remedy: "name its host in PASSGATE_GITHUB_HOSTS or PASSGATE_AZURE_HOSTS; else leave `pipeline` out"
                .to_owned(),
            lasting: true,
        });
    };
    forge.part(run, &pipeline.part).map_err(|error| {
        let hint = if let PortError::Forge { hint, .. } = &error { hint.clone() } else { None };
        Unasked {
            why: format!("the run of {} could not be asked about: {}", after.stage, evidence::told(&error.into())),
            lasting: hint.is_some(),
            remedy: hint.unwrap_or_else(|| "run it again when the forge answers".to_owned()),
        }
    })
}

// The run that the record names. The newest release of the content, or its newest mark, whichever is meant.
fn run(history: &History, digest: Digest, which: RunOf) -> Option<String> {
    match which {
        RunOf::Released => history.record()?.release_of(digest)?.run.clone(),
        RunOf::Marked => {
            let records = history.changes.iter().filter_map(|change| change.record.as_ref()?.1.as_ref().ok());
            let mut of_it = records.filter(|record| record.digest == digest);
            of_it.find_map(|record| record.marked.as_ref())?.run.clone()
        }
    }
}
