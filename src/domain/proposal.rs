//! What passgate proposes by a pull request: the branch that holds it.

use std::fmt;

use super::id::{BranchName, InvalidId, UnitName};

/// What is proposed. A unit has at most one open proposal of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What the unit's folders are to hold: a release, a rollback or a retirement.
    Content,
    /// What the stage's checks said.
    Mark,
}

/// A branch of passgate's own, which holds a proposal. It is the only kind of branch that is ever moved by force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProposalBranch(BranchName);

impl ProposalBranch {
    /// The branch for a unit's proposals to a branch. The repository's default branch needs no name in it; environments
    /// that share a repository have different ones, and none of these names lies below another.
    ///
    /// # Errors
    /// git does not allow the name.
    pub fn of(kind: Kind, unit: &UnitName, base: &BranchName, is_default: bool) -> Result<Self, InvalidId> {
        let prefix = match kind {
            Kind::Content => "passgate",
            Kind::Mark => "passgate-mark",
        };
        let name = if is_default { format!("{prefix}/{unit}") } else { format!("{prefix}-for/{base}/{unit}") };
        name.parse().map(Self)
    }

    /// Its name.
    pub fn name(&self) -> &BranchName {
        &self.0
    }

    /// A branch that cannot exist beside it, because git keeps branches as files in folders.
    pub fn clashes_with(&self, other: &BranchName) -> bool {
        let (own, other) = (self.0.as_str(), other.as_str());
        let is_below = |one: &str, two: &str| one.strip_prefix(two).is_some_and(|rest| rest.starts_with('/'));
        is_below(own, other) || is_below(other, own)
    }
}

impl fmt::Display for ProposalBranch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    fn of(kind: Kind, unit: &str, base: &str, is_default: bool) -> ProposalBranch {
        ProposalBranch::of(kind, &unit.parse().unwrap(), &base.parse().unwrap(), is_default).unwrap()
    }

    #[test]
    fn branches_of_all_kinds_stand_beside_each_other() {
        assert_eq!(of(Kind::Content, "shop", "main", true).to_string(), "passgate/shop");
        assert_eq!(of(Kind::Mark, "shop", "main", true).to_string(), "passgate-mark/shop");
        assert_eq!(of(Kind::Content, "shop", "env/qual", false).to_string(), "passgate-for/env/qual/shop");
        let all = [
            of(Kind::Content, "shop", "main", true),
            of(Kind::Mark, "shop", "main", true),
            of(Kind::Content, "main", "shop", false),
            of(Kind::Mark, "main", "shop", false),
        ];
        for one in &all {
            assert!(all.iter().all(|other| !one.clashes_with(other.name())), "{one}");
        }
        assert!(all[0].clashes_with(&"passgate".parse().unwrap()));
        assert!(all[0].clashes_with(&"passgate/shop/x".parse().unwrap()));
        assert!(!all[0].clashes_with(&"passgate/shopping".parse().unwrap()));
    }
}
