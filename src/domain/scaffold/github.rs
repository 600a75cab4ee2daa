//! Workflows of GitHub Actions.

use super::{Files, Scaffold, Stage, address, fill, folders, job, list, quoted};
use crate::domain::url::RepoUrl;

// What others wrote, by commit.
const ACTIONS: [(&str, &str); 4] = [
    ("CHECKOUT", "actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0"),
    ("UPLOAD", "actions/upload-artifact@b7c566a772e6b6bfb58ed0dc250532a479d7789f # v6.0.0"),
    ("DOWNLOAD", "actions/download-artifact@37930b1c2abaa49bbe596cd826c3c89aef350131 # v7.0.0"),
    ("APP", "actions/create-github-app-token@bcd2ba49218906704ab6c1aa796996da409d3eb1 # v3.2.0"),
];

struct Workflows<'a> {
    wanted: &'a Scaffold,
    // Of all repositories.
    owner: String,
}

/// Adds them.
///
/// # Errors
/// The repositories have several owners, whom no one App's token serves.
pub(super) fn files(wanted: &Scaffold, files: &mut Files) -> Result<(), String> {
    let owner = owner(&wanted.source)?;
    for stage in &wanted.stages {
        let other = self::owner(&stage.url)?;
        if other != owner {
            return Err(format!("{owner} and {other} own these repositories; the token of an App is for one owner"));
        }
    }
    let all = Workflows { wanted, owner };
    let source = wanted.source.name();
    files.insert(format!("{source}/.github/workflows/promote.yml"), all.promote());
    files.insert(format!("{source}/.github/workflows/release-again.yml"), all.again());
    for (at, stage) in wanted.stages.iter().enumerate() {
        let mut readable = all.before(at);
        readable.push(&wanted.source);
        let read = all.read(&readable);
        let mut add = |name: &str, template: &str, tokens: &str| {
            let inputs = "          previous-token: ${{ steps.read.outputs.token }}\n          \
                          source-token: ${{ steps.read.outputs.token }}";
            let text = all.finish(&fill(template, &[("TOKENS", tokens), ("READ", inputs)]), stage);
            files.insert(format!("{}/.github/workflows/passgate-{name}.yml", stage.url.name()), text);
        };
        add("check", include_str!("github/check.yml"), &read);
        add("audit", include_str!("github/audit.yml"), &read);
        add("rollback", include_str!("github/rollback.yml"), &all.write(stage));
    }
    let (action, tag) = wanted.action.split_once('@').unwrap_or((&wanted.action, ""));
    let places = [("FOLDERS", folders(wanted)), ("ACTION", action.to_owned()), ("TAG", tag.to_owned())];
    let places: Vec<(&str, &str)> = places.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let is_pinned = tag.len() == 40 && tag.bytes().all(|b| b.is_ascii_hexdigit());
    let pin = if is_pinned { "" } else { include_str!("github/pin.md") };
    let next = fill(include_str!("github/next.md"), &[("PIN", pin)]);
    files.insert("NEXT.md".to_owned(), fill(&next, &places));
    Ok(())
}

fn owner(url: &RepoUrl) -> Result<String, String> {
    match url.identity().rsplit('/').nth(1) {
        Some(owner) if !owner.is_empty() => Ok(owner.to_owned()),
        _ => Err(format!("{url} is no repository of GitHub: it has no owner")),
    }
}

impl Workflows<'_> {
    fn before(&self, at: usize) -> Vec<&RepoUrl> {
        self.wanted.stages.iter().take(at).map(|stage| &stage.url).collect()
    }

    fn promote(&self) -> String {
        let wanted = self.wanted;
        let main = quoted(wanted.main.as_str());
        let mut text = fill(include_str!("github/promote.yml"), &[("MAIN", &main), ("UNIT", wanted.unit.as_str())]);
        text = fill(&text, &[("SOURCE", &quoted(&wanted.source.to_string())), ("USES", &wanted.action)]);
        text = fill(&text, &ACTIONS);
        for (at, stage) in wanted.stages.iter().enumerate() {
            let needs = match at.checked_sub(1).and_then(|at| wanted.stages.get(at)) {
                None => "package".to_owned(),
                // Feature branches end at the first stage.
                Some(before) => format!(
                    "[package, {}]\n    if: github.ref == 'refs/heads/{}' || startsWith(github.ref, 'refs/heads/hotfix/')",
                    job(before),
                    wanted.main.as_str().replace('\'', "''")
                ),
            };
            let mut part = fill(include_str!("github/stage.yml"), &[("NEEDS", &needs)]);
            // The marks of the last stage open no gate; without statuses nobody waits for them.
            if at + 1 < wanted.stages.len() || !wanted.statuses.is_empty() {
                part.push_str(&self.mark(stage));
            }
            text.push_str(&self.release(&part, at, stage));
        }
        text
    }

    fn again(&self) -> String {
        let names: Vec<&str> = self.wanted.stages.iter().map(|stage| stage.name.as_str()).collect();
        let mut text = fill(include_str!("github/again.yml"), &[("STAGES", &list(&names))]);
        for (at, stage) in self.wanted.stages.iter().enumerate() {
            text.push_str(if at == 0 { "" } else { "\n" });
            text.push_str(&self.release(include_str!("github/again-stage.yml"), at, stage));
        }
        text
    }

    // A job that releases into a stage, and may look at those before it.
    fn release(&self, template: &str, at: usize, stage: &Stage) -> String {
        let before = self.before(at);
        let read = if before.is_empty() { String::new() } else { self.read(&before) };
        let input = if before.is_empty() { "" } else { "          previous-token: ${{ steps.read.outputs.token }}" };
        let tokens = self.write(stage) + &read;
        self.finish(&fill(template, &[("TOKENS", &tokens), ("READ", input)]), stage)
    }

    fn mark(&self, stage: &Stage) -> String {
        let text = include_str!("github/mark.yml");
        if !self.wanted.statuses.is_empty() {
            let statuses = format!("          wait-for: {}\n", quoted(&self.wanted.statuses.join(",")));
            return fill(text, &[("CHECKS", "")]) + &statuses;
        }
        let checks = format!(
            "      - name: The checks of {}\n        run: |\n          echo \"Put them here: what they let through is what \
             the next stage believes.\" >&2\n          exit 1",
            stage.name
        );
        fill(text, &[("CHECKS", &checks)])
    }

    fn write(&self, stage: &Stage) -> String {
        let places = [("OWNER", quoted(&self.owner)), ("NAME", quoted(stage.url.name()))];
        fill(include_str!("github/tokens.yml"), &places.each_ref().map(|(name, value)| (*name, value.as_str())))
    }

    fn read(&self, readable: &[&RepoUrl]) -> String {
        let names: Vec<&str> = readable.iter().map(|url| url.name()).collect();
        let names = quoted(&names.join(","));
        fill(include_str!("github/read.yml"), &[("OWNER", &quoted(&self.owner)), ("READABLE", &names)])
    }

    fn finish(&self, text: &str, stage: &Stage) -> String {
        let text = fill(text, &ACTIONS);
        let places = [
            ("STAGE", stage.name.to_string()),
            ("JOB", job(stage)),
            ("TO", address(stage)),
            ("BRANCH", quoted(stage.branch.as_str())),
            ("UNIT", self.wanted.unit.to_string()),
            ("USES", self.wanted.action.clone()),
        ];
        fill(&text, &places.each_ref().map(|(name, value)| (*name, value.as_str())))
    }
}
