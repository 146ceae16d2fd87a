//! Senders that may turn out to be the peer, and what they have shown so far.

use crate::media::{MS, Micros};
use std::net::{IpAddr, SocketAddr};

/// A candidate that does not go on within this time is forgotten.
const CANDIDATE_LIFE: Micros = 80 * MS;
/// Places for senders that have shown two packets in sequence; strangers do not take those of near hosts.
const NEAR_CANDIDATES: usize = 4;
const FAR_CANDIDATES: usize = 12;
/// First packets that are remembered, as what the second must be. Large, so that a spray of 2,000 forged packets a
/// second leaves three of four callers' first packets in place until their second comes.
const SIGHTINGS: usize = 128;

/// Senders on probation. All places are fixed in number: a sender is remembered by its first packet only as a mark of
/// what its second must be, and takes a place with the second; a newcomer takes only a place whose holder has gone
/// quiet. So neither a spray from ever new addresses nor one from a single address pushes out who keeps up a stream.
#[derive(Clone, Debug)]
pub(super) struct Suspects {
    /// Marks of (address, SSRC, next sequence).
    sightings: [u32; SIGHTINGS],
    near: [Option<Candidate>; NEAR_CANDIDATES],
    far: [Option<Candidate>; FAR_CANDIDATES],
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    from: SocketAddr,
    ssrc: u32,
    sequence: u16,
    packets: u8,
    since: Micros,
    heard: Micros,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub now: Micros,
    pub from: SocketAddr,
    pub ssrc: u32,
    pub sequence: u16,
}

impl Default for Suspects {
    fn default() -> Self {
        Self { sightings: [0; SIGHTINGS], near: [None; NEAR_CANDIDATES], far: [None; FAR_CANDIDATES] }
    }
}

impl Suspects {
    /// Counts the packet; true when its sender has shown `packets` in sequence, spread over at least `over`.
    pub fn weigh(&mut self, near: bool, sample: Sample, packets: u8, over: Micros) -> bool {
        let Sample { now, from, ssrc, sequence } = sample;
        let places = if near { &mut self.near[..] } else { &mut self.far[..] };
        if let Some(candidate) = places.iter_mut().flatten().find(|candidate| candidate.from == from) {
            // A lost packet or two are no break of sequence.
            let in_sequence = candidate.ssrc == ssrc && (1..=3).contains(&sequence.wrapping_sub(candidate.sequence));
            if in_sequence && now.saturating_sub(candidate.heard) <= CANDIDATE_LIFE {
                candidate.sequence = sequence;
                candidate.heard = now;
                candidate.packets = candidate.packets.saturating_add(1);
                return candidate.packets >= packets && now - candidate.since >= over;
            }
        }
        if !self.seen_before(sample) {
            return false;
        }
        if packets <= 2 && over == 0 {
            return true;
        }
        let candidate = Candidate { from, ssrc, sequence, packets: 2, since: now, heard: now };
        let places = if near { &mut self.near[..] } else { &mut self.far[..] };
        let free = places.iter_mut().find(|place| {
            place.is_none_or(|held| held.from == from || now.saturating_sub(held.heard) > CANDIDATE_LIFE)
        });
        if let Some(place) = free {
            *place = Some(candidate);
        }
        false
    }

    /// Whether the packet right before this one was seen; marks the one after it.
    fn seen_before(&mut self, sample: Sample) -> bool {
        let awaited = mark(sample);
        let next = mark(Sample { sequence: sample.sequence.wrapping_add(1), ..sample });
        let seen = self.sightings[awaited as usize % SIGHTINGS] == awaited;
        self.sightings[next as usize % SIGHTINGS] = next;
        seen
    }
}

/// FNV-1a over address, SSRC and sequence. Never 0, which marks nothing.
fn mark(sample: Sample) -> u32 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let mut mix = |value: u64| hash = (hash ^ value).wrapping_mul(0x0100_0000_01b3);
    match sample.from.ip() {
        IpAddr::V4(ip) => mix(u64::from(ip.to_bits())),
        IpAddr::V6(ip) => {
            mix(ip.to_bits() as u64);
            mix((ip.to_bits() >> 64) as u64);
        }
    }
    mix(u64::from(sample.from.port()) << 48 | u64::from(sample.ssrc) << 16 | u64::from(sample.sequence));
    (hash >> 32) as u32 | 1 << 31
}
