//! Many patterns at once.
//!
//! An event is read once. Of each value at a wanted path the index of [`Terms`] tells which alternatives it fulfils, and
//! these lead down the [`Tree`] of all patterns. What an event costs goes by its own length and by the patterns that it
//! meets in part, hardly by how many there are.

use std::hash::Hash;

use crate::absence::{self, Demand};
use crate::answers::{Answers, Seen};
use crate::conditions::{Conditions, Found};
use crate::consistency::Consistency;
use crate::error::EventError;
use crate::observed::{Observed, ROOT};
use crate::paths::FieldId;
use crate::pattern::{Branch, Condition, Pattern};
use crate::rows::Rows;
use crate::scan;
use crate::table::{Hashing, Table};
use crate::terms::{Hit, TermId};
use crate::tree::{NONE, NodeId, Tree};

/// A set of patterns, each under a key, that tells which of them an event matches.
///
/// A copy shares with its original all but what has been changed since: one writer may go on changing a matcher of
/// 100,000 patterns while readers each keep the copy that they were given.
#[derive(Clone, Debug)]
pub struct Matcher<K> {
    conditions: Conditions,
    tree: Tree,
    ends: Rows<End<K>>,
    /// The first end of each key.
    by_key: Table,
    hashing: Hashing,
    len: usize,
}

/// Where a pattern ends in the tree. One with a `$or` has several: one for each way to match.
#[derive(Clone, Debug)]
struct End<K> {
    /// None where the row is not in use.
    key: Option<K>,
    node: NodeId,
    /// Others that end at this node.
    previous: u32,
    next: u32,
    /// The next one of this key.
    way: u32,
}

impl<K> Default for End<K> {
    fn default() -> Self {
        Self { key: None, node: Tree::ROOT, previous: NONE, next: NONE, way: NONE }
    }
}

/// Memory that matching uses again from event to event. What it holds between two calls has no meaning.
#[derive(Debug, Default)]
pub struct Scratch {
    observed: Observed,
    hits: Vec<Hit>,
    fulfilled: Vec<(TermId, FieldId)>,
    to_visit: Vec<NodeId>,
    joined: Vec<NodeId>,
    answers: Answers,
    consistency: Consistency,
}

impl<K> Default for Matcher<K> {
    fn default() -> Self {
        Self {
            conditions: Conditions::default(),
            tree: Tree::default(),
            ends: Rows::default(),
            by_key: Table::default(),
            hashing: Hashing::default(),
            len: 0,
        }
    }
}

impl<K: Copy + Eq + Hash + Ord> Matcher<K> {
    /// A matcher without patterns, which matches nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many patterns are installed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no pattern is installed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Installs a pattern under a key, in place of the one that was there.
    pub fn install(&mut self, key: K, pattern: &Pattern) {
        self.remove(key);
        let mut first = NONE;
        for branch in &pattern.branches {
            let node = self.lead(branch);
            first = self.end_at(node, key, first);
        }
        if first != NONE {
            let Self { by_key, ends, hashing, .. } = self;
            by_key.insert(hashing.of(&Some(key)), first, |end| hashing.of(&ends[end].key));
            self.len += 1;
        }
    }

    /// The node where all conditions of a branch are met.
    fn lead(&mut self, branch: &Branch) -> NodeId {
        let Self { conditions, tree, ends, .. } = self;
        let mut acquire = |path: &str, condition: &Condition| {
            let id = conditions.acquire(path, condition);
            (conditions.rank(id), conditions.field(id), id)
        };
        let mut ways: Vec<_> =
            branch.iter().map(|(path, condition)| acquire(path, condition)).collect();
        ways.sort_unstable();
        let ways: Vec<_> = ways.into_iter().map(|(.., id)| id).collect();
        tree.enter(&ways, conditions, |mut end, node| {
            while end != NONE {
                ends[end].node = node;
                end = ends[end].next;
            }
        })
    }

    fn end_at(&mut self, node: NodeId, key: K, way: u32) -> u32 {
        let next = self.tree.end(node);
        let end = self.ends.insert(End { key: Some(key), node, previous: NONE, next, way });
        if next != NONE {
            self.ends[next].previous = end;
        }
        self.tree.begin(node, end);
        end
    }

    /// Takes the pattern under this key away, if there is one.
    pub fn remove(&mut self, key: K) {
        let hash = self.hashing.of(&Some(key));
        let Some(first) = self.by_key.find(hash, |end| self.ends[end].key == Some(key)) else {
            return;
        };
        self.by_key.replace(hash, first, None);
        self.len -= 1;
        let mut way = first;
        while way != NONE {
            let End { node, previous, next, way: another, .. } = self.ends.remove(way);
            if next != NONE {
                self.ends[next].previous = previous;
            }
            if previous == NONE {
                self.tree.set_end(node, next);
            } else {
                self.ends[previous].next = next;
            }
            self.tree.leave(node, &mut self.conditions);
            way = another;
        }
    }

