//! Which address is believed to be the peer: where audio is taken from and where ours goes. RFC 7362 (latching),
//! RFC 4961 (symmetric RTP).
//!
//! SDP says where the peer receives; behind NAT its packets come from elsewhere, so an address may be learned. It is
//! learned only in a window after an offer/answer, and from a stranger only with proof, because whoever is believed
//! hears the call (the "RTP bleed" of advisory ES2025-01):
//!
//! | packet from | believed |
//! |---|---|
//! | the signalled address | at once, also in place of a learned one |
//! | the signalled host, another port | after 2 packets in sequence |
//! | another host | after 8 packets in sequence over at least 100 ms, and never while the signalled address speaks |
//! | anyone, while the believed one speaks | never |
//! | the believed host, another port, same source going on | when the believed one was quiet for 0.5 s, after 2 packets |
//! | the believed host, another port, another source | when it was quiet for 2 s, after 5 packets |
//!
//! Once an address is settled the shell connects the socket and the kernel drops all others. Before proof nothing is
//! heard from and nothing sent to an address that the peer did not signal. Knows no leg, no socket, no payload.

use super::{MS, Micros};
use std::net::{IpAddr, SocketAddr};

/// How long after an offer/answer a quiet peer may be found at another host.
const WINDOW: Micros = 5_000 * MS;
/// In the window: a believed address that was quiet for this long may be replaced.
const QUIET_IN_WINDOW: Micros = 100 * MS;
/// A believed address quiet for this long may have been rebound by its NAT: 25 packets are missing.
const QUIET: Micros = 500 * MS;
const QUIET_OTHER_SOURCE: Micros = 2_000 * MS;
/// The signalled host proves itself with two packets in a row: not one datagram of garbage.
const PROOF_SAME_HOST: u8 = 2;
const PROOF_OTHER_SOURCE: u8 = 5;
/// Another host must keep up a stream, which a spray of forged packets does not.
const PROOF_OTHER_HOST: u8 = 8;
const PROOF_TIME: Micros = 100 * MS;
/// A candidate that does not go on within this time is forgotten.
const CANDIDATE_LIFE: Micros = 80 * MS;
/// Candidates weighed at once. A spray fills the places of strangers, not those of the signalled host.
const NEAR_CANDIDATES: usize = 4;
const FAR_CANDIDATES: usize = 12;
/// A source goes on if its sequence is ahead of the last one heard by less than this (30 s of packets).
const GOES_ON: u16 = 1500;
/// How long a learned address stays open to be replaced by the signalled one before the socket is connected.
const SETTLE: Micros = 10_000 * MS;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Heard,
    /// Heard, and from now on the peer.
    Moved,
    /// Neither heard nor answered.
    Stray,
}

/// What the shell's socket should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wiring {
    Connect(SocketAddr),
    Disconnect,
}

#[derive(Clone, Debug)]
pub struct Latch {
    signalled: SocketAddr,
    window_ends: Micros,
    state: State,
    near: Candidates<NEAR_CANDIDATES>,
    far: Candidates<FAR_CANDIDATES>,
}

#[derive(Clone, Debug)]
enum State {
    /// No address has proven itself since it was signalled; we send to the signalled one.
    Learning,
    Believed(Believed),
}

#[derive(Clone, Debug)]
struct Believed {
    remote: SocketAddr,
    since: Micros,
    heard: Micros,
    ssrc: u32,
    sequence: u16,
    connected: bool,
}

impl Latch {
    pub fn new(now: Micros, signalled: SocketAddr) -> Self {
        Self {
            signalled: canonical(signalled),
            window_ends: now + WINDOW,
            state: State::Learning,
            near: Candidates::default(),
            far: Candidates::default(),
        }
    }

