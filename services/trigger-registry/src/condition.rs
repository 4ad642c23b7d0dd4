//! What a write must find before it is done.

use tripline_kernel::Name;

use crate::registry::Error;
use crate::resource::{Kind, Meta};

/// What a write must find before it is done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Condition {
    /// The revision that the stored resource must have.
    pub(crate) if_revision: Option<u64>,
    /// The resource must not exist yet.
    pub(crate) if_absent: bool,
}

impl Condition {
    /// Holds the condition against what was found under the name.
    pub(crate) fn check(self, kind: Kind, name: &Name, found: Option<&Meta>) -> Result<(), Error> {
        if self.if_absent && found.is_some() {
            return Err(Error::Exists { kind, name: name.clone() });
        }
        let revision = found.map(|meta| meta.revision);
        match self.if_revision {
            Some(asked) if revision != Some(asked) => {
                Err(Error::RevisionMismatch { kind, name: name.clone(), asked, found: revision })
            }
            Some(_) | None => Ok(()),
        }
    }
}
