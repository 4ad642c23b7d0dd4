use tripline_contracts::pb;
use tripline_kernel::Uid;

use crate::stack::{Stack, delete, function, get, list, refused};

fn only_if(revision: u64) -> Option<pb::Condition> {
    Some(pb::Condition { if_revision: Some(revision), if_absent: false })
}

#[tokio::test]
async fn a_write_is_done_only_under_its_condition() {
    let stack = Stack::start().await;
    let absent = Some(pb::Condition { if_revision: None, if_absent: true });
    let create = pb::PutFunctionRequest { condition: absent, ..function("f") };
    let made = stack.client().put_function(create.clone()).await.unwrap().into_inner();
    let revision = made.function.unwrap().meta.unwrap().revision;
    assert_eq!(refused(stack.client().put_function(create).await).0, "already-exists");

    let change =
        |condition| pb::PutFunctionRequest { condition, concurrency: Some(1), ..function("f") };
    let refusal = refused(stack.client().put_function(change(only_if(revision + 1))).await);
    assert_eq!(refusal.0, "revision-mismatch");
    let changed = stack.client().put_function(change(only_if(revision))).await.unwrap();
    let now = changed.into_inner().function.unwrap().meta.unwrap().revision;

    let nowhere = pb::PutFunctionRequest { condition: only_if(1), ..function("nowhere") };
    assert_eq!(refused(stack.client().put_function(nowhere).await).0, "revision-mismatch");
    let late = pb::DeleteRequest { condition: only_if(revision), ..delete("f") };
    assert_eq!(refused(stack.client().delete_function(late).await).0, "revision-mismatch");
    let timely = pb::DeleteRequest { condition: only_if(now), ..delete("f") };
    stack.client().delete_function(timely).await.unwrap();
    stack.stop().await;
}

#[tokio::test]
async fn lists_go_by_name_page_by_page_and_refuse_foreign_cursors() {
    let stack = Stack::start().await;
    for name in ["c", "a", "b"] {
        stack.put_function(name).await;
    }
    let first = stack.client().list_functions(list(2, "")).await.unwrap().into_inner();
    let rest = stack.client().list_functions(list(2, &first.next_cursor)).await.unwrap();
    let rest = rest.into_inner();
    let names = first.items.into_iter().chain(rest.items).map(|item| item.meta.unwrap().name);
    assert_eq!(names.collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(rest.next_cursor, "");
    let refusal = refused(stack.client().list_functions(list(2, "no cursor")).await);
    assert_eq!(refusal.0, "invalid-cursor");
    stack.stop().await;
}

#[tokio::test]
async fn a_tenant_sees_nothing_of_another() {
    let stack = Stack::start().await;
    stack.put_function("f").await;
    let tenant = Uid::from_bytes([9; 16]).to_string();
    let foreign = pb::GetRequest { tenant: tenant.clone(), ..get("f") };
    assert_eq!(refused(stack.client().get_function(foreign).await).0, "function-not-found");
    let foreign = pb::DeleteRequest { tenant: tenant.clone(), ..delete("f") };
    assert_eq!(refused(stack.client().delete_function(foreign).await).0, "function-not-found");
    let foreign = pb::ListRequest { tenant, ..list(0, "") };
    let listed = stack.client().list_functions(foreign).await.unwrap().into_inner();
    assert_eq!(listed.items, []);
    stack.stop().await;
}

#[tokio::test]
async fn a_caller_without_a_service_token_is_refused() {
    let stack = Stack::start().await;
    let answer = stack.stranger().get_function(get("f")).await;
    assert_eq!(answer.unwrap_err().code(), tonic::Code::Unauthenticated);
    stack.stop().await;
}
