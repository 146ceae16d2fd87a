//! What a leg is sent that we make: prompts, sounds, silence, keys, and other parties' sound where it has to be encoded anew.
//! And the other way: what the leg's peer says, as linear sound.

use super::{GAP, Leg};
use crate::media::codec::{Encoder, Law, MAX_FRAME, MAX_PAYLOAD, Rate, g711};
use crate::media::dtmf::send::Tone;
use crate::media::dtmf::{EventPayload, tone};
use crate::media::egress::Source;
use crate::media::pcm::{Input, TURN};
use crate::media::rtp::{HEADER, Header, Received};
use crate::media::sink::Sink;
use crate::media::wheel::ROTATION;
use crate::media::{MS, Micros};
use crate::sdp::Codec;

/// The most that a packet of ours lasts: 60 ms at 8 kHz.
const MAX_NARROW: usize = 480;
/// Samples of a packet in which a key sounds: 20 ms.
const TONE: usize = 160;

/// The leg's encoder, and other parties' sound that waits until a packet is full.
#[derive(Debug)]
pub(super) struct Mouth {
    encoder: Encoder,
    waiting: [i16; MAX_FRAME],
    samples: usize,
    /// Of what waits.
    from: Option<(Source, Rate)>,
}

impl Mouth {
    fn new() -> Self {
        Self { encoder: Encoder::default(), waiting: [0; MAX_FRAME], samples: 0, from: None }
    }
}

impl Leg {
    /// Another codec may be sent from now on: what it needs is made here and not when a packet is due.
    pub(super) fn prepare(&mut self, codec: Codec) {
        self.egress.set_clock(codec.clock_khz());
        self.input.take_if(|input| input.rate() != Rate::of(codec));
        if Law::of(codec).is_none() {
            self.mouth().encoder.prepare(codec);
        }
    }

    /// Is one of a conference from now on: what that needs is made here and not when a packet comes.
    pub fn confer(&mut self, room: usize, speaks: bool) {
        self.conference = Some(room);
        self.wants_pcm = speaks;
        self.mouth();
        let rate = self.codec().map_or(Rate::Narrow, Rate::of);
        self.input.get_or_insert_with(|| Box::new(Input::new(rate))).stop();
    }

    /// Is in no conference any more. Returns the one that it was in.
    pub fn leave(&mut self) -> Option<usize> {
        let room = self.conference.take()?;
        self.wants_pcm = false;
        if let Some(input) = &mut self.input {
            input.stop();
        }
        Some(room)
    }

    /// Takes a packet of the peer's for whoever takes linear sound.
    pub fn listen(&mut self, now: Micros, rtp: &Received, codec: Codec, payload: &[u8]) {
        // What comes in another of the agreed codecs is brought to the rate of the first: none is made for each packet.
        let rate = Rate::of(self.peer.as_ref().map_or(codec, |peer| peer.spec.codec));
        let input = self.input.get_or_insert_with(|| Box::new(Input::new(rate)));
        input.push(now, rtp.ssrc, rtp.timestamp, codec, payload);
    }

