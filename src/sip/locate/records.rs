//! What a name server is asked and what it answers, as far as RFC 3263 has use for it, and how much of an answer counts:
//! whoever runs a zone may write anything into it.

use super::Transport;
use std::net::IpAddr;
use std::time::Duration;

/// Of one answer, in the order of preference. A carrier's are two to six.
pub(super) const MOST_SERVICES: usize = 8;
pub(super) const MOST_SERVERS: usize = 16;
pub(super) const MOST_ADDRESSES: usize = 8;
/// Of one place. A call is not tried at more.
pub(super) const MOST_TARGETS: usize = 32;
/// RFC 1035 2.3.4, without the dot at the end.
const LONGEST_NAME: usize = 253;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordKind {
    Naptr,
    Srv,
    A,
    Aaaa,
}

/// The name is in lower case and without a dot at its end; the name server takes it as absolute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Question {
    pub kind: RecordKind,
    pub name: Box<str>,
}

/// RFC 3403 4.1; of the record's fields those that SIP has use for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naptr {
    pub order: u16,
    pub preference: u16,
    pub flags: String,
    pub service: String,
    pub replacement: String,
}

/// RFC 2782.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Srv {
    pub priority: u16,
    pub weight: u16,
    pub port: u16,
    pub target: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    Naptr(Naptr),
    Srv(Srv),
    Address(IpAddr),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// `ttl`: the shortest of the records'.
    Records { records: Vec<Record>, ttl: Duration },
    /// The name, or such a record of it, is not there; for how long that holds.
    None { ttl: Duration },
    /// No answer in time, or one that says that there was none to be had.
    Failed,
}

/// A transport for SIP, as the service field of a NAPTR record names it (RFC 3263 8, RFC 7118 8).
pub(super) fn transport_of(service: &str) -> Option<Transport> {
    const SERVICES: [(&str, Transport); 5] = [
        ("SIP+D2U", Transport::Udp),
        ("SIP+D2T", Transport::Tcp),
        ("SIPS+D2T", Transport::Tls),
        ("SIP+D2W", Transport::Ws),
        ("SIPS+D2W", Transport::Wss),
    ];
    SERVICES.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(service)).map(|(_, transport)| transport)
}

/// Where the SRV records of a domain are that names no service of its own (RFC 3263 4.1).
pub(super) fn service_name(transport: Transport, domain: &str) -> Option<Box<str>> {
    let prefix = match transport {
        Transport::Udp => "_sip._udp.",
        Transport::Tcp => "_sip._tcp.",
        Transport::Tls => "_sips._tcp.",
        Transport::Ws => "_sip._ws.",
        Transport::Wss => "_sips._ws.",
    };
    name(&format!("{prefix}{domain}"))
}

/// A name that can be asked for, as it is asked for. `None` for the root, which in an SRV record means that the service
/// is not offered (RFC 2782), and for what is no name.
pub(super) fn name(text: &str) -> Option<Box<str>> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    (text.len() <= LONGEST_NAME && text.split('.').all(label)).then(|| text.to_ascii_lowercase().into())
}
