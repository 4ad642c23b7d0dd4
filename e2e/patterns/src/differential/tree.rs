//! JSON with every member, also where keys stand twice.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tree {
    Text(String),
    Number,
    /// `true`, `false` or `null`.
    Literal,
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Tree {
    /// The members of an object; none of anything else.
    pub(super) fn members(&self) -> impl Iterator<Item = (&str, &Self)> {
        let members = match self {
            Self::Object(members) => &members[..],
            _ => &[],
        };
        members.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// What something counts of this and of all inside.
    pub(super) fn sum(&self, count: &dyn Fn(&Self) -> usize) -> usize {
        let inside: usize = match self {
            Self::Array(elements) => elements.iter().map(|element| element.sum(count)).sum(),
            Self::Object(members) => members.iter().map(|(_, value)| value.sum(count)).sum(),
            Self::Text(_) | Self::Number | Self::Literal => 0,
        };
        count(self) + inside
    }

    /// Whether something holds of this or of anything inside.
    pub(super) fn any(&self, is: &dyn Fn(&Self) -> bool) -> bool {
        is(self)
            || match self {
                Self::Array(elements) => elements.iter().any(|element| element.any(is)),
                Self::Object(members) => members.iter().any(|(_, value)| value.any(is)),
                Self::Text(_) | Self::Number | Self::Literal => false,
            }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Whole)
    }
}

struct Whole;

impl<'de> Visitor<'de> for Whole {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Text(text.to_owned()))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Tree, E> {
        Ok(Tree::Number)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Tree, E> {
        Ok(Tree::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Tree, E> {
        Ok(Tree::Number)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Tree, E> {
        Ok(Tree::Literal)
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Literal)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Tree, A::Error> {
        let mut all = Vec::new();
        while let Some(element) = elements.next_element()? {
            all.push(element);
        }
        Ok(Tree::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Tree, A::Error> {
        let mut all = Vec::new();
        while let Some(member) = members.next_entry()? {
            all.push(member);
        }
        Ok(Tree::Object(all))
    }
}
