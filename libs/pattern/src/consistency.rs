//! Array consistency: fields that pass through the same array of objects find their values in the same element of it.
//!
//! A condition is met in scopes (see [`Observed`]). Inside one scope, what is not met there directly must be met inside
//! one element of one of its arrays, and different arrays have nothing to do with each other. So the search goes down
//! the tree of scopes and visits each once. Only an event that reaches one path by several ways (a key twice, or spelt
//! with and without full stops) leaves a choice between arrays; the work spent on such choices is limited, and beyond
//! the limit the event counts as a match: one run too many does less harm than one too few.

use std::collections::BTreeMap;

use crate::observed::{Array, Observed, ROOT, Scope};

/// Most conditions of one scope that may have a choice between arrays.
const AMBIGUOUS_MAX: usize = 8;
/// Most scopes that are visited for one pattern, beyond one visit of each.
const REVISITS_MAX: usize = 10_000;

/// What is asked of one pattern's conditions. Its memory serves one after the other.
#[derive(Debug, Default)]
pub(crate) struct Consistency {
    /// For each condition, the scopes in which it is met, ascending. Only the first [`Self::asked`] have a meaning.
    met: Vec<Vec<u32>>,
    asked: usize,
}

impl Consistency {
    /// Forgets all conditions.
    pub(crate) fn begin(&mut self) {
        self.asked = 0;
    }

    /// Adds a condition that is met in these scopes, ascending.
    pub(crate) fn ask(&mut self, scopes: &[u32]) {
        if self.asked == self.met.len() {
            self.met.push(Vec::new());
        }
        self.met[self.asked].clear();
        self.met[self.asked].extend_from_slice(scopes);
        self.asked += 1;
    }

    /// Whether every condition can be met so that all agree on the element of each array.
    pub(crate) fn holds(&self, observed: &Observed) -> bool {
        // One condition agrees with itself.
        if self.asked < 2 {
            return self.met[..self.asked].iter().all(|met| !met.is_empty());
        }
        if self.met_in_one_scope() {
            return true;
        }
        let visits = observed.scopes.len() + REVISITS_MAX;
        let all: Vec<_> = (0..self.asked).collect();
        let (met, last_hits) = (&self.met[..self.asked], vec![0; self.asked]);
        Search { observed, met, last_hits, visits }.inside(ROOT, &all)
    }
}

impl Consistency {
    /// Whether all conditions are met in the very same scope: most often that is all there is to it. The first scopes are
    /// tried, no more.
    fn met_in_one_scope(&self) -> bool {
        const TRIED_MAX: usize = 16;
        let Some((first, others)) = self.met[..self.asked].split_first() else { return true };
        let mut tried = first.iter().take(TRIED_MAX);
        tried.any(|scope| others.iter().all(|met| met.binary_search(scope).is_ok()))
    }
}

struct Search<'s> {
    observed: &'s Observed,
    met: &'s [Vec<u32>],
    /// Where in these the last answer of [`Self::next_hit`] was.
    last_hits: Vec<usize>,
    visits: usize,
}

/// The conditions that an element of each array must meet.
type Demands = BTreeMap<u32, Vec<usize>>;

impl Search<'_> {
    /// Whether all these conditions can be met inside this scope.
    fn inside(&mut self, scope: u32, conditions: &[usize]) -> bool {
        let Some(left) = self.visits.checked_sub(1) else { return true };
        self.visits = left;
        let mut demands = Demands::new();
        let mut ambiguous = Vec::new();
        for &condition in conditions {
            if self.met[condition].binary_search(&scope).is_ok() {
                continue;
            }
            match self.arrays_inside(scope, condition)[..] {
                [] => return false,
                [array] => demands.entry(array).or_default().push(condition),
                ref arrays => ambiguous.push((condition, arrays.to_vec())),
            }
        }
        ambiguous.len() > AMBIGUOUS_MAX || self.assign(&ambiguous, &mut demands)
    }

    /// Tries the arrays that each of the remaining conditions could be met in.
    fn assign(&mut self, ambiguous: &[(usize, Vec<u32>)], demands: &mut Demands) -> bool {
        let Some(((condition, arrays), rest)) = ambiguous.split_first() else {
            return demands.iter().all(|(&array, conditions)| self.some_element(array, conditions));
        };
        arrays.iter().any(|&array| {
            demands.entry(array).or_default().push(*condition);
            let found = self.assign(rest, demands);
            if let Some(conditions) = demands.get_mut(&array) {
                conditions.pop();
            }
            found
        })
    }

    /// Whether one element of the array meets all these conditions.
    fn some_element(&mut self, array: u32, conditions: &[usize]) -> bool {
        if conditions.len() < 2 {
            // It is met somewhere in the array, and agrees with itself.
            return true;
        }
        let mut from = self.array(array).first;
        while let Some(element) = self.common_element(array, from, conditions) {
            if self.inside(element, conditions) {
                return true;
            }
            from = self.scope(element).end;
        }
        false
    }

    /// The first element of the array, from this scope on, inside which each condition is met. Each in turn leaps to the
    /// element that another one is met in, so elements that lack one are not looked at one by one.
    fn common_element(&mut self, array: u32, from: u32, conditions: &[usize]) -> Option<u32> {
        let end = self.array(array).end;
        let (mut candidate, mut agreed) = (from, 0);
        for &condition in conditions.iter().cycle() {
            let hit = self.next_hit(condition, candidate, end)?;
            let element = self.element_around(hit, array);
            agreed = if element == candidate { agreed + 1 } else { 1 };
            if agreed == conditions.len() {
                return Some(element);
            }
            candidate = element;
        }
        None
    }

    /// The arrays directly in a scope inside which the condition is met.
    fn arrays_inside(&mut self, scope: u32, condition: usize) -> Vec<u32> {
        let mut arrays = Vec::new();
        let mut from = scope + 1;
        while let Some(hit) = self.next_hit(condition, from, self.scope(scope).end) {
            let array = self.array_around(hit, scope);
            arrays.push(array);
            from = self.array(array).end;
        }
        arrays
    }

    /// The first scope from here on in which a condition is met. Mostly asked from a little further on each time.
    fn next_hit(&mut self, condition: usize, from: u32, end: u32) -> Option<u32> {
        let (met, last) = (&self.met[condition], self.last_hits[condition]);
        let is_before = |at: usize| met.get(at).is_some_and(|&scope| scope < from);
        let start = if last == 0 || is_before(last - 1) { last } else { 0 };
        let mut step = 1;
        while is_before(start + step - 1) {
            step *= 2;
        }
        let window = &met[start..met.len().min(start + step)];
        let at = start + window.partition_point(|&scope| scope < from);
        self.last_hits[condition] = at;
        met.get(at).copied().filter(|&scope| scope < end)
    }

    /// The array directly in `outer` that `inner` stands in.
    fn array_around(&self, mut inner: u32, outer: u32) -> u32 {
        loop {
            let array = self.scope(inner).array;
            let parent = self.array(array).parent;
            if parent == outer {
                return array;
            }
            inner = parent;
        }
    }

    /// The element of `array` that `inner` is, or stands in.
    fn element_around(&self, mut inner: u32, array: u32) -> u32 {
        while self.scope(inner).array != array {
            inner = self.array(self.scope(inner).array).parent;
        }
        inner
    }

    fn scope(&self, scope: u32) -> Scope {
        self.observed.scopes[scope as usize]
    }

    fn array(&self, array: u32) -> Array {
        self.observed.arrays[array as usize]
    }
}
