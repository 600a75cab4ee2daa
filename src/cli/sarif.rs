//! What an audit found as SARIF 2.1.0, the format that code scanning of forges reads.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Value, json};

use super::render::quiet_json;
use crate::app::audit::Audit;
use crate::domain::audit::{Finding, Rule};
use crate::domain::escape;
use crate::domain::policy;
use crate::domain::url::RepoUrl;

// What a path in a URI reference must not hold as it is.
const ESCAPED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b':')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The whole document.
pub fn document(audit: &Audit, repository: &RepoUrl) -> String {
    let rules: Vec<Value> = Rule::ALL
        .iter()
        .map(|rule| {
            json!({
                "id": rule.as_str(),
                "shortDescription": { "text": rule.meaning() },
                "fullDescription": { "text": rule.meaning() },
                "defaultConfiguration": { "level": rule.level().as_str() },
            })
        })
        .collect();
    let notes: Vec<Value> = audit
        .warnings
        .iter()
        .map(|text| json!({ "level": "warning", "message": { "text": escape::line(text) } }))
        .collect();
    quiet_json(&json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "passgate",
                "version": env!("CARGO_PKG_VERSION"),
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "rules": rules,
            } },
            "automationDetails": { "id": format!("passgate-audit/{}/", audit.env) },
            "invocations": [{ "executionSuccessful": !audit.cut_off, "toolExecutionNotifications": notes }],
            "versionControlProvenance": [{
                "repositoryUri": repository.identity(),
                "revisionId": audit.tip.to_string(),
            }],
            "results": audit.findings.iter().map(result).collect::<Vec<_>>(),
        }],
    }))
}

fn result(finding: &Finding) -> Value {
    let named: Vec<&str> = finding.paths.iter().map(|touched| touched.path.as_str()).collect();
    // A forge shows only what has a file; what is about the branch as a whole stands at its rules.
    let paths = if named.is_empty() { vec![policy::PATH] } else { named };
    let unit = finding.unit.as_ref().map(ToString::to_string);
    let locations: Vec<Value> = paths
        .iter()
        .map(|path| {
            let uri = utf8_percent_encode(path, ESCAPED).to_string();
            let mut location = json!({
                "physicalLocation": { "artifactLocation": { "uri": uri }, "region": { "startLine": 1 } },
            });
            if let Some(unit) = &unit {
                location["logicalLocations"] = json!([{ "name": unit, "kind": "module" }]);
            }
            location
        })
        .collect();
    let remedy = finding.remedy.as_ref().map(|remedy| format!(". {}", escape::line(remedy))).unwrap_or_default();
    json!({
        "ruleId": finding.rule.as_str(),
        "ruleIndex": Rule::ALL.iter().position(|rule| *rule == finding.rule),
        "level": finding.level.as_str(),
        "message": { "text": format!("{} ({}){remedy}", escape::line(&finding.message), finding.commit.short()) },
        "locations": locations,
        "partialFingerprints": { "passgate/v1": finding.fingerprint() },
        "properties": {
            "commit": finding.commit.to_string(),
            "at": finding.at,
            "unit": unit,
            "morePaths": finding.more_paths,
        },
    })
}
