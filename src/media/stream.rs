//! What arrives from one peer, one source (SSRC) at a time: is this packet new, in order, of the right source; how much
//! is lost and how unevenly it comes. RFC 3550 6.4.1, A.1, A.3, A.8.
//!
//! Holds one source and one rival, however many an attacker invents. Knows no address: the latch has judged that.

use super::Micros;

/// A.1: a forward jump beyond this is taken for a restarted sender, once two packets in a row agree.
const MAX_DROPOUT: u16 = 3000;
/// How far back a late packet may come and still be told from a copy: the width of the window of what was seen.
const WINDOW: u16 = 64;
/// While the known source was heard this recently, a new one must show two packets in a row before it is believed, so
/// that one stray or forged packet does not break the audio.
const SOURCE_IS_LIVE: Micros = 200_000;
/// A time stamp that strays further than this from the clock is a new time line, not jitter.
const TIME_JUMP_MS: u32 = 1000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Not seen before. `late` = a newer one came earlier.
    Fresh { late: bool },
    /// Seen before, too old to tell, or of a source that has not proven itself: not to be used.
    Unwanted,
}

#[derive(Clone, Debug, Default)]
pub struct Stream {
    source: Option<Source>,
    /// A new source or a far sequence jump that awaits a second packet: what that packet must carry.
    rival: Option<(u32, u16)>,
    /// Of sources that ended.
    past_expected: u64,
    past_received: u64,
}

#[derive(Clone, Debug)]
struct Source {
    ssrc: u32,
    /// Extended sequence numbers (cycles in the upper half).
    first: u32,
    highest: u32,
    /// Bit n = `highest - n` was received.
    seen: u64,
    received: u64,
    heard: Micros,
    transit: Option<u32>,
    /// Ticks of the RTP clock in a millisecond.
    khz: u32,
    /// Interarrival jitter in ticks, times 16 (A.8).
    jitter: u32,
    /// At the last report (A.3).
    expected_prior: u64,
    received_prior: u64,
}

/// The figures of an RTCP report block (RFC 3550 6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reception {
    pub ssrc: u32,
    pub fraction_lost: u8,
    /// Signed 24 bits on the wire.
    pub cumulative_lost: i32,
    pub highest: u32,
    /// In ticks of the RTP clock.
    pub jitter: u32,
}

impl Stream {
    pub fn arrive(&mut self, now: Micros, ssrc: u32, sequence: u16) -> Arrival {
        let Some(source) = self.source.as_mut() else {
            self.source = Some(Source::new(now, ssrc, sequence));
            return Arrival::Fresh { late: false };
        };
        let ahead = sequence.wrapping_sub(source.highest as u16);
        if source.ssrc == ssrc {
            let behind = ahead.wrapping_neg();
            if ahead < MAX_DROPOUT || behind < WINDOW {
                // The known source goes on: whatever rivals it has no claim yet.
                self.rival = None;
                return if ahead < MAX_DROPOUT { source.advance(now, ahead) } else { source.fill_in(now, behind) };
            }
        }
        let live = now.saturating_sub(source.heard) < SOURCE_IS_LIVE;
        let proven = self.rival == Some((ssrc, sequence));
        if !proven && (live || source.ssrc == ssrc) {
            self.rival = Some((ssrc, sequence.wrapping_add(1)));
            return Arrival::Unwanted;
        }
        self.rival = None;
        self.past_expected += source.expected();
        self.past_received += source.received;
        *source = Source::new(now, ssrc, sequence);
        Arrival::Fresh { late: false }
    }

    /// The peer was found elsewhere: what comes from there need not wait for the old source to fall silent.
    pub fn peer_moved(&mut self) {
        if let Some(source) = &mut self.source {
            source.heard = 0;
        }
    }

    /// A.8, for packets whose time stamp is that of their first sample (not for key events, which share one).
    pub fn time(&mut self, now: Micros, timestamp: u32, khz: u32) {
        if let Some(source) = &mut self.source {
            source.time(now, timestamp, khz);
        }
    }

    /// The source heard now.
    pub fn ssrc(&self) -> Option<u32> {
        self.source.as_ref().map(|source| source.ssrc)
    }

