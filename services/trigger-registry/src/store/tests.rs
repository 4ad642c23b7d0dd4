//! What the store promises, on every database.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tripline_event::Subject;
use tripline_kernel::{DEFAULT_TENANT, Name, TenantUid, Uid};
use tripline_runtime::{SystemClock, SystemEntropy};

use super::{Entry, Error, Store, Task};
use crate::bus::Bus;
use crate::function::{self, Function};
use crate::kinds::Settings;
use crate::page::Asked;
use crate::resource::{Kind, Meta};
use crate::source::{self, Source};
use crate::trigger::{self, Delivery, Relation, Start, State, Trigger};

/// Each case runs on each of these databases, in a database of its own.
macro_rules! suite {
    ($($case:ident),* $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test]
                async fn $case() {
                    let dir = tempfile::tempdir().unwrap();
                    let url = format!("sqlite://{}/registry.db", dir.path().display());
                    super::$case(super::open(&url).await).await;
                }
            )*
        }
        mod mariadb {
            $(
                #[tokio::test]
                async fn $case() {
                    let url = tripline_testkit::mariadb().await.database().await.unwrap();
                    super::$case(super::open(&url).await).await;
                }
            )*
        }
        mod postgres {
            $(
                #[tokio::test]
                async fn $case() {
                    let url = tripline_testkit::postgres().await.database().await.unwrap();
                    super::$case(super::open(&url).await).await;
                }
            )*
        }
    };
}

suite! {
    resources_come_back_as_they_were_stored,
    names_belong_to_a_tenant_and_are_compared_and_ordered_as_bytes,
    a_write_that_is_dropped_changes_nothing_and_uses_no_revision,
    the_feed_has_one_row_for_each_resource_and_keeps_tombstones,
    a_newer_task_takes_the_place_of_an_older_one,
    the_definitions_and_relations_of_a_trigger_are_kept_until_they_are_removed,
    concurrent_writers_commit_their_revisions_in_order,
    the_schema_is_brought_up_to_date_only_once,
}

async fn open(url: &str) -> Store {
    let options = tripline_db::Options { url: url.to_owned().into(), connections_max: 4 };
    Store::open(&options, Arc::new(SystemClock), &SystemEntropy).await.unwrap()
}

const OTHER_TENANT: TenantUid = Uid::from_bytes([9; 16]);

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn uid() -> Uid {
    Uid::new(&SystemClock, &SystemEntropy)
}

