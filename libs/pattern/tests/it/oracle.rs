//! A matcher that does only what the language says, by trying everything.

use std::collections::BTreeMap;
use std::fmt;

/// A scalar: how it is spelt, and what it is. Two spellings of one number have the same meaning.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaf {
    pub(crate) spelling: &'static str,
    pub(crate) meaning: Meaning,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Meaning {
    Text(&'static str),
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
}

#[derive(Clone, Debug)]
pub(crate) enum Alternative {
    Exactly(Leaf),
    Prefix(&'static str),
    Suffix(&'static str),
    Exists(bool),
}

struct Value {
    meaning: Meaning,
    /// Which element of which array it stands in.
    membership: Vec<(usize, usize)>,
}

type Values = BTreeMap<String, Vec<Value>>;

pub(crate) fn matches(pattern: &Pattern, event: &Json) -> bool {
    let (mut values, mut arrays) = (Values::new(), 0);
    flatten(event, None, &mut Vec::new(), &mut arrays, &mut values);
    let mut conditions = BTreeMap::new();
    conditions_of(pattern, None, &mut conditions);
    let conditions: Vec<_> = conditions.into_iter().collect();
    choose(&conditions, &values, &mut BTreeMap::new())
}

fn join(path: Option<&str>, key: &str) -> String {
    path.map_or_else(|| key.to_owned(), |path| format!("{path}.{key}"))
}

fn flatten(
    json: &Json,
    path: Option<&str>,
    membership: &mut Vec<(usize, usize)>,
    arrays: &mut usize,
    values: &mut Values,
) {
    match json {
        Json::Leaf(leaf) => {
            let value = Value { meaning: leaf.meaning, membership: membership.clone() };
            values.entry(path.unwrap_or_default().to_owned()).or_default().push(value);
        }
        Json::Object(members) => {
            for (key, member) in members {
                flatten(member, Some(&join(path, key)), membership, arrays, values);
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
                flatten(element, path, membership, arrays, values);
                if bound {
                    membership.pop();
                }
            }
        }
    }
}

fn conditions_of<'p>(
    pattern: &'p Pattern,
    path: Option<&str>,
    conditions: &mut BTreeMap<String, &'p [Alternative]>,
) {
    match pattern {
        Pattern::AnyOf(alternatives) => {
            conditions.insert(path.unwrap_or_default().to_owned(), alternatives);
        }
        Pattern::Object(members) => {
            for (key, member) in members {
                conditions_of(member, Some(&join(path, key)), conditions);
            }
        }
    }
}

/// Tries every value for every condition; `chosen` is the element that is taken of each array.
fn choose(
    conditions: &[(String, &[Alternative])],
    values: &Values,
    chosen: &mut BTreeMap<usize, usize>,
) -> bool {
    let Some(((path, alternatives), rest)) = conditions.split_first() else { return true };
    let Some(candidates) = values.get(path) else {
        let absent = alternatives.iter().any(|a| matches!(a, Alternative::Exists(false)));
        return absent && choose(rest, values, chosen);
    };
    candidates.iter().any(|value| {
        let admitted = alternatives.iter().any(|alternative| admits(alternative, value.meaning));
        let agrees =
            value.membership.iter().all(|(array, i)| chosen.get(array).is_none_or(|c| c == i));
        let mut chosen = chosen.clone();
        chosen.extend(value.membership.iter().copied());
        admitted && agrees && choose(rest, values, &mut chosen)
    })
}

fn admits(alternative: &Alternative, meaning: Meaning) -> bool {
    match (alternative, meaning) {
        (Alternative::Exactly(leaf), meaning) => leaf.meaning == meaning,
        (Alternative::Prefix(prefix), Meaning::Text(text)) => text.starts_with(prefix),
        (Alternative::Suffix(suffix), Meaning::Text(text)) => text.ends_with(suffix),
        (Alternative::Prefix(_) | Alternative::Suffix(_), Meaning::Other(_)) => false,
        (Alternative::Exists(exists), _) => *exists,
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
            Self::Object(members) => write!(f, "{{{}}}", members_of(members)),
        }
    }
}

impl fmt::Display for Alternative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(leaf) => f.write_str(leaf.spelling),
            Self::Prefix(text) => write!(f, r#"{{"prefix": "{text}"}}"#),
            Self::Suffix(text) => write!(f, r#"{{"suffix": "{text}"}}"#),
            Self::Exists(exists) => write!(f, r#"{{"exists": {exists}}}"#),
        }
    }
}

fn list(items: &[impl fmt::Display]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn members_of(members: &[(&str, impl fmt::Display)]) -> String {
    members.iter().map(|(key, value)| format!("\"{key}\": {value}")).collect::<Vec<_>>().join(", ")
}
