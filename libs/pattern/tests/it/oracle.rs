//! A matcher that does only what the language says, by trying everything.

use std::collections::BTreeMap;
use std::fmt;

/// A scalar: how it is spelt, and what it is. Two spellings of one number have the same meaning.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaf {
    pub(crate) spelling: &'static str,
    pub(crate) meaning: Meaning,
}

#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(crate) enum Meaning {
    Text(&'static str),
    Number(i64),
    Other(u8),
}

/// An event, in which a key may stand twice.
#[derive(Clone, Debug)]
pub(crate) enum Json {
    Leaf(Leaf),
    Array(Vec<Self>),
    Object(Vec<(&'static str, Self)>),
}

#[derive(Clone, Debug)]
pub(crate) enum Pattern {
    Object(Vec<(&'static str, Self)>),
    AnyOf(Vec<Alternative>),
    /// Stands at the key `$or`; each is an object.
    Or(Vec<Self>),
}

#[derive(Clone, Debug)]
pub(crate) enum Alternative {
    Exactly(Leaf),
    Exists(bool),
    /// Its name, and a text.
    OfText(&'static str, &'static str),
    /// `prefix`, `suffix` or `contains`, whatever the case.
    IgnoreCase(&'static str, &'static str),
    /// Operators and numbers.
    Numeric(Vec<(&'static str, i64)>),
    AnythingBut(Vec<Leaf>),
    /// The name of an operator, and texts.
    AnythingButText(&'static str, Vec<&'static str>),
    /// How it is spelt, and what it means.
    Regex(&'static str, fn(&str) -> bool),
    Not(Vec<Self>),
    /// `some`, `every` or `none`.
    Quantified(&'static str, Vec<Self>),
    /// An operator, and the path of another field.
    Compared(&'static str, &'static str),
}

/// Which element of which array something stands in, from the outermost array on.
type Membership = Vec<(usize, usize)>;

struct Value {
    meaning: Meaning,
    membership: Membership,
}

type Values = BTreeMap<String, Vec<Value>>;

pub(crate) fn matches(pattern: &Pattern, event: &Json) -> bool {
    let (mut values, mut arrays) = (Values::new(), 0);
    flatten(event, None, &mut Vec::new(), &mut arrays, &mut values);
    ways(pattern, None, vec![Conditions::new()]).into_iter().any(|conditions| {
        let conditions: Vec<_> = conditions.into_iter().collect();
        choose(&conditions, &values, &mut BTreeMap::new())
    })
}

fn join(path: Option<&str>, key: &str) -> String {
    path.map_or_else(|| key.to_owned(), |path| format!("{path}.{key}"))
}

fn flatten(
    json: &Json,
    at: Option<(&str, bool)>,
    membership: &mut Membership,
    arrays: &mut usize,
    values: &mut Values,
) {
    match json {
        // Only the empty path ends with a key that is empty.
        Json::Leaf(_) if at.is_some_and(|(_, nameless)| nameless) => {}
        Json::Leaf(leaf) => {
            let value = Value { meaning: leaf.meaning, membership: membership.clone() };
            let path = at.map_or("", |(path, _)| path);
            values.entry(path.to_owned()).or_default().push(value);
        }
        Json::Object(members) => {
            for (key, member) in members {
                let path = join(at.map(|(path, _)| path), key);
                let nameless = key.is_empty() && at.is_some();
                flatten(member, Some((&path, nameless)), membership, arrays, values);
            }
        }
        Json::Array(elements) => {
            let array = *arrays;
            *arrays += 1;
            for (index, element) in elements.iter().enumerate() {
                let bound = !matches!(element, Json::Leaf(_));
                if bound {
                    membership.push((array, index));
                }
                flatten(element, at, membership, arrays, values);
                if bound {
                    membership.pop();
                }
            }
        }
    }
}

type Conditions<'p> = BTreeMap<String, &'p [Alternative]>;

/// All ways to meet the pattern, beside what they hold already.
fn ways<'p>(
    pattern: &'p Pattern,
    path: Option<&str>,
    mut so_far: Vec<Conditions<'p>>,
) -> Vec<Conditions<'p>> {
    match pattern {
        Pattern::AnyOf(alternatives) => {
            for conditions in &mut so_far {
                conditions.insert(path.unwrap_or_default().to_owned(), alternatives);
            }
            so_far
        }
        Pattern::Object(members) => {
            members.iter().fold(so_far, |so_far, (key, member)| match member {
                Pattern::Or(branches) => {
                    branches.iter().flat_map(|branch| ways(branch, path, so_far.clone())).collect()
                }
                member => ways(member, Some(&join(path, key)), so_far),
            })
        }
        Pattern::Or(_) => unreachable!("it stands in an object"),
    }
}

/// Tries every value for every condition; `chosen` is the element that is taken of each array.
fn choose(
    conditions: &[(String, &[Alternative])],
    values: &Values,
    chosen: &mut BTreeMap<usize, usize>,
) -> bool {
    let Some(((path, alternatives), rest)) = conditions.split_first() else { return true };
    // The conditions come in the order of their paths: absent is what no element has that was taken before.
    let excluded = |value: &Value| {
        value.membership.iter().any(|(array, i)| chosen.get(array).is_some_and(|c| c != i))
    };
    let may_be_absent = alternatives.iter().any(|a| matches!(a, Alternative::Exists(false)));
    let is_absent = values.get(path).is_none_or(|values| values.iter().all(excluded));
    if may_be_absent && is_absent && choose(rest, values, chosen) {
        return true;
    }
    places(path, alternatives, values).iter().any(|place| {
        let agrees = place.iter().all(|(array, i)| chosen.get(array).is_none_or(|c| c == i));
        let mut chosen = chosen.clone();
        chosen.extend(place.iter().copied());
        agrees && choose(rest, values, &mut chosen)
    })
}

/// Everywhere one of the alternatives is met.
fn places(path: &str, alternatives: &[Alternative], values: &Values) -> Vec<Membership> {
    let of = |path: &str| values.get(path).map_or(&[][..], Vec::as_slice);
    let everywhere = |met: bool| if met { vec![Membership::new()] } else { Vec::new() };
    let met = |alternative: &Alternative| match alternative {
        // That goes by what is taken of the arrays.
        Alternative::Exists(false) => Vec::new(),
        Alternative::Quantified("some", inner) => places(path, inner, values),
        Alternative::Quantified(quantifier, inner) => {
            let one_of = |value: &Value| inner.iter().any(|other| admits(other, value.meaning));
            everywhere(match *quantifier {
                "every" => !of(path).is_empty() && of(path).iter().all(one_of),
                _ => !of(path).iter().any(one_of),
            })
        }
        Alternative::Compared(operator, other) => {
            let pairs = of(path).iter().flat_map(|v| of(other).iter().map(move |w| (v, w)));
            pairs
                .filter(|(v, w)| compares(operator, v.meaning, w.meaning))
                .filter_map(|(v, w)| together(&v.membership, &w.membership))
                .collect()
        }
        by_value => {
            let admitted = of(path).iter().filter(|value| admits(by_value, value.meaning));
            admitted.map(|value| value.membership.clone()).collect()
        }
    };
    alternatives.iter().flat_map(met).collect()
}

fn compares(operator: &str, left: Meaning, right: Meaning) -> bool {
    let ordered = matches!(
        (left, right),
        (Meaning::Text(_), Meaning::Text(_)) | (Meaning::Number(_), Meaning::Number(_))
    );
    match operator {
        "=" => left == right,
        "!=" => left != right,
        "<" => ordered && left < right,
        "<=" => ordered && left <= right,
        ">" => ordered && left > right,
        _ => ordered && left >= right,
    }
}

/// Where two values are met together, if they agree.
fn together(ours: &Membership, theirs: &Membership) -> Option<Membership> {
    let agree = |(a, i): &(usize, usize)| theirs.iter().all(|(b, j)| a != b || i == j);
    let place = if theirs.starts_with(ours) { theirs } else { ours };
    ours.iter().all(agree).then(|| place.clone())
}

fn admits(alternative: &Alternative, meaning: Meaning) -> bool {
    match (alternative, meaning) {
        (Alternative::Exactly(leaf), meaning) => leaf.meaning == meaning,
        (Alternative::Exists(exists), _) => *exists,
        (Alternative::OfText(name, operand), Meaning::Text(text)) => {
            text_admits(name, operand, text)
        }
        (Alternative::IgnoreCase("prefix", operand), Meaning::Text(text)) => {
            text.to_lowercase().starts_with(&operand.to_lowercase())
        }
        (Alternative::IgnoreCase("suffix", operand), Meaning::Text(text)) => {
            text.to_lowercase().ends_with(&operand.to_lowercase())
        }
        (Alternative::IgnoreCase(_, operand), Meaning::Text(text)) => {
            text.to_lowercase().contains(&operand.to_lowercase())
        }
        (Alternative::Regex(_, finds), Meaning::Text(text)) => finds(text),
        (Alternative::Not(excluded), meaning) => {
            !excluded.iter().any(|alternative| admits(alternative, meaning))
        }
        (Alternative::Numeric(bounds), Meaning::Number(number)) => {
            bounds.iter().all(|&(operator, bound)| match operator {
                "=" => number == bound,
                "<" => number < bound,
                "<=" => number <= bound,
                ">" => number > bound,
                _ => number >= bound,
            })
        }
        (Alternative::AnythingBut(leaves), meaning) => {
            leaves.iter().all(|leaf| leaf.meaning != meaning)
        }
        (Alternative::AnythingButText(name, operands), Meaning::Text(text)) => {
            !operands.iter().any(|operand| text_admits(name, operand, text))
        }
        (Alternative::AnythingButText(..), _) => true,
        (Alternative::Quantified(..) | Alternative::Compared(..), _) => {
            unreachable!("they are not asked of one value")
        }
        (
            Alternative::OfText(..)
            | Alternative::IgnoreCase(..)
            | Alternative::Numeric(_)
            | Alternative::Regex(..),
            _,
        ) => false,
    }
}

fn text_admits(operator: &str, operand: &str, text: &str) -> bool {
    match operator {
        "prefix" => text.starts_with(operand),
        "suffix" => text.ends_with(operand),
        "contains" => text.contains(operand),
        "equals-ignore-case" => text.to_lowercase() == operand.to_lowercase(),
        "wildcard" => glob(operand.as_bytes(), text.as_bytes()),
        // The only network there is: 10.0.0.0/24.
        _ => (0..=255).any(|last| text == format!("10.0.0.{last}")),
    }
}

/// Tries every way to share the text out.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|taken| glob(rest, &text[taken..])),
        Some((first, rest)) => {
            text.split_first().is_some_and(|(next, text)| next == first && glob(rest, text))
        }
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leaf(leaf) => f.write_str(leaf.spelling),
            Self::Array(elements) => write!(f, "[{}]", list(elements)),
            Self::Object(members) => write!(f, "{{{}}}", members_of(members)),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AnyOf(alternatives) => write!(f, "[{}]", list(alternatives)),
            Self::Or(branches) => write!(f, "[{}]", list(branches)),
            Self::Object(members) => write!(f, "{{{}}}", members_of(members)),
        }
    }
}

impl fmt::Display for Alternative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(leaf) => f.write_str(leaf.spelling),
            Self::Exists(exists) => write!(f, r#"{{"exists": {exists}}}"#),
            Self::OfText(name, text) => write!(f, r#"{{"{name}": "{text}"}}"#),
            Self::IgnoreCase(name, text) => {
                write!(f, r#"{{"{name}": {{"equals-ignore-case": "{text}"}}}}"#)
            }
            Self::Numeric(bounds) => {
                let bounds: Vec<_> = bounds
                    .iter()
                    .map(|(operator, number)| format!(r#""{operator}", {number}"#))
                    .collect();
                write!(f, r#"{{"numeric": [{}]}}"#, bounds.join(", "))
            }
            Self::AnythingBut(leaves) => {
                let spellings: Vec<_> = leaves.iter().map(|leaf| leaf.spelling).collect();
                match &spellings[..] {
                    [only] => write!(f, r#"{{"anything-but": {only}}}"#),
                    several => write!(f, r#"{{"anything-but": [{}]}}"#, several.join(", ")),
                }
            }
            Self::Regex(source, _) => {
                write!(f, r#"{{"regex": "{}"}}"#, source.replace('\\', r"\\"))
            }
            Self::Not(inner) => write!(f, r#"{{"not": {}}}"#, one_or_list(inner)),
            Self::Quantified(name, inner) => {
                write!(f, r#"{{"{name}": {}}}"#, one_or_list(inner))
            }
            Self::Compared(operator, path) => {
                write!(f, r#"{{"field": ["{operator}", "{path}"]}}"#)
            }
            Self::AnythingButText(name, texts) => {
                let quoted: Vec<_> = texts.iter().map(|text| format!("\"{text}\"")).collect();
                match &quoted[..] {
                    [only] => write!(f, r#"{{"anything-but": {{"{name}": {only}}}}}"#),
                    several => {
                        write!(f, r#"{{"anything-but": {{"{name}": [{}]}}}}"#, several.join(", "))
                    }
                }
            }
        }
    }
}

fn one_or_list(items: &[Alternative]) -> String {
    match items {
        [only] => only.to_string(),
        several => format!("[{}]", list(several)),
    }
}

fn list(items: &[impl fmt::Display]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn members_of(members: &[(&str, impl fmt::Display)]) -> String {
    members.iter().map(|(key, value)| format!("\"{key}\": {value}")).collect::<Vec<_>>().join(", ")
}
