//! One field compared with another.
//!
//! A value of the one and a value of the other belong together unless they stand in different elements of one array.
//! An event may hold thousands of both, so not every pair is looked at: what many values have in store for a comparison
//! is summed up by where they stand.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::ops::Range;

use crate::decimal;
use crate::observed::{Observed, Occurrence, ROOT};
use crate::scalar::Scalar;

/// Up to so many pairs of values are looked at one by one: that is soonest done.
const PAIRS_MAX: usize = 64;

/// What is asked of a field beside another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Comparison {
    pub(crate) relation: Relation,
    /// The path of the other field, its names joined by full stops.
    pub(crate) path: Box<str>,
}

/// How a value must stand to one of the other field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

/// Where the values of an event stand: the scopes and arrays of [`Observed`].
///
/// Scopes are numbered as they begin, so that those inside one follow it; so are arrays.
pub(crate) trait Places {
    /// How many scopes there are. The first is [`ROOT`].
    fn scopes(&self) -> usize;
    /// How many arrays there are.
    fn arrays(&self) -> usize;
    /// The scopes in this one, and itself.
    fn within(&self, scope: usize) -> Range<usize>;
    /// The array that the scope is an element of; none for [`ROOT`].
    fn array(&self, scope: usize) -> Option<usize>;
    /// The scope that an array stands in.
    fn around(&self, array: usize) -> usize;
    /// The scopes in all elements of an array.
    fn elements(&self, array: usize) -> Range<usize>;
}

impl Places for Observed<'_> {
    fn scopes(&self) -> usize {
        self.scopes.len()
    }

    fn arrays(&self) -> usize {
        self.arrays.len()
    }

    fn within(&self, scope: usize) -> Range<usize> {
        scope..self.scopes[scope].end
    }

    fn array(&self, scope: usize) -> Option<usize> {
        (scope != ROOT).then(|| self.scopes[scope].array)
    }

    fn around(&self, array: usize) -> usize {
        self.arrays[array].parent
    }

    fn elements(&self, array: usize) -> Range<usize> {
        self.arrays[array].first..self.arrays[array].end
    }
}

/// A value and the scope it stands in.
pub(crate) type Placed<'v> = (usize, &'v Scalar<'v>);

/// A value of an event with its scope.
pub(crate) fn placed<'v>(found: &'v Occurrence<'v>) -> Placed<'v> {
    (found.scope, &found.value)
}

impl Comparison {
    /// The scopes in which the comparison is met, ascending, each once.
    ///
    /// It is met by one of our values in its scope, if one of theirs compares so and agrees with it, which is to say that
    /// the two stand in no array in different elements. Where theirs stands further inside, it is met there.
    pub(crate) fn met_in<'v>(
        &self,
        ours: impl ExactSizeIterator<Item = Placed<'v>>,
        theirs: impl ExactSizeIterator<Item = Placed<'v>> + Clone,
        places: &impl Places,
    ) -> Vec<usize> {
        let mut met = if ours.len().saturating_mul(theirs.len()) <= PAIRS_MAX {
            self.relation.pairwise(ours, &theirs, places)
        } else if self.relation == Relation::Equal {
            equal(ours, theirs, places)
        } else {
            self.relation.summed_up(ours, theirs, places)
        };
        met.sort_unstable();
        met.dedup();
        met
    }
}

impl Relation {
    /// Whether two values stand so. Only numbers and only texts have an order; a number that cannot be computed with
    /// stands to nothing.
    pub(crate) fn holds(self, left: &Scalar<'_>, right: &Scalar<'_>) -> bool {
        let immeasurable = |value: &Scalar<'_>| matches!(value, Scalar::Immeasurable);
        if immeasurable(left) || immeasurable(right) {
            return false;
        }
        let order = match (left, right) {
            (Scalar::Number(left), Scalar::Number(right)) => Some(decimal::order(left, right)),
            (Scalar::Text(left), Scalar::Text(right)) => Some(left.cmp(right)),
            _ => None,
        };
        match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Less => order.is_some_and(Ordering::is_lt),
            Self::AtMost => order.is_some_and(Ordering::is_le),
            Self::Greater => order.is_some_and(Ordering::is_gt),
            Self::AtLeast => order.is_some_and(Ordering::is_ge),
        }
    }

    /// How the right value stands to the left one.
    fn reversed(self) -> Self {
        match self {
            Self::Equal | Self::NotEqual => self,
            Self::Less => Self::Greater,
            Self::AtMost => Self::AtLeast,
            Self::Greater => Self::Less,
            Self::AtLeast => Self::AtMost,
        }
    }

    /// Looks at every pair.
    fn pairwise<'v>(
        self,
        ours: impl Iterator<Item = Placed<'v>>,
        theirs: &(impl Iterator<Item = Placed<'v>> + Clone),
        places: &impl Places,
    ) -> Vec<usize> {
        let mut met = Vec::new();
        for (our_scope, our) in ours {
            for (their_scope, their) in theirs.clone() {
                if self.holds(our, their) {
                    met.extend(together(our_scope, their_scope, places));
                }
            }
        }
        met
    }

    /// For every relation but equality, a few values say what all of a scope would.
    fn summed_up<'v>(
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

