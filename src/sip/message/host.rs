//! Hosts in URIs and Via headers: names, IPv4 and bracketed IPv6 (RFC 3261 section 25.1, RFC 5118).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A host as it stands in a message. Names compare without case, addresses by value.
#[derive(Clone, Copy, Debug)]
pub enum HostRef<'a> {
    Name(&'a str),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

/// A host of our own keeping. Names are kept in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    Name(Box<str>),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

impl<'a> HostRef<'a> {
    /// Reads a host without its port. An IPv6 address stands in brackets. Underscores are let through in names,
    /// because private DNS has them.
    pub fn parse(text: &'a str) -> Option<HostRef<'a>> {
        if let Some(inner) = text.strip_prefix('[') {
            return ipv6_reference(inner.strip_suffix(']')?).map(HostRef::V6);
        }
        let bytes = text.as_bytes();
        // A last label of digits only can be nothing but an IPv4 address, if it is a host at all; "2001" or "1.2.3"
        // remain names, which resolve to nothing.
        if bytes.first()?.is_ascii_digit()
            && let Ok(address) = text.parse()
        {
            return Some(HostRef::V4(address));
        }
        let name_byte = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        (bytes.iter().all(name_byte) && bytes[0] != b'.').then_some(HostRef::Name(text))
    }

    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            HostRef::Name(_) => None,
            HostRef::V4(address) => Some(IpAddr::V4(*address)),
            HostRef::V6(address) => Some(IpAddr::V6(*address)),
        }
    }

    pub fn to_owned(self) -> Host {
        match self {
            HostRef::Name(name) => Host::Name(name.to_ascii_lowercase().into()),
            HostRef::V4(address) => Host::V4(address),
            HostRef::V6(address) => Host::V6(address),
        }
    }
}

impl PartialEq for HostRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (HostRef::Name(a), HostRef::Name(b)) => a.eq_ignore_ascii_case(b),
            (HostRef::V4(a), HostRef::V4(b)) => a == b,
            (HostRef::V6(a), HostRef::V6(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for HostRef<'_> {}

impl Host {
    pub fn as_ref(&self) -> HostRef<'_> {
        match self {
            Host::Name(name) => HostRef::Name(name),
            Host::V4(address) => HostRef::V4(*address),
            Host::V6(address) => HostRef::V6(*address),
        }
    }

    pub fn ip(&self) -> Option<IpAddr> {
        self.as_ref().ip()
    }
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Host {
        match address {
            IpAddr::V4(address) => Host::V4(address),
            IpAddr::V6(address) => Host::V6(address),
        }
    }
}

impl fmt::Display for HostRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostRef::Name(name) => f.write_str(name),
            HostRef::V4(address) => write!(f, "{address}"),
            HostRef::V6(address) => write!(f, "[{address}]"),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.as_ref(), f)
    }
}

/// What stands between the brackets. RFC 3261's grammar lets `:::` stand before an embedded IPv4 address where `::` is
/// meant, and RFC 5118 section 4.10 wants both read; nowhere else are three colons anything.
fn ipv6_reference(inner: &str) -> Option<Ipv6Addr> {
    if let Ok(address) = inner.parse() {
        return Some(address);
    }
    let (before, after) = inner.split_once(":::")?;
    after.parse::<Ipv4Addr>().ok()?;
    format!("{before}::{after}").parse().ok()
}

/// Splits `host[:port]`. `None` when either part is malformed, as in an IPv6 address without brackets.
pub(super) fn split_host_port(text: &str) -> Option<(HostRef<'_>, Option<u16>)> {
    let after_host = if text.starts_with('[') { text.find(']')? + 1 } else { text.find(':').unwrap_or(text.len()) };
    let (host, port) = text.split_at(after_host);
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => None,
        None => return None,
        Some(digits) => Some(port_number(digits)?),
    };
    Some((HostRef::parse(host)?, port))
}

/// Leading zeros are allowed by the grammar (`1*DIGIT`); signs and empty text are not.
pub(super) fn port_number(digits: &str) -> Option<u16> {
    u16::try_from(super::text::decimal(digits.as_bytes()).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_an_ipv4_or_a_bracketed_ipv6_address() {
        assert_eq!(split_host_port("pbx_1.example.com:5080"), Some((HostRef::Name("PBX_1.EXAMPLE.COM"), Some(5080))));
        assert_eq!(split_host_port("192.0.2.1"), Some((HostRef::V4(Ipv4Addr::new(192, 0, 2, 1)), None)));
        assert_eq!(
            split_host_port("[2001:DB8::0:10]:5070"),
            Some((HostRef::V6("2001:db8::10".parse().unwrap()), Some(5070)))
        );
    }

    #[test]
    fn three_colons_are_two_before_an_ipv4_address_only() {
        let right = HostRef::parse("[2001:db8::192.0.2.1]");
        assert!(right.is_some());
        assert_eq!(HostRef::parse("[2001:db8:::192.0.2.1]"), right);
        for bad in ["[2001:db8:::1]", "[:::]", "[2001::db8:::192.0.2.1]", "[2001:db8::::192.0.2.1]", "[:::192.0.2.1:1]"]
        {
            assert_eq!(HostRef::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for bad in [
            "",
            "a:",
            "a:70000",
            "a:-1",
            "2001:db8::10",
            "[2001:db8::10",
            "[::1]x",
            "[]",
            "a b",
            "a/b",
            ".a",
            "a%41",
            "[fe80::1%1]",
        ] {
            assert_eq!(split_host_port(bad), None, "{bad}");
        }
    }
}
