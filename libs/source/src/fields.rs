//! Reading settings, with every fault told at once.

use serde_json::Value;
use tripline_kernel::{Fault, pointer_token};

use crate::Settings;

/// Reads the fields of settings one by one and gathers what is wrong with them. A field that was never asked for is
/// unknown.
#[derive(Debug)]
pub struct Fields<'s> {
    settings: &'s Settings,
    known: Vec<&'static str>,
    faults: Vec<Fault>,
}

impl<'s> Fields<'s> {
    /// Begins to read.
    #[must_use]
    pub fn new(settings: &'s Settings) -> Self {
        Self { settings, known: Vec::new(), faults: Vec::new() }
    }

    /// A text that must be there and not be empty. `None` has left a fault behind.
    pub fn text(&mut self, name: &'static str) -> Option<&'s str> {
        let found = self.value(name);
        match found {
            Some(Value::String(text)) if !text.is_empty() => return Some(text),
            None | Some(Value::Null) => {
                self.fault(name, "missing-field", format!("'{name}' is required"));
            }
            Some(_) => self.fault(name, "wrong-type", format!("'{name}' must be a non-empty text")),
        }
        None
    }

    /// A text that may be left out; null counts as left out.
    pub fn optional_text(&mut self, name: &'static str) -> Option<&'s str> {
        match self.value(name)? {
            Value::String(text) => return Some(text),
            Value::Null => {}
            _ => self.fault(name, "wrong-type", format!("'{name}' must be a text")),
        }
        None
    }

    /// A list of texts that may be left out; null counts as left out.
    pub fn optional_texts(&mut self, name: &'static str) -> Option<Vec<&'s str>> {
        match self.value(name)? {
            Value::Array(values) => {
                let texts: Option<Vec<_>> = values.iter().map(Value::as_str).collect();
                if texts.is_some() {
                    return texts;
                }
                self.fault(name, "wrong-type", format!("'{name}' must hold only texts"));
            }
            Value::Null => {}
            _ => self.fault(name, "wrong-type", format!("'{name}' must be a list of texts")),
        }
        None
    }

    /// Adds a fault of a field; `name` may lead further in, as `events/0`.
    pub fn fault(&mut self, name: &str, code: &'static str, detail: impl Into<String>) {
        self.faults.push(Fault::new(format!("/{name}"), code, detail));
    }

    /// Adds a fault that was found elsewhere.
    pub fn push(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Every fault, also those of the fields that nobody asked for.
    #[must_use]
    pub fn finish(mut self) -> Vec<Fault> {
        for name in self.settings.keys().filter(|name| !self.known.contains(&name.as_str())) {
            let pointer = format!("/{}", pointer_token(name));
            self.faults.push(Fault::new(pointer, "unknown-field", unknown(name, &self.known)));
        }
        self.faults
    }

    fn value(&mut self, name: &'static str) -> Option<&'s Value> {
        self.known.push(name);
        self.settings.get(name)
    }
}

/// Says that there is no such setting, and which was perhaps meant.
fn unknown(name: &str, known: &[&str]) -> String {
    /// Longest unknown name that is shown.
    const SHOWN_CHARS_MAX: usize = 64;
    let shown: String = name.chars().take(SHOWN_CHARS_MAX).collect();
    let near = known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(known, &shown), known))
        .filter(|(distance, known)| *distance <= known.len().div_ceil(3))
        .min();
    match near {
        Some((_, meant)) => format!("there is no setting '{shown}'; did you mean '{meant}'?"),
        None => format!("there is no setting '{shown}'; there are {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Fields;

    #[test]
    fn every_fault_is_told_at_once() {
        let settings = json!({"a": 1, "c": [1], "d": null, "bcuket": "x", "q/": 1});
        let mut fields = Fields::new(settings.as_object().unwrap());
        assert_eq!(fields.text("a"), None);
        assert_eq!(fields.text("bucket"), None);
        assert_eq!(fields.optional_texts("c"), None);
        assert_eq!(fields.optional_text("d"), None);
        let faults = fields.finish();
        let told: Vec<_> =
            faults.iter().map(|fault| (fault.pointer.as_str(), fault.code.as_ref())).collect();
        assert_eq!(
            told,
            [
                ("/a", "wrong-type"),
                ("/bucket", "missing-field"),
                ("/c", "wrong-type"),
                ("/bcuket", "unknown-field"),
                ("/q~1", "unknown-field"),
            ]
        );
        assert!(faults[3].detail.ends_with("did you mean 'bucket'?"));
    }

    #[test]
    fn what_is_right_is_read() {
        let settings = json!({"a": "x", "b": "", "c": ["y"]});
        let mut fields = Fields::new(settings.as_object().unwrap());
        assert_eq!(fields.text("a"), Some("x"));
        assert_eq!(fields.optional_text("b"), Some(""));
        assert_eq!(fields.optional_texts("c"), Some(vec!["y"]));
        assert_eq!(fields.finish(), []);
    }
}
