//! SIP over TCP (RFC 3261 18.3): accepts, connects when a peer has no connection yet, frames with the parser's own scanner.

use super::{Inlet, NetEvent};
use crate::sip::message::Message;
use crate::sip::message::frame::{Frame, Framer};
use crate::sip::peer::{ConnectionId, Peer, Transmit, Transport};
use bytes::Bytes;
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

/// Time for the first whole message, and for the rest of one that has begun: what a slow-loris gets.
const HEADER_LIMIT: Duration = Duration::from_secs(10);
/// Silence after a good message, without even a keep-alive.
const IDLE_LIMIT: Duration = Duration::from_secs(120);
const CONNECT_LIMIT: Duration = Duration::from_secs(4);
/// Messages waiting for a slow reader; a connection that falls behind further is closed.
const WRITE_QUEUE: usize = 256;
/// Connections that the kernel completes while we are busy: all phones of a site return at once after a power cut.
const BACKLOG: i32 = 1024;
const MAX_CONNECTIONS: usize = 20_000;
/// A site behind one NAT address holds some hundred phones; an attacker holds no more than this.
const MAX_PER_ADDRESS: usize = 1_000;

pub struct TcpTransport {
    shared: Arc<Shared>,
    inlet: Inlet,
    local: Option<SocketAddr>,
}

#[derive(Default)]
struct Shared {
    table: Mutex<Table>,
    last_id: AtomicU64,
}

#[derive(Default)]
struct Table {
    by_id: HashMap<ConnectionId, Connection>,
    by_remote: HashMap<SocketAddr, ConnectionId>,
    per_address: HashMap<IpAddr, usize>,
}

struct Connection {
    remote: SocketAddr,
    queue: mpsc::Sender<Bytes>,
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place in the table for a connection with `remote`, if it may have one.
    fn admit(&self, remote: SocketAddr) -> Option<(ConnectionId, mpsc::Receiver<Bytes>)> {
        let mut table = self.table();
        let held = table.per_address.get(&remote.ip()).copied().unwrap_or(0);
        if table.by_id.len() >= MAX_CONNECTIONS || held >= MAX_PER_ADDRESS {
            return None;
        }
        let id = ConnectionId(self.last_id.fetch_add(1, Ordering::Relaxed) + 1);
        let (queue, lines) = mpsc::channel(WRITE_QUEUE);
        table.by_id.insert(id, Connection { remote, queue });
        table.by_remote.insert(remote, id);
        table.per_address.insert(remote.ip(), held + 1);
        Some((id, lines))
    }

    fn forget(&self, id: ConnectionId) {
        let mut table = self.table();
        let Some(gone) = table.by_id.remove(&id) else { return };
        if table.by_remote.get(&gone.remote) == Some(&id) {
            table.by_remote.remove(&gone.remote);
        }
        let ip = gone.remote.ip();
        match table.per_address.get_mut(&ip) {
            Some(held) if *held > 1 => *held -= 1,
            _ => {
                table.per_address.remove(&ip);
            }
        }
    }
}

impl TcpTransport {
    /// Listens at `address` (when given) and connects out as needed.
    pub async fn open(address: Option<SocketAddr>, inlet: Inlet) -> std::io::Result<TcpTransport> {
        let shared = Arc::new(Shared::default());
        let mut local = None;
        if let Some(address) = address {
            let listener = listen(address)?;
            local = Some(listener.local_addr()?);
            tokio::spawn(accept(listener, shared.clone(), inlet.clone()));
        }
        Ok(TcpTransport { shared, inlet, local })
    }

    /// Where it listens; `0.0.0.0` or `[::]` for all addresses of this machine.
    pub fn local(&self) -> Option<SocketAddr> {
        self.local
    }

