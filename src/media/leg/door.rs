//! A leg whose keys come from a handshake: checks of the way are answered here, datagrams of the handshake are handed on,
//! and its keys open the leg (RFC 5763, 8445).
//!
//! A handshake costs thousands of times what a packet costs, so its datagrams are taken only from an address that has
//! passed a check, or without checks from one that is near, and no more of them than a handshake has.

use super::Leg;
use super::guard::Guard;
use crate::events::media::{MediaTrouble, NoKeys};
use crate::media::checks::{self, KnownBy};
use crate::media::command::MediaEvent;
use crate::media::handshake::{Note, What};
use crate::media::sink::Sink;
use crate::media::{MS, Micros, latch};
use crate::sdp::{Handshake, MasterKey};
use std::net::SocketAddr;

/// Checks that name the leg: a burst of 64, and 50 a second. A browser with many addresses sends some 20 a second.
const CHECKS: Allowance = Allowance { burst: 64, each: 20 * MS };
/// Datagrams of a handshake: a burst of 64, and 20 a second; one has about six.
const DATAGRAMS: Allowance = Allowance { burst: 64, each: 50 * MS };
/// Longer ones than any path carries whole.
const MAX_DATAGRAM: usize = 1500;
/// Addresses of the peer that have passed: a laptop has a few, each in two families.
const PASSED: usize = 8;

#[derive(Debug)]
pub(super) struct Door {
    association: u32,
    known_by: Option<KnownBy>,
    /// In the order of their checks, the newest first.
    passed: [Option<SocketAddr>; PASSED],
    checks: Micros,
    datagrams: Micros,
}

/// How much of something is taken in how much time.
struct Allowance {
    burst: u64,
    each: Micros,
}

impl Allowance {
    /// `spent` is when all of it is there again.
    fn take(&self, spent: &mut Micros, now: Micros) -> bool {
        let after = (*spent).max(now) + self.each;
        let granted = after <= now + self.burst * self.each;
        if granted {
            *spent = after;
        }
        granted
    }
}

impl Door {
    fn new() -> Self {
        Self { association: 0, known_by: None, passed: [None; PASSED], checks: 0, datagrams: 0 }
    }

    fn pass(&mut self, from: SocketAddr) {
        let at = self.passed.iter().position(|known| *known == Some(from)).unwrap_or(PASSED - 1);
        if let Some(newer) = self.passed.get_mut(..=at) {
            newer.rotate_right(1);
        }
        self.passed[0] = Some(from);
    }
}

impl Leg {
    /// After an offer/answer that asks for a handshake. One that is begun or done goes on (RFC 8842 3.1).
    pub(super) fn shut(&mut self, handshake: &Handshake, out: &mut impl Sink) {
        let door = self.door.get_or_insert_with(|| Box::new(Door::new()));
        door.known_by = handshake.ice.as_ref().map(KnownBy::new);
        if let Some(peer) = &mut self.peer {
            peer.latch.set_roams(handshake.ice.is_some());
        }
        if door.association == handshake.association {
            return;
        }
        door.association = handshake.association;
        self.guard = Guard::Shut;
        let to = self.peer.as_ref().and_then(|peer| peer.latch.target());
        self.note(What::Begin { handshake: Box::new(handshake.clone()), to }, out);
    }

    /// After one that asks for none.
    pub(super) fn unhinge(&mut self, out: &mut impl Sink) {
        if self.door.take().is_some() {
            self.note(What::End, out);
        }
    }

    /// A datagram that is neither RTP nor RTCP (RFC 7983). `true`: it was taken here.
    pub fn knock(&mut self, now: Micros, from: SocketAddr, packet: &[u8], out: &mut impl Sink) -> bool {
        if self.door.is_none() {
            return false;
        }
        if checks::is_stun(packet) {
            self.check(now, latch::canonical(from), packet, out);
        } else if checks::is_dtls(packet) {
            self.hand_on(now, latch::canonical(from), packet, out);
        } else {
            return false;
        }
        true
    }

    fn check(&mut self, now: Micros, from: SocketAddr, packet: &[u8], out: &mut impl Sink) {
        let Some((door, known_by)) =
            self.door.as_deref_mut().and_then(|door| Some((&mut door.checks, door.known_by.as_ref()?)))
        else {
            return;
        };
        let Some(request) = known_by.read(packet) else {
            self.counts.malformed += 1;
            return;
        };
        let checked = CHECKS.take(door, now).then(|| known_by.answer(&request, from)).flatten();
        let Some(checked) = checked else {
            self.counts.forged += 1;
            return;
        };
        out.send_rtp(self.slot, from, checked.answer.as_bytes());
        let Some(chosen) = checked.proven else { return };
        if let Some(door) = &mut self.door {
            door.pass(from);
        }
        if chosen {
            self.choose(now, from, out);
        }
    }

    /// The peer is to be sent to there.
    fn choose(&mut self, now: Micros, to: SocketAddr, out: &mut impl Sink) {
        let Some(peer) = &mut self.peer else { return };
        let Some(wiring) = peer.latch.choose(now, to) else { return };
        self.wire(wiring, out);
        out.event(MediaEvent::Latched { leg: self.id, remote: to });
        if self.guard.is_shut() {
            self.note(What::Way { to }, out);
        }
    }

    fn hand_on(&mut self, now: Micros, from: SocketAddr, packet: &[u8], out: &mut impl Sink) {
        let (Some(door), Some(peer)) = (&mut self.door, &self.peer) else { return };
        let admitted = match door.known_by {
            Some(_) => door.passed.contains(&Some(from)),
            None => peer.latch.is_near(from.ip()),
        };
        if !admitted {
            return self.count_stray(from, out);
        }
        if packet.len() > MAX_DATAGRAM || !DATAGRAMS.take(&mut door.datagrams, now) {
            self.counts.malformed += 1;
            return;
        }
        self.note(What::Datagram { from, octets: packet.into() }, out);
    }

    /// The handshake has given keys.
    pub fn unlock(&mut self, now: Micros, association: u32, (send, receive): (&MasterKey, &MasterKey)) {
        if self.guard.is_shut() && self.awaits(association) {
            self.guard.open(send, receive);
            self.silence.restart(now);
        }
    }

    /// The handshake has come to nothing.
    pub fn stay_shut(&mut self, association: u32, why: NoKeys, out: &mut impl Sink) {
        if !self.guard.is_shut() || !self.awaits(association) {
            return;
        }
        let unchecked = self.door.as_ref().is_some_and(|door| door.known_by.is_some() && door.passed[0].is_none());
        let why = if unchecked { NoKeys::Unreachable } else { why };
        self.tell(MediaTrouble::NoKeys { why }, out);
    }

    fn awaits(&self, association: u32) -> bool {
        self.door.as_ref().is_some_and(|door| door.association == association)
    }

    pub(super) fn note(&mut self, what: What, out: &mut impl Sink) {
        let association = self.door.as_ref().map_or(0, |door| door.association);
        let begins = matches!(what, What::Begin { .. });
        if !out.handshake(Note { leg: self.id, association, what }) && begins {
            self.stay_shut(association, NoKeys::Overload, out);
        }
    }
}
