//! One worker's legs, and everything that happens to them: commands, packets, ticks. Pure: `now` is handed in, what is
//! to be done in the world is asked of the [`Sink`].
//!
//! Legs refer to each other by slot and generation, so a leg that is gone is simply not found. After commands and
//! ticks, nothing on the packet path allocates.

mod conference;
mod keys;

use super::Micros;
use super::capture::Capture;
use super::codec;
use super::command::{MediaCmd, MediaEvent, RecordingId};
use super::dtmf::feature::Feature;
use super::dtmf::send::Hold;
use super::egress::Source;
use super::handshake::Said;
use super::leg::{Heard, Leg, Missed, Origin};
use super::pcm::TURN;
use super::pcm::mixer::Mixer;
use super::player::Player;
use super::relay;
use super::rtp::{self, Received};
use super::sink::{LegSlot, Sink};
use super::sounds::Sounds;
use super::tap::Side;
use super::wheel::Wheel;
use crate::events::media::{KeySource, MediaReport, MediaTrouble};
use crate::ids::{CallId, LegId};
use crate::sdp::Codec;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use slab::Slab;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[derive(Debug)]
pub struct Plane {
    epoch: Instant,
    rng: ChaCha12Rng,
    sounds: Arc<Sounds>,
    legs: Slab<Leg>,
    slots: BTreeMap<LegId, LegSlot>,
    recordings: BTreeMap<RecordingId, Recording>,
    /// More than two who hear each other.
    conferences: Slab<Mixer>,
    wheel: Wheel,
    next_generation: u32,
}

#[derive(Debug)]
struct Recording {
    near: LegSlot,
    far: Option<LegSlot>,
    paused: bool,
}

impl Plane {
    /// `seed` must come from the system's random source in production: SSRCs and sequence numbers are drawn from it.
    /// Generates hold music, so build it before the first packet is due, or share it with [`Plane::with_sounds`].
    pub fn new(seed: u64, epoch: Instant) -> Self {
        Self::with_sounds(seed, epoch, Arc::new(Sounds::new(seed)))
    }

    pub fn with_sounds(seed: u64, epoch: Instant, sounds: Arc<Sounds>) -> Self {
        Self {
            epoch,
            rng: ChaCha12Rng::seed_from_u64(seed),
            sounds,
            legs: Slab::new(),
            slots: BTreeMap::new(),
            recordings: BTreeMap::new(),
            conferences: Slab::new(),
            wheel: Wheel::default(),
            next_generation: 1,
        }
    }

    /// Legs that are open.
    pub fn len(&self) -> usize {
        self.legs.len()
    }

    pub fn is_empty(&self) -> bool {
        self.legs.is_empty()
    }

