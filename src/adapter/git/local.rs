//! A local repository that is packaged: only its objects are read.

use std::io::{self, BufRead, BufReader, Read};
use std::process::Stdio;

use super::command::{Git, Input};
use crate::domain::id::{BlobId, CommitId, ObjectId};
use crate::domain::listing::{Entry, EntryMode};
use crate::port::{PortError, WorkingCopy};

/// A repository of the user.
pub(super) struct Local {
    pub(super) git: Git,
}

impl WorkingCopy for Local {
    fn origin(&self) -> Result<Option<String>, PortError> {
        self.git.text("look at the repository", &["rev-parse", "--git-dir"]).map_err(|error| match error {
            PortError::Git { doing, said, .. } => {
                PortError::Git { doing, said, hint: Some("give --repo the path of a git repository".to_owned()) }
            }
            other => other,
        })?;
        let ran =
            self.git.run("read the URL of origin", &["config", "--get", "remote.origin.url"], Input::Nothing, true)?;
        let url = String::from_utf8_lossy(&ran.stdout).trim().to_owned();
        Ok((ran.success && !url.is_empty()).then_some(url))
    }

    fn commit(&self, revision: &str) -> Result<(CommitId, i64), PortError> {
        let doing = format!("find the commit {revision:?}");
        let peeled = format!("{revision}^{{commit}}");
        let text = self.git.text(&doing, &["rev-parse", "--verify", "--quiet", "--end-of-options", &peeled])?;
        let text = text.trim();
        let id: CommitId = text.parse().map_err(|error| PortError::Unusable(format!("{doing}: {error}")))?;
        let time = self.git.text(&doing, &["log", "-1", "--no-show-signature", "--format=%ct", text])?;
        let time = time.trim().parse().map_err(|_| PortError::Unusable(format!("{doing}: it has no time")))?;
        Ok((id, time))
    }

    fn leaves(&self, commit: CommitId, folder: &str) -> Result<Vec<(Vec<u8>, Entry)>, PortError> {
        let doing = format!("list {folder} of {}", commit.short());
        let commit = commit.to_string();
        let ran =
            self.git.must(&doing, &["ls-tree", "-r", "-z", "--full-tree", &commit, "--", folder], Input::Nothing)?;
        let mut leaves = Vec::new();
        for line in ran.stdout.split(|b| *b == 0).filter(|line| !line.is_empty()) {
            leaves.push(
                parse_entry(line)
                    .ok_or_else(|| PortError::Unusable(format!("{doing}: git's answer is not understood")))?,
            );
        }
        Ok(leaves)
    }

    fn uncommitted(&self, folders: &[String]) -> Result<Vec<String>, PortError> {
        let bare = self.git.text("look at the repository", &["rev-parse", "--is-bare-repository"])?;
        if bare.trim() == "true" {
            return Ok(Vec::new());
        }
        let top = self.git.text("find the work tree", &["rev-parse", "--show-toplevel"])?;
        let mut args = vec![
            "-C",
            top.trim_end_matches('\n'),
            "status",
            "--porcelain=v1",
            "-z",
            "--untracked-files=all",
            "--no-renames",
            "--",
        ];
        args.extend(folders.iter().map(String::as_str));
        let ran = self.git.must("look for uncommitted changes", &args, Input::Nothing)?;
        let lines = ran.stdout.split(|b| *b == 0).filter_map(|line| line.get(3..));
        Ok(lines
            .map(|path| String::from_utf8_lossy(path).into_owned())
            .filter(|p| !crate::domain::listing::has_git_file(p))
            .collect())
    }

    fn contents(&self, ids: Vec<BlobId>) -> Result<Box<dyn Iterator<Item = io::Result<Vec<u8>>> + Send>, PortError> {
        let mut command = self.git.command(&["cat-file", "--batch", "--buffer"]);
        let io_error = |source| PortError::Io { doing: "read file contents".to_owned(), source };
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().map_err(io_error)?;
        let missing = || io_error(io::Error::other("a pipe is missing"));
        let (stdin, stdout) = (child.stdin.take().ok_or_else(missing)?, child.stdout.take().ok_or_else(missing)?);
        let wanted: String = ids.iter().map(|id| format!("{id}\n")).collect();
        std::thread::spawn(move || {
            // When the reader stops early, this pipe breaks, and that is all that has to happen.
            let mut stdin = stdin;
            io::Write::write_all(&mut stdin, wanted.as_bytes()).ok();
        });
        let mut reader = BufReader::with_capacity(1 << 20, stdout);
        let mut ids = ids.into_iter();
        Ok(Box::new(std::iter::from_fn(move || {
            let Some(id) = ids.next() else {
                child.wait().ok();
                return None;
            };
            Some(read_blob(&mut reader, id))
        })))
    }
}

fn read_blob(reader: &mut impl BufRead, id: BlobId) -> io::Result<Vec<u8>> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let size: u64 = line
        .trim_end()
        .strip_prefix(&format!("{id} blob "))
        .and_then(|size| size.parse().ok())
        .ok_or_else(|| io::Error::other(format!("git does not have the blob {id}: {}", line.trim_end())))?;
    let mut content = Vec::new();
    reader.by_ref().take(size).read_to_end(&mut content)?;
    let mut newline = [0];
    reader.read_exact(&mut newline)?;
    if content.len() as u64 != size {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
    }
    Ok(content)
}

/// Reads `<mode> <kind> <id>\t<path>`.
pub(super) fn parse_entry(line: &[u8]) -> Option<(Vec<u8>, Entry)> {
    let tab = line.iter().position(|b| *b == b'\t')?;
    let head = std::str::from_utf8(&line[..tab]).ok()?;
    let mut words = head.split(' ');
    let mode = EntryMode::parse(words.next()?)?;
    let id: ObjectId = words.nth(1)?.parse().ok()?;
    Some((line[tab + 1..].to_vec(), (mode, id)))
}
