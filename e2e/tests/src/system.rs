//! The whole system, in either edition, as processes of its own binaries.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::Value;
use tempfile::TempDir;
use tripline_testkit::{Process, binary};

use crate::Api;

/// How long a process may take to be ready on a busy machine.
const READY_MAX: Duration = Duration::from_secs(60);
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

/// One process of the system.
pub struct Running {
    /// Such as `invoker`; `tripline` for the process that is all five.
    pub name: &'static str,
    /// The process.
    pub process: Process,
    /// `http://HOST:PORT` of its admin port.
    pub admin: String,
}

/// A running system. Killed when dropped.
pub struct System {
    processes: Vec<Running>,
    servers: Vec<(&'static str, u32)>,
    /// Of the split edition, by service.
    databases: Vec<(&'static str, String)>,
    url: String,
    ready_after: Duration,
    _dir: TempDir,
}

/// The five services, in an order in which they may be started. Any order would do.
const SERVICES: [&str; 5] = ["auth", "trigger-registry", "event-monitor", "invoker", "api-gateway"];

impl System {
    /// Starts the system on data and servers of its own, and waits until every process is ready.
    ///
    /// # Errors
    /// When a binary is not built, a server is missing, or a process is not ready in time.
    pub async fn start(edition: Edition) -> anyhow::Result<Self> {
        match edition {
            Edition::Embedded => Self::embedded().await,
            Edition::Split => Self::split().await,
        }
    }

    async fn embedded() -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let (http, admin) = (free_port()?, free_port()?);
        let data = dir.path().join("data");
        let arguments = [
            "dev".into(),
            "--data".into(),
            data.into_os_string(),
            "--http".into(),
            format!("127.0.0.1:{http}").into(),
            "--admin".into(),
            format!("127.0.0.1:{admin}").into(),
            "--log".into(),
            "json".into(),
        ];
        let environment = [("TRIPLINE_ADMIN_KEY", API_KEY)];
        let begin = Instant::now();
        let process = Process::start(binary("tripline")?, arguments, &environment).await?;
        let admin = format!("http://127.0.0.1:{admin}");
        let processes = vec![Running { name: "tripline", process, admin }];
        let mut system = Self {
            processes,
            servers: Vec::new(),
            databases: Vec::new(),
            url: format!("http://127.0.0.1:{http}"),
            ready_after: Duration::ZERO,
            _dir: dir,
        };
        system.ready().await?;
        system.ready_after = begin.elapsed();
        Ok(system)
    }

    async fn split() -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let layout = Layout::new(dir.path()).await?;
        let begin = Instant::now();
        let mut processes = Vec::new();
        for (at, name) in SERVICES.into_iter().enumerate() {
            let process = layout.start(at).await?;
            processes.push(Running {
                name,
                process,
                admin: format!("http://127.0.0.1:{}", layout.admin[at]),
            });
        }
        let mut system = Self {
            processes,
            servers: servers().await,
            databases: SERVICES.into_iter().zip(layout.databases).collect(),
            url: format!("http://127.0.0.1:{}", layout.http),
            ready_after: Duration::ZERO,
            _dir: dir,
        };
        system.ready().await?;
        system.ready_after = begin.elapsed();
        Ok(system)
    }

    /// How long it took from the start of the first process until every one was ready. The servers ran before that.
    #[must_use]
    pub fn ready_after(&self) -> Duration {
        self.ready_after
    }

    /// `http://HOST:PORT` of the public API.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The administrator's API key.
    #[must_use]
    pub fn api_key(&self) -> &'static str {
        API_KEY
    }

    /// A client of the public API.
    #[must_use]
    pub fn api(&self) -> Api {
        Api::new(&self.url, API_KEY)
    }

    /// Every process.
    #[must_use]
    pub fn processes(&self) -> &[Running] {
        &self.processes
    }

    /// The process ids of the servers that the system uses, as far as they were started here.
    #[must_use]
    pub fn servers(&self) -> Vec<(&'static str, u32)> {
        self.servers.clone()
    }

    /// `kill -9` of one process, and its start anew. Returns when the new one has been started, not when it is ready.
    ///
    /// # Errors
    /// When there is no such process, or it cannot be started.
    pub async fn kill_and_restart(&mut self, name: &str) -> anyhow::Result<()> {
        let running = self.processes.iter_mut().find(|running| running.name == name);
        let running = running.with_context(|| format!("no process is named {name}"))?;
        running.process.kill().await?;
        running.process.restart().await
    }

    /// The URL of a service's database, in the split edition.
    #[must_use]
    pub fn database(&self, service: &str) -> Option<&str> {
        let found = self.databases.iter().find(|(of, _)| *of == service);
        found.map(|(_, url)| url.as_str())
    }

    /// One of the processes.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn process(&mut self, name: &str) -> anyhow::Result<&mut Process> {
        let running = self.processes.iter_mut().find(|running| running.name == name);
        Ok(&mut running.with_context(|| format!("no process is named {name}"))?.process)
    }

    /// Waits until one process says that it is ready.
    ///
    /// # Errors
    /// When there is no such process, or it is not ready in time; shows its output.
    pub async fn ready_process(&mut self, name: &str) -> anyhow::Result<()> {
        let running = self.processes.iter_mut().find(|running| running.name == name);
        let running = running.with_context(|| format!("no process is named {name}"))?;
        running.process.ready(&running.admin, READY_MAX).await
    }

    /// Waits until every process says that it is ready.
    ///
    /// # Errors
    /// When one does not in time; shows its output.
    pub async fn ready(&mut self) -> anyhow::Result<()> {
        for running in &mut self.processes {
            running.process.ready(&running.admin, READY_MAX).await.context(running.name)?;
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
        let output =
            |running: &Running| format!("== {}\n{}", running.name, running.process.output());
        self.processes.iter().map(output).collect::<Vec<_>>().join("\n")
    }
}

