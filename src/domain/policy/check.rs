//! From the shape of the file to its meaning: every value parsed once, every rule between values asked.

mod images;

use std::collections::HashMap;
use std::fmt::Display;
use std::time::Duration;

use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};

use super::error::{Kind, PolicyError};
use super::kinds::{At, List, Place, Word, WordOr, Words};
use super::pattern::{BranchPattern, InvalidPattern, PathPattern, PathPatterns, StatusPattern};
use super::raw;
use super::{
    Accept, After, BranchRule, Deliver, Delivery, FolderRule, Freeze, Hold, OverridableGate, Part, Pipeline, Source,
    Stage, Window, WindowKind, parse_duration,
};
use crate::domain::artifact::check_folder;
use crate::domain::id::BranchName;
use crate::domain::path::{self, collision_key, is_within};
use crate::domain::url::RepoUrl;

const DEFAULT_FOLDERS: [&str; 2] = ["apps", "infra"];

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        no_schema: true,
        reject_unsupported_tags: true,
        reject_tagged_field_names: true,
        with_snippet: false,
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 10_000,
            max_replay_stack_depth: 8,
            max_alias_expansions_per_anchor: 1_000,
        },
        budget: serde_saphyr::budget! {
            max_depth: 16,
            flow_nesting_limit: 16,
            // The second one has an error of its own.
            max_documents: 2,
            max_anchors: 100,
            max_aliases: 1_000,
            max_nodes: 100_000,
            max_events: 300_000,
            max_total_scalar_bytes: super::MAX_BYTES,
        },
    }
}

pub(super) fn parse(text: &str) -> Result<Stage, PolicyError> {
    // An editor's byte order mark would count as a column.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let raw: raw::Stage =
        serde_saphyr::from_str_with_options(text, options()).map_err(|error| PolicyError::from_yaml(text, &error))?;
    Check { text }.stage(raw)
}

struct Check<'a> {
    text: &'a str,
}

type Checked<T> = Result<T, PolicyError>;

