//! What a registry answers to each kind of question.

use std::collections::HashMap;
use std::sync::Arc;

use reqwest::{Method, Response, Url};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::request::{Session, To, last};
use crate::adapter::http::{Tried, again, header, read};
use crate::domain::gate::images::{Question, Seen};
use crate::domain::image::reference::is_digest;

/// Manifests of images and of lists of them, in both dialects.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
                         application/vnd.docker.distribution.manifest.list.v2+json, \
                         application/vnd.docker.distribution.manifest.v2+json";
const LARGEST_MANIFEST: u64 = 4 << 20;
const LARGEST_INDEX: u64 = 64 << 20;
const PAGES: usize = 50;
// Tags of an image that is not there are only for the message.
const FEW_PAGES: usize = 3;

/// Versions of each chart of a repository.
pub(super) type Index = HashMap<String, Vec<String>>;

#[derive(Deserialize)]
struct Tags {
    tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Versioned {
    schema_version: u8,
}

#[derive(Deserialize)]
struct Manifest {
    manifests: Option<Vec<Listed>>,
    config: Option<Blob>,
}

#[derive(Deserialize)]
struct Blob {
    digest: String,
}

#[derive(Deserialize)]
struct Listed {
    digest: String,
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    os: Option<String>,
    architecture: Option<String>,
    variant: Option<String>,
}

#[derive(Deserialize)]
struct Charts {
    entries: HashMap<String, Vec<Chart>>,
}

#[derive(Deserialize)]
struct Chart {
    version: String,
}

/// Asks, once.
pub(super) async fn of(session: &Session, question: &Question) -> Tried<Seen> {
    match question {
        Question::Manifest { host, path, name, platform } => {
            manifest(session, host, path, name, platform.as_deref()).await
        }
        Question::Tags { host, path } => match tags(session, host, path, PAGES).await? {
            Some((tags, true)) => Ok(Seen::Names(tags)),
            Some((_, false)) => Err(last("its list of tags does not come to an end")),
            None => Ok(Seen::Missing(Vec::new())),
        },
        Question::Versions { repository, chart } => {
            let index = index(session, repository).await?;
            Ok(Seen::Names(index.get(chart).cloned().unwrap_or_default()))
        }
    }
}

async fn manifest(session: &Session, host: &str, path: &str, name: &str, platform: Option<&str>) -> Tried<Seen> {
    let url = session.url(host, &format!("{path}/manifests/{name}"))?;
    let to = To { host, repository: path, accept: MANIFESTS };
    // The list of platforms stands in the manifest itself.
    let methods: &[Method] = if platform.is_some() { &[Method::GET] } else { &[Method::HEAD, Method::GET] };
    for method in methods {
        let response = session.send(method, &url, to).await?;
        match response.status().as_u16() {
            200 if platform.is_some() => return for_platform(session, response, to, name, platform).await,
            200 => {
                let digest = header(response.headers(), "docker-content-digest").map(str::to_owned);
                return match digest.filter(|digest| is_digest(digest)) {
                    Some(digest) => of_digest(name, digest),
                    None if *method == Method::HEAD => {
                        let whole = session.send(&Method::GET, &url, to).await?;
                        if whole.status() != 200 {
                            return session.refusal(whole, host).await;
                        }
                        of_digest(name, of_manifest(&body(whole, LARGEST_MANIFEST).await?)?)
                    }
                    None => of_digest(name, of_manifest(&body(response, LARGEST_MANIFEST).await?)?),
                };
            }
            // Some answer so to HEAD, or to what is being copied.
            404 => {}
            _ => return session.refusal(response, host).await,
        }
    }
    let known = tags(session, host, path, FEW_PAGES).await;
    Ok(Seen::Missing(known.ok().flatten().unwrap_or_default().0))
}

// The digest of a manifest whose registry does not say it: a page that somebody shows instead, asking who we are, is none.
fn of_manifest(bytes: &[u8]) -> Tried<String> {
    match serde_json::from_slice::<Versioned>(bytes) {
        Ok(Versioned { schema_version: 1 | 2 }) => Ok(sum(bytes)),
        _ => Err(last("its manifest is none")),
    }
}

// What was asked for by digest has that digest and no other.
fn of_digest(name: &str, digest: String) -> Tried<Seen> {
    if is_digest(name) && name != digest {
        return Err(last("it answers about another manifest than it was asked for"));
    }
    Ok(Seen::Manifest(digest))
}

async fn for_platform(
    session: &Session,
    response: Response,
    to: To<'_>,
    name: &str,
    platform: Option<&str>,
) -> Tried<Seen> {
    let bytes = body(response, LARGEST_MANIFEST).await?;
    let digest = of_manifest(&bytes)?;
    if is_digest(name) && name != digest {
        return Err(last("it answers about another manifest than it was asked for"));
    }
    let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|_| last("its manifest is none"))?;
    let wanted = platform.unwrap_or_default();
    let listed: Vec<(String, String)> = if let Some(listed) = manifest.manifests {
        listed.into_iter().filter_map(|one| Some((shown(&one.platform?), one.digest))).collect()
    } else {
        let Some(config) = manifest.config.filter(|config| is_digest(&config.digest)) else {
            return Err(last("its manifest names no platform"));
        };
        let url = session.url(to.host, &format!("{}/blobs/{}", to.repository, config.digest))?;
        let response = session.send(&Method::GET, &url, to).await?;
        if response.status() != 200 {
            return session.refusal(response, to.host).await;
        }
        let config: Platform = serde_json::from_slice(&body(response, LARGEST_MANIFEST).await?)
            .map_err(|_| last("its configuration is none"))?;
        vec![(shown(&config), digest)]
    };
    // A platform without a variant takes any.
    let is_it = |text: &str| text == wanted || text.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('/'));
    match listed.iter().find(|(text, _)| is_it(text)) {
        Some((_, digest)) => Ok(Seen::Manifest(digest.clone())),
        None => Ok(Seen::Elsewhere(listed.into_iter().map(|(text, _)| text).collect())),
    }
}