    /// After an offer/answer. A peer that signals the same address again is still heard where it was; one that
    /// signals another is to be found anew. `Some` = the socket was connected and must not be.
    pub fn signal(&mut self, now: Micros, signalled: SocketAddr) -> Option<Wiring> {
        let signalled = canonical(signalled);
        let wiring = self.open_window(now);
        if signalled != self.signalled {
            self.signalled = signalled;
            self.state = State::Learning;
        }
        wiring
    }

    /// The peer was silent for so long that it may be anywhere (RTP timeout).
    pub fn open_window(&mut self, now: Micros) -> Option<Wiring> {
        self.window_ends = now + WINDOW;
        self.near = Candidates::default();
        self.far = Candidates::default();
        match &mut self.state {
            State::Believed(believed) if believed.connected => {
                believed.connected = false;
                Some(Wiring::Disconnect)
            }
            State::Believed(_) | State::Learning => None,
        }
    }

    /// Judges one well-formed packet.
    pub fn judge(&mut self, now: Micros, from: SocketAddr, ssrc: u32, sequence: u16) -> Verdict {
        if let State::Believed(believed) = &mut self.state
            && believed.remote == from
        {
            believed.heard = now;
            believed.ssrc = ssrc;
            believed.sequence = sequence;
            return Verdict::Heard;
        }
        let from = canonical(from);
        let Some(proof) = self.proof_owed(now, from, ssrc, sequence) else { return Verdict::Stray };
        let proven = match proof {
            Proof::None => true,
            Proof::Near(packets) => self.near.weigh(now, from, ssrc, sequence, packets, 0),
            Proof::Far => self.far.weigh(now, from, ssrc, sequence, PROOF_OTHER_HOST, PROOF_TIME),
        };
        if !proven {
            return Verdict::Stray;
        }
        self.near = Candidates::default();
        self.far = Candidates::default();
        let same = matches!(&self.state, State::Believed(believed) if believed.remote == from);
        let connected = same && matches!(&self.state, State::Believed(believed) if believed.connected);
        self.state = State::Believed(Believed { remote: from, since: now, heard: now, ssrc, sequence, connected });
        if same { Verdict::Heard } else { Verdict::Moved }
    }

    /// What `from` must show to be believed; `None` = nothing will do now.
    fn proof_owed(&self, now: Micros, from: SocketAddr, ssrc: u32, sequence: u16) -> Option<Proof> {
        let signalled_host = from.ip() == self.signalled.ip();
        let State::Believed(believed) = &self.state else {
            return Some(match (from == self.signalled, signalled_host) {
                (true, _) => Proof::None,
                (false, true) => Proof::Near(PROOF_SAME_HOST),
                (false, false) => Proof::Far,
            });
        };
        if from == believed.remote {
            return Some(Proof::None);
        }
        // What waited in the socket when it was connected.
        if believed.connected {
            return None;
        }
        if from == self.signalled {
            return Some(Proof::None);
        }
        let quiet = now.saturating_sub(believed.heard);
        let in_window = now < self.window_ends;
        if from.ip() == believed.remote.ip() || signalled_host {
            let goes_on = ssrc == believed.ssrc && (1..GOES_ON).contains(&sequence.wrapping_sub(believed.sequence));
            return match quiet {
                _ if in_window && quiet >= QUIET_IN_WINDOW => Some(Proof::Near(PROOF_SAME_HOST)),
                _ if goes_on && quiet >= QUIET => Some(Proof::Near(PROOF_SAME_HOST)),
                _ if quiet >= QUIET_OTHER_SOURCE => Some(Proof::Near(PROOF_OTHER_SOURCE)),
                _ => None,
            };
        }
        (in_window && quiet >= QUIET).then_some(Proof::Far)
    }