    /// Packets that were sent to us and never came (A.3), of all sources so far.
    pub fn lost(&self) -> u64 {
        let (expected, received) = self.source.as_ref().map_or((0, 0), |source| (source.expected(), source.received));
        (self.past_expected + expected).saturating_sub(self.past_received + received)
    }

    pub fn jitter_us(&self) -> u32 {
        self.source.as_ref().map_or(0, |source| (source.jitter >> 4).saturating_mul(1000) / source.khz)
    }

    /// The figures since the last call, for a report block; `None` before anything was heard.
    pub fn report(&mut self) -> Option<Reception> {
        let source = self.source.as_mut()?;
        let expected = source.expected();
        let expected_interval = expected - source.expected_prior;
        let received_interval = source.received - source.received_prior;
        source.expected_prior = expected;
        source.received_prior = source.received;
        // A late packet can make an interval receive more than it expects: no loss, not a wrap-around.
        let lost = expected_interval.saturating_sub(received_interval);
        let fraction = (lost * 256).checked_div(expected_interval).unwrap_or(0).min(255);
        Some(Reception {
            ssrc: source.ssrc,
            fraction_lost: fraction as u8,
            cumulative_lost: expected.saturating_sub(source.received).min(0x7f_ffff) as i32,
            highest: source.highest,
            jitter: source.jitter >> 4,
        })
    }
}

impl Source {
    fn new(now: Micros, ssrc: u32, sequence: u16) -> Self {
        // One cycle up, so that a late packet before the first cannot fall below zero.
        let first = 0x1_0000 | u32::from(sequence);
        Self {
            ssrc,
            first,
            highest: first,
            seen: 1,
            received: 1,
            heard: now,
            transit: None,
            khz: 8,
            jitter: 0,
            expected_prior: 0,
            received_prior: 0,
        }
    }

    fn advance(&mut self, now: Micros, ahead: u16) -> Arrival {
        if ahead == 0 {
            return Arrival::Unwanted;
        }
        self.highest = self.highest.wrapping_add(u32::from(ahead));
        self.seen = if ahead < WINDOW { (self.seen << ahead) | 1 } else { 1 };
        self.received += 1;
        self.heard = now;
        Arrival::Fresh { late: false }
    }

    fn fill_in(&mut self, now: Micros, behind: u16) -> Arrival {
        if self.seen & (1 << behind) != 0 {
            return Arrival::Unwanted;
        }
        self.seen |= 1 << behind;
        // Sent before what we took for the first.
        self.first = self.first.min(self.highest.wrapping_sub(u32::from(behind)));
        self.received += 1;
        self.heard = now;
        Arrival::Fresh { late: true }
    }

    fn expected(&self) -> u64 {
        u64::from(self.highest.wrapping_sub(self.first)) + 1
    }

