//! Configuration: defaults, then a TOML file, then the environment, then flags. Every fault is found at once.
//!
//! A key that nobody knows is refused with its place. In place of any key that takes a text, `<key>_file` names a
//! file that holds it, which suits secrets. No message shows a value.

mod fields;
mod layer;
mod leaf;

use std::fmt;
use std::path::Path;

use figment::Figment;
use figment::error::{Actual, Kind};
use serde::de::DeserializeOwned;
use tripline_kernel::Fault;

use layer::Layer;

use crate::{Abort, Step};

pub use leaf::{Leaf, leaves};

/// Environment variables that are configuration begin with this.
pub const ENV_PREFIX: &str = "TRIPLINE_";
/// Names the step at which the process is to die.
const ABORT_AT: &str = "TRIPLINE_ABORT_AT";
/// Most faults that are looked for before giving up.
const FAULTS_MAX: usize = 64;

/// What has rules beyond the types of its fields.
pub trait Validate {
    /// Every fault, with pointers such as `/db/url`. Does no IO.
    fn validate(&self) -> Vec<Fault>;
}

/// The faults of a table, seen from the configuration that holds it under `prefix` (a pointer such as `/db`).
pub fn under(prefix: &str, faults: Vec<Fault>) -> impl Iterator<Item = Fault> {
    faults.into_iter().map(move |fault| fault.under(prefix))
}

/// A configuration that can be used, and what its owner should still know.
#[derive(Debug)]
pub struct Loaded<T> {
    /// The configuration.
    pub config: T,
    /// What is allowed but unwise, such as a secret file that others can read.
    pub warnings: Vec<String>,
    /// Where its values come from.
    pub origins: Origins,
}

/// Where the values of a configuration come from.
pub struct Origins(Vec<Layer>);

impl Origins {
    /// Where the value of this key was given: a file, a variable or a flag. Nothing when it is a default.
    #[must_use]
    pub fn of(&self, path: &[String]) -> Option<String> {
        self.0.iter().rev().find(|layer| layer.holds(path)).map(|layer| layer.origin(path))
    }
}

/// Says nothing: there are secrets inside.
impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Origins")
    }
}

/// The configuration cannot be used. Holds every fault that was found; shows no values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    faults: Vec<String>,
}

impl Error {
    /// A single fault.
    pub fn new(fault: impl Into<String>) -> Self {
        Self { faults: vec![fault.into()] }
    }

    /// Every fault: what is wrong, and where.
    #[must_use]
    pub fn faults(&self) -> &[String] {
        &self.faults
    }
}

impl From<Vec<Fault>> for Error {
    fn from(faults: Vec<Fault>) -> Self {
        let told = |fault: Fault| format!("{}: {}", fault.pointer, fault.detail);
        Self { faults: faults.into_iter().map(told).collect() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.faults.join("; "))
    }
}

/// Loads a configuration from `file`, the process's environment and `overrides` (dotted keys and values).
///
/// # Errors
/// With every fault of the configuration.
pub fn load<T: DeserializeOwned + Validate>(
    file: Option<&Path>,
    overrides: &[(String, String)],
) -> Result<Loaded<T>, Error> {
    let text = |name: std::ffi::OsString| name.into_string().ok();
    let variables = std::env::vars_os().filter_map(|(key, value)| Some((text(key)?, text(value)?)));
    load_from(file, variables, overrides)
}

/// Where `TRIPLINE_ABORT_AT` says that the process is to die. It is for tests and no key of any configuration.
///
/// # Errors
/// When it names no step.
pub fn abort_at() -> Result<Abort, Error> {
    let Some(name) = std::env::var_os(ABORT_AT) else { return Ok(Abort::default()) };
    let step = name.to_string_lossy().parse::<Step>();
    step.map(Abort::at).map_err(|error| Error { faults: vec![format!("{ABORT_AT}: {error}")] })
}

