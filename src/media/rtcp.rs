//! RTCP compound packets (RFC 3550 6): sender and receiver reports with SDES CNAME, and BYE, written; reports about us,
//! the sender's clock and what its meter says (RFC 3611), read. One source each way, as ours are point-to-point streams.

use super::Micros;
use super::stream::Reception;
use crate::events::media::VoipMetrics;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const BYE: u8 = 203;
const EXTENDED_REPORT: u8 = 207;
/// The block of RFC 3611 4.7, and its length in octets behind the block's head.
const VOIP_METRICS: u8 = 7;
const VOIP_METRICS_OCTETS: usize = 32;
const CNAME: u8 = 1;

/// SR with one block, SDES with a CNAME of 16 octets, BYE.
pub const MAX_BUILT: usize = 28 + 24 + 28 + 8;
/// A compound packet from the wire; reports of a point-to-point stream are far smaller.
const MAX_READ: usize = 1500;

/// Our half of a sender report.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    pub timestamp: u32,
    pub packets: u64,
    pub octets: u64,
}

/// The peer's last sender report: the middle of its NTP time, and when it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerClock {
    pub middle: u32,
    pub arrived: Micros,
}

/// What one compound packet says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Read {
    /// The middle 32 bits of the sender's NTP time, if it is a sender.
    pub clock: Option<u32>,
    /// It has a report, if only of others.
    pub reports: bool,
    pub about_us: Option<AboutUs>,
    pub metrics: Option<VoipMetrics>,
    /// The source that takes its leave.
    pub bye: Option<u32>,
}

/// How the peer hears us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AboutUs {
    pub fraction_lost: u8,
    /// Below zero when copies outnumber what was lost.
    pub cumulative_lost: i32,
    pub highest: u32,
    pub jitter: u32,
    /// Of our report that it last saw (0 = none), and how long it held it, in 1/65536 s.
    last_report: u32,
    delay: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// What goes into a compound packet.
#[derive(Clone, Copy, Debug)]
pub struct Compound<'a> {
    pub ssrc: u32,
    /// `None` = nothing was sent since the last report: a receiver report.
    pub sent: Option<Sent>,
    pub heard: Option<(Reception, Option<PeerClock>)>,
    pub cname: &'a [u8; 16],
    pub bye: bool,
}

impl Compound<'_> {
    /// Writes the packet and returns its length.
    pub fn write(&self, now: Micros, into: &mut [u8; MAX_BUILT]) -> usize {
        let mut out = Writer { into, at: 0 };
        let blocks = u8::from(self.heard.is_some());
        match self.sent {
            Some(sent) => {
                out.head(blocks, SENDER_REPORT, 6 + 6 * u16::from(blocks));
                out.word(self.ssrc);
                let ntp = ntp(now);
                out.word((ntp >> 32) as u32);
                out.word(ntp as u32);
                out.word(sent.timestamp);
                // 6.4.1: modulo 2^32.
                out.word(sent.packets as u32);
                out.word(sent.octets as u32);
            }
            None => {
                out.head(blocks, RECEIVER_REPORT, 1 + 6 * u16::from(blocks));
                out.word(self.ssrc);
            }
        }
        if let Some((reception, clock)) = self.heard {
            out.word(reception.ssrc);
            out.word(u32::from(reception.fraction_lost) << 24 | reception.cumulative_lost as u32 & 0x00ff_ffff);
            out.word(reception.highest);
            out.word(reception.jitter);
            let delay = |clock: PeerClock| ((now.saturating_sub(clock.arrived) << 16) / 1_000_000) as u32;
            out.word(clock.map_or(0, |clock| clock.middle));
            out.word(clock.map_or(0, delay));
        }
        // SDES: one chunk of SSRC, item (type, length, text), and at least one zero octet up to a word.
        out.head(1, SOURCE_DESCRIPTION, 6);
        out.word(self.ssrc);
        out.octets(&[CNAME, 16]);
        out.octets(self.cname);
        out.octets(&[0, 0]);
        if self.bye {
            out.head(1, BYE, 1);
            out.word(self.ssrc);
        }
        out.at
    }
}

