//! Policies that are read, and every fault with its place.
use super::*;

#[test]
fn explore() {
    let base = "version: 1\nstage: qual\nrepository: https://github.com/acme/env-qual\nbranch: main\n";
    let acc = "accept:\n  - unit: shop\n    source: https://github.com/acme/shop\n    branches: [main, {match: \"hotfix/*\", order: any, soak: 0s}]\n";
    let all = format!("{base}{acc}");
    for extra in [
        "",
        "after:\n",
        "after: []\n",
        "order:\n",
        "order: forwrd\n",
        "orde: any\n",
        "drift: {a: b}\n",
        "accept: []\n",
        "hold: {for: [main], max: 5m, x: 1}\n",
        "deliver: pull-reqest\n",
        "deliver: {relase: commit}\n",
        "deliver: {release: comit}\n",
        "deliver: [x]\n",
        "deliver: {release: pull-request}\n",
        "after:\n  - {stage: 1, repository: /srv/x.git, branch: main}\n",
        "after:\n  - {stage: dev, repository: /srv/x.git, branch: main, accept-overrides: yes}\n",
        "after:\n  - {stage: dev, repository: /srv/x.git, branch: main, soak: 5}\n",
        "after:\n  - {stage: dev, repository: /srv/x.git, branch: main, soak: -1h}\n",
        "after:\n  - {stage: dev, repository: /srv/x.git}\n",
        "after:\n  - {stage: dev, repository: /srv/x.git, branch: }\n",
        "after:\n  - dev\n",
        "after: {stage: dev}\n",
        "  x: y\n",
        "a: b: c\n",
        "order: !foo any\n",
        "? [a]\n: b\n",
        "---\nx: y\n",
        "order: *x\n",
        "<<: {order: any}\n",
        "freeze: [\"stop the line\"]\n",
        "freeze: [{from: 2026-12-20T18:00, until: 2026-12-21T18:00, zone: Europe/Berlin}]\n",
        "override: {allow: [artifact]}\n",
        "\torder: any\n",
        "order: any # x\ndrift: \"x\u{202e}\"\n",
        "hold: 5\n",
        "order: {any: }\n",
        "order: [any]\n",
        "version: 1\n",
        "&a order: &b any\ndrift: *b\n",
        "order: \"unclosed\n",
        "order: [\n",
        "after:\n  - stage: dev\n   repository: x\n",
    ] {
        match parse(&format!("{all}{extra}")) {
            Ok(s) => println!("OK {extra:?} {:?}", s.after),
            Err(e) => println!("{extra:?} {:?}\n{e}\n", e.kind),
        }
    }
    for whole in [
        "",
        "x",
        "[]",
        "version: 2\n",
        "version: \"1\"\n",
        "version: 1.0",
        "version: 0x1\n",
        "\u{feff}version: 1\n",
        "# c\n",
        "version: 1\nstage: qual\nrepository: https://u:geheim@h/x\nbranch: main\naccept: []\n",
        &all.replace("main, {", "main, {mtch: x, "),
        &all.replace("order: any", "order: anny"),
        &all.replace("0s", "0"),
        &all.replace("[main, {match", "[refs/heads/main, {match"),
        &all.replace("[main, {match: \"hotfix/*\", order: any, soak: 0s}]", "[1.0]"),
    ] {
        match parse(whole) {
            Ok(s) => println!("OK {whole:?} {:?}", s.stage),
            Err(e) => println!("{whole:?} {:?}\n{e}\n", e.kind),
        }
    }
    println!("{}", serde_json::to_string_pretty(&schema()).unwrap());
}
