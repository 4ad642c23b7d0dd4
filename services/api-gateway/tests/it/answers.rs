//! Patches, MinIO triggers, stats, event look-up, rate limits.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::json;
use tripline_api_gateway::Options;
use tripline_contracts::pb;

use crate::support::client::Answer;
use crate::support::registry::FakeRegistry;
use crate::support::{Stack, event};

async fn patch(stack: &Stack, path: &str, patch: &str) -> Answer {
    stack.request("PATCH", path).body("application/merge-patch+json", patch).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_changes_what_it_names_and_nothing_else() {
    let stack = Stack::start().await;
    let pattern = r#"{"data":{"n":[1.50]}}"#;
    let document =
        format!(r#"{{"function":"f","pattern":{pattern},"delivery":{{"max_attempts":3}}}}"#);
    stack.put("/v1/triggers/t", &document).await;
    let patched = patch(&stack, "/v1/triggers/t", r#"{"delivery":{"max_age_seconds":60}}"#).await;
    assert_eq!((patched.status, patched.header("etag")), (200, "\"12\""));
    assert_eq!(patched.json()["delivery"]["max_attempts"], 3);
    let asked = stack.registry.last_trigger.lock().unwrap().clone().unwrap();
    assert_eq!(asked.delivery.unwrap().max_age_seconds, 60);
    assert_eq!(asked.pattern_json.as_deref(), Some(pattern), "as it was given");
    assert_eq!(asked.condition.unwrap().if_revision, Some(11), "nobody wrote in between");
    patch(&stack, "/v1/triggers/t", r#"{"pattern":null}"#).await;
    let asked = stack.registry.last_trigger.lock().unwrap().clone().unwrap();
    assert_eq!(asked.pattern_json, None);

    let bus = patch(&stack, "/v1/buses/default", r#"{"retention_seconds":3600}"#).await;
    assert_eq!(
        (&bus.json()["retention_seconds"], &bus.json()["partitions"]),
        (&json!(3600), &json!(4))
    );
    patch(&stack, "/v1/triggers/none", "{}").await.problem(404, "trigger-not-found");
    patch(&stack, "/v1/triggers/t", "[]").await.problem(422, "invalid-document");
    patch(&stack, "/v1/triggers/t", "{").await.problem(400, "malformed-json");
    let twice = patch(&stack, "/v1/triggers/t", r#"{"bus":"a","bus":"b"}"#).await;
    assert_eq!(twice.problem(422, "invalid-document"), ["/bus duplicate-field"]);
    let put = stack.request("PATCH", "/v1/triggers/t").json("{}").send().await;
    put.problem(415, "unsupported-media-type");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_is_made_anew_when_somebody_else_was_faster() {
    let stack = Stack::start().await;
    stack.put("/v1/functions/f", r#"{"target":{"kind":"http","url":"http://f"}}"#).await;
    stack.registry.races.store(2, Ordering::SeqCst);
    let patched = patch(&stack, "/v1/functions/f", r#"{"timeout_ms":7}"#).await;
    assert_eq!((patched.status, &patched.json()["timeout_ms"]), (200, &json!(7)));
    stack.registry.races.store(9, Ordering::SeqCst);
    let lost = patch(&stack, "/v1/functions/f", r#"{"timeout_ms":8}"#).await;
    lost.problem(412, "revision-mismatch");
    stack.registry.races.store(1, Ordering::SeqCst);
    let only = stack.request("PATCH", "/v1/functions/f").header("if-match", "\"12\"");
    let only = only.body("application/merge-patch+json", r#"{"timeout_ms":8}"#).send().await;
    only.problem(412, "revision-mismatch");
}

async fn minio(stack: &Stack, document: &serde_json::Value) -> Answer {
    stack.request("POST", "/v1/minio-triggers").json(&document.to_string()).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_minio_trigger_is_made_changed_shown_listed_and_deleted() {
    let stack = Stack::start().await;
    let create = json!({"action": "create", "name": "m", "bucket": "photos", "function": "f",
        "events": ["s3:ObjectCreated:*"], "endpoint": "http://minio", "access_key": "a", "secret_key": "s"});
    let request = stack.request("POST", "/v1/minio-triggers").header("idempotency-key", "k");
    let made = request.json(&create.to_string()).send().await;
    assert_eq!(made.status, 201);
    let made = made.json();
    assert_eq!(
        (&made["trigger"]["source"], &made["trigger"]["applied"]),
        (&json!("m"), &json!(true))
    );
    assert_eq!(made["source"]["settings"]["bucket"], "photos");
    assert_eq!(made["relation"]["function"], "f");
    assert_eq!(made["rule"]["source"], "m");
    let asked = stack.registry.last_pair.lock().unwrap().clone().unwrap();
    assert_eq!(asked.idempotency_key, "k");
    assert!(asked.trigger.unwrap().condition.unwrap().if_absent);
    minio(&stack, &create).await.problem(409, "already-exists");

    let update = json!({"action": "update", "name": "m", "prefix": "in/"});
    let updated = minio(&stack, &update).await;
    assert_eq!(updated.status, 200);
    let settings = &updated.json()["source"]["settings"];
    assert_eq!((&settings["prefix"], &settings["bucket"]), (&json!("in/"), &json!("photos")));
    let shown = minio(&stack, &json!({"action": "get", "name": "m"})).await;
    assert_eq!((shown.status, &shown.json()["source"]["settings"]), (200, settings));
    assert_eq!(shown.header("etag"), updated.header("etag"));
    let list = minio(&stack, &json!({"action": "list"})).await.json();
    assert_eq!(
        (&list["items"][0]["trigger"]["name"], &list["next_cursor"]),
        (&json!("m"), &json!(null))
    );
    let gone = minio(&stack, &json!({"action": "delete", "name": "m"})).await;
    assert_eq!((gone.status, gone.body.len()), (204, 0));
    for action in ["get", "update", "delete"] {
        let missing = minio(&stack, &json!({"action": action, "name": "m"})).await;
        missing.problem(404, "trigger-not-found");
    }
    let wrong = minio(&stack, &json!({"action": "eat", "name": "m"})).await;
    assert_eq!(wrong.problem(422, "invalid-document"), ["/action unknown-action"]);
    let bare = minio(&stack, &json!({"action": "create"})).await;
    assert_eq!(
        bare.problem(422, "invalid-document"),
        ["/name missing-field", "/function missing-field"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_the_settings_point_at_the_fields_of_the_request() {
    let stack = Stack::start().await;
    let fault = tripline_kernel::Fault::new("/settings/bucket", "required", "must be given");
    *stack.registry.refuse.lock().unwrap() = Some(vec![fault]);
    let answer = minio(&stack, &json!({"action": "create", "name": "m", "function": "f"})).await;
    assert_eq!(answer.problem(422, "invalid-resource"), ["/bucket required"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn stats_are_those_of_both_services_and_reconcile() {
    let stack = Stack::start().await;
    let stats = stack.get("/v1/stats").await.json();
    assert_eq!(
        stats,
        json!({"accepted": 8, "deduplicated": 5, "matched": 10, "delivered": 4, "dead": 3,
            "cancelled": 2, "pending": 1})
    );
    stack.monitor.down.store(true, Ordering::SeqCst);
    stack.get("/v1/stats").await.problem(503, "service-unavailable");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_looked_up_by_source_and_id() {
    let stack = Stack::start().await;
    let trigger = stack.put("/v1/triggers/t", r#"{"function":"f"}"#).await.json();
    let uid = trigger["uid"].as_str().unwrap().to_owned();
    let invocation = |id: u8, trigger_uid: Option<String>| pb::Invocation {
        id: format!("{id:040}"),
        event_source: "/s".to_owned(),
        event_id: "1".to_owned(),
        trigger_uid,
        state: "succeeded".to_owned(),
        ..pb::Invocation::default()
    };
    *stack.invoker.invocations.lock().unwrap() =
        vec![invocation(1, Some(uid)), invocation(2, None)];
    let found = stack.get("/v1/buses/default/events?source=/s&id=1").await.json();
    let asked = stack.invoker.lists.lock().unwrap().pop().unwrap();
    assert_eq!((asked.event_source.as_deref(), asked.event_id.as_deref()), (Some("/s"), Some("1")));
    let item = &found["items"][0];
    assert_eq!((&item["source"], &item["id"]), (&json!("/s"), &json!("1")));
    assert_eq!(item["invocations"].as_array().unwrap().len(), 1, "a direct call is on no bus");
    assert_eq!(item["invocations"][0]["trigger"], "t");
    stack.put("/v1/buses/b", "{}").await;
    let elsewhere = stack.get("/v1/buses/b/events?source=/s&id=1").await.json();
    assert_eq!(elsewhere["items"], json!([]), "the trigger is on another bus");
    let bare = stack.get("/v1/buses/default/events").await;
    let missing = ["?source missing-parameter", "?id missing-parameter"];
    assert_eq!(bare.problem(422, "invalid-query"), missing);
    stack.get("/v1/buses/none/events?source=/s&id=1").await.problem(404, "bus-not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_reach_the_registry() {
    let stack = Stack::start().await;
    let path =
        "/v1/triggers?bus=b&source=s&function=f&state=paused&created_after=2025-06-15T15:06:40Z";
    assert_eq!(stack.get(path).await.status, 200);
    let asked = stack.registry.last_list.lock().unwrap().clone().unwrap();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!((asked.bus, asked.source, asked.function), (text("b"), text("s"), text("f")));
    assert_eq!((asked.state, asked.created_after), (text("paused"), Some(1_750_000_000_000_000)));
    stack.get("/v1/triggers?state=asleep").await.problem(422, "invalid-query");
    stack.get("/v1/functions?bus=b").await.problem(422, "invalid-query");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_asks_too_often_waits_and_still_publishes() {
    let options = Options { requests_per_second_max: 1, ..Options::default() };
    let stack = Stack::with(options, Arc::new(FakeRegistry::default())).await.ready().await;
    let first = stack.get("/v1/buses").await;
    assert_eq!(first.header("ratelimit-policy"), "\"requests\";q=2;w=2");
    assert_eq!(first.header("ratelimit"), "\"requests\";r=1;t=1");
    let mut answers = Vec::new();
    for _ in 0..20 {
        answers.push(stack.get("/v1/buses").await);
    }
    let refused = answers.iter().find(|answer| answer.status == 429).unwrap();
    refused.problem(429, "too-many-requests");
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(refused.header("ratelimit"), "\"requests\";r=0;t=1");
    assert_eq!(stack.publish(&event("1")).await.status, 202, "publishing has a limit of its own");
    assert_eq!(stack.foreign("GET", "/v1/buses").send().await.status, 200, "and so has each key");
}