    /// Queues for the peer's connection; opens one when there is none. Never waits.
    pub fn send(&mut self, transmit: Transmit) {
        let peer = transmit.peer;
        let queue = {
            let table = self.shared.table();
            let id = peer.connection.filter(|id| table.by_id.contains_key(id));
            let id = id.or_else(|| table.by_remote.get(&peer.remote).copied());
            id.and_then(|id| table.by_id.get(&id)).map(|connection| connection.queue.clone())
        };
        if let Some(queue) = queue {
            if queue.try_send(transmit.bytes).is_err() {
                self.inlet.counters().send_failed.fetch_add(1, Ordering::Relaxed);
            }
            return;
        }
        let Some((id, lines)) = self.shared.admit(peer.remote) else {
            self.inlet.counters().connections_refused.fetch_add(1, Ordering::Relaxed);
            return;
        };
        if let Some(connection) = self.shared.table().by_id.get(&id) {
            // The queue is new and empty, so this fits.
            let _ = connection.queue.try_send(transmit.bytes);
        }
        tokio::spawn(connect(peer, id, lines, self.shared.clone(), self.inlet.clone()));
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
        let Ok((stream, remote)) = listener.accept().await else {
            // Out of descriptors: give running connections a moment to end.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        // Gone already.
        let Ok(local) = stream.local_addr() else { continue };
        let Some((id, lines)) = shared.admit(remote) else {
            inlet.counters().connections_refused.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        let peer = Peer { transport: Transport::Tcp, remote, local, connection: Some(id) };
        tokio::spawn(converse(stream, peer, id, lines, shared.clone(), inlet.clone()));
    }
}

async fn connect(peer: Peer, id: ConnectionId, lines: mpsc::Receiver<Bytes>, shared: Arc<Shared>, inlet: Inlet) {
    match tokio::time::timeout(CONNECT_LIMIT, TcpStream::connect(peer.remote)).await {
        Ok(Ok(stream)) => {
            let peer = Peer { connection: Some(id), ..peer };
            converse(stream, peer, id, lines, shared, inlet).await;
        }
        _ => {
            shared.forget(id);
            inlet.deliver(NetEvent::Lost { peer }).await;
        }
    }
}

/// Reads and writes one connection until either side ends it.
async fn converse(
    stream: TcpStream,
    peer: Peer,
    id: ConnectionId,
    mut lines: mpsc::Receiver<Bytes>,
    shared: Arc<Shared>,
    inlet: Inlet,
) {
    inlet.counters().connections.fetch_add(1, Ordering::Relaxed);
    // Signalling is small and urgent; Nagle's delay would only add latency.
    let _ = stream.set_nodelay(true);
    let (mut reader, mut writer) = stream.into_split();
    let writing = tokio::spawn(async move {
        while let Some(bytes) = lines.recv().await {
            let written = tokio::time::timeout(HEADER_LIMIT, writer.write_all(&bytes)).await;
            if !matches!(written, Ok(Ok(()))) {
                break;
            }
        }
    });
    let mut framer = Framer::default();
    let mut deadline = Instant::now() + HEADER_LIMIT;
    let mut chunk = [0u8; 4096];
    'reading: while !writing.is_finished() {
        let Ok(Ok(length)) = timeout_at(deadline, reader.read(&mut chunk)).await else { break };
        let Some(bytes) = chunk.get(..length).filter(|bytes| !bytes.is_empty()) else { break };
        let had_begun = framer.in_message();
        framer.push(bytes);
        let mut whole = false;
        while let Some(frame) = framer.next() {
            whole = true;
            match frame {
                Ok(Frame::Message(raw)) => match Message::parse(raw.clone()) {
                    Ok(message) => inlet.deliver(NetEvent::Message { peer, message }).await,
                    Err(_) => inlet.deliver(NetEvent::Garbage { peer, raw }).await,
                },
                Ok(Frame::Ping) => {
                    // RFC 5626 4.4.1: a double CRLF is answered with a single one.
                    if let Some(connection) = shared.table().by_id.get(&id) {
                        let _ = connection.queue.try_send(Bytes::from_static(b"\r\n"));
                    }
                }
                Ok(Frame::Pong) => {}
                Err(broken) => {
                    inlet.deliver(NetEvent::Garbage { peer, raw: broken.message }).await;
                    // The framing is lost for good; the 400 gets a moment to leave.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    break 'reading;
                }
            }
        }
        if framer.in_message() {
            if whole || !had_begun {
                deadline = Instant::now() + HEADER_LIMIT;
            }
        } else {
            deadline = Instant::now() + IDLE_LIMIT;
        }
    }
    shared.forget(id);
    writing.abort();
    inlet.counters().connections.fetch_sub(1, Ordering::Relaxed);
    inlet.deliver(NetEvent::Lost { peer }).await;
}
