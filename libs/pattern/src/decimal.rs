//! Numbers as exact decimals.
//!
//! `f64` would call 9007199254740993 and 9007199254740992 equal, so numbers are compared by their canonical text.

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::canonical;

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

    proptest! {
        #[test]
        fn a_shifted_point_changes_nothing(digits in 1_u64.., shift in 0_usize..30) {
            let shifted = format!("{digits}{}e-{shift}", "0".repeat(shift));
            prop_assert_eq!(canonical(&digits.to_string()), canonical(&shifted));
        }
    }
}
