//! What the span of a call says of it, and which calls have none.

use std::sync::{Arc, Mutex};

use http::uri::PathAndQuery;
use tokio_util::sync::CancellationToken;
use tonic::Request;
use tonic::client::Grpc;
use tonic_prost::ProstCodec;
use tripline_contracts::pb::auth_client::AuthClient;
use tripline_contracts::pb::{AuthenticateRequest, GrantRequest, Rule};
use tripline_contracts::transport::{self, Client, Listener, Prove};
use tripline_kernel::{Entropy, ErrorKind};
use tripline_signing::ServiceKey;
use tripline_trace::{Record, Recorder, TraceContext, Tracer, Value, within};

use crate::{KINDS, Noon, serve};

const SAMPLED: TraceContext = TraceContext { trace_id: [1; 16], span_id: [2; 8], sampled: true };

struct Sevens;

impl Entropy for Sevens {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

#[derive(Default)]
struct Shelf(Mutex<Vec<Record>>);

impl Recorder for Shelf {
    fn record(&self, span: Record) {
        self.0.lock().expect("nothing panics while it holds this lock").push(span);
    }
}

impl Shelf {
    /// The only span since this was last asked.
    fn only(&self) -> Record {
        let mut spans =
            std::mem::take(&mut *self.0.lock().expect("nothing panics while it holds this lock"));
        assert_eq!(spans.len(), 1, "{spans:?}");
        spans.remove(0)
    }
}

/// A server whose spans are put on the shelf, and a client that proves itself with `key`; the server's is `[1; 32]`.
fn connect(key: [u8; 32], stop: &CancellationToken) -> (Arc<Shelf>, Client) {
    let shelf = Arc::new(Shelf::default());
    let tracer = Tracer::new(shelf.clone(), Arc::new(Noon), Arc::new(Sevens));
    let (channel, incoming) = transport::in_memory();
    serve(Listener::Memory(incoming), &Arc::new(ServiceKey::derive(&[1; 32])), tracer, stop);
    let prove = Prove::new(Arc::new(ServiceKey::derive(&key)), Arc::new(Noon));
    (shelf, Client::new(channel, prove))
}

fn said<'a>(span: &'a Record, name: &str) -> Option<&'a Value> {
    span.attributes.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
}

#[tokio::test]
async fn a_span_says_how_its_call_ended() {
    let stop = CancellationToken::new();
    let (shelf, client) = connect([1; 32], &stop);
    let mut client = AuthClient::new(client);
    within(Some(SAMPLED), client.grant(GrantRequest::default())).await.unwrap();
    let span = shelf.only();
    assert_eq!(span.name, "tripline.v1.Auth/Grant");
    assert_eq!(said(&span, "rpc.service"), Some(&Value::from("tripline.v1.Auth")));
    assert_eq!(said(&span, "rpc.method"), Some(&Value::from("Grant")));
    assert_eq!(said(&span, "rpc.grpc.status_code"), Some(&Value::from(0)));
    assert_eq!((span.failure, span.parent), (None, SAMPLED.span_id));

    for (kind, number, failed) in [
        (ErrorKind::Invalid, 3, false),
        (ErrorKind::NotFound, 5, false),
        (ErrorKind::Exhausted, 8, false),
        (ErrorKind::Timeout, 4, true),
        (ErrorKind::Internal, 13, true),
        (ErrorKind::Unavailable, 14, true),
    ] {
        let index = KINDS.iter().position(|known| *known == kind).unwrap();
        let request = AuthenticateRequest { api_key: index.to_string() };
        within(Some(SAMPLED), client.authenticate(request)).await.unwrap_err();
        let span = shelf.only();
        assert_eq!(said(&span, "rpc.grpc.status_code"), Some(&Value::from(number)), "{kind:?}");
        assert_eq!(span.failure.is_some(), failed, "{kind:?}: {span:?}");
    }
    stop.cancel();
}

#[tokio::test]
async fn whoever_proves_nothing_leaves_no_span() {
    let stop = CancellationToken::new();
    let (shelf, client) = connect([2; 32], &stop);
    let mut client = AuthClient::new(client);
    let refused = within(Some(SAMPLED), client.grant(GrantRequest::default()));
    assert_eq!(refused.await.unwrap_err().code(), tonic::Code::Unauthenticated);
    assert_eq!(*shelf.0.lock().expect("nothing panics while it holds this lock"), []);
    stop.cancel();
}

#[tokio::test]
async fn a_span_holds_no_long_text_of_the_caller() {
    let stop = CancellationToken::new();
    let (shelf, client) = connect([1; 32], &stop);
    let path: PathAndQuery = format!("/{}/Method", "long".repeat(1_000)).parse().unwrap();
    let mut grpc = Grpc::new(client);
    grpc.ready().await.unwrap();
    let codec = ProstCodec::<GrantRequest, Rule>::default();
    let call = grpc.unary(Request::new(GrantRequest::default()), path, codec);
    assert_eq!(within(Some(SAMPLED), call).await.unwrap_err().code(), tonic::Code::Unimplemented);
    let span = shelf.only();
    assert_eq!(span.name, "_OTHER");
    assert_eq!(said(&span, "rpc.method"), Some(&Value::from("_OTHER")));
    assert_eq!(said(&span, "rpc.service"), None);
    assert!(span.failure.is_some(), "{span:?}");
    stop.cancel();
}
