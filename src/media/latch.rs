//! Which address is believed to be the peer: where audio is taken from and where ours goes. RFC 7362 (latching),
//! RFC 4961 (symmetric RTP).
//!
//! SDP says where the peer receives; behind NAT its packets come from elsewhere, so an address may be learned, and only
//! with proof, because whoever is believed hears the call (the "RTP bleed" of advisory ES2025-01). A near host is the one
//! that the SDP names or the one that the peer's signalling comes from; every other is a stranger:
//!
//! | packet from | believed |
//! |---|---|
//! | the signalled address | at once, also in place of a learned one |
//! | a near host, another port | after 2 packets in sequence, also in place of a stranger |
//! | a stranger | in the 5 s after an offer/answer, after 8 packets in sequence over at least 100 ms, while nobody near speaks |
//! | anyone else, while the believed one speaks | never |
//! | the believed host, another port, same source going on | when the believed one was quiet for 0.5 s, after 2 packets |
//! | the believed host, another port, another source | when it was quiet for 2 s, after 5 packets |
//!
//! Most callers behind NAT name a private address in their SDP and send audio through the same NAT as their signalling:
//! they are near, and may begin to speak at any time. What that costs: others behind the same NAT are near too. A caller
//! whose signalling comes by a proxy and whose audio does not must be heard within the window or is not heard at all.
//!
//! Once a near address is settled the shell connects the socket and the kernel drops all others; a stranger's is never
//! connected, so that the peer itself can still take its place. Before proof nothing is heard from and nothing sent to an
//! address that the peer did not signal. Knows no leg, no socket, no payload.

mod suspects;

use super::{MS, Micros};
use std::net::{IpAddr, SocketAddr};
use suspects::{Sample, Suspects};

/// How long after an offer/answer a peer may be found at a stranger's host. Over as soon as one is believed, or the
/// believed one is heard again.
const WINDOW: Micros = 5_000 * MS;
/// Packets that were on the way when the window opened say nothing about where the peer is now.
const IN_FLIGHT: Micros = 300 * MS;
/// In the window: a believed address that was quiet for this long may be replaced.
const QUIET_IN_WINDOW: Micros = 100 * MS;
/// A believed address quiet for this long may have been rebound by its NAT: 25 packets are missing.
const QUIET: Micros = 500 * MS;
const QUIET_OTHER_SOURCE: Micros = 2_000 * MS;
/// A near host proves itself with two packets in a row: not one datagram of garbage.
const PROOF_SAME_HOST: u8 = 2;
const PROOF_OTHER_SOURCE: u8 = 5;
/// A stranger must keep up a stream, which a spray of forged packets does not.
const PROOF_STRANGER: u8 = 8;
const PROOF_TIME: Micros = 100 * MS;
/// A source goes on if its sequence is ahead of the last one heard by less than this (30 s of packets).
const GOES_ON: u16 = 1500;
/// How long a near address other than the signalled one stays open to be replaced before the socket is connected.
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
    /// Where the peer's signalling comes from.
    via: IpAddr,
    window: Option<Window>,
    state: State,
    roams: bool,
    /// Boxed: large, and not touched once a peer is found.
    suspects: Box<Suspects>,
}

/// The time in which a quiet peer may be found at a stranger's host.
#[derive(Clone, Copy, Debug)]
struct Window {
    opened: Micros,
    ends: Micros,
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
    /// From `now` on the peer may send. `via` is the host that its signalling comes from.
    pub fn new(now: Micros, signalled: SocketAddr, via: IpAddr) -> Self {
        Self {
            signalled: canonical(signalled),
            via: via.to_canonical(),
            window: Some(Window { opened: now, ends: now + WINDOW }),
            state: State::Learning,
            roams: false,
            suspects: Box::default(),
        }
    }

