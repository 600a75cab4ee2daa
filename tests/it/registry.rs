//! Gate `images`: a release asks the target's registry, and what it answers wrongly opens nothing.

use std::path::{Path, PathBuf};

use crate::support::registry::{Doors, Fake, Issuer, Real, Wrong, needed};
use crate::support::{Run, World, put, text};

const TIMEOUT: (&str, &str) = ("PASSGATE_REGISTRY_TIMEOUT", "1");

/// A world whose dev asks for images.
pub(crate) struct Yard {
    pub(crate) world: World,
    pub(crate) dev: Fake,
    pub(crate) prod: Fake,
}

pub(crate) fn deployment(name: &str, image: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  template:\n    spec:\n      \
         containers:\n      - name: c\n        image: {image}\n"
    )
}

impl Yard {
    /// References of one registry are asked for in the other, with these lines of `images` more.
    pub(crate) fn new(more: &str) -> Self {
        let (world, dev, prod) = (World::new(), Fake::start(), Fake::start());
        let yard = Self { world, dev, prod };
        let rewrite = format!("  rewrite: [{{from: {}/**, to: {}/**}}]\n{more}", yard.dev.host, yard.prod.host);
        yard.rules(&rewrite);
        yard
    }

    pub(crate) fn rules(&self, images: &str) {
        let mut policy = self.world.policy("dev", None);
        policy.more.push_str(&format!("images:\n{images}"));
        self.world.environment("dev", &policy);
    }

    /// An artifact with a deployment of each image.
    #[track_caller]
    pub(crate) fn artifact(&self, images: &[&str]) -> PathBuf {
        let files: Vec<_> = images
            .iter()
            .enumerate()
            .map(|(at, image)| put(&format!("apps/shop/d{at}.yaml"), &deployment(&format!("d{at}"), image)))
            .collect();
        self.world.repo("source").commit("main", &files);
        self.world.package("main")
    }

    pub(crate) fn image(&self, rest: &str) -> String {
        format!("{}/{rest}", self.dev.host)
    }

    pub(crate) fn release(&self, artifact: &Path) -> Run {
        let to = self.world.to("dev");
        self.world.run_with(&["release", text(artifact), "--to", &to], &[TIMEOUT])
    }

    #[track_caller]
    pub(crate) fn refuses(&self, artifact: &Path, words: &str) -> Run {
        self.world.untouched(|| self.release(artifact)).is(3, "refused").closed_by("images", words)
    }

    #[track_caller]
    fn undecided(&self, artifact: &Path, words: &str) -> Run {
        let run = self.world.untouched(|| self.release(artifact)).is(1, "undecided");
        let gate = run.gate("images");
        assert_eq!(gate["verdict"], "undecided", "{run:#?}");
        assert!(gate["detail"].as_str().unwrap().contains(words), "{words:?} is not in {gate}");
        assert!(!gate["remedy"].as_str().unwrap_or_default().is_empty(), "{run:#?}");
        run
    }
}

#[test]
fn a_missing_image_is_refused_with_its_place_and_the_tags_that_there_are() {
    let yard = Yard::new("");
    yard.dev.has("shop/web", "1.3.0", "new");
    yard.prod.has("shop/web", "1.2.9", "old");
    yard.prod.has("shop/web", "1.2.8", "older");
    let artifact = yard.artifact(&[&yard.image("shop/web:1.3.0")]);
    let run = yard.refuses(&artifact, &format!("{}/shop/web:1.3.0 for {}", yard.prod.host, yard.dev.host));
    let detail = run.gate("images")["detail"].as_str().unwrap();
    assert!(detail.contains("apps/shop/d0.yaml:9"), "{detail}");
    assert!(detail.contains("there are 1.2.9, 1.2.8"), "{detail}");
    yard.prod.has("shop/web", "1.3.0", "new");
    let run = yard.release(&artifact).is(0, "released");
    assert_eq!(run.verdict("images"), "passed");
    let recorded = yard.world.env("dev").record("main");
    assert!(recorded.gates.iter().any(|gate| gate.gate == "images" && gate.detail.contains("1 is in")));
}

#[test]
fn the_same_tag_with_another_digest_is_a_stale_copy() {
    let yard = Yard::new("");
    yard.dev.has("shop/web", "1.3", "rebuilt");
    yard.prod.has("shop/web", "1.3", "first");
    let artifact = yard.artifact(&[&yard.image("shop/web:1.3")]);
    yard.refuses(&artifact, "1 is stale");
    // What names its digest need not be compared, but be there.
    let digest = yard.dev.has("shop/web", "1.4", "more");
    let pinned = yard.artifact(&[&yard.image(&format!("shop/web:1.4@{digest}"))]);
    yard.refuses(&pinned, "not in the target's registry");
    yard.prod.has("shop/web", "other", "more");
    yard.release(&pinned).is(0, "released");
}

#[test]
fn each_distinct_image_is_asked_for_once() {
    let world = World::new();
    let prod = Fake::start();
    let mut policy = world.policy("dev", None);
    policy.more.push_str(&format!("images: {{allow: [\"{}/**\"]}}\n", prod.host));
    world.environment("dev", &policy);
    let mut files = Vec::new();
    for at in 0..1000 {
        let image = at % 95;
        prod.has(&format!("a/i{image}"), "1", &format!("{image}"));
        let content = deployment(&format!("d{at}"), &format!("{}/a/i{image}:1", prod.host));
        files.push(put(&format!("apps/d{at}.yaml"), &content));
    }
    world.repo("source").commit("main", &files);
    let artifact = world.package("main");
    let run = world.release(&artifact, "dev").is(0, "released");
    assert!(run.gate("images")["detail"].as_str().unwrap().starts_with("95 are in"), "{run:#?}");
    let sent = prod.sent();
    assert_eq!(sent.len(), 95, "{:?}", &sent[..5]);
    assert!(sent.iter().all(|sent| sent.method == "HEAD" && sent.authorization.is_none()));
}

#[test]
fn an_answer_that_is_no_plain_yes_opens_nothing() {
    let yard = Yard::new("");
    let other = Fake::start();
    for registry in [&yard.dev, &yard.prod, &other] {
        registry.has("shop/web", "1", "same");
    }
    let artifact = yard.artifact(&[&yard.image("shop/web:1")]);
    let origin = format!("http://{}", other.host);
    for (wrong, words) in [
        (Wrong::Status(403, None), "it answered 403"),
        (Wrong::Status(500, None), "it answered 500"),
        (Wrong::Status(302, None), "it redirects to nowhere"),
        (Wrong::Status(418, None), "it answered 418"),
        (Wrong::Status(429, Some(("Retry-After", "3600".into()))), "it wants 3600 s without requests"),
        (Wrong::NeverContent, "it wants credentials"),
        (Wrong::Elsewhere(origin), "which no rule names"),
        (Wrong::Page, "its manifest is none"),
        (Wrong::Hang, "it did not answer in time"),
    ] {
        yard.prod.fail(Some(wrong.clone()));
        yard.undecided(&artifact, words);
    }
    assert_eq!(other.sent(), [], "another host was asked");
    // Where the digest comes from decides nothing alone.
    yard.prod.fail(None);
    yard.dev.fail(Some(Wrong::Status(500, None)));
    yard.undecided(&artifact, "it answered 500");
    yard.dev.fail(None);
    yard.prod.fail(Some(Wrong::Times(1, 429, Some(("Retry-After", "1".into())))));
    yard.release(&artifact).is(0, "released");
    // A time of day is a time too; and one that nobody lives to see is not waited for.
    let plan = || yard.world.run_with(&["plan", text(&artifact), "--to", &yard.world.to("dev")], &[TIMEOUT]);
    let begun = std::time::Instant::now();
    yard.prod.fail(Some(Wrong::Times(1, 429, Some(("Retry-After", "Wed, 21 Oct 2015 07:28:00 GMT".into())))));
    plan().is(0, "unchanged");
    assert!(begun.elapsed().as_secs() < 4, "{:?}", begun.elapsed());
    yard.prod.fail(Some(Wrong::Status(429, Some(("Retry-After", "Wed, 21 Oct 2115 07:28:00 GMT".into())))));
    assert!(plan().gate("images")["detail"].as_str().unwrap().contains("s without requests"));
    // One that is, and then one that is too large for any sum.
    yard.prod.fail(Some(Wrong::Times(1, 429, Some(("Retry-After", "1".into())))));
    let later = yard.prod.clone();
    let change = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(700));
        later.fail(Some(Wrong::Status(429, Some(("Retry-After", u64::MAX.to_string())))));
    });
    let run = plan();
    change.join().unwrap();
    assert!(
        run.gate("images")["detail"].as_str().unwrap().contains("18446744073709551615 s without requests"),
        "{run:#?}"
    );
}

