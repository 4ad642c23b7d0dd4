//! The one guarded HTTP client for everything that leaves: calls of functions, object stores, webhooks.
//!
//! Users choose the addresses that this system calls, from inside a network that trusts it. So a [`Guard`] judges every
//! address twice: the URL when it is stored ([`Guard::check_url`]), and each resolved address at the moment a
//! connection is opened, where only addresses that were judged are connected to. A name that resolves to something
//! else the second time gains nothing. Redirects are never followed.

mod client;
mod connect;
mod guard;
mod options;
mod ranges;

pub use client::{Bounds, Client, Error, Fetched, HEAD_BYTES_MAX, HEAD_TIMEOUT};
pub use guard::{Guard, RefusedUrl};
pub use options::Options;
