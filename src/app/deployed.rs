//! What an environment would deploy of a unit, and whether its registry has it.

use std::collections::{BTreeMap, HashMap};

use super::judge::Target;
use super::site::{Site, file, resolve};
use super::{AppError, Context, evidence};
use crate::domain::escape;
use crate::domain::gate::Asked;
use crate::domain::gate::images::{self, Facts, Inquiry, Inventory, Question, Seen};
use crate::domain::id::BlobId;
use crate::domain::image::{self, Change, Environment, Found, Images};
use crate::domain::listing::{File, Leaves};
use crate::domain::path::is_within;
use crate::domain::policy;
use crate::port::{Artifact, PortError};

// As much as a file of an artifact may have.
const LARGEST: u64 = 64 << 20;
const LARGEST_INVENTORY: u64 = 16 << 20;

/// What the unit's folders would deploy, and what the gate says of it.
#[derive(Default)]
pub struct Deployed {
    /// The facts for gate `images`; None: the policy does not ask for any.
    pub facts: Option<Asked<Facts>>,
    // What they would deploy, if it is known.
    images: Option<Images>,
}

impl Deployed {
    /// What could not be found out because a check died.
    pub fn died() -> Self {
        Self { facts: Some(Err("the check died".to_owned())), images: None }
    }

    /// What is worth saying of the images.
    pub fn warnings(&self) -> Vec<String> {
        self.facts.iter().flatten().flat_map(images::warnings).collect()
    }

    /// What changes in images against what is there now. Where the policy asks for no images they are looked at only when
    /// somebody `wants` to know: a release costs what it changes.
    pub fn changes(
        &mut self,
        target: &Target,
        result: &Leaves,
        artifact: Option<&Artifact>,
        wants: bool,
    ) -> Result<Vec<Change>, AppError> {
        if self.images.is_none() && !wants {
            return Ok(Vec::new());
        }
        let rules = target.policy.images.clone().unwrap_or_default();
        let is_own = |path: &str| !is_ours(target, path);
        let (repository, branch) = (&target.policy.repository, &target.policy.branch);
        let environment = Some(Environment { repository, branch, roots: &rules.roots, is_own: &is_own });
        let old = image::find(&tree(target, &rules, &target.there, None)?, &rules.fields, environment);
        if self.images.is_none() {
            let files = tree(target, &rules, result, artifact)?;
            self.images = Some(image::find(&files, &rules.fields, environment));
        }
        let new = self.images.as_ref();
        Ok(new.map(|new| image::changes(&old, new, &rules.roots)).unwrap_or_default())
    }
}

/// Looks at the images of what the unit's folders would hold.
pub fn look(context: &Context<'_>, target: &Target, result: &Leaves, artifact: Option<&Artifact>) -> Deployed {
    let Some(rules) = &target.policy.images else { return Deployed::default() };
    context.progress.step("asking for the images");
    let told = |error: AppError| format!("the images could not be looked at: {}", evidence::told(&error));
    let is_own = |path: &str| !is_ours(target, path);
    let (repository, branch) = (&target.policy.repository, &target.policy.branch);
    let environment = Environment { repository, branch, roots: &rules.roots, is_own: &is_own };
    let images = match tree(target, rules, result, artifact) {
        Ok(files) => image::find(&files, &rules.fields, Some(environment)),
        Err(error) => return Deployed { facts: Some(Err(told(error))), images: None },
    };
    let is_about_us = |found: &Found| images.is_about(found, &|path| is_ours(target, path));
    let list = rules.inventory.as_ref().map(|path| inventory(&target.site, path)).transpose();
    let facts = list.and_then(|list| judge(context, rules, list.as_ref(), &images, &is_about_us));
    Deployed { facts: Some(facts.map_err(told)), images: Some(images) }
}

fn is_ours(target: &Target, path: &str) -> bool {
    target.folders.iter().any(|folder| is_within(path, folder))
}

