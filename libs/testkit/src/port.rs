//! Ports that nobody else has.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::bail;
use rand::RngExt as _;
use rustix::fs::{FlockOperation, flock};

/// Ports below those the system gives to outgoing connections: one of these could else take the port of a server that
/// is down for a moment.
const RANGE: std::ops::Range<u16> = 20_000..32_000;
/// How many ports are tried.
const TRIES_MAX: usize = 200;

/// A loopback port, kept for this process until dropped, also while nothing listens on it.
#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    _lock: File,
}

impl Port {
    /// A port on which nothing listens and which no other test process keeps.
    pub(crate) fn free() -> anyhow::Result<Self> {
        let dir = std::env::temp_dir().join("tripline-test-ports");
        std::fs::create_dir_all(&dir)?;
        for _ in 0..TRIES_MAX {
            let number = rand::rng().random_range(RANGE);
            let lock = File::create(dir.join(number.to_string()))?;
            let kept = flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok();
            if kept && TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok() {
                return Ok(Self { number, _lock: lock });
            }
        }
        bail!("found no free port in {RANGE:?}")
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.number).into()
    }
}
