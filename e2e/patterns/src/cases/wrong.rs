//! Patterns that are not valid, or that look so: one place of a valid one is replaced.

use super::number::Number;
use super::text::word;
use crate::json::Json;
use crate::random::Random;

/// What stands where an alternative should.
const ALTERNATIVES: &[&str] = &[
    "{}",
    "[]",
    r#"["x"]"#,
    r#"{"prefix": 1}"#,
    r#"{"prefix": null}"#,
    r#"{"prefix": ["a"]}"#,
    r#"{"prefix": {}}"#,
    r#"{"prefix": {"suffix": "a"}}"#,
    r#"{"prefix": {"equals-ignore-case": 1}}"#,
    r#"{"prefix": {"equals-ignore-case": "a", "suffix": "b"}}"#,
    r#"{"prefix": {"equals-ignore-case": ["a"]}}"#,
    r#"{"suffix": true}"#,
    r#"{"suffix": {"prefix": "a"}}"#,
    r#"{"equals-ignore-case": 1}"#,
    r#"{"equals-ignore-case": ["a"]}"#,
    r#"{"wildcard": 1}"#,
    r#"{"wildcard": "a**"}"#,
    r#"{"wildcard": "a\\x"}"#,
    r#"{"wildcard": "a\\"}"#,
    r#"{"wildcard": "\\**"}"#,
    r#"{"wildcard": ["a*"]}"#,
    r#"{"wildcard": ""}"#,
    r#"{"wildcard": "*"}"#,
    r#"{"numeric": []}"#,
    r#"{"numeric": 5}"#,
    r#"{"numeric": {}}"#,
    r#"{"numeric": [">"]}"#,
    r#"{"numeric": ["="]}"#,
    r#"{"numeric": [5, ">"]}"#,
    r#"{"numeric": ["=", "5"]}"#,
    r#"{"numeric": ["==", 5]}"#,
    r#"{"numeric": ["!=", 5]}"#,
    r#"{"numeric": ["=", 5, "=", 5]}"#,
    r#"{"numeric": [">", 5, "<", 5]}"#,
    r#"{"numeric": [">=", 5, "<=", 5]}"#,
    r#"{"numeric": [">", 5, "<", 4]}"#,
    r#"{"numeric": ["<", 5, ">", 0]}"#,
    r#"{"numeric": [">", 0, ">", 5]}"#,
    r#"{"numeric": [">", 0, "<", 5, "<", 6]}"#,
    r#"{"numeric": [">", 0, "<"]}"#,
    r#"{"numeric": [">", null]}"#,
    r#"{"numeric": [">", 0, "=", 5]}"#,
    r#"{"numeric": [["=", 5]]}"#,
    r#"{"numeric": ["<", 5, 6]}"#,
    r#"{"numeric": [true, 5]}"#,
    r#"{"cidr": "10.0.0.0"}"#,
    r#"{"cidr": "10.0.0.0/33"}"#,
    r#"{"cidr": "10.0.0.0/32"}"#,
    r#"{"cidr": "::1/128"}"#,
    r#"{"cidr": "10.0.0/8"}"#,
    r#"{"cidr": "a/8"}"#,
    r#"{"cidr": ""}"#,
    r#"{"cidr": "10.0.0.0/-1"}"#,
    r#"{"cidr": "10.0.0.0/+8"}"#,
    r#"{"cidr": "10.0.0.0/08"}"#,
    r#"{"cidr": "10.0.0.0/8/8"}"#,
    r#"{"cidr": 5}"#,
    r#"{"cidr": "010.0.0.0/8"}"#,
    r#"{"cidr": "/8"}"#,
    r#"{"cidr": "10.0.0.0/8/"}"#,
    r#"{"cidr": " 10.0.0.0/8"}"#,
    r#"{"cidr": "::ffff:10.0.0.0/104"}"#,
    r#"{"cidr": "::ffff:a00:0/8"}"#,
    r#"{"cidr": "::ffff:a00:0/104"}"#,
    r#"{"cidr": ":::/8"}"#,
    r#"{"exists": "true"}"#,
    r#"{"exists": null}"#,
    r#"{"exists": 1}"#,
    r#"{"exists": [true]}"#,
    r#"{"exists": true, "prefix": "a"}"#,
    r#"{"anything-but": []}"#,
    r#"{"anything-but": null}"#,
    r#"{"anything-but": true}"#,
    r#"{"anything-but": [null]}"#,
    r#"{"anything-but": [1, "a"]}"#,
    r#"{"anything-but": ["a", 1]}"#,
    r#"{"anything-but": [["a"]]}"#,
    r#"{"anything-but": {}}"#,
    r#"{"anything-but": {"prefix": ""}}"#,
    r#"{"anything-but": {"suffix": ""}}"#,
    r#"{"anything-but": {"prefix": ["a", ""]}}"#,
    r#"{"anything-but": {"prefix": []}}"#,
    r#"{"anything-but": {"suffix": []}}"#,
    r#"{"anything-but": {"wildcard": []}}"#,
    r#"{"anything-but": {"equals-ignore-case": []}}"#,
    r#"{"anything-but": {"equals-ignore-case": ""}}"#,
    r#"{"anything-but": {"prefix": 1}}"#,
    r#"{"anything-but": {"prefix": ["a", 1]}}"#,
    r#"{"anything-but": {"wildcard": "a**"}}"#,
    r#"{"anything-but": {"wildcard": ["a*", "\\x"]}}"#,
    r#"{"anything-but": {"wildcard": 1}}"#,
    r#"{"anything-but": {"numeric": ["=", 1]}}"#,
    r#"{"anything-but": {"cidr": "10.0.0.0/8"}}"#,
    r#"{"anything-but": {"exists": true}}"#,
    r#"{"anything-but": {"anything-but": "a"}}"#,
    r#"{"anything-but": {"prefix": "a", "suffix": "b"}}"#,
    r#"{"anything-but": {"prefix": {"equals-ignore-case": "a"}}}"#,
    r#"{"anything-but": "a", "prefix": "b"}"#,
    r#"{"exactly": "a"}"#,
    r#"{"exactly": 1}"#,
    r#"{"prefix": "a", "prefix": "b"}"#,
    r#"{"prefix": "a", "suffix": "b"}"#,
    r#"{"Prefix": "a"}"#,
    r#"{"regex": "a"}"#,
    r#"{"": "a"}"#,
    r#"{"$or": [{"a": [1]}, {"b": [1]}]}"#,
    r#"{"a": ["x"]}"#,
];
/// What stands where the alternatives of a field, or an object, should.
const FIELDS: &[&str] = &[
    "{}",
    "[]",
    "1",
    "null",
    "true",
    r#""x""#,
    r#"{"prefix": "a"}"#,
    r#"[[]]"#,
    r#"[{"prefix": "a"}, []]"#,
    "[null, null]",
    r#"{"$or": []}"#,
    r#"{"$or": [{"a": [1]}]}"#,
    r#"{"$or": {"a": [1]}}"#,
    r#"{"$or": [1, 2]}"#,
    r#"{"$or": [{"a": [1]}, {}]}"#,
    r#"{"$or": [{"a": [1]}, [{"b": [1]}]]}"#,
    r#"{"$or": [{"prefix": ["a"]}, {"b": [1]}]}"#,
    r#"{"$or": "a"}"#,
    r#"{"$or": [{"a": [1]}, {"a": [2]}]}"#,
    r#"{"$or": [{"x": {"numeric": [1]}}, {"b": [1]}]}"#,
    r#"{"$or": [{"regex": [1]}, {"b": [1]}]}"#,
    r#"{"$or": [{"=": ["a"]}, {"b": [1]}]}"#,
    r#"{"": ["a"]}"#,
    r#"{"a.": ["a"]}"#,
    r#"{".a": ["a"]}"#,
    r#"{"a..b": ["a"]}"#,
    r#"{".": ["a"]}"#,
    r#"{"$OR": [{"a": [1]}]}"#,
    r#"{"$or ": ["a"]}"#,
];

