//! The matcher answers as the naive one, whatever the patterns and the event.

use proptest::prelude::*;
use proptest::sample::select;

use tripline_kernel::Classify as _;
use tripline_pattern::{Matcher, Pattern, Scratch};

use crate::oracle::{self, Alternative, Json, Leaf, Meaning};

const TEXTS: [(&str, Meaning); 9] = [
    ("\"\"", Meaning::Text("")),
    ("\"a\"", Meaning::Text("a")),
    ("\"A\"", Meaning::Text("A")),
    ("\"ab\"", Meaning::Text("ab")),
    ("\"aBb\"", Meaning::Text("aBb")),
    ("\"\\u0061b\"", Meaning::Text("ab")),
    ("\"1\"", Meaning::Text("1")),
    ("\"10.0.0.7\"", Meaning::Text("10.0.0.7")),
    ("\"10.0.1.7\"", Meaning::Text("10.0.1.7")),
];
const NUMBERS: [(&str, Meaning); 6] = [
    ("1", Meaning::Number(1)),
    ("10e-1", Meaning::Number(1)),
    ("9007199254740993", Meaning::Number(9_007_199_254_740_993)),
    ("9007199254740992", Meaning::Number(9_007_199_254_740_992)),
    ("-0.0", Meaning::Number(0)),
    ("-7", Meaning::Number(-7)),
];
const OTHERS: [(&str, Meaning); 3] =
    [("true", Meaning::Other(0)), ("false", Meaning::Other(1)), ("null", Meaning::Other(2))];

fn one_of(leaves: &'static [(&'static str, Meaning)]) -> impl Strategy<Value = Leaf> {
    select(leaves).prop_map(|(spelling, meaning)| Leaf { spelling, meaning })
}

fn leaf() -> impl Strategy<Value = Leaf> {
    prop_oneof![3 => one_of(&TEXTS), 2 => one_of(&NUMBERS), 1 => one_of(&OTHERS)]
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

fn numeric() -> impl Strategy<Value = Alternative> {
    let number = || select(vec![-7, 0, 1, 2, 9_007_199_254_740_992, 9_007_199_254_740_993]);
    let one = (select(vec!["=", "<", "<=", ">", ">="]), number()).prop_map(|bound| vec![bound]);
    let two = (select(vec![">", ">="]), number(), select(vec!["<", "<="]), number())
        .prop_filter("an empty interval is refused", |(_, low, _, high)| low < high)
        .prop_map(|(lower, low, upper, high)| vec![(lower, low), (upper, high)]);
    prop_oneof![one, two].prop_map(Alternative::Numeric)
}

fn anything_but() -> impl Strategy<Value = Alternative> {
    let some = |leaves| prop::collection::vec(one_of(leaves), 1..3);
    let texts = prop::collection::vec(select(vec!["a", "ab", "A", "b"]), 1..3);
    let globs = prop::collection::vec(select(vec!["", "a*", "*b", "a*b", "*"]), 1..3);
    let names = select(vec!["prefix", "suffix", "equals-ignore-case"]);
    prop_oneof![
        some(&TEXTS).prop_map(Alternative::AnythingBut),
        some(&NUMBERS).prop_map(Alternative::AnythingBut),
        (names, texts).prop_map(|(name, texts)| Alternative::AnythingButText(name, texts)),
        globs.prop_map(|globs| Alternative::AnythingButText("wildcard", globs)),
    ]
}

fn alternative() -> impl Strategy<Value = Alternative> {
    let text = || select(vec!["", "a", "ab", "B", "b"]);
    let affix = || select(vec!["prefix", "suffix"]);
    let glob = select(vec!["", "*", "a*", "*b", "a*b", "*a*", "1*7"]);
    prop_oneof![
        4 => leaf().prop_map(Alternative::Exactly),
        2 => any::<bool>().prop_map(Alternative::Exists),
        1 => (affix(), text()).prop_map(|(name, text)| Alternative::OfText(name, text)),
        1 => (affix(), text()).prop_map(|(name, text)| Alternative::IgnoreCase(name, text)),
        1 => text().prop_map(|text| Alternative::OfText("equals-ignore-case", text)),
        1 => glob.prop_map(|glob| Alternative::OfText("wildcard", glob)),
        1 => Just(Alternative::OfText("cidr", "10.0.0.0/24")),
        2 => numeric(),
        2 => anything_but(),
    ]
}

/// Whether a pattern is refused for nothing but its cost, as one with many choices may be.
fn is_too_costly(pattern: &oracle::Pattern) -> bool {
    let refused = Pattern::parse(&pattern.to_string()).err();
    refused.is_some_and(|error| error.faults().iter().all(|fault| fault.code == "too-costly"))
}

fn pattern() -> impl Strategy<Value = oracle::Pattern> {
    let any_of = prop::collection::vec(alternative(), 1..3).prop_map(oracle::Pattern::AnyOf);
    let nested = any_of.prop_recursive(3, 8, 3, |inner| members(&inner.boxed()));
    members(&nested.boxed()).prop_filter("too costly", |pattern| !is_too_costly(pattern))
}

/// An object of some fields and, now and then, a choice.
fn members(
    inner: &BoxedStrategy<oracle::Pattern>,
) -> impl Strategy<Value = oracle::Pattern> + use<> {
    let object = |len: std::ops::Range<usize>| {
        prop::collection::vec((key(), inner.clone()), len).prop_map(oracle::Pattern::Object)
    };
    let choice = prop::collection::vec(object(1..3), 2..4).prop_map(oracle::Pattern::Or);
    let choice = prop::option::weighted(0.3, (0_usize..3, choice));
    (object(1..4), choice).prop_map(|(object, choice)| match (object, choice) {
        (oracle::Pattern::Object(mut members), Some((at, choice))) => {
            members.insert(at.min(members.len()), ("$or", choice));
            oracle::Pattern::Object(members)
        }
        (object, _) => object,
    })
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
                matcher.install(key, &Pattern::parse(&pattern.to_string()).unwrap());
                installed.insert(key, pattern);
            }
        }
        let expected: Vec<_> = installed
            .iter()
            .filter(|(_, pattern)| oracle::matches(pattern, &event))
            .map(|(&key, _)| key)
            .collect();
        let mut out = Vec::new();
        matcher.matches(event.to_string().as_bytes(), &mut Scratch::default(), &mut out).unwrap();
        prop_assert_eq!(out, expected);
    }

    #[test]
    fn no_text_panics(pattern in "[\\[\\]{}\":,a-b1.$ ]{0,40}", event in prop::collection::vec(any::<u8>(), 0..40)) {
        if let Ok(pattern) = Pattern::parse(&pattern) {
            let mut matcher = Matcher::new();
            matcher.install(0, &pattern);
            let _ = matcher.matches(&event, &mut Scratch::default(), &mut Vec::new());
        }
    }
}
