//! The canonical reader of the zip form: a parser of its own, because libraries read zips as generously as they can.

use std::collections::HashMap;
use std::fs;
use std::io;

use flate2::{Decompress, FlushDecompress, Status};
use rayon::prelude::*;

use crate::domain::artifact::MANIFEST;
use crate::domain::id::Sha256;
use crate::domain::listing::{File, FileMode};
use crate::domain::path::MAX_PATH;
use crate::port::{Artifact, ArtifactError, Content};

use super::layout::{CENTRAL, END, End, Entry};
use super::proof::{self, Sums};
use super::{Limits, io_error, refused};

// Holds the longest local header and, mostly, the whole of a small entry.
const CHUNK: usize = 64 << 10;
// Of the central directory, at once.
const PART: usize = 4 << 20;

type Named<'a> = (Entry, &'a str);

/// Reads and proves a zip of `len` bytes.
pub(super) fn open(shown: &str, file: fs::File, len: u64, limits: Limits) -> Result<Artifact, ArtifactError> {
    let mut archive = Archive { shown: shown.to_owned(), file, entries: Vec::new(), by_content: HashMap::new() };
    let end = archive.end(len, limits)?;
    archive.entries = archive.entries(&end, limits)?;
    let Some(first) = archive.entries.first() else {
        return Err(refused("the zip has no entries"));
    };

    let mut bytes = Vec::new();
    archive.unpack(first, MANIFEST, &mut Scratch::new(), &mut |piece| bytes.extend_from_slice(piece))?;
    let manifest = proof::parse(&bytes)?;
    let len = bytes.len() as u64;
    drop(bytes);
    archive.check_listing(&end, &manifest.files)?;

    let rest = archive.entries.get(1..).unwrap_or_default();
    let (proven, contents) = rayon::join(
        || proof::prove(&manifest, len, limits),
        || {
            let both = rest.par_iter().zip(&manifest.files);
            both.map_init(Scratch::new, |scratch, (entry, file)| {
                let mut sums = Sums::new(file.size);
                archive.unpack(entry, &file.path, scratch, &mut |piece| sums.update(piece))?;
                sums.check(file)
            })
            .find_map_first(Result::err)
        },
    );
    proven?;
    match contents {
        Some(error) => Err(error),
        None => {
            archive.by_content = manifest.files.iter().map(|file| file.sha256).zip(rest.iter().copied()).collect();
            archive.entries = Vec::new();
            Ok(Artifact { manifest, content: Box::new(archive) })
        }
    }
}

fn check_entry(entry: &Entry, name: &str, limits: Limits) -> Result<(), ArtifactError> {
    proof::check_size(name, entry.size.into(), limits)?;
    if entry.deflated && u64::from(entry.size) > u64::from(entry.packed).saturating_mul(limits.ratio) {
        return Err(refused(format!(
            "the entry {name:?} unpacks to more than {} times its compressed size",
            limits.ratio
        )));
    }
    Ok(())
}

/// An open zip. While it is proven, `entries` has the manifest first, then the others in the order of their names.
struct Archive {
    shown: String,
    file: fs::File,
    entries: Vec<Entry>,
    // What is read again is found by the sum that it is held to.
    by_content: HashMap<Sha256, Entry>,
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

#[cfg(unix)]
fn read_exact_at(file: &fs::File, bytes: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, at)
}

