use std::collections::HashMap;

use proptest::prelude::*;
use tripline_event::Subject;
use tripline_kernel::DEFAULT_TENANT;
use tripline_runtime::{SystemClock, SystemEntropy};
use tripline_signing::ApiKey;

use super::*;
use crate::rule::Binding;

struct Kept {
    store: Store,
    _dir: tempfile::TempDir,
}

async fn open() -> Kept {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", dir.path().join("auth.db").display()).into();
    let options = tripline_db::Options { url, connections_max: 2 };
    let db = tripline_db::open::<Migrator>(&options, || 0.5).await.unwrap();
    let store = Store::new(db, Arc::new(SystemClock), Arc::new(SystemEntropy));
    store.begin(None).await.unwrap();
    Kept { store, _dir: dir }
}

fn uid_of(number: u8) -> Uid {
    Uid::from_bytes([number; 16])
}

fn binding(number: u8) -> Binding {
    let subject = [Subject::Source, Subject::Bus][usize::from(number % 2)](uid_of(1));
    Binding { tenant: DEFAULT_TENANT, subject, function: uid_of(number / 2) }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Grant { relation: u8, binding: u8 },
    Revoke { relation: u8 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let grant =
        (0..6_u8, 0..4_u8).prop_map(|(relation, binding)| Step::Grant { relation, binding });
    let revoke = (0..6_u8).prop_map(|relation| Step::Revoke { relation });
    prop::collection::vec(prop_oneof![2 => grant, 1 => revoke], 1..25)
}

/// What a relation is, as simply as it can be said: in the rule of a binding, or revoked.
type Model = HashMap<u8, Option<u8>>;

async fn step(store: &Store, model: &mut Model, step: Step) {
    match step {
        Step::Grant { relation, binding: number } => {
            let granted = store.grant(uid_of(100 + relation), binding(number)).await;
            match (model.get(&relation), granted) {
                (None, Ok(rule)) => {
                    assert_eq!(rule.binding, binding(number));
                    model.insert(relation, Some(number));
                }
                (Some(Some(same)), Ok(_)) => assert_eq!(*same, number),
                (Some(Some(other)), Err(Error::RelationTaken(_))) => assert_ne!(*other, number),
                (Some(None), Err(Error::RelationRevoked(_))) => {}
                (known, granted) => panic!("{step:?} of {known:?} answered {granted:?}"),
            }
        }
        Step::Revoke { relation } => {
            let before = model.insert(relation, None).flatten();
            let last = before.filter(|number| !model.values().any(|other| *other == Some(*number)));
            let ended = store.revoke(DEFAULT_TENANT, uid_of(100 + relation)).await.unwrap();
            assert!(ended.is_some() || last.is_none(), "{step:?} ended no rule");
            let again = store.revoke(DEFAULT_TENANT, uid_of(100 + relation)).await.unwrap();
            assert_eq!(again, ended, "a repeated revoke is answered the same");
        }
    }
}

/// Applies what a watcher is told, as the invoker does.
async fn follow(store: &Store, position: &mut u64, rules: &mut HashMap<Binding, Uid>) {
    let changes = store.changes(*position, *position == 0).await.unwrap();
    for change in changes {
        assert!(change.rule.revision > *position, "revisions rise");
        *position = change.rule.revision;
        if change.ended {
            rules.remove(&change.rule.binding);
        } else {
            rules.insert(change.rule.binding, change.rule.uid);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_grants_and_revokes_leaves_exactly_the_rules_that_relations_need(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let kept = open().await;
            let mut model = Model::new();
            let (mut position, mut watched) = (0, HashMap::new());
            for (index, one) in steps.into_iter().enumerate() {
                step(&kept.store, &mut model, one).await;
                if index % 3 == 0 {
                    follow(&kept.store, &mut position, &mut watched).await;
                }
            }
            follow(&kept.store, &mut position, &mut watched).await;
            for number in 0..4 {
                let needed = model.values().any(|relation| *relation == Some(number));
                let rule = kept.store.rule(&binding(number)).await;
                let known = watched.get(&binding(number));
                match rule {
                    Ok(rule) => assert!(needed && known == Some(&rule.uid), "{number}"),
                    Err(Error::RuleNotFound) => assert!(!needed && known.is_none(), "{number}"),
                    Err(error) => panic!("{error}"),
                }
            }
        });
    }
}

#[tokio::test]
async fn another_tenants_relation_cannot_be_granted_or_revoked() {
    let kept = open().await;
    let rule = kept.store.grant(uid_of(100), binding(0)).await.unwrap();
    let theirs = Binding { tenant: uid_of(9), ..binding(0) };
    assert!(matches!(kept.store.grant(uid_of(100), theirs).await, Err(Error::RelationTaken(_))));
    assert!(matches!(
        kept.store.revoke(uid_of(9), uid_of(100)).await,
        Err(Error::RelationTaken(_))
    ));
    assert!(matches!(kept.store.rule(&theirs).await, Err(Error::RuleNotFound)));
    assert_eq!(kept.store.rule(&binding(0)).await.unwrap(), rule);
}

#[tokio::test]
async fn the_administrators_key_is_replaced_and_keeps_its_uid() {
    let kept = open().await;
    let keys = ["first-key-of-the-admin", "other-key-of-the-admin"]
        .map(|key| key.parse::<ApiKey>().unwrap());
    assert!(matches!(kept.store.holder(&keys[0].hash()).await, Err(Error::UnknownApiKey)));
    kept.store.begin(Some(&keys[0])).await.unwrap();
    let first = kept.store.holder(&keys[0].hash()).await.unwrap();
    assert_eq!((first.tenant, first.name.as_str()), (DEFAULT_TENANT, "admin"));
    kept.store.begin(Some(&keys[1])).await.unwrap();
    assert!(matches!(kept.store.holder(&keys[0].hash()).await, Err(Error::UnknownApiKey)));
    kept.store.begin(None).await.unwrap();
    assert_eq!(kept.store.holder(&keys[1].hash()).await.unwrap(), first);
}
