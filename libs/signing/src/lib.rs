//! Proofs and secrets. Everything here is pure: time and randomness come in as arguments.

mod api_key;
mod seal;
mod service;
mod webhook;

pub use api_key::{ApiKey, ApiKeyHash, InvalidApiKey};
pub use seal::{MasterKey, OpenError};
pub use service::ServiceKey;
pub use webhook::{InvalidSigningSecret, Refused, SigningSecret, sign, verify};
