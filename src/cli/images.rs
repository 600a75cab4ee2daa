//! `passgate images`.

use std::path::PathBuf;

use super::common::{self, Wiring};
use super::render;
use crate::app::AppError;
use crate::app::images::images;
use crate::domain::escape;
use crate::domain::image::Images;
use crate::host::writer;

/// Arguments of `images`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The deployment zip, the folder it was unpacked into, or a folder of configuration.
    #[arg(env = "PASSGATE_ARTIFACT")]
    artifact: Option<PathBuf>,
    /// Print tab-separated lines: class, reference, confidence, file:line[,file:line…].
    #[arg(long, env = "PASSGATE_TSV", value_parser = common::boolish(), num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", hide_possible_values = true)]
    tsv: bool,
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
        let remotes = wiring.remotes(None);
        let named = wiring.artifact(self.artifact)?;
        let (mut report, images) = images(&wiring.context(&remotes), wiring.folders(), &named)?;
        report.path = Some(common::shown(&named));
        let text = || if self.tsv { tsv(&images) } else { render::images(&images.found, writer::width()) };
        let code = wiring.document(&report, ("images", &images.found), text);
        let rest = render::text(&report, writer::width());
        if !wiring.wants_json() && !rest.trim().is_empty() {
            writer::tell(&rest);
        }
        Ok(code)
    }
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