// The unit's folders with these leaves, and the folders that say how they are built.
fn tree(
    target: &Target,
    rules: &policy::Images,
    leaves: &Leaves,
    artifact: Option<&Artifact>,
) -> Result<BTreeMap<String, Vec<u8>>, AppError> {
    let mut all = target.site.folders_at(target.site.tip, &rules.context)?;
    all.retain(|path, _| !is_ours(target, path));
    all.extend(leaves.iter().map(|(path, entry)| (path.clone(), *entry)));
    image::gather(|is_wanted| read(&target.site, &all, artifact, is_wanted))
}

/// The facts for the images of a tree.
///
/// # Errors
/// The user asked to stop, or nothing can be asked at all.
pub fn judge(
    context: &Context<'_>,
    rules: &policy::Images,
    inventory: Option<&Inventory>,
    images: &Images,
    counts: &dyn Fn(&Found) -> bool,
) -> Result<Facts, AppError> {
    let inquiry = Inquiry::of(rules, images.deployed(&rules.roots).filter(|found| counts(found)));
    let questions = inquiry.questions();
    let answers: HashMap<Question, Asked<Seen>> = match inventory {
        Some(list) => questions.into_iter().map(|question| (question.clone(), Ok(list.look(&question)))).collect(),
        None if questions.is_empty() => HashMap::new(),
        None => context.registry.ask(&questions, &rules.hosts())?,
    };
    // What is declared is no sign that a root was found.
    let is_rootless = images.deployed(&rules.roots).all(Found::is_declared) && images.found.iter().any(counts);
    let all = || images.roots().into_iter().map(str::to_owned).collect();
    let doubted = images.doubted().into_iter().map(str::to_owned).collect();
    Ok(Facts { rootless: is_rootless.then(all), doubted, ..inquiry.facts(&answers) })
}

/// The list that stands for the registry.
///
/// # Errors
/// It cannot be had, or is none.
pub fn inventory(site: &Site, path: &str) -> Result<Inventory, AppError> {
    let root = site.root_of(site.tip)?;
    let entry = resolve(&*site.repository, &[root], path)?.remove(&root);
    let Some(blob) = entry.as_ref().and_then(file) else {
        return Err(
            PortError::Unusable(format!("{} has no {path}, which `images.inventory` names", site.name())).into()
        );
    };
    let bytes = site.repository.blobs(&[blob], LARGEST_INVENTORY)?.remove(&blob);
    let bytes = bytes.ok_or_else(|| too_large(site, path, LARGEST_INVENTORY))?;
    let parsed = Inventory::parse(&String::from_utf8_lossy(&bytes));
    Ok(parsed.map_err(|why| PortError::Unusable(format!("{path} of {}: {why}", site.name())))?)
}

/// The files that are wanted: of the artifact where it has them, else of the environment.
///
/// # Errors
/// They cannot be had.
pub fn read(
    site: &Site,
    leaves: &Leaves,
    artifact: Option<&Artifact>,
    is_wanted: &dyn Fn(&str) -> bool,
) -> Result<BTreeMap<String, Vec<u8>>, AppError> {
    let known = artifact.map(|artifact| artifact.manifest.files.as_slice()).unwrap_or_default();
    let known: HashMap<BlobId, &File> = known.iter().map(|file| (file.blob, file)).collect();
    let wanted = || {
        let readable = leaves.iter().filter(|(path, _)| is_wanted(path));
        readable.filter_map(|(path, entry)| Some((path, file(entry)?)))
    };
    let lacking: Vec<BlobId> = wanted().map(|(_, blob)| blob).filter(|blob| !known.contains_key(blob)).collect();
    let there = if lacking.is_empty() { HashMap::new() } else { site.repository.blobs(&lacking, LARGEST)? };
    let mut files = BTreeMap::new();
    for (path, blob) in wanted() {
        let content = match (known.get(&blob), artifact) {
            (Some(file), Some(artifact)) => artifact.content.read(file)?,
            _ => there.get(&blob).cloned().ok_or_else(|| too_large(site, path, LARGEST))?,
        };
        files.insert(path.clone(), content);
    }
    Ok(files)
}

// What was not read says nothing, least of all that it deploys nothing.
fn too_large(site: &Site, path: &str, limit: u64) -> PortError {
    PortError::Unusable(format!("{} of {} has more than {limit} bytes", escape::line(path), site.name()))
}
