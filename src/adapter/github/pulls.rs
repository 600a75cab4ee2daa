//! Pull requests: asked for with care, because an answer that got lost may have taken effect.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Repository;
use super::client::{Api, Method};
use crate::domain::id::BranchName;
use crate::domain::policy::MergeMethod;
use crate::domain::proposal::ProposalBranch;
use crate::port::{PortError, Proposal, Pull, PullRequests, PullState};

const READ: &str = "read the pull requests of";
const OPEN: &str = "open a pull request on";
const CHANGE: &str = "change a pull request of";
const NEEDS: &[&str] = &["contents: write", "pull-requests: write"];
// GitHub's limit for the text of one.
const LONGEST: usize = 65_536;
const AUTO_MERGE: &str = "mutation($id: ID!, $method: PullRequestMergeMethod!) { \
    enablePullRequestAutoMerge(input: {pullRequestId: $id, mergeMethod: $method}) { clientMutationId } }";

#[derive(Deserialize)]
struct One {
    number: u64,
    node_id: String,
    html_url: String,
    state: String,
    merged_at: Option<String>,
    title: String,
    body: Option<String>,
    labels: Vec<Label>,
    requested_reviewers: Option<Vec<Person>>,
    requested_teams: Option<Vec<Team>>,
    auto_merge: Option<Value>,
    head: End,
    base: End,
}

#[derive(Deserialize)]
struct Label {
    name: Option<String>,
}

#[derive(Deserialize)]
struct Person {
    login: String,
}

#[derive(Deserialize)]
struct Team {
    slug: String,
}

#[derive(Deserialize)]
struct End {
    #[serde(rename = "ref")]
    name: String,
    // None when a fork is gone.
    repo: Option<Named>,
}

#[derive(Deserialize)]
struct Named {
    full_name: String,
}

#[derive(Deserialize)]
struct Review {
    user: Option<Person>,
}

// GraphQL answers 200 whatever it thinks.
#[derive(Deserialize)]
struct Told {
    errors: Option<Vec<Message>>,
}

#[derive(Deserialize)]
struct Message {
    message: String,
}

impl Repository {
    fn pulls(&self) -> Result<Api<'_>, PortError> {
        self.api(NEEDS)
    }

    // The open one, newest first.
    fn newest(&self, api: &Api<'_>, head: &ProposalBranch, base: &BranchName) -> Result<Option<One>, PortError> {
        let owner = api.slug().split('/').next().unwrap_or_default();
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let (from, into) = (encoded(&format!("{owner}:{head}")), encoded(base.as_str()));
        let path = format!("pulls?state=open&head={from}&base={into}&sort=created&direction=desc&per_page=100");
        let all: Vec<One> = api.get(READ, &path)?;
        // Forks have branches of any name.
        let is_here = |end: &End| end.repo.as_ref().is_some_and(|repo| repo.full_name.eq_ignore_ascii_case(api.slug()));
        let is_ours =
            |one: &One| is_here(&one.head) && one.head.name == head.name().as_str() && one.base.name == base.as_str();
        Ok(all.into_iter().find(|one| one.state == "open" && is_ours(one)))
    }

    fn pull(&self, api: &Api<'_>, one: One) -> Result<Pull, PortError> {
        let owner = api.slug().split('/').next().unwrap_or_default();
        let people = one.requested_reviewers.into_iter().flatten().map(|person| person.login);
        let teams = one.requested_teams.into_iter().flatten().map(|team| format!("{owner}/{}", team.slug));
        let mut reviewers: Vec<String> = people.chain(teams).collect();
        // Who has given a review is not asked any more.
        let reviews: Vec<Review> = api.get(READ, &format!("pulls/{}/reviews?per_page=100", one.number))?;
        reviewers.extend(reviews.into_iter().filter_map(|review| review.user).map(|user| user.login));
        Ok(Pull {
            number: one.number,
            url: one.html_url,
            state: match (one.state.as_str(), one.merged_at) {
                ("open", _) => PullState::Open,
                (_, Some(_)) => PullState::Merged,
                (_, None) => PullState::Closed,
            },
            title: one.title,
            body: one.body.unwrap_or_default(),
            labels: one.labels.into_iter().filter_map(|label| label.name).collect(),
            reviewers,
            auto_merge: one.auto_merge.is_some(),
        })
    }

    fn one(&self, api: &Api<'_>, number: u64) -> Result<One, PortError> {
        let one: One = api.get(READ, &format!("pulls/{number}"))?;
        if one.number == number { Ok(one) } else { Err(api.error(READ, "its answer is about another one", None)) }
    }
}

