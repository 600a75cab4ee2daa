//! Which paths may stand in an artifact: names that mean the same file on every system, and nothing that git, Windows,
//! macOS or a pipeline's log would read as something else.

use sha2::{Digest as _, Sha256};
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc, is_nfkc_quick};

/// Longest path component, in bytes.
pub const MAX_COMPONENT: usize = 255;
/// Longest path, in bytes.
pub const MAX_PATH: usize = 1024;
/// Most components of a path.
pub const MAX_DEPTH: usize = 64;

/// Why a path may not stand in an artifact.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the path {path:?} is refused: {why}")]
pub struct BadPath {
    /// The path as found.
    pub path: String,
    /// The rule it breaks.
    pub why: &'static str,
}

/// Characters that change how text is shown without being seen themselves: bidirectional controls, zero-width and
/// invisible format characters, the byte order mark, line and paragraph separators.
pub fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A component that belongs to git and never travels: `.git` itself and whatever begins with it (`.gitignore`, …).
pub fn is_git_file(component: &str) -> bool {
    component.as_bytes().get(..4).is_some_and(|head| head.eq_ignore_ascii_case(b".git"))
}

/// Checks one path component.
///
/// # Errors
/// The rule that the component breaks.
pub fn component(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("a component is empty");
    }
    if name.len() > MAX_COMPONENT {
        return Err("a component is longer than 255 bytes");
    }
    if is_git_file(name) {
        return Err("a component begins with .git");
    }
    if name.chars().any(|c| c.is_control() || is_invisible(c)) {
        return Err("a component has a control, bidirectional or invisible character");
    }
    if name.chars().any(|c| "<>:\"|?*\\".contains(c)) {
        return Err("a component has one of < > : \" | ? * \\, which Windows refuses");
    }
    if name.ends_with(['.', ' ']) {
        return Err("a component ends with a dot or a space, which Windows drops");
    }
    if gix_validate::path::component_is_windows_device(name.into()) || is_device(name) {
        return Err("a component is the name of a Windows device");
    }
    let all = gix_validate::path::component::Options { protect_windows: true, protect_hfs: true, protect_ntfs: true };
    if gix_validate::path::component(name.into(), None, all).is_err() {
        return Err("a component is refused by git's own protections");
    }
    Ok(())
}

// Windows takes a device name with any extension, with spaces before it, and superscript digits for COM¹.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    if stem.len() > "CONOUT$".len() {
        return false;
    }
    let stem = stem.to_ascii_uppercase();
    if ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$"].contains(&stem.as_str()) {
        return true;
    }
    let mut chars = stem.chars();
    let head: String = chars.by_ref().take(3).collect();
    (head == "COM" || head == "LPT")
        && matches!(chars.next(), Some('0'..='9' | '¹' | '²' | '³'))
        && chars.next().is_none()
}

/// Checks a whole path of an artifact: relative, `/` between components, NFC.
///
/// # Errors
/// The path, and the rule that it breaks.
pub fn check(path: &str) -> Result<(), BadPath> {
    let bad = |why| Err(BadPath { path: path.to_owned(), why });
    if path.is_empty() {
        return bad("it is empty");
    }
    if path.len() > MAX_PATH {
        return bad("it is longer than 1024 bytes");
    }
    if path.starts_with('/') {
        return bad("it is absolute");
    }
    if !is_nfc(path) {
        return bad("it is not in Unicode normalization form C");
    }
    if path.contains("##[") || path.contains("##vso[") {
        return bad("it holds a pipeline command (##[ or ##vso[)");
    }
    if path.split('/').count() > MAX_DEPTH {
        return bad("it is deeper than 64 components");
    }
    for part in path.split('/') {
        if let Err(why) = component(part) {
            return bad(why);
        }
    }
    Ok(())
}

/// The form in which two names that some file system takes for one are equal: case folding and NFKC.
pub fn collision_key(name: &str) -> String {
    // Both foldings leave ASCII alone but for its case, and nearly all names are ASCII.
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    let is_plain = |text: &str| is_nfkc_quick(text.chars()) == IsNormalized::Yes;
    let folded = if is_plain(name) {
        caseless::default_case_fold_str(name)
    } else {
        caseless::default_case_fold_str(&name.nfkc().collect::<String>())
    };
    // Folding what is folded changes nothing, so what both forms leave alone is done.
    if is_plain(&folded) {
        return folded;
    }
    caseless::default_case_fold_str(&folded.nfkc().collect::<String>()).nfkc().collect()
}

