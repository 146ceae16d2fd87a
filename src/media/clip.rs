//! One prompt or sound, encoded once in either law of G.711 when it is loaded, so that playing it is an index and a copy. For
//! G.722 and Opus, whose decoders carry a state from packet to packet, it is encoded as it plays, in the leg's own stream.

use super::codec::{Law, g711};
use std::fmt;
use std::sync::Arc;

/// 8 kHz mono.
#[derive(PartialEq, Eq)]
pub struct Clip {
    pub id: Arc<str>,
    pub lang: Arc<str>,
    pub pcmu: Box<[u8]>,
    pub pcma: Box<[u8]>,
}

impl Clip {
    /// Encodes 16-bit, 8 kHz samples in both laws.
    pub fn from_pcm(id: impl Into<Arc<str>>, lang: impl Into<Arc<str>>, pcm: &[i16]) -> Self {
        Self {
            id: id.into(),
            lang: lang.into(),
            pcmu: pcm.iter().map(|&sample| g711::to_ulaw(sample)).collect(),
            pcma: pcm.iter().map(|&sample| g711::to_alaw(sample)).collect(),
        }
    }

    pub fn samples(&self) -> usize {
        self.pcmu.len()
    }

    pub fn duration_ms(&self) -> u32 {
        (self.samples() / 8) as u32
    }

    /// One byte a sample.
    pub fn encoded(&self, law: Law) -> &[u8] {
        match law {
            Law::Mu => &self.pcmu,
            Law::A => &self.pcma,
        }
    }
}

impl fmt::Debug for Clip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clip({}/{}, {} ms)", self.lang, self.id, self.duration_ms())
    }
}
