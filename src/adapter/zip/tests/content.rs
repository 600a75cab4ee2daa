//! Zips whose structure is canonical, but whose names or manifest are not.

use super::builder::*;
use crate::adapter::zip::{Limits, ZipArtifacts};
use crate::domain::artifact::{self, Folder, Manifest};
use crate::domain::listing::FileMode;

fn zip_of(folders: &[&str], contents: &[Content]) -> Vec<u8> {
    Zip::of(&manifest_of(folders, contents).to_bytes().unwrap(), contents).bytes()
}

#[test]
fn hostile_names_are_refused_even_when_the_manifest_agrees() {
    let long = format!("apps/{}", "x".repeat(256));
    let path = format!("apps/{}", "x/".repeat(600));
    let deep = format!("apps/{}x", "x/".repeat(64));
    let cases: &[(&str, &str)] = &[
        ("apps/../cluster/x", "dot or a space"),
        ("../x", "dot or a space"),
        ("apps/./x", "dot or a space"),
        ("apps//x", "component is empty"),
        ("apps/x/", "component is empty"),
        ("/apps/x", "absolute"),
        ("/etc/passwd", "absolute"),
        ("apps\\x", "Windows refuses"),
        ("apps/..\\..\\x", "Windows refuses"),
        ("C:/x", "Windows refuses"),
        ("apps/x:stream", "Windows refuses"),
        ("apps/a*", "Windows refuses"),
        ("apps/a?", "Windows refuses"),
        ("apps/x\0.yaml", "control"),
        ("apps/x\r::error::y", "control"),
        ("apps/x\ny", "control"),
        ("apps/x\u{1b}[2J", "control"),
        ("apps/x\u{7f}", "control"),
        ("apps/x\u{85}", "control"),
        ("apps/\u{202e}lmay.x", "invisible"),
        ("apps/x\u{2066}y", "invisible"),
        ("apps/x\u{200b}", "invisible"),
        ("apps/\u{feff}x", "invisible"),
        ("apps/.g\u{200c}it/config", "invisible"),
        ("apps/x.", "dot or a space"),
        ("apps/x ", "dot or a space"),
        ("apps/NUL", "Windows device"),
        ("apps/con.yaml", "Windows device"),
        ("apps/aux/x", "Windows device"),
        ("apps/COM¹", "Windows device"),
        ("apps/lpt9.txt", "Windows device"),
        ("apps/.git/config", ".git"),
        ("apps/.GIT/config", ".git"),
        ("apps/.gitattributes", ".git"),
        ("apps/git~1/config", "git's own protections"),
        ("apps/e\u{301}", "normalization form C"),
        ("apps/\u{212b}", "normalization form C"),
        ("apps/##[error]x", "pipeline command"),
        ("apps/##vso[task.setvariable]x", "pipeline command"),
        (&long, "longer than 255"),
        (&path, "longer than 1024"),
        (&deep, "deeper than 64"),
    ];
    for (name, rule) in cases {
        let contents = [((*name).to_owned(), FileMode::Regular, b"x".to_vec())];
        assert_refused(name, rule, open(&zip_of(&["apps"], &contents)));
    }
}

#[test]
fn names_that_are_not_utf8_are_refused() {
    let mut zip = Zip::sample();
    zip.pieces[4].both(|f| f.name = b"infra/\xff.yaml".to_vec());
    assert_refused("latin-1", "not UTF-8", open(&zip.bytes()));
    zip.pieces[4].both(|f| f.name = b"infra/\xed\xa0\x80".to_vec());
    assert_refused("surrogate", "not UTF-8", open(&zip.bytes()));
    zip.pieces[4].both(|f| f.name = b"infra/\xc0\xaf".to_vec());
    assert_refused("overlong", "not UTF-8", open(&zip.bytes()));
}