/// The pattern with one place replaced.
pub(super) fn spoilt(pattern: &Json, random: &mut Random) -> Json {
    let mut spoilt = pattern.clone();
    if random.percent(3) {
        return Json::raw(*random.pick(&["[]", "1", "null", r#""a""#, "{}", "", "[{}]", "true"]));
    }
    let mut places = Vec::new();
    find(&mut spoilt, 0, &mut places);
    let at = random.below(places.len());
    let (place, in_array) = places.swap_remove(at);
    *place = match random.below(12) {
        0 => Json::raw(Number::random(random).spell(random)),
        1 => Json::text(word(random)),
        _ => Json::raw(*random.pick(if in_array { ALTERNATIVES } else { FIELDS })),
    };
    spoilt
}

/// All values in objects and arrays, and whether they are in an array.
fn find<'j>(value: &'j mut Json, depth: usize, places: &mut Vec<(&'j mut Json, bool)>) {
    // A value inside an alternative is left alone: the whole alternative is replaced instead.
    match value {
        Json::Array(elements) if depth > 0 => {
            places.extend(elements.iter_mut().map(|element| (element, true)));
        }
        Json::Object(members) => {
            for (_, member) in members {
                let has_parts = match member {
                    Json::Object(inner) => !inner.is_empty(),
                    Json::Array(_) => true,
                    Json::Raw(_) | Json::Text(_) => false,
                };
                if has_parts {
                    find(member, depth + 1, places);
                } else {
                    places.push((member, false));
                }
            }
        }
        Json::Array(_) | Json::Raw(_) | Json::Text(_) => {}
    }
}

/// The text with one character left out, doubled, or put in.
pub(super) fn garbled(text: &str, random: &mut Random) -> String {
    let mut characters: Vec<_> = text.chars().collect();
    let at = random.below(characters.len().max(1));
    match random.below(3) {
        0 if !characters.is_empty() => {
            characters.remove(at);
        }
        1 if !characters.is_empty() => characters.insert(at, characters[at]),
        _ => characters.insert(
            at,
            *random
                .pick(&['"', '{', '}', '[', ']', ',', ':', '\\', '0', '-', 'e', ' ', '\u{1}', 'x']),
        ),
    }
    characters.into_iter().collect()
}
