//! The RTP fixed header (RFC 3550 5.1): read with every length checked, written in place before a payload.

use std::ops::Range;

pub const HEADER: usize = 12;

/// Larger than any packet we accept: 200 ms of G.711 and room for extensions. Longer datagrams are refused.
pub const MAX_PACKET: usize = 2048;

/// What a packet says. `payload` is its place in the packet, after CSRCs and extension, before padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    pub marker: bool,
    pub payload_type: u8,
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    pub payload: Range<usize>,
}

/// Why a datagram is no RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    Length,
    Version,
    Csrc,
    Extension,
    Padding,
}

/// RFC 5761 4: on a shared port, second octets of 192 to 223 are RTCP.
pub fn is_rtcp(packet: &[u8]) -> bool {
    packet.get(1).is_some_and(|kind| (192..=223).contains(kind))
}

pub fn parse(packet: &[u8]) -> Result<Received, Malformed> {
    let [first, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3, ..] = *packet else {
        return Err(Malformed::Length);
    };
    if packet.len() > MAX_PACKET {
        return Err(Malformed::Length);
    }
    if first >> 6 != 2 {
        return Err(Malformed::Version);
    }
    let mut start = HEADER + 4 * usize::from(first & 0x0f);
    let mut end = packet.len();
    if start > end {
        return Err(Malformed::Csrc);
    }
    if first & 0x10 != 0 {
        // RFC 3550 5.3.1: two octets of profile, then the length in words without these four octets.
        let Some(&[_, _, high, low]) = packet.get(start..start + 4) else {
            return Err(Malformed::Extension);
        };
        start += 4 + 4 * usize::from(u16::from_be_bytes([high, low]));
        if start > end {
            return Err(Malformed::Extension);
        }
    }
    if first & 0x20 != 0 {
        let padding = usize::from(packet[end - 1]);
        if padding == 0 || padding > end - start {
            return Err(Malformed::Padding);
        }
        end -= padding;
    }
    Ok(Received {
        marker: second & 0x80 != 0,
        payload_type: second & 0x7f,
        sequence: u16::from_be_bytes([s0, s1]),
        timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
        ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
        payload: start..end,
    })
}

/// The header of a packet that we send: no padding, extension or CSRC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub marker: bool,
    pub payload_type: u8,
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
}

impl Header {
    pub fn octets(self) -> [u8; HEADER] {
        let mut octets = [0x80, u8::from(self.marker) << 7 | self.payload_type & 0x7f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        octets[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        octets[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        octets[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        octets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(first: u8, rest: &[u8]) -> Vec<u8> {
        [&[first, 0x80, 0, 7, 0, 0, 1, 0, 0xde, 0xad, 0xbe, 0xef], rest].concat()
    }

    #[test]
    fn the_payload_is_found_behind_csrcs_and_an_extension_and_before_padding() {
        let csrc = [1u8, 2, 3, 4, 5, 6, 7, 8];
        let extension = [0xbe, 0xde, 0, 1, 9, 9, 9, 9];
        let rest = [&csrc[..], &extension, b"sound", &[0, 0, 3]].concat();
        let packet = packet(0xb2, &rest);
        let rtp = parse(&packet).unwrap();
        assert_eq!(&packet[rtp.payload.clone()], b"sound");
        assert_eq!((rtp.marker, rtp.payload_type, rtp.sequence), (true, 0, 7));
        assert_eq!((rtp.timestamp, rtp.ssrc), (256, 0xdead_beef));
    }

    #[test]
    fn a_packet_whose_lengths_lie_is_refused_with_what_lied() {
        assert_eq!(parse(&[0x80; 11]), Err(Malformed::Length));
        assert_eq!(parse(&packet(0x80, &[0; MAX_PACKET])), Err(Malformed::Length));
        assert_eq!(parse(&packet(0x40, &[])), Err(Malformed::Version));
        assert_eq!(parse(&packet(0x8f, &[0; 59])), Err(Malformed::Csrc));
        assert_eq!(parse(&packet(0x90, &[0, 0, 0])), Err(Malformed::Extension));
        assert_eq!(parse(&packet(0x90, &[0, 0, 0xff, 0xff, 1, 2, 3, 4])), Err(Malformed::Extension));
        assert_eq!(parse(&packet(0xa0, &[1, 2, 3, 0])), Err(Malformed::Padding));
        assert_eq!(parse(&packet(0xa0, &[1, 2, 3, 5])), Err(Malformed::Padding));
        assert_eq!(parse(&packet(0xa0, &[])), Err(Malformed::Padding));
    }

    #[test]
    fn what_is_written_reads_back() {
        let header = Header { marker: true, payload_type: 101, sequence: 65535, timestamp: 0xffff_fff0, ssrc: 7 };
        let read = parse(&header.octets()).unwrap();
        assert_eq!((read.marker, read.payload_type, read.sequence), (true, 101, 65535));
        assert_eq!((read.timestamp, read.ssrc, read.payload), (0xffff_fff0, 7, 12..12));
    }
}
