//! What a source knows of its origin: a large ordered map that the host keeps for it.
//!
//! A source whose origin can be listed compares the listing with the inventory after each gap and so learns what it
//! missed. Both are read in order and in pages, so that neither has to fit into memory.

mod conformance;
mod memory;

use bytes::Bytes;

use crate::Error;

pub use conformance::conformance;
pub use memory::InMemory;

/// The most bytes of an entry's key.
pub const INVENTORY_KEY_BYTES_MAX: usize = 1_280;
/// The most bytes of an entry's value.
pub const INVENTORY_VALUE_BYTES_MAX: usize = 255;
/// The most keys or changes that one call names, and the most entries that it answers.
pub const INVENTORY_BATCH_MAX: usize = 1_000;

/// The inventory of one source. What it holds means nothing to the host. It goes when the source is deleted.
#[async_trait::async_trait]
pub trait Inventory: Send + Sync {
    /// The first entries whose key is above `after`, in the order of their keys' bytes: [`INVENTORY_BATCH_MAX`] of them,
    /// fewer only where there are no more. Every key is above the empty one.
    async fn entries(&self, after: &[u8]) -> Result<Vec<Entry>, Error>;

    /// Those entries that there are under these keys, in any order.
    async fn find(&self, keys: &[Bytes]) -> Result<Vec<Entry>, Error>;

    /// Makes all changes, or none. Each key is named once. Refused once the lease is lost.
    async fn write(&self, changes: &[Change]) -> Result<(), Error>;

    /// Removes everything, not as one step. Refused once the lease is lost.
    async fn clear(&self) -> Result<(), Error>;
}

/// One entry of an inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// At least one byte, at most [`INVENTORY_KEY_BYTES_MAX`].
    pub key: Bytes,
    /// At most [`INVENTORY_VALUE_BYTES_MAX`] bytes.
    pub value: Bytes,
}

/// What becomes of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: Bytes,
    /// What stands under it from now on; nothing removes it.
    pub value: Option<Bytes>,
}

impl Change {
    /// Every fault of a call that would make these changes.
    ///
    /// # Errors
    /// When there are too many, or one is too long.
    pub fn check(changes: &[Self]) -> Result<(), Error> {
        let fits = |change: &Self| {
            (1..=INVENTORY_KEY_BYTES_MAX).contains(&change.key.len())
                && change
                    .value
                    .as_ref()
                    .is_none_or(|value| value.len() <= INVENTORY_VALUE_BYTES_MAX)
        };
        if changes.len() <= INVENTORY_BATCH_MAX && changes.iter().all(fits) {
            return Ok(());
        }
        Err(Error::Outlet(format!(
            "an inventory takes at most {INVENTORY_BATCH_MAX} changes at once, \
             of keys of 1 to {INVENTORY_KEY_BYTES_MAX} bytes and values of at most {INVENTORY_VALUE_BYTES_MAX}"
        )))
    }
}
