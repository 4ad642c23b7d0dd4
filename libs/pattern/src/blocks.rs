//! Finds the ends of strings and containers in JSON, many bytes at a time.

use wide::{u8x16, u8x64};

const STRING_BLOCK: usize = 16;
const BLOCK: usize = 64;

/// What stands between two quotes: where it ends, and two things about it. In one word, since one is made for each key and
/// text of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quoted(usize);

impl Quoted {
    const ESCAPED: usize = 1;
    const HAS_STOP: usize = 2;

    #[inline(always)]
    fn new(end: usize, escaped: bool, has_stop: bool) -> Self {
        Self(end << 2 | usize::from(has_stop) << 1 | usize::from(escaped))
    }

    /// Where it ends: at the closing quote.
    #[inline(always)]
    pub(crate) fn end(self) -> usize {
        self.0 >> 2
    }

    /// Whether a backslash is in it.
    #[inline(always)]
    pub(crate) fn is_escaped(self) -> bool {
        self.0 & Self::ESCAPED != 0
    }

    /// Whether a full stop is in it.
    #[inline(always)]
    pub(crate) fn has_stop(self) -> bool {
        self.0 & Self::HAS_STOP != 0
    }
}

/// The string whose opening quote stands before `at`. `None` if it does not end.
#[inline(always)]
pub(crate) fn string(json: &[u8], mut at: usize) -> Option<Quoted> {
    let (mut escaped, mut has_stop) = (false, false);
    while let Some(block) = json.get(at..).and_then(|rest| rest.first_chunk::<STRING_BLOCK>()) {
        let block = u8x16::new(*block);
        let quotes = block.simd_eq(u8x16::splat(b'"')).to_bitmask();
        let slashes = block.simd_eq(u8x16::splat(b'\\')).to_bitmask();
        let stops = block.simd_eq(u8x16::splat(b'.')).to_bitmask();
        let special = quotes | slashes;
        if special == 0 {
            has_stop |= stops != 0;
            at += STRING_BLOCK;
            continue;
        }
        let first = special.trailing_zeros();
        has_stop |= stops & ((1 << first) - 1) != 0;
        at += first as usize;
        if quotes >> first & 1 == 1 {
            return Some(Quoted::new(at, escaped, has_stop));
        }
        escaped = true;
        at += 2;
    }
    loop {
        match json.get(at)? {
            b'"' => return Some(Quoted::new(at, escaped, has_stop)),
            b'\\' => {
                escaped = true;
                at += 1;
            }
            b'.' => has_stop = true,
            _ => {}
        }
        at += 1;
    }
}

/// Where the number or literal ends that begins at `at`: before white space, a comma or a closing bracket. `None` if the text
/// ends first.
#[inline]
pub(crate) fn token(json: &[u8], mut at: usize) -> Option<usize> {
    while let Some(block) = json.get(at..).and_then(|rest| rest.first_chunk::<STRING_BLOCK>()) {
        let block = u8x16::new(*block);
        let is = |byte| block.simd_eq(u8x16::splat(byte));
        let blank = block.min(u8x16::splat(b' ')).simd_eq(block);
        let ends = (is(b',') | is(b'}') | is(b']') | blank).to_bitmask();
        if ends != 0 {
            return Some(at + ends.trailing_zeros() as usize);
        }
        at += STRING_BLOCK;
    }
    let ends = |byte: &u8| *byte <= b' ' || matches!(byte, b',' | b'}' | b']');
    json.get(at..)?.iter().position(ends).map(|len| at + len)
}

/// Where the object or array ends that begins at `start`: behind its closing bracket. `None` if it does not end. The
/// kinds of brackets are not told apart.
pub(crate) fn container(json: &[u8], start: usize) -> Option<usize> {
    let (mut at, mut depth) = (start, 0_u32);
    let mut strings = Strings::default();
    while at < json.len() {
        let mut padded = [b' '; BLOCK];
        let block = match json[at..].first_chunk::<BLOCK>() {
            Some(block) => block,
            None => {
                let rest = &json[at..];
                padded[..rest.len()].copy_from_slice(rest);
                &padded
            }
        };
        let block = u8x64::new(*block);
        let equal = |bytes: u8x64, byte: u8| bytes.simd_eq(u8x64::splat(byte)).to_bitmask();
        let inside = strings.inside(equal(block, b'"'), equal(block, b'\\'));
        // One bit parts '[' from '{', and ']' from '}'; nothing else becomes either by setting it.
        let curly = block | u8x64::splat(0x20);
        let opened = equal(curly, b'{') & !inside;
        let mut closed = equal(curly, b'}') & !inside;
        if closed.count_ones() >= depth {
            let (mut closed_so_far, before) = (0, depth);
            while closed != 0 {
                let first = closed.trailing_zeros();
                closed_so_far += 1;
                let opened_so_far = (opened & ((1 << first) - 1)).count_ones();
                if before + opened_so_far == closed_so_far {
                    return Some(at + first as usize + 1);
                }
                closed &= closed - 1;
            }
            depth = before + opened.count_ones() - closed_so_far;
        } else {
            depth = depth + opened.count_ones() - closed.count_ones();
        }
        at += BLOCK;
    }
    None
}

