//! The writer: entries are compressed side by side, a bounded batch at a time, while the next contents are being read.

use std::fs;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::mpsc;

use rayon::prelude::*;
use zip::write::{PreparedZipFile, SimpleFileOptions};
use zip::{CompressionMethod, DateTime, System, ZipWriter};

use crate::domain::artifact::{MANIFEST, Manifest};
use crate::domain::listing::{File, FileMode};
use crate::port::ArtifactError;

use super::{Limits, io_error, proof, refused};

// Part of the format in practice: another level gives other bytes for the same commit.
const LEVEL: i64 = 4;
const BATCH: u64 = 8 << 20;
const BATCH_FILES: usize = 8192;
// Contents that were read and are not yet in the zip.
const IN_FLIGHT: u64 = 24 << 20;

type Contents<'a> = &'a mut (dyn Iterator<Item = io::Result<Vec<u8>>> + Send);
type Batch<'a> = Vec<(&'a File, Vec<u8>)>;

/// Writes the zip of `manifest` beside `path` and moves it there.
#[allow(clippy::disallowed_methods, reason = "the zip appears whole, by a temporary file beside it")]
pub(super) fn write(
    path: &Path,
    manifest: &Manifest,
    contents: Contents<'_>,
    limits: Limits,
) -> Result<(), ArtifactError> {
    let shown = path.display().to_string();
    let failed = |source: io::Error| io_error(&shown, source);
    let bytes = manifest.to_bytes().map_err(|error| failed(error.into()))?;
    // What the reader would refuse must not be written.
    proof::check_names(manifest.files.par_iter().map(|file| file.path.as_str()))?;
    proof::parse(&bytes)?;
    proof::prove(manifest, bytes.len() as u64, limits)?;

    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut temp = tempfile::Builder::new()
        .prefix(".passgate-")
        .suffix(".tmp")
        // The default keeps others from reading it; the umask still applies.
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .map_err(failed)?;

    let mut zip = ZipWriter::new(Tail::new(temp.as_file_mut()));
    let append =
        |zip: &mut ZipWriter<Tail<'_>>, prepared| zip.add_prepared_file(prepared).map_err(|error| failed(error.into()));
    append(&mut zip, pack(MANIFEST, FileMode::Regular, &bytes, limits).map_err(failed)?)?;
    drop(bytes);
    std::thread::scope(|scope| {
        let (send, batches) = mpsc::sync_channel(1);
        let (done, written) = mpsc::channel();
        let producer = scope.spawn(move || pull(&manifest.files, contents, &send, &written));
        let result = batches.iter().try_for_each(|batch: Batch<'_>| {
            let size = batch.iter().map(|(file, _)| file.size).sum::<u64>();
            let prepared = batch.into_par_iter().map(|(file, content)| {
                proof::check_again(&content, file)?;
                pack(&file.path, file.mode, &content, limits).map_err(failed)
            });
            for prepared in prepared.collect::<Result<Vec<_>, _>>()? {
                append(&mut zip, prepared)?;
            }
            // Nobody listens any more once the last content was read.
            let _ = done.send(size);
            Ok(())
        });
        drop((batches, done));
        match producer.join() {
            Ok(pulled) => result.and(pulled),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })?;
    let mut out = zip.finish().map_err(|error| failed(error.into()))?;
    out.flush().map_err(failed)?;
    if out.at >= u64::from(u32::MAX) {
        return Err(refused("the zip would need zip64, which no reader of artifacts accepts"));
    }
    drop(out);
    temp.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

// Reads ahead until IN_FLIGHT bytes wait; a larger file waits alone.
fn pull<'a>(
    files: &'a [File],
    contents: Contents<'_>,
    send: &mpsc::SyncSender<Batch<'a>>,
    written: &mpsc::Receiver<u64>,
) -> Result<(), ArtifactError> {
    let mut in_flight = 0;
    let mut batch = Batch::new();
    let mut bytes = 0;
    for (index, file) in files.iter().enumerate() {
        while in_flight > 0 && in_flight + bytes + file.size > IN_FLIGHT {
            let Ok(size) = written.recv() else { return Ok(()) };
            in_flight -= size;
        }
        let content = match contents.next() {
            Some(content) => content.map_err(|source| io_error(&file.path, source))?,
            None => return Err(refused(format!("there are {} files, but only {index} contents", files.len()))),
        };
        if content.len() as u64 != file.size {
            return Err(refused(format!("the content of {:?} does not have the size that {MANIFEST} says", file.path)));
        }
        batch.push((file, content));
        bytes += file.size;
        let next = files.get(index + 1).map_or(0, |next| next.size);
        if bytes + next > BATCH || batch.len() == BATCH_FILES || index + 1 == files.len() {
            in_flight += bytes;
            bytes = 0;
            if send.send(std::mem::take(&mut batch)).is_err() {
                return Ok(());
            }
        }
    }
    match contents.next() {
        None => Ok(()),
        Some(_) => Err(refused(format!("there are more contents than the {} files", files.len()))),
    }
}

fn pack(name: &str, mode: FileMode, content: &[u8], limits: Limits) -> io::Result<PreparedZipFile> {
    let options: SimpleFileOptions = SimpleFileOptions::default()
        .system(System::Unix)
        .last_modified_time(DateTime::default())
        .unix_permissions(match mode {
            FileMode::Regular => 0o644,
            FileMode::Executable => 0o755,
        });
    let deflate = options.compression_method(CompressionMethod::Deflated).compression_level(Some(LEVEL));
    let store = options.compression_method(CompressionMethod::Stored);
    if content.is_empty() {
        return Ok(PreparedZipFile::from_data(name, store, content)?);
    }
    let prepared = PreparedZipFile::from_data(name, deflate, content)?;
    let (size, packed) = (content.len() as u64, prepared.compressed_size());
    // The reader takes a very good compression for a bomb.
    if packed < size && size <= packed.saturating_mul(limits.ratio) {
        return Ok(prepared);
    }
    drop(prepared);
    Ok(PreparedZipFile::from_data(name, store, content)?)
}

/// Knows where it stands, so that asking, as the zip writer does several times an entry, need not flush. After a failure,
/// which was reported, it takes what it gets: the zip writer finishes when it is dropped, and would print a second one.
struct Tail<'a> {
    inner: BufWriter<&'a mut fs::File>,
    at: u64,
    failed: bool,
}

impl<'a> Tail<'a> {
    fn new(file: &'a mut fs::File) -> Self {
        Self { inner: BufWriter::with_capacity(256 << 10, file), at: 0, failed: false }
    }
}

impl Write for Tail<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.failed {
            return Ok(bytes.len());
        }
        let written = self.inner.write(bytes).inspect_err(|_| self.failed = true)?;
        self.at += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.failed {
            return Ok(());
        }
        self.inner.flush().inspect_err(|_| self.failed = true)
    }
}

impl Seek for Tail<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        if !self.failed && to != SeekFrom::Current(0) && to != SeekFrom::Start(self.at) {
            self.at = self.inner.seek(to).inspect_err(|_| self.failed = true)?;
        }
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::disallowed_methods, reason = "the device is the test")]
    fn a_full_disk_fails_once() {
        let Ok(mut full) = fs::OpenOptions::new().write(true).open("/dev/full") else { return };
        let mut tail = Tail::new(&mut full);
        assert!(tail.write_all(&[0; 1 << 20]).is_err());
        assert!(tail.write_all(b"x").is_ok() && tail.flush().is_ok() && tail.seek(SeekFrom::End(0)).is_ok());
    }
}