impl Check<'_> {
    fn wrong(&self, place: Place, message: impl Display) -> PolicyError {
        PolicyError::new(self.text, Kind::Invalid, place, &message.to_string())
    }

    fn stage(&self, raw: raw::Stage) -> Checked<Stage> {
        if raw.version.value.0 != Some(1) {
            let message = "this version of the format is not known";
            return Err(self.wrong(raw.version.place, message).with_hint("write `version: 1`"));
        }
        let deliver = raw.deliver.as_ref().map(|at| self.deliver(at)).transpose()?.unwrap_or_default();
        let stage = self.parsed(&raw.stage.value.0, raw.stage.place)?;
        let repository = self.repository(&raw.repository)?;
        let branch = self.parsed(&raw.branch.value.0, raw.branch.place)?;
        let accept = self.accept_all(&raw.accept, &branch)?;
        let after = match &raw.after {
            Some(list) => self.after_all(list, &raw.stage, &repository, &branch)?,
            None => Vec::new(),
        };
        let freeze = raw.freeze.map(|list| list.value).unwrap_or_default();
        let images = raw.images.map(|images| self.images(&images.value, &accept)).transpose()?;
        Ok(Stage {
            stage,
            repository,
            branch,
            accept,
            after,
            order: self.maybe(&raw.order)?,
            deliver,
            drift: self.maybe(&raw.drift)?.unwrap_or_default(),
            hold: raw.hold.map(|hold| self.hold(&hold.value)).transpose()?,
            images,
            freeze: freeze.into_iter().map(|entry| self.freeze(entry)).collect::<Checked<_>>()?,
            override_allow: self.overrides(raw.overrides.as_ref().and_then(|o| o.value.allow.as_ref()))?,
        })
    }

    fn word<T: Words>(&self, text: &str, place: Place) -> Checked<T::Target> {
        T::of(text).ok_or_else(|| PolicyError::unknown_value(self.text, place, text, T::WORDS))
    }

    fn maybe<T: Words>(&self, raw: &Option<At<Word<T>>>) -> Checked<Option<T::Target>> {
        raw.as_ref().map(|at| self.word::<T>(&at.value.0, at.place)).transpose()
    }

    fn flag(&self, raw: &Option<At<raw::Flag>>) -> Checked<bool> {
        match raw {
            None => Ok(false),
            Some(at) => at.value.0.ok_or_else(|| self.wrong(at.place, "true or false is expected")),
        }
    }

    fn parsed<T: std::str::FromStr<Err: Display>>(&self, text: &str, place: Place) -> Checked<T> {
        text.parse().map_err(|why| self.wrong(place, why))
    }

    fn repository(&self, raw: &At<raw::Repository>) -> Checked<RepoUrl> {
        let text = raw.value.0.as_str();
        let url = if text.starts_with('/') { RepoUrl::from_path(text) } else { text.parse() };
        url.map_err(|why| self.wrong(raw.place, why))
    }

    fn duration(&self, raw: &At<raw::Time>) -> Checked<Duration> {
        parse_duration(&raw.value.0).map_err(|why| {
            self.wrong(raw.place, format!("`{}` is not a duration: {why}", raw.value.0))
                .with_hint("durations look like 0s, 30m, 1h30m or 2d")
        })
    }

    fn pattern<T>(&self, text: &str, place: Place, parse: fn(&str) -> Result<T, InvalidPattern>) -> Checked<T> {
        parse(text).map_err(|bad| self.no_pattern(text, place, &bad))
    }

    fn no_pattern(&self, text: &str, place: Place, bad: &InvalidPattern) -> PolicyError {
        let error = self.wrong(place, format!("`{text}` is not a pattern: {}", bad.why));
        bad.hint.iter().fold(error, |error, hint| error.with_hint(hint))
    }

    fn accept_all(&self, list: &List<raw::Accept>, branch: &BranchName) -> Checked<Vec<Accept>> {
        let mut units: HashMap<String, (&str, usize)> = HashMap::new();
        // Every folder so far: its folded form, its spelling, its unit and line.
        let mut owned: Vec<(String, String, String, usize)> = Vec::new();
        let mut accepted = Vec::new();
        for raw in &list.value {
            let name = raw.value.unit.value.0.as_str();
            let former = raw.value.was.iter().flat_map(|list| &list.value);
            for unit in std::iter::once(&raw.value.unit).chain(former) {
                let name = unit.value.0.as_str();
                if let Some((other, line)) = units.insert(collision_key(name), (name, unit.place.line)) {
                    return Err(self.wrong(
                        unit.place,
                        if other == name {
                            format!("the unit `{name}` is accepted twice, first in line {line}")
                        } else {
                            format!("the units `{name}` and `{other}` (line {line}) differ in case only")
                        },
                    ));
                }
            }
            let (accept, places) = self.accept(&raw.value, branch)?;
            for (folder, place) in accept.folders.iter().zip(places) {
                let key = collision_key(&folder.to);
                let clash = owned.iter().find(|(other, ..)| is_within(&key, other) || is_within(other, &key));
                if let Some((_, other, of, line)) = clash {
                    let whose = if of == name { "of this unit".to_owned() } else { format!("of unit `{of}`") };
                    let message = format!("the folder `{}` overlaps `{other}` {whose} (line {line})", folder.to);
                    return Err(self.wrong(place, message));
                }
                owned.push((key, folder.to.clone(), name.to_owned(), place.line));
            }
            accepted.push(accept);
        }
        Ok(accepted)
    }

    fn accept(&self, raw: &raw::Accept, branch: &BranchName) -> Checked<(Accept, Vec<Place>)> {
        let source = match raw.source.value.0.as_str() {
            "self" => Source::SelfRepository,
            _ => Source::Repository(self.repository(&raw.source)?),
        };
        let is_self = source == Source::SelfRepository;
        let (folders, places) = self.folders(raw, is_self)?;
        let former = raw.was.iter().flat_map(|list| &list.value);
        let accept = Accept {
            unit: self.parsed(&raw.unit.value.0, raw.unit.place)?,
            was: former.map(|at| self.parsed(&at.value.0, at.place)).collect::<Checked<_>>()?,
            retire: self.flag(&raw.retire)?,
            branches: self.branches(raw, is_self.then_some(branch))?,
            local: self.local(raw, &folders)?,
            source,
            folders,
        };
        Ok((accept, places))
    }

    fn branches(&self, raw: &raw::Accept, own: Option<&BranchName>) -> Checked<Vec<BranchRule>> {
        let Some(list) = &raw.branches else {
            return match own {
                Some(branch) => {
                    Ok(vec![BranchRule { pattern: BranchPattern::exactly(branch), order: None, soak: None }])
                }
                None => Err(self
                    .wrong(raw.unit.place, format!("the key `branches` is missing for unit `{}`", raw.unit.value.0))
                    .with_hint("name the source's protected branches: `branches: [main]`")),
            };
        };
        if list.value.is_empty() {
            return Err(self.wrong(list.place, "`branches` is empty: no commit could ever be released"));
        }
        let rules = list.value.iter().map(|at| match &at.value {
            WordOr::Word(text) => {
                let pattern = self.pattern(&text.0, at.place, BranchPattern::parse)?;
                Ok(BranchRule { pattern, order: None, soak: None })
            }
            WordOr::Map(rule) => Ok(BranchRule {
                pattern: self.pattern(&rule.pattern.value.0, rule.pattern.place, BranchPattern::parse)?,
                order: self.maybe(&rule.order)?,
                soak: rule.soak.as_ref().map(|soak| self.duration(soak)).transpose()?,
            }),
        });
        let rules: Vec<BranchRule> = rules.collect::<Checked<_>>()?;
        match own {
            Some(branch) if !rules.iter().any(|rule| rule.pattern.matches(branch)) => Err(self
                .wrong(list.place, format!("`source: self` means the branch `{branch}`, which is not among these"))
                .with_hint("remove `branches`")),
            _ => Ok(rules),
        }
    }

    fn folders(&self, raw: &raw::Accept, is_self: bool) -> Checked<(Vec<FolderRule>, Vec<Place>)> {
        let Some(list) = &raw.folders else {
            let rule = |name: &str| FolderRule { from: name.to_owned(), to: name.to_owned() };
            return Ok((DEFAULT_FOLDERS.map(rule).to_vec(), vec![raw.unit.place; DEFAULT_FOLDERS.len()]));
        };
        if list.value.is_empty() {
            return Err(self.wrong(list.place, "`folders` is empty: the unit would own nothing"));
        }
        let mut rules = Vec::new();
        let mut places = Vec::new();
        for at in &list.value {
            let (from, to, place) = match &at.value {
                WordOr::Word(to) => (&to.0, &to.0, at.place),
                WordOr::Map(map) => {
                    path::check(&map.from.value)
                        .map_err(|bad| self.wrong(map.from.place, folder_fault(&bad.path, bad.why)))?;
                    if is_self && map.from.value != map.to.value.0 {
                        return Err(self.wrong(map.from.place, "`source: self` cannot map folders"));
                    }
                    (&map.from.value, &map.to.value.0, map.to.place)
                }
            };
            check_folder(to).map_err(|bad| self.wrong(place, folder_fault(&bad.path, bad.why)))?;
            rules.push(FolderRule { from: from.clone(), to: to.clone() });
            places.push(place);
        }
        Ok((rules, places))
    }

    fn local(&self, raw: &raw::Accept, folders: &[FolderRule]) -> Checked<PathPatterns> {
        let patterns = raw.local.iter().flat_map(|list| &list.value).map(|at| {
            let pattern = self.pattern(&at.value.0, at.place, PathPattern::parse)?;
            if folders.iter().any(|folder| pattern.is_within(&folder.to)) {
                return Ok(pattern);
            }
            let names: Vec<String> = folders.iter().map(|folder| format!("`{}/`", folder.to)).collect();
            Err(self
                .wrong(at.place, format!("`{pattern}` does not lie in a folder of unit `{}`", raw.unit.value.0))
                .with_hint(&format!("it begins with {}", names.join(" or "))))
        });
        patterns.collect()
    }

    fn after_all(
        &self,
        list: &List<raw::After>,
        own: &At<raw::Name>,
        repository: &RepoUrl,
        branch: &BranchName,
    ) -> Checked<Vec<After>> {
        let mut stages: HashMap<String, usize> = HashMap::new();
        let mut all: Vec<After> = Vec::new();
        for raw in list.value.iter().map(|at| &at.value) {
            let (name, place) = (raw.stage.value.0.as_str(), raw.stage.place);
            if collision_key(name) == collision_key(&own.value.0) {
                return Err(self.wrong(place, format!("the stage `{name}` comes after itself")));
            }
            if let Some(line) = stages.insert(collision_key(name), place.line) {
                return Err(self.wrong(place, format!("the stage `{name}` stands here twice, first in line {line}")));
            }
            let after = self.after(raw)?;
            if after.repository == *repository && after.branch == *branch {
                let message = format!("the stage `{name}` has this stage's own repository and branch");
                return Err(self.wrong(raw.repository.place, message));
            }
            if let Some(same) = all.iter().find(|a| a.repository == after.repository && a.branch == after.branch) {
                let message = format!("the stages `{name}` and `{}` have the same repository and branch", same.stage);
                return Err(self.wrong(raw.repository.place, message));
            }
            all.push(after);
        }
        Ok(all)
    }

    fn after(&self, raw: &raw::After) -> Checked<After> {
        let statuses = raw.statuses.iter().flat_map(|list| &list.value);
        Ok(After {
            stage: self.parsed(&raw.stage.value.0, raw.stage.place)?,
            repository: self.repository(&raw.repository)?,
            branch: self.parsed(&raw.branch.value.0, raw.branch.place)?,
            require: self.maybe(&raw.require)?.unwrap_or_default(),
            soak: raw.soak.as_ref().map(|soak| self.duration(soak)).transpose()?.unwrap_or_default(),
            statuses: statuses
                .map(|at| self.pattern(&at.value.0, at.place, StatusPattern::parse))
                .collect::<Checked<_>>()?,
            pipeline: raw.pipeline.as_ref().map(|pipeline| self.pipeline(pipeline)).transpose()?,
            accept_overrides: self.flag(&raw.accept_overrides)?,
        })
    }

    fn pipeline(&self, at: &At<raw::Pipeline>) -> Checked<Pipeline> {
        let raw = &at.value;
        let named: Vec<(&At<String>, Part)> = [
            raw.job.as_ref().map(|at| (at, Part::Job(at.value.clone()))),
            raw.deployment.as_ref().map(|at| (at, Part::Deployment(at.value.clone()))),
            raw.stage.as_ref().map(|at| (at, Part::Stage(at.value.clone()))),
            raw.release_environment.as_ref().map(|at| (at, Part::ReleaseEnvironment(at.value.clone()))),
        ]
        .into_iter()
        .flatten()
        .collect();
        let (name, part) = match named.as_slice() {
            [(name, part)] => (name, part),
            [_, (second, _), ..] => {
                let message = "only one part of a run can be asked about";
                return Err(self.wrong(second.place, message).with_hint("remove this, or the other"));
            }
            [] => {
                return Err(self.wrong(at.place, "it names no part of a run").with_hint(
                    "name a `job` or a `deployment` on GitHub, a `stage` or a `release-environment` on Azure DevOps",
                ));
            }
        };
        if name.value.trim().is_empty() || name.value.chars().any(char::is_control) {
            return Err(self.wrong(name.place, "it is empty, or has a control character"));
        }
        Ok(Pipeline {
            repository: self.repository(&raw.repository)?,
            run: self.maybe(&raw.run)?.unwrap_or_default(),
            part: part.clone(),
        })
    }

    fn deliver(&self, raw: &At<WordOr<Word<raw::Delivery>, raw::Deliver>>) -> Checked<Deliver> {
        let one = |at| self.maybe(at).map(Option::unwrap_or_default);
        let map = match &raw.value {
            WordOr::Map(map) => map,
            WordOr::Word(word) => {
                let all = self.word::<raw::Delivery>(&word.0, raw.place)?;
                return Ok(Deliver { release: all, mark: all, rollback: all, ..Deliver::default() });
            }
        };
        let deliver = Deliver {
            release: one(&map.release)?,
            mark: one(&map.mark)?,
            rollback: one(&map.rollback)?,
            labels: self.named(map.labels.as_ref())?,
            reviewers: self.named(map.reviewers.as_ref())?,
            auto_merge: self.maybe(&map.auto_merge)?,
        };
        let lists = [&map.labels, &map.reviewers].into_iter().flatten().map(|list| list.place);
        let of_pulls = lists.chain(map.auto_merge.as_ref().map(|word| word.place)).next();
        if let Some(place) = of_pulls
            && ![deliver.release, deliver.mark, deliver.rollback].contains(&Delivery::PullRequest)
        {
            let error = self.wrong(place, "nothing is delivered by pull request, so this would say nothing");
            return Err(error.with_hint("add `release: pull-request`, or leave it out"));
        }
        Ok(deliver)
    }

    // Names as a forge has them; a comma or white space around one would never be found there.
    fn named(&self, list: Option<&List<raw::Named>>) -> Checked<Vec<String>> {
        let names = list.iter().flat_map(|list| &list.value);
        names
            .map(|at| {
                let name = &at.value.0;
                let is_one = !name.is_empty() && name.trim() == name && name.chars().count() <= 100;
                if is_one && !name.chars().any(|c| c == ',' || c.is_control()) {
                    Ok(name.clone())
                } else {
                    Err(self.wrong(at.place, "a name has 1 to 100 characters, no comma and no white space around it"))
                }
            })
            .collect()
    }

    fn overrides(&self, allow: Option<&List<Word<raw::Gate>>>) -> Checked<Vec<OverridableGate>> {
        let gates = allow.iter().flat_map(|list| &list.value);
        gates.map(|at| self.word::<raw::Gate>(&at.value.0, at.place)).collect()
    }

    fn hold(&self, raw: &raw::Hold) -> Checked<Hold> {
        if raw.branches.value.is_empty() {
            return Err(self.wrong(raw.branches.place, "`for` is empty: no release would hold the stage"));
        }
        let branches = raw.branches.value.iter();
        let branches = branches.map(|at| self.pattern(&at.value.0, at.place, BranchPattern::parse));
        Ok(Hold { branches: branches.collect::<Checked<_>>()?, max: self.duration(&raw.max)? })
    }

    fn freeze(&self, entry: At<WordOr<String, raw::Freeze>>) -> Checked<Freeze> {
        let raw = match entry.value {
            WordOr::Word(reason) => return Ok(Freeze::stop(reason)),
            WordOr::Map(raw) => raw,
        };
        let kind = self.maybe(&raw.kind)?.unwrap_or_default();
        let window = match (&raw.from, &raw.until, &raw.cron, &raw.length, &raw.zone) {
            (Some(from), Some(until), None, None, Some(zone)) => Some(self.once(from, until, zone)?),
            (None, None, Some(cron), Some(length), Some(zone)) => Some(self.repeating(cron, length, zone)?),
            (None, None, None, None, None) if raw.reason.is_some() && kind == WindowKind::Deny => None,
            _ => {
                return Err(self
                    .wrong(entry.place, "it is no freeze")
                    .with_hint("give `from`, `until` and `zone`; or `cron`, `for` and `zone`; or a `reason` alone"));
            }
        };
        Ok(Freeze {
            reason: raw.reason.as_ref().map(|reason| reason.value.clone()),
            window,
            kind,
            rollbacks: self.flag(&raw.rollbacks)?,
            marks: self.flag(&raw.marks)?,
        })
    }

    fn once(&self, from: &At<raw::LocalTime>, until: &At<raw::LocalTime>, zone: &At<raw::Zone>) -> Checked<Window> {
        let tz = self.zone(zone)?;
        let moment = |at: &At<raw::LocalTime>| -> Checked<i64> {
            let zoned = self.local_time(at)?.to_zoned(tz.clone());
            zoned.map(|zoned| zoned.timestamp().as_second()).map_err(|why| self.wrong(at.place, why))
        };
        let (begins, ends) = (moment(from)?, moment(until)?);
        if ends <= begins {
            return Err(self.wrong(until.place, "`until` is not later than `from`"));
        }
        Ok(Window::Once { from: begins, until: ends, zone: zone.value.0.clone() })
    }

    fn repeating(&self, cron: &At<raw::Cron>, length: &At<raw::Time>, zone: &At<raw::Zone>) -> Checked<Window> {
        self.zone(zone)?;
        let seconds = i64::try_from(self.duration(length)?.as_secs()).unwrap_or(i64::MAX);
        if seconds == 0 {
            return Err(self.wrong(length.place, "a window of no length never holds"));
        }
        let window = Window::Repeating { cron: cron.value.0.clone(), seconds, zone: zone.value.0.clone() };
        window.check().map_err(|why| {
            self.wrong(cron.place, format!("`{}` is not a repeating time: {why}", cron.value.0))
                .with_hint("write minute, hour, day of month, month and day of week, such as 0 15 * * FRI")
        })?;
        Ok(window)
    }

    fn zone(&self, at: &At<raw::Zone>) -> Checked<jiff::tz::TimeZone> {
        let known = at.value.0.chars().all(|c| c.is_ascii_alphanumeric() || "_+/-".contains(c));
        known.then(|| jiff::tz::TimeZone::get(&at.value.0).ok()).flatten().ok_or_else(|| {
            self.wrong(at.place, format!("`{}` is not a time zone", at.value.0))
                .with_hint("write its IANA name, such as Europe/Berlin, or UTC")
        })
    }

    fn local_time(&self, at: &At<raw::LocalTime>) -> Checked<jiff::civil::DateTime> {
        let shaped = at.value.0.len() >= 16 && at.value.0.as_bytes().get(10) == Some(&b'T');
        let parsed = shaped.then(|| at.value.0.parse().ok()).flatten();
        parsed.ok_or_else(|| {
            self.wrong(at.place, format!("`{}` is not a local time", at.value.0))
                .with_hint("write it as 2026-12-20T18:00")
        })
    }
}

fn folder_fault(folder: &str, why: &str) -> String {
    // What people write most often, in their words instead of the checker's.
    let why = match folder {
        "" | "." | "./" | "/" => "it is the root of the repository",
        _ if folder.ends_with('/') => "it ends with a slash",
        _ => why,
    };
    format!("the folder `{folder}` is refused: {why}")
}
