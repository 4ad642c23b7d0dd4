//! Where one event meets the conditions that were asked of it.

use crate::conditions::ConditionId;
use crate::observed::Observed;
use crate::terms::{Hit, TermId};

/// Answers that are kept for when the same is asked again.
const KEPT_MAX: usize = 128;
/// Scopes that are kept in all of them.
const SCOPES_KEPT_MAX: usize = 1 << 18;

/// An event, and what was found at its wanted paths.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'e> {
    pub(crate) json: &'e [u8],
    pub(crate) observed: &'e Observed,
}

/// What was answered for one event. Its memory serves one event after the other.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    kept: Vec<(ConditionId, std::ops::Range<usize>)>,
    /// The scopes of the answers that are kept, one after the other.
    scopes: Vec<u32>,
    /// The newest answer.
    fresh: Vec<u32>,
}

impl Answers {
    /// Forgets what was answered for another event.
    pub(crate) fn begin(&mut self) {
        self.kept.clear();
        self.scopes.clear();
    }

    /// The answer to a condition: the scopes that `ask` adds, ascending and each once.
    pub(crate) fn of(&mut self, id: ConditionId, ask: impl FnOnce(&mut Vec<u32>)) -> &[u32] {
        if let Some((_, kept)) = self.kept.iter().find(|(kept, _)| *kept == id) {
            return &self.scopes[kept.clone()];
        }
        self.fresh.clear();
        ask(&mut self.fresh);
        ascending(&mut self.fresh);
        if self.kept.len() < KEPT_MAX && self.scopes.len() + self.fresh.len() <= SCOPES_KEPT_MAX {
            let from = self.scopes.len();
            self.scopes.extend_from_slice(&self.fresh);
            self.kept.push((id, from..self.scopes.len()));
        }
        &self.fresh
    }

    /// The scopes of these terms, among sorted hits.
    pub(crate) fn of_terms(&mut self, terms: &[TermId], hits: &[Hit]) -> &[u32] {
        self.fresh.clear();
        for &term in terms {
            let from = hits.partition_point(|hit| hit.term() < term);
            let of_term = hits[from..].iter().take_while(|hit| hit.term() == term);
            self.fresh.extend(of_term.map(|hit| hit.scope()));
        }
        if terms.len() > 1 {
            ascending(&mut self.fresh);
        }
        &self.fresh
    }
}

fn ascending(scopes: &mut Vec<u32>) {
    scopes.sort_unstable();
    scopes.dedup();
}
