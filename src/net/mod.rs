//! Sockets for SIP: datagrams and streams in, parsed messages out, bytes to where a [`Peer`] says. Parsing happens here, on
//! the reading task, so that the owner of the switch never touches raw bytes. Nothing here decides about calls.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod converse;
mod facing;
mod places;
mod resolver;
mod stun;
mod tcp;
pub mod tls;
mod udp;
mod ws;

pub use facing::address_facing;
pub use resolver::Resolver;
pub use tcp::TcpTransport;
pub use udp::UdpTransport;
pub use ws::Origins;

use crate::ids::TrunkId;
use crate::sip::message::{Message, Method};
use crate::sip::peer::{Peer, Transmit, Transport};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;

/// What the sockets tell the owner of the switch.
#[derive(Debug)]
pub enum NetEvent {
    Message {
        peer: Peer,
        message: Message,
        /// The trunk that the connection's certificate proves its sender to be.
        trunk: Option<TrunkId>,
    },
    /// Something that is no SIP message, as received, or what came of it.
    Garbage {
        peer: Peer,
        raw: Bytes,
        /// Owed to its sender, if it is a request.
        status: u16,
    },
    /// A stream is gone or could not be opened.
    Lost { peer: Peer },
}

/// Room for messages that belong to running calls. Large, because dropping one costs a retransmission interval.
const URGENT_QUEUE: usize = 8192;
/// Room for new calls. What does not fit is dropped and counted; a datagram's sender repeats it 500 ms later.
const FRESH_QUEUE: usize = 2048;
/// Room for what can wait: registrations, and whatever is no message. Apart from calls, or a flood of REGISTERs would take the
/// places of INVITEs.
const PATIENT_QUEUE: usize = 2048;

/// Datagrams beyond it enter only a queue that is nearly empty. There are no such messages but for a strange one now and
/// then; a flood of them would fill the memory before it filled the queue.
const LARGE: usize = 8192;

/// Where the sockets put what they read: in-dialog work and responses apart from new work, so that a flood of
/// INVITEs or REGISTERs never delays a BYE, nor one of REGISTERs an INVITE.
#[derive(Clone)]
pub struct Inlet {
    urgent: mpsc::Sender<NetEvent>,
    fresh: mpsc::Sender<NetEvent>,
    patient: mpsc::Sender<NetEvent>,
    counters: Arc<NetCounters>,
}

pub struct Outlet {
    pub urgent: mpsc::Receiver<NetEvent>,
    pub fresh: mpsc::Receiver<NetEvent>,
    pub patient: mpsc::Receiver<NetEvent>,
}

#[derive(Debug, Default)]
pub struct NetCounters {
    pub received: AtomicU64,
    pub sent: AtomicU64,
    pub dropped: AtomicU64,
    pub send_failed: AtomicU64,
    pub connections: AtomicU64,
    pub connections_refused: AtomicU64,
    /// Ended because no whole message came in time.
    pub connections_slow: AtomicU64,
    pub handshakes_failed: AtomicU64,
}

pub fn channel() -> (Inlet, Outlet) {
    let (urgent_in, urgent) = mpsc::channel(URGENT_QUEUE);
    let (fresh_in, fresh) = mpsc::channel(FRESH_QUEUE);
    let (patient_in, patient) = mpsc::channel(PATIENT_QUEUE);
    let inlet = Inlet { urgent: urgent_in, fresh: fresh_in, patient: patient_in, counters: Arc::default() };
    (inlet, Outlet { urgent, fresh, patient })
}

impl Inlet {
    pub fn counters(&self) -> Arc<NetCounters> {
        self.counters.clone()
    }

    fn queue_of(&self, event: &NetEvent) -> &mpsc::Sender<NetEvent> {
        match event {
            event if !is_fresh(event) => &self.urgent,
            NetEvent::Message { message, .. }
                if matches!(message.method(), Method::Invite | Method::Cancel | Method::Options) =>
            {
                &self.fresh
            }
            _ => &self.patient,
        }
    }

    /// Hands over without waiting; used by datagram sockets, whose kernel buffer is the next queue.
    fn offer(&self, event: NetEvent) {
        self.counters.received.fetch_add(1, Ordering::Relaxed);
        let queue = self.queue_of(&event);
        let crowded = size(&event) > LARGE && queue.capacity() < queue.max_capacity() / 8 * 7;
        if crowded || queue.try_send(event).is_err() {
            self.counters.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Hands over and waits for room; used by streams, whose sender feels it as TCP back-pressure.
    async fn deliver(&self, event: NetEvent) {
        self.counters.received.fetch_add(1, Ordering::Relaxed);
        let queue = self.queue_of(&event);
        if queue.send(event).await.is_err() {
            self.counters.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn size(event: &NetEvent) -> usize {
    match event {
        NetEvent::Message { message, .. } => message.raw().len(),
        NetEvent::Garbage { raw, .. } => raw.len(),
        NetEvent::Lost { .. } => 0,
    }
}

/// New work: a request outside any dialog that opens one or stands alone, and whatever is no message at all. A CANCEL stays
/// behind the INVITE that it ends: one that overtakes it finds nothing to end, and the phone rings on.
fn is_fresh(event: &NetEvent) -> bool {
    match event {
        NetEvent::Message { message, .. } => {
            message.is_outside_dialog() && !matches!(message.method(), Method::Ack | Method::Bye)
        }
        NetEvent::Garbage { .. } => true,
        NetEvent::Lost { .. } => false,
    }
}

/// All transports of a switch, as one place to send to.
pub struct Net {
    pub udp: Vec<UdpTransport>,
    pub tcp: TcpTransport,
}

impl Net {
    pub fn send(&mut self, transmit: Transmit) {
        match transmit.peer.transport {
            Transport::Udp => {
                let place = self.udp.iter().position(|socket| socket.serves(transmit.peer.local)).unwrap_or(0);
                if let Some(socket) = self.udp.get(place) {
                    socket.send(&transmit.bytes, transmit.peer.remote);
                }
            }
            Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => self.tcp.send(transmit),
        }
    }
}

#[cfg(test)]
mod tests;
