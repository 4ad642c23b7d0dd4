//! A system whose every secret can be recognised, with processes that log all they can.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use tempfile::TempDir;
use tripline_e2e::{Api, Edition};
use tripline_testkit::{Bucket, Minio, Process, binary};
use url::Url;

use super::needles::Secret;

/// How long a process may take to be ready while it logs everything.
const READY_MAX: Duration = Duration::from_secs(120);
/// Whatever is no secret holds this, so that it is known where a search would find something.
pub(super) const MARKER: &str = "marker-that-is-no-secret";
/// Everything, also of the libraries that are quiet otherwise.
const EVERYTHING: &str = "trace,actix_server=trace,sea_orm_migration=trace,sqlx=trace,lapin=trace";

pub(super) const API_KEY: &str = "KanarieApiKey7Qx2Lm9";
pub(super) const WRONG_API_KEY: &str = "KanarieWrongApiKey4Tz8Rp";
pub(super) const HEADER: &str = "KanarieHeader/5Vb+3Nk6";
pub(super) const QUERY: &str = "KanarieQuery8Jd1Ws0";
pub(super) const MINIO_ACCESS: &str = "KanarieAccess3Hf";
pub(super) const MINIO_SECRET: &str = "KanarieMinio2Bc7Yg";
pub(super) const WRONG_MINIO_SECRET: &str = "KanarieWrongMinio/6Pq+1Xe";
const BOOTSTRAP: &str = "KanarieBootstrap9Kt4Zu-which-has-32-bytes";
const MASTER_KEY: &[u8; 32] = b"KanarieMasterKey0Ra5Dv-32-bytes!";
const USER: &str = "tripline-kanarie";
const RABBITMQ: &str = "KanarieRabbit/8Mw+2Cj";
const MARIADB: &str = "KanarieMaria/1Ls+9Fo";
const REDIS: &str = "KanarieRedis/4Gy+6Tn";
/// Passwords that are refused at the start.
const WRONG_PASSWORD: &str = "KanarieWrongPassword/3Ze+5Ih";

/// Where the URL of a function may be read.
const URLS: &[&str] = &["GET /v1/functions", "database of trigger-registry", "file registry.db"];

/// All that was given to the system and must not come out of it.
pub(super) fn planted() -> Vec<Secret> {
    // The bucket's access key is a name: MinIO tells it in each event, as who put the object.
    let mut planted = vec![Secret::shown_by("the query of a function's URL", QUERY, URLS)];
    for (name, text) in [
        ("the API key", API_KEY),
        ("a wrong API key", WRONG_API_KEY),
        ("a function's header", HEADER),
        ("the bucket's secret key", MINIO_SECRET),
        ("a wrong secret key", WRONG_MINIO_SECRET),
        ("the bootstrap secret", BOOTSTRAP),
        ("RabbitMQ's password", RABBITMQ),
        ("MariaDB's password", MARIADB),
        ("Redis's password", REDIS),
        ("a wrong password", WRONG_PASSWORD),
    ] {
        planted.push(Secret::new(name, text));
        // In a URL the signs in it are written otherwise; what stands between them is not.
        let longest = text.split(['/', '+']).max_by_key(|part| part.len()).unwrap_or(text);
        planted.push(Secret::new(name, longest));
    }
    planted.push(Secret::new("the master key", MASTER_KEY));
    planted
}