/// Finds paths, or prefixes of paths, that collide on some file system, or a file that is also a folder.
///
/// # Errors
/// A path that collides with one before it.
pub fn check_collisions<'a>(paths: impl Iterator<Item = &'a str>) -> Result<(), BadPath> {
    let mut sorted: Vec<&str> = paths.collect();
    sorted.sort_unstable();
    // Each prefix is met once, so a key that is there twice is a collision. Keys are half a SHA-256, and nothing is kept
    // beside them: many deep paths have millions of prefixes.
    let mut keys = Vec::new();
    prefixes(&sorted, &mut |key, _, _| {
        keys.push(key);
        Ok(())
    })?;
    keys.sort_unstable();
    let Some(twice) = keys.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0]) else { return Ok(()) };
    drop(keys);
    let mut first: Option<(&str, bool)> = None;
    prefixes(&sorted, &mut |key, path, end| {
        let (prefix, is_file) = (&path[..end], end == path.len());
        match first {
            _ if key != twice => Ok(()),
            None => {
                first = Some((prefix, is_file));
                Ok(())
            }
            Some((spelling, was_file)) => {
                let why = if spelling != prefix {
                    "it collides with another path where case or compatibility forms are not told apart"
                } else if is_file && was_file {
                    "it stands there twice"
                } else {
                    "it is a file and a folder at once"
                };
                Err(BadPath { path: path.to_owned(), why })
            }
        }
    })
}

// Hands every path and prefix of the sorted paths to `each`, once: its key, the path, and where the prefix ends in it.
fn prefixes<'a>(
    sorted: &[&'a str],
    each: &mut dyn FnMut([u8; 16], &'a str, usize) -> Result<(), BadPath>,
) -> Result<(), BadPath> {
    let mut before = "";
    for path in sorted {
        let mut hasher = Sha256::new();
        let mut end = 0;
        for part in path.split('/') {
            // No folding reaches across a `/`, so the key of a prefix is that of its components.
            hasher.update(collision_key(part));
            hasher.update("/");
            end += part.len();
            // A folder that the path before also lies in was met with it.
            if end == path.len() || before.get(..=end) != path.get(..=end) {
                let mut key = [0; 16];
                key.copy_from_slice(&hasher.clone().finalize()[..16]);
                each(key, path, end)?;
            }
            end += 1;
        }
        before = path;
    }
    Ok(())
}

/// Whether `path` is `folder` or lies in it.
pub fn is_within(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_refused() {
        for bad in [
            "",
            "/x",
            "a//b",
            "a/../b",
            "a/./b",
            "a/.git/x",
            "a/.GIT/x",
            "a/.gitignore",
            "a/git~1",
            "a/x.",
            "a/x ",
            "a/NUL",
            "a/nul.txt",
            "a/COM¹",
            "a/aux.yaml",
            "a/b:c",
            "a\\b",
            "a/x\u{202e}y",
            "a/x\ry",
            "a/.g\u{200c}it",
            "a/e\u{301}",
            "a/##[error]x",
            "a/x##vso[task.x]",
            "a/\u{7f}",
            "a/lpt1",
            "a/conin$",
            "a/x\u{feff}",
        ] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
        for good in
            ["apps/shop/deploy.yaml", "apps/é.yaml", "apps/.helmignore", "apps/com10", "apps/a b", "apps/console"]
        {
            assert_eq!(check(good), Ok(()), "{good:?}");
        }
    }

    #[test]
    fn the_short_way_to_a_collision_key_is_the_long_one() {
        let fold = caseless::default_case_fold_str;
        let nfkc = |text: &str| text.nfkc().collect::<String>();
        // Where something folds or has a compatibility form; the rest of Unicode takes a minute.
        let chars = ('\0'..='\u{33ff}').chain('\u{a640}'..='\u{abff}').chain('\u{f900}'..='\u{ffff}');
        for c in chars.chain('\u{1d400}'..='\u{1e9ff}') {
            for text in [c.to_string(), format!("\u{345}a{c}\u{301}")] {
                assert_eq!(collision_key(&text), nfkc(&fold(&nfkc(&fold(&nfkc(&text))))), "{text:?}");
            }
        }
    }

    #[test]
    fn collisions_are_found_in_prefixes_too() {
        assert!(check_collisions(["apps/A/x", "apps/a/y"].into_iter()).is_err());
        assert!(check_collisions(["apps/ß", "apps/SS"].into_iter()).is_err());
        assert!(check_collisions(["apps/ﬁ", "apps/fi"].into_iter()).is_err());
        assert!(check_collisions(["apps/a", "apps/a/b"].into_iter()).is_err());
        assert!(check_collisions(["apps/a", "apps/a"].into_iter()).is_err());
        assert!(check_collisions(["apps/a／b", "apps/a/b"].into_iter()).is_err());
        assert!(check_collisions(["apps/a/x", "b", "apps/A/y"].into_iter()).is_err());
        assert!(check_collisions(["apps/a/x", "apps/a/y"].into_iter()).is_ok());
        assert!(check_collisions(["apps/a/x", "apps/b/x", "apps/a/y", "apps/ab"].into_iter()).is_ok());
    }
}
