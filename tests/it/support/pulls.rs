//! Pull requests of our own GitHub: it keeps them and performs nothing. Whoever merges one does it by git, and says so here.

use serde_json::{Value, json};

use super::Repo;
use super::github::{json_reply, repository};
use super::http::Reply;

/// A pull request.
#[derive(Debug, Clone)]
pub struct Pulled {
    /// `owner/name`.
    pub slug: String,
    /// Its number.
    pub number: u64,
    /// `open` or `closed`.
    pub state: String,
    /// Whether it was merged.
    pub merged: bool,
    /// Its title.
    pub title: String,
    /// Its text.
    pub body: String,
    /// The branch that holds it.
    pub head: String,
    /// The branch that it is for.
    pub base: String,
    /// Whether the branch is a fork's.
    pub fork: bool,
    /// Its labels.
    pub labels: Vec<String>,
    /// Who is asked.
    pub reviewers: Vec<String>,
    /// Teams that are asked.
    pub teams: Vec<String>,
    /// Who has given a review.
    pub reviewed: Vec<String>,
    /// How it merges by itself.
    pub auto_merge: Option<String>,
    /// What was said.
    pub comments: Vec<String>,
}

/// All of them.
#[derive(Default)]
pub struct Pulls {
    /// In the order in which they were opened.
    pub all: Vec<Pulled>,
    /// How often something was written.
    pub written: usize,
}

fn unprocessable(message: &str) -> Reply {
    json_reply(
        "422 Unprocessable Entity",
        &json!({"message": "Validation Failed", "documentation_url": "x", "status": "422",
            "errors": [{"resource": "PullRequest", "code": "custom", "field": "x", "message": message}]}),
    )
}

fn texts(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|one| one.as_str().map(str::to_owned)).collect()
}

impl Pulls {
    /// Answers what reads.
    pub fn read(&self, origin: &str, path: &str, query: &str) -> Reply {
        let (slug, rest) = split(path);
        let parameter = |name: &str| {
            let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
            value.map(|value| percent_encoding::percent_decode_str(value).decode_utf8().unwrap().into_owned())
        };
        match rest.as_slice() {
            ["pulls"] => {
                let (head, base) = (parameter("head").unwrap(), parameter("base").unwrap());
                let (owner, head) = head.split_once(':').unwrap();
                assert!(slug.starts_with(&format!("{owner}/")), "{query}");
                let is_wanted = |pull: &&Pulled| {
                    let state = parameter("state").is_none_or(|state| state == "all" || state == pull.state);
                    state && pull.slug == slug && pull.head == head && pull.base == base
                };
                let found: Vec<Value> =
                    self.all.iter().rev().filter(is_wanted).map(|pull| shown(origin, pull)).collect();
                json_reply("200 OK", &Value::from(found))
            }
            ["pulls", number] => match self.all.iter().find(|pull| pull.number.to_string() == *number) {
                Some(pull) => json_reply("200 OK", &shown(origin, pull)),
                None => json_reply("404 Not Found", &json!({"message": "Not Found"})),
            },
            ["pulls", number, "reviews"] => {
                let pull = self.all.iter().find(|pull| pull.number.to_string() == *number).unwrap();
                let all: Vec<Value> = pull.reviewed.iter().map(|login| review(origin, login)).collect();
                json_reply("200 OK", &Value::from(all))
            }
            other => panic!("nobody asks for {other:?}"),
        }
    }

