//! Networks, and addresses in them and beside them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::random::Random;

/// The first `bits` bits of an address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    pub(super) fn random(random: &mut Random) -> Self {
        if random.percent(60) {
            // One in thirty is of a length that there is not, or of one address.
            let bits = u32::try_from(random.below(34)).unwrap_or_default();
            return Self { address: Ipv4Addr::from(ipv4(random)).into(), bits };
        }
        let bits = match random.below(3) {
            0 => 16 * random.below(9),
            1 => 120 + random.below(10),
            _ => random.below(129),
        };
        Self {
            address: Ipv6Addr::from(ipv6(random)).into(),
            bits: u32::try_from(bits).unwrap_or_default(),
        }
    }

    pub(super) fn spell(self, random: &mut Random) -> String {
        format!("{}/{}", spell(self.address, random), self.bits)
    }

    /// Its own address.
    pub(super) fn itself(self, random: &mut Random) -> String {
        spell(self.address, random)
    }

    /// An address of the network.
    pub(super) fn inside(self, random: &mut Random) -> String {
        let noise = u128::from(random.next()) << 64 | u128::from(random.next());
        let address = match self.address {
            IpAddr::V4(address) => {
                let host = u32::MAX.checked_shr(self.bits).unwrap_or(0);
                #[allow(clippy::cast_possible_truncation, reason = "any bits will do")]
                let chosen = *random.pick(&[0, u32::MAX, noise as u32]);
                Ipv4Addr::from(u32::from(address) & !host | chosen & host).into()
            }
            IpAddr::V6(address) => {
                let host = u128::MAX.checked_shr(self.bits).unwrap_or(0);
                let chosen = *random.pick(&[0, u128::MAX, noise]);
                Ipv6Addr::from(u128::from(address) & !host | chosen & host).into()
            }
        };
        spell(address, random)
    }

    /// An address that differs from the network's in one bit, which may be one that does not matter.
    pub(super) fn near(self, random: &mut Random) -> String {
        let address = match self.address {
            IpAddr::V4(address) => {
                Ipv4Addr::from(u32::from(address) ^ (1 << random.below(32))).into()
            }
            IpAddr::V6(address) => {
                Ipv6Addr::from(u128::from(address) ^ (1 << random.below(128))).into()
            }
        };
        spell(address, random)
    }
}

fn ipv4(random: &mut Random) -> u32 {
    #[allow(clippy::cast_possible_truncation, reason = "any bits will do")]
    let any = random.next() as u32;
    *random.pick(&[0x0a00_0000, 0x0a01_02ff, 0xc0a8_0009, 0, u32::MAX, any])
}

fn ipv6(random: &mut Random) -> u128 {
    let any = u128::from(random.next()) << 64 | u128::from(random.next());
    *random.pick(&[1, 0x2001_0db8 << 96, 0x2001_0db8_0000_00ff << 64 | 0x19, 0xffff_0a00_0001, any])
}

/// One of the ways to write an address.
fn spell(address: IpAddr, random: &mut Random) -> String {
    match address {
        IpAddr::V4(address) if random.percent(4) => {
            address.octets().map(|octet| format!("{octet:03}")).join(".")
        }
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => match random.below(4) {
            0 => address.to_string().to_uppercase(),
            1 => address.segments().map(|segment| format!("{segment:x}")).join(":"),
            2 => address.segments().map(|segment| format!("{segment:04x}")).join(":"),
            _ => address.to_string(),
        },
    }
}
