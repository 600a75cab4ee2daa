//! Image registries and chart indexes, asked whether something is there: `HEAD` on manifests, lists of tags, `index.yaml`.
//!
//! Only hosts that the rules name are ever contacted, credentials go to the host that they are for and to its issuer of
//! tokens, and whatever is not a plain yes or no is "could not ask".

mod access;
mod answer;
mod credentials;
mod request;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
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

/// Asks registries.
pub struct Registries {
    http: Http,
    settings: Arc<Settings>,
    // What was answered in this run.
    known: Mutex<HashMap<Question, Seen>>,
}

impl Registries {
    /// Makes one; nothing is asked before it must be.
    pub fn new(settings: Settings, http: Http) -> Self {
        Self { http, settings: Arc::new(settings), known: Mutex::default() }
    }
}

impl Registry for Registries {
    fn ask(&self, questions: &[Question], hosts: &Hosts) -> Result<HashMap<Question, Asked<Seen>>, PortError> {
        let mut answers = HashMap::new();
        let mut open = Vec::new();
        {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            for question in questions {
                match known.get(question) {
                    Some(seen) => drop(answers.insert(question.clone(), Ok(seen.clone()))),
                    None => open.push(question.clone()),
                }
            }
        }
        if open.is_empty() {
            return Ok(answers);
        }
        let client = self.http.client()?;
        let session = Arc::new(Session::new(client, Arc::clone(&self.settings), hosts));
        let asked = client.run(async { Ok(tokio::task::LocalSet::new().run_until(all(&session, open)).await) });
        let asked = asked.map_err(|failure| match failure {
            Failure::Interrupted => PortError::Interrupted,
            _ => PortError::Unusable("the registries could not be asked".to_owned()),
        })?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for (question, answer) in asked {
            if let Ok(seen) = &answer {
                known.insert(question.clone(), seen.clone());
            }
            answers.insert(question, answer);
        }
        Ok(answers)
    }
}

// Side by side, bounded for each host.
async fn all(session: &Arc<Session>, questions: Vec<Question>) -> Vec<(Question, Asked<Seen>)> {
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
    tried.map_err(|failure| {
        let (said, is_down) = match failure {
            Failure::Again(said) => (said, true),
            Failure::Limited(seconds, said) => (format!("{said}; it wants {seconds} s without requests"), true),
            Failure::Final { said, hint: Some(hint) } => (format!("{said} ({hint})"), false),
            Failure::Final { said, hint: None } => (said, false),
            Failure::Gone => ("it is gone".to_owned(), false),
            Failure::Interrupted => ("interrupted".to_owned(), false),
        };
        let why = format!("{host}: {said}");
        if is_down {
            session.down(host, &why);
        }
        why
    })
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
