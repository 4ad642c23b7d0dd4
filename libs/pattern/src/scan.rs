//! Reads JSON step by step, without a tree and without recursion.
//!
//! What is skipped is checked as strictly as what is read. A lone surrogate escape is read as U+FFFD, since events that
//! hold one are accepted elsewhere and must not stop anyone here.

use std::borrow::Cow;

use crate::error::EventError;
use crate::scalar::Scalar;

/// The text is not JSON, at this byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) usize);

/// What a value begins with. A scalar has been read wholly.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Start<'t> {
    Object,
    Array,
    Scalar(Scalar<'t>),
}

#[derive(Debug)]
pub(crate) struct Scanner<'t> {
    text: &'t str,
    at: usize,
    /// What closes the containers that [`Scanner::skip`] is in.
    open: Vec<u8>,
}

type Result<T> = std::result::Result<T, Malformed>;

/// Whether a text is an event: a JSON object in UTF-8, and nothing behind it.
pub(crate) fn check(event: &[u8]) -> std::result::Result<(), EventError> {
    let text = std::str::from_utf8(event).map_err(|e| EventError::Malformed(e.valid_up_to()))?;
    let malformed = |Malformed(at)| EventError::Malformed(at);
    let mut scanner = Scanner::new(text);
    let is_object = scanner.peek() == Some(b'{');
    scanner.skip().and_then(|()| scanner.end()).map_err(malformed)?;
    if is_object { Ok(()) } else { Err(EventError::NotAnObject) }
}

/// Appends what a string stands for, given what stands between its quotes.
pub(crate) fn unescape(raw: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let text = std::str::from_utf8(raw).map_err(|error| Malformed(error.valid_up_to()))?;
    let mut scanner = Scanner::new(text);
    loop {
        let start = scanner.at;
        scanner.plain();
        out.extend_from_slice(&raw[start..scanner.at]);
        match scanner.byte(scanner.at) {
            None => return Ok(()),
            Some(b'\\') => {
                let unescaped = scanner.escape()?;
                out.extend_from_slice(unescaped.encode_utf8(&mut [0; 4]).as_bytes());
            }
            Some(_) => return scanner.malformed(),
        }
    }
}

