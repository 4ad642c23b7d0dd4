//! Networks in CIDR notation (RFC 4632, RFC 4291).

use std::fmt;
use std::net::IpAddr;

/// A network of IP addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Network {
    /// Its first bits are those of every address in it.
    address: IpAddr,
    /// How many bits that are. Less than an address has.
    bits: u32,
}

impl Network {
    /// Reads such as `10.0.0.0/24` or `2001:db8::/32`. A network of one address is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        if !bits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let (address, bits): (IpAddr, u32) = (address.parse().ok()?, bits.parse().ok()?);
        let width = if address.is_ipv4() { 32 } else { 128 };
        (bits < width).then_some(Self { address, bits })
    }

    pub(crate) fn address(&self) -> IpAddr {
        self.address
    }

    pub(crate) fn bits(&self) -> u32 {
        self.bits
    }

    /// Whether the text is an address of this network. One of IPv4 that is written as of IPv6 counts as what it is.
    pub(crate) fn holds(&self, text: &str) -> bool {
        // Few values are addresses, and these are short.
        let Ok(address) = text.parse::<IpAddr>() else { return false };
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differ = u32::from(network) ^ u32::from(address);
                differ.leading_zeros() >= self.bits
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let differ = u128::from(network) ^ u128::from(address);
                differ.leading_zeros() >= self.bits
            }
            _ => false,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::Network;

    #[test]
    fn only_networks_are_read() {
        for good in ["10.0.0.0/24", "0.0.0.0/0", "10.1.2.3/8", "2001:db8::/64", "::/0"] {
            assert!(Network::parse(good).is_some(), "{good}");
        }
        for bad in [
            "10.0.0.0",
            "10.0.0.0/32",
            "::1/128",
            "10.0.0.0/33",
            "10.0.0/8",
            "a/8",
            "10.0.0.0/+8",
            "10.0.0.0/",
        ] {
            assert!(Network::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn addresses_are_told_by_their_first_bits() {
        let holds = |network: &str, text: &str| Network::parse(network).unwrap().holds(text);
        for (network, text) in [
            ("10.0.0.0/24", "10.0.0.255"),
            ("10.9.9.9/8", "10.0.0.1"),
            ("0.0.0.0/0", "255.255.255.255"),
            ("10.0.0.0/8", "::ffff:10.0.0.1"),
            ("2001:db8:1234:1a00::/64", "2001:0db8:1234:1a00:0000:0000:0000:0000"),
            ("::/0", "::1"),
        ] {
            assert!(holds(network, text), "{network} {text}");
        }
        for (network, text) in [
            ("10.0.0.0/24", "10.0.1.0"),
            ("10.0.0.0/24", "10.0.0.256"),
            ("0.0.0.0/0", "::1"),
            ("::/0", "1.2.3.4"),
            ("10.0.0.0/24", ""),
            ("2001:db8::/32", "2001:db9::"),
        ] {
            assert!(!holds(network, text), "{network} {text}");
        }
    }
}
