//! Which of this machine's addresses a peer sees. A socket that listens at all of them (`0.0.0.0`, `[::]`) has none that
//! a peer could send to, and Via, Contact and SDP need one.

use socket2::{Domain, Protocol, Socket, Type};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// Peers remembered. Beyond, all are asked for anew, which costs each of them four system calls.
const MOST_PEERS: usize = 8192;
/// After so long the routing table is asked again: addresses and routes change while we run.
const TRUST: Duration = Duration::from_secs(60);

/// The address from which this machine sends to `remote`: what the routing table picks. Nothing is sent.
pub fn address_facing(remote: SocketAddr) -> io::Result<IpAddr> {
    let probe = Socket::new(Domain::for_address(remote), Type::DGRAM, Some(Protocol::UDP))?;
    probe.connect(&remote.into())?;
    let local = probe.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
    Ok(local.ip())
}

/// The address of ours for each peer of one datagram socket, learned once and kept for a minute.
///
/// For a machine with several addresses in one network it is the one that answers leave from, not always the one that
/// the peer sent to, which a datagram socket tells only by IP_PKTINFO, and that cannot be had without `unsafe` code.
/// Whoever needs the answers to come from a second address binds `listen` to that address.
#[derive(Debug)]
pub(super) struct Facing {
    bound: SocketAddr,
    known: HashMap<IpAddr, IpAddr>,
    since: Instant,
}

impl Facing {
    pub fn new(bound: SocketAddr) -> Facing {
        Facing { bound, known: HashMap::new(), since: Instant::now() }
    }

    /// Our end towards `remote`; `None` when no answer would find its way there.
    pub fn local(&mut self, remote: SocketAddr) -> Option<SocketAddr> {
        if !self.bound.ip().is_unspecified() {
            return Some(self.bound);
        }
        if self.known.len() >= MOST_PEERS || self.since.elapsed() >= TRUST {
            self.known.clear();
            self.since = Instant::now();
        }
        let ip = match self.known.get(&remote.ip()) {
            Some(ip) => *ip,
            None => {
                let ip = address_facing(remote).ok()?;
                self.known.insert(remote.ip(), ip);
                ip
            }
        };
        Some(SocketAddr::new(ip, self.bound.port()))
    }
}
