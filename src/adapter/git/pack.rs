//! Writing objects as one pack, which git then checks and stores.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use sha1_checked::{Digest as _, Sha1};

use crate::domain::object::{Kind, Object};
use crate::port::PortError;

/// Writes a pack of `count` objects; the first error of the source is put aside in `failed`.
pub(super) fn write(
    out: &mut dyn Write,
    count: usize,
    objects: &mut (dyn Iterator<Item = Result<Object, PortError>> + Send),
    failed: &mut Option<PortError>,
) -> io::Result<()> {
    let count = u32::try_from(count).map_err(|_| io::Error::other("too many objects"))?;
    let mut out = Hashed { out, sha1: Sha1::new() };
    out.write_all(b"PACK\0\0\0\x02")?;
    out.write_all(&count.to_be_bytes())?;
    for object in objects {
        let object = match object {
            Ok(object) => object,
            Err(error) => {
                *failed = Some(error);
                return Err(io::Error::other("the content could not be read"));
            }
        };
        out.write_all(&header(object.kind, object.content.len()))?;
        let mut encoder = ZlibEncoder::new(&mut out, Compression::fast());
        encoder.write_all(&object.content)?;
        encoder.finish()?;
    }
    let checksum = out.sha1.finalize();
    out.out.write_all(&checksum)
}

// Kind in three bits, size in groups of 4, 7, 7, … bits, low ones first.
fn header(kind: Kind, size: usize) -> Vec<u8> {
    let kind: u8 = match kind {
        Kind::Commit => 1,
        Kind::Tree => 2,
        Kind::Blob => 3,
    };
    let mut rest = size >> 4;
    let mut bytes = vec![(kind << 4) | (size & 0x0f) as u8];
    while rest > 0 {
        if let Some(last) = bytes.last_mut() {
            *last |= 0x80;
        }
        bytes.push((rest & 0x7f) as u8);
        rest >>= 7;
    }
    bytes
}

struct Hashed<'a> {
    out: &'a mut dyn Write,
    sha1: Sha1,
}

impl Write for Hashed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.sha1.update(&bytes[..written]);
        Ok(written)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
