//! One UDP socket of a leg, and the pair of them that a leg leases. RTP is on the even port, RTCP on the odd one above.
//!
//! A socket is connected once its peer is proven: the kernel then drops what others send and spares both sides of every
//! call an address. What was queued before that is still told apart by its address, until the queue has been seen empty.

use rustix::io::Errno;
use rustix::net::sockopt::{self, Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery};
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Room for a burst of about three seconds of 20 ms packets (the kernel books some 700 octets for each): enough for any
/// stall that a call survives, too little to hoard a flood.
const RECEIVE_BUFFER: usize = 64 * 1024;

/// DSCP EF, expedited forwarding (RFC 3246), as RFC 4594 4.1 has it for telephony.
const TOS_EF: u8 = 0xb8;

/// Two bound sockets that nobody uses yet.
#[derive(Debug)]
pub(super) struct PortPair {
    pub port: u16,
    pub rtp: OwnedFd,
    pub rtcp: OwnedFd,
}

impl PortPair {
    /// Binds `port` and `port + 1`. No address is shared with another process.
    pub fn bind(ip: IpAddr, port: u16) -> io::Result<Self> {
        let above = port.checked_add(1).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(Self { port, rtp: bind(SocketAddr::new(ip, port))?, rtcp: bind(SocketAddr::new(ip, above))? })
    }
}

fn bind(address: SocketAddr) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let fd = net::socket_with(family, SocketType::DGRAM, flags, None)?;
    sockopt::set_socket_recv_buffer_size(&fd, RECEIVE_BUFFER)?;
    // Never fragmented: the kernel then need not draw an IP identification for each packet (a tenth of a send).
    if address.is_ipv4() {
        sockopt::set_ip_tos(&fd, TOS_EF)?;
        sockopt::set_ip_mtu_discover(&fd, Ipv4PathMtuDiscovery::DO)?;
    } else {
        sockopt::set_ipv6_v6only(&fd, true)?;
        sockopt::set_ipv6_tclass(&fd, u32::from(TOS_EF))?;
        sockopt::set_ipv6_mtu_discover(&fd, Ipv6PathMtuDiscovery::DO)?;
    }
    net::bind(&fd, &address)?;
    Ok(fd)
}

#[derive(Debug)]
pub(super) struct MediaSocket {
    fd: OwnedFd,
    filter: Filter,
}

/// Whose packets `recv` can return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filter {
    /// Anyone's.
    Anyone,
    /// The kernel lets only this peer in, but packets of others may still be queued from before.
    Draining(SocketAddr),
    Peer(SocketAddr),
}

/// What a receive found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    Packet(usize, SocketAddr),
    /// Nothing is queued.
    Empty,
    /// An ICMP error about something we sent, or a packet without an address. Nothing to handle; there may be more.
    Nothing,
}

impl MediaSocket {
    pub fn new(fd: OwnedFd) -> Self {
        Self { fd, filter: Filter::Anyone }
    }

    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }

    pub fn recv(&mut self, buffer: &mut [u8]) -> Received {
        if let Filter::Peer(peer) = self.filter {
            return match net::recv(&self.fd, buffer, RecvFlags::DONTWAIT) {
                Ok((_, len)) => Received::Packet(len, peer),
                Err(Errno::AGAIN) => Received::Empty,
                Err(_) => Received::Nothing,
            };
        }
        match net::recvfrom(&self.fd, buffer, RecvFlags::DONTWAIT) {
            Ok((_, len, from)) => match from.and_then(|from| SocketAddr::try_from(from).ok()) {
                Some(from) => Received::Packet(len, from),
                None => Received::Nothing,
            },
            Err(Errno::AGAIN) => {
                if let Filter::Draining(peer) = self.filter {
                    self.filter = Filter::Peer(peer);
                }
                Received::Empty
            }
            Err(_) => Received::Nothing,
        }
    }

    /// Whether packets of others than the peer may be queued although the socket is connected.
    pub fn is_draining(&self) -> bool {
        matches!(self.filter, Filter::Draining(_))
    }

    pub fn send(&self, to: SocketAddr, packet: &[u8]) -> io::Result<()> {
        match self.send_once(to, packet) {
            // An earlier packet met a closed port; the error was told in place of sending this one.
            Err(Errno::CONNREFUSED) => self.send_once(to, packet).map_err(Into::into),
            result => result.map_err(Into::into),
        }
    }

    fn send_once(&self, to: SocketAddr, packet: &[u8]) -> Result<(), Errno> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        match self.filter {
            Filter::Peer(peer) | Filter::Draining(peer) if peer == to => net::send(&self.fd, packet, flags),
            _ => net::sendto(&self.fd, packet, flags, &to),
        }
        .map(drop)
    }

    pub fn connect(&mut self, peer: SocketAddr) {
        if matches!(self.filter, Filter::Peer(now) | Filter::Draining(now) if now == peer) {
            return;
        }
        // A failure (no route, say) leaves the socket as it was: slower, and the plane's own check still holds.
        if net::connect(&self.fd, &peer).is_ok() {
            self.filter = Filter::Draining(peer);
        }
    }

    pub fn disconnect(&mut self) {
        if self.filter != Filter::Anyone && net::connect_unspec(&self.fd).is_ok() {
            self.filter = Filter::Anyone;
        }
    }
}

