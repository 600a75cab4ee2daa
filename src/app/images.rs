//! `images`: what a folder, an artifact or an environment deploys, and whether the target's registry has it.

use super::fetch::{self, Named};
use super::site::Site;
use super::{AppError, Context, Place, deployed};
use crate::domain::gate::Asked;
use crate::domain::gate::images::{self, Facts};
use crate::domain::image::{self, Found, Images};
use crate::domain::listing::Leaves;
use crate::domain::outcome::{GateReport, Outcome, Report, Verdict};
use crate::domain::path::is_within;
use crate::domain::policy::Stage;
use crate::port::{Folder, Folders};

/// What is looked at.
#[derive(Debug, Clone)]
pub struct Request {
    /// A deployment zip, the folder it was unpacked into, a run's artifact, or any other folder; None: what is in `to`.
    pub named: Option<Named>,
    /// The environment whose rules hold.
    pub to: Option<Place>,
    /// Whether its registry is asked.
    pub check: bool,
}

/// What was found.
pub struct Shown {
    /// The report.
    pub report: Report,
    /// The images.
    pub images: Images,
    /// What the gate says of each, where it was asked.
    pub facts: Option<Facts>,
}

/// Finds images, and asks for them where that is wanted.
///
/// # Errors
/// It cannot be read, is an artifact that is not intact, or the environment cannot be asked.
pub fn images(context: &Context<'_>, folders: &dyn Folders, request: &Request) -> Result<Shown, AppError> {
    let mut report = Report::new(Outcome::Reported);
    let site = request.to.as_ref().map(|to| Site::target(context, to)).transpose()?;
    let policy = site.as_ref().map(Site::policy).transpose()?.map(|(_, policy)| policy);
    report.stage = policy.as_ref().map(|policy| policy.stage.clone());
    let mut folder = match &request.named {
        Some(named) => read(context, folders, named, &mut report)?,
        None => Folder::default(),
    };
    let own: Vec<String> = folder.files.keys().cloned().collect();
    let mut all = Vec::new();
    if let (Some(site), Some(policy)) = (&site, &policy) {
        all = beside(policy, request.named.is_none());
        let mut leaves: Leaves = site.folders_at(site.tip, &all)?;
        leaves.retain(|path, _| !folder.files.contains_key(path));
        folder.files.extend(deployed::read(site, &leaves, None)?);
    }
    let images = image::find(&folder.files);
    let links = folder.links.iter().map(|link| format!("{link}: a symbolic link, which is not followed"));
    report.warnings = links.chain(images.warnings.iter().cloned()).collect();
    let facts = match (&site, &policy) {
        (Some(site), Some(policy)) if request.check => {
            let is_about = |found: &Found| {
                let place = |place: &String| place.rsplit_once(':').map_or(place.clone(), |(path, _)| path.to_owned());
                let is_own = |path: String| own.binary_search(&path).is_ok() || is_of(&all, policy, &path);
                found.places.iter().map(place).any(is_own)
            };
            Some(ask(context, site, policy, &images, &is_about, &mut report)?)
        }
        _ => None,
    };
    Ok(Shown { report, images, facts: facts.flatten() })
}

// Folders of the environment that are read: those that say how others are built, and where nothing else is looked at those
// of all units.
fn beside(policy: &Stage, whole: bool) -> Vec<String> {
    let units = policy.accept.iter().flat_map(|accept| &accept.folders).map(|folder| folder.to.clone());
    let context = policy.images.iter().flat_map(|rules| rules.context.clone());
    units.filter(|_| whole).chain(context).collect()
}

// Whether a path is a unit's, where those are read.
fn is_of(read: &[String], policy: &Stage, path: &str) -> bool {
    let units = policy.accept.iter().flat_map(|accept| &accept.folders);
    units.filter(|folder| read.contains(&folder.to)).any(|folder| is_within(path, &folder.to))
}

fn read(context: &Context<'_>, folders: &dyn Folders, named: &Named, report: &mut Report) -> Result<Folder, AppError> {
    if let Named::Path(path) = named
        && !folders.is_artifact(path)
    {
        return Ok(folders.read(path, &image::is_read)?);
    }
    let opened = fetch::open(context, named)?;
    let artifact = &opened.artifact;
    report.digest = Some(artifact.manifest.digest);
    report.unit = Some(artifact.manifest.unit.clone());
    let mut folder = Folder::default();
    for file in artifact.manifest.files.iter().filter(|file| image::is_read(&file.path)) {
        folder.files.insert(file.path.clone(), artifact.content.read(file)?);
    }
    Ok(folder)
}

fn ask(
    context: &Context<'_>,
    site: &Site,
    policy: &Stage,
    images: &Images,
    counts: &dyn Fn(&Found) -> bool,
    report: &mut Report,
) -> Result<Option<Facts>, AppError> {
    let facts: Option<Asked<Facts>> = match &policy.images {
        None => None,
        Some(rules) => {
            let list = rules.inventory.as_ref().map(|path| deployed::inventory(site, path)).transpose()?;
            Some(Ok(deployed::judge(context, rules, list.as_ref(), images, counts)?))
        }
    };
    let answer = images::ask(&facts);
    report.result = match answer.verdict {
        Verdict::Refused => Outcome::Refused,
        Verdict::Undecided => Outcome::Undecided,
        Verdict::Passed | Verdict::NotAsked => Outcome::Reported,
    };
    report.warnings.extend(facts.iter().flatten().flat_map(images::warnings));
    let (verdict, detail, remedy) = (answer.verdict, answer.detail, answer.remedy);
    report.gates.push(GateReport { gate: "images".to_owned(), verdict, detail, remedy });
    Ok(facts.and_then(Result::ok))
}
