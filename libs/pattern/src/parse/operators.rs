//! The operators of the language.

use std::borrow::Cow;

use super::Parser;
use crate::glob::{Glob, Wrong};
use crate::limits::{EXACT_COST, OPERATOR_COST, WILDCARD_PIECE_COST};
use crate::network::Network;
use crate::operator::{Bound, Exception, Interval, Operator};
use crate::pattern::Condition;
use crate::scalar::Scalar;
use crate::scan::{Malformed, Start};

const EXISTS: &str = "exists";
const EXACTLY: &str = "exactly";
const PREFIX: &str = "prefix";
const SUFFIX: &str = "suffix";
const IGNORE_CASE: &str = "equals-ignore-case";
const WILDCARD: &str = "wildcard";
const ANYTHING_BUT: &str = "anything-but";
const NUMERIC: &str = "numeric";
const CIDR: &str = "cidr";
const CONTAINS: &str = "contains";
const REGEX: &str = "regex";
const NOT: &str = "not";
pub(super) const SOME: &str = "some";
pub(super) const EVERY: &str = "every";
pub(super) const NONE: &str = "none";
const FIELD: &str = "field";
/// What can be asked of a field.
pub(super) const KNOWN: [&str; 16] = [
    EXISTS,
    EXACTLY,
    PREFIX,
    SUFFIX,
    IGNORE_CASE,
    CONTAINS,
    WILDCARD,
    REGEX,
    ANYTHING_BUT,
    NOT,
    NUMERIC,
    CIDR,
    SOME,
    EVERY,
    NONE,
    FIELD,
];
/// What can be asked of one value by itself.
pub(super) const OF_VALUE: [&str; 11] = [
    EXACTLY,
    PREFIX,
    SUFFIX,
    IGNORE_CASE,
    CONTAINS,
    WILDCARD,
    REGEX,
    ANYTHING_BUT,
    NOT,
    NUMERIC,
    CIDR,
];
/// What an exception can be made of, beside values.
const EXCEPTED: [&str; 4] = [PREFIX, SUFFIX, IGNORE_CASE, WILDCARD];

impl<'t> Parser<'t> {
    /// Reads an object that has been entered and that must hold one operator.
    pub(super) fn operators(
        &mut self,
        condition: &mut Condition,
        at: usize,
    ) -> Result<(), Malformed> {
        self.one_member(at, self.known, |parser, operator| parser.operator(operator, condition))
    }

    /// Reads an object that has been entered and that must hold one of these keys, and no other.
    fn one_member(
        &mut self,
        at: usize,
        known: &[&str],
        mut read: impl FnMut(&mut Self, &str) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        let mut count = 0_usize;
        while let Some(key) = self.scanner.key(count == 0)? {
            count += 1;
            let outer = self.enter(&key);
            if known.contains(&&*key) {
                read(self, &key)?;
            } else {
                let at = self.scanner.position();
                self.fault(
                    at,
                    "unknown-operator",
                    &format!("'{key}' is no operator here; {}", list(known)),
                );
                self.scanner.skip()?;
            }
            self.pointer.truncate(outer);
        }
        match count {
            0 => self.fault(at, "empty-object", &format!("name an operator; {}", list(known))),
            1 => {}
            _ => self.fault(
                at,
                "several-operators",
                "one object holds one operator: use one object for each",
            ),
        }
        Ok(())
    }

    fn operator(&mut self, name: &str, condition: &mut Condition) -> Result<(), Malformed> {
        match name {
            EXISTS => {
                condition.cost += EXACT_COST;
                return self.exists(condition);
            }
            EXACTLY => {
                condition.cost += EXACT_COST;
                return self.exactly(condition);
            }
            SOME | EVERY | NONE => return self.quantified(name, condition),
            FIELD => return self.comparison(condition),
            _ => {}
        }
        condition.cost += OPERATOR_COST;
        let operator = match name {
            NUMERIC => self.numeric()?.map(Operator::Numeric),
            ANYTHING_BUT => self.anything_but(condition)?.map(Operator::AnythingBut),
            NOT => self.not(condition)?,
            PREFIX | SUFFIX | CONTAINS => self.part(name, condition)?,
            _ => self.of_text(name, condition)?,
        };
        condition.operators.extend(operator);
        Ok(())
    }

    fn exists(&mut self, condition: &mut Condition) -> Result<(), Malformed> {
        let at = self.scanner.position();
        match self.scanner.value()? {
            Start::Scalar(Scalar::Bool(true)) => condition.present = true,
            Start::Scalar(Scalar::Bool(false)) => condition.absent = true,
            other => return self.wrong_operand(at, "'exists' takes true or false", &other),
        }
        Ok(())
    }

    /// A text that is equal, also where it is an address.
    fn exactly(&mut self, condition: &mut Condition) -> Result<(), Malformed> {
        let at = self.scanner.position();
        match self.scanner.value()? {
            Start::Scalar(text @ Scalar::Text(_)) => condition.exact.push(text.into_owned()),
            other => return self.wrong_operand(at, "'exactly' takes a string", &other),
        }
        Ok(())
    }

