//! Numbers as exact decimals.
//!
//! `f64` would call 9007199254740993 and 9007199254740992 equal, so a number is compared by a form of all its digits: bytes
//! whose order is that of the numbers. They are the sign; where the decimal point stands, four bytes; and the digits without
//! zeros at either end. Those of a negative number are turned around, and end with a byte above all of them.

/// Exponents beyond this are not computed with.
const EXPONENT_MAX: i64 = 1_000_000_000;
/// More digits are not computed with. With it, [`EXPONENT_MAX`] keeps the point within what four bytes hold.
const DIGITS_MAX: usize = 1_000_000_000;
const NEGATIVE: u8 = 1;
const ZERO: u8 = 2;
const POSITIVE: u8 = 3;
const BEHIND_NEGATIVE: u8 = u8::MAX;
/// Added to where the point stands, so that it is not negative.
const POINT_BIAS: i64 = 1 << 31;
const POINT_BYTES: usize = 4;

/// The form of a JSON number in which numbers are compared.
///
/// `None` when the exponent is beyond a thousand million: such a number equals nothing that a pattern can hold.
pub(crate) fn canonical(number: &str) -> Option<Box<[u8]>> {
    let mut form = Vec::with_capacity(number.len() + 1 + POINT_BYTES);
    canonical_into(number.as_bytes(), &mut form).then(|| form.into())
}

/// Appends that form, unless there is none.
pub(crate) fn canonical_into(number: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let done = append(number, out).is_some();
    if !done {
        out.truncate(start);
    }
    done
}

fn append(number: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (negative, unsigned) = match number {
        [b'-', rest @ ..] => (true, rest),
        all => (false, all),
    };
    let (whole, rest) = unsigned.split_at(leading_digits(unsigned));
    let (fraction, rest) = match rest {
        [b'.', rest @ ..] => rest.split_at(leading_digits(rest)),
        rest => (&[][..], rest),
    };
    let exponent: i64 = match rest {
        [] => 0,
        [b'e' | b'E', digits @ ..] if !without_zeros(whole, fraction).is_zero() => {
            std::str::from_utf8(digits).ok()?.parse().ok()?
        }
        [b'e' | b'E', ..] => 0,
        _ => return None,
    };
    if whole.is_empty() || whole.len() + fraction.len() > DIGITS_MAX {
        return None;
    }
    let significant = without_zeros(whole, fraction);
    if significant.is_zero() {
        out.push(ZERO);
        return Some(());
    }
    if exponent.unsigned_abs() > EXPONENT_MAX.unsigned_abs() {
        return None;
    }
    let biased = u32::try_from(significant.point + exponent + POINT_BIAS).ok()?;
    let start = out.len();
    out.push(if negative { NEGATIVE } else { POSITIVE });
    out.extend_from_slice(&biased.to_be_bytes());
    out.extend_from_slice(significant.whole);
    out.extend_from_slice(significant.fraction);
    if negative {
        out[start + 1..].iter_mut().for_each(|byte| *byte = !*byte);
        out.push(BEHIND_NEGATIVE);
    }
    Some(())
}

/// Digits without zeros at either end: those before the decimal point, and those behind it.
struct Significant<'n> {
    whole: &'n [u8],
    fraction: &'n [u8],
    /// How many digits there are before the point; if negative, how many zeros are behind it before the first digit.
    point: i64,
}

impl Significant<'_> {
    fn is_zero(&self) -> bool {
        self.whole.is_empty() && self.fraction.is_empty()
    }
}

fn without_zeros<'n>(whole: &'n [u8], fraction: &'n [u8]) -> Significant<'n> {
    let leading = |digits: &[u8]| digits.iter().take_while(|&&digit| digit == b'0').count();
    let trailing = |digits: &[u8]| digits.iter().rev().take_while(|&&digit| digit == b'0').count();
    let length = |digits: &[u8]| i64::try_from(digits.len()).unwrap_or(i64::MAX);
    let mut whole = &whole[leading(whole)..];
    let mut fraction = &fraction[..fraction.len() - trailing(fraction)];
    let mut point = length(whole);
    if whole.is_empty() {
        let zeros = leading(fraction);
        point = -length(&fraction[..zeros]);
        fraction = &fraction[zeros..];
    } else if fraction.is_empty() {
        whole = &whole[..whole.len() - trailing(whole)];
    }
    Significant { whole, fraction, point }
}

fn leading_digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// Most digits that a number is written out with.
const PLAIN_DIGITS_MAX: i64 = 21;

/// A number as people write it: without an exponent where that is not long.
pub(crate) fn plain(canonical: &[u8]) -> String {
    let (sign, form) = match canonical {
        [NEGATIVE, turned @ .., BEHIND_NEGATIVE] => {
            ("-", turned.iter().map(|byte| !byte).collect::<Vec<_>>())
        }
        [POSITIVE, form @ ..] => ("", form.to_vec()),
        _ => return "0".to_owned(),
    };
    let Some((point, digits)) = form.split_first_chunk::<POINT_BYTES>() else {
        return "0".to_owned();
    };
    let (point, digits) =
        (i64::from(u32::from_be_bytes(*point)) - POINT_BIAS, String::from_utf8_lossy(digits));
    let len = i64::try_from(digits.len()).unwrap_or(i64::MAX);
    if !(-6..=PLAIN_DIGITS_MAX).contains(&point) || len > PLAIN_DIGITS_MAX {
        return format!("{sign}{digits}e{}", point - len);
    }
    let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or(0));
    match usize::try_from(point) {
        Ok(point @ 1..) if point < digits.len() => {
            format!("{sign}{}.{}", &digits[..point], &digits[point..])
        }
        Ok(1..) => format!("{sign}{digits}{}", zeros(point - len)),
        _ => format!("{sign}0.{}{digits}", zeros(-point)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{canonical, plain};

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
                assert_eq!(left.cmp(&right), at.cmp(&other), "{} {}", plain(&left), plain(&right));
            }
        }
        assert_eq!(canonical("-0"), canonical("0"));
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_integers(left in any::<i64>(), right in any::<i64>(), shift in 0_usize..20) {
            let written = |number: i64| canonical(&format!("{number}e-{shift}")).unwrap();
            prop_assert_eq!(written(left).cmp(&written(right)), left.cmp(&right));
        }

        #[test]
        fn a_shifted_point_changes_nothing(digits in 1_u64.., shift in 0_usize..30) {
            let shifted = format!("{digits}{}e-{shift}", "0".repeat(shift));
            prop_assert_eq!(canonical(&digits.to_string()), canonical(&shifted));
        }
    }
}
