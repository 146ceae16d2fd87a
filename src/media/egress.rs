//! What leaves on one leg: one SSRC, one sequence and one time line for the leg's whole life, whatever the source
//! (prompt, hold music, the other party, keys, silence). Every packet that is sent gets its header here.
//!
//! RFC 3550 5.1: the time stamp follows the sampling clock, so at a change of source it advances by the time that has
//! passed, and the first packet after the change carries the marker. The sequence never jumps by our doing: packets
//! that we make count by one; a relayed run keeps the sender's gaps and order, because only with them can the far end
//! conceal what is lost (RFC 3550 7.1: losses in the incoming stream may induce corresponding gaps).
//! Knows no address and no payload; of the codec only its clock. Lengths of sound are handed in as 8 kHz samples, or, where
//! a packet is relayed, in ticks of that clock.

use super::Micros;
use super::rtp::Header;
use super::sink::LegSlot;

/// A relayed sequence gap up to this is loss and is passed on; beyond, the source is taken to have restarted.
const MAX_GAP: u16 = 100;
/// A relayed time stamp may depart from the clock by this much (1 s) before it is taken for a new time line; network
/// bursts stay far below.
const MAX_DRIFT_MS: u32 = 1000;
/// A relayed run may run this far (100 ms) ahead of the clock while it is young: then its first packets were late, held
/// up on the way, and silence has already been sent in their stead. What is more is left out, else it would stay as
/// delay for the rest of the call.
const MAX_LEAD_MS: u32 = 100;
const YOUNG: Micros = 1_000_000;

/// Who fills the packets. A change is what RFC 3550 calls a switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Play(super::command::PlayId),
    /// Another leg's sound, encoded anew.
    Leg(LegSlot),
    /// What the others of a conference say.
    Conference,
    /// Keys as tones.
    Keys,
    Silence,
}

#[derive(Clone, Debug)]
pub struct Egress {
    ssrc: u32,
    /// Ticks of the RTP clock in a millisecond.
    khz: u32,
    run: Run,
    /// Of the newest packet.
    sequence: u16,
    timestamp: u32,
    sent: Micros,
    /// Its length in ticks.
    length: u32,
    /// Ticks by which the time line is ahead of the clock, because a switch came before the last packet had been
    /// played out. Paid back at the next switch that leaves room.
    ahead: u32,
    packets: u64,
    octets: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Run {
    /// Nothing was sent, or the next packet opens a new run whatever its source.
    None,
    Paced(Source),
    Relay(Relay),
    Event,
}

/// One stretch of one sender's packets, shifted as a whole onto our lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Relay {
    from: LegSlot,
    ssrc: u32,
    /// How far the newest packet is ahead of the first, as far as a late one can be told from one to come.
    span: u16,
    began: Micros,
    /// On our time line.
    began_at: u32,
    sequence_shift: u16,
    timestamp_shift: u32,
}

impl Egress {
    /// `sequence` and `timestamp` start at random (RFC 3550 5.1); the sequence in the lower half, as RFC 3711 3.3.1
    /// asks of streams that may be encrypted.
    pub fn new(ssrc: u32, sequence: u16, timestamp: u32) -> Self {
        Self {
            ssrc,
            khz: 8,
            run: Run::None,
            sequence: sequence & 0x7fff,
            timestamp,
            sent: 0,
            length: 0,
            ahead: 0,
            packets: 0,
            octets: 0,
        }
    }

    /// Another codec is sent from now on, whose RTP clock may be another: the line goes on from where it is (RFC 7160 4.1).
    pub fn set_clock(&mut self, khz: u32) {
        if khz != self.khz {
            (self.length, self.ahead) = (self.length * khz / self.khz, self.ahead * khz / self.khz);
            self.khz = khz;
            self.end_run();
        }
    }

