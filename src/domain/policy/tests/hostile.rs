//! Texts that mean harm.

use super::*;

#[test]
fn bombs_are_cheap() {
    let mut text = with("a: &a [x,x,x,x,x,x,x,x,x]\n");
    for (one, next) in ["a", "b", "c", "d", "e", "f", "g"].iter().zip(["b", "c", "d", "e", "f", "g", "h"]) {
        text += &format!("{next}: &{next} [*{one},*{one},*{one},*{one},*{one},*{one},*{one},*{one},*{one}]\n");
    }
    assert_eq!(fault(&text).kind, Kind::Syntax);
    assert_eq!(fault(&with(&format!("after: {}", "[".repeat(100_000)))).kind, Kind::Syntax);
    assert_eq!(fault(&with(&format!("freeze: [{}]", "x,".repeat(200_000)))).kind, Kind::Syntax);
}

#[test]
fn long_lines_are_cut() {
    let shown = fault(&with(&format!("order: {}\n", "x".repeat(5000)))).to_string();
    assert!(shown.lines().nth(3).is_some_and(|line| line.ends_with('…') && line.chars().count() < 200), "{shown}");
}

proptest! {
    #[test]
    fn damage_never_panics_and_shows_nothing_raw(at in 0..FULL.len(), cut in 0..40_usize, put in "[\\PC\\x00-\\x1f\u{202e}\u{85}]{0,6}") {
        prop_assume!(FULL.is_char_boundary(at));
        let end = (at + cut).min(FULL.len());
        let text = format!("{}{put}{}", &FULL[..at], &FULL[end..]);
        if let Err(error) = parse(&text) {
            let shown = error.to_string();
            prop_assert!(!shown.chars().any(|c| c != '\n' && (c.is_control() || is_invisible(c))), "{:?}", shown);
            prop_assert_eq!(shown.lines().count(), if error.hint.is_some() { 6 } else { 5 });
        }
    }
}
