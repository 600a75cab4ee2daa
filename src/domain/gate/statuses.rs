//! Gate `statuses`: what watches the stage before (Flux, Argo CD, tests) is content with commits that carry this content.

use super::{Answer, few};
use crate::domain::escape;
use crate::domain::id::{CommitId, StageName};
use crate::domain::policy::StatusPattern;

/// What a status says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// All is well.
    Green,
    /// Nothing yet.
    Pending,
    /// Anything else: failed, cancelled, skipped.
    Red,
}

/// A status of a commit, as a forge tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// What it is of, such as `kustomization/apps/4b2a`.
    pub context: String,
    /// What it says.
    pub state: State,
    /// The forge's own word for that.
    pub word: String,
}

/// A status and the commit that it stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The commit.
    pub commit: CommitId,
    /// The status.
    pub status: Status,
}

/// What was found on the commits that carry the content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// How many commits carry it.
    pub carriers: usize,
    /// How many of them were looked at.
    pub asked: usize,
    /// Of each context the newest status.
    pub found: Vec<Found>,
}

impl Seen {
    /// Takes what stands on a commit, which is older than those that were taken before.
    pub fn take(&mut self, commit: CommitId, statuses: Vec<Status>) {
        self.asked += 1;
        let known: Vec<String> = self.found.iter().map(|found| found.status.context.clone()).collect();
        let new = statuses.into_iter().filter(|status| !known.contains(&status.context));
        self.found.extend(new.map(|status| Found { commit, status }));
    }

    /// Whether no older commit can change the answer: something is red, or every pattern has found something.
    pub fn is_enough(&self, wanted: &[StatusPattern]) -> bool {
        let hits = |pattern: &StatusPattern| self.found.iter().any(|found| pattern.matches(&found.status.context));
        let is_red = |found: &Found| found.status.state == State::Red;
        wanted.iter().all(hits) || self.matching(wanted).any(is_red)
    }

    fn matching(&self, wanted: &[StatusPattern]) -> impl Iterator<Item = &Found> {
        self.found.iter().filter(|found| wanted.iter().any(|pattern| pattern.matches(&found.status.context)))
    }
}

/// Why nobody could be asked, and the way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unasked {
    /// Why.
    pub why: String,
    /// The way out.
    pub remedy: String,
    /// Whether asking again in a while can change nothing.
    pub lasting: bool,
}

/// What the gate looks at, for one stage in `after`.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The stage.
    pub stage: StageName,
    /// The patterns, each of which must match a status.
    pub wanted: Vec<StatusPattern>,
    /// What was found.
    pub seen: Result<Seen, Unasked>,
}

/// The rule.
pub fn ask(facts: &Facts) -> Answer {
    let (stage, wanted) = (&facts.stage, &facts.wanted);
    if wanted.is_empty() {
        return Answer::not_asked("no statuses are asked for");
    }
    let seen = match &facts.seen {
        Ok(seen) => seen,
        Err(unasked) => return Answer::undecided(unasked.why.clone(), unasked.remedy.clone()),
    };
    if seen.carriers == 0 {
        return Answer::refused(
            format!("no commit of {stage} carries this content, so nothing was said of it there"),
            format!("release it to {stage} first"),
        );
    }
    let told = |state: State| -> Vec<String> {
        let found = seen.matching(wanted).filter(|found| found.status.state == state);
        found.map(tell).collect()
    };
    let red = told(State::Red);
    if !red.is_empty() {
        return Answer::refused(
            format!("not green in {stage}: {}", few(&red)),
            format!("see there what is wrong; begin with the first stage again if it is the content ({stage})"),
        );
    }
    let pending = told(State::Pending);
    if !pending.is_empty() {
        return Answer::undecided(format!("not decided yet in {stage}: {}", few(&pending)), "wait, and run it again");
    }
    let lacks = |pattern: &&StatusPattern| seen.found.iter().all(|found| !pattern.matches(&found.status.context));
    let lacking: Vec<String> = wanted.iter().filter(lacks).map(ToString::to_string).collect();
    if !lacking.is_empty() {
        let others: Vec<String> = seen.found.iter().map(|found| escape::line(&found.status.context)).collect();
        let others = if others.is_empty() { String::new() } else { format!(" (there are: {})", few(&others)) };
        let looked = if seen.asked < seen.carriers {
            format!("{} of {} commits", seen.asked, seen.carriers)
        } else {
            "every commit".to_owned()
        };
        return Answer::undecided(
            format!("no status matches {} yet, on {looked} of {stage} with this content{others}", few(&lacking)),
            "wait until it is reported, or correct the pattern in `statuses`",
        );
    }
    Answer::passed(format!("green in {stage}: {}", few(&told(State::Green))))
}

