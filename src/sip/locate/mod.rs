//! Where a request goes (RFC 3263): from the host, port and transport of a URI, by way of NAPTR, SRV and address records,
//! to an ordered list of [`Target`]s. Pure: it asks [`Question`]s and is told [`Answer`]s; who carries them to a name server
//! is not known here, and neither is the time but as it is handed in.
//!
//! How to use it:
//! * A [`Place`] is what is looked for, made from a URI or from a configured host. A numeric one needs no question.
//! * A [`Directory`] keeps the places that are to be known at any time (the trunks'), and refreshes them as their records
//!   expire. Nothing that a call does waits for it: [`Directory::located`] gives what is known now, also while it is
//!   being refreshed, and also when the refresh failed.
//! * [`Located::targets`] is drawn anew for each call, so that weights share the calls out. A call tries the targets in
//!   turn; [`Rests`] remembers which of them failed lately, so that the next call does not try them first.
//!
//! Names are looked up for trunks only, which an administrator has written down. A name in a Contact, Record-Route or Via
//! of a peer is never looked up: what belongs to a peer goes back the way that its messages came
//! ([`RouteSet::next_hop`](super::dialog::route::RouteSet::next_hop)), so that no stranger makes us ask his name server,
//! and no call waits for one.

mod directory;
mod order;
mod records;
mod rests;
mod search;
#[cfg(test)]
mod tests;

pub use directory::{Asked, Directory, News};
pub use order::{Located, NotFound};
pub use records::{Answer, Naptr, Question, Record, RecordKind, Srv};
pub use rests::Rests;
pub use search::Search;

use crate::sip::message::{Host, HostRef, UriRef};
use crate::sip::peer::Transport;
use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// Somewhere to send a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    pub transport: Transport,
    pub remote: SocketAddr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    V4,
    V6,
}

impl Family {
    pub fn of(address: IpAddr) -> Family {
        if address.is_ipv6() { Family::V6 } else { Family::V4 }
    }
}

/// What we can send by, which is what we listen on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach(BTreeSet<(Transport, Family)>);

impl Reach {
    pub fn new(by: impl IntoIterator<Item = (Transport, Family)>) -> Reach {
        Reach(by.into_iter().collect())
    }

    fn has(&self, transport: Transport) -> bool {
        [Family::V4, Family::V6].into_iter().any(|family| self.0.contains(&(transport, family)))
    }

    fn reaches(&self, transport: Transport, address: IpAddr) -> bool {
        self.0.contains(&(transport, Family::of(address)))
    }
}

/// What is looked for: the part of a URI that says where to send (RFC 3263 4).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    host: Host,
    port: Option<u16>,
    /// As the URI says it; `None` leaves it to the records.
    transport: Option<Transport>,
    /// Of a `sips:` URI: nothing but TLS will do.
    secure: bool,
}

/// Why no place can be made of a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPlace {
    /// Not sip: or sips:, or without a host.
    Scheme,
    /// Its `transport` is none that we know, or one that a sips: URI cannot be sent by.
    Transport,
}

impl fmt::Display for NoPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NoPlace::Scheme => "only sip: and sips: URIs say where to send",
            NoPlace::Transport => "the URI's transport parameter is none that it can be sent by",
        })
    }
}

impl std::error::Error for NoPlace {}

impl Place {
    /// `transport` where it is known already, as for a trunk that has one configured.
    pub fn new(host: Host, port: Option<u16>, transport: Option<Transport>) -> Place {
        let secure = transport.is_some_and(Transport::secure);
        Place { host, port, transport, secure }
    }

    pub fn of_uri(uri: &UriRef<'_>) -> Result<Place, NoPlace> {
        let host = uri.host().ok_or(NoPlace::Scheme)?;
        // RFC 3263 4: the target is `maddr` where there is one.
        let host = uri.param("maddr").and_then(HostRef::parse).unwrap_or(host).to_owned();
        let secure = crate::sip::message::is_sips(uri.as_str().as_bytes());
        let transport = match uri.param("transport") {
            None => None,
            Some(text) => Some(transport(text, secure).ok_or(NoPlace::Transport)?),
        };
        Ok(Place { host, port: uri.port(), transport, secure })
    }

    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Whether a name server has to be asked.
    pub fn is_name(&self) -> bool {
        self.host.ip().is_none()
    }

    /// The transport without any record's help: as written, else UDP, or TLS for sips (RFC 3263 4.1).
    fn plain_transport(&self) -> Transport {
        self.transport.unwrap_or(if self.secure { Transport::Tls } else { Transport::Udp })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.host)?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

/// What a `transport` parameter means. In a sips: URI, `tcp` is TLS over TCP (RFC 3261 26.2.2).
fn transport(text: &str, secure: bool) -> Option<Transport> {
    let known = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss];
    let named = known.into_iter().find(|transport| transport.via_name().eq_ignore_ascii_case(text))?;
    match (named, secure) {
        (named, false) => Some(named),
        (Transport::Tcp | Transport::Tls, true) => Some(Transport::Tls),
        (Transport::Ws | Transport::Wss, true) => Some(Transport::Wss),
        (Transport::Udp, true) => None,
    }
}

/// Whether a message can be sent there at all.
fn is_host(address: IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    !(address.is_unspecified() || address.is_multicast() || broadcast)
}
