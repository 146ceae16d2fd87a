//! SIP over TCP, TLS and WebSocket (RFC 3261 18.3, 26.2, RFC 7118): accepts, connects when a peer has no connection yet, frames
//! with the parser's own scanner.
//!
//! A connection lives as long as what was set up over it: a registration or a call whose connection is closed has lost its
//! way back through the peer's NAT. Strangers get ten seconds, whoever has nothing here two minutes; the others are watched by
//! the kernel's keep-alives.
//! Whatever ends a connection, [`NetEvent::Lost`] tells of it, so nothing that was to be written is lost in silence.

use super::converse::{Framing, Standing, Wire, converse, too_slow};
use super::places::{BOUNDS, Line, OpenedBy, Shared};
use super::tls::{self, Fault, Tls, TrunkProof};
use super::ws::{self, Origins};
use super::{Inlet, NetEvent};
use crate::sip::peer::{Peer, Transmit, Transport};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// A host that vanished is noticed after two minutes. Phones behind NAT are kept reachable by it, too.
const KEEP_ALIVE: TcpKeepalive =
    TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(15)).with_retries(4);
/// A peer acknowledges what we send within the time of a transaction (64*T1), or is gone.
const UNACKNOWLEDGED_LIMIT: Duration = Duration::from_secs(32);
/// Until a connection of ours can be written to, a handshake included.
const CONNECT_LIMIT: Duration = Duration::from_secs(4);
/// What a peer gets for its handshake.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// Connections that the kernel completes while we are busy: all phones of a site return at once after a power cut.
const BACKLOG: i32 = 1024;

pub struct TcpTransport {
    shared: Arc<Shared>,
    inlet: Inlet,
    local: Option<SocketAddr>,
    tls: Option<Tls>,
    /// Whose thread computes the handshakes of TLS, so that they delay no call.
    desk: Handle,
}

impl TcpTransport {
    /// Listens at `address` (when given) and connects out as needed. Handshakes are computed on `desk`.
    pub async fn open(address: Option<SocketAddr>, inlet: Inlet, desk: Handle) -> std::io::Result<TcpTransport> {
        let shared = Shared::new(BOUNDS);
        let mut local = None;
        if let Some(address) = address {
            let listener = listen(address)?;
            local = Some(listener.local_addr()?);
            let (shared, inlet, desk) = (shared.clone(), inlet.clone(), desk.clone());
            let door = Door { transport: Transport::Tcp, tls: None, web: None, shared, inlet, desk };
            tokio::spawn(accept(listener, door));
        }
        Ok(TcpTransport { shared, inlet, local, tls: None, desk })
    }

    /// Listens for TLS, too, and connects to the gateways of `tls` by it. Gives where it listens.
    pub fn secure(&mut self, address: SocketAddr, tls: Tls) -> std::io::Result<SocketAddr> {
        let listener = listen(address)?;
        let local = listener.local_addr()?;
        tokio::spawn(accept(listener, self.door(Transport::Tls, Some(tls.clone()), None)));
        self.tls = Some(tls);
        Ok(local)
    }

    /// Listens for browsers, over TLS where it is given. Gives where it listens.
    pub fn web(&mut self, address: SocketAddr, tls: Option<Tls>, origins: Origins) -> std::io::Result<SocketAddr> {
        let listener = listen(address)?;
        let local = listener.local_addr()?;
        let transport = if tls.is_some() { Transport::Wss } else { Transport::Ws };
        tokio::spawn(accept(listener, self.door(transport, tls, Some(origins))));
        Ok(local)
    }

    fn door(&self, transport: Transport, tls: Option<Tls>, web: Option<Origins>) -> Door {
        let (shared, inlet, desk) = (self.shared.clone(), self.inlet.clone(), self.desk.clone());
        Door { transport, tls, web, shared, inlet, desk }
    }

    /// Where it listens; `0.0.0.0` or `[::]` for all addresses of this machine.
    pub fn local(&self) -> Option<SocketAddr> {
        self.local
    }