#[test]
fn collisions_are_refused() {
    let cases: &[&[&str]] = &[
        &["apps/A", "apps/a"],
        &["apps/A/x", "apps/a/y"],
        &["apps/SS", "apps/ß"],
        &["apps/fi", "apps/ﬁ"],
        &["apps/a", "apps/a/b"],
        &["apps/a", "apps/a-b", "apps/a/c"],
        &["apps/É", "apps/é"],
        &["apps/k", "apps/s", "apps/\u{17f}"],
    ];
    for names in cases {
        let contents: Vec<Content> =
            names.iter().map(|name| ((*name).to_owned(), FileMode::Regular, b"x".to_vec())).collect();
        let why = refusal(names[0], open(&zip_of(&["apps"], &contents)));
        assert!(why.contains("collides") || why.contains("a file and a folder"), "{names:?}: {why}");
    }
    let contents = [("Apps/x".to_owned(), FileMode::Regular, b"x".to_vec())];
    assert_refused("an empty folder", "collides", open(&zip_of(&["Apps", "apps"], &contents)));
    let contents = [("passgate.JSON/x".to_owned(), FileMode::Regular, b"x".to_vec())];
    assert_refused("manifest as a folder", "manifest", open(&zip_of(&["passgate.JSON"], &contents)));
}

#[test]
fn folders_are_held_to_the_manifest() {
    let one = |name: &str| [(name.to_owned(), FileMode::Regular, b"x".to_vec())];
    assert!(open(&zip_of(&["apps", "infra"], &one("apps/x"))).is_ok(), "infra is declared empty");
    let cases: &[(&str, &[&str], &str)] = &[
        ("cluster/x", &["apps"], "none of the unit's folders"),
        ("applications/x", &["apps"], "none of the unit's folders"),
        ("x", &["apps"], "none of the unit's folders"),
        ("apps", &["apps"], "a file and a folder at once|none of|stands there twice"),
        (".passgate/stage.yaml", &[".passgate"], "begins with a dot"),
        ("apps/x", &["infra", "apps"], "out of order or twice"),
        ("apps/x", &["apps", "apps"], "out of order or twice"),
        ("apps/x", &["apps", "apps/x"], "which lies in its folder"),
        ("apps/x/y", &["apps", "apps-2", "apps/x"], "which lies in its folder"),
        ("apps/x", &[], "names no folder"),
        ("apps/x", &["", "apps"], "a folder of"),
        ("apps/x", &["apps", "apps-../x"], "a folder of"),
        ("apps/x", &["apps/"], "a folder of"),
        ("apps/x", &["apps", "passgate.json"], "a folder of"),
    ];
    for (name, folders, rule) in cases {
        let why = refusal(name, open(&zip_of(folders, &one(name))));
        assert!(rule.split('|').any(|rule| why.contains(rule)), "{name} in {folders:?}: {why}");
    }
}

#[test]
fn a_manifest_that_lies_is_refused() {
    type Case = (&'static str, &'static str, fn(&mut Manifest));
    let cases: Vec<Case> = vec![
        ("format", "the format \"passgate/artifact/v2\"", |m| m.format = "passgate/artifact/v2".into()),
        ("digest", "another digest", |m| m.digest.0[0] ^= 1),
        ("tree", "another tree", |m| m.folders[0].tree.as_mut().unwrap().0.0[0] ^= 1),
        ("no tree", "declared empty but has files", |m| m.folders[0].tree = None),
        ("tree without files", "no files", |m| {
            m.folders.push(Folder { path: "zoo".into(), tree: m.folders[0].tree });
        }),
        ("missing folder", "none of the unit's folders", |m| m.folders.truncate(1)),
        ("version empty", "1 to 100", |m| m.version = Some(String::new())),
        ("version long", "1 to 100", |m| m.version = Some("1".repeat(101))),
        ("version with a line break", "control", |m| m.version = Some("1\n::error::".into())),
        ("version bidi", "invisible", |m| m.version = Some("1\u{202e}".into())),
        ("time", "RFC 3339", |m| m.source.committed = "yesterday".into()),
        ("time with a zone", "RFC 3339", |m| m.source.committed = "2024-05-06T09:08:09+02:00".into()),
        ("time with fractions", "RFC 3339", |m| m.source.committed = "2024-05-06T07:08:09.5Z".into()),
        ("time in lower case", "RFC 3339", |m| m.source.committed = "2024-05-06t07:08:09z".into()),
        ("time with a space", "RFC 3339", |m| m.source.committed = "2024-05-06 07:08:09Z".into()),
        ("leap second", "RFC 3339", |m| m.source.committed = "2016-12-31T23:59:60Z".into()),
        ("no such day", "RFC 3339", |m| m.source.committed = "2024-02-30T00:00:00Z".into()),
        ("year of five digits", "RFC 3339", |m| m.source.committed = "+012024-05-06T07:08Z".into()),
        ("size", "another size", |m| m.files[0].size += 1),
        ("size of a giant", "another size|may have", |m| m.files[0].size = u64::MAX),
        ("mode", "another mode", |m| m.files[0].mode = FileMode::Executable),
        ("sha256", "another digest|SHA-256", |m| m.files[0].sha256.0[0] ^= 1),
        ("sha256 and digest", "SHA-256", |m| {
            m.files[0].sha256.0[0] ^= 1;
            m.digest = artifact::digest_of(&m.files);
        }),
        ("blob", "another tree", |m| m.files[0].blob.0.0[0] ^= 1),
        ("blob and tree", "git blob id", |m| {
            m.files[0].blob.0.0[0] ^= 1;
            m.folders = artifact::folders_of(&["apps".into(), "infra".into()], &m.files).unwrap();
        }),
        ("order", "where passgate.json lists", |m| m.files.swap(0, 1)),
        ("twice", "where passgate.json lists", |m| m.files.insert(1, m.files[0].clone())),
        ("twice at the end", "not in the zip", |m| m.files.push(m.files[3].clone())),
        ("one file less", "is not listed", |m| m.files.truncate(3)),
        ("hostile path", "where passgate.json lists", |m| m.files[0].path = "apps/../a".into()),
        ("command in the path", "where passgate.json lists", |m| m.files[0].path = "apps/\r##vso[x]".into()),
    ];
    for (case, rule, knob) in cases {
        let mut manifest = manifest_of(&["apps", "infra"], &sample());
        knob(&mut manifest);
        let why = refusal(case, open(&Zip::of(&manifest.to_bytes().unwrap(), &sample()).bytes()));
        assert!(rule.split('|').any(|rule| why.contains(rule)), "{case}: {why}");
        assert!(!why.contains(char::is_control), "{case}: {why:?}");
    }
}

