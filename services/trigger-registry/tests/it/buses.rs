use std::collections::BTreeSet;
use std::sync::Arc;

use tripline_contracts::pb;
use tripline_kernel::DEFAULT_TENANT;
use tripline_testkit::wait_until;

use crate::fakes::Step;
use crate::stack::{DEADLINE, Stack, delete, get, list, pairs, refused, source, trigger};

fn bus(name: &str) -> pb::PutBusRequest {
    let (tenant, name) = (DEFAULT_TENANT.to_string(), name.to_owned());
    pb::PutBusRequest { tenant, name, ..pb::PutBusRequest::default() }
}

#[tokio::test]
async fn a_bus_is_made_with_its_streams_before_the_answer_and_used_at_once() {
    let stack = Stack::start().await;
    stack.put_function("f").await;
    // The default bus is made behind the first start.
    let idle = async || stack.metric("tripline_registry_outbox_pending") == 0.0;
    wait_until(DEADLINE, idle).await.unwrap();
    stack.world.forget();
    let request = pb::PutBusRequest { partitions: Some(2), ..bus("orders") };
    let made = stack.client().put_bus(request.clone()).await.unwrap().into_inner();
    assert!(made.created && made.applied);
    let steps = stack.world.steps();
    for partition in 0..2 {
        assert!(steps.contains(&Step::Created { partition }), "{steps:?}");
        assert!(steps.contains(&Step::Begun { partition }), "{steps:?}");
    }
    assert_eq!(steps.len(), 4);
    let again = stack.client().put_bus(request).await.unwrap().into_inner();
    assert_eq!((again.created, &again.bus), (false, &made.bus), "nothing changed");
    let on_it = pb::PutTriggerRequest { bus: "orders".to_owned(), ..trigger("t", "f") };
    assert!(stack.put_trigger(on_it).await.applied);
    stack.stop().await;
}

#[tokio::test]
async fn limits_of_a_bus_change_and_its_partitions_do_not() {
    let stack = Stack::start().await;
    let first = pb::PutBusRequest { partitions: Some(2), ..bus("b") };
    let first = stack.client().put_bus(first).await.unwrap().into_inner().bus.unwrap();
    let window = pb::PutBusRequest { dedupe_window_seconds: Some(7), ..bus("b") };
    let changed = stack.client().put_bus(window).await.unwrap().into_inner();
    let changed = changed.bus.unwrap();
    assert_eq!((changed.partitions, changed.dedupe_window_seconds), (2, 7));
    assert_eq!(changed.meta.as_ref().unwrap().uid, first.meta.as_ref().unwrap().uid);
    assert!(changed.meta.unwrap().revision > first.meta.unwrap().revision);

    let more = pb::PutBusRequest { partitions: Some(3), ..bus("b") };
    let (code, faults) = refused(stack.client().put_bus(more).await);
    assert_eq!(
        (&*code, faults),
        ("partitions-fixed", pairs([("/partitions", "partitions-fixed")]))
    );
    let wrong = pb::PutBusRequest {
        partitions: Some(0),
        retention_seconds: Some(1),
        retention_bytes: Some(1),
        dedupe_window_seconds: Some(0),
        ..bus("c")
    };
    let (code, faults) = refused(stack.client().put_bus(wrong).await);
    assert_eq!((&*code, faults.len()), ("invalid-bus", 4));
    let condition = Some(pb::Condition { if_absent: true, if_revision: None });
    let absent = pb::PutBusRequest { condition, ..bus("b") };
    assert_eq!(refused(stack.client().put_bus(absent).await).0, "already-exists");
    stack.stop().await;
}

#[tokio::test]
async fn a_bus_goes_only_when_nothing_is_on_it_and_the_default_one_stays() {
    let stack = Stack::start().await;
    stack.put_function("f").await;
    stack.client().put_bus(bus("b")).await.unwrap();
    let on_it = pb::PutTriggerRequest { bus: "b".to_owned(), ..trigger("t", "f") };
    stack.put_trigger(on_it).await;
    let brings = pb::PutSourceRequest { bus: "b".to_owned(), ..source("s") };
    stack.client().put_source(brings).await.unwrap();
    for in_the_way in ["source", "trigger"] {
        assert_eq!(refused(stack.client().delete_bus(delete("b")).await).0, "bus-in-use");
        match in_the_way {
            "source" => drop(stack.client().delete_source(delete("s")).await.unwrap()),
            _ => drop(stack.client().delete_trigger(delete("t")).await.unwrap()),
        }
    }
    stack.world.forget();
    stack.client().delete_bus(delete("b")).await.unwrap();
    let deleted = stack.world.steps();
    assert_eq!(deleted.len(), 4);
    for partition in 0..4 {
        assert!(deleted.contains(&Step::Deleted { partition }), "{deleted:?}");
    }
    assert_eq!(refused(stack.client().get_bus(get("b")).await).0, "bus-not-found");
    assert_eq!(refused(stack.client().delete_bus(delete("b")).await).0, "bus-not-found");
    assert_eq!(refused(stack.client().delete_bus(delete("default")).await).0, "default-bus");
    stack.stop().await;
}

