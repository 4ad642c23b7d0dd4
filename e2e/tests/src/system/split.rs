//! The five-process edition: where everything of it is, and how each process is configured.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use tripline_testkit::{Process, binary};

use super::{API_KEY, Running};
use crate::balancer::Balancer;

/// The five services, in an order in which they may be started. Any order would do.
pub(super) const SERVICES: [&str; 5] =
    ["auth", "trigger-registry", "event-monitor", "invoker", "api-gateway"];

/// The servers that a system of five processes uses.
#[derive(Clone, Debug)]
pub struct Backends {
    /// URI of a virtual host of RabbitMQ of its own.
    pub bus: String,
    /// URL of a database of Redis of its own.
    pub cache: String,
    /// URL of an empty database for each of the services that have one.
    pub databases: Vec<String>,
    /// What the servers are called, with their process ids as far as they were started here.
    pub servers: Vec<(&'static str, u32)>,
}

impl Backends {
    /// How many databases a system needs.
    pub const DATABASES: usize = 4;

    /// Places of one's own on the servers that all tests of a binary share.
    ///
    /// # Errors
    /// When a server refuses one.
    pub async fn shared() -> anyhow::Result<Self> {
        let mariadb = tripline_testkit::mariadb().await;
        let mut databases = Vec::new();
        for _ in 0..Self::DATABASES {
            databases.push(mariadb.database().await?);
        }
        let (rabbitmq, redis) =
            (tripline_testkit::rabbitmq().await, tripline_testkit::redis().await);
        let pids =
            [("RabbitMQ", rabbitmq.pid()), ("MariaDB", mariadb.pid()), ("Redis", redis.pid())];
        Ok(Self {
            bus: rabbitmq.vhost().await?,
            cache: redis.database(),
            databases,
            // Servers that somebody else runs have no process id here.
            servers: pids.into_iter().filter_map(|(name, pid)| Some((name, pid.ok()?))).collect(),
        })
    }
}

/// Where everything of the processes is.
pub(super) struct Layout {
    config: PathBuf,
    programs: Option<PathBuf>,
    backends: Backends,
    replicas: Vec<Ports>,
    /// Where a service is called, whichever of its replicas answers.
    grpc: Vec<SocketAddr>,
    /// Where spans go to.
    collector: Option<String>,
    _balancers: Vec<Balancer>,
}

/// The ports of one replica of each service.
struct Ports {
    http: u16,
    grpc: [u16; 5],
    admin: [u16; 5],
}

impl Ports {
    fn new() -> anyhow::Result<Self> {
        let (mut grpc, mut admin) = ([0; 5], [0; 5]);
        for port in grpc.iter_mut().chain(&mut admin) {
            *port = free_port()?;
        }
        Ok(Self { http: free_port()?, grpc, admin })
    }
}

impl Layout {
    pub(super) async fn new(
        dir: &Path,
        (backends, programs): (Backends, Option<PathBuf>),
        replicas: usize,
        collector: Option<&str>,
    ) -> anyhow::Result<Self> {
        let replicas = (0..replicas).map(|_| Ports::new()).collect::<anyhow::Result<Vec<_>>>()?;
        let (mut grpc, mut balancers) = (Vec::new(), Vec::new());
        for at in 0..SERVICES.len() {
            let each: Vec<_> = replicas.iter().map(|ports| loopback(ports.grpc[at])).collect();
            match each.as_slice() {
                [only] => grpc.push(*only),
                _ => {
                    let balancer = Balancer::start(each).await?;
                    grpc.push(balancer.addr());
                    balancers.push(balancer);
                }
            }
        }
        let layout = Self {
            config: dir.to_owned(),
            programs,
            backends,
            replicas,
            grpc,
            collector: collector.map(str::to_owned),
            _balancers: balancers,
        };
        write_secret(&dir.join("bootstrap"), b"e2e-bootstrap-secret-of-32-bytes")?;
        write_secret(&dir.join("master.key"), &[7; 32])?;
        for replica in 0..layout.replicas.len() {
            for at in 0..SERVICES.len() {
                std::fs::write(layout.file(at, replica), layout.config_of(at, replica))?;
            }
        }
        Ok(layout)
    }

    /// `http://HOST:PORT` of the public API of each replica.
    pub(super) fn urls(&self) -> Vec<String> {
        self.replicas.iter().map(|ports| format!("http://127.0.0.1:{}", ports.http)).collect()
    }

    pub(super) fn servers(&self) -> Vec<(&'static str, u32)> {
        self.backends.servers.clone()
    }

