//! Many patterns at once.
//!
//! Each pattern hangs in the index by one of its conditions, the one that fewest others share: under its exact values
//! where it has a condition of exact values only, else under a field that must be there. An event thus calls up only
//! the patterns that hang at what it holds, and those are then checked whole.

use std::collections::HashMap;
use std::hash::Hash;

use crate::comparison::placed;
use crate::consistency::consistent;
use crate::error::EventError;
use crate::observed::{Observed, ROOT};
use crate::paths::{FieldId, Node};
use crate::pattern::{self, Branch, Condition, Pattern};
use crate::scalar::Scalar;

/// A set of patterns, each under a key, that tells which of them an event matches.
#[derive(Clone, Debug)]
pub struct Matcher<K> {
    paths: Node,
    fields: Vec<Field>,
    unused_fields: Vec<FieldId>,
    slots: Vec<Option<Installed<K>>>,
    unused_slots: Vec<Slot>,
    /// A pattern with a `$or` takes several slots: one for each way to match.
    by_key: HashMap<K, Box<[Slot]>>,
    /// The patterns that no value calls up: they are checked for each event.
    unconditional: Vec<Slot>,
}

type Slot = usize;

#[derive(Clone, Debug)]
struct Installed<K> {
    key: K,
    conditions: Vec<(FieldId, Condition)>,
    /// The paths of the conditions, and those they compare with, to find them and to give them back.
    paths: Vec<(Box<str>, FieldId)>,
    hook: Hook,
}

/// Where a pattern hangs in the index; the number is that of the condition.
#[derive(Clone, Copy, Debug)]
enum Hook {
    Exact(usize),
    Present(usize),
    Nowhere,
}

/// One wanted path.
#[derive(Clone, Debug, Default)]
struct Field {
    /// How many patterns name it.
    uses: usize,
    exact: HashMap<Scalar<'static>, Vec<Slot>>,
    present: Vec<Slot>,
}

