//! Direct calls.

use std::time::Duration;

use tonic::Code;
use tripline_contracts::pb::{GetInvocationRequest, Invocation, InvokeRequest};
use tripline_kernel::{Classify as _, DEFAULT_TENANT};
use tripline_testkit::{Answer, wait_for, wait_until};

use crate::stack::{DEADLINE, Stack, Way, event_json};

fn request(way: &Way, asynchronous: bool) -> InvokeRequest {
    InvokeRequest {
        tenant: DEFAULT_TENANT.to_string(),
        function_uid: way.function.to_string(),
        api_key_uid: way.bus.to_string(),
        asynchronous,
        body: event_json("direct").into(),
        content_type: "application/cloudevents+json".to_owned(),
        traceparent: String::new(),
        idempotency_key: String::new(),
    }
}

/// Calls; the function may not be known in the first moments.
async fn invoke(
    stack: &Stack,
    request: &InvokeRequest,
) -> Result<tripline_contracts::pb::InvokeResponse, tonic::Status> {
    let call = async || {
        let outcome = stack.client().invoke(request.clone()).await;
        let early = |status: &tonic::Status| {
            matches!(status.code(), Code::NotFound) || status.message().contains("not known yet")
        };
        match outcome {
            Err(status) if early(&status) => None,
            outcome => Some(outcome.map(tonic::Response::into_inner)),
        }
    };
    wait_for(DEADLINE, call).await.unwrap()
}

