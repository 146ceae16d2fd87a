//! SIP over TCP and TLS (RFC 3261 18.3, 26.2): accepts, connects when a peer has no connection yet, frames with the parser's
//! own scanner.
//!
//! A connection lives as long as what was set up over it: a registration or a call whose connection is closed has lost its
//! way back through the peer's NAT. Strangers get ten seconds; who has sent a message is watched by the kernel's keep-alives.
//! Whatever ends a connection, [`NetEvent::Lost`] tells of it, so nothing that was to be written is lost in silence.

use super::tls::{self, Tls, TrunkProof};
use super::{Inlet, NetCounters, NetEvent};
use crate::sip::message::Message;
use crate::sip::message::frame::{Frame, Framer};
use crate::sip::peer::{ConnectionId, Peer, Transmit, Transport};
use bytes::Bytes;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

/// Time for the first whole message of a peer, and for the rest of a later one that has begun: what a slow-loris gets.
const MESSAGE_LIMIT: Duration = Duration::from_secs(10);
/// Silence of a peer that has sent a message: longer than any registration (1 h) or call (4 h) that may live on it.
const IDLE_LIMIT: Duration = Duration::from_secs(5 * 3600);
/// A host that vanished is noticed after two minutes. Phones behind NAT are kept reachable by it, too.
const KEEP_ALIVE: TcpKeepalive =
    TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(15)).with_retries(4);
/// A peer acknowledges what we send within the time of a transaction (64*T1), or is gone.
const UNACKNOWLEDGED_LIMIT: Duration = Duration::from_secs(32);
/// Until a connection of ours can be written to, a handshake included.
const CONNECT_LIMIT: Duration = Duration::from_secs(4);
/// What a peer gets for its handshake.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// How long one message may wait for the peer to read.
const WRITE_LIMIT: Duration = Duration::from_secs(10);
/// Between two lines of the log about certificates.
const WARN_EVERY: Duration = Duration::from_secs(1);
/// After the last octet of a peer: time for the switch to answer what came before it, then for the answers to leave.
const ANSWER_TIME: Duration = Duration::from_millis(250);
const FAREWELL: Duration = Duration::from_secs(2);
/// Messages waiting for a slow reader; a connection that falls behind further is closed.
const WRITE_QUEUE: usize = 256;
/// Connections that the kernel completes while we are busy: all phones of a site return at once after a power cut.
const BACKLOG: i32 = 1024;
/// Read at once.
const CHUNK: usize = 4096;

/// What all connections together may use.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    connections: usize,
    /// Of these, in their handshake: each needs some ten kilobytes, and the phones of a large site shake hands at once.
    handshakes: usize,
    /// A site behind one NAT address holds some hundred phones; an attacker holds no more than this.
    per_address: usize,
    /// Octets of messages that are longer than a chunk and have not come to their end. Nearly all messages are shorter.
    unfinished: usize,
}

const BOUNDS: Bounds = Bounds { connections: 20_000, handshakes: 2_000, per_address: 1_000, unfinished: 64 << 20 };

pub struct TcpTransport {
    shared: Arc<Shared>,
    inlet: Inlet,
    local: Option<SocketAddr>,
    tls: Option<Tls>,
}

struct Shared {
    bounds: Bounds,
    table: Mutex<Table>,
    last_id: AtomicU64,
    unfinished: AtomicUsize,
    /// When a certificate was last complained of.
    warned: Mutex<Option<Instant>>,
}

#[derive(Default)]
struct Table {
    by_id: HashMap<ConnectionId, Connection>,
    /// Where a message goes that names no connection, or one that is gone. No TLS connection that a peer has opened: an
    /// address does not prove whose it is.
    by_remote: HashMap<(Transport, SocketAddr), ConnectionId>,
    per_address: HashMap<IpAddr, usize>,
    /// Have not sent a message yet, oldest first.
    unproven: BTreeSet<ConnectionId>,
    /// Have not ended their handshake, oldest first.
    shaking: BTreeSet<ConnectionId>,
}

struct Connection {
    transport: Transport,
    remote: SocketAddr,
    queue: mpsc::Sender<Bytes>,
    /// Dropped with the entry, which ends the connection's task.
    _hold: oneshot::Sender<()>,
}

