//! What an `m=` line's payload types stand for, and which numbers a leg gives them for its life (RFC 3264 8.3.2).

use super::parse::Media;
use super::spec::Codec;
use smallvec::SmallVec;

/// telephone-event in our own offers, for each clock: dynamic, and by long custom these.
const EVENT_PTS: [u8; 2] = [101, 110];
/// RFC 3551 table 4.
pub(super) const COMFORT_NOISE: u8 = 13;
/// Payload types looked at in one `m=` line. A browser offers about 15.
const MAX_FORMATS: usize = 64;

#[derive(Clone, Copy, Debug)]
pub(super) struct PayloadTypes {
    /// By [`Codec`].
    pub audio: [u8; Codec::ALL.len()],
    pub events: Events,
}

/// What goes beside the codecs: telephone-event with a clock of 8000, and of 48000; comfort noise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Events {
    pub at_8000: Option<u8>,
    pub at_48000: Option<u8>,
    pub noise: Option<u8>,
}

impl Default for PayloadTypes {
    fn default() -> Self {
        let mut audio = [0; Codec::ALL.len()];
        for codec in Codec::ALL {
            audio[codec as usize] = codec.payload_type();
        }
        Self { audio, events: Events { at_8000: Some(EVENT_PTS[0]), at_48000: Some(EVENT_PTS[1]), noise: None } }
    }
}

impl PayloadTypes {
    pub fn of(self, codec: Codec) -> u8 {
        self.audio[codec as usize]
    }

    /// Keeps the numbers that the peer gave, and moves ours out of their way.
    pub fn learn(&mut self, codecs: &[(u8, Codec)], events: Events) {
        let mut taken: SmallVec<[u8; 8]> = codecs.iter().map(|(pt, _)| *pt).collect();
        taken.extend([events.at_8000, events.at_48000].into_iter().flatten());
        let mut number = |theirs: Option<u8>, ours: u8| {
            theirs.unwrap_or_else(|| {
                let free = !taken.contains(&ours);
                let pt = if free { ours } else { (96..=127).find(|pt| !taken.contains(pt)).unwrap_or(ours) };
                taken.push(pt);
                pt
            })
        };
        for codec in Codec::ALL {
            let theirs = codecs.iter().find(|(_, known)| *known == codec).map(|(pt, _)| *pt);
            self.audio[codec as usize] = number(theirs, self.of(codec));
        }
        self.events.at_8000 = self.events.at_8000.map(|ours| number(events.at_8000, ours));
        self.events.at_48000 = self.events.at_48000.map(|ours| number(events.at_48000, ours));
    }
}

impl Events {
    pub fn at(self, khz: u32) -> Option<u8> {
        if khz == 48 { self.at_48000 } else { self.at_8000 }
    }

    /// The one that has the codec's clock, else any, and its clock.
    pub fn beside(self, codec: Codec) -> (Option<u8>, u32) {
        match (codec.clock_khz(), self.at_8000, self.at_48000) {
            (48, _, Some(pt)) => (Some(pt), 48),
            (_, None, Some(pt)) => (Some(pt), 48),
            (_, at_8000, _) => (at_8000, 8),
        }
    }

    /// Without the other event; noise is of the 8 kHz of G.711.
    pub fn only(self, pt: Option<u8>, codec: Codec) -> Self {
        Self {
            noise: self.noise.filter(|_| matches!(codec, Codec::Pcmu | Codec::Pcma)),
            at_8000: self.at_8000.filter(|_| self.at_8000 == pt),
            at_48000: self.at_48000.filter(|_| self.at_48000 == pt),
        }
    }
}

/// The audio payload types of an `m=` line that we speak, in the peer's order, and those of telephone-event.
pub(super) fn formats(media: &Media<'_>) -> (Vec<(u8, Codec)>, Events) {
    let mut codecs: Vec<(u8, Codec)> = Vec::with_capacity(Codec::ALL.len());
    let mut events = Events::default();
    let types = media.formats.split_ascii_whitespace().take(MAX_FORMATS);
    for pt in types.filter_map(|pt| pt.parse::<u8>().ok()).filter(|pt| *pt < 128) {
        let maps = media.section.attributes().filter(|(name, _)| name.eq_ignore_ascii_case("rtpmap"));
        let named = maps.filter_map(|(_, value)| value.split_once([' ', '\t'])).find(|(of, _)| of.parse() == Ok(pt));
        let codec = match named {
            Some((_, encoding)) if is_encoding(encoding, "telephone-event", "8000", 1) => {
                events.at_8000 = events.at_8000.or(Some(pt));
                None
            }
            Some((_, encoding)) if is_encoding(encoding, "telephone-event", "48000", 1) => {
                events.at_48000 = events.at_48000.or(Some(pt));
                None
            }
            Some((_, encoding)) if is_encoding(encoding, "CN", "8000", 1) => {
                events.noise = events.noise.or(Some(pt));
                None
            }
            None if pt == COMFORT_NOISE => {
                events.noise = events.noise.or(Some(pt));
                None
            }
            Some((_, encoding)) => Codec::ALL.into_iter().find(|codec| match codec {
                Codec::Opus => is_encoding(encoding, codec.name(), "48000", 2),
                Codec::Pcmu | Codec::Pcma | Codec::G722 => is_encoding(encoding, codec.name(), "8000", 1),
            }),
            // Static types need no rtpmap (RFC 3551 6).
            None => [Codec::Pcmu, Codec::Pcma, Codec::G722].into_iter().find(|codec| codec.payload_type() == pt),
        };
        // One number per codec is enough, and one number means one thing.
        if let Some(codec) = codec
            && !codecs.iter().any(|(seen_pt, seen)| *seen == codec || *seen_pt == pt)
        {
            codecs.push((pt, codec));
        }
    }
    (codecs, events)
}

/// `name/clock`, `name/clock/channels`. Another clock rate or number of channels is another format.
fn is_encoding(encoding: &str, name: &str, clock: &str, channels: u8) -> bool {
    let mut parts = encoding.trim().split('/');
    parts.next().is_some_and(|found| found.eq_ignore_ascii_case(name))
        && parts.next().map_or(clock == "8000", |rate| rate.trim() == clock)
        && parts.next().map_or(channels == 1, |found| found.trim().parse() == Ok(channels))
}
