//! Text that may stand in an attribute.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The text with its control characters, which an attribute must not hold, percent-encoded. All else stays as it is, so
/// this is for reading, not for taking apart again.
#[must_use]
pub fn without_controls(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut encoded = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if character.is_control() {
            for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                write!(encoded, "%{byte:02X}").expect("text takes what is written to it");
            }
        } else {
            encoded.push(character);
        }
    }
    Cow::Owned(encoded)
}

#[cfg(test)]
mod tests {
    use super::without_controls;

    #[test]
    fn control_characters_are_encoded_and_nothing_else() {
        assert_eq!(without_controls("a b%+é"), "a b%+é");
        assert_eq!(without_controls("a\n\u{85}b%"), "a%0A%C2%85b%");
    }
}
