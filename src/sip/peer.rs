//! The far end of a message: by which transport, from which address to which of ours, and over which connection.
//!
//! Names are resolved before they come here; nothing in `sip` looks anything up.

use bytes::Bytes;
use std::fmt;
use std::net::SocketAddr;

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

/// A message to put on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    pub peer: Peer,
    pub bytes: Bytes,
}