/// Reads a compound packet. `ours` = the SSRC whose report blocks are meant for us.
pub fn parse(packet: &[u8], ours: u32) -> Result<Read, Malformed> {
    if packet.len() > MAX_READ || packet.is_empty() {
        return Err(Malformed);
    }
    let mut read = Read::default();
    let mut rest = packet;
    while let [first, kind, high, low, ..] = *rest {
        let length = 4 + 4 * usize::from(u16::from_be_bytes([high, low]));
        if first >> 6 != 2 || length > rest.len() {
            return Err(Malformed);
        }
        let (body, next) = (&rest[4..length], &rest[length..]);
        let count = usize::from(first & 0x1f);
        // RFC 5506 2: a compound packet may be reduced, so the first may be of any kind, but it must be RTCP.
        match kind {
            SENDER_REPORT => {
                let sender = body.get(..24).ok_or(Malformed)?;
                read.clock = Some(word(sender, 4) << 16 | word(sender, 8) >> 16);
                read.reports = true;
                read.about_us = blocks(&body[24..], count, ours)?.or(read.about_us);
            }
            RECEIVER_REPORT => {
                let blocks_start = body.get(4..).ok_or(Malformed)?;
                read.reports = true;
                read.about_us = blocks(blocks_start, count, ours)?.or(read.about_us);
            }
            BYE => read.bye = body.get(..4).filter(|_| count > 0).map(|ssrc| word(ssrc, 0)).or(read.bye),
            EXTENDED_REPORT => {
                let blocks = body.get(4..).ok_or(Malformed)?;
                read.metrics = metrics(blocks, ours)?.or(read.metrics);
            }
            192..=223 => {}
            _ => return Err(Malformed),
        }
        rest = next;
    }
    if rest.is_empty() { Ok(read) } else { Err(Malformed) }
}

impl AboutUs {
    /// Round trip in microseconds (RFC 3550 6.4.1); `None` if the peer has seen no report of ours, or lies.
    pub fn round_trip_us(&self, now: Micros) -> Option<u32> {
        if self.last_report == 0 {
            return None;
        }
        let trip = middle(ntp(now)).wrapping_sub(self.last_report).wrapping_sub(self.delay);
        // Half a minute is no round trip; and clocks' grain can make it a hair below zero.
        match trip as i32 {
            -66..=0 => Some(0),
            1..0x1e_0000 => Some(((u64::from(trip) * 1_000_000) >> 16) as u32),
            _ => None,
        }
    }
}

/// The plane has no wall clock; RFC 3550 6.4.1 allows time since some start. Not 0, which means "none".
fn ntp(now: Micros) -> u64 {
    let seconds = now / 1_000_000 + 0x1_0000;
    let fraction = ((now % 1_000_000) << 32) / 1_000_000;
    seconds << 32 | fraction
}