#[cfg(windows)]
fn read_exact_at(file: &fs::File, mut bytes: &mut [u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, bytes, at) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                bytes = bytes.get_mut(read..).unwrap_or_default();
                at += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl Archive {
    fn read_at(&self, bytes: &mut [u8], at: u64) -> Result<(), ArtifactError> {
        read_exact_at(&self.file, bytes, at).map_err(|source| io_error(&self.shown, source))
    }

    fn end(&self, len: u64, limits: Limits) -> Result<End, ArtifactError> {
        let Some(at) = len.checked_sub(END as u64) else {
            return Err(refused("the file is too short to be a zip"));
        };
        let mut bytes = [0; END];
        self.read_at(&mut bytes, at)?;
        let end = End::parse(&bytes, len)?;
        let (count, size) = (usize::from(end.entries), end.size as usize);
        if u64::from(end.entries) > limits.entries {
            return Err(proof::too_many(limits));
        }
        if size < count * CENTRAL || size > count * (CENTRAL + MAX_PATH) {
            return Err(refused(format!("the central directory cannot hold {count} entries in {size} bytes")));
        }
        Ok(end)
    }

    // Hands the central directory to `each`, some entries at a time: the names of all may take most of the memory there is.
    fn directory(
        &self,
        end: &End,
        each: &mut dyn FnMut(&[Named<'_>]) -> Result<(), ArtifactError>,
    ) -> Result<(), ArtifactError> {
        let (mut at, mut left) = (u64::from(end.offset), end.size as usize);
        let mut done = 0;
        let mut buffer = Vec::new();
        while done < usize::from(end.entries) {
            let kept = buffer.len();
            let more = left.min(PART - kept);
            buffer.resize(kept + more, 0);
            self.read_at(buffer.get_mut(kept..).unwrap_or_default(), at)?;
            at += more as u64;
            left -= more;
            let mut rest = buffer.as_slice();
            let mut part = Vec::new();
            while done < usize::from(end.entries) && (left == 0 || rest.len() >= CENTRAL + MAX_PATH) {
                done += 1;
                let (entry, name) = Entry::parse(rest, done)?;
                rest = rest.get(entry.central_len()..).unwrap_or_default();
                part.push((entry, name));
            }
            let used = buffer.len() - rest.len();
            each(&part)?;
            buffer.drain(..used);
        }
        if left > 0 || !buffer.is_empty() {
            return Err(refused("the central directory goes on after its last entry"));
        }
        Ok(())
    }

    fn entries(&self, end: &End, limits: Limits) -> Result<Vec<Entry>, ArtifactError> {
        let mut entries = Vec::with_capacity(end.entries.into());
        let mut offset = 0;
        let mut total = 0;
        let mut before = String::new();
        self.directory(end, &mut |part| {
            for (entry, name) in part {
                if u64::from(entry.offset) != offset {
                    return Err(refused(format!(
                        "the entry {name:?} begins at offset {} instead of {offset}: local entries must follow one another \
                         from the beginning of the file, in the order of the central directory",
                        entry.offset
                    )));
                }
                offset = entry.end();
            }
            let mut others = part;
            if let (true, Some(((entry, name), rest))) = (entries.is_empty(), part.split_first()) {
                check_first(entry, name)?;
                others = rest;
            }
            proof::check_names(others.par_iter().map(|(_, name)| *name))?;
            for (_, name) in others {
                if *name <= before.as_str() {
                    let why = if *name == before { "stands there twice" } else { "is not sorted by path bytes" };
                    return Err(refused(format!("the entry {name:?} {why}")));
                }
                before.clear();
                before.push_str(name);
            }
            for (entry, name) in part {
                check_entry(entry, name, limits)?;
                total += u64::from(entry.size);
            }
            proof::check_total(total, limits)?;
            entries.extend(part.iter().map(|(entry, _)| *entry));
            Ok(())
        })?;
        if offset != u64::from(end.offset) {
            return Err(refused(format!(
                "the last entry ends at offset {offset}, but the central directory begins at {}",
                end.offset
            )));
        }
        Ok(entries)
    }

    fn check_listing(&self, end: &End, files: &[File]) -> Result<(), ArtifactError> {
        let mut proven = self.entries.iter();
        let mut listed = files.iter();
        self.directory(end, &mut |part| {
            for (entry, name) in part {
                if proven.next() != Some(entry) {
                    return Err(refused("the zip changed while it was being read"));
                }
                // The first one is the manifest itself.
                if entry.offset == 0 {
                    continue;
                }
                match listed.next() {
                    Some(file) => check_listed(entry, name, file)?,
                    None => return Err(refused(format!("the entry {name:?} is not listed in {MANIFEST}"))),
                }
            }
            Ok(())
        })?;
        match listed.next() {
            Some(file) => Err(refused(format!("{MANIFEST} lists {:?}, which is not in the zip", path_of(file)))),
            None => Ok(()),
        }
    }

    /// Hands the content of an entry to `sink`, piece by piece, after its local header was found equal; says at the end
    /// whether size, CRC and the end of the compressed stream were exact.
    fn unpack(
        &self,
        entry: &Entry,
        name: &str,
        scratch: &mut Scratch,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<(), ArtifactError> {
        self.stream(entry, name, scratch, &|header| entry.check_local(name, header), sink)
    }

    fn stream(
        &self,
        entry: &Entry,
        name: &str,
        scratch: &mut Scratch,
        check: &dyn Fn(&[u8]) -> Result<(), ArtifactError>,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<(), ArtifactError> {
        let Scratch { input, output, inflate } = scratch;
        inflate.reset(false);
        let mut flow =
            Flow { entry, name, output, inflate, crc: crc32fast::Hasher::new(), size: 0, ended: false, sink };
        let mut skip = entry.header_len();
        let mut at = u64::from(entry.offset);
        while at < entry.end() {
            let want = usize::try_from(entry.end() - at).map_or(CHUNK, |left| left.min(CHUNK));
            let piece = input.get_mut(..want).unwrap_or_default();
            self.read_at(piece, at)?;
            at += want as u64;
            let (header, data) = piece.split_at(skip);
            if skip > 0 {
                check(header)?;
                skip = 0;
            }
            flow.push(data)?;
        }
        flow.finish()
    }
}

fn check_first(entry: &Entry, name: &str) -> Result<(), ArtifactError> {
    if name != MANIFEST {
        return Err(refused(format!("the first entry is {name:?}, not {MANIFEST}")));
    }
    if entry.mode != FileMode::Regular {
        return Err(refused(format!("the entry {MANIFEST:?} is executable")));
    }
    Ok(())
}

fn check_listed(entry: &Entry, name: &str, file: &File) -> Result<(), ArtifactError> {
    if name != file.path {
        return Err(refused(format!(
            "the zip holds {name:?} where {MANIFEST} lists {:?}: the two must name the same files in the same order",
            path_of(file)
        )));
    }
    if entry.mode != file.mode {
        return Err(refused(format!("the entry {name:?} has another mode than {MANIFEST} says")));
    }
    if u64::from(entry.size) != file.size {
        return Err(refused(format!("the entry {name:?} has another size than {MANIFEST} says")));
    }
    Ok(())
}

// A manifest may list a path that is as long as itself.
fn path_of(file: &File) -> String {
    file.path.chars().take(MAX_PATH).collect()
}

struct Flow<'a> {
    entry: &'a Entry,
    name: &'a str,
    output: &'a mut [u8],
    inflate: &'a mut Decompress,
    crc: crc32fast::Hasher,
    size: u64,
    ended: bool,
    sink: &'a mut dyn FnMut(&[u8]),
}

impl Flow<'_> {
    fn bad(&self, why: &str) -> ArtifactError {
        refused(format!("the entry {:?} {why}", self.name))
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
        let entry = self
            .by_content
            .get(&file.sha256)
            .ok_or_else(|| io_error(&self.shown, io::Error::new(io::ErrorKind::NotFound, file.path.clone())))?;
        let mut content = Vec::with_capacity(entry.size as usize);
        // Equal contents may stand under another name; what counts is checked below.
        let sink = &mut |piece: &[u8]| content.extend_from_slice(piece);
        self.stream(entry, &file.path, &mut Scratch::new(), &|_| Ok(()), sink)?;
        proof::check_again(&content, file)?;
        Ok(content)
    }
}
