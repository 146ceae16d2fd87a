//! Which connections there are, and who may have one more: one table for all stream transports.

use crate::admission::network_of;
use crate::sip::peer::{ConnectionId, Transport};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// Between two lines of the log about certificates.
const WARN_EVERY: Duration = Duration::from_secs(1);
/// Between two lines about peers that send no whole message, or want too much: port scanners are everywhere.
const TELL_EVERY: Duration = Duration::from_secs(60);
/// A handshake of TLS costs about a millisecond of CPU with an RSA key: all peers together get no more than half a core,
/// and one site all its phones back in the time that one of them waits.
const HANDSHAKE_EVERY: Duration = Duration::from_millis(2);
const HANDSHAKE_OF_ONE_EVERY: Duration = Duration::from_millis(10);
/// Sites where somebody has something here, a registration or a trunk, have a pace beside that of strangers, who may be many.
const HANDSHAKE_OF_KNOWN_EVERY: Duration = Duration::from_millis(4);
/// How many come at once before the pace holds.
const HANDSHAKES_AT_ONCE: u32 = 50;
/// Who would wait longer for its turn has none.
const LONGEST_TURN: Duration = Duration::from_secs(3);
/// Sites whose pace is kept before those that are over are swept out.
const PACES: usize = 1024;
/// Messages waiting for a slow reader; a connection that falls behind further is closed.
pub(super) const WRITE_QUEUE: usize = 256;
/// Read at once.
pub(super) const CHUNK: usize = 4096;

/// What all connections together may use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub connections: usize,
    /// Of these, in their handshake: each needs some ten kilobytes, and the phones of a large site shake hands at once.
    pub handshakes: usize,
    /// A site behind one NAT address holds some hundred phones; an attacker holds no more than this.
    pub per_address: usize,
    /// Octets of messages that are longer than a chunk and have not come to their end. Nearly all messages are shorter.
    pub unfinished: usize,
}

pub(super) const BOUNDS: Bounds =
    Bounds { connections: 20_000, handshakes: 2_000, per_address: 1_000, unfinished: 64 << 20 };

pub(super) struct Shared {
    pub bounds: Bounds,
    table: Mutex<Table>,
    last_id: AtomicU64,
    unfinished: AtomicUsize,
    /// When a certificate was last complained of: a caller's, or that of somebody whom we called.
    warned: Mutex<[Option<Instant>; 2]>,
    slow: Mutex<Tally>,
    hasty: Mutex<Tally>,
    paces: Mutex<Paces>,
}

/// What peers did too often, for the log.
#[derive(Default)]
struct Tally {
    untold: u64,
    told: Option<Instant>,
}

/// When the next handshake of strangers, of sites that are known, and of each site, is in pace.
#[derive(Default)]
struct Paces {
    of_strangers: Option<Instant>,
    of_known: Option<Instant>,
    of_site: HashMap<IpAddr, Instant>,
}

#[derive(Default)]
pub(super) struct Table {
    pub by_id: HashMap<ConnectionId, Connection>,
    /// Where a message goes that names no connection, or one that is gone. No TLS connection that a peer has opened: an
    /// address does not prove whose it is. No browser's: nobody can connect to one.
    pub by_remote: HashMap<(Transport, SocketAddr), ConnectionId>,
    per_address: HashMap<IpAddr, usize>,
    /// Connections by network on which something lives.
    known: HashMap<IpAddr, usize>,
    /// Have not sent a message yet, oldest first.
    pub unproven: BTreeSet<ConnectionId>,
    /// Have sent messages and have nothing here, by how many messages of guests came before their last: who has been silent
    /// for longest comes first.
    pub guests: BTreeMap<u64, ConnectionId>,
    /// Messages of guests.
    heard: u64,
    /// Have not ended their handshake, oldest first.
    pub shaking: BTreeSet<ConnectionId>,
}

