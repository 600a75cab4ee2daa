//! A reference in the one form in which registries are asked for it.

/// As long as a tag may be.
pub const LONGEST_TAG: usize = 128;

/// What was made of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Host, path, tag and digest; `:latest` where neither was said.
    pub text: String,
    /// What is odd about how it was written.
    pub oddity: Option<&'static str>,
}

/// Name, tag and digest of a text, as kustomize takes it apart.
pub fn split(text: &str) -> (&str, Option<&str>, Option<&str>) {
    let (rest, digest) = text.split_once('@').map_or((text, None), |(rest, digest)| (rest, Some(digest)));
    let from = rest.rfind('/').map_or(0, |slash| slash + 1);
    match rest.get(from..).and_then(|last| last.rfind(':')) {
        // A port without a path is no tag: `[fd00::1]` alone is no name either.
        Some(colon) => {
            let (name, tag) = rest.split_at(from + colon);
            (name, Some(tag.trim_start_matches(':')), digest)
        }
        None => (rest, None, digest),
    }
}

/// The opposite of [`split`].
pub fn join(name: &str, tag: Option<&str>, digest: Option<&str>) -> String {
    let mut text = name.to_owned();
    if let Some(tag) = tag.filter(|tag| !tag.is_empty()) {
        text = format!("{text}:{tag}");
    }
    if let Some(digest) = digest.filter(|digest| !digest.is_empty()) {
        text = format!("{text}@{digest}");
    }
    text
}

/// The normal form of a text; None: it names no image.
pub fn normalise(text: &str) -> Option<Reference> {
    let trimmed = text.trim();
    let (name, tag, digest) = split(trimmed);
    let (host, path) = match name.split_once('/') {
        Some((first, rest)) if is_host(first) => (first, rest),
        _ => ("docker.io", name),
    };
    if !is_sound_host(host) || path.is_empty() || path.len() > 255 || !path.split('/').all(is_component) {
        return None;
    }
    if !tag.is_none_or(is_tag) || !digest.is_none_or(is_digest) {
        return None;
    }
    let host = if host == "index.docker.io" { "docker.io" } else { host };
    let library = if host == "docker.io" && !path.contains('/') { "library/" } else { "" };
    let tag = tag.or(if digest.is_none() { Some("latest") } else { None });
    let oddity = if trimmed != text {
        Some("blanks around it, which the kubelet refuses")
    } else if host.chars().any(|c| c.is_ascii_uppercase()) {
        Some("its upper-case first part is taken for a host")
    } else {
        None
    };
    Some(Reference { text: join(&format!("{host}/{library}{path}"), tag, digest), oddity })
}

/// The normal form of a line of a list, which may name a chart by a version that has a sign which tags have not.
pub fn listed(line: &str) -> Option<String> {
    let known = normalise(line).or_else(|| normalise(&line.replace('+', "_")));
    known.map(|known| known.text)
}

/// The same reference, or pattern of references, with its host as it is compared: registries have several names for one.
pub fn with_one_host(text: &str) -> String {
    const HUB: &[&str] = &["index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"];
    let from = text.find("://").map_or(0, |at| at + 3);
    let (scheme, bare) = text.split_at(from);
    let (first, rest) = bare.split_at(bare.find('/').unwrap_or(bare.len()));
    let first = if from > 0 { first.rsplit('@').next().unwrap_or(first) } else { first };
    if !is_host(first) {
        return text.to_owned();
    }
    let host = match first.rsplit_once(':') {
        Some((name, port)) => format!("{name}:{}", port.trim_start_matches('0')),
        None => first.to_owned(),
    };
    let host = host.to_ascii_lowercase();
    // Where the port is the one of https, and https is what is spoken.
    let host = host.strip_suffix(":443").filter(|name| *name != "localhost" && !name.contains(':')).unwrap_or(&host);
    let host = if HUB.contains(&host) { "docker.io" } else { host };
    format!("{scheme}{host}{rest}")
}

/// An address without its user and password, which are nobody's to read; None: it has none. The name that ssh takes is no
/// secret, and neither is one without a password where no scheme says what it is, unless it `is_address` all the same.
pub(super) fn without_user(text: &str, is_address: bool) -> Option<String> {
    let (scheme, rest) = text.split_at(text.find("://").map_or(0, |at| at + 3));
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#'])?);
    let (user, host) = authority.rsplit_once('@').filter(|(user, _)| !user.is_empty())?;
    let is_open = scheme.ends_with("ssh://") || (scheme.is_empty() && !is_address);
    (user.contains(':') || !is_open).then(|| format!("{scheme}{host}{tail}"))
}

