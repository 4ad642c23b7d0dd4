//! The port of functions: what an invocation calls.
//!
//! A [`Kind`] checks settings and opens a [`Target`]; the invoker calls it, once per attempt. [`http`] is the kind that
//! calls HTTP endpoints.

pub mod http;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value};
use tripline_kernel::Fault;

/// Settings of a target, as they stand in the API: a JSON object.
pub type Settings = Map<String, Value>;

/// One kind of target, such as `http`.
pub trait Kind: Send + Sync + 'static {
    /// The kind's name in the API.
    fn name(&self) -> &'static str;

    /// JSON Pointers to those of the given settings that are secrets: sealed at rest, never read back. Settings with
    /// faults may be asked about.
    fn secrets(&self, settings: &Settings) -> Vec<String>;

    /// Every fault of the settings, with pointers into them. Does no IO.
    fn check(&self, settings: &Settings) -> Vec<Fault>;

    /// Opens a target with settings that have passed [`Kind::check`]. Does no IO; connections are shared within a kind.
    ///
    /// # Errors
    /// The faults of the settings, should they have any.
    fn open(&self, settings: &Settings) -> Result<Arc<dyn Target>, Vec<Fault>>;
}

/// One attempt: what is sent.
#[derive(Debug, Clone)]
pub struct Call {
    /// Header names, in lower case, and values.
    pub headers: Vec<(&'static str, String)>,
    /// The media type of the body.
    pub content_type: String,
    /// The body.
    pub body: Bytes,
    /// How long the whole attempt may take.
    pub timeout: Duration,
}

/// What the function answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status code, or what comes nearest for other kinds.
    pub status_code: u16,
    /// The media type of the body; empty when it has none.
    pub content_type: String,
    /// The body, cut at [`ANSWER_BYTES_MAX`].
    pub body: Bytes,
    /// How long the function asks not to be called for.
    pub retry_after: Option<Duration>,
    /// The function asks that this invocation is not tried again (`Tripline-Retry: never`).
    pub retry_never: bool,
}

/// Most bytes of an answer that are kept. What comes after is not read.
pub const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// Something that can be called.
#[async_trait::async_trait]
pub trait Target: Send + Sync {
    /// Where calls go, for the record of attempts. Holds no secrets.
    fn address(&self) -> &str;

    /// Makes one attempt. Ends within the call's time-out. An answer of any status is an answer; redirects are not followed.
    async fn call(&self, call: Call) -> Result<Answer, Error>;
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The attempt took longer than its time-out.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The function cannot be reached: nothing was sent.
    #[error("{0}")]
    Unreachable(String),
    /// The exchange broke off: whether the function has done anything is not known.
    #[error("{0}")]
    BrokenOff(String),
    /// The address is one that calls must not go to.
    #[error("{0}")]
    Forbidden(String),
}