    /// An operator whose operand is one text.
    fn of_text(
        &mut self,
        name: &str,
        condition: &mut Condition,
    ) -> Result<Option<Operator>, Malformed> {
        let at = self.scanner.position();
        match self.scanner.value()? {
            Start::Scalar(Scalar::Text(text)) => Ok(self.with_text(name, &text, at, condition)),
            other => {
                self.wrong_operand(at, &format!("'{name}' takes a string"), &other)?;
                Ok(None)
            }
        }
    }

    fn with_text(
        &mut self,
        name: &str,
        text: &str,
        at: usize,
        condition: &mut Condition,
    ) -> Option<Operator> {
        match name {
            PREFIX => Some(Operator::Prefix(text.into())),
            SUFFIX => Some(Operator::Suffix(text.into())),
            IGNORE_CASE => Some(Operator::EqualsIgnoreCase(text.into())),
            CONTAINS => {
                condition.cost += WILDCARD_PIECE_COST;
                Some(Operator::Contains(text.into()))
            }
            REGEX => self.regex(text, at, condition).map(Operator::Regex),
            WILDCARD => {
                match Glob::parse(text) {
                    Ok(glob) => {
                        condition.cost += WILDCARD_PIECE_COST * glob.len();
                        Some(Operator::Wildcard(glob))
                    }
                    Err(wrong) => {
                        self.fault(at, "invalid-wildcard", match wrong {
                        Wrong::Repeated => "two stars in a row mean no more than one: write one",
                        Wrong::Escape => r"a backslash stands before a star or a backslash: write \* or \\",
                    });
                        None
                    }
                }
            }
            _ => {
                let network = Network::parse(text);
                if network.is_none() {
                    let detail = "'cidr' takes a network such as 10.0.0.0/24 or 2001:db8::/64, of more than one address";
                    self.fault(at, "invalid-network", detail);
                }
                network.map(Operator::Cidr)
            }
        }
    }

    /// `prefix`, `suffix` or `contains`, which also take `{"equals-ignore-case": …}`.
    fn part(
        &mut self,
        name: &str,
        condition: &mut Condition,
    ) -> Result<Option<Operator>, Malformed> {
        let at = self.scanner.position();
        let mut operator = None;
        match self.scanner.value()? {
            Start::Scalar(Scalar::Text(text)) => {
                operator = self.with_text(name, &text, at, condition);
            }
            Start::Object => self.one_member(at, &[IGNORE_CASE], |parser, inner| {
                let at = parser.scanner.position();
                match parser.scanner.value()? {
                    Start::Scalar(Scalar::Text(text)) => {
                        operator = match name {
                            PREFIX => Some(Operator::PrefixIgnoreCase(text.into())),
                            SUFFIX => Some(Operator::SuffixIgnoreCase(text.into())),
                            _ => parser
                                .contained_ignoring_case(&text, at, condition)
                                .map(Operator::ContainsIgnoreCase),
                        };
                        Ok(())
                    }
                    other => parser.wrong_operand(at, &format!("'{inner}' takes a string"), &other),
                }
            })?,
            other => self.wrong_operand(at, &format!("'{name}' takes a string"), &other)?,
        }
        Ok(operator)
    }

    fn anything_but(&mut self, condition: &mut Condition) -> Result<Option<Exception>, Malformed> {
        const TAKES: &str = "'anything-but' takes a string, a number, an array of one of these, or an object with an operator";
        let at = self.scanner.position();
        match self.scanner.value()? {
            Start::Scalar(value @ (Scalar::Text(_) | Scalar::Number(_) | Scalar::Immeasurable)) => {
                condition.cost += EXACT_COST;
                let value = self.measurable(value, at);
                Ok(value.map(|value| Exception::Exact([value].into())))
            }
            Start::Array => self.excepted_values(at, condition),
            Start::Object => {
                let mut excepted = Vec::new();
                self.one_member(at, &EXCEPTED, |parser, name| {
                    for (text, at) in parser.texts(name)? {
                        condition.cost += OPERATOR_COST;
                        if text.is_empty() && matches!(name, PREFIX | SUFFIX) {
                            let detail = format!("every text has an empty {name}: nothing is left");
                            parser.fault(at, "wrong-operand", &detail);
                        }
                        excepted.extend(parser.with_text(name, &text, at, condition));
                    }
                    Ok(())
                })?;
                Ok(Some(Exception::Of(excepted.into())))
            }
            other @ Start::Scalar(_) => {
                self.wrong_operand(at, TAKES, &other)?;
                Ok(None)
            }
        }
    }