impl<K> Default for Matcher<K> {
    fn default() -> Self {
        Self {
            paths: Node::default(),
            fields: Vec::new(),
            unused_fields: Vec::new(),
            slots: Vec::new(),
            unused_slots: Vec::new(),
            by_key: HashMap::new(),
            unconditional: Vec::new(),
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
        self.by_key.len()
    }

    /// Whether no pattern is installed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Installs a pattern under a key, in place of the one that was there.
    pub fn install(&mut self, key: K, pattern: Pattern) {
        self.remove(key);
        let slots = pattern.branches.into_iter().map(|branch| self.hang(key, branch)).collect();
        self.by_key.insert(key, slots);
    }

    fn hang(&mut self, key: K, branch: Branch) -> Slot {
        let slot = self.unused_slots.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        let paths = pattern::paths(&branch);
        let paths: Vec<_> = paths.into_iter().map(|path| (path.into(), self.want(path))).collect();
        let conditions: Vec<_> = branch
            .into_iter()
            .filter_map(|(path, condition)| Some((field_of(&paths, &path)?, condition)))
            .collect();
        let hook = self.choose_hook(&conditions);
        self.change_lists(hook, &conditions, |list| list.push(slot));
        self.slots[slot] = Some(Installed { key, conditions, paths, hook });
        slot
    }

    /// Takes the pattern under this key away, if there is one.
    pub fn remove(&mut self, key: K) {
        for slot in self.by_key.remove(&key).unwrap_or_default() {
            let Some(Installed { conditions, paths, hook, .. }) = self.slots[slot].take() else {
                continue;
            };
            self.change_lists(hook, &conditions, |list| list.retain(|&hung| hung != slot));
            for (path, field) in &paths {
                self.release(*field, path);
            }
            self.unused_slots.push(slot);
        }
    }

    /// The keys of all patterns that the event matches, in ascending order, each once. `out` is cleared first.
    ///
    /// # Errors
    /// When the event is not a JSON object; `out` is then empty.
    pub fn matches(&self, event_json: &[u8], out: &mut Vec<K>) -> Result<(), EventError> {
        out.clear();
        let observed = Observed::read(event_json, &self.paths)?;
        for slot in self.candidates(&observed) {
            if let Some(installed) = &self.slots[slot]
                && installed.is_met(&observed)
            {
                out.push(installed.key);
            }
        }
        out.sort_unstable();
        // Several branches of one pattern may match.
        out.dedup();
        Ok(())
    }

    /// Every pattern that may match, each once.
    fn candidates(&self, observed: &Observed<'_>) -> Vec<Slot> {
        let mut candidates = self.unconditional.clone();
        let mut last = None;
        for occurrence in &observed.values {
            let field = &self.fields[occurrence.field];
            if last.replace(occurrence.field) != Some(occurrence.field) {
                candidates.extend_from_slice(&field.present);
            }
            if let Some(hung) = exactly(&field.exact, &occurrence.value) {
                candidates.extend_from_slice(hung);
            }
        }
        candidates.sort_unstable();
        candidates.dedup();
        candidates
    }

    fn want(&mut self, path: &str) -> FieldId {
        let fresh = self.unused_fields.last().copied().unwrap_or(self.fields.len());
        let field = self.paths.want(path, fresh);
        if field == fresh && self.unused_fields.pop().is_none() {
            self.fields.push(Field::default());
        }
        self.fields[field].uses += 1;
        field
    }

    fn release(&mut self, field: FieldId, path: &str) {
        self.fields[field].uses -= 1;
        if self.fields[field].uses == 0 {
            self.fields[field] = Field::default();
            self.paths.forget(path);
            self.unused_fields.push(field);
        }
    }

    /// The condition that calls the pattern up least often, as far as the patterns installed so far tell.
    fn choose_hook(&self, conditions: &[(FieldId, Condition)]) -> Hook {
        let company = |(_, (field, condition)): &(usize, &(FieldId, Condition))| -> usize {
            let exact = &self.fields[*field].exact;
            condition.exact.iter().map(|value| exact.get(value).map_or(0, Vec::len)).sum()
        };
        let exact =
            conditions.iter().enumerate().filter(|(_, (_, condition))| condition.is_exact());
        if let Some((chosen, _)) = exact.min_by_key(company) {
            return Hook::Exact(chosen);
        }
        let present =
            conditions.iter().enumerate().filter(|(_, (_, condition))| !condition.admits_absence());
        match present.min_by_key(|(_, (field, _))| self.fields[*field].present.len()) {
            Some((chosen, _)) => Hook::Present(chosen),
            None => Hook::Nowhere,
        }
    }

    /// Changes the lists of the index that a pattern with this hook stands in.
    fn change_lists(
        &mut self,
        hook: Hook,
        conditions: &[(FieldId, Condition)],
        change: impl Fn(&mut Vec<Slot>),
    ) {
        match hook {
            Hook::Nowhere => change(&mut self.unconditional),
            Hook::Present(chosen) => change(&mut self.fields[conditions[chosen].0].present),
            Hook::Exact(chosen) => {
                let (field, condition) = &conditions[chosen];
                let exact = &mut self.fields[*field].exact;
                for value in &condition.exact {
                    let list = exact.entry(value.clone()).or_default();
                    change(list);
                    if list.is_empty() {
                        exact.remove(value);
                    }
                }
            }
        }
    }
}

impl Pattern {
    /// Whether an event matches this one pattern. For many patterns or many events, a [`Matcher`] does less work.
    ///
    /// # Errors
    /// When the event is not a JSON object.
    pub fn is_match(&self, event_json: &[u8]) -> Result<bool, EventError> {
        let (mut matcher, mut matched) = (Matcher::new(), Vec::new());
        matcher.install((), self.clone());
        matcher.matches(event_json, &mut matched)?;
        Ok(!matched.is_empty())
    }
}

/// Looks a value of an event up: the map's keys outlive it, which the compiler must be told.
fn exactly<'m, 'e>(
    map: &'m HashMap<Scalar<'e>, Vec<Slot>>,
    value: &Scalar<'e>,
) -> Option<&'m [Slot]> {
    map.get(value).map(Vec::as_slice)
}