    /// After an offer/answer. A peer that signals the same address again is still heard where it was; one that
    /// signals another is to be found anew. `Some` = the socket was connected and must not be.
    pub fn signal(&mut self, now: Micros, signalled: SocketAddr) -> Option<Wiring> {
        let signalled = canonical(signalled);
        self.window = Some(Window { opened: now, ends: now + WINDOW });
        *self.suspects = Suspects::default();
        let wiring = match &mut self.state {
            State::Believed(believed) if believed.connected => {
                believed.connected = false;
                Some(Wiring::Disconnect)
            }
            State::Believed(_) | State::Learning => None,
        };
        if signalled != self.signalled {
            self.signalled = signalled;
            self.state = State::Learning;
        }
        wiring
    }

    /// Judges one well-formed packet.
    pub fn judge(&mut self, now: Micros, from: SocketAddr, ssrc: u32, sequence: u16) -> Verdict {
        let from = canonical(from);
        if let State::Believed(believed) = &mut self.state
            && believed.remote == from
        {
            believed.heard = now;
            believed.ssrc = ssrc;
            believed.sequence = sequence;
            return Verdict::Heard;
        }
        let Some(proof) = self.proof_owed(now, from, ssrc, sequence) else { return Verdict::Stray };
        let proven = match proof {
            Proof::None => true,
            Proof::Near(packets) => self.suspects.weigh(true, Sample { now, from, ssrc, sequence }, packets, 0),
            Proof::Far => self.suspects.weigh(false, Sample { now, from, ssrc, sequence }, PROOF_STRANGER, PROOF_TIME),
        };
        if !proven {
            return Verdict::Stray;
        }
        self.believe(now, from, ssrc, sequence);
        Verdict::Moved
    }

    /// Judges a packet that only the peer can have sent: it needs no further proof, from wherever it comes.
    pub fn judge_proven(&mut self, now: Micros, from: SocketAddr, ssrc: u32, sequence: u16) -> Verdict {
        let from = canonical(from);
        match &self.state {
            State::Believed(believed) if believed.remote == from || believed.connected => {
                self.judge(now, from, ssrc, sequence)
            }
            // What was overtaken on its way from where the peer was before moves nothing back.
            State::Believed(believed)
                if ssrc == believed.ssrc && sequence.wrapping_sub(believed.sequence) >= GOES_ON =>
            {
                Verdict::Heard
            }
            State::Believed(_) | State::Learning => {
                self.believe(now, from, ssrc, sequence);
                Verdict::Moved
            }
        }
    }

    /// The peer has proven that it is at `remote`, and wants to be sent to there: believed, unless its audio comes from
    /// elsewhere now. `None`: nothing changes.
    pub fn choose(&mut self, now: Micros, remote: SocketAddr) -> Option<Option<Wiring>> {
        let connected = match &self.state {
            State::Believed(believed) if believed.remote == remote || now.saturating_sub(believed.heard) < QUIET => {
                return None;
            }
            State::Believed(believed) => believed.connected,
            State::Learning => false,
        };
        self.believe(now, remote, 0, 0);
        Some(connected.then_some(Wiring::Disconnect))
    }

    fn believe(&mut self, now: Micros, remote: SocketAddr, ssrc: u32, sequence: u16) {
        *self.suspects = Suspects::default();
        self.window = None;
        self.state = State::Believed(Believed { remote, since: now, heard: now, ssrc, sequence, connected: false });
    }

