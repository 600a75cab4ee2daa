//! The three records of a zip in their canonical form: what each field must hold, byte by byte.

use crate::domain::listing::FileMode;
use crate::domain::path::MAX_PATH;
use crate::port::ArtifactError;

use super::refused;

/// Most entries that the end record can count.
pub(super) const MAX_ENTRIES: u64 = 65_535;
/// Bytes of the end record.
pub(super) const END: usize = 22;
/// Bytes of a local header before the name.
pub(super) const LOCAL: usize = 30;
/// Bytes of a central entry before the name.
pub(super) const CENTRAL: usize = 46;

const END_SIGNATURE: u32 = 0x0605_4b50;
const CENTRAL_SIGNATURE: u32 = 0x0201_4b50;
const LOCAL_SIGNATURE: u32 = 0x0403_4b50;

// 1980-01-01 00:00:00, the first moment that a zip can name.
const DOS_TIME: u16 = 0;
const DOS_DATE: u16 = 0x0021;

const UNIX: u16 = 3 << 8;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
const UTF8: u16 = 0x0800;

/// An entry as the central directory describes it. Its name stands elsewhere: names make up nearly all of a large listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name_len: u16,
    pub(super) mode: FileMode,
    pub(super) deflated: bool,
    pub(super) crc: u32,
    /// Bytes in the zip.
    pub(super) packed: u32,
    /// Bytes of the content.
    pub(super) size: u32,
    /// Where the local header begins.
    pub(super) offset: u32,
}

/// What the end record says.
pub(super) struct End {
    pub(super) entries: u16,
    pub(super) size: u32,
    pub(super) offset: u32,
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).map_or(0, |b| b.iter().rev().fold(0, |n, b| n << 8 | u16::from(*b)))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |b| b.iter().rev().fold(0, |n, b| n << 8 | u32::from(*b)))
}

impl End {
    /// Reads the last bytes of a zip of `len` bytes.
    pub(super) fn parse(bytes: &[u8; END], len: u64) -> Result<Self, ArtifactError> {
        if u32_at(bytes, 0) != END_SIGNATURE {
            return Err(refused(
                "the zip's end record is not its last 22 bytes: it was cut off, has a comment, or something follows it",
            ));
        }
        if u16_at(bytes, 4) != 0 || u16_at(bytes, 6) != 0 {
            return Err(refused("the zip's end record names another disk: a zip in several parts is refused"));
        }
        let end = Self { entries: u16_at(bytes, 10), size: u32_at(bytes, 12), offset: u32_at(bytes, 16) };
        if u16_at(bytes, 8) != end.entries {
            return Err(refused("the zip's end record counts the entries in two different ways"));
        }
        if u16_at(bytes, 20) != 0 {
            return Err(refused("the zip's end record announces a comment"));
        }
        if end.size == u32::MAX || end.offset == u32::MAX {
            return Err(refused("the zip's end record points to zip64, which is refused"));
        }
        if u64::from(end.offset) + u64::from(end.size) + END as u64 != len {
            return Err(refused(format!(
                "the zip's end record places {} bytes of central directory at offset {}, which does not end at the end \
                 record of a zip of {len} bytes",
                end.size, end.offset
            )));
        }
        Ok(end)
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut end = END_SIGNATURE.to_le_bytes().to_vec();
        for field in [0, 0, self.entries, self.entries] {
            end.extend(field.to_le_bytes());
        }
        end.extend([self.size, self.offset].into_iter().flat_map(u32::to_le_bytes));
        end.extend([0, 0]);
        end
    }
}

impl Entry {
    /// Reads the central entry at the beginning of `rest`, with its name. `index` counts entries from 1.
    pub(super) fn parse(rest: &[u8], index: usize) -> Result<(Self, &str), ArtifactError> {
        let nth = |why: &str| refused(format!("central entry {index} {why}"));
        let Some(fixed) = rest.get(..CENTRAL) else {
            return Err(nth("is cut off by the end of the central directory"));
        };
        if u32_at(fixed, 0) != CENTRAL_SIGNATURE {
            return Err(nth("does not begin with the signature of a central entry"));
        }
        let name_len = u16_at(fixed, 28);
        if name_len == 0 {
            return Err(nth("has an empty name"));
        }
        if usize::from(name_len) > MAX_PATH {
            return Err(nth("has a name longer than 1024 bytes"));
        }
        let Some(name) = rest.get(CENTRAL..CENTRAL + usize::from(name_len)) else {
            return Err(nth("has a name that is cut off by the end of the central directory"));
        };
        let lossy = String::from_utf8_lossy(name);
        let bad = |why: &str| refused(format!("the entry {lossy:?} {why}"));

        let (method, flags) = (u16_at(fixed, 10), u16_at(fixed, 8));
        if flags & 0x2041 != 0 {
            return Err(bad("is encrypted"));
        }
        if flags & 0x0008 != 0 {
            return Err(bad("has a data descriptor"));
        }
        if flags & !UTF8 != 0 {
            return Err(bad(&format!("has the flags {flags:#06x}, of which only 0x0800 may be set")));
        }
        if (flags == UTF8) == name.is_ascii() {
            return Err(bad("must have the UTF-8 flag exactly when its name is not ASCII"));
        }
        if method != STORED && method != DEFLATED {
            return Err(bad(&format!(
                "has compression method {method}, but only 0 (store) and 8 (deflate) are allowed"
            )));
        }
        let deflated = method == DEFLATED;
        let version = version_of(deflated);
        if u16_at(fixed, 6) != version {
            return Err(bad(&format!("does not name version {version} as the version needed to extract it")));
        }
        if u16_at(fixed, 4) != UNIX | version {
            return Err(bad(&format!("does not name Unix and version {version} as what made it")));
        }
        if u16_at(fixed, 12) != DOS_TIME || u16_at(fixed, 14) != DOS_DATE {
            return Err(bad("has another time than 1980-01-01 00:00:00"));
        }
        if u16_at(fixed, 30) != 0 {
            return Err(bad("has an extra field in the central directory"));
        }
        if u16_at(fixed, 32) != 0 {
            return Err(bad("has a comment"));
        }
        if u16_at(fixed, 34) != 0 {
            return Err(bad("begins on another disk"));
        }
        if u16_at(fixed, 36) != 0 {
            return Err(bad("has internal attributes"));
        }
        let attributes = u32_at(fixed, 38);
        let mode =
            [FileMode::Regular, FileMode::Executable].into_iter().find(|mode| attributes_of(*mode) == attributes);
        let Some(mode) = mode else {
            return Err(bad(&format!(
                "has the external attributes {attributes:#010x}, which are neither those of a regular file (100644) nor \
                 of an executable (100755)"
            )));
        };
        let (packed, size, offset) = (u32_at(fixed, 20), u32_at(fixed, 24), u32_at(fixed, 42));
        if [packed, size, offset].contains(&u32::MAX) {
            return Err(bad("points to zip64, which is refused"));
        }
        if !deflated && packed != size {
            return Err(bad("is stored, but its two sizes differ"));
        }
        if deflated && packed >= size {
            return Err(bad("is deflated, but that does not make it smaller"));
        }
        let Ok(name) = std::str::from_utf8(name) else {
            return Err(bad("has a name that is not UTF-8"));
        };
        Ok((Self { name_len, mode, deflated, crc: u32_at(fixed, 16), packed, size, offset }, name))
    }

