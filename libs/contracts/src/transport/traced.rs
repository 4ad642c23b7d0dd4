//! A span for each call of a sampled trace that a server answers.
//!
//! It begins before the caller has proved who it is, so it copies no more than a named length of what the caller says,
//! and a call that ends `UNAUTHENTICATED` leaves none. The status is that of the head of the answer: what goes wrong
//! later in a stream is not seen.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{HeaderMap, Request, Response};
use tokio_util::either::Either;
use tonic::Code;
use tower::{Layer, Service};
use tripline_trace::{Kind, Span, TRACEPARENT, Tracer, within};

/// Longest path that a span is named after, in bytes. None of ours is as long; what is longer counts as no method.
const PATH_BYTES_MAX: usize = 128;
/// The name of what is no method (OpenTelemetry's conventions for RPC).
const NO_METHOD: &str = "_OTHER";
/// Where the status of a call stands that has no other answer.
const GRPC_STATUS: &str = "grpc-status";

/// Wraps what answers calls.
#[derive(Clone)]
pub(super) struct TraceLayer(pub(super) Tracer);

impl<S> Layer<S> for TraceLayer {
    type Service = Traced<S>;

    fn layer(&self, inner: S) -> Traced<S> {
        Traced { inner, tracer: self.0.clone() }
    }
}

/// Answers calls within their spans.
#[derive(Clone)]
pub(super) struct Traced<S> {
    inner: S,
    tracer: Tracer,
}

impl<S, B, R> Service<Request<B>> for Traced<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    /// Boxed only when it is traced.
    type Future = Either<S::Future, Pin<Box<dyn Future<Output = Answer<S, B>> + Send>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Some(span) = begin(&self.tracer, &request) else {
            return Either::Left(self.inner.call(request));
        };
        let answering = self.inner.call(request);
        Either::Right(Box::pin(async move {
            let answer = within(Some(span.context()), answering).await;
            end(span, answer.as_ref().map_or(Code::Unknown, |answer| code(answer.headers())));
            answer
        }))
    }
}

type Answer<S, B> = Result<<S as Service<Request<B>>>::Response, <S as Service<Request<B>>>::Error>;

fn begin<B>(tracer: &Tracer, request: &Request<B>) -> Option<Span> {
    if !tracer.is_on() {
        return None;
    }
    let parent = request.headers().get(TRACEPARENT)?.to_str().ok()?.parse().ok();
    let mut span = tracer.below(parent, Kind::Server, NO_METHOD)?;
    span.set("rpc.system", "grpc");
    // A path of gRPC is /package.Service/Method.
    let path = request.uri().path().trim_start_matches('/');
    match path.rsplit_once('/').filter(|_| path.len() <= PATH_BYTES_MAX) {
        Some((service, method)) => {
            span.rename(path.to_owned());
            span.set("rpc.service", service.to_owned());
            span.set("rpc.method", method.to_owned());
        }
        None => span.set("rpc.method", NO_METHOD),
    }
    Some(span)
}

/// What a handler that fails says at once; one that does not has done its work, or begins a stream.
fn code(headers: &HeaderMap) -> Code {
    let Some(status) = headers.get(GRPC_STATUS) else { return Code::Ok };
    let number = status.to_str().ok().and_then(|status| status.parse().ok());
    number.map_or(Code::Unknown, Code::from_i32)
}

fn end(mut span: Span, code: Code) {
    if code == Code::Unauthenticated {
        return span.discard();
    }
    span.set("rpc.grpc.status_code", i64::from(i32::from(code)));
    // Those that are a server's failure, by OpenTelemetry's conventions for gRPC.
    let ours = [
        Code::Unknown,
        Code::DeadlineExceeded,
        Code::Unimplemented,
        Code::Internal,
        Code::Unavailable,
        Code::DataLoss,
    ];
    if ours.contains(&code) {
        span.fail(code.description());
    }
}
