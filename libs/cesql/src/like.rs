//! Patterns of `LIKE`, matched in one pass over the text.
//!
//! A pattern is run as an automaton of which all states are followed at once, one bit each: state `i` says that the first
//! `i` elements (characters and `_`) have matched what was read so far. So the work is the same few operations for each
//! character, however many `%` there are.

use crate::limits::LIKE_CHARS_MAX;

const WORDS: usize = (LIKE_CHARS_MAX + 1).div_ceil(64);

/// A set of states.
type States = [u64; WORDS];

/// A pattern, ready to be matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    /// Which states each character leads to, sorted by character; what `any` holds is in each.
    leads: Vec<(char, States)>,
    /// Which states every character leads to: `_`.
    any: States,
    /// Which states stay whatever comes: `%`.
    stays: States,
    /// How many elements there are: the state that accepts.
    elements: usize,
}

/// The pattern has more than [`LIKE_CHARS_MAX`] elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLong;

fn add(states: &mut States, state: usize) {
    states[state / 64] |= 1 << (state % 64);
}

fn has(states: &States, state: usize) -> bool {
    states[state / 64] >> (state % 64) & 1 == 1
}

impl Pattern {
    /// Reads a pattern; every text within the limit is one.
    pub(crate) fn parse(text: &str) -> Result<Self, TooLong> {
        let mut pattern =
            Self { leads: Vec::new(), any: [0; WORDS], stays: [0; WORDS], elements: 0 };
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let escaped = if c == '\\' { chars.next_if(|c| matches!(c, '%' | '_')) } else { None };
            if escaped.is_none() && c == '%' {
                add(&mut pattern.stays, pattern.elements);
                continue;
            }
            if pattern.elements == LIKE_CHARS_MAX {
                return Err(TooLong);
            }
            pattern.elements += 1;
            let state = pattern.elements;
            if escaped.is_none() && c == '_' {
                add(&mut pattern.any, state);
            } else {
                pattern.lead(escaped.unwrap_or(c), state);
            }
        }
        for (_, states) in &mut pattern.leads {
            for (word, any) in states.iter_mut().zip(pattern.any) {
                *word |= any;
            }
        }
        Ok(pattern)
    }

    fn lead(&mut self, c: char, state: usize) {
        let place = self.leads.binary_search_by_key(&c, |(other, _)| *other);
        let place = place.unwrap_or_else(|place| {
            self.leads.insert(place, (c, [0; WORDS]));
            place
        });
        add(&mut self.leads[place].1, state);
    }

    /// Whether the whole text is what the pattern says.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let mut states: States = [0; WORDS];
        add(&mut states, 0);
        for c in text.chars() {
            let place = self.leads.binary_search_by_key(&c, |(other, _)| *other);
            let leads = place.map_or(&self.any, |place| &self.leads[place].1);
            let mut carry = 0;
            for (word, (leads, stays)) in states.iter_mut().zip(leads.iter().zip(&self.stays)) {
                let next = (*word << 1 | carry) & leads | *word & stays;
                carry = *word >> 63;
                *word = next;
            }
            if states == [0; WORDS] {
                return false;
            }
        }
        has(&states, self.elements)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn like(text: &str, pattern: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(text)
    }

    #[test]
    fn wildcards_stand_for_characters() {
        assert!(like("", "") && like("", "%") && like("", "%%") && !like("", "_"));
        assert!(like("äöü", "_ö_") && like("äöü", "%ü") && !like("äöü", "__"));
        assert!(like("abcabd", "%ab_") && like("aab", "%ab") && !like("abx", "%ab"));
        assert!(!like("aBc", "abc"));
    }

    #[test]
    fn a_backslash_escapes_wildcards_only() {
        assert!(like("100%", r"100\%") && !like("1000", r"100\%"));
        assert!(like(r"a\b", r"a\b") && like(r"\", r"\") && like(r"\%", r"\\%"));
        assert!(!like(r"\x", r"\\%"));
    }

    #[test]
    fn states_cross_words() {
        for length in [62, 63, 64, 65, 127, 128, 200, LIKE_CHARS_MAX] {
            let text: String = ('a'..='z').cycle().take(length).collect();
            assert!(like(&text, &text), "{length}");
            assert!(like(&format!("{text}!"), &format!("%{text}%")), "{length}");
            assert!(!like(&format!("{text}!"), &text), "{length}");
            assert!(!like(&text[1..], &text), "{length}");
        }
    }

    #[test]
    fn patterns_are_bounded() {
        assert_eq!(Pattern::parse(&"_".repeat(LIKE_CHARS_MAX + 1)), Err(TooLong));
        assert!(like(&"x".repeat(LIKE_CHARS_MAX), &"%_".repeat(LIKE_CHARS_MAX)));
    }

    proptest::proptest! {
        #[test]
        fn agrees_with_the_plain_definition(text in "[ab]{0,12}", pattern in "[ab_%]{0,8}") {
            fn plain(text: &[u8], pattern: &[u8]) -> bool {
                match pattern.split_first() {
                    None => text.is_empty(),
                    Some((b'%', rest)) => (0..=text.len()).any(|at| plain(&text[at..], rest)),
                    Some((element, rest)) => text.split_first().is_some_and(|(byte, after)| {
                        (*element == b'_' || element == byte) && plain(after, rest)
                    }),
                }
            }
            proptest::prop_assert_eq!(
                like(&text, &pattern),
                plain(text.as_bytes(), pattern.as_bytes())
            );
        }
    }
}
