//! The far end of a message: by which transport, from which address to which of ours, and over which connection.
//!
//! Names are resolved before they come here; nothing in `sip` looks anything up.

use bytes::Bytes;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    Udp,
    Tcp,
    Tls,
    Ws,
    Wss,
}

impl Transport {
    /// Whether the transport itself repeats what was lost. Retransmission timers run only where it does not (RFC 3261 17).
    pub fn reliable(self) -> bool {
        self != Transport::Udp
    }

    /// Whether what is said cannot be read on the way, as a `sips:` URI demands (RFC 3261 26.2.2).
    pub fn secure(self) -> bool {
        matches!(self, Transport::Tls | Transport::Wss)
    }

    /// RFC 7118.
    pub fn is_web_socket(self) -> bool {
        matches!(self, Transport::Ws | Transport::Wss)
    }

    /// The transport as the `sent-protocol` of a Via writes it (RFC 3261 20.42, RFC 7118 5.1).
    pub fn via_name(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
            Transport::Ws => "WS",
            Transport::Wss => "WSS",
        }
    }

    /// The value of a URI's `transport` parameter; none where the absence of the parameter says it already.
    pub fn uri_param(self) -> Option<&'static str> {
        match self {
            Transport::Udp => None,
            Transport::Tcp => Some("tcp"),
            Transport::Tls => Some("tls"),
            // RFC 7118 5.2.1: with TLS or without.
            Transport::Ws | Transport::Wss => Some("ws"),
        }
    }

    /// Where a sender listens that names no port (RFC 3261 19.1.2, RFC 7118 5.2).
    pub fn default_port(self) -> u16 {
        match self {
            Transport::Udp | Transport::Tcp => 5060,
            Transport::Tls => 5061,
            Transport::Ws => 80,
            Transport::Wss => 443,
        }
    }
}

/// One stream connection, numbered by the network side and never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer {
    pub transport: Transport,
    pub remote: SocketAddr,
    /// Our address of this pair; for a datagram the socket that it came in by and that the reply leaves by.
    pub local: SocketAddr,
    /// The connection that carries it. `None` for datagrams, and for a stream that is still to be opened.
    pub connection: Option<ConnectionId>,
}

impl Peer {
    pub fn udp(remote: SocketAddr, local: SocketAddr) -> Self {
        Self { transport: Transport::Udp, remote, local, connection: None }
    }

    pub fn reliable(&self) -> bool {
        self.transport.reliable()
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.transport.via_name(), self.remote)
    }
}

/// The address that peers are told as ours, where it is not the one that they reach us at: a public one in front of a NAT,
/// another one for those inside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advertised(Vec<(Network, IpAddr)>);

/// The addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    pub address: IpAddr,
    pub prefix: u8,
}

impl Advertised {
    /// To peers in each network the address beside it; the longest prefix that fits decides.
    pub fn new(networks: impl IntoIterator<Item = (Network, IpAddr)>) -> Self {
        let mut networks: Vec<_> = networks.into_iter().collect();
        networks.sort_by_key(|(network, _)| std::cmp::Reverse(network.prefix));
        Self(networks)
    }

    pub fn everywhere(address: IpAddr) -> Self {
        let all = [IpAddr::from([0; 4]), IpAddr::from([0; 16])];
        Self::new(all.map(|all| (Network { address: all, prefix: 0 }, address)))
    }

    pub fn to(&self, remote: IpAddr) -> Option<IpAddr> {
        self.0.iter().find(|(network, _)| network.contains(remote)).map(|(_, address)| *address)
    }
}

impl Network {
    fn contains(self, other: IpAddr) -> bool {
        let differing = match (self.address.to_canonical(), other.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => (own.to_bits() ^ other.to_bits()).leading_zeros(),
            (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits() ^ other.to_bits()).leading_zeros(),
            _ => return false,
        };
        differing >= u32::from(self.prefix)
    }
}

/// A message to put on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    pub peer: Peer,
    pub bytes: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_decides_what_a_peer_is_told_and_each_family_has_its_own() {
        let network = |text: &str, prefix| Network { address: text.parse().unwrap(), prefix };
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let told = Advertised::new([
            (network("0.0.0.0", 0), address("203.0.113.10")),
            (network("10.0.0.0", 8), address("10.0.0.5")),
            (network("10.9.0.0", 16), address("10.9.0.5")),
            (network("2000::", 3), address("2001:db8::5")),
        ]);
        for (remote, own) in [
            ("198.51.100.1", Some("203.0.113.10")),
            ("10.1.2.3", Some("10.0.0.5")),
            ("10.9.255.255", Some("10.9.0.5")),
            ("::ffff:10.9.1.1", Some("10.9.0.5")),
            ("2001:db8::77", Some("2001:db8::5")),
            ("fd00::1", None),
        ] {
            assert_eq!(told.to(address(remote)), own.map(address), "{remote}");
        }
        assert_eq!(Advertised::everywhere(address("192.0.2.1")).to(address("fd00::1")), Some(address("192.0.2.1")));
        assert_eq!(Advertised::default().to(address("10.0.0.1")), None);
    }
}
