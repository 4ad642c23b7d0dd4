//! Array consistency where a field must be absent.
//!
//! The conditions of a pattern are met in the order of their paths. A field may be absent from the elements that the
//! conditions before it were met in, though other elements have it: `{"a": {"b": [1], "c": [{"exists": false}]}}` matches
//! `{"a": [{"b": 1}, {"c": 2}]}`, and would not if `c` came before `b`. So this tries the ways to meet the conditions one
//! after the other. The work is limited as that of [`crate::consistency`], and beyond the limit the event counts as a match.

use crate::observed::{Observed, ROOT};

/// Most steps for one pattern.
const STEPS_MAX: usize = 20_000;

/// One condition.
#[derive(Debug)]
pub(crate) struct Demand {
    /// The scopes in which it is met, ascending.
    pub(crate) met: Vec<u32>,
    /// The scopes in which its field has values, ascending, if it may also be absent.
    pub(crate) absent_from: Option<Vec<u32>>,
}

/// Whether every condition can be met, in this order, so that all agree on the element of each array.
pub(crate) fn can_be_met(observed: &Observed, demands: &[Demand]) -> bool {
    Search { observed, chosen: Vec::new(), steps: STEPS_MAX }.rest(demands)
}

struct Search<'s> {
    observed: &'s Observed,
    /// Arrays, each with the element that was taken of it.
    chosen: Vec<(u32, u32)>,
    steps: usize,
}

impl Search<'_> {
    fn rest(&mut self, demands: &[Demand]) -> bool {
        let Some((demand, rest)) = demands.split_first() else { return true };
        if demand.absent_from.as_ref().is_some_and(|values| self.is_absent(values))
            && self.rest(rest)
        {
            return true;
        }
        for &scope in &demand.met {
            let Some(left) = self.steps.checked_sub(1) else { return true };
            self.steps = left;
            let before = self.chosen.len();
            if self.choose(scope) && self.rest(rest) {
                return true;
            }
            self.chosen.truncate(before);
        }
        false
    }

    /// Takes the elements around a scope, unless another one of their arrays has been taken.
    fn choose(&mut self, mut scope: u32) -> bool {
        while scope != ROOT {
            let array = self.observed.scopes[scope as usize].array;
            match self.chosen.iter().find(|(known, _)| *known == array) {
                Some((_, element)) if *element != scope => return false,
                Some(_) => {}
                None => self.chosen.push((array, scope)),
            }
            scope = self.observed.arrays[array as usize].parent;
        }
        true
    }

    /// Whether all these scopes are in elements of arrays of which another element has been taken.
    fn is_absent(&self, values: &[u32]) -> bool {
        let mut at = 0;
        while let Some(&scope) = values.get(at) {
            let passed = self.chosen.iter().find_map(|&(array, element)| {
                let array = self.observed.arrays[array as usize];
                let taken = element..self.observed.scopes[element as usize].end;
                match scope {
                    _ if !(array.first..array.end).contains(&scope) || taken.contains(&scope) => {
                        None
                    }
                    _ if scope < taken.start => Some(taken.start),
                    _ => Some(array.end),
                }
            });
            let Some(next) = passed else { return false };
            at += values[at..].partition_point(|&scope| scope < next);
        }
        true
    }
}
