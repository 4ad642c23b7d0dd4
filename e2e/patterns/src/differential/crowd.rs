//! A pattern matches the same among others as alone.
//!
//! event-ruler judges one pattern at a time, and so does [`Pattern::is_match`]. A [`Matcher`] of many patterns shares work
//! between them, so it is held against the patterns one by one.

use tripline_pattern::{Matcher, Pattern, Scratch};

use crate::cases::Case;

/// How many neighbouring cases' patterns are put together.
const COMPANY: u64 = 32;

/// An event that a pattern matches alone and not among others, or the reverse. Both by the numbers of their cases.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Dissent {
    pub(super) pattern: u64,
    pub(super) event: u64,
    /// Whether it was after others had been removed.
    pub(super) after_removal: bool,
}

/// Every dissent among so many cases of a seed.
pub(super) fn dissents(seed: u64, cases: u64) -> Vec<Dissent> {
    let starts = (0..cases).step_by(usize::try_from(COMPANY).expect("a few fit a usize"));
    starts.flat_map(|start| in_company(seed, start..cases.min(start + COMPANY))).collect()
}

fn in_company(seed: u64, numbers: std::ops::Range<u64>) -> Vec<Dissent> {
    let cases: Vec<_> = numbers.map(|number| (number, Case::new(seed, number))).collect();
    let patterns: Vec<_> = cases
        .iter()
        .filter_map(|(number, case)| Some((*number, Pattern::parse(&case.pattern_raw).ok()?)))
        .collect();
    let mut matcher = Matcher::new();
    for (number, pattern) in &patterns {
        matcher.install(*number, pattern);
    }
    let mut dissents = Vec::new();
    let (mut scratch, mut matched) = (Scratch::default(), Vec::new());
    for after_removal in [false, true] {
        for (event, case) in &cases {
            let text = case.event_raw.as_bytes();
            if Pattern::everything().is_match(text).is_err()
                || matcher.matches(text, &mut scratch, &mut matched).is_err()
            {
                // What a matcher does with a text that is not JSON is not specified.
                continue;
            }
            for (pattern, alone) in &patterns {
                let removed = after_removal && is_removed(*pattern);
                let expected = !removed && alone.is_match(text).is_ok_and(|matches| matches);
                if matched.contains(pattern) != expected {
                    dissents.push(Dissent { pattern: *pattern, event: *event, after_removal });
                }
            }
        }
        for (number, _) in patterns.iter().filter(|(number, _)| is_removed(*number)) {
            matcher.remove(*number);
        }
    }
    dissents
}

/// Every other pattern is removed before the events come again.
fn is_removed(pattern: u64) -> bool {
    pattern.is_multiple_of(2)
}

#[cfg(test)]
mod tests {
    use super::dissents;

    #[test]
    fn patterns_match_the_same_among_others_as_alone() {
        assert_eq!(dissents(11, 640), []);
    }
}
