//! Pull requests.

use azure_devops_rust_api::git::models;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Repository;
use super::client::{Api, Needs, PAGE, body};
use super::place::escaped;
use crate::domain::escape;
use crate::domain::id::BranchName;
use crate::domain::policy::MergeMethod;
use crate::domain::proposal::ProposalBranch;
use crate::port::{PortError, Proposal, Pull, PullRequests, PullState};

const NEEDS: Needs = Needs { scope: "Code (read & write)", permission: "Contribute to pull requests" };

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct One {
    pull_request_id: u64,
    status: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    description: String,
    source_ref_name: String,
    target_ref_name: String,
    fork_source: Option<Value>,
    #[serde(default)]
    labels: Vec<Label>,
    #[serde(default)]
    reviewers: Vec<Person>,
    auto_complete_set_by: Option<Person>,
    created_by: Option<Person>,
}

#[derive(Deserialize)]
struct Label {
    name: String,
}

#[derive(Deserialize)]
struct Person {
    id: String,
}

impl One {
    fn pull(self, api: &Api<'_>, doing: &str) -> Result<Pull, PortError> {
        let state = match self.status.as_str() {
            "active" => PullState::Open,
            "completed" => PullState::Merged,
            "abandoned" => PullState::Closed,
            other => return Err(api.error(doing, format!("its state is {}", escape::line(other)), None)),
        };
        let [organization, project, repository] = api.names();
        Ok(Pull {
            url: format!(
                "{}/{organization}/{project}/_git/{repository}/pullrequest/{}",
                api.place().api,
                self.pull_request_id
            ),
            number: self.pull_request_id,
            state,
            title: self.title,
            body: self.description,
            labels: self.labels.into_iter().map(|label| label.name).collect(),
            reviewers: self.reviewers.into_iter().map(|one| one.id).collect(),
            auto_merge: self.auto_complete_set_by.is_some(),
        })
    }
}

fn full(branch: &BranchName) -> String {
    format!("refs/heads/{branch}")
}

fn number(api: &Api<'_>, doing: &str, number: u64) -> Result<i32, PortError> {
    i32::try_from(number).map_err(|_| api.error(doing, "no pull request has such a number", None))
}

impl Repository {
    fn one(&self, api: &Api<'_>, doing: &str, id: u64) -> Result<One, PortError> {
        let (id, client) = (number(api, doing, id)?, api.git()?.pull_requests_client());
        let one: One = api.get(doing, || {
            let [organization, project, repository] = api.names();
            client.get_pull_request(organization, repository, id, project).send()
        })?;
        if one.pull_request_id == u64::try_from(id).unwrap_or_default() {
            return Ok(one);
        }
        Err(api.error(doing, "its answer is about another pull request", None))
    }

    fn update(&self, doing: &str, pull: &Pull, change: Value) -> Result<(), PortError> {
        let api = self.api(&NEEDS)?;
        let (id, client) = (number(&api, doing, pull.number)?, api.git()?.pull_requests_client());
        let options: models::GitPullRequestUpdateOptions = body(change)?;
        let _: Value = api.get(doing, || {
            let [organization, project, repository] = api.names();
            client.update(organization, repository, project, id, options.clone()).send()
        })?;
        Ok(())
    }
}

impl PullRequests for Repository {
    fn longest_body(&self) -> usize {
        4000
    }

    fn find(&self, head: &ProposalBranch, base: &BranchName) -> Result<Option<Pull>, PortError> {
        let doing = "look for a pull request in";
        let api = self.api(&NEEDS)?;
        let client = api.git()?.pull_requests_client();
        let all: Vec<One> = api.pages(doing, |skip| {
            let [organization, project, repository] = api.names();
            let request = client.get_pull_requests(organization, repository, project).top(PAGE).skip(skip);
            let request = request.search_criteria_status(models::PullRequestStatus::Active);
            let request = request.search_criteria_source_ref_name(full(head.name()));
            request.search_criteria_target_ref_name(full(base)).send()
        })?;
        let found = all.into_iter().filter(|one| {
            let is_ours = one.source_ref_name == full(head.name()) && one.target_ref_name == full(base);
            is_ours && one.fork_source.is_none() && one.status == "active"
        });
        found.max_by_key(|one| one.pull_request_id).map(|one| one.pull(&api, doing)).transpose()
    }

    fn get(&self, number: u64) -> Result<Pull, PortError> {
        let doing = "look at a pull request in";
        let api = self.api(&NEEDS)?;
        self.one(&api, doing, number)?.pull(&api, doing)
    }

