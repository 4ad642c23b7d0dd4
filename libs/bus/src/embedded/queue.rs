//! The in-process work queue: a hand-over that stores nothing.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use futures_util::FutureExt as _;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tripline_event::Frame;

use crate::{Consumer, Delivery, Error, Lane, Publish, WorkQueue};

/// Most frames that wait in one lane; a publish beyond is refused.
const WAITING_MAX: usize = 1024;
/// Most frames given out to one consumer without an acknowledgement; `next` then waits for ever.
const UNACKNOWLEDGED_MAX: usize = 256;

/// Hands frames over inside one process; the consumer's acknowledgement confirms a publish.
///
/// So nothing needs to be stored: until then the publisher's own position in the log covers the frame.
///
/// Dropping the future of a publish withdraws its frame, unless a consumer holds it at that moment. Such a frame
/// is withdrawn too when its consumer is dropped without acknowledging it.
#[derive(Default)]
pub struct Queue {
    lanes: Mutex<HashMap<Lane, Arc<LaneState>>>,
}

impl Queue {
    /// A queue with empty lanes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lane(&self, lane: Lane) -> Arc<LaneState> {
        let mut lanes = self.lanes.lock().expect("nothing panics while it holds this lock");
        Arc::clone(lanes.entry(lane).or_default())
    }
}

#[async_trait::async_trait]
impl WorkQueue for Queue {
    fn publish(&self, lane: Lane, frame: Frame) -> Publish {
        let confirmed = match self.lane(lane).put(frame) {
            Ok(confirmed) => confirmed,
            Err(refused) => return std::future::ready(Err(refused)).boxed(),
        };
        let gone = || Error::Unavailable("the queue is gone".to_owned());
        confirmed.map(move |answer| answer.unwrap_or_else(|_| Err(gone()))).boxed()
    }

    async fn consume(&self, lane: Lane) -> Result<Box<dyn Consumer>, Error> {
        let lane = self.lane(lane);
        Ok(Box::new(Holder { lane, unacknowledged: VecDeque::new(), last: 0, turn: None }))
    }
}

/// A frame on its way from a publisher to the acknowledgement.
struct Item {
    frame: Frame,
    confirm: oneshot::Sender<Result<(), Error>>,
}

/// One lane: its frames, and whose turn it is to receive them.
struct LaneState {
    waiting: Mutex<VecDeque<Item>>,
    /// Only the consumer whose turn it is waits here.
    arrived: Notify,
    turn: Arc<Semaphore>,
}

impl Default for LaneState {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            arrived: Notify::new(),
            turn: Arc::new(Semaphore::new(1)),
        }
    }
}

impl LaneState {
    fn waiting(&self) -> MutexGuard<'_, VecDeque<Item>> {
        self.waiting.lock().expect("nothing panics while it holds this lock")
    }

    fn put(&self, frame: Frame) -> Result<oneshot::Receiver<Result<(), Error>>, Error> {
        let (confirm, confirmed) = oneshot::channel();
        let mut waiting = self.waiting();
        if waiting.len() >= WAITING_MAX {
            waiting.retain(|item| !item.confirm.is_closed());
        }
        if waiting.len() >= WAITING_MAX {
            return Err(Error::Unavailable(format!("{WAITING_MAX} frames wait in the lane")));
        }
        waiting.push_back(Item { frame, confirm });
        drop(waiting);
        self.arrived.notify_one();
        Ok(confirmed)
    }

    /// The next frame that has not been withdrawn.
    fn pop(&self) -> Option<Item> {
        let mut waiting = self.waiting();
        while let Some(item) = waiting.pop_front() {
            if !item.confirm.is_closed() {
                return Some(item);
            }
        }
        None
    }
}

/// A consumer of a lane; the one with the turn receives.
struct Holder {
    lane: Arc<LaneState>,
    /// Given out, oldest first, and the delivery id of each.
    unacknowledged: VecDeque<(u64, Item)>,
    /// The delivery id given out last.
    last: u64,
    // Declared last: the turn passes on after `drop` has put back what was not acknowledged.
    turn: Option<OwnedSemaphorePermit>,
}

#[async_trait::async_trait]
impl Consumer for Holder {
    async fn next(&mut self) -> Result<Delivery, Error> {
        if self.turn.is_none() {
            let turn = Arc::clone(&self.lane.turn).acquire_owned().await;
            self.turn = Some(turn.expect("the semaphore of a lane is never closed"));
        }
        if self.unacknowledged.len() >= UNACKNOWLEDGED_MAX {
            // Only an acknowledgement helps, and that needs this consumer back.
            return std::future::pending().await;
        }
        loop {
            if let Some(item) = self.lane.pop() {
                self.last += 1;
                let frame = item.frame.clone();
                self.unacknowledged.push_back((self.last, item));
                return Ok(Delivery { id: self.last, frame });
            }
            self.lane.arrived.notified().await;
        }
    }

    async fn ack(&mut self, delivery: u64) -> Result<(), Error> {
        while let Some((_, item)) = self.unacknowledged.pop_front_if(|(id, _)| *id <= delivery) {
            // A publisher that has left does not mind.
            let _ = item.confirm.send(Ok(()));
        }
        Ok(())
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let mut waiting = self.lane.waiting();
        while let Some((_, item)) = self.unacknowledged.pop_back() {
            waiting.push_front(item);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use futures_util::FutureExt as _;
    use tripline_event::Frame;

    use super::{Queue, WAITING_MAX};
    use crate::conformance::queue_conformance;
    use crate::{Lane, WorkQueue};

    fn frame(name: &'static str) -> Frame {
        Frame::new(vec![Bytes::from_static(name.as_bytes())])
    }

    #[tokio::test]
    async fn keeps_every_rule_of_the_port() {
        queue_conformance(async || Arc::new(Queue::new()) as Arc<dyn WorkQueue>).await;
    }

    #[tokio::test]
    async fn a_dropped_publish_withdraws_its_frame() {
        let (queue, lane) = (Queue::new(), Lane(0));
        let mut withdrawn = queue.publish(lane, frame("withdrawn"));
        assert!((&mut withdrawn).now_or_never().is_none(), "nobody has acknowledged it");
        let kept = queue.publish(lane, frame("kept"));
        drop(withdrawn);

        let mut consumer = queue.consume(lane).await.unwrap();
        let delivery = consumer.next().await.unwrap();
        assert_eq!(delivery.frame, frame("kept"));
        consumer.ack(delivery.id).await.unwrap();
        kept.await.unwrap();
    }

    #[tokio::test]
    async fn a_full_lane_refuses_and_withdrawn_frames_make_room() {
        let (queue, lane) = (Queue::new(), Lane(0));
        let mut publishes: Vec<_> =
            (0..WAITING_MAX).map(|_| queue.publish(lane, frame("x"))).collect();
        assert!(queue.publish(lane, frame("refused")).await.is_err());
        drop(publishes.pop());
        assert!(queue.publish(lane, frame("taken")).now_or_never().is_none());
    }
}
