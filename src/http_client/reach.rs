//! Which addresses a request may go to. The address is looked at, not the name: a name says nothing of where it leads.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The world outside.
    Public,
    /// Also the networks of one's own house, and this machine.
    Private,
}

/// Whether a connection to `address` may be made. What is nobody's, or a cloud's metadata, is refused to everybody.
pub fn allowed(address: IpAddr, reach: Reach) -> bool {
    match place(address) {
        Place::Public => true,
        Place::Private => reach == Reach::Private,
        Place::Never => false,
    }
}

enum Place {
    Public,
    Private,
    /// Link-local (with the metadata of most clouds), multicast, reserved.
    Never,
}

fn place(address: IpAddr) -> Place {
    match address {
        IpAddr::V4(address) => v4(address),
        IpAddr::V6(address) => v6(address),
    }
}

/// RFC 6890, and two addresses at which clouds keep their metadata: 100.100.100.200 in RFC 6598's shared space, and
/// 168.63.129.16, which looks like anybody's.
fn v4(address: Ipv4Addr) -> Place {
    match address.octets() {
        [0, ..] | [169, 254, ..] | [224..=255, ..] | [100, 100, 100, 200] | [168, 63, 129, 16] => Place::Never,
        [192, 0, 0, _] | [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Place::Never,
        [10, ..] | [127, ..] | [192, 168, ..] => Place::Private,
        [172, second, ..] if (16..32).contains(&second) => Place::Private,
        [100, second, ..] if (64..128).contains(&second) => Place::Private,
        [198, 18 | 19, ..] => Place::Private,
        _ => Place::Public,
    }
}

fn v6(address: Ipv6Addr) -> Place {
    // An IPv4 address in IPv6 clothes leads where the IPv4 address does.
    let inner = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        v4(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => Place::Private,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] => inner(high, low),
        // NAT64 (RFC 6052) and 6to4 (RFC 3056).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => inner(high, low),
        [0x2002, high, low, ..] => inner(high, low),
        // Teredo (RFC 4380): the IPv4 address of a relay and, with all its bits turned, of whoever is behind it.
        [0x2001, 0, ..] => Place::Never,
        // One cloud's metadata.
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] => Place::Never,
        [first, ..] if first & 0xfe00 == 0xfc00 => Place::Private,
        [0x2001, 0xdb8, ..] => Place::Never,
        // Of the rest only 2000::/3 is given out.
        [first, ..] if first & 0xe000 == 0x2000 => Place::Public,
        _ => Place::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reaches(address: &str) -> (bool, bool) {
        let address = address.parse().unwrap();
        (allowed(address, Reach::Public), allowed(address, Reach::Private))
    }

    #[test]
    fn ones_own_network_is_reached_only_when_that_is_said() {
        for own in
            ["10.1.2.3", "127.0.0.1", "192.168.0.1", "172.31.0.1", "100.64.0.1", "::1", "fd12::1", "::ffff:10.0.0.1"]
        {
            assert_eq!(reaches(own), (false, true), "{own}");
        }
        for public in ["8.8.8.8", "172.32.0.1", "100.63.0.1", "2600::1", "::ffff:8.8.8.8"] {
            assert_eq!(reaches(public), (true, true), "{public}");
        }
    }

    #[test]
    fn metadata_and_what_is_nobodys_is_never_reached() {
        for never in [
            "169.254.169.254",
            "100.100.100.200",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "fe80::1",
            "fd00:ec2::254",
            "::",
            "ff02::1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::",
            "168.63.129.16",
            "::ffff:168.63.129.16",
            "2001:0:4136:e378:8000:63bf:f5ff:fffe",
        ] {
            assert_eq!(reaches(never), (false, false), "{never}");
        }
    }
}