    /// Answers what writes. What does not fit GitHub's description is turned away.
    pub fn write(&mut self, origin: &str, method: &str, target: &str, body: &[u8]) -> Reply {
        self.written += 1;
        let body: Value = serde_json::from_slice(body).unwrap();
        if target == "/api/graphql" {
            return self.graphql(&body);
        }
        let (slug, rest) = split(target);
        if let ("POST", ["pulls"]) = (method, rest.as_slice()) {
            return self.open(origin, slug, &body);
        }
        let number: u64 = rest[1].parse().unwrap_or_else(|_| panic!("{method} {target}"));
        let Some(pull) = self.all.iter_mut().find(|pull| pull.slug == slug && pull.number == number) else {
            return json_reply("404 Not Found", &json!({"message": "Not Found"}));
        };
        match (method, rest[0], rest.get(2).copied()) {
            ("PATCH", "pulls", None) => {
                let text = |name: &str| body.get(name).map(|value| value.as_str().unwrap().to_owned());
                pull.title = text("title").unwrap_or(pull.title.clone());
                pull.body = text("body").unwrap_or(pull.body.clone());
                pull.state = text("state").unwrap_or(pull.state.clone());
                json_reply("200 OK", &shown(origin, pull))
            }
            ("POST", "issues", Some("labels")) => {
                pull.labels.extend(texts(&body["labels"]).unwrap());
                let shown = shown(origin, pull);
                json_reply("200 OK", &shown["labels"])
            }
            ("POST", "issues", Some("comments")) => {
                pull.comments.push(body["body"].as_str().unwrap().to_owned());
                json_reply("201 Created", &json!({"id": 1}))
            }
            ("POST", "pulls", Some("requested_reviewers")) => {
                let people = texts(&body["reviewers"]).unwrap();
                if people.iter().any(|name| name == "nobody") {
                    return unprocessable("Reviews may only be requested from collaborators.");
                }
                pull.reviewers.extend(people);
                pull.teams.extend(texts(&body["team_reviewers"]).unwrap());
                json_reply("201 Created", &shown(origin, pull))
            }
            other => panic!("nobody writes {other:?}"),
        }
    }

    fn open(&mut self, origin: &str, slug: String, body: &Value) -> Reply {
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        let (head, base) = (text("head"), text("base"));
        if text("body").chars().count() > 65_536 {
            return unprocessable("body is too long (maximum is 65536 characters)");
        }
        if self.all.iter().any(|p| p.slug == slug && p.head == head && p.base == base && p.state == "open" && !p.fork) {
            return unprocessable(&format!("A pull request already exists for acme:{head}."));
        }
        let pull = Pulled {
            slug,
            number: self.all.len() as u64 + 1,
            state: "open".to_owned(),
            merged: false,
            title: text("title"),
            body: text("body"),
            head,
            base,
            fork: false,
            labels: Vec::new(),
            reviewers: Vec::new(),
            teams: Vec::new(),
            reviewed: Vec::new(),
            auto_merge: None,
            comments: Vec::new(),
        };
        let reply = json_reply("201 Created", &shown(origin, &pull));
        self.all.push(pull);
        reply
    }

    fn graphql(&mut self, body: &Value) -> Reply {
        assert!(body["query"].as_str().unwrap().contains("enablePullRequestAutoMerge"), "{body}");
        let id = body["variables"]["id"].as_str().unwrap();
        let pull = self.all.iter_mut().find(|pull| format!("PR_{}", pull.number) == id).unwrap();
        let method = body["variables"]["method"].as_str().unwrap();
        assert!(["MERGE", "SQUASH", "REBASE"].contains(&method), "{body}");
        if pull.base == "clean" {
            return json_reply(
                "200 OK",
                &json!({"data": null, "errors": [{"message": "Pull request is in clean status"}]}),
            );
        }
        pull.auto_merge = Some(method.to_lowercase());
        json_reply("200 OK", &json!({"data": {"enablePullRequestAutoMerge": {"clientMutationId": null}}}))
    }
}

// `owner/name`, and what is asked for below it.
fn split(target: &str) -> (String, Vec<&str>) {
    let parts: Vec<&str> = target.trim_start_matches("/api/v3/repos/").split('/').collect();
    (parts[..2].join("/"), parts[2..].to_vec())
}

fn person(origin: &str, login: &str) -> Value {
    let mut person = repository(origin)["owner"].clone();
    person["login"] = login.into();
    person
}

fn review(origin: &str, login: &str) -> Value {
    json!({
        "id": 1, "node_id": "x", "user": person(origin, login), "body": "", "state": "APPROVED",
        "html_url": format!("{origin}/r"), "pull_request_url": format!("{origin}/p"), "commit_id": "0".repeat(40),
        "author_association": "MEMBER",
        "_links": {"html": {"href": format!("{origin}/r")}, "pull_request": {"href": format!("{origin}/p")}},
    })
}

