use std::collections::BTreeMap;

use pb::change::Resource;
use tokio::time::timeout;
use tonic::Streaming;
use tripline_contracts::pb;

use crate::stack::{DEADLINE, SECRET, Stack, delete, function, trigger};

async fn watch(stack: &Stack, after_revision: u64) -> Streaming<pb::Change> {
    let request = pb::WatchRequest { after_revision };
    stack.client().watch(request).await.unwrap().into_inner()
}

async fn next(feed: &mut Streaming<pb::Change>) -> pb::Change {
    timeout(DEADLINE, feed.message()).await.unwrap().unwrap().unwrap()
}

/// Everything until the feed has caught up, and the revision up to which it has.
async fn snapshot(feed: &mut Streaming<pb::Change>) -> (Vec<pb::Change>, u64) {
    let mut changes = Vec::new();
    loop {
        let change = next(feed).await;
        if matches!(change.resource, Some(Resource::CaughtUp(_))) {
            return (changes, change.revision);
        }
        changes.push(change);
    }
}

fn meta(change: &pb::Change) -> &pb::Meta {
    let meta = match change.resource.as_ref().unwrap() {
        Resource::Bus(bus) => &bus.meta,
        Resource::Function(function) => &function.meta,
        Resource::Source(source) => &source.meta,
        Resource::Trigger(trigger) => &trigger.meta,
        Resource::CaughtUp(_) => &None,
    };
    meta.as_ref().unwrap()
}

fn names(changes: &[pb::Change]) -> Vec<&str> {
    changes.iter().map(|change| meta(change).name.as_str()).collect()
}

#[tokio::test]
async fn a_watcher_gets_everything_with_secrets_then_caught_up_then_what_comes() {
    let stack = Stack::start().await;
    let created = stack.client().put_function(function("f")).await.unwrap().into_inner();
    let secret = created.function.unwrap().signing_secret;
    stack.put_source("s").await;
    let active = stack.put_trigger(trigger("t", "f")).await.trigger.unwrap();

    let mut feed = watch(&stack, 0).await;
    let (all, head) = snapshot(&mut feed).await;
    assert_eq!(names(&all), ["default", "f", "s", "t"]);
    assert!(all.is_sorted_by_key(|change| change.revision));
    assert_eq!(all.last().unwrap().revision, head);
    let Some(Resource::Function(shown)) = &all[1].resource else { panic!("a function") };
    assert_eq!(shown.signing_secret, secret);
    let Some(Resource::Source(shown)) = &all[2].resource else { panic!("a source") };
    assert!(shown.settings_json.contains(SECRET), "services need it in the clear");
    assert_eq!(all[3].resource, Some(Resource::Trigger(active)));

    stack.client().delete_function(delete("f")).await.unwrap();
    let function_gone = next(&mut feed).await;
    assert!(
        function_gone.deleted && meta(&function_gone).name == "f",
        "first: why its triggers go"
    );
    let mut trigger_gone = next(&mut feed).await;
    assert_eq!(meta(&trigger_gone).name, "t");
    if !trigger_gone.deleted {
        // On its way out, for as long as that takes.
        let Some(Resource::Trigger(going)) = &trigger_gone.resource else { panic!("a trigger") };
        assert_eq!(going.state(), pb::TriggerState::Deleting);
        trigger_gone = next(&mut feed).await;
    }
    assert!(trigger_gone.deleted && meta(&trigger_gone).name == "t");

    // One that comes again goes on where it was; one that comes anew hears of what is gone, too.
    let (missed, _) = snapshot(&mut watch(&stack, head).await).await;
    assert_eq!(missed, [function_gone, trigger_gone]);
    let (fresh, _) = snapshot(&mut watch(&stack, 0).await).await;
    assert_eq!(names(&fresh), ["default", "s", "f", "t"]);
    assert_eq!(fresh.iter().filter(|change| change.deleted).count(), 2);
    // One that is ahead of a restored database is told everything.
    let (ahead, revision) = snapshot(&mut watch(&stack, 1_000_000).await).await;
    assert_eq!((ahead, revision), (fresh.clone(), fresh.last().unwrap().revision));

    // A stop ends the streams.
    stack.stop().await;
    assert!(timeout(DEADLINE, feed.message()).await.unwrap().is_ok_and(|change| change.is_none()));
}

#[tokio::test]
async fn a_snapshot_of_several_pages_is_whole() {
    let stack = Stack::start().await;
    for number in 0..600 {
        stack.put_function(&format!("f{number}")).await;
    }
    let (all, head) = snapshot(&mut watch(&stack, 0).await).await;
    assert_eq!(all.len(), 601);
    assert_eq!(head, 601);
    assert!(all.windows(2).all(|pair| pair[0].revision + 1 == pair[1].revision));
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_change_is_skipped_under_concurrent_writers() {
    const WRITERS: u32 = 6;
    const WRITES: u32 = 25;
    let stack = Stack::start().await;
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let mut client = stack.client();
            tokio::spawn(async move {
                // Each writer changes one function of its own again and again, and deletes another in between.
                for turn in 1..=WRITES {
                    let put = pb::PutFunctionRequest {
                        concurrency: Some(turn),
                        ..function(&format!("kept-{writer}"))
                    };
                    client.put_function(put).await.unwrap();
                    let brief = format!("brief-{writer}");
                    client.put_function(function(&brief)).await.unwrap();
                    client.delete_function(delete(&brief)).await.unwrap();
                }
            })
        })
        .collect();

    // Watchers that come and go while that happens, each going on from what it has seen.
    let watchers: Vec<_> = (1..=3_usize)
        .map(|patience| {
            let mut client = stack.client();
            tokio::spawn(async move {
                let (mut last, mut kept) = (0, BTreeMap::new());
                let mut gone = 0;
                while kept.len() < WRITERS as usize
                    || kept.values().any(|turn| *turn != WRITES)
                    || gone < WRITERS * WRITES
                {
                    let request = pb::WatchRequest { after_revision: last };
                    let mut feed = client.watch(request).await.unwrap().into_inner();
                    for _ in 0..patience * 7 {
                        let Ok(Ok(Some(change))) = timeout(DEADLINE, feed.message()).await else {
                            panic!("stuck at {last} with {kept:?} and {gone}");
                        };
                        let caught_up = matches!(change.resource, Some(Resource::CaughtUp(_)));
                        assert!(change.revision > last || caught_up, "in order");
                        last = last.max(change.revision);
                        match change.resource.unwrap() {
                            Resource::Function(_) if change.deleted => gone += 1,
                            Resource::Function(function) if function.concurrency <= WRITES => {
                                kept.insert(function.meta.unwrap().name, function.concurrency);
                            }
                            _ => {}
                        }
                        let all = kept.len() == WRITERS as usize
                            && kept.values().all(|turn| *turn == WRITES);
                        if all && gone == WRITERS * WRITES {
                            break;
                        }
                    }
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    for watcher in watchers {
        timeout(DEADLINE, watcher).await.unwrap().unwrap();
    }
    stack.stop().await;
}
