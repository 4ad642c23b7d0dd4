//! The function that is invoked: answers 204 at once and notes what came, and when.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// What the function has seen.
#[derive(Default)]
pub(crate) struct Seen {
    /// How often each event came, by its number.
    times: Vec<u8>,
    /// Microseconds from publish to arrival, for each event's first arrival, with its number.
    latencies: Vec<(u32, u32)>,
    unknown: u64,
}

/// A running function.
pub(crate) struct Function {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    delivered: watch::Receiver<u64>,
}

impl Function {
    /// Starts to serve on loopback. `start` is the moment that events count their time from.
    pub(crate) async fn start(start: Instant) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (count, delivered) = watch::channel(0);
        let (noted, count) = (Arc::clone(&seen), Arc::new(count));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let (noted, count) = (Arc::clone(&noted), Arc::clone(&count));
                let service = service_fn(move |request| {
                    answer(request, Arc::clone(&noted), Arc::clone(&count), start)
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Ok(Self { address, seen, delivered })
    }

    /// Waits until this many distinct events have arrived, or `deadline` has passed.
    pub(crate) async fn wait_for(&self, events: u64, deadline: std::time::Duration) {
        let mut delivered = self.delivered.clone();
        let _ = tokio::time::timeout(deadline, delivered.wait_for(|count| *count >= events)).await;
    }

    /// (arrivals beyond the first, numbers below `published` that never came, requests that were no event of ours).
    pub(crate) fn tally(&self, published: u32) -> (u64, u64, u64) {
        let seen = self.seen.lock().expect("nothing panics while it holds this lock");
        let duplicates = seen.times.iter().map(|times| u64::from(times.saturating_sub(1))).sum();
        let came =
            seen.times.iter().take(published as usize).filter(|times| **times > 0).count() as u64;
        (duplicates, u64::from(published) - came, seen.unknown)
    }

    /// The latency in milliseconds at each of these quantiles, over events numbered `from` and above.
    pub(crate) fn quantiles(&self, from: u32, quantiles: &[f64]) -> Vec<f64> {
        let seen = self.seen.lock().expect("nothing panics while it holds this lock");
        let mut micros: Vec<_> =
            seen.latencies.iter().filter(|(n, _)| *n >= from).map(|(_, micros)| *micros).collect();
        micros.sort_unstable();
        let at = |quantile: &f64| {
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "a rank within the list"
            )]
            let rank = (quantile * micros.len() as f64).ceil() as usize;
            micros
                .get(rank.saturating_sub(1))
                .map_or(f64::NAN, |micros| f64::from(*micros) / 1000.0)
        };
        quantiles.iter().map(at).collect()
    }
}

async fn answer(
    request: Request<Incoming>,
    seen: Arc<Mutex<Seen>>,
    count: Arc<watch::Sender<u64>>,
    start: Instant,
) -> Result<Response<Empty<Bytes>>, hyper::Error> {
    let body = request.into_body().collect().await?.to_bytes();
    let now = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
    let number = number_after(&body, b"\"n\":").and_then(|n| u32::try_from(n).ok());
    let sent = number_after(&body, b"\"sent_us\":");
    let mut first = false;
    {
        let mut seen = seen.lock().expect("nothing panics while it holds this lock");
        if let (Some(number), Some(sent)) = (number, sent) {
            let at = number as usize;
            if seen.times.len() <= at {
                seen.times.resize(at + 1, 0);
            }
            seen.times[at] = seen.times[at].saturating_add(1);
            first = seen.times[at] == 1;
            if first {
                let micros = u32::try_from(now.saturating_sub(sent)).unwrap_or(u32::MAX);
                seen.latencies.push((number, micros));
            }
        } else {
            seen.unknown += 1;
        }
    }
    if first {
        count.send_modify(|count| *count += 1);
    }
    let mut response = Response::new(Empty::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// The whole number that stands right behind `mark`.
fn number_after(body: &[u8], mark: &[u8]) -> Option<u64> {
    let at = body.windows(mark.len()).position(|window| window == mark)? + mark.len();
    let digits = body[at..].iter().take_while(|byte| byte.is_ascii_digit());
    let mut value = None;
    for digit in digits {
        value = Some(value.unwrap_or(0_u64).checked_mul(10)?.checked_add(u64::from(digit - b'0'))?);
    }
    value
}
