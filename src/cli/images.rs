//! `passgate images`.

use std::collections::HashMap;
use std::path::PathBuf;

use serde::Serialize;

use super::common::{self, Wiring};
use super::render;
use crate::app::AppError;
use crate::app::images::{Request, Shown, images};
use crate::domain::escape;
use crate::domain::gate::images::{Facts, State, state};
use crate::domain::image::{Found, Images};
use crate::host::writer;

/// Arguments of `images`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The deployment zip, the folder it was unpacked into, or a folder of configuration; without it what is in `--to`.
    #[arg(env = "PASSGATE_ARTIFACT")]
    artifact: Option<PathBuf>,
    /// The environment whose rules and registry hold.
    #[arg(long, env = "PASSGATE_TO", value_name = "ENV")]
    to: Option<String>,
    /// Ask the environment's registry for them, as a release would.
    #[arg(long, env = "PASSGATE_CHECK", value_parser = common::boolish(), num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", hide_possible_values = true)]
    check: bool,
    /// Let kustomize and helm on PATH build what they can, without network: what they confirm is certain, and what only they
    /// find is added.
    #[arg(long, env = "PASSGATE_RENDER", value_parser = common::boolish(), num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", hide_possible_values = true)]
    render: bool,
    /// Take what compose files run too, although no cluster does.
    #[arg(long, env = "PASSGATE_COMPOSE", value_parser = common::boolish(), num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", hide_possible_values = true)]
    compose: bool,
    /// Print tab-separated lines: class, reference, confidence, file:line[,file:line…].
    #[arg(long, env = "PASSGATE_TSV", value_parser = common::boolish(), num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", hide_possible_values = true)]
    tsv: bool,
}

// A reference in the document of `--json`.
#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    found: &'a Found,
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<&'static str>,
}

impl Args {
    /// Finds and shows them.
    ///
    /// # Errors
    /// As the use case.
    pub fn run(self, wiring: &Wiring) -> Result<u8, AppError> {
        if self.tsv && wiring.wants_json() {
            return Err(AppError::usage("--tsv and --json are two documents for one stdout", "give one of them"));
        }
        if self.check && self.to.is_none() {
            return Err(AppError::usage("--check asks the registry of an environment, and none is named", "--to ENV"));
        }
        let to = self.to.as_deref().map(common::place).transpose()?;
        let remotes = wiring.remotes(to.as_ref());
        let named = match (self.artifact, &to) {
            (None, Some(_)) => None,
            (artifact, _) => Some(wiring.artifact(artifact)?),
        };
        let request = Request { named, to, check: self.check, compose: self.compose };
        let renderers = self.render.then(|| wiring.renderers());
        let shown = images(&wiring.context(&remotes), wiring.folders(), renderers.as_deref(), &request)?;
        let Shown { mut report, images, facts } = shown;
        report.path = request.named.as_ref().map(common::shown);
        let states = facts.as_ref().map(states);
        let state = |found: &Found| Some(states.as_ref()?.get(found.reference.as_str()).copied()?.as_str());
        let rows: Vec<Row> = images.found.iter().map(|found| Row { found, check: state(found) }).collect();
        let text = || if self.tsv { tsv(&images) } else { render::images(&images.found, &state, writer::width()) };
        let code = wiring.document(&report, ("images", &rows), text);
        let rest = render::text(&report, writer::width());
        if !wiring.wants_json() && !rest.trim().is_empty() {
            writer::tell(&rest);
        }
        Ok(code)
    }
}

// How it is with each reference; of several answers the worst.
fn states(facts: &Facts) -> HashMap<&str, State> {
    let mut states = HashMap::new();
    for check in &facts.checks {
        let new = state(check).0;
        let worst = states.entry(check.reference.as_str()).or_insert(new);
        if new != State::There {
            *worst = new;
        }
    }
    states
}

/// One line for each reference at each place, whatever roots deploy it.
fn tsv(images: &Images) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for found in &images.found {
        let (class, confidence) = (found.class.as_str(), found.confidence.as_str());
        let places = escape::line(&found.places.join(","));
        let line = format!("{class}\t{}\t{confidence}\t{places}\n", escape::line(&found.reference));
        if seen.insert(line.clone()) {
            lines.push(line);
        }
    }
    lines.concat()
}
