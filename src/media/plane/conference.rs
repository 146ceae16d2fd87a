//! More than two who hear each other. Those who are bridged stay so, and their keys go between them; only what they hear
//! comes from a mixer as long as a third is there, and passes through as before when it is gone.
//!
//! All of a conference are mixed at the turn of the first of them, so that none waits for another's.

use super::{Plane, live};
use crate::ids::LegId;
use crate::media::Micros;
use crate::media::codec::Rate;
use crate::media::command::{MAX_PARTIES, Part};
use crate::media::egress::Source;
use crate::media::pcm::TURN;
use crate::media::pcm::mixer::{Mixer, Voice};
use crate::media::sink::{LegSlot, Sink};

impl Plane {
    pub(super) fn join(&mut self, leg: LegId, to: LegId, part: Part) {
        let (Some(&slot), Some(&to)) = (self.slots.get(&leg), self.slots.get(&to)) else { return };
        let Some((room, partner)) = live(&mut self.legs, to).map(|to| (to.conference, to.bridge)) else { return };
        if slot == to || partner == Some(slot) {
            return;
        }
        let voice = match part {
            Part::Talks => Voice::All,
            Part::Listens => Voice::Nobody,
            Part::Whispers { to } => self.slots.get(&to).map_or(Voice::Nobody, |to| Voice::Only(*to)),
        };
        if let Some(room) = room
            && live(&mut self.legs, slot).is_some_and(|leg| leg.conference == Some(room))
        {
            return self.enter(room, slot, voice);
        }
        if room.and_then(|room| self.conferences.get(room)).is_some_and(Mixer::is_full) {
            return;
        }
        self.unbridge(slot);
        // Where it was may have been where it goes.
        let room = live(&mut self.legs, to).and_then(|to| to.conference);
        let room = room.unwrap_or_else(|| {
            let room = self.conferences.insert(Mixer::new());
            [Some(to), partner].into_iter().flatten().for_each(|slot| self.enter(room, slot, Voice::All));
            room
        });
        self.enter(room, slot, voice);
    }

    /// Makes a leg one of a conference, or changes who hears it there.
    fn enter(&mut self, room: usize, slot: LegSlot, voice: Voice) {
        let (Some(mixer), Some(leg)) = (self.conferences.get_mut(room), live(&mut self.legs, slot)) else { return };
        match leg.conference {
            Some(_) => mixer.set_voice(slot, voice),
            None => mixer.join(slot, voice),
        }
        leg.confer(room, voice != Voice::Nobody);
        self.wake_first(room);
    }

    pub(super) fn leave(&mut self, slot: LegSlot) {
        let Some(room) = live(&mut self.legs, slot).and_then(super::Leg::leave) else { return };
        let Some(mixer) = self.conferences.get_mut(room) else { return };
        mixer.leave(slot);
        if mixer.count() > 2 {
            return self.wake_first(room);
        }
        for left in (0..mixer.count()).filter_map(|nth| mixer.party(nth)) {
            live(&mut self.legs, left).and_then(super::Leg::leave);
        }
        self.conferences.remove(room);
    }

    /// Whether it is this leg's turn at which its conference is mixed.
    pub(super) fn leads(&self, slot: LegSlot, room: usize) -> bool {
        self.conferences.get(room).is_some_and(|mixer| mixer.party(0) == Some(slot))
    }

    fn wake_first(&mut self, room: usize) {
        let first = self.conferences.get(room).and_then(|mixer| mixer.party(0));
        if let Some(first) = first.and_then(|first| live(&mut self.legs, first)) {
            self.wheel.set_due(first.seat, 0);
        }
    }

    /// A turn's worth of what all say, to all.
    pub(super) fn mix(&mut self, now: Micros, room: usize, out: &mut impl Sink) {
        let Some(mixer) = self.conferences.get_mut(room) else { return };
        let mut slots = [None; MAX_PARTIES];
        slots.iter_mut().enumerate().for_each(|(nth, slot)| *slot = mixer.party(nth));
        let slots = slots.into_iter().flatten();
        mixer.begin(slots.clone().filter_map(|slot| live(&mut self.legs, slot)?.codec()).map(Rate::of));
        for (nth, slot) in slots.clone().enumerate() {
            let mut pcm = [0; TURN];
            mixer.take(nth, live(&mut self.legs, slot).and_then(|leg| leg.heard(now, &mut pcm)));
        }
        for (nth, slot) in slots.enumerate() {
            let mut pcm = [0; TURN];
            if let (Some((rate, pcm)), Some(leg)) = (mixer.heard_by(nth, &mut pcm), live(&mut self.legs, slot)) {
                leg.say(now, Source::Conference, rate, pcm, out);
            }
        }
    }
}
