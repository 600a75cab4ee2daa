//! Pull requests.

use super::Repository;
use crate::domain::id::BranchName;
use crate::domain::policy::MergeMethod;
use crate::domain::proposal::ProposalBranch;
use crate::port::{PortError, Proposal, Pull, PullRequests};

impl PullRequests for Repository {
    fn longest_body(&self) -> usize {
        65_536
    }

    fn find(&self, _: &ProposalBranch, _: &BranchName) -> Result<Option<Pull>, PortError> {
        Err(missing())
    }

    fn get(&self, _: u64) -> Result<Pull, PortError> {
        Err(missing())
    }

    fn open(&self, _: &Proposal) -> Result<Pull, PortError> {
        Err(missing())
    }

    fn retell(&self, _: &Pull, _: &Proposal) -> Result<(), PortError> {
        Err(missing())
    }

    fn label(&self, _: &Pull, _: &[String]) -> Result<(), PortError> {
        Err(missing())
    }

    fn ask_reviewers(&self, _: &Pull, _: &[String]) -> Result<(), PortError> {
        Err(missing())
    }

    fn auto_merge(&self, _: &Pull, _: MergeMethod) -> Result<(), PortError> {
        Err(missing())
    }

    fn close(&self, _: &Pull, _: &str) -> Result<(), PortError> {
        Err(missing())
    }
}

fn missing() -> PortError {
    PortError::Unusable("pull requests on GitHub are not supported yet".to_owned())
}