    /// The next packet of a source that is paced by our own clock. A pause of three packets or more (the worker was
    /// held up) is a gap in time, not a slower clock.
    pub fn paced(&mut self, now: Micros, source: Source, samples: u32) -> Header {
        let goes_on = self.run == Run::Paced(source) && self.elapsed(now) < self.length.saturating_mul(3);
        if goes_on {
            self.sequence = self.sequence.wrapping_add(1);
            self.timestamp = self.timestamp.wrapping_add(self.length);
        } else {
            self.switch(now, Run::Paced(source));
        }
        self.stamp(now, samples * self.khz / 8, !goes_on)
    }

    /// A packet received by leg `from`, `ticks` long. `None` = it belongs before a switch that has been made since, or its place is
    /// past: do not send it.
    #[allow(clippy::too_many_arguments)] // The five are one RTP header; a struct would be built for this call alone.
    pub fn relayed(
        &mut self,
        now: Micros,
        from: LegSlot,
        ssrc: u32,
        sequence: u16,
        timestamp: u32,
        ticks: u32,
        marker: bool,
    ) -> Option<Header> {
        if let Run::Relay(relay) = self.run
            && relay.from == from
            && relay.ssrc == ssrc
        {
            let shifted = sequence.wrapping_add(relay.sequence_shift);
            let time = timestamp.wrapping_add(relay.timestamp_shift);
            let ahead = shifted.wrapping_sub(self.sequence);
            if ahead == 0 {
                return None;
            }
            if ahead >= 0x8000 {
                // Late. Not if it was sent before this run began: its number is taken.
                let in_run = ahead.wrapping_neg() <= relay.span;
                return in_run.then(|| self.header(shifted, time, marker));
            }
            let drift = time.wrapping_sub(self.timestamp.wrapping_add(self.elapsed(now))) as i32;
            if ahead <= MAX_GAP && drift.unsigned_abs() < MAX_DRIFT_MS * self.khz {
                let passed = now.saturating_sub(relay.began);
                let lead = time.wrapping_sub(relay.began_at).wrapping_sub(self.ticks(passed)).cast_signed();
                if passed < YOUNG && lead > (MAX_LEAD_MS * self.khz).cast_signed() {
                    self.run = Run::Relay(Relay {
                        sequence_shift: relay.sequence_shift.wrapping_sub(1),
                        timestamp_shift: relay.timestamp_shift.wrapping_sub(ticks),
                        ..relay
                    });
                    return None;
                }
                self.run = Run::Relay(Relay { span: relay.span.saturating_add(ahead).min(0x8000), ..relay });
                self.sequence = shifted;
                self.timestamp = time;
                return Some(self.stamp(now, ticks, marker));
            }
        }
        self.switch(now, Run::None);
        self.run = Run::Relay(Relay {
            from,
            ssrc,
            span: 0,
            began: now,
            began_at: self.timestamp,
            sequence_shift: self.sequence.wrapping_sub(sequence),
            timestamp_shift: self.timestamp.wrapping_sub(timestamp),
        });
        Some(self.stamp(now, ticks, true))
    }

    /// The first packet of a key event: its time stamp holds for the whole event (RFC 4733 2.2.2), its marker is set.
    pub fn event_begins(&mut self, now: Micros) -> Header {
        self.switch(now, Run::Event);
        self.stamp(now, 0, true)
    }

    /// A further packet of the event, which has lasted `samples` of 8 kHz by now.
    pub fn event_goes_on(&mut self, samples: u32) -> Header {
        self.sequence = self.sequence.wrapping_add(1);
        self.length = samples * self.khz / 8;
        self.header(self.sequence, self.timestamp, false)
    }

    /// What comes next is a switch, even from the same source: packets in between were kept back.
    pub fn end_run(&mut self) {
        self.run = Run::None;
    }

    /// Whether the newest packet was of this source.
    pub fn is_paced_by(&self, source: Source) -> bool {
        self.run == Run::Paced(source)
    }

    /// Counts what was sent, for sender reports.
    pub fn count(&mut self, octets: usize) {
        self.packets += 1;
        self.octets += octets as u64;
    }

    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// Of payload.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// When the newest packet was sent; 0 = none was.
    pub fn last_sent(&self) -> Micros {
        self.sent
    }

