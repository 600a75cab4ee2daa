//! The tags of a repository: all of them for a range of versions, some of them for whoever misses one.

use std::borrow::Cow;
use std::fmt;

use reqwest::header::{HeaderMap, LINK};
use reqwest::{Method, Url};
use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};

use super::answer::body;
use super::request::{Session, To, last};
use crate::adapter::http::Tried;
use crate::domain::image::reference::is_tag;

const LARGEST: u64 = 4 << 20;
const PAGES: usize = 50;
// Tags of an image that is not there are only for the message.
const FEW_PAGES: usize = 3;
const FEW: usize = 3000;
// Most of one page, and what a name takes besides its text.
const MOST: usize = 200_000;
const BESIDE: usize = 64;
const LONG: &str = "its lists of tags are longer than is read";

#[derive(Deserialize)]
struct Page {
    tags: Option<Names>,
}

// Those that can be tags, and whether there are more.
struct Names(Vec<String>, bool);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Names;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("tags")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Names, A::Error> {
                let (mut names, mut has_more) = (Vec::new(), false);
                while let Some(name) = seq.next_element::<Cow<'de, str>>()? {
                    if names.len() >= MOST {
                        has_more = true;
                    } else if is_tag(&name) {
                        names.push(name.into_owned());
                    }
                }
                Ok(Names(names, has_more))
            }
        }
        deserializer.deserialize_seq(Reader)
    }
}

/// All of them; None: there is no such repository.
pub(super) async fn all(session: &Session, host: &str, path: &str) -> Tried<Option<Vec<String>>> {
    let (mut walk, mut all) = (Walk::new(session, host, path)?, Vec::new());
    for _ in 0..PAGES {
        let Some((Names(names, has_more), is_last)) = walk.page(session).await? else { return Ok(None) };
        let size = names.iter().map(|name| name.len() + BESIDE).sum();
        if has_more || !session.has_room(size) {
            return Err(last(LONG));
        }
        all.extend(names);
        match is_last {
            Some(true) => return Ok(Some(all)),
            Some(false) => {}
            None => break,
        }
    }
    Err(last("its list of tags does not come to an end"))
}

/// Some of them; None: there is no such repository.
pub(super) async fn few(session: &Session, host: &str, path: &str) -> Tried<Option<Vec<String>>> {
    let (mut walk, mut all) = (Walk::new(session, host, path)?, Vec::new());
    for _ in 0..FEW_PAGES {
        let Some((Names(names, _), is_last)) = walk.page(session).await? else { return Ok(None) };
        all.extend(names.into_iter().take(FEW - all.len()));
        if is_last != Some(false) || all.len() >= FEW {
            break;
        }
    }
    Ok(Some(all))
}

// From page to page.
struct Walk<'a> {
    to: To<'a>,
    url: Url,
}

impl<'a> Walk<'a> {
    fn new(session: &Session, host: &'a str, path: &'a str) -> Tried<Self> {
        let url = session.url(host, &format!("{path}/tags/list?n=1000"))?;
        Ok(Self { to: To { host, repository: path, accept: "application/json" }, url })
    }

    // A page, and whether it is the last one, if that can be told; None: there is no such repository.
    async fn page(&mut self, session: &Session) -> Tried<Option<(Names, Option<bool>)>> {
        let response = session.send(&Method::GET, &self.url, self.to).await?;
        match response.status().as_u16() {
            200 => {}
            404 => return Ok(None),
            _ => return session.refusal(response, self.to.host).await,
        }
        let next = next(&self.url, response.headers());
        let page: Page =
            serde_json::from_slice(&body(response, LARGEST).await?).map_err(|_| last("its list of tags is none"))?;
        let is_last = match next {
            Some(next) if next.origin() == self.url.origin() => {
                self.url = next;
                Some(false)
            }
            // It goes on where nobody goes.
            Some(_) => None,
            None => Some(true),
        };
        Ok(Some((page.tags.unwrap_or_else(|| Names(Vec::new(), false)), is_last)))
    }
}

// `</v2/x/tags/list?last=b&n=1>; rel="next"`, which may stand among others.
fn next(url: &Url, headers: &HeaderMap) -> Option<Url> {
    let is_next = |parameter: &str| {
        let Some((key, value)) = parameter.split_once('=') else { return false };
        let value = value.trim().trim_end_matches(',').trim().trim_matches('"');
        key.trim().eq_ignore_ascii_case("rel") && value.split_whitespace().any(|word| word.eq_ignore_ascii_case("next"))
    };
    let texts = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
    let links = texts.flat_map(|text| text.split('<').skip(1)).filter_map(|link| link.split_once('>'));
    let mut targets = links.filter(|(_, rest)| rest.split(';').any(is_next)).map(|(target, _)| target);
    targets.next().and_then(|target| url.join(target).ok())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_the_one_that_is_said_to_be() {
        let url = Url::parse("https://a.io/v2/x/tags/list").unwrap();
        for (link, wanted) in [
            ("</v2/x/tags/list?last=b>; rel=\"next\"", Some("https://a.io/v2/x/tags/list?last=b")),
            ("<?last=b>;rel=next", Some("https://a.io/v2/x/tags/list?last=b")),
            ("</first>; rel=\"first\", </two>; title=x; rel=\"next last\"", Some("https://a.io/two")),
            ("</two>; rel=next, </first>; rel=first", Some("https://a.io/two")),
            ("</next>; rel=\"prev\"; title=\"next\"", None),
        ] {
            let headers = HeaderMap::from_iter([(LINK, link.parse().unwrap())]);
            assert_eq!(next(&url, &headers).map(String::from).as_deref(), wanted, "{link}");
        }
    }
}
