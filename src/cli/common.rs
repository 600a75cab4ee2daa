//! What several verbs share: what they reach the outside with, places, and who runs this.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::builder::{BoolishValueParser, TypedValueParser};
use serde::Serialize;

use super::{markdown, render};
use crate::app::fetch::Named;
use crate::app::land::Committer;
use crate::app::statuses::Wait;
use crate::app::{Actor, AppError, Context, Place, tell};
use crate::domain::escape;
use crate::domain::id::InvalidId;
use crate::domain::news;
use crate::domain::outcome::{Outcome, Report};
use crate::domain::policy::{StatusPattern, parse_duration};
use crate::domain::reference::{RunArtifact, System};
use crate::domain::url::RepoUrl;
use crate::host::detect::Host;
use crate::host::progress::Spinner;
use crate::host::{artifact, defaults, publish, tokens, writer};
use crate::port::{Artifacts, Clock, Folders, Forges, Progress, Registry, Renderers, Repositories, WorkingCopy};

/// What the adapters to repositories are made from.
pub struct Setting {
    /// Those for the target, for previous stages and for the source.
    pub tokens: [Option<String>; 3],
    /// The place that the first token is for.
    pub place: Option<RepoUrl>,
    /// Stops what may be stopped when it turns true.
    pub interrupted: Arc<AtomicBool>,
    /// Told of long steps.
    pub progress: Arc<dyn Progress>,
}

/// What is reached over the network, with one set of credentials.
pub struct Remotes {
    /// Repositories.
    pub repositories: Box<dyn Repositories>,
    /// What is known of them beyond git.
    pub forges: Box<dyn Forges>,
    /// Registries of images.
    pub registry: Box<dyn Registry>,
}

/// The adapters, which `main` wires in and the command line never names.
pub trait Adapters: Sync {
    /// Remote repositories, and the forges that they are on.
    fn remotes(&self, setting: Setting) -> Remotes;

    /// A local repository to package from.
    fn working_copy(&self, path: PathBuf, setting: Setting) -> Box<dyn WorkingCopy>;

    /// Programs that build what a tree deploys.
    fn renderers(&self, interrupted: Arc<AtomicBool>) -> Box<dyn Renderers>;

    /// Deployment zips.
    fn artifacts(&self) -> &dyn Artifacts;

    /// Folders that are no artifacts.
    fn folders(&self) -> &dyn Folders;

    /// The time.
    fn clock(&self) -> &dyn Clock;
}

/// True or false in the words that pipelines use; an input that was not given is an empty text.
pub fn boolish() -> impl TypedValueParser<Value = bool> {
    BoolishValueParser::new()
}

/// Everything that a verb needs to run its use case.
pub struct Wiring<'a> {
    json: bool,
    host: Host,
    interrupted: Arc<AtomicBool>,
    spinner: Arc<Spinner>,
    adapters: &'a dyn Adapters,
}

impl<'a> Wiring<'a> {
    /// What verbs reach the outside with.
    pub fn new(json: bool, host: Host, interrupted: Arc<AtomicBool>, adapters: &'a dyn Adapters) -> Self {
        Self { json, host, interrupted, spinner: Arc::new(Spinner::new(true)), adapters }
    }

    fn setting(&self, place: Option<&Place>) -> Setting {
        Setting {
            tokens: tokens::tokens(self.host, place.map(|place| &place.url)),
            place: place.map(|place| place.url.clone()),
            interrupted: Arc::clone(&self.interrupted),
            progress: Arc::clone(&self.spinner) as Arc<dyn Progress>,
        }
    }

    /// Repositories and forges, with the credentials that are meant for `place`.
    pub fn remotes(&self, place: Option<&Place>) -> Remotes {
        self.adapters.remotes(self.setting(place))
    }

    /// A local repository to package from.
    pub fn working_copy(&self, path: PathBuf) -> Box<dyn WorkingCopy> {
        self.adapters.working_copy(path, self.setting(None))
    }

    /// Programs that build what a tree deploys.
    pub fn renderers(&self) -> Box<dyn Renderers> {
        self.adapters.renderers(Arc::clone(&self.interrupted))
    }

