//! Addresses that are no host of the public Internet: this machine, its network, and what stands for them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address is granted only by itself: in a few words. `None`: it is one of the public Internet. The lists are IANA's
/// special-purpose address registries.
pub(super) fn special(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => special_v4(address),
        IpAddr::V6(address) => special_v6(address),
    }
}

fn special_v4(address: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, _] = address.octets();
    Some(match (a, b, c) {
        (0, ..) => "this network",
        (127, ..) => "this machine",
        (169, 254, _) => "link-local: metadata of the machine",
        (10, ..) | (172, 16..=31, _) | (192, 168, _) => "a private network",
        (100, 64..=127, _) => "shared by a provider",
        (192, 0, 0) => "protocol assignments",
        (192, 0, 2) | (198, 51, 100) | (203, 0, 113) => "documentation",
        (192, 88, 99) => "a relay to IPv6",
        (198, 18..=19, _) => "benchmarks",
        (224..=239, ..) => "multicast",
        (240..=255, ..) => "reserved",
        _ => return None,
    })
}

fn special_v6(address: Ipv6Addr) -> Option<&'static str> {
    let s = address.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match s {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some("this network"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("this machine"),
        // An IPv4 address in IPv6: mapped, compatible, translated.
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => {
            Some(special_v4(embedded(high, low)).unwrap_or("IPv4 in IPv6"))
        }
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => special_v4(embedded(high, low)),
        [0x64, 0xff9b, 1, ..] => Some("a translation within a network"),
        [0x2002, high, low, ..] => Some(special_v4(embedded(high, low)).unwrap_or("IPv4 in IPv6")),
        [0x2001, 0x0db8, ..] => Some("documentation"),
        [0x2001, second, ..] if second < 0x200 => Some("protocol assignments"),
        [0x3fff, second, ..] if second < 0x1000 => Some("documentation"),
        [0x100, ..] => Some("discarded"),
        [0x5f00, ..] => Some("segment routing"),
        [first, ..] => match first {
            0xfc00..=0xfdff => Some("a private network"),
            0xfe80..=0xfebf => Some("link-local"),
            0xfec0..=0xfeff => Some("a private network"),
            0xff00..=0xffff => Some("multicast"),
            0x2000..=0x3fff => None,
            _ => Some("reserved"),
        },
    }
}

/// The address itself: IPv4 where it is mapped into IPv6, as the system connects to it.
pub(super) fn plain(address: IpAddr) -> IpAddr {
    address.to_canonical()
}
