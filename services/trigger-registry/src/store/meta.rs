//! The columns that every table of resources has: to its row, and back.
//!
//! A row is a flat struct of its table's columns, so what tables share is written down here and spelled out by macros.

use tripline_kernel::Timestamp;

use super::{Error, bytes, number, stored, uid};
use crate::resource::Meta;

/// The columns that every resource has.
pub(super) struct Columns {
    pub(super) uid: Vec<u8>,
    pub(super) tenant: Vec<u8>,
    pub(super) name: String,
    pub(super) revision: i64,
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
}

impl From<&Meta> for Columns {
    fn from(meta: &Meta) -> Self {
        Self {
            uid: bytes(meta.uid),
            tenant: bytes(meta.tenant),
            name: meta.name.as_str().to_owned(),
            revision: stored(meta.revision),
            created_at: meta.created_at.as_micros(),
            updated_at: meta.updated_at.as_micros(),
        }
    }
}

impl TryFrom<Columns> for Meta {
    type Error = Error;

    fn try_from(row: Columns) -> Result<Self, Error> {
        Ok(Self {
            tenant: uid(&row.tenant)?,
            name: row.name.parse().map_err(|_| Error::Corrupt("name"))?,
            uid: uid(&row.uid)?,
            revision: number(row.revision, "revision")?,
            created_at: Timestamp::from_micros(row.created_at),
            updated_at: Timestamp::from_micros(row.updated_at),
        })
    }
}

/// A row of this model, with these columns beside those of the meta.
macro_rules! with_meta {
    ($model:ident, $meta:expr, { $($columns:tt)* }) => {{
        let meta = super::meta::Columns::from($meta);
        $model {
            uid: meta.uid,
            tenant: meta.tenant,
            name: meta.name,
            revision: meta.revision,
            created_at: meta.created_at,
            updated_at: meta.updated_at,
            $($columns)*
        }
    }};
}

/// The meta of a row, which it is taken out of.
macro_rules! meta_of {
    ($row:ident) => {
        crate::resource::Meta::try_from(super::meta::Columns {
            uid: $row.uid,
            tenant: $row.tenant,
            name: $row.name,
            revision: $row.revision,
            created_at: $row.created_at,
            updated_at: $row.updated_at,
        })
    };
}

pub(super) use {meta_of, with_meta};
