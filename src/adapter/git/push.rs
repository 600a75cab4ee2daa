//! What a server means by its answer to a push.

use crate::port::PushAnswer;

// Words by which git, GitHub, GitLab and Azure DevOps say that another push was first.
const MOVED: &[&str] = &[
    "fetch first",
    "non-fast-forward",
    "cannot lock ref",
    "incorrect old value",
    "stale info",
    "failed to update ref",
    "TF401028",
    "reference already exists",
    "failed to lock",
];

/// Reads the porcelain output and the error text of `git push`.
pub(super) fn answer(success: bool, stdout: &str, stderr: &str) -> PushAnswer {
    if success {
        return PushAnswer::Done;
    }
    let refused = stdout.lines().find(|line| line.starts_with('!'));
    let Some(refused) = refused else { return PushAnswer::Lost(stderr.trim().to_owned()) };
    let said = remote_words(refused, stderr);
    // A hook may say anything; only git's own reason tells a race, and Azure DevOps says it by its number.
    let declined = refused.contains("hook declined");
    if !declined && (MOVED.iter().any(|word| refused.contains(word)) || stderr.contains("TF401028")) {
        return PushAnswer::Moved;
    }
    if refused.contains("remote failure")
        || refused.contains("remote unpack failed")
        || refused.contains("unpacker error")
    {
        return PushAnswer::Lost(said);
    }
    PushAnswer::Rejected(said)
}

fn remote_words(refused: &str, stderr: &str) -> String {
    let mut lines: Vec<&str> = stderr
        .lines()
        .filter_map(|line| line.strip_prefix("remote:"))
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    if let Some(reason) = refused.rsplit('\t').next() {
        lines.push(reason);
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart() {
        let line = |reason: &str| format!("To x\n!\tabc:refs/heads/main\t{reason}\n");
        assert_eq!(answer(true, "", ""), PushAnswer::Done);
        for moved in [
            "[rejected] (fetch first)",
            "[rejected] (non-fast-forward)",
            "[remote rejected] (cannot lock ref 'x')",
            "[remote rejected] (failed to update ref)",
            "[remote rejected] (TF401028: updated by another client)",
        ] {
            assert_eq!(answer(false, &line(moved), ""), PushAnswer::Moved, "{moved}");
        }
        for policy in [
            "[remote rejected] (pre-receive hook declined)",
            "[remote rejected] (protected branch hook declined)",
            "[remote rejected] (TF402455: Pushes are not permitted)",
        ] {
            let said = answer(false, &line(policy), "remote: GH006: Protected branch\n");
            assert!(matches!(said, PushAnswer::Rejected(ref words) if words.contains("GH006")), "{said:?}");
        }
        assert!(matches!(answer(false, "", "fatal: the remote end hung up"), PushAnswer::Lost(_)));
    }
}
