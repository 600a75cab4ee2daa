//! Where references are gathered, each in its normal form with its places.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::fields::Field;
use super::node::{At, Node, Style, Trust, Value};
use super::{Class, Confidence, helm, reference, yaml};

/// What is said of what is no text where one must stand.
pub(super) const NUMBER: &str = "it is a number without quotes, which the cluster refuses: quote it";

// Longest reference that is shown whole; hosts, names, tags and digests have at most 255, 255, 128 and 135 bytes.
const LONGEST: usize = 1024;

// Most objects within each other that are looked at as objects.
const MAX_DEPTH: usize = 4;

/// One reference at one place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Hit {
    /// What it names.
    pub(super) class: Class,
    /// Its normal form, or what is known of it.
    pub(super) reference: String,
    /// How sure it is.
    pub(super) confidence: Confidence,
    /// Every place that made it.
    pub(super) places: Vec<At>,
    /// What is to be said of it.
    pub(super) note: Option<String>,
}

/// The references of one root.
#[derive(Debug, Default)]
pub(super) struct Sink {
    // Each, and whether it is of what is judged.
    hits: Vec<(Hit, bool)>,
    // Where each of them is among the hits.
    seen: HashMap<Hit, usize>,
    // What is looked at, whether that is judged, and what it deploys.
    workload: Option<String>,
    is_ours: bool,
    deployed: BTreeSet<(String, String)>,
    // Fields of custom resources that somebody named.
    fields: Arc<[Field]>,
    /// Image streams whose names are looked up.
    pub(super) streams: HashSet<String>,
    // How many objects within objects this is.
    depth: usize,
}

impl Sink {
    /// One that knows somebody's own fields too.
    pub(super) fn knowing(fields: &Arc<[Field]>) -> Self {
        Self { fields: Arc::clone(fields), ..Self::default() }
    }

    /// One for an object within an object; None: that would be too deep.
    pub(super) fn within(&self) -> Option<Self> {
        let depth = self.depth + 1;
        (depth <= MAX_DEPTH).then(|| Self { depth, ..Self::knowing(&self.fields) })
    }

    /// Fields of custom resources that somebody named.
    pub(super) fn fields(&self) -> Arc<[Field]> {
        Arc::clone(&self.fields)
    }

    /// What comes is of this object.
    pub(super) fn about(&mut self, object: &Node) {
        let space = if object.namespace().is_empty() { String::new() } else { format!("{}/", object.namespace()) };
        self.workload = Some(format!("{} {space}{}", object.kind(), object.name()));
    }

    /// What comes is of something by this name.
    pub(super) fn named(&mut self, name: &str) {
        self.workload = Some(name.to_owned());
    }

    /// Whether what comes is of what is judged.
    pub(super) fn judged(&mut self, is_ours: bool) {
        self.is_ours = is_ours;
    }

    /// Which object deploys what.
    pub(super) fn deployed(&self) -> impl Iterator<Item = (&str, &str)> {
        self.deployed.iter().map(|(workload, reference)| (workload.as_str(), reference.as_str()))
    }

    /// What was gathered.
    pub(super) fn hits(self) -> Vec<Hit> {
        self.hits.into_iter().map(|(hit, _)| hit).collect()
    }

    /// The same, and whether it is of what is judged.
    pub(super) fn told(self) -> Vec<(Hit, bool)> {
        self.hits
    }

    /// One more.
    pub(super) fn push(&mut self, hit: Hit) {
        let mut hit = hit;
        let is_address = matches!(hit.class, Class::Chart | Class::Oci);
        if let Some(bare) = reference::without_user(&hit.reference, is_address) {
            hit.reference = bare;
        }
        if hit.reference.len() > LONGEST {
            hit.reference = hit.reference.chars().take(LONGEST).chain(['…']).collect();
            hit.confidence = hit.confidence.max(Confidence::Unresolved);
            hit.note = hit.note.or_else(|| Some("it is longer than the name of any image".to_owned()));
        }
        let mut seen = HashSet::new();
        hit.places.retain(|at| seen.insert(*at));
        let is_named =
            !matches!(hit.confidence, Confidence::Opaque | Confidence::Unreadable) && hit.class != Class::Watch;
        if let Some(workload) = self.workload.as_ref().filter(|_| is_named) {
            self.deployed.insert((workload.clone(), hit.reference.clone()));
        }
        match self.seen.entry(hit) {
            Entry::Occupied(known) => {
                let known = self.hits.get_mut(*known.get());
                known.into_iter().for_each(|(_, is_ours)| *is_ours |= self.is_ours);
            }
            Entry::Vacant(new) => {
                self.hits.push((new.key().clone(), self.is_ours));
                new.insert(self.hits.len() - 1);
            }
        }
    }

