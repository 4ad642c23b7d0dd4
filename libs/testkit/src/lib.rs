//! What tests need beside the code under test: real servers, our own processes, receivers, faults. A dev-dependency only.
//!
//! - [`minio`], [`rabbitmq`], [`mariadb`], [`postgres`] and [`redis`] give the one server of its kind that a test binary
//!   shares; each test takes a namespace of its own there. A test that kills starts a server of its own with
//!   [`Server::start`].
//! - [`Receiver`] is a scriptable HTTP function, [`Process`] one of our binaries, [`ChaosProxy`] a wire that can be cut.
//! - [`Collector`] takes spans over OTLP.
//! - [`wait_until`] waits on state, so that no test sleeps.
//!
//! A server whose program is not installed is a failure that says what to install, never a skipped test.
//!
//! Everything that is started dies with the test process, however that ends. Nothing here is for production: helpers
//! answer with `anyhow`, and the shared servers are statics, since a test binary has no place of its own to keep them.

mod chaos;
mod child;
mod collector;
mod dir;
mod http;
mod port;
mod process;
mod program;
mod receiver;
mod server;
mod thread;
mod wait;
mod wire;

pub use chaos::ChaosProxy;
pub use child::{Child, Spec};
pub use collector::{Collector, Span};
pub use process::{Process, binary};
pub use receiver::{Answer, Receiver, Recording, Request};
pub use server::mariadb::MariaDb;
pub use server::minio::{Bucket, Minio, Version};
pub use server::postgres::Postgres;
pub use server::rabbitmq::RabbitMq;
pub use server::redis::Redis;
pub use server::shared::{mariadb, minio, postgres, rabbitmq, redis};
pub use server::{Kind, Server};
pub use wait::{unique, wait_for, wait_until};
