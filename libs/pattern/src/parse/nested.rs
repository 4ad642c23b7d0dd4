//! The operators that EventBridge does not have: those that hold alternatives, another field or an expression.

use super::Parser;
use super::operators::{EVERY, OF_VALUE, SOME};
use crate::comparison::{Comparison, Relation};
use crate::limits::{
    AUTOMATON_BYTES_MAX, AUTOMATON_KIB_COST, COMPARISON_COST, NOT_DEPTH_MAX, OPERATOR_COST,
    PATH_SEGMENTS_MAX, REGEX_BYTES_MAX, WILDCARD_PIECE_COST,
};
use crate::operator::Operator;
use crate::pattern::{Condition, Quantified, Quantifier};
use crate::scalar::Scalar;
use crate::scan::{Malformed, Start};
use crate::search::{self, Search};

/// The largest automaton, as it costs.
const AUTOMATON_KIB_MAX: usize = AUTOMATON_BYTES_MAX / 1024;

impl Parser<'_> {
    /// Reads what a value must not be.
    pub(super) fn not(&mut self, condition: &mut Condition) -> Result<Option<Operator>, Malformed> {
        if self.not_depth == NOT_DEPTH_MAX {
            let at = self.scanner.position();
            let detail = format!("at most {NOT_DEPTH_MAX} 'not' stand inside each other");
            self.fault(at, "too-deep", &detail);
            self.scanner.skip()?;
            return Ok(None);
        }
        self.not_depth += 1;
        let excluded = self.of_value()?;
        self.not_depth -= 1;
        condition.cost += excluded.cost;
        Ok(Some(Operator::Not(Box::new(excluded))))
    }

    /// Reads what `some`, `every` or `none` of the values must be.
    pub(super) fn quantified(
        &mut self,
        name: &str,
        condition: &mut Condition,
    ) -> Result<(), Malformed> {
        let alternatives = self.of_value()?;
        condition.cost += alternatives.cost;
        if name == SOME {
            condition.exact.extend(alternatives.exact);
            condition.operators.extend(alternatives.operators);
            return Ok(());
        }
        condition.cost += OPERATOR_COST;
        let quantifier = if name == EVERY { Quantifier::Every } else { Quantifier::None };
        condition.quantified.push(Quantified { quantifier, alternatives });
        Ok(())
    }

    /// Reads an alternative, or an array of some, that can be asked of one value by itself.
    fn of_value(&mut self) -> Result<Condition, Malformed> {
        let outer = std::mem::replace(&mut self.known, &OF_VALUE);
        let at = self.scanner.position();
        let condition = match self.scanner.value()? {
            Start::Array => self.alternatives(at)?,
            begun => {
                let mut condition = Condition::default();
                self.alternative_begun(begun, at, &mut condition)?;
                condition
            }
        };
        self.known = outer;
        Ok(condition)
    }

    /// Reads such as `["=", "data.previous.status"]`.
    pub(super) fn comparison(&mut self, condition: &mut Condition) -> Result<(), Malformed> {
        const TAKES: &str = r#"'field' takes such as ["=", "data.other"], with =, !=, <, <=, > or >= and the path of a field"#;
        condition.cost += COMPARISON_COST;
        let at = self.scanner.position();
        match self.scanner.value()? {
            Start::Array => {}
            other => return self.wrong_operand(at, TAKES, &other),
        }
        let (mut texts, mut count) = (Vec::new(), 0_usize);
        while self.scanner.element(count == 0)? {
            count += 1;
            match self.scanner.value()? {
                // A third text is one too many, whatever follows.
                Start::Scalar(Scalar::Text(text)) if texts.len() <= 2 => texts.push(text),
                other => self.pass(&other)?,
            }
        }
        let relation = texts.first().and_then(|name| relation(name));
        match (relation, &texts[..]) {
            (Some(_), [_, path]) if path.split('.').count() > PATH_SEGMENTS_MAX => {
                let detail = format!("the path of a field has at most {PATH_SEGMENTS_MAX} names");
                self.fault(at, "too-deep", &detail);
            }
            (Some(relation), [_, path]) if count == 2 => {
                condition.compared.push(Comparison { relation, path: (&**path).into() });
            }
            _ => self.fault(at, "invalid-comparison", TAKES),
        }
        Ok(())
    }

    pub(super) fn regex(
        &mut self,
        text: &str,
        at: usize,
        condition: &mut Condition,
    ) -> Option<Search> {
        if text.len() > REGEX_BYTES_MAX {
            let detail = format!("a regular expression has at most {REGEX_BYTES_MAX} bytes");
            self.fault(at, "too-costly", &detail);
            return None;
        }
        match search::parse(text) {
            Ok(expression) => {
                let search = self.affordable(condition, || Search::new(text, &expression))?;
                if search.is_none() {
                    let detail = format!(
                        "this expression needs an automaton of more than {AUTOMATON_KIB_MAX} KiB: let it begin with \
                         ^, repeat less often, or take several expressions"
                    );
                    self.fault(at, "too-costly", &detail);
                }
                search
            }
            Err(unfit) => {
                let detail = format!("not a regular expression, {unfit}");
                self.fault(at, "invalid-regex", &detail);
                None
            }
        }
    }

    pub(super) fn contained_ignoring_case(
        &mut self,
        text: &str,
        at: usize,
        condition: &mut Condition,
    ) -> Option<Search> {
        let search =
            self.affordable(condition, || Search::new(text, &search::ignoring_case(text)))?;
        if search.is_none() {
            let detail = format!(
                "this text needs an automaton of more than {AUTOMATON_KIB_MAX} KiB: take a shorter one"
            );
            self.fault(at, "too-costly", &detail);
        }
        search
    }

    /// Makes an automaton, unless those made before cost too much already: the pattern is refused then anyway.
    fn affordable(
        &mut self,
        condition: &mut Condition,
        make: impl FnOnce() -> Option<Search>,
    ) -> Option<Option<Search>> {
        if self.automata_kib * AUTOMATON_KIB_COST > self.cost_max {
            return None;
        }
        let search = make();
        // One that is too large took as much work as the largest.
        let kib = search.as_ref().map_or(AUTOMATON_KIB_MAX, Search::kib);
        self.automata_kib += kib;
        condition.cost += WILDCARD_PIECE_COST + AUTOMATON_KIB_COST * kib;
        Some(search)
    }
}

fn relation(name: &str) -> Option<Relation> {
    Some(match name {
        "=" => Relation::Equal,
        "!=" => Relation::NotEqual,
        "<" => Relation::Less,
        "<=" => Relation::AtMost,
        ">" => Relation::Greater,
        ">=" => Relation::AtLeast,
        _ => return None,
    })
}
