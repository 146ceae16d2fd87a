//! Keys by RFC 4733 telephone-event: the payload, [`receive`] and [`send`]; as tones in the voice, for peers that take no
//! telephone-event: [`detect`] and [`tone`]; and once each, in however many ways they are told: [`presses`].
//!
//! Keys are handed on, never logged, counted or recorded here: they may be a PIN.

pub mod detect;
pub mod feature;
pub mod presses;
pub mod receive;
pub mod send;
pub mod tone;

pub use presses::Presses;
pub use receive::{Keypad, Press, at_8_khz};
pub use send::KeySender;

use super::Micros;

/// Key events are 0 to 15 (RFC 4733 3.2); others (flash, tones) are not keys.
const KEYS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D'];

/// Three updates missed, at the longest usual interval of 50 ms (RFC 4733 2.5.1.2): nobody holds a key any more.
pub const GIVEN_UP: Micros = 150_000;

/// The shortest tone that receivers must take for a key (ITU-T Q.24).
const MIN_SAMPLES: u32 = 320;

pub fn key_of(event: u8) -> Option<char> {
    KEYS.get(usize::from(event)).copied()
}

pub fn event_of(key: char) -> Option<u8> {
    KEYS.iter().position(|&known| known == key.to_ascii_uppercase()).map(|event| event as u8)
}

/// RFC 4733 2.3. `duration` in samples since the event's time stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventPayload {
    pub event: u8,
    pub end: bool,
    pub duration: u16,
}

impl EventPayload {
    pub const OCTETS: usize = 4;
    /// Power level in -dBm0, of which receivers only ask that it is a plausible tone's.
    const VOLUME: u8 = 10;

    /// `None` if it is cut short. A second event in the same payload (RFC 2833) is not looked at: it is sent again.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let &[event, flags, high, low, ..] = payload else { return None };
        Some(Self { event, end: flags & 0x80 != 0, duration: u16::from_be_bytes([high, low]) })
    }

    pub fn octets(self) -> [u8; Self::OCTETS] {
        let [high, low] = self.duration.to_be_bytes();
        [self.event, u8::from(self.end) << 7 | Self::VOLUME, high, low]
    }
}
