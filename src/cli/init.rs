//! `passgate init`.

use std::path::PathBuf;

use super::common::{self, Wiring};
use crate::app::AppError;
use crate::app::init::init;
use crate::domain::escape;
use crate::domain::id::InvalidId;
use crate::domain::scaffold::{Pipelines, Scaffold, Stage};

/// Whose pipelines.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum On {
    Github,
    Azure,
}

/// Arguments of `init`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Whose pipelines to write.
    #[arg(long, value_enum)]
    on: On,
    /// The unit.
    #[arg(long, value_name = "NAME")]
    unit: String,
    /// The repository that it is developed in.
    #[arg(long, value_name = "URL")]
    source: String,
    /// The branch that goes to every stage.
    #[arg(long, value_name = "BRANCH", default_value = "main")]
    main: String,
    /// A stage and its environment; once for each, in the order of promotion. Without a branch: main.
    #[arg(long = "stage", value_name = "NAME=URL[#BRANCH]", required = true)]
    stages: Vec<String>,
    /// Commit statuses that the checks of each stage leave, such as kustomization/apps/*: marks wait for them. Without
    /// one, the pipelines have a step where checks are to be put.
    #[arg(long = "status", value_name = "PATTERN")]
    statuses: Vec<String>,
    /// The action as workflows name it; by default the tag of this version.
    #[arg(long, value_name = "OWNER/NAME@REF", default_value = concat!("passgate/passgate@v", env!("CARGO_PKG_VERSION")))]
    uses: String,
    /// The folder to write into; one folder for each repository comes into it.
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// Write over files that are there.
    #[arg(long)]
    force: bool,
}

impl Args {
    /// Writes.
    ///
    /// # Errors
    /// As the use case.
    pub fn run(self, wiring: &Wiring) -> Result<u8, AppError> {
        let wrong = |error: InvalidId| AppError::usage(error.to_string(), "see passgate help init");
        let stage = |text: &String| {
            let (name, place) = text.split_once('=').ok_or_else(|| {
                AppError::usage(format!("{:?} is not NAME=URL", escape::line(text)), "such as dev=https://host/env-dev")
            })?;
            let place = common::place(place)?;
            let branch = place.branch.map_or_else(|| "main".parse().map_err(wrong), Ok)?;
            Ok(Stage { name: name.parse().map_err(wrong)?, url: place.url, branch })
        };
        let wanted = Scaffold {
            pipelines: match self.on {
                On::Github => Pipelines::GitHub,
                On::Azure => Pipelines::Azure,
            },
            unit: self.unit.parse().map_err(wrong)?,
            source: common::place(&self.source)?.url,
            main: self.main.parse().map_err(wrong)?,
            stages: self.stages.iter().map(stage).collect::<Result<_, AppError>>()?,
            statuses: self.statuses,
            action: self.uses,
        };
        let (report, files) = init(wiring.folders(), &self.dir, &wanted, self.force)?;
        Ok(wiring.document(&report, ("files", &files), || {
            let dir = self.dir.display().to_string();
            let files: String = files.iter().map(|file| format!("  {}\n", escape::line(file))).collect();
            format!("wrote into {}\n{files}read NEXT.md there first\n", escape::line(&dir))
        }))
    }
}
