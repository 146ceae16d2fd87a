//! Packets that wait for their turn to be decoded, and how long they should wait. RFC 3550 A.8 for the estimate.
//!
//! Fixed room, made once. Places are RTP time stamps; what they are worth in time is the caller's to know.

use super::super::{MS, Micros};
use crate::sdp::Codec;

/// 320 ms of the shortest packets, which is more than ever waits.
const SLOTS: usize = 32;
/// 120 ms of G.711, or any one Opus packet of a telephone. A longer one is refused.
const OCTETS: usize = 960;

/// What a packet waits at the least and at the most, beyond what it takes to come to its leg's turn of the wheel.
const LEAST_WAIT: Micros = 10 * MS;
const MOST_WAIT: Micros = 180 * MS;

#[derive(Debug)]
pub struct JitterBuffer {
    heads: [Option<Head>; SLOTS],
    octets: Box<[[u8; OCTETS]; SLOTS]>,
}

#[derive(Clone, Copy, Debug)]
pub struct Head {
    pub timestamp: u32,
    /// Its length in ticks.
    pub ticks: u32,
    pub codec: Codec,
    octets: u16,
}

impl Default for JitterBuffer {
    fn default() -> Self {
        Self { heads: [None; SLOTS], octets: Box::new([[0; OCTETS]; SLOTS]) }
    }
}

impl JitterBuffer {
    /// False = too long a packet, or no room.
    pub fn insert(&mut self, codec: Codec, timestamp: u32, ticks: u32, payload: &[u8]) -> bool {
        let Some(slot) = self.heads.iter().position(Option::is_none) else { return false };
        let (Ok(octets), Some(room)) = (u16::try_from(payload.len()), self.octets[slot].get_mut(..payload.len()))
        else {
            return false;
        };
        room.copy_from_slice(payload);
        self.heads[slot] = Some(Head { timestamp, ticks, codec, octets });
        true
    }

    /// The earliest packet, whose place is told by how far it is after `from`.
    pub fn earliest(&self, from: u32) -> Option<(usize, Head)> {
        let waiting = self.heads.iter().enumerate().filter_map(|(slot, head)| head.map(|head| (slot, head)));
        waiting.min_by_key(|(_, head)| head.timestamp.wrapping_sub(from).cast_signed())
    }

    pub fn payload(&self, slot: usize) -> &[u8] {
        match self.heads.get(slot) {
            Some(Some(head)) => &self.octets[slot][..usize::from(head.octets)],
            Some(None) | None => &[],
        }
    }

    pub fn remove(&mut self, slot: usize) {
        if let Some(head) = self.heads.get_mut(slot) {
            *head = None;
        }
    }

    pub fn clear(&mut self) {
        self.heads = [None; SLOTS];
    }
}

/// How unevenly packets come, and so how long they should wait.
#[derive(Debug, Default)]
pub struct Unevenness {
    transit: Option<u32>,
    /// Interarrival jitter in microseconds, times 16.
    jitter: u64,
}

impl Unevenness {
    /// A packet whose time stamp counts `khz` ticks a millisecond, and wraps.
    pub fn arrive(&mut self, now: Micros, timestamp: u32, khz: u32) {
        let transit = ((now * u64::from(khz) / 1000) as u32).wrapping_sub(timestamp);
        if let Some(before) = self.transit.replace(transit) {
            let change = u64::from(transit.wrapping_sub(before).cast_signed().unsigned_abs()) * 1000 / u64::from(khz);
            // One outage is no sign of an uneven way.
            self.jitter = self.jitter + change.min(MOST_WAIT) - ((self.jitter + 8) >> 4);
        }
    }

    /// The time line has changed; how uneven the way is has not.
    pub fn forget_transit(&mut self) {
        self.transit = None;
    }

    /// Three times the mean deviation holds all but a few packets in a hundred.
    pub fn wait(&self) -> Micros {
        (3 * (self.jitter >> 4)).clamp(LEAST_WAIT, MOST_WAIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_out_in_the_order_of_their_time_over_the_wrap() {
        let mut buffer = JitterBuffer::default();
        let start = u32::MAX - 100;
        for n in [2u32, 0, 3, 1] {
            assert!(buffer.insert(Codec::Pcmu, start.wrapping_add(n * 160), 160, &[n as u8; 160]));
        }
        for n in 0..4u32 {
            let (slot, head) = buffer.earliest(start).unwrap();
            assert_eq!((head.timestamp, buffer.payload(slot)[0]), (start.wrapping_add(n * 160), n as u8));
            buffer.remove(slot);
        }
        assert!(buffer.earliest(start).is_none());
    }

    #[test]
    fn a_full_buffer_and_a_monstrous_packet_are_refused() {
        let mut buffer = JitterBuffer::default();
        assert!(!buffer.insert(Codec::Pcmu, 0, 961, &[0; 961]));
        let taken = (0..100).filter(|n| buffer.insert(Codec::Pcmu, n * 80, 80, &[0; 80])).count();
        assert_eq!(taken, SLOTS);
    }

    #[test]
    fn the_wait_follows_the_network_within_its_bounds() {
        let mut even = Unevenness::default();
        let mut uneven = Unevenness::default();
        let mut wild = Unevenness::default();
        for n in 0..500u64 {
            let (sent, timestamp) = (n * 20 * MS, 0xffff_ff00u32.wrapping_add(n as u32 * 160));
            even.arrive(sent, timestamp, 8);
            uneven.arrive(sent + (n * 7 % 31) * MS, timestamp, 8);
            wild.arrive(sent + (n * 7919 % 900) * MS, timestamp, 8);
        }
        assert_eq!(even.wait(), LEAST_WAIT);
        assert!((20 * MS..=60 * MS).contains(&uneven.wait()), "{}", uneven.wait());
        assert_eq!(wild.wait(), MOST_WAIT);
    }
}
