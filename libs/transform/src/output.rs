//! An output as it grows, to its limit.

use crate::error::ApplyError;
use crate::limits::OUTPUT_BYTES_MAX;

#[derive(Debug, Default)]
pub(crate) struct Output(Vec<u8>);

impl Output {
    pub(crate) fn push(&mut self, text: &str) -> Result<(), ApplyError> {
        if self.0.len() + text.len() > OUTPUT_BYTES_MAX {
            return Err(ApplyError::limit("an output has", OUTPUT_BYTES_MAX, "bytes"));
        }
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }

    pub(crate) fn done(self) -> Vec<u8> {
        self.0
    }
}
