//! Idempotency keys of direct calls: a key stands for one call, and a repeated one is answered as before.

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tripline_contracts::convert::{BadField, bad};
use tripline_contracts::pb::InvokeRequest;
use tripline_event::InvocationId;

use crate::dispatcher::Reply;
use crate::invocation::State;

/// How long a key stands for its call. One that is used again after that is a new one.
pub(crate) const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// Longest key, in bytes.
const BYTES_MAX: usize = 255;

/// The key that a direct call came with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CallKey {
    pub(crate) text: Box<str>,
    /// The request that it came with, as a hash.
    pub(crate) request: [u8; 32],
}

impl CallKey {
    /// The key of a request, if it has one.
    ///
    /// # Errors
    /// When it is too long.
    pub(crate) fn of(request: &InvokeRequest) -> Result<Option<Arc<Self>>, BadField> {
        if request.idempotency_key.is_empty() {
            return Ok(None);
        }
        if request.idempotency_key.len() > BYTES_MAX {
            return Err(bad("idempotency_key", &format!("it has at most {BYTES_MAX} bytes")));
        }
        let mut hasher = Sha256::new();
        let parts = [request.function_uid.as_bytes(), request.content_type.as_bytes()];
        for part in parts {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        hasher.update([u8::from(request.asynchronous)]);
        hasher.update(&request.body);
        let text = request.idempotency_key.as_str().into();
        Ok(Some(Arc::new(Self { text, request: hasher.finalize().into() })))
    }
}

/// What is kept for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeptCall {
    /// The request, as a hash.
    pub(crate) request: [u8; 32],
    pub(crate) invocation: InvocationId,
    /// How the invocation stands; nothing once its record has reached its end.
    pub(crate) state: Option<State>,
    /// What the caller of a synchronous call was told.
    pub(crate) told: Option<Reply>,
}

/// What becomes of the key of a synchronous call that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) key: Arc<CallKey>,
    pub(crate) invocation: InvocationId,
    /// Nothing when the function was never called: then the key stands for nothing.
    pub(crate) reply: Option<Reply>,
}