    pub fn command(&mut self, now: Instant, command: MediaCmd, out: &mut impl Sink) {
        let at = self.micros(now);
        match command {
            MediaCmd::Create { leg, call: _, port } => self.create(leg, port, out),
            MediaCmd::SetRemote { leg, spec, via } => {
                self.agree(leg, |leg| leg.set_remote(at, spec, via, out));
            }
            MediaCmd::Fax { leg, remote } => self.agree(leg, |leg| leg.begin_fax(at, remote, out)),
            MediaCmd::Bridge { a, b } => self.bridge(a, b),
            MediaCmd::Join { leg, to, part } => self.join(leg, to, part),
            MediaCmd::Unbridge { leg } => {
                if let Some(&slot) = self.slots.get(&leg) {
                    self.unbridge(slot);
                }
            }
            MediaCmd::Play { leg, id, items, repeat, bargeable } => {
                self.with(leg, |leg, sounds| leg.play(Player::new(id, &items, repeat, bargeable, sounds), out));
            }
            MediaCmd::StopPlay { leg, id } => self.with(leg, |leg, _| {
                if leg.player.as_ref().is_some_and(|player| player.id == id) {
                    leg.stop_play(out);
                }
            }),
            MediaCmd::Echo { leg, on } => self.with(leg, |leg, _| leg.echo = on),
            MediaCmd::Capture { leg, limit } => self.with(leg, |leg, _| leg.capture = Some(Capture::new(limit))),
            MediaCmd::AwaitSilence { leg, after } => self.with(leg, |leg, _| leg.await_silence(at, after)),
            MediaCmd::StopCapture { leg } => self.with(leg, |leg, _| leg.end_capture(out)),
            MediaCmd::SendDtmf { leg, key, duration_ms } => self.with(leg, |leg, _| {
                if !leg.can_be_sent_keys() || !leg.keys.press(key, u32::from(duration_ms) * 8) {
                    out.event(MediaEvent::KeyUnsent { leg: leg.id, key });
                }
            }),
            MediaCmd::Press { leg, key, duration_ms } => {
                if let Some(&slot) = self.slots.get(&leg) {
                    let samples = u32::from(duration_ms) * 8;
                    self.pressed(at, slot, key, KeySource::Info, Hold::For(samples), out);
                }
            }
            MediaCmd::Feature { leg, keys } => self.with(leg, |leg, _| leg.feature = keys.map(Feature::new)),
            MediaCmd::WithoutTones { leg, on } => self.with(leg, |leg, _| leg.without_tones = on),
            MediaCmd::RecordStart { call, near, far, recording } => {
                self.record_start(now, call, (near, far), recording, out);
            }
            MediaCmd::RecordPause { recording, paused } => self.record_pause(recording, paused),
            MediaCmd::RecordStop { recording } => self.record_stop(now, recording, out),
            MediaCmd::RtpTimeout { leg, after } => self.with(leg, |leg, _| leg.watch_silence(at, after, out)),
            MediaCmd::Drop { leg } => self.drop_leg(now, leg, out),
        }
    }

    /// One datagram of a leg's RTP socket. `packet` is rewritten in place.
    pub fn handle_rtp(
        &mut self,
        now: Instant,
        slot: LegSlot,
        from: SocketAddr,
        packet: &mut [u8],
        out: &mut impl Sink,
    ) {
        let at = self.micros(now);
        let Some(leg) = live(&mut self.legs, slot) else { return };
        if leg.is_fax() {
            let far = leg.bridge.filter(|_| leg.hear_fax(at, from, packet, out));
            if let Some(far) = far.and_then(|far| live(&mut self.legs, far)).filter(|far| far.is_fax()) {
                far.send_fax(packet, out);
            }
            return;
        }
        if leg.knock(at, from, packet, out) {
            return;
        }
        if rtp::is_rtcp(packet) {
            return self.handle_rtcp(now, slot, from, packet, out);
        }
        let Some(packet) = leg.admit(packet, false) else { return };
        match leg.hear(at, from, packet, out) {
            Heard::Audio(rtp, codec) => {
                let (found, withheld) = leg.hear_keys(at, &rtp, codec, packet);
                if let Some(payload) = packet.get(rtp.payload.clone()).filter(|_| !withheld) {
                    leg.tap(now, &rtp, codec, payload, out);
                    leg.keep(codec, payload, out);
                    leg.heed(at, codec, payload);
                }
                if !withheld {
                    self.pass_on(at, slot, &rtp, codec, packet, out);
                }
                self.found(at, slot, found, out);
            }
            Heard::Keys(press) => self.key(at, slot, press, out),
            Heard::Noise(rtp) => self.pass_noise(at, slot, &rtp, packet, out),
            Heard::Nothing => {}
        }
    }

    /// What came of a leg's handshake.
    pub fn handshake(&mut self, now: Instant, said: Said, out: &mut impl Sink) {
        let at = self.micros(now);
        match said {
            Said::Send { leg, to, octets } => {
                if let Some(&slot) = self.slots.get(&leg) {
                    out.send_rtp(slot, to, &octets);
                }
            }
            Said::Keys { leg, association, send, receive } => {
                self.with(leg, |leg, _| leg.unlock(at, association, (&send, &receive)));
            }
            Said::Failed { leg, association, why } => self.with(leg, |leg, _| leg.stay_shut(association, why, out)),
        }
    }