#[test]
fn a_missing_image_is_refused_whatever_becomes_of_the_list_of_tags() {
    let yard = Yard::new("");
    yard.dev.has("shop/web", "1", "same");
    let images: Vec<String> = (1..40).map(|tag| yard.image(&format!("shop/web:{tag}"))).collect();
    let artifact = yard.artifact(&images.iter().map(String::as_str).collect::<Vec<_>>());
    let more = vec![("Link", "</first>; rel=\"first\", </v2/shop/web/tags/more>; rel=\"next\"".to_owned())];
    let page = |tags: &str| format!("{{\"tags\": [{tags}]}}").into_bytes();
    let long = format!("\"1.3\", \"{}\", \"no tag\"", "1".repeat(1 << 20));
    for (answers, words) in [
        (vec![("/tags/", 0, vec![], vec![])], "shop/web:1 for"),
        (vec![("/tags/", 500, vec![], vec![])], "shop/web:1 for"),
        (
            vec![("/tags/list", 200, more, page(&long)), ("/tags/more", 200, vec![], page("\"1.1\""))],
            "there are 1.1, 1.3)",
        ),
    ] {
        yard.prod.fail(Some(Wrong::Answers(answers)));
        let begun = std::time::Instant::now();
        let run = yard.refuses(&artifact, words);
        assert!(begun.elapsed().as_secs() < 8, "{:?}", begun.elapsed());
        let detail = run.gate("images")["detail"].as_str().unwrap();
        assert!(!detail.contains("no tags there") && detail.len() < 2000, "{detail}");
    }
}

#[test]
fn a_digest_of_another_kind_is_no_other_manifest() {
    let yard = Yard::new("");
    let pinned = yard.dev.has("shop/web", "1", "same");
    yard.prod.has("shop/web", "1", "same");
    yard.prod.fail(Some(Wrong::Digest(format!("sha512:{}", "1".repeat(128)))));
    for image in [yard.image("shop/web:1"), yard.image(&format!("shop/web@{pinned}"))] {
        let artifact = yard.artifact(&[&image]);
        yard.world.run(&["plan", text(&artifact), "--to", &yard.world.to("dev")]).is(0, "planned");
    }
    yard.prod.has("shop/web", "1", "other");
    yard.refuses(&yard.artifact(&[&yard.image("shop/web:1")]), "1 is stale");
}

#[test]
fn a_registry_that_is_down_is_not_a_yes() {
    let yard = Yard::new("");
    yard.rules("  allow: [\"127.0.0.1:1/**\"]\n");
    let artifact = yard.artifact(&["127.0.0.1:1/shop/web:1"]);
    yard.undecided(&artifact, "127.0.0.1:1: error sending request");
}

#[test]
fn registries_may_answer_as_they_like() {
    let yard = Yard::new("");
    let digest = yard.dev.has("shop/web", "1", "same");
    yard.prod.has("shop/web", "1", "same");
    let artifact = yard.artifact(&[&yard.image("shop/web:1")]);
    let plan = || yard.world.run(&["plan", text(&artifact), "--to", &yard.world.to("dev")]);
    for wrong in [Wrong::NoDigest, Wrong::NoHead, Wrong::OnlyLists] {
        yard.prod.fail(Some(wrong.clone()));
        assert_eq!(plan().is(0, "planned").verdict("images"), "passed", "{wrong:?}");
    }
    // What is not the manifest that was asked for is no answer.
    yard.prod.fail(Some(Wrong::Digest(format!("sha256:{}", "1".repeat(64)))));
    plan().is(3, "refused").closed_by("images", "stale");
    let pinned = yard.artifact(&[&yard.image(&format!("shop/web@{digest}"))]);
    yard.undecided(&pinned, "another manifest than it was asked for");
}

#[test]
fn credentials_reach_their_own_registry_only() {
    let yard = Yard::new("");
    let thief = Fake::start();
    thief.lets_in(Doors::Token("me:secret"));
    for registry in [&yard.dev, &yard.prod] {
        registry.has("shop/web", "1", "same");
    }
    let artifact = yard.artifact(&[&yard.image("shop/web:1")]);
    let to = yard.world.to("dev");
    let given = format!("{}=me:secret", yard.prod.host);
    let run = |tokens: &str| {
        let variables = [TIMEOUT, ("PASSGATE_REGISTRY_TOKENS", tokens)];
        yard.world.run_with(&["plan", text(&artifact), "--to", &to], &variables)
    };
    for doors in [Doors::Basic("me:secret"), Doors::Token("me:secret")] {
        yard.prod.lets_in(doors);
        assert_eq!(run("").is(1, "undecided").verdict("images"), "undecided");
        assert_eq!(run(&format!("{}=me:wrong", yard.prod.host)).is(1, "undecided").verdict("images"), "undecided");
        yard.dev.sent();
        let done = run(&given).is(0, "planned");
        assert!(!done.stderr.contains("secret") && !done.stdout.contains("secret"), "{done:#?}");
        assert!(yard.dev.sent().iter().all(|sent| sent.authorization.is_none()), "the other one got them");
    }
    // Tokens from a host that nobody named, and a redirect there.
    yard.prod.fail(Some(Wrong::Realm(format!("http://{}", thief.host))));
    let done = run(&given).is(1, "undecided");
    assert!(done.gate("images")["detail"].as_str().unwrap().contains("its tokens come from"), "{done:#?}");
    yard.prod.fail(Some(Wrong::Elsewhere(format!("http://{}", thief.host))));
    run(&given).is(1, "undecided");
    assert_eq!(thief.sent(), []);
    // Another registry of the rules gets none of them either.
    yard.rules(&format!(
        "  rewrite: [{{from: {}/**, to: {}/**}}]\n  allow: [\"{}/**\"]\n",
        yard.dev.host, yard.prod.host, thief.host
    ));
    yard.prod.fail(Some(Wrong::Realm(format!("http://{}", thief.host))));
    let done = run(&given).is(1, "undecided");
    assert!(done.gate("images")["detail"].as_str().unwrap().contains("its tokens come from"), "{done:#?}");
    assert_eq!(thief.sent(), []);
    yard.prod.fail(Some(Wrong::Elsewhere(format!("http://{}", thief.host))));
    // A redirect to a host that is named goes without them.
    yard.rules(&format!(
        "  rewrite: [{{from: {}/**, to: {}/**}}]\n  realms: [\"{}\"]\n  compare: false\n",
        yard.dev.host, yard.prod.host, thief.host
    ));
    run(&given).is(1, "undecided");
    let sent = thief.sent();
    assert!(!sent.is_empty() && sent.iter().all(|sent| sent.authorization.is_none()), "{sent:?}");
}

