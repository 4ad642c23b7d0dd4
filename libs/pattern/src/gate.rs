//! By what the index finds the alternatives that a value fulfils.
//!
//! Most alternatives are fulfilled by just the values that have something in common: they are equal, begin or end alike,
//! or are addresses of one network. That is their gate, and what they have in common its key. So all alternatives of a
//! field that a value fulfils are found by one look-up for each kind of gate in use, however many there are.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::network::parse_address;
use crate::observed::Kind;
use crate::operator::Operator;
use crate::scalar::Scalar;

/// What is looked up of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Gate {
    pub(crate) class: Class,
    /// Of how many bytes the key of a prefix or suffix is, or of how many bits that of a network. Else 0.
    pub(crate) len: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// Nothing: every value passes.
    #[default]
    Present,
    /// `true`, `false` or `null`.
    Literal,
    /// The canonical form of a number.
    Number,
    Text,
    Prefix,
    Suffix,
    /// The same of the text in lower case, as far as it is ASCII.
    FoldedText,
    FoldedPrefix,
    FoldedSuffix,
    Network4,
    Network6,
}

/// A gate, the key of those that pass, and what is still to be asked of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gated<'a> {
    pub(crate) gate: Gate,
    pub(crate) key: Cow<'a, [u8]>,
    pub(crate) also: Option<&'a Operator>,
}

impl Gate {
    fn of(class: Class, key: &[u8]) -> Self {
        // Keys are parts of a pattern, whose length is limited.
        Self { class, len: u32::try_from(key.len()).unwrap_or(u32::MAX) }
    }

    /// The number that tells this gate from all others of its field.
    pub(crate) fn number(self) -> u64 {
        (self.class as u64) << 32 | u64::from(self.len)
    }
}

impl<'a> Gated<'a> {
    pub(crate) fn present() -> Self {
        Self::plain(Class::Present, Cow::Borrowed(b""))
    }

    /// None for a value that none equals.
    pub(crate) fn exactly(value: &'a Scalar<'static>) -> Option<Self> {
        Some(match value {
            Scalar::Text(text) => Self::plain(Class::Text, text.as_bytes().into()),
            Scalar::Number(number) => Self::plain(Class::Number, (&**number).into()),
            Scalar::Bool(true) => Self::plain(Class::Literal, literal(Kind::True).into()),
            Scalar::Bool(false) => Self::plain(Class::Literal, literal(Kind::False).into()),
            Scalar::Null => Self::plain(Class::Literal, literal(Kind::Null).into()),
            Scalar::Immeasurable => return None,
        })
    }

    /// None for an operator that must be asked of each value.
    pub(crate) fn by(operator: &'a Operator) -> Option<Self> {
        Some(match operator {
            Operator::Prefix(text) => Self::affix(Class::Prefix, text.as_bytes().into()),
            Operator::Suffix(text) => Self::affix(Class::Suffix, text.as_bytes().into()),
            Operator::EqualsIgnoreCase(text) => Self::plain(Class::FoldedText, folded(text)?),
            Operator::PrefixIgnoreCase(text) => Self::affix(Class::FoldedPrefix, folded(text)?),
            Operator::SuffixIgnoreCase(text) => Self::affix(Class::FoldedSuffix, folded(text)?),
            Operator::Wildcard(glob) => {
                let (first, last) = glob.ends();
                match (glob.len(), first.is_empty(), last.is_empty()) {
                    (1, ..) => Self::plain(Class::Text, first.as_bytes().into()),
                    (2, _, true) => Self::affix(Class::Prefix, first.as_bytes().into()),
                    (2, true, _) => Self::affix(Class::Suffix, last.as_bytes().into()),
                    (_, true, true) => return None,
                    _ => {
                        let gated = match first.len() >= last.len() {
                            true => Self::affix(Class::Prefix, first.as_bytes().into()),
                            false => Self::affix(Class::Suffix, last.as_bytes().into()),
                        };
                        Self { also: Some(operator), ..gated }
                    }
                }
            }
            Operator::Numeric(interval) => {
                let number = interval.only()?;
                Self::plain(Class::Number, number.into())
            }
            Operator::Cidr(network) => {
                let (class, mut key) = address(network.address());
                mask(&mut key, network.bits());
                Self {
                    gate: Gate { class, len: network.bits() },
                    key: key[..width(class)].to_vec().into(),
                    also: None,
                }
            }
            Operator::Contains(_)
            | Operator::ContainsIgnoreCase(_)
            | Operator::Regex(_)
            | Operator::Not(_)
            | Operator::AnythingBut(_) => return None,
        })
    }