    /// This turn's worth of what the peer says.
    pub fn heard<'a>(&mut self, now: Micros, pcm: &'a mut [i16; TURN]) -> Option<(Rate, &'a [i16])> {
        let input = self.input.as_mut()?;
        let rate = input.rate();
        input.pull(now, pcm).map(|pcm| (rate, pcm))
    }

    /// Lets the peer hear linear sound of others, unless it is sent something of our own. `pcm` is whole turns.
    pub fn say(&mut self, now: Micros, from: Source, rate: Rate, pcm: &[i16], out: &mut impl Sink) {
        let Some((codec, payload_type)) = self.sends().filter(|_| !self.is_occupied()) else {
            if let Some(mouth) = &mut self.mouth {
                mouth.samples = 0;
            }
            return;
        };
        self.end_noise();
        let frame = self.frame_samples();
        let mouth = self.mouth();
        if mouth.from != Some((from, rate)) {
            (mouth.from, mouth.samples) = (Some((from, rate)), 0);
        }
        let room = &mut mouth.waiting[mouth.samples..];
        let taken = room.len().min(pcm.len());
        room[..taken].copy_from_slice(&pcm[..taken]);
        mouth.samples += taken;
        if mouth.samples < frame / 8 * rate.per_ms() {
            return;
        }
        let samples = std::mem::take(&mut mouth.samples);
        let mut packet = [0; HEADER + MAX_PAYLOAD];
        let octets = mouth.encoder.encode(codec, rate, &mouth.waiting[..samples], &mut packet[HEADER..]);
        if octets > 0 {
            let header = self.egress.paced(now, from, (samples / rate.per_ms() * 8) as u32);
            packet[..HEADER].copy_from_slice(&Header { payload_type, ..header }.octets());
            self.emit(&packet[..HEADER + octets], out);
        }
    }

    /// One packet of our own, if it is time for one. Returns when to look again.
    pub(super) fn pace(&mut self, now: Micros, turn: Micros, out: &mut impl Sink) -> Micros {
        // What is to be heard waits for the keys.
        if self.guard.is_shut() {
            self.next_frame = 0;
            return now + GAP;
        }
        if self.keys.is_active() {
            match self.can_be_sent_keys() {
                true if self.takes_events() => self.send_key(now, out),
                true => self.send_tone(now, out),
                false => self.refuse_keys(out),
            }
            return 0;
        }
        let Some(peer) = self.peer.as_ref().filter(|peer| !peer.fax) else { return now + GAP };
        let (codec, frame) = (peer.spec.codec, self.frame_samples());
        let speak_at = self.egress.last_sent().max(peer.since) + self.gap();
        let source = match &self.player {
            Some(player) => Source::Play(player.id),
            None if !self.can_send() => return now + GAP,
            None if self.egress.is_paced_by(Source::Silence) => Source::Silence,
            None if now >= speak_at => {
                self.next_frame = 0;
                Source::Silence
            }
            None => return speak_at,
        };
        if turn < self.next_frame {
            return 0;
        }
        let lasts = frame as Micros * MS / 8;
        let behind = turn - self.next_frame;
        let afresh = self.next_frame == 0 || behind >= lasts;
        self.next_frame = if afresh { turn + lasts } else { self.next_frame + lasts };
        let law = Law::of(codec);
        let mut packet = [0; HEADER + MAX_PAYLOAD];
        let sound = &mut packet[HEADER..HEADER + frame];
        let filled = match &mut self.player {
            Some(player) => player.fill(sound, law.unwrap_or(Law::Mu)),
            None => {
                match &mut self.noise {
                    Some(noise) => noise.fill(law.unwrap_or(Law::Mu), sound),
                    None => sound.fill(law.unwrap_or(Law::Mu).silence()),
                }
                frame
            }
        };
        if filled == 0 {
            self.end_play(false, out);
            return 0;
        }
        if let Some((_, payload_type)) = self.sends() {
            let octets = match law {
                Some(_) => frame,
                None => {
                    let mut pcm = [0; MAX_NARROW];
                    g711::decode(Law::Mu, &packet[HEADER..HEADER + frame], &mut pcm);
                    let mouth = self.mouth();
                    mouth.encoder.encode(codec, Rate::Narrow, &pcm[..frame], &mut packet[HEADER..])
                }
            };
            let header = self.egress.paced(now, source, frame as u32);
            packet[..HEADER].copy_from_slice(&Header { payload_type, ..header }.octets());
            self.emit(&packet[..HEADER + octets], out);
            if let Some(player) = &mut self.player {
                player.sent(filled);
            }
        }
        0
    }

    fn send_key(&mut self, now: Micros, out: &mut impl Sink) {
        let Some(spec) = self.peer.as_ref().map(|peer| &peer.spec) else { return };
        let (Some(payload_type), khz) = (spec.event_send_pt, spec.event_khz) else { return };
        let Some((header, payload)) = self.keys.next(now, &mut self.egress) else { return };
        // At 48 kHz the field is full after 1.4 s; a key that is held longer then keeps that length until its end.
        let duration = u32::from(payload.duration) * khz / 8;
        let payload = EventPayload { duration: u16::try_from(duration).unwrap_or(u16::MAX), ..payload };
        let mut packet = [0; HEADER + EventPayload::OCTETS];
        packet[..HEADER].copy_from_slice(&Header { payload_type, ..header }.octets());
        packet[HEADER..].copy_from_slice(&payload.octets());
        self.emit(&packet, out);
    }

    /// The next 20 ms of the keys that we press, as tones.
    fn send_tone(&mut self, now: Micros, out: &mut impl Sink) {
        let (Some((codec, payload_type)), Some(piece)) = (self.sends(), self.keys.tone()) else { return };
        let mut pcm = [0; TONE];
        if let Tone::Sound { event, from } = piece {
            pcm.iter_mut().zip(tone::samples(event, from)).for_each(|(place, sample)| *place = sample);
        }
        let mut packet = [0; HEADER + MAX_PAYLOAD];
        let octets = match Law::of(codec) {
            Some(law) => g711::encode(law, &pcm, &mut packet[HEADER..]),
            None => self.mouth().encoder.encode(codec, Rate::Narrow, &pcm, &mut packet[HEADER..]),
        };
        let header = self.egress.paced(now, Source::Keys, TONE as u32);
        packet[..HEADER].copy_from_slice(&Header { payload_type, ..header }.octets());
        self.emit(&packet[..HEADER + octets], out);
    }

    fn mouth(&mut self) -> &mut Mouth {
        self.mouth.get_or_insert_with(|| Box::new(Mouth::new()))
    }

    /// The peer's wish for packet length where the wheel can keep it evenly; else 20 ms, which every receiver takes. In
    /// 8 kHz samples.
    fn frame_samples(&self) -> usize {
        match self.peer.as_ref().map(|peer| peer.spec.ptime_ms) {
            Some(40) => 320,
            Some(60) => MAX_NARROW,
            _ => (ROTATION * 8 / MS) as usize,
        }
    }
}