#[test]
fn docker_and_its_helpers_are_asked_for_credentials() {
    use std::os::unix::fs::PermissionsExt as _;
    let yard = Yard::new("  compare: false\n");
    yard.prod.lets_in(Doors::Token("me:secret"));
    yard.prod.has("shop/web", "1", "same");
    let artifact = yard.artifact(&[&yard.image("shop/web:1")]);
    let folder = yard.world.path().join("docker");
    std::fs::create_dir(&folder).unwrap();
    let helper = folder.join("docker-credential-it");
    std::fs::write(&helper, "#!/bin/sh\ncat >/dev/null\necho '{\"Username\": \"me\", \"Secret\": \"secret\"}'\n")
        .unwrap();
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", text(&folder), std::env::var("PATH").unwrap());
    let to = yard.world.to("dev");
    for config in [
        // me:secret
        format!("{{\"auths\": {{\"{}\": {{\"auth\": \"bWU6c2VjcmV0\"}}}}}}", yard.prod.host),
        format!("{{\"credHelpers\": {{\"{}\": \"it\"}}}}", yard.prod.host),
        "{\"credsStore\": \"it\"}".to_owned(),
    ] {
        std::fs::write(folder.join("config.json"), config).unwrap();
        let variables = [TIMEOUT, ("DOCKER_CONFIG", text(&folder)), ("PATH", path.as_str())];
        let run = yard.world.run_with(&["plan", text(&artifact), "--to", &to], &variables);
        assert_eq!(run.is(0, "planned").verdict("images"), "passed");
    }
}

#[test]
fn a_credential_helper_that_does_not_come_to_an_end_opens_nothing() {
    use std::os::unix::fs::PermissionsExt as _;
    let yard = Yard::new("  compare: false\n");
    yard.prod.lets_in(Doors::Basic("me:secret"));
    yard.prod.has("shop/web", "1", "same");
    let artifact = yard.artifact(&[&yard.image("shop/web:1")]);
    let folder = yard.world.path().join("docker");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("config.json"), "{\"credsStore\": \"it\"}").unwrap();
    let helper = folder.join("docker-credential-it");
    let path = format!("{}:{}", text(&folder), std::env::var("PATH").unwrap());
    let left = folder.join("left");
    for (script, said) in [
        // What it started is ended with it.
        (
            format!("(sleep 3; touch {}) & sleep 60", left.display()),
            "docker-credential-it does not give its credentials: it did not end within 1 s",
        ),
        ("while :; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done".to_owned(), "says more than"),
        ("exit 1".to_owned(), "does not give its credentials"),
        ("echo nonsense".to_owned(), "it says something else"),
        ("echo '{\"Username\": \"me\"}'; echo secret >&2".to_owned(), "it says something else"),
    ] {
        std::fs::write(&helper, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
        let to = yard.world.to("dev");
        let variables = [TIMEOUT, ("DOCKER_CONFIG", text(&folder)), ("PATH", path.as_str())];
        let begun = std::time::Instant::now();
        let args = ["release", text(&artifact), "--to", &to];
        let run = yard.world.untouched(|| yard.world.run_with(&args, &variables)).is(1, "undecided");
        let gate = run.gate("images");
        assert_eq!(gate["verdict"], "undecided", "{run:#?}");
        assert!(gate["detail"].as_str().unwrap().contains(said), "{said:?} is not in {gate}");
        assert!(!run.stdout.contains("secret") && !run.stderr.contains("secret"), "{run:#?}");
        assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    }
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert!(!left.exists(), "what the helper started was left behind");
}

#[test]
fn hosts_that_no_rule_names_are_told_and_never_asked() {
    let yard = Yard::new("");
    let other = Fake::start();
    other.has("x/y", "1", "x");
    yard.dev.has("shop/web", "1", "same");
    yard.prod.has("shop/web", "1", "same");
    let foreign = format!("{}/x/y:1", other.host);
    let artifact = yard.artifact(&[&yard.image("shop/web:1"), &foreign]);
    let plan = || yard.world.run(&["plan", text(&artifact), "--to", &yard.world.to("dev")]);
    let run = plan().is(0, "planned");
    let warnings = run.json["warnings"].to_string();
    assert!(warnings.contains(&format!("no rule is for them: {}", other.host)), "{warnings}");
    assert!(run.gate("images")["detail"].as_str().unwrap().contains("1 that no rule is for"));
    assert_eq!(other.sent(), []);
    yard.rules(&format!(
        "  rewrite: [{{from: {}/**, to: {}/**}}, {{from: unused.io/**, to: {1}/**}}]\n  strict: true\n",
        yard.dev.host, yard.prod.host
    ));
    let run = yard.refuses(&artifact, "1 that no rule is for");
    assert!(run.json["warnings"].to_string().contains("rewrite unused.io/**"), "{run:#?}");
    assert_eq!(other.sent(), []);
}

#[test]
fn what_is_denied_is_refused_and_what_is_skipped_is_told() {
    let yard = Yard::new("  deny: [\"**:latest\"]\n  skip: [{match: \"**/debug\", reason: nobody starts it}]\n");
    let artifact = yard.artifact(&[&yard.image("shop/web"), &yard.image("shop/debug:1")]);
    let run = yard.refuses(&artifact, "1 is denied here");
    assert!(run.json["warnings"].to_string().contains("nobody starts it"), "{run:#?}");
    assert_eq!((yard.prod.sent(), yard.dev.sent()), (vec![], vec![]));
    // Whatever way the host is written, and whether or not all of it is known.
    yard.rules("  deny: [denied.io/**]\n");
    for image in ["DENIED.io/a:1", "denied.io:443/a:1", "denied.io/a:${TAG}"] {
        yard.refuses(&yard.artifact(&[image]), "by denied.io/**");
    }
}

#[test]
fn what_nobody_can_tell_is_told_and_refused_where_it_is_strict() {
    let yard = Yard::new("");
    let artifact = yard.artifact(&["${REGISTRY}/shop/web:1"]);
    let run = yard.world.run(&["plan", text(&artifact), "--to", &yard.world.to("dev")]).is(0, "planned");
    assert!(run.json["warnings"].to_string().contains("nobody can tell what these deploy"), "{run:#?}");
    let rules = format!("  rewrite: [{{from: {}/**, to: {}/**}}]\n  strict: true\n", yard.dev.host, yard.prod.host);
    yard.rules(&rules);
    yard.refuses(&artifact, "nobody can tell");
}

#[test]
fn no_tag_is_chosen_so_that_no_rule_is_for_it() {
    let yard = Yard::new("");
    let digest = yard.dev.has("shop/web", "1", "same");
    let rewrite = format!(
        "  rewrite: [{{from: {}/**, to: {}/**, tag: {{from: \"*-rc\", to: \"*\"}}}}]\n",
        yard.dev.host, yard.prod.host
    );
    let allow = format!("  allow: [\"{}/shop/web:1*\"]\n", yard.dev.host);
    for rules in [&rewrite, &allow] {
        yard.rules(rules);
        for image in ["shop/web:2".to_owned(), format!("shop/web@{digest}")] {
            yard.refuses(&yard.artifact(&[&yard.image(&image)]), "1 is under tags that no rule is for");
        }
    }
    assert_eq!((yard.prod.sent(), yard.dev.sent()), (vec![], vec![]));
    // Another name of the host is nobody's affair; it is told as what it is.
    let artifact = yard.artifact(&[&yard.image("shop/other:1")]);
    let run = yard.world.run(&["plan", text(&artifact), "--to", &yard.world.to("dev")]).is(0, "planned");
    let warnings = run.json["warnings"].to_string();
    assert!(warnings.contains(&format!("no rule is for them: {}/shop/other", yard.dev.host)), "{warnings}");
}