    /// The keys of all patterns that the event matches, in ascending order, each once. `out` is cleared first.
    ///
    /// The event is JSON that has been checked, as every accepted event is: parts of it that no pattern asks for are
    /// skipped by their quotes and brackets alone. What a text that is not JSON matches is not specified.
    ///
    /// # Errors
    /// When the event is seen not to be a JSON object; `out` is then empty.
    pub fn matches(
        &self,
        event_json: &[u8],
        scratch: &mut Scratch,
        out: &mut Vec<K>,
    ) -> Result<(), EventError> {
        out.clear();
        scratch.observed.read(event_json, &self.conditions.terms.paths)?;
        self.conditions.terms.look_up(&scratch.observed, event_json, &mut scratch.hits);
        scratch.fulfilled.clear();
        for hit in &scratch.hits {
            let term = hit.term();
            if scratch.fulfilled.last().is_none_or(|(last, _)| *last != term) {
                scratch.fulfilled.push((term, self.conditions.terms.field(term)));
            }
        }
        scratch.answers.begin();
        scratch.to_visit.clear();
        scratch.to_visit.push(Tree::ROOT);
        while let Some(node) = scratch.to_visit.pop() {
            let mut end = self.tree.end(node);
            if end != NONE
                && self.is_met_behind(node, event_json, scratch)
                && self.is_consistent(node, event_json, scratch)
            {
                while end != NONE {
                    out.extend(self.ends[end].key);
                    end = self.ends[end].next;
                }
            }
            self.lead_on(node, event_json, scratch);
        }
        out.sort_unstable();
        // Several ways of one pattern may match.
        out.dedup();
        Ok(())
    }

    /// Finds the children of a node whose conditions are met.
    fn lead_on(&self, node: NodeId, event: &[u8], scratch: &mut Scratch) {
        let Scratch { observed, fulfilled, to_visit, joined, answers, .. } = scratch;
        joined.clear();
        for &(term, field) in &*fulfilled {
            if self.tree.may_ask(node, field) {
                to_visit.extend(self.tree.child(node, term));
                joined.extend_from_slice(self.tree.joined(node, term));
            }
        }
        joined.extend_from_slice(self.tree.always(node));
        if joined.is_empty() {
            return;
        }
        // Several terms may lead to one child.
        joined.sort_unstable();
        joined.dedup();
        let seen = Seen { json: event, observed };
        for &child in &*joined {
            let condition = self.tree.condition(child);
            if !self.conditions.is_asked(condition)
                || self.conditions.may_be_met(condition, seen, answers)
            {
                to_visit.push(child);
            }
        }
    }

    /// Whether the event meets the conditions behind that of a leaf.
    fn is_met_behind(&self, node: NodeId, event: &[u8], scratch: &mut Scratch) -> bool {
        let Scratch { observed, fulfilled, answers, .. } = scratch;
        let fulfils =
            |term: &TermId| fulfilled.binary_search_by_key(term, |(term, _)| *term).is_ok();
        self.tree.behind(node).all(|id| match self.conditions.found(&id) {
            Found::ByTerms(any) => any.iter().any(fulfils),
            Found::Asking(_) | Found::AskingAlways => {
                self.conditions.may_be_met(id, Seen { json: event, observed }, answers)
            }
        })
    }

    /// Whether the conditions on the way to a node, each of which is met, are met in the same elements of arrays.
    fn is_consistent(&self, node: NodeId, event: &[u8], scratch: &mut Scratch) -> bool {
        let Scratch { observed, hits, answers, consistency, .. } = scratch;
        if !observed.has_scopes() {
            return true;
        }
        consistency.begin();
        let seen = Seen { json: event, observed };
        if self.tree.way(node).any(|id| self.conditions.absent_from(id, seen).is_some()) {
            let mut way: Vec<_> = self.tree.way(node).collect();
            way.sort_unstable_by_key(|&id| self.conditions.path(id));
            let demand = |id| Demand {
                met: self.conditions.scopes(id, hits, seen, answers).to_vec(),
                absent_from: self.conditions.absent_from(id, seen),
            };
            return absence::can_be_met(observed, &way.into_iter().map(demand).collect::<Vec<_>>());
        }
        for condition in self.tree.way(node) {
            let scopes = self.conditions.scopes(condition, hits, seen, answers);
            // What is met outside all arrays is met in company of anything.
            if scopes.first().is_some_and(|&scope| scope != ROOT) {
                consistency.ask(scopes);
            }
        }
        consistency.holds(observed)
    }
}

