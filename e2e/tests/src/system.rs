//! The whole system, in either edition, as processes of its own binaries.

mod split;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tripline_testkit::{Process, binary};

use crate::Api;
pub use split::Backends;
use split::{Layout, SERVICES, free_port};

/// How long a process may take to be ready on a busy machine.
const READY_MAX: Duration = Duration::from_secs(60);
/// How long a process may take to stop in good order.
const STOP_MAX: Duration = Duration::from_secs(30);
/// The key that the tests use.
const API_KEY: &str = "tripline-e2e-admin-key";

/// How the services are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edition {
    /// All in one process, on the embedded log and SQLite.
    Embedded,
    /// Five processes, on RabbitMQ, MariaDB and Redis.
    Split,
}

/// What a system is made of.
#[derive(Clone, Debug)]
pub enum Plan {
    /// All in one process.
    Embedded {
        /// Where its data lies; in a directory of its own when there is none.
        data: Option<PathBuf>,
    },
    /// Each service in processes of its own.
    Split {
        /// The servers that it uses.
        backends: Backends,
        /// How many processes of each service there are.
        replicas: usize,
        /// The service that is not started with the others.
        without: Option<&'static str>,
        /// Where the programs are; nothing for those that were built with this one.
        programs: Option<PathBuf>,
    },
}

/// One process of the system.
pub struct Running {
    /// Such as `invoker`; `tripline` for the process that is all five.
    pub name: &'static str,
    /// Which of the processes of this name.
    pub replica: usize,
    /// The process.
    pub process: Process,
    /// `http://HOST:PORT` of its admin port.
    pub admin: String,
}

impl Running {
    /// Waits until it says that it is ready.
    ///
    /// # Errors
    /// When it does not in time; shows its output.
    pub async fn ready(&mut self) -> anyhow::Result<()> {
        self.process.ready(&self.admin, READY_MAX).await.context(self.name)
    }

    /// The status that `/readyz` answers; nothing when it does not.
    pub async fn readiness(&self) -> Option<u16> {
        let answer = Api::new(&self.admin, "").get("/readyz").await;
        answer.ok().map(|(status, _)| status.as_u16())
    }

    /// The value of a metric without labels.
    ///
    /// # Errors
    /// When it is not served.
    pub async fn metric(&self, name: &str) -> anyhow::Result<f64> {
        let text = Api::new(&self.admin, "").text("/metrics").await?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(value.with_context(|| format!("no {name} in\n{text}"))?.parse()?)
    }
}

/// A running system. Killed when dropped.
pub struct System {
    processes: Vec<Running>,
    layout: Option<Layout>,
    urls: Vec<String>,
    ready_after: Duration,
    _dir: TempDir,
}

impl System {
    /// Starts the system on data and servers of its own, and waits until every process is ready.
    ///
    /// # Errors
    /// When a binary is not built, a server is missing, or a process is not ready in time.
    pub async fn start(edition: Edition) -> anyhow::Result<Self> {
        Self::start_with(edition, None).await
    }