    /// One datagram of a leg's RTCP socket.
    pub fn handle_rtcp(
        &mut self,
        now: Instant,
        slot: LegSlot,
        from: SocketAddr,
        packet: &mut [u8],
        out: &mut impl Sink,
    ) {
        let at = self.micros(now);
        if let Some(leg) = live(&mut self.legs, slot)
            && let Some(packet) = leg.admit(packet, true)
        {
            leg.hear_rtcp(at, from, packet, out);
        }
    }

    /// Sends a leg's packet to whom it speaks to as it is, where their codecs pass into each other; else it is decoded when
    /// the leg has its turn.
    fn pass_on(
        &mut self,
        now: Micros,
        slot: LegSlot,
        rtp: &Received,
        codec: Codec,
        packet: &mut [u8],
        out: &mut impl Sink,
    ) {
        let Some(to) = live(&mut self.legs, slot).map(|leg| leg.hearer()) else { return };
        let far = to.and_then(|to| live(&mut self.legs, to));
        let transcodes = far.and_then(|far| far.sends()).is_some_and(|(sent, _)| !codec::passes(codec, sent));
        let Some(leg) = live(&mut self.legs, slot) else { return };
        leg.transcodes = transcodes;
        // Heard before it is passed on, which may turn it into another law where it lies.
        if leg.transcodes || leg.wants_pcm {
            let Some(payload) = packet.get(rtp.payload.clone()) else { return };
            leg.listen(now, rtp, codec, payload);
            self.wheel.set_due(leg.seat, 0);
        } else if let Some(input) = &mut leg.input {
            input.stop();
        }
        if !transcodes && let Some(far) = to.and_then(|to| live(&mut self.legs, to)) {
            relay::forward(far, now, slot, rtp, codec, packet, out);
        }
    }

    /// A leg's silence, for whoever hears it.
    fn pass_noise(&mut self, now: Micros, slot: LegSlot, rtp: &Received, packet: &mut [u8], out: &mut impl Sink) {
        let Some(leg) = live(&mut self.legs, slot) else { return };
        if let Some(input) = &mut leg.input {
            input.stop();
        }
        if let Some(far) = leg.hearer().and_then(|to| live(&mut self.legs, to)) {
            relay::forward_noise(far, now, slot, rtp, packet, out);
            self.wheel.set_due(far.seat, 0);
        }
    }

    /// A turn's worth of what a leg says, for all who take linear sound. True = the leg has more to say.
    fn heard(&mut self, now: Micros, slot: LegSlot, out: &mut impl Sink) -> bool {
        let Some(leg) = live(&mut self.legs, slot) else { return false };
        if let Some(room) = leg.conference {
            let leads = self.leads(slot, room);
            if leads {
                self.mix(now, room, out);
            }
            return leads;
        }
        if leg.input.is_none() {
            return false;
        }
        let mut pcm = [0; TURN];
        let Some((rate, pcm)) = leg.heard(now, &mut pcm) else { return false };
        if leg.transcodes
            && let Some(far) = leg.hearer().and_then(|to| live(&mut self.legs, to))
        {
            far.say(now, Source::Leg(slot), rate, pcm, out);
        }
        true
    }

    /// Does what is due up to `now`. Call once a millisecond, or at [`Plane::next_tick`].
    pub fn tick(&mut self, now: Instant, out: &mut impl Sink) {
        let at = self.micros(now);
        while let Some(turn) = self.wheel.turn(at) {
            let mut nth = 0;
            while let Some(due) = self.wheel.leg_due(turn, nth) {
                nth += 1;
                let Some(leg) = due.and_then(|index| self.legs.get_mut(index as usize)) else { continue };
                let (slot, seat) = (leg.slot, leg.seat);
                let looked = leg.look(at, turn, out);
                let late = leg.feature.as_mut().map_or(0, |feature| feature.late(at));
                let says = self.heard(at, slot, out);
                self.wheel.set_due(seat, if says { 0 } else { looked.next });
                if let Some(samples) = looked.released {
                    self.key_released(slot, samples);
                }
                self.let_through(slot, late, KeySource::Rfc4733, out);
                if let Some(missed) = looked.missed {
                    self.missed(at, slot, missed, out);
                }
            }
        }
    }

