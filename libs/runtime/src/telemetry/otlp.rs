//! Spans, to a collector, over OTLP.
//!
//! Whatever the collector does, the service does not notice: spans wait in a bounded queue, and what does not fit, or
//! cannot be delivered, is dropped and counted.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks};
use prometheus_client::metrics::counter::Counter;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tripline_kernel::Timestamp;
use tripline_trace::{Kind, Record, Recorder, Tracer, Value};

use crate::{BuildInfo, Context};

/// Most spans that wait to be sent.
const SPANS_WAITING_MAX: usize = 4_096;
/// Most spans in one request.
const BATCH_MAX: usize = 512;
/// A request is sent at most this often, so that spans travel together.
const EXPORT_EVERY: Duration = Duration::from_millis(500);
/// How long the collector may take for one request.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the last spans may hold up the end of the process.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);
/// Failures are told of at most this often.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Sends the spans of one process.
pub(crate) struct Export {
    sending: JoinHandle<()>,
    stop: CancellationToken,
}

/// The collector's address cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("spans cannot be sent to {endpoint}: {cause}")]
pub(crate) struct Error {
    endpoint: String,
    cause: String,
}

impl Export {
    /// Begins to send spans to the collector at `endpoint`, and answers what makes them. Must be called within tokio.
    ///
    /// # Errors
    /// When the endpoint is not a URI. Whether anyone is there is not looked at.
    pub(crate) fn begin(
        endpoint: &str,
        info: BuildInfo,
        context: &Context,
    ) -> Result<(Self, Tracer), Error> {
        let built = SpanExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .with_timeout(EXPORT_TIMEOUT)
            .build();
        let mut exporter = built
            .map_err(|error| Error { endpoint: endpoint.to_owned(), cause: error.to_string() })?;
        let resource = Resource::builder_empty()
            .with_service_name(info.service)
            .with_attribute(KeyValue::new("service.version", info.version))
            .with_attribute(KeyValue::new("service.instance.id", instance(context)))
            .build();
        exporter.set_resource(&resource);
        let counters = Counters::register(context);
        let (queue, waiting) = mpsc::channel(SPANS_WAITING_MAX);
        let stop = CancellationToken::new();
        let scope = InstrumentationScope::builder("tripline").with_version(info.version).build();
        let sender = Sender { exporter, scope, counters: counters.clone(), told: None };
        let sending = tokio::spawn(sender.run(waiting, stop.clone()));
        let recorder = Arc::new(Queue { queue, dropped: counters.dropped });
        let (clock, entropy) = (Arc::clone(&context.clock), Arc::clone(&context.entropy));
        Ok((Self { sending, stop }, Tracer::new(recorder, clock, entropy)))
    }

    /// Sends what waits, within a short time, and ends.
    pub(crate) async fn end(self) {
        self.stop.cancel();
        if timeout(FLUSH_TIMEOUT, self.sending).await.is_err() {
            tracing::warn!("the last spans could not be sent in time");
        }
    }
}

/// Tells the replicas of a service apart.
fn instance(context: &Context) -> String {
    tripline_kernel::Uid::new(&*context.clock, &*context.entropy).to_string()
}

#[derive(Clone)]
struct Counters {
    exported: Counter,
    dropped: Counter,
}

impl Counters {
    fn register(context: &Context) -> Self {
        let counters = Self { exported: Counter::default(), dropped: Counter::default() };
        context.metrics.register(|registry| {
            let exported = counters.exported.clone();
            registry.register("spans_exported", "Spans that the collector has taken", exported);
            let (name, help) =
                ("spans_dropped", "Spans lost: the queue was full, or sending failed");
            registry.register(name, help, counters.dropped.clone());
        });
        counters
    }
}

/// Where spans wait.
struct Queue {
    queue: mpsc::Sender<Record>,
    dropped: Counter,
}

impl Recorder for Queue {
    fn record(&self, span: Record) {
        if self.queue.try_send(span).is_err() {
            self.dropped.inc();
        }
    }
}

struct Sender {
    exporter: SpanExporter,
    scope: InstrumentationScope,
    counters: Counters,
    told: Option<tokio::time::Instant>,
}

