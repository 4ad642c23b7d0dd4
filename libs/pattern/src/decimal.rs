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
    let (sign, unsigned) = match number.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", number),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    let significant = digits.trim_start_matches('0');
    let trimmed = significant.trim_end_matches('0');
    if trimmed.is_empty() {
        return Some("0".into());
    }
    let given: i64 = match exponent {
        Some(text) => text.parse().ok()?,
        None => 0,
    };
    let zeros = i64::try_from(significant.len() - trimmed.len()).ok()?;
    let shift = i64::try_from(fraction.len()).ok()?;
    if given.unsigned_abs() > EXPONENT_MAX.unsigned_abs() {
        return None;
    }
    Some(format!("{sign}{trimmed}e{}", given - shift + zeros).into())
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
