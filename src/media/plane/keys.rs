//! Keys, in whatever way they come: told, kept where they are for us, and pressed anew on the bridged leg.

use super::{Plane, live};
use crate::events::media::KeySource;
use crate::media::Micros;
use crate::media::command::MediaEvent;
use crate::media::dtmf::feature::Judged;
use crate::media::dtmf::send::Hold;
use crate::media::dtmf::{Press, detect};
use crate::media::leg::Found;
use crate::media::sink::{LegSlot, Sink};

/// How long a key sounds that was kept back: 100 ms at 8 kHz.
const KEPT_KEY: u32 = 800;

impl Plane {
    /// What the packets of telephone-event say.
    pub(super) fn key(&mut self, at: Micros, slot: LegSlot, press: Press, out: &mut impl Sink) {
        if let Some(samples) = press.ended {
            self.key_released(slot, samples);
        }
        if let Some(key) = press.pressed {
            self.pressed(at, slot, key, KeySource::Rfc4733, Hold::UntilReleased, out);
        }
        if let Some(samples) = press.released {
            self.key_released(slot, samples);
        }
    }

    /// What the voice says.
    pub(super) fn found(&mut self, at: Micros, slot: LegSlot, found: Found, out: &mut impl Sink) {
        for heard in found.into_iter().flatten() {
            match heard {
                detect::Heard::Pressed(key) => {
                    self.pressed(at, slot, key, KeySource::Inband, Hold::UntilReleased, out);
                }
                detect::Heard::Released => self.key_released(slot, 0),
            }
        }
    }

    /// A key of a peer: told, stops a bargeable play, and is pressed anew on the bridged leg, whose way of telling it,
    /// sequence and time are its own.
    pub(super) fn pressed(
        &mut self,
        at: Micros,
        slot: LegSlot,
        key: char,
        via: KeySource,
        hold: Hold,
        out: &mut impl Sink,
    ) {
        let Some(leg) = live(&mut self.legs, slot) else { return };
        if !leg.presses.take(at, key, via) {
            return;
        }
        if let Some((before, judged)) = leg.feature.as_mut().map(|feature| feature.press(at, key)) {
            let (id, seat) = (leg.id, leg.seat);
            self.let_through(slot, before, via, out);
            match judged {
                Judged::Kept => return self.wheel.set_due(seat, 0),
                Judged::Complete => return out.event(MediaEvent::Feature { leg: id }),
                Judged::Other => {}
            }
        }
        self.pass_key(slot, key, via, hold, out);
    }

    /// Keys that were kept back, and are not for us after all.
    pub(super) fn let_through(&mut self, slot: LegSlot, count: usize, via: KeySource, out: &mut impl Sink) {
        let feature = live(&mut self.legs, slot).and_then(|leg| leg.feature.as_ref()).filter(|_| count > 0);
        let Some(keys) = feature.map(|feature| feature.first(count)) else { return };
        keys.for_each(|key| self.pass_key(slot, key, via, Hold::For(KEPT_KEY), out));
    }

    fn pass_key(&mut self, slot: LegSlot, key: char, via: KeySource, hold: Hold, out: &mut impl Sink) {
        let Some(leg) = live(&mut self.legs, slot) else { return };
        out.event(MediaEvent::Key { leg: leg.id, key, via });
        // Its end may never come.
        self.wheel.set_due(leg.seat, 0);
        if leg.player.as_ref().is_some_and(|player| player.bargeable) {
            leg.stop_play(out);
        }
        if let Some(far) = leg.bridge
            && let Some(far) = live(&mut self.legs, far)
        {
            // The key's packets leave no gap that looks like loss.
            far.egress.end_run();
            let sent = far.can_be_sent_keys()
                && match hold {
                    Hold::UntilReleased => far.keys.hold(key),
                    Hold::For(samples) => far.keys.press(key, samples),
                };
            match sent {
                true => self.wheel.set_due(far.seat, 0),
                false => out.event(MediaEvent::KeyUnsent { leg: far.id, key }),
            }
        }
    }

    pub(super) fn key_released(&mut self, slot: LegSlot, samples: u32) {
        let far = live(&mut self.legs, slot).and_then(|leg| leg.bridge);
        if let Some(far) = far.and_then(|far| live(&mut self.legs, far)) {
            far.keys.release(samples);
        }
    }
}
