//! `passgate package`.

use std::path::PathBuf;

use super::common::{self, Wiring};
use crate::app::AppError;
use crate::app::package::{Request, package};
use crate::host::defaults;

/// Arguments of `package`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The local repository.
    #[arg(long, env = "PASSGATE_REPO", value_name = "DIR", default_value = ".")]
    repo: PathBuf,
    /// The commit.
    #[arg(long, env = "PASSGATE_COMMIT", value_name = "REV", default_value = "HEAD")]
    commit: String,
    /// The unit; by default the name of the source repository.
    #[arg(long, env = "PASSGATE_UNIT", value_name = "NAME")]
    unit: Option<String>,
    /// A folder; FROM in the source, TO in environments. By default: apps and infra.
    #[arg(long, env = "PASSGATE_FOLDER", value_name = "[FROM=]TO", value_delimiter = ',')]
    folder: Vec<String>,
    /// The source repository, as stage.yaml accepts it; by default the URL of origin.
    #[arg(long, env = "PASSGATE_SOURCE", value_name = "URL")]
    source: Option<String>,
    /// A label for people.
    #[arg(long = "version", env = "PASSGATE_VERSION", value_name = "LABEL")]
    label: Option<String>,
    /// A folder that may be missing or without files.
    #[arg(long, env = "PASSGATE_ALLOW_EMPTY", value_name = "TO", value_delimiter = ',')]
    allow_empty: Vec<String>,
    /// The zip; by default UNIT.zip.
    #[arg(short, long, env = "PASSGATE_OUTPUT", value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Args {
    /// Writes the zip and prints its digest.
    ///
    /// # Errors
    /// As the use case.
    pub fn run(self, wiring: &Wiring) -> Result<u8, AppError> {
        let remotes = wiring.remotes(None);
        let copy = wiring.working_copy(self.repo);
        let given = |list: Vec<String>| list.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>();
        let mut folders = given(self.folder);
        if folders.is_empty() {
            folders = vec!["apps".to_owned(), "infra".to_owned()];
        }
        let unit = self.unit.filter(|unit| !unit.is_empty()).map(|unit| {
            unit.parse().map_err(|error: crate::domain::id::InvalidId| {
                AppError::usage(error.to_string(), "choose another --unit")
            })
        });
        let merge = defaults::merge_ref(wiring.host()).filter(|_| self.commit == "HEAD");
        let request = Request {
            revision: self.commit,
            unit: unit.transpose()?,
            folders: folders
                .iter()
                .map(|folder| folder.split_once('=').unwrap_or((folder, folder)))
                .map(|(from, to)| (from.trim_end_matches('/').to_owned(), to.trim_end_matches('/').to_owned()))
                .collect(),
            source: self.source.filter(|s| !s.is_empty()).map(|url| common::repository(&url)).transpose()?,
            version: self.label.filter(|label| !label.is_empty()),
            allow_empty: given(self.allow_empty),
            output: self.output,
        };
        let mut report = package(&wiring.context(&remotes), &*copy, request)?;
        report.warnings.extend(merge.map(|name| {
            format!("this run checked out {name}, the merge commit of a pull request: it is on no branch, so no environment takes this artifact; package the branch after the merge")
        }));
        let digest = report.digest.map(|digest| digest.to_string()).unwrap_or_default();
        Ok(wiring.report(&report, &digest))
    }
}
