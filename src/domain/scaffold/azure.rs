//! Pipelines of Azure, and the page for classic releases.

use super::{Files, Scaffold, Stage, address, fill, folders, job, quoted};

/// Adds them.
pub(super) fn files(wanted: &Scaffold, files: &mut Files) {
    let source = wanted.source.name();
    files.insert(format!("{source}/azure-pipelines.yml"), promote(wanted));
    let rows: Vec<String> = wanted
        .stages
        .iter()
        .enumerate()
        .map(|(at, stage)| {
            let marks = if is_marked(wanted, at) { "yes" } else { "no" };
            format!("| {} | `{}#{}` | {marks} |", stage.name, stage.url, stage.branch)
        })
        .collect();
    let places = [("UNIT", wanted.unit.as_str()), ("ROWS", &rows.join("\n"))];
    files.insert(format!("{source}/docs/passgate-classic.md"), fill(include_str!("azure/classic.md"), &places));
    for stage in &wanted.stages {
        for (name, template) in [
            ("check", include_str!("azure/check.yml")),
            ("rollback", include_str!("azure/rollback.yml")),
            ("audit", include_str!("azure/audit.yml")),
        ] {
            files.insert(format!("{}/passgate-{name}.yml", stage.url.name()), finish(wanted, template, stage));
        }
    }
    files.insert("NEXT.md".to_owned(), fill(include_str!("azure/next.md"), &[("FOLDERS", &folders(wanted))]));
}

// The marks of the last stage open no gate; without statuses nobody waits for them.
fn is_marked(wanted: &Scaffold, at: usize) -> bool {
    at + 1 < wanted.stages.len() || !wanted.statuses.is_empty()
}

fn promote(wanted: &Scaffold) -> String {
    let places = [
        ("MAIN", quoted(wanted.main.as_str())),
        ("UNIT", wanted.unit.to_string()),
        ("SOURCE", quoted(&wanted.source.to_string())),
    ];
    let mut text =
        fill(include_str!("azure/promote.yml"), &places.each_ref().map(|(name, value)| (*name, value.as_str())));
    for (at, stage) in wanted.stages.iter().enumerate() {
        let (needs, condition) = match at.checked_sub(1).and_then(|at| wanted.stages.get(at)) {
            None => ("package".to_owned(), "succeeded()".to_owned()),
            // Feature branches end at the first stage. Outputs of `package` are seen by those only who depend on it.
            Some(before) => (
                format!("[package, {}]", job(before)),
                format!(
                    "and(succeeded(), or(eq(variables['Build.SourceBranch'], 'refs/heads/{}'), \
                     startsWith(variables['Build.SourceBranch'], 'refs/heads/hotfix/')))",
                    wanted.main.as_str().replace('\'', "''")
                ),
            ),
        };
        let mut part = fill(include_str!("azure/stage.yml"), &[("NEEDS", &needs), ("CONDITION", &condition)]);
        if is_marked(wanted, at) {
            part.push_str(&mark(wanted));
        }
        text.push_str(&finish(wanted, &part, stage));
    }
    text
}

fn mark(wanted: &Scaffold) -> String {
    let text = include_str!("azure/mark.yml");
    if !wanted.statuses.is_empty() {
        let statuses = format!("                    waitFor: {}\n", quoted(&wanted.statuses.join(",")));
        return fill(text, &[("CHECKS", "")]) + &statuses;
    }
    let checks = "                - script: |\n                    echo \"Put them here: what they let through is what the \
                  next stage believes.\" >&2\n                    exit 1\n                  displayName: The checks of <<STAGE>>";
    fill(text, &[("CHECKS", checks)])
}

fn finish(wanted: &Scaffold, text: &str, stage: &Stage) -> String {
    let places = [
        ("STAGE", stage.name.to_string()),
        ("ID", job(stage)),
        ("TO", address(stage)),
        ("BRANCH", quoted(stage.branch.as_str())),
        ("UNIT", wanted.unit.to_string()),
    ];
    fill(text, &places.each_ref().map(|(name, value)| (*name, value.as_str())))
}
