//! A span for each call of a sampled trace that a server answers.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Request;
use tokio_util::either::Either;
use tower::{Layer, Service};
use tripline_trace::{Kind, Span, TRACEPARENT, Tracer, within};

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

impl<S, B> Service<Request<B>> for Traced<S>
where
    S: Service<Request<B>>,
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
        Either::Right(Box::pin(async move { within(Some(span.context()), answering).await }))
    }
}

type Answer<S, B> = Result<<S as Service<Request<B>>>::Response, <S as Service<Request<B>>>::Error>;

fn begin<B>(tracer: &Tracer, request: &Request<B>) -> Option<Span> {
    if !tracer.is_on() {
        return None;
    }
    let traceparent = request.headers().get(TRACEPARENT)?.to_str().ok()?.parse().ok();
    // A path of gRPC is /package.Service/Method.
    let path = request.uri().path().trim_start_matches('/').to_owned();
    let mut span = tracer.below(traceparent, Kind::Server, path.clone())?;
    let (service, method) = path.rsplit_once('/').unwrap_or((&path, ""));
    span.set("rpc.system", "grpc");
    span.set("rpc.service", service.to_owned());
    span.set("rpc.method", method.to_owned());
    Some(span)
}
