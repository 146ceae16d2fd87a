//! Audio codecs, one file each, and the two ends of every one: [`Decoder`] and [`Encoder`]. No stream, no packet, no time.
//!
//! Linear sound is 16 bit, mono, at one of two [`Rate`]s.

pub mod g711;
pub mod g722;
pub mod opus;

use super::pcm::resample::{Halver, Resampler};
use crate::sdp::Codec;
pub use g711::Law;

/// The longest packet that is decoded: 120 ms, which is Opus' own limit, at 16 kHz.
pub const MAX_SAMPLES: usize = 1920;

/// Samples a second of linear sound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rate {
    /// 8000
    #[default]
    Narrow,
    /// 16000
    Wide,
}

impl Rate {
    /// What a codec carries.
    pub const fn of(codec: Codec) -> Self {
        match codec {
            Codec::Pcmu | Codec::Pcma => Rate::Narrow,
            Codec::G722 | Codec::Opus => Rate::Wide,
        }
    }

    pub const fn per_ms(self) -> usize {
        match self {
            Rate::Narrow => 8,
            Rate::Wide => 16,
        }
    }
}

/// Whether a payload of `from` can be sent as `to` without decoding it.
pub const fn passes(from: Codec, to: Codec) -> bool {
    match (Law::of(from), Law::of(to)) {
        (Some(_), Some(_)) => true,
        _ => from as u8 == to as u8,
    }
}

/// Changes `payload` from one codec to another that it [`passes`] to, where it lies. The length stays.
pub fn convert(payload: &mut [u8], from: Codec, to: Codec) {
    let table = match (from, to) {
        (Codec::Pcmu, Codec::Pcma) => &g711::ULAW_TO_ALAW,
        (Codec::Pcma, Codec::Pcmu) => &g711::ALAW_TO_ULAW,
        _ => return,
    };
    for octet in payload {
        *octet = table[usize::from(*octet)];
    }
}

/// Length of a payload's sound in ticks of its RTP clock. `None` = it is not of this codec.
pub fn ticks(codec: Codec, payload: &[u8]) -> Option<u32> {
    match codec {
        // One octet, one tick; a datagram is far below 2^32.
        Codec::Pcmu | Codec::Pcma | Codec::G722 => Some(payload.len() as u32),
        Codec::Opus => opus::ticks(payload),
    }
}

/// Payloads to linear sound. Keeps what each codec remembers from packet to packet; made at the first packet of a codec.
#[derive(Debug, Default)]
pub struct Decoder {
    g722: Option<Box<g722::Decoder>>,
    opus: Option<Box<opus::Decoder>>,
}

impl Decoder {
    /// Samples written, at [`Rate::of`] the codec. What does not fit is left out.
    pub fn decode(&mut self, codec: Codec, payload: &[u8], pcm: &mut [i16]) -> usize {
        match codec {
            Codec::Pcmu => g711::decode(Law::Mu, payload, pcm),
            Codec::Pcma => g711::decode(Law::A, payload, pcm),
            Codec::G722 => self.g722.get_or_insert_default().decode(payload, pcm),
            Codec::Opus => self.opus().map_or(0, |opus| opus.decode(payload, pcm)),
        }
    }

    /// The sound of a lost packet, from what the packet after it repeats; 0 = that codec repeats nothing.
    pub fn recover(&mut self, codec: Codec, next: &[u8], pcm: &mut [i16]) -> usize {
        match codec {
            Codec::Pcmu | Codec::Pcma | Codec::G722 => 0,
            Codec::Opus => self.opus().map_or(0, |opus| opus.recover(next, pcm)),
        }
    }

    fn opus(&mut self) -> Option<&mut opus::Decoder> {
        if self.opus.is_none() {
            self.opus = opus::Decoder::new().map(Box::new);
        }
        self.opus.as_deref_mut()
    }
}

/// Linear sound to payloads, for one stream and its whole life.
#[derive(Debug, Default)]
pub struct Encoder {
    rate: Resampler,
    g722: Option<Box<g722::Encoder>>,
    opus: Option<Box<opus::Encoder>>,
}

impl Encoder {
    /// Makes ready for a codec, so that no packet of it allocates.
    pub fn prepare(&mut self, codec: Codec) {
        match codec {
            Codec::Pcmu | Codec::Pcma => {}
            Codec::G722 => drop(self.g722.get_or_insert_default()),
            Codec::Opus if self.opus.is_none() => self.opus = opus::Encoder::new().map(Box::new),
            Codec::Opus => {}
        }
    }

    /// Octets written for a packet of 10, 20, 40 or 60 ms. `payload` must hold [`MAX_PAYLOAD`].
    pub fn encode(&mut self, codec: Codec, rate: Rate, pcm: &[i16], payload: &mut [u8]) -> usize {
        let mut room = [0; MAX_FRAME];
        let native = self.rate.convert(rate, Rate::of(codec), pcm, &mut room);
        let pcm = &room[..native];
        self.prepare(codec);
        match codec {
            Codec::Pcmu => g711::encode(Law::Mu, pcm, payload),
            Codec::Pcma => g711::encode(Law::A, pcm, payload),
            Codec::G722 => self.g722.as_mut().map_or(0, |g722| g722.encode(pcm, payload)),
            Codec::Opus => self.opus.as_mut().map_or(0, |opus| opus.encode(pcm, payload)),
        }
    }
}

/// The most sound that a packet of ours holds: 60 ms at 16 kHz.
pub const MAX_FRAME: usize = 960;
/// 60 ms of G.711 or G.722; of Opus, see there.
pub const MAX_PAYLOAD: usize = 480;

/// Payloads of any codec to 8 kHz sound, for what is kept at that rate.
#[derive(Debug, Default)]
pub struct NarrowDecoder {
    decoder: Decoder,
    halver: Halver,
}

impl NarrowDecoder {
    /// Samples written. `pcm` should hold [`MAX_SAMPLES`].
    pub fn decode(&mut self, codec: Codec, payload: &[u8], pcm: &mut [i16]) -> usize {
        match Rate::of(codec) {
            Rate::Narrow => self.decoder.decode(codec, payload, pcm),
            Rate::Wide => {
                let mut wide = [0; MAX_SAMPLES];
                let samples = self.decoder.decode(codec, payload, &mut wide);
                self.halver.halve(&wide[..samples], pcm)
            }
        }
    }
}
