//! Texts that are equal to each other, or nearly so, in some way or other.

use crate::random::Random;

/// Few, so that they meet; among them what case, escapes and addresses make difficult.
const WORDS: &[&str] = &[
    "a",
    "b",
    "A",
    "ab",
    "abc",
    "ABC",
    "aB",
    "ba",
    "aab",
    "abab",
    "",
    "",
    " ",
    "com.example",
    "foo/bar.txt",
    ".txt",
    "png",
    "PNG",
    "é",
    "É",
    "e\u{301}",
    "straße",
    "STRASSE",
    "ß",
    "ẞ",
    "ſ",
    "s",
    "S",
    "K",
    "k",
    "\u{212a}",
    "İ",
    "i",
    "ı",
    "I",
    "i\u{307}",
    "Σ",
    "σ",
    "ς",
    "ΑΣ",
    "ας",
    "ﬁ",
    "FI",
    "fi",
    "ﬃ",
    "ǅ",
    "ǆ",
    "Ǆ",
    "ŉ",
    "ΐ",
    "ᾳ",
    "ΑΙ",
    "Ⱥ",
    "ⱥ",
    "μ",
    "µ",
    "大",
    "雨",
    "ꭰ",
    "Ꭰ",
    "😀",
    "👍🏽",
    "\"",
    "\\",
    "*",
    "a*b",
    "a\\b",
    "\\*",
    "?",
    "[",
    "{",
    "}",
    "~",
    "\u{7f}",
    "\u{80}",
    "\0",
    "\n",
    "\u{2028}",
    "\u{ffff}",
    "\u{10ffff}",
    "null",
    "true",
    "false",
    "0",
    "1",
    "300",
    "3.0e2",
    "-1",
    "10.0.0.1",
    "10.0.0.255",
    "::1",
    "$or",
];
/// Two letters of which many texts are made: they share beginnings, ends and pieces.
const LETTERS: [&str; 2] = ["a", "b"];

/// A text; one in three of several words.
pub(super) fn word(random: &mut Random) -> String {
    match random.below(6) {
        0 => (0..random.below(5)).map(|_| *random.pick(&LETTERS)).collect(),
        1 => (0..2).map(|_| *random.pick(WORDS)).collect(),
        _ => (*random.pick(WORDS)).to_owned(),
    }
}

/// A text that is nearly this one.
pub(super) fn near(text: &str, random: &mut Random) -> String {
    let mut characters: Vec<_> = text.chars().collect();
    match random.below(6) {
        0 if !characters.is_empty() => {
            characters.remove(random.below(characters.len()));
        }
        1 => characters.insert(
            random.below(characters.len() + 1),
            *random.pick(&['a', 'b', '*', '\\', '"', ' ', 'é']),
        ),
        2 => return text.to_uppercase(),
        3 => return text.to_lowercase(),
        4 if !characters.is_empty() => {
            let at = random.below(characters.len());
            characters[at] = 'b';
        }
        _ => return word(random),
    }
    characters.into_iter().collect()
}

/// The same text, each character in any case.
pub(super) fn recased(text: &str, random: &mut Random) -> String {
    let mut recased = String::new();
    for character in text.chars() {
        match random.below(3) {
            0 => recased.push(character),
            1 => recased.extend(character.to_lowercase()),
            _ => recased.extend(character.to_uppercase()),
        }
    }
    recased
}

/// As it is written in a wildcard, to stand for itself.
pub(super) fn escaped(text: &str) -> String {
    text.replace('\\', r"\\").replace('*', r"\*")
}
