//! What stands before the replicas of a service, as a load balancer would.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

/// How long one replica may take to accept a connection.
const CONNECT_MAX: Duration = Duration::from_secs(1);

/// Gives each connection to the next replica that takes it. Stops, and cuts its connections, when dropped.
pub(crate) struct Balancer {
    addr: SocketAddr,
    _stop: DropGuard,
}

impl Balancer {
    /// Listens on a port of its own before `replicas`.
    pub(crate) async fn start(replicas: Vec<SocketAddr>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (addr, stop) = (listener.local_addr()?, CancellationToken::new());
        tokio::spawn(stop.clone().run_until_cancelled_owned(accept(listener, replicas)));
        Ok(Self { addr, _stop: stop.drop_guard() })
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }
}

async fn accept(listener: TcpListener, replicas: Vec<SocketAddr>) {
    let (replicas, turn) = (Arc::new(replicas), Arc::new(AtomicUsize::new(0)));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((client, _)) = listener.accept() => {
                let (replicas, turn) = (Arc::clone(&replicas), Arc::clone(&turn));
                connections.spawn(async move { forward(client, &replicas, &turn).await });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Ends with either side: a caller whose replica died finds out, and connects anew.
async fn forward(mut client: TcpStream, replicas: &[SocketAddr], turn: &AtomicUsize) {
    let first = turn.fetch_add(1, Ordering::Relaxed);
    for replica in replicas.iter().cycle().skip(first % replicas.len()).take(replicas.len()) {
        let connecting = tokio::time::timeout(CONNECT_MAX, TcpStream::connect(replica));
        if let Ok(Ok(mut server)) = connecting.await {
            let _ = (client.set_nodelay(true), server.set_nodelay(true));
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            return;
        }
    }
}
