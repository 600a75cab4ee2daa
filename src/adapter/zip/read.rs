//! The canonical reader of the zip form: a parser of its own, because libraries read zips as generously as they can.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;

use flate2::{Decompress, FlushDecompress, Status};
use rayon::prelude::*;

use crate::domain::artifact::MANIFEST;
use crate::domain::listing::{File, FileMode};
use crate::domain::path::MAX_PATH;
use crate::port::{Artifact, ArtifactError, Content};

use super::layout::{CENTRAL, END, End, Entry};
use super::proof::{self, Sums};
use super::{Limits, io_error, refused};

// Holds the longest local header and, mostly, the whole of a small entry.
const CHUNK: usize = 64 << 10;

/// Reads and proves a zip of `len` bytes.
pub(super) fn open(shown: &str, file: fs::File, len: u64, limits: Limits) -> Result<Artifact, ArtifactError> {
    let mut archive = Archive { shown: shown.to_owned(), file, entries: Vec::new() };
    archive.entries = archive.directory(len, limits)?;
    let Some((first, rest)) = archive.entries.split_first() else {
        return Err(refused("the zip has no entries"));
    };
    check_entries(first, rest, limits)?;

    let mut bytes = Vec::new();
    archive.unpack(first, &mut Scratch::new(), &mut |piece| bytes.extend_from_slice(piece))?;
    let manifest = proof::parse(&bytes)?;
    let len = bytes.len() as u64;
    drop(bytes);
    check_listing(rest, &manifest.files)?;

    let (proven, contents) = rayon::join(
        || proof::prove(&manifest, len, limits),
        || {
            let both = rest.par_iter().zip(&manifest.files);
            both.map_init(Scratch::new, |scratch, (entry, file)| {
                let mut sums = Sums::new(file.size);
                archive.unpack(entry, scratch, &mut |piece| sums.update(piece))?;
                sums.check(file)
            })
            .find_map_first(Result::err)
        },
    );
    proven?;
    match contents {
        Some(error) => Err(error),
        None => Ok(Artifact { manifest, content: Box::new(archive) }),
    }
}

fn check_entries(first: &Entry, rest: &[Entry], limits: Limits) -> Result<(), ArtifactError> {
    if &*first.name != MANIFEST {
        return Err(refused(format!("the first entry is {:?}, not {MANIFEST}", first.name)));
    }
    if first.mode != FileMode::Regular {
        return Err(refused(format!("the entry {MANIFEST:?} is executable")));
    }
    proof::check_names(rest.par_iter().map(|entry| &*entry.name))?;
    for pair in rest.windows(2) {
        if let [one, two] = pair
            && one.name >= two.name
        {
            let why = if one.name == two.name { "stands there twice" } else { "is not sorted by path bytes" };
            return Err(refused(format!("the entry {:?} {why}", two.name)));
        }
    }
    let mut total = 0_u64;
    for entry in [first].into_iter().chain(rest) {
        proof::check_size(&entry.name, entry.size.into(), limits)?;
        if entry.deflated && u64::from(entry.size) > u64::from(entry.packed).saturating_mul(limits.ratio) {
            return Err(refused(format!(
                "the entry {:?} unpacks to more than {} times its compressed size",
                entry.name, limits.ratio
            )));
        }
        total += u64::from(entry.size);
    }
    proof::check_total(total, limits)
}

fn check_listing(entries: &[Entry], files: &[File]) -> Result<(), ArtifactError> {
    for (entry, file) in entries.iter().zip(files) {
        if *entry.name != *file.path {
            return Err(refused(format!(
                "the zip holds {:?} where {MANIFEST} lists {:?}: the two must name the same files in the same order",
                entry.name,
                file.path.chars().take(MAX_PATH).collect::<String>()
            )));
        }
        if entry.mode != file.mode {
            return Err(refused(format!("the entry {:?} has another mode than {MANIFEST} says", entry.name)));
        }
        if u64::from(entry.size) != file.size {
            return Err(refused(format!("the entry {:?} has another size than {MANIFEST} says", entry.name)));
        }
    }
    if let Some(entry) = entries.get(files.len()) {
        return Err(refused(format!("the entry {:?} is not listed in {MANIFEST}", entry.name)));
    }
    if let Some(file) = files.get(entries.len()) {
        let path: String = file.path.chars().take(MAX_PATH).collect();
        return Err(refused(format!("{MANIFEST} lists {path:?}, which is not in the zip")));
    }
    Ok(())
}

/// An open zip, and where its entries stand; the first one is the manifest, the others are sorted.
struct Archive {
    shown: String,
    file: fs::File,
    entries: Vec<Entry>,
}

struct Scratch {
    input: Vec<u8>,
    output: Vec<u8>,
    inflate: Decompress,
}

impl Scratch {
    fn new() -> Self {
        Self { input: vec![0; CHUNK], output: vec![0; CHUNK], inflate: Decompress::new(false) }
    }
}

impl Archive {
    fn read_at(&self, bytes: &mut [u8], at: u64) -> Result<(), ArtifactError> {
        self.file.read_exact_at(bytes, at).map_err(|source| io_error(&self.shown, source))
    }

