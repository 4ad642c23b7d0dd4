//! What the service promises, whatever it keeps its data in.

use tripline_contracts::{Error, pb};
use tripline_kernel::{Classify as _, DEFAULT_TENANT};

use super::Database;
use super::running::{ADMIN_KEY, Of, Running, new_uid};

fn code_of(status: tonic::Status) -> String {
    Error::from(status).code().into_owned()
}

pub(crate) async fn a_rule_lives_as_long_as_a_relation_needs_it(database: &Database) {
    let auth = database.start().await;
    let (one, other, of) = (new_uid(), new_uid(), Of::new());
    assert_eq!(code_of(auth.rule(of).await.unwrap_err()), "rule-not-found");
    let rule = auth.grant(one, of).await.unwrap();
    assert_eq!(auth.grant(one, of).await.unwrap(), rule, "granting again changes nothing");
    assert_eq!(auth.grant(other, of).await.unwrap(), rule, "one rule, two relations");
    assert_eq!(auth.rule(of).await.unwrap(), rule);
    assert_eq!(code_of(auth.grant(one, Of::new()).await.unwrap_err()), "relation-taken");

    assert_eq!(auth.revoke(one).await.unwrap(), None);
    assert_eq!(auth.rule(of).await.unwrap(), rule);
    assert_eq!(auth.revoke(other).await.unwrap(), Some(rule.uid.clone()));
    assert_eq!(auth.revoke(other).await.unwrap(), Some(rule.uid.clone()), "asked again");
    assert_eq!(code_of(auth.rule(of).await.unwrap_err()), "rule-not-found");

    assert_eq!(code_of(auth.grant(one, of).await.unwrap_err()), "relation-revoked");
    let late = new_uid();
    assert_eq!(auth.revoke(late).await.unwrap(), None, "revoked before it was granted");
    assert_eq!(code_of(auth.grant(late, of).await.unwrap_err()), "relation-revoked");
    let anew = auth.grant(new_uid(), of).await.unwrap();
    assert!(anew.uid != rule.uid && anew.revision > rule.revision, "another rule");
    auth.stop().await;
}

pub(crate) async fn a_watcher_learns_what_is_there_then_what_changes(database: &Database) {
    let auth = database.start().await;
    let (first, of_first) = (new_uid(), Of::new());
    let ended = new_uid();
    auth.grant(ended, Of::new()).await.unwrap();
    auth.revoke(ended).await.unwrap();
    let rule = auth.grant(first, of_first).await.unwrap();

    let mut watch = auth.watch(0).await;
    let told = watch.next().await;
    assert_eq!((told.revision, told.ended), (rule.revision, false), "what has ended is left out");
    assert_eq!(told.rule.unwrap(), rule);
    let caught_up = watch.next().await;
    assert!(caught_up.rule.is_none() && caught_up.revision >= rule.revision);

    let live = auth.grant(new_uid(), Of::new()).await.unwrap();
    assert_eq!(watch.next().await.rule.unwrap(), live);
    auth.revoke(first).await.unwrap();
    let end = watch.next().await;
    assert!(end.ended && end.revision > live.revision);
    assert_eq!(end.rule.unwrap().uid, rule.uid);

    let (stopped, stream_ended) = tokio::join!(auth.stop(), watch.ended());
    assert!(stream_ended, "the stream ends in order when the service stops: {stopped:?}");
}

pub(crate) async fn a_watcher_that_comes_again_gets_what_it_missed(database: &Database) {
    let url = database.url().await;
    let auth = Running::start(&url, ADMIN_KEY).await;
    let (relation, of) = (new_uid(), Of::new());
    let rule = auth.grant(relation, of).await.unwrap();
    let mut watch = auth.watch(0).await;
    watch.next().await;
    let seen = watch.next().await.revision;
    auth.stop().await;

    let auth = Running::start(&url, ADMIN_KEY).await;
    // The end of what it knows among them.
    for _ in 0..3 {
        auth.grant(new_uid(), Of::new()).await.unwrap();
    }
    auth.revoke(relation).await.unwrap();
    let mut watch = auth.watch(seen).await;
    let mut last = seen;
    for _ in 0..3 {
        let told = watch.next().await;
        assert!(told.revision > last && !told.ended && told.rule.is_some());
        last = told.revision;
    }
    let end = watch.next().await;
    assert!(end.ended && end.rule.unwrap().uid == rule.uid);
    assert!(watch.next().await.rule.is_none(), "caught up");
    drop(watch);
    auth.stop().await;
}

