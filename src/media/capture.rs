//! What a party says, kept in memory to be played back to it: "record your greeting, press hash".

use super::clip::Clip;
use super::codec::{MAX_SAMPLES, NarrowDecoder};
use crate::sdp::Codec;
use std::time::Duration;

/// The longest capture, whatever was asked: 10 MB of memory.
const LONGEST: Duration = Duration::from_secs(600);
const SAMPLES_PER_MS: usize = 8;

#[derive(Debug)]
pub struct Capture {
    /// Room is made at the start, so that no packet allocates.
    samples: Vec<i16>,
    decoder: NarrowDecoder,
}

impl Capture {
    pub fn new(limit: Duration) -> Self {
        let limit = limit.min(LONGEST).as_millis() as usize;
        Self { samples: Vec::with_capacity(limit * SAMPLES_PER_MS), decoder: NarrowDecoder::default() }
    }

    /// Takes one packet's audio. False when there is no room for more.
    pub fn take(&mut self, from: Codec, payload: &[u8]) -> bool {
        let room = self.samples.capacity() - self.samples.len();
        let mut pcm = [0; MAX_SAMPLES];
        let samples = self.decoder.decode(from, payload, &mut pcm);
        self.samples.extend(&pcm[..samples.min(room)]);
        self.samples.len() < self.samples.capacity()
    }

    pub fn finish(self) -> Clip {
        Clip::from_pcm("capture", "", &self.samples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capture_plays_back_what_was_said_up_to_its_limit() {
        let mut capture = Capture::new(Duration::from_millis(40));
        assert!(capture.take(Codec::Pcma, &[0xd5; 160]));
        assert!(!capture.take(Codec::Pcmu, &[0x00; 500]));
        let clip = capture.finish();
        assert_eq!(clip.duration_ms(), 40);
        assert_eq!((clip.pcmu[200], clip.pcma[0]), (0x00, 0xd5));
    }
}
