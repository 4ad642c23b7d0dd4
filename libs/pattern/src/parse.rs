//! From the text of a pattern to a [`Pattern`], or to everything that is wrong with it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use tripline_kernel::Fault;

use crate::error::Error;
use crate::limits::{
    AFFIX_COST, COST_MAX, EXACT_COST, FIELDS_MAX, PATH_SEGMENTS_MAX, PATTERN_BYTES_MAX,
};
use crate::pattern::{Condition, Pattern};
use crate::scalar::Scalar;
use crate::scan::{Malformed, Scanner, Start};

/// The operators of the whole language that are not understood yet.
const KNOWN_ELSEWHERE: [&str; 7] =
    ["anything-but", "numeric", "cidr", "wildcard", "equals-ignore-case", "regex", "not"];
const SUPPORTED: &str = "supported are exact values, 'prefix', 'suffix' and 'exists'";
/// Most faults that are listed; a pattern with more is not being mended by hand.
const FAULTS_MAX: usize = 64;

impl Pattern {
    /// Reads a pattern from its JSON text.
    ///
    /// # Errors
    /// Every fault of the pattern, each with a JSON Pointer into it and its line and column in the detail.
    pub fn parse(json: &str) -> Result<Self, Error> {
        if json.len() > PATTERN_BYTES_MAX {
            let detail = format!("a pattern has at most {PATTERN_BYTES_MAX} bytes");
            return Err(Error::new(vec![Fault::new("", "pattern-too-large", detail)]));
        }
        let mut parser = Parser::new(json);
        if let Err(Malformed(at)) = parser.root() {
            parser.pointer.clear();
            parser.fault(at, "malformed-json", "not JSON");
        }
        parser.finish()
    }
}