    /// The time stamp that belongs to `now` (RFC 3550 6.4.1, sender reports).
    pub fn timestamp_at(&self, now: Micros) -> u32 {
        self.timestamp.wrapping_add(self.elapsed(now))
    }

    /// Ticks since the newest packet.
    fn elapsed(&self, now: Micros) -> u32 {
        self.ticks(now.saturating_sub(self.sent))
    }

    fn ticks(&self, time: Micros) -> u32 {
        // The line wraps, and so may this.
        (time * u64::from(self.khz) / 1000) as u32
    }

    /// Places the next packet behind the newest one: by one in sequence, by the clock in time, never overlapping.
    fn switch(&mut self, now: Micros, run: Run) {
        self.run = run;
        self.sequence = self.sequence.wrapping_add(1);
        if self.packets == 0 {
            return;
        }
        let elapsed = self.elapsed(now);
        let step = elapsed.saturating_sub(self.ahead).max(self.length);
        self.ahead = (self.ahead + step).saturating_sub(elapsed);
        self.timestamp = self.timestamp.wrapping_add(step);
    }

    fn stamp(&mut self, now: Micros, ticks: u32, marker: bool) -> Header {
        self.sent = now;
        self.length = ticks;
        self.header(self.sequence, self.timestamp, marker)
    }

    fn header(&self, sequence: u16, timestamp: u32, marker: bool) -> Header {
        Header { marker, payload_type: 0, sequence, timestamp, ssrc: self.ssrc }
    }
}

#[cfg(test)]
mod tests {
    use super::super::command::PlayId;
    use super::*;

    const A: LegSlot = LegSlot { index: 1, generation: 1 };
    const PLAY: Source = Source::Play(PlayId(1));

    fn egress() -> Egress {
        Egress::new(0xabcd, 100, 50_000)
    }

    /// Sends by `paced` and counts, as a leg does.
    fn pace(egress: &mut Egress, ms: u64, source: Source) -> (u16, u32, bool) {
        let header = egress.paced(ms * 1000, source, 160);
        egress.count(160);
        (header.sequence, header.timestamp, header.marker)
    }

    fn relay(egress: &mut Egress, ms: u64, sequence: u16, timestamp: u32) -> Option<(u16, u32, bool)> {
        let header = egress.relayed(ms * 1000, A, 7, sequence, timestamp, 160, false)?;
        egress.count(160);
        Some((header.sequence, header.timestamp, header.marker))
    }

    #[test]
    fn a_change_of_source_keeps_the_sequence_and_moves_the_time_by_the_clock() {
        let mut egress = egress();
        assert_eq!(pace(&mut egress, 1000, PLAY), (101, 50_000, true));
        assert_eq!(pace(&mut egress, 1020, PLAY), (102, 50_160, false));
        // 55 ms later the other party speaks, with numbers of its own.
        assert_eq!(relay(&mut egress, 1075, 9000, 77), Some((103, 50_160 + 440, true)));
        assert_eq!(relay(&mut egress, 1095, 9001, 77 + 160), Some((104, 50_760, false)));
        assert_eq!(pace(&mut egress, 2095, Source::Silence), (105, 58_760, true));
    }

    #[test]
    fn a_switch_before_the_last_packet_was_played_out_does_not_overlap_and_is_paid_back() {
        let mut egress = egress();
        pace(&mut egress, 1000, PLAY);
        assert_eq!(pace(&mut egress, 1005, Source::Silence).1, 50_160, "not 50 040");
        // 115 ms after the first packet the time line is back on the clock.
        assert_eq!(relay(&mut egress, 1115, 1, 1).unwrap().1, 50_000 + 115 * 8);
    }

    #[test]
    fn loss_and_order_of_a_relayed_run_reach_the_far_end() {
        let mut egress = egress();
        assert_eq!(relay(&mut egress, 0, 65534, 0).unwrap().0, 101);
        assert_eq!(relay(&mut egress, 40, 0, 320).unwrap(), (103, 50_320, false), "65535 is missing");
        assert_eq!(relay(&mut egress, 45, 65535, 160).unwrap(), (102, 50_160, false), "late, in its place");
        assert_eq!(relay(&mut egress, 60, 1, 480).unwrap(), (104, 50_480, false));
    }