impl Sender {
    async fn run(mut self, mut waiting: mpsc::Receiver<Record>, stop: CancellationToken) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        loop {
            tokio::select! {
                biased;
                came = waiting.recv_many(&mut batch, BATCH_MAX) => if came == 0 { return },
                () = stop.cancelled() => return,
            }
            // More may come meanwhile; a full batch need not wait for it.
            if batch.len() < BATCH_MAX {
                let _stopped = timeout(EXPORT_EVERY, stop.cancelled()).await;
                while batch.len() < BATCH_MAX
                    && let Ok(span) = waiting.try_recv()
                {
                    batch.push(span);
                }
            }
            self.send(batch.drain(..)).await;
        }
    }

    async fn send(&mut self, batch: impl ExactSizeIterator<Item = Record>) {
        let count = batch.len() as u64;
        let spans = batch.map(|record| span(record, &self.scope)).collect();
        let sent = timeout(EXPORT_TIMEOUT, self.exporter.export(spans)).await;
        let failure = match sent {
            Ok(Ok(())) => {
                self.counters.exported.inc_by(count);
                return;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {EXPORT_TIMEOUT:?}"),
        };
        self.counters.dropped.inc_by(count);
        if self.told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            self.told = Some(tokio::time::Instant::now());
            tracing::warn!(error = failure, spans = count, "spans could not be sent");
        }
    }
}

fn span(record: Record, scope: &InstrumentationScope) -> SpanData {
    let context = record.context;
    let attributes = record.attributes.into_iter().map(|(name, value)| match value {
        Value::Text(text) => KeyValue::new(name, text),
        Value::Number(number) => KeyValue::new(name, number),
    });
    SpanData {
        span_context: SpanContext::new(
            TraceId::from_bytes(context.trace_id),
            SpanId::from_bytes(context.span_id),
            TraceFlags::SAMPLED,
            false,
            TraceState::NONE,
        ),
        parent_span_id: SpanId::from_bytes(record.parent),
        parent_span_is_remote: matches!(record.kind, Kind::Server | Kind::Consumer),
        span_kind: match record.kind {
            Kind::Server => SpanKind::Server,
            Kind::Client => SpanKind::Client,
            Kind::Producer => SpanKind::Producer,
            Kind::Consumer => SpanKind::Consumer,
        },
        name: record.name,
        start_time: system_time(record.started_at),
        end_time: system_time(record.ended_at),
        attributes: attributes.collect(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: record.failure.map_or(Status::Unset, Status::error),
        instrumentation_scope: scope.clone(),
    }
}

fn system_time(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + at.since(Timestamp::from_micros(0))
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;
    use tripline_trace::TraceContext;

    use super::*;

    #[tokio::test]
    async fn spans_that_nobody_takes_are_counted_and_hold_up_nobody() {
        // Nobody listens on port 1.
        nobody_takes("http://127.0.0.1:1").await;
        // One who lets others connect, and then says nothing.
        let hangs = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        nobody_takes(&format!("http://{}", hangs.local_addr().unwrap())).await;
    }

    async fn nobody_takes(endpoint: &str) {
        const RECORDED: usize = SPANS_WAITING_MAX + 100;
        let context = Context::system(CancellationToken::new());
        let info = BuildInfo { version: "1", commit: "c", service: "sample" };
        let (export, tracer) = Export::begin(endpoint, info, &context).unwrap();
        let parent = TraceContext { trace_id: [1; 16], span_id: [2; 8], sampled: true };
        let begun = Instant::now();
        for _ in 0..RECORDED {
            drop(tracer.below(Some(parent), Kind::Server, "x"));
        }
        // The sender has had no turn yet: what does not fit is dropped at once.
        let full = format!("spans_dropped_total {}\n", RECORDED - SPANS_WAITING_MAX);
        assert!(context.metrics.render().contains(&full), "{}", context.metrics.render());
        export.end().await;
        assert!(begun.elapsed() < FLUSH_TIMEOUT + EXPORT_TIMEOUT, "{:?}", begun.elapsed());
        assert!(context.metrics.render().contains("spans_exported_total 0\n"));
    }

    #[tokio::test]
    async fn an_endpoint_that_is_no_address_is_refused_at_the_start() {
        let context = Context::system(CancellationToken::new());
        let info = BuildInfo { version: "1", commit: "c", service: "sample" };
        assert!(Export::begin("http://", info, &context).is_err());
    }
}