    /// What every use case has at hand.
    pub fn context<'b>(&'b self, remotes: &'b Remotes) -> Context<'b> {
        let (artifacts, clock) = (self.adapters.artifacts(), self.adapters.clock());
        let (repositories, forges, registry) = (&*remotes.repositories, &*remotes.forges, &*remotes.registry);
        Context { repositories, forges, registry, artifacts, clock, progress: &*self.spinner }
    }

    /// Reads and writes deployment zips.
    pub fn artifacts(&self) -> &dyn Artifacts {
        self.adapters.artifacts()
    }

    /// Reads folders that are no artifacts.
    pub fn folders(&self) -> &dyn Folders {
        self.adapters.folders()
    }

    /// Where this run happens.
    pub fn host(&self) -> Host {
        self.host
    }

    /// The artifact that was named, or else the only one that lies where the host puts artifacts.
    ///
    /// # Errors
    /// None was named, and there is none or several.
    pub fn artifact(&self, named: Option<PathBuf>) -> Result<Named, AppError> {
        let run = named.as_ref().and_then(|named| RunArtifact::parse(named.to_str()?));
        let Some(run) = run else { return self.file(named).map(Named::Path) };
        let hint = "run:<id>[/name] on GitHub, build:<id>[/name] on Azure DevOps; with owner/repository/ or organization/project/ \
                    before the number for another one";
        let wrong = |error: InvalidId| AppError::usage(error.to_string(), hint);
        let run = run.map_err(wrong)?;
        let place = run.place.as_ref().map(|(owner, name)| (owner.as_str(), name.as_str()));
        let (url, unset) = match run.system {
            System::GitHub => (defaults::repository(place), "a run without a repository is one of GITHUB_REPOSITORY"),
            System::Azure => (defaults::builds(place), "a build without a project is one of SYSTEM_TEAMPROJECT"),
        };
        let url = url.ok_or_else(|| AppError::usage(format!("{unset}, which is not set"), hint))?;
        Ok(Named::Run(url.parse().map_err(wrong)?, run))
    }

    fn file(&self, named: Option<PathBuf>) -> Result<PathBuf, AppError> {
        let Some(folder) = named.is_none().then(|| artifact::folder(self.host)).flatten() else {
            let hint = "give the path of the deployment zip, or of the folder it was unpacked into";
            return named.ok_or_else(|| AppError::usage("no ARTIFACT was named", hint));
        };
        let shown = |path: &std::path::Path| crate::domain::escape::line(&path.to_string_lossy());
        let found = artifact::find(&folder);
        match found.as_slice() {
            [one] => Ok(one.clone()),
            [] => Err(AppError::usage(
                format!("no ARTIFACT was named, and there is none in {}", shown(&folder)),
                "download it in a step before this one, or name it",
            )),
            several => {
                let listed: Vec<String> = several.iter().take(10).map(|path| shown(path)).collect();
                let more = several.len().saturating_sub(10);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                Err(AppError::usage(
                    format!("no ARTIFACT was named, and there are several: {}{more}", listed.join(", ")),
                    "name the one that is meant",
                ))
            }
        }
    }

    /// Tells what became of it, where that is wanted: to the source repository, and to the build that this is.
    pub fn tell(&self, context: &Context<'_>, to: &Place, request: Option<&tell::Request>, report: &mut Report) {
        let news = request.and_then(|request| tell::tell(context, to, request, report));
        if let Some(news) = news {
            publish::tag(self.host, &news.tag(report.result));
        }
    }

    /// Whether one JSON document is wanted.
    pub fn wants_json(&self) -> bool {
        self.json
    }

    /// Ends the spinner, writes the report and gives the exit code. `text` is what stdout gets without `--json`.
    pub fn report(&self, report: &Report, text: &str) -> u8 {
        self.spinner.clear();
        if self.json {
            writer::result(&render::json(report));
        } else if !text.is_empty() {
            writer::result(text);
        }
        let (code, width) = (report.result.exit_code(), writer::width());
        let details = render::details(report, width);
        // What closed a gate is seen without a click.
        if code == 0 && !details.is_empty() && self.host != Host::Terminal {
            publish::folded(self.host, "gates, files and notes", &details);
            writer::tell(&render::result(report, width));
        } else {
            let shown = render::text(report, width);
            if !shown.is_empty() {
                writer::tell(&shown);
            }
        }
        publish::publish(self.host, report, &[report], &markdown::report(None, report));
        code
    }

