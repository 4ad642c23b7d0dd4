//! Networks in CIDR notation (RFC 4632, RFC 4291).

use std::fmt;
use std::net::IpAddr;

/// A network of IP addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Network {
    /// Its first bits are those of every address in it.
    address: IpAddr,
    /// How many bits that are.
    bits: u32,
}

impl Network {
    /// Reads such as `10.0.0.0/24` or `2001:db8::/32`. A network of one address is none.
    ///
    /// The number of bits may have a sign and zeros before it, and slashes behind it, as in event-ruler.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.trim_end_matches('/').split_once('/')?;
        let network = Self { address: parse_address(address)?, bits: bits.parse().ok()? };
        (network.bits < width(network.address)).then_some(network)
    }

    /// The network of this address alone, if the text is one.
    pub(crate) fn of_one(text: &str) -> Option<Self> {
        let address = parse_address(text)?;
        Some(Self { address, bits: width(address) })
    }

    /// Whether it is that of one address.
    pub(crate) fn is_one(&self) -> bool {
        self.bits == width(self.address)
    }

    pub(crate) fn address(&self) -> IpAddr {
        self.address
    }

    pub(crate) fn bits(&self) -> u32 {
        self.bits
    }

    /// Whether the text is an address of this network.
    pub(crate) fn holds(&self, text: &str) -> bool {
        match (self.address, parse_address(text)) {
            (IpAddr::V4(network), Some(IpAddr::V4(address))) => {
                let differ = u32::from(network) ^ u32::from(address);
                differ.leading_zeros() >= self.bits
            }
            (IpAddr::V6(network), Some(IpAddr::V6(address))) => {
                let differ = u128::from(network) ^ u128::from(address);
                differ.leading_zeros() >= self.bits
            }
            _ => false,
        }
    }
}

/// How many bits an address has.
fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// An address as event-ruler reads it. Zeros may stand before each number, which is decimal in an address of IPv4. One of
/// IPv4 that is written as of IPv6 counts as what it is, but not with full stops in it.
pub(crate) fn parse_address(text: &str) -> Option<IpAddr> {
    // Few values are addresses; most are told by this.
    if !text.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':')) {
        return None;
    }
    if !text.contains(':') {
        let mut octets = [0; 4];
        let mut numbers = text.split('.');
        for octet in &mut octets {
            *octet = numbers.next()?.parse().ok()?;
        }
        return numbers.next().is_none().then(|| IpAddr::V4(octets.into()));
    }
    let (before, after) = match text.split_once("::") {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    };
    let mut groups = [0; 8];
    let first = read_groups(before, &mut groups)?;
    match after {
        None if first < groups.len() => return None,
        None => {}
        Some(after) => {
            let mut last = [0; 8];
            let len = read_groups(after, &mut last)?;
            // The two colons stand for one group at least.
            let from = groups.len().checked_sub(len).filter(|&from| from > first)?;
            groups[from..].copy_from_slice(&last[..len]);
        }
    }
    Some(IpAddr::V6(groups.into()).to_canonical())
}

/// Reads groups that single colons part. Answers with how many there are.
fn read_groups(text: &str, groups: &mut [u16; 8]) -> Option<usize> {
    if text.is_empty() {
        return Some(0);
    }
    let mut count = 0;
    for group in text.split(':') {
        let zeros = group.len() - group.trim_start_matches('0').len();
        let digits = if zeros == group.len() { "0" } else { &group[zeros..] };
        *groups.get_mut(count)? =
            u16::from_str_radix(digits, 16).ok().filter(|_| !group.is_empty())?;
        count += 1;
    }
    Some(count)
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
        for good in [
            "10.0.0.0/24",
            "0.0.0.0/0",
            "10.1.2.3/8",
            "2001:db8::/64",
            "::/0",
            "010.0.0.0/+08",
            "10.0.0.0/8/",
            "::ffff:a00:0/8",
        ] {
            assert!(Network::parse(good).is_some(), "{good}");
        }
        for bad in [
            "10.0.0.0",
            "10.0.0.0/32",
            "::1/128",
            "10.0.0.0/33",
            "10.0.0/8",
            "a/8",
            "10.0.0.0/-8",
            "10.0.0.0/8/8",
            "10.0.0.256/8",
            "10.0.0.0.0/8",
            "10.0..0/8",
            "+1.0.0.0/8",
            ":::/8",
            "1:2:3:4:5:6:7/8",
            "1:2:3:4:5:6:7:8::/8",
            "1:::2/8",
            "12345::/8",
            "::ffff:a00:0/104",
            "::ffff:10.0.0.0/104",
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
            ("10.0.0.0/8", "::ffff:a00:1"),
            ("10.0.0.0/8", "010.000.0.01"),
            ("1:2:3:4:5:6:7::/120", "1:2:3:4:05:6:7:00ff"),
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
            ("10.0.0.0/8", "::ffff:10.0.0.1"),
            ("10.0.0.0/24", ""),
            ("2001:db8::/32", "2001:db9::"),
        ] {
            assert!(!holds(network, text), "{network} {text}");
        }
    }
}
