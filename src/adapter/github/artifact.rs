//! The deployment zip in an artifact of a workflow run.
//!
//! GitHub puts what a run uploads into a zip of its own. That is only a wrapping: whatever comes out of it is proven by the
//! gates as if somebody had handed it over.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::client::{Api, Restart, Trouble};
use crate::domain::artifact::MANIFEST;
use crate::domain::escape;
use crate::port::{Fetched, PortError};

// As much as a deployment zip may hold, and its wrapping.
const LARGEST: u64 = (1 << 30) + (64 << 20);
const MOST_ENTRIES: usize = 10_000;
const MOST_PAGES: usize = 20;
const PAGE: usize = 100;

#[derive(Deserialize)]
struct Listed {
    total_count: usize,
    artifacts: Vec<One>,
}

#[derive(Deserialize)]
struct One {
    id: u64,
    name: String,
    expired: bool,
    digest: Option<String>,
    workflow_run: Option<Run>,
}

#[derive(Deserialize)]
struct Run {
    repository_id: Option<u64>,
    head_repository_id: Option<u64>,
}

/// Brings it.
pub(super) fn fetch(api: &Api<'_>, run: u64, name: Option<&str>) -> Result<Fetched, PortError> {
    let doing = format!("get an artifact of the run {run} of");
    let error = |said: String, hint: Option<String>| api.error(&doing, said, hint);
    let mut all = list(api, &doing, run, name)?;
    // A run that was tried again may have several of a name.
    all.sort_by(|a, b| a.name.cmp(&b.name).then(b.id.cmp(&a.id)));
    all.dedup_by(|later, first| later.name == first.name);
    let names: Vec<String> = all.iter().take(10).map(|one| escape::line(&one.name)).collect();
    let mut all = all.into_iter().filter(|one| name.is_none_or(|name| one.name == name));
    let (one, more) = (all.next(), all.next());
    let one = match (one, more, name) {
        (Some(one), None, _) => one,
        (None, _, Some(name)) => {
            let others = if names.is_empty() { String::new() } else { format!(", but {}", names.join(", ")) };
            return Err(error(format!("it has no artifact {}{others}", escape::line(name)), Some(LOOK.to_owned())));
        }
        (None, ..) => return Err(error("it has no artifact".to_owned(), Some(LOOK.to_owned()))),
        (Some(_), Some(_), _) => {
            let hint = format!("name one: run:{}/{run}/NAME", api.slug());
            return Err(error(format!("it has several: {}", names.join(", ")), Some(hint)));
        }
    };
    let shown = escape::line(&one.name);
    let from = one.workflow_run.as_ref().map(|run| (run.repository_id, run.head_repository_id));
    if let Some((Some(own), Some(head))) = from
        && own != head
    {
        return Ok(Fetched::Refused(format!(
            "the artifact {shown} of the run {run} of {} was made for a fork (a pull request from outside)",
            api.slug()
        )));
    }
    let gone = || error(format!("the artifact {shown} has expired"), Some(GONE.to_owned()));
    if one.expired {
        return Err(gone());
    }
    let mut outer = Hashed::new().map_err(|source| temporary(&doing, source))?;
    match api.download(&doing, &format!("actions/artifacts/{}/zip", one.id), LARGEST, &mut outer) {
        Ok(()) => {}
        Err(Trouble::Gone) => return Err(gone()),
        Err(Trouble::Other(error)) => return Err(error),
    }
    let Hashed { file, sum } = outer;
    if let Some(digest) = &one.digest {
        let have = format!("sha256:{}", hex::encode(sum.finalize()));
        if *digest != have {
            let said =
                format!("the artifact {shown} is not what GitHub says it is: {have}, not {}", escape::line(digest));
            return Err(error(said, None));
        }
    }
    match unwrapped(file) {
        Ok(Ok(zip)) => Ok(Fetched::Zip(Box::new(zip.into_temp_path()))),
        Ok(Err(why)) => Err(error(format!("in the artifact {shown} {why}"), Some(UPLOAD.to_owned()))),
        Err(source) => Err(temporary(&doing, source)),
    }
}

const LOOK: &str =
    "look at the run's page; what is live in the stage before needs no artifact: passgate release --from";
