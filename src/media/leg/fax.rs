//! A leg whose stream is a fax: datagrams of its peer, known by where they come from and not looked into.

use super::Leg;
use crate::media::sink::Sink;
use crate::media::{Micros, rtp};
use std::net::SocketAddr;

impl Leg {
    /// From here on datagrams of fax come and go. True = a key that was heard in the peer's voice is over.
    pub fn begin_fax(&mut self, now: Micros, remote: SocketAddr, out: &mut impl Sink) -> bool {
        let Some(peer) = &mut self.peer else { return false };
        peer.fax = true;
        let wiring = peer.latch.signal(now, remote);
        self.wire(wiring, out);
        self.refuse_keys(out);
        self.input = None;
        self.ear.take().is_some_and(|ear| ear.is_down())
    }

    pub fn is_fax(&self) -> bool {
        self.peer.as_ref().is_some_and(|peer| peer.fax)
    }

    /// Judges one datagram. True = it is the peer's.
    pub fn hear_fax(&mut self, now: Micros, from: SocketAddr, packet: &[u8], out: &mut impl Sink) -> bool {
        // Sound that was on its way when the fax began.
        if rtp::parse(packet).is_ok_and(|rtp| self.stream.ssrc() == Some(rtp.ssrc)) {
            return false;
        }
        // They begin with a number that counts up (T.38 9.1.3), by which a sender whose address must be learned proves itself.
        let &[high, low, ..] = packet else {
            self.count_unusable(from);
            return false;
        };
        self.is_from_peer(now, from, 0, u16::from_be_bytes([high, low]), out) && self.is_allowed(now)
    }

    /// Sends a datagram of the other machine's.
    pub fn send_fax(&mut self, packet: &[u8], out: &mut impl Sink) {
        if let Some(to) = self.peer.as_ref().and_then(|peer| peer.latch.target()) {
            out.send_rtp(self.slot, to, packet);
        }
    }
}
