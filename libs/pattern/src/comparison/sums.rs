//! For every relation but equality, a few values say what all of a scope would.

use super::{Placed, Places, Relation};
use crate::scalar::Scalar;

impl Relation {
    /// The scopes in which values stand so. Not for equality.
    pub(super) fn summed_up<'v>(
        self,
        ours: impl Iterator<Item = Placed<'v>>,
        theirs: impl Iterator<Item = Placed<'v>> + Clone,
        places: &impl Places,
    ) -> Vec<usize> {
        // Theirs that stand in each scope itself, and those in other arrays than the one whose elements are asked for.
        let mut here = vec![Few::default(); places.scopes()];
        for (scope, their) in theirs.clone() {
            here[scope].add(self, their);
        }
        let beside = self.beside(&here, places);
        // Ours that stand in each scope and in those around it.
        let (reversed, mut met) = (self.reversed(), Vec::new());
        let mut around = vec![Few::default(); places.scopes()];
        for (scope, our) in ours {
            around[scope].add(reversed, our);
            let elsewhere = places.array(scope).is_some_and(|array| beside[array].any(self, our));
            if elsewhere || here[scope].any(self, our) {
                met.push(scope);
            }
        }
        for scope in 1..places.scopes() {
            if let Some(array) = places.array(scope) {
                let outer = around[places.around(array)];
                around[scope].merge(reversed, outer);
            }
        }
        met.extend(
            theirs
                .filter(|(scope, their)| around[*scope].any(reversed, their))
                .map(|(scope, _)| scope),
        );
        met
    }

    /// For each array, what agrees with all of its elements without being in any: what stands in the scopes around it,
    /// and in other arrays of these.
    fn beside<'v>(self, here: &[Few<'v>], places: &impl Places) -> Vec<Few<'v>> {
        let mut inside = vec![Few::default(); places.arrays()];
        let mut below = here.to_vec();
        for scope in (1..places.scopes()).rev() {
            if let Some(array) = places.array(scope) {
                let found = below[scope];
                inside[array].merge(self, found);
                below[places.around(array)].merge(self, found);
            }
        }
        let mut beside = vec![Few::default(); places.arrays()];
        // What stands before each array, then what stands after it, then what stands further out.
        let (mut before, mut after) = (here.to_vec(), vec![Few::default(); places.scopes()]);
        for array in 0..places.arrays() {
            let seen = &mut before[places.around(array)];
            beside[array] = *seen;
            seen.merge(self, inside[array]);
        }
        for array in (0..places.arrays()).rev() {
            let seen = &mut after[places.around(array)];
            beside[array].merge(self, *seen);
            seen.merge(self, inside[array]);
        }
        for array in 0..places.arrays() {
            if let Some(outer) = places.array(places.around(array)) {
                let further = beside[outer];
                beside[array].merge(self, further);
            }
        }
        beside
    }
}

/// The values among many that stand to another value as any of them does: of numbers and of texts the greatest or the
/// least, or, where they are to be unequal, two that differ.
#[derive(Clone, Copy, Default)]
struct Few<'v>([Option<&'v Scalar<'v>>; 2]);

impl<'v> Few<'v> {
    /// Adds one that others are to stand to in this relation.
    fn add(&mut self, relation: Relation, value: &'v Scalar<'v>) {
        let [first, second] = &mut self.0;
        let kept = match (relation, value) {
            (_, Scalar::Immeasurable) => return,
            (Relation::NotEqual, _) if first.is_none_or(|first| first == value) => first,
            (Relation::NotEqual, _) | (_, Scalar::Text(_)) => second,
            (_, Scalar::Number(_)) => first,
            (_, Scalar::Bool(_) | Scalar::Null) => return,
        };
        // Whatever stands so to the one that is kept stands so to this one as well.
        if kept.is_none_or(|kept| relation.holds(kept, value)) {
            *kept = Some(value);
        }
    }

    fn merge(&mut self, relation: Relation, other: Self) {
        for value in other.0.into_iter().flatten() {
            self.add(relation, value);
        }
    }

    /// Whether the value stands so to any of them.
    fn any(&self, relation: Relation, value: &Scalar<'_>) -> bool {
        self.0.iter().flatten().any(|kept| relation.holds(value, kept))
    }
}
