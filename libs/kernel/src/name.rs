//! Names of resources.

use std::fmt;

/// The name of a resource, `[a-z0-9][a-z0-9-]{0,62}`, unique within its tenant and kind.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(Box<str>);

/// The text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a name has 1 to {} characters of a-z, 0-9 and '-', and does not start with '-'",
    Name::BYTES_MAX
)]
pub struct InvalidName;

impl Name {
    /// The longest name, in bytes.
    pub const BYTES_MAX: usize = 63;

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Name {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let sized = (1..=Self::BYTES_MAX).contains(&text.len());
        let clean = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if sized && clean && !text.starts_with('-') {
            Ok(Self(text.into()))
        } else {
            Err(InvalidName)
        }
    }
}

impl TryFrom<String> for Name {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0.into()
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::Name;

    #[test]
    fn a_name_is_lower_case_and_at_most_63_bytes() {
        let longest = "a".repeat(Name::BYTES_MAX);
        for good in ["a", "0", "make-thumbs", "a-", longest.as_str()] {
            assert_eq!(good.parse::<Name>().unwrap().as_str(), good);
        }
        let too_long = "a".repeat(Name::BYTES_MAX + 1);
        for bad in ["", "-a", "A", "a_b", "ä", "a b", "a/b", "a\0", too_long.as_str()] {
            assert!(bad.parse::<Name>().is_err(), "{bad:?}");
        }
    }
}
