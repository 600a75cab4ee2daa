//! Tells the source repository what became of its commits, once the outcome stands. Told is what the environment's record
//! says by now, so telling it twice says nothing new, and a later run tells what an earlier one could not. Whatever fails
//! here is a warning.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use super::judge::{Leave, Owned, target};
use super::{AppError, Context, Place, evidence};
use crate::domain::id::UnitName;
use crate::domain::news::News;
use crate::domain::outcome::{Outcome, Report};
use crate::domain::policy::Source;
use crate::domain::url::RepoUrl;
use crate::port::{Forge, PortError, Role};

// How long a forge may take for what it is told, in steps of which each looks whether somebody wants to stop.
const STEP: Duration = Duration::from_millis(100);
const STEPS: u32 = 200;

/// What is to be told besides what the record says.
#[derive(Debug, Clone)]
pub struct Request {
    /// Where people open the environment.
    pub page: Option<String>,
    /// The run that made the artifact, in the repository that counts it.
    pub build: Option<(RepoUrl, u64)>,
}

/// Tells it; what was there to be told.
pub fn tell(context: &Context<'_>, to: &Place, request: &Request, report: &mut Report) -> Option<News> {
    let is_done = matches!(report.result, Outcome::Released | Outcome::Unchanged | Outcome::Retired) || report.live;
    let unit = report.unit.clone().filter(|_| is_done)?;
    let warn = |report: &mut Report, error: &AppError| {
        let hint = match error {
            AppError::Port(PortError::Forge { hint: Some(hint), .. }) | AppError::Usage { hint, .. } => {
                format!(" → {hint}")
            }
            _ => String::new(),
        };
        report.warnings.push(format!("the source repository was not told: {}{hint}", evidence::told(error)));
    };
    context.progress.step("telling the source repository");
    let Heard { news, forge } = match look(context, to, &unit, request) {
        Ok(found) => found?,
        Err(error) => {
            warn(report, &error);
            return None;
        }
    };
    let told = news.clone();
    if let Err(error) = in_time(context, move || forge.tell(&told)) {
        warn(report, &error.into());
    }
    if let Some((url, run)) = &request.build
        && let Some(forge) = context.forges.of(url, Role::Source)
    {
        let (run, tag) = (*run, news.tag(report.result));
        if let Err(error) = in_time(context, move || forge.tag(run, &tag)) {
            report.warnings.push(format!("the build {run} was not tagged: {}", evidence::told(&error.into())));
        }
    }
    Some(news)
}

// What is told, and whom.
struct Heard {
    news: News,
    forge: Arc<dyn Forge>,
}

// What is true now; None when the environment has no record.
fn look(context: &Context<'_>, to: &Place, unit: &UnitName, request: &Request) -> Result<Option<Heard>, AppError> {
    let target = target(context, to, unit, Owned::Recorded, Leave::default())?;
    // Only the policy says which repository it is, and so who gets a token.
    let (source, role) = match &target.accepted(context)?.source {
        Source::Repository(url) => (context.repositories.canonical(url), Role::Source),
        Source::SelfRepository => (target.site.url.clone(), Role::Target),
    };
    let Some(record) = target.record() else { return Ok(None) };
    let Some(forge) = context.forges.of(&source, role) else {
        return Err(AppError::usage(
            format!("{source} is on plain git, where nothing can be told"),
            "name its host in PASSGATE_GITHUB_HOSTS or PASSGATE_AZURE_HOSTS",
        ));
    };
    let mut news = News::of(record, target.site.name(), &source, target.landing());
    news.page.clone_from(&request.page);
    Ok(Some(Heard { news, forge }))
}

// A forge that does not answer must not hold up a release that is done: who is not waited for ends with the program.
fn in_time(
    context: &Context<'_>,
    work: impl FnOnce() -> Result<(), PortError> + Send + 'static,
) -> Result<(), PortError> {
    let (done, waiting) = channel();
    std::thread::spawn(move || done.send(work()).ok());
    let failed = |said: &str| {
        Err(PortError::Forge { doing: "cannot tell its forge".to_owned(), said: said.to_owned(), hint: None })
    };
    for _ in 0..STEPS {
        match waiting.recv_timeout(STEP) {
            Ok(done) => return done,
            Err(RecvTimeoutError::Disconnected) => return failed("it died"),
            Err(RecvTimeoutError::Timeout) if context.repositories.interrupted() => return Err(PortError::Interrupted),
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
    failed("it did not answer in time")
}
