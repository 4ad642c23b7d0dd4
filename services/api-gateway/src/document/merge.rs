//! JSON Merge Patch (RFC 7396), over texts: what a patch does not touch keeps its spelling, such as `1.50`.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

type Object = BTreeMap<String, Box<RawValue>>;

/// The document that `patch` makes of `stored`. The patch is a JSON object that was read before, so that its depth is
/// bounded.
pub(crate) fn merge(stored: &impl Serialize, patch: &[u8]) -> Result<Bytes, serde_json::Error> {
    let merged = merged(Some(&to_raw_value(stored)?), serde_json::from_slice(patch)?)?;
    Ok(Bytes::from(String::from(Box::<str>::from(merged))))
}

fn merged(target: Option<&RawValue>, patch: &RawValue) -> Result<Box<RawValue>, serde_json::Error> {
    let Ok(changes) = serde_json::from_str::<Object>(patch.get()) else {
        return Ok(patch.to_owned());
    };
    let target = target.and_then(|target| serde_json::from_str::<Object>(target.get()).ok());
    let mut object = target.unwrap_or_default();
    for (name, change) in changes {
        if change.get() == "null" {
            object.remove(&name);
        } else {
            let value = merged(object.get(&name).map(Box::as_ref), &change)?;
            object.insert(name, value);
        }
    }
    to_raw_value(&object)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use serde_json::value::RawValue;

    use super::merge;

    fn merged(stored: &str, patch: &str) -> String {
        let stored: Box<RawValue> = serde_json::from_str(stored).unwrap();
        String::from_utf8(merge(&stored, patch.as_bytes()).unwrap().to_vec()).unwrap()
    }

    /// The cases of RFC 7396, appendix A, whose patch is an object.
    #[test]
    fn patches_do_what_the_standard_says() {
        for (stored, patch, result) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, "{}"),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
            (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
            ("[1,2]", r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            let found: Value = serde_json::from_str(&merged(stored, patch)).unwrap();
            assert_eq!(found, serde_json::from_str::<Value>(result).unwrap(), "{stored} {patch}");
        }
    }

    #[test]
    fn what_is_not_touched_keeps_its_spelling() {
        let stored = r#"{"pattern":{"n":[1.50, 1e2]},"x":1}"#;
        assert_eq!(merged(stored, r#"{"x": 2.0}"#), r#"{"pattern":{"n":[1.50, 1e2]},"x":2.0}"#);
    }
}
