//! Equality is told value by value: values that nothing of the other field equals need no further look.

use std::collections::HashMap;
use std::ops::Range;

use super::{Placed, Places};
use crate::scalar::Scalar;

/// Where a value stands on both sides.
#[derive(Default)]
struct Both {
    ours: Vec<usize>,
    theirs: Vec<usize>,
}

/// The scopes in which values are equal.
pub(super) fn equal<'v>(
    ours: impl Iterator<Item = Placed<'v>>,
    theirs: impl Iterator<Item = Placed<'v>>,
    places: &impl Places,
) -> Vec<usize> {
    let mut values: HashMap<&Scalar<'v>, Both> = HashMap::new();
    for (scope, our) in ours.filter(|(_, our)| **our != Scalar::Immeasurable) {
        values.entry(our).or_default().ours.push(scope);
    }
    for (scope, their) in theirs {
        if let Some(both) = values.get_mut(their) {
            both.theirs.push(scope);
        }
    }
    let mut met = Vec::new();
    for both in values.values_mut().filter(|both| !both.theirs.is_empty()) {
        for scopes in [&mut both.ours, &mut both.theirs] {
            scopes.sort_unstable();
            scopes.dedup();
        }
        both.meet(places, &mut met);
    }
    met
}

impl Both {
    fn meet(&self, places: &impl Places, met: &mut Vec<usize>) {
        // Scopes are inside each other or apart, so one of theirs is inside one of ours if any of those that begin up to
        // there reaches beyond.
        let (mut next, mut reach) = (0, 0);
        for &scope in &self.theirs {
            while let Some(&our) = self.ours.get(next).filter(|&&our| our <= scope) {
                reach = reach.max(places.within(our).end);
                next += 1;
            }
            if scope < reach {
                met.push(scope);
            }
        }
        let mut known = HashMap::new();
        for &scope in &self.ours {
            let here = self.theirs.binary_search(&scope).is_ok();
            if here || self.beside(scope, places, &mut known) {
                met.push(scope);
            }
        }
    }

    /// Whether one of theirs stands around this scope, or in another array of those around it. `known` is the same for
    /// all elements of an array.
    fn beside(
        &self,
        mut scope: usize,
        places: &impl Places,
        known: &mut HashMap<usize, bool>,
    ) -> bool {
        let count = |scopes: Range<usize>| {
            let before = |end| self.theirs.partition_point(|&scope| scope < end);
            before(scopes.end) - before(scopes.start)
        };
        let (mut passed, mut found) = (Vec::new(), false);
        while let Some(array) = places.array(scope) {
            if let Some(&known) = known.get(&array) {
                found = known;
                break;
            }
            passed.push(array);
            scope = places.around(array);
            if count(places.within(scope)) > count(places.elements(array)) {
                found = true;
                break;
            }
        }
        known.extend(passed.into_iter().map(|array| (array, found)));
        found
    }
}