fn tell(found: &Found) -> String {
    let Found { commit, status } = found;
    format!("{} {} ({})", escape::line(&status.context), escape::line(&status.word), commit.short())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;
    use crate::domain::outcome::Verdict;

    fn commit(digit: char) -> CommitId {
        digit.to_string().repeat(40).parse().unwrap()
    }

    fn status(context: &str, state: State) -> Status {
        Status { context: context.to_owned(), state, word: "word".to_owned() }
    }

    fn verdict(wanted: &[&str], commits: &[&[(&str, State)]]) -> Verdict {
        let wanted: Vec<_> = wanted.iter().map(|pattern| StatusPattern::parse(pattern).unwrap()).collect();
        let mut seen = Seen { carriers: commits.len(), ..Seen::default() };
        for statuses in commits {
            if !seen.is_enough(&wanted) {
                seen.take(commit('a'), statuses.iter().map(|(context, state)| status(context, *state)).collect());
            }
        }
        ask(&Facts { stage: "dev".parse().unwrap(), wanted, seen: Ok(seen) }).verdict
    }

    #[test]
    fn each_pattern_needs_a_status_and_all_that_match_are_green() {
        use State::{Green, Pending, Red};
        let flux = "kustomization/apps/4b2a";
        let all = "kustomization/apps/*";
        assert_eq!(verdict(&[], &[&[]]), Verdict::NotAsked);
        assert_eq!(verdict(&[all], &[]), Verdict::Refused);
        assert_eq!(verdict(&[all], &[&[]]), Verdict::Undecided);
        assert_eq!(verdict(&[all], &[&[("kustomization/apps", Green)]]), Verdict::Undecided);
        assert_eq!(verdict(&[all], &[&[(flux, Green)]]), Verdict::Passed);
        assert_eq!(verdict(&[all], &[&[(flux, Green), ("kustomization/apps/other", Red)]]), Verdict::Refused);
        assert_eq!(verdict(&[all], &[&[(flux, Green), ("kustomization/apps/other", Pending)]]), Verdict::Undecided);
        assert_eq!(verdict(&[all], &[&[(flux, Green), ("lint", Red)]]), Verdict::Passed);
        assert_eq!(verdict(&[all, "e2e"], &[&[(flux, Green)]]), Verdict::Undecided);
        assert_eq!(verdict(&[all, "e2e"], &[&[(flux, Green)], &[("e2e", Green)]]), Verdict::Passed);
        assert_eq!(verdict(&[all, "e2e"], &[&[(flux, Green)], &[("e2e", Red)]]), Verdict::Refused);
        // Of each context the newest counts.
        assert_eq!(verdict(&[all, "e2e"], &[&[(flux, Green)], &[(flux, Red), ("e2e", Green)]]), Verdict::Passed);
        assert_eq!(verdict(&[all], &[&[(flux, Red)], &[(flux, Green)]]), Verdict::Refused);
        assert_eq!(verdict(&[all], &[&[(flux, Pending)], &[(flux, Green)]]), Verdict::Undecided);
    }
}
