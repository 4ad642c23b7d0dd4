//! Array consistency: fields that pass through the same array of objects find their values in the same element of it.
//!
//! A condition is met in scopes (see [`Observed`]). Inside one scope, what is not met there directly must be met inside
//! one element of one of its arrays, and different arrays have nothing to do with each other. So the search goes down
//! the tree of scopes and visits each once. Only an event that reaches one path by several ways (a key twice, or spelt
//! with and without full stops) leaves a choice between arrays; the work spent on such choices is limited, and beyond
//! the limit the event counts as a match: one run too many does less harm than one too few.

use std::collections::BTreeMap;

use crate::observed::{Observed, ROOT};

/// Most conditions of one scope that may have a choice between arrays.
const AMBIGUOUS_MAX: usize = 8;
/// Most scopes that are visited for one pattern, beyond one visit of each.
const REVISITS_MAX: usize = 10_000;

/// Whether every condition can be met so that all agree on the element of each array.
///
/// `met` holds, for each condition, the scopes in which it is met, ascending.
pub(crate) fn consistent(observed: &Observed<'_>, met: &[Vec<usize>]) -> bool {
    let visits = observed.scopes.len() + REVISITS_MAX;
    let all: Vec<_> = (0..met.len()).collect();
    Search { observed, met, visits }.inside(ROOT, &all)
}

struct Search<'s, 'e> {
    observed: &'s Observed<'e>,
    met: &'s [Vec<usize>],
    visits: usize,
}

/// The conditions that an element of each array must meet.
type Demands = BTreeMap<usize, Vec<usize>>;

impl Search<'_, '_> {
    /// Whether all these conditions can be met inside this scope.
    fn inside(&mut self, scope: usize, conditions: &[usize]) -> bool {
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
    fn assign(&mut self, ambiguous: &[(usize, Vec<usize>)], demands: &mut Demands) -> bool {
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
    fn some_element(&mut self, array: usize, conditions: &[usize]) -> bool {
        let Some(&rarest) = conditions.iter().min_by_key(|&&c| self.met[c].len()) else {
            return true;
        };
        let bounds = self.observed.arrays[array];
        let mut from = bounds.first;
        while let Some(hit) = self.next_hit(rarest, from, bounds.end) {
            let element = self.element_around(hit, array);
            if self.inside(element, conditions) {
                return true;
            }
            from = self.observed.scopes[element].end;
        }
        false
    }

    /// The arrays directly in a scope inside which the condition is met.
    fn arrays_inside(&self, scope: usize, condition: usize) -> Vec<usize> {
        let mut arrays = Vec::new();
        let mut from = scope + 1;
        while let Some(hit) = self.next_hit(condition, from, self.observed.scopes[scope].end) {
            let array = self.array_around(hit, scope);
            arrays.push(array);
            from = self.observed.arrays[array].end;
        }
        arrays
    }

    fn next_hit(&self, condition: usize, from: usize, end: usize) -> Option<usize> {
        let met = &self.met[condition];
        met.get(met.partition_point(|&scope| scope < from)).copied().filter(|&scope| scope < end)
    }

    /// The array directly in `outer` that `inner` stands in.
    fn array_around(&self, mut inner: usize, outer: usize) -> usize {
        loop {
            let array = self.observed.scopes[inner].array;
            let parent = self.observed.arrays[array].parent;
            if parent == outer {
                return array;
            }
            inner = parent;
        }
    }

    /// The element of `array` that `inner` is, or stands in.
    fn element_around(&self, mut inner: usize, array: usize) -> usize {
        while self.observed.scopes[inner].array != array {
            inner = self.observed.arrays[self.observed.scopes[inner].array].parent;
        }
        inner
    }
}
