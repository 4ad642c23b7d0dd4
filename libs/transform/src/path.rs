//! Paths into an event: `$.data.items[0].name`, and what they find.

use std::collections::BTreeMap;

use crate::error::ApplyError;
use crate::json::{Json, Kind};
use crate::limits::{LOOKED_AT_BYTES_MAX, MATCHES_MAX, PATH_CHARS_MAX};

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Name(Box<str>),
    Index(usize),
    Any,
}

/// A path, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path(Vec<Segment>);

impl Path {
    /// Reads `$`, then any of `.name`, `['name']`, `[0]`, `.*` and `[*]`; else says why it cannot.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.chars().count() > PATH_CHARS_MAX {
            return Err(format!("a path has at most {PATH_CHARS_MAX} characters"));
        }
        let mut rest = text.strip_prefix('$').ok_or("a path begins with '$', the whole event")?;
        let mut segments = Vec::new();
        while !rest.is_empty() {
            let (segment, after) = if let Some(dotted) = rest.strip_prefix('.') {
                after_dot(dotted)?
            } else if let Some(bracketed) = rest.strip_prefix('[') {
                in_brackets(bracketed)?
            } else {
                return Err(format!("'{rest}' must begin with '.' or '['"));
            };
            segments.push(segment);
            rest = after;
        }
        Ok(Self(segments))
    }

    fn is_definite(&self) -> bool {
        !self.0.contains(&Segment::Any)
    }
}

fn after_dot(text: &str) -> Result<(Segment, &str), String> {
    let end = text.find(['.', '[']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if name == "*" {
        return Ok((Segment::Any, rest));
    }
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '/' | ':' | '$' | '@');
    if name.is_empty() {
        return Err("a name follows a '.'; '..' is not known".to_owned());
    }
    match name.chars().find(|&c| !plain(c)) {
        Some(odd) => Err(format!("'{odd}' in '{name}': write such a name as ['{name}']")),
        None => Ok((Segment::Name(name.into()), rest)),
    }
}

fn in_brackets(text: &str) -> Result<(Segment, &str), String> {
    const WHAT: &str = "in brackets stand an index, '*' or a quoted name";
    if let Some(quote) = text.chars().next().filter(|c| matches!(c, '\'' | '"')) {
        let (name, rest) = text[1..].split_once(quote).ok_or(WHAT)?;
        let rest = rest.strip_prefix(']').ok_or(WHAT)?;
        return Ok((Segment::Name(name.into()), rest));
    }
    let (inner, rest) = text.split_once(']').ok_or(WHAT)?;
    if inner == "*" {
        return Ok((Segment::Any, rest));
    }
    if inner.is_empty() || !inner.bytes().all(|b| b.is_ascii_digit()) {
        return Err(WHAT.to_owned());
    }
    let index = inner.parse().map_err(|_| "no array is that long".to_owned())?;
    Ok((Segment::Index(index), rest))
}

/// What a path found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found<'t> {
    Nothing,
    One(Json<'t>),
    /// What a path with `*` found: an array of its own.
    All(Vec<Json<'t>>),
}

/// Many paths, looked for in one pass: what they share is walked once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Paths {
    root: Node,
    /// For each path, whether it can find one value at most.
    definite: Vec<bool>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    names: BTreeMap<Box<str>, Self>,
    indices: BTreeMap<usize, Self>,
    any: Option<Box<Self>>,
    /// The paths that end here.
    ends: Vec<usize>,
}

impl Paths {
    /// Adds a path; its number is that of its place in what [`Self::find`] answers.
    pub(crate) fn add(&mut self, path: &Path) -> usize {
        let number = self.definite.len();
        self.definite.push(path.is_definite());
        let mut node = &mut self.root;
        for segment in &path.0 {
            node = match segment {
                Segment::Name(name) => node.names.entry(name.clone()).or_default(),
                Segment::Index(index) => node.indices.entry(*index).or_default(),
                Segment::Any => node.any.get_or_insert_default(),
            };
        }
        node.ends.push(number);
        number
    }

    /// What each path finds in an event. Of a key that stands twice in an object the last counts, but for `*` both do.
    pub(crate) fn find<'t>(&self, event: Json<'t>) -> Result<Vec<Found<'t>>, ApplyError> {
        let none = |&definite: &bool| if definite { Found::Nothing } else { Found::All(vec![]) };
        let found = self.definite.iter().map(none).collect();
        let mut search = Search { found, looked_at: 0, matches: 0 };
        search.visit(&self.root, event)?;
        Ok(search.found)
    }
}

struct Search<'t> {
    found: Vec<Found<'t>>,
    looked_at: usize,
    matches: usize,
}

