//! What the language means, against a naive matcher and against recorded answers.

mod corpus;
mod hostile;
mod oracle;
mod properties;
mod refusals;

use tripline_pattern::Pattern;

fn matches(pattern: &str, event: &str) -> bool {
    let pattern = Pattern::parse(pattern).expect("a valid pattern");
    pattern.is_match(event.as_bytes()).expect("a valid event")
}