#[test]
fn what_is_gone_where_it_comes_from_is_not_compared_and_refused_where_it_is_strict() {
    let yard = Yard::new("");
    yard.prod.has("shop/web", "1", "old");
    let artifact = yard.artifact(&[&yard.image("shop/web:1")]);
    let plan = || yard.world.run(&["plan", text(&artifact), "--to", &yard.world.to("dev")]);
    let run = plan().is(0, "planned");
    assert!(run.json["warnings"].to_string().contains("gone where they come from"), "{run:#?}");
    yard.rules(&format!("  rewrite: [{{from: {}/**, to: {}/**}}]\n  strict: true\n", yard.dev.host, yard.prod.host));
    yard.refuses(&artifact, "1 is gone in the registry that the tag comes from, and not compared");
    // What is not there is refused, whoever else can be asked.
    yard.prod.lacks("shop/web", "1");
    yard.dev.fail(Some(Wrong::Status(500, None)));
    yard.refuses(&artifact, "1 is not in");
}

#[test]
fn what_was_there_before_a_wait_is_asked_for_after_it() {
    let yard = Yard::new("");
    let mut policy = yard.world.policy("dev", None);
    policy.branches = "[main, hotfix]".to_owned();
    policy.more =
        format!("order: any\nhold: {{for: [main], max: 30m}}\nimages: {{allow: [\"{}/**\"]}}\n", yard.prod.host);
    yard.world.environment("dev", &policy);
    let image = |tag: &str| format!("{}/shop/web:{tag}", yard.prod.host);
    yard.prod.has("shop/web", "1", "one");
    yard.prod.has("shop/web", "2", "two");
    let first = yard.artifact(&[&image("1")]);
    yard.release(&first).is(0, "released");
    let edit = put("apps/shop/d0.yaml", &deployment("d0", &image("2")));
    yard.world.repo("source").on("hotfix").from("main").edit(&[edit]).done();
    let second = yard.world.package("hotfix");
    let mut command = yard.world.command();
    let to = yard.world.to("dev");
    command.args(["release", text(&second), "--to", &to, "--wait-for", "hold", "--timeout", "60s", "--json"]);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    yard.prod.sent();
    let waiting = command.spawn().unwrap();
    while yard.prod.sent().is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    yard.prod.lacks("shop/web", "2");
    yard.world.mark("passed", &first, "dev").is(0, "marked");
    Run::of(waiting.wait_with_output().unwrap()).is(3, "refused").closed_by("images", "1 is not in");
}

#[test]
fn no_text_of_a_registry_shows_who_we_are() {
    use base64::Engine as _;
    let yard = Yard::new("  compare: false\n  platform: linux/amd64\n");
    let config = crate::support::registry::digest(b"{}");
    yard.prod.has_bytes(
        "shop/web",
        "1",
        format!("{{\"schemaVersion\": 2, \"config\": {{\"digest\": \"{config}\"}}}}").into(),
    );
    yard.prod.lets_in(Doors::Basic("me:topsecret"));
    let pair = base64::engine::general_purpose::STANDARD.encode("me:topsecret");
    let given = format!("{}=me:topsecret", yard.prod.host);
    let artifact = yard.artifact(&[&yard.image("shop/web:1")]);
    let to = yard.world.to("dev");
    let variables = [TIMEOUT, ("PASSGATE_REGISTRY_TOKENS", given.as_str())];
    let message = format!("{{\"errors\": [{{\"code\": \"DENIED\", \"message\": \"topsecret {pair}\"}}]}}").into_bytes();
    let tags = b"{\"tags\": [\"topsecret\", \"v-topsecret\", \"1.0\"]}".to_vec();
    let away = vec![("Location", "https://TopSecret.io/".to_owned())];
    let is = |text: &str| format!("{{\"os\": \"{text}\", \"architecture\": \"arm\"}}").into_bytes();
    for (answers, words) in [
        (vec![("/manifests/", 403, vec![], message)], "DENIED (403)"),
        (vec![("/manifests/", 302, away, vec![])], "has a secret in it, and is not shown"),
        (vec![("/manifests/", 404, vec![], vec![]), ("/tags/", 200, vec![], tags)], "there are 1.0)"),
        (vec![("/blobs/", 200, vec![], is("topsecret"))], "there for nothing"),
    ] {
        yard.prod.fail(Some(Wrong::Answers(answers)));
        let done = yard.world.run_with(&["plan", text(&artifact), "--to", &to], &variables);
        assert!(done.gate("images")["detail"].as_str().unwrap().contains(words), "{words}: {done:#?}");
        let all = format!("{done:?}").to_lowercase();
        assert!(!all.contains("topsecret") && !all.contains(&pair.to_lowercase()), "{done:#?}");
    }
    // What is asked for is what is needed, whatever the registry wants.
    yard.prod.lets_in(Doors::Token("me:topsecret"));
    yard.prod.sent();
    yard.world.run_with(&["plan", text(&artifact), "--to", &to], &variables);
    let sent = yard.prod.sent();
    let mut scopes = sent.iter().filter_map(|sent| sent.target.split_once("scope=")).map(|(_, scope)| scope);
    assert_eq!(scopes.next(), Some("repository%3Ashop%2Fweb%3Apull"), "{sent:?}");
    // A line that is no credential is no secret, but may have one in it.
    for line in ["https://e.io=me:topsecret", "topsecret", "e.io=", "e.io/shop=me:topsecret"] {
        let given = format!("{given}\n\n{line}\n");
        let done =
            yard.world.run_with(&["plan", text(&artifact), "--to", &to], &[("PASSGATE_REGISTRY_TOKENS", &given)]);
        let done = done.is(2, "usage");
        assert!(format!("{done:?}").contains("line 3 of PASSGATE_REGISTRY_TOKENS"), "{done:#?}");
        assert!(!format!("{done:?}").contains("topsecret"), "{done:#?}");
    }
}

#[test]
fn no_proxy_is_between_this_machine_and_itself_and_no_address_shows_a_password() {
    let yard = Yard::new("");
    let proxy = Fake::start();
    yard.prod.has_file("/stable/index.yaml", b"entries: {web: [{version: 1.0.0}]}");
    yard.rules(&format!("  allow: [\"{}/**\"]\n", yard.prod.host));
    let content = format!(
        "apiVersion: source.toolkit.fluxcd.io/v1\nkind: HelmRepository\nmetadata: {{name: repo}}\n\
         spec: {{url: \"http://me:topsecret@{}/stable\"}}\n---\napiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\n\
         metadata: {{name: r}}\nspec:\n  chart:\n    spec: {{chart: web, version: 2.0.0, \
         sourceRef: {{kind: HelmRepository, name: repo}}}}\n---\n{}",
        yard.prod.host,
        deployment("d", &format!("{}/shop/web:1", yard.prod.host))
    );
    let base = "resources: [r.yaml, \"https://me:topsecret@e.io/x//y?ref=v1\"]\n";
    let edits = [put("apps/shop/r.yaml", &content), put("apps/shop/kustomization.yaml", base)];
    yard.world.repo("source").commit("main", &edits);
    let artifact = yard.world.package("main");
    let to = yard.world.to("dev");
    let at = format!("http://{}", proxy.host);
    let variables = [TIMEOUT, ("HTTP_PROXY", at.as_str()), ("http_proxy", at.as_str()), ("ALL_PROXY", at.as_str())];
    let run = yard.world.run_with(&["plan", text(&artifact), "--to", &to], &variables).is(3, "refused");
    let detail = run.gate("images")["detail"].as_str().unwrap();
    assert!(detail.contains("2 are not in") && detail.contains("there are 1.0.0"), "{detail}");
    assert_eq!(proxy.sent(), []);
    let rows = yard.world.run(&["images", text(&artifact), "--to", &to, "--check"]);
    for run in [&run, &rows] {
        assert!(!format!("{run:?}").contains("topsecret"), "{run:#?}");
    }
    assert!(rows.json["images"].to_string().contains("https://e.io/x//y?ref=v1"), "{rows:#?}");
    // What is shown is what is skipped by its exact name, and is used then.
    yard.rules(&format!(
        "  allow: [\"{}/**\"]\n  strict: true\n  skip: [{{match: \"https://e.io/x//y?ref=v1\", reason: seen}}, \
         {{match: web, reason: reviewed}}]\n",
        yard.prod.host
    ));
    let run = yard.refuses(&artifact, "2 are not in");
    assert!(!run.gate("images")["detail"].as_str().unwrap().contains("nobody can tell"), "{run:#?}");
    let warnings = run.json["warnings"].to_string();
    assert!(warnings.contains("seen") && !warnings.contains("rules that are for nothing"), "{warnings}");
}

