//! The interpreters, as a worker calls them: whatever they do is bounded from outside.

mod jq;
mod jsonata;

use std::io;

use serde_json::value::RawValue;
use tripline_transform::Language;
use tripline_transform::limits::OUTPUT_BYTES_MAX;

use crate::answer::{Answer, Limit};
use crate::wire::Request;

/// Checks the program, and runs it if there is an event.
pub(crate) fn run(request: &Request) -> Answer {
    let (source, event) = (request.program.source.as_str(), request.event.as_deref());
    match request.program.language {
        Language::Jq => jq::run(source, event),
        Language::Jsonata => jsonata::run(source, event),
    }
}

/// Takes an output until it is too long.
#[derive(Default)]
struct Bounded {
    bytes: Vec<u8>,
    is_over: bool,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > OUTPUT_BYTES_MAX {
            self.is_over = true;
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What was written, if it is JSON: interpreters know values that are not, such as the square root of -1.
fn output(write: impl FnOnce(&mut Bounded) -> bool) -> Answer {
    let mut out = Bounded::default();
    let written = write(&mut out);
    if out.is_over {
        Answer::Exceeded(Limit::Output)
    } else if written && serde_json::from_slice::<&RawValue>(&out.bytes).is_ok() {
        Answer::Output(out.bytes)
    } else {
        Answer::Failed("the program's output is not JSON".to_owned())
    }
}