    /// A peer that should send is silent.
    fn missed(&mut self, at: Micros, slot: LegSlot, missed: Missed, out: &mut impl Sink) {
        let far = live(&mut self.legs, slot).and_then(|leg| leg.bridge);
        let one_way = far.and_then(|far| live(&mut self.legs, far)).is_some_and(|far| far.speaks(at));
        let Some(leg) = live(&mut self.legs, slot) else { return };
        match missed {
            Missed::Audio { since_answer: true } => leg.tell(MediaTrouble::NoAudio { one_way }, out),
            Missed::Audio { since_answer: false } => leg.tell(MediaTrouble::AudioStopped { one_way }, out),
            Missed::TimedOut => out.event(MediaEvent::RtpTimeout { leg: leg.id }),
        }
    }

    /// When [`Plane::tick`] has something to do next; `None` while there is no leg.
    pub fn next_tick(&self) -> Option<Instant> {
        (!self.legs.is_empty()).then(|| self.epoch + Duration::from_micros(self.wheel.next_turn()))
    }

    fn create(&mut self, id: LegId, port: u16, out: &mut impl Sink) {
        if self.slots.contains_key(&id) {
            return out.event(MediaEvent::CreateFailed { leg: id });
        }
        let entry = self.legs.vacant_entry();
        // 2^32 legs in a worker's life and more ports than legs: an index and a slab far below.
        let slot = LegSlot { index: entry.key() as u32, generation: self.next_generation };
        if !out.open(slot, port) {
            return out.event(MediaEvent::CreateFailed { leg: id });
        }
        self.next_generation = self.next_generation.wrapping_add(1);
        let origin = Origin {
            ssrc: self.rng.next_u32(),
            sequence: self.rng.next_u32() as u16,
            timestamp: self.rng.next_u32(),
            cname: hex(self.rng.next_u64()),
            dice: self.rng.next_u64(),
        };
        entry.insert(Leg::new(id, slot, self.wheel.join(slot.index), origin));
        self.slots.insert(id, slot);
    }

    fn bridge(&mut self, a: LegId, b: LegId) {
        let (Some(&a), Some(&b)) = (self.slots.get(&a), self.slots.get(&b)) else { return };
        if a == b {
            return;
        }
        self.unbridge(a);
        self.unbridge(b);
        for (one, other) in [(a, b), (b, a)] {
            if let Some(leg) = live(&mut self.legs, one) {
                leg.bridge = Some(other);
            }
        }
    }

    fn unbridge(&mut self, slot: LegSlot) {
        self.leave(slot);
        let Some(far) = live(&mut self.legs, slot).and_then(|leg| leg.bridge.take()) else { return };
        if let Some(far) = live(&mut self.legs, far) {
            far.bridge = None;
        }
        for slot in [slot, far] {
            // A key that was held when they parted is let go.
            if let Some(leg) = live(&mut self.legs, slot) {
                leg.keys.release(0);
                leg.end_noise();
            }
        }
    }

    fn record_start(
        &mut self,
        now: Instant,
        call: CallId,
        (near, far): (LegId, Option<LegId>),
        recording: RecordingId,
        out: &mut impl Sink,
    ) {
        let Some(&near) = self.slots.get(&near) else { return };
        if self.recordings.contains_key(&recording) {
            return;
        }
        let far = far.and_then(|far| self.slots.get(&far).copied());
        self.recordings.insert(recording, Recording { near, far, paused: false });
        out.record_open(now, recording, call);
        self.tap(near, recording, Side::Near);
        if let Some(far) = far {
            self.tap(far, recording, Side::Far);
        }
    }

