//! Keys as tones in the voice of a peer with whom no telephone-event was agreed: heard, and kept from everyone else.

use super::Leg;
use crate::media::Micros;
use crate::media::codec::{Law, MAX_SAMPLES, NarrowDecoder, ticks};
use crate::media::dtmf::GIVEN_UP;
use crate::media::dtmf::detect::{Detector, Heard};
use crate::media::rtp::Received;
use crate::sdp::Codec;

/// What one packet can bring: a key let go and another pressed, twice.
const MAX_FOUND: usize = 4;
/// Milliseconds by which a time stamp further on is a new time line, not loss.
const JUMP_MS: u32 = 5_000;

/// What was found in a packet, in its order.
pub type Found = [Option<Heard>; MAX_FOUND];

#[derive(Debug, Default)]
pub(super) struct Ear {
    detector: Detector,
    decoder: NarrowDecoder,
    /// The SSRC, and the time stamp that follows what was heard last.
    next: Option<(u32, u32)>,
    heard: Micros,
}

impl Ear {
    /// Gives a key up when nothing comes any more: its end will not be heard. True = it was down.
    pub fn look(&mut self, now: Micros) -> bool {
        let over = self.is_down() && now.saturating_sub(self.heard) >= GIVEN_UP;
        if over {
            self.detector.lost(u32::MAX, |_| ());
        }
        over
    }

    pub fn is_down(&self) -> bool {
        self.detector.is_down()
    }
}

impl Leg {
    /// Listens for keys in a packet of the peer's voice. What may be one is silenced, or where that cannot be done in its
    /// place the packet is to be withheld (`true`): neither a recording nor, beside the key that is pressed anew there,
    /// the other party is to hear it.
    pub fn hear_keys(&mut self, now: Micros, rtp: &Received, codec: Codec, packet: &mut [u8]) -> (Found, bool) {
        let mut found = Found::default();
        let (Some(ear), Some(payload)) = (&mut self.ear, packet.get_mut(rtp.payload.clone())) else {
            return (found, false);
        };
        let mut places = found.iter_mut();
        let mut tell = |heard| {
            if let Some(place) = places.next() {
                *place = Some(heard);
            }
        };
        let khz = codec.clock_khz();
        if let Some((ssrc, next)) = ear.next {
            let jump = JUMP_MS * khz;
            match rtp.timestamp.wrapping_sub(next) {
                _ if ssrc != rtp.ssrc => ear.detector.lost(u32::MAX, &mut tell),
                0 => {}
                ahead if ahead < jump => ear.detector.lost(ahead / khz * 8, &mut tell),
                // Late: its place has been taken for lost.
                behind if behind.wrapping_neg() < jump => return (found, false),
                _ => ear.detector.lost(u32::MAX, &mut tell),
            }
        }
        ear.heard = now;
        let lasts = ticks(codec, payload).unwrap_or(0);
        ear.next = Some((rtp.ssrc, rtp.timestamp.wrapping_add(lasts)));
        let mut pcm = [0; MAX_SAMPLES];
        let samples = ear.decoder.decode(codec, payload, &mut pcm);
        let suspicious = ear.detector.hear(pcm.iter().take(samples).copied(), &mut tell);
        if !suspicious || self.echo {
            return (found, false);
        }
        if let Some(law) = Law::of(codec) {
            payload.fill(law.silence());
        }
        (found, Law::of(codec).is_none())
    }
}
