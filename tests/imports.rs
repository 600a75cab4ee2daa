//! Holds every file of `src` to the map in `src/lib.rs`: which module may use which, a module doc on every file, and no file
//! that is too long to be read in one go. What is compiled for tests only is left out.

#![allow(clippy::unwrap_used, reason = "a test that cannot read the sources has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const LONGEST: usize = 600;
// std, serde, thiserror and pure helpers: nothing that reads or writes outside the program.
const PURE: &[&str] = &[
    "base64",
    "caseless",
    "cronexpr",
    "gix_validate",
    "granit_parser",
    "hex",
    "jiff",
    "percent_encoding",
    "regex_lite",
    "schemars",
    "semver",
    "serde",
    "serde_json",
    "serde_saphyr",
    "sha1_checked",
    "sha2",
    "std",
    "strsim",
    "thiserror",
    "unicode_normalization",
    "unicode_width",
];
// What adapters share.
const SHARED: &[&str] = &["child", "http"];
const IMPURE_STD: &[&str] = &["env", "fs", "net", "os", "process", "thread"];

/// The text of every file below `src`, by its path there.
fn sources() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeMap::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
                found.insert(name, fs::read_to_string(path).unwrap());
            }
        }
    }
    found
}

/// The top-level module of a file: `app` of `app/release.rs`.
fn module(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap()
}

/// Whether a file is compiled for tests only.
fn is_test(file: &str) -> bool {
    file.split(['/', '.']).any(|part| part == "tests")
}

/// The table of `src/lib.rs`: who may use whom. Prose after a semicolon is for people.
fn law(lib: &str) -> BTreeMap<String, BTreeSet<String>> {
    let rows = lib.lines().filter_map(|line| line.strip_prefix("//! | ")).skip(1);
    let cells = rows.filter_map(|row| row.trim_end_matches('|').split_once('|'));
    let words = |text: &str| -> BTreeSet<String> {
        let text = text.split(';').next().unwrap_or_default();
        text.split([',', ' ']).map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    cells.map(|(name, may)| (name.trim_matches([' ', '[', ']', '`']).to_owned(), words(may))).collect()
}

/// Words and signs of Rust text, without comments, texts, characters and lifetimes.
fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    while let Some(&c) = chars.get(at) {
        let next = chars.get(at + 1).copied().unwrap_or(' ');
        if c == '/' && next == '/' {
            while chars.get(at).is_some_and(|c| *c != '\n') {
                at += 1;
            }
        } else if c == '/' && next == '*' {
            let mut depth = 0;
            loop {
                match (chars.get(at), chars.get(at + 1)) {
                    (Some('/'), Some('*')) => (depth, at) = (depth + 1, at + 2),
                    (Some('*'), Some('/')) => (depth, at) = (depth - 1, at + 2),
                    (Some(_), _) => at += 1,
                    (None, _) => break,
                }
                if depth == 0 {
                    break;
                }
            }
        } else if let Some(hashes) = raw_text(&chars[at..]) {
            let end: String = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
            at += chars[at..].iter().position(|c| *c == '"').unwrap() + 1;
            while !end.chars().enumerate().all(|(n, c)| chars.get(at + n).is_none_or(|have| *have == c)) {
                at += 1;
            }
            at += end.len();
        } else if c == '"' {
            at += 1;
            while chars.get(at).is_some_and(|c| *c != '"') {
                at += if chars[at] == '\\' { 2 } else { 1 };
            }
            at += 1;
        } else if c == '\'' && next == '\\' {
            at += 3;
            while chars.get(at).is_some_and(|c| *c != '\'') {
                at += 1;
            }
            at += 1;
        } else if c == '\'' && chars.get(at + 2) == Some(&'\'') {
            at += 3;
        } else if c == '\'' {
            at += 1;
        } else if is_word(c) {
            let word: String = chars[at..].iter().take_while(|c| is_word(**c)).collect();
            at += word.chars().count();
            tokens.push(word);
        } else if c == ':' && next == ':' {
            tokens.push("::".to_owned());
            at += 2;
        } else {
            if !c.is_whitespace() {
                tokens.push(c.to_string());
            }
            at += 1;
        }
    }
    tokens
}

/// The number of hashes, when a raw text (`r"…"`, `br#"…"#`) begins here.
fn raw_text(chars: &[char]) -> Option<usize> {
    let rest = match chars {
        ['b', 'r', rest @ ..] | ['r', rest @ ..] => rest,
        _ => return None,
    };
    let hashes = rest.iter().take_while(|c| **c == '#').count();
    (rest.get(hashes) == Some(&'"')).then_some(hashes)
}

/// Leaves out items under `#[cfg(test)]`.
fn without_tests(tokens: Vec<String>) -> Vec<String> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at..].iter().map(String::as_str).take(7).eq(["#", "[", "cfg", "(", "test", ")", "]"]) {
            at += 7;
            let mut depth = 0;
            while let Some(token) = tokens.get(at) {
                at += 1;
                match token.as_str() {
                    "{" => depth += 1,
                    "}" => depth -= 1,
                    ";" if depth == 0 => break,
                    _ => continue,
                }
                if depth == 0 {
                    break;
                }
            }
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// Every path `root::…` of some tokens, groups opened: `use crate::{a::b, c}` gives `a::b` and `c`.
fn paths(tokens: &[String], root: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        let is_inner = at > 0 && tokens[at - 1] == "::";
        if tokens[at] == root && !is_inner && tokens.get(at + 1).is_some_and(|token| token == "::") {
            follow(tokens, at + 2, &mut Vec::new(), &mut found);
        }
    }
    found
}

