//! What event-ruler 2.1.0 does wrongly, as far as it can be told from the pattern alone.

use super::tree::Tree;

/// Whether a pattern asks for something that event-ruler is known to do wrongly:
///
/// * It compares without regard to case by halves of UTF-16 pairs, each of which it takes for a question mark: nothing
///   beyond U+FFFF is equal to itself. And it knows an upper and a lower case only: the third case of `ǅ` is not equal to itself.
/// * It compares strings with their quotes. So a suffix that begins with a quote, or a prefix that ends with one, can be met
///   by the quotes around a value.
/// * `anything-but` with an operator and an empty array: its compiler accepts that, and its automaton then fails (alone) or
///   matches nothing by it (among others).
/// * An empty name that stands first is lost: `{"": {"a": [1]}}` asks for the field `a`. And whether it sees an empty name
///   deeper down goes by whether any other field has one.
pub(super) fn concern(pattern: &str) -> bool {
    serde_json::from_str(pattern).is_ok_and(|pattern| {
        let nameless = |tree: &Tree| tree.members().filter(|(key, _)| key.is_empty()).count();
        inside(&pattern, Asked::default())
            || begins_without_name(&pattern)
            || pattern.sum(&nameless) > 1
    })
}

/// Whether event-ruler may have taken a number, or an address of IPv6, for one of IPv4: it compares them as texts of digits,
/// which may begin alike.
pub(super) fn take_other_values_for_addresses(pattern: &str, event: &str) -> bool {
    let holds = |text: &str, is: &dyn Fn(&Tree) -> bool| {
        serde_json::from_str::<Tree>(text).is_ok_and(|tree| tree.any(is))
    };
    let has_cidr = |tree: &Tree| tree.members().any(|(key, _)| key == "cidr");
    let is_other = |tree: &Tree| match tree {
        Tree::Number => true,
        Tree::Text(text) => text.contains(':'),
        Tree::Literal | Tree::Array(_) | Tree::Object(_) => false,
    };
    holds(pattern, &has_cidr) && holds(event, &is_other)
}

/// The operators that a value stands inside.
#[derive(Clone, Copy, Default)]
struct Asked {
    prefix: bool,
    suffix: bool,
    any_case: bool,
    but: bool,
}

fn inside(value: &Tree, asked: Asked) -> bool {
    match value {
        Tree::Text(text) => {
            asked.prefix && text.ends_with('"')
                || asked.suffix && text.starts_with('"')
                || asked.any_case && text.chars().any(|character| !has_two_cases(character))
        }
        Tree::Array(values) if values.is_empty() => asked.but,
        Tree::Array(values) => values.iter().any(|value| inside(value, asked)),
        Tree::Object(members) => members.iter().any(|(key, value)| {
            let asked = match key.as_str() {
                "anything-but" => Asked { but: true, ..asked },
                "prefix" => Asked { prefix: true, ..asked },
                "suffix" => Asked { suffix: true, ..asked },
                "equals-ignore-case" => Asked { any_case: true, ..asked },
                _ => asked,
            };
            inside(value, asked)
        }),
        Tree::Number | Tree::Literal => false,
    }
}

fn begins_without_name(pattern: &Tree) -> bool {
    pattern.members().any(|(key, value)| match (key, value) {
        ("", value) => matches!(value, Tree::Object(_)),
        ("$or", Tree::Array(branches)) => branches.iter().any(begins_without_name),
        _ => false,
    })
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
    // An alternative is an object in an array, and its operator the one key of it.
    let own = |alternative: &Tree| {
        let mut members = alternative.members();
        members.next().is_some_and(|(key, _)| BEYOND.contains(&key)) && members.next().is_none()
    };
    let holds = |tree: &Tree| match tree {
        Tree::Array(alternatives) => alternatives.iter().any(own),
        _ => false,
    };
    serde_json::from_str::<Tree>(pattern).is_ok_and(|pattern| pattern.any(&holds))
}

#[cfg(test)]
mod tests {
    use super::{concern, is_beyond, take_other_values_for_addresses};

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
            r#"{"a": [{"equals-ignore-case": "x😀"}], "a": [1]}"#,
            r#"{"$or": [{"": {"a": [1]}}, {"b": [1]}]}"#,
            r#"{"a": {"": [1]}, "b": {"": [1]}}"#,
        ] {
            assert!(concern(pattern), "{pattern}");
        }
        for pattern in [
            r#"{"": [1], "b": {"c": {"a": [1]}}}"#,
            r#"{"a": ["😀", {"suffix": "a\""}, {"equals-ignore-case": "ßİé"}]}"#,
            "{",
        ] {
            assert!(!concern(pattern), "{pattern}");
        }
        let cidr = r#"{"a": [{"cidr": "0.0.0.0/0"}]}"#;
        assert!(take_other_values_for_addresses(cidr, r#"{"a": [1]}"#));
        assert!(!take_other_values_for_addresses(cidr, r#"{"a": "1"}"#));
    }
}