/// Where everything of the five processes is.
struct Layout {
    config: PathBuf,
    http: u16,
    grpc: [u16; 5],
    admin: [u16; 5],
    bus: String,
    cache: String,
    databases: Vec<String>,
}

impl Layout {
    async fn new(dir: &Path) -> anyhow::Result<Self> {
        let (mut grpc, mut admin) = ([0; 5], [0; 5]);
        for port in grpc.iter_mut().chain(&mut admin) {
            *port = free_port()?;
        }
        let mariadb = tripline_testkit::mariadb().await;
        let mut databases = Vec::new();
        for _ in SERVICES {
            databases.push(mariadb.database().await?);
        }
        let layout = Self {
            config: dir.to_owned(),
            http: free_port()?,
            grpc,
            admin,
            bus: tripline_testkit::rabbitmq().await.vhost().await?,
            cache: tripline_testkit::redis().await.database(),
            databases,
        };
        write_secret(&dir.join("bootstrap"), b"e2e-bootstrap-secret-of-32-bytes")?;
        write_secret(&dir.join("master.key"), &[7; 32])?;
        for at in 0..SERVICES.len() {
            std::fs::write(layout.file(at), layout.config_of(at))?;
        }
        Ok(layout)
    }

    fn file(&self, at: usize) -> PathBuf {
        self.config.join(format!("{}.toml", SERVICES[at]))
    }

    async fn start(&self, at: usize) -> anyhow::Result<Process> {
        let arguments =
            ["--config".into(), self.file(at).into_os_string(), "--log".into(), "json".into()];
        Process::start(binary(&format!("tripline-{}", SERVICES[at]))?, arguments, &[]).await
    }

    fn config_of(&self, at: usize) -> String {
        let file = |name: &str| toml_text(&self.config.join(name).display().to_string());
        let grpc = |name: &str| {
            SERVICES.iter().position(|service| *service == name).map_or(0, |at| self.grpc[at])
        };
        let peer = |key: &str, name: &str| format!("{key} = \"http://127.0.0.1:{}\"", grpc(name));
        let peers = [
            peer("registry", "trigger-registry"),
            peer("monitor", "event-monitor"),
            peer("invoker", "invoker"),
            peer("auth", "auth"),
        ];
        let peers =
            |of: &[usize]| of.iter().map(|at| peers[*at].clone()).collect::<Vec<_>>().join("\n");
        let common = format!("bootstrap_secret_file = {}", file("bootstrap"));
        let admin = format!("[admin]\naddr = \"127.0.0.1:{}\"", self.admin[at]);
        let listen = format!("[grpc]\naddr = \"127.0.0.1:{}\"", self.grpc[at]);
        let bus =
            format!("[bus]\nkind = \"rabbitmq\"\n[bus.rabbitmq]\nuri = {}", toml_text(&self.bus));
        let db = |table: &str| format!("[{table}.db]\nurl = {}", toml_text(&self.databases[at]));
        let loopback = |table: &str| format!("[{table}]\nallow_cidrs = [\"127.0.0.0/8\"]");
        let master_key = format!("master_key_file = {}", file("master.key"));
        let parts = match SERVICES[at] {
            "auth" => {
                let key = format!("[auth]\nadmin_api_key = {}", toml_text(API_KEY));
                vec![common, admin, listen, key, db("auth")]
            }
            "trigger-registry" => {
                let peers = format!("[peers]\n{}", peers(&[3]));
                let allowed = [loopback("outbound"), loopback("sources")].join("\n");
                vec![common, master_key, admin, listen, peers, bus, allowed, db("registry")]
            }
            "event-monitor" => {
                let peers = format!("[peers]\n{}", peers(&[0]));
                vec![common, admin, listen, peers, bus, loopback("sources"), db("monitor")]
            }
            "invoker" => {
                let peers = format!("[peers]\n{}", peers(&[0, 3]));
                vec![common, admin, listen, peers, bus, loopback("outbound"), db("invoker")]
            }
            _ => {
                let http = format!("[http]\naddr = \"127.0.0.1:{}\"", self.http);
                let peers = format!("[peers]\n{}", peers(&[0, 1, 2, 3]));
                let cache = format!(
                    "[cache]\nkind = \"redis\"\n[cache.redis]\nurl = {}",
                    toml_text(&self.cache)
                );
                vec![common, admin, http, peers, bus, cache]
            }
        };
        parts.join("\n")
    }
}

/// A TOML string. What the tests put there holds nothing that a basic string would not take.
fn toml_text(text: &str) -> String {
    format!("\"{text}\"")
}

/// Servers that somebody else runs have no process id here.
async fn servers() -> Vec<(&'static str, u32)> {
    let pids = [
        ("RabbitMQ", tripline_testkit::rabbitmq().await.pid()),
        ("MariaDB", tripline_testkit::mariadb().await.pid()),
        ("Redis", tripline_testkit::redis().await.pid()),
    ];
    pids.into_iter().filter_map(|(name, pid)| Some((name, pid.ok()?))).collect()
}

fn write_secret(file: &Path, secret: &[u8]) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(file, secret)?;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600))?;
    Ok(())
}

/// A port that nobody listens on. A restarted process must find its old port, so port 0 will not do.
fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
