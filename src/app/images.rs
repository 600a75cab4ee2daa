//! `images`: what a folder, an artifact or an environment deploys, and whether the target's registry has it.

use std::collections::{BTreeMap, BTreeSet};

use super::fetch::{self, Named};
use super::site::Site;
use super::{AppError, Context, Place, deployed};
use crate::domain::escape;
use crate::domain::gate::images::{self, Facts};
use crate::domain::gate::{Asked, few};
use crate::domain::image::{self, Builds, Field, Found, Images};
use crate::domain::listing::Leaves;
use crate::domain::outcome::{GateReport, Outcome, Report, Verdict};
use crate::domain::path::is_within;
use crate::domain::policy::Stage;
use crate::port::{Folder, Folders, Renderers};

/// What is looked at.
#[derive(Debug, Clone)]
pub struct Request {
    /// A deployment zip, the folder it was unpacked into, a run's artifact, or any other folder; None: what is in `to`.
    pub named: Option<Named>,
    /// The environment whose rules hold.
    pub to: Option<Place>,
    /// Whether its registry is asked.
    pub check: bool,
    /// Whether compose files count too.
    pub compose: bool,
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

/// Finds images, lets programs build what they can, and asks for them where that is wanted.
///
/// # Errors
/// It cannot be read, is an artifact that is not intact, or the environment cannot be asked.
pub fn images(
    context: &Context<'_>,
    folders: &dyn Folders,
    renderers: Option<&dyn Renderers>,
    request: &Request,
) -> Result<Shown, AppError> {
    let mut report = Report::new(Outcome::Reported);
    let site = request.to.as_ref().map(|to| Site::target(context, to)).transpose()?;
    let policy = site.as_ref().map(Site::policy).transpose()?.map(|(_, policy)| policy);
    report.stage = policy.as_ref().map(|policy| policy.stage.clone());
    // Programs may want any file.
    let is_wanted: &dyn Fn(&str) -> bool = if renderers.is_some() { &|_| true } else { &image::is_read };
    let mut folder = match &request.named {
        Some(named) => read(context, folders, named, is_wanted, &mut report)?,
        None => Folder::default(),
    };
    let own: Vec<String> = folder.files.keys().cloned().collect();
    let mut all = Vec::new();
    if let (Some(site), Some(policy)) = (&site, &policy) {
        all = beside(policy, request.named.is_none());
        let mut leaves: Leaves = site.folders_at(site.tip, &all)?;
        leaves.retain(|path, _| !folder.files.contains_key(path));
        folder.files.extend(deployed::read(site, &leaves, None, is_wanted)?);
    }
    let fields = policy.as_ref().and_then(|policy| Some(policy.images.as_ref()?.fields.as_slice())).unwrap_or_default();
    let (mut images, failed) = find(context, &mut folder, fields, renderers)?;
    if request.compose {
        images.add(image::compose(&folder.files));
    }
    let links = folder.links.iter().map(|link| format!("{link}: a symbolic link, which is not followed"));
    report.warnings = links.chain(images.warnings.iter().cloned()).chain(failed).collect();
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

// What is found, what programs make of it, and what they could not do.
fn find(
    context: &Context<'_>,
    folder: &mut Folder,
    fields: &[Field],
    renderers: Option<&dyn Renderers>,
) -> Result<(Images, Vec<String>), AppError> {
    let Some(renderers) = renderers else { return Ok((image::find(&folder.files, fields), Vec::new())) };
    let all = std::mem::take(&mut folder.files);
    folder.files =
        all.iter().filter(|(path, _)| image::is_read(path)).map(|(path, it)| (path.clone(), it.clone())).collect();
    let (mut images, Builds { builds, kept }) =
        image::find_builds(&folder.files, fields, &|path| all.contains_key(path));
    context.progress.step("building with kustomize and helm");
    let mut failed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut fail = |whose: String, why: String| {
        failed.entry(why).or_default().insert(whose);
    };
    kept.into_iter().for_each(|(whose, why)| fail(whose, why));
    for (build, rendered) in builds.iter().zip(renderers.render(&all, &builds)?) {
        if let Err(why) = rendered.and_then(|answer| images.confirm(build, &answer, fields)) {
            fail(build.shown(), format!("{}: {why}", build.program()));
        }
    }
    let told = |(why, whose): (String, BTreeSet<String>)| {
        let whose: Vec<String> = whose.into_iter().collect();
        format!("not built, and taken as it was found: {}: {}", few(&whose), escape::line(&why))
    };
    Ok((images, failed.into_iter().map(told).collect()))
}

fn read(
    context: &Context<'_>,
    folders: &dyn Folders,
    named: &Named,
    is_wanted: &dyn Fn(&str) -> bool,
    report: &mut Report,
) -> Result<Folder, AppError> {
    if let Named::Path(path) = named
        && !folders.is_artifact(path)
    {
        return Ok(folders.read(path, is_wanted)?);
    }
    let opened = fetch::open(context, named)?;
    let artifact = &opened.artifact;
    report.digest = Some(artifact.manifest.digest);
    report.unit = Some(artifact.manifest.unit.clone());
    let mut folder = Folder::default();
    for file in artifact.manifest.files.iter().filter(|file| is_wanted(&file.path)) {
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
