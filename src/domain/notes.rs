//! Release notes: the commits that an environment gets, and the work items that they name.

use std::collections::BTreeSet;

use super::escape;
use super::id::CommitId;
use super::url::RepoUrl;

/// A commit that an environment gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The commit.
    pub commit: CommitId,
    /// Its first line, as it was written.
    pub subject: String,
    /// The work items that its message names.
    pub items: BTreeSet<String>,
}

/// The commits between what was live and what comes, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes {
    /// Those that are told.
    pub changes: Vec<Change>,
    /// How many more there are.
    pub more: usize,
}

impl Notes {
    /// All work items, sorted.
    pub fn items(&self) -> BTreeSet<String> {
        self.changes.iter().flat_map(|change| change.items.iter().cloned()).collect()
    }

    /// The notes as Markdown, with links where the source has pages.
    pub fn markdown(&self, source: &RepoUrl) -> String {
        let mut out = String::new();
        for change in &self.changes {
            let short = change.commit.short();
            let id = match source.web_commit(&change.commit.to_string()) {
                Some(url) => format!("[`{short}`]({url})"),
                None => format!("`{short}`"),
            };
            out.push_str(&format!("- {} ({id})\n", escape::markdown_line(&change.subject)));
        }
        if self.more > 0 {
            out.push_str(&format!("- and {} more\n", self.more));
        }
        let items: Vec<String> = self.items().iter().map(|item| escape::line(item)).collect();
        if !items.is_empty() {
            out.push_str(&format!("\nWork items: {}\n", items.join(", ")));
        }
        out
    }

    /// The notes as lines of a commit message.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self
            .changes
            .iter()
            .map(|change| format!("- {} ({})", escape::commit_line(&change.subject), change.commit.short()))
            .collect();
        if self.more > 0 {
            lines.push(format!("- and {} more", self.more));
        }
        lines
    }
}

/// A commit's first line with references that stay true elsewhere: `#12` of a GitHub repository becomes `owner/repo#12`.
pub fn qualify(subject: &str, source: &RepoUrl) -> String {
    let Some(slug) = source.github_slug() else { return subject.to_owned() };
    let mut out = String::with_capacity(subject.len());
    let mut before = ' ';
    let mut rest = subject.chars().peekable();
    while let Some(c) = rest.next() {
        let begins = c == '#' && !before.is_alphanumeric() && !"_/&-".contains(before);
        if begins && rest.peek().is_some_and(char::is_ascii_digit) {
            out.push_str(slug);
        }
        out.push(c);
        before = c;
    }
    out
}

/// The work items that a commit message names: `AB#12`, `owner/repo#12`, `#12` (as the source's own), `KEY-12`.
pub fn work_items(message: &str, source: &RepoUrl) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let is_word = |c: char| c.is_alphanumeric() || "#/_.-".contains(c);
    for word in message.split(|c: char| !is_word(c)) {
        let word = word.trim_matches(|c: char| ".-/_".contains(c));
        if let Some((head, number)) = word.split_once('#') {
            if number.is_empty() || number.len() > 10 || !number.bytes().all(|b| b.is_ascii_digit()) {
                continue;
            }
            let is_repo = head.matches('/').count() == 1 && !head.starts_with('/') && !head.ends_with('/');
            match head {
                "AB" => found.insert(format!("AB#{number}")),
                "" => found.insert(match source.github_slug() {
                    Some(slug) => format!("{slug}#{number}"),
                    None if source.is_azure() => format!("AB#{number}"),
                    None => format!("#{number}"),
                }),
                _ if is_repo => found.insert(word.to_owned()),
                _ => false,
            };
        } else if let Some((key, number)) = word.split_once('-') {
            let is_key = (2..=10).contains(&key.len())
                && key.starts_with(|c: char| c.is_ascii_uppercase())
                && key.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
            // Names of standards look like keys of a tracker.
            let is_standard = ["UTF", "SHA", "ISO", "RFC", "CVE", "TLS", "AES", "MD"].contains(&key);
            if is_key
                && !is_standard
                && !number.is_empty()
                && number.len() <= 8
                && number.bytes().all(|b| b.is_ascii_digit())
            {
                found.insert(word.to_owned());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_stay_true_in_another_repository() {
        let github: RepoUrl = "https://github.com/acme/shop".parse().unwrap();
        assert_eq!(qualify("Fix cart (#12), AB#3, a/b#4, #x", &github), "Fix cart (acme/shop#12), AB#3, a/b#4, #x");
        assert_eq!(qualify("#12", &"https://git.acme.io/shop".parse().unwrap()), "#12");
    }

    #[test]
    fn work_items_are_found_in_every_form() {
        let github: RepoUrl = "https://github.com/acme/shop".parse().unwrap();
        let items = |text: &str| work_items(text, &github).into_iter().collect::<Vec<_>>();
        assert_eq!(items("Fix cart (#12), see AB#34 and other/repo#5."), ["AB#34", "acme/shop#12", "other/repo#5"]);
        assert_eq!(items("SHOP-77: use UTF-8 and SHA-256; x-1 #x a#1 v1-2"), ["SHOP-77"]);
        assert!(items("no #12345678901 items / # here").is_empty());
    }
}