#[test]
fn a_lock_adds_references_and_takes_none_away() {
    let yard = Yard::new("");
    yard.dev.has("shop/web", "1", "same");
    yard.prod.has("shop/web", "1", "same");
    let image = yard.image("shop/web:1");
    yard.world
        .repo("source")
        .commit("main", &[put("apps/shop/images.lock", &format!("# of the chart\n{}\n", yard.image("shop/hidden:2")))]);
    let artifact = yard.artifact(&[&image]);
    yard.refuses(&artifact, "apps/shop/images.lock:2");
    // The version of a chart may have a sign that tags have not.
    let line = format!("{}\n", yard.image("shop/hidden:2+a"));
    yard.world.repo("source").commit("main", &[put("apps/shop/images.lock", &line)]);
    yard.refuses(&yard.artifact(&[&image]), "shop/hidden:2_a");
    yard.world
        .repo("source")
        .commit("main", &[put("apps/shop/images.lock", &format!("# of the chart\n{}\n", yard.image("shop/hidden:2")))]);
    yard.dev.has("shop/hidden", "2", "h");
    yard.prod.has("shop/hidden", "2", "h");
    yard.release(&artifact).is(0, "released");
}

#[test]
fn what_is_too_large_to_be_looked_into_is_not_taken_for_empty() {
    let yard = Yard::new("  context: [cluster]\n");
    let artifact = yard.artifact(&[]);
    yard.world.env("dev").commit("main", &[put("cluster/large.yaml", &" ".repeat((64 << 20) + 1))]);
    let run = yard.world.untouched(|| yard.release(&artifact)).is(1, "undecided");
    let detail = run.gate("images")["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("cluster/large.yaml") && detail.contains("has more than"), "{run:#?}");
    let yard = Yard::new("  inventory: cluster/images.txt\n");
    let artifact = yard.artifact(&[&yard.image("shop/web:1")]);
    yard.world.env("dev").commit("main", &[put("cluster/images.txt", &"\n".repeat((16 << 20) + 1))]);
    let run = yard.world.untouched(|| yard.release(&artifact)).is(1, "undecided");
    assert!(run.gate("images")["detail"].as_str().unwrap().contains("has more than"), "{run:#?}");
}

#[test]
fn an_inventory_stands_for_the_registry() {
    let yard = Yard::new("  inventory: cluster/images.txt\n");
    let artifact = yard.artifact(&[&yard.image("shop/web:1"), "docker.io/library/redis:7"]);
    yard.undecided(&artifact, "which `images.inventory` names");
    let list = |lines: &str| yard.world.env("dev").commit("main", &[put("cluster/images.txt", lines)]);
    list("what is this\n");
    yard.undecided(&artifact, "line 1 is no reference");
    list(&format!("# copied by hand\n{}/shop/web:1\n", yard.prod.host));
    yard.refuses(&artifact, "docker.io/library/redis:7");
    list(&format!("\u{feff}{}/shop/web:1\nredis:7\n", yard.prod.host));
    yard.release(&artifact).is(0, "released");
    assert_eq!((yard.prod.sent(), yard.dev.sent()), (vec![], vec![]));
}

#[test]
fn only_the_roots_of_the_environment_are_gated_and_none_is_refused() {
    let yard = Yard::new("  roots: [apps/prod]\n");
    yard.dev.has("shop/web", "1", "same");
    yard.prod.has("shop/web", "1", "same");
    let tree = |name: &str, image: &str| {
        [
            put(&format!("apps/{name}/kustomization.yaml"), "resources: [d.yaml]\n"),
            put(&format!("apps/{name}/d.yaml"), &deployment(name, image)),
        ]
    };
    let (good, bad) = (yard.image("shop/web:1"), yard.image("shop/web:2"));
    let edits: Vec<_> = tree("prod", &good).into_iter().chain(tree("dev", &bad)).collect();
    yard.world.repo("source").commit("main", &edits);
    let artifact = yard.world.package("main");
    let run = yard.release(&artifact).is(0, "released");
    assert!(run.gate("images")["detail"].as_str().unwrap().starts_with("1 is in"), "{run:#?}");
    let rules =
        format!("  rewrite: [{{from: {}/**, to: {}/**}}]\n  roots: [apps/production]\n", yard.dev.host, yard.prod.host);
    yard.rules(&rules);
    yard.world.repo("source").commit("main", &[put("apps/prod/more.yaml", "a: 1\n")]);
    let artifact = yard.world.package("main");
    yard.refuses(&artifact, "`images.roots` names no folder here that deploys anything");
}

#[test]
fn one_folder_is_gated_as_each_cluster_that_names_it_builds_it() {
    let yard = Yard::new("  roots: [apps/clusters/prod]\n");
    yard.dev.has("shop/web", "1", "same");
    yard.prod.has("shop/web", "1", "same");
    let order = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps, namespace: flux}\n\
                 spec: {path: ./apps/base, postBuild: {substituteFrom: [{kind: ConfigMap, name: settings}]}}\n";
    let cluster = |name: &str, tag: &str| {
        let settings = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: settings, namespace: flux}}\ndata: {{TAG: \"{tag}\"}}\n"
        );
        [
            put(&format!("apps/clusters/{name}/kustomization.yaml"), "resources: [../../shared, settings.yaml]\n"),
            put(&format!("apps/clusters/{name}/settings.yaml"), &settings),
        ]
    };
    let shared = [
        put("apps/shared/kustomization.yaml", "resources: [order.yaml]\n"),
        put("apps/shared/order.yaml", order),
        put("apps/base/web.yaml", &deployment("web", &yard.image("shop/web:${TAG}"))),
    ];
    let edits = |prod: &str| -> Vec<_> {
        shared.iter().cloned().chain(cluster("prod", prod)).chain(cluster("dev", "2")).collect()
    };
    yard.world.repo("source").commit("main", &edits("1"));
    let artifact = yard.world.package("main");
    let run = yard.release(&artifact).is(0, "released");
    assert!(run.gate("images")["detail"].as_str().unwrap().starts_with("1 is in"), "{run:#?}");
    yard.world.repo("source").commit("main", &edits("3"));
    let artifact = yard.world.package("main");
    let run = yard.refuses(&artifact, "shop/web:3");
    assert!(!run.gate("images")["detail"].as_str().unwrap().contains("shop/web:2"), "{run:#?}");
}