fn follow(tokens: &[String], mut at: usize, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> usize {
    let begun = path.len();
    loop {
        match tokens.get(at).map(String::as_str) {
            Some("{") => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token != "}") {
                    at = follow(tokens, at, path, found);
                    if tokens.get(at).is_some_and(|token| token == ",") {
                        at += 1;
                    }
                }
                path.truncate(begun);
                return at + 1;
            }
            Some(word) => path.push(word.to_owned()),
            None => return at,
        }
        at += 1;
        if tokens.get(at).is_some_and(|token| token == "::") {
            at += 1;
            continue;
        }
        // A new name is no new place.
        if tokens.get(at).is_some_and(|token| token == "as") {
            at += 2;
        }
        found.push(path.clone());
        path.truncate(begun);
        return at;
    }
}

/// Every path within the crate that a file names, from the crate's root.
fn uses(file: &str, text: &str) -> Vec<Vec<String>> {
    let tokens = without_tests(tokens(text));
    // The module's own path, which `super` is counted from.
    let mut own: Vec<String> = file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if own.last().is_some_and(|last| last == "mod") {
        own.pop();
    }
    let mut found = paths(&tokens, "crate");
    if file == "main.rs" {
        found.extend(paths(&tokens, "passgate"));
    }
    for mut path in paths(&tokens, "super") {
        let mut base = own.clone();
        base.pop();
        while path.first().is_some_and(|first| first == "super") {
            path.remove(0);
            base.pop();
        }
        base.extend(path);
        found.push(base);
    }
    found
}

#[test]
fn imports_go_downward_only() {
    let sources = sources();
    let law = law(&sources["lib.rs"]);
    let modules: BTreeSet<&str> = sources.keys().map(|file| module(file)).filter(|module| *module != "lib").collect();
    assert_eq!(modules, law.keys().map(String::as_str).collect(), "the table of src/lib.rs lists every module");

    let mut broken = Vec::new();
    for (file, text) in sources.iter().filter(|(file, _)| *file != "lib.rs" && !is_test(file)) {
        let own = module(file);
        let may = &law[own];
        for path in uses(file, text) {
            let Some(used) = path.first().map(String::as_str).filter(|used| modules.contains(used)) else { continue };
            if used != own && !may.contains(used) && !may.contains("all") {
                broken.push(format!("{file}: {own} may not use {}", path.join("::")));
            }
            // adapter/git/… uses adapter::git only, whoever asks a server adapter::http, and whoever starts a program adapter::child.
            let part = file.split(['/', '.']).nth(1);
            let other = path.get(1).map(String::as_str).filter(|other| Some(*other) != part && !SHARED.contains(other));
            if own == "adapter" && used == own && part != Some("mod") && other.is_some() {
                broken.push(format!("{file}: an adapter may not use {}", path.join("::")));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn each_forge_is_spoken_to_in_one_adapter() {
    for (folder, crates) in [
        ("adapter/github/", &["octocrab"][..]),
        ("adapter/azure/", &["async_trait", "azure_core", "azure_devops_rust_api"][..]),
    ] {
        for (file, text) in sources().iter().filter(|(file, _)| !file.starts_with(folder)) {
            let tokens = tokens(text);
            for name in crates {
                assert!(paths(&tokens, name).is_empty(), "{file}: only {folder} uses {name}");
            }
        }
    }
}

#[test]
fn the_domain_is_pure() {
    let sources = sources();
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let dependencies = manifest.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    let crates: Vec<String> = dependencies
        .lines()
        .filter_map(|line| Some(line.split_once('=')?.0.trim().replace('-', "_")))
        .filter(|name| !PURE.contains(&name.as_str()))
        .collect();
    assert!(!crates.is_empty());
    for (file, text) in sources.iter().filter(|(file, _)| module(file) == "domain" && !is_test(file)) {
        let tokens = without_tests(tokens(text));
        for name in &crates {
            assert!(paths(&tokens, name).is_empty(), "{file}: the domain may not use {name}");
        }
        for path in paths(&tokens, "std") {
            assert!(!IMPURE_STD.contains(&path[0].as_str()), "{file}: the domain may not use std::{}", path.join("::"));
        }
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for (file, text) in sources() {
        assert!(text.starts_with("//! "), "{file} begins without a module doc");
    }
}

#[test]
fn no_file_is_too_long() {
    for (file, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= LONGEST, "{file} has {lines} lines, more than {LONGEST}: split it");
    }
}

#[test]
fn the_reader_of_sources_sees_through_texts_tests_and_groups() {
    let text = r##"
        //! use crate::comment;
        use crate::{domain::{id::BlobId, url}, port as outside};
        const TEXT: &str = "use crate::text; \" crate::text";
        const RAW: &str = r#"crate::raw " "#;
        const QUOTE: char = '"'; const BACK: char = '\''; fn life<'a>(x: &'a str) {}
        /* crate::block /* crate::nested */ */
        #[cfg(test)]
        use crate::used_in_tests;
        #[cfg(test)]
        mod tests { fn f() { crate::tests_only::x(); } }
        fn g() { crate::app::run(); super::super::super::host::tell(); }
    "##;
    let found: Vec<String> = uses("cli/deep/file.rs", text).iter().map(|path| path.join("::")).collect();
    assert_eq!(found, ["domain::id::BlobId", "domain::url", "port", "app::run", "host::tell"]);
}