    fn record_pause(&mut self, id: RecordingId, paused: bool) {
        let Some(recording) = self.recordings.get_mut(&id).filter(|recording| recording.paused != paused) else {
            return;
        };
        recording.paused = paused;
        let sides = [(Some(recording.near), Side::Near), (recording.far, Side::Far)];
        for (slot, side) in sides.into_iter().filter_map(|(slot, side)| Some((slot?, side))) {
            match paused {
                true => self.untap(slot, id),
                false => self.tap(slot, id, side),
            }
        }
    }

    fn record_stop(&mut self, now: Instant, id: RecordingId, out: &mut impl Sink) {
        let Some(recording) = self.recordings.remove(&id) else { return };
        for slot in [Some(recording.near), recording.far].into_iter().flatten() {
            self.untap(slot, id);
        }
        out.record_close(now, id);
    }

    fn tap(&mut self, slot: LegSlot, recording: RecordingId, side: Side) {
        if let Some(leg) = live(&mut self.legs, slot)
            && let Some(free) = leg.taps.iter_mut().find(|tap| tap.is_none())
        {
            *free = Some((recording, side));
        }
    }

    fn untap(&mut self, slot: LegSlot, recording: RecordingId) {
        if let Some(leg) = live(&mut self.legs, slot) {
            leg.taps.iter_mut().filter(|tap| tap.is_some_and(|(id, _)| id == recording)).for_each(|tap| *tap = None);
        }
    }

    fn drop_leg(&mut self, now: Instant, id: LegId, out: &mut impl Sink) {
        let at = self.micros(now);
        let Some(slot) = self.slots.remove(&id) else {
            return out.event(MediaEvent::Dropped { leg: id, report: MediaReport::default() });
        };
        self.unbridge(slot);
        let ended: Vec<RecordingId> =
            self.recordings.iter().filter(|(_, recording)| recording.near == slot).map(|(&id, _)| id).collect();
        ended.into_iter().for_each(|recording| self.record_stop(now, recording, out));
        let Some(leg) = self.legs.try_remove(slot.index as usize) else { return };
        let seat = leg.seat;
        if let Some(moved) = self.wheel.leave(seat)
            && let Some(moved) = self.legs.get_mut(moved as usize)
        {
            moved.seat = seat;
        }
        let report = leg.close(at, out);
        out.close(slot);
        out.event(MediaEvent::Dropped { leg: id, report });
    }

    /// After an offer/answer. `change` says whether a key that was down is over by it.
    fn agree(&mut self, id: LegId, change: impl FnOnce(&mut Leg) -> bool) {
        let mut released = None;
        self.with(id, |leg, _| released = change(leg).then_some(leg.slot));
        if let Some(slot) = released {
            self.key_released(slot, 0);
        }
    }

    /// Runs a command on a leg, if it is still there, and lets it have its turn.
    fn with(&mut self, id: LegId, command: impl FnOnce(&mut Leg, &Sounds)) {
        let Some(&slot) = self.slots.get(&id) else { return };
        if let Some(leg) = live(&mut self.legs, slot) {
            command(leg, &self.sounds);
            self.wheel.set_due(leg.seat, 0);
        }
    }

    fn micros(&self, now: Instant) -> Micros {
        // Whole hours fit in 64 bits of microseconds for half a million years.
        now.saturating_duration_since(self.epoch).as_micros() as Micros
    }
}

/// The leg in this slot, unless another has taken its place.
fn live(legs: &mut Slab<Leg>, slot: LegSlot) -> Option<&mut Leg> {
    legs.get_mut(slot.index as usize).filter(|leg| leg.slot == slot)
}

fn hex(number: u64) -> [u8; 16] {
    std::array::from_fn(|place| b"0123456789abcdef"[(number >> (60 - 4 * place) & 0xf) as usize])
}
