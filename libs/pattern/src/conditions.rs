//! The conditions of all patterns: each is a field with its alternatives, kept once, whoever asks.

use std::sync::Arc;

use crate::answers::{Answers, Seen};
use crate::comparison::placed;
use crate::gate::{Class, Gated};
use crate::observed::ROOT;
use crate::paths::FieldId;
use crate::pattern::Condition;
use crate::rows::Rows;
use crate::table::{Hashing, Table};
use crate::terms::{Hit, TermId, Terms};

/// Stands for one condition: a term where that is all that is asked, else a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConditionId(u32);

/// Set where a condition is a row.
const ROW: u32 = 1 << 31;

/// By what a condition is found to be met, or not.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found<'c> {
    /// By one of these terms.
    ByTerms(&'c [TermId]),
    /// By asking, where the field has a value: this is the term for that.
    Asking(TermId),
    /// By asking, always: that there is no value may be what is wanted.
    AskingAlways,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Conditions {
    pub(crate) terms: Terms,
    rows: Rows<Row>,
    by_content: Table,
    hashing: Hashing,
}

#[derive(Clone, Debug, Default)]
struct Row {
    field: FieldId,
    uses: u32,
    content: Content,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Content {
    AnyOf(Box<[TermId]>),
    /// `others` are the fields that this one is compared with.
    Asked {
        condition: Arc<Condition>,
        present: Option<TermId>,
        others: Box<[FieldId]>,
    },
}

impl Default for Content {
    fn default() -> Self {
        Self::AnyOf(Box::default())
    }
}

impl Conditions {
    /// What is asked of this path, in use once more.
    pub(crate) fn acquire(&mut self, path: &str, asked: &Condition) -> ConditionId {
        let terms = &mut self.terms;
        let field = terms.want(path);
        let content = match gated(asked) {
            Some(gated) => {
                let mut any = Vec::with_capacity(gated.len());
                for gated in &gated {
                    let term = terms.acquire(field, gated);
                    // Two alternatives may mean the same: a text, and a wildcard without a star.
                    match any.binary_search(&term) {
                        Ok(_) => terms.release(term),
                        Err(at) => any.insert(at, term),
                    }
                }
                if let [only] = any[..] {
                    return ConditionId(only);
                }
                Content::AnyOf(any.into())
            }
            None => {
                let present = !asked.admits_absence();
                let present = present.then(|| terms.acquire(field, &Gated::present()));
                let others = asked.compared.iter().map(|other| terms.want(&other.path)).collect();
                Content::Asked { condition: Arc::new(asked.clone()), present, others }
            }
        };
        self.row(field, content)
    }

    fn row(&mut self, field: FieldId, content: Content) -> ConditionId {
        let hash = self.hashing.of(&(field, &content));
        let is = |row: u32| self.rows[row].field == field && self.rows[row].content == content;
        if let Some(row) = self.by_content.find(hash, is) {
            // It holds its field and terms already.
            give_back(&mut self.terms, field, &content);
            self.rows[row].uses += 1;
            return ConditionId(row | ROW);
        }
        let row = self.rows.insert(Row { field, uses: 1, content });
        let Self { rows, by_content, hashing, .. } = self;
        by_content.insert(hash, row, |row| hashing.of(&(rows[row].field, &rows[row].content)));
        ConditionId(row | ROW)
    }

    /// Uses a condition once less.
    pub(crate) fn release(&mut self, id: ConditionId) {
        let Some(row) = id.row() else {
            let field = self.terms.field(id.0);
            self.terms.release(id.0);
            return self.terms.forget(field);
        };
        self.rows[row].uses -= 1;
        if self.rows[row].uses == 0 {
            let hash = self.hashing.of(&(self.rows[row].field, &self.rows[row].content));
            self.by_content.replace(hash, row, None);
            let Row { field, content, .. } = self.rows.remove(row);
            give_back(&mut self.terms, field, &content);
        }
    }

    pub(crate) fn found<'c>(&'c self, id: &'c ConditionId) -> Found<'c> {
        let Some(row) = id.row() else { return Found::ByTerms(std::slice::from_ref(&id.0)) };
        match &self.rows[row].content {
            Content::AnyOf(terms) => Found::ByTerms(terms),
            Content::Asked { present: Some(present), .. } => Found::Asking(*present),
            Content::Asked { present: None, .. } => Found::AskingAlways,
        }
    }

    pub(crate) fn field(&self, id: ConditionId) -> FieldId {
        id.row().map_or_else(|| self.terms.field(id.0), |row| self.rows[row].field)
    }

    /// Where in the order of a pattern's conditions this one stands: first what few events meet and costs least to find.
    pub(crate) fn rank(&self, id: ConditionId) -> u8 {
        match self.found(&id) {
            Found::ByTerms([only]) => match self.terms.gate(*only).class {
                Class::Text | Class::Number | Class::Literal => 0,
                Class::Present => 3,
                _ => 1,
            },
            Found::ByTerms(_) => 2,
            Found::Asking(_) => 4,
            Found::AskingAlways => 5,
        }
    }

    /// Whether a condition must be asked: else that one of its terms is fulfilled says all.
    pub(crate) fn is_asked(&self, id: ConditionId) -> bool {
        id.row().is_some_and(|row| matches!(self.rows[row].content, Content::Asked { .. }))
    }

    /// The scopes in which the event meets a condition, ascending. `hits` are sorted.
    pub(crate) fn scopes<'s>(
        &self,
        id: ConditionId,
        hits: &[Hit],
        event: Seen<'_>,
        answers: &'s mut Answers,
    ) -> &'s [u32] {
        let Some(row) = id.row() else { return answers.of_terms(&[id.0], hits) };
        match &self.rows[row].content {
            Content::AnyOf(terms) => answers.of_terms(terms, hits),
            Content::Asked { .. } => self.ask(id, event, answers),
        }
    }

    /// The scopes in which the event meets a condition that must be asked, ascending.
    pub(crate) fn ask<'s>(
        &self,
        id: ConditionId,
        event: Seen<'_>,
        answers: &'s mut Answers,
    ) -> &'s [u32] {
        let Some(row) = id.row().map(|row| &self.rows[row]) else { return &[] };
        let Content::Asked { condition, others, .. } = &row.content else { return &[] };
        answers.of(id, |scopes| match condition.is_of_one_value() {
            true => ask_each(condition, row.field, event, scopes),
            false => ask_all(condition, row.field, others, event, scopes),
        })
    }

    /// Whether the event may meet a condition that must be asked. Only array consistency tells whether a field is absent
    /// that has values in elements of arrays.
    pub(crate) fn may_be_met(
        &self,
        id: ConditionId,
        event: Seen<'_>,
        answers: &mut Answers,
    ) -> bool {
        !self.ask(id, event, answers).is_empty()
            || self.absent_from(id, event).is_some_and(|scopes| scopes.first() != Some(&ROOT))
    }

    /// The scopes in which the field of a condition has values, ascending, if it has some and may also be absent.
    pub(crate) fn absent_from(&self, id: ConditionId, event: Seen<'_>) -> Option<Vec<u32>> {
        let row = &self.rows[id.row()?];
        let Content::Asked { condition, .. } = &row.content else { return None };
        if !condition.absent || !event.observed.has_scopes() {
            return None;
        }
        let values = event.observed.values_of(row.field);
        let mut scopes: Vec<_> = values.iter().map(|value| value.scope).collect();
        scopes.sort_unstable();
        scopes.dedup();
        (!scopes.is_empty()).then_some(scopes)
    }

    /// The path of a condition's field.
    pub(crate) fn path(&self, id: ConditionId) -> &str {
        self.terms.path(self.field(id))
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.terms.is_empty() && self.by_content.is_empty() && self.rows.len() == 0
    }
}