/// The other ends of a [`Connection`], for its task.
struct Line {
    id: ConnectionId,
    queued: mpsc::Receiver<Bytes>,
    dropped: oneshot::Receiver<()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OpenedBy {
    Peer,
    Us,
}

/// What is known of a peer before it has said anything.
#[derive(Debug)]
enum Standing {
    Stranger,
    /// We connected to it.
    Called,
    /// Its certificate is a trunk's.
    Trunk(TrunkProof),
}

impl Table {
    fn remove(&mut self, id: ConnectionId) {
        let Some(gone) = self.by_id.remove(&id) else { return };
        self.unproven.remove(&id);
        self.shaking.remove(&id);
        let reach = (gone.transport, gone.remote);
        if self.by_remote.get(&reach) == Some(&id) {
            self.by_remote.remove(&reach);
        }
        let ip = gone.remote.ip();
        match self.per_address.get_mut(&ip) {
            Some(held) if *held > 1 => *held -= 1,
            _ => {
                self.per_address.remove(&ip);
            }
        }
    }
}

impl Shared {
    fn new(bounds: Bounds) -> Arc<Shared> {
        Arc::new(Shared {
            bounds,
            table: Mutex::default(),
            last_id: AtomicU64::new(0),
            unfinished: AtomicUsize::new(0),
            warned: Mutex::default(),
        })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place in the table for a connection with `remote`, if it may have one. When all are taken, whoever has been
    /// silent longest since it came makes room; peers that have sent a message are never displaced.
    fn admit(&self, transport: Transport, remote: SocketAddr, opened_by: OpenedBy) -> Option<Line> {
        let mut table = self.table();
        let held = table.per_address.get(&remote.ip()).copied().unwrap_or(0);
        if held >= self.bounds.per_address {
            return None;
        }
        if table.by_id.len() >= self.bounds.connections {
            let silent = table.unproven.first().copied()?;
            table.remove(silent);
        }
        let id = ConnectionId(self.last_id.fetch_add(1, Ordering::Relaxed) + 1);
        let (queue, queued) = mpsc::channel(WRITE_QUEUE);
        let (hold, dropped) = oneshot::channel();
        table.by_id.insert(id, Connection { transport, remote, queue, _hold: hold });
        *table.per_address.entry(remote.ip()).or_default() += 1;
        match (opened_by, transport) {
            (OpenedBy::Peer, Transport::Tls) => {
                if table.shaking.len() >= self.bounds.handshakes
                    && let Some(oldest) = table.shaking.first().copied()
                {
                    table.remove(oldest);
                }
                table.unproven.insert(id);
                table.shaking.insert(id);
            }
            (OpenedBy::Peer, _) => {
                table.by_remote.insert((transport, remote), id);
                table.unproven.insert(id);
            }
            // Whom we call is no stranger.
            (OpenedBy::Us, _) => drop(table.by_remote.insert((transport, remote), id)),
        }
        Some(Line { id, queued, dropped })
    }

    fn may_warn(&self) -> bool {
        let now = Instant::now();
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        let may = warned.is_none_or(|at| now - at >= WARN_EVERY);
        if may {
            *warned = Some(now);
        }
        may
    }

    fn shaken(&self, id: ConnectionId) {
        self.table().shaking.remove(&id);
    }

    fn proven(&self, id: ConnectionId) {
        self.table().unproven.remove(&id);
    }

    fn forget(&self, id: ConnectionId) {
        self.table().remove(id);
    }
}

/// One connection's share of [`Bounds::unfinished`].
struct Unfinished<'a> {
    shared: &'a Shared,
    octets: usize,
}

impl Unfinished<'_> {
    /// Now holds `octets`. False when that is too much for all connections together.
    fn hold(&mut self, octets: usize) -> bool {
        let octets = if octets > CHUNK { octets } else { 0 };
        let before = std::mem::replace(&mut self.octets, octets);
        self.shared.unfinished.fetch_add(octets, Ordering::Relaxed);
        let others = self.shared.unfinished.fetch_sub(before, Ordering::Relaxed) - before;
        octets <= before || others <= self.shared.bounds.unfinished
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        self.shared.unfinished.fetch_sub(self.octets, Ordering::Relaxed);
    }
}

impl TcpTransport {
    /// Listens at `address` (when given) and connects out as needed.
    pub async fn open(address: Option<SocketAddr>, inlet: Inlet) -> std::io::Result<TcpTransport> {
        let shared = Shared::new(BOUNDS);
        let mut local = None;
        if let Some(address) = address {
            let listener = listen(address)?;
            local = Some(listener.local_addr()?);
            tokio::spawn(accept(listener, shared.clone(), inlet.clone()));
        }
        Ok(TcpTransport { shared, inlet, local, tls: None })
    }

