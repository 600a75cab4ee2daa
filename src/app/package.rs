//! `package`: from a commit of a local repository to a deployment zip.

use std::collections::{BTreeMap, btree_map};
use std::io;
use std::path::PathBuf;

use super::{AppError, Context};
use crate::domain::artifact::{self, FORMAT, Manifest, Source, check_version, digest_of, folders_of};
use crate::domain::escape;
use crate::domain::id::{BlobId, UnitName};
use crate::domain::listing::{EntryMode, File, FileMode, has_git_file};
use crate::domain::outcome::{Outcome, Report};
use crate::domain::path;
use crate::domain::time;
use crate::domain::url::RepoUrl;
use crate::port::{ArtifactError, Draft, PortError, Progress, WorkingCopy};

// What the reader accepts is what the writer writes; larger things are refused on both sides.
const MAX_FILE: u64 = 64 << 20;
const MAX_TOTAL: u64 = 1 << 30;
const MAX_FILES: usize = 65_534;

/// What is to be packaged.
#[derive(Debug, Clone)]
pub struct Request {
    /// The revision; `HEAD` by default.
    pub revision: String,
    /// The unit's name; the repository's by default.
    pub unit: Option<UnitName>,
    /// The folders: where they are in the source, where they are in environments.
    pub folders: Vec<(String, String)>,
    /// The source repository; `origin` by default.
    pub source: Option<RepoUrl>,
    /// A label for people.
    pub version: Option<String>,
    /// Folders that may be missing or without files.
    pub allow_empty: Vec<String>,
    /// The zip; `<unit>.zip` by default.
    pub output: Option<PathBuf>,
}

/// Writes the zip.
///
/// # Errors
/// Something in the folders cannot be packed, or the zip cannot be written.
pub fn package(context: &Context<'_>, copy: &dyn WorkingCopy, request: Request) -> Result<Report, AppError> {
    let source = match request.source {
        Some(url) => url,
        None => origin(copy)?,
    };
    let source = context.repositories.canonical(&source);
    let unit = match request.unit {
        Some(unit) => unit,
        None => {
            source.name().parse().map_err(|error| AppError::usage(format!("{error}"), "name the unit with --unit"))?
        }
    };
    if let Some(version) = &request.version {
        check_version(version)
            .map_err(|why| AppError::usage(why, "give a shorter --version of printable characters"))?;
    }
    let mut folders = request.folders;
    folders.sort_by(|a, b| a.1.cmp(&b.1));
    check_folders(&folders)?;
    let (commit, committed) = copy.commit(&request.revision)?;
    let mut entries: BTreeMap<String, (FileMode, BlobId)> = BTreeMap::new();
    for (from, to) in &folders {
        let found = collect(copy, commit, from, to)?;
        if found.is_empty() && !request.allow_empty.iter().any(|folder| folder == to) {
            return Err(AppError::usage(
                format!("the folder {} of {} has no files", escape::line(from), commit.short()),
                format!(
                    "commit it, choose other folders with --folder, or declare it empty: --allow-empty {}",
                    escape::line(to)
                ),
            ));
        }
        entries.extend(found);
    }
    if entries.len() > MAX_FILES {
        return Err(AppError::usage(
            format!("{} files are too many for one artifact", entries.len()),
            "split the unit",
        ));
    }
    path::check_collisions(entries.keys().map(String::as_str))
        .map_err(|bad| AppError::usage(escape::line(&bad.to_string()), "rename one of them in the source"))?;

    context.progress.step("writing the zip");
    let names: Vec<String> = folders.iter().map(|(_, to)| to.clone()).collect();
    let mut finish = |files: Vec<File>| {
        Ok(Manifest {
            format: FORMAT.to_owned(),
            unit: unit.clone(),
            digest: digest_of(&files),
            folders: folders_of(&names, &files).map_err(|collision| ArtifactError::Refused(collision.to_string()))?,
            source: Source { repository: source.clone(), commit, committed: time::text(committed) },
            version: request.version.clone(),
            files,
        })
    };
    let output = request.output.unwrap_or_else(|| PathBuf::from(format!("{unit}.zip")));
    let contents = copy.contents(entries.values().map(|(_, id)| *id).collect())?;
    let (progress, count) = (context.progress, entries.len() as u64);
    let mut contents = Checked { paths: entries.keys(), contents, total: 0, wrong: None, progress, done: 0, count };
    let drafts = entries.iter().map(|(path, (mode, blob))| Draft { path: path.clone(), mode: *mode, blob: *blob });
    let written = context.artifacts.write(&output, drafts.collect(), &mut contents, &mut finish);
    if let Some(wrong) = contents.wrong {
        return Err(wrong);
    }
    let manifest = written?;

    let from: Vec<String> = folders.into_iter().map(|(from, _)| from).collect();
    let mut report = Report::new(Outcome::Packaged);
    // The warning is about the commit's folders; a clone that cannot tell is no reason to fail.
    let uncommitted = copy.uncommitted(&from).unwrap_or_default();
    if !uncommitted.is_empty() {
        let listed: Vec<String> = uncommitted.iter().take(10).map(|path| escape::line(path)).collect();
        let more = uncommitted.len().saturating_sub(10);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        report.warnings.push(format!(
            "not in the zip, because not committed: {}{more} (the zip holds {})",
            listed.join(", "),
            commit.short()
        ));
    }
    report.digest = Some(manifest.digest);
    report.path = Some(output.display().to_string());
    report.unit = Some(unit);
    report.changes.added = manifest.files.into_iter().map(|file| file.path).collect();
    Ok(report)
}

