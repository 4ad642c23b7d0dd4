//! Publishing: modes, answers per event, what reaches the log, what happens when it does not.

use std::sync::atomic::Ordering;
use std::time::Instant;

use serde_json::{Value, json};
use tripline_event::Origin;

use crate::support::log::Mode;
use crate::support::registry::FakeRegistry;
use crate::support::{API_KEY, BUS, PARTITIONS, Stack, event, eventually};

const EVENTS: &str = "/v1/buses/default/events";
const BATCH: &str = "application/cloudevents-batch+json";

fn statuses(answer: &Value) -> Vec<&str> {
    let events = answer["events"].as_array().unwrap();
    events.iter().map(|event| event["status"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_structured_event_reaches_the_log_as_it_was_sent() {
    let stack = Stack::start().await;
    let sent = r#"{"type":"t", "specversion":"1.0","id":"1","source":"/s","myext":7,"data":{"b":1.50,"a":1}}"#;
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let request = stack.request("POST", EVENTS).header("traceparent", traceparent);
    let answer = request.body("application/cloudevents+json; charset=utf-8", sent).send().await;
    assert_eq!(answer.status, 202);
    assert_eq!(
        answer.json(),
        json!({"events": [{"id": "1", "source": "/s", "status": "published"}]})
    );

    let entries = stack.log.entries();
    let [(stream, accepted)] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!(accepted.event.json(), sent);
    assert_eq!(accepted.origin, Origin::ApiKey(API_KEY));
    assert_eq!(accepted.traceparent.as_deref(), Some(traceparent));
    assert_eq!(accepted.accepted_at.as_micros(), 1_750_000_000_000_000);
    assert_eq!((stream.bus, stream.partition), (BUS, accepted.event.partition(PARTITIONS)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_binary_event_reaches_the_log_as_json() {
    let stack = Stack::start().await;
    let request = stack
        .request("POST", EVENTS)
        .header("ce-specversion", "1.0")
        .header("ce-id", "1")
        .header("ce-source", "/s")
        .header("ce-type", "t")
        .header("ce-subject", "caf%C3%A9")
        .header("ce-partitionkey", "k")
        .header("traceparent", "not one");
    let answer = request.json(r#"{"size":1.50}"#).send().await;
    assert_eq!(answer.status, 202);
    let (stream, accepted) = stack.log.entries().remove(0);
    let event: Value = serde_json::from_slice(accepted.event.json()).unwrap();
    assert_eq!(
        event,
        json!({"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "subject": "café",
            "partitionkey": "k", "datacontenttype": "application/json", "data": {"size": 1.5}})
    );
    assert_eq!(accepted.traceparent, None);
    assert_eq!(stream.partition, accepted.event.partition(PARTITIONS));

    let faulty = stack.request("POST", EVENTS).header("ce-id", "1").json("{}").send().await;
    let faults = faulty.problem(422, "invalid-event");
    assert_eq!(
        faults,
        ["/specversion missing-attribute", "/source missing-attribute", "/type missing-attribute"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_of_the_trace_of_its_request_or_else_of_the_one_that_it_names() {
    let traceparent = |span: u8| format!("00-0af7651916cd43dd8448eb211c80319c-{span:016x}-01");
    let event = |id: &str, traceparent: &str| {
        format!(
            r#"{{"specversion":"1.0","id":"{id}","source":"/s","type":"t","traceparent":"{traceparent}"}}"#
        )
    };
    let batch = || format!("[{},{}]", event("1", &traceparent(1)), event("2", &traceparent(2)));
    let stored = |stack: &Stack| {
        let mut stored: Vec<_> = stack.log.entries().into_iter().map(|(_, it)| it).collect();
        stored.sort_by_key(|accepted| accepted.event.id().to_owned());
        stored
            .into_iter()
            .map(|accepted| accepted.traceparent.map(String::from))
            .collect::<Vec<_>>()
    };
    let stack = Stack::start().await;
    assert_eq!(stack.request("POST", EVENTS).body(BATCH, batch()).send().await.status, 202);
    assert_eq!(stack.publish(&event("3", "not one")).await.status, 202);
    let data =
        r#"{"specversion":"1.0","id":"4","source":"/s","type":"t","data":{"traceparent":"x"}}"#;
    assert_eq!(stack.publish(data).await.status, 202);
    assert_eq!(stored(&stack), [Some(traceparent(1)), Some(traceparent(2)), None, None]);

    let stack = Stack::start().await;
    let request = stack.request("POST", EVENTS).header("traceparent", &traceparent(9));
    assert_eq!(request.body(BATCH, batch()).send().await.status, 202);
    assert_eq!(stored(&stack), [Some(traceparent(9)), Some(traceparent(9))], "the nearer one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_invalid_event_is_a_problem_that_names_the_attribute() {
    let stack = Stack::start().await;
    let answer = stack.publish(r#"{"specversion":"1.0","id":"","source":"/s","Type":"t"}"#).await;
    let faults = answer.problem(422, "invalid-event");
    assert_eq!(
        faults,
        ["/id invalid-attribute", "/Type invalid-attribute-name", "/type missing-attribute"]
    );
    stack.publish("[]").await.problem(400, "malformed-json");
    assert!(stack.log.entries().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_answered_entry_by_entry_in_order() {
    let stack = Stack::start().await;
    let bad = r#"{"specversion":"1.0","id":"bad","source":"/s"}"#;
    let batch = format!("[{},{bad},7,{},{}]", event("1"), event("2"), event("1"));
    let answer = stack.request("POST", EVENTS).body(BATCH, batch).send().await;
    assert_eq!(answer.status, 202);
    let answer = answer.json();
    assert_eq!(
        statuses(&answer),
        ["published", "rejected", "rejected", "published", "deduplicated"]
    );
    let events = &answer["events"];
    assert_eq!((&events[1]["id"], &events[1]["source"]), (&json!("bad"), &json!("/s")));
    assert_eq!(events[1]["error"]["code"], "invalid-event");
    assert_eq!(events[1]["error"]["errors"][0]["pointer"], "/type");
    assert_eq!((&events[2]["id"], &events[2]["source"]), (&Value::Null, &Value::Null));
    assert!(events[0].get("error").is_none());
    let mut ids = stack.log.ids();
    ids.sort();
    assert_eq!(ids, ["1", "2"]);

    let send = |body: &str| stack.request("POST", EVENTS).body(BATCH, body.to_owned()).send();
    assert_eq!(send("[]").await.json(), json!({"events": []}));
    send("{}").await.problem(422, "invalid-event");
    send("[{]").await.problem(400, "malformed-json");
    send(&format!("[{}1]", "1,".repeat(10_000))).await.problem(413, "body-too-large");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_answered_deduplicated_once_the_log_has_confirmed_the_first() {
    let stack = Stack::start().await;
    stack.log.set(Mode::Refuse);
    stack.publish(&event("1")).await.problem(503, "log-unavailable");
    assert_eq!(stack.seen.len(), 0, "an event whose fate is unknown is not remembered");

    stack.log.set(Mode::Confirm);
    assert_eq!(statuses(&stack.publish(&event("1")).await.json()), ["published"]);
    assert_eq!(statuses(&stack.publish(&event("1")).await.json()), ["deduplicated"]);
    assert_eq!(statuses(&stack.publish(&event("2")).await.json()), ["published"]);
    assert_eq!(stack.log.ids(), ["1", "2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_that_hangs_keeps_no_publisher_waiting() {
    let stack = Stack::start().await;
    stack.seen.stuck.store(true, Ordering::SeqCst);
    for id in ["1", "2", "3"] {
        let started = Instant::now();
        assert_eq!(statuses(&stack.publish(&event(id)).await.json()), ["published"]);
        assert!(started.elapsed().as_secs() < 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_refuses_or_hangs_is_a_503_with_retry_after() {
    let stack = Stack::start().await;
    stack.log.set(Mode::Refuse);
    let refused = stack.publish(&event("1")).await;
    refused.problem(503, "log-unavailable");
    assert_eq!(refused.header("retry-after"), "1");

    stack.log.set(Mode::Hold);
    let started = Instant::now();
    let held = stack.publish(&event("2")).await;
    held.problem(503, "log-unavailable");
    assert_eq!(held.header("retry-after"), "1");
    assert!(started.elapsed().as_millis() < 3_500, "told within 3 s: {:?}", started.elapsed());

    stack.log.set(Mode::Confirm);
    assert_eq!(stack.publish(&event("3")).await.status, 202, "and goes on once the log does");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bus_that_watch_did_not_tell_of_is_asked_for() {
    let registry = FakeRegistry::default();
    registry.untold_bus.store(true, Ordering::SeqCst);
    let stack = Stack::with(tripline_api_gateway::Options::default(), registry.into()).await;
    let stack = stack.ready().await;
    let unknown = stack.request("POST", "/v1/buses/other/events");
    let unknown = unknown.body("application/cloudevents+json", event("1")).send().await;
    unknown.problem(404, "bus-not-found");

    stack.registry.down.store(true, Ordering::SeqCst);
    stack.publish(&event("1")).await.problem(503, "service-unavailable");
    stack.registry.down.store(false, Ordering::SeqCst);
    assert_eq!(stack.publish(&event("1")).await.status, 202);
    stack.registry.down.store(true, Ordering::SeqCst);
    assert_eq!(stack.publish(&event("2")).await.status, 202, "asked for once, then known");
}

#[tokio::test(flavor = "multi_thread")]
async fn publishing_goes_on_while_registry_and_auth_are_away() {
    let stack = Stack::start().await;
    assert_eq!(stack.publish(&event("1")).await.status, 202);
    stack.registry.down.store(true, Ordering::SeqCst);
    stack.auth.down.store(true, Ordering::SeqCst);
    stack.registry.hang_up();
    stack.clock.advance(300);
    assert_eq!(stack.publish(&event("2")).await.status, 202);
    assert_eq!(stack.log.ids(), ["1", "2"]);
    assert!(stack.context.health.not_ready().is_empty(), "it stays ready");

    stack.registry.down.store(false, Ordering::SeqCst);
    eventually("the registry is followed again", || stack.registry.watchers() == 1).await;
}
