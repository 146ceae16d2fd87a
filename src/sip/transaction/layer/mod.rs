//! All transactions of one endpoint: found by key, driven by messages and deadlines. What is said here holds for both
//! sides; [`client`] and [`server`] are the two.

mod client;
mod server;

pub use client::Delivery;
pub use server::{Fresh, Matched};

use super::key::{Branch, Class, ServerKey};
use super::machine::{ClientEvent, ClientTimer, Failure, ServerEvent, ServerTimer};
use super::{ClientId, ServerId, TimerSet};
use crate::sip::peer::{Peer, Transmit};
use crate::sip::slots::Slots;
use crate::timers::Timers;
use bytes::Bytes;
use client::Client;
use server::Server;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

/// The transactions of one endpoint. `O` is whatever the starter of a transaction wants to be told it by.
///
/// Outputs are polled: [`Layer::poll_transmit`] and [`Layer::poll_told`].
#[derive(Debug)]
pub struct Layer<O> {
    timers: TimerSet,
    clients: Slots<Client<O>>,
    servers: Slots<Server<O>>,
    by_branch: HashMap<(Branch, Class), ClientId>,
    by_key: HashMap<ServerKey, ServerId>,
    merged: HashMap<ServerKey, ServerId>,
    /// Whose outcome still depends on the transport to this peer.
    by_peer: BTreeSet<(Peer, Name)>,
    deadlines: Timers<Deadline>,
    out: VecDeque<Transmit>,
    told: VecDeque<Told<O>>,
    retransmissions: u64,
    /// Peers of datagrams that listen on TCP too.
    streams: BTreeSet<SocketAddr>,
}

/// News that no message brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told<O> {
    ClientFailed { id: ClientId, owner: O, failure: Failure },
    ServerFailed { id: ServerId, owner: O, failure: Failure },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    Client(ClientId),
    Server(ServerId),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Deadline {
    Client(ClientId, ClientTimer),
    Server(ServerId, ServerTimer),
}

/// Which timers of a transaction are set, so that its end need not search for those that are not.
#[derive(Clone, Copy, Debug, Default)]
struct Armed(u8);

impl Armed {
    fn note(&mut self, timer: u8, set: bool) {
        self.0 = if set { self.0 | 1 << timer } else { self.0 & !(1 << timer) };
    }

    fn has(self, timer: u8) -> bool {
        self.0 & 1 << timer != 0
    }
}

impl<O: Copy> Layer<O> {
    pub fn new(timers: TimerSet) -> Self {
        Self {
            timers,
            clients: Slots::default(),
            servers: Slots::default(),
            by_branch: HashMap::new(),
            by_key: HashMap::new(),
            merged: HashMap::new(),
            by_peer: BTreeSet::new(),
            deadlines: Timers::new(),
            out: VecDeque::new(),
            told: VecDeque::new(),
            retransmissions: 0,
            streams: BTreeSet::new(),
        }
    }

    pub fn len(&self) -> usize {
        self.clients.len() + self.servers.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether nothing at all is kept or queued.
    pub fn is_idle(&self) -> bool {
        self.is_empty()
            && self.by_branch.is_empty()
            && self.by_key.is_empty()
            && self.merged.is_empty()
            && self.by_peer.is_empty()
            && self.deadlines.is_empty()
            && self.out.is_empty()
            && self.told.is_empty()
    }

    pub fn retransmissions(&self) -> u64 {
        self.retransmissions
    }

    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.out.pop_front()
    }

    pub fn poll_told(&mut self) -> Option<Told<O>> {
        self.told.pop_front()
    }

    /// Sends outside any transaction: an ACK for a 2xx, a repetition of one, a stateless answer.
    pub fn send(&mut self, peer: Peer, bytes: Bytes) {
        self.out.push_back(Transmit { peer, bytes });
    }

    pub fn send_again(&mut self, peer: Peer, bytes: Bytes) {
        self.retransmissions += 1;
        self.send(peer, bytes);
    }

    pub fn next_timeout(&self) -> Option<Instant> {
        self.deadlines.next().map(|(at, _)| at)
    }

    /// Lets the earliest deadline expire if it is due.
    pub fn handle_next_timeout(&mut self, now: Instant) {
        match self.deadlines.pop(now) {
            Some(Deadline::Client(id, timer)) => self.expire_client(now, id, timer),
            Some(Deadline::Server(id, timer)) => self.expire_server(now, id, timer),
            None => {}
        }
    }

    /// The connection is gone, could not be made, or the network said that nobody is there.
    pub fn handle_transport_error(&mut self, now: Instant, peer: Peer) {
        // What was to go over a connection not yet open went over the one to that address.
        let unopened = Peer { connection: None, ..peer };
        let mut names = Vec::new();
        let peers = [Some(peer), Some(unopened).filter(|unopened| *unopened != peer)];
        for peer in peers.into_iter().flatten() {
            let lowest = (peer, Name::Client(ClientId(Default::default())));
            names.extend(self.by_peer.range(lowest..).take_while(|(p, _)| *p == peer).map(|(_, name)| *name));
        }
        for name in names {
            match name {
                Name::Client(id) => {
                    self.drive_client(now, id, ClientEvent::TransportError, None);
                }
                Name::Server(id) => {
                    self.drive_server(now, id, ServerEvent::TransportError, None);
                }
            }
        }
    }
}
