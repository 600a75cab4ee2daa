//! The writer: each content is read once, hashed and compressed side by side, a bounded batch at a time, while the next ones
//! are being read. Finished entries wait in a file of their own, because the manifest, which needs them all, comes first.

use std::fs;
use std::io::{self, BufWriter, Seek, Write};
use std::path::Path;
use std::sync::mpsc;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use rayon::prelude::*;
use sha2::{Digest as _, Sha256 as Hasher};

use crate::domain::artifact::{self, MANIFEST, Manifest};
use crate::domain::id::Sha256;
use crate::domain::listing::{File, FileMode};
use crate::port::{ArtifactError, Draft};

use super::layout::{End, Entry};
use super::{Limits, io_error, proof, refused};

// Part of the format in practice: another level gives other bytes for the same commit.
const LEVEL: u32 = 4;
const BATCH: u64 = 2 << 20;
const BATCH_FILES: usize = 8192;
// Contents that were read and are not yet compressed; one that is larger waits alone.
const IN_FLIGHT: u64 = 16 << 20;

type Contents<'a> = &'a mut (dyn Iterator<Item = io::Result<Vec<u8>>> + Send);
type Batch = Vec<(Draft, Vec<u8>)>;

/// Writes the zip of `drafts` beside `path` and moves it there; `finish` makes the manifest of the files.
#[allow(clippy::disallowed_methods, reason = "the zip appears whole, by a temporary file beside it")]
pub(super) fn write(
    path: &Path,
    drafts: Vec<Draft>,
    contents: Contents<'_>,
    finish: &mut dyn FnMut(Vec<File>) -> Result<Manifest, ArtifactError>,
    limits: Limits,
) -> Result<Manifest, ArtifactError> {
    let shown = path.display().to_string();
    let failed = |source: io::Error| ArtifactError::Unwritten { path: shown.clone(), source };
    // What the reader would refuse must not be written.
    proof::check_names(drafts.par_iter().map(|draft| draft.path.as_str()))?;
    if drafts.len() as u64 >= limits.entries {
        return Err(proof::too_many(limits));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut draft = tempfile::Builder::new();
    draft.prefix(".passgate-").suffix(".tmp");
    // The default keeps others from reading it; the umask still applies.
    #[cfg(unix)]
    draft.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut temp = draft.tempfile_in(folder).map_err(failed)?;
    let mut waiting = Waiting::new(tempfile::tempfile_in(folder).map_err(failed)?);

    let (mut files, mut entries) = (Vec::with_capacity(drafts.len()), Vec::with_capacity(drafts.len() + 1));
    std::thread::scope(|scope| {
        let (send, batches) = mpsc::sync_channel(1);
        let (done, packed) = mpsc::channel();
        let producer = scope.spawn(move || pull(drafts, contents, &send, &packed));
        let result = batches.iter().try_for_each(|batch: Batch| {
            let size = batch.iter().map(|(_, content)| content.len() as u64).sum::<u64>();
            let side_by_side = batch.into_par_iter().map_init(Packer::new, |packer, (draft, content)| {
                let file = file_of(draft, &content);
                let (entry, data) = packer.pack(&file.path, file.mode, content, limits)?;
                Ok((file, entry, data))
            });
            for (file, entry, data) in side_by_side.collect::<io::Result<Vec<_>>>()? {
                entries.push(waiting.append(&file.path, entry, &data)?);
                files.push(file);
            }
            // Nobody listens any more once the last content was read.
            let _ = done.send(size);
            Ok(())
        });
        drop((batches, done));
        match producer.join() {
            Ok(pulled) => result.map_err(failed).and(pulled),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })?;

    let digest = artifact::digest_of(&files);
    let manifest = finish(files)?;
    let bytes = manifest.to_bytes().map_err(|error| failed(error.into()))?;
    let differs = entries.iter().zip(&manifest.files).any(|(entry, file)| u64::from(entry.size) != file.size);
    if digest != manifest.digest || differs {
        return Err(refused(format!("the contents are not those that {MANIFEST} lists")));
    }
    let (parsed, proven) = rayon::join(|| proof::parse(&bytes), || proof::prove(&manifest, bytes.len() as u64, limits));
    parsed.and(proven)?;

    let (first, data) = Packer::new().pack(MANIFEST, FileMode::Regular, bytes, limits).map_err(failed)?;
    let mut out = BufWriter::with_capacity(256 << 10, temp.as_file_mut());
    let head = first.local_header(MANIFEST);
    out.write_all(&head).and_then(|()| out.write_all(&data)).and_then(|()| out.flush()).map_err(failed)?;
    let begin = first.end();
    let end = begin + waiting.into_file().and_then(|mut file| io::copy(&mut file, out.get_mut())).map_err(failed)?;
    let mut size = 0;
    let names = [MANIFEST].into_iter().chain(manifest.files.iter().map(|file| file.path.as_str()));
    for (name, entry) in names.zip([first].into_iter().chain(entries.iter().map(|entry| entry.moved(begin)))) {
        out.write_all(&entry.central_entry(name)).map_err(failed)?;
        size += entry.central_len() as u64;
    }
    // No offset is larger than the sum of all, so none was cut off.
    let (Ok(offset), Ok(size), Ok(count)) = (u32::try_from(end), u32::try_from(size), u16::try_from(entries.len() + 1))
    else {
        return Err(refused("the zip would need zip64, which no reader of artifacts accepts"));
    };
    if offset.checked_add(size).is_none_or(|sum| sum == u32::MAX) {
        return Err(refused("the zip would need zip64, which no reader of artifacts accepts"));
    }
    let last = End { entries: count, size, offset }.to_bytes();
    out.write_all(&last).and_then(|()| out.flush()).map_err(failed)?;
    drop(out);
    temp.persist(path).map_err(|error| failed(error.error))?;
    Ok(manifest)
}

// Reads ahead until IN_FLIGHT bytes wait.
fn pull(
    drafts: Vec<Draft>,
    contents: Contents<'_>,
    send: &mpsc::SyncSender<Batch>,
    packed: &mpsc::Receiver<u64>,
) -> Result<(), ArtifactError> {
    let count = drafts.len();
    let mut in_flight = 0;
    let mut batch = Batch::new();
    let mut bytes = 0;
    for (index, draft) in drafts.into_iter().enumerate() {
        while in_flight > IN_FLIGHT {
            let Ok(size) = packed.recv() else { return Ok(()) };
            in_flight -= size;
        }
        let content = match contents.next() {
            Some(content) => content.map_err(|source| io_error(&draft.path, source))?,
            None => return Err(refused(format!("there are {count} files, but only {index} contents"))),
        };
        bytes += content.len() as u64;
        batch.push((draft, content));
        if bytes > BATCH || batch.len() == BATCH_FILES || index + 1 == count {
            in_flight += std::mem::take(&mut bytes);
            if send.send(std::mem::take(&mut batch)).is_err() {
                return Ok(());
            }
        }
    }
    match contents.next() {
        None => Ok(()),
        Some(_) => Err(refused(format!("there are more contents than the {count} files"))),
    }
}

fn file_of(draft: Draft, content: &[u8]) -> File {
    let Draft { path, mode, blob } = draft;
    File { path, mode, size: content.len() as u64, sha256: Sha256(Hasher::digest(content).into()), blob }
}

/// Compresses one content after the other. What it makes of one does not depend on those before.
struct Packer(DeflateEncoder<Vec<u8>>);

impl Packer {
    fn new() -> Self {
        Self(DeflateEncoder::new(Vec::new(), Compression::new(LEVEL)))
    }

    // The entry, as if it stood at offset 0, and its bytes.
    fn pack(&mut self, name: &str, mode: FileMode, content: Vec<u8>, limits: Limits) -> io::Result<(Entry, Vec<u8>)> {
        let too_large = |_| io::Error::new(io::ErrorKind::FileTooLarge, name.to_owned());
        let name_len = u16::try_from(name.len()).map_err(too_large)?;
        let size = u32::try_from(content.len()).map_err(too_large)?;
        let stored =
            Entry { name_len, mode, deflated: false, crc: crc32fast::hash(&content), packed: size, size, offset: 0 };
        if content.is_empty() {
            return Ok((stored, content));
        }
        // The result depends on how the content is cut into pieces: it is given whole.
        self.0.write_all(&content)?;
        let data = self.0.reset(Vec::new())?;
        // The reader takes a very good compression for a bomb.
        match u32::try_from(data.len()) {
            Ok(packed) if packed < size && u64::from(size) <= u64::from(packed).saturating_mul(limits.ratio) => {
                Ok((Entry { deflated: true, packed, ..stored }, data))
            }
            _ => Ok((stored, content)),
        }
    }
}

/// Finished entries, until the manifest that comes before them is known.
struct Waiting {
    out: BufWriter<fs::File>,
    at: u64,
}

impl Waiting {
    fn new(file: fs::File) -> Self {
        Self { out: BufWriter::with_capacity(256 << 10, file), at: 0 }
    }

    fn append(&mut self, name: &str, entry: Entry, data: &[u8]) -> io::Result<Entry> {
        let entry = entry.moved(self.at);
        self.out.write_all(&entry.local_header(name))?;
        self.out.write_all(data)?;
        self.at += entry.header_len() as u64 + data.len() as u64;
        Ok(entry)
    }

    fn into_file(self) -> io::Result<fs::File> {
        let mut file = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        Ok(file)
    }
}
