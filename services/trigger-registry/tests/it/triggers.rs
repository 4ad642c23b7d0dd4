use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tripline_contracts::pb;
use tripline_testkit::{wait_for, wait_until};

use crate::fakes::{Step, World};
use crate::stack::{DEADLINE, Stack, delete, get, list, pairs, refused, resume, trigger};

const PARTITIONS: [u16; 4] = [0, 1, 2, 3];

fn uid_of(trigger: &pb::Trigger) -> String {
    trigger.meta.as_ref().unwrap().uid.clone()
}

fn revision_of(trigger: &pb::Trigger) -> u64 {
    trigger.meta.as_ref().unwrap().revision
}

/// The partitions on which a marker of this revision stands.
fn marked(steps: &[Step], of: &str, at: u64) -> Vec<u16> {
    let partition = |step: &Step| match step {
        Step::Marked { partition, trigger, revision, .. } if trigger == of && *revision == at => {
            Some(*partition)
        }
        _ => None,
    };
    let mut partitions: Vec<_> = steps.iter().filter_map(partition).collect();
    partitions.sort_unstable();
    partitions
}

#[tokio::test]
async fn the_default_bus_is_made_and_begun_once_and_its_streams_are_looked_after_at_each_start() {
    let stack = Stack::start().await;
    let bus = stack.client().get_bus(get("default")).await.unwrap().into_inner();
    assert_eq!((bus.partitions, bus.dedupe_window_seconds), (4, 300));
    assert_eq!((bus.retention_seconds, bus.retention_bytes), (7 * 86_400, 1 << 30));
    let listed = stack.client().list_buses(list(0, "")).await.unwrap().into_inner();
    assert_eq!(listed.items, std::slice::from_ref(&bus));
    let begun = |steps: &[Step]| {
        PARTITIONS.map(|partition| {
            steps.iter().filter(|step| **step == Step::Begun { partition }).count()
        })
    };
    wait_until(DEADLINE, async || begun(&stack.world.steps()) == [1; 4]).await.unwrap();
    wait_until(DEADLINE, async || stack.metric("tripline_registry_outbox_pending") == 0.0)
        .await
        .unwrap();
    assert_eq!(stack.context.health.not_ready(), []);
    let world = Arc::clone(&stack.world);
    world.forget();
    let stack = stack.restart().await;
    let created = |steps: &[Step]| {
        PARTITIONS.iter().all(|&partition| steps.contains(&Step::Created { partition }))
    };
    wait_until(DEADLINE, async || created(&world.steps())).await.unwrap();
    assert_eq!(begun(&world.steps()), [0; 4]);
    let again = stack.client().get_bus(get("default")).await.unwrap().into_inner();
    assert_eq!(again, bus);
    stack.stop().await;
}

#[tokio::test]
async fn the_streams_of_the_default_bus_are_made_though_the_first_start_was_cut_short() {
    let world = Arc::new(World::default());
    world.set_log_down(true);
    let stack = Stack::in_world(Arc::clone(&world)).await;
    stack.client().get_bus(get("default")).await.unwrap();
    let failed = async || stack.metric("tripline_registry_relay_failures_total") >= 1.0;
    wait_until(DEADLINE, failed).await.unwrap();
    let stack = stack.restart().await;
    assert_eq!(world.steps(), []);
    world.set_log_down(false);
    let whole = |steps: &[Step]| {
        PARTITIONS.iter().all(|&partition| steps.contains(&Step::Begun { partition }))
    };
    wait_until(DEADLINE, async || whole(&world.steps())).await.unwrap();
    assert!(matches!(world.steps()[0], Step::Created { .. }));
    stack.stop().await;
}

