//! From the text of a template to its pieces, or to what is wrong with it.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use tripline_kernel::Fault;

use super::{Piece, Place, Template, Variable};
use crate::document::{FAULTS_MAX, unknown};
use crate::json::is_space;
use crate::path::{Path, Paths};

/// The name of the whole event, and of the event without what it carries.
const EVENT: &str = "aws.events.event.json";
const EVENT_WITHOUT_DATA: &str = "aws.events.event";
/// The name of the event's `time`.
const TIME: &str = "aws.events.event.ingestion-time";
/// Names of EventBridge that stand for nothing here.
const WITHOUT_MEANING: [&str; 2] = ["aws.events.rule-arn", "aws.events.rule-name"];

/// Most unknown names for which a path is looked for that may have been meant: each is compared with all.
const COMPARED_MAX: usize = 8;

/// The names that a template may use: those of its paths, and the reserved ones.
#[derive(Debug, Default)]
pub(crate) struct Names {
    paths: Paths,
    numbers: BTreeMap<String, usize>,
    /// Names whose paths are not valid: that fault is told already.
    without_path: Vec<String>,
    /// How many unknown names were compared with those of all paths.
    compared: usize,
}

impl Names {
    pub(crate) fn declare(&mut self, name: &str, path: Option<&Path>) {
        match path {
            Some(path) => {
                let number = self.paths.add(path);
                self.numbers.insert(name.to_owned(), number);
            }
            None => self.without_path.push(name.to_owned()),
        }
    }

    fn variable(&mut self, name: &str) -> Result<Variable, String> {
        if let Some(&number) = self.numbers.get(name) {
            return Ok(Variable::Path(number));
        }
        match name {
            EVENT => Ok(Variable::Event),
            EVENT_WITHOUT_DATA => Ok(Variable::EventWithoutData),
            TIME => {
                self.declare(TIME, Some(&Path::parse("$.time").expect("a path")));
                self.variable(name)
            }
            _ if WITHOUT_MEANING.contains(&name) => {
                Err(format!("<{name}> is not supported: there is no rule here that has one"))
            }
            _ if self.without_path.iter().any(|known| known == name) => Ok(Variable::Event),
            _ => {
                self.compared += 1;
                let declared = if self.compared > COMPARED_MAX { 0 } else { self.numbers.len() };
                let declared = self.numbers.keys().take(declared).map(String::as_str);
                let known = declared.chain([EVENT, EVENT_WITHOUT_DATA, TIME]);
                let detail = unknown("placeholder", name, &known.collect::<Vec<_>>());
                Err(format!("{detail}: a placeholder is a name of 'input_paths'"))
            }
        }
    }
}

impl Template {
    /// Reads a template; what is wrong with it goes to `faults`.
    pub(crate) fn read(text: &str, names: Names, faults: &mut Vec<Fault>) -> Option<Self> {
        let mut reader = Reader {
            text,
            names,
            at: 0,
            depth: 0,
            string: None,
            pieces: Vec::new(),
            literal_from: 0,
            probe: String::with_capacity(text.len()),
            faults: Vec::new(),
        };
        reader.read();
        let Reader { names, pieces, faults: found, .. } = reader;
        let valid = found.is_empty();
        faults.extend(found);
        valid.then_some(Self { paths: names.paths, pieces })
    }
}

struct Reader<'t> {
    text: &'t str,
    names: Names,
    at: usize,
    /// How many objects and arrays are open.
    depth: usize,
    string: Option<Opened>,
    pieces: Vec<Piece>,
    /// Since here the text has been literal.
    literal_from: usize,
    /// The template with a value as long in place of each placeholder: JSON, if the template is right.
    probe: String,
    faults: Vec<Fault>,
}

/// A string that is being read.
struct Opened {
    at: usize,
    has_placeholder: bool,
}

impl Reader<'_> {
    fn read(&mut self) {
        while let Some(c) = self.text[self.at..].chars().next() {
            if self.faults.len() >= FAULTS_MAX {
                return;
            }
            let mut len = c.len_utf8();
            match c {
                '<' if self.placeholder() => continue,
                '\\' if self.string.is_some() => {
                    len += self.text[self.at + 1..].chars().next().map_or(0, char::len_utf8);
                }
                '"' => self.quote(),
                '{' | '[' if self.string.is_none() => self.depth += 1,
                '}' | ']' if self.string.is_none() => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
            self.probe += &self.text[self.at..self.at + len];
            self.at += len;
        }
        self.literal();
        if let Some(Opened { at, .. }) = self.string {
            self.fault(at, "invalid-template", "this string is not closed");
        } else {
            self.grammar();
        }
    }

    fn quote(&mut self) {
        let Some(opened) = self.string.take() else {
            self.string = Some(Opened { at: self.at, has_placeholder: false });
            return;
        };
        let is_key = self.text[self.at + 1..].trim_start_matches(is_space).starts_with(':');
        if is_key && opened.has_placeholder {
            self.fault(opened.at, "invalid-template", "a key holds no placeholder");
        }
    }

    /// Reads a `<name>`. False when none begins here: a string may hold a `<` that belongs to none.
    fn placeholder(&mut self) -> bool {
        let rest = &self.text[self.at + 1..];
        let Some(len) = rest.find(['>', '<', '"']).filter(|&end| rest[end..].starts_with('>'))
        else {
            return false;
        };
        let (begin, end) = (self.at, self.at + len + 2);
        self.literal();
        let place = match &mut self.string {
            Some(opened) => {
                opened.has_placeholder = true;
                if self.depth == 0 { Place::Text } else { Place::String }
            }
            None => {
                self.stands_alone(begin, end);
                Place::Value
            }
        };
        match self.names.variable(&rest[..len]) {
            Ok(variable) => self.pieces.push(Piece::Value(variable, place)),
            Err(detail) => self.fault(begin, "unknown-placeholder", &detail),
        }
        let (first, filler) = if place == Place::Value { ("1", "0") } else { ("_", "_") };
        self.probe += first;
        self.probe += &filler.repeat(end - begin - 1);
        self.at = end;
        self.literal_from = end;
        true
    }

    /// A placeholder outside of quotes is a whole value.
    fn stands_alone(&mut self, begin: usize, end: usize) {
        let before =
            self.probe.chars().next_back().is_none_or(|c| is_space(c) || ",:[{".contains(c));
        let after = self.text[end..].chars().next();
        if !before || !after.is_none_or(|c| is_space(c) || ",]}".contains(c)) {
            let detail =
                "outside of quotes a placeholder is a whole value: nothing stands against it";
            self.fault(begin, "invalid-template", detail);
        }
    }

    fn literal(&mut self) {
        let text = &self.text[self.literal_from..self.at];
        if !text.is_empty() {
            self.pieces.push(Piece::Literal(text.into()));
        }
    }

    fn grammar(&mut self) {
        let mut any = false;
        for value in serde_json::Deserializer::from_str(&self.probe).into_iter::<&RawValue>() {
            if let Err(error) = value {
                let detail = format!("text stands in quotes, and all else is JSON: {error}");
                self.faults.push(Fault::new("", "invalid-template", detail));
                return;
            }
            any = true;
        }
        if !any {
            self.fault(0, "invalid-template", "a template is not empty");
        }
    }

    fn fault(&mut self, at: usize, code: &'static str, detail: &str) {
        let before = &self.text[..at];
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
        self.faults.push(Fault::new("", code, format!("{detail} (line {line}, column {column})")));
    }
}