fn shown(origin: &str, pull: &Pulled) -> Value {
    let url = |end: &str| format!("{origin}/api/v3/repos/{}/{end}", pull.slug);
    let link = || json!({"href": format!("{origin}/x")});
    let end = |name: &str, slug: &str| {
        let mut repository = repository(origin);
        repository["full_name"] = slug.into();
        json!({"label": format!("acme:{name}"), "ref": name, "sha": "0".repeat(40), "repo": repository,
            "user": person(origin, "acme")})
    };
    let labels: Vec<Value> = pull
        .labels
        .iter()
        .map(|name| {
            json!({"id": 1, "node_id": "x", "url": format!("{origin}/l"), "name": name, "description": null,
                "color": "ededed", "default": false})
        })
        .collect();
    let team = |slug: &String| {
        json!({"id": 1, "node_id": "x", "url": format!("{origin}/t"), "html_url": format!("{origin}/t"),
            "members_url": format!("{origin}/t"), "repositories_url": format!("{origin}/t"), "name": slug, "slug": slug,
            "description": null, "permission": "pull", "parent": null})
    };
    let number = pull.number;
    let mut shown = json!({
        "url": url(&format!("pulls/{number}")), "id": number, "node_id": format!("PR_{number}"), "number": number,
        "html_url": format!("{origin}/{}/pull/{number}", pull.slug), "diff_url": format!("{origin}/d"),
        "patch_url": format!("{origin}/d"), "issue_url": url(&format!("issues/{number}")),
        "commits_url": url("c"), "review_comments_url": url("r"), "review_comment_url": url("r"),
        "comments_url": url("c"), "statuses_url": url("s"), "state": pull.state, "locked": false,
        "title": pull.title, "user": person(origin, "passgate[bot]"), "body": pull.body, "labels": labels,
        "milestone": null, "active_lock_reason": null, "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
        "closed_at": if pull.state == "open" { Value::Null } else { "2026-01-01T00:00:00Z".into() },
        "merged_at": if pull.merged { "2026-01-01T00:00:00Z".into() } else { Value::Null },
        "merge_commit_sha": null, "assignee": null, "assignees": [],
        "requested_reviewers": pull.reviewers.iter().map(|login| person(origin, login)).collect::<Vec<_>>(),
        "requested_teams": pull.teams.iter().map(team).collect::<Vec<_>>(),
        "head": end(&pull.head, if pull.fork { "mallory/env" } else { &pull.slug }), "base": end(&pull.base, &pull.slug),
        "_links": {"comments": link(), "commits": link(), "statuses": link(), "html": link(), "issue": link(),
            "review_comments": link(), "review_comment": link(), "self": link()},
    });
    let rest = json!({
        "author_association": "NONE",
        "auto_merge": pull.auto_merge.as_ref().map(|method| json!({"enabled_by": person(origin, "acme"),
            "merge_method": method, "commit_title": "x", "commit_message": "x"})),
        "draft": false, "merged": pull.merged, "mergeable": null, "rebaseable": null, "mergeable_state": "unknown",
        "merged_by": null, "comments": 0, "review_comments": 0, "maintainer_can_modify": false, "commits": 1,
        "additions": 1, "deletions": 1, "changed_files": 1,
    });
    shown.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    shown
}

/// How a forge merges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// A merge commit.
    Merge,
    /// One new commit with another message.
    Squash,
    /// The same commit on top of the branch.
    Rebase,
}

/// Merges a branch into main on the server, as a forge does it at a time; None where it conflicts.
pub fn merged(repo: &Repo, branch: &str, method: Method, at: i64) -> Option<String> {
    let (main, head) = (repo.id("main"), repo.id(branch));
    let tree = repo.try_git(&["merge-tree", "--write-tree", "--no-messages", &main, &head]).ok()?;
    let time = format!("{at} +0000");
    let mut command = repo.command();
    command.args(["commit-tree", &tree, "-p", &main]).env("GIT_COMMITTER_DATE", &time);
    command.env("GIT_AUTHOR_DATE", &time);
    match method {
        Method::Merge => command.args(["-p", &head, "-m", "Merge pull request #1 from acme/passgate/shop"]),
        Method::Squash => command.args(["-m", "Release shop (#1)"]),
        Method::Rebase => command.args(["-m", &repo.git(&["log", "-1", "--format=%B", &head])]),
    };
    let output = command.output().unwrap();
    assert!(output.status.success());
    let commit = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    repo.git(&["update-ref", "refs/heads/main", &commit, &main]);
    Some(commit)
}
