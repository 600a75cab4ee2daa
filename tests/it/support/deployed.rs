//! Deployments that our own GitHub was told of.

use serde_json::{Value, json};

use super::github::json_reply;
use super::http::Reply;

const FIRST: u64 = 1000;
const STATES: &[&str] = &["error", "failure", "inactive", "in_progress", "queued", "pending", "success"];

/// A deployment.
#[derive(Debug, Clone)]
pub struct Deployed {
    /// What it was made of.
    pub made: Value,
    /// What was said of it since, oldest first.
    pub said: Vec<Value>,
}

impl Deployed {
    /// A text of what it was made of.
    pub fn text(&self, key: &str) -> &str {
        self.made[key].as_str().unwrap()
    }

    /// Its states, oldest first.
    pub fn states(&self) -> Vec<&str> {
        self.said.iter().map(|said| said["state"].as_str().unwrap()).collect()
    }
}

/// All of them, oldest first.
#[derive(Default)]
pub struct Deployments {
    /// They.
    pub all: Vec<Deployed>,
}

fn wrong(message: &str) -> Reply {
    json_reply("422 Unprocessable Entity", &json!({"message": message, "documentation_url": "x"}))
}

fn shown(origin: &str, at: usize, one: &Deployed) -> Value {
    let mut json = one.made.clone();
    for (key, value) in [
        ("id", (FIRST + at as u64).into()),
        ("sha", one.made["ref"].clone()),
        ("node_id", "x".into()),
        ("creator", Value::Null),
        ("created_at", "2026-01-01T00:00:00Z".into()),
        ("updated_at", "2026-01-01T00:00:00Z".into()),
    ] {
        json[key] = value;
    }
    for key in ["url", "statuses_url", "repository_url"] {
        json[key] = format!("{origin}/x").into();
    }
    for key in ["auto_merge", "required_contexts"] {
        json.as_object_mut().unwrap().remove(key);
    }
    json
}

fn status(origin: &str, id: usize, said: &Value) -> Value {
    let text = |key: &str| said[key].as_str().unwrap_or_default();
    json!({
        "url": format!("{origin}/x"), "id": id + 1, "node_id": "x", "state": said["state"], "creator": null,
        "description": text("description"), "environment_url": text("environment_url"), "target_url": text("log_url"),
        "log_url": text("log_url"), "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
        "deployment_url": format!("{origin}/x"), "repository_url": format!("{origin}/x"),
    })
}

impl Deployments {
    /// Those of an environment and a task, newest first.
    pub fn listed(&self, origin: &str, environment: &str, task: Option<&str>) -> Vec<Value> {
        let all = self.all.iter().enumerate().rev();
        let of = all.filter(|(_, one)| {
            one.text("environment") == environment && task.is_none_or(|task| one.text("task") == task)
        });
        of.map(|(at, one)| shown(origin, at, one)).collect()
    }

    /// What was said of one, newest first; None: there is none.
    pub fn said(&self, origin: &str, id: &str) -> Option<Vec<Value>> {
        let at = id.parse::<u64>().unwrap().checked_sub(FIRST)?;
        let said = self.all[usize::try_from(at).unwrap()].said.iter().enumerate().rev();
        Some(said.map(|(id, said)| status(origin, id, said)).collect())
    }

    /// Takes a new one, or something said of one.
    pub fn write(&mut self, origin: &str, path: &str, body: &[u8]) -> Reply {
        let body: Value = serde_json::from_slice(body).unwrap();
        let is_long = |key: &str| body[key].as_str().is_some_and(|text| text.len() > 140);
        let parts: Vec<&str> = path.split('/').collect();
        let at = parts.iter().position(|part| *part == "deployments").unwrap();
        match &parts[at + 1..] {
            [] if is_long("description") => wrong("description is too long"),
            // Commits of ours have statuses that are not green, and branches that are behind.
            [] if body["required_contexts"] != json!([]) || body["auto_merge"] != false => {
                json_reply("409 Conflict", &json!({"message": "Conflict: Commit status checks failed for main."}))
            }
            [] => {
                self.all.push(Deployed { made: body, said: Vec::new() });
                let at = self.all.len() - 1;
                json_reply("201 Created", &shown(origin, at, &self.all[at]))
            }
            [_, "statuses"] if is_long("description") || !STATES.contains(&body["state"].as_str().unwrap()) => {
                wrong("Validation Failed")
            }
            [id, "statuses"] => {
                let at = usize::try_from(id.parse::<u64>().unwrap() - FIRST).unwrap();
                // GitHub would lay those of other units to rest, too.
                assert_eq!(body["auto_inactive"], false);
                self.all[at].said.push(body);
                let said = &self.all[at].said;
                json_reply("201 Created", &status(origin, said.len() - 1, said.last().unwrap()))
            }
            other => panic!("nobody writes {other:?}"),
        }
    }
}
