//! Making queues that outlive their broker.
//!
//! A broker that is killed within a second of making a quorum queue or its first stream has half of it afterwards: the
//! name is there, the data is not, and whoever uses it hangs. (Seen on 3.10.8, whose Raft library writes down which
//! servers it has only now and then.) So a new queue is left alone for [`SETTLE`], and then marked by an exchange beside
//! it. Nobody publishes to a queue that is not marked, so a half-made one can be thrown away.

use std::time::Duration;

use lapin::options::{
    ExchangeDeclareOptions, ExchangeDeleteOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::FieldTable;
use lapin::{Channel, ExchangeKind};

use crate::fault::{Fault, request};
use crate::link::Up;
use crate::subscription::Subscription;

/// How long a new queue is left alone: twice what was seen to matter.
const SETTLE: Duration = Duration::from_secs(2);
/// How often a new queue must fail to answer before it is thrown away.
const SILENT_MAX: u32 = 2;

/// Sees that the queue is there. The channel is closed when it is not.
pub(crate) async fn expect(channel: &Channel, queue: &str) -> Result<(), Fault> {
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    request(channel.queue_declare(queue.into(), options, FieldTable::default())).await.map(drop)
}

/// Makes the queue if it is not there. Takes some seconds once in the life of a queue. One that was made with other
/// arguments stays as it is.
pub(crate) async fn ensure(up: &Up, queue: &str, arguments: &FieldTable) -> Result<(), Fault> {
    if is_made(up, queue).await? {
        return Ok(());
    }
    declare(up, queue, arguments).await?;
    tokio::time::sleep(SETTLE).await;
    for _ in 0..SILENT_MAX {
        let channel = up.channel().await?;
        match Subscription::new(channel, queue, 1, FieldTable::default()).await {
            Ok(_) => return mark(up, queue).await,
            Err(Fault::Silent) => {}
            Err(fault) => return Err(fault),
        }
        // The broker does answer other questions, and nobody else found the queue to be whole.
        if is_made(up, queue).await? {
            return Ok(());
        }
    }
    tracing::warn!(queue, "throwing away a queue that its broker lost while it was being made");
    let channel = up.channel().await?;
    request(channel.queue_delete(queue.into(), QueueDeleteOptions::default())).await?;
    Err(Fault::Failed(format!("{queue} was half made")))
}

/// Throws the queue away with all it holds, if it is there. The mark goes first: what is left by a crash in between is
/// then no whole queue.
pub(crate) async fn delete(up: &Up, queue: &str) -> Result<(), Fault> {
    let channel = up.channel().await?;
    let options = ExchangeDeleteOptions::default();
    request(channel.exchange_delete(marker(queue).as_str().into(), options)).await?;
    request(channel.queue_delete(queue.into(), QueueDeleteOptions::default())).await.map(drop)
}

async fn declare(up: &Up, queue: &str, arguments: &FieldTable) -> Result<(), Fault> {
    let channel = up.channel().await?;
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    match request(channel.queue_declare(queue.into(), options, arguments.clone())).await {
        Ok(_) => Ok(()),
        Err(Fault::Differs(why)) => {
            tracing::warn!(queue, reason = why, "the queue keeps the arguments it was made with");
            expect(&up.channel().await?, queue).await
        }
        Err(fault) => Err(fault),
    }
}

/// The exchange that says that a queue is whole. Nothing is bound to it.
fn marker(queue: &str) -> String {
    format!("{queue}.made")
}

async fn is_made(up: &Up, queue: &str) -> Result<bool, Fault> {
    let channel = up.channel().await?;
    let both = async {
        expect(&channel, queue).await?;
        let options = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
        declare_marker(&channel, queue, options).await
    };
    match both.await {
        Ok(()) => Ok(true),
        Err(Fault::NotFound) => Ok(false),
        Err(fault) => Err(fault),
    }
}

async fn mark(up: &Up, queue: &str) -> Result<(), Fault> {
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    declare_marker(&up.channel().await?, queue, options).await
}

async fn declare_marker(
    channel: &Channel,
    queue: &str,
    options: ExchangeDeclareOptions,
) -> Result<(), Fault> {
    let name = marker(queue);
    let arguments = FieldTable::default();
    request(channel.exchange_declare(
        name.as_str().into(),
        ExchangeKind::Fanout,
        options,
        arguments,
    ))
    .await
}