    /// Queues for the peer's connection; opens one when there is none. Never waits. What cannot be queued is followed by
    /// [`NetEvent::Lost`].
    pub fn send(&mut self, transmit: Transmit) {
        let peer = transmit.peer;
        let counters = self.inlet.counters();
        {
            let mut table = self.shared.table();
            let id = peer.connection.filter(|id| table.by_id.contains_key(id));
            let id = id.or_else(|| table.by_remote.get(&(peer.transport, peer.remote)).copied());
            if let Some((id, connection)) = id.and_then(|id| Some((id, table.by_id.get(&id)?))) {
                let takes_hold = !connection.held.load(Ordering::Relaxed) && holds(&transmit.bytes);
                let octets = match connection.transport {
                    Transport::Ws | Transport::Wss => ws::framed(transmit.bytes),
                    _ => transmit.bytes,
                };
                if connection.queue.try_send(octets).is_err() {
                    // The peer does not read. Its task says so to the owner of the switch.
                    table.remove(id);
                    counters.send_failed.fetch_add(1, Ordering::Relaxed);
                } else if takes_hold {
                    table.hold(id);
                }
                return;
            }
        }
        // A browser listens nowhere.
        let may_open = !matches!(peer.transport, Transport::Ws | Transport::Wss);
        let admitted = may_open.then(|| self.shared.admit(peer.transport, peer.remote, OpenedBy::Us)).flatten();
        let Some(line) = admitted else {
            counters.connections_refused.fetch_add(1, Ordering::Relaxed);
            self.inlet.offer(NetEvent::Lost { peer });
            return;
        };
        let mut table = self.shared.table();
        table.hold(line.id);
        if let Some(connection) = table.by_id.get(&line.id) {
            // The queue is new and empty, so this fits.
            let _ = connection.queue.try_send(transmit.bytes);
        }
        drop(table);
        tokio::spawn(connect(peer, line, self.tls.clone(), self.shared.clone(), self.inlet.clone()));
    }
}

/// Whether somebody who is sent this has something here: all but refusals, "trying", and answers to OPTIONS.
fn holds(message: &[u8]) -> bool {
    let Some(status) = message.strip_prefix(b"SIP/2.0 ") else { return true };
    let agreed = matches!(status.first(), Some(b'1' | b'2')) && !status.starts_with(b"100");
    let mut lines = message.split(|octet| *octet == b'\n').take_while(|line| line.len() > 1);
    agreed && !lines.any(|line| line.starts_with(b"CSeq:") && line.trim_ascii_end().ends_with(b"OPTIONS"))
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    // A restart need not wait for the connections of the run before to be forgotten.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // Like media: the SDP of one listener has addresses of one family.
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// What a listener is for.
#[derive(Clone)]
struct Door {
    transport: Transport,
    tls: Option<Tls>,
    /// The pages that may come in; `None` where no WebSocket is spoken.
    web: Option<Origins>,
    shared: Arc<Shared>,
    inlet: Inlet,
    desk: Handle,
}

async fn accept(listener: TcpListener, door: Door) {
    loop {
        let (stream, peer, line) = incoming(&listener, &door).await;
        if door.transport == Transport::Tcp {
            let (reader, writer) = stream.into_split();
            let wire = Wire { reader, writer, framing: Framing::stream() };
            tokio::spawn(converse(wire, peer, line, Standing::Stranger, door.shared.clone(), door.inlet.clone()));
        } else {
            tokio::spawn(greet(stream, peer, line, door.clone()));
        }
    }
}

/// The next connection that gets a place.
async fn incoming(listener: &TcpListener, door: &Door) -> (TcpStream, Peer, Line) {
    loop {
        let Ok((stream, remote)) = listener.accept().await else {
            // Out of descriptors: give running connections a moment to end.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        // Gone already.
        let Ok(local) = stream.local_addr() else { continue };
        let Some(line) = door.shared.admit(door.transport, remote, OpenedBy::Peer) else {
            door.inlet.counters().connections_refused.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        let peer = Peer { transport: door.transport, remote, local, connection: Some(line.id) };
        return (prepared(stream), peer, line);
    }
}

/// The handshakes of a peer that connected, and then its connection.
async fn greet<S>(stream: S, peer: Peer, mut line: Line, door: Door)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let turn = if door.tls.is_some() { door.shared.turn(peer.remote.ip()) } else { Some(Duration::ZERO) };
    let Some(turn) = turn else {
        door.shared.forget(line.id);
        door.inlet.counters().connections_refused.fetch_add(1, Ordering::Relaxed);
        if let Some(count) = door.shared.too_hasty() {
            tracing::warn!(last = %peer.remote, "{count} connections closed: too many TLS handshakes in a row");
        }
        return;
    };
    let shaking = async {
        tokio::time::sleep(turn).await;
        timeout(HANDSHAKE_LIMIT, shake(stream, &door)).await.unwrap_or_else(|late| Err(late.into()))
    };
    let shaken = tokio::select! {
        shaken = shaking => shaken,
        _ = &mut line.dropped => Err(std::io::Error::other("others needed its place")),
    };
    let Door { shared, inlet, .. } = door;
    shared.shaken(line.id);
    match shaken {
        Ok(Shaken { stream, framing, proof }) => {
            let standing = match proof {
                Some(proof) => {
                    shared.proven(line.id);
                    Standing::Trunk(proof)
                }
                None => Standing::Stranger,
            };
            let (reader, writer) = split(stream);
            converse(Wire { reader, writer, framing }, peer, line, standing, shared, inlet).await;
        }
        Err(error) => {
            shared.forget(line.id);
            if error.kind() == std::io::ErrorKind::TimedOut {
                too_slow(peer, HANDSHAKE_LIMIT, &shared, &inlet);
            }
            failed_handshake(&shared, &inlet, peer, OpenedBy::Peer, &error);
        }
    }
}

trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Duplex for S {}

/// What a peer's handshakes have made of its connection.
struct Shaken {
    stream: Box<dyn Duplex>,
    framing: Framing,
    proof: Option<TrunkProof>,
}

async fn shake<S>(stream: S, door: &Door) -> std::io::Result<Shaken>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut stream, proof): (Box<dyn Duplex>, _) = match &door.tls {
        Some(tls) => {
            let tls = tls.clone();
            // Ends with this future, too.
            let mut shaking = JoinSet::new();
            shaking.spawn_on(async move { tls.accept(stream).await }, &door.desk);
            let shaken = shaking.join_next().await.ok_or(std::io::ErrorKind::Interrupted)?;
            let (stream, proof) = shaken.map_err(std::io::Error::other)??;
            (Box::new(stream), proof)
        }
        None => (Box::new(stream), None),
    };
    let framing = match &door.web {
        Some(origins) => Framing::Web(Box::new(ws::accept(&mut stream, origins).await?)),
        None => Framing::stream(),
    };
    Ok(Shaken { stream, framing, proof })
}