    fn open(&self, proposal: &Proposal) -> Result<Pull, PortError> {
        let doing = "open a pull request in";
        let api = self.api(&NEEDS)?;
        let client = api.git()?.pull_requests_client();
        let options: models::GitPullRequestCreateOptions = body(json!({
            "sourceRefName": full(proposal.head.name()), "targetRefName": full(&proposal.base),
            "title": proposal.title, "description": proposal.body,
        }))?;
        let opened: Result<One, PortError> = api.get(doing, || {
            let [organization, project, repository] = api.names();
            client.create(organization, repository, project, options.clone()).send()
        });
        match opened {
            Ok(one) => one.pull(&api, doing),
            // Somebody was first, or our own answer was lost.
            Err(error) => match self.find(&proposal.head, &proposal.base) {
                Ok(Some(pull)) => Ok(pull),
                _ => Err(error),
            },
        }
    }

    fn retell(&self, pull: &Pull, proposal: &Proposal) -> Result<(), PortError> {
        let change = json!({"title": proposal.title, "description": proposal.body});
        self.update("change a pull request in", pull, change)
    }

    fn label(&self, pull: &Pull, labels: &[String]) -> Result<(), PortError> {
        let doing = "label a pull request in";
        let api = self.api(&NEEDS)?;
        let (id, client) = (number(&api, doing, pull.number)?, api.git()?.pull_request_labels_client());
        for label in labels.iter().filter(|label| !pull.labels.iter().any(|known| known.eq_ignore_ascii_case(label))) {
            let wanted: models::WebApiCreateTagRequestData = body(json!({"name": label}))?;
            let _: Value = api.get(doing, || {
                let [organization, project, repository] = api.names();
                client.create(organization, wanted.clone(), repository, id, project).send()
            })?;
        }
        Ok(())
    }

    fn ask_reviewers(&self, pull: &Pull, reviewers: &[String]) -> Result<(), PortError> {
        let doing = "ask for a review of a pull request in";
        let api = self.api(&NEEDS)?;
        let (id, client) = (number(&api, doing, pull.number)?, api.git()?.pull_request_reviewers_client());
        for reviewer in
            reviewers.iter().filter(|one| !pull.reviewers.iter().any(|known| known.eq_ignore_ascii_case(one)))
        {
            let is_id = reviewer.len() == 36 && reviewer.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
            if !is_id {
                let said = format!("{} is not the id of a person or a group", escape::line(reviewer));
                let hint = "name reviewers by the ids that Azure DevOps gives them, such as \
                            0f3a9c1e-1111-2222-3333-444455556666: az devops user show --user NAME --query id";
                return Err(api.error(doing, said, Some(hint.to_owned())));
            }
            let wanted: models::IdentityRefWithVote = body(json!({"id": reviewer, "vote": 0}))?;
            let _: Value = api.get(doing, || {
                let [organization, project, repository] = api.names();
                client
                    .create_pull_request_reviewer(
                        organization,
                        wanted.clone(),
                        repository,
                        id,
                        escaped(reviewer),
                        project,
                    )
                    .send()
            })?;
        }
        Ok(())
    }

    fn auto_merge(&self, pull: &Pull, method: MergeMethod) -> Result<(), PortError> {
        let doing = "set a pull request to complete by itself in";
        let api = self.api(&NEEDS)?;
        // Whoever opened it is who this token is of: nobody else can let it complete in their name.
        let Some(own) = self.one(&api, doing, pull.number)?.created_by else {
            return Err(api.error(doing, "it does not tell who opened it", None));
        };
        let strategy = match method {
            MergeMethod::Merge => "noFastForward",
            MergeMethod::Squash => "squash",
            MergeMethod::Rebase => "rebase",
        };
        let change = json!({"autoCompleteSetBy": {"id": own.id}, "completionOptions": {"mergeStrategy": strategy}});
        self.update(doing, pull, change)
    }

    fn close(&self, pull: &Pull, comment: &str) -> Result<(), PortError> {
        let doing = "abandon a pull request in";
        let api = self.api(&NEEDS)?;
        let (id, client) = (number(&api, doing, pull.number)?, api.git()?.pull_request_threads_client());
        let thread: models::GitPullRequestCommentThread =
            body(json!({"comments": [{"content": comment, "commentType": "text"}], "status": "closed"}))?;
        let _: Value = api.get(doing, || {
            let [organization, project, repository] = api.names();
            client.create(organization, thread.clone(), repository, id, project).send()
        })?;
        self.update(doing, pull, json!({"status": "abandoned"}))
    }
}
