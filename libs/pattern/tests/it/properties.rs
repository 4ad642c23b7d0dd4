//! The matcher answers as the naive one, whatever the patterns and the event.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

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
    const ASCENDING: [i64; 6] = [-7, 0, 1, 2, 9_007_199_254_740_992, 9_007_199_254_740_993];
    let number = select(ASCENDING.to_vec());
    let one = (select(vec!["=", "<", "<=", ">", ">="]), number).prop_map(|bound| vec![bound]);
    // An empty interval is refused.
    let two =
        (select(vec![">", ">="]), select(vec!["<", "<="]), subsequence(ASCENDING.to_vec(), 2))
            .prop_map(|(lower, upper, bounds)| vec![(lower, bounds[0]), (upper, bounds[1])]);
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

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Expressions, and what they mean for the texts above.
fn regex() -> impl Strategy<Value = Alternative> {
    type Meant = (&'static str, fn(&str) -> bool);
    let expressions: [Meant; 8] = [
        ("", |_| true),
        ("^a", |text| text.starts_with('a')),
        ("[bB]$", |text| text.ends_with(['b', 'B'])),
        (r"^\d+$", is_number),
        ("(?i)^AB", |text| text.to_lowercase().starts_with("ab")),
        ("^.{2}$", |text| text.chars().count() == 2),
        (r"\.1\.|^$", |text| text.is_empty() || text.contains(".1.")),
        (r"\b0\b", |text| text.split('.').any(|part| part == "0")),
    ];
    select(expressions.to_vec()).prop_map(|(source, meaning)| Alternative::Regex(source, meaning))
}

/// What can be asked of one value by itself.
fn of_value() -> impl Strategy<Value = Alternative> {
    let text = || select(vec!["", "a", "ab", "B", "b"]);
    let part = || select(vec!["prefix", "suffix", "contains"]);
    let glob = select(vec!["", "*", "a*", "*b", "a*b", "*a*", "1*7"]);
    let simple = prop_oneof![
        4 => leaf().prop_map(Alternative::Exactly),
        1 => (part(), text()).prop_map(|(name, text)| Alternative::OfText(name, text)),
        1 => (part(), text()).prop_map(|(name, text)| Alternative::IgnoreCase(name, text)),
        1 => text().prop_map(|text| Alternative::OfText("equals-ignore-case", text)),
        1 => glob.prop_map(|glob| Alternative::OfText("wildcard", glob)),
        1 => Just(Alternative::OfText("cidr", "10.0.0.0/24")),
        1 => regex(),
        2 => numeric(),
        2 => anything_but(),
    ];
    simple.prop_recursive(2, 4, 2, |inner| {
        prop::collection::vec(inner, 1..3).prop_map(Alternative::Not)
    })
}

fn quantified() -> impl Strategy<Value = Alternative> {
    let quantifier = select(vec!["some", "every", "every", "none"]);
    (quantifier, prop::collection::vec(of_value(), 1..4))
        .prop_map(|(quantifier, inner)| Alternative::Quantified(quantifier, inner))
}

fn compared(paths: Vec<&'static str>) -> impl Strategy<Value = Alternative> {
    (select(vec!["=", "!=", "<", "<=", ">", ">="]), select(paths))
        .prop_map(|(operator, path)| Alternative::Compared(operator, path))
}

fn alternative() -> impl Strategy<Value = Alternative> {
    prop_oneof![
        12 => of_value(),
        2 => any::<bool>().prop_map(Alternative::Exists),
        2 => quantified(),
        2 => compared(vec!["a", "b", "c", "", "a.b", "a.a", "b.a", "a.b.a", "b.b.a"]),
    ]
}

/// One of few values, so that comparisons are met often.
fn few() -> impl Strategy<Value = Leaf> {
    select(vec![TEXTS[1], TEXTS[3], NUMBERS[0], NUMBERS[5]])
        .prop_map(|(spelling, meaning)| Leaf { spelling, meaning })
}

/// Events of few fields and values in many arrays.
fn entangled() -> impl Strategy<Value = Json> {
    let key = || select(vec!["a", "b"]);
    let json = few().prop_map(Json::Leaf).prop_recursive(5, 40, 4, move |inner| {
        let object = prop::collection::vec((key(), inner.clone()), 1..4).prop_map(Json::Object);
        let mixed = prop_oneof![3 => object.clone(), 1 => inner];
        prop_oneof![2 => prop::collection::vec(mixed, 1..4).prop_map(Json::Array), 1 => object]
    });
    prop::collection::vec((key(), json), 1..3).prop_map(Json::Object)
}

/// Conditions on some of these paths, most of them comparisons with others.
fn comparing(paths: Vec<&'static str>) -> impl Strategy<Value = oracle::Pattern> {
    let one = prop_oneof![
        3 => compared(paths.clone()),
        2 => few().prop_map(Alternative::Exactly),
    ];
    let any_of = one.prop_map(|one| oracle::Pattern::AnyOf(vec![one]));
    prop::collection::vec((select(paths), any_of), 1..4).prop_map(oracle::Pattern::Object)
}

/// Values outside and inside of the elements of one array, and what compares them.
fn inside_and_outside() -> impl Strategy<Value = (oracle::Pattern, Json)> {
    let leaf = || few().prop_map(Json::Leaf);
    let element = (leaf(), leaf()).prop_map(|(a, b)| Json::Object(vec![("a", a), ("b", b)]));
    let event = (leaf(), prop::collection::vec(element, 1..4))
        .prop_map(|(a, elements)| Json::Object(vec![("a", a), ("b", Json::Array(elements))]));
    (comparing(vec!["a", "b.a", "b.b"]), event)
}

fn comparing_entangled() -> impl Strategy<Value = (oracle::Pattern, Json)> {
    let paths = vec!["a", "b", "a.a", "a.b", "b.a", "b.b", "a.b.a", "a.b.b"];
    (comparing(paths), entangled())
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

/// Texts near patterns: any characters, pieces that fit together more often than those do, and expressions.
fn near_pattern() -> impl Strategy<Value = String> {
    const PIECES: [&str; 24] = [
        "{\"a\": [",
        "{\"a.b\": [",
        "{\"not\": ",
        "{\"every\": ",
        "{\"none\": [",
        "{\"some\": ",
        "{\"field\": [\"<\", ",
        "{\"regex\": ",
        "{\"contains\": ",
        "{\"equals-ignore-case\": ",
        "{\"exists\": ",
        "{\"numeric\": [\"=\", ",
        "{\"anything-but\": [",
        "\"a\"",
        "\"(\"",
        "\"a.b\"",
        "1",
        "null",
        ", ",
        "[",
        "]",
        "]",
        "}",
        "}",
    ];
    let pieces = prop::collection::vec(select(PIECES.to_vec()), 0..16);
    prop_oneof![
        "[\\[\\]{}\":,a-b1.$ ]{0,40}",
        pieces.prop_map(|pieces| pieces.concat()),
        r"[abé.*+?()\[\]^$|{}0-9,\\dwsbBpxu&~-]{0,20}".prop_map(|expression| {
            format!("{{\"a\": [{{\"regex\": \"{}\"}}]}}", expression.replace('\\', "\\\\"))
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn one_pattern_as_the_naive_matcher(pattern in pattern(), event in event()) {
        let expected = oracle::matches(&pattern, &event);
        prop_assert_eq!(crate::matches(&pattern.to_string(), &event.to_string()), expected);
    }

    #[test]
    fn comparisons_as_the_naive_matcher(
        (pattern, event) in prop_oneof![inside_and_outside(), comparing_entangled()],
    ) {
        let expected = oracle::matches(&pattern, &event);
        prop_assert_eq!(crate::matches(&pattern.to_string(), &event.to_string()), expected);
    }

    #[test]
    fn what_is_explained_can_be_written(pattern in pattern(), event in event()) {
        let explain = |pattern: &str| {
            Pattern::parse(pattern).unwrap().explain(event.to_string().as_bytes()).unwrap()
        };
        let explanation = explain(&pattern.to_string());
        prop_assert_eq!(explanation.matches, oracle::matches(&pattern, &event));
        for way in explanation.ways {
            let fields = way.fields.iter().map(|field| {
                let alternatives: Vec<_> =
                    field.alternatives.iter().map(|tried| tried.alternative.as_str()).collect();
                format!("\"{}\": [{}]", field.path, alternatives.join(", "))
            });
            let fields = fields.collect::<Vec<_>>().join(", ");
            prop_assert_eq!(&explain(&format!("{{{fields}}}")).ways, &[way]);
        }
    }

    #[test]
    fn no_text_panics(pattern in near_pattern(), event in prop::collection::vec(any::<u8>(), 0..40)) {
        if let Ok(pattern) = Pattern::parse(&pattern) {
            let mut matcher = Matcher::new();
            matcher.install(0, &pattern);
            let (mut scratch, mut out) = (Scratch::default(), Vec::new());
            let _ = matcher.matches(&event, &mut scratch, &mut out);
            let _ = matcher.matches("{\"a\": [\"a\", \"é\", 1]}".as_bytes(), &mut scratch, &mut out);
        }
    }
}

proptest! {
    // Each has some ten patterns.
    #![proptest_config(ProptestConfig::with_cases(500))]

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
}
