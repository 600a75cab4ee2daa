//! What a registry answers to each kind of question.

use reqwest::{Method, Response, Url};
use serde::Deserialize;
use sha2::{Digest as _, Sha256, Sha512};

use super::request::{Session, To, last};
use super::{index, tags};
use crate::adapter::http::{Tried, header, read};
use crate::domain::gate::images::{Question, Seen};
use crate::domain::image::reference::is_digest;

/// Manifests of images and of lists of them, in both dialects.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
                         application/vnd.docker.distribution.manifest.list.v2+json, \
                         application/vnd.docker.distribution.manifest.v2+json";
const LARGEST_MANIFEST: u64 = 4 << 20;
// What digests are compared by.
const USUAL: &str = "sha256";

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

/// Asks, once.
pub(super) async fn of(session: &Session, question: &Question) -> Tried<Seen> {
    match question {
        Question::Manifest { host, path, name, platform } => {
            manifest(session, host, path, name, platform.as_deref()).await
        }
        Question::Tags { host, path } => {
            let all = tags::all(session, host, path).await?;
            Ok(all.map_or(Seen::Missing(Some(Vec::new())), Seen::Names))
        }
        Question::Versions { repository, chart } => Ok(Seen::Names(index::versions(session, repository, chart).await?)),
    }
}

async fn manifest(session: &Session, host: &str, path: &str, name: &str, platform: Option<&str>) -> Tried<Seen> {
    let to = To { host, repository: path, accept: MANIFESTS };
    let Some(platform) = platform else { return plain(session, to, name).await };
    // The list of platforms stands in the manifest itself.
    let response = session.send(&Method::GET, &manifest_url(session, to, name)?, to).await?;
    match response.status().as_u16() {
        200 => for_platform(session, response, to, name, platform).await,
        404 => Ok(Seen::Missing(None)),
        _ => session.refusal(response, host).await,
    }
}

fn manifest_url(session: &Session, to: To<'_>, name: &str) -> Tried<Url> {
    session.url(to.host, &format!("{}/manifests/{name}", to.repository))
}

// Whether there is a manifest of that name, for whatever platform.
async fn plain(session: &Session, to: To<'_>, name: &str) -> Tried<Seen> {
    let url = manifest_url(session, to, name)?;
    // Some answer 404 to HEAD, or to what is being copied.
    for method in [Method::HEAD, Method::GET] {
        let response = session.send(&method, &url, to).await?;
        match response.status().as_u16() {
            200 => {
                let said = header(response.headers(), "docker-content-digest").filter(|digest| is_digest(digest));
                // One of another kind says nothing of whether it is the same.
                if let Some(digest) = said.filter(|digest| kind(digest) == wanted_kind(name)) {
                    return of_digest(name, digest.to_owned());
                }
                let whole = if method == Method::GET { response } else { session.send(&Method::GET, &url, to).await? };
                if whole.status() != 200 {
                    return session.refusal(whole, to.host).await;
                }
                return of_digest(name, of_manifest(&body(whole, LARGEST_MANIFEST).await?, wanted_kind(name))?);
            }
            404 => {}
            _ => return session.refusal(response, to.host).await,
        }
    }
    Ok(Seen::Missing(None))
}

// The kind of a digest: what is asked for by one is known by that, everything else by the usual one.
fn wanted_kind(name: &str) -> &str {
    if is_digest(name) { kind(name) } else { USUAL }
}

fn kind(digest: &str) -> &str {
    digest.split(':').next().unwrap_or_default()
}

// The digest of a manifest whose registry does not say it: a page that somebody shows instead, asking who we are, is none.
fn of_manifest(bytes: &[u8], kind: &str) -> Tried<String> {
    match serde_json::from_slice::<Versioned>(bytes) {
        Ok(Versioned { schema_version: 1 | 2 }) => match kind {
            USUAL => Ok(format!("{kind}:{}", hex::encode(Sha256::digest(bytes)))),
            "sha512" => Ok(format!("{kind}:{}", hex::encode(Sha512::digest(bytes)))),
            _ => Err(last("it does not say its digest in the way in which it is asked for")),
        },
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

async fn for_platform(session: &Session, response: Response, to: To<'_>, name: &str, wanted: &str) -> Tried<Seen> {
    let bytes = body(response, LARGEST_MANIFEST).await?;
    let digest = of_manifest(&bytes, wanted_kind(name))?;
    of_digest(name, digest.clone())?;
    let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|_| last("its manifest is none"))?;
    let is_list = manifest.manifests.is_some();
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
        Some((_, digest)) if !is_digest(digest) => Err(last("its manifest names no digest")),
        // What is listed need not be there.
        Some((_, digest)) if is_list => Ok(match plain(session, to, digest).await? {
            Seen::Missing(_) => Seen::Hollow,
            seen => seen,
        }),
        Some((_, digest)) => Ok(Seen::Manifest(digest.clone())),
        None => Ok(Seen::Elsewhere(listed.into_iter().map(|(text, _)| text).collect())),
    }
}

fn shown(platform: &Platform) -> String {
    let parts = [&platform.os, &platform.architecture, &platform.variant];
    parts.into_iter().flatten().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join("/")
}

/// The bytes of an answer.
pub(super) async fn body(response: Response, limit: u64) -> Tried<Vec<u8>> {
    let mut bytes = Vec::new();
    read(reqwest::Body::from(response), limit, &mut bytes).await?;
    Ok(bytes)
}
