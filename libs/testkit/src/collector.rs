//! A collector of OpenTelemetry that remembers the spans it was sent.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use tokio_util::sync::DropGuard;
use tonic::{Request, Response, Status};

use crate::thread;

/// Most spans that are remembered; what comes later is refused.
const SPANS_MAX: usize = 100_000;

/// A span that was sent. Ids are in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The `service.name` of the process that made it.
    pub service: String,
    /// The trace it is of.
    pub trace_id: String,
    /// Its own id.
    pub span_id: String,
    /// The id of the span above it; empty when it has none.
    pub parent_id: String,
    /// What was done.
    pub name: String,
    /// Whether it failed.
    pub failed: bool,
    /// What it says besides, by name, each value as `Debug` shows it.
    pub attributes: Vec<(String, String)>,
}

/// A collector on a loopback port of its own, over OTLP with gRPC. Stops when dropped.
#[derive(Debug)]
pub struct Collector {
    addr: SocketAddr,
    spans: Arc<Mutex<Vec<Span>>>,
    _thread: DropGuard,
}

impl Collector {
    /// Starts one.
    ///
    /// # Panics
    /// When the system grants no port or thread.
    #[must_use]
    pub fn start() -> Self {
        let listen = || -> anyhow::Result<_> {
            let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            listener.set_nonblocking(true)?;
            let (addr, spans) = (listener.local_addr()?, Arc::default());
            let service = Service(Arc::clone(&spans));
            let thread = thread::run("testkit-collector", move || serve(listener, service))?;
            Ok(Self { addr, spans, _thread: thread })
        };
        listen().expect("the system grants one port and one thread")
    }

    /// What a process is told to send its spans to.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The spans so far, in the order in which they came.
    #[must_use]
    pub fn spans(&self) -> Vec<Span> {
        self.spans.lock().expect("nothing panics while it holds this lock").clone()
    }
}

async fn serve(listener: std::net::TcpListener, service: Service) {
    let listener = tokio::net::TcpListener::from_std(listener);
    let incoming = tonic::transport::server::TcpIncoming::from(
        listener.expect("the listener is non-blocking"),
    );
    let server = tonic::transport::Server::builder().add_service(TraceServiceServer::new(service));
    // It ends with the thread.
    let _ = server.serve_with_incoming(incoming).await;
}

struct Service(Arc<Mutex<Vec<Span>>>);

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut spans = self.0.lock().expect("nothing panics while it holds this lock");
        for of_process in request.into_inner().resource_spans {
            let attributes = of_process.resource.unwrap_or_default().attributes;
            let name = attributes.into_iter().find(|attribute| attribute.key == "service.name");
            let service = match name.and_then(|name| name.value).and_then(|value| value.value) {
                Some(Value::StringValue(name)) => name,
                _ => String::new(),
            };
            for span in of_process.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                if spans.len() >= SPANS_MAX {
                    return Err(Status::resource_exhausted("no more spans are remembered"));
                }
                let attributes = span.attributes.into_iter();
                let attributes = attributes.map(|said| (said.key, format!("{:?}", said.value)));
                spans.push(Span {
                    service: service.clone(),
                    trace_id: hex(&span.trace_id),
                    span_id: hex(&span.span_id),
                    parent_id: hex(&span.parent_span_id),
                    name: span.name,
                    attributes: attributes.collect(),
                    // 2 is STATUS_CODE_ERROR.
                    failed: span.status.is_some_and(|status| status.code == 2),
                });
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
