//! What the language means, against a naive matcher and against recorded answers.

mod corpus;
mod hostile;
mod oracle;
mod properties;
mod refusals;

use tripline_pattern::{Matcher, Pattern};

fn matches(pattern: &str, event: &str) -> bool {
    let mut matcher = Matcher::new();
    matcher.install((), Pattern::parse(pattern).expect("a valid pattern"));
    let mut out = Vec::new();
    matcher.matches(event.as_bytes(), &mut out).expect("a valid event");
    !out.is_empty()
}