    /// Listens for TLS, too, and connects to the gateways of `tls` by it. Gives where it listens.
    pub fn secure(&mut self, address: SocketAddr, tls: Tls) -> std::io::Result<SocketAddr> {
        let listener = listen(address)?;
        let local = listener.local_addr()?;
        tokio::spawn(accept_secure(listener, tls.clone(), self.shared.clone(), self.inlet.clone()));
        self.tls = Some(tls);
        Ok(local)
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
                if connection.queue.try_send(transmit.bytes).is_err() {
                    // The peer does not read. Its task says so to the owner of the switch.
                    table.remove(id);
                    counters.send_failed.fetch_add(1, Ordering::Relaxed);
                }
                return;
            }
        }
        let Some(line) = self.shared.admit(peer.transport, peer.remote, OpenedBy::Us) else {
            counters.connections_refused.fetch_add(1, Ordering::Relaxed);
            self.inlet.offer(NetEvent::Lost { peer });
            return;
        };
        if let Some(connection) = self.shared.table().by_id.get(&line.id) {
            // The queue is new and empty, so this fits.
            let _ = connection.queue.try_send(transmit.bytes);
        }
        tokio::spawn(connect(peer, line, self.tls.clone(), self.shared.clone(), self.inlet.clone()));
    }
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

async fn accept(listener: TcpListener, shared: Arc<Shared>, inlet: Inlet) {
    loop {
        let (stream, peer, line) = incoming(&listener, Transport::Tcp, &shared, &inlet).await;
        let (reader, writer) = stream.into_split();
        tokio::spawn(converse(reader, writer, peer, line, Standing::Stranger, shared.clone(), inlet.clone()));
    }
}

async fn accept_secure(listener: TcpListener, tls: Tls, shared: Arc<Shared>, inlet: Inlet) {
    loop {
        let (stream, peer, line) = incoming(&listener, Transport::Tls, &shared, &inlet).await;
        tokio::spawn(greet(stream, tls.clone(), peer, line, shared.clone(), inlet.clone()));
    }
}

/// The next connection that gets a place.
async fn incoming(
    listener: &TcpListener,
    transport: Transport,
    shared: &Shared,
    inlet: &Inlet,
) -> (TcpStream, Peer, Line) {
    loop {
        let Ok((stream, remote)) = listener.accept().await else {
            // Out of descriptors: give running connections a moment to end.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        // Gone already.
        let Ok(local) = stream.local_addr() else { continue };
        let Some(line) = shared.admit(transport, remote, OpenedBy::Peer) else {
            inlet.counters().connections_refused.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        let peer = Peer { transport, remote, local, connection: Some(line.id) };
        return (prepared(stream), peer, line);
    }
}

/// The handshake of a peer that connected, and then its connection.
async fn greet<S>(stream: S, tls: Tls, peer: Peer, mut line: Line, shared: Arc<Shared>, inlet: Inlet)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let shaken = tokio::select! {
        shaken = timeout(HANDSHAKE_LIMIT, tls.accept(stream)) => shaken.unwrap_or_else(|late| Err(late.into())),
        _ = &mut line.dropped => Err(std::io::Error::other("others needed its place")),
    };
    shared.shaken(line.id);
    match shaken {
        Ok((stream, proof)) => {
            let standing = match proof {
                Some(proof) => {
                    shared.proven(line.id);
                    Standing::Trunk(proof)
                }
                None => Standing::Stranger,
            };
            let (reader, writer) = split(stream);
            converse(reader, writer, peer, line, standing, shared, inlet).await;
        }
        Err(error) => {
            shared.forget(line.id);
            failed_handshake(&shared, &inlet, peer, &error);
        }
    }
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
            converse(reader, writer, peer_of_line, line, Standing::Called, shared, inlet).await;
        }
        Some(Opened::Secure(stream)) => {
            let (reader, writer) = split(stream);
            converse(reader, writer, peer_of_line, line, Standing::Called, shared, inlet).await;
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
            failed_handshake(shared, inlet, peer, &error);
            None
        }
    }
}