#[tokio::test]
async fn a_trigger_is_granted_then_marked_on_all_partitions_then_active() {
    let stack = Stack::start().await;
    let function = stack.put_function("f").await.meta.unwrap().uid;
    let source = stack.put_source("s").await.meta.unwrap().uid;
    stack.world.forget();
    let request = pb::PutTriggerRequest { source: Some("s".to_owned()), ..trigger("t", "f") };
    let put = stack.put_trigger(request).await;
    assert!(put.created && put.applied);
    let made = put.trigger.unwrap();
    assert_eq!(made.state(), pb::TriggerState::Active);
    assert_eq!(
        (made.source_uid.as_deref(), &made.function_uid),
        (Some(source.as_str()), &function)
    );
    assert_eq!(made.delivery.unwrap().max_attempts, 8);

    let steps = stack.world.steps();
    let steps: Vec<_> = steps
        .iter()
        .filter(|step| !matches!(step, Step::Created { .. } | Step::Begun { .. }))
        .collect();
    let subject = pb::Subject { kind: Some(pb::subject::Kind::Source(source)) };
    let relation = made.relation_uid.clone();
    assert_eq!(*steps[0], Step::Granted { relation, subject, function });
    assert_eq!(steps.len(), 5, "{steps:?}");
    let all = stack.world.steps();
    assert_eq!(marked(&all, &uid_of(&made), made.definition_revision), PARTITIONS);
    let Step::Marked { definition: Some(definition), .. } = steps[1] else {
        panic!("a marker with a definition: {steps:?}");
    };
    assert_eq!(definition.pattern.as_deref(), Some(r#"{"type":["a"]}"#));
    assert_eq!(stack.trigger("t").await.unwrap(), made);

    let again = pb::PutTriggerRequest { source: Some("s".to_owned()), ..trigger("t", "f") };
    let again = stack.put_trigger(again).await;
    assert!(!again.created && again.applied);
    assert_eq!(again.trigger.unwrap(), made, "nothing changed, so the revision stays");
    assert_eq!(stack.world.steps().len(), all.len());
    stack.stop().await;
}

#[tokio::test]
async fn with_auth_away_the_answer_comes_in_time_and_the_trigger_becomes_active_later() {
    let stack = Stack::with_apply_wait(200).await;
    stack.put_function("f").await;
    stack.world.set_auth_down(true);
    let before = Instant::now();
    let put = stack.put_trigger(trigger("t", "f")).await;
    assert!(before.elapsed() < Duration::from_secs(10), "{:?}", before.elapsed());
    assert!(put.created && !put.applied);
    let made = put.trigger.unwrap();
    assert_eq!(made.state(), pb::TriggerState::Activating);
    assert!(marked(&stack.world.steps(), &uid_of(&made), made.definition_revision).is_empty());
    let pause = pb::PauseTriggerRequest {
        tenant: get("").tenant,
        which: Some(pb::pause_trigger_request::Which::Name("t".to_owned())),
        reason: "user".to_owned(),
        condition: None,
    };
    let refusal = refused(stack.client().pause_trigger(pause).await).0;
    assert_eq!(refusal, "trigger-activating");
    assert!(stack.metric("tripline_registry_relay_failures_total") >= 1.0);
    assert!(stack.metric("tripline_registry_outbox_pending") >= 1.0);

    stack.world.set_auth_down(false);
    let active = wait_for(DEADLINE, async || {
        stack.trigger("t").await.filter(|t| t.state() == pb::TriggerState::Active)
    });
    let active = active.await.unwrap();
    assert_eq!(active.definition_revision, made.definition_revision);
    assert!(revision_of(&active) > revision_of(&made), "watchers are told");
    stack.stop().await;
}

#[tokio::test]
async fn a_restart_in_the_middle_goes_on_where_it_was() {
    let stack = Stack::with_apply_wait(50).await;
    stack.put_function("f").await;
    stack.put_trigger(trigger("gone", "f")).await;
    let active = async || stack.trigger("gone").await.unwrap().state() == pb::TriggerState::Active;
    wait_until(DEADLINE, active).await.unwrap();
    // Granted, but not marked; and, for the other one, not even that it is to go.
    stack.world.set_log_down(true);
    let made = stack.put_trigger(trigger("made", "f")).await.trigger.unwrap();
    stack.client().delete_trigger(delete("gone")).await.unwrap();
    let deleting = stack.trigger("gone").await.unwrap();
    assert_eq!(deleting.state(), pb::TriggerState::Deleting);
    let refusal = refused(stack.client().put_trigger(trigger("gone", "f")).await).0;
    assert_eq!(refusal, "trigger-deleting");
    let granted = |steps: &[Step]| {
        steps.iter().any(
            |step| matches!(step, Step::Granted { relation, .. } if *relation == made.relation_uid),
        )
    };
    wait_until(DEADLINE, async || granted(&stack.world.steps())).await.unwrap();

    let stack = stack.restart().await;
    assert_eq!(stack.trigger("made").await.unwrap().state(), pb::TriggerState::Activating);
    stack.world.set_log_down(false);
    let active = async || stack.trigger("made").await.unwrap().state() == pb::TriggerState::Active;
    wait_until(DEADLINE, active).await.unwrap();
    wait_until(DEADLINE, async || stack.trigger("gone").await.is_none()).await.unwrap();
    let steps = stack.world.steps();
    assert_eq!(marked(&steps, &uid_of(&made), made.definition_revision), PARTITIONS);
    assert_eq!(marked(&steps, &uid_of(&deleting), revision_of(&deleting)), PARTITIONS);
    assert!(steps.contains(&Step::Revoked { relation: deleting.relation_uid }));
    stack.stop().await;
}

#[tokio::test]
async fn a_replaced_trigger_grants_what_is_new_before_its_markers_and_keeps_what_is_old() {
    let stack = Stack::start().await;
    stack.put_function("f").await;
    stack.put_function("g").await;
    let first = stack.put_trigger(trigger("t", "f")).await.trigger.unwrap();
    stack.world.forget();

    // Another policy: a new definition under the same relation.
    let delivery = pb::Delivery { max_attempts: 3, ..first.delivery.unwrap() };
    let request = pb::PutTriggerRequest { delivery: Some(delivery), ..trigger("t", "f") };
    let second = stack.put_trigger(request.clone()).await;
    assert!(second.applied && !second.created);
    let second = second.trigger.unwrap();
    assert!(second.definition_revision > first.definition_revision);
    assert_eq!(second.relation_uid, first.relation_uid);
    let steps = stack.world.steps();
    assert_eq!(marked(&steps, &uid_of(&first), second.definition_revision), PARTITIONS);
    assert_eq!(steps.len(), 4, "nothing to grant or revoke: {steps:?}");

    // Another function: a new relation.
    stack.world.forget();
    let request = pb::PutTriggerRequest { function: "g".to_owned(), ..request };
    let third = stack.put_trigger(request).await.trigger.unwrap();
    assert_ne!(third.relation_uid, first.relation_uid);
    assert_eq!(uid_of(&third), uid_of(&first));
    let steps = stack.world.steps();
    let granted = |step: &Step| matches!(step, Step::Granted { relation, .. } if *relation == third.relation_uid);
    assert!(granted(&steps[0]), "{steps:?}");
    assert_eq!(steps.len(), 5, "what the old definition has matched may still run: {steps:?}");

    // Back again: the old relation serves once more.
    stack.world.forget();
    let back = stack.put_trigger(trigger("t", "f")).await.trigger.unwrap();
    assert_eq!(back.relation_uid, first.relation_uid);
    assert_eq!(stack.world.steps().len(), 4, "it was granted all the time");

    // Every definition that an invocation may name can be had.
    for then in [&first, &second, &third] {
        let request = pb::GetTriggerRevisionRequest {
            trigger_uid: uid_of(&first),
            revision: then.definition_revision,
        };
        let found = stack.client().get_trigger_revision(request).await.unwrap().into_inner();
        assert_eq!((found.delivery, &found.function_uid), (then.delivery, &then.function_uid));
        assert_eq!(found.relation_uid, then.relation_uid);
        assert_eq!(found.definition_revision, then.definition_revision);
    }
    let request = pb::GetTriggerRevisionRequest { trigger_uid: uid_of(&first), revision: 1 };
    let refusal = refused(stack.client().get_trigger_revision(request).await).0;
    assert_eq!(refusal, "trigger-revision-not-found");
    stack.stop().await;
}

#[tokio::test]
async fn relations_of_earlier_definitions_go_with_their_trigger_source_or_function() {
    let stack = Stack::start().await;
    for function in ["f", "g"] {
        stack.put_function(function).await;
    }
    for source in ["s", "r"] {
        stack.put_source(source).await;
    }
    let put = async |source: Option<&str>, function: &str| {
        let source = source.map(str::to_owned);
        let put = stack.put_trigger(pb::PutTriggerRequest { source, ..trigger("t", function) });
        put.await.trigger.unwrap().relation_uid
    };
    let revoked = || {
        let revoked = |step: Step| match step {
            Step::Revoked { relation } => Some(relation),
            _ => None,
        };
        stack.world.steps().into_iter().filter_map(revoked).collect::<Vec<_>>()
    };
    let by_source = put(Some("s"), "g").await;
    let to_function = put(Some("r"), "f").await;
    let bus_wide = put(None, "g").await;
    let newest = put(Some("r"), "g").await;
    assert_eq!(revoked(), Vec::<String>::new());

    stack.client().delete_source(delete("s")).await.unwrap();
    assert_eq!(revoked(), std::slice::from_ref(&by_source), "though the trigger lives");
    let answer = stack.client().delete_function(delete("f")).await.unwrap().into_inner();
    let gone: Vec<_> = answer.deleted.iter().map(|gone| (&*gone.kind, &*gone.name)).collect();
    assert_eq!(gone, [("function", "f"), ("relation", "t"), ("rule", "f")]);
    assert_eq!(revoked(), [by_source.clone(), to_function.clone()]);
    assert_eq!(stack.trigger("t").await.unwrap().relation_uid, newest);

    stack.client().delete_trigger(delete("t")).await.unwrap();
    assert_eq!(revoked(), [by_source, to_function, bus_wide, newest], "each once");
    stack.stop().await;
}

#[tokio::test]
async fn pausing_and_resuming_change_the_state_alone_and_twice_is_as_good_as_once() {
    use pb::pause_trigger_request::Which;
    let stack = Stack::start().await;
    stack.put_function("f").await;
    let active = stack.put_trigger(trigger("t", "f")).await.trigger.unwrap();
    stack.world.forget();
    let pause = async |which: Which, reason: &str| {
        let (which, reason) = (Some(which), reason.to_owned());
        let request =
            pb::PauseTriggerRequest { tenant: get("").tenant, which, reason, condition: None };
        stack.client().pause_trigger(request).await
    };
    let paused = pause(Which::Uid(uid_of(&active)), "410").await.unwrap().into_inner();
    assert_eq!(paused.state(), pb::TriggerState::Paused);
    assert_eq!(paused.state_reason, "410");
    assert_eq!(paused.definition_revision, active.definition_revision);
    assert!(revision_of(&paused) > revision_of(&active));
    let again = pause(Which::Name("t".to_owned()), "user").await.unwrap().into_inner();
    assert_eq!(again, paused);

    // A new definition does not resume it.
    let request = pb::PutTriggerRequest { pattern_json: None, ..trigger("t", "f") };
    let replaced = stack.put_trigger(request).await;
    assert!(replaced.applied);
    assert_eq!(replaced.trigger.unwrap().state(), pb::TriggerState::Paused);

    let resumed = stack.client().resume_trigger(resume("t")).await.unwrap().into_inner();
    assert_eq!((resumed.state(), resumed.state_reason.as_str()), (pb::TriggerState::Active, ""));
    let again = stack.client().resume_trigger(resume("t")).await.unwrap().into_inner();
    assert_eq!(again, resumed);
    assert_eq!(stack.world.steps().len(), 4, "only the new definition was marked");
    let refusal = refused(pause(Which::Name("nobody".to_owned()), "").await).0;
    assert_eq!(refusal, "trigger-not-found");
    stack.stop().await;
}

#[tokio::test]
async fn all_faults_of_a_trigger_come_at_once() {
    let stack = Stack::start().await;
    let wrong = pb::PutTriggerRequest {
        bus: "nowhere".to_owned(),
        source: Some("none".to_owned()),
        pattern_json: Some(r#"{"type":[]}"#.to_owned()),
        delivery: Some(pb::Delivery { max_attempts: 1_001, ..pb::Delivery::default() }),
        start: "earliest".to_owned(),
        ..trigger("t", "Not a name")
    };
    let (code, faults) = refused(stack.client().put_trigger(wrong).await);
    assert_eq!(code, "invalid-trigger");
    assert!(faults[0].0.starts_with("/pattern/type"), "{faults:?}");
    let rest = [
        ("/delivery/max_attempts", "out-of-range"),
        ("/delivery/max_age_seconds", "out-of-range"),
        ("/delivery/backoff/base_ms", "out-of-range"),
        ("/delivery/backoff/max_ms", "out-of-range"),
        ("/start", "unsupported-start"),
        ("/bus", "bus-not-found"),
        ("/source", "source-not-found"),
        ("/function", "function-not-found"),
    ];
    assert_eq!(faults[1..], pairs(rest));

    let (code, faults) = refused(stack.client().put_trigger(trigger("t", "none")).await);
    assert_eq!(code, "function-not-found");
    assert_eq!(faults, pairs([("/function", "function-not-found")]));
    assert_eq!(stack.trigger("t").await, None);
    assert_eq!(refused(stack.client().delete_trigger(delete("t")).await).0, "trigger-not-found");
    stack.stop().await;
}

#[tokio::test]
async fn the_life_of_a_trigger_is_the_same_on_mariadb() {
    let stack = Stack::on_mariadb().await;
    stack.put_function("f").await;
    stack.put_source("s").await;
    let made = stack.put_trigger(trigger("t", "f")).await;
    assert!(made.created && made.applied);
    let bound = pb::PutTriggerRequest { source: Some("s".to_owned()), ..trigger("t", "f") };
    let bound = stack.put_trigger(bound).await;
    assert!(!bound.created && bound.applied);
    let bound = bound.trigger.unwrap();
    assert_ne!(bound.relation_uid, made.trigger.unwrap().relation_uid);
    let again = stack.restart().await;
    assert_eq!(again.trigger("t").await.unwrap(), bound);
    again.client().delete_trigger(delete("t")).await.unwrap();
    assert_eq!(again.trigger("t").await, None);
    again.client().delete_source(delete("s")).await.unwrap();
    again.stop().await;
}
