//! A list of references that stands for a registry.

use std::collections::BTreeMap;

use super::{Question, Seen};
use crate::domain::escape;
use crate::domain::image::reference;
use crate::domain::policy::images::bare;

// A tag and a digest.
type Listed = (Option<String>, Option<String>);

/// A list of references that stands for a registry.
#[derive(Debug, Default)]
pub struct Inventory(BTreeMap<String, Vec<Listed>>);

impl Inventory {
    /// Reads it: one reference a line, `#` for comments.
    ///
    /// # Errors
    /// A line is no reference.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut names = BTreeMap::<String, Vec<_>>::new();
        for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let known = || reference::listed(line).unwrap_or_default();
            let text = if line.contains("://") { line.to_owned() } else { known() };
            let text = reference::with_one_host(&text);
            let (name, tag, digest) = reference::split(bare(&text));
            if text.is_empty() || name.contains(char::is_whitespace) {
                return Err(format!("line {number} is no reference: {}", escape::line(line)));
            }
            names.entry(name.to_owned()).or_default().push((tag.map(str::to_owned), digest.map(str::to_owned)));
        }
        Ok(Self(names))
    }

    /// What it has.
    pub fn look(&self, question: &Question) -> Seen {
        let of = |name: &str| self.0.get(name).map(Vec::as_slice).unwrap_or_default();
        let tags = |name: &str| of(name).iter().filter_map(|(tag, _)| tag.clone()).collect::<Vec<_>>();
        match question {
            Question::Manifest { host, path, name, .. } => {
                let all = format!("{host}/{path}");
                let is_it = |given: &Option<String>| given.as_deref() == Some(name);
                match of(&all).iter().find(|(tag, digest)| is_it(tag) || is_it(digest)) {
                    Some((_, digest)) => Seen::Manifest(digest.clone().unwrap_or_default()),
                    None => Seen::Missing(Some(tags(&all))),
                }
            }
            Question::Tags { host, path } => Seen::Names(tags(&format!("{host}/{path}"))),
            Question::Versions { repository, chart } => Seen::Names(tags(&format!("{}/{chart}", bare(repository)))),
        }
    }
}
