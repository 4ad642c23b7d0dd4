//! Looking for an expression in a text, one step a byte.
//!
//! What is looked for becomes a deterministic automaton when the pattern is parsed. Its size is limited, so an expression
//! that would need more is refused then; none can make a match slow. That rules out look-around and back-references.

mod expression;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use regex_automata::dfa::{Automaton as _, StartKind, dense};
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_automata::{Anchored, Input};
use regex_syntax::hir::Hir;

use crate::limits::AUTOMATON_BYTES_MAX;

pub(crate) use expression::{ignoring_case, parse};

/// What an automaton is made from may take this much, in bytes. It is made and dropped while a pattern is parsed.
const DRAFT_BYTES_MAX: usize = 128 * 1024;

/// An automaton that looks for an expression. Clones share it.
#[derive(Clone)]
pub(crate) struct Search {
    /// What is looked for, as it is written in the pattern.
    text: Box<str>,
    automaton: Arc<dense::DFA<Vec<u32>>>,
}

impl Search {
    /// A search for `expression`, which `text` is the spelling of. `None` when its automaton would be too large.
    pub(crate) fn new(text: &str, expression: &Hir) -> Option<Self> {
        // Only whether it is found is of interest, so that empty finds need no care.
        let draft = thompson::Config::new()
            .utf8(false)
            .which_captures(WhichCaptures::None)
            .nfa_size_limit(Some(DRAFT_BYTES_MAX));
        let config = dense::Config::new()
            .start_kind(StartKind::Unanchored)
            .accelerate(false)
            .dfa_size_limit(Some(AUTOMATON_BYTES_MAX))
            .determinize_size_limit(Some(DRAFT_BYTES_MAX));
        let draft = thompson::Compiler::new().configure(draft).build_from_hir(expression).ok()?;
        let automaton = dense::Builder::new().configure(config).build_from_nfa(&draft).ok()?;
        Some(Self { text: text.into(), automaton: Arc::new(automaton) })
    }

    /// What is looked for, as it is written in the pattern.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// How large its automaton is, in KiB begun.
    pub(crate) fn kib(&self) -> usize {
        self.automaton.memory_usage().div_ceil(1024)
    }

    /// Whether the expression is found in the text.
    pub(crate) fn finds(&self, text: &str) -> bool {
        let input = Input::new(text).anchored(Anchored::No).earliest(true);
        // It gives up at no byte, and can start unanchored.
        self.automaton.try_search_fwd(&input).is_ok_and(|found| found.is_some())
    }
}

/// The automaton follows from the text.
impl PartialEq for Search {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Search {}

impl Hash for Search {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Debug for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Search").field(&self.text).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::{Search, ignoring_case, parse};
    use crate::fold;

    fn search(text: &str) -> Search {
        Search::new(text, &parse(text).unwrap()).expect(text)
    }

    #[test]
    fn expressions_are_found_where_they_say() {
        for (expression, text) in [
            ("", ""),
            ("b", "abc"),
            (r"^in/[0-9]+\.jpg$", "in/0042.jpg"),
            (r"(?i)\.jpe?g$", "x.JPEG"),
            ("^.$", "é"),
            ("^[à-ü]+$", "éè"),
            (r"\bcat\b", "a cat, here"),
            (r"^\w+\s\d\W$", "ab_1\t7é"),
            (r"[\w.]+@[^\s\d]+", "a.b@cé"),
            ("(?m)^b$", "a\nb\nc"),
            (r"^[^\d]$", "é"),
            (r"^[^a&&\W]$", "é"),
        ] {
            assert!(search(expression).finds(text), "{expression} {text}");
        }
        for (expression, text) in [
            ("b", ""),
            (r"^in/[0-9]+\.jpg$", "in/0042.jpg\n"),
            ("^b", "ab"),
            ("^.$", "ab"),
            ("^.$", "\n"),
            (r"\w", "é"),
            (r"\d", "٣"),
            (r"\s", "\u{a0}"),
            (r"\bcat\b", "concat"),
            ("[à-ü]", "e"),
            ("^b$", "a\nb\nc"),
        ] {
            assert!(!search(expression).finds(text), "{expression} {text}");
        }
    }

    #[test]
    fn ordinary_expressions_are_small() {
        for (expression, kib_max) in [
            (r"^in/[0-9]+\.jpg$", 4),
            ("^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$", 4),
            (r"^[\w.%+-]+@[\w-]+(\.[\w-]+)+$", 4),
            (r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$", 8),
            (r"^((25[0-5]|2[0-4]\d|1?\d?\d)(\.|$)){4}$", 8),
            (r"(?i)error|warning|timed? ?out|refused", 32),
            (r"^arn:aws:s3:::[^/]+/.+\.(jpe?g|png|gif|webp)$", 32),
            (r"(?i)^.*\.(jpe?g|png|gif|webp|tiff?|heic)$", 32),
            ("^.{1,200}$", 208),
        ] {
            let kib = search(expression).kib();
            println!("{kib} {expression}");
            assert!(kib <= kib_max, "{expression} {kib}");
        }
    }

    #[test]
    fn what_needs_too_many_states_is_refused_soon() {
        let started = Instant::now();
        for expression in [
            "(((a{1000}){1000}){1000})",
            "(a|b)*a(a|b){16}",
            "(?i)error.{0,100}timeout",
            "(.?){500}x",
            "[a-z]*[b-y]{300}.*[c-x]{300}.*",
            "((((x{0,9}){0,9}){0,9}){0,9}){0,9}",
        ] {
            assert!(Search::new(expression, &parse(expression).unwrap()).is_none(), "{expression}");
            println!("{:?} {expression}", started.elapsed());
        }
        assert!(started.elapsed() < Duration::from_secs(20));
        let long = "x".repeat(16_000);
        assert!(Search::new(&long, &ignoring_case(&long)).is_none());
    }

    proptest! {
        #[test]
        fn case_is_ignored_as_elsewhere(sought in "[aBßéÉSσΣ]{0,4}", text in "[abAßsSéÉσςΣ]{0,10}") {
            let expected = text.char_indices().map(|(at, _)| at).chain([text.len()])
                .any(|at| fold::starts_with(&text[at..], &sought));
            let search = Search::new(&sought, &ignoring_case(&sought)).unwrap();
            prop_assert_eq!(search.finds(&text), expected);
        }
    }
}