/// As [`load`], from these environment variables.
///
/// Only variables whose first segment is a field of `T` count; `__` goes one level deeper.
///
/// # Errors
/// With every fault of the configuration.
pub fn load_from<T: DeserializeOwned + Validate>(
    file: Option<&Path>,
    variables: impl IntoIterator<Item = (String, String)>,
    overrides: &[(String, String)],
) -> Result<Loaded<T>, Error> {
    let file = file.map(Layer::file).transpose()?;
    let environment = Layer::environment(variables, fields::of::<T>());
    let layers = file.into_iter().chain([environment, Layer::flags(overrides)]).collect();
    let mut reading = Reading { layers, warnings: Vec::new(), faults: Vec::new() };
    let config: Option<T> = reading.extract();
    let Reading { layers, warnings, mut faults } = reading;
    let Some(config) = config.filter(|_| faults.is_empty()) else {
        return Err(Error { faults });
    };
    for fault in config.validate() {
        let path: Vec<_> = fault.pointer.split('/').skip(1).map(str::to_owned).collect();
        faults.push(format!("{}: {}", place(&layers, &path), fault.detail));
    }
    if !faults.is_empty() {
        return Err(Error { faults });
    }
    Ok(Loaded { config, warnings, origins: Origins(layers) })
}

/// Layers on their way to becoming a configuration.
struct Reading {
    layers: Vec<Layer>,
    warnings: Vec<String>,
    faults: Vec<String>,
}

impl Reading {
    /// Extracts the configuration. What is wrong is noted and taken out, and the rest read again, to find all faults.
    fn extract<T: DeserializeOwned>(&mut self) -> Option<T> {
        while self.faults.len() < FAULTS_MAX {
            let figment = self.layers.iter().fold(Figment::new(), Figment::merge);
            let error = match figment.extract::<T>() {
                Ok(config) => return Some(config),
                Err(error) => error,
            };
            if self.mend(&error) {
                continue;
            }
            self.faults.push(format!("{}: {}", place(&self.layers, &error.path), say(&error.kind)));
            let removed = self.layers.iter_mut().filter_map(|layer| layer.remove(&error.path));
            if removed.count() == 0 {
                return None;
            }
        }
        None
    }

    /// Mends what only looks wrong: a text from the environment that was taken for a number, a `<key>_file`.
    fn mend(&mut self, error: &figment::Error) -> bool {
        let path = &error.path;
        let Some(layer) = self.layers.iter_mut().rev().find(|layer| layer.holds(path)) else {
            return false;
        };
        match &error.kind {
            Kind::InvalidType(..) => layer.take_as_text(path),
            Kind::UnknownField(name, known) => {
                let stem = name.strip_suffix("_file").filter(|stem| known.contains(stem));
                let Some(stem) = stem else { return false };
                match layer.read_file(path, stem) {
                    Ok(warning) => self.warnings.extend(warning),
                    Err(fault) => {
                        layer.remove(path);
                        self.faults.push(fault);
                    }
                }
                true
            }
            _ => false,
        }
    }
}

/// Where the value that counts at `path` was given; the key alone when it is a default.
fn place(layers: &[Layer], path: &[String]) -> String {
    let layer = layers.iter().rev().find(|layer| layer.holds(path));
    layer.map_or_else(|| path.join("."), |layer| layer.place(path))
}

/// What is wrong, without the value, which may be a secret.
fn say(kind: &Kind) -> String {
    match kind {
        Kind::InvalidType(actual, expected) => {
            format!("expected {expected}, found {}", name_of(actual))
        }
        Kind::InvalidValue(_, expected) => format!("this value is not {expected}"),
        Kind::UnknownField(name, known) => {
            format!("unknown key '{name}', expected one of: {}", known.join(", "))
        }
        Kind::UnknownVariant(name, known) => {
            format!("unknown value '{name}', expected one of: {}", known.join(", "))
        }
        Kind::MissingField(name) => format!("'{name}' is required"),
        Kind::Message(text) => text.clone(),
        Kind::InvalidLength(length, expected) => {
            format!("expected {expected}, found {length} items")
        }
        Kind::ISizeOutOfRange(_) | Kind::USizeOutOfRange(_) => {
            "this number is too large".to_owned()
        }
        Kind::DuplicateField(_) | Kind::Unsupported(_) | Kind::UnsupportedKey(..) => {
            "this cannot be read".to_owned()
        }
    }
}

fn name_of(actual: &Actual) -> &'static str {
    match actual {
        Actual::Bool(_) => "true or false",
        Actual::Unsigned(_) | Actual::Signed(_) | Actual::Float(_) => "a number",
        Actual::Char(_) | Actual::Str(_) => "a text",
        Actual::Seq => "a list",
        Actual::Map => "a table",
        _ => "something else",
    }
}

#[cfg(test)]
mod tests;
