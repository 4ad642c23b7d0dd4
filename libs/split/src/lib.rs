//! What the programs of the five-process edition configure and connect alike.
//!
//! Their `main.rs` files and nothing else use this; a service's library is given its ports ready made.

mod config;
mod connect;
pub mod reference;

pub use config::{Bus, BusKind, Listen, Peer, Stop};
pub use connect::{connect, outbound, service_key};
