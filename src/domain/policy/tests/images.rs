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
        ("dev.io/shopping/web:1.2", Route::Unmapped),
        ("dev.io/one:3@sha256:00", at("prod.io/other:3@sha256:00")),
        ("dev.io/one/more:3", Route::Unmapped),
        ("prod.io/shop/web:1", at("prod.io/shop/web:1")),
        ("https://charts.dev.io/stable/web:1.x", at("https://charts.prod.io/stable/web:1.x")),
        ("registry.k8s.io/pause:3.9", at("registry.k8s.io/pause:3.9")),
        ("docker.io/library/redis:7.2", at("docker.io/library/redis:7.2")),
        ("docker.io/library/redis:6", Route::Unmapped),
        ("dev.io/shop/web:latest", Route::Denied("**:latest".into())),
        ("dev.io/shop/old:1", Route::Denied("prod.io/shop/old:*".into())),
        ("dev.io/shop/debug:1", Route::Skipped("nobody starts it".into())),
    ] {
        assert_eq!(images.route(reference), route, "{reference}");
    }
    let hosts: Vec<&str> = images.hosts().collect();
    assert!(
        ["dev.io", "prod.io", "charts.dev.io", "charts.prod.io", "registry.k8s.io", "docker.io"]
            .iter()
            .all(|host| hosts.contains(host))
    );
    let unused = images.unused(&["dev.io/shop/web:1", "registry.k8s.io/pause:3.9"]);
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