#[test]
fn ranges_and_charts_are_asked_for_too() {
    let yard = Yard::new("");
    yard.rules(&format!("  allow: [\"{}/**\"]\n", yard.prod.host));
    yard.prod.has("charts/app", "1.2.3", "chart");
    let flux = |chart: &str, url: &str, version: &str| {
        format!(
            "apiVersion: source.toolkit.fluxcd.io/v1\nkind: HelmRepository\nmetadata: {{name: repo}}\nspec: {{url: \"{url}\"}}\n\
             ---\napiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {{name: r}}\nspec:\n  chart:\n    spec:\n      \
             chart: {chart}\n      version: \"{version}\"\n      sourceRef: {{kind: HelmRepository, name: repo}}\n"
        )
    };
    let with = |content: String| {
        yard.world.repo("source").commit("main", &[put("apps/shop/chart.yaml", &content)]);
        yard.world.package("main")
    };
    let oci = format!("oci://{}/charts", yard.prod.host);
    let plan = |artifact: PathBuf| yard.world.run(&["plan", text(&artifact), "--to", &yard.world.to("dev")]);
    plan(with(flux("app", &oci, "1.2.3"))).is(0, "planned");
    plan(with(flux("app", &oci, "^1.0"))).is(0, "planned");
    plan(with(flux("app", &oci, ">=1.2 <2"))).is(0, "planned");
    yard.refuses(&with(flux("app", &oci, ">2, <3")), "charts/app:>2, <3");
    yard.refuses(&with(flux("app", &oci, "2.x")), "charts/app:2.x");
    // A part of a list says nothing of what is not in it.
    yard.prod.fail(Some(Wrong::EndlessTags));
    yard.undecided(&with(flux("app", &oci, "3.x")), "does not come to an end");
    yard.prod.fail(None);
    yard.refuses(&with(flux("app", &oci, "1.2.4")), "there are 1.2.3");
    let http = format!("http://{}/stable", yard.prod.host);
    yard.prod.has_file(
        "/stable/index.yaml",
        b"apiVersion: v1\nentries:\n  web:\n  - version: 3.1.0\n    name: web\n  - version: 3.0.0\n",
    );
    plan(with(flux("web", &http, "3.x"))).is(0, "planned");
    yard.refuses(&with(flux("web", &http, "4.0.0")), "there are 3.0.0, 3.1.0");
    yard.refuses(&with(flux("db", &http, "1.0.0")), "no tags there");
    // What would lead elsewhere on the host is not asked for.
    yard.prod.sent();
    for url in [format!("{http}/../secret"), format!("{oci}/../../secret"), format!("{http}/%2e%2e")] {
        yard.undecided(&with(flux("web", &url, "1.0.0")), "it is no name that a registry could be asked for");
    }
    assert_eq!(yard.prod.sent(), []);
}

#[test]
fn a_platform_must_be_there() {
    let yard = Yard::new("  platform: linux/arm64\n");
    let list = |text: &str, platforms: &[&str]| {
        let entry = |platform: &&str| {
            let digest = crate::support::registry::digest(format!("{platform}{text}").as_bytes());
            serde_json::json!({"digest": digest, "platform": {"os": "linux", "architecture": platform}})
        };
        let entries: Vec<_> = platforms.iter().map(entry).collect();
        serde_json::json!({"schemaVersion": 2, "manifests": entries, "annotations": {"n": platforms.len()}})
            .to_string()
            .into_bytes()
    };
    for text in ["a", "b"] {
        for registry in [&yard.dev, &yard.prod] {
            registry.has_bytes("shop/web", "child", format!("arm64{text}").into_bytes());
        }
    }
    yard.dev.has_bytes("shop/web", "1", list("a", &["amd64", "arm64"]));
    yard.prod.has_bytes("shop/web", "1", list("a", &["amd64"]));
    let artifact = yard.artifact(&[&yard.image("shop/web:1")]);
    yard.refuses(&artifact, "there for linux/amd64");
    // Only the platform's own manifest is compared.
    yard.prod.has_bytes("shop/web", "1", list("b", &["arm64"]));
    yard.refuses(&artifact, "stale");
    yard.prod.has_bytes("shop/web", "1", list("a", &["arm64"]));
    yard.release(&artifact).is(0, "released");
    // What the list names must be there itself; and what it is compared with must be for the platform too.
    yard.prod.has_bytes("shop/web", "2", list("c", &["arm64"]));
    yard.dev.has_bytes("shop/web", "2", list("c", &["amd64"]));
    let artifact = yard.artifact(&[&yard.image("shop/web:2")]);
    yard.refuses(&artifact, "whose own manifest is not there");
    yard.prod.has_bytes("shop/web", "child", b"arm64c".to_vec());
    yard.refuses(&artifact, "where it comes from it is there for linux/amd64 only");
    // Charts and other artifacts are for all of them.
    let content = format!(
        "apiVersion: source.toolkit.fluxcd.io/v1\nkind: OCIRepository\nmetadata: {{name: o}}\n\
         spec: {{url: \"oci://{}\", ref: {{tag: \"1\"}}}}\n",
        yard.image("flux/all")
    );
    for registry in [&yard.dev, &yard.prod] {
        registry.has("flux/all", "1", "same");
    }
    yard.world.repo("source").commit("main", &[put("apps/shop/d0.yaml", &content)]);
    yard.release(&yard.world.package("main")).is(0, "released");
}

#[test]
fn a_rollback_asks_and_goes_on_where_nobody_answers() {
    let yard = Yard::new("");
    for registry in [&yard.dev, &yard.prod] {
        registry.has("shop/web", "1", "one");
        registry.has("shop/web", "2", "two");
    }
    yard.release(&yard.artifact(&[&yard.image("shop/web:1")])).is(0, "released");
    yard.release(&yard.artifact(&[&yard.image("shop/web:2")])).is(0, "released");
    let to = yard.world.to("dev");
    let back = |more: &[&str]| {
        let args = [&["rollback", "--to", &to, "--unit", "shop"], more].concat();
        yard.world.run_with(&args, &[TIMEOUT])
    };
    yard.prod.has("shop/web", "1", "other");
    let run = yard.world.untouched(|| back(&[])).is(3, "refused");
    run.closed_by("images", "stale");
    yard.prod.fail(Some(Wrong::Status(500, None)));
    let run = back(&[]).is(0, "rolled-back");
    assert_eq!(run.verdict("images"), "undecided");
    assert!(run.json["warnings"].to_string().contains("it answered 500"), "{run:#?}");
}

/// A world whose dev asks a real registry, which lets in `me:secret` only, and an image in it.
fn real(folder: &str, auth: &dyn Fn(&Path) -> (String, Option<String>)) {
    let world = World::new();
    let place = world.path().join(folder);
    std::fs::create_dir(&place).unwrap();
    let (auth, realm) = auth(&place);
    let pair = (!auth.is_empty()).then_some("me:secret");
    let registry = Real::start(&place, &auth);
    registry.push("shop/web", "1.2.3", "web", pair);
    let mut policy = world.policy("dev", None);
    policy.more.push_str(&format!("images: {{allow: [\"{}/**\"], platform: linux/amd64}}\n", registry.host));
    if let Some(realm) = realm {
        // Tokens of a host that nobody named are not asked for.
        world.environment("dev", &policy);
        let content = deployment("web", &format!("{}/shop/web:1.2.3", registry.host));
        world.repo("source").commit("main", &[put("apps/shop/web.yaml", &content)]);
        let artifact = world.package("main");
        let run = world.untouched(|| world.release(&artifact, "dev")).is(1, "undecided");
        assert!(run.gate("images")["detail"].as_str().unwrap().contains(&format!("its tokens come from {realm}")));
        let realms = format!("linux/amd64, realms: [\"{realm}\"]}}");
        policy.more = policy.more.replace("linux/amd64}", &realms);
    }
    world.environment("dev", &policy);
    let to = world.to("dev");
    let release = |image: &str, tokens: &str| {
        let content = deployment("web", &format!("{}/{image}", registry.host));
        world.repo("source").commit("main", &[put("apps/shop/web.yaml", &content)]);
        let artifact = world.package("main");
        let variables = [("PASSGATE_REGISTRY_TOKENS", tokens)];
        world.untouched(|| world.run_with(&["plan", text(&artifact), "--to", &to], &variables))
    };
    let given = format!("{}=me:secret", registry.host);
    assert_eq!(release("shop/web:1.2.3", &given).is(0, "planned").verdict("images"), "passed");
    let run = release("shop/web:1.2.4", &given).is(3, "refused");
    run.closed_by("images", "there are 1.2.3");
    release("shop/nothing:1", &given).is(3, "refused").closed_by("images", "no tags there");
    if pair.is_some() {
        release("shop/web:1.2.3", "").is(1, "undecided");
        let wrong = format!("{}=me:wrong", registry.host);
        release("shop/web:1.2.3", &wrong).is(1, "undecided");
    }
}