/// The field at a path that a pattern asks for. The paths are sorted.
fn field_of(paths: &[(Box<str>, FieldId)], path: &str) -> Option<FieldId> {
    let found = paths.binary_search_by(|(known, _)| (**known).cmp(path)).ok()?;
    Some(paths[found].1)
}

impl<K> Installed<K> {
    /// Whether the event meets all conditions, in the same elements of its arrays.
    fn is_met(&self, observed: &Observed<'_>) -> bool {
        let mut met = Vec::new();
        for (field, condition) in &self.conditions {
            let values = observed.of(*field);
            if condition.is_met_by_all(&values.iter().map(|value| &value.value)) {
                continue;
            }
            let mut admitted = values.iter().filter(|value| condition.admits(&value.value));
            if observed.scopes.len() == 1 && condition.compared.is_empty() {
                if admitted.next().is_none() {
                    return false;
                }
                continue;
            }
            let mut scopes: Vec<_> = admitted.map(|value| value.scope).collect();
            for comparison in &condition.compared {
                let Some(other) = field_of(&self.paths, &comparison.path) else { continue };
                let theirs = observed.of(other).iter().map(placed);
                scopes.extend(comparison.met_in(values.iter().map(placed), theirs, observed));
            }
            if scopes.is_empty() {
                return false;
            }
            scopes.sort_unstable();
            scopes.dedup();
            // What is met outside all arrays is met in company of anything.
            if scopes[0] != ROOT {
                met.push(scopes);
            }
        }
        met.is_empty() || consistent(observed, &met)
    }
}

#[cfg(test)]
mod tests {
    use super::Matcher;
    use crate::Pattern;

    fn matched(matcher: &Matcher<u32>, event: &str) -> Vec<u32> {
        let mut out = vec![99];
        matcher.matches(event.as_bytes(), &mut out).unwrap();
        out
    }

    #[test]
    fn keys_come_in_order_and_a_key_has_one_pattern() {
        let mut matcher = Matcher::new();
        for key in [3, 1, 2] {
            matcher.install(key, Pattern::parse(r#"{"a": [1, 1.0, {"exists": true}]}"#).unwrap());
        }
        matcher.install(0, Pattern::everything());
        assert_eq!(matched(&matcher, r#"{"a": [1, 1]}"#), [0, 1, 2, 3]);
        matcher.install(2, Pattern::parse(r#"{"a": [2]}"#).unwrap());
        assert_eq!(matched(&matcher, r#"{"a": 1}"#), [0, 1, 3]);
        assert_eq!(matched(&matcher, r#"{"a": 2}"#), [0, 1, 2, 3]);
    }

    #[test]
    fn what_is_removed_leaves_nothing_behind() {
        let patterns = [
            r#"{"a": {"b": ["x", 1]}, "c": [{"prefix": "p"}]}"#,
            r#"{"a.b": ["x"]}"#,
            r#"{"a": {"b": [{"suffix": "x"}]}}"#,
            r#"{"d": [{"exists": false}]}"#,
        ];
        let mut matcher = Matcher::new();
        for round in 0..3 {
            for (key, pattern) in patterns.iter().enumerate() {
                matcher.install(key, Pattern::parse(pattern).unwrap());
            }
            assert_eq!(matcher.len(), patterns.len());
            for key in 0..patterns.len() {
                matcher.remove((key + round) % patterns.len());
            }
        }
        matcher.remove(7);
        assert!(matcher.is_empty() && matcher.paths.is_empty() && matcher.unconditional.is_empty());
        assert!(
            matcher.fields.iter().all(|field| field.exact.is_empty() && field.present.is_empty())
        );
        assert_eq!((matcher.fields.len(), matcher.slots.len()), (3, 4), "room is used again");
    }

    #[test]
    fn an_event_that_is_no_object_is_an_error_and_matches_nothing() {
        let mut matcher = Matcher::new();
        matcher.install(1, Pattern::everything());
        for bad in [&b"[]"[..], b"1", b"", b"{", b"{} {}", b"{\"a\":\xff}"] {
            let mut out = vec![1];
            assert!(matcher.matches(bad, &mut out).is_err());
            assert!(out.is_empty());
        }
    }
}