pub(super) struct Connection {
    pub transport: Transport,
    remote: SocketAddr,
    pub queue: mpsc::Sender<Bytes>,
    /// Something lives on it: a registration, a call, or a request of ours.
    pub held: Arc<AtomicBool>,
    /// Its place among the guests, if it is one.
    guest: Option<u64>,
    /// Dropped with the entry, which ends the connection's task.
    _hold: oneshot::Sender<()>,
}

/// The other ends of a [`Connection`], for its task.
pub(super) struct Line {
    pub id: ConnectionId,
    pub queued: mpsc::Receiver<Bytes>,
    pub held: Arc<AtomicBool>,
    pub dropped: oneshot::Receiver<()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OpenedBy {
    Peer,
    Us,
}

impl Table {
    pub fn remove(&mut self, id: ConnectionId) {
        let Some(gone) = self.by_id.remove(&id) else { return };
        self.unproven.remove(&id);
        self.shaking.remove(&id);
        gone.guest.map(|place| self.guests.remove(&place));
        let reach = (gone.transport, gone.remote);
        if self.by_remote.get(&reach) == Some(&id) {
            self.by_remote.remove(&reach);
        }
        let network = network_of(gone.remote.ip());
        one_less(&mut self.per_address, network);
        if gone.held.load(Ordering::Relaxed) {
            one_less(&mut self.known, network);
        }
    }
}

fn one_less(counts: &mut HashMap<IpAddr, usize>, network: IpAddr) {
    match counts.get_mut(&network) {
        Some(count) if *count > 1 => *count -= 1,
        _ => _ = counts.remove(&network),
    }
}

impl Table {
    /// The connection has sent a message. One that nothing lives on is a guest from then on, the last of all.
    fn hear(&mut self, id: ConnectionId) {
        self.unproven.remove(&id);
        let Some(connection) = self.by_id.get_mut(&id) else { return };
        connection.guest.take().map(|place| self.guests.remove(&place));
        if !connection.held.load(Ordering::Relaxed) {
            self.heard += 1;
            connection.guest = Some(self.heard);
            self.guests.insert(self.heard, id);
        }
    }

    /// Something lives on the connection now.
    pub fn hold(&mut self, id: ConnectionId) {
        let Some(connection) = self.by_id.get_mut(&id) else { return };
        if !connection.held.swap(true, Ordering::Relaxed) {
            *self.known.entry(network_of(connection.remote.ip())).or_default() += 1;
        }
        connection.guest.take().map(|place| self.guests.remove(&place));
    }

    /// Whose place somebody gets when all are taken: of those who have said nothing yet, else of the guests, whoever has been
    /// silent for longest.
    fn dispensable(&self) -> Option<ConnectionId> {
        self.unproven.first().or(self.guests.first_key_value().map(|(_, guest)| guest)).copied()
    }
}

impl Shared {
    pub fn new(bounds: Bounds) -> Arc<Shared> {
        Arc::new(Shared {
            bounds,
            table: Mutex::default(),
            last_id: AtomicU64::new(0),
            unfinished: AtomicUsize::new(0),
            warned: Mutex::default(),
            slow: Mutex::default(),
            hasty: Mutex::default(),
            paces: Mutex::default(),
        })
    }

