//! Why a trigger runs, or does not.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use tripline_contracts::pb;

use crate::records::with_function;
use crate::support::peers::FakeInvoker;
use crate::support::{BUS, Stack};

const MICROS: i64 = 1_750_000_000_000_000;

async fn explained(stack: &Stack) -> Value {
    stack.get("/v1/triggers/t/explain").await.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_is_explained_as_far_as_its_services_can_be_asked() {
    let (stack, function) = with_function().await;
    stack.get("/v1/triggers/t/explain").await.problem(404, "trigger-not-found");
    stack.put("/v1/triggers/t", r#"{"function":"f"}"#).await;
    stack.invoker.health.lock().unwrap().state = "unknown".to_owned();
    let idle = explained(&stack).await;
    assert_eq!((&idle["last_match"], &idle["source"]), (&Value::Null, &Value::Null));
    assert_eq!((&idle["target"]["state"], &idle["last_refusals"]), (&json!("unknown"), &json!([])));

    stack.invoker.invocations.lock().unwrap().push(pb::Invocation {
        id: FakeInvoker::ID.to_owned(),
        function_uid: function,
        state: "dead".to_owned(),
        ..pb::Invocation::default()
    });
    *stack.invoker.health.lock().unwrap() = pb::FunctionHealth {
        state: "failing".to_owned(),
        last_success_at: None,
        last_failure_at: Some(MICROS),
        last_failure: "the function answered 500".to_owned(),
    };
    let told = explained(&stack).await;
    assert_eq!(told["last_match"]["id"], FakeInvoker::ID);
    assert_eq!(told["last_refusals"][0]["id"], FakeInvoker::ID);
    assert_eq!(
        told["target"],
        json!({"function": "f", "state": "failing", "last_success_at": null,
            "last_failure_at": "2025-06-15T15:06:40Z", "last_failure": "the function answered 500"})
    );
    assert_eq!(
        (&told["partitions"][0]["next_offset"], &told["unavailable"]),
        (&json!(7), &json!([]))
    );
    assert_eq!(told["partitions"][0]["in_force"], false);
    let obstacles = told["obstacles"].to_string();
    assert!(obstacles.contains("partitions"), "{obstacles}");
    assert!(obstacles.contains("the function 'f' fails: the function answered 500"), "{obstacles}");

    stack.monitor.down.store(true, Ordering::SeqCst);
    let told = explained(&stack).await;
    assert_eq!((&told["partitions"], &told["state"]), (&Value::Null, &json!("active")), "{told}");
    assert!(told["unavailable"].to_string().contains("event-monitor"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_does_not_run_and_a_rule_that_is_missing_are_obstacles() {
    let (stack, function) = with_function().await;
    stack.put("/v1/sources/s", r#"{"kind":"file","settings":{}}"#).await;
    stack.put("/v1/triggers/t", r#"{"function":"f","source":"s"}"#).await;
    let told = explained(&stack).await;
    let source = json!({"source": "s", "state": "running", "reason": null});
    assert_eq!((&told["source"], &told["allowed"]), (&source, &json!(true)));

    *stack.monitor.failing.lock().unwrap() = Some("no such directory".to_owned());
    stack.auth.no_rule.store(true, Ordering::SeqCst);
    let told = explained(&stack).await;
    assert_eq!((&told["source"]["state"], &told["allowed"]), (&json!("failing"), &json!(false)));
    let obstacles = told["obstacles"].to_string();
    assert!(obstacles.contains("its source 's' is failing: no such directory"), "{obstacles}");
    assert!(obstacles.contains("no rule lets its source invoke the function"), "{obstacles}");

    stack.monitor.down.store(true, Ordering::SeqCst);
    stack.auth.down.store(true, Ordering::SeqCst);
    let told = explained(&stack).await;
    let source = json!({"source": "s", "state": null, "reason": null});
    assert_eq!((&told["source"], &told["allowed"]), (&source, &Value::Null), "not known, not fine");
    let unavailable = json!(["event-monitor: service-unavailable", "auth: service-unavailable"]);
    assert_eq!(told["unavailable"], unavailable);
    assert!(!told["obstacles"].to_string().contains("source"), "{told}");

    stack.put("/v1/triggers/t", r#"{"function":"f"}"#).await;
    stack.auth.down.store(false, Ordering::SeqCst);
    let obstacles = explained(&stack).await["obstacles"].to_string();
    assert!(obstacles.contains("no rule lets its bus invoke the function"), "{obstacles}");
    let asked = stack.auth.rules.lock().unwrap().pop().unwrap();
    let bus = pb::subject::Kind::Bus(BUS.to_string());
    assert_eq!(asked.subject, Some(pb::Subject { kind: Some(bus) }));
    assert_ne!(function, "");
}
