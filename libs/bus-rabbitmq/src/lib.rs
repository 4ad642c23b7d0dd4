//! The event log on RabbitMQ streams and the work queue on quorum queues, over AMQP 0.9.1.
//!
//! What holds everywhere here:
//! - Publishing and consuming use connections of their own, so that a broker that blocks publishers stops no consumer.
//! - Each queue is published to through a channel of its own: a confirm, a return or a closed channel then says something
//!   about that queue alone, and frames to one queue keep the order of the calls.
//! - A connection that is lost is made again with back-off and jitter. Meanwhile publishes answer
//!   [`tripline_bus::Error::Unavailable`] within [`UNSENT_MAX`], while readers and consumers wait and then go on where
//!   they stood.
//! - A queue is used only once it would outlive its broker: the first use of one takes some seconds.
//! - Success is exactly a confirm without a returned message. A single node confirms streams before it syncs them: only
//!   a cluster of three keeps them over a loss of power.

mod consumer;
mod fault;
mod lanes;
mod link;
mod options;
mod publisher;
mod queues;
mod reader;
mod route;
mod streams;
mod subscription;

use std::time::Duration;

pub use lanes::Queue;
pub use options::{InvalidUri, Options};
pub use streams::Log;

/// How long a frame waits for a connection and a channel before the publish answers that the broker is unavailable.
pub const UNSENT_MAX: Duration = Duration::from_secs(2);
/// How long a confirm is waited for once a frame is on its way; then its fate is unknown.
pub const CONFIRM_MAX: Duration = Duration::from_secs(5);
/// Frames to one queue that are on their way without a confirm; more wait their turn.
pub const UNCONFIRMED_MAX: usize = 1024;
/// Frames to one queue that wait to be sent; more are refused at once.
pub const UNSENT_FRAMES_MAX: usize = 4096;
/// Queues published to at a time, each with a channel of its own. Below the 2047 that a broker grants a connection.
pub const ROUTES_MAX: usize = 1900;
/// How long a channel that nobody publishes through is kept.
pub const ROUTE_IDLE_MAX: Duration = Duration::from_secs(600);
/// The largest frame, encoded. A broker closes the channel on a message above its own limit (128 MiB unless configured),
/// and everything under way on it would be open.
pub const FRAME_BYTES_MAX: usize = 32 << 20;