/// Counted each time. The log hears of bad certificates, which somebody has to mend, though not of each in a flood, and
/// not of what strangers otherwise try at an open port.
fn failed_handshake(shared: &Shared, inlet: &Inlet, peer: Peer, error: &std::io::Error) {
    inlet.counters().handshakes_failed.fetch_add(1, Ordering::Relaxed);
    let (why, certificate) = tls::reason(error);
    match certificate && shared.may_warn() {
        true => tracing::warn!(peer = %peer.remote, "TLS handshake failed: {why}"),
        false => tracing::debug!(peer = %peer.remote, "TLS handshake failed: {why}"),
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

/// How reading ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The peer has said all, or nothing more of it can be understood; answers may still be owed.
    Over,
    /// It broke, or was too slow or too large.
    Cut,
}

/// Reads and writes one connection until either side ends it.
async fn converse(
    reader: impl AsyncRead + Unpin,
    writer: impl AsyncWrite + Unpin,
    peer: Peer,
    line: Line,
    standing: Standing,
    shared: Arc<Shared>,
    inlet: Inlet,
) {
    let counters = inlet.counters();
    counters.connections.fetch_add(1, Ordering::Relaxed);
    let Line { id, queued, mut dropped } = line;
    let mut writing = pin!(write(writer, queued, &counters));
    let ended = tokio::select! {
        ended = read(reader, peer, id, &standing, &shared, &inlet) => ended,
        () = &mut writing => End::Cut,
        _ = &mut dropped => End::Cut,
    };
    if ended == End::Over {
        let unwritten = tokio::select! {
            () = &mut writing => false,
            _ = &mut dropped => false,
            () = tokio::time::sleep(ANSWER_TIME) => true,
        };
        // The queue has no sender any more and ends once it is empty.
        shared.forget(id);
        if unwritten {
            let _ = timeout(FAREWELL, writing).await;
        }
    }
    shared.forget(id);
    counters.connections.fetch_sub(1, Ordering::Relaxed);
    inlet.deliver(NetEvent::Lost { peer }).await;
}

/// Writes what is queued, until the queue is closed and empty or the peer no longer takes it.
async fn write(mut writer: impl AsyncWrite + Unpin, mut queued: mpsc::Receiver<Bytes>, counters: &NetCounters) {
    while let Some(bytes) = queued.recv().await {
        let written = timeout(WRITE_LIMIT, async {
            writer.write_all(&bytes).await?;
            writer.flush().await
        });
        if !matches!(written.await, Ok(Ok(()))) {
            counters.send_failed.fetch_add(1, Ordering::Relaxed);
            return;
        }
        counters.sent.fetch_add(1, Ordering::Relaxed);
    }
    // TLS says goodbye, so that the peer knows that nothing was cut off (RFC 8446 6.1).
    let _ = timeout(WRITE_LIMIT, writer.shutdown()).await;
}

async fn read(
    mut reader: impl AsyncRead + Unpin,
    peer: Peer,
    id: ConnectionId,
    standing: &Standing,
    shared: &Shared,
    inlet: &Inlet,
) -> End {
    let mut framer = Framer::default();
    let mut proven = !matches!(standing, Standing::Stranger);
    let mut unfinished = Unfinished { shared, octets: 0 };
    let mut deadline = Instant::now() + if proven { IDLE_LIMIT } else { MESSAGE_LIMIT };
    let mut chunk = [0u8; CHUNK];
    loop {
        let Ok(Ok(length)) = timeout_at(deadline, reader.read(&mut chunk)).await else { return End::Cut };
        let Some(bytes) = chunk.get(..length).filter(|bytes| !bytes.is_empty()) else { return End::Over };
        let had_begun = framer.in_message();
        framer.push(bytes);
        let mut whole = false;
        while let Some(frame) = framer.next() {
            whole = true;
            match frame {
                Ok(Frame::Message(raw)) => match Message::from_frame(raw.clone()) {
                    Ok(message) => {
                        if !proven {
                            proven = true;
                            shared.proven(id);
                        }
                        let trunk = match standing {
                            Standing::Trunk(proof) => proof.trunk(),
                            Standing::Stranger | Standing::Called => None,
                        };
                        inlet.deliver(NetEvent::Message { peer, message, trunk }).await;
                    }
                    Err(error) => inlet.deliver(NetEvent::Garbage { peer, raw, status: error.status() }).await,
                },
                Ok(Frame::Ping) => {
                    // RFC 5626 4.4.1: a double CRLF is answered with a single one.
                    if let Some(connection) = shared.table().by_id.get(&id) {
                        let _ = connection.queue.try_send(Bytes::from_static(b"\r\n"));
                    }
                }
                Ok(Frame::Pong) => {}
                Err(broken) => {
                    let status = broken.fault.status();
                    inlet.deliver(NetEvent::Garbage { peer, raw: broken.message, status }).await;
                    return End::Over;
                }
            }
        }
        if !unfinished.hold(framer.buffered()) {
            return End::Cut;
        }
        if proven && !framer.in_message() {
            deadline = Instant::now() + IDLE_LIMIT;
        } else if proven && (whole || !had_begun) {
            deadline = Instant::now() + MESSAGE_LIMIT;
        }
    }
}

#[cfg(test)]
#[path = "tcp_tests.rs"]
mod tests;