    #[test]
    fn late_packets_keep_their_place_however_long_the_run_is() {
        let mut egress = egress();
        let mut time = 0;
        for n in 0..70_000u32 {
            let (sequence, at) = (n as u16, u64::from(n) * 20);
            match n % 1000 {
                // This one and the next change places on the way.
                998 => time = n,
                999 => {
                    let newest = relay(&mut egress, at, sequence, n * 160).unwrap();
                    let late = relay(&mut egress, at + 1, time as u16, time * 160).unwrap();
                    assert_eq!((late.0, late.1), (newest.0.wrapping_sub(1), newest.1.wrapping_sub(160)), "{n}");
                }
                _ => drop(relay(&mut egress, at, sequence, n * 160).unwrap()),
            }
        }
    }

    #[test]
    fn a_packet_from_before_a_switch_is_not_sent_because_its_number_is_taken() {
        let mut egress = egress();
        relay(&mut egress, 0, 10, 0);
        relay(&mut egress, 40, 12, 320);
        pace(&mut egress, 60, PLAY);
        assert_eq!(relay(&mut egress, 80, 13, 480).unwrap().0, 105);
        assert_eq!(relay(&mut egress, 81, 11, 160), None);
    }

    #[test]
    fn a_jump_of_the_senders_time_or_sequence_becomes_a_switch() {
        let mut egress = egress();
        relay(&mut egress, 0, 10, 0);
        assert_eq!(relay(&mut egress, 20, 11, 0x4000_0000).unwrap(), (102, 50_160, true));
        assert_eq!(relay(&mut egress, 40, 2011, 0x4000_00a0).unwrap(), (103, 50_320, true));
    }

    #[test]
    fn packets_held_up_on_the_way_do_not_stay_as_delay() {
        let mut egress = egress();
        relay(&mut egress, 0, 0, 0);
        for frame in 0..20 {
            pace(&mut egress, 200 + frame * 20, Source::Silence);
        }
        // 30 packets of the last 600 ms come at once; then the peer goes on in real time.
        let mut last = 0;
        let mut sent = 0;
        for n in 1..=30 {
            if let Some((_, timestamp, _)) = relay(&mut egress, 600, n, u32::from(n) * 160) {
                last = timestamp;
                sent += 1;
            }
        }
        assert!(sent <= 7, "{sent}");
        for n in 31..40u16 {
            let now = 600 + u64::from(n - 30) * 20;
            let (_, timestamp, _) = relay(&mut egress, now, n, u32::from(n) * 160).unwrap();
            assert_eq!(timestamp.wrapping_sub(last), 160, "no hole, no overlap");
            let lead = timestamp.wrapping_sub(50_000) as i64 - now as i64 * 8;
            assert!(lead <= 800 + 160, "{lead}");
            last = timestamp;
        }
    }

    #[test]
    fn a_worker_that_was_held_up_leaves_a_gap_in_time() {
        let mut egress = egress();
        pace(&mut egress, 0, PLAY);
        assert_eq!(pace(&mut egress, 45, PLAY), (102, 50_160, false), "a late frame keeps its place");
        assert_eq!(pace(&mut egress, 1000, PLAY), (103, 50_160 + 955 * 8, true));
    }

    #[test]
    fn a_key_has_one_time_stamp_and_sound_goes_on_behind_it() {
        let mut egress = egress();
        pace(&mut egress, 0, PLAY);
        let first = egress.event_begins(20_000);
        egress.count(4);
        let next = egress.event_goes_on(320);
        egress.count(4);
        assert_eq!((first.sequence, first.timestamp, first.marker), (102, 50_160, true));
        assert_eq!((next.sequence, next.timestamp, next.marker), (103, 50_160, false));
        assert_eq!(pace(&mut egress, 100, PLAY), (104, 50_000 + 800, true));
    }
}