    /// What the socket should do now; asked after a packet was believed and from time to time. `listening` = the peer
    /// is expected to send, so that its silence means something.
    pub fn wiring(&mut self, now: Micros, listening: bool) -> Option<Wiring> {
        let State::Believed(believed) = &mut self.state else { return None };
        let quiet = now.saturating_sub(believed.heard) >= QUIET;
        if believed.connected {
            if !quiet || !listening {
                return None;
            }
            believed.connected = false;
            return Some(Wiring::Disconnect);
        }
        let settled = believed.remote == self.signalled || now.saturating_sub(believed.since) >= SETTLE;
        if quiet || !settled {
            return None;
        }
        believed.connected = true;
        Some(Wiring::Connect(believed.remote))
    }

    /// When `wiring` may next have something to say.
    pub fn next_look(&self, now: Micros) -> Micros {
        match &self.state {
            State::Believed(believed) if believed.connected => (believed.heard + QUIET).max(now + 20 * MS),
            State::Believed(_) | State::Learning => now + QUIET,
        }
    }

    /// Where our packets go: to the believed address, else to the signalled one if that can be sent to.
    pub fn target(&self) -> Option<SocketAddr> {
        match &self.state {
            State::Believed(believed) => Some(believed.remote),
            // RFC 3264 8.4: the old way of hold; and port 0 is no port.
            State::Learning if self.signalled.ip().is_unspecified() || self.signalled.port() == 0 => None,
            State::Learning => Some(self.signalled),
        }
    }

    /// The address whose packets are heard, if one has proven itself.
    pub fn believed(&self) -> Option<SocketAddr> {
        match &self.state {
            State::Believed(believed) => Some(believed.remote),
            State::Learning => None,
        }
    }

    /// Whether the peer's packets come from where its SDP said.
    pub fn as_signalled(&self) -> bool {
        self.believed().is_none_or(|remote| remote == self.signalled)
    }
}

enum Proof {
    None,
    Near(u8),
    Far,
}

/// Addresses on probation. Fixed places: a newcomer takes only a place whose holder has gone quiet, so a spray of
/// ever new addresses cannot push out one that keeps up its stream.
#[derive(Clone, Debug)]
struct Candidates<const PLACES: usize>([Option<Candidate>; PLACES]);

#[derive(Clone, Copy, Debug)]
struct Candidate {
    from: SocketAddr,
    ssrc: u32,
    sequence: u16,
    packets: u8,
    since: Micros,
    heard: Micros,
}

impl<const PLACES: usize> Default for Candidates<PLACES> {
    fn default() -> Self {
        Self([None; PLACES])
    }
}

impl<const PLACES: usize> Candidates<PLACES> {
    /// Counts the packet; true when its sender has shown `packets` in sequence, spread over at least `over`.
    fn weigh(&mut self, now: Micros, from: SocketAddr, ssrc: u32, sequence: u16, packets: u8, over: Micros) -> bool {
        let newcomer = Candidate { from, ssrc, sequence, packets: 1, since: now, heard: now };
        let known = self.0.iter_mut().flatten().find(|candidate| candidate.from == from);
        if let Some(candidate) = known {
            // A lost packet or two are no break of sequence.
            let in_sequence = candidate.ssrc == ssrc && (1..=3).contains(&sequence.wrapping_sub(candidate.sequence));
            if !in_sequence || now.saturating_sub(candidate.heard) > CANDIDATE_LIFE {
                *candidate = newcomer;
                return false;
            }
            candidate.sequence = sequence;
            candidate.heard = now;
            candidate.packets = candidate.packets.saturating_add(1);
            return candidate.packets >= packets && now - candidate.since >= over;
        }
        let free = self
            .0
            .iter_mut()
            .find(|place| place.is_none_or(|candidate| now.saturating_sub(candidate.heard) > CANDIDATE_LIFE));
        if let Some(place) = free {
            *place = Some(newcomer);
        }
        false
    }
}

/// An IPv4 address that a dual-stack socket shows as `::ffff:a.b.c.d` is the IPv4 address of the SDP.
pub fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V6(_) => SocketAddr::new(address.ip().to_canonical(), address.port()),
        IpAddr::V4(_) => address,
    }
}
