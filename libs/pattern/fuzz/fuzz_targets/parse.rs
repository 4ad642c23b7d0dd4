//! No text makes the parser of patterns panic, and what it takes can be explained.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tripline_pattern::Pattern;

fuzz_target!(|text: &str| {
    if let Ok(pattern) = Pattern::parse(text) {
        let explanation = pattern.explain(b"{}").expect("an empty object is an event");
        assert_eq!(Ok(explanation.matches), pattern.is_match(b"{}"));
    }
});
