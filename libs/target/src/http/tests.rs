//! HTTP functions against a small server of their own.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tripline_outbound::{Client, Guard, Options};

use super::Kind;
use crate::{Call, Error, Kind as _, Settings};

fn kind(allow: &str) -> Kind {
    let options = Options { allow_cidrs: vec![allow.to_owned()], ..Options::default() };
    Kind::new(Client::new(Guard::new(&options).unwrap(), &options))
}

fn settings(value: Value) -> Settings {
    let Value::Object(settings) = value else { panic!("settings are an object") };
    settings
}

fn call() -> Call {
    Call {
        headers: vec![("webhook-id", "abc".to_owned())],
        content_type: "application/cloudevents+json".to_owned(),
        body: Bytes::from_static(b"{}"),
        timeout: Duration::from_secs(10),
    }
}

/// Takes one request, answers it, and gives the request back.
async fn server(answer: &'static str) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n{}") {
            request.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(request).unwrap().to_ascii_lowercase()
    });
    (address, served)
}

#[test]
fn every_fault_of_the_settings_is_named_with_its_place() {
    let faulty = settings(json!({
        "url": "http://10.0.0.1/",
        "hedaers": {},
        "headers": {"webhook-id": "x", "a b": "x", "x-n": 1, "x-c": "a\nb", "x-ok": "ok"},
    }));
    let mut faults: Vec<_> = kind("127.0.0.1/32")
        .check(&faulty)
        .into_iter()
        .map(|fault| (fault.pointer, fault.code.into_owned()))
        .collect();
    faults.sort();
    let expected = [
        ("/headers/a b", "invalid-header"),
        ("/headers/webhook-id", "reserved-header"),
        ("/headers/x-c", "invalid-header"),
        ("/headers/x-n", "wrong-type"),
        ("/hedaers", "unknown-field"),
        ("/url", "address-forbidden"),
    ]
    .map(|(pointer, code)| (pointer.to_owned(), code.to_owned()));
    assert_eq!(faults, expected);
    let missing = kind("127.0.0.1/32").check(&settings(json!({})));
    assert_eq!((missing[0].pointer.as_str(), &*missing[0].code), ("/url", "required"));
}

#[tokio::test]
async fn a_call_is_one_post_with_its_headers_and_the_answer_comes_back() {
    let (address, served) = server(
        "HTTP/1.1 503 Busy\r\nretry-after: 7\r\ntripline-retry: Never\r\n\
         content-type: text/plain\r\ncontent-length: 4\r\n\r\nbusy",
    )
    .await;
    let target = kind("127.0.0.1/32")
        .open(&settings(json!({
            "url": format!("http://{address}/f?key=secret#part"),
            "headers": {"Authorization": "Bearer t"},
        })))
        .unwrap();
    assert_eq!(target.address(), format!("http://{address}/f?…"));

    let answer = target.call(call()).await.unwrap();
    assert_eq!((answer.status_code, &answer.body[..]), (503, &b"busy"[..]));
    assert_eq!(answer.content_type, "text/plain");
    assert_eq!((answer.retry_after, answer.retry_never), (Some(Duration::from_secs(7)), true));

    let request = served.await.unwrap();
    assert!(request.starts_with("post /f?key=secret http/1.1\r\n"), "{request}");
    for line in [
        "authorization: bearer t",
        "webhook-id: abc",
        "content-type: application/cloudevents+json",
        "content-length: 2",
    ] {
        assert!(request.contains(&format!("\r\n{line}\r\n")), "{line} in {request}");
    }
}

#[tokio::test]
async fn a_function_that_never_answers_costs_its_time_out_and_no_more() {
    let (address, _served) = server("").await;
    let url = json!({"url": format!("http://{address}/")});
    let target = kind("127.0.0.1/32").open(&settings(url)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = json!({"url": format!("http://{}/", listener.local_addr().unwrap())});
    let silent = kind("127.0.0.1/32").open(&settings(silent)).unwrap();
    let call = Call { timeout: Duration::from_millis(50), ..call() };
    assert_eq!(silent.call(call.clone()).await, Err(Error::Timeout(call.timeout)));
    assert!(matches!(target.call(call).await, Err(Error::BrokenOff(_))), "closed without answer");
}
