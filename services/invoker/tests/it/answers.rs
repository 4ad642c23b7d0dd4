//! What follows from each answer.

use std::time::Duration;

use tripline_contracts::pb::{GetInvocationRequest, TriggerState};
use tripline_kernel::DEFAULT_TENANT;
use tripline_testkit::{Answer, wait_until};

use crate::stack::{DEADLINE, Stack, event_json};

#[tokio::test]
async fn an_event_reaches_its_function_signed_once_and_as_it_was() {
    let stack = Stack::start().await;
    let way = stack.way("f");
    stack.hand_over(&way, &["e1"]).await;
    let invocations = stack.wait_for_states(&way, &["succeeded"]).await;

    let requests = stack.receiver.requests();
    assert_eq!(requests.len(), 1);
    let request = &requests[0];
    assert_eq!(request.body, event_json("e1"));
    assert_eq!(request.signature_valid, Some(true));
    let id = invocations[0].id.as_str();
    for (header, expected) in [
        ("content-type", "application/cloudevents+json"),
        ("webhook-id", id),
        ("idempotency-key", id),
        ("tripline-attempt", "1"),
        ("tripline-trigger", "make-thumbs"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ] {
        assert_eq!(request.header(header), Some(expected), "{header}");
    }
    let attempt = &invocations[0].attempts[0];
    assert_eq!((attempt.number, attempt.status_code), (1, Some(200)));
    assert_eq!(attempt.request_url, stack.receiver.url("/f"));
    stack.wait_until_settled(1).await;
}

#[tokio::test]
async fn every_class_of_answers_ends_as_it_must() {
    let stack = Stack::start().await;
    let once = |status: u16| vec![Answer::status(status)];
    let never = Answer::status(503).header("tripline-retry", "never");
    let cases = [
        ("ok", once(204), "succeeded", "", 1),
        ("redirect", vec![Answer::status(302).header("location", "/ok")], "dead", "rejected", 1),
        ("bad", once(400), "dead", "rejected", 1),
        ("unknown", once(404), "dead", "rejected", 1),
        ("never", vec![never], "dead", "retry-never", 1),
        ("again", vec![Answer::status(500), Answer::status(429)], "succeeded", "", 3),
        ("early", vec![Answer::status(408), Answer::status(425)], "succeeded", "", 3),
        ("broken", vec![Answer::close()], "succeeded", "", 2),
        ("down", vec![Answer::status(503); 3], "dead", "attempts-exhausted", 3),
    ];
    for (name, answers, state, reason, attempts) in &cases {
        let way = stack.way(name);
        stack.receiver.script(&way.path, answers.clone());
        stack.hand_over(&way, &["e1"]).await;
        let invocations = stack.wait_for_states(&way, &[state]).await;
        assert_eq!((invocations[0].reason.as_str(), name), (*reason, name));
        let made = &invocations[0].attempts;
        assert_eq!((made.len(), name), (*attempts, name));
        let numbers: Vec<_> = made.iter().map(|attempt| attempt.number).collect();
        assert_eq!(numbers, (1..=3).take(*attempts).collect::<Vec<_>>());
        assert_eq!(stack.receiver.count_to(&way.path), *attempts as u64);
    }
    assert_eq!(stack.receiver.invalid(), 0, "each attempt has its own valid signature");
    stack.wait_until_settled(cases.len() as i64).await;
}

#[tokio::test]
async fn a_dead_letter_keeps_payload_and_attempts() {
    let stack = Stack::start().await;
    let way = stack.way("f");
    stack.receiver.always(&way.path, Answer::status(422).body("no such thumb"));
    stack.hand_over(&way, &["e1"]).await;
    let id = stack.wait_for_states(&way, &["dead"]).await.remove(0).id;
    let tenant = DEFAULT_TENANT.to_string();
    let request = GetInvocationRequest { tenant, id: id.clone() };
    let letter = stack.client().get_dead_letter(request.clone()).await.unwrap().into_inner();
    assert_eq!(letter.payload, event_json("e1"));
    assert_eq!(letter.content_type, "application/cloudevents+json");
    let attempts = letter.invocation.unwrap().attempts;
    assert_eq!((attempts.len(), attempts[0].response_body.as_str()), (1, "no such thumb"));
    assert_eq!(attempts[0].error, "the function answered 422");

    let other = GetInvocationRequest { tenant: stack.uid().to_string(), id };
    let refused = stack.client().get_dead_letter(other).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::NotFound, "not another tenant's");
}

#[tokio::test]
async fn retry_after_holds_for_the_function_as_a_whole() {
    let stack = Stack::start().await;
    let way = stack.way("f");
    stack.receiver.script(&way.path, [Answer::status(429).retry_after(2)]);
    stack.hand_over(&way, &["e1"]).await;
    stack.receiver.wait_for(1, DEADLINE).await.unwrap();
    let first = stack.wait_for_states(&way, &["pending"]).await;
    assert!(first[0].next_attempt_at.is_some());
    stack.hand_over(&way, &["e2"]).await;
    let requests = stack.receiver.wait_for(3, DEADLINE).await.unwrap();
    for request in &requests[1..] {
        let waited = request.arrived - requests[0].arrived;
        assert!(waited >= Duration::from_millis(1900), "called again after {waited:?}");
    }
    stack.wait_for_states(&way, &["succeeded", "succeeded"]).await;
}

#[tokio::test]
async fn gone_pauses_the_trigger_and_resume_runs_what_waited() {
    let stack = Stack::start().await;
    let way = stack.way("f");
    stack.receiver.script(&way.path, [Answer::status(410)]);
    stack.hand_over(&way, &["e1"]).await;
    let invocations = stack.wait_for_states(&way, &["pending"]).await;
    assert_eq!(invocations[0].reason, "trigger-paused");
    assert_eq!(invocations[0].next_attempt_at, None);
    let uid = way.trigger.to_string();
    wait_until(DEADLINE, async || {
        stack.registry.trigger(&uid).unwrap().state() == TriggerState::Paused
    })
    .await
    .unwrap();
    stack.hand_over(&way, &["e2", "e3"]).await;
    stack.wait_for_states(&way, &["pending"; 3]).await;
    assert_eq!(stack.receiver.count(), 1, "a paused trigger calls nobody");

    stack.registry.set_state(&uid, TriggerState::Active);
    let invocations = stack.wait_for_states(&way, &["succeeded"; 3]).await;
    assert_eq!(invocations[0].attempts.len(), 2, "the one answered 410 too");
    stack.wait_until_settled(3).await;
}
