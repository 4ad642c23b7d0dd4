//! Publishes events over HTTP, as many clients would.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Where and as whom to publish.
#[derive(Clone)]
pub(crate) struct Publisher {
    pub(crate) gateway: SocketAddr,
    pub(crate) api_key: String,
    /// Bytes of one event, about.
    pub(crate) event_bytes: usize,
    /// The moment that events count their time from.
    pub(crate) start: Instant,
    /// The number of the next event.
    pub(crate) next: Arc<AtomicU32>,
}

impl Publisher {
    /// Each connection publishes one event after the other until the time is up.
    pub(crate) async fn closed_loop(
        &self,
        connections: usize,
        time: Duration,
    ) -> anyhow::Result<()> {
        let until = Instant::now() + time;
        let mut clients = JoinSet::new();
        for _ in 0..connections {
            let publisher = self.clone();
            clients.spawn(async move {
                let mut connection = publisher.connect().await?;
                while Instant::now() < until {
                    publisher.publish(&mut connection).await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(client) = clients.join_next().await {
            client??;
        }
        Ok(())
    }

    /// Publishes at a fixed rate, whatever the answers do: a slow answer delays no later event.
    pub(crate) async fn open_loop(&self, per_second: u32, time: Duration) -> anyhow::Result<()> {
        let step = Duration::from_secs(1) / per_second;
        let begin = tokio::time::Instant::now();
        let (mut idle, mut under_way) = (Vec::new(), JoinSet::new());
        let mut at = begin;
        while at < begin + time {
            tokio::time::sleep_until(at).await;
            while let Some(done) = under_way.try_join_next() {
                idle.push(done??);
            }
            let mut connection = match idle.pop() {
                Some(connection) => connection,
                None => self.connect().await?,
            };
            let publisher = self.clone();
            under_way.spawn(async move {
                publisher.publish(&mut connection).await.map(|()| connection)
            });
            at += step;
        }
        while let Some(done) = under_way.join_next().await {
            done??;
        }
        Ok(())
    }

    async fn connect(&self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(self.gateway).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }

    async fn publish(&self, connection: &mut SendRequest<Full<Bytes>>) -> anyhow::Result<()> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let request = Request::post("/v1/buses/default/events")
            .header("host", "load")
            .header("authorization", &self.api_key)
            .header("content-type", "application/cloudevents+json")
            .body(Full::new(self.event(number)))?;
        connection.ready().await?;
        let response = connection.send_request(request).await.context("publish")?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if status != 202 {
            bail!("publish answered {status}: {}", String::from_utf8_lossy(&body));
        }
        Ok(())
    }

    fn event(&self, number: u32) -> Bytes {
        let sent = self.start.elapsed().as_micros();
        let head = format!(
            r#"{{"specversion":"1.0","id":"load-{number}","source":"/load","type":"dev.tripline.load","datacontenttype":"application/json","data":{{"n":{number},"sent_us":{sent},"fill":""#
        );
        let mut event = Vec::with_capacity(self.event_bytes + 8);
        event.extend_from_slice(head.as_bytes());
        event.resize(self.event_bytes.saturating_sub(3).max(head.len()), b'x');
        event.extend_from_slice(br#""}}"#);
        event.into()
    }
}
