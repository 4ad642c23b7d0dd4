//! Secrets at rest.

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use tripline_kernel::Entropy;

/// Seals what must not be readable in a database (XChaCha20-Poly1305). Kept in a file, never beside what it seals.
#[derive(Clone)]
pub struct MasterKey(XChaCha20Poly1305);

/// The sealed bytes were made with another key or for another place, or were changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a sealed secret does not open with this master key")]
pub struct OpenError;

const VERSION: u8 = 1;
const NONCE_BYTES: usize = 24;

impl MasterKey {
    /// The bytes a master key has.
    pub const BYTES: usize = 32;

    /// The key that these bytes are.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        Self(XChaCha20Poly1305::new(bytes.into()))
    }

    /// Seals `secret` for one `place` (such as `function/<uid>/signing`): it opens nowhere else.
    pub fn seal(&self, secret: &[u8], place: &str, entropy: &dyn Entropy) -> Vec<u8> {
        let mut nonce = [0; NONCE_BYTES];
        entropy.fill(&mut nonce);
        let payload = Payload { msg: secret, aad: place.as_bytes() };
        let sealed = self
            .0
            .encrypt(&XNonce::from(nonce), payload)
            .expect("memory for the sealed bytes is the only thing that can lack");
        [&[VERSION], nonce.as_slice(), &sealed].concat()
    }

    /// Opens what [`Self::seal`] made for the same place.
    ///
    /// # Errors
    /// When the bytes were made with another key or for another place, or were changed.
    pub fn open(&self, sealed: &[u8], place: &str) -> Result<Vec<u8>, OpenError> {
        let (version, rest) = sealed.split_first().ok_or(OpenError)?;
        let (nonce, body) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(OpenError)?;
        if *version != VERSION {
            return Err(OpenError);
        }
        let payload = Payload { msg: body, aad: place.as_bytes() };
        self.0.decrypt(&XNonce::from(*nonce), payload).map_err(|_| OpenError)
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tripline_kernel::Entropy;

    use super::MasterKey;

    struct Fixed;
    impl Entropy for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(9);
        }
    }

    proptest! {
        #[test]
        fn a_secret_opens_only_unchanged_with_its_key_at_its_place(secret in prop::collection::vec(any::<u8>(), 0..64), flip in 0_usize..120) {
            let key = MasterKey::from_bytes(&[1; 32]);
            let mut sealed = key.seal(&secret, "a", &Fixed);
            prop_assert_eq!(key.open(&sealed, "a").unwrap(), secret);
            prop_assert!(key.open(&sealed, "b").is_err());
            prop_assert!(MasterKey::from_bytes(&[2; 32]).open(&sealed, "a").is_err());
            let at = flip % sealed.len();
            sealed[at] ^= 1;
            prop_assert!(key.open(&sealed, "a").is_err());
        }
    }
}
