//! The rules for images, parsed once.

use super::{Check, Checked, folder_fault};
use crate::domain::artifact::check_folder;
use crate::domain::image::{Field, reference};
use crate::domain::path::{self, collision_key, is_within};
use crate::domain::policy::images::{ImagePattern, Images, Prefix, Rewrite, Skip, TagRule, is_host, is_platform};
use crate::domain::policy::kinds::{At, List};
use crate::domain::policy::pattern::PathPattern;
use crate::domain::policy::{Accept, raw};

impl Check<'_> {
    pub(super) fn images(&self, raw: &raw::Images, accept: &[Accept]) -> Checked<Images> {
        if let Some(list) = raw.roots.as_ref().filter(|list| list.value.is_empty()) {
            return Err(self.wrong(list.place, "`roots` is empty: no image would be looked at"));
        }
        let roots = all(&raw.roots).map(|at| self.pattern(&at.value.0, at.place, PathPattern::parse));
        let patterns = |list, parse| {
            all(list).map(|at: &At<raw::ImageGlob>| self.pattern(&at.value.0, at.place, parse)).collect::<Checked<_>>()
        };
        if let (Some(platform), Some(_)) = (&raw.platform, &raw.inventory) {
            let error =
                self.wrong(platform.place, "`platform` beside `inventory`: a list does not say what an image is for");
            return Err(error.with_hint("leave one of them out"));
        }
        let compare = raw.compare.is_none() || self.flag(&raw.compare)?;
        Ok(Images {
            roots: roots.collect::<Checked<_>>()?,
            context: all(&raw.context).map(|at| self.context(at)).collect::<Checked<_>>()?,
            strict: self.flag(&raw.strict)?,
            inventory: raw.inventory.as_ref().map(|at| self.inventory(at, accept)).transpose()?,
            platform: raw.platform.as_ref().map(|at| self.platform(at)).transpose()?,
            compare,
            rewrite: all(&raw.rewrite).map(|at| self.rewrite(&at.value)).collect::<Checked<_>>()?,
            allow: patterns(&raw.allow, ImagePattern::of_host)?,
            deny: patterns(&raw.deny, ImagePattern::of_any_host)?,
            skip: all(&raw.skip).map(|at| self.skip(&at.value)).collect::<Checked<_>>()?,
            realms: all(&raw.realms).map(|at| self.realm(at)).collect::<Checked<_>>()?,
            fields: all(&raw.fields).map(|at| self.field(&at.value)).collect::<Checked<_>>()?,
        })
    }

    fn context(&self, at: &At<raw::Folder>) -> Checked<String> {
        check_folder(&at.value.0).map_err(|bad| self.wrong(at.place, folder_fault(&bad.path, bad.why)))?;
        Ok(at.value.0.clone())
    }

    fn inventory(&self, at: &At<String>, accept: &[Accept]) -> Checked<String> {
        path::check(&at.value)
            .map_err(|bad| self.wrong(at.place, format!("`{}` is no path: {}", bad.path, bad.why)))?;
        let key = collision_key(&at.value);
        let folders = accept.iter().flat_map(|accept| &accept.folders);
        if let Some(folder) = folders.map(|folder| &folder.to).find(|to| is_within(&key, &collision_key(to))) {
            let why = format!("`{}` is in `{folder}`: a release of that folder would bring its own list", at.value);
            return Err(self.wrong(at.place, why).with_hint("keep the list outside of the folders of `accept`"));
        }
        Ok(at.value.clone())
    }

    fn platform(&self, at: &At<raw::Platform>) -> Checked<String> {
        if is_platform(&at.value.0) {
            return Ok(at.value.0.clone());
        }
        let error = self.wrong(at.place, format!("`{}` is not a platform", at.value.0));
        Err(error.with_hint("write it as linux/amd64 or linux/arm/v7"))
    }

    fn rewrite(&self, raw: &raw::Rewrite) -> Checked<Rewrite> {
        let prefix = |at: &At<raw::ImagePrefix>| self.pattern(&at.value.0, at.place, Prefix::parse);
        let (from, to) = (prefix(&raw.from)?, prefix(&raw.to)?);
        if from.is_open() != to.is_open() {
            let error = self.wrong(raw.to.place, "only one of `from` and `to` ends with /**");
            return Err(error.with_hint("what /** stands for in `from` is put in its place in `to`"));
        }
        let tag = raw.tag.as_ref().map(|at| {
            let (from, to) = (&at.value.from, at.value.to.as_ref());
            let rule = TagRule::parse(&from.value, to.map(|to| to.value.as_str()));
            rule.map_err(|why| self.wrong(from.place, format!("`{}` is no rule for tags: {why}", from.value)))
        });
        Ok(Rewrite { from, to, tag: tag.transpose()? })
    }

    fn skip(&self, raw: &raw::Skip) -> Checked<Skip> {
        if raw.reason.value.trim().is_empty() {
            return Err(self.wrong(raw.reason.place, "an empty text gives no reason"));
        }
        let (text, reason) = (&raw.pattern.value.0, &raw.reason.value);
        Skip::parse(text, reason).map_err(|bad| self.no_pattern(text, raw.pattern.place, &bad))
    }

    fn field(&self, raw: &raw::Field) -> Checked<Field> {
        let (group, kind, path) = (&raw.group, &raw.kind, &raw.path);
        for part in [group, kind] {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
            if part.value.is_empty() || !part.value.chars().all(is_plain) {
                return Err(self.wrong(part.place, format!("`{}` is no group or kind", part.value)));
            }
        }
        let keys = path.value.strip_suffix('!').unwrap_or(&path.value);
        if keys.split('.').any(str::is_empty) {
            let error = self.wrong(path.place, format!("`{}` is no path to a field", path.value));
            return Err(error.with_hint("write it as spec.image, spec.steps.[].image or spec.template.spec!"));
        }
        Ok(Field { group: group.value.clone(), kind: kind.value.clone(), path: path.value.clone() })
    }

    fn realm(&self, at: &At<String>) -> Checked<String> {
        if is_host(&at.value) {
            return Ok(reference::with_one_host(&at.value));
        }
        let error = self.wrong(at.place, format!("`{}` is not a host", at.value));
        Err(error.with_hint("write the host alone, such as gitlab.com"))
    }
}

fn all<T>(list: &Option<List<T>>) -> impl Iterator<Item = &At<T>> {
    list.iter().flat_map(|list| &list.value)
}