#[tokio::test]
async fn the_streams_of_a_deleted_bus_go_once_the_log_is_back() {
    let stack = Stack::with_apply_wait(50).await;
    let made = stack.client().put_bus(bus("b")).await.unwrap().into_inner();
    wait_until(DEADLINE, async || stack.metric("tripline_registry_outbox_pending") == 0.0)
        .await
        .unwrap();
    stack.world.set_log_down(true);
    stack.client().delete_bus(delete("b")).await.unwrap();
    stack.world.forget();
    let anew = stack.client().put_bus(bus("b")).await.unwrap().into_inner();
    let uid = |bus: Option<pb::Bus>| bus.unwrap().meta.unwrap().uid;
    assert_ne!(uid(anew.bus), uid(made.bus), "a bus made anew under the name is another one");
    let world = Arc::clone(&stack.world);
    let stack = stack.restart().await;
    world.set_log_down(false);
    let deleted = |step: &Step| matches!(step, Step::Deleted { .. });
    wait_until(DEADLINE, async || world.steps().iter().filter(|step| deleted(step)).count() == 4)
        .await
        .unwrap();
    stack.stop().await;
}

#[tokio::test]
async fn lists_hold_what_their_filters_let_through() {
    let stack = Stack::start().await;
    for function in ["f", "g"] {
        stack.put_function(function).await;
    }
    stack.put_source("s").await;
    stack.client().put_bus(bus("b")).await.unwrap();
    stack.put_trigger(trigger("plain", "f")).await;
    let with_source = Some("s".to_owned());
    stack.put_trigger(pb::PutTriggerRequest { source: with_source, ..trigger("bound", "f") }).await;
    let on_b = pb::PutTriggerRequest { bus: "b".to_owned(), ..trigger("other", "g") };
    let last = stack.put_trigger(on_b).await.trigger.unwrap().meta.unwrap().created_at;
    let some = |text: &str| Some(text.to_owned());
    let any = list(0, "");
    for (request, names) in [
        (pb::ListRequest { bus: some("b"), ..any.clone() }, vec!["other"]),
        (pb::ListRequest { source: some("s"), ..any.clone() }, vec!["bound"]),
        (pb::ListRequest { function: some("f"), ..any.clone() }, vec!["bound", "plain"]),
        (pb::ListRequest { function: some("none"), ..any.clone() }, vec![]),
        (pb::ListRequest { state: some("paused"), ..any.clone() }, vec![]),
        (pb::ListRequest { state: some("active"), bus: some("b"), ..any.clone() }, vec!["other"]),
        (pb::ListRequest { created_after: Some(last - 1), ..any.clone() }, vec!["other"]),
        (pb::ListRequest { created_before: Some(last), ..any.clone() }, vec!["bound", "plain"]),
    ] {
        let found = stack.client().list_triggers(request.clone()).await.unwrap().into_inner();
        let found: Vec<_> = found.items.into_iter().map(|t| t.meta.unwrap().name).collect();
        assert_eq!(found, names, "{request:?}");
    }
    for (kind, count) in [("bucket", 1), ("other", 0)] {
        let request = pb::ListRequest { kind: some(kind), ..any.clone() };
        let found = stack.client().list_sources(request).await.unwrap().into_inner();
        assert_eq!(found.items.len(), count, "{kind}");
    }
    stack.stop().await;
}

fn pair(name: &str, key: &str) -> pb::PutSourceTriggerRequest {
    pb::PutSourceTriggerRequest {
        source: Some(source(name)),
        trigger: Some(pb::PutTriggerRequest { pattern_json: None, ..trigger(name, "f") }),
        idempotency_key: key.to_owned(),
    }
}

