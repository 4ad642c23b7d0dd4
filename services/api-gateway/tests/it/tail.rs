//! Following invocations as they happen.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tripline_contracts::pb;
use tripline_testkit::wait_until;

use crate::records::with_function;
use crate::support::client::Request;
use crate::support::{KEY, OTHER_KEY, SOON, Stack, eventually};

/// As many as one API key may have at a time.
const TAILS_OF_KEY_MAX: usize = 4;
/// How long a tail may take to be rid of a reader that does not read.
const UNREAD_LATEST: Duration = Duration::from_secs(60);

fn events(request: Request) -> tokio::task::JoinHandle<crate::support::client::Answer> {
    tokio::spawn(request.header("accept", "text/event-stream").send())
}

/// Asks for a tail and reads nothing. Little is held for it on the way.
async fn unread(stack: &Stack, key: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut stream = socket.connect(stack.address).await.unwrap();
    let head = format!(
        "GET /v1/tail HTTP/1.1\r\nhost: test\r\naccept: */*\r\nauthorization: Bearer {key}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// Asks for a tail and reads the answer's head: the connection, and the status.
async fn answered(stack: &Stack, key: &str) -> (TcpStream, u16) {
    let mut stream = unread(stack, key).await;
    let mut status = [0; 12];
    let read = stream.read_exact(&mut status);
    tokio::time::timeout(SOON, read).await.expect("a head in time").unwrap();
    let status = std::str::from_utf8(&status[9..]).unwrap().parse().unwrap();
    (stream, status)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_tells_what_is_new_to_its_own_tenant_until_the_gateway_stops() {
    let (stack, function) = with_function().await;
    let invocation = |id: &str, state: &str| pb::Invocation {
        id: id.to_owned(),
        function_uid: function.clone(),
        state: state.to_owned(),
        ..pb::Invocation::default()
    };
    stack.invoker.invocations.lock().unwrap().push(invocation("old", "succeeded"));
    // Only one of the two asks for a function.
    let looks = |function: bool| {
        let lists = stack.invoker.lists.lock().unwrap();
        lists.iter().filter(|list| list.function_uid.is_some() == function).count()
    };
    let both = |count| looks(true) >= count && looks(false) >= count;
    let ours = events(stack.request("GET", "/v1/tail?function=f&state=dead"));
    let foreign = events(stack.foreign("GET", "/v1/tail"));
    eventually("both have looked at what there is", || both(1)).await;
    {
        let mut invocations = stack.invoker.invocations.lock().unwrap();
        invocations.insert(0, invocation("new", "dead"));
        invocations.insert(0, invocation("newer", "pending"));
    }
    // The third look of each comes after it has told what its second met.
    eventually("both have told of it", || both(3)).await;
    stack.context.stop.cancel();
    let (ours, foreign) = (ours.await.unwrap(), foreign.await.unwrap());
    assert_eq!((ours.status, ours.header("content-type")), (200, "text/event-stream"));
    let told = String::from_utf8_lossy(&ours.body).into_owned();
    let told: Vec<_> = told.split_terminator("\n\n").collect();
    assert_eq!((told.len(), told[0]), (2, "event: ready\ndata: {}"), "{told:?}");
    let data = told[1].strip_prefix("event: invocation\ndata: ").unwrap();
    let data: Value = serde_json::from_str(data).unwrap();
    assert_eq!((&data["id"], &data["function"]), (&json!("new"), &json!("f")));
    assert_eq!(&foreign.body[..], b"event: ready\ndata: {}\n\n", "not theirs");
}

#[tokio::test(flavor = "multi_thread")]
async fn tails_are_refused_beyond_their_bound_and_where_nothing_would_come() {
    let (stack, _) = with_function().await;
    stack.get("/v1/tail").await.problem(400, "invalid-header");
    stack.get("/v1/tail?trigger=none").await.problem(404, "trigger-not-found");
    stack.get("/v1/tail?function=none").await.problem(404, "function-not-found");
    stack.get("/v1/tail?state=gone&x=1").await.problem(422, "invalid-query");
    let mut tails = Vec::new();
    for _ in 0..TAILS_OF_KEY_MAX {
        let (stream, status) = answered(&stack, KEY).await;
        assert_eq!(status, 200);
        tails.push(stream);
    }
    let refused = stack.request("GET", "/v1/tail").header("accept", "*/*").send().await;
    refused.problem(429, "too-many-tails");
    assert_eq!(answered(&stack, OTHER_KEY).await.1, 200, "another key has places of its own");

    tails.pop();
    let again = wait_until(SOON, async || answered(&stack, KEY).await.1 == 200).await;
    again.expect("the place of who has left is free");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_does_not_read_loses_its_place() {
    let (stack, function) = with_function().await;
    let large = |id: usize| pb::Invocation {
        id: id.to_string(),
        function_uid: function.clone(),
        event_id: "x".repeat(10_000),
        state: "succeeded".to_owned(),
        ..pb::Invocation::default()
    };
    *stack.invoker.invocations.lock().unwrap() = (0..100).map(large).collect();
    let mut tails = Vec::new();
    for _ in 0..TAILS_OF_KEY_MAX {
        tails.push(unread(&stack, KEY).await);
    }
    eventually("all follow", || stack.invoker.lists.lock().unwrap().len() >= TAILS_OF_KEY_MAX)
        .await;
    assert_eq!(answered(&stack, KEY).await.1, 429);
    // Each look finds a megabyte of news: soon more than the connection holds unread.
    let freed = wait_until(UNREAD_LATEST, async || {
        for item in &mut *stack.invoker.invocations.lock().unwrap() {
            item.generation += 1;
        }
        answered(&stack, KEY).await.1 == 200
    });
    freed.await.expect("a place is free again");
    drop(tails);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_ends_with_its_key_and_with_what_its_name_stood_for() {
    let (stack, function) = with_function().await;
    stack.put("/v1/triggers/t", r#"{"function":"f"}"#).await;
    let of_trigger = events(stack.request("GET", "/v1/tail?trigger=t"));
    let of_function = events(stack.request("GET", &format!("/v1/tail?function={function}")));
    let looks = |of_trigger: bool| {
        let lists = stack.invoker.lists.lock().unwrap();
        lists.iter().any(|list| list.trigger_uid.is_some() == of_trigger)
    };
    eventually("both have begun", || looks(true) && looks(false)).await;
    stack.request("DELETE", "/v1/triggers/t").send().await;
    let anew = stack.put("/v1/triggers/t", r#"{"function":"f"}"#).await.json();
    let known = wait_until(SOON, async || {
        stack.get("/v1/invocations?trigger=t").await;
        let lists = stack.invoker.lists.lock().unwrap();
        lists.last().is_some_and(|list| list.trigger_uid.as_deref() == anew["uid"].as_str())
    });
    known.await.expect("the gateway knows whose the name is now");
    assert!(!of_trigger.is_finished());
    stack.clock.advance(31);
    assert_eq!(of_trigger.await.unwrap().status, 200, "made anew, it has another uid");
    assert!(!of_function.is_finished(), "a uid always stands for the same");

    stack.auth.revoked.store(true, Ordering::SeqCst);
    stack.clock.advance(31);
    assert_eq!(of_function.await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_look_does_not_reach_is_told_of_as_a_gap() {
    let (stack, function) = with_function().await;
    let invocation = |id: String, state: &str, bytes| pb::Invocation {
        id,
        function_uid: function.clone(),
        event_id: "x".repeat(bytes),
        state: state.to_owned(),
        ..pb::Invocation::default()
    };
    stack.invoker.invocations.lock().unwrap().push(invocation("open".to_owned(), "pending", 1));
    let tail = events(stack.request("GET", "/v1/tail?state=dead"));
    let looks = || stack.invoker.lists.lock().unwrap().len();
    eventually("it has begun", || looks() >= 1).await;
    let new = (0..300).map(|id: u32| invocation(id.to_string(), "succeeded", 40_000));
    stack.invoker.invocations.lock().unwrap().splice(0..0, new);
    let begun = looks();
    eventually("it has looked, and told", || looks() >= begun + 3).await;
    let asked = stack.invoker.lists.lock().unwrap()[begun].clone();
    assert_eq!(asked.attempts(), pb::AttemptDetail::Last);
    stack.context.stop.cancel();
    let told = tail.await.unwrap().body;
    let told = std::str::from_utf8(&told).unwrap();
    // The second page of a hundred goes over 4 MiB; what had not ended is on the fourth.
    let gap = "event: ready\ndata: {}\n\nevent: gap\ndata: {\"looked_at\":200}\n\n";
    assert_eq!(told, gap, "once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_stops_waits_for_no_look() {
    let (stack, _) = with_function().await;
    let tail = events(stack.request("GET", "/v1/tail"));
    eventually("it has begun", || !stack.invoker.lists.lock().unwrap().is_empty()).await;
    stack.invoker.hanging.store(true, Ordering::SeqCst);
    eventually("a look hangs", || stack.invoker.hung.load(Ordering::SeqCst) > 0).await;
    stack.context.stop.cancel();
    let answer = tokio::time::timeout(Duration::from_secs(3), tail).await;
    assert_eq!(answer.expect("at once").unwrap().status, 200);
}
