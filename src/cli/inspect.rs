//! `passgate inspect`.

use std::path::PathBuf;

use super::common::{self, Wiring};
use crate::app::AppError;
use crate::app::inspect::inspect;
use crate::domain::artifact::Manifest;
use crate::domain::escape;
use crate::domain::outcome::{Outcome, Report};

/// Arguments of `inspect`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The deployment zip, the folder it was unpacked into, or `run:<id>[/name]` for an artifact of a GitHub run
    /// (`run:owner/repository/<id>[/name]` of another repository), `build:<id>[/name]` of an Azure build
    /// (`build:organization/project/<id>[/name]`); on a pipeline by default the only one there.
    #[arg(env = "PASSGATE_ARTIFACT")]
    artifact: Option<PathBuf>,
}

impl Args {
    /// Proves the artifact intact and shows it.
    ///
    /// # Errors
    /// As the use case.
    pub fn run(self, wiring: &Wiring) -> Result<u8, AppError> {
        let remotes = wiring.remotes(None);
        let artifact = wiring.artifact(self.artifact)?;
        let manifest = inspect(&wiring.context(&remotes), &artifact)?;
        let mut report = Report::new(Outcome::Inspected);
        report.digest = Some(manifest.digest);
        report.unit = Some(manifest.unit.clone());
        report.path = Some(common::shown(&artifact));
        Ok(wiring.document(&report, ("manifest", &manifest), || text(&manifest)))
    }
}

fn text(manifest: &Manifest) -> String {
    let mut text = format!(
        "{}\n  unit     {}\n  source   {}\n  commit   {} ({})\n",
        manifest.digest, manifest.unit, manifest.source.repository, manifest.source.commit, manifest.source.committed
    );
    if let Some(version) = &manifest.version {
        text.push_str(&format!("  version  {}\n", escape::line(version)));
    }
    for folder in &manifest.folders {
        let tree = folder.tree.map_or_else(|| "empty".to_owned(), |tree| tree.to_string());
        text.push_str(&format!("  folder   {} ({tree})\n", escape::line(&folder.path)));
    }
    // A listing may be large; letting it grow by doubling would take its size again.
    text.reserve(manifest.files.iter().map(|file| file.path.len() + 40).sum());
    let width = manifest.files.iter().map(|file| file.size.to_string().len()).max().unwrap_or(0);
    for file in &manifest.files {
        text.push_str(&format!("  {} {:>width$} {}\n", file.mode.as_str(), file.size, escape::line(&file.path)));
    }
    text
}