#[test]
fn a_manifest_in_another_form_is_refused() {
    type Case = (&'static str, &'static str, fn(&str) -> String);
    let cases: Vec<Case> = vec![
        ("no final newline", "canonical", |t| t.trim_end().into()),
        ("two newlines", "canonical", |t| format!("{t}\n")),
        ("CRLF", "canonical", |t| t.replace('\n', "\r\n")),
        ("compact", "canonical", |t| serde_json::from_str::<serde_json::Value>(t).unwrap().to_string()),
        ("byte order mark", "not a manifest", |t| format!("\u{feff}{t}")),
        ("unknown field", "unknown field", |t| t.replacen('{', "{\n  \"x\": 1,", 1)),
        ("unknown field of a file", "unknown field", |t| t.replacen("\"mode\"", "\"x\": 1, \"mode\"", 1)),
        ("hostile unknown field", "unknown field", |t| t.replacen('{', "{\n  \"\\r##vso[x]\": 1,", 1)),
        ("field twice", "duplicate field", |t| t.replacen('{', "{\n  \"format\": \"x\",", 1)),
        ("field missing", "canonical", |t| t.replacen("  \"version\": \"1.2.3\",\n", "", 1)),
        ("other order", "canonical", |t| {
            let unit = "  \"unit\": \"shop\",\n";
            t.replacen(unit, "", 1).replacen("{\n", &format!("{{\n{unit}"), 1)
        }),
        ("escaped letters", "canonical", |t| t.replacen("shop", "sh\\u006fp", 1)),
        ("URL of another spelling", "canonical", |t| t.replacen("acme/shop", "acme/shop.git", 1)),
        ("capital digits", "not a manifest", |t| t.replacen("sha256:", "SHA256:", 1)),
        ("mode of a symlink", "not a manifest", |t| t.replacen("100644", "120000", 1)),
        ("size with a fraction", "not a manifest", |t| t.replacen("\"size\": 480", "\"size\": 480.0", 1)),
        ("negative size", "not a manifest", |t| t.replacen("\"size\": 480", "\"size\": -480", 1)),
        ("unit", "not a manifest", |t| t.replacen("shop", "../shop", 1)),
        ("an array", "not a manifest", |t| format!("[{t}]")),
        ("empty", "not a manifest", |_| String::new()),
        ("deep", "not a manifest", |_| "[".repeat(100_000)),
        ("later format with other fields", "the format \"passgate/artifact/v2\"", |t| {
            t.replacen("artifact/v1", "artifact/v2", 1).replacen('{', "{\n  \"x\": 1,", 1)
        }),
    ];
    for (case, rule, knob) in cases {
        let manifest = manifest_of(&["apps", "infra"], &sample()).to_bytes().unwrap();
        let mut text = knob(std::str::from_utf8(&manifest).unwrap());
        if case == "deep" {
            // Else the ratio is refused first.
            text = (0..2000).map(|n| format!("{{\"{n}\":")).collect();
        }
        assert_refused(case, rule, open(&Zip::of(text.as_bytes(), &sample()).bytes()));
    }
}