impl<'t> Scanner<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self { text, at: 0, open: Vec::new() }
    }

    /// Where the next token begins.
    pub(crate) fn position(&mut self) -> usize {
        self.peek();
        self.at
    }

    /// The beginning of the next value. A container is then read with [`Self::key`] or [`Self::element`].
    pub(crate) fn value(&mut self) -> Result<Start<'t>> {
        let scalar = match self.peek() {
            Some(b'{') => return self.enter(Start::Object),
            Some(b'[') => return self.enter(Start::Array),
            Some(b'"') => Scalar::Text(self.string()?),
            Some(b't') => self.literal("true", Scalar::Bool(true))?,
            Some(b'f') => self.literal("false", Scalar::Bool(false))?,
            Some(b'n') => self.literal("null", Scalar::Null)?,
            _ => Scalar::number(self.number()?),
        };
        Ok(Start::Scalar(scalar))
    }

    /// The next key of the object just entered (`first`) or being read; `None` once it is closed.
    pub(crate) fn key(&mut self, first: bool) -> Result<Option<Cow<'t, str>>> {
        if !self.another(first, b'}')? {
            return Ok(None);
        }
        let key = self.string()?;
        self.expect(b':')?;
        Ok(Some(key))
    }

    /// Whether the array just entered (`first`) or being read has another element; it has been closed if not.
    pub(crate) fn element(&mut self, first: bool) -> Result<bool> {
        self.another(first, b']')
    }

    /// Passes over a whole value.
    pub(crate) fn skip(&mut self) -> Result<()> {
        self.open.clear();
        loop {
            let entered = match self.peek() {
                Some(b'{') => Some(b'}'),
                Some(b'[') => Some(b']'),
                Some(b'"') => self.skip_string().map(|()| None)?,
                Some(b't') => self.literal("true", None)?,
                Some(b'f') => self.literal("false", None)?,
                Some(b'n') => self.literal("null", None)?,
                _ => self.number().map(|_| None)?,
            };
            if let Some(closer) = entered {
                self.at += 1;
                self.open.push(closer);
            }
            if !self.another_to_skip(entered.is_some())? {
                return Ok(());
            }
        }
    }

    /// Nothing but white space follows.
    pub(crate) fn end(&mut self) -> Result<()> {
        if self.peek().is_none() { Ok(()) } else { self.malformed() }
    }

    /// Closes what ends here; whether a further value follows in what is still open.
    fn another_to_skip(&mut self, mut first: bool) -> Result<bool> {
        while let Some(&closer) = self.open.last() {
            if self.another(first, closer)? {
                if closer == b'}' {
                    self.skip_string()?;
                    self.expect(b':')?;
                }
                return Ok(true);
            }
            self.open.pop();
            first = false;
        }
        Ok(false)
    }

    fn another(&mut self, first: bool, closer: u8) -> Result<bool> {
        match self.peek() {
            Some(byte) if byte == closer => {
                self.at += 1;
                Ok(false)
            }
            Some(_) if first => Ok(true),
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            _ => self.malformed(),
        }
    }

    fn malformed<T>(&self) -> Result<T> {
        Err(Malformed(self.at))
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.byte(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
        None
    }

    fn enter(&mut self, start: Start<'t>) -> Result<Start<'t>> {
        self.at += 1;
        Ok(start)
    }

    fn expect(&mut self, byte: u8) -> Result<()> {
        if self.peek() != Some(byte) {
            return self.malformed();
        }
        self.at += 1;
        Ok(())
    }

    fn literal<T>(&mut self, literal: &str, value: T) -> Result<T> {
        if !self.text.as_bytes()[self.at..].starts_with(literal.as_bytes()) {
            return self.malformed();
        }
        self.at += literal.len();
        Ok(value)
    }

    fn number(&mut self) -> Result<&'t str> {
        let start = self.at;
        if self.byte(self.at) == Some(b'-') {
            self.at += 1;
        }
        match self.byte(self.at) {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.byte(self.at) == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.byte(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.byte(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(&self.text[start..self.at])
    }

    fn digits(&mut self) -> Result<()> {
        let start = self.at;
        while self.byte(self.at).is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { self.malformed() } else { Ok(()) }
    }

    fn string(&mut self) -> Result<Cow<'t, str>> {
        self.peek();
        let start = self.at + 1;
        self.skip_string()?;
        let raw = &self.text[start..self.at - 1];
        if !raw.contains('\\') {
            return Ok(Cow::Borrowed(raw));
        }
        let mut unescaped = Vec::with_capacity(raw.len());
        unescape(raw.as_bytes(), &mut unescaped)?;
        // Escapes in a text give a text.
        Ok(Cow::Owned(String::from_utf8_lossy(&unescaped).into_owned()))
    }

    fn skip_string(&mut self) -> Result<()> {
        self.expect(b'"')?;
        loop {
            self.plain();
            match self.byte(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape().map(|_| ())?,
                _ => return self.malformed(),
            }
        }
    }

    /// Moves to the next quote, backslash or control character.
    fn plain(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
        self.at += rest.iter().position(special).unwrap_or(rest.len());
    }

    fn escape(&mut self) -> Result<char> {
        let Some(kind) = self.byte(self.at + 1) else { return self.malformed() };
        let simple = match kind {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode_escape(),
            _ => return self.malformed(),
        };
        self.at += 2;
        Ok(simple)
    }

    fn unicode_escape(&mut self) -> Result<char> {
        let high = self.code_unit()?;
        self.at += 6;
        if !(0xd800..0xdc00).contains(&high) || self.byte(self.at) != Some(b'\\') {
            return Ok(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        match (self.byte(self.at + 1), self.code_unit()) {
            (Some(b'u'), Ok(low)) if (0xdc00..0xe000).contains(&low) => {
                self.at += 6;
                let joined = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                Ok(char::from_u32(joined).unwrap_or(char::REPLACEMENT_CHARACTER))
            }
            _ => Ok(char::REPLACEMENT_CHARACTER), // What follows is read, and checked, on its own.
        }
    }

    /// The four hexadecimal digits after `\u`, two bytes from here.
    fn code_unit(&self) -> Result<u32> {
        let digits =
            self.text.as_bytes().get(self.at + 2..self.at + 6).ok_or(Malformed(self.at))?;
        digits.iter().try_fold(0, |unit, &byte| {
            let digit = char::from(byte).to_digit(16).ok_or(Malformed(self.at))?;
            Ok(unit * 16 + digit)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Scanner, Start};
    use crate::scalar::Scalar;

    fn skips(text: &str) -> bool {
        let mut scanner = Scanner::new(text);
        scanner.skip().is_ok() && scanner.end().is_ok()
    }

    fn text_of(json: &str) -> String {
        match Scanner::new(json).value().unwrap() {
            Start::Scalar(Scalar::Text(text)) => text.into_owned(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn strings_are_unescaped() {
        assert_eq!(text_of(r#""a\"\\\/\b\f\n\r\té🚀""#), "a\"\\/\u{8}\u{c}\n\r\té🚀");
        assert_eq!(text_of(r#""\u00e9\ud83d\ude80""#), "é🚀");
        assert_eq!(text_of(r#""\ud83dx\ude80\ud83d\n""#), "\u{fffd}x\u{fffd}\u{fffd}\n");
    }

    #[test]
    fn nesting_of_any_depth_is_skipped() {
        let depth = 1_000_000;
        assert!(skips(&format!("{}{}", "[".repeat(depth), "]".repeat(depth))));
        assert!(skips(&format!("{}1{}", "{\"a\":[".repeat(depth), "]}".repeat(depth))));
        assert!(!skips(&"[".repeat(depth)));
    }

    /// Texts near JSON: pieces that fit together more often than random characters do.
    fn near_json() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"a\"",
            "\"\\n\"",
            "\"\\ud800\"",
            "\"\\x\"",
            "1",
            "-",
            "0",
            "1.5e-3",
            ".",
            "true",
            "nul",
            "null",
            " ",
            "\"",
            "\u{1}",
            "e",
            "é",
        ]);
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn what_is_json_is_as_serde_says(text in near_json()) {
            let oracle = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            prop_assert_eq!(skips(&text), oracle);
        }

        #[test]
        fn any_text_crosses_as_a_string(text in any::<String>()) {
            prop_assert_eq!(text_of(&serde_json::to_string(&text).unwrap()), text);
        }
    }
}
