//! Walks through JSON text without a tree, without recursion, and without changing a byte of it.
//!
//! The text is checked once, whole. After that its parts are found by their brackets and quotes alone, so that what is
//! placed into an output is spelled as it came: numbers of any length, escapes, even lone surrogates.

use serde_json::value::RawValue;

/// The text of one JSON value, without white space around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Json<'t>(&'t str);

/// What kind a value is of, as far as placing it needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Object,
    Array,
    String,
    /// A number, `true`, `false` or `null`.
    Other,
}

impl<'t> Json<'t> {
    /// Checks the text of one value.
    pub(crate) fn check(text: &'t [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice::<&RawValue>(text).map(|raw| Self(raw.get()))
    }

    pub(crate) fn text(self) -> &'t str {
        self.0
    }

    pub(crate) fn kind(self) -> Kind {
        match self.0.as_bytes().first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            _ => Kind::Other,
        }
    }

    /// What stands between the quotes of a string, escapes as they are.
    pub(crate) fn between_quotes(self) -> &'t str {
        debug_assert_eq!(self.kind(), Kind::String);
        &self.0[1..self.0.len() - 1]
    }

    /// A string that holds this. One with a lone surrogate is equal to nothing.
    pub(crate) fn is(self, wanted: &str) -> bool {
        let raw = self.between_quotes();
        if raw.contains('\\') {
            self.string().is_some_and(|text| text == wanted)
        } else {
            raw == wanted
        }
    }

    /// What a string says; nothing when this is no string, or one with a lone surrogate.
    pub(crate) fn string(self) -> Option<String> {
        serde_json::from_str(self.0).ok()
    }

    /// The keys and values of an object, in their order; keys that stand twice come twice. None for what is no object.
    pub(crate) fn members(self) -> impl Iterator<Item = (Self, Self)> {
        let mut items = self.items(Kind::Object);
        std::iter::from_fn(move || Some((items.next()?, items.next()?)))
    }

    /// The elements of an array. None for what is no array.
    pub(crate) fn elements(self) -> impl Iterator<Item = Self> {
        self.items(Kind::Array)
    }

    fn items(self, kind: Kind) -> Items<'t> {
        let rest = if self.kind() == kind { &self.0[1..self.0.len() - 1] } else { "" };
        Items { rest }
    }

    /// This value without the white space between its tokens.
    pub(crate) fn compacted(self) -> String {
        let mut text = String::with_capacity(self.0.len());
        let Ok(()) = self.compact(false, |piece| {
            text += piece;
            Ok::<_, std::convert::Infallible>(())
        });
        text
    }

    /// Calls `sink` with the pieces of this value without the white space between its tokens; without the quotes of its
    /// strings as well, if `bare`.
    pub(crate) fn compact<E>(
        self,
        bare: bool,
        mut sink: impl FnMut(&'t str) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = self.0;
        while !rest.is_empty() {
            let piece = if rest.starts_with('"') {
                let end = string_end(rest.as_bytes());
                let string = Self(&rest[..end]);
                sink(if bare { string.between_quotes() } else { string.text() })?;
                end
            } else {
                let end = rest.find(['"', ' ', '\t', '\r', '\n']).unwrap_or(rest.len());
                sink(&rest[..end])?;
                end
            };
            rest = rest[piece..].trim_start_matches(is_space);
        }
        Ok(())
    }
}

/// What stands in a container, one value after the other; in an object, keys and values in turn.
struct Items<'t> {
    rest: &'t str,
}

impl<'t> Iterator for Items<'t> {
    type Item = Json<'t>;

    fn next(&mut self) -> Option<Json<'t>> {
        self.rest = self.rest.trim_start_matches(|c| is_space(c) || c == ',' || c == ':');
        if self.rest.is_empty() {
            return None;
        }
        let (value, rest) = self.rest.split_at(value_end(self.rest.as_bytes()));
        self.rest = rest;
        Some(Json(value))
    }
}

pub(crate) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// Where the value ends that begins here.
fn value_end(text: &[u8]) -> usize {
    let (mut at, mut depth) = (0, 0_usize);
    while at < text.len() {
        match text[at] {
            b'"' => at += string_end(&text[at..]),
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' => {
                depth -= 1;
                at += 1;
            }
            _ if depth > 0 => {
                at += 1;
                continue;
            }
            _ => {
                let ends = |b: &u8| b.is_ascii_whitespace() || *b == b',';
                return text.iter().position(ends).unwrap_or(text.len());
            }
        }
        if depth == 0 {
            return at;
        }
    }
    at
}

/// Where the string ends whose opening quote stands here.
fn string_end(text: &[u8]) -> usize {
    let mut at = 1;
    while at < text.len() {
        match text[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[\\[\\]{}\\\\\":, a\u{e9}]{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 30, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[\\[{}\\\\\":, a]{0,3}", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    /// The same value, put together from the parts that are found.
    fn rebuilt(json: Json<'_>) -> Value {
        match json.kind() {
            Kind::Object => {
                let member = |(key, value): (Json<'_>, _)| (key.string().unwrap(), rebuilt(value));
                Value::Object(json.members().map(member).collect())
            }
            Kind::Array => json.elements().map(rebuilt).collect(),
            Kind::String | Kind::Other => serde_json::from_str(json.text()).unwrap(),
        }
    }

    proptest! {
        #[test]
        fn the_parts_make_the_whole(value in json()) {
            for text in [value.to_string(), format!("{value:#}")] {
                let json = Json::check(text.as_bytes()).unwrap();
                prop_assert_eq!(&rebuilt(json), &value);
                prop_assert_eq!(json.compacted(), value.to_string());
            }
        }
    }

    #[test]
    fn lone_surrogates_are_carried_and_never_equal() {
        let json = Json::check(br#"{"\ud800": "\ud800", "\u0061": 1}"#).unwrap();
        let keys: Vec<_> = json.members().map(|(key, _)| key).collect();
        assert!(!keys[0].is("\u{fffd}") && keys[1].is("a"));
    }
}
