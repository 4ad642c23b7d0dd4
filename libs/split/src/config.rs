//! What they configure alike.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tripline_contracts::transport::{self, Client, Prove};
use tripline_kernel::Fault;
use tripline_runtime::config::Error;
use tripline_runtime::host::GRACE_SECONDS_DEFAULT;

/// What is left of the grace period once a service has drained.
const AFTER_DRAIN_SECONDS: u64 = 2;

/// Where a port listens: this machine's loopback and `PORT`, unless configured.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(from = "Address")]
pub struct Listen<const PORT: u16> {
    /// Address and port, such as `0.0.0.0:8102`. Port 0 takes any free one.
    pub addr: SocketAddr,
}

/// [`Listen`] as it is written; serde's derive knows no defaults that depend on a constant.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(rename = "Listen", deny_unknown_fields)]
struct Address {
    /// Address and port, such as `0.0.0.0:8102`. Port 0 takes any free one.
    #[serde(default)]
    addr: Option<SocketAddr>,
}

impl<const PORT: u16> From<Address> for Listen<PORT> {
    fn from(written: Address) -> Self {
        written.addr.map_or_else(Self::default, |addr| Self { addr })
    }
}

impl<const PORT: u16> Default for Listen<PORT> {
    fn default() -> Self {
        Self { addr: (Ipv4Addr::LOCALHOST, PORT).into() }
    }
}

/// How a process ends.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(default, deny_unknown_fields)]
pub struct Stop {
    /// How long work under way may take to finish once the process is told to stop, in seconds.
    pub grace_seconds: u64,
}

impl Default for Stop {
    fn default() -> Self {
        Self { grace_seconds: GRACE_SECONDS_DEFAULT }
    }
}

impl Stop {
    /// How long work under way may take to finish.
    #[must_use]
    pub fn grace(&self) -> Duration {
        Duration::from_secs(self.grace_seconds)
    }

    /// How long a service may drain that would like `wanted` seconds: what comes after needs some of the grace period.
    #[must_use]
    pub fn drain_seconds(&self, wanted: u64) -> u64 {
        wanted.min(self.grace_seconds.saturating_sub(AFTER_DRAIN_SECONDS))
    }
}

/// Where another service is: `http://127.0.0.1:PORT`, unless configured.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Peer<const PORT: u16>(String);

impl<const PORT: u16> Peer<PORT> {
    /// A client of the service there. Connects when first used, and again when lost.
    ///
    /// # Errors
    /// The configuration cannot be used: the address cannot be read.
    pub fn client(&self, prove: &Prove) -> Result<Client, Error> {
        let channel = transport::connect(&self.0)
            .map_err(|error| Error::new(format!("the address {}: {error}", self.0)))?;
        Ok(Client::new(channel, prove.clone()))
    }

    /// What is wrong with the address, in a configuration that holds it at `pointer`.
    #[must_use]
    pub fn validate(&self, pointer: &str) -> Option<Fault> {
        let host =
            self.0.strip_prefix("http://").map(|rest| rest.strip_suffix('/').unwrap_or(rest));
        let port = host.and_then(|host| host.rsplit_once(':')?.1.parse::<u16>().ok());
        let plain = host.is_some_and(|host| !host.contains(['/', '?', '#', '@', ' ']));
        let detail = "must be http://HOST:PORT";
        (port.is_none() || !plain).then(|| Fault::new(pointer, "bad-address", detail))
    }
}

impl<const PORT: u16> Default for Peer<PORT> {
    fn default() -> Self {
        Self(format!("http://127.0.0.1:{PORT}"))
    }
}

impl<const PORT: u16> fmt::Debug for Peer<PORT> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The kinds of buses that there are.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum BusKind {
    /// `RabbitMQ`: streams for the log, quorum queues for the lanes.
    #[default]
    Rabbitmq,
    /// Files of one process.
    Embedded,
}

/// The bus that the five processes share. `R` are the options of `RabbitMQ`.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Bus<R: Default> {
    /// `rabbitmq`. The embedded bus belongs to one process, `tripline dev`.
    pub kind: BusKind,
    /// Where it is, for the kind `rabbitmq`.
    pub rabbitmq: R,
}

impl<R: Default> Bus<R> {
    /// Every fault, with pointers into the bus. `rabbitmq` gives those of `RabbitMQ`'s options.
    pub fn validate(&self, rabbitmq: impl FnOnce(&R) -> Vec<Fault>) -> Vec<Fault> {
        match self.kind {
            BusKind::Rabbitmq => {
                rabbitmq(&self.rabbitmq).into_iter().map(|fault| fault.under("/rabbitmq")).collect()
            }
            BusKind::Embedded => {
                let detail = "the embedded bus lives in one process and cannot be shared by five: \
                    use 'rabbitmq' here, or run 'tripline dev'";
                vec![Fault::new("/kind", "bus-not-shared", detail)]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_a_plain_address_with_a_port() {
        assert_eq!(Peer::<8102>::default().validate(""), None);
        let peer = |text: &str| Peer::<1>(text.to_owned()).validate("/peers/auth");
        for good in ["http://auth:8105", "http://[::1]:8105/", "http://10.0.0.1:80"] {
            assert_eq!(peer(good), None, "{good}");
        }
        for bad in
            ["", "auth:8105", "https://auth:8105", "http://auth", "http://a:1/x", "http://u@a:1"]
        {
            assert!(peer(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn an_embedded_bus_is_refused_in_words() {
        let bus = Bus::<()> { kind: BusKind::Embedded, rabbitmq: () };
        let faults = bus.validate(|()| Vec::new());
        assert_eq!(faults[0].pointer, "/kind");
        assert!(faults[0].detail.contains("tripline dev"), "{faults:?}");
    }
}
