//! Signatures by Standard Webhooks 1.0.0, scheme `v1` (HMAC-SHA-256).

use std::fmt;
use std::time::Duration;

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tripline_kernel::{Entropy, Timestamp};

/// What the calls of one function are signed with: `whsec_` and the base64 of 24 to 64 bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(Vec<u8>);

/// The text is not a signing secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a signing secret is 'whsec_' and the base64 of 24 to 64 bytes")]
pub struct InvalidSigningSecret;

impl SigningSecret {
    const PREFIX: &str = "whsec_";

    /// Makes a new secret of 32 random bytes.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut bytes = vec![0; 32];
        entropy.fill(&mut bytes);
        Self(bytes)
    }

    /// The secret as its owner is shown it, once. Do not log it.
    #[must_use]
    pub fn expose(&self) -> String {
        format!("{}{}", Self::PREFIX, BASE64.encode(&self.0))
    }

    fn mac(&self, id: &str, seconds: i64, body: &[u8]) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(id.as_bytes());
        mac.update(format!(".{seconds}.").as_bytes());
        mac.update(body);
        mac
    }
}

impl std::str::FromStr for SigningSecret {
    type Err = InvalidSigningSecret;

    fn from_str(text: &str) -> Result<Self, InvalidSigningSecret> {
        let encoded = text.strip_prefix(Self::PREFIX).ok_or(InvalidSigningSecret)?;
        let bytes = BASE64.decode(encoded.as_bytes()).map_err(|_| InvalidSigningSecret)?;
        if (24..=64).contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(InvalidSigningSecret) }
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(…)")
    }
}

/// The value of `webhook-signature`: one signature for each secret, so that a secret can be changed without a gap.
#[must_use]
pub fn sign(secrets: &[SigningSecret], id: &str, at: Timestamp, body: &[u8]) -> String {
    let one = |secret: &SigningSecret| {
        let mac = secret.mac(id, at.as_seconds(), body).finalize().into_bytes();
        format!("v1,{}", BASE64.encode(&mac))
    };
    secrets.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// Why a webhook is not to be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// `webhook-timestamp` is not a number of seconds.
    #[error("the webhook's timestamp is not a number of seconds")]
    BadTimestamp,
    /// The signature was made too long ago, or in the future.
    #[error("the webhook was signed too far from now")]
    OutOfTolerance,
    /// No signature was made with the secret over this id, timestamp and body.
    #[error("no signature of the webhook is valid")]
    NoValidSignature,
}

/// Checks a received webhook, as a receiver does: `id`, `timestamp` and `signatures` are the three headers' values.
///
/// # Errors
/// Says why the webhook is not to be trusted.
pub fn verify(
    secret: &SigningSecret,
    (id, timestamp, signatures): (&str, &str, &str),
    body: &[u8],
    (now, tolerance): (Timestamp, Duration),
) -> Result<(), Refused> {
    let seconds: i64 = timestamp.parse().map_err(|_| Refused::BadTimestamp)?;
    if now.as_seconds().abs_diff(seconds) > tolerance.as_secs() {
        return Err(Refused::OutOfTolerance);
    }
    let valid = |signature: &str| {
        let given =
            signature.strip_prefix("v1,").and_then(|text| BASE64.decode(text.as_bytes()).ok());
        given.is_some_and(|given| secret.mac(id, seconds, body).verify_slice(&given).is_ok())
    };
    if signatures.split(' ').any(valid) { Ok(()) } else { Err(Refused::NoValidSignature) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tripline_kernel::Timestamp;

    use super::{Refused, SigningSecret, sign, verify};

    // The example of the Standard Webhooks specification and its reference libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const AT: Timestamp = Timestamp::from_micros(1_614_265_330_000_000);

    #[test]
    fn the_specifications_example_gives_its_signature() {
        let secret: SigningSecret = SECRET.parse().unwrap();
        assert_eq!(
            sign(&[secret], ID, AT, BODY),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn a_signature_holds_for_its_body_id_and_time_only() {
        let secret: SigningSecret = SECRET.parse().unwrap();
        let old: SigningSecret = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".parse().unwrap();
        let signatures = sign(&[old, secret.clone()], ID, AT, BODY);
        let window = (AT.after(Duration::from_secs(60)), Duration::from_secs(300));
        let headers = (ID, "1614265330", signatures.as_str());
        assert_eq!(verify(&secret, headers, BODY, window), Ok(()));
        assert_eq!(verify(&secret, headers, b"{}", window), Err(Refused::NoValidSignature));
        assert_eq!(
            verify(&secret, ("x", headers.1, headers.2), BODY, window),
            Err(Refused::NoValidSignature)
        );
        assert_eq!(
            verify(&secret, (ID, "1614265331", headers.2), BODY, window),
            Err(Refused::NoValidSignature)
        );
        let late = (AT.after(Duration::from_secs(301)), Duration::from_secs(300));
        assert_eq!(verify(&secret, headers, BODY, late), Err(Refused::OutOfTolerance));
        assert_eq!(
            verify(&secret, (ID, "soon", headers.2), BODY, window),
            Err(Refused::BadTimestamp)
        );
    }
}