/// One process of the system.
pub(super) struct Member {
    pub(super) name: &'static str,
    pub(super) process: Process,
    pub(super) admin: String,
    /// How it is started with a command instead: its configuration, and its environment.
    config: Option<(PathBuf, Vec<(&'static str, String)>)>,
}

/// The system, the bucket that it watches, and what it keeps where.
pub(super) struct World {
    pub(super) members: Vec<Member>,
    pub(super) bucket: Bucket,
    pub(super) url: String,
    /// The databases and who owns them, in the split edition.
    pub(super) databases: Vec<(&'static str, String)>,
    /// Redis, in the split edition.
    pub(super) cache: Option<String>,
    _minio: Minio,
    dir: TempDir,
}

impl World {
    pub(super) async fn start(edition: Edition) -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix(MARKER).tempdir()?;
        let keys = [("MINIO_ROOT_USER", MINIO_ACCESS), ("MINIO_ROOT_PASSWORD", MINIO_SECRET)];
        let minio = Minio::start_with(&keys).await?;
        let mut url: Url = minio.endpoint().parse()?;
        set_login(&mut url, (MINIO_ACCESS, MINIO_SECRET))?;
        let bucket = wait_for_bucket(url.as_str()).await?;
        let http = free_port()?;
        let url = format!("http://127.0.0.1:{http}");
        let (members, databases, cache) = (Vec::new(), Vec::new(), None);
        let mut world = Self { members, bucket, url, databases, cache, _minio: minio, dir };
        match edition {
            Edition::Embedded => world.start_embedded(http).await?,
            Edition::Split => world.start_split(http).await?,
        }
        for member in &mut world.members {
            member.process.ready(&member.admin, READY_MAX).await.context(member.name)?;
        }
        Ok(world)
    }

    pub(super) fn api(&self) -> Api {
        Api::new(&self.url, API_KEY)
    }

    /// The data directory of the embedded edition.
    pub(super) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    async fn start_embedded(&mut self, http: u16) -> anyhow::Result<()> {
        std::fs::create_dir(self.data())?;
        write_secret(&self.data().join("master.key"), MASTER_KEY)?;
        let admin = format!("127.0.0.1:{}", free_port()?);
        let (data, http) = (self.data().display().to_string(), format!("127.0.0.1:{http}"));
        let arguments = [
            ["dev", "--data", &data].as_slice(),
            &["--http", &http, "--admin", &admin, "--log", "json", "--log-filter", EVERYTHING],
        ]
        .concat();
        let environment = [("TRIPLINE_ADMIN_KEY", API_KEY)];
        let process = Process::start(binary("tripline")?, arguments, &environment).await?;
        let admin = format!("http://{admin}");
        self.members.push(Member { name: "tripline", process, admin, config: None });
        Ok(())
    }

    async fn start_split(&mut self, http: u16) -> anyhow::Result<()> {
        let servers = Servers::prepare().await?;
        write_secret(&self.dir.path().join("bootstrap"), BOOTSTRAP.as_bytes())?;
        write_secret(&self.dir.path().join("master.key"), MASTER_KEY)?;
        let mut grpc = Vec::new();
        for _ in SERVICES {
            grpc.push(free_port()?);
        }
        for (at, (name, table)) in SERVICES.into_iter().enumerate() {
            let admin = format!("127.0.0.1:{}", free_port()?);
            let file = self.dir.path().join(format!("{name}.toml"));
            std::fs::write(&file, self.config(at, (http, grpc.as_slice()), &admin))?;
            let mut environment = Vec::new();
            if let Some((variable, url)) = table.zip(servers.databases.get(at)) {
                environment.push((variable, url.clone()));
                self.databases.push((name, url.clone()));
            }
            match name {
                "auth" => {
                    environment.push(("TRIPLINE_AUTH__ADMIN_API_KEY", API_KEY.to_owned()));
                }
                "api-gateway" => {
                    environment.push(("TRIPLINE_CACHE__REDIS__URL", servers.cache.clone()));
                    environment.push(("TRIPLINE_BUS__RABBITMQ__URI", servers.bus.clone()));
                }
                _ => environment.push(("TRIPLINE_BUS__RABBITMQ__URI", servers.bus.clone())),
            }
            let process = start(name, &[], &file, &environment).await?;
            let (admin, config) = (format!("http://{admin}"), Some((file, environment)));
            self.members.push(Member { name, process, admin, config });
        }
        self.cache = Some(servers.cache);
        Ok(())
    }

    /// The part of a service's configuration that holds no secret.
    fn config(&self, at: usize, (http, grpc): (u16, &[u16]), admin: &str) -> String {
        let file = |name: &str| self.dir.path().join(name).display().to_string();
        let peer = |key: &str, at: usize| format!("{key} = 'http://127.0.0.1:{}'", grpc[at]);
        let [auth, registry, monitor, invoker] =
            [("auth", 0), ("registry", 1), ("monitor", 2), ("invoker", 3)]
                .map(|(key, at)| peer(key, at));
        let peers = |peers: &[&String]| {
            format!("[peers]\n{}", peers.iter().map(|peer| format!("{peer}\n")).collect::<String>())
        };
        let allow = |table: &str| format!("[{table}]\nallow_cidrs = ['127.0.0.0/8']");
        let bus = "[bus]\nkind = 'rabbitmq'".to_owned();
        let mut parts = vec![format!("bootstrap_secret_file = '{}'", file("bootstrap"))];
        if at == 1 {
            parts.push(format!("master_key_file = '{}'", file("master.key")));
        }
        parts.push(format!("[log]\nfilter = '{EVERYTHING}'\n[admin]\naddr = '{admin}'"));
        if at < 4 {
            parts.push(format!("[grpc]\naddr = '127.0.0.1:{}'", grpc[at]));
        }
        match at {
            0 => {}
            1 => parts.extend([peers(&[&auth]), bus, allow("outbound"), allow("sources")]),
            2 => parts.extend([peers(&[&registry]), bus, allow("sources")]),
            3 => parts.extend([peers(&[&registry, &auth]), bus, allow("outbound")]),
            _ => {
                parts.push(format!("[http]\naddr = '127.0.0.1:{http}'"));
                parts.extend([peers(&[&registry, &monitor, &invoker, &auth]), bus]);
                parts.push("[cache]\nkind = 'redis'".to_owned());
            }
        }
        parts.join("\n")
    }
}

/// The services, and where each is told of its database.
const SERVICES: [(&str, Option<&str>); 5] = [
    ("auth", Some("TRIPLINE_AUTH__DB__URL")),
    ("trigger-registry", Some("TRIPLINE_REGISTRY__DB__URL")),
    ("event-monitor", Some("TRIPLINE_MONITOR__DB__URL")),
    ("invoker", Some("TRIPLINE_INVOKER__DB__URL")),
    ("api-gateway", None),
];

impl Member {
    /// Runs a command of the same program with the same configuration: all that it says.
    pub(super) async fn command(&self, command: &str) -> anyhow::Result<Option<String>> {
        let Some((file, environment)) = &self.config else { return Ok(None) };
        said(start(self.name, &[command], file, environment).await?).await.map(Some)
    }

    /// What it says when it is started with something else in its environment, with which it cannot start.
    async fn started_wrongly(&self, variable: &'static str, value: &str) -> anyhow::Result<String> {
        let (file, environment) = self.config.as_ref().context("a service of its own")?;
        let others = environment.iter().filter(|(name, _)| *name != variable).cloned();
        let environment: Vec<_> = others.chain([(variable, value.to_owned())]).collect();
        let ports = ["--set", "admin.addr=127.0.0.1:0", "--set", "grpc.addr=127.0.0.1:0"];
        said(start(self.name, &ports, file, &environment).await?).await
    }
}

/// What services say that cannot start: each with a word that must be in it.
pub(super) async fn started_wrongly(
    world: &World,
) -> anyhow::Result<Vec<(&'static str, &'static str, String)>> {
    let Some((auth, invoker)) = world.members.first().zip(world.members.get(3)) else {
        return Ok(Vec::new());
    };
    let mut refused: Url = world.databases[0].1.parse()?;
    set_login(&mut refused, (USER, WRONG_PASSWORD))?;
    let no_url = format!("mysql//{USER}:{WRONG_PASSWORD}@127.0.0.1/x");
    let no_uri = format!("amqp//{USER}:{WRONG_PASSWORD}@127.0.0.1/x");
    let (db, bus) = ("TRIPLINE_AUTH__DB__URL", "TRIPLINE_BUS__RABBITMQ__URI");
    Ok(vec![
        ("auth, refused", "denied", auth.started_wrongly(db, refused.as_str()).await?),
        ("auth, misconfigured", db, auth.started_wrongly(db, &no_url).await?),
        ("invoker, misconfigured", bus, invoker.started_wrongly(bus, &no_uri).await?),
    ])
}

/// What a process says until it ends.
async fn said(mut process: Process) -> anyhow::Result<String> {
    process.wait(READY_MAX).await?;
    Ok(process.stdout() + &process.stderr())
}

async fn start(
    name: &str,
    first: &[&str],
    file: &Path,
    environment: &[(&'static str, String)],
) -> anyhow::Result<Process> {
    let file = file.to_str().context("a path that is text")?;
    let arguments = [first, &["--config", file, "--log", "json"]].concat();
    let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, &**value)).collect();
    Process::start(binary(&format!("tripline-{name}"))?, arguments, &environment).await
}

/// Places of one's own on the shared servers, under a user of one's own.
struct Servers {
    bus: String,
    cache: String,
    databases: Vec<String>,
}

impl Servers {
    async fn prepare() -> anyhow::Result<Self> {
        let mariadb = tripline_testkit::mariadb().await;
        mariadb.execute(&format!("CREATE USER '{USER}' IDENTIFIED BY '{MARIADB}'")).await?;
        let mut databases = Vec::new();
        for _ in SERVICES.iter().filter(|(_, variable)| variable.is_some()) {
            let mut url: Url = mariadb.database().await?.parse()?;
            let name = url.path().trim_start_matches('/').to_owned();
            mariadb.execute(&format!("GRANT ALL ON {name}.* TO '{USER}'")).await?;
            set_login(&mut url, (USER, MARIADB))?;
            databases.push(url.into());
        }
        let rabbitmq = tripline_testkit::rabbitmq().await;
        let mut bus: Url = rabbitmq.vhost().await?.parse()?;
        let vhost = bus.path().trim_start_matches('/').to_owned();
        rabbitmq.ctl(&["add_user", USER, RABBITMQ]).await?;
        rabbitmq.ctl(&["set_permissions", "-p", &vhost, USER, ".*", ".*", ".*"]).await?;
        set_login(&mut bus, (USER, RABBITMQ))?;
        let cache = tripline_testkit::redis().await.database();
        let allow = format!(">{REDIS}");
        redis(&cache, &["ACL", "SETUSER", USER, "on", &allow, "~*", "&*", "+@all"]).await?;
        let mut url: Url = cache.parse()?;
        set_login(&mut url, (USER, REDIS))?;
        Ok(Self { bus: bus.into(), cache: url.into(), databases })
    }
}

/// Runs a command at Redis: what it answers.
pub(super) async fn redis(url: &str, command: &[&str]) -> anyhow::Result<Vec<u8>> {
    let output = tokio::process::Command::new("redis-cli")
        .args(["--no-auth-warning", "--raw", "-u", url])
        .args(command)
        .output()
        .await
        .context("redis-cli, which comes with redis-server")?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}

fn set_login(url: &mut Url, (user, password): (&str, &str)) -> anyhow::Result<()> {
    let set = url.set_username(user).and(url.set_password(Some(password)));
    set.ok().context("the URL has a host")
}

/// The server answers 503 for a moment after it says that it is ready.
async fn wait_for_bucket(url: &str) -> anyhow::Result<Bucket> {
    let server = Minio::external(url)?;
    let bucket = tripline_testkit::wait_for(READY_MAX, async || server.bucket().await.ok());
    bucket.await.context("MinIO gives no bucket")
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn write_secret(file: &Path, secret: &[u8]) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(file, secret)?;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600))?;
    Ok(())
}
