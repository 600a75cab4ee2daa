//! Indexes of chart repositories. They are long, so they are read event by event, and of what they have only the versions of
//! the charts that are asked for are kept.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use granit_parser::{Event, Options, Parser};
use reqwest::{Method, Url};

use super::answer::body;
use super::request::{Session, To, authority, is_safe, last};
use crate::adapter::http::{Tried, again};

const LARGEST: u64 = 64 << 20;
const MAX_DEPTH: usize = 64;
// The parser keeps the name of each.
const MAX_ANCHORS: usize = 10_000;
// What all versions that are kept may take, and what one takes besides its text.
const ROOM: usize = 16 << 20;
const BESIDE: usize = 64;
// How many events pass between two looks at whether the user wants to stop.
const LOOK: usize = 4096;
const NONE: &str = "its index.yaml is none";

/// Versions of the charts that are asked for.
pub(super) type Index = HashMap<String, Vec<String>>;

/// The versions of a chart of a repository.
pub(super) async fn versions(session: &Session, repository: &str, chart: &str) -> Tried<Vec<String>> {
    let mut known = session.indexes.lock().await;
    let index = match known.get(repository) {
        Some(index) => index.clone(),
        None => {
            let bytes = fetch(session, repository).await?;
            let wanted = session.charts.get(repository).cloned().unwrap_or_default();
            let interrupted = Arc::clone(&session.interrupted);
            // It takes its time, in which others are waited for.
            let index = tokio::task::spawn_blocking(move || read(&bytes, &wanted, &interrupted)).await;
            let index = index.map_err(|_| last("its index.yaml could not be read"))?;
            known.insert(repository.to_owned(), index.clone());
            index
        }
    };
    let index = index.map_err(last)?;
    Ok(index.get(chart).cloned().unwrap_or_default())
}

async fn fetch(session: &Session, repository: &str) -> Tried<Vec<u8>> {
    let url = Url::parse(&format!("{}/index.yaml", repository.trim_end_matches('/'))).map_err(|error| again(&error))?;
    if !is_safe(&url) {
        return Err(last("it is no https address"));
    }
    let host = authority(&url);
    let response = session.send(&Method::GET, &url, To { host: &host, repository: "", accept: "*/*" }).await?;
    match response.status().as_u16() {
        200 => body(response, LARGEST).await,
        404 => Err(last("it has no index.yaml, so it is no chart repository")),
        _ => session.refusal(response, &host).await,
    }
}

// What a value is of.
enum Of {
    Document,
    Entries,
    // The versions of a chart, and one of them.
    Chart(String),
    Version(String),
    Other,
}

struct Frame {
    of: Of,
    is_map: bool,
    // The key whose value comes.
    key: Option<String>,
}

struct Reader<'w> {
    wanted: &'w HashSet<String>,
    stack: Vec<Frame>,
    index: Index,
    has_entries: bool,
    room: usize,
}

// What comes: a text, something with parts, or something that stands elsewhere.
#[derive(Clone, Copy)]
enum Node<'t> {
    Text(&'t str),
    List,
    Map,
    Alias,
}

fn read(bytes: &[u8], wanted: &HashSet<String>, interrupted: &AtomicBool) -> Result<Arc<Index>, &'static str> {
    let text = std::str::from_utf8(bytes).map_err(|_| NONE)?;
    let mut options = Options::default();
    options.set_emit_comments(false);
    let mut reader = Reader { wanted, stack: Vec::new(), index: Index::new(), has_entries: false, room: ROOM };
    let parser = Parser::new_from_str_with_options(text.trim_start_matches('\u{feff}'), options);
    for (number, next) in parser.enumerate() {
        if number % LOOK == 0 && interrupted.load(Ordering::Relaxed) {
            return Err("interrupted");
        }
        let (event, _) = next.map_err(|_| NONE)?;
        if event.anchor_id().is_some_and(|id| id > MAX_ANCHORS) {
            return Err(NONE);
        }
        match event {
            Event::Scalar(text, ..) => drop(reader.take(Node::Text(&text))?),
            Event::Alias(_) => drop(reader.take(Node::Alias)?),
            Event::SequenceStart(..) => reader.open(Node::List)?,
            Event::MappingStart(..) => reader.open(Node::Map)?,
            Event::SequenceEnd | Event::MappingEnd => drop(reader.stack.pop()),
            // Whoever reads an index reads its first document.
            Event::DocumentEnd => break,
            _ => {}
        }
    }
    if reader.has_entries { Ok(Arc::new(reader.index)) } else { Err(NONE) }
}

