//! A leg's RTCP: when its reports are due, what they say and where they go, and what the peer's own say of us (RFC 3550 6);
//! and the account of all of it that is given at the end.

use super::Leg;
use crate::events::media::{MediaReport, MediaTrouble, Quality, VoipMetrics};
use crate::ids::Redacted;
use crate::media::latch;
use crate::media::quality::{self, Path};
use crate::media::rtcp::{self, AboutUs, Compound, PeerClock, Sent};
use crate::media::sink::Sink;
use crate::media::{MS, Micros};
use std::net::{IpAddr, SocketAddr};

/// RFC 3550 6.2: 5 s on average, spread over half to one and a half of it.
const RTCP_LEAST: Micros = 2_500 * MS;
const RTCP_SPREAD: Micros = 5_000 * MS;
/// Packets of ours (5 s of them) of which a peer must have had some between two reports.
const SHOULD_HAVE_COME: u64 = 250;
/// Packets of strangers that are no accident.
const STRAYS: u64 = 50;
/// Addresses that are told of in one call: a peer that moves on and on does not fill the journal.
const MAX_MOVES: u8 = 4;

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
    reception: PeerReception,
    moves: u8,
}

/// How the peer says that it hears us.
#[derive(Debug, Default)]
struct PeerReception {
    lost: u64,
    /// Packets that we had sent when it had last seen a new one.
    sent_then: u64,
    highest: Option<u32>,
    /// Reports in a row by which nothing of ours arrives.
    empty: u8,
    told: bool,
    metrics: Option<VoipMetrics>,
}

impl Leg {
    /// Judges one RTCP packet. Its host must be the peer's; what it says touches figures only.
    pub fn hear_rtcp(&mut self, now: Micros, from: SocketAddr, packet: &[u8], out: &mut impl Sink) {
        let Some(peer) = &self.peer else { return };
        let host = latch::canonical(from).ip();
        let expected = peer.latch.believed().unwrap_or(peer.spec.remote_rtcp).ip();
        if host != expected && host != peer.spec.remote_rtcp.ip() {
            self.count_stray(from, out);
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
        if read.metrics.is_some() {
            self.rtcp.reception.metrics = read.metrics;
        }
        if read.bye.is_some() && read.bye == self.stream.ssrc() {
            // RFC 3550 6.6: this source is over, so another need not wait for it to fall silent.
            self.stream.peer_moved();
        }
        if let Some(about) = read.about_us {
            self.learn(now, about);
        }
        let sent = self.egress.packets();
        let highest = read.about_us.map(|about| about.highest);
        if read.reports && self.rtcp.reception.is_deaf(highest, sent) {
            self.tell(MediaTrouble::NotReceived, out);
        }
    }

    /// The peer is heard, but not from where its SDP says.
    pub(super) fn found_elsewhere(&mut self, signalled: SocketAddr, heard: SocketAddr, out: &mut impl Sink) {
        // Who looks for the way itself has named none.
        if self.rtcp.moves < MAX_MOVES && !signalled.ip().is_unspecified() {
            self.rtcp.moves += 1;
            let shown = |address: SocketAddr| Redacted::new(address.to_string());
            let private = is_private(signalled.ip()) && !is_private(heard.ip());
            let trouble = MediaTrouble::WrongAddress { signalled: shown(signalled), heard: shown(heard), private };
            self.tell(trouble, out);
        }
    }

    pub(super) fn count_stray(&mut self, from: SocketAddr, out: &mut impl Sink) {
        self.counts.stray += 1;
        if self.counts.stray == STRAYS {
            self.tell(MediaTrouble::Strays { from: Redacted::new(from.to_string()) }, out);
        }
    }

    /// Says good-bye and gives the account.
    pub fn close(mut self, now: Micros, out: &mut impl Sink) -> MediaReport {
        self.report(now, true, out);
        self.unhinge(out);
        MediaReport {
            packets_out: self.egress.packets(),
            octets_out: self.egress.octets(),
            lost: self.stream.lost(),
            jitter_us: self.stream.jitter_us(),
            peer_lost: self.rtcp.reception.lost,
            heard: self.quality_heard(),
            sent: self.quality_sent(),
            peer_metrics: self.rtcp.reception.metrics,
            ..self.counts
        }
    }

    /// Of what came from the peer, over the whole call.
    fn quality_heard(&self) -> Option<Quality> {
        let codec = self.peer.as_ref()?.spec.codec;
        let (lost, received) = (self.stream.lost(), self.counts.packets_in);
        let trip = self.counts.round_trip_us;
        (received > 0)
            .then(|| quality::rate(codec, Path::measured(lost, lost + received, trip, self.stream.jitter_us())))
    }

    /// Of what we sent, as the peer reports it.
    fn quality_sent(&self) -> Option<Quality> {
        let codec = self.peer.as_ref()?.spec.codec;
        let reception = &self.rtcp.reception;
        reception.highest?;
        let (trip, jitter) = (self.counts.round_trip_us, self.counts.peer_jitter_us);
        Some(quality::rate(codec, Path::measured(reception.lost, self.egress.packets(), trip, jitter)))
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
        self.send_rtcp(to, &packet[..length], muxed, out);
    }

    /// Where the peer's reports came from; else what it signalled, unless its RTP showed that to be behind a NAT, whose
    /// usual next port is then the best guess.
    fn rtcp_target(&self) -> Option<SocketAddr> {
        let peer = self.peer.as_ref().filter(|peer| !peer.fax)?;
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
        let khz = self.peer.as_ref().map_or(8, |peer| peer.spec.codec.clock_khz());
        self.counts.peer_jitter_us = about.jitter.saturating_mul(1000) / khz;
        // It cannot have lost more than we sent, whatever it says.
        self.rtcp.reception.lost = u64::try_from(about.cumulative_lost).unwrap_or(0).min(self.egress.packets());
        if let Some(trip) = about.round_trip_us(now) {
            self.counts.round_trip_us = Some(trip);
        }
    }
}

impl PeerReception {
    /// Takes the highest number of ours that a report shows. True once, at the second report in a row by which
    /// nothing came of the many that were sent.
    fn is_deaf(&mut self, highest: Option<u32>, sent: u64) -> bool {
        if highest.is_some() && highest != self.highest {
            self.highest = highest;
            (self.sent_then, self.empty) = (sent, 0);
            return false;
        }
        if sent - self.sent_then < SHOULD_HAVE_COME {
            return false;
        }
        self.empty = self.empty.saturating_add(1);
        self.empty >= 2 && !std::mem::replace(&mut self.told, true)
    }
}

/// Addresses that mean nothing outside of their own network (RFC 1918, 3927, 4193, 6598).
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            let shared = v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64;
            v4.is_private() || v4.is_link_local() || v4.is_loopback() || shared
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

impl Rtcp {
    pub fn new(cname: [u8; 16], dice: u64) -> Self {
        Self {
            cname,
            dice: dice | 1,
            due: 0,
            learned: None,
            clock: None,
            packets_reported: 0,
            reception: PeerReception::default(),
            moves: 0,
        }
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