async fn connect(peer: Peer, mut line: Line, tls: Option<Tls>, shared: Arc<Shared>, inlet: Inlet) {
    let opened = tokio::select! {
        opened = timeout(CONNECT_LIMIT, open(peer, tls.as_ref(), &shared, &inlet)) => opened.ok().flatten(),
        _ = &mut line.dropped => None,
    };
    let peer_of_line = Peer { connection: Some(line.id), ..peer };
    match opened {
        Some(Opened::Plain(stream)) => {
            let (reader, writer) = stream.into_split();
            let wire = Wire { reader, writer, framing: Framing::stream() };
            converse(wire, peer_of_line, line, Standing::Called, shared, inlet).await;
        }
        Some(Opened::Secure(stream)) => {
            let (reader, writer) = split(stream);
            let wire = Wire { reader, writer, framing: Framing::stream() };
            converse(wire, peer_of_line, line, Standing::Called, shared, inlet).await;
        }
        None => {
            shared.forget(line.id);
            inlet.deliver(NetEvent::Lost { peer }).await;
        }
    }
}

enum Opened {
    Plain(TcpStream),
    Secure(Box<tls::Outgoing>),
}

async fn open(peer: Peer, tls: Option<&Tls>, shared: &Shared, inlet: &Inlet) -> Option<Opened> {
    let stream = prepared(TcpStream::connect(peer.remote).await.ok()?);
    if peer.transport != Transport::Tls {
        return Some(Opened::Plain(stream));
    }
    match tls?.connect(stream, peer.remote).await {
        Ok(stream) => Some(Opened::Secure(Box::new(stream))),
        Err(error) => {
            failed_handshake(shared, inlet, peer, OpenedBy::Us, &error);
            None
        }
    }
}

/// Counted each time. The log hears of bad certificates, which somebody has to mend, though not of each in a flood, and
/// not of what strangers otherwise try at an open port.
fn failed_handshake(shared: &Shared, inlet: &Inlet, peer: Peer, opened_by: OpenedBy, error: &std::io::Error) {
    inlet.counters().handshakes_failed.fetch_add(1, Ordering::Relaxed);
    let (why, fault) = tls::reason(error);
    let to_mend = match fault {
        Fault::Theirs => true,
        // Anybody can say so who connects to us.
        Fault::Ours => opened_by == OpenedBy::Us,
        Fault::Other => false,
    };
    match to_mend && shared.may_warn(opened_by) {
        true => tracing::warn!(peer = %peer.remote, "TLS handshake failed: {why}"),
        false => tracing::debug!(peer = %peer.remote, "{} handshake failed: {why}", peer.transport.via_name()),
    }
}

/// With the options that each connection has. A kernel that lacks one costs latency, or minutes to notice a dead peer.
fn prepared(stream: TcpStream) -> TcpStream {
    // Signalling is small and urgent; Nagle's delay would only add latency.
    let _ = stream.set_nodelay(true);
    let socket = SockRef::from(&stream);
    let _ = socket.set_tcp_keepalive(&KEEP_ALIVE);
    let _ = socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_LIMIT));
    stream
}

#[cfg(test)]
#[path = "tcp_tests.rs"]
mod tests;
#[cfg(test)]
#[path = "ws_connection_tests.rs"]
mod ws_connection_tests;
