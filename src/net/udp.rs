//! SIP over UDP (RFC 3261 18). One socket, one reading task; writing never waits.

use super::facing::Facing;
use super::{Inlet, NetCounters, NetEvent, stun};
use crate::sip::message::Message;
use crate::sip::peer::{Peer, Transport};
use bytes::Bytes;
use socket2::{Domain, Protocol, Socket, Type};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::net::UdpSocket;

/// Holds the burst of about a second at full load while the owner is busy.
const RECEIVE_BUFFER: usize = 1 << 20;
/// The largest there is (RFC 3261 18.1.1).
const MAX_DATAGRAM: usize = 65_535;

pub struct UdpTransport {
    socket: Arc<UdpSocket>,
    local: SocketAddr,
    counters: Arc<NetCounters>,
}

impl UdpTransport {
    /// Binds and starts reading into `inlet`.
    pub fn bind(address: SocketAddr, inlet: Inlet) -> std::io::Result<UdpTransport> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        // The kernel may grant less (net.core.rmem_max); a smaller buffer costs retransmissions, not calls.
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        if address.is_ipv6() {
            // Like media: the SDP of one listener has addresses of one family.
            socket.set_only_v6(true)?;
        }
        socket.bind(&address.into())?;
        let socket = Arc::new(UdpSocket::from_std(socket.into())?);
        let local = socket.local_addr()?;
        let transport = UdpTransport { socket: socket.clone(), local, counters: inlet.counters() };
        tokio::spawn(read(socket, local, inlet));
        Ok(transport)
    }

    /// Where it listens; `0.0.0.0` or `[::]` for all addresses of this machine.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Whether a message from our end `local` leaves by this socket.
    pub(super) fn serves(&self, local: SocketAddr) -> bool {
        let own = self.local;
        own == local || own.ip().is_unspecified() && own.is_ipv4() == local.is_ipv4() && own.port() == local.port()
    }

    pub fn send(&self, bytes: &[u8], to: SocketAddr) {
        // A full send buffer or an unreachable host is a lost datagram: the transaction's timer repeats it.
        let counter = match self.socket.try_send_to(bytes, to) {
            Ok(_) => &self.counters.sent,
            Err(_) => &self.counters.send_failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

async fn read(socket: Arc<UdpSocket>, local: SocketAddr, inlet: Inlet) {
    let counters = inlet.counters();
    let mut facing = Facing::new(local);
    let mut buffer = vec![0u8; MAX_DATAGRAM];
    loop {
        // An error here is an ICMP answer to something we sent; the socket itself stays usable.
        let Ok((length, remote)) = socket.recv_from(&mut buffer).await else { continue };
        let Some(datagram) = buffer.get(..length) else { continue };
        // Keep-alives of RFC 5626 and of common NAT helpers carry no message.
        if datagram.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0 | b' ')) {
            continue;
        }
        if let Some(answer) = stun::answer(datagram, remote) {
            // Lost where the kernel has no room: the phone asks again.
            let _ = socket.try_send_to(answer.as_bytes(), remote);
            continue;
        }
        let Some(local) = facing.local(remote) else {
            counters.dropped.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        let peer = Peer { transport: Transport::Udp, remote, local, connection: None };
        let raw = Bytes::copy_from_slice(datagram);
        match Message::parse(raw.clone()) {
            Ok(message) => inlet.offer(NetEvent::Message { peer, message, trunk: None }),
            Err(error) => inlet.offer(NetEvent::Garbage { peer, raw, status: error.status() }),
        }
    }
}
