//! Which addresses are public.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The networks of IPv4 that are not public, or hold what a cloud tells its machines, and what they are.
const REFUSED_V4: [(u32, u8, &str); 18] = [
    (v4(0, 0, 0, 0), 8, "'this network'"),
    (v4(10, 0, 0, 0), 8, "private"),
    (v4(100, 64, 0, 0), 10, "shared by carriers (CGNAT)"),
    (v4(127, 0, 0, 0), 8, "loopback"),
    (v4(168, 63, 129, 16), 32, "cloud metadata"),
    (v4(169, 254, 0, 0), 16, "link-local"),
    (v4(172, 16, 0, 0), 12, "private"),
    (v4(192, 0, 0, 0), 24, "reserved"),
    (v4(192, 0, 2, 0), 24, "for documentation"),
    (v4(192, 88, 99, 0), 24, "reserved"),
    (v4(192, 168, 0, 0), 16, "private"),
    (v4(198, 18, 0, 0), 15, "for benchmarks"),
    (v4(198, 51, 100, 0), 24, "for documentation"),
    (v4(203, 0, 113, 0), 24, "for documentation"),
    (v4(233, 252, 0, 0), 24, "for documentation"),
    (v4(224, 0, 0, 0), 4, "multicast"),
    (v4(255, 255, 255, 255), 32, "broadcast"),
    (v4(240, 0, 0, 0), 4, "reserved"),
];

const fn v4(a: u8, b: u8, c: u8, d: u8) -> u32 {
    u32::from_be_bytes([a, b, c, d])
}

/// The networks inside `2000::/3`, the public part of IPv6, that are not public after all.
const REFUSED_V6: [(u128, u8, &str); 4] = [
    (0x2001 << 112, 23, "reserved (Teredo and other protocols)"),
    (0x2001_0db8 << 96, 32, "for documentation"),
    (0x3fff << 112, 20, "for documentation"),
    (0x2620_004f_8000 << 80, 48, "reserved"),
];

/// The IPv4 address that this one stands for: IPv4-mapped, IPv4-compatible, IPv4-translated, NAT64 and 6to4 forms.
pub(crate) fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let bits = address.to_bits();
    let low = u32::try_from(bits & 0xffff_ffff).expect("32 bits");
    let prefix = bits >> 32;
    let translated = prefix == 0xffff // ::ffff:0:0/96
        || prefix == 0xffff_0000 // ::ffff:0:0:0/96
        || prefix == 0x0064_ff9b << 64 // 64:ff9b::/96
        || (prefix == 0 && low > 1); // ::/96, without :: and ::1
    if translated {
        return Some(Ipv4Addr::from_bits(low));
    }
    let six_to_four = bits >> 112 == 0x2002;
    let middle = u32::try_from((bits >> 80) & 0xffff_ffff).expect("32 bits");
    six_to_four.then(|| Ipv4Addr::from_bits(middle))
}

/// Why the address must not be called unless an operator allows it; `None` when it is public.
pub(crate) fn refused(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => refused_v4(address),
        IpAddr::V6(address) => refused_v6(address),
    }
}

fn refused_v4(address: Ipv4Addr) -> Option<&'static str> {
    let bits = address.to_bits();
    let within = |&&(network, len, _): &&(u32, u8, &str)| (bits ^ network) >> (32 - len) == 0;
    REFUSED_V4.iter().find(within).map(|&(_, _, why)| why)
}

fn refused_v6(address: Ipv6Addr) -> Option<&'static str> {
    if let Some(embedded) = embedded_v4(address) {
        return refused_v4(embedded);
    }
    let bits = address.to_bits();
    // Only 2000::/3 is given out for public use.
    if bits >> 125 != 1 {
        return Some(match address.segments()[0] {
            0 if address == Ipv6Addr::LOCALHOST => "loopback",
            0 if address == Ipv6Addr::UNSPECIFIED => "unspecified",
            0xfc00..=0xfdff => "private",
            0xfe80..=0xfeff => "link-local",
            0xff00.. => "multicast",
            _ => "reserved",
        });
    }
    let within = |&&(network, len, _): &&(u128, u8, &str)| (bits ^ network) >> (128 - len) == 0;
    REFUSED_V6.iter().find(within).map(|&(_, _, why)| why)
}