    /// Ends the spinner and writes the reports of several environments, each with its name and whether its result is
    /// forgiven, as one; gives the exit code of the worst.
    pub fn reports(&self, reports: Vec<(&str, (Report, bool))>) -> u8 {
        self.spinner.clear();
        let weight = |(report, is_forgiven): &(Report, bool)| if *is_forgiven { 0 } else { report.result.severity() };
        let worst = reports.iter().map(|(_, done)| done).max_by_key(|done| weight(done));
        let (result, code) = worst
            .map_or((Outcome::Usage, 2), |done| (done.0.result, if done.1 { 0 } else { done.0.result.exit_code() }));
        let whole = Report::new(result);
        if self.json {
            let mut json = serde_json::to_value(&whole).unwrap_or_default();
            let targets = reports.iter().map(|(to, (report, _))| {
                let mut json = serde_json::to_value(report).unwrap_or_default();
                json["to"] = (*to).into();
                json
            });
            json["targets"] = targets.collect();
            writer::result(&render::quiet_json(&json));
        }
        for (to, (report, _)) in &reports {
            writer::tell(&render::titled(to, report, writer::width()));
        }
        let summary: String = reports.iter().map(|(to, (report, _))| markdown::report(Some(to), report)).collect();
        let parts: Vec<&Report> = reports.iter().map(|(_, (report, _))| report).collect();
        publish::publish(self.host, &whole, &parts, &summary);
        code
    }

    /// Ends the spinner and writes a result: `text`, or with `--json` the one document with `more` in it.
    pub fn document(&self, report: &Report, more: (&str, &impl Serialize), text: impl FnOnce() -> String) -> u8 {
        self.spinner.clear();
        let is_read = !self.json || self.host != Host::Terminal;
        let text = if is_read { text() } else { String::new() };
        if self.json {
            writer::result(&render::json_with(report, more));
        } else if !text.is_empty() {
            writer::result(&text);
        }
        // A document for programs is no page for people.
        let is_page = !text.is_empty() && !text.starts_with('{');
        let page = if is_page { markdown::fenced(&text) } else { markdown::report(None, report) };
        publish::publish(self.host, report, &[report], &page);
        report.result.exit_code()
    }
}

/// Who runs this, and as whom commits are written.
#[derive(Debug, clap::Args)]
pub struct Person {
    /// The person who wants this, for the record.
    #[arg(long, env = "PASSGATE_BY", value_name = "NAME")]
    by: Option<String>,
    /// A link to the run, for the record.
    #[arg(long, env = "PASSGATE_RUN", value_name = "URL")]
    run: Option<String>,
    /// Author and committer of what passgate writes.
    #[arg(long, env = "PASSGATE_COMMITTER", value_name = "NAME <MAIL>")]
    committer: Option<String>,
}

impl Person {
    /// The actor and the committer.
    ///
    /// # Errors
    /// The committer is not `Name <mail>`.
    pub fn read(&self) -> Result<(Actor, Committer), AppError> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let actor = Actor { by: given(&self.by), run: given(&self.run) };
        let committer = given(&self.committer).unwrap_or_else(|| "passgate <passgate@localhost>".to_owned());
        let parts = committer.strip_suffix('>').and_then(|rest| rest.split_once(" <"));
        let is_clean = |text: &str| !text.is_empty() && !text.chars().any(|c| c.is_control() || "<>".contains(c));
        match parts {
            Some((name, mail)) if is_clean(name) && is_clean(mail) => Ok((actor, Committer(committer))),
            _ => Err(AppError::usage(
                "the committer is not of the form Name <mail>",
                "--committer 'passgate <passgate@example.org>'",
            )),
        }
    }
}

