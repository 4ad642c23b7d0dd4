//! Where Redis is.

use secrecy::{ExposeSecret as _, SecretString};
use tripline_kernel::Fault;

/// Where Redis is, and what our keys there begin with.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// `redis://USER:PASSWORD@HOST:PORT/DATABASE`.
    #[serde(serialize_with = "tripline_kernel::masked")]
    #[schemars(with = "String", example = "redis://127.0.0.1:6379/0")]
    pub url: SecretString,
    /// What every key begins with, so that others can use the same database.
    pub prefix: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { url: SecretString::from("redis://127.0.0.1:6379/0"), prefix: "tripline:".to_owned() }
    }
}

impl Options {
    /// Everything that is wrong with these options.
    #[must_use]
    pub fn validate(&self) -> Vec<Fault> {
        match redis::Client::open(self.url.expose_secret()) {
            Ok(_) => Vec::new(),
            Err(_) => vec![Fault::new("/url", "invalid-url", InvalidUrl.to_string())],
        }
    }
}

/// The URL cannot be read. It is not shown, since it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the address of Redis is written redis://USER:PASSWORD@HOST:PORT/DATABASE")]
pub struct InvalidUrl;

#[cfg(test)]
mod tests {
    use super::Options;

    #[test]
    fn a_wrong_address_is_told_without_showing_it() {
        let options = Options { url: "http://user:secret@host".into(), ..Options::default() };
        let faults = options.validate();
        assert_eq!(faults.len(), 1);
        assert!(!format!("{faults:?}{options:?}").contains("user:secret"), "{faults:?}");
        assert!(Options::default().validate().is_empty());
    }
}