fn shown(platform: &Platform) -> String {
    let parts = [&platform.os, &platform.architecture, &platform.variant];
    parts.into_iter().flatten().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join("/")
}

// The tags of a repository, and whether these are all; None: there is no such repository.
async fn tags(session: &Session, host: &str, path: &str, pages: usize) -> Tried<Option<(Vec<String>, bool)>> {
    let mut url = session.url(host, &format!("{path}/tags/list?n=1000"))?;
    let to = To { host, repository: path, accept: "application/json" };
    let mut all = Vec::new();
    for _ in 0..pages {
        let response = session.send(&Method::GET, &url, to).await?;
        match response.status().as_u16() {
            200 => {}
            404 => return Ok(None),
            _ => return session.refusal(response, host).await,
        }
        let next = header(response.headers(), "link").and_then(|link| next(&url, link));
        let page: Tags = serde_json::from_slice(&body(response, LARGEST_MANIFEST).await?)
            .map_err(|_| last("its list of tags is none"))?;
        all.extend(page.tags.unwrap_or_default());
        match next {
            Some(next) if next.origin() == url.origin() => url = next,
            Some(_) => break,
            None => return Ok(Some((all, true))),
        }
    }
    Ok(Some((all, false)))
}

// `</v2/x/tags/list?last=b&n=1>; rel="next"`.
fn next(url: &Url, link: &str) -> Option<Url> {
    let (target, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
    rest.contains("next").then(|| url.join(target).ok()).flatten()
}

async fn index(session: &Session, repository: &str) -> Tried<Arc<Index>> {
    let mut known = session.indexes.lock().await;
    if let Some(index) = known.get(repository) {
        return Ok(Arc::clone(index));
    }
    let url = Url::parse(&format!("{}/index.yaml", repository.trim_end_matches('/'))).map_err(|error| again(&error))?;
    if !super::request::is_safe(&url) {
        return Err(last("it is no https address"));
    }
    let host = super::request::authority(&url);
    let response = session.send(&Method::GET, &url, To { host: &host, repository: "", accept: "*/*" }).await?;
    match response.status().as_u16() {
        200 => {}
        404 => return Err(last("it has no index.yaml, so it is no chart repository")),
        _ => return session.refusal(response, &host).await,
    }
    let bytes = body(response, LARGEST_INDEX).await?;
    let charts: Charts =
        serde_saphyr::from_slice_with_options(&bytes, options()).map_err(|_| last("its index.yaml is none"))?;
    let versions = |charts: Vec<Chart>| charts.into_iter().map(|chart| chart.version).collect();
    let index: Arc<Index> =
        Arc::new(charts.entries.into_iter().map(|(name, charts)| (name, versions(charts))).collect());
    known.insert(repository.to_owned(), Arc::clone(&index));
    Ok(index)
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        no_schema: false,
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_depth: 64,
            max_nodes: 8_000_000,
            max_events: 20_000_000,
            max_total_scalar_bytes: 64 << 20,
        },
    }
}

async fn body(response: Response, limit: u64) -> Tried<Vec<u8>> {
    let mut bytes = Vec::new();
    read(reqwest::Body::from(response), limit, &mut bytes).await?;
    Ok(bytes)
}

fn sum(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}
