//! Reading and writing the small binary pieces that frames and entries are made of. Integers are little-endian.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use tripline_kernel::{Timestamp, Uid};

/// The bytes are not what they are said to be. Only a fault of the store or of this program brings this about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("corrupt {0}")]
pub struct Corrupt(pub &'static str);

pub(crate) struct Reader {
    bytes: Bytes,
    what: &'static str,
}

impl Reader {
    pub(crate) fn new(bytes: Bytes, what: &'static str) -> Self {
        Self { bytes, what }
    }

    pub(crate) fn corrupt<T>(&self) -> Result<T, Corrupt> {
        Err(Corrupt(self.what))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Corrupt> {
        self.bytes.try_get_u8().map_err(|_| Corrupt(self.what))
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Corrupt> {
        self.bytes.try_get_u16_le().map_err(|_| Corrupt(self.what))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Corrupt> {
        self.bytes.try_get_u32_le().map_err(|_| Corrupt(self.what))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Corrupt> {
        self.bytes.try_get_u64_le().map_err(|_| Corrupt(self.what))
    }

    pub(crate) fn timestamp(&mut self) -> Result<Timestamp, Corrupt> {
        self.bytes.try_get_i64_le().map(Timestamp::from_micros).map_err(|_| Corrupt(self.what))
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Corrupt> {
        let mut array = [0; N];
        self.bytes.try_copy_to_slice(&mut array).map_err(|_| Corrupt(self.what))?;
        Ok(array)
    }

    pub(crate) fn uid(&mut self) -> Result<Uid, Corrupt> {
        self.array().map(Uid::from_bytes)
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Result<Bytes, Corrupt> {
        if len > self.bytes.len() { self.corrupt() } else { Ok(self.bytes.split_to(len)) }
    }

    /// Text of at most 65,535 bytes, with its length before it.
    pub(crate) fn text(&mut self) -> Result<Box<str>, Corrupt> {
        let len = self.u16()?;
        let bytes = self.bytes(usize::from(len))?;
        std::str::from_utf8(&bytes).map(Into::into).map_err(|_| Corrupt(self.what))
    }

    /// As [`Self::text`]; empty text stands for nothing.
    pub(crate) fn optional_text(&mut self) -> Result<Option<Box<str>>, Corrupt> {
        self.text().map(|text| if text.is_empty() { None } else { Some(text) })
    }

    pub(crate) fn rest(self) -> Bytes {
        self.bytes
    }
}

pub(crate) fn put_text(out: &mut BytesMut, text: &str) {
    let len = u16::try_from(text.len()).expect("attributes are limited to 2,048 bytes when parsed");
    out.put_u16_le(len);
    out.put_slice(text.as_bytes());
}
