//! What travels from hop to hop.

use std::fmt;

use data_encoding::HEXLOWER;

/// The bit of the flags that says that the trace is recorded.
const SAMPLED: u8 = 1;

/// One span's place in a trace, as `traceparent` carries it (W3C Trace Context, section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// Identifies the trace. Not all zeros.
    pub trace_id: [u8; 16],
    /// Identifies the span that is the parent of what comes. Not all zeros.
    pub span_id: [u8; 8],
    /// Whether the trace is recorded.
    pub sampled: bool,
}

/// The text is not a `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidTraceparent;

impl fmt::Display for InvalidTraceparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a traceparent is written as in W3C Trace Context")
    }
}

impl std::error::Error for InvalidTraceparent {}

impl std::str::FromStr for TraceContext {
    type Err = InvalidTraceparent;

    fn from_str(text: &str) -> Result<Self, InvalidTraceparent> {
        let mut fields = text.split('-');
        let version: [u8; 1] = hex(fields.next())?;
        let trace_id = hex(fields.next())?;
        let span_id = hex(fields.next())?;
        let [flags] = hex(fields.next())?;
        // Only a later version may have more fields.
        let surplus = version == [0] && fields.next().is_some();
        if version == [0xff] || surplus || trace_id == [0; 16] || span_id == [0; 8] {
            return Err(InvalidTraceparent);
        }
        Ok(Self { trace_id, span_id, sampled: flags & SAMPLED != 0 })
    }
}

fn hex<const N: usize>(field: Option<&str>) -> Result<[u8; N], InvalidTraceparent> {
    let field = field.filter(|field| field.len() == 2 * N).ok_or(InvalidTraceparent)?;
    let mut bytes = [0; N];
    HEXLOWER.decode_mut(field.as_bytes(), &mut bytes).map_err(|_| InvalidTraceparent)?;
    Ok(bytes)
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (trace, span) = (HEXLOWER.encode(&self.trace_id), HEXLOWER.encode(&self.span_id));
        write!(f, "00-{trace}-{span}-{:02x}", u8::from(self.sampled))
    }
}