fn middle(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

fn blocks(body: &[u8], count: usize, ours: u32) -> Result<Option<AboutUs>, Malformed> {
    let blocks = body.get(..24 * count).ok_or(Malformed)?;
    let ours = blocks.chunks_exact(24).find(|block| word(block, 0) == ours);
    Ok(ours.map(|block| AboutUs {
        fraction_lost: block[4],
        // The upper 8 bits are the fraction: shifted out, and the sign of 24 bits shifted back.
        cumulative_lost: (word(block, 4) << 8) as i32 >> 8,
        highest: word(block, 8),
        jitter: word(block, 12),
        last_report: word(block, 16),
        delay: word(block, 20),
    }))
}

/// The VoIP metrics about us among the blocks of an extended report (RFC 3611 3).
fn metrics(mut rest: &[u8], ours: u32) -> Result<Option<VoipMetrics>, Malformed> {
    let mut found = None;
    while let [kind, _, high, low, ..] = *rest {
        let length = 4 + 4 * usize::from(u16::from_be_bytes([high, low]));
        let block = rest.get(4..length).ok_or(Malformed)?;
        if kind == VOIP_METRICS {
            // The length of this block is fixed (4.7).
            let block: &[u8; VOIP_METRICS_OCTETS] = block.try_into().map_err(|_| Malformed)?;
            found = found.or((word(block, 0) == ours).then(|| voip_metrics(block)));
        }
        rest = &rest[length..];
    }
    if rest.is_empty() { Ok(found) } else { Err(Malformed) }
}

fn voip_metrics(block: &[u8; VOIP_METRICS_OCTETS]) -> VoipMetrics {
    let fraction = |octet: u8| (f32::from(octet) / 256.0 * 1000.0).round() / 1000.0;
    let pair = |at: usize| u16::from_be_bytes([block[at], block[at + 1]]);
    // 127 = not known; what is out of the scale is not believed.
    let opinion = |octet: u8| (10..=50).contains(&octet).then(|| f32::from(octet) / 10.0);
    VoipMetrics {
        loss: fraction(block[4]),
        discard: fraction(block[5]),
        end_system_delay_ms: pair(14),
        r: Some(block[20]).filter(|r| *r <= 100),
        mos_listening: opinion(block[22]),
        mos_conversation: opinion(block[23]),
        jitter_buffer_ms: pair(26),
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().fold(0, |word, &octet| word << 8 | u32::from(octet))
}

struct Writer<'a> {
    into: &'a mut [u8; MAX_BUILT],
    at: usize,
}

impl Writer<'_> {
    fn octets(&mut self, octets: &[u8]) {
        self.into[self.at..self.at + octets.len()].copy_from_slice(octets);
        self.at += octets.len();
    }

    fn word(&mut self, word: u32) {
        self.octets(&word.to_be_bytes());
    }

    fn head(&mut self, count: u8, kind: u8, words: u16) {
        self.octets(&[0x80 | count, kind]);
        self.octets(&words.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &[u8; 16] = b"0123456789abcdef";

    fn heard() -> Reception {
        Reception {
            ssrc: 0xaaaa,
            fraction_lost: 64,
            cumulative_lost: 0x0102_0304 & 0x7f_ffff,
            highest: 0x1_0005,
            jitter: 9,
        }
    }

    fn write(now: Micros, compound: Compound) -> Vec<u8> {
        let mut into = [0; MAX_BUILT];
        let length = compound.write(now, &mut into);
        into[..length].to_vec()
    }

    #[test]
    fn what_we_write_is_read_by_the_peer_it_is_about() {
        let sent = Sent { timestamp: 1, packets: 2, octets: 3 };
        let compound =
            Compound { ssrc: 0xbbbb, sent: Some(sent), heard: Some((heard(), None)), cname: NAME, bye: true };
        let packet = write(5_000_000, compound);
        assert_eq!(packet.len() % 4, 0);
        let read = parse(&packet, 0xaaaa).unwrap();
        let about = read.about_us.unwrap();
        assert_eq!((about.fraction_lost, about.jitter, read.bye), (64, 9, Some(0xbbbb)));
        assert_eq!((about.cumulative_lost, about.highest), (0x02_0304, 0x1_0005));
        assert_eq!(read.clock, Some(middle(ntp(5_000_000))));
        assert_eq!(parse(&packet, 0xcccc).unwrap().about_us, None, "about someone else");
    }

    #[test]
    fn the_octets_are_those_of_rfc_3550() {
        let packet = write(0, Compound { ssrc: 0x0102_0304, sent: None, heard: None, cname: NAME, bye: true });
        let expected = [
            &[0x80, 201, 0, 1, 1, 2, 3, 4][..],
            &[0x81, 202, 0, 6, 1, 2, 3, 4, 1, 16],
            NAME,
            &[0, 0, 0x81, 203, 0, 1, 1, 2, 3, 4],
        ]
        .concat();
        assert_eq!(packet, expected);
    }

    #[test]
    fn the_round_trip_is_what_the_peer_did_not_hold() {
        let sent = Sent { timestamp: 1, packets: 2, octets: 3 };
        let ours = write(10_000_000, Compound { ssrc: 0xaaaa, sent: Some(sent), heard: None, cname: NAME, bye: false });
        // The peer gets it 30 ms later, holds it for 2 s, and its report takes 50 ms.
        let clock = PeerClock { middle: parse(&ours, 0).unwrap().clock.unwrap(), arrived: 10_030_000 };
        let report = Compound { ssrc: 1, sent: None, heard: Some((heard(), Some(clock))), cname: NAME, bye: false };
        let about = parse(&write(12_030_000, report), 0xaaaa).unwrap().about_us.unwrap();
        let trip = about.round_trip_us(12_080_000).unwrap();
        assert!((79_900..=80_100).contains(&trip), "{trip}");
        assert_eq!(about.round_trip_us(2_000_000), None, "a report from the future");
        assert_eq!(AboutUs { last_report: 0, ..about }.round_trip_us(5_000_000), None, "it has seen none of ours");
    }

    /// An extended report of 0x0a0b about 0xaaaa: a receiver's reference time first, then VoIP metrics.
    fn extended() -> Vec<u8> {
        let mut packet = vec![0x80, 207, 0, 13, 0, 0, 0x0a, 0x0b];
        packet.extend([4, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8]);
        packet.extend([7, 0, 0, 8, 0, 0, 0xaa, 0xaa, 26, 13, 0, 0, 0, 0, 0, 0]);
        packet.extend([0, 80, 0, 65, 0xd8, 0xc4, 90, 16, 78, 127, 39, 38, 0x10, 0, 0, 60, 0, 80, 0, 200]);
        packet
    }

    #[test]
    fn what_the_peers_meter_says_is_read_where_it_is_about_us() {
        let read = parse(&extended(), 0xaaaa).unwrap();
        let metrics = VoipMetrics {
            loss: 0.102,
            discard: 0.051,
            end_system_delay_ms: 65,
            jitter_buffer_ms: 60,
            r: Some(78),
            mos_listening: Some(3.9),
            mos_conversation: Some(3.8),
        };
        assert_eq!((read.metrics, read.reports), (Some(metrics), false));
        assert_eq!(parse(&extended(), 0xbbbb).unwrap().metrics, None, "about someone else");
        let mut unknown = extended();
        unknown[44..48].copy_from_slice(&[127, 127, 127, 0]);
        let metrics = parse(&unknown, 0xaaaa).unwrap().metrics.unwrap();
        assert_eq!((metrics.r, metrics.mos_listening, metrics.mos_conversation), (None, None, None));
    }

    #[test]
    fn an_extended_report_whose_blocks_lie_is_refused() {
        for (at, lie) in [(11, 99), (11, 1), (23, 7), (23, 9), (3, 12), (3, 14)] {
            let mut bad = extended();
            bad[at] = lie;
            assert_eq!(parse(&bad, 0xaaaa), Err(Malformed), "octet {at} = {lie}");
        }
        assert_eq!(parse(&[0x80, 207, 0, 0], 0), Err(Malformed), "no sender");
    }

    #[test]
    fn losses_below_zero_are_read_with_their_sign() {
        let below = Reception { cumulative_lost: -3, ..heard() };
        let compound = Compound { ssrc: 1, sent: None, heard: Some((below, None)), cname: NAME, bye: false };
        assert_eq!(parse(&write(0, compound), 0xaaaa).unwrap().about_us.unwrap().cumulative_lost, -3);
    }

    #[test]
    fn a_packet_whose_lengths_or_counts_lie_is_refused() {
        for bad in [
            &[][..],
            &[0x80],
            &[0x40, 201, 0, 1, 0, 0, 0, 0],
            &[0x80, 201, 0, 9, 0, 0, 0, 0],
            &[0x81, 201, 0, 1, 0, 0, 0, 0],
            &[0x80, 200, 0, 1, 0, 0, 0, 0],
            &[0x80, 201, 0, 0],
            &[0x80, 100, 0, 1, 0, 0, 0, 0],
            &[0x80, 201, 0, 1, 0, 0, 0, 0, 0x80],
            &[0x80; 1501],
        ] {
            assert_eq!(parse(bad, 0), Err(Malformed), "{bad:?}");
        }
    }
}