/// What is told elsewhere once the outcome stands.
#[derive(Debug, clap::Args)]
pub struct Telling {
    /// Tell the source repository what became of its commit here: a deployment on GitHub, a commit status on Azure DevOps.
    /// What fails is a warning.
    #[arg(long, env = "PASSGATE_WRITE_BACK", value_parser = boolish(), num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", hide_possible_values = true)]
    write_back: bool,
    /// Where people open the environment, for what --write-back tells.
    #[arg(long, env = "PASSGATE_ENVIRONMENT_URL", value_name = "URL")]
    environment_url: Option<String>,
}

impl Telling {
    /// What is told besides what the record says; None: nothing.
    ///
    /// # Errors
    /// The URL is none, or nothing is to be told.
    pub fn read(&self, artifact: Option<&Named>) -> Result<Option<tell::Request>, AppError> {
        let page = self.environment_url.clone().filter(|url| !url.is_empty());
        if let Some(url) = &page {
            if news::link(url).is_none() {
                let message = format!("--environment-url {} is not the address of a page", escape::line(url));
                return Err(AppError::usage(message, "such as --environment-url https://qual.shop.example"));
            }
            if !self.write_back {
                return Err(AppError::usage("--environment-url is told to nobody", "add --write-back"));
            }
        }
        let build = match artifact {
            Some(Named::Run(url, run)) if run.system == System::Azure => Some((url.clone(), run.run)),
            _ => None,
        };
        Ok(self.write_back.then_some(tell::Request { page, build }))
    }
}

/// An artifact as it was named.
pub fn shown(named: &Named) -> String {
    match named {
        Named::Path(path) => path.display().to_string(),
        Named::Run(url, run) => {
            let name = run.name.as_ref().map(|name| format!("/{name}")).unwrap_or_default();
            format!("{url}: run {}{name}", run.run)
        }
    }
}

/// Patterns of statuses to wait for, and how long.
///
/// # Errors
/// One is not a pattern, or the time is none.
pub fn wait(patterns: &[&str], timeout: &str) -> Result<Option<Wait>, AppError> {
    let patience = patience(timeout)?;
    let parse = |pattern: &&str| {
        StatusPattern::parse(pattern).map_err(|bad| {
            let hint = bad.hint.unwrap_or_else(|| "such as --wait-for 'kustomization/apps/*'".to_owned());
            AppError::usage(format!("--wait-for {}: {}", escape::line(pattern), bad.why), hint)
        })
    };
    let wanted = patterns.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    Ok((!wanted.is_empty()).then_some(Wait { wanted, patience }))
}

/// The time of `--timeout`.
///
/// # Errors
/// It is none.
pub fn patience(timeout: &str) -> Result<Duration, AppError> {
    parse_duration(timeout).map_err(|error| {
        AppError::usage(format!("--timeout {}: {error}", escape::line(timeout)), "such as --timeout 15m")
    })
}

/// Reads `URL`, `URL#branch` or a path as a place.
///
/// # Errors
/// It is neither a URL nor the path of a repository.
pub fn place(text: &str) -> Result<Place, AppError> {
    let (url, branch) = match text.split_once('#') {
        Some((url, branch)) => (url, Some(branch)),
        None => (text, None),
    };
    let hint = "name the environment as URL#branch or PATH#branch";
    let branch = branch.map(|branch| branch.parse()).transpose();
    let branch = branch.map_err(|error: crate::domain::id::InvalidId| AppError::usage(error.to_string(), hint))?;
    Ok(Place { url: repository(url)?, branch })
}

/// Reads a URL, or the path of a local repository.
///
/// # Errors
/// It is neither.
pub fn repository(text: &str) -> Result<RepoUrl, AppError> {
    let hint = "https://…, ssh://…, user@host:path, file:///… or the path of a repository";
    let path = PathBuf::from(text);
    let is_path = !text.contains("://") && (path.exists() || text.starts_with(['/', '.']));
    let parsed = if is_path {
        let canonical = std::fs::canonicalize(&path).map_err(|error| {
            AppError::usage(format!("{} is not there: {error}", crate::domain::escape::line(text)), hint)
        })?;
        RepoUrl::from_path(&canonical.to_string_lossy())
    } else {
        text.parse()
    };
    parsed.map_err(|error| AppError::usage(error.to_string(), hint))
}
