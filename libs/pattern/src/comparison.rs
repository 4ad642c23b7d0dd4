//! One field compared with another.
//!
//! A value of the one and a value of the other belong together unless they stand in different elements of one array.
//! An event may hold thousands of both, so not every pair is looked at: what many values have in store for a comparison
//! is summed up by where they stand.

mod groups;
mod sums;

use std::cmp::Ordering;
use std::ops::Range;

use crate::bytes;
use crate::observed::{Observed, Occurrence};
use crate::scalar::Scalar;

/// The scope of values that stand in no array of objects.
const ROOT: usize = crate::observed::ROOT as usize;
/// Up to so many pairs of values are looked at one by one: that is soonest done.
const PAIRS_MAX: usize = 64;

/// What is asked of a field beside another one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Comparison {
    pub(crate) relation: Relation,
    /// The path of the other field, its names joined by full stops.
    pub(crate) path: Box<str>,
}

/// How a value must stand to one of the other field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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

impl Places for Observed {
    fn scopes(&self) -> usize {
        self.scopes.len()
    }

    fn arrays(&self) -> usize {
        self.arrays.len()
    }

    fn within(&self, scope: usize) -> Range<usize> {
        scope..self.scopes[scope].end as usize
    }

    fn array(&self, scope: usize) -> Option<usize> {
        (scope != ROOT).then(|| self.scopes[scope].array as usize)
    }

    fn around(&self, array: usize) -> usize {
        self.arrays[array].parent as usize
    }

    fn elements(&self, array: usize) -> Range<usize> {
        self.arrays[array].first as usize..self.arrays[array].end as usize
    }
}

/// A value and the scope it stands in.
pub(crate) type Placed<'v> = (usize, &'v Scalar<'v>);

/// A value of an event with its scope.
pub(crate) fn placed<'v>(found: &'v Occurrence<'v>) -> Placed<'v> {
    (found.scope as usize, &found.value)
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
            groups::equal(ours, theirs, places)
        } else {
            self.relation.summed_up(ours, theirs, places)
        };
        met.sort_unstable();
        met.dedup();
        met
    }
}

impl Comparison {
    /// Whether it would be met if no two values stood in different elements.
    pub(crate) fn would_be_met<'v>(
        &self,
        ours: impl ExactSizeIterator<Item = Placed<'v>>,
        theirs: impl ExactSizeIterator<Item = Placed<'v>> + Clone,
    ) -> bool {
        let outside = |(_, value)| (ROOT, value);
        !self.met_in(ours.map(outside), theirs.map(outside), &OnlyRoot).is_empty()
    }
}

/// An event without arrays of objects.
struct OnlyRoot;

impl Places for OnlyRoot {
    fn scopes(&self) -> usize {
        1
    }

    fn arrays(&self) -> usize {
        0
    }

    fn within(&self, scope: usize) -> Range<usize> {
        scope..scope + 1
    }

    fn array(&self, _: usize) -> Option<usize> {
        None
    }

    fn around(&self, _: usize) -> usize {
        ROOT
    }

    fn elements(&self, _: usize) -> Range<usize> {
        0..0
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
            (Scalar::Number(left), Scalar::Number(right)) => Some(bytes::order(left, right)),
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

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use proptest::prelude::*;
    use proptest::sample::select;

    use super::groups::equal;
    use super::{Places, ROOT, Relation};
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
