//! Texts that are equal but for their case.
//!
//! A character of the pattern stands for its lower and its upper case, each as Unicode maps it, which may be several
//! characters: `ß` also stands for `SS`. A title case is neither: `ǅ` stands for `ǆ` and `Ǆ` only, as in event-ruler.

/// Whether the texts are equal but for their case.
pub(crate) fn equals(text: &str, pattern: &str) -> bool {
    strip_prefix(text, pattern).is_some_and(str::is_empty)
}

/// Whether `text` begins with `pattern`, but for its case.
pub(crate) fn starts_with(text: &str, pattern: &str) -> bool {
    strip_prefix(text, pattern).is_some()
}

/// Whether `text` ends with `pattern`, but for its case.
pub(crate) fn ends_with(text: &str, pattern: &str) -> bool {
    pattern.chars().rev().try_fold(text, strip_last).is_some()
}

fn strip_prefix<'t>(text: &'t str, pattern: &str) -> Option<&'t str> {
    pattern.chars().try_fold(text, strip_first)
}

fn strip_first(text: &str, pattern: char) -> Option<&str> {
    if pattern.is_ascii() {
        let first = text.as_bytes().first()?;
        return first.eq_ignore_ascii_case(&(pattern as u8)).then(|| &text[1..]);
    }
    strip_all(text, pattern.to_lowercase()).or_else(|| strip_all(text, pattern.to_uppercase()))
}

fn strip_all(text: &str, mut chars: impl Iterator<Item = char>) -> Option<&str> {
    chars.try_fold(text, |rest, next| rest.strip_prefix(next))
}

fn strip_last(text: &str, pattern: char) -> Option<&str> {
    strip_all_last(text, pattern.to_lowercase())
        .or_else(|| strip_all_last(text, pattern.to_uppercase()))
}

fn strip_all_last(text: &str, chars: impl DoubleEndedIterator<Item = char>) -> Option<&str> {
    chars.rev().try_fold(text, |rest, last| rest.strip_suffix(last))
}

#[cfg(test)]
mod tests {
    use super::{ends_with, equals, starts_with};

    #[test]
    fn case_is_that_of_unicode() {
        for (text, pattern) in [("", ""), ("aB", "Ab"), ("É", "é"), ("STRASSE", "straße")] {
            assert!(equals(text, pattern), "{text} {pattern}");
        }
        for (text, pattern) in
            [("a", "b"), ("ab", "a"), ("a", "ab"), ("é", "e"), ("[", "{"), ("ς", "Σ")]
        {
            assert!(!equals(text, pattern), "{text} {pattern}");
        }
    }

    #[test]
    fn ends_are_found() {
        assert!(starts_with("Straße 1", "STRA") && starts_with("x", "") && !starts_with("x", "xy"));
        assert!(ends_with("image.PNG", ".png") && ends_with("GROSS", "groß") && ends_with("x", ""));
        assert!(!ends_with("g", "png") && !ends_with("", "é"));
    }
}