    /// As [`Self::start`]; every process sends its spans to the collector at `endpoint`.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn traced(edition: Edition, endpoint: &str) -> anyhow::Result<Self> {
        Self::start_with(edition, Some(endpoint)).await
    }

    async fn start_with(edition: Edition, collector: Option<&str>) -> anyhow::Result<Self> {
        let plan = match edition {
            Edition::Embedded => Plan::Embedded { data: None },
            Edition::Split => {
                let backends = Backends::shared().await?;
                Plan::Split { backends, replicas: 1, without: None, programs: None }
            }
        };
        let begin = Instant::now();
        let mut system = Self::launch_with(plan, collector).await?;
        system.ready().await?;
        system.ready_after = begin.elapsed();
        Ok(system)
    }

    /// Starts the processes of the system, and waits for nothing.
    ///
    /// # Errors
    /// When a binary is not built or cannot be started.
    pub async fn launch(plan: Plan) -> anyhow::Result<Self> {
        Self::launch_with(plan, None).await
    }

    async fn launch_with(plan: Plan, collector: Option<&str>) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        match plan {
            Plan::Embedded { data } => {
                let data = data.unwrap_or_else(|| dir.path().join("data"));
                let (running, url) = embedded(&data, collector).await?;
                Ok(Self::of(vec![running], None, vec![url], dir))
            }
            Plan::Split { backends, replicas, without, programs } => {
                let layout =
                    Layout::new(dir.path(), (backends, programs), replicas, collector).await?;
                let mut processes = Vec::new();
                for (at, name) in SERVICES.into_iter().enumerate() {
                    for replica in (0..replicas).filter(|_| without != Some(name)) {
                        processes.push(layout.start(at, replica).await?);
                    }
                }
                let urls = layout.urls();
                Ok(Self::of(processes, Some(layout), urls, dir))
            }
        }
    }

    fn of(
        processes: Vec<Running>,
        layout: Option<Layout>,
        urls: Vec<String>,
        dir: TempDir,
    ) -> Self {
        Self { processes, layout, urls, ready_after: Duration::ZERO, _dir: dir }
    }

    /// Starts the first process of a service that was left out.
    ///
    /// # Errors
    /// When there is no such service, or it cannot be started.
    pub async fn start_missing(&mut self, name: &str) -> anyhow::Result<()> {
        let at = SERVICES.iter().position(|service| *service == name);
        let (layout, at) = self.layout.as_ref().zip(at).context("no such service")?;
        self.processes.push(layout.start(at, 0).await?);
        Ok(())
    }

    /// Brings the schema of a service's database up to date, with the program that was built with this one.
    ///
    /// # Errors
    /// When there is no such service, or it does not succeed in time.
    pub async fn migrate(&self, name: &str) -> anyhow::Result<()> {
        let at = SERVICES.iter().position(|service| *service == name);
        let (layout, at) = self.layout.as_ref().zip(at).context("no such service")?;
        let mut process = layout.migrate(at).await?;
        let status = process.wait(READY_MAX).await?;
        ensure!(status.success(), "migrate of {name}: {status}\n{}", process.output());
        Ok(())
    }

    /// Stops one process in good order, if it runs, and starts the program that was built with this one in its place.
    /// Returns when that is ready.
    ///
    /// # Errors
    /// When there is no such process, it does not stop in time, or the other is not ready in time.
    pub async fn upgrade(&mut self, name: &str, replica: usize) -> anyhow::Result<()> {
        let running = self.process(name, replica)?;
        if running.process.ended()?.is_none() {
            let status = running.process.terminate(STOP_MAX).await?;
            ensure!(status.success(), "{name}: {status}\n{}", running.process.output());
        }
        running.process.set_program(binary(&split::program(name))?);
        running.process.restart().await?;
        running.ready().await
    }

    /// How long it took from the start of the first process until every one was ready. The servers ran before that.
    #[must_use]
    pub fn ready_after(&self) -> Duration {
        self.ready_after
    }

    /// `http://HOST:PORT` of the public API.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.urls[0]
    }

    /// The administrator's API key.
    #[must_use]
    pub fn api_key(&self) -> &'static str {
        API_KEY
    }

    /// A client of the public API.
    #[must_use]
    pub fn api(&self) -> Api {
        Api::new(self.url(), API_KEY)
    }

    /// A client of the public API of each replica.
    #[must_use]
    pub fn apis(&self) -> Vec<Api> {
        self.urls.iter().map(|url| Api::new(url, API_KEY)).collect()
    }

    /// Every process.
    #[must_use]
    pub fn processes(&self) -> &[Running] {
        &self.processes
    }

    /// One process.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn process(&mut self, name: &str, replica: usize) -> anyhow::Result<&mut Running> {
        let is_it = |running: &&mut Running| running.name == name && running.replica == replica;
        let running = self.processes.iter_mut().find(is_it);
        running.with_context(|| format!("no process is named {name} {replica}"))
    }

    /// The URL of a service's database, in the split edition.
    #[must_use]
    pub fn database(&self, service: &str) -> Option<&str> {
        let at = SERVICES.iter().position(|name| *name == service)?;
        self.layout.as_ref()?.database(at)
    }

    /// The process ids of the servers that the system uses, as far as they were started here.
    #[must_use]
    pub fn servers(&self) -> Vec<(&'static str, u32)> {
        self.layout.as_ref().map(Layout::servers).unwrap_or_default()
    }

    /// `kill -9` of one process, and its start anew. Returns when the new one has been started, not when it is ready.
    ///
    /// # Errors
    /// When there is no such process, or it cannot be started.
    pub async fn kill_and_restart(&mut self, name: &str) -> anyhow::Result<()> {
        let running = self.process(name, 0)?;
        running.process.kill().await?;
        running.process.restart().await
    }

    /// Waits until every process says that it is ready.
    ///
    /// # Errors
    /// When one does not in time; shows its output.
    pub async fn ready(&mut self) -> anyhow::Result<()> {
        for running in &mut self.processes {
            running.ready().await?;
        }
        Ok(())
    }

    /// What each process says at `/version`.
    ///
    /// # Errors
    /// When one does not answer.
    pub async fn versions(&self) -> anyhow::Result<Vec<Value>> {
        let mut versions = Vec::new();
        for running in &self.processes {
            let (status, version) = Api::new(&running.admin, "").get("/version").await?;
            if status != 200 {
                bail!("{}: /version answers {status}", running.name);
            }
            versions.push(version);
        }
        Ok(versions)
    }

    /// What every process has written to standard error, for the message of a failing test.
    #[must_use]
    pub fn output(&self) -> String {
        let output = |running: &Running| {
            format!("== {} {}\n{}", running.name, running.replica, running.process.output())
        };
        self.processes.iter().map(output).collect::<Vec<_>>().join("\n")
    }
}

/// Starts the process that is all five.
async fn embedded(data: &Path, collector: Option<&str>) -> anyhow::Result<(Running, String)> {
    let (http, admin) = (free_port()?, free_port()?);
    let mut arguments = vec![
        "dev".into(),
        "--data".into(),
        data.as_os_str().to_owned(),
        "--http".into(),
        format!("127.0.0.1:{http}").into(),
        "--admin".into(),
        format!("127.0.0.1:{admin}").into(),
        "--log".into(),
        "json".into(),
    ];
    if let Some(endpoint) = collector {
        arguments.extend(["--otlp-endpoint".into(), endpoint.into()]);
    }
    let environment = [("TRIPLINE_ADMIN_KEY", API_KEY)];
    let process = Process::start(binary("tripline")?, arguments, &environment).await?;
    let admin = format!("http://127.0.0.1:{admin}");
    let running = Running { name: "tripline", replica: 0, process, admin };
    Ok((running, format!("http://127.0.0.1:{http}")))
}