    pub fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place in the table for a connection with `remote`, if it may have one. When all are taken, somebody makes room who
    /// has nothing here; registered phones, calls, and whom we called are never displaced.
    pub fn admit(&self, transport: Transport, remote: SocketAddr, opened_by: OpenedBy) -> Option<Line> {
        let mut table = self.table();
        let held = table.per_address.get(&network_of(remote.ip())).copied().unwrap_or(0);
        if held >= self.bounds.per_address {
            return None;
        }
        if table.by_id.len() >= self.bounds.connections {
            let displaced = table.dispensable()?;
            table.remove(displaced);
        }
        let id = ConnectionId(self.last_id.fetch_add(1, Ordering::Relaxed) + 1);
        let (queue, queued) = mpsc::channel(WRITE_QUEUE);
        let (hold, dropped) = oneshot::channel();
        let held = Arc::<AtomicBool>::default();
        table.by_id.insert(id, Connection { transport, remote, queue, held: held.clone(), guest: None, _hold: hold });
        *table.per_address.entry(network_of(remote.ip())).or_default() += 1;
        match (opened_by, transport) {
            (OpenedBy::Peer, Transport::Tls | Transport::Ws | Transport::Wss) => {
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
        Some(Line { id, queued, held, dropped })
    }

    /// Queues what is no message but belongs to the connection itself. One whose queue is full has other worries.
    pub fn say(&self, id: ConnectionId, octets: Bytes) {
        if let Some(connection) = self.table().by_id.get(&id) {
            let _ = connection.queue.try_send(octets);
        }
    }

    /// Strangers' certificates take no line from those of carriers.
    pub fn may_warn(&self, opened_by: OpenedBy) -> bool {
        let now = Instant::now();
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        let [by_peer, by_us] = &mut *warned;
        let warned = if opened_by == OpenedBy::Peer { by_peer } else { by_us };
        let may = warned.is_none_or(|at| now - at >= WARN_EVERY);
        if may {
            *warned = Some(now);
        }
        may
    }

    /// Counts a peer that was too slow. Gives how many there were since the log was last told, when it is time to tell it.
    pub fn too_slow(&self) -> Option<u64> {
        Tally::count(&self.slow)
    }

    /// The same for peers whose handshakes came too fast.
    pub fn too_hasty(&self) -> Option<u64> {
        Tally::count(&self.hasty)
    }

    /// How long a peer has to wait for its handshake; `None` when that is too long.
    pub fn turn(&self, ip: IpAddr) -> Option<Duration> {
        let now = Instant::now();
        let site = network_of(ip);
        let is_known = self.table().known.contains_key(&site);
        let mut paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
        if paces.of_site.len() >= PACES {
            paces.of_site.retain(|_, next| *next > now);
        }
        let due = |next: Option<Instant>, every: Duration| {
            let earliest = now.checked_sub(every * HANDSHAKES_AT_ONCE).unwrap_or(now);
            next.map_or(earliest, |next| next.max(earliest)) + every
        };
        let of_site = due(paces.of_site.get(&site).copied(), HANDSHAKE_OF_ONE_EVERY);
        let (of_kind, every) = match is_known {
            true => (&mut paces.of_known, HANDSHAKE_OF_KNOWN_EVERY),
            false => (&mut paces.of_strangers, HANDSHAKE_EVERY),
        };
        let of_all = due(*of_kind, every);
        let wait = of_site.max(of_all).saturating_duration_since(now);
        if wait > LONGEST_TURN {
            return None;
        }
        *of_kind = Some(of_all);
        paces.of_site.insert(site, of_site);
        Some(wait)
    }

    pub fn shaken(&self, id: ConnectionId) {
        self.table().shaking.remove(&id);
    }

    pub fn heard(&self, id: ConnectionId) {
        self.table().hear(id);
    }

    /// Its certificate says whose it is.
    pub fn proven(&self, id: ConnectionId) {
        let mut table = self.table();
        table.unproven.remove(&id);
        table.hold(id);
    }

    pub fn forget(&self, id: ConnectionId) {
        self.table().remove(id);
    }
}

impl Tally {
    fn count(tally: &Mutex<Tally>) -> Option<u64> {
        let now = Instant::now();
        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.untold += 1;
        if tally.told.is_some_and(|at| now - at < TELL_EVERY) {
            return None;
        }
        tally.told = Some(now);
        Some(std::mem::take(&mut tally.untold))
    }
}

/// One connection's share of [`Bounds::unfinished`].
pub(super) struct Unfinished<'a> {
    shared: &'a Shared,
    octets: usize,
}

impl<'a> Unfinished<'a> {
    pub fn new(shared: &'a Shared) -> Self {
        Self { shared, octets: 0 }
    }

    /// Now holds `octets`. False when that is too much for all connections together.
    pub fn hold(&mut self, octets: usize) -> bool {
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
