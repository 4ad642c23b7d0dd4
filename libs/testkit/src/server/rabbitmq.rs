//! RabbitMQ.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use super::{Kind, Server};
use crate::child::{Child, Spec};
use crate::port::Port;
use crate::{program, wire};

/// A RabbitMQ node.
pub type RabbitMq = Server<Setup>;

const USER: &str = "tripline";
const PASSWORD: &str = "tripline-secret";
const NODE: &str = "x@localhost";
/// Virtual hosts made at the first start, since each call of `rabbitmqctl` costs a second.
const VHOSTS: usize = 24;
/// How long the name server of the node may take to start.
const EPMD_START_MAX: Duration = Duration::from_secs(10);

/// What a RabbitMQ node needs.
#[derive(Debug)]
pub struct Setup {
    node: Option<Node>,
    /// With the path of one virtual host.
    url: url::Url,
    vhosts_taken: AtomicUsize,
}

#[derive(Debug)]
struct Node {
    program: PathBuf,
    ctl: PathBuf,
    dir: PathBuf,
    amqp: Port,
    distribution: Port,
    names: Port,
    /// Erlang starts this name server as a daemon that would outlive the test, unless it is there already.
    _epmd: Child,
}

impl Kind for Setup {
    const NAME: &'static str = "RabbitMQ";
    const VARIABLE: &'static str = "TRIPLINE_TEST_RABBITMQ_URL";
    const START_MAX: Duration = Duration::from_secs(120);

    async fn prepare(dir: &Path) -> anyhow::Result<Self> {
        let names = Port::free()?;
        std::fs::create_dir(dir.join("epmd"))?;
        let epmd = Spec::new(program::find("epmd")?, &dir.join("epmd"))
            .args(["-port".to_owned(), names.number().to_string()])
            .args(["-address", "127.0.0.1"]);
        let epmd = Child::spawn(&epmd).await?;
        wire::listens(names.addr(), EPMD_START_MAX).await?;
        write_configuration(dir)?;
        let scripts = program::rabbitmq_scripts()?;
        let node = Node {
            program: scripts.join("rabbitmq-server"),
            ctl: scripts.join("rabbitmqctl"),
            dir: dir.to_owned(),
            amqp: Port::free()?,
            distribution: Port::free()?,
            names,
            _epmd: epmd,
        };
        let url = format!("amqp://{USER}:{PASSWORD}@{}/%2f", node.amqp.addr()).parse()?;
        Ok(Self { node: Some(node), url, vhosts_taken: AtomicUsize::new(0) })
    }

    /// `amqp://USER:PASSWORD@HOST:PORT/VHOST`.
    fn external(url: &str) -> anyhow::Result<Self> {
        Ok(Self { node: None, url: url.parse()?, vhosts_taken: AtomicUsize::new(0) })
    }

    fn spec(&self, dir: &Path) -> Spec {
        let node = self.node.as_ref().expect("only a prepared node is started");
        let file = |name: &str| dir.join(name).into_os_string();
        node.environment(Spec::new(&node.program, dir))
            // The script replaces itself with the node, so that signals and the death of the test reach it.
            .env("RUNNING_UNDER_SYSTEMD", "true")
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", node.amqp.number().to_string())
            .env("RABBITMQ_DIST_PORT", node.distribution.number().to_string())
            .env("RABBITMQ_MNESIA_BASE", file("data"))
            .env("RABBITMQ_LOG_BASE", file("log"))
            .env("RABBITMQ_CONFIG_FILE", file("rabbitmq.conf"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", file("plugins"))
            .env("RABBITMQ_PID_FILE", file("pid"))
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "+S 1:1 +sbwt none -kernel inet_dist_use_interface {127,0,0,1}",
            )
    }

    async fn is_ready(&self) -> bool {
        let Some(node) = &self.node else { return true };
        // A node that serves answers the header with a method frame on channel 0.
        let answer = wire::exchange(node.amqp.addr(), b"AMQP\0\0\x09\x01").await;
        answer == Some([1, 0, 0])
    }
}

impl Node {
    fn environment(&self, spec: Spec) -> Spec {
        spec.env("HOME", self.dir.join("home"))
            .env("ERL_EPMD_PORT", self.names.number().to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODENAME", NODE)
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("LANG", "C.UTF-8")
    }
}

fn vhost(number: usize) -> String {
    format!("test-{number}")
}

fn write_configuration(dir: &Path) -> anyhow::Result<()> {
    std::fs::create_dir(dir.join("home"))?;
    let cookie = dir.join("home/.erlang.cookie");
    std::fs::write(&cookie, "testkit")?;
    std::fs::set_permissions(&cookie, std::fs::Permissions::from_mode(0o400))?;
    std::fs::write(dir.join("plugins"), "[].\n")?;
    let names = || (0..VHOSTS).map(vhost).chain(["/".to_owned()]);
    let permission = |vhost: String| json!({"user": USER, "vhost": vhost, "configure": ".*", "write": ".*", "read": ".*"});
    let definitions = json!({
        "users": [{"name": USER, "password": PASSWORD, "tags": "administrator"}],
        "vhosts": names().map(|name| json!({"name": name})).collect::<Vec<_>>(),
        "permissions": names().map(permission).collect::<Vec<_>>(),
    });
    let file = dir.join("definitions.json");
    std::fs::write(&file, definitions.to_string())?;
    let configuration = [
        "disk_free_limit.absolute = 50MB".to_owned(),
        "loopback_users = none".to_owned(),
        "log.console = true".to_owned(),
        "log.console.level = warning".to_owned(),
        "log.file = false".to_owned(),
        format!("load_definitions = {}", file.display()),
    ];
    std::fs::write(dir.join("rabbitmq.conf"), configuration.join("\n") + "\n")?;
    Ok(())
}

impl Server<Setup> {
    /// The node, with the default virtual host.
    #[must_use]
    pub fn url(&self) -> &str {
        self.kind.url.as_str()
    }

    /// The URL of an empty virtual host of one's own.
    ///
    /// A broker that the environment names has only the one in its URL: it is given to all, so name queues with
    /// [`crate::unique`] all the same.
    ///
    /// # Errors
    /// When the node refuses it.
    pub async fn vhost(&self) -> anyhow::Result<String> {
        if self.kind.node.is_none() {
            return Ok(self.kind.url.clone().into());
        }
        let number = self.kind.vhosts_taken.fetch_add(1, Ordering::Relaxed);
        let name = vhost(number);
        if number >= VHOSTS {
            self.ctl(&["add_vhost", &name]).await?;
            self.ctl(&["set_permissions", "-p", &name, USER, ".*", ".*", ".*"]).await?;
        }
        let mut url = self.kind.url.clone();
        url.set_path(&name);
        Ok(url.into())
    }

    /// Runs `rabbitmqctl` against a node of ours and answers what it prints. Takes seconds.
    ///
    /// # Errors
    /// When it fails, or the node was not started here.
    pub async fn ctl(&self, args: &[&str]) -> anyhow::Result<String> {
        let Some(node) = &self.kind.node else { anyhow::bail!("the node was not started here") };
        let spec = node.environment(Spec::new(&node.ctl, &node.dir));
        spec.args(["--quiet", "--node", NODE]).args(args.iter().copied()).run().await
    }
}
