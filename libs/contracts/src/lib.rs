//! The gRPC contracts between the services.
//!
//! Generated messages stay at the edge: a service converts them with [`convert`] before it works with them.

pub mod convert;
mod error;
pub mod transport;

pub use error::{Error, to_status};
/// For those who keep an answer as bytes.
pub use prost::Message;

/// Generated from `proto/`.
#[allow(
    missing_docs,
    unused_qualifications,
    unreachable_pub,
    clippy::doc_markdown,
    clippy::allow_attributes_without_reason,
    clippy::large_enum_variant,
    clippy::too_long_first_doc_paragraph,
    clippy::too_many_lines,
    clippy::use_self,
    reason = "generated"
)]
pub mod pb {
    tonic::include_proto!("tripline.v1");
}
