//! The adapters on a real RabbitMQ: the rules of the ports, and what happens when the broker fails.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod conformance;
mod lanes;
mod outages;
mod streams;

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tripline_bus::conformance::fresh_stream;
use tripline_bus::{EventLog, Reader, Record, Retention, Stream};
use tripline_bus_rabbitmq::{Log, Options, Queue};
use tripline_event::Frame;
use tripline_kernel::Entropy;
use tripline_testkit::{rabbitmq, unique};

/// How long any one step may take.
const DEADLINE: Duration = Duration::from_secs(60);
const RETENTION: Retention = Retention { time: Duration::from_secs(86_400), bytes: 1 << 30 };

/// Randomness that the standard library seeds from the system.
struct Random;

impl Entropy for Random {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let random = RandomState::new().hash_one(0_u8).to_le_bytes();
            chunk.copy_from_slice(&random[..chunk.len()]);
        }
    }
}

/// Options for queues of one's own on this broker.
fn options(uri: &str) -> Options {
    Options { uri: uri.into(), prefix: unique("test"), ..Options::default() }
}

async fn shared() -> Options {
    options(&rabbitmq().await.vhost().await.unwrap())
}

async fn log(options: &Options) -> Arc<dyn EventLog> {
    Arc::new(Log::connect(options, Arc::new(Random)).await.unwrap())
}

async fn queue(options: &Options) -> Arc<Queue> {
    Arc::new(Queue::connect(options, Arc::new(Random)).await.unwrap())
}

/// A new stream with this retention.
async fn stream(log: &Arc<dyn EventLog>, retention: Retention) -> Stream {
    let stream = fresh_stream();
    log.create(stream, retention).await.unwrap();
    stream
}

/// A frame that says which one it is, of about this many bytes.
fn frame(number: usize, bytes: usize) -> Frame {
    let mut entry = format!("{number} ").into_bytes();
    entry.resize(bytes.max(entry.len()), b'.');
    Frame::new(vec![Bytes::from(entry)])
}

/// Which one a frame is.
fn number(frame: &Frame) -> usize {
    let text = String::from_utf8_lossy(&frame.entries()[0]).into_owned();
    text.split(' ').next().unwrap().parse().unwrap()
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, work).await.expect("every step ends in time")
}

async fn take(reader: &mut Box<dyn Reader>, count: usize) -> Vec<Record> {
    let mut records = Vec::with_capacity(count);
    while records.len() < count {
        records.push(within(reader.next()).await.unwrap());
    }
    records
}
