//! Reading query strings: every fault at once, unknown parameters by name.

use std::borrow::Cow;

use tripline_kernel::{Fault, Timestamp};

use crate::document::unknown;
use crate::refusal::Refusal;

/// Items of a page when nothing is said.
const LIMIT_DEFAULT: u32 = 50;
/// Most items of a page.
const LIMIT_MAX: u32 = 500;
/// Most parameters of a query.
const PARAMETERS_MAX: usize = 64;

/// A query string being read. What is not asked for by [`Query::finish`] is unknown.
pub(crate) struct Query<'a> {
    parameters: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    known: Vec<&'static str>,
    faults: Vec<Fault>,
}

impl<'a> Query<'a> {
    pub(crate) fn new(query: &'a str) -> Self {
        let mut parameters: Vec<(Cow<'a, str>, _)> = Vec::new();
        let mut faults = Vec::new();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()).take(PARAMETERS_MAX) {
            if parameters.iter().any(|(known, _)| *known == name) {
                let detail = format!("parameter '{name}' stands twice");
                faults.push(Fault::new(pointer(&name), "duplicate-parameter", detail));
            } else {
                parameters.push((name, value));
            }
        }
        Self { parameters, known: Vec::new(), faults }
    }

    /// A parameter as it stands; nothing when it is left out or empty.
    pub(crate) fn text(&mut self, name: &'static str) -> Option<String> {
        self.known.push(name);
        let (_, value) = self.parameters.iter().find(|(known, _)| *known == name)?;
        Some(value.clone().into_owned()).filter(|value| !value.is_empty())
    }

    /// A parameter that must be there.
    pub(crate) fn required(&mut self, name: &'static str) -> String {
        self.text(name).unwrap_or_else(|| {
            let detail = format!("parameter '{name}' is required");
            self.faults.push(Fault::new(pointer(name), "missing-parameter", detail));
            String::new()
        })
    }

    /// The page size.
    pub(crate) fn limit(&mut self) -> u32 {
        let Some(text) = self.text("limit") else { return LIMIT_DEFAULT };
        match text.parse() {
            Ok(limit) if (1..=LIMIT_MAX).contains(&limit) => limit,
            Ok(_) | Err(_) => {
                self.wrong("limit", format!("'limit' is a number from 1 to {LIMIT_MAX}"));
                LIMIT_DEFAULT
            }
        }
    }

    /// Where the last page ended; empty for the start.
    pub(crate) fn cursor(&mut self) -> String {
        self.text("cursor").unwrap_or_default()
    }

    /// A time, in microseconds since the epoch.
    pub(crate) fn time(&mut self, name: &'static str) -> Option<i64> {
        match self.text(name)?.parse::<Timestamp>() {
            Ok(time) => Some(time.as_micros()),
            Err(error) => {
                self.wrong(name, format!("'{name}': {error}"));
                None
            }
        }
    }

    /// One of a closed set of words.
    pub(crate) fn one_of(&mut self, name: &'static str, words: &[&str]) -> Option<String> {
        let text = self.text(name)?;
        if !words.contains(&text.as_str()) {
            self.wrong(name, format!("'{name}' is one of {}", words.join(", ")));
        }
        Some(text)
    }

    /// Refuses the query if anything in it is wrong or unknown.
    pub(crate) fn finish(mut self) -> Result<(), Refusal> {
        for (name, _) in &self.parameters {
            if !self.known.iter().any(|known| known == name) {
                let detail = unknown("parameter", name, &self.known);
                self.faults.push(Fault::new(pointer(name), "unknown-parameter", detail));
            }
        }
        if self.faults.is_empty() { Ok(()) } else { Err(Refusal::Query(self.faults)) }
    }

    fn wrong(&mut self, name: &str, detail: String) {
        self.faults.push(Fault::new(pointer(name), "invalid-parameter", detail));
    }
}

/// Faults of a query point at the parameter: a question mark and its name.
fn pointer(name: &str) -> String {
    format!("?{name}")
}

#[cfg(test)]
mod tests {
    use super::Query;
    use crate::refusal::Refusal;

    #[test]
    fn every_fault_of_a_query_is_told_at_once() {
        let mut query = Query::new("limit=0&state=gone&created_after=noon&cursr=x&limit=2");
        assert_eq!(query.limit(), 50);
        query.cursor();
        query.one_of("state", &["pending", "dead"]);
        query.time("created_after");
        let Err(Refusal::Query(faults)) = query.finish() else { panic!("accepted") };
        let found: Vec<_> = faults.iter().map(|f| format!("{} {}", f.pointer, f.code)).collect();
        assert_eq!(
            found,
            [
                "?limit duplicate-parameter",
                "?limit invalid-parameter",
                "?state invalid-parameter",
                "?created_after invalid-parameter",
                "?cursr unknown-parameter"
            ]
        );
        assert!(faults[4].detail.ends_with("did you mean 'cursor'?"), "{}", faults[4].detail);
    }

    #[test]
    fn values_are_percent_decoded() {
        let mut query = Query::new("event_source=%2Fa%20b&limit=500");
        assert_eq!(query.text("event_source").as_deref(), Some("/a b"));
        assert_eq!(query.limit(), 500);
        assert_eq!(query.finish(), Ok(()));
    }
}
