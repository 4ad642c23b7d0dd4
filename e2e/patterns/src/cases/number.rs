//! Numbers in many spellings.

use crate::random::Random;

/// ±digits × 10^exponent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number {
    negative: bool,
    digits: u64,
    exponent: i32,
}

/// The most digits that an IEEE double keeps, whatever they are: event-ruler compares no others.
const DIGITS_MAX: u32 = 15;

impl Number {
    /// Most are small; few are beyond what event-ruler compares.
    pub(super) fn random(random: &mut Random) -> Self {
        let (digits, exponent) = match random.below(100) {
            0..45 => (random.below(12) as u64, 0),
            45..60 => (random.below(1_000) as u64, 0),
            60..75 => (random.below(10_000) as u64, -3 + random_i32(random, 6)),
            75..85 => (random.next() % 5_000_000_000_000_000, -6),
            85..92 => (random.next() % 10_u64.pow(DIGITS_MAX), -random_i32(random, 15)),
            92..97 => (random.next() % 1_000, -300 + random_i32(random, 600)),
            97..99 => (9_007_199_254_740_990 + random.next() % 8, 0),
            _ => (random.next(), -random_i32(random, 20)),
        };
        Self { negative: random.percent(20), digits, exponent }
    }

    /// One that is close by: to the next digit, of the other sign, or ten times as much.
    pub(super) fn near(self, random: &mut Random) -> Self {
        match random.below(7) {
            0 | 1 => self.plus(1),
            2 | 3 => self.minus(1),
            4 => Self { negative: !self.negative, ..self },
            5 => Self { exponent: self.exponent + 1, ..self },
            _ => Self {
                digits: self.digits.saturating_mul(10).saturating_add(1),
                exponent: self.exponent - 1,
                ..self
            },
        }
    }

    /// So many units of its last digit away from zero.
    pub(super) fn plus(self, units: u64) -> Self {
        Self { digits: self.digits.saturating_add(units), ..self }
    }

    /// So many units of its last digit towards zero.
    pub(super) fn minus(self, units: u64) -> Self {
        Self { digits: self.digits.saturating_sub(units), ..self }
    }

    pub(super) fn is_negative(self) -> bool {
        self.negative
    }

    /// One of the many ways to write it.
    pub(super) fn spell(self, random: &mut Random) -> String {
        let sign = if self.negative { "-" } else { "" };
        let digits = self.digits.to_string();
        match random.below(6) {
            0..=2 if self.exponent.unsigned_abs() <= 20 => {
                format!("{sign}{}", plain(&digits, self.exponent, ""))
            }
            3 if self.exponent.unsigned_abs() <= 20 => {
                format!("{sign}{}", plain(&digits, self.exponent, &"0".repeat(1 + random.below(4))))
            }
            4 => {
                // One digit before the point.
                let (first, rest) = digits.split_at(1);
                let more = i32::try_from(rest.len()).unwrap_or_default();
                let rest = if rest.is_empty() { "0" } else { rest };
                format!("{sign}{first}.{rest}{}", exponent(self.exponent + more, random))
            }
            _ => format!("{sign}{digits}{}", exponent(self.exponent, random)),
        }
    }
}

fn random_i32(random: &mut Random, bound: usize) -> i32 {
    i32::try_from(random.below(bound)).unwrap_or_default()
}

fn exponent(value: i32, random: &mut Random) -> String {
    let letter = *random.pick(&["e", "E"]);
    match value {
        ..0 => format!("{letter}-{}{}", random.pick(&["", "0"]), value.unsigned_abs()),
        0 if random.percent(50) => String::new(),
        _ => format!("{letter}{}{}{value}", random.pick(&["", "+"]), random.pick(&["", "", "0"])),
    }
}

/// Without an exponent; with these digits, which are zeros, behind all others in the fraction.
fn plain(digits: &str, exponent: i32, zeros: &str) -> String {
    let shift = usize::try_from(exponent.unsigned_abs()).unwrap_or_default();
    if exponent >= 0 {
        let whole = if digits == "0" {
            digits.to_owned()
        } else {
            format!("{digits}{}", "0".repeat(shift))
        };
        return if zeros.is_empty() { whole } else { format!("{whole}.{zeros}") };
    }
    let padded = format!("{digits:0>width$}", width = shift + 1);
    let (whole, fraction) = padded.split_at(padded.len() - shift);
    format!("{whole}.{fraction}{zeros}")
}

#[cfg(test)]
mod tests {
    use super::Number;
    use crate::random::Random;

    #[test]
    fn every_spelling_is_json_and_the_same_number() {
        let mut random = Random::new(3);
        for _ in 0..2_000 {
            let number = Number::random(&mut random);
            let value = |text: String| {
                serde_json::from_str::<f64>(&text).unwrap_or_else(|_| panic!("{text}"))
            };
            let (one, other) = (value(number.spell(&mut random)), value(number.spell(&mut random)));
            assert!((one - other).abs() <= one.abs() * 1e-14, "{one} {other}");
        }
    }
}
