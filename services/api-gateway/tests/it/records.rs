//! Direct calls, invocations, dead letters.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use tripline_contracts::pb;
use tripline_kernel::Uid;

use crate::support::peers::FakeInvoker;
use crate::support::{API_KEY, Stack};

const FUNCTION: &str = r#"{"target":{"kind":"http"}}"#;
const MICROS: i64 = 1_750_000_000_000_000;

/// A stack with the function `f`, and the function's uid.
pub(crate) async fn with_function() -> (Stack, String) {
    let stack = Stack::start().await;
    let made = stack.put("/v1/functions/f", FUNCTION).await.json();
    (stack, made["uid"].as_str().unwrap().to_owned())
}

fn answers(stack: &Stack, function_uid: &str, status_code: u32) {
    let answer = pb::FunctionAnswer {
        status_code,
        content_type: "text/plain".to_owned(),
        body: "done".into(),
    };
    stack.invoker.answers.lock().unwrap().insert(function_uid.to_owned(), answer);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_synchronous_call_answers_as_the_function_did() {
    let (stack, uid) = with_function().await;
    answers(&stack, &uid, 418);
    let call = stack.request("POST", "/v1/functions/f/invocations").body("text/csv", "a,b");
    let answer = call.send().await;
    assert_eq!((answer.status, answer.header("content-type")), (418, "text/plain"));
    assert_eq!(
        (&answer.body[..], answer.header("tripline-invocation-id")),
        (&b"done"[..], FakeInvoker::ID)
    );
    let call = stack.invoker.calls.lock().unwrap().remove(0);
    assert_eq!((&call.body[..], call.content_type.as_str()), (&b"a,b"[..], "text/csv"));
    assert_eq!(
        (call.function_uid, call.api_key_uid, call.asynchronous),
        (uid.clone(), API_KEY.to_string(), false)
    );

    answers(&stack, &uid, 101);
    let call = stack.request("POST", "/v1/functions/f/invocations").send().await;
    call.problem(503, "bad-function-answer");
    let unknown = stack.request("POST", "/v1/functions/none/invocations").send().await;
    unknown.problem(404, "function-not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_asynchronous_call_answers_with_its_id() {
    let (stack, uid) = with_function().await;
    answers(&stack, &uid, 200);
    let call = stack
        .request("POST", "/v1/functions/f/invocations")
        .header("prefer", "wait=5, respond-async");
    let answer = call.header("ce-id", "1").header("ce-source", "/s").header("ce-type", "t");
    let answer = answer.header("ce-specversion", "1.0").json("{}").send().await;
    assert_eq!((answer.status, answer.json()), (202, json!({"id": FakeInvoker::ID})));
    assert_eq!(answer.header("preference-applied"), "respond-async");
    let call = stack.invoker.calls.lock().unwrap().remove(0);
    assert!(call.asynchronous);
    assert_eq!(call.content_type, "application/cloudevents+json", "binary mode becomes JSON");
    assert_eq!(serde_json::from_slice::<Value>(&call.body).unwrap()["id"], "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_made_anew_is_called_though_nobody_told() {
    let (stack, _) = with_function().await;
    let anew = Uid::from_bytes([9; 16]);
    stack.registry.remake_function("f", anew);
    answers(&stack, &anew.to_string(), 200);
    let answer = stack.request("POST", "/v1/functions/f/invocations").send().await;
    assert_eq!(answer.status, 200);
}

fn invocation(id: u8, trigger_uid: Option<String>, function_uid: &str) -> pb::Invocation {
    pb::Invocation {
        id: format!("{id:040x}"),
        event_source: "/s".to_owned(),
        event_id: "1".to_owned(),
        trigger_uid,
        function_uid: function_uid.to_owned(),
        state: "pending".to_owned(),
        next_attempt_at: Some(MICROS),
        attempts: vec![pb::Attempt {
            number: 1,
            started_at: MICROS,
            duration_ms: 7,
            status_code: Some(500),
            error: "answered 500".to_owned(),
            request_url: "http://f".to_owned(),
            response_body: "oops".to_owned(),
            generation: 1,
        }],
        created_at: MICROS,
        generation: 1,
        ..pb::Invocation::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invocations_are_shown_with_names_and_attempts() {
    let (stack, function) = with_function().await;
    let trigger = stack.put("/v1/triggers/t", r#"{"function":"f"}"#).await.json();
    let trigger = trigger["uid"].as_str().unwrap().to_owned();
    let gone = Uid::from_bytes([8; 16]).to_string();
    let direct = pb::Invocation {
        event_source: String::new(),
        event_id: String::new(),
        attempts: Vec::new(),
        ..invocation(3, None, &function)
    };
    *stack.invoker.invocations.lock().unwrap() = vec![
        invocation(1, Some(trigger.clone()), &function),
        invocation(2, Some(gone.clone()), &gone),
        direct,
    ];
    let list = stack.get("/v1/invocations").await.json();
    let time = "2025-06-15T15:06:40Z";
    assert_eq!(
        list["items"][0],
        json!({"id": format!("{:040x}", 1), "event": {"source": "/s", "id": "1"}, "trigger": "t", "function": "f",
            "state": "pending", "reason": null, "next_attempt_at": time, "created_at": time, "finished_at": null,
            "generation": 1, "attempts": [{"number": 1, "generation": 1, "started_at": time, "duration_ms": 7,
            "status_code": 500, "error": "answered 500", "request": {"url": "http://f"},
            "response": {"status_code": 500, "body": "oops"}}]})
    );
    assert_eq!(
        (&list["items"][1]["trigger"], &list["items"][1]["function"]),
        (&json!(gone), &json!(gone))
    );
    assert_eq!(
        (&list["items"][2]["trigger"], &list["items"][2]["event"]),
        (&json!(null), &json!(null))
    );
    let one = stack.get(&format!("/v1/invocations/{:040x}", 1)).await.json();
    assert_eq!(one, list["items"][0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_reach_the_invoker_with_uids_for_names() {
    let (stack, function) = with_function().await;
    let trigger = stack.put("/v1/triggers/t", r#"{"function":"f"}"#).await.json();
    let query = "event_id=a%26b&event_source=%2Fs&trigger=t&function=f&state=dead&limit=3&cursor=0\
        &created_after=2025-06-15T15:06:40Z&created_before=2025-06-15T15:06:41Z";
    assert_eq!(stack.get(&format!("/v1/invocations?{query}")).await.status, 200);
    let asked = stack.invoker.lists.lock().unwrap().remove(0);
    assert_eq!(
        (asked.event_id.as_deref(), asked.event_source.as_deref()),
        (Some("a&b"), Some("/s"))
    );
    assert_eq!(asked.trigger_uid.as_deref(), trigger["uid"].as_str());
    assert_eq!((asked.function_uid, asked.state.as_deref()), (Some(function), Some("dead")));
    assert_eq!(
        (asked.created_after, asked.created_before),
        (Some(MICROS), Some(MICROS + 1_000_000))
    );
    assert_eq!((asked.limit, asked.cursor.as_str()), (3, "0"));

    for nobody in ["trigger=none", "function=none", "trigger=NO"] {
        let list = stack.get(&format!("/v1/invocations?{nobody}")).await.json();
        assert_eq!(list, json!({"items": [], "next_cursor": null}), "{nobody}");
    }
    assert!(stack.invoker.lists.lock().unwrap().is_empty(), "nothing can fit, so nobody is asked");
    let gone = Uid::from_bytes([8; 16]).to_string();
    stack.get(&format!("/v1/invocations?trigger={gone}")).await;
    assert_eq!(stack.invoker.lists.lock().unwrap()[0].trigger_uid, Some(gone));
}

fn dead_letters(stack: &Stack, count: u8, payload: &str) {
    let letter = |id| pb::DeadLetter {
        invocation: Some(pb::Invocation {
            state: "dead".to_owned(),
            reason: "exhausted".to_owned(),
            ..invocation(id, None, "f")
        }),
        payload: payload.to_owned().into(),
        content_type: "application/cloudevents+json".to_owned(),
    };
    *stack.invoker.dead_letters.lock().unwrap() = (0..count).map(letter).collect();
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_hold_the_event_the_reason_and_the_attempts() {
    let stack = Stack::start().await;
    dead_letters(&stack, 1, r#"{"id":"1","data":{"n":1.50}}"#);
    let list = stack.get("/v1/dead-letters").await;
    assert!(
        std::str::from_utf8(&list.body)
            .unwrap()
            .contains(r#""event":{"id":"1","data":{"n":1.50}}"#)
    );
    let letter = &list.json()["items"][0];
    assert_eq!((&letter["reason"], &letter["state"]), (&json!("exhausted"), &json!("dead")));
    assert_eq!(letter["attempts"][0]["status_code"], 500);
    let one = stack.get(&format!("/v1/dead-letters/{:040x}", 0)).await.json();
    assert_eq!(&one, letter);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_dead_letters_stream_as_lines() {
    let stack = Stack::start().await;
    dead_letters(&stack, 40, "{\"text\": \"a\\nb\"}");
    let stream =
        |path: &str| stack.request("GET", path).header("accept", "application/x-ndjson, */*");
    let answer = stream("/v1/dead-letters").send().await;
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    let lines: Vec<Value> = std::str::from_utf8(&answer.body)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let ids: Vec<_> = lines.iter().map(|line| line["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, (0..40).map(|id| format!("{id:040x}")).collect::<Vec<_>>());
    assert!(stack.invoker.lists.lock().unwrap().len() > 1, "page by page");
    assert!(stream("/v1/dead-letters?trigger=none").send().await.body.is_empty());

    stack.invoker.breaks_off.store(true, Ordering::SeqCst);
    let broken = tokio::spawn(stream("/v1/dead-letters").send()).await;
    assert!(broken.is_err(), "nobody takes a part for the whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_too_large_for_one_message_comes_in_portions() {
    let stack = Stack::start().await;
    dead_letters(&stack, 40, &format!("\"{}\"", "x".repeat(1 << 20)));
    let list = stack.get("/v1/dead-letters").await.json();
    let items = list["items"].as_array().unwrap().len();
    assert!((1..40).contains(&items), "{items}");
    assert_eq!(list["next_cursor"], items.to_string());
}
