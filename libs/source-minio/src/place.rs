//! Where something stands in a bucket: a key, and one of its versions.
//!
//! Places are in the order of the keys' bytes, and that of the versions' ids within a key.

use bytes::Bytes;

/// Stands between the key and the version. No key holds it: the server keeps keys as names of files.
const BETWEEN: u8 = 0;
/// What the server calls the version that has no id.
const NO_VERSION: &str = "null";

/// A key, and the id of a version; empty for the one that has none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place(Bytes);

impl Place {
    /// The place of a key's version, as the server names it. `None` for keys that there cannot be.
    pub(crate) fn new(key: &str, version: &str) -> Option<Self> {
        let version = if version == NO_VERSION { "" } else { version };
        let length = key.len() + 1 + version.len();
        let possible = !key.is_empty() && !key.contains('\0') && !version.contains('\0');
        if !possible || length > tripline_source::INVENTORY_KEY_BYTES_MAX {
            return None;
        }
        let mut place = Vec::with_capacity(length);
        place.extend_from_slice(key.as_bytes());
        place.push(BETWEEN);
        place.extend_from_slice(version.as_bytes());
        Some(Self(place.into()))
    }

    /// A place as it stands in an inventory. `None` when that is none.
    pub(crate) fn read(bytes: Bytes) -> Option<Self> {
        let (key, version) = std::str::from_utf8(&bytes).ok()?.split_once('\0')?;
        (!key.is_empty() && !version.contains('\0')).then_some(Self(bytes))
    }

    /// How it stands in an inventory.
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.0
    }

    pub(crate) fn key(&self) -> &str {
        self.parts().0
    }

    /// The version's id; empty for the one that has none.
    pub(crate) fn version(&self) -> &str {
        self.parts().1
    }

    fn parts(&self) -> (&str, &str) {
        let text = std::str::from_utf8(&self.0).ok().and_then(|text| text.split_once('\0'));
        text.expect("a place is made of two texts")
    }
}

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn places_are_in_the_order_of_keys_then_versions() {
        let place = |key, version| Place::new(key, version).unwrap();
        let order = [
            place("a", "null"),
            place("a", "1"),
            place("a", "2"),
            place("a\u{1}", ""),
            place("a b", ""),
            place("a/b", "9"),
            place("ab", ""),
            place("é", ""),
            place("\u{fffd}", ""),
            place("🚀", ""),
        ];
        assert!(order.is_sorted());
        for place in order {
            assert_eq!(Place::read(place.bytes().clone()), Some(place.clone()));
            assert_eq!(Place::new(place.key(), place.version()), Some(place));
        }
    }

    #[test]
    fn what_is_no_place_is_told() {
        for (key, version) in [("", ""), ("a\0b", ""), ("a", "\0"), (&"k".repeat(1_280)[..], "")] {
            assert_eq!(Place::new(key, version), None);
        }
        for bytes in [&b""[..], b"a", b"\0a", b"a\0b\0c", b"\xff\0"] {
            assert_eq!(Place::read(bytes.into()), None);
        }
    }
}
