//! Making spans.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use tripline_kernel::{Clock, Entropy, Timestamp};

use crate::TraceContext;

/// What side of a conversation a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Answers a request.
    Server,
    /// Sends a request and waits for its answer.
    Client,
    /// Puts a message where others take it from later.
    Producer,
    /// Takes a message that was put there earlier.
    Consumer,
}

/// What an attribute says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(Cow<'static, str>),
    /// A number.
    Number(i64),
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

/// A span that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its own place in the trace.
    pub context: TraceContext,
    /// The span that it belongs to, made by another process or by this one.
    pub parent: [u8; 8],
    /// What is done, such as `publish`.
    pub name: Cow<'static, str>,
    /// What side of a conversation it is.
    pub kind: Kind,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// Details, by the names of OpenTelemetry's semantic conventions.
    pub attributes: Vec<(&'static str, Value)>,
    /// Why it failed, if it did.
    pub failure: Option<Cow<'static, str>>,
}

/// Takes spans that have ended.
pub trait Recorder: Send + Sync + 'static {
    /// Takes a span, or drops it and counts that. Never waits and never fails: work goes on whatever becomes of its span.
    fn record(&self, span: Record);
}

/// Makes spans, or none when it is off. Cheap to clone.
#[derive(Clone, Default)]
pub struct Tracer(Option<Arc<Inner>>);

struct Inner {
    recorder: Arc<dyn Recorder>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Tracer(on)" } else { "Tracer(off)" })
    }
}

impl Tracer {
    /// Hands ended spans to `recorder`. [`Tracer::default`] is off.
    #[must_use]
    pub fn new(
        recorder: Arc<dyn Recorder>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self(Some(Arc::new(Inner { recorder, clock, entropy })))
    }

    /// Whether it makes spans at all: what is only looked up for a span need not be looked up when it is off.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Begins a span below the one that `traceparent` names. Nothing when this tracer is off, or there is no
    /// `traceparent`, or it is not valid, or its trace is not sampled.
    #[must_use]
    pub fn continued(
        &self,
        traceparent: Option<&str>,
        kind: Kind,
        name: &'static str,
    ) -> Option<Span> {
        let traceparent = traceparent.filter(|_| self.is_on())?;
        self.below(traceparent.parse().ok(), kind, name)
    }

    /// Begins a span below `parent`. Nothing when this tracer is off, or there is no sampled parent.
    #[must_use]
    pub fn below(
        &self,
        parent: Option<TraceContext>,
        kind: Kind,
        name: impl Into<Cow<'static, str>>,
    ) -> Option<Span> {
        let tracer = Arc::clone(self.0.as_ref()?);
        let parent = parent.filter(|parent| parent.sampled)?;
        let mut span_id = [0; 8];
        // All zeros, the one id that means no span, is as good as never drawn.
        while span_id == [0; 8] {
            tracer.entropy.fill(&mut span_id);
        }
        let now = tracer.clock.now();
        let record = Record {
            context: TraceContext { span_id, ..parent },
            parent: parent.span_id,
            name: name.into(),
            kind,
            started_at: now,
            ended_at: now,
            attributes: Vec::new(),
            failure: None,
        };
        Some(Span { record: Some(record), context: TraceContext { span_id, ..parent }, tracer })
    }
}

/// A span under way. It ends when it is dropped.
#[must_use = "a span ends when it is dropped"]
pub struct Span {
    /// Taken only by the drop.
    record: Option<Record>,
    context: TraceContext,
    tracer: Arc<Inner>,
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Span({})", self.context)
    }
}

impl Span {
    /// Where what this span brings about belongs.
    #[must_use]
    pub fn context(&self) -> TraceContext {
        self.context
    }

    /// Names it anew, once more is known.
    pub fn rename(&mut self, name: impl Into<Cow<'static, str>>) {
        if let Some(record) = &mut self.record {
            record.name = name.into();
        }
    }

    /// Says a detail.
    pub fn set(&mut self, attribute: &'static str, value: impl Into<Value>) {
        if let Some(record) = &mut self.record {
            record.attributes.push((attribute, value.into()));
        }
    }

    /// Says that what was done failed, and why.
    pub fn fail(&mut self, why: impl Into<Cow<'static, str>>) {
        if let Some(record) = &mut self.record {
            record.failure = Some(why.into());
        }
    }

    /// Ends it unrecorded.
    pub fn discard(mut self) {
        self.record = None;
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if let Some(mut record) = self.record.take() {
            // A clock that was set back must not give a span that ends before it begins.
            record.ended_at = self.tracer.clock.now().max(record.started_at);
            self.tracer.recorder.record(record);
        }
    }
}
