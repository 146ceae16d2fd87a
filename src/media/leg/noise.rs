//! Comfort noise (RFC 3389): what a phone says instead of silence, so that its line does not seem dead. To a party that agreed
//! to it such a packet is passed on; any other is sent noise of that level until the voice is back. The spectrum that a
//! packet may describe is left out, as a receiver may: the noise is white.

use super::Leg;
use crate::media::Micros;
use crate::media::codec::Law;
use crate::media::wheel::ROTATION;

/// The loudest that is made, in dB below overload, whatever a packet says: it is to be a background.
const LOUDEST: u8 = 30;

#[derive(Debug)]
pub(super) struct Noise {
    peak: i32,
    dice: u32,
}

impl Noise {
    fn new(below_overload: u8) -> Self {
        let level = 10f32.powf(f32::from(below_overload.max(LOUDEST)) / -20.0);
        // Even noise of this peak has that mean power.
        Self { peak: (32_768.0 * 3f32.sqrt() * level) as i32, dice: 1 }
    }

    pub fn fill(&mut self, law: Law, sound: &mut [u8]) {
        for octet in sound {
            self.dice = self.dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Within the peak, which is far within 16 bits.
            let sample = (self.dice >> 16) as i32 % (2 * self.peak + 1) - self.peak;
            *octet = law.octet(sample as i16);
        }
    }
}

impl Leg {
    /// The other party is silent now, and this is how silent. An empty packet says nothing of it.
    pub fn hear_noise(&mut self, payload: &[u8]) {
        self.noise = payload.first().map(|level| Noise::new(level & 0x7f));
        self.next_frame = 0;
    }

    /// The other party speaks, or is gone.
    pub fn end_noise(&mut self) {
        self.noise = None;
    }

    /// What comfort noise is sent as, where it was agreed to.
    pub fn takes_noise(&self) -> Option<u8> {
        self.peer.as_ref().filter(|peer| Law::of(peer.spec.codec).is_some())?.spec.noise
    }

    /// How long nothing may be sent before we send something of our own.
    pub(super) fn gap(&self) -> Micros {
        match (&self.noise, self.takes_noise()) {
            (None, _) => super::GAP,
            // The peer makes the noise itself; only its NAT and carrier are not to think that the call is over.
            (Some(_), Some(_)) => super::KEEP_ALIVE,
            (Some(_), None) => ROTATION,
        }
    }
}
