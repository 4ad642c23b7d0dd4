//! How the services reach each other: over TCP when apart, over memory when in one process. Every call carries a token.

mod traced;

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Request, Status};
use tripline_kernel::{Clock, Timestamp};
use tripline_signing::ServiceKey;
use tripline_trace::{TRACEPARENT, Tracer};

use traced::TraceLayer;

/// How long opening a connection may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes that wait in an in-memory connection before its writer does.
const DUPLEX_BYTES: usize = 256 * 1024;
/// In-memory connections that wait to be accepted.
const CONNECTIONS_WAITING_MAX: usize = 64;
/// A client makes a new token when the one at hand has less than this left.
const TOKEN_RENEW_BEFORE: Duration = Duration::from_secs(20);

/// A channel to a service, with this service's proof of identity on every call.
pub type Client = InterceptedService<Channel, Prove>;

/// A channel to the service at `address` (such as `http://127.0.0.1:8102`). Connects when first used, and again when lost.
///
/// # Errors
/// When the address is not a URI.
pub fn connect(address: &str) -> Result<Channel, tonic::transport::Error> {
    let endpoint = Endpoint::from_shared(address.to_owned())?
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(5))
        .keep_alive_while_idle(true)
        .tcp_nodelay(true);
    Ok(endpoint.connect_lazy())
}

/// Connections as a gRPC server in this process accepts them.
pub type Incoming = ReceiverStream<io::Result<DuplexStream>>;

/// A channel within this process, and the side that its server accepts connections from.
#[must_use]
pub fn in_memory() -> (Channel, Incoming) {
    let (offer, accept) = mpsc::channel(CONNECTIONS_WAITING_MAX);
    let connector = tower::service_fn(move |_: Uri| {
        let offer = offer.clone();
        async move {
            let (ours, theirs) = tokio::io::duplex(DUPLEX_BYTES);
            let gone =
                || io::Error::new(io::ErrorKind::ConnectionRefused, "the service has stopped");
            offer.send(Ok(theirs)).await.map_err(|_| gone())?;
            Ok::<_, io::Error>(TokioIo::new(ours))
        }
    });
    let channel = Endpoint::from_static("http://in-memory").connect_with_connector_lazy(connector);
    (channel, ReceiverStream::new(accept))
}

/// Puts this service's token on each call, and the trace that the calling task works in.
#[derive(Clone)]
pub struct Prove {
    key: Arc<ServiceKey>,
    clock: Arc<dyn Clock>,
    current: Arc<Mutex<Option<Token>>>,
}

/// A token, as it goes into the call, and when to make the next.
struct Token {
    value: MetadataValue<Ascii>,
    renew_at: Timestamp,
}

impl Prove {
    /// Proves with tokens made with `key`.
    pub fn new(key: Arc<ServiceKey>, clock: Arc<dyn Clock>) -> Self {
        Self { key, clock, current: Arc::default() }
    }
}

impl Interceptor for Prove {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let now = self.clock.now();
        let mut current = self.current.lock().expect("nothing panics while it holds this lock");
        let value = match &*current {
            Some(token) if now < token.renew_at => token.value.clone(),
            _ => {
                let token = self.key.mint(now);
                let value: MetadataValue<Ascii> = format!("Bearer {token}")
                    .parse()
                    .map_err(|_| Status::internal("a token is ASCII"))?;
                let renew_at = now.after(ServiceKey::TOKEN_LIFETIME - TOKEN_RENEW_BEFORE);
                *current = Some(Token { value: value.clone(), renew_at });
                value
            }
        };
        request.metadata_mut().insert("authorization", value);
        if let Some(context) = tripline_trace::current()
            && let Ok(context) = context.to_string().parse()
        {
            request.metadata_mut().insert(TRACEPARENT, context);
        }
        Ok(request)
    }
}

/// Refuses calls without a valid token.
#[derive(Clone)]
pub struct Demand {
    key: Arc<ServiceKey>,
    clock: Arc<dyn Clock>,
}

impl Demand {
    /// Takes tokens made with `key`.
    pub fn new(key: Arc<ServiceKey>, clock: Arc<dyn Clock>) -> Self {
        Self { key, clock }
    }
}

impl Interceptor for Demand {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let token = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
        let token = token.and_then(|value| value.strip_prefix("Bearer "));
        match token {
            Some(token) if self.key.verify(token, self.clock.now()) => Ok(request),
            Some(_) | None => Err(Status::unauthenticated("this call needs a service token")),
        }
    }
}

/// Where a gRPC server accepts connections from.
pub enum Listener {
    /// Other processes.
    Tcp(tokio::net::TcpListener),
    /// This process.
    Memory(Incoming),
}

/// Serves until `stop` is cancelled; a call of a sampled trace gets a span from `tracer`. Then finishes what is under way. Streams must end by themselves when `stop` is cancelled.
///
/// # Errors
/// When accepting connections fails for good.
pub async fn serve(
    listener: Listener,
    routes: tonic::service::Routes,
    tracer: Tracer,
    stop: tokio_util::sync::CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let server = tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(10)))
        .layer(TraceLayer(tracer))
        .add_routes(routes);
    let stopped = stop.cancelled_owned();
    match listener {
        Listener::Tcp(listener) => {
            let incoming =
                tonic::transport::server::TcpIncoming::from(listener).with_nodelay(Some(true));
            server.serve_with_incoming_shutdown(incoming, stopped).await
        }
        Listener::Memory(incoming) => server.serve_with_incoming_shutdown(incoming, stopped).await,
    }
}
