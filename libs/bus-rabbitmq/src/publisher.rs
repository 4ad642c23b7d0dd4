//! Everything that one process publishes through one connection.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use lapin::types::FieldTable;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tripline_bus::{Error, Lane, Stream};

use crate::link::Link;
use crate::route::{Job, Route};
use crate::{FRAME_BYTES_MAX, ROUTES_MAX, UNSENT_FRAMES_MAX, UNSENT_MAX};

/// What is published to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Target {
    Stream(Stream),
    Lane(Lane),
}

impl Target {
    /// The name of its queue.
    pub(crate) fn queue(self, prefix: &str) -> String {
        match self {
            Self::Stream(stream) => format!("{prefix}.log.{stream}"),
            Self::Lane(Lane(number)) => format!("{prefix}.lane.{number}"),
        }
    }
}

/// What to do for a queue before the first publish on a new channel.
#[derive(Clone, Debug)]
pub(crate) enum Presence {
    /// See that it is there.
    Expect,
    /// Make it if it is not there.
    Ensure(FieldTable),
}

/// Publishes to any number of queues, in order to each.
pub(crate) struct Publisher {
    link: Arc<Link>,
    prefix: String,
    presence: Presence,
    routes: Arc<Routes>,
}

/// The queues that are published to at the moment. Their tasks end when it is dropped.
#[derive(Default)]
pub(crate) struct Routes {
    jobs: Mutex<HashMap<Target, mpsc::Sender<Job>>>,
}

impl Routes {
    fn lock(&self) -> MutexGuard<'_, HashMap<Target, mpsc::Sender<Job>>> {
        self.jobs.lock().expect("nothing panics while it holds this lock")
    }

    /// Takes a route out that nobody uses; false when a job has come just now. Jobs are given to a route under the same
    /// lock, so none is lost in between.
    pub(crate) fn retire(&self, target: Target, jobs: &mpsc::Receiver<Job>) -> bool {
        let mut routes = self.lock();
        jobs.is_empty() && routes.remove(&target).is_some()
    }
}

impl Publisher {
    pub(crate) fn new(link: Arc<Link>, prefix: &str, presence: Presence) -> Self {
        Self { link, prefix: prefix.to_owned(), presence, routes: Arc::default() }
    }

    /// Publishes a message after all that were submitted to the same target before. Never waits itself.
    pub(crate) fn submit(
        &self,
        target: Target,
        payload: Bytes,
    ) -> BoxFuture<'static, Result<(), Error>> {
        let (answer, answered) = oneshot::channel();
        let job = Job { payload, unsent_until: Instant::now() + UNSENT_MAX, answer };
        if let Err(error) = self.enqueue(target, job) {
            return std::future::ready(Err(error)).boxed();
        }
        let answered = async {
            let lost = || Err(Error::Unavailable("the connection was lost on the way".to_owned()));
            answered.await.unwrap_or_else(|_| lost())
        };
        answered.boxed()
    }

    fn enqueue(&self, target: Target, job: Job) -> Result<(), Error> {
        let bytes = job.payload.len();
        if bytes > FRAME_BYTES_MAX {
            return Err(Error::TooLarge { bytes, bytes_max: FRAME_BYTES_MAX });
        }
        let mut routes = self.routes.lock();
        let open = routes.len();
        let sender = match routes.entry(target) {
            Entry::Occupied(route) => route.into_mut(),
            Entry::Vacant(_) if open >= ROUTES_MAX => {
                return Err(Error::Unavailable(format!(
                    "{ROUTES_MAX} queues are published to already"
                )));
            }
            Entry::Vacant(vacant) => {
                let (sender, jobs) = mpsc::channel(UNSENT_FRAMES_MAX);
                let route = Route {
                    target,
                    queue: target.queue(&self.prefix),
                    presence: self.presence.clone(),
                    link: Arc::clone(&self.link),
                    routes: Arc::downgrade(&self.routes),
                    ensured: matches!(self.presence, Presence::Expect),
                };
                tokio::spawn(route.run(jobs));
                vacant.insert(sender)
            }
        };
        sender.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => {
                Error::Unavailable(format!("{UNSENT_FRAMES_MAX} frames wait to be sent already"))
            }
            TrySendError::Closed(_) => Error::Unavailable("the route has ended".to_owned()),
        })
    }
}
