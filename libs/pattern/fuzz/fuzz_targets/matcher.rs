//! A pattern matches an event alone exactly when it does among others, and exactly when its explanation says so.
//!
//! The input is a pattern and an event, parted by the first line feed; more patterns may follow the event, one a line.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tripline_pattern::{Matcher, Pattern, Scratch};

/// Patterns that share fields and operators with what the fuzzer finds likely.
const OTHERS: [&str; 6] = [
    r#"{"a": [1, "x", null]}"#,
    r#"{"a": [{"prefix": "x"}], "b": [{"exists": false}]}"#,
    r#"{"a": {"b": [{"numeric": [">", 0, "<=", 5]}, {"suffix": "x"}]}}"#,
    r#"{"$or": [{"a": [{"wildcard": "*x*"}]}, {"b": [{"anything-but": ["x"]}]}]}"#,
    r#"{"a": [{"equals-ignore-case": "X"}], "a.b": [{"cidr": "10.0.0.0/8"}]}"#,
    r#"{"c": [{"exists": true}]}"#,
];

fuzz_target!(|text: &str| {
    let mut lines = text.split('\n');
    let (Some(Ok(pattern)), Some(event)) = (lines.next().map(Pattern::parse), lines.next()) else {
        return;
    };
    let event = event.as_bytes();
    let (mut matcher, mut scratch, mut matched) = (Matcher::new(), Scratch::default(), Vec::new());
    matcher.install(0_u32, &pattern);
    let others = OTHERS.into_iter().chain(lines).filter_map(|text| Pattern::parse(text).ok());
    for (key, other) in (1..).zip(others) {
        matcher.install(key, &other);
    }
    let among_others = matcher.matches(event, &mut scratch, &mut matched);
    let Ok(alone) = pattern.is_match(event) else { return };
    assert_eq!(among_others, Ok(()), "what is an event for one matcher is one for every other");
    assert_eq!(matched.contains(&0), alone, "alone and among others");
    let explanation = pattern.explain(event).expect("an event");
    assert_eq!(explanation.matches, alone, "the explanation");
    matcher.remove(0);
    matcher.matches(event, &mut scratch, &mut matched).expect("an event");
    assert!(!matched.contains(&0), "removed");
});