async fn get(stack: &Stack, id: &str) -> Invocation {
    let request = GetInvocationRequest { tenant: DEFAULT_TENANT.to_string(), id: id.to_owned() };
    stack.client().get_invocation(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn a_synchronous_call_gives_the_functions_own_answer_and_its_record_is_there() {
    let stack = Stack::start().await;
    let way = stack.way("f");
    let answer = Answer::status(201).body("made").header("content-type", "text/plain");
    stack.receiver.script(&way.path, [answer]);
    let response = invoke(&stack, &request(&way, false)).await.unwrap();
    let answer = response.answer.unwrap();
    assert_eq!((answer.status_code, &answer.body[..]), (201, &b"made"[..]));
    assert_eq!(answer.content_type, "text/plain");
    let invocation = get(&stack, &response.invocation_id).await;
    assert_eq!((invocation.state.as_str(), invocation.trigger_uid), ("succeeded", None));
    assert_eq!((invocation.event_id.as_str(), invocation.attempts.len()), ("direct", 1));
    let requests = stack.receiver.requests();
    assert_eq!(requests[0].signature_valid, Some(true));
    assert_eq!(requests[0].header("tripline-trigger"), None);
    stack.wait_until_settled(1).await;
}

#[tokio::test]
async fn a_failed_synchronous_call_is_answered_at_once_and_never_tried_again() {
    let stack = Stack::start().await;
    let way = stack.way("f");
    stack.receiver.script(&way.path, [Answer::status(503)]);
    let response = invoke(&stack, &request(&way, false)).await.unwrap();
    assert_eq!(response.answer.unwrap().status_code, 503);
    let invocation = get(&stack, &response.invocation_id).await;
    assert_eq!((invocation.state.as_str(), invocation.reason.as_str()), ("dead", "not-retried"));

    stack.receiver.script(&way.path, [Answer::close()]);
    let refused = invoke(&stack, &request(&way, false)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    stack.wait_until_settled(2).await;
    assert_eq!(stack.receiver.count(), 2);
}

#[tokio::test]
async fn an_asynchronous_call_is_kept_before_it_is_answered_and_retried_like_an_event() {
    let mut stack = Stack::start().await;
    let way = stack.way("f");
    stack.receiver.script(&way.path, [Answer::status(500).after(Duration::from_secs(60))]);
    let response = invoke(&stack, &request(&way, true)).await.unwrap();
    assert_eq!(response.answer, None);
    stack.receiver.wait_for(1, DEADLINE).await.unwrap();
    stack.crash().await;
    stack.start_invoker().await;
    let ended = wait_for(DEADLINE, async || {
        let invocation = get(&stack, &response.invocation_id).await;
        (invocation.state == "succeeded").then_some(invocation)
    });
    assert_eq!(ended.await.unwrap().attempts.len(), 1, "the lost one left no record");
    stack.wait_until_settled(1).await;
}

#[tokio::test]
async fn a_caller_that_leaves_takes_nothing_back() {
    let stack = Stack::start().await;
    let way = stack.way("f");
    invoke(&stack, &request(&way, false)).await.unwrap();
    stack.receiver.script(&way.path, [Answer::ok().after(Duration::from_millis(200))]);
    let mut client = stack.client();
    let call = client.invoke(request(&way, false));
    let left = tokio::time::timeout(Duration::from_millis(100), call).await;
    assert!(left.is_err(), "the caller has left before the answer");
    stack.wait_until_settled(2).await;
    assert_eq!(stack.metric("tripline_invocations_delivered_total"), 2);
}

#[tokio::test]
async fn a_repeated_key_is_answered_as_before_and_calls_nothing() {
    let mut stack = Stack::start().await;
    let way = stack.way("f");
    invoke(&stack, &request(&way, false)).await.unwrap();
    let keyed = |key: &str, asynchronous| InvokeRequest {
        idempotency_key: key.to_owned(),
        ..request(&way, asynchronous)
    };
    let answer = Answer::status(404).body("none").header("content-type", "text/plain");
    stack.receiver.script(&way.path, [answer]);
    let first = invoke(&stack, &keyed("call", false)).await.unwrap();
    assert_eq!(first.answer.as_ref().unwrap().status_code, 404);
    let kept = invoke(&stack, &keyed("task", true)).await.unwrap();
    stack.wait_until_settled(3).await;

    stack.stop().await;
    stack.start_invoker().await;
    assert_eq!(invoke(&stack, &keyed("call", false)).await.unwrap(), first, "also after a restart");
    assert_eq!(invoke(&stack, &keyed("task", true)).await.unwrap(), kept);
    let other = InvokeRequest { body: "other".into(), ..keyed("task", true) };
    let refused = invoke(&stack, &other).await.unwrap_err();
    assert_eq!(tripline_contracts::Error::from(refused).code(), "idempotency-key-reused");
    assert_ne!(invoke(&stack, &keyed("new", true)).await.unwrap(), kept);
    wait_until(DEADLINE, async || stack.receiver.count() == 4).await.unwrap();
}

#[tokio::test]
async fn a_key_stands_for_nothing_when_nothing_was_sent() {
    let stack = Stack::start().await;
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let way = stack.unknown_way("f");
    stack.put_function_at(&way, &format!("http://{}/f", gone.local_addr().unwrap()), 4);
    drop(gone);
    let call = InvokeRequest { idempotency_key: "key".to_owned(), ..request(&way, false) };
    let code = |status| tripline_contracts::Error::from(status).code().into_owned();
    let unreachable = async || {
        let error = invoke(&stack, &call).await.unwrap_err();
        code(error) == "function-unreachable"
    };
    wait_until(DEADLINE, unreachable).await.unwrap();

    stack.put_function(&way, 4);
    let answered = async || invoke(&stack, &call).await.ok();
    let answer = wait_for(DEADLINE, answered).await.unwrap();
    assert_eq!(stack.receiver.count(), 1);
    assert_eq!(invoke(&stack, &call).await.unwrap(), answer, "now it stands for the call");

    // What broke off may have been done.
    stack.receiver.script(&way.path, [Answer::close()]);
    let call = InvokeRequest { idempotency_key: "other".to_owned(), ..call };
    for _ in 0..2 {
        let broken_off = invoke(&stack, &call).await.unwrap_err();
        assert_eq!(code(broken_off), "function-unreachable");
    }
    assert_eq!(stack.receiver.count(), 2, "it was called once");
}

#[tokio::test]
async fn calls_with_one_key_at_the_same_time_are_one_call() {
    let stack = Stack::start().await;
    let way = stack.way("f");
    invoke(&stack, &request(&way, false)).await.unwrap();
    for asynchronous in [false, true] {
        let before = stack.receiver.count();
        let call = InvokeRequest {
            idempotency_key: format!("same-{asynchronous}"),
            ..request(&way, asynchronous)
        };
        stack.receiver.script(&way.path, [Answer::ok().after(Duration::from_millis(200))]);
        let calls = (0..8).map(|_| {
            let (mut client, call) = (stack.client(), call.clone());
            tokio::spawn(async move { client.invoke(call).await })
        });
        let mut ids = std::collections::BTreeSet::new();
        for outcome in calls.collect::<Vec<_>>() {
            match outcome.await.unwrap() {
                Ok(response) => {
                    ids.insert(response.into_inner().invocation_id);
                }
                Err(status) => {
                    let code = tripline_contracts::Error::from(status).code().into_owned();
                    assert_eq!((code.as_str(), asynchronous), ("idempotency-key-in-flight", false));
                }
            }
        }
        assert_eq!(ids.len(), 1);
        wait_until(DEADLINE, async || stack.receiver.count() == before + 1).await.unwrap();
    }
    stack.wait_until_settled(3).await;
    assert_eq!(stack.receiver.count(), 3);
}

#[tokio::test]
async fn a_function_of_another_tenant_is_not_there() {
    let stack = Stack::start().await;
    let way = stack.way("f");
    invoke(&stack, &request(&way, false)).await.unwrap();
    let foreign = InvokeRequest { tenant: stack.uid().to_string(), ..request(&way, false) };
    let refused = stack.client().invoke(foreign).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
}