impl AsFd for MediaSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::ports::PortRange;
    use std::net::UdpSocket;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn leg() -> (MediaSocket, SocketAddr) {
        // A port that the kernel chose would be given up with the connection, so a named one, as in a worker.
        let port = PortRange::unused(1).first_port();
        let address = SocketAddr::new(HERE, port);
        (MediaSocket::new(bind(address).unwrap()), address)
    }

    #[test]
    fn what_a_stranger_sent_before_the_connection_is_not_taken_for_the_peers() {
        let (mut leg, at) = leg();
        let (peer, stranger) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        stranger.send_to(b"stranger", at).unwrap();
        peer.send_to(b"peer", at).unwrap();
        leg.connect(peer.local_addr().unwrap());
        stranger.send_to(b"late", at).unwrap();
        let mut buffer = [0; 64];
        assert_eq!(leg.recv(&mut buffer), Received::Packet(8, stranger.local_addr().unwrap()));
        assert_eq!(leg.recv(&mut buffer), Received::Packet(4, peer.local_addr().unwrap()));
        assert!(leg.is_draining());
        assert_eq!(leg.recv(&mut buffer), Received::Empty, "the kernel let no stranger in after the connection");
        assert!(!leg.is_draining());
        peer.send_to(b"more", at).unwrap();
        assert_eq!(leg.recv(&mut buffer), Received::Packet(4, peer.local_addr().unwrap()));
    }

    #[test]
    fn a_dissolved_connection_hears_everyone_on_the_same_port() {
        let (mut leg, at) = leg();
        let (peer, other) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        leg.connect(peer.local_addr().unwrap());
        leg.disconnect();
        other.send_to(b"other", at).unwrap();
        assert_eq!(leg.recv(&mut [0; 64]), Received::Packet(5, other.local_addr().unwrap()));
    }

    #[test]
    fn a_peer_whose_port_was_closed_for_a_while_loses_no_later_packet() {
        let (mut leg, _) = leg();
        let peer = UdpSocket::bind((HERE, PortRange::unused(1).first_port())).unwrap();
        let place = peer.local_addr().unwrap();
        leg.connect(place);
        drop(peer);
        leg.send(place, b"lost").unwrap();
        let peer = UdpSocket::bind(place).unwrap();
        peer.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        leg.send(place, b"heard").unwrap();
        let mut buffer = [0; 64];
        assert_eq!(peer.recv(&mut buffer).unwrap(), 5);
        assert_eq!(leg.recv(&mut buffer), Received::Empty);
    }

    #[test]
    fn packets_are_marked_for_expedited_forwarding_and_never_fragmented() {
        let (leg, _) = leg();
        assert_eq!(sockopt::ip_tos(&leg).unwrap(), TOS_EF);
        assert_eq!(sockopt::ip_mtu_discover(&leg).unwrap(), Ipv4PathMtuDiscovery::DO);
    }

    #[test]
    fn a_taken_port_is_not_shared() {
        let (_leg, at) = leg();
        assert_eq!(bind(at).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
