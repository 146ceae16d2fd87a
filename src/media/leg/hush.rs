//! Waits for the peer to fall silent: it has said nothing for a while, whether or not packets come.

use super::Leg;
use crate::media::Micros;
use crate::media::codec::{MAX_SAMPLES, NarrowDecoder};
use crate::media::command::MediaEvent;
use crate::media::sink::Sink;
use crate::media::speech::{Speech, level};
use crate::sdp::Codec;
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Hush {
    after: Micros,
    /// When it was heard to speak last, or the wait began.
    spoke: Micros,
    speech: Speech,
    decoder: NarrowDecoder,
}

impl Hush {
    pub fn due(&self) -> Micros {
        self.spoke.saturating_add(self.after)
    }
}

impl Leg {
    /// Waits anew from now on; `None` = no longer.
    pub fn await_silence(&mut self, now: Micros, after: Option<Duration>) {
        self.hush = after.map(|after| {
            let after = Micros::try_from(after.as_micros()).unwrap_or(Micros::MAX);
            Box::new(Hush { after, spoke: now, speech: Speech::default(), decoder: NarrowDecoder::default() })
        });
    }

    /// A packet of what the peer says.
    pub fn heed(&mut self, now: Micros, codec: Codec, payload: &[u8]) {
        let Some(hush) = &mut self.hush else { return };
        let mut pcm = [0; MAX_SAMPLES];
        let samples = hush.decoder.decode(codec, payload, &mut pcm);
        let Some(heard) = pcm.get(..samples) else { return };
        if hush.speech.hear((samples / 8) as u32, level(heard)) {
            hush.spoke = now;
        }
    }

    /// When to look again. What was waited for is told once.
    pub(super) fn look_for_silence(&mut self, now: Micros, out: &mut impl Sink) -> Micros {
        let due = self.hush.as_ref().map_or(Micros::MAX, |hush| hush.due());
        if due > now {
            return due;
        }
        self.hush = None;
        out.event(MediaEvent::FellSilent { leg: self.id });
        Micros::MAX
    }
}
