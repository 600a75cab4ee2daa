//! A downloaded artifact: a temporary file, the sum of its bytes, and the deployment zip within.
//!
//! Forges put what a run uploads into a zip of their own. That is only a wrapping: whatever comes out of it is proven by the
//! gates as if somebody had handed it over.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::Restart;
use crate::domain::artifact::MANIFEST;
use crate::domain::escape;
use crate::port::{Fetched, PortError};

/// As much as a deployment zip may hold, and its wrapping.
pub(in crate::adapter) const LARGEST: u64 = (1 << 30) + (64 << 20);
const MOST_ENTRIES: usize = 10_000;

/// A temporary file and the sum of what was written into it.
pub(in crate::adapter) struct Hashed {
    file: NamedTempFile,
    sum: Sha256,
}

impl Hashed {
    /// An empty one.
    ///
    /// # Errors
    /// No file can be made.
    #[allow(clippy::disallowed_methods, reason = "this is an adapter: what it downloads is read by another one")]
    pub(in crate::adapter) fn new() -> io::Result<Self> {
        Ok(Self { file: NamedTempFile::new()?, sum: Sha256::new() })
    }

    /// The SHA-256 of what was written, as `sha256:` and hexadecimal digits.
    pub(in crate::adapter) fn digest(&self) -> String {
        format!("sha256:{}", hex::encode(self.sum.clone().finalize()))
    }

    /// The deployment zip within, or why there is none.
    ///
    /// # Errors
    /// A temporary file cannot be read or written.
    pub(in crate::adapter) fn unwrapped(self) -> io::Result<Result<Fetched, String>> {
        let unwrapped = unwrapped(self.file)?;
        Ok(unwrapped.map(|zip| Fetched::Zip(Box::new(zip.into_temp_path()))))
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

/// What a file of our own that cannot be had means while something was `doing`.
pub(in crate::adapter) fn temporary(doing: &str, source: io::Error) -> PortError {
    PortError::Io { doing: format!("cannot {doing}: a temporary file"), source }
}