    fn time(&mut self, now: Micros, timestamp: u32, khz: u32) {
        if self.khz != khz {
            self.jitter = self.jitter * khz / self.khz;
            (self.khz, self.transit) = (khz, None);
        }
        let transit = ((now * u64::from(khz) / 1000) as u32).wrapping_sub(timestamp);
        let Some(before) = self.transit.replace(transit) else { return };
        let change = (transit.wrapping_sub(before) as i32).unsigned_abs();
        if change < TIME_JUMP_MS * khz {
            self.jitter = self.jitter + change - ((self.jitter + 8) >> 4);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRESH: Arrival = Arrival::Fresh { late: false };
    const LATE: Arrival = Arrival::Fresh { late: true };

    fn feed(stream: &mut Stream, ssrc: u32, sequences: impl IntoIterator<Item = u16>) -> Vec<Arrival> {
        sequences.into_iter().enumerate().map(|(n, s)| stream.arrive(n as Micros * 20_000, ssrc, s)).collect()
    }

    #[test]
    fn loss_is_counted_across_the_wrap_of_the_sequence() {
        let mut stream = Stream::default();
        feed(&mut stream, 1, [65533, 65534, 1, 2]);
        assert_eq!(stream.lost(), 2, "65535 and 0");
        let report = stream.report().unwrap();
        assert_eq!((report.fraction_lost, report.cumulative_lost), (85, 2), "2 of 6 in 1/256");
        assert_eq!(report.highest, 0x2_0002);
    }

    #[test]
    fn a_late_packet_is_used_and_makes_good_a_loss_but_a_copy_is_neither() {
        let mut stream = Stream::default();
        assert_eq!(
            feed(&mut stream, 1, [10, 12, 11, 11, 12, 13]),
            [FRESH, FRESH, LATE, Arrival::Unwanted, Arrival::Unwanted, FRESH]
        );
        assert_eq!(stream.lost(), 0);
    }

    #[test]
    fn a_reordered_first_packet_does_not_count_as_more_received_than_sent() {
        let mut stream = Stream::default();
        feed(&mut stream, 1, [0, 65535, 1]);
        let report = stream.report().unwrap();
        assert_eq!((stream.lost(), report.fraction_lost, report.cumulative_lost), (0, 0, 0));
    }

    #[test]
    fn the_fraction_lost_never_wraps_when_late_packets_outnumber_what_was_expected() {
        let mut stream = Stream::default();
        feed(&mut stream, 1, [1, 5]);
        assert_eq!(stream.report().unwrap().fraction_lost, 153);
        feed(&mut stream, 1, [2, 3, 4]);
        assert_eq!(stream.report().unwrap().fraction_lost, 0);
        assert_eq!(stream.lost(), 0);
    }

    #[test]
    fn one_forged_packet_of_another_source_or_far_sequence_is_not_believed() {
        let mut stream = Stream::default();
        feed(&mut stream, 1, [10, 11]);
        assert_eq!(stream.arrive(30_000, 2, 500), Arrival::Unwanted);
        assert_eq!(stream.arrive(31_000, 1, 30_000), Arrival::Unwanted);
        assert_eq!(stream.arrive(40_000, 1, 12), FRESH);
        assert_eq!(stream.ssrc(), Some(1));
    }

    #[test]
    fn a_sender_that_restarts_is_heard_from_its_second_packet_and_no_loss_is_invented() {
        let mut stream = Stream::default();
        feed(&mut stream, 1, [10, 11]);
        assert_eq!(stream.arrive(40_000, 1, 40_000), Arrival::Unwanted);
        assert_eq!(stream.arrive(60_000, 1, 40_001), FRESH);
        assert_eq!(stream.arrive(80_000, 9, 7), Arrival::Unwanted);
        assert_eq!(stream.arrive(100_000, 9, 8), FRESH);
        assert_eq!((stream.lost(), stream.ssrc()), (0, Some(9)));
    }

    #[test]
    fn while_the_known_source_goes_on_no_other_takes_its_place() {
        let mut stream = Stream::default();
        for n in 0..50u16 {
            let now = Micros::from(n) * 20_000;
            assert_eq!(stream.arrive(now, 1, n), FRESH);
            assert_eq!(stream.arrive(now + 5_000, 2, 700 + n), Arrival::Unwanted);
        }
    }

    #[test]
    fn a_new_source_after_a_pause_is_heard_at_once() {
        let mut stream = Stream::default();
        feed(&mut stream, 1, [10]);
        assert_eq!(stream.arrive(300_000, 2, 900), FRESH);
    }

    #[test]
    fn jitter_follows_rfc_3550_a_8() {
        let mut stream = Stream::default();
        let mut reference = 0f64;
        let mut last = None;
        for n in 0..400u32 {
            // 20 ms packets, each third 4 ms late.
            let arrival = u64::from(n) * 20_000 + if n % 3 == 0 { 4_000 } else { 0 };
            stream.arrive(arrival, 1, n as u16);
            stream.time(arrival, n * 160, 8);
            let transit = arrival as f64 / 125.0 - f64::from(n * 160);
            if let Some(last) = last.replace(transit) {
                reference += ((transit - last).abs() - reference) / 16.0;
            }
        }
        let measured = f64::from(stream.jitter_us()) / 125.0;
        assert!((measured - reference).abs() <= 1.0, "{measured} {reference}");
    }

    #[test]
    fn a_jump_of_the_peers_time_line_is_not_taken_for_jitter() {
        let mut stream = Stream::default();
        for n in 0..50u32 {
            let jump = if n < 25 { 0 } else { 0x7000_0000 };
            stream.arrive(u64::from(n) * 20_000, 1, n as u16);
            stream.time(u64::from(n) * 20_000, n * 160 + jump, 8);
        }
        assert_eq!(stream.jitter_us(), 0);
    }
}
