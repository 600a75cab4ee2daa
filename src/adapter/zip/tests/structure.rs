//! Zips whose structure is not the one that is written.

use super::builder::*;
use crate::domain::listing::FileMode;

type Case = (&'static str, &'static str, fn(&mut Zip));

const STORED: usize = 3;

#[test]
fn the_builder_builds_what_is_accepted() {
    let artifact = open(&Zip::sample().bytes()).unwrap();
    for (file, content) in artifact.manifest.files.iter().zip(sample()) {
        assert_eq!(artifact.content.read(file).unwrap(), content.2);
    }
}

#[test]
fn hostile_structures_are_refused() {
    let cases: Vec<Case> = vec![
        // The end record.
        ("comment", "last 22 bytes", |z| z.end = |end| (end[20] = 2, end.extend(b"hi")).1),
        ("comment length lie", "announces a comment", |z| z.end = |end| end[20] = 2),
        ("trailing byte", "last 22 bytes", |z| z.end = |end| end.push(0)),
        ("trailing newline", "last 22 bytes", |z| z.end = |end| end.push(b'\n')),
        ("end signature", "last 22 bytes", |z| z.end = |end| end[0] = 0),
        ("two end records", "does not end at the end record", |z| z.end = |end| end.extend(end.clone())),
        ("archive in the comment", "does not end at the end record", |z| {
            z.end = |end| {
                let inner = Zip::sample().bytes();
                end[20..22].copy_from_slice(&(inner.len() as u16).to_le_bytes());
                end.extend(inner);
            }
        }),
        ("this disk", "another disk", |z| z.end = |end| end[4] = 1),
        ("central disk", "another disk", |z| z.end = |end| end[6] = 1),
        ("entries on this disk", "two different ways", |z| z.end = |end| end[8] -= 1),
        ("one entry less", "cannot hold|after its last entry", |z| z.end = |end| (end[8] -= 1, end[10] -= 1).0),
        ("one entry more", "cut off", |z| z.end = |end| (end[8] += 1, end[10] += 1).0),
        ("no entries", "cannot hold|no entries", |z| z.end = |end| end[8..12].fill(0)),
        ("many entries", "cannot hold", |z| z.end = |end| end[8..12].fill(0xff)),
        ("central size", "does not end at the end record", |z| z.end = |end| end[12] ^= 1),
        ("central offset", "does not end at the end record", |z| z.end = |end| end[16] ^= 1),
        ("zip64 size", "zip64", |z| z.end = |end| end[12..16].fill(0xff)),
        ("zip64 offset", "zip64", |z| z.end = |end| end[16..20].fill(0xff)),
        ("zip64 locator", "does not end at the end record", |z| {
            z.before_end = [&0x0706_4b50_u32.to_le_bytes()[..], &[0; 16]].concat()
        }),
        ("gap before the end", "does not end at the end record", |z| z.before_end = vec![0]),
        ("empty zip", "no entries", |z| (z.pieces.clear(), z.listed.clear()).0),
        // How the parts lie in the file.
        ("prepended", "begins at offset", |z| z.prefix = b"#!/bin/sh\n".to_vec()),
        ("prepended, offsets of old", "the last entry ends at", |z| {
            z.prefix = b"MZ".to_vec();
            let mut at = 0;
            for piece in &mut z.pieces {
                piece.central.offset = Some(at);
                at += 30 + (piece.local.name.len() + piece.data.len()) as u32;
            }
        }),
        ("gap between entries", "begins at offset", |z| z.pieces[1].gap = b"hidden".to_vec()),
        ("gap before the directory", "the last entry ends at", |z| z.pieces[4].gap = b"hidden".to_vec()),
        ("entry that is not listed", "begins at offset|last entry ends", |z| z.listed.retain(|at| *at != 2)),
        ("last entry not listed", "the last entry ends at", |z| z.listed.truncate(4)),
        ("entry listed twice", "begins at offset", |z| z.listed.push(4)),
        ("other order in the directory", "begins at offset", |z| z.listed.swap(1, 2)),
        ("overlapping entries", "begins at offset", |z| z.pieces[2].central.offset = Some(0)),
        ("offset one too far", "begins at offset", |z| z.pieces[2].central.offset = Some(1)),
        ("offset of zip64", "zip64", |z| z.pieces[2].central.offset = Some(u32::MAX)),
        ("duplicate entry", "stands there twice", |z| {
            z.pieces.insert(2, z.pieces[1].clone());
            z.listed.push(5);
        }),
        ("duplicate manifest", "sorted|collides|list", |z| {
            z.pieces.push(z.pieces[0].clone());
            z.listed.push(5);
        }),
        ("duplicate manifest beside it", "zip holds|sorted", |z| {
            z.pieces.insert(1, z.pieces[0].clone());
            z.listed.push(5);
        }),
        ("not sorted", "not sorted", |z| z.pieces.swap(1, 2)),
        ("manifest not first", "first entry", |z| z.pieces.swap(0, 1)),
        ("no manifest", "first entry", |z| {
            z.pieces.remove(0);
            z.listed.pop();
        }),
        ("manifest only", "not in the zip", |z| (z.pieces.truncate(1), z.listed.truncate(1)).0),
        ("manifest in capitals", "first entry", |z| z.pieces[0].both(|f| f.name = b"PASSGATE.JSON".to_vec())),
        ("manifest executable", "executable", |z| z.pieces[0].both(|f| f.external = 0o100_755 << 16)),
        // Fields of both headers.
        ("encrypted", "encrypted", |z| z.pieces[1].both(|f| f.flags |= 1)),
        ("strong encryption", "encrypted", |z| z.pieces[1].both(|f| f.flags |= 0x40)),
        ("masked headers", "encrypted", |z| z.pieces[1].both(|f| f.flags |= 0x2000)),
        ("data descriptor flag", "data descriptor", |z| z.pieces[1].both(|f| f.flags |= 8)),
        ("data descriptor", "data descriptor", |z| {
            z.pieces[1].gap = [&b"PK\x07\x08"[..], &[0; 12]].concat();
            z.pieces[1].both(|f| f.flags |= 8);
        }),
        ("deflate option flag", "of which only 0x0800", |z| z.pieces[1].both(|f| f.flags |= 2)),
        ("patched data flag", "of which only 0x0800", |z| z.pieces[1].both(|f| f.flags |= 0x20)),
        ("reserved flag", "of which only 0x0800", |z| z.pieces[1].both(|f| f.flags |= 0x8000)),
        ("UTF-8 flag on ASCII", "UTF-8 flag", |z| z.pieces[1].both(|f| f.flags = 0x800)),
        ("no UTF-8 flag", "UTF-8 flag", |z| z.pieces[4].both(|f| f.flags = 0)),
        ("deflate64", "compression method 9", |z| z.pieces[1].both(|f| f.method = 9)),
        ("zstd", "compression method 93", |z| z.pieces[1].both(|f| f.method = 93)),
        ("AES", "compression method 99", |z| z.pieces[1].both(|f| f.method = 99)),
        ("version 2.0 for stored", "version needed", |z| z.pieces[STORED].both(|f| f.need = 20)),
        ("version 4.5", "version needed", |z| z.pieces[1].both(|f| f.need = 45)),
        ("made on DOS", "what made it", |z| z.pieces[1].central.made = 20),
        ("made by 6.3", "what made it", |z| z.pieces[1].central.made = 0x33f),
        ("time", "1980-01-01", |z| z.pieces[1].both(|f| f.time = 1)),
        ("date", "1980-01-01", |z| z.pieces[1].both(|f| f.date = 0x22)),
        ("date zero", "1980-01-01", |z| z.pieces[1].both(|f| f.date = 0)),
        ("central extra field", "extra field", |z| z.pieces[1].central.extra = vec![0x99, 0x99, 0, 0]),
        ("local extra field", "begins at offset", |z| z.pieces[1].local.extra = vec![0x99, 0x99, 0, 0]),
        ("local extra instead of data", "extra field in its local", |z| {
            z.pieces[STORED].data.drain(..4);
            z.pieces[STORED].local.extra = vec![0x99, 0x99, 0, 0];
        }),
        ("unicode path rename", "extra field", |z| {
            let name = b"cluster/x.yaml";
            let crc = crc32fast::hash(&z.pieces[1].local.name).to_le_bytes();
            let extra = [&[0x75, 0x70, 5 + name.len() as u8, 0, 1][..], &crc, name].concat();
            z.pieces[1].both(|f| f.extra = extra.clone());
        }),
        ("zip64 extra field", "extra field", |z| z.pieces[1].central.extra = [&[1, 0, 8, 0][..], &[0; 8]].concat()),
        ("extended timestamp", "extra field", |z| {
            z.pieces[1].both(|f| f.extra = vec![0x55, 0x54, 5, 0, 1, 0, 0, 0, 0])
        }),
        ("entry comment", "has a comment", |z| z.pieces[1].central.comment = b"::error::".to_vec()),
        ("entry on another disk", "another disk", |z| z.pieces[1].central.disk = 1),
        ("internal attributes", "internal attributes", |z| z.pieces[1].central.internal = 1),
        ("symlink", "external attributes", |z| z.pieces[1].central.external = 0o120_777 << 16),
        ("folder mode", "external attributes", |z| z.pieces[1].central.external = 0o040_755 << 16),
        ("fifo", "external attributes", |z| z.pieces[1].central.external = 0o010_644 << 16),
        ("device", "external attributes", |z| z.pieces[1].central.external = 0o060_644 << 16),
        ("setuid", "external attributes", |z| z.pieces[1].central.external = 0o104_755 << 16),
        ("group-writable", "external attributes", |z| z.pieces[1].central.external = 0o100_664 << 16),
        ("no mode", "external attributes", |z| z.pieces[1].central.external = 0),
        ("DOS read-only", "external attributes", |z| z.pieces[1].central.external |= 1),
        ("DOS folder", "external attributes", |z| z.pieces[1].central.external |= 0x10),
        ("other mode than listed", "another mode", |z| z.pieces[1].central.external = 0o100_755 << 16),
        ("zip64 packed size", "zip64", |z| z.pieces[1].both(|f| f.packed = u32::MAX)),
        ("zip64 size", "zip64", |z| z.pieces[1].both(|f| f.size = u32::MAX)),
        // The two headers of an entry differ.
        ("local version", "another version", |z| z.pieces[1].local.need = 10),
        ("local flags", "another flags", |z| z.pieces[1].local.flags = 0x800),
        ("local method", "another method", |z| z.pieces[1].local.method = 0),
        ("local time", "another time", |z| z.pieces[1].local.time = 1),
        ("local date", "another date", |z| z.pieces[1].local.date = 1),
        ("local CRC", "another CRC", |z| z.pieces[1].local.crc ^= 1),
        ("local packed size", "another compressed size", |z| z.pieces[1].local.packed -= 1),
        ("local sizes zero", "another CRC|another compressed size", |z| {
            (z.pieces[1].local.packed, z.pieces[1].local.size, z.pieces[1].local.crc) = (0, 0, 0)
        }),
        ("local size", "another size", |z| z.pieces[1].local.size += 1),
        ("local name", "another name", |z| z.pieces[1].local.name = b"apps/b.yaml".to_vec()),
        ("local name in capitals", "another name", |z| z.pieces[1].local.name = b"apps/A.yaml".to_vec()),
        ("local name shorter", "name length", |z| {
            z.pieces[STORED].local.name = b"apps/run".to_vec();
            z.pieces[STORED].data.splice(0..0, *b".sh");
        }),
        ("manifest's local name", "another name", |z| z.pieces[0].local.name = b"passgate.jsoN".to_vec()),
        // Contents.
        ("CRC lie", "CRC", |z| z.pieces[1].both(|f| f.crc ^= 1)),
        ("CRC lie, stored", "CRC", |z| z.pieces[STORED].both(|f| f.crc = 0)),
        ("CRC lie, manifest", "CRC", |z| z.pieces[0].both(|f| f.crc ^= 0x100)),
        ("size too large", "another size than passgate.json", |z| z.pieces[1].both(|f| f.size += 1)),
        ("size too small", "another size than passgate.json", |z| z.pieces[1].both(|f| f.size -= 1)),
        ("manifest's size too large", "less than its size", |z| z.pieces[0].both(|f| f.size += 1)),
        ("manifest's size too small", "more than its size", |z| z.pieces[0].both(|f| f.size -= 1)),
        ("stored with two sizes", "two sizes differ", |z| z.pieces[STORED].both(|f| f.size += 1)),
        ("packed size lie", "begins at offset", |z| z.pieces[1].both(|f| f.packed += 1)),
        ("bytes after the stream", "after the end of its deflate", |z| {
            let data = [&z.pieces[1].data[..], b"hidden"].concat();
            z.pieces[1].repack(data);
        }),
        ("second stream", "after the end of its deflate", |z| {
            let data = [z.pieces[1].data.clone(), z.pieces[1].data.clone()].concat();
            z.pieces[1].repack(data);
        }),
        ("stream cut off", "does not end", |z| {
            let mut data = z.pieces[1].data.clone();
            data.truncate(data.len() - 3);
            z.pieces[1].repack(data);
        }),
        ("stream of nonsense", "broken deflate", |z| z.pieces[1].data.fill(0xff)),
        ("zlib wrapper", "broken deflate|does not end|more than", |z| {
            let data = [&[0x78, 0x9c][..], &z.pieces[1].data].concat();
            z.pieces[1].repack(data);
        }),
        ("deflated though larger", "does not make it smaller", |z| {
            let data = deflate(b"#!/bin/sh\n");
            z.pieces[STORED].repack(data);
            z.pieces[STORED].both(|f| (f.method, f.need, f.made) = (8, 20, 0x314));
        }),
        ("empty but deflated", "does not make it smaller", |z| {
            z.pieces[2].repack(vec![3, 0]);
            z.pieces[2].both(|f| (f.method, f.need, f.made) = (8, 20, 0x314));
        }),
        ("nothing unpacks to something", "more than 200 times", |z| z.pieces[1].repack(vec![])),
        ("other content of the same size", "SHA-256", |z| {
            let content = b"#!/bin/zz\n";
            z.pieces[STORED] = Piece::new(b"apps/run.sh", FileMode::Executable, content);
        }),
        ("entry that is not in the manifest", "is not listed in passgate.json", |z| {
            z.pieces.push(Piece::new("infra/ü.yaml".as_bytes(), FileMode::Regular, b""));
            z.listed.push(5);
        }),
        ("entry between that is not in the manifest", "where passgate.json lists", |z| {
            z.pieces.insert(2, Piece::new(b"apps/b.yaml", FileMode::Regular, b""));
            z.listed.push(5);
        }),
        ("entry missing", "where passgate.json lists", |z| {
            z.pieces.remove(2);
            z.listed.pop();
        }),
        ("folder entry", "component is empty", |z| {
            z.pieces.insert(1, Piece::new(b"apps/", FileMode::Regular, b""));
            z.listed.push(5);
        }),
        ("name of no bytes", "empty name", |z| z.pieces[1].both(|f| f.name.clear())),
        ("name too long", "longer than 1024", |z| z.pieces[1].both(|f| f.name = vec![b'a'; 1025])),
    ];
    assert!(cases.len() >= 100, "{}", cases.len());
    let mut wrong = Vec::new();
    for (case, rule, knob) in cases {
        let mut zip = Zip::sample();
        knob(&mut zip);
        let why = refusal(case, open(&zip.bytes()));
        if !rule.split('|').any(|rule| why.contains(rule)) || why.contains(char::is_control) {
            wrong.push(format!("{case}: {why:?} does not name {rule:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn hostile_signatures_and_lengths_are_refused() {
    let bytes = Zip::sample().bytes();
    let central = u32::from_le_bytes(bytes[bytes.len() - 6..][..4].try_into().unwrap()) as usize;
    let last = bytes.len() - 22 - 46 - "infra/é.yaml".len();
    let cases: [(&str, &str, usize, u8); 6] = [
        ("local signature", "no local header stands", 0, 0),
        ("local signature of a central entry", "no local header stands", 2, 1),
        ("central signature", "central entry 1 does not begin", central, 0),
        ("last central signature", "central entry 5 does not begin", last + 3, 5),
        ("name beyond the directory", "central entry 5 has a name that is cut off", last + 28, 0xff),
        ("name shorter than it is", "central directory goes on", last + 28, 12),
    ];
    for (case, rule, at, byte) in cases {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        assert_refused(case, rule, open(&bytes));
    }
}
