use serde_json::json;
use tripline_contracts::pb;
use tripline_kernel::DEFAULT_TENANT;
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

const HEADER: &str = "Bearer hunter3-hunter3";

/// What the registry answers to anyone, and what it tells the invoker.
async fn told(stack: &Stack) -> (serde_json::Value, pb::Function) {
    let read = stack.client().get_function(get("f")).await.unwrap().into_inner();
    let shown = serde_json::from_str(&read.target_settings_json).unwrap();
    let request = pb::WatchRequest { after_revision: 0 };
    let mut changes = stack.client().watch(request).await.unwrap().into_inner();
    loop {
        match changes.message().await.unwrap().unwrap().resource {
            Some(pb::change::Resource::Function(function)) => return (shown, function),
            Some(pb::change::Resource::CaughtUp(_)) => panic!("the function is not in the feed"),
            Some(_) | None => {}
        }
    }
}

#[tokio::test]
async fn header_values_are_sealed_and_stay_when_they_come_back_as_placeholders() {
    let stack = Stack::start().await;
    let with = |settings: serde_json::Value| pb::PutFunctionRequest {
        target_settings_json: settings.to_string(),
        ..function("f")
    };
    let given = json!({"url": "http://x/", "headers": {"authorization": HEADER}});
    let put = stack.client().put_function(with(given.clone())).await.unwrap().into_inner();
    let hidden = json!({"url": "http://x/", "headers": {"authorization": {"secret": "set"}}});
    let created = put.function.unwrap();
    assert!(!created.target_settings_json.contains(HEADER));
    let (shown, watched) = told(&stack).await;
    assert_eq!(shown, hidden);
    let in_the_clear = |function: &pb::Function| -> serde_json::Value {
        serde_json::from_str(&function.target_settings_json).unwrap()
    };
    assert_eq!(in_the_clear(&watched), given);

    let same = stack.client().put_function(with(given.clone())).await.unwrap().into_inner();
    assert_eq!(same.function.unwrap().meta, created.meta, "nothing changed");
    let moved = json!({"url": "http://y/", "headers": {"authorization": {"secret": "set"}}});
    stack.client().put_function(with(moved.clone())).await.unwrap();
    let (shown, watched) = told(&stack).await;
    assert_eq!(shown, moved);
    assert_eq!(in_the_clear(&watched)["headers"]["authorization"], HEADER);

    let unknown = json!({"url": "http://y/", "headers": {"x-key": {"secret": "set"}}});
    let (code, faults) = refused(stack.client().put_function(with(unknown)).await);
    assert_eq!(code, "invalid-function");
    assert_eq!(faults, pairs([("/target/headers/x-key", "secret-not-set")]));
    let stack = stack.restart().await;
    assert_eq!(in_the_clear(&told(&stack).await.1)["headers"]["authorization"], HEADER);
    stack.stop().await;
}

#[tokio::test]
async fn header_values_that_an_earlier_release_left_in_the_clear_are_sealed_and_wiped() {
    let stack = Stack::start().await;
    let given = json!({"url": "http://x/", "headers": {"authorization": HEADER, "x-kept": "old"}});
    let put = pb::PutFunctionRequest { target_settings_json: given.to_string(), ..function("f") };
    stack.client().put_function(put).await.unwrap();
    let sealed = stack.files();
    let has = |files: &[u8], text: &str| files.windows(text.len()).any(|at| at == text.as_bytes());
    assert!(!has(&sealed, HEADER));
    // One that knew nothing of seals has written the one header and left the other.
    let left = json!({"url": "http://x/",
        "headers": {"authorization": HEADER, "x-kept": {"secret": "set"}}});
    let stack =
        stack.restart_after(&format!("UPDATE functions SET target_settings='{left}'")).await;
    let (shown, watched) = told(&stack).await;
    let set = json!({"secret": "set"});
    assert_eq!(shown["headers"], json!({"authorization": set, "x-kept": set}));
    let watched: serde_json::Value = serde_json::from_str(&watched.target_settings_json).unwrap();
    assert_eq!(watched, given);
    assert!(!has(&stack.files(), HEADER), "not in pages that are free, either");
    stack.stop().await;
}

#[tokio::test]
async fn a_rotated_secret_is_shown_once_and_the_one_before_goes_on_for_a_while() {
    let stack = Stack::start().await;
    let first = stack.put_function("f").await;
    let rotate = |overlap_seconds| pb::RotateSecretRequest {
        tenant: DEFAULT_TENANT.to_string(),
        name: "f".to_owned(),
        condition: None,
        overlap_seconds,
    };
    let second = stack.client().rotate_secret(rotate(60)).await.unwrap().into_inner();
    assert!(second.signing_secret.is_some() && second.signing_secret != first.signing_secret);
    assert!(second.earlier_signing_secret.is_none(), "only services are told it again");
    let updated_at = second.meta.as_ref().unwrap().updated_at;
    assert_eq!(second.earlier_signing_secret_until, Some(updated_at + 60_000_000));
    let read = stack.client().get_function(get("f")).await.unwrap().into_inner();
    assert_eq!(read, pb::Function { signing_secret: None, ..second.clone() });
    let (_, watched) = told(&stack).await;
    assert_eq!(watched.signing_secret, second.signing_secret);
    assert_eq!(watched.earlier_signing_secret, first.signing_secret);

    let repeated = refused(stack.client().rotate_secret(rotate(60)).await).0;
    assert_eq!(repeated, "rotation-under-way", "a repeated request ends no secret");
    assert_eq!(told(&stack).await.1.earlier_signing_secret, first.signing_secret);
    let third = stack.client().rotate_secret(rotate(0)).await.unwrap().into_inner();
    assert_eq!(third.earlier_signing_secret_until, None, "the one before ends at once");
    let (_, watched) = told(&stack).await;
    assert_eq!(watched.signing_secret, third.signing_secret);
    assert_eq!(watched.earlier_signing_secret, None);
    let (_, faults) = refused(stack.client().rotate_secret(rotate(604_801)).await);
    assert_eq!(faults, pairs([("/overlap_seconds", "out-of-range")]));
    let absent = pb::RotateSecretRequest { name: "g".to_owned(), ..rotate(0) };
    assert_eq!(refused(stack.client().rotate_secret(absent).await).0, "function-not-found");
    stack.stop().await;
}
