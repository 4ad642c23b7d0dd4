//! Functions, sources, triggers and buses as documents.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use tripline_contracts::pb;
use tripline_kernel::Fault;

use crate::support::Stack;

const FUNCTION: &str = r#"{"target":{"kind":"http","url":"http://f"},"timeout_ms":5000}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_function_is_made_replaced_read_and_deleted() {
    let stack = Stack::start().await;
    let made = stack.put("/v1/functions/f", FUNCTION).await;
    assert_eq!((made.status, made.header("etag")), (201, "\"11\""));
    assert_eq!(
        made.json(),
        json!({"name": "f", "uid": made.json()["uid"], "revision": 11, "created_at": "2025-06-15T15:06:40Z",
            "updated_at": "2025-06-15T15:06:41Z", "target": {"kind": "http", "url": "http://f"},
            "timeout_ms": 5000, "concurrency": 64, "signing_secret": "whsec_once"})
    );
    let read = stack.get("/v1/functions/f").await;
    assert_eq!((read.status, read.header("etag")), (200, "\"11\""));
    assert!(read.json().get("signing_secret").is_none(), "the secret is shown once");

    let replaced = stack.put("/v1/functions/f", std::str::from_utf8(&read.body).unwrap()).await;
    assert_eq!(replaced.status, 200, "what was read can be put back");
    assert!(replaced.json().get("signing_secret").is_none());
    let list = stack.get("/v1/functions").await.json();
    assert_eq!((list["items"].as_array().unwrap().len(), &list["next_cursor"]), (1, &json!(null)));

    let waiting = |id: &str| pb::Invocation { id: id.to_owned(), ..pb::Invocation::default() };
    *stack.invoker.invocations.lock().unwrap() = vec![waiting("second"), waiting("first")];
    let deleted = stack.request("DELETE", "/v1/functions/f").send().await;
    assert_eq!(deleted.status, 200);
    let gone = json!({"kind": "function", "name": "f", "uid": made.json()["uid"]});
    let cancelled = json!({"invocations": ["second", "first"], "complete": true});
    assert_eq!(deleted.json(), json!({"deleted": [gone], "cancelled": cancelled}));
    let asked = stack.invoker.lists.lock().unwrap().last().cloned().unwrap();
    assert_eq!(asked.function_uid.as_deref(), made.json()["uid"].as_str());
    assert_eq!(asked.state.as_deref(), Some("pending"));
    assert_eq!(asked.attempts(), pb::AttemptDetail::None, "only the ids are shown");
    stack.get("/v1/functions/f").await.problem(404, "function-not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_does_not_wait_for_an_invoker_that_hangs() {
    let stack = Stack::start().await;
    stack.put("/v1/functions/f", FUNCTION).await;
    stack.invoker.hanging.store(true, Ordering::SeqCst);
    let delete = stack.request("DELETE", "/v1/functions/f").send();
    let deleted = tokio::time::timeout(Duration::from_secs(3), delete).await.expect("soon");
    let cancelled = json!({"invocations": [], "complete": false});
    assert_eq!((deleted.status, &deleted.json()["cancelled"]), (200, &cancelled));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signing_secret_is_rotated_with_or_without_a_document() {
    let stack = Stack::start().await;
    let path = "/v1/functions/f/rotate-secret";
    stack.request("POST", path).send().await.problem(404, "function-not-found");
    stack.put("/v1/functions/f", FUNCTION).await;
    let rotated = stack.request("POST", path).send().await;
    assert_eq!((rotated.status, rotated.header("etag")), (200, "\"12\""));
    assert_eq!(rotated.json()["signing_secret"], "whsec_twice");
    // The registry of this test counts from the beginning of time.
    assert_eq!(rotated.json()["earlier_signing_secret_until"], "1970-01-02T00:00:00Z");
    let read = stack.get("/v1/functions/f").await;
    assert!(read.json().get("signing_secret").is_none());
    let put = stack.put("/v1/functions/f", std::str::from_utf8(&read.body).unwrap()).await;
    assert_eq!(put.status, 200, "what was read can be put back");

    let asked = |document: &str| stack.request("POST", path).json(document).send();
    let asked_for = asked(r#"{"overlap_seconds": 60}"#).await;
    assert_eq!(asked_for.json()["earlier_signing_secret_until"], "1970-01-01T00:01:00Z");
    let wrong = asked(r#"{"overlap": 60}"#).await;
    assert_eq!(wrong.problem(422, "invalid-document"), ["/overlap unknown-field"]);
    let stale = stack.request("POST", path).header("if-match", "\"11\"").send().await;
    stale.problem(412, "revision-mismatch");
    let plain = stack.request("POST", path).body("text/plain", "x").send().await;
    plain.problem(415, "unsupported-media-type");
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_are_held() {
    let stack = Stack::start().await;
    let put = |header: &'static str, value: &'static str| {
        stack.request("PUT", "/v1/functions/f").header(header, value).json(FUNCTION).send()
    };
    put("if-match", "*").await.problem(412, "revision-mismatch");
    assert_eq!(put("if-none-match", "*").await.status, 201);
    put("if-none-match", "*").await.problem(409, "already-exists");
    put("if-match", "\"7\"").await.problem(412, "revision-mismatch");
    put("if-match", "\"other\"").await.problem(412, "revision-mismatch");
    put("if-match", "\"7\", \"8\"").await.problem(412, "revision-mismatch");
    put("if-match", "11").await.problem(400, "invalid-header");
    put("if-none-match", "\"11\"").await.problem(400, "invalid-header");
    assert_eq!(put("if-match", "\"11\"").await.header("etag"), "\"12\"");
    assert_eq!(put("if-match", "\"11\", \"12\"").await.header("etag"), "\"13\"");
    assert_eq!(put("if-match", "*").await.header("etag"), "\"14\"");

    let delete = |value: &'static str| {
        stack.request("DELETE", "/v1/functions/f").header("if-match", value).send()
    };
    delete("\"13\"").await.problem(412, "revision-mismatch");
    let known =
        stack.request("GET", "/v1/functions/f").header("if-none-match", "\"14\"").send().await;
    assert_eq!((known.status, known.body.len()), (304, 0));
    assert_eq!(delete("\"14\"").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_registrys_faults_come_through_unchanged() {
    let stack = Stack::start().await;
    let fault = Fault::new("/target/url", "not-a-url", "it must be a URL");
    *stack.registry.refuse.lock().unwrap() = Some(vec![fault]);
    let answer = stack.put("/v1/functions/f", FUNCTION).await;
    assert_eq!(answer.problem(422, "invalid-resource"), ["/target/url not-a-url"]);
    assert_eq!(answer.json()["errors"][0]["detail"], "it must be a URL");
    stack.registry.down.store(true, Ordering::SeqCst);
    let away = stack.put("/v1/functions/f", FUNCTION).await;
    away.problem(503, "service-unavailable");
    assert_eq!(away.header("retry-after"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_shows_what_it_is_doing() {
    let stack = Stack::start().await;
    let made =
        stack.put("/v1/sources/photos", r#"{"kind":"minio","settings":{"bucket":"photos"}}"#).await;
    assert_eq!((made.status, &made.json()["bus"]), (201, &json!("default")));
    let status = json!({"state": "running", "reason": null, "since": "2025-06-15T15:06:40Z", "events": 3,
        "last_event_at": null});
    let read = stack.get("/v1/sources/photos").await;
    assert_eq!(read.json()["settings"], json!({"bucket": "photos"}));
    assert_eq!(read.json()["status"], status);
    assert_eq!(stack.get("/v1/sources/photos/status").await.json(), status);
    let again = stack.put("/v1/sources/photos", std::str::from_utf8(&read.body).unwrap()).await;
    assert_eq!(again.status, 200, "what was read can be put back");
    let tested = stack.request("POST", "/v1/sources/photos/test").send().await;
    assert_eq!(tested.json(), json!({"works": true, "reason": null}));
    for (act, paused) in [("pause", true), ("resume", false)] {
        let done = stack.request("POST", &format!("/v1/sources/photos/{act}")).send().await;
        assert_eq!((done.status, &done.json()["paused"]), (200, &json!(paused)));
    }

    stack.monitor.down.store(true, Ordering::SeqCst);
    let read = stack.get("/v1/sources/photos").await;
    assert_eq!((read.status, &read.json()["status"]["state"]), (200, &json!("unknown")));
    stack.get("/v1/sources/photos/status").await.problem(503, "service-unavailable");
    assert_eq!(stack.request("DELETE", "/v1/sources/photos").send().await.status, 204);
    stack.get("/v1/sources/photos/status").await.problem(404, "source-not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_keeps_its_pattern_as_it_was_given() {
    let stack = Stack::start().await;
    let pattern = r#"{"type": ["t"], "data": {"n": [1.50]}}"#;
    let document = format!(
        r#"{{"function":"f","source":"photos","pattern":{pattern},"delivery":{{"max_attempts":3,"backoff":{{"base_ms":50}}}}}}"#
    );
    let made = stack.put("/v1/triggers/t", &document).await;
    assert_eq!(made.status, 201);
    let asked = stack.registry.last_trigger.lock().unwrap().clone().unwrap();
    assert_eq!(asked.pattern_json.as_deref(), Some(pattern));
    assert_eq!((asked.bus.as_str(), asked.start.as_str()), ("default", "latest"));
    let delivery = asked.delivery.unwrap();
    assert_eq!((delivery.max_attempts, delivery.max_age_seconds), (3, 86_400));
    assert_eq!(
        (delivery.backoff_base_ms, delivery.backoff_max_ms, delivery.timeout_ms),
        (50, 600_000, 0)
    );

    let shown = made.json();
    assert_eq!((&shown["applied"], &shown["state"]), (&json!(true), &json!("active")));
    assert_eq!(
        shown["delivery"],
        json!({"max_attempts": 3, "max_age_seconds": 86400, "timeout_ms": null,
            "backoff": {"kind": "exponential", "base_ms": 50, "max_ms": 600_000}})
    );
    assert!(std::str::from_utf8(&made.body).unwrap().contains(pattern));
    let read = stack.get("/v1/triggers/t").await;
    let again = stack.put("/v1/triggers/t", std::str::from_utf8(&read.body).unwrap()).await;
    assert_eq!(again.status, 200, "what was read can be put back");
    stack.put("/v1/triggers/all", r#"{"function":"f","pattern":null}"#).await;
    assert_eq!(stack.registry.last_trigger.lock().unwrap().clone().unwrap().pattern_json, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_is_paused_resumed_and_deleted() {
    let stack = Stack::start().await;
    stack.request("POST", "/v1/triggers/t/pause").send().await.problem(404, "trigger-not-found");
    stack.put("/v1/triggers/t", r#"{"function":"f"}"#).await;
    let paused = stack.request("POST", "/v1/triggers/t/pause").send().await;
    assert_eq!(paused.status, 200);
    assert_eq!(
        (&paused.json()["state"], &paused.json()["state_reason"]),
        (&json!("paused"), &json!("user"))
    );
    let resumed = stack.request("POST", "/v1/triggers/t/resume").send().await;
    assert_eq!(
        (&resumed.json()["state"], &resumed.json()["state_reason"]),
        (&json!("active"), &json!(null))
    );
    assert_eq!(stack.get("/v1/triggers").await.json()["items"][0]["name"], "t");
    let deleted = stack.request("DELETE", "/v1/triggers/t").send().await;
    assert_eq!((deleted.status, deleted.body.len()), (204, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_go_page_by_page() {
    let stack = Stack::start().await;
    for name in ["a", "b", "c"] {
        stack.put(&format!("/v1/functions/{name}"), FUNCTION).await;
    }
    let first = stack.get("/v1/functions?limit=2").await.json();
    assert_eq!((&first["items"][1]["name"], &first["next_cursor"]), (&json!("b"), &json!("2")));
    let last = stack.get("/v1/functions?limit=2&cursor=2").await.json();
    assert_eq!((&last["items"][0]["name"], &last["next_cursor"]), (&json!("c"), &json!(null)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_default_bus_can_be_read() {
    let stack = Stack::start().await;
    let bus = stack.get("/v1/buses/default").await.json();
    assert_eq!((&bus["partitions"], &bus["retention_seconds"]), (&json!(4), &json!(604_800)));
    assert_eq!(
        (&bus["retention_bytes"], &bus["dedupe_window_seconds"]),
        (&json!(1 << 30), &json!(300))
    );
    assert_eq!(stack.get("/v1/buses").await.json()["items"], json!([bus]));
    stack.get("/v1/buses/other").await.problem(404, "bus-not-found");
}
