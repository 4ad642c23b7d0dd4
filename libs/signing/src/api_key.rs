//! What an API consumer proves its identity with.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tripline_kernel::Entropy;

/// An API key: `tripline_` and 52 characters that hold 32 random bytes. Shown once, kept only as [`ApiKeyHash`].
#[derive(Clone)]
pub struct ApiKey(String);

/// The text cannot be an API key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an API key has {} to {} printable ASCII characters", ApiKey::BYTES_MIN, ApiKey::BYTES_MAX)]
pub struct InvalidApiKey;

impl ApiKey {
    /// The shortest key that an operator may choose, in bytes.
    pub const BYTES_MIN: usize = 16;
    /// The longest key, in bytes.
    pub const BYTES_MAX: usize = 256;
    const PREFIX: &str = "tripline_";

    /// Makes a new key.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 32];
        entropy.fill(&mut bytes);
        let text = data_encoding::BASE32_NOPAD.encode(&bytes).to_ascii_lowercase();
        Self(format!("{}{text}", Self::PREFIX))
    }

    /// The key as its holder sends it. Do not log it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is kept of the key. A key holds 256 random bits, so a plain hash cannot be searched backwards.
    #[must_use]
    pub fn hash(&self) -> ApiKeyHash {
        ApiKeyHash(Sha256::digest(self.0.as_bytes()).into())
    }
}

impl std::str::FromStr for ApiKey {
    type Err = InvalidApiKey;

    /// Takes any key, made here or chosen by an operator.
    fn from_str(text: &str) -> Result<Self, InvalidApiKey> {
        let sized = (Self::BYTES_MIN..=Self::BYTES_MAX).contains(&text.len());
        let printable = text.bytes().all(|byte| byte.is_ascii_graphic());
        if sized && printable { Ok(Self(text.to_owned())) } else { Err(InvalidApiKey) }
    }
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

/// What is kept of an API key: its SHA-256.
#[derive(Clone, Copy, Eq)]
pub struct ApiKeyHash([u8; 32]);

impl ApiKeyHash {
    /// The hash whose bytes these are.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The thirty-two bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for ApiKeyHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl std::fmt::Debug for ApiKeyHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApiKeyHash(…)")
    }
}
