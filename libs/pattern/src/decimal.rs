//! Numbers as exact decimals.
//!
//! `f64` would call 9007199254740993 and 9007199254740992 equal, so numbers are compared by their canonical text.

use std::borrow::Cow;
use std::cmp::Ordering;

/// Exponents beyond this are not computed with.
const EXPONENT_MAX: i64 = 1_000_000_000;

/// The canonical text of a JSON number: equal numbers have equal texts, unequal ones do not.
///
/// `None` when the exponent is beyond a thousand million: such a number equals nothing that a pattern can hold.
pub(crate) fn canonical(number: &str) -> Option<Box<str>> {
    let mut text = Vec::with_capacity(number.len() + 2);
    canonical_into(number, &mut text).then(|| String::from_utf8_lossy(&text).into())
}

/// Appends the canonical text of a number, unless [`canonical`] has none.
pub(crate) fn canonical_into(number: &str, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let done = digits_and_exponent(number.as_bytes(), out).is_some();
    if !done {
        out.truncate(start);
    }
    done
}

fn digits_and_exponent(number: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (negative, unsigned) = match number {
        [b'-', rest @ ..] => (true, rest),
        all => (false, all),
    };
    let len = unsigned.iter().position(|byte| matches!(byte, b'e' | b'E'));
    let (mantissa, exponent) = unsigned.split_at(len.unwrap_or(unsigned.len()));
    if negative {
        out.push(b'-');
    }
    let first = out.len();
    let (mut in_fraction, mut shift) = (false, 0_i64);
    for &byte in mantissa {
        match byte {
            b'.' if !in_fraction => in_fraction = true,
            b'0'..=b'9' => {
                shift += i64::from(in_fraction);
                if byte != b'0' || out.len() > first {
                    out.push(byte);
                }
            }
            _ => return None,
        }
    }
    while out.len() > first && out.last() == Some(&b'0') {
        out.pop();
        shift -= 1;
    }
    if out.len() == first {
        out.truncate(first - usize::from(negative));
        out.push(b'0');
        return (!mantissa.is_empty()).then_some(());
    }
    let given: i64 = match exponent {
        [] => 0,
        [_, digits @ ..] => std::str::from_utf8(digits).ok()?.parse().ok()?,
    };
    if given.unsigned_abs() > EXPONENT_MAX.unsigned_abs() {
        return None;
    }
    out.push(b'e');
    match u8::try_from(given - shift) {
        Ok(digit @ 0..=9) => out.push(b'0' + digit),
        _ => out.extend_from_slice((given - shift).to_string().as_bytes()),
    }
    Some(())
}

/// Most digits that a number is written out with.
const PLAIN_DIGITS_MAX: i64 = 21;

/// A number in canonical form as people write it: without an exponent where that is not long.
pub(crate) fn plain(canonical: &str) -> Cow<'_, str> {
    let parts = Parts::of(canonical);
    let (sign, digits) = (if parts.negative { "-" } else { "" }, parts.digits);
    let len = i64::try_from(digits.len()).unwrap_or(i64::MAX);
    if digits.is_empty()
        || !(-6..=PLAIN_DIGITS_MAX).contains(&parts.point)
        || len > PLAIN_DIGITS_MAX
    {
        return canonical.into();
    }
    let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or(0));
    match usize::try_from(parts.point) {
        Ok(point @ 1..) if point < digits.len() => {
            format!("{sign}{}.{}", &digits[..point], &digits[point..]).into()
        }
        Ok(1..) => format!("{sign}{digits}{}", zeros(parts.point - len)).into(),
        _ => format!("{sign}0.{}{digits}", zeros(-parts.point)).into(),
    }
}

/// The order of two numbers in canonical form.
pub(crate) fn order(left: &str, right: &str) -> Ordering {
    let (left, right) = (Parts::of(left), Parts::of(right));
    match (left.negative, right.negative) {
        (false, false) => left.magnitude(&right),
        (true, true) => right.magnitude(&left),
        (false, true) => Ordering::Greater,
        (true, false) => Ordering::Less,
    }
}

