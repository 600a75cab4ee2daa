//! Image registries and chart indexes, asked whether something is there: `HEAD` on manifests, lists of tags, `index.yaml`.
//!
//! Only hosts that the rules name are ever contacted, credentials go to the host that they are for and to its issuer of
//! tokens, and whatever is not a plain yes or no is "could not ask".

mod access;
mod answer;
mod credentials;
mod index;
mod request;
mod tags;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::adapter::http::{Failure, Http, Tried, patiently};
use crate::domain::gate::Asked;
use crate::domain::gate::images::{Question, Seen};
use crate::domain::policy::Hosts;
use crate::port::{PortError, Registry};

pub use credentials::Settings;
use request::Session;

// Requests to one host at the same time.
const AT_ONCE: usize = 6;
// How long tags are waited for that are only for the message.
const SHORT: Duration = Duration::from_secs(5);
// As much of what a server says as a verdict has.
const LONGEST: usize = 500;

/// Asks registries.
pub struct Registries {
    http: Http,
    settings: Arc<Settings>,
}

impl Registries {
    /// Makes one; nothing is asked before it must be.
    pub fn new(settings: Settings, http: Http) -> Self {
        Self { http, settings: Arc::new(settings) }
    }
}

impl Registry for Registries {
    fn ask(&self, questions: &[Question], hosts: &Hosts) -> Result<HashMap<Question, Asked<Seen>>, PortError> {
        let client = self.http.client()?;
        let mut charts: HashMap<String, HashSet<String>> = HashMap::new();
        for question in questions {
            if let Question::Versions { repository, chart } = question {
                charts.entry(repository.clone()).or_default().insert(chart.clone());
            }
        }
        let session = Arc::new(Session::new(client, Arc::clone(&self.settings), hosts, charts));
        let open: HashSet<Question> = questions.iter().cloned().collect();
        // Nothing is kept from one judgement for the next: what was there may be gone by then.
        let asked = client.run(async { Ok(tokio::task::LocalSet::new().run_until(all(&session, open)).await) });
        let asked = asked.map_err(|failure| match failure {
            Failure::Interrupted => PortError::Interrupted,
            _ => PortError::Unusable("the registries could not be asked".to_owned()),
        })?;
        Ok(asked.into_iter().collect())
    }
}

// Side by side, bounded for each host.
async fn all(session: &Arc<Session>, questions: HashSet<Question>) -> Vec<(Question, Asked<Seen>)> {
    let mut gates: HashMap<String, Arc<Semaphore>> = HashMap::new();
    let mut tasks = tokio::task::JoinSet::new();
    for question in questions {
        let host = host(&question).to_owned();
        let gate = gates.entry(host.clone()).or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE)));
        let (gate, session) = (Arc::clone(gate), Arc::clone(session));
        tasks.spawn_local(async move {
            let _turn = gate.acquire().await;
            let answer = one(&session, &host, &question).await;
            (question, answer)
        });
    }
    let mut answers = Vec::new();
    while let Some(done) = tasks.join_next().await {
        answers.extend(done);
    }
    answers
}

async fn one(session: &Session, host: &str, question: &Question) -> Asked<Seen> {
    // A host that does not answer is not waited for again and again.
    if let Some(why) = session.is_down(host) {
        return Err(why);
    }
    // An index is long, and several charts wait for one.
    let is_index = matches!(question, Question::Versions { .. });
    let time: Duration = session.patience() * if is_index { 3 } else { 1 };
    let tried: Tried<Seen> = patiently(time, async || answer::of(session, question).await).await;
    if let (Question::Manifest { path, .. }, Ok(Seen::Missing(_))) = (question, &tried) {
        return Ok(Seen::Missing(known(session, host, path).await));
    }
    tried.map(|seen| shown(session, seen)).map_err(|failure| {
        let (said, more, is_down) = match failure {
            Failure::Again(said) => (said, String::new(), true),
            Failure::Limited(seconds, said) => (said, format!("; it wants {seconds} s without requests"), true),
            Failure::Final { said, hint: Some(hint) } => (said, format!(" ({hint})"), false),
            Failure::Final { said, hint: None } => (said, String::new(), false),
            Failure::Gone => ("it is gone".to_owned(), String::new(), false),
            Failure::Interrupted => ("interrupted".to_owned(), String::new(), false),
        };
        let said =
            if session.secrets().are_in(&said) { "what it says has a secret in it, and is not shown" } else { &said };
        let said: String = said.chars().take(LONGEST).collect();
        let why = format!("{host}: {said}{more}");
        if is_down {
            session.down(host, &why);
        }
        why
    })
}

// The tags that there are of an image that is not there; None: nobody knows. They are only for the message: whatever comes of
// it, the image is missing.
async fn known(session: &Session, host: &str, path: &str) -> Option<Vec<String>> {
    if session.is_mute(host) {
        return None;
    }
    match tokio::time::timeout(session.patience().min(SHORT), tags::few(session, host, path)).await {
        Ok(Ok(tags)) => {
            let (mut tags, secrets) = (tags.unwrap_or_default(), session.secrets());
            tags.retain(|tag| !secrets.are_in(tag));
            Some(tags)
        }
        Ok(Err(_)) => None,
        Err(_) => {
            session.mute(host);
            None
        }
    }
}

// What is seen, without what a server must not make us say.
fn shown(session: &Session, mut seen: Seen) -> Seen {
    if let Seen::Elsewhere(names) | Seen::Names(names) = &mut seen {
        let secrets = session.secrets();
        names.retain(|name| !secrets.are_in(name));
    }
    seen
}

fn host(question: &Question) -> &str {
    match question {
        Question::Manifest { host, .. } | Question::Tags { host, .. } => host,
        Question::Versions { repository, .. } => {
            let rest = repository.split_once("://").map_or(repository.as_str(), |(_, rest)| rest);
            rest.split('/').next().unwrap_or_default()
        }
    }
}