/// Adds the scopes of the values that a condition admits; the event's own where there is no value and none is asked for.
fn ask_each(condition: &Condition, field: FieldId, event: Seen<'_>, scopes: &mut Vec<u32>) {
    let values = event.observed.values_of(field);
    if values.is_empty() && condition.absent {
        return scopes.push(ROOT);
    }
    for value in values {
        // A scope in which it is met already need not be asked again.
        if scopes.last() != Some(&value.scope)
            && condition.admits(&event.observed.scalar(value, event.json))
        {
            scopes.push(value.scope);
            if !event.observed.has_scopes() {
                return;
            }
        }
    }
}

/// The same for a condition on all values at once, or on other fields beside its own.
fn ask_all(
    condition: &Condition,
    field: FieldId,
    others: &[FieldId],
    event: Seen<'_>,
    scopes: &mut Vec<u32>,
) {
    let of = |field| event.observed.of(field, event.json).collect::<Vec<_>>();
    let ours = of(field);
    if condition.is_met_by_all(&ours.iter().map(|found| &found.value)) {
        return scopes.push(ROOT);
    }
    let admitted = ours.iter().filter(|found| condition.admits(&found.value));
    scopes.extend(admitted.map(|found| found.scope));
    for (comparison, &other) in condition.compared.iter().zip(others) {
        let theirs = of(other);
        let (ours, theirs) = (ours.iter().map(placed), theirs.iter().map(placed));
        let met = comparison.met_in(ours, theirs, event.observed);
        scopes.extend(met.into_iter().filter_map(|scope| u32::try_from(scope).ok()));
    }
}

fn give_back(terms: &mut Terms, field: FieldId, content: &Content) {
    match content {
        Content::AnyOf(any) => any.iter().for_each(|&term| terms.release(term)),
        Content::Asked { present, others, .. } => {
            present.iter().for_each(|&term| terms.release(term));
            others.iter().for_each(|&other| terms.forget(other));
        }
    }
    terms.forget(field);
}

/// The condition by terms alone, if that can be.
fn gated(condition: &Condition) -> Option<Vec<Gated<'_>>> {
    if condition.admits_absence() {
        return None;
    }
    if condition.present {
        return Some(vec![Gated::present()]);
    }
    if !condition.is_of_one_value() {
        return None;
    }
    // What no value equals is left out: it adds nothing.
    let exact = condition.exact.iter().filter_map(Gated::exactly).map(Some);
    exact.chain(condition.operators.iter().map(Gated::by)).collect()
}

impl ConditionId {
    /// The condition that asks for just this.
    pub(crate) fn of(term: TermId) -> Self {
        Self(term)
    }

    fn row(self) -> Option<u32> {
        (self.0 & ROW != 0).then_some(self.0 & !ROW)
    }

    /// The number that tells it from all others.
    pub(crate) fn number(self) -> u32 {
        self.0
    }
}
