//! What is made harmless, what stays, and that a second pass changes nothing.

use proptest::prelude::*;

use super::*;

fn table(escape: fn(&str) -> String, rows: &[(&str, &str)]) {
    for (from, to) in rows {
        assert_eq!(escape(from), *to, "{from:?}");
        assert_eq!(escape(to), *to, "a second time: {from:?}");
    }
}

fn unchanged(escape: fn(&str) -> String, rows: &[&str]) {
    for row in rows {
        assert_eq!(escape(row), *row);
    }
}

#[test]
fn a_line_is_one_line_that_no_runner_obeys() {
    table(
        line,
        &[
            ("a\nb\r\nc\td", "a\\u{a}b\\u{d}\\u{a}c\\u{9}d"),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("x\u{202e}y\u{200b}z\u{feff}\u{2028}", "x\\u{202e}y\\u{200b}z\\u{feff}\\u{2028}"),
            ("::error::x", "\\u{3a}:error::x"),
            ("  ::add-mask::x", "  \\u{3a}:add-mask::x"),
            ("\u{a0}::error::x", "\u{a0}\\u{3a}:error::x"),
            (":::x", "\\u{3a}::x"),
            ("x ##[error]y", "x \\u{23}#[error]y"),
            ("##vso[task.setvariable variable=a]b", "\\u{23}#vso[task.setvariable variable=a]b"),
            ("##VSO[x]", "\\u{23}#VSO[x]"),
            ("###[x]", "#\\u{23}#[x]"),
            ("\u{85}\0", "\\u{85}\\u{0}"),
        ],
    );
    unchanged(line, &["", "plain", "std::fmt", "a :: b", "## heading", "naïve ✓ 日本", "[x] # y", "a\\u{a}b"]);
}

#[test]
fn a_text_keeps_its_line_ends_only() {
    table(
        text,
        &[
            ("a\r\nb\n", "a\nb\n"),
            ("a\rb", "a\\u{d}b"),
            ("x\n::error::y\n##[z]", "x\n\\u{3a}:error::y\n\\u{23}#[z]"),
            ("a\tb", "a\\u{9}b"),
        ],
    );
}

#[test]
fn marks_that_stop_pipelines_are_only_words() {
    table(
        commit_line,
        &[
            ("x [skip ci]", "x (skip ci)"),
            ("[ci skip] x", "(ci skip) x"),
            ("[NO CI]", "(NO CI)"),
            ("[ Skip  Actions ]", "( Skip  Actions )"),
            ("[actions skip][skip azurepipelines]", "(actions skip)(skip azurepipelines)"),
            (
                "[azurepipelines skip] [skip azpipelines] [azpipelines skip]",
                "(azurepipelines skip) (skip azpipelines) (azpipelines skip)",
            ),
            (
                "[skip azp] [azp skip] [skip netlify] [argocd skip]",
                "(skip azp) (azp skip) (skip netlify) (argocd skip)",
            ),
            ("[skip-ci] [ci_skip] [CF-Pages-Skip] [skipci]", "(skip-ci) (ci_skip) (CF-Pages-Skip) (skipci)"),
            ("[[skip ci]]", "((skip ci))"),
            ("[a [skip ci]", "[a (skip ci)"),
            ("***NO_CI***", "(NO_CI)"),
            ("x ****no_ci****", "x *(no_ci)*"),
            ("skip-checks: true", "skip checks: true"),
            ("x Skip-Checks:true", "x Skip Checks:true"),
        ],
    );
    unchanged(commit_line, &["[ci] x", "[node] y", "skip ci", "[skip ci", "NO_CI"]);
}

#[test]
fn nobody_is_called() {
    table(
        commit_line,
        &[
            ("@octo hi", "(at)octo hi"),
            ("cc @acme/team, (@me) -@x .@y", "cc (at)acme/team, ((at)me) -(at)x .(at)y"),
            ("@<12345678-1234-1234-1234-123456789012>", "(at)<12345678-1234-1234-1234-123456789012>"),
            ("é@user", "é(at)user"),
            ("@@x", "@(at)x"),
        ],
    );
    unchanged(commit_line, &["by a.b+c@acme.io", "nginx@sha256:00", "a @ b", "a@", "user_@x.io"]);
}

#[test]
fn verbs_no_longer_close() {
    table(
        commit_line,
        &[
            ("fixes #12", "fixes - #12"),
            ("Fixes: #12", "Fixes - #12"),
            ("it CLOSED acme/shop#3, and #4", "it CLOSED - acme/shop#3, and #4"),
            ("fixes AB#123", "fixes - AB#123"),
            ("closes GH-7", "closes - GH-7"),
            ("resolves https://github.com/a/b/issues/1", "resolves - https://github.com/a/b/issues/1"),
            ("fixed:https://x/1", "fixed - https://x/1"),
            ("Resolve PROJ-12", "Resolve - PROJ-12"),
            ("closes issue #12", "closes - issue #12"),
            ("fix work item #1", "fix - work item #1"),
            ("fix **#12**", "fix - **#12**"),
            ("fixes [#12](u)", "fixes - [#12](u)"),
            ("fixes#12", "fixes - #12"),
            ("fix\u{a0}#1", "fix - #1"),
            ("close fix #1", "close fix - #1"),
            ("PROJ-1 #close #time 2h", "PROJ-1 # close # time 2h"),
        ],
    );
    unchanged(
        commit_line,
        &[
            "fix the door (#12)",
            "fixes - AB#123",
            "prefix #12",
            "see #12",
            "AB#12",
            "closed the door",
            "fix: a typo",
            "fixture #1",
            "tag #major",
        ],
    );
}