#[test]
fn a_real_registry_is_asked() {
    real("open", &|_| (String::new(), None));
}

#[test]
fn a_real_registry_with_passwords_is_asked() {
    real("basic", &|folder| {
        let file = folder.join("htpasswd");
        std::fs::write(&file, needed("htpasswd", &["-nbB", "me", "secret"])).unwrap();
        (format!("auth: {{htpasswd: {{realm: it, path: {}}}}}\n", file.display()), None)
    });
}

#[test]
fn a_real_registry_with_tokens_is_asked() {
    real("token", &|folder| {
        let issuer = Issuer::start(folder, "me:secret");
        let certificate = issuer.certificate.display();
        let auth = format!(
            "auth: {{token: {{realm: \"http://{}/token\", service: it, issuer: it, rootcertbundle: {certificate}}}}}\n",
            issuer.host
        );
        (auth, Some(issuer.host))
    });
}

#[test]
fn images_asks_for_what_a_folder_an_artifact_or_an_environment_deploys() {
    let yard = Yard::new("");
    for (registry, tags) in [(&yard.dev, &["1", "2"][..]), (&yard.prod, &["1"])] {
        tags.iter().for_each(|tag| drop(registry.has("shop/web", tag, tag)));
    }
    let (world, to) = (&yard.world, yard.world.to("dev"));
    let good = yard.artifact(&[&yard.image("shop/web:1")]);
    yard.release(&good).is(0, "released");
    let bad = yard.artifact(&[&yard.image("shop/web:2")]);
    let folder = world.path().join("folder");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("d.yaml"), deployment("web", &yard.image("shop/web:2"))).unwrap();
    for (named, code, result, check) in [
        (text(&good), 0, "reported", "there"),
        (text(&bad), 3, "refused", "missing"),
        (text(&folder), 3, "refused", "missing"),
        ("", 0, "reported", "there"),
    ] {
        let mut args = vec!["images", "--to", &to, "--check"];
        args.extend((!named.is_empty()).then_some(named));
        let run = world.untouched(|| world.run(&args)).is(code, result);
        assert_eq!(run.json["images"][0]["check"], check, "{run:#?}");
        assert_eq!(run.verdict("images"), if code == 0 { "passed" } else { "refused" });
    }
    yard.prod.fail(Some(Wrong::Status(403, None)));
    world.run(&["images", text(&good), "--to", &to, "--check"]).is(1, "undecided");
    yard.prod.sent();
    let run = world.run(&["images", "--to", &to]).is(0, "reported");
    assert_eq!(run.json["images"][0]["places"][0], "apps/shop/d0.yaml:9");
    assert_eq!(yard.prod.sent(), []);
    world.run(&["images", text(&good), "--check"]).is(2, "usage");
    let output = world.command().args(["images", text(&good), "--to", &to, "--check"]).output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains("could not ask"));
}

#[test]
fn what_changes_in_images_is_told_for_each_workload() {
    let yard = Yard::new("  compare: false\n");
    for name in ["web", "db", "new", "old"] {
        (1..3).for_each(|tag| drop(yard.prod.has(name, &tag.to_string(), name)));
    }
    let world = &yard.world;
    let commit = |files: &[(&str, &str)]| {
        let edits: Vec<_> = files
            .iter()
            .map(|(name, image)| put(&format!("apps/shop/{name}.yaml"), &deployment(name, &yard.image(image))))
            .collect();
        world.repo("source").commit("main", &edits);
    };
    commit(&[("web", "web:1"), ("db", "db:1"), ("old", "old:1")]);
    let run = yard.release(&world.package("main")).is(0, "released");
    assert_eq!(run.json["image_changes"].as_array().unwrap().len(), 3);
    // Where one alone goes and one comes, the one gives way to the other.
    commit(&[("web", "web:2"), ("new", "new:1"), ("db", "new:1")]);
    world.repo("source").commit("main", &[crate::support::del("apps/shop/old.yaml")]);
    let artifact = world.package("main");
    let told = |run: &Run| -> Vec<String> {
        let row = |row: &serde_json::Value| {
            let image = |key: &str| row[key].as_str().map_or("-", |text| text.rsplit('/').next().unwrap()).to_owned();
            format!("{}: {} {}", row["workload"].as_str().unwrap(), image("old"), image("new"))
        };
        run.json["image_changes"].as_array().unwrap().iter().map(row).collect()
    };
    let wanted = [
        "Deployment db: db:1 new:1",
        "Deployment new: - new:1",
        "Deployment old: old:1 -",
        "Deployment web: web:1 web:2",
    ];
    let to = world.to("dev");
    let plan = world.run(&["plan", text(&artifact), "--to", &to]).is(0, "planned");
    assert_eq!(told(&plan), wanted);
    let summary = world.path().join("summary");
    std::fs::write(&summary, "").unwrap();
    let mut command = world.command();
    command.args(["release", text(&artifact), "--to", &to]).env("GITHUB_ACTIONS", "true");
    let output = command.env("GITHUB_STEP_SUMMARY", &summary).output().unwrap();
    let shown = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{shown}");
    assert!(shown.contains(&format!("{0}/web:1 → {0}/web:2", yard.dev.host)), "{shown}");
    let summary = std::fs::read_to_string(summary).unwrap().replace("\\.", ".");
    assert!(summary.contains(&format!("| Deployment web | {0}/web:1 | {0}/web:2 |", yard.dev.host)), "{summary}");
    // A way back has them too; and where no images are asked for, a plan has them all the same.
    let back = world.run(&["rollback", "--to", &to, "--unit", "shop", "--dry-run"]).is(0, "planned");
    assert!(told(&back).contains(&"Deployment web: web:2 web:1".to_owned()), "{back:#?}");
    world.environment("dev", &world.policy("dev", None));
    commit(&[("web", "web:1")]);
    let artifact = world.package("main");
    let plan = world.run(&["plan", text(&artifact), "--to", &to]).is(0, "planned");
    assert_eq!(told(&plan), ["Deployment web: web:2 web:1"]);
    let run = yard.release(&artifact).is(0, "released");
    assert_eq!(run.json["image_changes"], serde_json::json!([]));
}