const GONE: &str = "promote what is live in the stage before, which needs no artifact: passgate release --from ENV --unit NAME; \
                    or run the workflow that packages again";
const UPLOAD: &str = "upload the zip that `passgate package` wrote, alone, as its artifact";

fn temporary(doing: &str, source: io::Error) -> PortError {
    PortError::Io { doing: format!("cannot {doing} a repository: a temporary file"), source }
}

fn list(api: &Api<'_>, doing: &str, run: u64, name: Option<&str>) -> Result<Vec<One>, PortError> {
    let name = name.map(|name| format!("&name={}", utf8_percent_encode(name, NON_ALPHANUMERIC))).unwrap_or_default();
    let mut all = Vec::new();
    for page in 1..=MOST_PAGES {
        let path = format!("actions/runs/{run}/artifacts?per_page={PAGE}&page={page}{name}");
        let answer: Listed = api.get(doing, &path)?;
        let had = all.len();
        all.extend(answer.artifacts);
        if all.len() >= answer.total_count {
            return Ok(all);
        }
        if all.len() == had {
            return Err(api.error(doing, format!("it tells of {} and shows {had}", answer.total_count), None));
        }
    }
    Err(api.error(doing, format!("there are more than {}", MOST_PAGES * PAGE), None))
}

// A temporary file and the sum of what was written into it.
struct Hashed {
    file: NamedTempFile,
    sum: Sha256,
}

impl Hashed {
    #[allow(clippy::disallowed_methods, reason = "this is an adapter: what it downloads is read by another one")]
    fn new() -> io::Result<Self> {
        Ok(Self { file: NamedTempFile::new()?, sum: Sha256::new() })
    }
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.sum.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Restart for Hashed {
    fn restart(&mut self) -> io::Result<()> {
        self.file.as_file_mut().set_len(0)?;
        self.file.as_file_mut().seek(SeekFrom::Start(0))?;
        self.sum = Sha256::new();
        Ok(())
    }
}

// The deployment zip within what was downloaded, or why there is none.
fn unwrapped(outer: NamedTempFile) -> io::Result<Result<NamedTempFile, String>> {
    let mut file = outer.reopen()?;
    // A run may upload a file without a wrapping.
    if is_deployment(&mut file)? {
        return Ok(Ok(outer));
    }
    let mut archive = match zip::ZipArchive::new(io::BufReader::new(file)) {
        Ok(archive) if archive.len() <= MOST_ENTRIES => archive,
        Ok(archive) => return Ok(Err(format!("are {} files", archive.len()))),
        Err(error) => return Ok(Err(format!("is no zip: {}", escape::line(&error.to_string())))),
    };
    let is_zip = |name: &str| Path::new(name).extension().is_some_and(|end| end.eq_ignore_ascii_case("zip"));
    let inner: Vec<String> =
        archive.file_names().flatten().map(std::borrow::Cow::into_owned).filter(|name| is_zip(name)).collect();
    let [inner] = inner.as_slice() else {
        return Ok(Err(format!("are {} zips among {} files, and not one", inner.len(), archive.len())));
    };
    let entry = match archive.by_name(inner) {
        Ok(entry) => entry,
        Err(error) => return Ok(Err(format!("is a damaged entry: {}", escape::line(&error.to_string())))),
    };
    let mut zip = Hashed::new()?.file;
    match io::copy(&mut entry.take(LARGEST + 1), &mut zip) {
        Ok(size) if size > LARGEST => Ok(Err(format!("is more than {LARGEST} bytes"))),
        Ok(_) => Ok(Ok(zip)),
        Err(error) => Ok(Err(format!("is a damaged entry: {}", escape::line(&error.to_string())))),
    }
}

// Whether a zip begins as `package` writes it: a local header of 30 bytes, then the name of the manifest.
fn is_deployment(file: &mut File) -> io::Result<bool> {
    let mut head = Vec::new();
    Read::by_ref(file).take(64).read_to_end(&mut head)?;
    file.seek(SeekFrom::Start(0))?;
    let name = head.get(30..).is_some_and(|name| name.starts_with(MANIFEST.as_bytes()));
    Ok(head.starts_with(b"PK\x03\x04") && name)
}
