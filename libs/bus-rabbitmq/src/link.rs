//! One connection to the broker that is made again whenever it is lost.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties, Event};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tripline_bus::Error;
use tripline_kernel::{Entropy, backoff, milliseconds};

use crate::fault::{Fault, request};
use crate::{InvalidUri, Options};

/// How long one attempt to connect may take. Generous, since an attempt that is given up lingers in the client library
/// until the broker answers or closes it.
const CONNECT_MAX: Duration = Duration::from_secs(30);
/// The waits between attempts grow from here…
const RETRY_BASE: Duration = Duration::from_millis(100);
/// …to here.
const RETRY_CAP: Duration = Duration::from_secs(2);
/// How long after a connection was made again the broker may not yet know its queues.
const SETTLING_MAX: Duration = Duration::from_secs(30);

/// A connection that is up.
#[derive(Clone)]
pub(crate) struct Up {
    connection: Arc<Connection>,
    /// Counts the connections of a link, from 1.
    number: u64,
    since: Instant,
}

#[derive(Clone)]
enum State {
    Up(Up),
    /// The broker is short of something and takes nothing from publishers.
    Blocked(String),
    Down(String),
}

/// A connection that is made again whenever it is lost. Closed when dropped.
pub(crate) struct Link {
    state: watch::Receiver<State>,
    suspicion: Arc<Notify>,
    entropy: Arc<dyn Entropy>,
    keeper: JoinHandle<()>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

impl Link {
    /// Begins to connect under this name.
    pub(crate) fn start(
        options: &Options,
        name: &str,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Arc<Self>, InvalidUri> {
        let uri = options.uri()?;
        let (announce, state) = watch::channel(State::Down("not connected yet".to_owned()));
        let suspicion = Arc::new(Notify::new());
        let keeper = Keeper {
            uri,
            name: format!("{} {name}", options.prefix),
            entropy: Arc::clone(&entropy),
            suspicion: Arc::clone(&suspicion),
            announce,
        };
        let keeper = tokio::spawn(keeper.keep());
        Ok(Arc::new(Self { state, suspicion, entropy, keeper }))
    }

    /// The connection, as soon as it is up.
    pub(crate) async fn up(&self) -> Up {
        let mut state = self.state.clone();
        // The keeper ends with the link alone, so this wait fails only when nobody needs its end any more.
        let found = match state.wait_for(|state| matches!(state, State::Up(_))).await.as_deref() {
            Ok(State::Up(up)) => Some(up.clone()),
            Ok(State::Blocked(_) | State::Down(_)) | Err(_) => None,
        };
        match found {
            Some(up) => up,
            None => std::future::pending().await,
        }
    }

    /// The connection, if it is up in time.
    pub(crate) async fn up_by(&self, deadline: Instant) -> Result<Up, Error> {
        let waited = tokio::time::timeout_at(deadline, self.up()).await;
        waited.map_err(|_| match &*self.state.borrow() {
            State::Down(why) => Error::Unavailable(format!("not connected to the broker: {why}")),
            State::Blocked(why) => {
                Error::Unavailable(format!("the broker takes nothing from publishers: {why}"))
            }
            State::Up(_) => Error::Unavailable("the broker has only just come back".to_owned()),
        })
    }

    /// Returns once this connection is no longer up, with the reason.
    pub(crate) async fn lost(&self, up: &Up) -> String {
        let mut state = self.state.clone();
        let other = |state: &State| !matches!(state, State::Up(now) if now.number == up.number);
        match state.wait_for(other).await.as_deref() {
            Ok(State::Down(why) | State::Blocked(why)) => why.clone(),
            Ok(State::Up(_)) => "the connection was made again".to_owned(),
            Err(_) => "the connection was closed".to_owned(),
        }
    }

    /// Asks for a look at the connection, by one who has just met an error on it.
    pub(crate) fn suspect(&self) {
        self.suspicion.notify_one();
    }

    /// The wait before retry `attempt` (1 is the first).
    pub(crate) fn backoff(&self, attempt: u32) -> Duration {
        backoff(attempt, RETRY_BASE, RETRY_CAP, self.entropy.unit())
    }
}

impl Up {
    /// A new channel.
    pub(crate) async fn channel(&self) -> Result<Channel, Fault> {
        request(self.connection.create_channel()).await
    }

    /// Whether the broker may have started just now and not know all its queues yet.
    pub(crate) fn is_settling(&self) -> bool {
        self.number > 1 && self.since.elapsed() < SETTLING_MAX
    }
}

/// The task behind a link.
struct Keeper {
    uri: AMQPUri,
    name: String,
    entropy: Arc<dyn Entropy>,
    suspicion: Arc<Notify>,
    announce: watch::Sender<State>,
}

impl Keeper {
    async fn keep(self) {
        let (mut number, mut attempt) = (0, 0);
        loop {
            let why = match self.connect().await {
                Ok(connection) => {
                    (number, attempt) = (number + 1, 0);
                    let up = Up { connection: Arc::new(connection), number, since: Instant::now() };
                    self.watch(up).await
                }
                Err(why) => why,
            };
            attempt += 1;
            let wait = backoff(attempt, RETRY_BASE, RETRY_CAP, self.entropy.unit());
            tracing::warn!(
                connection = self.name,
                error = why,
                retry_ms = milliseconds(wait),
                "not connected to the broker"
            );
            self.announce.send_replace(State::Down(why));
            tokio::time::sleep(wait).await;
        }
    }

    async fn connect(&self) -> Result<Connection, String> {
        let properties =
            ConnectionProperties::default().with_connection_name(self.name.clone().into());
        let connecting = Connection::connect_uri(self.uri.clone(), properties);
        match tokio::time::timeout(CONNECT_MAX, connecting).await {
            Ok(connected) => connected.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {CONNECT_MAX:?}")),
        }
    }

    /// Announces the connection and what becomes of it; returns why it is lost.
    async fn watch(&self, up: Up) -> String {
        let mut events = std::pin::pin!(up.connection.events_listener());
        tracing::info!(connection = self.name, "connected to the broker");
        self.announce.send_replace(State::Up(up.clone()));
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                () = self.suspicion.notified() => None,
            };
            match event {
                Some(Event::ConnectionBlocked(why)) => {
                    tracing::warn!(
                        connection = self.name,
                        reason = why,
                        "the broker blocks publishers"
                    );
                    self.announce.send_replace(State::Blocked(why));
                }
                Some(Event::ConnectionUnblocked) => {
                    tracing::info!(connection = self.name, "the broker takes publishes again");
                    self.announce.send_replace(State::Up(up.clone()));
                }
                // Channels report their errors here as well.
                Some(Event::Error(error)) if !up.connection.status().connected() => {
                    return error.to_string();
                }
                _ if !up.connection.status().connected() => {
                    return "the broker closed the connection".to_owned();
                }
                _ => {}
            }
        }
    }
}
