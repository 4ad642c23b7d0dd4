//! From the text of a pattern to a [`Pattern`], or to everything that is wrong with it.

mod nested;
mod operators;

use tripline_kernel::{Fault, pointer_token};

use crate::error::Error;
use crate::limits::{
    AUTOMATON_KIB_COST, COMPARISON_COST, COST_MAX, EXACT_COST, FIELDS_MAX, OPERATOR_COST,
    OR_DEPTH_MAX, PATH_SEGMENTS_MAX, PATTERN_BYTES_MAX, WAY_COST, WILDCARD_PIECE_COST,
};
use crate::network::Network;
use crate::operator::Operator;
use crate::pattern::{self, Branch, Condition, Pattern};
use crate::scalar::Scalar;
use crate::scan::{Malformed, Scanner, Start};

/// Most faults that are listed; a pattern with more is not being mended by hand.
const FAULTS_MAX: usize = 64;
/// The key that stands for a choice between objects.
const OR: &str = "$or";
/// The names that fields within a choice must not have: those of event-ruler's operators, also of ones that we lack.
const RESERVED: [&str; 24] = [
    "exactly",
    "equals-ignore-case",
    "prefix",
    "suffix",
    "anything-but",
    "exists",
    "wildcard",
    "numeric",
    "cidr",
    "regex",
    "=",
    "<",
    "<=",
    ">",
    ">=",
    "not-wildcard",
    "not-equals-ignore-case",
    "date-after",
    "date-on-or-after",
    "date-before",
    "date-on-or-before",
    "in-date-range",
    "ip-address-in-range",
    "ip-address-not-in-range",
];

impl Pattern {
    /// Reads a pattern from its JSON text.
    ///
    /// # Errors
    /// Every fault of the pattern, each with a JSON Pointer into it and its line and column in the detail.
    pub fn parse(json: &str) -> Result<Self, Error> {
        read(json, COST_MAX)
    }

    /// Reads a pattern that has been accepted before, maybe by another version that reckoned otherwise: it may cost four
    /// times as much.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn restore(json: &str) -> Result<Self, Error> {
        read(json, 4 * COST_MAX)
    }
}

/// Reads a pattern. A `$or` that is no choice is the name of a field, as in EventBridge; whether it is goes for all of them.
fn read(json: &str, cost_max: usize) -> Result<Pattern, Error> {
    if json.len() > PATTERN_BYTES_MAX {
        let detail = format!("a pattern has at most {PATTERN_BYTES_MAX} bytes");
        return Err(Error::new(vec![Fault::new("", "pattern-too-large", detail)]));
    }
    let mut of_choices = Parser::new(json, cost_max, true);
    of_choices.read();
    let met_choice = of_choices.met_choice;
    match of_choices.finish() {
        Err(error) if met_choice => {
            let mut of_names = Parser::new(json, cost_max, false);
            of_names.read();
            of_names.finish().map_err(|_| error)
        }
        finished => finished,
    }
}

