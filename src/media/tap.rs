//! What a recording is told of one received packet: the encoded payload as it came, and when. Never re-packetised,
//! never decoded here; placing it on the wall-clock line is the recorder's.

use super::command::RecordingId;
use crate::sdp::Codec;
use std::time::Instant;

/// 60 ms of G.711 or G.722, of which a longer packet becomes several frames, and of Opus at 64 kbit/s, of which a longer one
/// cannot be cut and is counted as lost.
pub const TAP_BYTES: usize = 480;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The caller: left.
    Near,
    /// The other party: right.
    Far,
}

/// Fixed size and without pointers, so that it moves through a ring without an allocation.
#[derive(Clone, Copy)]
pub struct TapFrame {
    pub recording: RecordingId,
    pub side: Side,
    pub codec: Codec,
    /// The sender's SSRC; `timestamp` and `sequence` mean something only within one.
    pub ssrc: u32,
    pub timestamp: u32,
    pub sequence: u16,
    pub arrived: Instant,
    len: u16,
    bytes: [u8; TAP_BYTES],
}

impl TapFrame {
    /// Whether a packet can be recorded.
    pub fn holds(codec: Codec, payload: &[u8]) -> bool {
        codec != Codec::Opus || payload.len() <= TAP_BYTES
    }

    /// Splits `payload` into frames, each with the time stamp of its first sample.
    pub fn split(first: TapFrame, payload: &[u8]) -> impl Iterator<Item = TapFrame> {
        let payload = if Self::holds(first.codec, payload) { payload } else { &[] };
        payload.chunks(TAP_BYTES).enumerate().map(move |(nth, part)| {
            let mut frame = first;
            frame.timestamp = first.timestamp.wrapping_add((nth * TAP_BYTES) as u32);
            frame.len = part.len() as u16;
            frame.bytes[..part.len()].copy_from_slice(part);
            frame
        })
    }

    pub fn empty(recording: RecordingId, side: Side, codec: Codec, arrived: Instant) -> Self {
        Self { recording, side, codec, ssrc: 0, timestamp: 0, sequence: 0, arrived, len: 0, bytes: [0; TAP_BYTES] }
    }

    pub fn payload(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}