    /// Reads the elements of an array of exceptions that has been entered: all of one type.
    fn excepted_values(
        &mut self,
        at: usize,
        condition: &mut Condition,
    ) -> Result<Option<Exception>, Malformed> {
        let (mut values, mut texts, mut index) = (Vec::new(), 0, 0);
        while self.scanner.element(index == 0)? {
            let outer = self.enter(&index.to_string());
            index += 1;
            let at = self.scanner.position();
            match self.scanner.value()? {
                Start::Scalar(
                    value @ (Scalar::Text(_) | Scalar::Number(_) | Scalar::Immeasurable),
                ) => {
                    texts += usize::from(value.text().is_some());
                    condition.cost += EXACT_COST;
                    values.extend(self.measurable(value, at));
                }
                other => self.wrong_operand(at, "an exception is a string or a number", &other)?,
            }
            self.pointer.truncate(outer);
        }
        if index == 0 {
            self.fault(at, "empty-array", "give at least one exception");
        } else if texts != 0 && texts != values.len() {
            self.fault(at, "wrong-operand", "exceptions are all strings or all numbers");
        }
        values.sort_unstable();
        Ok(Some(Exception::Exact(values.into())))
    }

    /// A text, or an array of some, each with its place.
    fn texts(&mut self, name: &str) -> Result<Vec<(Cow<'t, str>, usize)>, Malformed> {
        let detail = format!("'{name}' takes a string, or an array of strings");
        let (at, mut texts) = (self.scanner.position(), Vec::new());
        match self.scanner.value()? {
            Start::Scalar(Scalar::Text(text)) => texts.push((text, at)),
            Start::Array => {
                let mut index = 0;
                while self.scanner.element(index == 0)? {
                    let outer = self.enter(&index.to_string());
                    index += 1;
                    let at = self.scanner.position();
                    match self.scanner.value()? {
                        Start::Scalar(Scalar::Text(text)) => texts.push((text, at)),
                        other => self.wrong_operand(at, &detail, &other)?,
                    }
                    self.pointer.truncate(outer);
                }
                if index == 0 {
                    self.fault(at, "empty-array", "give at least one exception");
                }
            }
            other => self.wrong_operand(at, &detail, &other)?,
        }
        Ok(texts)
    }

    /// Reads such as `["=", 5]`, `[">", 0]` or `[">", 0, "<=", 5]`.
    fn numeric(&mut self) -> Result<Option<Interval>, Malformed> {
        const TAKES: &str = r#"'numeric' takes such as ["=", 5], [">", 0] or [">=", 0, "<", 5]"#;
        let at = self.scanner.position();
        match self.scanner.value()? {
            Start::Array => {}
            other => {
                self.wrong_operand(at, TAKES, &other)?;
                return Ok(None);
            }
        }
        let (mut parts, mut well_formed, mut first) = (Vec::new(), true, true);
        while self.scanner.element(first)? {
            first = false;
            let at = self.scanner.position();
            match self.scanner.value()? {
                Start::Scalar(part) => {
                    let part = self.measurable(part, at);
                    well_formed &= part.is_some();
                    // A fifth part is one too many, whatever follows.
                    if parts.len() <= 4 {
                        parts.extend(part);
                    }
                }
                other => {
                    well_formed = false;
                    self.pass(&other)?;
                }
            }
        }
        let interval = if well_formed { interval(&parts) } else { None };
        if interval.is_none() {
            self.fault(
                at,
                "invalid-interval",
                &format!("{TAKES}; the first bound is the lower one"),
            );
        }
        Ok(interval)
    }

    pub(super) fn wrong_operand(
        &mut self,
        at: usize,
        detail: &str,
        begun: &Start<'_>,
    ) -> Result<(), Malformed> {
        self.fault(at, "wrong-operand", detail);
        self.pass(begun)
    }
}

/// The interval that these operators and numbers, in turn, say. None when they say none, or an empty one.
fn interval(parts: &[Scalar<'static>]) -> Option<Interval> {
    let bound = |number: &[u8], inclusive| Some(Bound { number: number.into(), inclusive });
    let bounds = |operator: &str, number: &[u8]| {
        Some(match operator {
            "=" => (bound(number, true), bound(number, true)),
            ">" => (bound(number, false), None),
            ">=" => (bound(number, true), None),
            "<" => (None, bound(number, false)),
            "<=" => (None, bound(number, true)),
            _ => return None,
        })
    };
    match parts {
        [Scalar::Text(operator), Scalar::Number(number)] => {
            let (lower, upper) = bounds(operator, number)?;
            Some(Interval { lower, upper })
        }
        [Scalar::Text(first), Scalar::Number(low), Scalar::Text(second), Scalar::Number(high)] => {
            let ((lower, None), (None, upper)) = (bounds(first, low)?, bounds(second, high)?)
            else {
                return None;
            };
            let is_empty = lower.is_none() || upper.is_none() || low >= high;
            (!is_empty).then_some(Interval { lower, upper })
        }
        _ => None,
    }
}

fn list(known: &[&str]) -> String {
    format!("there are {}", known.join(", "))
}
