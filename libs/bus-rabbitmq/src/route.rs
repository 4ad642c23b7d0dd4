//! Publishing to one queue: in order, through a channel of its own, with many frames on their way at once.

use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;
use futures_util::{FutureExt as _, StreamExt as _};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tripline_bus::Error;

use crate::fault::{Fault, request};
use crate::link::{Link, Up};
use crate::publisher::{Presence, Routes, Target};
use crate::queues;
use crate::{CONFIRM_MAX, ROUTE_IDLE_MAX, UNCONFIRMED_MAX};

/// How much longer a publish waits while its queue may have to be made, which happens once in the life of a queue.
const ENSURE_MAX: Duration = Duration::from_secs(15);
/// A message is kept when its queue's node restarts.
const PERSISTENT: u8 = 2;

/// One message, and who waits for its confirm.
pub(crate) struct Job {
    pub(crate) payload: Bytes,
    /// When waiting for a channel ends.
    pub(crate) unsent_until: Instant,
    pub(crate) answer: oneshot::Sender<Result<(), Error>>,
}

/// The way to one queue.
pub(crate) struct Route {
    pub(crate) target: Target,
    pub(crate) queue: String,
    pub(crate) presence: Presence,
    pub(crate) link: Arc<Link>,
    pub(crate) routes: Weak<Routes>,
    /// Whether the queue is known to have been there once.
    pub(crate) ensured: bool,
}

/// Nothing can be published through the channel any more.
struct Broken;

/// Why a channel is no longer served.
enum Ended {
    /// It broke. The route goes on with another.
    Broken,
    /// Nobody will publish any more, or not for a while.
    Done,
}

type Jobs = mpsc::Receiver<Job>;

impl Route {
    /// Publishes every job, until nobody submits any more or not for a long time.
    pub(crate) async fn run(mut self, mut jobs: Jobs) {
        loop {
            let Some(first) = self.next(&mut jobs).await else { return };
            if first.answer.is_closed() {
                continue; // Whoever asked has left.
            }
            let (up, channel) = match self.open(first.unsent_until).await {
                Ok(open) => open,
                Err(error) => {
                    let _ = first.answer.send(Err(error));
                    continue;
                }
            };
            match self.serve(&up, &channel, first, &mut jobs).await {
                Ended::Broken => self.link.suspect(),
                Ended::Done => return,
            }
        }
    }

    /// The next job; nothing once the route has ended.
    async fn next(&self, jobs: &mut Jobs) -> Option<Job> {
        loop {
            match tokio::time::timeout(ROUTE_IDLE_MAX, jobs.recv()).await {
                Ok(job) => return job,
                Err(_) if self.retire(jobs) => return None,
                Err(_) => {}
            }
        }
    }

    fn retire(&self, jobs: &Jobs) -> bool {
        self.routes.upgrade().is_none_or(|routes| routes.retire(self.target, jobs))
    }

    /// A channel on which messages to the queue are confirmed.
    async fn open(&mut self, deadline: Instant) -> Result<(Up, Channel), Error> {
        let mut attempt = 0;
        loop {
            let up = self.link.up_by(deadline).await?;
            let limit = if self.ensured { deadline } else { deadline + ENSURE_MAX };
            let fault = match tokio::time::timeout_at(limit, self.prepare(&up)).await {
                Ok(Ok(channel)) => {
                    self.ensured = true;
                    return Ok((up, channel));
                }
                Ok(Err(Fault::NotFound)) if !up.is_settling() => {
                    return Err(Error::NoStream(self.queue.clone()));
                }
                Ok(Err(fault)) => fault,
                Err(_) => Fault::Silent,
            };
            self.link.suspect();
            attempt += 1;
            let retry = Instant::now() + self.link.backoff(attempt);
            if retry >= deadline {
                return Err(Error::Unavailable(format!("{}: {fault}", self.queue)));
            }
            tokio::time::sleep_until(retry).await;
        }
    }

    async fn prepare(&self, up: &Up) -> Result<Channel, Fault> {
        if let Presence::Ensure(arguments) = &self.presence {
            queues::ensure(up, &self.queue, arguments).await?;
        }
        let channel = up.channel().await?;
        queues::expect(&channel, &self.queue).await?;
        request(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        Ok(channel)
    }

    /// Publishes through the channel until it breaks. Then what is unconfirmed is answered as being open.
    async fn serve(&self, up: &Up, channel: &Channel, first: Job, jobs: &mut Jobs) -> Ended {
        let mut confirms = FuturesOrdered::new();
        confirms.push_back(self.begin(channel, first).await);
        let mut lost = pin!(self.link.lost(up));
        loop {
            tokio::select! {
                biased;
                Some(confirm) = confirms.next() => if let Err(Broken) = confirm {
                    return Ended::Broken;
                },
                _ = &mut lost => return Ended::Broken,
                job = tokio::time::timeout(ROUTE_IDLE_MAX, jobs.recv()),
                    if confirms.len() < UNCONFIRMED_MAX =>
                {
                    match job {
                        Ok(Some(job)) if job.answer.is_closed() => {}
                        Ok(Some(job)) => confirms.push_back(self.begin(channel, job).await),
                        Ok(None) => {
                            // Those who wait for a confirm still do, even if nobody can submit any more.
                            while let Some(Ok(())) = confirms.next().await {}
                            return Ended::Done;
                        }
                        Err(_) if confirms.is_empty() && self.retire(jobs) => return Ended::Done,
                        Err(_) => {}
                    }
                }
            }
        }
    }

    /// Hands a message to the channel; what is returned waits for the confirm.
    ///
    /// The first poll is what puts the message in its place in the order, so it happens here and not whenever the set of
    /// confirms comes round to it.
    async fn begin(&self, channel: &Channel, job: Job) -> BoxFuture<'static, Result<(), Broken>> {
        let mut sending = send(channel.clone(), self.queue.clone(), job).boxed();
        let first = std::future::poll_fn(|context| Poll::Ready(sending.as_mut().poll(context)));
        match first.await {
            Poll::Ready(sent) => std::future::ready(sent).boxed(),
            Poll::Pending => sending,
        }
    }
}

/// Publishes one message and tells its submitter what became of it.
async fn send(channel: Channel, queue: String, job: Job) -> Result<(), Broken> {
    let options = BasicPublishOptions { mandatory: true, immediate: false };
    let properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
    let confirm = async {
        let key = queue.as_str().into();
        let publish =
            channel.basic_publish("".into(), key, options, &job.payload, properties).await?;
        publish.await
    };
    let unknown = |why: String| (Err(Error::Unavailable(why)), Err(Broken));
    let (answer, channel_state) = match tokio::time::timeout(CONFIRM_MAX, confirm).await {
        Ok(Ok(Confirmation::Ack(None))) => (Ok(()), Ok(())),
        Ok(Ok(Confirmation::Nack(_))) => {
            (Err(Error::Unavailable(format!("the broker refused a frame for {queue}"))), Ok(()))
        }
        Ok(Ok(Confirmation::Ack(Some(_)))) => (Err(Error::NoStream(queue)), Err(Broken)),
        Ok(Ok(Confirmation::NotRequested)) => unknown("the channel confirms nothing".to_owned()),
        Ok(Err(error)) => unknown(error.to_string()),
        Err(_) => unknown(format!("no confirm within {CONFIRM_MAX:?}")),
    };
    // Whoever asked may have left.
    let _ = job.answer.send(answer);
    channel_state
}