#[test]
fn a_line_is_neither_comment_nor_trailer() {
    table(
        commit_line,
        &[
            ("# note", "- # note"),
            ("#12 first", "- #12 first"),
            (" # x", " - # x"),
            ("Signed-off-by: x <x@y.io>", "Signed-off-by - x <x@y.io>"),
            ("co-authored-by:x", "co-authored-by - x"),
            ("Change-Id : I1", "Change-Id - I1"),
            ("Passgate-Digest: sha256:00", "Passgate-Digest - sha256:00"),
            ("Link: https://x", "Link - https://x"),
            ("(cherry picked from commit 1)", "- (cherry picked from commit 1)"),
        ],
    );
    unchanged(commit_line, &["feat: x", "fix(shop)!: y", "Https://x", "a b: c", "note x:y"]);
}

#[test]
fn markdown_shows_what_was_written() {
    table(
        markdown_line,
        &[
            ("<b>x</b> & y", "&lt;b&gt;x&lt;/b&gt; &amp; y"),
            ("![i](http://x) [l](y)", "!\\[i\\](http://x) \\[l\\](y)"),
            ("`code` | *em* ~no~", "\\`code\\` \\| \\*em\\* \\~no\\~"),
            ("my_file_name _em_", "my_file_name \\_em\\_"),
            ("- item", "\\- item"),
            ("+ item", "\\+ item"),
            ("1. item", "1\\. item"),
            ("12) item", "12\\) item"),
            ("# head", "\\- # head"),
            ("    code", "code"),
            ("---", "\\---"),
            ("a\\", "a\\\\"),
            ("a\\|b", "a\\|b"),
            ("a\\\\|b", "a\\\\\\|b"),
            ("> quote", "&gt; quote"),
            ("&#64;x &copy;", "&amp;#64;x &amp;copy;"),
            ("[skip ci] @x fixes #1", "(skip ci) (at)x fixes - #1"),
            ("<!-- fixes #1 -->", "&lt;!-- fixes - #1 --&gt;"),
        ],
    );
    unchanged(markdown_line, &["plain words, v1.2 (#12)", "https://x/y?a=b"]);
}

fn is_harmless(line: &str) -> bool {
    let lower = line.to_lowercase();
    !line.chars().any(|c| c.is_control() || is_invisible(c))
        && !line.trim_start().starts_with("::")
        && !lower.contains("##[")
        && !lower.contains("##vso[")
}

fn hostile() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "fixes",
        "Closes",
        "resolve",
        "done",
        "issue",
        "#",
        "12",
        "AB#1",
        "a/b#2",
        "PROJ-1",
        "https://x/1",
        "GH-3",
        ":",
        "::",
        " ",
        "  ",
        "-",
        "[",
        "]",
        "(",
        ")",
        "skip",
        "ci",
        "no",
        "[skip ci]",
        "***NO_CI***",
        "***",
        "NO_CI",
        "skip-checks",
        "@",
        "x",
        "é",
        "@me",
        "##",
        "##[",
        "##vso[",
        "\\",
        "|",
        "`",
        "<",
        ">",
        "&",
        "&lt;",
        "&amp;",
        "*",
        "_",
        "~",
        "\n",
        "\r",
        "\t",
        "\u{202e}",
        "\u{200b}",
        "\u{a0}",
        "Signed-off-by",
        "Fixes",
        "fix",
        ".",
        "1",
        "+",
        "=",
        "!",
        "(cherry picked from commit",
    ]);
    prop::collection::vec(pieces, 0..14).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn lines_are_harmless_and_stay(source in prop_oneof![hostile(), any::<String>()]) {
        for escape in [line, commit_line, markdown_line] {
            let once = escape(&source);
            prop_assert!(is_harmless(&once), "{:?}", once);
            prop_assert_eq!(escape(&once), once.clone());
        }
        let once = text(&source);
        prop_assert!(once.split('\n').all(is_harmless));
        prop_assert_eq!(text(&once), once.clone());
    }

    #[test]
    fn nothing_in_a_commit_is_obeyed(source in hostile()) {
        for once in [commit_line(&source), markdown_line(&source)] {
            let lower = once.to_lowercase();
            for mark in ["[skip ci]", "[ci skip]", "[no ci]", "***no_ci***", "skip-checks", " @me"] {
                prop_assert!(!lower.contains(mark), "{:?} in {:?}", mark, once);
            }
            for closing in ["fixes #1", "fixes: #1", "fixes ab#1", "closes a/b#2", "fix https://", "resolve gh-3"] {
                let whole = |(at, _)| !lower[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
                prop_assert!(!lower.match_indices(closing).any(whole), "{:?} in {:?}", closing, once);
            }
            prop_assert!(!once.starts_with('#') && !once.starts_with("Signed-off-by:"), "{:?}", once);
        }
    }

    #[test]
    fn markdown_has_no_bare_markup(source in hostile()) {
        let chars: Vec<char> = markdown_line(&source).chars().collect();
        let mut backslashes = 0;
        for c in chars {
            prop_assert!(!"<>".contains(c));
            prop_assert!(!("`[]|*~".contains(c) && backslashes % 2 == 0));
            backslashes = if c == '\\' { backslashes + 1 } else { 0 };
        }
        prop_assert!(backslashes % 2 == 0);
    }
}

#[test]
fn a_word_of_a_command_is_one_word_to_a_shell() {
    assert_eq!(shell("https://git.acme.io/env-qual#main"), "https://git.acme.io/env-qual#main");
    assert_eq!(shell("$(touch pwned).json"), "'$(touch pwned).json'");
    assert_eq!(shell("it's"), r"'it'\''s'");
    assert_eq!(shell("#x"), "'#x'");
    assert_eq!(shell(""), "''");
}
