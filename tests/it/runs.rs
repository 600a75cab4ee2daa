//! `run:<id>[/name]`: artifacts of runs, on a GitHub of our own.

use std::fs;
use std::io::Write as _;

use crate::support::github::{Hub, Stored, TOKEN, Wrong};
use crate::support::http::Server;

// As GitHub stores what a run uploads.
fn wrapped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn stored(run: u64, name: &str, bytes: &[u8]) -> Stored {
    let (name, bytes) = (name.to_owned(), bytes.to_vec());
    Stored { run, name, bytes, expired: false, gone: false, digest: None, fork: false }
}

fn hub() -> (Hub, String, Vec<u8>) {
    let hub = Hub::new("");
    let artifact = hub.world.package("main");
    let digest = hub.world.digest(&artifact);
    let bytes = fs::read(&artifact).unwrap();
    fs::remove_file(artifact).unwrap();
    (hub, digest, bytes)
}

#[test]
fn an_artifact_of_a_run_is_released() {
    let (hub, digest, zip) = hub();
    hub.github.store(stored(7, "shop", &wrapped(&[("shop.zip", &zip), ("notes.txt", b"x")])));
    hub.github.store(stored(7, "logs", b"x"));
    // Of a run that was tried again the last one counts.
    hub.github.store(stored(8, "shop", b"the first try"));
    hub.github.store(stored(8, "shop", &wrapped(&[("a/b/shop.ZIP", &zip)])));
    hub.github.store(stored(9, "bare", &zip));
    let repository = ("GITHUB_REPOSITORY", "acme/source");
    let server = hub.server.origin();
    for named in ["run:7/shop", "run:8", "run:9/bare", "run:acme/source/7/shop"] {
        let here = [repository, ("GITHUB_SERVER_URL", server.as_str())];
        let before = hub.github.sent().len();
        let run = hub.run_with(&["inspect", named], &here).is(0, "inspected");
        assert_eq!(run.text("digest"), digest, "{named}");
        // No place was named that PASSGATE_TOKEN is for.
        assert!(hub.github.sent()[before..].iter().all(Option::is_none), "{named}");
        let to = hub.to("dev");
        hub.run_with(&["plan", named, "--to", &to], &here).is(0, "planned");
    }
    let here = [repository, ("GITHUB_SERVER_URL", server.as_str()), ("PASSGATE_ARTIFACT", "run:7/shop")];
    let run = hub.run_with(&["release", "--to", &hub.to("dev")], &here).is(0, "released");
    assert_eq!(run.text("digest"), digest);
    let left: Vec<_> = fs::read_dir(hub.world.path().join("tmp")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_download_leaves_the_token_behind() {
    let (hub, _, zip) = hub();
    let blobs = Server::start(hub.world.path(), &hub.world.path().join("home"), None);
    blobs.answer_as(&hub.github);
    hub.github.blobs_at(&blobs.origin());
    hub.github.store(stored(7, "shop", &wrapped(&[("shop.zip", &zip)])));
    let server = [("GITHUB_SERVER_URL", hub.server.origin())];
    let server: Vec<(&str, &str)> = server.iter().map(|(k, v)| (*k, v.as_str())).collect();
    hub.run_with(&["release", "run:acme/source/7", "--to", &hub.to("dev")], &server).is(0, "released");
    assert_eq!(blobs.requests(), ["GET /blob/0?sig=signed"]);
    assert!(blobs.authorizations().is_empty());
    assert!(hub.github.sent().contains(&Some(format!("Bearer {TOKEN}"))));
}

#[test]
fn what_cannot_be_had_is_said_with_the_way_out() {
    let (hub, _, zip) = hub();
    let good = wrapped(&[("shop.zip", &zip)]);
    let broken = good[..good.len() / 2].to_vec();
    let two = wrapped(&[("a.zip", &zip), ("b.zip", &zip)]);
    for one in [
        Stored { expired: true, ..stored(1, "shop", &good) },
        Stored { gone: true, ..stored(2, "shop", &good) },
        Stored { digest: Some(format!("sha256:{}", "0".repeat(64))), ..stored(3, "shop", &good) },
        stored(4, "shop", &two),
        stored(5, "shop", &broken),
        stored(6, "shop", &good),
        stored(6, "other", &good),
        stored(7, "shop", b"<html>Sign in</html>"),
        Stored { fork: true, ..stored(9, "shop", &good) },
        stored(10, "shop", &wrapped(&[("shop.zip", b"PK\x03\x04 no deployment")])),
    ] {
        hub.github.store(one);
    }
    let server = hub.server.origin();
    let run_of = |number: u64| format!("run:acme/source/{number}/shop");
    // The server is the runner's: its URL is what `run:` begins with.
    let release = |artifact: &str| {
        let to = hub.to("dev");
        let args = ["release", artifact, "--to", &to];
        hub.world.untouched(|| hub.run_with(&args, &[("GITHUB_SERVER_URL", server.as_str())]))
    };
    for (artifact, words, hint) in [
        (run_of(1), "has expired", "passgate release --from"),
        (run_of(2), "has expired", "passgate release --from"),
        (run_of(3), "is not what GitHub says it is", ""),
        (run_of(4), "are 2 zips among 2 files", "`passgate package`"),
        (run_of(5), "is no zip", "`passgate package`"),
        ("run:acme/source/6".to_owned(), "it has several: other, shop", "run:acme/source/6/NAME"),
        ("run:acme/source/6/none".to_owned(), "it has no artifact none", "passgate release --from"),
        (run_of(7), "is no zip", "`passgate package`"),
        (run_of(8), "it has no artifact shop", "passgate release --from"),
    ] {
        let run = release(&artifact).is(1, "failed");
        let error = run.json["error"].to_string();
        assert!(error.contains(words), "{words:?} is not in {error}");
        assert!(run.json["error"]["hint"].as_str().unwrap_or_default().contains(hint), "{hint:?} is not in {error}");
        assert_eq!(run.json["error"]["code"], "forge");
    }
    release(&run_of(9)).is(4, "artifact-refused").closed_by("artifact", "was made for a fork");
    release(&run_of(10)).is(4, "artifact-refused");
    for bad in ["run:", "run:x", "run:a/b/c/d/e", "run:7"] {
        release(bad).is(2, "usage");
    }
}

#[test]
fn a_forge_that_misbehaves_gives_no_artifact() {
    let (hub, _, zip) = hub();
    hub.github.store(stored(7, "shop", &wrapped(&[("shop.zip", &zip)])));
    let other = Server::start(hub.world.path(), &hub.world.path().join("home"), None);
    other.answer_as(&hub.github);
    let server = hub.server.origin();
    let no = |status, text| Wrong::Refusal(status, text, None);
    for (wrong, words, hint) in [
        (no(401, "Bad credentials"), "Bad credentials (401)", "PASSGATE_SOURCE_TOKEN"),
        (no(403, "Resource not accessible by integration"), "(403)", "actions: read"),
        (no(404, "Not Found"), "Not Found (404)", "permission-actions: read"),
        (no(422, "Validation Failed"), "Validation Failed (422)", ""),
        (no(503, "busy"), "busy (503)", ""),
        (Wrong::Limited(9, 7200), "7200 s", ""),
        (Wrong::Page, "a page for people", "login page"),
        (Wrong::Cut, "broke off", ""),
        (Wrong::Nonsense, "not what GitHub answers", ""),
        (Wrong::Elsewhere(other.origin()), "redirects to another place", "the URL that it has now"),
    ] {
        hub.github.fail(Some(wrong.clone()));
        let to = hub.to("dev");
        let args = ["release", "run:acme/source/7", "--to", &to];
        let run = hub.world.untouched(|| hub.run_with(&args, &[("GITHUB_SERVER_URL", server.as_str())]));
        let run = run.is(1, "failed");
        let error = run.json["error"].to_string();
        assert!(error.contains(words), "{wrong:?}: {words:?} is not in {error}");
        assert!(run.json["error"]["hint"].as_str().unwrap_or_default().contains(hint), "{wrong:?}: {error}");
    }
    assert!(other.requests().is_empty(), "another host was asked: {:?}", other.requests());
}
