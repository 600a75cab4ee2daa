//! `images`: what a folder, an artifact or an environment deploys, and whether the target's registry has it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::fetch::{self, Named, Opened};
use super::site::Site;
use super::{AppError, Context, Place, deployed};
use crate::domain::escape;
use crate::domain::gate::images::{self, Facts};
use crate::domain::gate::{Asked, few};
use crate::domain::image::{self, Builds, Environment, Field, Files, Found, Images};
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
    let looked = request.named.as_ref().map(|named| Looked::at(context, folders, named, &mut report)).transpose()?;
    let all = policy.as_ref().map(|policy| beside(policy, request.named.is_none())).unwrap_or_default();
    let leaves = site.as_ref().map(|site| site.folders_at(site.tip, &all)).transpose()?.unwrap_or_default();
    let (mut own, mut links) = (BTreeSet::new(), Vec::new());
    let mut read = |is_wanted: &dyn Fn(&str) -> bool| -> Result<_, AppError> {
        let folder = looked.as_ref().map(|looked| looked.read(folders, is_wanted)).transpose()?.unwrap_or_default();
        own.extend(folder.files.keys().cloned());
        links = folder.links;
        let mut files = folder.files;
        if let Some(site) = &site {
            let is_theirs = |path: &str| is_wanted(path) && !own.contains(path);
            files.extend(deployed::read(site, &leaves, None, &is_theirs)?);
        }
        Ok(files)
    };
    // Programs may want any file.
    let everything = renderers.map(|_| read(&|_| true)).transpose()?;
    let files = match &everything {
        None => image::gather(&mut read)?,
        Some(all) => image::gather(|is_wanted| {
            let wanted = all.iter().filter(|(path, _)| is_wanted(path));
            Ok::<_, AppError>(wanted.map(|(path, content)| (path.clone(), content.clone())).collect())
        })?,
    };
    let rules = policy.as_ref().and_then(|policy| policy.images.as_ref());
    let folders = folders_of(&own, policy.iter().flat_map(|policy| beside(policy, false)).collect());
    let is_ours = |path: &str| own.contains(path) || folders.contains(path);
    let is_own = |path: &str| !is_ours(path) && policy.as_ref().is_some_and(|policy| !is_of(&all, policy, path));
    let environment = policy.as_ref().zip(rules).map(|(policy, rules)| Environment {
        repository: &policy.repository,
        branch: &policy.branch,
        roots: &rules.roots,
        is_own: &is_own,
    });
    let fields = rules.map(|rules| rules.fields.as_slice()).unwrap_or_default();
    let (mut images, failed) = find(context, &files, (fields, environment), renderers.zip(everything.as_ref()))?;
    if request.compose {
        images.add(image::compose(&files));
    }
    let links = links.iter().map(|link| format!("{link}: a symbolic link, which is not followed"));
    report.warnings = links.chain(images.warnings.iter().cloned()).chain(failed).collect();
    let facts = match (&site, &policy) {
        (Some(site), Some(policy)) if request.check => {
            let is_about = |found: &Found| images.is_about(found, &|path| !is_own(path));
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

// The folders of what is looked at, unless they are folders of what is beside it as well.
fn folders_of(own: &BTreeSet<String>, beside: Vec<String>) -> BTreeSet<String> {
    let all = own.iter().flat_map(|path| path.match_indices('/').filter_map(|(at, _)| path.get(..at)));
    let shared = |folder: &&str| beside.iter().any(|other| is_within(other, folder));
    all.filter(|folder| !shared(folder)).map(str::to_owned).collect()
}

// Whether a path is a unit's, where those are read.
fn is_of(read: &[String], policy: &Stage, path: &str) -> bool {
    let units = policy.accept.iter().flat_map(|accept| &accept.folders);
    units.filter(|folder| read.contains(&folder.to)).any(|folder| is_within(path, &folder.to))
}

// What is found, what programs make of it, and what they could not do.
fn find(
    context: &Context<'_>,
    files: &Files,
    (fields, environment): (&[Field], Option<Environment<'_>>),
    with: Option<(&dyn Renderers, &Files)>,
) -> Result<(Images, Vec<String>), AppError> {
    let Some((renderers, all)) = with else { return Ok((image::find(files, fields, environment), Vec::new())) };
    let there = |path: &str| all.contains_key(path);
    let (mut images, Builds { builds, kept }) = image::find_builds(files, fields, environment, &there);
    context.progress.step("building with kustomize and helm");
    let mut failed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut fail = |whose: String, why: String| {
        failed.entry(why).or_default().insert(whose);
    };
    kept.into_iter().for_each(|(whose, why)| fail(whose, why));
    let rendered = renderers.render(all, &builds)?;
    for (build, rendered) in builds.iter().zip(rendered.each) {
        if let Err(why) = rendered.and_then(|answer| images.confirm(build, &answer, fields)) {
            fail(build.shown(), format!("{}: {why}", build.program()));
        }
    }
    let told = |(why, whose): (String, BTreeSet<String>)| {
        let whose: Vec<String> = whose.into_iter().collect();
        format!("not built, and taken as it was found: {}: {}", few(&whose), escape::line(&why))
    };
    let open = rendered.has_network.then(|| {
        "kustomize and helm ran beside a network, because this system does not let them run without one".to_owned()
    });
    Ok((images, failed.into_iter().map(told).chain(open).collect()))
}

// What is looked at: a folder, or an artifact.
enum Looked<'a> {
    Folder(&'a Path),
    Artifact(Box<Opened>),
}

impl<'a> Looked<'a> {
    fn at(
        context: &Context<'_>,
        folders: &dyn Folders,
        named: &'a Named,
        report: &mut Report,
    ) -> Result<Self, AppError> {
        if let Named::Path(path) = named
            && !folders.is_artifact(path)
        {
            return Ok(Self::Folder(path));
        }
        let opened = fetch::open(context, named)?;
        report.digest = Some(opened.artifact.manifest.digest);
        report.unit = Some(opened.artifact.manifest.unit.clone());
        Ok(Self::Artifact(Box::new(opened)))
    }

    // The files that are wanted.
    fn read(&self, folders: &dyn Folders, is_wanted: &dyn Fn(&str) -> bool) -> Result<Folder, AppError> {
        match self {
            Self::Folder(path) => Ok(folders.read(path, is_wanted)?),
            Self::Artifact(opened) => {
                let artifact = &opened.artifact;
                let mut folder = Folder::default();
                for file in artifact.manifest.files.iter().filter(|file| is_wanted(&file.path)) {
                    folder.files.insert(file.path.clone(), artifact.content.read(file)?);
                }
                Ok(folder)
            }
        }
    }
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
