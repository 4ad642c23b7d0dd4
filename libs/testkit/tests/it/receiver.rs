use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use tripline_kernel::Timestamp;
use tripline_signing::{SigningSecret, sign};
use tripline_testkit::{Answer, Receiver, Recording};

const DEADLINE: Duration = Duration::from_secs(20);

fn client() -> Client<HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

async fn post(receiver: &Receiver, path: &str, body: &str) -> Option<http::response::Parts> {
    let request = Request::post(receiver.url(path)).body(Full::new(body.to_owned().into()));
    Some(client().request(request.unwrap()).await.ok()?.into_parts().0)
}

#[tokio::test]
async fn a_path_plays_its_script_and_then_answers_as_always() {
    let receiver = Receiver::start();
    receiver.script("/a", [Answer::status(503).retry_after(7), Answer::close()]);
    receiver.always("/a", Answer::status(204));
    receiver.otherwise(Answer::status(404));
    let first = post(&receiver, "/a?x=1", "one").await.unwrap();
    assert_eq!(
        (first.status, first.headers["retry-after"].to_str().unwrap()),
        (StatusCode::SERVICE_UNAVAILABLE, "7")
    );
    assert!(post(&receiver, "/a", "two").await.is_none(), "closed without an answer");
    assert_eq!(post(&receiver, "/a", "three").await.unwrap().status, 204);
    assert_eq!(post(&receiver, "/b", "four").await.unwrap().status, 404);
    let calls = receiver.wait_for(4, DEADLINE).await.unwrap();
    let bodies: Vec<_> = calls.iter().map(|call| call.body.as_ref()).collect();
    assert_eq!(bodies, [&b"one"[..], b"two", b"three", b"four"]);
    assert_eq!((calls[0].path.as_str(), calls[0].query.as_deref()), ("/a", Some("x=1")));
    assert_eq!((receiver.count_to("/a"), receiver.requests_to("/b").len()), (3, 1));
    assert!(receiver.wait_for(5, Duration::from_millis(20)).await.is_err());
    receiver.forget();
    assert_eq!((receiver.count(), receiver.requests().len()), (0, 0));
}

#[tokio::test]
async fn a_hanging_path_holds_its_callers_and_nobody_else() {
    let receiver = Receiver::start();
    receiver.always("/slow", Answer::hang());
    receiver.always("/late", Answer::ok().after(Duration::from_millis(50)));
    let hanging = tokio::time::timeout(Duration::from_millis(200), async {
        tokio::join!(post(&receiver, "/slow", ""), post(&receiver, "/slow", ""))
    });
    let begun = Instant::now();
    let (hung, late) = tokio::join!(hanging, post(&receiver, "/late", ""));
    assert!(hung.is_err() && late.is_some() && begun.elapsed() >= Duration::from_millis(50));
    assert_eq!(receiver.concurrent_max("/slow"), 2);
    assert_eq!(receiver.concurrent_max("/late"), 1);
}

#[tokio::test]
async fn a_call_without_a_valid_signature_is_counted() {
    let receiver = Receiver::start();
    let secret: SigningSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
    receiver.verify_with("/signed", std::slice::from_ref(&secret));
    let at = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let at = Timestamp::from_micros(i64::try_from(at).unwrap() * 1_000_000);
    for (signed, sent) in [("body", "body"), ("body", "forged")] {
        let request = Request::post(receiver.url("/signed"))
            .header("webhook-id", "inv_1")
            .header("webhook-timestamp", at.as_seconds())
            .header(
                "webhook-signature",
                sign(std::slice::from_ref(&secret), "inv_1", at, signed.as_bytes()),
            )
            .body(Full::new(Bytes::from(sent)));
        client().request(request.unwrap()).await.unwrap();
    }
    post(&receiver, "/signed", "unsigned").await.unwrap();
    post(&receiver, "/open", "unsigned").await.unwrap();
    let valid: Vec<_> = receiver.requests().iter().map(|call| call.signature_valid).collect();
    assert_eq!(valid, [Some(true), Some(false), Some(false), None]);
    assert_eq!(receiver.invalid(), 2);
}

#[tokio::test]
async fn memory_stays_bounded_while_all_calls_are_counted() {
    let receiver = Receiver::start_with(Recording { requests_max: 3, body_bytes_max: 10 });
    for body in ["1", "22", "333", "4444", "55555"] {
        post(&receiver, "/", body).await.unwrap();
    }
    let bodies: Vec<_> = receiver.requests().iter().map(|call| call.body.len()).collect();
    assert_eq!((receiver.count(), bodies), (5, vec![4, 5]));
}
