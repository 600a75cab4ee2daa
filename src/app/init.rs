//! `init`: writes the rules of environments and the pipelines that use them.

use std::path::Path;

use super::AppError;
use crate::domain::outcome::{Outcome, Report};
use crate::domain::scaffold::{self, Scaffold};
use crate::port::Folders;

/// Writes what is wanted below a folder. Nothing is written over, unless it is said to.
///
/// # Errors
/// What is wanted makes no sense, a file is there already, or one cannot be written.
pub fn init(
    folders: &dyn Folders,
    dir: &Path,
    wanted: &Scaffold,
    force: bool,
) -> Result<(Report, Vec<String>), AppError> {
    let files = scaffold::files(wanted).map_err(|why| {
        AppError::usage(crate::domain::escape::line(&why), "see passgate help init; set up by hand what it cannot do")
    })?;
    let taken = folders.taken(dir, &mut files.keys().map(String::as_str));
    if !force && !taken.is_empty() {
        let taken: Vec<String> = taken.iter().map(|path| crate::domain::escape::line(path)).collect();
        return Err(AppError::usage(
            format!("{} has {} already", dir.display(), taken.join(", ")),
            "give another --dir, or --force to write over them",
        ));
    }
    folders.write(dir, &files)?;
    let mut report = Report::new(Outcome::Initialized);
    report.unit = Some(wanted.unit.clone());
    report.path = Some(dir.display().to_string());
    Ok((report, files.into_keys().collect()))
}