fn function(tenant: TenantUid, text: &str) -> Function {
    let now = tripline_kernel::Clock::now(&SystemClock);
    let settings: Settings = serde_json::from_str(r#"{"url":"http://x/ü€😀","a":[1]}"#).unwrap();
    Function {
        meta: Meta::new(tenant, name(text), uid(), now),
        spec: function::Spec {
            target_kind: "http".to_owned(),
            target_settings: settings,
            timeout_ms: 900_000,
            concurrency: 1_000,
        },
        signing_sealed: (0..=255).collect(),
        earlier_signing: Some(function::Earlier { sealed: (0..=255).rev().collect(), until: now }),
        secrets_sealed: vec![0, 255],
    }
}

fn bus() -> Bus {
    let now = tripline_kernel::Clock::now(&SystemClock);
    Bus::with_default_limits(Meta::new(DEFAULT_TENANT, name("default"), uid(), now))
}

fn trigger(bus: &Bus, function: &Function, source: Option<&Source>) -> Trigger {
    let now = tripline_kernel::Clock::now(&SystemClock);
    Trigger {
        meta: Meta::new(DEFAULT_TENANT, name("t"), uid(), now),
        spec: trigger::Spec {
            bus: bus.meta.reference(),
            source: source.map(|source| source.meta.reference()),
            // Larger than a MySQL TEXT holds once it is quoted.
            pattern: Some(format!(r#"{{"type":["{}"]}}"#, "\"".repeat(40_000))),
            function: function.meta.reference(),
            delivery: Delivery::default(),
            start: Start::Latest,
        },
        state: State::Paused("gone ✗".to_owned()),
        relation: uid(),
        definition_revision: 7,
    }
}

async fn insert(store: &Store, mut function: Function) -> Function {
    let mut write = store.write().await.unwrap();
    write.stamp(&mut function.meta);
    write.insert(&function).await.unwrap();
    write.commit().await.unwrap();
    function
}

async fn resources_come_back_as_they_were_stored(store: Store) {
    let mut write = store.write().await.unwrap();
    let (mut bus, mut function) = (bus(), function(DEFAULT_TENANT, "f"));
    write.stamp(&mut bus.meta);
    write.insert(&bus).await.unwrap();
    write.stamp(&mut function.meta);
    write.insert(&function).await.unwrap();
    let mut source = Source {
        meta: Meta::new(DEFAULT_TENANT, name("s"), uid(), write.now()),
        spec: source::Spec {
            kind: "minio".to_owned(),
            settings: Settings::new(),
            bus: bus.meta.reference(),
        },
        secrets_sealed: vec![0, 255, 10],
        paused: true,
    };
    write.stamp(&mut source.meta);
    write.insert(&source).await.unwrap();
    let mut trigger = trigger(&bus, &function, Some(&source));
    write.stamp(&mut trigger.meta);
    write.insert(&trigger).await.unwrap();
    write.commit().await.unwrap();

    let db = store.db();
    assert_eq!(super::all::<Bus>(db).await.unwrap(), [bus]);
    let found: Option<Function> = super::named(db, DEFAULT_TENANT, &name("f")).await.unwrap();
    assert_eq!(found.as_ref(), Some(&function));
    let found: Vec<Source> = super::with_uids(db, vec![source.meta.uid, uid()]).await.unwrap();
    assert_eq!(found, [source.clone()]);
    let found = super::with_uid(db, DEFAULT_TENANT, trigger.meta.uid).await.unwrap();
    assert_eq!(found.as_ref(), Some(&trigger));
    let by = super::using_function(db, DEFAULT_TENANT, function.meta.uid).await.unwrap();
    assert_eq!(by, [trigger.clone()]);
    let by = super::using_source(db, DEFAULT_TENANT, source.meta.uid, 20).await.unwrap();
    assert_eq!(by, [trigger.clone()]);

    let mut write = store.write().await.unwrap();
    trigger.state = State::Deleting;
    trigger.spec.source = None;
    write.stamp(&mut trigger.meta);
    write.update(&trigger).await.unwrap();
    write.commit().await.unwrap();
    let found = super::with_uid(db, DEFAULT_TENANT, trigger.meta.uid).await.unwrap();
    assert_eq!(found, Some(trigger));
    let by = super::using_function(db, DEFAULT_TENANT, function.meta.uid).await.unwrap();
    assert_eq!(by, [], "what is on its way out does not count");
}

async fn names_belong_to_a_tenant_and_are_compared_and_ordered_as_bytes(store: Store) {
    let texts = ["a", "a-", "a-b", "a0", "ab", "b", "0", "z"];
    for text in texts {
        insert(&store, function(DEFAULT_TENANT, text)).await;
    }
    let other = insert(&store, function(OTHER_TENANT, "a")).await;
    let mut write = store.write().await.unwrap();
    let mut twice = function(DEFAULT_TENANT, "a");
    write.stamp(&mut twice.meta);
    let refused = write.insert(&twice).await;
    assert!(matches!(refused, Err(Error::Unavailable(_))), "one name, one function");
    drop(write);

    let db = store.db();
    let found: Option<Function> = super::named(db, OTHER_TENANT, &name("a")).await.unwrap();
    assert_eq!(found, Some(other.clone()));
    let found: Option<Function> = super::named(db, DEFAULT_TENANT, &name("a1")).await.unwrap();
    assert_eq!(found, None);
    let hidden: Option<Function> =
        super::with_uid(db, DEFAULT_TENANT, other.meta.uid).await.unwrap();
    assert_eq!(hidden, None, "a uid of another tenant");

    let (mut names, mut cursor) = (Vec::new(), String::new());
    loop {
        let asked = Asked::parse(DEFAULT_TENANT, 3, &cursor).unwrap();
        let page = super::page::<Function>(db, &asked).await.unwrap();
        names.extend(page.items.into_iter().map(|function| function.meta.name));
        cursor = page.next_cursor;
        if cursor.is_empty() {
            break;
        }
    }
    let mut sorted = texts;
    sorted.sort_unstable();
    assert_eq!(names, sorted.map(name));
}

async fn a_write_that_is_dropped_changes_nothing_and_uses_no_revision(store: Store) {
    let before = insert(&store, function(DEFAULT_TENANT, "before")).await;
    let mut write = store.write().await.unwrap();
    let mut lost = function(DEFAULT_TENANT, "lost");
    write.stamp(&mut lost.meta);
    write.insert(&lost).await.unwrap();
    drop(write);
    let idle = store.write().await.unwrap();
    idle.commit().await.unwrap();
    assert_eq!(store.look().await.unwrap(), before.meta.revision);
    let found = super::named::<Function>(store.db(), DEFAULT_TENANT, &name("lost")).await.unwrap();
    assert_eq!(found, None);
    let after = insert(&store, function(DEFAULT_TENANT, "after")).await;
    assert_eq!(after.meta.revision, before.meta.revision + 1);
}

async fn the_feed_has_one_row_for_each_resource_and_keeps_tombstones(store: Store) {
    let first = insert(&store, function(DEFAULT_TENANT, "first")).await;
    let mut second = insert(&store, function(DEFAULT_TENANT, "second")).await;
    let mut write = store.write().await.unwrap();
    write.stamp(&mut second.meta);
    write.update(&second).await.unwrap();
    write.remove(&first).await.unwrap();
    write.commit().await.unwrap();

    let changes = super::changed_after(store.db(), 0, 10).await.unwrap();
    let seen: Vec<_> = changes.iter().map(|c| (c.meta.revision, c.meta.uid, c.deleted)).collect();
    assert_eq!(seen, [(3, second.meta.uid, false), (4, first.meta.uid, true)]);
    assert_eq!(changes[0].meta, second.meta);
    assert_eq!(changes[1].kind, Kind::Function);
    assert_eq!(changes[1].meta.name, first.meta.name);
    let rest = super::changed_after(store.db(), 3, 10).await.unwrap();
    assert_eq!(rest, changes[1..]);
    assert_eq!(super::changed_after(store.db(), 0, 1).await.unwrap(), changes[..1]);
    assert_eq!(*store.head().borrow(), 4, "a commit is known at once");
}

async fn a_newer_task_takes_the_place_of_an_older_one(store: Store) {
    let mut function = function(DEFAULT_TENANT, "f");
    let task = |partitions| Task::Remove { bus: Uid::NIL, partitions, revoke: vec![uid()] };
    let mut leave = async |task: &Task| -> Entry {
        let mut write = store.write().await.unwrap();
        write.stamp(&mut function.meta);
        write.leave_task(&function.meta, task).await.unwrap();
        write.commit().await.unwrap();
        let due = super::due(store.db(), 10).await.unwrap();
        assert_eq!(due.len(), 1);
        due.into_iter().next().unwrap()
    };
    let take = async |entry: &Entry| {
        let write = store.write().await.unwrap();
        let taken = write.take_task(entry).await.unwrap();
        write.commit().await.unwrap();
        taken
    };
    let older = leave(&task(1)).await;
    let (newest, newer) = (task(2), leave(&task(3)).await);
    assert!(!take(&older).await, "it has been replaced");
    assert!(take(&newer).await);
    assert!(!take(&newer).await, "it is done");
    assert!(super::is_settled(store.db(), newer.uid).await.unwrap());
    let last = leave(&newest).await;
    assert_eq!((last.task, last.name.as_str(), last.tenant), (newest, "f", DEFAULT_TENANT));
    assert!(!super::is_settled(store.db(), newer.uid).await.unwrap());
    assert_eq!(super::pending_count(store.db()).await.unwrap(), 1);
}

async fn the_definitions_and_relations_of_a_trigger_are_kept_until_they_are_removed(store: Store) {
    let write = store.write().await.unwrap();
    let mut trigger = trigger(&bus(), &function(DEFAULT_TENANT, "f"), None);
    let relation = |number, subject| Relation {
        uid: Uid::from_bytes([number; 16]),
        tenant: DEFAULT_TENANT,
        trigger: trigger.meta.uid,
        subject,
        function: trigger.spec.function.uid,
        rule: None,
    };
    let (first, mut second) =
        (relation(1, Subject::Bus(uid())), relation(2, Subject::Source(uid())));
    write.insert_relation(&first).await.unwrap();
    write.insert_relation(&second).await.unwrap();
    second.rule = Some(uid());
    write.relation_granted(second.uid, second.rule.unwrap()).await.unwrap();
    write.keep_definition(&trigger).await.unwrap();
    let (spec, old_relation) = (trigger.spec.clone(), trigger.relation);
    trigger.definition_revision = 9;
    trigger.relation = second.uid;
    trigger.spec.pattern = None;
    write.keep_definition(&trigger).await.unwrap();
    write.commit().await.unwrap();

    let (db, of) = (store.db(), trigger.meta.uid);
    let kept = super::relations_of(db, &trigger).await.unwrap();
    assert_eq!(kept, [first.clone(), second.clone()]);
    assert_eq!(super::definition_at(db, of, 7).await.unwrap(), Some((spec, old_relation)));
    let newest = Some((trigger.spec.clone(), trigger.relation));
    assert_eq!(super::definition_at(db, of, 9).await.unwrap(), newest);
    assert_eq!(super::definition_at(db, of, 8).await.unwrap(), None);

    let write = store.write().await.unwrap();
    write.remove_relations(&[first.uid]).await.unwrap();
    write.remove_relations(&[]).await.unwrap();
    write.forget_definitions(of).await.unwrap();
    write.commit().await.unwrap();
    assert_eq!(super::relations_of(db, &trigger).await.unwrap(), [second]);
    assert_eq!(super::definition_at(db, of, 9).await.unwrap(), None);
}

/// Would a reader at any moment see a revision whose predecessor is not committed yet, a watcher could skip that.
async fn concurrent_writers_commit_their_revisions_in_order(store: Store) {
    const WRITERS: usize = 4;
    const WRITES: usize = 15;
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for turn in 0..WRITES {
                    insert(&store, function(DEFAULT_TENANT, &format!("{writer}-{turn}"))).await;
                }
            })
        })
        .collect();
    let mut seen = BTreeSet::new();
    let total = u64::try_from(WRITERS * WRITES).unwrap();
    let reading = async {
        while u64::try_from(seen.len()).unwrap() < total {
            let last = seen.last().copied().unwrap_or(0);
            for change in super::changed_after(store.db(), last, 1_000).await.unwrap() {
                let revision = change.meta.revision;
                assert_eq!(revision, seen.last().map_or(1, |last| last + 1), "none is skipped");
                seen.insert(revision);
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), reading).await.unwrap();
    for writer in writers {
        writer.await.unwrap();
    }
}

async fn the_schema_is_brought_up_to_date_only_once(store: Store) {
    use sea_orm_migration::MigratorTrait as _;
    let kept = insert(&store, function(DEFAULT_TENANT, "kept")).await;
    super::Migrator::up(store.db(), None).await.unwrap();
    // As after a crash between the steps of the first migration, before it was noted as done.
    let manager = sea_orm_migration::SchemaManager::new(store.db());
    for migration in super::Migrator::migrations() {
        migration.up(&manager).await.unwrap();
    }
    assert_eq!(store.look().await.unwrap(), kept.meta.revision);
}