impl PullRequests for Repository {
    fn longest_body(&self) -> usize {
        LONGEST
    }

    fn find(&self, head: &ProposalBranch, base: &BranchName) -> Result<Option<Pull>, PortError> {
        let api = self.pulls()?;
        self.newest(&api, head, base)?.map(|one| self.pull(&api, one)).transpose()
    }

    fn get(&self, number: u64) -> Result<Pull, PortError> {
        let api = self.pulls()?;
        let one = self.one(&api, number)?;
        self.pull(&api, one)
    }

    fn open(&self, proposal: &Proposal) -> Result<Pull, PortError> {
        let api = self.pulls()?;
        let Proposal { head, base, title, body, .. } = proposal;
        let wanted = json!({"title": title, "body": body, "head": head.to_string(), "base": base.as_str()});
        let one = match api.send::<One>(OPEN, Method::Post, "pulls", &wanted) {
            Ok(one) => one,
            Err(PortError::Interrupted) => return Err(PortError::Interrupted),
            // Somebody else was first, or it was done and the answer got lost.
            Err(error) => self.newest(&api, head, base).ok().flatten().ok_or(error)?,
        };
        self.pull(&api, one)
    }

    fn retell(&self, pull: &Pull, proposal: &Proposal) -> Result<(), PortError> {
        let wanted = json!({"title": proposal.title, "body": proposal.body});
        self.pulls()?.send::<One>(CHANGE, Method::Patch, &format!("pulls/{}", pull.number), &wanted).map(|_| ())
    }

    fn label(&self, pull: &Pull, labels: &[String]) -> Result<(), PortError> {
        let path = format!("issues/{}/labels", pull.number);
        self.pulls()?.send::<Vec<Label>>(CHANGE, Method::Post, &path, &json!({"labels": labels})).map(|_| ())
    }

    fn ask_reviewers(&self, pull: &Pull, reviewers: &[String]) -> Result<(), PortError> {
        let (teams, people): (Vec<&String>, Vec<&String>) = reviewers.iter().partition(|name| name.contains('/'));
        let teams: Vec<&str> = teams.iter().filter_map(|team| Some(team.split_once('/')?.1)).collect();
        let path = format!("pulls/{}/requested_reviewers", pull.number);
        let wanted = json!({"reviewers": people, "team_reviewers": teams});
        self.pulls()?.send::<One>(CHANGE, Method::Post, &path, &wanted).map(|_| ())
    }

    fn auto_merge(&self, pull: &Pull, method: MergeMethod) -> Result<(), PortError> {
        let api = self.pulls()?;
        let method = match method {
            MergeMethod::Merge => "MERGE",
            MergeMethod::Squash => "SQUASH",
            MergeMethod::Rebase => "REBASE",
        };
        let id = self.one(&api, pull.number)?.node_id;
        let wanted = json!({"query": AUTO_MERGE, "variables": {"id": id, "method": method}});
        let place = self.place.graphql();
        let graphql = Api::new(self.http.client()?, &place, self.role, self.token.as_ref(), NEEDS)?;
        let told: Told = graphql.send(CHANGE, Method::Post, "/graphql", &wanted)?;
        match told.errors.into_iter().flatten().next() {
            None => Ok(()),
            Some(Message { message }) => {
                let hint = "allow auto-merge in the repository's settings, and require `passgate check` on the branch";
                let said: String = crate::domain::escape::line(&message).chars().take(300).collect();
                Err(api.error(CHANGE, said, Some(hint.to_owned())))
            }
        }
    }

    fn close(&self, pull: &Pull, comment: &str) -> Result<(), PortError> {
        let api = self.pulls()?;
        let said = json!({"body": comment});
        api.send::<Value>(CHANGE, Method::Post, &format!("issues/{}/comments", pull.number), &said)?;
        api.send::<One>(CHANGE, Method::Patch, &format!("pulls/{}", pull.number), &json!({"state": "closed"}))
            .map(|_| ())
    }
}
