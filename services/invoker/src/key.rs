//! Idempotency keys of direct calls: a key stands for one call, and a repeated one is answered as before.

use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tripline_contracts::convert::{BadField, bad};
use tripline_contracts::pb::InvokeRequest;
use tripline_event::InvocationId;
use tripline_kernel::Uid;

use crate::dispatcher::Reply;
use crate::invocation::State;

/// How long a key stands for its call, at least. It is forgotten by the next look for what has reached its end.
pub(crate) const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// Most bytes of an answer that are kept for a key.
pub(crate) const KEPT_ANSWER_BYTES_MAX: usize = 16 << 10;
/// Longest key, in bytes.
const BYTES_MAX: usize = 255;

/// A SHA-256.
pub(crate) type Hash = [u8; 32];

/// The key that a direct call came with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CallKey {
    /// Of the tenant and the key.
    pub(crate) hash: Hash,
    /// Of the request that it came with.
    pub(crate) request: Hash,
}

impl CallKey {
    /// The key of a request, if it has one.
    ///
    /// # Errors
    /// When it is too long.
    pub(crate) fn of(tenant: Uid, request: &InvokeRequest) -> Result<Option<Self>, BadField> {
        if request.idempotency_key.is_empty() {
            return Ok(None);
        }
        if request.idempotency_key.len() > BYTES_MAX {
            return Err(bad("idempotency_key", &format!("it has at most {BYTES_MAX} bytes")));
        }
        let key = hash([&tenant.as_bytes()[..], request.idempotency_key.as_bytes()]);
        let asynchronous = [u8::from(request.asynchronous)];
        let request = hash([
            request.function_uid.as_bytes(),
            request.content_type.as_bytes(),
            &asynchronous,
            &request.body,
        ]);
        Ok(Some(Self { hash: key, request }))
    }
}

/// Tells different parts apart, also those that read the same in a row.
fn hash<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Hash {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// What is kept for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeptCall {
    /// Of the request.
    pub(crate) request: Hash,
    pub(crate) invocation: InvocationId,
    /// How the invocation stands; nothing once its record has reached its end.
    pub(crate) state: Option<State>,
    /// What the caller of a synchronous call was told.
    pub(crate) told: Option<KeptReply>,
}

/// What is kept of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeptReply {
    Whole(Reply),
    /// There was an answer of more than [`KEPT_ANSWER_BYTES_MAX`].
    TooLong,
}

/// What becomes of the key of a synchronous call that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) key: CallKey,
    pub(crate) invocation: InvocationId,
    /// Nothing when nothing was sent to the function: then the key stands for nothing.
    pub(crate) reply: Option<Reply>,
}