/// A number in canonical form, taken apart: ±0.digits × 10^point. Zero has no digits.
struct Parts<'n> {
    negative: bool,
    digits: &'n str,
    point: i64,
}

impl<'n> Parts<'n> {
    fn of(canonical: &'n str) -> Self {
        let unsigned = canonical.strip_prefix('-');
        let negative = unsigned.is_some();
        match unsigned.unwrap_or(canonical).split_once('e') {
            Some((digits, exponent)) => {
                let len = i64::try_from(digits.len()).unwrap_or(i64::MAX);
                // Both are far from what an i64 holds.
                let point = exponent.parse().unwrap_or(0_i64).saturating_add(len);
                Self { negative, digits, point }
            }
            None => Self { negative, digits: "", point: i64::MIN },
        }
    }

    /// The order of what stands behind the signs. Digits end with no zero, so the shorter of two that begin alike is less.
    fn magnitude(&self, other: &Self) -> Ordering {
        self.point.cmp(&other.point).then_with(|| self.digits.cmp(other.digits))
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use proptest::prelude::*;

    use super::{canonical, order, plain};

    #[test]
    fn spellings_of_one_number_are_equal() {
        for (left, right) in [
            ("300", "3.0e2"),
            ("300", "300.000"),
            ("0", "-0.0e99999999999999999999"),
            ("-1.50", "-15E-1"),
            ("1e30", "1000000000000000000000000000000"),
            ("0.0000001", "1e-7"),
        ] {
            assert_eq!(canonical(left), canonical(right), "{left} {right}");
        }
    }

    #[test]
    fn different_numbers_are_not_equal() {
        for (left, right) in [
            ("9007199254740993", "9007199254740992"),
            ("1", "-1"),
            ("0.1", "0.10000001"),
            ("1", "10"),
        ] {
            assert_ne!(canonical(left), canonical(right), "{left} {right}");
        }
        assert_eq!(canonical("1e1000000001"), None);
        assert_eq!(canonical("1e99999999999999999999"), None);
    }

    #[test]
    fn numbers_are_written_as_people_do() {
        for (given, written) in [
            ("3.0e2", "300"),
            ("-1.50", "-1.5"),
            ("0", "0"),
            ("1e-3", "0.001"),
            ("0.5", "0.5"),
            ("1e300", "1e300"),
            ("-0.0", "0"),
            ("9007199254740993", "9007199254740993"),
        ] {
            assert_eq!(plain(&canonical(given).unwrap()), written);
        }
    }

    #[test]
    fn numbers_are_in_order() {
        let ascending = [
            "-1e30",
            "-20",
            "-3",
            "-2.5",
            "-0.1",
            "-1e-9",
            "0",
            "1e-9",
            "0.1",
            "0.10000001",
            "2.5",
            "3",
            "20",
            "9007199254740992",
            "9007199254740993",
            "1e30",
        ];
        for (at, left) in ascending.iter().enumerate() {
            for (other, right) in ascending.iter().enumerate() {
                let (left, right) = (canonical(left).unwrap(), canonical(right).unwrap());
                assert_eq!(order(&left, &right), at.cmp(&other), "{left} {right}");
            }
        }
        assert_eq!(order(&canonical("-0").unwrap(), &canonical("0").unwrap()), Ordering::Equal);
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_integers(left in any::<i64>(), right in any::<i64>(), shift in 0_usize..20) {
            let written = |number: i64| canonical(&format!("{number}e-{shift}")).unwrap();
            prop_assert_eq!(order(&written(left), &written(right)), left.cmp(&right));
        }

        #[test]
        fn a_shifted_point_changes_nothing(digits in 1_u64.., shift in 0_usize..30) {
            let shifted = format!("{digits}{}e-{shift}", "0".repeat(shift));
            prop_assert_eq!(canonical(&digits.to_string()), canonical(&shifted));
        }
    }
}