    /// Bytes of the central entry with its name.
    pub(super) fn central_len(&self) -> usize {
        CENTRAL + usize::from(self.name_len)
    }

    /// Bytes of the local header with its name.
    pub(super) fn header_len(&self) -> usize {
        LOCAL + usize::from(self.name_len)
    }

    /// The entry, that much further on; what goes beyond the end of a zip stands at its very end.
    pub(super) fn moved(self, by: u64) -> Self {
        let offset = u64::from(self.offset).saturating_add(by);
        Self { offset: u32::try_from(offset).unwrap_or(u32::MAX), ..self }
    }

    /// Where the entry's bytes end.
    pub(super) fn end(&self) -> u64 {
        u64::from(self.offset) + self.header_len() as u64 + u64::from(self.packed)
    }

    /// Compares a local header, `header_len` bytes, with the one that belongs to this entry.
    pub(super) fn check_local(&self, name: &str, found: &[u8]) -> Result<(), ArtifactError> {
        let wanted = self.local_header(name);
        if found == wanted {
            return Ok(());
        }
        let field = LOCAL_FIELDS
            .iter()
            .find(|(_, from, to)| found.get(*from..*to) != wanted.get(*from..*to))
            .map_or("name", |(field, ..)| field);
        Err(refused(match field {
            "signature" => format!("no local header stands where the entry {name:?} must begin"),
            "extra field" => format!("the entry {name:?} has an extra field in its local header"),
            _ => format!("the local header of the entry {name:?} has another {field} than its central entry"),
        }))
    }

    pub(super) fn local_header(&self, name: &str) -> Vec<u8> {
        let mut header = Vec::with_capacity(self.header_len());
        header.extend(LOCAL_SIGNATURE.to_le_bytes());
        self.common(name, &mut header);
        header.extend_from_slice(name.as_bytes());
        header
    }

    pub(super) fn central_entry(&self, name: &str) -> Vec<u8> {
        let mut entry = Vec::with_capacity(self.central_len());
        entry.extend(CENTRAL_SIGNATURE.to_le_bytes());
        entry.extend((UNIX | version_of(self.deflated)).to_le_bytes());
        self.common(name, &mut entry);
        // No comment, the first disk, no internal attributes.
        entry.extend([0; 6]);
        entry.extend([attributes_of(self.mode), self.offset].into_iter().flat_map(u32::to_le_bytes));
        entry.extend_from_slice(name.as_bytes());
        entry
    }

    // What both headers say in the same order, up to the length of the extra field.
    fn common(&self, name: &str, header: &mut Vec<u8>) {
        let flags = if name.is_ascii() { 0 } else { UTF8 };
        let method = if self.deflated { DEFLATED } else { STORED };
        for field in [version_of(self.deflated), flags, method, DOS_TIME, DOS_DATE] {
            header.extend(field.to_le_bytes());
        }
        for field in [self.crc, self.packed, self.size] {
            header.extend(field.to_le_bytes());
        }
        for field in [self.name_len, 0] {
            header.extend(field.to_le_bytes());
        }
    }
}

const LOCAL_FIELDS: [(&str, usize, usize); 11] = [
    ("signature", 0, 4),
    ("version", 4, 6),
    ("flags", 6, 8),
    ("method", 8, 10),
    ("time", 10, 12),
    ("date", 12, 14),
    ("CRC", 14, 18),
    ("compressed size", 18, 22),
    ("size", 22, 26),
    ("name length", 26, 28),
    ("extra field", 28, 30),
];

// 1.0 can store, deflate came with 2.0.
fn version_of(deflated: bool) -> u16 {
    if deflated { 20 } else { 10 }
}

fn attributes_of(mode: FileMode) -> u32 {
    match mode {
        FileMode::Regular => 0o100_644 << 16,
        FileMode::Executable => 0o100_755 << 16,
    }
}
