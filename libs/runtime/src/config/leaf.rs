//! A configuration as the list of its values.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// One value of a configuration. Secrets are masked where their fields say so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Its key: the names of the tables around it, and its own.
    pub path: Vec<String>,
    value: Value,
}

impl Leaf {
    /// The value as TOML writes it. Nothing when it is left out.
    #[must_use]
    pub fn toml(&self) -> Option<String> {
        toml::Value::try_from(&self.value).ok().map(|value| value.to_string())
    }

    /// Whether it is a secret, and so not shown.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.value == tripline_kernel::MASKED
    }
}

/// All values of a configuration, in the order of its fields.
pub fn leaves<T: serde::Serialize>(config: &T) -> Vec<Leaf> {
    let mut leaves = Vec::new();
    let json = serde_json::value::to_raw_value(config).expect("a configuration becomes JSON");
    collect(&json, &mut Vec::new(), &mut leaves);
    leaves
}

fn collect(json: &RawValue, path: &mut Vec<String>, leaves: &mut Vec<Leaf>) {
    let Ok(Fields(fields)) = serde_json::from_str(json.get()) else {
        let value = serde_json::from_str(json.get()).expect("this was JSON before");
        return leaves.push(Leaf { path: path.clone(), value });
    };
    for (name, value) in fields {
        path.push(name);
        collect(&value, path, leaves);
        path.pop();
    }
}

/// An object in the order in which it was written, which a map of `serde_json` would lose.
struct Fields(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder)
    }
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Fields(fields))
    }
}
