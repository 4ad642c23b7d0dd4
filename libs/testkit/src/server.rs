//! Real servers as child processes, or those that the environment names.

pub(crate) mod mariadb;
pub(crate) mod minio;
pub(crate) mod postgres;
pub(crate) mod rabbitmq;
pub(crate) mod redis;
pub(crate) mod shared;
pub(crate) mod sql;

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::child::{Child, Spec};
use crate::dir;

/// Time between two looks at a server that starts.
const READY_POLL: Duration = Duration::from_millis(20);
/// How much of a server's output an error shows.
const OUTPUT_SHOWN_BYTES_MAX: usize = 4096;

/// What differs between the kinds of servers.
pub trait Kind: Sized + Send + Sync + 'static {
    /// What it is called.
    const NAME: &'static str;
    /// The variable that names a server to use instead of starting one.
    const VARIABLE: &'static str;
    /// How long it may take to start, on a busy machine.
    const START_MAX: Duration;

    /// Lays out the data directory and takes the ports of a server to be started.
    fn prepare(dir: &Path) -> impl Future<Output = anyhow::Result<Self>> + Send;

    /// The server that the variable names.
    ///
    /// # Errors
    /// When the URL cannot be read.
    fn external(url: &str) -> anyhow::Result<Self>;

    /// How it is started, each time.
    fn spec(&self, dir: &Path) -> Spec;

    /// Whether it serves.
    fn is_ready(&self) -> impl Future<Output = bool> + Send;
}

/// One server. One that was started here is killed when this is dropped.
#[derive(Debug)]
pub struct Server<K> {
    kind: K,
    started: Option<Started>,
}

#[derive(Debug)]
struct Started {
    // Dropped in this order: the process ends before its directory goes.
    child: Option<Child>,
    spec: Spec,
    _dir: TempDir,
}

impl<K: Kind> Server<K> {
    /// Starts a server of one's own and waits until it serves: for tests that kill. Slow; share one where that will do.
    ///
    /// # Errors
    /// When its program is missing or it does not serve in time.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(&[]).await
    }

    /// Starts a server of one's own with more environment variables.
    ///
    /// # Errors
    /// When its program is missing or it does not serve in time.
    pub async fn start_with(env: &[(&str, &str)]) -> anyhow::Result<Self> {
        let dir = dir::new(&K::NAME.to_lowercase())?;
        let kind = K::prepare(dir.path()).await?;
        let spec =
            env.iter().fold(kind.spec(dir.path()), |spec, (name, value)| spec.env(name, value));
        let mut server = Self { kind, started: Some(Started { child: None, spec, _dir: dir }) };
        server.restart().await?;
        Ok(server)
    }

    /// The server at this address, which somebody else runs. It cannot be killed or stopped.
    ///
    /// # Errors
    /// When the URL cannot be read.
    pub fn external(url: &str) -> anyhow::Result<Self> {
        Ok(Self { kind: K::external(url)?, started: None })
    }

    /// The id of its process.
    ///
    /// # Errors
    /// When it does not run, or was not started here.
    pub fn pid(&self) -> anyhow::Result<u32> {
        Ok(self.child()?.pid())
    }

    /// SIGKILL, as when the power goes. Returns when the process is gone.
    ///
    /// # Errors
    /// When it was not started here.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        match self.started()?.child.take() {
            Some(mut child) => child.kill().await,
            None => Ok(()),
        }
    }

    /// SIGTERM. Returns when the process has ended.
    ///
    /// # Errors
    /// When it does not end in time, or was not started here.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        match self.started()?.child.take() {
            Some(mut child) => child.terminate(K::START_MAX).await.map(drop),
            None => Ok(()),
        }
    }

    /// Starts it again on the same ports and data, after killing it if it still runs. Returns when it serves.
    ///
    /// # Errors
    /// When it does not serve in time, or was not started here.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.kill().await?;
        let started = self.started()?;
        let mut child = Child::spawn(&started.spec).await.with_context(|| K::NAME)?;
        let until = Instant::now() + K::START_MAX;
        while !self.kind.is_ready().await {
            if let Some(status) = child.ended()? {
                bail!("{} ended at its start with {status}: {}", K::NAME, self.output());
            }
            if Instant::now() >= until {
                bail!("{} does not serve after {:?}: {}", K::NAME, K::START_MAX, self.output());
            }
            tokio::time::sleep(READY_POLL).await;
        }
        self.started()?.child = Some(child);
        Ok(())
    }

    /// SIGSTOP: the process hangs and its connections stay open.
    ///
    /// # Errors
    /// When it does not run, or was not started here.
    pub fn pause(&self) -> anyhow::Result<()> {
        self.child()?.signal(Signal::STOP)
    }

    /// SIGCONT: the process goes on.
    ///
    /// # Errors
    /// When it does not run, or was not started here.
    pub fn resume(&self) -> anyhow::Result<()> {
        self.child()?.signal(Signal::CONT)
    }

    fn started(&mut self) -> anyhow::Result<&mut Started> {
        let started = self.started.as_mut();
        started.with_context(|| format!("{} was not started by this test", K::NAME))
    }

    fn child(&self) -> anyhow::Result<&Child> {
        let child = self.started.as_ref().and_then(|started| started.child.as_ref());
        child.with_context(|| format!("{} does not run as a child of this test", K::NAME))
    }

    fn output(&self) -> String {
        let Some(started) = &self.started else { return String::new() };
        let tail = |path: &Path| crate::process::tail(path, OUTPUT_SHOWN_BYTES_MAX);
        format!("{}{}", tail(&started.spec.stdout), tail(&started.spec.stderr))
    }
}

/// What a URL must hold, or an error that says so.
fn part<'a>(part: Option<&'a str>, what: &str) -> anyhow::Result<&'a str> {
    part.with_context(|| format!("the URL names no {what}"))
}
