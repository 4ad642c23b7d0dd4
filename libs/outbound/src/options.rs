//! What an operator can set.

use ipnet::IpNet;
use tripline_kernel::Fault;

/// What an operator can set of the calls that leave.
#[derive(
    Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Networks that may be called although they are not public, such as `10.1.0.0/16` or `127.0.0.1/32`. Empty by default.
    pub allow_cidrs: Vec<String>,
    /// How long opening a connection may take, in milliseconds.
    pub connect_timeout_ms: u64,
    /// How long a connection is kept open unused, in milliseconds. Below what common servers keep (5 s), so that a call
    /// seldom meets a connection that its server is just closing.
    pub idle_timeout_ms: u64,
    /// Most unused connections kept open per host.
    pub idle_per_host_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            allow_cidrs: Vec::new(),
            connect_timeout_ms: 5_000,
            idle_timeout_ms: 4_000,
            idle_per_host_max: 256,
        }
    }
}

impl Options {
    /// Every fault of these options.
    #[must_use]
    pub fn validate(&self) -> Vec<Fault> {
        let mut faults = parse_networks(&self.allow_cidrs).err().unwrap_or_default();
        for (pointer, value) in [
            ("/connect_timeout_ms", self.connect_timeout_ms),
            ("/idle_timeout_ms", self.idle_timeout_ms),
        ] {
            if value == 0 {
                faults.push(Fault::new(pointer, "out-of-range", "must be at least 1"));
            }
        }
        faults
    }
}

pub(crate) fn parse_networks(texts: &[String]) -> Result<Vec<IpNet>, Vec<Fault>> {
    let (mut networks, mut faults) = (Vec::new(), Vec::new());
    for (index, text) in texts.iter().enumerate() {
        match text.parse::<IpNet>() {
            Ok(network) => networks.push(network),
            Err(_) => faults.push(Fault::new(
                format!("/allow_cidrs/{index}"),
                "invalid-cidr",
                format!("'{text}' is not a network; write it like 10.0.0.0/8 or ::1/128"),
            )),
        }
    }
    if faults.is_empty() { Ok(networks) } else { Err(faults) }
}

#[cfg(test)]
mod tests {
    use super::Options;

    #[test]
    fn all_faults_are_named_at_once() {
        let allow_cidrs = vec!["10.0.0.0/8".to_owned(), "10.0.0.0".to_owned(), "x/8".to_owned()];
        let options = Options { allow_cidrs, connect_timeout_ms: 0, ..Options::default() };
        let pointers: Vec<_> = options.validate().into_iter().map(|fault| fault.pointer).collect();
        assert_eq!(pointers, ["/allow_cidrs/1", "/allow_cidrs/2", "/connect_timeout_ms"]);
        assert_eq!(Options::default().validate(), []);
    }
}
