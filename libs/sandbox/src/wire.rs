//! What a sandbox and its workers say to each other, over the worker's standard input and output.
//!
//! Both are the same executable, so this has no versions. A worker begins with [`READY`]; then each request is followed
//! by its answer, and that by [`STAYS`] or [`ENDS`].

use std::io;

use tripline_transform::limits::{OUTPUT_BYTES_MAX, PROGRAM_BYTES_MAX};
use tripline_transform::{Language, Program};

use crate::answer::{Answer, Limit};

/// The first word of a worker.
pub(crate) const READY: u8 = b'R';
/// The worker waits for a further request…
pub(crate) const STAYS: u8 = b'S';
/// …or it does not.
pub(crate) const ENDS: u8 = b'E';
/// Bytes of the head of a request.
pub(crate) const REQUEST_HEAD: usize = 10;
/// Bytes of the head of an answer.
pub(crate) const ANSWER_HEAD: usize = 5;
/// Longest text in an answer that is no output.
pub(crate) const TEXT_BYTES_MAX: usize = 1024;

/// What is to be done: check the program, or run it on the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) program: Program,
    pub(crate) event: Option<Vec<u8>>,
}

impl Request {
    /// The request in bytes.
    pub(crate) fn encode(program: &Program, event: Option<&[u8]>) -> Option<Vec<u8>> {
        let source = program.source.as_bytes();
        let (source_len, event_len) =
            (u32::try_from(source.len()).ok()?, u32::try_from(event.map_or(0, <[u8]>::len)).ok()?);
        let mut bytes = vec![language_byte(program.language), u8::from(event.is_some())];
        bytes.extend(source_len.to_le_bytes());
        bytes.extend(event_len.to_le_bytes());
        bytes.extend_from_slice(source);
        bytes.extend_from_slice(event.unwrap_or_default());
        Some(bytes)
    }

    /// Reads the next request; nothing when there is none any more.
    pub(crate) fn read(from: &mut impl io::Read) -> io::Result<Option<Self>> {
        let mut head = [0; REQUEST_HEAD];
        match from.read_exact(&mut head) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        let [language, runs, s0, s1, s2, s3, e0, e1, e2, e3] = head;
        let language =
            if language == language_byte(Language::Jq) { Language::Jq } else { Language::Jsonata };
        let mut source = vec![0; length([s0, s1, s2, s3]).min(PROGRAM_BYTES_MAX)];
        from.read_exact(&mut source)?;
        let mut event = vec![0; length([e0, e1, e2, e3])];
        from.read_exact(&mut event)?;
        let source = String::from_utf8(source).map_err(io::Error::other)?;
        Ok(Some(Self {
            program: Program { language, source },
            event: (runs == 1).then_some(event),
        }))
    }
}

impl Answer {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let (kind, text): (u8, &[u8]) = match self {
            Self::Output(output) => (0, output),
            Self::Invalid(why) => (1, cut(why)),
            Self::Failed(why) => (2, cut(why)),
            Self::Exceeded(Limit::Steps) => (3, &[]),
            Self::Exceeded(Limit::Time) => (4, &[]),
            Self::Exceeded(Limit::Memory) => (5, &[]),
            Self::Exceeded(Limit::Output) => (6, &[]),
        };
        let length = u32::try_from(text.len()).expect("outputs and texts are bounded");
        let mut bytes = vec![kind];
        bytes.extend(length.to_le_bytes());
        bytes.extend_from_slice(text);
        bytes
    }

    /// The kind of an answer and how many bytes follow. Nothing when no worker says such.
    pub(crate) fn head(head: [u8; ANSWER_HEAD]) -> Option<(u8, usize)> {
        let [kind, length @ ..] = head;
        let length = self::length(length);
        (length <= OUTPUT_BYTES_MAX.max(TEXT_BYTES_MAX)).then_some((kind, length))
    }

    pub(crate) fn decode(kind: u8, bytes: Vec<u8>) -> Option<Self> {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Some(match kind {
            0 => Self::Output(bytes),
            1 => Self::Invalid(text(bytes)),
            2 => Self::Failed(text(bytes)),
            3 => Self::Exceeded(Limit::Steps),
            4 => Self::Exceeded(Limit::Time),
            5 => Self::Exceeded(Limit::Memory),
            6 => Self::Exceeded(Limit::Output),
            _ => return None,
        })
    }
}

fn language_byte(language: Language) -> u8 {
    match language {
        Language::Jsonata => 0,
        Language::Jq => 1,
    }
}

fn length(bytes: [u8; 4]) -> usize {
    usize::try_from(u32::from_le_bytes(bytes)).expect("32 bits fit")
}

fn cut(text: &str) -> &[u8] {
    let end = text.floor_char_boundary(TEXT_BYTES_MAX.min(text.len()));
    &text.as_bytes()[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_understood() {
        let program = Program { language: Language::Jq, source: ".a".to_owned() };
        for event in [None, Some(&b"{}"[..]), Some(b"")] {
            let bytes = Request::encode(&program, event).unwrap();
            let read = Request::read(&mut &bytes[..]).unwrap().unwrap();
            assert_eq!(read.program, program);
            assert_eq!(read.event.as_deref(), event);
        }
        assert_eq!(Request::read(&mut &b""[..]).unwrap(), None);
        for answer in [
            Answer::Output(b"1".to_vec()),
            Answer::Invalid("x".to_owned()),
            Answer::Failed("\u{e9}".to_owned()),
            Answer::Exceeded(Limit::Steps),
            Answer::Exceeded(Limit::Time),
            Answer::Exceeded(Limit::Memory),
            Answer::Exceeded(Limit::Output),
        ] {
            let bytes = answer.encode();
            let (head, rest) = bytes.split_first_chunk().unwrap();
            let (kind, length) = Answer::head(*head).unwrap();
            assert_eq!(length, rest.len());
            assert_eq!(Answer::decode(kind, rest.to_vec()), Some(answer));
        }
        let long = Answer::Failed("\u{e9}".repeat(TEXT_BYTES_MAX)).encode();
        assert_eq!(long.len(), ANSWER_HEAD + TEXT_BYTES_MAX);
        assert_eq!(Answer::head([0, 255, 255, 255, 255]), None);
    }
}
