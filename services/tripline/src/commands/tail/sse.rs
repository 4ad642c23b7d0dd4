//! Server-sent events, as far as the server of Tripline writes them: one `event` and one `data` line each.

use crate::failure::Failure;

/// Longest event.
const EVENT_BYTES_MAX: usize = 16 << 20;
/// Between two events.
const END: &[u8] = b"\n\n";

/// One event.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) name: String,
    pub(super) data: String,
}

/// Puts the pieces of a stream together.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// What has come of the next event.
    waiting: Vec<u8>,
}

impl Events {
    /// The events that this piece ends. Comments are none.
    pub(super) fn take(&mut self, piece: &[u8]) -> Result<Vec<Event>, Failure> {
        // The end may have come in two pieces.
        let mut from = self.waiting.len().saturating_sub(END.len() - 1);
        self.waiting.extend_from_slice(piece);
        let (mut events, mut begin) = (Vec::new(), 0);
        while let Some(at) = find_end(&self.waiting[from..]) {
            let end = from + at;
            events.extend(read(&self.waiting[begin..end])?);
            begin = end + END.len();
            from = begin;
        }
        self.waiting.drain(..begin);
        if self.waiting.len() > EVENT_BYTES_MAX {
            let why = format!("the server sends an event of more than {EVENT_BYTES_MAX} bytes");
            return Err(Failure::Failed(why));
        }
        Ok(events)
    }
}

fn find_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(END.len()).position(|window| window == END)
}

fn read(block: &[u8]) -> Result<Option<Event>, Failure> {
    let text = std::str::from_utf8(block)
        .map_err(|_| Failure::Failed("the server's answer is not text".to_owned()))?;
    let field = |name| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim_start);
    let event = field("event:").zip(field("data:"));
    Ok(event.map(|(name, data)| Event { name: name.to_owned(), data: data.to_owned() }))
}

#[cfg(test)]
mod tests {
    use super::{EVENT_BYTES_MAX, Event, Events};

    fn event(name: &str, data: &str) -> Event {
        Event { name: name.to_owned(), data: data.to_owned() }
    }

    #[test]
    fn events_are_the_same_however_the_stream_is_cut() {
        let stream = b"event: ready\ndata: {}\n\n:\n\nevent: invocation\ndata: {\"a\": \"\xc3\xa9\"}\n\nevent: x";
        let wanted = [event("ready", "{}"), event("invocation", "{\"a\": \"\u{e9}\"}")];
        for size in 1..=stream.len() {
            let mut events = Events::default();
            let pieces = stream.chunks(size).flat_map(|piece| events.take(piece).unwrap());
            assert_eq!(pieces.collect::<Vec<_>>(), wanted, "in pieces of {size}");
        }
    }

    #[test]
    fn an_event_without_an_end_is_not_kept_for_ever() {
        let mut events = Events::default();
        let piece = vec![b'x'; EVENT_BYTES_MAX];
        assert_eq!(events.take(&piece).unwrap(), []);
        assert!(events.take(b"x").is_err());
    }
}