pub(crate) async fn concurrent_grants_and_revokes_leave_no_rule_too_many(database: &Database) {
    const RELATIONS: usize = 12;
    let url = database.url().await;
    let auth = Running::start(&url, ADMIN_KEY).await;
    // A second replica where there can be one: grants and revokes come through both.
    let second =
        if database.is_shared() { Some(Running::start(&url, ADMIN_KEY).await) } else { None };
    let through = [&auth, second.as_ref().unwrap_or(&auth)];
    let of = Of::new();
    let relations: Vec<_> = (0..RELATIONS).map(|_| new_uid()).collect();
    let act = async |index: usize| {
        let (relation, first, other) =
            (relations[index], through[index % 2], through[(index + 1) % 2]);
        let (granted, revoked) = tokio::join!(first.grant(relation, of), async {
            if index.is_multiple_of(3) { None } else { Some(other.revoke(relation).await) }
        });
        if let Some(revoked) = revoked {
            revoked.expect("revoking always succeeds");
            // The grant was before the revoke, or is refused; either way the relation is gone.
            let refused = granted.err().map(code_of);
            assert!(refused.is_none_or(|code| code == "relation-revoked"));
            let again = first.grant(relation, of).await.unwrap_err();
            assert_eq!(code_of(again), "relation-revoked");
        } else {
            granted.expect("nothing stands against this grant");
        }
    };
    futures_util::future::join_all((0..RELATIONS).map(act)).await;
    auth.rule(of).await.expect("relations that were never revoked need it");
    let kept = (0..RELATIONS).filter(|index| index.is_multiple_of(3));
    let revokes = kept.map(|index| through[index % 2].revoke(relations[index]));
    let ended = futures_util::future::join_all(revokes).await;
    let ended: Vec<_> = ended.into_iter().filter_map(Result::unwrap).collect();
    assert_eq!(ended.len(), 1, "exactly one of them was the last");
    assert_eq!(code_of(auth.rule(of).await.unwrap_err()), "rule-not-found");
    auth.stop().await;
    if let Some(second) = second {
        second.stop().await;
    }
}

pub(crate) async fn replicas_see_each_others_changes(database: &Database) {
    if !database.is_shared() {
        return;
    }
    let url = database.url().await;
    let (one, other) =
        tokio::join!(Running::start(&url, ADMIN_KEY), Running::start(&url, ADMIN_KEY));
    let mut watch = other.watch(0).await;
    assert!(watch.next().await.rule.is_none(), "nothing is there yet");
    let rule = one.grant(new_uid(), Of::new()).await.unwrap();
    assert_eq!(watch.next().await.rule.unwrap(), rule);
    drop(watch);
    one.stop().await;
    other.stop().await;
}

pub(crate) async fn keys_and_calls_are_authenticated(database: &Database) {
    let url = database.url().await;
    let auth = Running::start(&url, ADMIN_KEY).await;
    let authenticate = async |auth: &Running, key: &str| {
        let request = pb::AuthenticateRequest { api_key: key.to_owned() };
        auth.client.clone().authenticate(request).await.map(tonic::Response::into_inner)
    };
    let holder = authenticate(&auth, ADMIN_KEY).await.unwrap();
    assert_eq!(
        (holder.tenant, holder.api_key_name),
        (DEFAULT_TENANT.to_string(), "admin".to_owned())
    );
    for wrong in ["", "admin-key-of-the-test", "ADMIN-KEY-OF-THE-TESTS", "admin-key-of-the-tests "]
    {
        let refused = Error::from(authenticate(&auth, wrong).await.unwrap_err());
        assert_eq!(
            (refused.kind().is_fault(), refused.code().as_ref()),
            (false, "invalid-api-key")
        );
    }
    let request = pb::AuthenticateRequest { api_key: ADMIN_KEY.to_owned() };
    let stranger = auth.stranger.clone().authenticate(request).await.unwrap_err();
    assert_eq!(stranger.code(), tonic::Code::Unauthenticated);
    assert_ne!(code_of(stranger), "invalid-api-key", "refused before the key is looked at");
    auth.stop().await;

    let auth = Running::start(&url, "another-admin-key").await;
    authenticate(&auth, ADMIN_KEY).await.expect_err("the older key is replaced");
    let again = authenticate(&auth, "another-admin-key").await.unwrap();
    assert_eq!(again.api_key_uid, holder.api_key_uid);
    auth.stop().await;
}