struct Parser<'t> {
    text: &'t str,
    scanner: Scanner<'t>,
    conditions: BTreeMap<Box<str>, Condition>,
    /// Where the scanner is, as a JSON Pointer.
    pointer: String,
    cost: usize,
    faults: Vec<Fault>,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str) -> Self {
        Self {
            text,
            scanner: Scanner::new(text),
            conditions: BTreeMap::new(),
            pointer: String::new(),
            cost: 0,
            faults: Vec::new(),
        }
    }

    fn finish(mut self) -> Result<Pattern, Error> {
        self.pointer.clear();
        if self.conditions.len() > FIELDS_MAX {
            self.fault(
                0,
                "too-many-fields",
                &format!("a pattern names at most {FIELDS_MAX} fields"),
            );
        }
        if self.cost > COST_MAX {
            let detail = format!(
                "a pattern costs at most {COST_MAX}, and this one {}: a prefix or suffix costs {AFFIX_COST}, \
                 any other alternative {EXACT_COST}",
                self.cost
            );
            self.fault(0, "too-costly", &detail);
        }
        if self.faults.is_empty() {
            Ok(Pattern { conditions: self.conditions })
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

    /// Reads the members of an object that has been entered. Depth is bounded by that of the path.
    fn object(&mut self, path: &mut Vec<Box<str>>, at: usize) -> Result<(), Malformed> {
        let mut first = true;
        while let Some(key) = self.scanner.key(first)? {
            first = false;
            let outer = self.pointer.len();
            push_token(&mut self.pointer, &key);
            let names = path.len();
            path.extend(key.split('.').map(Box::from));
            self.member(&key, path)?;
            path.truncate(names);
            self.pointer.truncate(outer);
        }
        if first {
            self.fault(at, "empty-object", "an empty object matches nothing: name a field in it");
        }
        Ok(())
    }

    fn member(&mut self, key: &str, path: &mut Vec<Box<str>>) -> Result<(), Malformed> {
        let at = self.scanner.position();
        if key == "$or" {
            self.fault(at, "unsupported-operator", &format!("'$or' is not supported; {SUPPORTED}"));
            return self.scanner.skip();
        }
        if path.len() > PATH_SEGMENTS_MAX {
            let detail = format!("the path of a field has at most {PATH_SEGMENTS_MAX} names");
            self.fault(at, "too-deep", &detail);
            return self.scanner.skip();
        }
        match self.scanner.value()? {
            Start::Object => self.object(path, at),
            Start::Array => {
                let condition = self.alternatives(at)?;
                self.conditions.insert(path.join(".").into(), condition);
                Ok(())
            }
            Start::Scalar(_) => {
                let detail = "a field holds an array of alternatives, or an object: write [value]";
                self.fault(at, "not-an-array", detail);
                Ok(())
            }
        }
    }

    /// Reads the elements of an array that has been entered.
    fn alternatives(&mut self, at: usize) -> Result<Condition, Malformed> {
        let mut condition = Condition::default();
        let mut index = 0;
        while self.scanner.element(index == 0)? {
            let outer = self.pointer.len();
            push_token(&mut self.pointer, &index.to_string());
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
        match self.scanner.value()? {
            Start::Scalar(Scalar::Immeasurable) => {
                self.fault(at, "immeasurable-number", "the exponent of this number is too great");
            }
            Start::Scalar(value) => {
                self.cost += EXACT_COST;
                condition.exact.push(value.into_owned());
            }
            Start::Array => {
                let detail = "an alternative is a value, or an object with one operator";
                self.fault(at, "not-an-alternative", detail);
                self.pass_array()?;
            }
            Start::Object => self.operators(condition, at)?,
        }
        Ok(())
    }

    /// Reads an object that has been entered and that must hold one operator.
    fn operators(&mut self, condition: &mut Condition, at: usize) -> Result<(), Malformed> {
        let mut count = 0_usize;
        while let Some(operator) = self.scanner.key(count == 0)? {
            count += 1;
            let outer = self.pointer.len();
            push_token(&mut self.pointer, &operator);
            self.operator(&operator, condition)?;
            self.pointer.truncate(outer);
        }
        match count {
            0 => self.fault(at, "empty-object", &format!("name an operator: {SUPPORTED}")),
            1 => {}
            _ => self.fault(
                at,
                "several-operators",
                "one object holds one operator: use one object for each",
            ),
        }
        Ok(())
    }

    fn operator(&mut self, operator: &str, condition: &mut Condition) -> Result<(), Malformed> {
        let at = self.scanner.position();
        let affixes = match operator {
            "exists" => return self.exists(condition),
            "prefix" => &mut condition.prefixes,
            "suffix" => &mut condition.suffixes,
            _ => {
                let (code, what) = match KNOWN_ELSEWHERE.contains(&operator) {
                    true => ("unsupported-operator", "is not supported"),
                    false => ("unknown-operator", "is no operator"),
                };
                self.fault(at, code, &format!("'{operator}' {what}; {SUPPORTED}"));
                return self.scanner.skip();
            }
        };
        self.cost += AFFIX_COST;
        match self.operand()? {
            Some(Scalar::Text(text)) => affixes.push(text.into()),
            _ => self.fault(at, "wrong-operand", &format!("'{operator}' takes a string")),
        }
        Ok(())
    }

    fn exists(&mut self, condition: &mut Condition) -> Result<(), Malformed> {
        let at = self.scanner.position();
        self.cost += EXACT_COST;
        match self.operand()? {
            Some(Scalar::Bool(true)) => condition.present = true,
            Some(Scalar::Bool(false)) => condition.absent = true,
            _ => self.fault(at, "wrong-operand", "'exists' takes true or false"),
        }
        Ok(())
    }

    /// The operand, if it is one that any operator takes.
    fn operand(&mut self) -> Result<Option<Scalar<'t>>, Malformed> {
        match self.scanner.value()? {
            Start::Scalar(value) => return Ok(Some(value)),
            Start::Array => self.pass_array()?,
            Start::Object => self.nested_operators()?,
        }
        Ok(None)
    }

    /// Passes over the rest of an array that has been entered.
    fn pass_array(&mut self) -> Result<(), Malformed> {
        let mut first = true;
        while self.scanner.element(first)? {
            self.scanner.skip()?;
            first = false;
        }
        Ok(())
    }

    /// Passes over an object, that has been entered, in the place of an operand.
    fn nested_operators(&mut self) -> Result<(), Malformed> {
        let mut first = true;
        while let Some(operator) = self.scanner.key(first)? {
            first = false;
            if KNOWN_ELSEWHERE.contains(&operator.as_ref()) {
                let at = self.scanner.position();
                let detail = format!("'{operator}' is not supported; {SUPPORTED}");
                self.fault(at, "unsupported-operator", &detail);
            }
            self.scanner.skip()?;
        }
        Ok(())
    }
}

/// Appends one reference token (RFC 6901).
fn push_token(pointer: &mut String, token: &str) {
    pointer.push('/');
    let escaped: Cow<'_, str> = match token.contains(['~', '/']) {
        true => token.replace('~', "~0").replace('/', "~1").into(),
        false => token.into(),
    };
    pointer.push_str(&escaped);
}