/// What is known at the beginning of a block of what came before it.
#[derive(Default)]
struct Strings {
    /// All bits, if the block begins within a string.
    inside: u64,
    /// The first byte stands behind a backslash.
    escaped: bool,
}

impl Strings {
    /// The bytes that are within strings, given the quotes and backslashes of a block.
    fn inside(&mut self, mut quotes: u64, mut slashes: u64) -> u64 {
        if std::mem::take(&mut self.escaped) {
            quotes &= !1;
            slashes &= !1;
        }
        while slashes != 0 {
            let first = slashes.trailing_zeros();
            if first == 63 {
                self.escaped = true;
                break;
            }
            quotes &= !(2 << first);
            slashes &= !(3 << first);
        }
        // Each bit becomes the parity of the quotes up to it.
        let mut parity = quotes;
        for shift in [1, 2, 4, 8, 16, 32] {
            parity ^= parity << shift;
        }
        let inside = parity ^ self.inside;
        self.inside = 0_u64.wrapping_sub(inside >> 63);
        inside
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Quoted, container, string, token};

    #[test]
    fn strings_end_at_the_first_quote_that_is_not_escaped() {
        for padding in [0, 1, 7, 14, 15, 16, 17, 31, 40] {
            let x = "x".repeat(padding);
            for (text, escaped, has_stop) in [
                (x.clone(), false, false),
                (format!("{x}\\\"\\\\"), true, false),
                (format!("{x}."), false, true),
            ] {
                let json = format!("\"{text}\" .\"{x}");
                let quoted = Quoted::new(1 + text.len(), escaped, has_stop);
                assert_eq!(string(json.as_bytes(), 1), Some(quoted), "{json}");
            }
            assert_eq!(string(format!("\"{x}\\\"").as_bytes(), 1), None);
        }
    }

    #[test]
    fn tokens_end_before_what_follows_them() {
        for len in [1, 2, 15, 16, 17, 40] {
            let number = "1".repeat(len);
            for (behind, padding) in
                [(",", 0), ("}", 20), ("]", 1), (" ", 16), ("\n", 0), ("\t", 30)]
            {
                let json = format!("{number}{behind}{}", "2".repeat(padding));
                assert_eq!(token(json.as_bytes(), 0), Some(len), "{json}");
            }
            assert_eq!(token(number.as_bytes(), 0), None);
        }
    }

    /// Texts with everything that bears on where containers end.
    fn near_json() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            "{",
            "}",
            "\"",
            "\"",
            "\\\\",
            "\"\\\"\"",
            "\"{\"",
            "\"]\"",
            ",",
            "xxxxxxxxxxxxxxxx",
            "é",
            "\\",
        ]);
        prop::collection::vec(piece, 0..120).prop_map(|pieces| pieces.concat())
    }

    fn naive(json: &[u8]) -> Option<usize> {
        let (mut depth, mut inside, mut escaped) = (0, false, false);
        for (at, byte) in json.iter().enumerate() {
            escaped &= matches!(byte, b'"' | b'\\');
            match byte {
                b'"' | b'\\' if std::mem::take(&mut escaped) => {}
                b'\\' => escaped = true,
                b'"' => inside = !inside,
                b'{' | b'[' if !inside => depth += 1,
                b'}' | b']' if !inside => {
                    depth -= 1;
                    if depth == 0 {
                        return Some(at + 1);
                    }
                }
                _ => {}
            }
        }
        None
    }

    proptest! {
        #[test]
        fn containers_end_where_reading_byte_by_byte_says(rest in near_json()) {
            let json = format!("{{{rest}");
            prop_assert_eq!(container(json.as_bytes(), 0), naive(json.as_bytes()));
        }
    }
}
