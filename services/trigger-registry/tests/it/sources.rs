use tripline_contracts::pb;
use tripline_kernel::DEFAULT_TENANT;

use crate::stack::{SECRET, Stack, delete, get, list, pairs, refused, source, trigger};

fn with_settings(settings: &str) -> pb::PutSourceRequest {
    pb::PutSourceRequest { settings_json: settings.to_owned(), ..source("s") }
}

#[tokio::test]
async fn secrets_are_never_read_back_and_stay_when_they_are_not_given_anew() {
    let stack = Stack::start().await;
    let put = stack.client().put_source(source("s")).await.unwrap().into_inner();
    assert!(put.created);
    let created = put.source.unwrap();
    let shown = r#"{"endpoint":"http://x","secret_key":{"secret":"set"}}"#;
    assert_eq!(created.settings_json, shown);
    assert_eq!(created.bus, "default");
    let read = stack.client().get_source(get("s")).await.unwrap().into_inner();
    let listed = stack.client().list_sources(list(0, "")).await.unwrap().into_inner();
    assert_eq!(listed.items, std::slice::from_ref(&read));
    assert_eq!(read, created);

    // What was read can be put: nothing changes.
    let again = stack.client().put_source(with_settings(shown)).await.unwrap().into_inner();
    assert_eq!(again.source.unwrap(), created);
    let again = stack.client().put_source(source("s")).await.unwrap().into_inner();
    assert_eq!(again.source.unwrap(), created, "the same secret in the clear");

    let moved = r#"{"endpoint":"http://y","secret_key":{"secret":"set"}}"#;
    let moved = stack.client().put_source(with_settings(moved)).await.unwrap().into_inner();
    assert!(!moved.created);
    assert_eq!(clear_secret(&stack).await, SECRET, "kept");
    let renewed = r#"{"endpoint":"http://y","secret_key":"new"}"#;
    let renewed = stack.client().put_source(with_settings(renewed)).await.unwrap().into_inner();
    let revision = |source: &Option<pb::Source>| source.clone().unwrap().meta.unwrap().revision;
    assert!(revision(&renewed.source) > revision(&moved.source));
    assert_eq!(clear_secret(&stack).await, "new");
    stack.stop().await;
}

/// The secret as the change feed has it.
async fn clear_secret(stack: &Stack) -> String {
    let feed = stack.client().watch(pb::WatchRequest::default()).await.unwrap();
    let mut feed = feed.into_inner();
    loop {
        let change = feed.message().await.unwrap().unwrap();
        if let Some(pb::change::Resource::Source(source)) = change.resource {
            let settings: serde_json::Value = serde_json::from_str(&source.settings_json).unwrap();
            return settings["secret_key"].as_str().unwrap().to_owned();
        }
    }
}

#[tokio::test]
async fn all_faults_of_a_source_come_at_once() {
    let stack = Stack::start().await;
    let wrong = pb::PutSourceRequest {
        settings_json: r#"{"token":{"secret":"set"}}"#.to_owned(),
        bus: "nowhere".to_owned(),
        ..source("s")
    };
    let (code, faults) = refused(stack.client().put_source(wrong).await);
    assert_eq!(code, "invalid-source");
    let all = [
        ("/settings/endpoint", "required"),
        ("/settings/secret_key", "required"),
        ("/settings/token", "secret-not-set"),
        ("/bus", "bus-not-found"),
    ];
    assert_eq!(faults, pairs(all));

    let unset = with_settings(r#"{"endpoint":"http://x","secret_key":{"secret":"set"}}"#);
    let (_, faults) = refused(stack.client().put_source(unset).await);
    assert_eq!(faults, pairs([("/settings/secret_key", "secret-not-set")]), "one fault, said once");

    let wrong = pb::PutSourceRequest { bus: "Not a name".to_owned(), ..source("s") };
    let (code, faults) = refused(stack.client().put_source(wrong).await);
    assert_eq!((code.as_str(), faults), ("bus-not-found", pairs([("/bus", "bus-not-found")])));
    let wrong = pb::PutSourceRequest { kind: "pigeon".to_owned(), ..source("s") };
    assert_eq!(refused(stack.client().put_source(wrong).await).0, "unknown-kind");
    stack.stop().await;
}

#[tokio::test]
async fn a_source_that_triggers_use_cannot_be_deleted() {
    let stack = Stack::start().await;
    stack.put_function("f").await;
    stack.put_source("s").await;
    for name in ["b", "a"] {
        let request = trigger(name, "f");
        let request = pb::PutTriggerRequest { source: Some("s".to_owned()), ..request };
        assert!(stack.put_trigger(request).await.applied);
    }
    let error = stack.client().delete_source(delete("s")).await.unwrap_err();
    assert!(error.message().contains("the triggers 'a', 'b'"), "{error}");
    assert_eq!(refused::<()>(Err(error)).0, "source-in-use");
    for name in ["a", "b"] {
        stack.client().delete_trigger(delete(name)).await.unwrap();
    }
    stack.client().delete_source(delete("s")).await.unwrap();
    assert_eq!(refused(stack.client().delete_source(delete("s")).await).0, "source-not-found");
    stack.stop().await;
}

#[tokio::test]
async fn a_paused_source_stays_so_until_it_is_resumed() {
    let stack = Stack::start().await;
    let made = stack.put_source("s").await;
    assert!(!made.paused);
    let named = pb::NamedRequest {
        tenant: DEFAULT_TENANT.to_string(),
        name: "s".to_owned(),
        condition: None,
    };
    let paused = stack.client().pause_source(named.clone()).await.unwrap().into_inner();
    assert!(paused.paused);
    let again = stack.client().pause_source(named.clone()).await.unwrap().into_inner();
    assert_eq!(again, paused, "what is paused already does not change");
    let kept = stack.put_source("s").await;
    assert_eq!(kept, paused, "a PUT says nothing of it");
    let stack = stack.restart().await;
    let resumed = stack.client().resume_source(named.clone()).await.unwrap().into_inner();
    assert!(!resumed.paused);
    assert!(resumed.meta.as_ref().unwrap().revision > paused.meta.unwrap().revision);
    let absent = pb::NamedRequest { name: "t".to_owned(), ..named };
    assert_eq!(refused(stack.client().pause_source(absent).await).0, "source-not-found");
    stack.stop().await;
}
