//! The alternatives of all patterns, by field: which of them does an event fulfil?
//!
//! Alternatives that are found by their [`Gate`] are terms. The same alternative of a field is one term, whoever asks.

use std::ops::Range;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::bytes;
use crate::gate::{Asked, Gate, Gated};
use crate::observed::{Observed, Value};
use crate::operator::Operator;
use crate::paths::{FieldId, Paths};
use crate::rows::Rows;
use crate::table::{Hashing, Table};

/// Stands for one alternative of one field.
pub(crate) type TermId = u32;

const NONE: TermId = TermId::MAX;
/// Keys up to this length stand in the row of their term.
const KEY_BYTES_INLINE: usize = 16;
/// How many terms of one key are compared with a new one, to find it among them.
const COMPARED_MAX: usize = 64;

/// A term that a value fulfils, and the scope that the value stands in. In one word: events may have many, to be sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Hit(u64);

impl Hit {
    fn new(term: TermId, scope: u32) -> Self {
        Self(u64::from(term) << 32 | u64::from(scope))
    }

    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "the upper half has as many bits")]
    pub(crate) fn term(self) -> TermId {
        (self.0 >> 32) as u32
    }

    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "the lower half is meant")]
    pub(crate) fn scope(self) -> u32 {
        self.0 as u32
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Terms {
    pub(crate) paths: Paths,
    fields: Rows<Field>,
    terms: Rows<Term>,
    /// The first term of each key.
    by_key: Table,
    hashing: Hashing,
}

/// A wanted path, and what is looked up of its values.
#[derive(Clone, Debug, Default)]
struct Field {
    path: Box<str>,
    uses: u32,
    /// Sorted; each with the number of terms behind it.
    gates: Vec<(Gate, u32)>,
}

/// Terms of one key form a list. In one line of the processor's cache.
#[derive(Clone, Debug, Default)]
#[repr(align(64))]
struct Term {
    field: FieldId,
    gate: Gate,
    key: SmallVec<[u8; KEY_BYTES_INLINE]>,
    also: Option<Arc<Operator>>,
    uses: u32,
    previous: TermId,
    next: TermId,
}

impl Terms {
    /// The field of a path, wanted once more.
    pub(crate) fn want(&mut self, path: &str) -> FieldId {
        let Self { paths, fields, .. } = self;
        let field =
            paths.want(path, || fields.insert(Field { path: path.into(), ..Field::default() }));
        self.fields[field].uses += 1;
        field
    }

    /// Wants a field once less.
    pub(crate) fn forget(&mut self, field: FieldId) {
        self.fields[field].uses -= 1;
        if self.fields[field].uses == 0 {
            self.paths.forget(&self.fields[field].path);
            self.fields.remove(field);
        }
    }

    pub(crate) fn path(&self, field: FieldId) -> &str {
        &self.fields[field].path
    }

    pub(crate) fn field(&self, term: TermId) -> FieldId {
        self.terms[term].field
    }

    pub(crate) fn gate(&self, term: TermId) -> Gate {
        self.terms[term].gate
    }

    /// The term of an alternative, in use once more.
    pub(crate) fn acquire(&mut self, field: FieldId, alternative: &Gated<'_>) -> TermId {
        let Gated { gate, key, also } = alternative;
        let hash = hash(&self.hashing, field, *gate, key);
        let first = self.first(hash, field, *gate, key);
        let same = |&term: &TermId| self.terms[term].also.as_deref() == *also;
        let known = self.list(first).take(COMPARED_MAX).find(same);
        if let Some(known) = known {
            self.terms[known].uses += 1;
            return known;
        }
        let (also, key) = (also.cloned().map(Arc::new), SmallVec::from_slice(key));
        let term = Term { field, gate: *gate, key, also, uses: 1, previous: NONE, next: NONE };
        let term = self.terms.insert(term);
        match first {
            None => {
                let Self { by_key, terms, hashing, .. } = self;
                by_key.insert(hash, term, |term| hash_of(hashing, &terms[term]));
            }
            Some(first) => {
                self.terms[term].next = first;
                self.terms[first].previous = term;
                self.by_key.replace(hash, first, Some(term));
            }
        }
        let gates = &mut self.fields[field].gates;
        match gates.binary_search_by_key(gate, |(gate, _)| *gate) {
            Ok(at) => gates[at].1 += 1,
            Err(at) => gates.insert(at, (*gate, 1)),
        }
        term
    }

    /// Uses a term once less.
    pub(crate) fn release(&mut self, term: TermId) {
        self.terms[term].uses -= 1;
        if self.terms[term].uses > 0 {
            return;
        }
        let hash = hash_of(&self.hashing, &self.terms[term]);
        let Term { field, gate, previous, next, .. } = self.terms.remove(term);
        match previous {
            NONE => self.by_key.replace(hash, term, Some(next).filter(|&next| next != NONE)),
            previous => self.terms[previous].next = next,
        }
        if next != NONE {
            self.terms[next].previous = previous;
        }
        let gates = &mut self.fields[field].gates;
        if let Ok(at) = gates.binary_search_by_key(&gate, |(gate, _)| *gate) {
            gates[at].1 -= 1;
            if gates[at].1 == 0 {
                gates.remove(at);
            }
        }
    }

    /// All terms that the event fulfils, sorted, each once for each scope.
    pub(crate) fn look_up(&self, observed: &Observed, event: &[u8], hits: &mut Vec<Hit>) {
        /// Fewer are not looked through for what is there twice before all have been found.
        const THINNED_MIN: usize = 256;
        hits.clear();
        let mut thin_at = THINNED_MIN;
        // The value before, and its hits: elements of arrays often repeat what the one before holds.
        let mut before: Option<(&Value, Range<usize>)> = None;
        for value in &observed.values {
            let start = hits.len();
            match before {
                Some((same, ref of_same)) if observed.is_same(same, value, event) => {
                    hits.extend_from_within(of_same.clone());
                    hits[start..]
                        .iter_mut()
                        .for_each(|hit| *hit = Hit::new(hit.term(), value.scope));
                }
                _ => self.look_up_one(value, observed, event, hits),
            }
            before = Some((value, start..hits.len()));
            if hits.len() >= thin_at {
                thin(hits);
                thin_at = THINNED_MIN.max(2 * hits.len());
                before = None;
            }
        }
        thin(hits);
    }

    fn look_up_one(&self, value: &Value, observed: &Observed, event: &[u8], hits: &mut Vec<Hit>) {
        let mut asked = Asked::new(value.kind, observed.bytes(value, event));
        for &(gate, _) in &self.fields[value.field].gates {
            let Some(key) = asked.key(gate) else { continue };
            let hash = hash(&self.hashing, value.field, gate, key);
            for term in self.list(self.first(hash, value.field, gate, key)) {
                let also = &self.terms[term].also;
                if also.as_ref().is_none_or(|also| also.admits(&observed.scalar(value, event))) {
                    hits.push(Hit::new(term, value.scope));
                }
            }
        }
    }

    #[inline]
    fn first(&self, hash: u64, field: FieldId, gate: Gate, key: &[u8]) -> Option<TermId> {
        self.by_key.find(hash, |term| {
            let term = &self.terms[term];
            term.field == field && term.gate == gate && bytes::same(&term.key, key)
        })
    }

    fn list(&self, first: Option<TermId>) -> impl Iterator<Item = TermId> {
        let next = |&term: &TermId| Some(self.terms[term].next).filter(|&next| next != NONE);
        std::iter::successors(first, next)
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.paths.is_empty() && self.by_key.is_empty() && self.fields.len() + self.terms.len() == 0
    }
}

fn thin(hits: &mut Vec<Hit>) {
    hits.sort_unstable();
    hits.dedup();
}

fn hash_of(hashing: &Hashing, term: &Term) -> u64 {
    hash(hashing, term.field, term.gate, &term.key)
}

#[inline]
fn hash(hashing: &Hashing, field: FieldId, gate: Gate, key: &[u8]) -> u64 {
    // The class is in the bits from 32 on, of which a field's number needs few more.
    hashing.of_bytes(gate.number() ^ u64::from(field) << 36, key)
}