impl Reader<'_> {
    fn open(&mut self, node: Node<'_>) -> Result<(), &'static str> {
        let of = self.take(node)?.ok_or(NONE)?;
        if self.stack.len() >= MAX_DEPTH {
            return Err(NONE);
        }
        self.stack.push(Frame { of, is_map: matches!(node, Node::Map), key: None });
        Ok(())
    }

    // What a node is of; None: it is a key.
    fn take(&mut self, node: Node<'_>) -> Result<Option<Of>, &'static str> {
        let Some(frame) = self.stack.last_mut() else {
            return if matches!(node, Node::Map) { Ok(Some(Of::Document)) } else { Err(NONE) };
        };
        let is_nothing = matches!(node, Node::Text("" | "~" | "null"));
        if frame.is_map && frame.key.is_none() {
            let Node::Text(text) = node else { return Err(NONE) };
            let is_of_interest = !matches!(frame.of, Of::Other);
            // What is merged in is not followed.
            if is_of_interest && text == "<<" {
                return Err(NONE);
            }
            frame.key = Some(if is_of_interest { text.to_owned() } else { String::new() });
            return Ok(None);
        }
        let key = frame.key.take().unwrap_or_default();
        Ok(Some(match (&frame.of, node) {
            (Of::Document, _) if key == "entries" => {
                if std::mem::replace(&mut self.has_entries, true) || !(is_nothing || matches!(node, Node::Map)) {
                    return Err(NONE);
                }
                Of::Entries
            }
            (Of::Entries, _) if self.wanted.contains(&key) => {
                let is_again = self.index.insert(key.clone(), Vec::new()).is_some();
                if is_again || !(is_nothing || matches!(node, Node::List)) {
                    return Err(NONE);
                }
                Of::Chart(key)
            }
            (Of::Chart(name), Node::Map) => Of::Version(name.clone()),
            (Of::Chart(_), _) => return Err(NONE),
            (Of::Version(name), Node::Text(version)) if key == "version" => {
                self.room =
                    self.room.checked_sub(version.len() + BESIDE).ok_or("it has more versions than are read")?;
                self.index.entry(name.clone()).or_default().push(version.to_owned());
                Of::Other
            }
            (Of::Version(_), _) if key == "version" => return Err(NONE),
            _ => Of::Other,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Vec<String>, &'static str> {
        let wanted = HashSet::from(["web".to_owned()]);
        let index = read(text.as_bytes(), &wanted, &AtomicBool::new(false))?;
        Ok(index.get("web").cloned().unwrap_or_default())
    }

    #[test]
    fn only_the_versions_of_a_chart_are_read() {
        let text = "apiVersion: v1\nentries:\n  db:\n  - version: 9.0.0\n  web:\n  - name: web\n    maintainers: &a\n    - {version: x}\n    \
                    version: 1.0.0\n  - {maintainers: *a, version: \"1.1.0\", dependencies: [{name: db, version: 2.x}]}\n";
        assert_eq!(of(text), Ok(vec!["1.0.0".to_owned(), "1.1.0".to_owned()]));
        assert_eq!(of("{\"entries\": {\"web\": [{\"version\": \"1.0.0\"}]}}"), Ok(vec!["1.0.0".to_owned()]));
        assert_eq!(of("\u{feff}entries: {web: null}\n"), Ok(vec![]));
        for bad in [
            "",
            "<html>Log in</html>",
            "a: 1\n",
            "entries: {web: [{version: 1}], web: [{version: 2}]}\n",
            "entries: {}\nentries: {web: []}\n",
            "x: &x {version: 1}\nentries: {web: [*x]}\n",
            "x: &x {web: []}\nentries: {<<: *x}\n",
            "entries: {web: [{version: [1]}]}\n",
            "entries: {? [a] : b}\n",
        ] {
            assert!(of(bad).is_err(), "{bad}");
        }
        assert!(of(&format!("entries: {}", "[".repeat(1000))).is_err());
        let anchors: String = (0..20_000).map(|at| format!("- &a{at} x\n")).collect();
        assert!(of(&format!("more:\n{anchors}entries: {{}}\n")).is_err());
    }
}