    /// An image that this field certainly names: what is no image name is reported as it stands.
    pub(super) fn image(&mut self, node: &Node, at_least: Trust) {
        self.image_of(Class::Image, node, at_least, None);
    }

    /// The same for another class, with a note.
    pub(super) fn image_of(&mut self, class: Class, node: &Node, at_least: Trust, note: Option<&str>) {
        let Some(text) = node.as_str().filter(|text| !text.trim().is_empty()) else { return };
        let places = node.places().collect();
        let trust = node.trust.max(at_least);
        let is_number = is_no_text(node);
        let known = if is_open(text) || is_number { None } else { reference::normalise(text) };
        let (reference, confidence, oddity) = match known {
            Some(known) => (known.text, Confidence::from(trust), known.oddity),
            None if is_number => (text.trim().to_owned(), Confidence::Unresolved, Some(NUMBER)),
            None if is_open(text) => (text.trim().to_owned(), Confidence::Unresolved, None),
            None => (text.trim().to_owned(), Confidence::Unresolved, Some("it is not the name of an image")),
        };
        self.push(Hit { class, reference, confidence, places, note: oddity.or(note).map(str::to_owned) });
    }

    /// An image, if the text may well be one.
    pub(super) fn plausible(&mut self, node: &Node) {
        let Some(text) = node.as_str() else { return };
        if is_plausible(text) || (is_open(text) && is_plausible(&reference::filled(text))) {
            self.image(node, Trust::Inferred);
        }
    }

    /// An artifact that a text names by `oci://`, if it says which one.
    pub(super) fn artifact(&mut self, node: &Node) {
        let bare = node.as_str().and_then(|text| text.strip_prefix("oci://")).filter(|text| is_literal(text));
        if let Some(bare) = bare {
            let mut node = node.clone();
            node.rewrite(bare, []);
            self.image_of(Class::Oci, &node, Trust::Inferred, None);
        }
    }

    /// Something that cannot be looked into.
    pub(super) fn closed(&mut self, what: &str, confidence: Confidence, places: Vec<At>, note: &str) {
        let (class, reference) = (Class::Image, what.to_owned());
        self.push(Hit { class, reference, confidence, places, note: Some(note.to_owned()) });
    }
}

/// Whether it is a scalar without quotes that is a number or a truth: neither the cluster nor kustomize takes it for a text.
pub(super) fn is_no_text(node: &Node) -> bool {
    let Value::Text(text, Style::Plain) = &node.value else { return false };
    text.parse::<f64>().is_ok() || helm::as_number(text).is_some() || yaml::as_truth(text).is_some()
}

/// Whether a text has a part that is to be filled in by somebody, or that nobody knows.
pub(super) fn is_open(text: &str) -> bool {
    text.contains(['$', '{', '<', '?'])
}

/// Whether a text reads like an image: a path or a tag, and nothing that names have not.
pub(super) fn is_plausible(text: &str) -> bool {
    !text.contains("://")
        && !is_server(text)
        && !text.starts_with(['/', '.'])
        && !is_file(text)
        && (text.contains('/') || reference::is_pinned(text))
        && !text.chars().all(|c| c.is_ascii_digit() || c == ':' || c == '.')
        && reference::normalise(text).is_some()
}

// Whether a text is a picture or the image of a machine.
fn is_file(text: &str) -> bool {
    const KINDS: &[&str] = &[
        "avif", "gif", "ico", "img", "iso", "jpeg", "jpg", "ova", "png", "qcow2", "raw", "svg", "vhd", "vmdk", "webp",
        "xz",
    ];
    let is_kind = |kind: &str| KINDS.iter().any(|known| kind.eq_ignore_ascii_case(known));
    let is_of_cloud = text.starts_with("projects/") && text.contains("/images/");
    is_of_cloud || (!reference::is_pinned(text) && text.rsplit_once('.').is_some_and(|(_, kind)| is_kind(kind)))
}

// Whether a text is a host with a port, and no name with a tag.
fn is_server(text: &str) -> bool {
    text.split_once(':').is_some_and(|(host, port)| {
        (host.contains('.') || host == "localhost")
            && !host.contains('/')
            && !port.is_empty()
            && port.bytes().all(|b| b.is_ascii_digit())
    })
}

/// Whether a text can hardly be anything but an image: host, path and a tag or digest.
pub(super) fn is_literal(text: &str) -> bool {
    is_plausible(text) && reference::has_host(text) && reference::is_pinned(text)
}
