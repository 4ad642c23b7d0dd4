//! What a pattern can ask of a field, with values that meet it, and values that nearly do.

use super::network::Network;
use super::number::Number;
use super::text::{escaped, near, recased, word};
use crate::json::Json;
use crate::random::Random;

#[derive(Clone, Debug)]
pub(super) enum Alternative {
    Text(String),
    Number(Number),
    Literal(&'static str),
    Exists(bool),
    Prefix {
        text: String,
        any_case: bool,
    },
    Suffix {
        text: String,
        any_case: bool,
    },
    IgnoreCase(String),
    Wildcard(Vec<String>),
    Numeric(Vec<(&'static str, Number)>),
    Cidr(Network),
    /// An address as a text, which is equal to its other spellings.
    Address(Network),
    But(But),
}

/// What `anything-but` excepts.
#[derive(Clone, Debug)]
pub(super) enum But {
    Texts(Vec<String>),
    Numbers(Vec<Number>),
    /// An operator, with operands for it; a wildcard as its pieces.
    Of(&'static str, Vec<Vec<String>>),
}

const LITERALS: [&str; 3] = ["null", "true", "false"];

impl Alternative {
    pub(super) fn random(random: &mut Random) -> Self {
        match random.below(30) {
            0..6 => Self::Text(word(random)),
            6..9 => Self::Number(Number::random(random)),
            9 => Self::Literal(random.pick::<&str>(&LITERALS)),
            10 | 11 => Self::Exists(random.percent(60)),
            12 | 13 => Self::Prefix { text: word(random), any_case: random.percent(40) },
            14 | 15 => Self::Suffix { text: word(random), any_case: random.percent(40) },
            16 | 17 => Self::IgnoreCase(word(random)),
            18..21 => Self::Wildcard(pieces(random)),
            21..24 => Self::Numeric(interval(random)),
            24 if random.percent(70) => Self::Cidr(Network::random(random)),
            24 => Self::Address(Network::random(random)),
            _ => Self::But(But::random(random)),
        }
    }

    pub(super) fn json(&self, random: &mut Random) -> Json {
        match self {
            Self::Text(text) => Json::text(text),
            Self::Number(number) => Json::raw(number.spell(random)),
            Self::Literal(literal) => Json::raw(*literal),
            Self::Exists(wanted) => Json::one("exists", Json::raw(wanted.to_string())),
            Self::Prefix { text, any_case } => Json::one("prefix", in_case(text, *any_case)),
            Self::Suffix { text, any_case } => Json::one("suffix", in_case(text, *any_case)),
            Self::IgnoreCase(text) => Json::one("equals-ignore-case", Json::text(text)),
            Self::Wildcard(pieces) => Json::one("wildcard", Json::text(glob(pieces))),
            Self::Numeric(bounds) => {
                let bound = |(operator, number): &(&str, Number), random: &mut Random| {
                    [Json::text(*operator), Json::raw(number.spell(random))]
                };
                let parts = bounds.iter().flat_map(|one| bound(one, random)).collect();
                Json::one("numeric", Json::Array(parts))
            }
            Self::Cidr(network) => Json::one("cidr", Json::text(network.spell(random))),
            Self::Address(network) => Json::text(network.itself(random)),
            Self::But(but) => Json::one("anything-but", but.json(random)),
        }
    }

    /// A value that meets it; none where none must be.
    pub(super) fn met_by(&self, random: &mut Random) -> Option<Json> {
        Some(match self {
            Self::Text(text) => Json::text(text),
            Self::Number(number) => Json::raw(number.spell(random)),
            Self::Literal(literal) => Json::raw(*literal),
            Self::Exists(true) => any_value(random),
            Self::Exists(false) => return None,
            Self::Prefix { text, any_case } => {
                Json::text(cased(text, *any_case, random) + &word(random))
            }
            Self::Suffix { text, any_case } => {
                Json::text(word(random) + &cased(text, *any_case, random))
            }
            Self::IgnoreCase(text) => Json::text(recased(text, random)),
            Self::Wildcard(pieces) => Json::text(filled(pieces, random)),
            Self::Numeric(bounds) => {
                let (operator, number) = *random.pick(bounds);
                let outwards = matches!(operator, ">" | ">=") != number.is_negative();
                let moved = match (operator, outwards) {
                    ("=" | ">=" | "<=", _) if random.percent(50) => number,
                    (_, true) => number.plus(1),
                    (_, false) => number.minus(1),
                };
                Json::raw(moved.spell(random))
            }
            Self::Cidr(network) => Json::text(network.inside(random)),
            Self::Address(network) => Json::text(network.itself(random)),
            Self::But(_) => any_value(random),
        })
    }

    /// A value that nearly meets it, or just does.
    pub(super) fn nearly_met_by(&self, random: &mut Random) -> Json {
        let text = match self {
            Self::Number(number) => return Json::raw(number.near(random).spell(random)),
            Self::Numeric(bounds) => {
                let (_, number) = *random.pick(bounds);
                let number = if random.percent(40) { number } else { number.near(random) };
                return Json::raw(number.spell(random));
            }
            Self::Cidr(network) | Self::Address(network) => {
                return Json::text(network.near(random));
            }
            Self::But(but) => return but.refused(random),
            Self::Literal(_) | Self::Exists(_) => return any_value(random),
            Self::Text(text) | Self::IgnoreCase(text) => near(text, random),
            Self::Prefix { text, .. } => near(text, random) + &word(random),
            Self::Suffix { text, .. } => word(random) + &near(text, random),
            Self::Wildcard(pieces) => near(&filled(pieces, random), random),
        };
        Json::text(text)
    }
}

impl But {
    fn random(random: &mut Random) -> Self {
        let count = 1 + random.below(3);
        match random.below(6) {
            0 => Self::Texts((0..count).map(|_| word(random)).collect()),
            1 => Self::Numbers((0..count).map(|_| Number::random(random)).collect()),
            2 => Self::Of("wildcard", (0..count).map(|_| pieces(random)).collect()),
            _ => {
                let operator = *random.pick(&["prefix", "suffix", "equals-ignore-case"]);
                Self::Of(operator, (0..count).map(|_| vec![word(random)]).collect())
            }
        }
    }

    fn json(&self, random: &mut Random) -> Json {
        match self {
            Self::Texts(texts) => one_or_more(texts.iter().map(Json::text).collect(), random),
            Self::Numbers(numbers) => {
                let numbers =
                    numbers.iter().map(|number| Json::raw(number.spell(random))).collect();
                one_or_more(numbers, random)
            }
            Self::Of(operator, operands) => {
                let operand = |pieces: &Vec<String>| match *operator {
                    "wildcard" => Json::text(glob(pieces)),
                    _ => Json::text(pieces.concat()),
                };
                Json::one(operator, one_or_more(operands.iter().map(operand).collect(), random))
            }
        }
    }

    /// A value that is excepted, or nearly.
    fn refused(&self, random: &mut Random) -> Json {
        let text = match self {
            Self::Texts(texts) => random.pick(texts).clone(),
            Self::Numbers(numbers) => return Json::raw(random.pick(numbers).spell(random)),
            Self::Of(operator, operands) => {
                let pieces = random.pick(operands);
                match *operator {
                    "prefix" => pieces.concat() + &word(random),
                    "suffix" => word(random) + &pieces.concat(),
                    "wildcard" => filled(pieces, random),
                    _ => recased(&pieces.concat(), random),
                }
            }
        };
        Json::text(if random.percent(80) { text } else { near(&text, random) })
    }
}

/// One value alone or as an array, several as an array.
fn one_or_more(mut values: Vec<Json>, random: &mut Random) -> Json {
    if values.len() == 1 && random.percent(60) { values.remove(0) } else { Json::Array(values) }
}

fn in_case(text: &str, any_case: bool) -> Json {
    if any_case { Json::one("equals-ignore-case", Json::text(text)) } else { Json::text(text) }
}

fn cased(text: &str, any_case: bool, random: &mut Random) -> String {
    if any_case { recased(text, random) } else { text.to_owned() }
}

/// What stands between the stars of a wildcard.
fn pieces(random: &mut Random) -> Vec<String> {
    let count = 1 + random.below(4);
    let mut pieces: Vec<_> = (0..count).map(|_| word(random)).collect();
    // Two stars in a row are refused; let that be rare.
    for piece in pieces.iter_mut().skip(1).take(count.saturating_sub(2)) {
        if piece.is_empty() && random.percent(95) {
            piece.push('b');
        }
    }
    pieces
}

fn glob(pieces: &[String]) -> String {
    pieces.iter().map(|piece| escaped(piece)).collect::<Vec<_>>().join("*")
}

fn filled(pieces: &[String], random: &mut Random) -> String {
    let mut filled = pieces[0].clone();
    for piece in &pieces[1..] {
        filled += &word(random);
        filled += piece;
    }
    filled
}

fn interval(random: &mut Random) -> Vec<(&'static str, Number)> {
    let number = Number::random(random);
    if random.percent(45) {
        return vec![(*random.pick(&["=", "<", "<=", ">", ">="]), number)];
    }
    let away = if random.percent(92) {
        number.plus(1 + random.next() % 100)
    } else {
        Number::random(random)
    };
    let (low, high) = if number.is_negative() { (away, number) } else { (number, away) };
    vec![(*random.pick(&[">", ">="]), low), (*random.pick(&["<", "<="]), high)]
}

/// A scalar of any type.
pub(super) fn any_value(random: &mut Random) -> Json {
    match random.below(10) {
        0..5 => Json::text(word(random)),
        5..8 => Json::raw(Number::random(random).spell(random)),
        _ => Json::raw(*random.pick(&LITERALS)),
    }
}
