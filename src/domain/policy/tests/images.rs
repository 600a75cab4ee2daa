//! Where references go by the rules of `images`.

use super::super::images::Route;
use super::{parse, with};

#[test]
fn references_go_where_the_first_rule_says() {
    let stage = parse(&with(
        "images:
  rewrite:
    - {from: dev.io/**, to: prod.io/mirror/**, tag: {from: \"*-rc\", to: \"v*\"}}
    - {from: dev.io/shop/**, to: prod.io/shop/**}
    - {from: dev.io/one, to: prod.io/other}
    - {from: charts.dev.io/**, to: charts.prod.io/**}
  allow: [registry.k8s.io/**, \"docker.io/library/redis:7*\"]
  deny: [\"**:latest\", \"prod.io/shop/old:*\"]
  skip: [{match: \"**/debug\", reason: nobody starts it}]
",
    ))
    .unwrap();
    let images = stage.images.unwrap();
    let at = |text: &str| Route::At(text.to_owned());
    for (reference, route) in [
        ("dev.io/a/b:1.2-rc", at("prod.io/mirror/a/b:v1.2")),
        ("dev.io/shop/web:1.2", at("prod.io/shop/web:1.2")),
        ("dev.io/shopping/web:1.2", Route::OtherTag),
        ("dev.io/a/b@sha256:00", Route::OtherTag),
        ("dev.io/one:3@sha256:00", at("prod.io/other:3@sha256:00")),
        ("dev.io/one/more:3", Route::OtherTag),
        ("prod.io/shop/web:1", at("prod.io/shop/web:1")),
        ("https://charts.dev.io/stable/web:1.x", at("https://charts.prod.io/stable/web:1.x")),
        ("registry.k8s.io/pause:3.9", at("registry.k8s.io/pause:3.9")),
        ("docker.io/library/redis:7.2", at("docker.io/library/redis:7.2")),
        ("docker.io/library/redis:6", Route::OtherTag),
        ("docker.io/library/redis@sha256:00", Route::OtherTag),
        ("docker.io/library/nginx:6", Route::Unmapped),
        ("other.io/a:6", Route::Unmapped),
        ("dev.io/shop/web:latest", Route::Denied("**:latest".into())),
        ("dev.io/shop/old:1", Route::Denied("prod.io/shop/old:*".into())),
        ("dev.io/shop/debug:1", Route::Skipped("nobody starts it".into())),
    ] {
        assert_eq!(images.route(reference), route, "{reference}");
    }
    let hosts = images.hosts();
    for host in ["dev.io", "prod.io", "charts.dev.io", "charts.prod.io", "registry.k8s.io", "docker.io"] {
        assert!(hosts.named.iter().any(|named| named == host), "{host}");
    }
    assert_eq!(images.unruled("docker.io/library/nginx:6"), "docker.io/library/nginx");
    assert_eq!(images.unruled("https://other.io/a/b:6"), "other.io");
    let unused = images.unused(&["dev.io/shop/web:1", "registry.k8s.io/pause:3.9"], &[]);
    assert_eq!(
        unused,
        [
            "rewrite dev.io/**",
            "rewrite dev.io/one",
            "rewrite charts.dev.io/**",
            "allow docker.io/library/redis:7*",
            "skip **/debug"
        ]
    );
}

#[test]
fn a_host_is_one_host_however_it_is_written() {
    let text = "images: {deny: [\"Denied.io:443/**\", docker.io/evil/*], realms: [Auth.io]}\n";
    let images = parse(&with(text)).unwrap().images.unwrap();
    for reference in ["denied.io/a:1", "DENIED.io/a:1", "denied.io:443/a:1", "registry-1.docker.io/evil/x:1"] {
        let known = crate::domain::image::reference::with_one_host(reference);
        assert!(matches!(images.route(&known), Route::Denied(_)), "{reference}");
    }
    for open in ["denied.io/a:${TAG}", "denied.io/${NAME:-a}/b:1", "Denied.io:443/a:?", "denied.io/{{ .name }}:1"] {
        assert!(images.denies(open).is_some(), "{open}");
    }
    for open in ["${HOST}/a:1", "allowed.io/denied.io/a:${TAG}", "denied.io:8443/a:$X"] {
        assert_eq!(images.denies(open), None, "{open}");
    }
    assert_eq!(images.hosts().realms, ["auth.io"]);
}

#[test]
fn what_a_digest_names_is_not_skipped_by_a_tag() {
    let skip = "images: {skip: [{match: \"docker.io/library/busybox:1\", reason: seen}, {match: \"x.io/**\", reason: seen}]}\n";
    let images = parse(&with(skip)).unwrap().images.unwrap();
    let digest = format!("@sha256:{}", "a".repeat(64));
    assert_eq!(images.route("docker.io/library/busybox:1"), Route::Skipped("seen".to_owned()));
    assert_eq!(images.route(&format!("docker.io/library/busybox:1{digest}")), Route::Unmapped);
    assert_eq!(images.route(&format!("x.io/a:1{digest}")), Route::Skipped("seen".to_owned()));
}

#[test]
fn what_cannot_be_looked_into_is_skipped_by_its_exact_name() {
    let names = [
        "https://github.com/acme/x//deploy?ref=v1",
        "git@github.com:acme/x?ref=v1",
        "github.com/acme/x?ref=v1",
        "redis",
        "docker.io/library/busybox",
    ];
    let skips: Vec<String> = names.iter().map(|name| format!("{{match: \"{name}\", reason: seen}}")).collect();
    let images = parse(&with(&format!("images: {{skip: [{}]}}\n", skips.join(", ")))).unwrap().images.unwrap();
    for name in &names[..4] {
        assert_eq!(images.skips_unseen(name), Some("seen"), "{name}");
    }
    // What might be an image's name is skipped as an image only.
    for name in [names[4], "https://github.com/acme/x//deploy?ref=v2", "github.com/acme/x/ref=v1"] {
        assert_eq!(images.skips_unseen(name), None, "{name}");
    }
    assert_eq!(images.unused(&names, &names), [""; 0]);
    assert_eq!(images.unused(&[], &names[..4]), ["skip docker.io/library/busybox"]);
}

#[test]
fn what_could_never_match_is_a_fault() {
    for (more, words) in [
        ("deny: [nginx]", "docker.io/library/nginx"),
        ("deny: [\"nginx:1*\"]", "**/nginx:1*"),
        ("deny: [evil/*]", "docker.io/evil/*"),
        ("deny: [docker.io/nginx]", "docker.io/library/nginx"),
        ("deny: [evil.io]", "evil.io/**"),
        ("deny: [\"nginx*\"]", "**/nginx*"),
        ("inventory: apps/images.txt", "outside of the folders of `accept`"),
        ("inventory: Apps/shop/images.txt", "outside of the folders of `accept`"),
    ] {
        let error = parse(&with(&format!("images: {{{more}}}\n"))).unwrap_err();
        assert!(error.to_string().contains(words) || format!("{error:?}").contains(words), "{more}: {error:?}");
    }
    for more in
        ["deny: [\"**/nginx\", \"**:latest\", \"*.io/x/**\", \"docker.io/**\"]", "inventory: cluster/images.txt"]
    {
        assert!(parse(&with(&format!("images: {{{more}}}\n"))).is_ok(), "{more}");
    }
}