impl Pattern {
    /// Whether an event matches this one pattern. For many patterns or many events, a [`Matcher`] does less work.
    ///
    /// # Errors
    /// When the event is not a JSON object.
    pub fn is_match(&self, event_json: &[u8]) -> Result<bool, EventError> {
        scan::check(event_json)?;
        let (mut matcher, mut matched) = (Matcher::new(), Vec::new());
        matcher.install((), self);
        matcher.matches(event_json, &mut Scratch::default(), &mut matched)?;
        Ok(!matched.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::{Matcher, Scratch};
    use crate::Pattern;

    fn matched(matcher: &Matcher<u32>, event: &str) -> Vec<u32> {
        let mut out = vec![99];
        matcher.matches(event.as_bytes(), &mut Scratch::default(), &mut out).unwrap();
        out
    }

    fn install(matcher: &mut Matcher<u32>, key: u32, pattern: &str) {
        matcher.install(key, &Pattern::parse(pattern).unwrap());
    }

    #[test]
    fn keys_come_in_order_and_a_key_has_one_pattern() {
        let mut matcher = Matcher::new();
        for key in [3, 1, 2] {
            install(&mut matcher, key, r#"{"a": [1, 1.0, {"exists": true}]}"#);
        }
        matcher.install(0, &Pattern::everything());
        assert_eq!(matched(&matcher, r#"{"a": [1, 1]}"#), [0, 1, 2, 3]);
        install(&mut matcher, 2, r#"{"a": [2]}"#);
        assert_eq!(matched(&matcher, r#"{"a": 1}"#), [0, 1, 3]);
        assert_eq!(matched(&matcher, r#"{"a": 2}"#), [0, 1, 2, 3]);
    }

    #[test]
    fn what_is_removed_leaves_nothing_behind() {
        let patterns = [
            r#"{"a": {"b": ["x", 1]}, "c": [{"prefix": "p"}]}"#,
            r#"{"a.b": ["x"]}"#,
            r#"{"a": {"b": [{"suffix": "x"}, {"wildcard": "x*y*z"}, {"wildcard": "x*z"}]}}"#,
            r#"{"d": [{"exists": false}], "e": [{"anything-but": ["x", "y"]}]}"#,
            r#"{"$or": [{"a": [{"cidr": "10.0.0.0/8"}]}, {"e": [{"numeric": [">", 1]}, 7]}], "c": ["x"]}"#,
        ];
        let mut matcher = Matcher::new();
        for round in 0..3 {
            for (key, pattern) in (0..).zip(patterns) {
                install(&mut matcher, key, pattern);
            }
            assert_eq!(matcher.len(), patterns.len());
            for key in 0..5 {
                matcher.remove((key + round) % 5);
            }
        }
        matcher.remove(7);
        assert!(matcher.is_empty() && matcher.tree.is_empty() && matcher.conditions.is_empty());
        assert!(matcher.by_key.is_empty() && matcher.ends.len() == 0);
    }

    #[test]
    fn a_copy_keeps_its_patterns_while_the_original_changes() {
        let pattern = |n: u32| format!(r#"{{"a": ["{n}", {{"prefix": "p{n}"}}], "b": [{n}]}}"#);
        let event = |n: u32| format!(r#"{{"a": "{n}", "b": {n}}}"#);
        let mut matcher = Matcher::new();
        (0..1_000).for_each(|n| install(&mut matcher, n, &pattern(n)));
        let copy = matcher.clone();
        for n in (0..1_000).step_by(2) {
            matcher.remove(n);
            install(&mut matcher, n + 1, &pattern(n));
        }
        for n in (0..1_000).step_by(2) {
            assert_eq!(
                (matched(&copy, &event(n)), matched(&copy, &event(n + 1))),
                (vec![n], vec![n + 1])
            );
            assert_eq!(
                (matched(&matcher, &event(n)), matched(&matcher, &event(n + 1))),
                (vec![n + 1], vec![])
            );
        }
    }

    #[test]
    fn an_event_that_is_no_object_is_an_error_and_matches_nothing() {
        let mut matcher = Matcher::new();
        matcher.install(1, &Pattern::everything());
        for bad in [&b"[]"[..], b"1", b"", b"{"] {
            let mut out = vec![1];
            assert!(matcher.matches(bad, &mut Scratch::default(), &mut out).is_err());
            assert!(out.is_empty());
        }
        for bad in [&b"[]"[..], b"{} {}", b"{\"a\":\xff}", b"{\"b\":nul}"] {
            assert!(Pattern::everything().is_match(bad).is_err());
        }
    }
}
