//! The client against a small server of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::{Bounds, Client, Error};
use crate::connect::Lookup;
use crate::{Guard, Options};

const BOUNDS: Bounds = Bounds { deadline: Duration::from_secs(10), body_bytes_max: 100 };

/// Answers every connection with `answer`, once the request's head is in, and keeps the connection open.
async fn server(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut open = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut seen = Vec::new();
            while !seen.ends_with(b"\r\n\r\n") {
                seen.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            open.push(stream);
        }
    });
    address
}

fn client(allow: &[&str], lookup: Option<Lookup>) -> Client {
    let allow_cidrs = allow.iter().map(|text| (*text).to_owned()).collect();
    let options = Options { allow_cidrs, ..Options::default() };
    let guard = Guard::new(&options).unwrap();
    match lookup {
        Some(lookup) => Client::with_lookup(guard, &options, lookup),
        None => Client::new(guard, &options),
    }
}

fn get(url: &str) -> Request<Full<Bytes>> {
    Request::get(url).body(Full::default()).unwrap()
}

#[tokio::test]
async fn an_allowed_address_is_called_and_a_redirect_is_an_answer_like_any_other() {
    let address = server(
        "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 2\r\n\r\nhi",
    )
    .await;
    let client = client(&["127.0.0.1/32"], None);
    for host in ["127.0.0.1", "localhost", "a.localhost", "[::ffff:127.0.0.1]"] {
        let url = format!("http://{host}:{}/", address.port());
        let fetched = client.fetch(get(&url), BOUNDS).await.unwrap();
        assert_eq!((fetched.status.as_u16(), &fetched.body[..]), (302, &b"hi"[..]), "{host}");
        assert!(!fetched.cut);
    }
}

#[tokio::test]
async fn forbidden_addresses_are_refused_at_the_connection_however_they_are_written() {
    let address = server("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let client = client(&[], None);
    for host in ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost", "0177.0.0.1", "127.1"] {
        let url = format!("http://{host}:{}/", address.port());
        let refused = client.fetch(get(&url), BOUNDS).await.unwrap_err();
        assert!(matches!(refused, Error::Forbidden(_)), "{host}: {refused:?}");
    }
}

#[tokio::test]
async fn a_name_with_one_forbidden_address_is_refused_and_each_connection_asks_anew() {
    let address = server("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
    let answers = std::sync::Mutex::new(vec![
        vec!["127.0.0.1:0".parse().unwrap(), "[::1]:0".parse().unwrap()],
        vec!["127.0.0.1:0".parse().unwrap()],
    ]);
    let lookup: Lookup = Arc::new(move |_| {
        let next = answers.lock().unwrap().pop().unwrap();
        Box::pin(async move { Ok(next) })
    });
    let client = client(&["127.0.0.1/32"], Some(lookup));
    let url = format!("http://rebinding.test:{}/", address.port());
    assert_eq!(client.fetch(get(&url), BOUNDS).await.unwrap().status.as_u16(), 200);
    let second = client.fetch(get(&url), BOUNDS).await.unwrap_err();
    assert!(matches!(second, Error::Forbidden(_)), "{second:?}");
}

#[tokio::test]
async fn a_body_is_cut_at_the_limit_and_a_silent_server_at_the_deadline() {
    let long = server(
        "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n\
         0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789more",
    )
    .await;
    let client = client(&["127.0.0.1/32"], None);
    let fetched = client.fetch(get(&format!("http://{long}/")), BOUNDS).await.unwrap();
    assert_eq!((fetched.body.len(), fetched.cut), (100, true));

    let silent = server("").await;
    let bounds = Bounds { deadline: Duration::from_millis(50), ..BOUNDS };
    let error = client.fetch(get(&format!("http://{silent}/")), bounds).await.unwrap_err();
    assert_eq!(error, Error::Timeout(bounds.deadline));
}

#[tokio::test]
async fn a_refused_or_broken_connection_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    let client = client(&["127.0.0.1/32"], None);
    let error = client.fetch(get(&format!("http://{closed}/")), BOUNDS).await.unwrap_err();
    let Error::NotConnected(reason) = error else { panic!("{error:?}") };
    assert!(reason.starts_with("cannot connect: Connection refused"), "{reason}");

    let broken = server("nonsense\r\n\r\n").await;
    let error = client.fetch(get(&format!("http://{broken}/")), BOUNDS).await.unwrap_err();
    assert!(matches!(error, Error::BrokenOff(_)), "{error:?}");
}

#[tokio::test]
async fn a_body_can_be_read_as_it_comes() {
    let address = server("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n").await;
    let client = client(&["127.0.0.1/32"], None);
    let mut response = client.send(get(&format!("http://{address}/"))).await.unwrap();
    let frame = response.body_mut().frame().await.unwrap().unwrap();
    assert_eq!(&frame.into_data().unwrap()[..], b"ab");
}
