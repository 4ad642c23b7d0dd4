//! A wire that can be cut.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::DropGuard;

use crate::thread;

/// Bytes under way in one direction of one connection.
const BUFFER_BYTES: usize = 64 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Open,
    Stalled,
    Refusing,
}

#[derive(Clone, Copy, Debug)]
struct State {
    mode: Mode,
    cuts: u64,
}

/// Forwards TCP connections from a loopback port of its own to a server, until told otherwise.
#[derive(Debug)]
pub struct ChaosProxy {
    addr: SocketAddr,
    state: watch::Sender<State>,
    _thread: DropGuard,
}

impl ChaosProxy {
    /// A healthy wire to `upstream`.
    ///
    /// # Errors
    /// When the system grants no port or thread.
    pub fn start(upstream: SocketAddr) -> anyhow::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let addr = listener.local_addr()?;
        let (state, watched) = watch::channel(State { mode: Mode::Open, cuts: 0 });
        let thread = thread::run("testkit-chaos", move || accept(listener, upstream, watched))?;
        Ok(Self { addr, state, _thread: thread })
    }

    /// Where to connect instead of the server.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Cuts every connection. New ones are taken.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }

    /// Cuts every connection, and each new one as soon as it is there.
    pub fn refuse(&self) {
        self.state.send_modify(|state| state.mode = Mode::Refusing);
    }

    /// Keeps every connection and lets nothing through.
    pub fn stall(&self) {
        self.state.send_modify(|state| state.mode = Mode::Stalled);
    }

    /// Forwards again; what was stalled goes on where it stood.
    pub fn heal(&self) {
        self.state.send_modify(|state| state.mode = Mode::Open);
    }
}

async fn accept(
    listener: std::net::TcpListener,
    upstream: SocketAddr,
    state: watch::Receiver<State>,
) {
    let listener = TcpListener::from_std(listener).expect("the listener is non-blocking");
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((client, _)) = listener.accept() => {
                connections.spawn(forward(client, upstream, state.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn forward(client: TcpStream, upstream: SocketAddr, state: watch::Receiver<State>) {
    let begun = *state.borrow();
    if begun.mode == Mode::Refusing {
        return;
    }
    let Ok(server) = TcpStream::connect(upstream).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    let cut = |now: &State| now.mode == Mode::Refusing || now.cuts != begun.cuts;
    let mut watched = state.clone();
    tokio::select! {
        _ = watched.wait_for(cut) => {}
        _ = pump(client_read, server_write, state.clone()) => {}
        _ = pump(server_read, client_write, state) => {}
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<State>,
) -> std::io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        if state.wait_for(|now| now.mode != Mode::Stalled).await.is_err() {
            return Ok(());
        }
        to.write_all(&buffer[..read]).await?;
    }
}
