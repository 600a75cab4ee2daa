//! How a registry is told who asks: `Basic`, or a token that its issuer gives for one repository.

use base64::Engine as _;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, WWW_AUTHENTICATE};
use serde::Deserialize;

use super::credentials::Credential;
use super::request::{Session, To, authority, is_safe, last};
use crate::adapter::http::{Failure, Tried, again, read};
use crate::domain::escape;

const LARGEST: u64 = 1 << 20;
// Issuers of tokens that everybody knows, and whose they are.
const ISSUERS: &[(&str, &str)] = &[("docker.io", "auth.docker.io"), ("registry.gitlab.com", "gitlab.com")];

/// What a registry wants to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String> },
}

#[derive(Deserialize)]
struct Issued {
    token: Option<String>,
    access_token: Option<String>,
}

/// What a token is kept under.
pub(super) fn key(to: To<'_>) -> (String, String) {
    (to.host.to_owned(), to.repository.to_owned())
}

/// The way in, for an answer that keeps us out.
pub(super) fn way_in(host: &str) -> String {
    let host = escape::line(host);
    format!("give its credentials: docker login {host}, or PASSGATE_REGISTRY_TOKENS with {host}=user:password")
}

/// What is sent at once, because the host was asked before; None: nothing yet.
pub(super) async fn known(session: &Session, to: To<'_>) -> Tried<Option<String>> {
    let (token, challenge) = {
        let state = session.state();
        (state.tokens.get(&key(to)).cloned(), state.challenges.get(to.host).cloned())
    };
    match (token, challenge) {
        (Some(token), _) => Ok(Some(token)),
        (None, Some(challenge)) => answer(session, challenge, to).await.map(Some),
        (None, None) => Ok(None),
    }
}

/// Reads what a registry wants, tokens first.
pub(super) fn wanted(headers: &HeaderMap) -> Option<Challenge> {
    let texts = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    let all: Vec<Challenge> = texts.filter_map(one).collect();
    let bearer = all.iter().find(|challenge| **challenge != Challenge::Basic);
    bearer.or(all.first()).cloned()
}

fn one(text: &str) -> Option<Challenge> {
    let (scheme, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    if scheme.eq_ignore_ascii_case("basic") {
        return Some(Challenge::Basic);
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let part =
        |name: &str| parts(rest).into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    // What it wants us to be allowed is what it says; what is needed is known here.
    Some(Challenge::Bearer { realm: part("realm")?, service: part("service") })
}

// `key="value"` pairs; commas within quotes are part of a value.
fn parts(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some((key, after)) = rest.split_once('=') {
        let (value, tail) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(',').unwrap_or((after, "")),
        };
        found.push((key.trim().to_owned(), value.trim().to_owned()));
        rest = tail.trim_start_matches([',', ' ']);
    }
    found
}

/// What is sent to a host that wants to know who asks.
pub(super) async fn answer(session: &Session, challenge: Challenge, to: To<'_>) -> Tried<String> {
    let credential = session.credential(to.host)?;
    let pass = match (&challenge, credential) {
        (Challenge::Basic, Some(Credential::Pair(user, password))) => basic(&user, &password),
        (Challenge::Basic, Some(Credential::Identity(token))) => format!("Bearer {token}"),
        (Challenge::Basic, None) => {
            let said = "it wants credentials".to_owned();
            return Err(Failure::Final { said, hint: Some(way_in(to.host)) });
        }
        (Challenge::Bearer { realm, service }, credential) => {
            let pull = format!("repository:{}:pull", to.repository);
            let scope = (!to.repository.is_empty()).then_some(pull);
            let realm = self_or_named(session, realm, to.host)?;
            format!(
                "Bearer {}",
                token(session, realm, service.as_deref(), scope.as_deref(), credential, to.host).await?
            )
        }
    };
    let mut state = session.state();
    state.challenges.insert(to.host.to_owned(), challenge);
    state.tokens.insert(key(to), pass.clone());
    Ok(pass)
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
}

// The issuer of tokens, if it is the registry itself or one that the rules name.
fn self_or_named(session: &Session, realm: &str, host: &str) -> Tried<Url> {
    let url = Url::parse(realm).map_err(|_| last("its issuer of tokens has no address"))?;
    let at = authority(&url);
    let is_known = ISSUERS.iter().any(|(of, issuer)| *of == host && *issuer == at);
    if is_safe(&url) && (at == host || is_known || session.is_issuer(&at)) {
        return Ok(url);
    }
    let at = escape::line(&at);
    Err(Failure::Final {
        said: format!("its tokens come from {at}, which `images.realms` does not name"),
        hint: Some("name it there, in stage.yaml, if it may have the credentials".to_owned()),
    })
}

async fn token(
    session: &Session,
    realm: Url,
    service: Option<&str>,
    scope: Option<&str>,
    credential: Option<Credential>,
    host: &str,
) -> Tried<String> {
    let mut fields: Vec<(&str, &str)> = Vec::new();
    fields.extend(service.map(|service| ("service", service)));
    fields.extend(scope.map(|scope| ("scope", scope)));
    let request = match &credential {
        Some(Credential::Identity(refresh)) => {
            fields.extend([("grant_type", "refresh_token"), ("refresh_token", refresh), ("client_id", "passgate")]);
            let mut form = Url::parse("x:/").map_err(|error| again(&error))?;
            form.query_pairs_mut().extend_pairs(&fields);
            let body = form.query().unwrap_or_default().to_owned();
            session
                .client(&realm)?
                .post(realm.clone())
                .header("content-type", "application/x-www-form-urlencoded")
                .body(body)
        }
        Some(Credential::Pair(user, password)) => {
            session.client(&realm)?.get(realm.clone()).query(&fields).header(AUTHORIZATION, basic(user, password))
        }
        None => session.client(&realm)?.get(realm.clone()).query(&fields),
    };
    let response = request.send().await.map_err(|error| again(&error.without_url()))?;
    if response.status() != 200 {
        return session.refusal(response, host).await;
    }
    let mut bytes = Vec::new();
    read(reqwest::Body::from(response), LARGEST, &mut bytes).await?;
    let issued: Option<Issued> = serde_json::from_slice(&bytes).ok();
    let token = issued.and_then(|issued| issued.token.or(issued.access_token));
    let is_token = |token: &String| !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic());
    token.filter(is_token).ok_or_else(|| last("its issuer of tokens gives none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read_with_commas_in_their_values() {
        let text = "Bearer realm=\"https://a.io/token\",service=\"a.io\", scope=\"repository:x:pull,push\"";
        let wanted = Challenge::Bearer { realm: "https://a.io/token".into(), service: Some("a.io".into()) };
        assert_eq!(one(text), Some(wanted));
        assert_eq!(one("basic realm=\"x\""), Some(Challenge::Basic));
        assert_eq!(one("Negotiate"), None);
        assert_eq!(one("Bearer service=x"), None);
    }
}
