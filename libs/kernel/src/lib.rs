//! The words that every crate shares: ids, names, times, error kinds, back-off.
//!
//! Nothing here does IO or reads a clock; time and randomness come in through [`Clock`] and [`Entropy`].

mod backoff;
mod error;
mod ids;
mod masked;
mod name;
mod pointer;
mod time;

pub use backoff::backoff;
pub use error::{Classify, ErrorKind, Fault};
pub use ids::{DEFAULT_TENANT, InvalidUid, TenantUid, Uid};
pub use masked::{MASKED, masked, masked_option};
pub use name::{InvalidName, Name};
pub use pointer::pointer_token;
pub use time::{Clock, Entropy, InvalidTimestamp, Timestamp, milliseconds};