fn limited(change: fn(&mut Limits)) -> ZipArtifacts {
    let mut artifacts = ZipArtifacts::default();
    change(&mut artifacts.limits);
    artifacts
}

#[test]
fn limits_are_kept() {
    let bytes = Zip::sample().bytes();
    let manifest = manifest_of(&["apps", "infra"], &sample()).to_bytes().unwrap().len() as u64;
    let contents = sample().iter().map(|(.., content)| content.len() as u64).sum::<u64>();
    let exact = ZipArtifacts { limits: Limits { file: manifest, total: manifest + contents, ratio: 200, entries: 5 } };
    assert!(open_with(exact, &bytes).is_ok());
    let with = |change: fn(&mut Limits)| {
        let mut artifacts = exact;
        change(&mut artifacts.limits);
        open_with(artifacts, &bytes)
    };
    assert_refused("file", "one file may have", with(|l| l.file -= 1));
    assert_refused("total", "all of them together", with(|l| l.total -= 1));
    assert_refused("entries", "more than the 4 entries", with(|l| l.entries -= 1));
    assert_refused("ratio", "more than 10 times", with(|l| l.ratio = 10));
    assert!(open_with(limited(|l| l.ratio = 40), &bytes).is_ok());
}

#[test]
fn bombs_are_refused() {
    let bomb = vec![0; 10 << 20];
    let contents = [("apps/bomb".to_owned(), FileMode::Regular, bomb.clone())];
    assert_refused("ratio", "more than 200 times", open(&zip_of(&["apps"], &contents)));

    // One that lies about its size is stopped where the lie ends.
    let mut zip = Zip::sample();
    zip.pieces[0].repack(deflate(&bomb));
    zip.pieces[0].both(|f| (f.size, f.method) = (f.packed * 2, 8));
    assert_refused("lie", "more than its size", open(&zip.bytes()));

    zip.pieces[1].both(|f| f.size = (64 << 20) + 1);
    assert_refused("file", "one file may have", open(&zip.bytes()));

    // Each entry modest, all together too much.
    let small: Vec<Content> = (10..99).map(|n| (format!("apps/{n}"), FileMode::Regular, vec![b'x'; 1000])).collect();
    let many = zip_of(&["apps"], &small);
    assert_refused("total", "all of them together", open_with(limited(|l| l.total = 80_000), &many));
}

#[test]
fn overlapping_bombs_are_refused() {
    // Each local header lies in the quoted data of the one before, all of them share one kernel.
    let mut zip = Zip::sample();
    for at in 2..5 {
        zip.pieces[1].both(|f| f.packed += 40);
        zip.pieces[at].central.offset = Some(900);
    }
    assert_refused("quoted", "begins at offset", open(&zip.bytes()));
}

#[test]
fn too_many_entries_are_refused() {
    let mut contents: Vec<Content> =
        (0..70_000).map(|n| (format!("apps/{n:05}"), FileMode::Regular, Vec::new())).collect();
    let mut manifest = manifest_of(&["apps"], &[]);
    manifest.files = contents.iter().map(file_of).collect();
    // The count of the end record wraps around.
    let bytes = Zip::of(&manifest.to_bytes().unwrap(), &contents).bytes();
    refusal("70,000", open(&bytes));
    let saturated: fn(&mut Vec<u8>) = |end| end[8..12].fill(0xff);
    let mut zip = Zip::of(&manifest.to_bytes().unwrap(), &contents);
    zip.end = saturated;
    assert_refused("65,535 said", "after its last entry", open(&zip.bytes()));

    contents.truncate(65_534);
    let most = zip_of(&["apps"], &contents);
    assert!(open(&most).is_ok(), "65,535 entries are allowed");
}