/// The scope in which two values are met together, unless they stand in different elements of one array: the inner one
/// of the two, or else the first.
fn together(ours: usize, theirs: usize, places: &impl Places) -> Option<usize> {
    if places.within(ours).contains(&theirs) {
        return Some(theirs);
    }
    let mut scope = ours;
    while let Some(array) = places.array(scope) {
        let outer = places.around(array);
        if places.within(outer).contains(&theirs) {
            return (!places.elements(array).contains(&theirs)).then_some(ours);
        }
        scope = outer;
    }
    None
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

/// Where a value stands on both sides.
#[derive(Default)]
struct Both {
    ours: Vec<usize>,
    theirs: Vec<usize>,
}

/// Equality is told value by value.
fn equal<'v>(
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

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use proptest::prelude::*;
    use proptest::sample::select;

    use super::{Places, Relation, equal};
    use crate::observed::ROOT;
    use crate::scalar::Scalar;

    /// Scopes as (array, end) and arrays as (scope around, first, end).
    #[derive(Debug)]
    struct Tree {
        scopes: Vec<(usize, usize)>,
        arrays: Vec<(usize, usize, usize)>,
    }

    impl Tree {
        /// Grows as the steps say: 0 opens an array with a first element, 1 goes on to the next element, 2 closes.
        fn grow(steps: &[u8]) -> Self {
            let mut tree = Self { scopes: vec![(usize::MAX, 0)], arrays: Vec::new() };
            let mut open = vec![ROOT];
            for step in steps {
                let inner = open[open.len() - 1];
                let next = tree.scopes.len();
                if *step == 0 {
                    tree.arrays.push((inner, next, next));
                    tree.scopes.push((tree.arrays.len() - 1, next));
                    open.push(next);
                } else if inner != ROOT {
                    tree.close(&mut open, *step == 1);
                }
            }
            while open.len() > 1 {
                tree.close(&mut open, false);
            }
            tree.scopes[ROOT].1 = tree.scopes.len();
            tree
        }

        fn close(&mut self, open: &mut Vec<usize>, another: bool) {
            let Some(inner) = open.pop() else { return };
            let next = self.scopes.len();
            self.scopes[inner].1 = next;
            let array = self.scopes[inner].0;
            self.arrays[array].2 = next;
            if another {
                self.scopes.push((array, next));
                open.push(next);
            }
        }
    }

    impl Places for Tree {
        fn scopes(&self) -> usize {
            self.scopes.len()
        }

        fn arrays(&self) -> usize {
            self.arrays.len()
        }

        fn within(&self, scope: usize) -> Range<usize> {
            scope..self.scopes[scope].1
        }

        fn array(&self, scope: usize) -> Option<usize> {
            (scope != ROOT).then(|| self.scopes[scope].0)
        }

        fn around(&self, array: usize) -> usize {
            self.arrays[array].0
        }

        fn elements(&self, array: usize) -> Range<usize> {
            self.arrays[array].1..self.arrays[array].2
        }
    }

    fn value() -> impl Strategy<Value = Scalar<'static>> {
        let number = select(vec!["0", "1", "-2", "1e1"]).prop_map(Scalar::number);
        let text = select(vec!["", "a", "b", "é"]).prop_map(|text| Scalar::Text(text.into()));
        let other = select(vec![Scalar::Bool(true), Scalar::Null, Scalar::Immeasurable]);
        prop_oneof![4 => number, 3 => text, 1 => other]
    }

    fn relation() -> impl Strategy<Value = Relation> {
        use Relation::{AtLeast, AtMost, Equal, Greater, Less, NotEqual};
        select(vec![Equal, NotEqual, Less, AtMost, Greater, AtLeast])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        #[test]
        fn summing_up_says_what_every_pair_says(
            steps in prop::collection::vec(0_u8..3, 0..24),
            ours in prop::collection::vec((any::<prop::sample::Index>(), value()), 0..6),
            theirs in prop::collection::vec((any::<prop::sample::Index>(), value()), 0..6),
            relation in relation(),
        ) {
            let tree = Tree::grow(&steps);
            let count = tree.scopes();
            let placed = |(at, value)| (prop::sample::Index::index(at, count), value);
            let ours: Vec<_> = ours.iter().map(|(at, value)| placed((at, value))).collect();
            let theirs: Vec<_> = theirs.iter().map(|(at, value)| placed((at, value))).collect();
            let (ours, theirs) = (ours.iter().copied(), theirs.iter().copied());
            let sorted = |mut met: Vec<usize>| {
                met.sort_unstable();
                met.dedup();
                met
            };
            let expected = sorted(relation.pairwise(ours.clone(), &theirs, &tree));
            let soon = match relation {
                Relation::Equal => equal(ours, theirs, &tree),
                other => other.summed_up(ours, theirs, &tree),
            };
            prop_assert_eq!(sorted(soon), expected, "{:?}", tree);
        }
    }
}