#[test]
fn fields_that_the_policy_names_are_certain() {
    let yard = Yard::new("  fields: [{group: acme.io, kind: Widget, path: \"spec.parts.[].runs\"}]\n");
    let widget = |tag: &str| {
        let image = yard.image(&format!("shop/part:{tag}"));
        let text = format!(
            "apiVersion: acme.io/v1\nkind: Widget\nmetadata: {{name: w}}\nspec:\n  parts:\n  - runs: {image}\n"
        );
        yard.world.repo("source").commit("main", &[put("apps/shop/w.yaml", &text)]);
        yard.world.package("main")
    };
    yard.dev.has("shop/part", "1", "x");
    yard.prod.has("shop/part", "1", "x");
    let run = yard.refuses(&widget("2"), "apps/shop/w.yaml:6");
    assert_eq!(
        run.json["image_changes"],
        serde_json::json!([{
            "root": "-", "workload": "Widget w", "old": null, "new": yard.image("shop/part:2")
        }])
    );
    yard.release(&widget("1")).is(0, "released");
}

#[test]
fn what_an_artifact_takes_of_the_environments_own_folders_is_asked_for() {
    let yard = Yard::new("");
    let host = yard.prod.host.clone();
    let image = |tag: &str| format!("{host}/web:{tag}");
    yard.prod.has("web", "1", "same");
    yard.prod.has_file("/stable/index.yaml", b"entries: {web: [{version: 1.0.0}]}");
    let rules = |more: &str| yard.rules(&format!("  allow: [\"{host}/**\"]\n  context: [cluster]\n{more}"));
    let values = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: vals, namespace: shop}}\ndata:\n  values.yaml: |\n    \
         image: {{repository: {host}/web, tag: \"9\"}}\n  TAG: \"9\"\n"
    );
    let component = format!("kind: Component\nimages: [{{name: {host}/web, newTag: \"9\"}}]\n");
    let flux = |path: &str, more: &str| {
        format!(
            "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: k, namespace: shop}}\n\
             spec: {{path: {path}, sourceRef: {{kind: GitRepository, name: flux-system}}{more}}}\n"
        )
    };
    let argo = |path: &str| {
        format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: a}}\n\
             spec: {{source: {{repoURL: \"https://e.io/x\", path: {path}}}}}\n"
        )
    };
    let more = "kind: Component\nresources: [d.yaml]\n".to_owned();
    let patch = format!("[{{op: replace, path: /spec/template/spec/containers/0/image, value: \"{}\"}}]", image("9"));
    let prod = format!("resources: [../../apps/included]\npatches:\n- target: {{name: patched}}\n  patch: '{patch}'\n");
    let chart = format!(
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {{name: c}}\nspec:\n  \
         chart: {{spec: {{chart: ./apps/chart, sourceRef: {{kind: GitRepository, name: flux-system}}}}}}\n  \
         values: {{old: \"{}\"}}\n",
        image("9")
    );
    // One whose values the unit may give.
    let theirs = format!(
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {{name: theirs, namespace: shop}}\nspec:\n  \
         chart: {{spec: {{chart: web, version: 1.0.0, sourceRef: {{kind: HelmRepository, name: none}}}}}}\n  \
         values: {{image: {{repository: {host}/web, tag: \"9\"}}}}\n  \
         valuesFrom: [{{kind: ConfigMap, name: switch, optional: true}}]\n"
    );
    let switch = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: switch, namespace: shop}\ndata:\n  values.yaml: |\n    on: {enabled: true}\n";
    yard.world.env("dev").commit(
        "main",
        &[
            put("cluster/base/kustomization.yaml", "resources: [d.yaml]\n"),
            put("cluster/base/d.yaml", &deployment("base", &image("9"))),
            put("cluster/patch.yaml", &deployment("d", &image("9"))),
            put("cluster/comp/kustomization.yaml", &component),
            put("cluster/more/kustomization.yaml", &more),
            put("cluster/more/d.yaml", &deployment("more", &image("9"))),
            put("cluster/docs/example.yaml", &deployment("example", &image("9"))),
            put("cluster/vals.yaml", &values),
            put("cluster/orders/kustomization.yaml", "resources: [k.yaml]\n"),
            put("cluster/orders/k.yaml", &flux("./cluster/docs", "")),
            // One of the environment that builds a folder of the unit with more to it, and one that includes another.
            put("cluster/named.yaml", &flux("./apps/named", ", components: [../../cluster/more]")),
            put("cluster/prod/kustomization.yaml", &prod),
            put("cluster/release.yaml", &chart),
            put("cluster/theirs.yaml", &theirs),
        ],
    );
    let release = format!(
        "apiVersion: source.toolkit.fluxcd.io/v1\nkind: HelmRepository\nmetadata: {{name: repo, namespace: shop}}\n\
         spec: {{url: \"http://{host}/stable\"}}\n---\napiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\n\
         metadata: {{name: r, namespace: shop}}\nspec:\n  chart:\n    spec: {{chart: web, version: 1.0.0, \
         sourceRef: {{kind: HelmRepository, name: repo}}}}\n  valuesFrom: [{{kind: ConfigMap, name: vals}}]\n"
    );
    let filled = ", postBuild: {substituteFrom: [{kind: ConfigMap, name: vals}]}";
    let with_tag = deployment("w", &image("${TAG}"));
    let cases: &[&[(&str, &str)]] = &[
        &[("kustomization.yaml", "resources: [d.yaml, ../cluster/base]\n")],
        &[("kustomization.yaml", "resources: [d.yaml, ../cluster/docs/example.yaml]\n")],
        &[("kustomization.yaml", "resources: [d.yaml]\npatches: [{path: ../cluster/patch.yaml}]\n")],
        &[("kustomization.yaml", "resources: [d.yaml]\ncomponents: [../cluster/comp]\n")],
        &[("k.yaml", &flux("./cluster/docs", ""))],
        // What it names names the rest.
        &[("k.yaml", &flux("./cluster/orders", ""))],
        &[("a.yaml", &argo("cluster/docs"))],
        &[("h.yaml", &release)],
        &[("m.yaml", switch)],
        &[("k.yaml", &flux("./apps/w", filled)), ("w/d.yaml", &with_tag)],
        &[("named/d.yaml", &deployment("n", &image("1")))],
        &[("included/kustomization.yaml", "resources: [../../cluster/base]\n")],
        &[
            ("included/kustomization.yaml", "resources: [d.yaml]\n"),
            ("included/d.yaml", &deployment("patched", &image("1"))),
        ],
        &[("chart/Chart.yaml", "name: c\n"), ("chart/templates/d.yaml", "image: {{ .Values.old }}\n")],
    ];
    for (number, files) in cases.iter().enumerate() {
        let mut edits = vec![put("apps/d.yaml", &deployment("d", &image("1")))];
        edits.extend(files.iter().map(|(path, content)| put(&format!("apps/{path}"), content)));
        yard.world.repo("source").commit("main", &edits);
        let artifact = yard.world.package("main");
        rules(if number % 2 == 0 { "" } else { "  strict: true\n  skip: [{match: web, reason: reviewed}]\n" });
        let run = yard.refuses(&artifact, &format!("{host}/web:9"));
        assert!(run.gate("images")["detail"].as_str().unwrap().contains("1 is not in"), "{number}: {run:#?}");
        if number % 3 == 0 {
            let to = yard.world.to("dev");
            yard.world.run(&["images", text(&artifact), "--to", &to, "--check"]).is(3, "refused");
        }
        let gone: Vec<_> = files.iter().map(|(path, _)| crate::support::del(&format!("apps/{path}"))).collect();
        yard.world.repo("source").commit("main", &gone);
    }
    // What the environment has of its own is not judged.
    rules("");
    let artifact = yard.artifact(&[&image("1")]);
    yard.world.run(&["images", text(&artifact), "--to", &yard.world.to("dev"), "--check"]).is(0, "reported");
    yard.release(&artifact).is(0, "released");
}
