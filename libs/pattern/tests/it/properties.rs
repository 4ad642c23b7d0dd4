//! The matcher answers as the naive one, whatever the patterns and the event.

use proptest::prelude::*;
use proptest::sample::select;

use tripline_pattern::{Matcher, Pattern};

use crate::oracle::{self, Alternative, Json, Leaf, Meaning};

const LEAVES: [(&str, Meaning); 13] = [
    ("\"\"", Meaning::Text("")),
    ("\"a\"", Meaning::Text("a")),
    ("\"ab\"", Meaning::Text("ab")),
    ("\"\\u0061b\"", Meaning::Text("ab")),
    ("\"1\"", Meaning::Text("1")),
    ("1", Meaning::Other(0)),
    ("10e-1", Meaning::Other(0)),
    ("9007199254740993", Meaning::Other(1)),
    ("9007199254740992", Meaning::Other(2)),
    ("true", Meaning::Other(3)),
    ("false", Meaning::Other(4)),
    ("null", Meaning::Other(5)),
    ("-0.0", Meaning::Other(6)),
];

fn leaf() -> impl Strategy<Value = Leaf> {
    select(&LEAVES[..]).prop_map(|(spelling, meaning)| Leaf { spelling, meaning })
}

fn key() -> impl Strategy<Value = &'static str> {
    select(vec!["a", "a", "b", "b", "c", "a.b", ""])
}

fn json() -> impl Strategy<Value = Json> {
    leaf().prop_map(Json::Leaf).prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::Array),
            prop::collection::vec((key(), inner), 0..4).prop_map(Json::Object),
        ]
    })
}

fn event() -> impl Strategy<Value = Json> {
    prop::collection::vec((key(), json()), 0..4).prop_map(Json::Object)
}

fn pattern() -> impl Strategy<Value = oracle::Pattern> {
    let alternative = prop_oneof![
        4 => leaf().prop_map(Alternative::Exactly),
        1 => select(vec!["", "a", "ab"]).prop_map(Alternative::Prefix),
        1 => select(vec!["", "b", "ab"]).prop_map(Alternative::Suffix),
        2 => any::<bool>().prop_map(Alternative::Exists),
    ];
    let any_of = prop::collection::vec(alternative, 1..3).prop_map(oracle::Pattern::AnyOf);
    let nested = any_of.prop_recursive(3, 8, 3, |inner| {
        prop::collection::vec((key(), inner), 1..4).prop_map(oracle::Pattern::Object)
    });
    prop::collection::vec((key(), nested), 1..4).prop_map(oracle::Pattern::Object)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn one_pattern_as_the_naive_matcher(pattern in pattern(), event in event()) {
        let expected = oracle::matches(&pattern, &event);
        prop_assert_eq!(crate::matches(&pattern.to_string(), &event.to_string()), expected);
    }

    #[test]
    fn many_patterns_as_each_alone_through_removals(
        patterns in prop::collection::vec((0_u8..12, any::<bool>(), pattern()), 1..20),
        event in event(),
    ) {
        let mut matcher = Matcher::new();
        let mut installed = std::collections::BTreeMap::new();
        for (key, remove, pattern) in patterns {
            if remove {
                matcher.remove(key);
                installed.remove(&key);
            } else {
                matcher.install(key, Pattern::parse(&pattern.to_string()).unwrap());
                installed.insert(key, pattern);
            }
        }
        let expected: Vec<_> = installed
            .iter()
            .filter(|(_, pattern)| oracle::matches(pattern, &event))
            .map(|(&key, _)| key)
            .collect();
        let mut out = Vec::new();
        matcher.matches(event.to_string().as_bytes(), &mut out).unwrap();
        prop_assert_eq!(out, expected);
    }

    #[test]
    fn no_text_panics(pattern in "[\\[\\]{}\":,a-b1.$ ]{0,40}", event in prop::collection::vec(any::<u8>(), 0..40)) {
        if let Ok(pattern) = Pattern::parse(&pattern) {
            let mut matcher = Matcher::new();
            matcher.install(0, pattern);
            let _ = matcher.matches(&event, &mut Vec::new());
        }
    }
}