    /// The URL of the database of the service at this place in [`SERVICES`].
    pub(super) fn database(&self, at: usize) -> Option<&str> {
        self.backends.databases.get(at).map(String::as_str)
    }

    /// Starts one replica of the service at this place in [`SERVICES`].
    pub(super) async fn start(&self, at: usize, replica: usize) -> anyhow::Result<Running> {
        let file = self.file(at, replica).into_os_string();
        let arguments = ["--config".into(), file, "--log".into(), "json".into()];
        let program = match &self.programs {
            Some(dir) => dir.join(program(SERVICES[at])),
            None => binary(&program(SERVICES[at]))?,
        };
        let process = Process::start(program, arguments, &[]).await?;
        let admin = format!("http://127.0.0.1:{}", self.replicas[replica].admin[at]);
        Ok(Running { name: SERVICES[at], replica, process, admin })
    }

    /// Starts the `migrate` of the service at this place in [`SERVICES`].
    pub(super) async fn migrate(&self, at: usize) -> anyhow::Result<Process> {
        let arguments = ["migrate".into(), "--config".into(), self.file(at, 0).into_os_string()];
        Process::start(binary(&program(SERVICES[at]))?, arguments, &[]).await
    }

    fn file(&self, at: usize, replica: usize) -> PathBuf {
        self.config.join(format!("{}-{replica}.toml", SERVICES[at]))
    }

    fn config_of(&self, at: usize, replica: usize) -> String {
        let ports = &self.replicas[replica];
        let file = |name: &str| toml_text(&self.config.join(name).display().to_string());
        let peer = |key: &str, name: &str| {
            let at = SERVICES.iter().position(|service| *service == name).unwrap_or_default();
            format!("{key} = \"http://{}\"", self.grpc[at])
        };
        let peers = [
            peer("registry", "trigger-registry"),
            peer("monitor", "event-monitor"),
            peer("invoker", "invoker"),
            peer("auth", "auth"),
        ];
        let peers = |of: &[usize]| {
            let lines = of.iter().map(|at| peers[*at].clone()).collect::<Vec<_>>();
            format!("[peers]\n{}", lines.join("\n"))
        };
        let common = format!("bootstrap_secret_file = {}", file("bootstrap"));
        let admin = format!("[admin]\naddr = \"127.0.0.1:{}\"", ports.admin[at]);
        let listen = format!("[grpc]\naddr = \"127.0.0.1:{}\"", ports.grpc[at]);
        let bus = toml_text(&self.backends.bus);
        let bus = format!("[bus]\nkind = \"rabbitmq\"\n[bus.rabbitmq]\nuri = {bus}");
        let db = |table: &str| {
            format!("[{table}.db]\nurl = {}", toml_text(&self.backends.databases[at]))
        };
        let loopback = |table: &str| format!("[{table}]\nallow_cidrs = [\"127.0.0.0/8\"]");
        let master_key = format!("master_key_file = {}", file("master.key"));
        let mut parts = match SERVICES[at] {
            "auth" => {
                let key = format!("[auth]\nadmin_api_key = {}", toml_text(API_KEY));
                vec![common, admin, listen, key, db("auth")]
            }
            "trigger-registry" => {
                let allowed = [loopback("outbound"), loopback("sources")].join("\n");
                vec![common, master_key, admin, listen, peers(&[3]), bus, allowed, db("registry")]
            }
            "event-monitor" => {
                vec![common, admin, listen, peers(&[0]), bus, loopback("sources"), db("monitor")]
            }
            "invoker" => {
                let peers = peers(&[0, 3]);
                vec![common, admin, listen, peers, bus, loopback("outbound"), db("invoker")]
            }
            _ => {
                let http = format!("[http]\naddr = \"127.0.0.1:{}\"", ports.http);
                let url = toml_text(&self.backends.cache);
                let cache = format!("[cache]\nkind = \"redis\"\n[cache.redis]\nurl = {url}");
                vec![common, admin, http, peers(&[0, 1, 2, 3]), bus, cache]
            }
        };
        if let Some(endpoint) = &self.collector {
            parts.push(format!("[log]\notlp_endpoint = {}", toml_text(endpoint)));
        }
        parts.join("\n")
    }
}

/// The program of a service.
pub(super) fn program(service: &str) -> String {
    format!("tripline-{service}")
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// A TOML string. What the tests put there holds nothing that a basic string would not take.
fn toml_text(text: &str) -> String {
    format!("\"{text}\"")
}

fn write_secret(file: &Path, secret: &[u8]) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(file, secret)?;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600))?;
    Ok(())
}

/// A port that nobody listens on. A restarted process must find its old port, so port 0 will not do.
pub(super) fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
