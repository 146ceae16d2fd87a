//! A leg's RTCP: when its reports are due, what they say and where they go, and what the peer's own say of us (RFC 3550 6).

use super::Leg;
use crate::media::latch;
use crate::media::rtcp::{self, AboutUs, Compound, PeerClock, Sent};
use crate::media::sink::Sink;
use crate::media::{MS, Micros};
use std::net::SocketAddr;

/// RFC 3550 6.2: 5 s on average, spread over half to one and a half of it.
const RTCP_LEAST: Micros = 2_500 * MS;
const RTCP_SPREAD: Micros = 5_000 * MS;

#[derive(Debug)]
pub(super) struct Rtcp {
    cname: [u8; 16],
    /// Spreads the intervals; seeded by the plane.
    dice: u64,
    due: Micros,
    /// Where the peer's own reports came from.
    learned: Option<SocketAddr>,
    clock: Option<PeerClock>,
    packets_reported: u64,
}

impl Leg {
    /// Judges one RTCP packet. Its host must be the peer's; what it says touches figures only.
    pub fn hear_rtcp(&mut self, now: Micros, from: SocketAddr, packet: &[u8]) {
        let Some(peer) = &self.peer else { return };
        let host = latch::canonical(from).ip();
        let expected = peer.latch.believed().unwrap_or(peer.spec.remote_rtcp).ip();
        if host != expected && host != peer.spec.remote_rtcp.ip() {
            self.counts.stray += 1;
            return;
        }
        let Ok(read) = rtcp::parse(packet, self.egress.ssrc()) else {
            self.counts.malformed += 1;
            return;
        };
        if !peer.spec.rtcp_mux {
            self.rtcp.learned = Some(from);
        }
        if let Some(middle) = read.clock {
            self.rtcp.clock = Some(PeerClock { middle, arrived: now });
        }
        if let Some(about) = read.about_us {
            self.learn(now, about);
        }
    }

    pub(super) fn report(&mut self, now: Micros, bye: bool, out: &mut impl Sink) {
        let Some(to) = self.rtcp_target() else { return };
        let packets = self.egress.packets();
        let active = packets > std::mem::replace(&mut self.rtcp.packets_reported, packets);
        let sent = Sent { timestamp: self.egress.timestamp_at(now), packets, octets: self.egress.octets() };
        let compound = Compound {
            ssrc: self.egress.ssrc(),
            sent: active.then_some(sent),
            heard: self.stream.report().map(|reception| (reception, self.rtcp.clock)),
            cname: &self.rtcp.cname,
            bye,
        };
        let mut packet = [0; rtcp::MAX_BUILT];
        let length = compound.write(now, &mut packet);
        let muxed = self.peer.as_ref().is_some_and(|peer| peer.spec.rtcp_mux);
        match muxed {
            true => out.send_rtp(self.slot, to, &packet[..length]),
            false => out.send_rtcp(self.slot, to, &packet[..length]),
        }
    }

    /// Where the peer's reports came from; else what it signalled, unless its RTP showed that to be behind a NAT, whose
    /// usual next port is then the best guess.
    fn rtcp_target(&self) -> Option<SocketAddr> {
        let peer = self.peer.as_ref()?;
        let rtp = peer.latch.target()?;
        if peer.spec.rtcp_mux {
            return Some(rtp);
        }
        let signalled = peer.spec.remote_rtcp;
        let target = match self.rtcp.learned {
            Some(learned) => learned,
            None if peer.latch.as_signalled() => signalled,
            None => SocketAddr::new(rtp.ip(), rtp.port().checked_add(1)?),
        };
        (target.port() != 0 && !target.ip().is_unspecified()).then_some(target)
    }

    fn learn(&mut self, now: Micros, about: AboutUs) {
        self.counts.peer_loss_256 = about.fraction_lost;
        self.counts.peer_jitter_us = about.jitter.saturating_mul(125);
        if let Some(trip) = about.round_trip_us(now) {
            self.counts.round_trip_us = Some(trip);
        }
    }
}

impl Rtcp {
    pub fn new(cname: [u8; 16], dice: u64) -> Self {
        Self { cname, dice: dice | 1, due: 0, learned: None, clock: None, packets_reported: 0 }
    }

    /// When the next report is due.
    pub fn due(&self) -> Micros {
        self.due
    }

    /// The peer signalled another address for its reports.
    pub fn forget_address(&mut self) {
        self.learned = None;
    }

    pub fn schedule(&mut self, now: Micros) {
        // xorshift64: only to keep reports of many legs apart.
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        self.due = now + RTCP_LEAST + self.dice % RTCP_SPREAD;
    }
}
