//! ITU-T G.722 at 64 kbit/s, by the crate `audio-codec`: 16 kHz, one octet for two samples. Its RTP clock says 8000 for
//! reasons of history (RFC 3551 4.5.2), so that an octet is one tick, as in G.711.

use audio_codec::g722::{G722Decoder, G722Encoder};
use audio_codec::{Decoder as _, Encoder as _};
use std::fmt;

#[derive(Default)]
pub struct Decoder(G722Decoder);

#[derive(Default)]
pub struct Encoder(G722Encoder);

impl Decoder {
    /// Samples written: two for each octet, as far as there is room.
    pub fn decode(&mut self, payload: &[u8], pcm: &mut [i16]) -> usize {
        let octets = payload.len().min(pcm.len() / 2);
        self.0.decode_into(&payload[..octets], pcm).unwrap_or(0)
    }
}

impl Encoder {
    /// Octets written: one for two samples, as far as there is room.
    pub fn encode(&mut self, pcm: &[i16], payload: &mut [u8]) -> usize {
        let samples = (pcm.len() / 2).min(payload.len()) * 2;
        self.0.encode_into(&pcm[..samples], payload).unwrap_or(0)
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("G722")
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("G722")
    }
}
