//! Opus (RFC 6716) as telephones use it (RFC 7587), by the crate `opus-pure`: one channel of 16 kHz towards us, whatever the
//! peer sends; its RTP clock is always 48000.

use super::MAX_SAMPLES;
use opus_pure::{Application, OpusDecoder, OpusEncoder};

const RATE: i32 = 16_000;
const TEN_MS: usize = 160;
const TWENTY_MS: usize = 320;
/// Configurations from here on have no SILK part (RFC 6716 3.1).
const FIRST_CELT: u8 = 16;
/// Speech of the whole 8 kHz band sounds clean from here on; more is only for music.
const BITRATE: i32 = 24_000;
/// Of ten. A level above doubles what a call costs, for less than a telephone lets one hear.
const COMPLEXITY: i32 = 1;
/// What in-band repetition is laid out for, in per cent of packets lost.
const EXPECTED_LOSS: i32 = 5;
/// Octets that a packet of ours has at most: 60 ms at four times the mean rate.
pub const MAX_PAYLOAD: usize = 480;

#[derive(Debug)]
pub struct Decoder(OpusDecoder);

#[derive(Debug)]
pub struct Encoder(OpusEncoder);

impl Decoder {
    /// `None` cannot happen with these arguments; the caller goes without sound rather than panic.
    pub fn new() -> Option<Self> {
        let mut decoder = Self(OpusDecoder::new(RATE, 1).ok()?);
        // The first packet makes the working room of the longest; after it none allocates.
        let mut pcm = [0; MAX_SAMPLES];
        let _ = decoder.0.decode_s16(&[], pcm.len(), &mut pcm);
        let _ = decoder.0.reset_state();
        Some(decoder)
    }

    /// Samples written; 0 for a packet that is none (RFC 6716 3.4).
    pub fn decode(&mut self, payload: &[u8], pcm: &mut [i16]) -> usize {
        if payload.is_empty() {
            return 0;
        }
        self.0.decode_s16(payload, pcm.len(), pcm).unwrap_or(0).min(pcm.len())
    }

    /// What was in the packet before `next`, which is lost, as far as `next` repeats it: only one frame with a SILK part
    /// does (RFC 6716 2.1.7), of 10 or 20 ms. 0 for all others; the decoder is not asked for lengths that no frame has.
    pub fn recover(&mut self, next: &[u8], pcm: &mut [i16]) -> usize {
        let repeats = next.first().is_some_and(|toc| toc >> 3 < FIRST_CELT && toc & 3 == 0);
        if !repeats || !matches!(pcm.len(), TEN_MS | TWENTY_MS) {
            return 0;
        }
        self.0.decode_fec_s16(next, pcm.len(), pcm).unwrap_or(0).min(pcm.len())
    }
}

impl Encoder {
    pub fn new() -> Option<Self> {
        let mut encoder = Self(OpusEncoder::new(RATE, 1, Application::Voip).ok()?);
        encoder.0.bitrate_bps = BITRATE;
        encoder.0.complexity = COMPLEXITY;
        encoder.0.use_inband_fec = true;
        encoder.0.packet_loss_perc = EXPECTED_LOSS;
        let mut payload = [0; MAX_PAYLOAD];
        let _ = encoder.0.encode_s16(&[0; 320], 320, &mut payload);
        let _ = encoder.0.reset_state();
        Some(encoder)
    }

    /// Octets written for 10, 20, 40 or 60 ms.
    pub fn encode(&mut self, pcm: &[i16], payload: &mut [u8]) -> usize {
        self.0.encode_s16(pcm, pcm.len(), payload).unwrap_or(0)
    }
}

/// Length of a packet's sound at 48 kHz, which is its RTP clock (RFC 6716 3.1 and 3.2). `None` = no Opus packet.
pub fn ticks(payload: &[u8]) -> Option<u32> {
    let toc = *payload.first()?;
    let frame = match toc >> 3 {
        config @ 0..=11 => [480, 960, 1920, 2880][usize::from(config & 3)],
        config @ 12..=15 => [480, 960][usize::from(config & 1)],
        config => [120, 240, 480, 960][usize::from(config & 3)],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(payload.get(1)? & 0x3f),
    };
    let ticks = frame * frames;
    // 120 ms.
    (1..=5760).contains(&ticks).then_some(ticks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_packet_is_read_from_its_first_octets() {
        // SILK WB 20 ms, hybrid 10 ms, CELT 2.5 ms, two frames of 20 ms, three of 20 ms by count.
        for (payload, ms_48) in [
            (&[9 << 3][..], 960),
            (&[12 << 3], 480),
            (&[16 << 3], 120),
            (&[9 << 3 | 1], 1920),
            (&[9 << 3 | 3, 3], 2880),
        ] {
            assert_eq!(ticks(payload), Some(ms_48), "{payload:?}");
        }
        assert_eq!(ticks(&[]), None);
        assert_eq!(ticks(&[11 << 3 | 3, 63]), None, "more than 120 ms");
        assert_eq!(ticks(&[9 << 3 | 3]), None, "the count is missing");
        assert_eq!(ticks(&[9 << 3 | 3, 0]), None);
    }

    #[test]
    fn our_packets_have_the_length_they_were_made_with() {
        let mut encoder = Encoder::new().unwrap();
        for ms in [10, 20, 40, 60] {
            let mut payload = [0; MAX_PAYLOAD];
            let octets = encoder.encode(&vec![100; ms * 16], &mut payload);
            assert_eq!(ticks(&payload[..octets]), Some(ms as u32 * 48));
        }
    }

    #[test]
    fn garbage_is_silence_and_no_panic() {
        let mut decoder = Decoder::new().unwrap();
        let mut state = 7u32;
        for length in 0..400 {
            let payload: Vec<u8> = (0..length)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 24) as u8
                })
                .collect();
            let mut pcm = [0; 1920];
            assert!(decoder.decode(&payload, &mut pcm) <= 1920);
            assert!(decoder.recover(&payload, &mut pcm[..320]) <= 320);
        }
    }

    /// What a packet claims to be long is the peer's word: the decoder's own arithmetic is not to be asked for it.
    #[test]
    fn no_sound_is_asked_for_that_no_frame_has() {
        let mut decoder = Decoder::new().unwrap();
        let mut pcm = [0; 1920];
        for config in 0..32u8 {
            for (count, length) in [(1, 32), (1, 40), (1, 80), (1, 640), (1, 960), (41, 1632)] {
                decoder.decode(&[[9, 12, 31][usize::from(config % 3)] << 3, 1, 2, 3], &mut pcm);
                assert_eq!(
                    decoder.recover(&[config << 3 | 3, count, 7, 7], &mut pcm[..length]),
                    0,
                    "{config} {length}"
                );
                assert_eq!(decoder.recover(&[config << 3, 7, 7], &mut pcm[..length]), 0, "{config} {length}");
            }
            let silk = config < FIRST_CELT;
            assert_eq!(decoder.recover(&[config << 3, 7, 7], &mut pcm[..320]) > 0, silk, "{config}");
        }
    }
}
