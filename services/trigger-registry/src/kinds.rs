//! The kinds of sources and targets that this process knows, and the settings that go with them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};
use tripline_kernel::Fault;
use tripline_source as source;
use tripline_target as target;

/// Settings as they stand in the API: a JSON object.
pub(crate) type Settings = Map<String, Value>;

/// Longest settings, in bytes of JSON text.
pub(crate) const SETTINGS_BYTES_MAX: usize = 32 * 1024;

/// Kinds of one port, by name.
pub(crate) struct Kinds<K: ?Sized>(BTreeMap<&'static str, Arc<K>>);

impl Kinds<dyn source::Kind> {
    pub(crate) fn of_sources(kinds: Vec<Arc<dyn source::Kind>>) -> Self {
        Self(kinds.into_iter().map(|kind| (kind.name(), kind)).collect())
    }
}

impl Kinds<dyn target::Kind> {
    pub(crate) fn of_targets(kinds: Vec<Arc<dyn target::Kind>>) -> Self {
        Self(kinds.into_iter().map(|kind| (kind.name(), kind)).collect())
    }
}

impl<K: ?Sized> Kinds<K> {
    /// The kind of this name, if there is one.
    pub(crate) fn get(&self, name: &str) -> Option<&K> {
        self.0.get(name).map(Arc::as_ref)
    }

    /// The kind of this name; else a fault at `pointer` that names the known ones.
    pub(crate) fn named(&self, name: &str, pointer: &str) -> Result<&K, Fault> {
        self.get(name).ok_or_else(|| {
            let known: Vec<_> = self.0.keys().copied().collect();
            let detail = format!("no kind has this name; known kinds are: {}", known.join(", "));
            Fault::new(pointer, "unknown-kind", detail)
        })
    }
}

/// Reads settings; a fault at `pointer` when the text is not a JSON object or too long.
pub(crate) fn parse_settings(json: &str, pointer: &str) -> Result<Settings, Fault> {
    if json.len() > SETTINGS_BYTES_MAX {
        let detail = format!("settings have at most {SETTINGS_BYTES_MAX} bytes");
        return Err(Fault::new(pointer, "too-large", detail));
    }
    serde_json::from_str(json)
        .map_err(|_| Fault::new(pointer, "wrong-type", "settings are a JSON object"))
}

/// The settings as JSON text.
pub(crate) fn render(settings: &Settings) -> String {
    serde_json::to_string(settings).expect("a JSON object has only text keys")
}
