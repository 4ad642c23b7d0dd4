//! Comparing short texts: most names and values have few bytes, for which a call costs more than the comparison.

use std::cmp::Ordering;

use memchr::memmem;

const WORD: usize = size_of::<u64>();

/// Whether the texts are the same.
#[inline]
pub(crate) fn same(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    match (left.first_chunk::<WORD>(), right.first_chunk::<WORD>()) {
        (Some(first), Some(other)) => {
            let (Some(last), Some(other_last)) =
                (left.last_chunk::<WORD>(), right.last_chunk::<WORD>())
            else {
                return false;
            };
            // Two words, which may overlap, cover sixteen bytes.
            first == other
                && last == other_last
                && (left.len() <= 2 * WORD || left[WORD..] == right[WORD..])
        }
        _ => left.iter().zip(right).all(|(byte, other)| byte == other),
    }
}

/// What follows `prefix` in the text, if that stands at its beginning.
#[inline]
pub(crate) fn behind<'t>(text: &'t [u8], prefix: &[u8]) -> Option<&'t [u8]> {
    let (beginning, rest) = text.split_at_checked(prefix.len())?;
    same(beginning, prefix).then_some(rest)
}

/// Whether the text ends so.
#[inline]
pub(crate) fn ends_with(text: &[u8], suffix: &[u8]) -> bool {
    let start = text.len().checked_sub(suffix.len());
    start.is_some_and(|start| same(&text[start..], suffix))
}

/// Texts up to this length are searched without preparation.
const SHORT_TEXT_BYTES: usize = 64;

/// Where a part of a text stands first.
pub(crate) fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    if text.len() > SHORT_TEXT_BYTES {
        return memmem::find(text, part);
    }
    let Some(first) = part.first() else { return Some(0) };
    let (mut at, last) = (0, text.len().checked_sub(part.len())?);
    while at <= last {
        at += text[at..=last].iter().position(|byte| byte == first)?;
        if same(&text[at..at + part.len()], part) {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// The order of the texts by their bytes.
#[inline]
pub(crate) fn order(mut left: &[u8], mut right: &[u8]) -> Ordering {
    while let (Some((first, rest)), Some((other, other_rest))) =
        (left.split_first_chunk::<WORD>(), right.split_first_chunk::<WORD>())
    {
        match u64::from_be_bytes(*first).cmp(&u64::from_be_bytes(*other)) {
            Ordering::Equal => (left, right) = (rest, other_rest),
            unequal => return unequal,
        }
    }
    for (byte, other) in left.iter().zip(right) {
        if byte != other {
            return byte.cmp(other);
        }
    }
    left.len().cmp(&right.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{behind, ends_with, find, order, same};

    proptest! {
        #[test]
        fn parts_are_found_where_they_stand_first(text in "[ab]{0,80}", part in "[ab]{0,5}") {
            prop_assert_eq!(find(text.as_bytes(), part.as_bytes()), text.find(&part));
        }

        #[test]
        fn texts_compare_as_slices_do(left in "[ab]{0,40}", at in 0_usize..40, other in "[ab]{0,3}") {
            let mut right = left.clone();
            right.replace_range(at.min(left.len())..(at + other.len()).min(left.len()), &other);
            let (left, right) = (left.as_bytes(), right.as_bytes());
            prop_assert_eq!(same(left, right), left == right);
            prop_assert_eq!(order(left, right), left.cmp(right));
            prop_assert_eq!(behind(left, &right[..right.len() / 2]), left.strip_prefix(&right[..right.len() / 2]));
            prop_assert_eq!(ends_with(left, &right[right.len() / 2..]), left.ends_with(&right[right.len() / 2..]));
        }
    }
}