fn origin(copy: &dyn WorkingCopy) -> Result<RepoUrl, AppError> {
    let hint = "name the source repository with --source URL: it is what stage.yaml accepts";
    let url = copy.origin()?.ok_or_else(|| AppError::usage("the repository has no `origin`", hint))?;
    if url.starts_with('/') {
        return RepoUrl::from_path(&url).map_err(|error| AppError::usage(error.to_string(), hint));
    }
    // A clone that carries a password in its URL still names one repository.
    let clean = match url.split_once("://").map(|(scheme, rest)| (scheme, rest.split_once('@'))) {
        Some((scheme @ ("http" | "https"), Some((user, rest)))) if !user.contains('/') => format!("{scheme}://{rest}"),
        _ => url,
    };
    clean.parse().map_err(|error: crate::domain::id::InvalidId| AppError::usage(error.to_string(), hint))
}

fn check_folders(folders: &[(String, String)]) -> Result<(), AppError> {
    let hint = "give folders as --folder apps or --folder deploy/apps=apps";
    if folders.is_empty() {
        return Err(AppError::usage("no folder is selected", hint));
    }
    for (at, (from, to)) in folders.iter().enumerate() {
        path::check(from).map_err(|bad| AppError::usage(escape::line(&bad.to_string()), hint))?;
        artifact::check_folder(to).map_err(|bad| AppError::usage(escape::line(&bad.to_string()), hint))?;
        for (_, other) in &folders[at + 1..] {
            if path::is_within(other, to) || path::is_within(to, other) {
                return Err(AppError::usage(format!("the folders {to} and {other} overlap"), hint));
            }
        }
    }
    Ok(())
}

fn collect(
    copy: &dyn WorkingCopy,
    commit: crate::domain::id::CommitId,
    from: &str,
    to: &str,
) -> Result<BTreeMap<String, (FileMode, BlobId)>, AppError> {
    let mut found = BTreeMap::new();
    let refuse =
        |path: &str, what: &str, hint: &str| AppError::usage(format!("{} is {what}", escape::line(path)), hint);
    for (name, (mode, id)) in copy.leaves(commit, from)? {
        let Ok(name) = String::from_utf8(name.clone()) else {
            let shown = String::from_utf8_lossy(&name).into_owned();
            return Err(refuse(&shown, "a name that is not UTF-8", "rename it"));
        };
        let Some(rest) = name.strip_prefix(from).filter(|rest| rest.starts_with('/')) else {
            return Err(refuse(&name, "not a folder", "select a folder"));
        };
        let path = format!("{to}{rest}");
        if has_git_file(&path) {
            continue;
        }
        let mode = match mode {
            EntryMode::Regular => FileMode::Regular,
            EntryMode::Executable => FileMode::Executable,
            EntryMode::Symlink => {
                return Err(refuse(
                    &name,
                    "a symbolic link",
                    "an artifact holds files only: replace it by its content",
                ));
            }
            EntryMode::Submodule => {
                return Err(refuse(&name, "a submodule", "an artifact holds files only: copy the files in"));
            }
            EntryMode::Tree => continue,
        };
        path::check(&path).map_err(|bad| AppError::usage(escape::line(&bad.to_string()), "rename it in the source"))?;
        found.insert(path, (mode, BlobId(id)));
    }
    Ok(found)
}

/// Contents on their way into the zip; the first that cannot be packed ends them, and is put aside.
struct Checked<'a> {
    paths: btree_map::Keys<'a, String, (FileMode, BlobId)>,
    contents: Box<dyn Iterator<Item = io::Result<Vec<u8>>> + Send>,
    total: u64,
    wrong: Option<AppError>,
    progress: &'a dyn Progress,
    done: u64,
    count: u64,
}

impl Iterator for Checked<'_> {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        let path = self.paths.next()?;
        let checked = match self.contents.next()? {
            Ok(content) => self.check(path, &content).map(|()| content),
            Err(source) => Err(PortError::Io { doing: format!("read {}", escape::line(path)), source }.into()),
        };
        self.done += 1;
        self.progress.amount(self.done, self.count);
        Some(checked.map_err(|wrong| {
            self.wrong = Some(wrong);
            io::Error::other("it cannot be packed")
        }))
    }
}

impl Checked<'_> {
    fn check(&mut self, path: &str, content: &[u8]) -> Result<(), AppError> {
        refuse_pointer(path, content)?;
        let size = content.len() as u64;
        self.total += size;
        if size > MAX_FILE || self.total > MAX_TOTAL {
            return Err(AppError::usage(
                format!("{} makes the artifact too large", escape::line(path)),
                "an artifact holds configuration: at most 64 MiB a file and 1 GiB in all",
            ));
        }
        Ok(())
    }
}

fn refuse_pointer(path: &str, content: &[u8]) -> Result<(), AppError> {
    let is_pointer = content.len() < 1024 && content.starts_with(b"version https://git-lfs.github.com/spec/");
    if is_pointer {
        return Err(AppError::usage(
            format!("{} is a Git LFS pointer, not the file itself", escape::line(path)),
            "keep configuration out of LFS: git lfs migrate export",
        ));
    }
    Ok(())
}