struct Parser<'t> {
    text: &'t str,
    scanner: Scanner<'t>,
    /// The ways to match, as far as the pattern has been read.
    branches: Vec<Branch>,
    /// What all of them cost. Nothing more is kept once that is too much; what follows is still checked.
    cost: usize,
    /// What they may cost.
    cost_max: usize,
    /// Whether `$or` is a choice; else it is a name like any other.
    has_choices: bool,
    /// Whether there was a `$or`, however it is spelt.
    met_choice: bool,
    /// How many `$or` the scanner is in.
    or_depth: usize,
    /// How many `not` the scanner is in.
    not_depth: usize,
    /// The operators that may stand where the scanner is.
    known: &'static [&'static str],
    /// How large all automata are that have been made, in KiB.
    automata_kib: usize,
    /// Where the scanner is, as a JSON Pointer.
    pointer: String,
    faults: Vec<Fault>,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str, cost_max: usize, has_choices: bool) -> Self {
        Self {
            text,
            scanner: Scanner::new(text),
            branches: vec![Branch::new()],
            cost: 0,
            cost_max,
            has_choices,
            met_choice: false,
            or_depth: 0,
            not_depth: 0,
            known: &operators::KNOWN,
            automata_kib: 0,
            pointer: String::new(),
            faults: Vec::new(),
        }
    }

    fn read(&mut self) {
        if let Err(Malformed(at)) = self.root() {
            self.pointer.clear();
            self.fault(at, "malformed-json", "not JSON");
        }
    }

    fn finish(mut self) -> Result<Pattern, Error> {
        self.pointer.clear();
        let ways = self.branches.len().saturating_sub(1);
        self.cost = self.cost.saturating_add(ways.saturating_mul(WAY_COST));
        if self.branches.iter().any(|branch| pattern::paths(branch).len() > FIELDS_MAX) {
            let detail = format!("a pattern names at most {FIELDS_MAX} fields");
            self.fault(0, "too-many-fields", &detail);
        }
        if self.cost > self.cost_max {
            let detail = format!(
                "a pattern costs at most {COST_MAX}, and this one {}: an exact value costs {EXACT_COST}, an operator \
                 {OPERATOR_COST}, each piece of a wildcard and what else is looked for {WILDCARD_PIECE_COST} more, each KiB \
                 of a regular expression's automaton {AUTOMATON_KIB_COST}, a comparison of fields {COMPARISON_COST}, and \
                 each further way to match that a '$or' makes {WAY_COST} and all that stands beside it",
                self.cost
            );
            self.fault(0, "too-costly", &detail);
        }
        if self.faults.is_empty() {
            Ok(Pattern { branches: self.branches })
        } else {
            Err(Error::new(self.faults))
        }
    }

    fn fault(&mut self, at: usize, code: &'static str, detail: &str) {
        if self.faults.len() < FAULTS_MAX {
            let before = &self.text[..at.min(self.text.len())];
            let line = before.matches('\n').count() + 1;
            let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
            let detail = format!("{detail} (line {line}, column {column})");
            self.faults.push(Fault::new(self.pointer.clone(), code, detail));
        }
    }

    fn root(&mut self) -> Result<(), Malformed> {
        let at = self.scanner.position();
        match self.scanner.value()? {
            Start::Object => self.object(&mut Vec::new(), at)?,
            Start::Array | Start::Scalar(_) => {
                self.fault(at, "not-an-object", "a pattern is a JSON object");
                return Ok(());
            }
        }
        self.scanner.end()
    }

    /// Reads the members of an object that has been entered. Depth is bounded by that of the path and of `$or`.
    fn object(&mut self, path: &mut Vec<Box<str>>, at: usize) -> Result<(), Malformed> {
        let mut first = true;
        while let Some(key) = self.scanner.key(first)? {
            first = false;
            let outer = self.enter(&key);
            if key == OR && self.has_choices {
                self.met_choice = true;
                self.choice(path)?;
            } else {
                if self.or_depth > 0 && RESERVED.contains(&&*key) {
                    let at = self.scanner.position();
                    let detail = format!(
                        "'{key}' is no name of a field within '$or': it is that of an operator"
                    );
                    self.fault(at, "reserved-name", &detail);
                }
                let names = path.len();
                path.extend(key.split('.').map(Box::from));
                self.member(path)?;
                path.truncate(names);
            }
            self.pointer.truncate(outer);
        }
        if first {
            self.fault(at, "empty-object", "an empty object matches nothing: name a field in it");
        }
        Ok(())
    }

    fn member(&mut self, path: &mut Vec<Box<str>>) -> Result<(), Malformed> {
        let at = self.scanner.position();
        if path.len() > PATH_SEGMENTS_MAX {
            let detail = format!("the path of a field has at most {PATH_SEGMENTS_MAX} names");
            self.fault(at, "too-deep", &detail);
            return self.scanner.skip();
        }
        match self.scanner.value()? {
            Start::Object => self.object(path, at),
            Start::Array => {
                let condition = self.alternatives(at)?;
                self.demand(path, &condition);
                Ok(())
            }
            Start::Scalar(_) => {
                let detail = "a field holds an array of alternatives, or an object: write [value]";
                self.fault(at, "not-an-array", detail);
                Ok(())
            }
        }
    }

    /// Asks this of every branch. A path that stands twice: the last one counts.
    fn demand(&mut self, path: &[Box<str>], condition: &Condition) {
        self.cost = self.cost.saturating_add(condition.cost.saturating_mul(self.branches.len()));
        if self.cost <= self.cost_max {
            let path: Box<str> = path.join(".").into();
            for branch in &mut self.branches {
                branch.insert(path.clone(), condition.clone());
            }
        }
    }

    /// Reads the value of a `$or`: each of its objects goes on from what was asked so far.
    fn choice(&mut self, path: &mut Vec<Box<str>>) -> Result<(), Malformed> {
        let at = self.scanner.position();
        if self.or_depth == OR_DEPTH_MAX {
            let detail = format!("at most {OR_DEPTH_MAX} '$or' stand inside each other");
            self.fault(at, "too-deep", &detail);
            return self.scanner.skip();
        }
        match self.scanner.value()? {
            Start::Array => {}
            other => {
                self.fault(at, "not-an-array", "'$or' holds an array of objects");
                return self.pass(&other);
            }
        }
        self.or_depth += 1;
        let (base, base_cost) = (std::mem::take(&mut self.branches), self.cost);
        let (mut branches, mut cost, mut index) = (Vec::new(), 0_usize, 0);
        while self.scanner.element(index == 0)? {
            let outer = self.enter(&index.to_string());
            // What costs too much is read, and not kept.
            let kept = cost.saturating_add(base_cost) <= self.cost_max;
            self.branches = if kept { base.clone() } else { vec![Branch::new()] };
            self.cost = base_cost;
            let at = self.scanner.position();
            match self.scanner.value()? {
                Start::Object => self.object(path, at)?,
                other => {
                    self.fault(at, "not-an-object", "each branch of '$or' is an object");
                    self.pass(&other)?;
                }
            }
            if kept {
                branches.append(&mut self.branches);
            }
            cost = cost.saturating_add(self.cost);
            self.pointer.truncate(outer);
            index += 1;
        }
        if index < 2 {
            self.fault(at, "too-few-branches", "'$or' holds at least two objects");
        }
        (self.branches, self.cost) = (branches, cost);
        self.or_depth -= 1;
        Ok(())
    }

    /// Reads the elements of an array that has been entered.
    fn alternatives(&mut self, at: usize) -> Result<Condition, Malformed> {
        let mut condition = Condition::default();
        let mut index = 0;
        while self.scanner.element(index == 0)? {
            let outer = self.enter(&index.to_string());
            self.alternative(&mut condition)?;
            self.pointer.truncate(outer);
            index += 1;
        }
        if index == 0 {
            self.fault(at, "empty-array", "an empty array matches nothing: give an alternative");
        }
        condition.exact.sort_unstable();
        condition.exact.dedup();
        Ok(condition)
    }

    fn alternative(&mut self, condition: &mut Condition) -> Result<(), Malformed> {
        let at = self.scanner.position();
        let begun = self.scanner.value()?;
        self.alternative_begun(begun, at, condition)
    }

    fn alternative_begun(
        &mut self,
        begun: Start<'_>,
        at: usize,
        condition: &mut Condition,
    ) -> Result<(), Malformed> {
        match begun {
            Start::Scalar(value) => {
                condition.cost += EXACT_COST;
                let value = self.measurable(value, at);
                match value.as_ref().and_then(Scalar::text).and_then(Network::of_one) {
                    // However it is spelt, as in event-ruler.
                    Some(address) => condition.operators.push(Operator::Cidr(address)),
                    None => condition.exact.extend(value),
                }
                Ok(())
            }
            Start::Object => self.operators(condition, at),
            Start::Array => {
                let detail = "an alternative is a value, or an object with one operator";
                self.fault(at, "not-an-alternative", detail);
                self.pass(&Start::Array)
            }
        }
    }

    /// A value to compare with, unless it is a number that cannot be computed with.
    fn measurable(&mut self, value: Scalar<'_>, at: usize) -> Option<Scalar<'static>> {
        if value == Scalar::Immeasurable {
            self.fault(at, "immeasurable-number", "the exponent of this number is too great");
            return None;
        }
        Some(value.into_owned())
    }

    /// Passes over the rest of a value that has been begun.
    fn pass(&mut self, begun: &Start<'_>) -> Result<(), Malformed> {
        let mut first = true;
        match begun {
            Start::Scalar(_) => {}
            Start::Array => {
                while self.scanner.element(first)? {
                    self.scanner.skip()?;
                    first = false;
                }
            }
            Start::Object => {
                while self.scanner.key(first)?.is_some() {
                    self.scanner.skip()?;
                    first = false;
                }
            }
        }
        Ok(())
    }

    /// Appends one reference token (RFC 6901) to the pointer. Answers with the length to cut it to afterwards.
    fn enter(&mut self, token: &str) -> usize {
        let outer = self.pointer.len();
        self.pointer.push('/');
        self.pointer.push_str(&pointer_token(token));
        outer
    }
}
