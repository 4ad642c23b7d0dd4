//! Secrets where a configuration is shown.

use serde::Serializer;

/// What is shown in place of a secret.
pub const MASKED: &str = "***";

/// Serializes [`MASKED`] in place of a secret: for `#[serde(serialize_with = "tripline_kernel::masked")]`.
///
/// # Errors
/// Those of the serializer.
pub fn masked<T, S: Serializer>(_secret: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(MASKED)
}

/// As [`masked`], and nothing in place of a secret that is not there.
///
/// # Errors
/// Those of the serializer.
pub fn masked_option<T, S: Serializer>(
    secret: &Option<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match secret {
        Some(secret) => masked(secret, serializer),
        None => serializer.serialize_none(),
    }
}