    fn plain(class: Class, key: Cow<'a, [u8]>) -> Self {
        Self { gate: Gate { class, len: 0 }, key, also: None }
    }

    fn affix(class: Class, key: Cow<'a, [u8]>) -> Self {
        Self { gate: Gate::of(class, &key), key, also: None }
    }
}

/// In lower case, if it is ASCII: other letters may have several lower and upper cases.
fn folded(text: &str) -> Option<Cow<'_, [u8]>> {
    text.is_ascii().then(|| text.to_ascii_lowercase().into_bytes().into())
}

fn literal(kind: Kind) -> &'static [u8] {
    match kind {
        Kind::True => b"t",
        Kind::False => b"f",
        Kind::Null => b"n",
        Kind::Text | Kind::Number | Kind::Immeasurable => b"",
    }
}

fn address(address: IpAddr) -> (Class, [u8; 16]) {
    match address {
        IpAddr::V4(address) => {
            let mut key = [0; 16];
            key[..4].copy_from_slice(&address.octets());
            (Class::Network4, key)
        }
        IpAddr::V6(address) => (Class::Network6, address.octets()),
    }
}

/// How many bytes an address has.
fn width(class: Class) -> usize {
    if class == Class::Network4 { 4 } else { 16 }
}

/// Keeps the first bits only.
fn mask(key: &mut [u8; 16], bits: u32) {
    let kept = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
    *key = (u128::from_be_bytes(*key) & kept).to_be_bytes();
}

/// A value, and what has been made of it for the gates it came to.
pub(crate) struct Asked<'v> {
    kind: Kind,
    bytes: &'v [u8],
    folded: Option<Cow<'v, [u8]>>,
    address: Option<Option<(Class, [u8; 16])>>,
    masked: [u8; 16],
}

impl<'v> Asked<'v> {
    pub(crate) fn new(kind: Kind, bytes: &'v [u8]) -> Self {
        Self { kind, bytes, folded: None, address: None, masked: [0; 16] }
    }

    /// What the value shows at this gate; none if nothing of it passes.
    #[inline]
    pub(crate) fn key(&mut self, gate: Gate) -> Option<&[u8]> {
        match (gate.class, self.kind) {
            (Class::Present, _) => Some(b""),
            (Class::Literal, Kind::True | Kind::False | Kind::Null) => Some(literal(self.kind)),
            (Class::Number, Kind::Number) => Some(self.bytes),
            (class, Kind::Text) => self.key_of_text(class, gate.len),
            (_, _) => None,
        }
    }

    fn key_of_text(&mut self, class: Class, len: u32) -> Option<&[u8]> {
        let begin = |text: &'v [u8]| text.get(..len as usize);
        let end = |text: &'v [u8]| text.get(text.len().checked_sub(len as usize)?..);
        match class {
            Class::Text => Some(self.bytes),
            Class::Prefix => begin(self.bytes),
            Class::Suffix => end(self.bytes),
            Class::FoldedText => Some(self.folded()),
            Class::FoldedPrefix => self.folded().get(..len as usize),
            Class::FoldedSuffix => {
                let folded = self.folded();
                folded.get(folded.len().checked_sub(len as usize)?..)
            }
            Class::Network4 | Class::Network6 => {
                let (own, key) = (*self.address.get_or_insert_with(|| parse(self.bytes)))?;
                self.masked = key;
                mask(&mut self.masked, len);
                (own == class).then(|| &self.masked[..width(class)])
            }
            Class::Present | Class::Literal | Class::Number => None,
        }
    }

    fn folded(&mut self) -> &[u8] {
        self.folded.get_or_insert_with(|| match self.bytes.iter().any(u8::is_ascii_uppercase) {
            true => self.bytes.to_ascii_lowercase().into(),
            false => self.bytes.into(),
        })
    }
}

fn parse(text: &[u8]) -> Option<(Class, [u8; 16])> {
    parse_address(std::str::from_utf8(text).ok()?).map(address)
}
