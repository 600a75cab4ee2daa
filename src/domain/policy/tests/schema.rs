//! The published schema, and that it and the reader agree.

use serde_json::Value;

use super::*;
use crate::domain::policy::schema;

#[test]
fn the_published_schema_is_fresh() {
    let fresh = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    let published = include_str!("../../../../schema/stage.v1.json");
    assert!(fresh == published, "stale: run `passgate schema > schema/stage.v1.json`");
}

// As much of JSON Schema as ours uses, patterns aside.
fn valid(root: &Value, schema: &Value, value: &Value) -> bool {
    if *schema == Value::Bool(false) {
        return false;
    }
    let all = |key: &str| schema[key].as_array().into_iter().flatten();
    if let Some(name) = schema["$ref"].as_str().and_then(|r| r.strip_prefix("#/$defs/"))
        && !valid(root, &root["$defs"][name], value)
    {
        return false;
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if schema["type"].as_str().is_some_and(|expected| expected != kind)
        || schema.get("const").is_some_and(|constant| constant != value)
        || (schema.get("anyOf").is_some() && !all("anyOf").any(|one| valid(root, one, value)))
        || (schema.get("oneOf").is_some() && all("oneOf").filter(|one| valid(root, one, value)).count() != 1)
    {
        return false;
    }
    if let Some(condition) = schema.get("if") {
        let branch = if valid(root, condition, value) { "then" } else { "else" };
        if schema.get(branch).is_some_and(|branch| !valid(root, branch, value)) {
            return false;
        }
    }
    match value {
        Value::Array(items) => {
            schema["minItems"].as_u64().is_none_or(|min| items.len() as u64 >= min)
                && schema.get("items").is_none_or(|of| items.iter().all(|item| valid(root, of, item)))
        }
        Value::Object(fields) => {
            all("required").all(|key| key.as_str().is_some_and(|key| fields.contains_key(key)))
                && fields.iter().all(|(key, value)| match schema["properties"].get(key) {
                    Some(of) => valid(root, of, value),
                    None => schema["additionalProperties"] != Value::Bool(false),
                })
        }
        _ => true,
    }
}

#[test]
fn schema_and_reader_agree_on_shapes() {
    let schema = schema();
    let agree = |text: &str, good: bool| {
        let value: Value =
            serde_saphyr::from_str_with_options(text, serde_saphyr::options! { strict_booleans: true }).unwrap();
        assert_eq!(valid(&schema, &schema, &value), good, "schema: {text}");
        assert_eq!(parse(text).is_ok(), good, "reader: {text}");
    };
    for good in [
        FULL.to_owned(),
        with(""),
        with("order: forward\ndrift: overwrite\n"),
        with("deliver: pull-request\n"),
        with("deliver: {rollback: pull-request}\n"),
        with("deliver: {release: pull-request, labels: [a b], reviewers: [acme/ops], auto-merge: rebase}\n"),
        with("hold: {for: [main], max: 30m}\n"),
        with("images: {rewrite: [{from: a.io/**, to: b.io/**, tag: {from: \"*-rc\"}}], allow: [c.io/x]}\n"),
        with("images: {roots: [apps/prod], strict: true, compare: false, inventory: x.txt}\n"),
        with("images: {deny: [\"**:latest\"], skip: [{match: x, reason: y}], realms: [x.io], context: [cluster]}\n"),
        with("images: {fields: [{group: a.io, kind: A, path: spec.image}]}\n"),
        with("freeze: [stop, {from: 2026-12-20T18:00, until: 2027-01-04T06:00, zone: UTC, reason: x}]\n"),
        with("freeze: [{cron: 0 15 * * FRI, for: 63h, zone: Europe/Berlin, kind: allow, marks: true}]\n"),
        with("freeze: [{reason: stop, rollbacks: true}]\n"),
        with("override: {allow: [order, previous, soak, statuses, pipeline, hold, images, freeze, drift]}\n"),
        after("{stage: x, repository: /srv/x.git, branch: main, pipeline: {repository: /srv/y.git, stage: a}}"),
        format!("{HEAD}accept: [{{unit: shop, source: self}}]\n"),
        format!("{HEAD}accept: []\n"),
    ] {
        agree(&good, true);
    }
    for bad in [
        "{}".to_owned(),
        HEAD.to_owned(),
        with("x: 1\n"),
        with("order: null\n"),
        with("after: null\n"),
        with("order: strict\n"),
        with("order: {any: null}\n"),
        with("order: [any]\n"),
        with("deliver: [commit]\n"),
        with("deliver: push\n"),
        with("hold: {for: [main]}\n"),
        with("hold: {max: 5m}\n"),
        with("override: {allow: [artifact]}\n"),
        with("override: {allow: order}\n"),
        with("freeze: [{from: 2026-12-20T18:00}]\n"),
        with("freeze: [{from: 2026-12-20T18:00, until: 2027-01-04T06:00, for: 2h, zone: UTC}]\n"),
        with("freeze: [{cron: 0 15 * * FRI, for: 63h}]\n"),
        with("freeze: [{rollbacks: true}]\n"),
        with("freeze: true\n"),
        with("images: {rewrites: []}\n"),
        with("images: {rewrite: [{from: a.io/**}]}\n"),
        with("images: {roots: []}\n"),
        with("images: {skip: [{match: x}]}\n"),
        with("images: {fields: [{kind: A, path: spec.image}]}\n"),
        with("images: {strict: 1}\n"),
        with("").replace("version: 1", "version: 2"),
        with("").replace("version: 1", "version: \"1\""),
        with("").replace("stage: qual", "stage: 5"),
        with("").replace("branch: main", "branch: true"),
        with("").replace("[main]", "[]"),
        with("").replace("[main]", "main"),
        with("").replace("[main]", "[{order: any}]"),
        with("").replace("[main]", "[{match: x, soak: 5}]"),
        with("").replace("    branches: [main]\n", ""),
        accept(", folders: [{from: x}]}"),
        accept(", folders: []}"),
        accept(", local: apps/x}"),
        after("{stage: x, repository: /srv/x.git}"),
        after("{stage: x, repository: /srv/x.git, branch: main, require: green}"),
        after("{stage: x, repository: /srv/x.git, branch: main, pipeline: {repository: /srv/y.git}}"),
        after("{stage: x, repository: /srv/x.git, branch: main, pipeline: {stage: a}}"),
        after("{stage: x, repository: /srv/x.git, branch: main, pipeline: {repository: /srv/y.git, stage: a, run: x}}"),
        after("{stage: x, repository: /srv/x.git, branch: main, pipeline: {repository: /srv/y.git, stage: a, job: b}}"),
        after("{stage: x, repository: /srv/x.git, branch: main, accept-overrides: \"true\"}"),
    ] {
        agree(&bad, false);
    }
}
