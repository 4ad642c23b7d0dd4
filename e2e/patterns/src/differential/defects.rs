//! What event-ruler 2.1.0 does wrongly, as far as it can be told from the pattern alone.

use serde_json::Value;

/// Whether a pattern asks for something that event-ruler is known to do wrongly:
///
/// * It compares without regard to case by halves of UTF-16 pairs, each of which it takes for a question mark: nothing
///   beyond U+FFFF is equal to itself. And it knows an upper and a lower case only: the third case of `ǅ` is not equal to itself.
/// * It compares strings with their quotes. So a suffix that begins with a quote, or a prefix that ends with one, can be met
///   by the quotes around a value.
/// * `anything-but` with an operator and an empty array: its compiler accepts that, and its automaton then fails (alone) or
///   matches nothing by it (among others).
pub(super) fn concern(pattern: &str) -> bool {
    serde_json::from_str(pattern).is_ok_and(|pattern| inside(&pattern, Asked::default()))
}

/// The operators that a value stands inside.
#[derive(Clone, Copy, Default)]
struct Asked {
    prefix: bool,
    suffix: bool,
    any_case: bool,
    but: bool,
}

fn inside(value: &Value, asked: Asked) -> bool {
    match value {
        Value::String(text) => {
            asked.prefix && text.ends_with('"')
                || asked.suffix && text.starts_with('"')
                || asked.any_case && text.chars().any(|character| !has_two_cases(character))
        }
        Value::Array(values) if values.is_empty() => asked.but,
        Value::Array(values) => values.iter().any(|value| inside(value, asked)),
        Value::Object(members) => members.iter().any(|(key, value)| {
            let asked = match key.as_str() {
                "anything-but" => Asked { but: true, ..asked },
                "prefix" => Asked { prefix: true, ..asked },
                "suffix" => Asked { suffix: true, ..asked },
                "equals-ignore-case" => Asked { any_case: true, ..asked },
                _ => asked,
            };
            inside(value, asked)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Whether event-ruler can find this character, ignoring case, where it stands.
fn has_two_cases(character: char) -> bool {
    let is = |mut cased: Box<dyn Iterator<Item = char>>| {
        cased.next() == Some(character) && cased.next().is_none()
    };
    character <= '\u{ffff}'
        && (is(Box::new(character.to_lowercase())) || is(Box::new(character.to_uppercase())))
}

/// Operators of Tripline that EventBridge does not have.
const BEYOND: [&str; 7] = ["regex", "contains", "not", "every", "none", "some", "field"];

/// Whether a pattern asks with an operator that only Tripline has.
pub(super) fn is_beyond(pattern: &str) -> bool {
    fn inside(value: &Value) -> bool {
        match value {
            // An alternative is an object in an array, and its operator the one key of it.
            Value::Array(values) => values.iter().any(|value| {
                let alternative = value.as_object().filter(|members| members.len() == 1);
                let own = |members: &serde_json::Map<_, _>| {
                    members.keys().any(|key| BEYOND.contains(&key.as_str()))
                };
                alternative.is_some_and(own) || inside(value)
            }),
            Value::Object(members) => members.values().any(inside),
            Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }
    serde_json::from_str(pattern).is_ok_and(|pattern| inside(&pattern))
}

#[cfg(test)]
mod tests {
    use super::{concern, is_beyond};

    #[test]
    fn operators_beyond_are_told_from_fields() {
        assert!(is_beyond(r#"{"a": {"b": [1, {"regex": "a"}]}}"#));
        assert!(!is_beyond(r#"{"regex": {"not": ["every"]}}"#));
    }

    #[test]
    fn defects_are_told_from_the_pattern() {
        for pattern in [
            r#"{"a": [{"equals-ignore-case": "x😀"}]}"#,
            r#"{"a": [{"anything-but": {"equals-ignore-case": ["x", "ǅ"]}}]}"#,
            r#"{"a": {"b": [{"suffix": {"equals-ignore-case": "\""}}]}}"#,
            r#"{"a": ["x", {"anything-but": {"suffix": []}}]}"#,
            r#"{"$or": [{"a": [{"prefix": "a\""}]}, {"b": [1]}]}"#,
        ] {
            assert!(concern(pattern), "{pattern}");
        }
        for pattern in [r#"{"a": ["😀", {"suffix": "a\""}, {"equals-ignore-case": "ßİé"}]}"#, "{"]
        {
            assert!(!concern(pattern), "{pattern}");
        }
    }
}
