//! Wildcards: `*` stands for any characters, also none. `\*` and `\\` are the characters themselves.

use std::fmt;

use crate::bytes;

/// A text with gaps.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Glob {
    /// What stands between the gaps, in order: at least one piece; the first and the last may be empty.
    pieces: Box<[Box<str>]>,
}

/// Why a text is no wildcard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Wrong {
    /// Two stars in a row.
    Repeated,
    /// A backslash before anything but a star or a backslash.
    Escape,
}

impl Glob {
    pub(crate) fn parse(text: &str) -> Result<Self, Wrong> {
        let (mut pieces, mut piece) = (Vec::new(), String::new());
        let mut chars = text.chars();
        let mut after_star = false;
        while let Some(next) = chars.next() {
            let star = next == '*';
            match next {
                '*' if after_star => return Err(Wrong::Repeated),
                '*' => pieces.push(std::mem::take(&mut piece).into()),
                '\\' => match chars.next() {
                    Some(escaped @ ('*' | '\\')) => piece.push(escaped),
                    _ => return Err(Wrong::Escape),
                },
                other => piece.push(other),
            }
            after_star = star;
        }
        pieces.push(piece.into());
        Ok(Self { pieces: pieces.into() })
    }

    /// How many pieces it has: each is looked for.
    pub(crate) fn len(&self) -> usize {
        self.pieces.len()
    }

    /// The first and the last piece.
    pub(crate) fn ends(&self) -> (&str, &str) {
        match &*self.pieces {
            [] => ("", ""),
            [only] => (only, only),
            [first, .., last] => (first, last),
        }
    }

    /// Whether the whole text is of this form. Takes time linear in the text: each piece is taken where it stands first.
    pub(crate) fn is_match(&self, text: &str) -> bool {
        match &*self.pieces {
            [] => false,
            [only] => bytes::same(text.as_bytes(), only.as_bytes()),
            [first, middle @ .., last] => {
                let rest = bytes::behind(text.as_bytes(), first.as_bytes());
                let after = middle.iter().try_fold(rest, |rest, piece| {
                    let rest = rest?;
                    bytes::find(rest, piece.as_bytes()).map(|at| Some(&rest[at + piece.len()..]))
                });
                after.flatten().is_some_and(|rest| bytes::ends_with(rest, last.as_bytes()))
            }
        }
    }
}

/// As it is written in a pattern.
impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, piece) in self.pieces.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { "*" })?;
            f.write_str(&piece.replace('\\', r"\\").replace('*', r"\*"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Glob, Wrong};

    fn is_match(glob: &str, text: &str) -> bool {
        Glob::parse(glob).unwrap().is_match(text)
    }

    #[test]
    fn stars_stand_for_anything() {
        for (glob, text) in
            [("*", ""), ("a*", "a"), ("*a", "ba"), ("a*b*c", "abbbcc"), ("", ""), (r"\*\\", r"*\")]
        {
            assert!(is_match(glob, text), "{glob} {text}");
        }
        for (glob, text) in [("a*a", "a"), ("", "a"), ("a*b", "ac"), ("*ab*ab", "ab"), (r"\*", "a")]
        {
            assert!(!is_match(glob, text), "{glob} {text}");
        }
        assert_eq!(Glob::parse("a**"), Err(Wrong::Repeated));
        for wrong in [r"a\x", r"a\"] {
            assert_eq!(Glob::parse(wrong), Err(Wrong::Escape));
        }
        assert!(is_match(r"*\**", "a*b"), "an escaped star beside a star is no repetition");
    }

    /// Tries every way to share the text out.
    fn naive(glob: &[char], text: &[char]) -> bool {
        match glob.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|taken| naive(rest, &text[taken..])),
            Some((first, rest)) => {
                text.split_first().is_some_and(|(c, text)| c == first && naive(rest, text))
            }
        }
    }

    proptest! {
        #[test]
        fn is_what_trying_everything_says(glob in "[ab*]{0,8}", text in "[ab]{0,10}") {
            prop_assume!(!glob.contains("**"));
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(is_match(&glob, &text), naive(&chars(&glob), &chars(&text)));
        }
    }
}
