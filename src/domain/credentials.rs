//! Which token goes where: one for each role of a repository, and each to its own host only.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::url::RepoUrl;

/// Whose credentials are used for a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The environment that is released into.
    Target,
    /// A stage that content must have passed before: the target's own policy names it.
    Previous,
    /// A stage that only another stage's policy names: no token goes to a host that the target's policy does not name.
    Distant,
    /// Where content was developed.
    Source,
}

impl Role {
    /// The variable that a token for this role is given in.
    pub fn variable(self) -> &'static str {
        match self {
            Self::Target => "PASSGATE_TOKEN",
            Self::Previous | Self::Distant => "PASSGATE_PREVIOUS_TOKEN",
            Self::Source => "PASSGATE_SOURCE_TOKEN",
        }
    }
}

/// A secret, which no `Debug` shows.
#[derive(Clone)]
pub struct Secret(String);

/// What a token is, as its shape tells.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form<'a> {
    /// `Bearer x`, or a JSON web token.
    Bearer(&'a str),
    /// `user:password`.
    Pair(&'a str, &'a str),
    /// Anything else.
    Plain(&'a str),
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Secret {
    /// What it is and what it says, for whoever sends it.
    pub fn form(&self) -> Form<'_> {
        let token = self.0.trim();
        let bearer = token.strip_prefix("Bearer ").or_else(|| token.strip_prefix("bearer "));
        let is_jwt = token.starts_with("eyJ") && token.matches('.').count() == 2;
        match (bearer.or_else(|| is_jwt.then_some(token)), token.split_once(':')) {
            (Some(token), _) => Form::Bearer(token.trim()),
            (None, Some((user, password))) => Form::Pair(user, password),
            (None, None) => Form::Plain(token),
        }
    }
}

/// The tokens of the three roles. Each defaults to the one before it, on the same host only.
#[derive(Debug, Default, Clone)]
pub struct Credentials {
    target: Option<(Secret, Option<String>)>,
    previous: Option<Secret>,
    source: Option<Secret>,
    // Hosts of the stages that the target's own policy names; the copies of one run share them.
    named: Arc<Mutex<HashSet<String>>>,
}

impl Credentials {
    /// Takes `PASSGATE_TOKEN`, `PASSGATE_PREVIOUS_TOKEN`, `PASSGATE_SOURCE_TOKEN`, and the place that the first one is for.
    pub fn new(
        target: Option<String>,
        previous: Option<String>,
        source: Option<String>,
        place: Option<&RepoUrl>,
    ) -> Self {
        let secret = |text: Option<String>| text.filter(|t| !t.trim().is_empty()).map(Secret);
        let origin = place.and_then(RepoUrl::web_origin).map(str::to_owned);
        Self {
            target: secret(target).map(|s| (s, origin)),
            previous: secret(previous),
            source: secret(source),
            named: Arc::default(),
        }
    }

    /// The token for a repository in a role, if one is meant for its host.
    pub fn token(&self, role: Role, url: &RepoUrl) -> Option<&Secret> {
        let origin = url.web_origin()?;
        let target =
            self.target.as_ref().filter(|(_, place)| place.as_deref() == Some(origin)).map(|(secret, _)| secret);
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        if role == Role::Previous {
            named.insert(origin.to_owned());
        }
        let previous = self.previous.as_ref().filter(|_| named.contains(origin));
        match role {
            Role::Target => target,
            Role::Previous | Role::Distant => previous.or(target),
            Role::Source => self.source.as_ref().or(previous).or(target),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    #[test]
    fn a_token_never_goes_to_another_host() {
        let place: RepoUrl = "https://a.example/env".parse().unwrap();
        let other: RepoUrl = "https://b.example/env".parse().unwrap();
        let http: RepoUrl = "http://a.example/env".parse().unwrap();
        let credentials = Credentials::new(Some("t".into()), None, None, Some(&place));
        assert!(credentials.token(Role::Source, &place).is_some());
        assert!(credentials.token(Role::Previous, &other).is_none());
        assert!(credentials.token(Role::Target, &http).is_none());
        assert_eq!(format!("{credentials:?}").matches("***").count(), 1);

        let credentials = Credentials::new(None, Some("p".into()), None, Some(&place));
        assert!(credentials.token(Role::Distant, &other).is_none(), "nobody named it yet");
        assert!(credentials.token(Role::Source, &other).is_none());
        assert!(credentials.token(Role::Previous, &other).is_some());
        assert!(credentials.token(Role::Source, &other).is_some(), "the same host as the stage before");
        assert!(credentials.token(Role::Distant, &place).is_none());
    }

    #[test]
    fn places_without_a_web_host_share_no_token() {
        let ssh: RepoUrl = "git@a.example:env".parse().unwrap();
        let other: RepoUrl = "git@b.example:env".parse().unwrap();
        let credentials = Credentials::new(Some("t".into()), None, None, Some(&ssh));
        assert!(credentials.token(Role::Target, &ssh).is_some());
        assert!(credentials.token(Role::Target, &other).is_none());
        let file: RepoUrl = "file:///a/env".parse().unwrap();
        let credentials = Credentials::new(Some("t".into()), None, None, Some(&file));
        assert!(credentials.token(Role::Target, &file).is_none());
    }

    #[test]
    fn the_kind_of_a_token_is_seen_from_its_shape() {
        assert!(Secret("Bearer abc".into()).form() == Form::Bearer("abc"));
        assert!(Secret(" eyJa.b.c\n".into()).form() == Form::Bearer("eyJa.b.c"));
        assert!(Secret("u:p".into()).form() == Form::Pair("u", "p"));
        assert!(Secret("ghs_x".into()).form() == Form::Plain("ghs_x"));
    }
}