    /// What `from` must show to be believed; `None` = nothing will do now.
    fn proof_owed(&self, now: Micros, from: SocketAddr, ssrc: u32, sequence: u16) -> Option<Proof> {
        let near = self.is_near(from.ip());
        let in_window = self.window.is_some_and(|window| now < window.ends);
        let State::Believed(believed) = &self.state else {
            return match (from == self.signalled, near) {
                (true, _) => Some(Proof::None),
                (false, true) => Some(Proof::Near(PROOF_SAME_HOST)),
                (false, false) => in_window.then_some(Proof::Far),
            };
        };
        // What waited in the socket when it was connected.
        if believed.connected {
            return None;
        }
        if from == self.signalled {
            return Some(Proof::None);
        }
        if near && !self.is_near(believed.remote.ip()) {
            return Some(Proof::Near(PROOF_SAME_HOST));
        }
        let quiet = now.saturating_sub(believed.heard);
        if from.ip() == believed.remote.ip() || near {
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

    /// A peer that proves its way by checks may come by another at any time, on hold too: the socket is to hear all.
    pub fn set_roams(&mut self, roams: bool) {
        self.roams = roams;
    }

    /// Whether the host is one that the peer or its signalling named.
    pub fn is_near(&self, host: IpAddr) -> bool {
        host == self.signalled.ip() || host == self.via
    }

    /// What the socket should do now; asked after a packet was believed and from time to time. `listening` = the peer
    /// is expected to send, so that its silence means something.
    pub fn wiring(&mut self, now: Micros, listening: bool) -> Option<Wiring> {
        let (signalled, via) = (self.signalled, self.via);
        let State::Believed(believed) = &mut self.state else { return None };
        if self.window.is_some_and(|window| believed.heard >= window.opened + IN_FLIGHT) {
            self.window = None;
        }
        let quiet = now.saturating_sub(believed.heard) >= QUIET;
        if believed.connected {
            if !quiet || !listening {
                return None;
            }
            believed.connected = false;
            return Some(Wiring::Disconnect);
        }
        let near = believed.remote.ip() == signalled.ip() || believed.remote.ip() == via;
        let settled = believed.remote == signalled || near && now.saturating_sub(believed.since) >= SETTLE;
        // While the window is open the peer may yet be found elsewhere.
        if quiet || !settled || self.window.is_some() || self.roams {
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

    /// Where the peer's SDP says that it is.
    pub fn signalled(&self) -> SocketAddr {
        self.signalled
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

/// An IPv4 address that a dual-stack socket shows as `::ffff:a.b.c.d` is the IPv4 address of the SDP.
pub fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V6(_) => SocketAddr::new(address.ip().to_canonical(), address.port()),
        IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNALLED: &str = "192.168.1.5:4000";
    /// The NAT's own address, which signalling comes from.
    const VIA: &str = "203.0.113.9";
    const AT_VIA: &str = "203.0.113.9:9";

    fn at(address: &str) -> SocketAddr {
        address.parse().unwrap()
    }

    fn latch() -> Latch {
        Latch::new(0, at(SIGNALLED), VIA.parse().unwrap())
    }

    /// Feeds (ms, sequence) from one address and says at which packet it was believed.
    fn believed_at(latch: &mut Latch, from: &str, packets: impl IntoIterator<Item = (u64, u16)>) -> Option<usize> {
        packets.into_iter().position(|(ms, sequence)| latch.judge(ms * MS, at(from), 7, sequence) == Verdict::Moved)
    }

    #[test]
    fn a_stranger_needs_eight_packets_in_sequence_over_100_ms() {
        let fresh = latch;
        let host = "9.9.9.9:9";
        assert_eq!(believed_at(&mut fresh(), host, (0..20).map(|n| (n * 20, n as u16))), Some(7));
        assert_eq!(believed_at(&mut fresh(), host, (0..20).map(|n| (n, n as u16))), None, "a burst of 20 ms");
        assert_eq!(believed_at(&mut fresh(), host, (0..7).map(|n| (n * 60, n as u16))), None, "seven are too few");
        assert_eq!(believed_at(&mut fresh(), host, (0..50).map(|n| (n * 20, n as u16 * 9))), None, "no sequence");
        assert_eq!(believed_at(&mut fresh(), host, (0..50).map(|n| (n * 100, n as u16))), None, "no stream");
        // One in four is lost; the first two must be whole.
        let lossy = (0..30).filter(|n| n % 4 != 3).map(|n| (n * 20, n as u16));
        assert_eq!(believed_at(&mut fresh(), host, lossy), Some(7));
    }

    #[test]
    fn the_signalled_address_needs_one_packet_and_its_host_two() {
        let mut latch = self::latch();
        assert_eq!(latch.judge(0, at(SIGNALLED), 1, 5), Verdict::Moved);
        assert_eq!(latch.wiring(0, true), Some(Wiring::Connect(at(SIGNALLED))));
        let mut latch = self::latch();
        assert_eq!(believed_at(&mut latch, "192.168.1.5:9", (0..4).map(|n| (n * 20, n as u16))), Some(1));
        assert_eq!(latch.wiring(0, true), None, "not before it has settled");
        let mut latch = self::latch();
        latch.set_roams(true);
        assert_eq!(latch.judge(0, at(SIGNALLED), 1, 5), Verdict::Moved);
        assert_eq!(latch.wiring(0, true), None, "or the checks of another way would not be heard");
    }

    #[test]
    fn what_waited_in_the_socket_when_it_was_connected_is_not_believed() {
        let mut latch = self::latch();
        believed_at(&mut latch, AT_VIA, (0..8).map(|n| (n * 20, n as u16)));
        for ms in (160..12_000).step_by(20) {
            latch.judge(ms * MS, at(AT_VIA), 7, (ms / 20) as u16);
        }
        assert_eq!(latch.wiring(12_000 * MS, true), Some(Wiring::Connect(at(AT_VIA))));
        assert_eq!(latch.judge(12_001 * MS, at(SIGNALLED), 1, 1), Verdict::Stray);
    }

    #[test]
    fn a_stranger_is_learned_in_the_window_only_and_its_socket_is_never_connected() {
        let stream = |from: u64, to: u64| (from / 20..to / 20).map(|n| (n * 20, n as u16));
        assert_eq!(believed_at(&mut latch(), "9.9.9.9:9", stream(5_000, 60_000)), None);
        let mut latch = self::latch();
        assert_eq!(believed_at(&mut latch, "9.9.9.9:9", stream(4_000, 5_000)), Some(7));
        for (ms, sequence) in stream(5_000, 60_000) {
            assert_eq!(latch.judge(ms * MS, at("9.9.9.9:9"), 7, sequence), Verdict::Heard);
            assert_eq!(latch.wiring(ms * MS, true), None);
        }
        // The peer itself still takes its place, though the stranger goes on.
        assert_eq!(latch.judge(60_000 * MS, at(AT_VIA), 1, 1), Verdict::Stray);
        assert_eq!(latch.judge(60_020 * MS, at(AT_VIA), 1, 2), Verdict::Moved);
    }

    #[test]
    fn the_host_that_signalling_comes_from_is_heard_at_any_time() {
        let mut latch = self::latch();
        let late = (0..4).map(|n| (60_000 + n * 20, n as u16));
        assert_eq!(believed_at(&mut latch, AT_VIA, late), Some(1));
        latch.judge(70_040 * MS, at(AT_VIA), 7, 500);
        assert_eq!(latch.wiring(70_040 * MS, true), Some(Wiring::Connect(at(AT_VIA))));
    }

    #[test]
    fn the_window_closes_with_the_first_who_is_believed() {
        let mut latch = self::latch();
        latch.judge(0, at(SIGNALLED), 7, 1);
        latch.wiring(0, true);
        let moved = "192.168.1.6:4000";
        assert_eq!(latch.signal(1_000 * MS, at(moved)), Some(Wiring::Disconnect));
        assert_eq!(latch.judge(1_020 * MS, at(moved), 7, 2), Verdict::Moved);
        // It says no more; another host streams at once.
        assert_eq!(believed_at(&mut latch, "9.9.9.9:9", (0..150).map(|n| (1_040 + n * 20, n as u16))), None);
    }

    #[test]
    fn a_re_offer_leaves_the_socket_open_until_the_peer_was_heard_anew() {
        let mut latch = self::latch();
        latch.judge(0, at(SIGNALLED), 7, 1);
        latch.wiring(0, true);
        latch.signal(20 * MS, at(SIGNALLED));
        assert_eq!(latch.wiring(40 * MS, true), None);
        latch.judge(330 * MS, at(SIGNALLED), 7, 2);
        assert_eq!(latch.wiring(340 * MS, true), Some(Wiring::Connect(at(SIGNALLED))));
    }

    #[test]
    fn silence_of_a_peer_that_is_not_to_send_keeps_its_connection() {
        let mut latch = self::latch();
        latch.judge(0, at(SIGNALLED), 7, 1);
        latch.wiring(0, true);
        assert_eq!(latch.wiring(60_000 * MS, false), None);
        assert_eq!(latch.wiring(60_000 * MS, true), Some(Wiring::Disconnect));
    }
}
