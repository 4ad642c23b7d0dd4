//! How the services prove themselves to each other.

use std::time::Duration;

use hkdf::Hkdf;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use sha2::Sha256;
use tripline_kernel::Timestamp;

/// Makes and checks the short-lived tokens (JWT, HS256) that the services show each other.
///
/// The key is derived from the bootstrap secret, which itself never leaves the process.
pub struct ServiceKey {
    encoding: EncodingKey,
    decoding: DecodingKey,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Claims {
    aud: String,
    exp: i64,
}

impl ServiceKey {
    /// How long a token holds.
    pub const TOKEN_LIFETIME: Duration = Duration::from_secs(60);
    /// The fewest bytes a bootstrap secret may have.
    pub const SECRET_BYTES_MIN: usize = 32;
    /// How far two machines' clocks may be apart.
    const LEEWAY_SECONDS: i64 = 5;
    const AUDIENCE: &str = "tripline-services";

    /// Derives the key from the bootstrap secret (HKDF-SHA-256).
    #[must_use]
    pub fn derive(bootstrap_secret: &[u8]) -> Self {
        let mut key = [0; 32];
        Hkdf::<Sha256>::new(None, bootstrap_secret)
            .expand(b"tripline service token v1", &mut key)
            .expect("32 bytes are a length that HKDF-SHA-256 can give");
        Self { encoding: EncodingKey::from_secret(&key), decoding: DecodingKey::from_secret(&key) }
    }

    /// A token that holds for [`Self::TOKEN_LIFETIME`] from `now`.
    #[must_use]
    pub fn mint(&self, now: Timestamp) -> String {
        let exp = now.after(Self::TOKEN_LIFETIME).as_seconds();
        let claims = Claims { aud: Self::AUDIENCE.to_owned(), exp };
        encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)
            .expect("an HMAC over a small JSON object cannot fail")
    }

    /// Whether the token was made with this key and still holds.
    #[must_use]
    pub fn verify(&self, token: &str, now: Timestamp) -> bool {
        let mut rules = Validation::new(Algorithm::HS256);
        rules.set_audience(&[Self::AUDIENCE]);
        rules.set_required_spec_claims(&["exp", "aud"]);
        rules.validate_exp = false; // Checked below, against the time that was passed in.
        decode::<Claims>(token, &self.decoding, &rules)
            .is_ok_and(|data| now.as_seconds() <= data.claims.exp + Self::LEEWAY_SECONDS)
    }
}

impl std::fmt::Debug for ServiceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ServiceKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tripline_kernel::Timestamp;

    use super::ServiceKey;

    #[test]
    fn a_token_holds_for_its_lifetime_and_only_under_its_key() {
        let key = ServiceKey::derive(&[7; 32]);
        let now = Timestamp::from_micros(1_700_000_000_000_000);
        let token = key.mint(now);
        assert!(key.verify(&token, now));
        assert!(key.verify(&token, now.after(ServiceKey::TOKEN_LIFETIME)));
        assert!(
            !key.verify(&token, now.after(ServiceKey::TOKEN_LIFETIME + Duration::from_secs(7)))
        );
        assert!(!ServiceKey::derive(&[8; 32]).verify(&token, now));
        assert!(!key.verify("", now));
        // An unsigned token of the same content.
        let body = token.split('.').nth(1).unwrap();
        assert!(!key.verify(&format!("eyJhbGciOiJub25lIn0.{body}."), now));
    }
}
