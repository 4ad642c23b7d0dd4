use tripline_contracts::pb;
use tripline_testkit::wait_until;

use crate::fakes::Step;
use crate::stack::{DEADLINE, Stack, delete, function, get, list, pairs, refused, trigger};

#[tokio::test]
async fn the_signing_secret_is_shown_once_and_the_rest_has_defaults() {
    let stack = Stack::start().await;
    let put = stack.client().put_function(function("f")).await.unwrap().into_inner();
    assert!(put.created);
    let created = put.function.unwrap();
    assert!(created.signing_secret.as_deref().unwrap().starts_with("whsec_"));
    assert_eq!((created.timeout_ms, created.concurrency), (10_000, 64));

    let read = stack.client().get_function(get("f")).await.unwrap().into_inner();
    assert_eq!(read, pb::Function { signing_secret: None, ..created.clone() });
    let listed = stack.client().list_functions(list(0, "")).await.unwrap().into_inner();
    assert_eq!(listed.items, std::slice::from_ref(&read));

    let again = stack.client().put_function(function("f")).await.unwrap().into_inner();
    assert!(!again.created);
    assert_eq!(again.function.unwrap(), read, "nothing changed, so the revision stays");

    let slower = pb::PutFunctionRequest { timeout_ms: Some(900_000), ..function("f") };
    let replaced = stack.client().put_function(slower).await.unwrap().into_inner();
    let replaced = replaced.function.unwrap();
    assert_eq!((replaced.timeout_ms, replaced.signing_secret), (900_000, None));
    assert!(replaced.meta.unwrap().revision > read.meta.unwrap().revision);
    stack.stop().await;
}

#[tokio::test]
async fn all_faults_of_a_function_come_at_once() {
    let stack = Stack::start().await;
    let wrong = pb::PutFunctionRequest {
        target_settings_json: "{}".to_owned(),
        timeout_ms: Some(0),
        concurrency: Some(1_001),
        ..function("f")
    };
    let (code, faults) = refused(stack.client().put_function(wrong).await);
    assert_eq!(code, "invalid-function");
    let all = [
        ("/target/url", "required"),
        ("/timeout_ms", "out-of-range"),
        ("/concurrency", "out-of-range"),
    ];
    assert_eq!(faults, pairs(all));

    let unknown = pb::PutFunctionRequest { target_kind: "lambda".to_owned(), ..function("f") };
    let error = stack.client().put_function(unknown).await.unwrap_err();
    assert!(error.message().contains("known kinds are: http"), "{error}");
    let (code, faults) = refused::<()>(Err(error));
    assert_eq!(
        (code.as_str(), faults),
        ("unknown-kind", pairs([("/target/kind", "unknown-kind")]))
    );

    for settings in ["[]", "{", "\"x\"", ""] {
        let target_settings_json = settings.to_owned();
        let wrong = pb::PutFunctionRequest { target_settings_json, ..function("f") };
        let (_, faults) = refused(stack.client().put_function(wrong).await);
        assert_eq!(faults, pairs([("/target", "wrong-type")]), "{settings}");
    }
    assert_eq!(refused(stack.client().get_function(get("f")).await).0, "function-not-found");
    stack.stop().await;
}

#[tokio::test]
async fn a_deleted_function_takes_its_triggers_relations_and_rules_along_and_says_so() {
    let stack = Stack::start().await;
    let (doomed, kept) = (stack.put_function("doomed").await, stack.put_function("kept").await);
    let (doomed, kept) = (doomed.meta.unwrap().uid, kept.meta.unwrap().uid);
    stack.put_source("s").await;
    let bus_wide = stack.put_trigger(trigger("bus-wide", "doomed")).await.trigger.unwrap();
    let with_source =
        pb::PutTriggerRequest { source: Some("s".to_owned()), ..trigger("with-source", "doomed") };
    let with_source = stack.put_trigger(with_source).await.trigger.unwrap();
    let other = stack.put_trigger(trigger("other", "kept")).await.trigger.unwrap();
    stack.world.forget();

    let answer = stack.client().delete_function(delete("doomed")).await.unwrap().into_inner();
    let deleted = answer.deleted;
    let of = |kind: &str| -> Vec<(&str, &str)> {
        let found = deleted.iter().filter(|item| item.kind == kind);
        found.map(|item| (item.name.as_str(), item.uid.as_str())).collect()
    };
    let uid = |trigger: &pb::Trigger| trigger.meta.as_ref().unwrap().uid.clone();
    let (first, second) = (uid(&bus_wide), uid(&with_source));
    assert_eq!(of("function"), [("doomed", doomed.as_str())]);
    assert_eq!(of("trigger"), [("bus-wide", first.as_str()), ("with-source", second.as_str())]);
    let relations =
        [("bus-wide", &bus_wide.relation_uid), ("with-source", &with_source.relation_uid)];
    assert_eq!(of("relation"), relations.map(|(name, uid)| (name, uid.as_str())));
    assert_eq!(of("rule").len(), 2, "one for the bus, one for the source");

    // The answer came when all of it was done.
    assert_eq!(stack.trigger("bus-wide").await, None);
    assert_eq!(stack.trigger("with-source").await, None);
    assert_eq!(stack.trigger("other").await.unwrap(), other);
    assert_eq!(refused(stack.client().get_function(get("doomed")).await).0, "function-not-found");
    let steps = stack.world.steps();
    for trigger in [&bus_wide, &with_source] {
        let uid = uid(trigger);
        let gone = |step: &&Step| matches!(step, Step::Marked { trigger, definition: None, .. } if *trigger == uid);
        assert_eq!(steps.iter().filter(gone).count(), 4, "a marker on each partition");
        let relation = trigger.relation_uid.clone();
        assert!(steps.contains(&Step::Revoked { relation }));
    }
    assert!(!steps.contains(&Step::Revoked { relation: other.relation_uid }));

    let anew = stack.put_function("doomed").await.meta.unwrap().uid;
    assert!(anew != doomed && anew != kept, "a function made anew is a new one");
    assert_eq!(
        stack.put_trigger(trigger("bus-wide", "doomed")).await.trigger.unwrap().function_uid,
        anew
    );
    stack.stop().await;
}

#[tokio::test]
async fn a_function_can_be_deleted_while_its_trigger_still_activates() {
    let stack = Stack::with_apply_wait(50).await;
    stack.put_function("f").await;
    stack.world.set_auth_down(true);
    let put = stack.put_trigger(trigger("t", "f")).await;
    assert!(!put.applied);
    let answer = stack.client().delete_function(delete("f")).await.unwrap().into_inner();
    let kinds: Vec<_> = answer.deleted.iter().map(|item| item.kind.as_str()).collect();
    assert_eq!(kinds, ["function", "trigger", "relation"], "no rule was made yet");
    let deleting = stack.trigger("t").await.unwrap();
    assert_eq!(deleting.state(), pb::TriggerState::Deleting);
    stack.world.set_auth_down(false);
    wait_until(DEADLINE, async || stack.trigger("t").await.is_none()).await.unwrap();
    let steps = stack.world.steps();
    assert!(!steps.iter().any(|step| matches!(step, Step::Granted { .. })), "{steps:?}");
    stack.stop().await;
}
