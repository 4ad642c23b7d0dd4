//! Which requests leave spans, and what these say.

use std::sync::{Arc, Mutex};

use tripline_trace::{Record, Recorder, Value};

use crate::support::log::Mode;
use crate::support::{Stack, event};

const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const EVENTS: &str = "/v1/buses/default/events";
const EVENT: &str = "application/cloudevents+json";

#[derive(Default)]
struct Shelf(Mutex<Vec<Record>>);

impl Recorder for Shelf {
    fn record(&self, span: Record) {
        self.0.lock().unwrap().push(span);
    }
}

impl Shelf {
    /// The spans since this was last asked. A span is recorded before its request is answered.
    fn take(&self) -> Vec<Record> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

async fn traced() -> (Arc<Shelf>, Stack) {
    let shelf = Arc::new(Shelf::default());
    (shelf.clone(), Stack::traced(shelf).await)
}

fn said<'a>(span: &'a Record, name: &str) -> Option<&'a Value> {
    span.attributes.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_that_fails_has_failed_spans() {
    let (shelf, stack) = traced().await;
    let publish = || stack.request("POST", EVENTS).header("traceparent", SAMPLED);
    assert_eq!(publish().body(EVENT, event("1")).send().await.status, 202);
    let spans = shelf.take();
    let [publish_span, request] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!((&*publish_span.name, &*request.name), ("publish", "POST /v1/buses/{bus}/events"));
    assert!(publish_span.failure.is_none() && request.failure.is_none(), "{spans:?}");
    assert_eq!(publish_span.parent, request.context.span_id);

    stack.log.set(Mode::Refuse);
    publish().body(EVENT, event("2")).send().await.problem(503, "log-unavailable");
    let spans = shelf.take();
    let [publish_span, request] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!(publish_span.failure.as_deref(), Some("log-unavailable"));
    assert_eq!(said(publish_span, "error.type"), Some(&"log-unavailable".into()));
    assert_eq!(request.failure.as_deref(), Some("503"));

    publish().body(EVENT, "{}").send().await.problem(422, "invalid-event");
    let spans = shelf.take();
    let [publish_span, request] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!(publish_span.failure.as_deref(), Some("invalid-event"));
    assert_eq!(request.failure, None, "what the caller did wrong is no failure of the server");
    assert_eq!(said(request, "http.response.status_code"), Some(&Value::from(422)));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_shows_no_key_leaves_no_span() {
    let (shelf, stack) = traced().await;
    for (method, path, status) in [
        ("GET", "/v1/stats", 401),
        ("POST", EVENTS, 401),
        ("OPTIONS", EVENTS, 200),
        ("GET", "/nowhere", 404),
    ] {
        let answer = stack.bare(method, path).header("traceparent", SAMPLED).send().await;
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(shelf.take(), [], "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_span_is_named_after_methods_that_there_are() {
    let (shelf, stack) = traced().await;
    let long = "M".repeat(4_096);
    for (method, name, known) in [
        ("PATCH", "PATCH /v1/buses", "PATCH"),
        ("BREW", "HTTP /v1/buses", "_OTHER"),
        (&long, "HTTP /v1/buses", "_OTHER"),
    ] {
        let request = stack.request(method, "/v1/buses").header("traceparent", SAMPLED);
        assert_eq!(request.send().await.status, 405);
        let spans = shelf.take();
        let [span] = &spans[..] else { panic!("{spans:?}") };
        assert_eq!(span.name, name);
        assert_eq!(said(span, "http.request.method"), Some(&Value::from(known)));
    }
}
