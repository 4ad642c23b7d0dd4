//! Takes a stream of bytes apart into lines.

use bytes::{Bytes, BytesMut};

/// Longest line, in bytes. A notification of a key of 1,024 bytes with all its user metadata has a few kilobytes.
pub(crate) const LINE_BYTES_MAX: usize = 1 << 20;

/// A line longer than [`LINE_BYTES_MAX`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// Gathers what has been received until it is whole lines.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    buffer: BytesMut,
    /// Bytes of the buffer in which no line ends.
    searched: usize,
}

impl Lines {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole line, without its end.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, TooLong> {
        let Some(end) = self.buffer[self.searched..].iter().position(|&byte| byte == b'\n') else {
            self.searched = self.buffer.len();
            return if self.searched > LINE_BYTES_MAX { Err(TooLong) } else { Ok(None) };
        };
        let mut line = self.buffer.split_to(self.searched + end + 1).freeze();
        self.searched = 0;
        line.truncate(line.len() - 1);
        if line.len() > LINE_BYTES_MAX { Err(TooLong) } else { Ok(Some(line)) }
    }
}

#[cfg(test)]
mod tests {
    use super::{LINE_BYTES_MAX, Lines, TooLong};

    #[test]
    fn lines_are_whole_wherever_the_pieces_end() {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        for byte in b"a\n\nbc\nd" {
            lines.push(&[*byte]);
            while let Some(line) = lines.next().unwrap() {
                seen.push(line);
            }
        }
        assert_eq!(seen, ["a", "", "bc"]);
    }

    #[test]
    fn a_line_has_a_limit() {
        let mut lines = Lines::default();
        lines.push(&vec![b'x'; LINE_BYTES_MAX]);
        assert_eq!(lines.next(), Ok(None));
        lines.push(b"\n");
        assert_eq!(lines.next().unwrap().unwrap().len(), LINE_BYTES_MAX);
        lines.push(&vec![b'x'; LINE_BYTES_MAX + 1]);
        assert_eq!(lines.next(), Err(TooLong));
    }
}