impl<'t> Search<'t> {
    /// Recursion is as deep as the longest path.
    fn visit(&mut self, node: &Node, value: Json<'t>) -> Result<(), ApplyError> {
        for &path in &node.ends {
            self.matches += 1;
            if self.matches > MATCHES_MAX {
                return Err(ApplyError::limit("the paths find", MATCHES_MAX, "values"));
            }
            match &mut self.found[path] {
                Found::All(all) => all.push(value),
                one => *one = Found::One(value),
            }
        }
        match value.kind() {
            Kind::Object if !node.names.is_empty() || node.any.is_some() => {
                self.look_at(value)?;
                self.members(node, value)
            }
            Kind::Array if !node.indices.is_empty() || node.any.is_some() => {
                self.look_at(value)?;
                self.elements(node, value)
            }
            Kind::Object | Kind::Array | Kind::String | Kind::Other => Ok(()),
        }
    }

    fn members(&mut self, node: &Node, value: Json<'t>) -> Result<(), ApplyError> {
        let mut named: BTreeMap<&str, (&Node, Json<'t>)> = BTreeMap::new();
        for (key, member) in value.members() {
            if let Some((name, child)) = named_by(node, key) {
                named.insert(name, (child, member));
            }
            if let Some(any) = &node.any {
                self.visit(any, member)?;
            }
        }
        named.into_values().try_for_each(|(child, member)| self.visit(child, member))
    }

    fn elements(&mut self, node: &Node, value: Json<'t>) -> Result<(), ApplyError> {
        for (index, element) in value.elements().enumerate() {
            if let Some(child) = node.indices.get(&index) {
                self.visit(child, element)?;
            }
            if let Some(any) = &node.any {
                self.visit(any, element)?;
            }
        }
        Ok(())
    }

    fn look_at(&mut self, value: Json<'t>) -> Result<(), ApplyError> {
        self.looked_at += value.text().len();
        if self.looked_at > LOOKED_AT_BYTES_MAX {
            return Err(ApplyError::limit("the paths look at", LOOKED_AT_BYTES_MAX, "bytes"));
        }
        Ok(())
    }
}

fn named_by<'n>(node: &'n Node, key: Json<'_>) -> Option<(&'n str, &'n Node)> {
    let raw = key.between_quotes();
    let entry = if raw.contains('\\') {
        node.names.get_key_value(key.string()?.as_str())
    } else {
        node.names.get_key_value(raw)
    };
    entry.map(|(name, child)| (&**name, child))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(path: &str, event: &str) -> String {
        let mut paths = Paths::default();
        paths.add(&Path::parse(path).unwrap());
        let found = paths.find(Json::check(event.as_bytes()).unwrap()).unwrap().remove(0);
        match found {
            Found::Nothing => "nothing".to_owned(),
            Found::One(json) => json.text().to_owned(),
            Found::All(all) => all.iter().map(|json| json.text()).collect::<Vec<_>>().join(" "),
        }
    }

    #[test]
    fn paths_lead_where_they_say() {
        let event = r#"{"a": {"b-c": [1.50, {"x y": "\ud800"}], "u\u0072l": 7}, "a": {"b-c": [2, [3, 4]]}, "n": null}"#;
        for (path, found) in [
            ("$.a.b-c[0]", "2"),
            ("$['a'][\"b-c\"][1][1]", "4"),
            ("$.a.b-c[*]", "2 [3, 4]"),
            ("$.*.b-c[0]", "1.50 2"),
            ("$.a.url", "nothing"),
            ("$.n", "null"),
            ("$.n.m", "nothing"),
            ("$.a.b-c.x", "nothing"),
            ("$.a.b-c[9]", "nothing"),
            ("$.nowhere[*]", ""),
            ("$", event),
        ] {
            assert_eq!(find(path, event), found, "{path}");
        }
        assert_eq!(find("$.a.url", r#"{"a": {"u\u0072l": 7}}"#), "7");
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for path in
            ["", "a", "$a", "$.", "$..a", "$.a b", "$[", "$[a]", "$[-1]", "$['a", "$[1:2]", "$.a?"]
        {
            assert!(Path::parse(path).is_err(), "{path}");
        }
        assert!(Path::parse(&format!("$.{}", "a".repeat(PATH_CHARS_MAX))).is_err());
        assert!(Path::parse(&format!("$.{}", "a".repeat(PATH_CHARS_MAX - 2))).is_ok());
    }

    #[test]
    fn a_walk_that_is_made_long_on_purpose_ends() {
        // Every mix of 'a' and '*' leads to the same deep value.
        let mut paths = Paths::default();
        for number in 0..64 {
            let step = |bit| if (number >> bit) & 1 == 0 { ".a" } else { ".*" };
            let path = format!("${}", (0..6).map(step).collect::<String>());
            paths.add(&Path::parse(&format!("{path}.x")).unwrap());
        }
        let deep = format!("{}\"{}\"{}", "{\"a\":".repeat(7), "x".repeat(1 << 20), "}".repeat(7));
        let json = Json::check(deep.as_bytes()).unwrap();
        assert!(matches!(paths.find(json), Err(ApplyError::Limit { .. })));
        let many = format!("[{}0]", "0,".repeat(MATCHES_MAX));
        let mut paths = Paths::default();
        paths.add(&Path::parse("$[*]").unwrap());
        let json = Json::check(many.as_bytes()).unwrap();
        assert!(matches!(paths.find(json), Err(ApplyError::Limit { .. })));
    }
}
