//! The way to the peer: route set, remote target and the next hop (RFC 3261 12.1, 12.2.1.1, 16.12.1).

use crate::sip::message::{HeaderName, HostRef, Message, NameAddr, UriRef};
use crate::sip::peer::{Peer, Transport};
use std::net::IpAddr;

/// Hops that a route set may have: as many as Max-Forwards lets a message take.
const MAX_ROUTES: usize = 70;

#[derive(Clone, Debug)]
pub struct RouteSet {
    /// Whole Route elements, next hop first.
    routes: Vec<Box<[u8]>>,
    /// The peer's Contact URI.
    pub target: Box<[u8]>,
}

/// Request-URI and Route of a request in a dialog.
#[derive(Clone, Copy, Debug)]
pub struct Path<'a> {
    pub request_uri: &'a [u8],
    routes: &'a [Box<[u8]>],
    /// The target, as last Route, where the first hop is a strict router.
    last: Option<&'a [u8]>,
}

/// The URI of the first Contact, if it is one that requests can be sent to.
pub fn target_of(message: &Message) -> Option<Box<[u8]>> {
    let contact = message.contact().ok()?;
    UriRef::parse(contact.uri).ok().filter(UriRef::is_sip).map(|_| contact.uri.into())
}

/// The URI of From, where a caller that is older than Contact and branch is sent its requests (RFC 2543 6.13).
pub fn target_of_old_client(invite: &Message) -> Option<Box<[u8]>> {
    let old = invite.count(HeaderName::Contact) == 0 && invite.via().is_ok_and(|via| !via.has_rfc3261_branch());
    let from = invite.from().ok().filter(|_| old)?;
    UriRef::parse(from.uri).ok().filter(UriRef::is_sip).map(|_| from.uri.into())
}

impl RouteSet {
    /// Record-Route of the request as it stands (12.1.1).
    pub fn of_callee(request: &Message, target: Box<[u8]>) -> Self {
        Self { routes: recorded(request), target }
    }

    /// Record-Route of the response backwards (12.1.2).
    pub fn of_caller(response: &Message, target: Box<[u8]>) -> Self {
        let mut routes = recorded(response);
        routes.reverse();
        Self { routes, target }
    }

    pub fn path(&self) -> Path<'_> {
        match self.routes.first().and_then(|route| NameAddr::parse(route, HeaderName::Route).ok()) {
            Some(first) if !is_loose(first.uri) => {
                Path { request_uri: first.uri, routes: &self.routes[1..], last: Some(&self.target) }
            }
            _ => Path { request_uri: &self.target, routes: &self.routes, last: None },
        }
    }

    /// Where a request of this dialog goes, given where the peer's own messages come from.
    ///
    /// By the book that is the first route or the target. Datagrams follow it where it is an address that can be reached
    /// from here as surely as the peer was: the peer's own, or one that is public. A private address behind a public one
    /// is what a phone behind NAT writes into its Contact, and names cannot be looked up here; then the way back is the
    /// way the peer's messages came. Streams stay on the connection that is there.
    pub fn next_hop(&self, peer: Peer) -> Peer {
        if peer.transport != Transport::Udp {
            return peer;
        }
        // A phone of RFC 5626 says by `ob` that only the way it came by leads to it (4.3).
        let flow_only = |target: &[u8]| UriRef::parse(target).is_ok_and(|uri| uri.param("ob").is_some());
        if self.routes.is_empty() && flow_only(&self.target) {
            return peer;
        }
        let first = self.routes.first().and_then(|route| NameAddr::parse(route, HeaderName::Route).ok());
        let uri = first.map_or(&self.target[..], |first| first.uri);
        let Ok(uri) = UriRef::parse(uri) else { return peer };
        let other_transport = uri.param("transport").is_some_and(|t| !t.eq_ignore_ascii_case("udp"));
        let address = match uri.host() {
            Some(HostRef::V4(address)) => IpAddr::V4(address),
            Some(HostRef::V6(address)) => IpAddr::V6(address),
            _ => return peer,
        };
        let known = peer.remote.ip();
        let reachable = address == known || (address.is_loopback() == known.is_loopback() && !is_private(address));
        if other_transport || address.is_ipv4() != known.is_ipv4() || !reachable {
            return peer;
        }
        let mut hop = peer;
        hop.remote.set_ip(address);
        hop.remote.set_port(uri.port().unwrap_or(Transport::Udp.default_port()));
        hop
    }
}

impl Path<'_> {
    pub fn routes(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        let last = self.last.map(|target| [b"<", target, b">"].concat());
        self.routes.iter().map(|route| route.to_vec()).chain(last)
    }
}

fn recorded(message: &Message) -> Vec<Box<[u8]>> {
    message.list(HeaderName::RecordRoute).take(MAX_ROUTES).map(Into::into).collect()
}

fn is_loose(uri: &[u8]) -> bool {
    UriRef::parse(uri).is_ok_and(|uri| uri.param("lr").is_some())
}

/// Addresses that mean another host, or none, in another network.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let shared = v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64; // RFC 6598
            v4.is_private()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_broadcast()
                || v4.is_multicast()
                || shared
        }
        IpAddr::V6(v6) => {
            v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_unspecified() || v6.is_multicast()
        }
    }
}
