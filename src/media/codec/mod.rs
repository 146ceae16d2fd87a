//! Audio codecs, one file each. Tables and arithmetic only: no stream, no packet, no time.

pub mod g711;

use crate::sdp::Codec;

/// The octet that a decoder turns into no sound, for filling packets (positive zero of each law).
pub const fn silence(codec: Codec) -> u8 {
    match codec {
        Codec::Pcmu => 0xff,
        Codec::Pcma => 0xd5,
    }
}

/// Changes `payload` from one codec to another where it lies. Both are one octet a sample, so the length stays.
pub fn convert(payload: &mut [u8], from: Codec, to: Codec) {
    let table = match (from, to) {
        (Codec::Pcmu, Codec::Pcma) => &g711::ULAW_TO_ALAW,
        (Codec::Pcma, Codec::Pcmu) => &g711::ALAW_TO_ULAW,
        (Codec::Pcmu, Codec::Pcmu) | (Codec::Pcma, Codec::Pcma) => return,
    };
    for octet in payload {
        *octet = table[usize::from(*octet)];
    }
}

/// 16-bit linear samples of an encoded payload.
pub fn decode(codec: Codec, payload: &[u8]) -> impl Iterator<Item = i16> {
    let table = match codec {
        Codec::Pcmu => &g711::ULAW_DECODE,
        Codec::Pcma => &g711::ALAW_DECODE,
    };
    payload.iter().map(|&octet| table[usize::from(octet)])
}
