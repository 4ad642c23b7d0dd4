//! One source of configuration: a file, the environment, the flags.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};

use super::{ENV_PREFIX, Error};
use crate::secret;

/// Most bytes of a configuration file.
const FILE_BYTES_MAX: u64 = 1 << 20;

pub(super) struct Layer {
    origin: Origin,
    values: Dict,
    /// How a value was written, where a number and a text look alike.
    written: BTreeMap<Vec<String>, String>,
}

enum Origin {
    File(PathBuf),
    Environment,
    Flags,
}

impl Layer {
    pub(super) fn file(path: &Path) -> Result<Self, Error> {
        let named = |problem: String| Error::new(format!("{}: {problem}", path.display()));
        let about = std::fs::metadata(path).map_err(|error| named(error.to_string()))?;
        if about.len() > FILE_BYTES_MAX {
            return Err(named(format!("more than {FILE_BYTES_MAX} bytes")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| named(error.to_string()))?;
        let values = toml::from_str(&text).map_err(|error| {
            // Not the error's own text: it shows the line, which may hold a secret.
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            named(format!("line {}: {}", before.matches('\n').count() + 1, error.message()))
        })?;
        Ok(Self { origin: Origin::File(path.to_owned()), values, written: BTreeMap::new() })
    }

    pub(super) fn environment(
        variables: impl IntoIterator<Item = (String, String)>,
        known: &[&str],
    ) -> Self {
        let mut layer = Self::empty(Origin::Environment);
        for (name, value) in variables {
            let Some(key) = name.strip_prefix(ENV_PREFIX) else { continue };
            let path: Vec<_> = key.to_ascii_lowercase().split("__").map(str::to_owned).collect();
            let field = path[0].as_str();
            let of_file = field.strip_suffix("_file").is_some_and(|stem| known.contains(&stem));
            if known.contains(&field) || of_file {
                layer.write(path, value);
            }
        }
        layer
    }

    pub(super) fn flags(overrides: &[(String, String)]) -> Self {
        let mut layer = Self::empty(Origin::Flags);
        for (key, value) in overrides {
            layer.write(key.split('.').map(str::to_owned).collect(), value.clone());
        }
        layer
    }

    fn empty(origin: Origin) -> Self {
        Self { origin, values: Dict::new(), written: BTreeMap::new() }
    }

    fn write(&mut self, path: Vec<String>, text: String) {
        let value = text.parse().unwrap_or_else(|_| Value::from(text.as_str()));
        put(&mut self.values, &path, value);
        self.written.insert(path, text);
    }

    /// Where the value at `path` was given, in the words of whoever gave it.
    pub(super) fn place(&self, path: &[String]) -> String {
        match &self.origin {
            Origin::File(file) => format!("{} in {}", path.join("."), file.display()),
            Origin::Environment => format!("{ENV_PREFIX}{}", path.join("__").to_ascii_uppercase()),
            Origin::Flags => format!("--set {}", path.join(".")),
        }
    }

    /// Who gave the value at `path`.
    pub(super) fn origin(&self, path: &[String]) -> String {
        match &self.origin {
            Origin::File(file) => file.display().to_string(),
            Origin::Environment => self.place(path),
            Origin::Flags => "--set".to_owned(),
        }
    }

    pub(super) fn holds(&self, path: &[String]) -> bool {
        find(&self.values, path).is_some()
    }

    /// Takes out the value at `path`, or the list around it.
    pub(super) fn remove(&mut self, path: &[String]) -> Option<Value> {
        let (last, tables) = path.split_last()?;
        let mut dict = &mut self.values;
        for key in tables {
            if !matches!(dict.get(key), Some(Value::Dict(..))) {
                return dict.remove(key);
            }
            dict = match dict.get_mut(key) {
                Some(Value::Dict(_, inner)) => inner,
                Some(_) | None => return None,
            };
        }
        dict.remove(last)
    }

    /// Takes the value at `path` as the text that it was written as. False when it was not written as a text, or is one.
    pub(super) fn take_as_text(&mut self, path: &[String]) -> bool {
        let Some(text) = self.written.remove(path) else { return false };
        let is_text = matches!(find(&self.values, path), Some(Value::String(..)));
        put(&mut self.values, path, Value::from(text));
        !is_text
    }

    /// Puts what the file named at `path` holds under the key `stem` beside it. Gives a warning, if there is one.
    pub(super) fn read_file(
        &mut self,
        path: &[String],
        stem: &str,
    ) -> Result<Option<String>, String> {
        let place = self.place(path);
        let Some(Value::String(_, file)) = find(&self.values, path) else {
            return Err(format!("{place}: expected the name of a file"));
        };
        let secret =
            secret::read_text(Path::new(file)).map_err(|error| format!("{place}: {error}"))?;
        self.remove(path);
        let beside: Vec<_> =
            path[..path.len() - 1].iter().cloned().chain([stem.to_owned()]).collect();
        put(&mut self.values, &beside, Value::from(secret.content));
        Ok(secret.warning)
    }
}

fn find<'v>(dict: &'v Dict, path: &[String]) -> Option<&'v Value> {
    let (first, rest) = path.split_first()?;
    match (dict.get(first)?, rest) {
        (value, []) => Some(value),
        (Value::Dict(_, inner), rest) => find(inner, rest),
        (Value::Array(_, items), [index, ..]) => items.get(index.parse::<usize>().ok()?),
        (_, _) => None,
    }
}

fn put(dict: &mut Dict, path: &[String], value: Value) {
    let Some((first, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        dict.insert(first.clone(), value);
        return;
    }
    let inner = dict.entry(first.clone()).or_insert_with(|| Value::from(Dict::new()));
    if !matches!(inner, Value::Dict(..)) {
        *inner = Value::from(Dict::new());
    }
    if let Value::Dict(_, inner) = inner {
        put(inner, rest, value);
    }
}

impl Provider for &Layer {
    fn metadata(&self) -> Metadata {
        Metadata::default()
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}