#[tokio::test]
async fn a_pair_is_made_as_one_read_as_one_and_gone_as_one() {
    let stack = Stack::start().await;
    let refusal = refused(stack.client().put_source_trigger(pair("p", "")).await).0;
    assert_eq!(refusal, "function-not-found");
    assert_eq!(
        refused(stack.client().get_source(get("p")).await).0,
        "source-not-found",
        "both or neither"
    );
    stack.put_function("f").await;
    let made = stack.client().put_source_trigger(pair("p", "")).await.unwrap().into_inner();
    assert!(made.created && made.applied);
    let made = made.pair.unwrap();
    let (source, bound) = (made.source.clone().unwrap(), made.trigger.clone().unwrap());
    assert_eq!(bound.source_uid, Some(source.meta.unwrap().uid));
    let relation = made.relation.clone().unwrap();
    assert_eq!((&relation.uid, relation.rule_uid.is_some()), (&bound.relation_uid, true));
    let read = stack.client().get_source_trigger(get("p")).await.unwrap().into_inner();
    assert_eq!(read, made);
    stack.put_trigger(trigger("alone", "f")).await;
    assert_eq!(
        refused(stack.client().get_source_trigger(get("alone")).await).0,
        "not-a-source-trigger"
    );
    let listed = stack.client().list_source_triggers(list(0, "")).await.unwrap().into_inner();
    assert_eq!(listed.items, [made]);

    let gone = refused(stack.client().delete_source_trigger(delete("alone")).await).0;
    assert_eq!(gone, "not-a-source-trigger");
    stack.client().delete_source_trigger(delete("p")).await.unwrap();
    assert_eq!(stack.trigger("p").await, None);
    assert_eq!(refused(stack.client().get_source(get("p")).await).0, "source-not-found");
    stack.stop().await;
}

#[tokio::test]
async fn all_faults_of_a_pair_come_at_once() {
    let stack = Stack::start().await;
    let wrong = |bus: &str| {
        let mut wrong = pair("p", "");
        let source = wrong.source.as_mut().unwrap();
        (source.settings_json, source.bus) = ("{}".to_owned(), bus.to_owned());
        wrong.trigger.as_mut().unwrap().pattern_json = Some(r#"{"type":"a"}"#.to_owned());
        wrong
    };
    let settings = [("/settings/endpoint", "required"), ("/settings/secret_key", "required")];
    let (code, faults) = refused(stack.client().put_source_trigger(wrong("none")).await);
    assert_eq!(code, "invalid-trigger");
    assert_eq!(faults[..2], pairs(settings));
    let others: BTreeSet<_> = faults[2..].iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(others, BTreeSet::from(["/bus", "/function", "/pattern/type"]));
    assert_eq!(faults.len(), 5, "the bus is wrong once");

    stack.put_function("f").await;
    let mut only_source = wrong("default");
    only_source.trigger.as_mut().unwrap().pattern_json = None;
    let (code, faults) = refused(stack.client().put_source_trigger(only_source).await);
    assert_eq!((code.as_str(), faults), ("invalid-source", pairs(settings)));
    stack.stop().await;
}

#[tokio::test]
async fn a_repeated_key_is_answered_as_before_and_does_nothing() {
    let stack = Stack::start().await;
    stack.put_function("f").await;
    let condition = Some(pb::Condition { if_absent: true, if_revision: None });
    let mut create = pair("p", "key-1");
    create.trigger.as_mut().unwrap().condition = condition;
    let first = stack.client().put_source_trigger(create.clone()).await.unwrap().into_inner();
    let world = Arc::clone(&stack.world);
    world.forget();
    let stack = stack.restart().await;
    let again = stack.client().put_source_trigger(create.clone()).await.unwrap().into_inner();
    assert_eq!(again, first, "also after a restart");
    let other = pb::PutSourceTriggerRequest { source: Some(source("q")), ..create.clone() };
    let refusal = refused(stack.client().put_source_trigger(other).await).0;
    assert_eq!(refusal, "idempotency-key-reused");
    let fresh = pb::PutSourceTriggerRequest { idempotency_key: "key-2".to_owned(), ..create };
    assert_eq!(refused(stack.client().put_source_trigger(fresh).await).0, "already-exists");
    assert!(!world.steps().iter().any(|step| matches!(step, Step::Marked { .. })));
    stack.stop().await;
}
