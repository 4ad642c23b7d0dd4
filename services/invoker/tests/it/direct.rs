//! Direct calls.

use std::time::Duration;

use tonic::Code;
use tripline_contracts::pb::{GetInvocationRequest, Invocation, InvokeRequest};
use tripline_kernel::DEFAULT_TENANT;
use tripline_testkit::{Answer, wait_for};

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
async fn a_function_of_another_tenant_is_not_there() {
    let stack = Stack::start().await;
    let way = stack.way("f");
    invoke(&stack, &request(&way, false)).await.unwrap();
    let foreign = InvokeRequest { tenant: stack.uid().to_string(), ..request(&way, false) };
    let refused = stack.client().invoke(foreign).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
}