    // The central directory is read whole; END and the count hold it to what the names may need.
    fn directory(&self, len: u64, limits: Limits) -> Result<Vec<Entry>, ArtifactError> {
        let Some(at) = len.checked_sub(END as u64) else {
            return Err(refused("the file is too short to be a zip"));
        };
        let mut bytes = [0; END];
        self.read_at(&mut bytes, at)?;
        let end = End::parse(&bytes, len)?;
        let count = usize::from(end.entries);
        if u64::from(end.entries) > limits.entries {
            return Err(proof::too_many(limits));
        }
        let size = end.size as usize;
        if size < count * CENTRAL || size > count * (CENTRAL + MAX_PATH) {
            return Err(refused(format!("the central directory cannot hold {count} entries in {size} bytes")));
        }
        let mut directory = vec![0; size];
        self.read_at(&mut directory, end.offset.into())?;

        let mut rest = directory.as_slice();
        let mut entries = Vec::with_capacity(count);
        let mut offset = 0;
        for index in 1..=count {
            let (entry, used) = Entry::parse(rest, index)?;
            if u64::from(entry.offset) != offset {
                return Err(refused(format!(
                    "the entry {:?} begins at offset {} instead of {offset}: local entries must follow one another from \
                     the beginning of the file, in the order of the central directory",
                    entry.name, entry.offset
                )));
            }
            offset = entry.end();
            entries.push(entry);
            rest = rest.get(used..).unwrap_or_default();
        }
        if !rest.is_empty() {
            return Err(refused("the central directory goes on after its last entry"));
        }
        if offset != u64::from(end.offset) {
            return Err(refused(format!(
                "the last entry ends at offset {offset}, but the central directory begins at {}",
                end.offset
            )));
        }
        Ok(entries)
    }

    /// Hands the content of an entry to `sink`, piece by piece, after its local header was found equal; says at the end
    /// whether size, CRC and the end of the compressed stream were exact.
    fn unpack(&self, entry: &Entry, scratch: &mut Scratch, sink: &mut dyn FnMut(&[u8])) -> Result<(), ArtifactError> {
        let Scratch { input, output, inflate } = scratch;
        inflate.reset(false);
        let mut flow = Flow { entry, output, inflate, crc: crc32fast::Hasher::new(), size: 0, ended: false, sink };
        let mut skip = entry.header_len();
        let mut at = u64::from(entry.offset);
        while at < entry.end() {
            let want = usize::try_from(entry.end() - at).map_or(CHUNK, |left| left.min(CHUNK));
            let piece = input.get_mut(..want).unwrap_or_default();
            self.read_at(piece, at)?;
            at += want as u64;
            let (header, data) = piece.split_at(skip);
            if skip > 0 {
                entry.check_local(header)?;
                skip = 0;
            }
            flow.push(data)?;
        }
        flow.finish()
    }
}

struct Flow<'a> {
    entry: &'a Entry,
    output: &'a mut [u8],
    inflate: &'a mut Decompress,
    crc: crc32fast::Hasher,
    size: u64,
    ended: bool,
    sink: &'a mut dyn FnMut(&[u8]),
}

impl Flow<'_> {
    fn bad(&self, why: &str) -> ArtifactError {
        refused(format!("the entry {:?} {why}", self.entry.name))
    }

    fn push(&mut self, mut data: &[u8]) -> Result<(), ArtifactError> {
        if !self.entry.deflated {
            self.crc.update(data);
            self.size += data.len() as u64;
            (self.sink)(data);
            return Ok(());
        }
        loop {
            if self.ended {
                return if data.is_empty() {
                    Ok(())
                } else {
                    Err(self.bad("has data after the end of its deflate stream"))
                };
            }
            let (read, written) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self
                .inflate
                .decompress(data, self.output, FlushDecompress::None)
                .map_err(|_| self.bad("has a broken deflate stream"))?;
            let read = usize::try_from(self.inflate.total_in() - read).unwrap_or(usize::MAX);
            let written = usize::try_from(self.inflate.total_out() - written).unwrap_or(usize::MAX);
            data = data.get(read..).unwrap_or_default();
            let piece = self.output.get(..written).unwrap_or_default();
            self.size += written as u64;
            if self.size > u64::from(self.entry.size) {
                return Err(self.bad("unpacks to more than its size"));
            }
            self.crc.update(piece);
            (self.sink)(piece);
            self.ended = status == Status::StreamEnd;
            // Without progress there is nothing more to get from this piece.
            if !self.ended && read == 0 && written == 0 {
                return if data.is_empty() { Ok(()) } else { Err(self.bad("has a broken deflate stream")) };
            }
        }
    }

    fn finish(self) -> Result<(), ArtifactError> {
        if self.entry.deflated && !self.ended {
            return Err(self.bad("has a deflate stream that does not end"));
        }
        if self.size != u64::from(self.entry.size) {
            return Err(self.bad("unpacks to less than its size"));
        }
        if self.crc.clone().finalize() != self.entry.crc {
            return Err(self.bad("does not have the CRC that it says"));
        }
        Ok(())
    }
}

impl Content for Archive {
    fn read(&self, file: &File) -> Result<Vec<u8>, ArtifactError> {
        let rest = self.entries.get(1..).unwrap_or_default();
        let entry = rest
            .binary_search_by(|entry| (*entry.name).cmp(file.path.as_str()))
            .ok()
            .and_then(|at| rest.get(at))
            .ok_or_else(|| io_error(&self.shown, io::Error::new(io::ErrorKind::NotFound, file.path.clone())))?;
        let mut content = Vec::with_capacity(entry.size as usize);
        self.unpack(entry, &mut Scratch::new(), &mut |piece| content.extend_from_slice(piece))?;
        proof::check_again(&content, file)?;
        Ok(content)
    }
}