/// A text with its open parts filled in somehow, so that what is known of it can be looked at.
pub fn filled(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${").into_iter().chain(rest.find("$(")).min() {
        out.push_str(rest.get(..at).unwrap_or_default());
        out.push('x');
        rest = rest.get(at..).and_then(|tail| tail.split_once(['}', ')'])).map_or("", |(_, tail)| tail);
    }
    out.push_str(rest);
    let text = out.replace('?', "x");
    let (mut out, mut rest) = (String::new(), text.as_str());
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        out.push('x');
        rest = after.split_once("}}").map_or("", |(_, after)| after);
    }
    out + rest
}

/// Whether the text names a tag or a digest.
pub(super) fn is_pinned(text: &str) -> bool {
    let (_, tag, digest) = split(text);
    tag.is_some() || digest.is_some()
}

/// Whether the first part of the text is a host that could be asked.
pub(super) fn has_host(text: &str) -> bool {
    let name = split(text).0;
    name.split_once('/')
        .is_some_and(|(first, _)| is_host(first) && (first == "localhost" || first.contains(['.', ':'])))
}

/// Whether a text can be a tag.
pub fn is_tag(tag: &str) -> bool {
    let is_first = |c: char| c.is_ascii_alphanumeric() || c == '_';
    tag.len() <= LONGEST_TAG
        && tag.starts_with(is_first)
        && tag.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

/// Whether a text can be a digest.
pub fn is_digest(digest: &str) -> bool {
    digest.split_once(':').is_some_and(|(algorithm, hex)| {
        !algorithm.is_empty()
            && algorithm.chars().all(|c| c.is_ascii_alphanumeric() || "+._-".contains(c))
            && hex.len() >= 32
            && hex.chars().all(|c| c.is_ascii_hexdigit())
    })
}

/// Whether a text is the name of a host, with or without a port.
pub fn is_host_name(text: &str) -> bool {
    is_host(text) && is_sound_host(text)
}

fn is_host(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost" || first.chars().any(|c| c.is_ascii_uppercase())
}

fn is_sound_host(host: &str) -> bool {
    let (name, port) = if host.starts_with('[') {
        let Some((name, rest)) = host.split_once(']') else { return false };
        (name.trim_start_matches('['), rest.strip_prefix(':'))
    } else {
        host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port)))
    };
    let is_name = if host.starts_with('[') {
        name.contains(':') && name.chars().all(|c| c.is_ascii_hexdigit() || c == ':')
    } else {
        name.split('.').all(|part| {
            !part.is_empty()
                && !part.starts_with('-')
                && !part.ends_with('-')
                && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        })
    };
    is_name && port.is_none_or(|port| !port.is_empty() && port.len() <= 5 && port.chars().all(|c| c.is_ascii_digit()))
}

// Runs of lower-case letters and digits, joined by one dot, one or two low lines, or dashes.
fn is_component(part: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_joint = |joint: &str| matches!(joint, "." | "_" | "__") || joint.chars().all(|c| c == '-');
    part.starts_with(is_plain)
        && part.ends_with(is_plain)
        && part.split(is_plain).filter(|joint| !joint.is_empty()).all(is_joint)
}

#[cfg(test)]
mod tests {
    use super::without_user;

    #[test]
    fn users_and_passwords_are_left_out() {
        for (text, is_address, wanted) in [
            ("https://me:secret@e.io/x", false, Some("https://e.io/x")),
            ("https://token@e.io/x//y?ref=a@b", false, Some("https://e.io/x//y?ref=a@b")),
            ("git::https://me:secret@e.io/x", false, Some("git::https://e.io/x")),
            ("me:secret@e.io/charts/web:1", true, Some("e.io/charts/web:1")),
            ("token@e.io/charts/web:1", true, Some("e.io/charts/web:1")),
            ("me:secret@e.io/x:1", false, Some("e.io/x:1")),
            ("ssh://git:secret@e.io/x", false, Some("ssh://e.io/x")),
            ("ssh://git@e.io/x", false, None),
            ("git@e.io:x/y", false, None),
            ("@alias/web:1", true, None),
            ("https://e.io/x@y", false, None),
            ("e.io/x:1@sha256:00", false, None),
            ("nginx:1@sha256:00", false, None),
        ] {
            assert_eq!(without_user(text, is_address).as_deref(), wanted, "{text}");
        }
    }
}
