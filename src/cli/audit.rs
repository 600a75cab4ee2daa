//! `passgate audit`.

use super::common::{self, Wiring};
use super::{render, sarif};
use crate::app::AppError;
use crate::app::audit::{Request, audit};
use crate::domain::outcome::{Outcome, Report, Trouble};
use crate::host::writer;

/// Arguments of `audit`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The environment.
    #[arg(long, env = "PASSGATE_TO", value_name = "URL[#BRANCH]")]
    to: String,
    /// Look only at the commits after this one.
    #[arg(long, env = "PASSGATE_SINCE", value_name = "COMMIT")]
    since: Option<String>,
    /// Print SARIF 2.1.0 on stdout, for code scanning.
    #[arg(long, env = "PASSGATE_SARIF", value_parser = common::boolish(), num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", hide_possible_values = true)]
    sarif: bool,
}

impl Args {
    /// Audits.
    ///
    /// # Errors
    /// As the use case.
    pub fn run(self, wiring: &Wiring) -> Result<u8, AppError> {
        if self.sarif && wiring.wants_json() {
            return Err(AppError::usage("--sarif and --json are two documents for one stdout", "give one of them"));
        }
        let to = common::place(&self.to)?;
        let remotes = wiring.remotes(Some(&to));
        let since = self.since.filter(|text| !text.is_empty());
        let found = audit(&wiring.context(&remotes), &Request { to: to.clone(), since })?;
        let result = match (found.findings.is_empty(), found.cut_off || !found.warnings.is_empty()) {
            (false, _) => Outcome::Findings,
            (true, true) => Outcome::Undecided,
            (true, false) => Outcome::Reported,
        };
        let mut report = Report::new(result);
        report.stage.clone_from(&found.stage);
        report.commit = Some(found.tip);
        report.warnings.clone_from(&found.warnings);
        if result == Outcome::Undecided {
            report.error = Some(Trouble {
                code: "undecided".to_owned(),
                message: format!("not everything of {} could be asked, so nobody can say that it is clean", found.env),
                causes: found.warnings.clone(),
                hint: Some("audit again when it answers; a cut-off repository needs: git fetch --unshallow".to_owned()),
            });
        }
        let text =
            || if self.sarif { sarif::document(&found, &to.url) } else { render::audit(&found, writer::width()) };
        let code = wiring.document(&report, ("findings", &found.findings), text);
        let rest = render::text(&report, writer::width());
        if !wiring.wants_json() && !rest.trim().is_empty() {
            writer::tell(&rest);
        }
        Ok(code)
    }
}
